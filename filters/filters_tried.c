/*
 * filters_tried - what every rule that was tried said, for the message's story: names and outcomes, no conditions. filters_explain tells those.
 *
 * It is kept with every message, so it is bounded; rules that said no give way to those that acted, and what does not fit is counted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "filters/filters_builder.h"

#define TRIED_MAX    128u  /* entries */
#define TRIED_OCTETS 4096u /* of their texts */
#define TRIED_TEXT   300u  /* of one */

/* The share of both that rules which said no may take. */
#define TRIED_NO(limit) ((limit) / 4 * 3)

static bool is_kept(const struct filters_builder *builder)
{
    return builder->run.stage == FILTERS_STAGE_BODY;
}

static int add(struct filters_builder *builder, char mark, const char *group, const char *name)
{
    struct filters_decision *decision = &builder->decision;
    bool no = mark == MAIL_TRIED_NO;
    size_t most = no ? TRIED_NO(TRIED_MAX) : TRIED_MAX - 1, octets = no ? TRIED_NO(TRIED_OCTETS) : TRIED_OCTETS;
    char text[TRIED_TEXT];
    snprintf(text, sizeof text, "%c%s%s%s", mark, group == NULL ? "" : group, group == NULL ? "" : "/", name);
    if (decision->tried_count >= most || builder->tried_octets + strlen(text) > octets) {
        builder->tried_left_out++;
        return 0;
    }
    if (builder->tried == NULL) {
        builder->tried = arena_array(builder->arena, TRIED_MAX, sizeof *builder->tried);
        decision->tried = builder->tried;
    }
    const char *copy = builder->tried == NULL ? NULL : arena_text(builder->arena, text);
    if (copy == NULL) {
        return filters_run_full(&builder->run);
    }
    builder->tried[decision->tried_count++] = copy;
    builder->tried_octets += strlen(text);
    return 0;
}

int filters_tried_recipient(struct filters_builder *builder, const char *recipient)
{
    return is_kept(builder) ? add(builder, MAIL_TRIED_RECIPIENT, NULL, recipient) : 0;
}

int filters_tried_rule(struct filters_builder *builder, const struct filters_group *group,
                       const struct filters_rule *rule, enum filters_verdict verdict)
{
    if (!is_kept(builder) || rule->disabled) {
        return 0;
    }
    char mark = verdict == FILTERS_YES ? MAIL_TRIED_YES : verdict == FILTERS_NO ? MAIL_TRIED_NO : MAIL_TRIED_FAILED;
    return add(builder, mark, group->name, rule->name);
}

int filters_tried_no(struct filters_builder *builder, const struct filters_group *group, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (filters_tried_rule(builder, group, &group->rules[i], FILTERS_NO) < 0) {
            return -1;
        }
    }
    return 0;
}

int filters_tried_end(struct filters_builder *builder)
{
    char count[24];
    snprintf(count, sizeof count, "%c%" PRIu64, MAIL_TRIED_MORE, builder->tried_left_out);
    if (builder->tried == NULL || builder->tried_left_out == 0) {
        return 0;
    }
    const char *copy = arena_text(builder->arena, count);
    if (copy == NULL) {
        return filters_run_full(&builder->run);
    }
    builder->tried[builder->decision.tried_count++] = copy; /* the last place is kept for it */
    return 0;
}

/*
 * filters_tried - what every rule that was tried said, for the message's story: names and outcomes, no conditions.
 * filters_explain tells those.
 *
 * It is kept with every message, so it is bounded; rules that said no give way to those that acted, and what does not
 * fit is counted.
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
    return builder->run.extent == FILTERS_EXTENT_BODY;
}

static size_t write(char *text, char mark, const char *group, const char *name)
{
    int len = snprintf(text, TRIED_TEXT, "%c%s%s%s", mark, group == NULL ? "" : group, group == NULL ? "" : "/", name);
    return len < (int)TRIED_TEXT ? (size_t)len + 1 : TRIED_TEXT;
}

int filters_tried_prepare(struct filters_set *set, struct filters_group *group)
{
    char text[TRIED_TEXT];
    size_t octets = 0;
    for (size_t i = 0; i < group->rule_count; i++) {
        struct filters_rule *rule = &group->rules[i];
        rule->enabled_before = group->enabled_count;
        group->enabled_count += !rule->disabled;
        rule->said_len = rule->disabled ? 0 : (unsigned short)write(text, MAIL_TRIED_NO, group->name, rule->name);
        octets += rule->said_len;
    }
    char *all = arena_alloc(set->arena, octets);
    for (size_t i = 0; all != NULL && i < group->rule_count; i++) {
        struct filters_rule *rule = &group->rules[i];
        rule->said_no = all;
        if (rule->said_len > 0) {
            write(text, MAIL_TRIED_NO, group->name, rule->name);
            memcpy(all, text, rule->said_len);
        }
        all += rule->said_len;
    }
    return all == NULL && octets > 0 ? -1 : 0;
}

static bool has_room(struct filters_builder *builder)
{
    if (builder->tried == NULL) {
        builder->tried = arena_array(builder->arena, TRIED_MAX, sizeof *builder->tried);
        builder->decision.tried = builder->tried;
    }
    return builder->tried != NULL;
}

static int add_tried(struct filters_builder *builder, char mark, const char *group, const char *name)
{
    struct filters_decision *decision = &builder->decision;
    char text[TRIED_TEXT];
    size_t len = write(text, mark, group, name);
    if (decision->tried_count >= TRIED_MAX - 1 || builder->tried_octets + len > TRIED_OCTETS) {
        builder->tried_left_out++;
        return 0;
    }
    const char *copy = has_room(builder) ? arena_text(builder->arena, text) : NULL;
    if (copy == NULL) {
        return filters_run_full(&builder->run);
    }
    builder->tried[decision->tried_count++] = copy;
    builder->tried_octets += len;
    return 0;
}

/* Those of the rules from `rule` to before `end`. */
static int add_said_no(struct filters_builder *builder, const struct filters_rule *rule, const struct filters_rule *end,
                       size_t octets)
{
    struct filters_decision *decision = &builder->decision;
    char *copy = has_room(builder) ? arena_alloc(builder->arena, octets) : NULL;
    if (copy == NULL) {
        return filters_run_full(&builder->run);
    }
    for (; rule->said_len == 0; rule++) {
    }
    memcpy(copy, rule->said_no, octets);
    for (; rule < end; copy += rule->said_len, rule++) {
        if (rule->said_len > 0) {
            builder->tried[decision->tried_count++] = copy;
        }
    }
    builder->tried_octets += octets;
    return 0;
}

int filters_tried_recipient(struct filters_builder *builder, const char *recipient)
{
    return is_kept(builder) ? add_tried(builder, MAIL_TRIED_RECIPIENT, NULL, recipient) : 0;
}

int filters_tried_rule(struct filters_builder *builder, const struct filters_group *group,
                       const struct filters_rule *rule, enum filters_verdict verdict)
{
    if (verdict == FILTERS_NO) {
        size_t i = (size_t)(rule - group->rules);
        return filters_tried_no(builder, group, i, i + 1);
    }
    if (!is_kept(builder)) {
        return 0;
    }
    char mark = verdict != FILTERS_YES ? MAIL_TRIED_FAILED : rule->watch ? MAIL_TRIED_WATCHED : MAIL_TRIED_YES;
    return add_tried(builder, mark, group->name, rule->name);
}

/* Most rules say no, and there may be thousands of them in one call: what fits is copied in one piece, and the rest is
 * counted by subtraction. */
int filters_tried_no(struct filters_builder *builder, const struct filters_group *group, size_t from, size_t to)
{
    struct filters_decision *decision = &builder->decision;
    size_t count = 0, octets = 0, at = from;
    if (!is_kept(builder)) {
        return 0;
    }
    for (; at < to && decision->tried_count + count < TRIED_NO(TRIED_MAX); at++) {
        size_t len = group->rules[at].said_len;
        if (builder->tried_octets + octets + len > TRIED_NO(TRIED_OCTETS)) {
            break;
        }
        count += len > 0;
        octets += len;
    }
    if (at < to) {
        unsigned end = to < group->rule_count ? group->rules[to].enabled_before : group->enabled_count;
        builder->tried_left_out += end - group->rules[at].enabled_before;
    }
    return count == 0 ? 0 : add_said_no(builder, &group->rules[from], &group->rules[at], octets);
}

int filters_tried_end(struct filters_builder *builder)
{
    char count[24];
    if (builder->tried == NULL || builder->tried_left_out == 0) {
        return 0;
    }
    snprintf(count, sizeof count, "%c%" PRIu64, MAIL_TRIED_MORE, builder->tried_left_out);
    const char *copy = arena_text(builder->arena, count);
    if (copy == NULL) {
        return filters_run_full(&builder->run);
    }
    builder->tried[builder->decision.tried_count++] = copy; /* the last place is kept for it */
    return 0;
}

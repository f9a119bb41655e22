/*
 * filters_decide - runs the rules once per recipient and merges equal deliveries; see filters.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_run.h"

#define WORK_MAX (64u << 20) /* octets of values and captures of one decision */
#define DELIVERIES_MAX 1000

struct filters_scratch {
    struct filters_matcher *matcher;
};

/* A decision in the making. */
struct builder {
    struct filters_run run;
    struct arena *arena; /* of the result */
    struct filters_decision *decision;
    size_t delivery_size, rule_size;
};

struct filters_scratch *filters_scratch_new(void)
{
    struct filters_scratch *scratch = expect_calloc(1, sizeof *scratch);
    scratch->matcher = filters_matcher_new();
    return scratch;
}

void filters_scratch_free(struct filters_scratch **scratch)
{
    if (*scratch == NULL) {
        return;
    }
    filters_matcher_free(&(*scratch)->matcher);
    free(*scratch);
    *scratch = NULL;
}

static int full(struct builder *builder)
{
    fault_set(builder->run.fault, FAULT_LOCAL, "rules-memory", "rules",
              "the decision needs more memory than a transaction may use");
    return -1;
}

/* Makes room for one more in an array of the result; the old one stays behind in the arena. */
static void *room_for_one(struct builder *builder, const void *array, size_t count, size_t *size, size_t item)
{
    if (count < *size) {
        return (void *)(uintptr_t)array;
    }
    size_t wanted = *size == 0 ? 4 : *size * 2;
    void *larger = arena_array(builder->arena, wanted, item);
    if (larger == NULL) {
        full(builder);
        return NULL;
    }
    if (count > 0) {
        memcpy(larger, array, count * item);
    }
    *size = wanted;
    return larger;
}

static bool same_texts(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    if (a_count != b_count) {
        return false;
    }
    for (size_t i = 0; i < a_count; i++) {
        if (strcmp(a[i], b[i]) != 0) {
            return false;
        }
    }
    return true;
}

static bool is_same_delivery(const struct mail_delivery *a, const struct mail_delivery *b)
{
    return strcmp(a->upstream, b->upstream) == 0 && strcmp(a->folder, b->folder) == 0 && a->held == b->held &&
           same_texts(a->flags, a->flag_count, b->flags, b->flag_count);
}

static int add_recipient(struct builder *builder, struct mail_delivery *delivery, const char *address)
{
    for (size_t i = 0; i < delivery->recipient_count; i++) {
        if (strcmp(delivery->recipients[i], address) == 0) {
            return 0;
        }
    }
    const char **recipients = arena_array(builder->arena, delivery->recipient_count + 1, sizeof *recipients);
    if (recipients == NULL) {
        return full(builder);
    }
    if (delivery->recipient_count > 0) {
        memcpy(recipients, delivery->recipients, delivery->recipient_count * sizeof *recipients);
    }
    recipients[delivery->recipient_count++] = address;
    delivery->recipients = recipients;
    return 0;
}

/* Adds the delivery, or the recipient to an equal one. */
static int add_delivery(struct builder *builder, const struct mail_delivery *wanted)
{
    struct filters_decision *decision = builder->decision;
    const char *address = builder->run.message->envelope->to[builder->run.recipient].address;
    for (size_t i = 0; i < decision->delivery_count; i++) {
        if (is_same_delivery(&decision->deliveries[i], wanted)) {
            return add_recipient(builder, &decision->deliveries[i], address);
        }
    }
    if (decision->delivery_count == DELIVERIES_MAX) {
        fault_set(builder->run.fault, FAULT_LOCAL, "too-many-deliveries", "rules", "the rules ask for more than %d deliveries",
                  DELIVERIES_MAX);
        return -1;
    }
    struct mail_delivery *deliveries = room_for_one(builder, decision->deliveries, decision->delivery_count,
                                                    &builder->delivery_size, sizeof *deliveries);
    if (deliveries == NULL) {
        return -1;
    }
    decision->deliveries = deliveries;
    deliveries[decision->delivery_count] = *wanted;
    deliveries[decision->delivery_count].number = (unsigned)decision->delivery_count + 1;
    return add_recipient(builder, &deliveries[decision->delivery_count++], address);
}

static int note_rule(struct builder *builder, const char *name)
{
    struct filters_decision *decision = builder->decision;
    for (size_t i = 0; i < decision->rule_count; i++) {
        if (strcmp(decision->rules[i], name) == 0) {
            return 0;
        }
    }
    const char **rules =
        room_for_one(builder, decision->rules, decision->rule_count, &builder->rule_size, sizeof *rules);
    if (rules == NULL) {
        return -1;
    }
    rules[decision->rule_count++] = name;
    decision->rules = rules;
    return 0;
}

static int file_into(struct builder *builder, const struct filters_rule *rule, const struct filters_action *action)
{
    struct filters_values values = {builder->run.captures, builder->run.capture_count};
    struct buf folder;
    buf_init(&folder, FILTERS_FOLDER_MAX);
    filters_template_folder(action->folder, &values, &folder);
    char *copy = arena_copy(builder->arena, buf_bytes(&folder));
    buf_done(&folder);
    if (copy == NULL) {
        return full(builder);
    }
    return add_delivery(builder, &(struct mail_delivery){.upstream = action->upstream,
                                                         .folder = copy,
                                                         .flags = action->flags,
                                                         .flag_count = action->flag_count,
                                                         .rule = rule->name});
}

/* 1: the rules end here for this recipient. */
static int act(struct builder *builder, const struct filters_rule *rule, bool *taken)
{
    if (note_rule(builder, rule->name) < 0) {
        return -1;
    }
    for (size_t i = 0; i < rule->action_count; i++) {
        switch (rule->actions[i].kind) {
        case FILTERS_STOP:
            return 1;
        case FILTERS_FILEINTO:
            *taken = true;
            if (file_into(builder, rule, &rule->actions[i]) < 0) {
                return -1;
            }
            break;
        }
    }
    return 0;
}

static int file_by_default(struct builder *builder)
{
    const struct filters_default *fallback = &builder->run.set->fallback;
    if (fallback->upstream == NULL) {
        builder->decision->reply_code = 550;
        builder->decision->enhanced = "5.7.1";
        builder->decision->reply_text = "no rule takes this message";
        return 0;
    }
    return add_delivery(builder, &(struct mail_delivery){.upstream = fallback->upstream,
                                                         .folder = fallback->folder,
                                                         .flags = fallback->flags,
                                                         .flag_count = fallback->flag_count,
                                                         .rule = "default"});
}

static int run_recipient(struct builder *builder)
{
    const struct filters_set *set = builder->run.set;
    bool taken = false;
    for (size_t i = 0; i < set->rule_count; i++) {
        enum filters_verdict verdict = filters_run_rule(&builder->run, &set->rules[i]);
        if (verdict == FILTERS_FAILED) {
            return -1;
        }
        int result = verdict == FILTERS_YES ? act(builder, &set->rules[i], &taken) : 0;
        if (result != 0) {
            return result < 0 || taken ? (result < 0 ? -1 : 0) : file_by_default(builder);
        }
    }
    return taken ? 0 : file_by_default(builder);
}

static int run_all(struct builder *builder)
{
    struct filters_run *run = &builder->run;
    run->fetched = arena_array(run->arena, run->set->subject_count, sizeof *run->fetched);
    run->capture_size = run->set->capture_max;
    run->captures = arena_array(run->arena, run->capture_size, sizeof *run->captures);
    if (run->fetched == NULL || run->captures == NULL) {
        return full(builder);
    }
    for (size_t i = 0; i < run->message->envelope->to_count; i++) {
        filters_run_next_recipient(run, i);
        if (run_recipient(builder) < 0) {
            return -1;
        }
    }
    return 0;
}

int filters_decide(const struct filters_set *set, struct filters_scratch *scratch, const struct filters_message *message,
                   struct arena *arena, struct filters_decision *decision_r, struct fault *fault)
{
    struct fault own = FAULT_INIT;
    struct filters_decision decision = {0};
    struct builder builder = {.run = {.set = set,
                                      .message = message,
                                      .stage = FILTERS_STAGE_HEADER,
                                      .matcher = scratch->matcher,
                                      .arena = arena_new(WORK_MAX),
                                      .fault = fault == NULL ? &own : fault},
                              .arena = arena,
                              .decision = &decision};
    int result = run_all(&builder);
    arena_free(&builder.run.arena);
    if (result == 0) {
        if (decision.reply_code != 0) {
            decision.delivery_count = 0; /* the message is refused as a whole */
        }
        *decision_r = decision;
    }
    return result;
}

int filters_decide_recipient(const struct filters_set *set, struct filters_scratch *scratch, const struct mail_envelope *envelope,
                             struct arena *arena, struct filters_decision *decision_r, struct fault *fault)
{
    (void)set, (void)scratch, (void)envelope, (void)arena, (void)decision_r, (void)fault;
    return 0; /* no action refuses yet */
}

bool filters_needs_body(const struct filters_set *set)
{
    (void)set;
    return false;
}

size_t filters_rule_count(const struct filters_set *set)
{
    return set->rule_count;
}

/*
 * filters_decide - runs the rules of the groups, once per recipient; see filters.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_builder.h"
#include "filters/filters_explain.h"
#include "filters/filters_index.h"
#include "filters/filters_trace.h"

struct filters_scratch {
    struct filters_matcher *matcher;
    struct arena *arena; /* of one decision after the other */
};

struct filters_scratch *filters_scratch_new(void)
{
    struct filters_scratch *scratch = expect_calloc(1, sizeof *scratch);
    scratch->matcher = filters_matcher_new();
    scratch->arena = arena_new(FILTERS_RUN_MEMORY);
    return scratch;
}

void filters_scratch_free(struct filters_scratch **scratch)
{
    if (*scratch == NULL) {
        return;
    }
    filters_matcher_free(&(*scratch)->matcher);
    arena_free(&(*scratch)->arena);
    free(*scratch);
    *scratch = NULL;
}

/* How the rules of a group ended for one recipient. */
enum ending {
    THROUGH,   /* all were tried */
    ENDED,     /* an action ended them */
    UNCERTAIN, /* at the envelope alone: what follows depends on what is not known yet */
    BROKEN,    /* with a fault */
    LEFT,      /* the first rule of a group that wants one has held */
};

/* The rules go on after a limit: who counts errors by rule wants to know which hit it. */
static void note_failed(struct filters_builder *builder, const struct filters_rule *rule)
{
    struct filters_decision *decision = &builder->decision;
    if (decision->failed_count < sizeof builder->failed / sizeof *builder->failed) {
        builder->failed[decision->failed_count++] = rule->name;
    }
}

/* No rule can be tried any more, so there is nothing to skip to. What connection and envelope decide is then left to
 * the whole message. */
static enum ending on_time_over(struct filters_builder *builder, const struct filters_rule *rule)
{
    struct filters_run *run = &builder->run;
    if (run->extent == FILTERS_EXTENT_ENVELOPE) {
        *run->fault = FAULT_INIT;
        return UNCERTAIN;
    }
    if (rule->on_error != FILTERS_ERROR_DEFAULT) {
        return BROKEN;
    }
    *run->fault = FAULT_INIT;
    builder->decision.out_of_time = true;
    note_failed(builder, rule);
    builder->taken = true;
    return filters_builder_default(builder) < 0 ? BROKEN : ENDED;
}

/* A limit was hit in the rule's condition: whether the rules go on (as if it had said no), end, or the decision fails.
 */
static enum ending on_failure(struct filters_builder *builder, const struct filters_rule *rule)
{
    struct filters_run *run = &builder->run;
    if (strcmp(run->fault->code, "time-limit") == 0) {
        snprintf(run->fault->where, sizeof run->fault->where, "%.79s", rule->name);
        return on_time_over(builder, rule);
    }
    bool limit = strcmp(run->fault->code, "pattern-limit") == 0;
    if (limit && rule->watch && ++run->failures <= FILTERS_FAILURES_MAX) {
        *run->fault = FAULT_INIT; /* whoever only watches keeps no mail from its way */
        note_failed(builder, rule);
        return THROUGH;
    }
    snprintf(run->fault->where, sizeof run->fault->where, "%.79s", rule->name);
    if (!limit || rule->on_error == FILTERS_ERROR_DEFER || ++run->failures > FILTERS_FAILURES_MAX) {
        return BROKEN;
    }
    *run->fault = FAULT_INIT;
    builder->decision.limits_hit++;
    note_failed(builder, rule);
    if (rule->on_error == FILTERS_ERROR_SKIP) {
        return THROUGH;
    }
    builder->taken = true; /* by the default, here and now */
    return filters_builder_default(builder) < 0 ? BROKEN : ENDED;
}

static enum ending run_group(struct filters_builder *builder, unsigned number);

static int body_missing(struct filters_run *run, const char *rule)
{
    fault_set(run->fault, FAULT_LOCAL, "body-missing", rule, "the rule looks at the body, which is not kept");
    return -1;
}

/*
 * Before the whole message is there, the rule may still say yes. If it does and ends the rules, nothing behind it
 * counts; nor is a default certain. Where no more of the message will come, nothing is.
 */
static enum ending on_unknown(struct filters_builder *builder, const struct filters_group *group,
                              const struct filters_rule *rule)
{
    if (rule->watch) {
        return THROUGH;
    }
    if (builder->run.extent == FILTERS_EXTENT_HEADER) {
        disregard(body_missing(&builder->run, rule->name));
        return BROKEN;
    }
    builder->taken = true;
    return rule->ends || group->first ? UNCERTAIN : THROUGH;
}

/* The rule said yes: it acts. */
static enum ending act(struct filters_builder *builder, const char *name, const struct filters_action *actions,
                       size_t count)
{
    unsigned group = 0;
    switch (filters_act(builder, name, actions, count, &group)) {
    case FILTERS_GO_ON:
        return THROUGH;
    case FILTERS_ENDED:
        return builder->run.incomplete ? UNCERTAIN : ENDED;
    case FILTERS_GOTO_GROUP:
        return run_group(builder, group);
    case FILTERS_BROKEN:
        break;
    }
    return BROKEN;
}

static enum filters_verdict try_rule(struct filters_run *run, const struct filters_rule *rule)
{
    struct filters_cost *costs = run->message->costs;
    if (rule->disabled || (rule->until_ms != 0 && run->message->now_ms >= rule->until_ms)) {
        return FILTERS_NO;
    }
    if (costs == NULL) {
        return filters_run_rule(run, rule);
    }
    const struct filters_clock *clock = &run->message->clock;
    uint64_t began = clock->now_us(clock->ctx);
    enum filters_verdict verdict = filters_run_rule(run, rule);
    costs[rule->number].us += clock->now_us(clock->ctx) - began;
    costs[rule->number].tried++;
    return verdict;
}

static enum ending on_yes(struct filters_builder *builder, const struct filters_group *group,
                          const struct filters_rule *rule)
{
    if (rule->watch) {
        return filters_builder_note_watched(builder, rule->name) < 0 ? BROKEN : THROUGH;
    }
    if (filters_builder_note_rule(builder, rule->name) < 0) {
        return BROKEN;
    }
    enum ending ending = act(builder, rule->name, rule->actions, rule->action_count);
    return ending == THROUGH && group->first ? LEFT : ending;
}

static enum ending run_rule(struct filters_builder *builder, const struct filters_group *group,
                            const struct filters_rule *rule)
{
    struct filters_run *run = &builder->run;
    filters_trace_rule_begin(run->trace);
    enum filters_verdict verdict = try_rule(run, rule);
    filters_trace_rule_end(run->trace, group, rule, verdict, verdict == FILTERS_FAILED ? run->fault->text : NULL);
    if (filters_tried_rule(builder, group, rule, verdict) < 0) {
        return BROKEN;
    }
    /* At the envelope alone nobody knows what time it will be: a rule with a last day is not certain. */
    if (verdict == FILTERS_YES && rule->until_ms != 0 && run->extent == FILTERS_EXTENT_ENVELOPE) {
        verdict = FILTERS_UNKNOWN;
    }
    switch (verdict) {
    case FILTERS_YES:
        return on_yes(builder, group, rule);
    case FILTERS_FAILED:
        return on_failure(builder, rule);
    case FILTERS_UNKNOWN:
        return on_unknown(builder, group, rule);
    case FILTERS_NO:
        break;
    }
    return THROUGH;
}

static enum ending run_candidates(struct filters_builder *builder, const struct filters_group *group,
                                  const uint64_t *candidates)
{
    size_t told = 0; /* rules before it are in the record */
    for (size_t word = 0; word < filters_index_words(group->index); word++) {
        for (uint64_t bits = candidates[word]; bits != 0; bits &= bits - 1) {
            size_t i = word * 64 + (size_t)__builtin_ctzll(bits);
            if (filters_index_says_no(group->index, &builder->run, i)) {
                continue;
            }
            if (filters_tried_no(builder, group, told, i) < 0) {
                return BROKEN;
            }
            told = i + 1;
            enum ending ending = run_rule(builder, group, &group->rules[i]);
            if (ending != THROUGH) {
                return ending;
            }
        }
    }
    return filters_tried_no(builder, group, told, group->rule_count) < 0 ? BROKEN : THROUGH;
}

/* With a trace every rule is tried, so that what each one saw can be told. */
static enum ending run_every(struct filters_builder *builder, const struct filters_group *group)
{
    for (size_t i = 0; i < group->rule_count; i++) {
        enum ending ending = run_rule(builder, group, &group->rules[i]);
        if (ending != THROUGH) {
            return ending;
        }
    }
    return THROUGH;
}

static enum ending run_rules(struct filters_builder *builder, const struct filters_group *group)
{
    struct filters_run *run = &builder->run;
    if (run->trace != NULL) {
        return run_every(builder, group);
    }
    uint64_t *candidates = arena_array(run->arena, filters_index_words(group->index), sizeof *candidates);
    if (candidates == NULL) {
        disregard(filters_run_full(run));
        return BROKEN;
    }
    return filters_index_candidates(group->index, run, candidates) < 0 ? BROKEN
                                                                       : run_candidates(builder, group, candidates);
}

/* A group that is left without having taken the message does what its default says; then the rules are through. */
static enum ending run_group(struct filters_builder *builder, unsigned number)
{
    const struct filters_group *group = &builder->run.set->groups[number];
    bool taken_before = builder->taken;
    builder->taken = false;
    enum ending ending = run_rules(builder, group);
    ending = ending == LEFT ? THROUGH : ending;
    if (ending == THROUGH && !builder->taken && group->default_count > 0) {
        filters_trace_note(builder->run.trace, "the group's default");
        ending = act(builder, "default", group->defaults, group->default_count);
    }
    builder->taken = builder->taken || taken_before;
    return ending == THROUGH && number != 0 ? ENDED : ending;
}

/* One recipient from the first rule to the default. */
static enum ending run_recipient(struct filters_builder *builder, size_t recipient)
{
    filters_builder_next(builder, recipient);
    filters_trace_recipient(builder->run.trace, builder->run.message->envelope->to[recipient].address);
    if (builder->run.set->per_recipient &&
        filters_tried_recipient(builder, builder->run.message->envelope->to[recipient].address) < 0) {
        return BROKEN;
    }
    enum ending ending = run_group(builder, 0);
    if ((ending == THROUGH || ending == ENDED) && !builder->taken) {
        filters_trace_note(builder->run.trace, "no rule took the message: the configuration's default");
        ending = filters_builder_default(builder) < 0 ? BROKEN : ending;
    }
    return ending;
}

/* Where nothing looks at the recipient, one run serves all. */
static int run_message(struct filters_builder *builder)
{
    size_t count = builder->run.message->envelope->to_count;
    bool shared = !builder->run.set->per_recipient && builder->run.trace == NULL;
    for (size_t i = 0; i < count; i++) {
        if (shared && i > 0) {
            return filters_builder_share(builder);
        }
        if (run_recipient(builder, i) == BROKEN) {
            return -1;
        }
    }
    return 0;
}

/* A decision outlives the set that made it: its texts are copied. False when the arena is full. */
static bool keep_decision(struct filters_builder *builder, const char **text)
{
    if (*text == NULL) {
        return true;
    }
    *text = arena_text(builder->arena, *text);
    return *text != NULL;
}

/* For whom it is stays where it is: addresses live as long as the envelope, and a thousand deliveries may share one
 * list of a thousand of them. */
static bool keep_delivery(struct filters_builder *builder, struct mail_delivery *delivery)
{
    struct mail_delivery kept = *delivery;
    kept.recipients = NULL;
    kept.recipient_count = 0;
    if (mail_delivery_copy(builder->arena, &kept, &kept) != 0) {
        return false;
    }
    kept.recipients = delivery->recipients;
    kept.recipient_count = delivery->recipient_count;
    *delivery = kept;
    return true;
}

static bool keep_failed(struct filters_builder *builder)
{
    struct filters_decision *decision = &builder->decision;
    const char **failed = arena_array(builder->arena, decision->failed_count, sizeof *failed);
    bool kept = failed != NULL;
    for (size_t i = 0; i < decision->failed_count && kept; i++) {
        failed[i] = builder->failed[i];
        kept = keep_decision(builder, &failed[i]);
    }
    decision->failed = failed;
    return kept;
}

/* The array alone: the texts are static. NULL when the arena is full. */
static const char *const *keep_errors(struct arena *arena, const struct mail_view *view)
{
    const char **errors = arena_array(arena, view->error_count + 1, sizeof *errors);
    for (size_t i = 0; errors != NULL && i < view->error_count; i++) {
        errors[i] = view->errors[i];
    }
    return errors;
}

/* Takes what the decision names into the caller's memory; false when that is full. */
static bool keep_all(struct filters_builder *builder)
{
    struct filters_decision *decision = &builder->decision;
    bool kept = keep_decision(builder, &decision->enhanced) && keep_decision(builder, &decision->rule) &&
                (decision->failed_count == 0 || keep_failed(builder));
    for (size_t i = 0; i < decision->delivery_count && kept; i++) {
        kept = keep_delivery(builder, &decision->deliveries[i]);
    }
    for (size_t i = 0; i < decision->rule_count && kept; i++) {
        kept = keep_decision(builder, (const char **)(uintptr_t)&decision->rules[i]);
    }
    for (size_t i = 0; i < decision->watched_count && kept; i++) {
        kept = keep_decision(builder, (const char **)(uintptr_t)&decision->watched[i]);
    }
    return kept;
}

static int finish_decision(struct filters_builder *builder, struct filters_decision *decision_r)
{
    struct filters_decision *decision = &builder->decision;
    if (decision->reply_code != 0) {
        decision->delivery_count = 0; /* the message is refused as a whole */
    }
    if (!keep_all(builder)) {
        return filters_run_full(&builder->run);
    }
    if (filters_tried_end(builder) < 0) {
        return -1;
    }
    if (builder->run.trace != NULL && filters_run_look(&builder->run) < 0) {
        return -1;
    }
    const struct mail_view *view = builder->run.view;
    if (view != NULL) {
        decision->mime_limit = view->limit;
        decision->mime_errors = keep_errors(builder->arena, view);
        decision->mime_error_count = decision->mime_errors == NULL ? 0 : view->error_count;
    }
    *decision_r = *decision;
    return 0;
}

static int decide_decision(const struct filters_set *set, struct filters_scratch *scratch,
                           const struct filters_message *message, struct filters_trace *trace, struct arena *arena,
                           struct filters_decision *decision_r, struct fault *fault)
{
    struct fault own = FAULT_INIT;
    struct filters_builder builder = {
        .run = {.set = set,
                .message = message,
                .extent = message->body_missing ? FILTERS_EXTENT_HEADER : FILTERS_EXTENT_BODY,
                .matcher = scratch->matcher,
                .arena = scratch->arena,
                .trace = trace,
                .fault = &own},
        .arena = arena};
    int result = filters_run_init(&builder.run) < 0 ? -1 : run_message(&builder);
    if (result == 0 && builder.run.incomplete) {
        result = body_missing(&builder.run, "template");
    }
    if (result == 0) {
        result = finish_decision(&builder, decision_r);
    }
    if (result < 0) {
        fault_set(fault, own.class, own.code, own.where, "%s", own.text);
    }
    filters_run_done(&builder.run);
    return result;
}

int filters_decide(const struct filters_set *set, struct filters_scratch *scratch,
                   const struct filters_message *message, struct arena *arena, struct filters_decision *decision_r,
                   struct fault *fault)
{
    return decide_decision(set, scratch, message, NULL, arena, decision_r, fault);
}

int filters_decide_recipient(const struct filters_set *set, struct filters_scratch *scratch,
                             const struct mail_envelope *envelope, struct filters_clock clock, struct arena *arena,
                             struct filters_decision *decision_r, struct fault *fault)
{
    struct fault own = FAULT_INIT;
    struct filters_message message = {.envelope = envelope, .clock = clock};
    struct filters_builder builder = {.run = {.set = set,
                                              .message = &message,
                                              .extent = FILTERS_EXTENT_ENVELOPE,
                                              .matcher = scratch->matcher,
                                              .arena = scratch->arena,
                                              .fault = &own},
                                      .arena = arena};
    EXPECT(envelope->to_count > 0);
    enum ending ending = filters_run_init(&builder.run) < 0 ? BROKEN : run_recipient(&builder, envelope->to_count - 1);
    int result = 0;
    if (ending != BROKEN && ending != UNCERTAIN && builder.decision.reply_code != 0) {
        result = finish_decision(&builder, decision_r) < 0 ? -1 : 1;
    }
    if (ending == BROKEN || result < 0) {
        fault_set(fault, own.class, own.code, own.where, "%s", own.text);
        result = -1;
    }
    filters_run_done(&builder.run);
    return result;
}

int filters_explain(const struct filters_set *set, struct filters_scratch *scratch,
                    const struct filters_message *message, uint64_t (*clock_us)(void *ctx), void *clock_ctx,
                    struct arena *arena, struct filters_decision *decision_r, struct fault *fault, struct buf *out)
{
    struct filters_trace trace = {.clock_us = clock_us, .ctx = clock_ctx};
    struct filters_decision decision = {0};
    filters_trace_init(&trace);
    int result = decide_decision(set, scratch, message, &trace, arena, &decision, fault);
    if (result == 0) {
        *decision_r = decision;
    }
    int written = filters_explain_write(trace.recipients, result == 0 ? &decision : NULL, fault, out);
    filters_trace_done(&trace);
    return written;
}

/*
 * decision - the bridge from reception to the rules; see decision.h.
 */
#include "decision/decision.h"
#include "decision/counters.h"
#include "decision/hasten.h"
#include "decision/rules_share.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "net/net_lane.h"

/* What takes longer for a recipient is left to the message. */
#define RECIPIENT_MAX_US 50000
/* On the loop, a recipient may take so long; then the lane goes on with it, and with all others for a while. */
#define RECIPIENT_LOOP_US 1000
#define RECIPIENT_LANE_MS 10000

struct decision {
    struct net_loop *loop;
    struct net_lane *lane;
    struct log *log;
    struct rules_share *rules;
    struct rule_stats *stats;
    struct counters *counters;
    struct hasten *hasten;
    struct recent *recent;                                      /* NULL: none are kept */
    struct filters_scratch *loop_scratch;                       /* for recipients, on the loop */
    struct filters_scratch *lane_scratch[NET_LANE_WORKERS_MAX]; /* each its thread's, made when it is needed */
    uint64_t recipients_on_lane;   /* net_now() until which no recipient is decided on the loop */
    uint64_t sample_at;            /* net_now() from which the next message is measured */
    uint64_t timeout_us;           /* of one decision; 0: none */
    const char *const *unverified; /* upstreams for which REQUIRETLS cannot be kept */
    size_t unverified_count;
};

/* One message that is being decided. */
struct decision_job {
    struct decision *decision;
    struct rules_share *rules;
    struct filters_message message;
    struct mail_source source;
    struct net_lane_turn turn;
    struct arena *arena;
    struct filters_decision result;
    const struct smtpd_answer *refusals; /* one for each recipient, or NULL */
    const char **refusal_rules;
    struct fault fault;
    uint64_t took_us;
    struct recent_message *kept; /* for decision.recent; NULL: it is too long */
    reception_decided_fn *done;
    void *done_ctx;
};

/* As far back as the rules ask. */
static bool keep_counters(struct decision *decision)
{
    size_t count;
    const struct filters_counter *wanted = filters_counters_of(decision->rules->set, &count);
    return counters_keep(decision->counters, wanted, count);
}

struct decision *decision_new(struct net_loop *loop, struct filters_set **set, struct log *log)
{
    struct decision *decision = expect_calloc(1, sizeof *decision);
    decision->loop = loop;
    decision->log = log;
    decision->lane = net_lane_new_wide(loop, "filter");
    decision->rules = rules_share_new(set);
    decision->stats = rule_stats_new();
    decision->counters = counters_new();
    disregard(keep_counters(decision)); /* whoever begins finds them all */
    decision->loop_scratch = filters_scratch_new();
    decision->hasten = hasten_new(loop, log);
    return decision;
}

void decision_free(struct decision **decision)
{
    if (*decision == NULL) {
        return;
    }
    NET_EXPECT_LOOP((*decision)->loop);
    hasten_free(&(*decision)->hasten);
    net_lane_free(&(*decision)->lane);
    rules_share_release(&(*decision)->rules);
    rule_stats_free(&(*decision)->stats);
    counters_free(&(*decision)->counters);
    recent_free(&(*decision)->recent);
    filters_scratch_free(&(*decision)->loop_scratch);
    for (size_t i = 0; i < NET_LANE_WORKERS_MAX; i++) {
        filters_scratch_free(&(*decision)->lane_scratch[i]);
    }
    free(*decision);
    *decision = NULL;
}

bool decision_replace(struct decision *decision, struct filters_set **set)
{
    NET_EXPECT_LOOP(decision->loop);
    rules_share_release(&decision->rules);
    decision->rules = rules_share_new(set);
    return keep_counters(decision);
}

void decision_hasten(struct decision *decision, const struct hasten_limits *limits)
{
    NET_EXPECT_LOOP(decision->loop);
    struct rules_share *share = decision_share(decision);
    hasten_begin(decision->hasten, &share, limits);
}

void decision_set_timeout(struct decision *decision, uint64_t milliseconds)
{
    NET_EXPECT_LOOP(decision->loop);
    decision->timeout_us = milliseconds * 1000;
}

static uint64_t clock_us(void *ctx)
{
    return net_now_us(ctx);
}

static struct filters_clock clock_of(const struct decision *decision, uint64_t most_us)
{
    uint64_t timeout = decision->timeout_us == 0 ? UINT64_MAX : decision->timeout_us;
    uint64_t budget = timeout < most_us ? timeout : most_us;
    return (struct filters_clock){
        .now_us = budget == UINT64_MAX ? NULL : clock_us, .ctx = decision->loop, .budget_us = budget};
}

void decision_set_unverified(struct decision *decision, const char *const *names, size_t count)
{
    NET_EXPECT_LOOP(decision->loop);
    decision->unverified = names;
    decision->unverified_count = count;
}

static bool needs_verified_tls(const struct decision *decision, const struct mail_envelope *envelope,
                               const struct filters_decision *result)
{
    for (size_t i = 0; envelope->requiretls && i < result->delivery_count; i++) {
        for (size_t k = 0; k < decision->unverified_count; k++) {
            if (strcmp(result->deliveries[i].upstream, decision->unverified[k]) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Our own trouble is never the sender's fault: 4xx, and the log says what it was. */
static struct reception_decision answer_of(struct decision *decision, const struct mail_envelope *envelope,
                                           const struct filters_decision *result, const struct fault *fault)
{
    if (fault_is_set(fault)) {
        rule_stats_failed(decision->stats, fault, net_wall(decision->loop));
        log_event(decision->log, LOG_LEVEL_ERROR, "rules_failed", LOG_STR("id", envelope->id),
                  LOG_STR("error.code", fault->code), LOG_STR("rule", fault->where),
                  LOG_STR("error.message", fault->text));
        return (struct reception_decision){
            .code = 451, .enhanced = "4.3.0", .text = "The rules could not decide about this message; try again later"};
    }
    if (result->reply_code == 0 && needs_verified_tls(decision, envelope, result)) {
        return (struct reception_decision){.code = 550,
                                           .enhanced = "5.7.30",
                                           .text = "REQUIRETLS: the mailbox server is not reached over verified TLS"};
    }
    return (struct reception_decision){
        .code = result->reply_code,
        .enhanced = result->enhanced,
        .text = result->reply_text,
        .rule = result->rule,
        .deliveries = result->deliveries,
        .delivery_count = result->delivery_count,
        .rules = result->rules,
        .watched = result->watched,
        .watched_count = result->watched_count,
        .rule_count = result->rule_count,
        .tried = result->tried,
        .tried_count = result->tried_count,
        .counted = result->counted,
        .counted_count = result->counted_count,
    };
}

static void *begin_session(void *ctx)
{
    return decision_share(ctx);
}

static void end_session(void *rules)
{
    struct rules_share *share = rules;
    rules_share_release(&share);
}

/* In a work function: the scratch of this thread. */
static struct filters_scratch *scratch_here(struct decision *decision)
{
    struct filters_scratch **scratch = &decision->lane_scratch[net_lane_worker(decision->lane)];
    if (*scratch == NULL) {
        *scratch = filters_scratch_new();
    }
    return *scratch;
}

/* ---- recipients ---- */

/* One recipient that takes longer than the loop can wait. */
struct recipient_job {
    struct decision *decision;
    struct rules_share *rules;
    const struct mail_envelope *envelope;
    struct arena *arena;
    struct filters_decision result;
    struct fault fault;
    uint64_t took_us;
    reception_decided_fn *done;
    void *done_ctx;
};

static void work_on_recipient(void *ctx)
{
    struct recipient_job *job = ctx;
    struct decision *decision = job->decision;
    uint64_t began = net_now_us(decision->loop);
    disregard(filters_decide_recipient(job->rules->set, scratch_here(decision), job->envelope,
                                       clock_of(decision, RECIPIENT_MAX_US), job->arena, &job->result, &job->fault));
    job->took_us = net_now_us(decision->loop) - began;
}

/* One that was slow keeps all off the loop for a while. */
static void note_slowness(struct decision *decision, uint64_t took_us)
{
    if (took_us >= RECIPIENT_LOOP_US) {
        decision->recipients_on_lane = net_now(decision->loop) + RECIPIENT_LANE_MS;
    }
}

static void on_recipient(void *ctx)
{
    struct recipient_job *job = ctx;
    struct reception_decision answer = answer_of(job->decision, job->envelope, &job->result, &job->fault);
    reception_decided_fn *done = job->done;
    void *done_ctx = job->done_ctx;
    note_slowness(job->decision, job->took_us);
    rules_share_release(&job->rules);
    free(job);
    done(done_ctx, &answer);
}

static bool decide_recipient(void *ctx, void *rules, const struct mail_envelope *envelope,
                             const struct net_lane_turn *turn, struct arena *arena,
                             struct reception_decision *decision_r, reception_decided_fn *done, void *done_ctx)
{
    struct decision *decision = ctx;
    struct rules_share *share = rules;
    if (net_now(decision->loop) >= decision->recipients_on_lane) {
        struct filters_decision result = {0};
        struct fault fault = FAULT_INIT;
        uint64_t began = net_now_us(decision->loop);
        disregard(filters_decide_recipient(share->set, decision->loop_scratch, envelope,
                                           clock_of(decision, RECIPIENT_LOOP_US), arena, &result, &fault));
        uint64_t took_us = net_now_us(decision->loop) - began;
        note_slowness(decision, took_us);
        if (took_us < RECIPIENT_LOOP_US || fault_is_set(&fault)) {
            *decision_r = answer_of(decision, envelope, &result, &fault);
            return true;
        }
    }
    struct recipient_job *job = expect_calloc(1, sizeof *job);
    *job = (struct recipient_job){
        .decision = decision, .rules = share, .envelope = envelope, .arena = arena, .done = done, .done_ctx = done_ctx};
    share->owners++;
    net_lane_submit_turn(decision->lane, turn, work_on_recipient, on_recipient, job);
    return false;
}

/* ---- messages ---- */

/* ---- LMTP: a refusal is its recipient's alone ---- */

static bool is_lmtp(const struct mail_envelope *envelope)
{
    return envelope->client.protocol != NULL && strstr(envelope->client.protocol, "LMTP") != NULL;
}

static void decide_job(struct decision_job *job, const struct mail_envelope *envelope,
                       struct filters_decision *result_r, struct fault *fault)
{
    struct filters_message message = job->message;
    message.envelope = envelope;
    disregard(filters_decide(job->rules->set, scratch_here(job->decision), &message, job->arena, result_r, fault));
}

/* What this one hears; code 0 when it is accepted. Behind the time for the whole message, to come again. */
static struct smtpd_answer decide_alone(struct decision_job *job, size_t recipient, uint64_t began, const char **rule_r)
{
    struct mail_envelope alone = *job->message.envelope;
    struct filters_decision result = {0};
    struct fault fault = FAULT_INIT;
    const struct filters_clock *clock = &job->message.clock;
    *rule_r = NULL;
    alone.to = &job->message.envelope->to[recipient];
    alone.to_count = 1;
    if (clock->now_us != NULL && net_now_us(job->decision->loop) - began > clock->budget_us) {
        return *smtpd_reply_get(SMTPD_REPLY_LOCAL);
    }
    decide_job(job, &alone, &result, &fault);
    if (fault_is_set(&fault)) {
        return *smtpd_reply_get(SMTPD_REPLY_LOCAL);
    }
    *rule_r = result.rule;
    return (struct smtpd_answer){result.reply_code, result.enhanced, result.reply_text, SMTPD_REPLY_BY_RULE};
}

/* Each by itself, and then those together that are accepted, so that equal deliveries are one again. */
static void decide_each(struct decision_job *job, uint64_t began)
{
    const struct mail_envelope *envelope = job->message.envelope;
    struct smtpd_answer *answers = arena_array(job->arena, envelope->to_count, sizeof *answers);
    struct mail_recipient *to = arena_array(job->arena, envelope->to_count, sizeof *to);
    const char **rules = arena_array(job->arena, envelope->to_count, sizeof *rules);
    struct mail_envelope accepted = *envelope;
    if (answers == NULL || to == NULL || rules == NULL) {
        return; /* the refusal stays everybody's */
    }
    accepted.to = to;
    accepted.to_count = 0;
    for (size_t i = 0; i < envelope->to_count; i++) {
        answers[i] = decide_alone(job, i, began, &rules[i]);
        if (answers[i].code == 0) {
            to[accepted.to_count++] = envelope->to[i];
        }
    }
    if (accepted.to_count > 0) {
        job->result = (struct filters_decision){0};
        decide_job(job, &accepted, &job->result, &job->fault);
    }
    job->refusals = answers;
    job->refusal_rules = rules;
}

static void work_on_job(void *ctx)
{
    struct decision_job *job = ctx;
    uint64_t began = net_now_us(job->decision->loop);
    disregard(filters_decide(job->rules->set, scratch_here(job->decision), &job->message, job->arena, &job->result,
                             &job->fault));
    bool refused = !fault_is_set(&job->fault) && job->result.reply_code != 0;
    if (refused && job->message.envelope->to_count > 1 && is_lmtp(job->message.envelope)) {
        decide_each(job, began);
    }
    job->took_us = net_now_us(job->decision->loop) - began;
    if (job->decision->recent != NULL) {
        job->kept = recent_message_new(&job->message, recent_octets_max(job->decision->recent));
    }
}

/* What the rules went on after, and an operator should know of. */
static void log_marks(const struct decision_job *job)
{
    const char *id = job->message.envelope->id;
    if (job->result.limits_hit > 0) {
        log_event(job->decision->log, LOG_LEVEL_WARNING, "pattern_limit", LOG_STR("id", id),
                  LOG_INT("count", job->result.limits_hit));
    }
    if (job->result.out_of_time) {
        log_event(job->decision->log, LOG_LEVEL_WARNING, "decision_timeout", LOG_STR("id", id));
    }
    if (job->result.mime_limit != NULL) {
        log_event(job->decision->log, LOG_LEVEL_WARNING, "not_decoded", LOG_STR("id", id),
                  LOG_STR("limit", job->result.mime_limit));
    }
}

/*
 * Two clock reads for each rule that is tried are as dear as the rule itself, so few messages pay for them. A clock
 * without a limit is no limit.
 */
static void begin_sample(struct decision_job *job)
{
    struct decision *decision = job->decision;
    uint64_t now = net_now(decision->loop);
    if (now < decision->sample_at) {
        return;
    }
    decision->sample_at = now + DECISION_SAMPLE_MS;
    job->message.costs = expect_calloc(filters_rule_count(job->rules->set) + 1, sizeof *job->message.costs);
    if (job->message.clock.now_us == NULL) {
        job->message.clock = (struct filters_clock){.now_us = clock_us, .ctx = decision->loop, .budget_us = INT64_MAX};
    }
}

static void end_sample(struct decision_job *job)
{
    size_t count = job->message.costs == NULL ? 0 : filters_rule_count(job->rules->set);
    for (size_t i = 0; i < count; i++) {
        job->rules->costs[i].tried += job->message.costs[i].tried;
        job->rules->costs[i].us += job->message.costs[i].us;
    }
    free(job->message.costs);
}

static void on_worked(void *ctx)
{
    struct decision_job *job = ctx;
    struct reception_decision answer = answer_of(job->decision, job->message.envelope, &job->result, &job->fault);
    answer.refusals = answer.code == 0 || job->result.reply_code != 0 ? job->refusals : NULL;
    answer.refusal_rules = job->refusal_rules;
    if (!fault_is_set(&job->fault)) {
        log_marks(job);
        rule_stats_decided(job->decision->stats, job->message.envelope->client.listener, &job->result,
                           job->message.now_ms, job->took_us);
    }
    if (job->decision->recent != NULL) {
        recent_add(job->decision->recent, &job->kept);
    }
    reception_decided_fn *done = job->done;
    void *done_ctx = job->done_ctx;
    end_sample(job);
    rules_share_release(&job->rules);
    free(job);
    done(done_ctx, &answer);
}

static void on_source(void *ctx, const struct mail_source *source)
{
    struct decision_job *job = ctx;
    job->source = *source;
    job->message.source = &job->source;
    net_lane_submit_turn(job->decision->lane, &job->turn, work_on_job, on_worked, job);
}

static void decide_message(void *ctx, void *rules, const struct mail_envelope *envelope, struct bytes header,
                           struct spool_stage *stage, const struct net_lane_turn *turn, struct arena *arena,
                           reception_decided_fn *done, void *done_ctx)
{
    struct decision *decision = ctx;
    NET_EXPECT_LOOP(decision->loop);
    struct decision_job *job = expect_calloc(1, sizeof *job);
    job->decision = decision;
    job->rules = rules;
    job->rules->owners++;
    job->message = (struct filters_message){.envelope = envelope,
                                            .header = header,
                                            .size = spool_stage_size(stage),
                                            .now_ms = net_wall(decision->loop),
                                            .counters = counters_to_ask(decision->counters),
                                            .clock = clock_of(decision, UINT64_MAX)};
    begin_sample(job);
    job->turn = *turn;
    job->turn.cost_us = filters_needs_body(job->rules->set) ? turn->cost_us : 0;
    job->arena = arena;
    job->done = done;
    job->done_ctx = done_ctx;
    if (filters_needs_body(job->rules->set)) {
        spool_stage_source(stage, on_source, job);
    } else {
        net_lane_submit_turn(decision->lane, &job->turn, work_on_job, on_worked, job);
    }
}

void decision_count(struct decision *decision, const struct mail_envelope *envelope)
{
    NET_EXPECT_LOOP(decision->loop);
    counters_add(decision->counters, envelope);
}

const struct filters_counters *decision_counters(const struct decision *decision)
{
    return counters_to_ask(decision->counters);
}

static void accepted(void *ctx, const struct mail_envelope *envelope)
{
    decision_count(ctx, envelope);
}

struct reception_hooks decision_hooks(struct decision *decision)
{
    NET_EXPECT_LOOP(decision->loop);
    return (struct reception_hooks){.ctx = decision,
                                    .begin_session = begin_session,
                                    .end_session = end_session,
                                    .decide_recipient = decide_recipient,
                                    .decide_message = decide_message,
                                    .accepted = accepted};
}

const struct rule_stats *decision_stats(const struct decision *decision)
{
    return decision->stats;
}

void decision_keep_recent(struct decision *decision, uint64_t messages, uint64_t octets)
{
    NET_EXPECT_LOOP(decision->loop);
    if (messages > 0 && octets > 0) {
        decision->recent = recent_new(messages, octets);
    }
}

struct recent *decision_recent(const struct decision *decision)
{
    return decision->recent;
}

void decision_hastened(const struct decision *decision, size_t *wanted_r, size_t *ready_r)
{
    hasten_state(decision->hasten, wanted_r, ready_r);
}

const struct filters_set *decision_set(const struct decision *decision)
{
    return decision->rules->set;
}

const struct filters_cost *decision_costs(const struct decision *decision)
{
    return decision->rules->costs;
}

struct rules_share *decision_share(struct decision *decision)
{
    NET_EXPECT_LOOP(decision->loop);
    decision->rules->owners++;
    return decision->rules;
}

const struct filters_set *decision_shared_set(const struct rules_share *share)
{
    return share->set;
}

void decision_release(struct rules_share **share)
{
    rules_share_release(share);
}

/*
 * admin_metrics - /metrics: every count of the gateway in the Prometheus text format; the HELP lines explain each.
 *
 * Counts live with whoever counts; here they only get their names. A label is never an address or the id of a message.
 */
#include <stdio.h>
#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_private.h"
#include "admin/admin_summary.h"
#include "admin/metrics_text.h"
#include "base/expect.h"
#include "decision/decision.h"
#include "dispatch/dispatch_condition.h"
#include "spool/spool_node.h"
#include "spool/spool_overflow.h"
#include "store/store.h"

#define METRICS_MAX (16u << 20)
#define SUMMARY_MS  10000 /* the store is asked at most so often: with a long queue it takes a while */

static void one(struct metrics_text *text, enum metrics_type type, const char *name, const char *help, uint64_t value)
{
    metrics_family(text, type, name, help);
    metrics_count(text, NULL, value);
}

/* ---- reception ---- */

static void write_reception(struct metrics_text *text, const struct reception_counts *counts)
{
    one(text, METRICS_COUNTER, "mailweir_smtp_sessions_total", "SMTP sessions begun.", counts->sessions);
    one(text, METRICS_GAUGE, "mailweir_smtp_sessions", "SMTP sessions open now.", counts->sessions_open);
    metrics_family(text, METRICS_COUNTER, "mailweir_messages_total",
                   "Messages by what the sender heard: accepted (250), rejected (5xx) or deferred (4xx).");
    metrics_count(text, METRICS_LABELS("reply", "accepted"), counts->accepted);
    metrics_count(text, METRICS_LABELS("reply", "rejected"), counts->rejected);
    metrics_count(text, METRICS_LABELS("reply", "deferred"), counts->deferred);
}

/* A reason has a sample from the start, so that an alert can see the first; several rows may share one. */
static void write_refusals(struct metrics_text *text, const struct reception_counts *counts)
{
    metrics_family(text, METRICS_COUNTER, "mailweir_smtp_refusals_total",
                   "Commands, recipients, messages and clients that were refused, by reason.");
    for (int i = 0; i < SMTPD_REPLY_COUNT; i++) {
        const char *reason = smtpd_reply_reason((enum smtpd_reply)i);
        uint64_t count = 0;
        bool is_first = reason != NULL;
        for (int k = 0; reason != NULL && k < SMTPD_REPLY_COUNT; k++) {
            const char *other = smtpd_reply_reason((enum smtpd_reply)k);
            bool same = other != NULL && strcmp(other, reason) == 0;
            count += same ? counts->tally.refusals[k] : 0;
            is_first = is_first && !(same && k < i);
        }
        if (is_first) {
            metrics_count(text, METRICS_LABELS("reason", reason), count);
        }
    }
    one(text, METRICS_COUNTER, "mailweir_smtp_refusals_untold_total",
        "Refusals without a line of their own in the log: the client had used up its lines (max_refusals_logged).",
        counts->refusals_untold);
}

/* Replies that were never given have no sample; limits have one from the start, so that an alert can see the first hit.
 */
static void write_replies(struct metrics_text *text, const struct reception_counts *counts)
{
    const struct smtpd_tally *tally = &counts->tally;
    char code[8];
    metrics_family(text, METRICS_COUNTER, "mailweir_smtp_replies_total", "SMTP replies by code.");
    for (int i = 200; i < 600; i++) {
        if (tally->replies[i] > 0) {
            snprintf(code, sizeof code, "%d", i);
            metrics_count(text, METRICS_LABELS("code", code), tally->replies[i]);
        }
    }
    metrics_family(text, METRICS_COUNTER, "mailweir_smtp_limit_hits_total",
                   "Times that clients ran into a limit of a listener, by limit.");
    for (int i = SMTPD_LIMIT_NONE + 1; i < SMTPD_LIMIT_COUNT; i++) {
        metrics_count(text, METRICS_LABELS("limit", smtpd_limit_name((enum smtpd_limit)i)), tally->limits[i]);
    }
    metrics_family(text, METRICS_COUNTER, "mailweir_smtp_logins_total", "Logins of clients, by outcome.");
    metrics_count(text, METRICS_LABELS("outcome", "succeeded"), counts->logins);
    metrics_count(text, METRICS_LABELS("outcome", "failed"), counts->login_failures);
}

/* ---- rules ---- */

/* The name as a label, for one sample. */
static void rule_sample(struct metrics_text *text, struct bytes name, uint64_t value, bool is_time)
{
    struct buf label;
    buf_init(&label, 1000);
    buf_append_bytes(&label, bytes_slice(name, 0, 900));
    (is_time ? metrics_microseconds : metrics_count)(text, METRICS_LABELS("rule", buf_text(&label)), value);
    buf_done(&label);
}

static void write_rule_counts(struct metrics_text *text, const struct rule_stats *stats)
{
    struct bytes name;
    const struct rule_stats_rule *rule;
    const struct rule_stats_error *error;
    metrics_family(text, METRICS_COUNTER, "mailweir_rule_messages_total", "Messages that a rule acted on.");
    for (size_t cursor = 0; rule_stats_next(stats, &cursor, &name, &rule);) {
        rule_sample(text, name, rule->hits, false);
    }
    metrics_family(text, METRICS_COUNTER, "mailweir_rule_watched_messages_total",
                   "Messages that a rule in the state \"watch\" would have acted on.");
    for (size_t cursor = 0; rule_stats_next(stats, &cursor, &name, &rule);) {
        if (rule->watched > 0) {
            rule_sample(text, name, rule->watched, false);
        }
    }
    metrics_family(text, METRICS_COUNTER, "mailweir_rule_errors_total",
                   "Times that a rule hit a limit; pattern_limit and rules_failed in the log say which.");
    for (size_t cursor = 0; rule_stats_next_error(stats, &cursor, &name, &error);) {
        rule_sample(text, name, error->count, false);
    }
}

/* Both begin anew with each rule set. */
static void write_rule_costs(struct metrics_text *text, const struct decision *decision)
{
    const struct filters_cost *costs = decision_costs(decision);
    const struct filters_set *set = decision_set(decision);
    for (int times = 0; times < 2; times++) {
        metrics_family(
            text, METRICS_COUNTER, times ? "mailweir_rule_sampled_seconds_total" : "mailweir_rule_sampled_tries_total",
            times ? "Sampled: time of the measured tries; the rule that looks at a value first pays for fetching the "
                    "value."
                  : "Sampled: how often a rule was tried on measured messages (at most ten a second are measured).");
        for (size_t i = 0; i < filters_rule_count(set); i++) {
            if (costs[i].tried > 0) {
                rule_sample(text, bytes_of(filters_rule_at(set, i).name), times ? costs[i].us : costs[i].tried, times);
            }
        }
    }
}

static void write_rules(struct metrics_text *text, const struct rule_stats *stats)
{
    metrics_family(text, METRICS_COUNTER, "mailweir_decisions_total", "What the rules decided, by action.");
    for (int i = 0; i < RULE_STATS_ACTIONS; i++) {
        enum rule_stats_action action = (enum rule_stats_action)i;
        metrics_count(text, METRICS_LABELS("action", rule_stats_action_name(action)),
                      rule_stats_messages(stats, action));
    }
    write_rule_counts(text, stats);
    one(text, METRICS_COUNTER, "mailweir_decision_failures_total",
        "Messages for which the rules reached no decision; the senders heard 451 and try again.",
        rule_stats_failures(stats));
    metrics_family(text, METRICS_COUNTER, "mailweir_rule_limit_hits_total",
                   "Times that the rules hit a limit while they decided: pattern, time, memory or MIME.");
    for (int i = 0; i < RULE_STATS_LIMITS; i++) {
        enum rule_stats_limit limit = (enum rule_stats_limit)i;
        metrics_count(text, METRICS_LABELS("limit", rule_stats_limit_name(limit)), rule_stats_limits(stats, limit));
    }
    metrics_family(text, METRICS_HISTOGRAM, "mailweir_decision_duration_seconds",
                   "Time that the rules took to decide about a message.");
    metrics_histogram(text, NULL, rule_stats_time(stats));
}

/* ---- the queue ---- */

/* Of a queue that several nodes share. */
static void write_nodes(struct metrics_text *text, const struct gateway *gateway)
{
    const struct spool *spool = gateway_spool(gateway);
    struct spool_node_counts counts;
    if (!spool_node_count(spool, &counts)) {
        return;
    }
    one(text, METRICS_GAUGE, "mailweir_nodes", "Live nodes that share the queue.", counts.nodes);
    metrics_family(
        text, METRICS_GAUGE, "mailweir_node_lease_margin_seconds",
        "Seconds that this node may go on delivering before the database must hear it again; 0: it delivers nothing.");
    metrics_seconds(text, NULL, counts.margin_ms);
    one(text, METRICS_COUNTER, "mailweir_node_beats_unheard_total",
        "Heartbeats of this node that did not reach the database.", counts.unheard);
    one(text, METRICS_COUNTER, "mailweir_node_ended_total",
        "Times that this node lost its deliveries to others, or gave them back, and started afresh (node_ended in the "
        "log).",
        counts.ended);
    one(text, METRICS_COUNTER, "mailweir_node_takeovers_total",
        "Nodes that ended without giving back their deliveries, which this node took over.", counts.takeovers);
    one(text, METRICS_COUNTER, "mailweir_node_taken_over_deliveries_total",
        "Deliveries taken over from other nodes; each is looked for on its server before it is sent again.",
        counts.taken);
    metrics_family(text, METRICS_GAUGE, "mailweir_node_clock_skew_seconds",
                   "Seconds that the database's clock, by which mail is due, is ahead of this machine's clock.");
    metrics_seconds(text, NULL, counts.skew_ms);
    one(text, METRICS_GAUGE, "mailweir_node_rules_differ",
        "1 when another live node of the queue has other rules than this one.", gateway_rules_differ(gateway));
    one(text, METRICS_GAUGE, "mailweir_spool_dead_rows",
        "Dead rows of deliveries that the database has not removed; many of them make finding due mail slow.",
        counts.dead_rows);
}

/* Of what takes mail while the database does not answer. */
static void write_overflow(struct metrics_text *text, const struct gateway *gateway)
{
    struct spool_overflow_state state;
    if (!gateway_overflow(gateway, &state)) {
        return;
    }
    one(text, METRICS_GAUGE, "mailweir_overflow_in_use",
        "1 while the database does not answer and new mail is kept on this machine's disk instead.", state.in_use);
    one(text, METRICS_GAUGE, "mailweir_overflow_messages",
        "Messages on this machine's disk that wait to be handed over to the database.", state.messages);
    one(text, METRICS_COUNTER, "mailweir_overflow_handed_over_total",
        "Messages handed over to the database after it had not answered.", state.handed_over);
}

/* What the background check of the spool has found. */
static void write_health(struct metrics_text *text, const struct spool *spool)
{
    struct spool_health health;
    spool_health(spool, &health);
    one(text, METRICS_COUNTER, "mailweir_spool_check_rounds_total",
        "Completed rounds of the background check of the spool.", health.rounds);
    one(text, METRICS_COUNTER, "mailweir_spool_checked_messages_total", "Messages that the background check has read.",
        health.messages);
    one(text, METRICS_GAUGE, "mailweir_spool_damaged_messages",
        "Messages whose stored octets have changed since they were acknowledged; see spool_damaged in the log.",
        health.damaged);
    one(text, METRICS_GAUGE, "mailweir_spool_index_damaged",
        "1 when the index contradicts itself and only \"mailweir spool rebuild\" helps.", health.is_torn);
    one(text, METRICS_COUNTER, "mailweir_spool_mended_total",
        "Times that the index had lost track of stored mail and was repaired.", health.mended);
}

static void write_queue(struct metrics_text *text, struct spool *spool, const struct spool_counts *counts)
{
    metrics_family(text, METRICS_GAUGE, "mailweir_queue_deliveries", "Deliveries in the spool by state.");
    metrics_count(text, METRICS_LABELS("state", "waiting"), counts->waiting);
    metrics_count(text, METRICS_LABELS("state", "held"), counts->held);
    metrics_count(text, METRICS_LABELS("state", "dead"), counts->dead);
    one(text, METRICS_GAUGE, "mailweir_queue_messages", "Messages with at least one delivery that is not settled.",
        counts->messages);
    one(text, METRICS_GAUGE, "mailweir_spool_set_aside",
        "Files in the spool's folder set-aside: messages that the index does not know; an operator must look at them.",
        counts->set_aside);
    one(text, METRICS_COUNTER, "mailweir_spool_commits_total", "Groups of changes written to stable storage.",
        counts->commits);
    one(text, METRICS_GAUGE, "mailweir_spool_in_limbo",
        "Groups of changes that may or may not be on stable storage; new mail is refused until that is known.",
        counts->limbo);
    one(text, METRICS_COUNTER, "mailweir_spool_limbo_total",
        "Groups of changes that were in limbo at some time (spool_in_limbo in the log).", counts->limbo_total);
    one(text, METRICS_COUNTER, "mailweir_spool_duplicates_total",
        "Messages that a client sent again and that are kept only once.", counts->repeats);
    one(text, METRICS_COUNTER, "mailweir_spool_unreadable_deliveries_total",
        "Deliveries that became dead letters because what the spool keeps about them cannot be read.",
        counts->unreadable);
    one(text, METRICS_COUNTER, "mailweir_spool_syncs_total", "Calls to fdatasync.", counts->syncs);
    uint64_t octets, minimum;
    spool_room(spool, &octets, &minimum);
    one(text, METRICS_GAUGE, "mailweir_spool_free_bytes", "Free space on the disk of the spool.", octets);
    one(text, METRICS_GAUGE, "mailweir_spool_minimum_free_bytes",
        "Free space that must remain on the disk of the spool; with less, senders hear 452 and keep their mail.",
        minimum);
    one(text, METRICS_GAUGE, "mailweir_spool_not_durable",
        "1 when the spool is on storage that may lose acknowledged messages; spool_not_durable in the log says why.",
        spool_disk_warning(spool) != NULL);
    write_health(text, spool);
}

/* What waits by upstream and state, and since when: as the store said it last. */
static void write_ages(struct metrics_text *text, const struct admin *admin)
{
    const char *const states[] = {store_state_name(STORE_STATE_WAITING), store_state_name(STORE_STATE_HELD),
                                  store_state_name(STORE_STATE_DEAD)};
    json_t *upstreams = json_object_get(admin->summary, "upstreams"), *one;
    const char *name;
    metrics_family(text, METRICS_GAUGE, "mailweir_upstream_queue_deliveries", "Deliveries by upstream and state.");
    json_object_foreach(upstreams, name, one)
    {
        for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
            metrics_count(text, METRICS_LABELS("upstream", name, "state", states[i]),
                          (uint64_t)json_integer_value(json_object_get(one, states[i])));
        }
    }
    metrics_family(
        text, METRICS_GAUGE, "mailweir_upstream_queue_oldest_age_seconds",
        "Age of the oldest message that waits for the upstream; held deliveries and dead letters do not count.");
    json_object_foreach(upstreams, name, one)
    {
        int64_t oldest = json_integer_value(json_object_get(one, "oldest_ms"));
        if (oldest > 0) {
            metrics_seconds(text, METRICS_LABELS("upstream", name), net_wall(admin->loop) - oldest);
        }
    }
}

/* ---- delivery ---- */

typedef void upstream_fn(struct metrics_text *text, const struct dispatch_state *state);

static void each_upstream(struct metrics_text *text, const struct dispatch *dispatch, upstream_fn *fn)
{
    for (size_t i = 0; i < dispatch_upstream_count(dispatch); i++) {
        struct dispatch_state state;
        dispatch_state(dispatch, i, &state);
        fn(text, &state);
    }
}

static void outcomes(struct metrics_text *text, const struct dispatch_state *state)
{
    const char *name = state->config->name;
    metrics_count(text, METRICS_LABELS("upstream", name, "outcome", "filed"), state->counts.filed);
    metrics_count(text, METRICS_LABELS("upstream", name, "outcome", "deferred"), state->counts.deferred);
    metrics_count(text, METRICS_LABELS("upstream", name, "outcome", "dead"), state->counts.dead);
    metrics_count(text, METRICS_LABELS("upstream", name, "outcome", "untouched"), state->counts.untouched);
}

static void diverted(struct metrics_text *text, const struct dispatch_state *state)
{
    metrics_count(text, METRICS_LABELS("upstream", state->config->name), state->counts.diverted);
}

static void uncertain(struct metrics_text *text, const struct dispatch_state *state)
{
    metrics_count(text, METRICS_LABELS("upstream", state->config->name), state->counts.uncertain);
}

static void possible_duplicates(struct metrics_text *text, const struct dispatch_state *state)
{
    metrics_count(text, METRICS_LABELS("upstream", state->config->name), state->counts.possible_duplicates);
}

static void write_octets(struct metrics_text *text, const struct dispatch_state *state)
{
    metrics_count(text, METRICS_LABELS("upstream", state->config->name), state->counts.octets);
}

static void active(struct metrics_text *text, const struct dispatch_state *state)
{
    metrics_count(text, METRICS_LABELS("upstream", state->config->name), state->counts.active);
}

static void write_failures(struct metrics_text *text, const struct dispatch_state *state)
{
    metrics_count(text, METRICS_LABELS("upstream", state->config->name), state->failures);
}

static void write_daily(struct metrics_text *text, const struct dispatch_state *state)
{
    const char *name = state->config->name;
    if (state->pool.daily.limit > 0) {
        metrics_count(text, METRICS_LABELS("upstream", name, "of", "used"), state->pool.daily.used);
        metrics_count(text, METRICS_LABELS("upstream", name, "of", "limit"), state->pool.daily.limit);
    }
}

static void write_quota(struct metrics_text *text, const struct dispatch_state *state, enum imapc_resource resource)
{
    const struct imapc_quota *quota = &state->pool.quota[resource];
    if (quota->known) {
        metrics_count(text, METRICS_LABELS("upstream", state->config->name, "of", "used"), quota->used);
        metrics_count(text, METRICS_LABELS("upstream", state->config->name, "of", "limit"), quota->limit);
    }
}

static void write_quota_octets(struct metrics_text *text, const struct dispatch_state *state)
{
    write_quota(text, state, IMAPC_RESOURCE_OCTETS);
}

static void write_quota_messages(struct metrics_text *text, const struct dispatch_state *state)
{
    write_quota(text, state, IMAPC_RESOURCE_MESSAGES);
}

static void outages(struct metrics_text *text, const struct dispatch_state *state)
{
    for (int i = 0; i < OUTAGE_CAUSES; i++) {
        metrics_count(text,
                      METRICS_LABELS("upstream", state->config->name, "cause", outage_cause_name((enum outage_cause)i)),
                      state->pool.outages[i]);
    }
}

static void limit(struct metrics_text *text, const struct dispatch_state *state)
{
    metrics_count(text, METRICS_LABELS("upstream", state->config->name), state->config->settings[UPSTREAM_CONNECTIONS]);
}

/* Where one gateway has the queue for itself, all of them. */
static void node_share(struct metrics_text *text, const struct dispatch_state *state)
{
    uint64_t most = state->config->settings[UPSTREAM_CONNECTIONS];
    metrics_count(text, METRICS_LABELS("upstream", state->config->name),
                  state->pool.share < most ? state->pool.share : most);
}

static void connections(struct metrics_text *text, const struct dispatch_state *state)
{
    const char *name = state->config->name;
    size_t ready = state->pool.ready;
    metrics_count(text, METRICS_LABELS("upstream", name, "state", "connecting"), state->pool.connections - ready);
    metrics_count(text, METRICS_LABELS("upstream", name, "state", "idle"), ready - state->pool.busy);
    metrics_count(text, METRICS_LABELS("upstream", name, "state", "busy"), state->pool.busy);
}

static void conditions(struct metrics_text *text, const struct dispatch_state *state)
{
    for (int condition = 0; condition < DISPATCH_CONDITIONS; condition++) {
        const char *name = dispatch_condition_name((enum dispatch_condition)condition);
        metrics_count(text, METRICS_LABELS("upstream", state->config->name, "state", name),
                      dispatch_condition_of(state) == (enum dispatch_condition)condition);
    }
}

static void next_try(struct metrics_text *text, const struct dispatch_state *state)
{
    metrics_seconds(text, METRICS_LABELS("upstream", state->config->name), state->pause_left_ms);
}

/* No sample where there is none. */
static void seconds_left(struct metrics_text *text, const char *const *labels, int64_t seconds)
{
    if (seconds != INT64_MIN) {
        metrics_seconds(text, labels, seconds * 1000);
    }
}

static void token(struct metrics_text *text, const struct dispatch_state *state)
{
    seconds_left(text, METRICS_LABELS("upstream", state->config->name), state->pool.token_expires_s);
}

static void certificates(struct metrics_text *text, const struct dispatch_state *state)
{
    const char *name = state->config->name;
    seconds_left(text, METRICS_LABELS("upstream", name, "of", "server"), state->pool.certificate_expires_s);
    seconds_left(text, METRICS_LABELS("upstream", name, "of", "us"), state->pool.own_expires_s);
}

static void appends(struct metrics_text *text, const struct dispatch_state *state)
{
    metrics_histogram(text, METRICS_LABELS("upstream", state->config->name), state->append);
}

static void last_filed(struct metrics_text *text, const struct dispatch_state *state)
{
    metrics_seconds(text, METRICS_LABELS("upstream", state->config->name), state->last_filed_ms);
}

static const struct {
    enum metrics_type type;
    const char *name, *help;
    upstream_fn *fn;
} delivery_families[] = {
    {METRICS_COUNTER, "mailweir_deliveries_total", "Attempts to file a message, by outcome.", outcomes},
    {METRICS_COUNTER, "mailweir_deliveries_fallback_total",
     "Deliveries that went to an alternative target because this upstream stayed down or full, or refused the folder.",
     diverted},
    {METRICS_COUNTER, "mailweir_deliveries_uncertain_total",
     "Attempts with an unknown outcome; the message is looked for on the server before the next attempt.", uncertain},
    {METRICS_COUNTER, "mailweir_deliveries_possible_duplicates_total",
     "Messages sent again although an earlier attempt may have filed them and no look could tell; a second copy is "
     "possible (possible_duplicate in the log).",
     possible_duplicates},
    {METRICS_COUNTER, "mailweir_delivered_bytes_total", "Octets of filed messages.", write_octets},
    {METRICS_GAUGE, "mailweir_upstream_active_deliveries",
     "Deliveries of the upstream that are in memory: under way, or next to be.", active},
    {METRICS_GAUGE, "mailweir_upstream_state",
     "1 for the current state of the upstream: open, failing, throttled, full, or paused by an operator.", conditions},
    {METRICS_GAUGE, "mailweir_upstream_daily_bytes",
     "Octets sent in the present 24 hours, and the daily limit; absent for upstreams without a limit.", write_daily},
    {METRICS_GAUGE, "mailweir_upstream_quota_bytes",
     "Octets of the mailbox that are used, and the limit, where the server tells its quota (QUOTA): of the fullest "
     "folder that mail went to within the last hour.",
     write_quota_octets},
    {METRICS_GAUGE, "mailweir_upstream_quota_messages",
     "Messages in the mailbox, and the limit, where the server limits their number (QUOTA): of the fullest folder that "
     "mail went to within the last hour.",
     write_quota_messages},
    {METRICS_COUNTER, "mailweir_upstream_outages_total",
     "Times that the account went down, by cause: unreached, login (refused), sessions (that the server ends before "
     "anything is filed) or refused (everything).",
     outages},
    {METRICS_GAUGE, "mailweir_upstream_failures", "Consecutive failures of the account; 0: the account works.",
     write_failures},
    {METRICS_GAUGE, "mailweir_upstream_next_try_seconds",
     "Seconds until the upstream, which fails or is throttled, is tried again; else 0.", next_try},
    {METRICS_GAUGE, "mailweir_upstream_connections", "Connections to the server, by what they are doing.", connections},
    {METRICS_GAUGE, "mailweir_upstream_token_expiry_seconds",
     "Seconds until the OAuth2 access token expires; a new one is fetched before that.", token},
    {METRICS_GAUGE, "mailweir_upstream_certificate_expiry_seconds",
     "Seconds until a certificate expires: the first in the server's chain (of=server), or the gateway's own client "
     "certificate (of=us).",
     certificates},
    {METRICS_GAUGE, "mailweir_upstream_connections_limit",
     "Connections to the server that the gateway may open at once.", limit},
    {METRICS_GAUGE, "mailweir_upstream_connections_share",
     "Connections to the server that this node may open now, of those that all nodes of the queue share.", node_share},
    {METRICS_GAUGE, "mailweir_upstream_last_filed_timestamp_seconds",
     "When the upstream last filed a message, as Unix time; 0: not since the start.", last_filed},
    {METRICS_HISTOGRAM, "mailweir_append_duration_seconds",
     "Time from handing a delivery to a connection until the server's OK.", appends},
};

static void write_delivery(struct metrics_text *text, const struct dispatch *dispatch)
{
    for (size_t i = 0; i < sizeof delivery_families / sizeof *delivery_families; i++) {
        metrics_family(text, delivery_families[i].type, delivery_families[i].name, delivery_families[i].help);
        each_upstream(text, dispatch, delivery_families[i].fn);
    }
}

/* ---- the program ---- */

static void write_program(struct metrics_text *text, const struct admin *admin)
{
    struct gateway_state state;
    struct gateway_check checks[GATEWAY_CHECKS];
    gateway_state(admin->gateway, &state);
    metrics_family(text, METRICS_GAUGE, "mailweir_build_info", "Always 1; the label holds the version.");
    metrics_count(text, METRICS_LABELS("version", MAILWEIR_VERSION), 1);
    metrics_family(text, METRICS_GAUGE, "mailweir_start_time_seconds", "When the gateway started, as Unix time.");
    metrics_seconds(text, NULL, state.started_ms);
    one(text, METRICS_GAUGE, "mailweir_ready",
        "1 when the gateway takes mail; with 0, /readyz and mailweir status say why not.",
        gateway_ready(admin->gateway, checks));
    metrics_family(text, METRICS_GAUGE, "mailweir_loop_longest_turn_seconds",
                   "Longest turn of the event loop in the last one to two minutes; everything else waits that long.");
    metrics_microseconds(text, METRICS_LABELS("doing", state.longest_turn.doing), state.longest_turn.took_us);
    one(text, METRICS_COUNTER, "mailweir_loop_slow_turns_total",
        "Turns of the event loop longer than 250 ms; slow_turn in the log says what they were doing.",
        state.slow_turns);
    one(text, METRICS_GAUGE, "mailweir_rules", "Rules in force.", state.rules);
    size_t wanted, ready;
    decision_hastened(gateway_decision(admin->gateway), &wanted, &ready);
    one(text, METRICS_GAUGE, "mailweir_rule_patterns_wanted",
        "Patterns of the rules in force that can be looked for in one pass.", wanted);
    one(text, METRICS_GAUGE, "mailweir_rule_patterns_ready",
        "Patterns of the rules in force that are looked for in one pass; the others are tried one by one.", ready);
    one(text, METRICS_GAUGE, "mailweir_config_last_reload_successful",
        "1 when the last load of configuration and rules succeeded; with 0, mailweir check says what is wrong.",
        state.last_load_good);
    metrics_family(text, METRICS_GAUGE, "mailweir_config_last_reload_success_timestamp_seconds",
                   "When configuration and rules were last loaded successfully, as Unix time.");
    metrics_seconds(text, NULL, state.loaded_ms);
    one(text, METRICS_GAUGE, "mailweir_config_reload_running", "1 while configuration and rules are being loaded.",
        state.loading);
    metrics_family(text, METRICS_GAUGE, "mailweir_config_last_reload_duration_seconds",
                   "How long the last load of configuration and rules took.");
    metrics_seconds(text, NULL, (int64_t)state.load_ms);
    one(text, METRICS_COUNTER, "mailweir_config_reload_failures_total",
        "Loads of configuration and rules that failed; the previous ones stayed in force.", state.loads_failed);
}

/* The same that status, top and the page show. */
static void write_attention(struct metrics_text *text, const struct admin *admin)
{
    static const char *const severities[] = {"stopped", "trouble", "notice"};
    json_t *all = admin_attention(admin), *found;
    size_t i;
    metrics_family(text, METRICS_GAUGE, "mailweir_attention",
                   "Conditions that need an operator, by severity; mailweir status lists them with what to do.");
    for (size_t k = 0; k < sizeof severities / sizeof severities[0]; k++) {
        uint64_t count = 0;
        json_array_foreach(all, i, found)
        {
            count += strcmp(json_string_value(json_object_get(found, "severity")), severities[k]) == 0;
        }
        metrics_count(text, METRICS_LABELS("severity", severities[k]), count);
    }
    json_decref(all);
}

static void write_listeners(struct metrics_text *text, const struct gateway *gateway)
{
    const struct config *config = gateway_config(gateway);
    metrics_family(text, METRICS_GAUGE, "mailweir_listener_certificate_expiry_seconds",
                   "Seconds until the certificate of a listener expires.");
    for (size_t i = 0; i < config->listeners.count; i++) {
        const char *name = config_listener_at(config, i)->name;
        seconds_left(text, METRICS_LABELS("listener", name), gateway_certificate_seconds(gateway, name));
    }
}

static void write_admin(struct metrics_text *text, const struct admin *admin)
{
    one(text, METRICS_COUNTER, "mailweir_admin_requests_total", "Requests to the admin server.",
        admin->counts.requests);
    one(text, METRICS_COUNTER, "mailweir_admin_refused_total",
        "Requests to the admin server that were refused because of path, method, token, role, origin, rate or size.",
        admin->counts.refused);
    one(text, METRICS_COUNTER, "mailweir_admin_rate_limited_total",
        "Requests to the admin server that were refused because of max_requests.", admin->counts.limited);
    metrics_family(text, METRICS_GAUGE, "mailweir_admin_certificate_expiry_seconds",
                   "Seconds until the certificate of the admin server expires.");
    if (admin->certificate_expires != 0) {
        metrics_seconds(text, NULL, admin->certificate_expires * 1000 - net_wall(admin->loop));
    }
    one(text, METRICS_GAUGE, "mailweir_admin_streams",
        "Live streams of the admin server that are open now: pages, mailweir top.", admin->stream_count);
    one(text, METRICS_COUNTER, "mailweir_admin_streams_lagged_total",
        "Live streams of the admin server that were closed because the client read too slowly.", admin->counts.lagged);
}

/* Without a probe, or before the first has ended, there are none of these but the counts. */
static void write_probe(struct metrics_text *text, const struct gateway *gateway)
{
    struct gateway_probe_state state;
    gateway_probe_state(gateway, &state);
    metrics_family(text, METRICS_COUNTER, "mailweir_probes_total",
                   "Probe messages sent through the front door, by whether they were read back in time.");
    metrics_count(text, METRICS_LABELS("outcome", "arrived"), state.arrived);
    metrics_count(text, METRICS_LABELS("outcome", "failed"), state.failed);
    metrics_family(text, METRICS_GAUGE, "mailweir_probe_success",
                   "1 when the last probe message arrived, was read back over IMAP and removed.");
    if (state.known) {
        metrics_count(text, NULL, state.step[0] == '\0');
    }
    metrics_family(text, METRICS_GAUGE, "mailweir_probe_duration_seconds",
                   "Time from the front door to reading the message back over IMAP, for the last probe that arrived.");
    if (state.known && state.took_us > 0) {
        metrics_microseconds(text, NULL, state.took_us);
    }
    metrics_family(text, METRICS_GAUGE, "mailweir_probe_last_success_timestamp_seconds",
                   "When a probe message was last read back, as Unix time.");
    if (state.known && state.arrived_ms > 0) {
        metrics_seconds(text, NULL, state.arrived_ms);
    }
}

/* Without recent messages there are none of these. */
static void write_recent(struct metrics_text *text, const struct recent *recent)
{
    struct recent_counts counts;
    if (recent == NULL) {
        return;
    }
    recent_count(recent, &counts);
    one(text, METRICS_GAUGE, "mailweir_recent_messages",
        "Recent messages kept in memory so that changed rules can be tried on them.", counts.messages);
    one(text, METRICS_GAUGE, "mailweir_recent_bytes",
        "Octets of the recent messages kept in memory; recent_size is the limit.", counts.octets);
    one(text, METRICS_COUNTER, "mailweir_recent_too_long_total",
        "Messages too large for recent_size, and so not kept in memory.", counts.too_long);
}

static void answer_metrics(struct admin_request *request)
{
    const struct admin *admin = request->admin;
    struct gateway_counts counts;
    struct buf out;
    struct metrics_text text = {.out = &out};
    buf_init(&out, METRICS_MAX);
    gateway_count(admin->gateway, &counts);
    write_program(&text, admin);
    write_reception(&text, &counts.reception);
    write_replies(&text, &counts.reception);
    write_refusals(&text, &counts.reception);
    write_rules(&text, decision_stats(gateway_decision(admin->gateway)));
    write_rule_costs(&text, gateway_decision(admin->gateway));
    write_queue(&text, gateway_spool(admin->gateway), &counts.spool);
    write_nodes(&text, admin->gateway);
    write_overflow(&text, admin->gateway);
    metrics_family(&text, METRICS_HISTOGRAM, "mailweir_spool_commit_duration_seconds",
                   "Time that it took to make a group of changes durable.");
    metrics_histogram(&text, NULL, spool_commit_time(gateway_spool(admin->gateway)));
    write_ages(&text, admin);
    write_delivery(&text, gateway_dispatch(admin->gateway));
    write_listeners(&text, admin->gateway);
    write_probe(&text, admin->gateway);
    write_attention(&text, admin);
    write_recent(&text, decision_recent(gateway_decision(admin->gateway)));
    write_admin(&text, admin);
    admin_answer_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8", buf_bytes(&out));
    buf_done(&out);
}

static void on_summary(void *ctx)
{
    struct admin_request *request = ctx;
    if (request->admin == NULL) {
        admin_answer_json(request, 503, json_object()); /* nobody hears it */
    } else {
        answer_metrics(request); /* without a new summary, with the one before: they never fail for it */
    }
}

void admin_get_metrics(struct admin_request *request)
{
    if (admin_summary_is_fresh(request->admin, SUMMARY_MS)) {
        answer_metrics(request);
    } else {
        admin_summary_ask(request->admin, on_summary, request);
    }
}

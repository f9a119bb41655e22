/*
 * admin_diff - what edited rules would do otherwise than the running ones: over the messages that were decided last,
 * then over those that wait.
 *
 * A page of messages at a time, on the admin server's lane, with buffers of its own; who wants more asks again from
 * where the answer ended. Each is decided as of when it came, by both sets, so that nothing differs but the rules.
 * Nothing is kept, counted or delivered.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_private.h"
#include "admin/admin_sources.h"
#include "base/expect.h"
#include "decision/decision.h"
#include "decision/outcome.h"
#include "decision/stored.h"
#include "filters/filters_text.h"
#include "mail/mail_header.h"
#include "mail/mail_words.h"
#include "spool/spool_query.h"

#define MESSAGES_DEFAULT 100
#define MESSAGES_MAX     500
#define BUDGET_US        2000000 /* of the lane, which others want too; then the page ends */
#define DECISION_MEMORY  (64u << 20)
#define OUTCOME_MAX      65536
#define TEXT_MAX         200 /* octets of a subject or an address that are shown */

struct diff {
    struct admin_request *request;
    struct admin *admin;
    json_t *body; /* what was asked; its strings are looked at */
    struct config *config;
    struct rules_share *share; /* of the running rules */
    struct filters_source *sources;
    size_t source_count;
    struct filters_set *edited; /* NULL: they cannot be loaded */
    struct problems *problems;
    struct filters_scratch *scratch;
    struct store *store;
    struct recent_message **recent; /* the newest first */
    size_t recent_count;
    uint64_t limit, compared, same;
    bool waiting;           /* over those that wait; else over the last */
    uint64_t before;        /* the last: older than this one */
    struct store_key after; /* those that wait: behind this one */
    bool more;
    uint64_t began_us;
    json_t *rows;
    struct fault fault;
};

static void diff_free(struct diff *diff)
{
    recent_release(diff->recent, diff->recent_count);
    free(diff->recent);
    decision_release(&diff->share);
    config_free(&diff->config);
    filters_set_free(&diff->edited);
    problems_free(&diff->problems);
    filters_scratch_free(&diff->scratch);
    free(diff->sources);
    json_decref(diff->rows);
    json_decref(diff->body);
    free(diff);
}

/* ---- what was asked ---- */

/* "after": what an answer gave as "next"; "recent.17", "waiting.4711". */
static bool read_after(struct diff *diff)
{
    const json_t *after = json_object_get(diff->body, "after");
    uint64_t number;
    if (after == NULL || json_is_null(after)) {
        diff->before = UINT64_MAX;
        return true;
    }
    struct bytes number_text = bytes_of(json_is_string(after) ? json_string_value(after) : "");
    struct bytes where = bytes_cut(&number_text, '.');
    diff->waiting = bytes_equal(where, bytes_of("waiting"));
    if ((!diff->waiting && !bytes_equal(where, bytes_of("recent"))) || !bytes_to_u64(number_text, &number) ||
        number > INT64_MAX) {
        return false;
    }
    if (diff->waiting) {
        diff->after = (struct store_key){number, number == 0 ? 0 : INT32_MAX};
    } else {
        diff->before = number;
    }
    return true;
}

/* Answers what is wrong with the request; false when nothing is. */
static bool refuse_diff(struct diff *diff)
{
    const json_t *limit = json_object_get(diff->body, "limit");
    diff->limit = limit == NULL ? MESSAGES_DEFAULT : (uint64_t)json_integer_value(limit);
    if (!admin_sources_read(diff->request, json_object_get(diff->body, "rules"), &diff->sources, &diff->source_count)) {
        return true;
    }
    if (!read_after(diff)) {
        admin_answer_error(diff->request, 400, "after", "\"after\" must be the \"next\" of the answer before");
    } else if (diff->limit < 1 || diff->limit > MESSAGES_MAX) {
        admin_answer_error(diff->request, 400, "limit", "\"limit\" must be a number from 1 to %d", MESSAGES_MAX);
    } else {
        return false;
    }
    return true;
}

/* ---- one message, on the lane ---- */

static uint64_t clock_us(void *ctx)
{
    return net_now_us(ctx);
}

/* Text of a mail for people, who may read it on a terminal: bounded, without control characters. */
static json_t *text_of(struct bytes text)
{
    struct buf out;
    buf_init(&out, TEXT_MAX + 8);
    while (text.len > 0 && out.len < TEXT_MAX) {
        uint32_t character;
        text = bytes_from(text, filters_text_next(text, &character));
        filters_text_append(&out, filters_text_is_control(character) ? ' ' : character);
    }
    json_t *json = json_string(buf_text(&out));
    buf_done(&out);
    return json;
}

static json_t *subject_of(struct bytes header)
{
    struct mail_header_field field;
    struct buf line, text;
    buf_init(&line, 65536);
    buf_init(&text, 262144);
    if (mail_header_find(header, "Subject", &field) == 1 && mail_header_unfold(field.value, &line) == 0) {
        mail_words_decode(buf_bytes(&line), &text);
    }
    json_t *json = text_of(buf_bytes(&text));
    buf_done(&line);
    buf_done(&text);
    return json;
}

static json_t *recipients_of(const struct mail_envelope *envelope)
{
    json_t *list = json_array();
    for (size_t i = 0; i < envelope->to_count; i++) {
        json_array_append_new(list, text_of(bytes_of(envelope->to[i].address)));
    }
    return list;
}

/* A row for a message that would go elsewhere, or of which that cannot be said. */
static void add_row(struct diff *diff, const struct filters_message *message, const struct buf *old,
                    const struct buf *new, const struct fault *fault)
{
    char received[25];
    const struct mail_envelope *envelope = message->envelope;
    bool known = !fault_is_set(fault);
    log_time(message->now_ms, received);
    json_t *row =
        json_pack("{s:s,s:o,s:o,s:o,s:s,s:b,s:s}", "message", envelope->id, "from", text_of(bytes_of(envelope->from)),
                  "to", recipients_of(envelope), "subject", subject_of(message->header), "received", received,
                  "waiting", diff->waiting, "verdict", known ? "differs" : "unknown");
    if (known) {
        json_object_set_new(row, "old", json_stringn((const char *)buf_bytes(old).ptr, old->len));
        json_object_set_new(row, "new", json_stringn((const char *)buf_bytes(new).ptr, new->len));
    } else {
        json_object_set_new(row, "why", json_sprintf("%s: %s", fault->where, fault->text));
    }
    json_array_append_new(diff->rows, row);
}

static void compare_diff(struct diff *diff, struct filters_message *message)
{
    struct fault fault = FAULT_INIT;
    struct buf old, new;
    buf_init(&old, OUTCOME_MAX);
    buf_init(&new, OUTCOME_MAX);
    message->clock = (struct filters_clock){
        .now_us = clock_us, .ctx = diff->admin->loop, .budget_us = diff->config->decision_timeout * 1000};
    bool known =
        outcome_write(decision_shared_set(diff->share), diff->scratch, message, DECISION_MEMORY, &old, &fault) == 0 &&
        outcome_write(diff->edited, diff->scratch, message, DECISION_MEMORY, &new, &fault) == 0;
    diff->compared++;
    if (known && bytes_equal(buf_bytes(&old), buf_bytes(&new))) {
        diff->same++;
    } else {
        add_row(diff, message, &old, &new, &fault);
    }
    buf_done(&old);
    buf_done(&new);
}

static bool needs_body(const struct diff *diff)
{
    return filters_needs_body(decision_shared_set(diff->share)) || filters_needs_body(diff->edited);
}

/* ---- the last ones ---- */

/* What the spool still has of it; false when its body is gone. */
static bool open_stored(struct diff *diff, const char *id, struct stored *stored_r)
{
    uint64_t number;
    size_t count = 0;
    return diff->store != NULL && spool_query_find(diff->store, id, &number, 1, &count, NULL) == 0 && count == 1 &&
           stored_open(stored_r, diff->store, number, NULL) == 0;
}

static void compare_recent(struct diff *diff, struct recent_message *kept)
{
    struct stored stored;
    struct mail_source source = mail_source_of(&kept->whole);
    struct filters_message message = {
        .envelope = &kept->envelope, .header = kept->header, .size = kept->size, .now_ms = kept->now_ms};
    bool from_spool = false;
    if (kept->whole.ptr != NULL) {
        message.source = &source;
    } else if (needs_body(diff)) {
        from_spool = open_stored(diff, kept->envelope.id, &stored);
        message.source = from_spool ? spool_source_of(stored.body) : NULL;
        message.body_missing = !from_spool;
    }
    compare_diff(diff, &message);
    if (from_spool) {
        stored_close(&stored);
    }
}

static bool is_over(const struct diff *diff)
{
    return diff->compared >= diff->limit ||
           (diff->compared > 0 && net_now_us(diff->admin->loop) - diff->began_us > BUDGET_US);
}

static void walk_recent(struct diff *diff)
{
    diff->more = true; /* those that wait come behind them */
    for (size_t i = 0; i < diff->recent_count; i++) {
        if (diff->recent[i]->number >= diff->before) {
            continue;
        }
        if (is_over(diff)) {
            return;
        }
        compare_recent(diff, diff->recent[i]);
        diff->before = diff->recent[i]->number;
    }
    diff->waiting = true;
}

/* ---- those that wait ---- */

struct waiting {
    struct diff *diff;
    uint64_t messages[MESSAGES_MAX];
    size_t count;
};

static bool is_recent(const struct diff *diff, const char *id)
{
    for (size_t i = 0; i < diff->recent_count; i++) {
        if (strcmp(diff->recent[i]->envelope.id, id) == 0) {
            return true;
        }
    }
    return false;
}

static int note_waiting(void *ctx, const json_t *delivery)
{
    struct waiting *waiting = ctx;
    struct diff *diff = waiting->diff;
    uint64_t message = (uint64_t)json_integer_value(json_object_get(delivery, "seq"));
    if ((waiting->count > 0 && waiting->messages[waiting->count - 1] == message) ||
        is_recent(diff, json_string_value(json_object_get(delivery, "message")))) {
        return 0; /* deliveries of one message come one behind the other */
    }
    if (waiting->count == diff->limit) {
        diff->more = true;
        return 1;
    }
    waiting->messages[waiting->count++] = message;
    return 0;
}

static void compare_waiting(struct diff *diff, uint64_t number)
{
    struct stored stored;
    struct fault fault = FAULT_INIT;
    if (stored_open(&stored, diff->store, number, &fault) == 0) {
        struct filters_message message = stored_message(&stored, stored.envelope.received_ms);
        compare_diff(diff, &message);
        stored_close(&stored);
    } else if (strcmp(fault.code, "settled") != 0 && strcmp(fault.code, "unknown") != 0) {
        diff->compared++;
        json_array_append_new(diff->rows, json_pack("{s:n,s:b,s:s,s:s}", "message", "waiting", true, "verdict",
                                                    "unknown", "why", fault.text));
    }
    diff->after = (struct store_key){number, INT32_MAX};
}

static void walk_waiting(struct diff *diff)
{
    struct waiting waiting = {.diff = diff};
    struct store_select select = {.after = diff->after};
    if (diff->store == NULL || spool_query_list(diff->store, &select, 0, note_waiting, &waiting, &diff->fault) != 0) {
        return;
    }
    for (size_t i = 0; i < waiting.count; i++) {
        if (is_over(diff)) {
            diff->more = true;
            return;
        }
        compare_waiting(diff, waiting.messages[i]);
    }
}

static void on_lane(void *ctx)
{
    struct diff *diff = ctx;
    diff->problems = problems_new();
    diff->edited = config_rules(diff->config, diff->sources, diff->source_count, diff->problems);
    if (diff->edited == NULL) {
        return;
    }
    diff->began_us = net_now_us(diff->admin->loop);
    diff->scratch = filters_scratch_new();
    diff->store = admin_store(diff->admin, &diff->fault);
    if (diff->waiting) {
        walk_waiting(diff);
    } else {
        walk_recent(diff);
    }
}

/* ---- back on the loop ---- */

static void answer_rows(struct diff *diff)
{
    json_t *next = !diff->more     ? json_null()
                   : diff->waiting ? json_sprintf("waiting.%" PRIu64, diff->after.message)
                                   : json_sprintf("recent.%" PRIu64, diff->before);
    admin_answer_json(diff->request, 200,
                      json_pack("{s:O,s:I,s:I,s:I,s:o}", "messages", diff->rows, "compared", (json_int_t)diff->compared,
                                "same", (json_int_t)diff->same, "recent", (json_int_t)diff->recent_count, "next",
                                next));
}

static void on_compared(void *ctx)
{
    struct diff *diff = ctx;
    if (diff->edited == NULL) {
        admin_answer_json(diff->request, 422, json_pack("{s:o}", "problems", problems_to_json(diff->problems)));
    } else if (fault_is_set(&diff->fault)) {
        admin_answer_fault(diff->request, &diff->fault);
    } else {
        answer_rows(diff);
    }
    diff_free(diff);
}

void admin_post_diff(struct admin_request *request)
{
    struct diff *diff = expect_calloc(1, sizeof *diff);
    struct decision *decision = gateway_decision(request->admin->gateway);
    diff->request = request;
    diff->admin = request->admin;
    diff->config = config_share(gateway_config(request->admin->gateway));
    diff->body = admin_body(request);
    if (diff->body == NULL || refuse_diff(diff)) {
        diff_free(diff);
        return;
    }
    diff->rows = json_array();
    diff->share = decision_share(decision);
    if (decision_recent(decision) != NULL) {
        diff->recent_count = recent_share(decision_recent(decision), &diff->recent);
    }
    net_lane_submit(request->admin->lane, on_lane, on_compared, diff);
}

/*
 * admin_explain - what the rules would do with a message, and why: the running rules, or others that somebody is just
 * writing.
 *
 * Decided on the admin server's lane with buffers of its own: a pattern that takes its time holds up neither mail nor
 * the loop. Nothing is kept, nothing is delivered. The message comes with the request, or is one that is named: it
 * waits, or it was among those that were decided last.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_private.h"
#include "base/expect.h"
#include "base/units.h"
#include "decision/decision.h"
#include "decision/stored.h"
#include "mail/mail_header.h"
#include "spool/spool_query.h"

#define EXPLANATION_MAX (32u << 20)
#define ARENA_MAX       (64u << 20)
#define RECIPIENTS_MAX  1000

struct explain {
    struct admin_request *request;
    struct admin *admin;
    json_t *body;              /* what was asked; its strings are looked at */
    struct rules_share *share; /* of the running rules */
    struct filters_counters counters;
    struct config *config;   /* a share of the one in force */
    struct filters_set *set; /* other rules */
    struct problems *problems;
    struct arena *arena;
    struct buf message;
    const char *id; /* of a message that is here; NULL: it came with the request */
    struct recent_message **recent;
    size_t recent_count;
    struct stored stored;
    bool is_stored; /* stored is open */
    struct fault fault;
    struct mail_envelope envelope;
    int64_t now_ms;
    struct buf out;
};

static void explain_free(struct explain *explain)
{
    if (explain->is_stored) {
        stored_close(&explain->stored);
    }
    recent_release(explain->recent, explain->recent_count);
    free(explain->recent);
    decision_release(&explain->share);
    config_free(&explain->config);
    filters_set_free(&explain->set);
    problems_free(&explain->problems);
    arena_free(&explain->arena);
    buf_done(&explain->message);
    buf_done(&explain->out);
    json_decref(explain->body);
    free(explain);
}

/* ---- what was asked ---- */

static const char *text_at(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void read_client(struct mail_client *client, const json_t *json)
{
    const char *address = text_at(json, "address");
    const char *protocol = text_at(json, "protocol");
    *client = (struct mail_client){.listener = text_at(json, "listener"),
                                   .address = address != NULL ? address : "127.0.0.1",
                                   .helo = text_at(json, "helo"),
                                   .protocol = protocol != NULL ? protocol : "ESMTP",
                                   .tls_version = text_at(json, "tls_version"),
                                   .tls_peer = text_at(json, "tls_peer"),
                                   .user = text_at(json, "user")};
}

/* -1 when the recipients are no list of strings. */
static int read_recipients(struct explain *explain, const json_t *to)
{
    size_t count = json_array_size(to);
    if (count == 0 || count > RECIPIENTS_MAX) {
        return -1;
    }
    explain->envelope.to = expect_memory(arena_array(explain->arena, count, sizeof *explain->envelope.to));
    explain->envelope.to_count = count;
    for (size_t i = 0; i < count; i++) {
        explain->envelope.to[i].address = json_string_value(json_array_get(to, i));
        if (explain->envelope.to[i].address == NULL) {
            return -1;
        }
    }
    return 0;
}

/* "message" is text; "message_base64" is for octets that are not UTF-8. */
static int read_message(struct explain *explain)
{
    const char *encoded = text_at(explain->body, "message_base64");
    const json_t *message = json_object_get(explain->body, "message");
    if (encoded != NULL) {
        return units_base64_decode(&explain->message, bytes_of(encoded));
    }
    if (!json_is_string(message)) {
        return -1;
    }
    /* A line ends with CRLF in mail; what is pasted has LF alone. */
    struct bytes rest = bytes_at(json_string_value(message), json_string_length(message));
    while (rest.len > 0) {
        struct bytes line = bytes_cut(&rest, '\n');
        bool has_cr = line.len > 0 && line.ptr[line.len - 1] == '\r';
        buf_append_bytes(&explain->message, bytes_slice(line, 0, line.len - has_cr));
        buf_append_text(&explain->message, rest.ptr != NULL ? "\r\n" : "");
    }
    return explain->message.full ? -1 : 0;
}

/* Answers what is wrong with the request; false when nothing is. */
static bool refuse_explain(struct explain *explain)
{
    const char *from = text_at(explain->body, "from");
    explain->envelope = (struct mail_envelope){.id = "00000000000000000000000000",
                                               .hostname = explain->config->hostname,
                                               .received_ms = explain->now_ms,
                                               .from = from != NULL ? from : ""};
    read_client(&explain->envelope.client, json_object_get(explain->body, "client"));
    explain->id = text_at(explain->body, "id");
    if (explain->id != NULL) {
        return false;
    }
    if (read_recipients(explain, json_object_get(explain->body, "to")) < 0) {
        admin_answer_error(explain->request, 400, "to", "\"to\" must be a list of 1 to %d addresses", RECIPIENTS_MAX);
        return true;
    }
    if (read_message(explain) < 0) {
        admin_answer_error(explain->request, 400, "message",
                           "give the message as text in \"message\", encoded in \"message_base64\", or by the \"id\" "
                           "of a message that is kept here");
        return true;
    }
    return false;
}

/* ---- on the lane ---- */

static uint64_t clock_us(void *ctx)
{
    return net_now_us(ctx);
}

/* Other rules than the running ones: {"rules": [...]} as text. */
static void load_rules(struct explain *explain)
{
    const json_t *rules = json_object_get(explain->body, "rules");
    struct filters_source source = {.name = "edited rules",
                                    .text = bytes_at(json_string_value(rules), json_string_length(rules))};
    explain->problems = problems_new();
    explain->set = config_rules(explain->config, &source, 1, explain->problems);
}

/* One that waits, or waited a moment ago. */
static bool find_stored(struct explain *explain, struct filters_message *message_r)
{
    uint64_t number;
    size_t count = 0;
    struct store *store = admin_store(explain->admin, &explain->fault);
    if (store == NULL || spool_query_find(store, explain->id, &number, 1, &count, &explain->fault) != 0) {
        return false;
    }
    if (count == 0) {
        fault_set(&explain->fault, FAULT_PERM, "unknown", explain->id, "no message with this id is known");
        return false;
    }
    explain->is_stored = stored_open(&explain->stored, store, number, &explain->fault) == 0;
    if (explain->is_stored) {
        *message_r = stored_message(&explain->stored, explain->stored.envelope.received_ms);
    }
    return explain->is_stored;
}

/* One of those that were decided last. source: for its body, where that is kept. */
static bool find_recent(struct explain *explain, struct mail_source *source, struct filters_message *message_r)
{
    for (size_t i = 0; i < explain->recent_count; i++) {
        struct recent_message *kept = explain->recent[i];
        if (strcmp(kept->envelope.id, explain->id) == 0) {
            *source = mail_source_of(&kept->whole);
            *message_r = (struct filters_message){.envelope = &kept->envelope,
                                                  .header = kept->header,
                                                  .source = kept->whole.ptr != NULL ? source : NULL,
                                                  .body_missing = kept->whole.ptr == NULL,
                                                  .size = kept->size,
                                                  .now_ms = kept->now_ms};
            return true;
        }
    }
    return false;
}

/* Of one that is here, the one that has its body comes first. */
static bool find_message(struct explain *explain, struct mail_source *source, struct filters_message *message_r)
{
    if (find_stored(explain, message_r)) {
        return true;
    }
    struct fault why = explain->fault;
    explain->fault = (struct fault)FAULT_INIT;
    if (find_recent(explain, source, message_r)) {
        return true;
    }
    explain->fault = why;
    return false;
}

static void explain_message(struct explain *explain, struct filters_message *message)
{
    struct fault fault = FAULT_INIT;
    struct filters_decision decision = {0};
    struct filters_scratch *scratch = filters_scratch_new();
    /* One that is here was counted itself when it came. */
    explain->counters.itself = explain->id == NULL ? NULL : message->envelope;
    message->counters = &explain->counters;
    message->clock = (struct filters_clock){
        .now_us = clock_us, .ctx = explain->admin->loop, .budget_us = explain->config->decision_timeout * 1000};
    disregard(filters_explain(explain->set != NULL ? explain->set : decision_shared_set(explain->share), scratch,
                              message, clock_us, explain->admin->loop, explain->arena, &decision, &fault,
                              &explain->out));
    filters_scratch_free(&scratch);
}

static void on_lane(void *ctx)
{
    struct explain *explain = ctx;
    struct mail_source source;
    struct filters_message message;
    bool complete;
    if (json_is_string(json_object_get(explain->body, "rules"))) {
        load_rules(explain);
        if (explain->set == NULL) {
            return;
        }
    }
    const struct bytes octets = buf_bytes(&explain->message);
    if (explain->id == NULL) {
        source = mail_source_of(&octets);
        message = (struct filters_message){.envelope = &explain->envelope,
                                           .header = bytes_slice(octets, 0, mail_header_length(octets, &complete)),
                                           .source = &source,
                                           .size = octets.len,
                                           .now_ms = explain->now_ms};
    } else if (!find_message(explain, &source, &message)) {
        return;
    }
    explain_message(explain, &message);
}

/* ---- back on the loop ---- */

static void on_explained(void *ctx)
{
    struct explain *explain = ctx;
    struct admin_request *request = explain->request;
    bool no_rules = explain->problems != NULL && explain->set == NULL;
    if (fault_is_set(&explain->fault)) {
        admin_answer_fault(request, &explain->fault);
    } else if (no_rules) {
        admin_answer_json(request, 422, json_pack("{s:o}", "problems", problems_to_json(explain->problems)));
    } else if (explain->out.full) {
        admin_answer_error(request, 413, "size", "the explanation would be longer than %u octets", EXPLANATION_MAX);
    } else {
        admin_answer_bytes(request, 200, "application/json", buf_bytes(&explain->out));
    }
    explain_free(explain);
}

void admin_post_explain(struct admin_request *request)
{
    struct explain *explain = expect_calloc(1, sizeof *explain);
    explain->request = request;
    explain->admin = request->admin;
    explain->config = config_share(gateway_config(request->admin->gateway));
    explain->now_ms = net_wall(request->admin->loop);
    explain->arena = arena_new(ARENA_MAX);
    buf_init(&explain->message, (size_t)request->admin->config->admin.max_body);
    buf_init(&explain->out, EXPLANATION_MAX);
    explain->body = admin_body(request);
    if (explain->body == NULL || refuse_explain(explain)) {
        explain_free(explain);
        return;
    }
    struct decision *decision = gateway_decision(request->admin->gateway);
    explain->share = decision_share(decision);
    explain->counters = *decision_counters(decision);
    if (explain->id != NULL && decision_recent(decision) != NULL) {
        explain->recent_count = recent_share(decision_recent(decision), &explain->recent);
    }
    net_lane_submit(request->admin->lane, on_lane, on_explained, explain);
}

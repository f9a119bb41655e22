/*
 * reroute - see reroute.h.
 */
#include "daemon/reroute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "mail/mail_header.h"
#include "spool/spool_admin.h"
#include "spool/spool_export.h"
#include "spool/spool_meta.h"

#define ARENA_MAX   (64u << 20)
#define HEADER_MAX  (1u << 20) /* above what reception takes */
#define TARGETS_MAX (1u << 20)

const char *reroute_verdict_name(enum reroute_verdict verdict)
{
    static const char *const names[] = {"same", "moves", "refused", "discarded"};
    return names[verdict];
}

void reroute_plan_done(struct reroute_plan *plan)
{
    buf_done(&plan->before);
    buf_done(&plan->after);
    buf_done(&plan->request);
}

/* ---- deciding ---- */

/* The header section, as far as it reaches; -1 with a fault. */
static int read_header(const struct mail_source *source, struct buf *header, struct fault *fault)
{
    size_t len = source->size < HEADER_MAX ? (size_t)source->size : HEADER_MAX;
    uint8_t *octets = expect_calloc(1, len + 1);
    ptrdiff_t got = len == 0 ? 0 : source->read(source->ctx, 0, octets, len, fault);
    if (got > 0) {
        bool complete;
        buf_append(header, octets, mail_header_length(bytes_at(octets, (size_t)got), &complete));
    }
    free(octets);
    return got < 0 ? -1 : 0;
}

static int decide(const struct reroute *reroute, uint64_t message, const struct mail_envelope *envelope,
                  struct arena *arena, struct filters_decision *decision_r, struct fault *fault)
{
    struct buf header;
    struct spool_source *body = spool_source_open(reroute->spool, reroute->index, message, fault);
    if (body == NULL) {
        return -1;
    }
    const struct mail_source *source = spool_source_of(body);
    buf_init(&header, HEADER_MAX);
    int result = read_header(source, &header, fault);
    if (result == 0) {
        struct filters_message asked = {.envelope = envelope,
                                        .header = buf_bytes(&header),
                                        .source = source,
                                        .size = source->size,
                                        .now_ms = reroute->now_ms};
        result = filters_decide(reroute->rules, reroute->scratch, &asked, arena, decision_r, fault);
    }
    buf_done(&header);
    spool_source_free(&body);
    return result;
}

/* ---- comparing ---- */

static bool is_open(const json_t *delivery)
{
    const char *state = json_string_value(json_object_get(delivery, "state"));
    return strcmp(state, "filed") != 0 && strcmp(state, "dropped") != 0;
}

static void add_target(struct buf *out, const char *upstream, const char *folder)
{
    buf_printf(out, "%s%s:%s", out->len > 0 ? ", " : "", upstream, folder);
}

static void old_targets(const json_t *story, struct buf *out)
{
    size_t i;
    json_t *delivery;
    json_array_foreach(json_object_get(story, "deliveries"), i, delivery)
    {
        if (is_open(delivery)) {
            add_target(out, json_string_value(json_object_get(delivery, "upstream")),
                       json_string_value(json_object_get(delivery, "folder")));
        }
    }
}

static void new_targets(const struct filters_decision *decision, struct buf *out)
{
    for (size_t i = 0; i < decision->delivery_count; i++) {
        add_target(out, decision->deliveries[i].upstream, decision->deliveries[i].folder);
    }
}

static void write_request(struct buf *out, const char *id, const char *by, const struct filters_decision *decision)
{
    buf_printf(out, "{\"verb\":\"reroute\",\"message\":\"%s\",\"by\":\"", id);
    log_json_escape(out, bytes_of(by));
    buf_append_text(out, "\",\"deliveries\":[");
    for (size_t i = 0; i < decision->delivery_count; i++) {
        buf_append_text(out, i > 0 ? "," : "");
        spool_meta_write_delivery(out, &decision->deliveries[i]);
    }
    buf_append_text(out, "]}");
}

static void fill_plan(const struct reroute *reroute, const json_t *story, const struct filters_decision *decision,
                      struct reroute_plan *plan)
{
    buf_init(&plan->before, TARGETS_MAX);
    buf_init(&plan->after, TARGETS_MAX);
    buf_init(&plan->request, SPOOL_ADMIN_REQUEST_MAX);
    snprintf(plan->id, sizeof plan->id, "%s", json_string_value(json_object_get(story, "id")));
    old_targets(story, &plan->before);
    new_targets(decision, &plan->after);
    if (decision->reply_code != 0 || decision->delivery_count == 0) {
        plan->verdict = decision->reply_code != 0 ? REROUTE_REFUSED : REROUTE_DISCARDED;
    } else if (bytes_equal(buf_bytes(&plan->before), buf_bytes(&plan->after))) {
        plan->verdict = REROUTE_SAME;
    } else {
        plan->verdict = REROUTE_MOVES;
        write_request(&plan->request, plan->id, reroute->by, decision);
    }
}

static int plan_story(const struct reroute *reroute, uint64_t message, const json_t *story, struct reroute_plan *plan_r,
                      struct fault *fault)
{
    struct arena *arena = arena_new(ARENA_MAX);
    struct mail_envelope envelope;
    struct filters_decision decision = {0};
    char *text = json_dumps(json_object_get(story, "envelope"), JSON_COMPACT);
    int result = spool_meta_read_envelope(bytes_of(text), arena, &envelope, fault);
    if (result == 0) {
        result = decide(reroute, message, &envelope, arena, &decision, fault);
    }
    if (result == 0) {
        fill_plan(reroute, story, &decision, plan_r);
    }
    free(text);
    arena_free(&arena);
    return result;
}

int reroute_plan(const struct reroute *reroute, uint64_t message, struct reroute_plan *plan_r, struct fault *fault)
{
    json_t *story = NULL;
    if (spool_query_story(reroute->index, message, &story, fault) != 0) {
        return -1;
    }
    if (story == NULL) {
        fault_set(fault, FAULT_PERM, "unknown", "spool", "the message is not known any more");
        return -1;
    }
    int result = plan_story(reroute, message, story, plan_r, fault);
    json_decref(story);
    return result;
}

/*
 * sim_operator - see sim_operator.h.
 */
#include "sim_operator.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim_index.h"
#include "sim_mail.h"
#include "spool/spool_admin.h"

#define KNOWN_MAX   4000
#define REQUEST_MAX 1000

enum verb { RETRY, HOLD, RELEASE, DROP, REROUTE, PAUSE, RESUME, VERBS };
static const char *const verbs[VERBS] = {"retry", "hold", "release", "drop", "reroute", "pause", "resume"};

/* One request under way. */
struct request {
    enum verb verb;
};

static struct {
    struct {
        char id[SIM_MAIL_ID_LEN + 8];
        enum verb why; /* HOLD or DROP */
    } known[KNOWN_MAX];
    size_t count;
    unsigned releases; /* asked for and not answered */
} orders;

/* ---- what is known ---- */

static void know(const char *id, enum verb why)
{
    EXPECT(orders.count < KNOWN_MAX);
    snprintf(orders.known[orders.count].id, sizeof orders.known[0].id, "%s", id);
    orders.known[orders.count++].why = why;
}

static void forget(enum verb why)
{
    size_t kept = 0;
    for (size_t i = 0; i < orders.count; i++) {
        if (orders.known[i].why != why) {
            orders.known[kept++] = orders.known[i];
        }
    }
    orders.count = kept;
}

static void on_held(void *ctx, const char *id)
{
    (void)ctx;
    know(id, HOLD);
}

static void on_dropped(void *ctx, const char *id)
{
    (void)ctx;
    know(id, DROP);
}

void sim_operator_check_filing(const char *delivery, bool is_late)
{
    for (size_t i = 0; i < orders.count && !is_late; i++) {
        if (strcmp(orders.known[i].id, delivery) == 0) {
            sim_fail("delivery %s was %s by the operator, and filed", delivery,
                     orders.known[i].why == HOLD ? "held" : "dropped");
        }
    }
}

void sim_operator_crash(void)
{
    orders.releases = 0;
}

/* ---- asking ---- */

static void note_asked(enum verb verb)
{
    for (size_t i = 0; i < sim_mail_count(); i++) {
        struct sim_try *try = sim_mail_at(i);
        bool is_there = try->state == SIM_TRY_SENT || try->state == SIM_TRY_ACKED;
        try->released = try->released || (is_there && verb == RELEASE);
        try->may_be_dropped = try->may_be_dropped || (is_there && (verb == DROP || verb == REROUTE));
    }
    if (verb == RELEASE) {
        forget(HOLD);
    }
}

static void on_answer(void *ctx, const char *reply)
{
    struct request *request = ctx;
    sim_say("operator: %s: %s", verbs[request->verb], reply);
    json_t *json = json_loads(reply, 0, NULL);
    bool is_done = json != NULL && json_object_get(json, "error") == NULL;
    json_decref(json);
    if (request->verb == RELEASE || request->verb == DROP || request->verb == REROUTE) {
        note_asked(request->verb); /* also for what came meanwhile */
    }
    orders.releases -= request->verb == RELEASE;
    if (is_done && request->verb == HOLD && orders.releases == 0) {
        forget(HOLD);
        sim_index_each("held", on_held, NULL);
    } else if (is_done && request->verb == DROP) {
        forget(DROP);
        sim_index_each("dropped", on_dropped, NULL);
    }
    free(request);
}

static void ask(struct spool *spool, enum verb verb, const char *text)
{
    struct request *request = expect_calloc(1, sizeof *request);
    *request = (struct request){.verb = verb};
    sim_say("operator asks: %s", text);
    note_asked(verb);
    orders.releases += verb == RELEASE;
    spool_admin_request(spool, text, on_answer, request);
}

/* A message that is known to be in the queue's hands, or was. */
static struct sim_try *some_message(uint64_t draw)
{
    for (size_t i = 0, count = sim_mail_count(); i < count; i++) {
        struct sim_try *try = sim_mail_at((draw + i) % count);
        if (try->state == SIM_TRY_ACKED && !try->at_once) {
            return try;
        }
    }
    return NULL;
}

static void reroute(struct spool *spool, uint64_t draw)
{
    char text[REQUEST_MAX];
    struct sim_try *try = some_message(draw);
    if (try == NULL) {
        return;
    }
    try->rerouted = true;
    snprintf(text, sizeof text,
             "{\"verb\": \"reroute\", \"message\": \"%s\", \"by\": \"sim\", \"deliveries\": [{\"upstream\": \"%s\", "
             "\"folder\": \"%s\", \"rule\": \"operator\", \"recipients\": [\"%s\"]}]}",
             try->id, sim_upstreams[sim_places[SIM_PLACE_REROUTED].server], sim_places[SIM_PLACE_REROUTED].folder,
             sim_recipients[0]);
    ask(spool, REROUTE, text);
}

void sim_operator_work(struct spool *spool, uint64_t draw)
{
    char text[REQUEST_MAX];
    enum verb verb = (enum verb)(draw % VERBS);
    const char *upstream = sim_upstreams[draw / VERBS % 2];
    draw /= VERBS * 2;
    switch (verb) {
    case REROUTE:
        reroute(spool, draw);
        return;
    case PAUSE:
    case RESUME:
        snprintf(text, sizeof text, "{\"verb\": \"%s\", \"upstream\": \"%s\"}", verbs[verb], upstream);
        break;
    case RELEASE:
        snprintf(text, sizeof text, "{\"verb\": \"release\", \"select\": {\"state\": \"held\"}, \"by\": \"sim\"}");
        break;
    case DROP: {
        struct sim_try *try = some_message(draw);
        if (try == NULL) {
            return;
        }
        snprintf(text, sizeof text, "{\"verb\": \"drop\", \"select\": {\"id\": \"%s\"}, \"by\": \"sim\"}", try->id);
        break;
    }
    default:
        snprintf(text, sizeof text, "{\"verb\": \"%s\", \"select\": {\"upstream\": \"%s\"}, \"by\": \"sim\"}",
                 verbs[verb], upstream);
        break;
    }
    ask(spool, verb, text);
}

void sim_operator_release_all(struct spool *spool)
{
    ask(spool, RELEASE, "{\"verb\": \"release\", \"select\": {\"state\": \"held\"}, \"by\": \"sim\"}");
    ask(spool, RESUME, "{\"verb\": \"resume\"}");
}

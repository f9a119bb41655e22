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
#include "spool/spool_change.h"

#define KNOWN_MAX   4000
#define REQUEST_MAX 1000
/* What was under way when an upstream was paused may take so long: a look and an append, each the time of a command and of the octets that moved. */
#define UNDER_WAY (110 * (uint64_t)SIM_SECOND)

enum verb { RETRY, HOLD, RELEASE, DROP, REROUTE, PAUSE, RESUME, VERBS };
static const char *const verbs[VERBS] = {"retry", "hold", "release", "drop", "reroute", "pause", "resume"};

/* One request under way. */
struct request {
    enum verb verb;
    unsigned server;     /* of hold, pause and resume */
    struct sim_try *try; /* of drop and reroute; else NULL */
    unsigned undone;     /* count_undone() when it was asked */
};

static struct {
    struct {
        char id[SIM_MAIL_ID_LEN + 8];
        enum verb why; /* HOLD or DROP */
    } known[KNOWN_MAX];
    size_t count;
    bool has_paused;
    unsigned resumes;        /* requests to resume that are not answered */
    uint64_t paused_us[2];   /* since when each upstream certainly is, virtual time; 0: it may not be */
    unsigned open, releases; /* requests that are not answered; and those of them that release */
    unsigned heard[VERBS];   /* requests ever, and answers to them */
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

static void on_known(void *ctx, const char *id)
{
    const enum verb *why = ctx;
    know(id, *why);
}

static void count_one(void *ctx, const char *id)
{
    size_t *count = ctx;
    (void)id;
    ++*count;
}

/* What the answer says has been held, dropped or rerouted shows itself as that, and must not be filed from now on. */
static void learn(enum verb why, uint64_t changed)
{
    size_t known = 0;
    forget(why);
    bool is_good = sim_index_each(why == HOLD ? "held" : "dropped", on_known, &why);
    /* What was rerouted has a successor. */
    is_good = is_good && (why == HOLD || sim_index_each("moved", on_known, &why));
    for (size_t i = 0; i < orders.count; i++) {
        known += orders.known[i].why == why;
    }
    /* A sender whose time is over takes back at one node what was held at another a moment ago. */
    is_good = is_good && (why != HOLD || known >= changed || sim_index_each("dropped", count_one, &known));
    if (is_good && orders.open == 0 && known < changed) {
        sim_fail("the answer to %s says %llu deliveries, and %zu are so", verbs[why], (unsigned long long)changed,
                 known);
    }
}

void sim_operator_check_filing(unsigned server, const char *delivery, bool is_late)
{
    uint64_t paused = orders.paused_us[server];
    if (paused > 0 && sim_now() > paused + UNDER_WAY && !is_late) {
        sim_fail("delivery %s was filed, and its upstream has been paused for %llu s", delivery,
                 (unsigned long long)((sim_now() - paused) / SIM_SECOND));
    }
    for (size_t i = 0; i < orders.count && !is_late; i++) {
        if (strcmp(orders.known[i].id, delivery) == 0) {
            sim_fail("delivery %s was %s by the operator, and filed", delivery,
                     orders.known[i].why == HOLD ? "held" : "dropped or rerouted");
        }
    }
}

bool sim_operator_releases(void)
{
    return orders.releases > 0;
}

void sim_operator_crash(void)
{
    orders.open = orders.releases = orders.resumes = 0;
    sim_mail_retried(); /* that something is a dead letter may be lost with what was not synced */
}

/* ---- asking ---- */

static void note_asked(enum verb verb)
{
    for (size_t i = 0; i < sim_mail_count(); i++) {
        struct sim_try *try = sim_mail_at(i);
        bool is_there = try->state == SIM_TRY_SENT || try->state == SIM_TRY_ACKED;
        try->released = try->released || (is_there && verb == RELEASE);
        try->may_be_dropped = try->may_be_dropped || (is_there && verb == DROP);
    }
    if (verb == RETRY) {
        sim_mail_retried();
    }
    if (verb == RELEASE) {
        forget(HOLD);
    }
    orders.has_paused = orders.has_paused || verb == PAUSE;
    if (verb == RESUME) {
        memset(orders.paused_us, 0, sizeof orders.paused_us);
    }
}

/* What is held, dropped or sent elsewhere is no dead letter any more. */
static void note_taken(const struct request *request)
{
    if (request->verb == HOLD) {
        sim_mail_held(request->server);
    } else if (request->try != NULL) {
        sim_try_lives(request->try);
    }
}

/* It changes while what undoes it may be done. */
static unsigned count_undone(enum verb verb)
{
    unsigned unheld = orders.heard[RELEASE] + orders.heard[DROP] + orders.heard[REROUTE];
    return verb == HOLD ? unheld : verb == PAUSE ? orders.heard[RESUME] : 0;
}

static void end_request(struct request *request, bool is_done, uint64_t changed)
{
    /* An answer that was lost comes late: what it says was so, and may have been undone at another node since. */
    bool is_so = is_done && request->undone == count_undone(request->verb);
    if (request->verb == RELEASE || request->verb == DROP || request->verb == REROUTE) {
        note_asked(request->verb); /* also for what came meanwhile */
    }
    note_taken(request);
    orders.heard[request->verb]++;
    orders.open--;
    orders.releases -= request->verb == RELEASE;
    orders.resumes -= request->verb == RESUME;
    if (is_so && request->verb == PAUSE && orders.resumes == 0 && orders.paused_us[request->server] == 0) {
        orders.paused_us[request->server] = sim_now();
    }
    if (is_done && (request->verb == DROP || request->verb == REROUTE)) {
        learn(DROP, changed);
    } else if (is_so && request->verb == HOLD && orders.releases == 0) {
        learn(HOLD, changed);
    }
    free(request);
}

static void on_answer(void *ctx, const json_t *reply)
{
    struct request *request = ctx;
    char *text = json_dumps(reply, JSON_COMPACT);
    sim_say("operator: %s: %s", verbs[request->verb], text);
    free(text);
    end_request(request, json_object_get(reply, "error") == NULL,
                (uint64_t)json_integer_value(json_object_get(reply, "changed")));
}

static void on_rerouted(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    sim_say("operator: reroute: %s", fault != NULL ? fault->text : result->changed > 0 ? "done" : "nothing to do");
    end_request(ctx, fault == NULL, result->changed);
}

static struct request *begin_request(enum verb verb, unsigned server, struct sim_try *try)
{
    struct request *request = expect_calloc(1, sizeof *request);
    *request = (struct request){.verb = verb, .server = server, .try = try, .undone = count_undone(verb)};
    orders.heard[verb]++;
    note_asked(verb);
    note_taken(request);
    orders.open++;
    orders.releases += verb == RELEASE;
    orders.resumes += verb == RESUME;
    return request;
}

static void ask(struct spool *spool, enum verb verb, unsigned server, struct sim_try *try, const char *text)
{
    sim_say("operator asks: %s", text);
    struct request *request = begin_request(verb, server, try);
    json_t *root = json_loads(text, 0, NULL);
    spool_admin_request(spool, root, on_answer, request);
    json_decref(root);
}

static bool is_missing_somewhere(const struct sim_try *try)
{
    for (int i = 0; i < SIM_PLACES; i++) {
        if ((sim_try_places(try) >> i & 1) != 0 && try->filings[i].count == 0) {
            return true;
        }
    }
    return false;
}

/* A message that was acknowledged, if there is one of those that are not filed everywhere yet. */
static struct sim_try *some_message(uint64_t draw)
{
    struct sim_try *any = NULL;
    for (size_t i = 0, count = sim_mail_count(); i < count; i++) {
        struct sim_try *try = sim_mail_at((draw + i) % count);
        if (try->state == SIM_TRY_ACKED && !try->at_once) {
            any = try;
            if (is_missing_somewhere(try)) {
                break;
            }
        }
    }
    return any;
}

void sim_operator_reroute(struct spool *spool, struct sim_try *try)
{
    static struct mail_delivery instead; /* by reference until the answer, and the same each time */
    if (try == NULL || try->state != SIM_TRY_ACKED || try->at_once) {
        return;
    }
    const struct sim_place_info *place = &sim_places[SIM_PLACE_REROUTED];
    instead = (struct mail_delivery){.upstream = sim_upstreams[place->server],
                                     .folder = place->folder,
                                     .rule = "operator",
                                     .recipients = &sim_recipients[0],
                                     .recipient_count = 1};
    try->rerouted = true;
    sim_say("operator asks: reroute %s", try->id);
    const struct spool_asker asker = {.by = "sim", .done = on_rerouted, .ctx = begin_request(REROUTE, 0, try)};
    spool_change_reroute(spool, try->id, &instead, 1, &asker);
}

void sim_operator_work(struct spool *spool, uint64_t draw)
{
    char text[REQUEST_MAX];
    enum verb verb = (enum verb)(draw % VERBS);
    struct sim_try *try = NULL;
    unsigned server = (unsigned)(draw / VERBS % 2);
    const char *upstream = sim_upstreams[server];
    draw /= VERBS * 2;
    switch (verb) {
    case REROUTE:
        sim_operator_reroute(spool, some_message(draw));
        return;
    case PAUSE:
    case RESUME:
        snprintf(text, sizeof text, "{\"verb\": \"%s\", \"upstream\": \"%s\"}", verbs[verb], upstream);
        break;
    case RELEASE:
        snprintf(text, sizeof text, "{\"verb\": \"release\", \"select\": {\"state\": \"held\"}, \"by\": \"sim\"}");
        break;
    case DROP:
        try = some_message(draw);
        if (try == NULL) {
            return;
        }
        snprintf(text, sizeof text, "{\"verb\": \"drop\", \"select\": {\"id\": \"%s\"}, \"by\": \"sim\"%s}", try->id,
                 draw / 2 % 2 == 0 ? ", \"again\": true" : "");
        break;
    default:
        snprintf(text, sizeof text, "{\"verb\": \"%s\", \"select\": {\"upstream\": \"%s\"}, \"by\": \"sim\"}",
                 verbs[verb], upstream);
        break;
    }
    ask(spool, verb, server, try, text);
}

void sim_operator_release_all(struct spool *spool)
{
    ask(spool, RELEASE, 0, NULL, "{\"verb\": \"release\", \"select\": {\"state\": \"held\"}, \"by\": \"sim\"}");
}

void sim_operator_retry_dead(struct spool *spool)
{
    ask(spool, RETRY, 0, NULL, "{\"verb\": \"retry\", \"select\": {\"state\": \"dead\"}, \"by\": \"sim\"}");
}

void sim_operator_resume_all(struct spool *spool)
{
    if (orders.has_paused) {
        ask(spool, RESUME, 0, NULL, "{\"verb\": \"resume\"}");
    }
}

/*
 * spool_admin - requests as JSON; see spool_admin.h.
 */
#include "spool/spool_admin.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_change.h"
#include "spool/spool_import.h"
#include "spool/spool_private.h"
#include "spool/spool_query.h"

struct request {
    struct spool *spool;
    json_t *root;
    struct arena *arena;
    spool_admin_fn *done;
    void *ctx;
    struct fault fault; /* of the request itself */
};

/* ---- answering ---- */

static void answer_request(struct request *request, json_t *reply)
{
    request->done(request->ctx, reply);
    json_decref(reply);
    json_decref(request->root);
    arena_free(&request->arena);
    free(request);
}

static void answer_fault(struct request *request, const struct fault *fault)
{
    answer_request(request, json_pack("{s:s, s:s}", "error", fault->text, "code", fault->code));
}

static void on_changed(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    struct request *request = ctx;
    if (fault != NULL) {
        answer_fault(request, fault);
        return;
    }
    json_t *reply = json_pack("{s:I, s:I}", "changed", (json_int_t)result->changed, "busy", (json_int_t)result->busy);
    if (result->doubtful > 0) {
        json_object_set_new(reply, "in_doubt", json_integer((json_int_t)result->doubtful));
    }
    answer_request(request, reply);
}

static void answer_refusal(void *ctx)
{
    struct request *request = ctx;
    answer_fault(request, &request->fault);
}

/* ---- verbs ---- */

static const char *text_of(const struct request *request, const char *name)
{
    return json_string_value(json_object_get(request->root, name));
}

static struct spool_asker asker_of(struct request *request)
{
    bool again = json_is_true(json_object_get(request->root, "again"));
    return (struct spool_asker){.by = text_of(request, "by"), .again = again, .done = on_changed, .ctx = request};
}

static int change_states(struct request *request, int verb)
{
    struct store_select chosen;
    json_t *select = json_object_get(request->root, "select");
    if (!json_is_object(select)) {
        fault_set(&request->fault, FAULT_PERM, "usage", "select", "the request does not say which deliveries");
        return -1;
    }
    if (spool_select_from_json(select, &chosen, &request->fault) != 0) {
        return -1;
    }
    const struct spool_asker asker = asker_of(request);
    spool_change(request->spool, (enum store_verb)verb, &chosen, &asker);
    return 0;
}

/* What a pause or its end has not changed is said: whoever resumes what nobody has paused must not believe that this
 * was why mail waited. */
static void on_paused(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    struct request *request = ctx;
    const char *upstream = text_of(request, "upstream");
    bool all = upstream == NULL || upstream[0] == '\0', paused = strcmp(text_of(request, "verb"), "pause") == 0;
    if (fault != NULL || result->changed > 0) {
        on_changed(ctx, result, fault);
        return;
    }
    char since[25];
    const struct spool_pause pause = spool_pause_of(request->spool, all ? "" : upstream);
    log_time(pause.since_ms, since);
    json_t *note = paused ? json_sprintf("%s %s paused already%s%s, since %s; nothing has changed",
                                         all ? "all upstreams" : upstream, all ? "are" : "is",
                                         pause.by[0] == '\0' ? "" : " by ", pause.by, since)
                   : all  ? json_string("no upstream was paused; nothing has changed")
                          : json_sprintf("%s was not paused; nothing has changed", upstream);
    answer_request(request, json_pack("{s:i, s:i, s:o, s:s*}", "changed", 0, "busy", 0, "note", note, "resumed",
                                      all || paused ? NULL : upstream));
}

/* While all are paused, the end of one's own pause changes nothing: whoever asks for it must not believe that mail goes
 * on. */
static int refuse_resume(struct request *request, const struct spool_pause *all)
{
    char since[25];
    log_time(all->since_ms, since);
    fault_set(&request->fault, FAULT_PERM, "usage", "resume",
              "all upstreams are paused%s%s since %s, so nothing is delivered to this one either; \"mailweir queue "
              "resume\" without a name ends that",
              all->by[0] == '\0' ? "" : " by ", all->by, since);
    return -1;
}

static int pause(struct request *request, int paused)
{
    const char *upstream = text_of(request, "upstream");
    const struct spool_pause all = spool_pause_of(request->spool, "");
    if (paused == 0 && upstream != NULL && upstream[0] != '\0' && all.on) {
        return refuse_resume(request, &all);
    }
    spool_change_pause(request->spool, text_of(request, "upstream"), paused != 0, text_of(request, "by"), on_paused,
                       request);
    return 0;
}

/* {"verb": "forget", "address": "…"}: changed is how many messages are forgotten, busy how many are open and stay. */
static int forget_settled(struct request *request, int unused)
{
    (void)unused;
    const char *address = text_of(request, "address");
    if (address == NULL || address[0] == '\0') {
        fault_set(&request->fault, FAULT_PERM, "usage", "forget", "the request names no address");
        return -1;
    }
    spool_change_erase(request->spool, address, on_changed, request);
    return 0;
}

static void on_imported(void *ctx, const json_t *reply)
{
    answer_request(ctx, json_deep_copy(reply));
}

static int import(struct request *request, int unused)
{
    (void)unused;
    return spool_import(request->spool, request->root, on_imported, request, &request->fault);
}

static const struct {
    const char *name;
    int (*run)(struct request *request, int argument); /* -1: refused, with request->fault */
    int argument;
} verbs[] = {
    {"retry", change_states, STORE_RETRY},
    {"hold", change_states, STORE_HOLD},
    {"release", change_states, STORE_RELEASE},
    {"drop", change_states, STORE_DROP},
    {"pause", pause, true},
    {"resume", pause, false},
    {"import", import, 0},
    {"forget", forget_settled, 0},
};

static int run_verb(struct request *request)
{
    const char *verb = text_of(request, "verb");
    for (size_t i = 0; verb != NULL && i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, verb) == 0) {
            return verbs[i].run(request, verbs[i].argument);
        }
    }
    fault_set(&request->fault, FAULT_PERM, "usage", "verb", "the queue does not know the command \"%s\"",
              verb == NULL ? "" : verb);
    return -1;
}

void spool_admin_request(struct spool *spool, json_t *root, spool_admin_fn *done, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    struct request *request = expect_calloc(1, sizeof *request);
    *request = (struct request){.spool = spool, .done = done, .ctx = ctx, .arena = arena_new(SPOOL_ADMIN_REQUEST_MAX)};
    request->root = json_incref(root);
    if (run_verb(request) != 0) {
        net_defer(spool->loop, answer_refusal, request);
    }
}

/* ---- when no gateway runs ---- */

struct spool_desk {
    struct net_loop *loop;
    struct spool *spool;
    json_t *reply;
    struct spool_change_result changed; /* of a reroute */
    struct fault fault;
    bool is_done;
};

static void keep_reply(void *ctx, const json_t *reply)
{
    struct spool_desk *desk = ctx;
    desk->reply = expect_memory(json_deep_copy(reply));
    net_loop_stop(desk->loop);
}

int spool_desk_open(struct spool_desk **desk_r, const struct spool_options *options, struct fault *fault)
{
    struct spool_desk *desk = expect_calloc(1, sizeof *desk);
    struct fault found = FAULT_INIT;
    desk->loop = net_loop_new();
    if (spool_open(&desk->spool, desk->loop, options, NULL, &found) == 0) {
        *desk_r = desk;
        return 0;
    }
    spool_desk_close(&desk);
    if (strcmp(found.code, "locked") == 0) {
        fault_set(fault, FAULT_LOCAL, "locked", "queue",
                  "a gateway runs on the spool %s, but its admin server was not found or does not answer: name the "
                  "gateway's configuration, which says where the admin server listens, or stop the gateway",
                  options->path);
    } else {
        fault_set(fault, found.class, found.code, found.where, "%s", found.text);
    }
    return -1;
}

json_t *spool_desk_ask(struct spool_desk *desk, json_t *request)
{
    spool_admin_request(desk->spool, request, keep_reply, desk);
    while (desk->reply == NULL) {
        net_loop_run(desk->loop);
    }
    json_t *reply = desk->reply;
    desk->reply = NULL;
    return reply;
}

static void keep_change(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    struct spool_desk *desk = ctx;
    desk->changed = *result;
    if (fault != NULL) {
        desk->fault = *fault;
    }
    desk->is_done = true;
    net_loop_stop(desk->loop);
}

int spool_desk_reroute(struct spool_desk *desk, const struct spool_desk_move *move,
                       struct spool_change_result *result_r, struct fault *fault)
{
    const struct spool_asker asker = {.by = move->by, .again = move->again, .done = keep_change, .ctx = desk};
    desk->fault = FAULT_INIT;
    desk->is_done = false;
    spool_change_reroute(desk->spool, move->id, move->deliveries, move->count, &asker);
    while (!desk->is_done) {
        net_loop_run(desk->loop);
    }
    if (fault_is_set(&desk->fault)) {
        fault_set(fault, desk->fault.class, desk->fault.code, desk->fault.where, "%s", desk->fault.text);
        return -1;
    }
    *result_r = desk->changed;
    return 0;
}

void spool_desk_close(struct spool_desk **desk)
{
    if (*desk != NULL) {
        spool_close(&(*desk)->spool);
        net_loop_free(&(*desk)->loop);
        free(*desk);
        *desk = NULL;
    }
}

int spool_admin_call(const struct spool_options *options, json_t *request, json_t **reply_r, struct fault *fault)
{
    struct spool_desk *desk = NULL;
    if (spool_desk_open(&desk, options, fault) != 0) {
        return -1;
    }
    *reply_r = spool_desk_ask(desk, request);
    spool_desk_close(&desk);
    return 0;
}

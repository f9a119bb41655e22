/*
 * spool_admin - requests as JSON, from the table of commands or an API; see spool_admin.h.
 */
#include "spool/spool_admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_change.h"
#include "spool/spool_import.h"
#include "store/store_meta.h"

#define POLL_MS 500
/* Octets of a request that are logged: it may hold many envelopes. */
#define LOGGED 300
/* How often a caller looks for its reply. */
#define CALLER_POLL_MS 50

struct request {
    struct spool *spool;
    json_t *root;
    struct arena *arena;
    spool_admin_fn *done;
    void *ctx;
    struct fault fault; /* of the request itself */
};

/* ---- answering ---- */

static void answer(struct request *request, json_t *reply)
{
    char *text = json_dumps(reply, JSON_COMPACT);
    request->done(request->ctx, text == NULL ? "{}" : text);
    free(text);
    json_decref(reply);
    json_decref(request->root);
    arena_free(&request->arena);
    free(request);
}

static void answer_fault(struct request *request, const struct fault *fault)
{
    answer(request, json_pack("{s:s, s:s}", "error", fault->text, "code", fault->code));
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
    answer(request, reply);
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

static int change(struct request *request, int verb)
{
    struct spool_change wanted = {.verb = (enum spool_change_verb)verb,
                                  .by = text_of(request, "by"),
                                  .again = json_is_true(json_object_get(request->root, "again"))};
    json_t *select = json_object_get(request->root, "select");
    if (!json_is_object(select)) {
        fault_set(&request->fault, FAULT_PERM, "usage", "select", "the request does not say which deliveries");
        return -1;
    }
    if (spool_select_from_json(select, &wanted.select, &request->fault) != 0) {
        return -1;
    }
    spool_change(request->spool, &wanted, on_changed, request);
    return 0;
}

static int pause(struct request *request, int paused)
{
    spool_change_pause(request->spool, text_of(request, "upstream"), paused != 0, on_changed, request);
    return 0;
}

static int read_deliveries(struct request *request, struct mail_delivery **deliveries_r, size_t *count_r)
{
    json_t *list = json_object_get(request->root, "deliveries");
    size_t count = json_array_size(list);
    struct mail_delivery *deliveries = arena_array(request->arena, count, sizeof *deliveries);
    if (!json_is_array(list) || deliveries == NULL) {
        fault_set(&request->fault, FAULT_PERM, "usage", "reroute", "the request names no deliveries");
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        char *text = json_dumps(json_array_get(list, i), JSON_COMPACT);
        int result = store_meta_read_delivery(bytes_of(text), request->arena, &deliveries[i], &request->fault);
        free(text);
        if (result != 0) {
            return -1;
        }
    }
    *deliveries_r = deliveries;
    *count_r = count;
    return 0;
}

static int reroute(struct request *request, int unused)
{
    (void)unused;
    struct mail_delivery *deliveries;
    struct spool_change wanted = {.verb = SPOOL_CHANGE_REROUTE,
                                  .by = text_of(request, "by"),
                                  .again = json_is_true(json_object_get(request->root, "again"))};
    wanted.select.id = text_of(request, "message");
    if (wanted.select.id == NULL) {
        fault_set(&request->fault, FAULT_PERM, "usage", "reroute", "the request names no message");
        return -1;
    }
    if (read_deliveries(request, &deliveries, &wanted.count) != 0) {
        return -1;
    }
    wanted.deliveries = deliveries;
    spool_change(request->spool, &wanted, on_changed, request);
    return 0;
}

static void on_imported(void *ctx, const json_t *reply)
{
    answer(ctx, json_deep_copy(reply));
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
    {"retry", change, SPOOL_CHANGE_RETRY},
    {"hold", change, SPOOL_CHANGE_HOLD},
    {"release", change, SPOOL_CHANGE_RELEASE},
    {"drop", change, SPOOL_CHANGE_DROP},
    {"pause", pause, true},
    {"resume", pause, false},
    {"reroute", reroute, 0},
    {"import", import, 0},
};

static int run_verb(struct request *request)
{
    const char *verb = text_of(request, "verb");
    for (size_t i = 0; verb != NULL && i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, verb) == 0) {
            return verbs[i].run(request, verbs[i].argument);
        }
    }
    fault_set(&request->fault, FAULT_PERM, "usage", "verb", "\"%s\" is nothing that the queue can do",
              verb == NULL ? "" : verb);
    return -1;
}

void spool_admin_request(struct spool *spool, const char *text, spool_admin_fn *done, void *ctx)
{
    struct request *request = expect_calloc(1, sizeof *request);
    *request = (struct request){.spool = spool, .done = done, .ctx = ctx, .arena = arena_new(SPOOL_ADMIN_REQUEST_MAX)};
    request->root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (run_verb(request) != 0) {
        net_defer(spool->loop, answer_refusal, request);
    }
}

/* ---- the table of commands ---- */

struct spool_admin {
    struct spool *spool;
    struct net_timer *timer;
    uint64_t id; /* of the command under way */
    char *text;
};

/* A reply that goes into the table. */
struct reply_job {
    struct spool_job job;
    struct spool_admin *admin;
    uint64_t id;
    char *reply;
};

static void look(void *ctx);

static int reply_index(struct spool_writer *writer, struct spool_job *base, struct fault *fault)
{
    struct reply_job *job = LIST_ITEM(base, struct reply_job, job);
    return local_index_reply_command(writer->index, job->id, job->reply, fault);
}

static void reply_done(struct spool *spool, struct spool_job *base)
{
    struct reply_job *job = LIST_ITEM(base, struct reply_job, job);
    bool failed = fault_is_set(&base->fault);
    if (!spool->closing) {
        net_timer_start(job->admin->timer, failed ? POLL_MS : 1);
    }
    free(job->reply);
    free(job);
}

static const struct spool_job_kind reply_kind = {NULL, reply_index, NULL, reply_done};

static void on_reply(void *ctx, const char *reply)
{
    struct spool_admin *admin = ctx;
    struct reply_job *job = expect_calloc(1, sizeof *job);
    *job = (struct reply_job){.job.kind = &reply_kind, .admin = admin, .id = admin->id, .reply = expect_strdup(reply)};
    spool_submit(admin->spool, &job->job);
}

static void read_command(void *ctx)
{
    struct spool_admin *admin = ctx;
    admin->text = NULL;
    local_index_next_command(local_reader_index(admin->spool->reader), &admin->id, &admin->text, NULL);
}

static void on_command(void *ctx)
{
    struct spool_admin *admin = ctx;
    if (admin->text == NULL) {
        if (!admin->spool->closing) {
            net_timer_start(admin->timer, POLL_MS);
        }
        return;
    }
    if (admin->spool->closing) {
        return; /* it waits for the next start */
    }
    char *text = admin->text;
    admin->text = NULL;
    char begins[LOGGED];
    snprintf(begins, sizeof begins, "%s", text);
    log_event(admin->spool->log, LOG_LEVEL_INFO, "queue_command", LOG_STR("request", begins));
    spool_admin_request(admin->spool, text, on_reply, admin);
    free(text);
}

static void look(void *ctx)
{
    struct spool_admin *admin = ctx;
    net_lane_submit(admin->spool->read, read_command, on_command, admin);
}

void spool_admin_serve(struct spool *spool)
{
    EXPECT(spool->admin == NULL);
    struct spool_admin *admin = expect_calloc(1, sizeof *admin);
    admin->spool = spool;
    admin->timer = net_timer_new(spool->loop, look, admin);
    spool->admin = admin;
    look(admin);
}

void spool_admin_free(struct spool_admin **admin)
{
    if (*admin != NULL) {
        net_timer_free(&(*admin)->timer);
        free((*admin)->text);
        free(*admin);
        *admin = NULL;
    }
}

/* ---- from another process ---- */

struct call {
    struct net_loop *loop;
    struct net_timer *timer;
    struct local_index *index;
    uint64_t id;
    uint64_t until;
    char *reply;
    struct fault fault;
};

static void keep_reply(void *ctx, const char *reply)
{
    struct call *call = ctx;
    call->reply = expect_strdup(reply);
    net_loop_stop(call->loop);
}

static void look_for_reply(void *ctx)
{
    struct call *call = ctx;
    int got = local_index_command_reply(call->index, call->id, &call->reply, &call->fault);
    if (got == 0 && net_now(call->loop) > call->until) {
        fault_set(&call->fault, FAULT_LOCAL, "timeout", "queue", "the gateway that runs on this spool does not answer");
    }
    if (got == 1 || fault_is_set(&call->fault)) {
        net_loop_stop(call->loop);
    } else {
        net_timer_start(call->timer, CALLER_POLL_MS);
    }
}

static int ask_gateway(struct call *call, const char *path, const char *request, uint64_t wait_ms)
{
    char file[LOCAL_PATH_MAX];
    snprintf(file, sizeof file, "%s/index.sqlite", path);
    call->fault = FAULT_INIT;
    if (local_index_open(&call->index, file, net_file_sqlite_vfs(), LOCAL_INDEX_ASK, &call->fault) != 0 ||
        local_index_add_command(call->index, net_wall(call->loop), request, &call->id, &call->fault) != 0) {
        return -1;
    }
    call->until = net_now(call->loop) + wait_ms;
    call->timer = net_timer_new(call->loop, look_for_reply, call);
    net_timer_start(call->timer, 1);
    while (call->reply == NULL && !fault_is_set(&call->fault)) {
        net_loop_run(call->loop);
    }
    net_timer_free(&call->timer);
    local_index_remove_command(call->index, call->id, NULL);
    return call->reply == NULL ? -1 : 0;
}

static void do_it_here(struct call *call, struct spool *spool, const char *request)
{
    spool_admin_request(spool, request, keep_reply, call);
    while (call->reply == NULL) {
        net_loop_run(call->loop);
    }
}

int spool_admin_call(const char *path, const char *request, uint64_t wait_ms, char **reply_r, struct fault *fault)
{
    struct call call = {.loop = net_loop_new()};
    struct spool *spool = NULL;
    const struct spool_options options = {.path = path};
    int result = spool_open(&spool, call.loop, &options, NULL, &call.fault);
    if (result == 0) {
        do_it_here(&call, spool, request);
    } else if (strcmp(call.fault.code, "locked") == 0) {
        result = ask_gateway(&call, path, request, wait_ms);
    }
    spool_close(&spool);
    local_index_close(&call.index);
    net_loop_free(&call.loop);
    if (result == 0) {
        *reply_r = call.reply;
    } else if (fault != NULL && !fault_is_set(fault)) {
        *fault = call.fault;
    }
    return result;
}

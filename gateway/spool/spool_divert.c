/*
 * spool_divert - the job that gives what waits for an upstream that stays down to the fallback that its rule names.
 *
 * Each delivery gives way to a new one of the same message, as in a reroute: the old one keeps its history. Only what was certainly not filed
 * goes; whatever is uncertain waits for its own upstream, which alone can tell. Both halves also stand in the decisions, so that a rebuilt index does
 * not file twice.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_journal.h"
#include "store/store_meta.h"
#include "spool/spool_private.h"
#include "spool/spool_query.h"

#define BATCH 500

struct moved {
    char id[STORE_ID_LEN];
    unsigned from, to; /* numbers of its deliveries */
    const char *fallback, *folder;
};

struct divert_job {
    struct spool_job job;
    struct arena *request; /* of what was asked for */
    const char *upstream;
    const char **known;
    size_t known_count;
    int64_t since_ms, now_ms;
    spool_divert_fn *done;
    void *ctx;
    uint64_t *held;
    size_t held_count;
    struct store_key after; /* where this batch begins */
    uint64_t total;
    /* Of this batch. */
    struct arena *arena;
    struct store_key keys[BATCH];
    size_t found;
    struct moved moved[BATCH];
    size_t moved_count;
    struct buf journal;
    struct fault unwritten;
};

static struct divert_job *of_job(struct spool_job *job)
{
    return LIST_ITEM(job, struct divert_job, job);
}

/* ---- on the lane ---- */

static int note_key(void *ctx, struct store_key key)
{
    struct divert_job *job = ctx;
    job->keys[job->found++] = key;
    return 0;
}

/* The delivery as it stands in the index. */
struct loaded {
    struct arena *arena;
    struct mail_delivery delivery;
    int result;
    struct fault *fault;
};

static void on_loaded(void *ctx, const struct local_index_due *due)
{
    struct loaded *loaded = ctx;
    loaded->result = store_meta_read_delivery(due->detail, loaded->arena, &loaded->delivery, loaded->fault);
}

static bool is_known(const struct divert_job *job, const char *name)
{
    for (size_t i = 0; i < job->known_count; i++) {
        if (strcmp(job->known[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static int add_new(struct spool_writer *writer, struct divert_job *job, struct store_key key, const char *sender,
                   const struct mail_delivery *delivery, struct moved *moved, struct fault *fault)
{
    struct buf detail;
    buf_init(&detail, STORE_META_MAX);
    store_meta_write_delivery(&detail, delivery);
    const struct local_index_delivery row = {
        .message = key.message,
        .number = delivery->number,
        .state = STORE_STATE_WAITING,
        .upstream = delivery->upstream,
        .folder = delivery->folder,
        .rule = delivery->rule,
        .lane = store_turn_of(sender, delivery->folder),
        .due_ms = job->now_ms,
        .changed_ms = job->now_ms,
        .detail = buf_bytes(&detail),
    };
    int result = local_index_add_delivery(writer->index, &row, fault);
    local_journal_line(&job->journal, json_pack("{s:s, s:[o]}", "id", moved->id, "deliveries",
                                                json_loadb((const char *)row.detail.ptr, row.detail.len, 0, NULL)));
    buf_done(&detail);
    return result != 0 ? -1 : local_index_open_more(writer->index, key.message, 1, fault);
}

static int end_old(struct spool_writer *writer, struct divert_job *job, struct store_key key, const struct moved *moved,
                   struct fault *fault)
{
    char note[600], since[25];
    unsigned open;
    struct local_place place;
    log_time(job->since_ms, since);
    snprintf(note, sizeof note, "went to its fallback %s as delivery %u: %s had been down since %s", moved->fallback,
             moved->to, job->upstream, since);
    local_journal_line(&job->journal, json_pack("{s:s, s:i, s:s}", "id", moved->id, "number", (int)key.number, "state",
                                                store_state_name(STORE_STATE_MOVED)));
    if (local_index_set_state(writer->index, key, STORE_STATE_MOVED, job->now_ms, writer->run, fault) != 0 ||
        local_index_add_note(writer->index, key, job->now_ms, note, fault) != 0) {
        return -1;
    }
    return local_index_settle(writer->index, key.message, job->now_ms, &open, &place, fault);
}

static int move(struct spool_writer *writer, struct divert_job *job, struct store_key key, struct fault *fault)
{
    struct loaded loaded = {.arena = job->arena, .fault = fault};
    struct moved *moved = &job->moved[job->moved_count];
    uint64_t last;
    char *sender = NULL;
    if (local_index_load(writer->index, key, on_loaded, &loaded, fault) < 0 || loaded.result != 0 ||
        local_index_last_number(writer->index, key.message, &last, fault) != 0 ||
        local_index_name(writer->index, key.message, moved->id, &sender, fault) != 0) {
        return -1;
    }
    struct mail_delivery delivery = loaded.delivery;
    int result = 0;
    if (delivery.fallback != NULL && is_known(job, delivery.fallback)) {
        moved->from = key.number;
        moved->to = delivery.number = (unsigned)last + 1;
        moved->fallback = delivery.upstream = delivery.fallback;
        moved->folder = delivery.folder;
        delivery.fallback = NULL;
        delivery.instead_of = job->upstream;
        delivery.doubt = NULL; /* nothing of it lies there */
        job->moved_count++;
        result = add_new(writer, job, key, sender, &delivery, moved, fault) != 0 ||
                         end_old(writer, job, key, moved, fault) != 0
                     ? -1
                     : 0;
    }
    free(sender);
    return result;
}

static int divert_index(struct spool_writer *writer, struct spool_job *base, struct fault *fault)
{
    struct divert_job *job = of_job(base);
    job->found = job->moved_count = 0;
    arena_clear(job->arena);
    buf_clear(&job->journal);
    if (local_index_each_divertible(writer->index, job->upstream, writer->run, job->after, BATCH, note_key, job,
                                    fault) != 0) {
        return -1;
    }
    for (size_t i = 0; i < job->found; i++) {
        struct store_key key = job->keys[i];
        bool held = spool_held_among(job->held, job->held_count, spool_item_key(key.message, key.number));
        if (!held && move(writer, job, key, fault) != 0) {
            return -1;
        }
    }
    return 0;
}

static void divert_after(struct spool_writer *writer, struct spool_job *base)
{
    struct divert_job *job = of_job(base);
    if (job->journal.len > 0) {
        local_journal_write(writer->spool, buf_bytes(&job->journal), &job->unwritten);
    }
}

/* ---- on the loop ---- */

static void log_moved(struct spool *spool, const struct divert_job *job)
{
    char since[25];
    log_time(job->since_ms, since);
    for (size_t i = 0; i < job->moved_count; i++) {
        const struct moved *moved = &job->moved[i];
        char from[STORE_ID_LEN + 12], to[STORE_ID_LEN + 12];
        snprintf(from, sizeof from, "%s.%u", moved->id, moved->from);
        snprintf(to, sizeof to, "%s.%u", moved->id, moved->to);
        log_event(spool->log, LOG_LEVEL_WARNING, "fallback", LOG_STR("id", moved->id), LOG_STR("delivery", from),
                  LOG_STR("upstream", job->upstream), LOG_STR("down_since", since),
                  LOG_STR("fallback", moved->fallback), LOG_STR("folder", moved->folder),
                  LOG_STR("fallback_delivery", to));
    }
}

static void submit(struct spool *spool, struct divert_job *job)
{
    free(job->held);
    job->held = spool_held_keys(spool->held, &job->held_count);
    spool_submit(spool, &job->job);
}

static void divert_done(struct spool *spool, struct spool_job *base)
{
    struct divert_job *job = of_job(base);
    bool failed = fault_is_set(&base->fault);
    if (!failed) {
        log_moved(spool, job);
        job->total += job->moved_count;
    }
    if (!failed && !fault_is_set(&job->unwritten) && job->found == BATCH && !spool->closing) {
        job->after = job->keys[BATCH - 1];
        submit(spool, job);
        return;
    }
    const struct fault *fault = failed ? &base->fault : &job->unwritten;
    job->done(job->ctx, job->total, fault_is_set(fault) ? fault : NULL);
    buf_done(&job->journal);
    arena_free(&job->arena);
    arena_free(&job->request);
    free(job->held);
    free(job);
}

static const struct spool_job_kind divert_kind = {NULL, divert_index, divert_after, divert_done};

void spool_divert(struct spool *spool, const char *upstream, const char *const *known, size_t known_count,
                  int64_t since_ms, spool_divert_fn *done, void *ctx)
{
    struct divert_job *job = expect_calloc(1, sizeof *job);
    job->job.kind = &divert_kind;
    job->request = arena_new(STORE_ITEM_MAX);
    job->arena = arena_new((size_t)BATCH * STORE_ITEM_MAX);
    job->upstream = expect_memory(arena_text(job->request, upstream));
    job->known = expect_memory(arena_array(job->request, known_count + 1, sizeof *job->known));
    for (; job->known_count < known_count; job->known_count++) {
        job->known[job->known_count] = expect_memory(arena_text(job->request, known[job->known_count]));
    }
    job->since_ms = since_ms;
    job->now_ms = net_wall(spool->loop);
    job->done = done;
    job->ctx = ctx;
    buf_init(&job->journal, LOCAL_JOURNAL_MAX);
    submit(spool, job);
}

/*
 * spool_divert - what waits for an upstream that stays down or full goes where its rule says, a few hundred deliveries
 * at a time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

#define BATCH 500

struct divert_job {
    struct spool_job job;
    struct arena *request; /* of what was asked for */
    const char **known;
    struct store_diverted diverted[BATCH];
    uint64_t total, wait_ms;
    int64_t down_since, full_since; /* of the wall clock here */
    spool_divert_fn *done;
    void *ctx;
};

static void log_diverted(struct spool *spool, const struct divert_job *job)
{
    const struct store_divert *divert = &job->job.op.divert;
    for (size_t i = 0; i < divert->count; i++) {
        const struct store_diverted *diverted = &divert->diverted[i];
        char from[STORE_ID_LEN + 12], to[STORE_ID_LEN + 12], since[25];
        log_time(diverted->is_full ? job->full_since : job->down_since, since);
        snprintf(from, sizeof from, "%s.%u", diverted->id, diverted->from);
        snprintf(to, sizeof to, "%s.%u", diverted->id, diverted->to);
        log_event(spool->log, LOG_LEVEL_WARNING, "fallback", LOG_STR("id", diverted->id), LOG_STR("delivery", from),
                  LOG_STR("upstream", divert->upstream), LOG_STR("down_since", diverted->is_full ? NULL : since),
                  LOG_STR("full_since", diverted->is_full ? since : NULL), LOG_STR("fallback", diverted->upstream),
                  LOG_STR("folder", diverted->folder), LOG_STR("fallback_delivery", to));
    }
}

static void divert_done(struct spool *spool, struct spool_job *base)
{
    struct divert_job *job = LIST_ITEM(base, struct divert_job, job);
    struct store_divert *divert = &base->op.divert;
    const struct fault *fault = fault_is_set(&base->op.fault)    ? &base->op.fault
                                : fault_is_set(&base->op.beside) ? &base->op.beside
                                                                 : NULL;
    if (!fault_is_set(&base->op.fault)) {
        log_diverted(spool, job);
        job->total += divert->count;
        job->wait_ms = divert->wait_ms < job->wait_ms ? divert->wait_ms : job->wait_ms;
    }
    if (fault == NULL && divert->found == BATCH && !spool->closing) {
        divert->after = divert->last;
        spool_submit(spool, base);
        return;
    }
    job->done(job->ctx, job->total, job->wait_ms, fault);
    arena_free(&divert->arena);
    arena_free(&job->request);
    free(job);
}

void spool_divert(struct spool *spool, const char *upstream, const char *const *known, size_t known_count,
                  const struct mail_trouble *trouble, spool_divert_fn *done, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    struct divert_job *job = expect_calloc(1, sizeof *job);
    int64_t now_ms = spool->options.wall(spool->options.clock);
    job->request = arena_new(STORE_ITEM_MAX);
    job->known = expect_memory(arena_array(job->request, known_count + 1, sizeof *job->known));
    for (size_t i = 0; i < known_count; i++) {
        job->known[i] = expect_memory(arena_text(job->request, known[i]));
    }
    job->down_since = now_ms - (int64_t)trouble->down_ms;
    job->full_since = now_ms - (int64_t)trouble->full_ms;
    job->wait_ms = UINT64_MAX;
    job->done = done;
    job->ctx = ctx;
    job->job = (struct spool_job){
        .done = divert_done,
        .op = {.kind = STORE_DIVERT,
               .divert = {.upstream = expect_memory(arena_text(job->request, upstream)),
                          .known = job->known,
                          .known_count = known_count,
                          .trouble = *trouble,
                          .limit = BATCH,
                          .arena = arena_new((size_t)BATCH * STORE_ITEM_MAX),
                          .diverted = job->diverted}},
    };
    spool_submit(spool, &job->job);
}

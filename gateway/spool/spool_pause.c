/*
 * spool_pause - what operators have paused, as the store tells it: at the start, with each change that is made here,
 * and again whenever somebody else may have changed it.
 *
 * The store decides: it claims nothing of what is paused. What is kept here is as of then, for deliveries that are
 * offered right after their commit, and for who asks on the loop, where nothing may block.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_poll.h"
#include "spool/spool_private.h"

/* An answer on its way from the lane to the loop. */
struct pauses {
    struct spool *spool;
    struct note {
        char upstream[256];
        struct spool_pause pause;
    } * notes;
    size_t count;
    bool failed;
};

/* ---- one pause ---- */

static void end_all(struct spool *spool)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    spool->pause = (struct spool_pause){.on = false};
    while (map_next(spool->upstreams, &cursor, &key, &value)) {
        ((struct spool_upstream *)value)->pause = (struct spool_pause){.on = false};
    }
}

void spool_set_pause(struct spool *spool, const char *upstream, bool on, int64_t since_ms, const char *by)
{
    bool all = upstream[0] == '\0';
    struct spool_pause *pause = all ? &spool->pause : &spool_upstream(spool, upstream)->pause;
    if (on && pause->on) {
        return; /* the first one counts, as in the store */
    }
    if (all && !on) {
        end_all(spool);
        return;
    }
    *pause = (struct spool_pause){.on = on, .all = all, .since_ms = on ? since_ms : 0};
    snprintf(pause->by, sizeof pause->by, "%s", on && by != NULL ? by : "");
    if (on && spool->halt != NULL && !spool->closing) {
        spool->halt(spool->halt_ctx, all ? NULL : upstream);
    }
}

struct spool_pause spool_pause_of(const struct spool *spool, const char *upstream)
{
    const struct spool_upstream *found = map_get(spool->upstreams, bytes_of(upstream));
    return spool->pause.on || found == NULL ? spool->pause : found->pause;
}

/* ---- all of them, from the store ---- */

static int note_row(void *ctx, const struct store_answer_row *row)
{
    struct pauses *pauses = ctx;
    pauses->notes = expect_memory(realloc(pauses->notes, (pauses->count + 1) * sizeof *pauses->notes));
    struct note *note = &pauses->notes[pauses->count++];
    *note = (struct note){.pause.since_ms = row->pause.since_ms};
    snprintf(note->upstream, sizeof note->upstream, "%s", row->pause.upstream);
    snprintf(note->pause.by, sizeof note->pause.by, "%s", row->pause.by);
    return 0;
}

static int ask_pauses(struct pauses *pauses, struct fault *fault)
{
    struct store *store = pauses->spool->store;
    const struct store_question question = {.kind = STORE_ASK_PAUSES};
    return store->ops->ask(store, &question, note_row, pauses, fault);
}

static void take_pauses(struct pauses *pauses)
{
    end_all(pauses->spool);
    for (size_t i = 0; i < pauses->count; i++) {
        const struct note *note = &pauses->notes[i];
        spool_set_pause(pauses->spool, note->upstream, true, note->pause.since_ms, note->pause.by);
    }
}

int spool_pause_ask(struct spool *spool, struct fault *fault)
{
    struct pauses pauses = {.spool = spool};
    int result = ask_pauses(&pauses, fault);
    if (result == 0) {
        take_pauses(&pauses);
    }
    free(pauses.notes);
    return result;
}

/* ---- when somebody else has changed something ---- */

static void ask_on_lane(void *ctx)
{
    struct pauses *pauses = ctx;
    pauses->failed = ask_pauses(pauses, NULL) != 0;
}

/* What is due may be news as well: whoever fetches looks. What is paused, the claim says again. */
static void on_asked(void *ctx)
{
    struct pauses *pauses = ctx;
    struct spool *spool = pauses->spool;
    if (!pauses->failed) {
        take_pauses(pauses);
    }
    free(pauses->notes);
    free(pauses);
    spool_wake(spool, NULL);
}

void spool_pause_look(struct spool *spool)
{
    struct pauses *pauses = expect_calloc(1, sizeof *pauses);
    pauses->spool = spool;
    net_lane_submit(spool->read, ask_on_lane, on_asked, pauses);
}

static void on_hint(void *ctx)
{
    struct spool *spool = ctx;
    spool->store->ops->heed(spool->store);
    spool_pause_look(spool);
}

void spool_pause_watch(struct spool *spool)
{
    int fd = spool->store->ops->hint(spool->store);
    spool->hint = fd < 0 ? NULL : net_poll_new(spool->loop, fd, on_hint, spool);
}

/*
 * spool_look - what the store says of pauses and memos: at the start, and again whenever somebody else may have changed
 * them. The store decides; the spool has what it said last, for who asks on the loop, where nothing may block.
 *
 * What is written here while the lane asks is newer than its answer. A memo that was is kept; after a pause or its end
 * the lane asks again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "net/net_poll.h"
#include "spool/spool_private.h"

/* An answer on its way from the lane to the loop. */
struct look {
    struct spool *spool;
    uint64_t turn; /* the how manieth it is */
    bool is_news;  /* what is due may have changed, too */
    struct note {
        char upstream[256];
        struct spool_pause pause;
    } * notes;
    size_t note_count;
    struct memo {
        char *upstream, *text;
    } * memos;
    size_t memo_count;
    bool failed;
};

/* ---- asking, on the lane ---- */

static int note_row(void *ctx, const struct store_answer_row *row)
{
    struct look *look = ctx;
    look->notes = expect_memory(realloc(look->notes, (look->note_count + 1) * sizeof *look->notes));
    struct note *note = &look->notes[look->note_count++];
    *note = (struct note){.pause.since_ms = row->pause.since_ms};
    snprintf(note->upstream, sizeof note->upstream, "%s", row->pause.upstream);
    snprintf(note->pause.by, sizeof note->pause.by, "%s", row->pause.by);
    return 0;
}

static int memo_row(void *ctx, const struct store_answer_row *row)
{
    struct look *look = ctx;
    look->memos = expect_memory(realloc(look->memos, (look->memo_count + 1) * sizeof *look->memos));
    look->memos[look->memo_count++] = (struct memo){expect_strdup(row->memo.upstream), expect_strdup(row->memo.text)};
    return 0;
}

static int ask_store(struct look *look, struct fault *fault)
{
    struct store *store = look->spool->store;
    const struct store_question pauses = {.kind = STORE_ASK_PAUSES}, memos = {.kind = STORE_ASK_MEMOS};
    return store->ops->ask(store, &pauses, note_row, look, fault) != 0 ||
                   store->ops->ask(store, &memos, memo_row, look, fault) != 0
               ? -1
               : 0;
}

/* ---- what it said, on the loop ---- */

static void forget_answer(struct look *look)
{
    for (size_t i = 0; i < look->memo_count; i++) {
        free(look->memos[i].upstream);
        free(look->memos[i].text);
    }
    free(look->memos);
    free(look->notes);
    look->memos = NULL;
    look->notes = NULL;
    look->memo_count = look->note_count = 0;
}

static void take_answer(struct look *look)
{
    spool_end_pauses(look->spool);
    for (size_t i = 0; i < look->note_count; i++) {
        const struct note *note = &look->notes[i];
        spool_set_pause(look->spool, note->upstream, true, note->pause.since_ms, note->pause.by);
    }
    for (size_t i = 0; i < look->memo_count; i++) {
        spool_memo_take(look->spool, look->memos[i].upstream, look->memos[i].text, look->turn);
    }
}

int spool_look_first(struct spool *spool, struct fault *fault)
{
    struct look look = {.spool = spool, .turn = ++spool->looks};
    int result = ask_store(&look, fault);
    if (result == 0) {
        take_answer(&look);
    }
    forget_answer(&look);
    return result;
}

/* ---- when somebody else has changed something ---- */

static void ask_on_lane(void *ctx)
{
    struct look *look = ctx;
    look->failed = ask_store(look, NULL) != 0;
}

static void on_look_timer(void *ctx)
{
    struct spool *spool = ctx;
    bool is_news = spool->look_is_news;
    spool->look_is_news = false;
    if (!spool->closing) {
        spool_look_again(spool, is_news);
    }
}

/* The store did not answer. Nobody says a second time that something has changed: without this a pause would not hold
 * here until something else changes. */
static void look_later(struct spool *spool, bool is_news)
{
    if (spool->look_timer == NULL) {
        spool->look_timer = net_timer_new(spool->loop, on_look_timer, spool);
    }
    spool->look_is_news = spool->look_is_news || is_news;
    net_timer_start(spool->look_timer, SPOOL_TROUBLE_MS);
}

/* What is due may be news as well: whoever fetches looks. What is paused, the claim says again. */
static void on_asked(void *ctx)
{
    struct look *look = ctx;
    struct spool *spool = look->spool;
    if (!look->failed && spool->paused_at >= look->turn && !spool->closing) {
        forget_answer(look);
        look->turn = ++spool->looks;
        net_lane_submit(spool->read, ask_on_lane, on_asked, look);
        return;
    }
    if (!look->failed) {
        take_answer(look);
    } else if (!spool->closing) {
        look_later(spool, look->is_news);
    }
    bool is_news = look->is_news;
    forget_answer(look);
    free(look);
    if (is_news) {
        spool_wake(spool, NULL);
    }
}

void spool_look_again(struct spool *spool, bool is_news)
{
    struct look *look = expect_calloc(1, sizeof *look);
    look->spool = spool;
    look->turn = ++spool->looks;
    look->is_news = is_news;
    net_lane_submit(spool->read, ask_on_lane, on_asked, look);
}

static void on_hint(void *ctx)
{
    struct spool *spool = ctx;
    spool->store->ops->heed(spool->store);
    spool_look_again(spool, true);
}

void spool_look_watch(struct spool *spool)
{
    int fd = spool->store->ops->hint(spool->store);
    spool->hint = fd < 0 ? NULL : net_poll_new(spool->loop, fd, on_hint, spool);
}

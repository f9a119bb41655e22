/*
 * spool_fetch - due deliveries from the store.
 *
 * They are found on the read lane. What was found is marked in the store as in our hands before anybody gets it, so
 * that after a crash exactly these are known to be uncertain; then the answer comes.
 *
 * One of which the store's own words cannot be read never can be sent, and must not keep the others of its upstream
 * waiting: it is taken in hand like them and set aside as dead, with the reason.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_node.h"
#include "spool/spool_private.h"
#include "store/store_meta.h"

/* When to look again after the store could not be read or written. */
#define AGAIN_MS 5000

struct fetch_job {
    struct spool_job job;       /* marks the items */
    struct spool_fetcher waits; /* for what is given back */
    struct spool *spool;
    char *upstream;
    struct store_claim claim;
    uint64_t left; /* deliveries that had been left in the store when the query began */
    struct spool_item **items;
    struct store_hand_key *keys;
    bool *given;
    size_t count;
    uint64_t hold; /* in which they were asked for */
    spool_due_fn *done;
    void *ctx;
};

/* ---- on the read lane ---- */

static struct spool_item *new_item(const struct store_item *found)
{
    struct spool_item *item = spool_item_new();
    item->attempts = found->attempts;
    item->uncertain = found->uncertain;
    item->body_size = found->place.body_len;
    item->body->at = (struct store_body){.message = found->key.message, .place = found->place};
    return item;
}

/* All that is known of it without what cannot be read. */
static void replace_item(const struct fetch_job *fetch, const struct store_item *found, const struct fault *why,
                         struct spool_item **item)
{
    struct arena *arena = (*item)->arena;
    arena_free(&arena);
    *item = new_item(found);
    struct fault *kept = expect_memory(arena_alloc((*item)->arena, sizeof *kept));
    *kept = *why;
    (*item)->body->unreadable = kept;
    (*item)->envelope.id = expect_memory(arena_text((*item)->arena, found->id));
    (*item)->delivery.upstream = expect_memory(arena_text((*item)->arena, fetch->upstream));
}

static void read_item(void *ctx, const struct store_item *found)
{
    struct fetch_job *fetch = ctx;
    struct spool_item *item = new_item(found);
    struct fault fault = FAULT_INIT;
    if (store_meta_read_envelope(found->envelope, item->arena, &item->envelope, &fault) != 0 ||
        store_meta_read_delivery(found->detail, item->arena, &item->delivery, &fault) != 0) {
        replace_item(fetch, found, &fault, &item);
    }
    item->delivery.number = found->key.number;
    item->delivery.doubt = found->doubt.len == 0 ? NULL : arena_copy(item->arena, found->doubt);
    spool_item_name(item);
    fetch->keys[fetch->count] =
        (struct store_hand_key){.key = found->key, .due = found->due, .attempts = found->attempts};
    fetch->items[fetch->count++] = item;
}

static void query_due(void *ctx)
{
    struct fetch_job *fetch = ctx;
    struct store *store = fetch->spool->store;
    store->ops->claim(store, &fetch->claim, &fetch->job.op.fault);
}

/* ---- on the loop ---- */

static void fetch_free(struct fetch_job *fetch)
{
    free(fetch->upstream);
    free(fetch->items);
    free(fetch->keys);
    free(fetch->given);
    free(fetch);
}

/* Those that are not ours: it failed; or an operator, or somebody else, was faster. They are to be looked at again. */
static void drop_others(struct fetch_job *fetch)
{
    size_t kept = 0;
    enum fault_class failed = fetch->job.op.fault.class;
    for (size_t i = 0; i < fetch->count; i++) {
        if (failed == FAULT_UNCERTAIN || (failed == FAULT_NONE && fetch->given[i])) {
            fetch->items[kept++] = fetch->items[i];
        } else {
            spool_item_free(fetch->spool, &fetch->items[i]);
            fetch->claim.more = true;
        }
    }
    fetch->count = kept;
}

static void give_back(struct fetch_job *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) {
        spool_give_back(fetch->spool, &fetch->items[i]);
    }
    fetch->count = 0;
}

struct aside {
    struct spool *spool;
    const struct spool_item *item; /* until it is settled */
    struct fault fault;
};

/* Told when it is so: what could not be settled is another node's, or is found again at the next start. */
static void on_set_aside(void *ctx, const struct fault *fault)
{
    struct aside *aside = ctx;
    if (fault == NULL) {
        log_event(aside->spool->log, LOG_LEVEL_ERROR, "delivery_unreadable", LOG_STR("id", aside->item->id),
                  LOG_STR("upstream", aside->item->delivery.upstream), LOG_STR("error.message", aside->fault.text));
        aside->spool->counts.unreadable++;
    }
    free(aside);
}

static void set_aside(struct spool *spool, struct spool_item **item)
{
    struct aside *aside = expect_calloc(1, sizeof *aside);
    struct spool_outcome outcome = {.kind = SPOOL_DEAD, .uncertain = (*item)->uncertain};
    fault_set(&outcome.fault, FAULT_PERM, "unreadable", "spool",
              "what the spool keeps about this delivery cannot be read, so it was not sent and waits as a dead letter "
              "(%s); where the spool has files, \"mailweir spool rebuild\" reads the message's own record again, and "
              "\"mailweir queue retry\" sends it",
              (*item)->body->unreadable->text);
    snprintf(outcome.doubt, sizeof outcome.doubt, "%s", (*item)->delivery.doubt == NULL ? "" : (*item)->delivery.doubt);
    *aside = (struct aside){spool, *item, outcome.fault};
    spool_finish(spool, item, &outcome, on_set_aside, aside);
}

/* Nobody gets these. */
static void set_aside_unreadable(struct fetch_job *fetch)
{
    size_t kept = 0;
    for (size_t i = 0; i < fetch->count; i++) {
        if (fetch->items[i]->body->unreadable != NULL) {
            set_aside(fetch->spool, &fetch->items[i]);
        } else {
            fetch->items[kept++] = fetch->items[i];
        }
    }
    fetch->count = kept;
}

static void log_failure(struct spool *spool, const struct fetch_job *fetch)
{
    log_event(spool->log, LOG_LEVEL_ERROR, "spool_fetch_failed", LOG_STR("upstream", fetch->upstream),
              LOG_STR("error.message", fetch->job.op.fault.text));
}

static void answer_group(struct spool *spool, struct spool_job *job)
{
    struct fetch_job *fetch = LIST_ITEM(job, struct fetch_job, job);
    struct spool_upstream *upstream = spool_upstream(spool, fetch->upstream);
    bool failed = fault_is_set(&job->op.fault), paused = spool_is_paused(spool, upstream) || fetch->claim.paused;
    int64_t next_in_ms = fetch->claim.next_due_in_ms;
    for (size_t i = 0; i < fetch->count; i++) {
        fetch->items[i]->run = job->op.run;
        fetch->items[i]->hold = fetch->hold;
    }
    drop_others(fetch);
    if (failed || spool->closing || paused || fetch->hold != spool_node_hold(spool)) {
        give_back(fetch);
    }
    set_aside_unreadable(fetch);
    if (failed) {
        log_failure(spool, fetch);
        next_in_ms = AGAIN_MS;
    } else {
        /* What was left in the store after the query began is not in its answer. */
        fetch->claim.more = fetch->claim.more || upstream->left != fetch->left;
        upstream->backlog = fetch->claim.more;
    }
    if (paused) {
        fetch->claim.more = false; /* the end of the pause wakes whoever fetches */
        next_in_ms = -1;
    }
    fetch->done(fetch->ctx, fetch->items, fetch->count, fetch->claim.more && !failed, next_in_ms);
    give_back(fetch);
    fetch_free(fetch);
}

static void on_queried(void *ctx)
{
    struct fetch_job *fetch = ctx;
    if (fetch->count == 0 || fault_is_set(&fetch->job.op.fault)) {
        answer_group(fetch->spool, &fetch->job);
        return;
    }
    fetch->hold = spool_node_hold(fetch->spool);
    for (size_t i = 0; i < fetch->count; i++) {
        if (fetch->items[i]->body->unreadable == NULL) {
            spool_item_mark(fetch->spool, fetch->items[i]);
        }
        fetch->keys[i].doubt = fetch->items[i]->delivery.doubt;
    }
    fetch->job.op.hand = (struct store_hand){.keys = fetch->keys, .count = fetch->count, .given = fetch->given};
    spool_submit(fetch->spool, &fetch->job);
}

static void begin_query(struct spool *spool, struct spool_fetcher *fetcher)
{
    struct fetch_job *fetch = LIST_ITEM(fetcher, struct fetch_job, waits);
    fetch->left = spool_upstream(spool, fetch->upstream)->left;
    if (spool->closing) {
        answer_group(spool, &fetch->job);
    } else {
        net_lane_submit(spool->read, query_due, on_queried, fetch);
    }
}

void spool_fetch_due(struct spool *spool, const char *upstream, size_t limit, spool_due_fn *done, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    struct fetch_job *fetch = expect_calloc(1, sizeof *fetch);
    *fetch = (struct fetch_job){
        .job.op.kind = STORE_HAND,
        .job.done = answer_group,
        .spool = spool,
        .upstream = expect_strdup(upstream),
        .items = expect_calloc(limit + 1, sizeof *fetch->items),
        .keys = expect_calloc(limit + 1, sizeof *fetch->keys),
        .given = expect_calloc(limit + 1, sizeof *fetch->given),
        .waits.go_on = begin_query,
        .done = done,
        .ctx = ctx,
    };
    fetch->claim = (struct store_claim){
        .upstream = fetch->upstream, .limit = limit, .fn = read_item, .ctx = fetch, .next_due_in_ms = -1};
    list_init(&fetch->waits.link);
    list_append(&spool_upstream(spool, upstream)->fetches, &fetch->waits.link);
    spool_finish_resume(spool, spool_upstream(spool, upstream));
}

/*
 * spool - opening and closing, groups, counts, and whether there is room; see spool.h and spool_private.h.
 */
#include "spool/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "net/net_poll.h"
#include "spool/spool_private.h"
#include "store/store_meta.h"

#define UPSTREAMS_MAX 100000
#define COUNTED_MAX   (256u << 20) /* octets of what is counted again while the spool runs */

/* ---- groups ---- */

/* Remembers the first fault of a failed group: mail is refused for a while. True when something of it is durable. */
static bool note_trouble(struct spool *spool, const struct spool_group *group)
{
    bool any = false, noted = false;
    LIST_EACH(link, &group->batch.ops)
    {
        const struct fault *fault = &LIST_ITEM(link, struct store_op, link)->fault;
        any = any || !fault_is_set(fault);
        /* PERM is the asker's own mistake, as to finish what is in other hands: the disk is as good as before. */
        if (!noted && fault_is_set(fault) && fault->class != FAULT_PERM) {
            noted = true;
            spool->trouble = *fault;
            spool->trouble_until = net_now(spool->loop) + SPOOL_TROUBLE_MS;
            spool_note_failure(spool);
            log_event(spool->log, LOG_LEVEL_ERROR, "spool_commit_failed", LOG_STR("error.code", fault->code),
                      LOG_STR("error.message", fault->text));
        }
    }
    return any;
}

static void on_group(void *ctx)
{
    struct spool_group *group = ctx;
    struct spool *spool = group->spool;
    spool->group_running = false;
    spool_take_counts(spool, &group->batch.counts);
    if (note_trouble(spool, group)) {
        spool->is_failing = false;
        spool->counts.commits++;
        histogram_add(&spool->commit_time, net_now_us(spool->loop) - group->began_us);
    }
    spool_chore_take(spool, &group->batch.chores);
    /* The next group goes off before anybody is answered: the disk must not wait until the loop has told a thousand
     * senders. A group in limbo does not keep those behind it from the disk: their sync may even end it. */
    if (group->verdict == STORE_IN_LIMBO) {
        spool_limbo_take(spool, group);
        spool_pump(spool);
        return;
    }
    bool follows = spool_limbo_follow(spool, group);
    spool_pump(spool);
    if (!follows) {
        spool_group_answer(spool, &group);
    }
    spool_history_tidy(spool);
}

static void take_up_stalled(void *ctx)
{
    struct spool *spool = ctx;
    list_move(&spool->pending, &spool->stalled);
    spool_pump(spool);
}

/* ---- room ---- */

struct measurement {
    struct spool *spool;
    struct store_room room;
    bool failed;
};

static void measure_room(void *ctx)
{
    struct measurement *measurement = ctx;
    struct store *store = measurement->spool->store;
    measurement->failed = store->ops->room(store, &measurement->room, NULL) != 0;
}

static void on_measured(void *ctx)
{
    struct measurement *measurement = ctx;
    struct spool *spool = measurement->spool;
    spool->measuring = false;
    if (!measurement->failed) {
        spool->room = measurement->room;
        spool->measured_at = net_now(spool->loop);
    }
    free(measurement);
}

static void need_measurement(struct spool *spool)
{
    if (spool->measuring || net_now(spool->loop) - spool->measured_at < SPOOL_SPACE_MS) {
        return;
    }
    struct measurement *measurement = expect_calloc(1, sizeof *measurement);
    measurement->spool = spool;
    spool->measuring = true;
    net_lane_submit(spool->tidy, measure_room, on_measured, measurement);
}

int spool_can_accept(struct spool *spool, uint64_t size, struct fault *fault)
{
    NET_EXPECT_LOOP(spool->loop);
    need_measurement(spool);
    if (net_now(spool->loop) < spool->trouble_until) {
        if (fault != NULL && !fault_is_set(fault)) {
            *fault = spool->trouble;
        }
        return -1;
    }
    /* What is refused here is new mail alone: settling, moving and forgetting what is there needs room as well, and is
     * what makes room again. So the reserve is kept from those who send (452, RFC 5321 section 4.2.3). */
    uint64_t minimum = spool->options.minimum_free;
    if (spool->room.octets < minimum || spool->room.octets - minimum < size || spool->room.inodes < SPOOL_INODES_MIN) {
        fault_set(fault, FAULT_LOCAL, "enospc", spool->options.path,
                  "the disk of the spool is full: %llu octets and %llu inodes left",
                  (unsigned long long)spool->room.octets, (unsigned long long)spool->room.inodes);
        return -1;
    }
    return 0;
}

void spool_room(struct spool *spool, uint64_t *octets_r, uint64_t *minimum_r)
{
    NET_EXPECT_LOOP(spool->loop);
    need_measurement(spool);
    *octets_r = spool->room.octets;
    *minimum_r = spool->options.minimum_free;
}

/* ---- small things ---- */

void spool_set_offer(struct spool *spool, spool_offer_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    spool->offer = fn;
    spool->offer_ctx = ctx;
}

void spool_set_left(struct spool *spool, spool_left_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    spool->left = fn;
    spool->left_ctx = ctx;
}

void spool_set_wake(struct spool *spool, spool_wake_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    spool->wake = fn;
    spool->wake_ctx = ctx;
}

void spool_set_halt(struct spool *spool, spool_halt_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    spool->halt = fn;
    spool->halt_ctx = ctx;
}

const char *spool_disk_warning(const struct spool *spool)
{
    return spool->store->ops->warning(spool->store);
}

void spool_count(const struct spool *spool, struct spool_counts *counts_r)
{
    *counts_r = spool->counts;
}

const struct histogram *spool_commit_time(const struct spool *spool)
{
    return &spool->commit_time;
}

/* ---- opening ---- */

static void free_upstream(void *value)
{
    struct spool_upstream *upstream = value;
    free(upstream->memo);
    free(upstream);
}

int spool_look(const struct spool *spool, struct store **store_r, struct fault *fault)
{
    return spool->options.store->look(store_r, spool->options.place, fault);
}

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value == 0 ? otherwise : value;
}

static int64_t wall(void *ctx)
{
    return net_wall(ctx);
}

static struct spool *spool_new(struct net_loop *loop, const struct spool_options *options, struct log *log)
{
    struct spool *spool = expect_calloc(1, sizeof *spool);
    spool->loop = loop;
    spool->log = log;
    spool->on_group = on_group;
    spool->options = (struct spool_options){
        .store = options->store,
        .check_every_ms = options->check_every_ms,
        .place = expect_strdup(options->place == NULL ? options->path : options->place),
        .node = options->node == NULL ? NULL : expect_strdup(options->node),
        .brief = options->brief,
        .lease_ms = options->lease_ms,
        .path = expect_strdup(options->path),
        .segment_size = or_default(options->segment_size, 64u << 20),
        .own_segment_over = or_default(options->own_segment_over, 256u << 10),
        .minimum_free = or_default(options->minimum_free, 64u << 20),
        .history_messages = or_default(options->history_messages, 1000000),
        .history_ms = or_default(options->history_ms, 7 * 24 * 3600 * UINT64_C(1000)),
        .search_ms = options->search_ms,
        .wall = options->wall == NULL ? wall : options->wall,
        .clock = options->wall == NULL ? loop : options->clock,
    };
    list_init(&spool->pending);
    list_init(&spool->stalled);
    list_init(&spool->jumps);
    list_init(&spool->limbo);
    spool->upstreams = map_new(UPSTREAMS_MAX, NULL);
    spool->marks = map_new(SIZE_MAX / 4, NULL);
    list_init(&spool->marks_aged);
    return spool;
}

/* ---- what is found at the start ---- */

struct counted {
    struct arena *arena;
    spool_counted_fn *fn;
    void *ctx;
};

/* One that cannot be read does not count: the check tells of it. */
static int tell_counted(void *ctx, const struct store_answer_row *row)
{
    struct counted *counted = ctx;
    struct mail_envelope envelope;
    struct fault fault = FAULT_INIT;
    arena_clear(counted->arena);
    if (store_meta_read_envelope(row->message.envelope, counted->arena, &envelope, &fault) == 0) {
        counted->fn(counted->ctx, &envelope);
    }
    return 0;
}

int spool_each_counted(struct spool *spool, uint64_t within_ms, spool_counted_fn *fn, void *ctx, struct fault *fault)
{
    struct counted counted = {.arena = arena_new(STORE_ITEM_MAX), .fn = fn, .ctx = ctx};
    const struct store_question question = {.kind = STORE_ASK_COUNTED, .within_ms = within_ms};
    int result = spool->store->ops->ask(spool->store, &question, tell_counted, &counted, fault);
    arena_free(&counted.arena);
    return result;
}

/* What is read on the lane, until the loop takes it. */
struct counted_job {
    struct spool *spool;
    uint64_t within_ms;
    struct arena *arena;
    struct mail_envelope *envelopes; /* of each: id, message_id, received_ms, what it counts */
    size_t count, size;
    bool full;
    struct fault fault;
    spool_counted_fn *fn;
    void *ctx;
};

static struct mail_counted *copy_counted(struct arena *arena, const struct mail_envelope *envelope)
{
    struct mail_counted *copies = arena_array(arena, envelope->counted_count, sizeof *copies);
    for (size_t i = 0; i < envelope->counted_count && copies != NULL; i++) {
        copies[i].counter = arena_text(arena, envelope->counted[i].counter);
        copies[i].key = arena_text(arena, envelope->counted[i].key);
        copies = copies[i].counter == NULL || copies[i].key == NULL ? NULL : copies;
    }
    return copies;
}

static void keep_counted(void *ctx, const struct mail_envelope *envelope)
{
    struct counted_job *job = ctx;
    if (envelope->counted_count == 0 || job->full) {
        return;
    }
    if (job->count == job->size) {
        job->size = job->size == 0 ? 64 : job->size * 2;
        job->envelopes = expect_memory(realloc(job->envelopes, job->size * sizeof *job->envelopes));
    }
    struct mail_envelope *copy = &job->envelopes[job->count];
    *copy = (struct mail_envelope){.id = arena_text(job->arena, envelope->id),
                                   .message_id = arena_text(job->arena, envelope->message_id),
                                   .received_ms = envelope->received_ms,
                                   .counted = copy_counted(job->arena, envelope),
                                   .counted_count = envelope->counted_count};
    job->full = copy->id == NULL || copy->counted == NULL;
    job->count += !job->full;
}

static void read_counted(void *ctx)
{
    struct counted_job *job = ctx;
    disregard(spool_each_counted(job->spool, job->within_ms, keep_counted, job, &job->fault));
}

static void on_counted_read(void *ctx)
{
    static const char too_many[] = "the rules counted more messages than are looked through now: counters are too low "
                                   "until the next start finds the rest";
    struct counted_job *job = ctx;
    for (size_t i = 0; i < job->count && !job->spool->closing; i++) {
        job->fn(job->ctx, &job->envelopes[i]);
    }
    if (fault_is_set(&job->fault) || job->full) {
        const char *why = job->full ? too_many : job->fault.text;
        log_event(job->spool->log, LOG_LEVEL_WARNING, "reload_warning", LOG_STR("error.message", why));
    }
    arena_free(&job->arena);
    free(job->envelopes);
    free(job);
}

void spool_each_counted_later(struct spool *spool, uint64_t within_ms, spool_counted_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    struct counted_job *job = expect_calloc(1, sizeof *job);
    *job = (struct counted_job){.spool = spool, .within_ms = within_ms, .fn = fn, .ctx = ctx};
    job->arena = arena_new(COUNTED_MAX);
    net_lane_submit(spool->read, read_counted, on_counted_read, job);
}

/* A batch without operations tells how many deliveries there are; what it leaves to do waits for the next one. */
static int ask_all(struct spool *spool, struct fault *fault)
{
    struct store *store = spool->store;
    struct store_batch nothing;
    store_batch_init(&nothing);
    if (spool_look_first(spool, fault) != 0 || store->ops->room(store, &spool->room, fault) != 0) {
        return -1;
    }
    store->ops->commit(store, &nothing);
    spool_take_counts(spool, &nothing.counts);
    spool_chore_take(spool, &nothing.chores);
    return 0;
}

static int set_up(struct spool *spool, struct fault *fault)
{
    const struct store_options options = {.path = spool->options.place,
                                          .node = spool->options.node,
                                          .brief = spool->options.brief,
                                          .lease_ms = spool->options.lease_ms,
                                          .segment_size = spool->options.segment_size,
                                          .log = spool->log,
                                          .wall = spool->options.wall,
                                          .clock = spool->options.clock};
    if (spool->options.store->open(&spool->store, &options, fault) != 0) {
        return -1;
    }
    spool->disk = net_lane_new(spool->loop, "disk");
    spool->read = net_lane_new(spool->loop, "read");
    spool->tidy = net_lane_new(spool->loop, "tidy");
    spool->stall_timer = net_timer_new(spool->loop, take_up_stalled, spool);
    spool->measured_at = net_now(spool->loop);
    spool_look_watch(spool);
    if (ask_all(spool, fault) != 0) {
        return -1;
    }
    spool_scrub_start(spool);
    spool_node_start(spool);
    return 0;
}

static void tear_down(struct spool *spool)
{
    spool_scrub_free(spool);
    net_timer_free(&spool->stall_timer);
    net_timer_free(&spool->limbo_timer);
    net_timer_free(&spool->look_timer);
    if (spool->store != NULL) {
        spool->store->ops->close(spool->store);
    }
    map_free(&spool->upstreams, free_upstream);
    map_free(&spool->marks, spool_mark_free);
    free((char *)(uintptr_t)spool->options.path);
    free((char *)(uintptr_t)spool->options.node);
    /* It may hold a password. */
    memset((char *)(uintptr_t)spool->options.place, 0, strlen(spool->options.place));
    free((char *)(uintptr_t)spool->options.place);
    free(spool);
}

/* Runs a lane dry and frees it; what its answers submit is still taken. NULL is fine. */
static void finish_lane(struct net_lane **lane)
{
    struct net_lane *running = *lane;
    if (running != NULL) {
        net_lane_free(&running);
        *lane = NULL;
    }
}

int spool_open(struct spool **spool_r, struct net_loop *loop, const struct spool_options *options, struct log *log,
               struct fault *fault)
{
    struct spool *spool = spool_new(loop, options, log);
    if (set_up(spool, fault) != 0) {
        spool_close(&spool);
        return -1;
    }
    *spool_r = spool;
    return 0;
}

void spool_close(struct spool **spool_ref)
{
    struct spool *spool = *spool_ref;
    if (spool == NULL) {
        return;
    }
    NET_EXPECT_LOOP(spool->loop);
    *spool_ref = NULL;
    spool->closing = true;
    spool_scrub_stop(spool);
    net_poll_free(&spool->hint); /* nobody asks on the lane any more */
    finish_lane(&spool->read);
    spool_limbo_resolve(spool);
    if (spool->stall_timer != NULL) {
        take_up_stalled(spool);
    }
    spool_pump(spool); /* what rides with others goes with the end */
    finish_lane(&spool->disk);
    spool_limbo_end(spool);
    finish_lane(&spool->tidy);
    spool_node_stop(spool);
    tear_down(spool);
}

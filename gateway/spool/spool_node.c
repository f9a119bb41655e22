/*
 * spool_node - see spool_node.h. Beats have a lane of their own: a disk or a query that takes long holds none up.
 */
#include "spool/spool_node.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_private.h"

#define BEAT_MS      1000
#define BEAT_LONG_MS 2000 /* whoever could send mail elsewhere does not wait for its answer any longer */
/* Octets of what a node says of itself. */
#define STATE_MAX (64u << 10)

struct spool_node {
    struct spool *spool;
    struct net_lane *lane;
    struct net_timer *timer;
    spool_node_state_fn *state_of;
    void *state_ctx;
    spool_node_ask_fn *ask;
    spool_node_told_fn *told;
    void *slots_ctx;
    bool draining, hurries;
    uint64_t until; /* of the loop's clock: how long the last beat that was heard may be relied on */
    bool is_lost;   /* and that is over */
    uint64_t hold;  /* counts each loss, and each return */
    bool renounces; /* see spool_node_renounce(); until a beat has said so */
    json_t *list;
    struct spool_node_counts counts;
    /* Of the beat under way. */
    struct store_beat beat;
    struct store_slots *slots;
    size_t slot_count, slot_room;
    struct buf state;
    uint64_t began;
    bool under_way, failed;
    bool was_unheard; /* the last one */
    int64_t skew_ms;
    struct fault fault;
    json_t *found;
};

/* ---- on the lane ---- */

static void note_node(void *ctx, const struct store_node *node)
{
    struct spool_node *own = ctx;
    json_t *state = node->state[0] == '\0' ? NULL : json_loads(node->state, 0, NULL);
    json_array_append_new(own->found, json_pack("{s:s,s:I,s:s,s:b,s:b,s:I,s:o}", "name", node->name, "epoch",
                                                (json_int_t)node->epoch, "version", node->version, "me", node->is_me,
                                                "draining", node->draining, "lease_ms", (json_int_t)node->lease_ms,
                                                "state", state == NULL ? json_object() : state));
}

static void run_beat(void *ctx)
{
    struct spool_node *node = ctx;
    struct store *store = node->spool->store;
    node->fault = FAULT_INIT;
    node->failed = store->ops->beat(store, &node->beat, &node->fault) != 0;
    node->skew_ms = node->beat.clock_ms - node->spool->options.wall(node->spool->options.clock);
}

/* ---- on the loop ---- */

static void tell_lost(struct spool_node *node)
{
    struct spool *spool = node->spool;
    bool is_lost = net_now(spool->loop) >= node->until;
    if (is_lost && !node->is_lost) {
        log_event(spool->log, LOG_LEVEL_ERROR, "node_lease_lost", LOG_STR("error.code", node->fault.code),
                  LOG_STR("error.message", node->fault.text),
                  LOG_STR("reason",
                          "this node has not reached the database for so long that another node may take over its "
                          "deliveries: this node delivers nothing until it reaches the database again, which "
                          "it tries by itself (\"mailweir check --database\" says what is wrong)"));
    } else if (!is_lost && node->is_lost) {
        log_event(spool->log, LOG_LEVEL_WARNING, "node_lease_regained",
                  LOG_STR("reason", "this node reaches the database again and goes on delivering"));
    }
    bool is_news = is_lost && !node->is_lost;
    node->hold += is_lost != node->is_lost;
    node->is_lost = is_lost;
    if (is_news && node->told != NULL) {
        node->told(node->slots_ctx, NULL);
    }
}

static void nudged(struct spool *spool, struct spool_job *job)
{
    (void)spool;
    free(job);
}

/* Whatever is written next has the store begin anew; this changes nothing. */
static void nudge(struct spool *spool)
{
    struct spool_job *job = expect_calloc(1, sizeof *job);
    job->done = nudged;
    job->op.kind = STORE_HEARD;
    job->op.heard.id = "";
    spool_submit(spool, job);
}

static void tell_beat(struct spool_node *node)
{
    struct spool *spool = node->spool;
    node->counts.taken += node->beat.taken;
    node->counts.takeovers += node->beat.takeovers;
    node->counts.skew_ms = node->skew_ms;
    node->counts.dead_rows = node->beat.dead_rows;
    node->counts.ended += node->beat.is_ended;
    if (node->beat.is_ended) {
        log_event(
            spool->log, LOG_LEVEL_ERROR, "node_ended",
            LOG_STR("reason", node->beat.renounces
                                  ? "the database did not say in time whether it had kept what this node wrote: "
                                    "this node gave back all its deliveries and starts afresh; each delivery is "
                                    "looked for on its server before it is sent again, and nothing is to be done"
                                  : "another node took this one for dead and took over its deliveries, or the "
                                    "database lacks its latest changes (history_lost): this node starts afresh by "
                                    "itself, and nothing is to be done"));
        nudge(spool);
    }
    bool is_news = node->beat.is_news || node->beat.taken > 0;
    if (is_news || node->beat.is_memo) {
        spool_look_again(spool, is_news);
    }
}

/* ---- connections of all nodes ---- */

static void clear_slots(struct spool_node *node)
{
    for (size_t i = 0; i < node->slot_count; i++) {
        free((char *)(uintptr_t)node->slots[i].account);
    }
    node->slot_count = 0;
}

/* Who asks for some is told, too; whoever asked may be gone when the beat comes back. */
static void tell_slots(struct spool_node *node)
{
    for (size_t i = 0; i < node->slot_count && node->told != NULL; i++) {
        node->told(node->slots_ctx, &node->slots[i]);
    }
}

void spool_node_add_slots(struct spool *spool, const struct store_slots *slots)
{
    NET_EXPECT_LOOP(spool->loop);
    struct spool_node *node = spool->node;
    if (node->slot_count == node->slot_room) {
        node->slot_room = node->slot_room == 0 ? 8 : node->slot_room * 2;
        node->slots = expect_memory(realloc(node->slots, node->slot_room * sizeof *node->slots));
    }
    node->slots[node->slot_count] = *slots;
    node->slots[node->slot_count++].account = expect_strdup(slots->account);
}

bool spool_node_set_slots(struct spool *spool, spool_node_ask_fn *ask, spool_node_told_fn *told, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    if (spool->node == NULL) {
        return false;
    }
    spool->node->ask = ask;
    spool->node->told = told;
    spool->node->slots_ctx = ctx;
    return true;
}

void spool_node_hurry(struct spool *spool)
{
    NET_EXPECT_LOOP(spool->loop);
    if (spool->node != NULL) {
        spool->node->hurries = true;
        net_timer_start(spool->node->timer, 1);
    }
}

/* ---- beats ---- */

static void on_beat(void *ctx)
{
    struct spool_node *node = ctx;
    node->under_way = false;
    node->counts.unheard += node->failed;
    node->was_unheard = node->failed;
    if (!node->failed) {
        node->spool->is_failing = node->spool->is_failing && node->spool->failed_at > node->began;
        node->renounces = node->renounces && !node->beat.renounces;
        node->until = node->beat.is_ended || node->renounces ? 0 : node->began + node->beat.lease_ms;
        json_decref(node->list);
        node->list = node->found;
        node->found = NULL;
        node->counts.nodes = json_array_size(node->list);
    }
    json_decref(node->found);
    node->found = NULL;
    tell_lost(node);
    if (!node->failed && !node->spool->closing) {
        tell_beat(node);
    }
    if (!node->failed && !node->beat.is_ended && !node->is_lost) {
        tell_slots(node);
    }
    bool has_more = !node->failed && node->beat.has_more;
    if ((node->hurries || has_more) && !node->spool->closing) {
        net_timer_start(node->timer, 1);
    }
}

/* What this beat says. */
static void begin_beat(struct spool_node *node)
{
    buf_clear(&node->state);
    if (node->state_of != NULL) {
        node->state_of(node->state_ctx, &node->state);
    }
    clear_slots(node);
    if (node->ask != NULL) {
        node->ask(node->slots_ctx);
    }
    node->under_way = true;
    node->hurries = false;
    node->found = json_array();
    node->began = net_now(node->spool->loop);
    node->beat = (struct store_beat){.state = buf_text(&node->state),
                                     .draining = node->draining,
                                     .renounces = node->renounces,
                                     .slots = node->slots,
                                     .slot_count = node->slot_count,
                                     .found = note_node,
                                     .ctx = node};
}

static void on_timer(void *ctx)
{
    struct spool_node *node = ctx;
    net_timer_start(node->timer, BEAT_MS);
    tell_lost(node);
    if (!node->under_way) {
        begin_beat(node);
        net_lane_submit(node->lane, run_beat, on_beat, node);
    }
}

/* The first beat's lane has nothing to do. */
static void is_answered(void *ctx)
{
    (void)ctx;
}

/* ---- the spool's side ---- */

void spool_node_start(struct spool *spool)
{
    if (spool->store->ops->beat == NULL || spool->options.brief) {
        return;
    }
    struct spool_node *node = spool->node = expect_calloc(1, sizeof *node);
    node->spool = spool;
    node->lane = net_lane_new(spool->loop, "node");
    node->timer = net_timer_new(spool->loop, on_timer, node);
    node->until = net_now(spool->loop) + BEAT_MS * 5; /* it has just begun */
    buf_init(&node->state, STATE_MAX);
    /* Whoever reads times that others have written needs to know at once how their clock goes. The rest of the answer
     * comes from the loop, as each: who opens a spool asks the store himself meanwhile. */
    begin_beat(node);
    run_beat(node);
    node->counts.skew_ms = node->failed ? 0 : node->skew_ms;
    net_lane_submit(node->lane, is_answered, on_beat, node);
    net_timer_start(node->timer, 1);
}

void spool_node_stop(struct spool *spool)
{
    struct spool_node *node = spool->node;
    if (node == NULL) {
        return;
    }
    net_timer_free(&node->timer);
    net_lane_free(&node->lane);
    json_decref(node->list);
    json_decref(node->found);
    buf_done(&node->state);
    clear_slots(node);
    free(node->slots);
    free(node);
    spool->node = NULL;
}

void spool_node_set_state(struct spool *spool, spool_node_state_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(spool->loop);
    if (spool->node != NULL) {
        spool->node->state_of = fn;
        spool->node->state_ctx = ctx;
    }
}

void spool_node_set_draining(struct spool *spool)
{
    NET_EXPECT_LOOP(spool->loop);
    if (spool->node != NULL) {
        spool->node->draining = true;
    }
}

void spool_node_renounce(struct spool *spool)
{
    NET_EXPECT_LOOP(spool->loop);
    if (spool->node != NULL) {
        spool->node->renounces = true;
        spool->node->until = 0;
        tell_lost(spool->node);
    }
}

bool spool_node_is_heard(const struct spool *spool)
{
    const struct spool_node *node = spool->node;
    bool takes_long = node != NULL && node->under_way && net_now(spool->loop) - node->began > BEAT_LONG_MS;
    return node == NULL || (!node->was_unheard && !node->is_lost && !takes_long);
}

bool spool_node_shares(const struct spool *spool)
{
    return spool->node != NULL;
}

/* The time is read now: a process that stood still in the midst of a turn must not go by when that began. */
bool spool_node_may_send(const struct spool *spool)
{
    return spool->node == NULL || net_now_us(spool->loop) / 1000 < spool->node->until;
}

uint64_t spool_node_hold(const struct spool *spool)
{
    return spool->node == NULL ? 0 : spool->node->hold;
}

bool spool_node_holds(const struct spool *spool, const struct spool_item *item)
{
    return item->hold == spool_node_hold(spool);
}

static int64_t margin_of(const struct spool_node *node)
{
    uint64_t now = net_now(node->spool->loop);
    return now < node->until ? (int64_t)(node->until - now) : 0;
}

json_t *spool_node_list(const struct spool *spool)
{
    size_t i;
    json_t *one;
    if (spool->node == NULL) {
        return NULL;
    }
    json_t *list = json_deep_copy(spool->node->list);
    json_array_foreach(list, i, one)
    {
        if (json_is_true(json_object_get(one, "me"))) {
            json_object_set_new(one, "margin_ms", json_integer((json_int_t)margin_of(spool->node)));
        }
    }
    return list == NULL ? json_array() : list;
}

void spool_node_jumped(struct spool *spool, int64_t delta_ms)
{
    if (spool->node != NULL) {
        spool->node->counts.skew_ms -= delta_ms;
    }
}

int64_t spool_node_skew(const struct spool *spool)
{
    return spool->node == NULL ? 0 : spool->node->counts.skew_ms;
}

bool spool_node_count(const struct spool *spool, struct spool_node_counts *counts_r)
{
    if (spool->node == NULL) {
        return false;
    }
    *counts_r = spool->node->counts;
    counts_r->margin_ms = margin_of(spool->node);
    return true;
}

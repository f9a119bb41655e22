/*
 * spool_overflow - see spool_overflow.h. One message is handed over at a time: the lane reads it, the loop stages it in
 * the first spool, and when it is durable there the overflow drops it.
 */
#include "spool/spool_overflow.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_change.h"
#include "spool/spool_export.h"
#include "spool/spool_private.h"
#include "spool/spool_query.h"
#include "store/store_meta.h"

/* How often is looked whether the first spool answers, and whether something waits. */
#define LOOK_MS 1000
/* Settled messages are nobody's business here: the first spool has their history. */
#define HISTORY_MS ((uint64_t)3600 * 1000)

/* The message that is being handed over. */
struct handover {
    struct store_key key; /* of the delivery that it was found by */
    bool is_found, failed;
    struct arena *arena;
    struct mail_envelope envelope;
    struct mail_delivery *deliveries;
    size_t count;
    struct spool_source *source;
    struct spool_stage *stage;
    uint64_t offset;
    uint8_t *chunk;
    size_t got;
    bool stopped; /* the stage waits */
    struct fault fault;
};

struct spool_overflow {
    struct net_loop *loop;
    struct log *log;
    struct spool *to, *from;
    uint64_t (*window)(void *ctx, const char *listener);
    void *ctx;
    struct net_lane *lane;
    struct net_timer *timer;
    struct store *look; /* from's, for the lane */
    bool busy;          /* a message is being handed over */
    bool stopping;
    struct handover now;
    struct store_key after; /* messages up to this one were looked at in this round */
    int64_t opened_ms;
    struct spool_overflow_state state;
};

static void look_around(struct spool_overflow *overflow);

/* ---- the end of a message ---- */

static void forget_message(struct spool_overflow *overflow)
{
    struct handover *now = &overflow->now;
    spool_stage_free(&now->stage);
    spool_source_free(&now->source);
    arena_free(&now->arena);
    free(now->chunk);
    *now = (struct handover){.is_found = false};
    overflow->busy = false;
}

static void leave_message(struct spool_overflow *overflow)
{
    const struct fault *fault = &overflow->now.fault;
    log_event(
        overflow->log, LOG_LEVEL_ERROR, "overflow_stuck", LOG_STR("id", overflow->now.envelope.id),
        LOG_STR("error.code", fault->code), LOG_STR("error.message", fault->text),
        LOG_STR("reason", "the message stays in the overflow, and the gateway tries by itself to hand it over again"));
    overflow->state.fault = *fault;
    forget_message(overflow);
}

static void on_dropped(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    struct spool_overflow *overflow = ctx;
    (void)result;
    if (fault != NULL) {
        overflow->now.fault = *fault;
        leave_message(overflow);
        return;
    }
    overflow->state.handed_over++;
    overflow->state.fault = FAULT_INIT;
    forget_message(overflow);
    look_around(overflow);
}

/* Durable where it belongs, now or since an earlier life: until it is dropped here, a crash hands it over once more. */
static void on_committed(void *ctx, const struct fault *fault)
{
    struct spool_overflow *overflow = ctx;
    if (fault != NULL && strcmp(fault->code, "known") != 0) {
        overflow->now.fault = *fault;
        leave_message(overflow);
        return;
    }
    const struct store_select select = {.id = overflow->now.envelope.id};
    /* Its doubt went along. */
    const struct spool_asker asker = {
        .by = "handed over to the database", .again = true, .done = on_dropped, .ctx = overflow};
    spool_change(overflow->from, STORE_DROP, &select, &asker);
}

/* ---- its octets ---- */

static void commit_message(struct spool_overflow *overflow)
{
    struct handover *now = &overflow->now;
    uint64_t window = overflow->window(overflow->ctx, now->envelope.client.listener);
    /* An earlier life may have handed it over, and the first spool forgotten it since. */
    spool_stage_unique(now->stage, now->envelope.received_ms < overflow->opened_ms);
    spool_stage_once(now->stage, window, NULL, NULL);
    spool_commit(&now->stage, &now->envelope, now->deliveries, now->count, on_committed, overflow);
}

static void read_piece(void *ctx)
{
    struct handover *now = &((struct spool_overflow *)ctx)->now;
    const struct mail_source *source = spool_source_of(now->source);
    ptrdiff_t got = source->read(source->ctx, now->offset, now->chunk, STORE_CHUNK, &now->fault);
    now->failed = got < 0;
    now->got = got < 0 ? 0 : (size_t)got;
}

static void on_piece(void *ctx);

static void read_on(struct spool_overflow *overflow)
{
    if (overflow->now.offset == spool_source_of(overflow->now.source)->size) {
        commit_message(overflow);
    } else {
        net_lane_submit(overflow->lane, read_piece, on_piece, overflow);
    }
}

static void on_piece(void *ctx)
{
    struct spool_overflow *overflow = ctx;
    struct handover *now = &overflow->now;
    now->offset += now->got;
    if (overflow->stopping) {
        forget_message(overflow);
        return;
    }
    int result = now->failed ? -1 : spool_stage_write(now->stage, bytes_at(now->chunk, now->got));
    if (result < 0) {
        now->fault = now->failed ? now->fault : *spool_stage_fault(now->stage);
        leave_message(overflow);
        return;
    }
    now->stopped = result > 0;
    if (!now->stopped) {
        read_on(overflow);
    }
}

static void on_writable(void *ctx)
{
    struct spool_overflow *overflow = ctx;
    if (overflow->now.stopped && !overflow->stopping) {
        overflow->now.stopped = false;
        read_on(overflow);
    }
}

/* ---- finding one ---- */

static int note_key(void *ctx, const struct store_answer_row *row)
{
    struct handover *now = ctx;
    now->is_found = true;
    now->key = row->delivery.key;
    return 1;
}

static int read_facts(struct handover *now, struct store *store)
{
    json_t *facts = NULL;
    if (spool_query_facts(store, now->key.message, &facts, &now->fault) != 0) {
        return -1;
    }
    if (facts == NULL) {
        fault_set(&now->fault, FAULT_LOCAL, "settled", "overflow", "the message is not there any more");
        return -1;
    }
    char *text = json_dumps(facts, JSON_COMPACT);
    json_decref(facts);
    int result =
        store_meta_read(bytes_of(text), now->arena, &now->envelope, &now->deliveries, &now->count, &now->fault);
    free(text);
    return result;
}

static void find_next(void *ctx)
{
    struct spool_overflow *overflow = ctx;
    struct handover *now = &overflow->now;
    const struct store_select select = {.after = overflow->after};
    const struct store_question question = {.kind = STORE_ASK_LIST, .select = &select, .limit = 1};
    now->failed = overflow->look->ops->ask(overflow->look, &question, note_key, now, &now->fault) != 0;
    if (now->failed || !now->is_found) {
        return;
    }
    now->arena = arena_new(STORE_ITEM_MAX);
    now->chunk = expect_calloc(1, STORE_CHUNK);
    now->failed = read_facts(now, overflow->look) != 0;
    now->source = now->failed ? NULL : spool_source_open(overflow->look, now->key.message, &now->fault);
    now->failed = now->source == NULL;
}

static void on_found(void *ctx)
{
    struct spool_overflow *overflow = ctx;
    struct handover *now = &overflow->now;
    if (overflow->stopping || (!now->failed && !now->is_found)) {
        /* None is left, or behind the last one that could not be handed over: the next round begins anew. */
        overflow->after = (struct store_key){0};
        forget_message(overflow);
        return;
    }
    overflow->after = (struct store_key){now->key.message, UINT32_MAX};
    if (now->failed) {
        leave_message(overflow);
        return;
    }
    now->stage = spool_stage_new(overflow->to, on_writable, overflow);
    read_on(overflow);
}

/* ---- whether the first spool answers ---- */

static bool first_takes_mail(struct spool_overflow *overflow)
{
    return spool_answers(overflow->to) && spool_can_accept(overflow->to, 0, NULL) == 0;
}

/* By the lane, unless a message is under way; what cannot be handed over does not hold up those behind it. */
static void look_around(struct spool_overflow *overflow)
{
    struct spool_counts counts;
    if (overflow->busy || overflow->stopping) {
        return;
    }
    spool_count(overflow->from, &counts);
    if (counts.messages > 0 && first_takes_mail(overflow)) {
        overflow->busy = true;
        net_lane_submit(overflow->lane, find_next, on_found, overflow);
    }
}

static void begin_use(struct spool_overflow *overflow)
{
    struct fault *fault = &overflow->state.fault;
    *fault = spool_trouble(overflow->to);
    overflow->state.in_use = true;
    overflow->state.since_ms = net_wall(overflow->loop);
    log_event(overflow->log, LOG_LEVEL_ERROR, "overflow_begins", LOG_STR("path", overflow->from->options.path),
              LOG_STR("error.code", fault->code), LOG_STR("error.message", fault->text),
              LOG_STR("reason", "the database does not answer: new mail is kept on this machine's disk until it does"));
}

static void end_use(struct spool_overflow *overflow)
{
    struct spool_counts counts;
    spool_count(overflow->from, &counts);
    overflow->state.in_use = false;
    overflow->state.since_ms = 0;
    overflow->state.fault = FAULT_INIT;
    log_event(overflow->log, LOG_LEVEL_WARNING, "overflow_ends", LOG_INT("messages", counts.messages),
              LOG_STR("reason", "the database answers again: what was kept on this machine's disk is handed over"));
}

static void on_timer(void *ctx)
{
    struct spool_overflow *overflow = ctx;
    net_timer_start(overflow->timer, LOOK_MS);
    if (overflow->state.in_use && first_takes_mail(overflow)) {
        end_use(overflow);
    }
    look_around(overflow);
}

struct spool *spool_overflow_choose(struct spool_overflow *overflow, uint64_t size, struct fault *fault)
{
    NET_EXPECT_LOOP(overflow->loop);
    bool answers = spool_answers(overflow->to);
    bool takes = spool_can_accept(overflow->to, size, fault) == 0;
    if (answers && takes) {
        return overflow->to;
    }
    if (spool_can_accept(overflow->from, size, NULL) != 0) {
        return takes ? overflow->to : NULL;
    }
    if (!overflow->state.in_use) {
        begin_use(overflow);
    }
    return overflow->from;
}

void spool_overflow_state(const struct spool_overflow *overflow, struct spool_overflow_state *state_r)
{
    struct spool_counts counts;
    NET_EXPECT_LOOP(overflow->loop);
    spool_count(overflow->from, &counts);
    *state_r = overflow->state;
    state_r->path = overflow->from->options.path;
    state_r->messages = counts.messages;
    state_r->takes = spool_can_accept(overflow->from, 0, NULL) == 0;
}

/* ---- its life ---- */

int spool_overflow_open(struct spool_overflow **overflow_r, struct net_loop *loop,
                        const struct spool_overflow_options *options, struct log *log, struct fault *fault)
{
    struct spool_overflow *overflow = expect_calloc(1, sizeof *overflow);
    const struct spool_options spool = {.store = options->store,
                                        .path = options->path,
                                        .minimum_free = options->minimum_free,
                                        .history_ms = HISTORY_MS};
    overflow->loop = loop;
    overflow->log = log;
    overflow->to = options->to;
    overflow->window = options->window;
    overflow->ctx = options->ctx;
    overflow->opened_ms = net_wall(loop);
    if (spool_open(&overflow->from, loop, &spool, log, fault) != 0 ||
        spool_look(overflow->from, &overflow->look, fault) != 0) {
        spool_overflow_close(&overflow);
        return -1;
    }
    overflow->lane = net_lane_new(loop, "overflow");
    overflow->timer = net_timer_new(loop, on_timer, overflow);
    net_timer_start(overflow->timer, 1);
    *overflow_r = overflow;
    return 0;
}

void spool_overflow_stop(struct spool_overflow *overflow)
{
    if (overflow == NULL) {
        return;
    }
    NET_EXPECT_LOOP(overflow->loop);
    overflow->stopping = true;
    net_timer_free(&overflow->timer);
    net_lane_free(&overflow->lane);
    spool_stage_free(&overflow->now.stage);
}

void spool_overflow_close(struct spool_overflow **overflow_ref)
{
    struct spool_overflow *overflow = *overflow_ref;
    if (overflow == NULL) {
        return;
    }
    spool_overflow_stop(overflow);
    spool_close(&overflow->from);
    spool_export_close(&overflow->look);
    forget_message(overflow);
    free(overflow);
    *overflow_ref = NULL;
}

/*
 * spool_change - the job behind spool_admin: one batch of a change, again and again until nothing is left to change.
 *
 * Whoever is in somebody's hands when a batch is asked for stays as it is. A fetch that has read a delivery but not handed
 * it out yet finds out when it marks it (spool_fetch.c).
 */
#include "spool/spool_change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_journal.h"
#include "store/store_meta.h"

#define BATCH 500

struct change_job {
    struct spool_job job;
    struct spool_change change;
    int64_t now_ms;
    uint64_t *held;
    size_t held_count;
    struct store_key after, last; /* of this batch */
    size_t found;
    struct buf journal;     /* of this batch */
    struct fault unwritten; /* why it is not where it should be */
    /* Of this batch, for the loop. */
    uint64_t changed, busy, doubtful;
    int64_t waiting, stopped, dead; /* how the numbers of deliveries by state change */
    struct local_place gone[BATCH]; /* messages in which nothing is open any more */
    size_t gone_count;
    struct spool_change_result result; /* of all batches */
    spool_change_fn *done;
    void *ctx;
};

static struct change_job *of_job(struct spool_job *job)
{
    return LIST_ITEM(job, struct change_job, job);
}

/* What the verb makes of a delivery in this state; false when it does not concern it. */
static bool next_state(const struct spool_change *change, enum store_state from, enum store_state *to_r)
{
    static const struct {
        unsigned from; /* a bit for each state */
        enum store_state to;
    } verbs[] = {
        [SPOOL_CHANGE_RETRY] = {1u << STORE_STATE_WAITING | 1u << STORE_STATE_DEAD, STORE_STATE_WAITING},
        [SPOOL_CHANGE_HOLD] = {1u << STORE_STATE_WAITING | 1u << STORE_STATE_DEAD, STORE_STATE_HELD},
        [SPOOL_CHANGE_RELEASE] = {1u << STORE_STATE_HELD, STORE_STATE_WAITING},
        [SPOOL_CHANGE_DROP] = {1u << STORE_STATE_WAITING | 1u << STORE_STATE_HELD | 1u << STORE_STATE_DEAD,
                               STORE_STATE_DROPPED},
        [SPOOL_CHANGE_REROUTE] = {1u << STORE_STATE_WAITING | 1u << STORE_STATE_HELD | 1u << STORE_STATE_DEAD,
                                  STORE_STATE_MOVED},
    };
    enum spool_change_verb verb = change->verb;
    /* Rerouted to nowhere: nobody has what it brought. */
    bool is_lost = verb == SPOOL_CHANGE_REROUTE && change->count == 0;
    *to_r = is_lost ? STORE_STATE_DROPPED : verbs[verb].to;
    return (verbs[verb].from & 1u << from) != 0;
}

static int64_t *counter(struct change_job *job, enum store_state state)
{
    return state == STORE_STATE_WAITING ? &job->waiting : state == STORE_STATE_HELD ? &job->stopped : &job->dead;
}

/* ---- on the lane ---- */

static int settle(struct spool_writer *writer, struct change_job *job, uint64_t message, struct fault *fault)
{
    unsigned open = 0;
    struct local_place place;
    if (local_index_settle(writer->index, message, job->now_ms, &open, &place, fault) != 0) {
        return -1;
    }
    if (open == 0) {
        job->gone[job->gone_count++] = place;
    }
    return 0;
}

/* A retry decides nothing that a rebuilt index would not do anyway. */
static int note_decision(struct spool_writer *writer, struct change_job *job, struct store_key key, enum store_state to,
                         struct fault *fault)
{
    char id[STORE_ID_LEN];
    if (job->change.verb == SPOOL_CHANGE_RETRY) {
        return 0;
    }
    if (local_index_name(writer->index, key.message, id, NULL, fault) != 0) {
        return -1;
    }
    local_journal_line(&job->journal, json_pack("{s:s, s:i, s:s}", "id", id, "number", (int)key.number, "state",
                                                store_state_name(to)));
    return 0;
}

struct seen {
    uint64_t run;
    bool doubtful;
};

static void see(void *ctx, const struct local_index_due *due)
{
    struct seen *seen = ctx;
    seen->doubtful = due->uncertain || (due->handed != 0 && due->handed != seen->run);
}

/* Whether the delivery may lie where it was to go: 1, 0, -1. */
static int is_doubtful(struct spool_writer *writer, struct store_key key, struct fault *fault)
{
    struct seen seen = {.run = writer->run};
    return local_index_load(writer->index, key, see, &seen, fault) < 0 ? -1 : seen.doubtful;
}

/* The history's words; the operator's word ends the doubt, and what is filed then is told as what may be there twice. */
static int end_doubt(struct spool_writer *writer, const struct change_job *job, struct store_key key, bool doubtful,
                     char *note, size_t size, struct fault *fault)
{
    size_t len = strlen(note);
    if (!doubtful) {
        return 0;
    }
    bool again = job->change.again && job->change.verb == SPOOL_CHANGE_RETRY;
    bool leaves = job->change.verb == SPOOL_CHANGE_REROUTE || job->change.verb == SPOOL_CHANGE_DROP;
    snprintf(note + len, size - len, "%s",
             again    ? ", to be sent again without a look, though an earlier attempt may have filed it"
             : leaves ? ", though an earlier attempt may have filed it"
                      : "");
    return again ? local_index_set_doubt(writer->index, key, false, "noted=1", fault) : 0;
}

static int change_one(struct spool_writer *writer, struct change_job *job, struct store_key key, enum store_state from,
                      struct fault *fault)
{
    static const char *const words[] = {"retried", "held", "released", "dropped", "rerouted"};
    enum store_state to;
    char note[300];
    if (!next_state(&job->change, from, &to)) {
        return 0;
    }
    if (spool_held_among(job->held, job->held_count, spool_item_key(key.message, key.number))) {
        job->busy++;
        return 0;
    }
    snprintf(note, sizeof note, "%s by %s", words[job->change.verb],
             job->change.by == NULL ? "an operator" : job->change.by);
    int doubtful = is_doubtful(writer, key, fault);
    if (doubtful < 0 || local_index_set_state(writer->index, key, to, job->now_ms, writer->run, fault) != 0 ||
        end_doubt(writer, job, key, doubtful == 1, note, sizeof note, fault) != 0 ||
        local_index_add_note(writer->index, key, job->now_ms, note, fault) != 0) {
        return -1;
    }
    job->changed++;
    (*counter(job, from))--;
    if (note_decision(writer, job, key, to, fault) != 0) {
        return -1;
    }
    if (!store_state_is_settled(to)) {
        (*counter(job, to))++;
        return 0;
    }
    return settle(writer, job, key.message, fault);
}

/* doubtful: one of those that give way may lie where it was to go. */
static int add_rerouted(struct spool_writer *writer, struct change_job *job, uint64_t message, bool doubtful,
                        struct fault *fault)
{
    uint64_t number;
    char id[STORE_ID_LEN];
    char *sender = NULL;
    json_t *deliveries = json_array();
    if (local_index_last_number(writer->index, message, &number, fault) != 0 ||
        local_index_name(writer->index, message, id, &sender, fault) != 0) {
        json_decref(deliveries);
        return -1;
    }
    for (size_t i = 0; i < job->change.count; i++) {
        struct mail_delivery delivery = job->change.deliveries[i];
        struct buf detail;
        delivery.number = (unsigned)(number + 1 + i);
        delivery.doubt = doubtful ? "noted=1" : NULL;
        buf_init(&detail, STORE_META_MAX);
        store_meta_write_delivery(&detail, &delivery);
        struct local_index_delivery row = {
            .message = message,
            .number = delivery.number,
            .state = delivery.held ? STORE_STATE_HELD : STORE_STATE_WAITING,
            .upstream = delivery.upstream,
            .folder = delivery.folder,
            .rule = delivery.rule,
            .fallback = delivery.fallback,
            .lane = store_turn_of(sender, delivery.folder),
            .due_ms = job->now_ms,
            .changed_ms = job->now_ms,
            .doubt = delivery.doubt,
            .detail = buf_bytes(&detail),
        };
        (*counter(job, row.state))++;
        int result = local_index_add_delivery(writer->index, &row, fault);
        json_array_append_new(deliveries, json_loadb((const char *)row.detail.ptr, row.detail.len, 0, NULL));
        buf_done(&detail);
        if (result != 0) {
            free(sender);
            json_decref(deliveries);
            return -1;
        }
    }
    free(sender);
    local_journal_line(&job->journal, json_pack("{s:s, s:o}", "id", id, "deliveries", deliveries));
    return local_index_open_more(writer->index, message, (unsigned)job->change.count, fault);
}

/* All open deliveries of one message give way to new ones, or none when one of them is being delivered. */
static int reroute(struct spool_writer *writer, struct change_job *job, const struct store_key *keys,
                   const enum store_state *states, struct fault *fault)
{
    for (size_t i = 0; i < job->found; i++) {
        job->busy += spool_held_among(job->held, job->held_count, spool_item_key(keys[i].message, keys[i].number));
        int doubtful = is_doubtful(writer, keys[i], fault);
        if (doubtful < 0) {
            return -1;
        }
        job->doubtful += (uint64_t)doubtful;
    }
    if (job->busy > 0 || job->found == 0 || (job->doubtful > 0 && !job->change.again)) {
        return 0;
    }
    if (add_rerouted(writer, job, keys[0].message, job->doubtful > 0, fault) != 0) {
        return -1;
    }
    job->doubtful = 0; /* none is left alone */
    for (size_t i = 0; i < job->found; i++) {
        if (change_one(writer, job, keys[i], states[i], fault) != 0) {
            return -1;
        }
    }
    return 0;
}

static int change_index(struct spool_writer *writer, struct spool_job *base, struct fault *fault)
{
    struct change_job *job = of_job(base);
    struct store_key keys[BATCH];
    enum store_state states[BATCH];
    job->changed = job->busy = job->doubtful = job->gone_count = 0;
    buf_clear(&job->journal);
    job->waiting = job->stopped = job->dead = 0;
    if (spool_query_keys(writer->index, &job->change.select, job->after, BATCH, keys, states, &job->found, fault) !=
        0) {
        return -1;
    }
    if (job->change.verb == SPOOL_CHANGE_REROUTE) {
        return reroute(writer, job, keys, states, fault);
    }
    for (size_t i = 0; i < job->found; i++) {
        if (change_one(writer, job, keys[i], states[i], fault) != 0) {
            return -1;
        }
    }
    if (job->found > 0) {
        job->last = keys[job->found - 1];
    }
    return 0;
}

/* The change stands in the index, whatever comes of this: it is the operator's to know that it would not outlive the index. */
static void write_decisions(struct spool_writer *writer, struct bytes lines, struct fault *fault)
{
    struct fault found = FAULT_INIT;
    if (lines.len > 0 && local_journal_write(writer->spool, lines, &found) != 0) {
        fault_set(fault, FAULT_LOCAL, found.code, found.where,
                  "it is done, but a rebuild of the index would not know of it: %s", found.text);
    }
}

static void change_after(struct spool_writer *writer, struct spool_job *base)
{
    write_decisions(writer, buf_bytes(&of_job(base)->journal), &of_job(base)->unwritten);
}

/* ---- on the loop ---- */

static void count_batch(struct spool *spool, struct change_job *job)
{
    spool->counts.waiting += (uint64_t)job->waiting;
    spool->counts.held += (uint64_t)job->stopped;
    spool->counts.dead += (uint64_t)job->dead;
    for (size_t i = 0; i < job->gone_count; i++) {
        spool->counts.messages--;
        if (local_live_remove(spool->live, job->gone[i].segment, job->gone[i].record_len)) {
            spool_discard_segment(spool, job->gone[i].segment);
        } else {
            spool_compact_consider(spool, job->gone[i].segment);
        }
    }
    job->result.changed += job->changed;
    job->result.busy += job->busy;
    job->result.doubtful += job->doubtful;
}

static void submit(struct spool *spool, struct change_job *job)
{
    free(job->held);
    job->held = spool_held_keys(spool->held, &job->held_count);
    spool_submit(spool, &job->job);
}

static void change_done(struct spool *spool, struct spool_job *base)
{
    struct change_job *job = of_job(base);
    bool failed = fault_is_set(&base->fault);
    if (!failed) {
        count_batch(spool, job);
    }
    if (!failed && !fault_is_set(&job->unwritten) && job->found == BATCH && job->change.verb != SPOOL_CHANGE_REROUTE &&
        !spool->closing) {
        job->after = job->last;
        submit(spool, job);
        return;
    }
    if (job->result.changed > 0 && job->change.verb != SPOOL_CHANGE_HOLD && job->change.verb != SPOOL_CHANGE_DROP) {
        spool_wake(spool, NULL);
    }
    const struct fault *fault = failed ? &base->fault : &job->unwritten;
    job->done(job->ctx, &job->result, fault_is_set(fault) ? fault : NULL);
    buf_done(&job->journal);
    free(job->held);
    free(job);
}

static const struct spool_job_kind change_kind = {NULL, change_index, change_after, change_done};

void spool_change(struct spool *spool, const struct spool_change *change, spool_change_fn *done, void *ctx)
{
    struct change_job *job = expect_calloc(1, sizeof *job);
    *job = (struct change_job){
        .job.kind = &change_kind, .change = *change, .now_ms = net_wall(spool->loop), .done = done, .ctx = ctx};
    buf_init(&job->journal, LOCAL_JOURNAL_MAX);
    submit(spool, job);
}

/* ---- pauses ---- */

struct pause_job {
    struct spool_job job;
    char upstream[256];
    bool paused;
    int64_t now_ms;
    struct fault unwritten;
    spool_change_fn *done;
    void *ctx;
};

static int pause_index(struct spool_writer *writer, struct spool_job *base, struct fault *fault)
{
    struct pause_job *job = LIST_ITEM(base, struct pause_job, job);
    return local_index_set_pause(writer->index, job->upstream, job->paused, job->now_ms, fault);
}

static void pause_after(struct spool_writer *writer, struct spool_job *base)
{
    struct pause_job *job = LIST_ITEM(base, struct pause_job, job);
    struct buf line;
    buf_init(&line, 4096);
    local_journal_line(&line, json_pack("{s:s, s:b}", "upstream", job->upstream, "paused", job->paused));
    write_decisions(writer, buf_bytes(&line), &job->unwritten);
    buf_done(&line);
}

static void set_paused(struct spool *spool, const char *upstream, bool paused)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    if (upstream[0] != '\0') {
        spool_upstream(spool, upstream)->paused = paused;
        return;
    }
    spool->paused = paused;
    while (!paused && map_next(spool->upstreams, &cursor, &key, &value)) {
        ((struct spool_upstream *)value)->paused = false;
    }
}

static void pause_done(struct spool *spool, struct spool_job *base)
{
    struct pause_job *job = LIST_ITEM(base, struct pause_job, job);
    bool failed = fault_is_set(&base->fault);
    struct spool_change_result result = {.changed = !failed};
    if (!failed) {
        set_paused(spool, job->upstream, job->paused);
    }
    if (!failed && !job->paused) {
        spool_wake(spool, job->upstream[0] == '\0' ? NULL : job->upstream);
    }
    const struct fault *fault = failed ? &base->fault : &job->unwritten;
    job->done(job->ctx, &result, fault_is_set(fault) ? fault : NULL);
    free(job);
}

static const struct spool_job_kind pause_kind = {NULL, pause_index, pause_after, pause_done};

void spool_change_pause(struct spool *spool, const char *upstream, bool paused, spool_change_fn *done, void *ctx)
{
    struct pause_job *job = expect_calloc(1, sizeof *job);
    *job = (struct pause_job){
        .job.kind = &pause_kind, .paused = paused, .now_ms = net_wall(spool->loop), .done = done, .ctx = ctx};
    snprintf(job->upstream, sizeof job->upstream, "%s", upstream == NULL ? "" : upstream);
    spool_submit(spool, &job->job);
}

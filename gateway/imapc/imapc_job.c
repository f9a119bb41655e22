/*
 * imapc_job - one piece of work: some messages for one folder, or a search for some in one folder; and what becomes of
 * them. See imapc_private.h.
 */
#include "imapc/imapc_private.h"

#include <stdlib.h>

#include "base/expect.h"

/* ---- taking ---- */

static struct imapc_append *first_of(const struct list *queue)
{
    return list_is_empty(queue) ? NULL : LIST_ITEM(queue->next, struct imapc_append, link);
}

/* One connection serves a folder; more join it when batches are worth it, or when the server gains by it. */
static bool may_append(struct imapc_pool *pool, const struct imapc_backlog *folder, bool can_batch)
{
    if (folder->waiting_count == 0 || !imapc_core_affords(pool, first_of(&folder->waiting)->body.size)) {
        return false;
    }
    if (folder->busy == 0) {
        return true;
    }
    return can_batch ? folder->waiting_count >= (size_t)IMAPC_BATCH_SPILL * folder->busy
                     : folder->busy < pool->account.settings[IMAPC_FOLDER_CONNECTIONS];
}

static struct imapc_job *job_new(struct imapc_backlog *folder, bool is_search, size_t most)
{
    struct imapc_job *job = expect_calloc(1, sizeof *job);
    job->folder = folder;
    job->is_search = is_search;
    job->appends = expect_calloc(most, sizeof *job->appends);
    if (is_search) {
        job->wanted = expect_calloc(most, sizeof *job->wanted);
    } else {
        job->messages = expect_calloc(most, sizeof *job->messages);
    }
    return job;
}

static void add_append(struct imapc_pool *pool, struct imapc_job *job, struct imapc_append *append)
{
    list_remove(&append->link);
    pool->waiting_count--;
    pool->active_count++;
    if (job->is_search) {
        job->folder->doubtful_count--;
        job->wanted[job->count] = (struct imapc_wanted){
            .id = append->id, .flags = append->flags, .flag_count = append->flag_count, .doubt = &append->doubt};
    } else {
        job->folder->waiting_count--;
        job->messages[job->count] = (struct imapc_message){.flags = append->flags,
                                                           .flag_count = append->flag_count,
                                                           .date_ms = append->date_ms,
                                                           .utf8 = append->utf8,
                                                           .bare = append->doubt.bare,
                                                           .id = append->id,
                                                           .size = append->body.size};
    }
    job->appends[job->count++] = append;
}

/* The first that waits, and as many behind it as go well together with it. */
static struct imapc_job *take_appends(struct imapc_pool *pool, struct imapc_backlog *folder, bool can_batch)
{
    struct imapc_append *append = first_of(&folder->waiting);
    unsigned mark = append->batch_most;
    size_t most = can_batch ? (size_t)pool->account.settings[IMAPC_BATCH] : 1;
    most = mark > 0 && mark < most ? mark : most;
    most = imapc_health_is_trial(pool) ? 1 : most;
    most = most < folder->waiting_count ? most : folder->waiting_count;
    struct imapc_job *job = job_new(folder, false, most > 0 ? most : 1);
    uint64_t octets = append->body.size;
    do {
        pool->day_octets += append->body.size;
        add_append(pool, job, append);
        append = first_of(&folder->waiting);
        octets += append != NULL ? append->body.size : 0;
    } while (append != NULL && job->count < most && append->batch_most == mark &&
             octets <= pool->account.settings[IMAPC_BATCH_OCTETS] && imapc_core_affords(pool, append->body.size));
    folder->busy++;
    return job;
}

static struct imapc_job *take_search(struct imapc_pool *pool, struct imapc_backlog *folder)
{
    /* One pass over the folder's newest mail serves any number of ids. */
    size_t most = folder->doubtful_count < IMAPC_SEARCH_BATCH ? folder->doubtful_count : IMAPC_SEARCH_BATCH;
    struct imapc_job *job = job_new(folder, true, most);
    while (job->count < most) {
        add_append(pool, job, first_of(&folder->doubtful));
    }
    folder->searching = true;
    job->began = net_now(pool->loop);
    job->began_ms = net_wall(pool->loop);
    return job;
}

static struct imapc_job *take_job(struct imapc_pool *pool, bool can_batch, bool may_search)
{
    can_batch = can_batch && pool->account.settings[IMAPC_BATCH] > 1;
    if (pool->halted) {
        return NULL; /* it is given back */
    }
    if (imapc_health_is_trial(pool) && pool->active_count > 0) {
        return NULL; /* the one that is under way tells */
    }
    LIST_EACH(link, &pool->ring)
    {
        struct imapc_backlog *folder = LIST_ITEM(link, struct imapc_backlog, link);
        struct imapc_job *job = NULL;
        if (may_search && imapc_backlog_may_search(pool, folder)) {
            job = take_search(pool, folder);
        } else if (may_append(pool, folder, can_batch)) {
            job = take_appends(pool, folder, can_batch);
        }
        if (job != NULL) {
            imapc_backlog_release(pool, folder); /* behind the others */
            return job;
        }
    }
    return NULL;
}

struct imapc_job *imapc_job_take(struct imapc_pool *pool, bool can_batch)
{
    return take_job(pool, can_batch, true);
}

struct imapc_job *imapc_job_take_append(struct imapc_pool *pool, bool can_batch)
{
    return take_job(pool, can_batch, false);
}

bool imapc_job_waits(struct imapc_pool *pool)
{
    bool waits = false;
    if (pool->connection_count < imapc_core_most(pool) || pool->draining || imapc_health_is_trial(pool)) {
        return false;
    }
    LIST_EACH(link, &pool->ring)
    {
        waits = waits || may_append(pool, LIST_ITEM(link, struct imapc_backlog, link), false);
    }
    return waits;
}

/* ---- doing ---- */

static void prepare_bodies(const struct imapc_job *job)
{
    const struct imapc_body *first = &job->appends[0]->body;
    if (first->prepare == NULL) {
        return;
    }
    void **ctxs = expect_calloc(job->count, sizeof *ctxs);
    for (size_t i = 0; i < job->count; i++) {
        ctxs[i] = job->appends[i]->body.ctx;
    }
    first->prepare(ctxs, job->count);
    free(ctxs);
}

void imapc_job_start(struct imapc_job *job, struct imapc_engine *engine, uint64_t now)
{
    if (job->is_search) {
        imapc_engine_locate(engine, now, job->folder->name, job->wanted, job->count);
    } else {
        prepare_bodies(job);
        imapc_engine_append(engine, now, job->folder->name, job->messages, job->count);
    }
}

/* ---- what became of it ---- */

static void queue_again(struct imapc_pool *pool, struct imapc_append *append)
{
    pool->active_count--;
    imapc_backlog_queue(pool, append, true);
}

static void answer_append(struct imapc_pool *pool, struct imapc_append *append, struct imapc_outcome outcome)
{
    outcome.possible_duplicate = append->doubt.noted && !fault_is_set(&outcome.fault);
    if (outcome.account && outcome.fault.class == FAULT_PERM) {
        outcome.fault.class = FAULT_TEMP; /* a wrong password is no property of the message */
    }
    imapc_core_answer(pool, append, &outcome);
}

static struct imapc_outcome outcome_of(const struct imapc_result *result)
{
    return (struct imapc_outcome){.fault = result->fault,
                                  .uidvalidity = result->uidvalidity,
                                  .folder = result->folder,
                                  .retry_after_ms = result->retry_after_ms,
                                  .account = result->account,
                                  .general = result->general,
                                  .mark = result->next};
}

/* From the last to the first, so that they stand in their order at the head of the queue. */
static void queue_all_again(struct imapc_pool *pool, struct imapc_job *job)
{
    for (size_t i = job->count; i-- > 0;) {
        queue_again(pool, job->appends[i]);
    }
}

/* ---- appends ---- */

/* Whether the messages that a refused or broken append has brought whole may lie there. */
static bool may_be_kept(const struct imapc_pool *pool, const struct imapc_job *job, const struct imapc_result *result)
{
    if (result->fault.class == FAULT_NONE) {
        return false;
    }
    /* Some servers keep the messages in front of the one that they refuse. */
    bool in_part = job->count > 1 && pool->account.settings[IMAPC_BATCH_ATOMIC] == 0;
    return result->fault.class == FAULT_UNCERTAIN || result->doubtful || in_part;
}

/* Those of the job that may lie there are in doubt from here on; after a batch, each of its messages goes alone. */
static void arise(struct imapc_pool *pool, struct imapc_job *job, const struct imapc_result *result, unsigned place)
{
    for (size_t i = 0; i < job->count; i++) {
        struct imapc_append *append = job->appends[i];
        append->doubt.bare = append->doubt.bare || result->bare;
        append->doubt.alone = append->doubt.alone || job->count > 1 || append->doubt.bare;
        append->batch_most = append->doubt.alone ? 1 : append->batch_most;
        if (job->count > 1 && result->ended && !result->account) {
            doubt_kill_together(&append->doubt, net_wall(pool->loop));
        }
        if (i < result->reached) {
            doubt_arise(&append->doubt, &result->mark, place, net_wall(pool->loop));
        }
    }
    imapc_backlog_unsettle(pool, job->folder);
}

/* A refused batch goes again in halves, until the message that the server does not want stands alone: of fifty it is
 * found by six refusals, and the others lie there. RFC 3502 has a refused MULTIAPPEND name none of its messages. */
static void split_batch(struct imapc_pool *pool, struct imapc_job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        unsigned half = (unsigned)(job->count + 1) / 2;
        job->appends[i]->batch_most = job->appends[i]->doubt.alone ? 1 : half;
    }
    queue_all_again(pool, job);
}

/* What the fault means for one of the job's messages. */
static struct imapc_outcome outcome_at(const struct imapc_job *job, const struct imapc_result *result, size_t index)
{
    struct imapc_outcome outcome = outcome_of(result);
    bool uncertain = job->appends[index]->doubt.open;
    outcome.uid = job->messages[index].uid;
    outcome.merged = job->messages[index].merged;
    outcome.killed = result->ended && result->sent && job->count == 1 && !result->account;
    if (result->fault.class != FAULT_NONE && result->fault.class != FAULT_LOCAL && uncertain) {
        outcome.fault.class = FAULT_UNCERTAIN;
    } else if (result->fault.class == FAULT_UNCERTAIN) {
        outcome.fault.class = FAULT_TEMP; /* the server never had the whole of this one */
    }
    return outcome;
}

static void finish_appends(struct imapc_pool *pool, struct imapc_job *job, const struct imapc_result *result,
                           unsigned place)
{
    bool refused = result->fault.class == FAULT_PERM || result->fault.class == FAULT_TEMP;
    if (may_be_kept(pool, job, result) && (result->reached > 0 || job->count > 1)) {
        arise(pool, job, result, place);
    }
    if (job->count > 1 && refused && !result->account && !result->ended) {
        split_batch(pool, job);
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        answer_append(pool, job->appends[i], outcome_at(job, result, i));
    }
}

/* ---- searches ---- */

/*
 * Whether the search began before the server had its time to show the message. The doubt's own time is not enough: a
 * crash may have come behind a later send, of which nothing is written but that it was handed out; so the time of this
 * start counts, and of the folder's last doubt.
 */
static bool is_early(const struct imapc_pool *pool, const struct imapc_job *job, const struct doubt *doubt)
{
    int64_t age = job->began_ms - doubt->since_ms;
    bool is_fresh = doubt->since_ms != 0 && age >= 0 && age < (int64_t)pool->account.settle_ms;
    return is_fresh || job->began < job->folder->settled_at || job->began < pool->search_at;
}

static enum doubt_verdict judge_append(const struct imapc_pool *pool, struct imapc_append *append,
                                       const struct imapc_job *job, size_t index, const struct imapc_result *result,
                                       unsigned place, const char **why_r)
{
    const struct imapc_wanted *wanted = &job->wanted[index];
    int64_t age = net_wall(pool->loop) - append->doubt.since_ms;
    const struct doubt_look look = {
        .sight = result->sight,
        .found = wanted->uid != 0 || wanted->elsewhere != NULL,
        .early = is_early(pool, job, &append->doubt),
        /* A clock that was put back makes nothing young for ever. */
        .young = age >= 0 && age < DOUBT_GAP_SETTLES * (int64_t)pool->account.settle_ms,
        .place = place,
        .mark = result->mark,
        .cut = wanted->cut,
        .seen = wanted->seen,
        .vanished = wanted->vanished,
    };
    return doubt_judge(&append->doubt, &look, why_r);
}

static void finish_one(struct imapc_pool *pool, struct imapc_job *job, size_t index, const struct imapc_result *result,
                       unsigned place)
{
    struct imapc_append *append = job->appends[index];
    struct imapc_outcome outcome = outcome_of(result);
    bool is_said = result->said != NULL && result->said[0] != '\0';
    const char *why;
    switch (judge_append(pool, append, job, index, result, place, &why)) {
    case DOUBT_FOUND:
        outcome.found = true;
        outcome.uid = job->wanted[index].uid;
        outcome.twin_uid = job->wanted[index].twin_uid;
        outcome.elsewhere = outcome.uid == 0 ? job->wanted[index].elsewhere : NULL;
        answer_append(pool, append, outcome);
        break;
    case DOUBT_AGAIN:
        fault_set(&outcome.fault, FAULT_TEMP, "look", "look",
                  "an earlier attempt may have filed the message, and a look at the folder proves nothing: %s%s%s", why,
                  is_said ? "; the server said: " : "", is_said ? result->said : "");
        answer_append(pool, append, outcome);
        break;
    case DOUBT_ABSENT:
        queue_again(pool, append);
        break;
    case DOUBT_UNPROVEN:
        /* That a second copy is possible is written down before one can come to be: a crash behind it must not forget
         * what to tell. */
        fault_set(&outcome.fault, FAULT_TEMP, IMAPC_UNPROVEN, "look",
                  "an earlier attempt may have filed the message, and there is no way to find out (%s): the message is "
                  "sent again",
                  why);
        answer_append(pool, append, outcome);
        break;
    }
}

static void finish_search(struct imapc_pool *pool, struct imapc_job *job, const struct imapc_result *result,
                          unsigned place)
{
    for (size_t i = job->count; i-- > 0;) {
        if (fault_is_set(&result->fault)) {
            answer_append(pool, job->appends[i], outcome_of(result));
        } else {
            finish_one(pool, job, i, result, place);
        }
    }
}

void imapc_job_finish(struct imapc_pool *pool, struct imapc_job **job, const struct imapc_result *result, bool stale,
                      unsigned place)
{
    struct imapc_job *done = *job;
    *job = NULL;
    done->folder->busy -= !done->is_search;
    done->folder->searching = done->folder->searching && !done->is_search;
    if (stale && !result->sent && result->fault.class == FAULT_TEMP) {
        /* An idle connection had ended, by the server's close or by a reset, and nothing of a message went out: the
         * next connection takes it. */
        queue_all_again(pool, done);
    } else if (done->is_search) {
        finish_search(pool, done, result, place);
    } else {
        finish_appends(pool, done, result, place);
    }
    imapc_backlog_release(pool, done->folder);
    imapc_core_kick(pool);
    free(done->appends);
    free(done->messages);
    free(done->wanted);
    free(done);
}

/*
 * upstream_task - one piece of work of a connection: some messages for one folder, or a search for some in one folder;
 * and what becomes of them. See upstream_private.h.
 */
#include "upstream/upstream_private.h"

#include <stdlib.h>

#include "base/expect.h"

/* ---- taking ---- */

static struct upstream_append *first_of(const struct list *queue)
{
    return list_is_empty(queue) ? NULL : LIST_ITEM(queue->next, struct upstream_append, link);
}

/* One connection serves a folder; more join it when batches are worth it, or when the server gains by it. */
static bool may_append(struct upstream_pool *pool, const struct upstream_backlog *folder, bool can_batch)
{
    if (folder->waiting_count == 0 || !upstream_core_affords(pool, first_of(&folder->waiting)->body.size)) {
        return false;
    }
    if (folder->busy == 0) {
        return true;
    }
    return can_batch ? folder->waiting_count >= (size_t)UPSTREAM_BATCH_SPILL * folder->busy
                     : folder->busy < pool->account.settings[UPSTREAM_FOLDER_CONNECTIONS];
}

static struct upstream_task *task_new(struct upstream_backlog *folder, bool is_search, size_t most)
{
    struct upstream_task *task = expect_calloc(1, sizeof *task);
    task->folder = folder;
    task->is_search = is_search;
    task->appends = expect_calloc(most, sizeof *task->appends);
    if (is_search) {
        task->wanted = expect_calloc(most, sizeof *task->wanted);
    } else {
        task->messages = expect_calloc(most, sizeof *task->messages);
    }
    return task;
}

static void add_append(struct upstream_pool *pool, struct upstream_task *task, struct upstream_append *append)
{
    list_remove(&append->link);
    pool->waiting_count--;
    pool->active_count++;
    if (task->is_search) {
        task->folder->doubtful_count--;
        task->wanted[task->count] = (struct imapc_wanted){
            .id = append->id, .flags = append->flags, .flag_count = append->flag_count, .doubt = &append->doubt};
    } else {
        task->folder->waiting_count--;
        task->messages[task->count] = (struct imapc_message){.flags = append->flags,
                                                             .flag_count = append->flag_count,
                                                             .date_ms = append->date_ms,
                                                             .utf8 = append->utf8,
                                                             .bare = append->doubt.bare,
                                                             .id = append->id,
                                                             .size = append->body.size};
    }
    task->appends[task->count++] = append;
}

/* The first that waits, and as many behind it as go well together with it. */
static struct upstream_task *take_appends(struct upstream_pool *pool, struct upstream_backlog *folder, bool can_batch)
{
    struct upstream_append *append = first_of(&folder->waiting);
    unsigned mark = append->batch_most;
    size_t most = can_batch ? (size_t)pool->account.settings[UPSTREAM_BATCH] : 1;
    most = mark > 0 && mark < most ? mark : most;
    most = upstream_health_is_trial(pool) ? 1 : most;
    most = most < folder->waiting_count ? most : folder->waiting_count;
    struct upstream_task *task = task_new(folder, false, most > 0 ? most : 1);
    uint64_t octets = append->body.size;
    do {
        pool->day_octets += append->body.size;
        add_append(pool, task, append);
        append = first_of(&folder->waiting);
        octets += append != NULL ? append->body.size : 0;
    } while (append != NULL && task->count < most && append->batch_most == mark &&
             octets <= pool->account.settings[UPSTREAM_BATCH_OCTETS] && upstream_core_affords(pool, append->body.size));
    folder->busy++;
    return task;
}

static struct upstream_task *take_search(struct upstream_pool *pool, struct upstream_backlog *folder)
{
    /* One pass over the folder's newest mail serves any number of ids. */
    size_t most = folder->doubtful_count < UPSTREAM_SEARCH_BATCH ? folder->doubtful_count : UPSTREAM_SEARCH_BATCH;
    struct upstream_task *task = task_new(folder, true, most);
    while (task->count < most) {
        add_append(pool, task, first_of(&folder->doubtful));
    }
    folder->searching = true;
    task->began = net_now(pool->loop);
    task->began_ms = net_wall(pool->loop);
    return task;
}

static struct upstream_task *take_task(struct upstream_pool *pool, bool can_batch, bool may_search)
{
    can_batch = can_batch && pool->account.settings[UPSTREAM_BATCH] > 1;
    if (pool->halted) {
        return NULL; /* it is given back */
    }
    if (upstream_health_is_trial(pool) && pool->active_count > 0) {
        return NULL; /* the one that is under way tells */
    }
    LIST_EACH(link, &pool->ring)
    {
        struct upstream_backlog *folder = LIST_ITEM(link, struct upstream_backlog, link);
        struct upstream_task *task = NULL;
        if (may_search && upstream_backlog_may_search(pool, folder)) {
            task = take_search(pool, folder);
        } else if (may_append(pool, folder, can_batch)) {
            task = take_appends(pool, folder, can_batch);
        }
        if (task != NULL) {
            upstream_backlog_release(pool, folder); /* behind the others */
            return task;
        }
    }
    return NULL;
}

struct upstream_task *upstream_task_take(struct upstream_pool *pool, bool can_batch)
{
    return take_task(pool, can_batch, true);
}

struct upstream_task *upstream_task_take_append(struct upstream_pool *pool, bool can_batch)
{
    return take_task(pool, can_batch, false);
}

bool upstream_task_waits(struct upstream_pool *pool)
{
    bool waits = false;
    if (pool->connection_count < upstream_core_most(pool) || pool->draining || upstream_health_is_trial(pool)) {
        return false;
    }
    LIST_EACH(link, &pool->ring)
    {
        waits = waits || may_append(pool, LIST_ITEM(link, struct upstream_backlog, link), false);
    }
    return waits;
}

/* ---- doing ---- */

static void prepare_bodies(const struct upstream_task *task)
{
    const struct upstream_body *first = &task->appends[0]->body;
    if (first->prepare == NULL) {
        return;
    }
    void **ctxs = expect_calloc(task->count, sizeof *ctxs);
    for (size_t i = 0; i < task->count; i++) {
        ctxs[i] = task->appends[i]->body.ctx;
    }
    first->prepare(ctxs, task->count);
    free(ctxs);
}

void upstream_task_start(struct upstream_task *task, struct imapc_engine *engine, uint64_t now)
{
    if (task->is_search) {
        imapc_engine_locate(engine, now, task->folder->name, task->wanted, task->count);
    } else {
        prepare_bodies(task);
        imapc_engine_append(engine, now, task->folder->name, task->messages, task->count);
    }
}

/* ---- what became of it ---- */

static void queue_again(struct upstream_pool *pool, struct upstream_append *append)
{
    pool->active_count--;
    upstream_backlog_queue(pool, append, true);
}

static void answer_append(struct upstream_pool *pool, struct upstream_append *append, struct upstream_outcome outcome)
{
    outcome.possible_duplicate = append->doubt.noted && !fault_is_set(&outcome.fault);
    if (outcome.account && outcome.fault.class == FAULT_PERM) {
        outcome.fault.class = FAULT_TEMP; /* a wrong password is no property of the message */
    }
    upstream_core_answer(pool, append, &outcome);
}

static struct upstream_outcome outcome_of(const struct imapc_result *result)
{
    return (struct upstream_outcome){.fault = result->fault,
                                     .uidvalidity = result->uidvalidity,
                                     .folder = result->folder,
                                     .retry_after_ms = result->retry_after_ms,
                                     .account = result->account,
                                     .general = result->general,
                                     .mark = result->next};
}

/* From the last to the first, so that they stand in their order at the head of the queue. */
static void queue_all_again(struct upstream_pool *pool, struct upstream_task *task)
{
    for (size_t i = task->count; i-- > 0;) {
        queue_again(pool, task->appends[i]);
    }
}

/* ---- appends ---- */

/* Whether the messages that a refused or broken append has brought whole may lie there. */
static bool may_be_kept(const struct upstream_pool *pool, const struct upstream_task *task,
                        const struct imapc_result *result)
{
    if (result->fault.class == FAULT_NONE) {
        return false;
    }
    /* Some servers keep the messages in front of the one that they refuse. */
    bool in_part = task->count > 1 && pool->account.settings[UPSTREAM_BATCH_ATOMIC] == 0;
    return result->fault.class == FAULT_UNCERTAIN || result->doubtful || in_part;
}

/*
 * Whether the connection ended over what it carried: by the server, or since the server did not answer. An end of our
 * own making (a stored body that cannot be read, the program's end, a lease that ran out) says nothing of a message.
 */
static bool is_cut_off(const struct imapc_result *result)
{
    return result->ended && !result->ours && !result->account;
}

/* Those of the task that may lie there are in doubt from here on; after a batch, each of its messages goes alone. */
static void arise(struct upstream_pool *pool, struct upstream_task *task, const struct imapc_result *result,
                  unsigned place)
{
    for (size_t i = 0; i < task->count; i++) {
        struct upstream_append *append = task->appends[i];
        append->doubt.bare = append->doubt.bare || result->bare;
        append->doubt.alone = append->doubt.alone || task->count > 1 || append->doubt.bare;
        append->batch_most = append->doubt.alone ? 1 : append->batch_most;
        if (task->count > 1 && is_cut_off(result)) {
            doubt_kill_together(&append->doubt, net_wall(pool->loop));
        }
        if (i < result->reached) {
            doubt_arise(&append->doubt, &result->mark, place, net_wall(pool->loop));
        }
    }
    upstream_backlog_unsettle(pool, task->folder);
}

/* A refused batch goes again in halves, until the message that the server does not want stands alone: of fifty it is
 * found by six refusals, and the others lie there. RFC 3502 has a refused MULTIAPPEND name none of its messages. */
static void split_batch(struct upstream_pool *pool, struct upstream_task *task)
{
    for (size_t i = 0; i < task->count; i++) {
        unsigned half = (unsigned)(task->count + 1) / 2;
        task->appends[i]->batch_most = task->appends[i]->doubt.alone ? 1 : half;
    }
    queue_all_again(pool, task);
}

static bool has_unread(const struct upstream_task *task)
{
    for (size_t i = 0; i < task->count; i++) {
        if (task->messages[i].unread) {
            return true;
        }
    }
    return false;
}

/* What the fault means for one of the task's messages. */
static struct upstream_outcome outcome_at(const struct upstream_task *task, const struct imapc_result *result,
                                          size_t index)
{
    struct upstream_outcome outcome = outcome_of(result);
    bool uncertain = task->appends[index]->doubt.open;
    outcome.uid = task->messages[index].uid;
    outcome.merged = task->messages[index].merged;
    outcome.killed = is_cut_off(result) && result->sent && task->count == 1;
    if (result->fault.class != FAULT_NONE && result->fault.class != FAULT_LOCAL && uncertain) {
        outcome.fault.class = FAULT_UNCERTAIN;
    } else if (result->fault.class == FAULT_UNCERTAIN) {
        /* The server never had the whole of this one. */
        outcome.fault.class = result->ours ? FAULT_LOCAL : FAULT_TEMP;
    }
    if (result->ours && !task->messages[index].unread && has_unread(task)) {
        enum fault_class class = outcome.fault.class;
        outcome.fault = FAULT_INIT;
        fault_set(
            &outcome.fault, class, "beside-unread", result->fault.where,
            "another message of the same command cannot be read, so the command was given up, and this one is sent "
            "again without it (%s)",
            result->fault.text);
    }
    return outcome;
}

static void finish_appends(struct upstream_pool *pool, struct upstream_task *task, const struct imapc_result *result,
                           unsigned place)
{
    bool refused = result->fault.class == FAULT_PERM || result->fault.class == FAULT_TEMP;
    if (may_be_kept(pool, task, result) && (result->reached > 0 || task->count > 1)) {
        arise(pool, task, result, place);
    }
    if (task->count > 1 && refused && !result->account && !result->ended) {
        split_batch(pool, task);
        return;
    }
    for (size_t i = 0; i < task->count; i++) {
        answer_append(pool, task->appends[i], outcome_at(task, result, i));
    }
}

/* ---- searches ---- */

/*
 * Whether the search began before the server had its time to show the message. The doubt's own time is not enough: a
 * crash may have come behind a later send, of which nothing is written but that it was handed out; so the time of this
 * start counts, and of the folder's last doubt.
 */
static bool is_early(const struct upstream_pool *pool, const struct upstream_task *task, const struct doubt *doubt)
{
    int64_t age = task->began_ms - doubt->since_ms;
    bool is_fresh = doubt->since_ms != 0 && age >= 0 && age < (int64_t)pool->account.settle_ms;
    return is_fresh || task->began < task->folder->settled_at || task->began < pool->search_at;
}

static enum doubt_verdict judge_append(const struct upstream_pool *pool, struct upstream_append *append,
                                       const struct upstream_task *task, size_t index,
                                       const struct imapc_result *result, unsigned place, const char **why_r)
{
    const struct imapc_wanted *wanted = &task->wanted[index];
    int64_t age = net_wall(pool->loop) - append->doubt.since_ms;
    const struct doubt_look look = {
        .sight = result->sight,
        .found = wanted->uid != 0 || wanted->elsewhere != NULL,
        .early = is_early(pool, task, &append->doubt),
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

static void finish_one(struct upstream_pool *pool, struct upstream_task *task, size_t index,
                       const struct imapc_result *result, unsigned place)
{
    struct upstream_append *append = task->appends[index];
    struct upstream_outcome outcome = outcome_of(result);
    bool is_said = result->said != NULL && result->said[0] != '\0';
    const char *why;
    switch (judge_append(pool, append, task, index, result, place, &why)) {
    case DOUBT_FOUND:
        outcome.found = true;
        outcome.uid = task->wanted[index].uid;
        outcome.twin_uid = task->wanted[index].twin_uid;
        outcome.elsewhere = outcome.uid == 0 ? task->wanted[index].elsewhere : NULL;
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
        fault_set(&outcome.fault, FAULT_TEMP, UPSTREAM_UNPROVEN, "look",
                  "an earlier attempt may have filed the message, and there is no way to find out (%s): the message is "
                  "sent again",
                  why);
        answer_append(pool, append, outcome);
        break;
    }
}

static void finish_search(struct upstream_pool *pool, struct upstream_task *task, const struct imapc_result *result,
                          unsigned place)
{
    for (size_t i = task->count; i-- > 0;) {
        if (fault_is_set(&result->fault)) {
            answer_append(pool, task->appends[i], outcome_of(result));
        } else {
            finish_one(pool, task, i, result, place);
        }
    }
}

void upstream_task_finish(struct upstream_pool *pool, struct upstream_task **task, const struct imapc_result *result,
                          bool stale, unsigned place)
{
    struct upstream_task *done = *task;
    *task = NULL;
    done->folder->busy -= !done->is_search;
    done->folder->searching = done->folder->searching && !done->is_search;
    bool is_lost = result->fault.class == FAULT_TEMP || result->fault.class == FAULT_LOCAL;
    if (stale && !result->sent && is_lost) {
        /* An idle connection had ended, by the server's close, by a reset or by us, and nothing of a message went out:
         * the next connection takes it. */
        queue_all_again(pool, done);
    } else if (done->is_search) {
        finish_search(pool, done, result, place);
    } else {
        finish_appends(pool, done, result, place);
    }
    upstream_backlog_release(pool, done->folder);
    upstream_core_kick(pool);
    free(done->appends);
    free(done->messages);
    free(done->wanted);
    free(done);
}

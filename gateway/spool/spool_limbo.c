/*
 * spool_limbo - groups of which nobody knows whether they are durable: they are told neither yes nor no.
 *
 * The store is asked again and again what became of them, until it knows. A sender who has waited for SPOOL_LIMBO_MS is
 * told that nobody knows. Who was answered, or not, does not matter for who comes: as long as it goes on, mail is
 * refused.
 *
 * A group that ends behind one in limbo is told behind it, too: what it found out holds for a queue in which the other
 * one's changes stand. A sender who repeats a message hears how many of its deliveries are open; those that the group
 * in limbo settled are no longer among them, and whoever waits for the open ones must have heard of these before.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_node.h"
#include "spool/spool_private.h"

struct asking {
    struct spool *spool;
    struct list groups;
};

static void on_timer(void *ctx)
{
    spool_limbo_resolve(ctx);
}

static void wait_for_store(struct spool *spool)
{
    if (spool->limbo_timer == NULL) {
        spool->limbo_timer = net_timer_new(spool->loop, on_timer, spool);
    }
    if (!spool->closing) {
        net_timer_start(spool->limbo_timer, SPOOL_TROUBLE_MS);
    }
}

static void refuse_group(struct spool *spool, const struct spool_group *group)
{
    spool->trouble = group->batch.fault;
    spool->trouble_until = net_now(spool->loop) + 2 * SPOOL_TROUBLE_MS;
    spool_note_failure(spool);
}

bool spool_limbo_follow(struct spool *spool, struct spool_group *group)
{
    bool follows = spool->resolving || !list_is_empty(&spool->limbo);
    if (follows) {
        list_append(&spool->limbo, &group->link);
        spool_limbo_resolve(spool);
    }
    return follows;
}

void spool_limbo_take(struct spool *spool, struct spool_group *group)
{
    log_event(spool->log, LOG_LEVEL_ERROR, "spool_in_limbo", LOG_INT("operations", (uint64_t)group->batch.count),
              LOG_STR("error.code", group->batch.fault.code),
              LOG_STR("reason", "it is not known whether these changes are on stable storage: the gateway finds out by "
                                "itself, and senders hear 4xx until it knows"));
    group->was_in_limbo = true;
    group->limbo_since = net_now(spool->loop);
    spool->counts.limbo++;
    spool->counts.limbo_total++;
    list_append(&spool->limbo, &group->link);
    refuse_group(spool, group);
    wait_for_store(spool);
}

static void resolve_group(void *ctx)
{
    struct asking *asking = ctx;
    struct store *store = asking->spool->store;
    LIST_EACH(link, &asking->groups)
    {
        struct spool_group *group = LIST_ITEM(link, struct spool_group, link);
        if (group->verdict == STORE_IN_LIMBO) {
            group->verdict = store->ops->resolve(store, &group->batch);
        }
    }
}

/* It came to be durable after all: what its operations found out is valid, their own faults too. */
static void forget_faults(struct spool_group *group)
{
    LIST_EACH(link, &group->batch.ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        op->fault = op->failed_with_batch ? FAULT_INIT : op->fault;
    }
}

static void leave_uncertain(struct spool_group *group)
{
    LIST_EACH(link, &group->batch.ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        struct fault was = op->fault;
        op->fault = FAULT_INIT;
        fault_set(&op->fault, FAULT_UNCERTAIN, was.code, was.where,
                  "it is unknown whether the data is on stable storage: %s", was.text);
    }
}

/* What is known of the group now: false when that is nothing, and those who wait for it have time. */
static bool is_settled(struct spool *spool, struct spool_group *group)
{
    bool is_late = net_now(spool->loop) - group->limbo_since >= SPOOL_LIMBO_MS;
    if (!group->was_in_limbo) {
        return true;
    }
    if (group->verdict == STORE_IN_LIMBO) {
        refuse_group(spool, group);
        if (!is_late) {
            return false;
        }
        leave_uncertain(group);
        spool_node_renounce(spool);
    } else if (group->verdict == STORE_COMMITTED) {
        forget_faults(group);
    }
    spool->counts.limbo--;
    return true;
}

static void on_resolved(void *ctx)
{
    struct asking *asking = ctx;
    struct spool *spool = asking->spool;
    bool goes_on = true;
    while (goes_on && !list_is_empty(&asking->groups)) {
        struct spool_group *group = LIST_ITEM(asking->groups.next, struct spool_group, link);
        goes_on = is_settled(spool, group);
        if (goes_on) {
            list_remove(&group->link);
            spool_group_answer(spool, &group);
        }
    }
    /* In front of those that came since. */
    list_move(&asking->groups, &spool->limbo);
    list_move(&spool->limbo, &asking->groups);
    spool->resolving = false;
    if (goes_on) {
        spool_limbo_resolve(spool);
    } else {
        wait_for_store(spool);
    }
    free(asking);
}

void spool_limbo_resolve(struct spool *spool)
{
    if (spool->resolving || list_is_empty(&spool->limbo)) {
        return;
    }
    struct asking *asking = expect_calloc(1, sizeof *asking);
    asking->spool = spool;
    list_init(&asking->groups);
    list_move(&asking->groups, &spool->limbo);
    spool->resolving = true;
    net_lane_submit(spool->disk, resolve_group, on_resolved, asking);
}

void spool_limbo_end(struct spool *spool)
{
    for (struct list *link; (link = list_take(&spool->limbo)) != NULL;) {
        struct spool_group *group = LIST_ITEM(link, struct spool_group, link);
        if (group->verdict == STORE_IN_LIMBO) {
            leave_uncertain(group);
        }
        spool_group_answer(spool, &group);
    }
}

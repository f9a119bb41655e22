/*
 * spool_doubt - jobs of a group whose transaction failed so that it may come to life after a crash: they are told neither yes nor no.
 *
 * A sync of the index's log that failed says nothing about what is on the disk. It is not tried again (the kernel would say yes and mean
 * nothing): another transaction is written over the failed one and synced, again and again until one succeeds, and then the jobs have failed
 * for certain. A sender who has waited for SPOOL_DOUBT_MS is told that nobody knows.
 */
#include "spool/spool_private.h"

#include "base/expect.h"

static void on_timer(void *ctx)
{
    struct spool *spool = ctx;
    if (net_now(spool->loop) - spool->doubtful_since >= SPOOL_DOUBT_MS) {
        spool_doubt_end(spool, false);
    }
    /* Who was answered, or not, does not matter: as long as the disk fails, mail is refused, and the first success ends that. */
    spool->write_over_due = true;
    spool_pump(spool);
}

static void take(struct spool *spool, struct spool_group *group)
{
    log_event(
        spool->log, LOG_LEVEL_ERROR, "spool_in_doubt", LOG_INT("jobs", (uint64_t)group->count),
        LOG_STR("error.code", group->fault.code),
        LOG_STR("reason", "what could not be synced may be on the disk: nobody is answered before it is written over"));
    if (list_is_empty(&spool->doubtful)) {
        spool->doubtful_since = net_now(spool->loop);
    }
    list_move(&spool->doubtful, &group->jobs);
}

void spool_doubt_look(struct spool *spool, struct spool_group *group)
{
    if (group->in_doubt && group->count > 0) {
        take(spool, group);
    }
    if (!group->not_over) {
        spool_doubt_end(spool, true);
        return;
    }
    spool->trouble = group->fault;
    spool->trouble_until = net_now(spool->loop) + 2 * SPOOL_TROUBLE_MS;
    if (spool->doubt_timer == NULL) {
        spool->doubt_timer = net_timer_new(spool->loop, on_timer, spool);
    }
    if (!spool->closing) {
        net_timer_start(spool->doubt_timer, SPOOL_TROUBLE_MS);
    }
}

static void leave_uncertain(struct spool_job *job)
{
    struct fault was = job->fault;
    job->fault = FAULT_INIT;
    fault_set(&job->fault, FAULT_UNCERTAIN, was.code, was.where, "nobody knows whether it is on the disk: %s",
              was.text);
}

void spool_doubt_end(struct spool *spool, bool written_over)
{
    struct list jobs;
    list_init(&jobs);
    list_move(&jobs, &spool->doubtful);
    for (struct list *link; (link = list_take(&jobs)) != NULL;) {
        struct spool_job *job = LIST_ITEM(link, struct spool_job, link);
        if (!written_over) {
            leave_uncertain(job);
        }
        job->kind->done(spool, job);
    }
}

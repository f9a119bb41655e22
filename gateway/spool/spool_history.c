/*
 * spool_history - what becomes of settled messages: they are learnt, so that they can be searched; they lose what their
 * header said, and at last they are forgotten. A few at a time, beside whatever else a group does.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

#define BATCH    500
#define PAUSE_MS 30000
/* So many new messages are learnt together: the index of words pays for each transaction, not for each message. */
#define LEARN 1000

/* ---- forgetting ---- */

static void forget_old(struct spool *spool);

static void forget_done(struct spool *spool, struct spool_job *job)
{
    bool more = !fault_is_set(&job->op.fault) && job->op.forget.forgotten == BATCH;
    spool->forgetting = false;
    spool->forgot_at = net_now(spool->loop);
    free(job);
    if (more && !spool->closing) {
        forget_old(spool);
    }
}

static void forget_old(struct spool *spool)
{
    struct spool_job *job = expect_calloc(1, sizeof *job);
    *job = (struct spool_job){
        .done = forget_done,
        .op = {.kind = STORE_FORGET,
               .forget = {.keep_ms = spool->options.history_ms,
                          .keep_messages = spool->options.history_messages,
                          .limit = BATCH}},
    };
    spool->forgetting = true;
    spool_submit(spool, job);
}

/* ---- learning ---- */

static void learn_words(struct spool *spool);

static void learn_done(struct spool *spool, struct spool_job *job)
{
    const struct store_learn *learnt = &job->op.learn;
    bool more = !fault_is_set(&job->op.fault) && (learnt->learnt == LEARN || learnt->unlearnt == LEARN);
    spool->learning = false;
    spool->learnt_at = net_now(spool->loop);
    free(job);
    if (more && !spool->closing) {
        learn_words(spool);
    }
}

static void learn_words(struct spool *spool)
{
    struct spool_job *job = expect_calloc(1, sizeof *job);
    *job = (struct spool_job){
        .done = learn_done,
        .op = {.kind = STORE_LEARN, .learn = {.keep_ms = spool->options.search_ms, .limit = LEARN}},
    };
    spool->learning = true;
    spool->to_learn = 0;
    spool_submit(spool, job);
}

void spool_history_tidy(struct spool *spool)
{
    uint64_t now = net_now(spool->loop);
    if (spool->closing) {
        return;
    }
    if (!spool->forgetting && now - spool->forgot_at >= PAUSE_MS) {
        forget_old(spool);
    }
    if (!spool->learning && (spool->to_learn >= LEARN || now - spool->learnt_at >= PAUSE_MS)) {
        learn_words(spool);
    }
}

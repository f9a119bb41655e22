/*
 * spool_trouble - whether the store does what it is asked; see spool_answers() in spool.h.
 */
#include "base/expect.h"
#include "spool/spool_private.h"

void spool_note_failure(struct spool *spool)
{
    spool->is_failing = true;
    spool->failed_at = net_now(spool->loop);
}

bool spool_answers(const struct spool *spool)
{
    NET_EXPECT_LOOP(spool->loop);
    return !spool->is_failing && spool_node_is_heard(spool);
}

struct fault spool_trouble(const struct spool *spool)
{
    struct fault fault = FAULT_INIT;
    NET_EXPECT_LOOP(spool->loop);
    if (spool->is_failing) {
        return spool->trouble;
    }
    fault_set(&fault, FAULT_LOCAL, "down", "spool", "the database does not answer");
    return fault;
}

/*
 * sim_store - what the gateway of a world keeps its messages in: the local store on the simulated disk, or the model of
 * a store (gateway/store/model), which has no disk and no code in common with it.
 *
 * On the model nothing is torn, so what a world then finds is of the house above the door. The faults of the disk come as
 * the door tells of them: a commit that fails for certain; one whose answer is lost, which is in limbo until somebody asks,
 * and was written or was not; a question that is not answered; no room; a crash before and behind a commit.
 */
#ifndef MAILWEIR_SIM_STORE_H
#define MAILWEIR_SIM_STORE_H

#include "store/store.h"

/* Before the world begins. */
void sim_store_choose(bool model);
/* Or another kind, of a world's own. */
void sim_store_use(const struct store_ops *store);
/* The kind that this world's gateways open. */
const struct store_ops *sim_store(void);

#endif

/*
 * sim_index - what `mailweir why` and `queue list` would tell, asked beside the gateway by the functions that they use.
 */
#ifndef MAILWEIR_SIM_INDEX_H
#define MAILWEIR_SIM_INDEX_H

#include "sim.h"

/* Calls fn with the id of each delivery in this state. Asking meets no faults; false when the index cannot be read just now. */
bool sim_index_each(const char *state, void (*fn)(void *ctx, const char *id), void *ctx);
/* Ends the world when the story of some message is not what the servers saw. At the end: nothing may be open any more. */
void sim_index_check(bool at_end);

#endif

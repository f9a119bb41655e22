/*
 * model - the store in plain C and in memory, for tests: what store.h promises, written down a second time and as simply as it can be. A room behind the door
 * that answers otherwise than this one is wrong, or this one is, or the door does not say.
 *
 * What was committed outlives model_crash(), as if each commit were synced; nothing else does.
 */
#ifndef MAILWEIR_STORE_MODEL_MODEL_H
#define MAILWEIR_STORE_MODEL_MODEL_H

#include "base/must_use.h"
#include "store/store.h"

/* wall: milliseconds since 1970. Closed by ops->close(). */
MUST_USE struct store *model_open(int64_t (*wall)(void *ctx), void *clock); /* for tests */
/* Whoever had the store has died, and it was opened again. */
void model_crash(struct store *store); /* for tests */

#endif

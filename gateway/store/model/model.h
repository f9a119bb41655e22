/*
 * model - the store in plain C and in memory, for tests: what store.h promises, written down a second time and as
 * simply as it can be. A room behind the door that answers otherwise than this one is wrong, or this one is, or the
 * door does not say.
 *
 * What was committed outlives model_crash(), as if each commit were synced; nothing else does.
 */
#ifndef MAILWEIR_STORE_MODEL_MODEL_H
#define MAILWEIR_STORE_MODEL_MODEL_H

#include "store/store.h"

/* A store that is opened is empty, wherever its path leads, and is gone when it is closed. Nobody else can see it. */
extern const struct store_ops model_store; /* for tests */
/* Whoever had the store has died, and it was opened again. */
void model_crash(struct store *store); /* for tests */

#endif

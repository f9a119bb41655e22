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

/* ---- several nodes on one model, for tests: whoever has a model gives each its seat ---- */

#define MODEL_NAME_MAX 64

struct model_seat {
    char name[MODEL_NAME_MAX];
    uint64_t lease_ms; /* 0: the store's own */
    uint64_t epoch;    /* since the last model_join() */
    int64_t changed;   /* what was heard last of what others have changed ... */
    uint64_t memos;    /* ... and of what all remember */
};

/* A start of it: its epoch is another one; what an earlier start under its name had in hand is in doubt. */
void model_join(struct store *store, struct model_seat *seat); /* for tests */
/* It ends in order: nothing of it is in doubt or in hand for anybody. */
void model_leave(struct store *store, const struct model_seat *seat); /* for tests */
/* What is done from here on is done by this one. False: another has taken it for dead, and it may not write. */
MUST_USE bool model_enter(struct store *store, const struct model_seat *seat); /* for tests */
/* beat() of the door; other nodes whose lease ran out are ended. */
void model_beat(struct store *store, struct model_seat *seat, struct store_beat *beat); /* for tests */
/* A batch leaves its key with what it writes. Whoever asks for a key that is not there puts his own in its place, so
 * that the batch can never be written any more: false, then and ever after. */
void model_note_key(struct store *store, uint64_t epoch, uint64_t number);         /* for tests */
MUST_USE bool model_ask_key(struct store *store, uint64_t epoch, uint64_t number); /* for tests */
/* Another model that is as this one is now; the caller's to close. */
struct store *model_copy(struct store *store); /* for tests */

#endif

/*
 * local_restore - what the rebuild of an index takes over from the old one, or from operators' decisions.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_RESTORE_H
#define MAILWEIR_STORE_LOCAL_LOCAL_RESTORE_H

#include <sqlite3.h>

#include "base/map.h"
#include "base/must_use.h"
#include "store/local/local_index.h"

/* Makes the old index known to the new one's connection, outside of transactions; brings it up to date first. */
MUST_USE int local_restore_attach(struct local_index *index, sqlite3 *old, const char *path, struct fault *fault);
/* Takes over all that the old index tells; -1 with a fault, and nothing taken, when a part of it cannot be read. */
MUST_USE int local_restore_old(struct local_index *index, struct fault *fault);
/* Without it: what operators decided. */
MUST_USE int local_restore_decisions(struct local_index *index, const char *spool, int64_t now_ms, uint64_t *applied_r,
                                     uint64_t *damaged_r, struct fault *fault);
/* Of records whose message is another one (ADD_MESSAGE, adopted): its id, by the record's; values are freed by free().
 */
MUST_USE struct map *local_restore_adopted(const char *spool);
/* Counts the open deliveries of each message anew. */
MUST_USE int local_restore_count(struct local_index *index, struct fault *fault);
/* At the start: forgets decisions about messages that are settled. */
MUST_USE int local_restore_shrink(struct local_index *index, const char *spool, struct fault *fault);

#endif

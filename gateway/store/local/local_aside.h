/*
 * local_aside - the files of an index: where a new one is made, and how it takes the old one's place.
 *
 *   index.sqlite              the index
 *   index.sqlite.new          one that is being made: nobody takes it for an index
 *   index.sqlite.new-<time>   one that is whole, while the old one goes out of its way ...
 *   index.sqlite.old-<time>   ... to here, where it stays
 *
 * Each with the files that SQLite keeps beside it. Whatever the power leaves of a change, local_aside_recover() makes
 * of it what it was before. Who has the lock of the spool calls these.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_ASIDE_H
#define MAILWEIR_STORE_LOCAL_LOCAL_ASIDE_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/must_use.h"
#include "store/local/local_segment.h"

/* Where the new one is made. */
void local_aside_new_path(const char *path, char file[LOCAL_PATH_MAX]);
/* Throws away what was made of it. */
void local_aside_remove_new(const char *path);
/* Moves the index out of the way; kept is where to. There need not be one. */
MUST_USE int local_aside_set(const char *path, char kept[LOCAL_PATH_MAX], struct fault *fault);
/* Puts the new one, which is closed and has no log, in the place of the old one, which is kept. After a failure the old
 * one is in its place again, and the new one gone; or, where the disk does not allow that either, recover() does it. */
MUST_USE int local_aside_replace(const char *path, struct fault *fault);
/* Whether there is no index because one that was about to take its place did not get so far. */
bool local_aside_is_cut(const char *path);
/* After a change that was cut: the old index is in its place, and nothing is left of the new one. */
MUST_USE int local_aside_recover(const char *path, struct fault *fault);

#endif

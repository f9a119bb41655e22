/*
 * local_backup - a copy of a spool that may be in use, and the way back. Both block.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_BACKUP_H
#define MAILWEIR_STORE_LOCAL_LOCAL_BACKUP_H

#include "store/local/local_check.h"

struct local_backup_result {
    uint64_t messages, octets; /* that are not settled, and of their bodies: each was read and held against its sum */
    uint64_t deliveries;       /* open ones: in doubt from now on, in the copy */
    uint64_t damaged;          /* reported */
};

/*
 * Copies the spool at `path` into the folder `to`, which is made, or must be empty: the index as it is at one moment,
 * and what of the segments its open messages need. Only reads from `path`; a gateway may run. In the copy every open
 * delivery is in doubt, because whoever runs it cannot know what the original has filed since.
 *
 * Last, the copy is checked as local_check() does; report and progress are of that. 0 with what is there, whatever was
 * damaged; -1 with a fault ("not-empty": of `to`), and the copy is not one that would start.
 */
MUST_USE int local_backup(const char *path, const char *to, local_check_fn *report, local_check_progress_fn *progress,
                          void *ctx, struct local_backup_result *result_r, struct fault *fault);

#endif

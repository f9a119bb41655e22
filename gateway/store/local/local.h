/*
 * local - the store on a disk of this machine: bodies in segment files, everything else in SQLite (WAL,
 * synchronous=FULL). See store.h.
 *
 * A batch is one fdatasync of each segment that it wrote, then one transaction of the index, then the answers.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_H
#define MAILWEIR_STORE_LOCAL_LOCAL_H

#include "base/log.h"
#include "base/must_use.h"
#include "store/store.h"

struct local_options {
    const char *path;           /* a directory; made when missing, its parent must exist */
    uint64_t segment_size;      /* above it the next segment is begun */
    struct log *log;            /* of what is found at the start; NULL: nobody is told */
    int64_t (*wall)(void *ctx); /* milliseconds since 1970, from any thread */
    void *clock;                /* its ctx */
};

/*
 * Opens, locks and if needed creates the store. Fault "locked" when another process has it; "version" when it was
 * written by a newer mailweir; "damaged" when there are messages but no index. Closed by ops->close().
 */
MUST_USE int local_open(struct store **store_r, const struct local_options *options, struct fault *fault);

/*
 * To look at the store at path beside the process that has it, or when none has: body and ask only. Fault "version"
 * when it was written by a newer mailweir, or by an older one and not opened since.
 */
MUST_USE int local_look(struct store **store_r, const char *path, struct fault *fault);

#endif

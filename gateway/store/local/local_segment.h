/*
 * local_segment - one segment file that is appended to: records one behind the other, see local_record.h.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_SEGMENT_H
#define MAILWEIR_STORE_LOCAL_LOCAL_SEGMENT_H

#include "base/list.h"
#include "base/must_use.h"
#include "net/net_file.h"
#include "store/local/local_ahead.h"
#include "store/local/local_record.h"

#define LOCAL_PATH_MAX 4096

struct local_segment {
    struct list link; /* the group's list of segments to sync */
    uint64_t id;
    struct net_file *file;
    uint64_t tail; /* where the next octet goes */
    struct local_ahead ahead;
    bool fresh; /* its name is not yet durable */
    struct fault
        fault; /* of its last sync: what came since the one before cannot be trusted, nothing is appended any more */
};

/* Its path in the folder of segments. */
void local_segment_path(const char *folder, uint64_t id, char out[LOCAL_PATH_MAX]);
/* The id of a file name, 0 when it is no segment's. */
uint64_t local_segment_id(const char *name);
MUST_USE int local_segment_create(struct local_segment **segment_r, const char *folder, uint64_t id,
                                  struct fault *fault);
/* Appends at the tail, which stays where it is after a failure. */
MUST_USE int local_segment_append(struct local_segment *segment, const struct bytes *pieces, size_t count,
                                  struct fault *fault);
/* Reads the end of the record whose head stands at `at`: 0, also when it has none, or -1 when it is none of its; with a
 * fault, which may be NULL, where it cannot be read. */
MUST_USE int local_segment_read_end(struct net_file *file, uint64_t at, struct local_record *record,
                                    struct fault *fault);
/* Sets *segment to NULL; NULL is fine. */
void local_segment_close(struct local_segment **segment);

/* So many messages, with so many octets of records, live in a segment. */
typedef void local_segment_fn(void *ctx, uint64_t segment, uint64_t messages, uint64_t octets);

#endif

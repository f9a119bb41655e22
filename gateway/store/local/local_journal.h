/*
 * local_journal - what operators decided, beside the index: the file "decisions" in the spool's folder, one line for
 * each decision.
 *
 *   <checksum, 16 hexadecimal digits> {"id": "<message>", "number": 2, "state": "held" | "waiting" | "dropped" |
 * "moved"} <checksum> {"id": "<message>", "deliveries": [...]}          the message was rerouted: these were added
 *   <checksum> {"id": "<message>", "adopted": "<message>"}    the second one's record is a repeat of the first, whose
 * body may have become its own
 *   <checksum> {"upstream": "corp", "paused": true, "since_ms": …, "by": "anna"}     "": all of them
 *
 * The records of the segments tell what was decided when a message came; this tells what became of it by hand, so that
 * an index that has to be made anew without the old one does not undo it. Lines are written when the change is in the
 * index, and before the operator is told. At each start the lines about messages that are settled are left out.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_JOURNAL_H
#define MAILWEIR_STORE_LOCAL_LOCAL_JOURNAL_H

#include <jansson.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/must_use.h"

/* Octets of the whole file that are read. */
#define LOCAL_JOURNAL_MAX (1u << 30)

/* Appends the line of a decision to out; takes the decision over. */
void local_journal_line(struct buf *out, json_t *decision);
struct store_pause_row;
void local_journal_pause(struct buf *out, const struct store_pause_row *pause, bool paused);
/* Appends lines to the file of the spool and syncs it; makes the file when there is none. Blocks. */
MUST_USE int local_journal_write(const char *spool, struct bytes lines, struct fault *fault);
/*
 * Calls fn for each line that matches its checksum, until it returns non-zero (then -1); *damaged_r counts those that
 * do not (the last one of a crash). No file is an empty one. Blocks.
 */
MUST_USE int local_journal_each(const char *spool, int (*fn)(void *ctx, const json_t *decision, struct bytes line),
                                void *ctx, uint64_t *damaged_r, struct fault *fault);
/* Puts these lines in place of all. Blocks. */
MUST_USE int local_journal_replace(const char *spool, struct bytes lines, struct fault *fault);

#endif

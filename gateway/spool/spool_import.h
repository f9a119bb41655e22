/*
 * spool_import - takes messages in that another process has put beside the queue: the gateway's side of `mailweir queue
 * import`.
 *
 * Each message lies in a file of its own in the spool's folder "import", named by the message's id; what is known of it
 * comes with the request:
 *
 *   {"verb": "import", "messages": [{"envelope": {...}, "deliveries": [...], "size": 4711, "sum": "<16 hexadecimal
 * digits>"}, ...]}
 *
 * (see store_meta.h for envelope and deliveries). The reply is {"changed": 1, "known": 0, "results": ["added" | "known"
 * | "<what is wrong>", ...]}. A message whose id is known is not taken again, whatever became of the first; of a new
 * one the deliveries are looked for on their server before they are sent, because an earlier life of it may have filed
 * them.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_IMPORT_H
#define MAILWEIR_SPOOL_SPOOL_IMPORT_H

#include <jansson.h>

#include "base/must_use.h"
#include "spool/spool.h"

/* The folder of the files, and the file of one id; both of size octets at most. */
void spool_import_path(const char *spool, const char *id, char *out, size_t size);

typedef void spool_import_fn(void *ctx, const json_t *reply);
/* Does the request (kept until done is called); done comes once, from the loop. -1 with a fault when it is no such
 * request: done does not come then. */
MUST_USE int spool_import(struct spool *spool, const json_t *request, spool_import_fn *done, void *ctx,
                          struct fault *fault);

#endif

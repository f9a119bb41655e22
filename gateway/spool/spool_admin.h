/*
 * spool_admin - what operators change in the queue, safe while the gateway runs.
 *
 * A change is made in the groups of the disk lane, a few hundred deliveries at a time, so that reception goes on beside it. A delivery
 * that is being delivered at that moment is left alone and counted as busy.
 *
 * Requests are JSON, so that each way in (the index's table of commands, an API) says the same:
 *
 *   {"verb": "retry" | "hold" | "release" | "drop", "select": {...}, "by": "name"}    see spool_query.h for select
 *   {"verb": "pause" | "resume", "upstream": "corp"}                                  without upstream: all
 *   {"verb": "reroute", "message": "<id>", "deliveries": [...]}                       see store_meta.h for deliveries
 *
 *   {"verb": "import", "messages": [...]}                                              see spool_import.h
 *
 * The reply is {"changed": 3, "busy": 1} or {"error": "...", "code": "..."}.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_ADMIN_H
#define MAILWEIR_SPOOL_SPOOL_ADMIN_H

#include "spool/spool.h"

/* Octets of one request. */
#define SPOOL_ADMIN_REQUEST_MAX (16u << 20)

/* reply is JSON, valid during the call. */
typedef void spool_admin_fn(void *ctx, const char *reply);
/* Does what the request asks for; done comes once, when it is durable or has failed. */
void spool_admin_request(struct spool *spool, const char *request, spool_admin_fn *done, void *ctx);

/*
 * Serves requests that other processes put into the index with spool_admin_call(): looks for them now and every half second, until the spool
 * closes.
 */
void spool_admin_serve(struct spool *spool);

/*
 * From another process: has the gateway that runs on this spool do it, or does it itself when none runs; blocks. *reply_r is the caller's to free.
 * Fault "timeout" when the gateway does not answer within wait_ms; the request is then taken back.
 */
int spool_admin_call(const char *path, const char *request, uint64_t wait_ms, char **reply_r, struct fault *fault);

#endif

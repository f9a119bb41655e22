/*
 * spool_admin - what operators change in the queue, safe while the gateway runs.
 *
 * A change is made in the groups of the disk lane, a few hundred deliveries at a time, so that reception goes on beside
 * it. A delivery that is being delivered at that moment is left alone and counted as busy.
 *
 * Requests are JSON, as they come from the API and the command line; whoever is in the same process calls
 * spool_change.h:
 *
 *   {"verb": "retry" | "hold" | "release" | "drop", "select": {...}, "by": "name"}    see spool_query.h for select;
 *                                          "again": true is an operator's word about what may have been filed
 *   {"verb": "pause" | "resume", "upstream": "corp"}                                  without upstream: all
 *   {"verb": "import", "messages": [...]}                                              see spool_import.h
 *   {"verb": "forget", "address": "anna@example.net"}                                 of the history
 *
 * The reply is {"changed": 3, "busy": 1}, with "in_doubt" where some stay because they may have been filed, or
 * {"error": "...", "code": "..."}; to a pause that stands already, and to the end of one that nobody made,
 * {"changed": 0, "busy": 0, "note": "corp was not paused; nothing has changed", "resumed": "corp"}.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_ADMIN_H
#define MAILWEIR_SPOOL_SPOOL_ADMIN_H

#include <jansson.h>

#include "base/must_use.h"
#include "spool/spool.h"
#include "spool/spool_change.h"

/* Octets of one request. */
#define SPOOL_ADMIN_REQUEST_MAX (16u << 20)

/* The reply is valid during the call. */
typedef void spool_admin_fn(void *ctx, const json_t *reply);
/* Does what the request asks for, which it keeps until then (NULL asks for nothing); done comes once, when it is
 * durable or has failed. */
void spool_admin_request(struct spool *spool, json_t *request, spool_admin_fn *done, void *ctx);

/*
 * When no gateway runs: several requests, one after the other, to a spool that nobody else opens meanwhile. Each
 * blocks. Fault "locked" when another process has it: a gateway is to be asked by its admin socket.
 */
struct spool_desk;
MUST_USE int spool_desk_open(struct spool_desk **desk_r, const struct spool_options *options, struct fault *fault);
/* The reply is the caller's. */
MUST_USE json_t *spool_desk_ask(struct spool_desk *desk, json_t *request);
/* What takes the place of a message's open deliveries, see spool_change_reroute(); by and again as in spool_asker. */
struct spool_desk_move {
    const char *id, *by;
    bool again;
    const struct mail_delivery *deliveries;
    size_t count;
};
/* Blocks until it is durable; -1 with a fault, and nothing is known of *result_r. */
MUST_USE int spool_desk_reroute(struct spool_desk *desk, const struct spool_desk_move *move,
                                struct spool_change_result *result_r, struct fault *fault);
/* Sets *desk to NULL; NULL is fine. */
void spool_desk_close(struct spool_desk **desk);

/*
 * When no gateway runs: opens the spool, has it do the request, closes it; blocks. *reply_r is the caller's. The same
 * faults.
 */
MUST_USE int spool_admin_call(const struct spool_options *options, json_t *request, json_t **reply_r,
                              struct fault *fault);

#endif

/*
 * queue_source - where the commands about the queue ask: the gateway that runs, by its API; or the spool itself, when
 * none does.
 *
 * Whether one runs is told by its admin socket: it answers, or nobody does. With --spool the socket is looked for in
 * that folder. Every function prints what went wrong and returns the exit code; outputs are then untouched.
 */
#ifndef MAILWEIR_CLI_QUEUE_SOURCE_H
#define MAILWEIR_CLI_QUEUE_SOURCE_H

#include "base/bytes.h"
#include "base/must_use.h"
#include "cli/queue.h"

struct queue_source;

/* NULL after the failure was printed, with the exit code. options by reference. */
MUST_USE struct queue_source *queue_source_open(const struct queue_options *options, int *exit_r);
/* Sets *source to NULL; NULL is fine. */
void queue_source_close(struct queue_source **source);

/* One object for each chosen delivery, oldest message first, at most `limit` (0: all); see spool_query_list(). Non-zero
 * of fn ends it. */
MUST_USE int queue_source_list(struct queue_source *source, uint64_t limit, spool_query_fn *fn, void *ctx);
/* See spool_query_summary(); the caller's. */
MUST_USE int queue_source_summary(struct queue_source *source, json_t **summary_r);
/* The stories of the messages of that name, or that were filed there; an array, maybe empty, the caller's. */
MUST_USE int queue_source_stories(struct queue_source *source, const char *what, json_t **stories_r);
MUST_USE int queue_source_filed(struct queue_source *source, const char *upstream, const char *folder, const char *uid,
                                json_t **stories_r);
/* The body of the message with this id in pieces; fn returns non-zero to stop. */
typedef int queue_piece_fn(void *ctx, struct bytes piece);
MUST_USE int queue_source_body(struct queue_source *source, const char *id, queue_piece_fn *fn, void *ctx);
/*
 * A page of at most `limit` messages that fit the query (mail_query.h), as GET /api/v1/find answers it; after: NULL,
 * or the "next" of the page before. *page_r is the caller's. Without a gateway, refusals are not searched.
 */
MUST_USE int queue_source_find(struct queue_source *source, const char *query, uint64_t limit, const char *after,
                               json_t **page_r);
/* See spool_query_facts(); the caller's. */
MUST_USE int queue_source_facts(struct queue_source *source, const char *id, json_t **facts_r);
/* What spool_admin.h says, without "by"; takes the request. *reply_r {"changed", "busy"} is the caller's. */
MUST_USE int queue_source_change(struct queue_source *source, json_t *request, json_t **reply_r);

/*
 * A page of the chosen messages under today's rules: those of the gateway that runs, or of the configuration. *answer_r
 * is the caller's: {"messages":
 * [{"message", "verdict", "before", "after"} or {"verdict": "failed", "error"}], "moved", "same", "busy", "next"};
 * after: NULL, or the "next" of the page before.
 */
MUST_USE int queue_source_reroute(struct queue_source *source, const char *after, json_t **answer_r);

#endif

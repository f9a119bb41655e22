/*
 * spool_query - questions of operators about the queue, answered as JSON: what the store tells in rows (store_ask.h),
 * for the API, the command line and exports. They read only, through a store of their own (spool_export_open()): in the
 * program that runs, or in another one beside it.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_QUERY_H
#define MAILWEIR_SPOOL_SPOOL_QUERY_H

#include <jansson.h>

#include "base/buf.h"
#include "base/must_use.h"
#include "store/store_ask.h"

/* A selection as JSON, as it stands in commands; the views of select_r live as long as the object. Unknown members are
 * a fault "usage". */
json_t *spool_select_to_json(const struct store_select *select);
MUST_USE int spool_select_from_json(const json_t *object, struct store_select *select_r, struct fault *fault);
/* What deliveries can be chosen by, for people: "id, message_id, ... or tried". */
void spool_select_names(struct buf *out);

/* object is the function's to look at, not to keep. Non-zero ends the query. */
typedef int spool_query_fn(void *ctx, const json_t *object);
/*
 * One object for each delivery, oldest message first, at most `limit` (0: all): id, message, number, state, upstream,
 * folder, rule, from, to, subject (when it is kept), received_ms, due_ms, attempts, uncertain, size, seq (of the
 * message, in the order of arrival; with number it is what `after` takes), and error (the last attempt's) where there
 * is one.
 */
MUST_USE int spool_query_list(struct store *store, const struct store_select *select, uint64_t limit,
                              spool_query_fn *fn, void *ctx, struct fault *fault);

/* Numbers of open deliveries by upstream and state: {"corp": {"waiting": 3, "oldest_ms": …}, …}, and what is paused.
 * The caller's. */
MUST_USE int spool_query_summary(struct store *store, json_t **summary_r, struct fault *fault);

/*
 * The whole story of a message: envelope, size, where it lies, and each delivery with its attempts and notes, and,
 * when it waits for an upstream that is paused, "paused" {"since_ms", "by", "all"}. *story_r is the caller's; NULL when
 * there is no such message.
 */
MUST_USE int spool_query_story(struct store *store, uint64_t message, json_t **story_r, struct fault *fault);
/*
 * What is known of a message, for whoever takes it in elsewhere: {"envelope": {...}, "deliveries": [...], "size": 4711,
 * "sum": "..."}, with the deliveries that are open, as they would be decided now (see spool_import.h). *facts_r is the
 * caller's; NULL when there is no such message.
 */
MUST_USE int spool_query_facts(struct store *store, uint64_t message, json_t **facts_r, struct fault *fault);
/*
 * What fits a search (store_ask.h), the last message first: [{"id", "seq", "received_ms", "size", "from", "to",
 * "subject", "header_from", "header_to", "message_id", "client", "listener", "deliveries": [...]}, …], without what is
 * not known. *hits_r is the caller's.
 */
MUST_USE int spool_query_search(struct store *store, struct store_search *search, json_t **hits_r, struct fault *fault);
/* Messages by a message's or delivery's id, or by the Message-ID field with or without its brackets. */
MUST_USE int spool_query_find(struct store *store, const char *what, uint64_t *messages, size_t limit, size_t *count_r,
                              struct fault *fault);
/* The messages that were filed there under this UID. */
MUST_USE int spool_query_find_uid(struct store *store, const char *upstream, const char *folder, uint32_t uid,
                                  uint64_t *messages, size_t limit, size_t *count_r, struct fault *fault);

#endif

/*
 * spool_query - questions of operators about the queue, answered as JSON.
 *
 * They read the index only, through a connection of their own: by the program that runs, or by another one beside it.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_QUERY_H
#define MAILWEIR_SPOOL_SPOOL_QUERY_H

#include <jansson.h>

#include "store/local/local_index.h"
#include "store/store.h"

/* A selection as JSON, as it stands in commands; the views of select_r live as long as the object. Unknown members are a fault "usage". */
json_t *spool_select_to_json(const struct store_select *select);
int spool_select_from_json(const json_t *object, struct store_select *select_r, struct fault *fault);

/* object is the function's to look at, not to keep. Non-zero ends the query. */
typedef int spool_query_fn(void *ctx, const json_t *object);
/*
 * One object for each delivery, oldest message first, at most `limit` (0: all): id, message, number, state, upstream, folder, rule, from,
 * to, received_ms, due_ms, attempts, uncertain, size, seq (of the message, in the order of arrival; with number it is what `after` takes),
 * and error (the last attempt's) where there is one.
 */
int spool_query_list(struct local_index *index, const struct store_select *select, uint64_t limit, spool_query_fn *fn,
                     void *ctx, struct fault *fault);

/* The keys of the selected deliveries above `after`, in order, at most `limit`; *count_r is how many. */
int spool_query_keys(struct local_index *index, const struct store_select *select, struct store_key after, size_t limit,
                     struct store_key *keys, enum store_state *states, size_t *count_r, struct fault *fault);

/* Numbers of open deliveries by upstream and state: {"corp": {"waiting": 3, "oldest_ms": …}, …}, and what is paused. The caller's. */
int spool_query_summary(struct local_index *index, json_t **summary_r, struct fault *fault);

/*
 * The whole story of a message: envelope, size, where it lies, and each delivery with its attempts and notes. *story_r is the caller's; NULL when there is
 * no such message.
 */
int spool_query_story(struct local_index *index, uint64_t message, json_t **story_r, struct fault *fault);
/* Messages by a message's or delivery's id, or by the Message-ID field with or without its brackets. */
int spool_query_find(struct local_index *index, const char *what, uint64_t *messages, size_t limit, size_t *count_r,
                     struct fault *fault);
/* The messages that were filed there under this UID. */
int spool_query_find_uid(struct local_index *index, const char *upstream, const char *folder, uint32_t uid,
                         uint64_t *messages, size_t limit, size_t *count_r, struct fault *fault);

#endif

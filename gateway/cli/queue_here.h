/*
 * queue_here - the queue of a spool on which no gateway answers: the index is read, and changed, by this program; see
 * queue_source.h, whose functions these are.
 */
#ifndef MAILWEIR_CLI_QUEUE_HERE_H
#define MAILWEIR_CLI_QUEUE_HERE_H

#include "base/must_use.h"
#include "cli/queue_source.h"

struct queue_here;

MUST_USE struct queue_here *queue_here_open(const struct queue_options *options, int *exit_r);
void queue_here_close(struct queue_here **here);

MUST_USE int queue_here_list(struct queue_here *here, uint64_t limit, spool_query_fn *fn, void *ctx);
MUST_USE int queue_here_summary(struct queue_here *here, json_t **summary_r);
MUST_USE int queue_here_stories(struct queue_here *here, const char *what, json_t **stories_r);
MUST_USE int queue_here_filed(struct queue_here *here, const char *upstream, const char *folder, uint32_t uid,
                              json_t **stories_r);
MUST_USE int queue_here_body(struct queue_here *here, const char *id, queue_piece_fn *fn, void *ctx);
MUST_USE int queue_here_find(struct queue_here *here, const char *query, uint64_t limit, const char *after,
                             json_t **page_r);
MUST_USE int queue_here_facts(struct queue_here *here, const char *id, json_t **facts_r);
MUST_USE int queue_here_change(struct queue_here *here, json_t *request, json_t **reply_r);
MUST_USE int queue_here_reroute(struct queue_here *here, const char *after, json_t **answer_r);

#endif

/*
 * recent - the last messages that were decided, in memory, so that a change of the rules can be tried on them.
 *
 * A ring with two limits: messages and octets. Nothing of it is written to a disk, and it ends with the process. Of
 * each message it keeps the envelope and the header section; the body only where it was at hand, because the rules in
 * force look at it, and short. The loop's thread only, but for recent_message_new().
 */
#ifndef MAILWEIR_DECISION_RECENT_H
#define MAILWEIR_DECISION_RECENT_H

#include "base/list.h"
#include "base/must_use.h"
#include "filters/filters.h"

#define RECENT_BODY_MAX 65536u /* a message that is longer is kept without its body */

struct recent;

struct recent_message {
    struct list link;
    unsigned owners;
    uint64_t number; /* in the order of arrival, from 1 */
    struct arena *arena;
    struct mail_envelope envelope;
    struct bytes header;
    struct bytes whole; /* header and body; ptr NULL when it is not kept */
    uint64_t size;
    int64_t now_ms; /* wall clock when it was decided */
};

/* At most so many messages, and octets of them together. */
MUST_USE struct recent *recent_new(uint64_t messages, uint64_t octets);
/* What is shared stays until it is released. Sets *recent to NULL; NULL is fine. */
void recent_free(struct recent **recent);

/* Copies what a decision is made from; reads the source, so it may block. NULL when it has more than max octets. On any
 * thread. */
MUST_USE struct recent_message *recent_message_new(const struct filters_message *message, size_t max);
/* Adds it as the newest (sets *message to NULL), and forgets the oldest above the limits. A NULL message counts as one
 * that was too long. */
void recent_add(struct recent *recent, struct recent_message **message);
/* Forgets all that name the address, in envelope or text; how many. What is shared stays until it is released. */
size_t recent_forget(struct recent *recent, const char *address);
size_t recent_octets_max(const struct recent *recent);

struct recent_counts {
    uint64_t messages, octets; /* kept now */
    uint64_t too_long;         /* never kept */
};
void recent_count(const struct recent *recent, struct recent_counts *counts_r);

/* All that are kept, the newest first, each shared until it is released; *messages_r is to be freed. How many. */
size_t recent_share(const struct recent *recent, struct recent_message ***messages_r);
void recent_release(struct recent_message **messages, size_t count);

#endif

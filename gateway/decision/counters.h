/*
 * counters - how many messages the rules have counted, by counter and key: what {"counter": ...} asks.
 *
 * The memory of what stands in the spool: each message's record says what it counts (mail_envelope.counted), so the
 * counts are as durable as the mail, and are found again after a start. A message counts once in each, whatever comes
 * twice: it is known by its Message-ID, or by its own id where it has none.
 */
#ifndef MAILWEIR_DECISION_COUNTERS_H
#define MAILWEIR_DECISION_COUNTERS_H

#include "base/must_use.h"
#include "filters/filters.h"

/* Messages kept of one key: comparing with more than that compares with that. */
#define COUNTERS_OF_KEY_MAX 100000u
/* Keys, and messages of all keys, that are kept; what comes beyond counts no more until others are old. */
#define COUNTERS_KEYS_MAX 100000u
#define COUNTERS_ALL_MAX  2000000u

struct counters;
MUST_USE struct counters *counters_new(void);
/* Sets *counters to NULL; NULL is fine. */
void counters_free(struct counters **counters);
/*
 * From now on so much is kept of each; of counters that nothing asks for, nothing. Strings are copied. True when of one
 * of them more is kept than before: what was counted in the past is to be found and added.
 */
MUST_USE bool counters_keep(struct counters *counters, const struct filters_counter *wanted, size_t count);
/* Counts the message, which came at received_ms (wall clock): what it has counted already it does not count again. */
void counters_add(struct counters *counters, const struct mail_envelope *envelope);
/* For rules, from any thread; valid as long as the counters. */
const struct filters_counters *counters_to_ask(const struct counters *counters);

#endif

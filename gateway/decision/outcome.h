/*
 * outcome - what rules do with a message, on one line, so that two rule sets can be compared.
 */
#ifndef MAILWEIR_DECISION_OUTCOME_H
#define MAILWEIR_DECISION_OUTCOME_H

#include "base/must_use.h"
#include "filters/filters.h"

/*
 * Appends "corp:INBOX \Seen, archive:CI", "discarded", "550 5.7.1 text" or "deferred (rule: why)"; equal outcomes give
 * equal lines. -1 with a fault when the message's body is missing and the rules look at it. memory: octets of the
 * decision. It may take long: for lanes and commands.
 */
MUST_USE int outcome_write(const struct filters_set *set, struct filters_scratch *scratch,
                           const struct filters_message *message, size_t memory, struct buf *out, struct fault *fault);

#endif

/*
 * rules_share - a rule set and how many use it: who began with it keeps it, whatever replaces it meanwhile.
 *
 * The loop's thread only; what is shared may be read by any.
 */
#ifndef MAILWEIR_DECISION_RULES_SHARE_H
#define MAILWEIR_DECISION_RULES_SHARE_H

#include "base/must_use.h"
#include "filters/filters.h"

struct rules_share {
    struct filters_set *set;
    struct filters_cost *costs; /* by the number of the rule */
    unsigned owners;
};

/* Takes the set (sets *set to NULL); owned once. */
MUST_USE struct rules_share *rules_share_new(struct filters_set **set);
/* Sets *share to NULL; NULL is fine. The last one frees the set. */
void rules_share_release(struct rules_share **share);

#endif

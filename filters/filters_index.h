/*
 * filters_index - which rules of a group can say yes at all, by one look-up per value instead of one test per rule.
 * Internal.
 *
 * A rule is indexed when its condition cannot hold unless an "is" or "in" over words or networks holds: then it is a
 * candidate only for messages with such a value. All other rules are candidates always. What the index leaves out would
 * have said no: decisions are the same without it.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_INDEX_H
#define MAILWEIR_FILTERS_FILTERS_INDEX_H

#include "base/must_use.h"
#include "filters/filters_run.h"

struct filters_index;

MUST_USE struct filters_index *filters_index_new(const struct filters_set *set, const struct filters_group *group);
void filters_index_free(struct filters_index **index);

/* Words of 64 rules in the result of filters_index_candidates(). */
size_t filters_index_words(const struct filters_index *index);
/*
 * Sets bit i of candidates for each rule i of the group that must be tried. -1 with a fault when values could not be
 * fetched.
 */
MUST_USE int filters_index_candidates(const struct filters_index *index, struct filters_run *run, uint64_t *candidates);

/*
 * Whether rule i of the group, a candidate, has said no already: its condition cannot hold unless one pattern matches,
 * and that one was tried here. A set of rules is mostly such patterns, and most of them do not match: this is the short
 * way for them.
 */
bool filters_index_says_no(const struct filters_index *index, struct filters_run *run, size_t i);

#endif

/*
 * filters_pattern - PCRE2 patterns that meet hostile text: compiled with JIT, matched under match, depth and heap
 * limits.
 *
 * A limit that is hit is an error outcome, never "no match". Patterns are immutable and shared by threads; what a match
 * needs to write lives in a matcher, one per thread.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_PATTERN_H
#define MAILWEIR_FILTERS_FILTERS_PATTERN_H

#include "base/buf.h"
#include "base/must_use.h"

#define FILTERS_PATTERN_MAX_LENGTH     8192u
#define FILTERS_PATTERN_MAX_GROUPS     64u
#define FILTERS_PATTERN_NEST_LIMIT     100u
#define FILTERS_PATTERN_MATCH_LIMIT    200000u
#define FILTERS_PATTERN_DEPTH_LIMIT    20000u
#define FILTERS_PATTERN_HEAP_LIMIT_KIB 8192u
#define FILTERS_PATTERN_JIT_STACK_MAX  (256u << 10)

struct filters_pattern;
struct filters_matcher;

/*
 * NULL when it does not compile: why (a sentence with the offset) is appended to error. The texts that it meets are
 * valid UTF-8 in NFC; the pattern is brought into it.
 */
MUST_USE struct filters_pattern *filters_pattern_new(const char *text, bool ignore_case, struct buf *error);
void filters_pattern_free(struct filters_pattern **pattern);
/* In NFC. */
const char *filters_pattern_text(const struct filters_pattern *pattern);
/* Whether it was compiled so. */
bool filters_pattern_ignores_case(const struct filters_pattern *pattern);
/* Groups that capture; the whole match is group 0 and not counted. */
unsigned filters_pattern_groups(const struct filters_pattern *pattern);
/* The numbers of the groups of that name: with (?J) several may have it, else there is one or none. Returns how many.
 */
unsigned filters_pattern_named(const struct filters_pattern *pattern, const char *name,
                               unsigned groups_r[FILTERS_PATTERN_MAX_GROUPS]);
/* The group's name, or NULL. */
const char *filters_pattern_group_name(const struct filters_pattern *pattern, unsigned group);
/* Whether the group may take no part in a match, or match nothing. When that cannot be told, true. */
bool filters_pattern_group_may_be_empty(const struct filters_pattern *pattern, unsigned group);
/*
 * Whether the limits would cut it: a part of it that repeats what repeats was tried with texts that make such patterns
 * explode. part_r (may be empty) gets that part's text.
 */
MUST_USE bool filters_pattern_may_explode(const struct filters_pattern *pattern, struct bytes *part_r);
/* Whether what it finds in the lines of an ASCII text it finds in their paragraphs, too (filters_scan.h). */
bool filters_pattern_is_of_words(const struct filters_pattern *pattern);
/* Texts of which every match has one in it (filters_scan.h); nocase: their letters may be of either case. How many: 0
 * when nothing is known. */
#define FILTERS_PATTERN_NEEDLES_MAX 8
size_t filters_pattern_needles(const struct filters_pattern *pattern, const char *needles_r[], bool *nocase_r);
/* Its number in its set (number_count there); 0 until it is told. */
void filters_pattern_set_number(struct filters_pattern *pattern, unsigned number);
unsigned filters_pattern_number(const struct filters_pattern *pattern);

MUST_USE struct filters_matcher *filters_matcher_new(void);
void filters_matcher_free(struct filters_matcher **matcher);
/*
 * 1: matched, 0: no match, -1: a limit was hit, why is in filters_matcher_error(). text must be valid UTF-8.
 */
MUST_USE int filters_pattern_match(const struct filters_pattern *pattern, struct filters_matcher *matcher,
                                   struct bytes text);
/*
 * Appends text with each match replaced; "$1", "${1}" and "${name}" in the replacement are groups, "$$" is "$". -1: a
 * limit was hit.
 */
MUST_USE int filters_pattern_replace(const struct filters_pattern *pattern, struct filters_matcher *matcher,
                                     struct bytes text, struct bytes replacement, struct buf *out);
/* What is wrong with the replacement for this pattern, or NULL. */
const char *filters_pattern_replacement_error(const struct filters_pattern *pattern, struct bytes replacement);
/* The group of the last match: 1 with where it lies in the text, 0 when it took no part in it. */
MUST_USE int filters_matcher_group(const struct filters_matcher *matcher, unsigned group, size_t *start_r,
                                   size_t *end_r);
const char *filters_matcher_error(const struct filters_matcher *matcher);

#endif

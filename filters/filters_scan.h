/*
 * filters_scan - reads a pattern's text for its groups: for questions that PCRE2 does not answer. Internal.
 *
 * A pattern with constructs that it does not know (conditions, branch reset) is told apart: then nothing is said about
 * it.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_SCAN_H
#define MAILWEIR_FILTERS_FILTERS_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/must_use.h"

#define FILTERS_SCAN_GROUPS_MAX 200
#define FILTERS_SCAN_NEEDLE_MAX 30
#define FILTERS_SCAN_BARS_MAX   7
#define FILTERS_NEEDLE_ENOUGH   4u /* octets: of shorter ones too many stand in every text */

struct filters_scan_group {
    size_t start, inside, inside_end, end; /* offsets: of "(", behind its prefix, of ")", behind the quantifier */
    int parent;                            /* index, -1 at the top */
    unsigned capture;                      /* number, 0 when it does not capture */
    bool optional;                         /* its quantifier allows none */
    bool unbounded;                        /* its quantifier has no most */
    bool possessive;                       /* never backtracks: a "+" behind the quantifier, or (?>...) */
    bool negative;                         /* looks ahead or behind for what must not be there */
    bool alternatives;                     /* "|" right inside */
    bool quantifiers;                      /* a quantifier anywhere inside */
};

struct filters_scan {
    struct filters_scan_group groups[FILTERS_SCAN_GROUPS_MAX];
    size_t count;
    bool alternatives;                  /* "|" at the top */
    size_t bars[FILTERS_SCAN_BARS_MAX]; /* where those stand, the first of them */
    size_t bar_count;                   /* of all */
    /*
     * Whatever it matches are printable characters of ASCII, no ">" among them, with single blanks between them, and it
     * looks at nothing around that but for whether words begin or end there. So what it finds in the lines of a text
     * that is ASCII, it finds in the paragraphs made of them (mail_text_paragraphs), too.
     */
    bool words;
    /*
     * What every match has in it, as long as case counts: the longest run of literals that is found, of printable ASCII
     * without a blank. "" when none is.
     */
    char needle[FILTERS_SCAN_NEEDLE_MAX + 1];
    bool no_needle; /* something in it may mean anything: nothing is known of what stands in a match */
};

/* False when the pattern is beyond it. The pattern must have compiled. */
MUST_USE bool filters_scan(const char *pattern, struct filters_scan *scan_r);

/* Texts of which every match has one in it. */
struct filters_needles {
    char texts[FILTERS_SCAN_BARS_MAX + 1][FILTERS_SCAN_NEEDLE_MAX + 1];
    size_t count; /* 0: none are known */
    bool nocase;  /* the pattern itself says that case does not count, by (?i) at its beginning */
};
/*
 * Of the whole pattern, when a needle of `enough` octets is in it; else one for each alternative, of the pattern or of
 * a group that must match, when each has one. The pattern must have compiled.
 */
void filters_scan_needles(const char *pattern, size_t enough, struct filters_needles *needles_r);
/* Of a text itself: its longest run of printable ASCII, blanks among them. Points into the text. */
struct bytes filters_scan_run(struct bytes text);

#endif

/*
 * filters_scan - see filters_scan.h. pcre2pattern(3).
 */
#include "filters/filters_scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/expect.h"

/* Where in a match: behind a character that is surely there, behind a blank, or neither is known. */
enum place { BEHIND_OTHER, BEHIND_WORD, BEHIND_BLANK };

struct scanner {
    const char *text;
    size_t at;
    struct filters_scan *scan;
    int open[FILTERS_SCAN_GROUPS_MAX];
    int depth;
    unsigned captures;
    bool beyond;
    enum place place, before; /* in front of what comes next, and of what came last */
    struct {
        enum place place; /* at its beginning */
        bool word;        /* each alternative so far ends with a word */
    } inside[FILTERS_SCAN_GROUPS_MAX];
    bool other;                            /* it matches more than words */
    char run[FILTERS_SCAN_NEEDLE_MAX + 1]; /* the literals that stand in front of the place, one behind the other */
    size_t run_len;
    char before_group[FILTERS_SCAN_GROUPS_MAX][FILTERS_SCAN_NEEDLE_MAX + 1]; /* the needle when it was opened */
    bool no_needle;
};

/* ---- the needle: see filters_scan.h ---- */

static void end_run(struct scanner *scanner)
{
    char *needle = scanner->scan->needle;
    scanner->run[scanner->run_len] = '\0';
    if (scanner->run_len > strlen(needle)) {
        memcpy(needle, scanner->run, scanner->run_len + 1);
    }
    scanner->run_len = 0;
}

static void add_to_run(struct scanner *scanner, char c)
{
    bool is_of_needle = c > ' ' && c <= '~';
    if (!is_of_needle || scanner->run_len == FILTERS_SCAN_NEEDLE_MAX) {
        end_run(scanner);
    }
    if (is_of_needle) {
        scanner->run[scanner->run_len++] = c;
    }
}

/* An escape of a letter ends the run: some match a character, some none. What takes more of the pattern than the letter
 * is not read here, so that nothing is known behind it. */
static void end_run_at_escape(struct scanner *scanner, char c)
{
    scanner->no_needle = scanner->no_needle || strchr("bBdDsSwWhHvVRAzZKntrfae", c) == NULL;
    end_run(scanner);
}

/* What stood there last has a quantifier: it may be missing, or stand there several times. */
static void end_run_at_quantifier(struct scanner *scanner, bool optional)
{
    scanner->run_len -= scanner->run_len > 0 && optional ? 1 : 0;
    end_run(scanner);
}

/* What stands in a group is no needle when the group need not match, or when one of several ways will do. */
static void end_run_at_group(struct scanner *scanner, const struct filters_scan_group *group)
{
    end_run(scanner);
    if (group->optional || group->alternatives || group->negative) {
        memcpy(scanner->scan->needle, scanner->before_group[scanner->depth], FILTERS_SCAN_NEEDLE_MAX + 1);
    }
}

/* ---- words: see filters_scan.h ---- */

/* A character, or one of several: no blank, and no quote mark. */
static void put_word(struct scanner *scanner)
{
    scanner->before = scanner->place;
    scanner->place = BEHIND_WORD;
}

/* The blanks of a match stand alone between characters that are surely there. */
static void put_blank(struct scanner *scanner)
{
    scanner->other = scanner->other || scanner->place != BEHIND_WORD;
    scanner->before = scanner->place = BEHIND_BLANK;
}

static void put_literal(struct scanner *scanner, char c)
{
    if (c == ' ') {
        put_blank(scanner);
    } else {
        scanner->other = scanner->other || c <= ' ' || c > '~' || c == '>';
        put_word(scanner);
    }
}

static void put_escape(struct scanner *scanner, char c)
{
    if (!octet_is_alpha((uint8_t)c) && !octet_is_digit((uint8_t)c)) {
        add_to_run(scanner, c);
        put_literal(scanner, c); /* pcre2pattern(3), "Backslash": it stands for itself */
        return;
    }
    end_run_at_escape(scanner, c);
    if (c == 'd' || c == 'w') {
        put_word(scanner);
    } else {
        scanner->other = scanner->other || (c != 'b' && c != 'B');
    }
}

/* "[A-Za-z0-9_]" and its like. */
static void put_class(struct scanner *scanner, const char *text, size_t len)
{
    for (size_t i = 1; i + 1 < len; i++) {
        bool range = text[i] == '-' && text[i - 1] < '>' && text[i + 1] > '>';
        bool word = octet_is_alpha((uint8_t)text[i]) || octet_is_digit((uint8_t)text[i]) || text[i] == '_';
        scanner->other = scanner->other || range || !(word || text[i] == '-');
    }
    put_word(scanner);
}

/* What came last has a quantifier. One that never gives back may take more where a line end has become a blank. */
static void put_quantifier(struct scanner *scanner, bool optional, bool possessive)
{
    scanner->other =
        scanner->other || possessive || scanner->place == BEHIND_BLANK || (optional && scanner->before == BEHIND_BLANK);
    scanner->place = optional ? BEHIND_OTHER : scanner->place;
}

static void put_group(struct scanner *scanner, const struct filters_scan_group *group, char kind)
{
    bool plain = kind == ':' || group->capture > 0;
    scanner->other = scanner->other || !plain;
    scanner->inside[scanner->depth].place = scanner->place == BEHIND_BLANK ? BEHIND_BLANK : BEHIND_OTHER;
    scanner->inside[scanner->depth].word = true;
    scanner->place = scanner->inside[scanner->depth].place;
}

/* Of the innermost open group, or of the pattern. */
static void end_alternative(struct scanner *scanner)
{
    scanner->other = scanner->other || scanner->place == BEHIND_BLANK;
    if (scanner->depth > 0) {
        bool *word = &scanner->inside[scanner->depth - 1].word;
        *word = *word && scanner->place == BEHIND_WORD;
        scanner->place = scanner->inside[scanner->depth - 1].place;
    } else {
        scanner->place = BEHIND_OTHER;
    }
}

/* The group at this depth has been closed. */
static void end_group(struct scanner *scanner, size_t depth)
{
    scanner->before = scanner->inside[depth].place;
    scanner->place = scanner->inside[depth].word ? BEHIND_WORD : BEHIND_OTHER;
}

/* ---- groups ---- */

/* Over a class; a "]" right behind the "[" or "[^" is one of its members. */
static void skip_class(struct scanner *scanner)
{
    const char *text = scanner->text;
    scanner->at++;
    scanner->at += text[scanner->at] == '^';
    scanner->at += text[scanner->at] == ']';
    while (text[scanner->at] != '\0' && text[scanner->at] != ']') {
        if (text[scanner->at] == '[' && text[scanner->at + 1] == ':') {
            const char *end = strstr(text + scanner->at + 2, ":]");
            scanner->at = end == NULL ? scanner->at + 1 : (size_t)(end - text) + 2;
        } else {
            scanner->at += text[scanner->at] == '\\' && text[scanner->at + 1] != '\0' ? 2 : 1;
        }
    }
    scanner->at += text[scanner->at] == ']';
}

static void skip_escape(struct scanner *scanner)
{
    if (scanner->text[scanner->at + 1] == 'Q') {
        const char *end = strstr(scanner->text + scanner->at, "\\E");
        scanner->at = end == NULL ? strlen(scanner->text) : (size_t)(end - scanner->text) + 2;
    } else {
        scanner->at += scanner->text[scanner->at + 1] == '\0' ? 1 : 2;
    }
}

/* What stands behind "(": how long, and what kind of group it makes. */
static size_t prefix_length(struct scanner *scanner, const char *text, struct filters_scan_group *group)
{
    if (text[0] == '*') {
        scanner->beyond = true;
        return 0;
    }
    if (text[0] != '?') {
        group->capture = ++scanner->captures;
        return 0;
    }
    size_t name = text[1] == 'P' ? 2 : 1;
    if ((text[name] == '<' && text[name + 1] != '=' && text[name + 1] != '!') || text[name] == '\'') {
        group->capture = ++scanner->captures;
        const char *end = strchr(text + name + 1, text[name] == '<' ? '>' : '\'');
        return end == NULL ? name : (size_t)(end - text) + 1;
    }
    group->possessive = text[1] == '>';
    group->negative = text[1] == '!' || (text[1] == '<' && text[2] == '!');
    if (text[1] == '<') {
        return 3;
    }
    if (strchr(":>=!", text[1]) != NULL && text[1] != '\0') {
        return 2;
    }
    scanner->beyond = true; /* options, conditions, recursion, branch reset */
    return 0;
}

static void open_group(struct scanner *scanner)
{
    struct filters_scan *scan = scanner->scan;
    if (scan->count == FILTERS_SCAN_GROUPS_MAX) {
        scanner->beyond = true;
        return;
    }
    struct filters_scan_group *group = &scan->groups[scan->count];
    *group = (struct filters_scan_group){.start = scanner->at,
                                         .parent = scanner->depth == 0 ? -1 : scanner->open[scanner->depth - 1]};
    group->inside = scanner->at + 1 + prefix_length(scanner, scanner->text + scanner->at + 1, group);
    put_group(scanner, group, scanner->text[scanner->at + 2]);
    end_run(scanner);
    memcpy(scanner->before_group[scanner->depth], scan->needle, FILTERS_SCAN_NEEDLE_MAX + 1);
    scanner->at = group->inside;
    scanner->open[scanner->depth++] = (int)scan->count++;
}

/* "?", "*", "+", "{2,}" at the place: how long (0: none), and what it allows. */
static size_t quantifier(const char *text, bool *optional_r, bool *unbounded_r)
{
    *optional_r = *unbounded_r = false;
    if (text[0] == '?' || text[0] == '*' || text[0] == '+') {
        *optional_r = text[0] != '+';
        *unbounded_r = text[0] != '?';
        return 1;
    }
    if (text[0] != '{' || !octet_is_digit((uint8_t)text[1])) {
        return 0;
    }
    size_t len = 1;
    bool zero = true;
    for (; octet_is_digit((uint8_t)text[len]); len++) {
        zero = zero && text[len] == '0';
    }
    if (text[len] == ',') {
        *unbounded_r = text[len + 1] == '}';
        for (len++; octet_is_digit((uint8_t)text[len]); len++) {
        }
    }
    *optional_r = zero;
    return text[len] == '}' ? len + 1 : 0;
}

/* Every group around the place has a quantifier inside. */
static void note_quantifier(struct scanner *scanner, int depth)
{
    for (int i = 0; i < depth; i++) {
        scanner->scan->groups[scanner->open[i]].quantifiers = true;
    }
}

static void close_group(struct scanner *scanner)
{
    scanner->at++;
    if (scanner->depth == 0) {
        scanner->beyond = true;
        return;
    }
    end_alternative(scanner);
    struct filters_scan_group *group = &scanner->scan->groups[scanner->open[--scanner->depth]];
    end_group(scanner, (size_t)scanner->depth);
    group->inside_end = scanner->at - 1;
    size_t len = quantifier(scanner->text + scanner->at, &group->optional, &group->unbounded);
    if (len > 0) {
        put_quantifier(scanner, group->optional, scanner->text[scanner->at + len] == '+');
        note_quantifier(scanner, scanner->depth);
        group->possessive = group->possessive || scanner->text[scanner->at + len] == '+';
        len += scanner->text[scanner->at + len] == '+' || scanner->text[scanner->at + len] == '?';
    }
    scanner->at += len;
    group->end = scanner->at;
    end_run_at_group(scanner, group);
}

static void scan_one(struct scanner *scanner)
{
    bool optional, unbounded;
    size_t len, start = scanner->at;
    switch (scanner->text[scanner->at]) {
    case '\\':
        put_escape(scanner, scanner->text[scanner->at + 1]);
        skip_escape(scanner);
        break;
    case '[':
        skip_class(scanner);
        put_class(scanner, scanner->text + start, scanner->at - start);
        end_run(scanner);
        break;
    case '(':
        open_group(scanner);
        return;
    case ')':
        close_group(scanner);
        return;
    case '|':
        if (scanner->depth == 0) {
            scanner->scan->alternatives = true;
            if (scanner->scan->bar_count < FILTERS_SCAN_BARS_MAX) {
                scanner->scan->bars[scanner->scan->bar_count] = scanner->at;
            }
            scanner->scan->bar_count++;
        } else {
            scanner->scan->groups[scanner->open[scanner->depth - 1]].alternatives = true;
        }
        end_alternative(scanner);
        end_run(scanner);
        scanner->at++;
        return;
    default:
        scanner->other = scanner->other || strchr(".^${", scanner->text[start]) != NULL;
        /* A "{" that is no quantifier here is one for PCRE2 from 10.43 on, in "{,3}" and "{ 1,3 }". */
        scanner->no_needle = scanner->no_needle || scanner->text[start] == '{';
        add_to_run(scanner, strchr(".^$", scanner->text[start]) != NULL ? ' ' : scanner->text[start]);
        put_literal(scanner, scanner->text[start]);
        scanner->at++;
        break;
    }
    len = quantifier(scanner->text + scanner->at, &optional, &unbounded);
    if (len > 0) {
        put_quantifier(scanner, optional, scanner->text[scanner->at + len] == '+');
        end_run_at_quantifier(scanner, optional);
        note_quantifier(scanner, scanner->depth);
        scanner->at += len;
        scanner->at += scanner->text[scanner->at] == '+' || scanner->text[scanner->at] == '?';
    }
}

bool filters_scan(const char *pattern, struct filters_scan *scan_r)
{
    struct scanner scanner = {.text = pattern, .scan = scan_r};
    scan_r->count = 0;
    scan_r->alternatives = false;
    scan_r->bar_count = 0;
    memset(scan_r->needle, 0, sizeof scan_r->needle);
    while (pattern[scanner.at] != '\0' && !scanner.beyond) {
        scan_one(&scanner);
    }
    end_alternative(&scanner);
    scan_r->words = !scanner.other;
    end_run(&scanner);
    scan_r->no_needle = scanner.no_needle;
    if (scanner.no_needle || scan_r->alternatives) {
        scan_r->needle[0] = '\0';
    }
    return !scanner.beyond && scanner.depth == 0;
}

/* ---- needles of alternatives ---- */

static void scan_part(const char *from, size_t len, struct filters_scan *scan_r, bool *known_r)
{
    char *part = expect_calloc(len + 1, 1);
    memcpy(part, from, len);
    *known_r = filters_scan(part, scan_r);
    free(part);
}

/* One for each alternative of the text, which has bars at its top; none when one of them has no needle long enough. */
static void needles_of_alternatives(const char *text, size_t len, const struct filters_scan *whole, size_t enough,
                                    struct filters_needles *needles)
{
    size_t from = 0;
    for (size_t i = 0; i <= whole->bar_count && whole->bar_count <= FILTERS_SCAN_BARS_MAX; i++) {
        size_t end = i == whole->bar_count ? len : whole->bars[i];
        struct filters_scan part;
        bool known;
        scan_part(text + from, end - from, &part, &known);
        if (!known || strlen(part.needle) < enough) {
            needles->count = 0;
            return;
        }
        memcpy(needles->texts[needles->count++], part.needle, sizeof part.needle);
        from = end + 1;
    }
}

/* Of a group at the top that must match, and has alternatives. */
static void needles_of_group(const char *text, const struct filters_scan *whole, size_t enough,
                             struct filters_needles *needles)
{
    for (size_t i = 0; i < whole->count && needles->count == 0; i++) {
        const struct filters_scan_group *group = &whole->groups[i];
        if (group->parent >= 0 || group->optional || group->negative || !group->alternatives) {
            continue;
        }
        struct filters_scan inside;
        bool known;
        size_t len = group->inside_end - group->inside;
        scan_part(text + group->inside, len, &inside, &known);
        if (known) {
            needles_of_alternatives(text + group->inside, len, &inside, enough, needles);
        }
    }
}

void filters_scan_needles(const char *pattern, size_t enough, struct filters_needles *needles_r)
{
    struct filters_scan scan;
    *needles_r = (struct filters_needles){.nocase = strncmp(pattern, "(?i)", 4) == 0};
    pattern += needles_r->nocase ? 4 : 0;
    if (!filters_scan(pattern, &scan) || scan.no_needle) {
        return;
    }
    if (scan.alternatives) {
        needles_of_alternatives(pattern, strlen(pattern), &scan, enough, needles_r);
    } else if (strlen(scan.needle) >= enough) {
        memcpy(needles_r->texts[0], scan.needle, sizeof scan.needle);
        needles_r->count = 1;
    } else {
        needles_of_group(pattern, &scan, enough, needles_r);
    }
}

struct bytes filters_scan_run(struct bytes text)
{
    struct bytes best = bytes_slice(text, 0, 0);
    for (size_t i = 0, from = 0; i <= text.len; i++) {
        if (i == text.len || text.ptr[i] < ' ' || text.ptr[i] > '~') {
            best = i - from > best.len ? bytes_slice(text, from, i - from) : best;
            from = i + 1;
        }
    }
    return best;
}

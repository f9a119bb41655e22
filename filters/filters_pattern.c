/*
 * filters_pattern - see filters_pattern.h. PCRE2 10.42.
 *
 * JIT code is called directly (pcre2_jit_match): the checks that pcre2_match repeats for each call cost as much as a
 * short match, and what they check is known here: the text is valid UTF-8, the options are fixed.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "filters/filters_pattern.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_scan.h"
#include "mail/mail_canonical.h"

struct filters_pattern {
    pcre2_code *code;
    char *text;
    unsigned groups;
    bool jit;
    bool words, nocase, ignore_case; /* ignore_case: as it is compiled; nocase: or as it says at its beginning */
    unsigned number;
    struct filters_needles needles;
};

struct filters_matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    int pairs; /* of the last match */
    char error[120];
};

static pcre2_code *compile_pattern(const char *text, uint32_t options, int *error_r, size_t *offset_r)
{
    pcre2_compile_context *context = expect_memory(pcre2_compile_context_create(NULL));
    pcre2_set_newline(context, PCRE2_NEWLINE_LF); /* however the library was built: filters_coarse.h knows no other */
    pcre2_set_max_pattern_length(context, FILTERS_PATTERN_MAX_LENGTH);
    pcre2_set_parens_nest_limit(context, FILTERS_PATTERN_NEST_LIMIT);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, error_r, offset_r, context);
    pcre2_compile_context_free(context);
    return code;
}

/* text is in NFC. */
static struct filters_pattern *new_pattern(const char *text, bool ignore_case, struct buf *error)
{
    /* Mail is in every script: \w and \b are of Unicode (UCP). \C would let a match begin inside a character, and what
     * is captured could not be a folder's name any more. */
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | (ignore_case ? PCRE2_CASELESS : 0u);
    int code_error = 0;
    size_t offset = 0;
    pcre2_code *code = compile_pattern(text, options, &code_error, &offset);
    if (code == NULL) {
        PCRE2_UCHAR message[200] = "";
        pcre2_get_error_message(code_error, message, sizeof message);
        buf_printf(error, "%s, at offset %zu of the pattern", (const char *)message, offset);
        return NULL;
    }
    struct filters_pattern *pattern = expect_calloc(1, sizeof *pattern);
    pattern->code = code;
    pattern->text = expect_strdup(text);
    uint32_t groups = 0;
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
    pattern->groups = groups;
    if (groups >= FILTERS_PATTERN_MAX_GROUPS) {
        buf_printf(error, "%u groups; at most %u are allowed: write (?:...) where nothing is captured", groups,
                   FILTERS_PATTERN_MAX_GROUPS - 1);
        filters_pattern_free(&pattern);
        return NULL;
    }
    pattern->jit = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
    struct filters_scan scan;
    pattern->nocase = pattern->ignore_case = ignore_case;
    if (filters_scan(pattern->text, &scan)) {
        pattern->words = scan.words;
    }
    filters_scan_needles(pattern->text, FILTERS_NEEDLE_ENOUGH, &pattern->needles);
    pattern->nocase = ignore_case || pattern->needles.nocase;
    return pattern;
}

/* Values are in NFC (mail_canonical), and a letter that the pattern has in two characters would be in none of them. */
struct filters_pattern *filters_pattern_new(const char *text, bool ignore_case, struct buf *error)
{
    struct buf store;
    struct bytes composed = mail_canonical_text(bytes_of(text), &store);
    struct filters_pattern *pattern =
        new_pattern(composed.ptr == (const uint8_t *)text ? text : buf_text(&store), ignore_case, error);
    buf_done(&store);
    return pattern;
}

void filters_pattern_free(struct filters_pattern **pattern)
{
    if (*pattern == NULL) {
        return;
    }
    pcre2_code_free((*pattern)->code);
    free((*pattern)->text);
    free(*pattern);
    *pattern = NULL;
}

const char *filters_pattern_text(const struct filters_pattern *pattern)
{
    return pattern->text;
}

bool filters_pattern_ignores_case(const struct filters_pattern *pattern)
{
    return pattern->ignore_case;
}

unsigned filters_pattern_groups(const struct filters_pattern *pattern)
{
    return pattern->groups;
}

unsigned filters_pattern_named(const struct filters_pattern *pattern, const char *name,
                               unsigned groups_r[FILTERS_PATTERN_MAX_GROUPS])
{
    PCRE2_SPTR first = NULL, last = NULL;
    int size = pcre2_substring_nametable_scan(pattern->code, (PCRE2_SPTR)name, &first, &last);
    unsigned count = 0;
    for (; size > 0 && first <= last && count < FILTERS_PATTERN_MAX_GROUPS; first += size) {
        groups_r[count++] = (unsigned)(first[0] << 8 | first[1]); /* two octets of number, then the name */
    }
    return count;
}

const char *filters_pattern_group_name(const struct filters_pattern *pattern, unsigned group)
{
    uint32_t count = 0, size = 0;
    PCRE2_SPTR table = NULL;
    pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMETABLE, &table);
    for (uint32_t i = 0; i < count; i++, table += size) { /* two octets of number, then the name */
        if ((unsigned)(table[0] << 8 | table[1]) == group) {
            return (const char *)table + 2;
        }
    }
    return NULL;
}

/* Whether a part of a pattern, by itself, matches an empty text. */
static bool part_may_be_empty(const char *part, size_t len)
{
    struct buf text;
    buf_init(&text, FILTERS_PATTERN_MAX_LENGTH + 1);
    buf_append(&text, part, len);
    int error;
    size_t offset;
    uint32_t empty = 1;
    pcre2_code *code = compile_pattern(buf_text(&text), PCRE2_UTF | PCRE2_UCP, &error, &offset);
    if (code != NULL) {
        pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &empty);
    }
    pcre2_code_free(code);
    buf_done(&text);
    return empty != 0;
}

static bool takes_no_part(const struct filters_scan *scan, const struct filters_scan_group *group)
{
    if (group->optional || scan->alternatives) {
        return true;
    }
    for (int at = group->parent; at >= 0; at = scan->groups[at].parent) {
        const struct filters_scan_group *around = &scan->groups[at];
        if (around->optional || around->alternatives || around->negative) {
            return true;
        }
    }
    return false;
}

bool filters_pattern_group_may_be_empty(const struct filters_pattern *pattern, unsigned group)
{
    struct filters_scan scan;
    if (group == 0) {
        uint32_t empty = 1;
        pcre2_pattern_info(pattern->code, PCRE2_INFO_MATCHEMPTY, &empty);
        return empty != 0;
    }
    if (!filters_scan(pattern->text, &scan)) {
        return true;
    }
    for (size_t i = 0; i < scan.count; i++) {
        const struct filters_scan_group *found = &scan.groups[i];
        if (found->capture == group) {
            return takes_no_part(&scan, found) ||
                   part_may_be_empty(pattern->text + found->inside, found->inside_end - found->inside);
        }
    }
    return true;
}

/* Whether the part, followed by what never matches, hits the limit on a run of one character. */
static bool part_explodes(struct bytes part)
{
    struct buf text, error;
    buf_init(&text, FILTERS_PATTERN_MAX_LENGTH + 16);
    buf_init(&error, 500);
    buf_append_bytes(&text, part);
    buf_append_text(&text, "(?!)");
    struct filters_pattern *pattern = filters_pattern_new(buf_text(&text), false, &error);
    struct filters_matcher *matcher = filters_matcher_new();
    bool explodes = false;
    for (int c = ' '; pattern != NULL && c < 0x7f && !explodes; c++) {
        char run[48];
        memset(run, c, sizeof run);
        explodes = filters_pattern_match(pattern, matcher, bytes_at(run, sizeof run)) < 0;
    }
    filters_matcher_free(&matcher);
    filters_pattern_free(&pattern);
    buf_done(&text);
    buf_done(&error);
    return explodes;
}

bool filters_pattern_may_explode(const struct filters_pattern *pattern, struct bytes *part_r)
{
    struct filters_scan scan;
    if (!filters_scan(pattern->text, &scan)) {
        return false;
    }
    for (size_t i = 0; i < scan.count; i++) {
        const struct filters_scan_group *group = &scan.groups[i];
        bool repeats = group->unbounded && !group->possessive && (group->quantifiers || group->alternatives);
        /* At the end of the pattern nothing behind it can fail and make it try again. */
        if (!repeats || strspn(pattern->text + group->end, ")*+?") == strlen(pattern->text + group->end)) {
            continue;
        }
        struct bytes part = bytes_at(pattern->text + group->start, group->end - group->start);
        if (part_explodes(part)) {
            *part_r = part;
            return true;
        }
    }
    return false;
}

struct filters_matcher *filters_matcher_new(void)
{
    struct filters_matcher *matcher = expect_calloc(1, sizeof *matcher);
    matcher->data = expect_memory(pcre2_match_data_create(FILTERS_PATTERN_MAX_GROUPS, NULL));
    matcher->context = expect_memory(pcre2_match_context_create(NULL));
    pcre2_set_match_limit(matcher->context, FILTERS_PATTERN_MATCH_LIMIT);
    pcre2_set_depth_limit(matcher->context, FILTERS_PATTERN_DEPTH_LIMIT);
    pcre2_set_heap_limit(matcher->context, FILTERS_PATTERN_HEAP_LIMIT_KIB);
    /* NULL on machines without JIT, where nobody asks for it. */
    matcher->stack = pcre2_jit_stack_create(32u << 10, FILTERS_PATTERN_JIT_STACK_MAX, NULL);
    if (matcher->stack != NULL) {
        pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
    }
    return matcher;
}

void filters_matcher_free(struct filters_matcher **matcher)
{
    if (*matcher == NULL) {
        return;
    }
    pcre2_match_data_free((*matcher)->data);
    pcre2_match_context_free((*matcher)->context);
    pcre2_jit_stack_free((*matcher)->stack);
    free(*matcher);
    *matcher = NULL;
}

/* Of what stands at `from` and behind it. */
static int match_from(const struct filters_pattern *pattern, struct filters_matcher *matcher, struct bytes text,
                      size_t from)
{
    PCRE2_SPTR subject = text.len == 0 ? (PCRE2_SPTR) "" : text.ptr;
    int pairs =
        pattern->jit
            ? pcre2_jit_match(pattern->code, subject, text.len, from, 0, matcher->data, matcher->context)
            : pcre2_match(pattern->code, subject, text.len, from, PCRE2_NO_UTF_CHECK, matcher->data, matcher->context);
    if (pairs > 0) {
        matcher->pairs = pairs;
        return 1;
    }
    matcher->pairs = 0;
    if (pairs == PCRE2_ERROR_NOMATCH) {
        return 0;
    }
    pcre2_get_error_message(pairs, (PCRE2_UCHAR *)matcher->error, sizeof matcher->error);
    return -1;
}

size_t filters_pattern_needles(const struct filters_pattern *pattern, const char *needles_r[], bool *nocase_r)
{
    *nocase_r = pattern->nocase;
    for (size_t i = 0; i < pattern->needles.count; i++) {
        needles_r[i] = pattern->needles.texts[i];
    }
    return pattern->needles.count;
}

void filters_pattern_set_number(struct filters_pattern *pattern, unsigned number)
{
    pattern->number = number;
}

unsigned filters_pattern_number(const struct filters_pattern *pattern)
{
    return pattern->number;
}

bool filters_pattern_is_of_words(const struct filters_pattern *pattern)
{
    return pattern->words;
}

int filters_pattern_match(const struct filters_pattern *pattern, struct filters_matcher *matcher, struct bytes text)
{
    return match_from(pattern, matcher, text, 0);
}

/* ---- replacing ---- */

/* One reference to groups off the head of *rest, behind its "$". False when it is none. */
static bool cut_reference(const struct filters_pattern *pattern, struct bytes *rest,
                          unsigned groups_r[FILTERS_PATTERN_MAX_GROUPS], unsigned *count_r)
{
    char name[40] = "";
    struct bytes text = *rest;
    bool braces = text.len > 0 && text.ptr[0] == '{';
    text = bytes_from(text, braces ? 1 : 0);
    size_t len = 0;
    while (len < text.len && len < sizeof name - 1 &&
           (octet_is_digit(text.ptr[len]) || (braces && text.ptr[len] != '}'))) {
        name[len] = (char)text.ptr[len];
        len++;
    }
    uint64_t number = 0;
    if (len == 0 || (braces && (len == text.len || text.ptr[len] != '}'))) {
        return false;
    }
    *rest = bytes_from(text, len + (braces ? 1 : 0));
    if (bytes_to_u64(bytes_of(name), &number)) {
        groups_r[0] = (unsigned)number;
        *count_r = number <= pattern->groups ? 1 : 0;
    } else {
        *count_r = filters_pattern_named(pattern, name, groups_r);
    }
    return *count_r > 0;
}

const char *filters_pattern_replacement_error(const struct filters_pattern *pattern, struct bytes replacement)
{
    unsigned groups[FILTERS_PATTERN_MAX_GROUPS], count;
    for (ptrdiff_t at; (at = bytes_find_octet(replacement, '$')) >= 0;) {
        replacement = bytes_from(replacement, (size_t)at + 1);
        if (replacement.len > 0 && replacement.ptr[0] == '$') {
            replacement = bytes_from(replacement, 1);
        } else if (!cut_reference(pattern, &replacement, groups, &count)) {
            return "\"$\" in the replacement is followed by the number of a group of the pattern, by {name}, or by "
                   "another \"$\"";
        }
    }
    return NULL;
}

static void append_replacement(const struct filters_pattern *pattern, const struct filters_matcher *matcher,
                               struct bytes text, struct bytes replacement, struct buf *out)
{
    unsigned groups[FILTERS_PATTERN_MAX_GROUPS], count = 0;
    for (ptrdiff_t at; (at = bytes_find_octet(replacement, '$')) >= 0;) {
        buf_append_bytes(out, bytes_slice(replacement, 0, (size_t)at));
        replacement = bytes_from(replacement, (size_t)at + 1);
        if (replacement.len > 0 && replacement.ptr[0] == '$') {
            buf_append_text(out, "$");
            replacement = bytes_from(replacement, 1);
            continue;
        }
        size_t start, end;
        bool found = !cut_reference(pattern, &replacement, groups, &count);
        for (unsigned i = 0; i < count && !found; i++) {
            found = filters_matcher_group(matcher, groups[i], &start, &end) == 1;
            buf_append_bytes(out, found ? bytes_slice(text, start, end - start) : bytes_at(NULL, 0));
        }
    }
    buf_append_bytes(out, replacement);
}

int filters_pattern_replace(const struct filters_pattern *pattern, struct filters_matcher *matcher, struct bytes text,
                            struct bytes replacement, struct buf *out)
{
    size_t at = 0; /* what stands before it is in out */
    for (size_t from = 0; from <= text.len;) {
        int matched = match_from(pattern, matcher, text, from);
        if (matched < 0) {
            return -1;
        }
        size_t start = 0, end = 0;
        if (matched == 0 || filters_matcher_group(matcher, 0, &start, &end) == 0) {
            break;
        }
        buf_append_bytes(out, bytes_slice(text, at, start - at));
        append_replacement(pattern, matcher, text, replacement, out);
        at = end;
        from = end;
        while (start == end && ++from < text.len && (text.ptr[from] & 0xc0) == 0x80) {
        } /* an empty match: the next one begins a character later */
    }
    buf_append_bytes(out, bytes_from(text, at));
    return 0;
}

int filters_matcher_group(const struct filters_matcher *matcher, unsigned group, size_t *start_r, size_t *end_r)
{
    if ((int)group >= matcher->pairs) {
        return 0;
    }
    const size_t *pairs = pcre2_get_ovector_pointer(matcher->data);
    if (pairs[2 * group] == PCRE2_UNSET || pairs[2 * group] > pairs[2 * group + 1]) {
        return 0;
    }
    *start_r = pairs[2 * group];
    *end_r = pairs[2 * group + 1];
    return 1;
}

const char *filters_matcher_error(const struct filters_matcher *matcher)
{
    return matcher->error;
}

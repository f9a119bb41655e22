/*
 * filters_lint_test - warnings about one test of a condition that is right and yet compares with what never comes.
 *
 * Each is told where it stands, with what would be right. What the words of other languages mean (Sieve's wildcards,
 * sed's slashes, a template as an operand) is what people write here first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filters/filters_formula.h"
#include "filters/filters_load.h"
#include "filters/filters_name.h"

#define WORD_MAX          300     /* octets of an entry of a list; no address and no domain is longer */
#define ENTRIES_LOOKED_AT 100000u /* of a named list */
#define WORDS_LOOKED_AT   1000u   /* of one test: a list may have a million, and one slip of a kind is told */

static bool has_character(const char *word, char c)
{
    return strchr(word, c) != NULL;
}

/* Whether the test's values are whole addresses. */
static bool is_address(const struct filters_subject *subject)
{
    return subject->object == FILTERS_OBJECT_ADDRESS || subject->object == FILTERS_OBJECT_MAILBOX;
}

/* ".domain" of what the values are, by the last step. */
static bool ends_in_domain(const struct filters_formula *formula)
{
    const struct filters_step *last =
        formula == NULL || formula->step_count == 0 ? NULL : &formula->steps[formula->step_count - 1];
    return last != NULL && last->call.function == FILTERS_ATTRIBUTE && last->attribute == FILTERS_PART_DOMAIN;
}

static bool is_domain(const struct filters_subject *subject)
{
    return ends_in_domain(subject->formula) || subject->part == FILTERS_PART_DOMAIN ||
           subject->kind == FILTERS_SUBJECT_HELO;
}

/* A field with addresses of which the whole is compared, names and brackets included. */
static bool is_whole_address_field(const struct filters_subject *subject)
{
    static const char *const fields[] = {"From",     "To",          "Cc",           "Bcc", "Sender",
                                         "Reply-To", "Return-Path", "Delivered-To", NULL};
    for (size_t i = 0;
         subject->kind == FILTERS_SUBJECT_HEADER && subject->part == FILTERS_PART_WHOLE && i < subject->header_count;
         i++) {
        for (size_t k = 0; fields[k] != NULL; k++) {
            if (bytes_is_nocase(bytes_of(subject->headers[i]), fields[k])) {
                return true;
            }
        }
    }
    return false;
}

/* ---- words that there are: others never come ---- */

static const char *const *known_words(const struct filters_subject *subject)
{
    static const char *const reports[] = {"dsn", "mdn", "arf", "tlsrpt", "dmarc", "calendar", "auto_reply", NULL};
    static const char *const limits[] = {"header-size", "nesting", "parts", "text", NULL};
    static const char *const errors[] = {"boundary",  "charset", "content-type", "encoding",
                                         "encrypted", "partial", "tnef",         NULL};
    static const char *const protocols[] = {"SMTP",      "ESMTP",     "ESMTPS",     "ESMTPA",   "ESMTPSA",  "LMTP",
                                            "LMTPS",     "LMTPA",     "LMTPSA",     "UTF8SMTP", "UTF8LMTP", "UTF8SMTPS",
                                            "UTF8SMTPA", "UTF8LMTPS", "UTF8SMTPSA", NULL};
    switch (subject->kind) {
    case FILTERS_SUBJECT_REPORT:
        return reports;
    case FILTERS_SUBJECT_MIME_LIMIT:
        return limits;
    case FILTERS_SUBJECT_MIME_ERROR:
        return errors;
    case FILTERS_SUBJECT_PROTOCOL:
        return protocols;
    default:
        return NULL;
    }
}

static bool lint_known(struct filters_loader *loader, const struct filters_subject *subject, const char *word)
{
    const char *const *known = known_words(subject);
    struct buf list;
    for (size_t i = 0; known != NULL && known[i] != NULL; i++) {
        if (bytes_is_nocase(bytes_of(word), known[i])) {
            return false;
        }
    }
    if (known == NULL) {
        return false;
    }
    buf_init(&list, 1000);
    for (size_t i = 0; known[i] != NULL; i++) {
        buf_printf(&list, "%s%s", i == 0 ? "" : ", ", known[i]);
    }
    filters_load_warning_at(loader, NULL, "\"%s\" never occurs here: the possible values are %s", word,
                            buf_text(&list));
    buf_done(&list);
    return true;
}

/* ---- one word; true when something was told ---- */

static bool lint_address(struct filters_loader *loader, const char *word, enum filters_operator op)
{
    size_t len = strlen(word);
    const char *at = strrchr(word, '@');
    if (len > 2 && word[0] == '<' && word[len - 1] == '>') {
        filters_load_warning_at(loader, NULL, "\"%s\" never matches: addresses are compared without angle brackets",
                                word);
    } else if (op == FILTERS_IS && at != NULL && (at == word || has_character(word, '*'))) {
        filters_load_warning_at(loader, NULL,
                                "\"%s\" never matches: \"is\" compares whole addresses; for all addresses of a domain "
                                "write {\"in\": [\"%s\"]}",
                                word, at);
    } else if (op == FILTERS_IN && at == NULL && word[0] == '.') {
        filters_load_warning_at(loader, NULL,
                                "\"%s\" is for domains, but here addresses are looked up: write \"@%s\" for the "
                                "addresses below that domain",
                                word, word);
    } else if (at == NULL && has_character(word, '.')) {
        filters_load_warning_at(
            loader, NULL,
            "\"%s\" is not an address: write \"@%s\" in a list of \"in\" for all addresses of that domain", word,
            word[0] == '.' ? word + 1 : word);
    } else {
        return false;
    }
    return true;
}

static bool lint_domain(struct filters_loader *loader, const char *word)
{
    const char *at = strrchr(word, '@');
    if (at == NULL && word[0] != '*') {
        return false;
    }
    const char *domain = at == NULL ? word : at;
    domain += strspn(domain, "*@.");
    filters_load_warning_at(
        loader, NULL, "\"%s\" is not a domain: write \"%s\", or \".%s\" in a list of \"in\" for all domains below it",
        word, domain, domain);
    return true;
}

static bool lint_wildcard(struct filters_loader *loader, const char *word, enum filters_operator op)
{
    size_t len = strlen(word);
    bool front = len > 1 && word[0] == '*', back = len > 1 && word[len - 1] == '*';
    if (op == FILTERS_CONTAINS || front == back || (op == FILTERS_IN && has_character(word, '@'))) {
        return false;
    }
    filters_load_warning_at(loader, NULL, "\"*\" is an asterisk, not any text: write {\"%s\": \"%.*s\"}",
                            front ? "ends_with" : "starts_with", (int)len - 1, front ? word + 1 : word);
    return true;
}

static bool lint_template(struct filters_loader *loader, const char *word, const char *key)
{
    const char *open = strstr(word, "${"), *close = open == NULL ? NULL : strchr(open, '}');
    if (close == NULL || (open > word && open[-1] == '$')) {
        return false;
    }
    filters_load_warning_at(loader, NULL,
                            "\"%s\" is compared literally: to compare with a value write {\"%s\": {\"of\": \"%.*s\"}}",
                            word, key, (int)(close - open - 2), open + 2);
    return true;
}

static bool lint_list(struct filters_loader *loader, const char *word, const char *key)
{
    struct filters_named *list = map_get(loader->lists, bytes_of(word));
    if (list == NULL) {
        return false;
    }
    filters_load_warning_at(
        loader, NULL, "\"%s\" is compared as a text, but it is the name of a list: write {\"%s\": {\"list\": \"%s\"}}",
        word, key, word);
    return true;
}

static bool lint_word(struct filters_loader *loader, const struct filters_condition *test, const char *word,
                      const char *key)
{
    const struct filters_subject *subject = test->subject;
    /* A whole value may well be called as a list is ("office"); a part of a text hardly. */
    bool is_part = test->op != FILTERS_IN && test->op != FILTERS_IS;
    if (lint_template(loader, word, key) || (is_part && lint_list(loader, word, key))) {
        return true;
    }
    if (test->op == FILTERS_IS || test->op == FILTERS_IN) {
        if (is_address(subject) && lint_address(loader, word, test->op)) {
            return true;
        }
        if ((is_domain(subject) && lint_domain(loader, word)) || lint_known(loader, subject, word)) {
            return true;
        }
    }
    if (is_whole_address_field(subject) && test->op != FILTERS_CONTAINS && has_character(word, '@')) {
        filters_load_warning_at(loader, NULL,
                                "the whole field is compared, including the display name and the angle brackets: add "
                                "\"part\": \"address\", or in \"of\" write \"header.%s.address\"",
                                subject->headers[0]);
        return true;
    }
    return lint_wildcard(loader, word, test->op);
}

/* Whether lint_word() would tell something of this entry of a list. */
static bool is_wrong(const struct filters_subject *subject, const char *word)
{
    const char *at = strrchr(word, '@');
    if (is_domain(subject)) {
        return at != NULL || word[0] == '*';
    }
    return is_address(subject) && (word[0] == '<' || (at == NULL && has_character(word, '.')));
}

/* ---- the operand ---- */

static void lint_pattern(struct filters_loader *loader, const char *pattern)
{
    const char *end = strrchr(pattern, '/');
    if (pattern[0] == '/' && end > pattern && strspn(end + 1, "imsxug") == strlen(end + 1)) {
        filters_load_warning_at(loader, NULL, "the slashes are part of the pattern: write \"%.*s\"%s",
                                (int)(end - pattern) - 1, pattern + 1,
                                has_character(end, 'i') ? " and \"ignore_case\": true" : "");
    }
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static void lint_date(struct filters_loader *loader, int64_t date, enum filters_operator op, bool of_reception)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year = date / 10000, month = date / 100 % 100, day = date % 100;
    if (date <= 0 || month < 1 || month > 12) {
        return; /* an open end */
    }
    if (day > days[month - 1] + (month == 2 && is_leap(year))) {
        filters_load_warning_at(loader, NULL, "there is no %04d-%02d-%02d", (int)year, (int)month, (int)day);
    } else if (of_reception && loader->today > date &&
               (op == FILTERS_IS || op == FILTERS_UNDER || op == FILTERS_AT_MOST)) {
        filters_load_warning_at(loader, NULL, "%04d-%02d-%02d is past: no new message can have that date%s", (int)year,
                                (int)month, (int)day, op == FILTERS_IS ? "" : " or earlier");
    }
}

/* The date of reception, which is never past; header fields tell of any. */
static bool is_reception(const struct filters_subject *subject)
{
    return subject->kind == FILTERS_SUBJECT_DATE ||
           (subject->formula != NULL && subject->formula->source.kind == FILTERS_NAME_DATE);
}

static void lint_dates(struct filters_loader *loader, const struct filters_condition *test)
{
    bool of_reception = is_reception(test->subject);
    for (size_t i = 0; i < test->range_count; i++) {
        const struct filters_range *range = &test->ranges[i];
        int64_t high = test->op == FILTERS_UNDER ? range->high + 1 : range->high;
        if (range->low != INT64_MIN && range->low != high) {
            lint_date(loader, test->op == FILTERS_OVER ? range->low - 1 : range->low, FILTERS_OVER, of_reception);
        }
        if (high != INT64_MAX) {
            lint_date(loader, high, test->op == FILTERS_BETWEEN ? FILTERS_AT_MOST : test->op, of_reception);
        }
    }
}

static void lint_words(struct filters_loader *loader, const struct filters_condition *test, json_t *operand,
                       const char *key)
{
    bool list = json_is_array(operand);
    size_t count = list ? json_array_size(operand) : 1;
    for (size_t i = 0; i < count && i < WORDS_LOOKED_AT; i++) {
        const char *word = json_string_value(list ? json_array_get(operand, i) : operand);
        size_t mark = list ? filters_load_item(loader, i) : loader->path.len;
        bool told = word != NULL && lint_word(loader, test, word, key);
        filters_load_up(loader, mark);
        if (told) {
            return;
        }
    }
}

/* Of a named list the first slip in the order of the alphabet is told, so that it is the same one each time. */
static void lint_entries(struct filters_loader *loader, const struct filters_condition *test, const char *key)
{
    char word[WORD_MAX], first[WORD_MAX] = "";
    struct bytes entry;
    size_t cursor = 0;
    for (unsigned i = 0; i < ENTRIES_LOOKED_AT && filters_words_next(test->set, &cursor, &entry); i++) {
        if (entry.len < sizeof word) {
            snprintf(word, sizeof word, "%.*s", (int)entry.len, (const char *)entry.ptr);
            bool wrong = is_wrong(test->subject, word);
            if (wrong && (first[0] == '\0' || strcmp(word, first) < 0)) {
                memcpy(first, word, sizeof first);
            }
        }
    }
    if (first[0] != '\0') {
        disregard(lint_word(loader, test, first, key));
    }
}

void filters_lint_test(struct filters_loader *loader, json_t *value, const struct filters_condition *test,
                       const char *key)
{
    json_t *operand = json_object_get(value, key);
    size_t mark = filters_load_down(loader, key);
    if (test->subject->type == FILTERS_TYPE_DATE) {
        lint_dates(loader, test);
    } else if (test->patterns != NULL) {
        for (size_t i = 0; i < test->pattern_count && i < WORDS_LOOKED_AT; i++) {
            size_t inner = json_is_array(operand) ? filters_load_item(loader, i) : loader->path.len;
            lint_pattern(loader, filters_pattern_text(test->patterns[i]));
            filters_load_up(loader, inner);
        }
    } else if (test->pattern != NULL) {
        const char *pattern = filters_pattern_text(test->pattern);
        lint_pattern(loader, pattern);
        lint_list(loader, pattern, key);
    } else if (test->subject->type == FILTERS_TYPE_TEXT &&
               (json_is_array(operand) || (json_is_string(operand) && test->op != FILTERS_IN))) {
        lint_words(loader, test, operand, key);
    } else if (test->list != NULL && test->set != NULL && test->subject->type == FILTERS_TYPE_TEXT) {
        lint_entries(loader, test, key);
    }
    filters_load_up(loader, mark);
}

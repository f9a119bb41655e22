/*
 * filters_set - a loaded rule set as its parts see it; nobody outside filters/ includes this.
 *
 *   subject    what a test looks at: a field of the envelope, header fields of a name ... Each distinct one exists once per set and has a
 *              number, so that its values are fetched once per message, however many rules ask
 *   condition  a tree of all / any / not over tests; immutable
 *   action     what a matching rule does, with its templates compiled
 *
 * Everything but the patterns lives in the set's arena.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_SET_H
#define MAILWEIR_FILTERS_FILTERS_SET_H

#include "filters/filters.h"
#include "filters/filters_pattern.h"

/* How far a message must have come for a subject to have values. */
enum filters_stage { FILTERS_STAGE_ENVELOPE, FILTERS_STAGE_HEADER };

enum filters_subject_kind { FILTERS_SUBJECT_FROM, FILTERS_SUBJECT_TO, FILTERS_SUBJECT_HEADER };

struct filters_subject {
    enum filters_subject_kind kind;
    const char *header; /* SUBJECT_HEADER: the field's name */
    enum filters_stage stage;
    unsigned number;
};

enum filters_operator { FILTERS_IS, FILTERS_MATCHES };

struct filters_condition {
    enum { FILTERS_ALL, FILTERS_ANY, FILTERS_NOT, FILTERS_TEST } kind;
    const struct filters_condition **children; /* ALL, ANY; NOT has one */
    size_t child_count;
    const struct filters_subject *subject; /* TEST */
    enum filters_operator operator;
    bool ignore_case;
    struct bytes *words; /* IS: any of these */
    size_t word_count;
    const struct filters_pattern *pattern; /* MATCHES */
};

struct filters_template;

struct filters_action {
    enum { FILTERS_FILEINTO, FILTERS_STOP } kind;
    const char *upstream;
    const struct filters_template *folder;
    const char *const *flags;
    size_t flag_count;
};

struct filters_rule {
    const char *name;
    const char *file;
    size_t line, column;
    const struct filters_condition *condition; /* NULL: always */
    struct filters_action *actions;
    size_t action_count;
};

struct filters_expectation {
    const char *const *rules;
    size_t rule_count;
    bool has_rules;
    const char *const *filed; /* "upstream:folder" */
    size_t filed_count;
    bool has_filed;
};

struct filters_test {
    const char *name;
    const char *file; /* the rule file it stands in */
    size_t line, column;
    const char *message; /* path, from the rule file's directory */
    const char *from;
    const char *const *to;
    size_t to_count;
    struct filters_expectation expect;
};

struct filters_set {
    struct arena *arena;
    struct filters_rule *rules;
    size_t rule_count;
    struct filters_test *tests;
    size_t test_count;
    struct filters_subject **subjects;
    size_t subject_count, subject_size;
    struct filters_pattern **patterns;
    size_t pattern_count, pattern_size;
    size_t capture_max; /* the most tests that capture in one rule */
    struct filters_default fallback;
};

#endif

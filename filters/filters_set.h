/*
 * filters_set - a loaded rule set as its parts see it; nobody outside filters/ includes this.
 *
 *   subject    what a test looks at: a field of the envelope, header fields of a name, by part ... Each distinct one
 * exists once per set and has a number, so that its values are fetched once per message, however many rules ask
 *   condition  a tree of all / any / not over tests; immutable; a named one is shared by the rules that use it
 *   action     what a matching rule does, with its templates compiled
 *   group      a list of rules with an index; group 0 is the "rules" of all files
 *
 * Everything but patterns, word sets and indexes lives in the set's arena.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_SET_H
#define MAILWEIR_FILTERS_FILTERS_SET_H

#include "filters/filters.h"
#include "filters/filters_pattern.h"
#include "filters/filters_table.h"
#include "filters/filters_words.h"

struct filters_template;
struct filters_formula;
struct filters_zone;
struct filters_map;
struct filters_prefilter;

struct filters_subject {
    enum filters_kind kind;
    enum filters_part part;
    enum filters_type type;
    enum filters_extent extent;
    bool nocase;
    bool outer_only;                 /* BODY, ATTACHMENT: not of messages that the message brings along */
    const struct filters_zone *zone; /* of times; NULL: UTC */
    const char *const *headers;      /* SUBJECT_HEADER: the fields' names */
    size_t header_count;
    const struct filters_formula *formula; /* SUBJECT_FORMULA */
    const struct filters_template *key;    /* SUBJECT_COUNTER, whose name is the one of headers; NULL: none */
    int64_t within_ms;                     /* SUBJECT_COUNTER */
    enum filters_object object;
    bool per_recipient;
    bool is_volatile; /* fetched anew each time it is asked for, and in no index */
    unsigned number;
    struct filters_prefilter *prefilter; /* of the patterns and words that look at it; NULL: they are few */
};

/* From low to high, both included; low > high passes midnight. */
struct filters_range {
    int64_t low, high;
};

enum filters_condition_kind { FILTERS_ALL, FILTERS_ANY, FILTERS_NOT, FILTERS_EACH, FILTERS_TEST };

struct filters_condition {
    enum filters_condition_kind kind;
    enum filters_quantifier quantifier;        /* of EACH: its one child is decided for each value of the subject */
    const char *name;                          /* of a named condition, else NULL */
    const struct filters_condition **children; /* ALL, ANY; NOT has one */
    size_t child_count;
    bool per_recipient; /* looks at the recipient */
    /* of a TEST: */
    const struct filters_subject *subject;
    enum filters_operator op;
    bool nocase;
    bool wanted;                     /* EXISTS */
    struct bytes *words;             /* CONTAINS, STARTS_WITH, ENDS_WITH: folded when nocase */
    size_t word_count;               /* as written, for IS too */
    unsigned number;                 /* of CONTAINS with words; see number_count */
    const struct filters_words *set; /* IS and IN of texts and networks */
    const char *list;                /* IN: the list's name, for people; or NULL */
    struct filters_range *ranges;    /* numbers, times, dates, weekdays */
    size_t range_count;
    const struct filters_pattern *pattern;         /* MATCHES */
    const struct filters_pattern *const *patterns; /* MATCHES with a list; they capture nothing */
    size_t pattern_count;
    const struct filters_subject
        *operand; /* {"of": ...}: compared with its values; nothing of the above but the operator counts */
};

/* Where mail goes otherwise: struct mail_way with the folder as a template. */
struct filters_way {
    const char *upstream;                  /* NULL: the same */
    const struct filters_template *folder; /* NULL: the same */
    bool refused, down, full;
    uint64_t down_ms, full_ms;
};

struct filters_target {
    const char *upstream;
    const char *fallback; /* the upstream that gets it when the first stays down; or NULL */
    const struct filters_template *folder;
    struct filters_way *ways;
    size_t way_count;
    struct filters_naming *namings; /* of those of all its upstreams whose server is particular */
    size_t naming_count;
    const struct filters_template **keywords; /* flags, in order; a system flag is a template without values */
    size_t keyword_count;
    bool date_from_header;
};

struct filters_assignment {
    unsigned variable;
    const struct filters_template *value;
};

struct filters_action {
    enum filters_action_kind kind;
    struct filters_target *targets; /* FILEINTO, COPY */
    size_t target_count;
    int code; /* REJECT, DEFER */
    const char *enhanced;
    const char *field;                      /* header edits */
    const struct filters_template *text;    /* REJECT, DEFER, ADDHEADER, REPLACEHEADER, TAG_SUBJECT */
    struct filters_assignment *assignments; /* SET */
    size_t assignment_count;
    unsigned group;      /* GOTO */
    const char *counter; /* COUNT, by the key that text gives, if there is one */
};

struct filters_rule {
    const char *name;
    const char *file;
    size_t line, column;
    unsigned number;                           /* over all groups */
    const struct filters_condition *condition; /* NULL: always */
    struct filters_action *actions;
    size_t action_count;
    enum filters_on_error on_error;
    bool disabled;
    const char *off;     /* why it is disabled, or NULL */
    bool watch;          /* it is tried and does nothing */
    int64_t until_ms;    /* from then on it is not tried; 0: for ever */
    bool ends;           /* has an action after which no rule is tried: stop, reject, defer, discard, goto */
    const char *said_no; /* what the record of a message says when it said no; those of a group lie in order, one behind
                            the other */
    unsigned short said_len; /* of it, the NUL included; 0: disabled, there is nothing to say */
    unsigned enabled_before; /* rules of the group that are not disabled */
    bool overrides;          /* a refusal at a later rule could not be certain while this one is unknown */
};

struct filters_group {
    const char *name; /* NULL: group 0 */
    const char *file;
    size_t line, column;
    struct filters_rule *rules;
    size_t rule_count;
    unsigned enabled_count; /* of them */
    struct filters_action *defaults;
    size_t default_count;
    struct filters_index *index;
    bool first; /* the first rule that holds is the last that is tried */
    bool used;
};

/* A delivery that a test expects; a member counts when its has_ is set. */
struct filters_filed {
    const char *text; /* "upstream:folder" */
    bool has_flags, has_held, has_to, has_else, has_date, held, date_from_header;
    const char *const *flags, *const *to, *const *otherwise;
    const struct filters_way *ways; /* one for each of otherwise: its "when"; none of the three set: it does not say */
    size_t flag_count, to_count, otherwise_count;
};

/* What a test of the rules expects; a member counts when its has_ is set. */
struct filters_expectation {
    bool has_rules, has_filed, has_flags, has_held, has_discarded, has_rejected, has_deferred;
    bool has_watched, has_counted;
    const char *const *counted;
    size_t counted_count;
    const char *const *rules, *const *flags, *const *watched;
    const struct filters_filed *filed;
    size_t rule_count, filed_count, flag_count, watched_count;
    bool held, discarded, rejected, deferred;
    int code;         /* of a refusal; 0: any */
    const char *text; /* of a refusal: a part of it; NULL: any */
    const char *const *header_names, *const *header_values;
    size_t header_count;
};

struct filters_test {
    const char *name;
    const char *file; /* the rule file it stands in */
    size_t line, column;
    const char *path;     /* of the message; NULL: inline */
    struct bytes message; /* inline */
    struct mail_client client;
    const char *from;
    const char *const *to;
    size_t to_count;
    bool has_now; /* else it runs at the time at which the set was loaded */
    int64_t now_ms;
    const struct filters_given *given;
    size_t given_count;
    struct filters_expectation expect;
};

/* What a test says was counted before; key NULL: under whatever key. */
struct filters_given {
    const char *counter, *key;
    uint64_t count;
};

/* A host whose Authentication-Results are believed when one of these clients brings them. */
struct filters_authserv {
    const char *name;
    const struct filters_words *clients;
};

/* The number by which a prefilter rules the test out, if it can. */
MUST_USE static inline bool filters_condition_number(const struct filters_condition *condition, unsigned *number_r)
{
    bool pattern = condition->pattern != NULL, words = condition->op == FILTERS_CONTAINS && condition->words != NULL;
    *number_r = pattern ? filters_pattern_number(condition->pattern) : condition->number;
    return pattern || words;
}

struct filters_set {
    struct arena *arena;
    struct filters_group *groups;
    size_t group_count;
    unsigned rule_count; /* over all groups */
    struct filters_test *tests;
    size_t test_count;
    struct filters_subject **subjects;
    size_t subject_count, subject_size;
    struct filters_pattern **patterns;
    size_t pattern_count, pattern_size;
    size_t number_count; /* of what prefilters rule out, by number: patterns, and tests for words anywhere in a text */
    struct filters_words **word_sets;
    size_t word_set_count, word_set_size;
    const char **variables;
    size_t variable_count;
    const struct filters_authserv *authservs;
    size_t authserv_count;
    struct filters_zone **zones;
    size_t zone_count;
    struct filters_map **maps;
    size_t map_count;
    const struct filters_counter *counters;
    size_t counter_count;
    bool needs_body;
    bool per_recipient;   /* a rule or a template looks at the recipient */
    unsigned view_wanted; /* of mail_view_read() */
    struct filters_default fallback;
    int64_t loaded_ms; /* when; 0: not known */
};

#endif

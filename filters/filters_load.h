/*
 * filters_load - what the parts of the loader share; nobody outside filters/ includes it.
 *
 * A loader walks one file's JSON and keeps the pointer of where it is; a problem is added at that place. Functions
 * return NULL or -1 after they have added a problem, and the walk goes on, so that one load tells all of them.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_LOAD_H
#define MAILWEIR_FILTERS_FILTERS_LOAD_H

#include "base/map.h"
#include "base/must_use.h"
#include "document/document.h"
#include "filters/filters_set.h"
#include "filters/filters_template.h"

#define FILTERS_RULES_MAX         100000u
#define FILTERS_TESTS_MAX         100000u
#define FILTERS_GROUPS_MAX        1000u
#define FILTERS_NAMED_MAX         100000u
#define FILTERS_RULE_PATTERNS_MAX 256u
#define FILTERS_KEYS_MAX          64u
#define FILTERS_VARIABLES_MAX     1000u
#define FILTERS_ACTIONS_MAX       1000u /* of one rule, named ones in their places */

/* A named list or condition: read where it is used first. */
struct filters_named {
    const char *name;
    const struct document *json; /* its file */
    const char *pointer;
    json_t *value;
    enum { FILTERS_NAMED_NEW, FILTERS_NAMED_LOADING, FILTERS_NAMED_LOADED } state;
    bool used;
    const struct filters_condition *condition;
    const struct filters_words *sets[3];     /* of a list, by enum filters_words_mode */
    const struct filters_map *map;           /* of a map */
    const struct filters_pattern **patterns; /* of a condition: those that capture */
    size_t pattern_count;
};

/* A variable that some rule sets. */
struct filters_variable {
    unsigned number;
    bool is_set; /* by a rule that was loaded already */
    bool used;
    const char *file; /* of the first rule that sets it */
    size_t line, column;
};

struct filters_loader {
    const struct filters_load_options *options;
    struct problems *problems;
    struct filters_set *set;
    const struct document *json;
    struct buf path;                     /* JSON pointer of where the walk is */
    struct map *lists, *conditions;      /* name -> struct filters_named */
    struct map *subjects;                /* a key that tells what it looks at -> struct filters_subject */
    struct map *variables;               /* name -> struct filters_variable */
    struct map *maps;                    /* name -> struct filters_named */
    struct map *actions;                 /* name -> struct filters_named */
    struct map *counters;                /* name -> what filters_load_count.c knows of it */
    struct map *shared_patterns;         /* "i" or "c" and the text -> struct filters_pattern: those of lists */
    const struct filters_zone *zone;     /* where the set's files say so; NULL: UTC */
    const struct filters_subject *items; /* what "." is, under "some", "every" and "none"; NULL elsewhere */
    bool wants_texts;                    /* "recipients" alone stands for their addresses, not for their number */
    bool in_named;                       /* a named condition is loaded: it may be used behind any rule */
    struct map *groups;                  /* name -> number */
    /* Of the rule being loaded: the patterns whose groups its templates may name. */
    const struct filters_pattern *patterns[FILTERS_RULE_PATTERNS_MAX];
    size_t pattern_count;
    const struct filters_condition *condition; /* of the rule whose actions are being loaded, or NULL */
    unsigned depth;                            /* of named conditions in each other */
    int64_t today;                             /* 20261201, UTC; 0 when nobody said what time it is */
};

/* Goes down to a member or an item; filters_load_up() with the result comes back. */
size_t filters_load_down(struct filters_loader *loader, const char *key);
size_t filters_load_item(struct filters_loader *loader, size_t index);
void filters_load_up(struct filters_loader *loader, size_t mark);

void filters_load_error(struct filters_loader *loader, const char *format, ...) __attribute__((format(printf, 2, 3)));
void filters_load_error_at(struct filters_loader *loader, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void filters_load_warning_at(struct filters_loader *loader, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "what "word" is unknown; did you mean ...?" at the member `key`, or at the loader's place when key is NULL. */
void filters_load_unknown(struct filters_loader *loader, const char *key, const char *what, const char *word,
                          const char *const *known);

/*
 * Whether value is an object whose keys are all in the tables (NULL for none) with the right kinds of values. Every
 * mistake is told; only a value that is no object gives false.
 */
bool filters_load_object(struct filters_loader *loader, json_t *value, const char *what, const struct filters_key *keys,
                         const struct filters_key *more);
/* Whether value is a list (`what` says of what) of at most `max` items. */
bool filters_load_list(struct filters_loader *loader, json_t *value, const char *what, size_t max);

/* The names of the map, for filters_load_unknown(). */
const char *const *filters_load_names(struct filters_loader *loader, struct map *map);

/* The member as text, copied into the set; NULL when it is missing or no text (which is told by filters_load_object()).
 */
const char *filters_load_text(struct filters_loader *loader, json_t *object, const char *key);
/* The member's texts: one or a list. */
void filters_load_texts(struct filters_loader *loader, json_t *object, const char *key, const char *const **list_r,
                        size_t *count_r);
/* Memory of the set, zeroed. */
MUST_USE void *filters_load_alloc(struct filters_loader *loader, size_t count, size_t size);
const char *filters_load_copy(struct filters_loader *loader, const char *text);

/* The set's subject like this one: there is one of each. */
const struct filters_subject *filters_load_subject(struct filters_loader *loader, const struct filters_subject *wanted);
/* What a name means in the rule that is being loaded. -1, with what is wrong appended to error. */
MUST_USE int filters_load_name(struct filters_loader *loader, const char *name, struct filters_reference *reference_r,
                               struct buf *error);
/* What stands between "${" and "}", or in "of". NULL, with what is wrong appended to error. */
const struct filters_formula *filters_load_formula(struct filters_loader *loader, struct bytes text, struct buf *error);
/* Whether neither a group of the rule's patterns nor a variable has the name: those come first. */
bool filters_load_is_free(struct filters_loader *loader, const char *name);
/* The formula as something that tests look at; NULL after a problem at the loader's place. */
const struct filters_subject *filters_load_of(struct filters_loader *loader, const char *text);
/* The member's template; NULL after a problem or when it is missing. */
const struct filters_template *filters_load_template(struct filters_loader *loader, json_t *object, const char *key);
/* A keyword's template; NULL, with what is wrong appended to error. */
const struct filters_template *filters_load_keyword(struct filters_loader *loader, const char *text, struct buf *error);
/* The variable that some rule sets, noted as used; NULL when none does. */
MUST_USE struct filters_variable *filters_load_variable(struct filters_loader *loader, const char *name);
/* Notes the variables that the file's rules set. */
void filters_load_variables(struct filters_loader *loader, json_t *root);
/* The named map, loaded; NULL, with what is wrong appended to error (what is wrong inside it is told at its place). */
const struct filters_map *filters_load_map(struct filters_loader *loader, const char *name, struct buf *error);
/* Loads the maps that nothing uses, so that what is wrong in them is told. */
void filters_load_unused_maps(struct filters_loader *loader);
/* The zone of that name; NULL when there is none. */
const struct filters_zone *filters_load_zone(struct filters_loader *loader, const char *name);
/* The attribute is asked for: sizes of attachments, texts of parts cost time. */
void filters_load_note_attribute(struct filters_loader *loader, enum filters_part part);
/* The recipients of the envelope, each of them. */
const struct filters_subject *filters_load_recipients(struct filters_loader *loader);
/* The parts of that media type; "" are all, "text/" and a star all of that kind. */
const struct filters_subject *filters_load_parts(struct filters_loader *loader, const char *type);
/* Notes whose Authentication-Results the file believes. */
void filters_load_authservs(struct filters_loader *loader, json_t *root);
/* The set owns the pattern from here on. */
void filters_load_keep_pattern(struct filters_loader *loader, struct filters_pattern *pattern);

/* Whether a key of the condition is a word of another language, or a field's name: then it was told what to write. */
bool filters_load_foreign(struct filters_loader *loader, json_t *condition);
/* Whether a header field is commonly called so; that it is one, as an error at the key. */
bool filters_load_is_header(const char *name);
void filters_load_header_instead(struct filters_loader *loader, const char *key, const char *name);
/* The condition at the loader's place, or NULL. */
const struct filters_condition *filters_load_condition(struct filters_loader *loader, json_t *value);
/* Fills the operator's part of a test: operator, what it compares with. -1 after a problem. */
MUST_USE int filters_load_operator(struct filters_loader *loader, json_t *value, struct filters_condition *condition);
/* The set of words of "in": a list of texts, a named list, a file. NULL after a problem. */
const struct filters_words *filters_load_words(struct filters_loader *loader, json_t *value,
                                               enum filters_words_mode mode, const char **name_r);
/* A named list's set for this way to compare; its problems belong to the place where it stands. NULL after one. */
const struct filters_words *filters_load_named_words(struct filters_loader *loader, struct filters_named *named,
                                                     enum filters_words_mode mode);
/* A set of the words given. */
const struct filters_words *filters_load_word_set(struct filters_loader *loader, const struct bytes *words,
                                                  size_t count, enum filters_words_mode mode);

/* "when" of a place where it goes otherwise; without it, each of the three. */
void filters_load_when(struct filters_loader *loader, json_t *value, struct filters_way *way);
/* The targets of "fileinto" or "copy" at the loader's place: one, or a list. */
void filters_load_targets(struct filters_loader *loader, json_t *value, struct filters_action *action);
/* The subject of a test with "counter"; NULL after a problem. */
const struct filters_subject *filters_load_counter(struct filters_loader *loader, json_t *value);
/* "count": the action's object, with the loader at its place. */
void filters_load_count(struct filters_loader *loader, json_t *value, struct filters_action *action);
/* When all files are loaded: the set's counters, and warnings about those that are only counted or only asked. */
void filters_load_counters(struct filters_loader *loader);
/* The list of actions at the loader's place. */
void filters_load_actions(struct filters_loader *loader, json_t *value, struct filters_action **actions_r,
                          size_t *count_r);
/* The tests at the loader's place: appended to the set. */
void filters_load_tests(struct filters_loader *loader, json_t *value);
/* Whether the rules that tests expect exist; when all files are loaded. */
void filters_load_check_tests(struct filters_loader *loader);
/* Loads the named lists and conditions that nothing uses, so that what is wrong in them is told. */
void filters_load_unused(struct filters_loader *loader);
/* Loads the named condition at its own place, unless it was. */
void filters_load_named_condition(struct filters_loader *loader, struct filters_named *named);

/*
 * What has a name is loaded where it is used, but its problems belong to the place where it stands: from now on that is
 * the loader's place, until it goes back to the one that is returned.
 */
struct filters_load_place {
    const struct document *json;
    struct buf path;
};
struct filters_load_place filters_load_go_to(struct filters_loader *loader, const struct filters_named *named);
void filters_load_go_back(struct filters_loader *loader, const struct filters_load_place *place);
/* Notes the file's named lists, conditions and groups. */
void filters_load_named(struct filters_loader *loader, json_t *root);

/* Warnings about what is right and yet hardly meant. */
void filters_lint(struct filters_loader *loader);
/* Of one test, with the loader at its place; key is the operator's. */
void filters_lint_test(struct filters_loader *loader, json_t *value, const struct filters_condition *test,
                       const char *key);
/* Of a list of actions, with the loader at the object whose member `key` they are. */
void filters_lint_actions(struct filters_loader *loader, const struct filters_action *actions, size_t count,
                          const char *key);
/* Of a condition that is the member `key`, or, with NULL, at the loader's place: a named one. */
void filters_lint_condition(struct filters_loader *loader, const struct filters_condition *condition, const char *key);
void filters_lint_pattern(struct filters_loader *loader, const struct filters_pattern *pattern);

#endif

/*
 * filters_load - the parts of the loader share this; nobody outside filters/ includes it.
 *
 * A loader walks one file's JSON and keeps the pointer of where it is; a problem is added at that place. Functions return NULL or -1
 * after they have added a problem, and the walk goes on, so that one load tells all of them.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_LOAD_H
#define MAILWEIR_FILTERS_FILTERS_LOAD_H

#include "filters/filters_json.h"
#include "filters/filters_set.h"
#include "filters/filters_template.h"

#define FILTERS_RULES_MAX 100000
#define FILTERS_RULE_PATTERNS_MAX 256

struct filters_loader {
    const struct filters_load_options *options;
    struct filters_problems *problems;
    struct filters_set *set;
    const struct filters_json *json;
    struct buf path; /* JSON pointer of where the walk is */
    /* Of the rule being loaded: the patterns whose groups its templates may name. */
    const struct filters_pattern *patterns[FILTERS_RULE_PATTERNS_MAX];
    size_t pattern_count;
    bool negated; /* under "not": what must not match captures nothing */
};

/* Goes down to a member or an item; returns what filters_load_up() needs to come back. */
size_t filters_load_down(struct filters_loader *loader, const char *key);
size_t filters_load_item(struct filters_loader *loader, size_t index);
void filters_load_up(struct filters_loader *loader, size_t mark);

void filters_load_error(struct filters_loader *loader, const char *format, ...) __attribute__((format(printf, 2, 3)));
void filters_load_error_at(struct filters_loader *loader, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds an error for each key that is not in known. */
void filters_load_keys(struct filters_loader *loader, json_t *object, const char *const *known);
/* The member as text, copied into the set; NULL when it is missing (an error when required) or not a text (always an error). */
const char *filters_load_text(struct filters_loader *loader, json_t *object, const char *key, bool required);
/* The member's texts: one text or a list of them. -1 after an error. *list_r is NULL and the count 0 when it is missing. */
int filters_load_texts(struct filters_loader *loader, json_t *object, const char *key, const char *const **list_r,
                       size_t *count_r);
/* Memory of the set, zeroed. */
void *filters_load_alloc(struct filters_loader *loader, size_t count, size_t size);

/* The condition at the loader's place, or NULL. */
const struct filters_condition *filters_load_condition(struct filters_loader *loader, json_t *value);
/* The list of actions at the loader's place. */
int filters_load_actions(struct filters_loader *loader, json_t *value, struct filters_rule *rule);
/* The tests at the loader's place: appended to the set. */
void filters_load_tests(struct filters_loader *loader, json_t *value);

#endif

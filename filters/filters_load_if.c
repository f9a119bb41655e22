/*
 * filters_load_if - the conditions of a rule: all, any, not, and tests.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_load.h"

static const struct {
    const char *name;
    enum filters_subject_kind kind;
    enum filters_stage stage;
} fields[] = {
    {"from", FILTERS_SUBJECT_FROM, FILTERS_STAGE_ENVELOPE},
    {"to", FILTERS_SUBJECT_TO, FILTERS_STAGE_ENVELOPE},
};
#define FIELD_COUNT (sizeof fields / sizeof *fields)

/* The set's subject of this kind: there is one of each. */
static const struct filters_subject *subject_of(struct filters_loader *loader, struct filters_subject wanted)
{
    struct filters_set *set = loader->set;
    for (size_t i = 0; i < set->subject_count; i++) {
        struct filters_subject *subject = set->subjects[i];
        if (subject->kind == wanted.kind &&
            (wanted.header == NULL || bytes_is_nocase(bytes_of(wanted.header), subject->header))) {
            return subject;
        }
    }
    if (set->subject_count == set->subject_size) {
        set->subject_size = set->subject_size == 0 ? 16 : set->subject_size * 2;
        set->subjects = expect_memory(realloc(set->subjects, set->subject_size * sizeof *set->subjects));
    }
    struct filters_subject *subject = filters_load_alloc(loader, 1, sizeof *subject);
    *subject = wanted;
    subject->number = (unsigned)set->subject_count;
    set->subjects[set->subject_count++] = subject;
    return subject;
}

static const struct filters_subject *load_field(struct filters_loader *loader, const char *name)
{
    const char *names[FIELD_COUNT + 1] = {NULL};
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return subject_of(loader, (struct filters_subject){.kind = fields[i].kind, .stage = fields[i].stage});
        }
        names[i] = fields[i].name;
    }
    const char *nearest = filters_nearest(name, names);
    filters_load_error_at(loader, "field", "unknown field \"%s\"%s%s%s", name, nearest == NULL ? "" : "; did you mean \"",
                          nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
    return NULL;
}

static bool is_field_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (*c <= ' ' || *c == ':' || *c >= 0x7f) {
            return false;
        }
    }
    return name[0] != '\0';
}

static const struct filters_subject *load_subject(struct filters_loader *loader, json_t *value)
{
    bool has_field = json_object_get(value, "field") != NULL, has_header = json_object_get(value, "header") != NULL;
    if (has_field == has_header) {
        filters_load_error(loader, has_field ? "a test has either \"field\" or \"header\""
                                             : "a condition is \"all\", \"any\", \"not\", or a test with \"field\" or \"header\"");
        return NULL;
    }
    const char *name = filters_load_text(loader, value, has_field ? "field" : "header", true);
    if (name == NULL || has_field) {
        return name == NULL ? NULL : load_field(loader, name);
    }
    if (!is_field_name(name)) {
        filters_load_error_at(loader, "header", "\"%s\" is not the name of a header field", name);
        return NULL;
    }
    return subject_of(loader, (struct filters_subject){
                                  .kind = FILTERS_SUBJECT_HEADER, .stage = FILTERS_STAGE_HEADER, .header = name});
}

static int load_is(struct filters_loader *loader, json_t *value, struct filters_condition *condition)
{
    const char *const *words;
    if (filters_load_texts(loader, value, "is", &words, &condition->word_count) < 0) {
        return -1;
    }
    condition->operator = FILTERS_IS;
    condition->words = filters_load_alloc(loader, condition->word_count, sizeof *condition->words);
    for (size_t i = 0; i < condition->word_count; i++) {
        condition->words[i] = bytes_of(words[i]);
    }
    return 0;
}

/* The set owns the pattern; the rule's templates may name its groups. */
static void keep_pattern(struct filters_loader *loader, struct filters_pattern *pattern)
{
    struct filters_set *set = loader->set;
    if (set->pattern_count == set->pattern_size) {
        set->pattern_size = set->pattern_size == 0 ? 16 : set->pattern_size * 2;
        set->patterns = expect_memory(realloc(set->patterns, set->pattern_size * sizeof(struct filters_pattern *)));
    }
    set->patterns[set->pattern_count++] = pattern;
    if (loader->pattern_count == FILTERS_RULE_PATTERNS_MAX) {
        filters_load_error(loader, "more than %d patterns in one rule", FILTERS_RULE_PATTERNS_MAX);
        return;
    }
    loader->patterns[loader->pattern_count++] = pattern;
}

static int load_matches(struct filters_loader *loader, json_t *value, struct filters_condition *condition)
{
    const char *text = filters_load_text(loader, value, "matches", true);
    if (text == NULL) {
        return -1;
    }
    struct buf error;
    buf_init(&error, 500);
    struct filters_pattern *pattern = filters_pattern_new(text, condition->ignore_case, &error);
    if (pattern == NULL) {
        filters_load_error_at(loader, "matches", "the pattern does not compile: %s", buf_text(&error));
        buf_done(&error);
        return -1;
    }
    buf_done(&error);
    condition->operator = FILTERS_MATCHES;
    condition->pattern = pattern;
    keep_pattern(loader, pattern);
    return 0;
}

static const struct filters_condition *load_test(struct filters_loader *loader, json_t *value)
{
    static const char *const known[] = {"field", "header", "is", "matches", "ignore_case", "all", "any", "not", NULL};
    struct filters_condition *condition = filters_load_alloc(loader, 1, sizeof *condition);
    condition->kind = FILTERS_TEST;
    filters_load_keys(loader, value, known);
    condition->subject = load_subject(loader, value);
    json_t *ignore_case = json_object_get(value, "ignore_case");
    if (ignore_case != NULL && !json_is_boolean(ignore_case)) {
        filters_load_error_at(loader, "ignore_case", "\"ignore_case\" is true or false");
    }
    condition->ignore_case = json_is_true(ignore_case);
    bool has_is = json_object_get(value, "is") != NULL, has_matches = json_object_get(value, "matches") != NULL;
    if (has_is == has_matches) {
        filters_load_error(loader, "a test has one of \"is\" and \"matches\"");
        return NULL;
    }
    int result = has_is ? load_is(loader, value, condition) : load_matches(loader, value, condition);
    return result < 0 || condition->subject == NULL ? NULL : condition;
}

static const struct filters_condition *load_children(struct filters_loader *loader, json_t *list, int kind)
{
    if (!json_is_array(list) || json_array_size(list) == 0) {
        filters_load_error(loader, "must be a list of one or more conditions");
        return NULL;
    }
    struct filters_condition *condition = filters_load_alloc(loader, 1, sizeof *condition);
    condition->kind = kind == FILTERS_ALL ? FILTERS_ALL : FILTERS_ANY;
    condition->children = filters_load_alloc(loader, json_array_size(list), sizeof(const struct filters_condition *));
    bool complete = true;
    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t mark = filters_load_item(loader, i);
        condition->children[i] = filters_load_condition(loader, json_array_get(list, i));
        complete = complete && condition->children[i] != NULL;
        filters_load_up(loader, mark);
    }
    condition->child_count = json_array_size(list);
    return complete ? condition : NULL;
}

static const struct filters_condition *load_not(struct filters_loader *loader, json_t *value)
{
    size_t patterns = loader->pattern_count;
    const struct filters_condition *child = filters_load_condition(loader, value);
    loader->pattern_count = patterns; /* what must not match captures nothing */
    if (child == NULL) {
        return NULL;
    }
    struct filters_condition *condition = filters_load_alloc(loader, 1, sizeof *condition);
    condition->kind = FILTERS_NOT;
    condition->children = filters_load_alloc(loader, 1, sizeof(const struct filters_condition *));
    condition->children[0] = child;
    condition->child_count = 1;
    return condition;
}

const struct filters_condition *filters_load_condition(struct filters_loader *loader, json_t *value)
{
    static const char *const words[] = {"all", "any", "not"};
    if (!json_is_object(value)) {
        filters_load_error(loader, "a condition is an object");
        return NULL;
    }
    for (size_t i = 0; i < 3; i++) {
        json_t *inside = json_object_get(value, words[i]);
        if (inside == NULL) {
            continue;
        }
        filters_load_keys(loader, value, (const char *const[]){words[i], NULL});
        size_t mark = filters_load_down(loader, words[i]);
        const struct filters_condition *condition =
            i == 2 ? load_not(loader, inside) : load_children(loader, inside, i == 0 ? FILTERS_ALL : FILTERS_ANY);
        filters_load_up(loader, mark);
        return condition;
    }
    return load_test(loader, value);
}

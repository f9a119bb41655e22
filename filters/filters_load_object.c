/*
 * filters_load_object - where the loader is, what it complains about, and the members of objects by their tables.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/expect.h"
#include "document/nearest.h"
#include "filters/filters_load.h"

size_t filters_load_down(struct filters_loader *loader, const char *key)
{
    size_t mark = loader->path.len;
    buf_append_text(&loader->path, "/");
    for (; *key != '\0'; key++) {
        if (*key == '~' || *key == '/') {
            buf_append_text(&loader->path, *key == '~' ? "~0" : "~1");
        } else {
            buf_append_octet(&loader->path, (uint8_t)*key);
        }
    }
    return mark;
}

size_t filters_load_item(struct filters_loader *loader, size_t index)
{
    size_t mark = loader->path.len;
    buf_printf(&loader->path, "/%zu", index);
    return mark;
}

void filters_load_up(struct filters_loader *loader, size_t mark)
{
    buf_truncate(&loader->path, mark);
}

struct filters_load_place filters_load_go_to(struct filters_loader *loader, const struct filters_named *named)
{
    const struct filters_load_place place = {.json = loader->json, .path = loader->path};
    buf_init(&loader->path, place.path.max);
    buf_append_text(&loader->path, named->pointer);
    loader->json = named->json;
    return place;
}

void filters_load_go_back(struct filters_loader *loader, const struct filters_load_place *place)
{
    buf_done(&loader->path);
    loader->path = place->path;
    loader->json = place->json;
}

__attribute__((format(printf, 4, 0))) static void add_problem(struct filters_loader *loader,
                                                              enum problem_severity severity, const char *key,
                                                              const char *format, va_list args)
{
    char text[2000];
    vsnprintf(text, sizeof text, format, args);
    size_t mark = key == NULL ? loader->path.len : filters_load_down(loader, key);
    document_problem(loader->json, loader->problems, severity, buf_text(&loader->path), "%s", text);
    filters_load_up(loader, mark);
}

void filters_load_error(struct filters_loader *loader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_problem(loader, PROBLEM_ERROR, NULL, format, args);
    va_end(args);
}

void filters_load_error_at(struct filters_loader *loader, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_problem(loader, PROBLEM_ERROR, key, format, args);
    va_end(args);
}

void filters_load_warning_at(struct filters_loader *loader, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_problem(loader, PROBLEM_WARNING, key, format, args);
    va_end(args);
}

void filters_load_unknown(struct filters_loader *loader, const char *key, const char *what, const char *word,
                          const char *const *known)
{
    size_t mark = key == NULL ? loader->path.len : filters_load_down(loader, key);
    const char *nearest = nearest_word(word, known);
    if (nearest != NULL) {
        filters_load_error(loader, "there is no %s \"%s\"; did you mean \"%s\"?", what, word, nearest);
    } else {
        struct buf list;
        buf_init(&list, 1000);
        for (size_t i = 0; known[i] != NULL; i++) {
            buf_printf(&list, "%s%s", i == 0 ? "; there is " : ", ", known[i]);
        }
        filters_load_error(loader, "there is no %s \"%s\"%s", what, word, buf_text(&list));
        buf_done(&list);
    }
    filters_load_up(loader, mark);
}

static bool all_are(json_t *list, bool (*is)(const json_t *value))
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!is(json_array_get(list, i))) {
            return false;
        }
    }
    return true;
}

static bool is_text(const json_t *value)
{
    return json_is_string(value);
}

static bool is_scalar(const json_t *value)
{
    return json_is_string(value) || json_is_integer(value) || json_is_real(value);
}

/* {"of": ...}, {"list": ...}, {"file": ...}: what is inside is looked at by who loads it. */
static bool is_reference(const json_t *value)
{
    return json_object_get(value, "of") != NULL || json_object_get(value, "list") != NULL ||
           json_object_get(value, "file") != NULL;
}

/* What an operator should have been compared with, or NULL when it is right. */
static const char *operand_error(enum filters_shape shape, json_t *value)
{
    bool texts = is_text(value) || (json_is_array(value) && all_are(value, is_text));
    switch (shape) {
    case FILTERS_SHAPE_WORDS:
    case FILTERS_SHAPE_PATTERNS:
        return texts || is_reference(value) ? NULL : "a text, a list of texts, {\"list\": ...} or {\"of\": ...}";
    case FILTERS_SHAPE_SCALAR:
        return is_scalar(value) || is_reference(value) ? NULL : "a number or a text";
    case FILTERS_SHAPE_SCALARS:
        return is_scalar(value) || (json_is_array(value) && all_are(value, is_scalar)) || is_reference(value)
                   ? NULL
                   : "a text, a number, or a list of them";
    case FILTERS_SHAPE_PAIR:
        return json_array_size(value) == 2 && all_are(value, is_scalar) ? NULL : "a list of two: from, to";
    case FILTERS_SHAPE_LIST:
        return json_is_array(value) || json_is_string(value) || json_is_object(value)
                   ? NULL
                   : "a list of texts, the name of a list, or {\"file\": ...}";
    default:
        return json_is_null(value) ? "something, or left out" : NULL;
    }
}

/* What the value should have been, or NULL when it is right; shapes with parts of their own are looked at by who loads
 * them. */
static const char *shape_error(enum filters_shape shape, json_t *value)
{
    switch (shape) {
    case FILTERS_SHAPE_TEXT:
    case FILTERS_SHAPE_FIELD:
    case FILTERS_SHAPE_PART:
    case FILTERS_SHAPE_ON_ERROR:
    case FILTERS_SHAPE_DATE_SOURCE:
    case FILTERS_SHAPE_MAP_BY:
    case FILTERS_SHAPE_MATCH:
    case FILTERS_SHAPE_DATE:
    case FILTERS_SHAPE_DURATION:
        return is_text(value) ? NULL : "a text";
    case FILTERS_SHAPE_STATE:
        return is_text(value) || json_is_object(value) ? NULL : "\"active\", \"watch\", or {\"off\": \"the reason\"}";
    case FILTERS_SHAPE_TEXTS:
    case FILTERS_SHAPE_WHEN:
        return is_text(value) || (json_is_array(value) && all_are(value, is_text)) ? NULL : "a text or a list of texts";
    case FILTERS_SHAPE_BOOLEAN:
        return json_is_boolean(value) ? NULL : "true or false";
    case FILTERS_SHAPE_TRUE:
        return json_is_true(value) ? NULL : "true, or left out";
    case FILTERS_SHAPE_NUMBER:
        return json_is_integer(value) ? NULL : "a whole number";
    case FILTERS_SHAPE_COUNTERS:
        return json_is_object(value) ? NULL : "an object with the names of counters";
    case FILTERS_SHAPE_WAYS:
    case FILTERS_SHAPE_WAYS_FILED:
        return json_is_array(value) || json_is_object(value) || json_is_string(value) /* told by who loads it */
                   ? NULL
                   : "an object with \"upstream\" or \"folder\", or a list of them";
    case FILTERS_SHAPE_REFUSAL:
        return json_is_string(value) || json_is_object(value) ? NULL : "a text, or an object with \"text\"";
    default:
        return operand_error(shape, value);
    }
}

static void check_member(struct filters_loader *loader, json_t *object, const struct filters_key *key)
{
    json_t *value = json_object_get(object, key->name);
    if (value == NULL) {
        if (key->required) {
            filters_load_error(loader, "\"%s\" is missing: %s", key->name, key->help);
        }
        return;
    }
    const char *error = shape_error(key->shape, value);
    if (error != NULL) {
        filters_load_error_at(loader, key->name, "\"%s\" must be %s", key->name, error);
    }
}

/* A text where an object stands is often the one member that counts, or a key alone: it is written out. */
static void not_an_object(struct filters_loader *loader, json_t *value, const char *what,
                          const struct filters_key *keys, const char *first)
{
    const char *text = json_string_value(value);
    for (const struct filters_key *key = keys; text != NULL && key->name != NULL; key++) {
        if (strcmp(key->name, text) == 0) {
            filters_load_error(loader, "%s is an object: write {\"%s\": %s}", what, text,
                               key->shape == FILTERS_SHAPE_TRUE ? "true" : "...");
            return;
        }
    }
    for (const struct filters_key *key = keys; text != NULL && key->name != NULL; key++) {
        if (key->required && key->shape == FILTERS_SHAPE_TEXT) {
            filters_load_error(loader, "%s is an object: write {\"%s\": \"%.200s\"}", what, key->name, text);
            return;
        }
    }
    filters_load_error(loader, "%s is an object with \"%s\"", what, first);
}

bool filters_load_object(struct filters_loader *loader, json_t *value, const char *what, const struct filters_key *keys,
                         const struct filters_key *more)
{
    const char *names[FILTERS_KEYS_MAX];
    filters_key_names(keys, names, FILTERS_KEYS_MAX);
    if (more != NULL) {
        unsigned count = 0;
        while (names[count] != NULL) {
            count++;
        }
        filters_key_names(more, names + count, FILTERS_KEYS_MAX - count);
    }
    if (!json_is_object(value)) {
        not_an_object(loader, value, what, keys, names[0]);
        return false;
    }
    document_unknown_keys(loader->json, loader->problems, buf_text(&loader->path), value, names);
    for (; keys->name != NULL; keys++) {
        check_member(loader, value, keys);
    }
    for (; more != NULL && more->name != NULL; more++) {
        check_member(loader, value, more);
    }
    return true;
}

bool filters_load_list(struct filters_loader *loader, json_t *value, const char *what, size_t max)
{
    if (!json_is_array(value)) {
        filters_load_error(loader, "must be a list of %s", what);
        return false;
    }
    if (json_array_size(value) > max) {
        filters_load_error(loader, "more than %zu %s", max, what);
        return false;
    }
    return true;
}

const char *filters_load_text(struct filters_loader *loader, json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_string(value) ? filters_load_copy(loader, json_string_value(value)) : NULL;
}

void filters_load_texts(struct filters_loader *loader, json_t *object, const char *key, const char *const **list_r,
                        size_t *count_r)
{
    json_t *value = json_object_get(object, key);
    size_t count = json_is_array(value) ? json_array_size(value) : json_is_string(value);
    const char **list = filters_load_alloc(loader, count, sizeof *list);
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        list[i] = filters_load_copy(loader, json_is_string(item) ? json_string_value(item) : "");
    }
    *list_r = list;
    *count_r = count;
}

void *filters_load_alloc(struct filters_loader *loader, size_t count, size_t size)
{
    return expect_memory(arena_array(loader->set->arena, count, size));
}

const char *filters_load_copy(struct filters_loader *loader, const char *text)
{
    return expect_memory(arena_text(loader->set->arena, text));
}

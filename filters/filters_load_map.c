/*
 * filters_load_map - the maps of lookup(): written in the rule file, or read from a CSV file (RFC 4180) or a JSON
 * object beside it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "document/nearest.h"
#include "filters/filters_load.h"
#include "filters/filters_map.h"

#define MAP_FILE_MAX (64u << 20)
#define COLUMNS_MAX  100

static struct filters_map *new_map(struct filters_loader *loader, const char *name, enum filters_map_by by)
{
    struct filters_set *set = loader->set;
    set->maps = expect_memory(realloc(set->maps, (set->map_count + 1) * sizeof(struct filters_map *)));
    struct filters_map *map = filters_map_new(name, by);
    set->maps[set->map_count++] = map;
    return map;
}

/* ---- entries as JSON ---- */

static void add_entries(struct filters_loader *loader, struct filters_map *map, json_t *entries)
{
    const char *key;
    json_t *value;
    json_object_foreach(entries, key, value)
    {
        struct buf error;
        buf_init(&error, 500);
        if (strcmp(key, "$schema") == 0 || strcmp(key, "description") == 0) {
        } else if (!json_is_string(value)) {
            filters_load_error_at(loader, key, "a value in a map must be a text");
        } else if (filters_map_add(map, bytes_of(key), bytes_of(json_string_value(value)), &error) < 0) {
            filters_load_error_at(loader, key, "%s", buf_text(&error));
        }
        buf_done(&error);
    }
}

static void add_json(struct filters_loader *loader, struct filters_map *map, struct bytes text, const char *path)
{
    json_error_t error;
    json_t *root = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root)) {
        filters_load_error_at(loader, "file", "\"%s\" is not an object of keys with their values: %s", path,
                              root == NULL ? error.text
                                           : "the file has a list or a single value; write {\"key\": \"value\"}");
    }
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        struct buf wrong;
        buf_init(&wrong, 500);
        if (!json_is_string(value)) {
            filters_load_error_at(loader, "file", "\"%s\": the value of \"%s\" is not a text", path, key);
        } else if (filters_map_add(map, bytes_of(key), bytes_of(json_string_value(value)), &wrong) < 0) {
            filters_load_error_at(loader, "file", "\"%s\": %s", path, buf_text(&wrong));
        }
        buf_done(&wrong);
    }
    json_decref(root);
}

/* ---- entries as CSV ---- */

/* One field off the head of *rest, quotes resolved into out; *more_r tells whether another follows in the line, *open_r
 * becomes true when a quote is never closed. */
static void cut_field(struct bytes *rest, struct buf *out, bool *more_r, bool *open_r)
{
    size_t at = 0;
    buf_clear(out);
    if (rest->len > 0 && rest->ptr[0] == '"') {
        *open_r = true;
        for (at = 1; at < rest->len; at++) {
            if (rest->ptr[at] == '"' && (at + 1 == rest->len || rest->ptr[at + 1] != '"')) {
                at++;
                *open_r = false;
                break;
            }
            at += rest->ptr[at] == '"';
            buf_append_octet(out, rest->ptr[at]);
        }
    }
    size_t from = at;
    while (at < rest->len && rest->ptr[at] != ',' && rest->ptr[at] != '\n') {
        at++;
    }
    buf_append_bytes(out, from > 0 ? bytes_at(NULL, 0) : bytes_trim(bytes_slice(*rest, 0, at)));
    *more_r = at < rest->len && rest->ptr[at] == ',';
    *rest = bytes_from(*rest, at < rest->len ? at + 1 : at);
}

/* One record: its first field and that of the column. What is wrong with it, or NULL. */
static const char *cut_record(struct bytes *rest, unsigned column, struct buf *key, struct buf *value, size_t *lines_r)
{
    struct buf field;
    buf_init(&field, MAP_FILE_MAX);
    bool more = true, found = false, open = false;
    const uint8_t *start = rest->ptr;
    size_t before = rest->len;
    for (unsigned i = 1; more && i <= COLUMNS_MAX; i++) {
        cut_field(rest, &field, &more, &open);
        struct buf *into = i == 1 ? key : i == column ? value : NULL;
        if (into != NULL) {
            buf_clear(into);
            buf_append_bytes(into, buf_bytes(&field));
        }
        found = found || i == column;
    }
    for (size_t i = 0; i < before - rest->len; i++) {
        *lines_r += start[i] == '\n';
    }
    buf_done(&field);
    return open ? "a quote is opened but never closed" : found ? NULL : "too few columns; write key,value";
}

static void add_csv(struct filters_loader *loader, struct filters_map *map, struct bytes text, unsigned column)
{
    struct buf key, value, error;
    buf_init(&key, MAP_FILE_MAX);
    buf_init(&value, MAP_FILE_MAX);
    buf_init(&error, 500);
    size_t line = 1;
    while (text.len > 0) {
        struct bytes whole = text;
        if (text.ptr[0] == '#' || bytes_trim(bytes_cut(&whole, '\n')).len == 0) {
            bytes_cut(&text, '\n');
            line++;
            continue;
        }
        size_t lines = 0;
        const char *wrong = cut_record(&text, column, &key, &value, &lines);
        if (wrong != NULL) {
            filters_load_error_at(loader, "file", "line %zu of the map: %s; column %u must have the value", line, wrong,
                                  column);
            break;
        }
        if (filters_map_add(map, buf_bytes(&key), buf_bytes(&value), &error) < 0) {
            filters_load_error_at(loader, "file", "line %zu of the map: %s", line, buf_text(&error));
            break;
        }
        line += lines;
    }
    buf_done(&key);
    buf_done(&value);
    buf_done(&error);
}

/* ---- which ---- */

static void add_file(struct filters_loader *loader, struct filters_map *map, const char *path, unsigned column)
{
    if (loader->options->read_file == NULL) {
        filters_load_error_at(loader, "file", "map files cannot be read here");
        return;
    }
    struct buf text;
    struct fault fault = FAULT_INIT;
    buf_init(&text, MAP_FILE_MAX);
    size_t len = strlen(path);
    if (loader->options->read_file(loader->options->read_ctx, document_name(loader->json), path, &text, &fault) < 0) {
        filters_load_error_at(loader, "file", "the map \"%s\" cannot be read: %s", path, fault.text);
    } else if (!bytes_is_utf8(buf_bytes(&text))) {
        filters_load_error_at(loader, "file", "the map \"%s\" is not UTF-8", path);
    } else if (len > 5 && strcmp(path + len - 5, ".json") == 0) {
        add_json(loader, map, buf_bytes(&text), path);
    } else {
        struct bytes csv = buf_bytes(&text);
        bool marked = csv.len >= 3 && memcmp(csv.ptr, "\xef\xbb\xbf", 3) == 0; /* as spreadsheets write it */
        add_csv(loader, map, bytes_from(csv, marked ? 3 : 0), column);
    }
    buf_done(&text);
}

static unsigned load_column(struct filters_loader *loader, json_t *value)
{
    json_t *column = json_object_get(value, "column");
    if (!json_is_integer(column)) {
        return 2;
    }
    json_int_t number = json_integer_value(column);
    if (number < 2 || number > COLUMNS_MAX) {
        filters_load_error_at(loader, "column",
                              "the column of the value must be from 2 to %d; the first column has the key",
                              COLUMNS_MAX);
        return 2;
    }
    return (unsigned)number;
}

static enum filters_map_by load_by(struct filters_loader *loader, json_t *value)
{
    const char *word = filters_load_text(loader, value, "by");
    for (size_t i = 0; word != NULL && filters_map_words[i] != NULL; i++) {
        if (strcmp(filters_map_words[i], word) == 0) {
            return (enum filters_map_by)i;
        }
    }
    if (word != NULL) {
        filters_load_unknown(loader, "by", "choice", word, filters_map_words);
    }
    return FILTERS_MAP_KEY;
}

/* An object with a key of the table says what the map is; any other one is its entries. */
static struct filters_map *load_map(struct filters_loader *loader, const char *name, json_t *value)
{
    bool described = false;
    for (const struct filters_key *key = filters_map_keys; key->name != NULL; key++) {
        described = described || json_object_get(value, key->name) != NULL;
    }
    if (!json_is_object(value)) {
        filters_load_error(loader, "a map must be an object: keys with their values, or {\"file\": ...}");
        return NULL;
    }
    if (!described) {
        struct filters_map *map = new_map(loader, name, FILTERS_MAP_KEY);
        add_entries(loader, map, value);
        return map;
    }
    filters_load_object(loader, value, "a map", filters_map_keys, NULL);
    struct filters_map *map = new_map(loader, name, load_by(loader, value));
    unsigned column = load_column(loader, value);
    const char *path = filters_load_text(loader, value, "file");
    json_t *entries = json_object_get(value, "entries");
    if (path != NULL && entries != NULL) {
        filters_load_error(loader, "a map has either \"file\" or \"entries\"");
    } else if (path != NULL) {
        add_file(loader, map, path, column);
    } else if (entries == NULL) {
        filters_load_error(loader, "\"file\" or \"entries\" is missing: the map needs keys");
    } else if (!json_is_object(entries)) {
        filters_load_error_at(loader, "entries", "\"entries\" must be an object: keys with their values");
    } else {
        size_t mark = filters_load_down(loader, "entries");
        add_entries(loader, map, entries);
        filters_load_up(loader, mark);
    }
    return map;
}

/* At its own place, once. */
static void load_named_map(struct filters_loader *loader, struct filters_named *named)
{
    if (named->state != FILTERS_NAMED_NEW) {
        return;
    }
    const struct filters_load_place place = filters_load_go_to(loader, named);
    named->state = FILTERS_NAMED_LOADED;
    named->map = load_map(loader, named->name, named->value);
    filters_load_go_back(loader, &place);
}

const struct filters_map *filters_load_map(struct filters_loader *loader, const char *name, struct buf *error)
{
    struct filters_named *named = map_get(loader->maps, bytes_of(name));
    if (named == NULL) {
        const char *nearest = nearest_word(name, filters_load_names(loader, loader->maps));
        buf_printf(error, "there is no map \"%s\" in \"maps\"%s%s%s", name, nearest == NULL ? "" : "; did you mean \"",
                   nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
        return NULL;
    }
    named->used = true;
    load_named_map(loader, named);
    if (named->map == NULL) {
        buf_printf(error, "the map \"%s\" cannot be used: mend the error in the map first", name);
    }
    return named->map;
}

void filters_load_unused_maps(struct filters_loader *loader)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (map_next(loader->maps, &cursor, &key, &value)) {
        load_named_map(loader, value);
    }
}

/*
 * filters_load_named - lists, conditions and groups have names that every rule file may use.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_load.h"

#define LIST_FILE_MAX (64u << 20)

static bool is_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (!octet_is_alpha((uint8_t)*c) && !octet_is_digit((uint8_t)*c) && strchr("_-.", *c) == NULL) {
            return false;
        }
    }
    return name[0] != '\0' && strlen(name) <= 100;
}

static bool is_good_name(struct filters_loader *loader, const char *name)
{
    if (!is_name(name)) {
        filters_load_error(loader, "a name has 1 to 100 letters, digits, \"_\", \"-\" or \".\"");
        return false;
    }
    return true;
}

/* There is one of each name over all files. */
static void exists(struct filters_loader *loader, const char *kind, const char *name, const char *file, size_t line,
                   size_t column)
{
    filters_load_error(loader, "the %s \"%s\" exists already: %s:%zu:%zu; give one of them another name", kind, name,
                       file, line, column);
}

static void note_one(struct filters_loader *loader, struct map *map, const char *kind, const char *name, json_t *value)
{
    if (!is_good_name(loader, name)) {
        return;
    }
    const struct filters_named *other = map_get(map, bytes_of(name));
    if (other != NULL) {
        size_t line, column;
        document_key_place(other->json, other->pointer, &line, &column);
        exists(loader, kind, name, document_name(other->json), line, column);
        return;
    }
    struct filters_named *named = filters_load_alloc(loader, 1, sizeof *named);
    named->name = filters_load_copy(loader, name);
    named->json = loader->json;
    named->pointer = filters_load_copy(loader, buf_text(&loader->path));
    named->value = value;
    disregard(map_set(map, bytes_of(name), named));
}

static void note_group(struct filters_loader *loader, struct map *map, const char *kind, const char *name,
                       json_t *value)
{
    (void)value;
    struct filters_set *set = loader->set;
    const struct filters_group *other = map_get(map, bytes_of(name));
    if (other != NULL) {
        exists(loader, kind, name, other->file, other->line, other->column);
        return;
    }
    if (!is_good_name(loader, name)) {
        return;
    }
    if (set->group_count == FILTERS_GROUPS_MAX) {
        filters_load_error(loader, "more than %u groups", FILTERS_GROUPS_MAX - 1);
        return;
    }
    struct filters_group *group = &set->groups[set->group_count++];
    group->name = filters_load_copy(loader, name);
    group->file = filters_load_copy(loader, document_name(loader->json));
    document_key_place(loader->json, buf_text(&loader->path), &group->line, &group->column);
    disregard(map_set(map, bytes_of(name), group));
}

typedef void note_fn(struct filters_loader *loader, struct map *map, const char *kind, const char *name, json_t *value);

/* kind is the key's word for one of them. */
static void note_all(struct filters_loader *loader, json_t *root, const char *key, const char *kind, struct map *map,
                     note_fn *note)
{
    json_t *object = json_object_get(root, key);
    if (object == NULL) {
        return;
    }
    size_t mark = filters_load_down(loader, key);
    if (!json_is_object(object)) {
        filters_load_error(loader, "\"%s\" is an object: names with their %s", key, key);
    }
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        size_t inner = filters_load_down(loader, name);
        note(loader, map, kind, name, value);
        filters_load_up(loader, inner);
    }
    filters_load_up(loader, mark);
}

void filters_load_named(struct filters_loader *loader, json_t *root)
{
    if (!json_is_object(root)) {
        return; /* told later */
    }
    note_all(loader, root, "lists", "list", loader->lists, note_one);
    note_all(loader, root, "conditions", "condition", loader->conditions, note_one);
    note_all(loader, root, "maps", "map", loader->maps, note_one);
    note_all(loader, root, "actions", "list of actions", loader->actions, note_one);
    note_all(loader, root, "groups", "group", loader->groups, note_group);
}

static struct filters_words *new_set(struct filters_loader *loader, enum filters_words_mode mode)
{
    struct filters_set *set = loader->set;
    if (set->word_set_count == set->word_set_size) {
        set->word_set_size = set->word_set_size == 0 ? 16 : set->word_set_size * 2;
        set->word_sets = expect_memory(realloc(set->word_sets, set->word_set_size * sizeof(struct filters_words *)));
    }
    struct filters_words *words = filters_words_new(mode);
    set->word_sets[set->word_set_count++] = words;
    return words;
}

static void add_word(struct filters_loader *loader, struct filters_words *words, struct bytes word, size_t line)
{
    if (filters_words_add(words, word) == 0) {
        return;
    }
    char text[80] = "";
    for (size_t i = 0; i < word.len && i < sizeof text - 1; i++) {
        text[i] = (char)word.ptr[i];
    }
    if (line > 0) {
        filters_load_error(
            loader, "line %zu of the list: \"%s\" is not a network such as \"10.0.0.0/8\" (or the list is too long)",
            line, text);
    } else {
        filters_load_error(loader, "\"%s\" is not a network such as \"10.0.0.0/8\" or one address", text);
    }
}

const struct filters_words *filters_load_word_set(struct filters_loader *loader, const struct bytes *words,
                                                  size_t count, enum filters_words_mode mode)
{
    struct filters_words *set = new_set(loader, mode);
    for (size_t i = 0; i < count; i++) {
        add_word(loader, set, words[i], 0);
    }
    return set;
}

static const struct filters_words *words_of_list(struct filters_loader *loader, json_t *list,
                                                 enum filters_words_mode mode)
{
    struct filters_words *set = new_set(loader, mode);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        size_t mark = filters_load_item(loader, i);
        if (json_is_string(item)) {
            add_word(loader, set, bytes_of(json_string_value(item)), 0);
        } else {
            filters_load_error(loader, "an entry of a list is a text");
        }
        filters_load_up(loader, mark);
    }
    return set;
}

/* What stands in front of a comment: "#" begins one at the start of the line, or behind a blank; "C#" is an entry. */
static struct bytes without_comment(struct bytes line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] == '#' && (i == 0 || line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t')) {
            return bytes_slice(line, 0, i);
        }
    }
    return line;
}

/* Lines end in LF, CR LF, or (by old programs) CR alone; a byte order mark at the beginning is none of the first entry.
 */
static void add_lines(struct filters_loader *loader, struct filters_words *set, struct bytes text)
{
    struct bytes mark = bytes_of("\xef\xbb\xbf");
    uint8_t end = bytes_find_octet(text, '\n') < 0 ? '\r' : '\n';
    if (bytes_equal(bytes_slice(text, 0, mark.len), mark)) {
        text = bytes_from(text, mark.len);
    }
    for (size_t line = 1; text.len > 0; line++) {
        struct bytes entry = bytes_trim(without_comment(bytes_cut(&text, end)));
        if (entry.len > 0) {
            add_word(loader, set, entry, line);
        }
    }
}

/* What the text is written in, when it is not UTF-8: a name for the operator; NULL when it is. */
static const char *other_encoding(struct bytes text)
{
    bool little = text.len >= 2 && text.ptr[0] == 0xff && text.ptr[1] == 0xfe;
    bool big = text.len >= 2 && text.ptr[0] == 0xfe && text.ptr[1] == 0xff;
    if (little || big || bytes_find_octet(text, 0) >= 0) {
        return "UTF-16 (\"Unicode\" in the editors of Windows)";
    }
    return bytes_is_utf8(text) ? NULL : "neither ASCII nor UTF-8";
}

static const struct filters_words *words_of_file(struct filters_loader *loader, json_t *value,
                                                 enum filters_words_mode mode)
{
    if (!filters_load_object(loader, value, "a list", filters_list_file_keys, NULL)) {
        return NULL;
    }
    const char *path = filters_load_text(loader, value, "file");
    if (path == NULL) {
        return NULL;
    }
    if (loader->options->read_file == NULL) {
        filters_load_error_at(loader, "file", "list files cannot be read here");
        return NULL;
    }
    struct buf text;
    buf_init(&text, LIST_FILE_MAX);
    struct fault fault = FAULT_INIT;
    const struct filters_words *result = NULL;
    if (loader->options->read_file(loader->options->read_ctx, document_name(loader->json), path, &text, &fault) < 0) {
        filters_load_error_at(loader, "file", "the list \"%s\" cannot be read: %s", path, fault.text);
    } else if (other_encoding(buf_bytes(&text)) != NULL) {
        filters_load_error_at(loader, "file", "the list \"%s\" is %s: save it as UTF-8", path,
                              other_encoding(buf_bytes(&text)));
    } else {
        struct filters_words *set = new_set(loader, mode);
        add_lines(loader, set, buf_bytes(&text));
        result = set;
    }
    buf_done(&text);
    return result;
}

static const struct filters_words *words_of(struct filters_loader *loader, json_t *value, enum filters_words_mode mode)
{
    if (json_is_array(value)) {
        return words_of_list(loader, value, mode);
    }
    return words_of_file(loader, value, mode);
}

const char *const *filters_load_names(struct filters_loader *loader, struct map *map)
{
    const char **names = filters_load_alloc(loader, map_count(map) + 1, sizeof *names);
    size_t cursor = 0, count = 0;
    struct bytes key;
    void *value;
    while (map_next(map, &cursor, &key, &value)) {
        names[count++] = filters_load_copy(loader, (const char *)key.ptr);
    }
    return names;
}

/* The list's set for this way to compare; its problems belong to the place where it stands. */
static const struct filters_words *load_list(struct filters_loader *loader, struct filters_named *named,
                                             enum filters_words_mode mode)
{
    if (named->sets[mode] == NULL) {
        const struct filters_load_place place = filters_load_go_to(loader, named);
        named->sets[mode] = words_of(loader, named->value, mode);
        filters_load_go_back(loader, &place);
    }
    return named->sets[mode];
}

const struct filters_words *filters_load_words(struct filters_loader *loader, json_t *value,
                                               enum filters_words_mode mode, const char **name_r)
{
    json_t *by_name = json_object_get(value, "list");
    if (!json_is_string(value) && by_name == NULL) {
        return words_of(loader, value, mode);
    }
    if (by_name != NULL) {
        filters_load_object(loader, value, "a list", filters_list_name_keys, NULL);
        value = by_name;
    }
    if (!json_is_string(value)) {
        return NULL; /* told already */
    }
    struct filters_named *named = map_get(loader->lists, bytes_of(json_string_value(value)));
    if (named == NULL) {
        filters_load_unknown(loader, NULL, "list", json_string_value(value), filters_load_names(loader, loader->lists));
        return NULL;
    }
    named->used = true;
    *name_r = named->name;
    return load_list(loader, named, mode);
}

void filters_load_unused(struct filters_loader *loader)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (map_next(loader->conditions, &cursor, &key, &value)) {
        filters_load_named_condition(loader, value);
    }
    cursor = 0;
    while (map_next(loader->lists, &cursor, &key, &value)) {
        struct filters_named *named = value;
        if (!named->used) {
            load_list(loader, named, FILTERS_WORDS_EXACT);
        }
    }
}

/*
 * filters_load_words - what a set keeps for its tests: lists of words, written out, in files or by name, and patterns.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "filters/filters_load.h"

#define LIST_FILE_MAX (64u << 20)

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
            filters_load_error(loader, "an entry in a list must be a text");
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

const struct filters_words *filters_load_named_words(struct filters_loader *loader, struct filters_named *named,
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
    return filters_load_named_words(loader, named, mode);
}

void filters_load_keep_pattern(struct filters_loader *loader, struct filters_pattern *pattern)
{
    struct filters_set *set = loader->set;
    if (set->pattern_count == set->pattern_size) {
        set->pattern_size = set->pattern_size == 0 ? 16 : set->pattern_size * 2;
        set->patterns = expect_memory(realloc(set->patterns, set->pattern_size * sizeof(struct filters_pattern *)));
    }
    set->patterns[set->pattern_count++] = pattern;
    filters_pattern_set_number(pattern, (unsigned)set->number_count++);
}

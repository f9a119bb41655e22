/*
 * filters_load_named - lists, conditions and groups have names that every rule file may use.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_load.h"

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
        filters_load_error(loader, "a name must have 1 to 100 letters, digits, \"_\", \"-\" or \".\"");
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
        filters_load_error(loader, "\"%s\" must be an object: names with their %s", key, key);
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
            filters_load_named_words(loader, named, FILTERS_WORDS_EXACT);
        }
    }
}

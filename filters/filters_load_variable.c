/*
 * filters_load_variable - the variables that rules set: noted before anything is loaded, so that a condition that
 * stands before them can be told what it asks for.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_load.h"

struct filters_variable *filters_load_variable(struct filters_loader *loader, const char *name)
{
    struct filters_variable *variable = map_get(loader->variables, bytes_of(name));
    if (variable != NULL) {
        variable->used = true;
    }
    return variable;
}

/* With the loader at the assignment. */
static void note_variable(struct filters_loader *loader, const char *name)
{
    struct filters_set *set = loader->set;
    if (map_get(loader->variables, bytes_of(name)) != NULL || set->variable_count >= FILTERS_VARIABLES_MAX) {
        return;
    }
    struct filters_variable *variable = filters_load_alloc(loader, 1, sizeof *variable);
    variable->number = (unsigned)set->variable_count;
    variable->file = filters_load_copy(loader, document_name(loader->json));
    document_key_place(loader->json, buf_text(&loader->path), &variable->line, &variable->column);
    set->variables = expect_memory(realloc(set->variables, (set->variable_count + 1) * sizeof *set->variables));
    set->variables[set->variable_count++] = filters_load_copy(loader, name);
    disregard(map_set(loader->variables, bytes_of(name), variable));
}

static void note_actions(struct filters_loader *loader, json_t *actions)
{
    for (size_t i = 0; i < json_array_size(actions); i++) {
        json_t *set = json_object_get(json_array_get(actions, i), "set");
        if (set == NULL) {
            continue;
        }
        size_t mark = filters_load_item(loader, i);
        filters_load_down(loader, "set");
        const char *name;
        json_t *value;
        json_object_foreach(set, name, value)
        {
            size_t inner = filters_load_down(loader, name);
            note_variable(loader, name);
            filters_load_up(loader, inner);
        }
        filters_load_up(loader, mark);
    }
}

static void note_rules(struct filters_loader *loader, json_t *rules)
{
    size_t mark = filters_load_down(loader, "rules");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        size_t rule = filters_load_item(loader, i);
        filters_load_down(loader, "then");
        note_actions(loader, json_object_get(json_array_get(rules, i), "then"));
        filters_load_up(loader, rule);
    }
    filters_load_up(loader, mark);
}

static void note_named(struct filters_loader *loader, json_t *named)
{
    const char *name;
    json_t *actions;
    size_t mark = filters_load_down(loader, "actions");
    json_object_foreach(named, name, actions)
    {
        size_t inner = filters_load_down(loader, name);
        note_actions(loader, actions);
        filters_load_up(loader, inner);
    }
    filters_load_up(loader, mark);
}

void filters_load_variables(struct filters_loader *loader, json_t *root)
{
    note_rules(loader, json_object_get(root, "rules"));
    note_named(loader, json_object_get(root, "actions"));
    const char *name;
    json_t *group;
    size_t mark = filters_load_down(loader, "groups");
    json_object_foreach(json_object_get(root, "groups"), name, group)
    {
        size_t inner = filters_load_down(loader, name);
        note_rules(loader, json_object_get(group, "rules"));
        filters_load_down(loader, "default");
        note_actions(loader, json_object_get(group, "default"));
        filters_load_up(loader, inner);
    }
    filters_load_up(loader, mark);
}

/*
 * filters_load_then - the actions of a rule, and of a group's default.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "document/nearest.h"
#include "filters/filters_load.h"
#include "filters/filters_text.h"

/* ---- refusals ---- */

static void check_codes(struct filters_loader *loader, struct filters_action *action, int class)
{
    if (action->code / 100 != class) {
        filters_load_error_at(loader, "code", "the code of \"%s\" must be from %d00 to %d99",
                              filters_action_keys[action->kind].name, class, class);
    }
    struct bytes rest = bytes_of(action->enhanced);
    uint64_t parts[3] = {0};
    bool right = true;
    for (int i = 0; i < 3; i++) {
        struct bytes part = bytes_cut(&rest, '.');
        right = right && part.len <= 3 && bytes_to_u64(part, &parts[i]);
    }
    if (!right || rest.ptr != NULL || parts[0] != (uint64_t) class) {
        filters_load_error_at(loader, "enhanced", "must be an enhanced status code such as \"%d.7.1\"", class);
    }
}

static void load_refusal(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    int class = action->kind == FILTERS_REJECT ? 5 : 4;
    action->code = class * 100 + 50;
    action->enhanced = class == 5 ? "5.7.1" : "4.7.1";
    if (json_is_string(value)) { /* the text alone */
        json_t *object = json_pack("{s:O}", "text", value);
        action->text = filters_load_template(loader, object, "text");
        json_decref(object);
        return;
    }
    if (!filters_load_object(loader, value, "a refusal is a text, or", filters_refusal_keys, NULL)) {
        return;
    }
    action->text = filters_load_template(loader, value, "text");
    json_t *code = json_object_get(value, "code");
    if (json_is_integer(code)) {
        json_int_t number = json_integer_value(code);
        action->code = number > 0 && number < 1000 ? (int)number : 0;
    }
    const char *enhanced = filters_load_text(loader, value, "enhanced");
    action->enhanced = enhanced == NULL ? action->enhanced : enhanced;
    check_codes(loader, action, class);
}

/* ---- header edits ---- */

/* What others rely on must stay as it came: the trace fields, and ours. */
static void check_field(struct filters_loader *loader, const char *key, const char *name)
{
    static const char *const kept[] = {"Received", "Return-Path", "X-Mailweir-Id"};
    for (const char *c = name; *c != '\0'; c++) {
        if (*c <= ' ' || *c == ':' || (unsigned char)*c >= 0x7f) {
            filters_load_error_at(loader, key, "\"%s\" is not the name of a header field", name);
            return;
        }
    }
    if (name[0] == '\0' || strlen(name) > 70) {
        filters_load_error_at(loader, key, "a field's name must have 1 to 70 characters");
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (bytes_is_nocase(bytes_of(name), kept[i])) {
            filters_load_error_at(loader, key, "\"%s\" is a trace field and cannot be changed", kept[i]);
        }
    }
}

/* RFC 5322 section 2.2: a line break in the text of a rule would begin another field, or the body. */
static void check_line(struct filters_loader *loader, json_t *value, const char *key)
{
    if (json_is_string(value) && strpbrk(json_string_value(value), "\r\n") != NULL) {
        filters_load_error_at(loader, key, "a header field's value must be one line, without line breaks");
    }
}

static void load_header_edit(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    if (!filters_load_object(loader, value, "a header edit", filters_add_keys, NULL)) {
        return;
    }
    action->field = filters_load_text(loader, value, "name");
    if (action->field != NULL) {
        check_field(loader, "name", action->field);
    }
    check_line(loader, json_object_get(value, "value"), "value");
    action->text = filters_load_template(loader, value, "value");
}

static void load_deleteheader(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    if (json_is_string(value)) {
        action->field = filters_load_copy(loader, json_string_value(value));
        check_field(loader, NULL, action->field);
    }
}

static void load_tag(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    if (json_is_string(value)) {
        check_line(loader, value, NULL);
        json_t *object = json_pack("{s:O}", "tag_subject", value);
        action->text = filters_load_template(loader, object, "tag_subject");
        json_decref(object);
    }
}

/* ---- the rest ---- */

static bool is_variable(const char *name)
{
    bool letters = octet_is_alpha((uint8_t)name[0]);
    for (const char *c = name; *c != '\0'; c++) {
        letters = letters && (octet_is_alpha((uint8_t)*c) || octet_is_digit((uint8_t)*c) || *c == '_');
    }
    return letters && strlen(name) <= 40;
}

static void load_set(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    if (!json_is_object(value) || json_object_size(value) == 0) {
        filters_load_error(loader, "\"set\" must be an object: variables with their values");
        return;
    }
    action->assignments = filters_load_alloc(loader, json_object_size(value), sizeof *action->assignments);
    const char *name;
    json_t *item;
    json_object_foreach(value, name, item)
    {
        if (!is_variable(name)) {
            filters_load_error_at(loader, name,
                                  "a variable's name must begin with a letter, followed by letters, digits and \"_\"");
        } else if (!json_is_string(item)) {
            filters_load_error_at(loader, name, "must be a text");
        } else {
            struct filters_variable *variable = map_get(loader->variables, bytes_of(name));
            if (variable == NULL) {
                filters_load_error_at(loader, name, "more than %u variables", FILTERS_VARIABLES_MAX);
                return;
            }
            struct filters_assignment *assignment = &action->assignments[action->assignment_count++];
            assignment->value = filters_load_template(loader, value, name);
            assignment->variable = variable->number;
            variable->is_set = true;
        }
    }
}

static void load_goto(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    struct filters_group *group =
        json_is_string(value) ? map_get(loader->groups, bytes_of(json_string_value(value))) : NULL;
    if (group != NULL) {
        group->used = true;
        action->group = (unsigned)(group - loader->set->groups);
        return;
    }
    if (json_is_string(value)) {
        const char **names = filters_load_alloc(loader, loader->set->group_count, sizeof *names);
        for (size_t i = 1; i < loader->set->group_count; i++) {
            names[i - 1] = loader->set->groups[i].name;
        }
        filters_load_unknown(loader, NULL, "group", json_string_value(value), names);
    }
    action->kind = FILTERS_STOP; /* it leads nowhere; group 0 would be a circle */
}

static void load_nothing(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    (void)loader, (void)value, (void)action; /* true, or told already */
}

/* In the order of enum filters_action_kind and of filters_action_keys. */
static void (*const load_kind[])(struct filters_loader *loader, json_t *value, struct filters_action *action) = {
    [FILTERS_FILEINTO] = filters_load_targets,
    [FILTERS_COPY] = filters_load_targets,
    [FILTERS_STOP] = load_nothing,
    [FILTERS_REJECT] = load_refusal,
    [FILTERS_DEFER] = load_refusal,
    [FILTERS_DISCARD] = load_nothing,
    [FILTERS_HOLD] = load_nothing,
    [FILTERS_ADDHEADER] = load_header_edit,
    [FILTERS_DELETEHEADER] = load_deleteheader,
    [FILTERS_REPLACEHEADER] = load_header_edit,
    [FILTERS_TAG_SUBJECT] = load_tag,
    [FILTERS_SET] = load_set,
    [FILTERS_GOTO] = load_goto,
    [FILTERS_COUNT_MESSAGE] = load_nothing, /* it has a key beside it: see load_action() */
    [FILTERS_ACTIONS] = load_nothing,       /* see add_named() */
};

static void load_action(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    bool counts = json_object_get(value, "count") != NULL;
    if (!filters_load_object(loader, value, "an action", filters_action_keys, counts ? filters_count_keys : NULL)) {
        return;
    }
    if (counts) {
        filters_load_count(loader, value, action);
    }
    const char *found = NULL;
    for (int kind = 0; filters_action_keys[kind].name != NULL; kind++) {
        const char *name = filters_action_keys[kind].name;
        json_t *inside = json_object_get(value, name);
        if (inside == NULL) {
            continue;
        }
        if (found != NULL) {
            filters_load_error(loader, "\"%s\" and \"%s\" are two actions: write them as two objects", found, name);
            return;
        }
        found = name;
        action->kind = (enum filters_action_kind)kind;
        size_t mark = filters_load_down(loader, name);
        load_kind[kind](loader, inside, action);
        filters_load_up(loader, mark);
    }
    if (found == NULL && json_object_size(value) == 0) {
        filters_load_error(loader, "an empty action");
    }
}

/* ---- lists of them, named ones in their places ---- */

struct list {
    struct filters_action *actions;
    size_t count, size;
};

static struct filters_action *next_action(struct filters_loader *loader, struct list *list)
{
    if (list->count == list->size) {
        size_t size = list->size == 0 ? 4 : list->size * 2;
        struct filters_action *actions = filters_load_alloc(loader, size, sizeof *actions);
        if (list->count > 0) {
            memcpy(actions, list->actions, list->count * sizeof *actions);
        }
        list->actions = actions;
        list->size = size;
    }
    return &list->actions[list->count++];
}

static void add_actions(struct filters_loader *loader, json_t *value, struct list *list);

/* With the rule's own captures and variables, and their problems at their own place. */
static void add_named(struct filters_loader *loader, json_t *value, struct list *list)
{
    const char *name = json_string_value(value);
    struct filters_named *named = name == NULL ? NULL : map_get(loader->actions, bytes_of(name));
    if (named == NULL) {
        filters_load_unknown(loader, NULL, "list of actions", name == NULL ? "" : name,
                             filters_load_names(loader, loader->actions));
        return;
    }
    named->used = true;
    if (named->state == FILTERS_NAMED_LOADING) {
        filters_load_error(loader, "the actions \"%s\" use themselves", name);
        return;
    }
    const struct filters_load_place place = filters_load_go_to(loader, named);
    named->state = FILTERS_NAMED_LOADING;
    add_actions(loader, named->value, list);
    named->state = FILTERS_NAMED_NEW;
    filters_load_go_back(loader, &place);
}

static void add_actions(struct filters_loader *loader, json_t *value, struct list *list)
{
    if (!json_is_array(value) || json_array_size(value) == 0) {
        filters_load_error(loader, "must be a list of one or more actions, such as [{\"stop\": true}]");
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *action = json_array_get(value, i), *named = json_object_get(action, "actions");
        size_t mark = filters_load_item(loader, i);
        if (list->count >= FILTERS_ACTIONS_MAX) {
            filters_load_error(loader, "more than %u actions in one rule", FILTERS_ACTIONS_MAX);
            filters_load_up(loader, mark);
            return;
        }
        if (named != NULL) {
            static const struct filters_key only[] = {{"actions", FILTERS_SHAPE_TEXT, true, "their name"},
                                                      {.name = NULL}};
            disregard(filters_load_object(loader, action, "an action", only, NULL));
            filters_load_down(loader, "actions");
            add_named(loader, named, list);
        } else {
            load_action(loader, action, next_action(loader, list));
        }
        filters_load_up(loader, mark);
    }
}

void filters_load_actions(struct filters_loader *loader, json_t *value, struct filters_action **actions_r,
                          size_t *count_r)
{
    struct list list = {.count = 0};
    add_actions(loader, value, &list);
    *actions_r = list.actions;
    *count_r = list.count;
}

/*
 * filters_load_then - the actions of a rule, and of a group's default.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/expect.h"
#include "document/nearest.h"
#include "filters/filters_load.h"
#include "filters/filters_text.h"
#include "proto/imap_special.h"

/* ---- targets ---- */

static void check_upstream(struct filters_loader *loader, const char *key, const char *name)
{
    if (loader->options->any_upstream) {
        return;
    }
    const char **names = filters_load_alloc(loader, loader->options->upstream_count + 1, sizeof *names);
    for (size_t i = 0; i < loader->options->upstream_count; i++) {
        if (strcmp(loader->options->upstreams[i], name) == 0) {
            return;
        }
        names[i] = loader->options->upstreams[i];
    }
    filters_load_unknown(loader, key, "upstream in the configuration called", name, names);
}

static void load_upstream(struct filters_loader *loader, json_t *value, struct filters_target *target)
{
    target->upstream = filters_load_text(loader, value, "upstream");
    if (target->upstream != NULL) {
        check_upstream(loader, "upstream", target->upstream);
        return;
    }
    target->upstream = loader->set->fallback.upstream;
    if (target->upstream == NULL && json_object_get(value, "upstream") == NULL) {
        filters_load_error(loader, "\"upstream\" is missing, and the configuration has no default one");
    }
}

static void load_fallback(struct filters_loader *loader, json_t *value, struct filters_target *target)
{
    target->fallback = filters_load_text(loader, value, "fallback");
    if (target->fallback == NULL) {
        return;
    }
    check_upstream(loader, "fallback", target->fallback);
    if (target->upstream != NULL && strcmp(target->upstream, target->fallback) == 0) {
        filters_load_error_at(loader, "fallback", "the fallback of \"%s\" must be another upstream", target->upstream);
    }
}

/* RFC 9051: flag = "\Answered" / "\Flagged" / "\Seen" / "\Draft" / atom. */
static const char *flag_error(const char *flag)
{
    static const char *const system[] = {"\\Answered", "\\Flagged", "\\Seen", "\\Draft"};
    if (flag[0] == '\\') {
        for (size_t i = 0; i < sizeof system / sizeof *system; i++) {
            if (bytes_is_nocase(bytes_of(flag), system[i])) {
                return NULL;
            }
        }
        return "the system flags are \\Answered, \\Draft, \\Flagged and \\Seen";
    }
    bool value = false;
    for (const char *c = flag; *c != '\0'; c++) {
        value = c[0] == '$' && c[1] == '{' ? true : value && c[0] != '}';
        if (!value && *c != '}' && (*c <= ' ' || (unsigned char)*c >= 0x7f || strchr("(){%*\"\\]", *c) != NULL)) {
            return "a keyword has neither blanks nor any of (){%*\"\\] and is ASCII";
        }
    }
    return flag[0] == '\0' || strlen(flag) > FILTERS_KEYWORD_MAX ? "a keyword has 1 to 64 characters" : NULL;
}

static void lint_flag(struct filters_loader *loader, const char *flag)
{
    static const char *const system[] = {"Answered", "Flagged", "Seen", "Draft"};
    for (size_t i = 0; i < sizeof system / sizeof *system; i++) {
        if (bytes_is_nocase(bytes_of(flag), system[i])) {
            filters_load_warning_at(loader, "flags",
                                    "\"%s\" is a keyword that no mail reader knows; the system flag is \"\\%s\" "
                                    "(in JSON the backslash is written twice)",
                                    flag, system[i]);
        }
    }
}

static void load_flags(struct filters_loader *loader, json_t *value, struct filters_target *target)
{
    const char *const *flags;
    filters_load_texts(loader, value, "flags", &flags, &target->keyword_count);
    target->keywords = filters_load_alloc(loader, target->keyword_count, sizeof(struct filters_template *));
    for (size_t i = 0; i < target->keyword_count; i++) {
        struct buf error;
        buf_init(&error, 1000);
        const char *wrong = flag_error(flags[i]);
        lint_flag(loader, flags[i]);
        if (wrong != NULL) {
            buf_append_text(&error, wrong);
        } else {
            target->keywords[i] = filters_load_keyword(loader, flags[i], &error);
        }
        if (target->keywords[i] == NULL) {
            filters_load_error_at(loader, "flags", "\"%s\" cannot be a flag: %s", flags[i], buf_text(&error));
        }
        buf_done(&error);
    }
}

/* The text's own levels: what is filled in is made harmless when it is. Values are taken out first, quotes in them may
 * hold anything. */
static const char *folder_error(const char *text)
{
    struct buf fixed;
    buf_init(&fixed, 4096);
    if (text[0] == '\\' && imap_special_find(bytes_of(text)) < 0) {
        return "behind a backslash stands a special use: \\\\All, \\\\Archive, \\\\Drafts, \\\\Flagged, \\\\Junk, "
               "\\\\Sent or "
               "\\\\Trash, and nothing else";
    }
    bool value = false, quoted = false;
    for (const char *c = text; *c != '\0'; c++) {
        if (!value && c[0] == '$' && c[1] == '{' && (c == text || c[-1] != '$')) {
            value = true;
            buf_append_text(&fixed, "x");
        } else if (value) {
            quoted = *c == '\'' ? !quoted : quoted;
            value = quoted || *c != '}';
        } else {
            buf_append_octet(&fixed, (uint8_t)*c);
        }
    }
    const char *error = filters_text_folder_error(buf_text(&fixed));
    if (fixed.full) {
        error = "the folder's name is too long";
    }
    buf_done(&fixed);
    return error;
}

static bool same_folder(const char *known, const char *folder)
{
    return strcmp(known, folder) == 0 || (strcasecmp(known, "INBOX") == 0 && strcasecmp(folder, "INBOX") == 0);
}

/* It would be created; a slip of the pen makes a folder where nobody looks. */
static void check_folder(struct filters_loader *loader, const struct filters_target *target, const char *folder)
{
    const struct filters_load_options *options = loader->options;
    const char **known = expect_calloc(options->folder_count + 1, sizeof *known);
    size_t count = 0;
    bool found = imap_special_is_named(bytes_of(folder));
    for (size_t i = 0; i < options->folder_count && !found; i++) {
        if (strcmp(options->folders[i].upstream, target->upstream) == 0) {
            known[count++] = options->folders[i].folder;
            found = same_folder(options->folders[i].folder, folder);
        }
    }
    const char *nearest = found || count == 0 ? NULL : nearest_word(folder, known);
    if (!found && count > 0) { /* else nothing is known about this upstream */
        filters_load_warning_at(loader, "folder",
                                "there is no folder \"%s\" on upstream \"%s\": it would be created%s%s%s", folder,
                                target->upstream, nearest == NULL ? "" : "; did you mean \"",
                                nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
    }
    free(known);
}

static void load_folder(struct filters_loader *loader, json_t *value, struct filters_target *target)
{
    const char *text = filters_load_text(loader, value, "folder");
    const char *error = text == NULL ? NULL : folder_error(text);
    if (error != NULL) {
        filters_load_error_at(loader, "folder", "%s", error);
    }
    if (text == NULL || error != NULL) {
        return;
    }
    target->folder = filters_load_template(loader, value, "folder");
    if (target->folder == NULL) {
        return;
    }
    if (filters_template_folder_max(target->folder) > FILTERS_FOLDER_MAX) {
        filters_load_error_at(loader, "folder",
                              "the folder's name may become longer than %u octets; each ${...} may bring %u",
                              FILTERS_FOLDER_MAX, FILTERS_FOLDER_VALUE_MAX);
    }
    const char *empty = filters_template_empty_level(target->folder);
    if (empty != NULL) {
        filters_load_warning_at(
            loader, "folder",
            "${%s} may be empty, and the level would be called \"_\": say what else by ${%s | default('...')}", empty,
            empty);
    }
    if (target->upstream != NULL && filters_template_is_constant(target->folder)) {
        check_folder(loader, target, text);
    }
}

/* What the servers of the target's upstreams do not take in names, in the set's memory. */
static void find_namings(struct filters_loader *loader, struct filters_target *target)
{
    const char *const upstreams[] = {target->upstream, target->fallback};
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < loader->options->naming_count && upstreams[i] != NULL; j++) {
            const struct filters_naming *naming = &loader->options->namings[j];
            if (strcmp(naming->upstream, upstreams[i]) == 0) {
                target->namings[i] = *naming;
                target->namings[i].upstream = upstreams[i];
                target->namings[i].forbidden = arena_text(loader->set->arena, naming->forbidden);
            }
        }
    }
}

static void load_target(struct filters_loader *loader, json_t *value, struct filters_target *target)
{
    if (!filters_load_object(loader, value, "a target", filters_target_keys, NULL)) {
        return;
    }
    load_upstream(loader, value, target);
    load_fallback(loader, value, target);
    find_namings(loader, target);
    load_folder(loader, value, target);
    load_flags(loader, value, target);
    const char *date = filters_load_text(loader, value, "date");
    target->date_from_header = date != NULL && strcmp(date, "header") == 0;
    if (date != NULL && !target->date_from_header && strcmp(date, "received") != 0) {
        filters_load_unknown(loader, "date", "choice", date, filters_date_words);
    }
}

static void load_targets(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    bool list = json_is_array(value);
    action->target_count = list ? json_array_size(value) : 1;
    action->targets = filters_load_alloc(loader, action->target_count, sizeof *action->targets);
    if (action->target_count == 0) {
        filters_load_error(loader, "an empty list of targets");
    }
    for (size_t i = 0; i < action->target_count; i++) {
        size_t mark = list ? filters_load_item(loader, i) : loader->path.len;
        load_target(loader, list ? json_array_get(value, i) : value, &action->targets[i]);
        filters_load_up(loader, mark);
    }
}

/* ---- refusals ---- */

static void check_codes(struct filters_loader *loader, struct filters_action *action, int class)
{
    if (action->code / 100 != class) {
        filters_load_error_at(loader, "code", "\"%s\" has a code from %d00 to %d99",
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
        filters_load_error_at(loader, key, "a field's name has 1 to 70 characters");
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (bytes_is_nocase(bytes_of(name), kept[i])) {
            filters_load_error_at(loader, key, "\"%s\" is a trace field and stays as it is", kept[i]);
        }
    }
}

/* RFC 5322 section 2.2: a line break in the text of a rule would begin another field, or the body. */
static void check_line(struct filters_loader *loader, json_t *value, const char *key)
{
    if (json_is_string(value) && strpbrk(json_string_value(value), "\r\n") != NULL) {
        filters_load_error_at(loader, key, "a header field's value is one line: it has no line breaks");
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
        check_field(loader, "", action->field);
    }
}

static void load_tag(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    if (json_is_string(value)) {
        check_line(loader, value, "");
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
        filters_load_error(loader, "\"set\" is an object: variables with their values");
        return;
    }
    action->assignments = filters_load_alloc(loader, json_object_size(value), sizeof *action->assignments);
    const char *name;
    json_t *item;
    json_object_foreach(value, name, item)
    {
        if (!is_variable(name)) {
            filters_load_error_at(loader, name, "a variable's name is a letter, then letters, digits and \"_\"");
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
    load_targets,     load_targets,      load_nothing,     load_refusal, load_refusal, load_nothing, load_nothing,
    load_header_edit, load_deleteheader, load_header_edit, load_tag,     load_set,     load_goto,    load_nothing,
};

static void load_action(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    if (!filters_load_object(loader, value, "an action", filters_action_keys, NULL)) {
        return;
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
        filters_load_error(loader, "the actions \"%s\" are made of themselves", name);
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
        if (named != NULL && json_object_size(action) == 1) {
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

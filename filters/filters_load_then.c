/*
 * filters_load_then - the actions of a rule.
 */
#include <string.h>

#include "base/expect.h"
#include "filters/filters_load.h"
#include "filters/filters_text.h"

static void check_upstream(struct filters_loader *loader, const char *name)
{
    for (size_t i = 0; i < loader->options->upstream_count; i++) {
        if (strcmp(loader->options->upstreams[i], name) == 0) {
            return;
        }
    }
    const char **names = filters_load_alloc(loader, loader->options->upstream_count + 1, sizeof *names);
    for (size_t i = 0; i < loader->options->upstream_count; i++) {
        names[i] = loader->options->upstreams[i];
    }
    const char *nearest = filters_nearest(name, names);
    filters_load_error_at(loader, "upstream", "there is no upstream \"%s\" in the configuration%s%s%s", name,
                          nearest == NULL ? "" : "; did you mean \"", nearest == NULL ? "" : nearest,
                          nearest == NULL ? "" : "\"?");
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
        return "known system flags are \\Answered, \\Draft, \\Flagged and \\Seen";
    }
    for (const char *c = flag; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f || strchr("(){%*\"\\]", *c) != NULL) {
            return "a keyword has neither blanks nor any of (){%*\"\\] and is ASCII";
        }
    }
    return flag[0] == '\0' || strlen(flag) > 64 ? "a keyword has 1 to 64 characters" : NULL;
}

static void load_flags(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    if (filters_load_texts(loader, value, "flags", &action->flags, &action->flag_count) < 0) {
        return;
    }
    for (size_t i = 0; i < action->flag_count; i++) {
        const char *error = flag_error(action->flags[i]);
        if (error != NULL) {
            filters_load_error_at(loader, "flags", "\"%s\" cannot be a flag: %s", action->flags[i], error);
        }
    }
}

static void load_folder(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    const char *text = filters_load_text(loader, value, "folder", true);
    if (text == NULL) {
        return;
    }
    const char *error = filters_text_folder_error(text);
    if (error != NULL) {
        filters_load_error_at(loader, "folder", "%s", error);
        return;
    }
    struct buf why;
    buf_init(&why, 500);
    struct filters_names names = {loader->patterns, loader->pattern_count};
    action->folder = filters_template_new(loader->set->arena, text, &names, &why);
    if (action->folder == NULL) {
        filters_load_error_at(loader, "folder", "%s", buf_text(&why));
    } else if (filters_template_folder_max(action->folder) > FILTERS_FOLDER_MAX) {
        filters_load_error_at(loader, "folder", "the folder's name may become longer than %u octets; each ${...} may bring %u",
                              FILTERS_FOLDER_MAX, FILTERS_FOLDER_VALUE_MAX);
    }
    buf_done(&why);
}

static void load_fileinto(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    static const char *const known[] = {"upstream", "folder", "flags", NULL};
    action->kind = FILTERS_FILEINTO;
    if (!json_is_object(value)) {
        filters_load_error(loader, "\"fileinto\" is an object with \"upstream\" and \"folder\"");
        return;
    }
    filters_load_keys(loader, value, known);
    action->upstream = filters_load_text(loader, value, "upstream", true);
    if (action->upstream != NULL) {
        check_upstream(loader, action->upstream);
    }
    load_folder(loader, value, action);
    load_flags(loader, value, action);
}

static void load_stop(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    action->kind = FILTERS_STOP;
    if (!json_is_true(value)) {
        filters_load_error(loader, "\"stop\" is true, or is left out");
    }
}

static const struct {
    const char *name;
    void (*load)(struct filters_loader *loader, json_t *value, struct filters_action *action);
} kinds[] = {
    {"fileinto", load_fileinto},
    {"stop", load_stop},
};
#define KIND_COUNT (sizeof kinds / sizeof *kinds)

static void load_action(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    const char *known[KIND_COUNT + 1] = {NULL};
    const char *found = NULL;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        known[i] = kinds[i].name;
    }
    if (!json_is_object(value)) {
        filters_load_error(loader, "an action is an object with one key, such as {\"stop\": true}");
        return;
    }
    filters_load_keys(loader, value, known);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        json_t *inside = json_object_get(value, kinds[i].name);
        if (inside == NULL) {
            continue;
        }
        if (found != NULL) {
            filters_load_error(loader, "\"%s\" and \"%s\" are two actions: write them as two objects", found, kinds[i].name);
            return;
        }
        found = kinds[i].name;
        size_t mark = filters_load_down(loader, found);
        kinds[i].load(loader, inside, action);
        filters_load_up(loader, mark);
    }
    if (found == NULL && json_object_size(value) == 0) {
        filters_load_error(loader, "an empty action");
    }
}

int filters_load_actions(struct filters_loader *loader, json_t *value, struct filters_rule *rule)
{
    if (!json_is_array(value) || json_array_size(value) == 0) {
        filters_load_error(loader, "\"then\" is a list of one or more actions");
        return -1;
    }
    rule->action_count = json_array_size(value);
    rule->actions = filters_load_alloc(loader, rule->action_count, sizeof *rule->actions);
    for (size_t i = 0; i < rule->action_count; i++) {
        size_t mark = filters_load_item(loader, i);
        load_action(loader, json_array_get(value, i), &rule->actions[i]);
        filters_load_up(loader, mark);
    }
    return 0;
}

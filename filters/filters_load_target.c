/*
 * filters_load_target - where mail is filed: upstream, folder, flags, and where it goes otherwise.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/expect.h"
#include "base/units.h"
#include "document/nearest.h"
#include "filters/filters_load.h"
#include "filters/filters_text.h"
#include "proto/imap_special.h"

/* Places in one "else". */
#define FILTERS_WAYS_MAX 8u

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
        filters_load_error(loader, "\"upstream\" is missing, and the configuration has no default upstream");
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
            return "a keyword must be ASCII, without blanks and without any of (){%*\"\\]";
        }
    }
    return flag[0] == '\0' || strlen(flag) > FILTERS_KEYWORD_MAX ? "a keyword must have 1 to 64 characters" : NULL;
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
    if (text[0] == '\\' && imap_special_find(bytes_of(text)) == IMAP_SPECIAL_USES) {
        return "after a backslash only a special use is allowed: \\\\All, \\\\Archive, \\\\Drafts, \\\\Flagged, "
               "\\\\Junk, \\\\Sent or \\\\Trash";
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
static void check_folder(struct filters_loader *loader, const char *upstream, const char *folder)
{
    const struct filters_load_options *options = loader->options;
    const char **known = expect_calloc(options->folder_count + 1, sizeof *known);
    size_t count = 0;
    bool found = imap_special_is_named(bytes_of(folder));
    for (size_t i = 0; i < options->folder_count && !found; i++) {
        if (strcmp(options->folders[i].upstream, upstream) == 0) {
            known[count++] = options->folders[i].folder;
            found = same_folder(options->folders[i].folder, folder);
        }
    }
    const char *nearest = found || count == 0 ? NULL : nearest_word(folder, known);
    if (!found && count > 0) { /* else nothing is known about this upstream */
        filters_load_warning_at(loader, "folder",
                                "there is no folder \"%s\" on upstream \"%s\": it would be created%s%s%s", folder,
                                upstream, nearest == NULL ? "" : "; did you mean \"", nearest == NULL ? "" : nearest,
                                nearest == NULL ? "" : "\"?");
    }
    free(known);
}

/* The template of a folder on that upstream (NULL: not known); NULL after a problem, or when there is none. */
static const struct filters_template *load_folder(struct filters_loader *loader, json_t *value, const char *upstream)
{
    const char *text = filters_load_text(loader, value, "folder");
    const char *error = text == NULL ? NULL : folder_error(text);
    if (error != NULL) {
        filters_load_error_at(loader, "folder", "%s", error);
    }
    const struct filters_template *folder =
        text == NULL || error != NULL ? NULL : filters_load_template(loader, value, "folder");
    if (folder == NULL) {
        return NULL;
    }
    if (filters_template_folder_max(folder) > FILTERS_FOLDER_MAX) {
        filters_load_error_at(loader, "folder",
                              "the folder's name may become longer than %u octets; each ${...} may add %u",
                              FILTERS_FOLDER_MAX, FILTERS_FOLDER_VALUE_MAX);
    }
    const char *empty = filters_template_empty_level(folder);
    if (empty != NULL) {
        filters_load_warning_at(
            loader, "folder",
            "${%s} may be empty, and then the level would be called \"_\": give a default with ${%s | default('...')}",
            empty, empty);
    }
    if (upstream != NULL && filters_template_is_constant(folder)) {
        check_folder(loader, upstream, text);
    }
    return folder;
}

/* ---- where it goes otherwise ---- */

/* What may be wrong, in the order of filters_when_words. */
enum { WHEN_REFUSED, WHEN_DOWN, WHEN_FULL };

/* "down", "full > 30m": a word, and how long it must have been so. */
static bool read_when(const char *text, unsigned *word_r, uint64_t *ms_r)
{
    struct bytes rest = bytes_of(text), word = bytes_trim(bytes_cut(&rest, '>'));
    *ms_r = 0;
    for (unsigned i = 0; filters_when_words[i] != NULL; i++) {
        if (bytes_is(word, filters_when_words[i])) {
            *word_r = i;
            /* At least a second: shorter than that, an upstream is busy. */
            return rest.ptr == NULL ||
                   (i != WHEN_REFUSED && units_duration(bytes_trim(rest), ms_r) == 0 && *ms_r >= 1000);
        }
    }
    return false;
}

void filters_load_when(struct filters_loader *loader, json_t *value, struct filters_way *way)
{
    const char *const *texts;
    size_t count;
    filters_load_texts(loader, value, "when", &texts, &count);
    if (json_object_get(value, "when") == NULL) {
        way->refused = way->down = way->full = true;
    } else if (count == 0) {
        filters_load_error_at(loader, "when", "an empty list: mail would never go there");
    }
    for (size_t i = 0; i < count; i++) {
        unsigned word;
        uint64_t ms;
        if (!read_when(texts[i], &word, &ms)) {
            filters_load_error_at(loader, "when",
                                  "\"%s\" is not known: there is \"refused\", \"down\", \"full\", and with a time of a "
                                  "second or more \"down>1h\", \"full>30m\"",
                                  texts[i]);
            continue;
        }
        bool *const is[] = {&way->refused, &way->down, &way->full};
        if (*is[word]) {
            filters_load_error_at(loader, "when", "\"%s\" is said twice", filters_when_words[word]);
        }
        *is[word] = true;
        way->down_ms = word == WHEN_DOWN ? ms : way->down_ms;
        way->full_ms = word == WHEN_FULL ? ms : way->full_ms;
    }
}

static bool is_same_place(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* A way that leads where the message is already, or to an upstream that is down as well. */
static void check_way(struct filters_loader *loader, const struct filters_target *target, const struct filters_way *way)
{
    bool stays = way->upstream == NULL || is_same_place(way->upstream, target->upstream);
    const char *folder = way->folder == NULL ? NULL : filters_template_text(way->folder);
    const char *own = target->folder == NULL ? NULL : filters_template_text(target->folder);
    if (stays && (folder == NULL || is_same_place(folder, own))) {
        filters_load_error(loader, "this is the target itself: name another \"folder\" or another \"upstream\"");
    } else if (stays && way->down && !way->refused && !way->full) {
        filters_load_error_at(loader, "when",
                              "this folder is on the same upstream, which is down too: name another upstream");
    }
}

static void load_way(struct filters_loader *loader, json_t *value, const struct filters_target *target,
                     struct filters_way *way)
{
    if (json_is_string(value)) {
        filters_load_error(loader,
                           "an alternative target is an object: write {\"upstream\": \"%.200s\"} or {\"folder\": "
                           "\"%.200s\"}",
                           json_string_value(value), json_string_value(value));
        return;
    }
    if (!filters_load_object(loader, value, "where it goes otherwise", filters_way_keys, NULL)) {
        return;
    }
    size_t errors = problems_errors(loader->problems);
    way->upstream = filters_load_text(loader, value, "upstream");
    if (way->upstream != NULL) {
        check_upstream(loader, "upstream", way->upstream);
    }
    way->folder = load_folder(loader, value, way->upstream == NULL ? target->upstream : way->upstream);
    filters_load_when(loader, value, way);
    if (problems_errors(loader->problems) == errors) {
        check_way(loader, target, way);
    }
}

/* Whether the earlier way is always taken before the later one. */
static bool hides(const struct filters_way *earlier, const struct filters_way *later)
{
    return (earlier->refused || !later->refused) && (earlier->down || !later->down) &&
           (earlier->full || !later->full) && (!later->down || earlier->down_ms <= later->down_ms) &&
           (!later->full || earlier->full_ms <= later->full_ms) && is_same_place(earlier->upstream, later->upstream) &&
           is_same_place(earlier->folder == NULL ? NULL : filters_template_text(earlier->folder),
                         later->folder == NULL ? NULL : filters_template_text(later->folder));
}

static void load_ways(struct filters_loader *loader, json_t *value, struct filters_target *target)
{
    json_t *list = json_object_get(value, "else");
    if (list == NULL) {
        return;
    }
    if (target->fallback != NULL) {
        filters_load_error_at(loader, "fallback",
                              "\"fallback\" cannot be used beside \"else\": write it there, as {\"upstream\": \"%s\", "
                              "\"when\": \"down\"}",
                              target->fallback);
    }
    size_t mark = filters_load_down(loader, "else");
    bool many = json_is_array(list);
    target->way_count = many ? json_array_size(list) : 1;
    if (target->way_count == 0 || target->way_count > FILTERS_WAYS_MAX) {
        filters_load_error(loader, "\"else\" must have 1 to %u places", FILTERS_WAYS_MAX);
        target->way_count = 0;
    }
    target->ways = filters_load_alloc(loader, target->way_count, sizeof *target->ways);
    for (size_t i = 0; i < target->way_count; i++) {
        size_t inner = many ? filters_load_item(loader, i) : loader->path.len;
        load_way(loader, many ? json_array_get(list, i) : list, target, &target->ways[i]);
        for (size_t k = 0; k < i; k++) {
            if (hides(&target->ways[k], &target->ways[i])) {
                filters_load_warning_at(loader, NULL, "number %zu already goes there, so this one is never used",
                                        k + 1);
                break;
            }
        }
        filters_load_up(loader, inner);
    }
    filters_load_up(loader, mark);
}

/* ---- targets ---- */

static void add_naming(struct filters_loader *loader, struct filters_target *target, const char *upstream)
{
    for (size_t i = 0; i < loader->options->naming_count && upstream != NULL; i++) {
        const struct filters_naming *naming = &loader->options->namings[i];
        if (strcmp(naming->upstream, upstream) == 0) {
            struct filters_naming *own = &target->namings[target->naming_count++];
            *own = *naming;
            own->upstream = upstream;
            own->forbidden = naming->forbidden == NULL ? NULL : arena_text(loader->set->arena, naming->forbidden);
        }
    }
}

/* What the servers of all upstreams where it may go do not take in names: its folder is called the same on each. */
static void find_namings(struct filters_loader *loader, struct filters_target *target)
{
    target->namings = filters_load_alloc(loader, 2 + target->way_count, sizeof *target->namings);
    add_naming(loader, target, target->upstream);
    add_naming(loader, target, target->fallback);
    for (size_t i = 0; i < target->way_count; i++) {
        add_naming(loader, target, target->ways[i].upstream);
    }
}

static void load_target(struct filters_loader *loader, json_t *value, struct filters_target *target)
{
    if (!filters_load_object(loader, value, "a target", filters_target_keys, NULL)) {
        return;
    }
    load_upstream(loader, value, target);
    load_fallback(loader, value, target);
    target->folder = load_folder(loader, value, target->upstream);
    load_ways(loader, value, target);
    find_namings(loader, target);
    load_flags(loader, value, target);
    const char *date = filters_load_text(loader, value, "date");
    target->date_from_header = date != NULL && strcmp(date, "header") == 0;
    if (date != NULL && !target->date_from_header && strcmp(date, "received") != 0) {
        filters_load_unknown(loader, "date", "choice", date, filters_date_words);
    }
}

void filters_load_targets(struct filters_loader *loader, json_t *value, struct filters_action *action)
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

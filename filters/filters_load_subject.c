/*
 * filters_load_subject - what tests and templates look at; each distinct subject exists once in a set.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "document/nearest.h"
#include "filters/filters_formula.h"
#include "filters/filters_load.h"
#include "filters/filters_name.h"
#include "mail/mail_view.h"

#define KEY_MAX 8192

/* Whether a pass over the message's MIME parts is needed. */
static void note_needs(struct filters_loader *loader, const struct filters_subject *subject)
{
    struct filters_set *set = loader->set;
    set->needs_body = set->needs_body || subject->extent == FILTERS_EXTENT_BODY;
    set->per_recipient = set->per_recipient || (subject->per_recipient && !subject->is_volatile);
    if (subject->kind == FILTERS_SUBJECT_BODY || subject->kind == FILTERS_SUBJECT_MIME_LIMIT ||
        subject->kind == FILTERS_SUBJECT_MIME_ERROR) {
        set->view_wanted |= MAIL_VIEW_TEXTS;
    }
    if (subject->kind == FILTERS_SUBJECT_REPORT || subject->kind == FILTERS_SUBJECT_PARTS) {
        set->view_wanted |= MAIL_VIEW_PARTS;
    }
    if (subject->part == FILTERS_PART_RAW) {
        set->view_wanted |= MAIL_VIEW_RAW;
    }
    if (subject->kind == FILTERS_SUBJECT_ATTACHMENT && subject->part == FILTERS_PART_SIZE) {
        set->view_wanted |= MAIL_VIEW_SIZES;
    }
}

void filters_load_note_attribute(struct filters_loader *loader, enum filters_part part)
{
    loader->set->view_wanted |= part == FILTERS_PART_SIZE   ? MAIL_VIEW_SIZES
                                : part == FILTERS_PART_TEXT ? MAIL_VIEW_PARTS | MAIL_VIEW_PART_TEXTS
                                                            : 0;
}

/* Something that a word of its own is asked for: a media type, a method. */
static const struct filters_subject *with_word(struct filters_loader *loader, enum filters_kind kind,
                                               enum filters_extent extent, const char *word)
{
    const char **words = filters_load_alloc(loader, 1, sizeof *words);
    words[0] = word;
    return filters_load_subject(loader, &(struct filters_subject){.kind = kind,
                                                                  .type = FILTERS_TYPE_TEXT,
                                                                  .extent = extent,
                                                                  .nocase = true,
                                                                  .headers = words,
                                                                  .header_count = 1});
}

const struct filters_subject *filters_load_parts(struct filters_loader *loader, const char *type)
{
    return with_word(loader, FILTERS_SUBJECT_PARTS, FILTERS_EXTENT_BODY, type);
}

const struct filters_subject *filters_load_recipients(struct filters_loader *loader)
{
    return filters_load_subject(loader, &(struct filters_subject){.kind = FILTERS_SUBJECT_ADDRESSEES,
                                                                  .type = FILTERS_TYPE_TEXT,
                                                                  .extent = FILTERS_EXTENT_HEADER,
                                                                  .nocase = true});
}

/* What the values are beside texts, and whether they are the recipient's: by what is looked at. */
static void complete_subject(struct filters_subject *subject)
{
    subject->per_recipient = subject->per_recipient || subject->kind == FILTERS_SUBJECT_TO;
    bool whole = subject->part == FILTERS_PART_WHOLE;
    if (subject->part == FILTERS_PART_ADDRESS) {
        subject->object = FILTERS_OBJECT_MAILBOX;
    }
    if (whole && (subject->kind == FILTERS_SUBJECT_FROM || subject->kind == FILTERS_SUBJECT_TO ||
                  subject->kind == FILTERS_SUBJECT_ADDRESSEES)) {
        subject->object = FILTERS_OBJECT_ADDRESS;
    }
    if (subject->kind == FILTERS_SUBJECT_PARTS) {
        subject->object = FILTERS_OBJECT_PART;
    }
    if (subject->kind == FILTERS_SUBJECT_ATTACHMENTS) {
        subject->object = FILTERS_OBJECT_ATTACHMENT;
    }
}

const struct filters_subject *filters_load_subject(struct filters_loader *loader, const struct filters_subject *wanted)
{
    struct filters_set *set = loader->set;
    struct buf key, folded;
    buf_init(&key, KEY_MAX);
    buf_printf(&key, "%d %d %d %s", (int)wanted->kind, (int)wanted->part, wanted->outer_only,
               wanted->zone == NULL ? "" : filters_zone_name(wanted->zone));
    if (wanted->kind == FILTERS_SUBJECT_COUNTER) {
        buf_printf(&key, " %zu", set->subject_count); /* each by itself: its key is read in its own rule */
    }
    if (wanted->formula != NULL) {
        buf_printf(&key, " %d %s", (int)(loader->items == NULL ? FILTERS_OBJECT_TEXT : loader->items->object),
                   wanted->formula->text);
    }
    buf_init(&folded, KEY_MAX);
    for (size_t i = 0; i < wanted->header_count; i++) {
        buf_printf(&folded, " %s", wanted->headers[i]);
    }
    for (size_t i = 0; i < folded.len; i++) {
        buf_append_octet(&key, octet_lower(buf_bytes(&folded).ptr[i]));
    }
    struct filters_subject *subject = map_get(loader->subjects, buf_bytes(&key));
    if (subject == NULL) {
        if (set->subject_count == set->subject_size) {
            set->subject_size = set->subject_size == 0 ? 16 : set->subject_size * 2;
            set->subjects = expect_memory(realloc(set->subjects, set->subject_size * sizeof(struct filters_subject *)));
        }
        subject = filters_load_alloc(loader, 1, sizeof *subject);
        *subject = *wanted;
        complete_subject(subject);
        subject->number = (unsigned)set->subject_count;
        set->subjects[set->subject_count++] = subject;
        disregard(map_set(loader->subjects, buf_bytes(&key), subject));
        note_needs(loader, subject);
    }
    buf_done(&key);
    buf_done(&folded);
    return subject;
}

/* "header.X-Project", "header.From.domain": the fields of that name, or a part of their addresses. */
static void header_name(struct filters_loader *loader, struct bytes rest, struct filters_reference *reference)
{
    const struct filters_field_row *row = &filters_header_field;
    struct filters_subject subject = {.kind = row->kind, .type = row->type, .extent = row->extent};
    char *name = expect_memory(arena_copy(loader->set->arena, rest));
    char *dot = strrchr(name, '.');
    for (const struct filters_part_row *part = filters_parts; dot != NULL && part->name != NULL; part++) {
        bool is = strcmp(dot + 1, part->name) == 0 ||
                  (part->part == FILTERS_PART_ADDRESS && strcmp(dot + 1, "addresses") == 0);
        if (is && (row->parts & FILTERS_PART_BIT(part->part)) != 0) {
            *dot = '\0';
            subject.part = part->part;
            subject.type = part->type;
            subject.nocase = part->nocase;
            break;
        }
    }
    const char **headers = filters_load_alloc(loader, 1, sizeof *headers);
    headers[0] = name;
    subject.headers = headers;
    subject.header_count = 1;
    reference->what = filters_load_subject(loader, &subject);
}

static const struct filters_field_row *field_called(struct bytes name)
{
    const struct filters_field_row *field = filters_fields;
    while (field->name != NULL && !bytes_is(name, field->name)) {
        field++;
    }
    return field->name == NULL ? NULL : field;
}

/* -1, with the part that was meant, or those that there are. */
static int no_such_part(const struct filters_field_row *field, const char *name, struct bytes wanted, struct buf *error)
{
    const char *known[FILTERS_KEYS_MAX] = {NULL};
    char word[40];
    size_t count = 0;
    snprintf(word, sizeof word, "%.*s", (int)wanted.len, (const char *)wanted.ptr);
    buf_printf(error, "${%s}: \"%s\" has no such part", name, field->name);
    for (const struct filters_part_row *part = filters_parts; part->name != NULL; part++) {
        if ((field->parts & FILTERS_PART_BIT(part->part)) != 0) {
            known[count++] = part->name;
        }
    }
    const char *nearest = nearest_word(word, known);
    if (nearest != NULL) {
        buf_printf(error, "; did you mean \"%s.%s\"?", field->name, nearest);
    }
    for (size_t i = 0; i < count && nearest == NULL; i++) {
        buf_printf(error, "%s%s", i == 0 ? "; it has " : ", ", known[i]);
    }
    return -1;
}

/* "from", "from.domain", "header.X-Project": the subject behind a name. 1, 0 when it is none, -1 with an error. */
static int subject_name(struct filters_loader *loader, const char *name, struct filters_reference *reference,
                        struct buf *error)
{
    struct bytes rest = bytes_of(name);
    struct bytes head = bytes_cut(&rest, '.');
    if (bytes_is(head, "header") && rest.len > 0) {
        header_name(loader, rest, reference);
        return 1;
    }
    if (bytes_is(head, "auth") && rest.len > 0) {
        if (loader->set->authserv_count == 0) {
            buf_printf(error,
                       "${%s}: \"trusted_authserv\" is missing, which says whose Authentication-Results are believed",
                       name);
            return -1;
        }
        reference->what = with_word(loader, FILTERS_SUBJECT_AUTH, FILTERS_EXTENT_HEADER,
                                    expect_memory(arena_copy(loader->set->arena, rest)));
        return 1;
    }
    if (strcmp(name, "attachments") == 0) {
        reference->what = filters_load_subject(loader, &(struct filters_subject){.kind = FILTERS_SUBJECT_ATTACHMENTS,
                                                                                 .type = FILTERS_TYPE_TEXT,
                                                                                 .extent = FILTERS_EXTENT_BODY,
                                                                                 .nocase = true});
        return 1;
    }
    if (bytes_is(head, "attachments")) {
        head = bytes_of("attachment"); /* of all of them at once */
    }
    const struct filters_field_row *field = field_called(head);
    if (field == NULL) {
        return 0;
    }
    struct filters_subject subject = {
        .kind = field->kind, .type = field->type, .extent = field->extent, .nocase = field->nocase};
    for (const struct filters_part_row *part = filters_parts; rest.ptr != NULL; part++) {
        if (part->name == NULL) {
            return no_such_part(field, name, rest, error);
        }
        if (bytes_is(rest, part->name) && (field->parts & FILTERS_PART_BIT(part->part)) != 0) {
            subject.part = part->part;
            subject.type = part->type;
            subject.nocase = part->nocase;
            break;
        }
    }
    reference->what = filters_load_subject(loader, &subject);
    return 1;
}

static int capture_name(struct filters_loader *loader, const char *name, struct filters_reference *reference)
{
    uint64_t number = 0;
    bool numbered = bytes_to_u64(bytes_of(name), &number);
    bool found = false;
    for (size_t i = 0; i < loader->pattern_count; i++) {
        const struct filters_pattern *pattern = loader->patterns[i];
        unsigned groups[FILTERS_PATTERN_MAX_GROUPS] = {(unsigned)number};
        unsigned count =
            numbered ? number <= filters_pattern_groups(pattern) : filters_pattern_named(pattern, name, groups);
        for (unsigned k = 0; k < count; k++) {
            found = true;
            reference->may_be_empty = reference->may_be_empty || filters_pattern_group_may_be_empty(pattern, groups[k]);
        }
    }
    reference->kind = numbered ? FILTERS_NAME_NUMBER : FILTERS_NAME_GROUP;
    reference->number = (unsigned)number;
    return found ? 1 : 0;
}

static int unknown_name(struct filters_loader *loader, const char *name, struct buf *error)
{
    uint64_t number;
    if (bytes_to_u64(bytes_of(name), &number)) {
        buf_printf(error, "${%s}: no pattern of this rule has a group %s", name, name);
        return -1;
    }
    static const char *const others[] = {"id",           "date",      "date.year",   "date.month",
                                         "date.day",     "date.hour", "date.minute", "date.week",
                                         "date.weekday", "subject",   NULL};
    const char *known[100];
    size_t count = 0;
    for (; others[count] != NULL; count++) {
        known[count] = others[count];
    }
    for (size_t i = 0; filters_fields[i].name != NULL; i++) {
        known[count++] = filters_fields[i].name;
    }
    known[count++] = "attachments";
    for (size_t i = 0; i < loader->set->variable_count && count < 99; i++) {
        known[count++] = loader->set->variables[i];
    }
    known[count] = NULL;
    const char *nearest = nearest_word(name, known);
    buf_printf(error,
               "${%s}: no pattern of this rule has a group of that name, no earlier rule sets that variable, and no "
               "value of a message is called so",
               name);
    if (nearest != NULL) {
        buf_printf(error, "; did you mean ${%s}?", nearest);
    }
    return -1;
}

/* "var.team", and "team" where no group of a pattern is called so. 1, 0 when it is none, -1 with an error. */
static int variable_name(struct filters_loader *loader, const char *name, struct filters_reference *reference,
                         struct buf *error)
{
    bool prefixed = strncmp(name, "var.", 4) == 0;
    name += prefixed ? 4 : 0;
    const struct filters_variable *variable = filters_load_variable(loader, name);
    if (variable == NULL) {
        if (!prefixed) {
            return 0;
        }
        const char *nearest = nearest_word(name, filters_load_names(loader, loader->variables));
        buf_printf(error, "no rule sets a variable \"%s\"%s%s%s", name, nearest == NULL ? "" : "; did you mean \"",
                   nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
        return -1;
    }
    if (!variable->is_set && !loader->in_named) {
        buf_printf(error, "the variable \"%s\" is set only by a later rule (%s:%zu), so it has no value here", name,
                   variable->file, variable->line);
        return -1;
    }
    reference->kind = FILTERS_NAME_VARIABLE;
    reference->number = variable->number;
    return 1;
}

bool filters_load_is_free(struct filters_loader *loader, const char *name)
{
    struct filters_reference reference = {.may_be_empty = false};
    return capture_name(loader, name, &reference) == 0 && map_get(loader->variables, bytes_of(name)) == NULL;
}

/* "date", "date.month", and the fields "time" and "weekday": parts of the time of reception. -1 for other names. */
static int reception_part(const char *name)
{
    if (strcmp(name, "time") == 0) {
        return FILTERS_DATE_TIME;
    }
    return strcmp(name, "weekday") == 0 ? FILTERS_DATE_WEEKDAY : filters_date_part(name);
}

int filters_load_name(struct filters_loader *loader, const char *name, struct filters_reference *reference_r,
                      struct buf *error)
{
    struct filters_reference reference = {.may_be_empty = false};
    if (capture_name(loader, name, &reference) == 1) {
        *reference_r = reference;
        return 0;
    }
    reference = (struct filters_reference){.may_be_empty = true};
    int variable = variable_name(loader, name, &reference, error);
    if (variable < 0) {
        return -1;
    }
    if (variable == 1) {
    } else if (strcmp(name, "id") == 0) {
        reference.kind = FILTERS_NAME_ID;
        reference.most = 26;
        reference.may_be_empty = false;
    } else if (reception_part(name) >= 0) {
        reference.kind = FILTERS_NAME_DATE;
        reference.most = 10;
        reference.number = (unsigned)reception_part(name);
        reference.may_be_empty = false;
    } else {
        reference.kind = FILTERS_NAME_SUBJECT;
        int found = subject_name(loader, strcmp(name, "subject") == 0 ? "header.Subject" : name, &reference, error);
        if (found <= 0) {
            return found < 0 ? -1 : unknown_name(loader, name, error);
        }
    }
    *reference_r = reference;
    return 0;
}

const struct filters_zone *filters_load_zone(struct filters_loader *loader, const char *name)
{
    struct filters_set *set = loader->set;
    for (size_t i = 0; i < set->zone_count; i++) {
        if (strcmp(filters_zone_name(set->zones[i]), name) == 0) {
            return set->zones[i];
        }
    }
    struct filters_zone *zone = filters_zone_new(name);
    if (zone != NULL) {
        set->zones = expect_memory(realloc(set->zones, (set->zone_count + 1) * sizeof(struct filters_zone *)));
        set->zones[set->zone_count++] = zone;
    }
    return zone;
}

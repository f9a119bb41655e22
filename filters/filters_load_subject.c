/*
 * filters_load_subject - what tests and templates look at; each distinct subject exists once in a set.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "document/nearest.h"
#include "filters/filters_load.h"
#include "filters/filters_name.h"
#include "mail/mail_view.h"

#define KEY_MAX 8192

/* Whether a pass over the message's MIME parts is needed. */
static void note_needs(struct filters_loader *loader, const struct filters_subject *subject)
{
    struct filters_set *set = loader->set;
    set->needs_body = set->needs_body || subject->stage == FILTERS_STAGE_BODY;
    set->per_recipient = set->per_recipient || subject->kind == FILTERS_SUBJECT_TO;
    if (subject->kind == FILTERS_SUBJECT_BODY || subject->kind == FILTERS_SUBJECT_MIME_LIMIT ||
        subject->kind == FILTERS_SUBJECT_MIME_ERROR) {
        set->view_wanted |= MAIL_VIEW_TEXTS;
    }
    if (subject->part == FILTERS_PART_RAW) {
        set->view_wanted |= MAIL_VIEW_RAW;
    }
    if (subject->kind == FILTERS_SUBJECT_ATTACHMENT && subject->part == FILTERS_PART_SIZE) {
        set->view_wanted |= MAIL_VIEW_SIZES;
    }
}

const struct filters_subject *filters_load_subject(struct filters_loader *loader, const struct filters_subject *wanted)
{
    struct filters_set *set = loader->set;
    struct buf key, folded;
    buf_init(&key, KEY_MAX);
    buf_printf(&key, "%d %d %d %d", (int)wanted->kind, (int)wanted->part, wanted->zone_minutes, wanted->outer_only);
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
        subject->number = (unsigned)set->subject_count;
        set->subjects[set->subject_count++] = subject;
        map_set(loader->subjects, buf_bytes(&key), subject);
        note_needs(loader, subject);
    }
    buf_done(&key);
    buf_done(&folded);
    return subject;
}

/* "from", "from.domain", "header.X-Project": the subject behind a template's name. 1, 0 when it is none, -1 with an error. */
static int subject_name(struct filters_loader *loader, const char *name, struct filters_reference *reference,
                        struct buf *error)
{
    struct bytes rest = bytes_of(name);
    struct bytes head = bytes_cut(&rest, '.');
    struct filters_subject subject = {0};
    if (bytes_is(head, "header") && rest.len > 0) {
        const char **headers = filters_load_alloc(loader, 1, sizeof *headers);
        headers[0] = filters_load_copy(loader, (const char *)rest.ptr);
        subject = (struct filters_subject){.kind = FILTERS_SUBJECT_HEADER,
                                           .type = FILTERS_TYPE_TEXT,
                                           .stage = FILTERS_STAGE_HEADER,
                                           .headers = headers,
                                           .header_count = 1};
        reference->what = filters_load_subject(loader, &subject);
        return 1;
    }
    const struct filters_field_row *field = filters_fields;
    while (field->name != NULL && !bytes_is(head, field->name)) {
        field++;
    }
    if (field->name == NULL) {
        return 0;
    }
    subject = (struct filters_subject){
        .kind = field->kind, .type = field->type, .stage = field->stage, .nocase = field->nocase};
    for (const struct filters_part_row *part = filters_parts; rest.ptr != NULL; part++) {
        if (part->name == NULL || field->stage == FILTERS_STAGE_BODY) {
            buf_printf(error, "${%s}: \"%s\" has no such part", name, field->name);
            return -1;
        }
        if (bytes_is(rest, part->name) && (field->parts & FILTERS_PART_BIT(part->part)) != 0) {
            subject.part = part->part;
            subject.type = part->type;
            break;
        }
    }
    if (field->stage == FILTERS_STAGE_BODY) {
        buf_printf(error, "${%s}: templates have no values from the body; capture them by \"matches\"", name);
        return -1;
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
    for (size_t i = 0; i < loader->set->variable_count && count < 99; i++) {
        known[count++] = loader->set->variables[i];
    }
    known[count] = NULL;
    const char *nearest = nearest_word(name, known);
    buf_printf(error,
               "${%s}: no pattern of this rule has a group of that name, no earlier rule sets it, and it is no value "
               "of a message",
               name);
    if (nearest != NULL) {
        buf_printf(error, "; did you mean ${%s}?", nearest);
    }
    return -1;
}

int filters_load_name(void *ctx, const char *name, struct filters_reference *reference_r, struct buf *error)
{
    struct filters_loader *loader = ctx;
    struct filters_reference reference = {.may_be_empty = false};
    if (capture_name(loader, name, &reference) == 1) {
        *reference_r = reference;
        return 0;
    }
    reference = (struct filters_reference){.may_be_empty = true};
    void *variable = map_get(loader->variables, bytes_of(name));
    if (variable != NULL) {
        reference.kind = FILTERS_NAME_VARIABLE;
        reference.number = (unsigned)((uintptr_t)variable - 1);
    } else if (strcmp(name, "id") == 0) {
        reference.kind = FILTERS_NAME_ID;
        reference.most = 26;
        reference.may_be_empty = false;
    } else if (filters_name_date_part(name) >= 0) {
        reference.kind = FILTERS_NAME_DATE;
        reference.most = 10;
        reference.number = (unsigned)filters_name_date_part(name);
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

const struct filters_template *filters_load_template(struct filters_loader *loader, json_t *object, const char *key)
{
    const char *text = filters_load_text(loader, object, key);
    if (text == NULL) {
        return NULL;
    }
    struct buf error;
    buf_init(&error, 1000);
    struct filters_resolver resolver = {filters_load_name, loader};
    const struct filters_template *template = filters_template_new(loader->set->arena, text, &resolver, &error);
    if (template == NULL) {
        filters_load_error_at(loader, key, "%s", buf_text(&error));
    }
    buf_done(&error);
    return template;
}

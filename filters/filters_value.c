/*
 * filters_value - where a test's values come from: envelope and header section; each subject is fetched once per message.
 */
#include "base/expect.h"
#include "filters/filters_run.h"
#include "filters/filters_text.h"
#include "mail/mail_header.h"

static int no_memory(struct filters_run *run)
{
    fault_set(run->fault, FAULT_LOCAL, "rules-memory", "rules", "the message needs more memory than a decision may use");
    return -1;
}

static int one_text(struct filters_run *run, struct filters_fetched *fetched, const char *text)
{
    if (text == NULL) {
        return 0;
    }
    struct buf valid;
    buf_init(&valid, FILTERS_VALUE_MAX);
    filters_text_valid(bytes_of(text), &valid);
    char *copy = arena_copy(run->arena, buf_bytes(&valid));
    fetched->values = arena_alloc(run->arena, sizeof *fetched->values);
    if (copy != NULL && fetched->values != NULL) {
        fetched->values[0] = bytes_at(copy, valid.len);
        fetched->count = 1;
    }
    buf_done(&valid);
    return fetched->count == 1 ? 0 : no_memory(run);
}

static size_t count_fields(struct bytes header, const char *name)
{
    struct mail_header_field field;
    size_t count = 0;
    while (count < FILTERS_OCCURRENCES_MAX && mail_header_next(&header, &field) == 1) {
        count += bytes_is_nocase(field.name, name);
    }
    return count;
}

static int add_field(struct filters_run *run, struct filters_fetched *fetched, struct bytes value)
{
    struct buf line, valid;
    buf_init(&line, FILTERS_VALUE_MAX);
    buf_init(&valid, FILTERS_VALUE_MAX);
    mail_header_unfold(bytes_slice(value, 0, FILTERS_VALUE_MAX), &line);
    filters_text_valid(buf_bytes(&line), &valid);
    char *copy = arena_copy(run->arena, buf_bytes(&valid));
    if (copy != NULL) {
        fetched->values[fetched->count++] = bytes_at(copy, valid.len);
    }
    buf_done(&line);
    buf_done(&valid);
    return copy == NULL ? no_memory(run) : 0;
}

static int header_fields(struct filters_run *run, struct filters_fetched *fetched, const char *name)
{
    struct bytes rest = run->message->header;
    size_t count = count_fields(rest, name);
    fetched->values = arena_array(run->arena, count, sizeof *fetched->values);
    if (fetched->values == NULL) {
        return no_memory(run);
    }
    struct mail_header_field field;
    while (fetched->count < count && mail_header_next(&rest, &field) == 1) {
        if (bytes_is_nocase(field.name, name) && add_field(run, fetched, field.value) < 0) {
            return -1;
        }
    }
    return 0;
}

static int fetch(struct filters_run *run, const struct filters_subject *subject, struct filters_fetched *fetched)
{
    const struct mail_envelope *envelope = run->message->envelope;
    switch (subject->kind) {
    case FILTERS_SUBJECT_FROM:
        return one_text(run, fetched, envelope->from);
    case FILTERS_SUBJECT_TO:
        return one_text(run, fetched, envelope->to[run->recipient].address);
    case FILTERS_SUBJECT_HEADER:
        return header_fields(run, fetched, subject->header);
    }
    return 0;
}

int filters_run_fetch(struct filters_run *run, const struct filters_subject *subject, const struct filters_fetched **fetched_r)
{
    struct filters_fetched *fetched = &run->fetched[subject->number];
    if (fetched->state == FILTERS_NOT_FETCHED) {
        if (subject->stage > run->stage) {
            fetched->state = FILTERS_NOT_YET;
        } else if (fetch(run, subject, fetched) < 0) {
            return -1;
        } else {
            fetched->state = FILTERS_FETCHED;
        }
    }
    *fetched_r = fetched;
    return 0;
}

void filters_run_next_recipient(struct filters_run *run, size_t recipient)
{
    run->recipient = recipient;
    for (size_t i = 0; i < run->set->subject_count; i++) {
        if (run->set->subjects[i]->kind == FILTERS_SUBJECT_TO) {
            run->fetched[i] = (struct filters_fetched){.state = FILTERS_NOT_FETCHED};
        }
    }
}

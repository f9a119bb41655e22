/*
 * filters_value - where a test's values come from: connection, envelope, header section, decoded parts. Each subject is
 * fetched once per message (those of the recipient, once per recipient).
 */
#include <string.h>

#include "base/expect.h"
#include "filters/filters_count.h"
#include "filters/filters_formula.h"
#include "filters/filters_name.h"
#include "filters/filters_run.h"
#include "filters/filters_text.h"
#include "mail/mail_address.h"
#include "mail/mail_canonical.h"
#include "mail/mail_charset.h"
#include "mail/mail_header.h"
#include "mail/mail_words.h"

/* ---- addresses ---- */

/* ---- header fields ---- */

struct header_fetch {
    struct filters_run *run;
    struct filters_fetched *fetched;
    enum filters_part part;
    int result;
};

/* The display name stays with the address: of several mailboxes the two belong together. */
static int keep_name(struct filters_run *run, struct filters_fetched *fetched, size_t count, struct bytes name)
{
    if (fetched->count == count) {
        return 0;
    }
    struct filters_value *value = &fetched->values[count];
    value->is_address = true;
    if (name.len > 0) {
        const char *copy = arena_copy(run->arena, bytes_slice(name, 0, FILTERS_VALUE_MAX));
        if (copy == NULL) {
            return filters_run_full(run);
        }
        value->name = bytes_of(copy);
    }
    return 0;
}

static void on_address(void *ctx, struct bytes name, struct bytes address)
{
    struct header_fetch *fetch = ctx;
    if (fetch->result < 0) {
        return;
    }
    if (fetch->part != FILTERS_PART_NAME) {
        size_t count = fetch->fetched->count;
        fetch->result = filters_run_add_address(fetch->run, fetch->fetched, address, fetch->part);
        if (fetch->result == 0 && fetch->part == FILTERS_PART_ADDRESS) {
            fetch->result = keep_name(fetch->run, fetch->fetched, count, name);
        }
    } else if (name.len > 0) {
        fetch->result = filters_run_add_text(fetch->run, fetch->fetched, name);
    }
}

static int add_decoded(struct filters_run *run, struct filters_fetched *fetched, struct bytes line)
{
    struct buf decoded;
    buf_init(&decoded, FILTERS_VALUE_MAX * 3);
    mail_words_decode(line, &decoded);
    int result = filters_run_add_text(run, fetched, buf_bytes(&decoded));
    buf_done(&decoded);
    return result;
}

static int add_field(struct filters_run *run, const struct filters_subject *subject, struct filters_fetched *fetched,
                     struct bytes value)
{
    struct buf unfolded;
    struct bytes line = bytes_trim(bytes_slice(value, 0, FILTERS_VALUE_MAX));
    int result = 0;
    buf_init(&unfolded, FILTERS_VALUE_MAX);
    if (bytes_find_octet(line, '\n') >= 0) { /* most fields have one line, and are looked at where they lie */
        mail_header_unfold(line, &unfolded);
        line = buf_bytes(&unfolded);
    }
    if (subject->part != FILTERS_PART_WHOLE) {
        struct header_fetch fetch = {run, fetched, subject->part, 0};
        mail_address_each(line, on_address, &fetch);
        result = fetch.result;
    } else {
        bool words = bytes_find(line, bytes_of("=?")) >= 0;
        result = words ? add_decoded(run, fetched, line) : filters_run_add_text(run, fetched, line);
    }
    buf_done(&unfolded);
    return result;
}

static bool is_wanted(const struct filters_subject *subject, struct bytes name)
{
    for (size_t i = 0; i < subject->header_count; i++) {
        if (bytes_is_nocase(name, subject->headers[i]) || strcmp(subject->headers[i], "*") == 0) {
            return true;
        }
    }
    return false;
}

static int header_fields(struct filters_run *run, const struct filters_subject *subject,
                         struct filters_fetched *fetched)
{
    struct bytes rest = run->message->header;
    struct mail_header_field field;
    int64_t count = 0;
    while (mail_header_next(&rest, &field) == 1) {
        if (!is_wanted(subject, field.name)) {
            continue;
        }
        count++;
        if (subject->part != FILTERS_PART_COUNT && add_field(run, subject, fetched, field.value) < 0) {
            return -1;
        }
    }
    return subject->part == FILTERS_PART_COUNT ? filters_run_add_number(run, fetched, count, NULL) : 0;
}

/* RFC 2919: what stands in angle brackets in the (last) List-Id; the whole field when there are none. */
static int list_id(struct filters_run *run, struct filters_fetched *fetched)
{
    struct mail_header_field field;
    if (mail_header_find(run->message->header, "List-Id", &field) == 0) {
        return 0;
    }
    struct bytes value = bytes_trim(field.value);
    ptrdiff_t open = -1;
    for (size_t i = 0; i < value.len; i++) {
        open = value.ptr[i] == '<' ? (ptrdiff_t)i : open;
    }
    if (open >= 0) {
        struct bytes inside = bytes_from(value, (size_t)open + 1);
        value = bytes_trim(bytes_cut(&inside, '>'));
    }
    return filters_run_add_text(run, fetched, value);
}

/* ---- time ---- */

static int time_value(struct filters_run *run, const struct filters_subject *subject, struct filters_fetched *fetched)
{
    char text[FILTERS_DATE_TEXT];
    enum filters_date_part part = subject->kind == FILTERS_SUBJECT_TIME   ? FILTERS_DATE_TIME
                                  : subject->kind == FILTERS_SUBJECT_DATE ? FILTERS_DATE_DATE
                                                                          : FILTERS_DATE_WEEKDAY;
    int64_t number = filters_date_of(run->message->now_ms, part, subject->zone, text);
    return filters_run_add_number(run, fetched, number, text);
}

/* ---- decoded parts ---- */

/* As its reader sees it, with wrapped lines as the paragraph that they are beside it. */
static int body_texts(struct filters_run *run, const struct filters_subject *subject, struct filters_fetched *fetched)
{
    int result = 0;
    for (size_t i = 0; i < run->view->text_count && result == 0; i++) {
        const struct mail_view_text *text = &run->view->texts[i];
        if (text->nested && subject->outer_only) {
            continue;
        }
        if (subject->part == FILTERS_PART_RAW) {
            result = text->raw.ptr == NULL ? 0 : filters_run_add_shown(run, fetched, text->raw);
            continue;
        }
        result = filters_run_add_shown(run, fetched, text->text);
        if (result == 0 && text->paragraphs.ptr != NULL) {
            struct filters_value *value = &fetched->values[fetched->count - 1];
            value->is_ascii = bytes_is_ascii(value->text);
            result = filters_run_composed(run, text->paragraphs, &value->paragraphs);
        }
    }
    return result;
}

/* Those of the media type: "" are all, "text/" and a star all of that kind. */
static int each_part(struct filters_run *run, const char *wanted, struct filters_fetched *fetched)
{
    size_t len = strlen(wanted);
    for (size_t i = 0; i < run->view->part_count; i++) {
        const char *type = run->view->parts[i].type;
        bool kind = len > 1 && strcmp(wanted + len - 2, "/*") == 0;
        if (len > 0 && (kind ? strncmp(type, wanted, len - 1) != 0 : strcmp(type, wanted) != 0)) {
            continue;
        }
        if (filters_run_add_string(run, fetched, type) < 0) {
            return -1;
        }
        fetched->values[fetched->count - 1].index = (unsigned)i;
        fetched->values[fetched->count - 1].is_part = true;
    }
    return 0;
}

/* One value for each, however many names it has. */
static int each_attachment(struct filters_run *run, struct filters_fetched *fetched)
{
    for (size_t i = 0; i < run->view->attachment_count; i++) {
        const struct mail_view_attachment *attachment = &run->view->attachments[i];
        if (filters_run_add_string(run, fetched, attachment->name_count == 0 ? "" : attachment->names[0]) < 0) {
            return -1;
        }
        fetched->values[fetched->count - 1].index = (unsigned)i;
    }
    return 0;
}

static int attachments(struct filters_run *run, const struct filters_subject *subject, struct filters_fetched *fetched)
{
    int result = 0;
    int64_t count = 0;
    for (size_t i = 0; i < run->view->attachment_count && result == 0; i++) {
        const struct mail_view_attachment *attachment = &run->view->attachments[i];
        if (attachment->nested && subject->outer_only) {
            continue;
        }
        count++;
        result = subject->part == FILTERS_PART_COUNT
                     ? 0
                     : filters_run_add_attachment(run, subject->part, fetched, attachment);
    }
    return result == 0 && subject->part == FILTERS_PART_COUNT ? filters_run_add_number(run, fetched, count, NULL)
                                                              : result;
}

static int mime_errors(struct filters_run *run, struct filters_fetched *fetched)
{
    int result = 0;
    for (size_t i = 0; i < run->view->error_count && result == 0; i++) {
        result = filters_run_add_string(run, fetched, run->view->errors[i]);
    }
    return result;
}

static int parts(struct filters_run *run, const struct filters_subject *subject, struct filters_fetched *fetched)
{
    if (filters_run_look(run) < 0) {
        return -1;
    }
    switch (subject->kind) {
    case FILTERS_SUBJECT_BODY:
        return body_texts(run, subject, fetched);
    case FILTERS_SUBJECT_ATTACHMENT:
        return attachments(run, subject, fetched);
    case FILTERS_SUBJECT_ATTACHMENTS:
        return each_attachment(run, fetched);
    case FILTERS_SUBJECT_PARTS:
        return each_part(run, subject->headers[0], fetched);
    case FILTERS_SUBJECT_REPORT:
        return filters_run_report(run, fetched);
    case FILTERS_SUBJECT_MIME_ERROR:
        return mime_errors(run, fetched);
    default:
        return filters_run_add_string(run, fetched, run->view->limit);
    }
}

/* ---- which ---- */

static int connection(struct filters_run *run, const struct filters_subject *subject, struct filters_fetched *fetched)
{
    const struct mail_client *client = &run->message->envelope->client;
    switch (subject->kind) {
    case FILTERS_SUBJECT_CLIENT:
        return filters_run_add_string(run, fetched, client->address);
    case FILTERS_SUBJECT_HELO:
        return filters_run_add_string(run, fetched, client->helo);
    case FILTERS_SUBJECT_USER:
        return filters_run_add_string(run, fetched, client->user);
    case FILTERS_SUBJECT_LISTENER:
        return filters_run_add_string(run, fetched, client->listener);
    case FILTERS_SUBJECT_PROTOCOL:
        return filters_run_add_string(run, fetched, client->protocol);
    case FILTERS_SUBJECT_TLS:
        return filters_run_add_string(run, fetched, client->tls_version);
    default:
        return filters_run_add_string(run, fetched, client->tls_peer);
    }
}

static int addressees(struct filters_run *run, struct filters_fetched *fetched)
{
    const struct mail_envelope *envelope = run->message->envelope;
    int result = 0;
    for (size_t i = 0; i < envelope->to_count && result == 0; i++) {
        result = filters_run_add_address(run, fetched, bytes_of(envelope->to[i].address), FILTERS_PART_WHOLE);
    }
    return result;
}

static int fetch(struct filters_run *run, const struct filters_subject *subject, struct filters_fetched *fetched)
{
    const struct mail_envelope *envelope = run->message->envelope;
    switch (subject->kind) {
    case FILTERS_SUBJECT_FROM:
        return filters_run_add_address(run, fetched, bytes_of(envelope->from), subject->part);
    case FILTERS_SUBJECT_TO:
        return filters_run_add_address(run, fetched, bytes_of(envelope->to[run->recipient].address), subject->part);
    case FILTERS_SUBJECT_RECIPIENTS:
        return filters_run_add_number(run, fetched, (int64_t)envelope->to_count, NULL);
    case FILTERS_SUBJECT_ADDRESSEES:
        return addressees(run, fetched);
    case FILTERS_SUBJECT_SIZE:
        return filters_run_add_number(run, fetched, (int64_t)run->message->size, NULL);
    case FILTERS_SUBJECT_TIME:
    case FILTERS_SUBJECT_DATE:
    case FILTERS_SUBJECT_WEEKDAY:
        return time_value(run, subject, fetched);
    case FILTERS_SUBJECT_LIST_ID:
        return list_id(run, fetched);
    case FILTERS_SUBJECT_HEADER:
        return header_fields(run, subject, fetched);
    case FILTERS_SUBJECT_BODY:
    case FILTERS_SUBJECT_ATTACHMENT:
    case FILTERS_SUBJECT_MIME_LIMIT:
    case FILTERS_SUBJECT_MIME_ERROR:
    case FILTERS_SUBJECT_ATTACHMENTS:
    case FILTERS_SUBJECT_PARTS:
    case FILTERS_SUBJECT_REPORT:
        return parts(run, subject, fetched);
    case FILTERS_SUBJECT_AUTH:
        return filters_run_auth(run, subject->headers[0], fetched);
    case FILTERS_SUBJECT_COUNTER:
        return filters_count_values(run, subject, fetched);
    case FILTERS_SUBJECT_FORMULA:
        return filters_formula_values(run, subject->formula, fetched, NULL, NULL);
    default:
        return connection(run, subject, fetched);
    }
}

/* ---- names ---- */

int filters_run_init(struct filters_run *run)
{
    run->fetch = fetch;
    const struct filters_set *set = run->set;
    const struct filters_clock *clock = &run->message->clock;
    run->deadline_us = clock->now_us == NULL ? 0 : clock->now_us(clock->ctx) + clock->budget_us;
    run->fetched = arena_array(run->arena, set->subject_count, sizeof *run->fetched);
    run->variables = arena_array(run->arena, set->variable_count, sizeof *run->variables);
    run->never = arena_array(run->arena, set->rule_count, 1);
    bool complete = run->fetched != NULL && run->variables != NULL && run->never != NULL;
    return complete ? 0 : filters_run_full(run);
}

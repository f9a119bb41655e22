/*
 * filters_run - what one decision has in hand: its time and memory, and the lists of values that its tests look at; see
 * filters_run.h. Where the values come from is not known here: run->fetch, see filters_value.c.
 */
#include "filters/filters_run.h"

#include <string.h>

#include "base/expect.h"
#include "filters/filters_name.h"
#include "filters/filters_text.h"
#include "mail/mail_address.h"
#include "mail/mail_canonical.h"
#include "mail/mail_charset.h"
#include "mail/mail_header.h"
#include "mail/mail_words.h"

int filters_run_full(struct filters_run *run)
{
    fault_set(run->fault, FAULT_LOCAL, "rules-memory", "rules",
              "the rules need more memory for this message than a decision may use");
    return -1;
}

bool filters_run_has_time(struct filters_run *run)
{
    const struct filters_clock *clock = &run->message->clock;
    if (run->deadline_us != 0 && clock->now_us(clock->ctx) >= run->deadline_us) {
        return false;
    }
    run->work = 0;
    return true;
}

int filters_run_out_of_time(struct filters_run *run)
{
    fault_set(run->fault, FAULT_LOCAL, "time-limit", "rules", "the rules did not decide within %llu ms",
              (unsigned long long)run->message->clock.budget_us / 1000);
    return -1;
}

void filters_run_done(struct filters_run *run)
{
    arena_clear(run->arena);
    run->arena = NULL;
}

/* ---- adding values ---- */

/* The next value of the subject, or NULL with a fault. Room comes in doubling steps; the old array stays behind in the
 * arena. */
static struct filters_value *next_value(struct filters_run *run, struct filters_fetched *fetched)
{
    if (fetched->count == fetched->size) {
        size_t size = fetched->size == 0 ? 1 : fetched->size * 2;
        struct filters_value *values = arena_array(run->arena, size, sizeof *values);
        if (values == NULL) {
            disregard(filters_run_full(run));
            return NULL;
        }
        if (fetched->count > 0) {
            memcpy(values, fetched->values, fetched->count * sizeof *values);
        }
        fetched->values = values;
        fetched->size = size;
    }
    return &fetched->values[fetched->count++];
}

int filters_run_add_text(struct filters_run *run, struct filters_fetched *fetched, struct bytes text)
{
    if (fetched->count >= FILTERS_OCCURRENCES_MAX) {
        return 0;
    }
    struct filters_value *value = next_value(run, fetched);
    if (value == NULL) {
        return -1;
    }
    text = filters_text_cut(text, FILTERS_VALUE_MAX);
    struct buf valid, composed;
    buf_init(&valid, FILTERS_VALUE_MAX * 4);
    if (!bytes_is_ascii(text) && !bytes_is_utf8(text)) {
        mail_charset_guess(text, &valid);
        text = buf_bytes(&valid);
    }
    text = mail_canonical_text(text, &composed);
    char *copy = arena_copy(run->arena, text);
    value->text = bytes_at(copy == NULL ? "" : copy, text.len);
    buf_done(&valid);
    buf_done(&composed);
    return copy == NULL ? filters_run_full(run) : 0;
}

int filters_run_add_string(struct filters_run *run, struct filters_fetched *fetched, const char *text)
{
    return text == NULL ? 0 : filters_run_add_text(run, fetched, bytes_of(text));
}

/* A number with the text that templates show. */
int filters_run_add_number(struct filters_run *run, struct filters_fetched *fetched, int64_t number, const char *text)
{
    struct filters_value *value = next_value(run, fetched);
    char *copy = text == NULL ? arena_printf(run->arena, "%lld", (long long)number) : arena_text(run->arena, text);
    if (value == NULL || copy == NULL) {
        return filters_run_full(run);
    }
    value->number = number;
    value->text = bytes_of(copy);
    return 0;
}

/* Once more with the domain's A-labels as U-labels, or the other way round, behind what stands before it. Hardly any
 * domain has two forms. */
static int add_other_domain(struct filters_run *run, struct filters_fetched *fetched, struct bytes before,
                            struct bytes domain)
{
    struct buf other, text;
    int result = 0;
    buf_init(&other, FILTERS_VALUE_MAX);
    buf_init(&text, FILTERS_VALUE_MAX);
    if (mail_canonical_other_domain(domain, &other)) {
        buf_append_bytes(&text, before);
        buf_append_bytes(&text, buf_bytes(&other));
        result = filters_run_add_text(run, fetched, buf_bytes(&text));
    }
    buf_done(&other);
    buf_done(&text);
    return result;
}

/* What stands in front of the first "+", or behind it: of the local part without its quotes. No detail is no value. */
static int add_local_part(struct filters_run *run, struct filters_fetched *fetched, struct bytes local, bool detail)
{
    struct buf store;
    struct bytes plain = mail_canonical_unquote(local, &store);
    ptrdiff_t plus = bytes_find_octet(plain, '+');
    int result = 0;
    if (!detail) {
        result = filters_run_add_text(run, fetched, plus > 0 ? bytes_slice(plain, 0, (size_t)plus) : plain);
    } else if (plus > 0) {
        result = filters_run_add_text(run, fetched, bytes_from(plain, (size_t)plus + 1));
    }
    buf_done(&store);
    return result;
}

/* An address as it is compared: in quotes only where they are needed. Most are so already: nothing is built then. */
static int add_address(struct filters_run *run, struct filters_fetched *fetched, struct bytes address,
                       struct bytes local, struct bytes domain)
{
    struct buf store, text;
    struct bytes canonical = mail_canonical_local(local, &store);
    buf_init(&text, FILTERS_VALUE_MAX);
    if (canonical.ptr != local.ptr) {
        buf_append_bytes(&text, canonical);
        buf_append_bytes(&text, bytes_from(address, local.len));
        address = buf_bytes(&text);
    }
    int result = filters_run_add_text(run, fetched, address);
    if (result == 0) {
        result = add_other_domain(run, fetched, bytes_slice(address, 0, address.len - domain.len), domain);
    }
    buf_done(&store);
    buf_done(&text);
    return result;
}

/* The part of an address. A missing detail is no value; a missing domain neither. */
int filters_run_add_address(struct filters_run *run, struct filters_fetched *fetched, struct bytes address,
                            enum filters_part part)
{
    struct bytes local, domain;
    mail_canonical_cut(address, &local, &domain);
    switch (part) {
    case FILTERS_PART_USER:
    case FILTERS_PART_DETAIL:
        return add_local_part(run, fetched, local, part == FILTERS_PART_DETAIL);
    case FILTERS_PART_DOMAIN:
        if (domain.ptr == NULL) {
            return 0;
        }
        return filters_run_add_text(run, fetched, domain) < 0
                   ? -1
                   : add_other_domain(run, fetched, bytes_at(NULL, 0), domain);
    default:
        return add_address(run, fetched, address, local, domain);
    }
}

int filters_run_add_value(struct filters_run *run, struct filters_fetched *fetched, const struct filters_value *value)
{
    struct filters_value copy = *value; /* it may stand in the list that moves */
    struct filters_value *added = next_value(run, fetched);
    if (added == NULL) {
        return -1;
    }
    *added = copy;
    return 0;
}

/* In NFC: the text itself, which is in our arena, or a copy. -1 with a fault. */
int filters_run_composed(struct filters_run *run, struct bytes text, struct bytes *text_r)
{
    struct buf store;
    struct bytes found = mail_canonical_text(text, &store);
    const char *copy = found.ptr == text.ptr ? (const char *)text.ptr : arena_copy(run->arena, found);
    *text_r = bytes_at(copy, found.len);
    buf_done(&store);
    return copy == NULL && found.len > 0 ? filters_run_full(run) : 0;
}

/* A text of the view: already valid, in our arena. */
int filters_run_add_shown(struct filters_run *run, struct filters_fetched *fetched, struct bytes text)
{
    struct filters_value *value = next_value(run, fetched);
    return value == NULL ? -1 : filters_run_composed(run, text, &value->text);
}

int filters_run_add_attachment(struct filters_run *run, enum filters_part part, struct filters_fetched *fetched,
                               const struct mail_view_attachment *attachment)
{
    int result = 0;
    if (part == FILTERS_PART_SIZE) {
        return filters_run_add_number(run, fetched, (int64_t)attachment->size, NULL);
    }
    if (part == FILTERS_PART_TYPE) {
        result = filters_run_add_string(run, fetched, attachment->type);
        return result == 0 ? filters_run_add_string(run, fetched, attachment->other_type) : result;
    }
    for (size_t i = 0; i < attachment->name_count && result == 0; i++) {
        result = filters_run_add_string(run, fetched, attachment->names[i]);
    }
    return result < 0 || attachment->name_count > 0 ? result : filters_run_add_string(run, fetched, "");
}

int filters_run_add_attribute(struct filters_run *run, struct filters_fetched *fetched,
                              const struct filters_value *value, enum filters_part attribute)
{
    if (attribute == FILTERS_PART_USER || attribute == FILTERS_PART_DETAIL || attribute == FILTERS_PART_DOMAIN ||
        attribute == FILTERS_PART_ADDRESS) {
        return filters_run_add_address(run, fetched, value->text, attribute);
    }
    if (value->is_address) {
        return value->name.ptr == NULL ? 0 : filters_run_add_text(run, fetched, value->name);
    }
    if (value->is_part) {
        const struct mail_view_part *part = &run->view->parts[value->index];
        return attribute == FILTERS_PART_TYPE ? filters_run_add_string(run, fetched, part->type)
               : part->text.ptr == NULL       ? 0
                                              : filters_run_add_shown(run, fetched, part->text);
    }
    return filters_run_add_attachment(run, attribute, fetched, &run->view->attachments[value->index]);
}

/* ---- having them ---- */

int filters_run_fetch(struct filters_run *run, const struct filters_subject *subject,
                      const struct filters_fetched **fetched_r)
{
    struct filters_fetched *fetched = &run->fetched[subject->number];
    if (subject->is_volatile) {
        *fetched = (struct filters_fetched){.state = FILTERS_NOT_FETCHED};
    }
    if (fetched->state == FILTERS_NOT_FETCHED) {
        if (subject->extent > run->extent) {
            fetched->state = FILTERS_NOT_YET;
        } else if (run->fetch(run, subject, fetched) < 0) {
            return -1;
        } else {
            fetched->state = FILTERS_FETCHED;
        }
    }
    *fetched_r = fetched;
    return 0;
}

static int fold_once(struct filters_run *run, struct bytes text, struct bytes *folded_r)
{
    struct buf folded;
    if (filters_text_is_folded(text)) {
        *folded_r = text; /* as most addresses are: nothing is copied */
        return 0;
    }
    buf_init(&folded, text.len * 2 + 16);
    filters_text_fold(text, &folded);
    char *copy = arena_copy(run->arena, buf_bytes(&folded));
    if (copy != NULL) {
        *folded_r = bytes_at(copy, folded.len);
    }
    buf_done(&folded);
    return copy == NULL ? filters_run_full(run) : 0;
}

int filters_run_fold(struct filters_run *run, struct filters_value *value)
{
    if (value->folded.ptr != NULL) {
        return 0;
    }
    int result = fold_once(run, value->text, &value->folded);
    if (result == 0 && value->paragraphs.ptr != NULL) {
        result = fold_once(run, value->paragraphs, &value->paragraphs_folded);
    }
    return result;
}

void filters_run_next_recipient(struct filters_run *run, size_t recipient)
{
    run->recipient = recipient;
    for (size_t i = 0; i < run->set->subject_count; i++) {
        if (run->set->subjects[i]->per_recipient) {
            run->fetched[i] = (struct filters_fetched){.state = FILTERS_NOT_FETCHED};
        }
    }
    for (size_t i = 0; i < run->set->variable_count; i++) {
        run->variables[i] = bytes_at(NULL, 0);
    }
}

bool filters_name_group(const struct filters_run *run, const struct filters_reference *reference, struct bytes *text_r)
{
    for (size_t i = run->capture_count; i > 0; i--) { /* the newest match that has the group gives the value */
        const struct filters_capture *capture = &run->captures[i - 1];
        unsigned numbers[FILTERS_PATTERN_MAX_GROUPS] = {reference->number};
        unsigned count = 1;
        if (reference->kind == FILTERS_NAME_GROUP) {
            count = filters_pattern_named(capture->pattern, reference->name, numbers);
        }
        for (unsigned k = 0; k < count; k++) {
            const size_t *group = &capture->groups[2 * numbers[k]];
            if (numbers[k] <= filters_pattern_groups(capture->pattern) && group[0] != SIZE_MAX) {
                *text_r = bytes_slice(capture->text, group[0], group[1] - group[0]);
                return true;
            }
        }
    }
    return false;
}

int filters_run_look(struct filters_run *run)
{
    if (run->view != NULL) {
        return 0;
    }
    static const struct mail_view nothing = {.limit = NULL};
    run->view = &nothing;
    if (run->message->source == NULL) {
        return 0;
    }
    struct mail_view *view = arena_alloc(run->arena, sizeof *view);
    if (view == NULL) {
        return filters_run_full(run);
    }
    unsigned wanted =
        run->set->view_wanted | (run->trace != NULL ? MAIL_VIEW_TEXTS : 0); /* who explains tells of all */
    if (mail_view_read(run->message->source, wanted, run->arena, view, run->fault) < 0) {
        return -1;
    }
    run->view = view;
    return 0;
}

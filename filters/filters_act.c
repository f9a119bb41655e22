/*
 * filters_act - what rules do: deliveries, edits, refusals, variables. Equal deliveries of one message merge.
 */
#include <string.h>

#include "filters/filters_builder.h"
#include "filters/filters_formula.h"
#include "filters/filters_count.h"
#include "filters/filters_text.h"
#include "mail/mail_date.h"
#include "mail/mail_header.h"
#include "mail/mail_words.h"

static int full(struct filters_builder *builder)
{
    fault_set(builder->run.fault, FAULT_LOCAL, "rules-memory", "rules",
              "the decision needs more memory than a transaction may use");
    return -1;
}

/* Makes room for one more in an array of the result; the old one stays behind in the arena. NULL with a fault. */
static void *room_for_one(struct filters_builder *builder, const void *array, size_t count, size_t *size, size_t item)
{
    if (count < *size) {
        return (void *)(uintptr_t)array;
    }
    size_t wanted = *size == 0 ? 4 : *size * 2;
    void *larger = arena_array(builder->arena, wanted, item);
    if (larger == NULL) {
        disregard(full(builder));
        return NULL;
    }
    if (count > 0) {
        memcpy(larger, array, count * item);
    }
    *size = wanted;
    return larger;
}

/* ---- deliveries ---- */

static int add_recipient(struct filters_builder *builder, struct mail_delivery *delivery, const char *address)
{
    if (delivery->recipient_count > 0 && strcmp(delivery->recipients[delivery->recipient_count - 1], address) == 0) {
        return 0; /* two rules ask for the same; recipients come in order, so it can only be the last */
    }
    /* Room in powers of two: the array is full exactly when its length is one. */
    size_t count = delivery->recipient_count;
    if ((count & (count - 1)) == 0) {
        const char **recipients = arena_array(builder->arena, count == 0 ? 1 : count * 2, sizeof *recipients);
        if (recipients == NULL) {
            return full(builder);
        }
        if (count > 0) {
            memcpy(recipients, delivery->recipients, count * sizeof *recipients);
        }
        delivery->recipients = recipients;
    }
    ((const char **)(uintptr_t)delivery->recipients)[delivery->recipient_count++] = address;
    return 0;
}

/* Adds the delivery, or the recipient to an equal one. */
static int add_delivery(struct filters_builder *builder, const struct mail_delivery *wanted)
{
    struct filters_decision *decision = &builder->decision;
    const char *address = builder->run.message->envelope->to[builder->run.recipient].address;
    for (size_t i = 0; i < decision->delivery_count; i++) {
        if (mail_delivery_is_same_copy(&decision->deliveries[i], wanted)) {
            if (mail_delivery_way_count(&decision->deliveries[i]) == 0) {
                decision->deliveries[i].fallback = wanted->fallback;
                decision->deliveries[i].ways = wanted->ways;
                decision->deliveries[i].way_count = wanted->way_count;
            }
            return add_recipient(builder, &decision->deliveries[i], address);
        }
    }
    if (decision->delivery_count == FILTERS_DELIVERIES_MAX) {
        fault_set(builder->run.fault, FAULT_LOCAL, "too-many-deliveries", "rules",
                  "the rules ask for more than %u deliveries", FILTERS_DELIVERIES_MAX);
        return -1;
    }
    struct mail_delivery *deliveries = room_for_one(builder, decision->deliveries, decision->delivery_count,
                                                    &builder->delivery_size, sizeof *deliveries);
    if (deliveries == NULL) {
        return -1;
    }
    decision->deliveries = deliveries;
    deliveries[decision->delivery_count] = *wanted;
    deliveries[decision->delivery_count].number = (unsigned)decision->delivery_count + 1;
    return add_recipient(builder, &deliveries[decision->delivery_count++], address);
}

typedef void expand_fn(const struct filters_template *template, const struct filters_filler *filler, struct buf *out);

/* The template filled in, in the result's arena; NULL with a fault. target: whose folder it is; or NULL. */
static char *expanded(struct filters_builder *builder, expand_fn *expand, const struct filters_template *template,
                      size_t max, const struct filters_target *target)
{
    struct filters_filler filler = {.value = filters_formula_fill, .ctx = &builder->run};
    struct buf out;
    if (target != NULL) {
        filler.namings = target->namings;
        filler.naming_count = target->naming_count;
    }
    buf_init(&out, max);
    expand(template, &filler, &out);
    struct bytes text = filters_text_cut(buf_bytes(&out), max);
    char *copy = fault_is_set(builder->run.fault) ? NULL : arena_copy(builder->arena, text);
    buf_done(&out);
    if (copy == NULL) {
        disregard(full(builder));
    }
    return copy;
}

static bool has_flag(const char *const *flags, size_t count, const char *flag)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_is_nocase(bytes_of(flags[i]), flag)) {
            return true;
        }
    }
    return false;
}

/* A keyword whose values are all empty is none, and one that is there already is not said twice. */
static const char **expanded_flags(struct filters_builder *builder, const struct filters_target *target,
                                   size_t *count_r)
{
    const char **flags = arena_array(builder->arena, target->keyword_count, sizeof *flags);
    *count_r = 0;
    for (size_t i = 0; flags != NULL && i < target->keyword_count; i++) {
        const char *flag = expanded(builder, filters_template_keyword, target->keywords[i], FILTERS_KEYWORD_MAX, NULL);
        if (flag == NULL) {
            return NULL;
        }
        if (flag[0] != '\0' && !has_flag(flags, *count_r, flag)) {
            flags[(*count_r)++] = flag;
        }
    }
    if (flags == NULL) {
        disregard(full(builder));
    }
    return flags;
}

static int64_t header_date(const struct filters_builder *builder)
{
    struct mail_header_field field;
    int64_t ms = 0;
    if (mail_header_find(builder->run.message->header, "Date", &field) == 1) {
        disregard(mail_date_parse(bytes_trim(field.value), &ms));
    }
    return ms;
}

/* The folders are filled in now: what decides is gone when they are needed. */
static int add_ways(struct filters_builder *builder, const struct filters_target *target,
                    struct mail_delivery *delivery)
{
    struct mail_way *ways = arena_array(builder->arena, target->way_count, sizeof *ways);
    if (ways == NULL) {
        return full(builder);
    }
    for (size_t i = 0; i < target->way_count; i++) {
        const struct filters_way *way = &target->ways[i];
        ways[i] = (struct mail_way){.upstream = way->upstream,
                                    .refused = way->refused,
                                    .down = way->down,
                                    .down_ms = way->down_ms,
                                    .full = way->full,
                                    .full_ms = way->full_ms};
        if (way->folder != NULL) {
            ways[i].folder = expanded(builder, filters_template_folder, way->folder, FILTERS_FOLDER_MAX, target);
            if (ways[i].folder == NULL) {
                return -1;
            }
        }
    }
    delivery->ways = ways;
    delivery->way_count = target->way_count;
    return 0;
}

static int file_into(struct filters_builder *builder, const char *rule, const struct filters_target *target)
{
    struct mail_delivery delivery = {.upstream = target->upstream,
                                     .fallback = target->fallback,
                                     .rule = rule,
                                     .edits = builder->edits,
                                     .edit_count = builder->edit_count,
                                     .held = builder->held,
                                     .date_ms = target->date_from_header ? header_date(builder) : 0};
    delivery.folder = expanded(builder, filters_template_folder, target->folder, FILTERS_FOLDER_MAX, target);
    delivery.flags = expanded_flags(builder, target, &delivery.flag_count);
    if (delivery.folder == NULL || delivery.flags == NULL ||
        (target->way_count > 0 && add_ways(builder, target, &delivery) < 0)) {
        return -1;
    }
    return add_delivery(builder, &delivery);
}

static int file_into_all(struct filters_builder *builder, const char *rule, const struct filters_action *action)
{
    for (size_t i = 0; i < action->target_count; i++) {
        if (file_into(builder, rule, &action->targets[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- edits ---- */

static int add_edit(struct filters_builder *builder, enum mail_edit_kind kind, const char *field, const char *value)
{
    if (builder->edit_count == FILTERS_EDITS_MAX) {
        fault_set(builder->run.fault, FAULT_LOCAL, "too-many-edits", "rules",
                  "the rules edit more than %u header fields", FILTERS_EDITS_MAX);
        return -1;
    }
    /* Deliveries made before keep looking at the array's beginning, so what stands there never changes. */
    struct mail_edit *edits =
        room_for_one(builder, builder->edits, builder->edit_count, &builder->edit_size, sizeof *edits);
    if (edits == NULL) {
        return -1;
    }
    edits[builder->edit_count++] = (struct mail_edit){.kind = kind, .field = field, .value = value};
    builder->edits = edits;
    return 0;
}

/* The subject as it is after the edits so far, decoded. */
static void current_subject(struct filters_builder *builder, struct buf *out)
{
    for (size_t i = builder->edit_count; i > 0; i--) {
        const struct mail_edit *edit = &builder->edits[i - 1];
        if (bytes_is_nocase(bytes_of(edit->field), "Subject")) {
            buf_append_text(out, edit->value == NULL ? "" : edit->value);
            return;
        }
    }
    struct mail_header_field field;
    if (mail_header_find(builder->run.message->header, "Subject", &field) == 1) {
        struct buf line;
        buf_init(&line, FILTERS_VALUE_MAX);
        mail_header_unfold(bytes_slice(field.value, 0, FILTERS_VALUE_MAX), &line);
        mail_words_decode(buf_bytes(&line), out);
        buf_done(&line);
    }
}

static int tag_subject(struct filters_builder *builder, const struct filters_action *action)
{
    const char *tag = expanded(builder, filters_template_line, action->text, FILTERS_LINE_VALUE_MAX, NULL);
    if (tag == NULL) {
        return -1;
    }
    struct buf subject;
    buf_init(&subject, FILTERS_VALUE_MAX);
    current_subject(builder, &subject);
    int result = 0;
    if (bytes_find(buf_bytes(&subject), bytes_trim(bytes_of(tag))) < 0) { /* a reply carries it already */
        struct buf tagged;
        buf_init(&tagged, FILTERS_LINE_VALUE_MAX * 3);
        buf_append_text(&tagged, tag);
        struct bytes rest = filters_text_cut(buf_bytes(&subject), FILTERS_LINE_VALUE_MAX);
        while (rest.len > 0) {
            uint32_t character;
            rest = bytes_from(rest, filters_text_next(rest, &character));
            filters_text_append(&tagged, filters_text_is_control(character) ? ' ' : character);
        }
        char *value = arena_copy(builder->arena, buf_bytes(&tagged));
        result = value == NULL ? full(builder) : add_edit(builder, MAIL_EDIT_REPLACE, "Subject", value);
        buf_done(&tagged);
    }
    buf_done(&subject);
    return result;
}

static int edit_header(struct filters_builder *builder, const struct filters_action *action)
{
    if (action->kind == FILTERS_DELETEHEADER) {
        return add_edit(builder, MAIL_EDIT_DELETE, action->field, NULL);
    }
    const char *value = expanded(builder, filters_template_line, action->text, FILTERS_LINE_VALUE_MAX, NULL);
    if (value == NULL) {
        return -1;
    }
    return add_edit(builder, action->kind == FILTERS_ADDHEADER ? MAIL_EDIT_ADD : MAIL_EDIT_REPLACE, action->field,
                    value);
}

/* ---- refusals ---- */

/* A reply is ASCII; a refusal for good outweighs one for now, and among equals the first one is heard. */
static int refuse_message(struct filters_builder *builder, const char *rule, const struct filters_action *action)
{
    char *text = expanded(builder, filters_template_line, action->text, FILTERS_REPLY_MAX, NULL);
    if (text == NULL) {
        return -1;
    }
    for (char *c = text; *c != '\0'; c++) {
        *c = *c < ' ' || *c == 0x7f ? '?' : *c;
    }
    struct filters_decision *decision = &builder->decision;
    if (decision->reply_code == 0 || (decision->reply_code < 500 && action->code >= 500)) {
        decision->reply_code = action->code;
        decision->enhanced = action->enhanced;
        decision->reply_text = text;
        decision->rule = rule;
    }
    return 0;
}

static int set_variables(struct filters_builder *builder, const struct filters_action *action)
{
    for (size_t i = 0; i < action->assignment_count; i++) {
        const char *value =
            expanded(builder, filters_template_line, action->assignments[i].value, FILTERS_LINE_VALUE_MAX, NULL);
        if (value == NULL) {
            return -1;
        }
        builder->run.variables[action->assignments[i].variable] = bytes_of(value);
    }
    return 0;
}

/* ---- counters ---- */

/* Once for each message, however many recipients and rules say so. */
static int count_message(struct filters_builder *builder, const struct filters_action *action)
{
    struct filters_decision *decision = &builder->decision;
    const char *key = action->text == NULL
                          ? ""
                          : expanded(builder, filters_template_line, action->text, FILTERS_COUNTER_KEY_MAX, NULL);
    if (key == NULL) {
        return -1;
    }
    bool known = action->text != NULL && key[0] == '\0';
    for (size_t i = 0; i < decision->counted_count && !known; i++) {
        known =
            strcmp(decision->counted[i].counter, action->counter) == 0 && strcmp(decision->counted[i].key, key) == 0;
    }
    if (known || builder->run.extent == FILTERS_EXTENT_ENVELOPE) {
        return 0;
    }
    if (decision->counted_count == FILTERS_COUNTED_MAX) {
        fault_set(builder->run.fault, FAULT_LOCAL, "too-many-counts", "rules",
                  "the rules count a message in more than %u counters", FILTERS_COUNTED_MAX);
        return -1;
    }
    struct mail_counted *counted =
        room_for_one(builder, decision->counted, decision->counted_count, &builder->counted_size, sizeof *counted);
    if (counted == NULL) {
        return -1;
    }
    counted[decision->counted_count++] = (struct mail_counted){.counter = action->counter, .key = key};
    decision->counted = counted;
    return 0;
}

/* ---- all ---- */

/* What files or edits waits for the whole message. */
static int act_on_message(struct filters_builder *builder, const char *rule, const struct filters_action *action)
{
    if (builder->run.extent == FILTERS_EXTENT_ENVELOPE) {
        builder->taken = builder->taken || action->kind == FILTERS_FILEINTO;
        return 0;
    }
    switch (action->kind) {
    case FILTERS_FILEINTO:
        builder->taken = true;
        return file_into_all(builder, rule, action);
    case FILTERS_COPY:
        return file_into_all(builder, rule, action);
    case FILTERS_TAG_SUBJECT:
        return tag_subject(builder, action);
    default:
        return edit_header(builder, action);
    }
}

static enum filters_flow act_one(struct filters_builder *builder, const char *rule, const struct filters_action *action,
                                 unsigned *group_r)
{
    switch (action->kind) {
    case FILTERS_STOP:
        return FILTERS_ENDED;
    case FILTERS_DISCARD:
        builder->taken = true;
        return FILTERS_ENDED;
    case FILTERS_REJECT:
    case FILTERS_DEFER:
        builder->taken = true;
        return refuse_message(builder, rule, action) < 0 ? FILTERS_BROKEN : FILTERS_ENDED;
    case FILTERS_GOTO:
        *group_r = action->group;
        return FILTERS_GOTO_GROUP;
    case FILTERS_HOLD:
        builder->held = true;
        return FILTERS_GO_ON;
    case FILTERS_COUNT_MESSAGE:
        return count_message(builder, action) < 0 ? FILTERS_BROKEN : FILTERS_GO_ON;
    case FILTERS_SET:
        return set_variables(builder, action) < 0 ? FILTERS_BROKEN : FILTERS_GO_ON;
    default:
        return act_on_message(builder, rule, action) < 0 ? FILTERS_BROKEN : FILTERS_GO_ON;
    }
}

enum filters_flow filters_act(struct filters_builder *builder, const char *rule, const struct filters_action *actions,
                              size_t count, unsigned *group_r)
{
    for (size_t i = 0; i < count; i++) {
        enum filters_flow flow = act_one(builder, rule, &actions[i], group_r);
        if (flow != FILTERS_GO_ON) {
            return flow;
        }
    }
    return FILTERS_GO_ON;
}

void filters_builder_next(struct filters_builder *builder, size_t recipient)
{
    filters_run_next_recipient(&builder->run, recipient);
    builder->taken = false;
    builder->held = false;
    builder->edits = NULL;
    builder->edit_count = builder->edit_size = 0;
}

int filters_builder_share(struct filters_builder *builder)
{
    const struct mail_envelope *envelope = builder->run.message->envelope;
    const char **addresses = arena_array(builder->arena, envelope->to_count, sizeof *addresses);
    if (addresses == NULL) {
        return full(builder);
    }
    for (size_t i = 0; i < envelope->to_count; i++) {
        addresses[i] = envelope->to[i].address;
    }
    for (size_t i = 0; i < builder->decision.delivery_count; i++) {
        builder->decision.deliveries[i].recipients = addresses;
        builder->decision.deliveries[i].recipient_count = envelope->to_count;
    }
    return 0;
}

/* Adds the name unless it is there. -1 with a fault. */
static int note_name(struct filters_builder *builder, const char *const **names, size_t *count, size_t *size,
                     const char *name)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp((*names)[i], name) == 0) {
            return 0;
        }
    }
    const char **room = room_for_one(builder, *names, *count, size, sizeof *room);
    if (room == NULL) {
        return -1;
    }
    room[(*count)++] = name;
    *names = room;
    return 0;
}

int filters_builder_note_rule(struct filters_builder *builder, const char *name)
{
    struct filters_decision *decision = &builder->decision;
    return note_name(builder, &decision->rules, &decision->rule_count, &builder->rule_size, name);
}

int filters_builder_note_watched(struct filters_builder *builder, const char *name)
{
    struct filters_decision *decision = &builder->decision;
    return note_name(builder, &decision->watched, &decision->watched_count, &builder->watched_size, name);
}

int filters_builder_default(struct filters_builder *builder)
{
    const struct filters_default *fallback = &builder->run.set->fallback;
    struct filters_decision *decision = &builder->decision;
    if (fallback->upstream == NULL) {
        if (decision->reply_code < 500) {
            decision->reply_code = 550;
            decision->enhanced = "5.7.1";
            decision->reply_text = "no rule takes this message";
            decision->rule = NULL;
        }
        return 0;
    }
    if (builder->run.extent == FILTERS_EXTENT_ENVELOPE) {
        return 0;
    }
    return add_delivery(builder, &(struct mail_delivery){.upstream = fallback->upstream,
                                                         .fallback = fallback->fallback,
                                                         .folder = fallback->folder,
                                                         .flags = fallback->flags,
                                                         .flag_count = fallback->flag_count,
                                                         .edits = builder->edits,
                                                         .edit_count = builder->edit_count,
                                                         .held = builder->held,
                                                         .rule = "default"});
}

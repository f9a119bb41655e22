/*
 * spool_query - the rows of the store as JSON; see spool_query.h.
 */
#include "spool/spool_query.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"

/* ---- selections as JSON ---- */

enum choice_kind { CHOICE_TEXT, CHOICE_TIME, CHOICE_TRUTH };

/* The kind is that of the member's type; another type does not compile. */
#define KIND_OF(member)                                                                                                \
    _Generic(((struct store_select *)0)->member, const char * : CHOICE_TEXT, int64_t : CHOICE_TIME, bool : CHOICE_TRUTH)
#define CHOICE(name, member)                                                                                           \
    {                                                                                                                  \
        name, offsetof(struct store_select, member), KIND_OF(member)                                                   \
    }
static const struct choice {
    const char *name;
    size_t offset;
    enum choice_kind kind;
} choices[] = {
    CHOICE("id", id),
    CHOICE("message_id", message_id),
    CHOICE("state", state),
    CHOICE("upstream", upstream),
    CHOICE("folder", folder),
    CHOICE("from", sender),
    CHOICE("rule", rule),
    CHOICE("to", to),
    CHOICE("subject", subject),
    CHOICE("since_ms", since_ms),
    CHOICE("before_ms", before_ms),
    CHOICE("tried", tried),
};
#define CHOICES (sizeof choices / sizeof choices[0])

void spool_select_names(struct buf *out)
{
    buf_append_choices(out, &choices[0].name, sizeof choices[0], CHOICES);
}

static json_t *json_of_choice(const struct store_select *select, const struct choice *choice)
{
    const void *from = (const char *)select + choice->offset;
    switch (choice->kind) {
    case CHOICE_TEXT: {
        const char *text = *(const char *const *)from;
        return text == NULL ? NULL : json_string(text);
    }
    case CHOICE_TIME: {
        int64_t time_ms = *(const int64_t *)from;
        return time_ms == 0 ? NULL : json_integer(time_ms);
    }
    case CHOICE_TRUTH:
        return *(const bool *)from ? json_true() : NULL;
    }
    return NULL;
}

json_t *spool_select_to_json(const struct store_select *select)
{
    json_t *object = json_object();
    for (size_t i = 0; i < CHOICES; i++) {
        json_object_set_new(object, choices[i].name, json_of_choice(select, &choices[i])); /* NULL: not set */
    }
    return object;
}

/* Whether the value has the member's type. */
static bool set_typed(struct store_select *select, const struct choice *choice, const json_t *value)
{
    void *into = (char *)select + choice->offset;
    switch (choice->kind) {
    case CHOICE_TEXT:
        *(const char **)into = json_string_value(value);
        return json_is_string(value);
    case CHOICE_TIME:
        *(int64_t *)into = json_integer_value(value);
        return json_is_integer(value);
    case CHOICE_TRUTH:
        *(bool *)into = json_is_true(value);
        return json_is_boolean(value);
    }
    return false;
}

static int set_member(struct store_select *select, const char *name, const json_t *value)
{
    for (size_t i = 0; i < CHOICES; i++) {
        if (strcmp(choices[i].name, name) == 0) {
            return set_typed(select, &choices[i], value) ? 0 : -1;
        }
    }
    return -1;
}

int spool_select_from_json(const json_t *object, struct store_select *select_r, struct fault *fault)
{
    struct store_select select = {0};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (set_member(&select, name, value) != 0) {
            fault_set(fault, FAULT_PERM, "usage", "select",
                      "deliveries cannot be chosen by \"%s\", or its value has the wrong type", name);
            return -1;
        }
    }
    if (select.state != NULL && store_state_of(select.state) < 0) {
        fault_set(fault, FAULT_PERM, "usage", "select", "\"%s\" is no state: " STORE_STATE_WORDS, select.state);
        return -1;
    }
    *select_r = select;
    return 0;
}

/* ---- rows as JSON ---- */

static json_t *json_text(const char *text)
{
    json_t *value = json_string(text);
    return value != NULL ? value : json_string_nocheck("?");
}

/* Octets that hold JSON; an empty object when they are damaged. */
static json_t *json_of(struct bytes text)
{
    json_t *value = json_loadb((const char *)text.ptr, text.len, 0, NULL);
    return value != NULL ? value : json_object();
}

static void set_number(json_t *object, const char *name, int64_t number)
{
    json_object_set_new(object, name, json_integer(number));
}

static void set_text(json_t *object, const char *name, const char *text)
{
    json_object_set_new(object, name, json_text(text));
}

static json_t *addresses(const json_t *envelope)
{
    json_t *list = json_array(), *recipient;
    size_t i;
    json_array_foreach(json_object_get(envelope, "to"), i, recipient)
    {
        json_array_append(list, json_object_get(recipient, "address"));
    }
    return list;
}

static json_t *delivery_object(const struct store_delivery_row *row, const char *message)
{
    json_t *object = json_object();
    json_object_set_new(object, "id", json_sprintf("%s.%u", message, row->key.number));
    set_number(object, "number", row->key.number);
    set_text(object, "state", store_state_name(row->state));
    set_text(object, "upstream", row->upstream);
    set_text(object, "folder", row->folder);
    set_text(object, "rule", row->rule);
    set_number(object, "due_ms", row->due_ms);
    set_number(object, "attempts", row->attempts);
    json_object_set_new(object, "uncertain", json_boolean(row->uncertain));
    if (row->uncertain && row->doubt[0] != '\0') {
        set_text(object, "doubt", row->doubt);
    }
    set_number(object, "changed_ms", row->changed_ms);
    if (row->state == STORE_STATE_FILED) {
        set_number(object, "uidvalidity", row->uidvalidity);
        set_number(object, "uid", row->uid);
    }
    return object;
}

static json_t *attempt_object(const struct store_attempt_row *row)
{
    json_t *object = json_object();
    set_number(object, "attempt", row->attempt);
    set_number(object, "at_ms", row->at_ms);
    set_text(object, "class", row->class);
    set_text(object, "code", row->code);
    set_text(object, "during", row->during);
    set_text(object, "text", row->text);
    return object;
}

static json_t *note_object(const struct store_note_row *row)
{
    json_t *object = json_object();
    set_number(object, "at_ms", row->at_ms);
    set_text(object, "text", row->text);
    return object;
}

/* ---- the list ---- */

struct listing {
    spool_query_fn *fn;
    void *ctx;
};

static int list_row(void *ctx, const struct store_answer_row *row)
{
    const struct listing *listing = ctx;
    const struct store_delivery_row *delivery = &row->delivery;
    const struct store_message_row *message = delivery->of;
    json_t *object = delivery_object(delivery, message->id), *envelope = json_of(message->envelope);
    set_text(object, "message", message->id);
    set_text(object, "from", message->sender);
    json_object_set_new(object, "to", addresses(envelope));
    json_object_set(object, "subject", json_object_get(envelope, "subject"));
    set_number(object, "received_ms", message->received_ms);
    set_number(object, "size", (int64_t)message->place.body_len);
    set_number(object, "seq", (int64_t)message->message);
    if (delivery->last != NULL) {
        json_object_set_new(object, "error", attempt_object(delivery->last));
    }
    int stop = listing->fn(listing->ctx, object);
    json_decref(object);
    json_decref(envelope);
    return stop;
}

int spool_query_list(struct store *store, const struct store_select *select, uint64_t limit, spool_query_fn *fn,
                     void *ctx, struct fault *fault)
{
    struct listing listing = {fn, ctx};
    const struct store_question question = {.kind = STORE_ASK_LIST, .select = select, .limit = limit};
    return store->ops->ask(store, &question, list_row, &listing, fault);
}

/* ---- the summary ---- */

static int summary_row(void *ctx, const struct store_answer_row *row)
{
    json_t *summary = ctx;
    if (row->kind == STORE_ROW_PAUSE) {
        const struct store_pause_row *pause = &row->pause;
        json_array_append_new(json_object_get(summary, "paused"), json_text(pause->upstream));
        json_array_append_new(json_object_get(summary, "pauses"),
                              json_pack("{s:o, s:I, s:o}", "upstream", json_text(pause->upstream), "since_ms",
                                        (json_int_t)pause->since_ms, "by", json_text(pause->by)));
        return 0;
    }
    const struct store_tally_row *tally = &row->tally;
    const uint64_t counts[] = {tally->waiting, tally->held, tally->dead};
    json_t *object = json_object();
    for (unsigned state = 0; state < sizeof counts / sizeof counts[0]; state++) {
        if (counts[state] > 0) {
            set_number(object, store_state_name((enum store_state)state), (int64_t)counts[state]);
        }
    }
    if (tally->oldest_ms > 0) {
        set_number(object, "oldest_ms", tally->oldest_ms);
    }
    json_object_set_new(json_object_get(summary, "upstreams"), tally->upstream, object);
    return 0;
}

int spool_query_summary(struct store *store, json_t **summary_r, struct fault *fault)
{
    json_t *summary = json_pack("{s:{}, s:[], s:[]}", "upstreams", "paused", "pauses");
    const struct store_question question = {.kind = STORE_ASK_SUMMARY};
    if (store->ops->ask(store, &question, summary_row, summary, fault) != 0) {
        json_decref(summary);
        return -1;
    }
    *summary_r = summary;
    return 0;
}

/* ---- the story of a message ---- */

static json_t *message_object(const struct store_message_row *row)
{
    json_t *object = json_object();
    set_text(object, "id", row->id);
    set_number(object, "received_ms", row->received_ms);
    set_number(object, "size", (int64_t)row->place.body_len);
    set_number(object, "open", row->open);
    if (row->open > 0) {
        set_number(object, "segment", (int64_t)row->place.segment);
        set_number(object, "offset", (int64_t)row->place.start);
    } else {
        set_number(object, "settled_ms", row->settled_ms);
    }
    json_object_set_new(object, "envelope", json_of(row->envelope));
    json_object_set_new(object, "deliveries", json_array());
    return object;
}

static json_t *story_delivery(const struct store_delivery_row *row, const char *message)
{
    static const char *const members[] = {"fallback", "ways", "instead_of", "because", "flags", "recipients", "edits"};
    json_t *object = delivery_object(row, message), *detail = json_of(row->detail);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_object_set(object, members[i], json_object_get(detail, members[i]));
    }
    json_object_set_new(object, "history", json_array());
    json_object_set_new(object, "notes", json_array());
    json_decref(detail);
    return object;
}

/* Attempts and notes come behind their delivery. */
static int story_row(void *ctx, const struct store_answer_row *row)
{
    json_t **story = ctx, *deliveries = json_object_get(*story, "deliveries");
    json_t *last = json_array_get(deliveries, json_array_size(deliveries) - 1);
    if (row->kind == STORE_ROW_MESSAGE) {
        *story = message_object(&row->message);
    } else if (row->kind == STORE_ROW_DELIVERY) {
        json_array_append_new(deliveries,
                              story_delivery(&row->delivery, json_string_value(json_object_get(*story, "id"))));
    } else if (row->kind == STORE_ROW_ATTEMPT) {
        json_array_append_new(json_object_get(last, "history"), attempt_object(&row->attempt));
    } else {
        json_array_append_new(json_object_get(last, "notes"), note_object(&row->note));
    }
    return 0;
}

/* What waits for an upstream that an operator has paused waits for him, whatever its times say; and for the end of a
 * pause of all before that of its own (as spool_pause_of() has it). */
static int pause_row(void *ctx, const struct store_answer_row *row)
{
    size_t i;
    json_t *delivery;
    const struct store_pause_row *pause = &row->pause;
    json_array_foreach(json_object_get(ctx, "deliveries"), i, delivery)
    {
        const char *upstream = json_string_value(json_object_get(delivery, "upstream"));
        const char *state = json_string_value(json_object_get(delivery, "state"));
        bool all = pause->upstream[0] == '\0';
        bool is_meant = all || (strcmp(pause->upstream, upstream) == 0 && json_object_get(delivery, "paused") == NULL);
        if (is_meant && strcmp(state, store_state_name(STORE_STATE_WAITING)) == 0) {
            json_object_set_new(delivery, "paused",
                                json_pack("{s:I, s:o, s:b}", "since_ms", (json_int_t)pause->since_ms, "by",
                                          json_text(pause->by), "all", all));
        }
    }
    return 0;
}

int spool_query_story(struct store *store, uint64_t message, json_t **story_r, struct fault *fault)
{
    json_t *story = NULL;
    const struct store_question question = {.kind = STORE_ASK_STORY, .message = message},
                                pauses = {.kind = STORE_ASK_PAUSES};
    if (store->ops->ask(store, &question, story_row, &story, fault) != 0 ||
        (story != NULL && store->ops->ask(store, &pauses, pause_row, story, fault) != 0)) {
        json_decref(story);
        return -1;
    }
    *story_r = story;
    return 0;
}

/* ---- searching ---- */

static json_t *hit_object(const struct store_message_row *row)
{
    static const char *const members[] = {"from", "subject", "header_from", "header_to", "message_id"};
    json_t *object = json_object(), *envelope = json_of(row->envelope);
    set_text(object, "id", row->id);
    set_number(object, "seq", (int64_t)row->message);
    set_number(object, "received_ms", row->received_ms);
    set_number(object, "size", (int64_t)row->place.body_len);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_object_set(object, members[i], json_object_get(envelope, members[i]));
    }
    json_object_set_new(object, "to", addresses(envelope));
    json_object_set(object, "client", json_object_get(json_object_get(envelope, "client"), "address"));
    json_object_set(object, "listener", json_object_get(json_object_get(envelope, "client"), "listener"));
    json_object_set_new(object, "deliveries", json_array());
    json_decref(envelope);
    return object;
}

/* Deliveries come behind their message. */
static int search_row(void *ctx, const struct store_answer_row *row)
{
    json_t *hits = ctx, *last = json_array_get(hits, json_array_size(hits) - 1);
    if (row->kind == STORE_ROW_MESSAGE) {
        json_array_append_new(hits, hit_object(&row->message));
    } else {
        json_array_append_new(json_object_get(last, "deliveries"),
                              delivery_object(&row->delivery, json_string_value(json_object_get(last, "id"))));
    }
    return 0;
}

int spool_query_search(struct store *store, struct store_search *search, json_t **hits_r, struct fault *fault)
{
    json_t *hits = json_array();
    const struct store_question question = {.kind = STORE_ASK_SEARCH, .search = search};
    if (store->ops->ask(store, &question, search_row, hits, fault) != 0) {
        json_decref(hits);
        return -1;
    }
    *hits_r = hits;
    return 0;
}

/* ---- what is needed to take it in elsewhere ---- */

static int facts_row(void *ctx, const struct store_answer_row *row)
{
    json_t **facts = ctx;
    char sum[17];
    if (row->kind == STORE_ROW_MESSAGE) {
        snprintf(sum, sizeof sum, "%016" PRIx64, row->message.place.body_sum);
        *facts = json_pack("{s:o, s:[], s:I, s:s}", "envelope", json_of(row->message.envelope), "deliveries", "size",
                           (json_int_t)row->message.place.body_len, "sum", sum);
    } else if (row->kind == STORE_ROW_DELIVERY && !store_state_is_settled(row->delivery.state)) {
        json_t *detail = json_of(row->delivery.detail);
        json_object_del(detail, "held");
        if (row->delivery.state == STORE_STATE_HELD) {
            json_object_set_new(detail, "held", json_true());
        } else if (row->delivery.state == STORE_STATE_DEAD) {
            json_object_set_new(detail, "dead", json_true());
        }
        json_object_del(detail, "doubt");
        if ((row->delivery.uncertain || row->delivery.handed) && row->delivery.doubt[0] != '\0') {
            set_text(detail, "doubt", row->delivery.doubt);
        }
        json_array_append_new(json_object_get(*facts, "deliveries"), detail);
    }
    return 0;
}

int spool_query_facts(struct store *store, uint64_t message, json_t **facts_r, struct fault *fault)
{
    json_t *facts = NULL;
    const struct store_question question = {.kind = STORE_ASK_STORY, .message = message};
    if (store->ops->ask(store, &question, facts_row, &facts, fault) != 0) {
        json_decref(facts);
        return -1;
    }
    *facts_r = facts;
    return 0;
}

/* ---- finding ---- */

struct found {
    uint64_t *messages;
    size_t count, limit;
};

static int found_row(void *ctx, const struct store_answer_row *row)
{
    struct found *found = ctx;
    found->messages[found->count++] = row->found;
    return found->count == found->limit;
}

static int find_messages(struct store *store, const struct store_question *question, uint64_t *messages,
                         size_t *count_r, struct fault *fault)
{
    struct found found = {.messages = messages, .limit = question->limit};
    if (store->ops->ask(store, question, found_row, &found, fault) != 0) {
        return -1;
    }
    *count_r = found.count;
    return 0;
}

int spool_query_find(struct store *store, const char *what, uint64_t *messages, size_t limit, size_t *count_r,
                     struct fault *fault)
{
    const struct store_question question = {.kind = STORE_ASK_FIND, .what = what, .limit = limit};
    return find_messages(store, &question, messages, count_r, fault);
}

int spool_query_find_uid(struct store *store, const char *upstream, const char *folder, uint32_t uid,
                         uint64_t *messages, size_t limit, size_t *count_r, struct fault *fault)
{
    const struct store_question question = {
        .kind = STORE_ASK_FILED, .upstream = upstream, .folder = folder, .uid = uid, .limit = limit};
    return find_messages(store, &question, messages, count_r, fault);
}

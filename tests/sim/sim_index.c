/*
 * sim_index - see sim_index.h. The store is opened for each question, as another process would.
 */
#include "sim_index.h"

#include <stdio.h>
#include <string.h>

#include "sim_faults.h"
#include "sim_mail.h"
#include "spool/spool_export.h"
#include "sim_store.h"
#include "spool/spool_query.h"

#define SPOOL     "/spool"
#define FOUND_MAX 8

static struct store *open_index(void)
{
    struct store *store = NULL;
    struct fault fault = FAULT_INIT;
    sim_faults_set_calm(true);
    if (spool_export_open(&store, sim_store(), SPOOL, &fault) != 0) {
        sim_say("the store cannot be asked: %s", fault.text);
        sim_faults_set_calm(false);
        return NULL;
    }
    return store;
}

static void close_index(struct store **store)
{
    spool_export_close(store);
    sim_faults_set_calm(false);
}

/* ---- lists ---- */

struct each {
    void (*fn)(void *ctx, const char *id);
    void *ctx;
};

static int on_row(void *ctx, const json_t *object)
{
    struct each *each = ctx;
    each->fn(each->ctx, json_string_value(json_object_get(object, "id")));
    return 0;
}

bool sim_index_each(const char *state, void (*fn)(void *ctx, const char *id), void *ctx)
{
    const struct store_select select = {.state = state};
    struct each each = {fn, ctx};
    struct fault fault = FAULT_INIT;
    struct store *store = open_index();
    if (store == NULL) {
        return false;
    }
    bool is_good = spool_query_list(store, &select, 0, on_row, &each, &fault) == 0;
    close_index(&store);
    return is_good;
}

/* ---- stories ---- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static uint64_t number_of(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static int place_of(const json_t *delivery)
{
    for (unsigned server = 0; server < 2; server++) {
        if (strcmp(sim_upstreams[server], text_of(delivery, "upstream")) == 0) {
            return sim_place_of(server, text_of(delivery, "folder"));
        }
    }
    return -1;
}

static void check_uid(struct store *store, uint64_t message, const json_t *delivery, const struct sim_filing *filing)
{
    const char *id = text_of(delivery, "id");
    uint64_t uid = number_of(delivery, "uid"), validity = number_of(delivery, "uidvalidity");
    uint64_t found[FOUND_MAX];
    size_t count = 0;
    bool matches = false, is_found = false;
    for (unsigned i = 0; i < filing->uids; i++) {
        matches = matches || (filing->uid[i] == uid && filing->validity[i] == validity);
    }
    /* Without UIDPLUS nobody tells it; and a crash or a lost answer may leave it untold. */
    bool is_told = filing->has_uidplus && number_of(delivery, "attempts") == 1 && sim_is_undisturbed() &&
                   filing->count == 1 && filing->lost == 0;
    if (!matches && (uid != 0 || is_told)) {
        sim_fail("the story of delivery %s has UID %llu (validity %llu), its server %u (%u)", id,
                 (unsigned long long)uid, (unsigned long long)validity, filing->uid[0], filing->validity[0]);
    }
    if (uid == 0 || spool_query_find_uid(store, text_of(delivery, "upstream"), text_of(delivery, "folder"),
                                         (uint32_t)uid, found, FOUND_MAX, &count, NULL) != 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        is_found = is_found || found[i] == message;
    }
    if (!is_found) {
        sim_fail("delivery %s is not found by its UID %llu", id, (unsigned long long)uid);
    }
}

/* Refusals that the story tells: answers of the server to an APPEND. */
static unsigned count_refusals(const json_t *delivery)
{
    unsigned refusals = 0;
    json_t *attempt;
    size_t i;
    json_array_foreach(json_object_get(delivery, "history"), i, attempt)
    {
        const char *text = text_of(attempt, "text");
        if (strstr(text, "said: ") != NULL || strstr(text, "this one was not sent") != NULL) {
            continue; /* what the server said to something else: a look, a login, another message */
        }
        refusals += strstr(text, "mailbox is locked") != NULL || strstr(text, "quota exceeded") != NULL ||
                    strstr(text, "no more messages fit") != NULL || strstr(text, "message too large") != NULL ||
                    strstr(text, "internal error") != NULL;
    }
    return refusals;
}

/* Whether it was set aside because connections ended whenever it was sent alone. */
static bool is_killer(const json_t *delivery)
{
    const json_t *history = json_object_get(delivery, "history");
    return strcmp(text_of(json_array_get(history, json_array_size(history) - 1), "code"), "kills") == 0;
}

/* Whether it ended because another delivery of the message goes to its fallback. */
static bool went_elsewhere(const json_t *story, const json_t *delivery)
{
    json_t *other;
    size_t i;
    int place = place_of(delivery);
    json_array_foreach(json_object_get(story, "deliveries"), i, other)
    {
        bool is_same = strcmp(text_of(other, "upstream"), text_of(delivery, "upstream")) == 0;
        if (!is_same && place_of(other) == place && place >= 0 && sim_setup_has_fallback((enum sim_place)place)) {
            return true;
        }
    }
    return false;
}

static void check_outcome(struct store *store, uint64_t message, const struct sim_try *try, const json_t *story,
                          const json_t *delivery, const struct sim_filing *filing, bool at_end)
{
    const char *id = text_of(delivery, "id"), *state = text_of(delivery, "state");
    bool is_uncertain = json_is_true(json_object_get(delivery, "uncertain"));
    bool is_filed = filing->count > 0 && strcmp(filing->delivery, id) == 0;
    if (strcmp(state, "filed") == 0) {
        if (!is_filed) {
            sim_fail("the story says that delivery %s was filed, and no server has it", id);
        }
        if (strcmp(text_of(delivery, "upstream"), sim_upstreams[filing->server]) != 0) {
            sim_fail("the story says that delivery %s was filed at %s, and the other server has it", id,
                     text_of(delivery, "upstream"));
        }
        check_uid(store, message, delivery, filing);
    } else if (strcmp(state, "dropped") == 0) {
        if (!try->may_be_dropped && !try->at_once) {
            sim_fail("delivery %s was dropped, and nobody asked for it", id);
        }
    } else if (strcmp(state, "moved") == 0) {
        if (!try->rerouted && !went_elsewhere(story, delivery)) {
            sim_fail("delivery %s was moved, and no other has taken its place", id);
        }
    } else if (strcmp(state, "dead") == 0) {
        bool is_broken = (is_killer(delivery) && filing->cuts > 0) || try->number == sim_mail_killer();
        if (!filing->refused_for_good && !is_broken && !sim_setup_gives_up()) {
            sim_fail("delivery %s is a dead letter, and no server refused it for good", id);
        }
    } else if (at_end) {
        sim_fail("delivery %s is %s at the end", id, state);
    }
    if (at_end && is_filed && strcmp(state, "filed") != 0 && !is_uncertain) {
        sim_fail("delivery %s is filed, and its story says for certain that it is %s", id, state);
    }
}

static void check_delivery(struct store *store, uint64_t message, const struct sim_try *try, const json_t *story,
                           const json_t *delivery, unsigned *places, bool at_end)
{
    const char *id = text_of(delivery, "id");
    int place = place_of(delivery);
    if (place < 0) {
        sim_fail("the story of delivery %s names a folder that no rule names: %s", id, text_of(delivery, "folder"));
    }
    *places |= 1u << place;
    bool is_filed = strcmp(text_of(delivery, "state"), "filed") == 0;
    size_t history = json_array_size(json_object_get(delivery, "history"));
    if (number_of(delivery, "attempts") != history + (is_filed ? 1 : 0)) {
        sim_fail("the story of delivery %s counts %llu attempts and tells of %zu", id,
                 (unsigned long long)number_of(delivery, "attempts"), history + (is_filed ? 1 : 0));
    }
    const struct sim_filing *filing = &try->filings[place];
    if (count_refusals(delivery) > filing->refusals) {
        sim_fail("the story of delivery %s tells of %u refusals, its server of %u", id, count_refusals(delivery),
                 filing->refusals);
    }
    check_outcome(store, message, try, story, delivery, filing, at_end);
}

static void check_places(const struct sim_try *try, unsigned places)
{
    bool is_right = false;
    places &= ~(try->rerouted ? 1u << SIM_PLACE_REROUTED : 0);
    for (unsigned version = 0; version < 2; version++) {
        is_right = is_right || ((try->versions >> version & 1) != 0 &&
                                places == sim_setup_places(try->mood, try->recipients, version));
    }
    if (!is_right) {
        sim_fail("the story of try %u (%s) has deliveries into the folders %#x, the rules say %#x", try->number,
                 try->id, places, sim_try_places(try));
    }
}

static void check_story(struct store *store, struct sim_try *try, uint64_t message, bool at_end)
{
    json_t *story = NULL, *delivery;
    struct fault fault = FAULT_INIT;
    unsigned places = 0;
    size_t i;
    if (spool_query_story(store, message, &story, &fault) != 0 || story == NULL) {
        sim_fail("try %u (%s) has no story: %s", try->number, try->id, fault.text);
    }
    json_array_foreach(json_object_get(story, "deliveries"), i, delivery)
    {
        check_delivery(store, message, try, story, delivery, &places, at_end);
    }
    check_places(try, places);
    try->is_told = number_of(story, "open") == 0;
    json_decref(story);
}

/* By its id and by its Message-ID the same message is found. */
static void check_try(struct store *store, struct sim_try *try, bool at_end)
{
    char message_id[40];
    uint64_t by_id[FOUND_MAX], by_field[FOUND_MAX];
    size_t id_count = 0, field_count = 0;
    snprintf(message_id, sizeof message_id, "try%u@client.sim", try->number);
    if (spool_query_find(store, try->id, by_id, FOUND_MAX, &id_count, NULL) != 0 ||
        spool_query_find(store, message_id, by_field, FOUND_MAX, &field_count, NULL) != 0) {
        return; /* locked just now */
    }
    if (id_count != 1) {
        sim_fail("try %u was acknowledged or filed as %s, and %zu stories are known of it", try->number, try->id,
                 id_count);
    }
    /* Nothing is kept of what was discarded, by which a second copy would be known. */
    bool may_repeat = try->resent && try->mood == SIM_MOOD_DISCARD;
    if (!may_repeat && (field_count != 1 || by_field[0] != by_id[0])) {
        sim_fail("try %u (%s) is not found by its Message-ID", try->number, try->id);
    }
    check_story(store, try, by_id[0], at_end);
}

void sim_index_check(bool at_end)
{
    struct store *store = open_index();
    for (size_t i = 0; store != NULL && i < sim_mail_count(); i++) {
        struct sim_try *try = sim_mail_at(i);
        if (try->id[0] != '\0' && (at_end || !try->is_told)) {
            check_try(store, try, at_end);
        }
    }
    if (at_end) {
        sim_mail_check_told();
    }
    if (store != NULL) {
        close_index(&store);
    } else if (at_end) {
        sim_fail("the store cannot be asked at the end");
    }
}

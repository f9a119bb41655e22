/*
 * model_change - SET_STATE, REROUTE, DIVERT, FORGET in the model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/log.h"
#include "store/model/model_private.h"
#include "store/store_meta.h"

/* ---- one delivery gets another state ---- */

static void change_change(struct model *model, struct model_delivery *delivery, enum store_state to, const char *note)
{
    delivery->uncertain = model_is_doubtful(model, delivery);
    delivery->handed = 0;
    delivery->state = to;
    delivery->due_ms = delivery->changed_ms = model_now(model);
    model_note(delivery, model_now(model), note);
    if (store_state_is_settled(to)) {
        model_settle(model, delivery->message);
    }
}

static void change_by_verb(struct model *model, struct model_delivery *delivery, enum store_state to,
                           const struct store_set_state *set)
{
    char note[300];
    bool is_doubtful = model_is_doubtful(model, delivery), again = set->again && set->verb == STORE_RETRY;
    snprintf(note, sizeof note, "%s by %s%s", store_verb_done(set->verb), set->by == NULL ? "an operator" : set->by,
             !is_doubtful ? ""
             : again      ? ", to be sent again without a look, though an earlier attempt may have filed it"
             : set->verb == STORE_DROP ? ", though an earlier attempt may have filed it"
                                       : "");
    change_change(model, delivery, to, note);
    if (is_doubtful && again) {
        delivery->uncertain = false;
        model_set_text(&delivery->doubt, STORE_DOUBT_NOTED);
    }
}

static void set_one(struct model *model, struct model_delivery *delivery, struct store_set_state *set)
{
    enum store_state to;
    set->found++;
    set->last = (struct store_key){delivery->message->seq, delivery->number};
    if (!store_verb_next(set->verb, delivery->state, &to)) {
        return;
    }
    if (model_is_in_hands(model, delivery)) {
        set->busy++;
        return;
    }
    if (store_verb_spares(set, model_is_doubtful(model, delivery))) {
        set->doubtful++;
        return;
    }
    set->changed++;
    change_by_verb(model, delivery, to, set);
}

void model_set_state(struct model *model, struct store_set_state *set)
{
    set->found = 0;
    set->changed = set->busy = set->doubtful = 0;
    set->last = set->after;
    LIST_EACH(link, &model->messages)
    {
        LIST_EACH(inner, &model_message_at(link)->deliveries)
        {
            struct model_delivery *delivery = model_delivery_at(inner);
            if (set->found < set->limit && model_is_behind(delivery, set->after) &&
                model_chooses(model, set->select, delivery)) {
                set_one(model, delivery, set);
            }
        }
    }
}

/* ---- others take its place ---- */

static unsigned last_number(const struct model_message *message)
{
    return model_delivery_at(message->deliveries.prev)->number;
}

static void add_new(struct model *model, struct model_message *message, const struct mail_delivery *delivery)
{
    struct buf detail;
    buf_init(&detail, STORE_META_MAX);
    const struct store_row row = store_row_of(delivery, message->sender, &detail);
    model_add_delivery(model, message, &row);
    message->open++;
    buf_done(&detail);
}

static void end_rerouted(struct model *model, const struct store_reroute *reroute, struct model_delivery *delivery)
{
    char note[300];
    snprintf(note, sizeof note, "rerouted by %s%s", reroute->by == NULL ? "an operator" : reroute->by,
             model_is_doubtful(model, delivery) ? ", though an earlier attempt may have filed it" : "");
    change_change(model, delivery, reroute->count == 0 ? STORE_STATE_DROPPED : STORE_STATE_MOVED, note);
}

void model_reroute(struct model *model, struct store_reroute *reroute)
{
    struct model_message *message = model_find_id(model, reroute->id);
    reroute->changed = reroute->busy = reroute->doubtful = 0;
    if (message == NULL || message->open == 0) {
        return;
    }
    unsigned last = last_number(message);
    bool noted = false;
    LIST_EACH(link, &message->deliveries)
    {
        struct model_delivery *delivery = model_delivery_at(link);
        if (!store_state_is_settled(delivery->state)) {
            noted = noted || model_is_doubtful(model, delivery) || store_doubt_is_noted(delivery->doubt);
            reroute->busy += model_is_in_hands(model, delivery);
            reroute->doubtful += model_is_doubtful(model, delivery);
        }
    }
    if (reroute->busy > 0 || (reroute->doubtful > 0 && !reroute->again)) {
        return;
    }
    for (size_t i = 0; i < reroute->count; i++) {
        struct mail_delivery delivery = reroute->deliveries[i];
        delivery.number = last + 1 + (unsigned)i;
        delivery.doubt = noted ? STORE_DOUBT_NOTED : NULL;
        add_new(model, message, &delivery);
    }
    LIST_EACH(link, &message->deliveries)
    {
        struct model_delivery *delivery = model_delivery_at(link);
        if (delivery->number <= last && !store_state_is_settled(delivery->state)) {
            end_rerouted(model, reroute, delivery);
            reroute->changed++;
        }
    }
    reroute->doubtful = 0;
}

static void divert_one(struct model *model, struct store_divert *divert, struct model_delivery *old)
{
    struct mail_delivery delivery;
    struct fault fault = FAULT_INIT;
    char note[STORE_NOTE_MAX];
    struct store_diverted *diverted = &divert->diverted[divert->count];
    EXPECT(store_meta_read_delivery(buf_bytes(&old->detail), divert->arena, &delivery, &fault) == 0);
    delivery.doubt = old->doubt;
    int goes = store_divert_goes(divert, &delivery, diverted);
    EXPECT(goes >= 0);
    if (goes == 0) {
        return;
    }
    divert->count++;
    snprintf(diverted->id, sizeof diverted->id, "%s", old->message->id);
    diverted->from = old->number;
    diverted->to = delivery.number = last_number(old->message) + 1;
    add_new(model, old->message, &delivery);
    store_divert_note(divert, diverted, model_now(model), note);
    change_change(model, old, STORE_STATE_MOVED, note);
}

static bool is_divertible(const struct store_divert *divert, const struct model_delivery *delivery)
{
    return delivery->state == STORE_STATE_WAITING && delivery->fallback[0] != '\0' && !delivery->uncertain &&
           delivery->handed == 0 && strcmp(delivery->upstream, divert->upstream) == 0;
}

/* Those that are there when it begins: a way may lead back to the same upstream. */
void model_divert(struct model *model, struct store_divert *divert)
{
    struct model_delivery **found = expect_calloc(divert->limit + 1, sizeof *found);
    arena_clear(divert->arena);
    divert->found = 0;
    divert->count = 0;
    divert->wait_ms = UINT64_MAX;
    divert->last = divert->after;
    LIST_EACH(link, &model->messages)
    {
        LIST_EACH(inner, &model_message_at(link)->deliveries)
        {
            struct model_delivery *delivery = model_delivery_at(inner);
            if (divert->found < divert->limit && model_is_behind(delivery, divert->after) &&
                is_divertible(divert, delivery)) {
                found[divert->found++] = delivery;
                divert->last = (struct store_key){delivery->message->seq, delivery->number};
            }
        }
    }
    for (unsigned i = 0; i < divert->found; i++) {
        divert_one(model, divert, found[i]);
    }
    free(found);
}

/* ---- FORGET ---- */

/* The message that was settled longest ago, before before_ms; or NULL. */
static struct model_message *oldest(struct model *model, int64_t before_ms, uint64_t *settled_r)
{
    struct model_message *found = NULL;
    *settled_r = 0;
    LIST_EACH(link, &model->messages)
    {
        struct model_message *message = model_message_at(link);
        *settled_r += message->open == 0;
        if (message->open == 0 && message->settled_ms < before_ms &&
            (found == NULL || message->settled_ms < found->settled_ms)) {
            found = message;
        }
    }
    return found;
}

void model_forget_old(struct model *model, struct store_forget *forget)
{
    uint64_t settled;
    int64_t before_ms = model_now(model) - (int64_t)forget->keep_ms;
    oldest(model, INT64_MAX, &settled);
    unsigned limit = forget->limit;
    if (settled > forget->keep_messages) {
        uint64_t excess = settled - forget->keep_messages;
        limit = excess < limit ? (unsigned)excess : limit;
        before_ms = INT64_MAX;
    }
    for (forget->forgotten = 0; forget->forgotten < limit; forget->forgotten++) {
        struct model_message *message = oldest(model, before_ms, &settled);
        if (message == NULL) {
            break;
        }
        model_forget(message);
    }
}

/*
 * model_node - several nodes on one model: epochs, leases and fences, as store/postgresql keeps them in tables.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/model/model_private.h"
#include "store/store_lease.h"

static struct model_node *node_at(struct list *link)
{
    return LIST_ITEM(link, struct model_node, link);
}

/* ---- the end of a node ---- */

/* Its fence goes, and what it had in its hands may have been filed. How many deliveries that were. */
static uint64_t take_over(struct model *model, struct model_node *node)
{
    uint64_t taken = 0;
    node->ended_ms = model_now(model);
    model->changed++;
    LIST_EACH(link, &model->messages)
    {
        LIST_EACH(inner, &model_message_at(link)->deliveries)
        {
            struct model_delivery *delivery = model_delivery_at(inner);
            if (delivery->handed == node->epoch) {
                delivery->uncertain = delivery->uncertain || delivery->state == STORE_STATE_WAITING;
                delivery->handed = 0;
                taken++;
            }
        }
    }
    return taken;
}

static uint64_t take_over_dead(struct model *model, uint64_t mine, uint64_t *nodes_r)
{
    uint64_t taken = 0;
    LIST_EACH(link, &model->nodes)
    {
        struct model_node *node = node_at(link);
        bool is_dead = store_lease_is_over(node->lease_until_ms, model_now(model));
        if (node->epoch != mine && node->ended_ms == 0 && is_dead) {
            taken += take_over(model, node);
            (*nodes_r)++;
        }
    }
    return taken;
}

/* ---- the door ---- */

void model_join(struct store *store, struct model_seat *seat)
{
    struct model *model = model_of(store);
    struct model_node *node = expect_calloc(1, sizeof *node);
    /* Whoever had the name before has died: two of one name do not live at a time. */
    LIST_EACH(link, &model->nodes)
    {
        if (node_at(link)->ended_ms == 0 && strcmp(node_at(link)->name, seat->name) == 0) {
            take_over(model, node_at(link));
        }
    }
    node->epoch = seat->epoch = ++model->last_epoch;
    node->lease_until_ms = model_now(model) + (int64_t)store_lease_of(seat->lease_ms);
    snprintf(node->name, sizeof node->name, "%s", seat->name);
    node->state = expect_strdup("");
    list_init(&node->link);
    list_append(&model->nodes, &node->link);
    uint64_t others = 0;
    take_over_dead(model, node->epoch, &others);
}

bool model_enter(struct store *store, const struct model_seat *seat)
{
    struct model *model = model_of(store);
    const struct model_node *node = model_find_node(model, seat->epoch);
    model->run = seat->epoch;
    return node != NULL && node->ended_ms == 0;
}

void model_leave(struct store *store, const struct model_seat *seat)
{
    struct model *model = model_of(store);
    struct model_node *node = model_find_node(model, seat->epoch);
    if (node != NULL && node->ended_ms == 0) {
        take_over(model, node);
    }
    /* Its connections have ended: nobody needs to wait for the server to notice. */
    model_slots_forget(model, seat->epoch);
}

static uint64_t memos_of(const struct model *model)
{
    size_t cursor = 0;
    struct bytes name;
    void *text;
    uint64_t sum = 0;
    while (map_next(model->memos, &cursor, &name, &text)) {
        uint64_t one = 14695981039346656037u;
        for (const char *at = text; *at != '\0'; at++) {
            one = (one ^ (uint8_t)*at) * 1099511628211u;
        }
        sum += one ^ name.len;
    }
    return sum;
}

static void look_around(struct model *model, struct model_seat *seat, struct store_beat *beat)
{
    beat->is_news = seat->changed != model->changed;
    beat->is_memo = seat->memos != memos_of(model);
    seat->changed = model->changed;
    seat->memos = memos_of(model);
    beat->clock_ms = model_now(model);
    beat->dead_rows = 0;
    LIST_EACH(link, &model->nodes)
    {
        const struct model_node *node = node_at(link);
        const struct store_node told = {.epoch = node->epoch,
                                        .name = node->name,
                                        .version = "",
                                        .lease_ms = node->lease_until_ms - model_now(model),
                                        .is_me = node->epoch == seat->epoch,
                                        .draining = node->draining,
                                        .state = node->state};
        if (node->ended_ms == 0 && beat->found != NULL) {
            beat->found(beat->ctx, &told);
        }
    }
}

void model_beat(struct store *store, struct model_seat *seat, struct store_beat *beat)
{
    struct model *model = model_of(store);
    struct model_node *node = model_find_node(model, seat->epoch);
    if (beat->renounces && node != NULL && node->ended_ms == 0) {
        take_over(model, node);
    }
    beat->is_ended = node == NULL || node->ended_ms != 0;
    beat->takeovers = 0;
    if (!beat->is_ended) {
        node->lease_until_ms = model_now(model) + (int64_t)store_lease_of(seat->lease_ms);
        node->draining = beat->draining;
        model_set_text(&node->state, beat->state);
    }
    beat->lease_ms = store_lease_relied(store_lease_of(seat->lease_ms));
    beat->taken = take_over_dead(model, seat->epoch, &beat->takeovers);
    if (!beat->is_ended) {
        model_slots_share(model, seat->epoch, beat);
    }
    look_around(model, seat, beat);
}

/* ---- doubt ---- */

void model_note_key(struct store *store, uint64_t epoch, uint64_t number)
{
    struct model_key *key = expect_calloc(1, sizeof *key);
    *key = (struct model_key){.epoch = epoch, .number = number, .written = true};
    list_init(&key->link);
    list_append(&model_of(store)->keys, &key->link);
}

bool model_ask_key(struct store *store, uint64_t epoch, uint64_t number)
{
    struct model *model = model_of(store);
    LIST_EACH(link, &model->keys)
    {
        const struct model_key *key = LIST_ITEM(link, struct model_key, link);
        if (key->epoch == epoch && key->number == number) {
            return key->written;
        }
    }
    model_note_key(store, epoch, number);
    LIST_ITEM(model->keys.prev, struct model_key, link)->written = false;
    return false;
}

/* ---- as a whole ---- */

void model_node_free_all(struct model *model)
{
    for (struct list *link; (link = list_take(&model->nodes)) != NULL;) {
        free(node_at(link)->state);
        free(node_at(link));
    }
    for (struct list *link; (link = list_take(&model->slots)) != NULL;) {
        free(LIST_ITEM(link, struct model_slot, link));
    }
    for (struct list *link; (link = list_take(&model->keys)) != NULL;) {
        free(LIST_ITEM(link, struct model_key, link));
    }
}

void model_node_copy_all(struct model *to, const struct model *from)
{
    to->last_epoch = from->last_epoch;
    to->changed = from->changed;
    LIST_EACH(link, &from->nodes)
    {
        struct model_node *copy = expect_calloc(1, sizeof *copy);
        *copy = *node_at(link);
        copy->state = expect_strdup(copy->state);
        list_init(&copy->link);
        list_append(&to->nodes, &copy->link);
    }
    LIST_EACH(link, &from->slots)
    {
        struct model_slot *copy = expect_calloc(1, sizeof *copy);
        *copy = *LIST_ITEM(link, struct model_slot, link);
        list_init(&copy->link);
        list_append(&to->slots, &copy->link);
    }
    LIST_EACH(link, &from->keys)
    {
        struct model_key *copy = expect_calloc(1, sizeof *copy);
        *copy = *LIST_ITEM(link, struct model_key, link);
        list_init(&copy->link);
        list_append(&to->keys, &copy->link);
    }
}

/*
 * model_slots - the connections of all nodes to an account, and whose turn it is to get a token: what schema_2.sql
 * does, a second time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/model/model_private.h"
#include "store/store_lease.h"

static struct model_slot *slot_at(struct list *link)
{
    return LIST_ITEM(link, struct model_slot, link);
}

static struct model_slot *slot_of(struct model *model, const char *account, uint64_t epoch)
{
    LIST_EACH(link, &model->slots)
    {
        if (slot_at(link)->epoch == epoch && strcmp(slot_at(link)->account, account) == 0) {
            return slot_at(link);
        }
    }
    struct model_slot *slot = expect_calloc(1, sizeof *slot);
    slot->epoch = epoch;
    snprintf(slot->account, sizeof slot->account, "%s", account);
    list_init(&slot->link);
    list_append(&model->slots, &slot->link);
    return slot;
}

static void forget_slot(struct model_slot *slot)
{
    list_remove(&slot->link);
    free(slot);
}

void model_slots_forget(struct model *model, uint64_t epoch)
{
    struct list *next;
    for (struct list *link = model->slots.next; link != &model->slots; link = next) {
        next = link->next;
        if (slot_at(link)->epoch == epoch) {
            forget_slot(slot_at(link));
        }
    }
}

static int64_t ended_at(const struct model *model, uint64_t epoch)
{
    const struct model_node *node = model_find_node(model, epoch);
    EXPECT(node != NULL);
    return node->ended_ms;
}

/* What a node that was ended had is free a little later: the server has to notice, too. */
static void sweep_slots(struct model *model)
{
    struct list *next;
    for (struct list *link = model->slots.next; link != &model->slots; link = next) {
        struct model_slot *slot = slot_at(link);
        int64_t ended_ms = ended_at(model, slot->epoch);
        next = link->next;
        if (ended_ms > 0 && slot->free_at_ms == 0) {
            slot->free_at_ms = ended_ms + STORE_LEASE_SLOT_MS;
            slot->wanted = 0;
            slot->turn = false;
        }
        if (slot->free_at_ms > 0 && slot->free_at_ms < model_now(model)) {
            forget_slot(slot);
        }
    }
}

static bool competes(const struct model_slot *slot, const char *account)
{
    return slot->free_at_ms == 0 && strcmp(slot->account, account) == 0;
}

static unsigned fewer_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* What all get when nobody gets more than `level`. */
static unsigned sum_at(const struct model *model, const char *account, unsigned level)
{
    unsigned sum = 0;
    LIST_EACH(link, &model->slots)
    {
        sum += competes(slot_at(link), account) ? fewer_of(slot_at(link)->wanted, level) : 0;
    }
    return sum;
}

/* The largest number that each can have who wants so many; what is left over goes to those who want more, the oldest
 * first. */
static unsigned share_of(const struct model *model, const struct model_slot *slot, unsigned most)
{
    unsigned level = 0, before = 0;
    while (level < most && sum_at(model, slot->account, level + 1) <= most) {
        level++;
    }
    LIST_EACH(link, &model->slots)
    {
        const struct model_slot *other = slot_at(link);
        before += competes(other, slot->account) && other->wanted > level && other->epoch < slot->epoch;
    }
    bool has_one_more = slot->wanted > level && before < most - sum_at(model, slot->account, level);
    return fewer_of(slot->wanted, level) + (has_one_more ? 1 : 0);
}

static bool has_due(struct model *model, const char *upstream)
{
    if (map_get(model->pauses, bytes_of("")) != NULL || map_get(model->pauses, bytes_of(upstream)) != NULL) {
        return false;
    }
    LIST_EACH(link, &model->messages)
    {
        LIST_EACH(inner, &model_message_at(link)->deliveries)
        {
            const struct model_delivery *delivery = model_delivery_at(inner);
            if (delivery->state == STORE_STATE_WAITING && !model_is_in_hands(model, delivery) &&
                delivery->due_ms <= model_now(model) && strcmp(delivery->upstream, upstream) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void share_account(struct model *model, uint64_t epoch, struct store_slots *slots)
{
    struct model_slot *own = slot_of(model, slots->account, epoch);
    unsigned others = 0, theirs = 0;
    bool is_taken = false;
    slots->is_due = slots->could && has_due(model, slots->account);
    unsigned wanted = slots->wanted > 0 || !slots->is_due ? slots->wanted : 1;
    own->held = slots->open;
    own->wanted = slots->could ? fewer_of(wanted, slots->most) : 0;
    LIST_EACH(link, &model->slots)
    {
        const struct model_slot *other = slot_at(link);
        if (other != own && strcmp(other->account, slots->account) == 0) {
            others += other->held;
            theirs += competes(other, slots->account) ? share_of(model, other, slots->most) : 0;
            is_taken = is_taken || other->turn;
        }
    }
    unsigned room = slots->most > others ? slots->most - others : 0;
    unsigned share = fewer_of(share_of(model, own, slots->most), room);
    slots->given = own->held = share > slots->open ? share : slots->open;
    slots->allowed = slots->most > theirs ? slots->most - theirs : 0;
    slots->has_turn = own->turn = slots->wants_turn && !is_taken;
}

void model_slots_share(struct model *model, uint64_t epoch, struct store_beat *beat)
{
    sweep_slots(model);
    for (size_t i = 0; i < beat->slot_count; i++) {
        share_account(model, epoch, &beat->slots[i]);
    }
}

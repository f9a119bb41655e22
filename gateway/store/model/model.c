/*
 * model - messages and deliveries in lists, and what batches do to them; see model.h.
 */
#include "store/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/model/model_private.h"
#include "store/store_meta.h"
#include "store/store_sum.h"

struct store_upload {
    struct buf data;
};

/* ---- ADD_MESSAGE ---- */

static unsigned count_states(const struct model_message *message, unsigned states)
{
    unsigned count = 0;
    LIST_EACH(link, &message->deliveries)
    {
        count += (states & 1u << model_delivery_at(link)->state) != 0;
    }
    return count;
}

/* Whether one of this id is known; what was dropped as a whole makes room. */
static bool is_known(struct model *model, struct store_op *op)
{
    struct model_message *message = op->add.unique ? model_find_id(model, op->add.id) : NULL;
    op->add.revived = false;
    if (message == NULL) {
        return false;
    }
    unsigned dropped = count_states(message, 1u << STORE_STATE_DROPPED);
    unsigned others = count_states(message, ~(1u << STORE_STATE_DROPPED | 1u << STORE_STATE_MOVED));
    if (dropped > 0 && others == 0) {
        model_forget(message);
        op->add.revived = true;
        return false;
    }
    fault_set(&op->fault, FAULT_PERM, dropped > 0 ? "dropped" : "known", "spool", "message %s is known already",
              op->add.id);
    return true;
}

static bool is_twin(struct model *model, const struct model_message *message, const struct store_add *add)
{
    return message->print == add->print && message->body_len == add->place.body_len &&
           message->body_sum == add->place.body_sum &&
           message->taken_ms >= model_now(model) - (int64_t)(add->age_ms + add->once_ms) &&
           count_states(message, 1u << STORE_STATE_DROPPED) == 0;
}

/* Its deliveries of one state are due again; how many those are. */
static unsigned make_due(struct model *model, struct model_message *message, enum store_state state)
{
    unsigned count = 0;
    LIST_EACH(link, &message->deliveries)
    {
        struct model_delivery *delivery = model_delivery_at(link);
        if (delivery->state == state) {
            delivery->state = STORE_STATE_WAITING;
            delivery->due_ms = delivery->changed_ms = model_now(model);
            delivery->handed = 0;
            count++;
        }
    }
    return count;
}

static bool is_unheard(struct model *model, const struct model_message *message, const struct store_add *add)
{
    return message->print == add->print && message->body_len == add->place.body_len &&
           message->body_sum == add->place.body_sum && message->unheard_ms > 0 &&
           message->unheard_ms >= model_now(model) - (int64_t)add->waits_ms;
}

/* The newest of those whose senders wait and have not heard yes: what was dropped of it is due again. */
static bool has_unheard(struct model *model, struct store_add *add)
{
    struct model_message *found = NULL;
    LIST_EACH(link, &model->messages)
    {
        struct model_message *message = model_message_at(link);
        found = add->waits_ms > 0 && add->count > 0 && is_unheard(model, message, add) ? message : found;
    }
    if (found == NULL) {
        return false;
    }
    snprintf(add->twin, sizeof add->twin, "%s", found->id);
    add->reopened = make_due(model, found, STORE_STATE_DROPPED);
    add->adopted = found->open == 0 && add->reopened > 0;
    found->open += add->reopened;
    if (add->reopened > 0) {
        found->settled_ms = 0;
        found->unheard_ms = model_now(model);
    }
    add->twin_open = found->open;
    add->twin_retried = make_due(model, found, STORE_STATE_DEAD);
    return true;
}

static bool has_twin(struct model *model, struct store_add *add)
{
    LIST_EACH(link, &model->messages)
    {
        struct model_message *message = model_message_at(link);
        if (add->once_ms > 0 && add->count > 0 && is_twin(model, message, add)) {
            snprintf(add->twin, sizeof add->twin, "%s", message->id);
            add->twin_open = message->open;
            add->twin_retried = make_due(model, message, STORE_STATE_DEAD);
            return true;
        }
    }
    return false;
}

static struct buf whole_body(const struct store_add *add)
{
    struct buf body;
    size_t uploaded = add->upload == NULL ? 0 : add->upload->data.len;
    buf_init(&body, uploaded + add->body.len + 1);
    if (add->upload != NULL) {
        buf_append_bytes(&body, buf_bytes(&add->upload->data));
    }
    buf_append_bytes(&body, add->body);
    return body;
}

static void add_message(struct model *model, struct store_op *op)
{
    struct store_add *add = &op->add;
    struct buf body = whole_body(add);
    op->run = model->run;
    add->place = (struct store_place){0};
    if (add->count > 0) {
        add->place =
            (struct store_place){.segment = 1, .body_len = body.len, .body_sum = store_sum_of(buf_bytes(&body))};
    }
    add->twin[0] = '\0';
    add->adopted = false;
    add->twin_open = add->twin_retried = add->reopened = 0;
    if (is_known(model, op) || has_unheard(model, add) || has_twin(model, add)) {
        buf_done(&body);
        return;
    }
    struct model_message *message = expect_calloc(1, sizeof *message);
    add->message = message->seq = model->next_message++;
    model_set_text(&message->id, add->id);
    model_set_text(&message->sender, add->sender);
    message->message_id = add->message_id == NULL ? NULL : expect_strdup(add->message_id);
    message->received_ms = add->received_ms;
    message->taken_ms = model_now(model) - (int64_t)add->age_ms;
    message->settled_ms = add->count == 0 ? model_now(model) : 0;
    message->print = add->once_ms + add->waits_ms == 0 ? 0 : add->print;
    message->unheard_ms = add->waits_ms > 0 ? model_now(model) : 0;
    message->body_len = add->place.body_len;
    message->body_sum = add->place.body_sum;
    message->body = body;
    message->open = (unsigned)add->count;
    model_copy_bytes(&message->envelope, add->envelope);
    list_init(&message->deliveries);
    list_init(&message->link);
    list_append(&model->messages, &message->link);
    for (size_t i = 0; i < add->count; i++) {
        model_add_delivery(model, message, &add->rows[i]);
    }
    if (add->upload != NULL) {
        model->store.ops->upload_free(&model->store, &add->upload, false);
    }
}

/* ---- HAND, FINISH, UNTOUCH, CLOCK ---- */

static void hand_deliveries(struct model *model, struct store_op *op)
{
    struct store_hand *hand = &op->hand;
    op->run = model->run;
    for (size_t i = 0; i < hand->count; i++) {
        const struct store_hand_key *key = &hand->keys[i];
        struct model_delivery *delivery = model_find(model, key->key);
        hand->given[i] = delivery != NULL && delivery->state == STORE_STATE_WAITING &&
                         !model_is_in_hands(model, delivery) && delivery->due_ms == key->due &&
                         delivery->attempts == key->attempts;
        if (hand->given[i]) {
            if (!model_is_doubtful(model, delivery)) {
                model_set_text(&delivery->doubt, key->doubt);
            }
            delivery->uncertain = model_is_doubtful(model, delivery);
            delivery->handed = model->run;
        }
    }
}

static struct model_delivery *in_hand(struct model *model, struct store_key key, uint64_t run)
{
    struct model_delivery *delivery = model_find(model, key);
    bool is_ours = run != 0 && delivery != NULL && delivery->state == STORE_STATE_WAITING && delivery->handed == run;
    return is_ours ? delivery : NULL;
}

static void add_try(struct model_delivery *delivery, const struct store_finish *finish, int64_t now_ms)
{
    size_t at = delivery->try_count;
    for (size_t i = 0; i < delivery->try_count; i++) {
        at = delivery->tries[i].number == finish->attempts ? i : at;
    }
    if (at == delivery->try_count) {
        delivery->tries = expect_memory(realloc(delivery->tries, (at + 1) * sizeof *delivery->tries));
        delivery->try_count++;
    }
    delivery->tries[at] = (struct model_attempt){finish->attempts, now_ms, finish->why};
}

static void redirect_delivery(struct model *model, struct model_delivery *delivery, const struct store_finish *finish)
{
    struct buf detail;
    char note[STORE_NOTE_MAX];
    buf_init(&detail, STORE_META_MAX);
    const struct store_row row = store_row_of(finish->instead, delivery->message->sender, &detail);
    model_redirect(delivery, &row);
    store_finish_note(finish, note);
    model_note(delivery, model_now(model), note);
    buf_done(&detail);
}

static void finish_delivery(struct model *model, struct store_op *op)
{
    const struct store_finish *finish = &op->finish;
    struct model_delivery *delivery = in_hand(model, finish->key, op->run);
    int64_t now_ms = model_now(model);
    bool is_filed = finish->state == STORE_STATE_FILED, again = finish->state == STORE_STATE_WAITING;
    if (delivery == NULL) {
        fault_set(&op->fault, FAULT_PERM, "not-in-hand", "spool", "the delivery is in other hands");
        return;
    }
    delivery->state = finish->state;
    delivery->due_ms = now_ms + (again ? (int64_t)finish->again_in_ms : 0);
    delivery->changed_ms = now_ms;
    delivery->attempts = finish->attempts;
    delivery->uncertain = !is_filed && finish->uncertain;
    model_set_text(&delivery->doubt, is_filed ? NULL : finish->doubt);
    delivery->handed = 0;
    delivery->uidvalidity = finish->uidvalidity;
    delivery->uid = finish->uid;
    if (finish->folder != NULL) {
        model_set_text(&delivery->folder, finish->folder);
    }
    if (finish->instead != NULL) {
        redirect_delivery(model, delivery, finish);
    } else if (finish->note != NULL) {
        model_note(delivery, now_ms, finish->note);
    }
    if (is_filed) {
        model_settle(model, delivery->message);
    } else {
        add_try(delivery, finish, now_ms);
    }
}

static void untouch_delivery(struct model *model, const struct store_op *op)
{
    const struct store_untouch *untouch = &op->untouch;
    struct model_delivery *delivery = in_hand(model, untouch->key, op->run);
    if (delivery != NULL) {
        delivery->handed = 0;
        delivery->uncertain = untouch->uncertain;
        model_set_text(&delivery->doubt, untouch->doubt);
    }
}

static void move_clock(struct model *model, const struct store_clock *clock)
{
    int64_t moved = clock->before_ms + clock->delta_ms;
    int64_t least = moved < clock->before_ms ? moved : clock->before_ms;
    int64_t most = moved > clock->before_ms ? moved : clock->before_ms;
    LIST_EACH(link, &model->messages)
    {
        LIST_EACH(inner, &model_message_at(link)->deliveries)
        {
            struct model_delivery *delivery = model_delivery_at(inner);
            if (delivery->state == STORE_STATE_WAITING && delivery->due_ms > least &&
                delivery->changed_ms <= clock->before_ms) {
                delivery->due_ms += clock->delta_ms;
                delivery->changed_ms += clock->delta_ms;
            } else if (delivery->state == STORE_STATE_WAITING && delivery->changed_ms > most) {
                delivery->due_ms += moved - delivery->changed_ms;
                delivery->changed_ms = moved;
            }
        }
    }
}

/* ---- PAUSE, MEMO, HEARD ---- */

static void hear_message(struct model *model, const char *id)
{
    struct model_message *message = model_find_id(model, id);
    if (message != NULL) {
        message->unheard_ms = 0;
    }
}

static void set_entry(struct map *map, const char *name, const char *text)
{
    free(map_remove(map, bytes_of(name)));
    if (text != NULL) {
        EXPECT(map_set(map, bytes_of(name), expect_strdup(text)) == 0);
    }
}

/* The first pause is the one that is kept. */
static void set_pause(struct model *model, struct store_pause *pause)
{
    model->changed++;
    pause->since_ms = model_now(model);
    bool all = !pause->paused && pause->upstream[0] == '\0';
    bool stood = all ? map_count(model->pauses) > 0 : map_get(model->pauses, bytes_of(pause->upstream)) != NULL;
    pause->changed = stood != pause->paused;
    if (all) {
        map_free(&model->pauses, free);
        model->pauses = map_new(SIZE_MAX / 4, NULL);
    } else if (!pause->paused) {
        free(map_remove(model->pauses, bytes_of(pause->upstream)));
    } else if (!stood) {
        struct model_pause *kept = expect_calloc(1, sizeof *kept);
        kept->since_ms = pause->since_ms;
        snprintf(kept->upstream, sizeof kept->upstream, "%s", pause->upstream);
        snprintf(kept->by, sizeof kept->by, "%s", pause->by == NULL ? "" : pause->by);
        EXPECT(map_set(model->pauses, bytes_of(pause->upstream), kept) == 0);
    }
}

/* ---- the door ---- */

static void run_op(struct model *model, struct store_op *op)
{
    switch (op->kind) {
    case STORE_ADD_MESSAGE:
        add_message(model, op);
        break;
    case STORE_HAND:
        hand_deliveries(model, op);
        break;
    case STORE_FINISH:
        finish_delivery(model, op);
        break;
    case STORE_UNTOUCH:
        untouch_delivery(model, op);
        break;
    case STORE_SET_STATE:
        model_set_state(model, &op->set_state);
        break;
    case STORE_REROUTE:
        model_reroute(model, &op->reroute);
        break;
    case STORE_DIVERT:
        model_divert(model, &op->divert);
        break;
    case STORE_MEMO:
        set_entry(model->memos, op->memo.upstream, op->memo.text[0] != '\0' ? op->memo.text : NULL);
        break;
    case STORE_PAUSE:
        set_pause(model, &op->pause);
        break;
    case STORE_FORGET:
        model_forget_old(model, &op->forget);
        break;
    case STORE_CLOCK:
        /* Of several nodes none says what time it is. */
        if (model->last_epoch == 0) {
            move_clock(model, &op->clock);
        }
        break;
    case STORE_HEARD:
        hear_message(model, op->heard.id);
        break;
    case STORE_LEARN:
        model_learn(model, &op->learn);
        break;
    case STORE_ERASE:
        model_erase(model, &op->erase);
        break;
    case STORE_MOVE:
        break; /* there are no segments */
    }
}

static enum store_verdict commit_batch(struct store *store, struct store_batch *batch)
{
    struct model *model = model_of(store);
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        if (!fault_is_set(&op->fault)) {
            run_op(model, op);
        }
    }
    model_count(model, &batch->counts);
    return STORE_COMMITTED;
}

static enum store_verdict resolve_batch(struct store *store, struct store_batch *batch)
{
    (void)store;
    (void)batch;
    return STORE_COMMITTED;
}

static ptrdiff_t read_body(struct store *store, struct store_body *wanted, uint64_t offset, void *into, size_t len,
                           struct fault *fault)
{
    const struct model_message *message = model_find_seq(model_of(store), wanted->message);
    if (message == NULL || message->open == 0) {
        fault_set(fault, FAULT_PERM, "settled", "spool", "the message is settled, so its body is no longer kept");
        return -1;
    }
    size_t from = offset < message->body.len ? (size_t)offset : message->body.len;
    struct bytes part = bytes_slice(buf_bytes(&message->body), from, len);
    if (part.len > 0) {
        memcpy(into, part.ptr, part.len);
    }
    wanted->place = (struct store_place){.segment = 1, .body_len = message->body_len, .body_sum = message->body_sum};
    wanted->checked = true;
    return (ptrdiff_t)part.len;
}

static int measure_room(struct store *store, struct store_room *room_r, struct fault *fault)
{
    (void)store;
    (void)fault;
    *room_r = (struct store_room){UINT64_MAX / 2, UINT64_MAX / 2};
    return 0;
}

static int hint_descriptor(struct store *store)
{
    (void)store;
    return -1;
}

static const char *warning_of(const struct store *store)
{
    (void)store;
    return "the queue is kept in memory only";
}

static struct store_upload *upload(struct store *store)
{
    (void)store;
    struct store_upload *made = expect_calloc(1, sizeof *made);
    buf_init(&made->data, SIZE_MAX / 4);
    return made;
}

static int upload_write(struct store *store, struct store_upload *into, struct bytes data, struct fault *fault)
{
    (void)store;
    (void)fault;
    return buf_append_bytes(&into->data, data);
}

static ptrdiff_t upload_read(struct store_upload *from, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    (void)fault;
    size_t at = offset < from->data.len ? (size_t)offset : from->data.len;
    struct bytes part = bytes_slice(buf_bytes(&from->data), at, len);
    if (part.len > 0) {
        memcpy(into, part.ptr, part.len);
    }
    return (ptrdiff_t)part.len;
}

static void upload_free(struct store *store, struct store_upload **old, bool leave)
{
    (void)store;
    (void)leave;
    if (*old != NULL) {
        buf_done(&(*old)->data);
        free(*old);
        *old = NULL;
    }
}

/* What is in memory is what it was. */
static int scrub(struct store *store, struct store_scrub *scrub, struct fault *fault)
{
    (void)store;
    (void)fault;
    scrub->whole = true;
    scrub->messages = scrub->read = 0;
    return 0;
}

static int mend_counts(struct store *store, struct store_counts *counts_r, struct fault *fault)
{
    (void)fault;
    model_count(model_of(store), counts_r);
    return 0;
}

/* A batch leaves none. */
static void do_chore(struct store *store, struct store_chore *none)
{
    (void)store;
    (void)none;
}

static void chore_drop(struct store *store, struct store_chore **none)
{
    (void)store;
    *none = NULL;
}

static void close_all(struct store *store)
{
    struct model *model = model_of(store);
    while (!list_is_empty(&model->messages)) {
        model_forget(model_message_at(model->messages.next));
    }
    map_free(&model->pauses, free);
    map_free(&model->memos, free);
    map_free(&model->cursors, free);
    model_node_free_all(model);
    free(model);
}

static int open_new(struct store **store_r, const struct store_options *options, struct fault *fault)
{
    struct model *model = expect_calloc(1, sizeof *model);
    (void)fault;
    model->store.ops = &model_store;
    model->wall = options->wall;
    model->clock = options->clock;
    model->run = 1;
    model->next_message = 1;
    list_init(&model->messages);
    list_init(&model->nodes);
    list_init(&model->slots);
    list_init(&model->keys);
    model->pauses = map_new(SIZE_MAX / 4, NULL);
    model->memos = map_new(SIZE_MAX / 4, NULL);
    model->cursors = map_new(SIZE_MAX / 4, NULL);
    *store_r = &model->store;
    return 0;
}

static int look_at(struct store **store_r, const char *path, struct fault *fault)
{
    (void)store_r;
    fault_set(fault, FAULT_LOCAL, "memory", path, "it is kept in the memory of another process");
    return -1;
}

const struct store_ops model_store = {
    .name = "model",
    .open = open_new,
    .look = look_at,
    .close = close_all,
    .commit = commit_batch,
    .resolve = resolve_batch,
    .claim = model_claim,
    .body = read_body,
    .ask = model_ask,
    .room = measure_room,
    .hint = hint_descriptor,
    .warning = warning_of,
    .upload = upload,
    .upload_write = upload_write,
    .upload_read = upload_read,
    .upload_free = upload_free,
    .scrub = scrub,
    .mend = mend_counts,
    .chore = do_chore,
    .chore_drop = chore_drop,
};

void model_crash(struct store *store)
{
    struct model *model = model_of(store);
    model->run++;
    uint64_t last = list_is_empty(&model->messages) ? 0 : model_message_at(model->messages.prev)->seq;
    model->next_message = (last > model->learnt ? last : model->learnt) + 1;
    map_free(&model->cursors, free);
    model->cursors = map_new(SIZE_MAX / 4, NULL);
}

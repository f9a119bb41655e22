/*
 * model_kept - the messages and deliveries that the model keeps, and the pieces of which its operations are made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "store/model/model_private.h"
#include "store/store_meta.h"

/* ---- finding and freeing ---- */

struct model_message *model_find_id(struct model *model, const char *id)
{
    LIST_EACH(link, &model->messages)
    {
        if (strcmp(model_message_at(link)->id, id) == 0) {
            return model_message_at(link);
        }
    }
    return NULL;
}

struct model_message *model_find_seq(struct model *model, uint64_t seq)
{
    LIST_EACH(link, &model->messages)
    {
        if (model_message_at(link)->seq == seq) {
            return model_message_at(link);
        }
    }
    return NULL;
}

struct model_delivery *model_find(struct model *model, struct store_key key)
{
    struct model_message *message = model_find_seq(model, key.message);
    if (message != NULL) {
        LIST_EACH(link, &message->deliveries)
        {
            if (model_delivery_at(link)->number == key.number) {
                return model_delivery_at(link);
            }
        }
    }
    return NULL;
}

struct model_node *model_find_node(const struct model *model, uint64_t epoch)
{
    LIST_EACH(link, &model->nodes)
    {
        struct model_node *node = LIST_ITEM(link, struct model_node, link);
        if (node->epoch == epoch) {
            return node;
        }
    }
    return NULL;
}

static void free_delivery(struct model_delivery *delivery)
{
    char *const texts[] = {delivery->upstream, delivery->folder, delivery->rule, delivery->fallback, delivery->doubt};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]);
    }
    for (size_t i = 0; i < delivery->note_count; i++) {
        free(delivery->notes[i].text);
    }
    free(delivery->notes);
    free(delivery->tries);
    buf_done(&delivery->detail);
    free(delivery);
}

void model_forget(struct model_message *message)
{
    for (struct list *link; (link = list_take(&message->deliveries)) != NULL;) {
        free_delivery(model_delivery_at(link));
    }
    list_remove(&message->link);
    free(message->id);
    free(message->sender);
    free(message->message_id);
    buf_done(&message->envelope);
    buf_done(&message->body);
    free(message);
}

void model_set_text(char **text, const char *value)
{
    char *copy = expect_strdup(value == NULL ? "" : value);
    free(*text);
    *text = copy;
}

void model_copy_bytes(struct buf *to, struct bytes data)
{
    buf_init(to, data.len + 1);
    buf_append_bytes(to, data);
}

/* ---- pieces ---- */

void model_redirect(struct model_delivery *delivery, const struct store_row *row)
{
    model_set_text(&delivery->upstream, row->upstream);
    model_set_text(&delivery->folder, row->folder);
    model_set_text(&delivery->fallback, row->fallback);
    delivery->turn = (int64_t)row->turn;
    buf_done(&delivery->detail);
    model_copy_bytes(&delivery->detail, row->detail);
}

void model_add_delivery(struct model *model, struct model_message *message, const struct store_row *row)
{
    struct model_delivery *delivery = expect_calloc(1, sizeof *delivery);
    delivery->message = message;
    delivery->number = row->number;
    delivery->state = row->state;
    model_redirect(delivery, row);
    model_set_text(&delivery->rule, row->rule);
    model_set_text(&delivery->doubt, row->doubt);
    delivery->due_ms = delivery->changed_ms = model_now(model);
    delivery->uncertain = row->uncertain;
    delivery->handed = row->handed ? model->run : 0;
    list_init(&delivery->link);
    list_append(&message->deliveries, &delivery->link);
}

void model_settle(struct model *model, struct model_message *message)
{
    message->open--;
    message->settled_ms = message->open == 0 ? model_now(model) : 0;
}

/* Of one moment there is one note: what else is said in it is told behind that. */
void model_note(struct model_delivery *delivery, int64_t at_ms, const char *text)
{
    for (size_t i = 0; i < delivery->note_count; i++) {
        struct model_note *note = &delivery->notes[i];
        if (note->at_ms == at_ms) {
            size_t len = strlen(note->text) + 2 + strlen(text) + 1;
            char *both = expect_memory(malloc(len));
            snprintf(both, len, "%s; %s", note->text, text);
            free(note->text);
            note->text = both;
            return;
        }
    }
    delivery->notes = expect_memory(realloc(delivery->notes, (delivery->note_count + 1) * sizeof *delivery->notes));
    delivery->notes[delivery->note_count++] = (struct model_note){at_ms, expect_strdup(text)};
}

bool model_is_doubtful(const struct model *model, const struct model_delivery *delivery)
{
    return delivery->uncertain || (delivery->handed != 0 && !model_is_in_hands(model, delivery));
}

bool model_is_in_hands(const struct model *model, const struct model_delivery *delivery)
{
    const struct model_node *node = model_find_node(model, delivery->handed);
    bool lives = node != NULL && node->ended_ms == 0;
    return delivery->handed != 0 && (delivery->handed == model->run || lives);
}

bool model_is_behind(const struct model_delivery *delivery, struct store_key after)
{
    uint64_t seq = delivery->message->seq;
    return seq > after.message || (seq == after.message && delivery->number > after.number);
}

static bool is_text(const char *wanted, const char *text)
{
    return wanted == NULL || (text != NULL && strcmp(wanted, text) == 0);
}

/* Whether the head of an id is the message's, and no other's. */
static bool is_only_head(const struct model *model, struct bytes head, const struct model_message *message)
{
    size_t count = 0;
    LIST_EACH(link, &model->messages)
    {
        count += strncmp(model_message_at(link)->id, (const char *)head.ptr, head.len) == 0;
    }
    return count == 1 && strncmp(message->id, (const char *)head.ptr, head.len) == 0;
}

/* A message's id, or a delivery's: "<message id>.<number>"; or the head of the message's instead of it. */
static bool is_id(const struct model *model, const char *wanted, const struct model_delivery *delivery)
{
    char number[16];
    const struct model_message *message = delivery->message;
    struct bytes id = bytes_of(wanted == NULL ? "" : wanted), end;
    snprintf(number, sizeof number, ".%u", delivery->number);
    end = bytes_of(number);
    if (id.len > end.len && bytes_equal(bytes_from(id, id.len - end.len), end)) {
        id.len -= end.len;
    }
    return wanted == NULL || bytes_equal(id, bytes_of(message->id)) ||
           (units_is_id_head(id) && is_only_head(model, id, message));
}

struct mail_envelope model_envelope(const struct model_message *message, struct arena **arena_r)
{
    struct mail_envelope envelope;
    struct fault fault = FAULT_INIT;
    *arena_r = arena_new(STORE_ITEM_MAX);
    EXPECT(store_meta_read_envelope(buf_bytes(&message->envelope), *arena_r, &envelope, &fault) == 0);
    return envelope;
}

/* Parts of the subject and of a recipient. */
static bool is_about(const struct store_select *select, const struct model_message *message)
{
    struct arena *arena;
    if (select->subject == NULL && select->to == NULL) {
        return true;
    }
    const struct mail_envelope envelope = model_envelope(message, &arena);
    bool fits = store_select_is_about(select, &envelope);
    arena_free(&arena);
    return fits;
}

bool model_chooses(const struct model *model, const struct store_select *select, const struct model_delivery *delivery)
{
    const struct model_message *message = delivery->message;
    bool state = select->state == NULL ? !store_state_is_settled(delivery->state)
                                       : store_state_of(select->state) == (int)delivery->state;
    return state && is_id(model, select->id, delivery) && is_text(select->message_id, message->message_id) &&
           is_text(select->upstream, delivery->upstream) && is_text(select->folder, delivery->folder) &&
           is_text(select->sender, message->sender) && is_text(select->rule, delivery->rule) &&
           (select->before_ms == 0 || message->received_ms < select->before_ms) &&
           (select->since_ms == 0 || message->received_ms >= select->since_ms) &&
           (!select->tried || delivery->attempts > 0) && is_about(select, message);
}

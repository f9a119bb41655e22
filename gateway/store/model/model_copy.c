/*
 * model_copy - the model as it is now, once more: what a standby has of it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/model/model_private.h"

static void *copy_of(const void *data, size_t size)
{
    void *copy = expect_calloc(1, size + 1);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

static void copy_delivery(struct model_message *message, const struct model_delivery *old)
{
    struct model_delivery *delivery = copy_of(old, sizeof *old);
    char **const texts[] = {&delivery->upstream, &delivery->folder, &delivery->rule, &delivery->fallback,
                            &delivery->doubt};
    delivery->message = message;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = expect_strdup(*texts[i]);
    }
    delivery->tries = copy_of(old->tries, old->try_count * sizeof *old->tries);
    delivery->notes = copy_of(old->notes, old->note_count * sizeof *old->notes);
    for (size_t i = 0; i < old->note_count; i++) {
        delivery->notes[i].text = expect_strdup(old->notes[i].text);
    }
    model_copy_bytes(&delivery->detail, buf_bytes(&old->detail));
    list_init(&delivery->link);
    list_append(&message->deliveries, &delivery->link);
}

static void copy_message(struct model *model, struct model_message *old)
{
    struct model_message *message = copy_of(old, sizeof *old);
    message->id = expect_strdup(old->id);
    message->sender = expect_strdup(old->sender);
    message->message_id = old->message_id == NULL ? NULL : expect_strdup(old->message_id);
    model_copy_bytes(&message->envelope, buf_bytes(&old->envelope));
    model_copy_bytes(&message->body, buf_bytes(&old->body));
    list_init(&message->deliveries);
    LIST_EACH(link, &old->deliveries)
    {
        copy_delivery(message, model_delivery_at(link));
    }
    list_init(&message->link);
    list_append(&model->messages, &message->link);
}

/* Values of one size; or, with size 0, texts. */
static void copy_map(struct map *to, const struct map *from, size_t size)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (map_next(from, &cursor, &key, &value)) {
        EXPECT(map_set(to, key, size == 0 ? expect_strdup(value) : copy_of(value, size)) == 0);
    }
}

struct store *model_copy(struct store *store)
{
    struct model *old = model_of(store);
    struct store *made = NULL;
    const struct store_options options = {.path = "", .wall = old->wall, .clock = old->clock};
    EXPECT(model_store.open(&made, &options, NULL) == 0);
    struct model *model = model_of(made);
    model->run = old->run;
    model->next_message = old->next_message;
    model->learnt = old->learnt;
    model->unlearnt = old->unlearnt;
    model->unlearnt_ms = old->unlearnt_ms;
    LIST_EACH(link, &old->messages)
    {
        copy_message(model, model_message_at(link));
    }
    copy_map(model->pauses, old->pauses, sizeof(struct model_pause));
    copy_map(model->memos, old->memos, 0);
    copy_map(model->cursors, old->cursors, sizeof(int64_t));
    model_node_copy_all(model, old);
    return made;
}

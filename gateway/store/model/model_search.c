/*
 * model_search - SEARCH, LEARN and ERASE in the model: every message is looked at, so there is nothing to learn; what
 * is counted all the same is what callers see of it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/model/model_private.h"
#include "store/store_meta.h"

static bool delivery_fits(const struct mail_query *query, struct model_message *message)
{
    bool fits =
        list_is_empty(&message->deliveries) && mail_query_fits_delivery(query, MAIL_QUERY_DISCARDED, "", "", "");
    LIST_EACH(link, &message->deliveries)
    {
        const struct model_delivery *delivery = model_delivery_at(link);
        fits = fits || mail_query_fits_delivery(query, store_state_name(delivery->state), delivery->upstream,
                                                delivery->folder, delivery->rule);
    }
    return fits;
}

bool model_fits(const struct store_search *search, struct model_message *message)
{
    struct arena *arena;
    bool behind = search->before != 0 && message->seq >= search->before;
    if (behind || (search->query->of_delivery && !delivery_fits(search->query, message))) {
        return false;
    }
    const struct mail_envelope envelope = model_envelope(message, &arena);
    bool fits = mail_query_fits(search->query, &envelope);
    arena_free(&arena);
    return fits;
}

void model_erase(struct model *model, struct store_erase *erase)
{
    erase->erased = erase->open = erase->next = 0;
    struct list *link = model->messages.prev;
    while (link != &model->messages) {
        struct model_message *message = model_message_at(link);
        struct arena *arena;
        link = link->prev;
        const struct mail_envelope envelope = model_envelope(message, &arena);
        bool mentions = mail_query_mentions(&envelope, erase->address);
        arena_free(&arena);
        if (mentions && message->open > 0) {
            erase->open++;
        } else if (mentions) {
            model_forget(message);
            erase->erased++;
        }
    }
}

/* The settled one behind the mark that was settled first, before before_ms; or NULL. */
static struct model_message *next_to_unlearn(struct model *model, int64_t before_ms)
{
    struct model_message *found = NULL;
    LIST_EACH(link, &model->messages)
    {
        struct model_message *message = model_message_at(link);
        bool behind = message->settled_ms > model->unlearnt_ms ||
                      (message->settled_ms == model->unlearnt_ms && message->seq > model->unlearnt);
        if (message->open == 0 && message->settled_ms < before_ms && behind &&
            (found == NULL || message->settled_ms < found->settled_ms)) {
            found = message;
        }
    }
    return found;
}

static void unlearn_message(struct model_message *message)
{
    struct arena *arena;
    struct mail_envelope envelope = model_envelope(message, &arena);
    bool known = envelope.subject != NULL || envelope.header_from_count + envelope.header_to_count > 0;
    envelope.subject = NULL;
    envelope.header_from_count = envelope.header_to_count = 0;
    if (known) {
        buf_clear(&message->envelope);
        store_meta_write_envelope(&message->envelope, &envelope);
    }
    arena_free(&arena);
}

void model_learn(struct model *model, struct store_learn *learn)
{
    learn->learnt = learn->unlearnt = 0;
    LIST_EACH(link, &model->messages)
    {
        const struct model_message *message = model_message_at(link);
        if (message->seq > model->learnt && learn->learnt < learn->limit) {
            model->learnt = message->seq;
            learn->learnt++;
        }
    }
    struct model_message *message;
    while (learn->unlearnt < learn->limit &&
           (message = next_to_unlearn(model, model_now(model) - (int64_t)learn->keep_ms)) != NULL) {
        unlearn_message(message);
        model->unlearnt_ms = message->settled_ms;
        model->unlearnt = message->seq;
        learn->unlearnt++;
    }
}

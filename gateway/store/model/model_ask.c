/*
 * model_ask - questions to the model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "store/model/model_private.h"

struct asking {
    struct model *model;
    const struct store_question *question;
    store_row_fn *fn;
    void *ctx;
    uint64_t told;
    bool stop;
};

static void tell_row(struct asking *asking, const struct store_answer_row *row)
{
    asking->told++;
    asking->stop = asking->fn(asking->ctx, row) != 0;
}

/* ---- rows ---- */

static struct store_message_row message_row(const struct model_message *message)
{
    return (struct store_message_row){
        .message = message->seq,
        .id = message->id,
        .sender = message->sender,
        .received_ms = message->received_ms,
        .open = message->open,
        .settled_ms = message->settled_ms,
        .place = {.segment = message->open > 0, .body_len = message->body_len, .body_sum = message->body_sum},
        .envelope = buf_bytes(&message->envelope),
    };
}

static struct store_attempt_row attempt_row(const struct model_attempt *attempt)
{
    return (struct store_attempt_row){
        .attempt = attempt->number,
        .at_ms = attempt->at_ms,
        .class = fault_class_name(attempt->what.class),
        .code = attempt->what.code,
        .during = attempt->what.where,
        .text = attempt->what.text,
    };
}

static struct store_delivery_row delivery_row(const struct model_delivery *delivery)
{
    return (struct store_delivery_row){
        .key = {delivery->message->seq, delivery->number},
        .state = delivery->state,
        .upstream = delivery->upstream,
        .folder = delivery->folder,
        .rule = delivery->rule,
        .due_ms = delivery->due_ms,
        .changed_ms = delivery->changed_ms,
        .attempts = delivery->attempts,
        .uncertain = delivery->uncertain,
        .handed = delivery->handed != 0,
        .doubt = delivery->doubt,
        .uidvalidity = delivery->uidvalidity,
        .uid = delivery->uid,
        .detail = buf_bytes(&delivery->detail),
    };
}

/* ---- questions ---- */

/* The attempt with the highest number, or NULL. */
static const struct model_attempt *last_try(const struct model_delivery *delivery)
{
    const struct model_attempt *last = NULL;
    for (size_t i = 0; i < delivery->try_count; i++) {
        last = last == NULL || delivery->tries[i].number > last->number ? &delivery->tries[i] : last;
    }
    return last;
}

static bool comes_after(const struct store_select *select, const struct model_delivery *delivery)
{
    bool is_last = delivery->message->seq == select->after.message && delivery->number == select->after.number;
    return model_is_behind(delivery, select->after) != select->newest && !is_last;
}

static void list_one(struct asking *asking, const struct model_delivery *delivery)
{
    const struct store_question *question = asking->question;
    if (asking->stop || (question->limit != 0 && asking->told >= question->limit) ||
        !model_chooses(asking->model, question->select, delivery) ||
        (question->select->after.message != 0 && !comes_after(question->select, delivery))) {
        return;
    }
    const struct model_attempt *last = last_try(delivery);
    const struct store_message_row message = message_row(delivery->message);
    struct store_attempt_row attempt;
    struct store_answer_row row = {.kind = STORE_ROW_DELIVERY, .delivery = delivery_row(delivery)};
    row.delivery.of = &message;
    if (last != NULL) {
        attempt = attempt_row(last);
        row.delivery.last = &attempt;
    }
    tell_row(asking, &row);
}

static void ask_newest(struct asking *asking)
{
    struct list *messages = &asking->model->messages;
    for (struct list *link = messages->prev; link != messages; link = link->prev) {
        struct list *deliveries = &model_message_at(link)->deliveries;
        for (struct list *inner = deliveries->prev; inner != deliveries; inner = inner->prev) {
            list_one(asking, model_delivery_at(inner));
        }
    }
}

static void ask_list(struct asking *asking)
{
    if (asking->question->select->newest) {
        ask_newest(asking);
        return;
    }
    LIST_EACH(link, &asking->model->messages)
    {
        LIST_EACH(inner, &model_message_at(link)->deliveries)
        {
            list_one(asking, model_delivery_at(inner));
        }
    }
}

static int compare_tries(const void *a, const void *b)
{
    unsigned x = ((const struct model_attempt *)a)->number, y = ((const struct model_attempt *)b)->number;
    return x < y ? -1 : x > y;
}

static int compare_notes(const void *a, const void *b)
{
    int64_t x = ((const struct model_note *)a)->at_ms, y = ((const struct model_note *)b)->at_ms;
    return x < y ? -1 : x > y;
}

static void tell_delivery(struct asking *asking, struct model_delivery *delivery)
{
    tell_row(asking, &(struct store_answer_row){.kind = STORE_ROW_DELIVERY, .delivery = delivery_row(delivery)});
    if (delivery->try_count > 0) {
        qsort(delivery->tries, delivery->try_count, sizeof *delivery->tries, compare_tries);
    }
    if (delivery->note_count > 0) {
        qsort(delivery->notes, delivery->note_count, sizeof *delivery->notes, compare_notes);
    }
    for (size_t i = 0; !asking->stop && i < delivery->try_count; i++) {
        tell_row(asking,
                 &(struct store_answer_row){.kind = STORE_ROW_ATTEMPT, .attempt = attempt_row(&delivery->tries[i])});
    }
    for (size_t i = 0; !asking->stop && i < delivery->note_count; i++) {
        const struct model_note *note = &delivery->notes[i];
        tell_row(asking, &(struct store_answer_row){.kind = STORE_ROW_NOTE, .note = {note->at_ms, note->text}});
    }
}

static void ask_counted(struct asking *asking)
{
    int64_t since_ms = model_now(asking->model) - (int64_t)asking->question->within_ms;
    LIST_EACH(link, &asking->model->messages)
    {
        struct model_message *message = model_message_at(link);
        bool says = bytes_find(buf_bytes(&message->envelope), bytes_of("\"counted\":")) >= 0;
        if (!asking->stop && says && message->received_ms > since_ms && message->unheard_ms == 0) {
            tell_row(asking, &(struct store_answer_row){.kind = STORE_ROW_MESSAGE, .message = message_row(message)});
        }
    }
}

static void ask_story(struct asking *asking)
{
    LIST_EACH(link, &asking->model->messages)
    {
        struct model_message *message = model_message_at(link);
        if (message->seq != asking->question->message) {
            continue;
        }
        tell_row(asking, &(struct store_answer_row){.kind = STORE_ROW_MESSAGE, .message = message_row(message)});
        LIST_EACH(inner, &message->deliveries)
        {
            if (!asking->stop) {
                tell_delivery(asking, model_delivery_at(inner));
            }
        }
    }
}

/* The last message first. */
static void ask_search(struct asking *asking)
{
    struct store_search *search = asking->question->search;
    uint64_t found = 0;
    search->next = 0;
    for (struct list *link = asking->model->messages.prev; link != &asking->model->messages; link = link->prev) {
        struct model_message *message = model_message_at(link);
        if (asking->stop || !model_fits(search, message)) {
            continue;
        }
        tell_row(asking, &(struct store_answer_row){.kind = STORE_ROW_MESSAGE, .message = message_row(message)});
        LIST_EACH(inner, &message->deliveries)
        {
            const struct store_answer_row row = {.kind = STORE_ROW_DELIVERY,
                                                 .delivery = delivery_row(model_delivery_at(inner))};
            if (!asking->stop) {
                tell_row(asking, &row);
            }
        }
        asking->stop = asking->stop || ++found == search->limit;
        search->next = asking->stop ? message->seq : 0;
    }
}

static bool is_called(const struct model_message *message, const char *what)
{
    char brackets[1000];
    const char *dot = strrchr(what, '.'), *field = message->message_id;
    size_t len = dot == NULL ? strlen(what) : (size_t)(dot - what);
    snprintf(brackets, sizeof brackets, "<%s>", what);
    bool is_head = units_is_id_head(bytes_at(what, len));
    return strcmp(message->id, what) == 0 ||
           ((is_head || strlen(message->id) == len) && strncmp(message->id, what, len) == 0) ||
           (field != NULL && (strcmp(field, what) == 0 || strcmp(field, brackets) == 0));
}

static bool was_filed(const struct model_message *message, const struct store_question *question)
{
    bool was = false;
    LIST_EACH(link, &message->deliveries)
    {
        const struct model_delivery *delivery = model_delivery_at(link);
        was = was ||
              (delivery->state == STORE_STATE_FILED && question->uid > 0 && delivery->uid == question->uid &&
               strcmp(delivery->upstream, question->upstream) == 0 && strcmp(delivery->folder, question->folder) == 0);
    }
    return was;
}

static void ask_find(struct asking *asking)
{
    const struct store_question *question = asking->question;
    LIST_EACH(link, &asking->model->messages)
    {
        const struct model_message *message = model_message_at(link);
        bool found =
            question->kind == STORE_ASK_FIND ? is_called(message, question->what) : was_filed(message, question);
        if (found && !asking->stop && (question->limit == 0 || asking->told < question->limit)) {
            tell_row(asking, &(struct store_answer_row){.kind = STORE_ROW_FOUND, .found = message->seq});
        }
    }
}

static void count_one(struct store_tally_row *tally, const struct model_delivery *delivery)
{
    if (strcmp(delivery->upstream, tally->upstream) == 0 && !store_state_is_settled(delivery->state)) {
        tally->waiting += delivery->state == STORE_STATE_WAITING;
        tally->held += delivery->state == STORE_STATE_HELD;
        tally->dead += delivery->state == STORE_STATE_DEAD;
        int64_t received_ms = delivery->message->received_ms;
        if (delivery->state == STORE_STATE_WAITING && received_ms < tally->oldest_ms) {
            tally->oldest_ms = received_ms;
        }
    }
}

/* The first upstream behind `after` in order of names that has an open delivery; or NULL. */
static const char *next_upstream(const struct model *model, const char *after)
{
    const char *found = NULL;
    LIST_EACH(link, &model->messages)
    {
        LIST_EACH(inner, &model_message_at(link)->deliveries)
        {
            const struct model_delivery *delivery = model_delivery_at(inner);
            if (!store_state_is_settled(delivery->state) && (after == NULL || strcmp(delivery->upstream, after) > 0) &&
                (found == NULL || strcmp(delivery->upstream, found) < 0)) {
                found = delivery->upstream;
            }
        }
    }
    return found;
}

/* The pause of the first upstream behind `after` in order of names; or NULL. */
static const struct model_pause *next_pause(const struct model *model, const char *after)
{
    const struct model_pause *found = NULL;
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (map_next(model->pauses, &cursor, &key, &value)) {
        const struct model_pause *pause = value;
        if ((after == NULL || strcmp(pause->upstream, after) > 0) &&
            (found == NULL || strcmp(pause->upstream, found->upstream) < 0)) {
            found = pause;
        }
    }
    return found;
}

static void tell_pauses(struct asking *asking)
{
    const struct model_pause *pause = NULL;
    while (!asking->stop && (pause = next_pause(asking->model, pause == NULL ? NULL : pause->upstream)) != NULL) {
        tell_row(asking, &(struct store_answer_row){
                             .kind = STORE_ROW_PAUSE,
                             .pause = {.upstream = pause->upstream, .since_ms = pause->since_ms, .by = pause->by}});
    }
}

static void tell_memos(struct asking *asking)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (!asking->stop && map_next(asking->model->memos, &cursor, &key, &value)) {
        char *name = expect_calloc(1, key.len + 1);
        memcpy(name, key.ptr, key.len);
        tell_row(asking, &(struct store_answer_row){.kind = STORE_ROW_MEMO, .memo = {name, value}});
        free(name);
    }
}

static void ask_summary(struct asking *asking)
{
    const char *name = NULL;
    while (!asking->stop && (name = next_upstream(asking->model, name)) != NULL) {
        struct store_answer_row row = {.kind = STORE_ROW_TALLY, .tally = {.upstream = name, .oldest_ms = INT64_MAX}};
        LIST_EACH(link, &asking->model->messages)
        {
            LIST_EACH(inner, &model_message_at(link)->deliveries)
            {
                count_one(&row.tally, model_delivery_at(inner));
            }
        }
        row.tally.oldest_ms = row.tally.oldest_ms == INT64_MAX ? 0 : row.tally.oldest_ms;
        tell_row(asking, &row);
    }
    tell_pauses(asking);
}

void model_count(struct model *model, struct store_counts *counts_r)
{
    *counts_r = (struct store_counts){0};
    LIST_EACH(link, &model->messages)
    {
        counts_r->messages += model_message_at(link)->open > 0;
        LIST_EACH(inner, &model_message_at(link)->deliveries)
        {
            enum store_state state = model_delivery_at(inner)->state;
            counts_r->waiting += state == STORE_STATE_WAITING;
            counts_r->held += state == STORE_STATE_HELD;
            counts_r->dead += state == STORE_STATE_DEAD;
        }
    }
}

int model_ask(struct store *store, const struct store_question *question, store_row_fn *fn, void *ctx,
              struct fault *fault)
{
    struct asking asking = {.model = model_of(store), .question = question, .fn = fn, .ctx = ctx};
    struct store_answer_row counts = {.kind = STORE_ROW_COUNTS};
    (void)fault;
    switch (question->kind) {
    case STORE_ASK_LIST:
        ask_list(&asking);
        break;
    case STORE_ASK_STORY:
        ask_story(&asking);
        break;
    case STORE_ASK_FIND:
    case STORE_ASK_FILED:
        ask_find(&asking);
        break;
    case STORE_ASK_SUMMARY:
        ask_summary(&asking);
        break;
    case STORE_ASK_PAUSES:
        tell_pauses(&asking);
        break;
    case STORE_ASK_MEMOS:
        tell_memos(&asking);
        break;
    case STORE_ASK_SEARCH:
        ask_search(&asking);
        break;
    case STORE_ASK_COUNTS:
        model_count(asking.model, &counts.counts);
        tell_row(&asking, &counts);
        break;
    case STORE_ASK_COUNTED:
        ask_counted(&asking);
        break;
    }
    return 0;
}

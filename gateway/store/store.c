/*
 * store - the words of the door; see store.h.
 */
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/log.h"
#include "store/store_batch.h"
#include "store/store_meta.h"
#include "store/store_sum.h"

static const char *const states[] = {
    [STORE_STATE_WAITING] = "waiting", [STORE_STATE_HELD] = "held",       [STORE_STATE_DEAD] = "dead",
    [STORE_STATE_FILED] = "filed",     [STORE_STATE_DROPPED] = "dropped", [STORE_STATE_MOVED] = "moved",
};
_Static_assert(sizeof states / sizeof states[0] == STORE_STATES, "each state has a word");

const char *store_state_name(enum store_state state)
{
    return (size_t)state < STORE_STATES ? states[state] : "unknown";
}

bool store_state_is_settled(enum store_state state)
{
    return state == STORE_STATE_FILED || state == STORE_STATE_DROPPED || state == STORE_STATE_MOVED;
}

int store_state_of(const char *name)
{
    for (int i = 0; i < STORE_STATES; i++) {
        if (strcmp(states[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

uint64_t store_turn_of(const char *sender, const char *folder)
{
    struct store_sum *sum = store_sum_new();
    /* With its final NUL, so that "ab" + "c" is another turn than "a" + "bc". */
    store_sum_add(sum, bytes_at(sender, strlen(sender) + 1));
    store_sum_add(sum, bytes_of(folder));
    uint64_t turn = store_sum_value(sum);
    store_sum_free(&sum);
    return turn;
}

/* The address with its domain in lower case (RFC 5321 section 2.4). The caller frees it. */
static char *plain_address(const char *address)
{
    char *plain = expect_strdup(address);
    char *at = strrchr(plain, '@');
    for (char *c = at == NULL ? plain + strlen(plain) : at; *c != '\0'; c++) {
        *c = (char)octet_lower((uint8_t)*c);
    }
    return plain;
}

static int compare_addresses(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* LMTP answers each recipient in their order, by the numbers that its deliveries got from it (RFC 2033). */
static bool is_in_order(const struct mail_envelope *envelope)
{
    return envelope->client.protocol != NULL && strstr(envelope->client.protocol, "LMTP") != NULL;
}

/* Each one once, in an order of our own: a queue that tries again may name them in another. */
static void add_recipients(struct store_sum *sum, const struct mail_envelope *envelope)
{
    char **plain = expect_calloc(envelope->to_count + 1, sizeof *plain);
    for (size_t i = 0; i < envelope->to_count; i++) {
        plain[i] = plain_address(envelope->to[i].address);
    }
    bool is_ordered = is_in_order(envelope);
    if (!is_ordered) {
        qsort(plain, envelope->to_count, sizeof *plain, compare_addresses);
    }
    for (size_t i = 0; i < envelope->to_count; i++) {
        if (is_ordered || i == 0 || strcmp(plain[i], plain[i - 1]) != 0) {
            store_sum_add(sum, bytes_at(plain[i], strlen(plain[i]) + 1));
        }
    }
    for (size_t i = 0; i < envelope->to_count; i++) {
        free(plain[i]);
    }
    free(plain);
}

uint64_t store_print_of(const struct mail_envelope *envelope)
{
    char *from = plain_address(envelope->from);
    const char *listener = envelope->client.listener == NULL ? "" : envelope->client.listener;
    const char *user = envelope->client.user == NULL ? "" : envelope->client.user;
    struct store_sum *sum = store_sum_new();
    store_sum_add(sum, bytes_at(listener, strlen(listener) + 1));
    store_sum_add(sum, bytes_at(user, strlen(user) + 1));
    store_sum_add(sum, bytes_at(from, strlen(from) + 1));
    free(from);
    add_recipients(sum, envelope);
    uint64_t print = store_sum_value(sum);
    store_sum_free(&sum);
    /* 0 stands for none. Two prints in one cost nothing: a twin has the same body, too. */
    return print == 0 ? 1 : print;
}

/* ---- rows ---- */

struct store_row store_row_of(const struct mail_delivery *delivery, const char *sender, struct buf *out)
{
    size_t start = out->len;
    store_meta_write_delivery(out, delivery);
    return (struct store_row){
        .number = delivery->number,
        .state = delivery->held ? STORE_STATE_HELD : STORE_STATE_WAITING,
        .upstream = delivery->upstream,
        .folder = delivery->folder,
        .rule = delivery->rule,
        /* The index looks for what may leave by this column alone; which way it goes, the delivery says. */
        .fallback = delivery->fallback != NULL          ? delivery->fallback
                    : mail_delivery_may_leave(delivery) ? delivery->upstream
                                                        : NULL,
        .turn = store_turn_of(sender, delivery->folder),
        .doubt = delivery->doubt,
        .detail = bytes_from(buf_bytes(out), start),
    };
}

static bool has_part(const char *text, const char *part)
{
    struct bytes whole = bytes_of(text == NULL ? "" : text), wanted = bytes_of(part);
    for (size_t i = 0; i + wanted.len <= whole.len; i++) {
        if (bytes_equal_nocase(bytes_slice(whole, i, wanted.len), wanted)) {
            return true;
        }
    }
    return false;
}

bool store_select_is_about(const struct store_select *select, const struct mail_envelope *envelope)
{
    bool to = select->to == NULL;
    for (size_t i = 0; i < envelope->to_count && !to; i++) {
        to = has_part(envelope->to[i].address, select->to);
    }
    return to &&
           (select->subject == NULL || (envelope->subject != NULL && has_part(envelope->subject, select->subject)));
}

bool store_doubt_is_noted(const char *doubt)
{
    struct bytes rest = bytes_of(doubt == NULL ? "" : doubt);
    bool is_noted = false;
    while (rest.len > 0 && !is_noted) {
        is_noted = bytes_is(bytes_cut(&rest, ' '), STORE_DOUBT_NOTED);
    }
    return is_noted;
}

/* ---- what goes elsewhere ---- */

static bool is_known(void *ctx, const char *name)
{
    const struct store_divert *divert = ctx;
    bool known = strcmp(divert->upstream, name) == 0;
    for (size_t i = 0; i < divert->known_count && !known; i++) {
        known = strcmp(divert->known[i], name) == 0;
    }
    return known;
}

int store_divert_goes(struct store_divert *divert, struct mail_delivery *delivery, struct store_diverted *diverted_r)
{
    uint64_t wait_ms;
    ptrdiff_t index = mail_delivery_way_out(delivery, &divert->trouble, is_known, divert, &wait_ms);
    if (index < 0) {
        divert->wait_ms = wait_ms < divert->wait_ms ? wait_ms : divert->wait_ms;
        return 0;
    }
    struct mail_way way = mail_delivery_way(delivery, (size_t)index);
    /* Both may be so; the one that opens this way is told. */
    uint64_t after = way.down_ms == 0 ? divert->trouble.patience_ms : way.down_ms;
    diverted_r->is_full = !(way.down && divert->trouble.down && divert->trouble.down_ms >= after);
    diverted_r->is_renamed = way.folder != NULL && strcmp(way.folder, delivery->folder) != 0;
    if (mail_delivery_go(delivery, &way, divert->arena) != 0) {
        return -1;
    }
    delivery->held = false;
    /* Nothing is known of the folder that it goes to; of an earlier one, that a copy may lie there. */
    delivery->doubt = store_doubt_is_noted(delivery->doubt) ? STORE_DOUBT_NOTED : NULL;
    diverted_r->upstream = delivery->upstream;
    diverted_r->folder = delivery->folder;
    return 1;
}

void store_divert_note(const struct store_divert *divert, const struct store_diverted *diverted, int64_t now_ms,
                       char note[STORE_NOTE_MAX])
{
    const struct mail_trouble *trouble = &divert->trouble;
    char since[25];
    log_time(now_ms - (int64_t)(diverted->is_full ? trouble->full_ms : trouble->down_ms), since);
    snprintf(note, STORE_NOTE_MAX, "went to %s%s%s%s as delivery %u: %s had been %s since %s",
             diverted->is_renamed ? "" : "its fallback ", diverted->upstream, diverted->is_renamed ? ":" : "",
             diverted->is_renamed ? diverted->folder : "", diverted->to, divert->upstream,
             diverted->is_full ? "full" : "down", since);
}

void store_finish_note(const struct store_finish *finish, char note[STORE_NOTE_MAX])
{
    snprintf(note, STORE_NOTE_MAX, "goes to %s:%s: %s", finish->instead->upstream, finish->instead->folder,
             finish->note == NULL ? "the folder is refused" : finish->note);
}

/* ---- what operators do ---- */

static const struct {
    unsigned from; /* a bit for each state */
    enum store_state to;
    const char *word;
} verbs[] = {
    /* What is held does not go by a retry: whoever held it had a reason, and "retry all" is typed by others. */
    [STORE_RETRY] = {1u << STORE_STATE_WAITING | 1u << STORE_STATE_DEAD, STORE_STATE_WAITING, "retried"},
    [STORE_HOLD] = {1u << STORE_STATE_WAITING | 1u << STORE_STATE_DEAD, STORE_STATE_HELD, "held"},
    [STORE_RELEASE] = {1u << STORE_STATE_HELD, STORE_STATE_WAITING, "released"},
    [STORE_DROP] = {1u << STORE_STATE_WAITING | 1u << STORE_STATE_HELD | 1u << STORE_STATE_DEAD, STORE_STATE_DROPPED,
                    "dropped"},
};

bool store_verb_next(enum store_verb verb, enum store_state from, enum store_state *to_r)
{
    *to_r = verbs[verb].to;
    return (verbs[verb].from & 1u << from) != 0;
}

bool store_verb_spares(const struct store_set_state *set, bool is_doubtful)
{
    return set->verb == STORE_DROP && is_doubtful && !set->again;
}

const char *store_verb_done(enum store_verb verb)
{
    return verbs[verb].word;
}

void store_batch_init(struct store_batch *batch)
{
    *batch = (struct store_batch){.count = 0};
    list_init(&batch->ops);
    list_init(&batch->chores);
}

void store_batch_add(struct store_batch *batch, struct store_op *op)
{
    list_append(&batch->ops, &op->link);
    batch->count++;
}

void store_batch_fail(struct store_batch *batch, const struct fault *fault)
{
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        /* An op that failed by itself keeps its own fault: that is final, while the batch's may be over in a moment. */
        if (!fault_is_set(&op->fault)) {
            op->fault = *fault;
            op->failed_with_batch = true;
        }
    }
}

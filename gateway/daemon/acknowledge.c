/* acknowledge - the sender's answer comes from the upstreams. Contract: acknowledge.h. */
#include "daemon/acknowledge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/map.h"
#include "spool/spool_change.h"

/* Octets of a reply that name mailboxes (RFC 5321 section 4.5.3.1.5: 512 in all). */
#define FILED_MAX 200
/* As many as there can be sessions. */
#define WAITING_MAX 1000000

struct acknowledge {
    struct net_loop *loop;
    struct spool *spool;
    struct log *log;
    struct map *waiting; /* of struct wait by message id */
};

/* One delivery whose outcome is known. */
struct heard {
    struct reception_delivered delivered; /* number 0: of an earlier wait for the same message, no longer true */
    char *id;
    char *text; /* of the answer; NULL when it is filed */
};

struct wait {
    struct acknowledge *acknowledge; /* NULL when that is gone */
    char id[48];
    size_t count, left;    /* deliveries in all, and those that are open */
    size_t refused;        /* for good, of those that are not open ... */
    struct fault refusal;  /* ... the first of them */
    char filed[FILED_MAX]; /* the mailboxes of those that are filed, with commas; as many names as fit */
    bool each;             /* all are waited for, and each has an answer of its own */
    struct heard *heard;   /* those that are not open */
    size_t heard_count;
    struct net_timer *timer;
    reception_delivered_fn *done; /* NULL when the sender was answered */
    void *ctx;
    bool busy;      /* what was to be dropped is being delivered right now */
    unsigned drops; /* requests to drop what is open that are under way */
};

struct acknowledge *acknowledge_new(struct net_loop *loop, struct spool *spool, struct log *log)
{
    struct acknowledge *acknowledge = expect_calloc(1, sizeof *acknowledge);
    acknowledge->loop = loop;
    acknowledge->spool = spool;
    acknowledge->log = log;
    /* Without a seed: the keys are our own ids, and no peer chooses them. */
    acknowledge->waiting = map_new(WAITING_MAX, NULL);
    return acknowledge;
}

static void forget_heard(struct wait *wait)
{
    for (size_t i = 0; i < wait->heard_count; i++) {
        free(wait->heard[i].id);
        free(wait->heard[i].text);
    }
    free(wait->heard);
    wait->heard = NULL;
    wait->heard_count = 0;
}

/* A wait whose request to drop is under way ends when that is answered. */
static void wait_free(struct wait *wait)
{
    /* Out of the map first: the same message may come again before the drop is answered, and waits anew. */
    if (wait->acknowledge != NULL) {
        map_remove(wait->acknowledge->waiting, bytes_of(wait->id));
        wait->acknowledge = NULL;
    }
    net_timer_free(&wait->timer);
    if (wait->drops == 0) {
        forget_heard(wait);
        free(wait);
    }
}

static void answer_sender(struct wait *wait, const struct smtpd_answer *what)
{
    reception_delivered_fn *done = wait->done;
    wait->done = NULL;
    net_timer_stop(wait->timer);
    if (done == NULL) {
        return;
    }
    struct reception_delivered *each = expect_calloc(wait->heard_count + 1, sizeof *each);
    size_t count = 0;
    for (size_t i = 0; wait->each && i < wait->heard_count; i++) {
        if (wait->heard[i].delivered.number != 0) {
            each[count++] = wait->heard[i].delivered;
        }
    }
    done(wait->ctx, what, each, count);
    free(each);
}

/* ---- giving up: what is open is dropped; what is being delivered right now has its say first ---- */

static void on_dropped(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    struct wait *wait = ctx;
    wait->drops--;
    if (wait->acknowledge == NULL) {
        wait_free(wait);
        return;
    }
    /* What is busy brings its outcome here, and is dropped then. */
    wait->busy = wait->busy || (fault == NULL && result->busy > 0);
    if (!wait->busy && wait->drops == 0 && wait->done == NULL) {
        wait_free(wait);
    }
}

/* id: the message's, or one delivery's; it lives as long as the wait. */
static void drop_open(struct wait *wait, const char *id)
{
    const struct store_select select = {.id = id};
    /* Also what is in doubt: its doubt stays with the message, which is known again when its sender repeats it. */
    const struct spool_asker asker = {.by = "acknowledge", .again = true, .done = on_dropped, .ctx = wait};
    wait->drops++;
    spool_change(wait->acknowledge->spool, STORE_DROP, &select, &asker);
}

static void give_up_delivery(struct wait *wait, const struct smtpd_answer *what)
{
    log_event(wait->acknowledge->log, LOG_LEVEL_WARNING, "not_acknowledged", LOG_STR("id", wait->id),
              LOG_INT("open", wait->left), LOG_INT("reply.code", what->code), LOG_STR("reply.text", what->text));
    /* In this order: what the sender hands in again comes behind the drop in the spool, and is then due once. */
    if (wait->drops == 0 || wait->each) {
        drop_open(wait, wait->id);
    }
    answer_sender(wait, what);
}

static void on_sender_timeout(void *ctx)
{
    const struct smtpd_answer what = *smtpd_reply_get(SMTPD_REPLY_UPSTREAM_TIMEOUT);
    give_up_delivery(ctx, &what);
}

/* ---- hooks ---- */

static struct wait *wait_new(struct acknowledge *acknowledge, const char *id)
{
    struct wait *wait = expect_calloc(1, sizeof *wait);
    wait->acknowledge = acknowledge;
    snprintf(wait->id, sizeof wait->id, "%s", id);
    wait->timer = net_timer_new(acknowledge->loop, on_sender_timeout, wait);
    EXPECT(map_set(acknowledge->waiting, bytes_of(wait->id), wait) == 0);
    return wait;
}

static bool await_delivery(void *ctx, const struct reception_awaited *awaited, reception_delivered_fn *done,
                           void *done_ctx)
{
    struct acknowledge *acknowledge = ctx;
    struct wait *wait = map_get(acknowledge->waiting, bytes_of(awaited->id));
    if (wait != NULL && wait->done != NULL) {
        return false;
    }
    if (wait == NULL) {
        wait = wait_new(acknowledge, awaited->id);
    }
    for (size_t i = 0; i < wait->heard_count; i++) {
        wait->heard[i].delivered.number = 0; /* not forgotten: a request that is under way may still read the id */
    }
    wait->busy = false;
    wait->count = wait->left = awaited->count;
    wait->each = awaited->each;
    wait->refused = 0;
    wait->refusal = FAULT_INIT;
    wait->filed[0] = '\0';
    wait->done = done;
    wait->ctx = done_ctx;
    net_timer_start(wait->timer, awaited->timeout_ms);
    return true;
}

static void forget_delivery(void *ctx, const char *id)
{
    struct acknowledge *acknowledge = ctx;
    struct wait *wait = map_get(acknowledge->waiting, bytes_of(id));
    if (wait != NULL) {
        wait_free(wait);
    }
}

void acknowledge_hooks(struct acknowledge *acknowledge, struct reception_hooks *hooks)
{
    hooks->await_delivery = await_delivery;
    hooks->forget_delivery = forget_delivery;
    hooks->delivery_ctx = acknowledge;
}

/* ---- outcomes ---- */

/* A name that does not fit is left out, and those behind it. */
static void note_filed(struct wait *wait, const char *mailbox)
{
    size_t len = strlen(wait->filed), room = sizeof wait->filed - len;
    bool is_cut = len >= 3 && strcmp(wait->filed + len - 3, "...") == 0;
    if (!is_cut && strlen(mailbox) + 10 < room) {
        snprintf(wait->filed + len, room, "%s%s", len > 0 ? ", " : "", mailbox);
    } else if (!is_cut) {
        snprintf(wait->filed + len, room, "%s...", len > 0 ? ", " : "");
    }
}

/* 5xx only where no repetition can help: for all else the sender keeps the message and comes again. */
static bool is_final(const struct fault *fault, enum spool_outcome_kind kind)
{
    return kind == SPOOL_DEAD && fault->class == FAULT_PERM;
}

/* Into text, which must live as long as the answer. */
static struct smtpd_answer answer_of(const struct wait *wait, const struct fault *fault, enum spool_outcome_kind kind,
                                     char *text, size_t size)
{
    size_t filed = wait->count - wait->left - wait->refused;
    bool final = is_final(fault, kind);
    snprintf(text, size, "the mailbox server says: %s", fault->text);
    if (filed > 0 && !wait->each) {
        size_t len = strlen(text);
        snprintf(text + len, size - len, " (%zu of %zu mailboxes have the message and will not get it again: %s)",
                 filed, wait->count, wait->filed);
    }
    return (struct smtpd_answer){final ? 554 : 451, final ? "5.3.0" : "4.3.0", text, SMTPD_REPLY_BY_UPSTREAM};
}

/* What is known of the delivery; a new one is no longer open. */
static struct heard *heard_of(struct wait *wait, const char *delivery, unsigned number)
{
    for (size_t i = 0; i < wait->heard_count; i++) {
        if (wait->heard[i].delivered.number == number) {
            return &wait->heard[i];
        }
    }
    wait->heard = expect_memory(realloc(wait->heard, (wait->heard_count + 1) * sizeof *wait->heard));
    struct heard *heard = &wait->heard[wait->heard_count++];
    *heard = (struct heard){.delivered.number = number, .id = expect_strdup(delivery)};
    wait->left -= wait->left > 0 ? 1 : 0;
    return heard;
}

/* One of several that each have their own answer: the one that fails is dropped, the others are waited for. */
static void hear_outcome(struct wait *wait, const struct dispatch_became *became, unsigned number)
{
    struct heard *heard = heard_of(wait, became->delivery, number);
    char text[sizeof became->fault.text + 160];
    free(heard->text);
    heard->text = NULL;
    heard->delivered.answer = (struct smtpd_answer){0};
    wait->busy = false;
    if (became->kind != SPOOL_FILED) {
        heard->delivered.answer = answer_of(wait, &became->fault, became->kind, text, sizeof text);
        heard->delivered.answer.text = heard->text = expect_strdup(text);
        log_event(wait->acknowledge->log, LOG_LEVEL_WARNING, "not_acknowledged", LOG_STR("id", wait->id),
                  LOG_STR("delivery", became->delivery), LOG_INT("reply.code", heard->delivered.answer.code),
                  LOG_STR("reply.text", heard->text));
        drop_open(wait, heard->id);
    }
    if (wait->done != NULL && wait->left == 0) {
        answer_sender(wait, &(struct smtpd_answer){0});
    }
    if (wait->done == NULL && wait->drops == 0) {
        wait_free(wait);
    }
}

/*
 * Whether this one has said the last of it: filed, or refused for good. It counts once: what was filed and could not be
 * settled is found by a later attempt, here or on a node that it comes back from, and is heard again.
 */
static bool note_last(struct wait *wait, const struct dispatch_became *became, unsigned number)
{
    bool is_filed = became->kind == SPOOL_FILED;
    bool refuses = !is_filed && wait->done != NULL && is_final(&became->fault, became->kind);
    size_t open = wait->left;
    if (!is_filed && !refuses) {
        return false;
    }
    heard_of(wait, became->delivery, number);
    if (wait->left < open && is_filed) {
        note_filed(wait, became->mailbox);
    } else if (wait->left < open) {
        wait->refusal = wait->refused++ == 0 ? became->fault : wait->refusal;
    }
    return true;
}

/* One of several that have one answer together. */
static void hear_for_all(struct wait *wait, const struct dispatch_became *became, unsigned number)
{
    char text[sizeof became->fault.text + FILED_MAX + 160];
    bool is_last = note_last(wait, became, number);
    if (wait->left == 0 && wait->refused == 0 && became->kind == SPOOL_FILED) {
        answer_sender(wait, &(struct smtpd_answer){0});
        wait_free(wait);
        return;
    }
    if (wait->left == 0 && wait->done != NULL && wait->refused > 0) {
        struct smtpd_answer bad = answer_of(wait, &wait->refusal, SPOOL_DEAD, text, sizeof text);
        give_up_delivery(wait, &bad);
        return;
    }
    if (is_last) {
        return; /* the others say what they have, so that the answer can name it */
    }
    wait->busy = false;
    if (wait->done != NULL) {
        struct smtpd_answer bad = answer_of(wait, &became->fault, became->kind, text, sizeof text);
        give_up_delivery(wait, &bad);
    } else if (wait->drops == 0) {
        drop_open(wait, wait->id);
    }
}

void acknowledge_outcome(void *ctx, const struct dispatch_became *became)
{
    struct acknowledge *acknowledge = ctx;
    struct bytes rest = bytes_of(became->delivery);
    struct wait *wait = map_get(acknowledge->waiting, bytes_cut(&rest, '.'));
    uint64_t number = 0;
    if (wait == NULL || became->kind == SPOOL_UNTOUCHED || became->kind == SPOOL_MOVED) {
        /* Untouched: it goes out again, or the gateway ends and answers for all. Moved: the other one answers. */
        return;
    }
    if (became->kind == SPOOL_DEFERRED && wait->done != NULL && became->uncertain) {
        return; /* a look tells, or it is sent again, before the sender's time runs out or not */
    }
    EXPECT(bytes_to_u64(rest, &number) && number > 0);
    if (wait->each) {
        hear_outcome(wait, became, (unsigned)number);
    } else {
        hear_for_all(wait, became, (unsigned)number);
    }
}

void acknowledge_free(struct acknowledge **acknowledge)
{
    const struct smtpd_answer what = *smtpd_reply_get(SMTPD_REPLY_SHUTDOWN_DELIVERY);
    size_t cursor = 0;
    struct bytes key;
    void *value;
    if (*acknowledge == NULL) {
        return;
    }
    while (map_next((*acknowledge)->waiting, &cursor, &key, &value)) {
        struct wait *wait = value;
        answer_sender(wait, &what);
        wait_free(wait);
        /* wait_free() has changed the map, and map_next() goes on only in one that stays as it is. */
        cursor = 0;
    }
    map_free(&(*acknowledge)->waiting, NULL);
    free(*acknowledge);
    *acknowledge = NULL;
}

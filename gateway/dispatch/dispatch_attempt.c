/*
 * dispatch_attempt - one delivery under way: from the spool's item through the pool to its outcome; see dispatch.h.
 *
 * An attempt owns its item until spool_finish(). It ends when both the append was answered and no read of the body is
 * outstanding.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "dispatch/dispatch_private.h"
#include "dispatch/dispatch_report.h"
#include "mail/mail_header.h"
#include "spool/spool_node.h"
#include "store/store_lease.h"

#define HEADER_MAX (256u << 10) /* what edits can see of a header section */

struct dispatch_attempt {
    struct dispatch_upstream *upstream;
    struct spool_item *item;
    struct mail_rope *rope;
    struct upstream_append append;
    uint64_t began_us; /* when the pool got the append */
    bool answered;     /* the pool has given the append back */
    bool remains;      /* it waits in the spool for another attempt */
    int64_t leaves_at; /* when it then goes elsewhere, if its upstream's trouble lasts; INT64_MAX: it does not */
    struct upstream_outcome outcome;
    char *folder;                        /* that the server has for the use that the delivery names; or NULL */
    struct mail_delivery instead;        /* what it is from now on, when it goes elsewhere ... */
    struct dispatch_upstream *elsewhere; /* ... to this upstream; else NULL */
    char *mailbox;                       /* "upstream/folder", for people */
    char *moved_to;                      /* the folder that it was found in, not the one it was filed into; or NULL */
    char *note;                          /* what its history and the log should say of a filed one; or NULL */
    bool set_aside;                      /* it is what ends the server's connections */
    bool too_old;                        /* to be tried on, where it was not filed */
    struct spool_outcome result;         /* what becomes of the delivery, when it is settled */
    const struct spool_item *settled;    /* the item, until that is so */
    uint64_t octets;                     /* that go out */
    int64_t ended_ms;                    /* when that was known, of the wall clock */
    bool reading;                        /* an answer to body_read() is due ... */
    bool reads_last;                     /* ... with the last octet */
    upstream_body_fn *read_done;
    void *read_ctx;
    struct mail_repairs repairs;
    bool ascii;             /* the server spoils octets above 127 in header fields: they are encoded */
    struct mail_wrap *wrap; /* while it is looked through for lines that are too long */
    uint64_t looked;        /* octets of the stored message that were */
    struct arena *repaired; /* of the rope, when it was repaired */
};

static void finish_attempt(struct dispatch_attempt *attempt);

/* ---- the body, piece by piece ---- */

static void give_piece(struct dispatch_attempt *attempt, struct bytes data, const struct fault *fault)
{
    attempt->reading = false;
    if (attempt->answered) {
        finish_attempt(attempt); /* the pool gave up meanwhile: nobody waits for the data */
        return;
    }
    attempt->read_done(attempt->read_ctx, data, fault);
}

/*
 * The last octet of what another node may send by now does not go. What went in time has arrived before anybody else
 * looks, or never does: the kernel gives it up.
 */
_Static_assert(UPSTREAM_UNACKED_MS < STORE_LEASE_MARGIN_MS + STORE_LEASE_GRACE_MS, "octets outlive the lease");
static bool is_out_of_time(const struct dispatch_attempt *attempt, bool last, struct fault *fault)
{
    const struct spool *spool = attempt->upstream->dispatch->spool;
    bool is_late = last && !(spool_node_may_send(spool) && spool_node_holds(spool, attempt->item));
    if (is_late) {
        fault_set(fault, FAULT_LOCAL, UPSTREAM_LEASE, "spool",
                  "this node has not reached the database for so long that another node may deliver this message");
    }
    return is_late;
}

/* Asked again: the store may have taken its time. */
static void on_stored(void *ctx, struct bytes data, const struct fault *fault)
{
    struct dispatch_attempt *attempt = ctx;
    struct fault late = FAULT_INIT;
    bool is_late = fault == NULL && is_out_of_time(attempt, attempt->reads_last, &late);
    give_piece(attempt, is_late ? bytes_at("", 0) : data, is_late ? &late : fault);
}

static void body_read(void *ctx, uint64_t offset, size_t len, upstream_body_fn *done, void *done_ctx)
{
    struct dispatch_attempt *attempt = ctx;
    struct mail_rope_part part = mail_rope_at(attempt->rope, offset);
    EXPECT(!attempt->reading);
    struct fault fault = FAULT_INIT;
    attempt->reads_last = offset + len >= mail_rope_size(attempt->rope);
    if (is_out_of_time(attempt, attempt->reads_last, &fault)) {
        done(done_ctx, bytes_at("", 0), &fault);
        return;
    }
    struct bytes at_hand = bytes_slice(part.memory, 0, len);
    size_t want = part.stored_len < len ? (size_t)part.stored_len : len;
    if (part.memory.ptr == NULL) {
        at_hand = spool_item_at_hand(attempt->item, part.stored, want);
    }
    if (at_hand.ptr != NULL) {
        done(done_ctx, at_hand, NULL);
        return;
    }
    attempt->reading = true;
    attempt->read_done = done;
    attempt->read_ctx = done_ctx;
    spool_item_read(attempt->upstream->dispatch->spool, attempt->item, part.stored, want, on_stored, attempt);
}

static void body_prepare(void *const *ctxs, size_t count)
{
    const struct dispatch_attempt *first = ctxs[0];
    struct spool_item **items = expect_calloc(count, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        items[i] = ((const struct dispatch_attempt *)ctxs[i])->item;
    }
    spool_warm(first->upstream->dispatch->spool, items, count);
    free(items);
}

/* ---- the outcome ---- */

/* The first doubt is looked into as soon as the server had its time, and by any of the upstream's addresses: to look
   hurts nobody, and where an address died the next one may serve at once. The time is kept here, too: the pool that
   knows of the doubt may be replaced by a reload. What comes of a second doubt waits like any other failure. */
static bool is_first_doubt(const struct dispatch_attempt *attempt)
{
    return attempt->outcome.fault.class == FAULT_UNCERTAIN && !attempt->item->uncertain && !attempt->outcome.account;
}

static int64_t later(const struct dispatch_attempt *attempt, int64_t now)
{
    const struct dispatch_upstream *upstream = attempt->upstream;
    if (is_first_doubt(attempt) && attempt->outcome.retry_after_ms == 0) {
        uint64_t settle = upstream->config->settings[UPSTREAM_SETTLE];
        return now + (int64_t)(settle < UPSTREAM_LOOK_MS ? settle : UPSTREAM_LOOK_MS);
    }
    bool is_left = attempt->outcome.account && upstream->left_to_others;
    if (is_left || bytes_is(bytes_of(attempt->outcome.fault.code), UPSTREAM_UNPROVEN)) {
        return now; /* another node may file it; or the looks have waited already */
    }
    uint64_t delay = dispatch_delay(upstream->config, attempt->item->attempts + 1);
    if (delay < attempt->outcome.retry_after_ms) {
        delay = attempt->outcome.retry_after_ms;
    }
    int64_t next = now + (int64_t)delay;
    /* A paused upstream is tried when its pause ends, not before and not much later. */
    return attempt->outcome.account && upstream->paused_until > now ? upstream->paused_until : next;
}

static const char twice[] =
    "possible_duplicate: an earlier attempt may have filed the message too, and there was no way to find out";

/* Of one that was found where an earlier attempt had filed it. */
static char *note_of_found(const struct upstream_outcome *outcome)
{
    char text[sizeof outcome->fault.text + 600];
    const char *more = outcome->possible_duplicate && outcome->twin_uid == 0 ? twice : "";
    int len = snprintf(text, sizeof text, "%s%s", more, more[0] != '\0' ? "; " : "");
    if (outcome->twin_uid != 0) {
        snprintf(text + len, sizeof text - (size_t)len, "found twice: as UID %u and UID %u", outcome->twin_uid,
                 outcome->uid);
    } else if (outcome->elsewhere != NULL) {
        snprintf(text + len, sizeof text - (size_t)len,
                 "found: an earlier attempt had filed the message, and it has since been moved to \"%s\"",
                 outcome->elsewhere);
    } else {
        snprintf(text + len, sizeof text - (size_t)len, "found: an earlier attempt had filed the message");
    }
    return expect_strdup(text);
}

/* Of one that is filed or goes elsewhere, when there is more to say than where it lies. */
static char *note_of(const struct dispatch_attempt *attempt)
{
    const struct upstream_outcome *outcome = &attempt->outcome;
    const struct mail_delivery *delivery = &attempt->item->delivery;
    static const char *const merged[] = {
        [IMAPC_MERGED_NOT] = NULL,
        [IMAPC_MERGED_ANOTHER] = "merged with an older message: the server already had one with the same Message-ID, "
                                 "and this UID is that older message",
        [IMAPC_MERGED_GONE] = "merged with an older message: the server said OK but kept nothing under this UID, as it "
                              "does when the account already has one with the same Message-ID",
    };
    char text[sizeof outcome->fault.text + 600];
    if (attempt->elsewhere != NULL) {
        return expect_strdup(attempt->instead.because);
    }
    if (!fault_is_set(&outcome->fault) && delivery->because != NULL && !outcome->possible_duplicate) {
        snprintf(text, sizeof text, "%s: the message is in \"%s\"", delivery->because, delivery->folder);
        return expect_strdup(text);
    }
    if (!fault_is_set(&outcome->fault) && outcome->merged != IMAPC_MERGED_NOT) {
        snprintf(text, sizeof text, "%s%s%s", outcome->possible_duplicate ? twice : "",
                 outcome->possible_duplicate ? "; " : "", merged[outcome->merged]);
        return expect_strdup(text);
    }
    if (fault_is_set(&outcome->fault) || (!outcome->found && !outcome->possible_duplicate)) {
        return NULL;
    }
    return outcome->found ? note_of_found(outcome) : expect_strdup(twice);
}

/* Whether the pool gave it back as it came: the gateway ends, or an operator paused the upstream. */
static bool is_untouched(const struct fault *fault)
{
    struct bytes code = bytes_of(fault->code);
    return fault->class == FAULT_LOCAL && (bytes_is(code, UPSTREAM_SHUTDOWN) || bytes_is(code, UPSTREAM_HALTED));
}

/* What the outcome says about doubt: for the history, for those that follow, and whether it is this message that the
 * server cannot take. */
static void note_doubt(struct dispatch_attempt *attempt)
{
    struct dispatch_upstream *upstream = attempt->upstream;
    struct upstream_outcome *outcome = &attempt->outcome;
    int64_t now = attempt->ended_ms - upstream->dispatch->ahead_ms; /* a clock that was put forward makes nothing old */
    attempt->note = note_of(attempt);
    /* "The give-up time generally needs to be at least 4-5 days" (RFC 5321 section 4.5.4.1). What is too old becomes a
     * dead letter for the operator, and no bounce: its sender has our 250 and may be anybody. */
    attempt->too_old = fault_is_set(&outcome->fault) && !is_untouched(&outcome->fault) &&
                       doubt_is_old(&outcome->doubt, now, now - attempt->item->envelope.received_ms,
                                    (int64_t)upstream->config->give_up, attempt->item->attempts == 0);
    if (outcome->mark.validity != 0 && outcome->mark.next != 0) {
        spool_set_mark(upstream->dispatch->spool, attempt->item->delivery.upstream, attempt->item->delivery.folder,
                       &outcome->mark);
    }
    if (upstream->pool != NULL) {
        dispatch_note_origin(upstream); /* it may be another address by now */
    }
    if (outcome->killed && doubt_kill(&outcome->doubt, dispatch_now(upstream->dispatch), upstream->last_filed_ms)) {
        struct fault fault = outcome->fault;
        attempt->set_aside = true;
        outcome->fault = FAULT_INIT;
        fault_set(&outcome->fault, fault.class, "kills", fault.where,
                  "the server closed the connection each of the %u times that this message was sent alone, while it "
                  "filed others: the message is set aside (%s)",
                  outcome->doubt.tries, fault.text);
    }
}

/* So many refusals for good (BAD) in words that nobody knows are believed, when others were filed meanwhile ... */
#define GENERAL_REFUSALS 3
/* ... and when not: then it may be the server's own trouble. */
#define GENERAL_REFUSALS_ALONE 6

/*
 * Whether a refusal for good is not believed yet. RFC 9051 section 7.1.3 has BAD mean a client's error "or an internal
 * server failure", and servers say it of their own trouble (Microsoft 365, DavMail): the message is tried again, in
 * another session, before it is a dead letter.
 */
static bool is_hasty(const struct dispatch_attempt *attempt)
{
    bool others = attempt->upstream->last_filed_ms > attempt->item->envelope.received_ms;
    unsigned most = others ? GENERAL_REFUSALS : GENERAL_REFUSALS_ALONE;
    return attempt->outcome.general && attempt->item->attempts + 1 < most;
}

/* Whether the server means it. A BAD that nobody understands says so too, also where the message may have been kept. */
static bool is_for_good(const struct dispatch_attempt *attempt)
{
    const struct fault *fault = &attempt->outcome.fault;
    bool bad = fault->class == FAULT_UNCERTAIN && attempt->outcome.general && bytes_is(bytes_of(fault->code), "bad");
    return (fault->class == FAULT_PERM || bad) && !is_hasty(attempt);
}

/* No later attempt can file it: the server means its no, it has had its time, or what it is has changed on the disk. */
static bool is_hopeless(const struct dispatch_attempt *attempt)
{
    return is_for_good(attempt) || attempt->too_old || attempt->set_aside || spool_item_is_damaged(attempt->item);
}

static struct spool_outcome outcome_of(const struct dispatch_attempt *attempt)
{
    const struct upstream_outcome *outcome = &attempt->outcome;
    int64_t now = attempt->ended_ms;
    struct spool_outcome result = {.fault = outcome->fault,
                                   .uidvalidity = outcome->uidvalidity,
                                   .uid = outcome->uid,
                                   .folder = attempt->folder,
                                   .uncertain = outcome->doubt.open,
                                   .note = attempt->note};
    /* What is known of the folder that is refused says nothing about the one where it goes. */
    struct doubt kept = {.noted = outcome->doubt.noted};
    if (attempt->elsewhere == NULL) {
        kept = outcome->doubt;
    }
    if (!fault_is_set(&outcome->fault)) {
        result.kind = SPOOL_FILED;
    } else if (attempt->elsewhere != NULL) {
        result.kind = SPOOL_MOVED;
        result.instead = &attempt->instead;
    } else if (is_untouched(&outcome->fault)) {
        result.kind = SPOOL_UNTOUCHED;
    } else if (is_hopeless(attempt)) {
        result.kind = SPOOL_DEAD;
    } else {
        result.kind = SPOOL_DEFERRED;
        result.again_in_ms = (uint64_t)(later(attempt, now) - now);
    }
    kept.dead = result.kind == SPOOL_DEAD;
    doubt_write(&kept, result.doubt);
    return result;
}

/* The mailbox is full from the first refusal for want of room until something is filed. */
static void note_room(struct dispatch_upstream *upstream, const struct spool_outcome *outcome, int64_t ended_ms)
{
    bool is_full = bytes_is(bytes_of(outcome->fault.code), "overquota");
    if (outcome->kind == SPOOL_FILED) {
        upstream->full_since = 0;
    } else if (is_full && upstream->full_since == 0) {
        upstream->full_since = ended_ms;
        dispatch_divert_begin(upstream);
    }
}

/* What the server did is known at once; what became of the delivery is told when it is settled: on_settled(). */
static void note_met(struct dispatch_attempt *attempt)
{
    struct dispatch_upstream *upstream = attempt->upstream;
    const struct spool_outcome *outcome = &attempt->result;
    if (fault_is_set(&outcome->fault) && outcome->kind != SPOOL_UNTOUCHED) {
        upstream->last_fault = outcome->fault;
        upstream->last_fault_ms = attempt->ended_ms;
    }
    note_room(upstream, outcome, attempt->ended_ms);
    if (outcome->kind == SPOOL_FILED) {
        upstream->last_filed_ms = attempt->ended_ms;
        histogram_add(&upstream->append, net_now_us(upstream->dispatch->loop) - attempt->began_us);
    }
}

static void tell(const struct dispatch_attempt *attempt, const struct fault *fault)
{
    const struct dispatch_told told = {.item = attempt->settled,
                                       .outcome = &attempt->result,
                                       .octets = attempt->octets,
                                       .ended_ms = attempt->ended_ms,
                                       .possible_duplicate = attempt->outcome.possible_duplicate};
    if (fault == NULL) {
        dispatch_tell(attempt->upstream, &told);
    } else {
        /* The delivery stays as it was, or is another node's by now: it is looked up before it is sent again. */
        dispatch_tell_unsettled(attempt->upstream, &told, fault);
    }
}

static void on_settled(void *ctx, const struct fault *fault)
{
    struct dispatch_attempt *attempt = ctx;
    struct dispatch_upstream *upstream = attempt->upstream;
    tell(attempt, fault);
    if (upstream->dispatch->watcher != NULL) {
        /* What is filed lies there. Anything else is final only when the spool has it: another attempt follows. */
        const struct doubt *doubt = &attempt->outcome.doubt;
        bool is_final = fault == NULL || attempt->result.kind == SPOOL_FILED;
        const struct dispatch_became became = {.delivery = attempt->append.id,
                                               .mailbox = attempt->mailbox,
                                               .kind = is_final ? attempt->result.kind : SPOOL_DEFERRED,
                                               .uncertain = doubt->open || doubt->noted,
                                               .fault = attempt->outcome.fault};
        upstream->dispatch->watcher(upstream->dispatch->watcher_ctx, &became);
    }
    if (attempt->remains) {
        dispatch_look_again(upstream);
        dispatch_divert_note(upstream, attempt->leaves_at);
    }
    if (attempt->elsewhere != NULL) {
        dispatch_look_again(attempt->elsewhere);
        dispatch_fetch(attempt->elsewhere);
    }
    arena_free(&attempt->repaired);
    free((char *)attempt->append.id);
    free(attempt->folder);
    free(attempt->note);
    free(attempt->moved_to);
    free(attempt->mailbox);
    free(attempt);
    dispatch_attempt_gone(upstream);
}

static void settle(void *ctx)
{
    struct dispatch_attempt *attempt = ctx;
    attempt->remains = attempt->result.kind == SPOOL_DEFERRED || attempt->result.kind == SPOOL_UNTOUCHED;
    attempt->settled = attempt->item;
    attempt->octets = attempt->rope != NULL ? mail_rope_size(attempt->rope) : 0;
    attempt->leaves_at = dispatch_divert_of(attempt->upstream, &attempt->item->delivery);
    spool_finish(attempt->upstream->dispatch->spool, &attempt->item, &attempt->result, on_settled, attempt);
}

/* ---- a folder that is refused ---- */

static const char *default_folder(const struct dispatch_attempt *attempt)
{
    const struct config *config = attempt->upstream->dispatch->config;
    bool own =
        config->default_upstream != NULL && strcmp(config->default_upstream, attempt->item->delivery.upstream) == 0;
    return own && config->default_folder != NULL ? config->default_folder : "INBOX";
}

/*
 * The server takes no folder of this name, does not make it, or lets nobody write into it; and of the message nothing
 * lies there.
 */
static bool is_refused(const struct dispatch_attempt *attempt)
{
    const struct fault *fault = &attempt->outcome.fault;
    /* "cannot" may be about the message as well: then the other folder refuses it, too. */
    static const char *const codes[] = {"folder-name", "noperm", "nonexistent", "cannot"};
    bool folder = bytes_is(bytes_of(fault->where), "create");
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        folder = folder || bytes_is(bytes_of(fault->code), codes[i]);
    }
    return folder && is_for_good(attempt) && !attempt->outcome.doubt.open;
}

/*
 * Behind the rule's own ways stands one for everybody: what mail brought as a folder's name, and the server does not
 * take, goes into the default folder. A name that the operator wrote is his mistake, which he hears of.
 */
static bool has_brought_name(const struct dispatch_attempt *attempt)
{
    const struct mail_delivery *delivery = &attempt->item->delivery;
    return strcmp(default_folder(attempt), delivery->folder) != 0 &&
           !config_names_folder(attempt->upstream->dispatch->config, delivery->upstream, delivery->folder);
}

static bool is_configured(void *ctx, const char *name)
{
    const struct dispatch_upstream *upstream = dispatch_find(ctx, name);
    return upstream != NULL && !upstream->gone;
}

/* Where the refused message goes: it is made then. */
static void find_elsewhere(struct dispatch_attempt *attempt)
{
    struct dispatch *dispatch = attempt->upstream->dispatch;
    const struct mail_trouble trouble = {.refused = true};
    struct mail_delivery delivery = attempt->item->delivery;
    struct mail_way way = {.folder = default_folder(attempt)};
    uint64_t wait;
    if (!is_refused(attempt)) {
        return;
    }
    ptrdiff_t index = mail_delivery_way_out(&delivery, &trouble, is_configured, dispatch, &wait);
    if (index < 0 && !has_brought_name(attempt)) {
        return;
    }
    way = index >= 0 ? mail_delivery_way(&delivery, (size_t)index) : way;
    delivery.because = arena_printf(attempt->item->arena, "the server refuses the folder \"%s\" (%s)", delivery.folder,
                                    attempt->outcome.fault.text);
    if (delivery.because != NULL && mail_delivery_go(&delivery, &way, attempt->item->arena) == 0) {
        delivery.doubt = NULL; /* it is about the folder that there is not */
        attempt->instead = delivery;
        attempt->elsewhere = dispatch_find(dispatch, delivery.upstream);
    }
}

static void finish_attempt(struct dispatch_attempt *attempt)
{
    struct dispatch_upstream *upstream = attempt->upstream;
    find_elsewhere(attempt);
    if (attempt->outcome.account) {
        dispatch_upstream_failed(upstream, attempt->outcome.retry_after_ms);
    } else if (!fault_is_set(&attempt->outcome.fault)) {
        dispatch_upstream_worked(upstream);
    }
    attempt->ended_ms = dispatch_now(upstream->dispatch);
    note_doubt(attempt);
    attempt->result = outcome_of(attempt);
    note_met(attempt);
    dispatch_pace_keep(upstream);
    const struct dispatch *dispatch = upstream->dispatch;
    if (dispatch_report_wanted(dispatch->config, attempt->item, &attempt->result)) {
        const struct dispatch_report_options options = {dispatch->loop, dispatch->spool, dispatch->log,
                                                        dispatch->config, attempt->ended_ms};
        dispatch_report_start(&options, attempt->item, &attempt->result, settle, attempt);
    } else {
        settle(attempt);
    }
}

static void on_append_done(void *ctx, struct upstream_append *append, const struct upstream_outcome *outcome)
{
    struct dispatch_attempt *attempt = ctx;
    (void)append; /* it is part of the attempt */
    attempt->answered = true;
    attempt->outcome = *outcome;
    attempt->folder = outcome->folder == NULL ? NULL : expect_strdup(outcome->folder);
    attempt->moved_to = outcome->elsewhere == NULL ? NULL : expect_strdup(outcome->elsewhere);
    attempt->outcome.elsewhere = attempt->moved_to;
    if (!attempt->reading) {
        finish_attempt(attempt);
    }
}

/* ---- the start ---- */

static void fail_attempt(struct dispatch_attempt *attempt, const char *code, const char *where, const char *text)
{
    attempt->answered = true;
    fault_set(&attempt->outcome.fault, FAULT_LOCAL, code, where, "%s", text);
    finish_attempt(attempt);
}

static void submit_attempt(struct dispatch_attempt *attempt)
{
    struct spool_item *item = attempt->item;
    struct upstream_append *append = &attempt->append;
    append->folder = item->delivery.folder;
    append->doubt = attempt->outcome.doubt;
    append->sender = item->envelope.from;
    append->flags = item->delivery.flags;
    append->flag_count = item->delivery.flag_count;
    append->date_ms = item->delivery.date_ms != 0 ? item->delivery.date_ms : item->envelope.received_ms;
    append->body = (struct upstream_body){
        .size = mail_rope_size(attempt->rope), .read = body_read, .prepare = body_prepare, .ctx = attempt};
    append->utf8 = (item->envelope.shape.header_8bit && !attempt->ascii) || !mail_rope_memory_is_ascii(attempt->rope);
    append->done = on_append_done;
    append->ctx = attempt;
    attempt->began_us = net_now_us(attempt->upstream->dispatch->loop);
    upstream_pool_submit(attempt->upstream->pool, &append);
}

/* ---- repair: what is stored stays as it was received ---- */

#define REPAIR_PIECE 65536
#define REPAIR_MAX   ((size_t)16 << 20) /* memory for the places of broken lines */

static bool is_mended(const struct dispatch_attempt *attempt)
{
    return attempt->repairs.odd_lines > 0 || attempt->repairs.empty_line;
}

static void log_repaired(const struct dispatch_attempt *attempt, size_t breaks)
{
    const struct spool_item *item = attempt->item;
    log_event(attempt->upstream->dispatch->log, LOG_LEVEL_INFO, "repaired", LOG_STR("id", item->envelope.id),
              LOG_STR("delivery", item->id), LOG_STR("upstream", item->delivery.upstream),
              LOG_STR("header", attempt->ascii ? "encoded" : NULL), LOG_INT("odd_lines", attempt->repairs.odd_lines),
              LOG_STR("empty_line", attempt->repairs.empty_line ? "added" : NULL), LOG_INT("lines_broken", breaks),
              LOG_INT("longest_line", item->envelope.shape.longest_line));
}

static void end_repair(struct dispatch_attempt *attempt)
{
    const struct mail_break *breaks;
    size_t count;
    attempt->repaired = arena_new(REPAIR_MAX);
    struct mail_rope *rope = mail_wrap_end(attempt->wrap, &breaks, &count) < 0
                                 ? NULL
                                 : mail_rope_broken(attempt->repaired, attempt->rope, breaks, count);
    mail_wrap_free(&attempt->wrap);
    if (rope == NULL) {
        fault_set(&attempt->outcome.fault, FAULT_PERM, "long-lines", "repair",
                  "too many lines are longer than the server takes to break them all; the longest has %llu octets",
                  (unsigned long long)attempt->item->envelope.shape.longest_line);
        attempt->answered = true;
        finish_attempt(attempt);
        return;
    }
    attempt->rope = rope;
    log_repaired(attempt, count);
    submit_attempt(attempt);
}

static void look_on(struct dispatch_attempt *attempt);

static void on_looked(void *ctx, struct bytes data, const struct fault *fault)
{
    struct dispatch_attempt *attempt = ctx;
    if (fault != NULL) {
        mail_wrap_free(&attempt->wrap);
        fail_attempt(attempt, fault->code, fault->where, fault->text);
        return;
    }
    mail_wrap_add(attempt->wrap, data);
    attempt->looked += data.len;
    look_on(attempt);
}

static void look_on(struct dispatch_attempt *attempt)
{
    if (attempt->looked == attempt->item->body_size) {
        end_repair(attempt);
        return;
    }
    uint64_t left = attempt->item->body_size - attempt->looked;
    spool_item_read(attempt->upstream->dispatch->spool, attempt->item, attempt->looked,
                    left < REPAIR_PIECE ? (size_t)left : REPAIR_PIECE, on_looked, attempt);
}

/* Makes the message as it goes out, repaired where this server would not take it as it is. */
static void make_rope(struct dispatch_attempt *attempt, const struct bytes *header)
{
    struct spool_item *item = attempt->item;
    const struct mail_shape *shape = &item->envelope.shape;
    uint64_t line_max = attempt->upstream->config->settings[UPSTREAM_LINE_MAX];
    attempt->rope =
        mail_rope_of_delivery(item->arena, &item->envelope, &item->delivery, header, item->body_size, attempt->ascii);
    if (attempt->rope == NULL) {
        fail_attempt(attempt, "memory", "trace fields", "the message's envelope does not fit in its memory limit");
    } else if (line_max > 0 && shape->longest_line > line_max) {
        attempt->wrap = mail_wrap_new(line_max);
        if (attempt->repairs.empty_line) {
            mail_wrap_text_at(attempt->wrap, header->len);
        }
        look_on(attempt);
    } else {
        if (attempt->ascii || is_mended(attempt)) {
            log_repaired(attempt, 0);
        }
        submit_attempt(attempt);
    }
}

static void on_header(void *ctx, struct bytes data, const struct fault *fault)
{
    struct dispatch_attempt *attempt = ctx;
    if (fault != NULL) {
        fail_attempt(attempt, fault->code, fault->where, fault->text);
        return;
    }
    bool complete;
    struct bytes header = bytes_slice(data, 0, mail_header_length(data, &complete));
    attempt->repairs = mail_rope_repairs(header, attempt->item->body_size);
    make_rope(attempt, &header);
}

void dispatch_attempt_start(struct dispatch_upstream *upstream, struct spool_item **item)
{
    struct dispatch_attempt *attempt = expect_calloc(1, sizeof *attempt);
    attempt->upstream = upstream;
    attempt->item = *item;
    attempt->append.id = expect_strdup((*item)->id);
    doubt_read(&attempt->outcome.doubt, bytes_of((*item)->delivery.doubt == NULL ? "" : (*item)->delivery.doubt));
    attempt->outcome.doubt.open = (*item)->uncertain;
    attempt->append.shared = spool_node_shares(upstream->dispatch->spool);
    size_t size = strlen(upstream->config->name) + strlen((*item)->delivery.folder) + 2;
    attempt->mailbox = expect_calloc(1, size);
    snprintf(attempt->mailbox, size, "%s/%s", upstream->config->name, (*item)->delivery.folder);
    *item = NULL;
    upstream->active++;
    const struct mail_envelope *envelope = &attempt->item->envelope;
    attempt->ascii =
        upstream->config->settings[UPSTREAM_HEADER_8BIT] == 0 && (envelope->shape.header_8bit || envelope->smtputf8);
    if (attempt->item->delivery.edit_count == 0 && !attempt->ascii && envelope->shape.header_plain) {
        make_rope(attempt, NULL);
    } else {
        spool_item_read(upstream->dispatch->spool, attempt->item, 0, HEADER_MAX, on_header, attempt);
    }
}

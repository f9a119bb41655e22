/*
 * imapc_locate - looks in a folder for messages that may have been filed already: EXAMINE, then the id fields of the
 * newest messages in growing windows, down to the lowest UID that any of them can have (RFC 9051 sections 6.3.3
 * and 6.4.5). See imapc_private.h.
 *
 * Windows are of sequence numbers: each must be answered, so that what is left out is seen. UIDs may have gaps, which
 * is for doubt.h to judge. SEARCH is not asked: some servers answer it from an index that lags behind. What counts is
 * the field in the message itself.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "engine/imapc_private.h"
#include "mail/mail_header.h"
#include "mail/mail_rope.h"

static void begin_locate(struct imapc_engine *engine, struct imapc_wanted *wanted, size_t count)
{
    struct imapc_locating *locate = &engine->locate;
    imapc_elsewhere_forget(engine);
    *locate = (struct imapc_locating){.wanted = wanted,
                                      .count = count,
                                      .missing = count,
                                      .window = IMAPC_WINDOW_FIRST,
                                      .lowest = UINT32_MAX,
                                      .above = UINT32_MAX};
    locate->index = map_new(count, NULL);
    locate->answered = expect_calloc(IMAPC_WINDOW_MAX / 8 + 1, 1);
    locate->uids = expect_calloc(IMAPC_WINDOW_MAX, sizeof *locate->uids);
    locate->bounds = expect_calloc(count, sizeof *locate->bounds);
    locate->counts = expect_calloc(count, sizeof *locate->counts);
    locate->gone = expect_calloc(count, sizeof *locate->gone);
    for (size_t i = 0; i < count; i++) {
        wanted[i].uid = wanted[i].twin_uid = wanted[i].seen = wanted[i].vanished = 0;
        wanted[i].elsewhere = NULL;
        wanted[i].cut = false;
        disregard(map_set(locate->index, bytes_of(wanted[i].id), &wanted[i]));
    }
}

void imapc_engine_locate(struct imapc_engine *engine, uint64_t now, const char *folder, struct imapc_wanted *wanted,
                         size_t count)
{
    EXPECT(imapc_engine_is_ready(engine) && count > 0 && !engine->locate.paused);
    engine->said[0] = '\0';
    engine->now = now;
    engine->result = (struct imapc_result){0};
    engine->append.answered = false;
    begin_locate(engine, wanted, count);
    imapc_resolve(engine, folder, imapc_vanished_first(engine));
}

void imapc_locate_done(struct imapc_engine *engine)
{
    struct imapc_locating *locate = &engine->locate;
    map_free(&locate->index, NULL);
    free(locate->answered);
    free(locate->uids);
    locate->uids = NULL;
    free(locate->bounds);
    free(locate->counts);
    free(locate->gone);
    locate->answered = NULL;
    locate->bounds = locate->counts = locate->gone = NULL;
    locate->wanted = NULL;
    if (locate->paused_task != NULL) {
        imapc_folders_free(&locate->paused_task->special.found);
        buf_done(&locate->paused_task->folder);
        free(locate->paused_task);
        locate->paused_task = NULL;
    }
}

/* ---- examine ---- */

void imapc_examine_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "EXAMINE");
    imap_command_string(command, buf_bytes(&engine->folder));
    imap_command_end(command);
    imapc_send(engine);
}

static int compare_bounds(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* What was seen, for each that is wanted. */
static void sum_up(struct imapc_engine *engine)
{
    struct imapc_locating *locate = &engine->locate;
    bool whole = locate->end == 0;
    imapc_mark_name(engine, &locate->mark);
    engine->result.mark = locate->mark;
    for (size_t i = 0; i < locate->count; i++) {
        struct imapc_wanted *wanted = &locate->wanted[i];
        uint32_t from = doubt_from(wanted->doubt, &locate->mark);
        wanted->cut = !whole && locate->lowest > from;
        for (size_t k = 0; k < locate->count; k++) {
            wanted->seen += locate->bounds[k] >= from ? locate->counts[k] : 0;
        }
    }
}

/* The folder is looked through: what is missing may lie in another one. */
static void end_windows(struct imapc_engine *engine)
{
    sum_up(engine);
    if (engine->result.sight == DOUBT_SIGHT_FAILED) {
        imapc_flags_after_look(engine); /* it is made again, as a whole */
    } else if (!imapc_vanished_is_asked(engine)) {
        imapc_elsewhere_go_on(engine);
    }
}

/*
 * Between two windows the connection is free for whoever waits: APPEND is as good in the selected state (RFC 9051
 * section 6.3.12), and the numbers of the folder's messages stay what they are until the server says EXPUNGE.
 */
static void pause_it(struct imapc_engine *engine)
{
    struct imapc_locating *locate = &engine->locate;
    locate->paused_task = expect_calloc(1, sizeof *locate->paused_task);
    locate->paused_task->special = engine->special;
    locate->paused_task->result = engine->result;
    buf_init(&locate->paused_task->folder, IMAP_NAME_MAX);
    buf_append_bytes(&locate->paused_task->folder, buf_bytes(&engine->folder));
    engine->special = (struct imapc_special){.use = IMAP_SPECIAL_USES};
    engine->result = (struct imapc_result){.paused = true};
    engine->result_due = true;
    locate->paused = true;
    imapc_enter(engine, IMAPC_PHASE_READY);
}

void imapc_engine_share(struct imapc_engine *engine, bool others_wait)
{
    engine->locate.shares = others_wait;
}

void imapc_engine_resume(struct imapc_engine *engine, uint64_t now)
{
    struct imapc_locating *locate = &engine->locate;
    struct imapc_paused *task = locate->paused_task;
    EXPECT(imapc_engine_is_ready(engine) && locate->paused);
    engine->now = now;
    imapc_folders_free(&engine->special.found);
    engine->special = task->special;
    engine->result = task->result;
    engine->append.answered = false;
    buf_clear(&engine->folder);
    buf_append_bytes(&engine->folder, buf_bytes(&task->folder));
    buf_done(&task->folder);
    free(task);
    locate->paused_task = NULL;
    locate->paused = false;
    if (locate->broken) {
        struct imapc_wanted *wanted = locate->wanted;
        size_t count = locate->count;
        imapc_locate_done(engine);
        begin_locate(engine, wanted, count);
        engine->locate.has_broken = true;
        imapc_enter(engine, IMAPC_PHASE_EXAMINE);
    } else {
        imapc_enter(engine, IMAPC_PHASE_FETCH);
    }
}

/* The window in front of the one that was seen; or the end of the search. */
static void next_window(struct imapc_engine *engine)
{
    struct imapc_locating *locate = &engine->locate;
    bool low = locate->lowest <= locate->bounds[0];
    if (locate->end == 0 || locate->missing == 0 || low || locate->seen >= IMAPC_SEARCH_MAX) {
        end_windows(engine);
    } else if (locate->shares && locate->seen > 0 && !locate->has_broken) {
        pause_it(engine);
    } else {
        imapc_enter(engine, IMAPC_PHASE_FETCH);
    }
}

static void begin_windows(struct imapc_engine *engine)
{
    struct imapc_locating *locate = &engine->locate;
    imapc_mark_name(engine, &locate->mark);
    for (size_t i = 0; i < locate->count; i++) {
        locate->bounds[i] = doubt_from(locate->wanted[i].doubt, &locate->mark);
    }
    qsort(locate->bounds, locate->count, sizeof *locate->bounds, compare_bounds);
    next_window(engine);
}

void imapc_examine_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_refusal refusal = imapc_refusal_of(reply);
    engine->result.uidvalidity = engine->locate.mark.validity;
    if (reply->status == IMAP_STATUS_OK && engine->locate.mark.next == 0) {
        imapc_enter(engine, IMAPC_PHASE_BOUND); /* some servers say it in STATUS alone */
    } else if (reply->status == IMAP_STATUS_OK) {
        begin_windows(engine);
    } else if (!imapc_set_aside(engine, reply)) {
        /* A BAD that nobody understands may be the server's own trouble (RFC 9051 section 7.1.3), and pass. */
        bool for_good = refusal.class == FAULT_PERM && !refusal.general;
        engine->result.sight = refusal.create ? DOUBT_SIGHT_MISSING
                               : for_good     ? DOUBT_SIGHT_REFUSED
                                              : DOUBT_SIGHT_FAILED;
        end_windows(engine);
    }
}

void imapc_bound_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "STATUS");
    imap_command_string(command, buf_bytes(&engine->folder));
    imap_command_word(command, "(UIDNEXT UIDVALIDITY)");
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_bound_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    (void)reply; /* without it, nothing can be proven */
    begin_windows(engine);
}

/* ---- fetch ---- */

void imapc_fetch_enter(struct imapc_engine *engine)
{
    struct imapc_locating *locate = &engine->locate;
    struct imap_command *command = imapc_begin(engine, "FETCH");
    locate->window = locate->shares && locate->window > IMAPC_WINDOW_SHARED ? IMAPC_WINDOW_SHARED : locate->window;
    locate->first = locate->end > locate->window ? locate->end - locate->window + 1 : 1;
    locate->answers = 0;
    memset(locate->answered, 0, IMAPC_WINDOW_MAX / 8 + 1);
    buf_printf(&command->text, " %u:%u (UID BODY.PEEK[HEADER.FIELDS (" MAIL_ID_FIELD ")])", locate->first, locate->end);
    imap_command_end(command);
    imapc_send(engine);
}

/* The highest bound that the UID is not below. */
static void count_seen(struct imapc_locating *locate, uint32_t uid)
{
    size_t low = 0, high = locate->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (locate->bounds[middle] <= uid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low > 0) {
        locate->counts[low - 1]++;
    }
}

/* Each UID once: they rise with the numbers (RFC 9051 section 2.3.1.1), and one that is told twice hides another. */
static void count_window(struct imapc_locating *locate)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i <= locate->end - locate->first; i++) {
        uint32_t uid = locate->uids[i];
        if (uid > last && uid < locate->above && uid < locate->mark.next) {
            count_seen(locate, uid);
        }
        last = uid > last ? uid : last;
    }
    locate->above = locate->lowest;
}

void imapc_fetch_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_locating *locate = &engine->locate;
    if (imapc_set_aside(engine, reply)) {
        return;
    }
    if (reply->status != IMAP_STATUS_OK || locate->answers < locate->end - locate->first + 1) {
        engine->result.sight = DOUBT_SIGHT_FAILED;
        end_windows(engine);
        return;
    }
    count_window(locate);
    locate->seen += locate->end - locate->first + 1;
    locate->end = locate->first - 1;
    locate->window = locate->window > IMAPC_WINDOW_MAX / 4 ? IMAPC_WINDOW_MAX : locate->window * 4;
    next_window(engine);
}

/* Without the line ends that some server puts in front: the field would stand behind the section's end. */
static struct bytes without_blank_lines(struct bytes fields)
{
    while (fields.len > 0 && (fields.ptr[0] == '\r' || fields.ptr[0] == '\n')) {
        fields = bytes_from(fields, 1);
    }
    return fields;
}

/* The message that is wanted, if the field is its. The first one counts: what stands behind it is the message's own,
 * and may be anybody's words. */
static struct imapc_wanted *wanted_of(const struct imapc_locating *locate, struct bytes fields)
{
    struct mail_header_field field;
    return mail_header_find(fields, MAIL_ID_FIELD, &field) == 1 ? map_get(locate->index, bytes_trim(field.value))
                                                                : NULL;
}

static void take_found(struct imapc_engine *engine, struct imapc_wanted *wanted, uint32_t uid)
{
    struct imapc_locating *locate = &engine->locate;
    bool is_missing = wanted->uid == 0 && wanted->elsewhere == NULL;
    locate->missing -= is_missing;
    if (engine->phase != IMAPC_PHASE_FETCH) {
        wanted->elsewhere = is_missing ? imapc_elsewhere_name(engine) : wanted->elsewhere;
    } else if (wanted->uid == 0) {
        wanted->uid = uid;
    } else {
        wanted->twin_uid = uid;
    }
}

/* What one message of the window has shown; once, and only when it has shown all. */
static void take_message(struct imapc_engine *engine, uint32_t number, struct bytes fields, uint32_t uid)
{
    struct imapc_locating *locate = &engine->locate;
    uint32_t at = number - locate->first;
    bool asked_for = number >= locate->first && number <= locate->end && uid != 0 && fields.ptr != NULL;
    if (!asked_for || locate->answered[at / 8] & 1u << at % 8) {
        return;
    }
    locate->answered[at / 8] |= (uint8_t)(1u << at % 8);
    locate->answers++;
    fields = without_blank_lines(fields);
    struct imapc_wanted *wanted = wanted_of(locate, fields);
    bool is_cut = fields.len > 0 && fields.ptr[fields.len - 1] != '\n'; /* whose id it is, the rest would tell */
    if (engine->phase == IMAPC_PHASE_FETCH) {
        locate->lowest = uid < locate->lowest ? uid : locate->lowest;
        locate->uids[at] = wanted == NULL && is_cut ? 0 : uid;
    }
    if (wanted != NULL) {
        take_found(engine, wanted, uid);
    }
}

/* The server has no field for it, and says so: a damaged message, of which no later look will show more. It is there,
 * and what it is is not known: it is a gap. */
static void take_unreadable(struct imapc_engine *engine, uint32_t number, uint32_t uid)
{
    struct imapc_locating *locate = &engine->locate;
    uint32_t at = number - locate->first;
    bool asked_for = number >= locate->first && number <= locate->end && uid != 0;
    if (asked_for && !(locate->answered[at / 8] & 1u << at % 8)) {
        locate->answered[at / 8] |= (uint8_t)(1u << at % 8);
        locate->answers++;
        locate->lowest = uid < locate->lowest ? uid : locate->lowest;
        locate->uids[at] = 0;
    }
}

/* UID n, BODY[...] octets, in any order. */
void imapc_locate_pairs(struct bytes args, uint32_t *uid_r, struct bytes *fields_r, bool *nil_r)
{
    static const struct bytes none = {(const uint8_t *)"", 0};
    struct imap_token name, value;
    uint64_t uid = 0;
    *fields_r = (struct bytes){NULL, 0};
    *uid_r = 0;
    *nil_r = false;
    if (imap_token_next(&args, &name) < 0 || name.kind != IMAP_TOKEN_OPEN) {
        return;
    }
    while (imap_token_next(&args, &name) == 0 && name.kind == IMAP_TOKEN_ATOM) {
        struct bytes rest = args;
        if (imap_token_skip(&args) < 0 || imap_token_next(&rest, &value) < 0) {
            *fields_r = (struct bytes){NULL, 0};
            return;
        }
        if (bytes_is_nocase(name.text, "UID")) {
            disregard(bytes_to_u64(value.text, &uid));
        } else if (bytes_starts_nocase(name.text, "BODY[") && value.kind == IMAP_TOKEN_STRING) {
            *fields_r = value.text.len > 0 ? value.text : none;
        } else if (bytes_starts_nocase(name.text, "BODY[")) {
            *nil_r = bytes_is_nocase(value.text, "NIL");
        }
    }
    *uid_r = uid <= UINT32_MAX ? (uint32_t)uid : 0;
}

static void take_pairs(struct imapc_engine *engine, uint32_t number, struct bytes args)
{
    struct bytes fields;
    uint32_t uid;
    bool is_nil;
    imapc_locate_pairs(args, &uid, &fields, &is_nil);
    if (is_nil) {
        take_unreadable(engine, number, uid);
    } else {
        take_message(engine, number, fields, uid);
    }
}

void imapc_locate_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_locating *locate = &engine->locate;
    bool fetches = engine->phase == IMAPC_PHASE_FETCH || engine->phase == IMAPC_PHASE_ELSEWHERE_FETCH;
    if (fetches && bytes_is_nocase(reply->name, "FETCH")) {
        engine->replies = 0; /* as many as were asked for: each moves the deadline, none takes memory */
        engine->reply_octets = 0;
        take_pairs(engine, reply->number, reply->args);
    } else if (fetches) {
        return;
    } else if (bytes_is_nocase(reply->name, "EXISTS") && engine->phase != IMAPC_PHASE_BOUND) {
        locate->end = reply->number;
    } else if (engine->phase != IMAPC_PHASE_ELSEWHERE) {
        imapc_mark_of(&locate->mark, reply);
    }
}

/* ---- unselect ---- */

void imapc_unselect_enter(struct imapc_engine *engine)
{
    /* CLOSE of a read-only folder removes nothing (RFC 9051 section 6.4.1). */
    imap_command_end(imapc_begin(engine, engine->capabilities.has & IMAP_CAP_UNSELECT ? "UNSELECT" : "CLOSE"));
    imapc_send(engine);
}

void imapc_unselect_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    (void)reply;
    imapc_over(engine);
    imapc_enter(engine, IMAPC_PHASE_READY);
}

void imapc_elsewhere_fetch_enter(struct imapc_engine *engine)
{
    struct imapc_locating *locate = &engine->locate;
    locate->window = IMAPC_ELSEWHERE_MAX;
    imapc_fetch_enter(engine);
}

/*
 * imapc_locate - looks in a folder for messages that may have been filed already: EXAMINE, then the id fields of the newest messages in growing
 * windows, until all are found or the messages are older than any that is looked for (RFC 9051 sections 6.3.3 and 6.4.5). See imapc_private.h.
 *
 * SEARCH is not asked: some servers answer it from an index that lags behind. What counts is the field in the message itself.
 */
#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "base/expect.h"
#include "engine/imapc_private.h"
#include "mail/mail_header.h"
#include "mail/mail_rope.h"

void imapc_engine_locate(struct imapc_engine *engine, uint64_t now, const char *folder, int64_t since_ms,
                         struct imapc_wanted *wanted, size_t count)
{
    EXPECT(imapc_engine_is_ready(engine) && count > 0);
    struct imapc_locating *locate = &engine->locate;
    engine->now = now;
    engine->result = (struct imapc_result){0};
    engine->append.answered = false;
    *locate = (struct imapc_locating){.wanted = wanted,
                                      .count = count,
                                      .missing = count,
                                      .since_ms = since_ms - IMAPC_SEARCH_SLACK_MS,
                                      .window = IMAPC_WINDOW_FIRST};
    locate->index = map_new(count, NULL);
    for (size_t i = 0; i < count; i++) {
        wanted[i].uid = 0;
        map_set(locate->index, bytes_of(wanted[i].id), &wanted[i]);
    }
    imapc_resolve(engine, folder, IMAPC_PHASE_EXAMINE);
}

void imapc_locate_done(struct imapc_engine *engine)
{
    map_free(&engine->locate.index, NULL);
    engine->locate.wanted = NULL;
}

/* ---- examine ---- */

void imapc_examine_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "EXAMINE");
    imap_command_string(command, buf_bytes(&engine->folder));
    imap_command_end(command);
    imapc_send(engine);
}

/* What could be found is found: that stands, whatever becomes of the flags. SELECT leaves what EXAMINE opened, and expunges nothing. */
static void end_search(struct imapc_engine *engine)
{
    if (imapc_flags_are_stored(engine)) {
        engine->append.answered = true;
        imapc_enter(engine, IMAPC_PHASE_RESELECT);
    } else {
        imapc_enter(engine, IMAPC_PHASE_UNSELECT);
    }
}

/* The window in front of the one that was seen; or the end of the search. */
static void next_window(struct imapc_engine *engine)
{
    struct imapc_locating *locate = &engine->locate;
    if (locate->end == 0 || locate->missing == 0) {
        end_search(engine);
    } else if (locate->seen >= IMAPC_SEARCH_MAX) {
        engine->result.partial = true;
        end_search(engine);
    } else {
        imapc_enter(engine, IMAPC_PHASE_FETCH);
    }
}

void imapc_examine_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    engine->result.uidvalidity = engine->locate.uidvalidity;
    if (reply->status == IMAP_STATUS_OK) {
        next_window(engine);
        return;
    }
    struct imapc_refusal refusal = imapc_refusal_of(reply);
    if (refusal.account) {
        imapc_refused(engine, reply);
        return;
    }
    /* A missing folder holds nothing; in one that may not be read, nothing can be proven. */
    engine->result.partial = !refusal.create;
    imapc_over(engine);
    imapc_enter(engine, IMAPC_PHASE_READY);
}

/* ---- fetch ---- */

void imapc_fetch_enter(struct imapc_engine *engine)
{
    struct imapc_locating *locate = &engine->locate;
    struct imap_command *command = imapc_begin(engine, "FETCH");
    locate->first = locate->end > locate->window ? locate->end - locate->window + 1 : 1;
    locate->any_recent = false;
    buf_printf(&command->text, " %u:%u (UID INTERNALDATE BODY.PEEK[HEADER.FIELDS (" MAIL_ID_FIELD ")])", locate->first,
               locate->end);
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_fetch_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_locating *locate = &engine->locate;
    if (reply->status != IMAP_STATUS_OK) {
        engine->result.partial = true;
        end_search(engine);
        return;
    }
    locate->seen += locate->end - locate->first + 1;
    locate->end = locate->any_recent ? locate->first - 1 : 0;
    locate->window = locate->window > IMAPC_WINDOW_MAX / 4 ? IMAPC_WINDOW_MAX : locate->window * 4;
    next_window(engine);
}

static void take_found(struct imapc_locating *locate, struct bytes fields, uint32_t uid)
{
    struct mail_header_field field;
    if (uid == 0 || mail_header_find(fields, MAIL_ID_FIELD, &field) != 1) {
        return;
    }
    struct imapc_wanted *wanted = map_get(locate->index, bytes_trim(field.value));
    if (wanted != NULL && wanted->uid == 0) {
        wanted->uid = uid;
        locate->missing--;
    }
}

/* The pairs of one FETCH response: UID n, INTERNALDATE "...", BODY[...] octets, in any order. */
static void take_message(struct imapc_locating *locate, struct bytes args)
{
    struct imap_token name, value;
    struct bytes fields = {NULL, 0};
    uint64_t uid = 0;
    int64_t date_ms = INT64_MAX;
    if (imap_token_next(&args, &name) < 0 || name.kind != IMAP_TOKEN_OPEN) {
        return;
    }
    while (imap_token_next(&args, &name) == 0 && name.kind == IMAP_TOKEN_ATOM) {
        struct bytes rest = args;
        if (imap_token_skip(&args) < 0 || imap_token_next(&rest, &value) < 0) {
            return;
        }
        if (bytes_is_nocase(name.text, "UID")) {
            bytes_to_u64(value.text, &uid);
        } else if (bytes_is_nocase(name.text, "INTERNALDATE")) {
            date_imap_parse(value.text, &date_ms);
        } else if (bytes_starts_nocase(name.text, "BODY[")) {
            fields = value.text;
        }
    }
    /* An unsolicited FETCH of flags has neither. */
    bool asked_for = fields.ptr != NULL || date_ms != INT64_MAX;
    locate->any_recent = locate->any_recent || (asked_for && date_ms >= locate->since_ms);
    take_found(locate, fields, uid <= UINT32_MAX ? (uint32_t)uid : 0);
}

void imapc_locate_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_locating *locate = &engine->locate;
    if (engine->phase == IMAPC_PHASE_EXAMINE && bytes_is_nocase(reply->name, "EXISTS")) {
        locate->end = reply->number;
    } else if (engine->phase == IMAPC_PHASE_EXAMINE && bytes_is_nocase(reply->code, "UIDVALIDITY")) {
        uint64_t validity = 0;
        bytes_to_u64(reply->code_args, &validity);
        locate->uidvalidity = validity <= UINT32_MAX ? (uint32_t)validity : 0;
    } else if (engine->phase == IMAPC_PHASE_FETCH && bytes_is_nocase(reply->name, "FETCH")) {
        engine->replies = 0; /* as many as were asked for: each moves the deadline, none takes memory */
        engine->reply_octets = 0;
        take_message(locate, reply->args);
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

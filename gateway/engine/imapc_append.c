/*
 * imapc_append - APPEND of one or several messages, and CREATE when the folder is missing (RFC 9051 sections 6.3.12
 * and 6.3.4, RFC 3502, RFC 4315, RFC 7888). See imapc_private.h.
 */
#include <stdio.h>
#include <string.h>

#include "base/expect.h"
#include "engine/imapc_private.h"

/* Whether the server takes a message of this size without being asked first. */
static bool non_synchronising(const struct imapc_engine *engine, uint64_t size)
{
    uint32_t has = engine->capabilities.has;
    uint64_t most = has & IMAP_CAP_LITERAL_PLUS    ? UINT64_MAX
                    : has & IMAP_CAP_LITERAL_MINUS ? IMAPC_LITERAL_MINUS_MAX
                                                   : 0;
    return size <= most && size <= engine->options.literal_max && most > 0;
}

/* Flags, date and literal head of the current message. */
static void announce(struct imapc_engine *engine)
{
    const struct imapc_message *message = &engine->append.messages[engine->append.current];
    struct imap_command *command = &engine->command;
    imapc_flags_write(engine, message->flags, message->flag_count);
    imap_command_date(command, message->date_ms);
    engine->append.in_utf8 = message->utf8 && engine->utf8 && !engine->utf8_plain;
    if (engine->append.in_utf8) {
        engine->append.utf8_used = true;
        imap_command_literal_utf8(command, message->size);
    } else {
        imap_command_literal(command, message->size, non_synchronising(engine, message->size));
    }
    engine->append.sent = 0;
    engine->append.literal_open = true;
}

void imapc_append_enter(struct imapc_engine *engine)
{
    if (imapc_room_is_asked(engine) || imapc_room_is_refused(engine)) {
        return;
    }
    if (imapc_flags_are_asked(engine)) {
        imapc_enter(engine, IMAPC_PHASE_SELECT);
        return;
    }
    if (imapc_mark_is_asked(engine)) {
        return;
    }
    struct imap_command *command = imapc_begin(engine, "APPEND");
    engine->append.mark = imapc_mark_known(engine);
    engine->append.current = 0;
    engine->append.reached = 0;
    engine->append.literal_sent = false;
    engine->append.answered = false;
    engine->append.create_due = false;
    engine->append.again_due = false;
    engine->append.utf8_used = false;
    engine->append.keywords_sent = false;
    imap_command_string(command, buf_bytes(&engine->folder));
    announce(engine);
    if (imap_command_check(command) < 0) {
        imapc_give_up(engine, FAULT_PERM, "command", "the folder's name or the flags do not fit in an IMAP command");
        return;
    }
    imapc_send(engine);
}

/* More than the server takes, as it said itself (RFC 7889), or as is known about it. */
static bool is_too_big(const struct imapc_engine *engine)
{
    uint64_t most = engine->capabilities.append_limit, known = engine->options.message_max;
    most = most == 0 || (known > 0 && known < most) ? known : most;
    for (size_t i = 0; i < engine->append.count && most > 0; i++) {
        if (engine->append.messages[i].size > most) {
            return true;
        }
    }
    return false;
}

void imapc_engine_append(struct imapc_engine *engine, uint64_t now, const char *folder, struct imapc_message *messages,
                         size_t count)
{
    EXPECT(imapc_engine_is_ready(engine) && count > 0);
    struct imapc_appending *append = &engine->append;
    engine->now = now;
    append->messages = messages;
    append->count = count;
    append->created = false;
    append->parents_tried = false;
    append->create_refusal = (struct imapc_refusal){0};
    append->flags_asked = false;
    append->without_keywords = count == 1 && messages[0].bare;
    engine->said[0] = '\0';
    append->answered = false;
    append->filed = false;
    append->rights_asked = append->quota_asked = append->mark_asked = false;
    append->reached = 0;
    append->literal_sent = false;
    if (is_too_big(engine)) {
        imapc_give_up(engine, FAULT_PERM, "toobig", "the message is larger than the server accepts");
        return;
    }
    imapc_resolve(engine, folder, IMAPC_PHASE_APPEND);
}

/* ---- the octets ---- */

bool imapc_append_wants_body(struct imapc_engine *engine, struct imapc_request *request)
{
    struct imapc_appending *append = &engine->append;
    bool announced = engine->command_sent == engine->command.text.len && !engine->plus_due;
    if (engine->phase != IMAPC_PHASE_APPEND || !append->literal_open || !announced || append->asked ||
        engine->output.len >= IMAPC_BODY_PIECE) {
        return false;
    }
    uint64_t left = append->messages[append->current].size - append->sent;
    append->asked = true;
    append->literal_sent = true;
    request->message = append->current;
    request->offset = append->sent;
    request->len = left < IMAPC_BODY_PIECE ? (size_t)left : IMAPC_BODY_PIECE;
    return true;
}

/* The command is answered and all that was announced is out. */
static void leave_append(struct imapc_engine *engine)
{
    struct imapc_appending *append = &engine->append;
    append->reached = 0; /* what went out was refused, or is filed */
    if (append->create_due) {
        append->answered = false;
        imapc_enter(engine, IMAPC_PHASE_CREATE);
    } else if (append->again_due) {
        append->answered = false;
        imapc_enter(engine, IMAPC_PHASE_APPEND);
    } else if (append->filed && imapc_flags_are_stored(engine)) {
        append->answered = true;
        imapc_enter(engine, IMAPC_PHASE_RESELECT);
    } else if (append->filed && imapc_merged_is_asked(engine)) {
        append->answered = true;
        imapc_enter(engine, IMAPC_PHASE_MERGED);
    } else {
        imapc_over(engine);
        imapc_enter(engine, IMAPC_PHASE_READY);
    }
}

/* The last octet of a message is out: the next one, or the end of the command. */
static void end_message(struct imapc_engine *engine)
{
    struct imapc_appending *append = &engine->append;
    append->literal_open = false;
    buf_clear(&engine->command.text);
    engine->command.wait_count = 0;
    engine->command_sent = 0;
    engine->command_waits = 0;
    append->current++;
    append->reached = append->current;
    if (append->in_utf8) {
        buf_append_octet(&engine->command.text, ')');
    }
    /* Behind a refusal nothing more is announced: a server could take it for commands. */
    if (append->current < append->count && !append->answered) {
        announce(engine);
    } else {
        imap_command_end(&engine->command);
    }
    imapc_send(engine);
    if (append->answered) {
        leave_append(engine);
    }
}

void imapc_engine_body(struct imapc_engine *engine, uint64_t now, struct bytes data, const struct fault *fault)
{
    struct imapc_appending *append = &engine->append;
    if (engine->phase != IMAPC_PHASE_APPEND || !append->asked) {
        return; /* the connection ended meanwhile */
    }
    engine->now = now;
    append->asked = false;
    uint64_t left = append->messages[append->current].size - append->sent;
    if (fault != NULL) {
        append->messages[append->current].unread = true;
        imapc_fail(engine, FAULT_LOCAL, fault->code, "%s", fault->text);
        return;
    }
    EXPECT(data.len > 0 && data.len <= left);
    buf_append_bytes(&engine->output, data);
    append->sent += data.len;
    if (append->sent == append->messages[append->current].size) {
        end_message(engine);
    }
}

/* ---- the answers ---- */

/* Whether one of the first `count` messages has the UID. */
static bool is_named(const struct imapc_appending *append, size_t count, uint32_t uid)
{
    for (size_t i = 0; i < count; i++) {
        if (append->messages[i].uid == uid) {
            return true;
        }
    }
    return false;
}

/*
 * The messages' UIDs, in the order in which they were sent (RFC 4315 section 3): so many were named, or SIZE_MAX where
 * the answer names none. One that is named again is no other message's.
 */
static size_t take_uids(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_appending *append = &engine->append;
    struct bytes set = reply->code_args;
    struct imap_uid_range range;
    size_t i = 0;
    if (!bytes_is_nocase(reply->code, "APPENDUID") || imap_reply_appenduid(&set, &engine->result.uidvalidity) < 0) {
        return SIZE_MAX;
    }
    while (i < append->count && imap_uid_range_next(&set, &range) == 1) {
        for (uint32_t uid = range.first; i < append->count && uid <= range.last && uid != 0; uid++) {
            if (!is_named(append, i, uid)) {
                append->messages[i++].uid = uid;
                imapc_mark_passed(engine, engine->result.uidvalidity, uid);
            }
        }
    }
    return i == 0 ? SIZE_MAX : i;
}

/* An OK that names fewer messages than it was given contradicts itself: which of them the server keeps is not known,
 * and each is looked for. It is given one at a time from then on. */
static void doubt_some(struct imapc_engine *engine, size_t named)
{
    struct imapc_appending *append = &engine->append;
    for (size_t i = 0; i < append->count; i++) {
        append->messages[i].uid = 0;
    }
    if (engine->options.habits != NULL) {
        engine->options.habits->no_batches = true;
    }
    engine->result.reached = append->count;
    fault_set(&engine->result.fault, FAULT_UNCERTAIN, "appenduid", "append",
              "the server said OK to %zu messages and named the UIDs of %zu: which of them it keeps is not known",
              append->count, named);
}

static void take_success(struct imapc_engine *engine, const struct imap_reply *reply)
{
    size_t named = take_uids(engine, reply);
    if (named < engine->append.count) {
        doubt_some(engine, named);
    } else {
        engine->append.filed = true;
    }
}

/* Whether octets are announced that the server waits for, asked or not. */
static bool owes_octets(const struct imapc_engine *engine)
{
    return engine->append.literal_open && engine->command_sent == engine->command.text.len &&
           engine->command_waits == engine->command.wait_count;
}

/*
 * Whether the flags may be what is refused: then the message goes once more without its keywords, as servers announce
 * "\*" and take none. Not of a batch: its first messages may lie there, and are looked for.
 */
static bool may_be_keywords(const struct imapc_engine *engine, const struct imapc_refusal *refusal)
{
    const struct imapc_appending *append = &engine->append;
    static const char *const codes[] = {"cannot", "clientbug", "limit", "noperm"};
    bool may_be = refusal->general;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        may_be = may_be || bytes_is(bytes_of(refusal->code), codes[i]);
    }
    return append->keywords_sent && append->count == 1 && !append->without_keywords && may_be;
}

/* The folder is missing still, after CREATE: what that was answered tells more than the second refusal. */
static void tell_missing(struct imapc_engine *engine, const struct imap_reply *reply)
{
    const struct imapc_appending *append = &engine->append;
    struct fault *fault = &engine->result.fault;
    const struct imapc_refusal *refusal = &append->create_refusal;
    *fault = FAULT_INIT;
    if (refusal->code == NULL) {
        /* Some servers show a folder only some time after it was made (Kopano, Exchange). */
        fault_set(fault, FAULT_TEMP, "nonexistent", "append",
                  "the folder exists or was created, but the server does not see it yet; the server said: %.*s",
                  (int)reply->text.len, (const char *)reply->text.ptr);
        return;
    }
    engine->result.account = refusal->account;
    engine->result.sick = refusal->sick;
    engine->result.retry_after_ms = refusal->retry_after_ms;
    fault_set(fault, refusal->class, refusal->create ? "nonexistent" : refusal->code, "create",
              "the folder does not exist, and the server refused to create it: %s", append->create_words);
}

static void judge_refusal(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_appending *append = &engine->append;
    struct imapc_refusal refusal = imapc_refusal_about(reply, buf_bytes(&engine->folder));
    imapc_note_refusal(engine, reply);
    imapc_room_forget(engine);
    append->create_due = refusal.create && !append->created;
    if (refusal.create && append->created) {
        tell_missing(engine, reply);
    }
    /* RFC 9755 takes UTF8 (...) out of APPEND again, and leaves the announcement as it was. */
    bool no_utf8 = reply->status == IMAP_STATUS_BAD && append->utf8_used;
    engine->utf8_plain = engine->utf8_plain || no_utf8;
    append->again_due = no_utf8;
    if (!no_utf8 && may_be_keywords(engine, &refusal)) {
        /* It is looked for before it goes out a second time, whatever the refusal says: some servers complain of a
         * flag and keep the message. */
        engine->result.doubtful = append->reached > 0 && !engine->options.plain_refusals_certain;
        engine->result.bare = engine->result.doubtful;
        append->without_keywords = append->again_due = !engine->result.doubtful;
    }
}

void imapc_append_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_appending *append = &engine->append;
    bool whole = append->current == append->count;
    engine->result = (struct imapc_result){0};
    if (reply->status == IMAP_STATUS_OK && !whole) {
        append->reached = append->current + append->literal_sent; /* who knows what it has kept */
        imapc_fail(engine, FAULT_TEMP, "protocol", "the server said OK before it had the whole message");
        return;
    }
    if (reply->status == IMAP_STATUS_OK) {
        imapc_room_used(engine);
        take_success(engine, reply);
        if (append->without_keywords) {
            imapc_flags_learn_refused(engine);
        }
    } else {
        judge_refusal(engine, reply);
    }
    if (owes_octets(engine)) {
        append->answered = true; /* what is announced must go out before the next command (RFC 7888) */
    } else {
        leave_append(engine);
    }
}

/* Whether the folder is created with its special use. */
static bool has_use(const struct imapc_engine *engine)
{
    return engine->special.use != IMAP_SPECIAL_USES && !engine->special.use_refused &&
           (engine->capabilities.has & IMAP_CAP_CREATE_SPECIAL_USE);
}

void imapc_create_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "CREATE");
    engine->append.created = true;
    engine->append.mark_asked = true; /* where it cannot be made, there is nothing to ask */
    engine->append.literal_open = false;
    engine->append.flags_asked = false; /* of a folder that was not there nothing was learned */
    imap_command_string(command, buf_bytes(&engine->folder));
    if (has_use(engine)) {
        /* RFC 6154 section 3 */
        buf_printf(&command->text, " (USE (%s))", imap_special_name(engine->special.use));
    }
    imap_command_end(command);
    imapc_send(engine);
}

/* The next "/" of the folder's name, in the server's writing, that ends a parent which can be made; 0: none. */
static size_t next_parent(const struct imapc_engine *engine, size_t from)
{
    struct bytes name = buf_bytes(&engine->folder);
    const struct imap_namespace *space = imap_name_space(name, &engine->namespaces);
    size_t skipped = space == NULL ? 0 : strlen(space->prefix);
    for (size_t i = from > skipped ? from : skipped + 1; space != NULL && space->delimiter != 0 && i < name.len; i++) {
        bool inbox = bytes_is_nocase(bytes_slice(name, 0, i), "INBOX");
        if (name.ptr[i] == (uint8_t)space->delimiter && !inbox) {
            return i;
        }
    }
    return 0;
}

/* Keeps what a refused CREATE says. true: the folders above it are created first. */
static bool create_parents(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_appending *append = &engine->append;
    if (reply->status == IMAP_STATUS_OK || imapc_refusal_is_there(reply)) {
        append->create_refusal.code = NULL;
        return false;
    }
    append->create_refusal = imapc_refusal_about(reply, buf_bytes(&engine->folder));
    snprintf(append->create_words, sizeof append->create_words, "%.*s", (int)reply->text.len,
             (const char *)reply->text.ptr);
    const struct imapc_refusal *refusal = &append->create_refusal;
    append->parent = append->parents_tried ? 0 : next_parent(engine, 1);
    bool of_parent = refusal->general || refusal->create || imapc_refusal_is_parent(reply);
    if (!of_parent || append->parent == 0) {
        return false;
    }
    append->parents_tried = true;
    imapc_enter(engine, IMAPC_PHASE_PARENT);
    return true;
}

void imapc_create_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (has_use(engine) && reply->status != IMAP_STATUS_OK) {
        engine->special.use_refused =
            true; /* some uses are not for clients to give; the folder may be made all the same */
        imapc_enter(engine, IMAPC_PHASE_CREATE);
        return;
    }
    if (has_use(engine) && engine->options.folders != NULL) {
        imapc_folders_learn_use(engine->options.folders, engine->special.use, buf_bytes(&engine->folder));
    }
    if (imapc_set_aside(engine, reply) || create_parents(engine, reply)) {
        return;
    }
    /* Refused, it may exist all the same, made by somebody else meanwhile: the second APPEND tells. */
    bool made = reply->status == IMAP_STATUS_OK;
    if (made || imapc_refusal_is_there(reply)) {
        imapc_mark_made(engine, made);
    }
    bool subscribes = made && engine->options.subscribe && imapc_may_ask(engine, IMAPC_QUESTION_SUBSCRIBE);
    imapc_enter(engine, subscribes ? IMAPC_PHASE_SUBSCRIBE : IMAPC_PHASE_APPEND);
}

/* ---- folders above it: RFC 9051 section 6.3.4 has servers make them, and some do not (DavMail, Exchange) ---- */

void imapc_parent_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "CREATE");
    imap_command_string(command, bytes_slice(buf_bytes(&engine->folder), 0, engine->append.parent));
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_parent_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    /* Refused, it is there already or cannot be made: then so will the folder itself. */
    if (imapc_set_aside(engine, reply)) {
        return;
    }
    engine->append.parent = next_parent(engine, engine->append.parent + 1);
    imapc_enter(engine, engine->append.parent > 0 ? IMAPC_PHASE_PARENT : IMAPC_PHASE_CREATE);
}

void imapc_subscribe_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "SUBSCRIBE");
    imap_command_string(command, buf_bytes(&engine->folder));
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_subscribe_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (!imapc_set_aside(engine, reply)) {
        imapc_enter(engine, IMAPC_PHASE_APPEND); /* a folder that is not subscribed to takes mail as well */
    }
}

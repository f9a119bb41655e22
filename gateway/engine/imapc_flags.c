/*
 * imapc_flags - the flags of messages around their APPEND (RFC 9051 sections 6.3.2, 7.1 and 6.4.6): before it the
 * folder is asked which ones it keeps (PERMANENTFLAGS), once for all connections of the account; behind it they are
 * stored where the server's APPEND loses them, and so are those of messages that a search has found. Once the APPEND
 * has succeeded, or the message was found, nothing here can undo that: a flag may be missing, the message is never sent
 * again. See imapc_private.h.
 *
 * SELECT is needed, because EXAMINE says that nothing can be kept. It is left by UNSELECT or not at all: CLOSE would
 * expunge what others marked as deleted.
 */
#include <stdio.h>
#include <string.h>

#include "engine/imapc_private.h"

static struct imapc_folder_flags *kept_flags(const struct imapc_engine *engine)
{
    const struct imapc_folders *folders = engine->options.folders;
    return folders == NULL ? NULL : imapc_folders_flags(folders, buf_bytes(&engine->folder), engine->now);
}

/* A message of the append, or one that is looked for. */
struct flagged {
    const char *const *flags;
    size_t count;
    uint32_t uid;
};

static size_t count_of(const struct imapc_engine *engine)
{
    return engine->locate.wanted != NULL ? engine->locate.count : engine->append.count;
}

static struct flagged flagged_at(const struct imapc_engine *engine, size_t index)
{
    if (engine->locate.wanted == NULL) {
        const struct imapc_message *message = &engine->append.messages[index];
        return (struct flagged){message->flags, message->flag_count, message->uid};
    }
    const struct imapc_wanted *wanted = &engine->locate.wanted[index];
    /* What was not found has none here: they go with it when it is sent again. */
    return (struct flagged){wanted->flags, wanted->uid != 0 ? wanted->flag_count : 0, wanted->uid};
}

static bool any_flags(const struct imapc_engine *engine)
{
    for (size_t i = 0; i < count_of(engine); i++) {
        if (flagged_at(engine, i).count > 0) {
            return true;
        }
    }
    return false;
}

/* ---- what is left out ---- */

/* The first engine that meets it tells it, with all that its command leaves out; the others of the account know that it
 * is told. */
static void note_left_out(struct imapc_engine *engine, struct imapc_folder_flags *flags, struct bytes flag)
{
    char *text = engine->append.left_out;
    if (flags != NULL && flags->told && text[0] == '\0') {
        return;
    }
    if (flags != NULL) {
        flags->told = true;
    }
    size_t len = strlen(text), room = sizeof engine->append.left_out - len;
    if (bytes_find(bytes_of(text), flag) < 0 && flag.len + 2 < room) {
        snprintf(text + len, room, "%s%.*s", len > 0 ? " " : "", (int)flag.len, (const char *)flag.ptr);
    }
}

static bool is_kept(void *ctx, struct bytes flag)
{
    struct imapc_engine *engine = ctx;
    if (flag.ptr[0] != '\\' && !engine->options.keywords) {
        return false;
    }
    struct imapc_folder_flags *flags = kept_flags(engine);
    bool refused = flag.ptr[0] != '\\' && engine->append.without_keywords;
    if (!refused && imapc_folders_keeps(flags, flag)) {
        engine->append.keywords_sent = engine->append.keywords_sent || flag.ptr[0] != '\\';
        return true;
    }
    note_left_out(engine, flags, flag);
    return false;
}

void imapc_flags_write(struct imapc_engine *engine, const char *const *flags, size_t count)
{
    imap_command_flags(&engine->command, flags, count, is_kept, engine);
}

void imapc_flags_tell(struct imapc_engine *engine)
{
    char *text = engine->append.left_out;
    memcpy(engine->result.left_out, text, sizeof engine->result.left_out);
    text[0] = '\0';
}

/* ---- before the APPEND ---- */

void imapc_flags_learn_refused(struct imapc_engine *engine)
{
    static const char system_flags[] = "\\Answered \\Flagged \\Draft \\Seen";
    if (engine->options.folders != NULL) {
        struct imapc_folder_flags *flags = imapc_folders_learn_flags(
            engine->options.folders, buf_bytes(&engine->folder), bytes_of(system_flags), false, engine->now);
        flags->told = true; /* with this message */
    }
}

bool imapc_flags_are_asked(struct imapc_engine *engine)
{
    return engine->options.folders != NULL && any_flags(engine) && kept_flags(engine) == NULL &&
           !engine->append.flags_asked && imapc_may_ask(engine, IMAPC_QUESTION_FLAGS);
}

static void learn_flags(struct imapc_engine *engine, struct bytes list, bool any)
{
    imapc_folders_learn_flags(engine->options.folders, buf_bytes(&engine->folder), list, any, engine->now);
}

void imapc_select_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "SELECT");
    engine->storing.validity = 0;
    engine->append.flags_asked = true;
    imap_command_string(command, buf_bytes(&engine->folder));
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_select_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    uint64_t validity;
    if (engine->phase == IMAPC_PHASE_SELECT && engine->options.folders != NULL) {
        imapc_mark_of(&imapc_folders_mark(engine->options.folders, buf_bytes(&engine->folder))->mark, reply);
    }
    if (bytes_is_nocase(reply->code, "PERMANENTFLAGS") && engine->options.folders != NULL) {
        /* NIL tells nothing: unlike "()", which keeps nothing. */
        learn_flags(engine, reply->code_args, bytes_is_nocase(reply->code_args, "NIL"));
    } else if (bytes_is_nocase(reply->code, "UIDVALIDITY") && bytes_to_u64(reply->code_args, &validity) &&
               validity <= UINT32_MAX) {
        engine->storing.validity = (uint32_t)validity;
    }
}

void imapc_select_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_refusal refusal = imapc_refusal_about(reply, buf_bytes(&engine->folder));
    bool selected = reply->status == IMAP_STATUS_OK;
    if (imapc_set_aside(engine, reply)) {
        return;
    }
    if (!selected && refusal.create && !engine->append.created) {
        imapc_enter(engine, IMAPC_PHASE_CREATE);
        return;
    }
    /* It may be filed into without being read, or was busy for a moment; RFC 9051 section 7.1 has a server without
     * PERMANENTFLAGS keep all. */
    if (kept_flags(engine) == NULL && (selected || bytes_is(bytes_of(refusal.code), "noperm"))) {
        learn_flags(engine, bytes_of(""), true);
    }
    imapc_enter(engine, selected ? IMAPC_PHASE_LEAVE : IMAPC_PHASE_APPEND);
}

/* ---- behind it, or behind a search ---- */

/* The next message, from the index on, whose flags are to be stored. */
static size_t next_stored(const struct imapc_engine *engine, size_t index)
{
    while (index < count_of(engine)) {
        struct flagged message = flagged_at(engine, index);
        if (message.count > 0 && message.uid != 0) {
            break;
        }
        index++;
    }
    return index;
}

bool imapc_flags_are_stored(struct imapc_engine *engine)
{
    if (!engine->options.store_flags || !any_flags(engine)) {
        return false;
    }
    engine->storing.next = next_stored(engine, 0);
    engine->storing.failed = false;
    engine->result.unstored = true; /* until they are */
    if (!imapc_may_ask(engine, IMAPC_QUESTION_STORE)) {
        return false;
    }
    return engine->storing.next < count_of(engine); /* without APPENDUID it is not known which message it is */
}

void imapc_reselect_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    uint32_t validity = engine->storing.validity;
    bool same = reply->status == IMAP_STATUS_OK && validity != 0 && validity == engine->result.uidvalidity;
    imapc_enter(engine, same ? IMAPC_PHASE_STORE : IMAPC_PHASE_LEAVE);
}

static bool same_flags(const struct flagged *one, const struct flagged *other)
{
    bool same = one->count == other->count;
    for (size_t i = 0; same && i < one->count; i++) {
        same = strcmp(one->flags[i], other->flags[i]) == 0;
    }
    return same;
}

/* The message to be stored and those that stand behind it with the same flags, in one command: a search may have found
 * a thousand. */
static void write_set(struct imapc_engine *engine, const struct flagged *first)
{
    struct imapc_storing *storing = &engine->storing;
    struct flagged message = *first;
    const char *before = " ";
    for (size_t i = 0; i < IMAPC_STORE_MAX && same_flags(first, &message); i++) {
        buf_printf(&engine->command.text, "%s%u", before, message.uid);
        before = ",";
        storing->next = next_stored(engine, storing->next + 1);
        if (storing->next == count_of(engine)) {
            return;
        }
        message = flagged_at(engine, storing->next);
    }
}

void imapc_store_enter(struct imapc_engine *engine)
{
    struct flagged message = flagged_at(engine, engine->storing.next);
    struct imap_command *command = imapc_begin(engine, "UID STORE");
    write_set(engine, &message);
    buf_append_text(&command->text, " +FLAGS.SILENT");
    imapc_flags_write(engine, message.flags, message.count);
    if (imap_command_end(command) < 0) {
        engine->command_open = false; /* more flags than a command has room for */
        imapc_enter(engine, IMAPC_PHASE_LEAVE);
        return;
    }
    imapc_send(engine);
}

void imapc_store_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_storing *storing = &engine->storing;
    storing->failed = storing->failed || reply->status != IMAP_STATUS_OK;
    if (storing->next < count_of(engine)) {
        imapc_enter(engine, IMAPC_PHASE_STORE);
        return;
    }
    engine->result.unstored = storing->failed;
    imapc_enter(engine, IMAPC_PHASE_LEAVE);
}

/* ---- leaving the folder ---- */

static void go_on(struct imapc_engine *engine)
{
    if (engine->append.filed || engine->locate.wanted != NULL) {
        imapc_over(engine);
        imapc_enter(engine, IMAPC_PHASE_READY);
    } else {
        imapc_enter(engine, IMAPC_PHASE_APPEND);
    }
}

void imapc_leave_enter(struct imapc_engine *engine)
{
    if (!(engine->capabilities.has & IMAP_CAP_UNSELECT) || !imapc_may_ask(engine, IMAPC_QUESTION_LEAVE)) {
        go_on(engine);
        return;
    }
    imap_command_end(imapc_begin(engine, "UNSELECT"));
    imapc_send(engine);
}

void imapc_leave_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    /* What is filed or found by now stands. */
    bool done = engine->append.filed || engine->locate.wanted != NULL;
    if (done || !imapc_set_aside(engine, reply)) {
        go_on(engine);
    }
}

/* That stands, whatever becomes of the flags. SELECT leaves what EXAMINE opened, and expunges nothing. */
void imapc_flags_after_look(struct imapc_engine *engine)
{
    if (imapc_flags_are_stored(engine)) {
        engine->append.answered = true;
        imapc_enter(engine, IMAPC_PHASE_RESELECT);
    } else {
        imapc_enter(engine, IMAPC_PHASE_UNSELECT);
    }
}

/*
 * imapc_flags - the flags of messages around their APPEND (RFC 9051 sections 6.3.2, 7.1 and 6.4.6): before it the folder is asked which ones it keeps
 * (PERMANENTFLAGS), once for all connections of the account; behind it they are stored where the server's APPEND loses them. Once the APPEND has
 * succeeded nothing here can undo that: a flag may be missing, the message is never sent again. See imapc_private.h.
 *
 * SELECT is needed, because EXAMINE says that nothing can be kept. It is left by UNSELECT or not at all: CLOSE would expunge what others
 * marked as deleted.
 */
#include <stdio.h>
#include <string.h>

#include "engine/imapc_private.h"

static struct imapc_folder_flags *kept(const struct imapc_engine *engine)
{
    const struct imapc_folders *folders = engine->options.folders;
    return folders == NULL ? NULL : imapc_folders_flags(folders, buf_bytes(&engine->folder), engine->now);
}

static bool any_flags(const struct imapc_engine *engine)
{
    for (size_t i = 0; i < engine->append.count; i++) {
        if (engine->append.messages[i].flag_count > 0) {
            return true;
        }
    }
    return false;
}

/* ---- what is left out ---- */

static void note_left_out(struct imapc_engine *engine, struct bytes flag)
{
    char *text = engine->append.left_out;
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
    struct imapc_folder_flags *flags = kept(engine);
    if (imapc_folders_keeps(flags, flag)) {
        return true;
    }
    if (!flags->told) {
        note_left_out(engine, flag);
    }
    return false;
}

void imapc_flags_write(struct imapc_engine *engine, const struct imapc_message *message)
{
    imap_command_flags(&engine->command, message->flags, message->flag_count, is_kept, engine);
}

void imapc_flags_tell(struct imapc_engine *engine)
{
    struct imapc_folder_flags *flags = kept(engine);
    char *text = engine->append.left_out;
    memcpy(engine->result.left_out, text, sizeof engine->result.left_out);
    if (text[0] != '\0' && flags != NULL) {
        flags->told = true;
    }
    text[0] = '\0';
}

/* ---- before the APPEND ---- */

bool imapc_flags_are_asked(const struct imapc_engine *engine)
{
    return engine->options.folders != NULL && any_flags(engine) && kept(engine) == NULL;
}

static void learn(struct imapc_engine *engine, struct bytes list, bool any)
{
    imapc_folders_learn_flags(engine->options.folders, buf_bytes(&engine->folder), list, any, engine->now);
}

void imapc_select_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "SELECT");
    engine->append.validity = 0;
    imap_command_string(command, buf_bytes(&engine->folder));
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_select_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    uint64_t validity;
    if (bytes_is_nocase(reply->code, "PERMANENTFLAGS") && engine->options.folders != NULL) {
        learn(engine, reply->code_args, false);
    } else if (bytes_is_nocase(reply->code, "UIDVALIDITY") && bytes_to_u64(reply->code_args, &validity) &&
               validity <= UINT32_MAX) {
        engine->append.validity = (uint32_t)validity;
    }
}

void imapc_select_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_refusal refusal = imapc_refusal_of(reply);
    bool selected = reply->status == IMAP_STATUS_OK;
    if (!selected && refusal.account) {
        imapc_refused(engine, reply);
    } else if (!selected && refusal.create && !engine->append.created) {
        imapc_enter(engine, IMAPC_PHASE_CREATE);
    } else {
        if (kept(engine) == NULL) {
            learn(engine, bytes_of(""), true); /* it may be filed into without being read: then the APPEND tells */
        }
        imapc_enter(engine, selected ? IMAPC_PHASE_LEAVE : IMAPC_PHASE_APPEND);
    }
}

/* ---- behind it ---- */

/* The next message, from the index on, whose flags are to be stored. */
static size_t next_stored(const struct imapc_engine *engine, size_t index)
{
    const struct imapc_appending *append = &engine->append;
    while (index < append->count && (append->messages[index].flag_count == 0 || append->messages[index].uid == 0)) {
        index++;
    }
    return index;
}

bool imapc_flags_are_stored(struct imapc_engine *engine)
{
    if (!engine->options.store_flags || !any_flags(engine)) {
        return false;
    }
    engine->append.stored = next_stored(engine, 0);
    engine->append.store_failed = false;
    engine->result.unstored = true;                      /* until they are */
    return engine->append.stored < engine->append.count; /* without APPENDUID it is not known which message it is */
}

void imapc_reselect_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    bool same = reply->status == IMAP_STATUS_OK && engine->append.validity == engine->result.uidvalidity;
    imapc_enter(engine, same ? IMAPC_PHASE_STORE : IMAPC_PHASE_LEAVE);
}

void imapc_store_enter(struct imapc_engine *engine)
{
    const struct imapc_message *message = &engine->append.messages[engine->append.stored];
    struct imap_command *command = imapc_begin(engine, "UID STORE");
    buf_printf(&command->text, " %u +FLAGS.SILENT", message->uid);
    imapc_flags_write(engine, message);
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_store_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_appending *append = &engine->append;
    append->store_failed = append->store_failed || reply->status != IMAP_STATUS_OK;
    append->stored = next_stored(engine, append->stored + 1);
    if (append->stored < append->count) {
        imapc_enter(engine, IMAPC_PHASE_STORE);
        return;
    }
    engine->result.unstored = append->store_failed;
    imapc_enter(engine, IMAPC_PHASE_LEAVE);
}

/* ---- leaving the folder ---- */

static void go_on(struct imapc_engine *engine)
{
    if (engine->append.filed) {
        imapc_over(engine);
        imapc_enter(engine, IMAPC_PHASE_READY);
    } else {
        imapc_enter(engine, IMAPC_PHASE_APPEND);
    }
}

void imapc_leave_enter(struct imapc_engine *engine)
{
    if (!(engine->capabilities.has & IMAP_CAP_UNSELECT)) {
        go_on(engine);
        return;
    }
    imap_command_end(imapc_begin(engine, "UNSELECT"));
    imapc_send(engine);
}

void imapc_leave_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    (void)reply;
    go_on(engine);
}

/*
 * imapc_suspect - behind the login, for who wants to know which characters the server takes in names of folders: a name
 * with each of them, once, against the same name without. See imapc_private.h.
 *
 * The server is asked for the STATUS of such a name (RFC 9051 section 6.3.11): one that does not take the name says so
 * there, as Dovecot does, and otherwise that there is no such folder. That makes nothing. Where the owner allows it, a
 * name that STATUS has nothing against is created and deleted again, because some servers say it of CREATE alone.
 */
#include <stdio.h>
#include <string.h>

#include "engine/imapc_private.h"

/* Nobody has a folder of this name. */
#define STEM "mailweir-tries-names"

static struct imapc_suspect *current_suspect(const struct imapc_engine *engine)
{
    return engine->suspect == 0 ? NULL : &engine->options.names->suspects[engine->suspect - 1];
}

/* Puts the server's name with the character into engine->folder; false: there is nothing to learn of it. */
static bool choose_suspect(struct imapc_engine *engine)
{
    const struct imapc_suspect *suspect = current_suspect(engine);
    const struct imap_namespaces *spaces = &engine->namespaces;
    char name[64] = STEM;
    if (suspect != NULL && spaces->count > 0 && spaces->items[0].delimiter == suspect->character) {
        return false; /* a level's own delimiter becomes "_" in any case */
    }
    if (suspect != NULL) {
        snprintf(name, sizeof name, STEM "%cx", suspect->character);
    }
    buf_clear(&engine->folder);
    return imap_name_map(&engine->folder, bytes_of(name), spaces, engine->utf8) == 0;
}

void imapc_suspect_go_on(struct imapc_engine *engine)
{
    const struct imapc_names *names = engine->options.names;
    for (; names->suspect_count > 0 && engine->suspect <= names->suspect_count; engine->suspect++) {
        if (choose_suspect(engine)) {
            imapc_enter(engine, IMAPC_PHASE_SUSPECT);
            return;
        }
    }
    imapc_enter(engine, IMAPC_PHASE_READY);
}

static void go_on(struct imapc_engine *engine)
{
    engine->suspect++;
    imapc_suspect_go_on(engine);
}

/* What an answer says of the name: it is held against the one to the name without. */
static void note_answer(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_suspect *suspect = current_suspect(engine);
    struct imapc_refusal refusal = imapc_refusal_about(reply, buf_bytes(&engine->folder));
    const char *code = reply->status == IMAP_STATUS_OK ? "" : refusal.code;
    if (suspect == NULL) {
        snprintf(engine->plain, sizeof engine->plain, "%s", code);
        return;
    }
    suspect->asked = true;
    suspect->refused = code[0] != '\0' && strcmp(code, engine->plain) != 0 && refusal.class == FAULT_PERM &&
                       !refusal.create && !refusal.account;
    if (suspect->refused) {
        snprintf(suspect->refusal, sizeof suspect->refusal, "%.*s", (int)reply->text.len,
                 (const char *)reply->text.ptr);
    }
}

void imapc_suspect_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "STATUS");
    imap_command_string(command, buf_bytes(&engine->folder));
    imap_command_word(command, "(UIDNEXT)");
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_suspect_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    bool is_there = reply->status == IMAP_STATUS_OK;
    if (imapc_set_aside(engine, reply)) {
        return;
    }
    note_answer(engine, reply);
    const struct imapc_suspect *suspect = current_suspect(engine);
    bool done = suspect != NULL && suspect->refused;
    /* What is there already was made by somebody else, and is left alone. */
    if (engine->options.names->may_create && !is_there && !done) {
        imapc_enter(engine, IMAPC_PHASE_SUSPECT_CREATE);
    } else {
        go_on(engine);
    }
}

void imapc_suspect_create_enter(struct imapc_engine *engine)
{
    imapc_ask_about(engine, "CREATE");
}

void imapc_suspect_create_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (imapc_set_aside(engine, reply)) {
        return;
    }
    note_answer(engine, reply);
    if (reply->status == IMAP_STATUS_OK) {
        imapc_enter(engine, IMAPC_PHASE_SUSPECT_DELETE); /* it was made by this very command, and is empty */
    } else {
        go_on(engine);
    }
}

void imapc_suspect_delete_enter(struct imapc_engine *engine)
{
    imapc_ask_about(engine, "DELETE");
}

void imapc_suspect_delete_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    (void)reply;
    go_on(engine);
}

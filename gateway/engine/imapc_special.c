/*
 * imapc_special - folders that are named by their use, "\Junk" (RFC 6154): which one has it is asked once for all
 * connections of the account, by LIST (SPECIAL-USE), or by a plain LIST where the server shows uses in that. Without
 * one, the fallback's name counts. Rules that name Gmail's folders as they are in English mean their use as well: in an
 * account of another language they are called otherwise. See imapc_private.h.
 */
#include "base/expect.h"
#include "engine/imapc_private.h"

/* The task names a folder that cannot be: an append is given up; for a search, nothing can lie there. */
static void no_such_folder(struct imapc_engine *engine)
{
    if (engine->append.messages != NULL || engine->removing.uid != 0) {
        imapc_give_up(
            engine, FAULT_PERM, "folder-name",
            "the folder's name is empty, too long, not UTF-8, has control characters, or is not a special use");
    } else {
        engine->result.sight = DOUBT_SIGHT_MISSING;
        imapc_over(engine);
        imapc_enter(engine, IMAPC_PHASE_READY);
    }
}

static void go_on(struct imapc_engine *engine, const char *folder)
{
    buf_clear(&engine->folder);
    if (imap_name_map(&engine->folder, bytes_of(folder), &engine->namespaces, engine->utf8) < 0) {
        no_such_folder(engine);
    } else {
        imapc_enter(engine, engine->special.next);
    }
}

static void use_folder(struct imapc_engine *engine)
{
    enum imap_special_use use = engine->special.use;
    const struct imapc_folders *folders = engine->options.folders;
    const char *name = folders == NULL ? NULL : imapc_folders_of_use(folders, use);
    const char *fallback = engine->options.special_names == NULL ? NULL : engine->options.special_names[use];
    if (engine->special.written != NULL && (name == NULL || !imap_special_is_gmail(bytes_of(name)))) {
        engine->special.use = IMAP_SPECIAL_USES;
        engine->special.named = false;
        go_on(engine, engine->special.written); /* no Gmail, or it calls it so */
    } else if (name != NULL) {
        engine->special.use = IMAP_SPECIAL_USES; /* it exists: whatever else is created has no use */
        buf_clear(&engine->folder);
        buf_append_text(&engine->folder, name);
        imapc_enter(engine, engine->special.next);
    } else {
        go_on(engine, fallback != NULL ? fallback : imap_special_name(use) + 1);
    }
}

void imapc_resolve(struct imapc_engine *engine, const char *folder, enum imapc_phase next)
{
    struct imapc_special *special = &engine->special;
    const struct imapc_folders *folders = engine->options.folders;
    *special = (struct imapc_special){.use = imap_special_of_gmail(bytes_of(folder)), .next = next};
    special->written = special->use != IMAP_SPECIAL_USES ? folder : NULL;
    if (special->written == NULL && !imap_special_is_named(bytes_of(folder))) {
        go_on(engine, folder);
        return;
    }
    special->use = special->written != NULL ? special->use : imap_special_find(bytes_of(folder));
    special->named = true;
    if (special->use == IMAP_SPECIAL_USES) {
        no_such_folder(engine);
    } else if (folders != NULL && !imapc_folders_knows_uses(folders, engine->now) &&
               imapc_may_ask(engine, IMAPC_QUESTION_USES)) {
        special->plain = !(engine->capabilities.has & IMAP_CAP_SPECIAL_USE);
        imapc_enter(engine, IMAPC_PHASE_LIST);
    } else {
        use_folder(engine);
    }
}

const char *imapc_special_used(struct imapc_engine *engine)
{
    char delimiter = engine->namespaces.count > 0 ? engine->namespaces.items[0].delimiter : '\0';
    buf_clear(&engine->used);
    bool is_known = engine->special.named && engine->folder.len > 0 &&
                    imap_name_unmap(&engine->used, buf_bytes(&engine->folder), delimiter, engine->utf8) == 0;
    return is_known ? buf_text(&engine->used) : NULL;
}

/* ---- the question ---- */

void imapc_list_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "LIST");
    imapc_folders_free(&engine->special.found);
    engine->special.found = imapc_folders_new();
    imap_command_word(command, engine->special.plain ? "\"\" \"*\"" : "(SPECIAL-USE) \"\" \"*\" RETURN (SPECIAL-USE)");
    imap_command_end(command);
    imapc_send(engine);
}

/* Somebody else's folder has somebody else's use. */
static bool is_foreign(const struct imapc_engine *engine, struct bytes name)
{
    for (size_t i = 1; i < engine->namespaces.count; i++) {
        struct bytes prefix = bytes_of(engine->namespaces.items[i].prefix);
        if (prefix.len > 0 && bytes_equal(bytes_slice(name, 0, prefix.len), prefix)) {
            return true;
        }
    }
    return false;
}

/* Takes the attributes in front of a mailbox's name; false where they say that nothing can be filed there. */
static bool take_attributes(struct bytes *rest, unsigned *uses_r)
{
    struct imap_token token;
    *uses_r = 0;
    while (imap_token_next(rest, &token) == 0 && token.kind == IMAP_TOKEN_ATOM) {
        enum imap_special_use use = imap_special_of_attribute(token.text);
        *uses_r |= use != IMAP_SPECIAL_USES ? 1u << use : 0;
        if (bytes_is_nocase(token.text, "\\Noselect") || bytes_is_nocase(token.text, "\\NonExistent")) {
            return false;
        }
    }
    return true;
}

/* (\HasNoChildren \Junk) "/" "Spam" */
void imapc_list_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct bytes rest = reply->args;
    struct imap_token token;
    unsigned uses;
    if (!bytes_is_nocase(reply->name, "LIST") || imap_token_next(&rest, &token) < 0 || token.kind != IMAP_TOKEN_OPEN ||
        !take_attributes(&rest, &uses)) {
        return;
    }
    struct buf name;
    buf_init(&name, IMAP_NAME_MAX);
    if (imap_token_skip(&rest) == 0 && imap_token_next(&rest, &token) == 0 && imap_token_copy(&token, &name) == 0 &&
        name.len > 0 && !bytes_has_control(buf_bytes(&name)) && !is_foreign(engine, buf_bytes(&name))) {
        for (unsigned use = 0; use < IMAP_SPECIAL_USES; use++) {
            if (uses & (1u << use)) {
                imapc_folders_learn_use(engine->special.found, (enum imap_special_use)use, buf_bytes(&name));
            }
        }
    }
    buf_done(&name);
}

void imapc_list_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_special *special = &engine->special;
    if (imapc_set_aside(engine, reply)) {
        return;
    }
    if (reply->status != IMAP_STATUS_OK && !special->plain) {
        special->plain = true; /* it has special uses and not the LIST of RFC 5258 */
        imapc_enter(engine, IMAPC_PHASE_LIST);
    } else {
        imapc_folders_take_uses(engine->options.folders, special->found, engine->now);
        special->learned = true;
        use_folder(engine);
    }
}

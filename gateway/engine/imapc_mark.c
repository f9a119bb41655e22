/*
 * imapc_mark - a lower bound of the UIDs that an append's messages get (RFC 9051 sections 6.3.11 and 7.3.1), known
 * before their first octet goes out: should their outcome be unknown, a look need not go further down. STATUS tells it
 * once for each folder and connection, APPENDUID keeps it fresh; without APPENDUID, each connection asks for itself. A
 * folder that is made for the message is asked when it is there: it may be numbered anew before anybody looks for it.
 * See doubt.h and imapc_private.h.
 */
#include <string.h>

#include "engine/imapc_private.h"

static struct imapc_folder_mark *kept_mark(struct imapc_engine *engine)
{
    return imapc_folders_mark(engine->options.folders, buf_bytes(&engine->folder));
}

void imapc_mark_name(const struct imapc_engine *engine, struct doubt_mark *mark)
{
    doubt_name(mark->account, bytes_of(engine->options.username));
    doubt_name(mark->folder, buf_bytes(&engine->folder));
}

struct doubt_mark imapc_mark_known(struct imapc_engine *engine)
{
    struct doubt_mark known = {0};
    const struct imapc_folder_mark *mark = engine->options.folders == NULL ? NULL : kept_mark(engine);
    if (mark != NULL && mark->mark.validity != 0 && mark->mark.next != 0) {
        known = mark->mark;
    }
    known.there = engine->append.created;
    imapc_mark_name(engine, &known);
    return known;
}

bool imapc_mark_is_asked(struct imapc_engine *engine)
{
    if (engine->options.folders == NULL || engine->append.mark_asked) {
        return false;
    }
    const struct imapc_folder_mark *mark = kept_mark(engine);
    /* A later connection has asked, or this one: what was set back from a backup takes no connection along. */
    bool is_fresh =
        engine->capabilities.has & IMAP_CAP_UIDPLUS ? mark->asked_by >= engine->asker : mark->asked_by == engine->asker;
    if (is_fresh || !imapc_may_ask(engine, IMAPC_QUESTION_MARK)) {
        return false;
    }
    imapc_enter(engine, IMAPC_PHASE_MARK);
    return true;
}

void imapc_mark_made(struct imapc_engine *engine, bool is_new)
{
    engine->append.mark_asked = false;
    if (engine->options.folders != NULL) {
        struct imapc_folder_mark *mark = kept_mark(engine);
        mark->asked_by = 0;
        if (is_new) {
            mark->mark = (struct doubt_mark){0}; /* what had the name before is another mailbox */
        }
    }
}

void imapc_mark_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "STATUS");
    engine->append.mark_asked = true;
    kept_mark(engine)->asked_by = engine->asker;
    imap_command_string(command, buf_bytes(&engine->folder));
    /* Cyrus 3.6 answers with octets of freed memory now and then: without it, UIDVALIDITY alone tells the mailbox. */
    bool has_id =
        (engine->capabilities.has & IMAP_CAP_OBJECTID) != 0 && !imapc_folders_ids_are_spoiled(engine->options.folders);
    imap_command_word(command, has_id ? "(UIDNEXT UIDVALIDITY MAILBOXID)" : "(UIDNEXT UIDVALIDITY)");
    imap_command_end(command);
    imapc_send(engine);
}

/* Another validity is another numbering: what was known of the old one says nothing. */
static void set_validity(struct doubt_mark *mark, uint64_t validity)
{
    if (validity <= UINT32_MAX && mark->validity != (uint32_t)validity) {
        *mark = (struct doubt_mark){.validity = (uint32_t)validity};
    }
}

static void set_mailbox(struct doubt_mark *mark, struct bytes id)
{
    if (id.len >= 2 && id.ptr[0] == '(' && id.ptr[id.len - 1] == ')') {
        id = bytes_slice(id, 1, id.len - 2);
    }
    if (id.len < sizeof mark->mailbox && !bytes_has_control(id) && bytes_find_octet(id, ' ') < 0) {
        memcpy(mark->mailbox, id.ptr, id.len);
        mark->mailbox[id.len] = '\0';
    }
}

static void set_item(struct doubt_mark *mark, struct bytes name, struct bytes value)
{
    uint64_t number = 0;
    if (bytes_is_nocase(name, "MAILBOXID")) {
        set_mailbox(mark, value);
    } else if (bytes_is_nocase(name, "UIDVALIDITY") && bytes_to_u64(value, &number)) {
        set_validity(mark, number);
    } else if (bytes_is_nocase(name, "UIDNEXT") && bytes_to_u64(value, &number) && number <= UINT32_MAX) {
        mark->next = (uint32_t)number;
    }
}

/* (UIDNEXT 5 UIDVALIDITY 7 MAILBOXID (abc)): in any order; the validity comes first, because it makes the others void.
 */
static void of_status(struct doubt_mark *mark, struct bytes args, bool validity)
{
    struct imap_token name, value;
    if (imap_token_skip(&args) < 0 || imap_token_next(&args, &name) < 0 || name.kind != IMAP_TOKEN_OPEN) {
        return;
    }
    while (imap_token_next(&args, &name) == 0 && name.kind == IMAP_TOKEN_ATOM) {
        struct bytes rest = args;
        if (imap_token_skip(&args) < 0 || imap_token_next(&rest, &value) < 0) {
            return;
        }
        if (value.kind == IMAP_TOKEN_OPEN && imap_token_next(&rest, &value) < 0) {
            return;
        }
        bool is_value = value.kind == IMAP_TOKEN_ATOM || value.kind == IMAP_TOKEN_STRING;
        if (is_value && validity == bytes_is_nocase(name.text, "UIDVALIDITY")) {
            set_item(mark, name.text, value.text);
        }
    }
}

void imapc_mark_of(struct doubt_mark *mark, const struct imap_reply *reply)
{
    if (bytes_is_nocase(reply->name, "STATUS")) {
        of_status(mark, reply->args, true);
        of_status(mark, reply->args, false);
    } else {
        set_item(mark, reply->code, reply->code_args);
    }
}

void imapc_mark_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    imapc_mark_of(&kept_mark(engine)->mark, reply);
}

void imapc_mark_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    /* Of a folder that is not there yet nothing is known, and the APPEND tells. */
    bool missing = reply->status == IMAP_STATUS_NO && imapc_refusal_about(reply, buf_bytes(&engine->folder)).create;
    if (missing || !imapc_set_aside(engine, reply)) {
        imapc_enter(engine, IMAPC_PHASE_APPEND);
    }
}

void imapc_mark_passed(struct imapc_engine *engine, uint32_t validity, uint32_t uid)
{
    if (engine->options.folders == NULL || validity == 0 || uid == UINT32_MAX) {
        return;
    }
    struct doubt_mark *mark = &kept_mark(engine)->mark;
    set_validity(mark, validity);
    /* Also a lower one: answers of several connections cross, and a server that was set back gives UIDs again. */
    mark->next = uid + 1;
}

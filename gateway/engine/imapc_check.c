/*
 * imapc_check - behind the list of folders, for who wants to know whether messages could go into some: the account's
 * rights (MYRIGHTS, RFC 4314 section 3.5) and the quota (GETQUOTAROOT, RFC 9208 section 4.1.2) of each, or of the
 * nearest parent that is there. Nothing is made or changed. See imapc_private.h.
 */
#include <stdio.h>

#include "engine/imapc_private.h"

static bool is_there(const struct imapc_names *names, struct bytes folder)
{
    struct bytes rest = buf_bytes(&names->list);
    while (rest.len > 0) {
        struct bytes name = bytes_cut(&rest, '\0');
        if (bytes_equal(name, folder)) {
            return true;
        }
    }
    return bytes_is_nocase(folder, "INBOX");
}

/* The folder, or the nearest of its parents that is there; empty when there is none. */
static struct bytes nearest(const struct imapc_names *names, struct bytes folder)
{
    while (folder.len > 0 && !is_there(names, folder)) {
        do {
            folder.len--;
        } while (folder.len > 0 && folder.ptr[folder.len] != '/');
    }
    return folder;
}

static struct imapc_check *current_check(const struct imapc_engine *engine)
{
    return &engine->options.names->checks[engine->checked];
}

/* Puts the server's name of what is asked about into engine->folder; false: there is nothing to ask. */
static bool choose_check(struct imapc_engine *engine, struct imapc_check *check)
{
    struct bytes folder = bytes_of(check->folder), asked = nearest(engine->options.names, folder);
    check->missing = engine->options.names->complete && asked.len < folder.len;
    buf_clear(&engine->folder);
    return asked.len > 0 && imap_name_map(&engine->folder, asked, &engine->namespaces, engine->utf8) == 0;
}

void imapc_check_go_on(struct imapc_engine *engine)
{
    const struct imapc_names *names = engine->options.names;
    for (; engine->checked < names->check_count; engine->checked++) {
        struct imapc_check *check = current_check(engine);
        bool can = choose_check(engine, check);
        if (can && !check->rights_asked && engine->capabilities.has & IMAP_CAP_ACL &&
            imapc_may_ask(engine, IMAPC_QUESTION_RIGHTS)) {
            check->rights_asked = true;
            imapc_enter(engine, IMAPC_PHASE_CHECK_RIGHTS);
            return;
        }
        if (can && !check->quota_asked && engine->capabilities.has & IMAP_CAP_QUOTA &&
            imapc_may_ask(engine, IMAPC_QUESTION_QUOTA)) {
            check->quota_asked = true;
            imapc_enter(engine, IMAPC_PHASE_CHECK_QUOTA);
            return;
        }
    }
    imapc_suspect_go_on(engine);
}

/* ---- rights ---- */

void imapc_check_rights_enter(struct imapc_engine *engine)
{
    imapc_ask_about(engine, "MYRIGHTS");
}

void imapc_check_rights_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_check *check = current_check(engine);
    struct bytes rights;
    if (imapc_rights_of(reply, &rights)) {
        snprintf(check->rights, sizeof check->rights, "%.*s", (int)rights.len, (const char *)rights.ptr);
    }
}

void imapc_check_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_check *check = current_check(engine);
    if (reply->status != IMAP_STATUS_OK) {
        snprintf(check->refusal, sizeof check->refusal, "%.*s", (int)reply->text.len, (const char *)reply->text.ptr);
    }
    imapc_check_go_on(engine);
}

/* ---- quota ---- */

void imapc_check_quota_enter(struct imapc_engine *engine)
{
    imapc_ask_about(engine, "GETQUOTAROOT");
}

static void on_resource(void *ctx, enum imapc_resource resource, uint64_t used, uint64_t limit)
{
    struct imapc_check *check = ctx;
    imapc_quota_take(resource == IMAPC_RESOURCE_OCTETS ? &check->octets : &check->messages, used, limit);
}

void imapc_check_quota_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    imapc_quota_of(reply, on_resource, current_check(engine));
}

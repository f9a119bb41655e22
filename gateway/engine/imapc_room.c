/*
 * imapc_room - what a server is asked about a folder before messages go into it: may the account insert (MYRIGHTS, RFC
 * 4314 section 3.5), and is there room (GETQUOTAROOT, RFC 9208 section 4.1.2)? So that a refusal costs a round trip and
 * not the octets of a message. Asked where the server has the extension, once for all connections of the account, and
 * again when the answer is old or stands in the way. See imapc_private.h.
 *
 * A server that does not answer these questions is not in the way: the APPEND tells. Uncertainty never comes from here.
 */
#include <string.h>

#include "engine/imapc_private.h"

/* Others fill the mailbox, too. */
#define QUOTA_AGE_MS UINT64_C(60000)
/* The unit of the resource STORAGE. */
#define STORAGE_UNIT 1024

static struct imapc_folder_room *room_of(const struct imapc_engine *engine)
{
    return imapc_folders_room(engine->options.folders, buf_bytes(&engine->folder));
}

static uint64_t octets_of(const struct imapc_engine *engine)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < engine->append.count; i++) {
        sum += engine->append.messages[i].size;
    }
    return sum;
}

static bool is_young(const struct imapc_engine *engine, uint64_t at, uint64_t age)
{
    return engine->now - at < age;
}

static bool fits_room(const struct imapc_engine *engine, const struct imapc_folder_room *room)
{
    return octets_of(engine) <= room->octets_left && engine->append.count <= room->messages_left;
}

bool imapc_room_is_asked(struct imapc_engine *engine)
{
    if (engine->options.folders == NULL) {
        return false;
    }
    const struct imapc_folder_room *room = room_of(engine);
    bool rights = room->rights_known && !room->barred && is_young(engine, room->rights_at, IMAPC_FOLDERS_AGE_MS);
    bool quota = room->quota_known && fits_room(engine, room) && is_young(engine, room->quota_at, QUOTA_AGE_MS);
    if (engine->capabilities.has & IMAP_CAP_ACL && !rights && !engine->append.rights_asked &&
        imapc_may_ask(engine, IMAPC_QUESTION_RIGHTS)) {
        imapc_enter(engine, IMAPC_PHASE_RIGHTS);
        return true;
    }
    if (engine->capabilities.has & IMAP_CAP_QUOTA && !quota && !engine->append.quota_asked &&
        imapc_may_ask(engine, IMAPC_QUESTION_QUOTA)) {
        imapc_enter(engine, IMAPC_PHASE_QUOTA);
        return true;
    }
    return false;
}

bool imapc_room_is_refused(struct imapc_engine *engine)
{
    if (engine->options.folders == NULL) {
        return false;
    }
    const struct imapc_folder_room *room = room_of(engine);
    if (engine->append.rights_asked && room->barred) {
        imapc_give_up(engine, FAULT_PERM, "noperm",
                      "the account may not insert messages into the folder: grant it the right \"i\" (MYRIGHTS)");
        return true;
    }
    if (engine->append.quota_asked && room->quota_known && !fits_room(engine, room)) {
        imapc_give_up(engine, FAULT_TEMP, "overquota",
                      "the message does not fit in the mailbox's quota (GETQUOTAROOT); nothing was sent");
        return true;
    }
    return false;
}

void imapc_room_used(struct imapc_engine *engine)
{
    if (engine->options.folders == NULL) {
        return;
    }
    struct imapc_folder_room *room = room_of(engine);
    if (room->quota_known && room->octets_left != UINT64_MAX) {
        uint64_t sum = octets_of(engine);
        room->octets_left -= sum < room->octets_left ? sum : room->octets_left;
    }
    if (room->quota_known && room->messages_left != UINT64_MAX) {
        room->messages_left -= engine->append.count < room->messages_left ? engine->append.count : room->messages_left;
    }
}

void imapc_room_forget(struct imapc_engine *engine)
{
    if (engine->options.folders != NULL) {
        room_of(engine)->quota_known = false;
    }
}

/* ---- rights ---- */

void imapc_ask_about(struct imapc_engine *engine, const char *name)
{
    struct imap_command *command = imapc_begin(engine, name);
    imap_command_string(command, buf_bytes(&engine->folder));
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_rights_enter(struct imapc_engine *engine)
{
    struct imapc_folder_room *room = room_of(engine);
    engine->append.rights_asked = true;
    room->barred = false; /* until the server says so */
    imapc_ask_about(engine, "MYRIGHTS");
}

bool imapc_rights_of(const struct imap_reply *reply, struct bytes *rights_r)
{
    struct bytes args = reply->args;
    struct imap_token rights;
    if (!bytes_is_nocase(reply->name, "MYRIGHTS") || imap_token_skip(&args) != 0 ||
        imap_token_next(&args, &rights) != 0 || (rights.kind != IMAP_TOKEN_ATOM && rights.kind != IMAP_TOKEN_STRING)) {
        return false;
    }
    *rights_r = rights.text;
    return true;
}

void imapc_rights_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct bytes rights;
    if (imapc_rights_of(reply, &rights)) {
        room_of(engine)->barred = bytes_find(rights, bytes_of("i")) < 0;
    }
}

void imapc_rights_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_folder_room *room = room_of(engine);
    room->rights_known = true;
    room->rights_at = engine->now;
    /* Of a folder that is not there yet, or may not be looked at, nothing is known: the APPEND tells. */
    room->barred = room->barred && reply->status == IMAP_STATUS_OK;
    if (!imapc_set_aside(engine, reply)) {
        imapc_enter(engine, IMAPC_PHASE_APPEND);
    }
}

/* ---- quota ---- */

void imapc_quota_enter(struct imapc_engine *engine)
{
    struct imapc_folder_room *room = room_of(engine);
    engine->append.quota_asked = true;
    room->octets_left = room->messages_left = UINT64_MAX;
    memset(room->told, 0, sizeof room->told);
    imapc_ask_about(engine, "GETQUOTAROOT");
}

static uint64_t in_octets(uint64_t units)
{
    return units < UINT64_MAX / STORAGE_UNIT ? units * STORAGE_UNIT : UINT64_MAX;
}

/* Takes a number off the list; false when there is none. */
static bool take_number(struct bytes *rest, uint64_t *number_r)
{
    struct imap_token token;
    return imap_token_next(rest, &token) == 0 && token.kind == IMAP_TOKEN_ATOM && bytes_to_u64(token.text, number_r);
}

/* * QUOTA "root" (STORAGE 10 512 MESSAGE 2 100): used and limit. */
void imapc_quota_of(const struct imap_reply *reply, imapc_resource_fn *fn, void *ctx)
{
    struct bytes rest = reply->args;
    struct imap_token token;
    uint64_t used, limit;
    if (!bytes_is_nocase(reply->name, "QUOTA") || imap_token_skip(&rest) != 0 || imap_token_next(&rest, &token) != 0 ||
        token.kind != IMAP_TOKEN_OPEN) {
        return;
    }
    while (imap_token_next(&rest, &token) == 0 && token.kind == IMAP_TOKEN_ATOM && take_number(&rest, &used) &&
           take_number(&rest, &limit)) {
        if (bytes_is_nocase(token.text, "STORAGE")) {
            fn(ctx, IMAPC_RESOURCE_OCTETS, in_octets(used), in_octets(limit));
        } else if (bytes_is_nocase(token.text, "MESSAGE")) {
            fn(ctx, IMAPC_RESOURCE_MESSAGES, used, limit);
        }
    }
}

/* The least of all roots counts. A limit of 0 stands for none at many servers (Stalwart, Mailu), and for a full mailbox
 * at Cyrus: the APPEND decides. */
static void lower(void *ctx, enum imapc_resource resource, uint64_t used, uint64_t limit)
{
    struct imapc_folder_room *room = ctx;
    uint64_t *left = resource == IMAPC_RESOURCE_OCTETS ? &room->octets_left : &room->messages_left;
    uint64_t free = limit > used ? limit - used : 0;
    *left = free < *left && limit > 0 ? free : *left;
    imapc_quota_take(&room->told[resource], used, limit);
}

void imapc_quota_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    imapc_quota_of(reply, lower, room_of(engine));
}

void imapc_quota_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_folder_room *room = room_of(engine);
    if (reply->status != IMAP_STATUS_OK) {
        room->octets_left = room->messages_left = UINT64_MAX;
    } else {
        imapc_folders_learn_quota(engine->options.folders, room, engine->now);
    }
    room->quota_known = true;
    room->quota_at = engine->now;
    if (!imapc_set_aside(engine, reply)) {
        imapc_enter(engine, IMAPC_PHASE_APPEND);
    }
}

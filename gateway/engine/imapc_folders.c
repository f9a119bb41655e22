/*
 * imapc_folders - see imapc_folders.h.
 */
#include "engine/imapc_folders.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/map.h"

struct imapc_folders {
    struct map *flags;   /* struct imapc_folder_flags by the server's name */
    size_t flag_octets;  /* of their lists */
    struct map *rooms;   /* struct imapc_folder_room */
    uint64_t room_count; /* ever made */
    struct {
        struct imapc_quota quota;
        uint64_t room, at; /* who told it, and when */
    } fullest[IMAPC_RESOURCES];
    struct map *marks; /* struct imapc_folder_mark */
    bool ids_spoiled;  /* its MAILBOXID is not to be asked for */
    uint64_t askers;
    char *uses[IMAP_SPECIAL_USES];
    bool uses_known;
    uint64_t uses_at;
};

struct imapc_folders *imapc_folders_new(void)
{
    struct imapc_folders *folders = expect_calloc(1, sizeof *folders);
    folders->flags = map_new(IMAPC_FOLDERS_MAX, NULL);
    folders->rooms = map_new(IMAPC_FOLDERS_MAX, NULL);
    folders->marks = map_new(IMAPC_FOLDERS_MAX, NULL);
    return folders;
}

static void forget_uses(struct imapc_folders *folders)
{
    for (size_t i = 0; i < IMAP_SPECIAL_USES; i++) {
        free(folders->uses[i]);
        folders->uses[i] = NULL;
    }
}

void imapc_folders_free(struct imapc_folders **folders)
{
    if (*folders == NULL) {
        return;
    }
    forget_uses(*folders);
    map_free(&(*folders)->flags, free);
    map_free(&(*folders)->rooms, free);
    map_free(&(*folders)->marks, free);
    free(*folders);
    *folders = NULL;
}

/* ---- flags ---- */

struct imapc_folder_flags *imapc_folders_flags(const struct imapc_folders *folders, struct bytes name, uint64_t now)
{
    struct imapc_folder_flags *flags = map_get(folders->flags, name);
    return flags != NULL && now - flags->learned_at < IMAPC_FOLDERS_AGE_MS ? flags : NULL;
}

/* Copies the list into `into`, of keywords only those that "\*" does not cover. Its length. */
static size_t copy_flags(char *into, struct bytes list)
{
    bool any_keyword = bytes_find(list, bytes_of("\\*")) >= 0;
    size_t len = 0;
    while (list.len > 0) {
        struct bytes flag = bytes_cut(&list, ' ');
        if (flag.len > 0 && (flag.ptr[0] == '\\' || !any_keyword)) {
            memcpy(into + len, flag.ptr, flag.len);
            len += flag.len;
            into[len++] = ' ';
        }
    }
    into[len] = '\0';
    return len;
}

static void forget_flags(struct imapc_folders *folders)
{
    map_free(&folders->flags, free);
    folders->flags = map_new(IMAPC_FOLDERS_MAX, NULL);
    folders->flag_octets = 0;
}

struct imapc_folder_flags *imapc_folders_learn_flags(struct imapc_folders *folders, struct bytes name,
                                                     struct bytes list, bool any, uint64_t now)
{
    if (list.len >= 2 && list.ptr[0] == '(' && list.ptr[list.len - 1] == ')') {
        list = bytes_slice(list, 1, list.len - 2);
    }
    struct imapc_folder_flags *flags = expect_calloc(1, sizeof *flags + list.len + 2);
    struct imapc_folder_flags *before = map_remove(folders->flags, name);
    flags->learned_at = now;
    flags->any = any;
    flags->len = copy_flags(flags->list, list);
    flags = expect_memory(realloc(flags, sizeof *flags + flags->len + 1));
    if (before != NULL) {
        flags->told = before->told;
        folders->flag_octets -= before->len;
        free(before);
    }
    if (folders->flag_octets + flags->len > IMAPC_FOLDERS_OCTETS_MAX || map_set(folders->flags, name, flags) < 0) {
        forget_flags(folders);
        EXPECT(map_set(folders->flags, name, flags) == 0);
    }
    folders->flag_octets += flags->len;
    return flags;
}

bool imapc_folders_keeps(const struct imapc_folder_flags *flags, struct bytes flag)
{
    if (flags == NULL || flags->any) {
        return true;
    }
    bool keyword = flag.len > 0 && flag.ptr[0] != '\\';
    struct bytes rest = bytes_of(flags->list);
    while (rest.len > 0) {
        struct bytes kept = bytes_cut(&rest, ' ');
        if (bytes_equal_nocase(kept, flag) || (keyword && bytes_is(kept, "\\*"))) {
            return true;
        }
    }
    return false;
}

/* ---- room ---- */

/* What is kept of the folder in the map; made when it is new. */
static void *find_or_make(struct map **map, struct bytes name, size_t size)
{
    void *item = map_get(*map, name);
    if (item == NULL) {
        item = expect_calloc(1, size);
        if (map_set(*map, name, item) < 0) {
            map_free(map, free);
            *map = map_new(IMAPC_FOLDERS_MAX, NULL);
            EXPECT(map_set(*map, name, item) == 0);
        }
    }
    return item;
}

struct imapc_folder_room *imapc_folders_room(struct imapc_folders *folders, struct bytes name)
{
    struct imapc_folder_room *room = find_or_make(&folders->rooms, name, sizeof *room);
    if (room->number == 0) {
        room->number = ++folders->room_count;
    }
    return room;
}

void imapc_quota_take(struct imapc_quota *quota, uint64_t used, uint64_t limit)
{
    uint64_t left = limit > used ? limit - used : 0,
             known = quota->limit > quota->used ? quota->limit - quota->used : 0;
    /* A limit of 0 tells nothing by itself, see imapc_room.c: any other one tells more. */
    bool better = quota->limit == 0 || (limit > 0 && left < known);
    if (!quota->known || better) {
        *quota = (struct imapc_quota){.known = true, .used = used, .limit = limit};
    }
}

/* The part of it that is used; 0 where there is no limit. */
static double share(const struct imapc_quota *quota)
{
    return quota->known && quota->limit > 0 ? (double)quota->used / (double)quota->limit : 0;
}

/* Folders of one account may have roots of their own. Their names are the server's, mostly addresses: which folder it
 * was is not told. */
void imapc_folders_learn_quota(struct imapc_folders *folders, const struct imapc_folder_room *room, uint64_t now)
{
    for (int i = 0; i < IMAPC_RESOURCES; i++) {
        struct imapc_quota known = imapc_folders_quota(folders, (enum imapc_resource)i, now);
        bool same = folders->fullest[i].room == room->number;
        if (same || !known.known || share(&room->told[i]) >= share(&known)) {
            folders->fullest[i].quota = room->told[i];
            folders->fullest[i].room = room->number;
            folders->fullest[i].at = now;
        }
    }
}

struct imapc_quota imapc_folders_quota(const struct imapc_folders *folders, enum imapc_resource resource, uint64_t now)
{
    struct imapc_quota quota = folders->fullest[resource].quota;
    quota.known = quota.known && quota.limit > 0 && now - folders->fullest[resource].at < IMAPC_FOLDERS_AGE_MS;
    return quota;
}

/* ---- marks ---- */

struct imapc_folder_mark *imapc_folders_mark(struct imapc_folders *folders, struct bytes name)
{
    return find_or_make(&folders->marks, name, sizeof(struct imapc_folder_mark));
}

void imapc_folders_spoil_ids(struct imapc_folders *folders)
{
    folders->ids_spoiled = true;
}

bool imapc_folders_ids_are_spoiled(const struct imapc_folders *folders)
{
    return folders->ids_spoiled;
}

uint64_t imapc_folders_next_asker(struct imapc_folders *folders)
{
    return ++folders->askers;
}

/* ---- special uses ---- */

bool imapc_folders_knows_uses(const struct imapc_folders *folders, uint64_t now)
{
    return folders->uses_known && now - folders->uses_at < IMAPC_FOLDERS_AGE_MS;
}

const char *imapc_folders_of_use(const struct imapc_folders *folders, enum imap_special_use use)
{
    return folders->uses[use];
}

void imapc_folders_take_uses(struct imapc_folders *folders, struct imapc_folders *found, uint64_t now)
{
    forget_uses(folders);
    memcpy(folders->uses, found->uses, sizeof folders->uses);
    memset(found->uses, 0, sizeof found->uses);
    folders->uses_known = true;
    folders->uses_at = now;
}

void imapc_folders_learn_use(struct imapc_folders *folders, enum imap_special_use use, struct bytes name)
{
    if (folders->uses[use] == NULL) {
        char *text = expect_calloc(1, name.len + 1);
        if (name.len > 0) {
            memcpy(text, name.ptr, name.len);
        }
        folders->uses[use] = text;
    }
}

/*
 * imapc_folders - what the connections of one account have learned about its folders: which flags each keeps
 * (PERMANENTFLAGS), whether there is room in it and which one has which special use (RFC 6154). Shared by them, so that
 * it is asked once and not by each; forgotten after an hour, because folders change.
 */
#ifndef MAILWEIR_ENGINE_IMAPC_FOLDERS_H
#define MAILWEIR_ENGINE_IMAPC_FOLDERS_H

#include "base/bytes.h"
#include "base/must_use.h"
#include "engine/doubt.h"
#include "proto/imap_special.h"

struct imapc_folders;

/* So long what was learned counts. */
#define IMAPC_FOLDERS_AGE_MS UINT64_C(3600000)
/* Folders that are remembered; beyond, all are forgotten and asked about anew. */
#define IMAPC_FOLDERS_MAX 10000
/* Octets of their lists of flags; the same. */
#define IMAPC_FOLDERS_OCTETS_MAX ((size_t)8 << 20)

MUST_USE struct imapc_folders *imapc_folders_new(void);
/* Sets *folders to NULL; NULL is fine. */
void imapc_folders_free(struct imapc_folders **folders);

/* What one folder keeps. */
struct imapc_folder_flags {
    uint64_t learned_at;
    bool any;    /* the server did not say, or would not: whatever is sent may be kept */
    bool told;   /* an engine tells the operator that some are left out */
    size_t len;  /* of list */
    char list[]; /* "\Seen \Flagged \* ": of keywords only those that "\*" does not cover */
};
/* By the server's name of the folder; NULL: not known, or too long ago. */
struct imapc_folder_flags *imapc_folders_flags(const struct imapc_folders *folders, struct bytes name, uint64_t now);
/* list: "(\Seen \*)" or without the brackets; any: see above. Gives what stands there now. */
struct imapc_folder_flags *imapc_folders_learn_flags(struct imapc_folders *folders, struct bytes name,
                                                     struct bytes list, bool any, uint64_t now);
/* Whether the folder keeps the flag: it is listed, or it is a keyword and "\*" is. NULL keeps all. */
bool imapc_folders_keeps(const struct imapc_folder_flags *flags, struct bytes flag);

/* What quotas count (RFC 9208 section 5): STORAGE and MESSAGE. */
enum imapc_resource {
    IMAPC_RESOURCE_OCTETS,
    IMAPC_RESOURCE_MESSAGES,
    IMAPC_RESOURCES, /* how many there are */
};
struct imapc_quota {
    bool known;
    uint64_t used, limit;
};
/* Of several quota roots, the one with the least room counts. */
void imapc_quota_take(struct imapc_quota *quota, uint64_t used, uint64_t limit);

/* Whether messages may go into one folder, and how many. */
struct imapc_folder_room {
    bool rights_known, barred; /* barred: no right to insert */
    bool quota_known;
    uint64_t rights_at, quota_at;
    uint64_t octets_left, messages_left; /* UINT64_MAX: as many as there are */
    struct imapc_quota told[IMAPC_RESOURCES];
    uint64_t number; /* of the room, from 1; for imapc_folders_learn_quota() */
};
/* By the server's name of the folder; made, with nothing known, when it is new. */
struct imapc_folder_room *imapc_folders_room(struct imapc_folders *folders, struct bytes name);
/* The server has told the quota of the room's folder. */
void imapc_folders_learn_quota(struct imapc_folders *folders, const struct imapc_folder_room *room, uint64_t now);
/* Of the folders whose quota was told within the last hour, the one of which most is used; not known where none has a
 * limit. */
struct imapc_quota imapc_folders_quota(const struct imapc_folders *folders, enum imapc_resource resource, uint64_t now);

/* A lower bound of the UIDs that messages get which go into one folder from now on; see doubt.h. */
struct imapc_folder_mark {
    struct doubt_mark mark;
    uint64_t asked_by; /* the connection that asked last, the highest number of them; 0: none did */
};
/* By the server's name of the folder; made, with nothing known, when it is new. */
struct imapc_folder_mark *imapc_folders_mark(struct imapc_folders *folders, struct bytes name);
/* The server's MAILBOXID (RFC 8474) in STATUS was no IMAP: whoever asks for it again loses the connection again. */
void imapc_folders_spoil_ids(struct imapc_folders *folders);
MUST_USE bool imapc_folders_ids_are_spoiled(const struct imapc_folders *folders);
/* A number for a connection, from 1. */
uint64_t imapc_folders_next_asker(struct imapc_folders *folders);

/* Whether the server was asked for its special folders. */
bool imapc_folders_knows_uses(const struct imapc_folders *folders, uint64_t now);
/* The server's name of the folder with this use; NULL: it has none. */
const char *imapc_folders_of_use(const struct imapc_folders *folders, enum imap_special_use use);
/* What was found replaces what was known; found loses it. */
void imapc_folders_take_uses(struct imapc_folders *folders, struct imapc_folders *found, uint64_t now);
/* The first folder that has a use keeps it. */
void imapc_folders_learn_use(struct imapc_folders *folders, enum imap_special_use use, struct bytes name);

#endif

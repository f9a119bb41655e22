/*
 * imap_special - the special uses of folders: "\Junk", "\Archive" and their like as targets of rules (RFC 6154 section
 * 2). Pure.
 */
#ifndef MAILWEIR_PROTO_IMAP_SPECIAL_H
#define MAILWEIR_PROTO_IMAP_SPECIAL_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/must_use.h"

enum imap_special_use {
    IMAP_SPECIAL_ALL,
    IMAP_SPECIAL_ARCHIVE,
    IMAP_SPECIAL_DRAFTS,
    IMAP_SPECIAL_FLAGGED,
    IMAP_SPECIAL_JUNK,
    IMAP_SPECIAL_SENT,
    IMAP_SPECIAL_TRASH,
    IMAP_SPECIAL_USES, /* how many there are; as a use: none of them */
};

/* Whether a folder is named by its use: it begins with a backslash. */
bool imap_special_is_named(struct bytes folder);
/* The use that a folder of a rule names: "\Junk", in any case; or IMAP_SPECIAL_USES. */
MUST_USE enum imap_special_use imap_special_find(struct bytes folder);
/* The use that an attribute in a LIST response says; also in the words of servers that had it before the RFC; or
 * IMAP_SPECIAL_USES. */
MUST_USE enum imap_special_use imap_special_of_attribute(struct bytes attribute);
/*
 * The use of a folder that is named as Gmail's are in English: "[Gmail]/Spam", "[Google Mail]/Bin"; or
 * IMAP_SPECIAL_USES.
 * Gmail calls them otherwise in each language of its accounts.
 */
MUST_USE enum imap_special_use imap_special_of_gmail(struct bytes folder);
/* Whether it lies where Gmail has its folders of a use, in whatever language. */
bool imap_special_is_gmail(struct bytes folder);
/* "\Junk". */
const char *imap_special_name(enum imap_special_use use);
/* Appends all of them, for people: "\All, \Archive, …". */
void imap_special_list(struct buf *out);

#endif

/*
 * imap_name - folder names: from UTF-8 with "/" between levels to what a server wants (RFC 3501 section 5.1.3, RFC
 * 2342).
 *
 * What came from a message into a name is data: it can add no level, no control character and no command. Pure; owns
 * nothing.
 */
#ifndef MAILWEIR_PROTO_IMAP_NAME_H
#define MAILWEIR_PROTO_IMAP_NAME_H

#include "base/buf.h"
#include "base/must_use.h"

/* The longest name that is sent, encoded. */
#define IMAP_NAME_MAX 1000
/* The most namespaces that are remembered. */
#define IMAP_NAMESPACES_MAX 8

/* A prefix such as "INBOX." or "Shared Folders/", and what separates levels behind it; 0: no levels. */
struct imap_namespace {
    char prefix[128]; /* encoded, as the server wrote it */
    char delimiter;
};
struct imap_namespaces {
    struct imap_namespace items[IMAP_NAMESPACES_MAX];
    size_t count; /* the first one, if any, is the personal one */
};

/* Appends modified UTF-7. -1 when text is no UTF-8 or holds a control character. */
MUST_USE int imap_name_encode(struct buf *out, struct bytes text);
/* Appends the UTF-8 of a name in modified UTF-7. -1 when it is malformed. */
MUST_USE int imap_name_decode(struct buf *out, struct bytes name);

/*
 * Appends the folder, as rules write it, of a name that a server lists: "/" between levels, UTF-8. delimiter 0: it has
 * no levels. utf8: see below. -1 when the name is malformed, or has a level that rules cannot write: an empty one, or
 * one with a "/" of its own. The prefix of a namespace stays.
 */
MUST_USE int imap_name_unmap(struct buf *out, struct bytes name, char delimiter, bool utf8);

/* The namespace that a name in the server's writing lies in, else the personal one; NULL: there is none. */
const struct imap_namespace *imap_name_space(struct bytes name, const struct imap_namespaces *namespaces);

/*
 * Appends the server's name of folder: levels joined by the namespace's delimiter, the personal prefix in front unless
 * the name is INBOX or begins with a namespace's prefix; encoded, unless the connection has names in UTF-8 (RFC 6855
 * section 3). A level's own delimiter octets become "_", empty levels vanish, a first level INBOX in any case is that.
 * -1: no UTF-8, control characters, nothing left, or longer than IMAP_NAME_MAX; out may then hold a part.
 */
MUST_USE int imap_name_map(struct buf *out, struct bytes folder, const struct imap_namespaces *namespaces, bool utf8);

#endif

/*
 * imapc_refusal - what a server's NO, BAD or BYE means for a delivery: by response code first (RFC 9051 section 7.1,
 * RFC 5530), then by the known words of servers without codes, else temporary. One table (imapc_refusal.c).
 */
#ifndef MAILWEIR_ENGINE_IMAPC_REFUSAL_H
#define MAILWEIR_ENGINE_IMAPC_REFUSAL_H

#include "base/fault.h"
#include "proto/imap_reply.h"

struct imapc_refusal {
    enum fault_class class;
    const char *code;        /* for struct fault: "overquota" */
    bool account;            /* it concerns the account, not this message or folder */
    bool create;             /* the folder is missing: create it, once */
    bool crowded;            /* too many connections: fewer of them would do */
    bool sick;               /* it is the session that is broken: another one may work */
    bool general;            /* neither a code nor the words tell what it is about */
    bool plain;              /* it is doubtful only where the server's habits are not known */
    bool doubtful;           /* said to an APPEND that has come whole: it may have been kept all the same */
    uint64_t retry_after_ms; /* the pause that the server asks for; 0: none */
};

/* Judges a NO, BAD or BYE. */
struct imapc_refusal imapc_refusal_of(const struct imap_reply *reply);
/*
 * The same for an answer about a folder, whose name (the server's) and parts of it say nothing: "Mailbox does not
 * exist: Quotations" is not about quota.
 */
struct imapc_refusal imapc_refusal_about(const struct imap_reply *reply, struct bytes folder);
/* Whether a refused CREATE says that the folder is there already (RFC 5530's ALREADYEXISTS, or words). */
bool imapc_refusal_is_there(const struct imap_reply *reply);
/* Whether a refused login is one of the command, by BAD or in such words, and not one of the password. */
bool imapc_refusal_is_command(const struct imap_reply *reply);
/* Whether a refused CREATE says that the folder above is missing. */
bool imapc_refusal_is_parent(const struct imap_reply *reply);

#endif

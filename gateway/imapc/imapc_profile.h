/*
 * imapc_profile - what is known about kinds of servers: one table of settings, each with its reason. Operators can
 * override every one.
 */
#ifndef MAILWEIR_IMAPC_IMAPC_PROFILE_H
#define MAILWEIR_IMAPC_IMAPC_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/imap_special.h"

enum imapc_setting {
    IMAPC_CONNECTIONS,        /* at most, per account */
    IMAPC_FOLDER_CONNECTIONS, /* at once into one folder, while messages go one by one */
    IMAPC_BATCH,              /* messages in one MULTIAPPEND; 1: none */
    IMAPC_BATCH_OCTETS,       /* and their octets */
    IMAPC_BATCH_ATOMIC,       /* a refused batch leaves nothing behind; else it is looked for message by message */
    IMAPC_LITERAL_MAX,        /* larger messages wait for "+" also with LITERAL+ */
    IMAPC_MESSAGE_MAX,        /* octets of the largest message; 0: not known */
    IMAPC_DAILY_OCTETS,       /* octets sent in a day; 0: no limit */
    IMAPC_KEYWORDS,           /* keywords are sent as well as system flags */
    IMAPC_SUBSCRIBE,          /* folders that are created are subscribed to */
    IMAPC_STORE_FLAGS,        /* flags are stored behind the APPEND, which loses them */
    IMAPC_UTF8,               /* UTF8=ACCEPT is enabled where it is offered */
    IMAPC_HEADER_8BIT,        /* header fields with octets above 127 are kept as they are */
    IMAPC_LINE_MAX,           /* octets of the longest line that is taken; 0: not known */
    IMAPC_PLAIN_REFUSALS,     /* a refusal without a code is certain: the message was not kept */
    IMAPC_TLS_EXPORTER,       /* SCRAM can be bound to TLS 1.3 by tls-exporter */
    IMAPC_MERGES, /* of a message with the Message-ID of one that is there, nothing may be kept: it is looked at */
    IMAPC_SETTLE, /* milliseconds until the server shows, or has dropped, what an APPEND brought */
    IMAPC_SETTINGS,
};

struct imapc_profile_value {
    uint64_t value;
    const char *why; /* NULL: as in the generic profile */
};
struct imapc_profile {
    const char *name;
    const char *about;
    struct imapc_profile_value values[IMAPC_SETTINGS];
};

/* By name; NULL when there is none of it. */
const struct imapc_profile *imapc_profile_find(const char *name); /* for tests */
/* In the order of the table; NULL behind the last. */
const struct imapc_profile *imapc_profile_at(size_t index);
/* The profile's value, or the generic one; the reason as well when why_r is not NULL. */
uint64_t imapc_profile_value(const struct imapc_profile *profile, enum imapc_setting setting, const char **why_r);
/* The folder for a special use, where the server says none with it; NULL: the use's own name. */
const char *imapc_profile_special(const struct imapc_profile *profile, enum imap_special_use use);
/* Characters that its servers do not take in names of folders, "" for none that is known of all of them. */
const char *imapc_profile_forbidden(const struct imapc_profile *profile);
/* Whether it is 0 or 1: no or yes. */
bool imapc_profile_is_switch(enum imapc_setting setting);
/* Puts the profile's value where settings has 0; of switches, 1 is no and 2 is yes before, 0 and 1 afterwards. */
void imapc_profile_resolve(const struct imapc_profile *profile, uint64_t settings[IMAPC_SETTINGS]);
/* "connections", "batch" ...: the key of the configuration. */
const char *imapc_profile_setting_name(enum imapc_setting setting);

#endif

/*
 * upstream_profile - what is known about kinds of servers: one table of settings, each with its reason. Operators can
 * override every one.
 */
#ifndef MAILWEIR_UPSTREAM_UPSTREAM_PROFILE_H
#define MAILWEIR_UPSTREAM_UPSTREAM_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/imap_special.h"

enum upstream_setting {
    UPSTREAM_CONNECTIONS,        /* at most, per account */
    UPSTREAM_FOLDER_CONNECTIONS, /* at once into one folder, while messages go one by one */
    UPSTREAM_BATCH,              /* messages in one MULTIAPPEND; 1: none */
    UPSTREAM_BATCH_OCTETS,       /* and their octets */
    UPSTREAM_BATCH_ATOMIC,       /* a refused batch leaves nothing behind; else it is looked for message by message */
    UPSTREAM_LITERAL_MAX,        /* larger messages wait for "+" also with LITERAL+ */
    UPSTREAM_MESSAGE_MAX,        /* octets of the largest message; 0: not known */
    UPSTREAM_DAILY_OCTETS,       /* octets sent in a day; 0: no limit */
    UPSTREAM_KEYWORDS,           /* keywords are sent as well as system flags */
    UPSTREAM_SUBSCRIBE,          /* folders that are created are subscribed to */
    UPSTREAM_STORE_FLAGS,        /* flags are stored behind the APPEND, which loses them */
    UPSTREAM_UTF8,               /* UTF8=ACCEPT is enabled where it is offered */
    UPSTREAM_HEADER_8BIT,        /* header fields with octets above 127 are kept as they are */
    UPSTREAM_LINE_MAX,           /* octets of the longest line that is taken; 0: not known */
    UPSTREAM_PLAIN_REFUSALS,     /* a refusal without a code, or for a lock or a limit, is certain: nothing was kept */
    UPSTREAM_TLS_EXPORTER,       /* SCRAM can be bound to TLS 1.3 by tls-exporter */
    UPSTREAM_MERGES, /* of a message with the Message-ID of one that is there, nothing may be kept: it is looked at */
    UPSTREAM_SETTLE, /* milliseconds until the server shows, or has dropped, what an APPEND brought */
    UPSTREAM_SETTINGS,
};

struct upstream_profile_value {
    uint64_t value;
    const char *why; /* NULL: as in the generic profile */
};
struct upstream_profile {
    const char *name;
    const char *about;
    struct upstream_profile_value values[UPSTREAM_SETTINGS];
};

/* By name; NULL when there is none of it. */
const struct upstream_profile *upstream_profile_find(const char *name); /* for tests */
/* In the order of the table; NULL behind the last. */
const struct upstream_profile *upstream_profile_at(size_t index);
/* The profile's value, or the generic one; the reason as well when why_r is not NULL. */
uint64_t upstream_profile_value(const struct upstream_profile *profile, enum upstream_setting setting,
                                const char **why_r);
/* The folder for a special use, where the server says none with it; NULL: the use's own name. */
const char *upstream_profile_special(const struct upstream_profile *profile, enum imap_special_use use);
/* Characters that its servers do not take in names of folders, "" for none that is known of all of them. */
const char *upstream_profile_forbidden(const struct upstream_profile *profile);
/* Whether it is 0 or 1: no or yes. */
bool upstream_profile_is_switch(enum upstream_setting setting);
/* Puts the profile's value where settings has 0; of switches, 1 is no and 2 is yes before, 0 and 1 afterwards. */
void upstream_profile_resolve(const struct upstream_profile *profile, uint64_t settings[UPSTREAM_SETTINGS]);
/* "connections", "batch" ...: the key of the configuration. */
const char *upstream_profile_setting_name(enum upstream_setting setting);

#endif

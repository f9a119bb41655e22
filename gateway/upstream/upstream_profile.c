/*
 * upstream_profile - the table of server kinds; see upstream_profile.h. Figures were measured, or stand in the servers'
 * own documentation.
 */
#include "upstream/upstream_profile.h"

#include <string.h>

#define KiB    UINT64_C(1024)
#define MiB    (UINT64_C(1024) * 1024)
#define SECOND UINT64_C(1000)

static const char *const names[UPSTREAM_SETTINGS] = {
    [UPSTREAM_CONNECTIONS] = "connections",
    [UPSTREAM_FOLDER_CONNECTIONS] = "folder_connections",
    [UPSTREAM_BATCH] = "batch",
    [UPSTREAM_BATCH_OCTETS] = "batch_octets",
    [UPSTREAM_BATCH_ATOMIC] = "batch_atomic",
    [UPSTREAM_LITERAL_MAX] = "literal_max",
    [UPSTREAM_MESSAGE_MAX] = "max_message_size",
    [UPSTREAM_DAILY_OCTETS] = "daily",
    [UPSTREAM_KEYWORDS] = "keywords",
    [UPSTREAM_SUBSCRIBE] = "subscribe",
    [UPSTREAM_STORE_FLAGS] = "store_flags",
    [UPSTREAM_UTF8] = "utf8",
    [UPSTREAM_HEADER_8BIT] = "header_8bit",
    [UPSTREAM_LINE_MAX] = "line_max",
    [UPSTREAM_PLAIN_REFUSALS] = "plain_refusals",
    [UPSTREAM_TLS_EXPORTER] = "tls_exporter",
    [UPSTREAM_MERGES] = "merges",
    [UPSTREAM_SETTLE] = "settle",
};

static const struct upstream_profile profiles[] = {
    {"generic",
     "any server; the gateway believes what the server announces",
     {
         [UPSTREAM_CONNECTIONS] = {4, "few servers allow less"},
         [UPSTREAM_FOLDER_CONNECTIONS] = {4, "over a long way, several messages at once hide the round trips"},
         [UPSTREAM_BATCH] = {50, "with MULTIAPPEND one sync serves many messages; the server must offer it"},
         [UPSTREAM_BATCH_OCTETS] = {8 * MiB, "what one broken connection may put in doubt"},
         [UPSTREAM_BATCH_ATOMIC] = {0,
                                    "some servers keep the messages in front of the refused one (RFC 3502 forbids it)"},
         [UPSTREAM_LITERAL_MAX] =
             {0, "a server that takes the octets of a refused message for commands must not get them"},
         [UPSTREAM_MESSAGE_MAX] = {0, "not known; APPENDLIMIT is believed"},
         [UPSTREAM_DAILY_OCTETS] = {0, "not known"},
         [UPSTREAM_KEYWORDS] = {1, "most servers take keywords"},
         [UPSTREAM_SUBSCRIBE] = {1, "mail programs show subscribed folders"},
         [UPSTREAM_STORE_FLAGS] = {0, "APPEND keeps the flags that it is given"},
         [UPSTREAM_UTF8] = {1, "a server that offers UTF8=ACCEPT takes UTF-8 in headers and names"},
         [UPSTREAM_HEADER_8BIT] = {1, "most servers store what they are given"},
         [UPSTREAM_LINE_MAX] = {0, "not known"},
         [UPSTREAM_PLAIN_REFUSALS] =
             {0, "a NO without a code, or of a busy server, may have kept the message: the gateway looks for it"},
         [UPSTREAM_TLS_EXPORTER] = {1, "what RFC 9266 says of SCRAM with channel binding under TLS 1.3"},
         [UPSTREAM_MERGES] = {0, "a message is stored as often as it is sent"},
         [UPSTREAM_SETTLE] = {5 * SECOND,
                              "servers with one store show a message at once; one that was slow, soon after"},
     }},
    {"dovecot",
     "Dovecot",
     {
         [UPSTREAM_LITERAL_MAX] = {64 * KiB,
                                   "small messages do not wait; for a large one a refusal comes before its octets"},
         [UPSTREAM_CONNECTIONS] = {8, "mail_max_userip_connections is 10; two are left for people"},
         [UPSTREAM_FOLDER_CONNECTIONS] =
             {1, "a folder is locked while a message is added: more connections add no speed, batches do"},
         [UPSTREAM_BATCH_ATOMIC] = {1, "a MULTIAPPEND is all or nothing"},
         [UPSTREAM_PLAIN_REFUSALS] = {1, "the server keeps nothing of what it refuses"},
     }},
    {"cyrus",
     "Cyrus IMAP",
     {
         [UPSTREAM_LITERAL_MAX] = {64 * KiB,
                                   "small messages do not wait; for a large one a refusal comes before its octets"},
         [UPSTREAM_FOLDER_CONNECTIONS] = {1, "a folder is locked while a message is added"},
         [UPSTREAM_HEADER_8BIT] = {0, "the server replaces each such octet with an X (munge8bit)"},
         [UPSTREAM_BATCH_ATOMIC] = {1, "a MULTIAPPEND is all or nothing"},
         [UPSTREAM_PLAIN_REFUSALS] =
             {1, "the server refuses for quota and rights without a code, before anything is kept"},
         [UPSTREAM_TLS_EXPORTER] = {0, "3.6 binds by tls-unique alone, which TLS 1.3 does not have"},
     }},
    {"courier",
     "Courier IMAP",
     {
         [UPSTREAM_CONNECTIONS] = {3, "MAXPERIP is 4 in its sample configuration; one is left for people"},
         [UPSTREAM_BATCH] = {1, "no MULTIAPPEND"},
         [UPSTREAM_LITERAL_MAX] = {0, "the server hangs on a non-synchronising literal"},
         [UPSTREAM_PLAIN_REFUSALS] = {1, "the server refuses without a code, before anything is kept"},
     }},
    {"gmail",
     "Gmail and Google Workspace",
     {
         [UPSTREAM_CONNECTIONS] = {5, "15 over all programs of the account"},
         [UPSTREAM_BATCH] = {1, "no MULTIAPPEND"},
         [UPSTREAM_LITERAL_MAX] = {4 * KiB, "LITERAL- only"},
         [UPSTREAM_MESSAGE_MAX] = {35651584, "its APPENDLIMIT"},
         [UPSTREAM_DAILY_OCTETS] = {450 * MiB, "500 MB of upload a day, then the account is locked for IMAP"},
         [UPSTREAM_MERGES] =
             {1, "the server says OK to a second message with the same Message-ID, gives a UID, and keeps the first"},
         [UPSTREAM_SETTLE] = {10 * SECOND, "its views of an account are copies, which follow each other"},
     }},
    {"microsoft365",
     "Exchange Online",
     {
         [UPSTREAM_CONNECTIONS] =
             {4, "throttled by the account's budget; the gateway heeds the pause that the server asks for"},
         [UPSTREAM_BATCH] = {1, "no MULTIAPPEND"},
         [UPSTREAM_MESSAGE_MAX] = {45 * MiB, "the account's default; up to 150 MB by its settings"},
         [UPSTREAM_STORE_FLAGS] = {1, "its APPEND loses \\Flagged"},
         [UPSTREAM_PLAIN_REFUSALS] = {1, "the server refuses without a code, before anything is kept"},
         [UPSTREAM_LINE_MAX] = {10500, "longer lines: BAD Command Argument Error. 11"},
         [UPSTREAM_SETTLE] = {15 * SECOND,
                              "the server's store is replicated, and its index follows some seconds behind"},
     }},
    {"exchange",
     "Exchange on premises",
     {
         [UPSTREAM_CONNECTIONS] = {8, "16 per user"},
         [UPSTREAM_BATCH] = {1, "no MULTIAPPEND"},
         [UPSTREAM_MESSAGE_MAX] = {10 * MiB, "the default of the server"},
         [UPSTREAM_PLAIN_REFUSALS] = {1, "the server refuses without a code, before anything is kept"},
         [UPSTREAM_KEYWORDS] = {0, "keywords are refused (no \\* in PERMANENTFLAGS)"},
         [UPSTREAM_LINE_MAX] = {9900, "longer lines are refused"},
         [UPSTREAM_SETTLE] = {15 * SECOND, "what was just appended is searched for in vain"},
     }},
    {"yahoo",
     "Yahoo and AOL",
     {
         [UPSTREAM_CONNECTIONS] = {3, "not documented; careful"},
         [UPSTREAM_BATCH] = {1, "no MULTIAPPEND"},
         [UPSTREAM_MESSAGE_MAX] = {41697280, "its APPENDLIMIT"},
         [UPSTREAM_SETTLE] = {10 * SECOND, "its views of an account are copies, which follow each other"},
     }},
    {"icloud",
     "iCloud",
     {
         [UPSTREAM_CONNECTIONS] = {3, "not documented; careful"},
         [UPSTREAM_BATCH] = {1, "no MULTIAPPEND"},
         [UPSTREAM_LITERAL_MAX] = {0, "counts literals exactly and had no LITERAL+"},
         [UPSTREAM_SETTLE] = {10 * SECOND, "its views of an account are copies, which follow each other"},
     }},
    {"zimbra",
     "Zimbra",
     {
         [UPSTREAM_LITERAL_MAX] = {64 * KiB,
                                   "small messages do not wait; for a large one a refusal comes before its octets"},
         [UPSTREAM_MESSAGE_MAX] = {100 * MiB, "the default of the server"},
         [UPSTREAM_KEYWORDS] = {0, "an unknown keyword refuses the message"},
         [UPSTREAM_PLAIN_REFUSALS] = {1, "the server refuses without a code, before anything is kept"},
     }},
};
#define PROFILE_COUNT (sizeof profiles / sizeof profiles[0])

/* Where a server says no special uses, or another language stands in the account. */
static const struct {
    const char *profile;
    const char *names[IMAP_SPECIAL_USES];
} specials[] = {
    {"gmail",
     {[IMAP_SPECIAL_ALL] = "[Gmail]/All Mail",
      [IMAP_SPECIAL_ARCHIVE] = "[Gmail]/All Mail",
      [IMAP_SPECIAL_DRAFTS] = "[Gmail]/Drafts",
      [IMAP_SPECIAL_FLAGGED] = "[Gmail]/Starred",
      [IMAP_SPECIAL_JUNK] = "[Gmail]/Spam",
      [IMAP_SPECIAL_SENT] = "[Gmail]/Sent Mail",
      [IMAP_SPECIAL_TRASH] = "[Gmail]/Trash"}},
    {"microsoft365",
     {[IMAP_SPECIAL_JUNK] = "Junk Email", [IMAP_SPECIAL_SENT] = "Sent Items", [IMAP_SPECIAL_TRASH] = "Deleted Items"}},
    {"exchange",
     {[IMAP_SPECIAL_JUNK] = "Junk Email", [IMAP_SPECIAL_SENT] = "Sent Items", [IMAP_SPECIAL_TRASH] = "Deleted Items"}},
    {"yahoo", {[IMAP_SPECIAL_JUNK] = "Bulk", [IMAP_SPECIAL_DRAFTS] = "Draft"}},
    {"icloud", {[IMAP_SPECIAL_SENT] = "Sent Messages", [IMAP_SPECIAL_TRASH] = "Deleted Messages"}},
};

const struct upstream_profile *upstream_profile_find(const char *name)
{
    for (size_t i = 0; i < PROFILE_COUNT; i++) {
        if (strcmp(profiles[i].name, name) == 0) {
            return &profiles[i];
        }
    }
    return NULL;
}

const struct upstream_profile *upstream_profile_at(size_t index)
{
    return index < PROFILE_COUNT ? &profiles[index] : NULL;
}

uint64_t upstream_profile_value(const struct upstream_profile *profile, enum upstream_setting setting,
                                const char **why_r)
{
    const struct upstream_profile_value *value = &profile->values[setting];
    value = value->why != NULL ? value : &profiles[0].values[setting];
    if (why_r != NULL) {
        *why_r = value->why;
    }
    return value->value;
}

const char *upstream_profile_special(const struct upstream_profile *profile, enum imap_special_use use)
{
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
        if (strcmp(specials[i].profile, profile->name) == 0) {
            return specials[i].names[use];
        }
    }
    return NULL;
}

/*
 * Dovecot refuses "." with Maildir, whose folders are files "." apart, unless its separator is "." itself, which
 * becomes "_" in any case. With sdbox and mdbox it would take it: whoever has that says "forbidden": "" in "folders".
 */
static const struct {
    const char *profile, *forbidden;
} forbidden[] = {
    {"dovecot", "."},
    {"gmail", "^"},
};

const char *upstream_profile_forbidden(const struct upstream_profile *profile)
{
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        if (strcmp(forbidden[i].profile, profile->name) == 0) {
            return forbidden[i].forbidden;
        }
    }
    return "";
}

const char *upstream_profile_setting_name(enum upstream_setting setting)
{
    return names[setting];
}

bool upstream_profile_is_switch(enum upstream_setting setting)
{
    return setting == UPSTREAM_BATCH_ATOMIC || setting == UPSTREAM_KEYWORDS || setting == UPSTREAM_SUBSCRIBE ||
           setting == UPSTREAM_STORE_FLAGS || setting == UPSTREAM_UTF8 || setting == UPSTREAM_HEADER_8BIT ||
           setting == UPSTREAM_PLAIN_REFUSALS || setting == UPSTREAM_TLS_EXPORTER || setting == UPSTREAM_MERGES;
}

void upstream_profile_resolve(const struct upstream_profile *profile, uint64_t settings[UPSTREAM_SETTINGS])
{
    for (size_t i = 0; i < UPSTREAM_SETTINGS; i++) {
        enum upstream_setting setting = (enum upstream_setting)i;
        if (settings[i] == 0) {
            settings[i] = upstream_profile_value(profile, setting, NULL);
        } else if (upstream_profile_is_switch(setting)) {
            settings[i]--;
        }
    }
}

/*
 * imapc_profile - the table of server kinds; see imapc_profile.h. Figures were measured, or stand in the servers' own
 * documentation.
 */
#include "imapc/imapc_profile.h"

#include <string.h>

#define KiB    UINT64_C(1024)
#define MiB    (UINT64_C(1024) * 1024)
#define SECOND UINT64_C(1000)

static const char *const names[IMAPC_SETTINGS] = {
    [IMAPC_CONNECTIONS] = "connections",
    [IMAPC_FOLDER_CONNECTIONS] = "folder_connections",
    [IMAPC_BATCH] = "batch",
    [IMAPC_BATCH_OCTETS] = "batch_octets",
    [IMAPC_BATCH_ATOMIC] = "batch_atomic",
    [IMAPC_LITERAL_MAX] = "literal_max",
    [IMAPC_MESSAGE_MAX] = "max_message_size",
    [IMAPC_DAILY_OCTETS] = "daily",
    [IMAPC_KEYWORDS] = "keywords",
    [IMAPC_SUBSCRIBE] = "subscribe",
    [IMAPC_STORE_FLAGS] = "store_flags",
    [IMAPC_UTF8] = "utf8",
    [IMAPC_HEADER_8BIT] = "header_8bit",
    [IMAPC_LINE_MAX] = "line_max",
    [IMAPC_PLAIN_REFUSALS] = "plain_refusals",
    [IMAPC_TLS_EXPORTER] = "tls_exporter",
    [IMAPC_MERGES] = "merges",
    [IMAPC_SETTLE] = "settle",
};

static const struct imapc_profile profiles[] = {
    {"generic",
     "any server; what it announces is believed",
     {
         [IMAPC_CONNECTIONS] = {4, "few servers allow less"},
         [IMAPC_FOLDER_CONNECTIONS] = {4, "over a long way, several messages at once hide the round trips"},
         [IMAPC_BATCH] = {50, "with MULTIAPPEND one sync serves many messages; the server must offer it"},
         [IMAPC_BATCH_OCTETS] = {8 * MiB, "what one broken connection may put in doubt"},
         [IMAPC_BATCH_ATOMIC] = {0, "some servers keep the messages in front of the refused one (RFC 3502 forbids it)"},
         [IMAPC_LITERAL_MAX] = {0,
                                "a server that takes the octets of a refused message for commands must not get them"},
         [IMAPC_MESSAGE_MAX] = {0, "not known; APPENDLIMIT is believed"},
         [IMAPC_DAILY_OCTETS] = {0, "not known"},
         [IMAPC_KEYWORDS] = {1, "most servers take keywords"},
         [IMAPC_SUBSCRIBE] = {1, "mail programs show subscribed folders"},
         [IMAPC_STORE_FLAGS] = {0, "APPEND keeps the flags that it is given"},
         [IMAPC_UTF8] = {1, "a server that offers UTF8=ACCEPT takes UTF-8 in headers and names"},
         [IMAPC_HEADER_8BIT] = {1, "most servers store what they are given"},
         [IMAPC_LINE_MAX] = {0, "not known"},
         [IMAPC_PLAIN_REFUSALS] = {0, "who says no without a code may have kept the message: it is looked for"},
         [IMAPC_TLS_EXPORTER] = {1, "what RFC 9266 says of SCRAM with channel binding under TLS 1.3"},
         [IMAPC_MERGES] = {0, "a message is stored as often as it is sent"},
         [IMAPC_SETTLE] = {5 * SECOND, "servers with one store show a message at once; one that was slow, soon after"},
     }},
    {"dovecot",
     "Dovecot",
     {
         [IMAPC_LITERAL_MAX] = {64 * KiB,
                                "small messages do not wait; for a large one a refusal comes before its octets"},
         [IMAPC_CONNECTIONS] = {8, "mail_max_userip_connections is 10; two are left for people"},
         [IMAPC_FOLDER_CONNECTIONS] =
             {1, "a folder is locked while a message is added: more connections add no speed, batches do"},
         [IMAPC_BATCH_ATOMIC] = {1, "a MULTIAPPEND is all or nothing"},
         [IMAPC_PLAIN_REFUSALS] = {1, "nothing is kept of what it refuses"},
     }},
    {"cyrus",
     "Cyrus IMAP",
     {
         [IMAPC_LITERAL_MAX] = {64 * KiB,
                                "small messages do not wait; for a large one a refusal comes before its octets"},
         [IMAPC_FOLDER_CONNECTIONS] = {1, "a folder is locked while a message is added"},
         [IMAPC_HEADER_8BIT] = {0, "it puts an X in the place of each such octet (munge8bit)"},
         [IMAPC_BATCH_ATOMIC] = {1, "a MULTIAPPEND is all or nothing"},
         [IMAPC_PLAIN_REFUSALS] = {1, "it refuses for quota and rights without a code, before anything is kept"},
         [IMAPC_TLS_EXPORTER] = {0, "3.6 binds by tls-unique alone, which TLS 1.3 does not have"},
     }},
    {"courier",
     "Courier IMAP",
     {
         [IMAPC_CONNECTIONS] = {3, "MAXPERIP is 4 in its sample configuration; one is left for people"},
         [IMAPC_BATCH] = {1, "no MULTIAPPEND"},
         [IMAPC_LITERAL_MAX] = {0, "a non-synchronising literal hangs it"},
         [IMAPC_PLAIN_REFUSALS] = {1, "it refuses without a code, before anything is kept"},
     }},
    {"gmail",
     "Gmail and Google Workspace",
     {
         [IMAPC_CONNECTIONS] = {5, "15 over all programs of the account"},
         [IMAPC_BATCH] = {1, "no MULTIAPPEND"},
         [IMAPC_LITERAL_MAX] = {4 * KiB, "LITERAL- only"},
         [IMAPC_MESSAGE_MAX] = {35651584, "its APPENDLIMIT"},
         [IMAPC_DAILY_OCTETS] = {450 * MiB, "500 MB of upload a day, then the account is locked for IMAP"},
         [IMAPC_MERGES] = {1,
                           "it says OK to a second message with the same Message-ID, tells a UID, and keeps the first"},
         [IMAPC_SETTLE] = {10 * SECOND, "its views of an account are copies, which follow each other"},
     }},
    {"microsoft365",
     "Exchange Online",
     {
         [IMAPC_CONNECTIONS] = {4, "throttled by the account's budget; a pause it asks for is kept"},
         [IMAPC_BATCH] = {1, "no MULTIAPPEND"},
         [IMAPC_MESSAGE_MAX] = {45 * MiB, "the account's default; up to 150 MB by its settings"},
         [IMAPC_STORE_FLAGS] = {1, "its APPEND loses \\Flagged"},
         [IMAPC_PLAIN_REFUSALS] = {1, "it refuses without a code, before anything is kept"},
         [IMAPC_LINE_MAX] = {10500, "longer lines: BAD Command Argument Error. 11"},
         [IMAPC_SETTLE] = {15 * SECOND, "its store is replicated, and an index of it follows some seconds behind"},
     }},
    {"exchange",
     "Exchange on premises",
     {
         [IMAPC_CONNECTIONS] = {8, "16 per user"},
         [IMAPC_BATCH] = {1, "no MULTIAPPEND"},
         [IMAPC_MESSAGE_MAX] = {10 * MiB, "the default of the server"},
         [IMAPC_PLAIN_REFUSALS] = {1, "it refuses without a code, before anything is kept"},
         [IMAPC_KEYWORDS] = {0, "keywords are refused (no \\* in PERMANENTFLAGS)"},
         [IMAPC_LINE_MAX] = {9900, "longer lines are refused"},
         [IMAPC_SETTLE] = {15 * SECOND, "what was just appended is searched for in vain"},
     }},
    {"yahoo",
     "Yahoo and AOL",
     {
         [IMAPC_CONNECTIONS] = {3, "not documented; careful"},
         [IMAPC_BATCH] = {1, "no MULTIAPPEND"},
         [IMAPC_MESSAGE_MAX] = {41697280, "its APPENDLIMIT"},
         [IMAPC_SETTLE] = {10 * SECOND, "its views of an account are copies, which follow each other"},
     }},
    {"icloud",
     "iCloud",
     {
         [IMAPC_CONNECTIONS] = {3, "not documented; careful"},
         [IMAPC_BATCH] = {1, "no MULTIAPPEND"},
         [IMAPC_LITERAL_MAX] = {0, "counts literals exactly and had no LITERAL+"},
         [IMAPC_SETTLE] = {10 * SECOND, "its views of an account are copies, which follow each other"},
     }},
    {"zimbra",
     "Zimbra",
     {
         [IMAPC_LITERAL_MAX] = {64 * KiB,
                                "small messages do not wait; for a large one a refusal comes before its octets"},
         [IMAPC_MESSAGE_MAX] = {100 * MiB, "the default of the server"},
         [IMAPC_KEYWORDS] = {0, "a keyword that it does not know refuses the message"},
         [IMAPC_PLAIN_REFUSALS] = {1, "it refuses without a code, before anything is kept"},
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

const struct imapc_profile *imapc_profile_find(const char *name)
{
    for (size_t i = 0; i < PROFILE_COUNT; i++) {
        if (strcmp(profiles[i].name, name) == 0) {
            return &profiles[i];
        }
    }
    return NULL;
}

const struct imapc_profile *imapc_profile_at(size_t index)
{
    return index < PROFILE_COUNT ? &profiles[index] : NULL;
}

uint64_t imapc_profile_value(const struct imapc_profile *profile, enum imapc_setting setting, const char **why_r)
{
    const struct imapc_profile_value *value = &profile->values[setting];
    value = value->why != NULL ? value : &profiles[0].values[setting];
    if (why_r != NULL) {
        *why_r = value->why;
    }
    return value->value;
}

const char *imapc_profile_special(const struct imapc_profile *profile, enum imap_special_use use)
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

const char *imapc_profile_forbidden(const struct imapc_profile *profile)
{
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        if (strcmp(forbidden[i].profile, profile->name) == 0) {
            return forbidden[i].forbidden;
        }
    }
    return "";
}

const char *imapc_profile_setting_name(enum imapc_setting setting)
{
    return names[setting];
}

bool imapc_profile_is_switch(enum imapc_setting setting)
{
    return setting == IMAPC_BATCH_ATOMIC || setting == IMAPC_KEYWORDS || setting == IMAPC_SUBSCRIBE ||
           setting == IMAPC_STORE_FLAGS || setting == IMAPC_UTF8 || setting == IMAPC_HEADER_8BIT ||
           setting == IMAPC_PLAIN_REFUSALS || setting == IMAPC_TLS_EXPORTER || setting == IMAPC_MERGES;
}

void imapc_profile_resolve(const struct imapc_profile *profile, uint64_t settings[IMAPC_SETTINGS])
{
    for (size_t i = 0; i < IMAPC_SETTINGS; i++) {
        enum imapc_setting setting = (enum imapc_setting)i;
        if (settings[i] == 0) {
            settings[i] = imapc_profile_value(profile, setting, NULL);
        } else if (imapc_profile_is_switch(setting)) {
            settings[i]--;
        }
    }
}

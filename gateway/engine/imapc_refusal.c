/*
 * imapc_refusal - the table of refusals; see imapc_refusal.h.
 */
#include "engine/imapc_refusal.h"

#include <string.h>

/* A longer pause is not believed. */
#define PAUSE_MAX_MS UINT64_C(3600000)

/*
 * DOUBT: it tells of the server's trouble, and not of this message: the store may have had it by then. PLAIN: words
 * without a code, which do not promise that nothing was done, as RFC 5530 has codes do; and what says that the server
 * was busy, at a limit of its own or about the account, which may have come to be behind the store (a session that ran
 * out meanwhile). Whose habits are known is believed.
 * Neither: what is about this message, this folder or its room. It would be refused again as surely, and to look for it
 * each time would load a full mailbox for nothing.
 */
enum { ACCOUNT = 1, CREATE = 2, CROWDED = 4, SICK = 8, GENERAL = 16, DOUBT = 32, PLAIN = 64 };

/* Response codes. */
static const struct row {
    const char *name;
    enum fault_class class;
    const char *code;
    unsigned flags;
} codes[] = {
    {"TRYCREATE", FAULT_PERM, "nonexistent", CREATE},
    {"NONEXISTENT", FAULT_PERM, "nonexistent", CREATE},
    {"OVERQUOTA", FAULT_TEMP, "overquota", 0},
    {"TOOBIG", FAULT_PERM, "toobig", 0},
    {"LIMIT", FAULT_TEMP, "limit", PLAIN},
    {"INUSE", FAULT_TEMP, "inuse", PLAIN},
    {"UNAVAILABLE", FAULT_TEMP, "unavailable", ACCOUNT | SICK | DOUBT},
    {"SERVERBUG", FAULT_TEMP, "serverbug", SICK | DOUBT},
    {"THROTTLED", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"CONTACTADMIN", FAULT_TEMP, "contactadmin", DOUBT},
    {"EXPUNGEISSUED", FAULT_TEMP, "expungeissued", DOUBT},
    {"CORRUPTION", FAULT_TEMP, "corruption", DOUBT},
    {"NOPERM", FAULT_PERM, "noperm", 0},
    {"CANNOT", FAULT_PERM, "cannot", 0},
    {"CLIENTBUG", FAULT_PERM, "clientbug", 0},
    {"UNKNOWN-CTE", FAULT_PERM, "unknown-cte", 0},
    {"BADCHARSET", FAULT_PERM, "badcharset", 0},
    {"AUTHENTICATIONFAILED", FAULT_PERM, "authentication", ACCOUNT | PLAIN},
    {"AUTHORIZATIONFAILED", FAULT_PERM, "authorization", ACCOUNT | PLAIN},
    {"EXPIRED", FAULT_PERM, "expired", ACCOUNT | PLAIN},
    {"PRIVACYREQUIRED", FAULT_PERM, "privacy", ACCOUNT | PLAIN},
};

/* Words that say more than the code in front of them, whichever it is: a limit of the moment is no full mailbox, a
 * limit of connections no broken server. */
static const struct row stronger[] = {
    {"bandwidth limit", FAULT_TEMP, "throttled", ACCOUNT | PLAIN}, /* Gmail, also behind [OVERQUOTA] */
    {"Suggested Backoff Time", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"throttl", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"rate limit", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"rate exceeded", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"too many requests", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"too many commands", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"too many messages", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"too fast", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"slow down", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"Too many simultaneous connections", FAULT_TEMP, "connections", ACCOUNT | CROWDED | PLAIN},
    {"Maximum number of connections", FAULT_TEMP, "connections", ACCOUNT | CROWDED | PLAIN},
    {"too many connections", FAULT_TEMP, "connections", ACCOUNT | CROWDED | PLAIN},
    {"too many concurrent", FAULT_TEMP, "connections", ACCOUNT | CROWDED | PLAIN},
    {"connection limit", FAULT_TEMP, "connections", ACCOUNT | CROWDED | PLAIN},
    /* Limits of a time: they speak of sizes and counts, and pass. */
    {"daily", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"per day", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"per hour", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"per minute", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"per second", FAULT_TEMP, "throttled", ACCOUNT | PLAIN},
    {"took too long", FAULT_TEMP, "unavailable", SICK | DOUBT},
    {"taking too long", FAULT_TEMP, "unavailable", SICK | DOUBT},
    /* The name itself, whatever the code: another folder would do. Not Courier's "Invalid mailbox name", which is its
       word for a missing one. */
    {"not allowed in mailbox name", FAULT_PERM, "folder-name", 0},
    {"invalid folder name", FAULT_PERM, "folder-name", 0},
    {"folder name is", FAULT_PERM, "folder-name", 0},
    {"mailbox name is", FAULT_PERM, "folder-name", 0},
    {"invalid name", FAULT_PERM, "folder-name", 0},
    {"illegal name", FAULT_PERM, "folder-name", 0},
    {"name too long", FAULT_PERM, "folder-name", 0},
};

/* A mailbox that is full. */
static const struct row full[] = {
    {"quota", FAULT_TEMP, "overquota", 0},         {"storage limit", FAULT_TEMP, "overquota", 0},
    {"mailbox size", FAULT_TEMP, "overquota", 0},  {"mailbox is full", FAULT_TEMP, "overquota", 0},
    {"mailbox full", FAULT_TEMP, "overquota", 0},  {"out of space", FAULT_TEMP, "overquota", 0},
    {"no space left", FAULT_TEMP, "overquota", 0}, {"disk full", FAULT_TEMP, "overquota", 0},
};

/* Words of servers that send no code, or one that says nothing. The first that is found counts. */
static const struct row words[] = {
    {"service busy", FAULT_TEMP, "unavailable", ACCOUNT | SICK | DOUBT},
    {"is authenticated but not connected", FAULT_TEMP, "authorization",
     ACCOUNT | SICK | DOUBT}, /* sticks to the session */
    {"Server Unavailable", FAULT_TEMP, "unavailable", ACCOUNT | SICK | DOUBT},
    {"Service Unavailable", FAULT_TEMP, "unavailable", ACCOUNT | SICK | DOUBT},
    {"Maximum size of appendable message", FAULT_PERM, "toobig", 0},
    {"too large", FAULT_PERM, "toobig", 0},
    {"too big", FAULT_PERM, "toobig", 0},
    {"Permission denied", FAULT_PERM, "noperm", 0},
    {"access denied", FAULT_PERM, "noperm", 0},
    {"Invalid mailbox name", FAULT_PERM, "nonexistent", CREATE}, /* Courier's words for one that is not there */
    {"invalid folder", FAULT_PERM, "nonexistent", CREATE},
    {"not exist", FAULT_PERM, "nonexistent", CREATE}, /* of what, the folder's name may tell alone (Exchange) */
    {"doesn't exist", FAULT_PERM, "nonexistent", CREATE},
    {"could not be found", FAULT_PERM, "nonexistent", CREATE},
    {"nonexistent", FAULT_PERM, "nonexistent", CREATE},
    {"non-existent", FAULT_PERM, "nonexistent", CREATE},
    {"no such file or directory", FAULT_PERM, "nonexistent", CREATE},
    /* What passes, in the words of people who wrote servers: also behind BAD. */
    {"internal error", FAULT_TEMP, "serverbug", SICK | DOUBT},
    {"internal server error", FAULT_TEMP, "serverbug", SICK | DOUBT},
    {"system error", FAULT_TEMP, "serverbug", SICK | DOUBT},
    {"server error", FAULT_TEMP, "serverbug", SICK | DOUBT},
    {"backend", FAULT_TEMP, "unavailable", SICK | DOUBT},
    {"not connected", FAULT_TEMP, "unavailable", SICK | DOUBT},
    {"connection lost", FAULT_TEMP, "unavailable", SICK | DOUBT},
    {"lost connection", FAULT_TEMP, "unavailable", SICK | DOUBT},
    {"session expired", FAULT_TEMP, "unavailable", SICK | DOUBT},
    {"session has expired", FAULT_TEMP, "unavailable", SICK | DOUBT},
    {"unavailable", FAULT_TEMP, "unavailable", SICK | DOUBT},
    {"service not available", FAULT_TEMP, "unavailable", ACCOUNT | SICK | DOUBT},
    {"out of memory", FAULT_TEMP, "unavailable", SICK | DOUBT},
    {"maintenance", FAULT_TEMP, "unavailable", ACCOUNT | SICK | DOUBT},
    {"shutting down", FAULT_TEMP, "unavailable", ACCOUNT | SICK | DOUBT},
    {"overload", FAULT_TEMP, "unavailable", ACCOUNT | DOUBT},
    {"timed out", FAULT_TEMP, "unavailable", SICK | DOUBT},
    {"timeout", FAULT_TEMP, "unavailable", SICK | DOUBT},
    {"locked", FAULT_TEMP, "inuse", PLAIN},
    {"not lock", FAULT_TEMP, "inuse", PLAIN},
    {"obtain lock", FAULT_TEMP, "inuse", PLAIN},
    {"acquire lock", FAULT_TEMP, "inuse", PLAIN},
    {"in use", FAULT_TEMP, "inuse", PLAIN},
    {"busy", FAULT_TEMP, "inuse", PLAIN},
    {"try again", FAULT_TEMP, "refused", GENERAL},
    {"try later", FAULT_TEMP, "refused", GENERAL},
    {"temporar", FAULT_TEMP, "refused", GENERAL},
    {"later", FAULT_TEMP, "refused", GENERAL},
    {"retry", FAULT_TEMP, "refused", GENERAL},
    {"at the moment", FAULT_TEMP, "refused", GENERAL},
    {"not now", FAULT_TEMP, "refused", GENERAL},
};

/* What a refusal is about, by two words of it: one that names a thing, and one that says something of it. There are as
 * many ways to say "there is no such folder" as people who wrote a server. */
static const char *const folder_words[] = {"mailbox", "folder", NULL};
static const char *const absent_words[] = {
    "not exist", "n't exist",    "not found",      "n't found",    "no such",          "unknown",
    "not find",  "n't find",     "unable to find", "not be found", "not been created", "n't been created",
    "missing",   "not existing", "no mailbox",     "no folder",    "not known",        "invalid destination",
    NULL};
static const char *const name_words[] = {"mailbox name", "folder name", "mailbox names",
                                         "folder names", "name of the", NULL};
static const char *const unfit_words[] = {"character", "illegal", "not allowed", "forbidden", "reserved",
                                          "too long",  "contain", "begins with", "may not",   NULL};
static const char *const message_words[] = {"message", "literal", "mail", "append", "attachment", NULL};
static const char *const large_words[] = {"too long",    "too large", "too big",        "larger than",
                                          "longer than", "oversize",  "over the limit", NULL};
static const char *const size_words[] = {"size", "length", "octets", "bytes", NULL};
static const char *const excess_words[] = {"exceed", "maximum", "over the limit", NULL};
static const struct pair {
    const char *const *things, *const *states;
    struct row row;
} pairs[] = {
    {name_words, unfit_words, {"", FAULT_PERM, "folder-name", 0}},
    {folder_words, absent_words, {"", FAULT_PERM, "nonexistent", CREATE}},
    {message_words, large_words, {"", FAULT_PERM, "toobig", 0}},
    {size_words, excess_words, {"", FAULT_PERM, "toobig", 0}},
};
#define ROWS(table) (sizeof table / sizeof table[0])

static bool is_word_octet(uint8_t c)
{
    return octet_is_alpha(c) || octet_is_digit(c) || c >= 0x80;
}

/* Whether text has part at this place, as words of their own. */
static bool stands_at(struct bytes text, size_t at, struct bytes part)
{
    size_t end = at + part.len;
    return end <= text.len && bytes_equal_nocase(bytes_slice(text, at, part.len), part) &&
           (at == 0 || !is_word_octet(text.ptr[at - 1])) && (end == text.len || !is_word_octet(text.ptr[end]));
}

/* Whether the octets of text from..end stand inside the folder's name, whole or one level of it, which some servers say
 * in their own way. */
static bool is_of_name(struct bytes text, size_t from, size_t end, struct bytes folder)
{
    size_t level = 0; /* where the level that is looked at begins */
    for (size_t i = 0; i <= folder.len && folder.len > 0; i++) {
        if (i < folder.len && (is_word_octet(folder.ptr[i]) || folder.ptr[i] == ' ' || folder.ptr[i] == '-')) {
            continue;
        }
        struct bytes name = bytes_slice(folder, level, i - level);
        for (size_t at = end > name.len ? end - name.len : 0; at <= from && name.len >= end - from; at++) {
            if (stands_at(text, at, name)) {
                return true;
            }
        }
        level = i + 1;
    }
    return false;
}

/* Case does not count; what stands inside the folder's name neither. */
static bool contains(struct bytes text, const char *word, struct bytes folder)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++) {
        if (bytes_starts_nocase(bytes_from(text, i), word) && !is_of_name(text, i, i + len, folder)) {
            return true;
        }
    }
    return false;
}

static uint64_t pause_of(struct bytes text)
{
    ptrdiff_t at = bytes_find(text, bytes_of("Backoff Time: "));
    uint64_t pause = 0;
    if (at >= 0) {
        struct bytes number = bytes_from(text, (size_t)at + 14);
        disregard(bytes_to_u64(bytes_cut(&number, ' '), &pause));
    }
    return pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
}

static const struct row *find_row(const struct row *table, size_t count, struct bytes text, struct bytes folder)
{
    for (size_t i = 0; i < count; i++) {
        if (contains(text, table[i].name, folder)) {
            return &table[i];
        }
    }
    return NULL;
}

static bool says_any(const char *const *list, struct bytes text, struct bytes folder)
{
    for (; *list != NULL; list++) {
        if (contains(text, *list, folder)) {
            return true;
        }
    }
    return false;
}

static const struct row *by_pair(struct bytes text, struct bytes folder)
{
    for (size_t i = 0; i < ROWS(pairs); i++) {
        if (says_any(pairs[i].things, text, folder) && says_any(pairs[i].states, text, folder)) {
            return &pairs[i].row;
        }
    }
    return NULL;
}

/* What the words say: a full mailbox before a message that is too large, because both speak of sizes. */
static const struct row *by_words(struct bytes text, struct bytes folder)
{
    const struct row *row = find_row(full, ROWS(full), text, folder);
    row = row != NULL ? row : by_pair(text, folder);
    return row != NULL ? row : find_row(words, ROWS(words), text, folder);
}

static const struct row *by_code(struct bytes code)
{
    for (size_t i = 0; i < ROWS(codes); i++) {
        if (bytes_is_nocase(code, codes[i].name)) {
            return &codes[i];
        }
    }
    return NULL;
}

/*
 * Whether the words say more than the code. RFC 5530 gives CANNOT to what "can never succeed", and CLIENTBUG and LIMIT
 * to much; a server that adds "temporarily", or that there is no such folder, means its words.
 */
static const struct row *row_of_code(const struct imap_reply *reply, struct bytes folder)
{
    static const char *const passing[] = {"temporar", "try again", "try later", NULL};
    static const struct row refused = {"", FAULT_TEMP, "refused", GENERAL};
    const struct row *row = by_code(reply->code);
    if (row == NULL) {
        return NULL;
    }
    bool for_good = row->class == FAULT_PERM && (row->flags & (CREATE | ACCOUNT)) == 0;
    bool vague = bytes_is_nocase(reply->code, "CANNOT") || bytes_is_nocase(reply->code, "CLIENTBUG") ||
                 bytes_is_nocase(reply->code, "LIMIT");
    const struct row *pair = vague ? by_pair(reply->text, folder) : NULL;
    return for_good && says_any(passing, reply->text, folder) ? &refused : pair != NULL ? pair : row;
}

static const struct row *row_of(const struct imap_reply *reply, struct bytes folder)
{
    static const struct row refused = {"", FAULT_TEMP, "refused", GENERAL};
    static const struct row bad = {"", FAULT_PERM, "bad", GENERAL};
    static const struct row bye = {"", FAULT_TEMP, "bye", GENERAL};
    const struct row *row = find_row(stronger, ROWS(stronger), reply->text, folder);
    row = row != NULL ? row : row_of_code(reply, folder);
    /* [ALERT] and codes of a server's own say nothing about what is refused. */
    row = row != NULL ? row : by_words(reply->text, folder);
    if (row != NULL) {
        return row;
    }
    return reply->status == IMAP_STATUS_BAD ? &bad : reply->status == IMAP_STATUS_BYE ? &bye : &refused;
}

struct imapc_refusal imapc_refusal_about(const struct imap_reply *reply, struct bytes folder)
{
    const struct row *row = row_of(reply, folder);
    return (struct imapc_refusal){.class = row->class,
                                  .code = row->code,
                                  .account = (row->flags & ACCOUNT) != 0,
                                  .create = (row->flags & CREATE) != 0,
                                  .crowded = (row->flags & CROWDED) != 0,
                                  .sick = (row->flags & SICK) != 0,
                                  .general = (row->flags & GENERAL) != 0,
                                  .plain = (row->flags & (PLAIN | GENERAL)) != 0,
                                  .doubtful = (row->flags & (DOUBT | PLAIN | GENERAL)) != 0,
                                  .retry_after_ms = pause_of(reply->text)};
}

struct imapc_refusal imapc_refusal_of(const struct imap_reply *reply)
{
    return imapc_refusal_about(reply, bytes_of(""));
}

bool imapc_refusal_is_there(const struct imap_reply *reply)
{
    struct bytes nothing = {NULL, 0};
    return bytes_is_nocase(reply->code, "ALREADYEXISTS") || contains(reply->text, "already exist", nothing) ||
           contains(reply->text, "exists", nothing);
}

bool imapc_refusal_is_parent(const struct imap_reply *reply)
{
    static const char *const above[] = {"parent", "hierarchy", "superior", NULL};
    struct bytes nothing = {NULL, 0};
    return says_any(above, reply->text, nothing);
}

bool imapc_refusal_is_command(const struct imap_reply *reply)
{
    static const char *const commands[] = {"initial response", "unsupported",       "not supported",
                                           "not implemented",  "unknown command",   "syntax",
                                           "arguments",        "unknown mechanism", NULL};
    static const char *const people[] = {"user", "account", "password", NULL};
    struct bytes nothing = {NULL, 0};
    bool said = says_any(commands, reply->text, nothing) && !says_any(people, reply->text, nothing);
    return reply->status == IMAP_STATUS_BAD || said;
}

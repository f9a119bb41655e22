/*
 * imapc_refusal - the table of refusals; see imapc_refusal.h.
 */
#include "engine/imapc_refusal.h"

#include <string.h>

/* A longer pause is not believed. */
#define PAUSE_MAX_MS UINT64_C(3600000)

/* DOUBT: it tells of the server's trouble, and not of this message; the store may have had it by then. */
enum { ACCOUNT = 1, CREATE = 2, CROWDED = 4, DOUBT = 8, PLAIN = 16 };

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
    {"LIMIT", FAULT_TEMP, "limit", 0},
    {"INUSE", FAULT_TEMP, "inuse", 0},
    {"UNAVAILABLE", FAULT_TEMP, "unavailable", ACCOUNT | DOUBT},
    {"SERVERBUG", FAULT_TEMP, "serverbug", DOUBT},
    {"CONTACTADMIN", FAULT_TEMP, "contactadmin", DOUBT},
    {"EXPUNGEISSUED", FAULT_TEMP, "expungeissued", DOUBT},
    {"CORRUPTION", FAULT_TEMP, "corruption", DOUBT},
    {"NOPERM", FAULT_PERM, "noperm", 0},
    {"CANNOT", FAULT_PERM, "cannot", 0},
    {"CLIENTBUG", FAULT_PERM, "clientbug", 0},
    {"UNKNOWN-CTE", FAULT_PERM, "unknown-cte", 0},
    {"BADCHARSET", FAULT_PERM, "badcharset", 0},
    {"AUTHENTICATIONFAILED", FAULT_PERM, "authentication", ACCOUNT},
    {"AUTHORIZATIONFAILED", FAULT_PERM, "authorization", ACCOUNT},
    {"EXPIRED", FAULT_PERM, "expired", ACCOUNT},
    {"PRIVACYREQUIRED", FAULT_PERM, "privacy", ACCOUNT},
};

/* Words of servers that send no code. The first that is found counts. */
static const struct row words[] = {
    {"Suggested Backoff Time", FAULT_TEMP, "throttled", ACCOUNT},
    {"throttled", FAULT_TEMP, "throttled", ACCOUNT},
    {"Too many simultaneous connections", FAULT_TEMP, "connections", ACCOUNT | CROWDED},
    {"Maximum number of connections", FAULT_TEMP, "connections", ACCOUNT | CROWDED},
    {"too many connections", FAULT_TEMP, "connections", ACCOUNT | CROWDED},
    {"service busy", FAULT_TEMP, "unavailable", ACCOUNT | DOUBT},
    {"Maximum size of appendable message", FAULT_PERM, "toobig", 0},
    {"quota", FAULT_TEMP, "overquota", 0},
    {"Permission denied", FAULT_PERM, "noperm", 0},
    {"Invalid mailbox name", FAULT_PERM, "nonexistent", CREATE},
    {"Mailbox does not exist", FAULT_PERM, "nonexistent", CREATE},
    {"Mailbox doesn't exist", FAULT_PERM, "nonexistent", CREATE},
    {"is authenticated but not connected", FAULT_PERM, "authorization", ACCOUNT},
};

/* Case does not count. */
static bool contains(struct bytes text, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++) {
        if (bytes_starts_nocase(bytes_from(text, i), word)) {
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
        bytes_to_u64(bytes_cut(&number, ' '), &pause);
    }
    return pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
}

static const struct row *row_of(const struct imap_reply *reply)
{
    /* Servers put words behind a general code that say more: [ALERT], [UNAVAILABLE] with a limit of connections. */
    for (size_t i = 0; i < sizeof words / sizeof words[0] && !bytes_is_nocase(reply->code, "OVERQUOTA"); i++) {
        bool general = reply->code.len == 0 || bytes_is_nocase(reply->code, "ALERT");
        if ((general || words[i].flags & CROWDED) && contains(reply->text, words[i].name)) {
            return &words[i];
        }
    }
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (bytes_is_nocase(reply->code, codes[i].name)) {
            return &codes[i];
        }
    }
    static const struct row refused = {"", FAULT_TEMP, "refused", DOUBT | PLAIN};
    static const struct row bad = {"", FAULT_PERM, "bad", 0};
    static const struct row bye = {"", FAULT_TEMP, "bye", DOUBT};
    return reply->status == IMAP_STATUS_BAD ? &bad : reply->status == IMAP_STATUS_BYE ? &bye : &refused;
}

struct imapc_refusal imapc_refusal_of(const struct imap_reply *reply)
{
    const struct row *row = row_of(reply);
    return (struct imapc_refusal){.class = row->class,
                                  .code = row->code,
                                  .account = (row->flags & ACCOUNT) != 0,
                                  .create = (row->flags & CREATE) != 0,
                                  .crowded = (row->flags & CROWDED) != 0,
                                  .doubtful = (row->flags & DOUBT) != 0,
                                  .plain = (row->flags & PLAIN) != 0,
                                  .retry_after_ms = pause_of(reply->text)};
}

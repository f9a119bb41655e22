/*
 * smtpd_replies - every reply that the SMTP engine gives of its own accord, one row each, and the limits whose hits are
 * counted.
 *
 * Codes by RFC 5321 section 4.2 and RFC 7504, enhanced codes by RFC 3463 and its registry. What rules, spool or
 * admission answer comes as struct smtpd_answer instead.
 */
#ifndef MAILWEIR_ENGINE_SMTPD_REPLIES_H
#define MAILWEIR_ENGINE_SMTPD_REPLIES_H

#include <stdint.h>

/* What a peer can run into. Each is a key of a listener's "limits" or "timeouts", and a label of one metric. */
enum smtpd_limit {
    SMTPD_LIMIT_NONE,
    SMTPD_LIMIT_SESSIONS,
    SMTPD_LIMIT_SESSIONS_PER_NETWORK,
    SMTPD_LIMIT_SESSIONS_PER_USER,
    SMTPD_LIMIT_MESSAGE_SIZE,
    SMTPD_LIMIT_HEADER_SIZE,
    SMTPD_LIMIT_RECEIVED,
    SMTPD_LIMIT_RECIPIENTS,
    SMTPD_LIMIT_RECIPIENTS_PER_SESSION,
    SMTPD_LIMIT_TRANSACTIONS,
    SMTPD_LIMIT_MESSAGES_PER_MINUTE,
    SMTPD_LIMIT_RECIPIENTS_PER_MINUTE,
    SMTPD_LIMIT_ENVELOPE,
    SMTPD_LIMIT_ERRORS,
    SMTPD_LIMIT_UNKNOWN_COMMANDS,
    SMTPD_LIMIT_LINE_LENGTH,
    SMTPD_LIMIT_AUTH_FAILURES,
    SMTPD_LIMIT_AUTH_FAILURES_PER_NETWORK,
    SMTPD_LIMIT_EARLY_TALKER,
    SMTPD_LIMIT_TIMEOUT_COMMAND,
    SMTPD_LIMIT_TIMEOUT_DATA,
    SMTPD_LIMIT_TIMEOUT_SESSION,
    SMTPD_LIMIT_COUNT,
};
/* "sessions", "message_size", ...; for metrics and logs. */
const char *smtpd_limit_name(enum smtpd_limit limit);

enum smtpd_reply {
    SMTPD_REPLY_OK,
    SMTPD_REPLY_BYE,
    SMTPD_REPLY_RESET,
    SMTPD_REPLY_HELP,
    SMTPD_REPLY_VRFY,
    SMTPD_REPLY_MAIL_OK,
    SMTPD_REPLY_RCPT_OK,
    SMTPD_REPLY_START_TEXT,
    SMTPD_REPLY_START_TLS,
    SMTPD_REPLY_CHUNK_OK,
    SMTPD_REPLY_ACCEPTED,
    SMTPD_REPLY_AUTH_OK,

    SMTPD_REPLY_TIMEOUT,
    SMTPD_REPLY_DATA_TIMEOUT,
    SMTPD_REPLY_SESSION_TIMEOUT,
    SMTPD_REPLY_SHUTDOWN,
    SMTPD_REPLY_TOO_MANY_ERRORS,
    SMTPD_REPLY_TOO_MANY_UNKNOWN,
    SMTPD_REPLY_TOO_MANY_TRANSACTIONS,
    SMTPD_REPLY_TOO_MANY_RECIPIENTS,
    SMTPD_REPLY_TOO_MANY_RECIPIENTS_IN_SESSION,
    SMTPD_REPLY_OTHER_RECIPIENT,
    SMTPD_REPLY_OTHER_DOMAIN,
    SMTPD_REPLY_TOO_MANY_AUTH_FAILURES,
    SMTPD_REPLY_TOO_MUCH_MEMORY,

    SMTPD_REPLY_UNKNOWN_COMMAND,
    SMTPD_REPLY_CONTROL,
    SMTPD_REPLY_LINE_TOO_LONG,
    SMTPD_REPLY_BARE,
    SMTPD_REPLY_EARLY_TALKER,
    SMTPD_REPLY_FOREIGN,
    SMTPD_REPLY_FOREIGN_TLS,
    SMTPD_REPLY_NOT_IMPLEMENTED,
    SMTPD_REPLY_NOT_OFFERED,
    SMTPD_REPLY_AUTH_NOT_OFFERED,
    SMTPD_REPLY_TLS_NOT_OFFERED,
    SMTPD_REPLY_XCLIENT_NOT_OFFERED,
    SMTPD_REPLY_NO_ARGUMENT,
    SMTPD_REPLY_NEEDS_ARGUMENT,
    SMTPD_REPLY_BAD_ARGUMENT,
    SMTPD_REPLY_NEEDS_HELLO,
    SMTPD_REPLY_NESTED_MAIL,
    SMTPD_REPLY_NEEDS_MAIL,
    SMTPD_REPLY_NEEDS_RCPT,
    SMTPD_REPLY_NO_VALID_RCPT,
    SMTPD_REPLY_BAD_SEQUENCE,
    SMTPD_REPLY_NEEDS_TLS,
    SMTPD_REPLY_NEEDS_AUTH,
    SMTPD_REPLY_BAD_SENDER,
    SMTPD_REPLY_BAD_RECIPIENT,
    SMTPD_REPLY_SENDER_ADDRESS,
    SMTPD_REPLY_RECIPIENT_ADDRESS,
    SMTPD_REPLY_RECIPIENT_LIST,
    SMTPD_REPLY_SENDER_NO_DOMAIN,
    SMTPD_REPLY_RECIPIENT_NO_DOMAIN,
    SMTPD_REPLY_DOTS,
    SMTPD_REPLY_SOURCE_ROUTE,
    SMTPD_REPLY_ROUTED,
    SMTPD_REPLY_NOT_UTF8,
    SMTPD_REPLY_PATH_TOO_LONG,
    SMTPD_REPLY_PARAM_UNKNOWN,
    SMTPD_REPLY_PARAM_HELO,
    SMTPD_REPLY_PARAM_REPEATED,
    SMTPD_REPLY_PARAM_VALUE,
    SMTPD_REPLY_BINARY_NEEDS_CHUNKS,
    SMTPD_REPLY_CHUNKS_BEGUN,
    SMTPD_REPLY_CHUNK_SYNTAX,
    SMTPD_REPLY_CHUNK_TOO_BIG,
    SMTPD_REPLY_TOO_BIG,
    SMTPD_REPLY_HEADER_TOO_BIG,
    SMTPD_REPLY_NUL,
    SMTPD_REPLY_BARE_IN_CHUNK,
    SMTPD_REPLY_BINARY,
    SMTPD_REPLY_LOOP,

    SMTPD_REPLY_AUTH_TWICE,
    SMTPD_REPLY_AUTH_NEEDS_TLS,
    SMTPD_REPLY_AUTH_MECHANISM,
    SMTPD_REPLY_AUTH_CANCELLED,
    SMTPD_REPLY_AUTH_BASE64,
    SMTPD_REPLY_AUTH_FAILED,
    SMTPD_REPLY_XCLIENT_SYNTAX,

    /* said by the engine's owner: networks, TLS, users, senders, recipients, storage */
    SMTPD_REPLY_NETWORK,
    SMTPD_REPLY_NETWORK_AUTH_FAILURES,
    SMTPD_REPLY_SESSIONS,
    SMTPD_REPLY_NETWORK_SESSIONS,
    SMTPD_REPLY_USER_SESSIONS,
    SMTPD_REPLY_TLS_FAILED,
    SMTPD_REPLY_PROXY_HEADER,
    SMTPD_REPLY_SENDER_NOT_ALLOWED,
    SMTPD_REPLY_NETWORK_MESSAGES,
    SMTPD_REPLY_RECIPIENT_NOT_ALLOWED,
    SMTPD_REPLY_NETWORK_RECIPIENTS,
    SMTPD_REPLY_STORAGE,
    SMTPD_REPLY_LOCAL,
    SMTPD_REPLY_UNDER_WAY,
    SMTPD_REPLY_CANNOT_HOLD,
    SMTPD_REPLY_UPSTREAM_TIMEOUT,
    SMTPD_REPLY_SHUTDOWN_DELIVERY,

    /* the words are somebody else's: a rule's, a mailbox server's */
    SMTPD_REPLY_BY_RULE,
    SMTPD_REPLY_BY_UPSTREAM,
    SMTPD_REPLY_COUNT,
};

/* A reply in words. code 0 means: accepted, with the engine's own text. Strings are the giver's; text may hold '\n'
 * between lines. */
struct smtpd_answer {
    int code;
    const char *enhanced;
    const char *text;
    enum smtpd_reply reply; /* the row that it is of, or whose words it has */
};

/* Counts that many engines share; one owner, one thread. */
struct smtpd_tally {
    uint64_t replies[600]; /* by code */
    uint64_t limits[SMTPD_LIMIT_COUNT];
    uint64_t refusals[SMTPD_REPLY_COUNT]; /* by row */
};

/* The row; lives for ever. */
const struct smtpd_answer *smtpd_reply_get(enum smtpd_reply reply);
/* Which limit was hit when this is said. */
enum smtpd_limit smtpd_reply_limit(enum smtpd_reply reply);
/* Why something was refused, in one word: "needs_auth"; a label of a metric. NULL for replies that refuse nothing. */
const char *smtpd_reply_reason(enum smtpd_reply reply);
/* The key of the listener that decides it, for people: "allow"; NULL when there is none. */
const char *smtpd_reply_key(enum smtpd_reply reply);

/* Counts one that was said: by code, as a refusal, as a limit that was hit. tally may be NULL. */
void smtpd_tally_reply(struct smtpd_tally *tally, const struct smtpd_answer *answer);

#endif

/*
 * smtpd_replies - every reply that the SMTP engine gives of its own accord, one row each.
 *
 * Codes by RFC 5321 section 4.2 and RFC 7504, enhanced codes by RFC 3463 and its registry. What rules, spool or admission answer comes as
 * struct smtpd_answer instead.
 */
#ifndef MAILWEIR_ENGINE_SMTPD_REPLIES_H
#define MAILWEIR_ENGINE_SMTPD_REPLIES_H

/* A reply in words. code 0 means: accepted, with the engine's own text. Strings are the giver's; text may hold '\n' between lines. */
struct smtpd_answer {
    int code;
    const char *enhanced;
    const char *text;
};

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
    SMTPD_REPLY_ACCEPTED,

    SMTPD_REPLY_TIMEOUT,
    SMTPD_REPLY_SESSION_TIMEOUT,
    SMTPD_REPLY_SHUTDOWN,
    SMTPD_REPLY_TOO_MANY_ERRORS,
    SMTPD_REPLY_TOO_MANY_TRANSACTIONS,
    SMTPD_REPLY_TOO_MANY_RECIPIENTS,
    SMTPD_REPLY_TOO_MUCH_MEMORY,

    SMTPD_REPLY_UNKNOWN_COMMAND,
    SMTPD_REPLY_CONTROL,
    SMTPD_REPLY_LINE_TOO_LONG,
    SMTPD_REPLY_BARE,
    SMTPD_REPLY_FOREIGN,
    SMTPD_REPLY_NOT_IMPLEMENTED,
    SMTPD_REPLY_NOT_OFFERED,
    SMTPD_REPLY_NO_ARGUMENT,
    SMTPD_REPLY_NEEDS_ARGUMENT,
    SMTPD_REPLY_BAD_ARGUMENT,
    SMTPD_REPLY_NEEDS_HELLO,
    SMTPD_REPLY_NESTED_MAIL,
    SMTPD_REPLY_NEEDS_MAIL,
    SMTPD_REPLY_NEEDS_RCPT,
    SMTPD_REPLY_NO_VALID_RCPT,
    SMTPD_REPLY_BAD_SEQUENCE,
    SMTPD_REPLY_BAD_SENDER,
    SMTPD_REPLY_BAD_RECIPIENT,
    SMTPD_REPLY_SOURCE_ROUTE,
    SMTPD_REPLY_ROUTED,
    SMTPD_REPLY_NOT_UTF8,
    SMTPD_REPLY_PATH_TOO_LONG,
    SMTPD_REPLY_PARAM_UNKNOWN,
    SMTPD_REPLY_PARAM_REPEATED,
    SMTPD_REPLY_PARAM_VALUE,
    SMTPD_REPLY_TOO_BIG,
    SMTPD_REPLY_HEADER_TOO_BIG,
    SMTPD_REPLY_NUL,
    SMTPD_REPLY_LOOP,
    SMTPD_REPLY_COUNT,
};

/* The row; lives for ever. */
const struct smtpd_answer *smtpd_reply_get(enum smtpd_reply reply);

#endif

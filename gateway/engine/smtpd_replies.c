/* smtpd_replies - every reply of the SMTP engine, one row each, and the names of limits. Contract: smtpd_replies.h. */
#include "engine/smtpd_replies.h"

#include <stddef.h>

#include "base/expect.h"

static const char *const limit_names[SMTPD_LIMIT_COUNT] = {
    [SMTPD_LIMIT_NONE] = "none",
    [SMTPD_LIMIT_SESSIONS] = "sessions",
    [SMTPD_LIMIT_SESSIONS_PER_NETWORK] = "sessions_per_network",
    [SMTPD_LIMIT_SESSIONS_PER_USER] = "sessions_per_user",
    [SMTPD_LIMIT_MESSAGE_SIZE] = "message_size",
    [SMTPD_LIMIT_HEADER_SIZE] = "header_size",
    [SMTPD_LIMIT_RECEIVED] = "received",
    [SMTPD_LIMIT_RECIPIENTS] = "recipients",
    [SMTPD_LIMIT_RECIPIENTS_PER_SESSION] = "recipients_per_session",
    [SMTPD_LIMIT_TRANSACTIONS] = "transactions",
    [SMTPD_LIMIT_MESSAGES_PER_MINUTE] = "messages_per_minute",
    [SMTPD_LIMIT_RECIPIENTS_PER_MINUTE] = "recipients_per_minute",
    [SMTPD_LIMIT_ENVELOPE] = "envelope",
    [SMTPD_LIMIT_ERRORS] = "errors",
    [SMTPD_LIMIT_UNKNOWN_COMMANDS] = "unknown_commands",
    [SMTPD_LIMIT_LINE_LENGTH] = "line_length",
    [SMTPD_LIMIT_AUTH_FAILURES] = "auth_failures",
    [SMTPD_LIMIT_AUTH_FAILURES_PER_NETWORK] = "auth_failures_per_network",
    [SMTPD_LIMIT_EARLY_TALKER] = "early_talker",
    [SMTPD_LIMIT_TIMEOUT_COMMAND] = "timeout_command",
    [SMTPD_LIMIT_TIMEOUT_DATA] = "timeout_data",
    [SMTPD_LIMIT_TIMEOUT_SESSION] = "timeout_session",
};

/* What is said of a command, a recipient or a message that is taken; and of what is refused, why in one word, and the
 * key of the listener to look at. */
#define SAID(name_, code_, enhanced_, text_)                                                                           \
    [SMTPD_REPLY_##name_] = {{code_, enhanced_, text_, SMTPD_REPLY_##name_}, SMTPD_LIMIT_NONE, NULL, NULL}
#define REFUSED(name_, code_, enhanced_, text_, limit_, reason_, key_)                                                 \
    [SMTPD_REPLY_##name_] = {{code_, enhanced_, text_, SMTPD_REPLY_##name_}, SMTPD_LIMIT_##limit_, reason_, key_}

static const struct row {
    struct smtpd_answer answer;
    enum smtpd_limit limit;
    const char *reason;
    const char *key;
} rows[SMTPD_REPLY_COUNT] = {
    SAID(OK, 250, "2.0.0", "ok"),
    SAID(BYE, 221, "2.0.0", "bye"),
    SAID(RESET, 250, "2.0.0", "forgotten"),
    SAID(HELP, 214, "2.0.0",
         "commands: EHLO HELO LHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT\nsee RFC 5321"),
    SAID(VRFY, 252, "2.5.0", "cannot verify; send the message to find out"),
    SAID(MAIL_OK, 250, "2.1.0", "sender ok"),
    SAID(RCPT_OK, 250, "2.1.5", "recipient ok"),
    SAID(START_TEXT, 354, NULL, "go ahead; end with <CR><LF>.<CR><LF>"),
    SAID(START_TLS, 220, "2.0.0", "ready to start TLS"),
    SAID(CHUNK_OK, 250, "2.0.0", "chunk received"),
    SAID(ACCEPTED, 250, "2.0.0", "accepted"),
    SAID(AUTH_OK, 235, "2.7.0", "authenticated"),
    REFUSED(TIMEOUT, 421, "4.4.2", "no command came in time; closing", TIMEOUT_COMMAND, "timeout", "timeouts.command"),
    REFUSED(DATA_TIMEOUT, 421, "4.4.2", "the rest of the message did not come in time; closing", TIMEOUT_DATA,
            "data_timeout", "timeouts.data"),
    REFUSED(SESSION_TIMEOUT, 421, "4.4.2", "the session has lasted too long; closing", TIMEOUT_SESSION,
            "session_timeout", "timeouts.session"),
    REFUSED(SHUTDOWN, 421, "4.3.2", "shutting down; try again later", NONE, "shutdown", NULL),
    REFUSED(TOO_MANY_ERRORS, 421, "4.7.0", "too many errors; closing", ERRORS, "too_many_errors", "max_errors"),
    REFUSED(TOO_MANY_UNKNOWN, 421, "4.7.0", "too many unknown commands; closing", UNKNOWN_COMMANDS, "too_many_unknown",
            "max_unknown_commands"),
    REFUSED(TOO_MANY_TRANSACTIONS, 421, "4.7.0", "too many messages in one session; connect again", TRANSACTIONS,
            "too_many_transactions", "max_transactions"),
    REFUSED(TOO_MANY_RECIPIENTS, 452, "4.5.3", "too many recipients; send the rest in another message", RECIPIENTS,
            "too_many_recipients", "max_recipients"),
    REFUSED(TOO_MANY_RECIPIENTS_IN_SESSION, 452, "4.5.3", "too many recipients in one session; connect again",
            RECIPIENTS_PER_SESSION, "too_many_recipients_in_session", "max_recipients_per_session"),
    REFUSED(OTHER_RECIPIENT, 452, "4.5.3", "one recipient per message here; send this one in a message of its own",
            NONE, "other_recipient", "recipients_per_transaction"),
    REFUSED(OTHER_DOMAIN, 452, "4.5.3",
            "recipients of one domain per message here; send this one in a message of its own", NONE, "other_domain",
            "recipients_per_transaction"),
    REFUSED(TOO_MANY_AUTH_FAILURES, 421, "4.7.0", "too many failed logins; closing", AUTH_FAILURES,
            "too_many_auth_failures", "max_auth_failures"),
    REFUSED(TOO_MUCH_MEMORY, 452, "4.3.1", "the envelope is too large; send fewer recipients", ENVELOPE,
            "too_much_memory", NULL),
    REFUSED(UNKNOWN_COMMAND, 500, "5.5.1", "unknown command", NONE, "unknown_command", NULL),
    REFUSED(CONTROL, 500, "5.5.2", "control characters are not allowed in commands", NONE, "control", NULL),
    REFUSED(LINE_TOO_LONG, 500, "5.5.6", "the line is too long", LINE_LENGTH, "line_too_long", NULL),
    REFUSED(BARE, 521, "5.5.2", "a <CR> or <LF> stands alone; each line must end in <CR><LF> (RFC 5321 2.3.8); closing",
            NONE, "bare", "lenient"),
    REFUSED(EARLY_TALKER, 554, "5.5.1", "you talked before the greeting; closing", EARLY_TALKER, "early_talker",
            "timeouts.greeting, or allow for its network"),
    REFUSED(FOREIGN, 521, "5.5.1", "this is SMTP; closing", NONE, "foreign", NULL),
    REFUSED(FOREIGN_TLS, 521, "5.5.1", "this is SMTP without TLS; closing", NONE, "foreign_tls", "tls.mode"),
    REFUSED(NOT_IMPLEMENTED, 502, "5.5.1", "command not implemented", NONE, "not_implemented", NULL),
    REFUSED(NOT_OFFERED, 502, "5.5.1", "command not offered here", NONE, "not_offered", "protocol"),
    REFUSED(AUTH_NOT_OFFERED, 502, "5.5.1", "command not offered here", NONE, "not_offered", "auth"),
    REFUSED(TLS_NOT_OFFERED, 502, "5.5.1", "command not offered here", NONE, "not_offered", "tls"),
    REFUSED(XCLIENT_NOT_OFFERED, 502, "5.5.1", "command not offered here", NONE, "not_offered", "xclient"),
    REFUSED(NO_ARGUMENT, 501, "5.5.4", "the command takes no argument", NONE, "no_argument", NULL),
    REFUSED(NEEDS_ARGUMENT, 501, "5.5.4", "the command needs an argument", NONE, "needs_argument", "lenient"),
    REFUSED(BAD_ARGUMENT, 501, "5.5.4", "the argument is not understood", NONE, "bad_argument", NULL),
    REFUSED(NEEDS_HELLO, 503, "5.5.1", "EHLO comes first (LMTP: LHLO)", NONE, "needs_hello", "lenient"),
    REFUSED(NESTED_MAIL, 503, "5.5.1", "a transaction is open already", NONE, "nested_mail", NULL),
    REFUSED(NEEDS_MAIL, 503, "5.5.1", "MAIL comes first", NONE, "needs_mail", NULL),
    REFUSED(NEEDS_RCPT, 503, "5.5.1", "RCPT comes first", NONE, "needs_rcpt", NULL),
    REFUSED(NO_VALID_RCPT, 554, "5.5.1", "no recipient was accepted", NONE, "no_valid_rcpt", NULL),
    REFUSED(BAD_SEQUENCE, 503, "5.5.1", "not at this point of a transaction; RSET ends the transaction", NONE,
            "bad_sequence", NULL),
    REFUSED(NEEDS_TLS, 530, "5.7.0", "STARTTLS comes first", NONE, "needs_tls", "tls.required"),
    REFUSED(NEEDS_AUTH, 530, "5.7.0", "authentication required", NONE, "needs_auth", "auth, or allow for its network"),
    REFUSED(BAD_SENDER, 501, "5.1.7", "write MAIL FROM:<local@domain>, in angle brackets", NONE, "bad_sender",
            "lenient"),
    REFUSED(BAD_RECIPIENT, 501, "5.1.3", "write RCPT TO:<local@domain>, in angle brackets", NONE, "bad_recipient",
            "lenient"),
    REFUSED(SENDER_ADDRESS, 501, "5.1.7", "no valid address in the angle brackets: local@domain", NONE, "bad_sender",
            "lenient"),
    REFUSED(RECIPIENT_ADDRESS, 501, "5.1.3", "no valid address in the angle brackets: local@domain", NONE,
            "bad_recipient", "lenient"),
    REFUSED(RECIPIENT_LIST, 501, "5.1.3", "one recipient per RCPT; send one RCPT for each recipient", NONE,
            "recipient_list", NULL),
    REFUSED(SENDER_NO_DOMAIN, 501, "5.1.7", "the sender needs a domain: MAIL FROM:<local@domain>", NONE, "no_domain",
            "lenient"),
    REFUSED(RECIPIENT_NO_DOMAIN, 501, "5.1.3", "the recipient needs a domain: RCPT TO:<local@domain>", NONE,
            "no_domain", "lenient"),
    REFUSED(DOTS, 501, "5.1.3", "a dot is first, last or doubled before the @; write such a local part in quotes", NONE,
            "dots", "lenient"),
    REFUSED(SOURCE_ROUTE, 501, "5.1.3", "source routes are not accepted", NONE, "source_route", NULL),
    REFUSED(ROUTED, 553, "5.1.3", "addresses that route through here (%, !, @ in the local part) are not accepted",
            NONE, "routed", NULL),
    REFUSED(NOT_UTF8, 553, "5.6.7", "the address is not UTF-8, or is not ASCII and MAIL did not ask for SMTPUTF8", NONE,
            "not_utf8", NULL),
    REFUSED(PATH_TOO_LONG, 501, "5.1.3", "the address is too long", NONE, "path_too_long", NULL),
    REFUSED(PARAM_UNKNOWN, 555, "5.5.4", "unknown parameter", NONE, "param_unknown", NULL),
    REFUSED(PARAM_HELO, 555, "5.5.4", "unknown parameter", NONE, "param_unknown", "lenient"),
    REFUSED(PARAM_REPEATED, 501, "5.5.4", "a parameter is given twice", NONE, "param_repeated", NULL),
    REFUSED(PARAM_VALUE, 501, "5.5.4", "a parameter's value is wrong", NONE, "param_value", NULL),
    REFUSED(BINARY_NEEDS_CHUNKS, 503, "5.5.1", "BODY=BINARYMIME goes with BDAT only", NONE, "binary_needs_chunks",
            NULL),
    REFUSED(CHUNKS_BEGUN, 503, "5.5.1", "the message was begun with BDAT; continue with BDAT, or send RSET", NONE,
            "chunks_begun", NULL),
    REFUSED(CHUNK_SYNTAX, 501, "5.5.4", "write BDAT size, or BDAT size LAST", NONE, "chunk_syntax", NULL),
    REFUSED(CHUNK_TOO_BIG, 552, "5.3.4", "the chunk is larger than a message may be; closing", MESSAGE_SIZE,
            "chunk_too_big", "max_message_size"),
    REFUSED(TOO_BIG, 552, "5.3.4", "the message is too big; SIZE in the answer to EHLO is the limit", MESSAGE_SIZE,
            "too_big", "max_message_size"),
    REFUSED(HEADER_TOO_BIG, 552, "5.3.4", "the header section is too big", HEADER_SIZE, "header_too_big", NULL),
    REFUSED(NUL, 554, "5.6.0", "the message has NUL octets", NONE, "nul", NULL),
    REFUSED(BARE_IN_CHUNK, 554, "5.6.0", "the message has a CR or LF that stands alone; lines end in <CR><LF>", NONE,
            "bare_in_chunk", NULL),
    REFUSED(BINARY, 554, "5.6.1", "IMAP cannot store a binary message; encode the message (base64)", NONE, "binary",
            NULL),
    REFUSED(LOOP, 554, "5.4.6", "too many Received fields; the message seems to loop", RECEIVED, "loop",
            "max_received"),
    REFUSED(AUTH_TWICE, 503, "5.5.1", "authenticated already", NONE, "auth_twice", NULL),
    REFUSED(AUTH_NEEDS_TLS, 538, "5.7.11", "authentication needs TLS", NONE, "auth_needs_tls", "auth.in_clear"),
    REFUSED(AUTH_MECHANISM, 504, "5.5.4", "mechanism not offered", NONE, "auth_mechanism", "auth.mechanisms"),
    REFUSED(AUTH_CANCELLED, 501, "5.7.0", "authentication cancelled", NONE, "auth_cancelled", "auth.mechanisms"),
    REFUSED(AUTH_BASE64, 501, "5.5.2", "the login data is not base64", NONE, "auth_base64", NULL),
    REFUSED(AUTH_FAILED, 535, "5.7.8", "authentication failed", NONE, "auth_failed", "auth.users"),
    REFUSED(XCLIENT_SYNTAX, 501, "5.5.4", "an XCLIENT attribute is wrong or not known", NONE, "xclient_syntax", NULL),

    REFUSED(NETWORK, 554, "5.7.1", "your network may not send here; closing", NONE, "network", "allow"),
    REFUSED(NETWORK_AUTH_FAILURES, 421, "4.7.0", "too many failed logins from your network; try again later",
            AUTH_FAILURES_PER_NETWORK, "network_auth_failures", "max_auth_failures_per_network"),
    REFUSED(SESSIONS, 421, "4.3.2", "too many sessions; try again later", SESSIONS, "sessions", "max_sessions"),
    REFUSED(NETWORK_SESSIONS, 421, "4.7.0", "too many sessions from your network; try again later",
            SESSIONS_PER_NETWORK, "network_sessions", "max_sessions_per_network"),
    REFUSED(USER_SESSIONS, 421, "4.7.0", "too many sessions of this user; try again later", SESSIONS_PER_USER,
            "user_sessions", "max_sessions_per_user"),
    /* These two are never said: whoever does not speak TLS, or no PROXY header, would not understand. */
    REFUSED(TLS_FAILED, 554, "5.7.0", "the TLS handshake failed", NONE, "tls_failed", "tls"),
    REFUSED(PROXY_HEADER, 554, "5.7.0", "no PROXY header came from the load balancer", NONE, "proxy_header",
            "proxy_protocol"),
    REFUSED(SENDER_NOT_ALLOWED, 553, "5.7.1", "you may not send as this address", NONE, "sender_not_allowed",
            "senders"),
    REFUSED(NETWORK_MESSAGES, 451, "4.7.1", "too many messages a minute from your network; slow down",
            MESSAGES_PER_MINUTE, "network_messages", "max_messages_per_minute"),
    REFUSED(RECIPIENT_NOT_ALLOWED, 550, "5.7.1", "mail for this recipient is not taken here", NONE,
            "recipient_not_allowed", "recipients"),
    REFUSED(NETWORK_RECIPIENTS, 451, "4.7.1", "too many recipients a minute from your network; slow down",
            RECIPIENTS_PER_MINUTE, "network_recipients", "max_recipients_per_minute"),
    REFUSED(STORAGE, 452, "4.3.1", "insufficient storage; try again later", NONE, "storage", NULL),
    REFUSED(LOCAL, 451, "4.3.0", "local error; try again later", NONE, "local_trouble", NULL),
    REFUSED(UNDER_WAY, 451, "4.4.5", "this message is being delivered now; try again later", NONE, "under_way", NULL),
    REFUSED(CANNOT_HOLD, 451, "4.7.1",
            "a rule holds this message, and this listener keeps no messages; try again later", NONE, "cannot_hold",
            "acknowledge"),
    REFUSED(UPSTREAM_TIMEOUT, 451, "4.4.2", "the mailbox server did not answer in time; try again later", NONE,
            "upstream_timeout", "timeouts.acknowledge"),
    REFUSED(SHUTDOWN_DELIVERY, 451, "4.3.2", "shutting down; try again later", NONE, "shutdown", NULL),
    REFUSED(BY_RULE, 550, "5.7.1", "refused by a rule", NONE, "rule", NULL),
    REFUSED(BY_UPSTREAM, 451, "4.3.0", "refused by the mailbox server", NONE, "upstream", NULL),
};

const struct smtpd_answer *smtpd_reply_get(enum smtpd_reply reply)
{
    EXPECT(reply < SMTPD_REPLY_COUNT && rows[reply].answer.code != 0);
    return &rows[reply].answer;
}

enum smtpd_limit smtpd_reply_limit(enum smtpd_reply reply)
{
    return rows[reply].limit;
}

const char *smtpd_reply_reason(enum smtpd_reply reply)
{
    return rows[reply].reason;
}

const char *smtpd_reply_key(enum smtpd_reply reply)
{
    return rows[reply].key;
}

void smtpd_tally_reply(struct smtpd_tally *tally, const struct smtpd_answer *answer)
{
    if (tally == NULL || answer->code <= 0 || answer->code >= 600) {
        return;
    }
    tally->replies[answer->code]++;
    tally->refusals[answer->reply] += answer->code >= 400 ? 1 : 0;
    tally->limits[rows[answer->reply].limit]++;
}

const char *smtpd_limit_name(enum smtpd_limit limit)
{
    EXPECT(limit < SMTPD_LIMIT_COUNT);
    return limit_names[limit];
}

/* smtpd_replies - every reply of the SMTP engine, one row each, and the names of limits. Contract: smtpd_replies.h. */
#include "engine/smtpd_replies.h"

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

static const struct row {
    struct smtpd_answer answer;
    enum smtpd_limit limit;
} rows[SMTPD_REPLY_COUNT] = {
    [SMTPD_REPLY_OK] = {{250, "2.0.0", "ok"}, 0},
    [SMTPD_REPLY_BYE] = {{221, "2.0.0", "bye"}, 0},
    [SMTPD_REPLY_RESET] = {{250, "2.0.0", "forgotten"}, 0},
    [SMTPD_REPLY_HELP] =
        {{214, "2.0.0", "commands: EHLO HELO LHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT\nsee RFC 5321"},
         0},
    [SMTPD_REPLY_VRFY] = {{252, "2.5.0", "cannot verify; send mail and it will be decided"}, 0},
    [SMTPD_REPLY_MAIL_OK] = {{250, "2.1.0", "sender ok"}, 0},
    [SMTPD_REPLY_RCPT_OK] = {{250, "2.1.5", "recipient ok"}, 0},
    [SMTPD_REPLY_START_TEXT] = {{354, NULL, "go ahead; end with <CR><LF>.<CR><LF>"}, 0},
    [SMTPD_REPLY_START_TLS] = {{220, "2.0.0", "ready to start TLS"}, 0},
    [SMTPD_REPLY_CHUNK_OK] = {{250, "2.0.0", "chunk received"}, 0},
    [SMTPD_REPLY_ACCEPTED] = {{250, "2.0.0", "accepted"}, 0},
    [SMTPD_REPLY_AUTH_OK] = {{235, "2.7.0", "authenticated"}, 0},

    [SMTPD_REPLY_TIMEOUT] = {{421, "4.4.2", "timeout; closing"}, SMTPD_LIMIT_TIMEOUT_COMMAND},
    [SMTPD_REPLY_DATA_TIMEOUT] = {{421, "4.4.2", "timeout; closing"}, SMTPD_LIMIT_TIMEOUT_DATA},
    [SMTPD_REPLY_SESSION_TIMEOUT] = {{421, "4.4.2", "the session has lasted too long; closing"},
                                     SMTPD_LIMIT_TIMEOUT_SESSION},
    [SMTPD_REPLY_SHUTDOWN] = {{421, "4.3.2", "shutting down; try again later"}, 0},
    [SMTPD_REPLY_TOO_MANY_ERRORS] = {{421, "4.7.0", "too many errors; closing"}, SMTPD_LIMIT_ERRORS},
    [SMTPD_REPLY_TOO_MANY_UNKNOWN] = {{421, "4.7.0", "too many unknown commands; closing"},
                                      SMTPD_LIMIT_UNKNOWN_COMMANDS},
    [SMTPD_REPLY_TOO_MANY_TRANSACTIONS] = {{421, "4.7.0", "too many messages in one session; connect again"},
                                           SMTPD_LIMIT_TRANSACTIONS},
    [SMTPD_REPLY_TOO_MANY_RECIPIENTS] = {{452, "4.5.3", "too many recipients; send the rest in another message"},
                                         SMTPD_LIMIT_RECIPIENTS},
    [SMTPD_REPLY_TOO_MANY_RECIPIENTS_IN_SESSION] = {{452, "4.5.3", "too many recipients in one session; connect again"},
                                                    SMTPD_LIMIT_RECIPIENTS_PER_SESSION},
    [SMTPD_REPLY_TOO_MANY_AUTH_FAILURES] = {{421, "4.7.0", "too many failed logins; closing"},
                                            SMTPD_LIMIT_AUTH_FAILURES},
    [SMTPD_REPLY_TOO_MUCH_MEMORY] = {{452, "4.3.1", "the envelope is too large; send fewer recipients"},
                                     SMTPD_LIMIT_ENVELOPE},

    [SMTPD_REPLY_UNKNOWN_COMMAND] = {{500, "5.5.1", "unknown command"}, 0},
    [SMTPD_REPLY_CONTROL] = {{500, "5.5.2", "control characters are not allowed in commands"}, 0},
    [SMTPD_REPLY_LINE_TOO_LONG] = {{500, "5.5.6", "line too long"}, SMTPD_LIMIT_LINE_LENGTH},
    [SMTPD_REPLY_BARE] = {{521, "5.5.2", "a line ends in <CR><LF>, neither stands alone (RFC 5321 2.3.8); closing"}, 0},
    [SMTPD_REPLY_EARLY_TALKER] = {{554, "5.5.1", "you talked before the greeting; closing"}, SMTPD_LIMIT_EARLY_TALKER},
    [SMTPD_REPLY_FOREIGN] = {{521, "5.5.1", "this is SMTP; closing"}, 0},
    [SMTPD_REPLY_NOT_IMPLEMENTED] = {{502, "5.5.1", "command not implemented"}, 0},
    [SMTPD_REPLY_NOT_OFFERED] = {{502, "5.5.1", "command not offered here"}, 0},
    [SMTPD_REPLY_NO_ARGUMENT] = {{501, "5.5.4", "the command takes no argument"}, 0},
    [SMTPD_REPLY_NEEDS_ARGUMENT] = {{501, "5.5.4", "the command needs an argument"}, 0},
    [SMTPD_REPLY_BAD_ARGUMENT] = {{501, "5.5.4", "the argument cannot be understood"}, 0},
    [SMTPD_REPLY_NEEDS_HELLO] = {{503, "5.5.1", "say hello first"}, 0},
    [SMTPD_REPLY_NESTED_MAIL] = {{503, "5.5.1", "a transaction is open already"}, 0},
    [SMTPD_REPLY_NEEDS_MAIL] = {{503, "5.5.1", "MAIL comes first"}, 0},
    [SMTPD_REPLY_NEEDS_RCPT] = {{503, "5.5.1", "RCPT comes first"}, 0},
    [SMTPD_REPLY_NO_VALID_RCPT] = {{554, "5.5.1", "no recipient was accepted"}, 0},
    [SMTPD_REPLY_BAD_SEQUENCE] = {{503, "5.5.1", "not now"}, 0},
    [SMTPD_REPLY_NEEDS_TLS] = {{530, "5.7.0", "STARTTLS comes first"}, 0},
    [SMTPD_REPLY_NEEDS_AUTH] = {{530, "5.7.0", "authentication required"}, 0},
    [SMTPD_REPLY_BAD_SENDER] = {{501, "5.1.7", "write MAIL FROM:<local@domain>"}, 0},
    [SMTPD_REPLY_BAD_RECIPIENT] = {{501, "5.1.3", "write RCPT TO:<local@domain>"}, 0},
    [SMTPD_REPLY_SOURCE_ROUTE] = {{501, "5.1.3", "source routes are not accepted"}, 0},
    [SMTPD_REPLY_ROUTED] = {{553, "5.1.3",
                             "addresses that route through here (%, !, @ in the local part) are not accepted"},
                            0},
    [SMTPD_REPLY_NOT_UTF8] = {{553, "5.6.7", "address is not ASCII and SMTPUTF8 was not asked for, or is not UTF-8"},
                              0},
    [SMTPD_REPLY_PATH_TOO_LONG] = {{501, "5.1.3", "address too long"}, 0},
    [SMTPD_REPLY_PARAM_UNKNOWN] = {{555, "5.5.4", "unknown parameter"}, 0},
    [SMTPD_REPLY_PARAM_REPEATED] = {{501, "5.5.4", "a parameter stands twice"}, 0},
    [SMTPD_REPLY_PARAM_VALUE] = {{501, "5.5.4", "a parameter's value is wrong"}, 0},
    [SMTPD_REPLY_BINARY_NEEDS_CHUNKS] = {{503, "5.5.1", "BODY=BINARYMIME goes with BDAT only"}, 0},
    [SMTPD_REPLY_CHUNKS_BEGUN] = {{503, "5.5.1", "the message was begun with BDAT; go on with BDAT, or RSET"}, 0},
    [SMTPD_REPLY_CHUNK_SYNTAX] = {{501, "5.5.4", "write BDAT size, or BDAT size LAST"}, 0},
    [SMTPD_REPLY_CHUNK_TOO_BIG] = {{552, "5.3.4", "chunk too big; closing"}, SMTPD_LIMIT_MESSAGE_SIZE},
    [SMTPD_REPLY_TOO_BIG] = {{552, "5.3.4", "message too big"}, SMTPD_LIMIT_MESSAGE_SIZE},
    [SMTPD_REPLY_HEADER_TOO_BIG] = {{552, "5.3.4", "header section too big"}, SMTPD_LIMIT_HEADER_SIZE},
    [SMTPD_REPLY_NUL] = {{554, "5.6.0", "NUL octets in the message"}, 0},
    [SMTPD_REPLY_BARE_IN_CHUNK] = {{554, "5.6.0", "a CR or LF stands alone in the message"}, 0},
    [SMTPD_REPLY_BINARY] = {{554, "5.6.1", "binary octets cannot be stored by IMAP; encode them"}, 0},
    [SMTPD_REPLY_LOOP] = {{554, "5.4.6", "too many Received fields; the message loops"}, SMTPD_LIMIT_RECEIVED},

    [SMTPD_REPLY_AUTH_TWICE] = {{503, "5.5.1", "authenticated already"}, 0},
    [SMTPD_REPLY_AUTH_NEEDS_TLS] = {{538, "5.7.11", "authentication needs TLS"}, 0},
    [SMTPD_REPLY_AUTH_MECHANISM] = {{504, "5.5.4", "mechanism not offered"}, 0},
    [SMTPD_REPLY_AUTH_CANCELLED] = {{501, "5.7.0", "authentication cancelled"}, 0},
    [SMTPD_REPLY_AUTH_BASE64] = {{501, "5.5.2", "not base64"}, 0},
    [SMTPD_REPLY_AUTH_FAILED] = {{535, "5.7.8", "authentication failed"}, 0},
    [SMTPD_REPLY_XCLIENT_SYNTAX] = {{501, "5.5.4", "bad XCLIENT attribute"}, 0},
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

const char *smtpd_limit_name(enum smtpd_limit limit)
{
    EXPECT(limit < SMTPD_LIMIT_COUNT);
    return limit_names[limit];
}

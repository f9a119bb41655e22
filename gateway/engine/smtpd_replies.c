/* smtpd_replies - every reply of the SMTP engine, one row each. Contract: smtpd_replies.h. */
#include "engine/smtpd_replies.h"

#include "base/expect.h"

static const struct smtpd_answer rows[SMTPD_REPLY_COUNT] = {
    [SMTPD_REPLY_OK] = {250, "2.0.0", "ok"},
    [SMTPD_REPLY_BYE] = {221, "2.0.0", "bye"},
    [SMTPD_REPLY_RESET] = {250, "2.0.0", "forgotten"},
    [SMTPD_REPLY_HELP] = {214, "2.0.0",
                          "commands: EHLO HELO MAIL RCPT DATA RSET NOOP VRFY QUIT\nsee RFC 5321"},
    [SMTPD_REPLY_VRFY] = {252, "2.5.0", "cannot verify; send mail and it will be decided"},
    [SMTPD_REPLY_MAIL_OK] = {250, "2.1.0", "sender ok"},
    [SMTPD_REPLY_RCPT_OK] = {250, "2.1.5", "recipient ok"},
    [SMTPD_REPLY_START_TEXT] = {354, NULL, "go ahead; end with <CR><LF>.<CR><LF>"},
    [SMTPD_REPLY_START_TLS] = {220, "2.0.0", "ready to start TLS"},
    [SMTPD_REPLY_ACCEPTED] = {250, "2.0.0", "accepted"},

    [SMTPD_REPLY_TIMEOUT] = {421, "4.4.2", "timeout; closing"},
    [SMTPD_REPLY_SESSION_TIMEOUT] = {421, "4.4.2", "the session has lasted too long; closing"},
    [SMTPD_REPLY_SHUTDOWN] = {421, "4.3.2", "shutting down; try again later"},
    [SMTPD_REPLY_TOO_MANY_ERRORS] = {421, "4.7.0", "too many errors; closing"},
    [SMTPD_REPLY_TOO_MANY_TRANSACTIONS] = {421, "4.7.0", "too many messages in one session; connect again"},
    [SMTPD_REPLY_TOO_MANY_RECIPIENTS] = {452, "4.5.3", "too many recipients; send the rest in another message"},
    [SMTPD_REPLY_TOO_MUCH_MEMORY] = {452, "4.3.1", "the envelope is too large; send fewer recipients"},

    [SMTPD_REPLY_UNKNOWN_COMMAND] = {500, "5.5.1", "unknown command"},
    [SMTPD_REPLY_CONTROL] = {500, "5.5.2", "control characters are not allowed in commands"},
    [SMTPD_REPLY_LINE_TOO_LONG] = {500, "5.5.6", "line too long"},
    [SMTPD_REPLY_BARE] = {521, "5.5.2", "a line ends in <CR><LF>, neither stands alone (RFC 5321 2.3.8); closing"},
    [SMTPD_REPLY_FOREIGN] = {521, "5.5.1", "this is SMTP; closing"},
    [SMTPD_REPLY_NOT_IMPLEMENTED] = {502, "5.5.1", "command not implemented"},
    [SMTPD_REPLY_NOT_OFFERED] = {502, "5.5.1", "command not offered here"},
    [SMTPD_REPLY_NO_ARGUMENT] = {501, "5.5.4", "the command takes no argument"},
    [SMTPD_REPLY_NEEDS_ARGUMENT] = {501, "5.5.4", "the command needs an argument"},
    [SMTPD_REPLY_BAD_ARGUMENT] = {501, "5.5.4", "the argument cannot be understood"},
    [SMTPD_REPLY_NEEDS_HELLO] = {503, "5.5.1", "say hello first"},
    [SMTPD_REPLY_NESTED_MAIL] = {503, "5.5.1", "a transaction is open already"},
    [SMTPD_REPLY_NEEDS_MAIL] = {503, "5.5.1", "MAIL comes first"},
    [SMTPD_REPLY_NEEDS_RCPT] = {503, "5.5.1", "RCPT comes first"},
    [SMTPD_REPLY_NO_VALID_RCPT] = {554, "5.5.1", "no recipient was accepted"},
    [SMTPD_REPLY_BAD_SEQUENCE] = {503, "5.5.1", "not now"},
    [SMTPD_REPLY_BAD_SENDER] = {501, "5.1.7", "write MAIL FROM:<local@domain>"},
    [SMTPD_REPLY_BAD_RECIPIENT] = {501, "5.1.3", "write RCPT TO:<local@domain>"},
    [SMTPD_REPLY_SOURCE_ROUTE] = {501, "5.1.3", "source routes are not accepted"},
    [SMTPD_REPLY_ROUTED] = {553, "5.1.3", "addresses that route through here (%, !, @ in the local part) are not accepted"},
    [SMTPD_REPLY_NOT_UTF8] = {553, "5.6.7", "address is not ASCII and SMTPUTF8 was not asked for, or is not UTF-8"},
    [SMTPD_REPLY_PATH_TOO_LONG] = {501, "5.1.3", "address too long"},
    [SMTPD_REPLY_PARAM_UNKNOWN] = {555, "5.5.4", "unknown parameter"},
    [SMTPD_REPLY_PARAM_REPEATED] = {501, "5.5.4", "a parameter stands twice"},
    [SMTPD_REPLY_PARAM_VALUE] = {501, "5.5.4", "a parameter's value is wrong"},
    [SMTPD_REPLY_TOO_BIG] = {552, "5.3.4", "message too big"},
    [SMTPD_REPLY_HEADER_TOO_BIG] = {552, "5.3.4", "header section too big"},
    [SMTPD_REPLY_NUL] = {554, "5.6.0", "NUL octets in the message"},
    [SMTPD_REPLY_LOOP] = {554, "5.4.6", "too many Received fields; the message loops"},
};

const struct smtpd_answer *smtpd_reply_get(enum smtpd_reply reply)
{
    EXPECT(reply < SMTPD_REPLY_COUNT && rows[reply].code != 0);
    return &rows[reply];
}

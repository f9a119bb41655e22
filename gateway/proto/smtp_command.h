/*
 * smtp_command - one command line, without its CR LF, as verb and argument (RFC 5321 section 4.1).
 *
 * Knows every verb that a peer may name, also those that are never carried out, so that each gets the right refusal.
 * What a verb means, and when it is allowed, stands in the table of the engine.
 */
#ifndef MAILWEIR_PROTO_SMTP_COMMAND_H
#define MAILWEIR_PROTO_SMTP_COMMAND_H

#include "base/must_use.h"
#include "proto/smtp_path.h"

enum smtp_verb {
    SMTP_VERB_UNKNOWN,
    SMTP_VERB_FOREIGN, /* another protocol: HTTP and the like */
    SMTP_VERB_HELO,
    SMTP_VERB_EHLO,
    SMTP_VERB_LHLO,
    SMTP_VERB_STARTTLS,
    SMTP_VERB_AUTH,
    SMTP_VERB_XCLIENT,
    SMTP_VERB_MAIL,
    SMTP_VERB_RCPT,
    SMTP_VERB_DATA,
    SMTP_VERB_BDAT,
    SMTP_VERB_RSET,
    SMTP_VERB_NOOP,
    SMTP_VERB_VRFY,
    SMTP_VERB_EXPN,
    SMTP_VERB_HELP,
    SMTP_VERB_ETRN,
    SMTP_VERB_TURN,
    SMTP_VERB_QUIT,
};

struct smtp_command {
    enum smtp_verb verb;
    struct bytes argument; /* behind the blanks, without blanks at its end; may be empty */
};

/* 1, or -1 when the line holds a control character (NUL too): *command_r is then untouched. */
MUST_USE int smtp_command_parse(struct bytes line, struct smtp_command *command_r);

/*
 * "FROM:<path> parameters" or "TO:<path> parameters": the path, and what stands behind it without blanks at its ends.
 * Blanks behind the colon, which devices send, are let pass.
 */
enum smtp_path_result smtp_command_path(struct bytes argument, const char *keyword, bool utf8, struct smtp_path *path_r,
                                        struct bytes *params_r);

/* The same of a device: smtp_path_take_lenient(), and a blank instead of the colon. */
enum smtp_path_result smtp_command_path_lenient(struct bytes argument, const char *keyword, bool utf8,
                                                struct smtp_path *path_r, struct bytes *params_r);

/* "1234" or "1234 LAST" (RFC 3030 section 2): 1, or -1 when it is anything else. */
MUST_USE int smtp_command_chunk(struct bytes argument, uint64_t *size_r, bool *last_r);

#endif

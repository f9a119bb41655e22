/*
 * smtp_reply - writes replies: code, enhanced status code, text, one line or several (RFC 5321 section 4.2, RFC 2034,
 * RFC 3463).
 *
 * What came from a peer or an upstream may stand in a text: control characters and octets above 127 become '?', long
 * lines are cut. A reply can never hold a line that the writer did not mean.
 */
#ifndef MAILWEIR_PROTO_SMTP_REPLY_H
#define MAILWEIR_PROTO_SMTP_REPLY_H

#include "base/buf.h"
#include "base/must_use.h"

/* Octets of a reply line with its CR LF: RFC 5321 section 4.5.3.1.5. */
#define SMTP_REPLY_LINE_MAX 512

/*
 * Appends "code enhanced text" CR LF; enhanced may be NULL or "" (greeting, EHLO, 3xx). A text with '\n' in it becomes
 * several lines, each with the code and the enhanced code. -1 when the buffer's maximum would be passed.
 */
STICKS_TO_BUF int smtp_reply_write(struct buf *out, int code, const char *enhanced, const char *text);

/* "5.7.1" and the like: one digit of 2, 4, 5, then two numbers of at most three digits. */
bool smtp_reply_is_enhanced(const char *text); /* for tests */

#endif

/*
 * smtp_line - cuts command lines out of received octets (RFC 5321 section 2.3.8).
 *
 * Only CR LF ends a line. A CR or LF alone is an error wherever it stands: what one server reads as a line end and
 * another does not is how mail is smuggled. Owns nothing; octets that do not make a line yet stay with the caller.
 */
#ifndef MAILWEIR_PROTO_SMTP_LINE_H
#define MAILWEIR_PROTO_SMTP_LINE_H

#include "base/bytes.h"

enum smtp_line_result {
    SMTP_LINE_BARE = -1, /* a CR or LF stands alone */
    SMTP_LINE_MORE = 0,  /* no whole line yet */
    SMTP_LINE_GOT = 1,
    SMTP_LINE_TOO_LONG = 2, /* more than `max` octets without a line end; *used_r of them may be thrown away */
};

/*
 * Looks for a line of at most max octets (its CR LF not counted) at the head of input. GOT: *line_r is the line without
 * its end, *used_r the octets with it. TOO_LONG: *used_r octets can go, a CR that may begin the line end is kept.
 * Otherwise *used_r is 0.
 */
enum smtp_line_result smtp_line_next(struct bytes input, size_t max, struct bytes *line_r, size_t *used_r);

#endif

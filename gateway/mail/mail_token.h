/*
 * mail_token - what stands first in the value of a MIME field: "text/plain", "attachment", "base64" (RFC 2045 sections
 * 5.1 and 6.1), as mail programs find it. Pure.
 */
#ifndef MAILWEIR_MAIL_MAIL_TOKEN_H
#define MAILWEIR_MAIL_MAIL_TOKEN_H

#include "base/bytes.h"

/* The value from behind the blanks and comments (RFC 5322 section 3.2.2) in front of it. */
struct bytes mail_token_skip_comments(struct bytes value);

/* What stands in front of the parameters, without blanks, comments and quotes. It points into value. */
struct bytes mail_token_head(struct bytes value);

#endif

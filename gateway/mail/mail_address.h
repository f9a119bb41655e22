/*
 * mail_address - the mailboxes of an address field (RFC 5322 section 3.4), as people read it, whatever the sender
 * forgot: quotes around "[Alert] System", a closing parenthesis, a comma between two; semicolons for commas; dots that
 * the RFC forbids.
 *
 * An encoded word is part of a display name and never yields an address. Time is linear in the value's length.
 */
#ifndef MAILWEIR_MAIL_MAIL_ADDRESS_H
#define MAILWEIR_MAIL_MAIL_ADDRESS_H

#include "base/buf.h"

/*
 * Calls fn for each mailbox of an unfolded value, groups included. name is the display name with its encoded words
 * decoded, "" when there is none; address is as written, without comments and blanks, and need not have an "@". Both
 * are valid UTF-8 and live for the call.
 */
typedef void mail_address_fn(void *ctx, struct bytes name, struct bytes address);
void mail_address_each(struct bytes value, mail_address_fn *fn, void *ctx);

#endif

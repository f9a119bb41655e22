/*
 * dialogue - what of an SMTP or IMAP dialogue may be shown: its lines, without a secret and without mail.
 *
 * It hears the octets of both sides, in any pieces, and gives lines. What belongs to an authentication (AUTH, LOGIN,
 * AUTHENTICATE, with their challenges and answers) and what is a message or another literal is told by its length only.
 * Where it is not certain what octets are, for it came in the middle or a client does what no client does, they are
 * taken for a secret. SMTP: RFC 5321, 3030, 4954; IMAP: RFC 9051, 7888.
 */
#ifndef MAILWEIR_PROTO_DIALOGUE_H
#define MAILWEIR_PROTO_DIALOGUE_H

#include "base/bytes.h"
#include "base/must_use.h"

struct dialogue;

/* who: 'C' or 'S'; line: without its end, valid during the call. */
typedef void dialogue_line_fn(void *ctx, char who, struct bytes line);

/* begun: it hears the dialogue from its first octet. */
MUST_USE struct dialogue *dialogue_new_smtp(bool begun, dialogue_line_fn *fn, void *ctx);
MUST_USE struct dialogue *dialogue_new_imap(bool begun, dialogue_line_fn *fn, void *ctx);
/* Sets *dialogue to NULL; NULL is fine. */
void dialogue_free(struct dialogue **dialogue);

void dialogue_client(struct dialogue *dialogue, struct bytes octets);
void dialogue_server(struct dialogue *dialogue, struct bytes octets);

#endif

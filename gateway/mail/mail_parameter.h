/*
 * mail_parameter - the parameters of Content-Type and Content-Disposition (RFC 2045 section 5.1, RFC 2183, RFC 2231),
 * as mail programs read them: quotes forgotten, encoded words in quotes, a parameter twice.
 */
#ifndef MAILWEIR_MAIL_MAIL_PARAMETER_H
#define MAILWEIR_MAIL_MAIL_PARAMETER_H

#include "base/buf.h"

/*
 * Calls fn for each value that some reader gives the parameter of that name: each plain one, the one in RFC 2231's
 * form, and the one that is joined of sections; valid UTF-8, for the call. value is unfolded. A plain one in single
 * quotes, with a comment beside it, or with backslashes that quote nothing is given both ways; the semicolon in front
 * of the first parameter may be missing, and what should stand there, too.
 */
typedef void mail_parameter_fn(void *ctx, struct bytes value);
void mail_parameter_each(struct bytes value, const char *name, mail_parameter_fn *fn, void *ctx);

#endif

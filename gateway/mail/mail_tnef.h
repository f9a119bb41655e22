/*
 * mail_tnef - the names of what Outlook packs into winmail.dat (application/ms-tnef; [MS-OXTNEF]). Nothing else of it
 * is read. Pure.
 */
#ifndef MAILWEIR_MAIL_MAIL_TNEF_H
#define MAILWEIR_MAIL_MAIL_TNEF_H

#include "base/buf.h"
#include "base/must_use.h"

/* Calls fn with each name of each attachment, in UTF-8, for the call. -1 when it is no TNEF, or ends within an
 * attribute. */
typedef void mail_tnef_fn(void *ctx, struct bytes name);
MUST_USE int mail_tnef_names(struct bytes data, mail_tnef_fn *fn, void *ctx);

#endif

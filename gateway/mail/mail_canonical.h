/*
 * mail_canonical - the one form of texts and addresses that may be written in several: for comparing. What is stored
 * and filed stays as it came.
 *
 * Texts: NFC (Unicode standard annex 15), by GLib. Domains: A-labels and U-labels (UTS 46, non-transitional), by
 * libidn2. Local parts: without quotes where none are needed (RFC 5321 section 4.1.2). Pure.
 */
#ifndef MAILWEIR_MAIL_MAIL_CANONICAL_H
#define MAILWEIR_MAIL_MAIL_CANONICAL_H

#include "base/buf.h"

/* The text (valid UTF-8) in NFC: itself, or what lies in store, which the caller gives back (buf_done) in either case.
 */
struct bytes mail_canonical_text(struct bytes text, struct buf *store);

/* Cuts an address at its last "@": the domain is empty when it has none. */
void mail_canonical_cut(struct bytes address, struct bytes *local_r, struct bytes *domain_r);

/* The local part without its quotes and backslashes: itself, or what lies in store, which the caller gives back. */
struct bytes mail_canonical_unquote(struct bytes local, struct buf *store);

/* The local part without quotes when it may stand so, else in quotes with the backslashes that are needed: itself, or
 * what lies in store, which the caller gives back. */
struct bytes mail_canonical_local(struct bytes local, struct buf *store);

/* Appends the other form of a domain: U-labels for A-labels, A-labels for what is not ASCII. False when there is none.
 */
bool mail_canonical_other_domain(struct bytes domain, struct buf *out);

#endif

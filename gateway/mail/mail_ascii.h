/*
 * mail_ascii - header fields without octets above 127, for servers that would spoil those: what they say stays readable
 * (RFC 6857; RFC 2047, RFC 2231).
 *
 * Text becomes encoded words; so do display names and comments. An address that is not ASCII has no form that works: it
 * becomes an empty group whose name is the address. Parameters of MIME fields get the form name*=UTF-8''...; other
 * fields with a syntax (Message-ID, Received) are renamed to Downgraded-... and kept as text. Octets that are no UTF-8
 * are taken for ISO 8859-1. Pure.
 */
#ifndef MAILWEIR_MAIL_MAIL_ASCII_H
#define MAILWEIR_MAIL_MAIL_ASCII_H

#include "base/buf.h"
#include "base/must_use.h"

/* Appends the fields of a header section, or one of them; those that are ASCII as they are. -1 when out is full. */
MUST_USE int mail_ascii_fields(struct bytes fields, struct buf *out);
/*
 * Appends a field of our own, with its line's end: the value, UTF-8 on one line, encoded by what the field is where it
 * is not ASCII, and folded (mail_encode.h). -1 when out is full.
 */
MUST_USE int mail_ascii_field(const char *name, struct bytes value, struct buf *out);

#endif

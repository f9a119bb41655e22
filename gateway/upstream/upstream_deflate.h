/*
 * upstream_deflate - COMPRESS=DEFLATE (RFC 4978) as a layer between a connection's engine and its stream: raw deflate
 * both ways. No I/O.
 *
 * The peer decides how much comes out of an octet that goes in: what is inflated stands in a buffer of a fixed size,
 * and nothing more is taken before the owner has consumed it. What leaves can be cut into stretches that know nothing
 * of each other (upstream_deflate_begin()), so that the length of one message says nothing about another.
 */
#ifndef MAILWEIR_UPSTREAM_UPSTREAM_DEFLATE_H
#define MAILWEIR_UPSTREAM_UPSTREAM_DEFLATE_H

#include "base/buf.h"
#include "base/must_use.h"

/* Inflated octets that stand unread at most. */
#define UPSTREAM_INFLATED_MAX ((size_t)64 << 10)

struct upstream_deflate;

/* NULL when zlib has no memory. */
MUST_USE struct upstream_deflate *upstream_deflate_new(void);
/* Sets *deflate to NULL; NULL is fine. */
void upstream_deflate_free(struct upstream_deflate **deflate);

/* Inflates what there is room for. Octets of input that were used (all, behind the end of the stream); -1 when it is no
 * deflate stream. */
MUST_USE ptrdiff_t upstream_deflate_take(struct upstream_deflate *deflate, struct bytes input);
/* The inflated octets, and how many of them are done with. */
struct bytes upstream_deflate_input(const struct upstream_deflate *deflate);
void upstream_deflate_consume(struct upstream_deflate *deflate, size_t len);

/* Deflates data and flushes it, so that the peer can read all of it; the octets are appended to out. -1 when out is
 * full: the stream is of no more use. */
MUST_USE int upstream_deflate_put(struct upstream_deflate *deflate, struct bytes data, struct buf *out);
/* What follows refers to nothing before it. */
void upstream_deflate_begin(struct upstream_deflate *deflate);

#endif

/*
 * bytes - a view of octets that somebody else owns: a pointer and a length, never a C string.
 *
 * Everything that comes from a peer is handled as struct bytes, so that a NUL octet is only an octet
 * and nothing is read past the end. A view is valid as long as what it looks at.
 */
#ifndef MAILWEIR_BASE_BYTES_H
#define MAILWEIR_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/must_use.h"

struct bytes {
    const uint8_t *ptr; /* may be NULL when len is 0 */
    size_t len;
};

/* What is called for every line and word of a message is compiled in where it is called: its work is less than a call.
 */

/* A view of a C string, without its NUL. */
static inline struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, text != NULL ? strlen(text) : 0};
}
/* A view of len octets at ptr. */
static inline struct bytes bytes_at(const void *ptr, size_t len)
{
    return (struct bytes){ptr, len};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
/* ASCII case is folded; octets above 127 compare as they are. The same for all *_nocase functions. */
bool bytes_equal_nocase(struct bytes a, struct bytes b);
static inline bool bytes_is(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_of(text));
}
static inline bool bytes_is_nocase(struct bytes a, const char *text)
{
    struct bytes b = bytes_of(text);
    return a.len == b.len && bytes_equal_nocase(a, b);
}
/* Whether it is one of these, in any case; NULL ends them. */
bool bytes_is_one_of(struct bytes a, const char *const *texts);
bool bytes_starts_nocase(struct bytes a, const char *prefix);
/* -1, 0 or 1, octet by octet, a shorter prefix first. */
MUST_USE int bytes_compare(struct bytes a, struct bytes b); /* as memcmp(): for sorting */

/* The first position of octet c, or -1. */
MUST_USE static inline ptrdiff_t bytes_find_octet(struct bytes a, uint8_t c)
{
    const uint8_t *hit = a.len == 0 ? NULL : (const uint8_t *)memchr(a.ptr, c, a.len);
    return hit == NULL ? -1 : hit - a.ptr;
}
/* The first position of needle, or -1. An empty needle is at 0. */
MUST_USE ptrdiff_t bytes_find(struct bytes a, struct bytes needle);

/* The part from offset `from` on, of at most `len` octets; clipped to what is there. */
static inline struct bytes bytes_slice(struct bytes a, size_t from, size_t len)
{
    if (from >= a.len) {
        return (struct bytes){NULL, 0};
    }
    size_t left = a.len - from;
    return (struct bytes){a.ptr + from, len < left ? len : left};
}
static inline struct bytes bytes_from(struct bytes a, size_t from)
{
    return bytes_slice(a, from, SIZE_MAX);
}
/* Without blanks (SP, TAB, CR, LF) at both ends. */
struct bytes bytes_trim(struct bytes a);

/*
 * Cuts *rest at the first octet c: returns what is before it and leaves what is after it in *rest.
 * Without c in it, all of *rest is returned and *rest becomes empty with a NULL pointer.
 */
struct bytes bytes_cut(struct bytes *rest, uint8_t c);

/*
 * A decimal number of digits only. Returns false, with *value_r untouched, when there is no digit,
 * another octet, or an overflow.
 */
MUST_USE bool bytes_to_u64(struct bytes a, uint64_t *value_r);

/*
 * The length of what stands at the head of data and moves a terminal or turns a line around in it, though it is valid
 * UTF-8: C1 controls, the marks and embeddings of bidirectional text, line and paragraph separators. 0 when it is
 * something else.
 */
size_t bytes_unprintable(struct bytes data);
/* Valid UTF-8 by RFC 3629: no surrogates, no over-long forms, nothing above U+10FFFF. */
bool bytes_is_utf8(struct bytes a);
/* The length of the valid sequence of UTF-8 at the head of data; 0 when there is none. */
size_t bytes_utf8_length(struct bytes data);
bool bytes_is_ascii(struct bytes a);
/* Whether any octet is below 0x20 or is 0x7F. */
bool bytes_has_control(struct bytes a);

/* ASCII only, whatever the locale. */
static inline uint8_t octet_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}
static inline bool octet_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}
static inline bool octet_is_alpha(uint8_t c)
{
    return (octet_lower(c) >= 'a') && (octet_lower(c) <= 'z');
}

#endif

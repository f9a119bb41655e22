/*
 * mail_rope - an outgoing message as a list of pieces: stored ranges of the message as received, and octets in memory.
 *
 * Its exact size is known before the first octet of an IMAP literal goes out, and edits never rewrite what is stored.
 */
#ifndef MAILWEIR_MAIL_MAIL_ROPE_H
#define MAILWEIR_MAIL_MAIL_ROPE_H

#include "base/arena.h"
#include "mail/mail_envelope.h"
#include "mail/mail_wrap.h"

struct mail_rope;

/* What the rope gives at an offset: memory, or a range of the stored message. */
struct mail_rope_part {
    struct bytes memory;         /* ptr NULL: it is a stored range */
    uint64_t stored, stored_len; /* where in the stored message, and how much from there on */
};

/* Appends octets (by reference) or a range of the stored message. -1 when the arena is full. */
uint64_t mail_rope_size(const struct mail_rope *rope);
/*
 * The same with the breaks in it, which stand in order and count in the stored message; those within what edits took
 * out vanish. Uses rope's arena or another one. NULL when that is full.
 */
struct mail_rope *mail_rope_broken(struct arena *arena, const struct mail_rope *rope, const struct mail_break *breaks,
                                   size_t count);
/* Whether what does not come from the stored message is ASCII. */
bool mail_rope_memory_is_ascii(const struct mail_rope *rope);
/* The part that begins at the rope's octet `offset`; offset must be below the size. */
struct mail_rope_part mail_rope_at(const struct mail_rope *rope, uint64_t offset);

/*
 * The message as it is appended for this delivery: Return-Path (RFC 5321 section 4.4), Received (RFC 5321 section 4.4,
 * RFC 3848), X-Mailweir-Id, then the stored message with the delivery's edits; its odd lines become fields, and its
 * text gets the empty line that it lacks (mail_header). `header` is the stored message's header section
 * (mail_header_length); it may be NULL when there are no edits, its shape says that the header is not odd, and ascii is
 * false. ascii: fields with octets above 127 are made ASCII (mail_ascii). The same delivery always gives the same
 * octets, so that retries are identical. `header` must outlive the call only. NULL when the arena is full.
 */
struct mail_rope *mail_rope_of_delivery(struct arena *arena, const struct mail_envelope *envelope,
                                        const struct mail_delivery *delivery, const struct bytes *header,
                                        uint64_t body_size, bool ascii);

/* What mail_rope_of_delivery() has to mend in a message of body_size octets, of which this is the header section,
 * before all readers see the same. */
struct mail_repairs {
    unsigned odd_lines;
    bool empty_line; /* there was none, and text follows */
};
struct mail_repairs mail_rope_repairs(struct bytes header, uint64_t body_size);

/* The field that carries a delivery's id, for reconciliation. */
#define MAIL_ID_FIELD       "X-Mailweir-Id"
#define MAIL_FALLBACK_FIELD "X-Mailweir-Fallback" /* the upstream that was down */

#endif

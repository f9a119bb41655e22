/*
 * mail_wrap - where lines have to be broken for a server that takes no longer ones. The message passes once, in pieces;
 * what is kept is the places.
 *
 * A broken line is broken to what RFC 5322 section 2.1.1 allows (998 octets), and so that its reader notices as little
 * as possible: a header field is folded in front of a blank, base64 anywhere, quoted-printable by a soft line break,
 * other text behind a blank. Only where no blank stands in 998 octets does a header field get one, or a text a line end
 * within a word; never within a character of UTF-8. Parts and their encodings are followed through MIME (RFC 2045, RFC
 * 2046).
 */
#ifndef MAILWEIR_MAIL_MAIL_WRAP_H
#define MAILWEIR_MAIL_MAIL_WRAP_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/must_use.h"

struct mail_wrap;

/* Places that are kept; a message that needs more is not repaired. */
#define MAIL_WRAP_BREAKS_MAX 65536

/* In front of the octet `at` of the message stands text, which is static. */
struct mail_break {
    uint64_t at;
    const char *text;
};

/* line_max: octets of a line, without CR LF, that stay as they are; at least 78. */
MUST_USE struct mail_wrap *mail_wrap_new(uint64_t line_max);
/* The text begins at that octet, though no empty line stands in front of it. Before the first octets. */
void mail_wrap_text_at(struct mail_wrap *wrap, uint64_t at);
/* Sets *wrap to NULL; NULL is fine. */
void mail_wrap_free(struct mail_wrap **wrap);
/* The next octets of the message. */
void mail_wrap_add(struct mail_wrap *wrap, struct bytes data);
/* Behind the last octet: the places in order, valid until mail_wrap_free(). -1: they are too many. */
MUST_USE int mail_wrap_end(struct mail_wrap *wrap, const struct mail_break **breaks_r, size_t *count_r);

#endif

/*
 * smtp_path - reverse and forward paths: "<", a mailbox or nothing, ">" (RFC 5321 section 4.1.2, RFC 6531 section 3.3).
 *
 * Strict where others were bitten: no source routes, no control characters or line ends in quoted local parts, no
 * octets above 127 unless SMTPUTF8 was asked for, then only UTF-8. Nothing is copied or unquoted; what is accepted is
 * free of control characters.
 */
#ifndef MAILWEIR_PROTO_SMTP_PATH_H
#define MAILWEIR_PROTO_SMTP_PATH_H

#include "base/bytes.h"

#define SMTP_PATH_LOCAL_MAX  255
#define SMTP_PATH_DOMAIN_MAX 255
#define SMTP_PATH_LABEL_MAX  63

struct smtp_path {
    struct bytes address; /* "local@domain", without brackets; empty for the null path */
    struct bytes local;   /* as written, quotes included */
    struct bytes domain;  /* empty for <> and <Postmaster>; "[192.0.2.1]" for a literal */
};

enum smtp_path_result {
    SMTP_PATH_OK = 0,
    SMTP_PATH_SYNTAX,       /* not a path */
    SMTP_PATH_DOTS,         /* a dot stands first, last or twice in the local part: RFC 5321 wants it quoted */
    SMTP_PATH_SOURCE_ROUTE, /* <@a,@b:c@d>: RFC 5321 appendix C, refused */
    SMTP_PATH_NOT_UTF8,     /* octets above 127 without SMTPUTF8, or broken UTF-8 */
    SMTP_PATH_TOO_LONG,
};

/*
 * Takes a path off the head of *rest, which must begin with "<". A null path and a path without domain are both OK
 * here: the caller knows where they are allowed. On anything but OK, *rest and *path_r are untouched.
 */
enum smtp_path_result smtp_path_take(struct bytes *rest, bool utf8, struct smtp_path *path_r);

/*
 * What devices send instead: dots anywhere in the local part and one behind the domain, no domain behind the @, no
 * brackets, half of a pair, or two pairs, quotes around the address, words in front of it or in brackets behind it.
 * Without brackets the path ends at a blank. The same promises as smtp_path_take().
 */
enum smtp_path_result smtp_path_take_lenient(struct bytes *rest, bool utf8, struct smtp_path *path_r);

/* A mailbox without brackets: addresses in configuration, XCLIENT and ORCPT. */
enum smtp_path_result smtp_path_mailbox(struct bytes text, bool utf8, struct smtp_path *path_r); /* for tests */

/* Whether the local part asks us to send the mail on somewhere else: "a%b", "b!a", "a@b" in quotes. */
bool smtp_path_is_routed(const struct smtp_path *path);

#endif

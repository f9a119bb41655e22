/*
 * smtp_params - the parameters behind MAIL FROM:<> and RCPT TO:<>, from one table (RFC 5321 section 4.1.1.11).
 *
 * SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8 (RFC 6531), RET, ENVID, NOTIFY, ORCPT (RFC 3461), AUTH (RFC
 * 4954), REQUIRETLS (RFC 8689). Each may stand once; each is known only when its extension is offered.
 */
#ifndef MAILWEIR_PROTO_SMTP_PARAMS_H
#define MAILWEIR_PROTO_SMTP_PARAMS_H

#include "base/bytes.h"

/* Extensions, as a set of bits: what a session offers. */
enum smtp_extension {
    SMTP_EXT_PIPELINING = 1 << 0,
    SMTP_EXT_SIZE = 1 << 1,
    SMTP_EXT_8BITMIME = 1 << 2,
    SMTP_EXT_ENHANCEDSTATUSCODES = 1 << 3,
    SMTP_EXT_SMTPUTF8 = 1 << 4,
    SMTP_EXT_CHUNKING = 1 << 5,
    SMTP_EXT_BINARYMIME = 1 << 6,
    SMTP_EXT_DSN = 1 << 7,
    SMTP_EXT_STARTTLS = 1 << 8,
    SMTP_EXT_AUTH = 1 << 9,
    SMTP_EXT_REQUIRETLS = 1 << 10,
    SMTP_EXT_LIMITS = 1 << 11,
    SMTP_EXT_XCLIENT = 1 << 12,
};

enum smtp_params_command { SMTP_PARAMS_MAIL, SMTP_PARAMS_RCPT };
enum smtp_params_body { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };

/* Views into the line; ptr is NULL for what was not given. */
struct smtp_params {
    bool has_size;
    uint64_t size;
    enum smtp_params_body body;
    bool smtputf8;
    bool requiretls;
    struct bytes ret;    /* FULL or HDRS */
    struct bytes envid;  /* xtext */
    struct bytes auth;   /* xtext or <>: noted and not trusted */
    struct bytes notify; /* NEVER, or a list of SUCCESS, FAILURE, DELAY */
    struct bytes orcpt;  /* type;xtext */
};

enum smtp_params_result {
    SMTP_PARAMS_OK = 0,
    SMTP_PARAMS_UNKNOWN,  /* 555 */
    SMTP_PARAMS_REPEATED, /* 501 */
    SMTP_PARAMS_VALUE,    /* 501: missing, not wanted, or wrong */
};

/* offered: a set of enum smtp_extension. *params_r is untouched on anything but OK; *wrong_r, which may be NULL, is
 * then the keyword that is wrong. */
enum smtp_params_result smtp_params_parse(struct bytes text, enum smtp_params_command command, unsigned offered,
                                          struct smtp_params *params_r, struct bytes *wrong_r);

#endif

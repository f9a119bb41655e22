/*
 * mail_shape - what servers may stumble over in a message, measured while its octets pass: so that a message that needs
 * no repair, which is nearly every one, is never read for it.
 */
#ifndef MAILWEIR_MAIL_MAIL_SHAPE_H
#define MAILWEIR_MAIL_MAIL_SHAPE_H

#include "base/bytes.h"

/* What RFC 5322 section 2.1.1 allows and every server takes. */
#define MAIL_LINE_MAX 998

struct mail_shape {
    uint64_t longest_line; /* octets, without its CR LF; in the spool only when they are more than MAIL_LINE_MAX */
    bool header_8bit;      /* an octet above 127 stands in front of the first empty line */
    /* All lines in front of the first empty one are fields, and there is one: what is filed wants no mending
     * (mail_header). False in what a version stored that did not look at it. */
    bool header_plain;
};

/* All zero at first. */
struct mail_shape_meter {
    struct mail_shape shape; /* of what has passed */
    uint64_t line;           /* octets of the line that is not ended */
    bool cr;                 /* the last of them is a CR */
    enum {
        MAIL_SHAPE_FIRST, /* no line has ended */
        MAIL_SHAPE_BEGIN, /* at the beginning of one */
        MAIL_SHAPE_NAME,  /* in a field's name */
        MAIL_SHAPE_BLANK, /* behind it, in front of the colon */
        MAIL_SHAPE_REST,  /* of a field, or of a line that is known to be odd */
    } header;
    bool header_cr; /* a CR was the last octet in front of the colon */
    bool odd;       /* a line of the header is no field */
    bool in_body;
};
void mail_shape_add(struct mail_shape_meter *meter, struct bytes data);

#endif

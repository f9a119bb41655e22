/*
 * smtp_data - the text behind DATA: finds its end and takes the stuffed dots away (RFC 5321 sections 4.1.1.4
 * and 4.5.2).
 *
 * The end is CR LF . CR LF and nothing else. A CR or LF that stands alone is an error at once: there is no second
 * reading of where the text ends. (Of lenient clients an LF that stands alone is text and becomes CR LF; it begins no
 * line, so that neither the end nor a stuffed dot is ever looked for behind it.) Nothing is copied: what comes out are
 * views of what went in. Octets that cannot be judged yet (a CR, a dot at the start of a line) stay with the caller, so
 * a chunk boundary is never a line start.
 */
#ifndef MAILWEIR_PROTO_SMTP_DATA_H
#define MAILWEIR_PROTO_SMTP_DATA_H

#include "base/bytes.h"

struct smtp_data {
    bool in_line; /* the last octet taken was not a line end */
    bool lenient; /* an LF that stands alone belongs to the text, as CR LF; see smtp_data_init() */
};

enum smtp_data_result {
    SMTP_DATA_BARE = -1, /* a CR or LF stands alone; nothing more can be read */
    SMTP_DATA_MORE = 0,  /* nothing more in this input */
    SMTP_DATA_TEXT = 1,  /* *text_r belongs to the message */
    SMTP_DATA_END = 2,   /* the text is over; what is behind *used_r are commands */
};

/* Right behind the CR LF of DATA: at the start of a line. */
void smtp_data_init(struct smtp_data *data, bool lenient);
/*
 * Takes the next piece off the head of input: *used_r octets are dealt with (with TEXT, the view stands among them). To
 * be called until it says MORE; what is left over is offered again with what comes behind it.
 */
enum smtp_data_result smtp_data_next(struct smtp_data *data, struct bytes input, size_t *used_r, struct bytes *text_r);

#endif

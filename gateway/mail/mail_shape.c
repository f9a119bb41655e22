/*
 * mail_shape - see mail_shape.h.
 */
#include "mail/mail_shape.h"

/* The line as far as it is known; a CR may belong to its end. */
static uint64_t measure_line(struct mail_shape_meter *meter)
{
    uint64_t len = meter->line - (meter->cr ? 1 : 0);
    meter->shape.longest_line = len > meter->shape.longest_line ? len : meter->shape.longest_line;
    return len;
}

static void note_odd(struct mail_shape_meter *meter)
{
    meter->odd = true;
    meter->header = MAIL_SHAPE_REST;
}

/* An octet of a line of the header, in front of the colon. */
static void take_octet(struct mail_shape_meter *meter, uint8_t c)
{
    bool blank = c == ' ' || c == '\t';
    bool begins = meter->header == MAIL_SHAPE_FIRST || meter->header == MAIL_SHAPE_BEGIN;
    if (begins && (blank || c == ':')) {
        if (c == ':' || meter->header == MAIL_SHAPE_FIRST) {
            note_odd(meter);
        }
        meter->header = MAIL_SHAPE_REST;
    } else if (c == ':') {
        meter->header = MAIL_SHAPE_REST;
    } else if (blank) {
        meter->header = MAIL_SHAPE_BLANK;
    } else if (meter->header == MAIL_SHAPE_BLANK || c < ' ' || c >= 0x7f) {
        note_odd(meter);
    } else {
        meter->header = MAIL_SHAPE_NAME;
    }
}

static void take_header(struct mail_shape_meter *meter, struct bytes part)
{
    meter->shape.header_8bit = meter->shape.header_8bit || !bytes_is_ascii(part);
    for (size_t i = 0; i < part.len && meter->header != MAIL_SHAPE_REST; i++) {
        if (meter->header_cr) { /* it did not end the line */
            note_odd(meter);
        } else if (part.ptr[i] != '\r') {
            take_octet(meter, part.ptr[i]);
        }
        meter->header_cr = part.ptr[i] == '\r';
    }
}

static void end_line(struct mail_shape_meter *meter)
{
    uint64_t len = measure_line(meter);
    if (!meter->in_body && len == 0) {
        meter->in_body = true;
        meter->shape.header_plain = !meter->odd;
    }
    if (!meter->in_body && meter->header != MAIL_SHAPE_REST) {
        meter->odd = true; /* no colon */
    }
    meter->header = MAIL_SHAPE_BEGIN;
    meter->header_cr = false;
    meter->line = 0;
    meter->cr = false;
}

void mail_shape_add(struct mail_shape_meter *meter, struct bytes data)
{
    while (data.len > 0) {
        ptrdiff_t end = bytes_find_octet(data, '\n');
        struct bytes part = bytes_slice(data, 0, end < 0 ? data.len : (size_t)end);
        if (!meter->in_body) {
            take_header(meter, part);
        }
        if (part.len > 0) {
            meter->line += part.len;
            meter->cr = part.ptr[part.len - 1] == '\r';
        }
        data = bytes_from(data, part.len + (end < 0 ? 0 : 1));
        if (end >= 0) {
            end_line(meter);
        }
    }
    measure_line(meter);
}

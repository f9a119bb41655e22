/*
 * mail_shape - see mail_shape.h.
 */
#include "mail/mail_shape.h"

/* The line as far as it is known; a CR may belong to its end. */
static uint64_t measure(struct mail_shape_meter *meter)
{
    uint64_t len = meter->line - (meter->cr ? 1 : 0);
    meter->shape.longest_line = len > meter->shape.longest_line ? len : meter->shape.longest_line;
    return len;
}

static void end_line(struct mail_shape_meter *meter)
{
    uint64_t len = measure(meter);
    meter->in_body = meter->in_body || len == 0;
    meter->line = 0;
    meter->cr = false;
}

void mail_shape_add(struct mail_shape_meter *meter, struct bytes data)
{
    while (data.len > 0) {
        ptrdiff_t end = bytes_find_octet(data, '\n');
        struct bytes part = bytes_slice(data, 0, end < 0 ? data.len : (size_t)end);
        meter->shape.header_8bit = meter->shape.header_8bit || (!meter->in_body && !bytes_is_ascii(part));
        if (part.len > 0) {
            meter->line += part.len;
            meter->cr = part.ptr[part.len - 1] == '\r';
        }
        data = bytes_from(data, part.len + (end < 0 ? 0 : 1));
        if (end >= 0) {
            end_line(meter);
        }
    }
    measure(meter);
}

/* smtp_line - cuts command lines out of received octets. RFC 5321 section 2.3.8. Contract: smtp_line.h. */
#include "proto/smtp_line.h"

/* The first CR or LF, or the length when there is none. */
static size_t find_end(struct bytes input)
{
    ptrdiff_t lf = bytes_find_octet(input, '\n');
    ptrdiff_t cr = bytes_find_octet(lf < 0 ? input : bytes_slice(input, 0, (size_t)lf), '\r');
    if (cr >= 0) {
        return (size_t)cr;
    }
    return lf < 0 ? input.len : (size_t)lf;
}

enum smtp_line_result smtp_line_next(struct bytes input, size_t max, struct bytes *line_r, size_t *used_r)
{
    size_t end = find_end(input);
    *used_r = 0;
    /* Before the line has ended: a client that never ends it must not make us keep it. */
    if (end > max) {
        *used_r = end;
        return SMTP_LINE_TOO_LONG;
    }
    if (end == input.len || (end + 1 == input.len && input.ptr[end] == '\r')) {
        return SMTP_LINE_MORE;
    }
    /*
     * RFC 5321 section 2.3.8: CR and LF "MUST NOT" stand apart. Who reads them otherwise than his neighbour takes
     * commands from inside a message.
     */
    if (input.ptr[end] == '\n' || input.ptr[end + 1] != '\n') {
        return SMTP_LINE_BARE;
    }
    *line_r = bytes_slice(input, 0, end);
    *used_r = end + 2;
    return SMTP_LINE_GOT;
}

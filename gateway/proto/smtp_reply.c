/* smtp_reply - writes replies. RFC 5321 section 4.2, RFC 2034. Contract: smtp_reply.h. */
#include "proto/smtp_reply.h"

static void write_text(struct buf *out, struct bytes line, size_t room)
{
    line = bytes_slice(line, 0, room);
    while (line.len > 0) {
        size_t run = 0;
        while (run < line.len && line.ptr[run] >= ' ' && line.ptr[run] <= '~') {
            run++;
        }
        buf_append_bytes(out, bytes_slice(line, 0, run));
        /* textstring is printable ASCII (RFC 5321 section 4.2), and rules and upstreams put words of others here. */
        if (run < line.len) {
            buf_append_octet(out, '?');
        }
        line = bytes_from(line, run + 1);
    }
}

int smtp_reply_write(struct buf *out, int code, const char *enhanced, const char *text)
{
    struct bytes rest = bytes_of(text);
    bool last;
    do {
        struct bytes line = bytes_cut(&rest, '\n');
        last = rest.ptr == NULL;
        size_t start = out->len;
        buf_printf(out, "%03d%c", code, last ? ' ' : '-');
        if (enhanced != NULL && enhanced[0] != '\0') {
            buf_printf(out, "%.11s ", enhanced);
        }
        write_text(out, line, SMTP_REPLY_LINE_MAX - 2 - (out->len - start));
        buf_append_text(out, "\r\n");
    } while (!last);
    return out->full ? -1 : 0;
}

/* One to three digits off the head of *rest, and the dot behind them unless it is the last group. */
static bool take_group(struct bytes *rest, bool last)
{
    size_t digits = 0;
    while (digits < rest->len && octet_is_digit(rest->ptr[digits])) {
        digits++;
    }
    bool dot = digits < rest->len && rest->ptr[digits] == '.';
    if (digits == 0 || digits > 3 || dot == last || (last && digits != rest->len)) {
        return false;
    }
    *rest = bytes_from(*rest, digits + 1);
    return true;
}

bool smtp_reply_is_enhanced(const char *text)
{
    struct bytes rest = bytes_of(text);
    bool class = rest.len > 1 && (text[0] == '2' || text[0] == '4' || text[0] == '5') && text[1] == '.';
    return class && take_group(&rest, false) && take_group(&rest, false) && take_group(&rest, true);
}

/* smtp_data - finds the end of the text behind DATA and takes stuffed dots away. RFC 5321 section 4.5.2. Contract:
 * smtp_data.h. */
#include "proto/smtp_data.h"

void smtp_data_init(struct smtp_data *data, bool lenient)
{
    data->in_line = false;
    data->lenient = lenient;
}

/*
 * The octets of the line at the head of input, its end included: 1 with *len_r, 0 when the input ends within it (*len_r
 * is then what can be taken already: all but a last CR), -1 on a bare CR or LF.
 */
static int measure_line(struct bytes input, size_t *len_r)
{
    ptrdiff_t lf = bytes_find_octet(input, '\n');
    size_t len = lf < 0 ? input.len : (size_t)lf;
    ptrdiff_t cr = bytes_find_octet(bytes_slice(input, 0, len), '\r');
    if (lf < 0) {
        if (cr >= 0 && (size_t)cr + 1 != len) {
            return -1;
        }
        *len_r = cr >= 0 ? (size_t)cr : len;
        return 0;
    }
    if (cr < 0 || (size_t)cr + 1 != len) {
        return -1;
    }
    *len_r = len + 1;
    return 1;
}

/* A dot at the start of a line: END or BARE, MORE when it cannot be told yet, or TEXT when it is a stuffed one. */
static enum smtp_data_result judge_dot(struct bytes input, bool lenient)
{
    if (input.len < 2) {
        return SMTP_DATA_MORE;
    }
    if (input.ptr[1] != '\r') {
        return input.ptr[1] == '\n' && !lenient ? SMTP_DATA_BARE : SMTP_DATA_TEXT;
    }
    if (input.len < 3) {
        return SMTP_DATA_MORE;
    }
    /*
     * Only CR LF . CR LF ends the text (RFC 5321 section 4.1.1.4): any other end is how one message smuggles a second
     * (CVE-2023-51764).
     */
    return input.ptr[2] == '\n' ? SMTP_DATA_END : SMTP_DATA_BARE;
}

/*
 * As many lines as stand in input from `start` on, up to one that begins with a dot: the offset behind them, `start`
 * when there is none. *bare_r: a CR or LF stands alone right there.
 */
static size_t take_lines(struct smtp_data *data, struct bytes input, size_t start, bool *bare_r)
{
    size_t end = start;
    *bare_r = false;
    while (end < input.len && (end == start || data->in_line || input.ptr[end] != '.')) {
        size_t len;
        int whole = measure_line(bytes_from(input, end), &len);
        if (whole < 0) {
            *bare_r = true;
            return end;
        }
        end += len;
        data->in_line = whole == 0 && (data->in_line || len > 0);
        if (whole == 0) {
            return end;
        }
    }
    return end;
}

/* One line end, or the octets in front of it, of a text in which an LF may stand alone. start: 1 behind a stuffed dot.
 */
static enum smtp_data_result take_lenient(struct smtp_data *data, struct bytes input, size_t start, size_t *used_r,
                                          struct bytes *text_r)
{
    static const uint8_t line_end[] = "\r\n";
    size_t end = start;
    while (end < input.len && input.ptr[end] != '\r' && input.ptr[end] != '\n') {
        end++;
    }
    bool is_lf = end < input.len && input.ptr[end] == '\n';
    bool is_end = end + 1 < input.len && input.ptr[end] == '\r' && input.ptr[end + 1] == '\n';
    /* An LF alone ends a line for old devices, but is never part of the end of the message. */
    if (is_end || (end == start && is_lf)) {
        *used_r = end + (is_end ? 2 : 1);
        *text_r = is_end ? bytes_slice(input, start, *used_r - start) : (struct bytes){line_end, 2};
        data->in_line = !is_end;
        return SMTP_DATA_TEXT;
    }
    if (end == start) {
        return end + 1 < input.len ? SMTP_DATA_BARE : SMTP_DATA_MORE;
    }
    *used_r = end;
    *text_r = bytes_slice(input, start, end - start);
    data->in_line = true;
    return SMTP_DATA_TEXT;
}

enum smtp_data_result smtp_data_next(struct smtp_data *data, struct bytes input, size_t *used_r, struct bytes *text_r)
{
    size_t start = 0;
    *used_r = 0;
    if (input.len > 0 && !data->in_line && input.ptr[0] == '.') {
        enum smtp_data_result dot = judge_dot(input, data->lenient);
        if (dot != SMTP_DATA_TEXT) {
            *used_r = dot == SMTP_DATA_END ? 3 : 0;
            return dot;
        }
        start = 1;
    }
    if (data->lenient) {
        return take_lenient(data, input, start, used_r, text_r);
    }
    bool bare;
    size_t end = take_lines(data, input, start, &bare);
    if (end == start) {
        return bare ? SMTP_DATA_BARE : SMTP_DATA_MORE;
    }
    *used_r = end;
    *text_r = bytes_slice(input, start, end - start);
    return SMTP_DATA_TEXT;
}

/*
 * fuzz_smtp_parsers - the parsers under the SMTP engine, each over any octets: command lines, paths, parameters, chunk sizes, PROXY headers,
 * patterns, and dot-stuffed text, which must come out the same however it is cut and as it was when it is stuffed again.
 */
#include "base/buf.h"
#include "base/expect.h"
#include "proto/proxy_header.h"
#include "proto/smtp_command.h"
#include "proto/smtp_data.h"
#include "proto/smtp_line.h"
#include "proto/smtp_params.h"
#include "proto/smtp_pattern.h"
#include "proto/smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX ((size_t)1 << 20)

static enum smtp_data_result unstuff(struct bytes input, size_t piece, bool lenient, struct buf *out)
{
    struct smtp_data data;
    size_t taken = 0, offered = 0;
    smtp_data_init(&data, lenient);
    for (;;) {
        size_t used;
        struct bytes text;
        enum smtp_data_result result = smtp_data_next(&data, bytes_slice(input, taken, offered - taken), &used, &text);
        taken += used;
        if (result == SMTP_DATA_TEXT) {
            buf_append_bytes(out, text);
        } else if (result != SMTP_DATA_MORE || offered == input.len) {
            return result;
        } else {
            offered = offered + piece < input.len ? offered + piece : input.len;
        }
    }
}

static void try_data(struct bytes input, size_t piece, bool lenient)
{
    struct buf whole, cut;
    buf_init(&whole, TEXT_MAX);
    buf_init(&cut, TEXT_MAX);
    enum smtp_data_result a = unstuff(input, SIZE_MAX / 2, lenient, &whole), b = unstuff(input, piece, lenient, &cut);
    EXPECT(a == b);
    EXPECT(a == SMTP_DATA_BARE || bytes_equal(buf_bytes(&whole), buf_bytes(&cut)));
    struct bytes text = buf_bytes(&whole);
    for (size_t i = 0; i < text.len; i++) {
        EXPECT(text.ptr[i] != '\n' || (i > 0 && text.ptr[i - 1] == '\r'));
    }
    buf_done(&whole);
    buf_done(&cut);
}

/* What devices say: an address that is one, or none; and whatever is right is the same address. */
static void try_lenient(struct bytes argument, bool utf8)
{
    struct smtp_path path = {{NULL, 0}, {NULL, 0}, {NULL, 0}}, strict = path;
    struct bytes rest = {NULL, 0};
    bool taken = smtp_command_path_lenient(argument, "FROM:", utf8, &path, &rest) == SMTP_PATH_OK;
    if (taken) {
        EXPECT(!bytes_has_control(path.address) && bytes_is_utf8(path.address));
        EXPECT(utf8 || bytes_is_ascii(path.address));
        EXPECT(path.address.len == 0 || (path.local.len > 0 && bytes_find_octet(path.domain, ' ') < 0));
        EXPECT(path.address.len == path.local.len + (path.domain.len > 0 ? path.domain.len + 1 : 0));
    }
    if (smtp_command_path(argument, "FROM:", utf8, &strict, &rest) == SMTP_PATH_OK) {
        EXPECT(taken && bytes_equal(path.address, strict.address));
    }
}

static void try_line(struct bytes input)
{
    struct bytes line;
    struct smtp_command command;
    struct smtp_path path;
    struct bytes params_text;
    struct smtp_params params;
    size_t used;
    enum smtp_line_result result = smtp_line_next(input, 100, &line, &used);
    EXPECT(used <= input.len);
    if (result != SMTP_LINE_GOT || smtp_command_parse(line, &command) < 0) {
        return;
    }
    for (int utf8 = 0; utf8 <= 1; utf8++) {
        try_lenient(command.argument, utf8 == 1);
        if (smtp_command_path(command.argument, "FROM:", utf8 == 1, &path, &params_text) == SMTP_PATH_OK) {
            EXPECT(!bytes_has_control(path.address) && (utf8 == 1 || bytes_is_ascii(path.address)));
            EXPECT(bytes_is_utf8(path.address));
            (void)smtp_params_parse(params_text, SMTP_PARAMS_MAIL, ~0u, &params, NULL);
            (void)smtp_params_parse(params_text, SMTP_PARAMS_RCPT, ~0u, &params, NULL);
        }
    }
}

static void try_reply(struct bytes input)
{
    struct buf text, out;
    buf_init(&text, TEXT_MAX);
    buf_init(&out, 4 * TEXT_MAX + 65536);
    buf_append_bytes(&text, bytes_slice(input, 0, 4096));
    smtp_reply_write(&out, 550, "5.7.1", buf_text(&text));
    struct bytes rest = buf_bytes(&out);
    while (rest.len > 0) {
        ptrdiff_t end = bytes_find_octet(rest, '\n');
        EXPECT(end >= 1 && (size_t)end < SMTP_REPLY_LINE_MAX && bytes_starts_nocase(rest, "550"));
        EXPECT(!bytes_has_control(bytes_slice(rest, 0, (size_t)end - 1)));
        rest = bytes_from(rest, (size_t)end + 1);
    }
    buf_done(&text);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header;
    struct bytes input = bytes_at(data, size), rest = input;
    struct smtp_params params;
    uint64_t chunk;
    size_t used;
    bool last;
    try_data(input, size % 7 + 1, false);
    try_data(input, size % 7 + 1, true);
    try_line(input);
    try_reply(input);
    (void)smtp_params_parse(input, SMTP_PARAMS_MAIL, ~0u, &params, NULL);
    (void)smtp_params_parse(input, SMTP_PARAMS_RCPT, ~0u, &params, NULL);
    disregard(smtp_command_chunk(input, &chunk, &last));
    if (proxy_header_parse(input, &header, &used) == 1) {
        EXPECT(used <= size && (header.is_local || header.address[0] != '\0'));
    }
    struct bytes pattern = bytes_cut(&rest, '\n');
    (void)smtp_pattern_matches(bytes_slice(pattern, 0, 64), bytes_slice(rest, 0, 512));
    return 0;
}

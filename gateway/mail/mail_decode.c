/*
 * mail_decode - see mail_decode.h.
 */
#include "mail/mail_decode.h"

#include <string.h>

#include "mail/mail_token.h"

int mail_decode_digit64(uint8_t c)
{
    if (octet_is_alpha(c)) {
        return c <= 'Z' ? c - 'A' : c - 'a' + 26;
    }
    return octet_is_digit(c) ? c - '0' + 52 : c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

int mail_decode_digit16(uint8_t c)
{
    uint8_t lower = octet_lower(c);
    return octet_is_digit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

enum mail_encoding mail_decode_encoding(struct bytes value)
{
    static const struct {
        const char *name;
        enum mail_encoding encoding;
    } names[] = {
        {"base64", MAIL_ENCODING_BASE64}, {"quoted-printable", MAIL_ENCODING_QUOTED},
        {"7bit", MAIL_ENCODING_NONE},     {"8bit", MAIL_ENCODING_NONE},
        {"binary", MAIL_ENCODING_NONE},   {"7-bit", MAIL_ENCODING_NONE},
        {"8-bit", MAIL_ENCODING_NONE},    {"7", MAIL_ENCODING_NONE},
        {"8", MAIL_ENCODING_NONE},        {"", MAIL_ENCODING_NONE},
    };
    value = mail_token_head(value);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (bytes_is_nocase(value, names[i].name)) {
            return names[i].encoding;
        }
    }
    return MAIL_ENCODING_UNKNOWN;
}

static void put_decoded(struct mail_decoder *decoder, struct bytes data)
{
    decoder->size += data.len;
    if (decoder->out != NULL) {
        struct buf *out = decoder->out;
        size_t room = out->max - out->len;
        buf_append_bytes(out, bytes_slice(data, 0, room));
        out->full = out->full || data.len > room;
    }
}

static void put_octet(struct mail_decoder *decoder, uint8_t c)
{
    put_decoded(decoder, bytes_at(&c, 1));
}

/* ---- base64 ---- */

static void add_base64(struct mail_decoder *decoder, struct bytes data)
{
    uint8_t octets[4096];
    size_t len = 0;
    for (size_t i = 0; i < data.len; i++) {
        int digit = mail_decode_digit64(data.ptr[i]);
        if (digit >= 0) {
            decoder->bits = decoder->bits << 6 | (uint32_t)digit;
            decoder->count += 6;
        } else if (data.ptr[i] == '=') {
            decoder->count = 0; /* what follows is another text, as programs make that encode pieces and join them */
        }
        if (decoder->count >= 8) {
            decoder->count -= 8;
            octets[len++] = (uint8_t)(decoder->bits >> decoder->count);
        }
        if (len == sizeof octets) {
            put_decoded(decoder, bytes_at(octets, len));
            len = 0;
        }
    }
    put_decoded(decoder, bytes_at(octets, len));
}

/* ---- quoted-printable ---- */

static void put_kept(struct mail_decoder *decoder)
{
    put_decoded(decoder, bytes_at(decoder->kept, decoder->kept_len));
    decoder->kept_len = 0;
}

/* What is kept begins with "=": whether this octet may follow, and what becomes of all. */
static bool add_escaped(struct mail_decoder *decoder, uint8_t c)
{
    uint8_t *kept = decoder->kept;
    size_t len = decoder->kept_len;
    bool blank = c == ' ' || c == '\t' || c == '\r';
    bool only_blanks = len > 1 && mail_decode_digit16(kept[1]) < 0;
    if (c == '\n' && (len == 1 || only_blanks)) { /* a soft line break, with blanks in front of it or not */
        decoder->kept_len = 0;
        return true;
    }
    if ((len == 1 || only_blanks) && blank && len < sizeof decoder->kept) {
        kept[decoder->kept_len++] = c;
        return true;
    }
    if (mail_decode_digit16(c) < 0 || only_blanks) {
        put_kept(decoder);
        return false;
    }
    if (len == 1) {
        kept[decoder->kept_len++] = c;
        return true;
    }
    decoder->kept_len = 0;
    put_octet(decoder, (uint8_t)(mail_decode_digit16(kept[1]) * 16 + mail_decode_digit16(c)));
    return true;
}

static void add_quoted_octet(struct mail_decoder *decoder, uint8_t c)
{
    if (decoder->kept_len > 0 && decoder->kept[0] == '=' && add_escaped(decoder, c)) {
        return;
    }
    if (c == '=' || c == ' ' || c == '\t' || c == '\r') {
        bool joins = c != '=' && decoder->kept_len > 0 && decoder->kept_len < sizeof decoder->kept;
        if (!joins) {
            put_kept(decoder);
        }
        decoder->kept[decoder->kept_len++] = c;
        return;
    }
    if (c == '\n') { /* blanks that end the line are none of the text (RFC 2045 section 6.7, rule 3) */
        bool cr = decoder->kept_len > 0 && decoder->kept[decoder->kept_len - 1] == '\r';
        decoder->kept_len = 0;
        put_decoded(decoder, bytes_of(cr ? "\r\n" : "\n"));
        return;
    }
    put_kept(decoder);
    put_octet(decoder, c);
}

static void add_quoted(struct mail_decoder *decoder, struct bytes data)
{
    static const char special[] = "= \t\r\n";
    size_t from = 0;
    for (size_t i = 0; i < data.len; i++) {
        bool plain = decoder->kept_len == 0 && memchr(special, data.ptr[i], sizeof special - 1) == NULL;
        if (plain) {
            continue;
        }
        put_decoded(decoder, bytes_slice(data, from, i - from));
        add_quoted_octet(decoder, data.ptr[i]);
        from = i + 1;
    }
    put_decoded(decoder, bytes_from(data, from));
}

void mail_decode_add(struct mail_decoder *decoder, struct bytes data)
{
    switch (decoder->encoding) {
    case MAIL_ENCODING_BASE64:
        add_base64(decoder, data);
        break;
    case MAIL_ENCODING_QUOTED:
        add_quoted(decoder, data);
        break;
    case MAIL_ENCODING_NONE:
    case MAIL_ENCODING_UNKNOWN:
        put_decoded(decoder, data);
        break;
    }
}

void mail_decode_end(struct mail_decoder *decoder)
{
    bool soft = decoder->kept_len > 0 && decoder->kept[0] == '=' &&
                (decoder->kept_len == 1 || mail_decode_digit16(decoder->kept[1]) < 0);
    if (decoder->encoding == MAIL_ENCODING_QUOTED && decoder->kept_len > 0 && decoder->kept[0] == '=' && !soft) {
        put_kept(decoder);
    }
    decoder->kept_len = 0;
    decoder->count = 0;
}

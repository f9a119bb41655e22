/*
 * units - see units.h.
 */
#include "base/units.h"

#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static int scaled(struct bytes text, const struct unit *units, uint64_t *value_r)
{
    size_t digits = 0;
    while (digits < text.len && octet_is_digit(text.ptr[digits])) {
        digits++;
    }
    uint64_t value;
    if (!bytes_to_u64(bytes_slice(text, 0, digits), &value)) {
        return -1;
    }
    struct bytes name = bytes_from(text, digits);
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (bytes_is(name, unit->name)) {
            if (value > UINT64_MAX / unit->factor) {
                return -1;
            }
            *value_r = value * unit->factor;
            return 0;
        }
    }
    return -1;
}

int units_size(struct bytes text, uint64_t *octets_r)
{
    static const struct unit units[] = {
        {"", 1},      {"B", 1},     {"KiB", 1u << 10}, {"MiB", 1u << 20},  {"GiB", 1u << 30}, {"TiB", 1ull << 40},
        {"kB", 1000}, {"KB", 1000}, {"MB", 1000000},   {"GB", 1000000000}, {NULL, 0}};
    return scaled(text, units, octets_r);
}

int units_duration(struct bytes text, uint64_t *milliseconds_r)
{
    static const struct unit units[] = {{"ms", 1},       {"s", 1000},      {"m", 60000}, {"h", 3600000},
                                        {"d", 86400000}, {"w", 604800000}, {NULL, 0}};
    /* The one number that needs no unit: it is the same in each. */
    if (bytes_is(text, "0")) {
        *milliseconds_r = 0;
        return 0;
    }
    return scaled(text, units, milliseconds_r);
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int units_base64_encode(struct buf *out, struct bytes data)
{
    for (size_t i = 0; i < data.len; i += 3) {
        size_t left = data.len - i;
        uint32_t bits = (uint32_t)data.ptr[i] << 16 | (left > 1 ? (uint32_t)data.ptr[i + 1] << 8 : 0) |
                        (left > 2 ? data.ptr[i + 2] : 0);
        char four[4] = {base64[bits >> 18 & 63], base64[bits >> 12 & 63], left > 1 ? base64[bits >> 6 & 63] : '=',
                        left > 2 ? base64[bits & 63] : '='};
        buf_append(out, four, 4);
    }
    return out->full ? -1 : 0;
}

static int base64_digit(uint8_t c)
{
    const char *at = c == '\0' ? NULL : strchr(base64, c);
    return at == NULL ? -1 : (int)(at - base64);
}

int units_base64_decode(struct buf *out, struct bytes text)
{
    size_t before = out->len;
    size_t pad = 0;
    while (pad < 2 && pad < text.len && text.ptr[text.len - 1 - pad] == '=') {
        pad++;
    }
    if (text.len % 4 != 0) {
        return -1;
    }
    uint32_t bits = 0;
    size_t digits = text.len - pad;
    for (size_t i = 0; i < digits; i++) {
        int digit = base64_digit(text.ptr[i]);
        if (digit < 0) {
            buf_truncate(out, before);
            return -1;
        }
        bits = (bits << 6 | (uint32_t)digit) & 0xFFFFFF;
        if (i % 4 > 0) {
            unsigned shift = (unsigned)(6 - 2 * (i % 4));
            buf_append_octet(out, (uint8_t)(bits >> shift));
        }
    }
    /* Bits that stand for nothing must be zero (RFC 4648 section 3.5): else several texts would be one secret. */
    bool stray = (pad == 1 && (bits & 3) != 0) || (pad == 2 && (bits & 15) != 0);
    if (stray || out->full) {
        buf_truncate(out, before);
        return -1;
    }
    return 0;
}

/* Crockford's letters, because people read ids to each other: no I, L, O, U. */
static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

bool units_is_id_head(struct bytes text)
{
    size_t at = 0;
    while (at < text.len && memchr(crockford, text.ptr[at], sizeof crockford - 1) != NULL) {
        at++;
    }
    return at == text.len && at >= 10 && at < UNITS_ID_LEN;
}

void units_id(int64_t time_ms, const uint8_t random[10], char out[UNITS_ID_LEN + 1])
{
    uint8_t octets[16]; /* time in front, so that ids sort as messages came */
    for (int i = 0; i < 6; i++) {
        octets[i] = (uint8_t)((uint64_t)time_ms >> (40 - 8 * i));
    }
    memcpy(octets + 6, random, 10);
    /* 128 bits are 26 digits of 5 with two zero bits in front. */
    for (int digit = 0; digit < UNITS_ID_LEN; digit++) {
        unsigned value = 0;
        for (int bit = 0; bit < 5; bit++) {
            int at = digit * 5 + bit - 2;
            unsigned one = at < 0 ? 0u : (unsigned)octets[at / 8] >> (7 - at % 8) & 1u;
            value = value << 1 | one;
        }
        out[digit] = crockford[value];
    }
    out[UNITS_ID_LEN] = '\0';
}

/*
 * bytes - views of octets; see bytes.h. Nothing here allocates or changes what it looks at.
 */
#include "base/bytes.h"

#include <string.h>

bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (octet_lower(a.ptr[i]) != octet_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool bytes_is_one_of(struct bytes a, const char *const *texts)
{
    while (*texts != NULL && !bytes_is_nocase(a, *texts)) {
        texts++;
    }
    return *texts != NULL;
}

bool bytes_starts_nocase(struct bytes a, const char *prefix)
{
    struct bytes p = bytes_of(prefix);
    return a.len >= p.len && bytes_equal_nocase(bytes_slice(a, 0, p.len), p);
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0) {
        return order < 0 ? -1 : 1;
    }
    return a.len == b.len ? 0 : (a.len < b.len ? -1 : 1);
}

/* Above, it pays to look for the octet of the needle that is rarest in text. */
#define LONG_TEXT 512

/* Where the needle has it. */
static size_t rarest(struct bytes needle)
{
    static const char common[] = " etaoinsrhldcumfpgwybv\r\n.,-=0123456789kETAOINSRHLD<>/\":xj";
    size_t best = 0, best_rank = 0;
    for (size_t i = 0; i < needle.len; i++) {
        const char *at = memchr(common, needle.ptr[i], sizeof common - 1);
        size_t rank = at == NULL ? sizeof common : (size_t)(at - common);
        if (rank > best_rank) {
            best = i;
            best_rank = rank;
        }
    }
    return best;
}

ptrdiff_t bytes_find(struct bytes a, struct bytes needle)
{
    if (needle.len == 0) {
        return 0;
    }
    size_t mark = a.len < LONG_TEXT ? 0 : rarest(needle);
    for (size_t from = 0; from + needle.len <= a.len; from++) {
        const uint8_t *hit = memchr(a.ptr + from + mark, needle.ptr[mark], a.len - needle.len - from + 1);
        if (hit == NULL) {
            return -1;
        }
        if (memcmp(hit - mark, needle.ptr, needle.len) == 0) {
            return hit - mark - a.ptr;
        }
        from = (size_t)(hit - mark - a.ptr);
    }
    return -1;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct bytes bytes_trim(struct bytes a)
{
    while (a.len > 0 && is_blank(a.ptr[0])) {
        a.ptr++;
        a.len--;
    }
    while (a.len > 0 && is_blank(a.ptr[a.len - 1])) {
        a.len--;
    }
    return a;
}

struct bytes bytes_cut(struct bytes *rest, uint8_t c)
{
    struct bytes all = *rest;
    ptrdiff_t at = bytes_find_octet(all, c);
    /* NULL tells "it did not stand there" from "it was the last octet": "a" is one word, "a," is two. */
    if (at < 0) {
        *rest = (struct bytes){NULL, 0};
        return all;
    }
    *rest = bytes_at(all.ptr + at + 1, all.len - (size_t)at - 1);
    return bytes_slice(all, 0, (size_t)at);
}

bool bytes_to_u64(struct bytes a, uint64_t *value_r)
{
    uint64_t value = 0;
    if (a.len == 0) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (!octet_is_digit(a.ptr[i])) {
            return false;
        }
        uint64_t digit = (uint64_t)(a.ptr[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *value_r = value;
    return true;
}

/* RFC 3629 section 4. */
size_t bytes_utf8_length(struct bytes data)
{
    const uint8_t *ptr = data.ptr;
    uint8_t first = data.len == 0 ? 0xFF : ptr[0];
    /*
     * C0 and C1 begin over-long forms only, F5 to FF nothing at all (RFC 3629 section 3). An over-long "/" would pass
     * whoever looks for one octet.
     */
    size_t need = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (need == 0 || need > data.len) {
        return 0;
    }
    for (size_t i = 1; i < need; i++) {
        if ((ptr[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (first == 0xE0 && ptr[1] < 0xA0) || (first == 0xF0 && ptr[1] < 0x90);
    bool surrogate = first == 0xED && ptr[1] > 0x9F;
    bool above = first == 0xF4 && ptr[1] > 0x8F;
    return overlong || surrogate || above ? 0 : need;
}

size_t bytes_unprintable(struct bytes data)
{
    if (data.len >= 2 && data.ptr[0] == 0xC2 && data.ptr[1] < 0xA0) {
        return 2; /* U+0080 to U+009F */
    }
    if (data.len >= 2 && data.ptr[0] == 0xD8 && data.ptr[1] == 0x9C) {
        return 2; /* U+061C */
    }
    if (data.len < 3 || data.ptr[0] != 0xE2) {
        return 0;
    }
    uint8_t second = data.ptr[1], third = data.ptr[2];
    bool marks = second == 0x80 && (third == 0x8E || third == 0x8F);  /* U+200E, U+200F */
    bool lines = second == 0x80 && third >= 0xA8 && third <= 0xAE;    /* U+2028 to U+202E */
    bool isolates = second == 0x81 && third >= 0xA6 && third <= 0xA9; /* U+2066 to U+2069 */
    return marks || lines || isolates ? 3 : 0;
}

/* How many octets of ASCII the text begins with. Eight at a time: mail is mostly ASCII, and every text is asked several
 * times on its way to the rules. */
static size_t ascii_length(struct bytes a)
{
    size_t i = 0;
    for (uint64_t eight; i + sizeof eight <= a.len; i += sizeof eight) {
        memcpy(&eight, a.ptr + i, sizeof eight);
        if ((eight & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
    }
    while (i < a.len && a.ptr[i] < 0x80) {
        i++;
    }
    return i;
}

bool bytes_is_utf8(struct bytes a)
{
    for (size_t i = ascii_length(a); i < a.len; i += ascii_length(bytes_from(a, i))) {
        size_t step = bytes_utf8_length(bytes_from(a, i));
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

bool bytes_is_ascii(struct bytes a)
{
    return ascii_length(a) == a.len;
}

bool bytes_has_control(struct bytes a)
{
    for (size_t i = 0; i < a.len; i++) {
        if (a.ptr[i] < 0x20 || a.ptr[i] == 0x7F) {
            return true;
        }
    }
    return false;
}

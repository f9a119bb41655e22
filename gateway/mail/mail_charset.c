/*
 * mail_charset - see mail_charset.h. RFC 2978; the names are those of the IANA registry, of Windows, Java, Python and
 * of programs that guessed.
 */
#include "mail/mail_charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>

#include "mail/mail_charset_shift.h"

#define NAME_MAX_LEN 60
#define PLAIN        "" /* US-ASCII, or nothing at all */
#define WINDOWS      "WINDOWS-1252"
#define JP           "ISO-2022-JP-3"
#define HZ           "HZ"

/* Names in lower case without anything but letters and digits, and what iconv calls it. */
static const struct {
    const char *name, *iconv;
} aliases[] = {
    {"", PLAIN},
    {"usascii", PLAIN},
    {"ascii", PLAIN},
    {"ansix341968", PLAIN},
    {"ansix341986", PLAIN},
    {"iso646us", PLAIN},
    {"iso646irv1991", PLAIN},
    {"csascii", PLAIN},
    {"us", PLAIN},
    {"646", PLAIN},
    {"cp367", PLAIN},
    {"ibm367", PLAIN},
    {"7bit", PLAIN},
    {"8bit", PLAIN},
    {"default", PLAIN},
    {"utf8", "UTF-8"},
    {"utf8mb4", "UTF-8"},
    {"utf8sig", "UTF-8"},
    {"unicode11utf8", "UTF-8"},
    {"unicode20utf8", "UTF-8"},
    {"cp65001", "UTF-8"},
    {"cp65000", "UTF-7"},
    {"utf7", "UTF-7"},
    {"unicode11utf7", "UTF-7"},
    {"unicode20utf7", "UTF-7"},
    {"csunicode11utf7", "UTF-7"},
    {"unicode", "UTF-16"},
    {"ucs2", "UTF-16"},
    {"iso10646ucs2", "UTF-16"},
    {"iso88591", WINDOWS},
    {"iso885911987", WINDOWS},
    {"csisolatin1", WINDOWS},
    {"latin1", WINDOWS},
    {"l1", WINDOWS},
    {"88591", WINDOWS},
    {"iso8859", WINDOWS},
    {"isoir100", WINDOWS},
    {"cp819", WINDOWS},
    {"ibm819", WINDOWS},
    {"ansi", WINDOWS},
    {"western", WINDOWS},
    {"ansix31101983", WINDOWS}, /* nobody means videotex */
    {"latin2", "ISO-8859-2"},
    {"csisolatin2", "ISO-8859-2"},
    {"latin5", "WINDOWS-1254"},
    {"iso88599", "WINDOWS-1254"},
    {"latin9", "ISO-8859-15"},
    {"latin0", "ISO-8859-15"},
    {"iso88598i", "WINDOWS-1255"},
    {"iso88598e", "WINDOWS-1255"},
    {"visual", "WINDOWS-1255"},
    {"logical", "WINDOWS-1255"},
    {"iso88598", "WINDOWS-1255"},
    {"iso885911", "CP874"},
    {"tis620", "CP874"},
    {"thai", "CP874"},
    {"gb2312", "GB18030"},
    {"gb231280", "GB18030"},
    {"gb23121980", "GB18030"},
    {"csgb2312", "GB18030"},
    {"isoir58", "GB18030"},
    {"euccn", "GB18030"},
    {"gbk", "GB18030"},
    {"chinese", "GB18030"},
    {"cp936", "GB18030"},
    {"ms936", "GB18030"},
    {"big5", "BIG5-HKSCS"},
    {"cnbig5", "BIG5-HKSCS"},
    {"csbig5", "BIG5-HKSCS"},
    {"cp950", "BIG5-HKSCS"},
    {"shiftjis", "CP932"},
    {"sjis", "CP932"},
    {"mskanji", "CP932"},
    {"csshiftjis", "CP932"},
    {"cswindows31j", "CP932"},
    {"windows31j", "CP932"},
    {"ms932", "CP932"},
    {"cp943", "CP932"},
    {"eucjp", "EUC-JP-MS"},
    {"ujis", "EUC-JP-MS"},
    {"cseucpkdfmtjapanese", "EUC-JP-MS"},
    {"iso2022jp", JP},
    {"iso2022jp1", JP},
    {"iso2022jpms", JP},
    {"csiso2022jp", JP},
    {"cp50220", JP},
    {"cp50221", JP},
    {"jis", JP},
    {"ksc5601", "UHC"},
    {"ksc56011987", "UHC"},
    {"ksc56011989", "UHC"},
    {"isoir149", "UHC"},
    {"euckr", "UHC"},
    {"cseuckr", "UHC"},
    {"korean", "UHC"},
    {"cp949", "UHC"},
    {"ms949", "UHC"},
    {"koi", "KOI8-R"},
    {"koi8", "KOI8-R"},
    {"koi8ru", "KOI8-U"},
    {"cyrillic", "ISO-8859-5"},
    {"greek", "ISO-8859-7"},
    {"hebrew", "WINDOWS-1255"},
    {"arabic", "ISO-8859-6"},
    {"iso88596i", "ISO-8859-6"},
    {"iso88596e", "ISO-8859-6"},
    {"hz", HZ},
    {"hzgb2312", HZ},
    {"mac", "MACINTOSH"},
    {"macroman", "MACINTOSH"},
    {"macintosh", "MACINTOSH"},
    {"maccyrillic", "MAC-CYRILLIC"},
    {NULL, NULL},
};

/* What windows-1252 has at 0x80 to 0x9f; where it has nothing, the C1 control itself (as the WHATWG's encoding
 * standard has it). */
static const uint16_t windows_1252[32] = {
    0x20ac, 0x81,   0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8d,   0x017d, 0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,   0x017e, 0x0178,
};

int mail_charset_append(struct buf *out, uint32_t character)
{
    if (character == 0 || (character >= 0xd800 && character <= 0xdfff) || character > 0x10ffff) {
        character = 0xfffd;
    }
    uint8_t octets[4];
    size_t len = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i > 1; i--, character >>= 6) {
        octets[i - 1] = (uint8_t)(0x80 | (character & 0x3f));
    }
    octets[0] = (uint8_t)(lead[len] | character);
    return buf_append(out, octets, len);
}

uint32_t mail_charset_windows(uint8_t octet)
{
    return octet >= 0x80 && octet < 0xa0 ? windows_1252[octet - 0x80] : octet;
}

/* ---- names ---- */

/* Letters and digits of the name in lower case; a language behind "*" (RFC 2231 section 5) and a comment left out. */
static void squeeze(struct bytes name, char out[NAME_MAX_LEN + 1])
{
    size_t len = 0;
    for (size_t i = 0; i < name.len && len < NAME_MAX_LEN && name.ptr[i] != '*' && name.ptr[i] != '('; i++) {
        uint8_t c = octet_lower(name.ptr[i]);
        if (octet_is_alpha(c) || octet_is_digit(c)) {
            out[len++] = (char)c;
        }
    }
    out[len] = '\0';
}

static const char *alias_of(const char *squeezed)
{
    for (size_t i = 0; aliases[i].name != NULL; i++) {
        if (strcmp(aliases[i].name, squeezed) == 0) {
            return aliases[i].iconv;
        }
    }
    return NULL;
}

/* "cp850", "ibm850", "windows1251", "win1251" and "iso885915" are numbers of known rows. */
static const char *numbered(const char *squeezed, char out[NAME_MAX_LEN + 1])
{
    static const char *const rows[][2] = {{"windows", "CP"},       {"win", "CP"}, {"cp", "CP"},
                                          {"ibm", "CP"},           {"ms", "CP"},  {"dos", "CP"},
                                          {"iso8859", "ISO-8859-"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i][0]);
        const char *digits = squeezed + len;
        if (strncmp(squeezed, rows[i][0], len) == 0 && digits[0] != '\0' && strlen(digits) < 6 &&
            strspn(digits, "0123456789") == strlen(digits)) {
            snprintf(out, NAME_MAX_LEN + 1, "%s%s", rows[i][1], digits);
            char plain[NAME_MAX_LEN + 1];
            snprintf(plain, sizeof plain, "cp%s", digits);
            const char *alias = strcmp(rows[i][1], "CP") == 0 ? alias_of(plain) : NULL;
            return alias != NULL ? alias : strcmp(out, "CP1252") == 0 ? WINDOWS : out;
        }
    }
    return NULL;
}

/* As it is, when it could be a name: iconv gives "/" and "," meanings. */
static const char *as_written(struct bytes name, char out[NAME_MAX_LEN + 1])
{
    struct bytes text = bytes_trim(name);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (!(octet_is_alpha(c) || octet_is_digit(c) || strchr("-_.:", c) != NULL) || c == 0) {
            return NULL;
        }
    }
    if (text.len == 0 || text.len > NAME_MAX_LEN) {
        return NULL;
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return out;
}

/* What iconv calls it; PLAIN; or NULL when it cannot be a name. */
static const char *resolve_charset(struct bytes name, char store[NAME_MAX_LEN + 1])
{
    char squeezed[NAME_MAX_LEN + 1];
    squeeze(name, squeezed);
    const char *tries[2] = {squeezed, squeezed[0] == 'x' ? squeezed + 1 : NULL};
    for (size_t i = 0; i < 2 && tries[i] != NULL; i++) {
        const char *found = alias_of(tries[i]);
        found = found == NULL ? numbered(tries[i], store) : found;
        if (found != NULL) {
            return found;
        }
    }
    return as_written(name, store);
}

bool mail_charset_same(struct bytes a, struct bytes b)
{
    if (bytes_equal_nocase(a, b)) {
        return true;
    }
    char store_a[NAME_MAX_LEN + 1], store_b[NAME_MAX_LEN + 1];
    const char *one = resolve_charset(a, store_a), *other = resolve_charset(b, store_b);
    return one != NULL && other != NULL && bytes_is_nocase(bytes_of(one), other);
}

bool mail_charset_is_plain(struct bytes name)
{
    char store[NAME_MAX_LEN + 1];
    const char *found = resolve_charset(name, store);
    return found != NULL && found[0] == '\0';
}

/* ---- octets ---- */

static void put_windows(struct bytes octets, struct buf *out)
{
    for (size_t i = 0; i < octets.len && !out->full; i++) {
        uint8_t c = octets.ptr[i];
        mail_charset_append(out, mail_charset_windows(c));
    }
}

/* True when it was valid. */
static bool put_utf8(struct bytes octets, struct buf *out)
{
    if (bytes_is_utf8(octets) && bytes_find_octet(octets, 0) < 0) {
        buf_append_bytes(out, octets);
        return true;
    }
    while (octets.len > 0 && !out->full) {
        size_t len = octets.ptr[0] == 0 ? 0 : bytes_utf8_length(octets);
        if (len == 0) {
            mail_charset_append(out, 0xfffd);
        } else {
            buf_append_bytes(out, bytes_slice(octets, 0, len));
        }
        octets = bytes_from(octets, len == 0 ? 1 : len);
    }
    return false;
}

void mail_charset_guess(struct bytes octets, struct buf *out)
{
    if (bytes_is_utf8(octets)) {
        put_utf8(octets, out);
    } else {
        put_windows(octets, out);
    }
}

/* What iconv gives may hold a NUL. */
static void put_converted(const char *text, size_t len, struct buf *out)
{
    put_utf8(bytes_at(text, len), out);
}

/* True when every octet was of the set. */
static bool put_by_iconv(iconv_t conversion, struct bytes octets, struct buf *out)
{
    bool clean = true;
    char *from = (char *)octets.ptr;
    size_t left = octets.len;
    while (!out->full) {
        char piece[4096], *to = piece;
        size_t room = sizeof piece;
        size_t result =
            left > 0 ? iconv(conversion, &from, &left, &to, &room) : iconv(conversion, NULL, NULL, &to, &room);
        int error = errno;
        put_converted(piece, sizeof piece - room, out);
        if (result != (size_t)-1) {
            if (left == 0 && room == sizeof piece) {
                break;
            }
        } else if (error != E2BIG) {
            mail_charset_append(out, 0xfffd);
            clean = false;
            from += left > 0 ? 1 : 0;
            left -= left > 0 ? 1 : 0;
        }
    }
    return clean;
}

/* UTF-16 without a mark: what has its zeros in front is big-endian. */
static const char *utf16_order(struct bytes octets)
{
    if (octets.len >= 2 &&
        ((octets.ptr[0] == 0xfe && octets.ptr[1] == 0xff) || (octets.ptr[0] == 0xff && octets.ptr[1] == 0xfe))) {
        return "UTF-16";
    }
    size_t even = 0, odd = 0;
    for (size_t i = 0; i + 1 < octets.len && i < 1000; i += 2) {
        even += octets.ptr[i] == 0;
        odd += octets.ptr[i + 1] == 0;
    }
    return odd > even ? "UTF-16LE" : "UTF-16BE";
}

static bool put_set(const char *set, struct bytes octets, struct buf *out)
{
    iconv_t conversion = iconv_open("UTF-8", set);
    if (conversion == (iconv_t)-1) {
        mail_charset_guess(octets, out);
        return false;
    }
    bool clean = put_by_iconv(conversion, octets, out);
    iconv_close(conversion);
    return clean;
}

/* JP or HZ. */
static bool put_shifted(const char *set, struct bytes octets, struct buf *out)
{
    struct buf plain;
    buf_init(&plain, octets.len * 2 + 1); /* a katakana has two octets */
    if (strcmp(set, HZ) == 0) {
        mail_charset_shift_hz(octets, &plain);
        set = "GB18030";
    } else if (mail_charset_shift_jp(octets, &plain)) {
        set = "EUC-JP-MS";
    } else {
        buf_append_bytes(&plain, octets);
    }
    bool clean = put_set(set, buf_bytes(&plain), out);
    buf_done(&plain);
    return clean;
}

bool mail_charset_decode(struct bytes name, struct bytes octets, struct buf *out)
{
    char store[NAME_MAX_LEN + 1];
    const char *found = resolve_charset(name, store);
    if (found != NULL && strcmp(found, "UTF-8") == 0) {
        return put_utf8(octets, out);
    }
    if (found != NULL && strcmp(found, WINDOWS) == 0) {
        put_windows(octets, out);
        return true;
    }
    if (found == NULL || found[0] == '\0') {
        mail_charset_guess(octets, out);
        return found != NULL;
    }
    if (bytes_is_nocase(bytes_of(found), "UTF-16")) {
        found = utf16_order(octets);
    }
    return strcmp(found, JP) == 0 || strcmp(found, HZ) == 0 ? put_shifted(found, octets, out)
                                                            : put_set(found, octets, out);
}

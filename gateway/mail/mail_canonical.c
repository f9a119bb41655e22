/*
 * mail_canonical - see mail_canonical.h.
 */
#include "mail/mail_canonical.h"

#include <glib.h>
#include <idn2.h>
#include <string.h>

#define DOMAIN_MAX_LEN 1000

/* ---- texts ---- */

/* Ranges of characters without which a text is in NFC: what combines, and what NFC replaces. */
static const struct {
    uint32_t first, last;
} doubtful[] = {
    {0x300, 0x36f},   {0x374, 0x374},     {0x37e, 0x37e},     {0x387, 0x387},   {0x483, 0x487},   {0x591, 0x5c7},
    {0x610, 0x61a},   {0x64b, 0x670},     {0x6d6, 0x6ed},     {0x711, 0x711},   {0x730, 0x74a},   {0x7eb, 0x7fd},
    {0x816, 0x85b},   {0x898, 0x135f},    {0x1714, 0x1dff},   {0x1f00, 0x1fff}, {0x2000, 0x2001}, {0x20d0, 0x20f0},
    {0x2126, 0x212b}, {0x2329, 0x232a},   {0x2adc, 0x2adc},   {0x2cef, 0x2cf1}, {0x2d7f, 0x2dff}, {0x302a, 0x302f},
    {0x3099, 0x309a}, {0xa66f, 0xa69f},   {0xa6f0, 0xa6f1},   {0xa806, 0xabed}, {0xf900, 0xfaff}, {0xfb1d, 0xfb4e},
    {0xfe20, 0xfe2f}, {0x101fd, 0x1f000}, {0x2f800, 0x2fa1f},
};

static uint32_t character_at(struct bytes text, size_t *len_r)
{
    uint8_t c = text.ptr[0];
    size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t character = len == 1 ? c : c & (0x7fu >> len);
    for (size_t i = 1; i < len && i < text.len; i++) {
        character = character << 6 | (text.ptr[i] & 0x3fu);
    }
    *len_r = len;
    return character;
}

static bool is_doubtful(uint32_t character)
{
    for (size_t i = 0; i < sizeof doubtful / sizeof *doubtful && doubtful[i].first <= character; i++) {
        if (character <= doubtful[i].last) {
            return true;
        }
    }
    return false;
}

static bool is_surely_nfc(struct bytes text)
{
    if (bytes_is_ascii(text)) {
        return true;
    }
    while (text.len > 0) {
        size_t len = 1;
        if (text.ptr[0] >= 0xcc && is_doubtful(character_at(text, &len))) { /* U+0300 begins with 0xcc */
            return false;
        }
        text = bytes_from(text, len);
    }
    return true;
}

struct bytes mail_canonical_text(struct bytes text, struct buf *store)
{
    buf_init(store, text.len * 3 + 16); /* NFC of UTF-8 grows to three times at most (UAX 15, table 4) */
    if (is_surely_nfc(text)) {
        return text;
    }
    char *composed = g_utf8_normalize((const char *)text.ptr, (gssize)text.len, G_NORMALIZE_NFC);
    bool fits = composed != NULL && buf_append_text(store, composed) == 0;
    g_free(composed);
    return fits ? buf_bytes(store) : text;
}

/* ---- addresses ---- */

void mail_canonical_cut(struct bytes address, struct bytes *local_r, struct bytes *domain_r)
{
    size_t at = address.len;
    while (at > 0 && address.ptr[at - 1] != '@' && address.ptr[at - 1] != '"') {
        at--; /* an "@" in quotes is none */
    }
    bool has = at > 0 && address.ptr[at - 1] == '@';
    *local_r = has ? bytes_slice(address, 0, at - 1) : address;
    *domain_r = has ? bytes_from(address, at) : bytes_at(NULL, 0);
}

static bool is_quoted(struct bytes local)
{
    return local.len >= 2 && local.ptr[0] == '"' && local.ptr[local.len - 1] == '"';
}

struct bytes mail_canonical_unquote(struct bytes local, struct buf *store)
{
    buf_init(store, local.len + 1);
    if (!is_quoted(local)) {
        return local;
    }
    for (size_t i = 1; i + 1 < local.len; i++) {
        i += local.ptr[i] == '\\' && i + 2 < local.len ? 1 : 0;
        buf_append_octet(store, local.ptr[i]);
    }
    return buf_bytes(store);
}

/* RFC 5322 section 3.2.3, atext and dots, and what is not ASCII (RFC 6531). */
static bool may_stand_bare(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c < 0x80 && !octet_is_alpha(c) && !octet_is_digit(c) && strchr("!#$%&'*+-/=?^_`{|}~.", c) == NULL) {
            return false;
        }
    }
    return text.len > 0 && bytes_find_octet(text, 0) < 0;
}

struct bytes mail_canonical_local(struct bytes local, struct buf *store)
{
    if (!is_quoted(local)) {
        buf_init(store, 0);
        return local;
    }
    struct bytes text = mail_canonical_unquote(local, store);
    if (may_stand_bare(text)) {
        return text;
    }
    struct buf quoted;
    buf_init(&quoted, 2 * text.len + 2);
    buf_append_octet(&quoted, '"');
    for (size_t i = 0; i < text.len; i++) {
        buf_append_text(&quoted, text.ptr[i] == '"' || text.ptr[i] == '\\' ? "\\" : "");
        buf_append_octet(&quoted, text.ptr[i]);
    }
    buf_append_octet(&quoted, '"');
    buf_done(store);
    *store = quoted;
    return buf_bytes(store);
}

static bool has_a_label(struct bytes domain)
{
    while (bytes_find(domain, bytes_of("--")) >= 0) { /* hardly any name has them: it is not cut to labels then */
        if (bytes_starts_nocase(bytes_cut(&domain, '.'), "xn--")) {
            return true;
        }
    }
    return false;
}

bool mail_canonical_other_domain(struct bytes domain, struct buf *out)
{
    bool ascii = bytes_is_ascii(domain);
    if (domain.len == 0 || domain.len > DOMAIN_MAX_LEN || (ascii && !has_a_label(domain)) || !bytes_is_utf8(domain) ||
        bytes_find_octet(domain, 0) >= 0) {
        return false;
    }
    char name[DOMAIN_MAX_LEN + 1], *other = NULL;
    memcpy(name, domain.ptr, domain.len);
    name[domain.len] = '\0';
    int result = ascii ? idn2_to_unicode_8z8z(name, &other, 0)
                       : idn2_to_ascii_8z(name, &other, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    bool is_other = result == IDN2_OK && !bytes_is(domain, other);
    if (is_other) {
        buf_append_text(out, other);
    }
    idn2_free(other);
    return is_other;
}

/* smtp_path - reverse and forward paths. RFC 5321 section 4.1.2, RFC 6531 section 3.3. Contract: smtp_path.h. */
#include "proto/smtp_path.h"

#include <string.h>

#include "base/network.h"

static bool is_atext(uint8_t c, bool utf8)
{
    if (c >= 128) {
        return utf8;
    }
    return octet_is_alpha(c) || octet_is_digit(c) || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Length of the letters and dots at the head of text, however the dots stand. */
static size_t measure_atoms(struct bytes text, bool utf8)
{
    size_t len = 0;
    while (len < text.len && (is_atext(text.ptr[len], utf8) || text.ptr[len] == '.')) {
        len++;
    }
    return len;
}

/* Whether a dot stands first, last, or behind another. */
static bool has_odd_dots(struct bytes local)
{
    uint8_t before = '.';
    for (size_t i = 0; i < local.len; i++) {
        if (local.ptr[i] == '.' && before == '.') {
            return true;
        }
        before = local.ptr[i];
    }
    return local.len > 0 && before == '.';
}

/* Length of the quoted string at the head of text with its quotes, 0 when it is broken. */
static size_t measure_quoted(struct bytes text, bool utf8)
{
    for (size_t i = 1; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '"') {
            return i + 1;
        }
        if (c == '\\') {
            if (++i == text.len) {
                return 0;
            }
            c = text.ptr[i];
            if (c >= 128) {
                return 0;
            }
        }
        if (c < 32 || c == 127 || (c >= 128 && !utf8)) {
            return 0;
        }
    }
    return 0;
}

static size_t measure_local(struct bytes text, bool utf8)
{
    if (text.len > 0 && text.ptr[0] == '"') {
        return measure_quoted(text, utf8);
    }
    return measure_atoms(text, utf8);
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3). */
static bool is_address_literal(struct bytes literal)
{
    uint8_t address[16];
    if (literal.len < 3 || literal.ptr[literal.len - 1] != ']') {
        return false;
    }
    struct bytes inside = bytes_slice(literal, 1, literal.len - 2);
    bool v6 = bytes_starts_nocase(inside, "IPv6:");
    inside = v6 ? bytes_from(inside, 5) : inside;
    return v6 == (bytes_find_octet(inside, ':') >= 0) && network_address_parse(address, inside) == 0;
}

/* A label of letters, digits, hyphens and (seen in private networks) underscores; no hyphen at its ends. */
static bool is_label(struct bytes label, bool utf8)
{
    if (label.len == 0 || label.len > SMTP_PATH_LABEL_MAX || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < label.len; i++) {
        uint8_t c = label.ptr[i];
        bool plain = octet_is_alpha(c) || octet_is_digit(c) || c == '-' || c == '_';
        if (!plain && !(c >= 128 && utf8)) {
            return false;
        }
    }
    return true;
}

/* Whether text is a domain or an address literal: the argument of EHLO. */
static bool smtp_path_is_domain(struct bytes text, bool utf8)
{
    if (text.len == 0 || text.len > SMTP_PATH_DOMAIN_MAX || (utf8 && !bytes_is_utf8(text))) {
        return false;
    }
    if (text.ptr[0] == '[') {
        return is_address_literal(text);
    }
    /*
     * RFC 5321 writes no dot behind the last label: "a.example." and "a.example" would be two addresses to every rule.
     */
    if (text.ptr[text.len - 1] == '.') {
        return false;
    }
    while (text.len > 0) {
        if (!is_label(bytes_cut(&text, '.'), utf8)) {
            return false;
        }
    }
    return true;
}

/* Where the domain at the head of text ends: at what can be part of none. */
static size_t measure_domain(struct bytes text)
{
    size_t len = 0;
    bool literal = text.len > 0 && text.ptr[0] == '[';
    while (len < text.len && text.ptr[len] > ' ' && text.ptr[len] != '>') {
        if (literal && text.ptr[len] == ']') {
            return len + 1;
        }
        len++;
    }
    return len;
}

/* What devices write behind the @: a dot too many; nothing, or "(none)", where nobody gave them a name. */
static struct bytes device_domain(struct bytes domain)
{
    bool dot = domain.len > 1 && domain.ptr[domain.len - 1] == '.';
    struct bytes name = bytes_slice(domain, 0, domain.len - dot);
    return bytes_is_nocase(name, "(none)") ? bytes_slice(name, 0, 0) : name;
}

/* "local" or "local@domain" at the head of text; *len_r tells how long it is. */
static enum smtp_path_result parse_mailbox(struct bytes text, bool utf8, bool lenient, struct smtp_path *path_r,
                                           size_t *len_r)
{
    size_t local = measure_local(text, utf8);
    if (local == 0) {
        return SMTP_PATH_SYNTAX;
    }
    bool odd_dots = text.ptr[0] != '"' && has_odd_dots(bytes_slice(text, 0, local));
    size_t len = local;
    struct bytes domain = {NULL, 0};
    if (len < text.len && text.ptr[len] == '@') {
        domain = bytes_slice(text, len + 1, measure_domain(bytes_from(text, len + 1)));
        len += 1 + domain.len;
        domain = lenient ? device_domain(domain) : domain;
        if (domain.len > SMTP_PATH_DOMAIN_MAX) {
            return SMTP_PATH_TOO_LONG;
        }
        if (!(lenient && domain.len == 0) && !smtp_path_is_domain(domain, utf8)) {
            return SMTP_PATH_SYNTAX;
        }
    }
    if (local > SMTP_PATH_LOCAL_MAX) {
        return SMTP_PATH_TOO_LONG;
    }
    if (odd_dots && !lenient) {
        return SMTP_PATH_DOTS;
    }
    size_t whole = domain.len > 0 ? local + 1 + domain.len : local;
    *path_r = (struct smtp_path){bytes_slice(text, 0, whole), bytes_slice(text, 0, local), domain};
    *len_r = len;
    return SMTP_PATH_OK;
}

/* U+0080 to U+009F, which are control characters as those below U+0020 are. */
static bool has_c1_control(struct bytes text)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.ptr[i] == 0xc2 && text.ptr[i + 1] < 0xa0) {
            return true;
        }
    }
    return false;
}

/* Octets that the mode does not allow are named as such, before anything is called a syntax error. */
static enum smtp_path_result check_octets(struct bytes text, bool utf8)
{
    if (!(utf8 ? bytes_is_utf8(text) : bytes_is_ascii(text))) {
        return SMTP_PATH_NOT_UTF8;
    }
    return has_c1_control(text) ? SMTP_PATH_SYNTAX : SMTP_PATH_OK;
}

static enum smtp_path_result take_path(struct bytes *rest, bool utf8, bool lenient, struct smtp_path *path_r)
{
    struct bytes text = bytes_from(*rest, 1);
    struct smtp_path path = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    size_t len = 0;
    if (rest->len < 2 || rest->ptr[0] != '<') {
        return SMTP_PATH_SYNTAX;
    }
    enum smtp_path_result octets = check_octets(*rest, utf8);
    if (octets != SMTP_PATH_OK) {
        return octets;
    }
    if (text.ptr[0] == '@') {
        return SMTP_PATH_SOURCE_ROUTE;
    }
    if (text.ptr[0] != '>') {
        enum smtp_path_result result = parse_mailbox(text, utf8, lenient, &path, &len);
        if (result != SMTP_PATH_OK) {
            return result;
        }
    }
    if (len >= text.len || text.ptr[len] != '>') {
        return SMTP_PATH_SYNTAX;
    }
    *rest = bytes_from(text, len + 1);
    *path_r = path;
    return SMTP_PATH_OK;
}

enum smtp_path_result smtp_path_take(struct bytes *rest, bool utf8, struct smtp_path *path_r)
{
    return take_path(rest, utf8, false, path_r);
}

/* Where the last c stands outside of quotes; -1: nowhere. first: the first. */
static ptrdiff_t find_unquoted(struct bytes text, uint8_t c, bool first)
{
    ptrdiff_t found = -1;
    bool quoted = false;
    for (size_t i = 0; i < text.len && (found < 0 || !first); i++) {
        if (text.ptr[i] == c && !quoted) {
            found = (ptrdiff_t)i;
        }
        quoted = quoted != (text.ptr[i] == '"' && (i == 0 || text.ptr[i - 1] != '\\'));
    }
    return found;
}

/* 'a@b' and "a@b" without what stands around it. */
static struct bytes without_quotes(struct bytes text)
{
    uint8_t quote = text.len > 2 ? text.ptr[0] : 0;
    struct bytes inside = bytes_slice(text, 1, text.len > 2 ? text.len - 2 : 0);
    bool around = (quote == '"' || quote == '\'') && text.ptr[text.len - 1] == quote;
    return around && bytes_find_octet(inside, '@') >= 0 && bytes_find_octet(inside, quote) < 0 ? inside : text;
}

/* The address at the head of *rest, in one pair of brackets, the innermost of several, half of one, or none; *rest is
 * what stands behind it. closed_r: an empty one is meant. */
static struct bytes cut_address(struct bytes *rest, bool *closed_r)
{
    ptrdiff_t open = find_unquoted(*rest, '<', false);
    struct bytes text = open >= 0 ? bytes_from(*rest, (size_t)open + 1) : *rest;
    ptrdiff_t end = find_unquoted(text, '>', true);
    *closed_r = open >= 0 && end >= 0;
    if (!*closed_r) {
        struct bytes behind = text;
        size_t word = bytes_cut(&behind, ' ').len;
        end = end >= 0 && (size_t)end < word ? end : (ptrdiff_t)word;
    }
    size_t next = (size_t)end;
    while (next < text.len && text.ptr[next] == '>') {
        next++;
    }
    *rest = bytes_from(text, next);
    return without_quotes(bytes_trim(bytes_slice(text, 0, (size_t)end)));
}

/* Whether one address more, or a mark of a list, stands in front of it. */
static bool is_behind_another(struct bytes text, struct bytes address)
{
    struct bytes before = bytes_slice(text, 0, address.len > 0 ? (size_t)(address.ptr - text.ptr) : 0);
    return find_unquoted(before, '>', true) >= 0 || find_unquoted(before, ',', true) >= 0 ||
           find_unquoted(before, ';', true) >= 0;
}

/* "a@b (Scanner)" */
static struct bytes without_comment(struct bytes rest)
{
    struct bytes text = bytes_trim(rest);
    bool comment = text.len > 1 && text.ptr[0] == '(' && text.ptr[text.len - 1] == ')';
    return comment ? bytes_slice(rest, 0, 0) : rest;
}

enum smtp_path_result smtp_path_take_lenient(struct bytes *rest, bool utf8, struct smtp_path *path_r)
{
    struct bytes behind = *rest;
    struct smtp_path path = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    size_t len = 0;
    bool closed;
    if (take_path(&behind, utf8, true, &path) == SMTP_PATH_OK && (behind.len == 0 || behind.ptr[0] == ' ')) {
        *path_r = path; /* as it should be, whatever the parameters look like */
        *rest = without_comment(behind);
        return SMTP_PATH_OK;
    }
    path = (struct smtp_path){{NULL, 0}, {NULL, 0}, {NULL, 0}};
    behind = *rest;
    struct bytes address = cut_address(&behind, &closed);
    if (is_behind_another(*rest, address)) {
        return SMTP_PATH_SYNTAX;
    }
    enum smtp_path_result result = check_octets(bytes_slice(*rest, 0, rest->len - behind.len), utf8);
    if (result == SMTP_PATH_OK && address.len > 0 && address.ptr[0] == '@') {
        result = SMTP_PATH_SOURCE_ROUTE;
    } else if (result == SMTP_PATH_OK && (address.len > 0 || !closed)) {
        result = parse_mailbox(address, utf8, true, &path, &len);
        result = result == SMTP_PATH_OK && len != address.len ? SMTP_PATH_SYNTAX : result;
    }
    if (result == SMTP_PATH_OK) {
        *path_r = path;
        *rest = without_comment(behind);
    }
    return result;
}

enum smtp_path_result smtp_path_mailbox(struct bytes text, bool utf8, struct smtp_path *path_r)
{
    struct smtp_path path;
    size_t len;
    enum smtp_path_result result = check_octets(text, utf8);
    if (result == SMTP_PATH_OK) {
        result = parse_mailbox(text, utf8, false, &path, &len);
    }
    if (result != SMTP_PATH_OK) {
        return result;
    }
    if (len != text.len || path.domain.len == 0) {
        return SMTP_PATH_SYNTAX;
    }
    *path_r = path;
    return SMTP_PATH_OK;
}

bool smtp_path_is_routed(const struct smtp_path *path)
{
    return bytes_find_octet(path->local, '%') >= 0 || bytes_find_octet(path->local, '!') >= 0 ||
           bytes_find_octet(path->local, '@') >= 0;
}

/* smtp_pattern - patterns of addresses. Contract: smtp_pattern.h. */
#include "proto/smtp_pattern.h"

static bool matches(struct bytes pattern, struct bytes address)
{
    size_t p = 0, a = 0, star = SIZE_MAX, mark = 0;
    while (a < address.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = a;
        } else if (p < pattern.len && octet_lower(pattern.ptr[p]) == octet_lower(address.ptr[a])) {
            p++;
            a++;
        } else if (star != SIZE_MAX) {
            /* Back to the last star only, which is enough, and never takes more than the product of the lengths. */
            p = star + 1;
            a = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

/* What stands behind the last "@": quotes may hold others (RFC 5321 section 4.1.2). */
static struct bytes domain_of(struct bytes address)
{
    size_t at = address.len;
    while (at > 0 && address.ptr[at - 1] != '@') {
        at--;
    }
    return bytes_from(address, at == 0 ? address.len : at);
}

/* ".example.net": one label or more stand before it. */
static bool is_below(struct bytes pattern, struct bytes domain)
{
    ptrdiff_t dot;
    while ((dot = bytes_find_octet(domain, '.')) >= 0) {
        domain = bytes_from(domain, (size_t)dot + 1);
        if (dot > 0 && matches(pattern, domain)) {
            return true;
        }
    }
    return false;
}

bool smtp_pattern_matches(struct bytes pattern, struct bytes address)
{
    /* The null sender has no letters to match; "<>" is how logs and people write it. */
    if (address.len == 0) {
        return bytes_is(pattern, "<>") || bytes_is(pattern, "*");
    }
    size_t at = pattern.len > 0 && pattern.ptr[0] == '@', dot = pattern.len > at && pattern.ptr[at] == '.';
    struct bytes domain = bytes_from(pattern, at + dot);
    if (dot == 1) {
        return domain.len > 0 && is_below(domain, domain_of(address));
    }
    return at == 1 ? domain.len > 0 && matches(domain, domain_of(address)) : matches(pattern, address);
}

bool smtp_pattern_matches_any(const char *const *patterns, size_t count, struct bytes address)
{
    for (size_t i = 0; i < count; i++) {
        if (smtp_pattern_matches(bytes_of(patterns[i]), address)) {
            return true;
        }
    }
    return false;
}

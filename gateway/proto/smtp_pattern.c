/* smtp_pattern - patterns of addresses. Contract: smtp_pattern.h. */
#include "proto/smtp_pattern.h"

bool smtp_pattern_matches(struct bytes pattern, struct bytes address)
{
    size_t p = 0, a = 0, star = SIZE_MAX, mark = 0;
    /* The null sender has no letters to match; "<>" is how logs and people write it. */
    if (address.len == 0) {
        return bytes_is(pattern, "<>") || bytes_is(pattern, "*");
    }
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

bool smtp_pattern_matches_any(const char *const *patterns, size_t count, struct bytes address)
{
    for (size_t i = 0; i < count; i++) {
        if (smtp_pattern_matches(bytes_of(patterns[i]), address)) {
            return true;
        }
    }
    return false;
}

/*
 * mail_token - see mail_token.h.
 */
#include "mail/mail_token.h"

#include <string.h>

struct bytes mail_token_skip_comments(struct bytes value)
{
    value = bytes_trim(value);
    while (value.len > 0 && value.ptr[0] == '(') {
        size_t depth = 0, at = 0;
        do {
            at += value.ptr[at] == '\\' ? 1 : 0;
            depth += at < value.len && value.ptr[at] == '(' ? 1 : 0;
            depth -= at < value.len && value.ptr[at] == ')' ? 1 : 0;
            at++;
        } while (at < value.len && depth > 0);
        if (depth > 0) {
            break; /* it never ends: a character like any other */
        }
        value = bytes_trim(bytes_from(value, at));
    }
    return value;
}

struct bytes mail_token_head(struct bytes value)
{
    value = mail_token_skip_comments(value);
    if (value.len > 0 && value.ptr[0] == '"') {
        value = bytes_from(value, 1);
    }
    size_t len = 0;
    while (len < value.len && strchr(" \t\r\n;,:(\"", value.ptr[len]) == NULL) {
        len++;
    }
    return bytes_slice(value, 0, len);
}

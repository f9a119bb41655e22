/*
 * mail_source - a message in memory as a source; see mail_source.h.
 */
#include "mail/mail_source.h"

#include <string.h>

static ptrdiff_t read_memory(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    (void)fault;
    struct bytes part = bytes_slice(*(const struct bytes *)ctx, (size_t)offset, len);
    if (part.len > 0) { /* an empty view may have no pointer */
        memcpy(into, part.ptr, part.len);
    }
    return (ptrdiff_t)part.len;
}

struct mail_source mail_source_of(const struct bytes *whole)
{
    return (struct mail_source){.size = whole->len, .read = read_memory, .ctx = (void *)(uintptr_t)whole};
}

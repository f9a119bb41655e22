/*
 * mail_source - a message that can be read at any offset, wherever it lies.
 */
#ifndef MAILWEIR_MAIL_MAIL_SOURCE_H
#define MAILWEIR_MAIL_MAIL_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/fault.h"

/*
 * A stored message to read from at any offset, while it is staged or after. read() returns octets read (0 only at the
 * end) or -1 with a fault. It may block: for worker lanes only.
 */
struct mail_source {
    uint64_t size;
    ptrdiff_t (*read)(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault);
    void *ctx;
};

/* One that lies in memory whole; the view and what it looks at must stay. */
struct mail_source mail_source_of(const struct bytes *whole);

#endif

/*
 * buf - a growing buffer of octets with a mandatory maximum.
 *
 * Bytes are appended at the tail and consumed at the head. The maximum is named when the buffer is made,
 * so that nothing that a peer sends can grow it without bound. A buffer owns its storage.
 *
 * An append that would pass the maximum changes nothing, returns -1 and sets `full`; a writer of many
 * pieces may ignore the results and look at `full` once at the end. A machine without memory aborts:
 * what is asked for here is bounded and small.
 */
#ifndef MAILWEIR_BASE_BUF_H
#define MAILWEIR_BASE_BUF_H

#include <stdarg.h>

#include "base/bytes.h"
#include "base/must_use.h"

struct buf {
    uint8_t *storage;
    size_t size;  /* octets allocated */
    size_t start; /* where the unconsumed octets begin */
    size_t len;   /* unconsumed octets */
    size_t max;   /* len never passes it */
    bool full;    /* an append was refused since the last buf_clear() */
};

/* Nothing is allocated before the first append. */
void buf_init(struct buf *buf, size_t max);
/* Frees the storage; the buffer may be used again with the same maximum. */
void buf_done(struct buf *buf);
/* buf_done() for secrets: the storage is overwritten first. */
void buf_wipe(struct buf *buf);
/* Forgets the contents and `full`, keeps the storage. */
void buf_clear(struct buf *buf);

static inline struct bytes buf_bytes(const struct buf *buf)
{
    return (struct bytes){buf->storage == NULL ? NULL : buf->storage + buf->start, buf->len};
}

STICKS_TO_BUF int buf_append(struct buf *buf, const void *data, size_t len);
STICKS_TO_BUF int buf_append_bytes(struct buf *buf, struct bytes data);
STICKS_TO_BUF int buf_append_text(struct buf *buf, const char *text);
STICKS_TO_BUF int buf_append_octet(struct buf *buf, uint8_t octet);
STICKS_TO_BUF int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The at-th of `count` words of a list for people, who choose one: "a", then ", b", and " or c" as the last. */
STICKS_TO_BUF int buf_append_choice(struct buf *buf, size_t at, size_t count, const char *word);
/* All of them, of a table that has each as a member of its rows: `first` is that of the first row, the next ones follow
 * at each `row` octets. */
STICKS_TO_BUF int buf_append_choices(struct buf *buf, const char *const *first, size_t row, size_t count);
STICKS_TO_BUF int buf_vprintf(struct buf *buf, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Drops len octets at the head; len must not be more than buf->len. */
void buf_consume(struct buf *buf, size_t len);
/* Drops octets at the tail so that len are left; len must not be more than buf->len. */
void buf_truncate(struct buf *buf, size_t len);

/*
 * Room for writing in place: returns where at least `want` octets (or what the maximum leaves, in
 * *room_r) may be written; buf_commit() then makes `len` of them part of the buffer. *room_r is 0 and
 * the result NULL when the buffer is full.
 */
uint8_t *buf_reserve(struct buf *buf, size_t want, size_t *room_r);
void buf_commit(struct buf *buf, size_t len);

/* The contents as a C string: a NUL is put behind them (not counted). Octets may contain NUL before. */
const char *buf_text(struct buf *buf);

#endif

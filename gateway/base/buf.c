/*
 * buf - a growing buffer with a maximum; see buf.h.
 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_done(struct buf *buf)
{
    size_t max = buf->max;
    free(buf->storage);
    buf_init(buf, max);
}

void buf_wipe(struct buf *buf)
{
    if (buf->storage != NULL) {
        explicit_bzero(buf->storage, buf->size);
    }
    buf_done(buf);
}

void buf_clear(struct buf *buf)
{
    buf->start = 0;
    buf->len = 0;
    buf->full = false;
}

static void to_front(struct buf *buf)
{
    if (buf->start > 0 && buf->len > 0) {
        memmove(buf->storage, buf->storage + buf->start, buf->len);
    }
    buf->start = 0;
}

/* Makes room for `extra` octets behind the contents and for one NUL, which buf_text() needs. */
static void make_room(struct buf *buf, size_t extra)
{
    size_t need = buf->len + extra + 1;
    if (buf->start + need <= buf->size) {
        return;
    }
    /* Moving is cheaper than growing while at least half of the storage lies before the contents. */
    if (need <= buf->size && buf->start >= buf->size / 2) {
        to_front(buf);
        return;
    }
    to_front(buf);
    if (need <= buf->size) {
        return;
    }
    /* Doubled: however small the pieces are in which something comes, each octet is moved about once. */
    size_t size = buf->size == 0 ? 64 : buf->size;
    while (size < need) {
        size *= 2;
    }
    /* One more than the maximum: buf_text()'s NUL is not the writer's. */
    if (size > buf->max + 1) {
        size = buf->max + 1;
    }
    buf->storage = expect_memory(realloc(buf->storage, size));
    buf->size = size;
}

int buf_append(struct buf *buf, const void *data, size_t len)
{
    /* Subtracted, for a sum of lengths that peers choose could wrap around; len never passes max. */
    if (len > buf->max - buf->len) {
        buf->full = true;
        return -1;
    }
    if (len == 0) {
        return 0;
    }
    make_room(buf, len);
    memcpy(buf->storage + buf->start + buf->len, data, len);
    buf->len += len;
    return 0;
}

int buf_append_bytes(struct buf *buf, struct bytes data)
{
    return buf_append(buf, data.ptr, data.len);
}

int buf_append_text(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

int buf_append_octet(struct buf *buf, uint8_t octet)
{
    return buf_append(buf, &octet, 1);
}

int buf_append_choice(struct buf *buf, size_t at, size_t count, const char *word)
{
    return buf_printf(buf, "%s%s", at == 0 ? "" : at + 1 < count ? ", " : " or ", word);
}

int buf_append_choices(struct buf *buf, const char *const *first, size_t row, size_t count)
{
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        const char *word;
        memcpy(&word, (const char *)first + i * row, sizeof word);
        result = buf_append_choice(buf, i, count, word);
    }
    return result;
}

int buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0 || (size_t)len > buf->max - buf->len) {
        buf->full = true;
        return -1;
    }
    make_room(buf, (size_t)len);
    vsnprintf((char *)buf->storage + buf->start + buf->len, (size_t)len + 1, format, args);
    buf->len += (size_t)len;
    return 0;
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int result = buf_vprintf(buf, format, args);
    va_end(args);
    return result;
}

void buf_consume(struct buf *buf, size_t len)
{
    EXPECT(len <= buf->len);
    buf->start += len;
    buf->len -= len;
    if (buf->len == 0) {
        buf->start = 0;
    }
}

void buf_truncate(struct buf *buf, size_t len)
{
    EXPECT(len <= buf->len);
    buf->len = len;
}

uint8_t *buf_reserve(struct buf *buf, size_t want, size_t *room_r)
{
    size_t left = buf->max - buf->len;
    size_t room = want < left ? want : left;
    *room_r = room;
    if (room == 0) {
        return NULL;
    }
    make_room(buf, room);
    return buf->storage + buf->start + buf->len;
}

void buf_commit(struct buf *buf, size_t len)
{
    EXPECT(buf->start + buf->len + len < buf->size);
    buf->len += len;
}

const char *buf_text(struct buf *buf)
{
    make_room(buf, 0);
    buf->storage[buf->start + buf->len] = '\0';
    return (const char *)buf->storage + buf->start;
}

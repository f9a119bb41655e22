/*
 * arena - bump allocation in blocks; see arena.h. Large requests get a block of their own.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"

#define ARENA_BLOCK 4096
/* Octets that arena_clear() keeps at most. */
#define ARENA_KEEP_MAX ((size_t)256 << 10)

struct arena_block {
    struct arena_block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) uint8_t data[];
};

struct arena {
    struct arena_block *blocks; /* the one that is filled now stands first */
    size_t used;
    size_t max;
};

struct arena *arena_new(size_t max)
{
    struct arena *arena = expect_calloc(1, sizeof *arena);
    arena->max = max;
    return arena;
}

void arena_free(struct arena **arena)
{
    if (*arena == NULL) {
        return;
    }
    struct arena_block *block = (*arena)->blocks;
    while (block != NULL) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    free(*arena);
    *arena = NULL;
}

void arena_wipe(struct arena **arena)
{
    for (struct arena_block *block = *arena == NULL ? NULL : (*arena)->blocks; block != NULL; block = block->next) {
        explicit_bzero(block->data, block->used);
    }
    arena_free(arena);
}

static struct arena_block *block_new(size_t size)
{
    struct arena_block *block = expect_calloc(1, sizeof *block + size);
    block->size = size;
    return block;
}

void arena_clear(struct arena *arena)
{
    struct arena_block *front = arena->blocks;
    bool one = front != NULL && front->next == NULL;
    if (one && front->size <= ARENA_KEEP_MAX) {
        /* What an arena gives is zeroed, by calloc() the first time. */
        memset(front->data, 0, front->used);
        front->used = 0;
        arena->used = 0;
        return;
    }
    size_t total = 0;
    while (arena->blocks != NULL) {
        struct arena_block *next = arena->blocks->next;
        total += arena->blocks->size;
        free(arena->blocks);
        arena->blocks = next;
    }
    arena->used = 0;
    /* One block for what took several: the next message of the session is seldom much smaller than this one. */
    arena->blocks = total > 0 && total <= ARENA_KEEP_MAX ? block_new(total) : NULL;
}

/* A block with room for size octets, which is put in front, or behind the front when it is for one object only. */
static struct arena_block *block_for(struct arena *arena, size_t size)
{
    struct arena_block *front = arena->blocks;
    if (front != NULL && front->size - front->used >= size) {
        return front;
    }
    /* What is large goes behind the front: else each large request would throw away what is left there. */
    struct arena_block *block = block_new(size > ARENA_BLOCK / 4 ? size : ARENA_BLOCK);
    if (size > ARENA_BLOCK / 4 && front != NULL) {
        block->next = front->next;
        front->next = block;
    } else {
        block->next = front;
        arena->blocks = block;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    /* Also nothing has an address of its own: NULL means that the maximum is reached, and no two objects are one. */
    if (size == 0) {
        size = 1;
    }
    if (size > arena->max - arena->used) {
        return NULL;
    }
    arena->used += size;
    size_t aligned = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    struct arena_block *block = block_for(arena, aligned);
    void *memory = block->data + block->used;
    block->used += aligned;
    return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total; /* a division would take longer than all else here */
    return __builtin_mul_overflow(count, size, &total) || total > SIZE_MAX / 2 ? NULL : arena_alloc(arena, total);
}

char *arena_copy(struct arena *arena, struct bytes data)
{
    if (data.len == SIZE_MAX) {
        return NULL;
    }
    char *copy = arena_alloc(arena, data.len + 1);
    if (copy != NULL && data.len > 0) {
        memcpy(copy, data.ptr, data.len);
    }
    return copy;
}

char *arena_text(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_copy(arena, bytes_of(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text != NULL) {
        vsnprintf(text, (size_t)len + 1, format, args);
    }
    va_end(args);
    return text;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}

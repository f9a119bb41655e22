/*
 * arena - memory that is freed all at once: one transaction, one decision, one loaded rule set.
 *
 * Pointers stay valid until arena_free(). The maximum is the sum of what callers asked for; a request
 * above it gives NULL, so that what a peer sends cannot grow an arena without bound.
 */
#ifndef MAILWEIR_BASE_ARENA_H
#define MAILWEIR_BASE_ARENA_H

#include "base/bytes.h"
#include "base/must_use.h"

struct arena;

/* max: octets that may be handed out in all. */
MUST_USE struct arena *arena_new(size_t max);
/* Frees everything and sets *arena to NULL; NULL is fine. */
void arena_free(struct arena **arena);
/* The same, for what holds secrets: their octets do not stay behind in memory. */
void arena_wipe(struct arena **arena);

/*
 * Takes everything back, for the next use: what it took last time lies ready then, when it was not much. Cheaper than a
 * new arena where decisions follow each other.
 */
void arena_clear(struct arena *arena);

/* Zeroed memory, aligned for any object; NULL when the maximum would be passed. */
MUST_USE void *arena_alloc(struct arena *arena, size_t size);
/* count * size, with the product checked. */
MUST_USE void *arena_array(struct arena *arena, size_t count, size_t size);
/* A copy with a NUL behind it; NULL when the maximum would be passed. */
char *arena_copy(struct arena *arena, struct bytes data);
char *arena_text(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Octets handed out so far. */
size_t arena_used(const struct arena *arena);

#endif

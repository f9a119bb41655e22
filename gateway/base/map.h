/*
 * map - from octet strings to pointers: a hash table with open addressing.
 *
 * Keys are copied; values belong to the caller. The hash is seeded (SipHash-1-3), so that a peer who picks the
 * keys cannot make it slow; the seed is an argument, because this floor has no source of randomness.
 */
#ifndef MAILWEIR_BASE_MAP_H
#define MAILWEIR_BASE_MAP_H

#include "base/bytes.h"
#include "base/must_use.h"

struct map;

/* max: the most entries it will hold. seed: 16 octets, or NULL where keys come from operators only. */
MUST_USE struct map *map_new(size_t max, const uint8_t *seed);
/* Sets *map to NULL. free_value is called on each value when it is not NULL. */
void map_free(struct map **map, void (*free_value)(void *value));

/* The value, or NULL. */
void *map_get(const struct map *map, struct bytes key);
/* Sets or replaces; the value must not be NULL. -1 when the map is at its maximum, with nothing changed. */
MUST_USE int map_set(struct map *map, struct bytes key, void *value);
/* Takes the entry out and returns its value, or NULL. */
void *map_remove(struct map *map, struct bytes key);
size_t map_count(const struct map *map);

/*
 * Iterates in no particular order: start with *cursor = 0; returns false at the end. The map must not
 * be changed between calls. The key's view is valid until the entry is removed.
 */
MUST_USE bool map_next(const struct map *map, size_t *cursor, struct bytes *key_r, void **value_r);
/*
 * Removes the entry that map_next() has just given, the one change that may be made meanwhile; returns its value. The
 * others follow; one that was given already may be given again.
 */
void *map_remove_seen(struct map *map, size_t *cursor);

#endif

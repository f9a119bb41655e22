/*
 * filters_map - a key and its value, for lookup(): by the key itself, by the domain it belongs to, or by the network it
 * lies in. Immutable once filled, and shared by threads. Keys are compared without regard to case.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_MAP_H
#define MAILWEIR_FILTERS_FILTERS_MAP_H

#include "base/bytes.h"
#include "base/must_use.h"

#define FILTERS_MAP_MAX 1000000 /* entries */

enum filters_map_by {
    FILTERS_MAP_KEY,
    FILTERS_MAP_DOMAIN,  /* "example.com" is the key of that domain, of those below it and of addresses there; the
                            longest counts */
    FILTERS_MAP_NETWORK, /* the longest prefix counts */
};
extern const char *const filters_map_words[]; /* in the order of the enum, ended by NULL */

struct filters_map;
MUST_USE struct filters_map *filters_map_new(const char *name, enum filters_map_by by);
void filters_map_free(struct filters_map **map);
/* -1 when the key is none (of a network), stands there already, or the map is full: what is wrong is appended to error.
 */
struct buf;
MUST_USE int filters_map_add(struct filters_map *map, struct bytes key, struct bytes value, struct buf *error);
/* The value, or NULL. */
const char *filters_map_find(const struct filters_map *map, struct bytes key);

#endif

/*
 * map - open addressing with linear probing and backward-shift deletion; see map.h.
 */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"

struct map_slot {
    uint64_t hash;
    uint8_t *key; /* NULL: free */
    size_t key_len;
    void *value;
};

struct map {
    struct map_slot *slots;
    size_t size; /* a power of two, or 0 */
    size_t count;
    size_t max;
    uint64_t k0, k1;
};

struct map *map_new(size_t max, const uint8_t *seed)
{
    struct map *map = expect_calloc(1, sizeof *map);
    map->max = max;
    if (seed != NULL) {
        memcpy(&map->k0, seed, 8);
        memcpy(&map->k1, seed + 8, 8);
    }
    return map;
}

void map_free(struct map **map, void (*free_value)(void *value))
{
    if (*map == NULL) {
        return;
    }
    for (size_t i = 0; i < (*map)->size; i++) {
        struct map_slot *slot = &(*map)->slots[i];
        if (slot->key != NULL && free_value != NULL) {
            free_value(slot->value);
        }
        free(slot->key);
    }
    free((*map)->slots);
    free(*map);
    *map = NULL;
}

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
    v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"). */
static uint64_t hash_of(const struct map *map, struct bytes key)
{
    uint64_t v[4] = {map->k0 ^ 0x736f6d6570736575u, map->k1 ^ 0x646f72616e646f6du, map->k0 ^ 0x6c7967656e657261u,
                     map->k1 ^ 0x7465646279746573u};
    size_t whole = key.len / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word;
        memcpy(&word, key.ptr + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)key.len << 56;
    for (size_t i = whole; i < key.len; i++) {
        last |= (uint64_t)key.ptr[i] << (8 * (i - whole));
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot of the key, or the free slot where it would go. */
static struct map_slot *find_slot(const struct map *map, uint64_t hash, struct bytes key)
{
    size_t at = (size_t)hash & (map->size - 1);
    for (;; at = (at + 1) & (map->size - 1)) {
        struct map_slot *slot = &map->slots[at];
        if (slot->key == NULL || (slot->hash == hash && bytes_equal(bytes_at(slot->key, slot->key_len), key))) {
            return slot;
        }
    }
}

static void grow_slots(struct map *map)
{
    struct map_slot *old = map->slots;
    size_t old_size = map->size;
    map->size = old_size == 0 ? 16 : old_size * 2;
    map->slots = expect_calloc(map->size, sizeof *map->slots);
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].key != NULL) {
            *find_slot(map, old[i].hash, bytes_at(old[i].key, old[i].key_len)) = old[i];
        }
    }
    free(old);
}

void *map_get(const struct map *map, struct bytes key)
{
    if (map->size == 0) {
        return NULL;
    }
    return find_slot(map, hash_of(map, key), key)->value;
}

int map_set(struct map *map, struct bytes key, void *value)
{
    EXPECT(value != NULL);
    /* Fuller than that, the runs of a linear probe grow fast (as 1 / (1 - load)²). */
    if (map->count * 4 >= map->size * 3) {
        grow_slots(map);
    }
    uint64_t hash = hash_of(map, key);
    struct map_slot *slot = find_slot(map, hash, key);
    if (slot->key == NULL) {
        if (map->count >= map->max) {
            return -1;
        }
        slot->key = expect_memory(malloc(key.len + 1));
        if (key.len > 0) {
            memcpy(slot->key, key.ptr, key.len);
        }
        slot->key[key.len] = 0;
        slot->key_len = key.len;
        slot->hash = hash;
        map->count++;
    }
    slot->value = value;
    return 0;
}

/* Closes the gap at `gap`: later entries of the same run move up so that probing still finds them. */
static void close_gap(struct map *map, size_t gap)
{
    /* Entries move instead of leaving a mark: where sessions and ids come and go, marks would fill the table. */
    size_t mask = map->size - 1;
    for (size_t at = (gap + 1) & mask; map->slots[at].key != NULL; at = (at + 1) & mask) {
        size_t home = (size_t)map->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            map->slots[gap] = map->slots[at];
            gap = at;
        }
    }
    map->slots[gap] = (struct map_slot){0};
}

void *map_remove(struct map *map, struct bytes key)
{
    if (map->size == 0) {
        return NULL;
    }
    struct map_slot *slot = find_slot(map, hash_of(map, key), key);
    if (slot->key == NULL) {
        return NULL;
    }
    void *value = slot->value;
    free(slot->key);
    map->count--;
    close_gap(map, (size_t)(slot - map->slots));
    return value;
}

void *map_remove_seen(struct map *map, size_t *cursor)
{
    size_t at = --*cursor; /* once more: what follows may move up to here */
    EXPECT(at < map->size && map->slots[at].key != NULL);
    void *value = map->slots[at].value;
    free(map->slots[at].key);
    map->count--;
    close_gap(map, at);
    return value;
}

size_t map_count(const struct map *map)
{
    return map->count;
}

bool map_next(const struct map *map, size_t *cursor, struct bytes *key_r, void **value_r)
{
    while (*cursor < map->size) {
        const struct map_slot *slot = &map->slots[(*cursor)++];
        if (slot->key != NULL) {
            *key_r = bytes_at(slot->key, slot->key_len);
            *value_r = slot->value;
            return true;
        }
    }
    return false;
}

/*
 * filters_map - see filters_map.h.
 */
#include "filters/filters_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/expect.h"
#include "base/map.h"
#include "base/network.h"
#include "filters/filters_text.h"
#include "filters/filters_words.h"

#define KEY_MAX 4096

const char *const filters_map_words[] = {"key", "domain", "network", NULL};

struct filters_map {
    char *name;
    enum filters_map_by by;
    struct map *entries;
    uint8_t lengths[129]; /* of networks: whether there is one of that length */
};

struct filters_map *filters_map_new(const char *name, enum filters_map_by by)
{
    struct filters_map *map = expect_calloc(1, sizeof *map);
    map->name = expect_strdup(name);
    map->by = by;
    map->entries = map_new(FILTERS_MAP_MAX, NULL);
    return map;
}

void filters_map_free(struct filters_map **map)
{
    if (*map == NULL) {
        return;
    }
    map_free(&(*map)->entries, free);
    free((*map)->name);
    free(*map);
    *map = NULL;
}

static int network_key(struct filters_map *map, struct bytes text, struct buf *out)
{
    struct network network;
    if (network_parse(&network, text) < 0) {
        return -1;
    }
    uint8_t key[FILTERS_WORDS_NETWORK_KEY];
    filters_words_network_key(network.address, network.bits, key);
    map->lengths[network.bits] = 1;
    return buf_append(out, key, sizeof key);
}

/* As it is looked up: of a domain the name alone, however it was written. */
static int text_key(const struct filters_map *map, struct bytes text, struct buf *out)
{
    if (map->by == FILTERS_MAP_DOMAIN) {
        while (text.len > 0 && memchr("*@.", text.ptr[0], 3) != NULL) {
            text = bytes_from(text, 1);
        }
    }
    return filters_text_fold(text, out);
}

int filters_map_add(struct filters_map *map, struct bytes key, struct bytes value, struct buf *error)
{
    struct buf folded;
    buf_init(&folded, KEY_MAX);
    const char *wrong = NULL;
    char *copy = expect_calloc(1, value.len + 1);
    if (value.len > 0) {
        memcpy(copy, value.ptr, value.len);
    }
    if (map->by == FILTERS_MAP_NETWORK && network_key(map, key, &folded) < 0) {
        wrong = "is not a network such as \"10.0.0.0/8\" or one address";
    } else if (map->by != FILTERS_MAP_NETWORK && (text_key(map, key, &folded) < 0 || folded.len == 0)) {
        wrong = "cannot be a key: it is empty, or too long";
    } else if (map_get(map->entries, buf_bytes(&folded)) != NULL) {
        wrong = "is in the map twice";
    } else if (map_set(map->entries, buf_bytes(&folded), copy) < 0) {
        wrong = "is one entry too many";
    }
    buf_done(&folded);
    if (wrong != NULL) {
        buf_printf(error, "\"%.*s\" %s", (int)(key.len > 80 ? 80 : key.len), (const char *)key.ptr, wrong);
        free(copy);
        return -1;
    }
    return 0;
}

static const char *find_network(const struct filters_map *map, struct bytes address)
{
    uint8_t octets[16], key[FILTERS_WORDS_NETWORK_KEY];
    if (network_address_parse(octets, address) < 0) {
        return NULL;
    }
    for (unsigned bits = 129; bits-- > 0;) {
        if (map->lengths[bits] != 0) {
            filters_words_network_key(octets, bits, key);
            const char *value = map_get(map->entries, bytes_at(key, sizeof key));
            if (value != NULL) {
                return value;
            }
        }
    }
    return NULL;
}

static const char *find_domain(const struct filters_map *map, struct bytes domain)
{
    for (size_t at = domain.len; at > 0; at--) {
        if (domain.ptr[at - 1] == '@') {
            domain = bytes_from(domain, at);
            break;
        }
    }
    while (domain.len > 0) {
        const char *value = map_get(map->entries, domain);
        if (value != NULL) {
            return value;
        }
        bytes_cut(&domain, '.');
    }
    return NULL;
}

const char *filters_map_find(const struct filters_map *map, struct bytes key)
{
    if (map->by == FILTERS_MAP_NETWORK) {
        return find_network(map, key);
    }
    struct buf folded;
    buf_init(&folded, KEY_MAX);
    const char *value = NULL;
    if (filters_text_fold(key, &folded) == 0) {
        value = map->by == FILTERS_MAP_DOMAIN ? find_domain(map, buf_bytes(&folded))
                                              : map_get(map->entries, buf_bytes(&folded));
    }
    buf_done(&folded);
    return value;
}

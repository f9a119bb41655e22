/*
 * spool_held - the deliveries that are in somebody's hands, by key.
 *
 * A query on the read lane sees the index as it was when it began. A delivery that was given back meanwhile would look as if it
 * still waited, and go out twice; so its key stays, marked as gone, until every query that ran at that time has ended.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

struct entry {
    struct list link; /* in `gone` */
    uint64_t key;
    bool is_gone;
    uint64_t until; /* gone: the number of the last query that may see its old state */
};

struct spool_held {
    struct map *entries;
    struct list gone; /* in order of `until` */
    size_t held;
    uint64_t begun, ended; /* queries */
};

struct spool_held *spool_held_new(void)
{
    struct spool_held *held = expect_calloc(1, sizeof *held);
    held->entries = map_new(SIZE_MAX / 4, NULL);
    list_init(&held->gone);
    return held;
}

void spool_held_free(struct spool_held **held)
{
    if (*held != NULL) {
        map_free(&(*held)->entries, free);
        free(*held);
        *held = NULL;
    }
}

static struct entry *find(const struct spool_held *held, uint64_t key)
{
    return map_get(held->entries, bytes_at(&key, sizeof key));
}

void spool_held_add(struct spool_held *held, uint64_t key)
{
    struct entry *entry = find(held, key);
    EXPECT(entry == NULL || entry->is_gone);
    if (entry == NULL) {
        entry = expect_calloc(1, sizeof *entry);
        entry->key = key;
        list_init(&entry->link);
        EXPECT(map_set(held->entries, bytes_at(&key, sizeof key), entry) == 0);
    }
    list_remove(&entry->link);
    entry->is_gone = false;
    held->held++;
}

static void forget(struct spool_held *held, struct entry *entry)
{
    list_remove(&entry->link);
    map_remove(held->entries, bytes_at(&entry->key, sizeof entry->key));
    free(entry);
}

void spool_held_remove(struct spool_held *held, uint64_t key)
{
    struct entry *entry = find(held, key);
    EXPECT(entry != NULL && !entry->is_gone);
    held->held--;
    if (held->begun == held->ended) {
        forget(held, entry);
        return;
    }
    entry->is_gone = true;
    entry->until = held->begun;
    list_append(&held->gone, &entry->link);
}

bool spool_held_has(const struct spool_held *held, uint64_t key)
{
    return find(held, key) != NULL;
}

size_t spool_held_count(const struct spool_held *held)
{
    return held->held;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t *spool_held_keys(const struct spool_held *held, size_t *count_r)
{
    uint64_t *keys = expect_calloc(map_count(held->entries) + 1, sizeof *keys);
    size_t count = 0, cursor = 0;
    struct bytes key;
    void *value;
    while (map_next(held->entries, &cursor, &key, &value)) {
        keys[count++] = ((struct entry *)value)->key;
    }
    qsort(keys, count, sizeof *keys, compare);
    *count_r = count;
    return keys;
}

bool spool_held_among(const uint64_t *keys, size_t count, uint64_t key)
{
    return bsearch(&key, keys, count, sizeof key, compare) != NULL;
}

uint64_t *spool_held_begin(struct spool_held *held, size_t *count_r)
{
    held->begun++;
    return spool_held_keys(held, count_r);
}

void spool_held_end(struct spool_held *held)
{
    held->ended++;
    LIST_EACH(link, &held->gone)
    {
        struct entry *entry = LIST_ITEM(link, struct entry, link);
        if (entry->until > held->ended) {
            break;
        }
        forget(held, entry);
    }
}

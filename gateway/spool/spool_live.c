/*
 * spool_live - how many messages, and octets of records, live in each segment.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

struct entry {
    uint64_t segment, messages, octets;
};

struct spool_live {
    struct map *segments;
};

struct spool_live *spool_live_new(void)
{
    struct spool_live *live = expect_calloc(1, sizeof *live);
    live->segments = map_new(SIZE_MAX / 4, NULL);
    return live;
}

void spool_live_free(struct spool_live **live)
{
    if (*live != NULL) {
        map_free(&(*live)->segments, free);
        free(*live);
        *live = NULL;
    }
}

static struct entry *find(const struct spool_live *live, uint64_t segment)
{
    return map_get(live->segments, bytes_at(&segment, sizeof segment));
}

void spool_live_add(struct spool_live *live, uint64_t segment, uint64_t messages, uint64_t octets)
{
    struct entry *entry = find(live, segment);
    if (entry == NULL) {
        entry = expect_calloc(1, sizeof *entry);
        entry->segment = segment;
        EXPECT(map_set(live->segments, bytes_at(&segment, sizeof segment), entry) == 0);
    }
    entry->messages += messages;
    entry->octets += octets;
}

bool spool_live_remove(struct spool_live *live, uint64_t segment, uint64_t octets)
{
    struct entry *entry = find(live, segment);
    EXPECT(entry != NULL && entry->messages > 0 && entry->octets >= octets);
    entry->messages--;
    entry->octets -= octets;
    if (entry->messages > 0) {
        return false;
    }
    free(map_remove(live->segments, bytes_at(&segment, sizeof segment)));
    return true;
}

void spool_live_each(const struct spool_live *live, spool_segment_fn *fn, void *ctx)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (map_next(live->segments, &cursor, &key, &value)) {
        const struct entry *entry = value;
        fn(ctx, entry->segment, entry->messages, entry->octets);
    }
}

uint64_t spool_live_octets(const struct spool_live *live, uint64_t segment)
{
    const struct entry *entry = find(live, segment);
    return entry == NULL ? 0 : entry->octets;
}

uint64_t spool_live_messages(const struct spool_live *live, uint64_t segment)
{
    const struct entry *entry = find(live, segment);
    return entry == NULL ? 0 : entry->messages;
}

/*
 * local_live - how many messages, and octets of records, live in each segment.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "base/map.h"
#include "store/local/local_live.h"

struct entry {
    uint64_t segment, messages, octets;
};

struct local_live {
    struct map *segments;
};

struct local_live *local_live_new(void)
{
    struct local_live *live = expect_calloc(1, sizeof *live);
    live->segments = map_new(SIZE_MAX / 4, NULL);
    return live;
}

void local_live_free(struct local_live **live)
{
    if (*live != NULL) {
        map_free(&(*live)->segments, free);
        free(*live);
        *live = NULL;
    }
}

static struct entry *find_live(const struct local_live *live, uint64_t segment)
{
    return map_get(live->segments, bytes_at(&segment, sizeof segment));
}

void local_live_add(struct local_live *live, uint64_t segment, uint64_t messages, uint64_t octets)
{
    struct entry *entry = find_live(live, segment);
    if (entry == NULL) {
        entry = expect_calloc(1, sizeof *entry);
        entry->segment = segment;
        EXPECT(map_set(live->segments, bytes_at(&segment, sizeof segment), entry) == 0);
    }
    entry->messages += messages;
    entry->octets += octets;
}

bool local_live_remove(struct local_live *live, uint64_t segment, uint64_t octets)
{
    struct entry *entry = find_live(live, segment);
    EXPECT(entry != NULL && entry->messages > 0 && entry->octets >= octets);
    entry->messages--;
    entry->octets -= octets;
    if (entry->messages > 0) {
        return false;
    }
    free(map_remove(live->segments, bytes_at(&segment, sizeof segment)));
    return true;
}

void local_live_each(const struct local_live *live, local_segment_fn *fn, void *ctx)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (map_next(live->segments, &cursor, &key, &value)) {
        const struct entry *entry = value;
        fn(ctx, entry->segment, entry->messages, entry->octets);
    }
}

uint64_t local_live_octets(const struct local_live *live, uint64_t segment)
{
    const struct entry *entry = find_live(live, segment);
    return entry == NULL ? 0 : entry->octets;
}

uint64_t local_live_messages(const struct local_live *live, uint64_t segment)
{
    const struct entry *entry = find_live(live, segment);
    return entry == NULL ? 0 : entry->messages;
}

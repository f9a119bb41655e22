/*
 * local_reader - the lane "read": bodies out of segments, and the connection for queries.
 *
 * A few segments stay open, the one that was used longest ago gives way. A message may have been moved to another
 * segment since its place was learnt: when its segment is gone, the index is asked again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_reader.h"
#include "store/store_sum.h"

#define OPEN_SEGMENTS 16

struct open_segment {
    uint64_t id; /* 0: free */
    struct net_file *file;
    uint64_t used;
};

struct local_reader {
    char folder[LOCAL_PATH_MAX];
    struct local_index *index;
    struct open_segment open[OPEN_SEGMENTS];
    uint64_t clock;
};

struct local_reader *local_reader_new(const char *folder, struct local_index *index)
{
    struct local_reader *reader = expect_calloc(1, sizeof *reader);
    memcpy(reader->folder, folder, strlen(folder) + 1);
    reader->index = index;
    return reader;
}

static void give_up(struct open_segment *slot)
{
    disregard(net_file_close(&slot->file, NULL));
    *slot = (struct open_segment){0};
}

void local_reader_release(struct local_reader **reader)
{
    for (size_t i = 0; i < OPEN_SEGMENTS; i++) {
        give_up(&(*reader)->open[i]);
    }
    free(*reader);
    *reader = NULL;
}

void local_reader_free(struct local_reader **reader)
{
    if (*reader != NULL) {
        local_index_close(&(*reader)->index);
        local_reader_release(reader);
    }
}

struct local_index *local_reader_index(struct local_reader *reader)
{
    return reader->index;
}

/* The open segment, opened as needed; NULL with a fault. */
static struct net_file *open_segment(struct local_reader *reader, uint64_t id, struct fault *fault)
{
    struct open_segment *oldest = &reader->open[0];
    for (size_t i = 0; i < OPEN_SEGMENTS; i++) {
        struct open_segment *slot = &reader->open[i];
        if (slot->id == id) {
            slot->used = ++reader->clock;
            return slot->file;
        }
        if (slot->used < oldest->used) {
            oldest = slot;
        }
    }
    give_up(oldest);
    char path[LOCAL_PATH_MAX];
    local_segment_path(reader->folder, id, path);
    if (net_file_open(&oldest->file, path, NET_FILE_READ, fault) != 0) {
        return NULL;
    }
    oldest->id = id;
    oldest->used = ++reader->clock;
    return oldest->file;
}

/* The segment in which the message lies now. */
static struct net_file *find_segment(struct local_reader *reader, uint64_t message, struct store_place *place,
                                     struct fault *fault)
{
    struct fault first = FAULT_INIT;
    struct net_file *file = open_segment(reader, place->segment, &first);
    if (file != NULL) {
        return file;
    }
    struct store_place now;
    if (strcmp(first.code, "enoent") == 0 && local_index_place(reader->index, message, &now, fault) == 0 &&
        now.segment != 0 && now.segment != place->segment) {
        *place = now;
        return open_segment(reader, now.segment, fault);
    }
    const char *code = strcmp(first.code, "enoent") == 0 ? "damaged" : first.code;
    fault_set(fault, FAULT_LOCAL, code, first.where, "%s", first.text);
    return NULL;
}

/* Reads exactly len octets of the body; a file that ends before is damaged. */
static int read_whole(struct net_file *file, const struct store_place *place, uint64_t offset, void *into, size_t len,
                      struct fault *fault)
{
    ptrdiff_t got = net_file_read(file, place->start + LOCAL_RECORD_HEAD + offset, into, len, fault);
    if (got >= 0 && (size_t)got < len) {
        fault_set(fault, FAULT_LOCAL, "damaged", "spool", "segment %llu ends inside of a message",
                  (unsigned long long)place->segment);
    }
    return got == (ptrdiff_t)len ? 0 : -1;
}

static int compare_sum(const struct store_place *place, uint64_t sum, struct fault *fault)
{
    if (sum == place->body_sum) {
        return 0;
    }
    fault_set(fault, FAULT_LOCAL, "damaged", "spool",
              "the body in segment %llu at octet %llu does not match its checksum", (unsigned long long)place->segment,
              (unsigned long long)place->start);
    return -1;
}

static int check_body(struct net_file *file, const struct store_place *place, struct fault *fault)
{
    uint8_t *chunk = expect_calloc(1, STORE_CHUNK);
    struct store_sum *sum = store_sum_new();
    int result = 0;
    for (uint64_t at = 0; result == 0 && at < place->body_len; at += STORE_CHUNK) {
        uint64_t left = place->body_len - at;
        size_t len = left < STORE_CHUNK ? (size_t)left : STORE_CHUNK;
        result = read_whole(file, place, at, chunk, len, fault);
        store_sum_add(sum, bytes_at(chunk, result == 0 ? len : 0));
    }
    if (result == 0) {
        result = compare_sum(place, store_sum_value(sum), fault);
    }
    store_sum_free(&sum);
    free(chunk);
    return result;
}

ptrdiff_t local_reader_read(struct local_reader *reader, uint64_t message, struct store_place *place, bool *checked,
                            uint64_t offset, void *into, size_t len, struct fault *fault)
{
    struct net_file *file = find_segment(reader, message, place, fault);
    if (file == NULL) {
        return -1;
    }
    uint64_t left = offset < place->body_len ? place->body_len - offset : 0;
    size_t want = len < left ? len : (size_t)left;
    bool whole = offset == 0 && want == place->body_len;
    if (!*checked && !whole && check_body(file, place, fault) != 0) {
        return -1;
    }
    if (read_whole(file, place, offset, into, want, fault) != 0) {
        return -1;
    }
    if (!*checked && whole && compare_sum(place, store_sum_of(bytes_at(into, want)), fault) != 0) {
        return -1;
    }
    *checked = true;
    return (ptrdiff_t)want;
}

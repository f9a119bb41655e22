/*
 * local_segment - a file of records, named by its number: "<16 hexadecimal digits>.seg". Numbers only grow and are
 * never used again, because a file whose removal was not yet durable may come back after a power cut.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_segment.h"

#define SUFFIX ".seg"
#define DIGITS 16

void local_segment_path(const char *folder, uint64_t id, char out[LOCAL_PATH_MAX])
{
    snprintf(out, LOCAL_PATH_MAX, "%s/%016" PRIx64 SUFFIX, folder, id);
}

uint64_t local_segment_id(const char *name)
{
    uint64_t id = 0;
    if (strlen(name) != DIGITS + strlen(SUFFIX) || strcmp(name + DIGITS, SUFFIX) != 0) {
        return 0;
    }
    for (size_t i = 0; i < DIGITS; i++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, name[i]);
        if (digit == NULL) {
            return 0;
        }
        id = id << 4 | (uint64_t)(digit - digits);
    }
    return id;
}

int local_segment_create(struct local_segment **segment_r, const char *folder, uint64_t id, struct fault *fault)
{
    char path[LOCAL_PATH_MAX];
    struct net_file *file;
    local_segment_path(folder, id, path);
    if (net_file_open(&file, path, NET_FILE_CREATE, fault) != 0) {
        return -1;
    }
    struct local_segment *segment = expect_calloc(1, sizeof *segment);
    *segment = (struct local_segment){.id = id, .file = file, .fresh = true};
    list_init(&segment->link);
    *segment_r = segment;
    return 0;
}

int local_segment_append(struct local_segment *segment, const struct bytes *pieces, size_t count, struct fault *fault)
{
    if (net_file_write(segment->file, segment->tail, pieces, count, fault) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        segment->tail += pieces[i].len;
    }
    return 0;
}

int local_segment_read_end(struct net_file *file, uint64_t at, struct local_record *record, struct fault *fault)
{
    uint8_t end[LOCAL_RECORD_END];
    if (record->end_len == 0) {
        return 0;
    }
    uint64_t from = at + local_record_size(record) - record->end_len;
    ptrdiff_t got = net_file_read(file, from, end, sizeof end, fault);
    return local_record_decode_end(bytes_at(end, got < 0 ? 0 : (size_t)got), record);
}

void local_segment_close(struct local_segment **segment)
{
    if (*segment == NULL) {
        return;
    }
    list_remove(&(*segment)->link);
    /* All that matters was synced before; what a close could still report is about octets that nobody was promised. */
    disregard(net_file_close(&(*segment)->file, NULL));
    free(*segment);
    *segment = NULL;
}

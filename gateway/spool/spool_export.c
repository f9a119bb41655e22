/*
 * spool_export - see spool_export.h.
 */
#include "spool/spool_export.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"

int spool_export_open(struct spool_index **index_r, const char *path, struct fault *fault)
{
    char file[SPOOL_PATH_MAX];
    snprintf(file, sizeof file, "%s/index.sqlite", path);
    return spool_index_open(index_r, file, net_file_sqlite_vfs(), SPOOL_INDEX_READ, fault);
}

static int give_pieces(struct spool_reader *reader, uint64_t message, struct spool_place *place,
                       int (*fn)(void *ctx, struct bytes piece), void *ctx, struct fault *fault)
{
    uint8_t *chunk = expect_calloc(1, SPOOL_CHUNK);
    bool checked = false;
    int result = 0;
    for (uint64_t at = 0; result == 0 && at < place->body_len;) {
        ptrdiff_t got = spool_reader_read(reader, message, place, &checked, at, chunk, SPOOL_CHUNK, fault);
        if (got < 0 || fn(ctx, bytes_at(chunk, (size_t)got)) != 0) {
            result = got < 0 ? -1 : 1;
        }
        at += got > 0 ? (uint64_t)got : 0;
    }
    free(chunk);
    return result < 0 ? -1 : 0;
}

int spool_export_body(const char *path, struct spool_index *index, uint64_t message,
                      int (*fn)(void *ctx, struct bytes piece), void *ctx, struct fault *fault)
{
    char folder[SPOOL_PATH_MAX];
    struct spool_place place;
    if (spool_index_place(index, message, &place, fault) != 0) {
        return -1;
    }
    if (place.segment == 0) {
        fault_set(fault, FAULT_PERM, "settled", "spool", "the message is settled; its body is not kept");
        return -1;
    }
    snprintf(folder, sizeof folder, "%s/segments", path);
    struct spool_reader *reader = spool_reader_new(folder, index);
    int result = give_pieces(reader, message, &place, fn, ctx, fault);
    spool_reader_release(&reader);
    return result;
}

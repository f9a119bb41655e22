/*
 * local_upload - a large body on its way into a segment of its own.
 *
 * Room for the record's head is left in front; it is written behind everything else, so a segment whose message was
 * never added has no valid record.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "store/local/local_private.h"

struct store_upload {
    struct local_segment *segment; /* NULL until the first octets */
    struct store_sum *sum;
    struct fault fault; /* the first; nothing is written after it */
};

struct store_upload *local_upload(struct store *store)
{
    (void)store;
    struct store_upload *upload = expect_calloc(1, sizeof *upload);
    upload->sum = store_sum_new();
    return upload;
}

static int need_segment(struct local *local, struct store_upload *upload)
{
    if (upload->segment != NULL) {
        return 0;
    }
    if (local_segment_create(&upload->segment, local->folder, local->next_segment, &upload->fault) != 0) {
        return -1;
    }
    local->next_segment++;
    upload->segment->tail = LOCAL_RECORD_HEAD;
    return 0;
}

static int append_body(struct local *local, struct store_upload *upload, struct bytes data)
{
    if (fault_is_set(&upload->fault) || need_segment(local, upload) != 0 ||
        local_segment_append(upload->segment, &data, 1, &upload->fault) != 0) {
        return -1;
    }
    store_sum_add(upload->sum, data);
    return 0;
}

int local_upload_write(struct store *store, struct store_upload *upload, struct bytes data, struct fault *fault)
{
    if (append_body(local_of(store), upload, data) != 0) {
        *fault = upload->fault;
        return -1;
    }
    return 0;
}

ptrdiff_t local_upload_read(struct store_upload *upload, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    if (fault_is_set(&upload->fault)) {
        *fault = upload->fault;
        return -1;
    }
    uint64_t size = upload->segment == NULL ? 0 : upload->segment->tail - LOCAL_RECORD_HEAD;
    uint64_t left = offset < size ? size - offset : 0;
    if (left == 0) {
        return 0;
    }
    return net_file_read(upload->segment->file, LOCAL_RECORD_HEAD + offset, into, len < left ? len : (size_t)left,
                         fault);
}

int local_upload_complete(struct local *local, struct store_upload *upload, struct bytes rest, struct bytes meta,
                          struct local_record *record_r, struct fault *fault)
{
    if (append_body(local, upload, rest) != 0) {
        *fault = upload->fault;
        return -1;
    }
    struct local_record record = {
        .body_len = upload->segment->tail - LOCAL_RECORD_HEAD,
        .meta_len = (uint32_t)meta.len,
        .body_sum = store_sum_value(upload->sum),
        .meta_sum = store_sum_of(meta),
    };
    uint8_t head[LOCAL_RECORD_HEAD], end[LOCAL_RECORD_END];
    local_batch_number(local, &record);
    local_record_encode(&record, (struct local_spot){upload->segment->id, 0}, head, end);
    const struct bytes behind[2] = {meta, bytes_at(end, sizeof end)};
    if (local_segment_append(upload->segment, behind, 2, fault) != 0 ||
        net_file_write(upload->segment->file, 0, &(struct bytes){head, sizeof head}, 1, fault) != 0) {
        return -1;
    }
    *record_r = record;
    return 0;
}

struct local_segment *local_upload_segment(struct store_upload *upload)
{
    return upload->segment;
}

void local_upload_keep(struct store_upload **upload)
{
    local_segment_close(&(*upload)->segment);
    store_sum_free(&(*upload)->sum);
    free(*upload);
    *upload = NULL;
}

void local_upload_free(struct store *store, struct store_upload **upload, bool leave)
{
    if (*upload == NULL) {
        return;
    }
    if ((*upload)->segment != NULL && !leave) {
        char path[LOCAL_PATH_MAX];
        local_segment_path(local_of(store)->folder, (*upload)->segment->id, path);
        /* What cannot be removed now has no valid record and goes at the next start. */
        disregard(net_file_remove(path, NULL));
    }
    local_upload_keep(upload);
}

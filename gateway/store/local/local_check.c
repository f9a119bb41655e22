/*
 * local_check - compares the records with the index, a batch of messages at a time, so that no long transaction of ours
 * keeps the log of a running gateway from beginning anew. See local_check.h.
 */
#include "store/local/local_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_index_private.h"
#include "store/local/local_private.h"
#include "store/local/local_reader.h"
#include "store/store_meta.h"
#include "store/store_sum.h"

#define BATCH 1000

struct entry {
    uint64_t message;
    char id[40];
};

struct check {
    const char *path;
    char folder[LOCAL_PATH_MAX];
    struct local_index *index;
    local_check_fn *report;
    void *ctx;
    struct local_check_result result;
};

/* ---- the index itself ---- */

static int check_index(struct check *check, struct fault *fault)
{
    sqlite3 *db = local_index_db(check->index);
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(db, "PRAGMA quick_check(10)", -1, &st, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(st, 0);
        code = SQLITE_OK;
        if (text != NULL && strcmp(text, "ok") != 0) {
            struct fault found = FAULT_INIT;
            fault_set(&found, FAULT_LOCAL, "damaged", "index", "the index: %s", text);
            check->report(check->ctx, NULL, &found);
            check->result.damaged++;
        }
    }
    sqlite3_finalize(st);
    return code == SQLITE_DONE ? 0 : local_sql_failed(db, code, fault);
}

/* Messages above `after` that are not settled. */
static int next_batch(struct check *check, uint64_t after, struct entry entries[BATCH], size_t *count_r,
                      struct fault *fault)
{
    sqlite3 *db = local_index_db(check->index);
    sqlite3_stmt *st = NULL;
    size_t count = 0;
    int code = sqlite3_prepare_v2(db, "SELECT seq, id FROM message WHERE open > 0 AND seq > ?1 ORDER BY seq LIMIT ?2",
                                  -1, &st, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_int64(st, 1, (sqlite3_int64)after);
        sqlite3_bind_int(st, 2, BATCH);
        while ((code = sqlite3_step(st)) == SQLITE_ROW) {
            entries[count].message = (uint64_t)sqlite3_column_int64(st, 0);
            snprintf(entries[count++].id, sizeof entries[0].id, "%s", (const char *)sqlite3_column_text(st, 1));
        }
    }
    sqlite3_finalize(st);
    if (code != SQLITE_DONE) {
        return local_sql_failed(db, code, fault);
    }
    *count_r = count;
    return 0;
}

/* ---- one record ---- */

static int differs(const struct store_place *place, const char *what, struct fault *fault)
{
    fault_set(fault, FAULT_LOCAL, "damaged", "spool", "%s in segment %016llx at octet %llu", what,
              (unsigned long long)place->segment, (unsigned long long)place->start);
    return -1;
}

/* It may be the envelope of another message with the same body: that of a sender who brought it again, when the first
 * one's was gone (ADD_MESSAGE, adopted). Its place, length and sums are in the head, and that was held against the
 * index. */
static int check_meta(struct net_file *file, const struct store_place *place, const struct local_record *record,
                      struct fault *fault)
{
    uint8_t *meta = expect_calloc(1, (size_t)record->meta_len + 1);
    struct arena *arena = arena_new(STORE_ITEM_MAX);
    struct mail_envelope envelope;
    struct mail_delivery *deliveries;
    size_t count;
    struct bytes text = bytes_at(meta, record->meta_len);
    ptrdiff_t got =
        net_file_read(file, place->start + LOCAL_RECORD_HEAD + record->body_len, meta, record->meta_len, fault);
    int result = got < 0 ? -1 : 0;
    if (result == 0 && ((size_t)got != text.len || store_sum_of(text) != record->meta_sum)) {
        result = differs(place, "the envelope does not match its checksum", fault);
    }
    if (result == 0) {
        result = store_meta_read(text, arena, &envelope, &deliveries, &count, fault);
    }
    arena_free(&arena);
    free(meta);
    return result;
}

static int check_head(const char *folder, const struct store_place *place, struct fault *fault)
{
    char path[LOCAL_PATH_MAX];
    uint8_t head[LOCAL_RECORD_HEAD];
    struct net_file *file = NULL;
    struct local_record record;
    local_segment_path(folder, place->segment, path);
    if (net_file_open(&file, path, NET_FILE_READ, fault) != 0) {
        return -1;
    }
    int result = net_file_read(file, place->start, head, sizeof head, fault) < 0 ? -1 : 0;
    if (result == 0 && (local_record_decode(bytes_at(head, sizeof head),
                                            (struct local_spot){place->segment, place->start}, &record) != 1 ||
                        record.body_len != place->body_len || record.body_sum != place->body_sum ||
                        local_record_size(&record) != place->record_len)) {
        result = differs(place, "there is no such record", fault);
    }
    if (result == 0 && local_segment_read_end(file, place->start, &record, fault) != 0) {
        /* A read that failed has said so: it is no damage. */
        result = differs(place, "the end of the record does not match its checksum", fault);
    }
    if (result == 0) {
        result = check_meta(file, place, &record, fault);
    }
    disregard(net_file_close(&file, NULL));
    return result;
}

struct subject {
    struct local_index *index;
    const char *folder;
    uint64_t message;
};

/* Reads the whole body, which compares its checksum. */
static int check_body(const struct subject *subject, struct store_place place, struct fault *fault)
{
    struct local_reader *reader = local_reader_new(subject->folder, subject->index);
    uint8_t octet;
    bool checked = false;
    ptrdiff_t got = local_reader_read(reader, subject->message, &place, &checked, 0, &octet, sizeof octet, fault);
    local_reader_release(&reader);
    return got < 0 ? -1 : 0;
}

static int check_at(const struct subject *subject, const struct store_place *place, struct fault *fault)
{
    return check_head(subject->folder, place, fault) != 0 || check_body(subject, *place, fault) != 0 ? -1 : 0;
}

int local_check_record(struct local_index *index, const char *folder, uint64_t message, uint64_t *octets_r,
                       struct fault *fault)
{
    const struct subject subject = {index, folder, message};
    struct fault found = FAULT_INIT, ignored = FAULT_INIT;
    struct store_place place = {0}, now = {0};
    *octets_r = 0;
    if (local_index_place(index, message, &place, fault) != 0) {
        return -1;
    }
    if (place.segment == 0) {
        return 0; /* settled meanwhile */
    }
    int result = check_at(&subject, &place, &found);
    /* Beside a running gateway it may have been settled or moved while we looked. */
    if (result != 0 && local_index_place(index, message, &now, &ignored) == 0 &&
        (now.segment != place.segment || now.start != place.start)) {
        found = FAULT_INIT;
        result = now.segment == 0 ? 0 : check_at(&subject, &now, &found);
    }
    if (result == 0) {
        *octets_r = place.body_len;
    } else {
        *fault = found;
    }
    return result;
}

static void check_message(struct check *check, const struct entry *entry)
{
    struct fault found = FAULT_INIT, ignored = FAULT_INIT;
    struct store_place place = {0};
    uint64_t octets = 0;
    if (local_index_place(check->index, entry->message, &place, &ignored) == 0 && place.segment == 0) {
        return; /* settled meanwhile */
    }
    check->result.messages++;
    if (local_check_record(check->index, check->folder, entry->message, &octets, &found) != 0) {
        check->result.damaged++;
        check->report(check->ctx, entry->id, &found);
    }
    check->result.octets += octets;
}

static int open_index(struct local_index **index_r, const char *path, struct fault *fault)
{
    char file[LOCAL_PATH_MAX];
    snprintf(file, sizeof file, "%s/index.sqlite", path);
    return local_index_open(index_r, file, net_file_sqlite_vfs(), LOCAL_INDEX_READ, fault);
}

int local_check(const char *path, local_check_fn *report, local_check_progress_fn *progress, void *ctx,
                struct local_check_result *result_r, struct fault *fault)
{
    struct check check = {.path = path, .report = report, .ctx = ctx};
    struct entry *entries = expect_calloc(BATCH, sizeof *entries);
    size_t count = 0;
    uint64_t after = 0;
    struct local_index_counts counts = {0};
    snprintf(check.folder, sizeof check.folder, "%s/segments", path);
    int result = open_index(&check.index, path, fault);
    if (result == 0) {
        result = check_index(&check, fault);
    }
    if (result == 0 && progress != NULL) {
        result = local_index_count(check.index, &counts, fault);
    }
    while (result == 0 && (result = next_batch(&check, after, entries, &count, fault)) == 0 && count > 0) {
        for (size_t i = 0; i < count; i++) {
            check_message(&check, &entries[i]);
            if (progress != NULL) {
                progress(ctx, check.result.messages, counts.messages);
            }
        }
        after = entries[count - 1].message;
    }
    free(entries);
    local_index_close(&check.index);
    if (result == 0) {
        *result_r = check.result;
    }
    return result;
}

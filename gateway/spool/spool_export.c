/*
 * spool_export - see spool_export.h.
 */
#include "spool/spool_export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_private.h"
#include "store/local/local_index_private.h"

int spool_export_open(struct local_index **index_r, const char *path, struct fault *fault)
{
    char file[LOCAL_PATH_MAX];
    snprintf(file, sizeof file, "%s/index.sqlite", path);
    return local_index_open(index_r, file, net_file_sqlite_vfs(), LOCAL_INDEX_READ, fault);
}

struct spool_source {
    struct local_reader *reader;
    uint64_t message;
    struct local_place place;
    bool checked;
    struct mail_source source;
};

static ptrdiff_t read_source(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    struct spool_source *source = ctx;
    return local_reader_read(source->reader, source->message, &source->place, &source->checked, offset, into, len,
                             fault);
}

struct spool_source *spool_source_open(const char *path, struct local_index *index, uint64_t message,
                                       struct fault *fault)
{
    char folder[LOCAL_PATH_MAX];
    struct local_place place;
    if (local_index_place(index, message, &place, fault) != 0) {
        return NULL;
    }
    if (place.segment == 0) {
        fault_set(fault, FAULT_PERM, "settled", "spool", "the message is settled; its body is not kept");
        return NULL;
    }
    snprintf(folder, sizeof folder, "%s/segments", path);
    struct spool_source *source = expect_calloc(1, sizeof *source);
    *source = (struct spool_source){
        .reader = local_reader_new(folder, index),
        .message = message,
        .place = place,
        .source = {.size = place.body_len, .read = read_source, .ctx = source},
    };
    return source;
}

const struct mail_source *spool_source_of(const struct spool_source *source)
{
    return &source->source;
}

void spool_source_free(struct spool_source **source)
{
    if (*source != NULL) {
        local_reader_release(&(*source)->reader);
        free(*source);
        *source = NULL;
    }
}

int spool_export_body(const char *path, struct local_index *index, uint64_t message,
                      int (*fn)(void *ctx, struct bytes piece), void *ctx, struct fault *fault)
{
    struct spool_source *body = spool_source_open(path, index, message, fault);
    if (body == NULL) {
        return -1;
    }
    uint8_t *chunk = expect_calloc(1, STORE_CHUNK);
    int result = 0;
    for (uint64_t at = 0; result == 0 && at < body->source.size;) {
        ptrdiff_t got = read_source(body, at, chunk, STORE_CHUNK, fault);
        if (got < 0 || fn(ctx, bytes_at(chunk, (size_t)got)) != 0) {
            result = got < 0 ? -1 : 1;
        }
        at += got > 0 ? (uint64_t)got : 0;
    }
    free(chunk);
    spool_source_free(&body);
    return result < 0 ? -1 : 0;
}
/* ---- what is known beside the body ---- */

static json_t *read_json(sqlite3_stmt *st, int column)
{
    const char *text = (const char *)sqlite3_column_text(st, column);
    return text == NULL ? NULL : json_loads(text, 0, NULL);
}

static int read_deliveries(struct local_index *index, uint64_t message, json_t *list, struct fault *fault)
{
    sqlite3 *db = local_index_db(index);
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(
        db,
        "SELECT detail, state, uncertain OR handed <> 0, doubt FROM delivery WHERE message = ?1 AND state IN (0, 1, 2)"
        " ORDER BY number",
        -1, &st, NULL);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)message);
    while (code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        json_t *detail = read_json(st, 0);
        json_object_del(detail, "held");
        if (sqlite3_column_int(st, 1) == STORE_STATE_HELD) {
            json_object_set_new(detail, "held", json_true());
        }
        json_object_del(detail, "doubt");
        const char *doubt = (const char *)sqlite3_column_text(st, 3);
        if (sqlite3_column_int(st, 2) && doubt[0] != '\0') {
            json_object_set_new(detail, "doubt", json_string(doubt));
        }
        json_array_append_new(list, detail);
        code = SQLITE_OK;
    }
    sqlite3_finalize(st);
    return code == SQLITE_DONE ? 0 : local_index_failed(db, code, fault);
}

int spool_export_facts(struct local_index *index, uint64_t message, json_t **facts_r, struct fault *fault)
{
    sqlite3 *db = local_index_db(index);
    sqlite3_stmt *st = NULL;
    json_t *facts = NULL, *deliveries = json_array();
    int code = sqlite3_prepare_v2(db, "SELECT envelope, body_len, body_sum FROM message WHERE seq = ?1", -1, &st, NULL);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)message);
    if (code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        char sum[17];
        snprintf(sum, sizeof sum, "%016" PRIx64, (uint64_t)sqlite3_column_int64(st, 2));
        facts = json_pack("{s:o*, s:O, s:I, s:s}", "envelope", read_json(st, 0), "deliveries", deliveries, "size",
                          (json_int_t)sqlite3_column_int64(st, 1), "sum", sum);
        code = SQLITE_DONE;
    }
    sqlite3_finalize(st);
    int result = code == SQLITE_DONE ? 0 : local_index_failed(db, code, fault);
    if (result == 0 && facts != NULL) {
        result = read_deliveries(index, message, deliveries, fault);
    }
    json_decref(deliveries);
    if (result != 0) {
        json_decref(facts);
        return -1;
    }
    *facts_r = facts;
    return 0;
}

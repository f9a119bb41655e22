/*
 * spool_import - see spool_import.h. The files are read on the read lane, one message after the other; their commits
 * may overlap.
 */
#include "spool/spool_import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "net/net_file.h"
#include "spool/spool_private.h"
#include "store/store_meta.h"
#include "store/store_sum.h"

#define PATH_LEN 4200

struct import {
    struct spool *spool;
    const json_t *messages;
    json_t *results;
    size_t next;       /* message to begin */
    size_t answers;    /* commits under way */
    bool reading_done; /* all messages were begun */
    uint64_t added, known;
    /* The message that is being read. */
    struct arena *arena;
    struct mail_envelope envelope;
    struct mail_delivery *deliveries;
    size_t count;
    uint64_t size, offset;
    struct store_sum *sum;
    struct spool_stage *stage;
    struct net_file *file;
    uint8_t *chunk;
    size_t got;
    bool stopped; /* the stage waits for the disk */
    struct fault fault;
    spool_import_fn *done;
    void *ctx;
};

/* A commit under way. */
struct answer {
    struct import *import;
    size_t number;
};

void spool_import_path(const char *spool, const char *id, char *out, size_t size)
{
    snprintf(out, size, "%s/import%s%s", spool, id == NULL ? "" : "/", id == NULL ? "" : id);
}

/* ---- answers ---- */

static void note_result(struct import *import, size_t number, const char *result)
{
    json_array_set_new(import->results, number, json_string(result));
}

static void end_import(struct import *import)
{
    if (!import->reading_done || import->answers > 0) {
        return;
    }
    json_t *reply = json_pack("{s:I, s:I, s:O}", "changed", (json_int_t)import->added, "known",
                              (json_int_t)import->known, "results", import->results);
    import->done(import->ctx, reply);
    json_decref(reply);
    json_decref(import->results);
    free(import->chunk);
    free(import);
}

static void on_committed(void *ctx, const struct fault *fault)
{
    struct answer *answer = ctx;
    struct import *import = answer->import;
    bool known = fault != NULL && strcmp(fault->code, "known") == 0;
    import->added += fault == NULL;
    import->known += known;
    note_result(import, answer->number, fault == NULL ? "added" : known ? "known" : fault->text);
    import->answers--;
    free(answer);
    end_import(import);
}

/* ---- one message ---- */

static void begin_next(void *ctx);

static void do_nothing(void *ctx)
{
    (void)ctx;
}

/* The spool closes: what was not begun is left. */
static void stop_import(struct import *import)
{
    for (; import->next < json_array_size(import->messages); import->next++) {
        note_result(import, import->next, "the gateway is shutting down; import the message again");
    }
    import->reading_done = true;
    end_import(import);
}

/* Lets go of the message; goes on with the next one. */
static void leave_message(struct import *import)
{
    if (fault_is_set(&import->fault)) {
        note_result(import, import->next, import->fault.text);
    }
    spool_stage_free(&import->stage);
    store_sum_free(&import->sum);
    disregard(net_file_close(&import->file, NULL));
    arena_free(&import->arena);
    import->next++;
    if (import->spool->closing) {
        stop_import(import);
    } else {
        net_lane_submit(import->spool->read, do_nothing, begin_next, import);
    }
}

static void commit_import(struct import *import)
{
    struct answer *answer = expect_calloc(1, sizeof *answer);
    *answer = (struct answer){import, import->next};
    import->answers++;
    spool_stage_unique(import->stage, true);
    spool_commit(&import->stage, &import->envelope, import->deliveries, import->count, on_committed, answer);
    leave_message(import);
}

static void read_piece(void *ctx)
{
    struct import *import = ctx;
    ptrdiff_t got = net_file_read(import->file, import->offset, import->chunk, STORE_CHUNK, &import->fault);
    import->got = got < 0 ? 0 : (size_t)got;
}

static void on_piece(void *ctx);

static void read_on(struct import *import)
{
    if (import->spool->closing) {
        fault_set(&import->fault, FAULT_LOCAL, "shutdown", "import",
                  "the gateway is shutting down; import the message again");
        leave_message(import);
    } else {
        net_lane_submit(import->spool->read, read_piece, on_piece, import);
    }
}

static void check_whole(struct import *import)
{
    const json_t *message = json_array_get(import->messages, import->next);
    char sum[17];
    snprintf(sum, sizeof sum, "%016" PRIx64, store_sum_value(import->sum));
    const char *wanted = json_string_value(json_object_get(message, "sum"));
    if (import->offset != import->size || wanted == NULL || strcmp(sum, wanted) != 0) {
        fault_set(&import->fault, FAULT_LOCAL, "damaged", "import",
                  "the file is not the one that was to be imported: its size or checksum differs");
        leave_message(import);
        return;
    }
    commit_import(import);
}

static void on_piece(void *ctx)
{
    struct import *import = ctx;
    struct bytes piece = bytes_at(import->chunk, import->got);
    import->offset += piece.len;
    if (fault_is_set(&import->fault)) {
        leave_message(import);
        return;
    }
    if (piece.len == 0) {
        check_whole(import);
        return;
    }
    store_sum_add(import->sum, piece);
    int result = spool_stage_write(import->stage, piece);
    import->stopped = result > 0;
    if (result < 0) {
        import->fault = *spool_stage_fault(import->stage);
        leave_message(import);
    } else if (result == 0) {
        read_on(import);
    }
}

static void on_writable(void *ctx)
{
    struct import *import = ctx;
    if (import->stopped) {
        import->stopped = false;
        read_on(import);
    }
}

/* An id as we make them: it names a file. */
static bool is_id(const char *id)
{
    return strlen(id) == UNITS_ID_LEN && strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == UNITS_ID_LEN;
}

static int read_facts(struct import *import, const json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    int result = store_meta_read(bytes_of(text), import->arena, &import->envelope, &import->deliveries, &import->count,
                                 &import->fault);
    free(text);
    import->size = (uint64_t)json_integer_value(json_object_get(message, "size"));
    if (result == 0 && (!is_id(import->envelope.id) || import->count == 0 || import->count > STORE_DELIVERIES_MAX)) {
        fault_set(&import->fault, FAULT_PERM, "usage", "import", "the message has no valid id, or no delivery");
        result = -1;
    }
    return result;
}

static int begin_import(struct import *import)
{
    char path[PATH_LEN];
    import->fault = FAULT_INIT;
    import->offset = 0;
    import->arena = arena_new(STORE_ITEM_MAX);
    import->sum = store_sum_new();
    if (read_facts(import, json_array_get(import->messages, import->next)) != 0 ||
        spool_can_accept(import->spool, import->size, &import->fault) != 0) {
        return -1;
    }
    spool_import_path(import->spool->options.path, import->envelope.id, path, sizeof path);
    if (net_file_open(&import->file, path, NET_FILE_READ, &import->fault) != 0) {
        return -1;
    }
    import->stage = spool_stage_new(import->spool, on_writable, import);
    return 0;
}

static void begin_next(void *ctx)
{
    struct import *import = ctx;
    if (import->spool->closing || import->next == json_array_size(import->messages)) {
        stop_import(import);
    } else if (begin_import(import) != 0) {
        leave_message(import);
    } else {
        read_on(import);
    }
}

int spool_import(struct spool *spool, const json_t *request, spool_import_fn *done, void *ctx, struct fault *fault)
{
    NET_EXPECT_LOOP(spool->loop);
    const json_t *messages = json_object_get(request, "messages");
    if (!json_is_array(messages)) {
        fault_set(fault, FAULT_PERM, "usage", "import", "the request names no messages");
        return -1;
    }
    struct import *import = expect_calloc(1, sizeof *import);
    *import = (struct import){.spool = spool, .messages = messages, .done = done, .ctx = ctx};
    import->chunk = expect_calloc(1, STORE_CHUNK);
    import->results = json_array();
    for (size_t i = 0; i < json_array_size(messages); i++) {
        json_array_append_new(import->results, json_string(""));
    }
    net_lane_submit(spool->read, do_nothing, begin_next, import);
    return 0;
}

/*
 * local_rebuild - reads every segment from its beginning and writes what it finds into a new index, which then takes
 * the old one's place (local_aside.h). See local_check.h.
 *
 * A record counts when its head, envelope and body match their checksums. Behind one that does not, the next head is
 * looked for octet by octet. The old index is asked what was settled; where it cannot say, a delivery is taken for
 * uncertain.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "net/net_loop.h"
#include "store/local/local_aside.h"
#include "store/local/local_check.h"
#include "store/local/local_durable.h"
#include "store/local/local_index_private.h"
#include "store/local/local_restore.h"
#include "store/store_meta.h"
#include "store/store_sum.h"

struct rebuild {
    const char *path; /* of the spool */
    char folder[LOCAL_PATH_MAX];
    struct local_index *index;
    sqlite3 *old;            /* or NULL: it cannot be read */
    bool is_old_bad;         /* ... not all of it: what was found with it is not to be relied on */
    sqlite3_stmt *old_state; /* of a delivery by message id and number */
    sqlite3_stmt *old_seq;   /* of a message by id */
    uint64_t segment, last_segment, next_message;
    struct map *adopted; /* see local_restore_adopted() */
    bool is_unheard;     /* the record that is taken says so: store_meta_is_unheard() */
    struct local_durable *durable;
    struct local_record last; /* of the segment, of the latest group so far */
    struct net_file *file;
    uint64_t size;       /* of the file */
    struct fault *fault; /* of the new index: ends the work */
    local_check_fn *report;
    void *ctx;
    struct local_rebuild_result result;
};

static void report_damage(struct rebuild *rebuild, uint64_t at, const char *what)
{
    struct fault found = FAULT_INIT;
    fault_set(&found, FAULT_LOCAL, "damaged", "spool", "segment %016" PRIx64 " at octet %" PRIu64 ": %s",
              rebuild->segment, at, what);
    rebuild->result.damaged++;
    rebuild->report(rebuild->ctx, NULL, &found);
}

/* What was wrong and never durable for all that is known: nobody was told yes about it. */
static void report_torn(struct rebuild *rebuild, uint64_t at)
{
    if (local_durable_proves(rebuild->durable, (struct local_spot){rebuild->segment, at})) {
        report_damage(
            rebuild, at,
            "a record that was on the disk has been damaged: what lies behind shows that the record was whole once");
        return;
    }
    struct fault found = FAULT_INIT;
    fault_set(&found, FAULT_LOCAL, "torn", "spool",
              "segment %016" PRIx64 " at octet %" PRIu64
              ": the last record was not written to its end; no sender was told that the message was accepted",
              rebuild->segment, at);
    rebuild->result.torn++;
    rebuild->report(rebuild->ctx, NULL, &found);
}

/* ---- what the old index knows ---- */

static void close_old(struct rebuild *rebuild)
{
    sqlite3_finalize(rebuild->old_state);
    sqlite3_finalize(rebuild->old_seq);
    sqlite3_close(rebuild->old);
    rebuild->old = NULL;
    rebuild->old_state = rebuild->old_seq = NULL;
}

/* Known to the new one, and what is asked of it often. 0; or -1, and it is not open. */
static int prepare_old(struct rebuild *rebuild, const char *path, struct fault *fault)
{
    static const char sql[] = "SELECT d.state, d.attempts FROM message m JOIN delivery d ON d.message = m.seq"
                              " WHERE m.id = ?1 AND d.number = ?2";
    if (sqlite3_open_v2(path, &rebuild->old, SQLITE_OPEN_READWRITE, net_file_sqlite_vfs()) == SQLITE_OK &&
        local_restore_attach(rebuild->index, rebuild->old, path, fault) == 0 &&
        sqlite3_prepare_v2(rebuild->old, sql, -1, &rebuild->old_state, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(rebuild->old, "SELECT seq FROM message WHERE id = ?1", -1, &rebuild->old_seq, NULL) ==
            SQLITE_OK) {
        return 0;
    }
    close_old(rebuild);
    return -1;
}

/* One that cannot be read is done without. -1 with a fault: a newer mailweir has written it, and would find less. */
static int open_old(struct rebuild *rebuild, const char *path)
{
    struct fault found = FAULT_INIT;
    if (prepare_old(rebuild, path, &found) != 0) {
        bool is_newer = strcmp(found.code, "version") == 0;
        *rebuild->fault = is_newer ? found : *rebuild->fault;
        return is_newer ? -1 : 0;
    }
    sqlite3_stmt *last = NULL;
    bool is_read =
        sqlite3_prepare_v2(rebuild->old, "SELECT ifnull(max(seq), 0) FROM message", -1, &last, NULL) == SQLITE_OK &&
        sqlite3_step(last) == SQLITE_ROW;
    rebuild->next_message = is_read ? (uint64_t)sqlite3_column_int64(last, 0) + 1 : 1;
    sqlite3_finalize(last);
    if (!is_read) {
        close_old(rebuild); /* new messages must have numbers that no old one has */
    }
    return 0;
}

/* A row of the old index. False: there is none, or it cannot be read: then nothing of it is to be relied on. */
static bool has_old_row(struct rebuild *rebuild, sqlite3_stmt *st)
{
    int code = sqlite3_step(st);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        rebuild->is_old_bad = true;
        disregard(local_sql_failed(rebuild->old, code, rebuild->fault));
    }
    return code == SQLITE_ROW;
}

/* The number that the message has in the old index; else a new one. */
static uint64_t number_of(struct rebuild *rebuild, const char *id)
{
    uint64_t number = 0;
    if (rebuild->old != NULL) {
        sqlite3_bind_text(rebuild->old_seq, 1, id, -1, SQLITE_TRANSIENT);
        number = has_old_row(rebuild, rebuild->old_seq) ? (uint64_t)sqlite3_column_int64(rebuild->old_seq, 0) : 0;
        sqlite3_reset(rebuild->old_seq);
    }
    return number != 0 ? number : rebuild->next_message++;
}

/* The delivery's state as the old index has it: true with *state_r. */
static bool old_state(struct rebuild *rebuild, const char *id, unsigned number, enum store_state *state_r)
{
    if (rebuild->old == NULL) {
        return false;
    }
    sqlite3_bind_text(rebuild->old_state, 1, id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(rebuild->old_state, 2, number);
    bool known = has_old_row(rebuild, rebuild->old_state);
    if (known) {
        *state_r = (enum store_state)sqlite3_column_int(rebuild->old_state, 0);
    }
    sqlite3_reset(rebuild->old_state);
    return known;
}

/* ---- one message ---- */

static int add_delivery(struct rebuild *rebuild, uint64_t message, const struct mail_envelope *envelope,
                        const struct mail_delivery *delivery, enum store_state state)
{
    struct buf detail;
    buf_init(&detail, STORE_META_MAX);
    struct store_row row = store_row_of(delivery, envelope->from, &detail);
    row.state = state;
    row.uncertain = true;
    int result = local_index_add_delivery(rebuild->index, message, &row, envelope->received_ms, 0, rebuild->fault);
    buf_done(&detail);
    return result;
}

/* Whoever brought it and has not heard of it brings it again: by its print it is this message then. */
static int add_message(struct rebuild *rebuild, uint64_t message, const struct mail_envelope *envelope,
                       const struct store_place *place, unsigned open)
{
    struct buf text;
    buf_init(&text, STORE_META_MAX);
    store_meta_write_envelope(&text, envelope);
    struct local_index_message row = {
        .seq = message,
        .id = envelope->id,
        .received_ms = envelope->received_ms,
        .place = *place,
        .open = open,
        .sender = envelope->from,
        .message_id = envelope->message_id,
        .print = store_print_of(envelope),
        .unheard_ms = rebuild->is_unheard ? envelope->received_ms : 0,
        .envelope = buf_bytes(&text),
    };
    int result = local_index_add_message(rebuild->index, &row, rebuild->fault);
    buf_done(&text);
    return result;
}

static int add_found(struct rebuild *rebuild, struct mail_envelope *envelope, const struct mail_delivery *deliveries,
                     size_t count, const struct store_place *place)
{
    unsigned open = 0;
    int result = 0;
    const char *name = map_get(rebuild->adopted, bytes_of(envelope->id));
    envelope->id = name != NULL ? name : envelope->id; /* by that its deliveries went out, and are looked for */
    int twice = local_index_knows(rebuild->index, envelope->id, rebuild->fault);
    if (twice != 0) {
        return twice < 0 ? -1 : 0; /* a copy that was moved, or whose removal was undone */
    }
    uint64_t message = number_of(rebuild, envelope->id);
    for (size_t i = 0; result == 0 && i < count; i++) {
        enum store_state state = deliveries[i].held ? STORE_STATE_HELD : STORE_STATE_WAITING;
        bool known = old_state(rebuild, envelope->id, deliveries[i].number, &state);
        bool settled = known && store_state_is_settled(state);
        open += !settled;
        rebuild->result.settled += settled;
        result = add_delivery(rebuild, message, envelope, &deliveries[i], state);
    }
    return result != 0 || rebuild->is_old_bad ? -1 : add_message(rebuild, message, envelope, place, open);
}

/* ---- one record ---- */

/* Whether these octets of the file match their checksum. */
static bool is_whole(struct rebuild *rebuild, uint64_t from, uint64_t octets, uint64_t wanted)
{
    uint8_t *chunk = expect_calloc(1, STORE_CHUNK);
    struct store_sum *sum = store_sum_new();
    bool whole = true;
    for (uint64_t done = 0; whole && done < octets; done += STORE_CHUNK) {
        uint64_t left = octets - done;
        size_t len = left < STORE_CHUNK ? (size_t)left : STORE_CHUNK;
        whole = net_file_read(rebuild->file, from + done, chunk, len, NULL) == (ptrdiff_t)len;
        store_sum_add(sum, bytes_at(chunk, whole ? len : 0));
    }
    whole = whole && store_sum_value(sum) == wanted;
    store_sum_free(&sum);
    free(chunk);
    return whole;
}

static bool body_is_whole(struct rebuild *rebuild, uint64_t at, const struct local_record *record)
{
    return is_whole(rebuild, at + LOCAL_RECORD_HEAD, record->body_len, record->body_sum);
}

static bool meta_is_whole(struct rebuild *rebuild, uint64_t at, const struct local_record *record)
{
    return is_whole(rebuild, at + LOCAL_RECORD_HEAD + record->body_len, record->meta_len, record->meta_sum);
}

static int take_record(struct rebuild *rebuild, uint64_t at, const struct local_record *record)
{
    uint8_t *meta = expect_calloc(1, (size_t)record->meta_len + 1);
    struct arena *arena = arena_new(STORE_ITEM_MAX);
    struct bytes text = bytes_at(meta, record->meta_len);
    struct mail_envelope envelope;
    struct mail_delivery *deliveries;
    size_t count;
    const struct store_place place = {rebuild->segment, at, local_record_size(record), record->body_len,
                                      record->body_sum};
    ptrdiff_t got =
        net_file_read(rebuild->file, at + LOCAL_RECORD_HEAD + record->body_len, meta, record->meta_len, NULL);
    if (got != (ptrdiff_t)text.len || store_sum_of(text) != record->meta_sum ||
        store_meta_read(text, arena, &envelope, &deliveries, &count, NULL) != 0) {
        report_damage(rebuild, at, "an envelope does not match its checksum; the message cannot be taken over");
        arena_free(&arena);
        free(meta);
        return 0;
    }
    rebuild->is_unheard = store_meta_is_unheard(text);
    if (!body_is_whole(rebuild, at, record)) {
        report_damage(
            rebuild, at,
            "a body does not match its checksum; the envelope is kept, and the message becomes a dead letter");
    }
    int result = add_found(rebuild, &envelope, deliveries, count, &place);
    arena_free(&arena);
    free(meta);
    return result;
}

/* The head at `at`: 1, or 0 when there is none. */
static int head_at(struct rebuild *rebuild, uint64_t at, struct local_record *record_r)
{
    uint8_t head[LOCAL_RECORD_HEAD];
    return net_file_read(rebuild->file, at, head, sizeof head, NULL) == (ptrdiff_t)sizeof head &&
           local_record_decode(bytes_at(head, sizeof head), (struct local_spot){rebuild->segment, at}, record_r) == 1 &&
           at + local_record_size(record_r) <= rebuild->size;
}

/* Where the next head stands, from `at` on; the file's size when there is none. */
static uint64_t find_head(struct rebuild *rebuild, uint64_t at)
{
    uint8_t *chunk = expect_calloc(1, STORE_CHUNK);
    uint64_t found = rebuild->size;
    while (found == rebuild->size && at + LOCAL_RECORD_HEAD <= rebuild->size) {
        ptrdiff_t got = net_file_read(rebuild->file, at, chunk, STORE_CHUNK, NULL);
        if (got < LOCAL_RECORD_HEAD) {
            break;
        }
        struct local_record record;
        for (size_t i = 0; found == rebuild->size && i + 4 <= (size_t)got; i++) {
            if (memcmp(chunk + i, "MWR", 3) == 0 && head_at(rebuild, at + i, &record) == 1) {
                found = at + i;
            }
        }
        at += (uint64_t)got - 3;
    }
    free(chunk);
    return found;
}

/* The record at `at`, whose head is one: mail, unless it is of a group that never came to be. */
static int take_or_leave(struct rebuild *rebuild, uint64_t at, struct local_record *record)
{
    const struct local_spot spot = {rebuild->segment, at};
    if (local_segment_read_end(rebuild->file, at, record, NULL) != 0) {
        report_torn(rebuild, at);
        bool whole = meta_is_whole(rebuild, at, record) && body_is_whole(rebuild, at, record);
        return whole || local_durable_proves(rebuild->durable, spot) ? take_record(rebuild, at, record) : 0;
    }
    if (local_record_is_before(record, &rebuild->last) || local_durable_voids(rebuild->durable, spot, record)) {
        rebuild->result.void_records++;
        return 0;
    }
    rebuild->last = *record;
    return take_record(rebuild, at, record);
}

/* Whether anything but zeros lies there. */
static bool is_written(struct rebuild *rebuild, uint64_t at, uint64_t end)
{
    uint8_t *chunk = expect_calloc(1, STORE_CHUNK);
    bool written = false;
    while (!written && at < end) {
        size_t len = end - at < STORE_CHUNK ? (size_t)(end - at) : STORE_CHUNK;
        ptrdiff_t got = net_file_read(rebuild->file, at, chunk, len, NULL);
        for (ptrdiff_t i = 0; i < got && !written; i++) {
            written = chunk[i] != 0;
        }
        at = got > 0 ? at + (uint64_t)got : end;
    }
    free(chunk);
    return written;
}

static void judge_gap(struct rebuild *rebuild, uint64_t at, uint64_t next)
{
    struct local_record record;
    bool goes_on = next < rebuild->size && head_at(rebuild, next, &record) == 1;
    bool tells = goes_on && local_segment_read_end(rebuild->file, next, &record, NULL) == 0 && record.end_len != 0;
    if (tells) {
        local_durable_note(rebuild->durable, &record);
    }
    if (goes_on && !tells) {
        report_damage(rebuild, at, "no record begins here, but further on");
    } else if (goes_on || local_durable_proves(rebuild->durable, (struct local_spot){rebuild->segment, at}) ||
               is_written(rebuild, at, next)) {
        report_torn(rebuild, at);
    }
}

static int take_segment(struct rebuild *rebuild)
{
    struct local_record record;
    uint64_t at = 0;
    rebuild->last = (struct local_record){0};
    while (at + LOCAL_RECORD_HEAD <= rebuild->size) {
        if (head_at(rebuild, at, &record) == 1) {
            if (take_or_leave(rebuild, at, &record) != 0) {
                return -1;
            }
            at += local_record_size(&record);
            continue;
        }
        uint64_t next = find_head(rebuild, at + 1);
        judge_gap(rebuild, at, next);
        at = next;
    }
    return 0;
}

/* ---- all of them ---- */

static int compare_record(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

struct names {
    uint64_t *ids;
    size_t count;
};

static int note_name(void *ctx, const char *name)
{
    struct names *names = ctx;
    uint64_t id = local_segment_id(name);
    if (id != 0) {
        names->ids = expect_memory(realloc(names->ids, (names->count + 1) * sizeof *names->ids));
        names->ids[names->count++] = id;
    }
    return 0;
}

static int take_file(struct rebuild *rebuild, uint64_t id)
{
    char path[LOCAL_PATH_MAX];
    local_segment_path(rebuild->folder, id, path);
    rebuild->segment = id;
    rebuild->last_segment = id;
    if (net_file_open(&rebuild->file, path, NET_FILE_READ, rebuild->fault) != 0) {
        return -1;
    }
    int result = net_file_size(rebuild->file, &rebuild->size, rebuild->fault);
    if (result == 0) {
        result = take_segment(rebuild);
    }
    disregard(net_file_close(&rebuild->file, NULL));
    return result;
}

/* What happened since the records were written. */
static int restore(struct rebuild *rebuild)
{
    struct fault found = FAULT_INIT;
    struct local_index_counts counts;
    uint64_t damaged = 0;
    struct net_loop *loop = net_loop_new();
    int64_t now_ms = net_wall(loop);
    net_loop_free(&loop);
    rebuild->result.old_index = rebuild->old != NULL && local_restore_old(rebuild->index, &found) == 0;
    if (!rebuild->result.old_index &&
        local_restore_decisions(rebuild->index, rebuild->path, now_ms, &rebuild->result.decisions, &damaged,
                                rebuild->fault) != 0) {
        return -1;
    }
    if (local_restore_count(rebuild->index, rebuild->fault) != 0 ||
        local_index_count(rebuild->index, &counts, rebuild->fault) != 0) {
        return -1;
    }
    rebuild->result.messages = counts.messages;
    rebuild->result.deliveries = counts.waiting + counts.held + counts.dead;
    return 0;
}

/* What the first record of each segment says of the segments before it. */
static void note_first(struct rebuild *rebuild, uint64_t id)
{
    char path[LOCAL_PATH_MAX];
    struct local_record record;
    local_segment_path(rebuild->folder, id, path);
    rebuild->segment = id;
    if (net_file_open(&rebuild->file, path, NET_FILE_READ, NULL) != 0) {
        return;
    }
    if (net_file_size(rebuild->file, &rebuild->size, NULL) == 0 && head_at(rebuild, 0, &record) == 1 &&
        local_segment_read_end(rebuild->file, 0, &record, NULL) == 0) {
        local_durable_note(rebuild->durable, &record);
    }
    disregard(net_file_close(&rebuild->file, NULL));
}

static int take_files(struct rebuild *rebuild)
{
    struct names names = {0};
    int result = net_file_list(rebuild->folder, note_name, &names, rebuild->fault);
    if (names.count > 0) {
        qsort(names.ids, names.count, sizeof *names.ids, compare_record);
    }
    if (result == 0) {
        result = local_index_begin(rebuild->index, rebuild->fault);
    }
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        note_first(rebuild, names.ids[i]);
    }
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        result = take_file(rebuild, names.ids[i]);
    }
    if (result == 0) {
        result = restore(rebuild);
    }
    if (result == 0 &&
        (local_index_set(rebuild->index, "next_segment", rebuild->last_segment + 1, rebuild->fault) != 0 ||
         local_index_commit(rebuild->index, rebuild->fault) != 0)) {
        result = -1;
    }
    free(names.ids);
    return result;
}

/* It is found once more, and what is reported is reported again. */
static void forget_what_was_found(struct rebuild *rebuild)
{
    rebuild->result = (struct local_rebuild_result){0};
    rebuild->next_message = 1;
    rebuild->last_segment = 0;
    rebuild->is_old_bad = false;
    *rebuild->fault = FAULT_INIT;
}

/* Into the file of the new index. old: the file of the old one; or NULL, to do without. */
static int make_anew(struct rebuild *rebuild, const char *path, const char *old)
{
    char file[LOCAL_PATH_MAX];
    local_aside_new_path(path, file);
    if (local_index_open(&rebuild->index, file, net_file_sqlite_vfs(), LOCAL_INDEX_WRITE, rebuild->fault) != 0) {
        return -1;
    }
    if (old != NULL && open_old(rebuild, old) != 0) {
        local_index_close(&rebuild->index);
        return -1;
    }
    rebuild->durable = local_durable_new();
    rebuild->adopted = local_restore_adopted(path);
    int result = take_files(rebuild);
    local_durable_free(&rebuild->durable);
    map_free(&rebuild->adopted, free);
    close_old(rebuild);
    result = result == 0 ? local_index_end_log(rebuild->index, rebuild->fault) : result;
    local_index_close(&rebuild->index);
    return result;
}

/* The old index stays where it is until the new one is whole: whatever ends this before changes nothing. */
static int rebuild_locked(struct rebuild *rebuild, const char *path)
{
    char old[LOCAL_PATH_MAX];
    snprintf(rebuild->folder, sizeof rebuild->folder, "%s/segments", path);
    snprintf(old, sizeof old, "%s/index.sqlite", path);
    if (local_aside_recover(path, rebuild->fault) != 0) {
        return -1;
    }
    int result = make_anew(rebuild, path, old);
    if (result != 0 && rebuild->is_old_bad) {
        local_aside_remove_new(path);
        forget_what_was_found(rebuild);
        result = make_anew(rebuild, path, NULL);
    }
    if (result != 0) {
        local_aside_remove_new(path);
        return -1;
    }
    return local_aside_replace(path, rebuild->fault);
}

int local_rebuild(const char *path, local_check_fn *report, void *ctx, struct local_rebuild_result *result_r,
                  struct fault *fault)
{
    struct fault found = FAULT_INIT;
    struct rebuild rebuild = {.path = path, .report = report, .ctx = ctx, .next_message = 1, .fault = &found};
    struct net_file *lock = NULL;
    char file[LOCAL_PATH_MAX];
    snprintf(file, sizeof file, "%s/lock", path);
    int result = net_file_lock(&lock, file, &found);
    if (result == 0) {
        result = rebuild_locked(&rebuild, path);
    }
    disregard(net_file_close(&lock, NULL));
    if (result == 0) {
        *result_r = rebuild.result;
    } else if (fault != NULL && !fault_is_set(fault)) {
        *fault = found;
    }
    return result;
}

/*
 * local_backup - see local_backup.h.
 *
 * The index is copied first, as it is at one moment (VACUUM INTO reads one snapshot, and a gateway writes on). Then
 * come the segments, each as far as that index knows it: what is appended meanwhile is another copy's. A segment may go
 * while we copy others, because its mail was filed or moved: then the index is copied again, and only what that one
 * needs beside what is there already. The last round has little to copy, so that there is an end; after ROUNDS there is
 * a fault.
 *
 * The index gets its name at the very end. What was cut off is a folder with segments and no index, which no gateway
 * starts with.
 */
#include "store/local/local_backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_index_private.h"
#include "store/local/local_private.h"

#define ROUNDS      20
#define COPY_OCTETS ((size_t)1 << 20)
#define JOURNAL_MAX ((size_t)1 << 30)

struct needed {
    uint64_t segment, end; /* as far as an open message reaches */
};

struct backup {
    const char *path, *to;
    char from_folder[LOCAL_PATH_MAX], to_folder[LOCAL_PATH_MAX], part[LOCAL_PATH_MAX];
    struct needed *needed;
    size_t count;
    uint64_t deliveries;
    uint8_t *chunk;
    struct fault *fault;
};

/* ---- the index ---- */

static int run_sql(sqlite3 *db, const char *sql, struct fault *fault)
{
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : local_sql_failed(db, code, fault);
}

/* Of the spool, only read from; SQLite calls it a change to write the copy. */
static int open_index(struct local_index **index_r, const char *file, struct fault *fault)
{
    if (local_index_open(index_r, file, net_file_sqlite_vfs(), LOCAL_INDEX_READ, fault) != 0) {
        return -1;
    }
    if (run_sql(local_index_db(*index_r), "PRAGMA query_only = OFF", fault) != 0) {
        local_index_close(index_r);
        return -1;
    }
    return 0;
}

static int remove_part(struct backup *backup)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char file[LOCAL_PATH_MAX + 16];
        struct fault found = FAULT_INIT;
        snprintf(file, sizeof file, "%s%s", backup->part, suffixes[i]);
        if (net_file_remove(file, &found) != 0 && strcmp(found.code, "enoent") != 0) {
            *backup->fault = found;
            return -1;
        }
    }
    return 0;
}

/* As it is at this moment. */
static int copy_index(struct backup *backup)
{
    struct local_index *index = NULL;
    char file[LOCAL_PATH_MAX];
    sqlite3_stmt *st = NULL;
    snprintf(file, sizeof file, "%s/index.sqlite", backup->path);
    if (remove_part(backup) != 0 || open_index(&index, file, backup->fault) != 0) {
        return -1;
    }
    /* What root makes for another is that one's. */
    net_file_make_private(backup->part, true);
    sqlite3 *db = local_index_db(index);
    int code = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &st, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_text(st, 1, backup->part, -1, SQLITE_STATIC);
        code = sqlite3_step(st);
    }
    sqlite3_finalize(st);
    int result = code == SQLITE_DONE ? 0 : local_sql_failed(db, code, backup->fault);
    local_index_close(&index);
    return result;
}

/* What the copied index wants of the segments. */
static int read_needed(struct backup *backup, sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(db,
                                  "SELECT segment, max(start + record_len) FROM message WHERE open > 0 AND segment > 0"
                                  " GROUP BY segment",
                                  -1, &st, NULL);
    backup->count = 0;
    while (code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        code = SQLITE_OK;
        backup->needed = expect_memory(realloc(backup->needed, (backup->count + 1) * sizeof *backup->needed));
        backup->needed[backup->count++] =
            (struct needed){(uint64_t)sqlite3_column_int64(st, 0), (uint64_t)sqlite3_column_int64(st, 1)};
    }
    sqlite3_finalize(st);
    return code == SQLITE_DONE ? 0 : local_sql_failed(db, code, backup->fault);
}

/* The states that are not settled; in doubt is what was sent, perhaps, and is looked for before anything else. */
#define OPEN_STATES "(0, 1, 2)"

static int doubt_all(struct backup *backup, sqlite3 *db)
{
    int result = run_sql(db, "UPDATE delivery SET uncertain = 1 WHERE state IN " OPEN_STATES, backup->fault);
    backup->deliveries = (uint64_t)sqlite3_changes(db);
    return result;
}

static int prepare_index(struct backup *backup)
{
    struct local_index *index = NULL;
    if (open_index(&index, backup->part, backup->fault) != 0) {
        return -1;
    }
    sqlite3 *db = local_index_db(index);
    int result = read_needed(backup, db);
    result = result == 0 ? doubt_all(backup, db) : result;
    /* One file, until a gateway opens it. */
    result = result == 0 ? run_sql(db, "PRAGMA wal_checkpoint(TRUNCATE)", backup->fault) : result;
    local_index_close(&index);
    return result;
}

/* ---- the segments ---- */

static int append_range(struct backup *backup, struct net_file *from, struct net_file *into, uint64_t at, uint64_t end)
{
    while (at < end) {
        size_t want = end - at < COPY_OCTETS ? (size_t)(end - at) : COPY_OCTETS;
        ptrdiff_t got = net_file_read(from, at, backup->chunk, want, backup->fault);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break; /* shorter than the index says: the check tells of each message in it */
        }
        struct bytes piece = bytes_at(backup->chunk, (size_t)got);
        if (net_file_write(into, at, &piece, 1, backup->fault) != 0) {
            return -1;
        }
        at += (uint64_t)got;
    }
    return net_file_sync(into, backup->fault);
}

static int open_copy(const char *path, struct net_file **file_r, uint64_t *size_r, struct fault *fault)
{
    bool there = net_file_kind(path) == NET_FILE_ORDINARY;
    int result = net_file_open(file_r, path, there ? NET_FILE_WRITE : NET_FILE_CREATE, fault);
    *size_r = 0;
    return result == 0 && there ? net_file_size(*file_r, size_r, fault) : result;
}

/* 1: copied, or it was already; 0: it is gone; -1. */
static int copy_segment(struct backup *backup, const struct needed *needed)
{
    char from[LOCAL_PATH_MAX], to[LOCAL_PATH_MAX];
    struct net_file *source = NULL, *copy = NULL;
    struct fault found = FAULT_INIT;
    uint64_t size;
    local_segment_path(backup->from_folder, needed->segment, from);
    local_segment_path(backup->to_folder, needed->segment, to);
    if (net_file_open(&source, from, NET_FILE_READ, &found) != 0) {
        if (strcmp(found.code, "enoent") == 0) {
            return 0;
        }
        *backup->fault = found;
        return -1;
    }
    int result = open_copy(to, &copy, &size, backup->fault);
    if (result == 0 && size < needed->end) {
        result = append_range(backup, source, copy, size, needed->end);
    }
    disregard(net_file_close(&source, NULL));
    if (copy != NULL && net_file_close(&copy, result == 0 ? backup->fault : NULL) != 0) {
        result = -1;
    }
    return result == 0 ? 1 : -1;
}

static bool is_copied(const struct backup *backup, const struct needed *needed)
{
    char path[LOCAL_PATH_MAX];
    struct net_file *file = NULL;
    uint64_t size = 0;
    local_segment_path(backup->to_folder, needed->segment, path);
    bool copied = net_file_open(&file, path, NET_FILE_READ, NULL) == 0 && net_file_size(file, &size, NULL) == 0 &&
                  size >= needed->end;
    disregard(net_file_close(&file, NULL));
    return copied;
}

/* 1 when all are there, 0 when one is gone, -1. */
static int copy_segments(struct backup *backup)
{
    int all = 1;
    for (size_t i = 0; i < backup->count; i++) {
        int result = is_copied(backup, &backup->needed[i]) ? 1 : copy_segment(backup, &backup->needed[i]);
        if (result < 0) {
            return -1;
        }
        all = result == 0 ? 0 : all;
    }
    return all;
}

/* What the last index does not need was copied for one before. A start would remove it, or set it aside. */
struct surplus {
    const struct backup *backup;
    uint64_t *ids;
    size_t count;
};

static int note_surplus(void *ctx, const char *name)
{
    struct surplus *surplus = ctx;
    uint64_t id = local_segment_id(name);
    bool needed = id == 0;
    for (size_t i = 0; !needed && i < surplus->backup->count; i++) {
        needed = surplus->backup->needed[i].segment == id;
    }
    if (!needed) {
        surplus->ids = expect_memory(realloc(surplus->ids, (surplus->count + 1) * sizeof *surplus->ids));
        surplus->ids[surplus->count++] = id;
    }
    return 0;
}

static int remove_surplus(struct backup *backup)
{
    struct surplus surplus = {.backup = backup};
    int result = net_file_list(backup->to_folder, note_surplus, &surplus, backup->fault);
    for (size_t i = 0; result == 0 && i < surplus.count; i++) {
        char path[LOCAL_PATH_MAX];
        local_segment_path(backup->to_folder, surplus.ids[i], path);
        result = net_file_remove(path, backup->fault);
    }
    free(surplus.ids);
    return result;
}

/* ---- all of it ---- */

static int note_any(void *ctx, const char *name)
{
    (void)name;
    *(bool *)ctx = true;
    return 1;
}

static int make_folder(struct backup *backup)
{
    bool any = false;
    if (net_file_mkdir(backup->to, backup->fault) != 0 ||
        net_file_list(backup->to, note_any, &any, backup->fault) != 0) {
        return -1;
    }
    if (any) {
        fault_set(backup->fault, FAULT_LOCAL, "not-empty", backup->to,
                  "the folder %s is not empty, and nothing in it is overwritten: name an empty or a new folder",
                  backup->to);
        return -1;
    }
    return net_file_mkdir(backup->to_folder, backup->fault);
}

/* Operators' decisions: what a rebuild without an index goes by. */
static int copy_decisions(struct backup *backup)
{
    char from[LOCAL_PATH_MAX + 16], to[LOCAL_PATH_MAX + 16];
    struct buf text;
    snprintf(from, sizeof from, "%s/decisions", backup->path);
    snprintf(to, sizeof to, "%s/decisions", backup->to);
    if (net_file_kind(from) != NET_FILE_ORDINARY) {
        return 0;
    }
    buf_init(&text, JOURNAL_MAX);
    int result = net_file_read_all(from, &text, backup->fault);
    result = result == 0 ? net_file_replace(to, buf_bytes(&text), backup->fault) : result;
    buf_done(&text);
    return result;
}

static int copy_all(struct backup *backup)
{
    int done = 0;
    for (int round = 0; done == 0 && round < ROUNDS; round++) {
        done = copy_index(backup) != 0 || prepare_index(backup) != 0 ? -1 : copy_segments(backup);
    }
    if (done == 0) {
        fault_set(backup->fault, FAULT_LOCAL, "moving", backup->path,
                  "mail is filed faster than the spool can be copied, or a segment that the index needs is missing: "
                  "\"mailweir spool check\" finds out which");
    }
    return done == 1 ? 0 : -1;
}

static int name_it(struct backup *backup)
{
    char file[LOCAL_PATH_MAX];
    struct net_file *index = NULL;
    snprintf(file, sizeof file, "%s/index.sqlite", backup->to);
    if (net_file_open(&index, backup->part, NET_FILE_READ, backup->fault) != 0) {
        return -1;
    }
    int result = net_file_sync(index, backup->fault);
    disregard(net_file_close(&index, NULL));
    return result != 0 || net_file_sync_directory(backup->to_folder, backup->fault) != 0 ||
                   net_file_rename(backup->part, file, backup->fault) != 0 ||
                   net_file_sync_directory(backup->to, backup->fault) != 0
               ? -1
               : 0;
}

int local_backup(const char *path, const char *to, local_check_fn *report, local_check_progress_fn *progress, void *ctx,
                 struct local_backup_result *result_r, struct fault *fault)
{
    struct fault found = FAULT_INIT;
    struct backup backup = {.path = path, .to = to, .fault = &found};
    struct local_check_result checked = {0};
    snprintf(backup.from_folder, sizeof backup.from_folder, "%s/segments", path);
    snprintf(backup.to_folder, sizeof backup.to_folder, "%s/segments", to);
    snprintf(backup.part, sizeof backup.part, "%s/index.part", to);
    backup.chunk = expect_calloc(1, COPY_OCTETS);
    int result = make_folder(&backup);
    result = result == 0 ? copy_all(&backup) : result;
    result = result == 0 ? remove_surplus(&backup) : result;
    result = result == 0 ? copy_decisions(&backup) : result;
    result = result == 0 ? name_it(&backup) : result;
    result = result == 0 ? local_check(to, report, progress, ctx, &checked, &found) : result;
    free(backup.needed);
    free(backup.chunk);
    if (result == 0) {
        *result_r = (struct local_backup_result){checked.messages, checked.octets, backup.deliveries, checked.damaged};
    } else {
        *fault = found;
    }
    return result;
}

/*
 * local - opening and closing; see local.h.
 */
#include "store/local/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_journal.h"
#include "store/local/local_private.h"

#define UPSTREAMS_MAX 100000

/* ---- small questions ---- */

static int measure_room(struct store *store, struct store_room *room_r, struct fault *fault)
{
    return net_file_free_space(local_of(store)->path, &room_r->octets, &room_r->inodes, fault);
}

static int hint_descriptor(struct store *store)
{
    (void)store;
    return -1; /* whoever else changes something has the lock */
}

static const char *warning_of(const struct store *store)
{
    const struct local *local = local_of((struct store *)(uintptr_t)store);
    return local->warning[0] == '\0' ? NULL : local->warning;
}

static ptrdiff_t read_body(struct store *store, struct store_body *wanted, uint64_t offset, void *into, size_t len,
                           struct fault *fault)
{
    struct local *local = local_of(store);
    if (wanted->place.segment == 0) {
        if (local_index_place(local_reader_index(local->reader), wanted->message, &wanted->place, fault) != 0) {
            return -1;
        }
        if (wanted->place.segment == 0) {
            fault_set(fault, FAULT_PERM, "settled", "spool", "the message is settled, so its body is no longer kept");
            return -1;
        }
    }
    return local_reader_read(local->reader, wanted->message, &wanted->place, &wanted->checked, offset, into, len,
                             fault);
}

/* ---- opening and closing ---- */

static void close_all(struct store *store)
{
    struct local *local = local_of(store);
    local_segment_close(&local->current);
    local_reader_free(&local->reader);
    local_index_close(&local->tidier);
    local_index_close(&local->index);
    disregard(net_file_close(&local->log, NULL));
    disregard(net_file_close(&local->lock, NULL));
    map_free(&local->cursors, free);
    local_live_free(&local->live);
    arena_free(&local->heads);
    buf_done(&local->decisions);
    free(local->pieces);
    free(local->lives);
    free(local);
}

static struct local *make_local(const char *path)
{
    struct local *local = expect_calloc(1, sizeof *local);
    local->store.ops = &local_store;
    snprintf(local->path, sizeof local->path, "%s", path);
    snprintf(local->folder, sizeof local->folder, "%s/segments", local->path);
    list_init(&local->dirty);
    local->cursors = map_new(UPSTREAMS_MAX, NULL);
    local->live = local_live_new();
    local->heads = arena_new(SIZE_MAX / 2);
    buf_init(&local->decisions, LOCAL_JOURNAL_MAX);
    return local;
}

/* The store's own name must outlive a crash too. Who may not read the folder above did not make the store in it either.
 */
static int sync_parent(const char *path, struct fault *fault)
{
    char parent[LOCAL_PATH_MAX];
    struct fault found = FAULT_INIT;
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL || slash == path ? 1 : (size_t)(slash - path);
    snprintf(parent, sizeof parent, "%.*s", (int)len, slash == NULL ? "." : path);
    if (net_file_sync_directory(parent, &found) == 0 || strcmp(found.code, "eacces") == 0) {
        return 0;
    }
    *fault = found;
    return -1;
}

static int make_folders(struct local *local, struct fault *fault)
{
    if (net_file_mkdir(local->path, fault) != 0 || net_file_mkdir(local->folder, fault) != 0 ||
        sync_parent(local->path, fault) != 0) {
        return -1;
    }
    return net_file_sync_directory(local->path, fault);
}

static int open_writing(struct local *local, const char *path, struct fault *fault)
{
    struct fault found = FAULT_INIT;
    const char *vfs = net_file_sqlite_vfs();
    int result = local_index_open(&local->index, path, vfs, LOCAL_INDEX_WRITE, &found);
    if (result != 0 && strcmp(found.code, "damaged") == 0 && local_recover_unmade(local) == 0) {
        found = FAULT_INIT;
        result = local_index_open(&local->index, path, vfs, LOCAL_INDEX_WRITE, &found);
    }
    if (result != 0) {
        *fault = found;
    }
    return result;
}

static int open_reading(struct local *local, const char *path, struct fault *fault)
{
    struct local_index *reading = NULL;
    if (local_index_open(&reading, path, net_file_sqlite_vfs(), LOCAL_INDEX_READ, fault) != 0) {
        return -1;
    }
    local->reader = local_reader_new(local->folder, reading);
    return 0;
}

static int open_all(struct local *local, struct fault *fault)
{
    char path[LOCAL_PATH_MAX], lock[LOCAL_PATH_MAX];
    snprintf(path, sizeof path, "%s/index.sqlite", local->path);
    snprintf(lock, sizeof lock, "%s/lock", local->path);
    if (make_folders(local, fault) != 0) {
        return -1;
    }
    net_file_make_all_private(local->path);
    if (net_file_lock(&local->lock, lock, fault) != 0 ||
        local_recover_expect_index(local->path, path, local->folder, fault) != 0 ||
        open_writing(local, path, fault) != 0 ||
        local_index_open(&local->tidier, path, net_file_sqlite_vfs(), LOCAL_INDEX_READ, fault) != 0 ||
        open_reading(local, path, fault) != 0 || local_recover(local, fault) != 0) {
        return -1;
    }
    local_disk_judge(local);
    return 0;
}

static int open_store(struct store **store_r, const struct store_options *options, struct fault *fault)
{
    if (strlen(options->path) >= sizeof((struct local *)0)->path) {
        fault_set(fault, FAULT_LOCAL, "enametoolong", "spool", "the path of the spool is too long");
        return -1;
    }
    struct local *local = make_local(options->path);
    local->options = *options;
    local->options.path = local->path;
    if (open_all(local, fault) != 0) {
        close_all(&local->store);
        return -1;
    }
    *store_r = &local->store;
    return 0;
}

static int look_at(struct store **store_r, const char *path, struct fault *fault)
{
    char index[LOCAL_PATH_MAX];
    struct local *local = make_local(path);
    snprintf(index, sizeof index, "%s/index.sqlite", local->path);
    if (open_reading(local, index, fault) != 0) {
        close_all(&local->store);
        return -1;
    }
    *store_r = &local->store;
    return 0;
}

const struct store_ops local_store = {
    .name = "local",
    .open = open_store,
    .look = look_at,
    .close = close_all,
    .commit = local_commit,
    .resolve = local_resolve,
    .claim = local_claim,
    .body = read_body,
    .ask = local_ask,
    .room = measure_room,
    .hint = hint_descriptor,
    .warning = warning_of,
    .upload = local_upload,
    .upload_write = local_upload_write,
    .upload_read = local_upload_read,
    .upload_free = local_upload_free,
    .scrub = local_scrub,
    .mend = local_mend,
    .chore = local_chore,
    .chore_drop = local_chore_drop,
};

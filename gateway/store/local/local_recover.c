/*
 * local_recover - at the start: what lives, and what to do with the files that the index does not need.
 *
 *   a segment in which nothing lives        removed (its removal may have been undone by a power cut)
 *   one that the index has never heard of   removed when it holds no whole record: nothing of it was acknowledged; else
 * it is set aside, because an index that is older than its segments must not cost mail one that the index needs and is
 * absent  reported; its messages turn out damaged when they are read
 *
 * Nothing is appended to a segment of an earlier start, so an unfinished tail is never looked at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_aside.h"
#include "store/local/local_private.h"
#include "store/local/local_restore.h"

struct recovery {
    struct local *local;
    uint64_t known; /* segments below it are known to the index */
    bool agrees;    /* the index with itself: what it calls dead is */
    size_t removed, set_aside;
    struct map *present;
    struct fault *fault;
};

/* Whether the file begins with a whole record. */
static bool has_record(const char *path, uint64_t segment)
{
    struct net_file *file = NULL;
    struct local_record record;
    uint8_t head[LOCAL_RECORD_HEAD];
    uint64_t size = 0;
    bool found = net_file_open(&file, path, NET_FILE_READ, NULL) == 0 &&
                 net_file_read(file, 0, head, sizeof head, NULL) == (ptrdiff_t)sizeof head &&
                 local_record_decode(bytes_at(head, sizeof head), (struct local_spot){segment, 0}, &record) == 1 &&
                 net_file_size(file, &size, NULL) == 0 && size >= local_record_size(&record);
    disregard(net_file_close(&file, NULL));
    return found;
}

struct search {
    const char *folder;
    bool found;
};

static int find_record(void *ctx, const char *name)
{
    struct search *search = ctx;
    char path[LOCAL_PATH_MAX];
    uint64_t id = local_segment_id(name);
    local_segment_path(search->folder, id, path);
    search->found = id != 0 && has_record(path, id);
    return search->found;
}

int local_recover_expect_index(const char *path, const char *index, const char *folder, struct fault *fault)
{
    struct net_file *file = NULL;
    struct fault found = FAULT_INIT;
    if (net_file_open(&file, index, NET_FILE_READ, &found) == 0) {
        return net_file_close(&file, fault);
    }
    if (local_aside_is_cut(path)) {
        fault_set(fault, FAULT_LOCAL, "damaged", index,
                  "a rebuild of the index in %s was cut short while the old index was put aside:"
                  " \"mailweir spool rebuild\" finds the old index and begins again",
                  path);
        return -1;
    }
    struct search search = {.folder = folder};
    int result = net_file_list(folder, find_record, &search, fault);
    if (search.found) {
        fault_set(fault, FAULT_LOCAL, "damaged", index,
                  "there are messages in %s but no index: \"mailweir spool rebuild\" rebuilds the index", folder);
    }
    return result == 0 && !search.found ? 0 : -1;
}

static int find_segment(void *ctx, const char *name)
{
    bool *found = ctx;
    *found = local_segment_id(name) != 0;
    return *found;
}

int local_recover_unmade(struct local *local)
{
    char kept[LOCAL_PATH_MAX];
    bool found = false;
    if (net_file_list(local->folder, find_segment, &found, NULL) != 0 || found ||
        local_aside_set(local->path, kept, NULL) != 0) {
        return -1;
    }
    log_event(local->options.log, LOG_LEVEL_WARNING, "spool_set_aside", LOG_STR("file", kept),
              LOG_STR("reason", "an index that is not a database, and no messages: the creation of the spool was "
                                "interrupted, and nothing is to be done"));
    return 0;
}

static int set_aside(struct recovery *recovery, const char *path, const char *name)
{
    char folder[LOCAL_PATH_MAX], to[LOCAL_PATH_MAX + 64];
    snprintf(folder, sizeof folder, "%s/set-aside", recovery->local->path);
    snprintf(to, sizeof to, "%s/%s", folder, name);
    if (net_file_mkdir(folder, recovery->fault) != 0 || net_file_rename(path, to, recovery->fault) != 0 ||
        net_file_sync_directory(folder, recovery->fault) != 0) {
        return -1;
    }
    recovery->set_aside++;
    log_event(recovery->local->options.log, LOG_LEVEL_WARNING, "spool_set_aside", LOG_STR("file", to),
              LOG_STR("reason", "the index does not know the messages in this segment, so they are not delivered: the "
                                "operator's guide says how \"mailweir spool rebuild\" takes them in"));
    return 0;
}

static int look_at(void *ctx, const char *name)
{
    struct recovery *recovery = ctx;
    struct local *local = recovery->local;
    uint64_t id = local_segment_id(name);
    if (id == 0) {
        return 0;
    }
    if (id >= local->next_segment) {
        local->next_segment = id + 1;
    }
    if (local_live_messages(local->live, id) > 0) {
        EXPECT(map_set(recovery->present, bytes_at(&id, sizeof id), recovery) == 0);
        return 0;
    }
    char path[LOCAL_PATH_MAX];
    local_segment_path(local->folder, id, path);
    if (id >= recovery->known && has_record(path, id)) {
        return set_aside(recovery, path, name);
    }
    if (!recovery->agrees && has_record(path, id)) {
        return 0;
    }
    recovery->removed++;
    return net_file_remove(path, recovery->fault);
}

static int count_file(void *ctx, const char *name)
{
    uint64_t *count = ctx;
    *count += local_segment_id(name) != 0;
    return 0;
}

/* They are never removed by us: each may be the only copy of a message that was acknowledged. */
static uint64_t count_set_aside(const struct local *local)
{
    char folder[LOCAL_PATH_MAX];
    uint64_t count = 0;
    snprintf(folder, sizeof folder, "%s/set-aside", local->path);
    return net_file_list(folder, count_file, &count, NULL) == 0 ? count : 0; /* most spools have none */
}

static void add_live(void *ctx, uint64_t segment, uint64_t messages, uint64_t octets)
{
    struct local *local = ctx;
    local_live_add(local->live, segment, messages, octets);
}

static void report_absent(void *ctx, uint64_t segment, uint64_t messages, uint64_t octets)
{
    (void)octets;
    struct recovery *recovery = ctx;
    char path[LOCAL_PATH_MAX];
    local_segment_path(recovery->local->folder, segment, path);
    if (map_get(recovery->present, bytes_at(&segment, sizeof segment)) == NULL) {
        log_event(recovery->local->options.log, LOG_LEVEL_ERROR, "spool_segment_missing", LOG_STR("file", path),
                  LOG_INT("messages", messages));
    }
}

static int read_numbers(struct local *local, struct fault *fault)
{
    struct local_index_counts counts;
    uint64_t last;
    if (local_index_get(local->index, "run", &local->run, fault) != 0 ||
        local_index_get(local->index, "next_segment", &local->next_segment, fault) != 0 ||
        local_index_last_message(local->index, &last, fault) != 0 ||
        local_index_count(local->index, &counts, fault) != 0) {
        return -1;
    }
    local->next_message = last + 1;
    local->indexed_segment = local->next_segment;
    local->counts = (struct store_counts){
        .waiting = counts.waiting,
        .held = counts.held,
        .dead = counts.dead,
        .messages = counts.messages,
    };
    return 0;
}

/* This start's number stands in the index before anything is handed out in it. */
static int begin_run(struct local *local, struct fault *fault)
{
    local->run++;
    if (local_index_begin(local->index, fault) != 0) {
        return -1;
    }
    if (local_index_set(local->index, "run", local->run, fault) != 0 || local_index_commit(local->index, fault) != 0) {
        local_index_rollback(local->index);
        return -1;
    }
    return 0;
}

int local_recover(struct local *local, struct fault *fault)
{
    bool agrees;
    if (local_scrub_start(local, &agrees, fault) != 0 || read_numbers(local, fault) != 0 ||
        local_restore_shrink(local->index, local->path, fault) != 0 || begin_run(local, fault) != 0 ||
        local_index_each_living(local->index, add_live, local, fault) != 0) {
        return -1;
    }
    struct fault found = FAULT_INIT;
    struct recovery recovery = {.local = local, .known = local->indexed_segment, .agrees = agrees, .fault = &found};
    recovery.present = map_new(SIZE_MAX / 4, NULL);
    int result = net_file_list(local->folder, look_at, &recovery, &found);
    if (result == 0 && fault_is_set(&found)) {
        result = -1;
    }
    if (result == 0 && recovery.removed + recovery.set_aside > 0) {
        result = net_file_sync_directory(local->folder, &found);
    }
    if (result == 0) {
        local_live_each(local->live, report_absent, &recovery);
    }
    local->counts.set_aside = count_set_aside(local);
    map_free(&recovery.present, NULL);
    if (result != 0 && fault != NULL && !fault_is_set(fault)) {
        *fault = found;
    }
    return result == 0 ? 0 : -1;
}

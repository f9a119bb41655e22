/*
 * spool_recover - at the start: what lives, and what to do with the files that the index does not need.
 *
 *   a segment in which nothing lives        removed (its removal may have been undone by a power cut)
 *   one that the index has never heard of   removed when it holds no whole record: nothing of it was acknowledged; else it is set
 *                                           aside, because an index that is older than its segments must not cost mail
 *   one that the index needs and is absent  reported; its messages turn out damaged when they are read
 *
 * Nothing is appended to a segment of an earlier start, so an unfinished tail is never looked at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_private.h"

struct recovery {
    struct spool *spool;
    uint64_t known; /* segments below it are known to the index */
    size_t removed, set_aside;
    struct map *present;
    struct fault *fault;
};

/* Whether the file begins with a whole record. */
static bool has_record(const char *path)
{
    struct net_file *file = NULL;
    struct local_record record;
    uint8_t head[LOCAL_RECORD_HEAD];
    uint64_t size = 0;
    bool found = net_file_open(&file, path, NET_FILE_READ, NULL) == 0 &&
                 net_file_read(file, 0, head, sizeof head, NULL) == (ptrdiff_t)sizeof head &&
                 local_record_decode(bytes_at(head, sizeof head), &record) == 1 &&
                 net_file_size(file, &size, NULL) == 0 && size >= local_record_size(&record);
    net_file_close(&file, NULL);
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
    search->found = id != 0 && has_record(path);
    return search->found;
}

int spool_recover_expect_index(const char *index, const char *folder, struct fault *fault)
{
    struct net_file *file = NULL;
    struct fault found = FAULT_INIT;
    if (net_file_open(&file, index, NET_FILE_READ, &found) == 0) {
        return net_file_close(&file, fault);
    }
    struct search search = {.folder = folder};
    int result = net_file_list(folder, find_record, &search, fault);
    if (search.found) {
        fault_set(fault, FAULT_LOCAL, "damaged", index,
                  "there are messages in %s but no index: \"mailweir spool rebuild\" makes it anew", folder);
    }
    return result == 0 && !search.found ? 0 : -1;
}

static int find_segment(void *ctx, const char *name)
{
    bool *found = ctx;
    *found = local_segment_id(name) != 0;
    return *found;
}

int spool_recover_unmade(struct spool *spool)
{
    char kept[LOCAL_PATH_MAX];
    bool found = false;
    if (net_file_list(spool->writer.folder, find_segment, &found, NULL) != 0 || found ||
        local_rebuild_set_aside(spool->path, kept, NULL) != 0) {
        return -1;
    }
    log_event(spool->log, LOG_LEVEL_WARNING, "spool_set_aside", LOG_STR("file", kept),
              LOG_STR("reason", "an index that is no database, and there are no messages: its making was cut off"));
    return 0;
}

static int set_aside(struct recovery *recovery, const char *path, const char *name)
{
    char folder[LOCAL_PATH_MAX], to[LOCAL_PATH_MAX + 64];
    snprintf(folder, sizeof folder, "%s/set-aside", recovery->spool->path);
    snprintf(to, sizeof to, "%s/%s", folder, name);
    if (net_file_mkdir(folder, recovery->fault) != 0 || net_file_rename(path, to, recovery->fault) != 0 ||
        net_file_sync_directory(folder, recovery->fault) != 0) {
        return -1;
    }
    recovery->set_aside++;
    log_event(recovery->spool->log, LOG_LEVEL_WARNING, "spool_set_aside", LOG_STR("file", to),
              LOG_STR("reason", "a segment with messages that the index does not know"));
    return 0;
}

static int look_at(void *ctx, const char *name)
{
    struct recovery *recovery = ctx;
    struct spool *spool = recovery->spool;
    uint64_t id = local_segment_id(name);
    if (id == 0) {
        return 0;
    }
    if (id >= spool->writer.next_segment) {
        spool->writer.next_segment = id + 1;
    }
    if (local_live_messages(spool->live, id) > 0) {
        EXPECT(map_set(recovery->present, bytes_at(&id, sizeof id), recovery) == 0);
        return 0;
    }
    char path[LOCAL_PATH_MAX];
    local_segment_path(spool->writer.folder, id, path);
    if (id >= recovery->known && has_record(path)) {
        return set_aside(recovery, path, name);
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
static uint64_t count_set_aside(const struct spool *spool)
{
    char folder[LOCAL_PATH_MAX];
    uint64_t count = 0;
    snprintf(folder, sizeof folder, "%s/set-aside", spool->path);
    net_file_list(folder, count_file, &count, NULL); /* most spools have none */
    return count;
}

static void add_live(void *ctx, uint64_t segment, uint64_t messages, uint64_t octets)
{
    struct spool *spool = ctx;
    local_live_add(spool->live, segment, messages, octets);
}

static void report_absent(void *ctx, uint64_t segment, uint64_t messages, uint64_t octets)
{
    (void)octets;
    struct recovery *recovery = ctx;
    char path[LOCAL_PATH_MAX];
    local_segment_path(recovery->spool->writer.folder, segment, path);
    if (map_get(recovery->present, bytes_at(&segment, sizeof segment)) == NULL) {
        log_event(recovery->spool->log, LOG_LEVEL_ERROR, "spool_segment_missing", LOG_STR("file", path),
                  LOG_INT("messages", messages));
    }
}

static void add_pause(void *ctx, const char *upstream)
{
    struct spool *spool = ctx;
    if (upstream[0] == '\0') {
        spool->paused = true;
    } else {
        spool_upstream(spool, upstream)->paused = true;
    }
}

static void add_memo(void *ctx, const char *upstream, const char *text)
{
    struct spool_upstream *known = spool_upstream(ctx, upstream);
    free(known->memo);
    known->memo = expect_strdup(text);
}

static int read_numbers(struct spool *spool, struct fault *fault)
{
    struct spool_writer *writer = &spool->writer;
    struct local_index_counts counts;
    uint64_t last;
    if (local_index_get(writer->index, "run", &writer->run, fault) != 0 ||
        local_index_get(writer->index, "next_segment", &writer->next_segment, fault) != 0 ||
        local_index_last_message(writer->index, &last, fault) != 0 ||
        local_index_count(writer->index, &counts, fault) != 0) {
        return -1;
    }
    spool->next_message = last + 1;
    writer->indexed_segment = writer->next_segment;
    spool->counts = (struct spool_counts){
        .waiting = counts.waiting,
        .held = counts.held,
        .dead = counts.dead,
        .messages = counts.messages,
    };
    return 0;
}

/* This start's number stands in the index before anything is handed out in it. */
static int begin_run(struct spool *spool, struct fault *fault)
{
    struct spool_writer *writer = &spool->writer;
    writer->run++;
    if (local_index_begin(writer->index, fault) != 0) {
        return -1;
    }
    if (local_index_set(writer->index, "run", writer->run, fault) != 0 ||
        local_index_commit(writer->index, fault) != 0) {
        local_index_rollback(writer->index);
        return -1;
    }
    return 0;
}

int spool_recover(struct spool *spool, struct fault *fault)
{
    struct spool_writer *writer = &spool->writer;
    if (read_numbers(spool, fault) != 0 || local_restore_shrink(writer->index, spool->path, fault) != 0 ||
        begin_run(spool, fault) != 0 || local_index_each_pause(writer->index, add_pause, spool, fault) != 0 ||
        local_index_each_memo(writer->index, add_memo, spool, fault) != 0 ||
        local_index_each_living(writer->index, add_live, spool, fault) != 0) {
        return -1;
    }
    struct fault found = FAULT_INIT;
    struct recovery recovery = {.spool = spool, .known = writer->indexed_segment, .fault = &found};
    recovery.present = map_new(SIZE_MAX / 4, NULL);
    int result = net_file_list(writer->folder, look_at, &recovery, &found);
    if (result == 0 && fault_is_set(&found)) {
        result = -1;
    }
    if (result == 0 && recovery.removed + recovery.set_aside > 0) {
        result = net_file_sync_directory(writer->folder, &found);
    }
    if (result == 0) {
        local_live_each(spool->live, report_absent, &recovery);
    }
    spool->counts.set_aside = count_set_aside(spool);
    map_free(&recovery.present, NULL);
    if (result != 0 && fault != NULL && !fault_is_set(fault)) {
        *fault = found;
    }
    return result == 0 ? 0 : -1;
}

/*
 * spool - opening and closing, groups, counts, and whether there is room; see spool.h and spool_private.h.
 */
#include "spool/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_private.h"

#define UPSTREAMS_MAX 100000

/* ---- groups ---- */

static void run_group(void *ctx)
{
    struct spool_group *group = ctx;
    spool_writer_run(&group->spool->writer, group);
}

/* Remembers the first fault of a failed group: mail is refused for a while. */
static void note_trouble(struct spool *spool, const struct spool_group *group)
{
    LIST_EACH(link, &group->jobs)
    {
        const struct fault *fault = &LIST_ITEM(link, struct spool_job, link)->fault;
        if (fault_is_set(fault) && fault->class != FAULT_PERM) {
            spool->trouble = *fault;
            spool->trouble_until = net_now(spool->loop) + SPOOL_TROUBLE_MS;
            log_event(spool->log, LOG_LEVEL_ERROR, "spool_commit_failed", LOG_STR("error.code", fault->code),
                      LOG_STR("error.message", fault->text));
            return;
        }
    }
}

static void tidy(struct spool *spool);

static void on_group(void *ctx)
{
    struct spool_group *group = ctx;
    struct spool *spool = group->spool;
    uint64_t left = spool->current_segment;
    spool->group_running = false;
    spool->current_segment = group->current_segment;
    spool->counts.commits += group->committed;
    spool->counts.syncs += group->syncs;
    if (group->committed) {
        histogram_add(&spool->commit_time, net_now_us(spool->loop) - group->began_us);
    }
    note_trouble(spool, group);
    spool_doubt_look(spool, group);
    spool_pump(spool);
    for (struct list *link; (link = list_take(&group->jobs)) != NULL;) {
        struct spool_job *job = LIST_ITEM(link, struct spool_job, link);
        job->kind->done(spool, job);
    }
    if (left != 0 && left != spool->current_segment && local_live_messages(spool->live, left) == 0) {
        spool_discard_segment(spool, left);
    }
    if (group->log_pages > SPOOL_LOG_PAGES) {
        tidy(spool);
    }
    spool_history_tidy(spool);
    free(group);
}

void spool_pump(struct spool *spool)
{
    if (spool->group_running || (list_is_empty(&spool->pending) && !spool->write_over_due)) {
        return;
    }
    spool->write_over_due = false;
    struct spool_group *group = expect_calloc(1, sizeof *group);
    size_t octets = 0;
    group->spool = spool;
    group->began_us = net_now_us(spool->loop);
    list_init(&group->jobs);
    while (!list_is_empty(&spool->pending) && group->count < SPOOL_GROUP_JOBS && octets < SPOOL_GROUP_OCTETS) {
        struct spool_job *job = LIST_ITEM(list_take(&spool->pending), struct spool_job, link);
        octets += job->octets;
        group->count++;
        list_append(&group->jobs, &job->link);
    }
    spool->group_running = true;
    net_lane_submit(spool->disk, run_group, on_group, group);
}

void spool_submit(struct spool *spool, struct spool_job *job)
{
    list_init(&job->link);
    list_append(&spool->pending, &job->link);
    spool_pump(spool);
}

static void take_up_stalled(void *ctx)
{
    struct spool *spool = ctx;
    list_move(&spool->pending, &spool->stalled);
    spool_pump(spool);
}

void spool_stall(struct spool *spool, struct spool_job *job)
{
    if (list_is_empty(&spool->stalled)) {
        net_timer_start(spool->stall_timer, SPOOL_TROUBLE_MS);
    }
    job->fault = FAULT_INIT;
    list_append(&spool->stalled, &job->link);
}

/* ---- the index's log ---- */

/*
 * Most of the log is copied beside the running groups; the little that came meanwhile is copied by the writer, so that the log can
 * begin anew.
 */
static void tidy_most(void *ctx)
{
    struct spool *spool = ctx;
    local_index_checkpoint(spool->tidier, NULL);
}

static void tidy_rest(void *ctx)
{
    struct spool *spool = ctx;
    local_index_checkpoint(spool->writer.index, NULL);
}

static void on_tidied(void *ctx)
{
    struct spool *spool = ctx;
    spool->tidying = false;
}

static void on_most_tidied(void *ctx)
{
    struct spool *spool = ctx;
    if (!spool->closing) {
        net_lane_submit(spool->disk, tidy_rest, on_tidied, spool);
    }
}

static void tidy(struct spool *spool)
{
    if (!spool->tidying && !spool->closing) {
        spool->tidying = true;
        net_lane_submit(spool->tidy, tidy_most, on_most_tidied, spool);
    }
}

/* ---- segments in which nothing lives ---- */

struct removal {
    struct spool *spool;
    uint64_t segment;
};

static void remove_segment(void *ctx)
{
    struct removal *removal = ctx;
    char path[LOCAL_PATH_MAX];
    local_segment_path(removal->spool->writer.folder, removal->segment, path);
    /* One that stays, or comes back after a power cut, is removed at the next start. */
    net_file_remove(path, NULL);
}

void spool_discard_segment(struct spool *spool, uint64_t segment)
{
    if (segment == spool->current_segment) {
        return;
    }
    struct removal *removal = expect_calloc(1, sizeof *removal);
    *removal = (struct removal){spool, segment};
    net_lane_submit(spool->tidy, remove_segment, free, removal);
}

/* ---- room ---- */

struct measurement {
    struct spool *spool;
    uint64_t octets, inodes;
    bool failed;
};

static void measure(void *ctx)
{
    struct measurement *measurement = ctx;
    measurement->failed =
        net_file_free_space(measurement->spool->path, &measurement->octets, &measurement->inodes, NULL) != 0;
}

static void on_measured(void *ctx)
{
    struct measurement *measurement = ctx;
    struct spool *spool = measurement->spool;
    spool->measuring = false;
    if (!measurement->failed) {
        spool->free_octets = measurement->octets;
        spool->free_inodes = measurement->inodes;
        spool->measured_at = net_now(spool->loop);
    }
    free(measurement);
}

static void need_measurement(struct spool *spool)
{
    if (spool->measuring || net_now(spool->loop) - spool->measured_at < SPOOL_SPACE_MS) {
        return;
    }
    struct measurement *measurement = expect_calloc(1, sizeof *measurement);
    measurement->spool = spool;
    spool->measuring = true;
    net_lane_submit(spool->tidy, measure, on_measured, measurement);
}

int spool_can_accept(struct spool *spool, uint64_t size, struct fault *fault)
{
    need_measurement(spool);
    if (net_now(spool->loop) < spool->trouble_until) {
        if (fault != NULL && !fault_is_set(fault)) {
            *fault = spool->trouble;
        }
        return -1;
    }
    uint64_t minimum = spool->options.minimum_free;
    if (spool->free_octets < minimum || spool->free_octets - minimum < size || spool->free_inodes < SPOOL_INODES_MIN) {
        fault_set(fault, FAULT_LOCAL, "enospc", spool->path,
                  "the disk of the spool is full: %llu octets and %llu inodes left",
                  (unsigned long long)spool->free_octets, (unsigned long long)spool->free_inodes);
        return -1;
    }
    return 0;
}

/* ---- small things ---- */

struct spool_upstream *spool_upstream(struct spool *spool, const char *name)
{
    struct spool_upstream *upstream = map_get(spool->upstreams, bytes_of(name));
    if (upstream == NULL) {
        upstream = expect_calloc(1, sizeof *upstream);
        EXPECT(map_set(spool->upstreams, bytes_of(name), upstream) == 0);
    }
    return upstream;
}

static void free_upstream(void *value)
{
    struct spool_upstream *upstream = value;
    free(upstream->memo);
    free(upstream);
}

void spool_set_offer(struct spool *spool, spool_offer_fn *fn, void *ctx)
{
    spool->offer = fn;
    spool->offer_ctx = ctx;
}

void spool_set_left(struct spool *spool, spool_left_fn *fn, void *ctx)
{
    spool->left = fn;
    spool->left_ctx = ctx;
}

void spool_set_wake(struct spool *spool, spool_wake_fn *fn, void *ctx)
{
    spool->wake = fn;
    spool->wake_ctx = ctx;
}

void spool_wake(struct spool *spool, const char *upstream)
{
    if (spool->wake != NULL && !spool->closing) {
        spool->wake(spool->wake_ctx, upstream);
    }
}

bool spool_is_paused(const struct spool *spool, const struct spool_upstream *upstream)
{
    return spool->paused || upstream->paused;
}

void spool_count(const struct spool *spool, struct spool_counts *counts_r)
{
    *counts_r = spool->counts;
}

const struct histogram *spool_commit_time(const struct spool *spool)
{
    return &spool->commit_time;
}

/* ---- opening ---- */

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value == 0 ? otherwise : value;
}

static struct spool *spool_new(struct net_loop *loop, const struct spool_options *options, struct log *log)
{
    struct spool *spool = expect_calloc(1, sizeof *spool);
    spool->loop = loop;
    spool->log = log;
    snprintf(spool->path, sizeof spool->path, "%s", options->path);
    spool->options = (struct spool_options){
        .path = spool->path,
        .segment_size = or_default(options->segment_size, 64u << 20),
        .own_segment_over = or_default(options->own_segment_over, 256u << 10),
        .minimum_free = or_default(options->minimum_free, 64u << 20),
        .history_messages = or_default(options->history_messages, 1000000),
        .history_ms = or_default(options->history_ms, 7 * 24 * 3600 * UINT64_C(1000)),
    };
    list_init(&spool->pending);
    list_init(&spool->stalled);
    list_init(&spool->doubtful);
    spool->live = local_live_new();
    spool->held = spool_held_new();
    spool->upstreams = map_new(UPSTREAMS_MAX, NULL);
    spool->marks = map_new(SPOOL_MARKS_MAX, NULL);
    spool->writer.segment_size = spool->options.segment_size;
    list_init(&spool->writer.dirty);
    spool->writer.spool = spool->path;
    snprintf(spool->writer.folder, sizeof spool->writer.folder, "%s/segments", spool->path);
    return spool;
}

/* The spool's own name must outlive a crash too. Who may not read the folder above did not make the spool in it either. */
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

static int make_folders(struct spool *spool, struct fault *fault)
{
    if (net_file_mkdir(spool->path, fault) != 0 || net_file_mkdir(spool->writer.folder, fault) != 0 ||
        sync_parent(spool->path, fault) != 0) {
        return -1;
    }
    return net_file_sync_directory(spool->path, fault);
}

static int open_writing(struct spool *spool, const char *path, struct fault *fault)
{
    struct fault found = FAULT_INIT;
    const char *vfs = net_file_sqlite_vfs();
    int result = local_index_open(&spool->writer.index, path, vfs, LOCAL_INDEX_WRITE, &found);
    if (result != 0 && strcmp(found.code, "damaged") == 0 && spool_recover_unmade(spool) == 0) {
        found = FAULT_INIT;
        result = local_index_open(&spool->writer.index, path, vfs, LOCAL_INDEX_WRITE, &found);
    }
    if (result != 0) {
        *fault = found;
    }
    return result;
}

static int open_indexes(struct spool *spool, struct fault *fault)
{
    char path[LOCAL_PATH_MAX];
    const char *vfs = net_file_sqlite_vfs();
    struct local_index *reading = NULL;
    snprintf(path, sizeof path, "%s/index.sqlite", spool->path);
    if (spool_recover_expect_index(path, spool->writer.folder, fault) != 0 || open_writing(spool, path, fault) != 0 ||
        local_index_open(&spool->tidier, path, vfs, LOCAL_INDEX_READ, fault) != 0 ||
        local_index_open(&reading, path, vfs, LOCAL_INDEX_READ, fault) != 0) {
        return -1;
    }
    spool->reader = local_reader_new(spool->writer.folder, reading);
    return 0;
}

static int set_up(struct spool *spool, struct fault *fault)
{
    char path[LOCAL_PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", spool->path);
    if (make_folders(spool, fault) != 0 || net_file_lock(&spool->lock, path, fault) != 0 ||
        open_indexes(spool, fault) != 0 || spool_recover(spool, fault) != 0 ||
        net_file_free_space(spool->path, &spool->free_octets, &spool->free_inodes, fault) != 0) {
        return -1;
    }
    spool->measured_at = net_now(spool->loop);
    spool_disk_judge(spool);
    spool->disk = net_lane_new(spool->loop, "disk");
    spool->read = net_lane_new(spool->loop, "read");
    spool->tidy = net_lane_new(spool->loop, "tidy");
    spool->stall_timer = net_timer_new(spool->loop, take_up_stalled, spool);
    return 0;
}

static void tear_down(struct spool *spool)
{
    net_timer_free(&spool->stall_timer);
    net_timer_free(&spool->doubt_timer);
    spool_admin_free(&spool->admin);
    local_segment_close(&spool->writer.current);
    local_reader_free(&spool->reader);
    local_index_close(&spool->tidier);
    local_index_close(&spool->writer.index);
    net_file_close(&spool->lock, NULL);
    free(spool->writer.pieces);
    local_live_free(&spool->live);
    spool_held_free(&spool->held);
    map_free(&spool->upstreams, free_upstream);
    map_free(&spool->marks, free);
    free(spool);
}

int spool_open(struct spool **spool_r, struct net_loop *loop, const struct spool_options *options, struct log *log,
               struct fault *fault)
{
    if (strlen(options->path) >= sizeof((struct spool *)0)->path) {
        fault_set(fault, FAULT_LOCAL, "enametoolong", "spool", "the path of the spool is too long");
        return -1;
    }
    struct spool *spool = spool_new(loop, options, log);
    if (set_up(spool, fault) != 0) {
        tear_down(spool);
        return -1;
    }
    *spool_r = spool;
    return 0;
}

/* Runs a lane dry and frees it; what its answers submit is still taken. */
static void finish_lane(struct net_lane *lane)
{
    net_lane_free(&lane);
}

void spool_close(struct spool **spool_ref)
{
    struct spool *spool = *spool_ref;
    if (spool == NULL) {
        return;
    }
    *spool_ref = NULL;
    spool->closing = true;
    finish_lane(spool->read);
    spool->write_over_due = !list_is_empty(&spool->doubtful);
    take_up_stalled(spool);
    finish_lane(spool->disk);
    spool_doubt_end(spool, false);
    finish_lane(spool->tidy);
    tear_down(spool);
}

/*
 * spool_writer - the lane "disk": makes a group of jobs durable.
 *
 *   1. each job gives what belongs into segments; all that goes to the current segment is written at once
 *   2. fdatasync of each segment that was written, then of the folder when one of them is new
 *   3. one transaction of the index with the changes of every job
 *
 * A sync that failed is not tried again: the segment takes nothing more, its jobs fail, the others go on. A transaction that failed fails
 * all jobs, and the octets they wrote are written over by the next group.
 *
 * A transaction whose sync failed may lie whole in the index's log all the same, and would come to life after a crash. It is in doubt until
 * another transaction was written over it and synced: only then its jobs have failed for certain.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_private.h"

/* ---- gathering ---- */

/* The segment to append to in this group; a full one is left at the beginning of a group only. */
static struct local_segment *need_current(struct spool_writer *writer, struct fault *fault)
{
    if (writer->current != NULL && writer->gathered == 0 && writer->current->tail >= writer->segment_size) {
        local_segment_close(&writer->current);
    }
    if (writer->current == NULL) {
        if (local_segment_create(&writer->current, writer->folder, writer->next_segment, fault) != 0) {
            return NULL;
        }
        writer->next_segment++;
    }
    return writer->current;
}

static void add_piece(struct spool_writer *writer, struct bytes piece)
{
    if (writer->piece_count == writer->piece_room) {
        writer->piece_room = writer->piece_room == 0 ? 256 : writer->piece_room * 2;
        writer->pieces = expect_memory(realloc(writer->pieces, writer->piece_room * sizeof *writer->pieces));
    }
    writer->pieces[writer->piece_count++] = piece;
    writer->gathered += piece.len;
}

void spool_writer_own(struct spool_writer *writer, struct spool_job *job, struct local_segment *segment)
{
    job->segment = segment;
    list_remove(&segment->link);
    list_append(&writer->dirty, &segment->link);
}

int spool_writer_append(struct spool_writer *writer, struct spool_job *job, const struct local_record *record,
                        const struct bytes pieces[3], struct local_place *place_r)
{
    struct local_segment *segment = need_current(writer, &job->fault);
    if (segment == NULL) {
        return -1;
    }
    spool_writer_own(writer, job, segment);
    *place_r = (struct local_place){
        .segment = segment->id,
        .start = segment->tail + writer->gathered,
        .record_len = local_record_size(record),
        .body_len = record->body_len,
        .body_sum = record->body_sum,
    };
    for (size_t i = 0; i < 3; i++) {
        add_piece(writer, pieces[i]);
    }
    return 0;
}

/* ---- the steps ---- */

/* Gives the fault to each job whose record went into the segment. */
static void fail_segment(struct spool_group *group, const struct local_segment *segment, const struct fault *fault)
{
    LIST_EACH(link, &group->jobs)
    {
        struct spool_job *job = LIST_ITEM(link, struct spool_job, link);
        if (job->segment == segment && !fault_is_set(&job->fault)) {
            job->fault = *fault;
        }
    }
}

static void write_jobs(struct spool_writer *writer, struct spool_group *group)
{
    LIST_EACH(link, &group->jobs)
    {
        struct spool_job *job = LIST_ITEM(link, struct spool_job, link);
        job->segment = NULL;
        if (!fault_is_set(&job->fault) && job->kind->write != NULL) {
            job->kind->write(writer, job);
        }
    }
    struct fault fault = FAULT_INIT;
    if (writer->piece_count > 0 &&
        local_segment_append(writer->current, writer->pieces, writer->piece_count, &fault) != 0) {
        fail_segment(group, writer->current, &fault);
        /* Out of room is no sign of a bad disk: the next group writes over what was half written. */
        bool full = strcmp(fault.code, "enospc") == 0 || strcmp(fault.code, "edquot") == 0;
        if (!full) {
            writer->current->fault = fault;
        }
    }
    writer->piece_count = 0;
    writer->gathered = 0;
}

/* Makes the names of new segments durable; all of them are in doubt when that fails. */
static void sync_names(struct spool_writer *writer)
{
    struct fault fault = FAULT_INIT;
    bool fresh = false;
    LIST_EACH(link, &writer->dirty)
    {
        fresh = fresh || LIST_ITEM(link, struct local_segment, link)->fresh;
    }
    if (!fresh) {
        return;
    }
    writer->syncs++;
    int result = net_file_sync_directory(writer->folder, &fault);
    LIST_EACH(link, &writer->dirty)
    {
        struct local_segment *segment = LIST_ITEM(link, struct local_segment, link);
        if (result == 0) {
            segment->fresh = false;
        } else if (segment->fresh && !fault_is_set(&segment->fault)) {
            segment->fault = fault;
        }
    }
}

static void sync_segments(struct spool_writer *writer, struct spool_group *group)
{
    LIST_EACH(link, &writer->dirty)
    {
        struct local_segment *segment = LIST_ITEM(link, struct local_segment, link);
        if (!fault_is_set(&segment->fault)) {
            writer->syncs++;
            net_file_sync(segment->file, &segment->fault);
        }
    }
    sync_names(writer);
    LIST_EACH(link, &writer->dirty)
    {
        struct local_segment *segment = LIST_ITEM(link, struct local_segment, link);
        if (fault_is_set(&segment->fault)) {
            fail_segment(group, segment, &segment->fault);
        }
        list_remove(link);
    }
}

static int change_index(struct spool_writer *writer, struct spool_group *group, struct fault *fault)
{
    LIST_EACH(link, &group->jobs)
    {
        struct spool_job *job = LIST_ITEM(link, struct spool_job, link);
        if (!fault_is_set(&job->fault) && job->kind->index(writer, job, fault) != 0) {
            return -1;
        }
    }
    if (writer->in_doubt && local_index_set(writer->index, "run", writer->run, fault) != 0) {
        return -1;
    }
    if (writer->indexed_segment != writer->next_segment) {
        return local_index_set(writer->index, "next_segment", writer->next_segment, fault);
    }
    return 0;
}

/* Any transaction does; this one changes nothing. */
static void write_over(struct spool_writer *writer)
{
    if (local_index_begin(writer->index, NULL) != 0) {
        return;
    }
    if (local_index_set(writer->index, "run", writer->run, NULL) != 0 || local_index_commit(writer->index, NULL) != 0) {
        local_index_rollback(writer->index);
        return;
    }
    writer->in_doubt = false;
}

static int transact(struct spool_writer *writer, struct spool_group *group, struct fault *fault)
{
    if (local_index_begin(writer->index, fault) != 0) {
        return -1;
    }
    if (change_index(writer, group, fault) != 0) {
        local_index_rollback(writer->index);
        return -1;
    }
    if (local_index_commit(writer->index, fault) != 0) {
        writer->in_doubt = writer->in_doubt || local_index_in_doubt(writer->index);
        local_index_rollback(writer->index);
        write_over(writer);
        group->in_doubt = writer->in_doubt;
        return -1;
    }
    writer->in_doubt = false;
    writer->syncs++;
    writer->indexed_segment = writer->next_segment;
    return 0;
}

static bool has_work(const struct spool_group *group)
{
    LIST_EACH(link, &group->jobs)
    {
        if (!fault_is_set(&LIST_ITEM(link, struct spool_job, link)->fault)) {
            return true;
        }
    }
    return false;
}

static void fail_all(struct spool_group *group, const struct fault *fault)
{
    LIST_EACH(link, &group->jobs)
    {
        struct spool_job *job = LIST_ITEM(link, struct spool_job, link);
        if (!fault_is_set(&job->fault)) {
            job->fault = *fault;
        }
    }
}

static void after_all(struct spool_writer *writer, struct spool_group *group)
{
    LIST_EACH(link, &group->jobs)
    {
        struct spool_job *job = LIST_ITEM(link, struct spool_job, link);
        if (!fault_is_set(&job->fault) && job->kind->after != NULL) {
            job->kind->after(writer, job);
        }
    }
}

/* Leaves a segment that failed; the octets of a group that failed elsewhere are given back. */
static void settle_current(struct spool_writer *writer, uint64_t tail_before, bool committed)
{
    if (writer->current == NULL) {
        return;
    }
    if (fault_is_set(&writer->current->fault)) {
        local_segment_close(&writer->current);
    } else if (!committed) {
        writer->current->tail = tail_before;
    }
}

void spool_writer_run(struct spool_writer *writer, struct spool_group *group)
{
    uint64_t segment_before = writer->current == NULL ? 0 : writer->current->id;
    uint64_t tail_before = writer->current == NULL ? 0 : writer->current->tail;
    uint64_t syncs_before = writer->syncs;
    write_jobs(writer, group);
    sync_segments(writer, group);
    if (has_work(group) || writer->in_doubt) {
        group->committed = transact(writer, group, &group->fault) == 0;
        if (!group->committed) {
            fail_all(group, &group->fault);
        } else {
            after_all(writer, group);
        }
    }
    bool same = writer->current != NULL && writer->current->id == segment_before;
    settle_current(writer, same ? tail_before : 0, group->committed);
    group->not_over = writer->in_doubt;
    group->current_segment = writer->current == NULL ? 0 : writer->current->id;
    group->syncs = writer->syncs - syncs_before;
    group->log_pages = local_index_log_pages(writer->index);
}

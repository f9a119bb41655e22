/*
 * local_disk - a disk under the local store that fails when it is told to. A test that includes this declares the __wrap_ functions itself, too: the build
 * finds by that what is to be wrapped.
 */
#ifndef MAILWEIR_TESTS_UNIT_LOCAL_DISK_H
#define MAILWEIR_TESTS_UNIT_LOCAL_DISK_H

#include "local_fixture.h"

struct local_index;

static struct {
    unsigned fail_commits, fail_syncs; /* so many from now on */
    const char *fail_write;            /* the next record of a batch fails with this code; or NULL */
} disk;

int __real_local_index_commit(struct local_index *index, struct fault *fault);
int __wrap_local_index_commit(struct local_index *index, struct fault *fault);
int __real_net_file_sync(struct net_file *file, struct fault *fault);
int __wrap_net_file_sync(struct net_file *file, struct fault *fault);
int __real_net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                          struct fault *fault);
int __wrap_net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                          struct fault *fault);

/* Whether this call is one of those that are to fail. fault may be NULL. */
static inline bool disk_fails(unsigned *left, struct fault *fault)
{
    if (*left == 0) {
        return false;
    }
    (*left)--;
    if (fault != NULL) {
        fault_set(fault, FAULT_LOCAL, "eio", "test", "the disk was told to fail");
    }
    return true;
}

int __wrap_local_index_commit(struct local_index *index, struct fault *fault)
{
    return disk_fails(&disk.fail_commits, fault) ? -1 : __real_local_index_commit(index, fault);
}

/* The octets are on the disk all the same: a sync that failed says nothing about that. */
int __wrap_net_file_sync(struct net_file *file, struct fault *fault)
{
    int result = __real_net_file_sync(file, fault);
    return disk_fails(&disk.fail_syncs, fault) ? -1 : result;
}

int __wrap_net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                          struct fault *fault)
{
    if (disk.fail_write == NULL || count < 2) {
        return __real_net_file_write(file, offset, pieces, count, fault);
    }
    fault_set(fault, FAULT_LOCAL, disk.fail_write, "test", "the disk was told to fail");
    disk.fail_write = NULL;
    return -1;
}

#endif

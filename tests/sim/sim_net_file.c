/*
 * sim_net_file - gateway/net/net_file.h over the simulated disk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "net/net_file.h"
#include "sim.h"
#include "sim_disk.h"
#include "sim_vfs.h"

struct net_file {
    struct sim_inode *inode;
    char *path;
    bool is_lock;
};

static struct lock {
    unsigned life; /* of the holder; 0: free. One lock is enough for one gateway */
    char path[200];
} locks[SIM_MACHINES];

static int failed(struct fault *fault, const char *verb, const char *path, int error)
{
    char code[40];
    size_t len = 0;
    for (const char *name = strerrorname_np(error); name != NULL && name[len] != '\0' && len < sizeof code - 1; len++) {
        code[len] = (char)octet_lower((uint8_t)name[len]);
    }
    code[len] = '\0';
    fault_set(fault, FAULT_LOCAL, code, path, "cannot %s %s: %s", verb, path, strerror(error));
    return -1;
}

static int result(struct fault *fault, const char *verb, const char *path, int error)
{
    return error == 0 ? 0 : failed(fault, verb, path, error);
}

static struct net_file *wrap(struct sim_inode *inode, const char *path)
{
    struct net_file *file = expect_calloc(1, sizeof *file);
    file->inode = inode;
    file->path = expect_strdup(path);
    return file;
}

int net_file_open(struct net_file **file_r, const char *path, enum net_file_mode mode, struct fault *fault)
{
    struct sim_inode *inode;
    int error = sim_disk_open(path, mode == NET_FILE_CREATE, mode == NET_FILE_CREATE, &inode, NULL);
    if (error != 0) {
        return failed(fault, "open", path, error);
    }
    *file_r = wrap(inode, path);
    return 0;
}

int net_file_close(struct net_file **file, struct fault *fault)
{
    (void)fault;
    if (*file == NULL) {
        return 0;
    }
    if ((*file)->is_lock) {
        locks[sim_machine()].life = 0;
    }
    sim_disk_release((*file)->inode);
    free((*file)->path);
    free(*file);
    *file = NULL;
    return 0;
}

int net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                   struct fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        int error = pieces[i].len == 0 ? 0 : sim_disk_write(file->inode, offset, pieces[i].ptr, pieces[i].len);
        if (error != 0) {
            return failed(fault, "write", file->path, error);
        }
        offset += pieces[i].len;
    }
    return 0;
}

ptrdiff_t net_file_read(struct net_file *file, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    ptrdiff_t got = sim_disk_read(file->inode, offset, into, len);
    return got < 0 ? failed(fault, "read", file->path, (int)-got) : got;
}

int net_file_sync(struct net_file *file, struct fault *fault)
{
    return result(fault, "sync", file->path, sim_disk_sync(file->inode));
}

int net_file_size(struct net_file *file, uint64_t *size_r, struct fault *fault)
{
    (void)fault;
    *size_r = sim_disk_size(file->inode);
    return 0;
}

int net_file_mkdir(const char *path, struct fault *fault)
{
    return result(fault, "make the directory", path, sim_disk_mkdir(path));
}

void net_file_make_private(const char *path, bool create)
{
    (void)path;
    (void)create;
}

void net_file_make_all_private(const char *folder)
{
    (void)folder;
}

unsigned net_file_others(const char *path, struct buf *where)
{
    (void)path;
    (void)where;
    return 0;
}

int net_file_sync_directory(const char *path, struct fault *fault)
{
    return result(fault, "sync the directory", path, sim_disk_sync_directory(path));
}

int net_file_remove(const char *path, struct fault *fault)
{
    return result(fault, "remove", path, sim_disk_remove(path));
}

int net_file_rename(const char *from, const char *to, struct fault *fault)
{
    return result(fault, "rename", from, sim_disk_rename(from, to));
}

int net_file_list(const char *path, int (*fn)(void *ctx, const char *name), void *ctx, struct fault *fault)
{
    if (!sim_disk_is_directory(path)) {
        return failed(fault, "open the directory", path, ENOENT);
    }
    /* The names first: fn may remove files. */
    struct buf names;
    buf_init(&names, 1 << 20);
    const char *entry;
    for (size_t i = 0; (entry = sim_disk_entry(path, i)) != NULL; i++) {
        buf_append(&names, entry, strlen(entry) + 1);
    }
    for (size_t at = 0; at < names.len;) {
        const char *name = (const char *)buf_bytes(&names).ptr + at;
        at += strlen(name) + 1;
        if (fn(ctx, name) != 0) {
            break;
        }
    }
    buf_done(&names);
    return 0;
}

int net_file_free_space(const char *path, uint64_t *octets_r, uint64_t *inodes_r, struct fault *fault)
{
    (void)path, (void)fault;
    uint64_t used = sim_disk_used(), capacity = sim_disk_capacity();
    *octets_r = used < capacity ? capacity - used : 0;
    *inodes_r = 1000000;
    return 0;
}

int net_file_replace(const char *path, struct bytes text, struct fault *fault)
{
    char next[300], folder[300];
    struct net_file *file;
    snprintf(next, sizeof next, "%s.new", path);
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    disregard(net_file_remove(next, NULL));
    if (net_file_open(&file, next, NET_FILE_CREATE, fault) != 0) {
        return -1;
    }
    int result = net_file_write(file, 0, &text, 1, fault) != 0 || net_file_sync(file, fault) != 0 ? -1 : 0;
    disregard(net_file_close(&file, NULL));
    return result != 0 || net_file_rename(next, path, fault) != 0 ? -1 : net_file_sync_directory(folder, fault);
}

int net_file_system(const char *path, char name_r[NET_FILE_SYSTEM_LEN])
{
    (void)path;
    snprintf(name_r, NET_FILE_SYSTEM_LEN, "ext4");
    return 0;
}

int net_file_sync_time(const char *folder, uint64_t *microseconds_r)
{
    (void)folder;
    *microseconds_r = 1000;
    return 0;
}

/* What the operator has written since changes all stamps. */
enum net_file_kind net_file_kind(const char *path)
{
    if (!sim_disk_exists(path)) {
        return NET_FILE_NOTHING;
    }
    return sim_disk_is_directory(path) ? NET_FILE_FOLDER : NET_FILE_ORDINARY;
}

uint64_t net_file_stamp(const char *path)
{
    return sim_disk_exists(path) ? sim_disk_puts() : 0;
}

int net_file_absolute(const char *path, struct buf *out)
{
    return buf_append_text(out, path); /* a simulated disk has no working folder */
}

int net_file_read_all(const char *path, struct buf *out, struct fault *fault)
{
    struct sim_inode *inode;
    int error = sim_disk_open(path, false, false, &inode, NULL);
    if (error != 0) {
        return failed(fault, "open", path, error);
    }
    size_t before = out->len;
    uint8_t chunk[4096];
    ptrdiff_t got;
    for (uint64_t offset = 0; (got = sim_disk_read(inode, offset, chunk, sizeof chunk)) > 0; offset += (uint64_t)got) {
        if (buf_append(out, chunk, (size_t)got) != 0) {
            buf_truncate(out, before);
            sim_disk_release(inode);
            fault_set(fault, FAULT_LOCAL, "too-large", path, "%s is too large", path);
            return -1;
        }
    }
    sim_disk_release(inode);
    return got < 0 ? failed(fault, "read", path, (int)-got) : 0;
}

int net_file_lock(struct net_file **file_r, const char *path, struct fault *fault)
{
    struct lock *lock = &locks[sim_machine()];
    if (lock->life == sim_life() && strcmp(lock->path, path) == 0) {
        fault_set(fault, FAULT_LOCAL, "locked", path, "%s is locked by process 1", path);
        return -1;
    }
    struct sim_inode *inode;
    int error = sim_disk_open(path, true, false, &inode, NULL);
    if (error != 0) {
        return failed(fault, "open the lock", path, error);
    }
    lock->life = sim_life();
    snprintf(lock->path, sizeof lock->path, "%s", path);
    *file_r = wrap(inode, path);
    (*file_r)->is_lock = true;
    return 0;
}

const char *net_file_sqlite_vfs(void)
{
    return sim_vfs_name();
}

/*
 * sim_disk - the simulated disk; see sim_disk.h.
 */
#include "sim_disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim.h"
#include "sim_fiber.h"

#define SECTOR    512
#define NAMES_MAX 4096
#define PATH_LEN  200

struct image {
    uint8_t *data;
    uint64_t size, room;
};

struct sim_inode {
    struct image cache, platter;
    uint8_t *dirty; /* per sector of the cache */
    size_t dirty_room;
    bool size_dirty;
    bool is_directory;
    unsigned holds;
    char path[PATH_LEN]; /* under which it was made: for faults and the trace */
    void *extra;
};

struct name {
    char path[PATH_LEN];
    struct sim_inode *inode;
};

struct names {
    struct name items[NAMES_MAX];
    size_t count;
};

/* A change of the cached names that is not durable yet. inode NULL: the path goes. */
struct change {
    char directory[PATH_LEN];
    char path[PATH_LEN];
    struct sim_inode *inode;
    unsigned group; /* changes of one rename are kept or lost together */
};

static struct {
    struct names cache, platter;
    struct change changes[NAMES_MAX];
    size_t change_count;
    unsigned group;
    uint64_t capacity, puts, memory;
    sim_disk_fault_fn *fault;
    struct sim_random random;
} disk;

/* ---- images ---- */

static void image_resize(struct image *image, uint64_t size)
{
    if (size > image->room) {
        uint64_t room = image->room < 4096 ? 4096 : image->room * 2;
        room = room < size ? size : room;
        image->data = expect_memory(realloc(image->data, room));
        memset(image->data + image->room, 0, room - image->room);
        disk.memory += room - image->room;
        image->room = room;
    }
    if (size < image->size) {
        memset(image->data + size, 0, image->size - size);
    }
    image->size = size;
}

static void copy_sector(struct sim_inode *inode, size_t sector)
{
    uint64_t at = (uint64_t)sector * SECTOR;
    if (at >= inode->cache.size) {
        return;
    }
    uint64_t len = inode->cache.size - at < SECTOR ? inode->cache.size - at : SECTOR;
    if (at + len > inode->platter.size) {
        image_resize(&inode->platter, at + len);
    }
    memcpy(inode->platter.data + at, inode->cache.data + at, len);
}

static void mark_dirty(struct sim_inode *inode, uint64_t offset, uint64_t len)
{
    size_t last = (size_t)((offset + len + SECTOR - 1) / SECTOR);
    if (last > inode->dirty_room) {
        size_t room = last * 2;
        inode->dirty = expect_memory(realloc(inode->dirty, room));
        memset(inode->dirty + inode->dirty_room, 0, room - inode->dirty_room);
        disk.memory += room - inode->dirty_room;
        inode->dirty_room = room;
    }
    if (len > 0) {
        memset(inode->dirty + offset / SECTOR, 1, last - offset / SECTOR);
    }
}

static void forget_dirty(struct sim_inode *inode)
{
    if (inode->dirty_room > 0) {
        memset(inode->dirty, 0, inode->dirty_room);
    }
    inode->size_dirty = false;
}

/* ---- names ---- */

static struct name *find(struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].path, path) == 0) {
            return &names->items[i];
        }
    }
    return NULL;
}

static void set_name(struct names *names, const char *path, struct sim_inode *inode)
{
    struct name *name = find(names, path);
    if (inode == NULL) {
        if (name != NULL) {
            size_t at = (size_t)(name - names->items);
            memmove(name, name + 1, (names->count - at - 1) * sizeof *name);
            names->count--;
        }
        return;
    }
    if (name == NULL) {
        EXPECT(names->count < NAMES_MAX);
        name = &names->items[names->count++];
        snprintf(name->path, sizeof name->path, "%s", path);
    }
    name->inode = inode;
}

static void directory_of(const char *path, char out[PATH_LEN])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL || slash == path ? 0 : (size_t)(slash - path);
    snprintf(out, PATH_LEN, "%.*s", (int)len, path);
}

static void change(const char *path, struct sim_inode *inode)
{
    EXPECT(disk.change_count < NAMES_MAX && strlen(path) < PATH_LEN);
    struct change *new = &disk.changes[disk.change_count++];
    *new = (struct change){.inode = inode, .group = disk.group};
    directory_of(path, new->directory);
    snprintf(new->path, sizeof new->path, "%s", path);
    set_name(&disk.cache, path, inode);
}

/* ---- faults ---- */

static int ask(enum sim_disk_op op, const char *path)
{
    sim_trace("disk", path, strlen(path));
    sim_fiber_may_pause();
    return disk.fault == NULL ? 0 : disk.fault(op, path);
}

void sim_disk_begin(uint64_t capacity, sim_disk_fault_fn *fault)
{
    disk.capacity = capacity;
    disk.fault = fault;
    sim_random_init(&disk.random, sim_seed(), "disk", 0);
}

void sim_disk_set_capacity(uint64_t octets)
{
    disk.capacity = octets;
}

uint64_t sim_disk_capacity(void)
{
    return disk.capacity;
}

uint64_t sim_disk_used(void)
{
    uint64_t used = 0;
    for (size_t i = 0; i < disk.cache.count; i++) {
        used += disk.cache.items[i].inode->cache.size;
    }
    return used;
}

/* ---- the crash ---- */

/* Nobody has asked for these sectors to be durable: none of them may be, or all, or some. */
static void copy_some(struct sim_inode *inode)
{
    static const unsigned percents[] = {0, 50, 100};
    unsigned percent = percents[sim_random_between(&disk.random, 0, 2)];
    for (size_t i = 0; i < inode->dirty_room; i++) {
        if (inode->dirty[i] && sim_random_chance(&disk.random, percent)) {
            copy_sector(inode, i);
        }
    }
}

static void crash_inode(struct sim_inode *inode)
{
    uint64_t old_size = inode->platter.size;
    bool takes_size = inode->size_dirty && sim_random_chance(&disk.random, 50);
    copy_some(inode);
    /* The size is a matter of its own: a file may end before what was written, or have holes of zeros. */
    image_resize(&inode->platter, takes_size ? inode->cache.size : old_size);
    image_resize(&inode->cache, 0);
    image_resize(&inode->cache, inode->platter.size);
    if (inode->platter.size > 0) {
        memcpy(inode->cache.data, inode->platter.data, inode->platter.size);
    }
    forget_dirty(inode);
    inode->extra = NULL;
    inode->holds = 0;
}

static bool is_reachable(const char *path)
{
    char directory[PATH_LEN];
    directory_of(path, directory);
    return directory[0] == '\0' || (find(&disk.platter, directory) != NULL && is_reachable(directory));
}

void sim_disk_crash(void)
{
    /* A journal keeps a beginning of what was done, in order. */
    unsigned first = disk.change_count > 0 ? disk.changes[0].group : 0;
    unsigned last = disk.change_count > 0 ? disk.changes[disk.change_count - 1].group + 1 : 0;
    unsigned kept = (unsigned)sim_random_between(&disk.random, first, last);
    for (size_t i = 0; i < disk.change_count && disk.changes[i].group < kept; i++) {
        set_name(&disk.platter, disk.changes[i].path, disk.changes[i].inode);
    }
    disk.change_count = 0;
    disk.cache.count = 0;
    for (size_t i = 0; i < disk.platter.count; i++) {
        if (is_reachable(disk.platter.items[i].path)) {
            crash_inode(disk.platter.items[i].inode);
            set_name(&disk.cache, disk.platter.items[i].path, disk.platter.items[i].inode);
        }
    }
    disk.platter = disk.cache;
}

/* ---- files ---- */

static struct sim_inode *new_inode(const char *path, bool is_directory)
{
    struct sim_inode *inode = expect_calloc(1, sizeof *inode);
    inode->is_directory = is_directory;
    snprintf(inode->path, sizeof inode->path, "%s", path);
    return inode;
}

static int make(const char *path, bool is_directory, struct sim_inode **inode_r)
{
    char directory[PATH_LEN];
    directory_of(path, directory);
    if (directory[0] != '\0' && !sim_disk_is_directory(directory)) {
        return ENOENT;
    }
    int error = ask(SIM_DISK_NAME, path);
    if (error != 0) {
        return error;
    }
    *inode_r = new_inode(path, is_directory);
    disk.group++;
    change(path, *inode_r);
    return 0;
}

int sim_disk_open(const char *path, bool create, bool exclusive, struct sim_inode **inode_r, bool *created_r)
{
    struct name *name = path == NULL ? NULL : find(&disk.cache, path);
    if (created_r != NULL) {
        *created_r = false;
    }
    if (path == NULL) {
        *inode_r = new_inode("unnamed", false);
    } else if (name != NULL) {
        if (exclusive) {
            return EEXIST;
        }
        if (name->inode->is_directory) {
            return EISDIR;
        }
        *inode_r = name->inode;
    } else if (!create) {
        return ENOENT;
    } else {
        int error = make(path, false, inode_r);
        if (error != 0) {
            return error;
        }
        if (created_r != NULL) {
            *created_r = true;
        }
    }
    (*inode_r)->holds++;
    return 0;
}

void sim_disk_release(struct sim_inode *inode)
{
    inode->holds--; /* memory of removed files stays until the process ends: worlds are small */
}

int sim_disk_write(struct sim_inode *inode, uint64_t offset, const void *data, size_t len)
{
    int error = ask(SIM_DISK_WRITE, inode->path);
    if (error != 0) {
        return error;
    }
    uint64_t end = offset + len;
    if (end > inode->cache.size) {
        if (sim_disk_used() + end - inode->cache.size > disk.capacity) {
            return ENOSPC;
        }
        image_resize(&inode->cache, end);
        inode->size_dirty = true;
    }
    memcpy(inode->cache.data + offset, data, len);
    mark_dirty(inode, offset, len);
    sim_trace("write", data, len < 64 ? len : 64);
    return 0;
}

ptrdiff_t sim_disk_read(struct sim_inode *inode, uint64_t offset, void *into, size_t len)
{
    int error = ask(SIM_DISK_READ, inode->path);
    if (error != 0) {
        return -error;
    }
    if (offset >= inode->cache.size) {
        return 0;
    }
    size_t got = inode->cache.size - offset < len ? (size_t)(inode->cache.size - offset) : len;
    memcpy(into, inode->cache.data + offset, got);
    return (ptrdiff_t)got;
}

int sim_disk_truncate(struct sim_inode *inode, uint64_t size)
{
    int error = ask(SIM_DISK_WRITE, inode->path);
    if (error == 0 && size != inode->cache.size) {
        image_resize(&inode->cache, size);
        inode->size_dirty = true;
    }
    return error;
}

int sim_disk_sync(struct sim_inode *inode)
{
    int error = ask(SIM_DISK_SYNC, inode->path);
    if (error != 0) {
        /* Some may have been written; the kernel has marked all pages clean, and no later sync brings the others back. */
        copy_some(inode);
        forget_dirty(inode);
        return error;
    }
    for (size_t i = 0; i < inode->dirty_room; i++) {
        if (inode->dirty[i]) {
            copy_sector(inode, i);
        }
    }
    image_resize(&inode->platter, inode->cache.size);
    forget_dirty(inode);
    return 0;
}

uint64_t sim_disk_size(const struct sim_inode *inode)
{
    return inode->cache.size;
}

void **sim_disk_extra(struct sim_inode *inode)
{
    return &inode->extra;
}

/* ---- directories ---- */

int sim_disk_mkdir(const char *path)
{
    struct sim_inode *inode;
    if (sim_disk_exists(path)) {
        return sim_disk_is_directory(path) ? 0 : EEXIST;
    }
    return make(path, true, &inode);
}

int sim_disk_remove(const char *path)
{
    if (!sim_disk_exists(path)) {
        return ENOENT;
    }
    int error = ask(SIM_DISK_NAME, path);
    if (error == 0) {
        disk.group++;
        change(path, NULL);
    }
    return error;
}

int sim_disk_rename(const char *from, const char *to)
{
    struct name *name = find(&disk.cache, from);
    if (name == NULL) {
        return ENOENT;
    }
    int error = ask(SIM_DISK_NAME, from);
    if (error == 0) {
        struct sim_inode *inode = name->inode;
        disk.group++;
        change(to, inode);
        change(from, NULL);
    }
    return error;
}

int sim_disk_sync_directory(const char *path)
{
    path = strcmp(path, "/") == 0 ? "" : path; /* as directory_of() names the root */
    if (path[0] != '\0' && !sim_disk_is_directory(path)) {
        return ENOENT;
    }
    int error = ask(SIM_DISK_SYNC, path);
    if (error != 0) {
        return error;
    }
    size_t left = 0;
    for (size_t i = 0; i < disk.change_count; i++) {
        if (strcmp(disk.changes[i].directory, path) == 0) {
            set_name(&disk.platter, disk.changes[i].path, disk.changes[i].inode);
        } else {
            disk.changes[left++] = disk.changes[i];
        }
    }
    disk.change_count = left;
    return 0;
}

bool sim_disk_exists(const char *path)
{
    return find(&disk.cache, path) != NULL;
}

bool sim_disk_is_directory(const char *path)
{
    struct name *name = find(&disk.cache, path);
    return name != NULL && name->inode->is_directory;
}

const char *sim_disk_entry(const char *path, size_t index)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < disk.cache.count; i++) {
        const char *other = disk.cache.items[i].path;
        bool is_below = strncmp(other, path, len) == 0 && other[len] == '/' && strchr(other + len + 1, '/') == NULL;
        if (is_below && index-- == 0) {
            return other + len + 1;
        }
    }
    return NULL;
}

void sim_disk_put(const char *path, const void *data, size_t len)
{
    char directory[PATH_LEN];
    directory_of(path, directory);
    if (directory[0] != '\0' && !sim_disk_exists(directory)) {
        struct sim_inode *parent = new_inode(directory, true);
        set_name(&disk.cache, directory, parent);
        set_name(&disk.platter, directory, parent);
    }
    if (data == NULL) {
        return;
    }
    struct sim_inode *inode = new_inode(path, false);
    image_resize(&inode->cache, len);
    image_resize(&inode->platter, len);
    if (len > 0) {
        memcpy(inode->cache.data, data, len);
        memcpy(inode->platter.data, data, len);
    }
    set_name(&disk.cache, path, inode);
    set_name(&disk.platter, path, inode);
    disk.puts++;
}

uint64_t sim_disk_memory(void)
{
    return disk.memory;
}

uint64_t sim_disk_puts(void)
{
    return disk.puts;
}

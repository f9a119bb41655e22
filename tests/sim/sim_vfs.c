/*
 * sim_vfs - see sim_vfs.h.
 *
 * One process and one thread: locks are counts kept with the inode, the index of the write-ahead log is plain memory kept with it
 * too. Like SQLite's own unix VFS, the first sync of a new journal or log syncs its directory; the database's own name is the program's affair.
 */
#include "sim_vfs.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim.h"
#include "sim_disk.h"
#include "sim_fiber.h"

#define REGIONS_MAX 64

/* What the connections to one database share. */
struct shared {
    int readers, reserved, exclusive; /* of the file lock */
    void *regions[REGIONS_MAX];
    int shm_readers[SQLITE_SHM_NLOCK], shm_writer[SQLITE_SHM_NLOCK];
};

struct file {
    sqlite3_file base;
    struct sim_inode *inode;
    char path[200];
    int level; /* SQLITE_LOCK_* */
    int shm_mask_shared, shm_mask_exclusive;
    bool sync_directory; /* at the next sync */
    bool remove_at_close;
};

static struct shared *shared_of(struct file *file)
{
    void **extra = sim_disk_extra(file->inode);
    if (*extra == NULL) {
        *extra = expect_calloc(1, sizeof(struct shared));
    }
    return *extra;
}

static int code_of(int error, int otherwise)
{
    return error == 0 ? SQLITE_OK : error == ENOSPC ? SQLITE_FULL : otherwise;
}

static int vfs_unlock(sqlite3_file *base, int level);

static int vfs_close(sqlite3_file *base)
{
    struct file *file = (struct file *)base;
    vfs_unlock(base, SQLITE_LOCK_NONE);
    if (file->remove_at_close) {
        sim_disk_remove(file->path);
    }
    sim_disk_release(file->inode);
    return SQLITE_OK;
}

static int vfs_read(sqlite3_file *base, void *into, int len, sqlite3_int64 offset)
{
    struct file *file = (struct file *)base;
    ptrdiff_t got = sim_disk_read(file->inode, (uint64_t)offset, into, (size_t)len);
    if (got < 0) {
        return SQLITE_IOERR_READ;
    }
    if (got < len) {
        memset((char *)into + got, 0, (size_t)(len - got));
        return SQLITE_IOERR_SHORT_READ;
    }
    return SQLITE_OK;
}

static int vfs_write(sqlite3_file *base, const void *data, int len, sqlite3_int64 offset)
{
    struct file *file = (struct file *)base;
    return code_of(sim_disk_write(file->inode, (uint64_t)offset, data, (size_t)len), SQLITE_IOERR_WRITE);
}

static int vfs_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct file *file = (struct file *)base;
    return code_of(sim_disk_truncate(file->inode, (uint64_t)size), SQLITE_IOERR_TRUNCATE);
}

static int vfs_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    struct file *file = (struct file *)base;
    int error = sim_disk_sync(file->inode);
    if (error != 0) {
        return SQLITE_IOERR_FSYNC;
    }
    if (file->sync_directory) {
        char directory[sizeof file->path];
        snprintf(directory, sizeof directory, "%s", file->path);
        *strrchr(directory, '/') = '\0';
        error = sim_disk_sync_directory(directory);
        file->sync_directory = error != 0;
    }
    return code_of(error, SQLITE_IOERR_DIR_FSYNC);
}

static int vfs_file_size(sqlite3_file *base, sqlite3_int64 *size_r)
{
    *size_r = (sqlite3_int64)sim_disk_size(((struct file *)base)->inode);
    return SQLITE_OK;
}

/* ---- locks ---- */

static int vfs_lock(sqlite3_file *base, int level)
{
    struct file *file = (struct file *)base;
    struct shared *shared = shared_of(file);
    if (file->level >= level) {
        return SQLITE_OK;
    }
    bool others_write = shared->reserved - (file->level >= SQLITE_LOCK_RESERVED) > 0;
    bool others_read = shared->readers - (file->level >= SQLITE_LOCK_SHARED) > 0;
    if (shared->exclusive || (level >= SQLITE_LOCK_RESERVED && others_write) ||
        (level == SQLITE_LOCK_EXCLUSIVE && others_read)) {
        return SQLITE_BUSY;
    }
    shared->readers += file->level < SQLITE_LOCK_SHARED;
    shared->reserved += level >= SQLITE_LOCK_RESERVED && file->level < SQLITE_LOCK_RESERVED;
    shared->exclusive += level == SQLITE_LOCK_EXCLUSIVE;
    file->level = level;
    return SQLITE_OK;
}

static int vfs_unlock(sqlite3_file *base, int level)
{
    struct file *file = (struct file *)base;
    struct shared *shared = shared_of(file);
    if (file->level <= level) {
        return SQLITE_OK;
    }
    shared->exclusive -= file->level == SQLITE_LOCK_EXCLUSIVE;
    shared->reserved -= file->level >= SQLITE_LOCK_RESERVED;
    shared->readers -= level == SQLITE_LOCK_NONE;
    file->level = level;
    return SQLITE_OK;
}

static int vfs_check_reserved(sqlite3_file *base, int *held_r)
{
    *held_r = shared_of((struct file *)base)->reserved > 0;
    return SQLITE_OK;
}

/* ---- the index of the log ---- */

static int vfs_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **at_r)
{
    struct shared *shared = shared_of((struct file *)base);
    EXPECT(region < REGIONS_MAX);
    if (shared->regions[region] == NULL && extend) {
        shared->regions[region] = expect_calloc(1, (size_t)size);
    }
    *at_r = shared->regions[region];
    return SQLITE_OK;
}

static int vfs_shm_lock(sqlite3_file *base, int first, int count, int flags)
{
    struct file *file = (struct file *)base;
    struct shared *shared = shared_of(file);
    int mask = ((1 << count) - 1) << first;
    bool locks = (flags & SQLITE_SHM_LOCK) != 0, exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    int *held = exclusive ? &file->shm_mask_exclusive : &file->shm_mask_shared;
    for (int i = first; locks && i < first + count; i++) {
        int own_read = file->shm_mask_shared >> i & 1, own_write = file->shm_mask_exclusive >> i & 1;
        if (shared->shm_writer[i] - own_write > 0 || (exclusive && shared->shm_readers[i] - own_read > 0)) {
            return SQLITE_BUSY;
        }
    }
    for (int i = first; i < first + count; i++) {
        int was = *held >> i & 1;
        int *counter = exclusive ? &shared->shm_writer[i] : &shared->shm_readers[i];
        *counter += (locks ? 1 : 0) - was;
    }
    *held = locks ? *held | mask : *held & ~mask;
    return SQLITE_OK;
}

static void vfs_shm_barrier(sqlite3_file *base)
{
    (void)base;
}

static int vfs_shm_unmap(sqlite3_file *base, int remove)
{
    struct file *file = (struct file *)base;
    struct shared *shared = shared_of(file);
    if (remove) {
        for (int i = 0; i < REGIONS_MAX; i++) {
            free(shared->regions[i]);
            shared->regions[i] = NULL;
        }
    }
    return SQLITE_OK;
}

static int vfs_file_control(sqlite3_file *base, int op, void *arg)
{
    (void)base, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int vfs_sector_size(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

static int vfs_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* as the unix VFS says by default */
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_file_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_unlock,
    .xCheckReservedLock = vfs_check_reserved,
    .xFileControl = vfs_file_control,
    .xSectorSize = vfs_sector_size,
    .xDeviceCharacteristics = vfs_characteristics,
    .xShmMap = vfs_shm_map,
    .xShmLock = vfs_shm_lock,
    .xShmBarrier = vfs_shm_barrier,
    .xShmUnmap = vfs_shm_unmap,
};

/* ---- the VFS ---- */

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *flags_r)
{
    (void)vfs;
    struct file *file = (struct file *)base;
    *file = (struct file){.base.pMethods = NULL};
    if (sim_disk_open(path, (flags & SQLITE_OPEN_CREATE) != 0 || path == NULL,
                      (flags & SQLITE_OPEN_EXCLUSIVE) != 0 && path != NULL, &file->inode, NULL) != 0) {
        return SQLITE_CANTOPEN;
    }
    snprintf(file->path, sizeof file->path, "%s", path == NULL ? "" : path);
    file->remove_at_close = path != NULL && (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    file->sync_directory = (flags & SQLITE_OPEN_CREATE) != 0 &&
                           (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL | SQLITE_OPEN_SUPER_JOURNAL)) != 0;
    file->base.pMethods = &methods;
    if (flags_r != NULL) {
        *flags_r = flags;
    }
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_directory)
{
    (void)vfs;
    int error = sim_disk_remove(path);
    if (error == ENOENT) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    if (error == 0 && sync_directory) {
        char directory[200];
        snprintf(directory, sizeof directory, "%s", path);
        *strrchr(directory, '/') = '\0';
        return code_of(sim_disk_sync_directory(directory), SQLITE_IOERR_DIR_FSYNC);
    }
    return code_of(error, SQLITE_IOERR_DELETE);
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *result_r)
{
    (void)vfs, (void)flags;
    *result_r = sim_disk_exists(path);
    return SQLITE_OK;
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    (void)vfs;
    snprintf(out, (size_t)size, "%s", path);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int len, char *out)
{
    (void)vfs;
    sim_random_fill(sim_gateway_random(), out, (size_t)len);
    return len;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    sim_fiber_sleep((uint64_t)microseconds);
    return microseconds;
}

static int vfs_current_time(sqlite3_vfs *vfs, double *days_r)
{
    (void)vfs;
    *days_r = 2440587.5 + (double)sim_wall() / 86400000.0;
    return SQLITE_OK;
}

static int vfs_current_time_64(sqlite3_vfs *vfs, sqlite3_int64 *milliseconds_r)
{
    (void)vfs;
    *milliseconds_r = (sqlite3_int64)210866760000000 + sim_wall();
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs, (void)size, (void)out;
    return 0;
}

static sqlite3_vfs the_vfs = {
    .iVersion = 2,
    .szOsFile = sizeof(struct file),
    .mxPathname = 199,
    .zName = "sim",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_pathname,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_current_time,
    .xCurrentTimeInt64 = vfs_current_time_64,
    .xGetLastError = vfs_last_error,
};

const char *sim_vfs_name(void)
{
    static bool registered;
    if (!registered) {
        /* A crash leaves SQLite's calls by a jump: no mutex may be held then, so there are none. */
        EXPECT(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK);
        EXPECT(sqlite3_initialize() == SQLITE_OK);
        EXPECT(sqlite3_vfs_register(&the_vfs, 1) == SQLITE_OK);
        registered = true;
    }
    return the_vfs.zName;
}

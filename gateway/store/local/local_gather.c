/*
 * local_gather - see local_gather.h.
 */
#include "store/local/local_gather.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define VFS_NAME "mailweir-gather"
/* Octets: most transactions are smaller, and a longer one is written in several calls. */
#define ROOM (128u << 10)

/* A log. Behind it in memory is the file of the VFS below. */
struct gather {
    sqlite3_file base;
    sqlite3_int64 at; /* of the first octet in the log */
    size_t len;
    uint8_t *octets; /* not written yet; NULL: nothing is gathered */
};

static sqlite3_file *below_of(sqlite3_file *base)
{
    return (sqlite3_file *)((struct gather *)base + 1);
}

/* What could not be written is forgotten: SQLite takes the transaction back, and writes over its place. */
static int write_gathered(sqlite3_file *base)
{
    struct gather *gather = (struct gather *)base;
    size_t len = gather->len;
    gather->len = 0;
    return len == 0 ? SQLITE_OK
                    : below_of(base)->pMethods->xWrite(below_of(base), gather->octets, (int)len, gather->at);
}

static int log_write(sqlite3_file *base, const void *octets, int len, sqlite3_int64 at)
{
    struct gather *gather = (struct gather *)base;
    bool fits = gather->at + (sqlite3_int64)gather->len == at && gather->len + (size_t)len <= ROOM;
    if (gather->len > 0 && !fits) {
        int code = write_gathered(base);
        if (code != SQLITE_OK) {
            return code;
        }
    }
    if (gather->octets == NULL || (size_t)len > ROOM) {
        return below_of(base)->pMethods->xWrite(below_of(base), octets, len, at);
    }
    if (gather->len == 0) {
        gather->at = at;
    }
    memcpy(gather->octets + gather->len, octets, (size_t)len);
    gather->len += (size_t)len;
    return SQLITE_OK;
}

static int log_sync(sqlite3_file *base, int flags)
{
    int code = write_gathered(base);
    return code != SQLITE_OK ? code : below_of(base)->pMethods->xSync(below_of(base), flags);
}

static int log_read(sqlite3_file *base, void *into, int len, sqlite3_int64 at)
{
    int code = write_gathered(base);
    return code != SQLITE_OK ? code : below_of(base)->pMethods->xRead(below_of(base), into, len, at);
}

static int log_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    int code = write_gathered(base);
    return code != SQLITE_OK ? code : below_of(base)->pMethods->xTruncate(below_of(base), size);
}

static int log_size(sqlite3_file *base, sqlite3_int64 *size_r)
{
    int code = write_gathered(base);
    return code != SQLITE_OK ? code : below_of(base)->pMethods->xFileSize(below_of(base), size_r);
}

static int log_close(sqlite3_file *base)
{
    int code = write_gathered(base);
    int closed = below_of(base)->pMethods->xClose(below_of(base));
    free(((struct gather *)base)->octets);
    return code != SQLITE_OK ? code : closed;
}

static int log_lock(sqlite3_file *base, int level)
{
    return below_of(base)->pMethods->xLock(below_of(base), level);
}

static int log_unlock(sqlite3_file *base, int level)
{
    return below_of(base)->pMethods->xUnlock(below_of(base), level);
}

static int log_is_reserved(sqlite3_file *base, int *reserved_r)
{
    return below_of(base)->pMethods->xCheckReservedLock(below_of(base), reserved_r);
}

static int log_control(sqlite3_file *base, int what, void *arg)
{
    return below_of(base)->pMethods->xFileControl(below_of(base), what, arg);
}

static int log_sector(sqlite3_file *base)
{
    return below_of(base)->pMethods->xSectorSize(below_of(base));
}

static int log_characteristics(sqlite3_file *base)
{
    return below_of(base)->pMethods->xDeviceCharacteristics(below_of(base));
}

/* Where a write may spoil its neighbours, SQLite syncs in the middle of what it writes, and not at its end. */
static bool ends_with_a_sync(sqlite3_file *below)
{
    return (below->pMethods->xDeviceCharacteristics(below) & SQLITE_IOCAP_POWERSAFE_OVERWRITE) != 0;
}

static int open_log(sqlite3_vfs *below, const char *name, sqlite3_file *base, int flags, int *flags_r)
{
    static const sqlite3_io_methods methods = {
        .iVersion = 1,
        .xClose = log_close,
        .xRead = log_read,
        .xWrite = log_write,
        .xTruncate = log_truncate,
        .xSync = log_sync,
        .xFileSize = log_size,
        .xLock = log_lock,
        .xUnlock = log_unlock,
        .xCheckReservedLock = log_is_reserved,
        .xFileControl = log_control,
        .xSectorSize = log_sector,
        .xDeviceCharacteristics = log_characteristics,
    };
    *(struct gather *)base = (struct gather){.base.pMethods = NULL};
    int code = below->xOpen(below, name, below_of(base), flags, flags_r);
    if (below_of(base)->pMethods != NULL) { /* to be closed, whether it was opened or not */
        base->pMethods = &methods;
    }
    if (code == SQLITE_OK && ends_with_a_sync(below_of(base))) {
        ((struct gather *)base)->octets = malloc(ROOM);
    }
    return code;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *flags_r)
{
    sqlite3_vfs *below = vfs->pAppData;
    return (flags & SQLITE_OPEN_WAL) != 0 ? open_log(below, name, base, flags, flags_r)
                                          : below->xOpen(below, name, base, flags, flags_r);
}

const char *local_gather_vfs(const char *below_name)
{
    sqlite3_vfs *below = sqlite3_vfs_find(below_name);
    if (sqlite3_vfs_find(VFS_NAME) != NULL) {
        return VFS_NAME;
    }
    sqlite3_vfs *vfs = below == NULL ? NULL : malloc(sizeof *vfs);
    if (vfs == NULL) {
        return below_name;
    }
    *vfs = *below; /* but for opening, none looks at which VFS it is called for */
    vfs->pNext = NULL;
    vfs->zName = VFS_NAME;
    vfs->szOsFile = below->szOsFile + (int)sizeof(struct gather);
    vfs->pAppData = below;
    vfs->xOpen = open_file;
    if (sqlite3_vfs_register(vfs, 0) != SQLITE_OK) {
        free(vfs);
        return below_name;
    }
    return VFS_NAME;
}

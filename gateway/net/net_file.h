/*
 * net_file - the door to the disk, for what the spool keeps in segments and for reading configuration.
 *
 * All calls block: on lanes, or before the loop runs. Each fills the fault (class FAULT_LOCAL, code = the errno's name
 * in lower case: "enospc", "eio", where = path) and returns -1 on failure. Nothing is retried: an fsync that failed has
 * lost data for good (reliability: fsyncgate), so its file must not be trusted again.
 */
#ifndef MAILWEIR_NET_NET_FILE_H
#define MAILWEIR_NET_NET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/must_use.h"

struct net_file;

/* A disk that says no must be heard: whoever can go on all the same says so by disregard(). */

enum net_file_mode {
    NET_FILE_READ,
    NET_FILE_WRITE,  /* must exist; read and write */
    NET_FILE_CREATE, /* must not exist; read and write, 0600; what root makes belongs to the folder's owner */
};

/* Never follows a symbolic link at the last step when it creates. *file_r is owned by the caller. */
MUST_USE int net_file_open(struct net_file **file_r, const char *path, enum net_file_mode mode, struct fault *fault);
/* Closes without syncing; sets *file to NULL. A close error is reported, the file is gone all the same. */
MUST_USE int net_file_close(struct net_file **file, struct fault *fault);
/* Writes all of the pieces one behind the other at offset. */
MUST_USE int net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                            struct fault *fault);
/* Octets read, fewer than len only at the end of the file; -1 on failure. */
MUST_USE ptrdiff_t net_file_read(struct net_file *file, uint64_t offset, void *into, size_t len, struct fault *fault);
MUST_USE int net_file_sync(struct net_file *file, struct fault *fault); /* fdatasync */
MUST_USE int net_file_size(struct net_file *file, uint64_t *size_r, struct fault *fault);

/* What stands under this path: links are followed. */
enum net_file_kind {
    NET_FILE_NOTHING,
    NET_FILE_FOLDER,
    NET_FILE_ORDINARY,
    NET_FILE_OTHER, /* a socket, a device; or what may not be looked at */
};
enum net_file_kind net_file_kind(const char *path);
/* Makes a directory, 0700; fine when it exists. What root makes belongs to the owner of the folder above. */
MUST_USE int net_file_mkdir(const char *path, struct fault *fault);
/*
 * Makes a file nobody else's: created, empty, when it does not exist; else group and others lose what they may do with
 * it. For libraries that create their files by the umask. What cannot be done is left as it is.
 */
void net_file_make_private(const char *path, bool create);
/*
 * The same for every file in the folder, and in the folders in it, which become their owner's too; the folder itself
 * stays as whoever made it wanted. For what an older version, a copy or a restored backup has left open.
 *
 * Opens and closes each: never while this process has POSIX locks on one, as SQLite has on a database that is open
 * (fcntl(2): all of them are lost when any descriptor of the file is closed).
 */
void net_file_make_all_private(const char *folder);
/* What any user of the machine may do. */
enum net_file_others { NET_FILE_OTHERS_READ = 1, NET_FILE_OTHERS_CHANGE = 2 };
/*
 * What users beside owner and group may do with a file or folder, as a set of bits: by its mode, and by the folders
 * above. One that they may not enter keeps them out, whatever stands in it; one that they may write into (without the
 * sticky bit) lets them put another in its place. What gives the widest right is appended to where. 0 when nothing is
 * there, and when it cannot be asked.
 */
unsigned net_file_others(const char *path, struct buf *where);
/* Makes created, renamed and removed names in the directory durable. */
MUST_USE int net_file_sync_directory(const char *path, struct fault *fault);
MUST_USE int net_file_remove(const char *path, struct fault *fault);
MUST_USE int net_file_rename(const char *from, const char *to, struct fault *fault);
/* Calls fn with each name in the directory but "." and ".."; stops when fn returns non-zero. */
MUST_USE int net_file_list(const char *path, int (*fn)(void *ctx, const char *name), void *ctx, struct fault *fault);
/* Room left for us on the file system of path, in octets and in inodes. */
MUST_USE int net_file_free_space(const char *path, uint64_t *octets_r, uint64_t *inodes_r, struct fault *fault);
#define NET_FILE_SYSTEM_LEN 24
/*
 * The kind of file system on which path lies: "ext4", "xfs", "btrfs", "tmpfs", "ramfs", "overlay", "nfs", "smb", "9p",
 * "fuse"; for others its number. -1 when it cannot be asked.
 */
MUST_USE int net_file_system(const char *path, char name_r[NET_FILE_SYSTEM_LEN]);
/*
 * How long the quickest of a few syncs of a small file in the folder took, in microseconds; blocks that long. -1 when
 * it cannot be tried.
 */
MUST_USE int net_file_sync_time(const char *folder, uint64_t *microseconds_r);
/* A number that changes when the file is written or replaced; 0 when there is none. */
uint64_t net_file_stamp(const char *path);
/*
 * Appends the path as it is from the root, without asking whether it exists. -1 when out is full or the working folder
 * is gone.
 */
MUST_USE int net_file_absolute(const char *path, struct buf *out);
/* Appends the whole file to out; more than out's maximum is a fault "too-large". */
MUST_USE int net_file_read_all(const char *path, struct buf *out, struct fault *fault);

/*
 * Puts a whole file in place of what is there, so that a reader sees the old or the new one and a crash leaves one of
 * them. Owner and mode stay as they are; a new file is 0600, and of root in a folder of root and another group 0640 of
 * that group: a service's user reads what root has written for it.
 */
MUST_USE int net_file_replace(const char *path, struct bytes text, struct fault *fault);

/*
 * Takes the lock of a directory by an exclusive lock on `path` (created as needed), held until net_file_close(). A
 * second process gets the fault "locked", whose text names the holder's pid.
 */
MUST_USE int net_file_lock(struct net_file **file_r, const char *path, struct fault *fault);

/*
 * The name of the SQLite VFS that databases are to be opened with (the zVfs of sqlite3_open_v2); NULL for SQLite's own.
 * A simulation answers with one that stands on the same disk as everything above.
 */
const char *net_file_sqlite_vfs(void);

#endif

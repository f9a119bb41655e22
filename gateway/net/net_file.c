/*
 * net_file - blocking files with whole writes and honest errors; see net_file.h.
 *
 * Every system call's result is looked at. Only EINTR is tried again; a sync never is.
 */
#include "net/net_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/expect.h"

/* Pieces that go into one pwritev; more are written in several calls. */
#define SYNC_TRIES     4
#define PIECES_AT_ONCE 64
#define READ_AT_ONCE   65536

struct net_file {
    int fd;
    char *path;
};

/* Fills the fault from errno: the code is errno's name in lower case. Returns -1. */
static int cannot_do(struct fault *fault, const char *verb, const char *path)
{
    int error = errno;
    const char *name = strerrorname_np(error);
    char code[40];
    size_t len = 0;
    for (; name != NULL && name[len] != '\0' && len < sizeof code - 1; len++) {
        code[len] = (char)octet_lower((uint8_t)name[len]);
    }
    code[len] = '\0';
    char room[128];
    fault_set(fault, FAULT_LOCAL, len > 0 ? code : "errno", path, "cannot %s %s: %s", verb, path,
              strerror_r(error, room, sizeof room));
    return -1;
}

static struct net_file *wrap(int fd, const char *path)
{
    struct net_file *file = expect_calloc(1, sizeof *file);
    file->fd = fd;
    file->path = expect_strdup(path);
    return file;
}

/* The folder in which the path's last step is. */
static void folder_of(const char *path, char folder_r[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL || slash == path ? 1 : (size_t)(slash - path);
    snprintf(folder_r, PATH_MAX, "%.*s", (int)len, slash == NULL ? "." : path);
}

/*
 * What root makes in somebody's folder (a command by hand, while the gateway runs as a user of its own) belongs to him,
 * or the gateway could not read it. What cannot be given stays root's.
 */
static void give_to_owner(const char *path, int (*give)(const char *path, int fd, uid_t owner, gid_t group), int fd)
{
    char folder[PATH_MAX];
    struct stat about;
    folder_of(path, folder);
    if (geteuid() == 0 && stat(folder, &about) == 0 && about.st_uid != 0 &&
        give(path, fd, about.st_uid, about.st_gid) != 0) {
        return;
    }
}

static int give_file(const char *path, int fd, uid_t owner, gid_t group)
{
    (void)path;
    return fchown(fd, owner, group);
}

/* Of a descriptor that only points at the file (O_PATH). */
static int give_seen(const char *path, int fd, uid_t owner, gid_t group)
{
    (void)path;
    return fchownat(fd, "", owner, group, AT_EMPTY_PATH);
}

static int give_folder(const char *path, int fd, uid_t owner, gid_t group)
{
    (void)fd;
    return lchown(path, owner, group);
}

int net_file_open(struct net_file **file_r, const char *path, enum net_file_mode mode, struct fault *fault)
{
    /*
     * Reading follows links: configuration that Kubernetes mounts consists of them. What is written is ours alone: a
     * link in its place was put there by somebody who wants us to write elsewhere.
     */
    static const int flags[] = {
        [NET_FILE_READ] = O_RDONLY,
        [NET_FILE_WRITE] = O_RDWR | O_NOFOLLOW,
        [NET_FILE_CREATE] = O_RDWR | O_NOFOLLOW | O_CREAT | O_EXCL,
    };
    int fd = open(path, flags[mode] | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0) {
        return cannot_do(fault, mode == NET_FILE_CREATE ? "create" : "open", path);
    }
    if (mode == NET_FILE_CREATE) {
        give_to_owner(path, give_file, fd);
    }
    *file_r = wrap(fd, path);
    return 0;
}

int net_file_close(struct net_file **file, struct fault *fault)
{
    if (*file == NULL) {
        return 0;
    }
    /* Not again after EINTR: Linux has closed it then, and the number may be another file's already. */
    int result = close((*file)->fd);
    if (result != 0) {
        disregard(cannot_do(fault, "close", (*file)->path));
    }
    free((*file)->path);
    free(*file);
    *file = NULL;
    return result;
}

/* Fills vectors with the pieces from `piece` on, whose first `skip` octets are written already. */
static int gather_pieces(struct iovec *vectors, const struct bytes *pieces, size_t count, size_t piece, size_t skip)
{
    int used = 0;
    for (; piece < count && used < PIECES_AT_ONCE; piece++, skip = 0) {
        vectors[used++] = (struct iovec){
            .iov_base = (void *)(uintptr_t)(pieces[piece].ptr + skip),
            .iov_len = pieces[piece].len - skip,
        };
    }
    return used;
}

int net_file_write(struct net_file *file, uint64_t offset, const struct bytes *pieces, size_t count,
                   struct fault *fault)
{
    size_t piece = 0, skip = 0;
    for (;;) {
        while (piece < count && skip >= pieces[piece].len) {
            skip -= pieces[piece++].len;
        }
        if (piece == count) {
            return 0;
        }
        struct iovec vectors[PIECES_AT_ONCE];
        int used = gather_pieces(vectors, pieces, count, piece, skip);
        ssize_t wrote = pwritev(file->fd, vectors, used, (off_t)offset);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) { /* 0 would be asked for for ever */
            return cannot_do(fault, "write", file->path);
        }
        offset += (uint64_t)wrote;
        skip += (size_t)wrote;
    }
}

ptrdiff_t net_file_read(struct net_file *file, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    size_t have = 0;
    while (have < len) {
        ssize_t got = pread(file->fd, (char *)into + have, len - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return cannot_do(fault, "read", file->path);
        }
        if (got == 0) {
            break;
        }
        have += (size_t)got;
    }
    return (ptrdiff_t)have;
}

int net_file_sync(struct net_file *file, struct fault *fault)
{
    /*
     * fdatasync() writes a size that has grown, too, which is all of the metadata that reading back needs. An error is
     * not tried again, not even EINTR: nobody knows then what is on the disk, and the next call would say yes.
     */
    return fdatasync(file->fd) == 0 ? 0 : cannot_do(fault, "sync", file->path);
}

int net_file_size(struct net_file *file, uint64_t *size_r, struct fault *fault)
{
    struct stat info;
    if (fstat(file->fd, &info) != 0) {
        return cannot_do(fault, "look at", file->path);
    }
    *size_r = (uint64_t)info.st_size;
    return 0;
}

int net_file_mkdir(const char *path, struct fault *fault)
{
    /* To ask first whether it is there would leave a gap in which somebody else makes it. */
    if (mkdir(path, 0700) == 0) {
        give_to_owner(path, give_folder, -1);
        return 0;
    }
    int error = errno;
    struct stat info;
    if (error == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return 0;
    }
    errno = error;
    return cannot_do(fault, "make the directory", path);
}

/*
 * What is there is looked at through O_PATH: whoever closes another descriptor of a file loses all locks of the whole
 * process on it (fcntl(2), POSIX), which SQLite may hold; and a pipe or a device that others have put there is not
 * opened at all. Such a descriptor has no fchmod(); its name in /proc leads to the file itself, whatever the path is by
 * now.
 */
void net_file_make_private(const char *path, bool create)
{
    int fresh = create ? open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
    if (fresh >= 0) {
        give_to_owner(path, give_file, fresh); /* nobody has locked what was made just now */
        close(fresh);
        return;
    }
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat info;
    char name[40];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (fd < 0) {
        return;
    }
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        if ((info.st_mode & 077) != 0) {
            (void)chmod(name, 0600);
        }
        if (info.st_size == 0) {
            give_to_owner(path, give_seen, fd);
        }
    }
    close(fd);
}

struct sweep {
    const char *folder;
    bool inner; /* in one of the folders */
};

static int sweep_name(void *ctx, const char *name)
{
    const struct sweep *sweep = ctx;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", sweep->folder, name);
    int fd = sweep->inner ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        net_file_make_private(path, false);
        return 0;
    }
    (void)fchmod(fd, 0700);
    close(fd);
    struct sweep inner = {.folder = path, .inner = true};
    return net_file_list(path, sweep_name, &inner, NULL);
}

void net_file_make_all_private(const char *folder)
{
    struct sweep sweep = {.folder = folder};
    disregard(net_file_list(folder, sweep_name, &sweep, NULL));
}

/* The same for the folders above, each cut off in turn; false when one of them keeps everybody out. */
static bool others_reach(char *path, unsigned *may, struct buf *where)
{
    struct stat info;
    for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
        slash[slash == path ? 1 : 0] = '\0';
        if (stat(path, &info) < 0 || (info.st_mode & S_IXOTH) == 0) {
            return false;
        }
        bool replaceable = (info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0;
        if (replaceable && (*may & NET_FILE_OTHERS_CHANGE) == 0) {
            *may |= NET_FILE_OTHERS_CHANGE;
            buf_clear(where);
            buf_append_text(where, path);
        }
        if (path[1] == '\0') {
            break;
        }
    }
    return true;
}

unsigned net_file_others(const char *path, struct buf *where)
{
    struct stat info;
    char *real = realpath(path, NULL);
    if (real == NULL || stat(real, &info) < 0) {
        free(real);
        return 0;
    }
    unsigned may = ((info.st_mode & S_IROTH) != 0 ? (unsigned)NET_FILE_OTHERS_READ : 0) |
                   ((info.st_mode & S_IWOTH) != 0 ? (unsigned)NET_FILE_OTHERS_CHANGE : 0);
    buf_clear(where);
    buf_append_text(where, real);
    may = others_reach(real, &may, where) ? may : 0;
    free(real);
    return may;
}

int net_file_sync_directory(const char *path, struct fault *fault)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return cannot_do(fault, "open the directory", path);
    }
    /* A new file's name belongs to its folder: fsync(2) of the file itself does not keep it. */
    int result = fsync(fd) == 0 ? 0 : cannot_do(fault, "sync the directory", path);
    close(fd);
    return result;
}

int net_file_remove(const char *path, struct fault *fault)
{
    return unlink(path) == 0 ? 0 : cannot_do(fault, "remove", path);
}

int net_file_rename(const char *from, const char *to, struct fault *fault)
{
    return rename(from, to) == 0 ? 0 : cannot_do(fault, "rename", from);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int net_file_list(const char *path, int (*fn)(void *ctx, const char *name), void *ctx, struct fault *fault)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return cannot_do(fault, "open the directory", path);
    }
    struct dirent *entry;
    /* readdir() tells its end from an error by errno alone. */
    while ((errno = 0, entry = readdir(directory)) != NULL) {
        if (!is_dots(entry->d_name) && fn(ctx, entry->d_name) != 0) {
            break;
        }
    }
    int result = entry == NULL && errno != 0 ? cannot_do(fault, "list the directory", path) : 0;
    closedir(directory);
    return result;
}

int net_file_free_space(const char *path, uint64_t *octets_r, uint64_t *inodes_r, struct fault *fault)
{
    struct statvfs info;
    if (statvfs(path, &info) != 0) {
        return cannot_do(fault, "ask for the free space of", path);
    }
    *octets_r = (uint64_t)info.f_bavail * info.f_frsize;
    /* File systems that make inodes as they need them (btrfs) say 0 of 0. */
    *inodes_r = info.f_files == 0 ? UINT64_MAX : (uint64_t)info.f_favail;
    return 0;
}

int net_file_system(const char *path, char name_r[NET_FILE_SYSTEM_LEN])
{
    static const struct {
        uint32_t magic; /* statfs(2) */
        const char *name;
    } known[] = {
        {0xEF53, "ext4"},      {0x58465342, "xfs"},     {0x9123683E, "btrfs"}, {0x01021994, "tmpfs"},
        {0x858458F6, "ramfs"}, {0x794C7630, "overlay"}, {0x6969, "nfs"},       {0xFF534D42, "smb"},
        {0xFE534D42, "smb"},   {0x01021997, "9p"},      {0x65735546, "fuse"},
    };
    struct statfs info;
    if (statfs(path, &info) != 0) {
        return -1;
    }
    uint32_t magic = (uint32_t)info.f_type;
    snprintf(name_r, NET_FILE_SYSTEM_LEN, "0x%lx", (unsigned long)magic);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].magic == magic) {
            snprintf(name_r, NET_FILE_SYSTEM_LEN, "%s", known[i].name);
        }
    }
    return 0;
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int net_file_sync_time(const char *folder, uint64_t *microseconds_r)
{
    char path[PATH_MAX];
    struct net_file *file;
    uint64_t best = UINT64_MAX;
    snprintf(path, sizeof path, "%s/sync-probe", folder);
    disregard(net_file_remove(path, NULL)); /* of one that was cut off */
    if (net_file_open(&file, path, NET_FILE_CREATE, NULL) != 0) {
        return -1;
    }
    for (uint64_t i = 0; i < SYNC_TRIES; i++) {
        uint8_t octets[512] = {(uint8_t)(i + 1)};
        if (net_file_write(file, i * sizeof octets, &(struct bytes){octets, sizeof octets}, 1, NULL) != 0) {
            break;
        }
        uint64_t began = now_us();
        if (net_file_sync(file, NULL) != 0) {
            break;
        }
        uint64_t took = now_us() - began;
        best = took < best ? took : best;
    }
    disregard(net_file_close(&file, NULL));
    disregard(net_file_remove(path, NULL));
    *microseconds_r = best;
    return best == UINT64_MAX ? -1 : 0;
}

static int read_to_end(struct net_file *file, struct buf *out, struct fault *fault)
{
    for (;;) {
        uint8_t chunk[READ_AT_ONCE];
        /* Not pread: what is given as a secret may be a pipe. */
        ssize_t got = read(file->fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return cannot_do(fault, "read", file->path);
        }
        if (got == 0) {
            return 0;
        }
        if (buf_append(out, chunk, (size_t)got) != 0) {
            fault_set(fault, FAULT_LOCAL, "too-large", file->path, "%s is larger than the %zu octets that are allowed",
                      file->path, out->max);
            return -1;
        }
    }
}

int net_file_absolute(const char *path, struct buf *out)
{
    char folder[4096];
    if (path[0] == '/') {
        return buf_append_text(out, path);
    }
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
    }
    return getcwd(folder, sizeof folder) == NULL ? -1 : buf_printf(out, "%s/%s", folder, path);
}

int net_file_read_all(const char *path, struct buf *out, struct fault *fault)
{
    struct net_file *file;
    if (net_file_open(&file, path, NET_FILE_READ, fault) != 0) {
        return -1;
    }
    size_t before = out->len;
    int result = read_to_end(file, out, fault);
    if (result != 0) {
        buf_truncate(out, before);
    }
    disregard(net_file_close(&file, NULL));
    return result;
}

/* Names the holder by what it wrote into the file when it took the lock. Returns -1. */
static int locked_by_other(int fd, const char *path, struct fault *fault)
{
    char pid[16] = "";
    ssize_t got = pread(fd, pid, sizeof pid - 1, 0);
    pid[got > 0 ? strspn(pid, "0123456789") : 0] = '\0';
    fault_set(fault, FAULT_LOCAL, "locked", path, "%s is locked by process %s: another mailweir uses this folder", path,
              pid[0] != '\0' ? pid : "unknown");
    return -1;
}

static int take_lock(int fd, const char *path, struct fault *fault)
{
    /* flock, not fcntl: its lock belongs to this open file, and no other close() in this process can drop it. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? locked_by_other(fd, path, fault) : cannot_do(fault, "lock", path);
    }
    /* The pid only helps a human: a full disk must not keep the gateway from starting and emptying its spool. */
    char pid[16];
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    ssize_t wrote = pwrite(fd, pid, (size_t)len, 0);
    if (wrote != len || ftruncate(fd, len) != 0) {
        (void)!ftruncate(fd, 0);
    }
    return 0;
}

int net_file_lock(struct net_file **file_r, const char *path, struct fault *fault)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return cannot_do(fault, "open the lock", path);
    }
    if (take_lock(fd, path, fault) != 0) {
        close(fd);
        return -1;
    }
    *file_r = wrap(fd, path);
    return 0;
}

const char *net_file_sqlite_vfs(void)
{
    return NULL;
}

enum net_file_kind net_file_kind(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return errno == ENOENT || errno == ENOTDIR ? NET_FILE_NOTHING : NET_FILE_OTHER;
    }
    return S_ISDIR(info.st_mode) ? NET_FILE_FOLDER : S_ISREG(info.st_mode) ? NET_FILE_ORDINARY : NET_FILE_OTHER;
}

uint64_t net_file_stamp(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return 0;
    }
    uint64_t stamp = (uint64_t)info.st_mtim.tv_sec * 1000000007u + (uint64_t)info.st_mtim.tv_nsec;
    stamp = stamp * 1000003u + (uint64_t)info.st_size;
    return (stamp * 1000003u + (uint64_t)info.st_ino) | 1;
}

/* What root writes where a group may look, such as /etc/mailweir of root and the service's group, is for that group. */
static void give_to_group(const struct net_file *file, const char *path)
{
    char folder[PATH_MAX];
    struct stat info;
    folder_of(path, folder);
    if (geteuid() == 0 && stat(folder, &info) == 0 && info.st_uid == 0 && info.st_gid != 0 &&
        (info.st_mode & S_IXGRP) != 0 && fchown(file->fd, 0, info.st_gid) == 0) {
        (void)fchmod(file->fd, 0640);
    }
}

/* Owner and mode of the file that is replaced, as far as we may; without one, 0600 stays, or its folder's group reads
 * it. */
static void copy_owner(const struct net_file *file, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        give_to_group(file, path);
    } else {
        /* Not being root, we can only keep the group when we are in it; the mode must not reach further than that. */
        mode_t mode = fchown(file->fd, info.st_uid, info.st_gid) == 0 ? info.st_mode & 0777 : info.st_mode & 0700;
        (void)fchmod(file->fd, mode);
    }
}

static int write_whole(const char *path, const char *like, struct bytes text, struct fault *fault)
{
    struct net_file *file;
    if (net_file_open(&file, path, NET_FILE_CREATE, fault) != 0) {
        return -1;
    }
    copy_owner(file, like);
    int result = net_file_write(file, 0, &text, 1, fault) != 0 || net_file_sync(file, fault) != 0 ? -1 : 0;
    return net_file_close(&file, fault) != 0 ? -1 : result;
}

int net_file_replace(const char *path, struct bytes text, struct fault *fault)
{
    char beside[PATH_MAX], folder[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside) {
        errno = ENAMETOOLONG;
        return cannot_do(fault, "write", path);
    }
    folder_of(path, folder);
    (void)unlink(beside); /* what a crash may have left */
    if (write_whole(beside, path, text, fault) != 0 || net_file_rename(beside, path, fault) != 0) {
        (void)unlink(beside);
        return -1;
    }
    return net_file_sync_directory(folder, fault);
}

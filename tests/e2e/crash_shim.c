/*
 * crash_shim - makes one call of the disk fail, or kills the process before it: the n-th in the whole process, over all threads.
 *
 *   CRASH_AT=n       the number of the call, from 1
 *   CRASH_HOW=kill   SIGKILL instead of the call; or an errno's number that the call fails with
 *   CRASH_WHILE=file as long as it is there, all calls fail with CRASH_HOW
 *   CRASH_SYNCS      only syncs count; when they fail they are not done
 *   CRASH_LOG        only syncs of files whose name ends with "-wal" count; they are done, and then said to have failed
 *   CRASH_AFTER=n    the n-th call that fails is the last: it is done as said, and SIGKILL comes before anybody hears of it
 *   CRASH_COUNT=file written with the number of calls so far, when the process ends by itself
 *
 * Counted are the calls that change the disk: pwrite, pwritev, write to files, fdatasync, fsync, ftruncate, rename, unlink, creating open.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls, failed;
static long fail_at, last_failure;
static int fail_with; /* 0: kill */
static const char *fail_while;
static bool log_only, syncs_only;

__attribute__((constructor)) static void read_environment(void)
{
    const char *at = getenv("CRASH_AT"), *how = getenv("CRASH_HOW"), *after = getenv("CRASH_AFTER");
    fail_while = getenv("CRASH_WHILE");
    log_only = getenv("CRASH_LOG") != NULL;
    syncs_only = getenv("CRASH_SYNCS") != NULL;
    fail_at = at == NULL ? 0 : atol(at);
    last_failure = after == NULL ? 0 : atol(after);
    fail_with = how == NULL || strcmp(how, "kill") == 0 ? 0 : atoi(how);
}

__attribute__((destructor)) static void write_count(void)
{
    const char *path = getenv("CRASH_COUNT");
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    if (file != NULL) {
        fprintf(file, "%ld\n", atomic_load(&calls));
        fclose(file);
    }
}

/* Whether this call is to fail; errno is set then. */
static int fails_here(void)
{
    bool due = atomic_fetch_add(&calls, 1) + 1 == fail_at;
    if (!due && (fail_while == NULL || access(fail_while, F_OK) != 0)) {
        return 0;
    }
    if (fail_with == 0 || atomic_fetch_add(&failed, 1) + 1 == last_failure) {
        kill(getpid(), SIGKILL);
    }
    errno = fail_with;
    return 1;
}

static int fails(void)
{
    return log_only || syncs_only ? 0 : fails_here();
}

static int sync_fails(void)
{
    return syncs_only ? fails_here() : fails();
}

/* A sync of the index's log that reaches the disk, and says that it did not. */
static int log_fails(int fd, int result)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path);
    bool is_log = len > 4 && memcmp(path + len - 4, "-wal", 4) == 0;
    return is_log && fails_here() ? -1 : result;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    return fails() ? -1 : REAL(pwrite64)(fd, data, len, at);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t at)
{
    return fails() ? -1 : REAL(pwritev)(fd, pieces, count, at);
}

int fdatasync(int fd)
{
    if (log_only) {
        return log_fails(fd, REAL(fdatasync)(fd));
    }
    return sync_fails() ? -1 : REAL(fdatasync)(fd);
}

int fsync(int fd)
{
    if (log_only) {
        return log_fails(fd, REAL(fsync)(fd));
    }
    return sync_fails() ? -1 : REAL(fsync)(fd);
}

int ftruncate64(int fd, off64_t len)
{
    return fails() ? -1 : REAL(ftruncate64)(fd, len);
}

int rename(const char *from, const char *to)
{
    return fails() ? -1 : REAL(rename)(from, to);
}

int unlink(const char *path)
{
    return fails() ? -1 : REAL(unlink)(path);
}

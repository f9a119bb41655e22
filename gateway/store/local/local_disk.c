/*
 * local_disk - whether the disk under the spool keeps what it was given: by the kind of its file system, and by how
 * long a sync takes.
 *
 * It is looked at once, when the spool opens. Nothing is refused for it: a test may well run in memory. But operators
 * are told.
 */
#include <stdio.h>
#include <string.h>

#include "store/local/local_private.h"

/* No disk answers in less: neither a flash chip nor a controller with a battery; this is the time of a call that does
 * nothing. */
#define FREE_US 8

static const struct {
    const char *system, *why;
} doubtful[] = {
    {"tmpfs", "is in memory (tmpfs): a restart of the machine loses every message in the spool"},
    {"ramfs", "is in memory (ramfs): a restart of the machine loses every message in the spool"},
    {"overlay", "is in a container's own layer (overlay): removing the container loses every message; use a volume"},
    {"nfs", "is on NFS, where SQLite's locks and syncs are not reliable; use a local disk"},
    {"smb", "is on SMB, where SQLite's locks and syncs are not reliable; use a local disk"},
    {"9p", "is on 9p, a folder of the host, where syncs are not reliable; use a disk"},
    {"fuse", "is on FUSE, where a program decides whether a sync reaches the disk; use a local disk"},
};

void local_disk_judge(struct local *local)
{
    char system[NET_FILE_SYSTEM_LEN] = "";
    char *out = local->warning;
    size_t room = sizeof local->warning;
    disregard(net_file_system(local->path, system));
    for (size_t i = 0; i < sizeof doubtful / sizeof doubtful[0] && out[0] == '\0'; i++) {
        if (strcmp(system, doubtful[i].system) == 0) {
            snprintf(out, room, "the spool %s %s", local->path, doubtful[i].why);
        }
    }
    uint64_t took = UINT64_MAX;
    /* Who only changes something in the queue writes no log, and need not wait for it. */
    if (out[0] == '\0' && local->options.log != NULL && net_file_sync_time(local->path, &took) == 0 && took < FREE_US) {
        snprintf(out, room,
                 "the spool %s is on a disk that syncs in %llu us, which no disk can: the disk seems to ignore syncs, "
                 "and a power cut would lose acknowledged messages",
                 local->path, (unsigned long long)took);
    }
    if (out[0] != '\0') {
        log_event(local->options.log, LOG_LEVEL_WARNING, "spool_not_durable", LOG_STR("reason", out),
                  LOG_STR("file_system", system));
    }
}

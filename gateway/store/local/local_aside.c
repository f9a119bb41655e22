/*
 * local_aside - see local_aside.h.
 */
#include "store/local/local_aside.h"

#include <stdio.h>
#include <string.h>

#include "net/net_file.h"
#include "net/net_loop.h"

#define NAME "index.sqlite"

/* The index last: without it nobody starts, and its log belongs to it. */
static const char *const parts[] = {"-wal", "-shm", ""};
#define PARTS (sizeof parts / sizeof parts[0])

/* "<path>/index.sqlite<what>" */
static void name_of(const char *path, const char *what, char file[LOCAL_PATH_MAX])
{
    snprintf(file, LOCAL_PATH_MAX, "%s/" NAME "%s", path, what);
}

void local_aside_new_path(const char *path, char file[LOCAL_PATH_MAX])
{
    name_of(path, ".new", file);
}

static bool is_there(const char *file)
{
    return net_file_kind(file) != NET_FILE_NOTHING;
}

/* Of one file and those beside it: all that are there. */
static int rename_part(const char *from, const char *to, size_t part, struct fault *fault)
{
    char old[LOCAL_PATH_MAX + 8], new[LOCAL_PATH_MAX + 8];
    struct fault found = FAULT_INIT;
    snprintf(old, sizeof old, "%s%s", from, parts[part]);
    snprintf(new, sizeof new, "%s%s", to, parts[part]);
    if (net_file_rename(old, new, &found) == 0 || strcmp(found.code, "enoent") == 0) {
        return 0;
    }
    if (fault != NULL && !fault_is_set(fault)) {
        *fault = found;
    }
    return -1;
}

static void remove_parts(const char *file)
{
    for (size_t i = 0; i < PARTS; i++) {
        char name[LOCAL_PATH_MAX + 8];
        snprintf(name, sizeof name, "%s%s", file, parts[i]);
        disregard(net_file_remove(name, NULL));
    }
}

void local_aside_remove_new(const char *path)
{
    char file[LOCAL_PATH_MAX];
    local_aside_new_path(path, file);
    remove_parts(file);
}

/* ---- out of the way, and back ---- */

static void stamp_of_now(char stamp[32])
{
    struct net_loop *loop = net_loop_new();
    snprintf(stamp, 32, "%lld", (long long)net_wall(loop));
    net_loop_free(&loop);
}

static int set_aside_as(const char *path, const char *stamp, char kept[LOCAL_PATH_MAX], struct fault *fault)
{
    char file[LOCAL_PATH_MAX];
    name_of(path, "", file);
    snprintf(kept, LOCAL_PATH_MAX, "%s/" NAME ".old-%s", path, stamp);
    for (size_t i = PARTS; i-- > 0;) {
        if (rename_part(file, kept, i, fault) != 0) {
            return -1;
        }
    }
    /* Durable before another has its name: the log of the old one must not be taken for that of the new one. */
    return net_file_sync_directory(path, fault);
}

int local_aside_set(const char *path, char kept[LOCAL_PATH_MAX], struct fault *fault)
{
    char stamp[32];
    stamp_of_now(stamp);
    return set_aside_as(path, stamp, kept, fault);
}

static int put_back(const char *path, const char *kept, struct fault *fault)
{
    char file[LOCAL_PATH_MAX];
    name_of(path, "", file);
    for (size_t i = 0; i < PARTS; i++) {
        if (rename_part(kept, file, i, fault) != 0) {
            return -1;
        }
    }
    return net_file_sync_directory(path, fault);
}

int local_aside_replace(const char *path, struct fault *fault)
{
    char stamp[32], file[LOCAL_PATH_MAX], made[LOCAL_PATH_MAX], whole[LOCAL_PATH_MAX], kept[LOCAL_PATH_MAX];
    stamp_of_now(stamp);
    name_of(path, "", file);
    local_aside_new_path(path, made);
    snprintf(whole, sizeof whole, "%s/" NAME ".new-%s", path, stamp);
    if (net_file_rename(made, whole, fault) != 0) {
        remove_parts(made);
        return -1;
    }
    if (net_file_sync_directory(path, fault) == 0 && set_aside_as(path, stamp, kept, fault) == 0 &&
        net_file_rename(whole, file, fault) == 0) {
        return net_file_sync_directory(path, fault);
    }
    snprintf(kept, sizeof kept, "%s/" NAME ".old-%s", path, stamp);
    if (put_back(path, kept, NULL) == 0) {
        remove_parts(whole);
    }
    return -1;
}

/* ---- what was cut ---- */

struct search {
    const char *path;
    bool is_begun;
    char stamp[64]; /* of one that is whole; "": there is none */
};

static int look_at_name(void *ctx, const char *name)
{
    static const char begun[] = NAME ".new";
    struct search *search = ctx;
    if (strncmp(name, begun, sizeof begun - 1) != 0) {
        return 0;
    }
    const char *rest = name + sizeof begun - 1;
    bool is_whole = rest[0] == '-' && rest[1] != '\0' && strspn(rest + 1, "0123456789") == strlen(rest + 1);
    search->is_begun = search->is_begun || rest[0] == '\0' || is_whole;
    if (is_whole) {
        snprintf(search->stamp, sizeof search->stamp, "%s", rest + 1);
    }
    return search->stamp[0] != '\0';
}

bool local_aside_is_cut(const char *path)
{
    char file[LOCAL_PATH_MAX];
    struct search search = {.path = path};
    name_of(path, "", file);
    return !is_there(file) && (net_file_list(path, look_at_name, &search, NULL) != 0 || search.is_begun);
}

/* One that was about to take the old one's place. */
static int undo_change(const char *path, const char *stamp, struct fault *fault)
{
    char file[LOCAL_PATH_MAX], whole[LOCAL_PATH_MAX], kept[LOCAL_PATH_MAX];
    name_of(path, "", file);
    snprintf(whole, sizeof whole, "%s/" NAME ".new-%s", path, stamp);
    snprintf(kept, sizeof kept, "%s/" NAME ".old-%s", path, stamp);
    if (!is_there(file) && put_back(path, kept, fault) != 0) {
        return -1;
    }
    remove_parts(whole);
    return is_there(whole) ? net_file_remove(whole, fault) : 0;
}

int local_aside_recover(const char *path, struct fault *fault)
{
    struct search search = {.path = path};
    int result = net_file_list(path, look_at_name, &search, fault);
    while (result == 0 && search.stamp[0] != '\0') {
        result = undo_change(path, search.stamp, fault);
        search.stamp[0] = '\0';
        result = result == 0 ? net_file_list(path, look_at_name, &search, fault) : result;
    }
    local_aside_remove_new(path);
    return result;
}

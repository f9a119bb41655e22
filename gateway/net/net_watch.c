/*
 * net_watch - see net_watch.h: one uv_fs_event_t (inotify) for each folder. Folders only: a watch on a file ends with
 * the file that it was begun for, and files are replaced.
 */
#include "net/net_watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/expect.h"
#include "net/net_loop_private.h"

struct place {
    uv_fs_event_t uv;
    struct net_watch *watch;
    struct list link;
    char *folder;
};

struct net_watch {
    struct net_loop *loop;
    net_watch_fn *fn;
    void *ctx;
    struct list places;
    size_t count;
};

struct net_watch *net_watch_new(struct net_loop *loop, net_watch_fn *fn, void *ctx)
{
    struct net_watch *watch = expect_calloc(1, sizeof *watch);
    watch->loop = loop;
    watch->fn = fn;
    watch->ctx = ctx;
    list_init(&watch->places);
    return watch;
}

static void on_event(uv_fs_event_t *uv, const char *name, int events, int status)
{
    (void)name, (void)events, (void)status;
    struct place *place = uv->data;
    place->watch->fn(place->watch->ctx);
}

static void on_closed(uv_handle_t *handle)
{
    struct place *place = handle->data;
    free(place->folder);
    free(place);
}

static bool is_watched(struct net_watch *watch, const char *folder)
{
    for (struct list *at = watch->places.prev; at != &watch->places; at = at->prev) { /* neighbours come together */
        if (strcmp(LIST_ITEM(at, struct place, link)->folder, folder) == 0) {
            return true;
        }
    }
    return false;
}

static int add_folder(struct net_watch *watch, const char *folder)
{
    if (is_watched(watch, folder)) {
        return 0;
    }
    if (watch->count == NET_WATCH_FOLDERS_MAX) {
        return -1;
    }
    struct place *place = expect_calloc(1, sizeof *place);
    place->watch = watch;
    place->folder = expect_strdup(folder);
    EXPECT(uv_fs_event_init(&watch->loop->uv, &place->uv) == 0);
    place->uv.data = place;
    if (uv_fs_event_start(&place->uv, on_event, folder, 0) != 0) {
        uv_close((uv_handle_t *)&place->uv, on_closed);
        return -1;
    }
    uv_unref((uv_handle_t *)&place->uv);
    list_append(&watch->places, &place->link);
    watch->count++;
    return 0;
}

int net_watch_add(struct net_watch *watch, const char *path)
{
    NET_EXPECT_LOOP(watch->loop);
    struct stat info;
    const char *slash = strrchr(path, '/');
    char *parent = expect_strdup(slash == NULL ? "." : slash == path ? "/" : path);
    if (slash != NULL && slash != path) {
        parent[slash - path] = '\0';
    }
    int result = add_folder(watch, parent);
    free(parent);
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode) && add_folder(watch, path) != 0) {
        result = -1;
    }
    return result;
}

void net_watch_clear(struct net_watch *watch)
{
    NET_EXPECT_LOOP(watch->loop);
    while (!list_is_empty(&watch->places)) {
        struct place *place = LIST_ITEM(list_take(&watch->places), struct place, link);
        uv_close((uv_handle_t *)&place->uv, on_closed);
    }
    watch->count = 0;
}

void net_watch_free(struct net_watch **watch)
{
    if (*watch != NULL) {
        NET_EXPECT_LOOP((*watch)->loop);
        net_watch_clear(*watch);
        free(*watch);
        *watch = NULL;
    }
}

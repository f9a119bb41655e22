/*
 * imapc_backlog - what waits for a pool's connections, by folder; see imapc_private.h.
 *
 * Folders with work stand on a ring and are served in turn, so that a busy one never starves the others.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "imapc/imapc_private.h"

static struct imapc_backlog *folder_of(struct imapc_pool *pool, const char *name)
{
    struct imapc_backlog *folder = map_get(pool->folders, bytes_of(name));
    if (folder == NULL) {
        folder = expect_calloc(1, sizeof *folder);
        folder->name = expect_strdup(name);
        list_init(&folder->link);
        list_init(&folder->waiting);
        list_init(&folder->doubtful);
        list_init(&folder->unsettled);
        EXPECT(map_set(pool->folders, bytes_of(name), folder) == 0);
    }
    return folder;
}

void imapc_backlog_queue(struct imapc_pool *pool, struct imapc_append *append, bool at_head)
{
    struct imapc_backlog *folder = folder_of(pool, append->folder);
    struct list *queue = append->doubt.open ? &folder->doubtful : &folder->waiting;
    if (at_head) {
        list_prepend(queue, &append->link);
    } else {
        list_append(queue, &append->link);
    }
    folder->waiting_count += !append->doubt.open;
    folder->doubtful_count += append->doubt.open;
    pool->waiting_count++;
    if (list_is_empty(&folder->link)) {
        list_append(&pool->ring, &folder->link);
    }
}

/* Frees it when nothing waits, nobody works on it, and nothing must be remembered of it. */
static void free_idle(struct imapc_pool *pool, struct imapc_backlog *folder)
{
    bool idle = folder->waiting_count + folder->doubtful_count == 0 && folder->busy == 0 && !folder->searching;
    if (idle && list_is_empty(&folder->unsettled)) {
        map_remove(pool->folders, bytes_of(folder->name));
        free(folder->name);
        free(folder);
    }
}

void imapc_backlog_release(struct imapc_pool *pool, struct imapc_backlog *folder)
{
    list_remove(&folder->link);
    if (folder->waiting_count + folder->doubtful_count > 0) {
        list_append(&pool->ring, &folder->link);
    } else {
        free_idle(pool, folder);
    }
}

/* ---- doubts ---- */

uint64_t imapc_backlog_after_look(const struct imapc_pool *pool)
{
    return pool->account.settle_ms > IMAPC_LOOK_MS ? pool->account.settle_ms - IMAPC_LOOK_MS : 0;
}

bool imapc_backlog_may_search(const struct imapc_pool *pool, const struct imapc_backlog *folder)
{
    uint64_t now = net_now(pool->loop) + imapc_backlog_after_look(pool);
    return folder->doubtful_count > 0 && !folder->searching && now >= pool->search_at && now >= folder->settled_at;
}

void imapc_backlog_unsettle(struct imapc_pool *pool, struct imapc_backlog *folder)
{
    folder->settled_at = net_now(pool->loop) + pool->account.settle_ms;
    list_remove(&folder->unsettled);
    list_append(&pool->unsettled, &folder->unsettled);
}

static struct imapc_backlog *first_unsettled(const struct imapc_pool *pool)
{
    return LIST_ITEM(pool->unsettled.next, struct imapc_backlog, unsettled);
}

/* When the next of those that have not settled may be looked through, or has settled. */
static uint64_t next_look(const struct imapc_pool *pool, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    for (const struct list *link = pool->unsettled.next; link != &pool->unsettled; link = link->next) {
        uint64_t settled = LIST_ITEM(link, const struct imapc_backlog, unsettled)->settled_at;
        uint64_t look = settled - imapc_backlog_after_look(pool);
        uint64_t when = look > now ? look : settled;
        next = when < next ? when : next;
    }
    return next;
}

uint64_t imapc_backlog_settle(struct imapc_pool *pool)
{
    uint64_t now = net_now(pool->loop);
    while (!list_is_empty(&pool->unsettled)) {
        struct imapc_backlog *folder = first_unsettled(pool);
        if (folder->settled_at > now) {
            return next_look(pool, now);
        }
        list_remove(&folder->unsettled);
        free_idle(pool, folder);
    }
    return 0;
}

void imapc_backlog_free_all(struct imapc_pool *pool)
{
    while (!list_is_empty(&pool->unsettled)) {
        struct imapc_backlog *folder = first_unsettled(pool);
        list_remove(&folder->unsettled);
        free_idle(pool, folder);
    }
}

struct imapc_append *imapc_backlog_take_any(struct imapc_pool *pool)
{
    if (list_is_empty(&pool->ring)) {
        return NULL;
    }
    struct imapc_backlog *folder = LIST_ITEM(pool->ring.next, struct imapc_backlog, link);
    bool doubtful = folder->waiting_count == 0;
    struct list *link = list_take(doubtful ? &folder->doubtful : &folder->waiting);
    folder->doubtful_count -= doubtful;
    folder->waiting_count -= !doubtful;
    pool->waiting_count--;
    imapc_backlog_release(pool, folder);
    return LIST_ITEM(link, struct imapc_append, link);
}

size_t imapc_backlog_demand(const struct imapc_pool *pool)
{
    size_t demand = 0;
    uint64_t most = pool->account.settings[IMAPC_FOLDER_CONNECTIONS];
    for (const struct list *link = pool->ring.next; link != &pool->ring; link = link->next) {
        const struct imapc_backlog *folder = LIST_ITEM(link, const struct imapc_backlog, link);
        size_t wanted = folder->waiting_count;
        if (pool->batches) {
            wanted = (wanted + IMAPC_BATCH_SPILL - 1) / IMAPC_BATCH_SPILL;
        } else if (wanted + folder->busy > most) {
            wanted = most > folder->busy ? (size_t)most - folder->busy : 0;
        }
        demand += wanted + imapc_backlog_may_search(pool, folder);
    }
    return demand;
}

/*
 * upstream_backlog - what waits for a pool's connections, by folder; see upstream_private.h.
 *
 * Folders with work stand on a ring and are served in turn, so that a busy one never starves the others.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "upstream/upstream_private.h"

static struct upstream_backlog *folder_of(struct upstream_pool *pool, const char *name)
{
    struct upstream_backlog *folder = map_get(pool->folders, bytes_of(name));
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

void upstream_backlog_queue(struct upstream_pool *pool, struct upstream_append *append, bool at_head)
{
    struct upstream_backlog *folder = folder_of(pool, append->folder);
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
static void free_idle(struct upstream_pool *pool, struct upstream_backlog *folder)
{
    bool idle = folder->waiting_count + folder->doubtful_count == 0 && folder->busy == 0 && !folder->searching;
    if (idle && list_is_empty(&folder->unsettled)) {
        map_remove(pool->folders, bytes_of(folder->name));
        free(folder->name);
        free(folder);
    }
}

void upstream_backlog_release(struct upstream_pool *pool, struct upstream_backlog *folder)
{
    list_remove(&folder->link);
    if (folder->waiting_count + folder->doubtful_count > 0) {
        list_append(&pool->ring, &folder->link);
    } else {
        free_idle(pool, folder);
    }
}

/* ---- doubts ---- */

uint64_t upstream_backlog_after_look(const struct upstream_pool *pool)
{
    return pool->account.settle_ms > UPSTREAM_LOOK_MS ? pool->account.settle_ms - UPSTREAM_LOOK_MS : 0;
}

bool upstream_backlog_may_search(const struct upstream_pool *pool, const struct upstream_backlog *folder)
{
    uint64_t ahead = folder->is_patient ? 0 : upstream_backlog_after_look(pool);
    uint64_t now = net_now(pool->loop) + ahead;
    return folder->doubtful_count > 0 && !folder->searching && now >= pool->search_at && now >= folder->settled_at;
}

void upstream_backlog_unsettle(struct upstream_pool *pool, struct upstream_backlog *folder)
{
    folder->settled_at = net_now(pool->loop) + pool->account.settle_ms;
    list_remove(&folder->unsettled);
    list_append(&pool->unsettled, &folder->unsettled);
}

void upstream_backlog_expect(struct upstream_pool *pool, const struct upstream_append *append)
{
    struct upstream_backlog *folder = folder_of(pool, append->folder);
    folder->is_patient = true;
    upstream_backlog_unsettle(pool, folder);
}

static struct upstream_backlog *first_unsettled(const struct upstream_pool *pool)
{
    return LIST_ITEM(pool->unsettled.next, struct upstream_backlog, unsettled);
}

/* When the next of those that have not settled may be looked through, or has settled. */
static uint64_t next_look(const struct upstream_pool *pool, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    for (const struct list *link = pool->unsettled.next; link != &pool->unsettled; link = link->next) {
        uint64_t settled = LIST_ITEM(link, const struct upstream_backlog, unsettled)->settled_at;
        uint64_t look = settled - upstream_backlog_after_look(pool); /* too early for some: nothing comes of that */
        uint64_t when = look > now ? look : settled;
        next = when < next ? when : next;
    }
    return next;
}

uint64_t upstream_backlog_settle(struct upstream_pool *pool)
{
    uint64_t now = net_now(pool->loop);
    while (!list_is_empty(&pool->unsettled)) {
        struct upstream_backlog *folder = first_unsettled(pool);
        if (folder->settled_at > now) {
            return next_look(pool, now);
        }
        list_remove(&folder->unsettled);
        folder->is_patient = false;
        free_idle(pool, folder);
    }
    return 0;
}

void upstream_backlog_free_all(struct upstream_pool *pool)
{
    while (!list_is_empty(&pool->unsettled)) {
        struct upstream_backlog *folder = first_unsettled(pool);
        list_remove(&folder->unsettled);
        free_idle(pool, folder);
    }
}

struct upstream_append *upstream_backlog_take_any(struct upstream_pool *pool)
{
    if (list_is_empty(&pool->ring)) {
        return NULL;
    }
    struct upstream_backlog *folder = LIST_ITEM(pool->ring.next, struct upstream_backlog, link);
    bool doubtful = folder->waiting_count == 0;
    struct list *link = list_take(doubtful ? &folder->doubtful : &folder->waiting);
    folder->doubtful_count -= doubtful;
    folder->waiting_count -= !doubtful;
    pool->waiting_count--;
    upstream_backlog_release(pool, folder);
    return LIST_ITEM(link, struct upstream_append, link);
}

size_t upstream_backlog_demand(const struct upstream_pool *pool)
{
    size_t demand = 0;
    uint64_t most = pool->account.settings[UPSTREAM_FOLDER_CONNECTIONS];
    for (const struct list *link = pool->ring.next; link != &pool->ring; link = link->next) {
        const struct upstream_backlog *folder = LIST_ITEM(link, const struct upstream_backlog, link);
        size_t wanted = folder->waiting_count;
        if (pool->batches && !pool->habits.no_batches) {
            wanted = (wanted + UPSTREAM_BATCH_SPILL - 1) / UPSTREAM_BATCH_SPILL;
        } else if (wanted + folder->busy > most) {
            wanted = most > folder->busy ? (size_t)most - folder->busy : 0;
        }
        demand += wanted + upstream_backlog_may_search(pool, folder);
    }
    return demand;
}

/*
 * imapc_folder - what waits for a pool's connections, by folder; see imapc_private.h.
 *
 * Folders with work stand on a ring and are served in turn, so that a busy one never starves the others.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "imapc/imapc_private.h"

static struct imapc_folder *folder_of(struct imapc_pool *pool, const char *name)
{
    struct imapc_folder *folder = map_get(pool->folders, bytes_of(name));
    if (folder == NULL) {
        folder = expect_calloc(1, sizeof *folder);
        folder->name = expect_strdup(name);
        list_init(&folder->link);
        list_init(&folder->waiting);
        list_init(&folder->doubtful);
        EXPECT(map_set(pool->folders, bytes_of(name), folder) == 0);
    }
    return folder;
}

void imapc_folder_queue(struct imapc_pool *pool, struct imapc_append *append, bool at_head)
{
    struct imapc_folder *folder = folder_of(pool, append->folder);
    struct list *queue = append->uncertain ? &folder->doubtful : &folder->waiting;
    if (at_head) {
        list_prepend(queue, &append->link);
    } else {
        list_append(queue, &append->link);
    }
    folder->waiting_count += !append->uncertain;
    folder->doubtful_count += append->uncertain;
    pool->waiting_count++;
    if (list_is_empty(&folder->link)) {
        list_append(&pool->ring, &folder->link);
    }
}

void imapc_folder_release(struct imapc_pool *pool, struct imapc_folder *folder)
{
    list_remove(&folder->link);
    if (folder->waiting_count + folder->doubtful_count > 0) {
        list_append(&pool->ring, &folder->link);
    } else if (folder->busy == 0 && !folder->searching) {
        map_remove(pool->folders, bytes_of(folder->name));
        free(folder->name);
        free(folder);
    }
}

struct imapc_append *imapc_folder_take_any(struct imapc_pool *pool)
{
    if (list_is_empty(&pool->ring)) {
        return NULL;
    }
    struct imapc_folder *folder = LIST_ITEM(pool->ring.next, struct imapc_folder, link);
    bool doubtful = folder->waiting_count == 0;
    struct list *link = list_take(doubtful ? &folder->doubtful : &folder->waiting);
    folder->doubtful_count -= doubtful;
    folder->waiting_count -= !doubtful;
    pool->waiting_count--;
    imapc_folder_release(pool, folder);
    return LIST_ITEM(link, struct imapc_append, link);
}

size_t imapc_folder_demand(const struct imapc_pool *pool)
{
    size_t demand = 0;
    uint64_t most = pool->account.settings[IMAPC_FOLDER_CONNECTIONS];
    for (const struct list *link = pool->ring.next; link != &pool->ring; link = link->next) {
        const struct imapc_folder *folder = LIST_ITEM(link, const struct imapc_folder, link);
        size_t wanted = folder->waiting_count;
        if (pool->batches) {
            wanted = (wanted + IMAPC_BATCH_SPILL - 1) / IMAPC_BATCH_SPILL;
        } else if (wanted + folder->busy > most) {
            wanted = most > folder->busy ? (size_t)most - folder->busy : 0;
        }
        bool search = folder->doubtful_count > 0 && !folder->searching && net_now(pool->loop) >= pool->search_at;
        demand += wanted + search;
    }
    return demand;
}

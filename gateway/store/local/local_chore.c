/*
 * local_chore - work that is not urgent: segments in which nothing lives are removed, the index's log is copied into
 * the database.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "store/local/local_private.h"

static struct local_chore *chore_of(struct store_chore *chore)
{
    return LIST_ITEM(chore, struct local_chore, chore);
}

void local_chore_leave(struct local *local, struct store_chore *chore)
{
    list_init(&chore->link);
    list_append(&local->batch->chores, &chore->link);
}

static void leave_segment(struct local *local, uint64_t segment,
                          void (*step)(struct local *local, struct store_chore *chore))
{
    struct local_chore *chore = expect_calloc(1, sizeof *chore);
    *chore = (struct local_chore){.chore.next = STORE_CHORE_TIDY, .step = step, .segment = segment};
    local_chore_leave(local, &chore->chore);
}

/* ---- segments in which nothing lives ---- */

static void remove_segment(struct local *local, struct store_chore *chore)
{
    char path[LOCAL_PATH_MAX];
    local_segment_path(local->folder, chore_of(chore)->segment, path);
    /* One that stays, or comes back after a power cut, is removed at the next start. */
    disregard(net_file_remove(path, NULL));
    chore->next = STORE_CHORE_DONE;
}

void local_chore_discard(struct local *local, uint64_t segment)
{
    if (local->current == NULL || segment != local->current->id) {
        leave_segment(local, segment, remove_segment);
    }
}

/* ---- the index's log ---- */

/*
 * Most of the log is copied beside the running batches; the little that came meanwhile is copied by the writer, so that
 * the log can begin anew.
 */
static void tidy_rest(struct local *local, struct store_chore *chore)
{
    disregard(local_index_checkpoint(local->index, NULL));
    local->tidying = false;
    chore->next = STORE_CHORE_DONE;
}

static void tidy_most(struct local *local, struct store_chore *chore)
{
    disregard(local_index_checkpoint(local->tidier, NULL));
    chore_of(chore)->step = tidy_rest;
    chore->next = STORE_CHORE_DISK;
}

void local_chore_tidy(struct local *local)
{
    if (!local->tidying) {
        local->tidying = true;
        leave_segment(local, 0, tidy_most);
    }
}

/* ---- the door ---- */

void local_chore(struct store *store, struct store_chore *chore)
{
    chore_of(chore)->step(local_of(store), chore);
}

void local_chore_drop(struct store *store, struct store_chore **chore)
{
    if (*chore != NULL) {
        struct local_chore *own = chore_of(*chore);
        if (own->drop != NULL) {
            own->drop(local_of(store), *chore);
        }
        free(own);
        *chore = NULL;
    }
}

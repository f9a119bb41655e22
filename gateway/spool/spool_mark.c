/*
 * spool_mark - what is known of folders on their servers when deliveries for them are handed out: a lower bound of the
 * UIDs that they would get.
 *
 * It is written with what is handed out, because after a crash nobody else knows it: engine/doubt.h says what it is
 * good for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_private.h"

#define KEY_MAX 4096

/* Upstream and folder in one; false when it is too long to be remembered. */
static bool key_of(struct buf *key, const char *upstream, const char *folder)
{
    buf_init(key, KEY_MAX);
    buf_append_bytes(key, bytes_at(upstream, strlen(upstream) + 1));
    buf_append_text(key, folder);
    return !key->full;
}

struct known {
    struct doubt_mark mark;
    unsigned place;
};

/* What is kept under the key; NULL: nothing. */
static struct known *find_mark(const struct spool *spool, const char *upstream, const char *folder)
{
    struct buf key;
    struct known *known = key_of(&key, upstream, folder) ? map_get(spool->marks, buf_bytes(&key)) : NULL;
    buf_done(&key);
    return known;
}

static void keep_mark(struct spool *spool, const char *upstream, const char *folder, const struct known *what)
{
    struct buf key;
    if (key_of(&key, upstream, folder)) {
        struct known *kept = map_get(spool->marks, buf_bytes(&key));
        if (kept == NULL && map_count(spool->marks) >= SPOOL_MARKS_MAX) {
            map_free(&spool->marks, free);
            spool->marks = map_new(SPOOL_MARKS_MAX, NULL);
        }
        if (kept == NULL) {
            kept = expect_calloc(1, sizeof *kept);
            EXPECT(map_set(spool->marks, buf_bytes(&key), kept) == 0);
        }
        *kept = *what;
    }
    buf_done(&key);
}

void spool_set_mark(struct spool *spool, const char *upstream, const char *folder, const struct doubt_mark *mark)
{
    const struct known what = {.mark = *mark};
    keep_mark(spool, upstream, folder, &what);
}

/* Kept as of a folder without a name. */
void spool_set_origin(struct spool *spool, const char *upstream, const char *account, unsigned place)
{
    struct known what = {.place = place};
    snprintf(what.mark.account, sizeof what.mark.account, "%s", account);
    keep_mark(spool, upstream, "", &what);
}

void spool_item_mark(struct spool *spool, struct spool_item *item)
{
    const struct known *known = find_mark(spool, item->delivery.upstream, item->delivery.folder);
    const struct known *origin = find_mark(spool, item->delivery.upstream, "");
    if (item->uncertain || (known == NULL && origin == NULL)) {
        return;
    }
    struct doubt doubt;
    char text[DOUBT_TEXT_MAX];
    doubt_read(&doubt, bytes_of(item->delivery.doubt == NULL ? "" : item->delivery.doubt));
    doubt.mark = known != NULL ? known->mark : (struct doubt_mark){0};
    doubt.place = 0;
    if (origin != NULL) {
        /* A mark of another account says nothing of this one. */
        if (strcmp(doubt.mark.account, origin->mark.account) != 0) {
            doubt.mark = origin->mark;
        }
        doubt.place = origin->place;
    }
    doubt_write(&doubt, text);
    item->delivery.doubt = expect_memory(arena_text(item->arena, text));
}

/*
 * spool_mark - what is known of folders on their servers when deliveries for them are handed out: a lower bound of the
 * UIDs that they would get.
 *
 * It is written with what is handed out, because after a crash nobody else knows it: engine/doubt.h says what it is
 * good for.
 */
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

void spool_set_mark(struct spool *spool, const char *upstream, const char *folder, const struct doubt_mark *mark)
{
    struct buf key;
    if (key_of(&key, upstream, folder)) {
        struct doubt_mark *kept = map_get(spool->marks, buf_bytes(&key));
        if (kept == NULL && map_count(spool->marks) >= SPOOL_MARKS_MAX) {
            map_free(&spool->marks, free);
            spool->marks = map_new(SPOOL_MARKS_MAX, NULL);
        }
        if (kept == NULL) {
            kept = expect_calloc(1, sizeof *kept);
            EXPECT(map_set(spool->marks, buf_bytes(&key), kept) == 0);
        }
        *kept = *mark;
    }
    buf_done(&key);
}

void spool_item_mark(struct spool *spool, struct spool_item *item)
{
    struct buf key;
    bool has_key = key_of(&key, item->delivery.upstream, item->delivery.folder);
    const struct doubt_mark *mark = has_key ? map_get(spool->marks, buf_bytes(&key)) : NULL;
    if (mark != NULL && !item->uncertain) {
        struct doubt doubt;
        char text[DOUBT_TEXT_MAX];
        doubt_read(&doubt, bytes_of(item->delivery.doubt == NULL ? "" : item->delivery.doubt));
        doubt.mark = *mark;
        doubt.place = 0;
        doubt_write(&doubt, text);
        item->delivery.doubt = expect_memory(arena_text(item->arena, text));
    }
    buf_done(&key);
}

/*
 * spool_mark - what is known of folders on their servers when deliveries for them are handed out: a lower bound of the
 * UIDs that they would get.
 *
 * It is written with what is handed out, because after a crash nobody else knows it: engine/doubt.h says what it is
 * good for. So that it is known for the first that is handed out behind a start, too, it is written by itself now and
 * then, as a memo (spool_memo.h) of a name that no upstream has. That costs no sync: an older mark is as true, so it
 * rides with the next group, and it is written again only after SPOOL_MARK_STEP UIDs. Of more than SPOOL_MARKS_MAX
 * folders the one that got no mail for longest is forgotten, here and in the store: what is not known costs a look at
 * more mail, and a mark that nobody keeps up would be wrong behind a server that was set back.
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
    struct list aged; /* a folder's: on spool->marks_aged */
    char *upstream, *folder;
    struct doubt_mark mark;
    unsigned place;
    struct doubt_mark written; /* what the store has of it */
    bool is_stored;            /* the store has something of it */
};

void spool_mark_free(void *value)
{
    struct known *known = value;
    free(known->upstream);
    free(known->folder);
    free(known);
}

/* A mark on its way to the store. */
struct mark_job {
    struct spool_job job;
    char *upstream, *folder, *name, *text;
};

/* Between an upstream's name and a folder's: in neither of them. */
#define SEPARATOR '\n'

/* What is kept under the key; NULL: nothing. */
static struct known *find_mark(const struct spool *spool, const char *upstream, const char *folder)
{
    struct buf key;
    struct known *known = key_of(&key, upstream, folder) ? map_get(spool->marks, buf_bytes(&key)) : NULL;
    buf_done(&key);
    return known;
}

/* ---- over a restart ---- */

static void mark_done(struct spool *spool, struct spool_job *base)
{
    struct mark_job *job = LIST_ITEM(base, struct mark_job, job);
    struct known *known = fault_is_set(&base->op.fault) ? find_mark(spool, job->upstream, job->folder) : NULL;
    if (known != NULL) {
        known->written = (struct doubt_mark){0}; /* the next one is written */
    }
    free(job->upstream);
    free(job->folder);
    free(job->name);
    free(job->text);
    free(job);
}

/* mark: NULL: it is forgotten. */
static void write_mark(struct spool *spool, const char *upstream, const char *folder, const struct doubt_mark *mark)
{
    struct mark_job *job = expect_calloc(1, sizeof *job);
    size_t size = strlen(upstream) + strlen(folder) + 2;
    job->upstream = expect_strdup(upstream);
    job->folder = expect_strdup(folder);
    job->name = expect_calloc(1, size);
    snprintf(job->name, size, "%s%c%s", upstream, SEPARATOR, folder);
    job->text = expect_calloc(1, DOUBT_TEXT_MAX);
    if (mark != NULL) {
        const struct doubt doubt = {.mark = *mark};
        doubt_write(&doubt, job->text);
    }
    job->job = (struct spool_job){.done = mark_done,
                                  .op = {.kind = STORE_MEMO, .memo = {.upstream = job->name, .text = job->text}}};
    spool_ride(spool, &job->job);
}

/* ---- as many as are remembered ---- */

static void forget_oldest(struct spool *spool)
{
    struct known *oldest = LIST_ITEM(list_take(&spool->marks_aged), struct known, aged);
    struct buf key;
    if (oldest->is_stored) {
        write_mark(spool, oldest->upstream, oldest->folder, NULL);
    }
    EXPECT(key_of(&key, oldest->upstream, oldest->folder) && map_remove(spool->marks, buf_bytes(&key)) == oldest);
    buf_done(&key);
    spool->mark_count--;
    spool_mark_free(oldest);
}

/* What is known of an account stays: there are no more of them than upstreams. */
static struct known *make_mark(struct spool *spool, struct bytes key, const char *upstream, const char *folder)
{
    struct known *known = expect_calloc(1, sizeof *known);
    list_init(&known->aged);
    known->upstream = expect_strdup(upstream);
    known->folder = expect_strdup(folder);
    if (folder[0] != '\0' && spool->mark_count == SPOOL_MARKS_MAX) {
        forget_oldest(spool);
    }
    if (folder[0] != '\0') {
        list_append(&spool->marks_aged, &known->aged);
        spool->mark_count++;
    }
    EXPECT(map_set(spool->marks, key, known) == 0);
    return known;
}

/* What is kept under the key, made with nothing known when it is new; NULL: the name is too long. */
static struct known *find_or_make_mark(struct spool *spool, const char *upstream, const char *folder)
{
    struct buf key;
    struct known *known = NULL;
    if (key_of(&key, upstream, folder)) {
        known = map_get(spool->marks, buf_bytes(&key));
        known = known != NULL ? known : make_mark(spool, buf_bytes(&key), upstream, folder);
    }
    buf_done(&key);
    return known;
}

/* Whether what the store has would leave too much to look at, or is of another mailbox. */
static bool is_worth_writing(const struct known *known)
{
    const struct doubt_mark *written = &known->written, *mark = &known->mark;
    bool is_same = written->validity == mark->validity && strcmp(written->mailbox, mark->mailbox) == 0 &&
                   strcmp(written->account, mark->account) == 0 && strcmp(written->folder, mark->folder) == 0;
    /* One that went back is of a server that was set back: the higher one would be no bound any more. */
    return !is_same || mark->next < written->next || mark->next - written->next >= SPOOL_MARK_STEP;
}

bool spool_mark_take(struct spool *spool, const char *name, const char *text)
{
    struct bytes folder = bytes_of(name), upstream = bytes_cut(&folder, SEPARATOR);
    if (upstream.len == strlen(name)) {
        return false;
    }
    char *only = expect_strdup(name);
    only[upstream.len] = '\0';
    bool has_room = spool->mark_count < SPOOL_MARKS_MAX;
    struct known *known = has_room ? find_or_make_mark(spool, only, only + upstream.len + 1) : NULL;
    if (known != NULL && known->written.validity == 0) {
        struct doubt doubt;
        doubt_read(&doubt, bytes_of(text));
        known->written = doubt.mark;
        known->mark = known->mark.validity == 0 ? doubt.mark : known->mark; /* what is known here is newer */
        known->is_stored = true;
    }
    free(only);
    return true;
}

void spool_set_mark(struct spool *spool, const char *upstream, const char *folder, const struct doubt_mark *mark)
{
    NET_EXPECT_LOOP(spool->loop);
    struct known *known = find_or_make_mark(spool, upstream, folder);
    if (known == NULL) {
        return;
    }
    known->mark = *mark;
    list_remove(&known->aged);
    list_append(&spool->marks_aged, &known->aged);
    if (is_worth_writing(known)) {
        known->written = *mark;
        known->is_stored = true;
        write_mark(spool, upstream, folder, mark);
    }
}

/* Kept as of a folder without a name. */
void spool_set_origin(struct spool *spool, const char *upstream, const char *account, unsigned place)
{
    NET_EXPECT_LOOP(spool->loop);
    struct known *known = find_or_make_mark(spool, upstream, "");
    if (known != NULL) {
        known->place = place;
        snprintf(known->mark.account, sizeof known->mark.account, "%s", account);
    }
}

/* ---- with what is handed out ---- */

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

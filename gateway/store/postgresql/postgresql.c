/*
 * postgresql - opening and closing; see postgresql.h.
 */
#include "store/postgresql/postgresql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/postgresql/postgresql_private.h"
#include "store/postgresql/postgresql_schema.h"
#include "store/store_lease.h"

#define UPSTREAMS_MAX 100000

/* ---- small questions ---- */

/* How full its disk is, a database does not say; when it is, a batch fails with "enospc". */
static int measure_room(struct store *store, struct store_room *room_r, struct fault *fault)
{
    (void)store;
    (void)fault;
    *room_r = (struct store_room){UINT64_MAX / 2, UINT64_MAX / 2};
    return 0;
}

static int hint_descriptor(struct store *store)
{
    (void)store;
    return -1;
}

static const char *warning_of(const struct store *store)
{
    const struct postgresql *pg = postgresql_of((struct store *)(uintptr_t)store);
    return pg->warning[0] == '\0' ? NULL : pg->warning;
}

/* A batch leaves none. */
static void do_chore(struct store *store, struct store_chore *none)
{
    (void)store;
    (void)none;
}

static void chore_drop(struct store *store, struct store_chore **none)
{
    (void)store;
    *none = NULL;
}

/* ---- opening and closing ---- */

static void free_all(struct postgresql *pg)
{
    postgresql_link_close(&pg->writer);
    postgresql_link_close(&pg->uploader);
    postgresql_link_close(&pg->reader);
    postgresql_link_close(&pg->tidier);
    postgresql_link_close(&pg->beater);
    map_free(&pg->cursors, free);
    arena_free(&pg->arena);
    buf_done(&pg->piece.data);
    free(pg->expected);
    /* It may hold a password. */
    memset(pg->place, 0, strlen(pg->place));
    free(pg->place);
    free(pg);
}

static void close_all(struct store *store)
{
    struct postgresql *pg = postgresql_of(store);
    if (atomic_load(&pg->epoch) != 0) { /* one that only looks is no node */
        postgresql_node_leave(pg);
    }
    free_all(pg);
}

void postgresql_crash(struct store *store)
{
    free_all(postgresql_of(store));
}

static struct postgresql *make_postgresql(const char *place)
{
    struct postgresql *pg = expect_calloc(1, sizeof *pg);
    pg->store.ops = &postgresql_store;
    pg->place = expect_strdup(place);
    postgresql_link_init(&pg->writer, pg->place, "mailweir");
    postgresql_link_init(&pg->uploader, pg->place, "mailweir");
    postgresql_link_init(&pg->reader, pg->place, "mailweir reading");
    postgresql_link_init(&pg->tidier, pg->place, "mailweir tidying");
    postgresql_link_init(&pg->beater, pg->place, "mailweir lease");
    pg->writer.moves = pg->uploader.moves = pg->reader.moves = pg->tidier.moves = pg->beater.moves = &pg->moves;
    pg->arena = arena_new(SIZE_MAX / 2);
    pg->cursors = map_new(UPSTREAMS_MAX, NULL);
    buf_init(&pg->piece.data, SIZE_MAX / 4);
    return pg;
}

/*
 * A server that stands still, or a way to it on which nothing moves, is found by waiting alone. What a lease depends on
 * waits for a part of it. What was written is given up when others may have taken this node for dead: it is in limbo
 * then, and whoever waits for it hears in time.
 */
static void bound_waits(struct postgresql *pg)
{
    uint64_t lease = store_lease_of(pg->options.lease_ms);
    pg->beater.wait_ms = store_lease_patience(lease);
    bool is_bound = lease < POSTGRESQL_WAIT_MS && !pg->options.brief; /* a command has nobody who waits */
    pg->writer.wait_ms = is_bound ? lease : POSTGRESQL_WAIT_MS;
    pg->uploader.wait_ms = pg->writer.wait_ms;
}

static int open_all(struct postgresql *pg, struct fault *fault)
{
    struct buf warnings;
    buf_init(&warnings, sizeof pg->warning - 1);
    int result = postgresql_link_open(&pg->writer, fault);
    if (result == 0) {
        result = postgresql_schema_expect(&pg->writer, fault);
    }
    if (result == 0) {
        result = postgresql_schema_judge(&pg->writer, pg->options.wall(pg->options.clock), &warnings, fault);
    }
    snprintf(pg->warning, sizeof pg->warning, "%s", buf_text(&warnings));
    buf_done(&warnings);
    return result != 0 ? -1 : postgresql_node_join(pg, fault);
}

static int open_store(struct store **store_r, const struct store_options *options, struct fault *fault)
{
    struct postgresql *pg = make_postgresql(options->path);
    pg->options = *options;
    pg->options.path = pg->place;
    bound_waits(pg);
    if (open_all(pg, fault) != 0) {
        free_all(pg);
        return -1;
    }
    *store_r = &pg->store;
    return 0;
}

static int look_at(struct store **store_r, const char *path, struct fault *fault)
{
    struct postgresql *pg = make_postgresql(path);
    if (postgresql_link_open(&pg->reader, fault) != 0 || postgresql_schema_expect(&pg->reader, fault) != 0) {
        free_all(pg);
        return -1;
    }
    *store_r = &pg->store;
    return 0;
}

const struct store_ops postgresql_store = {
    .name = "postgresql",
    .open = open_store,
    .look = look_at,
    .close = close_all,
    .commit = postgresql_commit,
    .resolve = postgresql_resolve,
    .claim = postgresql_claim,
    .body = postgresql_body,
    .ask = postgresql_answer,
    .room = measure_room,
    .hint = hint_descriptor,
    .beat = postgresql_beat,
    .warning = warning_of,
    .upload = postgresql_upload,
    .upload_write = postgresql_upload_write,
    .upload_read = postgresql_upload_read,
    .upload_free = postgresql_upload_free,
    .scrub = postgresql_scrub,
    .mend = postgresql_mend,
    .chore = do_chore,
    .chore_drop = chore_drop,
};

int postgresql_migrate(const char *place, int *from_r, int *to_r, struct fault *fault)
{
    struct postgresql_link link;
    postgresql_link_init(&link, place, "mailweir spool migrate");
    int result = postgresql_link_open(&link, fault);
    if (result == 0) {
        result = postgresql_schema_migrate(&link, from_r, fault);
    }
    *to_r = *from_r > POSTGRESQL_SCHEMA_VERSION ? *from_r : POSTGRESQL_SCHEMA_VERSION;
    postgresql_link_close(&link);
    return result;
}

int64_t postgresql_nodes(const char *place, struct fault *fault)
{
    struct postgresql_link link;
    postgresql_link_init(&link, place, "mailweir looking for nodes");
    PGresult *result = postgresql_ask(&link, POSTGRESQL_SCHEMA_NODES, NULL, false, fault);
    int64_t nodes = result == NULL ? -1 : postgresql_number_at(result, 0, 0);
    PQclear(result);
    postgresql_link_close(&link);
    return nodes;
}

int postgresql_check(const char *place, int64_t wall_ms, struct buf *keeps, struct buf *warnings, struct fault *fault)
{
    struct postgresql_link link;
    postgresql_link_init(&link, place, "mailweir check");
    int result = postgresql_link_open(&link, fault);
    if (result == 0) {
        result = postgresql_schema_expect(&link, fault);
    }
    if (result == 0) {
        result = postgresql_schema_judge(&link, wall_ms, warnings, fault);
    }
    if (result == 0) {
        result = postgresql_schema_keeps(&link, keeps, warnings, fault);
    }
    postgresql_link_close(&link);
    return result;
}

/*
 * reception_refusals - a ring of refusals and its file. Contract: reception_refusals.h.
 *
 * The file has one JSON object a line. At FILE_MAX octets it becomes the older one of two, so that both together hold
 * more than the ring and never much more than twice that. A lane writes; while it does, lines gather.
 */
#include "reception/reception_refusals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "net/net_file.h"
#include "net/net_lane.h"

#define PATH_LEN    4200
#define FILE_MAX    ((uint64_t)1 << 20)
#define PENDING_MAX ((size_t)256 << 10)

struct reception_refusals {
    struct net_loop *loop;
    json_t *ring[RECEPTION_REFUSALS_MAX];
    size_t next, count;
    uint64_t keep_ms;
    struct net_lane *lane; /* NULL without a file */
    char path[PATH_LEN], older[PATH_LEN + 8];
    struct buf pending; /* lines that wait for the lane */
    struct buf writing; /* the lane's while busy */
    bool busy;
    struct buf whole; /* all that is to stand in the file, the lane's while rewriting */
    bool rewriting, rewrite_again;
};

struct reception_refusals *reception_refusals_new(struct net_loop *loop)
{
    struct reception_refusals *refusals = expect_calloc(1, sizeof *refusals);
    refusals->loop = loop;
    buf_init(&refusals->pending, PENDING_MAX);
    buf_init(&refusals->writing, PENDING_MAX);
    buf_init(&refusals->whole, (size_t)FILE_MAX * 16);
    return refusals;
}

static void put_refusal(struct reception_refusals *refusals, json_t *refusal)
{
    json_decref(refusals->ring[refusals->next]);
    refusals->ring[refusals->next] = refusal;
    refusals->next = (refusals->next + 1) % RECEPTION_REFUSALS_MAX;
    refusals->count += refusals->count < RECEPTION_REFUSALS_MAX ? 1 : 0;
}

/* ---- the file ---- */

/* On the lane. What fails is lost: a refusal is worth no retry. */
static void append_lines(struct reception_refusals *refusals)
{
    struct fault fault = FAULT_INIT;
    struct net_file *file = NULL;
    struct bytes lines = buf_bytes(&refusals->writing);
    uint64_t size = 0;
    if (net_file_open(&file, refusals->path, NET_FILE_WRITE, &fault) < 0 &&
        net_file_open(&file, refusals->path, NET_FILE_CREATE, &fault) < 0) {
        return;
    }
    if (net_file_size(file, &size, &fault) == 0 && net_file_write(file, size, &lines, 1, &fault) == 0) {
        size += lines.len;
    }
    disregard(net_file_close(&file, &fault));
    /* That it grows on when it cannot be renamed is no reason to stop: it is tried again with the next. */
    if (size > FILE_MAX && net_file_rename(refusals->path, refusals->older, &fault) < 0) {
        return;
    }
}

static void work_on_file(void *ctx)
{
    append_lines(ctx);
}

static void write_pending(struct reception_refusals *refusals);

static void on_written(void *ctx)
{
    struct reception_refusals *refusals = ctx;
    refusals->busy = false;
    buf_clear(&refusals->writing);
    write_pending(refusals);
}

static void write_pending(struct reception_refusals *refusals)
{
    if (refusals->busy || refusals->pending.len == 0) {
        return;
    }
    struct buf lines = refusals->writing;
    refusals->writing = refusals->pending;
    refusals->pending = lines;
    refusals->busy = true;
    net_lane_submit(refusals->lane, work_on_file, on_written, refusals);
}

static void read_file(struct reception_refusals *refusals, const char *path)
{
    struct fault fault = FAULT_INIT;
    struct buf text;
    int64_t now = net_wall(refusals->loop);
    buf_init(&text, (size_t)FILE_MAX + 2 * PENDING_MAX);
    if (net_file_read_all(path, &text, &fault) == 0) {
        struct bytes rest = buf_bytes(&text);
        while (rest.len > 0) {
            struct bytes line = bytes_cut(&rest, '\n');
            json_t *refusal = json_loadb((const char *)line.ptr, line.len, 0, NULL);
            int64_t time_ms = json_integer_value(json_object_get(refusal, "time_ms"));
            if (json_is_object(refusal) && time_ms > 0 && now - time_ms < (int64_t)refusals->keep_ms) {
                put_refusal(refusals, refusal);
            } else {
                json_decref(refusal); /* too old, or half a line of a crash */
            }
        }
    }
    buf_done(&text);
}

void reception_refusals_keep(struct reception_refusals *refusals, const char *folder, uint64_t keep_ms)
{
    refusals->keep_ms = keep_ms;
    snprintf(refusals->path, sizeof refusals->path, "%s/refusals.jsonl", folder);
    snprintf(refusals->older, sizeof refusals->older, "%s.1", refusals->path);
    if (keep_ms == 0) {
        return;
    }
    read_file(refusals, refusals->older);
    read_file(refusals, refusals->path);
    refusals->lane = net_lane_new(refusals->loop, "refusals");
}

/* ---- in and out ---- */

static void note_line(struct reception_refusals *refusals, const json_t *refusal)
{
    char *line = json_dumps(refusal, JSON_COMPACT);
    if (line != NULL && refusals->lane != NULL && strlen(line) + 1 < PENDING_MAX - refusals->pending.len) {
        buf_append_text(&refusals->pending, line);
        buf_append_octet(&refusals->pending, '\n');
        write_pending(refusals);
    }
    free(line);
}

void reception_refusals_add(struct reception_refusals *refusals, json_t **refusal)
{
    note_line(refusals, *refusal);
    put_refusal(refusals, *refusal);
    *refusal = NULL;
}

static bool fits_field(const json_t *refusal, const char *field, const char *wanted)
{
    const char *value = json_string_value(json_object_get(refusal, field));
    return wanted == NULL || (value != NULL && strcmp(value, wanted) == 0);
}

/* Of an id the head is enough. */
static bool fits_id(const json_t *refusal, const char *wanted)
{
    const char *value = json_string_value(json_object_get(refusal, "id"));
    return fits_field(refusal, "id", wanted) ||
           (value != NULL && units_is_id_head(bytes_of(wanted)) && strncmp(value, wanted, strlen(wanted)) == 0);
}

json_t *reception_refusals_list(const struct reception_refusals *refusals, const char *client, const char *id,
                                size_t most)
{
    json_t *list = json_array();
    int64_t oldest = refusals->keep_ms == 0 ? 0 : net_wall(refusals->loop) - (int64_t)refusals->keep_ms;
    for (size_t i = 1; i <= refusals->count && json_array_size(list) < most; i++) {
        json_t *refusal = refusals->ring[(refusals->next + RECEPTION_REFUSALS_MAX - i) % RECEPTION_REFUSALS_MAX];
        if (json_integer_value(json_object_get(refusal, "time_ms")) >= oldest &&
            fits_field(refusal, "client.address", client) && fits_id(refusal, id)) {
            json_array_append(list, refusal);
        }
    }
    return list;
}

/* ---- erasing ---- */

/* On the lane: one file with what is left. Whoever wants a person forgotten does not want an old file beside it. */
static void rewrite(void *ctx)
{
    struct reception_refusals *refusals = ctx;
    struct fault fault = FAULT_INIT;
    struct bytes lines = buf_bytes(&refusals->whole);
    if (net_file_replace(refusals->path, lines, &fault) < 0) {
        disregard(net_file_remove(refusals->path, &fault)); /* nothing is better than a name in it */
    }
    disregard(net_file_remove(refusals->older, &fault));
}

static void rewrite_file(struct reception_refusals *refusals);

static void on_rewritten(void *ctx)
{
    struct reception_refusals *refusals = ctx;
    refusals->rewriting = false;
    buf_clear(&refusals->whole);
    if (refusals->rewrite_again) {
        rewrite_file(refusals);
    }
}

/* What waits to be written stands in the ring, too. */
static void rewrite_file(struct reception_refusals *refusals)
{
    buf_clear(&refusals->pending);
    for (size_t i = refusals->count; i > 0; i--) {
        const json_t *refusal = refusals->ring[(refusals->next + RECEPTION_REFUSALS_MAX - i) % RECEPTION_REFUSALS_MAX];
        char *line = json_dumps(refusal, JSON_COMPACT);
        buf_append_text(&refusals->whole, line == NULL ? "{}" : line);
        buf_append_octet(&refusals->whole, '\n');
        free(line);
    }
    refusals->rewriting = true;
    refusals->rewrite_again = false;
    net_lane_submit(refusals->lane, rewrite, on_rewritten, refusals);
}

size_t reception_refusals_erase(struct reception_refusals *refusals, bool (*fn)(void *ctx, const json_t *refusal),
                                void *ctx)
{
    json_t *kept[RECEPTION_REFUSALS_MAX] = {NULL};
    size_t count = 0, erased = 0;
    for (size_t i = refusals->count; i > 0; i--) {
        json_t *refusal = refusals->ring[(refusals->next + RECEPTION_REFUSALS_MAX - i) % RECEPTION_REFUSALS_MAX];
        if (fn(ctx, refusal)) {
            json_decref(refusal);
            erased++;
        } else {
            kept[count++] = refusal;
        }
    }
    memset(refusals->ring, 0, sizeof refusals->ring);
    memcpy(refusals->ring, kept, count * sizeof kept[0]);
    refusals->next = count % RECEPTION_REFUSALS_MAX;
    refusals->count = count;
    if (erased > 0 && refusals->lane != NULL && refusals->rewriting) {
        refusals->rewrite_again = true;
    } else if (erased > 0 && refusals->lane != NULL) {
        rewrite_file(refusals);
    }
    return erased;
}

void reception_refusals_free(struct reception_refusals **refusals_ref)
{
    struct reception_refusals *refusals = *refusals_ref;
    *refusals_ref = NULL;
    if (refusals == NULL) {
        return;
    }
    /* It calls on_written(), which submits what has gathered, until there is nothing: so the pointer that this uses
     * must stay. */
    struct net_lane *lane = refusals->lane;
    net_lane_free(&lane);
    for (size_t i = 0; i < RECEPTION_REFUSALS_MAX; i++) {
        json_decref(refusals->ring[i]);
    }
    buf_done(&refusals->pending);
    buf_done(&refusals->writing);
    buf_done(&refusals->whole);
    free(refusals);
}

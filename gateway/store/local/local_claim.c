/*
 * local_claim - due deliveries that nobody has: half of them the longest due, half by turns, so that a flood of one
 * sender into one folder does not starve another.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "store/local/local_private.h"

/* Turns that one claim looks at. */
#define TURNS 64

struct finding {
    struct local *local;
    struct local_index *index;
    struct store_claim *claim;
    int64_t now_ms;
    int64_t *cursor; /* who was served last */
    struct store_key *keys;
    size_t found, quota;
    struct fault *fault;
};

/* ---- which ---- */

static bool is_found(const struct finding *finding, struct store_key key)
{
    for (size_t i = 0; i < finding->found; i++) {
        if (finding->keys[i].message == key.message && finding->keys[i].number == key.number) {
            return true;
        }
    }
    return false;
}

/* Notes up to `quota` keys. */
static int note_key(void *ctx, struct store_key key)
{
    struct finding *finding = ctx;
    if (is_found(finding, key)) {
        return 0;
    }
    if (finding->found >= finding->quota) {
        finding->claim->more = true;
        return 1;
    }
    finding->keys[finding->found++] = key;
    return 0;
}

/* The next turns after the one that was served last, and then from the beginning: how many, or -1. */
static int find_turns(struct finding *finding, int64_t turns[TURNS])
{
    int count = 0;
    int64_t from = *finding->cursor, turn;
    bool wrapped = false;
    while (count < TURNS) {
        int got = local_index_next_turn(finding->index, finding->claim->upstream, from, &turn, finding->fault);
        if (got < 0) {
            return -1;
        }
        if ((got == 0 && wrapped) || (got == 1 && wrapped && turn > *finding->cursor)) {
            break;
        }
        wrapped = wrapped || got == 0;
        from = got == 1 ? turn : INT64_MIN;
        if (got == 1) {
            turns[count++] = turn;
        }
    }
    return count;
}

/* Half of the deliveries by turns. */
static int take_turns(struct finding *finding)
{
    int64_t turns[TURNS];
    int count = find_turns(finding, turns);
    if (count < 2) {
        return count < 0 ? -1 : 0; /* nobody to be fair to */
    }
    size_t half = finding->claim->limit / 2, each = half / (size_t)count + 1;
    for (int i = 0; i < count && finding->found < half; i++) {
        finding->quota = finding->found + each < half ? finding->found + each : half;
        *finding->cursor = turns[i];
        if (local_index_each_due_of_turn(finding->index, finding->claim->upstream, turns[i], finding->now_ms,
                                         finding->local->run, note_key, finding, finding->fault) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- what stands there of them ---- */

static void tell_due(void *ctx, const struct local_index_due *due)
{
    struct finding *finding = ctx;
    const struct store_item item = {
        .key = due->key,
        .id = due->id,
        .envelope = due->envelope,
        .detail = due->detail,
        .attempts = due->attempts,
        .uncertain = due->uncertain || (due->handed != 0 && due->handed != finding->local->run),
        .doubt = due->doubt,
        .place = due->place,
        .due = due->due_ms,
    };
    finding->claim->fn(finding->claim->ctx, &item);
}

static int find_all(struct finding *finding)
{
    struct store_claim *claim = finding->claim;
    int64_t next_ms = -1;
    if (take_turns(finding) != 0) {
        return -1;
    }
    claim->more = false;
    finding->quota = claim->limit;
    if (local_index_each_due(finding->index, claim->upstream, finding->now_ms, finding->local->run, note_key, finding,
                             finding->fault) != 0) {
        return -1;
    }
    for (size_t i = 0; i < finding->found; i++) {
        if (local_index_load(finding->index, finding->keys[i], tell_due, finding, finding->fault) < 0) {
            return -1;
        }
    }
    if (local_index_next_due(finding->index, claim->upstream, finding->now_ms, &next_ms, finding->fault) != 0) {
        return -1;
    }
    claim->next_due_in_ms = next_ms < 0 ? -1 : next_ms - finding->now_ms;
    return 0;
}

/* ---- the door ---- */

static int64_t *cursor_of(struct local *local, const char *upstream)
{
    int64_t *cursor = map_get(local->cursors, bytes_of(upstream));
    if (cursor == NULL) {
        cursor = expect_calloc(1, sizeof *cursor);
        EXPECT(map_set(local->cursors, bytes_of(upstream), cursor) == 0);
    }
    return cursor;
}

static int find_unless_paused(struct finding *finding)
{
    int paused = local_index_is_paused(finding->index, finding->claim->upstream, finding->fault);
    finding->claim->paused = paused == 1;
    return paused != 0 ? paused < 0 ? -1 : 0 : find_all(finding);
}

int local_claim(struct store *store, struct store_claim *claim, struct fault *fault)
{
    struct local *local = local_of(store);
    struct finding finding = {
        .local = local,
        .index = local_reader_index(local->reader),
        .claim = claim,
        .now_ms = local_now(local),
        .cursor = cursor_of(local, claim->upstream),
        .keys = expect_calloc(claim->limit + 1, sizeof *finding.keys),
        .fault = fault,
    };
    int64_t before = *finding.cursor;
    claim->more = claim->paused = false;
    claim->next_due_in_ms = -1;
    int result = local_index_begin_read(finding.index, fault);
    if (result == 0) {
        result = find_unless_paused(&finding);
        local_index_rollback(finding.index);
    }
    *finding.cursor = result == 0 ? *finding.cursor : before;
    free(finding.keys);
    return result;
}

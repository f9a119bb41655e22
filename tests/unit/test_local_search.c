/*
 * Tests of store/local/local_search over many chunks (local_chunk): what is found is what fits, in one go and in pieces, whatever was passed over.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/local/local_index.h"
#include "store/local/local_index_private.h"
#include "store/store_meta.h"

#define MESSAGES 12000u
#define LEARNT   11500u
#define NOW      INT64_C(20000000000)
#define GONE     5u /* a chunk whose messages have all been forgotten */
#define MOVED    2000u

static struct world {
    struct local_index *index;
    struct arena *arena;
    char folder[64], path[96];
    uint64_t found[MESSAGES], wanted[MESSAGES];
    size_t found_count, wanted_count;
} w;

/* ---- what is there ---- */

static const char *folder_of(uint64_t seq)
{
    return seq == MOVED ? "Moved" : seq % 4000 == 7 ? "Rare/Ümläut" : seq / 3000 == 1 ? "CI/web" : "INBOX";
}

static const char *rule_of(uint64_t seq)
{
    return seq % 3000 == 11 ? "Seldom" : "often";
}

/* Some came by an import, with times of long ago. */
static int64_t time_of(uint64_t seq)
{
    return seq % 997 == 0 ? 1000 + (int64_t)seq : NOW - (int64_t)(MESSAGES - seq) * 60000;
}

static bool is_gone(uint64_t seq)
{
    return seq / LOCAL_CHUNK == GONE;
}

static struct mail_envelope envelope_of(uint64_t seq)
{
    char id[32], from[64], subject[96];
    snprintf(id, sizeof id, "M%llu", (unsigned long long)seq);
    snprintf(from, sizeof from, "user%llu@vendor.example", (unsigned long long)seq);
    snprintf(subject, sizeof subject, "Report %llu%s%s", (unsigned long long)seq, seq % 100 == 0 ? " invoice" : "",
             seq % 5000 == 1 ? " needle" : "");
    struct mail_recipient *to = arena_array(w.arena, 1, sizeof *to);
    to[0] = (struct mail_recipient){.address = "ops@example.net"};
    return (struct mail_envelope){.id = arena_text(w.arena, id),
                                  .received_ms = time_of(seq),
                                  .from = arena_text(w.arena, from),
                                  .to = to,
                                  .to_count = 1,
                                  .client = {.address = seq % 6000 == 5 ? "192.0.2.7" : "127.0.0.1"},
                                  .subject = arena_text(w.arena, subject)};
}

static void add(uint64_t seq)
{
    struct buf json;
    arena_clear(w.arena);
    const struct mail_envelope envelope = envelope_of(seq);
    buf_init(&json, 10000);
    store_meta_write_envelope(&json, &envelope);
    const struct local_index_message message = {.seq = seq,
                                                .id = envelope.id,
                                                .received_ms = envelope.received_ms,
                                                .open = 1,
                                                .sender = envelope.from,
                                                .envelope = buf_bytes(&json)};
    const struct store_row row = {.number = 1,
                                  .state = seq % 2500 == 3 ? STORE_STATE_HELD : STORE_STATE_WAITING,
                                  .upstream = seq > 11000 ? "late" : "corp",
                                  .folder = seq == MOVED ? "before" : folder_of(seq),
                                  .rule = rule_of(seq),
                                  .detail = bytes_of("{}")};
    assert_int_equal(local_index_add_message(w.index, &message, NULL), 0);
    assert_int_equal(local_index_add_delivery(w.index, seq, &row, NOW, 1, NULL), 0);
    buf_done(&json);
}

static int set_up(void **state)
{
    (void)state;
    struct fault fault = FAULT_INIT;
    snprintf(w.folder, sizeof w.folder, "/tmp/mailweir-search-XXXXXX");
    assert_non_null(mkdtemp(w.folder));
    snprintf(w.path, sizeof w.path, "%s/index", w.folder);
    assert_int_equal(local_index_open(&w.index, w.path, NULL, LOCAL_INDEX_WRITE, &fault), 0);
    w.arena = arena_new(1 << 20);
    assert_int_equal(local_index_begin(w.index, NULL), 0);
    for (uint64_t seq = 1; seq <= MESSAGES; seq++) {
        add(seq);
    }
    for (unsigned done = 0, count = 1; done < LEARNT && count > 0; done += count) {
        assert_int_equal(local_index_learn(w.index, LEARNT - done > 700 ? 700 : LEARNT - done, &count, NULL), 0);
    }
    const struct store_row row = {.upstream = "corp", .folder = "Moved", .detail = bytes_of("{}")};
    assert_int_equal(local_index_redirect(w.index, (struct store_key){MOVED, 1}, &row, NULL), 0);
    for (uint64_t seq = 1; seq <= MESSAGES; seq++) {
        assert_int_equal(is_gone(seq) ? local_index_forget_message(w.index, seq, NULL) : 0, 0);
    }
    assert_int_equal(local_index_commit(w.index, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    local_index_close(&w.index);
    arena_free(&w.arena);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[120];
        snprintf(path, sizeof path, "%s%s", w.path, suffixes[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(w.folder), 0);
    return 0;
}

/* ---- what is found ---- */

static int on_hit(void *ctx, uint64_t seq, unsigned open, const struct mail_envelope *envelope)
{
    (void)ctx;
    (void)envelope;
    assert_int_equal(open, 1);
    assert_true(w.found_count < MESSAGES);
    w.found[w.found_count++] = seq;
    return 0;
}

/* Message for message, without an index. */
static void want(const struct mail_query *query)
{
    w.wanted_count = 0;
    for (uint64_t seq = MESSAGES; seq > 0; seq--) {
        arena_clear(w.arena);
        const struct mail_envelope envelope = envelope_of(seq);
        const char *state_name = store_state_name(seq % 2500 == 3 ? STORE_STATE_HELD : STORE_STATE_WAITING);
        if (!is_gone(seq) && mail_query_fits(query, &envelope) &&
            mail_query_fits_delivery(query, state_name, seq > 11000 ? "late" : "corp", folder_of(seq), rule_of(seq))) {
            w.wanted[w.wanted_count++] = seq;
        }
    }
}

/* Returns how many pieces it took. */
static size_t search(const struct mail_query *query, uint64_t limit, uint64_t look)
{
    struct store_search search = {.query = query, .limit = limit, .look = look};
    size_t pieces = 0;
    w.found_count = 0;
    do {
        search.before = search.next;
        assert_int_equal(local_index_search(w.index, &search, on_hit, NULL, NULL), 0);
        pieces++;
    } while (search.next != 0);
    return pieces;
}

static void expect_found(const char *text)
{
    if (w.found_count != w.wanted_count) {
        fail_msg("\"%s\" finds %zu of %zu", text, w.found_count, w.wanted_count);
    }
    for (size_t i = 0; i < w.wanted_count; i++) {
        assert_int_equal(w.found[i], w.wanted[i]);
    }
}

static void what_fits_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t least; /* of hits: what finds nothing shows nothing */
    } rows[] = {
        {"", MESSAGES - LOCAL_CHUNK},
        {"folder:inbox", 5000},
        {"folder:rare/*", 3},
        {"folder:RARE/ümläut", 0}, /* capitals are ASCII's */
        {"folder:\"Rare/Ümläut\"", 3},
        {"folder:CI/* -folder:CI/web", 0},
        {"folder:ci/web", 2900},
        {"folder:*", 11000},
        {"folder:Moved", 1},
        {"folder:before", 0},
        {"rule:seldom", 3},
        {"rule:seldom folder:INBOX", 3},
        {"upstream:late", 900},
        {"upstream:late rule:often folder:INBOX subject:report", 900},
        {"since:1h", 50},
        {"until:3d", 7000},
        {"since:4d until:3d", 1400},
        {"until:1970-01-02", 11},
        {"subject:needle", 2},
        {"subject:needle until:5d", 1},
        {"subject:needle folder:inbox", 2},
        {"subject:re*", 11000},
        {"subject:re* folder:rare/*", 3},
        {"subject:invoice re*", 100},
        {"from:us*", 11000},
        {"from:user11*", 1000},
        {"from:user117*", 100},
        {"-subject:report", 0},
        {"client:192.0.2.7", 2},
        {"state:held", 4},
        {"state:waiting rule:seldom", 3},
        {"id:M77", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *arena = arena_new(100000);
        struct mail_query query;
        struct fault fault = FAULT_INIT;
        if (mail_query_read(rows[i].text, NOW, arena, &query, &fault) != 0) {
            fail_msg("%s: %s", rows[i].text, fault.text);
        }
        want(&query);
        if (w.wanted_count < rows[i].least) {
            fail_msg("only %zu fit \"%s\"", w.wanted_count, rows[i].text);
        }
        search(&query, 0, 0);
        expect_found(rows[i].text);
        search(&query, 501, 1700);
        expect_found(rows[i].text);
        arena_free(&arena);
    }
}

/* What few messages have is found at once, however long ago they came. */
static void what_is_rare_is_not_looked_for(void **state)
{
    (void)state;
    static const char *const texts[] = {"folder:rare/*",   "rule:seldom", "until:1970-01-02",
                                        "folder:Moved",    "until:7d",    "rule:seldom subject:report",
                                        "upstream:nowhere"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct arena *arena = arena_new(100000);
        struct mail_query query;
        assert_int_equal(mail_query_read(texts[i], NOW, arena, &query, NULL), 0);
        want(&query);
        /* What is not learnt yet, and the chunks that have it. */
        uint64_t look = MESSAGES - LEARNT + (w.wanted_count + 1) * 2 * LOCAL_CHUNK;
        size_t pieces = search(&query, 0, look);
        if (pieces != 1) {
            fail_msg("\"%s\" takes %zu pieces", texts[i], pieces);
        }
        arena_free(&arena);
    }
}

static uint64_t count(const char *statement)
{
    uint64_t value = 0;
    sqlite3_stmt *st = local_sql_take(w.index, statement, NULL);
    assert_non_null(st);
    assert_int_equal(local_sql_next_row(w.index, st, NULL), 1);
    value = column_number(st, 0);
    local_sql_give(w.index, &st);
    return value;
}

/* Nothing stays of a chunk whose last message has gone; what a person's folder was called goes with his mail. */
static void chunks_go_with_their_messages(void **state)
{
    (void)state;
    assert_int_equal(count("SELECT count(*) FROM chunk WHERE number = 5"), 0);
    assert_int_equal(count("SELECT count(*) FROM place WHERE chunk = 5"), 0);
    assert_int_equal(count("SELECT count(*) FROM chunk"), LEARNT / LOCAL_CHUNK);
    assert_int_equal(count("SELECT count(*) FROM place WHERE word = 'fbefore'"), 1);
    assert_int_equal(local_index_chunk_anew(w.index, MOVED, NULL), 0);
    assert_int_equal(count("SELECT count(*) FROM place WHERE word = 'fbefore'"), 0);
    assert_int_equal(count("SELECT count(*) FROM place WHERE word = 'fmoved'"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_fits_is_found),
                                       cmocka_unit_test(what_is_rare_is_not_looked_for),
                                       cmocka_unit_test(chunks_go_with_their_messages)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/*
 * Tests of store/postgresql where what is rare comes: warnings beside what was done, standbys that follow, words of the server in odd shapes, one message more
 * than a page, bodies that end where a piece does.
 */
#include "test.h"

#include "mail/mail_query.h"
#include "postgresql_fixture.h"
#include "store/store_meta.h"

static void all_is_well(void)
{
}

/* The fault of a batch of one memo. */
static struct fault memo_fault(void)
{
    struct store_op op = {.kind = STORE_MEMO, .memo = {"corp", "slow"}};
    disregard(commit(&op) == STORE_COMMITTED ? 0 : -1);
    return op.fault;
}

static void reload_server(void)
{
    int64_t before = ask_server("SELECT (extract(epoch FROM pg_conf_load_time()) * 1000000)::bigint");
    say("SELECT pg_reload_conf()");
    time_t deadline = time(NULL) + 60;
    while (ask_server("SELECT (extract(epoch FROM pg_conf_load_time()) * 1000000)::bigint") == before) {
        assert_true(time(NULL) < deadline);
    }
}

/* ---- what is said at the start ---- */

static const char *warning_at_start(void)
{
    static char text[500];
    struct fault fault = FAULT_INIT;
    struct store *own = store;
    assert_int_equal(open_as("another", &fault), 0);
    const char *said = store->ops->warning(store);
    snprintf(text, sizeof text, "%s", said == NULL ? "" : said);
    store->ops->close(store);
    store = own;
    return text;
}

static void test_warnings(void **state)
{
    (void)state;
    assert_non_null(strstr(warning_at_start(), "fsync or full_page_writes is off"));
    say("ALTER SYSTEM SET fsync TO on");
    say("ALTER SYSTEM SET full_page_writes TO on");
    reload_server();
    assert_string_equal(warning_at_start(), "");
    say("ALTER SYSTEM SET full_page_writes TO off");
    reload_server();
    assert_non_null(strstr(warning_at_start(), "fsync or full_page_writes is off"));
    say("ALTER SYSTEM RESET fsync");
    say("ALTER SYSTEM RESET full_page_writes");
    reload_server();
    set_role("SET log_statement TO 'all'");
    set_role("SET log_parameter_max_length TO 0");
    assert_null(strstr(warning_at_start(), "logs statements"));
    set_role("RESET ALL");
}

/* One that follows while nobody waits for it; and one that is waited for. */
static void test_a_standby_that_follows(void **state)
{
    static char following[600];
    struct buf kept, warned;
    struct fault fault = FAULT_INIT;
    (void)state;
    snprintf(following, sizeof following, "%s replication=true", place);
    PGconn *standby = PQconnectdb(following);
    assert_int_equal(PQstatus(standby), CONNECTION_OK);
    buf_init(&kept, 500);
    buf_init(&warned, 1000);
    assert_int_equal(postgresql_check(place, wall(NULL), &kept, &warned, &fault), 0);
    assert_non_null(strstr(buf_text(&warned), "; a standby follows PostgreSQL, which does not wait for it"));
    set_role("SET synchronous_commit TO local");
    say("SET synchronous_commit TO local");
    say("ALTER SYSTEM SET synchronous_standby_names TO 'ANY 1 (b)'");
    reload_server();
    set_role("RESET ALL");
    buf_clear(&kept);
    buf_clear(&warned);
    assert_int_equal(postgresql_check(place, wall(NULL), &kept, &warned, &fault), 0);
    assert_non_null(strstr(buf_text(&kept), "this server and standbys: ANY 1 (b)"));
    assert_null(strstr(buf_text(&warned), "none is connected"));
    say("ALTER SYSTEM RESET synchronous_standby_names");
    reload_server();
    say("RESET synchronous_commit");
    PQfinish(standby);
    buf_done(&kept);
    buf_done(&warned);
}

/* Nodes of a mailweir that could not work with the new tables keep them from being made. */
static void test_nodes_of_an_older_version(void **state)
{
    static char elsewhere[600];
    struct fault fault = FAULT_INIT;
    int from, to;
    (void)state;
    say("CREATE DATABASE elsewhere");
    name_database("elsewhere", elsewhere);
    make_version(elsewhere, 1);
    for (int nodes = 1; nodes <= 2; nodes++) {
        in_database(elsewhere,
                    "WITH one AS (INSERT INTO mailweir.node (name, lease_until) VALUES ('n', now() + interval"
                    " '1 h') RETURNING epoch), its AS (INSERT INTO mailweir.fence SELECT epoch FROM one)"
                    " SELECT");
        fault = FAULT_INIT;
        assert_int_equal(postgresql_migrate(elsewhere, &from, &to, &fault), -1);
        assert_string_equal(fault.code, "busy");
        assert_non_null(strstr(fault.text, nodes == 1 ? "1 node of a mailweir" : "2 nodes of a mailweir"));
        assert_non_null(strstr(fault.text, nodes == 1 ? "end it first" : "end them first"));
    }
    in_database(elsewhere, "DELETE FROM mailweir.fence");
    fault = FAULT_INIT;
    assert_int_equal(postgresql_migrate(elsewhere, &from, &to, &fault), 0);
    assert_int_equal(from, 1);
    assert_int_equal(to, POSTGRESQL_SCHEMA_VERSION);
    say("DROP DATABASE elsewhere");
}

/* The second of one name while the first lives: it is another node, and takes nothing from it. */
static void test_two_of_one_name(void **state)
{
    struct fault fault = FAULT_INIT;
    struct store *first = store;
    (void)state;
    add("first", "octets");
    assert_int_equal(open_as("tested", &fault), 0);
    assert_int_equal(ask_server("SELECT count(*) FROM fence"), 2);
    store->ops->close(store);
    store = first;
    add("second", "octets");
}

/* ---- warnings beside what was done ---- */

/* What is written into the table is written, and warned of: at the COMMIT as when the wait for a standby was ended there, or at once. */
static void warn_of(const char *table, const char *when, bool at_commit)
{
    say("CREATE OR REPLACE FUNCTION warns() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'a word'; RAISE "
        "WARNING 'it is here'; RAISE NOTICE 'another'; RETURN NULL; END $$");
    say("CREATE %s TRIGGER warns AFTER %s ON %s %s FOR EACH ROW EXECUTE FUNCTION warns()",
        at_commit ? "CONSTRAINT" : "", when, table, at_commit ? "DEFERRABLE INITIALLY DEFERRED" : "");
}

static void end_warnings(const char *table)
{
    say("DROP TRIGGER warns ON %s", table);
}

static void test_a_wait_that_was_ended(void **state)
{
    struct store_batch batch;
    struct store_row mine;
    struct store_op op = adding("warned", bytes_of("octets"), &mine);
    (void)state;
    warn_of("message", "INSERT", true);
    warn_of("mark", "UPDATE", false);
    assert_int_equal(commit_once(&op, &batch), STORE_IN_LIMBO);
    assert_string_equal(op.fault.code, "unsynced");
    assert_int_equal(store->ops->resolve(store, &batch), STORE_IN_LIMBO); /* nobody else has it yet */
    end_warnings("mark");
    assert_int_equal(store->ops->resolve(store, &batch), STORE_COMMITTED);
    end_warnings("message");
    list_remove(&op.link);
    assert_int_equal(ask_server("SELECT count(*) FROM message"), 1);
}

static void test_a_beat_that_no_standby_has(void **state)
{
    struct fault fault = FAULT_INIT;
    struct store *own = store;
    struct store_beat beat = {0};
    (void)state;
    warn_of("node", "INSERT OR UPDATE", false);
    assert_int_equal(store->ops->beat(store, &beat, &fault), -1);
    assert_string_equal(fault.code, "unsynced");
    fault = FAULT_INIT;
    assert_int_equal(open_as("another", &fault), -1);
    assert_string_equal(fault.code, "unsynced");
    store = own;
    end_warnings("node");
    fault = FAULT_INIT;
    assert_int_equal(store->ops->beat(store, &beat, &fault), 0);
}

/* ---- what the server says ---- */

/* A memo is refused in these words. */
static void refuse_memos(const char *state, const char *words)
{
    say("CREATE OR REPLACE FUNCTION refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING "
        "ERRCODE "
        "= '%s', MESSAGE = %s; END $$",
        state, words);
    say("CREATE OR REPLACE TRIGGER refuses BEFORE INSERT ON memo FOR EACH ROW EXECUTE FUNCTION refuses()");
}

static void test_words(void **state)
{
    (void)state;
    refuse_memos("P0001", "E'  no\\n\\tmemo  '");
    struct fault fault = memo_fault();
    assert_string_equal(fault.text, "PostgreSQL: no memo");
    refuse_memos("P0001", "'   '");
    fault = memo_fault();
    assert_string_equal(fault.text, "PostgreSQL: ");
    refuse_memos("53100", "repeat('long ', 200)");
    fault = memo_fault();
    assert_string_equal(fault.code, "enospc");
    assert_non_null(strstr(fault.text, "; make room on the disk")); /* what is to be done has its room */
    /* One that takes no changes any more may have been replaced: each connection is made anew. */
    refuse_memos("25006", "'read-only'");
    struct postgresql *pg = postgresql_of(store);
    unsigned before = atomic_load(&pg->moves);
    fault = memo_fault();
    assert_string_equal(fault.code, "standby");
    assert_true(atomic_load(&pg->moves) > before);
    say("DROP TRIGGER refuses ON memo");
    fault = memo_fault();
    assert_false(fault_is_set(&fault));
    assert_int_equal(pg->writer.moved, atomic_load(&pg->moves));
}

/* ---- what comes ---- */

static void test_odd_messages(void **state)
{
    struct store_row mine;
    (void)state;
    struct store_op known = adding("known", bytes_of("octets"), &mine);
    fault_set(&known.fault, FAULT_LOCAL, "unwritten", "spool", "its body could not be written");
    assert_int_equal(commit(&known), STORE_COMMITTED);
    assert_string_equal(known.fault.code, "unwritten");
    assert_int_equal(ask_server("SELECT count(*) FROM message"), 0);
    struct store_op empty = adding("empty", bytes_at("", 0), &mine);
    assert_int_equal(commit(&empty), STORE_COMMITTED);
    struct store_op odd = adding("odd", bytes_of("octets"), &mine);
    odd.add.envelope = bytes_at("{\"id\":\"x\0\"}", 11);
    assert_int_equal(commit(&odd), STORE_COMMITTED);
    static uint8_t large[POSTGRESQL_PIECE + 1];
    struct store_op whole = adding("large", bytes_at(large, sizeof large), &mine);
    assert_int_equal(commit(&whole), STORE_COMMITTED);
    assert_int_equal(ask_server("SELECT count(*) FROM message"), 3);
    assert_int_equal(ask_server("SELECT sum(octet_length(data)) FROM body"), 6 + (int)sizeof large);
}

/* More than there was room for. */
static void test_many_operations(void **state)
{
    static struct store_op memos[100];
    static char names[100][20];
    struct store_batch batch;
    (void)state;
    say("DELETE FROM memo");
    store_batch_init(&batch);
    for (size_t i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "u%zu", i);
        memos[i] = (struct store_op){.kind = STORE_MEMO, .memo = {names[i], "slow"}};
        store_batch_add(&batch, &memos[i]);
    }
    assert_int_equal(store->ops->commit(store, &batch), STORE_COMMITTED);
    assert_int_equal(ask_server("SELECT count(*) FROM memo"), 100);
    say("DELETE FROM memo");
}

/* ---- bodies on their way in ---- */

static struct store_upload *upload_of(size_t len)
{
    static const uint8_t octets[2 * POSTGRESQL_PIECE];
    struct fault fault = FAULT_INIT;
    struct store_upload *upload = store->ops->upload(store);
    assert_int_equal(store->ops->upload_write(store, upload, bytes_at(octets, len), &fault), 0);
    return upload;
}

static void test_uploads(void **state)
{
    static const size_t lens[] = {0, 10, POSTGRESQL_PIECE, POSTGRESQL_PIECE + 10};
    struct fault fault = FAULT_INIT;
    struct store_row mine;
    char part[20];
    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        char id[20];
        snprintf(id, sizeof id, "upload%zu", i);
        struct store_op op = adding(id, bytes_at("", 0), &mine);
        op.add.upload = upload_of(lens[i]);
        ptrdiff_t got =
            store->ops->upload_read(op.add.upload, lens[i] > 5 ? lens[i] - 5 : 0, part, sizeof part, &fault);
        assert_int_equal(got, lens[i] > 5 ? 5 : 0);
        assert_int_equal(store->ops->upload_read(op.add.upload, lens[i], part, 0, &fault), 0);
        assert_int_equal(commit(&op), STORE_COMMITTED);
        assert_null(op.add.upload);
        assert_int_equal(op.add.place.body_len, lens[i]);
        assert_int_equal(ask_server("SELECT count(*) FROM upload"), 0);
    }
    /* Nothing is kept of what is history only, or is there already: it is thrown away by who brought it. */
    struct store_op history = adding("history", bytes_at("", 0), &mine);
    history.add.count = 0;
    history.add.upload = upload_of(POSTGRESQL_PIECE);
    assert_int_equal(commit(&history), STORE_COMMITTED);
    assert_non_null(history.add.upload);
    store->ops->upload_free(store, &history.add.upload, false);
    for (int i = 0; i < 2; i++) {
        struct store_op once = adding(i == 0 ? "once" : "again", bytes_at("", 0), &mine);
        once.add.once_ms = 60000;
        once.add.print = 9;
        once.add.upload = upload_of(POSTGRESQL_PIECE + 3);
        assert_int_equal(commit(&once), STORE_COMMITTED);
        assert_true((once.add.upload == NULL) == (i == 0));
        assert_string_equal(once.add.twin, i == 0 ? "" : "once");
        store->ops->upload_free(store, &once.add.upload, false);
    }
    assert_int_equal(ask_server("SELECT count(*) FROM upload"), 0);
    struct store_upload *left = upload_of(POSTGRESQL_PIECE);
    store->ops->upload_free(store, &left, true); /* until our epoch ends */
    assert_int_equal(ask_server("SELECT count(*) FROM upload"), 1);
}

/* Somebody took this node for dead while it came. */
static void test_upload_that_is_gone(void **state)
{
    static const uint8_t more[POSTGRESQL_PIECE];
    struct fault fault = FAULT_INIT;
    struct store_upload *upload = upload_of(POSTGRESQL_PIECE);
    (void)state;
    say("DELETE FROM upload");
    assert_int_equal(store->ops->upload_write(store, upload, bytes_at(more, sizeof more), NULL), -1);
    assert_int_equal(store->ops->upload_write(store, upload, bytes_at(more, 1), &fault), -1);
    assert_string_equal(fault.code, "ended");
    store->ops->upload_free(store, &upload, false);
}

/* A piece of it is not there any more: what is read ends in front of that. */
static void test_body_that_ends_early(void **state)
{
    struct fault fault = FAULT_INIT;
    static uint8_t part[100];
    struct store_upload *upload = upload_of(2 * POSTGRESQL_PIECE);
    (void)state;
    say("DELETE FROM body WHERE no = 1");
    assert_int_equal(store->ops->upload_read(upload, POSTGRESQL_PIECE - 50, part, sizeof part, &fault), 50);
    store->ops->upload_free(store, &upload, false);
}

/* ---- pages ---- */

/* So many that are settled, with this envelope. */
static void add_history(unsigned count, const char *envelope)
{
    say("INSERT INTO message (seq, id, sender, received_ms, settled_ms, unheard_ms, body, body_len, body_sum, open, "
        "envelope) SELECT nextval('message_seq'), 'h' || i, 'a@x', now_ms(), now_ms() - 1000, 0, 0, 0, 0, 0, '%s' FROM "
        "generate_series(1, %u) i",
        envelope, count);
}

static struct store_erase erase(uint64_t before, unsigned limit)
{
    struct store_op op = {.kind = STORE_ERASE, .erase = {.address = "a@x", .before = before, .limit = limit}};
    assert_int_equal(commit(&op), STORE_COMMITTED);
    return op.erase;
}

static void test_pages_of_history(void **state)
{
    struct store_op learn = {.kind = STORE_LEARN, .learn = {.limit = 1000}};
    (void)state;
    add_history(3, "{no JSON");
    assert_int_equal(commit(&learn), STORE_COMMITTED);
    assert_int_equal(learn.learn.unlearnt, 3);
    assert_int_equal(erase(0, 10).erased, 0);
    say("DELETE FROM message");
    add_history(500, "{\"id\":\"x\",\"from\":\"a@x\",\"to\":[]}");
    struct store_erase some = erase(0, 2);
    assert_int_equal(some.erased, 2);
    assert_true(some.next != 0);
    some = erase(some.next, 3);
    assert_int_equal(some.erased, 3);
    say("DELETE FROM message");
    add_history(500, "{\"id\":\"x\",\"from\":\"b@x\",\"to\":[]}");
    assert_int_equal(erase(0, 10).erased, 0); /* a whole page, and none behind it */
}

struct hearing {
    unsigned heard, stops_at;
};

static int hear_row(void *ctx, const struct store_answer_row *answer)
{
    struct hearing *hearing = ctx;
    (void)answer;
    return ++hearing->heard == hearing->stops_at;
}

static unsigned search(const char *words, uint64_t limit, uint64_t look, unsigned stops_at, uint64_t *next_r)
{
    struct arena *arena = arena_new(1u << 20);
    struct fault fault = FAULT_INIT;
    struct mail_query query;
    struct hearing hearing = {.stops_at = stops_at};
    assert_int_equal(mail_query_read(words, wall(NULL), arena, &query, &fault), 0);
    struct store_search search = {.query = &query, .limit = limit, .look = look};
    const struct store_question question = {.kind = STORE_ASK_SEARCH, .search = &search};
    assert_int_equal(store->ops->ask(store, &question, hear_row, &hearing, &fault), 0);
    *next_r = search.next;
    arena_free(&arena);
    return hearing.heard;
}

static unsigned list(const struct store_select *select, uint64_t limit)
{
    struct hearing hearing = {0};
    struct fault fault = FAULT_INIT;
    const struct store_question question = {.kind = STORE_ASK_LIST, .select = select, .limit = limit};
    assert_int_equal(store->ops->ask(store, &question, hear_row, &hearing, &fault), 0);
    return hearing.heard;
}

static void test_searches(void **state)
{
    struct hearing hearing = {0};
    struct fault fault = FAULT_INIT;
    uint64_t next;
    (void)state;
    add_history(1, "{\"id\":\"x\",\"from\":\"a@x\",\"to\":[]}");
    for (int i = 0; i < 5; i++) {
        char id[20];
        snprintf(id, sizeof id, "m%d", i);
        struct store_row rows[2];
        struct store_op op = adding(id, bytes_of("octets"), rows);
        rows[1] = rows[0];
        rows[1].number = 2;
        op.add.count = 2;
        op.add.envelope = bytes_of("{\"id\":\"x\",\"from\":\"a@x\",\"to\":[]}");
        assert_int_equal(commit(&op), STORE_COMMITTED);
    }
    assert_int_equal(search("from:a@x", 0, 0, 0, &next), 6 + 10);
    assert_int_equal(next, 0);
    assert_int_equal(search("from:a@x", 2, 0, 0, &next), 2 + 4);
    assert_true(next != 0);
    assert_int_equal(search("from:nobody", 0, 3, 0, &next), 0);
    assert_true(next != 0);
    assert_int_equal(search("from:a@x", 0, 100, 2, &next), 2); /* it has heard enough in the midst of one */
    assert_int_equal(search("state:discarded", 0, 0, 0, &next), 1);
    assert_int_equal(list(&(struct store_select){.sender = "a@x"}, 5000), 10);
    say("UPDATE message SET envelope = '{no JSON'");
    assert_int_equal(list(&(struct store_select){.subject = "words"}, 0), 0);
    assert_int_equal(search("from:a@x", 0, 0, 0, &next), 0);
    const struct store_question found = {.kind = STORE_ASK_FIND, .what = "m1", .limit = 5000};
    assert_int_equal(store->ops->ask(store, &found, hear_row, &hearing, &fault), 0);
    assert_int_equal(hearing.heard, 1);
}

static void note_damage(void *ctx, const struct store_damage *damage)
{
    (void)damage;
    ++*(unsigned *)ctx;
}

/* One more than a step looks at. */
static void test_much_to_scrub(void **state)
{
    unsigned damages = 0;
    struct store_scrub step = {.octets = 1u << 20, .found = note_damage, .ctx = &damages};
    struct fault fault = FAULT_INIT;
    (void)state;
    uint64_t message = add("first", "octets");
    say("INSERT INTO message (seq, id, sender, received_ms, settled_ms, unheard_ms, body, body_len, body_sum, open, "
        "envelope) SELECT nextval('message_seq'), 's' || i, 'a@x', 0, 0, 0, body, body_len, body_sum, 1, '{}' FROM "
        "message, generate_series(1, 400) i WHERE seq = %llu",
        (unsigned long long)message);
    say("INSERT INTO delivery (message, number, state, upstream, folder, rule, fallback, turn, due_ms, changed_ms, "
        "detail, handed) SELECT seq, 1, 0, 'corp', 'INBOX', '', '', 0, 0, 0, '{}', 0 FROM message WHERE id LIKE 's%%'");
    assert_int_equal(store->ops->scrub(store, &step, &fault), 0);
    assert_false(step.whole);
    assert_int_equal(step.messages, 400);
    assert_int_equal(store->ops->scrub(store, &step, &fault), 0);
    assert_true(step.whole);
    assert_int_equal(step.messages, 1);
    assert_int_equal(damages, 0);
}

/* Pages that the server looks at to say the totals. */
static int64_t pages_of_totals(void)
{
    PGresult *plan = PQexec(conn, "EXPLAIN (ANALYZE, BUFFERS, TIMING off, SUMMARY off) SELECT * FROM totals()");
    int64_t pages = -1;
    for (int at = 0; at < PQntuples(plan) && pages < 0; at++) {
        const char *hit = strstr(PQgetvalue(plan, at, 0), "Buffers: shared hit=");
        pages = hit == NULL ? -1 : strtoll(hit + strlen("Buffers: shared hit="), NULL, 10);
    }
    PQclear(plan);
    assert_true(pages >= 0);
    return pages;
}

/* What nobody can throw away, because somebody might still see it, nobody walks over. */
static void test_counts_beside_a_snapshot(void **state)
{
    PGconn *reader = connect_too();
    (void)state;
    do_well(reader, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    do_well(reader, "SELECT count(*) FROM tally");
    say("DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM leave((SELECT max(epoch) FROM fence), 1, 0, 0, 1); COMMIT; END "
        "LOOP; "
        "END $$");
    assert_int_equal(ask_server("SELECT waiting FROM totals()"), 5000);
    assert_int_equal(ask_server("SELECT sum(messages) FROM tally"), 5000); /* as a node of before asks */
    assert_int_equal(ask_server("SELECT count(*) FROM tally WHERE epoch = (SELECT max(epoch) FROM fence)"), 1);
    assert_true(pages_of_totals() < 25);
    assert_true(ask_server("SELECT pg_relation_size('tally') / 8192") > 50);
    do_well(reader, "COMMIT");
    PQfinish(reader);
}

/* Who takes over a dead node adds what that one had counted while ours begins a new row: nothing of it is lost. */
static void test_counts_taken_over_at_a_new_row(void **state)
{
    struct fault fault = FAULT_INIT;
    PGconn *heir = connect_too(), *ours = connect_too();
    (void)state;
    say("SELECT join_as('gone', 'x', 1)");
    say("UPDATE tally SET waiting = 7 WHERE epoch = (SELECT max(epoch) FROM fence)");
    say("UPDATE tally SET batches = 64 WHERE epoch = (SELECT min(epoch) FROM fence)");
    do_well(heir, "BEGIN; SELECT FROM tally WHERE epoch = (SELECT min(epoch) FROM fence) FOR KEY SHARE");
    assert_int_equal(PQsendQuery(ours, "SELECT leave((SELECT min(epoch) FROM fence), 1, 0, 0, 0)"), 1);
    until("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT leave(%'");
    do_well(heir, "SELECT take_over((SELECT max(epoch) FROM fence), (SELECT min(epoch) FROM fence)); COMMIT");
    PGresult *left = PQgetResult(ours);
    assert_int_equal(PQresultStatus(left), PGRES_TUPLES_OK);
    PQclear(left);
    PQfinish(heir);
    PQfinish(ours);
    assert_int_equal(ask_server("SELECT waiting FROM totals()"), 8);
    assert_int_equal(ask_server("SELECT part FROM tally WHERE epoch = (SELECT min(epoch) FROM fence)"), 1);
    struct store_counts counts;
    assert_int_equal(store->ops->mend(store, &counts, &fault), 0);
    assert_int_equal(counts.waiting, 0);
}

/* A delivery of an operator's has no rule. */
static void test_without_a_rule(void **state)
{
    static const struct mail_delivery bare = {.upstream = "other", .folder = "INBOX"};
    (void)state;
    add("rerouted", "octets");
    struct store_op reroute = {.kind = STORE_REROUTE, .reroute = {.id = "rerouted", .deliveries = &bare, .count = 1}};
    assert_int_equal(commit(&reroute), STORE_COMMITTED);
    assert_int_equal(reroute.reroute.changed, 1);
    assert_int_equal(ask_server("SELECT count(*) FROM delivery WHERE upstream = 'other' AND rule = ''"), 1);
}

int main(int argc, char **argv)
{
    need_server(SOURCE_DIR, argv, argc);
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_warnings),
        TEST(test_a_standby_that_follows),
        TEST(test_nodes_of_an_older_version),
        TEST(test_two_of_one_name),
        TEST(test_a_wait_that_was_ended),
        TEST(test_a_beat_that_no_standby_has),
        TEST(test_words),
        TEST(test_odd_messages),
        TEST(test_many_operations),
        TEST(test_uploads),
        TEST(test_upload_that_is_gone),
        TEST(test_body_that_ends_early),
        TEST(test_pages_of_history),
        TEST(test_searches),
        TEST(test_much_to_scrub),
        TEST(test_counts_beside_a_snapshot),
        TEST(test_counts_taken_over_at_a_new_row),
        TEST(test_without_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Tests of store/postgresql where histories (test_store_postgresql.c) do not come: servers that are set otherwise, other versions and other
 * people's databases, bodies in many pieces, what was damaged, and connections that break at each step of each call.
 */
#include "test.h"

#include "postgresql_fixture.h"

/* ---- connections that break ---- */

static unsigned breaks_in; /* so many waits for the server; 0: never */
static bool has_broken, stays_away;

int __real_net_poll_wait(int fd, bool writes, uint64_t milliseconds);
int __wrap_net_poll_wait(int fd, bool writes, uint64_t milliseconds);

int __wrap_net_poll_wait(int fd, bool writes, uint64_t milliseconds)
{
    if (breaks_in > 0 && --breaks_in == 0) {
        break_off(fd);
        has_broken = true;
        breaks_in = stays_away ? 1 : 0;
    }
    return __real_net_poll_wait(fd, writes, milliseconds);
}

static void all_is_well(void)
{
    breaks_in = 0;
    stays_away = false;
}

/* ---- what is wrong with a server ---- */

/* What is said of a clock that differs by so much. */
static void judge(int64_t skew_ms, char out[500])
{
    struct postgresql_link link;
    struct fault fault = FAULT_INIT;
    struct buf warnings;
    PGresult *now = PQexec(conn, "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint");
    postgresql_link_init(&link, place, "test");
    buf_init(&warnings, 400);
    assert_int_equal(postgresql_link_open(&link, &fault), 0);
    int64_t wall_ms = postgresql_number_at(now, 0, 0) - skew_ms;
    assert_int_equal(postgresql_schema_judge(&link, wall_ms, &warnings, &fault), 0);
    snprintf(out, 500, "%s", buf_text(&warnings));
    PQclear(now);
    buf_done(&warnings);
    postgresql_link_close(&link);
}

static void test_clocks(void **state)
{
    char text[500];
    (void)state;
    judge(5000, text);
    assert_null(strstr(text, "clock"));
    judge(INT64_C(3) * 3600000 + 5000, text);
    assert_non_null(strstr(text, "is 3 hours ahead of this machine's"));
    judge(INT64_C(-2) * 3600000 - 5000, text);
    assert_non_null(strstr(text, "is 2 hours behind this machine's"));
    judge(INT64_C(10) * 60000 + 5000, text);
    assert_non_null(strstr(text, "10 minutes"));
}

/* What a check says of the server is kept, and what is wrong with it. */
static void check(char keeps[500], char warnings[900])
{
    struct buf kept, warned;
    struct fault fault = FAULT_INIT;
    buf_init(&kept, 400);
    buf_init(&warned, 800);
    assert_int_equal(postgresql_check(place, wall(NULL), &kept, &warned, &fault), 0);
    snprintf(keeps, 500, "%s", buf_text(&kept));
    snprintf(warnings, 900, "%s", buf_text(&warned));
    buf_done(&kept);
    buf_done(&warned);
}

static void test_settings(void **state)
{
    char keeps[500], warnings[900];
    struct fault fault = FAULT_INIT;
    struct buf kept;
    (void)state;
    check(keeps, warnings);
    assert_non_null(strstr(keeps, "this server alone, and lost with its machine"));
    assert_null(strstr(keeps, "synchronous_commit"));
    assert_non_null(strstr(warnings, "fsync or full_page_writes is off")); /* of the tests' server it is */
    assert_null(strstr(warnings, "log_statement"));
    set_role("SET log_statement TO 'all'");
    set_role("SET log_parameter_max_length TO -1");
    check(keeps, warnings);
    assert_non_null(strstr(warnings, "; PostgreSQL logs statements with their parameters"));
    set_role("RESET ALL");
    set_role("SET synchronous_commit TO off");
    buf_init(&kept, 400);
    assert_int_equal(postgresql_check(place, wall(NULL), &kept, &kept, &fault), -1);
    assert_string_equal(fault.code, "unsafe");
    struct store *other = store;
    fault = FAULT_INIT;
    assert_int_equal(open_as("another", &fault), -1);
    assert_string_equal(fault.code, "unsafe");
    store = other;
    buf_done(&kept);
    set_role("RESET ALL");
}

/* One that waits for a standby: what it says is not that of a server that is alone. */
static void test_standbys(void **state)
{
    char keeps[500], warnings[900];
    (void)state;
    set_role("SET synchronous_commit TO local"); /* the test's own words would wait for it as well */
    say("SET synchronous_commit TO local");
    say("ALTER SYSTEM SET synchronous_standby_names TO 'ANY 1 (b)'");
    say("SELECT pg_reload_conf()");
    until("SELECT (current_setting('synchronous_standby_names') <> '')::int");
    check(keeps, warnings);
    assert_non_null(strstr(keeps, "this server alone, and lost with its machine (synchronous_commit is local)"));
    set_role("RESET ALL");
    check(keeps, warnings);
    assert_non_null(strstr(keeps, "this server and standbys: ANY 1 (b)"));
    assert_non_null(strstr(warnings, "and none is connected: no mail is taken until one is"));
    say("ALTER SYSTEM RESET synchronous_standby_names");
    say("SELECT pg_reload_conf()");
    until("SELECT (current_setting('synchronous_standby_names') = '')::int");
    say("RESET synchronous_commit");
}

/* ---- whose tables they are ---- */

static void expect_refused(const char *code, const char *words)
{
    struct fault fault = FAULT_INIT;
    struct store *looking = NULL, *other = store;
    assert_int_equal(postgresql_store.look(&looking, place, &fault), -1);
    assert_string_equal(fault.code, code);
    assert_non_null(strstr(fault.text, words));
    fault = FAULT_INIT;
    assert_int_equal(open_as("another", &fault), -1);
    assert_string_equal(fault.code, code);
    store = other;
}

static void test_versions(void **state)
{
    struct fault fault = FAULT_INIT;
    struct store *looking;
    int from, to;
    (void)state;
    say("INSERT INTO version (number) VALUES (99)");
    expect_refused("version", "has version 99 and this mailweir knows up to");
    assert_int_equal(postgresql_migrate(place, &from, &to, &fault), -1);
    assert_string_equal(fault.code, "version");
    say("DELETE FROM version WHERE number = 99 OR number = %d", POSTGRESQL_SCHEMA_VERSION);
    expect_refused("version", "\"mailweir spool migrate\" upgrades it");
    say("INSERT INTO version (number) VALUES (%d)", POSTGRESQL_SCHEMA_VERSION);
    fault = FAULT_INIT;
    assert_int_equal(postgresql_migrate(place, &from, &to, &fault), 0); /* there is nothing to do */
    assert_int_equal(from, to);
    assert_int_equal(postgresql_store.look(&looking, place, &fault), 0);
    looking->ops->close(looking);
}

static void test_foreign(void **state)
{
    static char other[600], none[600];
    const char *own = place;
    struct fault fault = FAULT_INIT;
    int from, to;
    (void)state;
    say("CREATE DATABASE elsewhere");
    name_database("elsewhere", other);
    name_database("nowhere", none);
    place = none;
    expect_refused("foreign", "nowhere");
    assert_true(postgresql_nodes(place, &fault) < 0);
    place = other;
    expect_refused("foreign", "has no tables of mailweir yet: \"mailweir spool migrate\" creates them");
    in_database(other, "CREATE TABLE theirs (a int)");
    expect_refused("foreign", "belongs to another program (it has a table public.theirs)");
    fault = FAULT_INIT;
    assert_int_equal(postgresql_migrate(place, &from, &to, &fault), -1);
    assert_string_equal(fault.code, "foreign");
    in_database(other, "DROP TABLE theirs; CREATE SCHEMA mailweir");
    fault = FAULT_INIT;
    assert_int_equal(postgresql_migrate(place, &from, &to, &fault), -1);
    assert_non_null(strstr(fault.text, "it has a table mailweir.*"));
    place = own;
    say("DROP DATABASE elsewhere");
}

/* What a role may not do is said when it begins, not with the first mail. */
static void test_rights(void **state)
{
    static char poor[700];
    const char *own = place, *at = strstr(place, "user=");
    struct fault fault = FAULT_INIT;
    int from, to;
    (void)state;
    assert_non_null(at);
    say("CREATE ROLE poor LOGIN");
    snprintf(poor, sizeof poor, "%.*suser=poor%s", (int)(at - place), place, at + strcspn(at, " "));
    place = poor;
    expect_refused("rights", "the role poor may not use the schema mailweir");
    assert_int_equal(postgresql_migrate(place, &from, &to, &fault), -1);
    say("GRANT USAGE ON SCHEMA mailweir TO poor");
    say("GRANT SELECT ON ALL TABLES IN SCHEMA mailweir TO poor");
    expect_refused("rights", "the role poor may not write to mailweir.");
    place = own;
    say("CREATE DATABASE bare");
    name_database("bare", poor);
    at = strstr(poor, "user=");
    static char both[1400];
    snprintf(both, sizeof both, "%.*suser=poor%s", (int)(at - poor), poor, at + strcspn(at, " "));
    fault = FAULT_INIT;
    assert_int_equal(postgresql_migrate(both, &from, &to, &fault), -1);
    assert_string_equal(fault.code, "rights");
    assert_non_null(strstr(fault.text, "the role poor may not create a schema in database bare"));
    say("DROP DATABASE bare");
    say("DROP OWNED BY poor");
    say("DROP ROLE poor");
}

static void test_nodes_that_live(void **state)
{
    struct fault fault = FAULT_INIT;
    struct store *other = store;
    (void)state;
    assert_int_equal(postgresql_nodes(place, &fault), 1);
    assert_int_equal(open_as("another", &fault), 0);
    assert_int_equal(postgresql_nodes(place, &fault), 2);
    store->ops->close(store);
    store = other;
    const struct store_options brief = {.path = place, .wall = wall, .brief = true};
    struct store *command;
    assert_int_equal(postgresql_store.open(&command, &brief, &fault), 0);
    assert_int_equal(postgresql_nodes(place, &fault), 1); /* a command is none */
    command->ops->close(command);
}

static struct store_beat beat_of(struct store *node)
{
    struct store_beat beat = {0};
    struct fault fault = FAULT_INIT;
    assert_int_equal(node->ops->beat(node, &beat, &fault), 0);
    return beat;
}

/* What a dead node had in hand is freed in parts, so that those who do it say meanwhile that they live; others help, and none of it is counted twice. */
static void test_much_in_hand(void **state)
{
    struct fault fault = FAULT_INIT;
    struct store *first = store;
    (void)state;
    say("SELECT join_as('gone', 'x', 1); UPDATE node SET lease_until = now() - interval '1 h' WHERE name = 'gone';"
        "INSERT INTO delivery (message, number, state, upstream, folder, rule, fallback, turn, due_ms, changed_ms, "
        "detail, handed)"
        " SELECT i, 1, 0, 'corp', 'INBOX', '', '', 0, 0, 0, '{}', (SELECT max(epoch) FROM fence) FROM "
        "generate_series(1, 2400) i;"
        "UPDATE tally SET waiting = 2400 WHERE epoch = (SELECT max(epoch) FROM fence)");
    const struct store_beat began = beat_of(first);
    assert_int_equal(began.takeovers, 1);
    assert_int_equal(began.taken, 1000);
    assert_true(began.has_more);
    assert_int_equal(ask_server("SELECT count(*) FROM delivery WHERE handed <> 0"), 1400);
    /* One that begins meanwhile, and ends; by then nobody knows the dead one's name any more. */
    say("UPDATE node SET ended = now() - interval '2 days' WHERE name = 'gone'");
    assert_int_equal(open_as("second", &fault), 0);
    assert_int_equal(ask_server("SELECT count(*) FROM node WHERE name = 'gone'"), 0);
    assert_int_equal(ask_server("SELECT count(*) FROM delivery WHERE handed <> 0"), 400);
    store->ops->close(store);
    store = first;
    const struct store_beat ended = beat_of(first);
    assert_int_equal(ended.takeovers, 0);
    assert_int_equal(ended.taken, 400);
    assert_false(ended.has_more);
    assert_int_equal(ask_server("SELECT count(*) FROM delivery WHERE handed = 0 AND uncertain"), 2400);
    assert_int_equal(ask_server("SELECT sum(waiting) FROM tally"), 2400);
    assert_int_equal(ask_server("SELECT count(*) FROM tally WHERE epoch NOT IN (SELECT epoch FROM fence)"), 1); /* 0 */
    assert_false(beat_of(first).has_more);
}

/* ---- bodies ---- */

#define LARGE (3 * POSTGRESQL_PIECE + 1000)

static uint8_t octet_at(size_t at)
{
    return (uint8_t)(at * 31 + at / 251);
}

static struct store_upload *upload_large(size_t len)
{
    struct fault fault = FAULT_INIT;
    uint8_t *data = malloc(len);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++) {
        data[i] = octet_at(i);
    }
    struct store_upload *upload = store->ops->upload(store);
    for (size_t at = 0; at < len; at += 100000) {
        disregard(store->ops->upload_write(store, upload, bytes_at(data + at, len - at < 100000 ? len - at : 100000),
                                           &fault));
    }
    free(data);
    return upload;
}

/* Read again in steps that fall across pieces, while it goes up and when it is kept. */
static void test_large_body(void **state)
{
    struct fault fault = FAULT_INIT;
    struct store_row mine;
    static uint8_t part[70000];
    (void)state;
    struct store_upload *upload = upload_large(LARGE);
    for (size_t at = 0; at < LARGE + 10; at += sizeof part) {
        ptrdiff_t got = store->ops->upload_read(upload, at, part, sizeof part, &fault);
        assert_int_equal(got, at >= LARGE ? 0 : LARGE - at < sizeof part ? LARGE - at : sizeof part);
        for (size_t i = 0; i < (size_t)got; i += 997) {
            assert_int_equal(part[i], octet_at(at + i));
        }
    }
    struct store_op op = adding("large", bytes_of(" and the rest"), &mine);
    op.add.upload = upload;
    assert_int_equal(commit(&op), STORE_COMMITTED);
    assert_false(fault_is_set(&op.fault));
    assert_null(op.add.upload);
    struct store_body body = {.message = op.add.message};
    assert_int_equal(store->ops->body(store, &body, LARGE - 5, part, sizeof part, &fault), 5 + 13);
    assert_memory_equal(part + 5, " and the rest", 13);
    assert_int_equal(part[0], octet_at(LARGE - 5));
    assert_int_equal(store->ops->body(store, &body, LARGE + 13, part, sizeof part, &fault), 0);
    upload = upload_large(LARGE); /* one that nobody wants any more */
    store->ops->upload_free(store, &upload, false);
    assert_int_equal(ask_server("SELECT count(*) FROM upload"), 0);
    assert_int_equal(ask_server("SELECT count(DISTINCT id) FROM body"), 1);
}

/* A connection that breaks while it goes up fails that message alone, and leaves nothing. */
static void test_upload_breaks(void **state)
{
    struct fault fault = FAULT_INIT;
    char part[10];
    (void)state;
    unsigned failures = 0;
    for (unsigned at = 1; at < 30; at++) {
        struct store_row mine;
        char id[20];
        snprintf(id, sizeof id, "upload%u", at);
        struct store_op op = adding(id, bytes_of("rest"), &mine);
        has_broken = false;
        breaks_in = at;
        op.add.upload = upload_large(2 * POSTGRESQL_PIECE + 10);
        bool is_broken = has_broken;
        assert_int_equal(commit(&op), STORE_COMMITTED);
        breaks_in = 0;
        if (is_broken) {
            failures++;
            assert_int_equal(op.fault.class, FAULT_LOCAL);
            assert_int_equal(store->ops->upload_read(op.add.upload, 0, part, sizeof part, &fault), -1);
        }
        store->ops->upload_free(store, &op.add.upload, false);
    }
    assert_true(failures > 3);
    assert_int_equal(
        ask_server(
            "SELECT count(*) FROM body WHERE id NOT IN (SELECT body FROM message UNION SELECT body FROM upload)"),
        0);
}

/* ---- who ends another ---- */

/* A piece of a body that the server is just writing when the node of it is ended stays behind nowhere. */
static void test_piece_at_the_end(void **state)
{
    (void)state;
    PGconn *writer = connect_too(), *heir = connect_too();
    say("INSERT INTO node (epoch, name, lease_until) OVERRIDING SYSTEM VALUE VALUES (1000001, 'gone', now())");
    say("INSERT INTO upload VALUES (1000002, 1000001)");
    do_well(writer, "BEGIN");
    do_well(writer, "INSERT INTO body SELECT 1000002, 0, 'piece' FROM upload WHERE body = 1000002 FOR KEY SHARE");
    assert_int_equal(PQsendQuery(heir, "SELECT take_over(1000001, 0)"), 1);
    until("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%take_over(1000001%'");
    do_well(writer, "COMMIT");
    PGresult *taken = PQgetResult(heir);
    assert_int_equal(PQresultStatus(taken), PGRES_TUPLES_OK);
    PQclear(taken);
    PQfinish(heir);
    PQfinish(writer);
    assert_int_equal(ask_server("SELECT count(*) FROM upload"), 0);
    assert_int_equal(ask_server("SELECT count(*) FROM body"), 0);
    say("DELETE FROM node WHERE epoch = 1000001");
}

/* And none is begun behind that end. */
static void test_upload_of_the_ended(void **state)
{
    struct fault fault = FAULT_INIT;
    char part[10];
    (void)state;
    say("DELETE FROM fence");
    struct store_upload *upload = upload_large(LARGE);
    assert_int_equal(store->ops->upload_read(upload, 0, part, sizeof part, &fault), -1);
    assert_string_equal(fault.code, "ended");
    store->ops->upload_free(store, &upload, false);
    assert_int_equal(ask_server("SELECT count(*) FROM upload"), 0);
}

/* ---- what a sender sends again ---- */

#define MINUTES(n) ((int64_t)(n)*60000)

/* One that was received so long ago, by a node whose clock is ahead by so much: whether it is known. */
static bool is_known_within(const char *id, int64_t ahead_ms, int64_t age_ms, int64_t once_ms)
{
    struct store_row mine;
    struct store_op op = adding(id, bytes_of("again"), &mine);
    op.add.received_ms += ahead_ms - age_ms;
    op.add.age_ms = (uint64_t)age_ms;
    op.add.once_ms = (uint64_t)once_ms;
    op.add.print = 77;
    assert_int_equal(commit(&op), STORE_COMMITTED);
    assert_false(fault_is_set(&op.fault));
    return op.add.twin[0] != '\0';
}

/* It is known within its time by the server's clock, whatever that of the node shows that took the first. */
static void test_clocks_of_nodes(void **state)
{
    static const int64_t aheads[] = {0, MINUTES(300), MINUTES(-300)};
    (void)state;
    for (size_t i = 0; i < sizeof aheads / sizeof aheads[0]; i++) {
        say("DELETE FROM delivery; DELETE FROM message; DELETE FROM body");
        assert_false(is_known_within("first", aheads[i], MINUTES(20), MINUTES(10)));
        assert_true(is_known_within("soon", 0, MINUTES(12), MINUTES(10))); /* it was elsewhere meanwhile, too */
        assert_false(is_known_within("late", 0, MINUTES(5), MINUTES(10)));
        assert_true(is_known_within("after", aheads[i], 0, MINUTES(30)));
    }
    /* Of before there was such a time the node's is what there is. */
    say("UPDATE message SET taken_ms = NULL");
    assert_true(is_known_within("upgraded", 0, 0, MINUTES(400)));
    assert_false(is_known_within("forgotten", 0, 0, MINUTES(4)));
}

/* As a node of version 3 says it: what it takes is told from what comes again like all else. */
static void test_nodes_of_before(void **state)
{
    (void)state;
    int64_t epoch = ask_server("SELECT max(epoch) FROM fence");
    for (int i = 0; i < 2; i++) {
        say("SELECT * FROM add_message(%lld, 'old%d', 'a@x', NULL, 7, false, 60000, 0, 77, '{}', 'again', 0, 5, 12, "
            "'{1}',"
            " '{0}', '{corp}', '{INBOX}', '{r}', '{other}', '{5}', '{f}', '{\"\"}', '{f}', '{\"{}\"}')",
            (long long)epoch, i);
    }
    assert_int_equal(ask_server("SELECT count(*) FROM message"), 1);
    assert_int_equal(ask_server("SELECT (taken_ms = now_ms() AND received_ms = 7)::int FROM message"), 1);
}

/* ---- a server that takes the place of another one ---- */

static void beat_once(void)
{
    beat_of(store);
}

/* What is there when a node looks first; whether all that waits is in doubt then. */
static void test_another_history(void **state)
{
    static const struct {
        const char *there;
        bool is_lost;
    } cases[] = {
        {"UPDATE mark SET value = CASE name WHEN 'line' THEN 99 ELSE 1 END WHERE name IN ('line', 'waited')", false},
        {"UPDATE mark SET value = CASE name WHEN 'line' THEN 99 ELSE 0 END WHERE name IN ('line', 'waited')", true},
        {"UPDATE mark SET value = CASE name WHEN 'line' THEN 99 ELSE 1 END WHERE name IN ('line', 'waited');"
         "UPDATE node SET lease_until = now() - interval '1 h'",
         true},
        {"UPDATE mark SET value = CASE name WHEN 'system' THEN 99 ELSE 1 END WHERE name IN ('system', 'waited')", true},
        {"UPDATE fence SET line = 99", false},
        {"UPDATE fence SET line = 99; DELETE FROM grp", true},
        {"DELETE FROM fence; DELETE FROM node", true},
    };
    (void)state;
    for (unsigned i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        bool by_batch = i % 2 == 1;
        bool is_seen = !by_batch || i / 2 >= 4; /* a batch looks at its own fence alone */
        char first[20], second[20];
        snprintf(first, sizeof first, "first%u", i);
        snprintf(second, sizeof second, "second%u", i);
        say("DELETE FROM delivery; DELETE FROM message");
        add(first, "octets");
        say("%s", cases[i / 2].there);
        if (!by_batch) {
            beat_once();
        }
        add(second, "octets");
        assert_int_equal(ask_server("SELECT count(*) FROM delivery WHERE uncertain"), is_seen && cases[i / 2].is_lost);
        beat_once();
        add(second + 1, "octets"); /* a node that was ended begins anew */
        assert_int_equal(ask_server("SELECT count(*) FROM mark WHERE (name = 'line' AND value = line())"
                                    " OR (name = 'system' AND value = system())"),
                         2);
        assert_int_equal(ask_server("SELECT count(*) FROM fence WHERE line = line()"), 1);
    }
}

/* Whoever reads it at night needs not do anything. */
static void test_what_is_followed(void **state)
{
    static const struct {
        const char *there, *said;
    } cases[] = {{"UPDATE fence SET line = 99",
                  "another server has taken the place of the one before; nothing is to be "
                  "done: this node sees to it and goes on by itself"},
                 {"DELETE FROM fence", "; nothing is to be done: this node starts afresh by itself"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sql[100];
        struct fault fault = FAULT_INIT;
        struct postgresql_link link;
        snprintf(sql, sizeof sql, "SELECT enter_here(%lld, 1)", (long long)ask_server("SELECT max(epoch) FROM fence"));
        say("%s", cases[i].there);
        postgresql_link_init(&link, place, "test");
        assert_int_equal(postgresql_link_open(&link, &fault), 0);
        assert_null(postgresql_ask(&link, sql, NULL, false, &fault));
        assert_non_null(strstr(fault.text, cases[i].said));
        postgresql_link_close(&link);
    }
}

/* ---- damage ---- */

static struct store_damage found;
static char found_id[50];
static unsigned found_count;

static void note_damage(void *ctx, const struct store_damage *damage)
{
    (void)ctx;
    found = *damage;
    snprintf(found_id, sizeof found_id, "%s", damage->id);
    found_count++;
}

static void scrub(void)
{
    struct store_scrub step = {.octets = 10, .found = note_damage};
    struct fault fault = FAULT_INIT;
    found_count = 0;
    while (!step.whole) {
        assert_int_equal(store->ops->scrub(store, &step, &fault), 0);
    }
}

static void expect_body(uint64_t message, const char *code)
{
    struct store_body body = {.message = message};
    struct fault fault = FAULT_INIT;
    char data[20];
    assert_int_equal(store->ops->body(store, &body, 0, data, sizeof data, &fault), -1);
    assert_string_equal(fault.code, code);
}

static void test_damage(void **state)
{
    (void)state;
    uint64_t first = add("first", "one"), second = add("second", "two"), third = add("third", "three");
    scrub();
    assert_int_equal(found_count, 0);
    say("UPDATE body SET data = 'tWo' WHERE id = (SELECT body FROM message WHERE seq = %llu)",
        (unsigned long long)second);
    scrub();
    assert_int_equal(found_count, 1);
    assert_int_equal(found.kind, STORE_DAMAGE_BODY);
    assert_string_equal(found_id, "second");
    expect_body(second, "damaged");
    say("DELETE FROM body WHERE id = (SELECT body FROM message WHERE seq = %llu)", (unsigned long long)second);
    scrub();
    assert_int_equal(found_count, 1);
    expect_body(second, "damaged");
    say("UPDATE message SET open = 3 WHERE seq = %llu", (unsigned long long)third);
    scrub();
    assert_int_equal(found_count, 2);
    assert_int_equal(found.kind, STORE_DAMAGE_TABLE);
    assert_string_equal(found_id, "third");
    say("UPDATE message SET open = 0 WHERE seq = %llu", (unsigned long long)first);
    expect_body(first, "settled");
    /* Whoever was told where it lies before it was settled hears that it is settled, and not that it is damaged. */
    struct store_body known = {.message = first};
    struct fault fault = FAULT_INIT;
    char data[20];
    say("UPDATE message SET open = 1 WHERE seq = %llu", (unsigned long long)first);
    assert_int_equal(store->ops->body(store, &known, 0, data, sizeof data, &fault), 3);
    known.checked = false;
    say("UPDATE message SET open = 0 WHERE seq = %llu", (unsigned long long)first);
    say("DELETE FROM body");
    struct store_body other = {.message = second};
    disregard(store->ops->body(store, &other, 0, data, sizeof data, &fault) < 0 ? -1
                                                                                : 0); /* another piece is at hand */
    fault = FAULT_INIT;
    assert_int_equal(store->ops->body(store, &known, 0, data, sizeof data, &fault), -1);
    assert_string_equal(fault.code, "settled");
}

/* What was counted wrongly is counted anew. */
static void test_mend(void **state)
{
    struct store_counts counts;
    struct fault fault = FAULT_INIT;
    (void)state;
    add("first", "one");
    say("UPDATE tally SET waiting = 77, dead = 5");
    assert_int_equal(store->ops->mend(store, &counts, &fault), 0);
    assert_int_equal(counts.waiting, 1);
    assert_int_equal(counts.dead, 0);
    assert_int_equal(counts.messages, 1);
}

struct told {
    unsigned count;
    struct store_hand_key key;
    bool readable;
};

static void note_item(void *ctx, const struct store_item *item)
{
    struct told *told = ctx;
    told->count++;
    if (bytes_is(item->detail, "{no JSON")) {
        told->key =
            (struct store_hand_key){.key = item->key, .due = item->due, .attempts = item->attempts, .doubt = ""};
    }
}

static int note_row(void *ctx, const struct store_answer_row *answer)
{
    char *text = ctx;
    snprintf(text, 200, "%s: %s", answer->delivery.of->id,
             answer->delivery.last == NULL ? "" : answer->delivery.last->text);
    return 0;
}

/* A row that cannot be read is claimed and can be set aside; where the others go their other way, it stays. */
static void test_unreadable(void **state)
{
    static const char *const known[] = {"other"};
    struct fault fault = FAULT_INIT;
    bool given;
    char text[200] = "";
    (void)state;
    add("first", "one");
    uint64_t second = add("second", "two");
    add("third", "three");
    say("UPDATE delivery SET detail = '{no JSON' WHERE message = %llu", (unsigned long long)second);
    struct store_op divert = {.kind = STORE_DIVERT};
    struct store_diverted diverted[10];
    divert.divert = (struct store_divert){.upstream = "corp",
                                          .known = known,
                                          .known_count = 1,
                                          .trouble = {.down = true, .down_ms = 5000, .patience_ms = 1000},
                                          .limit = 10,
                                          .arena = arena_new(STORE_ITEM_MAX),
                                          .diverted = diverted};
    assert_int_equal(commit(&divert), STORE_COMMITTED);
    assert_int_equal(divert.divert.found, 3);
    assert_int_equal(divert.divert.count, 2);
    arena_free(&divert.divert.arena);
    struct told told = {0};
    struct store_claim claim = {.upstream = "corp", .limit = 10, .fn = note_item, .ctx = &told};
    assert_int_equal(store->ops->claim(store, &claim, &fault), 0);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.key.key.message, second);
    struct store_op hand = {.kind = STORE_HAND, .hand = {.keys = &told.key, .count = 1, .given = &given}};
    assert_int_equal(commit(&hand), STORE_COMMITTED);
    assert_true(given);
    struct store_op finish = {.kind = STORE_FINISH,
                              .run = hand.run,
                              .finish = {.key = told.key.key, .state = STORE_STATE_DEAD, .attempts = 1}};
    fault_set(&finish.finish.why, FAULT_PERM, "unreadable", "spool", "it cannot be read");
    assert_int_equal(commit(&finish), STORE_COMMITTED);
    assert_false(fault_is_set(&finish.fault));
    const struct store_select select = {.state = "dead"};
    const struct store_question question = {.kind = STORE_ASK_LIST, .select = &select};
    assert_int_equal(store->ops->ask(store, &question, note_row, text, &fault), 0);
    assert_string_equal(text, "second: it cannot be read");
}

/* ---- each call, with a connection that breaks at each step of it ---- */

static int call_beat(void)
{
    struct fault fault = FAULT_INIT;
    struct store_slots slots = {.account = "corp", .most = 4, .wanted = 1, .could = true, .wants_turn = true};
    struct store_beat beat = {.state = NULL, .slots = &slots, .slot_count = 1};
    int result = store->ops->beat(store, &beat, &fault);
    assert_true(result == 0 || fault_is_set(&fault));
    assert_true(result == 0 || !beat.is_ended);
    return result;
}

static int call_renounce(void)
{
    struct fault fault = FAULT_INIT;
    struct store_beat beat = {.state = "", .renounces = true};
    return store->ops->beat(store, &beat, &fault);
}

static int call_nodes(void)
{
    struct fault fault = FAULT_INIT;
    return postgresql_nodes(place, &fault) < 0 ? -1 : 0;
}

static int call_migrate(void)
{
    struct fault fault = FAULT_INIT;
    int from, to;
    return postgresql_migrate(place, &from, &to, &fault);
}

static int call_scrub(void)
{
    struct store_scrub step = {.octets = 1000, .found = note_damage};
    struct fault fault = FAULT_INIT;
    return store->ops->scrub(store, &step, &fault);
}

static int call_body(void)
{
    struct store_body body = {.message = (uint64_t)ask_server("SELECT max(seq) FROM message WHERE open > 0")};
    struct fault fault = FAULT_INIT;
    char data[20];
    return store->ops->body(store, &body, 0, data, sizeof data, &fault) < 0 ? -1 : 0;
}

static int call_commit(void)
{
    static unsigned number;
    struct store_row mine;
    char id[30];
    snprintf(id, sizeof id, "swept%u", number++);
    struct store_op op = adding(id, bytes_of("body"), &mine);
    return commit(&op) == STORE_COMMITTED ? 0 : -1;
}

static int call_nothing(void)
{
    struct store_batch batch;
    store_batch_init(&batch);
    return store->ops->commit(store, &batch) == STORE_COMMITTED ? 0 : -1;
}

/* With each it fails or is done, whatever breaks; and when nothing does any more, it is done. */
static void test_each_step(void **state)
{
    static const struct {
        const char *name;
        int (*fn)(void);
        bool may_pass; /* it tries again by itself */
    } calls[] = {{"beat", call_beat, false},    {"open", call_open, true},       {"look", call_look, false},
                 {"check", call_check, false},  {"nodes", call_nodes, false},    {"migrate", call_migrate, false},
                 {"mend", call_mend, false},    {"scrub", call_scrub, true},     {"body", call_body, false},
                 {"commit", call_commit, true}, {"nothing", call_nothing, true}, {"renounce", call_renounce, false}};
    (void)state;
    add("there", "one");
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        for (unsigned run = 0; run < 2; run++) {
            unsigned at = 0, failures = 0;
            do {
                has_broken = false;
                stays_away = run == 1;
                breaks_in = ++at;
                int result = calls[i].fn();
                breaks_in = 0;
                failures += result != 0;
                if (has_broken && result == 0 && !calls[i].may_pass) {
                    fail_msg("%s is done although its connection broke at its step %u", calls[i].name, at);
                }
                /* What broke unheard is heard of now. */
                if (result == 0 && has_broken) {
                    disregard(calls[i].fn());
                }
                if (calls[i].fn() != 0) {
                    fail_msg("%s fails behind step %u, when all is well again", calls[i].name, at);
                }
            } while (has_broken && at < 60);
            assert_false(has_broken);
            assert_true(failures > 0 || calls[i].may_pass);
        }
    }
    assert_int_equal(ask_server("SELECT count(*) FROM fence"),
                     ask_server("SELECT count(*) FROM fence JOIN node USING (epoch)"));
}

int main(int argc, char **argv)
{
    need_server(SOURCE_DIR, argv, argc);
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_clocks),           TEST(test_settings),
        TEST(test_standbys),         TEST(test_versions),
        TEST(test_foreign),          TEST(test_rights),
        TEST(test_nodes_that_live),  TEST(test_much_in_hand),
        TEST(test_large_body),       TEST(test_upload_breaks),
        TEST(test_damage),           TEST(test_mend),
        TEST(test_unreadable),       TEST(test_each_step),
        TEST(test_piece_at_the_end), TEST(test_upload_of_the_ended),
        TEST(test_clocks_of_nodes),  TEST(test_nodes_of_before),
        TEST(test_another_history),  TEST(test_what_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Tests of store/postgresql where libpq itself refuses: each of its calls in turn, over each operation, question and step of a node. Such a call fails with
 * a fault of its own, or is done; and the next one works.
 */
#include "test.h"

#include "mail/mail_query.h"
#include "postgresql_fixture.h"
#include "store/store_meta.h"

/* ---- libpq ---- */

static unsigned refuses_in; /* so many calls; 0: never */
static bool has_refused, refuses_answers, loses_end;

static void all_is_well(void)
{
    refuses_in = 0;
    loses_end = false;
}

static bool refuses(void)
{
    bool does = refuses_in > 0 && --refuses_in == 0;
    has_refused = has_refused || does;
    return does;
}

static bool refuses_question(void)
{
    return !refuses_answers && refuses();
}

/* Of those that come with each answer one in three: another third with each pass. */
static bool refuses_answer(void)
{
    static unsigned number;
    return refuses_answers && number++ % 3 == 0 && refuses();
}

int __real_PQsendQueryParams(PGconn *with, const char *sql, int count, const Oid *types, const char *const *values,
                             const int *lengths, const int *formats, int format);
int __wrap_PQsendQueryParams(PGconn *with, const char *sql, int count, const Oid *types, const char *const *values,
                             const int *lengths, const int *formats, int format);
int __wrap_PQsendQueryParams(PGconn *with, const char *sql, int count, const Oid *types, const char *const *values,
                             const int *lengths, const int *formats, int format)
{
    return refuses_question() ? 0 : __real_PQsendQueryParams(with, sql, count, types, values, lengths, formats, format);
}

int __real_PQsendQueryPrepared(PGconn *with, const char *name, int count, const char *const *values, const int *lengths,
                               const int *formats, int format);
int __wrap_PQsendQueryPrepared(PGconn *with, const char *name, int count, const char *const *values, const int *lengths,
                               const int *formats, int format);
int __wrap_PQsendQueryPrepared(PGconn *with, const char *name, int count, const char *const *values, const int *lengths,
                               const int *formats, int format)
{
    return refuses_question() ? 0 : __real_PQsendQueryPrepared(with, name, count, values, lengths, formats, format);
}

int __real_PQsendPrepare(PGconn *with, const char *name, const char *sql, int count, const Oid *types);
int __wrap_PQsendPrepare(PGconn *with, const char *name, const char *sql, int count, const Oid *types);
int __wrap_PQsendPrepare(PGconn *with, const char *name, const char *sql, int count, const Oid *types)
{
    return refuses_question() ? 0 : __real_PQsendPrepare(with, name, sql, count, types);
}

int __real_PQsendQuery(PGconn *with, const char *sql);
int __wrap_PQsendQuery(PGconn *with, const char *sql);
int __wrap_PQsendQuery(PGconn *with, const char *sql)
{
    return refuses_question() ? 0 : __real_PQsendQuery(with, sql);
}

int __real_PQenterPipelineMode(PGconn *with);
int __wrap_PQenterPipelineMode(PGconn *with);
int __wrap_PQenterPipelineMode(PGconn *with)
{
    return refuses_question() ? 0 : __real_PQenterPipelineMode(with);
}

int __real_PQexitPipelineMode(PGconn *with);
int __wrap_PQexitPipelineMode(PGconn *with);
int __wrap_PQexitPipelineMode(PGconn *with)
{
    return refuses_question() ? 0 : __real_PQexitPipelineMode(with);
}

int __real_PQpipelineSync(PGconn *with);
int __wrap_PQpipelineSync(PGconn *with);
int __wrap_PQpipelineSync(PGconn *with)
{
    return refuses_question() ? 0 : __real_PQpipelineSync(with);
}

int __real_PQflush(PGconn *with);
int __wrap_PQflush(PGconn *with);
int __wrap_PQflush(PGconn *with)
{
    return refuses_answer() ? -1 : __real_PQflush(with);
}

/* As libpq does with octets that are no message (lost synchronization): the connection is gone, and it knows. */
static PGresult *lose(PGconn *with)
{
    break_off(PQsocket(with));
    while (PQconsumeInput(with) != 0) {
    }
    assert_int_equal(PQstatus(with), CONNECTION_BAD);
    return PQmakeEmptyPGresult(with, PGRES_FATAL_ERROR);
}

PGresult *__real_PQgetResult(PGconn *with);
PGresult *__wrap_PQgetResult(PGconn *with);
PGresult *__wrap_PQgetResult(PGconn *with)
{
    PGresult *result = refuses_answer() ? NULL : __real_PQgetResult(with);
    bool is_commit = result != NULL && strcmp(PQcmdStatus(result), "COMMIT") == 0;
    static bool is_committed;
    if (loses_end && is_committed && PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        result = lose(with);
        loses_end = false;
    }
    is_committed = is_commit || (is_committed && result == NULL);
    return result;
}

/* ---- what there is before each call ---- */

#define IN_HAND 5

static struct fill {
    uint64_t message, run; /* in our hands, with so many deliveries */
    uint64_t waiting;      /* of those that wait */
    struct buf envelope;
} fill;

static struct store_op adding_known(const char *id, struct store_row *rows, size_t count)
{
    struct store_op op = adding(id, bytes_of("octets"), rows);
    for (size_t i = 1; i < count; i++) {
        rows[i] = rows[0];
        rows[i].number = (unsigned)i + 1;
    }
    op.add.count = count;
    op.add.envelope = buf_bytes(&fill.envelope);
    return op;
}

static struct store_finish finishing(unsigned number, enum store_state state)
{
    return (struct store_finish){.key = {fill.message, number}, .state = state, .attempts = 1, .again_in_ms = 60000};
}

/* Messages of which the deliveries are in our hands, that wait, and that are settled. */
static void fill_store(void)
{
    static const char *const people[] = {"Ada <ada@x>"};
    const struct mail_envelope envelope = {
        .id = "x", .from = "a@x", .subject = "words", .header_from = people, .header_from_count = 1};
    struct store_row rows[IN_HAND];
    forget_mail();
    say("DELETE FROM pause; DELETE FROM memo; UPDATE mark SET value = 0 WHERE name NOT IN ('line', 'system')");
    buf_clear(&fill.envelope);
    store_meta_write_envelope(&fill.envelope, &envelope);
    struct store_op waits = adding_known("waits", rows, 2);
    must_commit(&waits);
    fill.waiting = waits.add.message;
    struct store_op rerouted = adding_known("rerouted", rows, 2);
    must_commit(&rerouted);
    struct store_op settled = adding_known("settled", rows, 1);
    settled.add.count = 0;
    must_commit(&settled);
    struct store_op held = adding_known("in hand", rows, IN_HAND);
    for (size_t i = 0; i < IN_HAND; i++) {
        rows[i].handed = true;
    }
    must_commit(&held);
    fill.message = held.add.message;
    fill.run = held.run;
}

/* ---- a batch of everything ---- */

enum { OPS = 24 };

static struct everything {
    struct store_op ops[OPS];
    size_t count;
    struct store_row rows[3];
    struct store_diverted diverted[10];
    struct store_hand_key key;
    bool given;
} all;

static struct store_op *another(enum store_op_kind kind)
{
    struct store_op *op = &all.ops[all.count++];
    assert_true(all.count <= OPS);
    *op = (struct store_op){.kind = kind, .run = fill.run};
    list_init(&op->link);
    return op;
}

static void add_messages(void)
{
    *another(STORE_ADD_MESSAGE) = adding_known("plain", &all.rows[0], 1);
    *another(STORE_ADD_MESSAGE) = adding_known("once", &all.rows[1], 1);
    all.ops[1].add.once_ms = 60000;
    all.ops[1].add.print = 5;
    *another(STORE_ADD_MESSAGE) = adding_known("large", &all.rows[2], 1);
    all.ops[2].add.upload = store->ops->upload(store);
    struct fault fault = FAULT_INIT;
    static const uint8_t octets[POSTGRESQL_PIECE + 10];
    disregard(store->ops->upload_write(store, all.ops[2].add.upload, bytes_at(octets, sizeof octets), &fault));
}

static void add_outcomes(void)
{
    static const struct mail_delivery instead = {.upstream = "other", .folder = "INBOX", .rule = "r"};
    another(STORE_FINISH)->finish = finishing(1, STORE_STATE_FILED);
    struct store_op *dead = another(STORE_FINISH);
    dead->finish = finishing(2, STORE_STATE_DEAD);
    fault_set(&dead->finish.why, FAULT_PERM, "no", "append", "no");
    struct store_op *moved = another(STORE_FINISH);
    moved->finish = finishing(3, STORE_STATE_WAITING);
    moved->finish.instead = &instead;
    moved->finish.note = "why";
    fault_set(&moved->finish.why, FAULT_TEMP, "no", "append", "no");
    struct store_op *noted = another(STORE_FINISH);
    noted->finish = finishing(4, STORE_STATE_FILED);
    noted->finish.note = "found";
    another(STORE_UNTOUCH)->untouch = (struct store_untouch){.key = {fill.message, 5}};
}

static void add_orders(void)
{
    static const char *const known[] = {"other"};
    static const struct store_select waits = {.id = "waits.1"};
    static const struct mail_delivery instead = {.upstream = "other", .folder = "INBOX", .rule = "r"};
    another(STORE_SET_STATE)->set_state =
        (struct store_set_state){.verb = STORE_HOLD, .select = &waits, .by = "somebody", .limit = 10};
    another(STORE_REROUTE)->reroute =
        (struct store_reroute){.id = "rerouted", .by = "somebody", .deliveries = &instead, .count = 1};
    another(STORE_DIVERT)->divert =
        (struct store_divert){.upstream = "corp",
                              .known = known,
                              .known_count = 1,
                              .trouble = {.down = true, .down_ms = 5000, .patience_ms = 1000},
                              .limit = 10,
                              .arena = arena_new(STORE_ITEM_MAX),
                              .diverted = all.diverted};
}

static void add_rest(void)
{
    another(STORE_MEMO)->memo = (struct store_memo){"corp", "slow"};
    another(STORE_MEMO)->memo = (struct store_memo){"other", ""};
    another(STORE_PAUSE)->pause = (struct store_pause){.upstream = "third", .paused = true};
    another(STORE_CLOCK);
    another(STORE_HEARD)->heard.id = "waits";
    another(STORE_LEARN)->learn = (struct store_learn){.keep_ms = 0, .limit = 10};
    another(STORE_ERASE)->erase = (struct store_erase){.address = "a@x", .limit = 10};
    another(STORE_FORGET)->forget = (struct store_forget){.keep_ms = UINT64_MAX, .keep_messages = 1, .limit = 10};
    all.key = (struct store_hand_key){.key = {fill.waiting, 1}, .doubt = ""};
    another(STORE_HAND)->hand = (struct store_hand){.keys = &all.key, .count = 1, .given = &all.given};
}

/* By a connection of which the server was told nothing yet. */
static int call_batch(void)
{
    struct store_batch batch;
    postgresql_link_close(&postgresql_of(store)->writer);
    store_batch_init(&batch);
    memset(&all, 0, sizeof all);
    say("UPDATE test_clock SET at = at + 1");
    add_messages();
    add_orders();
    add_outcomes();
    add_rest();
    for (size_t i = 0; i < all.count; i++) {
        store_batch_add(&batch, &all.ops[i]);
    }
    enum store_verdict verdict = store->ops->commit(store, &batch);
    while (verdict == STORE_IN_LIMBO) {
        all_is_well();
        verdict = store->ops->resolve(store, &batch);
    }
    bool is_whole = verdict == STORE_COMMITTED;
    for (size_t i = 0; i < all.count; i++) {
        struct store_op *op = &all.ops[i];
        bool is_done = op->failed_with_batch || !fault_is_set(&op->fault);
        assert_true(verdict == STORE_COMMITTED || fault_is_set(&op->fault));
        is_whole = is_whole && is_done;
        if (op->kind == STORE_DIVERT) {
            arena_free(&op->divert.arena);
        } else if (op->kind == STORE_ADD_MESSAGE) {
            store->ops->upload_free(store, &op->add.upload, false);
        }
        list_remove(&op->link);
    }
    return is_whole ? 0 : -1;
}

/* ---- questions ---- */

static int count_row(void *ctx, const struct store_answer_row *answer)
{
    (void)answer;
    ++*(unsigned *)ctx;
    return 0;
}

/* All of them, until one fails. */
static int call_questions(void)
{
    struct arena *arena = arena_new(STORE_ITEM_MAX);
    struct fault fault = FAULT_INIT;
    struct mail_query query;
    const struct store_select select = {.sender = "a@x"};
    assert_int_equal(mail_query_read("from:a@x upstream:corp", wall(NULL), arena, &query, &fault), 0);
    struct store_search search = {.query = &query};
    const struct store_question questions[] = {
        {.kind = STORE_ASK_LIST, .select = &select},
        {.kind = STORE_ASK_STORY, .message = fill.message},
        {.kind = STORE_ASK_FIND, .what = "waits"},
        {.kind = STORE_ASK_FILED, .upstream = "corp", .folder = "INBOX", .uid = 1},
        {.kind = STORE_ASK_SUMMARY},
        {.kind = STORE_ASK_PAUSES},
        {.kind = STORE_ASK_MEMOS},
        {.kind = STORE_ASK_COUNTS},
        {.kind = STORE_ASK_SEARCH, .search = &search},
        {.kind = STORE_ASK_COUNTED, .within_ms = 60000},
    };
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof questions / sizeof questions[0]; i++) {
        unsigned rows = 0;
        result = store->ops->ask(store, &questions[i], count_row, &rows, &fault);
        assert_true(result == 0 || fault_is_set(&fault));
    }
    arena_free(&arena);
    return result;
}

static void note_item(void *ctx, const struct store_item *item)
{
    (void)item;
    ++*(unsigned *)ctx;
}

static int call_claim(void)
{
    struct fault fault = FAULT_INIT;
    unsigned items = 0;
    struct store_claim claim = {.upstream = "corp", .limit = 10, .fn = note_item, .ctx = &items};
    return store->ops->claim(store, &claim, &fault);
}

static int call_body(void)
{
    struct store_body body = {.message = fill.waiting};
    struct fault fault = FAULT_INIT;
    char data[20];
    ptrdiff_t got = store->ops->body(store, &body, 0, data, sizeof data, &fault);
    assert_true(got == 6 || fault_is_set(&fault));
    return got < 0 ? -1 : 0;
}

/* What goes up is read, and thrown away. */
static int call_upload(void)
{
    static const uint8_t octets[2 * POSTGRESQL_PIECE];
    static uint8_t back[100];
    struct fault fault = FAULT_INIT;
    struct store_upload *upload = store->ops->upload(store);
    int result = store->ops->upload_write(store, upload, bytes_at(octets, sizeof octets), &fault);
    ptrdiff_t got = store->ops->upload_read(upload, POSTGRESQL_PIECE - 50, back, sizeof back, &fault);
    assert_true(got == (ptrdiff_t)sizeof back || fault_is_set(&fault));
    store->ops->upload_free(store, &upload, false);
    return result != 0 || got < 0 ? -1 : 0;
}

static void disregard_damage(void *ctx, const struct store_damage *damage)
{
    (void)ctx;
    (void)damage;
}

static int call_scrub(void)
{
    struct store_scrub step = {.octets = 1000, .found = disregard_damage};
    struct fault fault = FAULT_INIT;
    return store->ops->scrub(store, &step, &fault);
}

/* ---- a node ---- */

static int call_beat(void)
{
    struct fault fault = FAULT_INIT;
    struct store_slots slots = {.account = "corp", .most = 4, .wanted = 1};
    struct store_beat beat = {.slots = &slots, .slot_count = 1};
    say("SELECT join_as('gone', 'x', 1); UPDATE node SET lease_until = now() - interval '1 h' WHERE name = 'gone'");
    return store->ops->beat(store, &beat, &fault);
}

static char elsewhere[600]; /* a database of another name */

/* What is there is of that version; 0: nothing is. It is that of now then, or as it was. */
static int migrate_from(int version)
{
    struct fault fault = FAULT_INIT;
    int from, to;
    in_database(elsewhere, "DROP SCHEMA IF EXISTS mailweir CASCADE");
    if (version > 0) {
        make_version(elsewhere, version);
    }
    int result = postgresql_migrate(elsewhere, &from, &to, &fault);
    assert_true(result != 0 || (from == version && to == POSTGRESQL_SCHEMA_VERSION));
    return result;
}

/* ---- the end of a batch ---- */

/* The server has committed it, and what it says behind that is not understood: nobody may take it for undone. */
static void test_a_commit_whose_end_is_lost(void **state)
{
    struct store_row mine;
    struct store_batch batch;
    struct store_op op = adding("ended", bytes_of("octets"), &mine);
    (void)state;
    loses_end = true;
    assert_int_equal(commit_once(&op, &batch), STORE_IN_LIMBO);
    assert_false(loses_end);
    assert_int_equal(store->ops->resolve(store, &batch), STORE_COMMITTED);
    list_remove(&op.link);
    assert_int_equal(ask_server("SELECT count(*) FROM message"), 1);
}

/* ---- all of them ---- */

static void expect_order(const char *name, unsigned at)
{
    bool is_good =
        ask_server("SELECT ((SELECT sum(waiting) FROM tally) = (SELECT count(*) FROM delivery WHERE state = 0)"
                   " AND (SELECT sum(messages) FROM tally) = (SELECT count(*) FROM message WHERE open > 0))::int") == 1;
    int64_t bodies = ask_server("SELECT count(*) FROM body WHERE id NOT IN (SELECT body FROM message WHERE open > 0"
                                " UNION SELECT body FROM upload)");
    if (!is_good || bodies != 0) {
        fail_msg("behind %s, of which call %u was refused: counts %s, %lld bodies of nobody", name, at,
                 is_good ? "agree" : "do not agree", (long long)bodies);
    }
}

/* Until none is refused any more: then it works, whatever was refused before. */
static void sweep(const char *name, int (*fn)(void))
{
    unsigned at = 0, failures = 0;
    int result;
    do {
        fill_store();
        has_refused = false;
        refuses_in = ++at;
        result = fn();
        failures += result != 0;
        all_is_well();
        expect_order(name, at);
        if (has_refused && result == 0) {
            disregard(fn()); /* where the end of an answer was not heard, this is asked into the midst of it */
        }
    } while (has_refused);
    if (result != 0 || failures == 0) {
        fail_msg("%s: call %u was not refused, and the result is %d; %u failed before", name, at, result, failures);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *name;
        int (*fn)(void);
    } calls[] = {{"a batch", call_batch}, {"questions", call_questions}, {"claim", call_claim}, {"body", call_body},
                 {"upload", call_upload}, {"scrub", call_scrub},         {"mend", call_mend},   {"beat", call_beat},
                 {"open", call_open},     {"look", call_look},           {"check", call_check}};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof calls / sizeof calls[0]; i++) {
        refuses_answers = i % 2 == 1;
        sweep(calls[i / 2].name, calls[i / 2].fn);
    }
}

static void test_migrations(void **state)
{
    (void)state;
    say("CREATE DATABASE elsewhere");
    name_database("elsewhere", elsewhere);
    for (int pass = 0; pass < 4; pass++) {
        int version = pass / 2 == 0 ? 0 : POSTGRESQL_SCHEMA_VERSION - 1;
        unsigned at = 0, failures = 0;
        refuses_answers = pass % 2 == 1;
        do {
            has_refused = false;
            refuses_in = ++at;
            failures += migrate_from(version) != 0;
            at += refuses_answers ? 5 : 0; /* most are ends of one statement of many */
            all_is_well();
        } while (has_refused);
        assert_true(failures > 0);
    }
    say("DROP DATABASE elsewhere");
}

int main(int argc, char **argv)
{
    need_server(SOURCE_DIR, argv, argc);
    buf_init(&fill.envelope, STORE_META_MAX);
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_a_commit_whose_end_is_lost), TEST(test_refusals),
                                       TEST(test_migrations)};
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&fill.envelope);
    return result;
}

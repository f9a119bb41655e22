/*
 * What seldom happens to a local store: words that are damaged, decisions that nobody could have written, an index that says other things than the segments,
 * files under odd names, a body that has moved since its place was learnt, and what else no day brings.
 */
#include "local_fixture.h"

#include "base/expect.h"
#include "mail/mail_query.h"
#include "store/local/local_journal.h"
#include "store/local/local_segment.h"

/* ---- the index, by hand ---- */

static void change_index(const char *sql)
{
    char name[200], *why = NULL;
    sqlite3 *db = NULL;
    snprintf(name, sizeof name, "%s/index.sqlite", w.path);
    assert_int_equal(sqlite3_open(name, &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
        fail_msg("%s: %s", sql, why);
    }
    sqlite3_close(db);
}

static int64_t index_number(const char *sql)
{
    char name[200];
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    snprintf(name, sizeof name, "%s/index.sqlite", w.path);
    assert_int_equal(sqlite3_open(name, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    int64_t value = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
    sqlite3_finalize(st);
    sqlite3_close(db);
    return value;
}

/* ---- words ---- */

static void learn(void)
{
    struct store_op op = {.kind = STORE_LEARN, .learn = {.limit = 100}};
    commit_one(&op);
}

static int count_message(void *ctx, const struct store_answer_row *row)
{
    unsigned *count = ctx;
    *count += row->kind == STORE_ROW_MESSAGE;
    return 0;
}

static unsigned search(const char *text)
{
    unsigned count = 0;
    struct fault fault = FAULT_INIT;
    struct mail_query query;
    assert_int_equal(mail_query_read(text, wall(NULL), w.arena, &query, &fault), 0);
    struct store_search wanted = {.query = &query};
    const struct store_question question = {.kind = STORE_ASK_SEARCH, .search = &wanted};
    assert_int_equal(w.store->ops->ask(w.store, &question, count_message, &count, &fault), 0);
    return count;
}

/* Words are made of what is kept elsewhere: when they are damaged they are learnt anew, and nothing else fails for it. */
static void damaged_words_are_learnt_anew(void **state)
{
    (void)state;
    add("ONE", "a body");
    learn();
    assert_int_equal(search("from:a@x"), 1);
    close_store();
    change_index("UPDATE words_data SET block = x'ffffffff'");
    open_store();
    add("TWO", "a body");
    learn(); /* finds out, and begins anew ... */
    learn(); /* ... and has all of them again */
    assert_int_equal(search("from:a@x"), 2);
    assert_int_equal(search("from:nobody"), 0);
}

/* Whatever is wrong with them: mail that comes in the same batch is taken, and what is old is forgotten. */
static void damaged_words_refuse_no_mail(void **state)
{
    (void)state;
    static const char *const blocks[] = {"ffffffff", "00ff00ff00ff00ff", "", "00"};
    static const char *const ids[] = {"A", "B", "C", "D"};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        add(arena_printf(w.arena, "%s1", ids[i]), "a body");
        struct store_op first = {.kind = STORE_LEARN, .learn = {.limit = 100}};
        struct store_op *alone[] = {&first};
        list_init(&first.link);
        commit(alone, 1);
        close_store(); /* what it had in hand is anybody's */
        open_store();
        operate(STORE_DROP, arena_printf(w.arena, "%s1", ids[i]));
        close_store();
        change_index(arena_printf(w.arena, "UPDATE words_data SET block = x'%s'", blocks[i]));
        change_index("UPDATE message SET settled_ms = 1 WHERE open = 0");
        open_store();
        struct store_op learning = {.kind = STORE_LEARN, .learn = {.limit = 100}};
        struct store_op forget = {.kind = STORE_FORGET, .forget = {.keep_messages = 0, .limit = 10}};
        struct store_op *ops[] = {make_add(arena_printf(w.arena, "%s2", ids[i]), "a body"), &learning, &forget};
        list_init(&learning.link);
        list_init(&forget.link);
        assert_int_equal(commit(ops, 3), STORE_COMMITTED);
        assert_false(fault_is_set(&ops[0]->fault) || fault_is_set(&forget.fault));
        assert_int_equal(index_number("SELECT count(*) FROM message WHERE open = 0"), 0);
        assert_int_equal(index_number("SELECT count(*) FROM message"), i + 1);
    }
}

/* What is looked for in ways of its own: by a part of an id, by what it is not, by states of which some are settled, by more words than fit into one
 * question; and a message whose envelope cannot be read is passed over. */
static void searches_of_seldom_kinds(void **state)
{
    (void)state;
    struct buf many;
    add("ONE", "a body");
    add("TWO", "a body");
    add("THREE", "a body");
    learn();
    close_store();
    change_index("UPDATE message SET envelope = '{' WHERE id = 'THREE'");
    open_store();
    operate(STORE_DROP, "TWO");
    static const struct {
        const char *text;
        unsigned found;
    } cases[] = {
        {"id:ONE", 1},
        {"id:ON*", 1},
        {"-id:ONE", 1},
        {"state:waiting,dropped", 2},
        {"state:waiting", 1},
        {"state:waiting,moved", 1},
        {"state:moved", 0},
        {"state:dropped", 1},
        {"from:a* state:filed", 0},
        {"subject:none", 0},
        {"to:none", 0},
        {"since:1h from:a@x", 2},
        {"until:1h from:a@x", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (search(cases[i].text) != cases[i].found) {
            fail_msg("%s: %u", cases[i].text, search(cases[i].text));
        }
    }
    buf_init(&many, 1 << 20);
    for (int i = 0; i < 20; i++) {
        buf_printf(&many, "from:word%d ", i);
    }
    assert_int_equal(search(buf_text(&many)), 0);
    buf_done(&many);
}

/* ---- decisions ---- */

/* Lines that match their checksum and say nothing that a gateway says; each is left out, and what stands beside it holds. */
static void odd_decisions(void **state)
{
    (void)state;
    struct buf lines;
    struct fault fault = FAULT_INIT;
    add("ONE", "a body");
    add("TWO", "a body");
    buf_init(&lines, 1 << 20);
    local_journal_line(&lines, json_pack("{s:i}", "id", 1));
    local_journal_line(&lines, json_pack("{s:s}", "id", "NOBODY"));
    local_journal_line(&lines, json_pack("{s:s, s:i}", "id", "ONE", "number", 1));
    local_journal_line(&lines, json_pack("{s:s, s:i, s:s}", "id", "ONE", "number", 1, "state", "no such state"));
    local_journal_line(&lines, json_pack("{s:s, s:i, s:s}", "id", "ONE", "number", 7, "state", "dead"));
    local_journal_line(&lines, json_pack("{s:s, s:i, s:s}", "id", "TWO", "number", 1, "state", "held"));
    local_journal_line(&lines, json_pack("{s:s}", "adopted", "ONE"));
    local_journal_line(&lines, json_pack("{s:i, s:s}", "adopted", 1, "id", "ONE"));
    local_journal_line(&lines, json_pack("{s:s, s:b}", "upstream", "corp", "paused", true));
    local_journal_line(&lines, json_pack("{s:s, s:b, s:s}", "upstream", "other", "paused", true, "by", "somebody"));
    local_journal_line(&lines, json_pack("{s:s, s:b}", "upstream", "other", "paused", false));
    buf_append_text(&lines, "0123456789abcdef {\"id\":\"TWO\",\"state\":\"dropped\"}\n"); /* another checksum */
    buf_append_text(&lines, "short\n");
    struct buf odd;
    buf_init(&odd, 1 << 10);
    local_journal_line(&odd, json_pack("{s:s, s:i, s:s}", "id", "TWO", "number", 1, "state", "dead"));
    char *line = expect_strdup(buf_text(&odd));
    line[16] = '_'; /* its checksum is right */
    buf_append_text(&lines, line);
    free(line);
    buf_done(&odd);
    assert_int_equal(local_journal_write(w.path, buf_bytes(&lines), &fault), 0);
    buf_done(&lines);
    rebuild_from_log();
    assert_int_equal(w.made.messages, 2);
    assert_int_equal(w.made.damaged, 0);
    assert_true(is_known("ONE") && is_known("TWO"));
    assert_int_equal(index_number("SELECT count(*) FROM delivery WHERE state = 0"), 1);
    assert_int_equal(index_number("SELECT count(*) FROM delivery WHERE state = 1"), 1);
    assert_int_equal(index_number("SELECT count(*) FROM pause WHERE upstream = 'corp' AND at_ms > 0"), 1);
    assert_int_equal(index_number("SELECT count(*) FROM pause"), 1);
}

/* A decision is about the message of this name, and not about one that calls itself so. */
static void a_decision_is_not_about_a_namesake(void **state)
{
    (void)state;
    struct buf lines;
    struct fault fault = FAULT_INIT;
    w.message_id = "TWO";
    add("ONE", "a body");
    w.message_id = NULL;
    add("TWO", "a body");
    buf_init(&lines, 1 << 20);
    local_journal_line(&lines, json_pack("{s:s, s:i, s:s}", "id", "TWO", "number", 1, "state", "held"));
    assert_int_equal(local_journal_write(w.path, buf_bytes(&lines), &fault), 0);
    buf_done(&lines);
    rebuild_from_log();
    assert_int_equal(index_number("SELECT state FROM delivery WHERE message ="
                                  " (SELECT seq FROM message WHERE id = 'ONE')"),
                     STORE_STATE_WAITING);
    assert_int_equal(index_number("SELECT state FROM delivery WHERE message ="
                                  " (SELECT seq FROM message WHERE id = 'TWO')"),
                     STORE_STATE_HELD);
}

/* The same at a start, where those are left out whose message is settled. */
static void a_settled_namesake_takes_no_decision_along(void **state)
{
    (void)state;
    w.message_id = "TWO";
    add("ONE", "a body");
    w.message_id = NULL;
    add("TWO", "a body");
    for (int turn = 0; turn < 2; turn++) {
        close_store();
        open_store();
        operate(turn == 0 ? STORE_HOLD : STORE_DROP, turn == 0 ? "TWO" : "ONE");
    }
    close_store();
    open_store(); /* what is settled needs no decision any more */
    rebuild_from_log();
    assert_int_equal(index_number("SELECT state FROM delivery WHERE message ="
                                  " (SELECT seq FROM message WHERE id = 'TWO')"),
                     STORE_STATE_HELD);
}

/* ---- an index that says something else ---- */

static uint64_t check(void)
{
    struct local_check_result found;
    struct fault fault = FAULT_INIT;
    w.reports = 0;
    w.said[0] = '\0';
    if (local_check(w.path, on_report, NULL, NULL, &found, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
    assert_int_equal(found.damaged, w.reports);
    return found.damaged;
}

static void another_place_in_the_index(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE message SET body_len = body_len + 1", "UPDATE message SET body_sum = body_sum + 1",
        "UPDATE message SET record_len = record_len + 1", "UPDATE message SET start = start + 1",
        "UPDATE message SET start = start + 100000"};
    add("ONE", "a body");
    close_store();
    assert_int_equal(check(), 0);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        change_index(changes[i]);
        assert_int_equal(check(), 1);
        assert_non_null(strstr(w.said, "there is no such record"));
        rebuild_from_log();
        assert_int_equal(check(), 0);
    }
    change_index("UPDATE message SET segment = segment + 77");
    assert_int_equal(check(), 1);
}

/* What SQLite itself finds in the tables is told, too. */
static void a_table_that_breaks_its_rules(void **state)
{
    (void)state;
    add("ONE", "a body");
    close_store();
    change_index("PRAGMA writable_schema = 1;"
                 " UPDATE sqlite_schema SET sql = replace(sql, 'message_id TEXT', 'message_id TEXT NOT NULL')"
                 " WHERE sql LIKE '%message_id TEXT%'");
    assert_true(check() >= 1);
    assert_non_null(strstr(w.said, "message_id"));
}

/* ---- bodies ---- */

static ptrdiff_t read_body(struct store_body *body, char into[100], struct fault *fault)
{
    return w.store->ops->body(w.store, body, 0, into, 100, fault);
}

/* Its segment is gone, because it lies in another one: the index knows. Where that does not help, it is damaged. */
static void a_body_that_has_moved(void **state)
{
    (void)state;
    char data[100];
    struct fault fault = FAULT_INIT;
    struct store_place place = add("ONE", "a body");
    struct store_body body = {.message = w.last_message, .place = place};
    body.place.segment = place.segment + 1000; /* as it was learnt long ago */
    assert_int_equal(read_body(&body, data, &fault), 6);
    assert_memory_equal(data, "a body", 6);
    assert_int_equal(body.place.segment, place.segment);

    char path[200];
    segment_path(path, place.segment);
    close_store();
    unlink(path);
    open_store();
    body = (struct store_body){.message = w.last_message, .place = place};
    assert_int_equal(read_body(&body, data, &fault), -1);
    assert_string_equal(fault.code, "damaged");

    fault = FAULT_INIT;
    operate(STORE_DROP, "ONE");
    body = (struct store_body){.message = w.last_message, .place = place};
    assert_int_equal(read_body(&body, data, &fault), -1);
    assert_string_equal(fault.code, "damaged"); /* where it was said to be */
    fault = FAULT_INIT;
    body = (struct store_body){.message = w.last_message};
    assert_int_equal(read_body(&body, data, &fault), -1);
    assert_string_equal(fault.code, "settled");
}

static void an_upload_that_is_read_too_early(void **state)
{
    (void)state;
    char data[10];
    struct fault fault = FAULT_INIT;
    struct store_upload *upload = w.store->ops->upload(w.store);
    assert_int_equal(w.store->ops->upload_read(upload, 0, data, sizeof data, &fault), 0);
    assert_int_equal(w.store->ops->upload_write(w.store, upload, bytes_of("some"), &fault), 0);
    assert_int_equal(w.store->ops->upload_read(upload, 0, data, sizeof data, &fault), 4);
    assert_memory_equal(data, "some", 4);
    assert_int_equal(w.store->ops->upload_read(upload, 3, data, sizeof data, &fault), 1);
    assert_int_equal(w.store->ops->upload_read(upload, 4, data, sizeof data, &fault), 0);
    assert_int_equal(w.store->ops->upload_read(upload, 100, data, sizeof data, &fault), 0);
    w.store->ops->upload_free(w.store, &upload, false);
    assert_null(upload);
}

/* ---- files ---- */

static void names_of_segments(void **state)
{
    (void)state;
    assert_int_equal(local_segment_id("00000000000000ff.seg"), 255);
    assert_int_equal(local_segment_id("ffffffffffffffff.seg"), UINT64_MAX);
    static const char *const others[] = {"",
                                         "decisions",
                                         "00000000000000ff.sex",
                                         "00000000000000ff_seg",
                                         "0000000000000fF.seg",
                                         "000000000000000g.seg",
                                         "0000000000000ff.seg",
                                         "000000000000000ff.seg"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(local_segment_id(others[i]), 0);
    }
}

static bool is_aside(uint64_t segment)
{
    char path[200];
    snprintf(path, sizeof path, "%s/set-aside/%016llx.seg", w.path, (unsigned long long)segment);
    return access(path, F_OK) == 0;
}

/* Of segments that the index has never heard of, those with a whole record in their own name are set aside: they may be mail. The rest is removed. */
static void segments_that_nobody_knows(void **state)
{
    (void)state;
    char octets[4096], path[200];
    struct store_place place = add("ONE", "a body");
    segment_path(path, place.segment);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(octets, 1, sizeof octets, file);
    fclose(file);
    close_store();
    write_at(90, 0, octets, len);               /* of another name */
    write_at(91, 0, "", 0);                     /* empty */
    write_at(92, 0, "not a record at all", 19); /* short */
    memset(octets, 'x', 200);
    write_at(93, 0, octets, 200); /* long enough, and none */
    open_store();
    for (uint64_t segment = 90; segment < 94; segment++) {
        assert_false(has_segment(segment) || is_aside(segment));
    }
    close_store();
    /* The index is older than its segments: the record is whole, and in its own file. */
    change_index("DELETE FROM message; DELETE FROM delivery; UPDATE spool SET value = 1 WHERE name = 'next_segment'");
    open_store();
    assert_true(is_aside(place.segment));
    assert_false(has_segment(place.segment));
}

/* ---- opening ---- */

static void a_path_that_is_relative(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct fault fault = FAULT_INIT;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(w.path), 0);
    const struct store_options options = {.path = "here", .segment_size = 100000, .wall = wall};
    assert_int_equal(local_store.open(&store, &options, &fault), 0);
    store->ops->close(store);
    assert_int_equal(access("here/index.sqlite", F_OK), 0);
    assert_int_equal(chdir(before), 0);
}

static void a_path_that_is_too_long(void **state)
{
    (void)state;
    static char path[5000];
    struct store *store = NULL;
    struct fault fault = FAULT_INIT;
    memset(path, 'x', sizeof path - 1);
    const struct store_options options = {.path = path, .segment_size = 100000, .wall = wall};
    assert_int_equal(local_store.open(&store, &options, &fault), -1);
    assert_string_equal(fault.code, "enametoolong");
    assert_null(store);
}

/* Who looks at a spool that is not there makes none. */
static void a_look_at_nothing(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct fault fault = FAULT_INIT;
    char path[200];
    snprintf(path, sizeof path, "%s/nothing", w.path);
    assert_int_equal(local_store.look(&store, path, &fault), -1);
    assert_true(fault_is_set(&fault));
    assert_null(store);
    assert_int_equal(access(path, F_OK), -1);
}

/* An index that is no database while there is mail: it is told, and left as it is. */
static void an_index_that_is_no_database(void **state)
{
    (void)state;
    char path[200];
    struct store *store = NULL;
    struct fault fault = FAULT_INIT;
    add("ONE", "a body");
    close_store();
    snprintf(path, sizeof path, "%s/index.sqlite", w.path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs("this was an index once, and is as long as a header of one would be: no database, whoever asks\n", file);
    fclose(file);
    const struct store_options options = {.path = w.path, .segment_size = 100000, .wall = wall};
    assert_int_equal(local_store.open(&store, &options, &fault), -1);
    assert_string_equal(fault.code, "damaged");
    assert_non_null(strstr(fault.text, "spool rebuild"));
    rebuild_from_log();
    assert_true(is_known("ONE"));
}

static void remove_index(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char name[200];
        snprintf(name, sizeof name, "%s/index.sqlite%s", w.path, suffixes[i]);
        unlink(name);
    }
}

static void put_file(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", w.path, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs("text", file);
    fclose(file);
}

/* Without an index a spool is new, unless something says that it is not: a segment with mail, or a rebuild that was cut. Other files say nothing. */
static void what_says_that_an_index_is_missing(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct fault fault = FAULT_INIT;
    struct local_rebuild_result made;
    const struct store_options options = {.path = w.path, .segment_size = 100000, .wall = wall};
    close_store();
    put_file("segments/notes.txt");
    remove_index();
    open_store();
    close_store();
    remove_index();
    put_file("index.sqlite.new");
    put_file("index.sqlite.new-1600000000000");
    put_file("index.sqlite.new-1700000000000");
    put_file("index.sqlite.new-notes");
    assert_int_equal(local_store.open(&store, &options, &fault), -1);
    assert_string_equal(fault.code, "damaged");
    assert_non_null(strstr(fault.text, "cut short"));
    assert_int_equal(local_rebuild(w.path, on_report, NULL, &made, &fault), 0);
    open_store();
    add("ONE", "a body");
    close_store();
    remove_index();
    fault = (struct fault)FAULT_INIT;
    assert_int_equal(local_store.open(&store, &options, &fault), -1);
    assert_string_equal(fault.code, "damaged");
    assert_non_null(strstr(fault.text, "no index"));
}

/* What a newer mailweir has written is not rebuilt by an older one, which would know less of it. */
static void a_newer_index_is_not_rebuilt(void **state)
{
    (void)state;
    struct local_rebuild_result made;
    struct fault fault = FAULT_INIT;
    add("ONE", "a body");
    close_store();
    int64_t version = index_number("PRAGMA user_version");
    change_index("PRAGMA user_version = 4711");
    assert_int_equal(local_rebuild(w.path, on_report, NULL, &made, &fault), -1);
    assert_string_equal(fault.code, "version");
    assert_non_null(strstr(fault.text, "4711"));
    assert_non_null(strstr(fault.text, "newer mailweir"));
    assert_int_equal(index_number("PRAGMA user_version"), 4711);
    struct store *store = NULL;
    const struct store_options options = {.path = w.path, .segment_size = 100000, .wall = wall};
    fault = (struct fault)FAULT_INIT;
    assert_int_equal(local_store.open(&store, &options, &fault), -1);
    assert_string_equal(fault.code, "version");
    fault = (struct fault)FAULT_INIT;
    assert_int_equal(local_store.look(&store, w.path, &fault), -1);
    assert_string_equal(fault.code, "version");
    change_index(arena_printf(w.arena, "PRAGMA user_version = %d", (int)version));
    open_store();
    assert_int_equal(check(), 0);
}

#define SELDOM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SELDOM(damaged_words_are_learnt_anew),
        SELDOM(damaged_words_refuse_no_mail),
        SELDOM(odd_decisions),
        SELDOM(a_decision_is_not_about_a_namesake),
        SELDOM(a_settled_namesake_takes_no_decision_along),
        SELDOM(another_place_in_the_index),
        SELDOM(a_table_that_breaks_its_rules),
        SELDOM(a_body_that_has_moved),
        SELDOM(an_upload_that_is_read_too_early),
        cmocka_unit_test(names_of_segments),
        SELDOM(segments_that_nobody_knows),
        SELDOM(a_path_that_is_relative),
        SELDOM(a_path_that_is_too_long),
        SELDOM(a_look_at_nothing),
        SELDOM(an_index_that_is_no_database),
        SELDOM(a_newer_index_is_not_rebuilt),
        SELDOM(what_says_that_an_index_is_missing),
        SELDOM(searches_of_seldom_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

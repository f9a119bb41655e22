/*
 * postgresql_fixture - for the tests of store/postgresql one by one: a store on the test's server, a batch of one operation, and words to the server.
 * Each test says with all_is_well() how what it has broken works again.
 */
#ifndef MAILWEIR_TESTS_UNIT_POSTGRESQL_FIXTURE_H
#define MAILWEIR_TESTS_UNIT_POSTGRESQL_FIXTURE_H

#include "test.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "store/postgresql/postgresql_link.h"
#include "store/postgresql/postgresql_private.h"
#include "store/postgresql/postgresql_schema.h"
#include "store/store_ask.h"
#include "store/store_batch.h"
#include "store_server.h"

static void all_is_well(void);

/* ---- a store ---- */

static struct store *store;

static int64_t wall(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int open_as(const char *node, struct fault *fault)
{
    const struct store_options options = {.path = place, .wall = wall, .node = node};
    return postgresql_store.open(&store, &options, fault);
}

static int set_up(void **state)
{
    struct fault fault = FAULT_INIT;
    (void)state;
    all_is_well();
    say("UPDATE test_clock SET at = %lld", (long long)wall(NULL));
    if (open_as("tested", &fault) != 0) {
        fail_msg("it cannot be opened: %s", fault.text);
    }
    return 0;
}

static void forget_mail(void)
{
    say("DELETE FROM delivery; DELETE FROM message; DELETE FROM body; DELETE FROM upload; DELETE FROM attempt; DELETE "
        "FROM note; UPDATE tally SET waiting = 0, held = 0, dead = 0, messages = 0");
}

static int tear_down(void **state)
{
    (void)state;
    all_is_well();
    if (store != NULL) {
        store->ops->close(store);
        store = NULL;
    }
    forget_mail();
    return 0;
}

/* The batch is done with when the op leaves its list. */
static enum store_verdict commit_once(struct store_op *op, struct store_batch *batch)
{
    store_batch_init(batch);
    list_init(&op->link);
    store_batch_add(batch, op);
    return store->ops->commit(store, batch);
}

static enum store_verdict commit(struct store_op *op)
{
    struct store_batch batch;
    enum store_verdict verdict = commit_once(op, &batch);
    for (int i = 0; verdict == STORE_IN_LIMBO && i < 3; i++) {
        all_is_well(); /* whoever asks again later reaches it */
        verdict = store->ops->resolve(store, &batch);
        op->fault = verdict == STORE_COMMITTED ? FAULT_INIT : op->fault;
    }
    list_remove(&op->link);
    return verdict;
}

static const struct store_row row = {
    .number = 1, .upstream = "corp", .folder = "INBOX", .rule = "r", .fallback = "other", .doubt = "", .detail = {0}};

/* The op of a message that waits, or of one whose body was uploaded. */
static struct store_op adding(const char *id, struct bytes body, struct store_row *mine)
{
    *mine = row;
    mine->detail = bytes_of("{\"upstream\":\"corp\",\"folder\":\"INBOX\",\"rule\":\"r\",\"fallback\":\"other\"}");
    struct store_op op = {.kind = STORE_ADD_MESSAGE};
    op.add = (struct store_add){.id = id,
                                .sender = "a@x",
                                .received_ms = wall(NULL),
                                .envelope = bytes_of("{\"id\":\"x\",\"from\":\"a@x\"}"),
                                .rows = mine,
                                .count = 1,
                                .body = body};
    return op;
}

static inline void must_commit(struct store_op *op)
{
    assert_int_equal(commit(op), STORE_COMMITTED);
    assert_false(fault_is_set(&op->fault));
}

static inline uint64_t add(const char *id, const char *body)
{
    struct store_row mine;
    struct store_op op = adding(id, bytes_of(body), &mine);
    must_commit(&op);
    return op.add.message;
}

static inline int64_t ask_server(const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    int64_t number = postgresql_number_at(result, 0, 0);
    PQclear(result);
    return number;
}

/* ---- connections ---- */

/* At once, and with what has come and was not read. */
static inline void break_off(int fd)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    close(pair[1]);
    assert_int_equal(dup3(pair[0], fd, O_CLOEXEC), fd);
    close(pair[0]);
}

/* ---- the server ---- */

/* The server has heard of it. */
static inline void until(const char *sql)
{
    time_t deadline = time(NULL) + 60;
    while (ask_server(sql) == 0) {
        assert_true(time(NULL) < deadline);
    }
}

/* A new session has it. */
static inline void set_role(const char *setting)
{
    say("ALTER ROLE CURRENT_USER %s", setting);
}

static inline PGconn *connect_too(void)
{
    PGconn *other = PQconnectdb(place);
    assert_int_equal(PQstatus(other), CONNECTION_OK);
    PQclear(PQexec(other, "SET search_path TO mailweir"));
    return other;
}

static inline void do_well(PGconn *with, const char *sql)
{
    PGresult *result = PQexec(with, sql);
    assert_true(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK);
    PQclear(result);
}

/* The same server's database of another name. */
static inline void name_database(const char *name, char out[600])
{
    const char *at = strstr(place, "dbname=");
    assert_non_null(at);
    size_t rest = strcspn(at, " ");
    snprintf(out, 600, "%.*sdbname=%s%s", (int)(at - place), place, name, at + rest);
}

static inline void in_database(const char *other, const char *sql)
{
    PGconn *there = PQconnectdb(other);
    assert_int_equal(PQstatus(there), CONNECTION_OK);
    do_well(there, "SET client_min_messages TO warning");
    do_well(there, sql);
    PQfinish(there);
}

/* Its tables are those of that version. */
static inline void make_version(const char *other, int version)
{
    static char step[100000];
    in_database(other, "CREATE SCHEMA mailweir");
    for (int i = 0; i < version; i++) {
        snprintf(step, sizeof step, "SET search_path TO mailweir; %s; SET search_path TO mailweir",
                 postgresql_schema_steps[i]);
        in_database(other, step);
    }
}

/* ---- calls that leave all as it was; their result ---- */

static inline int call_open(void)
{
    struct fault fault = FAULT_INIT;
    struct store *own = store;
    int result = open_as("another", &fault);
    if (result == 0) {
        store->ops->close(store);
    }
    store = own;
    return result;
}

static inline int call_look(void)
{
    struct fault fault = FAULT_INIT;
    struct store *looking;
    int result = postgresql_store.look(&looking, place, &fault);
    if (result == 0) {
        looking->ops->close(looking);
    }
    return result;
}

static inline int call_check(void)
{
    struct fault fault = FAULT_INIT;
    struct buf words;
    buf_init(&words, 2000);
    int result = postgresql_check(place, wall(NULL), &words, &words, &fault);
    buf_done(&words);
    return result;
}

static inline int call_mend(void)
{
    struct store_counts counts;
    struct fault fault = FAULT_INIT;
    return store->ops->mend(store, &counts, &fault);
}

#endif

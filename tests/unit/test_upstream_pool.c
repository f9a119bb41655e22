/* upstream_pool: when it connects and when not, what waits while an upstream is down, what it tells; its connections are this file's. */
#include "upstream_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

static unsigned made, cut, pumps;
static void (*on_pump)(void); /* called by the next pump */

/* ---- connections ---- */

struct upstream_connection *__wrap_upstream_connection_new(struct upstream_pool *pool);
void __wrap_upstream_connection_pump(struct upstream_connection *connection);
void __wrap_upstream_connection_cut(struct upstream_connection *connection, const struct fault *fault);
const char *__wrap_net_stream_peer(const struct net_stream *stream);
const char *__wrap_net_stream_tls_version(const struct net_stream *stream);
const char *__wrap_net_stream_tls_cipher(const struct net_stream *stream);
const char *__wrap_net_stream_tls_peer(const struct net_stream *stream);
int64_t __wrap_net_stream_tls_peer_expires(const struct net_stream *stream);

struct upstream_connection *__wrap_upstream_connection_new(struct upstream_pool *pool)
{
    struct upstream_connection *connection = calloc(1, sizeof *connection);
    struct imapc_engine_options options = {.username = "relay", .password = "relaypw"};
    connection->pool = pool;
    connection->engine = imapc_engine_new(&options, 0);
    made++;
    return connection;
}

void __wrap_upstream_connection_pump(struct upstream_connection *connection)
{
    (void)connection;
    void (*call)(void) = on_pump;
    on_pump = NULL;
    pumps++;
    if (call != NULL) {
        call();
    }
}

static void gone(struct upstream_connection *connection, const struct fault *fault, bool was_ready, bool crowded)
{
    struct fault none = FAULT_INIT;
    struct imapc_request why = {.fault = fault != NULL ? fault : &none, .crowded = crowded};
    upstream_members_left(connection->pool, connection, &why, was_ready);
    imapc_engine_free(&connection->engine);
    free(connection);
}

void __wrap_upstream_connection_cut(struct upstream_connection *connection, const struct fault *fault)
{
    cut++;
    gone(connection, fault, connection->ready, false);
}

const char *__wrap_net_stream_peer(const struct net_stream *stream)
{
    (void)stream;
    return "192.0.2.1";
}
const char *__wrap_net_stream_tls_version(const struct net_stream *stream)
{
    (void)stream;
    return NULL;
}
const char *__wrap_net_stream_tls_cipher(const struct net_stream *stream)
{
    (void)stream;
    return NULL;
}
const char *__wrap_net_stream_tls_peer(const struct net_stream *stream)
{
    (void)stream;
    return NULL;
}
int64_t __wrap_net_stream_tls_peer_expires(const struct net_stream *stream)
{
    (void)stream;
    return net_wall(fixture.loop) / 1000 + 3600;
}

static struct upstream_connection *nth(size_t index)
{
    struct list *link = fixture.pool->connections.next;
    while (index-- > 0) {
        link = link->next;
    }
    assert_ptr_not_equal(link, &fixture.pool->connections);
    return LIST_ITEM(link, struct upstream_connection, link);
}

static void connected(struct upstream_connection *connection)
{
    connection->ready = true;
    upstream_members_joined(fixture.pool, connection);
}

/* ---- the loop ---- */

static void on_turn(void *ctx)
{
    net_loop_stop(ctx);
}

/* Until what is ready now is done. */
static void turn(void)
{
    struct net_timer *timer = net_timer_new(fixture.loop, on_turn, fixture.loop);
    net_timer_start(timer, 5);
    net_loop_run(fixture.loop);
    net_timer_free(&timer);
}

static void begin(const struct upstream_account *account)
{
    struct upstream_account usual = fixture_account();
    made = cut = 0;
    fixture_begin(account != NULL ? account : &usual);
}

static void take_everything(void)
{
    while (upstream_backlog_take_any(fixture.pool) != NULL) {
    }
}

static struct fault fault_of(enum fault_class class, const char *where)
{
    struct fault fault = FAULT_INIT;
    fault_set(&fault, class, "refused", where, "no");
    return fault;
}

/* ---- tests ---- */

/* One connection tries; when it stands, as many follow as work asks for, up to the limit. */
static void test_one_goes_first(void **state)
{
    struct upstream_account account = fixture_account();
    char folder[100][4];
    (void)state;
    account.settings[UPSTREAM_CONNECTIONS] = 4;
    begin(&account);
    turn();
    assert_int_equal(made, 0); /* nothing to do */
    for (int i = 0; i < 10; i++) {
        snprintf(folder[i], sizeof folder[i], "F%d", i);
        submit(folder[i], 100, false);
    }
    turn();
    turn();
    assert_int_equal(made, 1);
    connected(nth(0));
    turn();
    assert_int_equal(made, 4);
    struct upstream_pool_state seen;
    upstream_pool_state(fixture.pool, &seen);
    assert_int_equal(seen.connections, 4);
    assert_int_equal(seen.ready, 1);
    take_everything();
    fixture_end();
    assert_int_equal(cut, 4);
}

/* What waits is answered at once, and told when it is worth another try; nothing connects before. */
static void test_down(void **state)
{
    struct fault fault = fault_of(FAULT_TEMP, "connect");
    (void)state;
    begin(NULL);
    submit_many("A", 3);
    turn();
    gone(nth(0), &fault, false, false);
    turn();
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fixture.appends[i].answers, 1);
        assert_true(fixture.appends[i].outcome.account);
        assert_string_equal(fixture.appends[i].outcome.fault.code, "refused");
        assert_in_range(fixture.appends[i].outcome.retry_after_ms, 5000, 10000);
    }
    submit_many("A", 1);
    turn();
    assert_int_equal(fixture.appends[3].answers, 1);
    assert_int_equal(made, 1);
    fixture.pool->outage.until = 0; /* the pause is over */
    submit_many("A", 1);
    turn();
    assert_int_equal(made, 2);
    connected(nth(0));
    assert_int_equal(outage_failures(&fixture.pool->outage), 0);
    take_everything();
    fixture_end();
}

/* A refused password is no property of the messages, and is not tried again soon. */
static void test_refused_password(void **state)
{
    struct fault fault = fault_of(FAULT_PERM, "login");
    (void)state;
    begin(NULL);
    submit_many("A", 1);
    turn();
    gone(nth(0), &fault, false, false);
    turn();
    assert_int_equal(fixture.appends[0].outcome.fault.class, FAULT_TEMP);
    assert_true(fixture.appends[0].outcome.retry_after_ms >= 30000);
    fixture_end();
}

/* The server has too many of our connections: those that stand go on, and no more are made. */
static void test_crowded(void **state)
{
    struct fault fault = fault_of(FAULT_TEMP, "login");
    (void)state;
    begin(NULL);
    submit_many("A", 1);
    submit_many("B", 1);
    submit_many("C", 1);
    turn();
    connected(nth(0));
    turn();
    assert_true(made > 1);
    unsigned before = made;
    while (fixture.pool->connection_count > 1) {
        gone(nth(fixture.pool->connection_count - 1), &fault, false, true);
    }
    turn();
    assert_int_equal(made, before);
    assert_int_equal(outage_failures(&fixture.pool->outage), 0);
    assert_int_equal(fixture.appends[0].answers, 0);
    fixture.pool->crowded_until = 1; /* long ago */
    upstream_core_kick(fixture.pool);
    turn();
    assert_true(made > before);
    take_everything();
    fixture_end();
}

/* The second connection is refused in words of a wrong password, while the first is in with the same one: it is the number of connections. */
static void test_crowded_in_other_words(void **state)
{
    struct fault fault = FAULT_INIT;
    (void)state;
    fault_set(&fault, FAULT_PERM, "authentication", "login", "LOGIN failed.");
    begin(NULL);
    submit_many("A", 1);
    submit_many("B", 1);
    turn();
    connected(nth(0));
    nth(0)->ready = true;
    turn();
    assert_true(fixture.pool->connection_count > 1);
    while (fixture.pool->connection_count > 1) {
        gone(nth(fixture.pool->connection_count - 1), &fault, false, false);
    }
    turn();
    assert_int_equal(outage_failures(&fixture.pool->outage), 0);
    assert_int_equal(fixture.pool->connection_most, 1);
    assert_int_equal(fixture.appends[0].answers + fixture.appends[1].answers, 0);
    nth(0)->leaving = true;
    gone(nth(0), NULL, true, false);
    turn();
    gone(nth(0), &fault, false, false); /* nobody is in: now it is the password */
    assert_int_equal(outage_failures(&fixture.pool->outage), 1);
    assert_int_equal(fixture.pool->outage.cause, OUTAGE_LOGIN);
    turn();
    fixture_end();
}

/* Sessions that end behind the login: the second one is the account's failure, and what waits is answered with the server's words. */
static void test_sessions_that_end(void **state)
{
    struct fault bye = fault_of(FAULT_TEMP, "bye");
    (void)state;
    begin(NULL);
    submit_many("A", 3);
    turn();
    connected(nth(0));
    gone(nth(0), &bye, true, false);
    turn();
    assert_int_equal(made, 2); /* one may be chance */
    connected(nth(0));
    gone(nth(0), &bye, true, false);
    turn();
    assert_int_equal(made, 2);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fixture.appends[i].answers, 1);
        assert_true(fixture.appends[i].outcome.account);
        assert_string_equal(fixture.appends[i].outcome.fault.code, "refused");
        assert_in_range(fixture.appends[i].outcome.retry_after_ms, 5000, 10000);
    }
    fixture_end();
}

/* Sessions that we end for a reason of our own, over whatever messages, are not the account's failure. */
static void test_sessions_that_we_end(void **state)
{
    struct fault lease = fault_of(FAULT_LOCAL, "append");
    (void)state;
    begin(NULL);
    submit_many("A", 3);
    turn();
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(made, i);
        connected(nth(0));
        nth(0)->killer = i;
        gone(nth(0), &lease, true, false);
        turn();
    }
    assert_int_equal(outage_failures(&fixture.pool->outage), 0);
    assert_int_equal(fixture.appends[0].answers, 0);
    take_everything();
    fixture_end();
}

/* The server says that the account is to wait: nothing more is handed to the connections that stand, and what waits is answered. */
static void test_account_refused(void **state)
{
    (void)state;
    begin(NULL);
    submit_many("A", 1);
    submit_many("B", 5);
    turn();
    connected(nth(0));
    struct upstream_connection *connection = nth(0);
    connection->ready = true;
    connection->task = upstream_task_take(fixture.pool, false);
    struct imapc_result throttled = {.account = true};
    fault_set(&throttled.fault, FAULT_TEMP, "throttled", "append", "bandwidth limits");
    upstream_health_result(connection, &throttled);
    assert_in_range(throttled.retry_after_ms, 5000, 10000);
    upstream_task_finish(fixture.pool, &connection->task, &throttled, false, 1);
    assert_true(upstream_health_is_down(fixture.pool));
    turn();
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(fixture.appends[i].answers, 1);
        assert_true(fixture.appends[i].outcome.account);
        /* Those that were not sent do not tell the server's words as their own. */
        assert_string_equal(fixture.appends[i].outcome.fault.text,
                            i == 0 ? "bandwidth limits"
                                   : "bandwidth limits (that was another message, this one was not sent)");
        assert_string_equal(fixture.appends[i].outcome.fault.code, "throttled");
    }
    fixture.pool->outage.until = 0;
    submit_many("A", 1);
    connection->task = upstream_task_take(fixture.pool, false);
    struct imapc_result filed = {0};
    upstream_health_result(connection, &filed);
    upstream_task_finish(fixture.pool, &connection->task, &filed, false, 1);
    assert_int_equal(outage_failures(&fixture.pool->outage), 0);
    fixture_end();
}

static void test_daily_budget(void **state)
{
    struct upstream_account account = fixture_account();
    (void)state;
    account.settings[UPSTREAM_DAILY_OCTETS] = 350;
    begin(&account);
    submit_many("A", 3);
    turn();
    connected(nth(0));
    struct upstream_task *task = upstream_task_take(fixture.pool, false);
    struct imapc_result done = {0};
    upstream_task_finish(fixture.pool, &task, &done, false, 1);
    task = upstream_task_take(fixture.pool, true); /* two: it ends within the budget */
    assert_int_equal(task->count, 2);
    upstream_task_finish(fixture.pool, &task, &done, false, 1);
    submit_many("A", 1);
    turn();
    assert_string_equal(fixture.appends[3].outcome.fault.code, "daily-budget");
    assert_true(fixture.appends[3].outcome.retry_after_ms > 86000000);
    fixture.pool->day_began -= UPSTREAM_DAY_MS; /* the next day */
    submit_many("A", 1);
    turn();
    assert_int_equal(fixture.appends[4].answers, 0);
    take_everything();
    fixture_end();
}

static void submit_c(void)
{
    submit("C", 100, false);
}

/* What comes while work is handed out is handed out next, also while a doubt must wait for its time. */
static void test_a_doubt_holds_up_nobody(void **state)
{
    struct upstream_account account = fixture_account();
    (void)state;
    account.settle_ms = 60000;
    begin(&account);
    submit("Doubt", 100, true);
    submit("A", 100, false);
    submit("B", 100, false);
    turn();
    connected(nth(0));
    turn();
    assert_true(made >= 2);
    connected(nth(1));
    turn();
    pumps = 0;
    on_pump = submit_c;
    upstream_core_kick(fixture.pool);
    turn();
    assert_true(pumps >= 4); /* each of the two connections once more */
    take_everything();
    fixture_end();
}

/* ---- over a restart ---- */

static void restart_with(const struct upstream_account *account, const struct upstream_pace *pace)
{
    fixture_end();
    begin(account);
    upstream_pool_set_pace(fixture.pool, pace);
}

static void test_budget_over_a_restart(void **state)
{
    struct upstream_account account = fixture_account();
    struct upstream_pace pace;
    (void)state;
    account.settings[UPSTREAM_DAILY_OCTETS] = 250;
    begin(&account);
    submit_many("A", 2);
    turn();
    connected(nth(0));
    struct upstream_task *task = upstream_task_take(fixture.pool, true);
    struct imapc_result done = {0};
    upstream_task_finish(fixture.pool, &task, &done, false, 1);
    upstream_pool_pace(fixture.pool, &pace);
    assert_int_equal(pace.day_octets, 200); /* a third one would overrun it */
    restart_with(&account, &pace);
    assert_false(upstream_core_affords(fixture.pool, 100));
    assert_true(upstream_core_affords(fixture.pool, 50));
    pace.day_began_ms -= (int64_t)UPSTREAM_DAY_MS; /* the restart took a day */
    restart_with(&account, &pace);
    assert_true(upstream_core_affords(fixture.pool, 100));
    pace.day_began_ms += 10 * (int64_t)UPSTREAM_DAY_MS; /* the clock was wrong then, or is now */
    restart_with(&account, &pace);
    assert_true(upstream_core_affords(fixture.pool, 100));
    assert_true(upstream_core_affords(fixture.pool, 1000)); /* larger than a day: it has one of its own */
    fixture_end();
}

/* What is left of the day, and whether it lasts at this pace. */
static void test_daily_forecast(void **state)
{
    struct upstream_account account = fixture_account();
    struct upstream_pool_state seen;
    (void)state;
    begin(&account);
    upstream_pool_state(fixture.pool, &seen);
    assert_int_equal(seen.daily.limit, 0);
    fixture_end();
    account.settings[UPSTREAM_DAILY_OCTETS] = 1000;
    begin(&account);
    upstream_pool_state(fixture.pool, &seen);
    assert_true(seen.daily.limit == 1000 && seen.daily.used == 0 && seen.daily.spent_in_ms == UINT64_MAX);
    fixture.pool->day_began -= 6 * UINT64_C(3600000);
    fixture.pool->day_octets = 100; /* 400 by the end of the day */
    upstream_pool_state(fixture.pool, &seen);
    assert_true(seen.daily.used == 100 && seen.daily.spent_in_ms == UINT64_MAX);
    assert_in_range(seen.daily.ends_in_ms, 17 * 3600000, 18 * 3600000 + 60000);
    fixture.pool->day_octets = 500;
    upstream_pool_state(fixture.pool, &seen);
    assert_in_range(seen.daily.spent_in_ms, 5 * 3600000, 6 * 3600000 + 60000);
    fixture.pool->day_octets = 1000;
    upstream_pool_state(fixture.pool, &seen);
    assert_int_equal(seen.daily.spent_in_ms, 0);
    fixture.pool->day_began -= 20 * UINT64_C(3600000);
    upstream_pool_state(fixture.pool, &seen);
    assert_int_equal(seen.daily.used, 0);
    fixture_end();
}

/* Only what the server asked for, or a refused password, is worth to be known again. */
static void test_pauses_over_a_restart(void **state)
{
    struct fault refused = fault_of(FAULT_PERM, "login"), down = fault_of(FAULT_TEMP, "connect");
    struct upstream_pace pace;
    (void)state;
    begin(NULL);
    submit_many("A", 1);
    turn();
    gone(nth(0), &down, false, false);
    upstream_pool_pace(fixture.pool, &pace);
    assert_true(pace.not_before_ms == 0);
    fixture.pool->outage.until = 0;
    turn();
    submit_many("A", 1);
    turn();
    gone(nth(0), &refused, false, false);
    upstream_pool_pace(fixture.pool, &pace);
    assert_true(pace.login && pace.not_before_ms > net_wall(fixture.loop) + 30000);
    assert_int_equal(pace.failures, 2);
    turn();
    restart_with(NULL, &pace);
    submit_many("A", 1);
    turn();
    assert_int_equal(made, 0);
    assert_string_equal(fixture.appends[0].outcome.fault.code, "refused");
    upstream_pool_try_now(fixture.pool);
    submit_many("A", 1);
    turn();
    assert_int_equal(made, 1);
    connected(nth(0));
    upstream_pool_pace(fixture.pool, &pace);
    assert_true(pace.not_before_ms == 0);
    struct upstream_task *task = upstream_task_take(fixture.pool, false);
    struct imapc_result throttled = {.account = true, .retry_after_ms = 300000};
    fault_set(&throttled.fault, FAULT_TEMP, "throttled", "append", "later");
    struct upstream_connection *connection = nth(0);
    connection->task = task;
    upstream_health_result(connection, &throttled);
    upstream_task_finish(fixture.pool, &task, &throttled, false, 1);
    upstream_pool_pace(fixture.pool, &pace);
    assert_true(!pace.login && pace.not_before_ms > net_wall(fixture.loop) + 290000);
    assert_string_equal(pace.fault.code, "throttled");
    assert_int_equal(pace.pause_ms, 300000);
    pace.not_before_ms += 3600000; /* the clock was put back by an hour before the restart */
    restart_with(NULL, &pace);
    upstream_pool_pace(fixture.pool, &pace);
    assert_true(pace.not_before_ms <= net_wall(fixture.loop) + 300000);
    fixture_end();
}

static void test_state(void **state)
{
    struct upstream_pool_state seen;
    (void)state;
    begin(NULL);
    upstream_pool_state(fixture.pool, &seen);
    assert_int_equal(seen.connections, 0);
    assert_true(seen.token_expires_s == INT64_MIN && seen.certificate_expires_s == INT64_MIN &&
                seen.own_expires_s == INT64_MIN);
    submit_many("A", 1);
    turn();
    connected(nth(0));
    upstream_pool_state(fixture.pool, &seen);
    assert_int_equal(seen.ready, 1);
    assert_in_range(seen.certificate_expires_s, 3590, 3600);
    take_everything();
    gone(nth(0), NULL, true, false);
    upstream_pool_state(fixture.pool, &seen);
    assert_in_range(seen.certificate_expires_s, 3590, 3600); /* as it was seen last */
    fixture_end();
}

/* What waits and what comes in an operator's pause goes back untouched, also what a task gives back for another try. */
static void test_halt(void **state)
{
    (void)state;
    begin(NULL);
    submit_many("A", 1);
    submit_many("B", 1);
    turn();
    connected(nth(0));
    struct upstream_task *task = upstream_task_take(fixture.pool, true);
    nth(0)->task = task;
    upstream_pool_halt(fixture.pool, true);
    assert_null(upstream_task_take(fixture.pool, true));
    turn();
    assert_string_equal(fixture.appends[1].outcome.fault.code, UPSTREAM_HALTED);
    assert_int_equal(fixture.appends[1].outcome.fault.class, FAULT_LOCAL);
    assert_int_equal(upstream_pool_waiting(fixture.pool), 1); /* what is under way goes on */
    submit_many("C", 1);
    turn();
    assert_string_equal(fixture.appends[2].outcome.fault.code, UPSTREAM_HALTED);
    struct imapc_result good = {0};
    upstream_task_finish(fixture.pool, &task, &good, false, 1);
    nth(0)->task = NULL;
    assert_false(fault_is_set(&fixture.appends[0].outcome.fault));
    upstream_pool_halt(fixture.pool, false);
    submit_many("D", 1);
    turn();
    assert_int_equal(upstream_pool_waiting(fixture.pool), 1);
    take_everything();
    fixture_end();
}

static void on_drained(void *ctx)
{
    *(bool *)ctx = true;
}

/* What waits goes back untouched, who still connects is ended, who works may finish until the deadline. */
static void test_drain(void **state)
{
    bool drained = false;
    (void)state;
    begin(NULL);
    submit_many("A", 1);
    submit_many("B", 1);
    turn();
    connected(nth(0));
    struct upstream_task *task = upstream_task_take(fixture.pool, true);
    nth(0)->task = task;
    turn();
    assert_true(made >= 2);
    upstream_pool_drain(fixture.pool, 3600000, on_drained, &drained);
    turn();
    assert_int_equal(cut, made - 1);
    assert_string_equal(fixture.appends[1].outcome.fault.code, "shutdown");
    assert_int_equal(fixture.appends[1].outcome.fault.class, FAULT_LOCAL);
    assert_false(drained);
    struct imapc_result lost = failed(FAULT_UNCERTAIN, "connection-lost");
    upstream_task_finish(fixture.pool, &task, &lost, false, 1);
    net_timer_start(fixture.pool->drain_timer, 0); /* the deadline comes, which cuts the connection */
    for (int tries = 0; !drained && tries < 1000; tries++) {
        turn();
    }
    assert_true(drained);
    assert_int_equal(cut, made);
    fixture_end();
}

/* ---- tokens ---- */

static char directory[] = "/tmp/mailweir-pool-XXXXXX";

static void write_program(char path[64], const char *text)
{
    snprintf(path, 64, "%s/get", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", text);
    fclose(file);
    assert_int_equal(chmod(path, 0700), 0);
}

static void turn_until_made(unsigned wanted)
{
    for (int tries = 0; made < wanted && tries < 2000; tries++) {
        turn();
    }
    assert_int_equal(made, wanted);
}

static unsigned runs(void)
{
    char path[64];
    struct stat seen;
    snprintf(path, sizeof path, "%s/runs", directory);
    return stat(path, &seen) == 0 ? (unsigned)seen.st_size : 0;
}

/* What a crash finds handed out was sent to nobody knows which of several addresses: a look at one proves nothing of the others. */
static void test_origin(void **state)
{
    struct upstream_account account = fixture_account();
    struct upstream_origin origin;
    (void)state;
    fixture_begin(&account);
    upstream_pool_origin(fixture.pool, &origin);
    assert_string_equal(origin.account, "relay");
    assert_true(origin.place == upstream_place_print(fixture.pool, 0) && origin.place != DOUBT_PLACES);
    fixture_end();
    account = fixture_account();
    account.places[1].address.port = 993;
    account.place_count = 2;
    fixture_begin(&account);
    upstream_pool_origin(fixture.pool, &origin);
    assert_true(origin.place == DOUBT_PLACES);
    fixture_end();
}

/* One fetch serves the pool; a token that is refused is fetched anew, one that worked is not. */
static void test_token(void **state)
{
    struct upstream_account account = fixture_account();
    char path[64], text[300];
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(text, sizeof text, "printf x >>%s/runs; echo '{\"access_token\":\"abc\",\"expires_in\":3600}'", directory);
    write_program(path, text);
    const char *command[] = {path, NULL};
    struct upstream_token_options options = {.command = command, .timeout_ms = 10000};
    account.token = &options;
    begin(&account);
    submit_many("A", 1);
    submit_many("B", 1);
    turn_until_made(1);
    connected(nth(0));
    turn_until_made(3); /* one for each folder */
    assert_int_equal(runs(), 1);
    struct upstream_pool_state seen;
    upstream_pool_state(fixture.pool, &seen);
    assert_in_range(seen.token_expires_s, 3500, 3600);
    nth(2)->leaving = true;
    gone(nth(2), NULL, true, false);
    turn_until_made(4);
    assert_int_equal(runs(), 1);
    struct fault fault = fault_of(FAULT_TEMP, "login");
    while (fixture.pool->connection_count > 0) {
        gone(nth(0), &fault, false, false);
    }
    fixture.pool->outage.until = 0;
    upstream_core_kick(fixture.pool);
    turn_until_made(5);
    assert_int_equal(runs(), 2);
    take_everything();
    fixture_end();
    snprintf(text, sizeof text, "rm -r %s", directory);
    assert_int_equal(system(text), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_goes_first),
        cmocka_unit_test(test_down),
        cmocka_unit_test(test_refused_password),
        cmocka_unit_test(test_crowded),
        cmocka_unit_test(test_daily_forecast),
        cmocka_unit_test(test_crowded_in_other_words),
        cmocka_unit_test(test_sessions_that_end),
        cmocka_unit_test(test_sessions_that_we_end),
        cmocka_unit_test(test_account_refused),
        cmocka_unit_test(test_daily_budget),
        cmocka_unit_test(test_a_doubt_holds_up_nobody),
        cmocka_unit_test(test_budget_over_a_restart),
        cmocka_unit_test(test_pauses_over_a_restart),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_halt),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_origin),
        cmocka_unit_test(test_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

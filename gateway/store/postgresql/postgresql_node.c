/*
 * postgresql_node - this start of mailweir as one of those that share the database: its epoch, its lease, and what
 * others left.
 *
 * An earlier start under the same name has died when it has no connection any more: what it had in its hands is in
 * doubt, and free, at once. Of others that is so when their lease has run out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "net/net_poll.h"
#include "store/postgresql/postgresql_private.h"
#include "store/store_lease.h"

/* How often, and after how long, it is asked again whether an earlier start of ours has gone. */
#define GONE_TRIES 20
#define GONE_MS    50

#define NAME_MAX_LEN 200
/* Of what others had in hand so much is freed with one beat: a part of a second's work. */
#define TAKEN_MOST INT64_C(1000)

static int64_t ask_number(struct postgresql_link *link, const char *sql, const struct postgresql_values *values,
                          struct fault *fault)
{
    PGresult *result = postgresql_ask(link, sql, values, false, fault);
    int64_t number = result == NULL ? -1 : PQntuples(result) == 0 ? 0 : postgresql_number_at(result, 0, 0);
    PQclear(result);
    return number;
}

/* The same with two numbers as $1 and $2. */
static int64_t ask_of_two(struct postgresql_link *link, struct arena *arena, const char *sql, int64_t first,
                          int64_t second, struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, first);
    postgresql_add_number(&values, second);
    return ask_number(link, sql, &values, fault);
}

static uint64_t lease_of(const struct postgresql *pg)
{
    return store_lease_of(pg->options.lease_ms);
}

struct dead {
    int64_t epoch;
    const char *name;
    bool is_ended; /* by somebody who has not freed all of it yet */
};

/* Its right to write ends, and with it all that it has open. Whether that is our doing; -1. */
static int64_t end_epoch(struct postgresql_link *link, const struct postgresql_values *epoch, struct fault *fault)
{
    /* A connection of it that lies in the middle of a transaction would hold us up, and cannot end well any more. */
    static const char let_go[] =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'mailweir ' ||"
        " $1::bigint AND pid <> pg_backend_pid() AND usename = current_user";
    static const char end[] = "WITH gone AS (DELETE FROM fence WHERE epoch = $1 RETURNING epoch), told AS (UPDATE node "
                              "SET ended = now() WHERE epoch IN (SELECT epoch FROM gone) AND ended IS NULL)"
                              " SELECT count(*) FROM gone";
    int64_t ended = ask_number(link, let_go, epoch, fault) < 0 ? -1 : ask_number(link, end, epoch, fault);
    return ended > 0 && postgresql_say(link, "SELECT tell_others()", fault) != 0 ? -1 : ended;
}

/* Some of what an epoch that was ended has in hand, and that nobody else frees at this moment. How many; -1. */
static int64_t free_some(struct postgresql_link *link, struct arena *arena, int64_t epoch, int64_t most,
                         struct fault *fault)
{
    static const char sql[] =
        "WITH free AS (UPDATE delivery SET uncertain = uncertain OR state = 0, handed = 0 WHERE ctid = ANY (ARRAY("
        "SELECT ctid FROM delivery WHERE handed = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) AND handed = $1 RETURNING 1)"
        " SELECT count(*) FROM free";
    int64_t some = ask_of_two(link, arena, sql, epoch, most, fault);
    return some > 0 && postgresql_say(link, "SELECT tell_others()", fault) != 0 ? -1 : some;
}

/* The rest: its counts are heir's, or when that was ended, too, and does not know it yet, nobody's. Who comes second
 * waits at them, and finds none. How many were still in its hands; -1. */
static int64_t finish_epoch(struct postgresql_link *link, struct arena *arena, int64_t epoch, int64_t heir,
                            struct fault *fault)
{
    static const char sql[] =
        "WITH old AS MATERIALIZED (SELECT FROM tally WHERE epoch = $1 FOR UPDATE) SELECT take_over($1, coalesce((SELECT"
        " t.epoch FROM tally t WHERE t.epoch = $2 FOR KEY SHARE), 0)) WHERE EXISTS (SELECT FROM old) OR NOT EXISTS"
        " (SELECT FROM tally WHERE epoch = $1)";
    return ask_of_two(link, arena, sql, epoch, heir, fault);
}

/* deliveries: of the first part; to count the rest would take as long as it does. */
static void log_taken_over(const struct postgresql *pg, const struct dead *dead, int64_t deliveries, bool has_more)
{
    log_event(pg->options.log, LOG_LEVEL_WARNING, "node_taken_over", LOG_STR("node", dead->name),
              LOG_INT("epoch", (uint64_t)dead->epoch), LOG_INT("deliveries", (uint64_t)deliveries),
              LOG_STR("note", has_more ? "these are the first ones, and more follow" : NULL),
              LOG_STR("reason", "the node ended, or was cut off, without giving back its deliveries: each of them "
                                "is looked for on its server before it is sent again; see whether that node runs"));
}

/*
 * What was in many hands is much, and who takes it over in one go would not say meanwhile that he lives. So what is
 * ended is freed a part at a time; until nothing is left its counts stay, and whoever sees counts of one that was ended
 * goes on. How many of `most` were freed, with most when there may be more; -1.
 */
static int64_t take_over(struct postgresql *pg, struct postgresql_link *link, const struct dead *dead, int64_t heir,
                         int64_t most, bool *was_us_r, struct fault *fault)
{
    struct arena *arena = arena_new(10000);
    struct postgresql_values epoch = postgresql_values_new(arena);
    postgresql_add_number(&epoch, dead->epoch);
    int64_t ended = dead->is_ended ? 0 : end_epoch(link, &epoch, fault), some = -1;
    *was_us_r = ended > 0;
    if (ended >= 0) {
        some = free_some(link, arena, dead->epoch, most, fault);
    }
    if (ended > 0 && dead->name != NULL) {
        log_taken_over(pg, dead, some < 0 ? 0 : some, some == most);
    }
    if (some >= 0 && some < most) {
        int64_t rest = finish_epoch(link, arena, dead->epoch, heir, fault);
        some = rest < 0 ? -1 : some + rest < most ? some + rest : most - 1;
    }
    arena_free(&arena);
    return some;
}

/* Connections of a process that was killed are gone in a moment, but not before us. Whoever has some still lives. */
static void wait_for_the_dead(struct postgresql *pg, struct postgresql_link *link, struct arena *arena,
                              const char *name)
{
    static const char sql[] = "SELECT count(*) FROM node n JOIN fence f USING (epoch) JOIN pg_stat_activity a"
                              " ON a.application_name = 'mailweir ' || n.epoch WHERE n.epoch <> $1 AND n.name = $2";
    struct fault fault = FAULT_INIT;
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, (int64_t)atomic_load(&pg->epoch));
    postgresql_add_text(&values, name);
    for (int i = 0; i < GONE_TRIES && ask_number(link, sql, &values, &fault) > 0; i++) {
        disregard(net_poll_wait(PQsocket(link->conn), false, GONE_MS));
    }
}

/* same: of an earlier start under our own name, too. How many deliveries were taken, TAKEN_MOST when there may be more;
 * -1. What an epoch has left is found by its counts: its node is forgotten after a day. */
static int64_t take_over_dead(struct postgresql *pg, struct postgresql_link *link, bool same, const char *name,
                              uint64_t *nodes_r, struct fault *fault)
{
    static const char sql[] =
        "SELECT e.epoch, n.name, f.epoch IS NULL FROM (SELECT epoch FROM fence UNION SELECT epoch FROM tally) e"
        " LEFT JOIN node n USING (epoch) LEFT JOIN fence f USING (epoch) WHERE e.epoch NOT IN (0, $1) AND (f.epoch IS"
        " NULL OR (n.name = $2 AND $4 AND NOT"
        " EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.application_name = 'mailweir ' || e.epoch))"
        " OR n.lease_until + $3 * interval '1 millisecond' < clock_timestamp()) ORDER BY 1";
    struct arena *arena = arena_new(1u << 20);
    struct postgresql_values values = postgresql_values_new(arena);
    int64_t epoch = (int64_t)atomic_load(&pg->epoch);
    postgresql_add_number(&values, epoch);
    postgresql_add_text(&values, name);
    postgresql_add_number(&values, STORE_LEASE_GRACE_MS);
    postgresql_add_truth(&values, same);
    /* Asked only at the start: a node that runs has its own name itself, and whoever else runs under it is alive. */
    if (same) {
        wait_for_the_dead(pg, link, arena, name);
    }
    PGresult *all = postgresql_ask(link, sql, &values, false, fault);
    int64_t taken = all == NULL ? -1 : 0;
    for (int row = 0; taken >= 0 && taken < TAKEN_MOST && row < PQntuples(all); row++) {
        const struct dead dead = {postgresql_number_at(all, row, 0), PQgetvalue(all, row, 1),
                                  postgresql_truth_at(all, row, 2)};
        bool was_us = false;
        int64_t some = take_over(pg, link, &dead, epoch, TAKEN_MOST - taken, &was_us, fault);
        taken = some < 0 ? -1 : taken + some;
        *nodes_r += was_us;
    }
    PQclear(all);
    arena_free(&arena);
    return taken;
}

static void name_of(const struct postgresql *pg, char name[NAME_MAX_LEN])
{
    char machine[100];
    net_poll_host(machine, sizeof machine);
    snprintf(name, NAME_MAX_LEN, "%s%s", pg->options.node == NULL ? machine : pg->options.node,
             pg->options.brief ? " (a command)" : "");
}

/* What no standby has would be gone with this server, and whoever took its place would know nothing of this node. */
static int expect_synced(struct postgresql_link *link, struct fault *fault)
{
    if (link->had_notice) {
        fault_set(fault, FAULT_LOCAL, "unsynced", "postgresql",
                  "PostgreSQL stopped waiting for its standby, so what was written may lie on one disk alone");
        return -1;
    }
    return 0;
}

int postgresql_node_follow(struct postgresql *pg, struct postgresql_link *link, struct fault *fault)
{
    struct arena *arena = arena_new(10000);
    struct postgresql_values values = postgresql_values_new(arena);
    uint64_t epoch = atomic_load(&pg->epoch), last = atomic_load(&pg->durable);
    /* The key of another epoch would be looked for in vain. */
    last = atomic_load(&pg->epoch) == epoch ? last : 0;
    postgresql_add_number(&values, (int64_t)epoch);
    postgresql_add_number(&values, (int64_t)last);
    postgresql_add_number(&values, (int64_t)lease_of(pg));
    int64_t lost = ask_number(link, "SELECT follow($1, $2, $3)::int", &values, fault);
    arena_free(&arena);
    if (lost > 0) {
        log_event(
            pg->options.log, LOG_LEVEL_ERROR, "history_lost", LOG_INT("epoch", epoch),
            LOG_STR("reason",
                    "another PostgreSQL server, or a copy, has taken the place of the one before and may lack its "
                    "last changes: mail that was acknowledged last may be lost, and all mail that waits is "
                    "looked for on its server before it is sent. The nodes go on by themselves; find out what "
                    "senders sent in the last moments before"));
    }
    return (int)lost;
}

int postgresql_node_join(struct postgresql *pg, struct fault *fault)
{
    char name[NAME_MAX_LEN];
    if (postgresql_node_follow(pg, &pg->writer, fault) < 0) {
        return -1;
    }
    pg->writer.had_notice = false;
    name_of(pg, name);
    struct arena *arena = arena_new(10000);
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_text(&values, name);
    postgresql_add_text(&values, MAILWEIR_VERSION);
    postgresql_add_number(&values, (int64_t)lease_of(pg));
    int64_t epoch = ask_number(&pg->writer, "SELECT join_as($1, $2, $3)", &values, fault);
    arena_free(&arena);
    if (epoch <= 0 || expect_synced(&pg->writer, fault) != 0) {
        return -1;
    }
    atomic_store(&pg->durable, 0);
    atomic_store(&pg->epoch, (uint64_t)epoch);
    pg->group = 0;
    snprintf(pg->writer.name, sizeof pg->writer.name, "mailweir %lld", (long long)epoch);
    snprintf(pg->uploader.name, sizeof pg->uploader.name, "mailweir %lld", (long long)epoch);
    postgresql_link_close(&pg->uploader);
    char sql[100];
    snprintf(sql, sizeof sql, "SET application_name TO 'mailweir %lld'", (long long)epoch);
    if (postgresql_say(&pg->writer, sql, fault) != 0) {
        return -1;
    }
    uint64_t nodes = 0;
    return take_over_dead(pg, &pg->writer, !pg->options.brief, name, &nodes, fault) < 0 ? -1 : 0;
}

void postgresql_node_leave(struct postgresql *pg)
{
    static const char give_back[] = "SELECT take_over($1, $2)";
    struct fault fault = FAULT_INIT;
    struct arena *arena = arena_new(10000);
    int64_t epoch = (int64_t)atomic_load(&pg->epoch);
    bool was_open = pg->writer.conn != NULL;
    bool is_given = ask_of_two(&pg->writer, arena, give_back, epoch, 0, &fault) >= 0;
    if (!is_given && was_open) {
        /* A connection that had stood idle may be gone since the server began anew. It does no harm twice. */
        fault = FAULT_INIT;
        is_given = ask_of_two(&pg->writer, arena, give_back, epoch, 0, &fault) >= 0;
    }
    if (is_given) {
        /* Its connections have ended: nobody needs to wait for the server to notice. */
        struct postgresql_values values = postgresql_values_new(arena);
        postgresql_add_number(&values, epoch);
        disregard(ask_number(&pg->writer, "DELETE FROM slot WHERE epoch = $1", &values, &fault) < 0 ? -1 : 0);
    }
    arena_free(&arena);
}

/* ---- beats ---- */

/* Our own end, as another node would bring it about. */
static int renounce(struct postgresql *pg, struct fault *fault)
{
    bool was_us;
    const struct dead self = {.epoch = (int64_t)atomic_load(&pg->epoch)};
    return take_over(pg, &pg->beater, &self, 0, TAKEN_MOST, &was_us, fault) < 0 ? -1 : 0;
}

/* 1: the lease holds; 0: it was taken away; -1. */
static int renew(struct postgresql *pg, struct store_beat *beat, struct arena *arena, struct fault *fault)
{
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, (int64_t)atomic_load(&pg->epoch));
    postgresql_add_number(&values, (int64_t)lease_of(pg));
    postgresql_add_text(&values, beat->state == NULL ? "" : beat->state);
    postgresql_add_truth(&values, beat->draining);
    PGresult *result = postgresql_ask(&pg->beater, "SELECT renew($1, $2, $3, $4)", &values, false, fault);
    int held = result == NULL ? -1 : postgresql_truth_at(result, 0, 0);
    PQclear(result);
    return held;
}

static void add_slots(struct postgresql_values *values, const struct store_beat *beat)
{
    enum { ACCOUNTS, MOSTS, OPENS, WANTEDS, COULDS, TURNS, ARRAYS };
    const char **arrays[ARRAYS];
    for (size_t i = 0; i < ARRAYS; i++) {
        arrays[i] = expect_memory(arena_array(values->arena, beat->slot_count + 1, sizeof(char *)));
    }
    for (size_t i = 0; i < beat->slot_count; i++) {
        const struct store_slots *slots = &beat->slots[i];
        arrays[ACCOUNTS][i] = slots->account;
        arrays[MOSTS][i] = postgresql_number(values->arena, slots->most);
        arrays[OPENS][i] = postgresql_number(values->arena, slots->open);
        arrays[WANTEDS][i] = postgresql_number(values->arena, slots->wanted);
        arrays[COULDS][i] = slots->could ? "t" : "f";
        arrays[TURNS][i] = slots->wants_turn ? "t" : "f";
    }
    for (size_t i = 0; i < ARRAYS; i++) {
        postgresql_add_texts(values, arrays[i], beat->slot_count);
    }
}

/* How many connections this node may have to each account; none when its fence is gone. */
static int share_slots(struct postgresql *pg, struct store_beat *beat, struct arena *arena, struct fault *fault)
{
    if (beat->slot_count == 0) {
        return 0;
    }
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, (int64_t)atomic_load(&pg->epoch));
    add_slots(&values, beat);
    PGresult *rows =
        postgresql_ask(&pg->beater, "SELECT * FROM slots($1, $2, $3, $4, $5, $6, $7)", &values, false, fault);
    for (int row = 0; rows != NULL && row < PQntuples(rows); row++) {
        struct store_slots *slots = &beat->slots[postgresql_number_at(rows, row, 0)];
        slots->given = (unsigned)postgresql_number_at(rows, row, 1);
        slots->allowed = (unsigned)postgresql_number_at(rows, row, 2);
        slots->is_due = postgresql_truth_at(rows, row, 3);
        slots->has_turn = postgresql_truth_at(rows, row, 4);
    }
    PQclear(rows);
    return rows == NULL ? -1 : 0;
}

static int look_around(struct postgresql *pg, struct store_beat *beat, struct fault *fault)
{
    PGresult *rows = postgresql_ask(
        &pg->beater,
        "SELECT epoch, n.name, n.program, (extract(epoch FROM n.lease_until - clock_timestamp()) * 1000)::bigint,"
        " n.draining, n.state, (SELECT value FROM mark WHERE name = 'changed'),"
        " (SELECT coalesce(sum(hashtext(upstream || '=' || text)), 0) FROM memo),"
        " floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint,"
        " coalesce(pg_stat_get_dead_tuples('delivery'::regclass), 0)"
        " FROM (SELECT) AS always LEFT JOIN (node n JOIN fence f USING (epoch)) ON true ORDER BY n.name, epoch",
        NULL, false, fault);
    for (int row = 0; rows != NULL && row < PQntuples(rows); row++) {
        const struct store_node node = {
            .epoch = (uint64_t)postgresql_number_at(rows, row, 0),
            .name = PQgetvalue(rows, row, 1),
            .version = PQgetvalue(rows, row, 2),
            .lease_ms = postgresql_number_at(rows, row, 3),
            .draining = postgresql_truth_at(rows, row, 4),
            .state = PQgetvalue(rows, row, 5),
            .is_me = (uint64_t)postgresql_number_at(rows, row, 0) == atomic_load(&pg->epoch),
        };
        int64_t changed = postgresql_number_at(rows, row, 6), memos = postgresql_number_at(rows, row, 7);
        beat->is_news = beat->is_news || changed != pg->changed;
        beat->is_memo = beat->is_memo || memos != pg->memos;
        pg->changed = changed;
        pg->memos = memos;
        beat->clock_ms = postgresql_number_at(rows, row, 8);
        beat->dead_rows = (uint64_t)postgresql_number_at(rows, row, 9);
        bool is_one = PQgetisnull(rows, row, 0) == 0; /* nobody lives when this one was ended, and was the last */
        if (is_one && beat->found != NULL) {
            beat->found(beat->ctx, &node);
        }
    }
    PQclear(rows);
    return rows == NULL ? -1 : 0;
}

int postgresql_beat(struct store *store, struct store_beat *beat, struct fault *fault)
{
    struct postgresql *pg = postgresql_of(store);
    char name[NAME_MAX_LEN];
    struct arena *arena = arena_new(STORE_META_MAX);
    name_of(pg, name);
    beat->is_news = beat->is_memo = beat->is_ended = beat->has_more = false;
    beat->taken = beat->takeovers = 0;
    /* It stops by itself before others may take over, so that two never append the same delivery, as long as clocks
     * run equally fast within one lease; what time it is, they need not agree about. */
    beat->lease_ms = store_lease_relied(lease_of(pg));
    pg->beater.had_notice = false;
    bool fails = postgresql_node_follow(pg, &pg->beater, fault) < 0 || (beat->renounces && renounce(pg, fault) != 0);
    int held = fails ? -1 : renew(pg, beat, arena, fault);
    beat->is_ended = held == 0;
    int64_t taken = held < 0 ? -1 : take_over_dead(pg, &pg->beater, false, name, &beat->takeovers, fault);
    beat->taken = taken < 0 ? 0 : (uint64_t)taken;
    beat->has_more = taken == TAKEN_MOST;
    int result = taken < 0 || expect_synced(&pg->beater, fault) != 0 ? -1 : share_slots(pg, beat, arena, fault);
    arena_free(&arena);
    return result < 0 ? -1 : look_around(pg, beat, fault);
}

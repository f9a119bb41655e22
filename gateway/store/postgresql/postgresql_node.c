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

/* How long a lease lasts that is not renewed, and how long after it a node is taken for dead. */
#define LEASE_MS 15000
#define GRACE_MS 5000
/* How often, and after how long, it is asked again whether an earlier start of ours has gone. */
#define GONE_TRIES 20
#define GONE_MS    50

static int64_t ask_number(struct postgresql *pg, const char *sql, const struct postgresql_values *values,
                          struct fault *fault)
{
    PGresult *result = postgresql_ask(&pg->writer, sql, values, false, fault);
    int64_t number = result == NULL ? -1 : PQntuples(result) == 0 ? 0 : postgresql_number_at(result, 0, 0);
    PQclear(result);
    return number;
}

/* Each in a transaction of its own: what was in many hands is much. */
static int take_over(struct postgresql *pg, struct postgresql_values *values, int64_t epoch, struct fault *fault)
{
    struct postgresql_values keys = postgresql_values_new(values->arena);
    postgresql_add_number(&keys, epoch);
    postgresql_add_number(&keys, (int64_t)atomic_load(&pg->epoch));
    int64_t taken = ask_number(pg, "SELECT take_over($1, $2)", &keys, fault);
    if (taken > 0) {
        log_event(pg->options.log, LOG_LEVEL_WARNING, "node_taken_over", LOG_INT("epoch", (uint64_t)epoch),
                  LOG_INT("deliveries", (uint64_t)taken),
                  LOG_STR("reason", "they were in the hands of a node that has ended; each is looked for before it is"
                                    " sent again"));
    }
    return taken < 0 ? -1 : 0;
}

/* Connections of a process that was killed are gone in a moment, but not before us. Whoever has some still lives. */
static void wait_for_the_dead(struct postgresql *pg, struct postgresql_values *values)
{
    static const char sql[] =
        "SELECT count(*) FROM node n JOIN fence f USING (epoch) JOIN pg_stat_activity a"
        " ON a.application_name = 'mailweir ' || n.epoch WHERE n.epoch <> $1 AND n.name = $2 AND $3 > 0";
    struct fault fault = FAULT_INIT;
    for (int i = 0; i < GONE_TRIES && ask_number(pg, sql, values, &fault) > 0; i++) {
        disregard(net_poll_wait(PQsocket(pg->writer.conn), false, GONE_MS));
    }
}

static int take_over_dead(struct postgresql *pg, const char *name, struct fault *fault)
{
    static const char sql[] =
        "SELECT n.epoch FROM node n JOIN fence f USING (epoch) WHERE n.epoch <> $1 AND ((n.name = $2 AND NOT EXISTS"
        " (SELECT 1 FROM pg_stat_activity a WHERE a.application_name = 'mailweir ' || n.epoch))"
        " OR n.lease_until + $3 * interval '1 millisecond' < clock_timestamp()) ORDER BY 1";
    struct arena *arena = arena_new(1u << 20);
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, (int64_t)atomic_load(&pg->epoch));
    postgresql_add_text(&values, name);
    postgresql_add_number(&values, GRACE_MS);
    if (!pg->options.brief) {
        wait_for_the_dead(pg, &values);
    }
    PGresult *dead = postgresql_ask(&pg->writer, sql, &values, false, fault);
    int result = dead == NULL ? -1 : 0;
    for (int row = 0; result == 0 && row < PQntuples(dead); row++) {
        result = take_over(pg, &values, postgresql_number_at(dead, row, 0), fault);
    }
    PQclear(dead);
    arena_free(&arena);
    return result;
}

int postgresql_node_join(struct postgresql *pg, struct fault *fault)
{
    char machine[100], name[200];
    net_poll_host(machine, sizeof machine);
    snprintf(name, sizeof name, "%s%s", pg->options.node == NULL ? machine : pg->options.node,
             pg->options.brief ? " (a command)" : "");
    struct arena *arena = arena_new(10000);
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_text(&values, name);
    postgresql_add_text(&values, MAILWEIR_VERSION);
    postgresql_add_number(&values, LEASE_MS);
    int64_t epoch = ask_number(pg, "SELECT join_as($1, $2, $3)", &values, fault);
    arena_free(&arena);
    if (epoch <= 0) {
        return -1;
    }
    atomic_store(&pg->epoch, (uint64_t)epoch);
    pg->group = 0;
    snprintf(pg->writer.name, sizeof pg->writer.name, "mailweir %lld", (long long)epoch);
    snprintf(pg->uploader.name, sizeof pg->uploader.name, "mailweir %lld", (long long)epoch);
    postgresql_link_close(&pg->uploader);
    char sql[100];
    snprintf(sql, sizeof sql, "SET application_name TO 'mailweir %lld'", (long long)epoch);
    return postgresql_say(&pg->writer, sql, fault) != 0 ? -1 : take_over_dead(pg, name, fault);
}

void postgresql_node_leave(struct postgresql *pg)
{
    struct fault fault = FAULT_INIT;
    struct arena *arena = arena_new(10000);
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, (int64_t)atomic_load(&pg->epoch));
    postgresql_add_number(&values, 0);
    disregard(ask_number(pg, "SELECT take_over($1, $2)", &values, &fault) < 0 ? -1 : 0);
    arena_free(&arena);
}

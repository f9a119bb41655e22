/*
 * store_server - for tests of store/postgresql: a server of their own, emptied for each history, with a clock that the test sets.
 * What histories need of it is there behind store_histories.h.
 */
#ifndef MAILWEIR_TESTS_UNIT_STORE_SERVER_H
#define MAILWEIR_TESTS_UNIT_STORE_SERVER_H

#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/model/model_private.h"
#include "store/postgresql/postgresql.h"

static const char *place;
static PGconn *conn; /* the test's own */

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char text[4000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    PGresult *result = PQexec(conn, text);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fail_msg("%s: %s", text, PQerrorMessage(conn));
    }
    PQclear(result);
}

/* A clock that the test sets stands in the place of the server's. */
static void set_up_server(void)
{
    struct fault fault = FAULT_INIT;
    int from, to;
    conn = PQconnectdb(place);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    say("SET client_min_messages TO warning");
    say("DROP SCHEMA IF EXISTS mailweir CASCADE");
    if (postgresql_migrate(place, &from, &to, &fault) != 0) {
        fail_msg("it cannot be migrated: %s", fault.text);
    }
    say("SET search_path TO mailweir");
    say("CREATE TABLE mailweir.test_clock (at bigint)");
    say("INSERT INTO mailweir.test_clock VALUES (0)");
    say("CREATE OR REPLACE FUNCTION mailweir.now_ms() RETURNS bigint LANGUAGE sql STABLE AS"
        " $$ SELECT at FROM mailweir.test_clock $$");
}

#ifdef MAILWEIR_TESTS_UNIT_STORE_HISTORIES_H
/* Numbers that a batch had and that failed are given again by the model: a sequence is not. */
static void set_numbers(void)
{
    const struct model *model = LIST_ITEM(w.stores[MODEL], struct model, store);
    say("SELECT setval('message_seq', %llu, false)", (unsigned long long)model->next_message);
}

/* As one that was just made. */
static void empty_server(void)
{
    static const char *const tables[] = {"message", "delivery", "body", "upload", "attempt", "note",
                                         "pause",   "memo",     "grp",  "fence",  "node",    "slot"};
    say("BEGIN");
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        say("DELETE FROM %s", tables[i]);
    }
    say("DELETE FROM tally WHERE epoch <> 0");
    say("UPDATE tally SET waiting = 0, held = 0, dead = 0, messages = 0");
    say("UPDATE mark SET value = 0 WHERE name NOT IN ('line', 'system')");
    say("COMMIT");
    set_numbers();
}

/* Nothing is left behind that nobody knows of. */
static void expect_none(const char *what, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    if (strcmp(PQgetvalue(result, 0, 0), "0") != 0) {
        differ("%s %s were left behind", PQgetvalue(result, 0, 0), what);
    }
    PQclear(result);
}

#endif

/* Without a server the test starts itself again with one; returns when it has one. */
static void need_server(const char *source, char **argv, int argc)
{
    place = getenv("MAILWEIR_POSTGRESQL");
    if (place == NULL) {
        char program[1000];
        snprintf(program, sizeof program, "%s/tests/postgresql.py", source);
        execl("/usr/bin/python3", "python3", program, argv[0], argc > 1 ? argv[1] : "0", argc > 2 ? argv[2] : "1",
              (char *)NULL);
        exit(77);
    }
    set_up_server();
}

#endif

/*
 * postgresql_schema - the version of what is there, and what is wrong with it; see postgresql_schema.h.
 */
#include "store/postgresql/postgresql_schema.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"

/* ---- what is there ---- */

struct found {
    int version;        /* 0: no tables of mailweir's */
    int least;          /* the oldest that a program must know to work with it */
    char stranger[200]; /* a table of another program's, or "" */
    char database[100], role[100];
    bool has_schema;
};

static int look_at(struct postgresql_link *link, struct found *found_r, struct fault *fault)
{
    static const char sql[] =
        "SELECT current_database(), current_user, to_regnamespace('mailweir') IS NOT NULL,"
        " to_regclass('mailweir.version') IS NOT NULL, coalesce((SELECT n.nspname || '.' || c.relname FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm')"
        " AND n.nspname NOT IN ('mailweir', 'pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'"
        " AND n.nspname NOT LIKE 'pg_temp%' AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.objid = c.oid"
        " AND e.deptype = 'e') ORDER BY 1 LIMIT 1), '')";
    PGresult *result = postgresql_ask(link, sql, NULL, false, fault);
    if (result == NULL) {
        return -1;
    }
    *found_r = (struct found){.has_schema = postgresql_truth_at(result, 0, 2)};
    snprintf(found_r->database, sizeof found_r->database, "%s", PQgetvalue(result, 0, 0));
    snprintf(found_r->role, sizeof found_r->role, "%s", PQgetvalue(result, 0, 1));
    snprintf(found_r->stranger, sizeof found_r->stranger, "%s", PQgetvalue(result, 0, 4));
    bool has_version = postgresql_truth_at(result, 0, 3);
    PQclear(result);
    if (!has_version) {
        return 0;
    }
    /* The column is not there before version 3. */
    result = postgresql_ask(link,
                            "SELECT number, coalesce((to_jsonb(v) ->> 'least')::int, number) FROM mailweir.version v"
                            " ORDER BY number DESC LIMIT 1",
                            NULL, false, fault);
    found_r->version = result == NULL ? 0 : (int)postgresql_number_at(result, 0, 0);
    found_r->least = result == NULL ? 0 : (int)postgresql_number_at(result, 0, 1);
    PQclear(result);
    return result == NULL ? -1 : 0;
}

static int refuse_stranger(const struct found *found, struct fault *fault)
{
    fault_set(fault, FAULT_LOCAL, "foreign", "postgresql",
              "the database %s belongs to another program (it has a table %s): give mailweir a database of its own",
              found->database, found->stranger[0] == '\0' ? "mailweir.*" : found->stranger);
    return -1;
}

/* A later version that only adds to this one. */
static bool is_good(const struct found *found)
{
    return found->version >= POSTGRESQL_SCHEMA_VERSION && found->least <= POSTGRESQL_SCHEMA_VERSION;
}

static int refuse_newer(const struct found *found, struct fault *fault)
{
    fault_set(fault, FAULT_LOCAL, "version", "postgresql",
              "the spool in database %s has version %d and this mailweir knows up to %d: run the newer mailweir",
              found->database, found->version, POSTGRESQL_SCHEMA_VERSION);
    return -1;
}

/* ---- whoever opens it ---- */

static int expect_version(const struct found *found, struct fault *fault)
{
    if (found->version > POSTGRESQL_SCHEMA_VERSION) {
        return refuse_newer(found, fault);
    }
    if (found->version > 0) {
        fault_set(fault, FAULT_LOCAL, "version", "postgresql",
                  "the spool in database %s has version %d, older than %d: \"mailweir spool migrate\" upgrades it",
                  found->database, found->version, POSTGRESQL_SCHEMA_VERSION);
        return -1;
    }
    if (found->stranger[0] != '\0') {
        return refuse_stranger(found, fault);
    }
    fault_set(fault, FAULT_LOCAL, "foreign", "postgresql",
              "the database %s has no tables of mailweir yet: \"mailweir spool migrate\" creates them",
              found->database);
    return -1;
}

/* Asked at the start: a right that is missing would else be found by the first mail that needs it. A row is what to
 * say. */
static int expect_no_row(struct postgresql_link *link, const char *sql, struct fault *fault)
{
    PGresult *result = postgresql_ask(link, sql, NULL, false, fault);
    bool lacks = result != NULL && PQntuples(result) > 0;
    if (lacks) {
        fault_set(fault, FAULT_LOCAL, "rights", "postgresql", "%s", PQgetvalue(result, 0, 0));
    }
    PQclear(result);
    return result == NULL || lacks ? -1 : 0;
}

static int expect_rights(struct postgresql_link *link, struct fault *fault)
{
    static const char sql[] =
        "SELECT format('the role %s may not write to mailweir.%s in database %s: grant it what mailweir(8) lists for"
        " nodes', current_user, c.relname, current_database())"
        " FROM pg_class c WHERE c.relnamespace = to_regnamespace('mailweir') AND ("
        "(c.relkind = 'r' AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')"
        " AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')) AND c.relname <> "
        "'version')"
        " OR (c.relkind = 'S' AND NOT has_sequence_privilege(c.oid, 'USAGE'))) ORDER BY c.relname LIMIT 1";
    return expect_no_row(link, sql, fault);
}

/* Who may not even look into the schema hears it so. */
static int expect_usage(struct postgresql_link *link, struct fault *fault)
{
    static const char sql[] =
        "SELECT format('the role %s may not use the schema mailweir in database %s: grant it what mailweir(8) lists',"
        " current_user, current_database()) FROM pg_namespace WHERE nspname = 'mailweir'"
        " AND NOT has_schema_privilege(oid, 'USAGE')";
    return expect_no_row(link, sql, fault);
}

int postgresql_schema_expect(struct postgresql_link *link, struct fault *fault)
{
    struct found found;
    if (expect_usage(link, fault) != 0 || look_at(link, &found, fault) != 0) {
        return -1;
    }
    if (!is_good(&found)) {
        return expect_version(&found, fault);
    }
    return expect_rights(link, fault);
}

/* ---- migrating ---- */

static int make_schema(struct postgresql_link *link, const struct found *found, struct fault *fault)
{
    struct fault why = FAULT_INIT;
    if (postgresql_say(link, "CREATE SCHEMA mailweir", &why) == 0) {
        return 0;
    }
    if (strcmp(why.code, "rights") == 0) {
        fault_set(fault, FAULT_LOCAL, "rights", "postgresql",
                  "the role %s may not create a schema in database %s: run it as the database's owner, or GRANT CREATE"
                  " ON DATABASE %s TO %s",
                  found->role, found->database, found->database, found->role);
        return -1;
    }
    fault_set(fault, why.class, why.code, why.where, "%s", why.text);
    return -1;
}

static int run_steps(struct postgresql_link *link, const struct found *found, struct fault *fault)
{
    if (found->version == 0 && make_schema(link, found, fault) != 0) {
        return -1;
    }
    for (int version = found->version; version < POSTGRESQL_SCHEMA_VERSION; version++) {
        if (postgresql_run(link, postgresql_schema_steps[version], fault) != 0) {
            return -1;
        }
    }
    return 0;
}

static int look_alone(struct postgresql_link *link, struct found *found, struct fault *fault)
{
    /* One at a time migrates; whoever comes second finds it done. */
    if (postgresql_say(link, "BEGIN", fault) != 0 ||
        postgresql_say(link, "SELECT pg_advisory_xact_lock(hashtext('mailweir spool migrate'))", fault) != 0 ||
        expect_usage(link, fault) != 0 || look_at(link, found, fault) != 0) {
        return -1;
    }
    if (found->version >= POSTGRESQL_SCHEMA_VERSION && !is_good(found)) {
        return refuse_newer(found, fault);
    }
    if (found->version == 0 && (found->stranger[0] != '\0' || found->has_schema)) {
        return refuse_stranger(found, fault);
    }
    return 0;
}

/* Nodes that run know the version that was there, and would meet this one without knowing it. */
static int expect_no_nodes(struct postgresql_link *link, const struct found *found, struct fault *fault)
{
    static const char least[] = "SELECT coalesce(least, number) FROM mailweir.version ORDER BY number DESC LIMIT 1";
    PGresult *result = postgresql_ask(link, least, NULL, false, fault);
    int knows = result == NULL ? 0 : (int)postgresql_number_at(result, 0, 0);
    PQclear(result);
    if (result == NULL || found->version == 0 || knows <= found->version) {
        return result == NULL ? -1 : 0;
    }
    result = postgresql_ask(link, POSTGRESQL_SCHEMA_NODES, NULL, false, fault);
    int64_t nodes = result == NULL ? -1 : postgresql_number_at(result, 0, 0);
    PQclear(result);
    if (nodes > 0) {
        fault_set(fault, FAULT_LOCAL, "busy", "postgresql",
                  "%" PRId64 " node%s of a mailweir that does not know version %d run%s on this spool: end %s first "
                  "(mailweir drain), then migrate, then start the new mailweir",
                  nodes, nodes == 1 ? "" : "s", POSTGRESQL_SCHEMA_VERSION, nodes == 1 ? "s" : "",
                  nodes == 1 ? "it" : "them");
    }
    return nodes == 0 ? 0 : -1;
}

int postgresql_schema_migrate(struct postgresql_link *link, int *from_r, struct fault *fault)
{
    struct found found = {0};
    int result = look_alone(link, &found, fault);
    if (result == 0 && found.version < POSTGRESQL_SCHEMA_VERSION) {
        result = run_steps(link, &found, fault) != 0 || expect_no_nodes(link, &found, fault) != 0 ? -1 : 0;
    }
    if (result == 0) {
        result = postgresql_say(link, "COMMIT", fault);
    }
    if (result != 0) {
        postgresql_link_close(link); /* with the transaction */
        return -1;
    }
    *from_r = found.version;
    return 0;
}

/* ---- the server's settings ---- */

#define HOUR_MS (3600 * INT64_C(1000))

/* One more sentence. */
__attribute__((format(printf, 2, 3))) static void warn(struct buf *warnings, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_append_text(warnings, warnings->len > 0 ? "; " : "");
    buf_vprintf(warnings, format, args);
    va_end(args);
}

static void judge_clock(int64_t server_ms, int64_t wall_ms, struct buf *warnings)
{
    int64_t skew_ms = server_ms - wall_ms;
    int64_t size_ms = skew_ms < 0 ? -skew_ms : skew_ms;
    if (size_ms >= HOUR_MS / 60) {
        warn(warnings,
             "the clock of PostgreSQL's server is %" PRId64
             " %s %s this machine's: synchronise both by NTP; deliveries are scheduled by the server's clock",
             size_ms >= HOUR_MS ? size_ms / HOUR_MS : size_ms / (HOUR_MS / 60),
             size_ms >= HOUR_MS ? "hours" : "minutes", skew_ms < 0 ? "behind" : "ahead of");
    }
}

int postgresql_schema_judge(struct postgresql_link *link, int64_t wall_ms, struct buf *warnings, struct fault *fault)
{
    static const char sql[] =
        "SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'),"
        " current_setting('log_parameter_max_length'), current_setting('log_statement'),"
        " floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, pg_is_in_recovery()";
    PGresult *result = postgresql_ask(link, sql, NULL, false, fault);
    if (result == NULL) {
        return -1;
    }
    bool is_unsafe = strcmp(PQgetvalue(result, 0, 0), "off") == 0;
    if (is_unsafe) {
        fault_set(fault, FAULT_LOCAL, "unsafe", "postgresql",
                  "PostgreSQL's synchronous_commit is off: mail would be accepted that a crash can lose; set "
                  "synchronous_commit to \"on\" for mailweir's role (ALTER ROLE ... SET synchronous_commit = on) or in "
                  "postgresql.conf");
    }
    if (strcmp(PQgetvalue(result, 0, 1), "on") != 0 || strcmp(PQgetvalue(result, 0, 2), "on") != 0) {
        warn(warnings, "PostgreSQL's fsync or full_page_writes is off: a crash of its machine may lose"
                       " acknowledged mail");
    }
    if (strcmp(PQgetvalue(result, 0, 3), "0") != 0 && strcmp(PQgetvalue(result, 0, 4), "all") == 0) {
        warn(warnings, "PostgreSQL logs statements with their parameters, and so mail (log_statement = all): set "
                       "log_parameter_max_length = 0");
    }
    judge_clock(postgresql_number_at(result, 0, 5), wall_ms, warnings);
    PQclear(result);
    return is_unsafe ? -1 : 0;
}

int postgresql_schema_keeps(struct postgresql_link *link, struct buf *keeps, struct buf *warnings, struct fault *fault)
{
    static const char sql[] =
        "SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit'),"
        " (SELECT count(*) FROM pg_stat_replication), current_setting('server_version')";
    PGresult *result = postgresql_ask(link, sql, NULL, false, fault);
    if (result == NULL) {
        return -1;
    }
    const char *names = PQgetvalue(result, 0, 0), *commit = PQgetvalue(result, 0, 1);
    bool waits = names[0] != '\0' && strcmp(commit, "local") != 0;
    buf_printf(keeps, "PostgreSQL %s; what is acknowledged is kept by ", PQgetvalue(result, 0, 3));
    if (waits) {
        buf_printf(keeps, "this server and standbys: %s", names);
    } else {
        buf_printf(keeps, "this server alone, and lost with its machine%s",
                   names[0] != '\0' ? " (synchronous_commit is local)" : "");
    }
    if (waits && postgresql_number_at(result, 0, 2) == 0) {
        warn(warnings,
             "PostgreSQL waits for a standby (synchronous_standby_names = '%s') and none is connected: no mail"
             " is taken until one is",
             names);
    }
    if (!waits && postgresql_number_at(result, 0, 2) > 0) {
        warn(warnings, "a standby follows PostgreSQL, which does not wait for it: if it takes its place, mail that was"
                       " acknowledged last is lost, and all that waits is looked for before it is sent; set"
                       " synchronous_standby_names");
    }
    PQclear(result);
    return 0;
}

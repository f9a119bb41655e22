/*
 * postgresql_link - connecting, asking, and what the server's refusals mean; see postgresql_link.h.
 */
#include "store/postgresql/postgresql_link.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/expect.h"
#include "net/net_poll.h"

/* ---- faults ---- */

struct meaning {
    const char *state; /* the SQLSTATE begins so */
    const char *code;
    const char *advice; /* said behind the server's words; NULL: they say enough */
};

static const struct meaning meanings[] = {
    {"MW001", "fenced", "nothing is to be done: this node starts afresh by itself"},
    {"MW002", "again", NULL},
    {"MW003", "moved", "nothing is to be done: this node sees to it and goes on by itself"},
    {"40001", "again", NULL},
    {"40P01", "again", NULL},
    {"25006", "standby",
     "it is a standby, or default_transaction_read_only is on: mail goes on by itself once a server of \"connection\" "
     "takes changes"},
    {"53100", "enospc", "make room on the disk of the database; mail goes on by itself then"},
    {"53300", "busy",
     "the server, or this role there, may have no more connections: end other sessions or raise max_connections (or "
     "the role's limit); mail goes on by itself then"},
    {"53", "busy", NULL},
    {"55P03", "busy", NULL},
    {"57014", "down", NULL},
    {"57", "down", NULL},
    {"08", "down", NULL},
    {"28", "refused", NULL},
    {"3D000", "foreign", NULL},
    {"42501", "rights", NULL},
    {"42P01", "foreign", NULL},
    {"42883", "foreign", NULL},
    {"3F000", "foreign", NULL},
    {"42703", "foreign", NULL},
};

static struct meaning meaning_of(const char *state)
{
    for (size_t i = 0; state != NULL && i < sizeof meanings / sizeof meanings[0]; i++) {
        if (strncmp(state, meanings[i].state, strlen(meanings[i].state)) == 0) {
            return meanings[i];
        }
    }
    return (struct meaning){.code = state == NULL ? "down" : "postgresql"};
}

/* One line of what libpq says in several, of each server that it asked; what is to be done has room behind it. */
static void set_meant(struct fault *fault, struct meaning meaning, const char *text)
{
    char line[sizeof fault->text];
    size_t len = 0, taken = sizeof "PostgreSQL: ; " + (meaning.advice == NULL ? 0 : strlen(meaning.advice));
    for (const char *at = text; *at != '\0' && len + taken < sizeof line; at++) {
        bool blank = *at == '\n' || *at == '\t' || *at == ' ';
        if (!blank) {
            line[len++] = *at;
        } else if (len > 0 && line[len - 1] != ' ') {
            line[len++] = ' ';
        }
    }
    while (len > 0 && line[len - 1] == ' ') {
        len--;
    }
    line[len] = '\0';
    fault_set(fault, FAULT_LOCAL, meaning.code, "postgresql", "PostgreSQL: %s%s%s", line,
              meaning.advice == NULL ? "" : "; ", meaning.advice == NULL ? "" : meaning.advice);
}

static void set_fault(struct fault *fault, const char *code, const char *text)
{
    set_meant(fault, (struct meaning){.code = code}, text);
}

static void set_result_fault(struct postgresql_link *link, PGresult *result, struct fault *fault)
{
    const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    text = text != NULL ? text : PQerrorMessage(link->conn);
    struct meaning meaning = meaning_of(state);
    set_meant(fault, meaning, text[0] == '\0' ? "the connection was lost" : text);
    if (link->moves != NULL && strcmp(meaning.code, "standby") == 0) {
        atomic_fetch_add(link->moves, 1);
    }
}

/* What libpq says becomes the fault, and the connection, of which nothing is known any more, ends: a command that it
 * takes for one under way would keep every later question from being asked. */
static void lose_link(struct postgresql_link *link, struct fault *fault)
{
    set_result_fault(link, NULL, fault);
    postgresql_link_close(link);
}

/* Once libpq has found that a connection is broken (octets that are no message, say), an answer heard on it before is
 * the last one: nothing may be concluded from it as from one that stands. */
static void end_if_broken(struct postgresql_link *link)
{
    if (link->conn != NULL && PQstatus(link->conn) != CONNECTION_OK) {
        postgresql_link_close(link);
    }
}

/* ---- connecting ---- */

void postgresql_link_init(struct postgresql_link *link, const char *place, const char *name)
{
    *link = (struct postgresql_link){.place = place, .wait_ms = POSTGRESQL_WAIT_MS};
    snprintf(link->name, sizeof link->name, "%s", name);
}

void postgresql_link_close(struct postgresql_link *link)
{
    if (link->conn != NULL) {
        PQfinish(link->conn);
        link->conn = NULL;
    }
    link->known_count = 0;
}

/* Nothing of it goes to stderr. */
static void on_notice(void *ctx, const PGresult *result)
{
    struct postgresql_link *link = ctx;
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    /* Class 01 is a warning; the one that matters is "canceling wait for synchronous replication": the COMMIT says OK
     * all the same (PostgreSQL 15, appendix A). */
    link->had_notice = link->had_notice || (state != NULL && strncmp(state, "01", 2) == 0);
}

/* What stands in front of the place may be said otherwise there; what stands behind it may not. */
static PGconn *connect_to(const struct postgresql_link *link)
{
    /* libpq counts in seconds, and takes 1 for 2. */
    const char *timeout = link->wait_ms < 5000 ? "2" : "5";
    const char *const names[] = {
        "connect_timeout", "keepalives_idle",  "keepalives_interval", "keepalives_count",     "tcp_user_timeout",
        "dbname",          "application_name", "client_encoding",     "target_session_attrs", NULL};
    const char *const values[] = {timeout, "5", "2", "3", "5000", link->place, link->name, "UTF8", "read-write", NULL};
    return PQconnectdbParams(names, values, 1);
}

/* Before there is a session libpq has no SQLSTATE for a refusal, only words; those that are not known here count as a
 * server that is down, which is tried again: what is taken for "refused" waits for an operator. */
static const char *refusal_of(const char *text)
{
    static const struct {
        const char *part, *state;
    } known[] = {
        {"authentication failed", "28"},
        {"no pg_hba.conf entry", "28"},
        {"is not permitted to log in", "28"},
        {"no password supplied", "28"},
        {"certificate", "28"},
        {"does not support SSL", "28"},
        {"too many clients", "53300"},
        {"too many connections for", "53300"},
        {"remaining connection slots", "53300"},
        {"database \"", "3D000"},
        {"session is read-only", "25006"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strstr(text, known[i].part) != NULL) {
            return known[i].state;
        }
    }
    return "08";
}

/* The connection's own settings: our tables, no values in the server's log, no transaction that lies about. */
static const char settings[] =
    "SET search_path TO mailweir; SET log_parameter_max_length_on_error TO 0; SET lock_timeout TO 10000;"
    "SET idle_in_transaction_session_timeout TO 30000; SET default_transaction_isolation TO 'read committed';"
    "SET standard_conforming_strings TO on; SET bytea_output TO hex";

/* A server that takes no changes any more may have been replaced while it lives, and what it says be out of date. In
 * the midst of a transaction nobody connects anew: the rest of it would stand by itself. */
static bool must_move(const struct postgresql_link *link)
{
    return link->moves != NULL && link->moved != atomic_load(link->moves) &&
           PQtransactionStatus(link->conn) == PQTRANS_IDLE && PQpipelineStatus(link->conn) == PQ_PIPELINE_OFF;
}

int postgresql_link_open(struct postgresql_link *link, struct fault *fault)
{
    if (link->conn != NULL && PQstatus(link->conn) == CONNECTION_OK && !must_move(link)) {
        return 0;
    }
    postgresql_link_close(link);
    link->moved = link->moves == NULL ? 0 : atomic_load(link->moves);
    link->conn = connect_to(link);
    EXPECT(link->conn != NULL);
    if (PQstatus(link->conn) != CONNECTION_OK) {
        const char *text = PQerrorMessage(link->conn);
        set_meant(fault, meaning_of(refusal_of(text)), text);
        postgresql_link_close(link);
        return -1;
    }
    PQsetNoticeReceiver(link->conn, on_notice, link);
    /* In a pipeline both sides may wait for the other to read, when each has filled its buffers (PostgreSQL 15,
     * 34.5.1): so we read while we send. */
    PQsetnonblocking(link->conn, 1);
    if (postgresql_run(link, settings, fault) != 0) {
        postgresql_link_close(link);
        return -1;
    }
    return 0;
}

/* ---- values ---- */

struct postgresql_values postgresql_values_new(struct arena *arena)
{
    return (struct postgresql_values){.arena = arena};
}

static void add_value(struct postgresql_values *values, const char *at, size_t len, int format)
{
    EXPECT(values->count < POSTGRESQL_VALUES && len <= INT32_MAX);
    values->at[values->count] = at;
    values->len[values->count] = (int)len;
    values->format[values->count++] = format;
}

static const char *mended(struct arena *arena, struct bytes text)
{
    char *copy = expect_memory(arena_alloc(arena, text.len * 3 + 1));
    size_t len = 0;
    while (text.len > 0) {
        size_t good = text.ptr[0] == '\0' ? 0 : bytes_utf8_length(text);
        memcpy(copy + len, good > 0 ? (const void *)text.ptr : "\xEF\xBF\xBD", good > 0 ? good : 3);
        len += good > 0 ? good : 3;
        text = bytes_from(text, good > 0 ? good : 1);
    }
    return copy;
}

void postgresql_add_text(struct postgresql_values *values, const char *text)
{
    bool good = text == NULL || bytes_is_utf8(bytes_of(text));
    add_value(values, good ? text : mended(values->arena, bytes_of(text)), 0, 0);
}

void postgresql_add_bytes(struct postgresql_values *values, struct bytes text)
{
    add_value(values, mended(values->arena, text), 0, 0);
}

void postgresql_add_octets(struct postgresql_values *values, struct bytes octets)
{
    add_value(values, octets.len == 0 ? "" : (const char *)octets.ptr, octets.len, 1);
}

const char *postgresql_number(struct arena *arena, int64_t number)
{
    return expect_memory(arena_printf(arena, "%" PRId64, number));
}

void postgresql_add_number(struct postgresql_values *values, int64_t number)
{
    add_value(values, postgresql_number(values->arena, number), 0, 0);
}

void postgresql_add_truth(struct postgresql_values *values, bool truth)
{
    add_value(values, truth ? "t" : "f", 0, 0);
}

/* "{"a","b\"c"}": quotes and backslashes are escaped within (PostgreSQL 15, 8.15.6). */
void postgresql_add_texts(struct postgresql_values *values, const char *const *texts, size_t count)
{
    size_t room = 3;
    for (size_t i = 0; i < count; i++) {
        room += 2 * strlen(texts[i] == NULL ? "" : texts[i]) + 3;
    }
    char *out = expect_memory(arena_alloc(values->arena, room));
    size_t len = 0;
    out[len++] = '{';
    for (size_t i = 0; i < count; i++) {
        out[len++] = i > 0 ? ',' : ' ';
        out[len++] = '"';
        for (const char *at = texts[i] == NULL ? "" : texts[i]; *at != '\0'; at++) {
            if (*at == '"' || *at == '\\') {
                out[len++] = '\\';
            }
            out[len++] = *at;
        }
        out[len++] = '"';
    }
    out[len++] = '}';
    postgresql_add_text(values, out);
}

static size_t put_number(char *out, size_t len, size_t number)
{
    for (int i = 0; i < 4; i++) {
        out[len + (size_t)i] = (char)(number >> (24 - 8 * i) & 255);
    }
    return len + 4;
}

/* As array_recv() of the server reads it: one dimension, no NULL, the type of its elements, how many, from 1 on; then
 * each with its length. In text each octet would be two. */
void postgresql_add_blobs(struct postgresql_values *values, const struct bytes *blobs, size_t count)
{
    enum { BYTEA = 17 }; /* its number in each server (pg_type.dat) */
    const size_t head[] = {1, 0, BYTEA, count, 1};
    size_t room = sizeof head, len = 0;
    for (size_t i = 0; i < count; i++) {
        room += 4 + blobs[i].len;
    }
    char *out = expect_memory(arena_alloc(values->arena, room));
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++) {
        len = put_number(out, len, head[i]);
    }
    for (size_t i = 0; i < count; i++) {
        len = put_number(out, len, blobs[i].len);
        if (blobs[i].len > 0) {
            memcpy(out + len, blobs[i].ptr, blobs[i].len);
        }
        len += blobs[i].len;
    }
    add_value(values, out, len, 1);
}

/* ---- waiting ---- */

/* Sends what is still to be sent and waits until a result can be had. */
static int wait_for_result(struct postgresql_link *link, struct fault *fault)
{
    for (;;) {
        int unsent = PQflush(link->conn);
        if (unsent < 0) {
            lose_link(link, fault);
            return -1;
        }
        if (unsent == 0 && PQisBusy(link->conn) == 0) {
            return 0;
        }
        if (net_poll_wait(PQsocket(link->conn), unsent > 0, link->wait_ms) <= 0) {
            set_fault(fault, "down", "PostgreSQL has not answered in time");
            postgresql_link_close(link);
            return -1;
        }
        if (PQconsumeInput(link->conn) == 0) {
            lose_link(link, fault);
            return -1;
        }
    }
}

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* The results of a question that is no part of a pipeline: the last one, or NULL with the fault of the first that is
 * none. */
static PGresult *take_last(struct postgresql_link *link, struct fault *fault)
{
    PGresult *last = NULL;
    bool failed = false;
    for (;;) {
        if (wait_for_result(link, fault) != 0) {
            PQclear(last);
            return NULL;
        }
        PGresult *next = PQgetResult(link->conn);
        if (next == NULL) {
            break;
        }
        if (!is_good(next)) {
            set_result_fault(link, next, fault);
            failed = true;
        }
        PQclear(last);
        last = next;
    }
    if (last == NULL) {
        lose_link(link, fault);
    } else if (failed) {
        PQclear(last);
        last = NULL;
        end_if_broken(link);
    }
    return last;
}

/* ---- asking ---- */

PGresult *postgresql_ask(struct postgresql_link *link, const char *sql, const struct postgresql_values *values,
                         bool octets, struct fault *fault)
{
    static const struct postgresql_values none;
    values = values == NULL ? &none : values;
    if (postgresql_link_open(link, fault) != 0) {
        return NULL;
    }
    if (PQsendQueryParams(link->conn, sql, values->count, NULL, values->at, values->len, values->format, octets) == 0) {
        lose_link(link, fault);
        return NULL;
    }
    return take_last(link, fault);
}

int postgresql_say(struct postgresql_link *link, const char *sql, struct fault *fault)
{
    PGresult *result = postgresql_ask(link, sql, NULL, false, fault);
    PQclear(result);
    return result == NULL ? -1 : 0;
}

int postgresql_run(struct postgresql_link *link, const char *sql, struct fault *fault)
{
    if (PQsendQuery(link->conn, sql) == 0) {
        lose_link(link, fault);
        return -1;
    }
    PGresult *result = take_last(link, fault);
    PQclear(result);
    return result == NULL ? -1 : 0;
}

/* ---- several at once ---- */

int postgresql_begin(struct postgresql_link *link, struct fault *fault)
{
    if (postgresql_link_open(link, fault) != 0) {
        return -1;
    }
    if (PQenterPipelineMode(link->conn) == 0) {
        lose_link(link, fault);
        return -1;
    }
    link->sent = 0;
    link->old_count = link->known_count;
    return 0;
}

static const char *name_of(size_t at, char name[16])
{
    snprintf(name, 16, "m%zu", at);
    return name;
}

/* The number by which the server knows it, once it was told; POSTGRESQL_KNOWN: it is told no more of them. -1 with a
 * fault. */
static ptrdiff_t tell_question(struct postgresql_link *link, const char *sql, struct fault *fault)
{
    char name[16];
    size_t at = 0;
    while (at < link->known_count && strcmp(link->known[at], sql) != 0) {
        at++;
    }
    if (at < link->known_count || at == POSTGRESQL_KNOWN) {
        return (ptrdiff_t)at;
    }
    if (PQsendPrepare(link->conn, name_of(at, name), sql, 0, NULL) == 0) {
        lose_link(link, fault);
        return -1;
    }
    link->known[at] = sql;
    link->news[at] = link->sent;
    link->known_count++;
    return (ptrdiff_t)at;
}

int postgresql_send(struct postgresql_link *link, const char *sql, const struct postgresql_values *values,
                    struct fault *fault)
{
    static const struct postgresql_values none;
    char name[16];
    ptrdiff_t at = values == NULL ? POSTGRESQL_KNOWN : tell_question(link, sql, fault);
    values = values == NULL ? &none : values;
    if (at < 0) {
        return -1;
    }
    int sent = at < POSTGRESQL_KNOWN ? PQsendQueryPrepared(link->conn, name_of((size_t)at, name), values->count,
                                                           values->at, values->len, values->format, 0)
                                     : PQsendQueryParams(link->conn, sql, values->count, NULL, values->at, values->len,
                                                         values->format, 0);
    if (sent == 0) {
        lose_link(link, fault);
        return -1;
    }
    link->sent++;
    return 0;
}

/* The next result and the end behind it; NULL with a fault when the connection is gone. */
static PGresult *take_next(struct postgresql_link *link, bool has_end, struct fault *fault)
{
    if (wait_for_result(link, fault) != 0) {
        return NULL;
    }
    PGresult *result = PQgetResult(link->conn);
    if (result == NULL) {
        lose_link(link, fault);
        return NULL;
    }
    if (has_end) {
        PQclear(PQgetResult(link->conn));
    }
    return result;
}

/* What a pipeline has answered so far. */
struct gathering {
    postgresql_result_fn *fn;
    void *ctx;
    size_t count, heard; /* questions */
    int told;            /* -1: one failed, and its fault was told */
};

/* The server has heard of a question, or has not; it has of none that came behind one that failed. 0, or -1 without a
 * connection. */
static int take_known(struct postgresql_link *link, struct gathering *all, struct fault *fault)
{
    PGresult *result = take_next(link, true, fault);
    if (result == NULL) {
        return -1;
    }
    if (is_good(result)) {
        link->old_count++;
    } else if (all->told == 0) {
        all->told = -1;
        set_result_fault(link, result, fault);
    }
    PQclear(result);
    return 0;
}

/* Likewise of an answer, or of the end behind all of them. */
static int take_answer(struct postgresql_link *link, struct gathering *all, struct fault *fault)
{
    bool is_end = all->heard == all->count;
    PGresult *result = take_next(link, !is_end, fault);
    if (result == NULL) {
        return -1;
    }
    if (all->told == 0 && PQresultStatus(result) != PGRES_PIPELINE_SYNC && !is_good(result)) {
        all->told = -1;
        set_result_fault(link, result, fault);
    } else if (all->told == 0 && !is_end) {
        all->fn(all->ctx, all->heard, result);
    }
    all->heard++;
    PQclear(result);
    return 0;
}

int postgresql_gather(struct postgresql_link *link, size_t count, postgresql_result_fn *fn, void *ctx,
                      struct fault *fault)
{
    struct gathering all = {.fn = fn, .ctx = ctx, .count = count};
    size_t new = link->old_count;
    if (PQpipelineSync(link->conn) == 0) {
        lose_link(link, fault);
        return -1;
    }
    int result = 0;
    while (result == 0 && all.heard <= count) {
        bool is_news = new < link->known_count && link->news[new] == all.heard;
        new += is_news;
        result = is_news ? take_known(link, &all, fault) : take_answer(link, &all, fault);
    }
    link->known_count = link->old_count;
    if (result == 0 && PQexitPipelineMode(link->conn) == 0) {
        set_fault(fault, "down", "PostgreSQL's answers do not end");
        result = -1;
    }
    if (result != 0) {
        postgresql_link_close(link);
    }
    end_if_broken(link);
    return result != 0 ? -1 : all.told;
}

/*
 * config_spool - see config_spool.h. libpq's connection strings: PostgreSQL 15, 34.1.1.1, "keyword = value", a value
 * with blanks in single quotes, and a backslash in front of a quote.
 */
#include "config/config_spool.h"

#include <string.h>

#define VALUE_MAX 1000
/* Where a node keeps what is its own alone, when nothing else is said: as packages and images make it. */
#define USUAL_FOLDER "/var/lib/mailweir"

/* ---- connection strings ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Takes a value off; false when its quote has no end. */
static bool take_value(const char **rest, char value[VALUE_MAX])
{
    const char *at = *rest;
    size_t len = 0;
    bool quoted = *at == '\'';
    at += quoted;
    while (*at != '\0' && (quoted ? *at != '\'' : !is_blank(*at))) {
        at += *at == '\\' && at[1] != '\0';
        if (len + 1 < VALUE_MAX) {
            value[len++] = *at;
        }
        at++;
    }
    value[len] = '\0';
    bool ended = !quoted || *at == '\'';
    *rest = at + (quoted && ended);
    return ended;
}

/* Takes "keyword = value" off: 1, 0 at the end, -1 when it is no such thing. */
static int take_pair(const char **rest, char keyword[VALUE_MAX], char value[VALUE_MAX])
{
    const char *at = *rest;
    size_t len = 0;
    while (is_blank(*at)) {
        at++;
    }
    if (*at == '\0') {
        return 0;
    }
    while (*at != '\0' && *at != '=' && !is_blank(*at) && len + 1 < VALUE_MAX) {
        keyword[len++] = *at++;
    }
    keyword[len] = '\0';
    while (is_blank(*at)) {
        at++;
    }
    if (len == 0 || *at != '=') {
        return -1;
    }
    for (at++; is_blank(*at); at++) {
    }
    *rest = at;
    return take_value(rest, value) ? 1 : -1;
}

/* The value of a keyword, the last one counts; "" when it is not said. -1 when the text is no connection string. */
static int value_of(const char *connection, const char *wanted, char value_r[VALUE_MAX])
{
    char keyword[VALUE_MAX], value[VALUE_MAX];
    int got;
    value_r[0] = '\0';
    while ((got = take_pair(&connection, keyword, value)) == 1) {
        if (strcmp(keyword, wanted) == 0) {
            memcpy(value_r, value, strlen(value) + 1);
        }
    }
    return got;
}

/* A unix socket: nobody stands in between. */
static bool is_local(const char *connection)
{
    char host[VALUE_MAX], address[VALUE_MAX];
    if (value_of(connection, "host", host) != 0 || value_of(connection, "hostaddr", address) != 0) {
        return false;
    }
    return address[0] == '\0' && strchr(host, ',') == NULL && (host[0] == '\0' || host[0] == '/' || host[0] == '@');
}

/* ---- the place ---- */

void config_spool_settle(struct config *config)
{
    if (config->spool_path == NULL && config->postgresql.connection != NULL) {
        config->spool_path = USUAL_FOLDER;
    }
}

static void append_quoted(struct buf *out, const char *keyword, const char *value)
{
    buf_printf(out, " %s='", keyword);
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\') {
            buf_append_octet(out, '\\');
        }
        buf_append_octet(out, (uint8_t)*value);
    }
    buf_append_octet(out, '\'');
}

void config_spool_place(const struct config *config, struct buf *out)
{
    const struct config_postgresql *postgresql = &config->postgresql;
    char mode[VALUE_MAX];
    if (postgresql->connection == NULL) {
        buf_append_text(out, config->spool_path);
        return;
    }
    buf_append_text(out, postgresql->connection);
    if (postgresql->password != NULL) {
        append_quoted(out, "password", postgresql->password);
    }
    if (!is_local(postgresql->connection) && !postgresql->insecure &&
        value_of(postgresql->connection, "sslmode", mode) == 0 && mode[0] == '\0') {
        buf_append_text(out, " sslmode=verify-full");
    }
}

const char *config_spool_shown(const struct config *config)
{
    return config->postgresql.connection == NULL ? config->spool_path : config->postgresql.connection;
}

/* ---- checking ---- */

static void check_tls(const struct config_postgresql *postgresql, const struct document *json,
                      struct problems *problems)
{
    char mode[VALUE_MAX];
    if (is_local(postgresql->connection) || postgresql->insecure ||
        value_of(postgresql->connection, "sslmode", mode) != 0 || mode[0] == '\0' || strcmp(mode, "verify-full") == 0) {
        return;
    }
    document_problem(json, problems, PROBLEM_ERROR, "/spool/postgresql/connection",
                     "sslmode=%s does not check who the server is, so somebody in between could read and change all "
                     "mail: use sslmode=verify-full (the default), or set \"insecure\": true",
                     mode);
}

void config_spool_check(const struct config *config, const struct document *json, struct problems *problems)
{
    const struct config_postgresql *postgresql = &config->postgresql;
    char value[VALUE_MAX];
    const json_t *spool = json_object_get(document_root(json), "spool");
    if (json_is_object(spool) && json_object_get(spool, "path") == NULL &&
        json_object_get(spool, "postgresql") == NULL) {
        document_problem(json, problems, PROBLEM_ERROR, "/spool",
                         "\"path\" is missing: folder of the queue, on a disk that survives restarts (or"
                         " \"postgresql\": a database)");
    }
    if (postgresql->connection == NULL) {
        return;
    }
    if (strstr(postgresql->connection, "://") != NULL || value_of(postgresql->connection, "host", value) != 0) {
        document_problem(json, problems, PROBLEM_ERROR, "/spool/postgresql/connection",
                         "this is not a connection string; write keyword=value pairs, such as \"host=db.example.net"
                         " dbname=mailweir user=mailweir\"");
        return;
    }
    if (value_of(postgresql->connection, "password", value) == 0 && value[0] != '\0') {
        document_problem(json, problems, PROBLEM_ERROR, "/spool/postgresql/connection",
                         "do not write the password here, where it would be shown: set \"password\": {\"file\": ...}");
    }
    if (value_of(postgresql->connection, "dbname", value) == 0 && value[0] == '\0') {
        document_problem(json, problems, PROBLEM_ERROR, "/spool/postgresql/connection",
                         "the connection names no database: add dbname=mailweir");
    }
    if (postgresql->overflow != NULL && strcmp(postgresql->overflow, config->spool_path) == 0) {
        document_problem(json, problems, PROBLEM_ERROR, "/spool/postgresql/overflow",
                         "this is the folder of \"path\" as well; name one inside of it, such as \"%s/overflow\"",
                         config->spool_path);
    }
    check_tls(postgresql, json, problems);
}

/*
 * spool_query - see spool_query.h. Conditions are put together from fixed pieces of SQL; values are always bound, never
 * part of the text.
 */
#include "spool/spool_query.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/expect.h"
#include "store/local/local_index_private.h"

#define VALUES_MAX 16
#define SQL_MAX    4000

/* ---- selections as JSON ---- */

struct member {
    const char *name;
    const char **text;
};

#define MEMBERS(select)                                                                                                \
    {"id", &(select)->id}, {"message_id", &(select)->message_id}, {"state", &(select)->state},                         \
        {"upstream", &(select)->upstream}, {"folder", &(select)->folder}, {"from", &(select)->sender},                 \
    {                                                                                                                  \
        "rule", &(select)->rule                                                                                        \
    }

json_t *spool_select_to_json(const struct store_select *select)
{
    struct store_select copy = *select;
    const struct member members[] = {MEMBERS(&copy)};
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (*members[i].text != NULL) {
            json_object_set_new(object, members[i].name, json_string(*members[i].text));
        }
    }
    if (select->before_ms != 0) {
        json_object_set_new(object, "before_ms", json_integer(select->before_ms));
    }
    if (select->tried) {
        json_object_set_new(object, "tried", json_true());
    }
    return object;
}

static int set_member(struct store_select *select, const char *name, const json_t *value)
{
    const struct member members[] = {MEMBERS(select)};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (strcmp(members[i].name, name) == 0 && json_is_string(value)) {
            *members[i].text = json_string_value(value);
            return 0;
        }
    }
    if (strcmp(name, "before_ms") == 0 && json_is_integer(value)) {
        select->before_ms = json_integer_value(value);
        return 0;
    }
    if (strcmp(name, "tried") == 0 && json_is_boolean(value)) {
        select->tried = json_is_true(value);
        return 0;
    }
    return -1;
}

int spool_select_from_json(const json_t *object, struct store_select *select_r, struct fault *fault)
{
    struct store_select select = {0};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (set_member(&select, name, value) != 0) {
            fault_set(fault, FAULT_PERM, "usage", "select",
                      "\"%s\" is not a way to choose deliveries, or has the wrong type", name);
            return -1;
        }
    }
    if (select.state != NULL && store_state_of(select.state) < 0) {
        fault_set(fault, FAULT_PERM, "usage", "select",
                  "\"%s\" is no state: waiting, held, dead, filed, dropped or moved", select.state);
        return -1;
    }
    *select_r = select;
    return 0;
}

/* ---- statements ---- */

struct query {
    struct buf sql;
    struct {
        const char *text; /* or NULL: the number */
        int64_t number;
    } values[VALUES_MAX];
    size_t count;
    char id[64]; /* a message id out of a delivery id */
};

static void add_text(struct query *query, const char *condition, const char *text)
{
    EXPECT(query->count < VALUES_MAX);
    buf_append_text(&query->sql, condition);
    query->values[query->count++].text = text;
}

static void add_number(struct query *query, const char *condition, int64_t number)
{
    EXPECT(query->count < VALUES_MAX);
    buf_append_text(&query->sql, condition);
    query->values[query->count++].number = number;
}

/* "<message id>.<number>" or a message id. */
static void add_id(struct query *query, const char *id)
{
    const char *dot = strrchr(id, '.');
    uint64_t number;
    if (dot == NULL || (size_t)(dot - id) >= sizeof query->id || !bytes_to_u64(bytes_of(dot + 1), &number) ||
        number > INT32_MAX) {
        add_text(query, " AND m.id = ?", id);
        return;
    }
    memcpy(query->id, id, (size_t)(dot - id));
    query->id[dot - id] = '\0';
    add_text(query, " AND m.id = ?", query->id);
    add_number(query, " AND d.number = ?", (int64_t)number);
}

static void begin_query(struct query *query, const char *columns, const struct store_select *select)
{
    const struct {
        const char *condition, *text;
    } conditions[] = {
        {" AND m.message_id = ?", select->message_id},
        {" AND d.upstream = ?", select->upstream},
        {" AND d.folder = ?", select->folder},
        {" AND m.sender = ?", select->sender},
        {" AND d.rule = ?", select->rule},
    };
    int state = select->state == NULL ? -1 : store_state_of(select->state);
    bool settled = state >= 0 && store_state_is_settled((enum store_state)state);
    *query = (struct query){0};
    buf_init(&query->sql, SQL_MAX);
    buf_printf(&query->sql, "SELECT %s FROM message m CROSS JOIN delivery d ON d.message = m.seq WHERE %s", columns,
               settled ? "1" : "m.open > 0");
    if (state >= 0) {
        add_number(query, " AND d.state = ?", state);
    } else {
        buf_append_text(&query->sql, " AND d.state IN (0, 1, 2)");
    }
    if (select->id != NULL) {
        add_id(query, select->id);
    }
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
        if (conditions[i].text != NULL) {
            add_text(query, conditions[i].condition, conditions[i].text);
        }
    }
    if (select->before_ms != 0) {
        add_number(query, " AND m.received_ms < ?", select->before_ms);
    }
    if (select->tried) {
        add_number(query, " AND d.attempts >= ?", 1);
    }
}

static void add_after(struct query *query, struct store_key after)
{
    add_number(query, " AND m.seq >= ?", (int64_t)after.message);
    add_number(query, " AND (d.message, d.number) > (?", (int64_t)after.message);
    add_number(query, ", ?)", after.number);
}

/* Prepares and binds, and frees the text; NULL with a fault. The caller finalizes. */
static sqlite3_stmt *end_query(struct local_index *index, struct query *query, struct fault *fault)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(local_index_db(index), buf_text(&query->sql), -1, &st, NULL);
    buf_done(&query->sql);
    if (code != SQLITE_OK) {
        local_index_failed(local_index_db(index), code, fault);
        return NULL;
    }
    for (size_t i = 0; i < query->count; i++) {
        if (query->values[i].text != NULL) {
            sqlite3_bind_text(st, (int)i + 1, query->values[i].text, -1, SQLITE_TRANSIENT);
        } else {
            sqlite3_bind_int64(st, (int)i + 1, query->values[i].number);
        }
    }
    return st;
}

/* A statement with fixed text and up to three values. */
static sqlite3_stmt *prepare(struct local_index *index, const char *sql, struct fault *fault)
{
    struct query query = {0};
    buf_init(&query.sql, SQL_MAX);
    buf_append_text(&query.sql, sql);
    return end_query(index, &query, fault);
}

/* 1, 0 at the end, -1 with a fault. */
static int next_row(struct local_index *index, sqlite3_stmt *st, struct fault *fault)
{
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        return code == SQLITE_ROW;
    }
    return local_index_failed(local_index_db(index), code, fault);
}

/* ---- rows as JSON ---- */

static const char *column_text(sqlite3_stmt *st, int at)
{
    const char *text = (const char *)sqlite3_column_text(st, at);
    return text == NULL ? "" : text;
}

static json_t *json_text(const char *text)
{
    json_t *value = json_string(text);
    return value != NULL ? value : json_string_nocheck("?");
}

/* A column that holds JSON; an empty object when it is damaged. */
static json_t *column_json(sqlite3_stmt *st, int at)
{
    json_t *value = json_loads(column_text(st, at), 0, NULL);
    return value != NULL ? value : json_object();
}

static json_t *addresses(const json_t *envelope)
{
    json_t *list = json_array(), *recipient;
    size_t i;
    json_array_foreach(json_object_get(envelope, "to"), i, recipient)
    {
        json_array_append(list, json_object_get(recipient, "address"));
    }
    return list;
}

#define DELIVERY_COLUMNS                                                                                               \
    "m.id, d.number, d.state, d.upstream, d.folder, d.rule, d.due_ms, d.attempts, d.uncertain, d.changed_ms,"          \
    " d.uidvalidity, d.uid, d.detail, d.message, m.sender, m.received_ms, m.body_len, m.envelope, d.doubt"

static json_t *delivery_object(sqlite3_stmt *st)
{
    json_t *object = json_object();
    enum store_state state = (enum store_state)sqlite3_column_int(st, 2);
    json_object_set_new(object, "id", json_sprintf("%s.%d", column_text(st, 0), sqlite3_column_int(st, 1)));
    json_object_set_new(object, "number", json_integer(sqlite3_column_int(st, 1)));
    json_object_set_new(object, "state", json_text(store_state_name(state)));
    json_object_set_new(object, "upstream", json_text(column_text(st, 3)));
    json_object_set_new(object, "folder", json_text(column_text(st, 4)));
    json_object_set_new(object, "rule", json_text(column_text(st, 5)));
    json_object_set_new(object, "due_ms", json_integer(sqlite3_column_int64(st, 6)));
    json_object_set_new(object, "attempts", json_integer(sqlite3_column_int(st, 7)));
    json_object_set_new(object, "uncertain", json_boolean(sqlite3_column_int(st, 8)));
    if (sqlite3_column_int(st, 8) && column_text(st, 18)[0] != '\0') {
        json_object_set_new(object, "doubt", json_text(column_text(st, 18)));
    }
    json_object_set_new(object, "changed_ms", json_integer(sqlite3_column_int64(st, 9)));
    if (state == STORE_STATE_FILED) {
        json_object_set_new(object, "uidvalidity", json_integer(sqlite3_column_int64(st, 10)));
        json_object_set_new(object, "uid", json_integer(sqlite3_column_int64(st, 11)));
    }
    return object;
}

static json_t *attempt_object(sqlite3_stmt *st)
{
    json_t *object = json_object();
    json_object_set_new(object, "attempt", json_integer(sqlite3_column_int(st, 0)));
    json_object_set_new(object, "at_ms", json_integer(sqlite3_column_int64(st, 1)));
    json_object_set_new(object, "class", json_text(column_text(st, 2)));
    json_object_set_new(object, "code", json_text(column_text(st, 3)));
    json_object_set_new(object, "during", json_text(column_text(st, 4)));
    json_object_set_new(object, "text", json_text(column_text(st, 5)));
    return object;
}

/* Attempts or notes of a delivery, oldest first. */
static int read_events(struct local_index *index, const char *sql, sqlite3_int64 message, int number,
                       json_t *(*make)(sqlite3_stmt *st), json_t **list_r, struct fault *fault)
{
    sqlite3_stmt *st = prepare(index, sql, fault);
    if (st == NULL) {
        return -1;
    }
    json_t *list = json_array();
    sqlite3_bind_int64(st, 1, message);
    sqlite3_bind_int(st, 2, number);
    int got;
    while ((got = next_row(index, st, fault)) == 1) {
        json_array_append_new(list, make(st));
    }
    sqlite3_finalize(st);
    *list_r = list;
    return got;
}

#define ATTEMPTS "SELECT attempt, at_ms, class, code, place, text FROM attempt WHERE message = ?1 AND number = ?2"

/* ---- the list ---- */

static int list_row(struct local_index *index, sqlite3_stmt *st, spool_query_fn *fn, void *ctx, struct fault *fault)
{
    json_t *errors = NULL;
    if (read_events(index, ATTEMPTS " ORDER BY attempt DESC LIMIT 1", sqlite3_column_int64(st, 13),
                    sqlite3_column_int(st, 1), attempt_object, &errors, fault) < 0) {
        json_decref(errors);
        return -1;
    }
    json_t *object = delivery_object(st), *envelope = column_json(st, 17);
    json_object_set_new(object, "message", json_text(column_text(st, 0)));
    json_object_set_new(object, "from", json_text(column_text(st, 14)));
    json_object_set_new(object, "to", addresses(envelope));
    json_object_set_new(object, "received_ms", json_integer(sqlite3_column_int64(st, 15)));
    json_object_set_new(object, "size", json_integer(sqlite3_column_int64(st, 16)));
    json_object_set_new(object, "seq", json_integer(sqlite3_column_int64(st, 13)));
    if (json_array_size(errors) > 0) {
        json_object_set(object, "error", json_array_get(errors, 0));
    }
    int stop = fn(ctx, object);
    json_decref(object);
    json_decref(envelope);
    json_decref(errors);
    return stop != 0 ? 1 : 0;
}

int spool_query_list(struct local_index *index, const struct store_select *select, uint64_t limit, spool_query_fn *fn,
                     void *ctx, struct fault *fault)
{
    struct query query;
    begin_query(&query, DELIVERY_COLUMNS, select);
    if (select->after.message != 0) {
        add_after(&query, select->after);
    }
    add_number(&query, " ORDER BY m.seq, d.number LIMIT ?", limit == 0 ? -1 : (int64_t)limit);
    sqlite3_stmt *st = end_query(index, &query, fault);
    if (st == NULL) {
        return -1;
    }
    int got, stop = 0;
    while (stop == 0 && (got = next_row(index, st, fault)) != 0) {
        stop = got < 0 ? -1 : list_row(index, st, fn, ctx, fault);
    }
    sqlite3_finalize(st);
    return stop < 0 ? -1 : 0;
}

int spool_query_keys(struct local_index *index, const struct store_select *select, struct store_key after, size_t limit,
                     struct store_key *keys, enum store_state *found, size_t *count_r, struct fault *fault)
{
    struct query query;
    begin_query(&query, "d.message, d.number, d.state", select);
    add_after(&query, after);
    add_number(&query, " ORDER BY m.seq, d.number LIMIT ?", (int64_t)limit);
    sqlite3_stmt *st = end_query(index, &query, fault);
    if (st == NULL) {
        return -1;
    }
    size_t count = 0;
    int got;
    while ((got = next_row(index, st, fault)) == 1) {
        keys[count] = (struct store_key){(uint64_t)sqlite3_column_int64(st, 0), (unsigned)sqlite3_column_int(st, 1)};
        found[count++] = (enum store_state)sqlite3_column_int(st, 2);
    }
    sqlite3_finalize(st);
    *count_r = count;
    return got;
}

/* ---- the summary ---- */

/* Of one upstream. Counted here and not by GROUP BY, which would keep every delivery of a backlog in memory to sort it. */
struct tally {
    char *upstream;
    uint64_t counts[3]; /* by enum store_state: waiting, held, dead */
    int64_t oldest_ms;
};

struct tallies {
    struct tally *items;
    size_t count, last;
};

static struct tally *tally_of(struct tallies *tallies, const char *upstream)
{
    if (tallies->count > 0 && strcmp(tallies->items[tallies->last].upstream, upstream) == 0) {
        return &tallies->items[tallies->last];
    }
    for (tallies->last = 0; tallies->last < tallies->count; tallies->last++) {
        if (strcmp(tallies->items[tallies->last].upstream, upstream) == 0) {
            return &tallies->items[tallies->last];
        }
    }
    tallies->items = expect_memory(realloc(tallies->items, (tallies->count + 1) * sizeof *tallies->items));
    tallies->items[tallies->count] = (struct tally){.upstream = expect_strdup(upstream), .oldest_ms = INT64_MAX};
    return &tallies->items[tallies->count++];
}

static int count_all(struct local_index *index, struct tallies *tallies, struct fault *fault)
{
    sqlite3_stmt *st = prepare(index,
                               "SELECT d.upstream, d.state, m.received_ms FROM message m CROSS JOIN delivery d"
                               " ON d.message = m.seq WHERE m.open > 0 AND d.state IN (0, 1, 2)",
                               fault);
    int got = st == NULL ? -1 : 1;
    while (got == 1 && (got = next_row(index, st, fault)) == 1) {
        struct tally *tally = tally_of(tallies, column_text(st, 0));
        int64_t received_ms = sqlite3_column_int64(st, 2);
        tally->counts[sqlite3_column_int(st, 1)]++;
        tally->oldest_ms = received_ms < tally->oldest_ms ? received_ms : tally->oldest_ms;
    }
    sqlite3_finalize(st);
    return got;
}

static int compare_tallies(const void *a, const void *b)
{
    return strcmp(((const struct tally *)a)->upstream, ((const struct tally *)b)->upstream);
}

static json_t *tell_tallies(struct tallies *tallies)
{
    json_t *upstreams = json_object();
    if (tallies->count > 0) {
        qsort(tallies->items, tallies->count, sizeof *tallies->items, compare_tallies);
    }
    for (size_t i = 0; i < tallies->count; i++) {
        const struct tally *tally = &tallies->items[i];
        json_t *object = json_object();
        for (unsigned state = 0; state < 3; state++) {
            if (tally->counts[state] > 0) {
                json_object_set_new(object, store_state_name((enum store_state)state),
                                    json_integer((json_int_t)tally->counts[state]));
            }
        }
        json_object_set_new(object, "oldest_ms", json_integer(tally->oldest_ms));
        json_object_set_new(upstreams, tally->upstream, object);
        free(tally->upstream);
    }
    free(tallies->items);
    return upstreams;
}

int spool_query_summary(struct local_index *index, json_t **summary_r, struct fault *fault)
{
    struct tallies tallies = {0};
    json_t *summary = json_object(), *paused = json_array();
    sqlite3_stmt *pauses = prepare(index, "SELECT upstream FROM pause", fault);
    int got = pauses == NULL ? -1 : count_all(index, &tallies, fault);
    while (got == 0 && (got = next_row(index, pauses, fault)) == 1) {
        json_array_append_new(paused, json_text(column_text(pauses, 0)));
        got = 0;
    }
    sqlite3_finalize(pauses);
    json_object_set_new(summary, "upstreams", tell_tallies(&tallies));
    json_object_set_new(summary, "paused", paused);
    if (got < 0) {
        json_decref(summary);
        return -1;
    }
    *summary_r = summary;
    return 0;
}

/* ---- the story of a message ---- */

static json_t *note_object(sqlite3_stmt *st)
{
    json_t *object = json_object();
    json_object_set_new(object, "at_ms", json_integer(sqlite3_column_int64(st, 0)));
    json_object_set_new(object, "text", json_text(column_text(st, 1)));
    return object;
}

static int story_delivery(struct local_index *index, sqlite3_stmt *st, json_t *deliveries, struct fault *fault)
{
    json_t *attempts = NULL, *notes = NULL;
    sqlite3_int64 message = sqlite3_column_int64(st, 13);
    int number = sqlite3_column_int(st, 1);
    if (read_events(index, ATTEMPTS " ORDER BY attempt", message, number, attempt_object, &attempts, fault) < 0 ||
        read_events(index, "SELECT at_ms, text FROM note WHERE message = ?1 AND number = ?2 ORDER BY at_ms", message,
                    number, note_object, &notes, fault) < 0) {
        json_decref(attempts);
        json_decref(notes);
        return -1;
    }
    json_t *object = delivery_object(st), *detail = column_json(st, 12);
    json_object_set(object, "fallback", json_object_get(detail, "fallback"));
    json_object_set(object, "instead_of", json_object_get(detail, "instead_of"));
    json_object_set(object, "flags", json_object_get(detail, "flags"));
    json_object_set(object, "recipients", json_object_get(detail, "recipients"));
    json_object_set(object, "edits", json_object_get(detail, "edits"));
    json_object_set_new(object, "history", attempts);
    json_object_set_new(object, "notes", notes);
    json_array_append_new(deliveries, object);
    json_decref(detail);
    return 0;
}

static int story_deliveries(struct local_index *index, uint64_t message, json_t **deliveries_r, struct fault *fault)
{
    sqlite3_stmt *st =
        prepare(index,
                "SELECT " DELIVERY_COLUMNS
                " FROM message m JOIN delivery d ON d.message = m.seq WHERE m.seq = ?1 ORDER BY d.number",
                fault);
    if (st == NULL) {
        return -1;
    }
    json_t *deliveries = json_array();
    sqlite3_bind_int64(st, 1, (sqlite3_int64)message);
    int got;
    while ((got = next_row(index, st, fault)) == 1) {
        if (story_delivery(index, st, deliveries, fault) != 0) {
            got = -1;
            break;
        }
    }
    sqlite3_finalize(st);
    *deliveries_r = deliveries;
    return got;
}

static json_t *message_object(sqlite3_stmt *st)
{
    json_t *object = json_object();
    json_object_set_new(object, "id", json_text(column_text(st, 0)));
    json_object_set_new(object, "received_ms", json_integer(sqlite3_column_int64(st, 1)));
    json_object_set_new(object, "size", json_integer(sqlite3_column_int64(st, 2)));
    json_object_set_new(object, "open", json_integer(sqlite3_column_int64(st, 3)));
    if (sqlite3_column_int64(st, 3) > 0) {
        json_object_set_new(object, "segment", json_integer(sqlite3_column_int64(st, 4)));
        json_object_set_new(object, "offset", json_integer(sqlite3_column_int64(st, 5)));
    } else {
        json_object_set_new(object, "settled_ms", json_integer(sqlite3_column_int64(st, 6)));
    }
    json_object_set_new(object, "envelope", column_json(st, 7));
    return object;
}

int spool_query_story(struct local_index *index, uint64_t message, json_t **story_r, struct fault *fault)
{
    sqlite3_stmt *st = prepare(
        index,
        "SELECT id, received_ms, body_len, open, segment, start, settled_ms, envelope FROM message WHERE seq = ?1",
        fault);
    if (st == NULL) {
        return -1;
    }
    sqlite3_bind_int64(st, 1, (sqlite3_int64)message);
    json_t *story = NULL, *deliveries = NULL;
    int got = next_row(index, st, fault);
    if (got == 1) {
        story = message_object(st);
        got = story_deliveries(index, message, &deliveries, fault);
        json_object_set_new(story, "deliveries", deliveries);
    }
    sqlite3_finalize(st);
    if (got < 0) {
        json_decref(story);
        return -1;
    }
    *story_r = story;
    return 0;
}

/* ---- finding ---- */

int spool_query_find(struct local_index *index, const char *what, uint64_t *messages, size_t limit, size_t *count_r,
                     struct fault *fault)
{
    return local_index_find(index, what, messages, limit, count_r, fault);
}

int spool_query_find_uid(struct local_index *index, const char *upstream, const char *folder, uint32_t uid,
                         uint64_t *messages, size_t limit, size_t *count_r, struct fault *fault)
{
    return local_index_find_uid(index, upstream, folder, uid, messages, limit, count_r, fault);
}

/*
 * local_search - finds messages by what people remember of them, the last one first.
 *
 * What decides is mail_query_fits(), on the envelope; here is only a quick way to those that may fit:
 *
 *   an id              the index of ids
 *   few open ones      the indexes of what waits, is held, or is dead, when only those are asked for and they are few
 *   words              the table of words (local_words.c), which gives numbers in falling order as they are needed
 *   anything else      all messages, from the last one on
 *
 * Messages that were not learnt yet have no words, and are looked at one by one in front of the others. A search that
 * finds little does not go through a million messages at once: it stops after `look`, and says where.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/local/local_index_private.h"
#include "store/store_meta.h"

/* Up to so many numbers are sorted in memory. */
#define LIST_MAX 20000u
/* Rows that are looked at to learn at which number a time begins. */
#define TIMES_MAX 100000
#define MATCH_MAX (16u << 10)

struct searching {
    struct local_index *index;
    struct store_search *search;
    local_index_hit_fn *fn;
    void *ctx;
    struct fault *fault;
    struct arena *arena;
    sqlite3_stmt *message;    /* of a candidate: its time, openness, envelope */
    sqlite3_stmt *deliveries; /* of it; NULL: none is asked for */
    uint64_t above, below;    /* numbers between these two are looked at */
    uint64_t looked, found;
    bool done; /* enough: fn said so, or a limit was reached */
};

/* ---- one candidate ---- */

static const char *text_at(sqlite3_stmt *st, int at)
{
    const char *text = (const char *)sqlite3_column_text(st, at);
    return text == NULL ? "" : text;
}

/* Whether one of its deliveries fits; a message that has none was discarded. 1, 0, -1. */
static int delivery_fits(const struct searching *searching, uint64_t seq)
{
    const struct mail_query *query = searching->search->query;
    sqlite3_stmt *st = searching->deliveries;
    int got, fits = 0;
    bool any = false;
    bind_number(st, 1, seq);
    while (fits == 0 && (got = local_sql_next_row(searching->index, st, searching->fault)) != 0) {
        any = true;
        fits = got < 0 ? -1
                       : mail_query_fits_delivery(query, store_state_name((enum store_state)column_number(st, 0)),
                                                  text_at(st, 1), text_at(st, 2), text_at(st, 3));
    }
    sqlite3_reset(st);
    return any ? fits : mail_query_fits_delivery(query, MAIL_QUERY_DISCARDED, "", "", "");
}

/* An envelope that cannot be read is passed over: somebody who looks for mail is no judge of damage. */
static int read_envelope(const struct searching *searching, struct mail_envelope *envelope_r)
{
    arena_clear(searching->arena);
    return store_meta_read_envelope(column_bytes(searching->message, 2), searching->arena, envelope_r, NULL);
}

/* 1: it is over; 0: go on; -1. */
static int look_at(struct searching *searching, uint64_t seq)
{
    struct store_search *search = searching->search;
    const struct mail_query *query = search->query;
    sqlite3_stmt *st = searching->message;
    struct mail_envelope envelope;
    search->next = seq;
    searching->looked++;
    bind_number(st, 1, seq);
    int got = local_sql_next_row(searching->index, st, searching->fault);
    int64_t received_ms = got == 1 ? sqlite3_column_int64(st, 0) : 0;
    /* The cheapest first: nine of ten candidates fall by their time or their deliveries. */
    int fits = got < 0 ? -1 : got == 1 && received_ms >= query->since_ms && received_ms < query->until_ms;
    if (fits == 1 && searching->deliveries != NULL) {
        fits = delivery_fits(searching, seq);
    }
    if (fits == 1) {
        fits = read_envelope(searching, &envelope) == 0 && mail_query_fits(query, &envelope);
    }
    unsigned open = fits == 1 ? (unsigned)column_number(st, 1) : 0;
    sqlite3_reset(st);
    if (fits == 1) {
        int told = searching->fn(searching->ctx, seq, open, &envelope);
        searching->found++;
        fits = told < 0 ? -1 : told > 0 ? 2 : 1;
    }
    searching->done = fits == 2 || (search->limit != 0 && searching->found >= search->limit) ||
                      (search->look != 0 && searching->looked >= search->look);
    return fits < 0 ? -1 : searching->done;
}

/* ---- candidates ---- */

/* Every number that the statement gives; gives it back. 1: over, 0: no more, -1. */
static int look_at_each(struct searching *searching, sqlite3_stmt *st)
{
    int got = st == NULL ? -1 : 0, over = 0;
    while (got >= 0 && over == 0 && (got = local_sql_next_row(searching->index, st, searching->fault)) == 1) {
        over = look_at(searching, column_number(st, 0));
    }
    local_sql_give(searching->index, &st);
    return got < 0 ? -1 : over;
}

/* All numbers between the two, in falling order. */
static int look_at_all(struct searching *searching, uint64_t above, uint64_t below)
{
    sqlite3_stmt *st = local_sql_take(
        searching->index, "SELECT seq FROM message WHERE seq > ?1 AND seq < ?2 ORDER BY seq DESC", searching->fault);
    if (st != NULL) {
        bind_number(st, 1, above);
        bind_number(st, 2, below);
    }
    return look_at_each(searching, st);
}

static int by_number_falling(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static int look_at_list(struct searching *searching, uint64_t *numbers, size_t count)
{
    int over = 0;
    if (count > 0) {
        qsort(numbers, count, sizeof *numbers, by_number_falling);
    }
    for (size_t i = 0; over == 0 && i < count; i++) {
        bool again = i > 0 && numbers[i] == numbers[i - 1];
        if (!again && numbers[i] > searching->above && numbers[i] < searching->below) {
            over = look_at(searching, numbers[i]);
        }
    }
    return over;
}

/* ---- by id ---- */

static const struct mail_query_condition *id_of(const struct mail_query *query)
{
    for (size_t i = 0; i < query->count; i++) {
        const struct mail_query_condition *condition = &query->conditions[i];
        bool is_id = condition->field == MAIL_QUERY_ID || condition->field == MAIL_QUERY_MESSAGE_ID;
        if (is_id && !condition->inverted && !condition->open_ended) {
            return condition;
        }
    }
    return NULL;
}

static int look_by_id(struct searching *searching, const struct mail_query_condition *condition)
{
    uint64_t *found = expect_calloc(1000, sizeof *found);
    size_t count = 0;
    int result = local_index_find(searching->index, condition->text, found, 1000, &count, searching->fault);
    result = result != 0 ? -1 : look_at_list(searching, found, count);
    free(found);
    return result;
}

/* ---- by state ---- */

static const struct {
    enum store_state state;
    const char *sql;
} open_states[] = {
    {STORE_STATE_WAITING, "SELECT message FROM delivery WHERE state = 0 LIMIT ?1"},
    {STORE_STATE_HELD, "SELECT message FROM delivery WHERE state = 1 AND state IN (1, 2) LIMIT ?1"},
    {STORE_STATE_DEAD, "SELECT message FROM delivery WHERE state = 2 AND state IN (1, 2) LIMIT ?1"},
};

static bool wants_only_open(const struct mail_query *query)
{
    return !mail_query_wants_state(query, store_state_name(STORE_STATE_FILED)) &&
           !mail_query_wants_state(query, store_state_name(STORE_STATE_DROPPED)) &&
           !mail_query_wants_state(query, store_state_name(STORE_STATE_MOVED)) &&
           !mail_query_wants_state(query, MAIL_QUERY_DISCARDED);
}

static int collect_state(const struct searching *searching, const char *statement, uint64_t *numbers, size_t *count)
{
    sqlite3_stmt *st = local_sql_take(searching->index, statement, searching->fault);
    int got = st == NULL ? -1 : 0;
    if (st != NULL) {
        bind_number(st, 1, LIST_MAX + 1 - *count);
    }
    while (got >= 0 && *count <= LIST_MAX && (got = local_sql_next_row(searching->index, st, searching->fault)) == 1) {
        numbers[(*count)++] = column_number(st, 0);
    }
    local_sql_give(searching->index, &st);
    return got < 0 ? -1 : 0;
}

/* 2: they are too many for a list; else as look_at_each(). */
static int look_by_state(struct searching *searching)
{
    uint64_t *numbers = expect_calloc(LIST_MAX + 1, sizeof *numbers);
    size_t count = 0;
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof open_states / sizeof open_states[0]; i++) {
        if (mail_query_wants_state(searching->search->query, store_state_name(open_states[i].state))) {
            result = collect_state(searching, open_states[i].sql, numbers, &count);
        }
    }
    if (result == 0) {
        result = count > LIST_MAX ? 2 : look_at_list(searching, numbers, count);
    }
    free(numbers);
    return result;
}

/* ---- by words ---- */

static const char *columns_of(enum mail_query_field field)
{
    return field == MAIL_QUERY_SUBJECT ? "subject"
           : field == MAIL_QUERY_FROM  ? "sender"
           : field == MAIL_QUERY_TO    ? "reader"
                                       : "subject sender reader";
}

/* "{sender} : "vendor" AND {sender} : "example" *": every word, because places of words are not kept. */
static void add_words(struct buf *match, const struct mail_query_condition *condition)
{
    struct bytes rest = bytes_trim(bytes_of(condition->words));
    while (rest.len > 0) {
        struct bytes word = bytes_cut(&rest, ' ');
        buf_printf(match, "%s{%s} : \"%.*s\"", match->len > 0 ? " AND " : "", columns_of(condition->field),
                   (int)word.len, (const char *)word.ptr);
        if (rest.len == 0 && condition->open_ended) {
            buf_append_text(match, " *");
        }
    }
}

static void match_of(const struct mail_query *query, struct buf *match)
{
    for (size_t i = 0; i < query->count; i++) {
        if (query->conditions[i].field <= MAIL_QUERY_TO && !query->conditions[i].inverted) {
            add_words(match, &query->conditions[i]);
        }
    }
}

static int look_by_words(struct searching *searching, const char *match, uint64_t below)
{
    sqlite3_stmt *st = local_sql_take(searching->index,
                                      "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid > ?2 AND rowid < ?3"
                                      " ORDER BY rowid DESC",
                                      searching->fault);
    if (st != NULL) {
        bind_text(st, 1, match);
        bind_number(st, 2, searching->above);
        bind_number(st, 3, below);
    }
    return look_at_each(searching, st);
}

/* ---- times ---- */

/* Of at most TIMES_MAX messages on the near side of a time, the number at the far end: what lies beyond it cannot
 * fit. Imported mail has old times and new numbers, so numbers do not follow times. false when there are more of
 * them. */
static int bound_by_time(const struct searching *searching, const char *statement, int64_t time_ms, uint64_t *number_r)
{
    sqlite3_stmt *st = local_sql_take(searching->index, statement, searching->fault);
    if (st == NULL) {
        return -1;
    }
    sqlite3_bind_int64(st, 1, time_ms);
    bind_number(st, 2, TIMES_MAX);
    int got = local_sql_next_row(searching->index, st, searching->fault);
    if (got == 1 && sqlite3_column_int64(st, 1) < TIMES_MAX) {
        *number_r = column_number(st, 0);
    }
    local_sql_give(searching->index, &st);
    return got < 0 ? -1 : 0;
}

static int bound(struct searching *searching)
{
    const struct mail_query *query = searching->search->query;
    uint64_t first = 0, last = 0;
    int result = 0;
    if (query->since_ms > 0) {
        result = bound_by_time(searching,
                               "SELECT ifnull(min(seq), 9223372036854775807), count(*) FROM"
                               " (SELECT seq FROM message WHERE received_ms >= ?1 LIMIT ?2)",
                               query->since_ms, &first);
        searching->above = first > 0 ? first - 1 : 0;
    }
    if (result == 0 && query->until_ms < INT64_MAX) {
        last = INT64_MAX - 1;
        result = bound_by_time(searching,
                               "SELECT ifnull(max(seq), 0), count(*) FROM"
                               " (SELECT seq FROM message WHERE received_ms < ?1 LIMIT ?2)",
                               query->until_ms, &last);
        searching->below = last + 1 < searching->below ? last + 1 : searching->below;
    }
    return result;
}

/* ---- the way ---- */

static int look_by_words_or_all(struct searching *searching)
{
    struct buf match;
    uint64_t learnt = 0;
    buf_init(&match, MATCH_MAX);
    match_of(searching->search->query, &match);
    int over = local_index_get(searching->index, "learnt", &learnt, searching->fault) != 0 ? -1 : 0;
    if (over == 0 && (match.len == 0 || match.full)) {
        over = look_at_all(searching, searching->above, searching->below);
    } else if (over == 0) {
        over = look_at_all(searching, learnt > searching->above ? learnt : searching->above, searching->below);
        uint64_t below = learnt + 1 < searching->below ? learnt + 1 : searching->below;
        over = over != 0 ? over : look_by_words(searching, buf_text(&match), below);
    }
    buf_done(&match);
    return over;
}

static int look_further(struct searching *searching)
{
    const struct mail_query *query = searching->search->query;
    const struct mail_query_condition *id = id_of(query);
    if (bound(searching) != 0) {
        return -1;
    }
    if (id != NULL) {
        return look_by_id(searching, id);
    }
    if (wants_only_open(query)) {
        int over = look_by_state(searching);
        if (over != 2) {
            return over;
        }
    }
    return look_by_words_or_all(searching);
}

int local_index_search(struct local_index *index, struct store_search *search, local_index_hit_fn *fn, void *ctx,
                       struct fault *fault)
{
    struct searching searching = {
        .index = index, .search = search, .fn = fn, .ctx = ctx, .fault = fault, .arena = arena_new(STORE_ITEM_MAX)};
    searching.below = search->before == 0 ? INT64_MAX : search->before;
    searching.message = local_sql_take(index, "SELECT received_ms, open, envelope FROM message WHERE seq = ?1", fault);
    if (search->query->of_delivery) {
        searching.deliveries = local_sql_take(
            index, "SELECT state, upstream, folder, rule FROM delivery WHERE message = ?1 ORDER BY number", fault);
    }
    search->next = 0;
    bool ready = searching.message != NULL && (!search->query->of_delivery || searching.deliveries != NULL);
    int over = ready ? look_further(&searching) : -1;
    search->next = over == 1 ? search->next : 0;
    local_sql_give(index, &searching.message);
    local_sql_give(index, &searching.deliveries);
    arena_free(&searching.arena);
    return over < 0 ? -1 : 0;
}

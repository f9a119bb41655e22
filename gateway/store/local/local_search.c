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
 * Of the two last, only chunks are looked at where a place or a time that is asked for stands (local_chunk.c).
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
/* Messages that have a word with this head, from which on it is frequent; then so many are looked at first. */
#define HEAD_MAX 2000u
#define PROBE    2000u
/* Chunks that are one way. */
#define STRETCH_MAX 16u
#define MATCH_MAX   (16u << 10)

struct searching {
    struct local_index *index;
    struct store_search *search;
    local_index_hit_fn *fn;
    void *ctx;
    struct fault *fault;
    struct arena *arena;
    sqlite3_stmt *message;    /* of a candidate: its time, openness, envelope */
    sqlite3_stmt *deliveries; /* of it; NULL: none is asked for */
    uint64_t below;           /* numbers below this one are looked at */
    const char
        *needs[MAIL_QUERY_NEEDS]; /* members of the envelope; a tree of all would be most of what looking costs */
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
    return store_meta_read_some(column_bytes(searching->message, 2), searching->needs, searching->arena, envelope_r,
                                NULL);
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
        searching->looked++;
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
        if (!again && numbers[i] < searching->below) {
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

/* "{sender} : "vendor" AND {sender} : "example" *": every word, because places of words are not kept. headless: the
 * last one, which is the head of one, is left out. */
static void add_words(struct buf *match, const struct mail_query_condition *condition, bool headless)
{
    struct bytes rest = bytes_trim(bytes_of(condition->words));
    while (rest.len > 0) {
        struct bytes word = bytes_cut(&rest, ' ');
        if (rest.len == 0 && headless) {
            return;
        }
        buf_printf(match, "%s{%s} : \"%.*s\"", match->len > 0 ? " AND " : "", columns_of(condition->field),
                   (int)word.len, (const char *)word.ptr);
        if (rest.len == 0 && condition->open_ended) {
            buf_append_text(match, " *");
        }
    }
}

/* 1: so many messages have a word that begins like the last one of the condition that the table would be slower than
 * looking at all: it puts all of their numbers in order before it gives the first. 0: not; -1. */
static int is_frequent_head(const struct searching *searching, const struct mail_query_condition *condition)
{
    const char *blank = strrchr(condition->words, ' ');
    const char *head = blank == NULL ? condition->words : blank + 1;
    sqlite3_stmt *st = local_sql_take(searching->index,
                                      "SELECT count(*) FROM (SELECT 1 FROM temp.word_list WHERE term >= ?1"
                                      " AND term < ?1 || x'ff' LIMIT ?2)",
                                      searching->fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, head);
    bind_number(st, 2, HEAD_MAX);
    int got = local_sql_next_row(searching->index, st, searching->fault);
    bool is_frequent = got == 1 && column_number(st, 0) >= HEAD_MAX;
    local_sql_give(searching->index, &st);
    return got < 0 ? -1 : is_frequent;
}

/* loose: the same without heads of words that are frequent. 1 when there are any, 0, -1. */
static int match_of(const struct searching *searching, struct buf *match, struct buf *loose)
{
    const struct mail_query *query = searching->search->query;
    bool any = false;
    for (size_t i = 0; i < query->count; i++) {
        const struct mail_query_condition *condition = &query->conditions[i];
        if (condition->field <= MAIL_QUERY_TO && !condition->inverted) {
            int frequent = condition->open_ended ? is_frequent_head(searching, condition) : 0;
            if (frequent < 0) {
                return -1;
            }
            add_words(match, condition, false);
            add_words(loose, condition, frequent == 1);
            any = any || frequent == 1;
        }
    }
    return any;
}

static int look_by_words(struct searching *searching, const char *match, uint64_t above, uint64_t below)
{
    sqlite3_stmt *st = local_sql_take(searching->index,
                                      "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid > ?2 AND rowid < ?3"
                                      " ORDER BY rowid DESC",
                                      searching->fault);
    if (st != NULL) {
        bind_text(st, 1, match);
        bind_number(st, 2, above);
        bind_number(st, 3, below);
    }
    return look_at_each(searching, st);
}

/* ---- chunks ---- */

/* What a chunk's word of that field begins with; NULL: chunks know nothing of it. */
static const char *place_of(const struct mail_query_condition *condition)
{
    bool any = condition->open_ended && condition->text[0] == '\0';
    return condition->inverted || any                ? NULL
           : condition->field == MAIL_QUERY_UPSTREAM ? LOCAL_CHUNK_UPSTREAM
           : condition->field == MAIL_QUERY_FOLDER   ? LOCAL_CHUNK_FOLDER
           : condition->field == MAIL_QUERY_RULE     ? LOCAL_CHUNK_RULE
                                                     : NULL;
}

/* Whether chunks can be passed over. */
static bool narrows_chunks(const struct mail_query *query)
{
    bool narrows = query->since_ms > 0 || query->until_ms < INT64_MAX;
    for (size_t i = 0; i < query->count; i++) {
        narrows = narrows || place_of(&query->conditions[i]) != NULL;
    }
    return narrows;
}

/* ?1 and ?2: numbers of chunks, ?3 and ?4: times; then the bounds of each place. */
static sqlite3_stmt *take_chunks(const struct searching *searching, uint64_t above, uint64_t below)
{
    const struct mail_query *query = searching->search->query;
    struct buf text;
    int at = 5;
    buf_init(&text, MATCH_MAX);
    buf_append_text(&text, "SELECT number FROM chunk WHERE number >= ?1 AND number <= ?2 AND last_ms >= ?3"
                           " AND first_ms < ?4");
    for (size_t i = 0; i < query->count; i++) {
        if (place_of(&query->conditions[i]) != NULL) {
            buf_printf(&text, " AND number IN (SELECT chunk FROM place WHERE word >= ?%d AND word <= ?%d)", at, at + 1);
            at += 2;
        }
    }
    buf_append_text(&text, " ORDER BY number DESC");
    sqlite3_stmt *st = local_sql_take(searching->index, buf_text(&text), searching->fault);
    if (st != NULL) {
        bind_number(st, 1, (above + 1) / LOCAL_CHUNK);
        bind_number(st, 2, (below - 1) / LOCAL_CHUNK);
        sqlite3_bind_int64(st, 3, query->since_ms);
        sqlite3_bind_int64(st, 4, query->until_ms);
    }
    buf_done(&text);
    return st;
}

/* The last word that begins like this one has octets above all of UTF-8 behind it. */
static void bind_places(sqlite3_stmt *st, const struct mail_query *query)
{
    struct buf word;
    int at = 5;
    buf_init(&word, MATCH_MAX);
    for (size_t i = 0; st != NULL && i < query->count; i++) {
        const struct mail_query_condition *condition = &query->conditions[i];
        const char *place = place_of(condition);
        if (place != NULL) {
            buf_clear(&word);
            buf_append_text(&word, place);
            for (const char *octet = condition->text; *octet != '\0'; octet++) {
                buf_append_octet(&word, octet_lower((uint8_t)*octet));
            }
            sqlite3_bind_text(st, at, buf_text(&word), -1, SQLITE_TRANSIENT);
            if (condition->open_ended) {
                buf_append_octet(&word, 0xff);
            }
            sqlite3_bind_text(st, at + 1, buf_text(&word), -1, SQLITE_TRANSIENT);
            at += 2;
        }
    }
    buf_done(&word);
}

/* Messages that were learnt: those with the words, or all of them. */
static int look_between(struct searching *searching, const char *match, uint64_t above, uint64_t below)
{
    return match == NULL ? look_at_all(searching, above, below) : look_by_words(searching, match, above, below);
}

struct stretch { /* of chunks behind each other */
    uint64_t first, last;
    bool any;
};

static int look_at_stretch(struct searching *searching, const char *match, const struct stretch *stretch,
                           uint64_t above, uint64_t below)
{
    uint64_t before = stretch->first == 0 ? 0 : stretch->first * LOCAL_CHUNK - 1;
    uint64_t end = (stretch->last + 1) * LOCAL_CHUNK;
    return !stretch->any ? 0
                         : look_between(searching, match, before > above ? before : above, end < below ? end : below);
}

/* Chunks that follow each other are one way, but not so many that those behind them are asked for in vain. */
static int look_in_chunks(struct searching *searching, const char *match, uint64_t above, uint64_t below)
{
    struct stretch stretch = {0};
    sqlite3_stmt *st = take_chunks(searching, above, below);
    bind_places(st, searching->search->query);
    int got = st == NULL ? -1 : 0, over = 0;
    while (got >= 0 && over == 0 && (got = local_sql_next_row(searching->index, st, searching->fault)) == 1) {
        uint64_t number = column_number(st, 0);
        if (stretch.any && number + 1 == stretch.first && stretch.last - number < STRETCH_MAX) {
            stretch.first = number;
        } else {
            over = look_at_stretch(searching, match, &stretch, above, below);
            stretch = (struct stretch){.first = number, .last = number, .any = true};
        }
    }
    local_sql_give(searching->index, &st);
    return got < 0 ? -1 : over != 0 ? over : look_at_stretch(searching, match, &stretch, above, below);
}

/* ---- the way ---- */

/* NULL: all of them. What does not fit into a search for words is left to whoever looks. */
static const char *words_of(struct buf *match)
{
    return match->len == 0 || match->full ? NULL : buf_text(match);
}

static int look_at_learnt(struct searching *searching, struct buf *match, uint64_t above, uint64_t below)
{
    return narrows_chunks(searching->search->query) ? look_in_chunks(searching, words_of(match), above, below)
                                                    : look_between(searching, words_of(match), above, below);
}

/* A head that many words have fills a page with the last few messages, mostly; the table knows where else it stands. */
static int look_at_last(struct searching *searching, struct buf *loose, uint64_t *below)
{
    uint64_t middle = *below > PROBE ? *below - PROBE : 1;
    int over = look_at_learnt(searching, loose, middle - 1, *below);
    *below = middle;
    return over;
}

/* What was not learnt yet is looked at one by one, in front of the others. */
static int look_by_words_or_all(struct searching *searching)
{
    struct buf match, loose;
    uint64_t learnt = 0, below = searching->below;
    buf_init(&match, MATCH_MAX);
    buf_init(&loose, MATCH_MAX);
    int over = local_index_get(searching->index, "learnt", &learnt, searching->fault) != 0 ? -1 : 0;
    int frequent = over != 0 ? -1 : match_of(searching, &match, &loose);
    over = frequent < 0 ? -1 : 0;
    if (over == 0 && learnt + 1 < below) {
        over = look_at_all(searching, learnt, below);
        below = learnt + 1;
    }
    if (over == 0 && frequent == 1) {
        over = look_at_last(searching, &loose, &below);
    }
    if (over == 0) {
        over = look_at_learnt(searching, &match, 0, below);
    }
    buf_done(&match);
    buf_done(&loose);
    return over;
}

static int look_further(struct searching *searching)
{
    const struct mail_query *query = searching->search->query;
    const struct mail_query_condition *id = id_of(query);
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
    mail_query_needs(search->query, searching.needs);
    bool ready = searching.message != NULL && (!search->query->of_delivery || searching.deliveries != NULL);
    int over = ready ? look_further(&searching) : -1;
    search->next = over == 1 ? search->next : 0;
    local_sql_give(index, &searching.message);
    local_sql_give(index, &searching.deliveries);
    arena_free(&searching.arena);
    return over < 0 ? -1 : 0;
}

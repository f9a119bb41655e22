/*
 * local_words - the words by which messages are found: an FTS5 table beside the messages, which holds nothing but
 * words.
 *
 * A message is learnt some time after it came, many at a time: FTS5 writes a segment of its own for each transaction,
 * and one for each message would cost more than the message. What was not learnt yet is looked at by whoever searches
 * (local_search.c).
 *
 * FTS5 finds the entries of a message only by the words that were given, so whatever changes an envelope takes its
 * words out first. Mail never waits for words: when they cannot be written, because the table is damaged, it is
 * emptied, and learning begins anew.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "mail/mail_fold.h"
#include "store/local/local_index_private.h"
#include "store/local/local_private.h"
#include "store/store_meta.h"

/* Words of one column at most; a header that has more is found by the first ones. */
#define WORDS_MAX (64u << 10)

/* ---- the words of one message ---- */

struct text {
    struct arena *arena;
    struct mail_envelope envelope;
    struct buf columns[3];
};

static void text_init(struct text *text)
{
    *text = (struct text){.arena = arena_new(STORE_ITEM_MAX)};
    for (size_t i = 0; i < 3; i++) {
        buf_init(&text->columns[i], WORDS_MAX);
    }
}

static void text_done(struct text *text)
{
    for (size_t i = 0; i < 3; i++) {
        buf_done(&text->columns[i]);
    }
    arena_free(&text->arena);
}

/*
 * An envelope that cannot be read has no words: it is nothing that a search should fail for. whole: the envelope is
 * wanted, too; each message passes here once without that, and a tree of all that is known of it would be a quarter of
 * what accepting it costs.
 */
static void text_read(struct text *text, struct bytes json, bool whole)
{
    static const enum mail_query_field fields[] = {MAIL_QUERY_SUBJECT, MAIL_QUERY_FROM, MAIL_QUERY_TO};
    arena_clear(text->arena);
    bool ok = whole ? store_meta_read_envelope(json, text->arena, &text->envelope, NULL) == 0
                    : store_meta_read_some(json, mail_query_members, text->arena, &text->envelope, NULL) == 0;
    for (size_t i = 0; i < 3; i++) {
        buf_clear(&text->columns[i]);
        if (ok) {
            mail_query_words_of(&text->envelope, fields[i], &text->columns[i]);
        }
    }
}

/* Adds or removes what text_read() made of the message. */
static int write_words(struct local_index *index, enum statement which, uint64_t seq, struct text *text,
                       struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, which, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, seq);
    for (size_t i = 0; i < 3; i++) {
        bind_text(st, (int)i + 2, buf_text(&text->columns[i]));
    }
    return local_sql_run(index, st, fault);
}

/* ---- damage ---- */

static int run_statement(struct local_index *index, const char *statement, struct fault *fault)
{
    int code = sqlite3_exec(index->db, statement, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : local_sql_failed(index->db, code, fault);
}

/* Whether the words failed by themselves: what a full or broken disk says is said for the whole transaction. */
static bool is_of_words(const struct fault *found)
{
    return strcmp(found->code, "damaged") == 0 || strcmp(found->code, "sqlite") == 0;
}

static int begin_anew(struct local_index *index, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, CLEAR_WORDS, fault);
    if (st == NULL || local_sql_run(index, st, fault) != 0) {
        return -1;
    }
    return local_index_set(index, "learnt", 0, fault);
}

/* What the words have to write they write here, not with the end of the transaction, where it would fail all of it. */
static int write_out(struct local_index *index, struct fault *fault)
{
    return run_statement(index, "SAVEPOINT written; RELEASE written", fault);
}

/* Does it whole; or, when the words fail, has all of them learnt anew. WORDS_LOST: not even that can be done, nothing
 * of it is, and the fault says why; the transaction goes on. */
#define WORDS_LOST 1
static int do_or_begin_anew(struct local_index *index, int (*fn)(struct local_index *index, void *ctx, struct fault *),
                            void *ctx, struct fault *fault)
{
    struct fault found = FAULT_INIT;
    if (run_statement(index, "SAVEPOINT words", fault) != 0) {
        return -1;
    }
    int result = fn(index, ctx, &found);
    result = result == 0 ? write_out(index, &found) : result;
    if (result != 0 && is_of_words(&found)) {
        struct fault again = FAULT_INIT;
        result = run_statement(index, "ROLLBACK TO words", &again);
        if (result == 0 && (begin_anew(index, &again) != 0 || write_out(index, &again) != 0)) {
            result = is_of_words(&again) ? run_statement(index, "ROLLBACK TO words", &again) : -1;
            result = result == 0 ? WORDS_LOST : result;
        }
        found = result < 0 ? again : found;
    }
    if (result != 0) {
        fault_set(fault, found.class, found.code, found.where, "%s", found.text);
    }
    return result < 0 || run_statement(index, "RELEASE words", fault) != 0 ? -1 : result;
}

/* ---- learning ---- */

struct learning {
    unsigned limit, count;
};

static int learn_rows(struct local_index *index, sqlite3_stmt *st, struct learning *learning, uint64_t *last,
                      struct fault *fault)
{
    struct text text;
    int got;
    text_init(&text);
    while ((got = local_sql_next_row(index, st, fault)) == 1) {
        *last = column_number(st, 0);
        text_read(&text, column_bytes(st, 1), false);
        if (write_words(index, ADD_WORDS, *last, &text, fault) != 0) {
            got = -1;
            break;
        }
        learning->count++;
    }
    text_done(&text);
    return got;
}

static int learn_words(struct local_index *index, void *ctx, struct fault *fault)
{
    struct learning *learning = ctx;
    uint64_t last = 0;
    sqlite3_stmt *st = local_sql_statement(index, UNLEARNT, fault);
    if (st == NULL || local_index_get(index, "learnt", &last, fault) != 0) {
        return -1;
    }
    learning->count = 0;
    bind_number(st, 1, last);
    bind_number(st, 2, learning->limit);
    uint64_t before = last;
    int got = learn_rows(index, st, learning, &last, fault);
    sqlite3_reset(st);
    if (got < 0 || learning->count == 0) {
        return got;
    }
    return local_index_learn_chunks(index, before, last, fault) != 0 ? -1
                                                                     : local_index_set(index, "learnt", last, fault);
}

int local_index_learn(struct local_index *index, unsigned limit, unsigned *count_r, struct fault *fault)
{
    struct learning learning = {.limit = limit};
    int result = do_or_begin_anew(index, learn_words, &learning, fault);
    *count_r = learning.count;
    return result;
}

/* ---- forgetting ---- */

/* The words of a message that was learnt go; *open_r is what else is known. 1, 0 when there is no such message. */
static int remove_words(struct local_index *index, uint64_t seq, struct text *text, struct fault *fault)
{
    uint64_t learnt = 0;
    sqlite3_stmt *st = local_sql_statement(index, ENVELOPE, fault);
    if (st == NULL || local_index_get(index, "learnt", &learnt, fault) != 0) {
        return -1;
    }
    bind_number(st, 1, seq);
    int got = local_sql_next_row(index, st, fault);
    if (got == 1) {
        text_read(text, column_bytes(st, 0), true);
    }
    sqlite3_reset(st);
    if (got == 1 && seq <= learnt && write_words(index, REMOVE_WORDS, seq, text, fault) != 0) {
        return -1;
    }
    return got;
}

static int forget_words(struct local_index *index, void *ctx, struct fault *fault)
{
    struct text text;
    text_init(&text);
    int got = remove_words(index, *(const uint64_t *)ctx, &text, fault);
    text_done(&text);
    return got < 0 ? -1 : 0;
}

int local_index_forget_words(struct local_index *index, uint64_t seq, struct fault *fault)
{
    struct fault found = FAULT_INIT;
    int result = do_or_begin_anew(index, forget_words, &seq, &found);
    if (result < 0) {
        fault_set(fault, found.class, found.code, found.where, "%s", found.text);
    }
    return result < 0 ? -1 : 0; /* words of no message find nothing */
}

/* ---- unlearning ---- */

static int set_envelope(struct local_index *index, uint64_t seq, const struct mail_envelope *envelope,
                        struct fault *fault)
{
    struct buf json;
    sqlite3_stmt *st = local_sql_statement(index, SET_ENVELOPE, fault);
    if (st == NULL) {
        return -1;
    }
    buf_init(&json, STORE_META_MAX);
    store_meta_write_envelope(&json, envelope);
    bind_number(st, 1, seq);
    bind_bytes(st, 2, buf_bytes(&json));
    int result = local_sql_run(index, st, fault);
    buf_done(&json);
    return result;
}

/* Its words change with the envelope: out with the old ones, in with what is left. */
static int unlearn_one(struct local_index *index, void *ctx, struct fault *fault)
{
    uint64_t seq = *(const uint64_t *)ctx, learnt = 0;
    struct text text;
    text_init(&text);
    int result = remove_words(index, seq, &text, fault) == 1 ? 0 : -1;
    struct mail_envelope *envelope = &text.envelope;
    bool known = envelope->subject != NULL || envelope->header_from_count + envelope->header_to_count > 0;
    envelope->subject = NULL;
    envelope->header_from_count = envelope->header_to_count = 0;
    if (result == 0 && known) {
        result = set_envelope(index, seq, envelope, fault);
    }
    if (result == 0) {
        result = local_index_get(index, "learnt", &learnt, fault);
    }
    if (result == 0 && seq <= learnt) {
        buf_clear(&text.columns[0]);
        buf_clear(&text.columns[1]);
        buf_clear(&text.columns[2]);
        mail_query_words_of(envelope, MAIL_QUERY_FROM, &text.columns[1]);
        mail_query_words_of(envelope, MAIL_QUERY_TO, &text.columns[2]);
        result = write_words(index, ADD_WORDS, seq, &text, fault);
    }
    text_done(&text);
    return result;
}

struct mark {
    uint64_t ms, seq;
};

/* Collected first: what is read is changed. */
static int to_unlearn(struct local_index *index, int64_t before_ms, unsigned limit, struct mark *marks,
                      unsigned *count_r, struct fault *fault)
{
    struct mark after = {0, 0};
    sqlite3_stmt *st = local_sql_statement(index, TO_UNLEARN, fault);
    if (st == NULL || local_index_get(index, "unlearnt_ms", &after.ms, fault) != 0 ||
        local_index_get(index, "unlearnt", &after.seq, fault) != 0) {
        return -1;
    }
    bind_number(st, 1, (uint64_t)before_ms);
    bind_number(st, 2, after.ms);
    bind_number(st, 3, after.seq);
    bind_number(st, 4, limit);
    int got;
    *count_r = 0;
    while ((got = local_sql_next_row(index, st, fault)) == 1) {
        marks[(*count_r)++] = (struct mark){.seq = column_number(st, 0), .ms = column_number(st, 1)};
    }
    sqlite3_reset(st);
    return got;
}

int local_index_unlearn(struct local_index *index, int64_t before_ms, unsigned limit, unsigned *count_r,
                        struct fault *fault)
{
    struct mark *marks = expect_calloc(limit, sizeof *marks);
    int result = to_unlearn(index, before_ms, limit, marks, count_r, fault);
    for (unsigned i = 0; result == 0 && i < *count_r; i++) {
        result = do_or_begin_anew(index, unlearn_one, &marks[i].seq, fault);
    }
    if (result == 0 && *count_r > 0) {
        const struct mark *last = &marks[*count_r - 1];
        result = local_index_set(index, "unlearnt_ms", last->ms, fault) != 0 ||
                         local_index_set(index, "unlearnt", last->seq, fault) != 0
                     ? -1
                     : 0;
    }
    free(marks);
    return result;
}

/* ---- LEARN ---- */

/* Words that are lost are nobody's trouble but the searchers': what stands in the same batch goes on. */
static int learn_op(struct local *local, struct store_op *op, struct fault *fault)
{
    struct store_learn *wanted = &op->learn;
    struct fault found = FAULT_INIT;
    wanted->unlearnt = 0;
    int result = local_index_learn(local->index, wanted->limit, &wanted->learnt, &found);
    if (result == 0) {
        result = local_index_unlearn(local->index, local_now(local) - (int64_t)wanted->keep_ms, wanted->limit,
                                     &wanted->unlearnt, &found);
    }
    if (result != 0) {
        fault_set(result < 0 ? fault : &op->fault, found.class, found.code, found.where, "%s", found.text);
    }
    return result < 0 ? -1 : 0;
}

const struct local_kind local_learn = {.index = learn_op};

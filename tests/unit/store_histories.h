/*
 * store_histories - random histories of operations, claims, crashes and failed commits on a store and on store/model
 * must agree, in what they answer and in what is kept. A history that does not is shrunk to the steps that it needs.
 *
 * The test of a store defines room_...() and ROOM_...; LOCAL is what is called the store under test here.
 */
#ifndef MAILWEIR_TESTS_UNIT_STORE_HISTORIES_H
#define MAILWEIR_TESTS_UNIT_STORE_HISTORIES_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "store/model/model.h"
#include "store/store_ask.h"
#include "store/store_batch.h"
#include "store/store_meta.h"

#include "../sim/shrink.h"
#include "test.h"

#define STEPS     40
#define OPS_MAX   5
#define HELD_MAX  400
#define ITEMS_MAX 40
#define TEXT_MAX  (4u << 20)

_Static_assert(STEPS <= SHRINK_MAX, "steps are left out bit by bit");

/* Of a store that several nodes share. */
#ifndef ROOM_HAS_NODES
#define ROOM_HAS_NODES 0
#endif
/* Whether each question fails in which something went wrong, whatever that was. */
#ifndef ROOM_TELLS_TROUBLE
#define ROOM_TELLS_TROUBLE 1
#endif
/* How much later a step is. */
#ifndef ROOM_TICK_MS
#define ROOM_TICK_MS random_below(3000)
#endif

/* ---- what the test of a store brings ---- */

struct store_batch;
/* An empty store, open. */
static void room_begin(void);
/* It is closed and removed. */
static void room_end(void);
/* The clock shows w.now_ms. */
static void room_clock(void);
#if ROOM_HAS_NODES
/* Whose step the next one is, and what else happens before it. */
static void room_turn(void);
#endif
/* A crash, and what is there is opened again. before_end (or NULL) is called of the old one. */
static void room_crash(void (*before_end)(void *ctx), void *ctx);
/* A commit that fails, for certain or not. True: nobody hears of it. */
static bool room_fails(struct store_batch batches[2]);
/* Now and then: a commit in which something goes wrong inside of the store. True: all of it failed. Else, when it was
 * made at all, its verdict. */
static bool room_stumbles(struct store_batch batches[2], bool *made_r, enum store_verdict *verdict_r);
/* In so many of a hundred calls of the store from now on something goes wrong inside of it. */
static void room_trouble(unsigned percent);
/* Whether something did, since then. */
static bool room_was_troubled(void);
/* The trouble is over. True when that is why the call failed: it is asked again. */
static bool room_calms(int result, const struct fault *fault);

/* ---- the world of a history ---- */

enum side { LOCAL, MODEL };

struct held {
    struct store_key key;
    uint64_t runs[2]; /* in which it was handed out, as each store calls it */
};

static struct world {
    uint64_t seed, draw;
    int64_t now_ms;
    struct store *stores[2];
    char path[100];
    unsigned lives, ids;
    struct held held[HELD_MAX];
    size_t held_count;
    char failure[2000];
    struct buf texts[2];
    struct arena *arena; /* of the step */
    unsigned stop_after; /* so many rows of an answer; 0: it is heard to its end */
    unsigned heard;
} w;

static uint64_t counts[STORE_OP_KINDS], refused, failed, in_limbo_count, crashes, claims, twins, lost_answers[2];

/* Where what happens is drawn from, when it is not the seed: octets of a fuzzer's. When they are used up, the first of
 * each choice happens. */
static struct bytes tape;
static bool on_tape;

static uint64_t next_of_tape(uint64_t limit)
{
    uint64_t value = 0;
    for (uint64_t span = 1; span < limit && tape.len > 0; span *= 256) {
        value = value << 8 | tape.ptr[0];
        tape = bytes_from(tape, 1);
    }
    return value % limit;
}

static uint64_t random_below(uint64_t limit)
{
    if (on_tape) {
        return next_of_tape(limit);
    }
    w.draw ^= w.draw << 13;
    w.draw ^= w.draw >> 7;
    w.draw ^= w.draw << 17;
    return (w.draw * UINT64_C(2685821657736338717) >> 20) % limit;
}

static bool chance(unsigned percent)
{
    return random_below(100) < percent;
}

static const char *one_of(const char *const *texts, size_t count)
{
    return texts[random_below(count)];
}
#define ONE_OF(...)                                                                                                    \
    one_of((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static int64_t wall(void *ctx)
{
    (void)ctx;
    return w.now_ms;
}

__attribute__((format(printf, 1, 2))) static void differ(const char *format, ...)
{
    va_list args;
    if (w.failure[0] == '\0') {
        va_start(args, format);
        vsnprintf(w.failure, sizeof w.failure, format, args);
        va_end(args);
    }
}

/* ---- what is kept, as a text ---- */

static int tell_row(void *ctx, const struct store_answer_row *row)
{
    struct buf *out = ctx;
    const struct store_delivery_row *d = &row->delivery;
    const struct store_message_row *m = row->kind == STORE_ROW_DELIVERY ? d->of : &row->message;
    switch (row->kind) {
    case STORE_ROW_FOUND:
        buf_printf(out, "found %llu\n", (unsigned long long)row->found);
        break;
    case STORE_ROW_MESSAGE:
        buf_printf(out, "message %llu %s %s open %u settled %lld len %llu %s\n", (unsigned long long)m->message, m->id,
                   m->sender, m->open, (long long)m->settled_ms, (unsigned long long)m->place.body_len,
                   arena_copy(w.arena, m->envelope));
        break;
    case STORE_ROW_DELIVERY:
        buf_printf(out, "delivery %llu.%u %s %s %s %s due %lld changed %lld tries %u%s%s doubt %s uid %u:%u %s %s\n",
                   (unsigned long long)d->key.message, d->key.number, store_state_name(d->state), d->upstream,
                   d->folder, d->rule, (long long)d->due_ms, (long long)d->changed_ms, d->attempts,
                   d->uncertain || (d->handed && !ROOM_KEEPS_HANDS) ? " uncertain" : "",
                   d->handed && ROOM_KEEPS_HANDS ? " handed" : "", d->doubt, d->uidvalidity, d->uid,
                   m == NULL ? "" : m->id, d->last == NULL ? "" : d->last->text);
        buf_append_bytes(out, d->detail);
        buf_append_text(out, "\n");
        break;
    case STORE_ROW_ATTEMPT:
        buf_printf(out, "attempt %u at %lld %s %s %s %s\n", row->attempt.attempt, (long long)row->attempt.at_ms,
                   row->attempt.class, row->attempt.code, row->attempt.during, row->attempt.text);
        break;
    case STORE_ROW_NOTE:
        buf_printf(out, "note %lld %s\n", (long long)row->note.at_ms, row->note.text);
        break;
    case STORE_ROW_TALLY:
        buf_printf(out, "tally %s %llu %llu %llu %lld\n", row->tally.upstream, (unsigned long long)row->tally.waiting,
                   (unsigned long long)row->tally.held, (unsigned long long)row->tally.dead,
                   (long long)row->tally.oldest_ms);
        break;
    case STORE_ROW_PAUSE:
        buf_printf(out, "pause \"%s\" since %lld by %s\n", row->pause.upstream, (long long)row->pause.since_ms,
                   row->pause.by);
        break;
    case STORE_ROW_MEMO:
        buf_printf(out, "memo %s %s\n", row->memo.upstream, row->memo.text);
        break;
    case STORE_ROW_COUNTS:
        buf_printf(out, "counts %llu %llu %llu %llu\n", (unsigned long long)row->counts.waiting,
                   (unsigned long long)row->counts.held, (unsigned long long)row->counts.dead,
                   (unsigned long long)row->counts.messages);
        break;
    }
    return ++w.heard == w.stop_after;
}

static void ask(enum side side, const struct store_question *question)
{
    struct fault fault = FAULT_INIT;
    struct store *store = w.stores[side];
    size_t len = w.texts[side].len;
    if (side == LOCAL) {
        room_trouble(10);
    }
    w.heard = 0;
    int result = store->ops->ask(store, question, tell_row, &w.texts[side], &fault);
    if (ROOM_TELLS_TROUBLE && result == 0 && side == LOCAL && room_was_troubled()) {
        differ("question %d is answered although something failed", (int)question->kind);
    }
    if (side == LOCAL && room_calms(result, &fault)) {
        buf_truncate(&w.texts[side], len);
        w.heard = 0;
        result = store->ops->ask(store, question, tell_row, &w.texts[side], &fault);
    }
    if (result != 0) {
        differ("%s cannot be asked: %s", store->ops->name, fault.text);
    }
}

/* Each way to candidates: ids, few open ones, words, everything; learnt and not. */
#define SEARCHES 19u
static void ask_searches(enum side side, size_t first, size_t step)
{
    static const char *const texts[SEARCHES] = {"",
                                                "subject:invoice",
                                                "from:a@x -to:c@x",
                                                "anna",
                                                "inv* two",
                                                "state:filed",
                                                "state:held,dead",
                                                "state:waiting to:x",
                                                "folder:A",
                                                "id:M1.1",
                                                "message-id:field2@x",
                                                "subject:invoice state:discarded",
                                                "since:5s",
                                                "until:9s from:a",
                                                "-subject:invoice rule:r",
                                                "folder:inbox/* since:9s",
                                                "upstream:corp rule:R -folder:A",
                                                "i* upstream:*",
                                                "folder:C until:3s"};
    for (size_t i = first; i < SEARCHES; i += step) {
        struct mail_query query;
        struct fault fault = FAULT_INIT;
        assert_int_equal(mail_query_read(texts[i], w.now_ms, w.arena, &query, &fault), 0);
        struct store_search search = {.query = &query, .limit = i % 3 == 0 ? 2 : 0};
        buf_printf(&w.texts[side], "search %s\n", texts[i]);
        ask(side, &(struct store_question){.kind = STORE_ASK_SEARCH, .search = &search});
        while (search.next != 0) {
            search.before = search.next;
            ask(side, &(struct store_question){.kind = STORE_ASK_SEARCH, .search = &search});
        }
    }
}

static void compare_texts(const char *what)
{
    const char *a = buf_text(&w.texts[LOCAL]), *b = buf_text(&w.texts[MODEL]);
    if (strcmp(a, b) == 0) {
        return;
    }
    size_t at = 0, line = 0;
    for (; a[at] != '\0' && a[at] == b[at]; at++) {
        line = a[at] == '\n' ? at + 1 : line;
    }
    differ("%s: the store says\n    %.*s\n  and the model\n    %.*s", what, (int)strcspn(a + line, "\n"), a + line,
           (int)strcspn(b + line, "\n"), b + line);
}

/* Of a message: short, or one whose head can stand for it. */
static const char *id_of(unsigned number)
{
    return number % 3 == 2 ? arena_printf(w.arena, "00000000G%uH%03u0000", number % 2, number)
                           : arena_printf(w.arena, "M%u", number);
}

/* What an operator names it by: its id, or the head of it, which may be that of several. */
static const char *name_of(unsigned number)
{
    const char *id = id_of(number);
    size_t len = strlen(id);
    return chance(60) ? id : arena_printf(w.arena, "%.*s", (int)(chance(50) || len < 14 ? 10 : 14), id);
}

/* Any of what can be chosen by, each now and then. */
static struct store_select some_choice(void)
{
    struct store_select select = {.newest = chance(30), .tried = chance(20)};
    unsigned one = (unsigned)random_below(w.ids + 2);
    select.state = chance(50) ? ONE_OF("waiting", "held", "dead", "filed", "dropped", "moved") : NULL;
    select.id = !chance(20)  ? NULL
                : chance(50) ? name_of(one)
                             : arena_printf(w.arena, "%s.%u", name_of(one), 1 + (unsigned)random_below(2));
    select.message_id = chance(15) ? ONE_OF("<field1@x>", "<field2@x>", "field1@x") : NULL;
    select.upstream = chance(20) ? ONE_OF("corp", "other", "nowhere") : NULL;
    select.folder = chance(20) ? ONE_OF("INBOX", "A") : NULL;
    select.sender = chance(20) ? ONE_OF("a@x", "b@x") : NULL;
    select.rule = chance(20) ? ONE_OF("r", "s") : NULL;
    select.to = chance(15) ? ONE_OF("A@", "c@x", "nobody") : NULL;
    select.subject = chance(15) ? ONE_OF("INVOICE", "two", "three") : NULL;
    select.before_ms = chance(20) ? w.now_ms - (int64_t)random_below(20000) : 0;
    select.since_ms = chance(20) ? w.now_ms - (int64_t)random_below(20000) : 0;
    if (chance(20)) {
        select.after = (struct store_key){one, (unsigned)random_below(3)};
    }
    return select;
}

/* Chosen at random, up to a limit, and not always heard to the end; what a restart counts again. */
static void compare_some(void)
{
    const struct store_select select = some_choice();
    const struct store_question questions[] = {
        {.kind = STORE_ASK_LIST, .select = &select, .limit = chance(40) ? 1 + random_below(4) : 0},
        {.kind = STORE_ASK_COUNTED, .within_ms = random_below(30000)},
        {.kind = STORE_ASK_STORY, .message = random_below(w.ids + 2)},
        {.kind = STORE_ASK_FIND,
         .what = ONE_OF("<field1@x>", "field3@x", id_of(2), "M3.1", "00000000G0H0020", "00000000G0", ""),
         .limit = random_below(3)},
        {.kind = STORE_ASK_FILED,
         .upstream = ONE_OF("corp", "other"),
         .folder = ONE_OF("INBOX", "A"),
         .uid = chance(20) ? 0 : 3},
        {.kind = STORE_ASK_MEMOS},
        {.kind = STORE_ASK_SUMMARY},
        {.kind = STORE_ASK_PAUSES},
        {.kind = STORE_ASK_COUNTS},
    };
    w.stop_after = chance(40) ? 1 + (unsigned)random_below(4) : 0;
    for (enum side side = LOCAL; side <= MODEL; side++) {
        buf_clear(&w.texts[side]);
        for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
            buf_printf(&w.texts[side], "question %zu\n", i);
            ask(side, &questions[i]);
        }
    }
    w.stop_after = 0;
    compare_texts("what is asked for");
}

/* At the end all lists, searches and stories are asked for, one of each now and then. */
static void compare_all(bool is_end)
{
    uint64_t one = random_below(w.ids + 2);
    static const char *const states[] = {NULL, "filed", "dropped", "moved", "dead"};
    static const enum store_question_kind kinds[] = {STORE_ASK_SUMMARY, STORE_ASK_PAUSES, STORE_ASK_COUNTS};
    for (enum side side = LOCAL; side <= MODEL; side++) {
        buf_clear(&w.texts[side]);
        for (size_t i = is_end ? 0 : one % 5; i < sizeof states / sizeof states[0]; i += is_end ? 1 : 5) {
            const struct store_select select = {.state = states[i]}, newest = {.state = states[i],
                                                                               .newest = true,
                                                                               .after = {one, 2},
                                                                               .to = "C@",
                                                                               .subject = "invoi"};
            ask(side, &(struct store_question){.kind = STORE_ASK_LIST, .select = &select});
            ask(side, &(struct store_question){.kind = STORE_ASK_LIST, .select = &newest});
        }
        ask_searches(side, is_end ? 0 : one % SEARCHES, is_end ? 1 : SEARCHES);
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            ask(side, &(struct store_question){.kind = kinds[i]});
        }
        for (uint64_t message = 1; message <= w.ids + 2; message++) {
            if (is_end || message == one) {
                ask(side, &(struct store_question){.kind = STORE_ASK_STORY, .message = message});
            }
        }
        ask(side, &(struct store_question){.kind = STORE_ASK_FIND, .what = "M1.1"});
        ask(side, &(struct store_question){.kind = STORE_ASK_FIND, .what = "field2@x"});
        ask(side, &(struct store_question){
                      .kind = STORE_ASK_FILED, .upstream = "corp", .folder = "INBOX", .uid = 3, .limit = 5});
    }
    compare_texts("what is kept");
}

static void differ_damaged(void *ctx, const struct store_damage *damage)
{
    (void)ctx;
    if (damage->kind == STORE_DAMAGE_UNREAD && room_was_troubled()) {
        return;
    }
    differ("the store finds damage in itself: %s: %s", damage->id == NULL ? "" : damage->id, damage->what.text);
}

/* Nothing was damaged, and none is to be found. */
static void scrub_all(void)
{
    struct store_scrub scrub = {.octets = 2000, .found = differ_damaged};
    struct fault fault = FAULT_INIT;
    while (!scrub.whole && w.failure[0] == '\0') {
        room_trouble(20);
        int result = w.stores[LOCAL]->ops->scrub(w.stores[LOCAL], &scrub, &fault);
        if (!room_calms(result, &fault) && result != 0) {
            differ("the store cannot look at itself: %s", fault.text);
        }
    }
}

/* ---- operations: each twice, with answers of its own ---- */

struct twice {
    struct store_op ops[2];
    struct mail_delivery deliveries[3];
};

/* Mostly what is in the asker's hands, or was before somebody else took it. */
static struct held something(void)
{
    if (w.held_count > 0 && chance(90)) {
        return w.held[random_below(w.held_count)];
    }
    return (struct held){.key = {random_below(w.ids + 2), (unsigned)random_below(4)}};
}

static struct mail_way *some_ways(size_t count)
{
    struct mail_way *ways = arena_array(w.arena, count + 1, sizeof *ways);
    for (size_t i = 0; i < count; i++) {
        ways[i] = (struct mail_way){.upstream = chance(60) ? ONE_OF("other", "corp", "nowhere") : NULL,
                                    .folder = chance(60) ? ONE_OF("A", "C") : NULL,
                                    .refused = chance(30),
                                    .down = chance(60),
                                    .down_ms = random_below(2) * 30000,
                                    .full = chance(40),
                                    .full_ms = random_below(2) * 50000};
    }
    return ways;
}

static struct mail_delivery some_delivery(unsigned number)
{
    struct mail_delivery delivery = {.number = number};
    delivery.upstream = ONE_OF("corp", "other");
    delivery.folder = ONE_OF("INBOX", "A", "B");
    delivery.rule = ONE_OF("r", "s");
    delivery.fallback = chance(30) ? ONE_OF("other", "nowhere") : NULL;
    delivery.way_count = random_below(3);
    delivery.ways = some_ways(delivery.way_count);
    delivery.held = chance(15);
    return delivery;
}

static struct bytes some_body(void)
{
    static const char *const bodies[] = {"one", "two", "three"};
    if (chance(70)) {
        return bytes_of(one_of(bodies, 3));
    }
    size_t len = 1 + random_below(900);
    char *body = arena_alloc(w.arena, len);
    memset(body, 'x', len);
    return bytes_at(body, len);
}

static void make_rows(struct store_add *add, size_t count)
{
    struct buf *detail = arena_alloc(w.arena, sizeof *detail);
    add->rows = arena_array(w.arena, count + 1, sizeof *add->rows);
    add->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct mail_delivery delivery = some_delivery((unsigned)i + 1);
        buf_init(detail, STORE_META_MAX);
        add->rows[i] = store_row_of(&delivery, add->sender, detail);
        add->rows[i].detail = bytes_of(arena_copy(w.arena, add->rows[i].detail));
        add->rows[i].handed = add->rows[i].state == STORE_STATE_WAITING && chance(30);
        add->rows[i].uncertain = add->unique && chance(50);
        add->rows[i].doubt = add->rows[i].handed ? "uidnext=5" : NULL;
        buf_done(detail);
    }
}

/* What can be searched: two subjects, three people. */
static struct mail_envelope some_envelope(const struct store_add *add)
{
    struct mail_envelope envelope = {.id = add->id, .from = add->sender, .received_ms = add->received_ms};
    struct mail_recipient *to = arena_array(w.arena, 1, sizeof *to);
    const char **header_from = arena_array(w.arena, 1, sizeof *header_from);
    *to = (struct mail_recipient){.address = ONE_OF("a@x", "c@x")};
    *header_from = ONE_OF("Anna <a@x>", "b@x");
    envelope.to = to;
    envelope.to_count = chance(90);
    envelope.subject = chance(70) ? ONE_OF("one invoice", "Invoice: two") : NULL;
    envelope.header_from = header_from;
    envelope.header_from_count = chance(70);
    if (chance(20)) {
        struct mail_counted *counted = arena_array(w.arena, 1, sizeof *counted);
        *counted = (struct mail_counted){.counter = "today", .key = add->sender};
        envelope.counted = counted;
        envelope.counted_count = 1;
    }
    return envelope;
}

static void make_add(struct twice *twice)
{
    struct store_add add = {.sender = ONE_OF("a@x", "b@x"), .received_ms = w.now_ms};
    if (!ROOM_HAS_WALL_CLOCK) { /* the clock of a node is its own */
        add.received_ms += (int64_t)random_below(40000) - 20000;
        add.age_ms = chance(50) ? random_below(15000) : 0;
    }
    add.unique = chance(25);
    unsigned number = add.unique && chance(70) && w.ids > 0 ? 1 + (unsigned)random_below(w.ids) : ++w.ids;
    add.id = id_of(number);
    add.message_id = chance(50) ? arena_printf(w.arena, "<field%u@x>", number % 4) : NULL;
    add.once_ms = chance(50) ? 10000 : 0;
    add.waits_ms = chance(20) ? 8000 : 0;
    add.print = add.once_ms + add.waits_ms == 0 ? 0 : 1 + random_below(2);
    const struct mail_envelope envelope = some_envelope(&add);
    struct buf json;
    buf_init(&json, STORE_META_MAX);
    store_meta_write_envelope(&json, &envelope);
    add.envelope = bytes_of(arena_copy(w.arena, buf_bytes(&json)));
    buf_done(&json);
    add.meta = bytes_of(arena_printf(w.arena, "{\"envelope\":%s,\"deliveries\":[]}", (const char *)add.envelope.ptr));
    add.body = some_body();
    make_rows(&add, chance(10) ? 0 : 1 + random_below(3));
    /* Those of a node that was ended go with it, when and where its connection breaks. */
    bool uploads = add.count > 0 && chance(15) && !ROOM_HAS_NODES;
    for (enum side side = LOCAL; side <= MODEL; side++) {
        struct store *store = w.stores[side];
        struct fault fault = FAULT_INIT;
        twice->ops[side].kind = STORE_ADD_MESSAGE;
        twice->ops[side].add = add;
        if (uploads) {
            twice->ops[side].add.upload = store->ops->upload(store);
            store->ops->upload_write(store, twice->ops[side].add.upload, bytes_of("uploaded "), &fault);
        }
    }
}

static void both(struct twice *twice, const struct store_op *op)
{
    twice->ops[LOCAL] = twice->ops[MODEL] = *op;
}

static void both_of(struct twice *twice, const struct store_op *op, const struct held *held)
{
    both(twice, op);
    for (enum side side = LOCAL; side <= MODEL; side++) {
        twice->ops[side].run = held->runs[side];
    }
}

static void make_finish(struct twice *twice)
{
    static const enum store_state states[] = {STORE_STATE_FILED, STORE_STATE_WAITING, STORE_STATE_DEAD};
    struct store_op op = {.kind = STORE_FINISH};
    struct store_finish *finish = &op.finish;
    const struct held held = something();
    finish->key = held.key;
    finish->state = states[random_below(3)];
    if (finish->state == STORE_STATE_WAITING && chance(30)) {
        twice->deliveries[0] = some_delivery(finish->key.number);
        finish->instead = &twice->deliveries[0];
    }
    finish->again_in_ms = random_below(8000);
    finish->attempts = 1 + (unsigned)random_below(3);
    finish->note = chance(20) ? "a note of it" : NULL;
    if (finish->state == STORE_STATE_FILED) {
        finish->uidvalidity = 7;
        finish->uid = (uint32_t)random_below(6);
        finish->folder = chance(20) ? "INBOX/else" : NULL;
    } else {
        finish->uncertain = chance(40);
        finish->doubt = finish->uncertain ? "uidvalidity=7 uidnext=9" : NULL;
        fault_set(&finish->why, FAULT_TEMP, "inuse", "APPEND", "later, said %s", ONE_OF("one", "another"));
    }
    both_of(twice, &op, &held);
}

static struct store_select *some_select(void)
{
    struct store_select *select = arena_alloc(w.arena, sizeof *select);
    *select = (struct store_select){0};
    select->id = chance(40)
                     ? arena_printf(w.arena, "%s%s", name_of((unsigned)random_below(w.ids + 1)), chance(50) ? ".1" : "")
                     : NULL;
    select->state = chance(40) ? ONE_OF("waiting", "held", "dead") : NULL;
    select->upstream = chance(30) ? ONE_OF("corp", "other") : NULL;
    select->folder = chance(10) ? "INBOX" : NULL;
    select->sender = chance(10) ? "a@x" : NULL;
    select->tried = chance(10);
    return select;
}

static void make_set_state(struct twice *twice)
{
    struct store_op op = {.kind = STORE_SET_STATE};
    op.set_state.verb = (enum store_verb)random_below(4);
    op.set_state.select = some_select();
    op.set_state.by = chance(50) ? "me" : NULL;
    op.set_state.again = chance(40);
    op.set_state.limit = 1 + (unsigned)random_below(6);
    op.set_state.after.message = chance(20) ? random_below(w.ids + 1) : 0;
    both(twice, &op);
}

static void make_reroute(struct twice *twice)
{
    struct store_op op = {.kind = STORE_REROUTE};
    op.reroute.id = id_of((unsigned)random_below(w.ids + 1));
    op.reroute.again = chance(50);
    op.reroute.count = random_below(3);
    op.reroute.deliveries = twice->deliveries;
    for (size_t i = 0; i < op.reroute.count; i++) {
        twice->deliveries[i] = some_delivery(0);
    }
    both(twice, &op);
}

static void make_divert(struct twice *twice)
{
    static const char *const known[] = {"other", "corp"};
    struct store_op op = {.kind = STORE_DIVERT};
    op.divert = (struct store_divert){.upstream = ONE_OF("corp", "other"),
                                      .known = known,
                                      .known_count = random_below(3),
                                      .trouble = {.down = chance(70),
                                                  .full = chance(50),
                                                  .down_ms = random_below(100000),
                                                  .full_ms = random_below(100000),
                                                  .patience_ms = 20000},
                                      .limit = 1 + (unsigned)random_below(6)};
    both(twice, &op);
    for (enum side side = LOCAL; side <= MODEL; side++) {
        struct store_divert *divert = &twice->ops[side].divert;
        divert->arena = arena_new(divert->limit * (size_t)STORE_ITEM_MAX);
        divert->diverted = arena_array(w.arena, divert->limit, sizeof *divert->diverted);
    }
}

static void make_small(struct twice *twice)
{
    struct store_op op = {.kind = STORE_MEMO};
    switch (random_below(7)) {
    case 6:
        op.kind = STORE_ERASE;
        op.erase.address = ONE_OF("a@x", "b@x", "c@x");
        op.erase.limit = 1000;
        break;
    case 5:
        op.kind = STORE_LEARN;
        op.learn.keep_ms = random_below(20000);
        op.learn.limit = 1 + (unsigned)random_below(4);
        break;
    case 4:
        op.kind = STORE_HEARD;
        op.heard.id = id_of((unsigned)random_below(w.ids + 1));
        break;
    case 0:
        op.memo = (struct store_memo){"corp", ONE_OF("slow", "fast", "")};
        break;
    case 1:
        op.kind = STORE_PAUSE;
        op.pause = (struct store_pause){
            .upstream = ONE_OF("corp", "other", ""), .paused = chance(40), .by = chance(50) ? "me" : NULL};
        break;
    case 2:
        op.kind = STORE_FORGET;
        op.forget.keep_ms = random_below(20000);
        op.forget.keep_messages = random_below(6);
        op.forget.limit = 1 + (unsigned)random_below(3);
        break;
    default:
        if (!ROOM_HAS_WALL_CLOCK) {
            op.memo = (struct store_memo){"other", ONE_OF("slow", "fast")};
            break;
        }
        op.kind = STORE_CLOCK;
        op.clock.delta_ms = (int64_t)random_below(10000) - 5000;
        op.clock.before_ms = w.now_ms;
    }
    both(twice, &op);
}

static void make(struct twice *twice)
{
    uint64_t draw = random_below(100);
    if (draw < 35) {
        make_add(twice);
    } else if (draw < 60) {
        make_finish(twice);
    } else if (draw < 66) {
        const struct held held = something();
        const struct store_op op = {.kind = STORE_UNTOUCH,
                                    .untouch = {.key = held.key, .uncertain = chance(30), .doubt = "uidnext=8"}};
        both_of(twice, &op, &held);
    } else if (draw < 78) {
        make_set_state(twice);
    } else if (draw < 84) {
        make_reroute(twice);
    } else if (draw < 89) {
        make_divert(twice);
    } else {
        make_small(twice);
    }
}

/* ---- answers ---- */

static void tell_answers(struct buf *out, const struct store_op *op)
{
    buf_printf(out, "operation %d \"%s\" ", (int)op->kind, op->fault.code);
    switch (op->kind) {
    case STORE_ADD_MESSAGE:
        if (!fault_is_set(&op->fault)) {
            buf_printf(out, "%llu twin %s %u %u revived %d reopened %u %d", (unsigned long long)op->add.message,
                       op->add.twin, op->add.twin_open, op->add.twin_retried, op->add.revived, op->add.reopened,
                       op->add.adopted);
        }
        break;
    case STORE_HAND:
        for (size_t i = 0; i < op->hand.count; i++) {
            buf_printf(out, " %d", op->hand.given[i]);
        }
        break;
    case STORE_SET_STATE:
        buf_printf(out, "%u %llu.%u %llu %llu %llu", op->set_state.found,
                   (unsigned long long)op->set_state.last.message, op->set_state.last.number,
                   (unsigned long long)op->set_state.changed, (unsigned long long)op->set_state.busy,
                   (unsigned long long)op->set_state.doubtful);
        break;
    case STORE_REROUTE:
        buf_printf(out, "%llu %llu %llu", (unsigned long long)op->reroute.changed, (unsigned long long)op->reroute.busy,
                   (unsigned long long)op->reroute.doubtful);
        break;
    case STORE_DIVERT:
        buf_printf(out, "%u %llu.%u %llu", op->divert.found, (unsigned long long)op->divert.last.message,
                   op->divert.last.number, (unsigned long long)op->divert.wait_ms);
        for (size_t i = 0; i < op->divert.count; i++) {
            const struct store_diverted *one = &op->divert.diverted[i];
            buf_printf(out, " %s.%u->%u %s:%s", one->id, one->from, one->to, one->upstream, one->folder);
        }
        break;
    case STORE_PAUSE:
        buf_printf(out, "%d", op->pause.changed);
        break;
    case STORE_FORGET:
        buf_printf(out, "%u", op->forget.forgotten);
        break;
    case STORE_LEARN:
        buf_printf(out, "%u %u", op->learn.learnt, op->learn.unlearnt);
        break;
    case STORE_ERASE:
        buf_printf(out, "%llu %llu", (unsigned long long)op->erase.erased, (unsigned long long)op->erase.open);
        break;
    default:
        break;
    }
    buf_append_text(out, "\n");
}

static void hold(struct store_key key, const struct store_op *own, const struct store_op *op)
{
    if (w.held_count < HELD_MAX) {
        w.held[w.held_count++] = (struct held){key, {[LOCAL] = own->run, [MODEL] = op->run}};
    }
}

/* What the asker has in hand afterwards; as the model says (op), for both. */
static void note_answer(const struct store_op *own, const struct store_op *op)
{
    counts[op->kind]++;
    refused += fault_is_set(&op->fault);
    if (op->kind == STORE_ADD_MESSAGE && !fault_is_set(&op->fault)) {
        twins += op->add.twin[0] != '\0';
        for (size_t i = 0; op->add.twin[0] == '\0' && i < op->add.count; i++) {
            if (op->add.rows[i].handed) {
                hold((struct store_key){op->add.message, op->add.rows[i].number}, own, op);
            }
        }
    }
    for (size_t i = 0; op->kind == STORE_HAND && i < op->hand.count; i++) {
        if (op->hand.given[i]) {
            hold(op->hand.keys[i].key, own, op);
        }
    }
    const struct store_key *key = op->kind == STORE_FINISH    ? &op->finish.key
                                  : op->kind == STORE_UNTOUCH ? &op->untouch.key
                                                              : NULL;
    for (size_t i = 0; key != NULL && i < w.held_count; i++) {
        bool is_of = w.held[i].runs[MODEL] == op->run;
        if (is_of && w.held[i].key.message == key->message && w.held[i].key.number == key->number) {
            w.held[i] = w.held[--w.held_count];
            i--;
        }
    }
}

/* ---- batches ---- */

static void run_chores(struct store *store, struct list *chores)
{
    for (struct list *link; (link = list_take(chores)) != NULL;) {
        struct store_chore *chore = LIST_ITEM(link, struct store_chore, link);
        while (chore->next == STORE_CHORE_TIDY || chore->next == STORE_CHORE_DISK) {
            store->ops->chore(store, chore);
        }
        if (chore->next == STORE_CHORE_BATCH) {
            struct store_batch batch;
            store_batch_init(&batch);
            store_batch_add(&batch, &chore->op);
            if (store->ops->commit(store, &batch) != STORE_COMMITTED) {
                differ("what a chore moves cannot be committed: %s", batch.fault.text);
            }
            list_move(chores, &batch.chores);
            store->ops->chore(store, chore);
        }
        if (chore->next == STORE_CHORE_DONE || chore->next == STORE_CHORE_DISK) {
            store->ops->chore_drop(store, &chore);
        } else {
            list_append(chores, &chore->link);
        }
    }
}

static void free_twice(struct twice *twice)
{
    for (enum side side = LOCAL; side <= MODEL; side++) {
        struct store_op *op = &twice->ops[side];
        if (op->kind == STORE_ADD_MESSAGE) {
            w.stores[side]->ops->upload_free(w.stores[side], &op->add.upload, false);
        } else if (op->kind == STORE_DIVERT) {
            arena_free(&op->divert.arena);
        }
    }
}

static void crash(void (*before_end)(void *ctx), void *ctx)
{
    crashes++;
    if (!ROOM_HAS_NODES) { /* of several the others live on */
        model_crash(w.stores[MODEL]);
        w.held_count = 0;
    }
    room_crash(before_end, ctx);
    room_clock();
}

/* Nobody knows of these that they are to be removed. */
static void leave_uploads(void *ctx)
{
    struct store_batch *batch = ctx;
    LIST_EACH(link, &batch->ops)
    {
        struct store_op *op = LIST_ITEM(link, struct store_op, link);
        if (op->kind == STORE_ADD_MESSAGE) {
            w.stores[LOCAL]->ops->upload_free(w.stores[LOCAL], &op->add.upload, true);
        }
    }
}

/* A crash comes while the batch is in limbo: what of it is on the disk is there afterwards, the whole or nothing. */
static inline void crash_in_limbo(struct store_batch batches[2], bool written)
{
    struct store *model = w.stores[MODEL];
    lost_answers[written]++;
    if (written && model->ops->commit(model, &batches[MODEL]) != STORE_COMMITTED) {
        differ("the model does not commit");
    }
    crash(leave_uploads, &batches[LOCAL]);
}

static void commit_both(struct twice *twices, size_t count)
{
    struct store_batch batches[2];
    enum store_verdict verdicts[2];
    for (enum side side = LOCAL; side <= MODEL; side++) {
        buf_clear(&w.texts[side]);
        store_batch_init(&batches[side]);
        for (size_t i = 0; i < count; i++) {
            list_init(&twices[i].ops[side].link);
            store_batch_add(&batches[side], &twices[i].ops[side]);
        }
    }
    bool is_made = false;
    enum store_verdict made = STORE_FAILED;
    if (chance(8) && room_fails(batches)) {
        return; /* nobody hears of it */
    }
    if (list_is_empty(&batches[LOCAL].ops) || room_stumbles(batches, &is_made, &made)) {
        return;
    }
    for (enum side side = LOCAL; side <= MODEL; side++) {
        struct store *store = w.stores[side];
#ifdef ROOM_FOLLOWS
        if (side == MODEL) {
            ROOM_FOLLOWS(batches);
        }
#endif
        verdicts[side] = side == LOCAL && is_made ? made : store->ops->commit(store, &batches[side]);
        buf_printf(&w.texts[side], "verdict %d counts %llu %llu %llu %llu\n", (int)verdicts[side],
                   (unsigned long long)batches[side].counts.waiting, (unsigned long long)batches[side].counts.held,
                   (unsigned long long)batches[side].counts.dead, (unsigned long long)batches[side].counts.messages);
        for (size_t i = 0; i < count; i++) {
            tell_answers(&w.texts[side], &twices[i].ops[side]);
        }
        run_chores(store, &batches[side].chores);
    }
    compare_texts("the answers of a batch");
    for (size_t i = 0; i < count; i++) {
        note_answer(&twices[i].ops[LOCAL], &twices[i].ops[MODEL]);
    }
}

static void step_batch(void)
{
    struct twice twices[OPS_MAX] = {0};
    size_t count = 1 + random_below(OPS_MAX);
    for (size_t i = 0; i < count; i++) {
        make(&twices[i]);
    }
    commit_both(twices, count);
    for (size_t i = 0; i < count; i++) {
        free_twice(&twices[i]);
    }
}

/* ---- claims ---- */

struct claimed {
    struct buf *out;
    struct store_hand_key keys[ITEMS_MAX];
    size_t count;
};

static void note_item(void *ctx, const struct store_item *item)
{
    struct claimed *claimed = ctx;
    buf_printf(claimed->out, "item %llu.%u %s tries %u uncertain %d due %lld len %llu doubt ",
               (unsigned long long)item->key.message, item->key.number, item->id, item->attempts, item->uncertain,
               (long long)item->due, (unsigned long long)item->place.body_len);
    buf_append_bytes(claimed->out, item->doubt);
    buf_append_text(claimed->out, " ");
    buf_append_bytes(claimed->out, item->detail);
    buf_append_text(claimed->out, "\n");
    claimed->keys[claimed->count++] =
        (struct store_hand_key){.key = item->key, .due = item->due, .attempts = item->attempts, .doubt = "uidnext=6"};
}

/* Sometimes something happens between the claim and the hand-out. */
static void step_claim(void)
{
    struct claimed claimed[2] = {{.out = &w.texts[LOCAL]}, {.out = &w.texts[MODEL]}};
    struct twice twices[2] = {0};
    const char *upstream = ONE_OF("corp", "other");
    size_t limit = 1 + random_below(ITEMS_MAX - 1);
    claims++;
    for (enum side side = LOCAL; side <= MODEL; side++) {
        struct store_claim claim = {.upstream = upstream, .limit = limit, .fn = note_item, .ctx = &claimed[side]};
        struct fault fault = FAULT_INIT;
        buf_clear(&w.texts[side]);
        if (side == LOCAL) {
            room_trouble(20);
        }
        int result = w.stores[side]->ops->claim(w.stores[side], &claim, &fault);
        if (side == LOCAL && room_calms(result, &fault)) {
            return;
        }
        if (result != 0) {
            differ("a claim fails: %s", fault.text);
        }
        buf_printf(&w.texts[side], "more %d paused %d next %lld\n", claim.more, claim.paused,
                   (long long)claim.next_due_in_ms);
    }
    compare_texts("a claim");
    size_t before = chance(30);
    if (before > 0) {
        make(&twices[0]);
    }
    for (enum side side = LOCAL; side <= MODEL; side++) {
        struct store_op *op = &twices[before].ops[side];
        op->kind = STORE_HAND;
        op->hand.keys = claimed[MODEL].keys;
        op->hand.count = claimed[MODEL].count;
        op->hand.given = arena_array(w.arena, ITEMS_MAX, sizeof(bool));
    }
    commit_both(twices, before + 1);
    free_twice(&twices[0]);
}

/* ---- bodies ---- */

static void step_body(void)
{
    uint64_t message = random_below(w.ids + 2), offset = random_below(20);
    size_t len = chance(50) ? 7 : 2000;
    for (enum side side = LOCAL; side <= MODEL; side++) {
        struct store_body body = {.message = message};
        struct fault fault = FAULT_INIT;
        char data[2000];
        if (side == LOCAL) {
            room_trouble(20);
        }
        ptrdiff_t got = w.stores[side]->ops->body(w.stores[side], &body, offset, data, len, &fault);
        if (side == LOCAL && room_calms(got < 0, &fault)) {
            fault = FAULT_INIT;
            got = w.stores[side]->ops->body(w.stores[side], &body, offset, data, len, &fault);
        }
        buf_clear(&w.texts[side]);
        buf_printf(&w.texts[side], "body of %llu: \"%s\" %td ", (unsigned long long)message, fault.code, got);
        buf_append_bytes(&w.texts[side], bytes_at(data, got < 0 ? 0 : (size_t)got));
    }
    compare_texts("a body");
}

static void step(unsigned number)
{
    w.draw = (w.seed * UINT64_C(0x9E3779B97F4A7C15)) ^ ((number + 1) * UINT64_C(0xD1B54A32D192ED03));
    for (int i = 0; i < 5 && !on_tape; i++) {
        random_below(2);
    }
    w.now_ms += (int64_t)ROOM_TICK_MS;
    room_clock();
#if ROOM_HAS_NODES
    room_turn();
#endif
    uint64_t draw = random_below(100);
    if (draw < 60) {
        step_batch();
    } else if (draw < 85) {
        step_claim();
    } else if (draw < 96) {
        step_body();
    } else {
        crash(NULL, NULL);
    }
    if (random_below(4) == 0) {
        compare_all(false);
        compare_some();
    }
    arena_clear(w.arena);
}

/* ---- histories ---- */

static void begin(uint64_t seed)
{
    memset(&w, 0, sizeof w);
    w.seed = seed;
    w.draw = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    w.now_ms = 1700000000000;
    w.arena = arena_new(SIZE_MAX / 4);
    for (enum side side = LOCAL; side <= MODEL; side++) {
        buf_init(&w.texts[side], TEXT_MAX);
    }
    const struct store_options options = {.path = "", .wall = wall};
    assert_int_equal(model_store.open(&w.stores[MODEL], &options, NULL), 0);
    room_begin();
    room_clock();
}

static void close_both(void)
{
    w.stores[MODEL]->ops->close(w.stores[MODEL]);
    room_end();
    for (enum side side = LOCAL; side <= MODEL; side++) {
        buf_done(&w.texts[side]);
    }
    arena_free(&w.arena);
}

/* False when the two differ; the steps that are left out, bit by bit, are not made. */
static bool agrees(uint64_t seed, uint64_t left_out)
{
    begin(seed);
    for (unsigned i = 0; i < STEPS && w.failure[0] == '\0' && (!on_tape || tape.len > 0); i++) {
        if ((left_out >> i & 1) == 0) {
            step(i);
        }
    }
    if (w.failure[0] == '\0') {
        compare_all(true);
        scrub_all();
    }
    close_both();
    return w.failure[0] == '\0';
}

#ifndef STORE_HISTORIES_ARE_FUZZED
/* Of a test that tells its own story: what was left behind fails it. */
static void end(void)
{
    close_both();
    assert_string_equal(w.failure, "");
}

/* What was done within one millisecond, in one batch or in several, is all told, in its order. */
static void test_orders_of_one_moment(void **state)
{
    static const struct {
        enum store_verb verb;
        const char *by;
    } orders[] = {{STORE_HOLD, "ann"}, {STORE_RELEASE, "bob"}, {STORE_HOLD, "eve"}};
    (void)state;
    begin(1);
    for (enum side side = LOCAL; side <= MODEL; side++) {
        struct store_select all = {0};
        struct store_row row = {
            .number = 1, .upstream = "corp", .folder = "INBOX", .rule = "r", .detail = bytes_of("{}")};
        struct store_op add = {.kind = STORE_ADD_MESSAGE,
                               .add = {.id = "M0",
                                       .sender = "a@x",
                                       .envelope = bytes_of("{}"),
                                       .rows = &row,
                                       .count = 1,
                                       .body = bytes_of("body")}};
        struct store_op ops[3] = {0};
        struct store_batch batch;
        store_batch_init(&batch);
        store_batch_add(&batch, &add);
        for (size_t i = 0; i < 3; i++) {
            if (i == 2) {
                assert_int_equal(w.stores[side]->ops->commit(w.stores[side], &batch), STORE_COMMITTED);
                store_batch_init(&batch);
            }
            ops[i].kind = STORE_SET_STATE;
            ops[i].set_state =
                (struct store_set_state){.verb = orders[i].verb, .select = &all, .by = orders[i].by, .limit = 1};
            store_batch_add(&batch, &ops[i]);
        }
        assert_int_equal(w.stores[side]->ops->commit(w.stores[side], &batch), STORE_COMMITTED);
        ask(side, &(struct store_question){.kind = STORE_ASK_STORY, .message = add.add.message});
        assert_non_null(strstr(buf_text(&w.texts[side]), " held by ann; released by bob; held by eve\n"));
    }
    compare_texts("the story");
    end();
}

static bool differs(void *seed, uint64_t left_out)
{
    return !agrees(*(uint64_t *)seed, left_out);
}

static void tell_cause(uint64_t seed)
{
    uint64_t left_out = shrink(STEPS, differs, &seed);
    agrees(seed, left_out);
    print_message("history %llu: %s\n  it needs these steps alone:", (unsigned long long)seed, w.failure);
    for (unsigned i = 0; i < STEPS; i++) {
        if ((left_out >> i & 1) == 0) {
            print_message(" %u", i);
        }
    }
    print_message("\n");
}

static void run_histories(uint64_t first, uint64_t count)
{
    uint64_t operations = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (!agrees(seed, 0)) {
            print_message("history %llu: %s\n", (unsigned long long)seed, w.failure); /* may be another one again */
            tell_cause(seed);
            fail_msg("history %llu differs", (unsigned long long)seed);
        }
    }
    for (size_t i = 0; i < STORE_OP_KINDS; i++) {
        operations += counts[i];
        assert_true(count < 100 || i == STORE_MOVE || (i == STORE_CLOCK && !ROOM_HAS_WALL_CLOCK) ||
                    counts[i] > count / 10);
    }
    assert_true(count < 100 || ROOM_HAS_NODES ||
                (refused > count / 10 && in_limbo_count > count / 100 && twins > count / 10 &&
                 lost_answers[false] > count / 100 && lost_answers[true] > count / 100));
    print_message("figure: %llu histories agree: %llu operations (%llu refused, %llu repeats), %llu claims, %llu failed"
                  " commits (%llu in limbo), %llu crashes (%llu while a batch was in limbo, %llu of those written)\n",
                  (unsigned long long)count, (unsigned long long)operations, (unsigned long long)refused,
                  (unsigned long long)twins, (unsigned long long)claims, (unsigned long long)failed,
                  (unsigned long long)in_limbo_count, (unsigned long long)crashes,
                  (unsigned long long)(lost_answers[false] + lost_answers[true]),
                  (unsigned long long)lost_answers[true]);
}
#endif

#endif

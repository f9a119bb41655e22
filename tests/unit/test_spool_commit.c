/*
 * Tests of spool/spool_commit: what reaches the store of a message whose caller has long gone on, who is offered what when things change while the commit
 * is under way, and what is told of a repeat.
 */
#include "members_fixture.h"
#include "spool/spool_change.h"
#include "spool_watch.h"
#include "store/store_meta.h"

uint64_t __wrap_net_now(const struct net_loop *loop); /* spool_door.h; linked in by this line */

/* ---- the copy ---- */

/* A message that says something in each member. */
struct said {
    struct arena *arena;
    struct mail_envelope envelope;
    struct mail_delivery deliveries[3]; /* the second is held, the third for an upstream that is paused */
};

static void say_all(struct fixture *fixture, struct said *said)
{
    memset(said, 0, sizeof *said);
    said->arena = arena_new(1u << 20);
    struct members_filler filler = {.arena = said->arena};
    members_fill(&filler, &mail_envelope_members, &said->envelope);
    said->envelope.received_ms = fixture->stopped_ms;
    said->envelope.shape = (struct mail_shape){0};
    for (unsigned i = 0; i < 3; i++) {
        members_fill(&filler, &mail_delivery_members, &said->deliveries[i]);
        said->deliveries[i].number = i + 1;
        said->deliveries[i].held = i == 1;
    }
}

static void forget_all(struct said *said)
{
    arena_wipe(&said->arena);
    memset(said, 0xee, sizeof *said);
}

static struct mail_shape shape_of(struct bytes body)
{
    struct mail_shape_meter meter = {0};
    mail_shape_add(&meter, body);
    return meter.shape;
}

static void expect_bytes(struct bytes got, struct bytes wanted)
{
    assert_int_equal(got.len, wanted.len);
    assert_memory_equal(got.ptr, wanted.ptr, wanted.len);
}

static void expect_row(const struct store_row *row, const struct mail_delivery *delivery, const char *sender)
{
    struct buf detail;
    buf_init(&detail, 1u << 20);
    struct store_row wanted = store_row_of(delivery, sender, &detail);
    assert_int_equal(row->number, wanted.number);
    assert_int_equal(row->state, wanted.state);
    assert_string_equal(row->upstream, wanted.upstream);
    assert_string_equal(row->folder, wanted.folder);
    assert_string_equal(row->rule, wanted.rule);
    assert_string_equal(row->fallback, wanted.fallback);
    assert_string_equal(row->doubt, wanted.doubt);
    assert_int_equal(row->turn, wanted.turn);
    assert_true(row->uncertain);
    assert_int_equal(row->handed, delivery->number == 1);
    expect_bytes(row->detail, wanted.detail);
    buf_done(&detail);
}

static void expect_meta(const struct store_add *add, const struct said *said)
{
    struct arena *arena = arena_new(1u << 20);
    struct mail_envelope envelope;
    struct mail_delivery *deliveries;
    struct fault fault = FAULT_INIT;
    size_t count;
    assert_int_equal(store_meta_read(add->meta, arena, &envelope, &deliveries, &count, &fault), 0);
    assert_true(mail_envelope_equal(&envelope, &said->envelope));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(mail_delivery_equal(&deliveries[i], &said->deliveries[i]));
    }
    assert_true(store_meta_is_unheard(add->meta));
    assert_int_equal(store_meta_read_envelope(add->envelope, arena, &envelope, &fault), 0);
    assert_true(mail_envelope_equal(&envelope, &said->envelope));
    arena_free(&arena);
}

static void expect_add(const struct store_add *add, const struct said *said, struct bytes rest)
{
    assert_string_equal(add->id, said->envelope.id);
    assert_string_equal(add->sender, said->envelope.from);
    assert_string_equal(add->message_id, said->envelope.message_id);
    assert_int_equal(add->received_ms, said->envelope.received_ms);
    assert_true(add->unique);
    assert_int_equal(add->once_ms, 60000);
    assert_int_equal(add->waits_ms, 60000);
    assert_int_equal(add->print, store_print_of(&said->envelope));
    assert_int_equal(add->count, 3);
    for (size_t i = 0; i < 3; i++) {
        expect_row(&add->rows[i], &said->deliveries[i], said->envelope.from);
    }
    expect_meta(add, said);
    expect_bytes(add->body, rest);
}

/* What is offered is the message that was committed, and can be settled. */
static void expect_offered(struct fixture *fixture, const struct said *said, struct bytes body)
{
    assert_int_equal(fixture->item_count, 1);
    struct spool_item *item = fixture->items[0];
    char id[60];
    snprintf(id, sizeof id, "%s.1", said->envelope.id);
    assert_string_equal(item->id, id);
    assert_true(mail_envelope_equal(&item->envelope, &said->envelope));
    assert_true(mail_delivery_equal(&item->delivery, &said->deliveries[0]));
    assert_int_equal(item->body_size, body.len);
    assert_true(item->uncertain);
    expect_bytes(read_item(fixture, item, 0, body.len), body);
    finish_and_wait(fixture, SPOOL_FILED, 0);
    assert_int_equal(fixture->failures, 0);
}

static void commit_said(struct fixture *fixture, struct bytes first, struct bytes rest)
{
    struct said said, wanted;
    bool is_large = first.len > fixture->spool->options.own_segment_over;
    unsigned answers = fixture->answers;
    fixture->stopped_ms = net_wall(fixture->loop);
    say_all(fixture, &said);
    say_all(fixture, &wanted);
    spool_set_pause(fixture->spool, wanted.deliveries[2].upstream, true, 0, "us");
    struct spool_stage *stage = spool_stage_new(fixture->spool, NULL, NULL);
    disregard(spool_stage_write(stage, first));
    disregard(spool_stage_write(stage, rest));
    spool_stage_once(stage, 60000, on_repeat, fixture);
    spool_stage_waits(stage, 60000);
    spool_stage_unique(stage, true);
    store.looks = true;
    spool_commit(&stage, &said.envelope, said.deliveries, 3, on_answer, fixture);
    assert_null(stage);
    forget_all(&said);
    struct buf body;
    buf_init(&body, 1u << 20);
    buf_append_bytes(&body, first);
    buf_append_bytes(&body, rest);
    wanted.envelope.shape = shape_of(buf_bytes(&body));
    assert_int_equal(fixture->spool->cached, is_large ? 0 : body.len);
    expect_add(look_at(fixture), &wanted, is_large ? rest : buf_bytes(&body));
    go_on(fixture, answers + 1);
    expect_offered(fixture, &wanted, buf_bytes(&body));
    buf_done(&body);
    arena_free(&wanted.arena);
}

/* The longest line of a message is remembered when it is longer than it may be. */
static void a_small_message_is_copied(void **state)
{
    static char line[MAIL_LINE_MAX + 1];
    memset(line, 'x', sizeof line);
    commit_said(*state, bytes_of("Subject: small \xC3\xBC\r\n\r\n"), bytes_at(line, sizeof line));
    assert_int_equal(store.reads, 0);
}

/* The first part of it is uploaded; the rest goes with the commit. What was just written need not be looked through before it is read. */
static void a_large_message_is_copied(void **state)
{
    static char large[400000];
    memset(large, 'x', sizeof large);
    commit_said(*state, bytes_at(large, sizeof large), bytes_of("\r\nand the rest\r\n"));
    assert_true(store.reads > 0);
    assert_int_equal(store.unchecked_reads, 0);
}

/* Of one that nobody waits for, that may come twice and that says little, nothing else is said. */
static void what_was_not_asked_for_is_not_done(void **state)
{
    struct fixture *fixture = *state;
    const struct store_add *add = commit_and_look(fixture, "plain", 2);
    assert_false(add->unique || store_meta_is_unheard(add->meta));
    assert_int_equal(add->once_ms + add->waits_ms + add->print, 0);
    for (size_t i = 0; i < 2; i++) {
        assert_false(add->rows[i].uncertain);
        assert_null(add->rows[i].fallback);
        assert_null(add->rows[i].doubt);
    }
    go_on(fixture, 1);
    assert_false(fixture->items[0]->uncertain);
    finish_all(fixture);
}

/* How old a message is goes by the clock of who took it, and none is younger than new. */
static void its_age_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct mail_delivery delivery = {.number = 1, .upstream = "corp", .folder = "INBOX"};
    for (unsigned i = 0; i < 2; i++) {
        int64_t before = i == 0 ? 5000 : -60000;
        struct mail_envelope envelope = {.id = i == 0 ? "OLD" : "YOUNG", .from = "a@b.example"};
        envelope.received_ms = net_wall(fixture->loop) - before;
        struct spool_stage *stage = spool_stage_new(fixture->spool, NULL, NULL);
        store.looks = true;
        spool_commit(&stage, &envelope, &delivery, 1, on_answer, fixture);
        uint64_t age_ms = look_at(fixture)->age_ms;
        assert_true(i == 0 ? age_ms >= 5000 && age_ms < 5000 + DEADLINE_MS : age_ms == 0);
        go_on(fixture, i + 1);
        finish_all(fixture);
    }
}

/* As many deliveries as a message may have; and none, which is history only. */
static void all_or_none_of_its_deliveries(void **state)
{
    struct fixture *fixture = *state;
    spool_set_offer(fixture->spool, NULL, NULL);
    commit_and_wait(fixture, "for all", STORE_DELIVERIES_MAX);
    commit_and_wait(fixture, "for nobody", 0);
    assert_int_equal(fixture->failures, 0);
    assert_int_equal(counts(fixture).waiting, STORE_DELIVERIES_MAX);
    assert_int_equal(counts(fixture).messages, 1);
}

/* What is written together is bounded: a sender does not wait until the disk has the bodies of all others. */
static void bodies_of_one_batch_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    static char body[256u << 10];
    size_t count = SPOOL_GROUP_OCTETS / sizeof body + 16;
    memset(body, 'x', sizeof body - 1);
    commit_and_look(fixture, "before", 1);
    for (size_t i = 0; i < count; i++) {
        commit(fixture, bytes_at(body, sizeof body), 1, false);
    }
    go_on(fixture, (unsigned)count + 1);
    assert_int_equal(fixture->failures, 0);
    assert_true(store.octets > SPOOL_GROUP_OCTETS / 2);
    assert_true(store.octets < SPOOL_GROUP_OCTETS + sizeof body);
    finish_all(fixture);
}

/* ---- offers ---- */

static void hinder_nothing(struct fixture *fixture)
{
    (void)fixture;
}

static void hinder_by_backlog(struct fixture *fixture)
{
    spool_upstream(fixture->spool, "corp")->backlog = true;
}

static void hinder_by_pause(struct fixture *fixture)
{
    spool_set_pause(fixture->spool, "corp", true, 0, "us");
}

static void hinder_by_pause_of_all(struct fixture *fixture)
{
    spool_set_pause(fixture->spool, "", true, 0, "us");
}

static void hinder_by_absence(struct fixture *fixture)
{
    spool_set_offer(fixture->spool, NULL, NULL);
}

static const struct hindrance {
    void (*hinder)(struct fixture *fixture);
    bool hinders;
} hindrances[] = {
    {hinder_nothing, false},        {hinder_by_backlog, true}, {hinder_by_pause, true},
    {hinder_by_pause_of_all, true}, {hinder_by_absence, true},
};
#define HINDRANCES (sizeof hindrances / sizeof hindrances[0])

/* What was left is fetched by whoever fetches then, and was never sent. */
static void fetch_left(struct fixture *fixture, bool is_left)
{
    assert_int_equal(offers, !is_left);
    assert_int_equal(fixture->item_count, !is_left);
    spool_end_pauses(fixture->spool);
    assert_int_equal(fetch(fixture, 10), 1);
    assert_false(fixture->items[0]->uncertain);
    finish_all(fixture);
    assert_int_equal(fixture->failures, 0);
    spool_set_offer(fixture->spool, count_offer, fixture);
    offers = 0;
}

/* It is born in somebody's hands only when it will be offered: whatever is in hand at a crash is looked for. */
static void what_is_not_offered_is_in_nobodys_hands(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < HINDRANCES; i++) {
        unsigned answers = fixture->answers;
        hindrances[i].hinder(fixture);
        assert_int_equal(commit_and_look(fixture, "waits", 1)->rows[0].handed, !hindrances[i].hinders);
        go_on(fixture, answers + 1);
        fetch_left(fixture, hindrances[i].hinders);
    }
}

/* What stands in the way when it is durable counts, not what did when it was asked for. */
static void what_comes_in_between_counts(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < HINDRANCES; i++) {
        unsigned answers = fixture->answers;
        assert_true(commit_and_look(fixture, "waits", 1)->rows[0].handed);
        hindrances[i].hinder(fixture);
        go_on(fixture, answers + 1);
        fetch_left(fixture, hindrances[i].hinders);
    }
}

/* One that is refused is the last that is offered: what follows would overtake it. */
static void nothing_overtakes_what_was_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture->takes = false;
    commit_and_look(fixture, "refused", 1);
    commit(fixture, bytes_of("behind it"), 1, false);
    go_on(fixture, 2);
    assert_int_equal(offers, 1);
    assert_int_equal(fetch(fixture, 10), 2);
    finish_all(fixture);
    fixture->takes = true;
    commit_and_wait(fixture, "taken", 1);
    commit_and_wait(fixture, "taken as well", 1);
    assert_int_equal(offers, 3);
    finish_all(fixture);
}

static void on_answer_before_offer(void *ctx, const struct fault *fault)
{
    assert_int_equal(offers, 0);
    on_answer(ctx, fault);
}

/* The sender hears of it first, and each delivery that is not held is offered once. */
static void it_is_answered_then_offered(void **state)
{
    struct fixture *fixture = *state;
    struct mail_envelope envelope = {.id = "ONE", .from = "a@b.example"};
    struct mail_delivery deliveries[3];
    for (unsigned i = 0; i < 3; i++) {
        deliveries[i] = (struct mail_delivery){.number = i + 1, .upstream = "corp", .folder = "INBOX", .held = i == 1};
    }
    struct spool_stage *stage = spool_stage_new(fixture->spool, NULL, NULL);
    spool_commit(&stage, &envelope, deliveries, 3, on_answer_before_offer, fixture);
    run_until(fixture, &fixture->answers, 1);
    assert_int_equal(offers, 2);
    assert_string_equal(fixture->items[0]->id, "ONE.1");
    assert_string_equal(fixture->items[1]->id, "ONE.3");
    finish_all(fixture);
}

/* At the end nobody is there to take anything. */
static void nothing_is_offered_at_the_end(void **state)
{
    struct fixture *fixture = *state;
    commit(fixture, bytes_of("the last"), 2, false);
    spool_close(&fixture->spool);
    assert_int_equal(fixture->answers, 1);
    assert_int_equal(fixture->failures, 0);
    assert_int_equal(offers, 0);
    fixture_open(fixture);
}

static void nothing_is_offered_of_what_failed(void **state)
{
    struct fixture *fixture = *state;
    door.commits_fail = 1;
    commit_and_wait(fixture, "lost", 2);
    assert_int_equal(fixture->failures, 1);
    assert_int_equal(offers, 0);
    assert_int_equal(counts(fixture).waiting, 0);
    assert_int_equal(counts(fixture).repeats, 0);
    assert_false(is_logged("\"duplicate\""));
}

/* ---- what the store says beside ---- */

static void on_changed(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    assert_int_equal(result->changed, 1);
    on_answer(ctx, fault);
}

static void drop_one(struct fixture *fixture, const char *id)
{
    const struct store_select select = {.id = id};
    const struct spool_asker asker = {.done = on_changed, .ctx = fixture};
    unsigned answers = fixture->answers;
    spool_change(fixture->spool, STORE_DROP, &select, &asker);
    run_until(fixture, &fixture->answers, answers + 1);
}

/* Makes the last item a dead letter, or what was dropped of it. */
static void give_up(struct fixture *fixture, bool drops)
{
    char id[60];
    snprintf(id, sizeof id, "%s", fixture->items[fixture->item_count - 1]->id);
    finish_and_wait(fixture, SPOOL_DEAD, 0);
    if (drops) {
        drop_one(fixture, id);
    }
}

/* Whose sender waits sends it again: what nobody would have sent is due again, and whoever fetches hears of it. */
static void what_a_repeat_makes_due_is_fetched(void **state)
{
    static const struct {
        bool dead, dropped;
        const char *said;
    } cases[] = {
        {false, false, "\"retried\":0"},
        {true, false, "\"retried\":1"},
        {false, true, "\"retried\":1"},
        {true, true, "\"retried\":2"},
    };
    struct fixture *fixture = *state;
    fixture->waits_ms = 60000;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[20];
        snprintf(body, sizeof body, "message %zu", i);
        commit_and_wait(fixture, body, 3);
        if (cases[i].dead) {
            give_up(fixture, false);
        }
        if (cases[i].dropped) {
            give_up(fixture, true);
        }
        size_t taken = fixture->item_count;
        wakes = 0;
        buf_clear(&lines);
        commit_and_wait(fixture, body, 3);
        assert_int_equal(fixture->failures, 0);
        assert_non_null(strstr(fixture->repeated, " open"));
        assert_int_equal(counts(fixture).repeats, i + 1);
        assert_true(is_logged("\"duplicate\"") && is_logged(cases[i].said));
        assert_int_equal(wakes, cases[i].dead || cases[i].dropped);
        assert_int_equal(fixture->item_count, taken); /* it is not offered once more */
        assert_int_equal(fetch(fixture, 10), 3);
        finish_all(fixture);
    }
}

static void commit_unique(struct fixture *fixture)
{
    struct mail_envelope envelope = {.id = "ONE", .from = "a@b.example"};
    struct mail_delivery delivery = {.number = 1, .upstream = "corp", .folder = "INBOX"};
    unsigned answers = fixture->answers;
    struct spool_stage *stage = spool_stage_new(fixture->spool, NULL, NULL);
    disregard(spool_stage_write(stage, bytes_of("comes back")));
    spool_stage_unique(stage, false);
    spool_commit(&stage, &envelope, &delivery, 1, on_answer, fixture);
    run_until(fixture, &fixture->answers, answers + 1);
    assert_int_equal(fixture->failures, 0);
}

/* An operator is told when a message that came back would be dropped again by a rebuild, and only then. */
static void a_decision_that_was_not_written_is_told(void **state)
{
    struct fixture *fixture = *state;
    door.beside_kind = STORE_ADD_MESSAGE;
    commit_unique(fixture); /* it was never dropped */
    assert_false(is_logged("decision_not_written"));
    give_up(fixture, true);
    door.beside_kind = -1;
    commit_unique(fixture); /* it was, and that is taken back on the disk, too */
    assert_false(is_logged("decision_not_written"));
    give_up(fixture, true);
    door.beside_kind = STORE_ADD_MESSAGE;
    door.revived = true;
    commit_unique(fixture);
    assert_true(is_logged("decision_not_written") && is_logged("\"ONE\"") && is_logged("enospc"));
    assert_int_equal(fixture->item_count, 1);
    finish_all(fixture);
}

/* A thousand new messages are learnt together; what was not kept is none of them. */
static void what_was_kept_is_learnt(void **state)
{
    struct fixture *fixture = *state;
    fixture->window_ms = 60000;
    ahead_ms += 60000; /* it is time to learn what there is */
    commit_and_wait(fixture, "first", 0);
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (store.learns == 0 || fixture->spool->learning) {
        turn(fixture);
    }
    unsigned learns = store.learns, answers = fixture->answers;
    spool_set_offer(fixture->spool, NULL, NULL);
    for (unsigned i = 0; i < 1100; i++) {
        commit(fixture, bytes_of("again and again"), 1, false);
    }
    run_until(fixture, &fixture->answers, answers + 1100);
    door.commits_fail = 1100;
    for (unsigned i = 0; i < 1100; i++) {
        commit(fixture, bytes_of("lost"), 1, false);
    }
    run_until(fixture, &fixture->answers, answers + 2200);
    door.commits_fail = 0;
    assert_int_equal(store.learns, learns);
    for (unsigned i = 0; i < 1000; i++) {
        commit(fixture, bytes_of("no two of nothing are one"), 0, false);
    }
    run_until(fixture, &fixture->answers, answers + 3200);
    net_timer_start(fixture->deadline, DEADLINE_MS);
    while (store.learns == learns) {
        turn(fixture);
    }
    net_timer_stop(fixture->deadline);
}

#define COMMIT(name) cmocka_unit_test_setup_teardown(name, set_up_commit, tear_down_commit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMIT(a_small_message_is_copied),
        COMMIT(a_large_message_is_copied),
        COMMIT(what_was_not_asked_for_is_not_done),
        COMMIT(its_age_is_told),
        COMMIT(all_or_none_of_its_deliveries),
        COMMIT(bodies_of_one_batch_are_bounded),
        COMMIT(what_is_not_offered_is_in_nobodys_hands),
        COMMIT(what_comes_in_between_counts),
        COMMIT(nothing_overtakes_what_was_refused),
        COMMIT(it_is_answered_then_offered),
        COMMIT(nothing_is_offered_at_the_end),
        COMMIT(nothing_is_offered_of_what_failed),
        COMMIT(what_a_repeat_makes_due_is_fetched),
        COMMIT(a_decision_that_was_not_written_is_told),
        COMMIT(what_was_kept_is_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

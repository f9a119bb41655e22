/*
 * doubt: everything that a look can show, against what it may prove; and every order of events around one delivery, played with a server that keeps, drops,
 * shows late and loses, for what must never happen: a second copy without a note, a delivery that is called filed and lies nowhere.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "engine/doubt.h"

/* ---- one look ---- */

#define MARK(validity_, next_, ...)                                                                                    \
    {                                                                                                                  \
        .validity = validity_, .next = next_, __VA_ARGS__                                                              \
    }
static const struct doubt_mark marks[] = {
    MARK(0, 0, .there = false),
    MARK(7, 0, .there = false),
    MARK(7, 1, .there = false),
    MARK(7, 5, .there = false),
    MARK(7, 5, .mailbox = "box"),
    MARK(8, 5, .there = false),
    MARK(7, 9, .mailbox = "other"),
    MARK(7, 9, .there = false),
    MARK(0, 5, .there = false),
    MARK(7, 5, .account = "me", .folder = "In"),
    MARK(7, 5, .account = "you", .folder = "In"),
    MARK(7, 5, .account = "me", .folder = "Out"),
    MARK(7, 5, .mailbox = "box", .folder = "Out"),
    MARK(0, 0, .account = "me"),
    MARK(0, 0, .folder = "In"),
    MARK(0, 0, .there = true),
    MARK(0, 0, .mailbox = "box", .folder = "In"),
};
#define MARKS (sizeof marks / sizeof marks[0])

/* Another account, another name, another MAILBOXID; not another numbering. */
static bool is_other(const struct doubt *doubt, const struct doubt_look *look)
{
    const struct doubt_mark *then = &doubt->mark, *now = &look->mark;
    bool has_ids = then->mailbox[0] != '\0' && now->mailbox[0] != '\0';
    bool same_id = has_ids && strcmp(then->mailbox, now->mailbox) == 0;
    bool replaced = has_ids && !same_id;
    if (then->account[0] != '\0' && now->account[0] != '\0' && strcmp(then->account, now->account) != 0) {
        replaced = true;
    }
    if (then->folder[0] != '\0' && now->folder[0] != '\0' && strcmp(then->folder, now->folder) != 0 && !same_id) {
        replaced = true;
    }
    return replaced;
}

/* By the words of the contract, not by the order in which the code asks. */
static bool is_proof(const struct doubt *doubt, const struct doubt_look *look)
{
    const struct doubt_mark *then = &doubt->mark, *now = &look->mark;
    bool renumbered = then->validity != 0 && now->validity != 0 && then->validity != now->validity;
    bool replaced = is_other(doubt, look);
    bool older = then->validity != 0 && now->next < then->next;
    bool bounded = then->validity != 0 && then->next != 0 && then->validity == now->validity && !replaced &&
                   (!older || now->next == 0);
    uint32_t from = bounded ? then->next : 1;
    bool elsewhere = doubt->place != 0 && look->place != doubt->place;
    if (look->sight == DOUBT_SIGHT_MISSING) {
        bool was = then->validity != 0 || then->mailbox[0] != '\0' || then->there;
        return !look->early && !was && !replaced;
    }
    return !look->early && look->sight == DOUBT_SIGHT_WHOLE && !renumbered && !replaced && !look->cut && !elsewhere &&
           !older && from + look->seen >= now->next && now->next != 0;
}

/* The gap is of messages that the server calls gone, and nothing else is wrong: no later look shows more. */
static bool is_removed(const struct doubt *doubt, const struct doubt_look *look)
{
    struct doubt_look filled = *look;
    filled.seen += filled.vanished;
    return !is_proof(doubt, look) && look->sight == DOUBT_SIGHT_WHOLE && is_proof(doubt, &filled);
}

/* People are told what was missing. */
static void test_says_what_is_missing(void **state)
{
    static const struct {
        struct doubt_look look;
        const char *words;
    } cases[] = {
        {{.mark = {.validity = 8, .next = 5}}, "has been replaced"},
        {{.mark = {.validity = 7, .next = 5, .account = "you", .folder = "In"}, .place = 1}, "another account"},
        {{.mark = {.validity = 7, .next = 5, .account = "me", .folder = "Out"}, .place = 1}, "had another name"},
        {{.mark = {.validity = 7, .next = 9}, .cut = true}, "more messages than one look can cover"},
        {{.mark = {.validity = 7, .next = 0}}, "does not say which UID comes next"},
        {{.mark = {.validity = 7, .next = 4}, .seen = 9}, "an older state of the folder"},
        {{.mark = {.validity = 7, .next = 6}, .place = 2, .seen = 1}, "another address of the account"},
        {{.mark = {.validity = 7, .next = 6}, .place = 1}, "are no longer there"},
        {{.mark = {.validity = 7, .next = 9}, .place = 1, .seen = 1, .vanished = 2}, "are no longer there"},
        {{.mark = {.validity = 7, .next = 9}, .place = 1, .seen = 1, .vanished = 3, .young = true},
         "as the server says"},
        {{.sight = DOUBT_SIGHT_REFUSED}, "may not read"},
        {{.sight = DOUBT_SIGHT_MISSING}, "no longer exists"},
        {{.sight = DOUBT_SIGHT_FAILED}, "did not answer everything"},
        {{.early = true}, "may still show the message"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct doubt doubt = {
            .open = true, .mark = {.validity = 7, .next = 5, .account = "me", .folder = "In"}, .place = 1};
        const char *why = NULL;
        assert_int_equal(doubt_judge(&doubt, &cases[i].look, &why), DOUBT_AGAIN);
        assert_non_null(strstr(why, cases[i].words));
    }
}

static unsigned verdicts[4];

static void check_look(const struct doubt *before, const struct doubt_look *look)
{
    struct doubt doubt = *before;
    const char *why = "";
    enum doubt_verdict verdict = doubt_judge(&doubt, look, &why);
    bool waits = look->early || look->sight == DOUBT_SIGHT_FAILED;
    enum doubt_verdict expected = look->found                       ? DOUBT_FOUND
                                  : is_proof(before, look)          ? DOUBT_ABSENT
                                  : waits                           ? DOUBT_AGAIN
                                  : look->young                     ? DOUBT_AGAIN
                                  : is_removed(before, look)        ? DOUBT_UNPROVEN
                                  : before->looks + 1 < DOUBT_LOOKS ? DOUBT_AGAIN
                                                                    : DOUBT_UNPROVEN;
    assert_int_equal(verdict, expected);
    assert_int_equal(doubt.open, verdict == DOUBT_AGAIN);
    assert_int_equal(doubt.noted, before->noted || verdict == DOUBT_UNPROVEN);
    assert_int_equal(doubt.looks, verdict != DOUBT_AGAIN ? 0 : waits ? before->looks : before->looks + 1);
    struct doubt_mark mark = before->mark;
    bool is_elsewhere = before->place != 0 && look->place != before->place;
    if (mark.validity == 0 && look->mark.validity != 0 && !look->found && !is_elsewhere && !is_other(before, look)) {
        mark.validity = look->mark.validity; /* the numbering of the first look is the one that counts */
        mark.next = 0;
    }
    assert_memory_equal(&doubt.mark, &mark, sizeof doubt.mark);
    assert_int_equal(why != NULL, verdict == DOUBT_AGAIN || verdict == DOUBT_UNPROVEN);
    verdicts[verdict]++;
}

static void each_seen(const struct doubt *doubt, struct doubt_look *look)
{
    for (look->seen = 0; look->seen <= 9; look->seen++) {
        for (unsigned bits = 0; bits < 32; bits++) {
            if ((bits & 16) != 0 && (bits & 5) != 0) {
                continue; /* what is found or cut says more than what vanished */
            }
            look->vanished = bits & 16 ? 4 : 0;
            look->found = bits & 1;
            look->early = bits & 2;
            look->cut = bits & 4;
            look->young = bits & 8;
            check_look(doubt, look);
        }
    }
}

static void test_every_look(void **state)
{
    (void)state;
    for (size_t then = 0; then < MARKS; then++) {
        for (size_t now = 0; now < MARKS; now++) {
            for (unsigned n = 0; n < 4 * 3 * 3 * 2 * DOUBT_LOOKS; n++) {
                struct doubt doubt = {.open = true,
                                      .noted = n / 36 % 2,
                                      .mark = marks[then],
                                      .place = n / 4 % 3,
                                      .looks = n / 72 % DOUBT_LOOKS};
                struct doubt_look look = {.sight = n % 4, .place = n / 12 % 3, .mark = marks[now]};
                each_seen(&doubt, &look);
            }
        }
    }
    printf("looks judged: %u found, %u absent, %u again, %u unproven\n", verdicts[0], verdicts[1], verdicts[2],
           verdicts[3]);
    for (size_t i = 0; i < 4; i++) {
        assert_true(verdicts[i] > 0);
    }
}

/* ---- every order of events ---- */

/* A mailbox: which UIDs have come, and what is there now; ours has the bit of its copy. */
struct server {
    uint32_t next;  /* UIDNEXT */
    uint32_t there; /* bit n: a message with UID n + 1 */
    uint32_t ours;  /* bit n: it is ours */
    bool lags;      /* the newest is not shown yet, and its UID is: the view is behind */
    bool limping;   /* FETCH leaves something out */
    uint32_t validity;
};

struct world {
    struct server server;
    struct doubt doubt;
    struct doubt_mark known; /* what we know of the folder */
    bool numbered;           /* the folder's numbering was seen, before the message that is in doubt or by a look */
    bool in_flight;          /* sent whole, not answered, not yet kept or dropped by the server */
    bool sent;               /* this send stands open */
    bool filed;
    unsigned copies; /* that were ever kept */
    unsigned length;
    const char *trail[12];
};

enum event {
    SEND_OK,
    SEND_LOST_KEPT,
    SEND_LOST_DROPPED,
    SEND_NOT_WHOLE,
    REFUSED,
    OTHERS_MAIL,
    TAKEN_AWAY,
    LOOK,
    LOOK_LIMPING,
    LOOK_LAGGING,
    RESTART,
    RENUMBER,
    EVENTS
};
static const char *const event_names[EVENTS] = {"send-ok",      "send-lost-kept", "send-lost-dropped", "send-cut",
                                                "refused",      "other mail",     "taken away",        "look",
                                                "look-limping", "look-lagging",   "restart",           "renumber"};
static unsigned long played, hit[EVENTS], ends_noted, ends_found, ends_proven;

static void keep(struct world *world, bool ours)
{
    struct server *server = &world->server;
    server->there |= 1u << (server->next - 1);
    server->ours |= ours ? 1u << (server->next - 1) : 0;
    server->next++;
    world->copies += ours;
}

/* What is there counts from 1 on, and nothing tells what was. */
static void number_anew(struct server *server)
{
    uint32_t there = 0, ours = 0;
    unsigned next = 0;
    for (unsigned i = 0; i < 32; i++) {
        if ((server->there >> i & 1) != 0) {
            there |= 1u << next;
            ours |= (server->ours >> i & 1) << next;
            next++;
        }
    }
    server->there = there;
    server->ours = ours;
    server->next = next + 1;
}

static unsigned count(uint32_t bits)
{
    return (unsigned)__builtin_popcount(bits);
}

/* What a look shows, as the engine sums it up. */
static struct doubt_look look_at(const struct world *world)
{
    const struct server *server = &world->server;
    struct doubt_look look = {.place = 1, .mark = {.validity = server->validity, .next = server->next}};
    uint32_t shown = server->there;
    if (server->lags && shown != 0) {
        shown &= ~(1u << (31 - __builtin_clz(shown)));
    }
    uint32_t from = doubt_from(&world->doubt, &look.mark);
    look.sight = server->limping ? DOUBT_SIGHT_FAILED : DOUBT_SIGHT_WHOLE;
    look.found = (shown & server->ours) != 0 && !server->limping;
    look.seen = count(from > 32 ? 0 : shown >> (from - 1));
    return look;
}

static void judge_now(struct world *world)
{
    struct doubt_look look = look_at(world);
    const char *why;
    enum doubt_verdict verdict = doubt_judge(&world->doubt, &look, &why);
    world->filed = verdict == DOUBT_FOUND;
    ends_found += verdict == DOUBT_FOUND;
    ends_proven += verdict == DOUBT_ABSENT;
    ends_noted += verdict == DOUBT_UNPROVEN;
}

/* Plays the event; false: it cannot happen now. */
static bool play(struct world *world, enum event event)
{
    bool may_send = !world->doubt.open && !world->filed;
    struct doubt_mark before = world->known;
    switch (event) {
    case SEND_OK:
        if (!may_send) {
            return false;
        }
        keep(world, true);
        world->filed = true;
        return true;
    case SEND_LOST_KEPT:
    case SEND_LOST_DROPPED:
        if (!may_send) {
            return false;
        }
        if (event == SEND_LOST_KEPT) {
            keep(world, true);
        }
        doubt_arise(&world->doubt, &before, 1, 100);
        world->numbered = before.validity != 0;
        return true;
    case SEND_NOT_WHOLE:
    case REFUSED:
        return may_send; /* nothing is kept, and that is known */
    case OTHERS_MAIL:
        keep(world, false);
        if (!world->doubt.open) {
            world->known = (struct doubt_mark){.validity = world->server.validity, .next = world->server.next};
        }
        return world->server.next < 20;
    case TAKEN_AWAY: { /* the newest, by whoever it is */
        if (world->server.there == 0) {
            return false;
        }
        uint32_t newest = 1u << (31 - __builtin_clz(world->server.there));
        world->server.there &= ~newest;
        world->server.ours &= ~newest;
        return true;
    }
    case LOOK:
    case LOOK_LIMPING:
    case LOOK_LAGGING:
        if (!world->doubt.open) {
            return false;
        }
        world->server.limping = event == LOOK_LIMPING;
        world->server.lags = event == LOOK_LAGGING;
        judge_now(world);
        world->numbered = true;
        world->server.limping = world->server.lags = false;
        return true;
    case RESTART: { /* all that is kept of a doubt is its text, and whether it is open */
        char text[DOUBT_TEXT_MAX];
        struct doubt again;
        doubt_write(&world->doubt, text);
        doubt_read(&again, bytes_of(text));
        again.open = world->doubt.open;
        assert_memory_equal(&again.mark, &world->doubt.mark, sizeof again.mark);
        world->doubt = again;
        world->known = (struct doubt_mark){0};
        return true;
    }
    case RENUMBER:
        if (world->server.validity == 9) {
            return false;
        }
        world->server.validity = 9;
        number_anew(&world->server);
        return world->numbered || !world->doubt.open; /* else nobody could tell */
    case EVENTS:
        break;
    }
    return false;
}

static void check(const struct world *world)
{
    /* Filed: it was kept. Twice: it is noted. */
    bool good = (!world->filed || world->copies > 0) && (world->copies < 2 || world->doubt.noted);
    if (!good) {
        printf("filed %d, copies %u, noted %d after:", world->filed, world->copies, world->doubt.noted);
        for (unsigned i = 0; i < world->length; i++) {
            printf(" %s;", world->trail[i]);
        }
        printf("\n");
    }
    assert_true(good);
}

static void go_on(const struct world *from, unsigned most)
{
    for (int event = 0; from->length < most && event < EVENTS; event++) {
        struct world world = *from;
        if (play(&world, (enum event)event)) {
            world.trail[world.length++] = event_names[event];
            hit[event]++;
            played++;
            check(&world);
            go_on(&world, most);
        }
    }
}

static void test_every_order(void **state)
{
    struct world world = {.server = {.next = 3, .there = 3, .validity = 7}, .known = {.validity = 7, .next = 3}};
    (void)state;
    go_on(&world, 7);
    printf("%lu events in every order; ended: %lu found, %lu proven absent, %lu unproven and noted\n", played,
           ends_found, ends_proven, ends_noted);
    for (size_t i = 0; i < EVENTS; i++) {
        printf("  %-18s %lu\n", event_names[i], hit[i]);
        assert_true(hit[i] > 0);
    }
    assert_true(ends_found > 0 && ends_proven > 0 && ends_noted > 0);
}

/* ---- the rest ---- */

static void test_arises_once(void **state)
{
    const struct doubt_mark first = {.validity = 7, .next = 5}, later = {.validity = 7, .next = 9};
    struct doubt doubt = {.looks = 2};
    (void)state;
    doubt_arise(&doubt, &first, 1, 1000);
    assert_true(doubt.open);
    assert_int_equal(doubt.mark.next, 5);
    assert_int_equal(doubt.looks, 0);
    doubt.looks = 2;
    doubt_arise(&doubt, &later, 1, 2000);
    assert_int_equal(doubt.mark.next, 5); /* both lie behind it */
    assert_int_equal(doubt.place, 1);
    assert_int_equal(doubt.since_ms, 2000);
    assert_int_equal(doubt.looks, 0);
    doubt_arise(&doubt, &later, 2, 3000);
    assert_true(doubt.place == DOUBT_PLACES); /* no single place can say no */
    doubt.open = false;
    doubt_arise(&doubt, &later, 2, 4000);
    assert_int_equal(doubt.mark.next, 9);
    assert_int_equal(doubt.place, 2);
}

static void test_kills(void **state)
{
    struct doubt doubt = {0};
    (void)state;
    assert_false(doubt_kill(&doubt, 1000, 0));
    assert_false(doubt_kill(&doubt, 2000, 0)); /* nothing else got through: it may be the account */
    assert_false(doubt_kill(&doubt, 3000, 1000));
    assert_int_equal(doubt.kills, 1);
    assert_false(doubt_kill(&doubt, 4000, 1001));
    assert_int_equal(doubt.kills, 2);
    assert_false(doubt_kill(&doubt, 5000, 4000));
    assert_true(doubt_kill(&doubt, 6000, 4001));
}

/* Nobody else's mail comes by any more: what was filed behind the first end speaks for the server. */
static void test_kills_alone(void **state)
{
    struct doubt doubt = {0};
    (void)state;
    doubt_kill_together(&doubt, 1000);
    doubt_kill_together(&doubt, 1500);
    assert_int_equal(doubt.kills, 1);
    assert_true(doubt.killed_ms == 1000);
    assert_false(doubt_kill(&doubt, 2000, 1001));
    assert_int_equal(doubt.kills, 2);
    for (unsigned i = 2; i < DOUBT_TRIES; i++) {
        assert_false(doubt_kill(&doubt, 3000 + i, 1001));
    }
    assert_true(doubt_kill(&doubt, 9000, 1001));
    doubt = (struct doubt){.kills = DOUBT_KILLS - 1}; /* once of them in a batch */
    assert_false(doubt_kill(&doubt, 1000, 900));
    assert_false(doubt_kill(&doubt, 2000, 1900));
    assert_true(doubt_kill(&doubt, 3000, 2900));
    doubt = (struct doubt){0};
    for (int64_t i = 1; i < DOUBT_KILLS; i++) {
        assert_false(doubt_kill(&doubt, i * 1000, i * 1000 - 100));
    }
    assert_true(doubt_kill(&doubt, 1000 * DOUBT_KILLS, 1000 * DOUBT_KILLS - 100)); /* the third time, and not later */
    doubt = (struct doubt){0};
    for (unsigned i = 0; i < 3 * DOUBT_TRIES; i++) {
        assert_false(doubt_kill(&doubt, 1000 + i, 900)); /* it may be the account */
    }
}

/* Names are kept without blanks, and read back; what is too long is told from others. */
static void test_names(void **state)
{
    static const struct {
        const char *name, *kept;
    } cases[] = {{"relay@example.com", "relay@example.com"},
                 {"a b", "a%20b"},
                 {"#1", "%231"},
                 {"50%", "50%25"},
                 {"\x7f\n", "%7f%0a"},
                 {"Gel\xc3\xb6scht", "Gel\xc3\xb6scht"}};
    char kept[DOUBT_NAME_MAX], back[DOUBT_NAME_MAX], one[DOUBT_NAME_MAX], long_name[400];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        doubt_name(kept, bytes_of(cases[i].name));
        assert_string_equal(kept, cases[i].kept);
        assert_true(doubt_name_read(kept, back));
        assert_string_equal(back, cases[i].name);
    }
    memset(long_name, 'x', sizeof long_name);
    doubt_name(kept, bytes_at(long_name, DOUBT_NAME_MAX - 4));
    assert_true(doubt_name_read(kept, back));
    assert_int_equal(strlen(back), DOUBT_NAME_MAX - 4);
    doubt_name(kept, bytes_at(long_name, DOUBT_NAME_MAX));
    doubt_name(one, bytes_at(long_name, DOUBT_NAME_MAX + 1));
    assert_int_equal(kept[0], '#');
    assert_int_equal(strlen(kept), 17);
    assert_string_not_equal(kept, one);
    assert_false(doubt_name_read(kept, back));
    /* The longest that is kept whole, and the next one. */
    doubt_name(kept, bytes_at(long_name, DOUBT_NAME_MAX - 3));
    assert_int_equal(strlen(kept), DOUBT_NAME_MAX - 3);
    doubt_name(kept, bytes_at(long_name, DOUBT_NAME_MAX - 2));
    assert_int_equal(kept[0], '#');
    /* The print is of each octet of the name, and of none behind it. */
    doubt_name(kept, bytes_at(long_name, 300));
    long_name[300] = 'y';
    doubt_name(one, bytes_at(long_name, 300));
    assert_string_equal(kept, one);
    long_name[0] = 'y';
    doubt_name(one, bytes_at(long_name, 300));
    assert_string_not_equal(kept, one);
    /* One that somebody else wrote, longer than any of ours. */
    long_name[299] = '\0';
    memset(back, 'z', sizeof back);
    assert_true(doubt_name_read(long_name, back));
    assert_int_equal(strlen(back), DOUBT_NAME_MAX - 1);
    assert_false(doubt_name_read("", back));
    assert_false(doubt_name_read("a%2", back));
    assert_true(doubt_name_read("%39%79%6a", back));
    assert_string_equal(back, "9yj");
    assert_false(doubt_name_read("%3:", back));
    assert_false(doubt_name_read("%/3", back));
    assert_false(doubt_name_read("%3`", back));
    assert_false(doubt_name_read("a%g0", back));
}

/* A folder that nobody has seen and that is not there: nothing of it lies there. Not in another account's, nor under another name. */
static void test_missing(void **state)
{
    struct doubt_look look = {.sight = DOUBT_SIGHT_MISSING, .mark = {.account = "me", .folder = "In"}};
    const char *why;
    (void)state;
    struct doubt doubt = {.open = true, .mark = {.account = "me", .folder = "In"}};
    assert_int_equal(doubt_judge(&doubt, &look, &why), DOUBT_ABSENT);
    doubt = (struct doubt){.open = true, .mark = {.account = "me", .folder = "In", .there = true}};
    assert_int_equal(doubt_judge(&doubt, &look, &why), DOUBT_AGAIN);
    doubt = (struct doubt){.open = true, .mark = {.account = "you", .folder = "In"}};
    assert_int_equal(doubt_judge(&doubt, &look, &why), DOUBT_AGAIN);
    doubt = (struct doubt){.open = true, .mark = {.account = "me", .folder = "Out"}};
    assert_int_equal(doubt_judge(&doubt, &look, &why), DOUBT_AGAIN);
}

/* How far down the folder is looked through. */
static void test_from(void **state)
{
    static const struct {
        struct doubt_mark then, now;
        uint32_t from;
    } cases[] = {
        {{.validity = 7, .next = 5}, {.validity = 7, .next = 9}, 5},
        {{.validity = 7, .next = 5}, {.validity = 7, .next = 5}, 5},
        {{.validity = 7, .next = 5}, {.validity = 7, .next = 4}, 1},
        {{.validity = 7, .next = 5}, {.validity = 7}, 5},
        {{.validity = 7, .next = 5}, {.validity = 8, .next = 9}, 1},
        {{.validity = 7, .next = 5}, {.next = 9}, 1},
        {{.next = 5}, {.next = 9}, 1},
        {{.validity = 7}, {.validity = 7, .next = 9}, 1},
        {{.validity = 7, .next = 5, .folder = "a"}, {.validity = 7, .next = 9, .folder = "b"}, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct doubt doubt = {.open = true, .mark = cases[i].then};
        assert_int_equal(doubt_from(&doubt, &cases[i].now), cases[i].from);
    }
}

/* Its time begins anew when it is tried again behind a dead letter, or for the first time when it has lain for long; and once for each. */
static void test_age(void **state)
{
    (void)state;
    struct doubt doubt = {.dead = false};
    assert_false(doubt_is_old(&doubt, 5000, 100, 100, false));
    assert_true(doubt_is_old(&doubt, 5001, 101, 100, false));
    assert_int_equal(doubt.again_ms, 0);
    assert_false(doubt_is_old(&doubt, 5000, 100, 100, true)); /* it came just now */
    assert_int_equal(doubt.again_ms, 0);
    doubt.dead = true;
    assert_false(doubt_is_old(&doubt, 6000, 1100, 100, false));
    assert_false(doubt.dead);
    assert_int_equal(doubt.again_ms, 6000);
    assert_false(doubt_is_old(&doubt, 6100, 1200, 100, false));
    assert_true(doubt_is_old(&doubt, 6101, 1201, 100, false));
    assert_false(doubt_is_old(&doubt, 100, 99, 100, false));   /* the clock was put back */
    assert_false(doubt_is_old(&doubt, 9000, 100, 100, false)); /* it was put forward, and that is known of its age */
    doubt = (struct doubt){.dead = false};
    assert_false(doubt_is_old(&doubt, 7000, 101, 100, true));
    assert_int_equal(doubt.again_ms, 7000);
    assert_true(doubt_is_old(&doubt, 7101, 202, 100, false));
}

static void test_text(void **state)
{
    struct doubt doubt = {.noted = true,
                          .alone = true,
                          .bare = true,
                          .mark = {.validity = UINT32_MAX,
                                   .next = 123,
                                   .mailbox = "F1-a_b",
                                   .account = "relay@example.com",
                                   .folder = "INBOX.a%20b",
                                   .there = true},
                          .place = 3,
                          .since_ms = INT64_C(1764590000000),
                          .looks = 2,
                          .kills = 1,
                          .tries = 4,
                          .killed_ms = 77,
                          .dead = true,
                          .again_ms = INT64_C(1764590000001)};
    struct doubt back;
    char text[DOUBT_TEXT_MAX];
    (void)state;
    memset(doubt.mark.mailbox, 'x', sizeof doubt.mark.mailbox - 1);
    memset(doubt.mark.account, 'y', sizeof doubt.mark.account - 1);
    memset(doubt.mark.folder, 'z', sizeof doubt.mark.folder - 1);
    doubt_write(&doubt, text);
    doubt_read(&back, bytes_of(text));
    assert_memory_equal(&back, &doubt, sizeof back);
    doubt_write(&(struct doubt){0}, text);
    assert_string_equal(text, "");
    doubt_read(&back, bytes_of("uidnext=99999999999 looks=-1 mailboxid= colour=red alone =5 = kills=2 "));
    assert_int_equal(back.mark.next, 0);
    assert_int_equal(back.kills, 2);
    char long_id[DOUBT_MAILBOX_MAX + 20] = "mailboxid=";
    memset(long_id + strlen(long_id), 'y', DOUBT_MAILBOX_MAX);
    doubt_read(&back, bytes_of(long_id));
    assert_string_equal(back.mark.mailbox, "");
    doubt_read(&back, bytes_of("mailboxid=abcdef mailboxid=xy mailboxid="));
    assert_string_equal(back.mark.mailbox, "xy");
    doubt_read(&back, bytes_of("since=9223372036854775807 killed=9223372036854775808 looks=2 looks=x"));
    assert_true(back.since_ms == INT64_MAX);
    assert_true(back.killed_ms == 0);
    assert_int_equal(back.looks, 2);
    doubt_write(&(struct doubt){.mark = {.validity = 7, .next = 9, .mailbox = "box"}, .place = 1}, text);
    assert_string_equal(text, "uidvalidity=7 uidnext=9 mailboxid=box place=1");
    doubt_write(&(struct doubt){.mark = {.mailbox = "box"}}, text);
    assert_string_equal(text, "mailboxid=box");
    doubt_write(&(struct doubt){.since_ms = INT64_MIN, .looks = 10, .again_ms = INT64_MAX}, text);
    assert_string_equal(text, "since=-9223372036854775808 looks=10 again=9223372036854775807");
    assert_false(back.alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_look),  cmocka_unit_test(test_every_order),
                                       cmocka_unit_test(test_arises_once), cmocka_unit_test(test_kills),
                                       cmocka_unit_test(test_text),        cmocka_unit_test(test_says_what_is_missing),
                                       cmocka_unit_test(test_kills_alone), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_missing),     cmocka_unit_test(test_age),
                                       cmocka_unit_test(test_from)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

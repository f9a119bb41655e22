/* outage: which failures are the account's, which are one message's or one session's, and for how long nothing is tried. */
#include "test.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/outage.h"

static struct outage outage;

static struct fault fault_of(enum fault_class class, const char *code, const char *text)
{
    struct fault fault = FAULT_INIT;
    fault_set(&fault, class, code, "append", "%s", text);
    return fault;
}

static void begin(void)
{
    outage_init(&outage, (struct backoff){.initial_ms = 1000, .maximum_ms = 8000});
}

static void failed(uint64_t now, enum outage_cause cause, uint64_t retry_after_ms, bool hard)
{
    struct fault fault = fault_of(FAULT_TEMP, "code", "words");
    outage_failed(&outage, now, 0, cause, &fault, retry_after_ms, hard);
}

static bool session(uint64_t now, uint64_t message, bool filed, uint64_t lived_ms)
{
    struct outage_session ended = {.filed = filed, .message = message, .lived_ms = lived_ms};
    ended.fault = fault_of(FAULT_TEMP, "bye", "System Error");
    return outage_session_ended(&outage, now, 0, &ended);
}

static bool refused(uint64_t now, uint64_t message, const char *sender, const char *folder, const char *text)
{
    struct fault fault = fault_of(FAULT_TEMP, "refused", text);
    struct outage_refusal refusal = {.fault = &fault,
                                     .general = true,
                                     .message = message,
                                     .sender = outage_print(bytes_of(sender)),
                                     .folder = bytes_of(folder)};
    return outage_refused(&outage, now, 0, &refusal);
}

/* ---- causes have paces of their own ---- */

static void lost_connections_make_no_login_worse(void **state)
{
    (void)state;
    begin();
    for (uint64_t now = 0; now < 22; now++) {
        failed(now * 100000, OUTAGE_UNREACHED, 0, true);
    }
    assert_int_equal(outage.delay, 8000);
    failed(5000000, OUTAGE_LOGIN, 0, true);
    assert_int_equal(outage.delay, 60000); /* the first of its kind: not 46 minutes */
    assert_true(outage.asked);
    failed(6000000, OUTAGE_LOGIN, 0, true);
    assert_int_equal(outage.delay, 120000);
    failed(7000000, OUTAGE_UNREACHED, 0, true);
    assert_false(outage.asked); /* nobody needs to know that after a restart */
}

static void several_at_once_are_one(void **state)
{
    (void)state;
    begin();
    failed(1000, OUTAGE_REFUSED, 0, true);
    failed(1001, OUTAGE_REFUSED, 0, true);
    assert_int_equal(outage_failures(&outage), 1);
    assert_int_equal(outage.until, 2000);
    failed(1002, OUTAGE_REFUSED, 300000, true); /* but a longer pause that is asked for counts */
    assert_int_equal(outage_failures(&outage), 1);
    assert_int_equal(outage.until, 301002);
    assert_true(outage.asked);
    failed(301002, OUTAGE_REFUSED, 0, true);
    assert_int_equal(outage_failures(&outage), 2);
    assert_int_equal(outage.counts[OUTAGE_REFUSED], 2);
}

/* What connections that stand outlive, and what they do not, are two failures, in whatever order. */
static void hard_and_soft_are_two(void **state)
{
    static const bool second[] = {true, false};
    (void)state;
    for (size_t i = 0; i < sizeof second / sizeof second[0]; i++) {
        begin();
        failed(1000, OUTAGE_UNREACHED, 0, !second[i]);
        failed(1001, OUTAGE_UNREACHED, 0, second[i]);
        assert_int_equal(outage_failures(&outage), 2);
        assert_int_equal(outage.hard, second[i]);
        failed(1002, OUTAGE_UNREACHED, 0, second[i]);
        assert_int_equal(outage_failures(&outage), second[i] ? 2 : 3);
    }
}

/* Of several at once: the pause that is asked for counts when it is longer, by whatever it is, and only then. */
static void the_longer_pause_counts(void **state)
{
    (void)state;
    begin();
    failed(1000, OUTAGE_REFUSED, 0, true);
    failed(1990, OUTAGE_REFUSED, 10, true); /* as long: nothing is news */
    assert_true(outage.until == 2000 && outage.delay == 1000 && !outage.asked);
    failed(1990, OUTAGE_REFUSED, 100, true);
    assert_true(outage.until == 2090 && outage.delay == 100 && outage.asked);
    failed(1995, OUTAGE_REFUSED, 50, true);
    assert_true(outage.until == 2090 && outage.delay == 100);
}

/* Every cause counts, and a number of a name is of its octets alone, in whatever case. */
static void causes_and_names(void **state)
{
    (void)state;
    for (enum outage_cause cause = 0; cause < OUTAGE_CAUSES; cause++) {
        begin();
        failed(0, cause, 0, true);
        assert_int_equal(outage_failures(&outage), 1);
        assert_non_null(outage_cause_name(cause));
    }
    assert_true(outage_print(bytes_slice(bytes_of("abc"), 0, 2)) == outage_print(bytes_slice(bytes_of("ABd"), 0, 2)));
    assert_false(outage_print(bytes_of("ab")) == outage_print(bytes_of("ba")));
}

static void a_login_ends_what_it_can(void **state)
{
    (void)state;
    begin();
    failed(0, OUTAGE_UNREACHED, 0, true);
    assert_true(outage_reached(&outage));
    assert_false(outage.down);
    assert_int_equal(outage.until, 0);
    failed(0, OUTAGE_SESSIONS, 0, true);
    assert_false(outage_reached(&outage)); /* that a session begins is no news then */
    assert_true(outage.down && outage.until == 1000);
    failed(1000, OUTAGE_UNREACHED, 0, true);
    assert_false(outage_reached(&outage)); /* what was before that stays */
    assert_true(outage.down);
    assert_true(outage_worked(&outage));
    assert_false(outage.down || outage_worked(&outage));
    failed(0, OUTAGE_SESSIONS, 0, true);
    assert_int_equal(outage.delay, 1000); /* it begins anew */
}

/* ---- sessions ---- */

static void sessions_that_file_nothing(void **state)
{
    (void)state;
    begin();
    assert_false(session(0, 1, false, 50));
    assert_true(session(100, 2, false, 50)); /* another message: it is not the message */
    assert_true(outage.down && outage.hard);
    assert_string_equal(outage.fault.text, "System Error");
    assert_false(outage.asked);
    assert_int_equal(outage.until, 1100);
    assert_true(session(1200, 3, false, 50));
    assert_int_equal(outage.delay, 2000);
    /* What filed has ended it: the first message over which a session ends is counted anew, whatever its number. */
    assert_true(outage_worked(&outage));
    assert_false(session(2000, 1, false, 50));
    assert_true(session(2100, 2, false, 50));
}

static void one_message_that_kills_sessions(void **state)
{
    (void)state;
    begin();
    for (uint64_t now = 0; now < 50; now++) {
        assert_false(session(now, 7, false, 50));
    }
    assert_false(outage.down);
    outage_worked(&outage); /* another one was filed between */
    assert_false(session(60, 8, false, 50));
    outage_worked(&outage);
    assert_false(session(61, 7, false, 50));
    assert_false(outage.down);
}

/* A message that ends sessions ends one for each of its folders. */
static void deliveries_of_one_message_are_one(void **state)
{
    (void)state;
    begin();
    uint64_t first = outage_message(bytes_of("01KDVDPD84KRZZ.1"));
    uint64_t other = outage_message(bytes_of("01KDVDPD84KRZZ.12"));
    assert_int_equal(first, other);
    assert_int_equal(outage_message(bytes_of("01KDVDPD84KRZZ")), first);
    assert_int_not_equal(outage_message(bytes_of("01KDVDPD84KRZY.1")), first);
    for (uint64_t now = 0; now < 50; now++) {
        assert_false(session(now, now % 2 == 0 ? first : other, false, 50));
    }
    assert_false(outage.down);
}

static void sessions_that_end_behind_the_login(void **state)
{
    (void)state;
    begin();
    assert_false(session(0, 0, false, 3));
    assert_true(session(1, 0, false, 3));
    begin();
    assert_false(session(0, 0, false, OUTAGE_SHORT_MS)); /* that ran out, unused */
    assert_false(session(1, 0, false, OUTAGE_SHORT_MS));
    assert_false(session(2, 5, true, 3)); /* had filed something before */
    assert_false(session(3, 6, true, 3));
    assert_false(outage.down);
}

/* ---- refusals ---- */

static void the_same_words_for_many(void **state)
{
    (void)state;
    begin();
    assert_false(refused(0, 1, "a@x", "INBOX", "no more today (id 17)"));
    assert_false(refused(1, 2, "a@x", "INBOX", "No more today (id 18)"));
    assert_false(refused(2, 3, "a@x", "INBOX", "no more today (id 19)")); /* one sender, one folder */
    assert_true(refused(3, 4, "b@x", "INBOX", "no more today (id 20)"));
    assert_true(outage.down && outage.hard && outage.until == 1003);
    assert_false(outage.asked);                                             /* the server has named no pause */
    assert_true(refused(2000, 1, "a@x", "INBOX", "no more today (id 21)")); /* the probe, whichever it is */
    assert_int_equal(outage.delay, 2000);
    assert_true(outage_worked(&outage)); /* one that is filed ends it, and all counting */
    assert_false(refused(9000, 4, "b@x", "INBOX", "no more today"));
}

static void one_sender_takes_more(void **state)
{
    (void)state;
    begin();
    for (uint64_t i = 1; i < OUTAGE_ALIKE_ONE; i++) {
        assert_false(refused(i, i, "a@x", "INBOX", "no more"));
        assert_false(refused(i, i, "a@x", "INBOX", "no more")); /* the same message again says nothing new */
    }
    assert_true(refused(100, 100, "a@x", "INBOX", "no more"));
    assert_true(refused(100000, 101, "a@x", "INBOX", "no more"));
    assert_int_equal(outage.alike.count, OUTAGE_ALIKE_ONE); /* of more than that none is kept */
}

/* Locked for everybody, or one folder of it: senders alone do not tell, and what nobody knows may be about anything. */
static void locked_and_unknown(void **state)
{
    (void)state;
    struct fault locked = fault_of(FAULT_TEMP, "inuse", "locked"), odd = fault_of(FAULT_PERM, "refused", "no");
    begin();
    for (uint64_t i = 1; i < OUTAGE_ALIKE_ONE; i++) {
        struct outage_refusal refusal = {.fault = &locked, .message = i, .sender = i, .folder = bytes_of("A")};
        assert_false(outage_refused(&outage, i, 0, &refusal));
    }
    begin();
    for (uint64_t i = 1; i <= 3; i++) {
        struct outage_refusal refusal = {
            .fault = &odd, .general = true, .message = i, .sender = i, .folder = bytes_of("A")};
        assert_int_equal(outage_refused(&outage, i, 0, &refusal), i == 3);
    }
    struct fault fault = fault_of(FAULT_TEMP, "throttled", "later");
    outage_init(&outage, (struct backoff){0});
    outage_resume(&outage, 100, 50, false, 0, &fault); /* known from before to be down, and not for how many failures */
    assert_int_equal(outage_failures(&outage), 1);
    assert_true(outage_worked(&outage));
}

/* Once it is the account, these words are the account's, also with a code that would be a folder's. */
static void what_is_known_of_the_account_stays_known(void **state)
{
    (void)state;
    struct fault odd = fault_of(FAULT_TEMP, "refused", "no more"), locked = fault_of(FAULT_TEMP, "inuse", "no more");
    begin();
    for (uint64_t i = 1; i <= OUTAGE_ALIKE; i++) {
        struct outage_refusal refusal = {.fault = &odd, .message = i, .sender = i, .folder = bytes_of("A")};
        assert_int_equal(outage_refused(&outage, i, 0, &refusal), i == OUTAGE_ALIKE);
    }
    struct outage_refusal refusal = {.fault = &locked, .message = 4, .sender = 4, .folder = bytes_of("A")};
    assert_true(outage_refused(&outage, 5000, 0, &refusal));
}

/* One message that is filed ends all of it. */
static void one_that_is_filed_ends_all(void **state)
{
    (void)state;
    begin();
    for (uint64_t i = 1; i <= OUTAGE_ALIKE; i++) {
        char sender[] = {(char)('a' + i), '\0'};
        assert_int_equal(refused(0, i, sender, "A", "no more"), i == OUTAGE_ALIKE);
    }
    failed(0, OUTAGE_LOGIN, 90000, true);
    assert_true(outage.down && outage.hard && outage.asked && outage.until > 0);
    assert_true(outage_worked(&outage));
    assert_false(outage.down || outage.hard || outage.asked);
    assert_int_equal(outage.until, 0);
    assert_int_equal(outage_failures(&outage), 0);
    assert_false(refused(0, 9, "z", "B", "no more")); /* counted from the first again */
    assert_false(outage_worked(&outage));
    assert_false(session(0, 7, false, 0));
    assert_false(outage_worked(&outage));
    assert_false(session(0, 7, false, 0)); /* also the message whose session ended last */
    assert_true(session(0, 8, false, 0));
    failed(0, OUTAGE_LOGIN, 90000, true);
    outage_try_now(&outage);
    assert_int_equal(outage.until, 0);
    assert_false(outage.asked);
}

/* A login that succeeds ends what a refused one began, and its pause. */
static void a_login_succeeds(void **state)
{
    (void)state;
    begin();
    failed(0, OUTAGE_LOGIN, 0, true);
    assert_true(outage.down && outage.asked && outage.until > 0);
    assert_true(outage_reached(&outage));
    assert_false(outage.down || outage.asked);
    assert_int_equal(outage.until, 0);
    assert_int_equal(outage_failures(&outage), 0);
}

static void other_words_begin_anew(void **state)
{
    (void)state;
    begin();
    assert_false(refused(0, 1, "a@x", "A", "no more"));
    assert_false(refused(0, 2, "b@x", "B", "no more"));
    assert_false(refused(0, 3, "c@x", "C", "something else"));
    assert_false(refused(0, 4, "d@x", "D", "no more"));
    assert_false(outage.down);
}

static void what_is_about_a_folder_or_message(void **state)
{
    (void)state;
    begin();
    struct fault large = fault_of(FAULT_PERM, "toobig", "too large"), full = fault_of(FAULT_TEMP, "overquota", "full");
    for (uint64_t i = 1; i < 20; i++) {
        struct outage_refusal refusal = {.fault = &large, .message = i, .sender = i, .folder = bytes_of("A")};
        assert_false(outage_refused(&outage, i, 0, &refusal));
    }
    for (uint64_t i = 1; i < OUTAGE_ALIKE_ONE; i++) {
        struct outage_refusal refusal = {.fault = &full, .message = i, .sender = i, .folder = bytes_of("A")};
        assert_false(outage_refused(&outage, i, 0, &refusal)); /* senders prove nothing of a folder that is full */
    }
    begin();
    for (uint64_t i = 1; i <= 3; i++) {
        struct outage_refusal refusal = {.fault = &full, .message = i, .folder = bytes_of(i == 1 ? "A" : "B")};
        assert_int_equal(outage_refused(&outage, i, 0, &refusal), i == 3);
    }
}

static const struct {
    const char *one, *one_folder, *other, *other_folder;
    bool same;
} pairs[] = {
    {"Mailbox \"Sales\" is broken", "Sales", "mailbox \"INBOX.CI\" is broken", "INBOX.CI", true},
    {"error 17 at 10:05:03", "A", "Error 4 at 23:01:00", "B", true},
    {"refused for a@x.test", "A", "refused for b@x.test", "A", true},
    {"see https://x.test/a1", "A", "see https://x.test/b2", "A", true},
    {"no room", "A", "no right", "A", false},
    {"", "A", "", "B", true},
    {"rejected by policy 4 in Sales", "Sales", "rejected by policy 5 in INBOX", "INBOX", true},
    {"not today: Sales.", "Sales", "not today: CI.", "A/CI", true},
    {"INBOX.Sales is shut", "Sales", "INBOX.Old.CI is shut", "Old/CI", true},
    {"the inn is full", "inn", "the out is full", "inn", false},
    {"no x\xc3\x80y1", "A", "no", "A", true}, /* one word, and a digit in it */
    {"policy4 no", "A", "no", "A", true},
    {"Xx\xc3\x80 no", "A", "Xx\xc3 no", "A", false},
    {"see Sales/ now", "A", "see CI/ now", "A", false}, /* the mark behind a word says nothing of it */
    {"no room.", "A", "no room", "A", true},
    {"no -room", "A", "no room", "A", true},
    {"no ... room", "A", "no room", "A", true},
    {"Sales is shut", "Sales/Old", "CI is shut", "CI/Old", true}, /* a part of the name, wherever it stands */
    {"Mid is shut", "A/Mid/C", "Odd is shut", "A/Odd/C", true},
    {"no in here", "Main", "no here", "Main", false}, /* the end, the middle and the beginning of a word are no part */
    {"no ai here", "Main", "no here", "Main", false},
    {"no ma here", "Main", "no here", "Main", false},
};

static void words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        uint64_t one = outage_words(pairs[i].one, bytes_of(pairs[i].one_folder));
        uint64_t other = outage_words(pairs[i].other, bytes_of(pairs[i].other_folder));
        assert_int_equal(one == other, pairs[i].same);
    }
}

/* What is no word is not read beyond: the text ends where the memory does. */
static void words_end_with_the_text(void **state)
{
    static const char *const texts[] = {"no ... room", "no  room", "room ...", "...", " ", "-"};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    (void)state;
    char *pages = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + 2 * page, page, PROT_NONE), 0);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t size = strlen(texts[i]) + 1;
        char *text = memcpy(pages + 2 * page - size, texts[i], size);
        assert_int_equal(outage_words(text, bytes_of("A")), outage_words(texts[i], bytes_of("A")));
        memset(text, ' ', size);
    }
    munmap(pages, 3 * page);
}

static void after_a_restart(void **state)
{
    struct fault fault = fault_of(FAULT_TEMP, "authentication", "no");
    (void)state;
    begin();
    outage_resume(&outage, 5000, 4000, true, 3, &fault);
    assert_true(outage.down && outage.hard && outage.asked && outage.until == 5000);
    assert_int_equal(outage.delay, 4000);
    assert_int_equal(outage.cause, OUTAGE_LOGIN);
    assert_string_equal(outage.fault.text, "no");
    failed(6000, OUTAGE_LOGIN, 0, true);
    assert_int_equal(outage_failures(&outage), 4);
    outage_try_now(&outage);
    assert_int_equal(outage.until, 0);
    assert_string_equal(outage_cause_name(OUTAGE_SESSIONS), "sessions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_connections_make_no_login_worse),
        cmocka_unit_test(several_at_once_are_one),
        cmocka_unit_test(hard_and_soft_are_two),
        cmocka_unit_test(the_longer_pause_counts),
        cmocka_unit_test(causes_and_names),
        cmocka_unit_test(a_login_ends_what_it_can),
        cmocka_unit_test(sessions_that_file_nothing),
        cmocka_unit_test(one_message_that_kills_sessions),
        cmocka_unit_test(deliveries_of_one_message_are_one),
        cmocka_unit_test(sessions_that_end_behind_the_login),
        cmocka_unit_test(the_same_words_for_many),
        cmocka_unit_test(one_sender_takes_more),
        cmocka_unit_test(locked_and_unknown),
        cmocka_unit_test(other_words_begin_anew),
        cmocka_unit_test(what_is_about_a_folder_or_message),
        cmocka_unit_test(what_is_known_of_the_account_stays_known),
        cmocka_unit_test(a_login_succeeds),
        cmocka_unit_test(one_that_is_filed_ends_all),
        cmocka_unit_test(words),
        cmocka_unit_test(words_end_with_the_text),
        cmocka_unit_test(after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* engine/smtpd_replies: what is counted of the answers that are given; and engine/smtpd_engine outside of a transaction. */
#include "test.h"

#include <stdbool.h>
#include <stdint.h>

#include "engine/smtpd_engine.h"
#include "engine/smtpd_replies.h"

/* By its code; refusals by their row, too. What is no code of SMTP is in no count, and nobody need count. */
static void test_tally(void **state)
{
    static const struct {
        int code;
        bool counts, refuses;
    } cases[] = {{250, true, false}, {399, true, false}, {400, true, true},   {599, true, true},
                 {0, false, false},  {-1, false, false}, {600, false, false}, {1000, false, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtpd_tally tally = {.replies = {0}};
        const struct smtpd_answer answer = {.code = cases[i].code, .reply = (enum smtpd_reply)1};
        uint64_t sum = 0, refusals = 0;
        smtpd_tally_reply(&tally, &answer);
        smtpd_tally_reply(NULL, &answer);
        for (size_t code = 0; code < sizeof tally.replies / sizeof tally.replies[0]; code++) {
            sum += tally.replies[code];
        }
        for (size_t row = 0; row < SMTPD_REPLY_COUNT; row++) {
            refusals += tally.refusals[row];
        }
        assert_int_equal(sum, cases[i].counts);
        assert_int_equal(cases[i].counts ? tally.replies[cases[i].code] : 1, 1);
        assert_int_equal(refusals, cases[i].refuses);
        assert_int_equal(tally.refusals[1], cases[i].refuses);
    }
}

/* Outside of a transaction there is no envelope; whoever stops an engine twice, or starts one that goes, changes nothing. */
static void test_stopped_outside_of_a_transaction(void **state)
{
    const struct smtpd_engine_options options = {.hostname = "gw.example.net"};
    (void)state;
    struct smtpd_engine *engine = smtpd_engine_new(&options, 1000);
    assert_non_null(engine);
    assert_null(smtpd_engine_envelope(engine));
    uint64_t deadline = smtpd_engine_deadline(engine);
    smtpd_engine_stop(engine, 2000, false);
    assert_int_equal(smtpd_engine_deadline(engine), deadline);
    smtpd_engine_stop(engine, 3000, true);
    assert_int_equal(smtpd_engine_deadline(engine), UINT64_MAX);
    smtpd_engine_stop(engine, 4000, true);
    assert_int_equal(smtpd_engine_deadline(engine), UINT64_MAX);
    smtpd_engine_stop(engine, 5000, false);
    assert_int_not_equal(smtpd_engine_deadline(engine), UINT64_MAX);
    smtpd_engine_free(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tally),
                                       cmocka_unit_test(test_stopped_outside_of_a_transaction)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* smtpd_admission: sessions in all and per network. */
#include "test.h"

#include <stdio.h>

#include "engine/smtpd_admission.h"

static const uint8_t seed[16] = {1, 2, 3};

static void limits_hold_and_places_come_back(void **state)
{
    struct smtpd_admission *admission = smtpd_admission_new(5, 2, seed);
    (void)state;
    assert_int_equal(smtpd_admission_enter(admission, "192.0.2.1"), SMTPD_ADMITTED);
    assert_int_equal(smtpd_admission_enter(admission, "192.0.2.1"), SMTPD_ADMITTED);
    assert_int_equal(smtpd_admission_enter(admission, "192.0.2.1"), SMTPD_ADMISSION_NETWORK_FULL);
    assert_int_equal(smtpd_admission_enter(admission, "192.0.2.2"), SMTPD_ADMITTED);
    /* One /64 is one network, however many addresses it has. */
    assert_int_equal(smtpd_admission_enter(admission, "2001:db8::1"), SMTPD_ADMITTED);
    assert_int_equal(smtpd_admission_enter(admission, "2001:db8::ffff:2"), SMTPD_ADMITTED);
    assert_int_equal(smtpd_admission_enter(admission, "2001:db8:0:1::1"), SMTPD_ADMISSION_FULL);
    smtpd_admission_leave(admission, "192.0.2.2");
    assert_int_equal(smtpd_admission_enter(admission, "2001:db8::3"), SMTPD_ADMISSION_NETWORK_FULL);
    assert_int_equal(smtpd_admission_enter(admission, "unix"), SMTPD_ADMITTED);
    smtpd_admission_leave(admission, "unix");
    smtpd_admission_leave(admission, "192.0.2.1");
    smtpd_admission_leave(admission, "192.0.2.1");
    smtpd_admission_leave(admission, "2001:db8::3");
    smtpd_admission_leave(admission, "2001:db8::4");
    assert_int_equal(smtpd_admission_count(admission), 0);
    smtpd_admission_free(&admission);
    smtpd_admission_free(&admission);
    assert_null(admission);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(limits_hold_and_places_come_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

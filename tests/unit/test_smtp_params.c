/* smtp_params: each parameter of MAIL and RCPT, right and wrong, offered and not. */
#include "test.h"

#include "proto/smtp_params.h"

#define ALL 0xffffffffu

struct params_case {
    enum smtp_params_command command;
    const char *text;
    unsigned offered;
    enum smtp_params_result result;
};

static const struct params_case cases[] = {
    {SMTP_PARAMS_MAIL, "", 0, SMTP_PARAMS_OK},
    {SMTP_PARAMS_MAIL, "SIZE=0", ALL, SMTP_PARAMS_OK},
    {SMTP_PARAMS_MAIL, "size=18446744073709551615  body=8bitmime", ALL, SMTP_PARAMS_OK},
    {SMTP_PARAMS_MAIL, "BODY=7BIT SMTPUTF8 RET=FULL ENVID=a+2Bb AUTH=<> REQUIRETLS", ALL, SMTP_PARAMS_OK},
    {SMTP_PARAMS_MAIL, "RET=hdrs AUTH=e+3Dmc2@example.com", ALL, SMTP_PARAMS_OK},
    {SMTP_PARAMS_RCPT, "NOTIFY=SUCCESS,DELAY,FAILURE ORCPT=rfc822;a+2Bb@c.example", ALL, SMTP_PARAMS_OK},
    {SMTP_PARAMS_RCPT, "NOTIFY=NEVER", ALL, SMTP_PARAMS_OK},

    {SMTP_PARAMS_MAIL, "SIZE=18446744073709551616", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "SIZE=000000000000000000001", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "SIZE=1,0", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "SIZE=+1", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "SIZE", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "SIZE=", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "=1", ALL, SMTP_PARAMS_UNKNOWN},
    {SMTP_PARAMS_MAIL, "SIZEX=1", ALL, SMTP_PARAMS_UNKNOWN},
    {SMTP_PARAMS_MAIL, "SIZE=1", 0, SMTP_PARAMS_UNKNOWN},
    {SMTP_PARAMS_MAIL, "SIZE=1 SIZE=2", ALL, SMTP_PARAMS_REPEATED},
    {SMTP_PARAMS_MAIL, "SMTPUTF8 smtputf8", ALL, SMTP_PARAMS_REPEATED},
    {SMTP_PARAMS_MAIL, "SMTPUTF8=1", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "SMTPUTF8=", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "BODY=9BIT", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "BODY=BINARYMIME", SMTP_EXT_8BITMIME, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "BODY=BINARYMIME", SMTP_EXT_8BITMIME | SMTP_EXT_BINARYMIME, SMTP_PARAMS_OK},
    {SMTP_PARAMS_MAIL, "RET=SOME", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "ENVID=a+2", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "ENVID=a+2g", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "ENVID=a=b", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_MAIL, "NOTIFY=NEVER", ALL, SMTP_PARAMS_UNKNOWN},
    {SMTP_PARAMS_RCPT, "SIZE=1", ALL, SMTP_PARAMS_UNKNOWN},
    {SMTP_PARAMS_RCPT, "NOTIFY=NEVER,SUCCESS", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_RCPT, "NOTIFY=SUCCESS,SUCCESS", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_RCPT, "NOTIFY=SUCCESS,", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_RCPT, "NOTIFY=", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_RCPT, "ORCPT=rfc822", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_RCPT, "ORCPT=;a@b", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_RCPT, "ORCPT=rfc822;", ALL, SMTP_PARAMS_VALUE},
    {SMTP_PARAMS_RCPT, "ORCPT=rfc822;a\xc3\xa9", ALL, SMTP_PARAMS_VALUE},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtp_params params;
        enum smtp_params_result result =
            smtp_params_parse(bytes_of(cases[i].text), cases[i].command, cases[i].offered, &params, NULL);
        if (result != cases[i].result) {
            fail_msg("\"%s\": %d, not %d", cases[i].text, result, cases[i].result);
        }
    }
}

static void values(void **state)
{
    struct smtp_params params;
    (void)state;
    assert_int_equal(
        smtp_params_parse(bytes_of("SIZE=42 BODY=8BITMIME ENVID=x RET=HDRS"), SMTP_PARAMS_MAIL, ALL, &params, NULL),
        SMTP_PARAMS_OK);
    assert_true(params.has_size && params.size == 42 && params.body == SMTP_BODY_8BITMIME);
    assert_true(bytes_is(params.envid, "x") && bytes_is(params.ret, "HDRS"));
    assert_false(params.smtputf8 || params.requiretls);
    assert_null(params.auth.ptr);
    assert_int_equal(smtp_params_parse(bytes_of("NOTIFY=DELAY ORCPT=rfc822;a@b"), SMTP_PARAMS_RCPT, ALL, &params, NULL),
                     SMTP_PARAMS_OK);
    assert_true(bytes_is(params.notify, "DELAY") && bytes_is(params.orcpt, "rfc822;a@b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

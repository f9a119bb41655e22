/* mail_shape: the same whatever pieces the octets come in. */
#include "test.h"

#include <string.h>

#include "mail/mail_shape.h"

static const struct {
    const char *text;
    struct mail_shape shape;
} cases[] = {
    {"", {0, false, false}},
    {"A: b\r\n\r\nbody\r\n", {4, false, true}},
    {"A: b\r\n\r\nbody\r\nlonger line", {11, false, true}},
    {"A: b\r\n\r\nb\xc3\xb6"
     "dy\r\n",
     {5, false, true}},
    {"A: \xc3\xb6\r\n\r\nbody\r\n", {5, true, true}},
    {"A: b\r\n c\r\nLonger: 123456\r\n\r\n\r\n", {14, false, true}},
    {"\r\n\xff\r\n", {1, false, true}},
    {"\xff", {1, true, false}},
    {" A: b\r\n\r\n", {5, false, false}},
    {"A: b\r\n\tc\r\nD :e\r\n\r\nno field\r\n", {8, false, true}},
    {"A: b\r\nC d: e\r\n\r\n", {6, false, false}},
    {"A: b\r\nno field\r\n\r\n", {8, false, false}},
    {"A\rB: c\r\n\r\n", {6, false, false}},
    {"A: b\rc\r\n\r\n", {6, false, true}},
    {"A: b\r\n", {4, false, false}},
    {"A: b\r\n: e\r\n\r\n", {4, false, false}},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes text = bytes_of(cases[i].text);
        for (size_t piece = 1; piece <= text.len + 1; piece++) {
            struct mail_shape_meter meter = {0};
            for (size_t at = 0; at < text.len; at += piece) {
                mail_shape_add(&meter, bytes_slice(text, at, piece));
            }
            const struct mail_shape *want = &cases[i].shape;
            assert_true(meter.shape.longest_line == want->longest_line && meter.shape.header_8bit == want->header_8bit);
            assert_int_equal(meter.shape.header_plain, want->header_plain);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* mail_header: fields, folds, the end of the section; whole and at every split. */
#include "test.h"

#include <string.h>

#include "mail/mail_header.h"

struct length_case {
    const char *message;
    size_t length;
    bool complete;
};

static const struct length_case lengths[] = {
    {"A: b\r\n\r\nbody", 8, true},
    {"A: b\r\n c\r\nD:e\r\n\r\n", 17, true},
    {"A: b\r\nnot a field\r\n", 6, false},             /* begins the text, unless a field comes yet */
    {"A: b\r\nnot a field\r\n\r\n", 6, true},          /* begins it */
    {"A: b\r\nnot a field\r\nC:d\r\n\r\nx", 26, true}, /* belongs to a section that goes on */
    {"A: b\r\nnot a field\r\nC:d\r\nx", 6, false},     /* it does not, without an empty line */
    {"A: b\r\nnot a field\r\nTo:d\r\nx", 25, false},   /* but for a name that tells */
    {" folded first\r\nA: b\r\n\r\n", 0, true},
    {" folded first\r\nTo: b\r\n\r\n", 24, true},
    {"\r\nbody", 2, true},
    {"", 0, false},
    {"A: b\r\n", 6, false},
    {"A: b\r\n\r", 6, false},
    {": no name\r\n", 0, false},
    {"A b: c\r\n\r\n", 0, true}, /* a blank inside the name */
    {"A : c\r\n\r\n", 9, true},
    {"A: b\n\nbody", 6, true},
};

static void finds_the_end_of_the_section(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        bool complete;
        assert_int_equal(mail_header_length(bytes_of(lengths[i].message), &complete), lengths[i].length);
        assert_int_equal(complete, lengths[i].complete);
    }
}

/* What makes the section go on is looked for in so many octets, and so many odd lines are taken. */
static void looks_no_further_than_its_limits(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1u << 20);
    buf_append_text(&text, "A: b\r\nodd\r\n");
    while (text.len < MAIL_HEADER_LOOK + 20) {
        buf_append_text(&text, "more of it\r\n");
    }
    buf_append_text(&text, "Subject: x\r\n\r\n");
    bool complete;
    assert_int_equal(mail_header_length(buf_bytes(&text), &complete), 6);
    assert_true(complete);
    for (unsigned count = MAIL_HEADER_ODD_MAX; count <= MAIL_HEADER_ODD_MAX + 1; count++) {
        buf_clear(&text);
        for (unsigned i = 0; i < count; i++) {
            buf_append_text(&text, "odd\r\n");
        }
        buf_append_text(&text, "Subject: x\r\n\r\n");
        assert_int_equal(mail_header_length(buf_bytes(&text), &complete), count <= MAIL_HEADER_ODD_MAX ? text.len : 0);
    }
    buf_done(&text);
}

static void a_split_never_looks_complete_too_early(void **state)
{
    (void)state;
    struct bytes all = bytes_of("Subject: one\r\n two\r\nX-Y: z\r\n\r\nbody\r\n");
    for (size_t cut = 0; cut < 28; cut++) {
        bool complete;
        mail_header_length(bytes_slice(all, 0, cut), &complete);
        assert_false(complete);
    }
}

static void walks_and_unfolds(void **state)
{
    (void)state;
    struct bytes rest = bytes_of("Subject:  one\r\n\ttwo \r\nX: y\r\n\r\n");
    struct mail_header_field field;
    assert_int_equal(mail_header_next(&rest, &field), 1);
    assert_true(bytes_is(field.name, "Subject"));
    struct buf out;
    buf_init(&out, 100);
    mail_header_unfold(field.value, &out);
    assert_string_equal(buf_text(&out), "one\ttwo");
    buf_done(&out);
    assert_int_equal(mail_header_next(&rest, &field), 1);
    assert_true(bytes_is(field.whole, "X: y\r\n"));
    assert_int_equal(mail_header_next(&rest, &field), 0);
    assert_true(bytes_is(rest, "\r\n"));
}

static void finds_without_case(void **state)
{
    (void)state;
    struct mail_header_field field;
    struct bytes message = bytes_of("A: 1\r\nmessage-ID: <x@y>\r\n\r\nSubject: in the body\r\n");
    message = bytes_slice(message, 0, mail_header_length(message, &(bool){false}));
    assert_int_equal(mail_header_find(message, "Message-Id", &field), 1);
    assert_true(bytes_is(bytes_trim(field.value), "<x@y>"));
    assert_int_equal(mail_header_find(message, "Subject", &field), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_end_of_the_section),
        cmocka_unit_test(looks_no_further_than_its_limits),
        cmocka_unit_test(a_split_never_looks_complete_too_early),
        cmocka_unit_test(walks_and_unfolds),
        cmocka_unit_test(finds_without_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

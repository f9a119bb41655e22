/* smtp_command and smtp_line: lines, verbs, arguments, chunks. */
#include "test.h"

#include <string.h>

#include "proto/smtp_command.h"
#include "proto/smtp_line.h"

static const struct {
    const char *input;
    size_t len; /* 0: as a C string */
    enum smtp_line_result result;
    const char *line;
} lines[] = {
    {"NOOP\r\n", 0, SMTP_LINE_GOT, "NOOP"},
    {"\r\n", 0, SMTP_LINE_GOT, ""},
    {"A\r\nB\r\n", 0, SMTP_LINE_GOT, "A"},
    {"12345678\r\n", 0, SMTP_LINE_GOT, "12345678"},
    {"", 0, SMTP_LINE_MORE, NULL},
    {"NOOP", 0, SMTP_LINE_MORE, NULL},
    {"NOOP\r", 0, SMTP_LINE_MORE, NULL},
    {"12345678\r", 0, SMTP_LINE_MORE, NULL},
    {"NOOP\n", 0, SMTP_LINE_BARE, NULL},
    {"NOOP\r\r\n", 0, SMTP_LINE_BARE, NULL},
    {"NO\rOP\r\n", 0, SMTP_LINE_BARE, NULL},
    {"\n", 0, SMTP_LINE_BARE, NULL},
    {"123456789", 0, SMTP_LINE_TOO_LONG, NULL},
    {"123456789\r\n", 0, SMTP_LINE_TOO_LONG, NULL},
};

static void lines_are_cut_at_crlf_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct bytes line;
        size_t used;
        enum smtp_line_result result = smtp_line_next(bytes_of(lines[i].input), 8, &line, &used);
        if (result != lines[i].result) {
            fail_msg("\"%s\": %d", lines[i].input, result);
        }
        if (result == SMTP_LINE_GOT) {
            assert_true(bytes_is(line, lines[i].line));
            assert_int_equal(used, line.len + 2);
        } else {
            assert_true(used == 0 || result == SMTP_LINE_TOO_LONG);
        }
    }
}

static const struct {
    const char *line;
    enum smtp_verb verb;
    const char *argument;
} commands[] = {
    {"EHLO x", SMTP_VERB_EHLO, "x"},
    {"ehlo x  ", SMTP_VERB_EHLO, "x"},
    {"Mail From:<>", SMTP_VERB_MAIL, "From:<>"},
    {"QUIT", SMTP_VERB_QUIT, ""},
    {"QUIT ", SMTP_VERB_QUIT, ""},
    {"QUITX", SMTP_VERB_UNKNOWN, ""},
    {" QUIT", SMTP_VERB_UNKNOWN, "QUIT"},
    {"", SMTP_VERB_UNKNOWN, ""},
    {"GET / HTTP/1.0", SMTP_VERB_FOREIGN, "/ HTTP/1.0"},
    {"\xff\xfe", SMTP_VERB_UNKNOWN, ""},
};

static void verbs_and_arguments(void **state)
{
    struct smtp_command command;
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        assert_int_equal(smtp_command_parse(bytes_of(commands[i].line), &command), 1);
        assert_int_equal(command.verb, commands[i].verb);
        assert_true(bytes_is(command.argument, commands[i].argument));
    }
    assert_int_equal(smtp_command_parse(bytes_at("NO\0OP", 5), &command), -1);
    assert_int_equal(smtp_command_parse(bytes_of("NOOP\t"), &command), -1);
    assert_int_equal(smtp_command_parse(bytes_of("NOOP \x1b[0m"), &command), -1);
}

static void paths_behind_keywords(void **state)
{
    struct smtp_path path;
    struct bytes params;
    (void)state;
    assert_int_equal(smtp_command_path(bytes_of("from: <a@b>  SIZE=1 "), "FROM:", false, &path, &params), SMTP_PATH_OK);
    assert_true(bytes_is(path.address, "a@b") && bytes_is(params, "SIZE=1"));
    assert_int_equal(smtp_command_path(bytes_of("FROM:<a@b>SIZE=1"), "FROM:", false, &path, &params), SMTP_PATH_SYNTAX);
    assert_int_equal(smtp_command_path(bytes_of("TO:<a@b>"), "FROM:", false, &path, &params), SMTP_PATH_SYNTAX);
    assert_int_equal(smtp_command_path(bytes_of("FROM <a@b>"), "FROM:", false, &path, &params), SMTP_PATH_SYNTAX);
}

static const struct {
    const char *argument;
    int result;
    uint64_t size;
    bool last;
} chunks[] = {
    {"0", 1, 0, false},
    {"12", 1, 12, false},
    {"12 LAST", 1, 12, true},
    {"0 last", 1, 0, true},
    {"18446744073709551615", 1, UINT64_MAX, false},
    {"", -1, 0, false},
    {"-1", -1, 0, false},
    {"1x", -1, 0, false},
    {"LAST", -1, 0, false},
    {"0 LAST MORE", -1, 0, false},
    {"18446744073709551616", -1, 0, false},
    {"1 LASTX", -1, 0, false},
    {"0x10", -1, 0, false},
    {"1,5", -1, 0, false},
};

static void chunk_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        uint64_t size = 0;
        bool last = false;
        if (smtp_command_chunk(bytes_of(chunks[i].argument), &size, &last) != chunks[i].result) {
            fail_msg("\"%s\"", chunks[i].argument);
        }
        assert_true(size == chunks[i].size && last == chunks[i].last);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_cut_at_crlf_only),
        cmocka_unit_test(verbs_and_arguments),
        cmocka_unit_test(paths_behind_keywords),
        cmocka_unit_test(chunk_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

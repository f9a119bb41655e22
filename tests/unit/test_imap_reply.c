/* imap_reply: each response whole, octet by octet, and cut in two at every octet; what is no IMAP; bounds. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/imap_reply.h"

/* What the parser gave, as one line per response: easy to compare between ways of feeding. */
static void print_reply(struct buf *out, const struct imap_reply *reply)
{
    buf_printf(out, "kind=%d tag=%.*s status=%d code=%.*s", reply->kind, (int)reply->tag.len,
               (const char *)reply->tag.ptr, reply->status, (int)reply->code.len, (const char *)reply->code.ptr);
    buf_printf(out, " code_args=%.*s text=%.*s", (int)reply->code_args.len, (const char *)reply->code_args.ptr,
               (int)reply->text.len, (const char *)reply->text.ptr);
    buf_printf(out, " number=%d:%u name=%.*s args=%.*s\n", reply->has_number, reply->number, (int)reply->name.len,
               (const char *)reply->name.ptr, (int)reply->args.len, (const char *)reply->args.ptr);
}

static int feed(struct imap_reply_parser *parser, struct bytes input, struct buf *out)
{
    int result = 1;
    while (result == 1 && input.len > 0) {
        struct imap_reply reply;
        size_t used;
        result = imap_reply_next(parser, input, &used, &reply);
        input = bytes_from(input, used);
        if (result == 1) {
            print_reply(out, &reply);
        }
    }
    return result;
}

/* cut 0: whole, 1: octet by octet, n: before octet n-1. -1 when the parser found an error. */
static int parse(struct bytes input, size_t cut, struct buf *out)
{
    struct imap_reply_parser parser;
    int result = 0;
    imap_reply_init(&parser);
    if (cut == 1) {
        for (size_t i = 0; i < input.len && result >= 0; i++) {
            result = feed(&parser, bytes_slice(input, i, 1), out);
        }
    } else {
        size_t at = cut == 0 ? input.len : cut - 1;
        result = feed(&parser, bytes_slice(input, 0, at), out);
        result = result < 0 ? -1 : feed(&parser, bytes_from(input, at), out);
    }
    imap_reply_done(&parser);
    return result;
}

static void check_all_cuts(const char *input, const char *expected)
{
    for (size_t cut = 0; cut <= strlen(input); cut++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        int result = parse(bytes_of(input), cut, &out);
        if (expected == NULL) {
            assert_int_equal(result, -1);
        } else {
            assert_true(result >= 0);
            assert_string_equal(buf_text(&out), expected);
        }
        buf_done(&out);
    }
}

static const struct {
    const char *input, *expected;
} valid[] = {
    {"* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n",
     "kind=1 tag= status=1 code=CAPABILITY code_args=IMAP4rev1 IDLE text=ready number=0:0 name= args=\n"},
    {"* OK hello\r\n", "kind=1 tag= status=1 code= code_args= text=hello number=0:0 name= args=\n"},
    {"* PREAUTH\r\n", "kind=1 tag= status=4 code= code_args= text= number=0:0 name= args=\n"},
    {"* bye so long\r\n", "kind=1 tag= status=5 code= code_args= text=so long number=0:0 name= args=\n"},
    {"A1 OK [APPENDUID 38505 3955] done\r\n",
     "kind=2 tag=A1 status=1 code=APPENDUID code_args=38505 3955 text=done number=0:0 name= args=\n"},
    {"A1 NO [TRYCREATE]\r\n", "kind=2 tag=A1 status=2 code=TRYCREATE code_args= text= number=0:0 name= args=\n"},
    {"A1 BAD [half open\r\n", "kind=2 tag=A1 status=3 code= code_args= text=[half open number=0:0 name= args=\n"},
    {"+\r\n", "kind=0 tag= status=0 code= code_args= text= number=0:0 name= args=\n"},
    {"+ go\r\n", "kind=0 tag= status=0 code= code_args= text=go number=0:0 name= args=\n"},
    {"* 23 EXISTS\r\n* 4294967295 RECENT\r\n",
     "kind=1 tag= status=0 code= code_args= text= number=1:23 name=EXISTS args=\n"
     "kind=1 tag= status=0 code= code_args= text= number=1:4294967295 name=RECENT args=\n"},
    {"* LIST (\\HasNoChildren) \"/\" {3}\r\na\nb\r\n",
     "kind=1 tag= status=0 code= code_args= text= number=0:0 name=LIST args=(\\HasNoChildren) \"/\" {3}\r\na\nb\n"},
    {"* 1 FETCH (X {0}\r\n Y {2+}\r\n{} Z ~{1}\r\n\x01)\r\n",
     "kind=1 tag= status=0 code= code_args= text= number=1:1 name=FETCH args=(X {0}\r\n Y {2}\r\n{} Z {1}\r\n\x01)\n"},
    {"* X {notanumber}\r\n", "kind=1 tag= status=0 code= code_args= text= number=0:0 name=X args={notanumber}\n"},
    {"* X {-1}\r\n", "kind=1 tag= status=0 code= code_args= text= number=0:0 name=X args={-1}\n"},
    /* A "]" inside the list of a code: keywords of Gmail's labels. One that does not end there is as before. */
    {"* OK [PERMANENTFLAGS (\\Seen OIB-Seen-[Gmail]/All Mail x]y \\*)] kept\r\n",
     "kind=1 tag= status=1 code=PERMANENTFLAGS code_args=(\\Seen OIB-Seen-[Gmail]/All Mail x]y \\*) text=kept "
     "number=0:0 name= "
     "args=\n"},
    {"* OK [PERMANENTFLAGS (\\Seen] broken (list)\r\n",
     "kind=1 tag= status=1 code=PERMANENTFLAGS code_args=(\\Seen text=broken (list) number=0:0 name= args=\n"},
    {"* NO [ALERT] see :-) [here]\r\n",
     "kind=1 tag= status=2 code=ALERT code_args= text=see :-) [here] number=0:0 name= args=\n"},
    {"* OK [ PERMANENTFLAGS  NIL ] x\r\n",
     "kind=1 tag= status=1 code=PERMANENTFLAGS code_args=NIL text=x number=0:0 name= args=\n"},
    /* Blanks: kept alive by them, or written by hand. */
    {"*   3064  EXISTS\r\n", "kind=1 tag= status=0 code= code_args= text= number=1:3064 name=EXISTS args=\n"},
    {" A1  OK   [UIDNEXT 4]  x\r\n", "kind=2 tag=A1 status=1 code=UIDNEXT code_args=4 text=x number=0:0 name= args=\n"},
    {"  * OK x\r\n", "kind=1 tag= status=1 code= code_args= text=x number=0:0 name= args=\n"},
    {"\r\n", ""},
    {"\r\n  \r\nA1 OK x\r\n\r\n", "kind=2 tag=A1 status=1 code= code_args= text=x number=0:0 name= args=\n"},
    /* An empty line behind a literal, inside its list and outside. */
    {"* 1 FETCH (UID 7 X {2}\r\nab\r\n)\r\nA1 OK x\r\n",
     "kind=1 tag= status=0 code= code_args= text= number=1:1 name=FETCH args=(UID 7 X {2}\r\nab)\n"
     "kind=2 tag=A1 status=1 code= code_args= text=x number=0:0 name= args=\n"},
    {"* 1 FETCH (X \"(\" Y {2}\r\nab Z \"\\\"(\" {1}\r\nc\r\n)\r\n",
     "kind=1 tag= status=0 code= code_args= text= number=1:1 name=FETCH args=(X \"(\" Y {2}\r\nab Z \"\\\"(\" "
     "{1}\r\nc)\n"},
    {"* LIST () \"/\" {1}\r\na\r\n\r\nA1 OK x\r\n",
     "kind=1 tag= status=0 code= code_args= text= number=0:0 name=LIST args=() \"/\" {1}\r\na\n"
     "kind=2 tag=A1 status=1 code= code_args= text=x number=0:0 name= args=\n"},
};

static const char *const invalid[] = {
    "HTTP/1.1 400 Bad Request\r\n",
    "220 smtp.example ESMTP\r\n",
    "* \r\n",
    "A1 \r\n",
    "A1 MAYBE x\r\n",
    " OK x\r\n",
    "* OK a line feed alone\n",
    "* 4294967296 EXISTS\r\n",
    "* X {99999999999999999999}\r\n",
    "* X {67108865}\r\n",
    "* X {4294967295}\r\n",
};

static void test_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        check_all_cuts(valid[i].input, valid[i].expected);
    }
}

static void test_invalid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        check_all_cuts(invalid[i], NULL);
    }
}

static void test_endless_line(void **state)
{
    (void)state;
    struct imap_reply_parser parser;
    struct imap_reply reply;
    char piece[4096];
    size_t used, fed = 0;
    int result = 0;
    memset(piece, 'x', sizeof piece);
    imap_reply_init(&parser);
    while (result == 0 && fed < 2 * IMAP_REPLY_TEXT_MAX) {
        result = imap_reply_next(&parser, bytes_at(piece, sizeof piece), &used, &reply);
        fed += used;
    }
    assert_int_equal(result, -1);
    assert_true(parser.text.size <= 2 * IMAP_REPLY_TEXT_MAX);
    imap_reply_done(&parser);
}

/* A line of nearly 1 MiB is read where a server needs it, and its memory is given back behind it. */
static void test_long_line(void **state)
{
    (void)state;
    struct imap_reply_parser parser;
    struct imap_reply reply;
    struct buf line;
    size_t used;
    buf_init(&line, IMAP_REPLY_TEXT_MAX);
    buf_append_text(&line, "* OK [PERMANENTFLAGS (\\Flagged");
    while (line.len < IMAP_REPLY_TEXT_MAX - 100) {
        buf_printf(&line, " keyword-%zu", line.len);
    }
    buf_append_text(&line, " \\*)] kept\r\n");
    imap_reply_init(&parser);
    assert_int_equal(imap_reply_next(&parser, buf_bytes(&line), &used, &reply), 1);
    assert_true(bytes_is(reply.code, "PERMANENTFLAGS") && bytes_is(reply.text, "kept"));
    assert_int_equal(imap_reply_next(&parser, bytes_of("* OK x\r\n"), &used, &reply), 1);
    assert_true(parser.text.size <= IMAP_REPLY_KEEP_MAX);
    imap_reply_done(&parser);
    buf_done(&line);
}

/* A literal of 32 MiB is skipped: no room for it is ever made, and the next response is found. */
static void test_large_literal_is_skipped(void **state)
{
    (void)state;
    struct imap_reply_parser parser;
    struct imap_reply reply;
    size_t used, left = 32u << 20;
    static char piece[65536];
    struct bytes head = bytes_of("* 1 FETCH (BODY {33554432}\r\n");
    imap_reply_init(&parser);
    assert_int_equal(imap_reply_next(&parser, head, &used, &reply), 0);
    for (; left > 0; left -= sizeof piece) {
        assert_int_equal(imap_reply_next(&parser, bytes_at(piece, sizeof piece), &used, &reply), 0);
    }
    assert_int_equal(imap_reply_next(&parser, bytes_of(" UID 3)\r\n"), &used, &reply), 1);
    assert_true(bytes_is(reply.args, "(BODY NIL UID 3)"));
    assert_true(parser.text.size <= IMAP_REPLY_TEXT_MAX);
    assert_int_equal(imap_reply_next(&parser, bytes_of("A1 OK x\r\n"), &used, &reply), 1);
    assert_int_equal(reply.kind, IMAP_REPLY_TAGGED);
    imap_reply_done(&parser);
}

static void test_many_literals(void **state)
{
    (void)state;
    struct imap_reply_parser parser;
    struct imap_reply reply;
    size_t used, count = 0;
    imap_reply_init(&parser);
    assert_int_equal(imap_reply_next(&parser, bytes_of("* X"), &used, &reply), 0);
    while (imap_reply_next(&parser, bytes_of(" {1}\r\nx"), &used, &reply) == 0) {
        count++;
        assert_true(count < 20000);
    }
    assert_int_equal(count, IMAP_REPLY_LITERALS_MAX);
    imap_reply_done(&parser);
}

static void test_tokens(void **state)
{
    (void)state;
    struct bytes rest = bytes_of("(\\A \"q\\\"\\\\x\" NIL {3}\r\n(\")) BODY[HEADER.FIELDS (X Y)] 7");
    static const struct {
        enum imap_token_kind kind;
        const char *text;
    } expected[] = {{IMAP_TOKEN_OPEN, NULL},
                    {IMAP_TOKEN_ATOM, "\\A"},
                    {IMAP_TOKEN_STRING, "q\"\\x"},
                    {IMAP_TOKEN_ATOM, "NIL"},
                    {IMAP_TOKEN_STRING, "(\")"},
                    {IMAP_TOKEN_CLOSE, NULL},
                    {IMAP_TOKEN_ATOM, "BODY[HEADER.FIELDS (X Y)]"},
                    {IMAP_TOKEN_ATOM, "7"},
                    {IMAP_TOKEN_END, NULL}}; /* NULL: it has no value, and is no name of a folder */
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct imap_token token;
        struct buf text;
        buf_init(&text, 100);
        assert_int_equal(imap_token_next(&rest, &token), 0);
        assert_int_equal(token.kind, expected[i].kind);
        assert_int_equal(imap_token_copy(&token, &text), expected[i].text == NULL ? -1 : 0);
        assert_string_equal(buf_text(&text), expected[i].text == NULL ? "" : expected[i].text);
        buf_done(&text);
    }
}

static void test_broken_tokens(void **state)
{
    (void)state;
    static const char *const broken[] = {"\"open", "{5}\r\nabc", "{x", "\"open\\"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct bytes rest = bytes_of(broken[i]);
        struct imap_token token;
        assert_int_equal(imap_token_next(&rest, &token), -1);
    }
}

static void test_skip(void **state)
{
    (void)state;
    struct bytes rest = bytes_of("(a (b \"c)\" ()) d) tail");
    struct imap_token token;
    assert_int_equal(imap_token_skip(&rest), 0);
    assert_int_equal(imap_token_next(&rest, &token), 0);
    assert_true(bytes_is(token.text, "tail"));
    struct bytes open = bytes_of("((a)"), closed = bytes_of(") a");
    assert_int_equal(imap_token_skip(&open), -1);
    assert_int_equal(imap_token_skip(&closed), -1);
    /* 200,000 brackets: linear, and no recursion. */
    char *deep = malloc(200001);
    memset(deep, '(', 200000);
    struct bytes many = bytes_at(deep, 200000);
    assert_int_equal(imap_token_skip(&many), -1);
    free(deep);
}

static void test_capabilities(void **state)
{
    (void)state;
    struct imap_capabilities capabilities;
    imap_capabilities_parse(&capabilities,
                            bytes_of("imap4rev1 AUTH=plain  X-UNKNOWN LITERAL+ APPENDLIMIT=35651584 AUTH=PLAIN-NOT"));
    assert_int_equal(capabilities.has,
                     IMAP_CAP_IMAP4REV1 | IMAP_CAP_AUTH_PLAIN | IMAP_CAP_LITERAL_PLUS | IMAP_CAP_APPENDLIMIT);
    assert_int_equal(capabilities.append_limit, 35651584);
    imap_capabilities_parse(&capabilities, bytes_of("IMAP4rev2"));
    assert_true(capabilities.has & IMAP_CAP_UIDPLUS);
    assert_int_equal(capabilities.append_limit, 0);
    assert_string_equal(imap_capability_name(IMAP_CAP_MULTIAPPEND), "MULTIAPPEND");
}

static void test_appenduid(void **state)
{
    (void)state;
    static const char *const junk[] = {"",     "1",   "0 1", "1 0", "1 x", "x 1", "4294967296 1", "1 4294967296",
                                       "1 2:", "1 :2"};
    struct imap_uid_range range = {0, 0};
    uint32_t validity = 5;
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        struct bytes args = bytes_of(junk[i]);
        assert_int_equal(imap_reply_appenduid(&args, &validity), -1);
        assert_true(bytes_is(args, junk[i]));
    }
    assert_int_equal(validity, 5);
    struct bytes args = bytes_of("38505 3955,12:10,7:7");
    assert_int_equal(imap_reply_appenduid(&args, &validity), 0);
    assert_int_equal(validity, 38505);
    static const struct imap_uid_range expected[] = {{3955, 3955}, {10, 12}, {7, 7}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(imap_uid_range_next(&args, &range), 1);
        assert_int_equal(range.first, expected[i].first);
        assert_int_equal(range.last, expected[i].last);
    }
    assert_int_equal(imap_uid_range_next(&args, &range), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_endless_line),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_large_literal_is_skipped),
        cmocka_unit_test(test_many_literals),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_broken_tokens),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_capabilities),
        cmocka_unit_test(test_appenduid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

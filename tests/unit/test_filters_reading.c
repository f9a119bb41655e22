/* What rules see of a message (rules.md, "what a rule sees"): a condition, a message, and whether it holds. */
#include "filters_fixture.h"

#include <stdlib.h>

#include "mail/mail_header.h"

static ptrdiff_t read_bytes(void *ctx, uint64_t offset, void *into, size_t len, struct fault *fault)
{
    (void)fault;
    struct bytes part = bytes_slice(*(struct bytes *)ctx, (size_t)offset, len);
    if (part.len > 0) {
        memcpy(into, part.ptr, part.len);
    }
    return (ptrdiff_t)part.len;
}

/* Explains the message by these rules; the folder that it goes to is printed into out, then the explanation. */
static void explain(const char *rules, const char *to, const char *text, struct buf *folder, struct buf *explanation)
{
    struct buf problems;
    buf_init(&problems, 10000);
    struct filters_set *set = fixture_load(rules, &problems);
    if (set == NULL) {
        fail_msg("%s", buf_text(&problems));
    }
    struct filters_scratch *scratch = filters_scratch_new();
    struct arena *arena = arena_new(64 << 20);
    struct mail_recipient recipient = {.address = to};
    struct mail_envelope envelope = {.id = "ID", .from = "s@example.com", .to = &recipient, .to_count = 1};
    struct bytes octets = bytes_of(text);
    struct mail_source source = {.size = octets.len, .read = read_bytes, .ctx = &octets};
    bool complete;
    struct filters_message message = {.envelope = &envelope,
                                      .header = bytes_slice(octets, 0, mail_header_length(octets, &complete)),
                                      .source = &source,
                                      .size = octets.len};
    struct filters_decision decision;
    struct fault fault = FAULT_INIT;
    disregard(filters_explain(set, scratch, &message, NULL, NULL, arena, &decision, &fault, explanation));
    fixture_print(&decision, folder);
    filters_scratch_free(&scratch);
    filters_set_free(&set);
    arena_free(&arena);
    buf_done(&problems);
}

#define BODY(text)   "Subject: x\r\n\r\n" text
#define PART(header) header "\r\n\r\nabc"
#define LATIN(text)  "Content-Type: text/plain; charset=iso-8859-1\r\n\r\n" text

static const struct {
    const char *condition, *message;
    bool holds;
} cases[] = {
    /* Lines and paragraphs. */
    {"{\"field\":\"body\",\"matches\":\"(?m)^state: down$\"}", BODY("host: web1\r\nstate: down\r\n"), true},
    {"{\"field\":\"body\",\"matches\":\"(?m)^state: (?:\\\\S+ )?down\\r$\"}", BODY("state: down\r\n"), false},
    {"{\"field\":\"body\",\"contains\":\"disk is full\"}", BODY("the disk\r\nis full\r\n"), true},
    {"{\"field\":\"body\",\"contains\":\"disk is full\"}", BODY("> the disk\r\n> is full\r\n"), true},
    {"{\"field\":\"body\",\"contains\":\"disk is full\"}", BODY("the disk\r\n\r\nis full\r\n"), false},
    {"{\"field\":\"body\",\"part\":\"raw\",\"contains\":\"disk is full\"}", BODY("the disk\r\nis full\r\n"), false},
    {"{\"field\":\"body\",\"part\":\"raw\",\"contains\":\"disk\\nis full\"}", BODY("the disk\r\nis full\r\n"), true},
    {"{\"field\":\"body\",\"part\":\"raw\",\"contains\":\"<b>\"}", "Content-Type: text/html\r\n\r\n<b>x</b>", true},
    {"{\"field\":\"body\",\"contains\":\"<b>\"}", "Content-Type: text/html\r\n\r\n<b>x</b>", false},
    {"{\"field\":\"body\",\"contains\":\"softly\"}",
     BODY("so\xc2\xad"
          "ft\xe2\x80\x8bly\r\n"),
     true},
    /* Characters. */
    {"{\"field\":\"body\",\"contains\":\"B\xc3\xbcro\"}", LATIN("B\xfcro"), true},
    {"{\"header\":\"Subject\",\"is\":\"B\xc3\xbcro\"}", "Subject: B\xfcro\r\n\r\n", true},
    {"{\"header\":\"Subject\",\"is\":\"B\xc3\xbcro\"}", "Subject: Bu\xcc\x88ro\r\n\r\n", true},
    {"{\"header\":\"Subject\",\"contains\":\"Bu\xcc\x88r\"}", "Subject: B\xc3\xbcro\r\n\r\n", true},
    {"{\"header\":\"Subject\",\"matches\":\"^Bu\xcc\x88r[eo]$\"}", "Subject: B\xc3\xbcro\r\n\r\n", true},
    {"{\"header\":\"Subject\",\"matches\":\"B[u\xcc\x88]ro\"}", "Subject: Bu\xcc\x88ro\r\n\r\n", true},
    {"{\"header\":\"Subject\",\"in\":[\"Bu\xcc\x88ro\"]}", "Subject: B\xc3\xbcro\r\n\r\n", true},
    {"{\"header\":\"From\",\"part\":\"name\",\"is\":\"B\xc3\xbcro\"}", "From: B\xfcro <a@b.example>\r\n\r\n", true},
    /* Two fields, and what stands behind an odd line. */
    {"{\"header\":\"Subject\",\"is\":\"two\"}", "Subject: one\r\nSubject: two\r\n\r\n", true},
    {"{\"header\":\"Subject\",\"is\":\"x\"}", "From r@h Tue\r\nSubject: x\r\n\r\n", true},
    {"{\"header\":\"X-Mailweir-Odd-Line\",\"is\":\"A b: c\"}", "A b: c\r\nSubject: x\r\n\r\n", true},
    /* Attachments. */
    {"{\"field\":\"attachment\",\"ends_with\":\".exe\"}",
     PART("Content-Type: a/b; name=x.txt\r\nContent-Disposition: attachment; filename*=''x.exe"), true},
    {"{\"field\":\"attachment\",\"is\":\"x.log\"}", PART("Content-Type: text/plain; name=x.log"), true},
    {"{\"field\":\"body\",\"is\":\"abc\"}", PART("Content-Type: text/plain; name=x.log"), true},
    {"{\"field\":\"attachment\",\"exists\":false}", PART("Content-Type: text/plain"), true},
    {"{\"field\":\"attachment\",\"is\":\"\"}", PART("Content-Type: a/b"), true},
    {"{\"field\":\"attachment\",\"part\":\"type\",\"is\":\"c/d\"}", PART("Content-Type: a/b\r\nContent-Type: c/d"),
     true},
    {"{\"field\":\"attachment\",\"is\":\"\xc3\x9c.pdf\"}",
     PART("Content-Disposition: attachment; filename=\"U\xcc\x88.pdf\""), true},
    {"{\"field\":\"body\",\"contains\":\"inner\"}", "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\ninner",
     true},
    {"{\"field\":\"body\",\"nested\":true,\"contains\":\"inner\"}",
     "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\ninner", true},
    {"{\"field\":\"body\",\"nested\":false,\"contains\":\"inner\"}",
     "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\ninner", false},
    {"{\"field\":\"attachment\",\"nested\":false,\"part\":\"count\",\"is\":1}",
     "Content-Type: message/rfc822\r\n\r\nContent-Type: a/b\r\n\r\ninner", true},
    {"{\"field\":\"attachment\",\"part\":\"count\",\"is\":2}",
     "Content-Type: message/rfc822\r\n\r\nContent-Type: a/b\r\n\r\ninner", true},
    /* What could not be read. */
    {"{\"field\":\"mime_error\",\"is\":\"charset\"}", "Content-Type: text/plain; charset=x-no\r\n\r\n\xe4", true},
    {"{\"field\":\"mime_error\",\"is\":\"boundary\"}", "Content-Type: multipart/mixed\r\n\r\nx", true},
    {"{\"field\":\"mime_error\",\"exists\":false}", BODY("x"), true},
    /* Addresses: of fields, and of the envelope: to is "a+b"@xn--bcher-kva.example in quotes that it does not need. */
    {"{\"header\":\"From\",\"part\":\"address\",\"is\":\"a@b.example\"}", "From: [x] y <\"a\"@B.example>\r\n\r\n",
     true},
    {"{\"header\":\"From\",\"part\":\"address\",\"exists\":true}", "From: =?utf-8?q?a=40b?=\r\n\r\n", false},
    {"{\"field\":\"to\",\"is\":\"a+b@xn--bcher-kva.example\"}", "", true},
    {"{\"field\":\"to\",\"is\":\"a+b@B\xc3\x9c"
     "CHER.example\"}",
     "", true},
    {"{\"field\":\"to\",\"part\":\"user\",\"is\":\"a\"}", "", true},
    {"{\"field\":\"to\",\"part\":\"detail\",\"is\":\"b\"}", "", true},
    {"{\"field\":\"to\",\"part\":\"domain\",\"in\":[\"b\xc3\xbc"
     "cher.example\"]}",
     "", true},
    {"{\"field\":\"to\",\"in\":[\"@xn--bcher-kva.example\"]}", "", true},
};

static void conditions_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf rules, folder, explanation;
        buf_init(&rules, 10000);
        buf_init(&folder, 1000);
        buf_init(&explanation, 100000);
        buf_printf(&rules, "{\"rules\":[{\"name\":\"r\",\"if\":%s,\"then\":[{\"fileinto\":{\"folder\":\"HIT\"}}]}]}",
                   cases[i].condition);
        explain(buf_text(&rules), "\"a+b\"@xn--bcher-kva.example", cases[i].message, &folder, &explanation);
        bool held = strncmp(buf_text(&folder), "corp:HIT", 8) == 0;
        if (held != cases[i].holds) {
            fail_msg("%zu: %s of %s: %s", i, cases[i].condition, cases[i].message, buf_text(&explanation));
        }
        buf_done(&rules);
        buf_done(&folder);
        buf_done(&explanation);
    }
}

/* 1,001 addresses and more are all there. */
static void many_addresses_are_values(void **state)
{
    (void)state;
    struct buf message, folder, explanation;
    buf_init(&message, 200000);
    buf_init(&folder, 1000);
    buf_init(&explanation, 100000);
    buf_append_text(&message, "To: a@b.example");
    for (int i = 0; i < 5000; i++) {
        buf_printf(&message, ",\r\n u%d@b.example", i);
    }
    buf_append_text(&message, "\r\n\r\n");
    explain("{\"rules\":[{\"name\":\"r\",\"if\":{\"header\":\"To\",\"part\":\"address\",\"is\":\"u4999@b.example\"},"
            "\"then\":[{\"fileinto\":{\"folder\":\"HIT\"}}]}]}",
            "x@y.example", buf_text(&message), &folder, &explanation);
    assert_int_equal(strncmp(buf_text(&folder), "corp:HIT", 8), 0);
    buf_done(&message);
    buf_done(&folder);
    buf_done(&explanation);
}

/* A capture to the end of a line has no CR in it. */
static void captures_end_with_the_line(void **state)
{
    (void)state;
    struct buf folder, explanation;
    buf_init(&folder, 1000);
    buf_init(&explanation, 100000);
    explain("{\"rules\":[{\"name\":\"r\",\"if\":{\"field\":\"body\",\"matches\":\"(?m)^host: (?<h>.*)$\"},"
            "\"then\":[{\"fileinto\":{\"folder\":\"H/${h}\"}}]}]}",
            "x@y.example", BODY("x\r\nhost: web1\r\nstate: down\r\n"), &folder, &explanation);
    assert_string_equal(buf_text(&folder), "corp:H/web1 <x@y.example>; r");
    buf_done(&folder);
    buf_done(&explanation);
}

/* What nobody would see is shown by its number; errors of decoding are told whatever the rules look at. */
static void explanations_escape(void **state)
{
    (void)state;
    struct buf folder, explanation;
    buf_init(&folder, 1000);
    buf_init(&explanation, 100000);
    explain("{\"rules\":[{\"name\":\"r\",\"if\":{\"header\":\"Subject\",\"is\":\"x\"},\"then\":[{\"stop\":true}]}]}",
            "x@y.example", "Subject: a\r\n\tb\xe2\x80\x8b\xe2\x80\xae\xc2\x85\r\nContent-Type: multipart/mixed\r\n\r\n",
            &folder, &explanation);
    assert_non_null(strstr(buf_text(&explanation), "\"saw\":[\"a\\\\tb\\\\u{200b}\\\\u{202e}\\\\u{85}\"]"));
    assert_non_null(strstr(buf_text(&explanation), "\"mime_errors\":[\"boundary\"]"));
    buf_done(&folder);
    buf_done(&explanation);
}

/* ---- lists from files ---- */

static int read_list(void *ctx, const char *from, const char *path, struct buf *out, struct fault *fault)
{
    (void)from, (void)path, (void)fault;
    return buf_append_bytes(out, *(const struct bytes *)ctx);
}

/* Whether "in" of a list of these octets holds for the sender; the problems are appended to out. */
static bool list_has(struct bytes list, const char *from, struct buf *out)
{
    static const char rules[] = "{\"rules\":[{\"name\":\"r\",\"if\":{\"field\":\"from\",\"in\":{\"file\":\"l.txt\"}},"
                                "\"then\":[{\"fileinto\":{\"folder\":"
                                "\"HIT\"}}]}]}";
    struct problems *problems = problems_new();
    struct filters_source source = {"r.json", bytes_of(rules)};
    struct filters_load_options options = {.sources = &source,
                                           .source_count = 1,
                                           .any_upstream = true,
                                           .read_file = read_list,
                                           .read_ctx = &list,
                                           .fallback = {.upstream = "corp", .folder = "INBOX"}};
    struct filters_set *set = filters_load(&options, problems);
    struct buf folder;
    buf_init(&folder, 1000);
    problems_print(problems, out);
    problems_free(&problems);
    if (set != NULL) {
        fixture_decide(set, from, "x@y.example", "", &folder);
    }
    bool held = folder.len > 8 && strncmp(buf_text(&folder), "corp:HIT", 8) == 0;
    buf_done(&folder);
    filters_set_free(&set);
    return held;
}

static void list_files_are_read(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf"
                               "a@b.example\r\n# comment\r\n\tc#d@b.example\t# who\r\n\r\ne@b.example #\r\n";
    struct buf out;
    buf_init(&out, 10000);
    assert_true(list_has(bytes_of(text), "a@b.example", &out));
    assert_true(list_has(bytes_of(text), "c#d@b.example", &out));
    assert_true(list_has(bytes_of(text), "e@b.example", &out));
    assert_true(list_has(bytes_of("a@b.example\rc@b.example\r"), "c@b.example", &out));
    assert_int_equal(out.len, 0);
    assert_false(list_has(bytes_at("\xff\xfe"
                                   "a\0@\0b\0",
                                   8),
                          "a@b", &out));
    assert_non_null(strstr(buf_text(&out), "the list \"l.txt\" is UTF-16"));
    buf_clear(&out);
    assert_false(list_has(bytes_of("\xe4"), "a@b", &out));
    assert_non_null(strstr(buf_text(&out), "is neither ASCII nor UTF-8: save it as UTF-8"));
    buf_done(&out);
}

/* A rule that refuses messages by their content lets pass what is not decoded. */
static void open_refusals_are_warned_of(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    struct filters_set *set = fixture_load("{\"rules\":[{\"name\":\"r\",\"if\":{\"not\":{\"field\":\"attachment\","
                                           "\"is\":\"x\"}},\"then\":[{\"reject\":\"no\"}]}]}",
                                           &out);
    assert_non_null(strstr(buf_text(&out), "rule \"r\" refuses messages by their content"));
    filters_set_free(&set);
    buf_clear(&out);
    set = fixture_load(
        "{\"rules\":[{\"name\":\"r\",\"if\":{\"field\":\"attachment\",\"is\":\"x\"},\"then\":[{\"reject\":\"no\"}]},"
        "{\"name\":\"s\",\"if\":{\"field\":\"mime_limit\",\"exists\":true},\"then\":[{\"reject\":\"no\"}]}]}",
        &out);
    assert_int_equal(out.len, 0);
    filters_set_free(&set);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_hold),
        cmocka_unit_test(many_addresses_are_values),
        cmocka_unit_test(captures_end_with_the_line),
        cmocka_unit_test(explanations_escape),
        cmocka_unit_test(list_files_are_read),
        cmocka_unit_test(open_refusals_are_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

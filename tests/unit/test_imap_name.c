/* imap_name: modified UTF-7 there and back, and the mapping of levels for servers of all kinds. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "proto/imap_name.h"

static const struct {
    const char *text, *name;
} pairs[] = {
    {"INBOX", "INBOX"},
    {"Entwürfe", "Entw&APw-rfe"},
    {"Gesendete/ä&b", "Gesendete/&AOQ-&-b"},
    {"~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"}, /* RFC 3501 section 5.1.3 */
    {"😀", "&2D3eAA-"},
    {"&", "&-"},
    {"a😀é", "a&2D3eAADp-"},
};

static void test_there_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct buf out;
        buf_init(&out, IMAP_NAME_MAX);
        assert_int_equal(imap_name_encode(&out, bytes_of(pairs[i].text)), 0);
        assert_string_equal(buf_text(&out), pairs[i].name);
        buf_clear(&out);
        assert_int_equal(imap_name_decode(&out, bytes_of(pairs[i].name)), 0);
        assert_string_equal(buf_text(&out), pairs[i].text);
        buf_done(&out);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"a\r\nA1 DELETE INBOX", "\x01", "a\x7f", "\xc2\x85", "\xff", "\xc3",
                                        "\xed\xa0\x80"};
    static const char *const names[] = {"&", "&A", "&!!-", "&2D3-", "&3gA-", "\xc3\xa4", "a\n", "&AA-", "&AAo-"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buf out;
        buf_init(&out, IMAP_NAME_MAX);
        assert_int_equal(imap_name_encode(&out, bytes_of(texts[i])), -1);
        buf_done(&out);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buf out;
        buf_init(&out, IMAP_NAME_MAX);
        assert_int_equal(imap_name_decode(&out, bytes_of(names[i])), -1);
        buf_done(&out);
    }
}

static const struct imap_namespaces dovecot = {.items = {{"", '/'}, {"Shared/", '/'}, {"Public/", '/'}}, .count = 3};
static const struct imap_namespaces courier = {.items = {{"INBOX.", '.'}, {"#shared.", '.'}, {"shared.", '.'}},
                                               .count = 3};
static const struct imap_namespaces cyrus = {.items = {{"", '/'}, {"Other Users/", '/'}, {"Shared Folders/", '/'}},
                                             .count = 3};
static const struct imap_namespaces dotted = {.items = {{"", '.'}}, .count = 1};
static const struct imap_namespaces flat = {.items = {{"", 0}}, .count = 1};
static const struct imap_namespaces none = {.count = 0};

static const struct {
    const char *folder;
    const struct imap_namespaces *spaces;
    const char *name; /* NULL: refused */
} maps[] = {
    {"INBOX", &dovecot, "INBOX"},
    {"CI/web", &dovecot, "CI/web"},
    {"Public/Invoices", &dovecot, "Public/Invoices"},
    {"Shared Folders/Invoices", &cyrus, "Shared Folders/Invoices"},
    {"INBOX", &courier, "INBOX"},
    {"inbox", &courier, "INBOX"},
    {"CI/web", &courier, "INBOX.CI.web"},
    {"INBOX/CI", &courier, "INBOX.CI"},
    {"inbox/CI", &courier, "INBOX.CI"},
    {"InBox/CI", &dovecot, "INBOX/CI"},
    {"#shared/office/Invoices", &courier, "#shared.office.Invoices"},
    {"sharedX", &courier, "INBOX.sharedX"},
    {"v1.2/rel", &courier, "INBOX.v1_2.rel"},
    {"v1.2/rel", &dotted, "v1_2.rel"},
    {"a/b", &flat, "a_b"},
    {"a/b", &none, "a/b"},
    {"/a//b/", &dovecot, "a/b"},
    {"Ärger/x", &courier, "INBOX.&AMQ-rger.x"},
    {"../../etc", &dovecot, "../../etc"},     /* a name on a server, never a path of ours */
    {"x\" NIL {5}", &dovecot, "x\" NIL {5}"}, /* the command's encoder quotes it */
    {"", &dovecot, NULL},
    {"///", &dovecot, NULL},
    {"a\r\nA1 DELETE INBOX", &dovecot, NULL},
    {"a\xff", &dovecot, NULL},
};

static void test_map(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        struct buf out;
        buf_init(&out, IMAP_NAME_MAX);
        int result = imap_name_map(&out, bytes_of(maps[i].folder), maps[i].spaces, false);
        assert_int_equal(result, maps[i].name != NULL ? 0 : -1);
        if (result == 0) {
            assert_string_equal(buf_text(&out), maps[i].name);
        }
        buf_done(&out);
    }
}

static const struct {
    const char *name;
    char delimiter;
    bool utf8;
    const char *folder; /* NULL: rules cannot write it */
} listed[] = {
    {"INBOX", '/', false, "INBOX"},
    {"CI/web", '/', false, "CI/web"},
    {"INBOX.&AMQ-rger.x", '.', false, "INBOX/\xc3\x84rger/x"},
    {"a\\b", '\\', false, "a/b"},
    {"CI.\xc3\x9c & x", '.', true, "CI/\xc3\x9c & x"},
    {"a.b", '\0', false, "a.b"},
    {"a/b", '.', false, NULL},
    {"a..b", '.', false, NULL},
    {".a", '.', false, NULL},
    {"&AM", '/', false, NULL},
    {"\xc3\x9c", '/', false, NULL},
    {"\xff", '/', true, NULL},
    {"a\nb", '/', true, NULL},
    {"", '/', false, NULL},
};

static void test_unmap(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof listed / sizeof listed[0]; i++) {
        struct buf out;
        buf_init(&out, IMAP_NAME_MAX);
        int result = imap_name_unmap(&out, bytes_of(listed[i].name), listed[i].delimiter, listed[i].utf8);
        assert_int_equal(result, listed[i].folder != NULL ? 0 : -1);
        if (result == 0) {
            assert_string_equal(buf_text(&out), listed[i].folder);
        }
        buf_done(&out);
    }
}

static void test_too_long(void **state)
{
    (void)state;
    char folder[IMAP_NAME_MAX + 2];
    struct buf out;
    buf_init(&out, IMAP_NAME_MAX);
    memset(folder, 'x', sizeof folder - 1);
    folder[IMAP_NAME_MAX + 1] = 0;
    assert_int_equal(imap_name_map(&out, bytes_of(folder), &dovecot, false), -1);
    folder[IMAP_NAME_MAX] = 0;
    assert_int_equal(imap_name_map(&out, bytes_of(folder), &dovecot, false), 0);
    buf_clear(&out);
    assert_int_equal(imap_name_map(&out, bytes_of(folder), &courier, false), -1); /* no room for the prefix */
    buf_done(&out);
}

static void test_utf8_names(void **state)
{
    (void)state;
    static const struct imap_namespaces plain = {.items = {{"", '.'}}, .count = 1};
    struct buf out;
    buf_init(&out, 2000);
    assert_int_equal(imap_name_map(&out, bytes_of("CI/\xc3\x9c & x"), &plain, true), 0);
    assert_string_equal(buf_text(&out), "CI.\xc3\x9c & x");
    buf_clear(&out);
    assert_int_equal(imap_name_map(&out, bytes_of("CI/\xc3"), &plain, true), -1);
    assert_int_equal(imap_name_map(&out, bytes_of("a\nb"), &plain, true), -1);
    assert_int_equal(imap_name_map(&out, bytes_of("a\xc2\x85"), &plain, true), -1); /* a control character */
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_names), cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_map),        cmocka_unit_test(test_unmap),          cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

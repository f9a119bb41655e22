/* Texts from mail made fit for folder names: UTF-8, bounds, what may not be in a level. */
#include "filters/filters_text.h"

#include <string.h>

#include "test.h"

static const struct {
    const char *text, *valid;
} texts[] = {
    {"", ""},
    {"plain", "plain"},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"a\xff"
     "b",
     "a\xef\xbf\xbd"
     "b"},
    {"\xc3", "\xef\xbf\xbd"},
    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xe2\x82x", "\xef\xbf\xbd\xef\xbf\xbdx"},
};

static void texts_become_valid(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        buf_clear(&out);
        filters_text_valid(bytes_of(texts[i].text), &out);
        assert_string_equal(buf_text(&out), texts[i].valid);
        assert_true(bytes_is_utf8(buf_bytes(&out)));
    }
    buf_done(&out);
}

static const struct {
    const char *text;
    size_t max;
    const char *level;
} levels[] = {
    {"a/b", 50, "a_b"},
    {"a\r\nb\x7f\tc", 50, "a__b_ c"},
    {"a   b", 50, "a b"},
    {"*%", 50, "__"},
    {"\xe2\x80\xae"
     "evil\xc2\x85",
     50, "_evil_"},
    {"abcdefghij", 8, "abcde"},
    {"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 9, "\xc3\xa4\xc3\xa4\xc3\xa4"},
};

static void levels_are_harmless(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        buf_clear(&out);
        filters_text_level(bytes_of(levels[i].text), levels[i].max, &out);
        assert_string_equal(buf_text(&out), levels[i].level);
        assert_true(out.len <= levels[i].max);
    }
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_valid),
        cmocka_unit_test(levels_are_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

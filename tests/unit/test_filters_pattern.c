/* Patterns of words: what is told of them without trying, beside what a match finds. */
#include "filters/filters_pattern.h"

#include <string.h>

#include "mail/mail_text.h"
#include "test.h"

static struct filters_pattern *compile(const char *text, bool ignore_case)
{
    struct buf error;
    buf_init(&error, 500);
    struct filters_pattern *pattern = filters_pattern_new(text, ignore_case, &error);
    buf_done(&error);
    return pattern;
}

static void words_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        bool words;
    } cases[] = {
        {"order", true},
        {"order (no|number) 17", true},
        {"\\bticket-\\d+\\b", true},
        {"[A-Za-z0-9_-]{3,8}", true},
        {"(?<name>[a-z]+) failed", true},
        {"colou?r", true},
        {"a(b)?c", true},
        {"100 % of it\\.", true},
        /* Line ends, blanks at an end or beside each other, quote marks. */
        {"^order", false},
        {"order$", false},
        {"order.", false},
        {"order ", false},
        {" order", false},
        {"a  b", false},
        {"a +b", false},
        {"a b? c", false},
        {"a ?b", false},
        {"a (b )c", false},
        {"a (b|) c", false},
        {"a (b)? c", false},
        {"a( b|c)", false},
        {"a>b", false},
        {"[0-z]", false},
        {"[+-a]", false},
        {"[^a]", false},
        {"a\\sb", false},
        {"a\\nb", false},
        {"\\x20a", false},
        {"a\\x{20}b", false},
        {"\xc3\xa4", false},
        /* What looks around, and what never gives back. */
        {"a(?=b)", false},
        {"(?<!a)b", false},
        {"a++b", false},
        {"(?>a|b)c", false},
        {"(?i)a", false},
        {"(a)\\1", false},
        {"a{,3}", false},
        {"a|", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct filters_pattern *pattern = compile(cases[i].pattern, false);
        assert_non_null(pattern);
        if (filters_pattern_is_of_words(pattern) != cases[i].words) {
            fail_msg("%s", cases[i].pattern);
        }
        filters_pattern_free(&pattern);
    }
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

static void put_pieces(uint32_t *seed, const char *const *pieces, size_t count, size_t most, struct buf *out)
{
    for (size_t i = 1 + next_random(seed) % most; i > 0; i--) {
        buf_append_text(out, pieces[next_random(seed) % count]);
    }
}

/* Whatever a pattern of words finds in lines stands in their paragraphs, too. */
static void words_stand_in_paragraphs(void **state)
{
    (void)state;
    static const char *const of_patterns[] = {
        "a",     "b", " ",    "c",   "(a|b)", "(?:b |a)", "a?", "b+",    "( a)?",   "[ab]", "\\b", "\\B", "\\w",
        "(a b)", "|", "\\d*", "{1}", "(b)?",  "[a-]",     "-",  "(?:a)", "(c| b)+", "a{0}", "1",   "\\.", "."};
    static const char *const of_lines[] = {"a",   "b", "c", " ", "\n", "\n", ">", "\n> ",
                                           " \n", "1", "-", ".", "  ", "\t", "ab"};
    uint32_t seed = 18;
    size_t words = 0, found = 0;
    struct filters_matcher *matcher = filters_matcher_new();
    struct buf text, lines, paragraphs;
    buf_init(&text, 200);
    buf_init(&lines, 200);
    buf_init(&paragraphs, 400);
    for (int i = 0; i < 20000; i++) {
        buf_clear(&text);
        put_pieces(&seed, of_patterns, sizeof of_patterns / sizeof *of_patterns, 5, &text);
        struct filters_pattern *pattern = compile(buf_text(&text), next_random(&seed) % 2 == 0);
        if (pattern == NULL || !filters_pattern_is_of_words(pattern)) {
            filters_pattern_free(&pattern);
            continue;
        }
        words++;
        for (int j = 0; j < 10; j++) {
            buf_clear(&lines);
            buf_clear(&paragraphs);
            put_pieces(&seed, of_lines, sizeof of_lines / sizeof *of_lines, 12, &lines);
            bool two = mail_text_paragraphs(buf_bytes(&lines), &paragraphs);
            if (!two || filters_pattern_match(pattern, matcher, buf_bytes(&lines)) != 1) {
                continue;
            }
            found++;
            if (filters_pattern_match(pattern, matcher, buf_bytes(&paragraphs)) != 1) {
                fail_msg("\"%s\" in the lines \"%s\", not in \"%s\"", buf_text(&text), buf_text(&lines),
                         buf_text(&paragraphs));
            }
        }
        filters_pattern_free(&pattern);
    }
    assert_true(words > 2000 && found > 2000);
    buf_done(&text);
    buf_done(&lines);
    buf_done(&paragraphs);
    filters_matcher_free(&matcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_told),
        cmocka_unit_test(words_stand_in_paragraphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A coarse pattern matches wherever the pattern does: random patterns over random texts, in every kind of construct; and what each becomes.
 *
 * usage: test_filters_coarse [PATTERNS]     (4000 without it; 1000000 by hand)
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/expect.h"
#include "filters/filters_coarse.h"

static unsigned patterns = 4000;

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

/* Half of them belong to the syntax, half are what it is about. */
static const char *const pieces[] = {
    "a",
    "B",
    "k",
    "S",
    "s",
    "i",
    "1",
    "_",
    " ",
    "-",
    "\n",
    "\t",
    ".",
    "^",
    "$",
    "|",
    "?",
    "*",
    "+",
    "{2}",
    "{0,1}",
    "{1,}",
    "{9}",
    "{2,12}",
    "??",
    "*?",
    "++",
    "(",
    "(",
    ")",
    ")",
    "(?:",
    "(?i)",
    "(?i:",
    "(?s:",
    "(?m:",
    "(?s)",
    "(?=",
    "(?!",
    "(?<=",
    "(?<!",
    "(?>",
    "(?|",
    "(?<n>",
    "(?P<m>",
    "(?'o'",
    "\\d",
    "\\D",
    "\\w",
    "\\W",
    "\\s",
    "\\S",
    "\\h",
    "\\H",
    "\\v",
    "\\V",
    "\\R",
    "\\N",
    "\\b",
    "\\B",
    "\\A",
    "\\z",
    "\\Z",
    "\\K",
    "\\t",
    "\\n",
    "\\x41",
    "\\x{e4}",
    "\\x{17f}",
    "\\.",
    "\\\\",
    "\\p{Lu}",
    "\\P{L}",
    "\\pN",
    "\\X",
    "\\1",
    "\\Qa.\\E",
    "[",
    "]",
    "[^",
    "[a-k]",
    "[^a-k]",
    "[\\d-]",
    "[\\w.]",
    "[^\\w]",
    "[^\\W_]",
    "[[:upper:]]",
    "[^[:upper:]]",
    "[[:lower:][:digit:]]",
    "[[:^alpha:]]",
    "[[:punct:]]",
    "[^[:space:]]",
    "[[:print:]]",
    "[^[:graph:]]",
    "[\xc3\xa4-\xc3\xbc]",
    "[^\xc3\xa4]",
    "[a-\xc3\xbc]",
    "[^a-\xc3\xbc]",
    "[z-\xc7\xbf]",
    "[]a]",
    "[^]a]",
    "[a\\]]",
    "[\\p{L}1]",
    "[^\\p{Lu}]",
    "[\\b\\t]",
    "[-a]",
    "[a-]",
    "\xc3\xa4",
    "\xc3\x84",
    "\xc5\xbf",
    "\xe2\x84\xaa",
    "\xe2\x82\xac",
    "\xf0\x9f\x98\x80",
    "(?#x)",
    "(?x)",
    "{",
    "}",
    "&",
    "/",
    "@",
    ":",
    "%",
};

static const char *const letters[] = {
    "a",
    "b",
    "B",
    "k",
    "K",
    "S",
    "s",
    "i",
    "I",
    "1",
    "2",
    "_",
    " ",
    "-",
    "\n",
    "\r",
    "\t",
    "\x0b",
    "\x1c",
    ".",
    "]",
    "\\",
    "&",
    "/",
    "@",
    ":",
    "%",
    "A",
    "z",
    "\xc3\xa4",
    "\xc3\x84",
    "\xc3\xbc",
    "\xc5\xbf",
    "\xe2\x84\xaa",
    "\xe2\x82\xac",
    "\xf0\x9f\x98\x80",
    "\xc2\x85",
    "\xc2\xa0",
    "\xd9\xa3",
    "\xe2\x80\xa8",
    "\xc4\xb0",
    "\xc4\xb1",
    "{",
    "}",
    "aaaaaaaaaa",
    "1111111111",
};

static pcre2_code *compile(const char *text, uint32_t options)
{
    int error;
    size_t offset;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &error, &offset, context);
    pcre2_compile_context_free(context);
    return code;
}

static bool matches(const pcre2_code *code, struct bytes text)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int matched = pcre2_match(code, text.len == 0 ? (PCRE2_SPTR) "" : text.ptr, text.len, 0, 0, data, NULL);
    pcre2_match_data_free(data);
    return matched >= 0;
}

static void put_some(uint32_t *seed, const char *const *from, size_t count, unsigned most, struct buf *out)
{
    for (unsigned i = next_random(seed) % most; i > 0; i--) {
        buf_append_text(out, from[next_random(seed) % count]);
    }
}

/* Returns 1 when it matched. */
static unsigned try_text(struct bytes text, const char *pattern, const pcre2_code *code, const char *coarse,
                         const pcre2_code *coarse_code)
{
    uint8_t room[1000];
    struct bytes coarse_text;
    assert_true(text.len <= sizeof room);
    if (!matches(code, text)) {
        return 0;
    }
    if (filters_coarse_text(text, room, &coarse_text) && !matches(coarse_code, coarse_text)) {
        fail_msg("/%s/ matches \"%.*s\", coarse /%s/ does not", pattern, (int)text.len, (const char *)text.ptr, coarse);
    }
    return 1;
}

struct tried {
    unsigned compiled, known, matched;
};

static void try_pattern(uint32_t *seed, struct tried *tried)
{
    struct buf pattern, coarse, text;
    buf_init(&pattern, 1000);
    buf_init(&coarse, 100000);
    buf_init(&text, 1000);
    bool nocase = next_random(seed) % 3 == 0;
    put_some(seed, pieces, sizeof pieces / sizeof *pieces, 7, &pattern);
    pcre2_code *code = compile(buf_text(&pattern), PCRE2_UTF | PCRE2_UCP | (nocase ? PCRE2_CASELESS : 0u));
    tried->compiled += code == NULL ? 0 : 1;
    if (code != NULL && filters_coarse_pattern(buf_text(&pattern), nocase, &coarse)) {
        pcre2_code *coarse_code = compile(buf_text(&coarse), nocase ? PCRE2_CASELESS : 0u);
        if (coarse_code == NULL) {
            fail_msg("/%s/ becomes /%s/, which does not compile", buf_text(&pattern), buf_text(&coarse));
        }
        tried->known++;
        for (unsigned i = 0; i < 20; i++) {
            buf_clear(&text);
            put_some(seed, letters, sizeof letters / sizeof *letters, 12, &text);
            tried->matched += try_text(buf_bytes(&text), buf_text(&pattern), code, buf_text(&coarse), coarse_code);
        }
        pcre2_code_free(coarse_code);
    }
    pcre2_code_free(code);
    buf_done(&pattern);
    buf_done(&coarse);
    buf_done(&text);
}

static void what_matches_matches_coarsely(void **state)
{
    (void)state;
    struct tried tried = {0};
    uint32_t seed = 1;
    for (unsigned i = 0; i < patterns; i++) {
        try_pattern(&seed, &tried);
    }
    print_message("%u patterns compiled, %u coarse, %u texts matched\n", tried.compiled, tried.known, tried.matched);
    assert_true(tried.known > patterns / 3 && tried.matched > patterns);
}

static void patterns_become_coarse(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"abc", "abc"},
        {"\xc3\xa4+", "\\x80+"},
        {"\\d{3,20}x", "[\\x30-\\x39\\x80]{3,}x"},
        {"a{50}", "a{8,}"},
        {"a{2}", "a{2,2}"},
        {"(?i)un.{0,3}sub", "(?i)un.{0,3}sub"},
        {"\\bx\\b", "x"},
        {"x(?=a|b)y", "x(?:)y"},
        {"x(?<!a(b)c)y", "x(?:)y"},
        {"a++b*?", "a+b*"},
        {"(?<n>a|b)", "(?:a|b)"},
        {"[^\\W]", "[\\x30-\\x39\\x41-\\x5a\\x5f-\\x5f\\x61-\\x7a\\x80]"},
        {"[a-c\xc3\xa4]", "[\\x61-\\x63\\x80]"},
        {"\\p{Lu}", "[\\x00-\\x80]"},
        {"^a$", "^a$"},
        {"(a)\\1", NULL},
        {"a(?i)b", NULL},
        {"(?x) a", NULL},
        {"\\Qa\\E", NULL},
        {"\xc5\xbf", NULL},
        {"(*CRLF)a", NULL},
        {"(?R)?", NULL},
        {"a{,3}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1000);
        bool known = filters_coarse_pattern(cases[i][0], false, &out);
        if (known != (cases[i][1] != NULL) || (known && strcmp(buf_text(&out), cases[i][1]) != 0)) {
            fail_msg("/%s/ becomes %s", cases[i][0], known ? buf_text(&out) : "nothing");
        }
        buf_done(&out);
    }
}

/* No other characters are letters of ASCII where case does not count: for the PCRE2 at hand. */
static void two_characters_are_letters_of_ascii(void **state)
{
    (void)state;
    pcre2_code *code = compile("[\\x00-\\x7f]", PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS);
    for (unsigned c = 0x80; c < 0x20000; c++) {
        char text[5] = {0};
        size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        unsigned rest = c;
        for (size_t i = len - 1; i > 0; i--, rest >>= 6) {
            text[i] = (char)(0x80 | (rest & 0x3f));
        }
        text[0] = (char)((len == 2 ? 0xc0 : len == 3 ? 0xe0 : 0xf0) | rest);
        uint8_t room[4];
        struct bytes coarse;
        if (c < 0xd800 || c > 0xdfff) {
            assert_int_equal(matches(code, bytes_of(text)), !filters_coarse_text(bytes_of(text), room, &coarse));
        }
    }
    pcre2_code_free(code);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_become_coarse),
        cmocka_unit_test(what_matches_matches_coarsely),
        cmocka_unit_test(two_characters_are_letters_of_ascii),
    };
    patterns = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : patterns;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

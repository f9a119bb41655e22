/* Many patterns and words at once: whatever is left out by their needles, or by automata, would have matched nothing. Random sets of both decide random
 * messages, and each of them is tried by itself beside them.
 *
 * usage: test_filters_prefilter [SETS [FIRST]]     (400 without it, and automata for each 25th; by hand 10000, all with automata)
 */
#include <stdlib.h>

#include "filters/filters_automata.h"
#include "filters/filters_pattern.h"
#include "filters/filters_text.h"
#include "filters_fixture.h"
#include "mail/mail_header.h"
#include "mail/mail_text.h"

#define PATTERNS 40
#define MESSAGES 10

static unsigned sets = 400, first,
                hasten_each = 25; /* to make automata takes a hundred times as long as all the rest */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

static const char *pick(uint32_t *seed, const char *const *from, size_t count)
{
    return from[next_random(seed) % count];
}

#define PICK(seed, from) pick(seed, from, sizeof(from) / sizeof *(from))

/* Of few words, so that needles are found, found in part, and shared. */
static const char *const words[] = {"alpha",         "alphabet", "kilo",   "task",  "beta1", "beta2",  "a.b.c",
                                    "[x-y]",         "{2,3}",    "(sic)",  "ab",    "zz",    "x",      "gamma\xc3\xa4",
                                    "\xc3\xa4gamma", "9999",     "skskks", "ALPHA", "Kilos", "delta/", "e\\psilon"};

/* A literal in a pattern, with backslashes where they are needed, as JSON wants them. */
static void put_quoted(const char *text, struct buf *out)
{
    for (; *text != '\0'; text++) {
        buf_append_text(out, strchr("[](){}.\\", *text) != NULL ? "\\\\" : "");
        buf_append_text(out, *text == '\\' ? "\\" : "");
        buf_append_octet(out, (uint8_t)*text);
    }
}

static void put_pattern(uint32_t *seed, struct buf *out)
{
    buf_append_text(out, next_random(seed) % 5 == 0 ? "(?i)" : "");
    static const char *const between[] = {"",
                                          "",
                                          "",
                                          " ",
                                          ".*",
                                          "\\\\s+",
                                          "|",
                                          "?",
                                          "+",
                                          "*",
                                          "{2}",
                                          "{0,1}",
                                          "\\\\b",
                                          "[a-z]",
                                          "^",
                                          "\\\\d",
                                          "$",
                                          "(?=x)",
                                          "-",
                                          "(k)?",
                                          "(?:ab|zz)",
                                          "(x)",
                                          "(?!zz)",
                                          ".",
                                          "(|tas)",
                                          "++x",
                                          "\\\\x41",
                                          "(?i)",
                                          "(?:alpha )?",
                                          "\\\\Qa.b\\\\E",
                                          "(task|kilo){1,2}",
                                          "(?:alpha|beta1|9999)",
                                          "(?>kilo|x.{2}task)",
                                          "(?<=alpha|kilos)",
                                          "((9)99)*"};
    for (unsigned i = 1 + next_random(seed) % 3; i > 0; i--) {
        put_quoted(PICK(seed, words), out);
        buf_append_text(out, PICK(seed, between));
    }
}

static void put_text(uint32_t *seed, const char *end, struct buf *out)
{
    static const char *const between[] = {"",  "",         " ", "-", "\xc3\xa4", "\xc5\xbf", "\xe2\x84\xaa",
                                          "A", "\xc2\xad", "> "};
    static const char *const parts[] = {"tas", "alp\xc2\xadha", "ki\xe2\x80\x8blo", "9999", "99"};
    for (unsigned i = next_random(seed) % 8; i > 0; i--) {
        buf_append_text(out, next_random(seed) % 4 == 0 ? PICK(seed, parts) : PICK(seed, words));
        buf_append_text(out, PICK(seed, between));
        buf_append_text(out, next_random(seed) % 3 == 0 ? end : "");
    }
}

struct one {
    struct buf json; /* the pattern, or the text that is contained */
    struct filters_pattern *pattern;
    bool nocase, body, contains;
};

/* Takes the backslashes of JSON away. */
static struct filters_pattern *compile(const struct buf *json, bool nocase)
{
    struct buf plain, error;
    struct bytes text = buf_bytes(json);
    buf_init(&plain, 1000);
    buf_init(&error, 1000);
    for (size_t i = 0; i < text.len; i++) {
        i += text.ptr[i] == '\\' ? 1 : 0;
        buf_append_octet(&plain, text.ptr[i]);
    }
    struct filters_pattern *pattern = filters_pattern_new(buf_text(&plain), nocase, &error);
    buf_done(&plain);
    buf_done(&error);
    return pattern;
}

/* One to three words behind each other, the first perhaps without its beginning. */
static void put_contained(uint32_t *seed, struct buf *out)
{
    static const char *const between[] = {" ", "-", "", "> ", "\\n", "\xc3\xa4", "k", "S", "\xc2\xad"};
    for (unsigned i = 1 + next_random(seed) % 3; i > 0; i--) {
        const char *word = PICK(seed, words);
        word += next_random(seed) % 4 == 0 && word[1] != '\0' && (word[0] & 0x80) == 0 ? 1 : 0;
        for (; *word != '\0'; word++) {
            buf_append_text(out, *word == '\\' ? "\\" : "");
            buf_append_octet(out, (uint8_t)*word);
        }
        buf_append_text(out, i > 1 ? PICK(seed, between) : "");
    }
}

/* The text of JSON: only backslashes and line ends stand behind backslashes here. */
static void put_plain(const struct buf *json, struct buf *out)
{
    struct bytes text = buf_bytes(json);
    for (size_t i = 0; i < text.len; i++) {
        bool escaped = text.ptr[i] == '\\';
        i += escaped ? 1 : 0;
        buf_append_octet(out, escaped && text.ptr[i] == 'n' ? '\n' : text.ptr[i]);
    }
}

static void new_one(uint32_t *seed, struct one *one)
{
    buf_init(&one->json, 1000);
    one->pattern = NULL;
    one->contains = next_random(seed) % 4 == 0;
    one->nocase = next_random(seed) % 3 == 0;
    one->body = next_random(seed) % 2 == 0;
    if (one->contains) {
        put_contained(seed, &one->json);
        return;
    }
    while (one->pattern == NULL) {
        buf_clear(&one->json);
        put_pattern(seed, &one->json);
        one->pattern = compile(&one->json, one->nocase);
    }
}

/* Every fourth rule has its pattern in a list, every fourth under a condition. */
static void put_rule(const struct one *one, unsigned i, struct buf *out)
{
    const char *subject = one->body ? "\"field\":\"body\"" : "\"header\":\"Subject\"";
    buf_printf(out, "%s{\"name\":\"r%u\",\"if\":%s{%s,\"%s\":%s\"%s\"%s%s}%s,\"then\":[{\"copy\":{\"folder\":\"F\"}}]}",
               i == 0 ? "" : ",", i, i % 4 == 2 ? "{\"not\":{\"not\":" : "", subject,
               one->contains ? "contains" : "matches", i % 4 == 1 ? "[\"nothing at all\"," : "",
               buf_text((struct buf *)&one->json), i % 4 == 1 ? "]" : "", one->nocase ? ",\"ignore_case\":true" : "",
               i % 4 == 2 ? "}}" : "");
}

static bool contains(const struct one *one, struct bytes text)
{
    struct buf word, folded_word, folded_text;
    buf_init(&word, 1000);
    buf_init(&folded_word, 4000);
    buf_init(&folded_text, 40000);
    put_plain(&one->json, &word);
    assert_int_equal(filters_text_fold(buf_bytes(&word), &folded_word), 0);
    assert_int_equal(filters_text_fold(text, &folded_text), 0);
    bool found =
        bytes_find(one->nocase ? buf_bytes(&folded_text) : text, buf_bytes(one->nocase ? &folded_word : &word)) >= 0;
    buf_done(&word);
    buf_done(&folded_word);
    buf_done(&folded_text);
    return found;
}

static bool matches(const struct one *one, struct filters_matcher *matcher, struct bytes subject, struct bytes lines,
                    struct bytes paragraphs)
{
    if (one->contains) {
        return contains(one, one->body ? lines : subject) ||
               (one->body && paragraphs.ptr != NULL && contains(one, paragraphs));
    }
    int matched = filters_pattern_match(one->pattern, matcher, one->body ? lines : subject);
    if (matched == 0 && one->body && paragraphs.ptr != NULL) {
        matched = filters_pattern_match(one->pattern, matcher, paragraphs);
    }
    assert_true(matched >= 0);
    return matched == 1;
}

static void decide(const struct filters_set *set, struct bytes text, struct buf *out)
{
    struct filters_scratch *scratch = filters_scratch_new();
    struct arena *arena = arena_new(8 << 20);
    struct mail_recipient to = {.address = "a@b.example"};
    struct mail_envelope envelope = {.id = "ID", .from = "a@b.example", .to = &to, .to_count = 1};
    struct mail_source source = mail_source_of(&text);
    bool complete;
    struct filters_message message = {.envelope = &envelope,
                                      .header = bytes_slice(text, 0, mail_header_length(text, &complete)),
                                      .source = &source,
                                      .size = text.len};
    struct filters_decision decision;
    struct fault fault = FAULT_INIT;
    assert_int_equal(filters_decide(set, scratch, &message, arena, &decision, &fault), 0);
    for (size_t i = 0; i < decision.rule_count; i++) {
        buf_printf(out, " %s", decision.rules[i]);
    }
    arena_free(&arena);
    filters_scratch_free(&scratch);
}

/* Returns how many patterns matched. */
static size_t try_message(uint32_t *seed, const struct filters_set *set, struct one *ones,
                          struct filters_matcher *matcher)
{
    struct buf subject, lines, paragraphs, message, expected, got;
    struct buf *const all[] = {&subject, &lines, &paragraphs, &message, &expected, &got};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        buf_init(all[i], 10000);
    }
    size_t count = 0;
    buf_append_text(&subject, "s");
    put_text(seed, "", &subject);
    buf_append_text(&subject, "e");
    put_text(seed, "\n", &lines);
    buf_append_text(&lines, "e\n");
    bool two = mail_text_paragraphs(buf_bytes(&lines), &paragraphs);
    buf_printf(&message, "Subject: %s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s", buf_text(&subject),
               buf_text(&lines));
    for (unsigned i = 0; i < PATTERNS; i++) {
        if (matches(&ones[i], matcher, buf_bytes(&subject), buf_bytes(&lines),
                    two ? buf_bytes(&paragraphs) : bytes_at(NULL, 0))) {
            buf_printf(&expected, " r%u", i);
            count++;
        }
    }
    decide(set, buf_bytes(&message), &got);
    if (strcmp(buf_text(&expected), buf_text(&got)) != 0) {
        for (unsigned i = 0; i < PATTERNS; i++) {
            print_message("r%u %s%s%s%s\n", i, ones[i].body ? "body " : "", ones[i].nocase ? "nocase " : "",
                          ones[i].contains ? "contains " : "", buf_text(&ones[i].json));
        }
        fail_msg("%s\nmatches%s\nnot    %s", buf_text(&message), buf_text(&expected), buf_text(&got));
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        buf_done(all[i]);
    }
    return count;
}

static void decisions_are_those_of_each_pattern(void **state)
{
    (void)state;
    size_t matched = 0, hastened = 0;
    struct filters_matcher *matcher = filters_matcher_new();
    for (uint32_t i = first; i < first + sets; i++) {
        struct one ones[PATTERNS];
        struct buf rules, problems;
        uint32_t seed = i + 1;
        buf_init(&rules, 100000);
        buf_init(&problems, 100000);
        buf_append_text(&rules, "{\"rules\":[");
        for (unsigned j = 0; j < PATTERNS; j++) {
            new_one(&seed, &ones[j]);
            put_rule(&ones[j], j, &rules);
        }
        buf_append_text(&rules, "]}");
        struct filters_set *set = fixture_load(buf_text(&rules), &problems);
        if (set == NULL) {
            fail_msg("%s\n%s", buf_text(&problems), buf_text(&rules));
        }
        struct filters_hastened progress = {0};
        for (unsigned j = 0; j < MESSAGES; j++) {
            matched += try_message(&seed, set, ones, matcher);
            if (j >= MESSAGES / 3 && i % hasten_each == 0) {
                disregard(filters_hasten(set, &progress)); /* one subject after the other */
            }
        }
        hastened += progress.ready;
        for (unsigned j = 0; j < PATTERNS; j++) {
            filters_pattern_free(&ones[j].pattern);
            buf_done(&ones[j].json);
        }
        filters_set_free(&set);
        buf_done(&rules);
        buf_done(&problems);
    }
    assert_true(matched > sets * 10);
    assert_true(hastened > sets / hasten_each * PATTERNS / 2 || !filters_automata_possible());
    filters_matcher_free(&matcher);
}

/* Nothing in these words is long enough to be looked for without their blanks, and a blank may be a line end. */
static void words_are_found_over_line_ends(void **state)
{
    (void)state;
    struct buf rules, problems, got;
    buf_init(&rules, 10000);
    buf_init(&problems, 10000);
    buf_init(&got, 1000);
    buf_append_text(&rules, "{\"rules\":[");
    for (unsigned i = 0; i < 40; i++) {
        buf_printf(&rules,
                   "%s{\"name\":\"r%u\",\"if\":{\"field\":\"body\",\"contains\":\"it is no %u by\"},"
                   "\"then\":[{\"copy\":{\"folder\":\"F\"}}]}",
                   i == 0 ? "" : ",", i, i);
    }
    buf_append_text(&rules, "]}");
    struct filters_set *set = fixture_load(buf_text(&rules), &problems);
    assert_non_null(set);
    decide(set, bytes_of("Content-Type: text/plain\r\n\r\nwe know that it\nis no 17 by now, and it is no 7 by far\n"),
           &got);
    assert_string_equal(buf_text(&got), " r7 r17");
    filters_set_free(&set);
    buf_done(&rules);
    buf_done(&problems);
    buf_done(&got);
}

static void needles_are_found_in_patterns(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"order", "order"},
        {"^failed: (?<p>service17)", "service17"},
        {"order (no|number) 17", "order"},
        {"\\bticket-17\\b", "ticket-17"},
        {"^\\[app17\\] (.*)$", "[app17]"},
        {"colou?r", "colo"},
        {"abcd+ef", "abcd"},
        {"abcd(cdefgh)?gh", "abcd"},
        {"abcd(?:cdefgh|x)gh", "abcd"},
        {"abcd(?!cdefgh)gh", "abcd"},
        {"(?=abcd)x", "abcd"},
        {"abc+def", ""},
        {"ab(?:cdef|x)gh", ""},
        {"(?i)in.{0,3}voice", "voice"},
        {"(?i)order|invoice", "order invoice"},
        {"order|invoice|a", ""},
        {"^(?:failed|broken): ", "failed broken"},
        {"\\b(rechnung|invoice|faktura)\\b", "rechnung invoice faktura"},
        {"a(?:failed|broken)?", ""},
        {"a((?:failed|broken)|x)", ""},
        {"(?<!failed|broken)a", ""},
        {"x(alpha|beta1)y(gamma|delta)", "alpha beta1"},
        {"aaaa|bbbb|cccc|dddd|eeee|ffff|gggg|hhhh", "aaaa bbbb cccc dddd eeee ffff gggg hhhh"},
        {"aaaa|bbbb|cccc|dddd|eeee|ffff|gggg|hhhh|iiii", ""},
        {"abcd\\c|efgh", ""},
        {"[|]abcd|efgh", "abcd efgh"},
        {"(?i)(?i)abcd", ""},
        {"ab|cd", ""},
        {"a\\x41bcd", ""},
        {"a\\Qbcd\\E", ""},
        {"abcd{,3}", ""},
        {"(abcd){,3}", ""},
        {"abcd{2}e", "abcd"},
        {"abcd{0}e", ""},
        {"(?i)abcd", "abcd"},
        {"\\p{Lu}abcd", ""},
        {"(abcd)\\1", ""},
        {"(((abcd)))*", ""},
        {"(((abcd)))+", "abcd"},
        {"[abcd]", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf error;
        bool nocase;
        buf_init(&error, 1000);
        struct filters_pattern *pattern = filters_pattern_new(cases[i][0], false, &error);
        assert_non_null(pattern);
        const char *needles[FILTERS_PATTERN_NEEDLES_MAX];
        size_t count = filters_pattern_needles(pattern, needles, &nocase);
        struct buf all;
        buf_init(&all, 1000);
        for (size_t k = 0; k < count; k++) {
            buf_printf(&all, "%s%s", k == 0 ? "" : " ", needles[k]);
        }
        if (strcmp(buf_text(&all), cases[i][1]) != 0 || nocase != (strncmp(cases[i][0], "(?i)", 4) == 0)) {
            fail_msg("the needles of %s are \"%s\"", cases[i][0], buf_text(&all));
        }
        buf_done(&all);
        filters_pattern_free(&pattern);
        buf_done(&error);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needles_are_found_in_patterns),
        cmocka_unit_test(words_are_found_over_line_ends),
        cmocka_unit_test(decisions_are_those_of_each_pattern),
    };
    sets = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : sets;
    first = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : first;
    hasten_each = argc > 1 ? 1 : hasten_each;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

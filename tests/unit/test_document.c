/* JSON with places: syntax errors, duplicates, bounds, pointers, unknown keys and their nearest known one. */
#include <stdlib.h>
#include <string.h>

#include "document/document.h"
#include "document/nearest.h"
#include "test.h"

static const struct {
    const char *text;
    size_t line, column;
    const char *says;
} broken[] = {
    {"", 1, 1, "not valid JSON"},
    {"{", 1, 1, "not valid JSON"},
    {"{\n  \"a\": tru\n}", 2, 10, "not valid JSON"},
    {"{\"a\": 1, \"b\": {\"x\": 1,\n \"x\": 2}}", 2, 2, "twice"},
    {"{\"a\": 1, \"\\u0061\": 2}", 1, 10, "twice"},
    {"{\"a\": \"\xff\"}", 1, 7, "unable to decode"},
    {"\"just text\"", 1, 11, "not valid JSON"},
    {"{} {}", 1, 4, "not valid JSON"},
    {"\xef\xbb\xbf{}", 1, 1, "byte order mark"},
    {"{\"a\": \"x\\u0000y\"}", 1, 16, "not valid JSON"},
    {"{\"a\": \"\\d+\"}", 1, 9, "in a text, write a backslash twice"},
    {"[,]", 1, 2, "not valid JSON"},
    {"[1,,]", 1, 4, "not valid JSON"},
    {"{\"a\":,}", 1, 6, "not valid JSON"},
    {"[1 /* never closed", 1, 4, "not valid JSON"},
    {"[1,] / [2]", 1, 6, "not valid JSON"},
    {"{ // a\n  /* b\n */ \"a\": tru }", 3, 12, "not valid JSON"},
};

static void broken_texts_are_placed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct problems *problems = problems_new();
        assert_null(document_parse("f.json", bytes_of(broken[i].text), problems));
        assert_int_equal(problems_errors(problems), 1);
        const struct problem *problem = problems_at(problems, 0);
        assert_string_equal(problem->file, "f.json");
        if (strstr(problem->text, broken[i].says) == NULL || problem->line != broken[i].line ||
            problem->column != broken[i].column) {
            fail_msg("%s: %zu:%zu %s", broken[i].text, problem->line, problem->column, problem->text);
        }
        problems_free(&problems);
    }
}

/* JSONC: comments, and a comma behind the last. What stands in a text is text. */
static void comments_and_last_commas_are_let_pass(void **state)
{
    (void)state;
    const char *text = "// first\n{ /* x */ \"a\": [1, 2, // two\n], \"u\": \"http://x/*y*/,]\\\",}\", /**/ \"z\": "
                       "{\"q\": 1,},\n} // end";
    struct problems *problems = problems_new();
    struct document *document = document_parse("f.jsonc", bytes_of(text), problems);
    if (document == NULL) {
        fail_msg("%s", problems_at(problems, 0)->text);
    }
    json_t *root = document_root(document);
    assert_int_equal(json_array_size(json_object_get(root, "a")), 2);
    assert_string_equal(json_string_value(json_object_get(root, "u")), "http://x/*y*/,]\",}");
    size_t line, column;
    document_place(document, "/z/q", &line, &column);
    assert_int_equal(line, 3);
    document_place(document, "/a/1", &line, &column);
    assert_int_equal(column, 20);
    document_free(&document);
    problems_free(&problems);
}

/* Columns are characters of the text as it came: a letter of two octets within a comment is one, before a value and before what is wrong. */
static void a_comment_counts_as_its_editor_shows_it(void **state)
{
    (void)state;
    size_t line, column;
    struct problems *problems = problems_new();
    struct document *document = document_parse("f.jsonc", bytes_of("{ /* \u00e9\u20ac */ \"a\": 1}"), problems);
    assert_non_null(document);
    document_key_place(document, "/a", &line, &column);
    assert_int_equal(column, 12);
    document_place(document, "/a", &line, &column);
    assert_int_equal(column, 17);
    document_free(&document);
    assert_null(document_parse("f.jsonc", bytes_of("{\n /* \u00e9\u20ac */ \"a\" 1}"), problems));
    assert_int_equal(problems_at(problems, 0)->line, 2);
    assert_int_equal(problems_at(problems, 0)->column, 15);
    problems_free(&problems);
}

static void all_duplicates_are_told(void **state)
{
    (void)state;
    struct problems *problems = problems_new();
    const char *text = "{\"a\":1,\"a\":2,\"l\":[{\"b/c\":1,\"b/c\":2}]}";
    assert_null(document_parse("f.json", bytes_of(text), problems));
    assert_int_equal(problems_count(problems), 2);
    assert_string_equal(problems_at(problems, 0)->pointer, "/a");
    assert_string_equal(problems_at(problems, 1)->pointer, "/l/0/b~1c");
    problems_free(&problems);
}

static void nested(struct buf *text, size_t depth)
{
    for (size_t i = 0; i < depth; i++) {
        buf_append_text(text, "[");
    }
    for (size_t i = 0; i < depth; i++) {
        buf_append_text(text, "]");
    }
}

static void depth_is_bounded(void **state)
{
    (void)state;
    static const size_t depths[] = {1, DOCUMENT_MAX_DEPTH, DOCUMENT_MAX_DEPTH + 1, 2000, 100000};
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        struct problems *problems = problems_new();
        struct buf text;
        buf_init(&text, 1 << 20);
        nested(&text, depths[i]);
        struct document *json = document_parse("f.json", buf_bytes(&text), problems);
        assert_int_equal(json != NULL, depths[i] <= DOCUMENT_MAX_DEPTH);
        assert_int_equal(problems_errors(problems), json == NULL);
        document_free(&json);
        problems_free(&problems);
        buf_done(&text);
    }
}

static void size_is_bounded(void **state)
{
    (void)state;
    size_t len = DOCUMENT_MAX_SIZE + 1;
    char *text = malloc(len);
    memset(text, ' ', len);
    struct problems *problems = problems_new();
    assert_null(document_parse("f.json", bytes_at(text, len), problems));
    assert_non_null(strstr(problems_at(problems, 0)->text, "larger than 16 MiB"));
    problems_free(&problems);
    free(text);
}

static const char places_text[] = "{\n"
                                  "  \"rules\": [\n"
                                  "    { \"na\\u006de\": \"\xc3\xa4\\\"]\", \"n\": 1.5e3 },\n"
                                  "    {\"x/y\": {\"~\": [true, null]}}\n"
                                  "  ]\n"
                                  "}\n";

static const struct {
    const char *pointer;
    size_t line, column, key_line, key_column;
} places[] = {
    {"", 1, 1, 1, 1},
    {"/rules", 2, 12, 2, 3},
    {"/rules/0", 3, 5, 3, 5},
    {"/rules/0/name", 3, 20, 3, 7},
    {"/rules/0/n", 3, 33, 3, 28},
    {"/rules/1/x~1y/~0/1", 4, 26, 4, 26},
    {"/rules/1/x~1y/~0", 4, 19, 4, 14},
    {"/rules/7", 2, 12, 2, 3},
    {"/rules/0/none/deeper", 3, 5, 3, 5},
    {"/other", 1, 1, 1, 1},
};

static void pointers_have_places(void **state)
{
    (void)state;
    struct problems *problems = problems_new();
    struct document *json = document_parse("f.json", bytes_of(places_text), problems);
    assert_non_null(json);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        size_t line, column;
        document_place(json, places[i].pointer, &line, &column);
        if (line != places[i].line || column != places[i].column) {
            fail_msg("%s stands at %zu:%zu", places[i].pointer, line, column);
        }
        document_key_place(json, places[i].pointer, &line, &column);
        if (line != places[i].key_line || column != places[i].key_column) {
            fail_msg("the key of %s stands at %zu:%zu", places[i].pointer, line, column);
        }
    }
    document_free(&json);
    problems_free(&problems);
}

static void unknown_keys_name_the_nearest(void **state)
{
    (void)state;
    static const char *const known[] = {"name", "fileinto", "ignore_case", NULL};
    struct problems *problems = problems_new();
    const char *text =
        "{\"$schema\": \"x\", \"description\": \"y\", \"name\": 1,\n\"fielinto\": 1,\n\"zebra\": \"\\u001b[0m\"}";
    struct document *json = document_parse("f.json", bytes_of(text), problems);
    assert_int_equal(document_unknown_keys(json, problems, "", document_root(json), known), 2);
    struct buf out;
    buf_init(&out, 4096);
    problems_print(problems, &out);
    assert_string_equal(
        buf_text(&out),
        "f.json:2:1: error: unknown key \"fielinto\"; did you mean \"fileinto\"? (at /fielinto)\n"
        "f.json:3:1: error: unknown key \"zebra\"; known here: \"name\", \"fileinto\", \"ignore_case\" (at /zebra)\n");
    buf_done(&out);
    document_free(&json);
    problems_free(&problems);
}

static void nearest_words(void **state)
{
    (void)state;
    static const char *const known[] = {"is", "in", "matches", "contains", "fileinto", NULL};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"match", "matches"},
        {"mathces", "matches"},
        {"Contains", "contains"},
        {"fileInto", "fileinto"},
        {"si", "is"},
        {"", NULL},
        {"zzzzzz", NULL},
        {"x", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *nearest = nearest_word(cases[i].word, known);
        if (cases[i].nearest == NULL) {
            assert_null(nearest);
        } else {
            assert_string_equal(nearest, cases[i].nearest);
        }
    }
}

static void problems_are_ordered_bounded_and_printable(void **state)
{
    (void)state;
    struct problems *problems = problems_new();
    problems_add(problems, PROBLEM_WARNING, "b.json", 2, 1, "", "later");
    problems_add(problems, PROBLEM_ERROR, "b.json", 1, 9, "/x", "a \033[31mcolour\n");
    problems_add(problems, PROBLEM_WARNING, "b.json", 3, 1, "",
                 "turned \xE2\x80\xAE, C1 \xC2\x9B, no UTF-8 \xFF, b\xC3\xB6se");
    problems_add(problems, PROBLEM_ERROR, "a.json", 0, 0, "", "whole file");
    struct buf out;
    buf_init(&out, 4096);
    problems_print(problems, &out);
    assert_string_equal(buf_text(&out), "a.json: error: whole file\nb.json:1:9: error: a ?[31mcolour? (at /x)\n"
                                        "b.json:2:1: warning: later\n"
                                        "b.json:3:1: warning: turned ???, C1 ??, no UTF-8 ?, b\xC3\xB6se\n");
    json_t *list = problems_to_json(problems);
    assert_int_equal(json_array_size(list), 4);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 3), "text")),
                        "turned ???, C1 ??, no UTF-8 ?, b\xC3\xB6se");
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "pointer")), "/x");
    json_decref(list);
    for (size_t i = 0; i < 2 * PROBLEMS_MAX; i++) {
        problems_add(problems, PROBLEM_ERROR, "c.json", i, 1, "", "%zu", i);
    }
    assert_int_equal(problems_count(problems), PROBLEMS_MAX);
    assert_int_equal(problems_errors(problems), 2 * PROBLEMS_MAX + 2);
    buf_done(&out);
    problems_free(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_texts_are_placed),
        cmocka_unit_test(comments_and_last_commas_are_let_pass),
        cmocka_unit_test(a_comment_counts_as_its_editor_shows_it),
        cmocka_unit_test(all_duplicates_are_told),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(pointers_have_places),
        cmocka_unit_test(unknown_keys_name_the_nearest),
        cmocka_unit_test(nearest_words),
        cmocka_unit_test(problems_are_ordered_bounded_and_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

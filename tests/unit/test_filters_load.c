/* What is wrong with a rule file is told with its place, all of it at once. */
#include "filters_fixture.h"

#define RULE(condition, then) "{\"rules\":[{\"name\":\"a\",\"if\":" condition ",\"then\":" then "}]}"
#define FILE_X "[{\"fileinto\":{\"upstream\":\"corp\",\"folder\":\"X\"}}]"
#define FROM_A "{\"field\":\"from\",\"is\":\"a\"}"
#define FOLDER(name) RULE("{\"field\":\"from\",\"matches\":\"(?<p>x)(y)?\"}", "[{\"fileinto\":{\"upstream\":\"corp\",\"folder\":\"" name "\"}}]")

static const char *const good[] = {
    "{}",
    "{\"rules\": [], \"tests\": []}",
    "{\"$schema\": \"rules.schema.json\", \"description\": \"nothing yet\", \"rules\": []}",
    RULE(FROM_A, FILE_X),
    RULE("{\"any\":[{\"not\":" FROM_A "}]}", "[{\"stop\":true}]"),
    "{\"rules\":[{\"name\":\"always\",\"then\":" FILE_X "}]}",
    FOLDER("A/${p}"),
    FOLDER("A/${2}-${0}"),
    FOLDER("A $${p} $ {} \xc3\xa4"),
    "{\"tests\":[{\"name\":\"t\",\"message\":\"m.eml\",\"from\":\"\",\"to\":\"a@b\",\"expect\":{\"filed\":[]}}]}",
};

static const struct {
    const char *text;
    const char *says[3]; /* one for each problem */
} broken[] = {
    {"[]", {"r.json:1:1: error: a rule file is an object"}},
    {"{\"rulez\":[]}", {"did you mean \"rules\"? (at /rulez)"}},
    {"{\"rules\":{}}", {"must be a list"}},
    {"{\"rules\":[1]}", {"a rule is an object"}},
    {"{\"rules\":[{\"name\":\"a\"}]}", {"\"then\" is missing"}},
    {"{\"rules\":[{\"then\":" FILE_X "}]}", {"\"name\" is missing"}},
    {"{\"rules\":[{\"name\":\"\",\"then\":" FILE_X "}]}", {"not empty"}},
    {"{\"rules\":[{\"name\":\"a\",\"then\":" FILE_X "},\n{\"name\":\"a\",\"then\":" FILE_X "}]}", {"r.json:2:1: error: another rule"}},
    {RULE("{\"field\":\"form\",\"is\":\"a\"}", FILE_X), {"unknown field \"form\"; did you mean \"from\"? (at /rules/0/if/field)"}},
    {RULE("{\"is\":\"a\"}", FILE_X), {"\"field\" or \"header\""}},
    {RULE("{\"field\":\"from\",\"header\":\"X\",\"is\":\"a\"}", FILE_X), {"either \"field\" or \"header\""}},
    {RULE("{\"header\":\"X Y\",\"is\":\"a\"}", FILE_X), {"not the name of a header field"}},
    {RULE("{\"field\":\"from\"}", FILE_X), {"one of \"is\" and \"matches\""}},
    {RULE("{\"field\":\"from\",\"is\":1}", FILE_X), {"a text or a list of texts"}},
    {RULE("{\"field\":\"from\",\"matches\":\"(\"}", FILE_X), {"does not compile: missing closing parenthesis, at offset 1"}},
    {RULE("{\"field\":\"from\",\"matches\":\"a\",\"ignore_case\":1}", FILE_X), {"true or false"}},
    {RULE("{\"all\":[]}", FILE_X), {"one or more conditions (at /rules/0/if/all)"}},
    {RULE("{\"all\":[" FROM_A ",{\"not\":[]}],\"x\":1}", FILE_X), {"unknown key \"x\"", "a condition is an object (at /rules/0/if/all/1/not)"}},
    {RULE(FROM_A, "[]"), {"one or more actions"}},
    {RULE(FROM_A, "[{}]"), {"an empty action"}},
    {RULE(FROM_A, "[{\"stop\":false}]"), {"\"stop\" is true"}},
    {RULE(FROM_A, "[{\"stop\":true,\"fileinto\":{\"upstream\":\"corp\",\"folder\":\"X\"}}]"), {"two actions"}},
    {RULE(FROM_A, "[{\"fielinto\":{}}]"), {"did you mean \"fileinto\"?"}},
    {RULE(FROM_A, "[{\"fileinto\":{}}]"), {"\"upstream\" is missing", "\"folder\" is missing"}},
    {RULE(FROM_A, "[{\"fileinto\":{\"upstream\":\"crop\",\"folder\":\"X\",\"flags\":[\"\\\\Deleted\"]}}]"),
     {"did you mean \"corp\"?", "\"\\Deleted\" cannot be a flag"}},
    {RULE(FROM_A, "[{\"fileinto\":{\"upstream\":\"corp\",\"folder\":\"X\",\"flags\":\"a b\"}}]"), {"neither blanks"}},
    {FOLDER(""), {"not empty"}},
    {FOLDER("A//B"), {"a level"}},
    {FOLDER("/A"), {"a level"}},
    {FOLDER("A/"), {"a level"}},
    {FOLDER("A/../B"), {"a level"}},
    {FOLDER("A\\u0007"), {"no control characters"}},
    {FOLDER("A/${q}"), {"${q}: no pattern of this rule has a group of that name (at /rules/0/then/0/fileinto/folder)"}},
    {FOLDER("A/${3}"), {"${3}: no pattern of this rule has a group 3"}},
    {FOLDER("A/${p"), {"without its \"}\""}},
    {FOLDER("A/${}"), {"names nothing"}},
    {FOLDER("${1}${1}${1}${1}${1}${1}"), {"longer than 480"}},
    {RULE("{\"not\":{\"field\":\"from\",\"matches\":\"(?<p>x)\"}}", "[{\"fileinto\":{\"upstream\":\"corp\",\"folder\":\"${p}\"}}]"),
     {"${p}: no pattern"}},
    {"{\"tests\":[{}]}", {"\"name\" is missing", "\"message\" is missing"}},
    {"{\"tests\":[{\"name\":\"t\",\"message\":\"m\",\"from\":\"\",\"to\":[],\"expect\":{}}]}", {"one or more recipients", "expects nothing"}},
    {"{\"rules\":[{\"name\":\"a\",\"iff\":1,\"then\":[{\"stop\":1}]},\n{\"name\":\"b\",\"then\":[{\"halt\":1}]}]}",
     {"unknown key \"iff\"", "\"stop\" is true", "r.json:2:22: error: unknown key \"halt\""}},
};

static void good_files_load(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct buf out;
        buf_init(&out, 1 << 16);
        struct filters_set *set = fixture_load(good[i], &out);
        if (set == NULL) {
            fail_msg("%s: %s", good[i], buf_text(&out));
        }
        filters_set_free(&set);
        buf_done(&out);
    }
}

static void broken_files_say_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct buf out;
        buf_init(&out, 1 << 16);
        assert_null(fixture_load(broken[i].text, &out));
        for (size_t j = 0; j < 3 && broken[i].says[j] != NULL; j++) {
            if (strstr(buf_text(&out), broken[i].says[j]) == NULL) {
                fail_msg("%s says\n%s\n  not: %s", broken[i].text, buf_text(&out), broken[i].says[j]);
            }
        }
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_load),
        cmocka_unit_test(broken_files_say_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

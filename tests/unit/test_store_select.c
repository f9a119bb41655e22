/*
 * What a selection is taken apart into: which criteria, in which order, with which values; ids of messages, of deliveries, heads of ids, and what is none.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "store/store_select.h"

#define WHOLE "01M8T48X6JPCVM6Y90Z7AEGZE2"
#define LONG  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    struct store_select select;
    const char *criteria; /* kind, with ":" and its value */
} cases[] = {
    {{0}, "open open-state"},
    {{.state = "waiting"}, "open state:0"},
    {{.state = "dead"}, "open state:2"},
    {{.state = "filed"}, "state:3"},
    {{.state = "moved"}, "state:5"},
    {{.state = "no such state"}, "open open-state"},
    {{.id = WHOLE}, "open open-state id:" WHOLE},
    {{.id = WHOLE ".7"}, "open open-state id:" WHOLE " number:7"},
    {{.id = "6Y90Z7.2147483647"}, "open open-state id:6Y90Z7 number:2147483647"},
    {{.id = "01M8T48X6J.2"}, "open open-state head:01M8T48X6J number:2"},
    {{.id = "01M8T48X6J"}, "open open-state head:01M8T48X6J"},
    /* what stands behind the dot is no number of a delivery */
    {{.id = "an.id"}, "open open-state id:an.id"},
    {{.id = "an.2147483648"}, "open open-state id:an.2147483648"},
    {{.id = "an."}, "open open-state id:an."},
    {{.id = ".3"}, "open open-state id: number:3"},
    {{.id = ""}, "open open-state id:"},
    {{.id = LONG}, "open open-state id:"},
    {{.id = LONG ".1"}, "open open-state id: number:1"},
    {{.message_id = "m@x", .upstream = "corp", .folder = "A/B", .sender = "", .rule = "r"},
     "open open-state message-id:m@x upstream:corp folder:A/B sender: rule:r"},
    {{.before_ms = 20, .since_ms = 10, .tried = true, .subject = "part", .to = "who"},
     "open open-state before:20 since:10 tried subject:part to:who"},
};

static const char *const names[STORE_CRITERION_KINDS] = {
    [STORE_BY_OPEN] = "open",
    [STORE_BY_STATE] = "state",
    [STORE_BY_OPEN_STATE] = "open-state",
    [STORE_BY_ID] = "id",
    [STORE_BY_ID_HEAD] = "head",
    [STORE_BY_NUMBER] = "number",
    [STORE_BY_MESSAGE_ID] = "message-id",
    [STORE_BY_UPSTREAM] = "upstream",
    [STORE_BY_FOLDER] = "folder",
    [STORE_BY_SENDER] = "sender",
    [STORE_BY_RULE] = "rule",
    [STORE_BY_BEFORE] = "before",
    [STORE_BY_SINCE] = "since",
    [STORE_BY_TRIED] = "tried",
    [STORE_BY_SUBJECT] = "subject",
    [STORE_BY_TO] = "to",
};

static void test_criteria(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct store_criteria criteria;
        char told[400] = "";
        size_t len = 0;
        store_select_criteria(&cases[i].select, &criteria);
        for (size_t k = 0; k < criteria.count; k++) {
            const struct store_criterion *criterion = &criteria.list[k];
            len += (size_t)snprintf(told + len, sizeof told - len, "%s%s", k > 0 ? " " : "", names[criterion->kind]);
            if (criterion->text != NULL) {
                assert_false(criterion->has_number);
                len += (size_t)snprintf(told + len, sizeof told - len, ":%s", criterion->text);
            } else if (criterion->has_number) {
                len += (size_t)snprintf(told + len, sizeof told - len, ":%lld", (long long)criterion->number);
            }
        }
        assert_string_equal(told, cases[i].criteria);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_criteria)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

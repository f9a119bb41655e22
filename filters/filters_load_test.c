/*
 * filters_load_test - the "tests" of a rule file: a message, an envelope, and what is expected of it.
 */
#include <stdio.h>
#include <string.h>

#include "base/expect.h"
#include "document/nearest.h"
#include "filters/filters_load.h"

#define MESSAGE_MAX (1u << 20)

static void load_refused(struct filters_loader *loader, json_t *value, const char *key, bool *has_r, bool *wanted_r,
                         struct filters_expectation *expect)
{
    json_t *refused = json_object_get(value, key);
    if (refused == NULL) {
        return;
    }
    *has_r = true;
    *wanted_r = !json_is_false(refused);
    if (json_is_integer(refused)) {
        expect->code = (int)(json_integer_value(refused) % 1000);
    } else if (json_is_string(refused)) {
        expect->text = filters_load_copy(loader, json_string_value(refused));
    } else if (!json_is_boolean(refused)) {
        filters_load_error_at(loader, key, "must be true, false, a code, or a part of the reply");
    }
}

static void load_headers_expected(struct filters_loader *loader, json_t *value, struct filters_expectation *expect)
{
    json_t *headers = json_object_get(value, "headers");
    if (headers == NULL) {
        return;
    }
    const char **names = filters_load_alloc(loader, json_object_size(headers), sizeof *names);
    const char **values = filters_load_alloc(loader, json_object_size(headers), sizeof *values);
    const char *name;
    json_t *text;
    json_object_foreach(headers, name, text)
    {
        if (!json_is_string(text)) {
            filters_load_error_at(loader, "headers", "\"headers\" must be an object: names with the expected values");
            return;
        }
        names[expect->header_count] = filters_load_copy(loader, name);
        values[expect->header_count++] = filters_load_copy(loader, json_string_value(text));
    }
    expect->header_names = names;
    expect->header_values = values;
}

static void load_flag(json_t *value, const char *key, bool *has_r, bool *wanted_r)
{
    json_t *flag = json_object_get(value, key);
    *has_r = flag != NULL;
    *wanted_r = json_is_true(flag);
}

/* One of "else": as "upstream:folder", or as the rule writes it. */
static void load_way(struct filters_loader *loader, json_t *value, const char *upstream, const char *folder,
                     const char **text_r, struct filters_way *way)
{
    *text_r = "";
    if (json_is_string(value)) {
        *text_r = filters_load_copy(loader, json_string_value(value));
        return;
    }
    if (!filters_load_object(loader, value, "a place is \"upstream:folder\", or", filters_way_keys, NULL)) {
        return;
    }
    const char *other = filters_load_text(loader, value, "upstream"),
               *into = filters_load_text(loader, value, "folder");
    *text_r = expect_memory(
        arena_printf(loader->set->arena, "%s:%s", other == NULL ? upstream : other, into == NULL ? folder : into));
    if (json_object_get(value, "when") != NULL) {
        filters_load_when(loader, value, way);
    }
}

static void load_ways(struct filters_loader *loader, json_t *value, const char *upstream, const char *folder,
                      struct filters_filed *filed)
{
    json_t *list = json_object_get(value, "else");
    const char *fallback = filters_load_text(loader, value, "fallback");
    size_t count = list == NULL ? 0 : json_is_array(list) ? json_array_size(list) : 1;
    const char **texts = filters_load_alloc(loader, count + 1, sizeof *texts);
    struct filters_way *ways = filters_load_alloc(loader, count + 1, sizeof *ways);
    size_t mark = filters_load_down(loader, "else");
    for (size_t i = 0; i < count; i++) {
        size_t inner = json_is_array(list) ? filters_load_item(loader, i) : loader->path.len;
        load_way(loader, json_is_array(list) ? json_array_get(list, i) : list, upstream, folder, &texts[i], &ways[i]);
        filters_load_up(loader, inner);
    }
    filters_load_up(loader, mark);
    if (fallback != NULL) {
        texts[count++] = expect_memory(arena_printf(loader->set->arena, "%s:%s", fallback, folder));
    }
    filed->has_else = list != NULL || fallback != NULL;
    filed->otherwise = texts;
    filed->ways = ways;
    filed->otherwise_count = count;
}

/* One delivery: a text, or an object that says more. */
static void load_one_filed(struct filters_loader *loader, json_t *value, struct filters_filed *filed)
{
    filed->text = "";
    if (json_is_string(value)) {
        filed->text = filters_load_copy(loader, json_string_value(value));
        return;
    }
    if (!filters_load_object(loader, value, "a delivery is \"upstream:folder\", or", filters_filed_keys, NULL)) {
        return;
    }
    const char *folder = filters_load_text(loader, value, "folder");
    const char *upstream = filters_load_text(loader, value, "upstream");
    if (upstream == NULL) {
        upstream = loader->set->fallback.upstream == NULL ? "" : loader->set->fallback.upstream;
    }
    filed->text = expect_memory(arena_printf(loader->set->arena, "%s:%s", upstream, folder == NULL ? "" : folder));
    filed->has_flags = json_object_get(value, "flags") != NULL;
    filters_load_texts(loader, value, "flags", &filed->flags, &filed->flag_count);
    filed->has_to = json_object_get(value, "to") != NULL;
    filters_load_texts(loader, value, "to", &filed->to, &filed->to_count);
    load_ways(loader, value, upstream, folder == NULL ? "" : folder, filed);
    const char *date = filters_load_text(loader, value, "date");
    filed->has_date = date != NULL;
    filed->date_from_header = date != NULL && strcmp(date, "header") == 0;
    if (date != NULL && !filed->date_from_header && strcmp(date, "received") != 0) {
        filters_load_unknown(loader, "date", "choice", date, filters_date_words);
    }
    load_flag(value, "held", &filed->has_held, &filed->held);
}

static void load_filed(struct filters_loader *loader, json_t *value, struct filters_expectation *expect)
{
    json_t *wanted = json_object_get(value, "filed");
    if (wanted == NULL) {
        return;
    }
    bool list = json_is_array(wanted);
    size_t count = list ? json_array_size(wanted) : 1;
    struct filters_filed *filed = filters_load_alloc(loader, count, sizeof *filed);
    size_t mark = filters_load_down(loader, "filed");
    for (size_t i = 0; i < count; i++) {
        size_t inner = list ? filters_load_item(loader, i) : loader->path.len;
        load_one_filed(loader, list ? json_array_get(wanted, i) : wanted, &filed[i]);
        filters_load_up(loader, inner);
    }
    filters_load_up(loader, mark);
    expect->filed = filed;
    expect->filed_count = count;
}

static void load_expect(struct filters_loader *loader, json_t *value, struct filters_expectation *expect)
{
    if (!filters_load_object(loader, value, "an expectation", filters_expect_keys, NULL)) {
        return;
    }
    expect->has_rules = json_object_get(value, "rules") != NULL;
    expect->has_filed = json_object_get(value, "filed") != NULL;
    expect->has_flags = json_object_get(value, "flags") != NULL;
    filters_load_texts(loader, value, "rules", &expect->rules, &expect->rule_count);
    load_filed(loader, value, expect);
    expect->has_counted = json_object_get(value, "counted") != NULL;
    filters_load_texts(loader, value, "counted", &expect->counted, &expect->counted_count);
    expect->has_watched = json_object_get(value, "watched") != NULL;
    filters_load_texts(loader, value, "watched", &expect->watched, &expect->watched_count);
    filters_load_texts(loader, value, "flags", &expect->flags, &expect->flag_count);
    load_flag(value, "held", &expect->has_held, &expect->held);
    load_flag(value, "discarded", &expect->has_discarded, &expect->discarded);
    load_refused(loader, value, "rejected", &expect->has_rejected, &expect->rejected, expect);
    load_refused(loader, value, "deferred", &expect->has_deferred, &expect->deferred, expect);
    load_headers_expected(loader, value, expect);
    if (json_object_size(value) == 0) {
        filters_load_error(loader, "the test expects nothing, so it can never fail");
    }
}

static void load_given(struct filters_loader *loader, struct filters_test *test, const char *counter, const char *key,
                       json_t *value)
{
    struct filters_given *given = filters_load_alloc(loader, test->given_count + 1, sizeof *given);
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        filters_load_error(loader, "must be a whole number: how many messages were counted before");
        return;
    }
    if (test->given_count > 0) {
        memcpy(given, test->given, test->given_count * sizeof *given);
    }
    given[test->given_count++] = (struct filters_given){.counter = filters_load_copy(loader, counter),
                                                        .key = key == NULL ? NULL : filters_load_copy(loader, key),
                                                        .count = (uint64_t)json_integer_value(value)};
    test->given = given;
}

/* "counters": {"storm": 12} or {"storm": {"disk": 12}}. */
static void load_given_all(struct filters_loader *loader, json_t *value, struct filters_test *test)
{
    const char *counter, *key;
    json_t *inside, *number;
    size_t mark = filters_load_down(loader, "counters");
    json_object_foreach(json_object_get(value, "counters"), counter, inside)
    {
        size_t inner = filters_load_down(loader, counter);
        if (!json_is_object(inside)) {
            load_given(loader, test, counter, NULL, inside);
        }
        json_object_foreach(inside, key, number)
        {
            size_t innermost = filters_load_down(loader, key);
            load_given(loader, test, counter, key, number);
            filters_load_up(loader, innermost);
        }
        filters_load_up(loader, inner);
    }
    filters_load_up(loader, mark);
}

static void append_field(struct buf *out, const char *name, json_t *value)
{
    buf_printf(out, "%s: ", name);
    for (const char *c = json_string_value(value); *c != '\0'; c++) {
        buf_append_octet(out, (uint8_t)(*c == '\r' || *c == '\n' ? ' ' : *c));
    }
    buf_append_text(out, "\r\n");
}

/* "headers" and "body" as a message with CRLF line ends. */
static struct bytes inline_message(struct filters_loader *loader, json_t *value)
{
    struct buf out;
    buf_init(&out, MESSAGE_MAX);
    const char *name;
    json_t *field;
    json_object_foreach(json_object_get(value, "headers"), name, field)
    {
        size_t count = json_is_array(field) ? json_array_size(field) : 1;
        for (size_t i = 0; i < count; i++) {
            json_t *item = json_is_array(field) ? json_array_get(field, i) : field;
            if (json_is_string(item)) {
                append_field(&out, name, item);
            } else {
                filters_load_error_at(loader, "headers", "\"%s\" must be a text or a list of texts", name);
            }
        }
    }
    buf_append_text(&out, "\r\n");
    const char *body = json_string_value(json_object_get(value, "body"));
    for (const char *c = body; body != NULL && *c != '\0'; c++) {
        buf_append_text(&out, *c == '\n' && (c == body || c[-1] != '\r') ? "\r" : "");
        buf_append_octet(&out, (uint8_t)*c);
    }
    if (out.full) {
        filters_load_error_at(loader, "body",
                              "the message is too large for a rule file: write it to a file of its own");
    }
    char *copy = expect_memory(arena_copy(loader->set->arena, buf_bytes(&out)));
    struct bytes message = bytes_at(copy, out.len);
    buf_done(&out);
    return message;
}

static void load_envelope(struct filters_loader *loader, json_t *value, struct filters_test *test)
{
    test->from = filters_load_text(loader, value, "from");
    filters_load_texts(loader, value, "to", &test->to, &test->to_count);
    if (json_is_array(json_object_get(value, "to")) && test->to_count == 0) {
        filters_load_error_at(loader, "to", "a message needs at least one recipient");
    }
    const struct {
        const char *key;
        const char **member;
    } members[] = {
        {"client", &test->client.address},
        {"helo", &test->client.helo},
        {"user", &test->client.user},
        {"listener", &test->client.listener},
        {"protocol", &test->client.protocol},
        {"tls", &test->client.tls_version},
        {"certificate", &test->client.tls_peer},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        *members[i].member = filters_load_text(loader, value, members[i].key);
    }
    test->client.address = test->client.address == NULL ? "127.0.0.1" : test->client.address;
    test->client.protocol = test->client.protocol == NULL ? "ESMTP" : test->client.protocol;
    const char *now = filters_load_text(loader, value, "now");
    test->has_now = now != NULL;
    if (now != NULL && !filters_time(now, &test->now_ms)) {
        filters_load_error_at(loader, "now", "must be a time such as \"2026-11-23T07:11:20Z\"");
    }
}

static void load_test(struct filters_loader *loader, json_t *value, struct filters_test *test)
{
    test->file = filters_load_copy(loader, document_name(loader->json));
    document_place(loader->json, buf_text(&loader->path), &test->line, &test->column);
    if (!filters_load_object(loader, value, "a test", filters_case_keys, NULL)) {
        return;
    }
    test->name = filters_load_text(loader, value, "name");
    test->path = filters_load_text(loader, value, "message");
    load_envelope(loader, value, test);
    load_given_all(loader, value, test);
    bool is_inline = json_object_get(value, "headers") != NULL || json_object_get(value, "body") != NULL;
    if (is_inline == (json_object_get(value, "message") != NULL)) {
        filters_load_error(loader, "a test has either \"message\", a file, or \"headers\" and \"body\"");
    }
    if (json_object_get(value, "headers") != NULL && !json_is_object(json_object_get(value, "headers"))) {
        filters_load_error_at(loader, "headers", "\"headers\" is an object: names with values");
    }
    test->message = inline_message(loader, value);
    json_t *expect = json_object_get(value, "expect");
    if (expect != NULL) {
        size_t mark = filters_load_down(loader, "expect");
        load_expect(loader, expect, &test->expect);
        filters_load_up(loader, mark);
    }
}

void filters_load_tests(struct filters_loader *loader, json_t *value)
{
    struct filters_set *set = loader->set;
    if (!filters_load_list(loader, value, "tests", FILTERS_TESTS_MAX - set->test_count)) {
        return;
    }
    size_t count = json_array_size(value);
    struct filters_test *tests = filters_load_alloc(loader, set->test_count + count, sizeof *tests);
    if (set->test_count > 0) {
        memcpy(tests, set->tests, set->test_count * sizeof *tests);
    }
    for (size_t i = 0; i < count; i++) {
        size_t mark = filters_load_item(loader, i);
        load_test(loader, json_array_get(value, i), &tests[set->test_count + i]);
        filters_load_up(loader, mark);
    }
    set->tests = tests;
    set->test_count += count;
}

static void check_rule_names(struct filters_loader *loader, const struct filters_test *test, struct map *names,
                             const char *const *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (map_get(names, bytes_of(rules[i])) == NULL) {
            const char *nearest = nearest_word(rules[i], filters_load_names(loader, names));
            problems_add(loader->problems, PROBLEM_ERROR, test->file, test->line, test->column, "",
                         "the test \"%s\" expects the rule \"%s\", which does not exist%s%s%s",
                         test->name == NULL ? "" : test->name, rules[i], nearest == NULL ? "" : "; did you mean \"",
                         nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
        }
    }
}

void filters_load_check_tests(struct filters_loader *loader)
{
    struct map *names = map_new(FILTERS_RULES_MAX, NULL);
    for (size_t i = 0; i < loader->set->group_count; i++) {
        for (size_t j = 0; j < loader->set->groups[i].rule_count; j++) {
            disregard(map_set(names, bytes_of(loader->set->groups[i].rules[j].name), loader));
        }
    }
    for (size_t i = 0; i < loader->set->test_count; i++) {
        const struct filters_test *test = &loader->set->tests[i];
        check_rule_names(loader, test, names, test->expect.rules, test->expect.rule_count);
        check_rule_names(loader, test, names, test->expect.watched, test->expect.watched_count);
    }
    map_free(&names, NULL);
}

/* log and fault: one event is one line, whatever a peer put into it. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/log.h"

static char *line_of(enum log_format format, const struct log_field *fields)
{
    struct buf out;
    buf_init(&out, 2 * LOG_LINE_MAX);
    log_format_line(&out, format, 1795417880123, LOG_LEVEL_WARNING, "rejected", fields);
    char *line = strdup(buf_text(&out));
    assert_int_equal(strlen(line), out.len);
    buf_done(&out);
    return line;
}

static void text_and_json(void **state)
{
    (void)state;
    const char *rules[] = {"a", "b c"};
    const struct log_field fields[] = {LOG_STR("id", "X1"),        LOG_INT("size", -5),         LOG_STR("empty", NULL),
                                       LOG_STR("text", "a \"b\""), LOG_LIST("rules", rules, 2), {.name = NULL}};
    char *text = line_of(LOG_FORMAT_TEXT, fields);
    assert_string_equal(
        text, "2026-11-23T07:11:20.123Z warning rejected         id=X1 size=-5 text=\"a \\\"b\\\"\" rules=a,\"b c\"\n");
    free(text);
    char *json = line_of(LOG_FORMAT_JSON, fields);
    json_t *object = json_loads(json, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "event.action")), "rejected");
    assert_string_equal(json_string_value(json_object_get(object, "text")), "a \"b\"");
    assert_string_equal(json_string_value(json_array_get(json_object_get(object, "rules"), 1)), "b c");
    assert_null(json_object_get(object, "empty"));
    json_decref(object);
    free(json);
}

/* Where people read, an id's head stands for it; programs get all of it. */
static void short_ids(void **state)
{
    (void)state;
    const char *id = "01JABCDEFGHJKMNPQRSTVWXYZ0";
    const struct log_field fields[] = {
        LOG_STR("id", id), LOG_STR("delivery", "01JABCDEFGHJKMNPQRSTVWXYZ0.12"), {.name = NULL}};
    char *text = line_of(LOG_FORMAT_TEXT, fields), *json = line_of(LOG_FORMAT_JSON, fields);
    assert_non_null(strstr(text, " id=01JABCDEFGHJKM delivery=.12\n"));
    assert_non_null(
        strstr(json, "\"id\":\"01JABCDEFGHJKMNPQRSTVWXYZ0\",\"delivery\":\"01JABCDEFGHJKMNPQRSTVWXYZ0.12\""));
    free(text);
    free(json);
}

static void any_octet_stays_inside_its_line(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        uint8_t hostile[] = {'a', (uint8_t)c, 'b', 0xC2, 0x9B, '\r', '\n', 0x1B, '[', '2', 'J', 0};
        const struct log_field fields[] = {LOG_BYTES("helo", bytes_at(hostile, sizeof hostile)), {.name = NULL}};
        for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
            char *line = line_of((enum log_format)format, fields);
            for (size_t i = 0; line[i] != '\0'; i++) {
                assert_true((uint8_t)line[i] >= 0x20 || (line[i] == '\n' && line[i + 1] == '\0'));
            }
            assert_null(strstr(line, "\xC2\x9B"));
            json_t *object = format == LOG_FORMAT_JSON ? json_loads(line, JSON_ALLOW_NUL, NULL) : json_true();
            assert_non_null(object);
            json_decref(object);
            free(line);
        }
    }
}

static void long_values_are_cut(void **state)
{
    (void)state;
    char *huge = malloc(1 << 20);
    memset(huge, 'x', 1 << 20);
    huge[(1 << 20) - 1] = '\0';
    struct log_field fields[21];
    for (size_t i = 0; i < 20; i++) {
        fields[i] = LOG_STR("f", huge);
    }
    fields[20] = (struct log_field){.name = NULL};
    char *line = line_of(LOG_FORMAT_JSON, fields);
    assert_true(strlen(line) < 2 * LOG_LINE_MAX);
    json_t *object = json_loads(line, 0, NULL);
    assert_non_null(object);
    json_decref(object);
    free(line);
    free(huge);
}

static void the_first_fault_wins(void **state)
{
    (void)state;
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_TEMP, "busy", "APPEND", "server said: %s", "wait\r\nA1 OK");
    fault_set(&fault, FAULT_PERM, "other", "elsewhere", "second");
    assert_int_equal(fault.class, FAULT_TEMP);
    assert_string_equal(fault.text, "server said: wait??A1 OK");
    for (int class = FAULT_TEMP; class <= FAULT_UNCERTAIN; class ++) {
        assert_int_equal(fault_class_of(fault_class_name((enum fault_class) class)), class);
    }
    assert_int_equal(fault_class_of("nonsense"), FAULT_NONE);
}

/* What turns a line around or ends it in a terminal is replaced, other letters of the same alphabets are not. */
static void marks_of_direction_are_replaced(void **state)
{
    static const char *const bad[] = {"\xC2\x85",     "\xC2\x9B",     "\xD8\x9C",     "\xE2\x80\x8E", "\xE2\x80\x8F",
                                      "\xE2\x80\xA8", "\xE2\x80\xAE", "\xE2\x81\xA6", "\xE2\x81\xA9"};
    static const char *const good[] = {"\xC2\xA0",     "\xC3\xA4",     "\xD8\xA7",
                                       "\xE2\x80\x94", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct log_field fields[] = {LOG_STR("text", bad[i]), {.name = NULL}};
        char *line = line_of(LOG_FORMAT_JSON, fields);
        assert_null(strstr(line, bad[i]));
        assert_non_null(strstr(line, "\xEF\xBF\xBD"));
        free(line);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const struct log_field fields[] = {LOG_STR("text", good[i]), {.name = NULL}};
        char *line = line_of(LOG_FORMAT_JSON, fields);
        assert_non_null(strstr(line, good[i]));
        free(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_json),
        cmocka_unit_test(short_ids),
        cmocka_unit_test(any_octet_stays_inside_its_line),
        cmocka_unit_test(marks_of_direction_are_replaced),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(the_first_fault_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * filters_load_operator - what a test compares with: words, networks, ranges, patterns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "filters/filters_load.h"
#include "filters/filters_run.h"
#include "filters/filters_text.h"
#include "mail/mail_canonical.h"

#define WORD_MAX 16384

/* ---- texts ---- */

static void load_word_list(struct filters_loader *loader, json_t *value, const char *key,
                           struct filters_condition *condition)
{
    const char *const *texts;
    filters_load_texts(loader, value, key, &texts, &condition->word_count);
    condition->words = filters_load_alloc(loader, condition->word_count, sizeof *condition->words);
    for (size_t i = 0; i < condition->word_count; i++) {
        struct buf folded, composed;
        struct bytes word = mail_canonical_text(bytes_of(texts[i]), &composed); /* as the values are */
        buf_init(&folded, WORD_MAX);
        if (condition->nocase && filters_text_fold(word, &folded) < 0) {
            filters_load_error_at(loader, key, "longer than %d octets", WORD_MAX);
        }
        word = condition->nocase ? buf_bytes(&folded) : word;
        condition->words[i] = bytes_at(expect_memory(arena_copy(loader->set->arena, word)), word.len);
        buf_done(&composed);
        buf_done(&folded);
    }
}

/* {"list": ...} or {"file": ...} in place of texts. */
static bool is_list(json_t *operand)
{
    return json_is_object(operand) && json_object_get(operand, "of") == NULL;
}

static enum filters_words_mode mode_of(const struct filters_condition *condition)
{
    if (condition->subject->type == FILTERS_TYPE_NETWORK) {
        return FILTERS_WORDS_NETWORKS;
    }
    return condition->nocase ? FILTERS_WORDS_FOLDED : FILTERS_WORDS_EXACT;
}

/* A number where texts are compared would be compared with nothing. False after a problem. */
static bool are_texts(struct filters_loader *loader, json_t *wanted, const char *key)
{
    size_t count = json_is_array(wanted) ? json_array_size(wanted) : 1;
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_is_array(wanted) ? json_array_get(wanted, i) : wanted;
        if (json_is_integer(item)) {
            filters_load_error_at(loader, key,
                                  "texts are compared here: write \"%lld\" in quotes or, if the value is a number, "
                                  "{\"of\": \"... | number\"}",
                                  (long long)json_integer_value(item));
            return false;
        }
        if (!json_is_string(item)) {
            return false; /* told already */
        }
    }
    return true;
}

/* The words of a list: the set owns them, and they are folded as this test compares. */
static int load_listed_words(struct filters_loader *loader, json_t *operand, const struct filters_operator_row *row,
                             struct filters_condition *condition)
{
    size_t mark = filters_load_down(loader, row->name);
    condition->set = filters_load_words(loader, operand, mode_of(condition), &condition->list);
    filters_load_up(loader, mark);
    if (condition->set == NULL || condition->op == FILTERS_IS) {
        return condition->set == NULL ? -1 : 0;
    }
    condition->words = filters_load_alloc(loader, filters_words_count(condition->set), sizeof *condition->words);
    size_t cursor = 0;
    while (filters_words_next(condition->set, &cursor, &condition->words[condition->word_count])) {
        condition->word_count += condition->words[condition->word_count].len > 0;
        if (condition->word_count == filters_words_count(condition->set)) {
            break;
        }
    }
    condition->set = NULL; /* it is not looked up */
    return 0;
}

static int load_words(struct filters_loader *loader, json_t *value, const struct filters_operator_row *row,
                      struct filters_condition *condition)
{
    condition->number = row->op == FILTERS_CONTAINS ? (unsigned)loader->set->number_count++ : 0;
    if (is_list(json_object_get(value, row->name))) {
        return load_listed_words(loader, json_object_get(value, row->name), row, condition);
    }
    if (!are_texts(loader, json_object_get(value, row->name), row->name)) {
        return -1;
    }
    load_word_list(loader, value, row->name, condition);
    if (condition->word_count == 0) {
        filters_load_error_at(loader, row->name, "there is nothing to compare with");
        return -1;
    }
    if (condition->op == FILTERS_IS) {
        size_t mark = filters_load_down(loader, row->name);
        condition->set = filters_load_word_set(loader, condition->words, condition->word_count, mode_of(condition));
        filters_load_up(loader, mark);
        return 0;
    }
    for (size_t i = 0; i < condition->word_count; i++) {
        if (condition->words[i].len == 0) {
            filters_load_error_at(loader, row->name, "every text contains the empty text; use \"exists\"");
            return -1;
        }
    }
    return 0;
}

static int load_in(struct filters_loader *loader, json_t *value, struct filters_condition *condition)
{
    size_t mark = filters_load_down(loader, "in");
    condition->set = filters_load_words(loader, json_object_get(value, "in"), mode_of(condition), &condition->list);
    if (condition->set != NULL && condition->list == NULL && filters_words_count(condition->set) == 0 &&
        json_is_array(json_object_get(value, "in"))) {
        filters_load_error(loader, "an empty list");
    }
    filters_load_up(loader, mark);
    return condition->set == NULL ? -1 : 0;
}

/* The rule's templates may name its groups. */
static void note_captures(struct filters_loader *loader, const struct filters_pattern *pattern)
{
    if (loader->pattern_count == FILTERS_RULE_PATTERNS_MAX) {
        filters_load_error(loader, "more than %u patterns in one rule", FILTERS_RULE_PATTERNS_MAX);
        return;
    }
    loader->patterns[loader->pattern_count++] = pattern;
}

/* NULL after a problem at the loader's place. */
static struct filters_pattern *new_pattern(struct filters_loader *loader, const char *text, bool ignore_case)
{
    struct buf error;
    buf_init(&error, 500);
    struct filters_pattern *pattern = filters_pattern_new(text, ignore_case, &error);
    if (pattern == NULL) {
        filters_load_error(loader, "the pattern \"%.200s\" does not compile: %s", text, buf_text(&error));
    } else {
        filters_load_keep_pattern(loader, pattern);
        filters_lint_pattern(loader, pattern);
    }
    buf_done(&error);
    return pattern;
}

/* Each pattern of a named list is compiled once for all tests that use it. */
static const struct filters_pattern *shared_pattern(struct filters_loader *loader, struct bytes text, bool ignore_case)
{
    struct buf key;
    buf_init(&key, FILTERS_PATTERN_MAX_LENGTH + 2);
    buf_append_text(&key, ignore_case ? "i" : "c");
    buf_append_bytes(&key, text);
    struct filters_pattern *pattern = map_get(loader->shared_patterns, buf_bytes(&key));
    if (pattern == NULL) {
        const char *copy = expect_memory(arena_copy(loader->set->arena, text));
        pattern = new_pattern(loader, copy, ignore_case);
        if (pattern != NULL) {
            disregard(map_set(loader->shared_patterns, buf_bytes(&key), pattern));
        }
    }
    buf_done(&key);
    return pattern;
}

static struct bytes text_at(const json_t *list, size_t i)
{
    const char *text = json_string_value(json_array_get(list, i));
    return bytes_of(text == NULL ? "" : text);
}

static int load_pattern_list(struct filters_loader *loader, json_t *operand, struct filters_condition *condition)
{
    bool inline_list = json_is_array(operand);
    const struct filters_words *words =
        inline_list ? NULL : filters_load_words(loader, operand, FILTERS_WORDS_EXACT, &condition->list);
    size_t count = inline_list ? json_array_size(operand) : words == NULL ? 0 : filters_words_count(words);
    const struct filters_pattern **patterns = filters_load_alloc(loader, count, sizeof *patterns);
    size_t cursor = 0, made = 0;
    struct bytes text;
    for (size_t i = 0; i < count; i++) {
        if (inline_list) {
            text = text_at(operand, i);
        } else if (!filters_words_next(words, &cursor, &text)) {
            break;
        }
        size_t mark = inline_list ? filters_load_item(loader, i) : loader->path.len;
        patterns[made] = shared_pattern(loader, text, condition->nocase);
        made += patterns[made] != NULL;
        filters_load_up(loader, mark);
    }
    if (inline_list && count == 0) {
        filters_load_error(loader, "there is nothing to compare with");
    }
    condition->patterns = patterns;
    condition->pattern_count = made;
    return (inline_list || words != NULL) && made == count && (count > 0 || !inline_list) ? 0 : -1;
}

static int load_matches(struct filters_loader *loader, json_t *value, struct filters_condition *condition)
{
    json_t *operand = json_object_get(value, "matches");
    condition->nocase = json_is_true(json_object_get(value, "ignore_case"));
    size_t mark = filters_load_down(loader, "matches");
    int result = -1;
    if (json_is_string(operand)) {
        struct filters_pattern *pattern = new_pattern(loader, json_string_value(operand), condition->nocase);
        condition->pattern = pattern;
        if (pattern != NULL) {
            note_captures(loader, pattern);
            result = 0;
        }
    } else if (json_is_array(operand) || is_list(operand)) {
        result = load_pattern_list(loader, operand, condition);
    }
    filters_load_up(loader, mark);
    return result;
}

/* ---- ordered values ---- */

static bool parse_number(json_t *value, int64_t *number_r)
{
    if (json_is_integer(value)) {
        *number_r = json_integer_value(value);
        return *number_r >= 0;
    }
    uint64_t octets;
    if (units_size(bytes_of(json_string_value(value)), &octets) < 0 || octets > INT64_MAX) {
        return false;
    }
    *number_r = (int64_t)octets;
    return true;
}

/* JSON's own numbers are taken by their digits, as texts are. */
static bool parse_decimal(json_t *value, int64_t *number_r)
{
    char digits[64] = "";
    if (json_is_integer(value)) {
        snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        snprintf(digits, sizeof digits, "%.6f", json_real_value(value));
    } else if (json_is_string(value)) {
        return filters_decimal(bytes_of(json_string_value(value)), number_r);
    }
    return filters_decimal(bytes_of(digits), number_r);
}

static bool parse_duration(const char *text, int64_t *ms_r)
{
    uint64_t ms;
    bool minus = text[0] == '-';
    if (units_duration(bytes_of(text + minus), &ms) < 0 || ms > INT64_MAX) {
        return false;
    }
    *ms_r = minus ? -(int64_t)ms : (int64_t)ms;
    return true;
}

/* "08:30" and "08:30:00" as seconds since midnight. */
static bool parse_time(const char *text, int64_t *seconds_r)
{
    struct bytes rest = bytes_of(text);
    uint64_t parts[3] = {0};
    size_t count = 0;
    while (rest.len > 0 && count < 3) {
        struct bytes part = bytes_cut(&rest, ':');
        if (part.len != 2 || !bytes_to_u64(part, &parts[count])) {
            return false;
        }
        count++;
    }
    if (rest.len > 0 || count < 2 || parts[0] > 24 || parts[1] > 59 || parts[2] > 59 ||
        (parts[0] == 24 && parts[1] + parts[2] > 0)) {
        return false;
    }
    *seconds_r = (int64_t)(parts[0] * 3600 + parts[1] * 60 + parts[2]);
    return true;
}

/* "2026-12-24" as 20261224. */
static bool parse_date(const char *text, int64_t *date_r)
{
    uint64_t year, month, day;
    if (strlen(text) != 10 || text[4] != '-' || text[7] != '-' || !bytes_to_u64(bytes_at(text, 4), &year) ||
        !bytes_to_u64(bytes_at(text + 5, 2), &month) || !bytes_to_u64(bytes_at(text + 8, 2), &day) || month < 1 ||
        month > 12 || day < 1 || day > 31) {
        return false;
    }
    *date_r = (int64_t)(year * 10000 + month * 100 + day);
    return true;
}

static bool parse_weekday(const char *text, int64_t *day_r)
{
    for (int i = 0; filters_weekdays[i] != NULL; i++) {
        if (bytes_is_nocase(bytes_of(text), filters_weekdays[i])) {
            *day_r = i;
            return true;
        }
    }
    return false;
}

/* All that the value stands for: a time without seconds is the whole minute. */
static bool parse_scalar(struct filters_loader *loader, const char *key, enum filters_type type, json_t *value,
                         struct filters_range *range_r)
{
    const char *text = json_string_value(value);
    const char *right = "";
    bool parsed = false;
    int64_t number = 0, *number_r = &number;
    switch (type) {
    case FILTERS_TYPE_NUMBER:
        parsed = (json_is_integer(value) || text != NULL) && parse_number(value, number_r);
        right = "a number such as 3 or a size such as \"25MiB\"";
        break;
    case FILTERS_TYPE_DECIMAL:
        parsed = parse_decimal(value, number_r);
        right = "a number such as 5 or 7.5";
        break;
    case FILTERS_TYPE_DURATION:
        parsed = text != NULL && parse_duration(text, number_r);
        right = "a duration such as \"30m\", \"12h\" or \"2d\"";
        break;
    case FILTERS_TYPE_TIME:
        parsed = text != NULL && parse_time(text, number_r);
        right = "a time of day such as \"08:30\"";
        break;
    case FILTERS_TYPE_DATE:
        parsed = text != NULL && parse_date(text, number_r);
        right = "a date such as \"2026-12-24\"";
        break;
    case FILTERS_TYPE_TEXT: /* these two have no ranges */
    case FILTERS_TYPE_NETWORK:
    case FILTERS_TYPE_WEEKDAY:
        parsed = text != NULL && parse_weekday(text, number_r);
        right = "a weekday: mon, tue, wed, thu, fri, sat or sun";
        break;
    }
    if (!parsed && text != NULL) {
        filters_load_error_at(loader, key, "must be %s, and \"%.100s\" is not", right, text);
    } else if (!parsed) {
        filters_load_error_at(loader, key, "must be %s", right);
    }
    bool minute = parsed && type == FILTERS_TYPE_TIME && strlen(text) == 5;
    *range_r = (struct filters_range){number, minute ? number + 59 : number};
    return parsed;
}

/* The entries of a list, read as what they are compared with. */
static int load_listed_ranges(struct filters_loader *loader, json_t *wanted, const char *key,
                              struct filters_condition *condition)
{
    size_t mark = filters_load_down(loader, key), cursor = 0;
    const struct filters_words *words = filters_load_words(loader, wanted, FILTERS_WORDS_EXACT, &condition->list);
    filters_load_up(loader, mark);
    if (words == NULL) {
        return -1;
    }
    struct bytes word;
    condition->ranges = filters_load_alloc(loader, filters_words_count(words), sizeof *condition->ranges);
    while (filters_words_next(words, &cursor, &word)) {
        json_t *item = json_stringn((const char *)word.ptr, word.len);
        bool parsed =
            parse_scalar(loader, key, condition->subject->type, item, &condition->ranges[condition->range_count++]);
        json_decref(item);
        if (!parsed) {
            return -1;
        }
    }
    return 0;
}

static int load_equals(struct filters_loader *loader, json_t *value, const char *key,
                       struct filters_condition *condition)
{
    json_t *wanted = json_object_get(value, key);
    if (json_is_object(wanted) || (json_is_string(wanted) && strcmp(key, "in") == 0 &&
                                   map_get(loader->lists, bytes_of(json_string_value(wanted))) != NULL)) {
        return load_listed_ranges(loader, wanted, key, condition);
    }
    size_t count = json_is_array(wanted) ? json_array_size(wanted) : 1;
    if (count == 0) {
        filters_load_error_at(loader, key, "there is nothing to compare with");
        return -1;
    }
    condition->ranges = filters_load_alloc(loader, count, sizeof *condition->ranges);
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_is_array(wanted) ? json_array_get(wanted, i) : wanted;
        if (!parse_scalar(loader, key, condition->subject->type, item, &condition->ranges[i])) {
            return -1;
        }
    }
    condition->range_count = count;
    return 0;
}

static int load_range(struct filters_loader *loader, json_t *value, const struct filters_operator_row *row,
                      struct filters_condition *condition)
{
    enum filters_type type = condition->subject->type;
    json_t *wanted = json_object_get(value, row->name);
    bool pair = row->op == FILTERS_BETWEEN;
    struct filters_range low, high;
    if (!parse_scalar(loader, row->name, type, pair ? json_array_get(wanted, 0) : wanted, &low)) {
        return -1;
    }
    high = low;
    if (pair && !parse_scalar(loader, row->name, type, json_array_get(wanted, 1), &high)) {
        return -1;
    }
    if (pair && low.low > high.low && type != FILTERS_TYPE_TIME) {
        filters_load_error_at(loader, row->name, "the first value is larger than the second");
        return -1;
    }
    struct filters_range *range = filters_load_alloc(loader, 1, sizeof *range);
    *range = (struct filters_range){low.low, high.high};
    switch (row->op) {
    case FILTERS_OVER:
        *range = (struct filters_range){low.high + 1, INT64_MAX};
        break;
    case FILTERS_UNDER:
        *range = (struct filters_range){INT64_MIN, low.low - 1};
        break;
    case FILTERS_AT_LEAST:
        *range = (struct filters_range){low.low, INT64_MAX};
        break;
    case FILTERS_AT_MOST:
        *range = (struct filters_range){INT64_MIN, low.high};
        break;
    default:
        break;
    }
    condition->ranges = range;
    condition->range_count = 1;
    return 0;
}

/* ---- which ---- */

static const struct filters_operator_row *find_operator(struct filters_loader *loader, json_t *value)
{
    const struct filters_operator_row *found = NULL;
    for (const struct filters_operator_row *row = filters_operators; row->name != NULL; row++) {
        if (json_object_get(value, row->name) == NULL) {
            continue;
        }
        if (found != NULL) {
            filters_load_error(loader, "\"%s\" and \"%s\" are two tests: write them under \"all\" or \"any\"",
                               found->name, row->name);
            return NULL;
        }
        found = row;
    }
    if (found == NULL) {
        filters_load_error(
            loader,
            "a test has one of \"is\", \"in\", \"matches\", \"contains\", \"starts_with\", \"ends_with\", \"exists\", "
            "\"over\", \"under\", \"at_least\", \"at_most\" and \"between\"");
    }
    return found;
}

/* Whether the JSON is of the shape that the table says; what is not was told already. */
static bool has_shape(json_t *value, const struct filters_operator_row *row)
{
    json_t *wanted = json_object_get(value, row->name);
    switch (row->shape) {
    case FILTERS_SHAPE_BOOLEAN:
        return json_is_boolean(wanted);
    case FILTERS_SHAPE_PAIR:
        return json_array_size(wanted) == 2;
    case FILTERS_SHAPE_LIST:
        return !json_is_boolean(wanted) && !json_is_null(wanted);
    default:
        return !json_is_boolean(wanted) && !json_is_null(wanted) &&
               (!json_is_object(wanted) || json_object_size(wanted) > 0);
    }
}

static const char *type_name(enum filters_type type)
{
    static const struct {
        enum filters_type type;
        const char *name;
    } names[] = {
        {FILTERS_TYPE_TEXT, "text"},      {FILTERS_TYPE_NETWORK, "client's address"},
        {FILTERS_TYPE_NUMBER, "count"},   {FILTERS_TYPE_TIME, "time"},
        {FILTERS_TYPE_DATE, "date"},      {FILTERS_TYPE_WEEKDAY, "weekday"},
        {FILTERS_TYPE_DECIMAL, "number"}, {FILTERS_TYPE_DURATION, "duration"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].type == type) {
            return names[i].name;
        }
    }
    return "text";
}

static void cannot_be_used(struct filters_loader *loader, const struct filters_operator_row *row,
                           enum filters_type type)
{
    static const struct {
        enum filters_type type;
        const char *values, *instead;
    } rows[] = {
        {FILTERS_TYPE_TEXT, "texts",
         "it compares numbers and times: {\"of\": \"header.NAME | number\"} makes a number of a text"},
        {FILTERS_TYPE_NETWORK, "addresses of clients", "they are compared by \"is\", \"in\" and \"matches\""},
        {FILTERS_TYPE_NUMBER, "numbers",
         "they are compared by \"is\", \"over\", \"under\", \"at_least\", \"at_most\" and \"between\""},
        {FILTERS_TYPE_TIME, "times", "they are compared by \"is\", \"over\", \"under\" and \"between\""},
        {FILTERS_TYPE_DATE, "dates", "they are compared by \"is\", \"over\", \"under\" and \"between\""},
        {FILTERS_TYPE_DECIMAL, "numbers",
         "they are compared by \"is\", \"over\", \"under\", \"at_least\", \"at_most\" and \"between\""},
        {FILTERS_TYPE_DURATION, "durations",
         "they are compared by \"over\", \"under\", \"at_least\", \"at_most\" and \"between\""},
        {FILTERS_TYPE_WEEKDAY, "weekdays", "they are compared by \"is\" and \"in\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].type == type) {
            filters_load_error_at(loader, row->name, "\"%s\" cannot be used here, where the values are %s: %s",
                                  row->name, rows[i].values, rows[i].instead);
            return;
        }
    }
}

/* A count and a number that a text was made into are both numbers to whoever writes the rule. */
static bool can_compare(enum filters_type one, enum filters_type other)
{
    const unsigned numbers = FILTERS_TYPE_NUMBER | FILTERS_TYPE_DECIMAL;
    return one == other || (((unsigned)one & numbers) != 0 && ((unsigned)other & numbers) != 0);
}

/* {"of": ...}: the test compares with the values of another formula. */
static int load_of_operand(struct filters_loader *loader, json_t *operand, const struct filters_operator_row *row,
                           struct filters_condition *condition)
{
    size_t mark = filters_load_down(loader, row->name);
    filters_load_object(loader, operand, "an operand", filters_of_keys, NULL);
    const char *text = filters_load_text(loader, operand, "of");
    filters_load_down(loader, "of");
    loader->wants_texts = condition->subject->type == FILTERS_TYPE_TEXT;
    condition->operand = text == NULL ? NULL : filters_load_of(loader, text);
    loader->wants_texts = false;
    if (row->op == FILTERS_MATCHES || row->op == FILTERS_BETWEEN || row->op == FILTERS_EXISTS) {
        filters_load_error(loader, "\"%s\" does not take a value of the message", row->name);
        condition->operand = NULL;
    } else if (condition->operand != NULL && !can_compare(condition->subject->type, condition->operand->type)) {
        filters_load_error(loader,
                           "the two cannot be compared: one is a %s, the other a %s; functions such as \"number\" and "
                           "\"date\" convert one into the other",
                           type_name(condition->subject->type), type_name(condition->operand->type));
        condition->operand = NULL;
    }
    filters_load_up(loader, mark);
    condition->nocase = condition->nocase || (condition->operand != NULL && condition->operand->nocase);
    return condition->operand == NULL ? -1 : 0;
}

static int load_operand(struct filters_loader *loader, json_t *value, const struct filters_operator_row *row,
                        struct filters_condition *condition)
{
    enum filters_type type = condition->subject->type;
    if (json_object_get(json_object_get(value, row->name), "of") != NULL) {
        return load_of_operand(loader, json_object_get(value, row->name), row, condition);
    }
    bool ordered = type != FILTERS_TYPE_TEXT && type != FILTERS_TYPE_NETWORK;
    switch (row->op) {
    case FILTERS_EXISTS:
        condition->wanted = json_is_true(json_object_get(value, "exists"));
        return 0;
    case FILTERS_MATCHES:
        return load_matches(loader, value, condition);
    case FILTERS_IN:
        return ordered ? load_equals(loader, value, row->name, condition) : load_in(loader, value, condition);
    case FILTERS_IS:
        return ordered ? load_equals(loader, value, row->name, condition) : load_words(loader, value, row, condition);
    case FILTERS_CONTAINS:
    case FILTERS_STARTS_WITH:
    case FILTERS_ENDS_WITH:
        return load_words(loader, value, row, condition);
    default:
        return load_range(loader, value, row, condition);
    }
}

int filters_load_operator(struct filters_loader *loader, json_t *value, struct filters_condition *condition)
{
    const struct filters_operator_row *row = find_operator(loader, value);
    if (row == NULL || !has_shape(value, row)) {
        return -1;
    }
    condition->op = row->op;
    if ((row->types & (unsigned)condition->subject->type) == 0) {
        cannot_be_used(loader, row, condition->subject->type);
        return -1;
    }
    if (load_operand(loader, value, row, condition) < 0) {
        return -1;
    }
    filters_lint_test(loader, value, condition, row->name);
    return 0;
}

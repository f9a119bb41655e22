/*
 * filters_function - see filters_function.h.
 */
#include "filters/filters_function.h"

#include <glib.h>
#include <string.h>

#include "base/expect.h"
#include "document/document.h"
#include "document/nearest.h"
#include "filters/filters_text.h"

#define TEXT     FILTERS_ARGUMENT_TEXT
#define NUMBER   FILTERS_ARGUMENT_NUMBER
#define NOTHING  FILTERS_ARGUMENT_NONE
#define NO_TYPE  ((enum filters_type)0)
#define OF_DATES FILTERS_DATE_PART, 0, 0, NOTHING

const struct filters_function_row filters_functions[] = {
    {"lower", FILTERS_LOWER, 0, 0, NOTHING, FILTERS_TYPE_TEXT, "lower", "in lower case"},
    {"upper", FILTERS_UPPER, 0, 0, NOTHING, FILTERS_TYPE_TEXT, "upper", "in upper case (a to z)"},
    {"trim", FILTERS_TRIM, 0, 0, NOTHING, FILTERS_TYPE_TEXT, "trim", "without blanks at both ends"},
    {"slug", FILTERS_SLUG, 0, 0, NOTHING, FILTERS_TYPE_TEXT, "slug",
     "letters and digits in lower case, \"-\" for everything between"},
    {"first", FILTERS_FIRST, 0, 1, NUMBER, FILTERS_TYPE_TEXT, "first, first(n)",
     "the first word; the first n characters"},
    {"last", FILTERS_LAST, 0, 1, NUMBER, FILTERS_TYPE_TEXT, "last, last(n)", "the last word; the last n characters"},
    {"default", FILTERS_DEFAULT_TO, 1, 1, TEXT, FILTERS_TYPE_TEXT, "default('x')", "x when there is no value"},
    {"replace", FILTERS_REPLACE, 2, 2, TEXT, FILTERS_TYPE_TEXT, "replace('a', 'b')", "b for each a"},
    {"replace_pattern", FILTERS_REPLACE_PATTERN, 2, 2, TEXT, FILTERS_TYPE_TEXT, "replace_pattern('a+', 'b')",
     "replaces each match of the PCRE2 pattern by b, in which $1 and ${name} are groups"},
    {"split", FILTERS_SPLIT, 1, 1, TEXT, FILTERS_TYPE_TEXT, "split(',')",
     "the texts between, each as its own value, without blanks at both ends"},
    {"join", FILTERS_JOIN, 1, 1, TEXT, FILTERS_TYPE_TEXT, "join(', ')", "joins all values into one text"},
    {"unique", FILTERS_UNIQUE, 0, 0, NOTHING, NO_TYPE, "unique", "each value once"},
    {"count", FILTERS_COUNT, 0, 0, NOTHING, FILTERS_TYPE_NUMBER, "count", "how many values there are"},
    {"length", FILTERS_LENGTH, 0, 0, NOTHING, FILTERS_TYPE_NUMBER, "length", "how many characters a value has"},
    {"hash", FILTERS_HASH, 0, 1, NUMBER, FILTERS_TYPE_TEXT, "hash, hash(n)",
     "SHA-256 in hexadecimal; with n: a number from 0 to n - 1, always the same for the same text"},
    {"lookup", FILTERS_LOOKUP, 1, 1, TEXT, FILTERS_TYPE_TEXT, "lookup('map')",
     "the value of this key in the map of that name; no value when the map has no such key"},
    {"number", FILTERS_TO_NUMBER, 0, 0, NOTHING, FILTERS_TYPE_DECIMAL, "number",
     "the text as a number, such as 7 or -1.5; no value when the text is not a number"},
    {"date", FILTERS_TO_DATE, 0, 0, NOTHING, FILTERS_TYPE_DATE, "date",
     "the text as a date (RFC 5322 or ISO 8601); no value when the text is not a date"},
    {"age", FILTERS_TO_AGE, 0, 0, NOTHING, FILTERS_TYPE_DURATION, "age",
     "how long before reception the date was; compare it with \"30m\", \"12h\", \"2d\""},
    {"zone", FILTERS_IN_ZONE, 1, 1, TEXT, NO_TYPE, "zone('Europe/Berlin')", "the date in front, in that zone"},
    {"year", OF_DATES, FILTERS_TYPE_NUMBER, "year", "the year of the date in front"},
    {"month", OF_DATES, FILTERS_TYPE_NUMBER, "month", "the month of the date in front, 01 to 12"},
    {"day", OF_DATES, FILTERS_TYPE_NUMBER, "day", "the day of the date in front, 01 to 31"},
    {"hour", OF_DATES, FILTERS_TYPE_NUMBER, "hour", "the hour of the date in front, 00 to 23"},
    {"minute", OF_DATES, FILTERS_TYPE_NUMBER, "minute", "the minute of the date in front, 00 to 59"},
    {"weekday", OF_DATES, FILTERS_TYPE_WEEKDAY, "weekday",
     "the weekday of the date in front: mon, tue, wed, thu, fri, sat, sun"},
    {"week", OF_DATES, FILTERS_TYPE_NUMBER, "week", "the week of the date in front (ISO 8601), 01 to 53"},
    {"time", OF_DATES, FILTERS_TYPE_TIME, "time", "the time of day of the date in front, \"08:30:00\""},
    {NULL, 0, 0, 0, NOTHING, NO_TYPE, NULL, NULL},
};
#define FUNCTION_COUNT (sizeof filters_functions / sizeof *filters_functions - 1)

/* ---- arguments ---- */

/* A text in '...' off the head of *rest; '' in it stands for one quote. */
static int parse_text(struct arena *arena, struct bytes *rest, struct bytes *text_r)
{
    struct buf text;
    buf_init(&text, rest->len);
    size_t at = 1;
    bool closed = false;
    for (; at < rest->len && !closed; at++) {
        if (rest->ptr[at] != '\'') {
            buf_append_octet(&text, rest->ptr[at]);
        } else if (at + 1 < rest->len && rest->ptr[at + 1] == '\'') {
            buf_append_octet(&text, rest->ptr[at++]);
        } else {
            closed = true;
        }
    }
    *rest = bytes_from(*rest, at);
    *text_r = bytes_at(expect_memory(arena_copy(arena, buf_bytes(&text))), text.len);
    buf_done(&text);
    return closed ? 0 : -1;
}

/* One argument off the head of *rest: a text in '...' or a number. */
static int parse_argument(struct arena *arena, struct bytes *rest, struct bytes *text_r)
{
    *rest = bytes_trim(*rest);
    if (rest->len > 0 && rest->ptr[0] == '\'') {
        if (parse_text(arena, rest, text_r) < 0) {
            return -1;
        }
        *rest = bytes_trim(*rest);
        if (rest->len > 0 && rest->ptr[0] != ',') {
            return -1;
        }
        *rest = bytes_from(*rest, rest->len > 0 ? 1 : 0);
        return 0;
    }
    uint64_t number;
    struct bytes text = bytes_trim(bytes_cut(rest, ','));
    *text_r = bytes_at(expect_memory(arena_copy(arena, text)), text.len);
    return bytes_to_u64(text, &number) ? 0 : -1;
}

int filters_function_arguments(struct arena *arena, struct bytes inside, const char *name, struct filters_call *call,
                               struct buf *error)
{
    while (bytes_trim(inside).len > 0 && call->count < FILTERS_ARGUMENTS_MAX) {
        if (parse_argument(arena, &inside, &call->texts[call->count]) < 0) {
            buf_printf(error, "%s(): arguments are texts in '...' or numbers, separated by commas", name);
            return -1;
        }
        call->count++;
    }
    call->count += bytes_trim(inside).len > 0; /* one too many, whatever it is */
    return 0;
}

static int unknown_function(struct bytes name, struct buf *error)
{
    char word[40] = "";
    for (size_t i = 0; i < name.len && i < sizeof word - 1; i++) {
        word[i] = (char)name.ptr[i];
    }
    const char *names[FUNCTION_COUNT + 1] = {NULL};
    for (size_t i = 0; i < FUNCTION_COUNT; i++) {
        names[i] = filters_functions[i].name;
    }
    const char *nearest = nearest_word(word, names);
    buf_printf(error, "there is no function \"%s\"", word);
    if (nearest != NULL) {
        buf_printf(error, "; did you mean \"%s\"?", nearest);
    }
    for (size_t i = 0; i < FUNCTION_COUNT && nearest == NULL; i++) {
        buf_printf(error, "%s%s", i == 0 ? "; there are " : ", ", names[i]);
    }
    return -1;
}

/* What is wrong with the arguments themselves. */
static int check_arguments(const struct filters_function_row *row, struct filters_call *call, struct buf *error)
{
    if (call->count < row->least || call->count > row->most) {
        buf_printf(error, "%s() takes %u argument%s", row->name, row->most, row->most == 1 ? "" : "s");
        return -1;
    }
    if (row->kind == NUMBER && call->count == 1 &&
        (!bytes_to_u64(call->texts[0], &call->number) || call->number == 0)) {
        buf_printf(error, "%s() takes a number of characters, 1 or more", row->name);
        return -1;
    }
    if ((row->function == FILTERS_REPLACE || row->function == FILTERS_SPLIT) && call->texts[0].len == 0) {
        buf_printf(error, "%s() cannot %s nothing", row->name, row->function == FILTERS_SPLIT ? "split at" : "replace");
        return -1;
    }
    return 0;
}

int filters_function_parse(struct arena *arena, struct bytes text, const struct filters_function_row **row_r,
                           struct filters_call *call_r, struct buf *error)
{
    text = bytes_trim(text);
    ptrdiff_t open = bytes_find_octet(text, '(');
    struct bytes name = bytes_trim(open < 0 ? text : bytes_slice(text, 0, (size_t)open));
    struct bytes inside = bytes_at(NULL, 0);
    if (open >= 0) {
        if (text.ptr[text.len - 1] != ')') {
            buf_append_text(error, "a \"(\" without its \")\"");
            return -1;
        }
        inside = bytes_slice(text, (size_t)open + 1, text.len - (size_t)open - 2);
    }
    for (const struct filters_function_row *row = filters_functions; row->name != NULL; row++) {
        if (bytes_is(name, row->name)) {
            *row_r = row;
            *call_r = (struct filters_call){.function = row->function};
            return filters_function_arguments(arena, inside, row->name, call_r, error) < 0
                       ? -1
                       : check_arguments(row, call_r, error);
        }
    }
    return unknown_function(name, error);
}

/* ---- what they do ---- */

static void upper(struct bytes value, struct buf *out)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t octet = value.ptr[i];
        buf_append_octet(out, octet >= 'a' && octet <= 'z' ? (uint8_t)(octet - 32) : octet);
    }
}

/* Letters and digits stay, in lower case; a run of anything else becomes one "-". What is not ASCII stays when it is
 * text. */
static void slug(struct bytes value, struct buf *out)
{
    bool gap = false;
    size_t start = out->len;
    while (value.len > 0) {
        uint32_t character;
        size_t len = filters_text_next(value, &character);
        bool keeps = character >= 0xc0 ? !filters_text_is_control(character) && character != 0xfffd
                                       : character < 0x80 &&
                                             (octet_is_alpha((uint8_t)character) || octet_is_digit((uint8_t)character));
        if (keeps) {
            if (gap && out->len > start) {
                buf_append_text(out, "-");
            }
            filters_text_fold(bytes_slice(value, 0, len), out);
        }
        gap = !keeps;
        value = bytes_from(value, len);
    }
}

static void first(struct bytes value, uint64_t characters, struct buf *out)
{
    value = bytes_trim(value);
    for (uint64_t i = 0; value.len > 0 && (characters == 0 || i < characters); i++) {
        uint32_t character;
        size_t len = filters_text_next(value, &character);
        if (characters == 0 && (character == ' ' || character == '\t')) {
            return;
        }
        buf_append_bytes(out, bytes_slice(value, 0, len));
        value = bytes_from(value, len);
    }
}

/* Where the last character of text begins. */
static size_t last_character(struct bytes text)
{
    size_t at = text.len - 1;
    while (at > 0 && (text.ptr[at] & 0xc0) == 0x80) {
        at--;
    }
    return at;
}

static void last(struct bytes value, uint64_t characters, struct buf *out)
{
    value = bytes_trim(value);
    size_t start = value.len;
    for (uint64_t i = 0; start > 0 && (characters == 0 || i < characters); i++) {
        size_t at = last_character(bytes_slice(value, 0, start));
        if (characters == 0 && (value.ptr[at] == ' ' || value.ptr[at] == '\t')) {
            break;
        }
        start = at;
    }
    buf_append_bytes(out, bytes_from(value, start));
}

/* As a number: the first eight octets, so that it is spread evenly for every n that anybody has folders for. */
static void hash(struct bytes value, uint64_t below, struct buf *out)
{
    GChecksum *checksum = expect_memory(g_checksum_new(G_CHECKSUM_SHA256));
    if (value.len > 0) {
        g_checksum_update(checksum, value.ptr, (gssize)value.len);
    }
    uint8_t digest[32];
    gsize len = sizeof digest;
    g_checksum_get_digest(checksum, digest, &len);
    g_checksum_free(checksum);
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof digest; i++) {
        number = i < 8 ? number << 8 | digest[i] : number;
        if (below == 0) {
            buf_printf(out, "%02x", digest[i]);
        }
    }
    if (below > 0) {
        buf_printf(out, "%llu", (unsigned long long)(number % below));
    }
}

static void replace(struct bytes value, struct bytes from, struct bytes to, struct buf *out)
{
    for (ptrdiff_t at; (at = bytes_find(value, from)) >= 0; value = bytes_from(value, (size_t)at + from.len)) {
        buf_append_bytes(out, bytes_slice(value, 0, (size_t)at));
        buf_append_bytes(out, to);
    }
    buf_append_bytes(out, value);
}

void filters_function_apply(const struct filters_call *call, struct bytes value, struct buf *out)
{
    switch (call->function) {
    case FILTERS_LOWER:
        filters_text_fold(value, out);
        break;
    case FILTERS_UPPER:
        upper(value, out);
        break;
    case FILTERS_TRIM:
        buf_append_bytes(out, bytes_trim(value));
        break;
    case FILTERS_SLUG:
        slug(value, out);
        break;
    case FILTERS_FIRST:
        first(value, call->number, out);
        break;
    case FILTERS_DEFAULT_TO:
        buf_append_bytes(out, bytes_trim(value).len == 0 ? call->texts[0] : value);
        break;
    case FILTERS_REPLACE:
        replace(value, call->texts[0], call->texts[1], out);
        break;
    case FILTERS_LAST:
        last(value, call->number, out);
        break;
    case FILTERS_HASH:
        hash(value, call->number, out);
        break;
    default:
        break;
    }
}

/*
 * filters_function - see filters_function.h.
 */
#include "filters/filters_function.h"

#include <string.h>

#include "base/expect.h"
#include "document/document.h"
#include "document/nearest.h"
#include "filters/filters_text.h"

static const struct {
    const char *name;
    enum filters_function function;
    unsigned least, most; /* arguments */
} functions[] = {
    {"lower", FILTERS_LOWER, 0, 0},     {"upper", FILTERS_UPPER, 0, 0}, {"trim", FILTERS_TRIM, 0, 0},
    {"slug", FILTERS_SLUG, 0, 0},       {"first", FILTERS_FIRST, 0, 1}, {"default", FILTERS_DEFAULT_TO, 1, 1},
    {"replace", FILTERS_REPLACE, 2, 2},
};
#define FUNCTION_COUNT (sizeof functions / sizeof *functions)

/* One argument off the head of *rest: a text in '...' or a number. */
static int parse_argument(struct arena *arena, struct bytes *rest, struct bytes *text_r)
{
    *rest = bytes_trim(*rest);
    struct bytes text;
    if (rest->len > 0 && rest->ptr[0] == '\'') {
        *rest = bytes_from(*rest, 1);
        if (bytes_find_octet(*rest, '\'') < 0) {
            return -1;
        }
        text = bytes_cut(rest, '\'');
        *rest = bytes_trim(*rest);
        if (rest->len > 0 && rest->ptr[0] != ',') {
            return -1;
        }
        *rest = bytes_from(*rest, rest->len > 0 ? 1 : 0);
    } else {
        uint64_t number;
        text = bytes_trim(bytes_cut(rest, ','));
        if (!bytes_to_u64(text, &number)) {
            return -1;
        }
    }
    *text_r = bytes_at(expect_memory(arena_copy(arena, text)), text.len);
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
        names[i] = functions[i].name;
    }
    const char *nearest = nearest_word(word, names);
    buf_printf(error, "there is no function \"%s\"", word);
    if (nearest != NULL) {
        buf_printf(error, "; did you mean \"%s\"?", nearest);
    } else {
        buf_append_text(error, "; there are lower, upper, trim, slug, first, default and replace");
    }
    return -1;
}

static int parse_arguments(struct arena *arena, struct bytes inside, size_t row, struct filters_call *call,
                           struct buf *error)
{
    unsigned count = 0;
    while (bytes_trim(inside).len > 0 && count < FILTERS_FUNCTION_ARGUMENTS) {
        if (parse_argument(arena, &inside, &call->texts[count]) < 0) {
            buf_printf(error, "%s(): its arguments are texts in '...' or numbers, with commas between",
                       functions[row].name);
            return -1;
        }
        count++;
    }
    if (count < functions[row].least || count > functions[row].most || bytes_trim(inside).len > 0) {
        buf_printf(error, "%s() takes %u argument%s", functions[row].name, functions[row].most,
                   functions[row].most == 1 ? "" : "s");
        return -1;
    }
    if (call->function == FILTERS_FIRST && count == 1 &&
        (!bytes_to_u64(call->texts[0], &call->number) || call->number == 0)) {
        buf_append_text(error, "first() takes a number of characters");
        return -1;
    }
    if (call->function == FILTERS_REPLACE && call->texts[0].len == 0) {
        buf_append_text(error, "replace() cannot replace nothing");
        return -1;
    }
    return 0;
}

int filters_function_parse(struct arena *arena, struct bytes text, struct filters_call *call_r, struct buf *error)
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
    for (size_t i = 0; i < FUNCTION_COUNT; i++) {
        if (bytes_is(name, functions[i].name)) {
            *call_r = (struct filters_call){.function = functions[i].function};
            return parse_arguments(arena, inside, i, call_r, error);
        }
    }
    return unknown_function(name, error);
}

static void upper(struct bytes value, struct buf *out)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t octet = value.ptr[i];
        buf_append_octet(out, octet >= 'a' && octet <= 'z' ? (uint8_t)(octet - 32) : octet);
    }
}

/* Letters and digits stay, in lower case; a run of anything else becomes one "-". What is not ASCII stays when it is text. */
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
    }
}

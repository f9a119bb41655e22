/*
 * document - values by jansson, places by one own pass over the text; see document.h.
 *
 * The pass runs only over a text that jansson has accepted, so it may trust the grammar. It leaves one small node per
 * value, in document order: the first child of a node is the next node, `next` skips its whole subtree.
 */
#include "document/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/map.h"
#include "document/nearest.h"

#define POINTER_MAX 4096
#define SMALL_LIST  1000 /* nodes below a list that is searched from its beginning */

struct node {
    /* 32 bits are enough: DOCUMENT_MAX_SIZE is checked first. Ten thousand rules make a million nodes. */
    uint32_t value; /* offset of the value's first octet */
    uint32_t key;   /* offset of the key's quote; NO_KEY in arrays and at the root */
    uint32_t next;  /* index of the node behind this subtree */
};
#define NO_KEY UINT32_MAX

/* Places are mostly asked for in order: where the last answers were found is where the next search begins. */
struct hint {
    size_t counted, line, column; /* the place of offset `counted` */
    const struct node *parent;    /* of the list whose item was looked for last */
    size_t index, child;          /* its number, and its node's */
};

struct document {
    struct hint *hint;
    char *name;
    json_t *root;
    uint8_t *given; /* the text as it came: columns count what its editor shows, in comments too */
    uint8_t *text;  /* the same with blanks for comments, octet for octet: what is parsed */
    size_t len;
    struct node *nodes;
    size_t count, size;
};

/* One level of nesting during the pass; the chain of them is the pointer of what is being read. */
struct level {
    const struct level *above;
    struct bytes key; /* raw, without quotes; ptr NULL in an array */
    size_t index;
};

struct pass {
    struct document *json;
    struct problems *problems;
    size_t at;
    size_t depth;
    bool stopped; /* nested too deep: the rest is not looked at */
};

static void place_of_offset(const struct document *json, size_t offset, size_t *line_r, size_t *column_r)
{
    struct hint *hint = json->hint;
    if (offset < hint->counted || hint->line == 0) {
        *hint =
            (struct hint){.line = 1, .column = 1, .parent = hint->parent, .index = hint->index, .child = hint->child};
    }
    for (const uint8_t *end; (end = memchr(json->given + hint->counted, '\n', offset - hint->counted)) != NULL;
         hint->line++) {
        hint->counted = (size_t)(end - json->given) + 1;
        hint->column = 1;
    }
    for (; hint->counted < offset; hint->counted++) {
        /* Characters, as editors count them. */
        hint->column += (json->given[hint->counted] & 0xc0) != 0x80;
    }
    *line_r = hint->line;
    *column_r = hint->column;
}

/* The key between the quotes with its escapes resolved, by jansson itself; NULL never comes for an accepted text. */
static json_t *decode_key(const struct document *json, uint32_t quote, size_t len)
{
    return json_loadb((const char *)json->text + quote, len, JSON_DECODE_ANY, NULL);
}

static void skip_blanks(struct pass *pass)
{
    const struct document *json = pass->json;
    while (pass->at < json->len && memchr(" \t\r\n", json->text[pass->at], 4) != NULL) {
        pass->at++;
    }
}

static uint8_t octet_here(const struct pass *pass)
{
    return pass->at < pass->json->len ? pass->json->text[pass->at] : 0;
}

/* Over a string with its quotes; returns its inside. */
static struct bytes skip_string(struct pass *pass)
{
    size_t start = ++pass->at;
    while (pass->at < pass->json->len && octet_here(pass) != '"') {
        pass->at += octet_here(pass) == '\\' ? 2 : 1;
    }
    struct bytes inside = bytes_at(pass->json->text + start, pass->at - start);
    pass->at++;
    return inside;
}

static void skip_scalar(struct pass *pass)
{
    while (pass->at < pass->json->len && memchr(",]} \t\r\n", octet_here(pass), 7) == NULL) {
        pass->at++;
    }
}

static void append_escaped(struct buf *out, struct bytes key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] == '~' || key.ptr[i] == '/') {
            buf_append_text(out, key.ptr[i] == '~' ? "~0" : "~1");
        } else {
            buf_append_octet(out, key.ptr[i]);
        }
    }
}

static void append_pointer(const struct level *level, struct buf *out)
{
    if (level == NULL) {
        return;
    }
    append_pointer(level->above, out);
    buf_append_text(out, "/");
    if (level->key.ptr == NULL) {
        buf_printf(out, "%zu", level->index);
    } else {
        append_escaped(out, level->key);
    }
}

static void pass_problem(struct pass *pass, const struct level *level, size_t offset, const char *text)
{
    struct buf pointer;
    buf_init(&pointer, POINTER_MAX);
    append_pointer(level, &pointer);
    size_t line, column;
    place_of_offset(pass->json, offset, &line, &column);
    problems_add(pass->problems, PROBLEM_ERROR, pass->json->name, line, column, buf_text(&pointer), "%s", text);
    buf_done(&pointer);
}

/* The new node's index; nothing is returned by pointer because the array moves. */
static size_t add_node(struct pass *pass, size_t key)
{
    struct document *json = pass->json;
    if (json->count == json->size) {
        json->size = json->size == 0 ? 64 : json->size * 2;
        json->nodes = expect_memory(realloc(json->nodes, json->size * sizeof *json->nodes));
    }
    json->nodes[json->count] = (struct node){.value = (uint32_t)pass->at, .key = (uint32_t)key};
    return json->count++;
}

static void pass_value(struct pass *pass, size_t key, const struct level *level);

static void pass_array(struct pass *pass, const struct level *above)
{
    struct level level = {.above = above};
    pass->at++;
    skip_blanks(pass);
    while (!pass->stopped && octet_here(pass) != ']' && pass->at < pass->json->len) {
        pass_value(pass, NO_KEY, &level);
        level.index++;
        skip_blanks(pass);
        pass->at += octet_here(pass) == ',';
        skip_blanks(pass);
    }
    pass->at++;
}

static void check_duplicate(struct pass *pass, struct map *seen, const struct level *level, size_t quote)
{
    json_t *key = decode_key(pass->json, (uint32_t)quote, level->key.len + 2);
    struct bytes text = bytes_at(json_string_value(key), json_string_length(key));
    if (map_get(seen, text) != NULL) {
        pass_problem(pass, level, quote, "this key is in the same object twice; remove one");
    } else {
        disregard(map_set(seen, text, pass));
    }
    json_decref(key);
}

static void pass_object(struct pass *pass, const struct level *above)
{
    struct level level = {.above = above};
    struct map *seen = map_new(SIZE_MAX, NULL);
    pass->at++;
    skip_blanks(pass);
    while (!pass->stopped && octet_here(pass) == '"') {
        size_t quote = pass->at;
        level.key = skip_string(pass);
        check_duplicate(pass, seen, &level, quote);
        skip_blanks(pass);
        pass->at++; /* the colon */
        skip_blanks(pass);
        pass_value(pass, quote, &level);
        skip_blanks(pass);
        pass->at += octet_here(pass) == ',';
        skip_blanks(pass);
    }
    pass->at++;
    map_free(&seen, NULL);
}

static void pass_value(struct pass *pass, size_t key, const struct level *level)
{
    size_t node = add_node(pass, key);
    /* Each level is a frame on the stack, here and with whoever walks the values; jansson's own limit is 2,048. */
    if (++pass->depth > DOCUMENT_MAX_DEPTH) {
        pass_problem(pass, level, pass->at, "nested too deeply: at most 64 levels are allowed");
        pass->stopped = true;
    } else if (octet_here(pass) == '{') {
        pass_object(pass, level);
    } else if (octet_here(pass) == '[') {
        pass_array(pass, level);
    } else if (octet_here(pass) == '"') {
        skip_string(pass);
    } else {
        skip_scalar(pass);
    }
    pass->depth--;
    pass->json->nodes[node].next = (uint32_t)pass->json->count;
}

/* ---- comments and trailing commas (JSONC, as editors write their own settings) ---- */

/* Behind the string that begins here, or at the end of the text. */
static size_t after_string(const struct document *json, size_t at)
{
    for (at++; at < json->len && json->text[at] != '"'; at++) {
        at += json->text[at] == '\\' && at + 1 < json->len;
    }
    return at + 1 < json->len ? at + 1 : json->len;
}

/* Behind the comment that begins here; `at` when none does, and when it is not closed, so that the place is told as it
 * is. */
static size_t after_comment(const struct document *json, size_t at)
{
    struct bytes rest = bytes_at(json->text + at, json->len - at);
    if (rest.len < 2 || rest.ptr[0] != '/' || (rest.ptr[1] != '/' && rest.ptr[1] != '*')) {
        return at;
    }
    bool line = rest.ptr[1] == '/';
    ptrdiff_t end = bytes_find(bytes_from(rest, 2), bytes_of(line ? "\n" : "*/"));
    if (end < 0) {
        return line ? json->len : at;
    }
    return at + (size_t)end + (line ? 2 : 4); /* a line's end stays */
}

/*
 * They become blanks, so that every offset stays what it is. A comma is one too many when the list or object ends
 * behind it.
 */
static void blank_out(struct document *json)
{
    size_t comma = SIZE_MAX; /* the last octet that means something, when it is a comma behind a value */
    uint8_t last = ',';
    for (size_t at = 0; at < json->len;) {
        uint8_t octet = json->text[at];
        size_t behind = after_comment(json, at);
        if (behind > at) {
            for (; at < behind; at++) {
                json->text[at] = json->text[at] == '\n' ? '\n' : ' ';
            }
            continue;
        }
        if ((octet == ']' || octet == '}') && comma != SIZE_MAX) {
            json->text[comma] = ' ';
        }
        if (memchr(" \t\r\n", octet, 4) == NULL) {
            comma = octet == ',' && memchr(",[{:", last, 4) == NULL ? at : SIZE_MAX;
            last = octet;
        }
        at = octet == '"' ? after_string(json, at) : at + 1;
    }
}

/* jansson counts the characters of the line up to the end of what it could not take; here, in the text as it came. */
static size_t column_of_error(const struct document *json, const json_error_t *error)
{
    size_t end = error->position > 0 ? (size_t)error->position : 0;
    end = end < json->len ? end : json->len;
    size_t column = 0;
    for (size_t at = end; at > 0 && json->given[at - 1] != '\n'; at--) {
        column += (json->given[at - 1] & 0xc0) != 0x80;
    }
    return column > 0 ? column : 1;
}

/* jansson has said what is wrong; its message and place become the problem. */
static void syntax_problem(const struct document *json, struct problems *problems, const json_error_t *error)
{
    size_t line = error->line > 0 ? (size_t)error->line : 1;
    size_t column = column_of_error(json, error);
    bool escape = strstr(error->text, "invalid escape") != NULL;
    problems_add(problems, PROBLEM_ERROR, json->name, line, column, "", "not valid JSON: %s%s", error->text,
                 escape ? "; in a text, write a backslash twice, as in \"\\\\d+\"" : "");
}

static int parse_values(struct document *json, struct problems *problems)
{
    if (json->len > DOCUMENT_MAX_SIZE) {
        problems_add(problems, PROBLEM_ERROR, json->name, 0, 0, "", "the file is larger than %u MiB",
                     DOCUMENT_MAX_SIZE >> 20);
        return -1;
    }
    /* RFC 8259 section 8.1 forbids writing one. jansson says "invalid token near" nothing that can be seen. */
    if (json->len >= 3 && memcmp(json->text, "\xef\xbb\xbf", 3) == 0) {
        problems_add(problems, PROBLEM_ERROR, json->name, 1, 1, "",
                     "the file begins with a byte order mark; save it as UTF-8 without one");
        return -1;
    }
    blank_out(json);
    json_error_t error;
    /*
     * Without JSON_REJECT_DUPLICATES: jansson would stop at the first and tell no place; check_duplicate() finds all.
     */
    json->root = json_loadb((const char *)json->text, json->len, 0, &error);
    if (json->root == NULL) {
        syntax_problem(json, problems, &error);
        return -1;
    }
    return 0;
}

struct document *document_parse(const char *name, struct bytes text, struct problems *problems)
{
    struct document *json = expect_calloc(1, sizeof *json);
    json->name = expect_strdup(name);
    json->hint = expect_calloc(1, sizeof *json->hint);
    json->len = text.len;
    size_t copied = text.len > DOCUMENT_MAX_SIZE ? 0 : text.len;
    json->given = expect_calloc(1, copied + 1);
    json->text = expect_calloc(1, copied + 1);
    if (copied > 0) {
        memcpy(json->given, text.ptr, copied);
        memcpy(json->text, text.ptr, copied);
    }
    size_t errors = problems_errors(problems);
    if (parse_values(json, problems) == 0) {
        struct pass pass = {.json = json, .problems = problems};
        skip_blanks(&pass);
        pass_value(&pass, NO_KEY, NULL);
    }
    if (problems_errors(problems) > errors) {
        document_free(&json);
    }
    return json;
}

void document_free(struct document **json)
{
    if (*json == NULL) {
        return;
    }
    json_decref((*json)->root);
    free((*json)->nodes);
    free((*json)->text);
    free((*json)->given);
    free((*json)->name);
    free((*json)->hint);
    free(*json);
    *json = NULL;
}

const char *document_name(const struct document *json)
{
    return json->name;
}

json_t *document_root(const struct document *json)
{
    return json->root;
}

/* One reference token of a pointer (RFC 6901) with ~0 and ~1 resolved. */
static void unescape_token(struct bytes token, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] == '~' && i + 1 < token.len && (token.ptr[i + 1] == '0' || token.ptr[i + 1] == '1')) {
            buf_append_octet(out, token.ptr[++i] == '0' ? '~' : '/');
        } else {
            buf_append_octet(out, token.ptr[i]);
        }
    }
}

static bool key_is(const struct document *json, const struct node *node, struct bytes wanted)
{
    size_t start = (size_t)node->key + 1, end = start;
    bool escaped = false;
    while (json->text[end] != '"') {
        escaped = escaped || json->text[end] == '\\';
        end += json->text[end] == '\\' ? 2 : 1;
    }
    if (!escaped) {
        return bytes_equal(bytes_at(json->text + start, end - start), wanted);
    }
    json_t *key = decode_key(json, node->key, end + 1 - node->key);
    bool is = bytes_equal(bytes_at(json_string_value(key), json_string_length(key)), wanted);
    json_decref(key);
    return is;
}

/* Item `index` of a list, or NULL. */
static const struct node *item_of(const struct document *json, const struct node *parent, uint64_t index)
{
    struct hint *hint = json->hint;
    struct hint small = {.parent = NULL};
    if (parent->next - (size_t)(parent - json->nodes) < SMALL_LIST) {
        hint = &small; /* not worth the hint of a large list */
    }
    /*
     * Rules are asked for one after the other: from the beginning each time, ten thousand would take fifty million
     * steps.
     */
    if (hint->parent != parent || hint->index > index) {
        hint->parent = parent;
        hint->index = 0;
        hint->child = (size_t)(parent - json->nodes) + 1;
    }
    while (hint->child < parent->next && hint->index < index) {
        hint->child = json->nodes[hint->child].next;
        hint->index++;
    }
    return hint->child < parent->next ? &json->nodes[hint->child] : NULL;
}

/* The child that the token names, or NULL. */
static const struct node *child_of(const struct document *json, const struct node *parent, struct bytes token)
{
    uint64_t index;
    size_t first = (size_t)(parent - json->nodes) + 1;
    if (first < parent->next && json->nodes[first].key == NO_KEY) {
        return bytes_to_u64(token, &index) ? item_of(json, parent, index) : NULL;
    }
    for (size_t i = first; i < parent->next; i = json->nodes[i].next) {
        if (key_is(json, &json->nodes[i], token)) {
            return &json->nodes[i];
        }
    }
    return NULL;
}

/* The node of the pointer, or of its nearest parent that exists. */
static const struct node *node_of(const struct document *json, const char *pointer)
{
    const struct node *node = &json->nodes[0];
    struct bytes rest = bytes_of(pointer[0] == '/' ? pointer + 1 : "");
    struct buf token;
    buf_init(&token, POINTER_MAX);
    while (pointer[0] == '/' && rest.ptr != NULL) {
        unescape_token(bytes_cut(&rest, '/'), &token);
        const struct node *child = child_of(json, node, buf_bytes(&token));
        if (child == NULL) {
            break;
        }
        node = child;
    }
    buf_done(&token);
    return node;
}

void document_place(const struct document *json, const char *pointer, size_t *line_r, size_t *column_r)
{
    place_of_offset(json, node_of(json, pointer)->value, line_r, column_r);
}

void document_key_place(const struct document *json, const char *pointer, size_t *line_r, size_t *column_r)
{
    const struct node *node = node_of(json, pointer);
    place_of_offset(json, node->key == NO_KEY ? node->value : node->key, line_r, column_r);
}

void document_problem(const struct document *json, struct problems *problems, enum problem_severity severity,
                      const char *pointer, const char *format, ...)
{
    char text[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t line, column;
    document_place(json, pointer, &line, &column);
    problems_add(problems, severity, json->name, line, column, pointer, "%s", text);
}

static bool is_known_key(const char *key, const char *const *known)
{
    /* Allowed in every object: editors look for the first, and the second is a comment that tools keep. */
    if (strcmp(key, "$schema") == 0 || strcmp(key, "description") == 0) {
        return true;
    }
    for (; *known != NULL; known++) {
        if (strcmp(key, *known) == 0) {
            return true;
        }
    }
    return false;
}

static void unknown_key(const struct document *json, struct problems *problems, const char *pointer, const char *key,
                        const char *const *known)
{
    struct buf full;
    buf_init(&full, POINTER_MAX);
    buf_append_text(&full, pointer);
    buf_append_text(&full, "/");
    append_escaped(&full, bytes_of(key));
    size_t line, column;
    document_key_place(json, buf_text(&full), &line, &column);
    /* One of the two: a list of thirty keys hides the one that was meant. */
    const char *nearest = nearest_word(key, known);
    if (nearest != NULL) {
        problems_add(problems, PROBLEM_ERROR, json->name, line, column, buf_text(&full),
                     "unknown key \"%s\"; did you mean \"%s\"?", key, nearest);
    } else {
        struct buf list;
        buf_init(&list, 1500);
        for (size_t i = 0; known[i] != NULL; i++) {
            buf_printf(&list, "%s\"%s\"", i == 0 ? "" : ", ", known[i]);
        }
        problems_add(problems, PROBLEM_ERROR, json->name, line, column, buf_text(&full),
                     "unknown key \"%s\"; known here: %s", key, buf_text(&list));
        buf_done(&list);
    }
    buf_done(&full);
}

size_t document_unknown_keys(const struct document *json, struct problems *problems, const char *pointer,
                             json_t *object, const char *const *known)
{
    size_t unknown = 0;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (!is_known_key(key, known)) {
            unknown_key(json, problems, pointer, key, known);
            unknown++;
        }
    }
    return unknown;
}

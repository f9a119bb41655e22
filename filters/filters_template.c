/*
 * filters_template - see filters_template.h.
 */
#include "filters/filters_template.h"

#include <string.h>

#include "base/expect.h"
#include "filters/filters.h"
#include "filters/filters_text.h"

#define PIECES_MAX 64

struct piece {
    bool is_value;
    struct bytes literal;
    struct filters_reference reference;
};

struct filters_template {
    const char *text;
    struct piece *pieces;
    size_t count;
};

struct compiler {
    struct arena *arena;
    const struct filters_resolver *resolver;
    struct buf *error;
    struct piece pieces[PIECES_MAX];
    size_t count;
};

static int add_piece(struct compiler *compiler, struct piece piece)
{
    if (compiler->count == PIECES_MAX) {
        buf_printf(compiler->error, "the template has more than %d parts", PIECES_MAX);
        return -1;
    }
    compiler->pieces[compiler->count++] = piece;
    return 0;
}

static int add_literal(struct compiler *compiler, struct bytes text)
{
    if (text.len == 0) {
        return 0;
    }
    char *copy = expect_memory(arena_copy(compiler->arena, text));
    return add_piece(compiler, (struct piece){.literal = bytes_at(copy, text.len)});
}

/* Takes what stands before the next `end` off the head of *rest; the octet inside '...' does not count. *found_r:
 * whether there was one. */
static struct bytes cut_outside_quotes(struct bytes *rest, uint8_t end, bool *found_r)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < rest->len && (quoted || rest->ptr[i] != end); i++) {
        quoted = rest->ptr[i] == '\'' ? !quoted : quoted;
    }
    struct bytes before = bytes_slice(*rest, 0, i);
    *found_r = i < rest->len;
    *rest = bytes_from(*rest, *found_r ? i + 1 : i);
    return before;
}

/* What stands between "${" and "}": what it means is the resolver's. */
static int add_value(struct compiler *compiler, struct bytes inside)
{
    if (bytes_trim(inside).len == 0) {
        buf_append_text(compiler->error, "${} names nothing");
        return -1;
    }
    struct piece piece = {.is_value = true};
    if (compiler->resolver->resolve(compiler->resolver->ctx, inside, &piece.reference, compiler->error) < 0) {
        return -1;
    }
    return add_piece(compiler, piece);
}

/* Takes one literal and the value behind it off the head of *rest. */
static int compile_next(struct compiler *compiler, struct bytes *rest)
{
    ptrdiff_t at = bytes_find(*rest, bytes_of("${"));
    if (at < 0) {
        int result = add_literal(compiler, *rest);
        *rest = bytes_at(NULL, 0);
        return result;
    }
    if (at > 0 && rest->ptr[at - 1] == '$') {
        int result = add_literal(compiler, bytes_slice(*rest, 0, (size_t)at - 1));
        *rest = bytes_from(*rest, (size_t)at + 2);
        return result == 0 ? add_literal(compiler, bytes_of("${")) : result;
    }
    if (add_literal(compiler, bytes_slice(*rest, 0, (size_t)at)) < 0) {
        return -1;
    }
    *rest = bytes_from(*rest, (size_t)at + 2);
    bool closed;
    struct bytes inside = cut_outside_quotes(rest, '}', &closed);
    if (!closed) {
        buf_append_text(compiler->error, "\"${\" without its \"}\"; write \"$${\" for the characters themselves");
        return -1;
    }
    return add_value(compiler, inside);
}

struct filters_template *filters_template_new(struct arena *arena, const char *text,
                                              const struct filters_resolver *resolver, struct buf *error)
{
    struct compiler compiler = {.arena = arena, .resolver = resolver, .error = error};
    struct bytes rest = bytes_of(text);
    while (rest.len > 0) {
        if (compile_next(&compiler, &rest) < 0) {
            return NULL;
        }
    }
    struct filters_template *template = expect_memory(arena_alloc(arena, sizeof *template));
    template->text = expect_memory(arena_text(arena, text));
    template->count = compiler.count;
    template->pieces = expect_memory(arena_array(arena, compiler.count, sizeof *template->pieces));
    memcpy(template->pieces, compiler.pieces, compiler.count * sizeof *template->pieces);
    return template;
}

const char *filters_template_text(const struct filters_template *template)
{
    return template->text;
}

bool filters_template_is_constant(const struct filters_template *template)
{
    for (size_t i = 0; i < template->count; i++) {
        if (template->pieces[i].is_value) {
            return false;
        }
    }
    return true;
}

const char *filters_template_empty_level(const struct filters_template *template)
{
    const char *name = NULL; /* of a value in this level that may be empty */
    bool full = false;       /* the level has something that is never empty */
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        if (piece->is_value) {
            full = full || !piece->reference.may_be_empty;
            name = piece->reference.may_be_empty ? piece->reference.name : name;
            continue;
        }
        for (size_t j = 0; j < piece->literal.len; j++) {
            if (piece->literal.ptr[j] != '/') {
                full = true;
            } else if (name != NULL && !full) {
                return name;
            } else {
                name = NULL;
                full = false;
            }
        }
    }
    return full ? NULL : name;
}

typedef void put_fn(struct bytes value, struct buf *out);

static void put_line(struct bytes value, struct buf *out)
{
    value = filters_text_cut(value, FILTERS_LINE_VALUE_MAX);
    while (value.len > 0) {
        uint32_t character;
        value = bytes_from(value, filters_text_next(value, &character));
        filters_text_append(out, filters_text_is_control(character) ? ' ' : character);
    }
}

static bool holds(const char *characters, uint32_t wanted)
{
    struct bytes rest = bytes_of(characters);
    while (rest.len > 0) {
        uint32_t character;
        rest = bytes_from(rest, filters_text_next(rest, &character));
        if (character == wanted) {
            return true;
        }
    }
    return false;
}

/* What stands behind `start` loses the characters that the server does not take. It never becomes longer. */
static void make_fit(const struct filters_naming *naming, size_t start, struct buf *out)
{
    uint8_t *into = out->storage + out->start + start;
    struct bytes rest = bytes_from(buf_bytes(out), start);
    size_t len = 0;
    while (rest.len > 0) {
        uint32_t character;
        size_t octets = filters_text_next(rest, &character);
        if (!holds(naming->forbidden, character)) {
            memmove(into + len, rest.ptr, octets);
            len += octets;
        } else if (naming->replacement != '\0') {
            into[len++] = (uint8_t)naming->replacement;
        }
        rest = bytes_from(rest, octets);
    }
    buf_truncate(out, start + len);
}

void filters_naming_fit(const struct filters_naming *naming, struct buf *text)
{
    if (naming->forbidden != NULL) {
        make_fit(naming, 0, text);
    }
}

static void put_level(const struct piece *piece, const struct filters_filler *filler, struct buf *out)
{
    size_t start = out->len;
    filters_text_level(filler->value(filler->ctx, &piece->reference), FILTERS_FOLDER_VALUE_MAX, out);
    for (size_t i = 0; i < filler->naming_count && out->len > start; i++) {
        if (filler->namings[i].forbidden != NULL) {
            make_fit(&filler->namings[i], start, out);
        }
    }
}

static void put_keyword(struct bytes value, struct buf *out)
{
    for (size_t i = 0; i < value.len && out->len < FILTERS_KEYWORD_MAX; i++) {
        uint8_t octet = value.ptr[i];
        bool keeps = octet_is_alpha(octet) || octet_is_digit(octet) || octet == '.' || octet == '_' || octet == '-';
        buf_append_octet(out, keeps ? octet : '_');
    }
}

static void put_piece(const struct piece *piece, const struct filters_filler *filler, put_fn *put, struct buf *out)
{
    put(filler->value(filler->ctx, &piece->reference), out);
}

void filters_template_line(const struct filters_template *template, const struct filters_filler *filler,
                           struct buf *out)
{
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        if (piece->is_value) {
            put_piece(piece, filler, put_line, out);
        } else {
            buf_append_bytes(out, piece->literal);
        }
    }
}

void filters_template_keyword(const struct filters_template *template, const struct filters_filler *filler,
                              struct buf *out)
{
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        if (piece->is_value) {
            put_piece(piece, filler, put_keyword, out);
        } else {
            buf_append_bytes(out, bytes_slice(piece->literal, 0, FILTERS_KEYWORD_MAX - out->len));
        }
    }
}

size_t filters_template_folder_max(const struct filters_template *template)
{
    size_t max = 0;
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        size_t most = piece->reference.most == 0 ? FILTERS_FOLDER_VALUE_MAX : piece->reference.most;
        max += piece->is_value ? most : piece->literal.len;
    }
    return max;
}

/* Ends the level that began at `start`: blanks at its ends go, and it is never empty, "." or "..". */
static void end_level(struct buf *out, size_t start)
{
    struct bytes level = bytes_from(buf_bytes(out), start);
    struct bytes trimmed = bytes_trim(level);
    if (trimmed.len > 0 && trimmed.ptr != level.ptr) {
        memmove(out->storage + out->start + start, trimmed.ptr, trimmed.len);
    }
    buf_truncate(out, start + trimmed.len);
    level = bytes_from(buf_bytes(out), start);
    if (level.len == 0 || bytes_is(level, ".") || bytes_is(level, "..")) {
        buf_truncate(out, start);
        buf_append_text(out, "_");
    }
}

/* Appends a literal; *level is where the level that is being written began. */
static void put_levels(struct bytes literal, struct buf *out, size_t *level)
{
    while (literal.len > 0) {
        bool slash = bytes_find_octet(literal, '/') >= 0;
        buf_append_bytes(out, bytes_cut(&literal, '/'));
        if (slash) {
            end_level(out, *level);
            buf_append_text(out, "/");
            *level = out->len;
        }
    }
}

void filters_template_folder(const struct filters_template *template, const struct filters_filler *filler,
                             struct buf *out)
{
    size_t start = out->len, level = start;
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        if (piece->is_value) {
            put_level(piece, filler, out);
        } else {
            put_levels(piece->literal, out, &level);
        }
    }
    end_level(out, level);
    bool filled = template->count > 0 && template->pieces[0].is_value;
    uint8_t first = out->len > start ? buf_bytes(out).ptr[start] : '\0';
    if ((first == '\\' && !filters_template_is_constant(template)) || (filled && (first == '~' || first == '#'))) {
        out->storage[out->start + start] = '_'; /* what is filled in names no use, no home and no namespace */
    }
}

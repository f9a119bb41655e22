/*
 * filters_template - see filters_template.h.
 */
#include "filters/filters_template.h"

#include <string.h>

#include "base/expect.h"
#include "filters/filters_pattern.h"
#include "filters/filters_text.h"

struct piece {
    bool is_value;
    struct bytes literal;
    const char *name; /* of a group; NULL: by number */
    unsigned number;
};

struct filters_template {
    struct piece *pieces;
    size_t count;
};

#define PIECES_MAX 64

struct compiler {
    struct arena *arena;
    const struct filters_names *names;
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

static int add_number(struct compiler *compiler, uint64_t number)
{
    for (size_t i = 0; i < compiler->names->pattern_count; i++) {
        if (number <= filters_pattern_groups(compiler->names->patterns[i])) {
            return add_piece(compiler, (struct piece){.is_value = true, .number = (unsigned)number});
        }
    }
    buf_printf(compiler->error, "${%llu}: no pattern of this rule has a group %llu", (unsigned long long)number,
               (unsigned long long)number);
    return -1;
}

static int add_name(struct compiler *compiler, struct bytes name)
{
    char *copy = expect_memory(arena_copy(compiler->arena, name));
    for (size_t i = 0; i < compiler->names->pattern_count; i++) {
        if (filters_pattern_group(compiler->names->patterns[i], copy) > 0) {
            return add_piece(compiler, (struct piece){.is_value = true, .name = copy});
        }
    }
    buf_printf(compiler->error, "${%s}: no pattern of this rule has a group of that name", copy);
    return -1;
}

/* What stands between "${" and "}". */
static int add_value(struct compiler *compiler, struct bytes inside)
{
    inside = bytes_trim(inside);
    uint64_t number;
    if (bytes_to_u64(inside, &number)) {
        return add_number(compiler, number);
    }
    if (inside.len == 0) {
        buf_append_text(compiler->error, "${} names nothing");
        return -1;
    }
    return add_name(compiler, inside);
}

/* Takes one literal or one value off the head of *rest. */
static int compile_next(struct compiler *compiler, struct bytes *rest)
{
    ptrdiff_t at = bytes_find(*rest, bytes_of("${"));
    if (at < 0) {
        int result = add_literal(compiler, *rest);
        *rest = bytes_at(NULL, 0);
        return result;
    }
    if (at > 0 && rest->ptr[at - 1] == '$') { /* "$${" stands for "${" */
        int result = add_literal(compiler, bytes_slice(*rest, 0, (size_t)at - 1));
        *rest = bytes_from(*rest, (size_t)at + 2);
        return result == 0 ? add_literal(compiler, bytes_of("${")) : result;
    }
    if (add_literal(compiler, bytes_slice(*rest, 0, (size_t)at)) < 0) {
        return -1;
    }
    struct bytes inside = bytes_from(*rest, (size_t)at + 2);
    ptrdiff_t end = bytes_find_octet(inside, '}');
    if (end < 0) {
        buf_append_text(compiler->error, "\"${\" without its \"}\"; write \"$${\" for the characters themselves");
        return -1;
    }
    *rest = bytes_from(inside, (size_t)end + 1);
    return add_value(compiler, bytes_slice(inside, 0, (size_t)end));
}

struct filters_template *filters_template_new(struct arena *arena, const char *text, const struct filters_names *names,
                                              struct buf *error)
{
    struct compiler compiler = {.arena = arena, .names = names, .error = error};
    struct bytes rest = bytes_of(text);
    while (rest.len > 0) {
        if (compile_next(&compiler, &rest) < 0) {
            return NULL;
        }
    }
    struct filters_template *template = expect_memory(arena_alloc(arena, sizeof *template));
    template->count = compiler.count;
    template->pieces = expect_memory(arena_array(arena, compiler.count, sizeof *template->pieces));
    memcpy(template->pieces, compiler.pieces, compiler.count * sizeof *template->pieces);
    return template;
}

static struct bytes group_of(const struct filters_capture *capture, unsigned group)
{
    if (capture->groups[2 * group] == SIZE_MAX) {
        return bytes_at(NULL, 0);
    }
    return bytes_slice(capture->text, capture->groups[2 * group],
                       capture->groups[2 * group + 1] - capture->groups[2 * group]);
}

/* The newest match that has the group gives the value. */
static struct bytes value_of(const struct piece *piece, const struct filters_values *values)
{
    for (size_t i = values->capture_count; i > 0; i--) {
        const struct filters_capture *capture = &values->captures[i - 1];
        if (piece->name == NULL && piece->number <= filters_pattern_groups(capture->pattern)) {
            return group_of(capture, piece->number);
        }
        int group = piece->name == NULL ? -1 : filters_pattern_group(capture->pattern, piece->name);
        if (group > 0) {
            return group_of(capture, (unsigned)group);
        }
    }
    return bytes_at(NULL, 0);
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

size_t filters_template_folder_max(const struct filters_template *template)
{
    size_t max = 0;
    for (size_t i = 0; i < template->count; i++) {
        max += template->pieces[i].is_value ? FILTERS_FOLDER_VALUE_MAX : template->pieces[i].literal.len;
    }
    return max;
}

void filters_template_folder(const struct filters_template *template, const struct filters_values *values, struct buf *out)
{
    size_t level = out->len;
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        if (piece->is_value) {
            filters_text_level(value_of(piece, values), FILTERS_FOLDER_VALUE_MAX, out);
            continue;
        }
        struct bytes rest = piece->literal;
        while (rest.len > 0) {
            bool slash = bytes_find_octet(rest, '/') >= 0;
            buf_append_bytes(out, bytes_cut(&rest, '/'));
            if (slash) {
                end_level(out, level);
                buf_append_text(out, "/");
                level = out->len;
            }
        }
    }
    end_level(out, level);
}

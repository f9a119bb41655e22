/*
 * problems - what is wrong in files that operators write, kept in order of file and place; see problems.h.
 *
 * Texts quote what the file says; what moves a terminal, and what is no UTF-8, becomes '?', so that it shows text only.
 * Beyond PROBLEMS_MAX problems are counted and not kept.
 */
#include "document/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/expect.h"

#define TEXT_MAX 2000

struct problems {
    struct arena *arena;
    struct problem kept[PROBLEMS_MAX];
    size_t count;
    size_t errors; /* kept or not */
    size_t dropped;
    bool wants_advice;
};

struct problems *problems_new(void)
{
    struct problems *problems = expect_calloc(1, sizeof *problems);
    problems->arena = arena_new((size_t)PROBLEMS_MAX * (TEXT_MAX * 4));
    return problems;
}

void problems_want_advice(struct problems *problems)
{
    problems->wants_advice = true;
}

void problems_free(struct problems **problems)
{
    if (*problems == NULL) {
        return;
    }
    arena_free(&(*problems)->arena);
    free(*problems);
    *problems = NULL;
}

size_t problems_count(const struct problems *problems)
{
    return problems->count;
}

size_t problems_errors(const struct problems *problems)
{
    return problems->errors;
}

const struct problem *problems_at(const struct problems *problems, size_t index)
{
    return index < problems->count ? &problems->kept[index] : NULL;
}

/* Octets of the character at the head, if a terminal may be shown it; else 0. */
static size_t shown(struct bytes text)
{
    bool moves = text.ptr[0] < 0x20 || text.ptr[0] == 0x7f || bytes_unprintable(text) > 0;
    return moves ? 0 : bytes_utf8_length(text);
}

/* A bounded copy, UTF-8 that is fit for a terminal. */
static const char *printable(struct problems *problems, const char *text)
{
    /*
     * Problems quote files, and the API takes files from afar: an escape sequence in a name must not reach a terminal.
     */
    struct bytes rest = bytes_at(text, strnlen(text, TEXT_MAX));
    char *copy = expect_memory(arena_alloc(problems->arena, rest.len + 1)), *end = copy;
    while (rest.len > 0) {
        size_t len = shown(rest);
        memcpy(end, len > 0 ? (const void *)rest.ptr : "?", len > 0 ? len : 1);
        end += len > 0 ? len : 1;
        rest = bytes_from(rest, len > 0 ? len : 1);
    }
    *end = '\0';
    return copy;
}

static int compare_places(const struct problem *a, const struct problem *b)
{
    int by_file = strcmp(a->file, b->file);
    if (by_file != 0) {
        return by_file;
    }
    if (a->line != b->line) {
        return a->line < b->line ? -1 : 1;
    }
    return a->column == b->column ? 0 : a->column < b->column ? -1 : 1;
}

static void insert_problem(struct problems *problems, struct problem problem)
{
    /* Kept in order as they come, for they come by subject (listeners, upstreams, rules) and are read by line. */
    size_t at = problems->count++;
    for (; at > 0 && compare_places(&problem, &problems->kept[at - 1]) < 0; at--) {
        problems->kept[at] = problems->kept[at - 1];
    }
    problems->kept[at] = problem;
}

void problems_add(struct problems *problems, enum problem_severity severity, const char *file, size_t line,
                  size_t column, const char *pointer, const char *format, ...)
{
    if (severity == PROBLEM_ADVICE && !problems->wants_advice) {
        return;
    }
    problems->errors += severity == PROBLEM_ERROR;
    /* One bracket can make thousands; those that are kept tell of it, and the count says that there were more. */
    if (problems->count == PROBLEMS_MAX) {
        problems->dropped++;
        return;
    }
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    insert_problem(problems, (struct problem){.severity = severity == PROBLEM_ERROR ? PROBLEM_ERROR : PROBLEM_WARNING,
                                              .file = printable(problems, file == NULL ? "" : file),
                                              .line = line,
                                              .column = column,
                                              .pointer = printable(problems, pointer == NULL ? "" : pointer),
                                              .text = printable(problems, text)});
}

static void print_one(const struct problem *problem, struct buf *out)
{
    buf_append_text(out, problem->file);
    if (problem->line > 0) {
        buf_printf(out, ":%zu:%zu", problem->line, problem->column);
    }
    buf_printf(out, ": %s: %s", problem->severity == PROBLEM_ERROR ? "error" : "warning", problem->text);
    if (problem->pointer[0] != '\0') {
        buf_printf(out, " (at %s)", problem->pointer);
    }
    buf_append_text(out, "\n");
}

void problems_print(const struct problems *problems, struct buf *out)
{
    for (size_t i = 0; i < problems->count; i++) {
        print_one(&problems->kept[i], out);
    }
    if (problems->dropped > 0) {
        buf_printf(out, "... and %zu more\n", problems->dropped);
    }
}

void problems_print_errors(const struct problems *problems, struct buf *out)
{
    for (size_t i = 0; i < problems->count; i++) {
        if (problems->kept[i].severity == PROBLEM_ERROR) {
            print_one(&problems->kept[i], out);
        }
    }
}

json_t *problems_to_json(const struct problems *problems)
{
    json_t *list = json_array();
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->kept[i];
        const char *severity = problem->severity == PROBLEM_ERROR ? "error" : "warning";
        json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I,s:s,s:s}", "severity", severity, "file", problem->file,
                                              "line", (json_int_t)problem->line, "column", (json_int_t)problem->column,
                                              "pointer", problem->pointer, "text", problem->text));
    }
    return list;
}

/*
 * filters_problems - what is wrong in files that operators write, kept in order of file and place; see filters.h.
 *
 * Texts quote what the file says; control characters in them become '?', so that a terminal shows text only. Beyond
 * FILTERS_PROBLEMS_MAX problems are counted and not kept.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/log.h"
#include "filters/filters.h"

#define TEXT_MAX 2000

struct filters_problems {
    struct arena *arena;
    struct filters_problem kept[FILTERS_PROBLEMS_MAX];
    size_t count;
    size_t errors; /* kept or not */
    size_t dropped;
};

struct filters_problems *filters_problems_new(void)
{
    struct filters_problems *problems = expect_calloc(1, sizeof *problems);
    problems->arena = arena_new((size_t)FILTERS_PROBLEMS_MAX * (TEXT_MAX * 4));
    return problems;
}

void filters_problems_free(struct filters_problems **problems)
{
    if (*problems == NULL) {
        return;
    }
    arena_free(&(*problems)->arena);
    free(*problems);
    *problems = NULL;
}

size_t filters_problems_count(const struct filters_problems *problems)
{
    return problems->count;
}

size_t filters_problems_errors(const struct filters_problems *problems)
{
    return problems->errors;
}

const struct filters_problem *filters_problems_at(const struct filters_problems *problems, size_t index)
{
    return index < problems->count ? &problems->kept[index] : NULL;
}

/* A bounded copy that is fit for a terminal. */
static const char *printable(struct filters_problems *problems, const char *text)
{
    char *copy = expect_memory(arena_copy(problems->arena, bytes_at(text, strnlen(text, TEXT_MAX))));
    for (char *c = copy; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    return copy;
}

static int compare(const struct filters_problem *a, const struct filters_problem *b)
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

static void insert(struct filters_problems *problems, struct filters_problem problem)
{
    size_t at = problems->count++;
    for (; at > 0 && compare(&problem, &problems->kept[at - 1]) < 0; at--) {
        problems->kept[at] = problems->kept[at - 1];
    }
    problems->kept[at] = problem;
}

void filters_problems_add(struct filters_problems *problems, int severity, const char *file, size_t line, size_t column,
                          const char *pointer, const char *format, ...)
{
    problems->errors += severity == FILTERS_ERROR;
    if (problems->count == FILTERS_PROBLEMS_MAX) {
        problems->dropped++;
        return;
    }
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    insert(problems, (struct filters_problem){.severity = severity == FILTERS_ERROR ? FILTERS_ERROR : FILTERS_WARNING,
                                              .file = printable(problems, file == NULL ? "" : file),
                                              .line = line,
                                              .column = column,
                                              .pointer = printable(problems, pointer == NULL ? "" : pointer),
                                              .text = printable(problems, text)});
}

static void print_one(const struct filters_problem *problem, struct buf *out)
{
    buf_append_text(out, problem->file);
    if (problem->line > 0) {
        buf_printf(out, ":%zu:%zu", problem->line, problem->column);
    }
    buf_printf(out, ": %s: %s", problem->severity == FILTERS_ERROR ? "error" : "warning", problem->text);
    if (problem->pointer[0] != '\0') {
        buf_printf(out, " (at %s)", problem->pointer);
    }
    buf_append_text(out, "\n");
}

void filters_problems_print(const struct filters_problems *problems, struct buf *out)
{
    for (size_t i = 0; i < problems->count; i++) {
        print_one(&problems->kept[i], out);
    }
    if (problems->dropped > 0) {
        buf_printf(out, "... and %zu more\n", problems->dropped);
    }
}

static void json_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":\"", name);
    log_json_escape(out, bytes_of(text));
    buf_append_text(out, "\"");
}

void filters_problems_json(const struct filters_problems *problems, struct buf *out)
{
    buf_append_text(out, "[");
    for (size_t i = 0; i < problems->count; i++) {
        const struct filters_problem *problem = &problems->kept[i];
        buf_append_text(out, i == 0 ? "{" : ",{");
        json_text(out, "severity", problem->severity == FILTERS_ERROR ? "error" : "warning");
        buf_append_text(out, ",");
        json_text(out, "file", problem->file);
        buf_printf(out, ",\"line\":%zu,\"column\":%zu,", problem->line, problem->column);
        json_text(out, "pointer", problem->pointer);
        buf_append_text(out, ",");
        json_text(out, "text", problem->text);
        buf_append_text(out, "}");
    }
    buf_append_text(out, "]");
}

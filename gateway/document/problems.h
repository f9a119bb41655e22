/*
 * problems - what is wrong in files that operators write, kept in order of file and place.
 *
 * Used for the configuration, rule files and the users' file alike: everything wrong is told at once, each with its
 * place.
 */
#ifndef MAILWEIR_DOCUMENT_PROBLEMS_H
#define MAILWEIR_DOCUMENT_PROBLEMS_H

#include <jansson.h>

#include "base/buf.h"
#include "base/must_use.h"

enum problem_severity { PROBLEM_ERROR, PROBLEM_WARNING, PROBLEM_ADVICE };

struct problem {
    enum problem_severity severity; /* an advice that is kept is a warning */
    const char *file;
    size_t line, column; /* from 1; 0 when the place is the whole file */
    const char *pointer; /* JSON pointer (RFC 6901) */
    const char *text;    /* what is wrong, and what would be right */
};

/* More problems than this are counted, not kept. */
#define PROBLEMS_MAX 1000

struct problems;
MUST_USE struct problems *problems_new(void);
void problems_free(struct problems **problems);
/* Keeps advice, too: what works, and would be better otherwise. For whoever asks whether a file is good. */
void problems_want_advice(struct problems *problems);
/* Those kept; index 0 is the first in order of file and place. */
size_t problems_count(const struct problems *problems);
size_t problems_errors(const struct problems *problems);
const struct problem *problems_at(const struct problems *problems, size_t index);
void problems_add(struct problems *problems, enum problem_severity severity, const char *file, size_t line,
                  size_t column, const char *pointer, const char *format, ...) __attribute__((format(printf, 7, 8)));
/* "file:line:column: error: text (at /rules/0/if)\n" for each, in order of file and place. */
void problems_print(const struct problems *problems, struct buf *out);
/* The errors of them only, for a command that is not about the files. */
void problems_print_errors(const struct problems *problems, struct buf *out);
/* Those kept as an array of objects: severity, file, line, column, pointer, text. The caller's. */
MUST_USE json_t *problems_to_json(const struct problems *problems);

#endif

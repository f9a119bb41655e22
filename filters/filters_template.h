/*
 * filters_template - texts with ${...} in them: compiled at load, filled in once per use.
 *
 *   ${...}      a value: what stands inside is a formula (filters_formula.h), not known here
 *   $${         the characters "${"
 *
 * What is filled in is data: it is never read as a template again, and it is bounded.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_TEMPLATE_H
#define MAILWEIR_FILTERS_FILTERS_TEMPLATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/must_use.h"

struct filters_template;

/* A name after it was looked up; its meaning belongs to whoever resolves names. */
struct filters_reference {
    int kind;
    unsigned number;
    const void *what;
    const char *name;
    bool may_be_empty;
    unsigned most; /* octets that it can have; 0: not known */
};

struct filters_resolver {
    /* At load: what stands between "${" and "}" means. -1, with what is wrong appended to error. */
    int (*resolve)(void *ctx, struct bytes inside, struct filters_reference *reference_r, struct buf *error);
    void *ctx;
};

struct filters_naming;
struct filters_filler {
    /* In use: the value, valid UTF-8; empty when there is none. */
    struct bytes (*value)(void *ctx, const struct filters_reference *reference);
    void *ctx;
    const struct filters_naming
        *namings; /* of a folder: what is filled in is made fit by them, one after the other; or NULL */
    size_t naming_count;
};

/* NULL, with what is wrong appended to error. */
MUST_USE struct filters_template *filters_template_new(struct arena *arena, const char *text,
                                                       const struct filters_resolver *resolver, struct buf *error);
const char *filters_template_text(const struct filters_template *template);
/* Whether there is nothing to fill in. */
bool filters_template_is_constant(const struct filters_template *template);
/* The name of a value that may be empty where a whole folder level hangs on it; NULL when there is none. */
const char *filters_template_empty_level(const struct filters_template *template);

/* Octets that one ${...} brings in, at most. */
#define FILTERS_LINE_VALUE_MAX 900u
/* Appends one line: control characters become blanks. */
void filters_template_line(const struct filters_template *template, const struct filters_filler *filler,
                           struct buf *out);

/* Octets of a folder's name in all, and of what one ${...} brings in. */
#define FILTERS_FOLDER_MAX       480u
#define FILTERS_FOLDER_VALUE_MAX 96u
/* The most octets that the folder's name can have. */
size_t filters_template_folder_max(const struct filters_template *template);
/*
 * Appends a folder's name. Levels come from the template's own "/" only; in what is filled in, "/", "*", "%" and
 * control characters become
 * "_", and a level can be neither empty nor "." nor "..": it becomes "_". Only a template without values gives a folder
 * that is named by its use ("\Junk"): else what is filled in has no backslash, "~" or "#" in front, which would name a
 * use, somebody's home or a namespace (RFC 9051 section 5.1.2.1).
 */
void filters_template_folder(const struct filters_template *template, const struct filters_filler *filler,
                             struct buf *out);

/* Appends an IMAP keyword: what is filled in has only letters, digits, ".", "_" and "-"; anything else becomes "_". */
#define FILTERS_KEYWORD_MAX 64u
void filters_template_keyword(const struct filters_template *template, const struct filters_filler *filler,
                              struct buf *out);

#endif

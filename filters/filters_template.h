/*
 * filters_template - texts with ${...} in them, compiled at load and filled in once per use.
 *
 *   ${name}  ${1}  ${0}    what a group of a pattern of the same rule captured; ${0} is the whole match
 *   $${                    a literal "${"
 *
 * What is filled in is data: it is never read as a template again.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_TEMPLATE_H
#define MAILWEIR_FILTERS_FILTERS_TEMPLATE_H

#include "base/arena.h"
#include "base/buf.h"

struct filters_pattern;
struct filters_template;

/* One successful match of the rule that is being decided; the newest stands last. */
struct filters_capture {
    const struct filters_pattern *pattern;
    struct bytes text;
    const size_t *groups; /* start and end of each group, SIZE_MAX where it took no part */
};

struct filters_values {
    const struct filters_capture *captures;
    size_t capture_count;
};

/* What a template may name when it is compiled. */
struct filters_names {
    const struct filters_pattern *const *patterns;
    size_t pattern_count;
};

/* NULL, with what is wrong appended to error. */
struct filters_template *filters_template_new(struct arena *arena, const char *text, const struct filters_names *names,
                                              struct buf *error);

/* A folder name, "/" between levels: at most this many octets in all and in what one ${...} brings in. */
#define FILTERS_FOLDER_MAX 480u
#define FILTERS_FOLDER_VALUE_MAX 96u
/* The most octets that the folder name can have. */
size_t filters_template_folder_max(const struct filters_template *template);
/*
 * Appends the folder name. Levels come from the template's own "/" only; in what is filled in, "/" and control characters become "_", and
 * a level can be neither empty nor "." nor "..": it becomes "_".
 */
void filters_template_folder(const struct filters_template *template, const struct filters_values *values, struct buf *out);

#endif

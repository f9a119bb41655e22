/*
 * admin_sources - rule texts that a request brings, instead of the files that the gateway has read.
 */
#ifndef MAILWEIR_ADMIN_ADMIN_SOURCES_H
#define MAILWEIR_ADMIN_ADMIN_SOURCES_H

#include "admin/admin_private.h"
#include "base/must_use.h"

/*
 * Reads "rules": the text of one file, or [{"name", "text"}] in the order in which they run. The list is the caller's
 * to free(); its texts are those of the JSON. False after 400 was answered.
 */
MUST_USE bool admin_sources_read(struct admin_request *request, const json_t *rules, struct filters_source **sources_r,
                                 size_t *count_r);

#endif

/*
 * expect - contracts that stay on in production.
 *
 * EXPECT(condition) ends the program when a promise inside our own code is broken: going on would
 * put mail at risk, and what was acknowledged is on the disk. It is never used for what a peer, a disk or an
 * operator can cause; that is a struct fault. (BIND's REQUIRE/ENSURE; plain assert() is not used.)
 */
#ifndef MAILWEIR_BASE_EXPECT_H
#define MAILWEIR_BASE_EXPECT_H

#include <stddef.h>

#include "base/must_use.h"

#define EXPECT(condition) ((condition) ? (void)0 : expect_failed(__FILE__, __LINE__, #condition))

/* Prints the place to standard error and aborts. */
_Noreturn void expect_failed(const char *file, int line, const char *what);
/* Returns memory, or ends the program when it is NULL: for small or bounded allocations. */
void *expect_memory(void *memory);
/* calloc() that ends the program when there is no memory. */
MUST_USE void *expect_calloc(size_t count, size_t size);
/* strdup() that ends the program when there is no memory; NULL gives NULL. */
MUST_USE char *expect_strdup(const char *text);

#endif

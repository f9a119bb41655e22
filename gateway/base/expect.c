/*
 * expect - contracts that stay on in production; see expect.h.
 */
#include "base/expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void expect_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "mailweir: bug: %s:%d: expected %s\n", file, line, what);
    abort();
}

void *expect_memory(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "mailweir: out of memory\n");
        abort();
    }
    return memory;
}

void *expect_calloc(size_t count, size_t size)
{
    return expect_memory(calloc(count, size));
}

char *expect_strdup(const char *text)
{
    return text == NULL ? NULL : expect_memory(strdup(text));
}

/*
 * fuzz_folder - a folder of its own for a target that needs files: below TMPDIR, which whoever runs the target removes
 * afterwards (a target ends by a crash, or by the fuzzer's own exit), else in memory.
 */
#ifndef MAILWEIR_FUZZ_FOLDER_H
#define MAILWEIR_FUZZ_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/expect.h"

/* Room for TMPDIR and a name; a socket's path in it has no more. */
#define FUZZ_FOLDER_MAX 100

/* Makes the folder; path has FUZZ_FOLDER_MAX octets. */
static inline void fuzz_folder_make(char *path, const char *name)
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] == '\0') {
        parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    }
    EXPECT(snprintf(path, FUZZ_FOLDER_MAX, "%s/mailweir-%s-XXXXXX", parent, name) < FUZZ_FOLDER_MAX);
    EXPECT(mkdtemp(path) != NULL);
}

#endif

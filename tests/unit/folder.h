/*
 * folder - a test's folder of files and folders: copied, as a crash or a backup leaves it, and removed.
 */
#ifndef MAILWEIR_TESTS_FOLDER_H
#define MAILWEIR_TESTS_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/expect.h"

#define FOLDER_NAME_MAX 600

static inline bool folder_is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static inline void folder_join(char out[FOLDER_NAME_MAX], const char *path, const char *name)
{
    int len = snprintf(out, FOLDER_NAME_MAX, "%s/%s", path, name);
    EXPECT(len > 0 && len < FOLDER_NAME_MAX);
}

static inline void folder_copy_file(const char *from, const char *to)
{
    char data[1 << 14];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    EXPECT(in != NULL && out != NULL);
    for (size_t got; (got = fread(data, 1, sizeof data, in)) > 0;) {
        EXPECT(fwrite(data, 1, got, out) == got);
    }
    EXPECT(fclose(in) == 0 && fclose(out) == 0);
}

/* With all that lies in it; `to` is not there before. */
static inline void folder_copy(const char *from, const char *to)
{
    DIR *folder = opendir(from);
    EXPECT(folder != NULL && mkdir(to, 0700) == 0);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char old[FOLDER_NAME_MAX], new[FOLDER_NAME_MAX];
        folder_join(old, from, entry->d_name);
        folder_join(new, to, entry->d_name);
        if (folder_is_entry(entry) && entry->d_type == DT_DIR) {
            folder_copy(old, new);
        } else if (folder_is_entry(entry)) {
            folder_copy_file(old, new);
        }
    }
    closedir(folder);
}

/* With all that lies in it; one that is not there is fine. */
static inline void folder_remove(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char name[FOLDER_NAME_MAX];
        folder_join(name, path, entry->d_name);
        if (folder_is_entry(entry) && entry->d_type == DT_DIR) {
            folder_remove(name);
        } else if (folder_is_entry(entry)) {
            unlink(name);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    rmdir(path);
}

#endif

/*
 * config_file - a file of the configuration as text, and the folder that it stands in. See config_private.h.
 */
#include <string.h>

#include "base/expect.h"
#include "config/config_private.h"
#include "net/net_file.h"

#define CONFIG_FILE_MAX (4u << 20)

char *config_folder_of(struct arena *arena, const char *file)
{
    const char *slash = strrchr(file, '/');
    if (slash == NULL) {
        return expect_memory(arena_text(arena, "."));
    }
    size_t len = slash == file ? 1 : (size_t)(slash - file);
    return expect_memory(arena_copy(arena, bytes_at(file, len)));
}

struct bytes config_file_text(struct arena *arena, const char *file, struct problems *problems)
{
    struct buf text;
    struct fault fault = FAULT_INIT;
    struct bytes result = {NULL, 0};
    buf_init(&text, CONFIG_FILE_MAX);
    if (net_file_read_all(file, &text, &fault) < 0) {
        problems_add(problems, PROBLEM_ERROR, file, 0, 0, "", "cannot be read: %s", fault.text);
    } else {
        char *copy = expect_memory(arena_copy(arena, buf_bytes(&text)));
        result = bytes_at(copy, text.len);
    }
    buf_wipe(&text); /* it may hold a literal password */
    return result;
}

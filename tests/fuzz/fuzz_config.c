/*
 * fuzz_config - any text as the gateway's configuration: one that can be used, or errors, never both and never neither; each problem has a place; what can
 * be used has what the rest of the house takes for granted. Files that it names are looked for in an empty folder.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/expect.h"
#include "config/config.h"
#include "fuzz_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *path_of_file(void)
{
    static char folder[FUZZ_FOLDER_MAX], path[FUZZ_FOLDER_MAX + 20];
    if (path[0] == '\0') {
        fuzz_folder_make(folder, "config");
        EXPECT(chdir(folder) == 0);
        snprintf(path, sizeof path, "%s/mailweir.json", folder);
    }
    return path;
}

/* What has no end, or is another's: the target is not about what a disk may hold. */
static bool leaves_the_folder(struct bytes text)
{
    static const char *const away[] = {"/dev", "/proc", "/sys", "..", "\\/", "\\u00", "/*"};
    for (size_t i = 0; i < sizeof away / sizeof away[0]; i++) {
        if (memmem(text.ptr, text.len, away[i], strlen(away[i])) != NULL) {
            return true;
        }
    }
    return false;
}

static void check_whole(const struct config *config)
{
    EXPECT(config->upstreams.count > 0 && config->spool_path != NULL);
    for (size_t i = 0; i < config->upstreams.count; i++) {
        const struct config_upstream *upstream = config_upstream_at(config, i);
        EXPECT(upstream->name[0] != '\0' && upstream->retry_initial <= upstream->retry_maximum);
    }
    for (size_t i = 0; i < config->listeners.count; i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        EXPECT(listener->name[0] != '\0' && listener->max_message_size > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = path_of_file();
    if (size == 0 || leaves_the_folder(bytes_at(data, size))) {
        return 0;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
    struct problems *problems = problems_new();
    struct config *config = config_load(path, problems);
    size_t errors = 0;
    for (size_t i = 0; i < problems_count(problems); i++) {
        const struct problem *problem = problems_at(problems, i);
        errors += problem->severity == PROBLEM_ERROR;
        EXPECT(problem->text[0] != '\0');
    }
    EXPECT((config == NULL) == (errors > 0));
    if (config != NULL) {
        check_whole(config);
    }
    config_free(&config);
    struct config *part = config_load_part(path, problems);
    config_free(&part);
    problems_free(&problems);
    return 0;
}

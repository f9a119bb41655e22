/*
 * config_check_open - what any user of the machine may read or change and should not: the spool, secrets, keys, tokens,
 * and every file that decides where mail goes. See config_check.h.
 *
 * Only warned of: the gateway works, and a folder in a container, or on a machine with one user, may be as it is.
 */
#include <stdbool.h>
#include <string.h>

#include "config/config_check.h"
#include "net/net_file.h"

#define PATH_LEN 4096

static bool has_path(const struct config_strings *list, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list->items[i], path) == 0) {
            return true;
        }
    }
    return false;
}

static void warn_of_open(const struct config *config, const char *path, struct problems *problems)
{
    bool spool = config->spool_path != NULL && strcmp(path, config->spool_path) == 0;
    bool secret = has_path(&config->secrets, config->secrets.count, path);
    struct buf where;
    buf_init(&where, PATH_LEN);
    unsigned may = net_file_others(path, &where);
    if (secret && (may & NET_FILE_OTHERS_READ) != 0) {
        problems_add(problems, PROBLEM_WARNING, path, 0, 0, "", "any user of this machine may read %s; chmod o-r %s",
                     spool ? "what waits for delivery there" : "this file, which holds a secret", path);
    }
    if ((may & NET_FILE_OTHERS_CHANGE) != 0) {
        problems_add(problems, PROBLEM_WARNING, path, 0, 0, "",
                     "any user of this machine may %s, which controls the gateway; chmod o-w %s",
                     spool ? "put files there" : "change or replace this file", buf_text(&where));
    }
    buf_done(&where);
}

void config_check_open(const struct config *config, struct problems *problems)
{
    const struct config_strings *lists[] = {&config->sources, &config->paths};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (size_t j = 0; j < lists[i]->count; j++) {
            const char *path = lists[i]->items[j];
            if (!has_path(lists[i], j, path)) { /* one file may be named by many keys */
                warn_of_open(config, path, problems);
            }
        }
    }
}

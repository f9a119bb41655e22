/*
 * cli_sandbox - see cli_sandbox.h.
 *
 * Reached are folders, not files: editors, certbot and Kubernetes put new files in the place of old ones, and a right
 * on a file is gone with the file. Of a symbolic link, the folder that it leads to is reached as well.
 */
#include "cli/cli_sandbox.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/expect.h"
#include "net/net_file.h"
#include "net/net_runner.h"

struct reach {
    struct arena *arena;
    struct net_sandbox_path *paths;
    size_t count, room;
};

static void add_sandbox(struct reach *reach, const char *path, bool may_write)
{
    if (reach->count == reach->room) {
        size_t room = reach->room == 0 ? 64 : 2 * reach->room;
        struct net_sandbox_path *paths = expect_memory(arena_array(reach->arena, room, sizeof *paths));
        for (size_t i = 0; i < reach->count; i++) {
            paths[i] = reach->paths[i];
        }
        reach->paths = paths;
        reach->room = room;
    }
    reach->paths[reach->count++] =
        (struct net_sandbox_path){.path = expect_memory(arena_text(reach->arena, path)), .may_write = may_write};
}

/* The folder that the file stands in; the file alone when that is the root. */
static void add_folder_of(struct reach *reach, const char *path, bool may_write)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        add_sandbox(reach, ".", may_write);
    } else if (slash == path) {
        add_sandbox(reach, path, may_write);
    } else {
        add_sandbox(reach, expect_memory(arena_printf(reach->arena, "%.*s", (int)(slash - path), path)), may_write);
    }
}

static void add_place(struct reach *reach, const char *path)
{
    struct stat found;
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode)) {
        add_sandbox(reach, path, false);
        return;
    }
    add_folder_of(reach, path, false);
    char *real = realpath(path, NULL);
    if (real != NULL && strcmp(real, path) != 0) {
        add_folder_of(reach, real, false);
    }
    free(real);
}

static void add_socket(struct reach *reach, const struct net_address *address)
{
    if (address->is_unix) {
        add_folder_of(reach, address->host, true);
    }
}

static void add_config(struct reach *reach, const struct config *config)
{
    for (size_t i = 0; i < config->sources.count; i++) {
        add_place(reach, config->sources.items[i]);
    }
    for (size_t i = 0; i < config->paths.count; i++) {
        add_place(reach, config->paths.items[i]);
    }
    for (size_t i = 0; i < config->listeners.count; i++) {
        add_socket(reach, &config_listener_at(config, i)->address);
    }
    for (size_t i = 0; i < config->upstreams.count; i++) {
        const char *file = config_upstream_at(config, i)->token.refresh_file;
        if (file != NULL) {
            add_folder_of(reach, file, true); /* providers give new ones */
        }
    }
    for (size_t i = 0; i < config->admin.addresses.count; i++) {
        add_socket(reach, &config->admin.addresses.items[i]);
    }
    /* Made now, if need be: there is no right on what does not exist. What is wrong with it, opening the spool says. */
    struct fault fault = FAULT_INIT;
    disregard(net_file_mkdir(config->spool_path, &fault));
    add_sandbox(reach, config->spool_path, true);
    if (config->postgresql.overflow != NULL) {
        disregard(net_file_mkdir(config->postgresql.overflow, &fault));
        add_sandbox(reach, config->postgresql.overflow, true);
    }
}

/* The programs that print tokens are run by a process of their own, which is begun outside of the sandbox. How many
 * there are; or -1 with a fault. */
static int start_runner(const struct config *config, struct arena *arena, struct net_loop *loop, struct fault *fault)
{
    const char *const **commands = expect_memory(arena_array(arena, config->upstreams.count + 1, sizeof *commands));
    size_t count = 0;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        const struct config_upstream *upstream = config_upstream_at(config, i);
        if (upstream->token_command.count > 0) {
            commands[count++] = (const char *const *)upstream->token_command.items;
        }
    }
    return count > 0 && net_runner_start(loop, commands, count, fault) < 0 ? -1 : (int)count;
}

static void log_state(struct log *log, const struct net_sandbox_state *state)
{
    log_event(log, state->note[0] == '\0' ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "sandbox",
              LOG_INT("user.id", (int64_t)geteuid()), LOG_STR("system_calls", state->system_calls ? "filtered" : "all"),
              LOG_STR("paths", state->paths > 0 ? "those named in the configuration" : "all"),
              LOG_STR("core_dumps", state->no_core_dumps ? "none" : "allowed"), LOG_STR("note", state->note));
    if (geteuid() == 0) {
        log_event(
            log, LOG_LEVEL_WARNING, "runs_as_root",
            LOG_STR("note",
                    "nothing in mailweir needs root: name a \"user\" in the configuration, or start mailweir as one"));
    }
}

int cli_sandbox_become(const char *file, struct fault *fault)
{
    struct problems *problems = problems_new();
    struct config *config =
        config_load_part(file, problems); /* what is wrong with it is told when it is loaded as a whole */
    int result = config == NULL || config->user == NULL ? 0 : net_sandbox_become(config->user, fault);
    config_free(&config);
    problems_free(&problems);
    return result;
}

int cli_sandbox_enter(const struct config *config, struct net_loop *loop, struct log *log,
                      struct net_sandbox_state *state_r, struct fault *fault)
{
    *state_r = (struct net_sandbox_state){0};
    if (config->sandbox == CONFIG_SANDBOX_OFF) {
        return 0;
    }
    struct reach reach = {.arena = arena_new((size_t)64 << 20)};
    add_config(&reach, config);
    int runs = start_runner(config, reach.arena, loop, fault);
    if (runs < 0) {
        arena_free(&reach.arena);
        return -1;
    }
    const struct net_sandbox_options options = {.paths = reach.paths, .path_count = reach.count};
    net_sandbox_enter(&options, state_r);
    state_r->runs_programs = runs > 0;
    arena_free(&reach.arena);
    log_state(log, state_r);
    if (config->sandbox == CONFIG_SANDBOX_REQUIRED && state_r->note[0] != '\0') {
        fault_set(fault, FAULT_LOCAL, "sandbox", "sandbox",
                  "the sandbox is required, but not all of it is available: %s", state_r->note);
        return -1;
    }
    return 0;
}

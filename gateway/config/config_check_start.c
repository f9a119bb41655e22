/*
 * config_check_start - what a start would not survive although every key is good by itself: an address taken twice, a
 * spool that cannot be made, a user who does not exist. See config_check.h.
 */
#include <stdio.h>
#include <string.h>

#include "config/config_check.h"
#include "config/config_spool.h"
#include "net/net_file.h"
#include "net/net_sandbox.h"

#define PATH_LEN 4096

/* ---- addresses ---- */

/* Cuts the last level off; false at the root, which stays. */
static bool go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL || slash[1] == '\0') {
        return false;
    }
    slash[slash == path] = '\0';
    return true;
}

static bool is_any(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* Whether both cannot be listened on at once. "::" takes IPv4 as well (bindv6only is off where nobody has changed it),
 * and port 0 is any free one. */
static bool collide(const struct net_address *a, const struct net_address *b)
{
    if (a->is_unix != b->is_unix || a->is_inherited != b->is_inherited) {
        return false;
    }
    if (a->is_unix || a->is_inherited) {
        return strcmp(a->host, b->host) == 0;
    }
    bool hosts =
        strcmp(a->host, b->host) == 0 || (is_any(a->host) && is_any(b->host)) ||
        (is_any(a->host) != is_any(b->host) && (strcmp(a->host, "::") == 0 || strcmp(b->host, "::") == 0 ||
                                                (strchr(a->host, ':') == NULL && strchr(b->host, ':') == NULL)));
    return a->port == b->port && a->port != 0 && hosts;
}

/* Folders below it are made by a service manager, when it starts the gateway. */
#define RUN "/run/"

/* A warning: the address or the folder may be there when the gateway starts, and this may be another machine. */
static void check_place(const struct net_address *address, const char *pointer, const struct document *json,
                        struct problems *problems)
{
    char folder[sizeof address->host];
    snprintf(folder, sizeof folder, "%s", address->host);
    bool is_made = strncmp(folder, RUN, sizeof RUN - 1) == 0;
    if (address->is_unix && !is_made && go_up(folder) && net_file_kind(folder) != NET_FILE_FOLDER) {
        document_problem(json, problems, PROBLEM_WARNING, pointer,
                         "there is no folder %s on this machine, so the socket cannot be created in it", folder);
    } else if (net_address_is_foreign(address)) {
        document_problem(json, problems, PROBLEM_WARNING, pointer,
                         "this machine has no address %s, so nothing can listen on it here; 0.0.0.0 or [::] is every "
                         "address that it has",
                         address->host);
    }
}

static void check_addresses(const struct config *config, const struct document *json, struct problems *problems)
{
    struct net_address admin[CONFIG_ADMIN_ADDRESSES];
    struct fault fault = FAULT_INIT;
    size_t count = 0;
    if (!config->admin.enabled || config->spool_path == NULL ||
        config_admin_addresses(config, admin, &count, &fault) < 0) {
        count = 0;
    }
    for (size_t i = 0; i < config->listeners.count; i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        char pointer[64];
        snprintf(pointer, sizeof pointer, "/listeners/%zu/address", i);
        check_place(&listener->address, pointer, json, problems);
        for (size_t j = 0; j < i; j++) {
            const struct config_listener *other = config_listener_at(config, j);
            if (collide(&listener->address, &other->address)) {
                document_problem(
                    json, problems, PROBLEM_ERROR, pointer,
                    "the listener \"%s\" listens on this address already; give each listener a port of its own",
                    other->name == NULL ? "" : other->name);
                break;
            }
        }
        for (size_t j = 0; j < count; j++) {
            if (collide(&listener->address, &admin[j])) {
                document_problem(json, problems, PROBLEM_ERROR, pointer,
                                 "\"admin\" listens on this address as well; one of them must move");
                break;
            }
        }
    }
}

static void check_admin_addresses(const struct config *config, const struct document *json, struct problems *problems)
{
    const struct config_addresses *all = &config->admin.addresses;
    for (size_t i = 0; i < all->count; i++) {
        char pointer[64];
        snprintf(pointer, sizeof pointer, "/admin/address/%zu", i);
        check_place(&all->items[i], all->count == 1 ? "/admin/address" : pointer, json, problems);
        for (size_t j = 0; j < i; j++) {
            if (collide(&all->items[i], &all->items[j])) {
                document_problem(json, problems, PROBLEM_ERROR, pointer, "this address is in the list twice");
                break;
            }
        }
    }
}

/* ---- the spool ---- */

/* A folder that mail is kept in. */
struct folder {
    const char *path; /* or NULL: there is none */
    const char *key, *what;
};

#define FOLDERS 2
static void folders_of(const struct config *config, struct folder folders_r[FOLDERS])
{
    folders_r[0] = (struct folder){config->spool_path, "/spool/path", "spool"};
    folders_r[1] = (struct folder){config->postgresql.overflow, "/spool/postgresql/overflow", "overflow"};
}

/* What is there already of the path; false when there is none, or it is too long. */
static bool find_existing(const struct folder *folder, char path_r[PATH_LEN], enum net_file_kind *kind_r,
                          unsigned *missing_r)
{
    if (folder->path == NULL || strlen(folder->path) >= PATH_LEN) {
        return false;
    }
    snprintf(path_r, PATH_LEN, "%s", folder->path);
    *missing_r = 0;
    while ((*kind_r = net_file_kind(path_r)) == NET_FILE_NOTHING && go_up(path_r)) {
        ++*missing_r;
    }
    return *kind_r != NET_FILE_NOTHING;
}

static void check_folder(const struct folder *folder, const struct document *json, struct problems *problems)
{
    char path[PATH_LEN];
    enum net_file_kind kind;
    unsigned missing;
    if (!find_existing(folder, path, &kind, &missing)) {
        return;
    }
    if (kind == NET_FILE_ORDINARY) {
        document_problem(json, problems, PROBLEM_ERROR, folder->key,
                         "%s is a file, so it cannot hold the %s; name a folder", path, folder->what);
    } else if (missing > 1) {
        /* The last level is made; when the one above it is missing too, it is mostly a volume that was not mounted. */
        document_problem(json, problems, PROBLEM_WARNING, folder->key,
                         "there is no folder to create the %s in: of %s, only %s exists on this machine", folder->what,
                         folder->path, path);
    }
}

static void try_folder(const struct config *config, const struct folder *folder, bool certain,
                       struct problems *problems)
{
    char path[PATH_LEN], who[200] = "the user who runs this command";
    enum net_file_kind kind;
    unsigned missing;
    enum net_sandbox_place place = NET_SANDBOX_FINE;
    if (find_existing(folder, path, &kind, &missing)) {
        place = net_sandbox_try_folder(config->user, path);
    }
    if (config->user != NULL) {
        snprintf(who, sizeof who, "the user \"%s\"", config->user);
    }
    if (place == NET_SANDBOX_IMPOSSIBLE) {
        problems_add(problems, PROBLEM_ERROR, config->file, config->spool_line, config->spool_column, folder->key,
                     "no file can be created in %s, so the %s cannot be there; name a folder on a disk", path,
                     folder->what);
    } else if (place == NET_SANDBOX_READ_ONLY) {
        problems_add(problems, PROBLEM_ERROR, config->file, config->spool_line, config->spool_column, folder->key,
                     "%s is on a file system that is mounted read-only, so the %s cannot be there; mount it for "
                     "writing, or name another folder",
                     path, folder->what);
    } else if (place == NET_SANDBOX_FORBIDDEN) {
        problems_add(problems, certain ? PROBLEM_ERROR : PROBLEM_WARNING, config->file, config->spool_line,
                     config->spool_column, folder->key,
                     "%s may not create files in %s, so the %s cannot be there; change the owner of the folder "
                     "(chown), or name another folder",
                     who, path, folder->what);
    }
}

void config_check_spool(const struct config *config, bool certain, struct problems *problems)
{
    struct folder folders[FOLDERS];
    folders_of(config, folders);
    for (size_t i = 0; i < FOLDERS; i++) {
        try_folder(config, &folders[i], certain, problems);
    }
}

/* ---- the whole ---- */

void config_check_start(const struct config *config, const struct document *json, struct problems *problems)
{
    struct fault fault = FAULT_INIT;
    struct folder folders[FOLDERS];
    folders_of(config, folders);
    config_spool_check(config, json, problems);
    check_addresses(config, json, problems);
    check_admin_addresses(config, json, problems);
    for (size_t i = 0; i < FOLDERS; i++) {
        check_folder(&folders[i], json, problems);
    }
    if (config->user != NULL && net_sandbox_knows(config->user, &fault) < 0) {
        document_problem(json, problems, PROBLEM_ERROR, "/user", "\"%s\": %s", config->user, fault.text);
    }
}

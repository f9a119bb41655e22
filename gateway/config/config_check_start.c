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

/* Cuts the last level off; false at the root. */
static bool go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) {
        return false;
    }
    *slash = '\0';
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

static void check_spool(const struct config *config, const struct document *json, struct problems *problems)
{
    char path[PATH_LEN];
    enum net_file_kind kind;
    unsigned missing = 0;
    if (config->spool_path == NULL || strlen(config->spool_path) >= sizeof path) {
        return;
    }
    snprintf(path, sizeof path, "%s", config->spool_path);
    while ((kind = net_file_kind(path)) == NET_FILE_NOTHING && go_up(path)) {
        missing++;
    }
    if (kind == NET_FILE_ORDINARY) {
        document_problem(json, problems, PROBLEM_ERROR, "/spool/path",
                         "%s is a file, so it cannot hold the spool; name a folder", path);
    } else if (missing > 1) {
        /* The last level is made; when the one above it is missing too, it is mostly a volume that was not mounted. */
        document_problem(json, problems, PROBLEM_WARNING, "/spool/path",
                         "there is no folder to create the spool in: of %s, only %s exists on this machine",
                         config->spool_path, path);
    }
}

/* ---- the whole ---- */

void config_check_start(const struct config *config, const struct document *json, struct problems *problems)
{
    struct fault fault = FAULT_INIT;
    config_spool_check(config, json, problems);
    check_addresses(config, json, problems);
    check_admin_addresses(config, json, problems);
    check_spool(config, json, problems);
    if (config->user != NULL && net_sandbox_knows(config->user, &fault) < 0) {
        document_problem(json, problems, PROBLEM_ERROR, "/user", "\"%s\": %s", config->user, fault.text);
    }
}

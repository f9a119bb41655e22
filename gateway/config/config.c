/*
 * config - the configuration as an object: its owners, its lists, and the files that it depends on. See config.h.
 */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "config/config_private.h"
#include "net/net_file.h"

#define SOURCES_MAX      10000
#define CONFIG_ARENA_MAX (256u << 20)

const char *const config_tls_modes[CONFIG_TLS_MODES + 1] = {
    [CONFIG_TLS_NONE] = "none",
    [CONFIG_TLS_STARTTLS] = "starttls",
    [CONFIG_TLS_IMPLICIT] = "implicit",
    [CONFIG_TLS_MODES] = NULL,
};

struct config *config_new(const char *file)
{
    struct config *config = expect_calloc(1, sizeof *config);
    config->arena = arena_new(CONFIG_ARENA_MAX);
    config->file = expect_memory(arena_text(config->arena, file));
    return config;
}

struct config *config_share(struct config *config)
{
    config->owners++;
    return config;
}

void config_free(struct config **config)
{
    struct config *own = *config;
    *config = NULL;
    if (own == NULL || own->owners-- > 0) {
        return;
    }
    filters_set_free(&own->rule_set);
    /* Passwords and tokens stand in it. */
    arena_wipe(&own->arena);
    free(own);
}

const struct config_listener *config_listener_at(const struct config *config, size_t index)
{
    return (const struct config_listener *)config->listeners.items + index;
}

const struct config_upstream *config_upstream_named(const struct config *config, const char *name)
{
    for (size_t i = 0; name != NULL && i < config->upstreams.count; i++) {
        if (strcmp(config_upstream_at(config, i)->name, name) == 0) {
            return config_upstream_at(config, i);
        }
    }
    return NULL;
}

const struct config_upstream *config_upstream_at(const struct config *config, size_t index)
{
    return (const struct config_upstream *)config->upstreams.items + index;
}

bool config_has_upstream(const struct config *config, const char *name)
{
    bool has = false;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        has = has || strcmp(config_upstream_at(config, i)->name, name) == 0;
    }
    return has;
}

/* "admin.sock" in the spool's folder. */
static int own_socket(const struct config *config, struct net_address *address_r, struct fault *fault)
{
    /* The path of a socket is one from the root; the spool's may be one from the configuration's folder. */
    struct buf text;
    buf_init(&text, 8200);
    buf_append_text(&text, "unix:");
    disregard(net_file_absolute(config->spool_path, &text));
    buf_append_text(&text, "/admin.sock");
    int result = net_address_parse(address_r, buf_bytes(&text), fault);
    buf_done(&text);
    return result;
}

int config_admin_addresses(const struct config *config, struct net_address *into, size_t *count_r, struct fault *fault)
{
    const struct config_addresses *addresses = &config->admin.addresses;
    for (size_t i = 0; i < addresses->count; i++) {
        into[i] = addresses->items[i];
    }
    *count_r = addresses->count > 0 ? addresses->count : 1;
    return addresses->count > 0 ? 0 : own_socket(config, into, fault);
}

int config_admin_address(const struct config *config, struct net_address *address_r, struct fault *fault)
{
    struct net_address all[CONFIG_ADMIN_ADDRESSES];
    size_t count;
    if (config_admin_addresses(config, all, &count, fault) < 0) {
        return -1;
    }
    *address_r = all[0];
    for (size_t i = count; i > 0; i--) {
        *address_r = all[i - 1].is_unix ? all[i - 1] : *address_r;
    }
    return 0;
}

/* ---- what it was read from ---- */

static void add_path(struct config *config, struct config_strings *list, const char *path)
{
    size_t count = list->count;
    const char **items = (const char **)(uintptr_t)list->items;
    if (count == SOURCES_MAX) {
        return;
    }
    if ((count & (count - 1)) == 0) { /* room in powers of two */
        items = expect_memory(arena_array(config->arena, count == 0 ? 1 : count * 2, sizeof *items));
        for (size_t i = 0; i < count; i++) {
            items[i] = list->items[i];
        }
        list->items = items;
    }
    items[list->count++] = expect_memory(arena_text(config->arena, path));
}

uint64_t config_stamp_add(uint64_t stamp, uint64_t file)
{
    /* The order counts: two files that change places are a change. */
    return stamp * 31 + file;
}

void config_note_source(struct config *config, const char *path)
{
    size_t before = config->sources.count;
    add_path(config, &config->sources, path);
    /* Taken before the file is read: what is written meanwhile is seen as a change later, and not never. */
    if (config->sources.count > before) {
        config->stamp = config_stamp_add(config->stamp, net_file_stamp(path));
    }
}

void config_note_path(struct config *config, const char *path)
{
    add_path(config, &config->paths, path);
}

void config_note_secret(struct config *config, const char *path)
{
    add_path(config, &config->secrets, path);
}

void config_note_named(struct config *config, const char *path)
{
    config_note_source(config, path);
    add_path(config, &config->named, path);
}

/*
 * config_probe - the probe's keys: what they leave out, what is wrong with them, and the rule that brings its message
 * into its folder.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "config/config_check.h"
#include "config/config_private.h"

#define PROBE_NAME   "mailweir-probe"
#define PROBE_FOLDER "mailweir-probe"

const struct config_listener *config_probe_listener(const struct config *config)
{
    const char *name = config->probe.listener;
    const struct config_listener *other = NULL;
    for (size_t i = 0; i < config->listeners.count; i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        bool is_asked = name == NULL ? listener->protocol == CONFIG_PROTOCOL_SMTP && !listener->address.is_inherited
                                     : strcmp(listener->name, name) == 0;
        if (is_asked) {
            return listener;
        }
        other = other == NULL ? listener : other;
    }
    return name == NULL ? other : NULL;
}

/* Who listens on all addresses is met on the loopback. */
static struct net_address door_of(const struct config *config)
{
    const struct config_listener *listener = config_probe_listener(config);
    struct net_address address = {.host = ""};
    if (listener != NULL && !listener->address.is_inherited) {
        address = listener->address;
        if (strcmp(address.host, "0.0.0.0") == 0) {
            snprintf(address.host, sizeof address.host, "127.0.0.1");
        } else if (strcmp(address.host, "::") == 0) {
            snprintf(address.host, sizeof address.host, "::1");
        }
    }
    return address;
}

static const char *own_address(const struct config *config)
{
    const char *hostname = config->hostname == NULL ? "localhost" : config->hostname;
    return expect_memory(arena_printf(config->arena, PROBE_NAME "@%s", hostname));
}

void config_resolve_probe(struct config *config)
{
    struct config_probe *probe = &config->probe;
    probe->enabled = probe->every > 0 || probe->folder != NULL;
    if (!probe->enabled) {
        return;
    }
    probe->folder = probe->folder != NULL ? probe->folder : PROBE_FOLDER;
    probe->from = probe->from != NULL ? probe->from : own_address(config);
    probe->to = probe->to != NULL ? probe->to : own_address(config);
    if (probe->upstream == NULL) {
        probe->upstream = config->default_upstream;
    }
    if (probe->upstream == NULL && config->upstreams.count > 0) {
        probe->upstream = config_upstream_at(config, 0)->name;
    }
    if (probe->address.host[0] == '\0') {
        probe->address = door_of(config);
    }
}

static void check_address(const struct document *json, struct problems *problems, const char *pointer,
                          const char *address)
{
    const char *at = strrchr(address, '@');
    if (at == NULL || at == address || at[1] == '\0' || strpbrk(address, " \t\r\n<>\"\\") != NULL) {
        document_problem(json, problems, PROBLEM_ERROR, pointer, "\"%s\" is not an address: write local@domain",
                         address);
    }
}

void config_check_probe(const struct config *config, const struct document *json, struct problems *problems)
{
    const struct config_probe *probe = &config->probe;
    if (!probe->enabled) {
        return;
    }
    check_address(json, problems, "/probe/from", probe->from);
    check_address(json, problems, "/probe/to", probe->to);
    if (probe->folder[0] == '\0' || strchr(probe->folder, '$') != NULL) {
        document_problem(json, problems, PROBLEM_ERROR, "/probe/folder",
                         "the probe's folder must be a fixed name, without ${...}");
    }
    if (probe->upstream != NULL && config_upstream_named(config, probe->upstream) == NULL) {
        document_problem(json, problems, PROBLEM_ERROR, "/probe/upstream", "there is no upstream \"%s\"",
                         probe->upstream);
    }
    if (probe->listener != NULL && config_probe_listener(config) == NULL) {
        document_problem(json, problems, PROBLEM_ERROR, "/probe/listener", "there is no listener \"%s\"",
                         probe->listener);
    } else if (probe->address.host[0] == '\0' || probe->address.is_inherited) {
        document_problem(
            json, problems, PROBLEM_ERROR, "/probe",
            "the listener does not say where the front door is: give the \"address\", such as \"127.0.0.1:25\"");
    }
    if ((probe->username == NULL) != (probe->password == NULL)) {
        document_problem(json, problems, PROBLEM_ERROR, "/probe", "a login needs both \"username\" and \"password\"");
    }
}

const char *config_probe_rule(const struct config *config)
{
    const struct config_probe *probe = &config->probe;
    if (!probe->enabled || config_upstream_named(config, probe->upstream) == NULL) {
        return NULL;
    }
    json_t *rule = json_pack("{s:[{s:s, s:{s:s, s:s}, s:[{s:{s:s, s:s, s:[s]}}, {s:b}]}]}", "rules", "name", PROBE_NAME,
                             "if", "field", "to", "is", probe->to, "then", "fileinto", "upstream", probe->upstream,
                             "folder", probe->folder, "flags", "\\Seen", "stop", true);
    char *text = rule == NULL ? NULL : json_dumps(rule, JSON_COMPACT);
    const char *kept = text == NULL ? NULL : expect_memory(arena_text(config->arena, text));
    free(text);
    json_decref(rule);
    return kept;
}

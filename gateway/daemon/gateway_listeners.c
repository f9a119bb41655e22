/*
 * gateway_listeners - from the configuration's listeners to those of reception: at the start, on a reload, and when a
 * file that they read has changed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "config/config_listener_options.h"
#include "daemon/gateway_private.h"

static void log_listening(struct gateway *gateway, const struct config_listener *config)
{
    log_event(gateway->log, LOG_LEVEL_INFO, "listening", LOG_STR("listener", config->name),
              LOG_STR("server.address", config->address.host),
              LOG_INT("server.port", reception_port(gateway->reception, config->name)));
}

/* A reload speaks of those that it changes. */
static bool is_news(const struct gateway *gateway, const struct config *config, const struct config_listener *listener)
{
    for (size_t i = 0; gateway->config != config && i < gateway->config->listeners.count; i++) {
        const struct config_listener *old = config_listener_at(gateway->config, i);
        if (strcmp(old->name, listener->name) == 0 && strcmp(old->address.host, listener->address.host) == 0 &&
            old->address.port == listener->address.port) {
            return false;
        }
    }
    return true;
}

int gateway_apply_listeners(struct gateway *gateway, const struct config *config, struct fault *fault)
{
    size_t count = config->listeners.count;
    struct arena *arena = arena_new((size_t)16 << 20);
    struct reception_listener_options *options = expect_memory(arena_array(arena, count + 1, sizeof *options));
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        result = config_listener_options(config_listener_at(config, i), arena, &options[i], fault);
    }
    if (result == 0) {
        result = reception_reload(gateway->reception, options, count, fault);
    }
    for (size_t i = 0; i < count; i++) {
        /* Reception holds what it took; these were for the call. */
        net_tls_free(&options[i].tls);
        net_tls_free(&options[i].tls_lenient);
        reception_users_free(&options[i].users);
        const struct config_listener *listener = config_listener_at(config, i);
        if (result == 0 && is_news(gateway, config, listener)) {
            log_listening(gateway, listener);
        }
    }
    arena_free(&arena);
    return result;
}

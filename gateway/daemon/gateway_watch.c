/*
 * gateway_watch - files that change under us: the configuration, rules and lists, certificates, users.
 *
 * The kernel says that something happened in one of their folders; whether it concerns us is seen by a stat() of each
 * file, which also tells a rename over it, and Kubernetes' swap of the link "..data". What the kernel does not see
 * (network file systems, links that lead elsewhere) is found by the same look now and then.
 */
#include "daemon/gateway_private.h"
#include "net/net_file.h"
#include "net/net_watch.h"

#define SETTLE_MS      100   /* files are seldom written alone */
#define SETTLE_MOST_MS 1000  /* in a folder where something happens all the time */
#define POLL_MS        10000 /* beside the kernel's word */
#define POLL_BARE_MS   2000  /* without it */

static uint64_t stamp_of(const struct config *config)
{
    uint64_t stamp = 0;
    for (size_t i = 0; i < config->sources.count; i++) {
        stamp = config_stamp_add(stamp, net_file_stamp(config->sources.items[i]));
    }
    return stamp;
}

static void look_at_files(struct gateway *gateway)
{
    uint64_t stamp = stamp_of(gateway->config);
    if (stamp != gateway->stamp && !gateway->draining) {
        gateway->stamp = stamp;
        log_event(gateway->log, LOG_LEVEL_INFO, "files_changed", LOG_STR("file", gateway->config->file));
        gateway->files_changed(gateway);
    }
}

static void on_look_due(void *ctx)
{
    struct gateway *gateway = ctx;
    gateway->event_ms = 0;
    look_at_files(gateway);
    net_timer_start(gateway->watch, gateway->watched_all ? POLL_MS : POLL_BARE_MS);
}

static void on_folder_event(void *ctx)
{
    struct gateway *gateway = ctx;
    uint64_t now = net_now(gateway->loop);
    gateway->event_ms = gateway->event_ms == 0 ? now : gateway->event_ms;
    uint64_t most = gateway->event_ms + SETTLE_MOST_MS;
    uint64_t left = most > now ? most - now : 0;
    /* Not at once: whoever writes a configuration writes its rules beside it, and half of both would be an error. */
    net_timer_start(gateway->watch, left < SETTLE_MS ? left : SETTLE_MS);
}

/* Whoever asked for it: a load that fails, or that is still under way, is not repeated for what it has seen already. */
void gateway_note_load_begins(struct gateway *gateway)
{
    gateway->stamp = stamp_of(gateway->config);
}

/* The stamp is of before the files were read: what was changed while they were is a change. */
void gateway_note_sources(struct gateway *gateway)
{
    const struct config *config = gateway->config;
    gateway->stamp = config->stamp;
    gateway->watched_all = true;
    net_watch_clear(gateway->folders);
    for (size_t i = 0; i < config->sources.count; i++) {
        if (net_watch_add(gateway->folders, config->sources.items[i]) < 0) {
            gateway->watched_all = false;
        }
    }
}

void gateway_watch_files(struct gateway *gateway, void (*changed)(struct gateway *gateway))
{
    gateway->files_changed = changed;
    gateway->folders = net_watch_new(gateway->loop, on_folder_event, gateway);
    gateway->watch = net_timer_new(gateway->loop, on_look_due, gateway);
    gateway_note_sources(gateway);
    look_at_files(gateway);
    net_timer_start(gateway->watch, gateway->watched_all ? POLL_MS : POLL_BARE_MS);
}

void gateway_unwatch_files(struct gateway *gateway)
{
    net_timer_free(&gateway->watch);
    net_watch_free(&gateway->folders);
}

/*
 * gateway - wiring; see gateway.h. The order of starting is the reverse of the order of stopping.
 */
#include "daemon/gateway.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "config/config_spool.h"
#include "daemon/gateway_private.h"
#include "net/net_lane.h"
#include "spool/spool_node.h"

/* Octets of where a store is, in its own words. */
#define PLACE_MAX 20000

static int open_spool(struct gateway *gateway, struct fault *fault)
{
    struct buf place;
    buf_init(&place, PLACE_MAX);
    config_spool_place(gateway->config, &place);
    const struct config *config = gateway->config;
    struct spool_options options = {.store = gateway->stores.queue,
                                    .place = buf_text(&place),
                                    .node = config->postgresql.node,
                                    .lease_ms = config->postgresql.lease,
                                    .path = config->spool_path,
                                    .minimum_free = config->spool_minimum_free,
                                    .check_every_ms = config->spool_check_every,
                                    .history_ms = config->spool_history,
                                    .history_messages = config->spool_history_messages,
                                    .search_ms = config->search_history};
    int result = spool_open(&gateway->spool, gateway->loop, &options, gateway_log(gateway, GATEWAY_AREA_SPOOL), fault);
    buf_wipe(&place);
    return result;
}

/* How long a listener knows what its senders send again; 0 of one that is gone. */
static uint64_t window_of(void *ctx, const char *listener)
{
    const struct gateway *gateway = ctx;
    for (size_t i = 0; listener != NULL && i < gateway->config->listeners.count; i++) {
        const struct config_listener *one = config_listener_at(gateway->config, i);
        if (strcmp(one->name, listener) == 0) {
            return one->duplicate_window;
        }
    }
    return 0;
}

static int open_overflow(struct gateway *gateway, struct fault *fault)
{
    const struct spool_overflow_options options = {.to = gateway->spool,
                                                   .store = gateway->stores.overflow,
                                                   .path = gateway->config->postgresql.overflow,
                                                   .minimum_free = gateway->config->spool_minimum_free,
                                                   .window = window_of,
                                                   .ctx = gateway};
    return options.path == NULL || options.store == NULL
               ? 0
               : spool_overflow_open(&gateway->overflow, gateway->loop, &options,
                                     gateway_log(gateway, GATEWAY_AREA_SPOOL), fault);
}

static int open_parts(struct gateway *gateway, struct fault *fault)
{
    struct config *config = gateway->config;
    if (open_spool(gateway, fault) < 0 || open_overflow(gateway, fault) < 0) {
        return -1;
    }
    gateway->dispatch =
        dispatch_new(gateway->loop, gateway->spool, config, gateway_log(gateway, GATEWAY_AREA_DELIVERY), fault);
    if (gateway->dispatch == NULL) {
        return -1;
    }
    gateway->rules = filters_rule_count(config->rule_set);
    gateway->decision = decision_new(gateway->loop, &config->rule_set, gateway_log(gateway, GATEWAY_AREA_RULES));
    gateway_configure_decision(gateway, config);
    if (gateway_count_again(gateway, fault) < 0) {
        return -1;
    }
    if (config->admin.enabled) {
        decision_keep_recent(gateway->decision, config->admin.recent_messages, config->admin.recent_size);
    }
    gateway->acknowledge = acknowledge_new(gateway->loop, gateway->spool, gateway_log(gateway, GATEWAY_AREA_DELIVERY));
    dispatch_set_watcher(gateway->dispatch, acknowledge_outcome, gateway->acknowledge);
    struct reception_hooks hooks = decision_hooks(gateway->decision);
    acknowledge_hooks(gateway->acknowledge, &hooks);
    gateway->reception =
        reception_new(gateway->loop, gateway->spool, config->hostname, &hooks, gateway_log(gateway, GATEWAY_AREA_SMTP));
    reception_set_overflow(gateway->reception, gateway->overflow);
    reception_keep_refusals(gateway->reception, config->spool_path, config->refusal_history);
    const struct mail_about about = {.subject = config->search_history > 0 && config->search_subject,
                                     .addresses = config->search_history > 0};
    reception_keep_about(gateway->reception, &about);
    gateway_tell_nodes(gateway);
    /* Last: whoever connects finds all the rest there. */
    return gateway_apply_listeners(gateway, config, fault);
}

static void log_ready(struct gateway *gateway)
{
    struct spool_counts counts;
    spool_count(gateway->spool, &counts);
    log_event(gateway->log, LOG_LEVEL_INFO, "ready", LOG_STR("version", MAILWEIR_VERSION),
              LOG_STR("hostname", gateway->config->hostname), LOG_STR("spool", config_spool_shown(gateway->config)),
              LOG_INT("waiting", counts.waiting), LOG_INT("dead_letters", counts.dead), LOG_INT("held", counts.held));
}

int gateway_open(struct gateway **gateway_r, struct net_loop *loop, const struct gateway_stores *stores,
                 struct config **config, struct log *log, struct fault *fault)
{
    struct gateway *gateway = expect_calloc(1, sizeof *gateway);
    gateway->loop = loop;
    gateway->stores = *stores;
    gateway->config = *config;
    list_init(&gateway->loading.waiting);
    list_init(&gateway->loading.later);
    gateway_logs_init(gateway, log);
    if (open_parts(gateway, fault) < 0) {
        gateway->config = NULL; /* stays the caller's */
        gateway_free(&gateway);
        return -1;
    }
    *config = NULL;
    /*
     * What needs a restart is compared with what the program began with, not with the reload before: else a second
     * reload would call the change in force.
     */
    gateway->first = config_share(gateway->config);
    gateway_note_load(gateway, true);
    gateway->started_ms = net_wall(loop);
    *gateway_r = gateway;
    return 0;
}

static void on_files_changed(struct gateway *gateway)
{
    gateway_reload(gateway, NULL, NULL);
}

/* So long nobody is answered: seen by a person who waits, and an eighth of the shortest time that clients wait. */
#define SLOW_TURN_US ((uint64_t)250 * 1000)
/* A gateway that is slow shall not be slowed by saying so. */
#define SLOW_TURN_EACH_MS ((uint64_t)10 * 1000)

static void on_slow_turn(void *ctx, const struct net_turn *turn)
{
    struct gateway *gateway = ctx;
    uint64_t now = net_now(gateway->loop);
    gateway->slow_turns++;
    if (gateway->slow_told_at != 0 && now - gateway->slow_told_at < SLOW_TURN_EACH_MS) {
        gateway->slow_untold++;
        return;
    }
    gateway->slow_told_at = now;
    log_event(gateway->log, LOG_LEVEL_WARNING, "slow_turn", LOG_INT("took_ms", turn->took_us / 1000),
              LOG_STR("doing", turn->doing), LOG_INT("doing_ms", turn->doing_us / 1000),
              gateway->slow_untold > 0 ? LOG_INT("more", gateway->slow_untold) : LOG_STR("more", NULL));
    gateway->slow_untold = 0;
}

void gateway_start(struct gateway *gateway)
{
    NET_EXPECT_LOOP(gateway->loop);
    net_turn_watch(gateway->loop, SLOW_TURN_US, on_slow_turn, gateway);
    gateway_watch_files(gateway, on_files_changed);
    dispatch_start(gateway->dispatch);
    log_ready(gateway);
    gateway->probes = gateway_probe_new(gateway->loop, gateway->dispatch, gateway_log(gateway, GATEWAY_AREA_DELIVERY));
    gateway_probe_configure(gateway->probes, gateway->config);
}

static void on_dispatch_drained(void *ctx)
{
    struct gateway *gateway = ctx;
    gateway->drained(gateway->drained_ctx);
}

static void on_smtpd_drained(void *ctx)
{
    struct gateway *gateway = ctx;
    /* After the sessions, so that what they handed in last may still go out. */
    dispatch_drain(gateway->dispatch, gateway->config->shutdown_timeout / 2, on_dispatch_drained, gateway);
}

void gateway_drain(struct gateway *gateway, void (*done)(void *ctx), void *ctx)
{
    NET_EXPECT_LOOP(gateway->loop);
    gateway->draining = true;
    spool_node_set_draining(gateway->spool);
    gateway_give_up_reloads(gateway);
    gateway_probe_free(&gateway->probes);
    gateway->drained = done;
    gateway->drained_ctx = ctx;
    /* Each half gets half of the time, so that both keep within the whole. */
    reception_drain(gateway->reception, gateway->config->shutdown_timeout / 2, on_smtpd_drained, gateway);
}

void gateway_set_ender(struct gateway *gateway, void (*fn)(void *ctx), void *ctx)
{
    NET_EXPECT_LOOP(gateway->loop);
    gateway->ender = fn;
    gateway->ender_ctx = ctx;
}

static void end_now(void *ctx)
{
    struct gateway *gateway = ctx;
    if (gateway->ender != NULL && !gateway->draining) {
        gateway->ender(gateway->ender_ctx);
    }
}

void gateway_ask_to_end(struct gateway *gateway)
{
    NET_EXPECT_LOOP(gateway->loop);
    net_defer(gateway->loop, end_now, gateway);
}

void gateway_free(struct gateway **gateway)
{
    if (*gateway == NULL) {
        return;
    }
    NET_EXPECT_LOOP((*gateway)->loop);
    gateway_unwatch_files(*gateway);
    gateway_probe_free(&(*gateway)->probes);
    /* The loop goes on while its handles are closed, also behind this. */
    net_turn_watch((*gateway)->loop, 0, NULL, NULL);
    /* First: a load that is under way reads the first configuration. */
    net_lane_free(&(*gateway)->loading.lane);
    reception_free(&(*gateway)->reception);
    acknowledge_free(&(*gateway)->acknowledge);
    decision_free(&(*gateway)->decision);
    dispatch_free(&(*gateway)->dispatch);
    spool_overflow_stop((*gateway)->overflow);
    spool_close(&(*gateway)->spool);
    spool_overflow_close(&(*gateway)->overflow);
    config_free(&(*gateway)->config);
    config_free(&(*gateway)->first);
    free(*gateway);
    *gateway = NULL;
}

uint16_t gateway_port(const struct gateway *gateway, const char *listener)
{
    return reception_port(gateway->reception, listener);
}

void gateway_probe_state(const struct gateway *gateway, struct gateway_probe_state *state_r)
{
    gateway_probe_tell(gateway->probes, state_r);
}

const struct reception *gateway_smtpd(const struct gateway *gateway)
{
    return gateway->reception;
}

struct gateway_forgotten gateway_forget_address(struct gateway *gateway, const char *address)
{
    NET_EXPECT_LOOP(gateway->loop);
    struct recent *recent = decision_recent(gateway->decision);
    return (struct gateway_forgotten){.refusals = reception_forget_address(gateway->reception, address),
                                      .recent = recent == NULL ? 0 : recent_forget(recent, address)};
}

void gateway_count(const struct gateway *gateway, struct gateway_counts *counts_r)
{
    reception_count(gateway->reception, &counts_r->reception);
    dispatch_count(gateway->dispatch, &counts_r->dispatch);
    spool_count(gateway->spool, &counts_r->spool);
}

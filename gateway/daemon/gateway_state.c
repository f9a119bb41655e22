/*
 * gateway_state - what the gateway says about itself: readiness, loads, logs; see gateway.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/gateway_private.h"

#include "base/expect.h"
/* ---- logs ---- */

const char *const gateway_areas[GATEWAY_AREAS + 1] = {
    [GATEWAY_AREA_GATEWAY] = "gateway", [GATEWAY_AREA_SMTP] = "smtp",         [GATEWAY_AREA_RULES] = "rules",
    [GATEWAY_AREA_SPOOL] = "spool",     [GATEWAY_AREA_DELIVERY] = "delivery", [GATEWAY_AREAS] = NULL,
};

void gateway_logs_init(struct gateway *gateway, const struct log *log)
{
    for (size_t i = 0; i < GATEWAY_AREAS && log != NULL; i++) {
        gateway->logs[i] = *log;
        gateway->logs[i].area = gateway_areas[i];
        gateway->logs[i].tap = &gateway->tap;
        gateway->logs[i].traces = &gateway->traces;
    }
    gateway->log = log == NULL ? NULL : &gateway->logs[GATEWAY_AREA_GATEWAY];
}

struct log *gateway_log(struct gateway *gateway, enum gateway_area area)
{
    return gateway->log == NULL ? NULL : &gateway->logs[area];
}

static int area_of(const char *name)
{
    for (int i = 0; i < GATEWAY_AREAS; i++) {
        if (strcmp(gateway_areas[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

int gateway_log_level(const struct gateway *gateway, const char *area, enum log_level *level_r)
{
    int at = area_of(area);
    if (at >= 0) {
        *level_r = gateway->logs[at].least;
    }
    return at < 0 ? -1 : 0;
}

int gateway_set_log_level(struct gateway *gateway, const char *area, enum log_level level)
{
    NET_EXPECT_LOOP(gateway->loop);
    int at = area_of(area);
    if (at >= 0) {
        gateway->logs[at].least = level;
    }
    return at < 0 ? -1 : 0;
}

void gateway_tap_log(struct gateway *gateway, void (*line)(void *ctx, const char *line, size_t len), void *ctx)
{
    NET_EXPECT_LOOP(gateway->loop);
    gateway->tap = (struct log_tap){.line = line, .ctx = ctx};
}

/* ---- loads ---- */

int64_t gateway_certificate_seconds(const struct gateway *gateway, const char *listener)
{
    int64_t expires = reception_certificate_expires(gateway->reception, listener);
    return expires == 0 ? INT64_MIN : expires - net_wall(gateway->loop) / 1000;
}

void gateway_note_load(struct gateway *gateway, bool good)
{
    gateway->load_ms = gateway->load_began == 0 ? 0 : net_now(gateway->loop) - gateway->load_began;
    gateway->loads++;
    gateway->loads_failed += good ? 0 : 1;
    gateway->last_load_good = good;
    if (good) {
        gateway->loaded_ms = net_wall(gateway->loop);
    }
}

void gateway_state(const struct gateway *gateway, struct gateway_state *state_r)
{
    *state_r = (struct gateway_state){.started_ms = gateway->started_ms,
                                      .loaded_ms = gateway->loaded_ms,
                                      .last_load_good = gateway->last_load_good,
                                      .loads = gateway->loads,
                                      .load_ms = gateway->load_ms,
                                      .loading = gateway->loading.runs,
                                      .loads_failed = gateway->loads_failed,
                                      .slow_turns = gateway->slow_turns,
                                      .rules = gateway->rules,
                                      .draining = gateway->draining,
                                      .sandbox = &gateway->sandbox};
    net_turn_longest(gateway->loop, &state_r->longest_turn);
}

void gateway_set_sandbox(struct gateway *gateway, const struct net_sandbox_state *sandbox)
{
    NET_EXPECT_LOOP(gateway->loop);
    gateway->sandbox = *sandbox;
}

struct config *gateway_config(const struct gateway *gateway)
{
    return gateway->config;
}

struct dispatch *gateway_dispatch(const struct gateway *gateway)
{
    return gateway->dispatch;
}

struct spool *gateway_spool(const struct gateway *gateway)
{
    return gateway->spool;
}

struct decision *gateway_decision(const struct gateway *gateway)
{
    return gateway->decision;
}

bool gateway_overflow(const struct gateway *gateway, struct spool_overflow_state *state_r)
{
    NET_EXPECT_LOOP(gateway->loop);
    if (gateway->overflow != NULL) {
        spool_overflow_state(gateway->overflow, state_r);
    }
    return gateway->overflow != NULL;
}

/* ---- readiness ---- */

static void check_spool(const struct gateway *gateway, struct gateway_check *check)
{
    struct fault fault = FAULT_INIT;
    check->name = "spool";
    struct spool_health health;
    spool_health(gateway->spool, &health);
    struct spool_overflow_state overflow;
    bool overflows = gateway_overflow(gateway, &overflow) && overflow.in_use && overflow.takes;
    /* What would be taken now could lie there unseen; one damaged message says nothing about the others. */
    check->good = (overflows || spool_can_accept(gateway->spool, 0, &fault) == 0) && !health.is_torn;
    if (overflows) {
        snprintf(check->reason, sizeof check->reason, "takes mail into the overflow: the database does not answer");
    } else if (fault_is_set(&fault)) {
        snprintf(check->reason, sizeof check->reason, "%s", fault.text);
    } else if (health.is_torn) {
        snprintf(check->reason, sizeof check->reason,
                 "the spool's index is damaged; stop the gateway and run \"mailweir spool rebuild\"");
    } else if (health.damaged > 0) {
        snprintf(check->reason, sizeof check->reason, "takes mail; %" PRIu64 " messages that are kept are damaged",
                 health.damaged);
    } else {
        snprintf(check->reason, sizeof check->reason, "takes mail");
    }
}

static void check_listeners(const struct gateway *gateway, struct gateway_check *check)
{
    size_t open = 0;
    for (size_t i = 0; i < gateway->config->listeners.count; i++) {
        const struct config_listener *listener = config_listener_at(gateway->config, i);
        open += listener->address.is_unix || reception_port(gateway->reception, listener->name) != 0;
    }
    check->name = "listeners";
    /*
     * One is enough: who asks wants to know whether mail can come in, and to be sent elsewhere would close the others,
     * too.
     */
    check->good = open > 0;
    snprintf(check->reason, sizeof check->reason, "%zu of %zu open", open, gateway->config->listeners.count);
}

static void check_rules(const struct gateway *gateway, struct gateway_check *check)
{
    check->name = "rules";
    check->good = true; /* a gateway without a rule set does not start, and a bad one never replaces a good one */
    snprintf(check->reason, sizeof check->reason, "%zu in force%s", gateway->rules,
             gateway->last_load_good ? "" : "; the last reload failed, and the previous rules stay in force");
}

bool gateway_ready(const struct gateway *gateway, struct gateway_check checks_r[GATEWAY_CHECKS])
{
    bool ready = true;
    check_spool(gateway, &checks_r[0]);
    check_listeners(gateway, &checks_r[1]);
    check_rules(gateway, &checks_r[2]);
    checks_r[3] = (struct gateway_check){.name = "running", .good = !gateway->draining};
    snprintf(checks_r[3].reason, sizeof checks_r[3].reason, "%s", gateway->draining ? "shutting down" : "yes");
    for (size_t i = 0; i < GATEWAY_CHECKS; i++) {
        ready = ready && checks_r[i].good;
    }
    return ready;
}

struct log *gateway_main_log(struct gateway *gateway)
{
    NET_EXPECT_LOOP(gateway->loop);
    return gateway->log;
}

struct traces *gateway_traces(struct gateway *gateway)
{
    NET_EXPECT_LOOP(gateway->loop);
    return &gateway->traces;
}

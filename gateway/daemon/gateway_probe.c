/*
 * gateway_probe - see gateway_probe.h.
 */
#include "daemon/gateway_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "daemon/probe.h"

#define FIRST_MS     2000                    /* after the start, so that restarts are seen to be good soon */
#define FORGET_AFTER ((uint64_t)3600 * 1000) /* a message that somebody has dropped never comes */

struct gateway_probe {
    struct net_loop *loop;
    struct log *log;
    const struct dispatch *dispatch;
    struct config *config; /* a share; NULL: no probes */
    struct config *used;   /* a share of the one that is under way */
    struct net_timer *timer;
    struct probe *probe;        /* under way */
    char pending[PROBE_ID_LEN]; /* accepted, and not seen yet; or "" */
    uint64_t pending_since_ms;  /* when its probe began */
    uint64_t began_ms;
    struct gateway_probe_state state;
};

struct gateway_probe *gateway_probe_new(struct net_loop *loop, const struct dispatch *dispatch, struct log *log)
{
    struct gateway_probe *probes = expect_calloc(1, sizeof *probes);
    probes->loop = loop;
    probes->dispatch = dispatch;
    probes->log = log;
    return probes;
}

/* ---- a round ---- */

static void wait_for_next(struct gateway_probe *probes)
{
    if (probes->config != NULL && probes->probe == NULL) {
        net_timer_start(probes->timer, probes->config->probe.every);
    }
}

static void keep_pending(struct gateway_probe *probes, const struct probe_result *result)
{
    bool may_come = !result->arrived && result->id[0] != '\0';
    if (may_come && probes->pending[0] == '\0') {
        probes->pending_since_ms = probes->began_ms;
    }
    snprintf(probes->pending, sizeof probes->pending, "%s", may_come ? result->id : "");
}

static void note_success(struct gateway_probe *probes, const struct probe_result *result, bool late)
{
    struct gateway_probe_state *state = &probes->state;
    uint64_t took_us = late ? (net_now(probes->loop) - probes->pending_since_ms) * 1000 : result->arrived_us;
    state->arrived++;
    state->took_us = took_us;
    state->arrived_ms = net_wall(probes->loop);
    state->step[0] = state->text[0] = '\0';
    log_event(probes->log, LOG_LEVEL_INFO, "probe_arrived", LOG_STR("id", result->id),
              LOG_STR("upstream", probes->used->probe.upstream), LOG_STR("folder", probes->used->probe.folder),
              LOG_INT("took_ms", took_us / 1000));
}

static void note_failure(struct gateway_probe *probes, const struct probe_result *result)
{
    struct gateway_probe_state *state = &probes->state;
    state->failed++;
    snprintf(state->step, sizeof state->step, "%s", result->step);
    snprintf(state->text, sizeof state->text, "%s", result->text);
    log_event(probes->log, LOG_LEVEL_WARNING, "probe_failed", LOG_STR("id", result->id[0] == '\0' ? NULL : result->id),
              LOG_STR("step", result->step), LOG_STR("error.message", result->text), LOG_STR("note", result->advice));
}

static void on_probed(void *ctx, const struct probe_result *result)
{
    struct gateway_probe *probes = ctx;
    bool late = probes->pending[0] != '\0';
    probes->state.known = true;
    if (result->arrived) {
        note_success(probes, result, late);
    }
    if (result->step != NULL) {
        note_failure(probes, result);
    }
    keep_pending(probes, result);
    probe_free(&probes->probe);
    config_free(&probes->used);
    wait_for_next(probes);
}

/* Of the upstream: its login was refused, and waits for somebody to mend it. Servers lock accounts that try on. */
static const struct fault *refused_login(const struct gateway_probe *probes)
{
    for (size_t i = 0; i < dispatch_upstream_count(probes->dispatch); i++) {
        struct dispatch_state state;
        dispatch_state(probes->dispatch, i, &state);
        bool is_ours = strcmp(state.config->name, probes->config->probe.upstream) == 0;
        if (is_ours && state.pool.down != NULL && strcmp(state.pool.down, outage_cause_name(OUTAGE_LOGIN)) == 0) {
            return state.last_fault;
        }
    }
    return NULL;
}

static bool is_hopeless(struct gateway_probe *probes)
{
    const struct fault *fault = refused_login(probes);
    if (fault == NULL) {
        return false;
    }
    char text[500];
    snprintf(text, sizeof text, "upstream \"%s\" refuses the login, so the probe does not try it again: %.300s",
             probes->config->probe.upstream, fault->text);
    const struct probe_result result = {
        .step = "mailbox",
        .text = text,
        .advice = "\"mailweir status\" says when the upstream is tried again; a new password is tried at once.",
        .id = probes->pending};
    probes->state.known = true;
    note_failure(probes, &result);
    return true;
}

static void on_due(void *ctx)
{
    struct gateway_probe *probes = ctx;
    if (is_hopeless(probes)) {
        wait_for_next(probes);
        return;
    }
    uint64_t now = net_now(probes->loop);
    if (probes->pending[0] != '\0' && now - probes->pending_since_ms > FORGET_AFTER) {
        probes->pending[0] = '\0';
    }
    probes->began_ms = now;
    probes->used = config_share(probes->config);
    const struct probe_options options = {.config = probes->used,
                                          .waits_for = probes->pending[0] == '\0' ? NULL : probes->pending};
    probes->probe = probe_new(probes->loop, &options, on_probed, probes);
}

/* ---- the life ---- */

void gateway_probe_configure(struct gateway_probe *probes, struct config *config)
{
    bool first = probes->timer == NULL;
    bool enabled = config->probe.enabled && config->probe.every > 0;
    config_free(&probes->config);
    net_timer_free(&probes->timer);
    if (!enabled) {
        return;
    }
    probes->config = config_share(config);
    probes->timer = net_timer_new(probes->loop, on_due, probes);
    if (first && probes->probe == NULL) {
        uint64_t every = config->probe.every;
        net_timer_start(probes->timer, every < FIRST_MS ? every : FIRST_MS);
    } else {
        wait_for_next(probes);
    }
}

void gateway_probe_free(struct gateway_probe **probes)
{
    if (*probes == NULL) {
        return;
    }
    probe_free(&(*probes)->probe);
    config_free(&(*probes)->used);
    config_free(&(*probes)->config);
    net_timer_free(&(*probes)->timer);
    free(*probes);
    *probes = NULL;
}

void gateway_probe_tell(const struct gateway_probe *probes, struct gateway_probe_state *state_r)
{
    *state_r = (struct gateway_probe_state){.known = false};
    if (probes != NULL) {
        *state_r = probes->state;
        state_r->known = state_r->known && probes->config != NULL;
    }
}

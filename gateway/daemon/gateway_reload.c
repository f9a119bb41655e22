/*
 * gateway_reload - configuration and rules again, whole or not at all; see gateway.h.
 *
 * Reading, compiling and the tests beside the rules take as long as there is to read, half a second for ten thousand
 * rules: they run on a lane, and mail flows meanwhile. What was loaded is put in the place of what was, on the loop, in
 * one go. One load runs at a time; whoever asks while it does hears of one that began after the asking, and all of them
 * of the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "config/config_table.h"
#include "daemon/gateway_private.h"
#include "net/net_child.h"
#include "net/net_lane.h"

#define UNCHANGED "takes effect at the next start; a reload does not change this key"

/* Who wants to hear of a load. */
struct waiter {
    struct list link;
    gateway_reloaded_fn *done;
    void *ctx;
};

/* ---- what is said about it ---- */

static void log_problems(struct gateway *gateway, const struct problems *problems)
{
    for (size_t i = 0; i < problems_count(problems); i++) {
        const struct problem *problem = problems_at(problems, i);
        bool is_error = problem->severity == PROBLEM_ERROR;
        log_event(gateway->log, is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
                  is_error ? "reload_failed" : "reload_warning", LOG_STR("file", problem->file),
                  LOG_INT("line", problem->line), LOG_INT("column", problem->column),
                  LOG_STR("pointer", problem->pointer), LOG_STR("error.message", problem->text));
    }
}

/* Whether what waits for the next start is the same in both. */
static bool same_until_restart(const struct config_key *key, const struct config *a, const struct config *b)
{
    bool same = key->kind == CONFIG_OBJECT || config_same_key(key, a, b);
    for (const struct config_key *one = key->kind == CONFIG_OBJECT ? key->table->keys : NULL;
         same && one != NULL && one->name != NULL; one++) {
        same = one->live || config_same_key(one, a, b);
    }
    return same;
}

/* What stands in the file now and needs a restart: the operator must not believe that it is in force. */
static void note_unchanged(const struct gateway *gateway, const struct config *config, struct problems *problems)
{
    for (const struct config_key *key = config_root_table.keys; key->name != NULL; key++) {
        if (key->restart && !same_until_restart(key, gateway->first, config)) {
            char pointer[64];
            snprintf(pointer, sizeof pointer, "/%s", key->name);
            log_event(gateway->log, LOG_LEVEL_WARNING, "reload_warning", LOG_STR("file", config->file),
                      LOG_STR("pointer", pointer), LOG_STR("error.message", UNCHANGED));
            problems_add(problems, PROBLEM_WARNING, config->file, 0, 0, pointer, "%s", UNCHANGED);
        }
    }
}

/* Whether the sandbox, which is for good, lets a command run that was not in the configuration when it was entered. */
static int check_sandbox(const struct gateway *gateway, const struct config *config, struct fault *fault)
{
    bool none = gateway->sandbox.system_calls && !gateway->sandbox.runs_programs;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        const struct config_upstream *upstream = config_upstream_at(config, i);
        const char *const *command = upstream->token_command.items;
        if (upstream->token_command.count > 0 && (none || !net_child_may_run(gateway->loop, command))) {
            fault_set(fault, FAULT_LOCAL, "sandbox", upstream->name,
                      "the token of this upstream comes from a command that was not in the configuration when the "
                      "gateway started, and "
                      "the sandbox runs no others: restart the gateway");
            return -1;
        }
    }
    return 0;
}

/* Says what an operator who looks at the file's mode will not see. */
static void log_hint(struct gateway *gateway, const struct problems *problems)
{
    bool denied = false;
    for (size_t i = 0; i < problems_count(problems); i++) {
        denied = denied || strstr(problems_at(problems, i)->text, strerror(EACCES)) != NULL;
    }
    if (denied && gateway->sandbox.paths > 0) {
        log_event(gateway->log, LOG_LEVEL_ERROR, "reload_failed",
                  LOG_STR("error.message",
                          "the file is in a folder that the configuration did not name when the gateway started, so it "
                          "is outside the sandbox, whatever the file's mode: restart the gateway"));
    }
}

/* ---- taking it ---- */

/* Takes listeners and upstreams of a good configuration; when one cannot be opened, nothing of the configuration is
 * taken. */
static int apply_config(struct gateway *gateway, struct config *config, struct problems *problems)
{
    struct fault fault = FAULT_INIT;
    struct dispatch_plan *plan = NULL;
    /*
     * The plan changes nothing before it is applied, and listeners change all or none: so all that can fail comes
     * before what cannot.
     */
    if (check_sandbox(gateway, config, &fault) < 0 || dispatch_plan(gateway->dispatch, config, &plan, &fault) < 0 ||
        gateway_apply_listeners(gateway, config, &fault) < 0) {
        log_event(gateway->log, LOG_LEVEL_ERROR, "reload_failed", LOG_STR("error.where", fault.where),
                  LOG_STR("error.message", fault.text));
        problems_add(problems, PROBLEM_ERROR, config->file, 0, 0, "", "%s: %s", fault.where, fault.text);
        dispatch_plan_free(&plan);
        return -1;
    }
    dispatch_plan_apply(&plan);
    return 0;
}

/* REQUIRETLS needs to know of upstreams without TLS; with it, the certificate is always verified. */
void gateway_configure_decision(struct gateway *gateway, const struct config *config)
{
    const char **names = expect_memory(arena_array(config->arena, config->upstreams.count + 1, sizeof *names));
    size_t count = 0;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        const struct config_upstream *upstream = config_upstream_at(config, i);
        if (upstream->tls.mode == CONFIG_TLS_NONE) {
            names[count++] = upstream->name;
        }
    }
    decision_set_unverified(gateway->decision, names, count);
    decision_set_timeout(gateway->decision, config->decision_timeout);
    decision_hasten(gateway->decision, &(struct hasten_limits){config->pattern_time, config->pattern_memory});
}

/* ---- counters ---- */

static void on_counted(void *ctx, const struct mail_envelope *envelope)
{
    struct gateway *gateway = ctx;
    if (gateway->decision != NULL) {
        decision_count(gateway->decision, envelope);
    }
}

/* How far back the rules ask; 0: not at all. */
static uint64_t look_back(const struct gateway *gateway)
{
    size_t count;
    const struct filters_counter *counters = filters_counters_of(decision_set(gateway->decision), &count);
    int64_t within_ms = 0;
    for (size_t i = 0; i < count; i++) {
        within_ms = counters[i].keep_ms > within_ms ? counters[i].keep_ms : within_ms;
    }
    return (uint64_t)within_ms;
}

/* What earlier messages have counted stands in the spool. A set without counters need not look for it. */
int gateway_count_again(struct gateway *gateway, struct fault *fault)
{
    uint64_t within_ms = look_back(gateway);
    return within_ms == 0 ? 0 : spool_each_counted(gateway->spool, within_ms, on_counted, gateway, fault);
}

static void count_again_later(struct gateway *gateway)
{
    spool_each_counted_later(gateway->spool, look_back(gateway), on_counted, gateway);
}

/* The configuration is in force from now on. */
static void take_over(struct gateway *gateway, struct config *config, struct problems *problems)
{
    gateway->rules = filters_rule_count(config->rule_set);
    if (decision_replace(gateway->decision, &config->rule_set)) {
        count_again_later(gateway);
    }
    gateway_configure_decision(gateway, config);
    note_unchanged(gateway, config, problems);
    log_event(gateway->log, LOG_LEVEL_INFO, "reloaded", LOG_STR("file", config->file),
              LOG_INT("rules", gateway->rules));
    config_free(&gateway->config);
    gateway->config = config;
    gateway_note_sources(gateway);
    if (gateway->probes != NULL) {
        gateway_probe_configure(gateway->probes, config);
    }
}

/* ---- loading ---- */

static void load_files(void *ctx)
{
    struct gateway_loading *loading = &((struct gateway *)ctx)->loading;
    loading->problems = problems_new();
    loading->config = config_load(loading->file, loading->problems);
}

static void tell_waiters(struct list *waiters, bool good, const struct problems *problems)
{
    for (struct list *link; (link = list_take(waiters)) != NULL;) {
        struct waiter *waiter = LIST_ITEM(link, struct waiter, link);
        waiter->done(waiter->ctx, good, problems);
        free(waiter);
    }
}

static void on_loaded(void *ctx);

static void begin_load(struct gateway *gateway)
{
    gateway->load_began = net_now(gateway->loop);
    struct gateway_loading *loading = &gateway->loading;
    /* A lane is a thread: who never reloads has none for it. */
    if (loading->lane == NULL) {
        loading->lane = net_lane_new(gateway->loop, "reload");
    }
    /* Of the first one, which nothing replaces while the lane reads it. */
    loading->file = gateway->first->file;
    loading->runs = true;
    loading->again = false;
    list_move(&loading->waiting, &loading->later);
    gateway_note_load_begins(gateway);
    net_lane_submit(loading->lane, load_files, on_loaded, gateway);
}

static void finish_load(struct gateway *gateway, struct config *config, struct problems *problems)
{
    log_problems(gateway, problems);
    log_hint(gateway, problems);
    bool good = config != NULL && apply_config(gateway, config, problems) == 0;
    gateway_note_load(gateway, good);
    if (good) {
        take_over(gateway, config, problems);
    } else {
        config_free(&config);
    }
    tell_waiters(&gateway->loading.waiting, good, problems);
}

static void on_loaded(void *ctx)
{
    struct gateway *gateway = ctx;
    struct gateway_loading *loading = &gateway->loading;
    loading->runs = false;
    if (gateway->draining) { /* nobody waits any more */
        config_free(&loading->config);
    } else {
        finish_load(gateway, loading->config, loading->problems);
    }
    problems_free(&loading->problems);
    if (loading->again) {
        begin_load(gateway);
    }
}

static void refuse_reload(void *ctx)
{
    gateway_give_up_reloads(ctx);
}

void gateway_reload(struct gateway *gateway, gateway_reloaded_fn *done, void *ctx)
{
    NET_EXPECT_LOOP(gateway->loop);
    struct gateway_loading *loading = &gateway->loading;
    if (done != NULL) {
        struct waiter *waiter = expect_calloc(1, sizeof *waiter);
        waiter->done = done;
        waiter->ctx = ctx;
        list_append(&loading->later, &waiter->link);
    }
    if (gateway->draining) {
        net_defer(gateway->loop, refuse_reload, gateway);
    } else if (loading->runs) {
        loading->again = true;
    } else {
        begin_load(gateway);
    }
}

void gateway_give_up_reloads(struct gateway *gateway)
{
    struct problems *problems = problems_new();
    problems_add(problems, PROBLEM_ERROR, gateway->config->file, 0, 0, "", "the gateway is shutting down");
    gateway->loading.again = false;
    tell_waiters(&gateway->loading.waiting, false, problems);
    tell_waiters(&gateway->loading.later, false, problems);
    problems_free(&problems);
}

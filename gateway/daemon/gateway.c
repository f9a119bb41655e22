/*
 * gateway - wiring; see gateway.h. The order of starting is the reverse of the order of stopping.
 */
#include "daemon/gateway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "daemon/config_check.h"
#include "daemon/config_table.h"
#include "daemon/gateway_private.h"
#include "spool/spool_admin.h"

static int open_spool(struct gateway *gateway, struct fault *fault)
{
    const struct config *config = gateway->config;
    struct spool_options options = {.path = config->spool_path,
                                    .minimum_free = config->spool_minimum_free,
                                    .history_ms = config->spool_history,
                                    .history_messages = config->spool_history_messages};
    return spool_open(&gateway->spool, gateway->loop, &options, gateway_log(gateway, GATEWAY_AREA_SPOOL), fault);
}

/* Upstreams without TLS; with it, the certificate is always verified. */
static void note_unverified(struct gateway *gateway, struct config *config)
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
}

static int open_parts(struct gateway *gateway, struct fault *fault)
{
    struct config *config = gateway->config;
    if (open_spool(gateway, fault) < 0) {
        return -1;
    }
    gateway->dispatch =
        dispatch_new(gateway->loop, gateway->spool, config, gateway_log(gateway, GATEWAY_AREA_DELIVERY), fault);
    if (gateway->dispatch == NULL) {
        return -1;
    }
    gateway->rules = filters_rule_count(config->rule_set);
    gateway->decision = decision_new(gateway->loop, &config->rule_set, gateway_log(gateway, GATEWAY_AREA_RULES));
    note_unverified(gateway, config);
    decision_set_timeout(gateway->decision, config->decision_timeout);
    gateway->acknowledge = acknowledge_new(gateway->loop, gateway->spool, gateway_log(gateway, GATEWAY_AREA_DELIVERY));
    dispatch_set_watcher(gateway->dispatch, acknowledge_outcome, gateway->acknowledge);
    struct smtpd_hooks hooks = decision_hooks(gateway->decision);
    acknowledge_hooks(gateway->acknowledge, &hooks);
    gateway->smtpd =
        smtpd_new(gateway->loop, gateway->spool, config->hostname, &hooks, gateway_log(gateway, GATEWAY_AREA_SMTP));
    return gateway_apply_listeners(gateway, config, fault);
}

static void log_ready(struct gateway *gateway)
{
    struct spool_counts counts;
    spool_count(gateway->spool, &counts);
    log_event(gateway->log, LOG_LEVEL_INFO, "ready", LOG_STR("version", MAILWEIR_VERSION),
              LOG_STR("hostname", gateway->config->hostname), LOG_STR("spool", gateway->config->spool_path),
              LOG_INT("waiting", counts.waiting), LOG_INT("dead_letters", counts.dead), LOG_INT("held", counts.held));
}

int gateway_open(struct gateway **gateway_r, struct net_loop *loop, struct config **config, struct log *log,
                 struct fault *fault)
{
    struct gateway *gateway = expect_calloc(1, sizeof *gateway);
    gateway->loop = loop;
    gateway->config = *config;
    gateway_logs_init(gateway, log);
    if (open_parts(gateway, fault) < 0) {
        gateway->config = NULL; /* stays the caller's */
        gateway_free(&gateway);
        return -1;
    }
    *config = NULL;
    gateway->first = config_hold(gateway->config);
    gateway_note_load(gateway, true);
    gateway->started_ms = net_wall(loop);
    *gateway_r = gateway;
    return 0;
}

void gateway_start(struct gateway *gateway)
{
    gateway_watch_files(gateway);
    dispatch_start(gateway->dispatch);
    spool_admin_serve(gateway->spool);
    log_ready(gateway);
}

static void on_dispatch_drained(void *ctx)
{
    struct gateway *gateway = ctx;
    gateway->drained(gateway->drained_ctx);
}

static void on_smtpd_drained(void *ctx)
{
    struct gateway *gateway = ctx;
    dispatch_drain(gateway->dispatch, gateway->config->shutdown_timeout / 2, on_dispatch_drained, gateway);
}

void gateway_drain(struct gateway *gateway, void (*done)(void *ctx), void *ctx)
{
    gateway->draining = true;
    gateway->drained = done;
    gateway->drained_ctx = ctx;
    /* Each half gets half of the time, so that both keep within the whole. */
    smtpd_drain(gateway->smtpd, gateway->config->shutdown_timeout / 2, on_smtpd_drained, gateway);
}

void gateway_free(struct gateway **gateway)
{
    if (*gateway == NULL) {
        return;
    }
    net_timer_free(&(*gateway)->watch);
    smtpd_free(&(*gateway)->smtpd);
    acknowledge_free(&(*gateway)->acknowledge);
    decision_free(&(*gateway)->decision);
    dispatch_free(&(*gateway)->dispatch);
    spool_close(&(*gateway)->spool);
    config_free(&(*gateway)->config);
    config_free(&(*gateway)->first);
    free(*gateway);
    *gateway = NULL;
}

static void log_problems(struct gateway *gateway, const struct filters_problems *problems)
{
    for (size_t i = 0; i < filters_problems_count(problems); i++) {
        const struct filters_problem *problem = filters_problems_at(problems, i);
        bool is_error = problem->severity == FILTERS_ERROR;
        log_event(gateway->log, is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
                  is_error ? "reload_failed" : "reload_warning", LOG_STR("file", problem->file),
                  LOG_INT("line", problem->line), LOG_INT("column", problem->column),
                  LOG_STR("pointer", problem->pointer), LOG_STR("error.message", problem->text));
    }
}

/* What stands in the file now and needs a restart: the operator must not believe that it is in force. */
static void note_unchanged(const struct gateway *gateway, const struct config *config)
{
    static const char *const fixed[] = {"hostname", "spool", "log", "admin", "user", "sandbox"};
    for (const struct config_key *key = config_root_table.keys; key->name != NULL; key++) {
        for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
            if (strcmp(key->name, fixed[i]) == 0 && !config_same_key(key, gateway->first, config)) {
                char pointer[64];
                snprintf(pointer, sizeof pointer, "/%s", key->name);
                log_event(gateway->log, LOG_LEVEL_WARNING, "reload_warning", LOG_STR("file", config->file),
                          LOG_STR("pointer", pointer),
                          LOG_STR("error.message", "takes effect at the next start: a reload does not change it"));
            }
        }
    }
}

/* Whether the sandbox, which is for good, lets a command run that was not in the configuration when it was entered. */
static int check_sandbox(const struct gateway *gateway, const struct config *config, struct fault *fault)
{
    bool refused = gateway->sandbox.system_calls && gateway->sandbox.paths > 0;
    for (size_t i = 0; refused && i < config->upstreams.count; i++) {
        const struct config_upstream *upstream = config_upstream_at(config, i);
        if (upstream->token_command.count > 0) {
            fault_set(
                fault, FAULT_LOCAL, "sandbox", upstream->name,
                "it runs a command for its token, which the sandbox that the gateway began with forbids: restart it");
            return -1;
        }
    }
    return 0;
}

/* Says what an operator who looks at the file's mode will not see. */
static void log_hint(struct gateway *gateway, const struct filters_problems *problems)
{
    bool denied = false;
    for (size_t i = 0; i < filters_problems_count(problems); i++) {
        denied = denied || strstr(filters_problems_at(problems, i)->text, strerror(EACCES)) != NULL;
    }
    if (denied && gateway->sandbox.paths > 0) {
        log_event(gateway->log, LOG_LEVEL_ERROR, "reload_failed",
                  LOG_STR("error.message",
                          "a file in a folder that the configuration did not name when the gateway was "
                          "started is outside its sandbox, whatever the file's mode: restart it"));
    }
}

/* Takes listeners and upstreams of a good configuration; when one cannot be opened, nothing of the configuration is taken. */
static int apply(struct gateway *gateway, struct config *config)
{
    struct fault fault = FAULT_INIT;
    struct dispatch_plan *plan = NULL;
    if (check_sandbox(gateway, config, &fault) < 0 || dispatch_plan(gateway->dispatch, config, &plan, &fault) < 0 ||
        gateway_apply_listeners(gateway, config, &fault) < 0) {
        log_event(gateway->log, LOG_LEVEL_ERROR, "reload_failed", LOG_STR("error.where", fault.where),
                  LOG_STR("error.message", fault.text));
        dispatch_plan_free(&plan);
        return -1;
    }
    dispatch_plan_apply(&plan);
    return 0;
}

/* The configuration is in force from now on. */
static void take(struct gateway *gateway, struct config *config)
{
    gateway->rules = filters_rule_count(config->rule_set);
    decision_replace(gateway->decision, &config->rule_set);
    note_unverified(gateway, config);
    decision_set_timeout(gateway->decision, config->decision_timeout);
    note_unchanged(gateway, config);
    log_event(gateway->log, LOG_LEVEL_INFO, "reloaded", LOG_STR("file", config->file),
              LOG_INT("rules", gateway->rules));
    config_free(&gateway->config);
    gateway->config = config;
    gateway_note_sources(gateway);
}

void gateway_reload(struct gateway *gateway)
{
    struct filters_problems *problems = filters_problems_new();
    struct config *config = config_load(gateway->first->file, problems);
    log_problems(gateway, problems);
    log_hint(gateway, problems);
    bool good = config != NULL && apply(gateway, config) == 0;
    gateway_note_load(gateway, good);
    if (good) {
        take(gateway, config);
    } else {
        config_free(&config);
    }
    filters_problems_free(&problems);
}

uint16_t gateway_port(const struct gateway *gateway, const char *listener)
{
    return smtpd_port(gateway->smtpd, listener);
}

void gateway_count(const struct gateway *gateway, struct gateway_counts *counts_r)
{
    smtpd_count(gateway->smtpd, &counts_r->smtpd);
    dispatch_count(gateway->dispatch, &counts_r->dispatch);
    spool_count(gateway->spool, &counts_r->spool);
}

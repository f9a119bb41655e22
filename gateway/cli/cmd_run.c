/*
 * cmd_run - the gateway as a process: signals, the log, exit codes.
 *
 * SIGTERM and SIGINT drain and exit with 0; a second one ends at once (what was acknowledged is on the disk). SIGHUP
 * loads the rules again. A wrong configuration exits with EX_CONFIG, a spool or address that another process has with
 * EX_UNAVAILABLE.
 */
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/admin.h"
#include "cli/cli.h"
#include "cli/cli_notify.h"
#include "cli/cli_sandbox.h"
#include "cli/cli_store.h"
#include "daemon/gateway.h"
#include "net/net_runner.h"

struct run {
    struct net_loop *loop;
    struct gateway *gateway;
    struct admin *admin;
    struct cli_notify *notify;
    struct log log;
    struct net_sandbox_state sandbox;
    bool stopping;
};

static void on_drained(void *ctx)
{
    struct run *run = ctx;
    net_loop_stop(run->loop);
}

static void stop_running(struct run *run, const char *name)
{
    if (run->stopping) {
        /* Whoever asks twice wants no tidying up; what was acknowledged is on the disk, and a start looks at it as
         * after a crash. */
        log_event(&run->log, LOG_LEVEL_WARNING, "stopping_now", LOG_STR("signal", name));
        _exit(EX_OK);
    }
    run->stopping = true;
    cli_notify_stopping(run->notify);
    log_event(&run->log, LOG_LEVEL_INFO, "stopping", LOG_STR("signal", name));
    gateway_drain(run->gateway, on_drained, run);
}

static void on_stop(void *ctx, int number)
{
    stop_running(ctx, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

/* "mailweir drain" */
static void on_asked(void *ctx)
{
    stop_running(ctx, "drain");
}

static void on_reloaded(void *ctx, bool good, const struct problems *problems)
{
    struct run *run = ctx;
    (void)good, (void)problems;
    if (!run->stopping) {
        cli_notify_ready(run->notify);
    }
}

static void on_reload(void *ctx, int number)
{
    struct run *run = ctx;
    (void)number;
    if (!run->stopping) {
        cli_notify_reloading(run->notify);
        gateway_reload(run->gateway, on_reloaded, run);
    }
}

/* Whoever hears that it is ready may send a signal at once: it must not meet what a signal does to a program by
 * itself. */
static void run_until_stopped(struct run *run)
{
    struct net_signal *term = net_signal_new(run->loop, SIGTERM, on_stop, run);
    struct net_signal *interrupt = net_signal_new(run->loop, SIGINT, on_stop, run);
    struct net_signal *hangup = net_signal_new(run->loop, SIGHUP, on_reload, run);
    gateway_start(run->gateway);
    run->notify = cli_notify_new(run->loop);
    net_loop_run(run->loop);
    cli_notify_free(&run->notify);
    net_signal_free(&term);
    net_signal_free(&interrupt);
    net_signal_free(&hangup);
}

static int open_all(struct run *run, struct config **config, struct fault *fault)
{
    const struct gateway_stores stores = {.queue = cli_store_kind(*config), .overflow = cli_store_overflow()};
    if (cli_sandbox_enter(*config, run->loop, &run->log, &run->sandbox, fault) < 0 ||
        gateway_open(&run->gateway, run->loop, &stores, config, &run->log, fault) < 0) {
        return -1;
    }
    gateway_set_sandbox(run->gateway, &run->sandbox);
    bool has_admin = gateway_config(run->gateway)->admin.enabled;
    return has_admin ? admin_open(&run->admin, run->loop, run->gateway, fault) : 0;
}

static int start_failed(struct run *run, const struct fault *fault)
{
    log_event(&run->log, LOG_LEVEL_ERROR, "start_failed", LOG_STR("error.code", fault->code),
              LOG_STR("where", fault->where), LOG_STR("error.message", fault->text));
    /* What a restart cannot mend. */
    return strcmp(fault->code, "user") == 0 ? EX_CONFIG : EX_UNAVAILABLE;
}

static int run_gateway(struct run *run, struct config **config)
{
    struct fault fault = FAULT_INIT;
    if (open_all(run, config, &fault) < 0) {
        gateway_free(&run->gateway);
        net_runner_stop(run->loop);
        return start_failed(run, &fault);
    }
    gateway_set_ender(run->gateway, on_asked, run);
    run_until_stopped(run);
    admin_close(&run->admin);
    gateway_free(&run->gateway);
    net_runner_stop(run->loop);
    log_event(&run->log, LOG_LEVEL_INFO, "stopped", LOG_STR("version", MAILWEIR_VERSION));
    return EX_OK;
}

int cmd_run(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL;
    const struct cli_option options[] = {CLI_OPTION_CONFIG(&file), {.name = NULL}};
    int exit_code;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    struct run run = {.loop = net_loop_new()};
    struct fault fault = FAULT_INIT;
    cli_log_init(&run.log, NULL, run.loop);
    if (cli_sandbox_become(cli_config_file(file), &fault) < 0) {
        exit_code = start_failed(&run, &fault);
        net_loop_free(&run.loop);
        return exit_code;
    }
    struct config *config = cli_load_config(file, true);
    if (config == NULL) {
        net_loop_free(&run.loop);
        return EX_CONFIG;
    }
    cli_log_init(&run.log, config, run.loop);
    exit_code = run_gateway(&run, &config);
    config_free(&config);
    net_loop_free(&run.loop);
    return exit_code;
}

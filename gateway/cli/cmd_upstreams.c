/*
 * cmd_upstreams - does every upstream work? Each account is tried in turn: connect, TLS, log in, what the server can do; or the table of profiles is
 * printed. Nothing is filed. 1 when one of them does not work.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"
#include "daemon/config_check.h"
#include "net/net_loop.h"

/* A pool is given so long to say goodbye. */
#define GOODBYE_MS 3000

struct attempt {
    struct net_loop *loop;
    struct imapc_pool *pool;
    bool good;
};

/* ---- profiles ---- */

static void print_profiles(void)
{
    const struct imapc_profile *profile;
    for (size_t i = 0; (profile = imapc_profile_at(i)) != NULL; i++) {
        printf("%s: %s\n", profile->name, profile->about);
        for (size_t k = 0; k < IMAPC_SETTINGS; k++) {
            enum imapc_setting setting = (enum imapc_setting)k;
            const char *why;
            uint64_t value = imapc_profile_value(profile, setting, &why);
            bool own = i == 0 || profile->values[k].why != NULL;
            const char *word = value != 0 ? "yes" : "no";
            char number[32];
            snprintf(number, sizeof number, "%" PRIu64, value);
            if (own) {
                printf("  %-20s %10s  %s\n", imapc_profile_setting_name(setting),
                       imapc_profile_is_switch(setting) ? word : number, why);
            }
        }
    }
    printf("\nWhat a profile does not name is as in \"generic\". \"connections\" and the keys of \"limits\" override "
           "each value.\n");
}

/* ---- one account ---- */

static void print_capabilities(const struct imap_capabilities *capabilities)
{
    printf("  capabilities  ");
    for (unsigned bit = 0; bit < 32; bit++) {
        if (capabilities->has & (UINT32_C(1) << bit)) {
            printf(" %s", imap_capability_name((enum imap_capability)(UINT32_C(1) << bit)));
        }
    }
    if (capabilities->append_limit > 0) {
        printf(" (%" PRIu64 " octets)", capabilities->append_limit);
    }
    printf("\n");
}

static void on_report(void *ctx, const struct imapc_report *report)
{
    struct attempt *attempt = ctx;
    attempt->good = report->fault == NULL;
    if (report->fault != NULL) {
        printf("  FAILED         during %s: %s (%s)\n", report->fault->where, report->fault->text, report->fault->code);
    } else {
        printf("  connected      %s\n", report->peer);
        if (report->tls_version != NULL) {
            printf("  tls            %s, %s, %s\n", report->tls_version, report->tls_cipher,
                   report->tls_peer != NULL ? report->tls_peer : "no certificate");
        } else {
            printf("  tls            none\n");
        }
        printf("  logged in      yes\n");
        print_capabilities(report->capabilities);
        for (size_t i = 0; i < report->namespaces->count; i++) {
            const struct imap_namespace *space = &report->namespaces->items[i];
            printf("  namespace      prefix \"%s\", levels by \"%.1s\"%s\n", space->prefix, &space->delimiter,
                   i == 0 ? ", ours" : "");
        }
    }
    net_loop_stop(attempt->loop);
}

static void on_drained(void *ctx)
{
    struct attempt *attempt = ctx;
    net_loop_stop(attempt->loop);
}

static bool try_upstream(const struct config_upstream *upstream)
{
    struct attempt attempt = {.loop = net_loop_new()};
    struct imapc_account account;
    struct fault fault = FAULT_INIT;
    printf("%s: %s:%u as %s\n", upstream->name, upstream->address.host, upstream->address.port, upstream->username);
    fflush(stdout);
    if (config_upstream_account(upstream, &account, &fault) < 0) {
        printf("  FAILED         %s: %s\n", fault.where, fault.text);
    } else {
        attempt.pool = imapc_pool_new(attempt.loop, &account, NULL);
        imapc_account_release(&account);
        imapc_pool_try(attempt.pool, NULL, on_report, &attempt);
        net_loop_run(attempt.loop);
        imapc_pool_drain(attempt.pool, GOODBYE_MS, on_drained, &attempt);
        net_loop_run(attempt.loop);
        imapc_pool_free(&attempt.pool);
    }
    net_loop_free(&attempt.loop);
    return attempt.good;
}

/* ---- the command ---- */

static bool is_chosen(const char *name, int count, char **names)
{
    for (int i = 1; i <= count; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return count == 0;
}

static int try_all(const struct config *config, int count, char **names)
{
    int tried = 0, failed = 0;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        const struct config_upstream *upstream = config_upstream_at(config, i);
        if (is_chosen(upstream->name, count, names)) {
            tried++;
            failed += !try_upstream(upstream);
        }
    }
    printf("%d tried, %d failed\n", tried, failed);
    return failed > 0 || tried == 0 ? 1 : EX_OK;
}

int cmd_upstreams(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL;
    bool profiles = false;
    const struct cli_option options[] = {
        {.name = "config", .value = &file, .help = "the configuration file"},
        {.name = "profiles", .flag = &profiles, .help = "print what is known about kinds of servers"},
        {.name = NULL}};
    int exit_code;
    int names = cli_parse(command, options, argc, argv, &exit_code);
    if (names < 0) {
        return exit_code;
    }
    if (profiles) {
        print_profiles();
        return EX_OK;
    }
    struct config *config = cli_load_config(file);
    if (config == NULL) {
        return 1;
    }
    int result = try_all(config, names, argv);
    config_free(&config);
    return result;
}

/*
 * cli_folders - see cli_folders.h.
 */
#include "cli/cli_folders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "config/config_account.h"
#include "net/net_loop.h"

#define ARENA_MAX  (64u << 20)
#define NAMES_MAX  (4u << 20) /* octets of the names of one upstream */
#define GOODBYE_MS 3000

struct question {
    struct net_loop *loop;
    bool good;
};

static void on_report(void *ctx, const struct imapc_report *report)
{
    struct question *question = ctx;
    question->good = report->fault == NULL;
    if (report->fault != NULL) {
        fprintf(stderr, "during %s: %s\n", report->fault->where, report->fault->text);
    }
    net_loop_stop(question->loop);
}

static void on_drained(void *ctx)
{
    net_loop_stop(ctx);
}

static bool ask(const struct config_upstream *upstream, struct imapc_names *names)
{
    struct question question = {.loop = net_loop_new()};
    struct imapc_account account;
    struct fault fault = FAULT_INIT;
    fprintf(stderr, "%s: ", upstream->name);
    if (config_upstream_account(upstream, &account, &fault) < 0) {
        fprintf(stderr, "%s: %s\n", fault.where, fault.text);
    } else {
        struct imapc_pool *pool = imapc_pool_new(question.loop, &account, NULL);
        imapc_account_release(&account);
        imapc_pool_try(pool, names, on_report, &question);
        net_loop_run(question.loop);
        imapc_pool_drain(pool, GOODBYE_MS, on_drained, question.loop);
        net_loop_run(question.loop);
        imapc_pool_free(&pool);
    }
    net_loop_free(&question.loop);
    if (question.good && !names->complete) {
        fprintf(stderr, "the server does not name all of its folders; none is checked\n");
    } else if (question.good) {
        fprintf(stderr, "%zu folders\n", names->count);
    }
    return question.good && names->complete;
}

static void keep(struct cli_folders *folders, const struct config_upstream *upstream, struct imapc_names *names)
{
    size_t size = (folders->count + names->count + 1) * sizeof *folders->items;
    folders->items = expect_memory(realloc(folders->items, size));
    struct bytes rest = buf_bytes(&names->list);
    while (rest.len > 0) {
        struct bytes name = bytes_cut(&rest, '\0');
        folders->items[folders->count++] = (struct filters_folder){
            .upstream = upstream->name, .folder = expect_memory(arena_copy(folders->arena, name))};
    }
}

int cli_folders_ask(struct cli_folders *folders_r, const struct config *config)
{
    int result = 0;
    *folders_r = (struct cli_folders){.arena = arena_new(ARENA_MAX)};
    for (size_t i = 0; i < config->upstreams.count; i++) {
        struct imapc_names names = {.count = 0};
        buf_init(&names.list, NAMES_MAX);
        if (ask(config_upstream_at(config, i), &names)) {
            keep(folders_r, config_upstream_at(config, i), &names);
        } else {
            result = -1;
        }
        buf_done(&names.list);
    }
    return result;
}

void cli_folders_done(struct cli_folders *folders)
{
    free(folders->items);
    arena_free(&folders->arena);
}

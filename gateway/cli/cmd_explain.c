/*
 * cmd_explain - what the rules would do with a message, and why; and what another rule set would do otherwise (--diff).
 *
 * Exit codes: 0; 1 when the rules have an error, or with --diff when a message would go elsewhere (as diff does); 66
 * when a message cannot be read.
 *
 * The messages are files, or with --spool those that wait in a spool: these are decided with the envelope, the client
 * and the time that the spool has of them, so that nothing is guessed.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/date.h"
#include "cli/cli.h"
#include "cli/cli_explain.h"
#include "cli/cli_message.h"
#include "cli/cli_progress.h"
#include "cli/cli_recent.h"
#include "cli/cli_rules.h"
#include "cli/queue.h"
#include "cli/cli_paint.h"
#include "decision/outcome.h"
#include "net/net_file.h"
#include "net/net_loop.h"

#define ARENA_MAX (256u << 20)
#define TEXT_MAX  (64u << 20)

struct explain {
    struct net_loop *loop; /* for its clocks only */
    struct filters_scratch *scratch;
    const struct filters_set *set, *other; /* other: of --diff */
    bool json;
    size_t messages, differ;
    json_t *first;                /* with --json: the message that is not printed yet, because nothing may follow it */
    struct cli_progress progress; /* of --diff */
};

static uint64_t clock_us(void *ctx)
{
    return net_now_us(ctx);
}

/* ---- one message ---- */

/* One message is an object; several are a list of them, so that what is printed is one document in any case. */
static void print_json(struct explain *explain, json_t *root)
{
    if (explain->messages++ == 0) {
        explain->first = json_incref(root);
        return;
    }
    if (explain->first != NULL) {
        printf("[\n");
        json_dumpf(explain->first, stdout, JSON_INDENT(1));
        json_decref(explain->first);
        explain->first = NULL;
    }
    printf(",\n");
    json_dumpf(root, stdout, JSON_INDENT(1));
}

static void end_json(struct explain *explain)
{
    if (explain->first != NULL) {
        json_dumpf(explain->first, stdout, JSON_INDENT(1));
        json_decref(explain->first);
        printf("\n");
    } else if (explain->messages > 0) {
        printf("\n]\n");
    }
}

static int explain_one(void *ctx, const char *name, const struct filters_message *message)
{
    struct explain *explain = ctx;
    struct arena *arena = arena_new(ARENA_MAX);
    struct filters_decision decision;
    struct fault fault = FAULT_INIT;
    struct buf text;
    buf_init(&text, TEXT_MAX);
    int result = filters_explain(explain->set, explain->scratch, message, clock_us, explain->loop, arena, &decision,
                                 &fault, &text);
    if (result < 0) {
        fprintf(stderr, "mailweir: %s: the explanation is larger than %u MiB\n", name, TEXT_MAX >> 20);
    } else if (explain->json) {
        json_t *root = json_loadb((const char *)buf_bytes(&text).ptr, text.len, 0, NULL);
        json_object_set_new(root, "message", json_string(name));
        print_json(explain, root);
        json_decref(root);
    } else {
        cli_explain_print(name, message, buf_bytes(&text), cli_has_colour(STDOUT_FILENO), stdout);
    }
    buf_done(&text);
    arena_free(&arena);
    return result < 0 ? 1 : 0;
}

/* ---- --diff ---- */

static void print_difference(const struct explain *explain, const char *name, struct buf *old, struct buf *new)
{
    if (explain->json) {
        json_t *line = json_pack("{s:s%,s:s%,s:s%}", "message", name, strlen(name), "old", buf_text(old), old->len,
                                 "new", buf_text(new), new->len);
        json_dumpf(line, stdout, JSON_COMPACT);
        printf("\n");
        json_decref(line);
        return;
    }
    printf("%s\n  - %s\n  + %s\n", name, buf_text(old), buf_text(new));
}

static int diff_one(void *ctx, const char *name, const struct filters_message *message)
{
    struct explain *explain = ctx;
    struct buf old, new;
    buf_init(&old, 1u << 20);
    buf_init(&new, 1u << 20);
    disregard(outcome_write(explain->set, explain->scratch, message, ARENA_MAX, &old, NULL));
    disregard(outcome_write(explain->other, explain->scratch, message, ARENA_MAX, &new, NULL));
    explain->messages++;
    if (!bytes_equal(buf_bytes(&old), buf_bytes(&new))) {
        explain->differ++;
        cli_progress_clear(&explain->progress);
        print_difference(explain, name, &old, &new);
    }
    buf_done(&old);
    buf_done(&new);
    cli_progress_step(&explain->progress, explain->messages);
    return 0;
}

/* ---- the command ---- */

struct arguments {
    const char *config, *from, *to, *client, *helo, *user, *listener, *protocol, *tls, *certificate, *fallback, *spool,
        *now;
    bool json, diff, recent;
};

static int walk_files(struct explain *explain, const struct cli_envelope *envelope, char **paths, int count,
                      cli_message_fn *fn)
{
    for (int i = 0; i < count; i++) {
        struct fault fault = FAULT_INIT;
        int result = cli_message_each(paths[i], envelope, fn, explain, &fault);
        if (result < 0) {
            fprintf(stderr, "mailweir: %s: %s\n", paths[i], fault.text);
            return EX_NOINPUT;
        }
        if (result > 0) {
            return result;
        }
    }
    return EX_OK;
}

/* ---- messages of a spool ---- */

struct stored {
    struct explain *explain;
    cli_message_fn *fn;
    const char *id;
};

static int on_stored(void *ctx, const json_t *story, const struct filters_message *message)
{
    (void)story;
    const struct stored *stored = ctx;
    return stored->fn(stored->explain, stored->id, message);
}

/* One that was delivered since the list was made is no longer asked for. */
static int each_stored(void *ctx, struct queue_source *source, const char *id)
{
    struct stored stored = *(struct stored *)ctx;
    stored.id = id;
    return queue_read_stored(source, id, on_stored, &stored);
}

static int is_there(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return 1;
}

/* --spool names the spool's folder, or the configuration that names it. NULL after a problem was printed. */
static char *spool_folder(const char *path, struct arena *arena, struct cli_store *store)
{
    struct fault fault = FAULT_INIT;
    if (net_file_list(path, is_there, NULL, &fault) >= 0) {
        cli_store_of_path(store, path);
        return arena_text(arena, path);
    }
    struct problems *problems = problems_new();
    struct config *config = config_load_part(path, problems);
    char *folder = config == NULL || config->spool_path == NULL ? NULL : arena_text(arena, config->spool_path);
    if (folder == NULL) {
        fprintf(stderr, "mailweir: --spool %s is neither a spool's folder nor a configuration that names one\n", path);
    } else {
        cli_store_of_config(store, config);
    }
    config_free(&config);
    problems_free(&problems);
    return folder;
}

static int walk_spool(struct explain *explain, const char *path, char **ids, int count, cli_message_fn *fn)
{
    struct arena *arena = arena_new(1u << 20);
    struct cli_store store = {0};
    char *folder = spool_folder(path, arena, &store);
    struct queue_options options = {.spool = folder, .path = folder, .store = store};
    struct stored stored = {.explain = explain, .fn = fn};
    int result = options.spool == NULL ? EX_NOINPUT : EX_OK;
    for (int i = 0; result == EX_OK && i < (count == 0 ? 1 : count); i++) {
        options.select.id = count == 0 ? NULL : ids[i];
        result = queue_each_message(&options, NULL, each_stored, &stored);
    }
    cli_store_done(&store);
    arena_free(&arena);
    return result;
}

static int walk_messages(struct explain *explain, const struct arguments *arguments,
                         const struct cli_envelope *envelope, char **names, int count, cli_message_fn *fn)
{
    return arguments->spool != NULL ? walk_spool(explain, arguments->spool, names, count, fn)
                                    : walk_files(explain, envelope, names, count, fn);
}

static int run_diff(struct explain *explain, const struct arguments *arguments, const struct cli_envelope *envelope,
                    char **others, int count)
{
    struct cli_rules old, new;
    const char *old_path = others[0], *new_path = others[1];
    int result = 1;
    if (cli_rules_load(&old, &old_path, 1, arguments->fallback) == 0) {
        if (cli_rules_load(&new, &new_path, 1, arguments->fallback) == 0) {
            explain->set = old.set;
            explain->other = new.set;
            cli_progress_begin(&explain->progress, "comparing", 0);
            result = walk_messages(explain, arguments, envelope, others + 2, count - 2, diff_one);
            cli_progress_clear(&explain->progress);
            if (result == EX_OK && !arguments->json) {
                printf("%zu messages, %zu would go elsewhere\n", explain->messages, explain->differ);
            }
            result = result == EX_OK && explain->differ > 0 ? 1 : result;
        }
        cli_rules_done(&new);
    }
    cli_rules_done(&old);
    return result;
}

static int run_explain(struct explain *explain, const struct arguments *arguments, const struct cli_envelope *envelope,
                       char **others, int count)
{
    struct cli_rules rules;
    const char *path = cli_config_file(arguments->config);
    int result = 1;
    if (cli_rules_load(&rules, &path, 1, arguments->fallback) == 0) {
        explain->set = rules.set;
        result = walk_messages(explain, arguments, envelope, others, count, explain_one);
        if (explain->json) {
            end_json(explain);
        }
    }
    cli_rules_done(&rules);
    return result;
}

static int run_message(const struct arguments *arguments, char **others, int count)
{
    if (arguments->recent) {
        return cli_recent_diff(arguments->config, (const char *const *)others, (size_t)count, arguments->json);
    }
    struct net_loop *loop = net_loop_new();
    struct explain explain = {.loop = loop, .scratch = filters_scratch_new(), .json = arguments->json};
    struct cli_envelope envelope = {
        .from = arguments->from,
        .to = arguments->to,
        .client = {.listener = arguments->listener,
                   .address = arguments->client == NULL ? "127.0.0.1" : arguments->client,
                   .helo = arguments->helo,
                   .protocol = arguments->protocol == NULL ? "ESMTP" : arguments->protocol,
                   .tls_version = arguments->tls,
                   .tls_peer = arguments->certificate,
                   .user = arguments->user},
        .now_ms = net_wall(loop),
    };
    if (arguments->now != NULL) {
        disregard(filters_time(arguments->now, &envelope.now_ms)); /* it was looked at */
    }
    int result = arguments->diff ? run_diff(&explain, arguments, &envelope, others, count)
                                 : run_explain(&explain, arguments, &envelope, others, count);
    filters_scratch_free(&explain.scratch);
    net_loop_free(&loop);
    return result;
}

/* What the arguments lack, or NULL. */
static const char *missing(const struct arguments *arguments, int others)
{
    int64_t ms;
    if (arguments->now != NULL && !filters_time(arguments->now, &ms)) {
        return "--now takes a time such as 2026-11-23T07:11:20Z";
    }
    if (arguments->recent) {
        return !arguments->diff || arguments->spool != NULL || others < 1
                   ? "--recent needs --diff, and takes the new rule files, or a folder of them"
                   : NULL;
    }
    if (others >= (arguments->diff ? 2 : 0) + (arguments->spool == NULL ? 1 : 0)) {
        return NULL;
    }
    return arguments->diff ? "--diff takes OLD, NEW and one or more messages, folders or mboxes, or --spool"
                           : "name a message: a file, a folder, an mbox, - for standard input, or --spool";
}

int cmd_explain(const struct cli_command *command, int argc, char **argv)
{
    struct arguments arguments = {.json = false};
    const struct cli_option options[] = {
        {.name = "config",
         .value = &arguments.config,
         .help = "the configuration, a rule file, or a folder of rule files"},
        {.name = "from", .value = &arguments.from, .help = "envelope sender [Return-Path, else From]"},
        {.name = "to",
         .value = &arguments.to,
         .help = "envelope recipients, separated by commas [Delivered-To, else To]"},
        {.name = "client", .value = &arguments.client, .help = "the client's address [127.0.0.1]"},
        {.name = "helo", .value = &arguments.helo, .help = "the client's name"},
        {.name = "user", .value = &arguments.user, .help = "the authenticated user"},
        {.name = "listener", .value = &arguments.listener, .help = "the listener's name"},
        {.name = "protocol", .value = &arguments.protocol, .help = "the protocol [ESMTP]"},
        {.name = "tls", .value = &arguments.tls, .help = "TLS version, such as TLSv1.3"},
        {.name = "certificate", .value = &arguments.certificate, .help = "subject of the client's certificate"},
        {.name = "now", .value = &arguments.now, .help = "time of reception, 2026-11-23T07:11:20Z [now]"},
        {.name = "default",
         .value = &arguments.fallback,
         .help = "UPSTREAM:FOLDER of the default delivery, without a configuration"},
        {.name = "spool",
         .value = &arguments.spool,
         .help = "use the messages that wait in this spool (its folder, or a configuration): all, or those with the "
                 "ids that follow"},
        {.name = "json", .flag = &arguments.json, .help = "print JSON instead of text"},
        {.name = "diff",
         .flag = &arguments.diff,
         .help = "OLD NEW MESSAGE...: print only messages that NEW would route differently; OLD and NEW are "
                 "configurations, rule files or folders"},
        {.name = "recent",
         .flag = &arguments.recent,
         .help = "with --diff: NEW... are rule files or folders of them, tried on the mail that the running gateway "
                 "decided last and on what waits there"},
        {.name = NULL},
    };
    int exit_code;
    int others = cli_parse(command, options, argc, argv, &exit_code);
    if (others < 0) {
        return exit_code;
    }
    const char *lacks = missing(&arguments, others);
    return lacks == NULL ? run_message(&arguments, argv + 1, others) : cli_usage_error(command, "%s", lacks);
}

/*
 * reception_listener - one listening socket: who may connect, and what is offered to whom. Contract:
 * reception_private.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "reception/reception_private.h"

#define OPTIONS_MAX ((size_t)16 << 20)
#define OUTPUT_MAX  ((size_t)64 << 10)
#define OUTPUT_LOW  ((size_t)4 << 10)

static void on_accept(void *ctx, struct net_stream *stream)
{
    reception_session_start(ctx, stream);
}

/* ---- options ---- */

static const char *const *copy_strings(struct arena *arena, const char *const *strings, size_t count)
{
    const char **copy = expect_memory(arena_array(arena, count + 1, sizeof *copy));
    for (size_t i = 0; i < count; i++) {
        copy[i] = expect_memory(arena_text(arena, strings[i]));
    }
    return copy;
}

static int parse_networks(struct arena *arena, const char *const *texts, size_t count, const char *listener,
                          struct reception_networks *networks_r, struct fault *fault)
{
    struct network *items = expect_memory(arena_array(arena, count + 1, sizeof *items));
    for (size_t i = 0; i < count; i++) {
        if (network_parse(&items[i], bytes_of(texts[i])) < 0) {
            fault_set(fault, FAULT_LOCAL, "network", listener,
                      "\"%s\" is not a network; write an address, or a prefix without host bits such as 10.0.0.0/8",
                      texts[i]);
            return -1;
        }
    }
    *networks_r = (struct reception_networks){items, count};
    return 0;
}

static int parse_sender_rules(struct reception_listener *into, const struct reception_listener_options *options,
                              struct fault *fault)
{
    into->sender_limits =
        expect_memory(arena_array(into->arena, options->sender_rule_count + 1, sizeof *into->sender_limits));
    for (size_t i = 0; i < options->sender_rule_count; i++) {
        const struct reception_sender_rule *rule = &options->sender_rules[i];
        struct reception_sender_limit *limit = &into->sender_limits[i];
        limit->senders = copy_strings(into->arena, rule->senders, rule->sender_count);
        limit->sender_count = rule->sender_count;
        if (parse_networks(into->arena, rule->networks, rule->network_count, options->name, &limit->networks, fault) <
            0) {
            return -1;
        }
    }
    return 0;
}

/* Everything that is made of options, into the fields of `into`; -1 with a fault, and nothing kept. */
static int take_options(struct reception_listener *into, const struct reception_listener_options *options,
                        struct fault *fault)
{
    struct arena *arena = into->arena = arena_new(OPTIONS_MAX);
    into->options = *options;
    into->options.name = expect_memory(arena_text(arena, options->name));
    into->options.senders = copy_strings(arena, options->senders, options->sender_count);
    into->options.recipients = copy_strings(arena, options->recipients, options->recipient_count);
    into->options.allow = into->options.lenient = into->options.proxies = into->options.xclients = NULL;
    into->options.sender_rules = NULL;
    if (parse_networks(arena, options->allow, options->allow_count, options->name, &into->allow, fault) < 0 ||
        parse_networks(arena, options->lenient, options->lenient_count, options->name, &into->lenient, fault) < 0 ||
        parse_networks(arena, options->proxies, options->proxy_count, options->name, &into->proxies, fault) < 0 ||
        parse_networks(arena, options->xclients, options->xclient_count, options->name, &into->xclients, fault) < 0 ||
        parse_sender_rules(into, options, fault) < 0) {
        arena_free(&into->arena);
        return -1;
    }
    into->options.tls = options->tls == NULL ? NULL : net_tls_share(options->tls);
    into->options.tls_lenient = options->tls_lenient == NULL ? NULL : net_tls_share(options->tls_lenient);
    into->options.users = options->users == NULL ? NULL : reception_users_share(options->users);
    return 0;
}

static void drop_options(struct reception_listener *listener)
{
    net_tls_free(&listener->options.tls);
    net_tls_free(&listener->options.tls_lenient);
    reception_users_free(&listener->options.users);
    arena_free(&listener->arena);
}

/* ---- life ---- */

int reception_listener_new(struct reception_listener **listener_r, struct reception *reception,
                           const struct reception_listener_options *options, struct fault *fault)
{
    const struct net_stream_limits limits = {SMTPD_INPUT_MAX, OUTPUT_MAX, OUTPUT_LOW};
    struct reception_listener *listener = expect_calloc(1, sizeof *listener);
    uint8_t seed[16];
    net_random(seed, sizeof seed);
    list_init(&listener->link);
    list_init(&listener->sessions);
    listener->reception = reception;
    if (take_options(listener, options, fault) < 0) {
        free(listener);
        return -1;
    }
    listener->admission =
        smtpd_admission_new(options->limits.max_sessions, options->limits.max_sessions_per_network, seed);
    listener->users = smtpd_admission_new(options->limits.max_sessions, options->limits.max_sessions_per_user, seed);
    if (net_listener_open(&listener->socket, reception->loop, &options->address, &limits, on_accept, listener, fault) <
        0) {
        reception_listener_free(&listener);
        return -1;
    }
    *listener_r = listener;
    return 0;
}

int reception_listener_update(struct reception_listener *listener, const struct reception_listener_options *options,
                              struct fault *fault)
{
    struct reception_listener fresh = {0};
    if (take_options(&fresh, options, fault) < 0) {
        return -1;
    }
    drop_options(listener);
    listener->arena = fresh.arena;
    listener->options = fresh.options;
    listener->allow = fresh.allow;
    listener->lenient = fresh.lenient;
    listener->proxies = fresh.proxies;
    listener->xclients = fresh.xclients;
    listener->sender_limits = fresh.sender_limits;
    smtpd_admission_set(listener->admission, options->limits.max_sessions, options->limits.max_sessions_per_network);
    smtpd_admission_set(listener->users, options->limits.max_sessions, options->limits.max_sessions_per_user);
    return 0;
}

void reception_listener_drain(struct reception_listener *listener)
{
    net_listener_free(&listener->socket);
    LIST_EACH(link, &listener->sessions)
    {
        reception_session_drain(reception_session_of(link));
    }
}

void reception_listener_free(struct reception_listener **listener)
{
    list_remove(&(*listener)->link);
    net_listener_free(&(*listener)->socket);
    LIST_EACH(link, &(*listener)->sessions)
    {
        reception_session_abort(reception_session_of(link));
    }
    smtpd_admission_free(&(*listener)->admission);
    smtpd_admission_free(&(*listener)->users);
    drop_options(*listener);
    free(*listener);
    *listener = NULL;
}

/* smtpd_listener - one listening socket, who may connect to it, and its sessions. Contract: smtpd_private.h. */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "smtpd/smtpd_private.h"

#define OPTIONS_MAX ((size_t)64 << 10)
#define OUTPUT_MAX ((size_t)64 << 10)
#define OUTPUT_LOW ((size_t)4 << 10)

static const struct smtpd_answer refuse_network = {554, "5.7.1", "your network may not send here; closing"};
static const struct smtpd_answer refuse_full = {421, "4.3.2", "too many sessions; try again later"};
static const struct smtpd_answer refuse_network_full = {421, "4.7.0", "too many sessions from your network; try again later"};

/* Without `allow`, and over a unix socket, whoever is on this machine. */
static bool may_send(const struct smtpd_listener *listener, const char *peer)
{
    uint8_t address[16];
    if (network_address_parse(address, bytes_of(peer)) < 0) {
        return strcmp(peer, "unix") == 0;
    }
    if (listener->options.allow_count == 0) {
        return network_is_loopback(address);
    }
    for (size_t i = 0; i < listener->options.allow_count; i++) {
        if (network_contains(&listener->allow[i], address)) {
            return true;
        }
    }
    return false;
}

static void on_accept(void *ctx, struct net_stream *stream)
{
    struct smtpd_listener *listener = ctx;
    const char *address = net_stream_peer(stream);
    const struct smtpd_answer none = {0, NULL, NULL};
    const struct smtpd_answer *refusal = &none;
    bool counted = false;
    switch (smtpd_admission_enter(listener->admission, address)) {
    case SMTPD_ADMITTED:
        counted = true;
        refusal = may_send(listener, address) ? &none : &refuse_network;
        break;
    case SMTPD_ADMISSION_FULL:
        refusal = &refuse_full;
        break;
    case SMTPD_ADMISSION_NETWORK_FULL:
        refusal = &refuse_network_full;
        break;
    }
    smtpd_session_start(listener, stream, refusal, counted);
}

static int copy_options(struct smtpd_listener *listener, const struct smtpd_listener_options *options, struct fault *fault)
{
    listener->options = *options;
    listener->options.allow = NULL;
    listener->options.tls = options->tls == NULL ? NULL : net_tls_hold(options->tls);
    listener->options.name = expect_memory(arena_text(listener->arena, options->name));
    listener->allow =
        expect_memory(arena_array(listener->arena, options->allow_count + 1, sizeof listener->allow[0]));
    for (size_t i = 0; i < options->allow_count; i++) {
        if (network_parse(&listener->allow[i], bytes_of(options->allow[i])) < 0) {
            fault_set(fault, FAULT_LOCAL, "network", options->name,
                      "\"%s\" is no network; write an address, or a prefix without further bits such as 10.0.0.0/8",
                      options->allow[i]);
            return -1;
        }
    }
    return 0;
}

int smtpd_listener_new(struct smtpd_listener **listener_r, struct smtpd *smtpd,
                       const struct smtpd_listener_options *options, struct fault *fault)
{
    const struct net_stream_limits limits = {SMTPD_INPUT_MAX, OUTPUT_MAX, OUTPUT_LOW};
    struct smtpd_listener *listener = expect_calloc(1, sizeof *listener);
    uint8_t seed[16];
    net_random(seed, sizeof seed);
    listener->smtpd = smtpd;
    listener->arena = arena_new(OPTIONS_MAX + options->allow_count * sizeof(struct network));
    listener->admission =
        smtpd_admission_new(options->limits.max_sessions, options->limits.max_sessions_per_network, seed);
    list_init(&listener->link);
    list_init(&listener->sessions);
    if (copy_options(listener, options, fault) < 0 ||
        net_listener_open(&listener->socket, smtpd->loop, &options->address, &limits, on_accept, listener, fault) < 0) {
        smtpd_listener_free(&listener);
        return -1;
    }
    *listener_r = listener;
    return 0;
}

void smtpd_listener_drain(struct smtpd_listener *listener)
{
    net_listener_free(&listener->socket);
    LIST_EACH (link, &listener->sessions) {
        smtpd_session_drain(smtpd_session_of(link));
    }
}

void smtpd_listener_free(struct smtpd_listener **listener)
{
    list_remove(&(*listener)->link);
    net_listener_free(&(*listener)->socket);
    LIST_EACH (link, &(*listener)->sessions) {
        smtpd_session_abort(smtpd_session_of(link));
    }
    net_tls_free(&(*listener)->options.tls);
    smtpd_admission_free(&(*listener)->admission);
    arena_free(&(*listener)->arena);
    free(*listener);
    *listener = NULL;
}

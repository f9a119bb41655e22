/*
 * reception_door - who comes in, and who has gone: by the networks and limits of a listener.
 */
#include <string.h>

#include "proto/smtp_pattern.h"
#include "reception/reception_private.h"

bool reception_door_has(const struct reception_networks *networks, const char *peer)
{
    uint8_t address[16];
    if (network_address_parse(address, bytes_of(peer)) < 0) {
        return false;
    }
    for (size_t i = 0; i < networks->count; i++) {
        if (network_contains(&networks->items[i], address)) {
            return true;
        }
    }
    return false;
}

static bool is_local(const char *peer)
{
    uint8_t address[16];
    return strcmp(peer, "unix") == 0 ||
           (network_address_parse(address, bytes_of(peer)) == 0 && network_is_loopback(address));
}

bool reception_door_is_lenient(const struct reception_listener *listener, const char *peer)
{
    return reception_door_has(&listener->lenient, peer);
}

/* Without `allow`, whoever is on this machine; a unix socket has the permissions of its file. */
bool reception_door_trusts(const struct reception_listener *listener, const char *peer)
{
    if (listener->options.auth_required) {
        return false;
    }
    return listener->allow.count == 0 ? is_local(peer)
                                      : reception_door_has(&listener->allow, peer) || strcmp(peer, "unix") == 0;
}

enum smtpd_reply reception_door_admit(struct reception_listener *listener, const char *peer, bool *counted_r)
{
    const struct reception_listener_options *options = &listener->options;
    /* Who may say by XCLIENT for whom it stands is let in to say so; mail of its own it may not bring. */
    bool may_prove =
        options->users != NULL || options->client_certificates || reception_door_has(&listener->xclients, peer);
    *counted_r = false;
    if (!reception_door_trusts(listener, peer) && !may_prove) {
        return SMTPD_REPLY_NETWORK;
    }
    if (!reception_door_trusts(listener, peer) &&
        reception_logins_blocked(listener->reception->logins, peer, options->limits.max_auth_failures_per_network)) {
        return SMTPD_REPLY_NETWORK_AUTH_FAILURES;
    }
    switch (smtpd_admission_enter(listener->admission, peer)) {
    case SMTPD_ADMISSION_FULL:
        return SMTPD_REPLY_SESSIONS;
    case SMTPD_ADMISSION_NETWORK_FULL:
        return SMTPD_REPLY_NETWORK_SESSIONS;
    case SMTPD_ADMITTED:
        break;
    }
    *counted_r = true;
    return SMTPD_REPLY_OK;
}

bool reception_door_lets_sender(const struct reception_listener *listener, const char *peer, struct bytes sender)
{
    const struct reception_listener_options *options = &listener->options;
    for (size_t i = 0; i < options->sender_rule_count; i++) {
        const struct reception_sender_limit *limit = &listener->sender_limits[i];
        if (reception_door_has(&limit->networks, peer)) {
            return smtp_pattern_matches_any(limit->senders, limit->sender_count, sender);
        }
    }
    return options->sender_count == 0 || smtp_pattern_matches_any(options->senders, options->sender_count, sender);
}

void reception_door_gone(struct reception *reception)
{
    reception->counts.sessions_open--;
    if (reception->drained != NULL && reception->counts.sessions_open == 0) {
        net_timer_start(reception->drain_timer, 0);
    }
}

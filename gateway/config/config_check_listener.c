/*
 * config_check_listener - what makes a listener wrong, or a door that stands open. Problems point at the key. See
 * config_check.h.
 */
#include <stdio.h>
#include <string.h>

#include "base/expect.h"
#include "base/network.h"
#include "config/config_check.h"
#include "config/config_listener_options.h"

/* A network of more addresses than this is the whole internet to a spammer: an IPv4 /7, an IPv6 /15. */
#define WIDE_V4_BITS (96 + 8)
#define WIDE_V6_BITS 16
/* For "lenient": more than an IPv4 /24 or an IPv6 /64 is more than the devices of a room. */
#define LENIENT_V4_BITS (96 + 24)
#define LENIENT_V6_BITS 64

struct check {
    const struct config *config;
    const struct config_listener *listener;
    size_t index;
    const struct document *json;
    struct problems *problems;
};

__attribute__((format(printf, 4, 5))) static void say_wrong(struct check *check, enum problem_severity severity,
                                                            const char *key, const char *format, ...)
{
    char pointer[600], text[700];
    snprintf(pointer, sizeof pointer, "/listeners/%zu/%s", check->index, key);
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    document_problem(check->json, check->problems, severity, pointer, "%s", text);
}

/* ---- TLS ---- */

/* A warning, not an error: a gateway that does not start for an old certificate takes no mail at all. */
static void warn_of_expiry(struct check *check, int64_t days)
{
    if (days < 0) {
        say_wrong(check, PROBLEM_WARNING, "tls/certificate",
                  "the certificate has expired: clients that check it will not send; replace the certificate");
    } else if (days < CONFIG_EXPIRY_DAYS) {
        say_wrong(check, PROBLEM_WARNING, "tls/certificate", "the certificate expires in %lld days", (long long)days);
    }
}

static void check_tls(struct check *check)
{
    const struct config_listener *listener = check->listener;
    struct net_tls *tls = NULL, *lenient = NULL;
    struct fault fault = FAULT_INIT;
    if (listener->tls.mode == CONFIG_TLS_NONE) {
        if (listener->tls_required) {
            say_wrong(check, PROBLEM_ERROR, "tls/required", "there is no TLS on this listener; set \"mode\"");
        }
        return;
    }
    if (listener->tls.certificate == NULL || listener->tls.key == NULL) {
        say_wrong(check, PROBLEM_ERROR, "tls", "TLS needs \"certificate\" and \"key\"");
    } else if (listener->client_certificate_required && listener->tls.ca_file == NULL) {
        say_wrong(check, PROBLEM_ERROR, "tls/client_certificate_required",
                  "name the CAs of those certificates in \"ca_file\"");
    } else if (config_listener_tls(listener, &tls, &fault) < 0 ||
               config_listener_tls_lenient(listener, &lenient, &fault) < 0) {
        say_wrong(check, PROBLEM_ERROR, "tls", "%s: %s", fault.where, fault.text);
    } else {
        warn_of_expiry(check, net_tls_days_left(tls));
    }
    net_tls_free(&tls);
    net_tls_free(&lenient);
}

/* ---- who may send ---- */

static void check_networks(struct check *check, const char *key, const struct config_strings *networks)
{
    for (size_t i = 0; i < networks->count; i++) {
        struct network network;
        if (network_parse(&network, bytes_of(networks->items[i])) < 0) {
            say_wrong(check, PROBLEM_ERROR, key, "\"%s\" is not a network such as \"10.0.0.0/8\" or \"2001:db8::/32\"",
                      networks->items[i]);
        }
    }
}

/* Whether it is of IPv4, in either writing: "::ffff:0:0/96" is all of it. */
static bool is_of_v4(const struct network *network)
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    return network->bits >= 96 && memcmp(network->address, mapped, sizeof mapped) == 0;
}

static bool is_wide(const char *text)
{
    struct network network;
    if (network_parse(&network, bytes_of(text)) < 0) {
        return false;
    }
    return network.bits < (is_of_v4(&network) ? WIDE_V4_BITS : WIDE_V6_BITS);
}

/* Whoever can reach it may send: said in words, because it is seldom meant. */
static void check_open_door(struct check *check)
{
    const struct config_listener *listener = check->listener;
    for (size_t i = 0; i < listener->allow.count && !listener->auth_required; i++) {
        if (is_wide(listener->allow.items[i])) {
            say_wrong(check, PROBLEM_WARNING, "allow",
                      "this is an open relay into your mailboxes: whoever can reach %s:%u from %s may send mail "
                      "without a password; name your own networks, or set \"auth\" with \"required\": true",
                      listener->address.host, listener->address.port, listener->allow.items[i]);
        }
    }
    for (size_t i = 0; i < listener->proxies.count; i++) {
        if (is_wide(listener->proxies.items[i])) {
            say_wrong(check, PROBLEM_WARNING, "proxy_protocol",
                      "whoever connects from %s may claim any client address; name the load balancers",
                      listener->proxies.items[i]);
        }
    }
    for (size_t i = 0; i < listener->xclients.count; i++) {
        if (is_wide(listener->xclients.items[i])) {
            say_wrong(check, PROBLEM_WARNING, "xclient",
                      "whoever connects from %s may claim any client address and user; name the hosts",
                      listener->xclients.items[i]);
        }
    }
}

/* Whether the two have an address in common. */
static bool overlap(const char *a, const char *b)
{
    struct network one, other;
    if (network_parse(&one, bytes_of(a)) < 0 || network_parse(&other, bytes_of(b)) < 0) {
        return false;
    }
    return network_contains(one.bits < other.bits ? &one : &other, one.bits < other.bits ? other.address : one.address);
}

/* A door that is open to devices by name is open to whoever has the same address. */
static void check_shared(struct check *check, const char *network, const char *key,
                         const struct config_strings *proxies)
{
    for (size_t i = 0; i < proxies->count; i++) {
        if (overlap(network, proxies->items[i])) {
            say_wrong(
                check, PROBLEM_WARNING, "lenient",
                "%s holds %s of \"%s\", which stands for many clients; name the devices themselves, by the addresses "
                "that the "
                "header or XCLIENT gives",
                network, proxies->items[i], key);
        }
    }
}

static void check_lenient(struct check *check)
{
    const struct config_listener *listener = check->listener;
    bool old = listener->tls_minimum == NET_TLS_1_0 || listener->tls_minimum == NET_TLS_1_1;
    for (size_t i = 0; i < listener->lenient.count; i++) {
        const char *text = listener->lenient.items[i];
        struct network network;
        if (network_parse(&network, bytes_of(text)) < 0) {
            continue;
        }
        if (network.bits < (is_of_v4(&network) ? LENIENT_V4_BITS : LENIENT_V6_BITS)) {
            say_wrong(check, PROBLEM_WARNING, "lenient",
                      "%s is a wide network: from all of it, addresses without brackets or domain, a missing HELO and "
                      "a bare LF in a message are accepted; name the devices",
                      text);
        }
        check_shared(check, text, "proxy_protocol", &listener->proxies);
        check_shared(check, text, "xclient", &listener->xclients);
    }
    if (old && listener->lenient.count == 0) {
        say_wrong(check, PROBLEM_ERROR, "tls/minimum",
                  "TLS before 1.2 is only for devices named in \"lenient\"; name them, or leave this key out");
    } else if (old && listener->tls.mode != CONFIG_TLS_NONE) {
        say_wrong(
            check, PROBLEM_WARNING, "tls/minimum",
            "the %zu networks in \"lenient\" may use TLS 1.0 or 1.1, which can be read and changed on the way; others "
            "keep 1.2",
            listener->lenient.count);
    }
    if (listener->add_missing && listener->lenient.count == 0) {
        say_wrong(check, PROBLEM_WARNING, "add_missing",
                  "\"add_missing\" is only for clients named in \"lenient\", and \"lenient\" names none");
    }
}

static void check_mechanisms(struct check *check)
{
    const struct config_strings *names = &check->listener->mechanisms;
    for (size_t i = 0; i < names->count; i++) {
        if (smtpd_mechanism_of(names->items[i]) == 0) {
            struct buf known;
            buf_init(&known, 500);
            smtpd_mechanism_names(~0u, &known);
            say_wrong(check, PROBLEM_ERROR, "auth/mechanisms", "\"%s\" is not one of the known values:%s",
                      names->items[i], buf_text(&known));
            buf_done(&known);
        }
    }
}

static void check_who_may_send(struct check *check)
{
    const struct config_listener *listener = check->listener;
    bool proves = listener->users != NULL || listener->tls.ca_file != NULL;
    if (!net_address_is_loopback(&listener->address) && listener->allow.count == 0 && !proves) {
        say_wrong(check, PROBLEM_WARNING, "address",
                  "only this machine may send here; add \"allow\" networks, \"auth\", or client certificates (\"tls\": "
                  "\"ca_file\") to "
                  "let others in");
    }
    if (listener->users != NULL && listener->tls.mode == CONFIG_TLS_NONE && !listener->auth_in_clear) {
        say_wrong(check, PROBLEM_WARNING, "auth",
                  "authentication is offered only under TLS, and this listener has none; set \"tls\", or \"in_clear\": "
                  "true where nobody can listen in");
    }
    check_open_door(check);
}

static void check_users(struct check *check)
{
    if (check->listener->users != NULL) {
        struct reception_users *users = reception_users_load(check->listener->users, check->problems);
        reception_users_free(&users);
    }
}

/* ---- the whole ---- */

static void check_name(struct check *check)
{
    const char *name = check->listener->name;
    for (size_t i = 0; i < check->index && name != NULL; i++) {
        const char *other = config_listener_at(check->config, i)->name;
        if (other != NULL && strcmp(other, name) == 0) {
            say_wrong(check, PROBLEM_ERROR, "name", "another listener is called \"%s\" too", name);
        }
    }
}

void config_check_listener(const struct config *config, size_t index, const struct document *json,
                           struct problems *problems)
{
    const struct config_listener *listener = config_listener_at(config, index);
    struct check check = {config, listener, index, json, problems};
    const struct config_sender_rule *rules = listener->sender_rules.items;
    check_name(&check);
    check_networks(&check, "allow", &listener->allow);
    check_networks(&check, "lenient", &listener->lenient);
    check_networks(&check, "proxy_protocol", &listener->proxies);
    check_networks(&check, "xclient", &listener->xclients);
    for (size_t i = 0; i < listener->sender_rules.count; i++) {
        check_networks(&check, "sender_rules", &rules[i].networks);
    }
    check_tls(&check);
    check_lenient(&check);
    check_mechanisms(&check);
    check_users(&check);
    check_who_may_send(&check);
}

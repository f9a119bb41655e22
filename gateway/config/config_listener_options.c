/*
 * config_listener_options - see config_listener_options.h.
 */
#include "config/config_listener_options.h"

#include "base/expect.h"

static int make_tls(const struct config_listener *listener, enum net_tls_version minimum, struct net_tls **tls_r,
                    struct fault *fault)
{
    const struct config_certificate *others = listener->certificates.items;
    if (listener->tls.mode == CONFIG_TLS_NONE) {
        return 0;
    }
    struct arena *arena = arena_new(1u << 20);
    struct net_tls_pair *pairs = expect_memory(arena_array(arena, listener->certificates.count + 1, sizeof *pairs));
    for (size_t i = 0; i < listener->certificates.count; i++) {
        pairs[i] = (struct net_tls_pair){others[i].certificate, others[i].key};
    }
    struct net_tls_options options = {.certificate = listener->tls.certificate,
                                      .key = listener->tls.key,
                                      .others = pairs,
                                      .other_count = listener->certificates.count,
                                      .ca_file = listener->tls.ca_file,
                                      .request_client_certificate = listener->tls.ca_file != NULL,
                                      .require_client_certificate = listener->client_certificate_required,
                                      .minimum = minimum};
    int result = net_tls_server_new(tls_r, &options, fault);
    arena_free(&arena);
    return result;
}

static bool is_old(const struct config_listener *listener)
{
    /* The version is settled in the first octets of the handshake: each kind of client has a context of its own. */
    return listener->tls_minimum == NET_TLS_1_0 || listener->tls_minimum == NET_TLS_1_1;
}

int config_listener_tls(const struct config_listener *listener, struct net_tls **tls_r, struct fault *fault)
{
    enum net_tls_version minimum = is_old(listener) ? NET_TLS_1_2 : listener->tls_minimum;
    return make_tls(listener, minimum, tls_r, fault);
}

int config_listener_tls_lenient(const struct config_listener *listener, struct net_tls **tls_r, struct fault *fault)
{
    return is_old(listener) ? make_tls(listener, listener->tls_minimum, tls_r, fault) : 0;
}

static struct smtpd_limits limits_of(const struct config_listener *config)
{
    return (struct smtpd_limits){
        .max_message_size = config->max_message_size,
        .max_recipients = (unsigned)config->max_recipients,
        .max_recipients_per_session = (unsigned)config->max_recipients_per_session,
        .max_recipients_per_minute = (unsigned)config->max_recipients_per_minute,
        .max_messages_per_minute = (unsigned)config->max_messages_per_minute,
        .max_sessions = (unsigned)config->max_sessions,
        .max_sessions_per_network = (unsigned)config->max_sessions_per_network,
        .max_sessions_per_user = (unsigned)config->max_sessions_per_user,
        .max_errors = (unsigned)config->max_errors,
        .max_unknown_commands = (unsigned)config->max_unknown_commands,
        .max_auth_failures = (unsigned)config->max_auth_failures,
        .max_auth_failures_per_network = (unsigned)config->max_auth_failures_per_network,
        .max_transactions = (unsigned)config->max_transactions,
        .max_refusals_logged = (unsigned)config->max_refusals_logged,
        .max_received = (unsigned)config->max_received,
        .command_timeout_ms = config->command_timeout,
        .data_timeout_ms = config->data_timeout,
        .session_timeout_ms = config->session_timeout,
        .greeting_delay_ms = config->greeting_delay,
        .duplicate_window_ms = config->duplicate_window,
    };
}

static const struct reception_sender_rule *sender_rules_of(struct arena *arena, const struct config_listener *config)
{
    const struct config_sender_rule *from = config->sender_rules.items;
    struct reception_sender_rule *rules =
        expect_memory(arena_array(arena, config->sender_rules.count + 1, sizeof *rules));
    for (size_t i = 0; i < config->sender_rules.count; i++) {
        rules[i] = (struct reception_sender_rule){.networks = from[i].networks.items,
                                                  .network_count = from[i].networks.count,
                                                  .senders = from[i].senders.items,
                                                  .sender_count = from[i].senders.count};
    }
    return rules;
}

/* The users file again; it was good when the configuration was checked, moments ago. */
static int load_users(const struct config_listener *config, struct reception_users **users_r, struct fault *fault)
{
    if (config->users == NULL) {
        return 0;
    }
    struct problems *problems = problems_new();
    *users_r = reception_users_load(config->users, problems);
    if (*users_r == NULL) {
        const struct problem *first = problems_count(problems) > 0 ? problems_at(problems, 0) : NULL;
        fault_set(fault, FAULT_LOCAL, "users", config->users, "%s", first == NULL ? "cannot be read" : first->text);
    }
    problems_free(&problems);
    return *users_r == NULL ? -1 : 0;
}

/* Those that the configuration names; all, when it names none. */
static unsigned mechanisms_of(const struct config_listener *config)
{
    unsigned set = config->mechanisms.count == 0 ? ~0u : 0;
    for (size_t i = 0; i < config->mechanisms.count; i++) {
        set |= smtpd_mechanism_of(config->mechanisms.items[i]);
    }
    return set;
}

int config_listener_options(const struct config_listener *config, struct arena *arena,
                            struct reception_listener_options *options_r, struct fault *fault)
{
    static const enum reception_tls_mode modes[CONFIG_TLS_MODES] = {[CONFIG_TLS_NONE] = RECEPTION_TLS_NONE,
                                                                    [CONFIG_TLS_STARTTLS] = RECEPTION_TLS_STARTTLS,
                                                                    [CONFIG_TLS_IMPLICIT] = RECEPTION_TLS_IMPLICIT};
    *options_r = (struct reception_listener_options){
        .name = config->name,
        .address = config->address,
        .lmtp = config->protocol == CONFIG_PROTOCOL_LMTP,
        .tls_required = config->tls_required,
        .client_certificates = config->tls.ca_file != NULL,
        .allow = config->allow.items,
        .allow_count = config->allow.count,
        .lenient = config->lenient.items,
        .lenient_count = config->lenient.count,
        .add_missing = config->add_missing,
        .recipients_per_transaction = config->recipients_per_transaction,
        .mechanisms = mechanisms_of(config),
        .auth_required = config->auth_required,
        .auth_in_clear = config->auth_in_clear,
        .proxies = config->proxies.items,
        .proxy_count = config->proxies.count,
        .xclients = config->xclients.items,
        .xclient_count = config->xclients.count,
        .senders = config->senders.items,
        .sender_count = config->senders.count,
        .sender_rules = sender_rules_of(arena, config),
        .sender_rule_count = config->sender_rules.count,
        .recipients = config->recipients.items,
        .recipient_count = config->recipients.count,
        .acknowledge_delivered = config->acknowledge == CONFIG_ACKNOWLEDGE_DELIVERED,
        .acknowledge_timeout_ms = config->acknowledge_timeout,
        .limits = limits_of(config),
    };
    options_r->tls_mode = modes[config->tls.mode];
    bool failed = config_listener_tls(config, &options_r->tls, fault) < 0 ||
                  config_listener_tls_lenient(config, &options_r->tls_lenient, fault) < 0 ||
                  load_users(config, &options_r->users, fault) < 0;
    return failed ? -1 : 0;
}

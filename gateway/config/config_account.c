/*
 * config_account - see config_account.h.
 */
#include "config/config_account.h"

#include <string.h>

#include "base/expect.h"

static int make_tls(const struct config_upstream *upstream, const struct net_address *address, struct net_tls **tls_r,
                    struct fault *fault)
{
    if (upstream->tls.mode == CONFIG_TLS_NONE) {
        return 0;
    }
    /* The name that the operator wrote, never one that a look-up led to (RFC 9525 section 6.1). */
    const char *name = upstream->tls.server_name != NULL ? upstream->tls.server_name : address->host;
    struct net_tls_options options = {.certificate = upstream->tls.certificate,
                                      .key = upstream->tls.key,
                                      .ca_file = upstream->tls.ca_file,
                                      .server_name = name};
    return net_tls_client_new(tls_r, &options, fault);
}

/* Its own address, and those that stand by. */
static int make_places(const struct config_upstream *upstream, struct upstream_account *account, struct fault *fault)
{
    EXPECT(upstream->standby.count < UPSTREAM_PLACES_MAX); /* config_check() has seen to it */
    for (size_t i = 0; i <= upstream->standby.count; i++) {
        struct upstream_place *place = &account->places[i];
        if (i == 0) {
            place->address = upstream->address;
        } else if (net_address_parse(&place->address, bytes_of(upstream->standby.items[i - 1]), fault) < 0) {
            return -1;
        }
        if (make_tls(upstream, &place->address, &place->tls, fault) < 0) {
            return -1;
        }
        account->place_count++;
    }
    return 0;
}

int config_token_ways(const struct config_upstream *upstream)
{
    const struct upstream_token_options *token = &upstream->token;
    return (token->file != NULL) + (token->endpoint != NULL) + (token->command != NULL) + (token->key_file != NULL);
}

int config_upstream_account(const struct config_upstream *upstream, struct upstream_account *account_r,
                            struct fault *fault)
{
    static const enum upstream_tls_mode modes[CONFIG_TLS_MODES] = {[CONFIG_TLS_NONE] = UPSTREAM_TLS_NONE,
                                                                   [CONFIG_TLS_STARTTLS] = UPSTREAM_TLS_STARTTLS,
                                                                   [CONFIG_TLS_IMPLICIT] = UPSTREAM_TLS_IMPLICIT};
    bool has_token = config_token_ways(upstream) > 0;
    *account_r = (struct upstream_account){.name = upstream->name,
                                           .insecure = upstream->insecure,
                                           .username = upstream->username,
                                           .password = upstream->password,
                                           .mechanism = upstream->mechanism,
                                           .binding = upstream->binding,
                                           .token = has_token ? &upstream->token : NULL,
                                           .connect_timeout_ms = upstream->connect_timeout,
                                           .command_timeout_ms = upstream->command_timeout,
                                           .idle_timeout_ms = upstream->idle_timeout,
                                           .retry_initial_ms = upstream->retry_initial,
                                           .retry_maximum_ms = upstream->retry_maximum,
                                           .compress = upstream->compress,
                                           .settle_ms = upstream->settings[UPSTREAM_SETTLE],
                                           .failback_ms = upstream->failback};
    account_r->tls_mode = modes[upstream->tls.mode];
    const struct upstream_profile *profile = upstream_profile_at(upstream->profile);
    for (size_t i = 0; i < IMAP_SPECIAL_USES; i++) {
        const char *own = upstream->special_names[i];
        account_r->special_names[i] = own != NULL ? own : upstream_profile_special(profile, (enum imap_special_use)i);
    }
    memcpy(account_r->settings, upstream->settings, sizeof account_r->settings);
    if (make_places(upstream, account_r, fault) < 0) {
        upstream_account_release(account_r);
        return -1;
    }
    return 0;
}

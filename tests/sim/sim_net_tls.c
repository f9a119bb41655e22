/*
 * sim_net_tls - gateway/net/net_tls.h: certificates and keys are good, and nobody reads them. TLS is only agreed upon, see sim_link.h.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_tls.h"

struct net_tls {
    unsigned holds;
};
static int new_tls(struct net_tls **tls_r)
{
    *tls_r = expect_calloc(1, sizeof **tls_r);
    (*tls_r)->holds = 1;
    return 0;
}

int net_tls_server_new(struct net_tls **tls_r, const struct net_tls_options *options, struct fault *fault)
{
    (void)options, (void)fault;
    return new_tls(tls_r);
}

int net_tls_client_new(struct net_tls **tls_r, const struct net_tls_options *options, struct fault *fault)
{
    (void)options, (void)fault;
    return new_tls(tls_r);
}

struct net_tls *net_tls_share(struct net_tls *tls)
{
    tls->holds++;
    return tls;
}

void net_tls_free(struct net_tls **tls_ref)
{
    struct net_tls *tls = *tls_ref;
    *tls_ref = NULL;
    if (tls != NULL && --tls->holds == 0) {
        free(tls);
    }
}

int64_t net_tls_expires(const struct net_tls *tls)
{
    (void)tls;
    return 0;
}

int64_t net_tls_days_left(const struct net_tls *tls)
{
    (void)tls;
    return INT64_MAX;
}

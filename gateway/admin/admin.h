/*
 * admin - the gateway's one door for operators: an HTTP server with probes, metrics, the JSON API and the built-in
 * page.
 *
 * It stands beside the gateway and asks it; mail flows the same with or without it. On a unix socket whoever may open
 * the socket may do everything; on TCP a token is needed. What it takes (connections, requests, bodies, live streams)
 * is bounded by the configuration's "admin".
 */
#ifndef MAILWEIR_ADMIN_ADMIN_H
#define MAILWEIR_ADMIN_ADMIN_H

#include "base/must_use.h"
#include "daemon/gateway.h"

struct admin;

/* Opens the socket of the gateway's configuration. gateway by reference. The fault names the address. */
MUST_USE int admin_open(struct admin **admin_r, struct net_loop *loop, struct gateway *gateway, struct fault *fault);
/* Ends all connections at once; before gateway_free(). Sets *admin to NULL; NULL is fine. */
void admin_close(struct admin **admin);

#endif

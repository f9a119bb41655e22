/*
 * gateway_probe - the probe of a running gateway: one every `probe.every`, never two at once, and no new message while
 * the last one may still be on its way: what waits for a mailbox that is down is one message, not one for each round.
 */
#ifndef MAILWEIR_DAEMON_GATEWAY_PROBE_H
#define MAILWEIR_DAEMON_GATEWAY_PROBE_H

#include "daemon/gateway.h"

struct gateway_probe;

/* dispatch and log by reference: an account whose login is refused is not tried by the probe either. */
MUST_USE struct gateway_probe *gateway_probe_new(struct net_loop *loop, const struct dispatch *dispatch,
                                                 struct log *log);
/* The configuration in force; a share of it. What is under way goes on. */
void gateway_probe_configure(struct gateway_probe *probes, struct config *config);
/* Sets *probes to NULL; NULL is fine. What is under way is given up. */
void gateway_probe_free(struct gateway_probe **probes);
/* See gateway.h. */
void gateway_probe_tell(const struct gateway_probe *probes, struct gateway_probe_state *state_r);

#endif

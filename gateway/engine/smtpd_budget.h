/*
 * smtpd_budget - how much a network has used of something within a window of time: messages, recipients, failed logins.
 * No I/O.
 *
 * A network is one IPv4 address or one IPv6 /64, as in smtpd_admission. Counts slide: what was used in the window
 * before counts by the part of it that is still within reach. Memory is bounded: at its maximum, networks that have
 * been quiet for a window are forgotten; if there are none, new ones share one count.
 */
#ifndef MAILWEIR_ENGINE_SMTPD_BUDGET_H
#define MAILWEIR_ENGINE_SMTPD_BUDGET_H

#include "base/bytes.h"
#include "base/must_use.h"

struct smtpd_budget;

/* seed: 16 random octets. Times are milliseconds of a clock that does not go back. */
MUST_USE struct smtpd_budget *smtpd_budget_new(size_t max_networks, uint64_t window_ms, const uint8_t *seed);
void smtpd_budget_free(struct smtpd_budget **budget);
void smtpd_budget_add(struct smtpd_budget *budget, const char *address, uint64_t now, unsigned amount);
/* What the network has used within the window that ends now. */
unsigned smtpd_budget_used(struct smtpd_budget *budget, const char *address, uint64_t now);

/* What a network is counted by: 16 octets for IPv4, 8 for IPv6, or the text itself when it is no address. into holds
 * the result. */
struct bytes smtpd_network_key(const char *address, uint8_t into[16]);
/* The same as a number, for turns: two networks may share one. */
uint64_t smtpd_network_hash(const char *address);

#endif

/*
 * smtpd_admission - how many sessions there are, in all and per network. No I/O.
 *
 * A network here is one IPv4 address or one IPv6 /64: what one host or one customer has. What is no address counts by
 * its text, so that sessions of one user can be counted in the same way.
 */
#ifndef MAILWEIR_ENGINE_SMTPD_ADMISSION_H
#define MAILWEIR_ENGINE_SMTPD_ADMISSION_H

#include "base/bytes.h"
#include "base/must_use.h"

struct smtpd_admission;

enum smtpd_admission_result { SMTPD_ADMITTED, SMTPD_ADMISSION_FULL, SMTPD_ADMISSION_NETWORK_FULL };

/* seed: 16 random octets. */
MUST_USE struct smtpd_admission *smtpd_admission_new(unsigned max, unsigned max_per_network, const uint8_t *seed);
void smtpd_admission_free(struct smtpd_admission **admission);
/*
 * When ADMITTED the session is counted until smtpd_admission_leave() with the same address, which is one as
 * net_stream_peer() gives it.
 */
enum smtpd_admission_result smtpd_admission_enter(struct smtpd_admission *admission, const char *address);
void smtpd_admission_leave(struct smtpd_admission *admission, const char *address);
/* New limits, for sessions to come. */
void smtpd_admission_set(struct smtpd_admission *admission, unsigned max, unsigned max_per_network);
unsigned smtpd_admission_count(const struct smtpd_admission *admission); /* for tests */

#endif

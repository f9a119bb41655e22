/*
 * smtpd_login - authentication: PLAIN, LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS against a struct smtpd_users. RFC
 * 4616, RFC 5802, RFC 7677.
 *
 * Passwords are hashed on a lane of their own. Whether a name is known cannot be told from the answer or its time.
 * Failures are counted per network: each makes the next answer slower, and at the limit the network is refused for a
 * while. The octets of an exchange are wiped.
 */
#ifndef MAILWEIR_SMTPD_SMTPD_LOGIN_H
#define MAILWEIR_SMTPD_SMTPD_LOGIN_H

#include "engine/smtpd_engine.h"
#include "net/net_lane.h"
#include "smtpd/smtpd_users.h"

struct smtpd_logins; /* what all exchanges share */
struct smtpd_login;  /* one exchange */

struct smtpd_logins *smtpd_logins_new(struct net_loop *loop);
/* Waits for what the lane has begun; all exchanges must be gone. Sets *logins to NULL; NULL is fine. */
void smtpd_logins_free(struct smtpd_logins **logins);
/* Whether failures of this network are past max (0: never), so that it is refused without a look. */
bool smtpd_logins_blocked(struct smtpd_logins *logins, const char *address, unsigned max);

/* Comes from the loop, once per step. What answer points at is valid during the call. */
typedef void smtpd_login_fn(void *ctx, const struct smtpd_auth_answer *answer);

/* Begins an exchange. users: a hold is taken. binding: the tls-exporter value of RFC 9266, or empty. */
struct smtpd_login *smtpd_login_new(struct smtpd_logins *logins, struct smtpd_users *users,
                                    enum smtpd_mechanism mechanism, const char *address, struct bytes binding,
                                    smtpd_login_fn *fn, void *ctx);
/* One step: the client's octets; has_data false for a first step without any. */
void smtpd_login_step(struct smtpd_login *login, struct bytes data, bool has_data);
/* The name that the client gave, for the log; "" as long as it has given none. */
const char *smtpd_login_name(const struct smtpd_login *login);
/* Forgets it; no call comes afterwards. Sets *login to NULL; NULL is fine. */
void smtpd_login_free(struct smtpd_login **login);

#endif

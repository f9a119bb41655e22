/*
 * reception_login - authentication: PLAIN, LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS against a struct
 * reception_users. RFC 4616, RFC 5802, RFC 7677.
 *
 * Passwords are hashed on a lane of their own. Whether a name is known cannot be told from the answer or its time.
 * Failures are counted per network: each makes the next answer slower, and at the limit the network is refused for a
 * while. The octets of an exchange are wiped.
 */
#ifndef MAILWEIR_RECEPTION_RECEPTION_LOGIN_H
#define MAILWEIR_RECEPTION_RECEPTION_LOGIN_H

#include "base/must_use.h"
#include "engine/smtpd_engine.h"
#include "net/net_lane.h"
#include "reception/reception_users.h"

struct reception_logins; /* what all exchanges share */
struct reception_login;  /* one exchange */

MUST_USE struct reception_logins *reception_logins_new(struct net_loop *loop);
/* Waits for what the lane has begun; all exchanges must be gone. Sets *logins to NULL; NULL is fine. */
void reception_logins_free(struct reception_logins **logins);
/* Whether failures of this network are past max (0: never), so that it is refused without a look. */
bool reception_logins_blocked(struct reception_logins *logins, const char *address, unsigned max);

/* Comes from the loop, once per step. What answer points at is valid during the call. */
typedef void reception_login_fn(void *ctx, const struct smtpd_auth_answer *answer);

/* Begins an exchange. users: a share is taken. binding: the tls-exporter value of RFC 9266, or empty. */
MUST_USE struct reception_login *reception_login_new(struct reception_logins *logins, struct reception_users *users,
                                                     enum smtpd_mechanism mechanism, const char *address,
                                                     struct bytes binding, reception_login_fn *fn, void *ctx);
/* One step: the client's octets; has_data false for a first step without any. */
void reception_login_step(struct reception_login *login, struct bytes data, bool has_data);
/* The name that the client gave, for the log; "" as long as it has given none. */
const char *reception_login_name(const struct reception_login *login);
/* Forgets it; no call comes afterwards. Sets *login to NULL; NULL is fine. */
void reception_login_free(struct reception_login **login);

#endif

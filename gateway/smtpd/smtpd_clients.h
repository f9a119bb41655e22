/*
 * smtpd_clients - who came: each client address with what became of it, and how many of its refusals may still be told
 * this minute.
 *
 * At most SMTPD_CLIENTS_MAX are known; then the one that has been quiet longest is forgotten.
 */
#ifndef MAILWEIR_SMTPD_SMTPD_CLIENTS_H
#define MAILWEIR_SMTPD_SMTPD_CLIENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SMTPD_CLIENTS_MAX 2000

enum smtpd_client_event { SMTPD_CLIENT_SESSION, SMTPD_CLIENT_ACCEPTED, SMTPD_CLIENT_REFUSED, SMTPD_CLIENT_EVENTS };

struct smtpd_clients;

/* seed: 16 octets. */
struct smtpd_clients *smtpd_clients_new(const uint8_t *seed);
void smtpd_clients_free(struct smtpd_clients **clients);
/* wall: milliseconds since 1970. */
void smtpd_clients_note(struct smtpd_clients *clients, const char *address, const char *listener,
                        enum smtpd_client_event event, int64_t wall);
/*
 * Whether one more refusal of this client may be told in the minute of `now` (a monotonic clock), of at most max; 0 is
 * no limit. If not, it is counted among the untold.
 */
bool smtpd_clients_may_tell(struct smtpd_clients *clients, const char *address, uint64_t now, unsigned max);
/* The refusals of one client that a minute has left untold, once the minute is over: false when there are none.
 * *address_r is valid until the next call. */
bool smtpd_clients_untold(struct smtpd_clients *clients, uint64_t now, const char **address_r, unsigned *count_r);
/* Whether any are untold, so that somebody should ask again. */
bool smtpd_clients_have_untold(const struct smtpd_clients *clients);
/* Newest first; of one address when it is not NULL. The array is the caller's. */
json_t *smtpd_clients_list(const struct smtpd_clients *clients, const char *address, size_t most);

#endif

/*
 * reception_clients - who came: each client address with what became of it, and how many of its refusals may still be
 * told this minute.
 *
 * At most RECEPTION_CLIENTS_MAX are known; then the one that has been quiet longest is forgotten.
 */
#ifndef MAILWEIR_RECEPTION_RECEPTION_CLIENTS_H
#define MAILWEIR_RECEPTION_RECEPTION_CLIENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/must_use.h"

#define RECEPTION_CLIENTS_MAX 2000

enum reception_client_event {
    RECEPTION_CLIENT_SESSION,
    RECEPTION_CLIENT_ACCEPTED,
    RECEPTION_CLIENT_REFUSED,
    RECEPTION_CLIENT_EVENTS
};

struct reception_clients;

/* seed: 16 octets. */
MUST_USE struct reception_clients *reception_clients_new(const uint8_t *seed);
void reception_clients_free(struct reception_clients **clients);
/* wall: milliseconds since 1970. */
void reception_clients_note(struct reception_clients *clients, const char *address, const char *listener,
                            enum reception_client_event event, int64_t wall);
/*
 * Whether one more refusal of this client may be told in the minute of `now` (a monotonic clock), of at most max; 0 is
 * no limit. If not, it is counted among the untold.
 */
bool reception_clients_may_tell(struct reception_clients *clients, const char *address, uint64_t now, unsigned max);
/* The refusals of one client that a minute has left untold, once the minute is over: false when there are none.
 * *address_r is valid until the next call. */
MUST_USE bool reception_clients_untold(struct reception_clients *clients, uint64_t now, const char **address_r,
                                       unsigned *count_r);
/* Whether any are untold, so that somebody should ask again. */
bool reception_clients_have_untold(const struct reception_clients *clients);
/* Newest first; of one address when it is not NULL. The array is the caller's. */
json_t *reception_clients_list(const struct reception_clients *clients, const char *address, size_t most);

#endif

/*
 * reception_refusals - the last refusals that clients heard, in memory and in a file beside the queue: for `mailweir
 * why`, `mailweir clients`, the page.
 *
 * A refusal is a JSON object with the fields of its log line. How many come in is bounded by whoever adds them; how
 * many are kept, here: RECEPTION_REFUSALS_MAX, and none that is older than the time to keep. The file is no promise:
 * what the disk refuses is lost and nothing else.
 */
#ifndef MAILWEIR_RECEPTION_RECEPTION_REFUSALS_H
#define MAILWEIR_RECEPTION_RECEPTION_REFUSALS_H

#include <jansson.h>

#include "base/must_use.h"
#include "net/net_loop.h"

#define RECEPTION_REFUSALS_MAX 1000

struct reception_refusals;

MUST_USE struct reception_refusals *reception_refusals_new(struct net_loop *loop);
/* Writes what is left; blocks. Sets *refusals to NULL; NULL is fine. */
void reception_refusals_free(struct reception_refusals **refusals);
/* Keeps them in a file of this folder, too, for so many milliseconds; 0: in memory only. Reads those that are there;
 * blocks. To be called once. */
void reception_refusals_keep(struct reception_refusals *refusals, const char *folder, uint64_t keep_ms);
/* Takes the object (sets *refusal to NULL), which has the time as "time_ms". */
void reception_refusals_add(struct reception_refusals *refusals, json_t **refusal);
/* Newest first, at most so many: of this client, of this message; NULL: of all. The array is the caller's. */
json_t *reception_refusals_list(const struct reception_refusals *refusals, const char *client, const char *id,
                                size_t most);
/* Forgets every refusal of which fn says so, in memory and in the file, soon; how many. */
size_t reception_refusals_erase(struct reception_refusals *refusals, bool (*fn)(void *ctx, const json_t *refusal),
                                void *ctx);

#endif

/*
 * store_meta - the envelope and the deliveries of a message as JSON, and back. Pure.
 *
 * The meta of a record holds both, so that the index can be rebuilt from the segments alone:
 *
 *   {"envelope":{...},"deliveries":[{...},{...}],"unheard":true}
 *
 * unheard: its sender waits for the upstreams' answer, and what he brings again is this message (waits_ms of
 * ADD_MESSAGE); whether he has heard it since, the record does not know.
 *
 * The index keeps the envelope's and each delivery's object apart. Members that say nothing (NULL, 0, false, no items)
 * are left out; unknown ones are ignored when reading, so that a later mailweir may add some.
 */
#ifndef MAILWEIR_STORE_STORE_META_H
#define MAILWEIR_STORE_STORE_META_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/must_use.h"
#include "mail/mail_envelope.h"

/* Append to out; whether it was full is for the caller to see there. */
void store_meta_write_envelope(struct buf *out, const struct mail_envelope *envelope);
void store_meta_write_delivery(struct buf *out, const struct mail_delivery *delivery);

/*
 * Read one object; all that *_r points at lives in the arena. -1 with a fault "damaged" when it is not what was
 * written, or "too-large" when the arena is full.
 */
MUST_USE int store_meta_read_envelope(struct bytes json, struct arena *arena, struct mail_envelope *envelope_r,
                                      struct fault *fault);
/*
 * The same for those members alone that are named in names ("from" among them), which NULL ends; what else the object
 * has need not be read. For who reads thousands: a tree of each envelope costs several times what is wanted of it.
 */
MUST_USE int store_meta_read_some(struct bytes json, const char *const *names, struct arena *arena,
                                  struct mail_envelope *envelope_r, struct fault *fault);
MUST_USE int store_meta_read_delivery(struct bytes json, struct arena *arena, struct mail_delivery *delivery_r,
                                      struct fault *fault);
/* A record's whole meta. */
MUST_USE int store_meta_read(struct bytes json, struct arena *arena, struct mail_envelope *envelope_r,
                             struct mail_delivery **deliveries_r, size_t *count_r, struct fault *fault);
/* Whether a record's whole meta says "unheard". */
bool store_meta_is_unheard(struct bytes json);

#endif

/*
 * local_durable - what the records of a log say of how far it was durable when they were written (local_record.h): so a
 * torn end, about which nobody was told yes, is told from octets that have rotted, and what a later group did not write
 * over from mail. Pure.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_DURABLE_H
#define MAILWEIR_STORE_LOCAL_LOCAL_DURABLE_H

#include "base/must_use.h"
#include "store/local/local_record.h"

struct local_durable;
MUST_USE struct local_durable *local_durable_new(void);
/* Sets *durable to NULL; NULL is fine. */
void local_durable_free(struct local_durable **durable);

/* What a record says. That of the first of each segment is enough for the other segments. */
void local_durable_note(struct local_durable *durable, const struct local_record *record);
/* Whether the octet was durable for certain: what is wrong there has rotted. */
bool local_durable_proves(const struct local_durable *durable, struct local_spot spot);
/* Whether the record that stands there never came to be: a later group was written when the log ended before it. */
bool local_durable_voids(const struct local_durable *durable, struct local_spot spot,
                         const struct local_record *record);

#endif

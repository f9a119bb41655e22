/*
 * spool_export - the stored bodies, for who stands beside the gateway: reading them in one piece after the other.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_EXPORT_H
#define MAILWEIR_SPOOL_SPOOL_EXPORT_H

#include "base/must_use.h"
#include "mail/mail_envelope.h"
#include "store/store.h"

/* Opens the store of this kind at path for reading; blocks. Fault "version" when this mailweir cannot read it. */
MUST_USE int spool_export_open(struct store **store_r, const struct store_ops *kind, const char *path,
                               struct fault *fault);
/* Sets *store to NULL; NULL is fine. */
void spool_export_close(struct store **store);

/*
 * Gives fn the body of a message in pieces, after it was checked as a whole; fn returns non-zero to stop. Blocks. Fault
 * "damaged" when it is not what was acknowledged, "settled" when nothing of the message is open any more and its body
 * is not kept.
 */
MUST_USE int spool_export_body(struct store *store, uint64_t message, int (*fn)(void *ctx, struct bytes piece),
                               void *ctx, struct fault *fault);

/*
 * The same body as a source, for who takes it at his own speed; it is checked before the first octet comes. Blocks
 * where it reads: for lanes. store by reference until spool_source_free(), which takes NULL too. NULL with one of these
 * faults.
 */
struct spool_source;
MUST_USE struct spool_source *spool_source_open(struct store *store, uint64_t message, struct fault *fault);
const struct mail_source *spool_source_of(const struct spool_source *source);
void spool_source_free(struct spool_source **source);

#endif

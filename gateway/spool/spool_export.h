/*
 * spool_export - the stored bodies, for who stands beside the gateway: reading them in one piece after the other.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_EXPORT_H
#define MAILWEIR_SPOOL_SPOOL_EXPORT_H

#include <jansson.h>

#include "mail/mail_envelope.h"
#include "store/local/local_index.h"

/* Opens the index of the spool at path for reading; blocks. Fault "version" when this mailweir cannot read it. */
int spool_export_open(struct local_index **index_r, const char *path, struct fault *fault);

/*
 * Gives fn the body of a message in pieces, after it was checked as a whole; fn returns non-zero to stop. Blocks. Fault "damaged" when it is not what
 * was acknowledged, "settled" when nothing of the message is open any more and its body is not kept.
 */
int spool_export_body(const char *path, struct local_index *index, uint64_t message,
                      int (*fn)(void *ctx, struct bytes piece), void *ctx, struct fault *fault);

/*
 * What is known of a message, for whoever takes it in elsewhere: {"envelope": {...}, "deliveries": [...], "size": 4711, "sum": "..."}, with the
 * deliveries that are open, as they would be decided now (see spool_import.h). *facts_r is the caller's; NULL when there is no such message.
 */
int spool_export_facts(struct local_index *index, uint64_t message, json_t **facts_r, struct fault *fault);

/*
 * The same body as a source, for who takes it at his own speed; it is checked before the first octet comes. Blocks where it reads: for lanes. index and
 * path by reference until spool_source_free(), which takes NULL too. NULL with one of these faults.
 */
struct spool_source;
struct spool_source *spool_source_open(const char *path, struct local_index *index, uint64_t message,
                                       struct fault *fault);
const struct mail_source *spool_source_of(const struct spool_source *source);
void spool_source_free(struct spool_source **source);

#endif

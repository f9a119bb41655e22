/*
 * spool_memo - one text for each upstream that its dispatcher finds again after a restart. The spool does not look into
 * it.
 *
 * It is written with the next group of commits and settlements, the newest one for all that came since the last: so it
 * costs no sync of its own where mail flows. What a crash cuts off is the last of them. An index that is made anew from
 * its segments has none.
 */
#ifndef MAILWEIR_SPOOL_SPOOL_MEMO_H
#define MAILWEIR_SPOOL_SPOOL_MEMO_H

#include "spool/spool.h"

/* Copies the text. The same text as before costs nothing. */
void spool_memo_set(struct spool *spool, const char *upstream, const char *text);
/* The newest text, also when another node wrote it; valid until the loop goes on; NULL when there was none. */
const char *spool_memo(struct spool *spool, const char *upstream);

/* Called when another node has written another memo of an upstream; from the loop. */
typedef void spool_memo_fn(void *ctx, const char *upstream);
void spool_memo_watch(struct spool *spool, spool_memo_fn *fn, void *ctx);

#endif

/*
 * stored - a message of the spool as the rules see it: envelope, header section and body, read again.
 *
 * Blocks: for lanes, and for programs without a gateway.
 */
#ifndef MAILWEIR_DECISION_STORED_H
#define MAILWEIR_DECISION_STORED_H

#include "base/must_use.h"
#include "filters/filters.h"
#include "spool/spool_export.h"
#include "store/store_ask.h"

struct stored {
    /* Where its open deliveries go, and whether one may lie there. */
    struct stored_target {
        const char *upstream, *folder;
        bool uncertain;
    } * targets;
    size_t target_count;
    struct arena *arena;
    struct mail_envelope envelope;
    struct spool_source *body;
    struct buf header;
};

/*
 * By its number in the store. -1 with a fault, and nothing to give back: "unknown"; "settled" when its body is not
 * kept; "damaged". spool and store by reference until stored_close().
 */
MUST_USE int stored_open(struct stored *stored_r, struct store *store, uint64_t message, struct fault *fault);
void stored_close(struct stored *stored);
/* What to decide about, as of now_ms; its views live as long as stored. */
struct filters_message stored_message(const struct stored *stored, int64_t now_ms);

#endif

/*
 * dispatch_report - tells operators about a dead letter: a report with the original attached, filed like any other
 * message.
 */
#ifndef MAILWEIR_DISPATCH_DISPATCH_REPORT_H
#define MAILWEIR_DISPATCH_DISPATCH_REPORT_H

#include "config/config.h"
#include "spool/spool.h"

/* The rule's name of a report's own delivery. About such a delivery no report is made. */
#define DISPATCH_REPORT_RULE "dead-letter report"

struct dispatch_report_options {
    struct net_loop *loop;
    struct spool *spool;
    struct log *log;
    struct config *config; /* with dead_upstream set; a share, until done */
    int64_t ended_ms;      /* when it failed, of the wall clock */
};

/* Whether this outcome of the item is to be reported. */
bool dispatch_report_wanted(const struct config *config, const struct spool_item *item,
                            const struct spool_outcome *outcome);
/*
 * Writes a report (RFC 3462, RFC 3464) about the item into the spool. done comes once, when it is durable or could not
 * be made (which is logged); item and outcome must stay until then. A body that cannot be read is left out.
 */
void dispatch_report_start(const struct dispatch_report_options *options, struct spool_item *item,
                           const struct spool_outcome *outcome, void (*done)(void *ctx), void *ctx);

#endif

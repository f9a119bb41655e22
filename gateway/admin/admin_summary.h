/*
 * admin_summary - what waits for each upstream, as the store says it: asked now and then, because with a long queue the
 * answer takes a while.
 */
#ifndef MAILWEIR_ADMIN_ADMIN_SUMMARY_H
#define MAILWEIR_ADMIN_ADMIN_SUMMARY_H

#include "admin/admin_private.h"

/* Whether what is known is at most so old, in milliseconds. */
bool admin_summary_is_fresh(const struct admin *admin, uint64_t most_ms);
/* Asks; done (may be NULL) comes once, from the loop: admin->summary is new then, or what it was before. */
void admin_summary_ask(struct admin *admin, void (*done)(void *ctx), void *ctx);
/* Deliveries that wait for the upstream, as far as is known. */
uint64_t admin_summary_waiting(const struct admin *admin, const char *upstream);

#endif

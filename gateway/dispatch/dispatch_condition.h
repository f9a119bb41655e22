/*
 * dispatch_condition - in what condition an upstream is, in the words that status, top, the page, the API and the
 * metrics share.
 */
#ifndef MAILWEIR_DISPATCH_DISPATCH_CONDITION_H
#define MAILWEIR_DISPATCH_DISPATCH_CONDITION_H

#include "dispatch/dispatch.h"

enum dispatch_condition {
    DISPATCH_OPEN,      /* mail is filed as it comes, as far as is known */
    DISPATCH_FAILING,   /* it cannot be reached, or refuses the account; it is tried again by itself */
    DISPATCH_THROTTLED, /* the server, or the day's budget, asks for a pause */
    DISPATCH_FULL,      /* the mailbox has no room: refused so, and nothing filed since */
    DISPATCH_PAUSED,    /* by an operator: nothing is tried until he ends it */
    DISPATCH_CONDITIONS,
};

enum dispatch_condition dispatch_condition_of(const struct dispatch_state *state);
/* "open", "failing", "throttled", "full", "paused". */
const char *dispatch_condition_name(enum dispatch_condition condition);
/* Since when, of the wall clock; 0: not known, or open. */
int64_t dispatch_condition_since(const struct dispatch_state *state);

#endif

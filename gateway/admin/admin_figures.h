/*
 * admin_figures - what happened in each minute of the last seven days: a ring in a file of the spool's folder, so that
 * a restart loses none of it. The page's charts are drawn from it.
 *
 * The file "figures" has one slot for each minute of seven days, each with a sum of its own: a slot that was torn by a
 * crash, or that belongs to an older week, is no figure. It is never synced and nothing else relies on it; a file that
 * cannot be read or written costs the charts their past and nothing else.
 */
#ifndef MAILWEIR_ADMIN_ADMIN_FIGURES_H
#define MAILWEIR_ADMIN_ADMIN_FIGURES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/must_use.h"

struct admin;
struct admin_figures;

enum admin_figure {
    /* counted: within the minute */
    ADMIN_FIGURE_ACCEPTED,
    ADMIN_FIGURE_REFUSED,
    ADMIN_FIGURE_PUT_OFF, /* answered 4xx */
    ADMIN_FIGURE_FILED,
    ADMIN_FIGURE_DEFERRED, /* attempts to deliver that come again */
    ADMIN_FIGURE_DEAD,
    ADMIN_FIGURE_LOGIN_FAILURES,
    /* seen: the most within the minute */
    ADMIN_FIGURE_WAITING,
    ADMIN_FIGURE_HELD,
    ADMIN_FIGURE_DEAD_LETTERS,
    ADMIN_FIGURES
};
#define ADMIN_FIGURES_COUNTED ADMIN_FIGURE_WAITING /* those before it are counted */

/* Reads what an earlier run has left; blocks. Never NULL. */
MUST_USE struct admin_figures *admin_figures_open(struct admin *admin);
/* Writes what is left of the minute; blocks. NULL is fine. After the server's lane has ended. */
void admin_figures_close(struct admin *admin);
/* Each second. */
void admin_figures_tick(struct admin *admin);
/* What was counted in the last minutes, the one under way among them; at most an hour of them. */
uint64_t admin_figures_sum(const struct admin *admin, enum admin_figure figure, unsigned minutes);

#endif

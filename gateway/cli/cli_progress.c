/*
 * cli_progress - see cli_progress.h.
 */
#include "cli/cli_progress.h"
#include "cli/cli_paint.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

#define EVERY_MS 100
#define WIDTH    30

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void cli_progress_begin(struct cli_progress *progress, const char *what, uint64_t total)
{
    *progress = (struct cli_progress){.what = what, .total = total, .is_on = isatty(STDERR_FILENO) == 1};
    cli_progress_step(progress, 0);
}

static void draw_bar(const struct cli_progress *progress)
{
    uint64_t done = progress->done < progress->total ? progress->done : progress->total;
    int filled = (int)(done * WIDTH / progress->total);
    bool colour = cli_has_colour(STDERR_FILENO);
    fprintf(stderr, " [%s", colour ? "\033[32m" : "");
    for (int i = 0; i < WIDTH; i++) {
        fputc(i < filled ? '#' : '.', stderr);
    }
    fprintf(stderr, "%s] %" PRIu64 " of %" PRIu64, colour ? "\033[0m" : "", progress->done, progress->total);
}

void cli_progress_step(struct cli_progress *progress, uint64_t done)
{
    progress->done = done;
    int64_t now = now_ms();
    if (!progress->is_on || (progress->drawn_ms != 0 && now - progress->drawn_ms < EVERY_MS)) {
        return;
    }
    progress->drawn_ms = now;
    progress->shown = true;
    fprintf(stderr, "\r\033[K%s", progress->what);
    if (progress->total > 0) {
        draw_bar(progress);
    } else {
        fprintf(stderr, " %" PRIu64, done);
    }
    fflush(stderr);
}

void cli_progress_clear(struct cli_progress *progress)
{
    if (progress->shown) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
        progress->shown = false;
        progress->drawn_ms = 0;
    }
}

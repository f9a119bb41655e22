/*
 * metrics_text - writes the Prometheus text exposition format, version 0.0.4.
 *
 * A family is opened once, then its samples follow. Nothing is kept: who owns the counts is asked at each scrape.
 */
#ifndef MAILWEIR_ADMIN_METRICS_TEXT_H
#define MAILWEIR_ADMIN_METRICS_TEXT_H

#include "base/buf.h"
#include "base/histogram.h"

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

struct metrics_text {
    struct buf *out;
    const char *family;
};

/* Labels are names and values in turn, NULL at the end: METRICS_LABELS("listener", "apps"). No address and no message
 * id ever. */
/* name: by Prometheus' conventions (_total, _seconds, _bytes); help: one line. */
void metrics_family(struct metrics_text *text, enum metrics_type type, const char *name, const char *help);
/* labels may be NULL. */
void metrics_count(struct metrics_text *text, const char *const *labels, uint64_t value);
/* Milliseconds, written as seconds. */
void metrics_seconds(struct metrics_text *text, const char *const *labels, int64_t milliseconds);
void metrics_microseconds(struct metrics_text *text, const char *const *labels, uint64_t microseconds);
void metrics_histogram(struct metrics_text *text, const char *const *labels, const struct histogram *histogram);

#define METRICS_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif

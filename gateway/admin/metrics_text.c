/*
 * metrics_text - see metrics_text.h.
 */
#include "admin/metrics_text.h"

#include <inttypes.h>
#include <stdio.h>

void metrics_family(struct metrics_text *text, enum metrics_type type, const char *name, const char *help)
{
    static const char *const types[] = {
        [METRICS_COUNTER] = "counter", [METRICS_GAUGE] = "gauge", [METRICS_HISTOGRAM] = "histogram"};
    text->family = name;
    buf_printf(text->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

/* Backslash, quote and line feed are escaped; anything else stands as it is. */
static void write_value(struct buf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"') {
            buf_append_octet(out, '\\');
        }
        if (*value == '\n') {
            buf_append_text(out, "\\n");
        } else {
            buf_append_octet(out, (uint8_t)*value);
        }
    }
}

/* le: the bound of a histogram's bucket, or NULL. */
static void write_name(struct metrics_text *text, const char *suffix, const char *const *labels, const char *le)
{
    struct buf *out = text->out;
    const char *before = "{";
    buf_printf(out, "%s%s", text->family, suffix);
    for (; labels != NULL && labels[0] != NULL; labels += 2) {
        buf_printf(out, "%s%s=\"", before, labels[0]);
        write_value(out, labels[1]);
        buf_append_octet(out, '"');
        before = ",";
    }
    if (le != NULL) {
        buf_printf(out, "%sle=\"%s\"", before, le);
        before = ",";
    }
    buf_append_text(out, *before == ',' ? "} " : " ");
}

void metrics_count(struct metrics_text *text, const char *const *labels, uint64_t value)
{
    write_name(text, "", labels, NULL);
    buf_printf(text->out, "%" PRIu64 "\n", value);
}

void metrics_seconds(struct metrics_text *text, const char *const *labels, int64_t milliseconds)
{
    write_name(text, "", labels, NULL);
    buf_printf(text->out, "%.3f\n", (double)milliseconds / 1000);
}

void metrics_microseconds(struct metrics_text *text, const char *const *labels, uint64_t microseconds)
{
    write_name(text, "", labels, NULL);
    buf_printf(text->out, "%.6f\n", (double)microseconds / 1e6);
}

void metrics_histogram(struct metrics_text *text, const char *const *labels, const struct histogram *histogram)
{
    uint64_t below = 0;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        char bound[32];
        snprintf(bound, sizeof bound, "%g", (double)histogram_bounds[i] / 1e6);
        below += histogram->buckets[i];
        write_name(text, "_bucket", labels, bound);
        buf_printf(text->out, "%" PRIu64 "\n", below);
    }
    write_name(text, "_bucket", labels, "+Inf");
    buf_printf(text->out, "%" PRIu64 "\n", histogram->count);
    write_name(text, "_sum", labels, NULL);
    buf_printf(text->out, "%.6f\n", (double)histogram->sum_us / 1e6);
    write_name(text, "_count", labels, NULL);
    buf_printf(text->out, "%" PRIu64 "\n", histogram->count);
}

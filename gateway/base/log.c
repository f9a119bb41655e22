/*
 * log - formatting of event lines; see log.h.
 */
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/date.h"
#include "base/units.h"

#define LOG_FIELDS_MAX 40 /* of one event; further ones are left out */

const char *const log_level_words[LOG_LEVELS + 1] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_ERROR] = "error",
};
_Static_assert(LOG_LEVELS == 4, "a name for each level: the table's size is that of its declaration");

const char *log_level_name(enum log_level level)
{
    return log_level_words[level];
}

int log_level_of(const char *name)
{
    for (int i = 0; i < LOG_LEVELS; i++) {
        if (strcmp(name, log_level_words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

void log_time(int64_t time_ms, char out[25])
{
    struct date d;
    date_of(time_ms, &d);
    char text[96]; /* room for what the compiler must assume of each field */
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", d.year, d.month, d.day, d.hour, d.minute,
             d.second, (int)(time_ms % 1000));
    memcpy(out, text, 24);
    out[24] = '\0';
}

/* Octets at the head of data that stand for themselves. */
static size_t plain_run(struct bytes data)
{
    size_t len = 0;
    while (len < data.len && data.ptr[len] >= 0x20 && data.ptr[len] < 0x7F && data.ptr[len] != '"' &&
           data.ptr[len] != '\\') {
        len++;
    }
    return len;
}

void log_json_escape(struct buf *out, struct bytes data)
{
    for (size_t i = 0; i < data.len;) {
        size_t run = plain_run(bytes_from(data, i));
        if (run > 0) { /* nearly all of nearly every text, and several texts of every message pass here */
            buf_append(out, data.ptr + i, run);
            i += run;
            continue;
        }
        uint8_t c = data.ptr[i];
        if (c == '"' || c == '\\') {
            buf_append_octet(out, '\\');
            buf_append_octet(out, c);
            i++;
        } else if (c < 0x20 || c == 0x7F) {
            buf_printf(out, "\\u%04x", c);
            i++;
        } else {
            size_t len = bytes_utf8_length(bytes_from(data, i));
            /* These move terminals, too, or turn the line around. */
            if (len == 0 || bytes_unprintable(bytes_from(data, i)) > 0) {
                buf_append_text(out, "\xEF\xBF\xBD");
                len = len == 0 ? 1 : len;
            } else {
                buf_append(out, data.ptr + i, len);
            }
            i += len;
        }
    }
}

static void append_quoted(struct buf *out, struct bytes value)
{
    buf_append_octet(out, '"');
    log_json_escape(out, bytes_slice(value, 0, LOG_VALUE_MAX));
    if (value.len > LOG_VALUE_MAX) {
        buf_append_text(out, "...");
    }
    buf_append_octet(out, '"');
}

/* A word that a reader can tell apart without quotes. */
static bool is_plain(struct bytes value)
{
    if (value.len == 0) {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.ptr[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return value.len <= LOG_VALUE_MAX;
}

static void append_value(struct buf *out, enum log_format format, struct bytes value)
{
    if (format == LOG_FORMAT_TEXT && is_plain(value)) {
        buf_append_bytes(out, value);
    } else {
        append_quoted(out, value);
    }
}

static void append_list(struct buf *out, enum log_format format, const struct log_field *field)
{
    buf_append_text(out, format == LOG_FORMAT_JSON ? "[" : "");
    for (int64_t i = 0; i < field->number; i++) {
        buf_append_text(out, i > 0 ? "," : "");
        append_value(out, format, bytes_of(field->list[i]));
    }
    buf_append_text(out, format == LOG_FORMAT_JSON ? "]" : "");
}

static bool is_left_out(const struct log_field *field)
{
    return (field->kind == LOG_KIND_BYTES && field->text.len == 0) ||
           (field->kind == LOG_KIND_LIST && field->number == 0);
}

static void append_field(struct buf *out, enum log_format format, const struct log_field *field)
{
    if (is_left_out(field)) {
        return;
    }
    buf_printf(out, format == LOG_FORMAT_JSON ? ",\"%s\":" : " %s=", field->name);
    switch (field->kind) {
    case LOG_KIND_NUMBER:
        buf_printf(out, "%" PRId64, field->number);
        break;
    case LOG_KIND_LIST:
        append_list(out, format, field);
        break;
    case LOG_KIND_BYTES:
        append_value(out, format, field->text);
        break;
    }
}

/* How a line of text is laid out for whoever reads it. */
struct look {
    bool colour, is_local;
};

static const char *paint(const struct look *look, const char *escape)
{
    return look->colour ? escape : "";
}

static const char *level_colour(enum log_level level)
{
    static const char *const colours[LOG_LEVELS] = {[LOG_LEVEL_DEBUG] = "\033[2m",
                                                    [LOG_LEVEL_INFO] = "",
                                                    [LOG_LEVEL_WARNING] = "\033[33m",
                                                    [LOG_LEVEL_ERROR] = "\033[31m"};
    return colours[level];
}

/* Time, level and action in columns, so that the eye finds the fields. */
static void begin_text(struct buf *out, const struct look *look, const char *time, enum log_level level,
                       const char *action)
{
    const char *colour = paint(look, level_colour(level)), *end = paint(look, "\033[0m");
    if (look->is_local) {
        buf_printf(out, "%s%.10s %.12s%s", paint(look, "\033[2m"), time, time + 11, end);
    } else {
        buf_append_text(out, time);
    }
    buf_printf(out, " %s%-7s%s %s%-16s%s", colour, log_level_name(level), colour[0] == '\0' ? "" : end,
               paint(look, "\033[1m"), action, end);
}

/*
 * The delivery's id begins with its message's, which stands in the same line; of that the head is enough, which every
 * command takes for the whole.
 */
static struct log_field shortened(const struct log_field *field, struct bytes id)
{
    struct log_field result = *field;
    if (strcmp(field->name, "delivery") == 0 && id.len > 0 && field->text.len > id.len &&
        memcmp(field->text.ptr, id.ptr, id.len) == 0) {
        result.text = bytes_from(field->text, id.len);
    } else if (strcmp(field->name, "id") == 0 && field->text.len == UNITS_ID_LEN) {
        result.text = bytes_slice(field->text, 0, UNITS_ID_SHORT);
    }
    return result;
}

static void append_fields(struct buf *out, enum log_format format, const struct log_field *fields)
{
    struct bytes id = {NULL, 0};
    for (const struct log_field *field = fields; field->name != NULL; field++) {
        size_t before = out->len;
        struct log_field shown = format == LOG_FORMAT_TEXT ? shortened(field, id) : *field;
        id = strcmp(field->name, "id") == 0 ? field->text : id;
        append_field(out, format, &shown);
        if (out->full || out->len > LOG_LINE_MAX) {
            buf_truncate(out, before); /* a field that does not fit is left out whole: the line stays valid JSON */
            out->full = false;
        }
    }
}

static void format_line(struct buf *out, enum log_format format, const struct look *look, int64_t time_ms,
                        enum log_level level, const char *action, const struct log_field *fields)
{
    char time[25];
    log_time(time_ms, time);
    if (format == LOG_FORMAT_JSON) {
        buf_printf(out, "{\"@timestamp\":\"%s\",\"log.level\":\"%s\",\"event.action\":\"%s\"", time,
                   log_level_name(level), action);
    } else {
        begin_text(out, look, time, level, action);
    }
    append_fields(out, format, fields);
    buf_append_text(out, format == LOG_FORMAT_JSON ? "}\n" : "\n");
}

void log_format_line(struct buf *out, enum log_format format, int64_t time_ms, enum log_level level, const char *action,
                     const struct log_field *fields)
{
    const struct look plain = {.colour = false};
    format_line(out, format, &plain, time_ms, level, action, fields);
}

/* The fields with the area in front of them, which is none of the caller's. */
static void write_line(struct log *log, struct buf *line, enum log_format format, int64_t time_ms, enum log_level level,
                       const char *action, const struct log_field *fields)
{
    struct log_field all[LOG_FIELDS_MAX + 2];
    size_t count = 0;
    all[count++] = LOG_STR("log.logger", log->area);
    while (fields->name != NULL && count <= LOG_FIELDS_MAX) {
        all[count++] = *fields++;
    }
    all[count] = (struct log_field){.name = NULL};
    const struct look look = {.colour = log->colour, .is_local = log->zone != NULL};
    bool is_text = format == LOG_FORMAT_TEXT;
    int64_t shown_ms = is_text && log->zone != NULL ? time_ms + log->zone(log->ctx, time_ms) : time_ms;
    format_line(line, format, &look, shown_ms, level, action, is_text ? all + 1 : all);
}

void log_write(struct log *log, enum log_level level, const char *action, const struct log_field *fields)
{
    if (log == NULL || level < log->least) {
        return;
    }
    struct buf line;
    int64_t now = log->now(log->ctx);
    buf_init(&line, 2 * LOG_LINE_MAX);
    write_line(log, &line, log->format, now, level, action, fields);
    log->write(log->ctx, (const char *)buf_bytes(&line).ptr, line.len);
    if (log->tap != NULL && log->tap->line != NULL) {
        if (log->format != LOG_FORMAT_JSON) {
            buf_clear(&line);
            write_line(log, &line, LOG_FORMAT_JSON, now, level, action, fields);
        }
        log->tap->line(log->tap->ctx, (const char *)buf_bytes(&line).ptr, line.len);
    }
    buf_done(&line);
}

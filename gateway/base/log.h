/*
 * log - one line per event, as JSON or as text for a terminal.
 *
 * An event has a level, an action (a stable word such as "accepted") and fields. Formatting happens here; the time and
 * the descriptor come from the owner (floor 4), so this floor does no I/O. Whatever comes from a peer is escaped: a
 * value can never start a new line, end a JSON string or send a terminal sequence.
 *
 * Field names follow ECS where it has one: "client.address", "email.message_id", "error.message"; a
 * message's id is always "id". Each part of the program has a log of its own (its area), so that levels can differ.
 */
#ifndef MAILWEIR_BASE_LOG_H
#define MAILWEIR_BASE_LOG_H

#include "base/buf.h"
#include "base/fault.h"
#include "base/must_use.h"
#include "base/trace.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVELS };
/* As configuration and API write them; NULL ends the list. */
extern const char *const log_level_words[LOG_LEVELS + 1];
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* A value longer than this is cut and ends in "...": one event is one bounded line. */
#define LOG_VALUE_MAX 2000
#define LOG_LINE_MAX  16384

struct log_field {
    const char *name; /* NULL ends the list */
    enum { LOG_KIND_BYTES, LOG_KIND_NUMBER, LOG_KIND_LIST } kind;
    struct bytes text;
    int64_t number;
    const char *const *list; /* LOG_KIND_LIST: `number` strings */
};

/* A NULL or empty text leaves the field out of the line. */
#define LOG_STR(name_, text_)    ((struct log_field){.name = (name_), .kind = LOG_KIND_BYTES, .text = bytes_of(text_)})
#define LOG_BYTES(name_, bytes_) ((struct log_field){.name = (name_), .kind = LOG_KIND_BYTES, .text = (bytes_)})
#define LOG_INT(name_, number_)                                                                                        \
    ((struct log_field){.name = (name_), .kind = LOG_KIND_NUMBER, .number = (int64_t)(number_)})
#define LOG_LIST(name_, strings_, count_)                                                                              \
    ((struct log_field){.name = (name_), .kind = LOG_KIND_LIST, .list = (strings_), .number = (int64_t)(count_)})

/* Somebody who listens to the log at run time; shared by the logs of all areas. line: JSON, with its newline. */
struct log_tap {
    void (*line)(void *ctx, const char *line, size_t len); /* NULL: nobody listens */
    void *ctx;
};

struct log {
    const char *area;      /* "smtp", "rules", …: the field "log.logger"; may be NULL */
    struct log_tap *tap;   /* may be NULL */
    struct traces *traces; /* which dialogues are written; may be NULL */
    enum log_format format;
    bool colour;                             /* text: for a terminal that wants it */
    int64_t (*zone)(void *ctx, int64_t now); /* text: how far local time is ahead, milliseconds; NULL: UTC is written */
    enum log_level least;                    /* events below it are not written */
    int64_t (*now)(void *ctx);               /* wall clock, milliseconds since 1970 */
    void (*write)(void *ctx, const char *line, size_t len); /* one whole line with its newline */
    void *ctx;
};

/*
 * Writes one event: log_event(log, LOG_LEVEL_INFO, "accepted", LOG_STR("id", id), LOG_INT("size", n)).
 * log may be NULL: nothing is written (unit tests).
 */
#define log_event(log, level, action, ...)                                                                             \
    log_write((log), (level), (action), (const struct log_field[]){__VA_ARGS__, {.name = NULL}})

void log_write(struct log *log, enum log_level level, const char *action, const struct log_field *fields);

/* The line alone, in clear and in UTC; appended to out. */
void log_format_line(struct buf *out, enum log_format format, int64_t time_ms, enum log_level level, const char *action,
                     const struct log_field *fields); /* for tests */

/* Appends data as the inside of a JSON string: quotes, backslash, control and invalid UTF-8 escaped or replaced. */
void log_json_escape(struct buf *out, struct bytes data);

/* "debug", "info", "warning", "error"; and back, -1 for any other word. */
const char *log_level_name(enum log_level level);
MUST_USE int log_level_of(const char *name);

/* "2026-11-23T07:11:20.123Z" of milliseconds since 1970, into out (25 octets with NUL). */
void log_time(int64_t time_ms, char out[25]);

#endif

/*
 * admin_events - live streams (server-sent events): "state" each second, "log" for each event of the log; see
 * admin_private.h.
 *
 * Log lines are sent together, a few times a second and so many at most, so that a flood of mail does not become a
 * flood of events: "skipped" says how many were left out.
 *
 * A stream that reads too slowly is ended: its client connects again and is up to date at once. Nothing here ever waits
 * for one.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_life.h"
#include "base/expect.h"

struct admin_stream {
    struct list link;
    struct admin *admin; /* NULL: the server has gone */
    struct MHD_Connection *connection;
    struct buf pending;
    bool suspended;
    bool ending;
};

/* ---- one stream ---- */

static void wake(struct admin_stream *stream)
{
    if (stream->suspended) {
        stream->suspended = false;
        MHD_resume_connection(stream->connection);
        admin_kick(stream->admin);
    }
}

static void add_event(struct buf *out, const char *name, struct bytes data)
{
    buf_printf(out, "event: %s\ndata: ", name);
    buf_append_bytes(out, data);
    buf_append_text(out, "\n\n");
}

static void send_events(struct admin_stream *stream, struct bytes events)
{
    if (stream->ending) {
        return;
    }
    if (stream->pending.len + events.len > stream->pending.max) {
        stream->ending = true;
        stream->admin->counts.lagged++;
    } else {
        buf_append_bytes(&stream->pending, events);
    }
    wake(stream);
}

void admin_events_stood_still(struct admin *admin, const struct MHD_Connection *connection)
{
    LIST_EACH(link, &admin->streams)
    {
        struct admin_stream *stream = LIST_ITEM(link, struct admin_stream, link);
        if (stream->connection == connection && !stream->ending) {
            stream->ending = true;
            admin->counts.lagged++;
        }
    }
}

static void send_to_all(struct admin *admin, struct bytes events)
{
    LIST_EACH(link, &admin->streams)
    {
        send_events(LIST_ITEM(link, struct admin_stream, link), events);
    }
}

/* libmicrohttpd asks for more to send; without any, the connection sleeps until wake(). */
static ssize_t on_wanted(void *ctx, uint64_t position, char *into, size_t room)
{
    struct admin_stream *stream = ctx;
    (void)position;
    size_t len = stream->pending.len < room ? stream->pending.len : room;
    if (len > 0) {
        memcpy(into, buf_bytes(&stream->pending).ptr, len);
        buf_consume(&stream->pending, len);
        return (ssize_t)len;
    }
    if (stream->ending || stream->admin == NULL) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    stream->suspended = true;
    MHD_suspend_connection(stream->connection);
    return 0;
}

static void on_stream_gone(void *ctx)
{
    struct admin_stream *stream = ctx;
    if (stream->admin != NULL) {
        stream->admin->stream_count--;
        list_remove(&stream->link);
    }
    buf_done(&stream->pending);
    free(stream);
}

/* ---- what is sent ---- */

static void add_json(struct buf *out, const char *name, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    add_event(out, name, bytes_of(text));
    free(text);
}

/* Lines of the ring, from the first to the last that was written. */
static void add_lines(const struct admin *admin, struct buf *out, uint64_t first)
{
    for (uint64_t i = first; i < admin->line_count; i++) {
        add_event(out, "log", bytes_of(admin->lines[i % ADMIN_LINES]));
    }
}

/* Sends what was logged since the last time. */
static void flush_events(struct admin *admin)
{
    uint64_t fresh = admin->line_count - admin->flushed, first = admin->flushed;
    net_timer_stop(admin->flush);
    admin->flush_due = false;
    admin->flushed = admin->line_count;
    if (fresh == 0 || admin->stream_count == 0) {
        return;
    }
    struct buf events;
    buf_init(&events, ADMIN_STREAM_MAX);
    if (fresh > ADMIN_FLUSH_LINES) {
        first = admin->line_count - ADMIN_FLUSH_LINES;
        add_json(&events, "skipped", json_pack("{s:I}", "lines", (json_int_t)(fresh - ADMIN_FLUSH_LINES)));
    }
    add_lines(admin, &events, first);
    send_to_all(admin, buf_bytes(&events));
    buf_done(&events);
}

static void on_flush(void *ctx)
{
    flush_events(ctx);
}

/* From the log: one JSON line with its newline. */
static void on_line(void *ctx, const char *line, size_t len)
{
    struct admin *admin = ctx;
    size_t at = admin->line_count++ % ADMIN_LINES;
    free(admin->lines[at]);
    admin->lines[at] = expect_memory(strndup(line, len - 1));
    if (admin->stream_count > 0 && !admin->flush_due) {
        admin->flush_due = true;
        net_timer_start(admin->flush, ADMIN_FLUSH_MS);
    }
}

/* Accepted, rejected, filed, deferred and dead of the last seconds, oldest first; a new reference. */
static json_t *history(const struct admin *admin)
{
    json_t *seconds = json_array();
    uint64_t first = admin->sample_count > ADMIN_HISTORY ? admin->sample_count - ADMIN_HISTORY : 0;
    for (uint64_t i = first + 1; i < admin->sample_count; i++) {
        const struct admin_sample *now = &admin->history[i % ADMIN_HISTORY];
        const struct admin_sample *before = &admin->history[(i - 1) % ADMIN_HISTORY];
        json_array_append_new(
            seconds, json_pack("[I,I,I,I,I]", (json_int_t)(now->accepted - before->accepted),
                               (json_int_t)(now->rejected - before->rejected), (json_int_t)(now->filed - before->filed),
                               (json_int_t)(now->deferred - before->deferred), (json_int_t)(now->dead - before->dead)));
    }
    return json_pack("{s:[s,s,s,s,s],s:o}", "columns", "accepted", "refused", "filed", "deferred", "dead", "seconds",
                     seconds);
}

static void send_past(struct admin *admin, struct admin_stream *stream)
{
    struct buf events;
    buf_init(&events, ADMIN_STREAM_MAX);
    add_lines(admin, &events, admin->line_count > ADMIN_LINES ? admin->line_count - ADMIN_LINES : 0);
    add_json(&events, "history", history(admin));
    add_json(&events, "state", admin_status(admin));
    send_events(stream, buf_bytes(&events));
    buf_done(&events);
}

void admin_get_events(struct admin_request *request)
{
    struct admin *admin = request->admin;
    if (admin->stream_count >= admin->config->admin.max_streams) {
        admin_answer_error(request, 503, "streams", "\"max_streams\" live streams are open already");
        return;
    }
    flush_events(admin); /* to the others: the new one has it from the ring */
    struct admin_stream *stream = expect_calloc(1, sizeof *stream);
    stream->admin = admin;
    stream->connection = request->connection;
    buf_init(&stream->pending, ADMIN_STREAM_MAX);
    list_append(&admin->streams, &stream->link);
    admin->stream_count++;
    admin->counts.streams++;
    send_past(admin, stream);
    struct MHD_Response *response =
        expect_memory(MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, on_wanted, stream, on_stream_gone));
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    admin_answer_response(request, 200, response);
}

/* ---- rates ---- */

static void sample(struct admin *admin)
{
    struct gateway_counts counts;
    gateway_count(admin->gateway, &counts);
    admin->history[admin->sample_count++ % ADMIN_HISTORY] =
        (struct admin_sample){.accepted = counts.reception.accepted,
                              .rejected = counts.reception.rejected + counts.reception.deferred,
                              .filed = counts.dispatch.filed,
                              .deferred = counts.dispatch.deferred,
                              .dead = counts.dispatch.dead};
}

/* The differences of neighbours: what happened in each second. */

/* ---- life ---- */

void admin_events_init(struct admin *admin)
{
    list_init(&admin->streams);
    admin->flush = net_timer_new(admin->loop, on_flush, admin);
    gateway_tap_log(admin->gateway, on_line, admin);
}

void admin_events_tick(struct admin *admin)
{
    sample(admin);
    if (admin->stream_count > 0) {
        struct buf events;
        buf_init(&events, ADMIN_STREAM_MAX);
        add_json(&events, "state", admin_status(admin));
        send_to_all(admin, buf_bytes(&events));
        buf_done(&events);
    }
}

void admin_events_end(struct admin *admin)
{
    LIST_EACH(link, &admin->streams)
    {
        struct admin_stream *stream = LIST_ITEM(link, struct admin_stream, link);
        stream->ending = true;
        wake(stream);
        stream->admin = NULL; /* the server's end frees it */
        list_remove(&stream->link);
    }
    admin->stream_count = 0;
}

void admin_events_done(struct admin *admin)
{
    gateway_tap_log(admin->gateway, NULL, NULL);
    flush_events(admin);
    net_timer_free(&admin->flush);
    admin_events_end(admin);
    for (size_t i = 0; i < ADMIN_LINES; i++) {
        free(admin->lines[i]);
    }
}

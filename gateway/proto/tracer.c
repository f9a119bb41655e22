/*
 * tracer - see tracer.h.
 */
#include "proto/tracer.h"

#define LINE_COST 200 /* octets that a line takes in the log beside itself */

static void on_line(void *ctx, char who, struct bytes line)
{
    struct tracer *tracer = ctx;
    const struct tracer_event *event = tracer->event;
    int on = tracer->over ? -1 : traces_spend(event->log->traces, tracer->id, line.len + LINE_COST, event->now);
    /* It was asked for: the area's level does not count. */
    struct log log = *event->log;
    log.least = LOG_LEVEL_DEBUG;
    if (on != 1) {
        tracer->over = true;
        if (on == 0) {
            log_event(&log, LOG_LEVEL_INFO, "trace_off", LOG_INT("trace", tracer->id));
        }
        return;
    }
    const char *said_by = who == 'C' ? "client" : "server";
    if (event->kind == TRACE_SMTP) {
        log_event(&log, LOG_LEVEL_INFO, "trace", LOG_INT("trace", tracer->id), LOG_STR("listener", event->name),
                  LOG_STR("client.address", event->client), LOG_INT("client.port", event->port),
                  LOG_STR("said_by", said_by), LOG_BYTES("line", line));
    } else {
        log_event(&log, LOG_LEVEL_INFO, "trace", LOG_INT("trace", tracer->id), LOG_STR("upstream", event->name),
                  LOG_INT("connection", event->number), LOG_STR("said_by", said_by), LOG_BYTES("line", line));
    }
}

static void look_for_trace(struct tracer *tracer, const struct tracer_event *event)
{
    const struct traces *traces = event->log->traces;
    tracer->seen = traces->last_id;
    tracer->id = traces_pick(traces, event->kind, event->name, event->client, event->now);
    if (tracer->id != 0) {
        tracer->over = false;
        tracer->dialogue = event->kind == TRACE_SMTP ? dialogue_new_smtp(event->begun, on_line, tracer)
                                                     : dialogue_new_imap(event->begun, on_line, tracer);
    }
}

void tracer_hear(struct tracer *tracer, const struct tracer_event *event, char who, struct bytes octets)
{
    tracer->event = event;
    if (tracer->dialogue == NULL) {
        look_for_trace(tracer, event);
    }
    if (tracer->dialogue != NULL && who == 'C') {
        dialogue_client(tracer->dialogue, octets);
    } else if (tracer->dialogue != NULL) {
        dialogue_server(tracer->dialogue, octets);
    }
    if (tracer->over) {
        dialogue_free(&tracer->dialogue);
    }
}

void tracer_done(struct tracer *tracer)
{
    dialogue_free(&tracer->dialogue);
}

/*
 * tracer - one dialogue that may be traced: finds out whether a trace wants it, and writes its lines to the log as
 * "trace" events.
 *
 * What of a dialogue may be shown is dialogue.h's; which ones are wanted, base/trace.h's. In a session that nobody
 * traces, tracer_is_on() is all there is.
 */
#ifndef MAILWEIR_PROTO_TRACER_H
#define MAILWEIR_PROTO_TRACER_H

#include "base/log.h"
#include "proto/dialogue.h"

struct tracer {
    struct dialogue *dialogue; /* NULL: not traced */
    unsigned id;               /* of the trace */
    unsigned seen;             /* the newest trace that was asked about */
    bool over;
    /* of the call under way */
    const struct tracer_event *event;
};

/* What is heard, and where. */
struct tracer_event {
    struct log *log;
    enum trace_kind kind;
    const char *name;   /* of the listener or upstream */
    const char *client; /* SMTP: address */
    uint16_t port;      /* SMTP: its port */
    uint64_t number;    /* IMAP: of the connection */
    bool begun;         /* nothing was said before */
    uint64_t now;       /* clock of the loop */
};

/* Whether what is said is to be given to tracer_hear(): a trace wants it, or may want it. */
static inline bool tracer_is_on(const struct tracer *tracer, const struct log *log)
{
    return log != NULL && log->traces != NULL && (tracer->dialogue != NULL || tracer->seen != log->traces->last_id);
}
/* who: 'C' or 'S'. */
void tracer_hear(struct tracer *tracer, const struct tracer_event *event, char who, struct bytes octets);
void tracer_done(struct tracer *tracer);

#endif

/*
 * trace - which dialogues are written to the log at the moment: traces that an operator has switched on, each with its
 * limits.
 *
 * A trace ends by itself: after its time, or when its lines have used up its octets. Who speaks asks traces_pick() when
 * it begins, and keeps the number; while no trace is on, that is one comparison. Time is an argument.
 */
#ifndef MAILWEIR_BASE_TRACE_H
#define MAILWEIR_BASE_TRACE_H

#include "base/must_use.h"
#include "base/network.h"

#define TRACES_MAX     8 /* at once */
#define TRACE_NAME_MAX 200

enum trace_kind { TRACE_SMTP, TRACE_IMAP };

struct trace {
    unsigned id; /* 0: none */
    enum trace_kind kind;
    char name[TRACE_NAME_MAX + 1]; /* of the listener or upstream; "" is all */
    bool has_network;              /* SMTP: only clients in it */
    struct network network;
    char client[TRACE_NAME_MAX + 1]; /* the network as text */
    uint64_t until;                  /* clock of the loop, milliseconds */
    uint64_t left;                   /* octets that may still be written */
    uint64_t lines;
};

struct traces {
    struct trace items[TRACES_MAX];
    unsigned last_id;
    size_t count; /* of those that are on */
};

/* Copies the trace and gives it a number, which is returned; 0 when TRACES_MAX are on. */
unsigned traces_add(struct traces *traces, const struct trace *trace);
/* 0, or -1 when there is none of that number. */
MUST_USE int traces_stop(struct traces *traces, unsigned id);
/* The first trace for this dialogue, or 0. client: its address; NULL with IMAP. */
unsigned traces_pick(const struct traces *traces, enum trace_kind kind, const char *name, const char *client,
                     uint64_t now);
/* Takes octets of the trace: 1; 0 when it has just ended by one of its limits; -1 when it is not on any more. */
MUST_USE int traces_spend(struct traces *traces, unsigned id, size_t octets, uint64_t now);
/* Ends one whose time is over: its number, or 0 when there is none. */
unsigned traces_expire(struct traces *traces, uint64_t now);

#endif

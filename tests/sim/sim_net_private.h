/*
 * sim_net_private - what the parts of the simulated network share: links with their two wires (sim_link.c), and the gateway's streams over
 * them (sim_net_stream.c, sim_net_listener.c, sim_net_connect.c, sim_net_tls.c).
 */
#ifndef MAILWEIR_SIM_NET_PRIVATE_H
#define MAILWEIR_SIM_NET_PRIVATE_H

#include "base/list.h"
#include "net/net_stream.h"
#include "sim.h"
#include "sim_link.h"

#define SIM_WIRE_MAX (64u << 20)

struct wire {
    struct buf data;
    struct sim_event *event; /* the next delivery */
    uint64_t moved;
    bool fin;   /* nothing follows what is in it */
    bool ended; /* the end was delivered */
};

struct sim_link {
    struct list all;
    unsigned machine;          /* of the gateway at the other end */
    struct net_stream *stream; /* NULL: the gateway's end is closed */
    bool peer_gone;
    bool is_dead; /* the gateway's machine has crashed, and the peer has not noticed */
    const struct sim_link_events *events;
    void *ctx;
    struct sim_link_trouble trouble;
    struct wire in, out; /* to the gateway, from it */
    struct sim_random random;
    uint64_t latency;
    uint64_t quiet_until;
    unsigned busy; /* the peer is being told something: it may let go of the link, whose memory must stay */
    bool stalled;  /* the stall has been */
    bool peer_tls, gateway_tls, tls_told;
    uint16_t port;             /* of the listener that a client wants */
    size_t server;             /* the number of the host that the gateway has connected to; 0: none */
    uint64_t unacked_us;       /* the kernel gives it up when nothing gets through for so long; 0: never */
    struct sim_event *unheard; /* when it does */
    uint64_t unheard_from;     /* what waits for it was sent then */
};

struct net_stream {
    struct net_loop *loop;
    unsigned machine;
    struct net_stream_limits limits;
    net_stream_fn *fn;
    void *ctx;
    struct sim_link *link;
    struct sim_event *event; /* tells the owner */
    struct sim_event *timer; /* of connecting, of lingering */
    struct net_address to;
    unsigned pending;
    unsigned inside; /* calls of fn on the stack */
    bool freed, connected, failed, paused, eof, finishing, tls_ready, above_low;
    struct buf input;
    struct fault fault;
    struct net_tls *tls;
    char label[300];
    char peer[64];
    uint64_t connects_until; /* virtual time */
};

/* ---- links ---- */

struct sim_link *sim_link_new(const struct sim_link_events *events, void *ctx);
/* Frees a link that both ends have left; returns whether it did. */
bool sim_link_free_if_over(struct sim_link *link);
void sim_link_tell_closed(struct sim_link *link, bool was_reset);
/* The drawn time, in microseconds from now, that something under way takes. */
uint64_t sim_link_delay(struct sim_link *link);
/* The next part of what is on the wire to the gateway, from it, is delivered when it is time. */
void sim_link_plan_in(struct sim_link *link);
void sim_link_plan_out(struct sim_link *link);
/* For so long what is sent may wait for an acknowledgement from now on, that is under way or comes. */
void sim_link_bound_unacked(struct sim_link *link, uint64_t unacked_us);
/* How the way is that it takes. */
enum sim_link_way sim_link_way_of(const struct sim_link *link);
/* What of this machine's links to that server has waited goes on, or begins to wait. */
void sim_link_way_changed(unsigned machine, size_t server);
/* The gateway's end has begun TLS. */
void sim_link_expect_tls(struct sim_link *link);

/* ---- streams ---- */

struct net_stream *sim_stream_new(struct net_loop *loop, const struct net_stream_limits *limits);
void sim_stream_destroy(struct net_stream *stream);
void sim_stream_note(struct net_stream *stream, enum net_stream_event event);
void sim_stream_fail(struct net_stream *stream, const char *code, const char *where, const char *text);

/* A crash: nobody listens any more. */
void sim_listeners_crash(void);

#endif

/*
 * sim_link - one simulated connection, seen from the peer's end: what a client or a server of the world does with it. The other end
 * is the gateway's struct net_stream (sim_net_stream.c).
 *
 * Octets arrive after a drawn latency, in pieces cut at drawn places. A link can be told to break after some octets in one
 * direction, or to fall silent. TLS is only agreed upon: both ends say that it begins; octets that are on their way by then are no TLS, and the
 * handshake fails.
 */
#ifndef MAILWEIR_SIM_LINK_H
#define MAILWEIR_SIM_LINK_H

#include "base/bytes.h"

struct sim_link;

struct sim_link_events {
    void (*on_open)(void *ctx);                    /* the gateway has accepted (clients only) */
    void (*on_data)(void *ctx, struct bytes data); /* octets from the gateway */
    void (*on_tls)(void *ctx);                     /* both ends have begun TLS */
    void (*on_close)(void *ctx, bool was_reset);   /* the gateway will send no more; last event */
};

/* How a link is to misbehave; {0} is a good one. */
struct sim_link_trouble {
    uint64_t break_after_in;  /* reset after so many octets to the gateway; 0: never */
    uint64_t break_after_out; /* the same for octets from the gateway */
    uint64_t stall_us;        /* a silence of this length ... */
    uint64_t stall_after;     /* ... after so many octets in both directions */
    bool tls_fails;           /* the handshake, if there is one */
};

/* The world's client connects to a listener of the gateway's; NULL when nothing listens there. from: its address. */
struct sim_link *sim_link_connect(uint16_t port, const char *from, const struct sim_link_events *events, void *ctx,
                                  const struct sim_link_trouble *trouble);

/* The gateway connects to host: `accept` is asked for each connection; it returns the events' ctx, or NULL to refuse. */
typedef void *sim_link_accept_fn(void *server, struct sim_link *link, struct sim_link_trouble *trouble_r);
void sim_link_serve(const char *host, sim_link_accept_fn *accept, const struct sim_link_events *events, void *server);

/* What the name of a host comes to: itself; nothing; no answer; an address where nobody listens, and itself. */
enum sim_link_name { SIM_LINK_NAME_GOOD, SIM_LINK_NAME_UNKNOWN, SIM_LINK_NAME_SILENT, SIM_LINK_NAME_HALF };
void sim_link_set_name(const char *host, enum sim_link_name name);

/*
 * The way between a gateway's machine and a host is broken, in one direction or both: nothing gets through that way until it is whole again, no connection
 * is made, and neither end hears of it. What waits then goes on its way, unless the gateway's kernel has given the connection up (net_stream_watch_peer()).
 */
enum sim_link_way {
    SIM_LINK_WAY_WHOLE = 0,
    SIM_LINK_WAY_NO_OUT = 1, /* nothing from the gateway */
    SIM_LINK_WAY_NO_IN = 2,  /* nothing to it */
    SIM_LINK_WAY_NONE = 3,
    SIM_LINK_WAYS
};
void sim_link_set_way(unsigned machine, const char *host, enum sim_link_way way);

void sim_link_send(struct sim_link *link, struct bytes data);
/* The peer has begun TLS: right after what it has sent so far. */
void sim_link_start_tls(struct sim_link *link);
bool sim_link_is_tls(const struct sim_link *link);
/* Whether the gateway still uses it, as far as its peer can know. */
bool sim_link_is_held(const struct sim_link *link);
/* The machine at its other end. */
unsigned sim_link_machine(const struct sim_link *link);
/* The peer ends: in order, after what it has sent; or by a reset, which may eat what is under way. No event comes afterwards; *link becomes NULL. */
void sim_link_close(struct sim_link **link);
void sim_link_reset(struct sim_link **link);

/* Octets of memory that all links take. */
uint64_t sim_link_memory(void);

/* Peers notice a crash within this time from now on. */
void sim_link_set_notice(uint64_t most_us);
/* A crash of the gateway's machine: listeners are gone, each peer hears a reset after a while. */
void sim_link_crash(void);

#endif

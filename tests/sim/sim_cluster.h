/*
 * sim_cluster - a database that the gateways of several machines share: the model of a store (gateway/store/model), each behind a
 * connection of its own, with a standby that has what was promised.
 *
 * A question takes its time to the database and back, and both ways fail by themselves: what was asked may be done and not be heard
 * of. Whatever is promised is on the standby; while that is away, what is written is written here, and promised to nobody. When the primary
 * is lost, what the standby has is all there is.
 */
#ifndef MAILWEIR_SIM_CLUSTER_H
#define MAILWEIR_SIM_CLUSTER_H

#include "store/store.h"

enum sim_cluster_cut {
    SIM_CLUSTER_WHOLE,
    SIM_CLUSTER_CUT,          /* neither way */
    SIM_CLUSTER_CUT_REQUESTS, /* nothing arrives */
    SIM_CLUSTER_CUT_ANSWERS,  /* everything is done, and nobody hears of it */
    SIM_CLUSTER_SLOW,         /* answers come late */
    SIM_CLUSTER_STALLED,      /* nothing moves, and neither end hears of it: who asks waits */
    SIM_CLUSTER_CUTS
};

/* What a node asks of the database: that it lives, or that a batch is written which takes something into its hands, brings mail, or settles something. */
enum sim_cluster_moment {
    SIM_CLUSTER_AT_BEAT,
    SIM_CLUSTER_AT_CLAIM,
    SIM_CLUSTER_AT_ADD,
    SIM_CLUSTER_AT_FINISH,
    SIM_CLUSTER_MOMENTS
};

/* Before the gateways start: that is their store from now on. Leases are drawn. */
void sim_cluster_begin(void);
/* Told when it has come to the database that works, and nothing of it is done yet; the gateway is in the midst of it. True: a batch is lost
 * there, and nobody knows. */
typedef bool sim_cluster_moment_fn(unsigned machine, enum sim_cluster_moment moment);
void sim_cluster_watch(sim_cluster_moment_fn *fn);
void sim_cluster_set_cut(unsigned machine, enum sim_cluster_cut cut);
/* Whether the standby hears the primary. */
void sim_cluster_set_quorum(bool has);
/* The primary is lost; nobody answers until the standby has taken its place. */
void sim_cluster_lose_primary(void);
void sim_cluster_promote(void);
/* Milliseconds of the nodes' leases. */
uint64_t sim_cluster_lease(void);
/* As it is this moment; each node knows of a moment of its own. */
struct store_counts sim_cluster_count(void);

#endif

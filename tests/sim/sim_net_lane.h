/*
 * sim_net_lane - what the world does to lanes (sim_net_lane.c).
 */
#ifndef MAILWEIR_SIM_NET_LANE_H
#define MAILWEIR_SIM_NET_LANE_H

#include <stdbool.h>

/* Each piece of work on the lane "disk" takes fifty times as long. */
void sim_net_lane_set_slow(bool is_slow);

#endif

/*
 * sim_random - reproducible randomness: every actor of the simulation has a stream of its own, made of the seed and a label, so
 * that leaving one fault out does not change what all the others do.
 */
#ifndef MAILWEIR_SIM_RANDOM_H
#define MAILWEIR_SIM_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

void sim_random_init(struct sim_random *random, uint64_t seed, const char *label, uint64_t number);
uint64_t sim_random_next(struct sim_random *random);
/* low to high, both included. */
uint64_t sim_random_between(struct sim_random *random, uint64_t low, uint64_t high);
bool sim_random_chance(struct sim_random *random, unsigned percent);
void sim_random_fill(struct sim_random *random, void *data, size_t len);

#endif

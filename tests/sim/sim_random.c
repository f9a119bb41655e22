/*
 * sim_random - SplitMix64; see sim_random.h.
 */
#include "sim_random.h"

#include <string.h>

uint64_t sim_random_next(struct sim_random *random)
{
    uint64_t z = random->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

void sim_random_init(struct sim_random *random, uint64_t seed, const char *label, uint64_t number)
{
    random->state = seed;
    for (; *label != '\0'; label++) {
        random->state = sim_random_next(random) ^ (uint64_t)*label;
    }
    random->state = sim_random_next(random) ^ number;
    sim_random_next(random);
}

uint64_t sim_random_between(struct sim_random *random, uint64_t low, uint64_t high)
{
    return high <= low ? low : low + sim_random_next(random) % (high - low + 1);
}

bool sim_random_chance(struct sim_random *random, unsigned percent)
{
    return sim_random_next(random) % 100 < percent;
}

void sim_random_fill(struct sim_random *random, void *data, size_t len)
{
    uint8_t *next = data;
    while (len > 0) {
        uint64_t value = sim_random_next(random);
        size_t step = len < sizeof value ? len : sizeof value;
        memcpy(next, &value, step);
        next += step;
        len -= step;
    }
}

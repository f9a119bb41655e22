/*
 * store_sum - see store_sum.h.
 */
#include "store/store_sum.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/expect.h"

uint64_t store_sum_of(struct bytes data)
{
    return XXH3_64bits(data.ptr, data.len);
}

struct store_sum {
    XXH3_state_t *state;
};

struct store_sum *store_sum_new(void)
{
    struct store_sum *sum = expect_calloc(1, sizeof *sum);
    sum->state = expect_memory(XXH3_createState());
    XXH3_64bits_reset(sum->state);
    return sum;
}

void store_sum_add(struct store_sum *sum, struct bytes data)
{
    XXH3_64bits_update(sum->state, data.ptr, data.len);
}

uint64_t store_sum_value(const struct store_sum *sum)
{
    return XXH3_64bits_digest(sum->state);
}

void store_sum_free(struct store_sum **sum)
{
    if (*sum != NULL) {
        XXH3_freeState((*sum)->state);
        free(*sum);
        *sum = NULL;
    }
}

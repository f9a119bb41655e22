/*
 * shrink - which pieces of a history that fails it needs: those without which it does not fail.
 *
 * Leaves out runs of pieces, the long ones first, while the failure stays, and begins again until nothing more can be left
 * out: a piece that another needed goes when that one is gone.
 */
#ifndef MAILWEIR_SIM_SHRINK_H
#define MAILWEIR_SIM_SHRINK_H

#include <stdbool.h>
#include <stdint.h>

#define SHRINK_MAX 64

/* Of `count` pieces, bit by bit, those that can be left out together; fails() lives the history without those of its argument. */
static inline uint64_t shrink(unsigned count, bool (*fails)(void *ctx, uint64_t left_out), void *ctx)
{
    uint64_t left_out = 0, before;
    do {
        before = left_out;
        for (unsigned run = count > 1 ? count / 2 : 1; run > 0; run /= 2) {
            for (unsigned first = 0; first < count; first += run) {
                unsigned last = first + run < count ? first + run : count;
                uint64_t tried = left_out;
                for (unsigned i = first; i < last; i++) {
                    tried |= UINT64_C(1) << i;
                }
                if (tried != left_out && fails(ctx, tried)) {
                    left_out = tried;
                }
            }
        }
    } while (left_out != before);
    return left_out;
}

#endif

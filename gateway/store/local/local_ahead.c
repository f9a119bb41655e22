/*
 * local_ahead - see local_ahead.h.
 */
#include "store/local/local_ahead.h"

#define PIECE (64u << 10)

void local_ahead_keep(struct local_ahead *ahead, struct net_file *file, uint64_t tail, uint64_t end)
{
    static const uint8_t zeros[PIECE];
    uint64_t from = ahead->to > tail ? ahead->to : tail;
    if (from - tail >= LOCAL_AHEAD_STEP / 2 || from >= end) {
        return;
    }
    struct bytes pieces[LOCAL_AHEAD_STEP / PIECE];
    size_t count = 0, len = end - from < LOCAL_AHEAD_STEP ? (size_t)(end - from) : LOCAL_AHEAD_STEP;
    for (size_t left = len; left > 0; left -= pieces[count++].len) {
        pieces[count] = bytes_at(zeros, left < PIECE ? left : PIECE);
    }
    if (net_file_write(file, from, pieces, count, NULL) == 0) {
        ahead->to = from + len;
    }
}

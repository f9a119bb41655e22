/*
 * local_ahead - see local_ahead.h.
 */
#include "store/local/local_ahead.h"

static const uint8_t zeros[LOCAL_AHEAD_STEP];

void local_ahead_keep(struct local_ahead *ahead, struct net_file *file, uint64_t tail, uint64_t end)
{
    uint64_t from = ahead->to > tail ? ahead->to : tail;
    if (from - tail >= LOCAL_AHEAD_STEP / 2 || from >= end) {
        return;
    }
    uint64_t room = end - from;
    const struct bytes piece = bytes_at(zeros, room < sizeof zeros ? (size_t)room : sizeof zeros);
    if (net_file_write(file, from, &piece, 1, NULL) == 0) {
        ahead->to = from + piece.len;
    }
}

/*
 * local_ahead - zeros in front of what is appended to a file.
 *
 * An append that makes a file longer has fdatasync wait for the octets and then for the file system's journal, which
 * must know the new size: two flushes of the device. One that overwrites zeros changes neither size nor blocks, and
 * waits for one. The zeros go to the disk with the next sync of the file, whoever asks for it.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_AHEAD_H
#define MAILWEIR_STORE_LOCAL_LOCAL_AHEAD_H

#include "net/net_file.h"

/* Octets that are written at a time: a longer flush for each so many, against two flushes for each append. */
#define LOCAL_AHEAD_STEP (512u << 10)

struct local_ahead {
    uint64_t to; /* the file is zeros from its tail to here; below the tail: nothing is known to be */
};

/*
 * Has at least half a step of zeros behind `tail`, but none from `end` on. Whatever lies behind the tail is
 * overwritten: only where nothing there can come to life any more. A disk that says no costs speed and nothing else, so
 * nobody is told.
 */
void local_ahead_keep(struct local_ahead *ahead, struct net_file *file, uint64_t tail, uint64_t end);

#endif

/*
 * local - the store on a disk of this machine: bodies in segment files, everything else in SQLite (WAL,
 * synchronous=FULL). See store.h.
 *
 * A batch is one fdatasync of each segment that it wrote, then one transaction of the index, then the answers.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_H
#define MAILWEIR_STORE_LOCAL_LOCAL_H

#include "store/store.h"

/*
 * Its path is a directory; made when missing, its parent must exist. Fault "locked" when another process has it;
 * "damaged" when there are messages but no index.
 */
extern const struct store_ops local_store;

#endif

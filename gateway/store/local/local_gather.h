/*
 * local_gather - the frames of a transaction go to SQLite's log in one call.
 *
 * SQLite writes the head and the page of each frame apart: two calls for each page that a transaction changes, and with
 * small pages there are many. What comes one behind the other is gathered here until the log is synced, which ends each
 * transaction; whoever reads the log before, or asks for its size, has it written first. So nobody can see the
 * difference, and a crash loses what it would have lost: octets that were not synced.
 */
#ifndef MAILWEIR_STORE_LOCAL_LOCAL_GATHER_H
#define MAILWEIR_STORE_LOCAL_LOCAL_GATHER_H

/*
 * The name of a VFS over the one of this name (NULL: SQLite's own), registered when it is asked for first; there is one
 * in a process. Only for connections with synchronous=FULL: others look into the log behind a transaction that was not
 * synced. The name that was given when there is no memory, or no such VFS.
 */
const char *local_gather_vfs(const char *below);

#endif

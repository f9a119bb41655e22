/*
 * sim_vfs - a SQLite VFS over the simulated disk, so that the index and the segments live and crash together.
 */
#ifndef MAILWEIR_SIM_VFS_H
#define MAILWEIR_SIM_VFS_H

/* Its name for sqlite3_open_v2(); registers it at the first call. */
const char *sim_vfs_name(void);

#endif

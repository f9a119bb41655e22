/*
 * sim_disk - the simulated disk: what was synced survives a crash, of everything else any part may.
 *
 * Contents are kept twice: as the page cache shows them and as the platter has them. A write makes its sectors dirty; a sync
 * copies the dirty ones. At a crash each dirty sector is kept or lost by itself (torn writes), and the size too. Names work alike:
 * creating, renaming and removing is durable once the directory was synced; at a crash some of what was done since then, in order, is kept.
 * A sync that fails has lost its sectors for good, though the cache goes on showing them (fsyncgate).
 *
 * Every operation is counted and asks the faults. Errors are errno values; 0 is success. Directories hold no dots; paths are
 * absolute. One process, one disk.
 */
#ifndef MAILWEIR_SIM_DISK_H
#define MAILWEIR_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_inode;

enum sim_disk_op { SIM_DISK_READ, SIM_DISK_WRITE, SIM_DISK_SYNC, SIM_DISK_NAME };

/*
 * Asked before each operation with its number since the beginning, counted per kind (but crashes: over all): an errno to fail it with, or 0. It may
 * also crash.
 */
typedef int sim_disk_fault_fn(enum sim_disk_op op, const char *path);
void sim_disk_begin(uint64_t capacity, sim_disk_fault_fn *fault);
/* Applies a crash: see above. Open inodes of the old life are no longer to be used. */
void sim_disk_crash(void);
void sim_disk_set_capacity(uint64_t octets);
uint64_t sim_disk_used(void);
uint64_t sim_disk_capacity(void);

/* Holds the inode until sim_disk_release(). path NULL: a file without a name. */
int sim_disk_open(const char *path, bool create, bool exclusive, struct sim_inode **inode_r, bool *created_r);
void sim_disk_release(struct sim_inode *inode);
int sim_disk_write(struct sim_inode *inode, uint64_t offset, const void *data, size_t len);
/* Octets read; fewer only at the end; or -errno. */
ptrdiff_t sim_disk_read(struct sim_inode *inode, uint64_t offset, void *into, size_t len);
int sim_disk_truncate(struct sim_inode *inode, uint64_t size);
int sim_disk_sync(struct sim_inode *inode);
uint64_t sim_disk_size(const struct sim_inode *inode);
/* What the SQLite VFS keeps with an inode: locks and the shared index of the log; gone with a crash. */
void **sim_disk_extra(struct sim_inode *inode);

int sim_disk_mkdir(const char *path);
int sim_disk_remove(const char *path);
int sim_disk_rename(const char *from, const char *to);
int sim_disk_sync_directory(const char *path);
/* Whether it exists. */
bool sim_disk_exists(const char *path);
bool sim_disk_is_directory(const char *path);
/* The name of the index-th entry of a directory in the order of creation, or NULL at the end. */
const char *sim_disk_entry(const char *path, size_t index);

/* Puts a file there, durable, without any fault: for what the operator has written. */
void sim_disk_put(const char *path, const void *data, size_t len);
/* Octets of memory that the disk takes. */
uint64_t sim_disk_memory(void);
/* How often that has been done. */
uint64_t sim_disk_puts(void);

#endif

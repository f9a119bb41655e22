/*
 * sim_faults - what goes wrong in a world: a short list, drawn from the seed before anything runs, so that a failing run can be
 * shrunk by leaving out one after the other.
 *
 * Faults of the disk and the network come at the n-th operation or connection, the others at a time. All end before the horizon:
 * afterwards the world is good, and everything must come right.
 */
#ifndef MAILWEIR_SIM_FAULTS_H
#define MAILWEIR_SIM_FAULTS_H

#include "sim.h"
#include "sim_disk.h"
#include "sim_link.h"

/* Of one world. */
#define SIM_FAULTS_MAX 20
/* When the last begins. */
#define SIM_FAULTS_HORIZON (120 * (uint64_t)SIM_SECOND)

enum sim_fault_kind {
    SIM_FAULT_CRASH,       /* at a time */
    SIM_FAULT_CRASH_DISK,  /* in the n-th operation of the disk */
    SIM_FAULT_WRITE_ERROR, /* EIO of the n-th write */
    SIM_FAULT_SYNC_ERROR,  /* EIO of the n-th sync */
    SIM_FAULT_READ_ERROR,  /* EIO of the n-th read */
    SIM_FAULT_DISK_FULL,   /* for a while */
    SIM_FAULT_BREAK,       /* the n-th connection, after some octets */
    SIM_FAULT_STALL,       /* the n-th connection falls silent for a while */
    SIM_FAULT_COMMIT_CUT,  /* the n-th APPEND is filed and the connection lost before the OK */
    SIM_FAULT_CUT_BEFORE,  /* ... lost before it is filed */
    SIM_FAULT_REFUSE,      /* ... refused with a code */
    SIM_FAULT_KEEP_NO,     /* ... filed and answered NO */
    SIM_FAULT_KEEP_PART,   /* ... filed but for its last message and answered NO */
    SIM_FAULT_BATCH,       /* the n-th APPEND of several messages is filed in part, and there is no answer */
    SIM_FAULT_STANDBY,     /* a server's first address is away for a while, and its standby is far behind */
    SIM_FAULT_CROWD,       /* old mail is copied into a server's folders */
    SIM_FAULT_EXPUNGE,     /* mail is deleted there, what was filed too or not */
    SIM_FAULT_MOVE,        /* mail is moved there, for a while */
    SIM_FAULT_LOOK,        /* looks at folders are refused, or show too little, for a while */
    SIM_FAULT_THROTTLE,    /* a server says it is busy, for a while */
    SIM_FAULT_SERVER_DOWN, /* a server takes no connections, and drops those it has, for a while */
    SIM_FAULT_UIDVALIDITY, /* a server renumbers its folders */
    SIM_FAULT_TLS,         /* the n-th connection's handshake fails, if it has one */
    SIM_FAULT_NAME,  /* the name of a server is not found, or not answered, or leads elsewhere first, for a while */
    SIM_FAULT_CLOCK, /* the wall clock jumps */
    SIM_FAULT_CLOCK_FULL, /* it jumps back on a disk that takes nothing for a while: what waits cannot be given its new time */
    SIM_FAULT_RELOAD,   /* rules are changed and loaded, or the gateway is stopped and started */
    SIM_FAULT_OPERATOR, /* somebody works on the queue */
    /* Of several nodes. */
    SIM_FAULT_PAUSE,     /* one stands still for a while */
    SIM_FAULT_STORE_CUT, /* its way to the database is broken for a while, in one direction or both, or slow */
    SIM_FAULT_QUORUM,    /* the database's standby hears nothing for a while */
    SIM_FAULT_FAILOVER,  /* the database is lost; its standby takes its place a while later */
    SIM_FAULT_IMAP_CUT,  /* its way to a mail server is broken for a while, in one direction or both */
    SIM_FAULT_RULES,     /* rules and configuration are changed; some load them at once, others find them */
    SIM_FAULT_BRINK, /* the last beat that is heard of a node is heard as late as it can be, while mail is under way */
    SIM_FAULT_KINDS
};

struct sim_fault {
    enum sim_fault_kind kind;
    uint64_t when;   /* virtual microseconds, or the number of the operation, connection or APPEND */
    uint64_t amount; /* microseconds, octets or a variant */
    unsigned target; /* which server */
    bool left_out;   /* by --without */
};

/* Draws the faults of this seed among the kinds given (1 << kind). without: "1,4" leaves the first and fourth out. */
void sim_faults_plan(uint64_t kinds, const char *without);
size_t sim_faults_count(void);
/* Prints the list, one line each. */
void sim_faults_print(void);

/* Calls fn at the time of each fault that has one (begin), and again when its while is over (not begin). */
typedef void sim_faults_fn(void *ctx, const struct sim_fault *fault, bool begin);
void sim_faults_start(sim_faults_fn *fn, void *ctx);
/* From now on all is well. */
void sim_faults_end(void);
/* Whether the disk's operations are somebody else's than the gateway's: they are not counted and do not fail. */
void sim_faults_set_calm(bool is_calm);

/* Whether the disk takes nothing, also where it need not grow for it. */
void sim_faults_set_refusing(bool is_refusing);

/* For sim_disk_begin(). */
int sim_faults_disk(enum sim_disk_op op, const char *path);
/* What becomes of the next connection; of the next APPEND (NULL: nothing). */
void sim_faults_link(struct sim_link_trouble *trouble_r);
const struct sim_fault *sim_faults_append(size_t messages);

#endif

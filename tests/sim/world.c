/*
 * world - what worlds have in common; see world.h.
 */
#include "world.h"

#include "sim.h"
#include "sim_disk.h"
#include "sim_mail.h"

/* Octets left when the disk is said to be full. */
#define LEFT_MOST 100000

static void write_log(void *ctx, const char *line, size_t len)
{
    (void)ctx;
    sim_mail_log(bytes_at(line, len));
    sim_say("log: %.*s", (int)len - 1, line);
}

static int64_t log_now(void *ctx)
{
    (void)ctx;
    return sim_wall();
}

void world_log_init(struct log *log)
{
    *log = (struct log){.format = LOG_FORMAT_TEXT, .least = LOG_LEVEL_INFO, .now = log_now, .write = write_log};
}

void world_health(const struct spool *spool)
{
    struct spool_health health;
    spool_health(spool, &health);
    if (health.damaged > 0 || health.is_torn || health.mended > 0) {
        sim_fail("the spool finds damage in itself that nobody did: %s", health.reason);
    }
}

bool world_fault(const struct sim_fault *fault, bool begin, uint64_t capacity)
{
    switch (fault->kind) {
    case SIM_FAULT_CRASH:
        sim_crash();
        return true;
    case SIM_FAULT_DISK_FULL:
        sim_disk_set_capacity(begin ? sim_disk_used() + fault->amount % LEFT_MOST : capacity);
        return true;
    case SIM_FAULT_CLOCK:
        sim_jump((int64_t)fault->amount * 1000 - 3600000);
        return true;
    case SIM_FAULT_CLOCK_FULL:
        sim_faults_set_refusing(begin);
        sim_jump(begin ? -3600000 : 0);
        return true;
    default:
        return false;
    }
}

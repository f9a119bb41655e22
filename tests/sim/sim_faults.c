/*
 * sim_faults - see sim_faults.h.
 */
#include "sim_faults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum unit { BY_TIME, BY_COUNT };

/* when: for counts, the largest number that is drawn. amount_low to amount_high is drawn too. */
static const struct kind {
    const char *name;
    enum unit unit;
    uint64_t when_max;
    uint64_t amount_low, amount_high;
    unsigned weight;
} kinds[SIM_FAULT_KINDS] = {
    [SIM_FAULT_CRASH] = {"crash", BY_TIME, 0, 0, 0, 4},
    [SIM_FAULT_CRASH_DISK] = {"crash in disk operation", BY_COUNT, 900, 0, 0, 8},
    [SIM_FAULT_WRITE_ERROR] = {"EIO of write", BY_COUNT, 300, 1, 3, 2},
    [SIM_FAULT_SYNC_ERROR] = {"EIO of sync", BY_COUNT, 60, 1, 4, 3},
    [SIM_FAULT_READ_ERROR] = {"EIO of read", BY_COUNT, 200, 1, 2, 1},
    [SIM_FAULT_DISK_FULL] = {"disk full", BY_TIME, 0, 1 * SIM_SECOND, 40 * SIM_SECOND, 3},
    [SIM_FAULT_BREAK] = {"break of connection", BY_COUNT, 24, 1, 6000, 6},
    [SIM_FAULT_STALL] = {"silence of connection", BY_COUNT, 24, 5 * SIM_SECOND, 400 * (uint64_t)SIM_SECOND, 3},
    [SIM_FAULT_COMMIT_CUT] = {"loss of the answer to APPEND", BY_COUNT, 16, 0, 3, 8},
    [SIM_FAULT_CUT_BEFORE] = {"loss of APPEND", BY_COUNT, 16, 0, 0, 4},
    [SIM_FAULT_REFUSE] = {"refusal of APPEND", BY_COUNT, 16, 0, 5, 5},
    [SIM_FAULT_KEEP_NO] = {"refusal of an APPEND that is filed", BY_COUNT, 16, 0, 3, 5},
    [SIM_FAULT_KEEP_PART] = {"refusal of an APPEND that is filed in part", BY_COUNT, 16, 0, 3, 5},
    [SIM_FAULT_BATCH] = {"loss of an APPEND of several in part", BY_COUNT, 6, 0, 11, 5},
    [SIM_FAULT_STANDBY] = {"standby that lags", BY_TIME, 0, 5 * SIM_SECOND, 60 * SIM_SECOND, 5},
    [SIM_FAULT_CROWD] = {"old mail copied in", BY_TIME, 0, 0, 250, 4},
    [SIM_FAULT_EXPUNGE] = {"mail deleted", BY_TIME, 0, 0, 1, 3},
    [SIM_FAULT_MOVE] = {"mail moved", BY_TIME, 0, 1 * SIM_SECOND, 30 * SIM_SECOND, 3},
    [SIM_FAULT_LOOK] = {"looks that show nothing", BY_TIME, 0, 10 * SIM_SECOND, 110 * SIM_SECOND, 6},
    [SIM_FAULT_THROTTLE] = {"throttling", BY_TIME, 0, 1 * SIM_SECOND, 60 * SIM_SECOND, 3},
    [SIM_FAULT_SERVER_DOWN] = {"server down", BY_TIME, 0, 1 * SIM_SECOND, 60 * SIM_SECOND, 4},
    [SIM_FAULT_UIDVALIDITY] = {"new UIDVALIDITY", BY_TIME, 0, 0, 0, 2},
    [SIM_FAULT_TLS] = {"failure of a handshake", BY_COUNT, 24, 0, 0, 2},
    [SIM_FAULT_NAME] = {"name server", BY_TIME, 0, 1 * SIM_SECOND, 60 * SIM_SECOND, 3},
    [SIM_FAULT_CLOCK] = {"clock jump", BY_TIME, 0, 0, 7200 * 2, 2},
    [SIM_FAULT_CLOCK_FULL] = {"clock put back on a disk that takes nothing", BY_TIME, 0, 1 * SIM_SECOND,
                              20 * SIM_SECOND, 2},
    [SIM_FAULT_RELOAD] = {"reload", BY_TIME, 0, 1 * SIM_SECOND, 30 * SIM_SECOND, 6},
    [SIM_FAULT_OPERATOR] = {"operator", BY_TIME, 0, 0, 1000000, 16},
    [SIM_FAULT_PAUSE] = {"node stands still", BY_TIME, 0, 1 * SIM_SECOND, 60 * SIM_SECOND, 10},
    [SIM_FAULT_STORE_CUT] = {"way to the database broken", BY_TIME, 0, 1 * SIM_SECOND, 40 * SIM_SECOND, 14},
    [SIM_FAULT_QUORUM] = {"standby away", BY_TIME, 0, 1 * SIM_SECOND, 20 * SIM_SECOND, 8},
    [SIM_FAULT_FAILOVER] = {"failover of the database", BY_TIME, 0, 100 * SIM_MS, 10 * SIM_SECOND, 8},
    [SIM_FAULT_IMAP_CUT] = {"way to a mail server broken", BY_TIME, 0, 1 * SIM_SECOND, 60 * SIM_SECOND, 14},
    [SIM_FAULT_BRINK] = {"lease at its brink", BY_TIME, 0, 1 * SIM_MS, 8 * SIM_SECOND, 12},
    [SIM_FAULT_RULES] = {"rules changed", BY_TIME, 0, 1 * SIM_SECOND, 30 * SIM_SECOND, 6},
};

_Static_assert(SIM_FAULT_KINDS <= 64, "kinds are bits of a uint64_t");

static struct {
    struct sim_fault faults[SIM_FAULTS_MAX];
    size_t count;
    bool over, calm, refusing;
    uint64_t disk_ops, ops[4], links, appends, batches;
    sim_faults_fn *fn;
    void *ctx;
} plan;

static enum sim_fault_kind draw_kind(struct sim_random *random, uint64_t allowed)
{
    unsigned total = 0;
    for (size_t i = 0; i < SIM_FAULT_KINDS; i++) {
        total += (allowed >> i & 1) ? kinds[i].weight : 0;
    }
    uint64_t at = sim_random_between(random, 1, total);
    for (size_t i = 0;; i++) {
        unsigned weight = (allowed >> i & 1) ? kinds[i].weight : 0;
        if (at <= weight) {
            return (enum sim_fault_kind)i;
        }
        at -= weight;
    }
}

static bool is_left_out(const char *without, size_t number)
{
    while (without != NULL && *without != '\0') {
        char *end;
        if (strtoull(without, &end, 10) == number) {
            return true;
        }
        without = *end == ',' ? end + 1 : NULL;
    }
    return false;
}

void sim_faults_plan(uint64_t allowed, const char *without)
{
    struct sim_random random;
    sim_random_init(&random, sim_seed(), "faults", 0);
    plan.count = allowed == 0 ? 0 : (size_t)sim_random_between(&random, 0, SIM_FAULTS_MAX);
    for (size_t i = 0; i < plan.count; i++) {
        enum sim_fault_kind kind = draw_kind(&random, allowed);
        uint64_t most = kinds[kind].unit == BY_TIME ? SIM_FAULTS_HORIZON : kinds[kind].when_max;
        plan.faults[i] = (struct sim_fault){
            .kind = kind,
            .when = sim_random_between(&random, 1, most),
            .amount = sim_random_between(&random, kinds[kind].amount_low, kinds[kind].amount_high),
            .target = (unsigned)sim_random_between(&random, 0, 1),
            .left_out = is_left_out(without, i + 1),
        };
    }
}

size_t sim_faults_count(void)
{
    return plan.count;
}

void sim_faults_print(void)
{
    for (size_t i = 0; i < plan.count; i++) {
        const struct sim_fault *fault = &plan.faults[i];
        const struct kind *kind = &kinds[fault->kind];
        if (fault->left_out) {
            continue;
        }
        if (kind->unit == BY_TIME) {
            fprintf(stderr, "  %zu: %s at %.3f s (%llu, server %u)\n", i + 1, kind->name, (double)fault->when / 1e6,
                    (unsigned long long)fault->amount, fault->target);
        } else {
            fprintf(stderr, "  %zu: %s number %llu (%llu)\n", i + 1, kind->name, (unsigned long long)fault->when,
                    (unsigned long long)fault->amount);
        }
    }
}

static void on_begin(void *ctx)
{
    struct sim_fault *fault = ctx;
    sim_say("fault: %s", kinds[fault->kind].name);
    plan.fn(plan.ctx, fault, true);
}

static void on_end(void *ctx)
{
    struct sim_fault *fault = ctx;
    sim_say("fault over: %s", kinds[fault->kind].name);
    plan.fn(plan.ctx, fault, false);
}

void sim_faults_start(sim_faults_fn *fn, void *ctx)
{
    plan.fn = fn;
    plan.ctx = ctx;
    for (size_t i = 0; i < plan.count; i++) {
        struct sim_fault *fault = &plan.faults[i];
        const struct kind *kind = &kinds[fault->kind];
        if (fault->left_out || kind->unit != BY_TIME) {
            continue;
        }
        sim_after(fault->when, on_begin, fault);
        if (kind->amount_low > 0) {
            sim_after(fault->when + fault->amount, on_end, fault);
        }
    }
}

void sim_faults_end(void)
{
    plan.over = true;
}

void sim_faults_set_calm(bool is_calm)
{
    plan.calm = is_calm;
}

/* The fault of this kind whose turn is at `number`; those that come several times in a row count on by their amount. */
static const struct sim_fault *due(enum sim_fault_kind kind, uint64_t number, bool repeats)
{
    for (size_t i = 0; i < plan.count && !plan.over; i++) {
        const struct sim_fault *fault = &plan.faults[i];
        uint64_t last = fault->when + (repeats ? fault->amount - 1 : 0);
        if (fault->kind == kind && !fault->left_out && number >= fault->when && number <= last) {
            return fault;
        }
    }
    return NULL;
}

void sim_faults_set_refusing(bool is_refusing)
{
    plan.refusing = is_refusing;
}

int sim_faults_disk(enum sim_disk_op op, const char *path)
{
    static const int errors[] = {[SIM_DISK_READ] = SIM_FAULT_READ_ERROR,
                                 [SIM_DISK_WRITE] = SIM_FAULT_WRITE_ERROR,
                                 [SIM_DISK_SYNC] = SIM_FAULT_SYNC_ERROR};
    if (plan.calm) {
        return 0;
    }
    if (due(SIM_FAULT_CRASH_DISK, ++plan.disk_ops, false) != NULL) {
        sim_say("fault: crash in operation %llu of the disk, at %s", (unsigned long long)plan.disk_ops, path);
        sim_crash();
    }
    uint64_t number = ++plan.ops[op];
    if (plan.refusing && !plan.over && op == SIM_DISK_WRITE) {
        return EIO;
    }
    if (op == SIM_DISK_NAME || due((enum sim_fault_kind)errors[op], number, true) == NULL) {
        return 0;
    }
    sim_say("fault: %s %llu, at %s", kinds[errors[op]].name, (unsigned long long)number, path);
    return EIO;
}

void sim_faults_link(struct sim_link_trouble *trouble_r)
{
    *trouble_r = (struct sim_link_trouble){0};
    const struct sim_fault *breaks = due(SIM_FAULT_BREAK, ++plan.links, false);
    const struct sim_fault *stalls = due(SIM_FAULT_STALL, plan.links, false);
    if (breaks != NULL && breaks->target == 0) {
        trouble_r->break_after_in = breaks->amount;
    } else if (breaks != NULL) {
        trouble_r->break_after_out = breaks->amount;
    }
    if (stalls != NULL) {
        trouble_r->stall_us = stalls->amount;
        trouble_r->stall_after = stalls->amount % 3000;
    }
    trouble_r->tls_fails = due(SIM_FAULT_TLS, plan.links, false) != NULL;
}

const struct sim_fault *sim_faults_append(size_t messages)
{
    plan.appends++;
    plan.batches += messages > 1;
    const struct sim_fault *batch = messages > 1 ? due(SIM_FAULT_BATCH, plan.batches, false) : NULL;
    if (batch != NULL) {
        sim_say("fault: %s %llu", kinds[SIM_FAULT_BATCH].name, (unsigned long long)plan.batches);
        return batch;
    }
    static const enum sim_fault_kind of_append[] = {SIM_FAULT_COMMIT_CUT, SIM_FAULT_CUT_BEFORE, SIM_FAULT_REFUSE,
                                                    SIM_FAULT_KEEP_NO, SIM_FAULT_KEEP_PART};
    for (size_t i = 0; i < sizeof of_append / sizeof of_append[0]; i++) {
        const struct sim_fault *fault = due(of_append[i], plan.appends, false);
        if (fault != NULL) {
            sim_say("fault: %s %llu", kinds[fault->kind].name, (unsigned long long)plan.appends);
            return fault;
        }
    }
    return NULL;
}

/*
 * mailweir-sim - runs simulated worlds: one by its seed, or many, each in a process of its own.
 *
 *   mailweir-sim [--world NAME] --seed N [--without 1,4] [-v]     one world, twice, with the same trace
 *   mailweir-sim [--world NAME] --seeds A..B [--jobs N]           many; the failing ones are shrunk
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shrink.h"
#include "sim.h"
#include "sim_faults.h"
#include "sim_store.h"
#include "world.h"

#define JOBS_MAX 64
/* A failing seed that takes no end of shrinking is left as it is. */
#define FAILURES_SHOWN 5
/* Seconds of a processor that a world may take, however busy the machine is: one that takes more stands still outside of its events. */
#define WORLD_SECONDS   120
#define BACKLOG_SECONDS 900

_Static_assert(SIM_FAULTS_MAX <= SHRINK_MAX, "faults are left out bit by bit");

static const struct world {
    const char *name;
    uint64_t faults; /* 1 << kind for each that it knows */
    void (*run)(void);
    bool on_model; /* messages are kept in the model of a store */
} worlds[] = {
    {"spool", WORLD_SPOOL_FAULTS, world_spool, false},
    {"flood", WORLD_FLOOD_FAULTS, world_flood, false},
    {"backlog", WORLD_BACKLOG_FAULTS, world_backlog, false},
    {"states", WORLD_STATES_FAULTS, world_states, false},
    {"spool-on-model", WORLD_SPOOL_FAULTS, world_spool, true},
    {"gateway-on-model", WORLD_GATEWAY_FAULTS, world_gateway, true},
    {"cluster", WORLD_CLUSTER_FAULTS, world_cluster, false},
    {"gateway", WORLD_GATEWAY_FAULTS, world_gateway, false},
};

/* What a world's process tells, in shared memory. */
struct report {
    uint64_t virtual_us, hash, events;
    size_t faults;
};

struct options {
    const struct world *world;
    uint64_t first, last;
    const char *without;
    unsigned jobs;
    bool verbose, single;
    bool stop; /* after the first failure */
};

struct run {
    pid_t pid;
    uint64_t seed;
    int status; /* how it ended */
    struct report *report;
};

static struct report *new_report(void)
{
    void *memory = mmap(NULL, sizeof(struct report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mailweir-sim: mmap");
        exit(2);
    }
    return memory;
}

#ifdef MAILWEIR_COVERAGE
void __gcov_dump(void);
#endif

static void live(const struct world *world, uint64_t seed, const char *without, bool verbose, struct report *report)
{
    sim_begin(seed, verbose);
    sim_store_choose(world->on_model);
    sim_faults_plan(world->faults, without);
    world->run();
    *report = (struct report){
        .virtual_us = sim_now(), .hash = sim_trace_hash(), .events = sim_event_count(), .faults = sim_faults_count()};
    fflush(NULL);
#ifdef MAILWEIR_COVERAGE
    __gcov_dump(); /* _exit() would not */
#endif
    _exit(0);
}

static void limit_time(void)
{
    rlim_t most = getenv("MAILWEIR_SIM_BACKLOG") == NULL ? WORLD_SECONDS : BACKLOG_SECONDS;
    const struct rlimit limit = {.rlim_cur = most, .rlim_max = most + 5};
    if (setrlimit(RLIMIT_CPU, &limit) != 0) {
        perror("mailweir-sim: setrlimit");
        _exit(2);
    }
}

/* Another word than a failure has: it says that the world does not end, not what is wrong with it. */
static bool tell_still(int status, uint64_t seed)
{
    bool stood_still = WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU;
    if (stood_still) {
        fprintf(stderr, "seed %llu stood still: a processor's time was over before its end\n",
                (unsigned long long)seed);
    }
    return stood_still;
}

static pid_t start(const struct world *world, uint64_t seed, const char *without, bool verbose, bool quiet,
                   struct report *report)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        perror("mailweir-sim: fork");
        exit(2);
    }
    if (pid == 0) {
        if (quiet && freopen("/dev/null", "w", stderr) == NULL) {
            _exit(2);
        }
        limit_time();
        live(world, seed, without, verbose, report);
    }
    return pid;
}

static bool run_once(const struct options *options, uint64_t seed, const char *without, bool verbose, bool quiet,
                     struct report *report)
{
    int status;
    pid_t pid = start(options->world, seed, without, verbose, quiet, report);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!quiet && !tell_still(status, seed) && WIFSIGNALED(status)) {
        fprintf(stderr, "seed %llu: ended by signal %d\n", (unsigned long long)seed, WTERMSIG(status));
    }
    return status == 0;
}

struct shrinking {
    const struct options *options;
    uint64_t seed;
    struct report *report;
};

/* The numbers of --without. */
static void write_without(uint64_t left_out, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < SIM_FAULTS_MAX && len < size; i++) {
        if (left_out >> i & 1) {
            len += (size_t)snprintf(text + len, size - len, "%s%u", len > 0 ? "," : "", i + 1);
        }
    }
}

static bool fails(void *ctx, uint64_t left_out)
{
    struct shrinking *shrinking = ctx;
    char without[100];
    write_without(left_out, without, sizeof without);
    return !run_once(shrinking->options, shrinking->seed, without, false, true, shrinking->report);
}

/* Tells the faults that a seed needs to fail. */
static void tell_cause(const struct options *options, uint64_t seed, struct report *report)
{
    struct shrinking shrinking = {options, seed, report};
    char without[100];
    write_without(shrink(SIM_FAULTS_MAX, fails, &shrinking), without, sizeof without);
    fprintf(stderr, "seed %llu fails with these faults alone:\n", (unsigned long long)seed);
    sim_begin(seed, false);
    sim_faults_plan(options->world->faults, without);
    sim_faults_print();
    fprintf(stderr, "replay: tests/sim/run --world %s --seed %llu%s%s -v\n\n", options->world->name,
            (unsigned long long)seed, without[0] != '\0' ? " --without " : "", without);
}

/* ---- many ---- */

static double real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Waits for one of the runs; returns it. */
static struct run *wait_for_one(struct run *runs, unsigned jobs)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        for (unsigned i = 0; i < jobs; i++) {
            if (runs[i].pid == pid && pid > 0) {
                runs[i].pid = 0;
                runs[i].status = status;
                return &runs[i];
            }
        }
    }
}

/* Whether the seed gives the same trace once more: checked for some, because it costs a run. */
static bool is_repeatable(const struct options *options, const struct run *run)
{
    struct report *again = new_report();
    bool same = run_once(options, run->seed, options->without, false, true, again) && again->hash == run->report->hash;
    munmap(again, sizeof *again);
    if (!same) {
        fprintf(stderr, "seed %llu: a second run has another trace: something is not of the seed\n",
                (unsigned long long)run->seed);
    }
    return same;
}

/* Whether it went well; virtual time and events are added up. */
static bool judge_run(const struct options *options, const struct run *run, uint64_t failures, uint64_t *virtual_us,
                      uint64_t *events)
{
    if (run->status == 0) {
        *virtual_us += run->report->virtual_us;
        *events += run->report->events;
        return run->seed % 25 != 0 || is_repeatable(options, run);
    }
    if (!tell_still(run->status, run->seed) && failures < FAILURES_SHOWN) {
        tell_cause(options, run->seed, run->report);
    }
    return false;
}

static int run_many(const struct options *options)
{
    struct run runs[JOBS_MAX] = {{.pid = 0}};
    uint64_t next = options->first, failures = 0, done = 0, virtual_us = 0, events = 0;
    unsigned busy = 0;
    double began = real_now();
    for (unsigned i = 0; i < options->jobs; i++) {
        runs[i].report = new_report();
    }
    while (next <= options->last || busy > 0) {
        for (unsigned i = 0; i < options->jobs && next <= options->last; i++) {
            if (runs[i].pid == 0) {
                runs[i].seed = next++;
                runs[i].pid = start(options->world, runs[i].seed, options->without, false, false, runs[i].report);
                busy++;
            }
        }
        const struct run *run = wait_for_one(runs, options->jobs);
        busy--;
        done++;
        failures += !judge_run(options, run, failures, &virtual_us, &events);
        if (failures > 0 && options->stop) {
            next = options->last + 1;
        }
    }
    double took = real_now() - began;
    /* None of n failed: then fewer than 3 in n fail, with 95 % confidence. */
    char bound[60] = "";
    if (failures == 0 && done > 0) {
        snprintf(bound, sizeof bound, " (fewer than 1 in %llu, 95 %%)", (unsigned long long)(done / 3));
    }
    printf("figure: %s: %llu seeds, %llu failed%s; %.1f virtual hours in %.1f s (%.2f per second), %llu events\n",
           options->world->name, (unsigned long long)done, (unsigned long long)failures, bound,
           (double)virtual_us / 3.6e9, took, (double)virtual_us / 3.6e9 / took, (unsigned long long)events);
    return failures == 0 ? 0 : 1;
}

static int run_single(const struct options *options)
{
    struct report *report = new_report(), *again = new_report();
    bool good = run_once(options, options->first, options->without, options->verbose, false, report);
    if (!good) {
        return 1;
    }
    run_once(options, options->first, options->without, false, false, again);
    printf("%s: seed %llu: %llu events, %.1f virtual minutes, trace %016llx%s\n", options->world->name,
           (unsigned long long)options->first, (unsigned long long)report->events, (double)report->virtual_us / 6e7,
           (unsigned long long)report->hash, again->hash == report->hash ? ", twice" : "; ANOTHER the second time");
    return again->hash == report->hash ? 0 : 1;
}

/* ---- arguments ---- */

static int usage(void)
{
    fprintf(stderr,
            "usage: mailweir-sim [--world NAME] --seed N [--without 1,4] [-v]\n"
            "       mailweir-sim [--world NAME] --seeds A..B [--jobs N] [--stop]\n"
            "worlds: gateway (unless another is named), spool, flood, backlog, states, cluster, gateway-on-model,\n"
            "spool-on-model\n");
    return 2;
}

static bool take_value(struct options *options, const char *name, const char *value)
{
    char *end;
    if (strcmp(name, "--world") == 0) {
        for (size_t i = 0; i < sizeof worlds / sizeof worlds[0]; i++) {
            if (strcmp(worlds[i].name, value) == 0) {
                options->world = &worlds[i];
                return true;
            }
        }
        return false;
    }
    if (strcmp(name, "--without") == 0) {
        options->without = value;
        return true;
    }
    uint64_t number = strtoull(value, &end, 10);
    if (strcmp(name, "--seed") == 0) {
        options->first = options->last = number;
        options->single = true;
        return *end == '\0';
    }
    if (strcmp(name, "--seeds") == 0 && strncmp(end, "..", 2) == 0) {
        options->first = number;
        options->last = strtoull(end + 2, &end, 10);
        return *end == '\0' && options->last >= options->first;
    }
    options->jobs = (unsigned)number;
    return strcmp(name, "--jobs") == 0 && *end == '\0' && number >= 1 && number <= JOBS_MAX;
}

int main(int argc, char **argv)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct options options = {.world = &worlds[sizeof worlds / sizeof worlds[0] - 1],
                              .first = 1,
                              .jobs = processors < 1          ? 1
                                      : processors > JOBS_MAX ? JOBS_MAX
                                                              : (unsigned)processors};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) {
            options.verbose = true;
        } else if (strcmp(argv[i], "--stop") == 0) {
            options.stop = true;
        } else if (i + 1 == argc || !take_value(&options, argv[i], argv[i + 1])) {
            return usage();
        } else {
            i++;
        }
    }
    if (options.last < options.first) {
        return usage();
    }
    return options.single ? run_single(&options) : run_many(&options);
}

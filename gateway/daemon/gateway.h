/*
 * gateway - the whole program in one object: spool, rules, reception and delivery, wired together on one loop.
 *
 * It knows no process: no signals, no standard streams, no globals. A process (cli/cmd_run.c) or a simulation runs it.
 */
#ifndef MAILWEIR_DAEMON_GATEWAY_H
#define MAILWEIR_DAEMON_GATEWAY_H

#include "base/must_use.h"
#include "config/config.h"
#include "dispatch/dispatch.h"
#include "net/net_sandbox.h"
#include "net/net_turn.h"

struct gateway;

/* The kinds of store: that the spool is kept in, and what comes while that does not answer (NULL: nothing does). */
struct gateway_stores {
    const struct store_ops *queue, *overflow;
};

/*
 * Opens the spool and the listeners; blocks while the spool opens. Nothing is delivered before gateway_start(), and
 * nothing received before the loop runs. Takes the configuration (sets *config to NULL) on success only. The fault
 * names what could not be had: the spool's holder, the address in use.
 */
MUST_USE int gateway_open(struct gateway **gateway_r, struct net_loop *loop, const struct gateway_stores *stores,
                          struct config **config, struct log *log, struct fault *fault);
/* Tells it what holds of the process's sandbox, for reloads and for operators; copied. Without it there is none. */
void gateway_set_sandbox(struct gateway *gateway, const struct net_sandbox_state *sandbox);
/* Begins to deliver; logs "ready". From now on it must be drained before it is freed. */
void gateway_start(struct gateway *gateway);
/*
 * Stops in order: no new sessions, transactions finish, appends under way finish; at the latest after the
 * configuration's shutdown_timeout. done comes once; then gateway_free().
 */
void gateway_drain(struct gateway *gateway, void (*done)(void *ctx), void *ctx);
/* Whoever runs the gateway is asked to drain it, as a signal would; fn comes from the loop, soon after it was asked. */
void gateway_set_ender(struct gateway *gateway, void (*fn)(void *ctx), void *ctx);
void gateway_ask_to_end(struct gateway *gateway);
/* For a drained gateway, or one that was never started; blocks for the commits under way. Sets *gateway to NULL; NULL
 * is fine. */
void gateway_free(struct gateway **gateway);

/*
 * Loads the configuration file again and takes it over, whole or not at all; sessions under way keep the rules they
 * began with. Logs "reloaded", or "reload_failed" with every problem; then what runs stays in force. The load runs
 * beside the loop. done (may be NULL) comes from the loop, once, when a load that began after this call has ended, well
 * or not; at the latest when the gateway is drained. problems: warnings, too; only until it returns.
 */
typedef void gateway_reloaded_fn(void *ctx, bool good, const struct problems *problems);
void gateway_reload(struct gateway *gateway, gateway_reloaded_fn *done, void *ctx);

/* The port of the listener of that name. */
uint16_t gateway_port(const struct gateway *gateway, const char *listener);

/* Seconds until the certificate of the listener of that name expires; INT64_MIN when it has none. */
int64_t gateway_certificate_seconds(const struct gateway *gateway, const char *listener);

/* What the spool's overflow does; false: there is none. */
struct spool_overflow_state;
MUST_USE bool gateway_overflow(const struct gateway *gateway, struct spool_overflow_state *state_r);

struct gateway_counts {
    struct reception_counts reception;
    struct dispatch_counts dispatch;
    struct spool_counts spool;
};
const struct reception *gateway_smtpd(const struct gateway *gateway);
/* Forgets what is kept in memory, and of refusals beside the queue, that names the address. */
struct gateway_forgotten {
    size_t refusals, recent;
};
struct gateway_forgotten gateway_forget_address(struct gateway *gateway, const char *address);
void gateway_count(const struct gateway *gateway, struct gateway_counts *counts_r);

/* ---- for the admin server ---- */

/* The configuration in force; valid until the loop goes on, for longer with a config_share(). */
struct config *gateway_config(const struct gateway *gateway);

struct gateway_check {
    const char *name; /* "spool", "listeners", "rules", "running" */
    bool good;
    char reason[400]; /* why not, or what there is */
};
#define GATEWAY_CHECKS 4
/* Whether mail can be taken, and each reason. An upstream that is down does not count: its mail is spooled. */
MUST_USE bool gateway_ready(const struct gateway *gateway, struct gateway_check checks_r[GATEWAY_CHECKS]);

struct gateway_state {
    int64_t started_ms; /* wall clock */
    int64_t loaded_ms;  /* of the last load that succeeded */
    bool last_load_good;
    uint64_t loads, loads_failed;
    bool loading;     /* a load is under way */
    uint64_t load_ms; /* how long the last one took */
    size_t rules;
    bool draining;
    struct net_turn longest_turn; /* of the loop, of late */
    uint64_t slow_turns;          /* so long that it stands in the log, or would */
    const struct net_sandbox_state *sandbox;
};
void gateway_state(const struct gateway *gateway, struct gateway_state *state_r);

/* What the probe has found; see gateway_probe.h. */
struct gateway_probe_state {
    bool known; /* one has ended since the start, and the configuration asks for them */
    uint64_t arrived, failed;
    uint64_t took_us;   /* of the last that arrived: from the front door until it was read back; 0: none */
    int64_t arrived_ms; /* wall clock, of that one */
    char step[20];      /* of the last one: what did not work, probe.h; "": it did */
    char text[600];     /* why */
};
void gateway_probe_state(const struct gateway *gateway, struct gateway_probe_state *state_r);

/* The gateway's parts, for the admin server's questions and commands. */
struct dispatch *gateway_dispatch(const struct gateway *gateway);
struct spool *gateway_spool(const struct gateway *gateway);
struct decision *gateway_decision(const struct gateway *gateway);

/* The areas of the log, each with a level of its own; a NULL name ends the table. */
extern const char *const gateway_areas[];
/* -1 when there is no such area. */
MUST_USE int gateway_log_level(const struct gateway *gateway, const char *area, enum log_level *level_r);
MUST_USE int gateway_set_log_level(struct gateway *gateway, const char *area, enum log_level level);
/* The log of the area "gateway"; NULL when there is no log. */
struct log *gateway_main_log(struct gateway *gateway);
/* The traces of dialogues that are on; they write into the log. */
struct traces *gateway_traces(struct gateway *gateway);
/* Hears each line of the log from now on, as JSON; NULL: no more. */
void gateway_tap_log(struct gateway *gateway, void (*line)(void *ctx, const char *line, size_t len), void *ctx);

/* Whether a node of the same queue that lives decides by other rules than another one. */
MUST_USE bool gateway_rules_differ(const struct gateway *gateway);

#endif

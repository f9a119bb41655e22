/*
 * gateway_private - what the files of the gateway share.
 *
 * From the ground up: gateway_state.c (what it says about itself), gateway_listeners.c, gateway_watch.c (files that
 * change), gateway_reload.c, gateway.c (its life).
 */
#ifndef MAILWEIR_DAEMON_GATEWAY_PRIVATE_H
#define MAILWEIR_DAEMON_GATEWAY_PRIVATE_H

#include "base/list.h"
#include "base/must_use.h"
#include "daemon/acknowledge.h"
#include "daemon/gateway.h"
#include "daemon/gateway_probe.h"
#include "decision/decision.h"
#include "spool/spool_overflow.h"

enum gateway_area {
    GATEWAY_AREA_GATEWAY,
    GATEWAY_AREA_SMTP,
    GATEWAY_AREA_RULES,
    GATEWAY_AREA_SPOOL,
    GATEWAY_AREA_DELIVERY,
    GATEWAY_AREAS,
};

/* A reload; gateway_reload.c. */
struct gateway_loading {
    struct net_lane *lane; /* NULL until there was one */
    bool runs, again;      /* again: somebody asked since it began */
    struct list waiting;   /* for the load that runs */
    struct list later;     /* for the one after it */
    /* The lane's while it runs: */
    const char *file;
    struct config *config;
    struct problems *problems;
};

struct gateway {
    struct net_loop *loop;
    struct log *log; /* of the area "gateway" */
    struct log logs[GATEWAY_AREAS];
    struct log_tap tap;
    struct traces traces;
    struct config *config; /* in force */
    struct config *first;  /* a share of what it began with: what a reload does not change stands there */
    struct gateway_stores stores;
    struct spool *spool;
    struct spool_overflow *overflow; /* or NULL */
    struct decision *decision;
    struct dispatch *dispatch;
    struct acknowledge *acknowledge;
    struct reception *reception;
    struct gateway_probe *probes;
    bool draining;
    struct net_sandbox_state sandbox;
    int64_t started_ms, loaded_ms;
    bool last_load_good;
    uint64_t loads, loads_failed;
    uint64_t load_began, load_ms; /* of the last reload */
    uint64_t slow_turns;          /* of the loop */
    uint64_t slow_told_at, slow_untold;
    size_t rules;
    char digest[17]; /* of the rules, for other nodes; as of so many loads */
    uint64_t digest_loads;
    struct gateway_loading loading;
    struct net_watch *folders; /* of the configuration's sources */
    bool watched_all;          /* the kernel watches all of them */
    struct net_timer *watch;   /* the next look at them */
    void (*files_changed)(struct gateway *gateway);
    uint64_t event_ms;        /* since when something happens there; 0: nothing does */
    uint64_t stamp;           /* of those files, together */
    void (*ender)(void *ctx); /* who is asked to drain it; or NULL */
    void *ender_ctx;
    void (*drained)(void *ctx);
    void *drained_ctx;
};

/* One log for each area, alike in all but their names. */
void gateway_logs_init(struct gateway *gateway, const struct log *log);
struct log *gateway_log(struct gateway *gateway, enum gateway_area area);
/* gateway_listeners.c: makes the listeners those of the configuration; -1 with nothing changed. */
MUST_USE int gateway_apply_listeners(struct gateway *gateway, const struct config *config, struct fault *fault);
/* gateway_watch.c: from now on changed() comes when a file changes that the configuration in force came from. */
void gateway_watch_files(struct gateway *gateway, void (*changed)(struct gateway *gateway));
void gateway_unwatch_files(struct gateway *gateway);
/* Another configuration is in force: from now on the files that it came from are watched. */
void gateway_note_sources(struct gateway *gateway);
/* A load begins: it sees the files as they are now. */
void gateway_note_load_begins(struct gateway *gateway);
/* gateway_reload.c: what of a configuration decisions need beside the rules. */
void gateway_configure_decision(struct gateway *gateway, const struct config *config);
/* Counts what the spool has of the past, as far back as the rules ask: at the start. */
MUST_USE int gateway_count_again(struct gateway *gateway, struct fault *fault);
/* gateway_reload.c: tells everybody who waits for a reload that there will be none. */
void gateway_give_up_reloads(struct gateway *gateway);
/* After each load of configuration and rules. */
void gateway_note_load(struct gateway *gateway, bool good);

/* ---- gateway_node.c ---- */

/* Other nodes of the same queue, if there are some, are told what this one does. */
void gateway_tell_nodes(struct gateway *gateway);

#endif

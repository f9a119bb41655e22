/*
 * gateway_private - what gateway.c (life) and gateway_state.c (what it says about itself) share.
 */
#ifndef MAILWEIR_DAEMON_GATEWAY_PRIVATE_H
#define MAILWEIR_DAEMON_GATEWAY_PRIVATE_H

#include "daemon/decision.h"
#include "daemon/gateway.h"

enum gateway_area {
    GATEWAY_AREA_GATEWAY,
    GATEWAY_AREA_SMTP,
    GATEWAY_AREA_RULES,
    GATEWAY_AREA_SPOOL,
    GATEWAY_AREA_DELIVERY,
    GATEWAY_AREAS,
};

struct gateway {
    struct net_loop *loop;
    struct log *log;                  /* of the area "gateway" */
    struct log logs[GATEWAY_AREAS];
    struct log_tap tap;
    struct config *config;
    struct spool *spool;
    struct decision *decision;
    struct dispatch *dispatch;
    struct smtpd *smtpd;
    bool draining;
    int64_t started_ms, loaded_ms;
    bool last_load_good;
    uint64_t loads, loads_failed;
    size_t rules;
    void (*drained)(void *ctx);
    void *drained_ctx;
};

/* One log for each area, alike in all but their names. */
void gateway_logs_init(struct gateway *gateway, const struct log *log);
struct log *gateway_log(struct gateway *gateway, enum gateway_area area);
/* After each load of configuration and rules. */
void gateway_note_load(struct gateway *gateway, bool good);

#endif

/* smtpd - reception as a whole: its listeners, counts and drain. Contract: smtpd.h. */
#include "smtpd/smtpd.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "smtpd/smtpd_private.h"

struct smtpd *smtpd_new(struct net_loop *loop, struct spool *spool, const char *hostname, const struct smtpd_hooks *hooks,
                        struct log *log)
{
    struct smtpd *smtpd = expect_calloc(1, sizeof *smtpd);
    smtpd->loop = loop;
    smtpd->spool = spool;
    smtpd->hostname = hostname;
    smtpd->hooks = *hooks;
    smtpd->log = log;
    list_init(&smtpd->listeners);
    return smtpd;
}

int smtpd_listen(struct smtpd *smtpd, const struct smtpd_listener_options *options, struct fault *fault)
{
    struct smtpd_listener *listener;
    if (smtpd_listener_new(&listener, smtpd, options, fault) < 0) {
        return -1;
    }
    list_append(&smtpd->listeners, &listener->link);
    return 0;
}

uint16_t smtpd_port(const struct smtpd *smtpd, const char *name)
{
    LIST_EACH (link, &smtpd->listeners) {
        struct smtpd_listener *listener = LIST_ITEM(link, struct smtpd_listener, link);
        if (strcmp(listener->options.name, name) == 0 && listener->socket != NULL) {
            return net_listener_port(listener->socket);
        }
    }
    return 0;
}

/* ---- drain ---- */

static void drain_done(struct smtpd *smtpd)
{
    void (*done)(void *) = smtpd->drained;
    net_timer_free(&smtpd->drain_timer);
    smtpd->drained = NULL;
    done(smtpd->drained_ctx);
}

/* Comes from the loop, so that the last session's own call has returned. */
static void on_drain_timer(void *ctx)
{
    struct smtpd *smtpd = ctx;
    LIST_EACH (link, &smtpd->listeners) {
        struct smtpd_listener *listener = LIST_ITEM(link, struct smtpd_listener, link);
        LIST_EACH (session, &listener->sessions) {
            smtpd_session_abort(smtpd_session_of(session));
        }
    }
    drain_done(smtpd);
}

void smtpd_session_gone(struct smtpd *smtpd)
{
    smtpd->counts.sessions_open--;
    if (smtpd->drained != NULL && smtpd->counts.sessions_open == 0) {
        net_timer_start(smtpd->drain_timer, 0);
    }
}

void smtpd_drain(struct smtpd *smtpd, uint64_t deadline_ms, void (*done)(void *ctx), void *ctx)
{
    smtpd->drained = done;
    smtpd->drained_ctx = ctx;
    smtpd->drain_timer = net_timer_new(smtpd->loop, on_drain_timer, smtpd);
    net_timer_start(smtpd->drain_timer, smtpd->counts.sessions_open == 0 ? 0 : deadline_ms);
    LIST_EACH (link, &smtpd->listeners) {
        smtpd_listener_drain(LIST_ITEM(link, struct smtpd_listener, link));
    }
}

void smtpd_free(struct smtpd **smtpd)
{
    if (*smtpd == NULL) {
        return;
    }
    (*smtpd)->drained = NULL;
    net_timer_free(&(*smtpd)->drain_timer);
    LIST_EACH (link, &(*smtpd)->listeners) {
        struct smtpd_listener *listener = LIST_ITEM(link, struct smtpd_listener, link);
        smtpd_listener_free(&listener);
    }
    free(*smtpd);
    *smtpd = NULL;
}

void smtpd_count(const struct smtpd *smtpd, struct smtpd_counts *counts_r)
{
    *counts_r = smtpd->counts;
}

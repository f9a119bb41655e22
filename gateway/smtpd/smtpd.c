/* smtpd - reception as a whole: its listeners, counts, reload and drain. Contract: smtpd.h. */
#include "smtpd/smtpd.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "smtpd/smtpd_private.h"

#define NETWORKS_MAX 100000
#define MINUTE_MS    ((uint64_t)60 * 1000)

static struct smtpd_budget *budget_new(void)
{
    uint8_t seed[16];
    net_random(seed, sizeof seed);
    return smtpd_budget_new(NETWORKS_MAX, MINUTE_MS, seed);
}

struct smtpd *smtpd_new(struct net_loop *loop, struct spool *spool, const char *hostname,
                        const struct smtpd_hooks *hooks, struct log *log)
{
    struct smtpd *smtpd = expect_calloc(1, sizeof *smtpd);
    smtpd->loop = loop;
    smtpd->spool = spool;
    smtpd->hostname = hostname;
    smtpd->hooks = *hooks;
    smtpd->log = log;
    smtpd->logins = smtpd_logins_new(loop);
    uint8_t seed[16];
    net_random(seed, sizeof seed);
    smtpd->clients = smtpd_clients_new(seed);
    smtpd->refusals = smtpd_refusals_new(loop);
    smtpd->untold_timer = net_timer_new(loop, smtpd_told_untold, smtpd);
    smtpd->messages = budget_new();
    smtpd->recipients = budget_new();
    list_init(&smtpd->listeners);
    list_init(&smtpd->leaving);
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
    LIST_EACH(link, &smtpd->listeners)
    {
        struct smtpd_listener *listener = LIST_ITEM(link, struct smtpd_listener, link);
        if (strcmp(listener->options.name, name) == 0 && listener->socket != NULL) {
            return net_listener_port(listener->socket);
        }
    }
    return 0;
}

int64_t smtpd_certificate_expires(const struct smtpd *smtpd, const char *name)
{
    LIST_EACH(link, &smtpd->listeners)
    {
        const struct smtpd_listener_options *options = &LIST_ITEM(link, struct smtpd_listener, link)->options;
        if (strcmp(options->name, name) == 0 && options->tls != NULL) {
            return net_tls_expires(options->tls);
        }
    }
    return 0;
}

/* ---- reload ---- */

/* The listener of the list that goes on with these options, or NULL. */
static struct smtpd_listener *find_same(struct list *list, const struct smtpd_listener_options *options)
{
    LIST_EACH(link, list)
    {
        struct smtpd_listener *listener = LIST_ITEM(link, struct smtpd_listener, link);
        const struct net_address *address = &listener->options.address;
        bool same_address = strcmp(address->host, options->address.host) == 0 &&
                            address->port == options->address.port && address->is_unix == options->address.is_unix;
        if (same_address && strcmp(listener->options.name, options->name) == 0) {
            return listener;
        }
    }
    return NULL;
}

static void free_all(struct list *listeners)
{
    LIST_EACH(link, listeners)
    {
        struct smtpd_listener *listener = LIST_ITEM(link, struct smtpd_listener, link);
        smtpd_listener_free(&listener);
    }
}

/* Opens those that are new into `fresh`; -1 at the first that cannot be opened. */
static int open_new(struct smtpd *smtpd, const struct smtpd_listener_options *options, size_t count, struct list *fresh,
                    struct fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        struct smtpd_listener *listener;
        if (find_same(&smtpd->listeners, &options[i]) != NULL) {
            continue;
        }
        if (smtpd_listener_new(&listener, smtpd, &options[i], fault) < 0) {
            return -1;
        }
        list_append(fresh, &listener->link);
    }
    return 0;
}

static void free_empty(struct list *listeners)
{
    LIST_EACH(link, listeners)
    {
        struct smtpd_listener *listener = LIST_ITEM(link, struct smtpd_listener, link);
        if (list_is_empty(&listener->sessions)) {
            smtpd_listener_free(&listener);
        }
    }
}

int smtpd_reload(struct smtpd *smtpd, const struct smtpd_listener_options *options, size_t count, struct fault *fault)
{
    NET_EXPECT_LOOP(smtpd->loop);
    struct list kept, fresh;
    list_init(&kept);
    list_init(&fresh);
    free_empty(&smtpd->leaving);
    if (open_new(smtpd, options, count, &fresh, fault) < 0) {
        free_all(&fresh);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct smtpd_listener *listener = find_same(&smtpd->listeners, &options[i]);
        /* The networks were checked with the configuration, so that nothing is left that could fail. */
        if (listener != NULL && smtpd_listener_update(listener, &options[i], fault) == 0) {
            list_remove(&listener->link);
            list_append(&kept, &listener->link);
        }
    }
    LIST_EACH(link, &smtpd->listeners)
    {
        smtpd_listener_drain(LIST_ITEM(link, struct smtpd_listener, link));
    }
    list_move(&smtpd->leaving, &smtpd->listeners);
    list_move(&smtpd->listeners, &kept);
    list_move(&smtpd->listeners, &fresh);
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

static void abort_all(struct list *listeners)
{
    LIST_EACH(link, listeners)
    {
        struct smtpd_listener *listener = LIST_ITEM(link, struct smtpd_listener, link);
        LIST_EACH(session, &listener->sessions)
        {
            smtpd_session_abort(smtpd_session_of(session));
        }
    }
}

/* Comes from the loop, so that the last session's own call has returned. */
static void on_drain_timer(void *ctx)
{
    struct smtpd *smtpd = ctx;
    abort_all(&smtpd->listeners);
    abort_all(&smtpd->leaving);
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
    LIST_EACH(link, &smtpd->listeners)
    {
        smtpd_listener_drain(LIST_ITEM(link, struct smtpd_listener, link));
    }
}

void smtpd_free(struct smtpd **smtpd_ref)
{
    struct smtpd *smtpd = *smtpd_ref;
    *smtpd_ref = NULL;
    if (smtpd == NULL) {
        return;
    }
    smtpd->drained = NULL;
    net_timer_free(&smtpd->drain_timer);
    free_all(&smtpd->listeners);
    free_all(&smtpd->leaving);
    smtpd_logins_free(&smtpd->logins);
    net_timer_free(&smtpd->untold_timer);
    smtpd_clients_free(&smtpd->clients);
    smtpd_refusals_free(&smtpd->refusals);
    smtpd_budget_free(&smtpd->messages);
    smtpd_budget_free(&smtpd->recipients);
    free(smtpd);
}

void smtpd_keep_refusals(struct smtpd *smtpd, const char *folder, uint64_t keep_ms)
{
    smtpd_refusals_keep(smtpd->refusals, folder, keep_ms);
}

const struct smtpd_refusals *smtpd_refusals(const struct smtpd *smtpd)
{
    return smtpd->refusals;
}

const struct smtpd_clients *smtpd_clients(const struct smtpd *smtpd)
{
    return smtpd->clients;
}

void smtpd_count(const struct smtpd *smtpd, struct smtpd_counts *counts_r)
{
    *counts_r = smtpd->counts;
}

/* reception - reception as a whole: its listeners, counts, reload and drain. Contract: reception.h. */
#include "reception/reception.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "mail/mail_query.h"
#include "reception/reception_private.h"

#define NETWORKS_MAX 100000
#define MINUTE_MS    ((uint64_t)60 * 1000)

static struct smtpd_budget *budget_new(void)
{
    uint8_t seed[16];
    net_random(seed, sizeof seed);
    return smtpd_budget_new(NETWORKS_MAX, MINUTE_MS, seed);
}

struct reception *reception_new(struct net_loop *loop, struct spool *spool, const char *hostname,
                                const struct reception_hooks *hooks, struct log *log)
{
    struct reception *reception = expect_calloc(1, sizeof *reception);
    reception->loop = loop;
    reception->spool = spool;
    reception->hostname = hostname;
    reception->hooks = *hooks;
    reception->log = log;
    reception->logins = reception_logins_new(loop);
    uint8_t seed[16];
    net_random(seed, sizeof seed);
    reception->clients = reception_clients_new(seed);
    reception->refusals = reception_refusals_new(loop);
    reception->untold_timer = net_timer_new(loop, reception_told_untold, reception);
    reception->messages = budget_new();
    reception->recipients = budget_new();
    list_init(&reception->listeners);
    list_init(&reception->leaving);
    return reception;
}

int reception_listen(struct reception *reception, const struct reception_listener_options *options, struct fault *fault)
{
    NET_EXPECT_LOOP(reception->loop);
    struct reception_listener *listener;
    if (reception_listener_new(&listener, reception, options, fault) < 0) {
        return -1;
    }
    list_append(&reception->listeners, &listener->link);
    return 0;
}

uint16_t reception_port(const struct reception *reception, const char *name)
{
    LIST_EACH(link, &reception->listeners)
    {
        struct reception_listener *listener = LIST_ITEM(link, struct reception_listener, link);
        if (strcmp(listener->options.name, name) == 0 && listener->socket != NULL) {
            return net_listener_port(listener->socket);
        }
    }
    return 0;
}

int64_t reception_certificate_expires(const struct reception *reception, const char *name)
{
    LIST_EACH(link, &reception->listeners)
    {
        const struct reception_listener_options *options = &LIST_ITEM(link, struct reception_listener, link)->options;
        if (strcmp(options->name, name) == 0 && options->tls != NULL) {
            return net_tls_expires(options->tls);
        }
    }
    return 0;
}

/* ---- reload ---- */

/* The listener of the list that goes on with these options, or NULL. */
static struct reception_listener *find_same(struct list *list, const struct reception_listener_options *options)
{
    LIST_EACH(link, list)
    {
        struct reception_listener *listener = LIST_ITEM(link, struct reception_listener, link);
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
        struct reception_listener *listener = LIST_ITEM(link, struct reception_listener, link);
        reception_listener_free(&listener);
    }
}

/* Opens those that are new into `fresh`; -1 at the first that cannot be opened. */
static int open_new(struct reception *reception, const struct reception_listener_options *options, size_t count,
                    struct list *fresh, struct fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        struct reception_listener *listener;
        if (find_same(&reception->listeners, &options[i]) != NULL) {
            continue;
        }
        if (reception_listener_new(&listener, reception, &options[i], fault) < 0) {
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
        struct reception_listener *listener = LIST_ITEM(link, struct reception_listener, link);
        if (list_is_empty(&listener->sessions)) {
            reception_listener_free(&listener);
        }
    }
}

int reception_reload(struct reception *reception, const struct reception_listener_options *options, size_t count,
                     struct fault *fault)
{
    NET_EXPECT_LOOP(reception->loop);
    struct list kept, fresh;
    list_init(&kept);
    list_init(&fresh);
    free_empty(&reception->leaving);
    if (open_new(reception, options, count, &fresh, fault) < 0) {
        free_all(&fresh);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct reception_listener *listener = find_same(&reception->listeners, &options[i]);
        /* The networks were checked with the configuration, so that nothing is left that could fail. */
        if (listener != NULL && reception_listener_update(listener, &options[i], fault) == 0) {
            list_remove(&listener->link);
            list_append(&kept, &listener->link);
        }
    }
    LIST_EACH(link, &reception->listeners)
    {
        reception_listener_drain(LIST_ITEM(link, struct reception_listener, link));
    }
    list_move(&reception->leaving, &reception->listeners);
    list_move(&reception->listeners, &kept);
    list_move(&reception->listeners, &fresh);
    return 0;
}

/* ---- drain ---- */

static void drain_done(struct reception *reception)
{
    void (*done)(void *) = reception->drained;
    net_timer_free(&reception->drain_timer);
    reception->drained = NULL;
    done(reception->drained_ctx);
}

static void abort_all(struct list *listeners)
{
    LIST_EACH(link, listeners)
    {
        struct reception_listener *listener = LIST_ITEM(link, struct reception_listener, link);
        LIST_EACH(session, &listener->sessions)
        {
            reception_session_abort(reception_session_of(session));
        }
    }
}

/* Comes from the loop, so that the last session's own call has returned. */
static void on_drain_timer(void *ctx)
{
    struct reception *reception = ctx;
    abort_all(&reception->listeners);
    abort_all(&reception->leaving);
    drain_done(reception);
}

void reception_drain(struct reception *reception, uint64_t deadline_ms, void (*done)(void *ctx), void *ctx)
{
    NET_EXPECT_LOOP(reception->loop);
    reception->drained = done;
    reception->drained_ctx = ctx;
    reception->drain_timer = net_timer_new(reception->loop, on_drain_timer, reception);
    net_timer_start(reception->drain_timer, reception->counts.sessions_open == 0 ? 0 : deadline_ms);
    LIST_EACH(link, &reception->listeners)
    {
        reception_listener_drain(LIST_ITEM(link, struct reception_listener, link));
    }
}

void reception_free(struct reception **reception_ref)
{
    struct reception *reception = *reception_ref;
    *reception_ref = NULL;
    if (reception == NULL) {
        return;
    }
    NET_EXPECT_LOOP(reception->loop);
    reception->drained = NULL;
    net_timer_free(&reception->drain_timer);
    free_all(&reception->listeners);
    free_all(&reception->leaving);
    reception_logins_free(&reception->logins);
    net_timer_free(&reception->untold_timer);
    reception_clients_free(&reception->clients);
    reception_refusals_free(&reception->refusals);
    smtpd_budget_free(&reception->messages);
    smtpd_budget_free(&reception->recipients);
    free(reception);
}

void reception_keep_refusals(struct reception *reception, const char *folder, uint64_t keep_ms)
{
    NET_EXPECT_LOOP(reception->loop);
    reception_refusals_keep(reception->refusals, folder, keep_ms);
}

void reception_set_overflow(struct reception *reception, struct spool_overflow *overflow)
{
    NET_EXPECT_LOOP(reception->loop);
    reception->overflow = overflow;
}

void reception_keep_about(struct reception *reception, const struct mail_about *about)
{
    NET_EXPECT_LOOP(reception->loop);
    reception->about = *about;
}

/* An address may stand in what the client said, or in what it heard: every text is looked at. */
static bool names_address(void *address, const json_t *refusal)
{
    char *text = json_dumps(refusal, JSON_COMPACT);
    bool names = text != NULL && mail_query_is_in(bytes_of(text), address);
    free(text);
    return names;
}

size_t reception_forget_address(struct reception *reception, const char *address)
{
    NET_EXPECT_LOOP(reception->loop);
    return reception_refusals_erase(reception->refusals, names_address, (void *)(uintptr_t)address);
}

const struct reception_refusals *reception_refusals(const struct reception *reception)
{
    return reception->refusals;
}

const struct reception_clients *reception_clients(const struct reception *reception)
{
    return reception->clients;
}

void reception_count(const struct reception *reception, struct reception_counts *counts_r)
{
    *counts_r = reception->counts;
}

/*
 * dispatch_reload - other upstreams while mail flows: see dispatch_plan() in dispatch.h.
 *
 * A plan has all that can fail made first, so that the rest of a reload can still refuse. An account whose settings,
 * secrets or certificates differ gets a new pool; the old one finishes what is under way before the new one opens a
 * connection, so that the server never sees more connections than its limit. What waits goes back to the spool
 * untouched and comes again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "config/config_account.h"
#include "config/config_table.h"
#include "dispatch/dispatch_private.h"
#include "net/net_file.h"
#include "spool/spool_change.h"

struct change {
    const struct config_upstream *config;
    struct dispatch_upstream *known; /* or NULL: it is new */
    struct upstream_pool *pool;      /* NULL: the account is as it was */
    uint64_t files;
};

struct dispatch_plan {
    struct dispatch *dispatch;
    struct config *config;
    struct change *changes; /* one for each upstream of the configuration */
    size_t count;
};

/* Changes when a file that the connection's TLS was made from does. */
static uint64_t stamp_of(const struct config_upstream *config)
{
    const char *const files[] = {config->tls.ca_file, config->tls.certificate, config->tls.key};
    uint64_t stamp = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        stamp = stamp * 31 + (files[i] == NULL ? 0 : net_file_stamp(files[i]));
    }
    return stamp;
}

static bool is_as_it_was(const struct change *change)
{
    const struct dispatch_upstream *known = change->known;
    return known != NULL && !known->gone && known->files == change->files &&
           config_same(&config_upstream_table, known->config, change->config);
}

static int plan_upstream(struct dispatch_plan *plan, struct change *change, struct fault *fault)
{
    struct upstream_account account;
    change->known = dispatch_find(plan->dispatch, change->config->name);
    change->files = stamp_of(change->config);
    if (is_as_it_was(change)) {
        return 0;
    }
    if (config_upstream_account(change->config, &account, fault) < 0) {
        return -1;
    }
    change->pool = upstream_pool_new(plan->dispatch->loop, &account, plan->dispatch->log);
    upstream_account_release(&account);
    return 0;
}

int dispatch_plan(struct dispatch *dispatch, struct config *config, struct dispatch_plan **plan_r, struct fault *fault)
{
    NET_EXPECT_LOOP(dispatch->loop);
    struct dispatch_plan *plan = expect_calloc(1, sizeof *plan);
    plan->dispatch = dispatch;
    plan->config = config_share(config);
    plan->changes = expect_calloc(config->upstreams.count + 1, sizeof *plan->changes);
    for (; plan->count < config->upstreams.count; plan->count++) {
        struct change *change = &plan->changes[plan->count];
        change->config = config_upstream_at(config, plan->count);
        if (plan_upstream(plan, change, fault) < 0) {
            dispatch_plan_free(&plan);
            return -1;
        }
    }
    *plan_r = plan;
    return 0;
}

void dispatch_plan_free(struct dispatch_plan **plan)
{
    if (*plan == NULL) {
        return;
    }
    for (size_t i = 0; i < (*plan)->count; i++) {
        upstream_pool_free(&(*plan)->changes[i].pool);
    }
    config_free(&(*plan)->config);
    free((*plan)->changes);
    free(*plan);
    *plan = NULL;
}

/* ---- taking it over ---- */

/* The spool's wake tells when there is something to fetch. */
static void on_made_due(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    (void)result;
    (void)fault;
    free(ctx);
}

/* What the old settings had put off need not wait: it is tried at once, as if an operator had asked for it. */
static void make_due(struct dispatch_upstream *upstream)
{
    char *name = expect_strdup(upstream->config->name); /* the next reload may come before the answer */
    const struct store_select select = {.upstream = name, .state = "waiting", .tried = true};
    const struct spool_asker asker = {.by = "a reload", .done = on_made_due, .ctx = name};
    spool_change(upstream->dispatch->spool, STORE_RETRY, &select, &asker);
}

static void begin_anew(struct dispatch_upstream *upstream)
{
    upstream->failures = 0;
    upstream->paused_until = 0;
    dispatch_note_origin(upstream);
    dispatch_slots_begin(upstream);
    dispatch_heed_halt(upstream);
    dispatch_look_again(upstream);
    dispatch_pace_find(upstream);
    if (upstream->dispatch->started) {
        make_due(upstream);
    }
    dispatch_fetch(upstream);
}

static void on_old_pool_drained(void *ctx)
{
    struct dispatch_upstream *upstream = ctx;
    upstream_pool_free(&upstream->pool);
    upstream->switching = false;
    if (upstream->dispatch->draining) {
        dispatch_pool_gone(upstream->dispatch);
        return;
    }
    upstream->pool = upstream->next;
    upstream->next = NULL;
    if (upstream->pool != NULL) {
        upstream_pool_succeed(upstream->pool);
        begin_anew(upstream);
    }
}

/* Has *pool (NULL: none) take the place of the pool as soon as that has finished. */
static void replace_pool(struct dispatch_upstream *upstream, struct upstream_pool **pool)
{
    upstream_pool_free(&upstream->next);
    upstream->next = *pool;
    *pool = NULL;
    if (upstream->pool == NULL) {
        upstream->pool = upstream->next;
        upstream->next = NULL;
        begin_anew(upstream);
    } else if (!upstream->switching) {
        upstream->switching = true;
        upstream_pool_drain(upstream->pool, upstream->dispatch->config->shutdown_timeout / 2, on_old_pool_drained,
                            upstream);
    }
}

static void note_change(const struct dispatch *dispatch, const char *event, const char *name, const char *text)
{
    if (dispatch->started) {
        log_event(dispatch->log, LOG_LEVEL_INFO, event, LOG_STR("upstream", name), LOG_STR("note", text));
    }
}

static void take_upstream(struct dispatch_plan *plan, struct change *change)
{
    struct dispatch *dispatch = plan->dispatch;
    struct dispatch_upstream *upstream = change->known != NULL ? change->known : dispatch_add(dispatch);
    config_free(&upstream->source);
    upstream->source = config_share(plan->config);
    upstream->config = change->config;
    upstream->files = change->files;
    upstream->gone = false;
    if (change->pool != NULL) {
        note_change(dispatch, change->known == NULL ? "upstream_added" : "upstream_changed", upstream->config->name,
                    "the new settings apply as soon as the deliveries under way are done");
        replace_pool(upstream, &change->pool);
    }
}

static bool has_upstream(const struct config *config, const char *name)
{
    bool has = false;
    for (size_t i = 0; i < config->upstreams.count; i++) {
        has = has || strcmp(config_upstream_at(config, i)->name, name) == 0;
    }
    return has;
}

static void leave_upstream(struct dispatch *dispatch, struct dispatch_upstream *upstream)
{
    struct upstream_pool *none = NULL;
    upstream->gone = true;
    note_change(
        dispatch, "upstream_removed", upstream->config->name,
        "mail that waits for this upstream stays in the queue: reroute or drop it, or configure the upstream again");
    net_timer_stop(upstream->timer);
    replace_pool(upstream, &none);
}

void dispatch_plan_apply(struct dispatch_plan **plan)
{
    struct dispatch *dispatch = (*plan)->dispatch;
    config_free(&dispatch->config);
    dispatch->config = config_share((*plan)->config);
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        struct dispatch_upstream *upstream = dispatch->upstreams[i];
        if (!upstream->gone && !has_upstream(dispatch->config, upstream->config->name)) {
            leave_upstream(dispatch, upstream);
        }
    }
    for (size_t i = 0; i < (*plan)->count; i++) {
        take_upstream(*plan, &(*plan)->changes[i]);
    }
    dispatch_plan_free(plan);
}

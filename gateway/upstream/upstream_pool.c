/*
 * upstream_pool - which append goes to which connection, when to connect, and when not to; see upstream_pool.h.
 *
 * Work is handed out from the loop only: submit and drain start the kick timer. While an upstream is down, one
 * connection at a time tries, and appends are answered with the fault of the last try.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "engine/backoff.h"
#include "upstream/upstream_private.h"

/* Folders at once; there are never more than appends. */
#define FOLDERS_MAX ((size_t)1 << 24)

static void on_kick(void *ctx);

struct upstream_pool *upstream_pool_new(struct net_loop *loop, const struct upstream_account *account, struct log *log)
{
    struct upstream_pool *pool = expect_calloc(1, sizeof *pool);
    pool->loop = loop;
    pool->log = log;
    pool->account = *account;
    pool->account.name = expect_strdup(account->name);
    pool->account.username = expect_strdup(account->username);
    pool->account.password = expect_strdup(account->password);
    for (size_t i = 0; i < account->place_count; i++) {
        struct net_tls *tls = account->places[i].tls;
        pool->account.places[i].tls = tls != NULL ? net_tls_share(tls) : NULL;
    }
    for (size_t i = 0; i < IMAP_SPECIAL_USES; i++) {
        const char *special = account->special_names[i];
        pool->account.special_names[i] = special != NULL ? expect_strdup(special) : NULL;
    }
    pool->folders = map_new(FOLDERS_MAX, NULL);
    pool->known = imapc_folders_new();
    imapc_habits_init(&pool->habits);
    buf_init(&pool->alert, 1000);
    pool->connection_most = (size_t)account->settings[UPSTREAM_CONNECTIONS];
    pool->share = pool->allowed = SIZE_MAX;
    /* What an earlier process sent may be on its way: a look that is too early would prove it absent. */
    pool->search_at = net_now(loop) + account->settle_ms;
    pool->day_began = net_now(loop);
    if (account->token != NULL) {
        pool->token = upstream_token_new(loop, account->token);
    }
    list_init(&pool->ring);
    list_init(&pool->connections);
    list_init(&pool->unsettled);
    outage_init(&pool->outage, (struct backoff){account->retry_initial_ms, account->retry_maximum_ms});
    pool->kick = net_timer_new(loop, on_kick, pool);
    pool->settling = net_timer_new(loop, on_kick, pool);
    return pool;
}

void upstream_pool_succeed(struct upstream_pool *pool)
{
    NET_EXPECT_LOOP(pool->loop);
    pool->search_at = net_now(pool->loop) + pool->account.settle_ms;
}

void upstream_pool_free(struct upstream_pool **pool)
{
    if (*pool == NULL) {
        return;
    }
    NET_EXPECT_LOOP((*pool)->loop);
    EXPECT(upstream_pool_waiting(*pool) == 0);
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_LOCAL, UPSTREAM_SHUTDOWN, "pool", "the upstream is no longer used");
    upstream_probe_free(*pool); /* first: nobody hears of it any more */
    (*pool)->draining = true;   /* what we cut ourselves is nobody's failure, and nothing is opened in its place */
    while (!list_is_empty(&(*pool)->connections)) {
        upstream_connection_cut(LIST_ITEM((*pool)->connections.next, struct upstream_connection, link), &fault);
    }
    upstream_token_free(&(*pool)->token);
    if ((*pool)->login != NULL) {
        net_lane_free(&(*pool)->login);
    }
    upstream_backlog_free_all(*pool);
    buf_done(&(*pool)->alert);
    map_free(&(*pool)->folders, NULL);
    imapc_folders_free(&(*pool)->known);
    for (size_t i = 0; i < IMAP_SPECIAL_USES; i++) {
        free((char *)(*pool)->account.special_names[i]);
    }
    net_timer_free(&(*pool)->kick);
    net_timer_free(&(*pool)->settling);
    net_timer_free(&(*pool)->drain_timer);
    upstream_account_release(&(*pool)->account);
    free((char *)(*pool)->account.name);
    free((char *)(*pool)->account.username);
    free((char *)(*pool)->account.password);
    free(*pool);
    *pool = NULL;
}

void upstream_pool_origin(const struct upstream_pool *pool, struct upstream_origin *origin_r)
{
    doubt_name(origin_r->account, bytes_of(pool->account.username));
    /* Which of several it goes to is known when it goes: a crash leaves nothing that says so. */
    origin_r->place = pool->account.place_count > 1 ? DOUBT_PLACES : upstream_place_print(pool, 0);
}

static int64_t seconds_left(const struct upstream_pool *pool, int64_t expires)
{
    return expires == 0 ? INT64_MIN : expires - net_wall(pool->loop) / 1000;
}

void upstream_pool_state(const struct upstream_pool *pool, struct upstream_pool_state *state_r)
{
    const struct upstream_place *place = &pool->account.places[pool->place];
    const struct net_tls *tls = place->tls;
    *state_r = (struct upstream_pool_state){
        .connections = pool->connection_count,
        .share = pool->share,
        .place = pool->place,
        .address = &place->address,
        .token_expires_s = pool->token != NULL ? upstream_token_expires_s(pool->token) : INT64_MIN,
        .certificate_expires_s = seconds_left(pool, pool->certificate_expires),
        .own_expires_s = seconds_left(pool, tls != NULL ? net_tls_expires(tls) : 0)};
    state_r->down = pool->outage.down ? outage_cause_name(pool->outage.cause) : NULL;
    upstream_pool_daily(pool, &state_r->daily);
    for (int i = 0; i < IMAPC_RESOURCES; i++) {
        state_r->quota[i] = imapc_folders_quota(pool->known, (enum imapc_resource)i, net_now(pool->loop));
    }
    memcpy(state_r->outages, pool->outage.counts, sizeof state_r->outages);
    for (const struct list *link = pool->connections.next; link != &pool->connections; link = link->next) {
        const struct upstream_connection *connection = LIST_ITEM(link, const struct upstream_connection, link);
        state_r->ready += connection->ready;
        state_r->busy += connection->task != NULL || connection->paused != NULL;
    }
}

void upstream_pool_try(struct upstream_pool *pool, struct imapc_names *names, upstream_report_fn *fn, void *ctx)
{
    NET_EXPECT_LOOP(pool->loop);
    EXPECT(pool->report == NULL && upstream_pool_waiting(pool) == 0);
    pool->names = names;
    pool->report = fn;
    pool->report_ctx = ctx;
    upstream_core_kick(pool);
}

/* ---- the schedule ---- */

static void answer_waiting(struct upstream_pool *pool, const struct upstream_outcome *outcome)
{
    struct upstream_append *append;
    while ((append = upstream_backlog_take_any(pool)) != NULL) {
        pool->active_count++;
        upstream_core_answer(pool, append, outcome);
    }
}

static size_t count_connecting(const struct upstream_pool *pool)
{
    size_t count = 0;
    for (const struct list *link = pool->connections.next; link != &pool->connections; link = link->next) {
        const struct upstream_connection *connection = LIST_ITEM(link, const struct upstream_connection, link);
        count += !connection->ready && !upstream_place_is_probe(pool, connection);
    }
    return count;
}

static void lack(struct upstream_pool *pool)
{
    if (pool->lacks != NULL) {
        pool->lacks(pool->lacks_ctx);
    }
}

static void on_token(void *ctx, const struct fault *fault)
{
    struct upstream_pool *pool = ctx;
    pool->wants_turn = pool->has_turn = false;
    lack(pool); /* others may wait for theirs */
    if (fault != NULL && !pool->draining) {
        upstream_health_unreached(pool, fault, 0);
    }
    upstream_core_kick(pool);
}

/* Whether there is something to log in with; else it is fetched, and on_token() goes on. */
static bool has_credentials(struct upstream_pool *pool)
{
    if (pool->token == NULL || upstream_token_is_fresh(pool->token)) {
        return true;
    }
    bool is_alone = pool->lacks == NULL || !upstream_token_is_asked_for(pool->token);
    if (is_alone || pool->has_turn) {
        upstream_token_fetch(pool->token, on_token, pool);
    } else if (!pool->wants_turn) {
        pool->wants_turn = true;
        lack(pool);
    }
    return false;
}

static void open_one(struct upstream_pool *pool)
{
    struct upstream_connection *connection = upstream_connection_new(pool);
    list_append(&pool->connections, &connection->link);
    pool->connection_count++;
}

/* Where the share of all nodes' connections is what is lacking, its owner hears of it. */
static bool may_open(struct upstream_pool *pool)
{
    bool within = pool->connection_count < pool->connection_most;
    if (within && pool->connection_count >= upstream_core_most(pool)) {
        lack(pool);
    }
    return pool->connection_count < upstream_core_most(pool) && has_credentials(pool);
}

static void open_connections(struct upstream_pool *pool)
{
    size_t connecting = count_connecting(pool);
    size_t demand = upstream_backlog_demand(pool) + (pool->report != NULL) + upstream_probe_waits(pool);
    uint64_t now = net_now(pool->loop);
    if (pool->crowded_until != 0 && now >= pool->crowded_until) {
        pool->crowded_until = 0;
        pool->connection_most = (size_t)pool->account.settings[UPSTREAM_CONNECTIONS];
    }
    /* Steady mail keeps the connections that it has: the first place is tried beside them. */
    bool down = upstream_health_is_down(pool);
    if (upstream_place_is_due(pool) && !down && demand + pool->active_count > 0 && may_open(pool)) {
        open_one(pool);
    }
    /* Until one login has worked, the others wait for it: a wrong password counts once, not once for each connection,
     * and servers lock accounts for that. */
    while (connecting < demand && now >= pool->outage.until && (pool->proven || connecting == 0) && may_open(pool)) {
        open_one(pool);
        connecting++;
    }
}

/* Whether something waits, and nothing of it goes out before another day begins. */
static bool is_spent(struct upstream_pool *pool)
{
    bool waits = false;
    LIST_EACH(link, &pool->ring)
    {
        const struct upstream_backlog *folder = LIST_ITEM(link, struct upstream_backlog, link);
        if (!list_is_empty(&folder->waiting)) {
            waits = true;
            if (upstream_core_affords(pool, LIST_ITEM(folder->waiting.next, struct upstream_append, link)->body.size)) {
                return false;
            }
        }
    }
    return waits;
}

/* What the account's trouble means for those that wait: the words were for a message that was sent, and the story of
 * another one must not tell them as its own. Also when it is the password: that is no property of the messages. */
static struct fault fault_of_waiting(const struct outage *outage)
{
    const struct fault *met = &outage->fault;
    struct fault fault = FAULT_INIT;
    if (outage->cause < OUTAGE_SESSIONS) {
        fault = *met;
        fault.class = FAULT_TEMP;
        return fault;
    }
    fault_set(&fault, FAULT_TEMP, met->code, met->where, "%.330s (that was another message, this one was not sent)",
              met->text);
    return fault;
}

/* Answers what waits when nothing serves it: the upstream is down, or we are stopping. */
static void give_up_waiting(struct upstream_pool *pool)
{
    struct upstream_outcome outcome = {.account = true};
    uint64_t now = net_now(pool->loop);
    if (pool->draining) {
        outcome = (struct upstream_outcome){0};
        fault_set(&outcome.fault, FAULT_LOCAL, UPSTREAM_SHUTDOWN, "pool", "shutting down");
    } else if (pool->halted) {
        outcome = (struct upstream_outcome){0};
        fault_set(&outcome.fault, FAULT_LOCAL, UPSTREAM_HALTED, "pool", "an operator paused the upstream");
        answer_waiting(pool, &outcome);
        return; /* a probe is no mail */
    } else if (is_spent(pool)) {
        outcome = (struct upstream_outcome){.account = true, .retry_after_ms = pool->day_began + UPSTREAM_DAY_MS - now};
        fault_set(&outcome.fault, FAULT_TEMP, "daily-budget", "pool", "the daily limit of octets for %s is used up",
                  pool->account.name);
    } else if (now >= pool->outage.until || (pool->connection_count > 0 && !upstream_health_is_down(pool))) {
        return;
    } else {
        outcome.retry_after_ms = pool->outage.until - now;
        outcome.fault = fault_of_waiting(&pool->outage);
    }
    upstream_probe_failed(pool, &outcome.fault);
    answer_waiting(pool, &outcome);
}

static void finish_drain(struct upstream_pool *pool)
{
    if (pool->draining && !pool->drained && pool->connection_count == 0 && upstream_pool_waiting(pool) == 0) {
        pool->drained = true;
        net_timer_stop(pool->drain_timer);
        pool->drain_done(pool->drain_ctx); /* may free the pool */
    }
}

/* Comes back when what is in doubt may be looked for. */
static void wait_for_search(struct upstream_pool *pool)
{
    uint64_t now = net_now(pool->loop), next = upstream_backlog_settle(pool);
    uint64_t look = pool->search_at - upstream_backlog_after_look(pool);
    if (now < look && (next == 0 || look < next)) {
        next = look;
    }
    if (pool->waiting_count > 0 && next != 0) {
        net_timer_start(pool->settling, next - now);
    }
}

static void on_kick(void *ctx)
{
    struct upstream_pool *pool = ctx;
    LIST_EACH(link, &pool->connections)
    {
        struct upstream_connection *connection = LIST_ITEM(link, struct upstream_connection, link);
        if (pool->draining && !connection->ready) {
            upstream_connection_cut(connection, NULL);
        } else if (connection->ready && connection->task == NULL) {
            upstream_connection_pump(connection);
        }
    }
    give_up_waiting(pool);
    if (!pool->draining) {
        open_connections(pool);
        wait_for_search(pool);
    }
    finish_drain(pool);
}

void upstream_pool_halt(struct upstream_pool *pool, bool halted)
{
    NET_EXPECT_LOOP(pool->loop);
    pool->halted = halted;
    upstream_core_kick(pool);
}

/* ---- a share of what several nodes may have ---- */

void upstream_pool_share(struct upstream_pool *pool, size_t share, size_t allowed)
{
    NET_EXPECT_LOOP(pool->loop);
    pool->share = share;
    pool->allowed = allowed;
    upstream_core_kick(pool);
}

void upstream_pool_set_lacks(struct upstream_pool *pool, void (*fn)(void *ctx), void *ctx)
{
    NET_EXPECT_LOOP(pool->loop);
    pool->lacks = fn;
    pool->lacks_ctx = ctx;
}

void upstream_pool_needs(const struct upstream_pool *pool, struct upstream_needs *needs_r)
{
    struct upstream_pool_state state;
    upstream_pool_state(pool, &state);
    size_t wanted = state.busy + upstream_backlog_demand(pool) + (pool->report != NULL) + upstream_probe_waits(pool);
    size_t most = (size_t)pool->account.settings[UPSTREAM_CONNECTIONS];
    *needs_r = (struct upstream_needs){.most = most,
                                       .open = pool->connection_count,
                                       .wanted = wanted < most ? wanted : most,
                                       .turn = pool->wants_turn};
}

void upstream_pool_take_turn(struct upstream_pool *pool, bool has_turn)
{
    NET_EXPECT_LOOP(pool->loop);
    pool->has_turn = has_turn && pool->wants_turn;
    if (pool->has_turn) {
        upstream_core_kick(pool);
    }
}

void upstream_pool_drop(struct upstream_pool *pool)
{
    NET_EXPECT_LOOP(pool->loop);
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_LOCAL, UPSTREAM_LEASE, "pool", "this node was not heard by the others for too long");
    pool->dropping = true;
    LIST_EACH(link, &pool->connections)
    {
        upstream_connection_cut(LIST_ITEM(link, struct upstream_connection, link), &fault);
    }
    pool->dropping = false;
    upstream_core_kick(pool);
}

/* ---- the end ---- */

static void on_drain_deadline(void *ctx)
{
    struct upstream_pool *pool = ctx;
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_LOCAL, UPSTREAM_SHUTDOWN, "pool", "cut off at the end of the shutdown time");
    LIST_EACH(link, &pool->connections)
    {
        upstream_connection_cut(LIST_ITEM(link, struct upstream_connection, link), &fault);
    }
}

void upstream_pool_drain(struct upstream_pool *pool, uint64_t deadline_ms, void (*done)(void *ctx), void *ctx)
{
    NET_EXPECT_LOOP(pool->loop);
    EXPECT(!pool->draining);
    pool->draining = true;
    pool->drain_done = done;
    pool->drain_ctx = ctx;
    pool->drain_timer = net_timer_new(pool->loop, on_drain_deadline, pool);
    net_timer_start(pool->drain_timer, deadline_ms);
    upstream_core_kick(pool);
}

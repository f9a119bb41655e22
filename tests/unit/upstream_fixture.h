/*
 * upstream_fixture - for the tests of what stands between appends and connections: a pool whose connections are the test's own, and appends that note what
 * became of them.
 */
#ifndef MAILWEIR_TESTS_UPSTREAM_FIXTURE_H
#define MAILWEIR_TESTS_UPSTREAM_FIXTURE_H

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upstream/upstream_private.h"

#define APPENDS 64

struct noted {
    struct upstream_append append;
    unsigned answers;
    struct upstream_outcome outcome;
    char id[24];
};

static struct fixture {
    struct net_loop *loop;
    struct upstream_pool *pool;
    struct noted appends[APPENDS];
    size_t count;
    bool is_shared; /* what is submitted may be in doubt by others */
} fixture;

static void on_append_done(void *ctx, struct upstream_append *append, const struct upstream_outcome *outcome)
{
    struct noted *noted = ctx;
    assert_ptr_equal(append, &noted->append);
    noted->answers++;
    noted->outcome = *outcome;
}

static inline struct upstream_account fixture_account(void)
{
    struct upstream_account account = {.name = "corp",
                                       .tls_mode = UPSTREAM_TLS_NONE,
                                       .username = "relay",
                                       .password = "relaypw",
                                       .connect_timeout_ms = 1000,
                                       .command_timeout_ms = 1000,
                                       .idle_timeout_ms = 60000,
                                       .retry_initial_ms = 10000,
                                       .retry_maximum_ms = 20000,
                                       .settle_ms = 0};
    upstream_profile_resolve(upstream_profile_find("dovecot"), account.settings);
    return account;
}

static inline void fixture_begin(const struct upstream_account *account)
{
    fixture = (struct fixture){.loop = net_loop_new()};
    fixture.pool = upstream_pool_new(fixture.loop, account, NULL);
}

static inline void fixture_end(void)
{
    upstream_pool_free(&fixture.pool);
    net_loop_free(&fixture.loop);
}

static inline struct noted *submit(const char *folder, uint64_t size, bool uncertain)
{
    assert_true(fixture.count < APPENDS);
    struct noted *noted = &fixture.appends[fixture.count];
    snprintf(noted->id, sizeof noted->id, "id-%zu", fixture.count++);
    noted->append = (struct upstream_append){.id = noted->id,
                                             .folder = folder,
                                             .doubt.open = uncertain,
                                             .shared = fixture.is_shared,
                                             .date_ms = (int64_t)fixture.count * 1000,
                                             .body = {.size = size},
                                             .done = on_append_done,
                                             .ctx = noted};
    struct upstream_append *append = &noted->append;
    upstream_pool_submit(fixture.pool, &append);
    assert_null(append);
    return noted;
}

static inline void submit_many(const char *folder, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        submit(folder, 100, false);
    }
}

/* The result of an append that the server refused, or that ended with another fault. */
static inline struct imapc_result failed(enum fault_class class, const char *code)
{
    struct imapc_result result = {0};
    fault_set(&result.fault, class, code, "append", "the server said no");
    return result;
}

#endif

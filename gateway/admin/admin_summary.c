/*
 * admin_summary - see admin_summary.h.
 */
#include "admin/admin_summary.h"

#include <stdlib.h>

#include "base/expect.h"
#include "spool/spool_query.h"

struct summary_job {
    struct admin *admin;
    json_t *summary;
    void (*done)(void *ctx);
    void *ctx;
};

bool admin_summary_is_fresh(const struct admin *admin, uint64_t most_ms)
{
    return admin->summary != NULL && net_now(admin->loop) - admin->summary_at < most_ms;
}

static void ask_index(void *ctx)
{
    struct summary_job *job = ctx;
    struct store *store = admin_store(job->admin, NULL);
    if (store != NULL) {
        disregard(spool_query_summary(store, &job->summary, NULL));
    }
}

/* Without an answer, what is known stays. */
static void on_summary(void *ctx)
{
    struct summary_job *job = ctx;
    struct admin *admin = job->admin;
    admin->summary_asked = false;
    if (job->summary != NULL) {
        json_decref(admin->summary);
        admin->summary = job->summary;
        admin->summary_at = net_now(admin->loop);
    }
    if (job->done != NULL) {
        job->done(job->ctx);
    }
    free(job);
}

void admin_summary_ask(struct admin *admin, void (*done)(void *ctx), void *ctx)
{
    if (done == NULL && admin->summary_asked) {
        return; /* somebody has asked already */
    }
    struct summary_job *job = expect_calloc(1, sizeof *job);
    *job = (struct summary_job){.admin = admin, .done = done, .ctx = ctx};
    admin->summary_asked = true;
    net_lane_submit(admin->lane, ask_index, on_summary, job);
}

uint64_t admin_summary_waiting(const struct admin *admin, const char *upstream)
{
    const json_t *one = json_object_get(json_object_get(admin->summary, "upstreams"), upstream);
    struct gateway_counts counts;
    gateway_count(admin->gateway, &counts);
    /* Nobody else's can wait where there is one upstream only; and no more can wait than do. */
    uint64_t all = counts.spool.waiting;
    uint64_t known = (uint64_t)json_integer_value(json_object_get(one, "waiting"));
    bool is_only = dispatch_upstream_count(gateway_dispatch(admin->gateway)) == 1;
    return is_only || known > all ? all : known;
}

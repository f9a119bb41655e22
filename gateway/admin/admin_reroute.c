/*
 * admin_reroute - the running rules over messages that wait: what they would do today, and doing it; a page of messages
 * at a time.
 *
 * Planned on the admin server's lane, done through the spool one message after the other. Who wants more asks again
 * from where the answer ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_private.h"
#include "base/expect.h"
#include "decision/decision.h"
#include "decision/reroute.h"
#include "spool/spool_change.h"
#include "spool/spool_query.h"

#define MESSAGES_DEFAULT 50
#define BUDGET_US        2000000 /* of the lane, which others want too; then the page ends */

struct reroute_job {
    struct admin_request *request;
    struct admin *admin;
    json_t *body; /* what was asked; the selection looks at its strings */
    struct store_select select;
    const char *by;
    bool dry_run;
    uint64_t limit;
    struct rules_share *share;
    const struct filters_counters *counters;
    uint64_t messages[ADMIN_REROUTE_MAX];
    char ids[ADMIN_REROUTE_MAX][32]; /* of the same */
    size_t count;
    json_t *answer, *rows;
    struct reroute_plan *plans; /* of the messages that move */
    size_t plan_count, next;
    uint64_t moved, same, busy; /* same: also what stays for another reason */
    uint64_t done;              /* the last message that was looked at */
    bool more;
    int64_t now_ms;
    struct fault fault;
};

static void reroute_job_free(struct reroute_job *job)
{
    for (size_t i = 0; i < job->plan_count; i++) {
        reroute_plan_done(&job->plans[i]);
    }
    free(job->plans);
    decision_release(&job->share);
    json_decref(job->answer);
    json_decref(job->body);
    free(job);
}

/* ---- on the lane ---- */

static int note_message(void *ctx, const json_t *object)
{
    struct reroute_job *job = ctx;
    uint64_t message = (uint64_t)json_integer_value(json_object_get(object, "seq"));
    if (job->count > 0 && job->messages[job->count - 1] == message) {
        return 0; /* deliveries of one message come one behind the other */
    }
    if (job->count == job->limit) {
        job->more = true;
        return 1;
    }
    snprintf(job->ids[job->count], sizeof job->ids[0], "%s", json_string_value(json_object_get(object, "message")));
    job->messages[job->count++] = message;
    return 0;
}

/* Takes the plan over. */
static void add_row(struct reroute_job *job, struct reroute_plan *plan)
{
    json_array_append_new(job->rows, json_pack("{s:s,s:s,s:s,s:s}", "message", plan->id, "verdict",
                                               reroute_verdict_name(plan->verdict), "before", buf_text(&plan->before),
                                               "after", buf_text(&plan->after)));
    if (plan->verdict != REROUTE_MOVES) {
        job->same++;
        reroute_plan_done(plan);
    } else if (job->dry_run) {
        job->moved++;
        reroute_plan_done(plan);
    } else {
        job->plans[job->plan_count++] = *plan;
    }
}

static void plan_one(struct reroute_job *job, const struct reroute *reroute, size_t at)
{
    uint64_t message = job->messages[at];
    struct fault fault = FAULT_INIT;
    struct reroute_plan plan;
    job->done = message;
    if (reroute_plan(reroute, message, &plan, &fault) == 0) {
        add_row(job, &plan);
    } else {
        json_array_append_new(
            job->rows, json_pack("{s:s,s:s,s:s}", "message", job->ids[at], "verdict", "failed", "error", fault.text));
    }
}

static void on_lane(void *ctx)
{
    struct reroute_job *job = ctx;
    struct store *store = admin_store(job->admin, &job->fault);
    if (store == NULL || spool_query_list(store, &job->select, 0, note_message, job, &job->fault) != 0) {
        return;
    }
    struct reroute reroute = {.rules = decision_shared_set(job->share),
                              .scratch = filters_scratch_new(),
                              .store = store,
                              .counters = job->counters,
                              .now_ms = job->now_ms,
                              .again = json_is_true(json_object_get(job->body, "again"))};
    job->plans = expect_calloc(job->count + 1, sizeof *job->plans);
    uint64_t began = net_now_us(job->admin->loop);
    for (size_t i = 0; i < job->count; i++) {
        if (i > 0 && net_now_us(job->admin->loop) - began > BUDGET_US) {
            job->more = true;
            break;
        }
        plan_one(job, &reroute, i);
    }
    filters_scratch_free(&reroute.scratch);
}

/* ---- on the loop ---- */

static void finish_reroute(struct reroute_job *job)
{
    struct admin_request *request = job->request;
    json_t *next = job->more ? json_sprintf("%llu.%d", (unsigned long long)job->done, INT32_MAX) : json_null();
    json_object_update_new(job->answer, json_pack("{s:I,s:I,s:I,s:o}", "moved", (json_int_t)job->moved, "same",
                                                  (json_int_t)job->same, "busy", (json_int_t)job->busy, "next", next));
    admin_answer_json(request, 200, json_incref(job->answer));
    reroute_job_free(job);
}

static void step_reroute(struct reroute_job *job);

static void on_changed(void *ctx, const struct spool_change_result *result, const struct fault *fault)
{
    struct reroute_job *job = ctx;
    job->moved += result->changed > 0;
    job->busy += result->busy > 0;
    job->same += result->doubtful > 0;
    if (fault != NULL) {
        json_array_append_new(job->rows, json_pack("{s:s,s:s}", "verdict", "failed", "error", fault->text));
    }
    step_reroute(job);
}

static void step_reroute(struct reroute_job *job)
{
    if (job->request->admin == NULL || job->next == job->plan_count) {
        finish_reroute(job);
        return;
    }
    const struct reroute_plan *plan = &job->plans[job->next++];
    const struct spool_asker asker = {
        .by = job->by, .again = json_is_true(json_object_get(job->body, "again")), .done = on_changed, .ctx = job};
    spool_change_reroute(gateway_spool(job->admin->gateway), plan->id, plan->deliveries, plan->count, &asker);
}

static void on_planned(void *ctx)
{
    struct reroute_job *job = ctx;
    if (fault_is_set(&job->fault)) {
        admin_answer_fault(job->request, &job->fault);
        reroute_job_free(job);
        return;
    }
    step_reroute(job);
}

void admin_reroute(struct admin_request *request, json_t *body, const struct store_select *select, const char *by)
{
    struct reroute_job *job = expect_calloc(1, sizeof *job);
    json_int_t limit = json_integer_value(json_object_get(body, "limit"));
    job->request = request;
    job->admin = request->admin;
    job->body = json_incref(body);
    job->select = *select;
    job->by = by;
    job->dry_run = json_is_true(json_object_get(body, "dry_run"));
    job->limit = limit <= 0 ? MESSAGES_DEFAULT : limit > ADMIN_REROUTE_MAX ? ADMIN_REROUTE_MAX : (uint64_t)limit;
    job->now_ms = net_wall(request->admin->loop);
    job->share = decision_share(gateway_decision(request->admin->gateway));
    job->counters = decision_counters(gateway_decision(request->admin->gateway));
    job->rows = json_array();
    job->answer = json_pack("{s:o}", "messages", job->rows);
    net_lane_submit(request->admin->lane, on_lane, on_planned, job);
}

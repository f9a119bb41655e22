/*
 * reroute - see reroute.h.
 */
#include "decision/reroute.h"

#include <stdio.h>
#include <string.h>

#include "base/expect.h"
#include "decision/stored.h"

#define ARENA_MAX   (64u << 20)
#define TARGETS_MAX (1u << 20)

const char *reroute_verdict_name(enum reroute_verdict verdict)
{
    static const char *const names[] = {[REROUTE_SAME] = "same",
                                        [REROUTE_MOVES] = "moves",
                                        [REROUTE_REFUSED] = "refused",
                                        [REROUTE_DISCARDED] = "discarded",
                                        [REROUTE_IN_DOUBT] = "in_doubt"};
    return names[verdict];
}

void reroute_plan_done(struct reroute_plan *plan)
{
    buf_done(&plan->before);
    buf_done(&plan->after);
    arena_free(&plan->arena);
}

/* ---- comparing ---- */

static void add_target(struct buf *out, const char *upstream, const char *folder)
{
    buf_printf(out, "%s%s:%s", out->len > 0 ? ", " : "", upstream, folder);
}

static void old_targets(const struct stored *stored, struct buf *out)
{
    for (size_t i = 0; i < stored->target_count; i++) {
        add_target(out, stored->targets[i].upstream, stored->targets[i].folder);
    }
}

static void new_targets(const struct filters_decision *decision, struct buf *out)
{
    for (size_t i = 0; i < decision->delivery_count; i++) {
        add_target(out, decision->deliveries[i].upstream, decision->deliveries[i].folder);
    }
}

/* Whether an open delivery may lie where it was to go. */
static bool is_in_doubt(const struct stored *stored)
{
    for (size_t i = 0; i < stored->target_count; i++) {
        if (stored->targets[i].uncertain) {
            return true;
        }
    }
    return false;
}

/* The decision's own memory ends with the plan's making. */
static void keep_deliveries(struct reroute_plan *plan, const struct filters_decision *decision)
{
    plan->count = decision->delivery_count;
    plan->deliveries = expect_memory(arena_array(plan->arena, plan->count, sizeof *plan->deliveries));
    for (size_t i = 0; i < plan->count; i++) {
        EXPECT(mail_delivery_copy(plan->arena, &decision->deliveries[i], &plan->deliveries[i]) == 0);
    }
}

static void fill_plan(const struct reroute *reroute, const struct stored *stored,
                      const struct filters_decision *decision, struct reroute_plan *plan)
{
    buf_init(&plan->before, TARGETS_MAX);
    buf_init(&plan->after, TARGETS_MAX);
    plan->arena = arena_new(2 * ARENA_MAX);
    plan->deliveries = NULL;
    plan->count = 0;
    snprintf(plan->id, sizeof plan->id, "%s", stored->envelope.id);
    old_targets(stored, &plan->before);
    new_targets(decision, &plan->after);
    if (decision->reply_code != 0 || decision->delivery_count == 0) {
        plan->verdict = decision->reply_code != 0 ? REROUTE_REFUSED : REROUTE_DISCARDED;
    } else if (bytes_equal(buf_bytes(&plan->before), buf_bytes(&plan->after))) {
        plan->verdict = REROUTE_SAME;
    } else if (is_in_doubt(stored) && !reroute->again) {
        plan->verdict = REROUTE_IN_DOUBT;
    } else {
        plan->verdict = REROUTE_MOVES;
        keep_deliveries(plan, decision);
    }
}

int reroute_plan(const struct reroute *reroute, uint64_t message, struct reroute_plan *plan_r, struct fault *fault)
{
    struct stored stored;
    if (stored_open(&stored, reroute->store, message, fault) < 0) {
        return -1;
    }
    struct arena *arena = arena_new(ARENA_MAX);
    struct filters_decision decision = {0};
    struct filters_message asked = stored_message(&stored, reroute->now_ms);
    struct filters_counters counters;
    if (reroute->counters != NULL) {
        counters = *reroute->counters;
        counters.itself = &stored.envelope;
        asked.counters = &counters;
    }
    int result = filters_decide(reroute->rules, reroute->scratch, &asked, arena, &decision, fault);
    if (result == 0) {
        fill_plan(reroute, &stored, &decision, plan_r);
    }
    arena_free(&arena);
    stored_close(&stored);
    return result;
}

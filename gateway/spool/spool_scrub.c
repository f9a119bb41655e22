/*
 * spool_scrub - has the store look at what it keeps, a little each second, and tells what it found.
 *
 * A disk forgets silently. What waits for an upstream that is down for days, or lies there as a dead letter, is read by
 * nobody; whoever finds the damage at last should not be the one who needs the mail. And a store that contradicts
 * itself may say that nothing is due while something waits: nobody would ever fetch that.
 *
 * One round follows the other with a pause between them. What can be mended is mended at once; the rest is told in each
 * round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "spool/spool_private.h"

/* A second's work: some milliseconds of one processor, on the lane that has time. */
#define STEP_MS     1000
#define STEP_OCTETS (1u << 20)
/* The first round begins so long after the start, when that has been digested. */
#define FIRST_MS 60000
/* Lines of one round in the log; the rest is counted. */
#define TOLD_MAX 20

struct scrub_finding {
    enum store_damage_kind kind;
    char id[STORE_ID_LEN];
    struct fault what;
};

struct spool_scrub {
    struct spool *spool;
    struct net_timer *timer;
    struct store_scrub at;
    /* Of a step on a lane. */
    bool failed;
    struct fault fault;
    struct scrub_finding *findings;
    size_t count;
    struct store_counts counts;
    bool is_over; /* with it the round is */
    /* Of the round. */
    bool needs_mending;
    uint64_t damaged, messages, octets, told;
    bool torn; /* what cannot be mended beside a running gateway */
    char reason[sizeof((struct spool_health *)0)->reason];
};

static const char *const words[] = {
    [STORE_DAMAGE_BODY] = "body",
    [STORE_DAMAGE_INDEX] = "index",
    [STORE_DAMAGE_TABLE] = "table",
    [STORE_DAMAGE_UNREAD] = "unread",
};

/* ---- on the lanes ---- */

static void note_damage(void *ctx, const struct store_damage *damage)
{
    struct spool_scrub *scrub = ctx;
    scrub->findings = expect_memory(realloc(scrub->findings, (scrub->count + 1) * sizeof *scrub->findings));
    struct scrub_finding *finding = &scrub->findings[scrub->count++];
    *finding = (struct scrub_finding){.kind = damage->kind, .what = damage->what};
    snprintf(finding->id, sizeof finding->id, "%s", damage->id == NULL ? "" : damage->id);
}

static void look_at_bodies(void *ctx)
{
    struct spool_scrub *scrub = ctx;
    struct store *store = scrub->spool->store;
    scrub->failed = store->ops->scrub(store, &scrub->at, &scrub->fault) != 0;
}

static void mend_counts(void *ctx)
{
    struct spool_scrub *scrub = ctx;
    struct store *store = scrub->spool->store;
    scrub->failed = store->ops->mend(store, &scrub->counts, &scrub->fault) != 0;
}

/* ---- telling ---- */

/* Of many alike the first are told, and all are counted. */
static void log_finding(struct spool_scrub *scrub, const char *id, const char *kind, const struct fault *what)
{
    if (scrub->told++ < TOLD_MAX) {
        log_event(scrub->spool->log, LOG_LEVEL_ERROR, "spool_damaged", LOG_STR("id", id), LOG_STR("what", kind),
                  LOG_STR("error.code", what->code), LOG_STR("error.message", what->text));
    }
}

static void take_finding(struct spool_scrub *scrub, const struct scrub_finding *finding)
{
    struct spool_health *health = &scrub->spool->health;
    log_finding(scrub, finding->id, words[finding->kind], &finding->what);
    scrub->damaged += finding->kind == STORE_DAMAGE_BODY;
    scrub->needs_mending = scrub->needs_mending || finding->kind == STORE_DAMAGE_INDEX;
    health->damaged = scrub->damaged > health->damaged ? scrub->damaged : health->damaged;
    if (finding->kind == STORE_DAMAGE_TABLE) {
        scrub->torn = health->is_torn = true;
    }
    if (finding->kind != STORE_DAMAGE_UNREAD && finding->kind != STORE_DAMAGE_INDEX && scrub->reason[0] == '\0') {
        snprintf(scrub->reason, sizeof scrub->reason, "%s%s%s", finding->id, finding->id[0] == '\0' ? "" : ": ",
                 finding->what.text);
        memcpy(health->reason, scrub->reason, sizeof health->reason);
    }
}

/* What the round did not find any more is over: the mail was dropped, or the disk was put right. */
static void end_round(struct spool_scrub *scrub)
{
    struct spool_health *health = &scrub->spool->health;
    health->rounds++;
    health->damaged = scrub->damaged;
    health->is_torn = scrub->torn;
    memcpy(health->reason, scrub->reason, sizeof health->reason);
    log_event(scrub->spool->log, scrub->told > 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "spool_checked",
              LOG_INT("messages", scrub->messages), LOG_INT("octets", scrub->octets), LOG_INT("found", scrub->told));
    scrub->damaged = scrub->messages = scrub->octets = scrub->told = 0;
    scrub->torn = scrub->needs_mending = false;
    scrub->reason[0] = '\0';
    scrub->at.at = 0;
}

/* ---- one step after the other ---- */

static void end_step(struct spool_scrub *scrub)
{
    uint64_t every_ms = scrub->spool->options.check_every_ms,
             step_ms = every_ms / 10 < STEP_MS ? every_ms / 10 : STEP_MS;
    if (scrub->is_over) {
        end_round(scrub);
    }
    if (!scrub->spool->closing) {
        net_timer_start(scrub->timer, scrub->is_over ? every_ms : step_ms);
    }
}

/* What waits and was not found by anybody is due: whoever fetches looks. */
static void on_mended(void *ctx)
{
    struct spool_scrub *scrub = ctx;
    struct spool *spool = scrub->spool;
    scrub->needs_mending = false;
    if (scrub->failed) {
        log_finding(scrub, "", words[STORE_DAMAGE_INDEX], &scrub->fault);
        scrub->torn = spool->health.is_torn = true;
        snprintf(spool->health.reason, sizeof spool->health.reason, "%s", scrub->fault.text);
        memcpy(scrub->reason, spool->health.reason, sizeof scrub->reason);
    } else {
        spool->health.mended++;
        spool_take_counts(spool, &scrub->counts);
        log_event(spool->log, LOG_LEVEL_WARNING, "spool_mended", LOG_INT("waiting", scrub->counts.waiting),
                  LOG_STR("reason", "the spool's index had lost track of mail that is there; the mail is found again"));
        spool_wake(spool, NULL);
    }
    end_step(scrub);
}

static void on_looked(void *ctx)
{
    struct spool_scrub *scrub = ctx;
    struct spool *spool = scrub->spool;
    for (size_t i = 0; i < scrub->count; i++) {
        take_finding(scrub, &scrub->findings[i]);
    }
    scrub->count = 0;
    scrub->messages += scrub->at.messages;
    scrub->octets += scrub->at.read;
    spool->health.messages += scrub->at.messages;
    if (scrub->failed && strcmp(scrub->fault.code, "damaged") == 0) {
        const struct scrub_finding torn = {.kind = STORE_DAMAGE_TABLE, .what = scrub->fault};
        take_finding(scrub, &torn);
    }
    /* Before the round ends: that it could not be mended is what the round has found. */
    scrub->is_over = scrub->failed || scrub->at.whole;
    if (scrub->needs_mending && !scrub->torn && !spool->closing) {
        net_lane_submit(spool->disk, mend_counts, on_mended, scrub);
    } else {
        end_step(scrub);
    }
}

static void on_timer(void *ctx)
{
    struct spool_scrub *scrub = ctx;
    scrub->failed = false;
    scrub->fault = FAULT_INIT;
    net_lane_submit(scrub->spool->tidy, look_at_bodies, on_looked, scrub);
}

void spool_scrub_start(struct spool *spool)
{
    uint64_t every_ms = spool->options.check_every_ms;
    if (every_ms == 0) {
        return;
    }
    struct spool_scrub *scrub = expect_calloc(1, sizeof *scrub);
    *scrub = (struct spool_scrub){.spool = spool, .at = {.octets = STEP_OCTETS, .found = note_damage, .ctx = scrub}};
    scrub->timer = net_timer_new(spool->loop, on_timer, scrub);
    net_timer_start(scrub->timer, every_ms < FIRST_MS ? every_ms : FIRST_MS);
    spool->scrub = scrub;
}

void spool_scrub_stop(struct spool *spool)
{
    if (spool->scrub != NULL) {
        net_timer_stop(spool->scrub->timer);
    }
}

void spool_scrub_free(struct spool *spool)
{
    if (spool->scrub != NULL) {
        net_timer_free(&spool->scrub->timer);
        free(spool->scrub->findings);
        free(spool->scrub);
        spool->scrub = NULL;
    }
}

void spool_health(const struct spool *spool, struct spool_health *health_r)
{
    *health_r = spool->health;
}

/*
 * queue_reroute - `mailweir queue reroute`: what today's rules would do with messages that wait, and doing it.
 *
 * The rules run here, over the stored message and its envelope; the gateway that runs then replaces the open deliveries of each message
 * at once, or not at all. A message that the rules would now refuse or discard stays as it is: it was acknowledged.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/expect.h"
#include "cli/queue.h"
#include "filters/filters.h"
#include "net/net_loop.h"
#include "spool/spool_admin.h"
#include "spool/spool_meta.h"

#define ARENA_MAX (256u << 20)
#define WAIT_MS   30000

struct reroute {
    const struct queue_options *options;
    const struct config *config;
    struct filters_scratch *scratch;
    struct net_loop *loop; /* for its clock */
    uint64_t same, changed, busy;
};

/* ---- comparing and printing ---- */

static bool is_open(const json_t *delivery)
{
    const char *state = json_string_value(json_object_get(delivery, "state"));
    return strcmp(state, "filed") != 0 && strcmp(state, "dropped") != 0;
}

static void add_target(struct buf *out, const char *upstream, const char *folder)
{
    buf_printf(out, "%s%s:%s", out->len > 0 ? ", " : "", upstream, folder);
}

static void old_targets(const json_t *story, struct buf *out)
{
    size_t i;
    json_t *delivery;
    json_array_foreach(json_object_get(story, "deliveries"), i, delivery)
    {
        if (is_open(delivery)) {
            add_target(out, json_string_value(json_object_get(delivery, "upstream")),
                       json_string_value(json_object_get(delivery, "folder")));
        }
    }
}

static void new_targets(const struct filters_decision *decision, struct buf *out)
{
    for (size_t i = 0; i < decision->delivery_count; i++) {
        add_target(out, decision->deliveries[i].upstream, decision->deliveries[i].folder);
    }
}

/* ---- doing it ---- */

static int ask(struct reroute *reroute, const char *id, const struct filters_decision *decision)
{
    struct buf text;
    struct fault fault = FAULT_INIT;
    char *reply = NULL;
    buf_init(&text, SPOOL_ADMIN_REQUEST_MAX);
    buf_printf(&text, "{\"verb\":\"reroute\",\"message\":\"%s\",\"deliveries\":[", id);
    for (size_t i = 0; i < decision->delivery_count; i++) {
        buf_append_text(&text, i > 0 ? "," : "");
        spool_meta_write_delivery(&text, &decision->deliveries[i]);
    }
    buf_append_text(&text, "]}");
    int result = spool_admin_call(reroute->options->spool, buf_text(&text), WAIT_MS, &reply, &fault);
    buf_done(&text);
    if (result != 0) {
        return queue_failed(&fault);
    }
    json_t *object = json_loads(reply, 0, NULL);
    const char *error = json_string_value(json_object_get(object, "error"));
    if (error != NULL) {
        fprintf(stderr, "mailweir: %s: %s\n", id, error);
    }
    reroute->changed += json_integer_value(json_object_get(object, "changed")) > 0;
    reroute->busy += json_integer_value(json_object_get(object, "busy")) > 0;
    result = error != NULL ? EX_UNAVAILABLE : EX_OK;
    json_decref(object);
    free(reply);
    return result;
}

static int apply(struct reroute *reroute, const char *id, const json_t *story, const struct filters_decision *decision)
{
    struct buf before, after;
    int result = EX_OK;
    buf_init(&before, 1u << 20);
    buf_init(&after, 1u << 20);
    old_targets(story, &before);
    new_targets(decision, &after);
    if (decision->reply_code != 0 || decision->delivery_count == 0) {
        printf("%s: stays (%s): the rules would now %s it\n", id, buf_text(&before),
               decision->reply_code != 0 ? "refuse" : "discard");
        reroute->same++;
    } else if (bytes_equal(buf_bytes(&before), buf_bytes(&after))) {
        reroute->same++;
    } else {
        printf("%s: %s -> %s\n", id, buf_text(&before), buf_text(&after));
        reroute->changed += reroute->options->dry_run;
        result = reroute->options->dry_run ? EX_OK : ask(reroute, id, decision);
    }
    buf_done(&before);
    buf_done(&after);
    return result;
}

struct one {
    struct reroute *reroute;
    const char *id;
    struct fault *fault;
};

/* By the rules and the clock of today. */
static int decide_and_apply(void *ctx, const json_t *story, const struct filters_message *stored)
{
    const struct one *one = ctx;
    struct reroute *reroute = one->reroute;
    struct arena *arena = arena_new(ARENA_MAX);
    struct filters_message message = *stored;
    struct filters_decision decision = {0};
    message.now_ms = net_wall(reroute->loop);
    int result = filters_decide(reroute->config->rule_set, reroute->scratch, &message, arena, &decision, one->fault);
    result = result == 0 ? apply(reroute, one->id, story, &decision) : result;
    arena_free(&arena);
    return result;
}

static int reroute_message(void *ctx, struct spool_index *index, uint64_t message, const char *id)
{
    struct reroute *reroute = ctx;
    struct fault fault = FAULT_INIT;
    struct one one = {.reroute = reroute, .id = id, .fault = &fault};
    int result = queue_read_stored(reroute->options->spool, index, message, decide_and_apply, &one, &fault);
    if (fault_is_set(&fault)) {
        fprintf(stderr, "mailweir: %s stays as it is: %s\n", id, fault.text);
        return 1;
    }
    return result < 0 ? EX_OK : result;
}

int queue_reroute(struct queue_options *options, int argc, char **argv)
{
    int exit_code = queue_choose(options, argc, argv);
    if (exit_code != EX_OK) {
        return exit_code;
    }
    struct config *config = cli_load_config(options->config_file);
    if (config == NULL) {
        return EX_CONFIG;
    }
    struct reroute reroute = {
        .options = options, .config = config, .scratch = filters_scratch_new(), .loop = net_loop_new()};
    exit_code = queue_each_message(options, reroute_message, &reroute);
    printf("%" PRIu64 " %s, %" PRIu64 " stay, %" PRIu64 " are being delivered now\n", reroute.changed,
           options->dry_run ? "would move" : "moved", reroute.same, reroute.busy);
    net_loop_free(&reroute.loop);
    filters_scratch_free(&reroute.scratch);
    config_free(&config);
    return exit_code;
}

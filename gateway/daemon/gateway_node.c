/*
 * gateway_node - what this gateway says of itself to those who ask another node of the same queue: sessions, pools, how
 * long its loop's turns take.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "daemon/gateway_private.h"
#include "spool/spool_node.h"
#include "store/store_sum.h"

static json_t *upstreams_of(const struct gateway *gateway)
{
    json_t *all = json_object();
    for (size_t i = 0; i < dispatch_upstream_count(gateway->dispatch); i++) {
        struct dispatch_state state;
        dispatch_state(gateway->dispatch, i, &state);
        size_t share = state.pool.share == SIZE_MAX ? 0 : state.pool.share;
        json_object_set_new(all, state.config->name,
                            json_pack("{s:I,s:I,s:I,s:I,s:b}", "connections", (json_int_t)state.pool.connections,
                                      "slots", (json_int_t)share, "active", (json_int_t)state.counts.active, "filed",
                                      (json_int_t)state.counts.filed, "down", state.down_since != 0));
    }
    return all;
}

static uint64_t filed_by(const struct gateway *gateway)
{
    uint64_t filed = 0;
    for (size_t i = 0; i < dispatch_upstream_count(gateway->dispatch); i++) {
        struct dispatch_state state;
        dispatch_state(gateway->dispatch, i, &state);
        filed += state.counts.filed;
    }
    return filed;
}

/* The texts of the rules in their order, as one number: nodes that decide alike have the same. */
static void note_digest(struct gateway *gateway)
{
    const struct config *config = gateway->config;
    struct store_sum *sum = store_sum_new();
    for (size_t i = 0; i < config->rule_file_count; i++) {
        store_sum_add(sum, config->rule_files[i].text);
    }
    const char *const fallback[] = {config->default_upstream, config->default_folder};
    for (size_t i = 0; i < sizeof fallback / sizeof fallback[0]; i++) {
        store_sum_add(sum, bytes_of(fallback[i] == NULL ? "" : fallback[i]));
    }
    snprintf(gateway->digest, sizeof gateway->digest, "%016" PRIx64, store_sum_value(sum));
    gateway->digest_loads = gateway->loads;
    store_sum_free(&sum);
}

static void tell_state(void *ctx, struct buf *out)
{
    struct gateway *gateway = ctx;
    struct reception_counts reception;
    struct gateway_state state;
    reception_count(gateway->reception, &reception);
    gateway_state(gateway, &state);
    if (gateway->digest[0] == 0 || gateway->digest_loads != gateway->loads) {
        note_digest(gateway);
    }
    json_t *json = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "started_ms", (json_int_t)state.started_ms, "sessions",
                             (json_int_t)reception.sessions_open, "accepted", (json_int_t)reception.accepted, "filed",
                             (json_int_t)filed_by(gateway), "rules", (json_int_t)state.rules, "longest_turn_us",
                             (json_int_t)state.longest_turn.took_us, "upstreams", upstreams_of(gateway));
    struct spool_node_counts counts = {0};
    if (spool_node_count(gateway->spool, &counts)) {
        json_object_set_new(json, "skew_ms", json_integer((json_int_t)counts.skew_ms));
        json_object_set_new(json, "takeovers", json_integer((json_int_t)counts.takeovers));
    }
    json_object_set_new(json, "rules_digest", json_string(gateway->digest));
    char *text = json_dumps(json, JSON_COMPACT);
    if (text != NULL) {
        buf_append_text(out, text);
    }
    free(text);
    json_decref(json);
}

void gateway_tell_nodes(struct gateway *gateway)
{
    spool_node_set_state(gateway->spool, tell_state, gateway);
}

bool gateway_rules_differ(const struct gateway *gateway)
{
    size_t i;
    json_t *node, *nodes = spool_node_list(gateway->spool);
    const char *first = NULL;
    bool differ = false;
    json_array_foreach(nodes, i, node)
    {
        const char *digest = json_string_value(json_object_get(json_object_get(node, "state"), "rules_digest"));
        bool lives = json_integer_value(json_object_get(node, "lease_ms")) > 0 && digest != NULL && digest[0] != '\0';
        differ = differ || (lives && first != NULL && strcmp(first, digest) != 0);
        first = lives ? digest : first;
    }
    json_decref(nodes);
    return differ;
}

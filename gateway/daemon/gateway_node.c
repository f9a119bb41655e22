/*
 * gateway_node - what this gateway says of itself to those who ask another node of the same queue: sessions, pools, how
 * long its loop's turns take.
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/buf.h"
#include "daemon/gateway_private.h"
#include "spool/spool_node.h"

static json_t *upstreams_of(const struct gateway *gateway)
{
    json_t *all = json_object();
    for (size_t i = 0; i < dispatch_upstream_count(gateway->dispatch); i++) {
        struct dispatch_state state;
        dispatch_state(gateway->dispatch, i, &state);
        json_object_set_new(all, state.config->name,
                            json_pack("{s:I,s:I,s:I,s:b}", "connections", (json_int_t)state.pool.connections, "active",
                                      (json_int_t)state.counts.active, "filed", (json_int_t)state.counts.filed, "down",
                                      state.down_since != 0));
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

static void tell_state(void *ctx, struct buf *out)
{
    const struct gateway *gateway = ctx;
    struct reception_counts reception;
    struct gateway_state state;
    reception_count(gateway->reception, &reception);
    gateway_state(gateway, &state);
    json_t *json = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "started_ms", (json_int_t)state.started_ms, "sessions",
                             (json_int_t)reception.sessions_open, "accepted", (json_int_t)reception.accepted, "filed",
                             (json_int_t)filed_by(gateway), "rules", (json_int_t)state.rules, "longest_turn_us",
                             (json_int_t)state.longest_turn.took_us, "upstreams", upstreams_of(gateway));
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

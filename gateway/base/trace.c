/*
 * trace - see trace.h.
 */
#include "base/trace.h"

#include <string.h>

static struct trace *find_trace(struct traces *traces, unsigned id)
{
    for (size_t i = 0; i < TRACES_MAX; i++) {
        if (id != 0 && traces->items[i].id == id) {
            return &traces->items[i];
        }
    }
    return NULL;
}

unsigned traces_add(struct traces *traces, const struct trace *trace)
{
    for (size_t i = 0; i < TRACES_MAX; i++) {
        if (traces->items[i].id == 0) {
            traces->items[i] = *trace;
            traces->items[i].id = ++traces->last_id;
            traces->count++;
            return traces->last_id;
        }
    }
    return 0;
}

int traces_stop(struct traces *traces, unsigned id)
{
    struct trace *trace = find_trace(traces, id);
    if (trace == NULL) {
        return -1;
    }
    *trace = (struct trace){0};
    traces->count--;
    return 0;
}

static bool fits_trace(const struct trace *trace, enum trace_kind kind, const char *name, const char *client)
{
    uint8_t address[16];
    if (trace->id == 0 || trace->kind != kind || (trace->name[0] != '\0' && strcmp(trace->name, name) != 0)) {
        return false;
    }
    return !trace->has_network || (client != NULL && network_address_parse(address, bytes_of(client)) == 0 &&
                                   network_contains(&trace->network, address));
}

unsigned traces_pick(const struct traces *traces, enum trace_kind kind, const char *name, const char *client,
                     uint64_t now)
{
    for (size_t i = 0; i < TRACES_MAX && traces->count > 0; i++) {
        if (fits_trace(&traces->items[i], kind, name, client) && now < traces->items[i].until) {
            return traces->items[i].id;
        }
    }
    return 0;
}

int traces_spend(struct traces *traces, unsigned id, size_t octets, uint64_t now)
{
    struct trace *trace = find_trace(traces, id);
    if (trace == NULL) {
        return -1;
    }
    /* Both limits end it for good: a trace that somebody forgot must not fill the log for weeks. */
    if (now >= trace->until || octets > trace->left) {
        disregard(traces_stop(traces, id));
        return 0;
    }
    trace->left -= octets;
    trace->lines++;
    return 1;
}

unsigned traces_expire(struct traces *traces, uint64_t now)
{
    for (size_t i = 0; i < TRACES_MAX && traces->count > 0; i++) {
        unsigned id = traces->items[i].id;
        if (id != 0 && now >= traces->items[i].until) {
            disregard(traces_stop(traces, id));
            return id;
        }
    }
    return 0;
}

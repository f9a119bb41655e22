/*
 * sim_link - the wires of simulated connections, and the peers' end of them; see sim_link.h.
 *
 * A link has two wires. Each wire holds what was sent and not delivered; one event at a time delivers a drawn part of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim_net_private.h"

/* A gateway that stood still has let go of what is not its own any more so long after. */
#define LETS_GO ((uint64_t)SIM_SECOND)

static struct list links;
static uint64_t notices_us = 200 * SIM_MS;
static bool begun;
static uint64_t link_number;

/* ---- the wires ---- */

bool sim_link_free_if_over(struct sim_link *link)
{
    bool is_over = link->stream == NULL && link->peer_gone && link->busy == 0;
    if (is_over) {
        sim_cancel(&link->in.event);
        sim_cancel(&link->out.event);
        sim_cancel(&link->unheard);
        list_remove(&link->all);
        buf_done(&link->in.data);
        buf_done(&link->out.data);
        free(link);
    }
    return is_over;
}

void sim_link_tell_closed(struct sim_link *link, bool was_reset)
{
    if (!link->peer_gone) {
        link->peer_gone = true;
        link->events->on_close(link->ctx, was_reset);
    }
}

/* Both ends hear that the connection is gone, and what was under way is lost. */
static void break_link(struct sim_link *link)
{
    sim_cancel(&link->in.event);
    sim_cancel(&link->out.event);
    sim_cancel(&link->unheard);
    buf_clear(&link->in.data);
    buf_clear(&link->out.data);
    if (link->stream != NULL) {
        struct net_stream *stream = link->stream;
        stream->link = NULL;
        link->stream = NULL;
        if (stream->finishing) {
            net_stream_free(&stream);
        } else {
            sim_stream_fail(stream, "econnreset", "read", "connection reset by peer");
        }
    }
    sim_link_tell_closed(link, true);
    sim_link_free_if_over(link);
}

uint64_t sim_link_delay(struct sim_link *link)
{
    uint64_t delay = sim_random_between(&link->random, link->latency / 2, link->latency * 3 / 2);
    uint64_t moved = link->in.moved + link->out.moved;
    if (!link->stalled && link->trouble.stall_us > 0 && moved >= link->trouble.stall_after) {
        link->stalled = true;
        link->quiet_until = sim_now() + link->trouble.stall_us;
        sim_say("a link falls silent for %llu s", (unsigned long long)(link->trouble.stall_us / SIM_SECOND));
    }
    return sim_now() + delay < link->quiet_until ? link->quiet_until - sim_now() : delay;
}

/* Something that the gateway's end does, when what is under way is there. */
static struct sim_event *in_gateway(struct sim_link *link, sim_fn *fn)
{
    unsigned before = sim_machine_enter(link->machine);
    struct sim_event *event = sim_gateway_after(sim_link_delay(link), fn, link);
    sim_machine_enter(before);
    return event;
}

/* How much of a wire moves at once; cut short where the link is to break. Sets *breaks_r when it breaks behind it. */
static size_t portion(struct sim_link *link, struct wire *wire, size_t room, uint64_t break_after, bool *breaks_r)
{
    size_t len = wire->data.len < room ? wire->data.len : room;
    if (len > 0 && sim_random_chance(&link->random, 30)) {
        len = (size_t)sim_random_between(&link->random, 1, len);
    }
    *breaks_r = break_after > 0 && wire->moved + len >= break_after;
    return *breaks_r ? (size_t)(break_after - wire->moved) : len;
}

/* What comes in clear where a handshake is expected. */
static void fail_tls(struct sim_link *link)
{
    struct net_stream *stream = link->stream;
    sim_say("a handshake fails");
    buf_clear(&link->in.data);
    buf_clear(&link->out.data);
    stream->link = NULL;
    link->stream = NULL;
    sim_cancel(&link->in.event);
    sim_cancel(&link->out.event);
    sim_cancel(&link->unheard);
    sim_stream_fail(stream, "tls", "tls", "the handshake failed");
    sim_link_tell_closed(link, true);
    sim_link_free_if_over(link);
}

/* Begins TLS when both ends have said so; true when the link is gone by that. */
static bool try_tls(struct sim_link *link)
{
    if (!link->gateway_tls || link->tls_told) {
        return false;
    }
    if (link->in.data.len > 0 || (link->peer_tls && link->trouble.tls_fails)) {
        fail_tls(link);
        return true;
    }
    if (link->peer_tls && link->out.data.len == 0) {
        link->tls_told = true;
        link->stream->tls_ready = true;
        sim_stream_note(link->stream, NET_STREAM_TLS_READY);
        if (!link->peer_gone && link->events->on_tls != NULL) {
            link->events->on_tls(link->ctx);
        }
    }
    return false;
}

static void deliver_in(void *ctx)
{
    struct sim_link *link = ctx;
    struct net_stream *stream = link->stream;
    link->in.event = NULL;
    if (stream == NULL || (sim_link_way_of(link) & SIM_LINK_WAY_NO_IN) != 0) {
        return;
    }
    /* What is on its way when a handshake is expected is none. */
    if (try_tls(link)) {
        return;
    }
    bool breaks;
    size_t room = stream->finishing ? SIM_WIRE_MAX : stream->limits.input_max - stream->input.len;
    size_t len = portion(link, &link->in, room, link->trouble.break_after_in, &breaks);
    struct bytes data = bytes_slice(buf_bytes(&link->in.data), 0, len);
    sim_trace("in", data.ptr, data.len);
    if (len > 0 && !stream->finishing) {
        EXPECT(buf_append_bytes(&stream->input, data) == 0);
        sim_stream_note(stream, NET_STREAM_INPUT);
    }
    buf_consume(&link->in.data, len);
    link->in.moved += len;
    if (breaks) {
        sim_say("a link breaks after %llu octets to the gateway", (unsigned long long)link->in.moved);
        break_link(link);
        return;
    }
    if (link->in.data.len == 0 && link->in.fin && !link->in.ended) {
        link->in.ended = true;
        stream->eof = true;
        sim_stream_note(stream, NET_STREAM_EOF);
    }
    if (try_tls(link)) {
        return;
    }
    if (stream->finishing && stream->eof && link->out.data.len == 0) {
        net_stream_free(&stream);
        return;
    }
    sim_link_plan_in(link);
}

void sim_link_plan_in(struct sim_link *link)
{
    struct net_stream *stream = link->stream;
    if (link->in.event != NULL || stream == NULL || !stream->connected) {
        return;
    }
    bool has_more = link->in.data.len > 0 || (link->in.fin && !link->in.ended);
    bool takes = stream->fn != NULL && !stream->paused && stream->input.len < stream->limits.input_max;
    if (has_more && (takes || stream->finishing)) {
        link->in.event = in_gateway(link, deliver_in);
    }
}

static void note_drained(struct net_stream *stream, size_t unsent)
{
    if (unsent == 0 || (stream->above_low && unsent <= stream->limits.output_low)) {
        stream->above_low = false;
        sim_stream_note(stream, NET_STREAM_DRAINED);
    }
}

static void end_out(struct sim_link *link)
{
    link->out.ended = true;
    sim_link_tell_closed(link, false);
    sim_link_free_if_over(link);
}

static void deliver_out(void *ctx)
{
    struct sim_link *link = ctx;
    link->out.event = NULL;
    if ((sim_link_way_of(link) & SIM_LINK_WAY_NO_OUT) != 0) {
        return;
    }
    bool breaks;
    size_t len = portion(link, &link->out, 65536, link->trouble.break_after_out, &breaks);
    struct buf part;
    buf_init(&part, len);
    buf_append_bytes(&part, bytes_slice(buf_bytes(&link->out.data), 0, len));
    sim_trace("out", buf_bytes(&part).ptr, part.len);
    buf_consume(&link->out.data, len);
    link->out.moved += len;
    if (link->stream != NULL && !link->stream->finishing) {
        note_drained(link->stream, link->out.data.len);
    }
    link->busy++;
    if (len > 0 && !link->peer_gone) {
        link->events->on_data(link->ctx, buf_bytes(&part));
    }
    link->busy--;
    buf_done(&part);
    if (sim_link_free_if_over(link)) {
        return;
    }
    if (breaks) {
        sim_say("a link breaks after %llu octets from the gateway", (unsigned long long)link->out.moved);
        break_link(link);
        return;
    }
    if (link->stream != NULL && try_tls(link)) {
        return;
    }
    if (link->out.data.len == 0 && link->out.fin && !link->out.ended) {
        end_out(link);
        return;
    }
    sim_link_plan_out(link);
}

static void on_unheard(void *ctx)
{
    struct sim_link *link = ctx;
    link->unheard = NULL;
    sim_say("the kernel of machine %u gives up a link", link->machine);
    break_link(link);
}

/* What is sent while the way is broken is not acknowledged. */
static void await_acknowledgement(struct sim_link *link)
{
    bool waits = sim_link_way_of(link) != SIM_LINK_WAY_WHOLE && link->out.data.len > 0 && link->unacked_us > 0;
    if (waits && link->unheard == NULL) {
        link->unheard_from = sim_now();
        link->unheard = sim_after(link->unacked_us, on_unheard, link);
    }
}

void sim_link_bound_unacked(struct sim_link *link, uint64_t unacked_us)
{
    link->unacked_us = unacked_us;
    if (link->unheard != NULL) {
        uint64_t waited = sim_now() - link->unheard_from;
        sim_cancel(&link->unheard);
        link->unheard = sim_after(waited < unacked_us ? unacked_us - waited : 0, on_unheard, link);
    }
}

void sim_link_way_changed(unsigned machine, size_t server)
{
    if (!begun) {
        return;
    }
    LIST_EACH(at, &links)
    {
        struct sim_link *link = LIST_ITEM(at, struct sim_link, all);
        if (link->machine != machine || link->server != server) {
            continue;
        }
        if (sim_link_way_of(link) != SIM_LINK_WAY_WHOLE) {
            await_acknowledgement(link);
            continue;
        }
        sim_cancel(&link->unheard);
        sim_link_plan_out(link);
        if (link->in.event == NULL && link->stream != NULL && link->stream->connected) {
            link->in.event = in_gateway(link, deliver_in);
        }
    }
}

void sim_link_plan_out(struct sim_link *link)
{
    await_acknowledgement(link);
    if (link->out.event == NULL && (link->out.data.len > 0 || (link->out.fin && !link->out.ended))) {
        link->out.event = sim_after(sim_link_delay(link), deliver_out, link);
    }
}

struct sim_link *sim_link_new(const struct sim_link_events *events, void *ctx)
{
    if (!begun) {
        list_init(&links);
        begun = true;
    }
    struct sim_link *link = expect_calloc(1, sizeof *link);
    sim_random_init(&link->random, sim_seed(), "link", link_number++);
    list_init(&link->all);
    list_append(&links, &link->all);
    link->machine = sim_machine();
    link->events = events;
    link->ctx = ctx;
    link->latency = sim_random_chance(&link->random, 20) ? 80 * SIM_MS : 400;
    buf_init(&link->in.data, SIM_WIRE_MAX);
    buf_init(&link->out.data, SIM_WIRE_MAX);
    return link;
}

void sim_link_expect_tls(struct sim_link *link)
{
    link->gateway_tls = true;
    sim_link_plan_out(link);
    if (link->in.event == NULL) {
        link->in.event = in_gateway(link, deliver_in);
    }
}

/* ---- the peers' end ---- */

void sim_link_send(struct sim_link *link, struct bytes data)
{
    EXPECT(buf_append_bytes(&link->in.data, data) == 0);
    sim_link_plan_in(link);
}

void sim_link_start_tls(struct sim_link *link)
{
    link->peer_tls = true;
    if (link->stream != NULL) {
        try_tls(link);
    }
}

bool sim_link_is_tls(const struct sim_link *link)
{
    return link->tls_told;
}

void sim_link_close(struct sim_link **link_ref)
{
    struct sim_link *link = *link_ref;
    *link_ref = NULL;
    if (link != NULL && !link->peer_gone) {
        link->peer_gone = true;
        link->in.fin = true;
        sim_link_plan_in(link);
        sim_link_free_if_over(link);
    }
}

void sim_link_reset(struct sim_link **link_ref)
{
    struct sim_link *link = *link_ref;
    *link_ref = NULL;
    if (link != NULL && !link->peer_gone) {
        link->peer_gone = true;
        break_link(link);
    }
}

bool sim_link_is_held(const struct sim_link *link)
{
    bool holds = link->stream != NULL && !link->stream->finishing && !sim_machine_was_paused(link->machine, LETS_GO);
    return holds || link->is_dead;
}

unsigned sim_link_machine(const struct sim_link *link)
{
    return link->machine;
}

void sim_link_set_notice(uint64_t most_us)
{
    notices_us = most_us;
}

static void on_crash_heard(void *ctx)
{
    struct sim_link *link = ctx;
    link->out.event = NULL;
    link->is_dead = false;
    sim_link_tell_closed(link, true);
    sim_link_free_if_over(link);
}

uint64_t sim_link_memory(void)
{
    uint64_t octets = 0;
    if (!begun) {
        return 0;
    }
    LIST_EACH(at, &links)
    {
        const struct sim_link *link = LIST_ITEM(at, struct sim_link, all);
        octets += link->in.data.size + link->out.data.size + sizeof *link;
    }
    return octets;
}

void sim_link_crash(void)
{
    sim_listeners_crash();
    if (!begun) {
        return;
    }
    LIST_EACH(at, &links)
    {
        struct sim_link *link = LIST_ITEM(at, struct sim_link, all);
        if (link->stream != NULL && link->machine == sim_machine()) {
            link->stream = NULL;
            link->in.event = NULL; /* was the gateway's */
            sim_cancel(&link->out.event);
            sim_cancel(&link->unheard);
            /* What the kernel had of ours may still arrive: then the peer hears the reset. One that stood still had no
             * right to it any more, and could not let go. */
            link->is_dead = !sim_machine_was_paused(link->machine, LETS_GO);
            link->out.event = sim_after(sim_random_between(&link->random, 1, notices_us), on_crash_heard, link);
        }
    }
}

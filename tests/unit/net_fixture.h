/*
 * net_fixture - for the tests of streams: a loop, a listener on a free port of the loopback, one accepted and one connected
 * stream, and what both have heard. Waiting is for a condition, with a deadline.
 */
#ifndef MAILWEIR_TESTS_NET_FIXTURE_H
#define MAILWEIR_TESTS_NET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/net_stream.h"

#define DEADLINE_MS 60000

struct end {
    struct net_stream *stream;
    unsigned heard[NET_STREAM_FAILED + 1]; /* how often each event came */
    char order[64];                        /* the events' initials, in the order they came */
    struct buf got;                        /* consumed input, when `eats` */
    bool eats;
    bool echoes;
    bool frees_on_input;
    bool inside;         /* a call of the fixture's own is under way: no event may come */
    struct net_tls *tls; /* started at once when connected or accepted */
};

struct fixture {
    struct net_loop *loop;
    struct net_listener *listener;
    struct net_timer *deadline;
    struct end client, server;
    struct net_stream_limits limits;
    bool (*until)(struct fixture *fixture);
    bool timed_out;
};

static struct fixture *the_fixture; /* events do not name it */

static inline void check_done(void)
{
    if (the_fixture->until != NULL && the_fixture->until(the_fixture)) {
        net_loop_stop(the_fixture->loop);
    }
}

static void on_event(void *ctx, enum net_stream_event event)
{
    struct end *end = ctx;
    assert_false(end->inside);
    end->heard[event]++;
    size_t len = strlen(end->order);
    if (len < sizeof end->order - 1) {
        end->order[len] = "CTIDEF"[event];
    }
    if (event == NET_STREAM_CONNECTED && end->tls != NULL) {
        net_stream_start_tls(end->stream, end->tls);
    }
    if (event == NET_STREAM_INPUT && end->frees_on_input) {
        net_stream_free(&end->stream);
    } else if (event == NET_STREAM_INPUT && (end->eats || end->echoes)) {
        struct bytes input = net_stream_input(end->stream);
        if (end->echoes) {
            assert_int_equal(net_stream_write(end->stream, input.ptr, input.len), 0);
        }
        assert_int_equal(buf_append_bytes(&end->got, input), 0);
        net_stream_consume(end->stream, input.len);
    }
    check_done();
}

static void on_accepted(void *ctx, struct net_stream *stream)
{
    struct fixture *fixture = ctx;
    if (fixture->server.stream != NULL) {
        net_stream_free(&stream); /* a second listener has looked whether its path is served */
        return;
    }
    fixture->server.stream = stream;
    net_stream_set_handler(stream, on_event, &fixture->server);
    if (fixture->server.tls != NULL) {
        net_stream_start_tls(stream, fixture->server.tls);
    }
    check_done();
}

static void on_deadline(void *ctx)
{
    struct fixture *fixture = ctx;
    fixture->timed_out = true;
    net_loop_stop(fixture->loop);
}

static inline void run_until(struct fixture *fixture, bool (*until)(struct fixture *fixture))
{
    fixture->until = until;
    fixture->timed_out = false;
    net_timer_start(fixture->deadline, DEADLINE_MS);
    if (!until(fixture)) {
        net_loop_run(fixture->loop);
    }
    assert_false(fixture->timed_out);
}

/* Runs the loop until what is deferred and ready now has been done. */
static inline void on_settled(void *ctx)
{
    net_loop_stop(ctx);
}
static inline void settle(struct fixture *fixture, uint64_t ms)
{
    fixture->until = NULL;
    struct net_timer *timer = net_timer_new(fixture->loop, on_settled, fixture->loop);
    net_timer_start(timer, ms);
    net_loop_run(fixture->loop);
    net_timer_free(&timer);
}

static inline void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){.limits = {.input_max = 65536, .output_max = 1 << 20, .output_low = 1024}};
    the_fixture = fixture;
    buf_init(&fixture->client.got, 1 << 24);
    buf_init(&fixture->server.got, 1 << 24);
    fixture->loop = net_loop_new();
    fixture->deadline = net_timer_new(fixture->loop, on_deadline, fixture);
}

static inline void fixture_listen(struct fixture *fixture)
{
    struct net_address address;
    struct fault fault = FAULT_INIT;
    assert_int_equal(net_address_parse(&address, bytes_of("127.0.0.1:0"), &fault), 0);
    assert_int_equal(
        net_listener_open(&fixture->listener, fixture->loop, &address, &fixture->limits, on_accepted, fixture, &fault),
        0);
}

static inline void fixture_connect(struct fixture *fixture)
{
    char text[32];
    struct net_address address;
    snprintf(text, sizeof text, "127.0.0.1:%u", net_listener_port(fixture->listener));
    assert_int_equal(net_address_parse(&address, bytes_of(text), NULL), 0);
    fixture->client.inside = true;
    fixture->client.stream =
        net_stream_connect(fixture->loop, &address, 5000, &fixture->limits, on_event, &fixture->client);
    fixture->client.inside = false;
}

static inline void fixture_done(struct fixture *fixture)
{
    fixture->until = NULL;
    net_stream_free(&fixture->client.stream);
    net_stream_free(&fixture->server.stream);
    net_listener_free(&fixture->listener);
    net_timer_free(&fixture->deadline);
    net_loop_free(&fixture->loop);
    buf_done(&fixture->client.got);
    buf_done(&fixture->server.got);
}

static inline bool both_there(struct fixture *fixture)
{
    return fixture->client.heard[NET_STREAM_CONNECTED] > 0 && fixture->server.stream != NULL;
}

static inline void write_text(struct end *end, const char *text)
{
    end->inside = true;
    assert_int_equal(net_stream_write(end->stream, text, strlen(text)), 0);
    end->inside = false;
}

#endif

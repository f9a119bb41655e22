/*
 * net_stream_output - what a stream sends. The owner's octets gather in `output`; one write at a time takes all of
 * them (through TLS) in `flight`, so that many small writes of one turn leave in one system call.
 */
#include "base/expect.h"
#include "net/net_stream_private.h"

/* A larger one is given back behind its write: most sessions say little once certificates are out. */
#define FLIGHT_KEPT 2048

size_t net_stream_unsent(const struct net_stream *stream)
{
    return stream->output.len + stream->flight_owned;
}

/* Octets of the write under way that the kernel has not taken. */
static size_t left_in_flight(const struct net_stream *stream)
{
    return stream->writing && stream->socket != NULL ? uv_stream_get_write_queue_size(&stream->socket->uv.stream) : 0;
}

uint64_t net_stream_moved(const struct net_stream *stream)
{
    uint64_t in_flight = stream->writing ? stream->flight.len - left_in_flight(stream) : 0;
    return stream->received + stream->sent + in_flight;
}

int net_stream_write(struct net_stream *stream, const void *data, size_t len)
{
    NET_EXPECT_LOOP(stream->loop);
    if (stream->failed || len > stream->limits.output_max - net_stream_unsent(stream)) {
        return -1;
    }
    EXPECT(buf_append(&stream->output, data, len) == 0);
    if (net_stream_unsent(stream) > stream->limits.output_low) {
        stream->above_low = true;
    }
    net_stream_schedule(stream);
    return 0;
}

static void note_drained(struct net_stream *stream)
{
    size_t unsent = net_stream_unsent(stream);
    if (unsent == 0 || (stream->above_low && unsent <= stream->limits.output_low)) {
        stream->above_low = false;
        net_stream_note(stream, NET_STREAM_DRAINED);
    }
}

static void fail_write(struct net_stream *stream, int status)
{
    char code[40];
    net_stream_uv_code(status, code);
    net_stream_fail(stream, code, "write", "the connection with %s was lost: %s", stream->label, uv_strerror(status));
}

static void on_written(uv_write_t *request, int status)
{
    struct net_socket *socket = request->data;
    struct net_stream *stream = socket->stream;
    if (stream->freed) {
        return;
    }
    bool had_owned = stream->flight_owned > 0;
    stream->writing = false;
    stream->flight_owned = 0;
    if (status != 0) {
        fail_write(stream, status);
    } else {
        stream->sent += stream->flight.len;
        if (stream->flight.size > FLIGHT_KEPT) {
            buf_done(&stream->flight);
        } else {
            buf_clear(&stream->flight);
        }
        if (had_owned) {
            note_drained(stream);
        }
    }
    net_stream_advance(stream);
}

/* In clear the output itself flies: the two buffers change places, nothing is copied. */
static void fill_clear(struct net_stream *stream)
{
    struct buf empty = stream->flight;
    stream->flight = stream->output;
    stream->output = empty;
    stream->flight_owned = stream->flight.len;
}

static void start_write(struct net_stream *stream)
{
    if (stream->flight.len == 0) {
        return;
    }
    struct bytes data = buf_bytes(&stream->flight);
    uv_buf_t vector = uv_buf_init((char *)(uintptr_t)data.ptr, (unsigned)data.len);
    stream->writing = true;
    stream->socket->write.data = stream->socket;
    int status = uv_write(&stream->socket->write, &stream->socket->uv.stream, &vector, 1, on_written);
    if (status != 0) {
        stream->writing = false;
        fail_write(stream, status);
        net_stream_schedule(stream);
    }
}

void net_stream_flush(struct net_stream *stream)
{
    if (!stream->connected || stream->writing || stream->failed || stream->shutting) {
        return;
    }
    if (stream->session != NULL) {
        net_stream_tls_encrypt(stream);
        net_stream_tls_collect(stream);
    } else {
        fill_clear(stream);
    }
    start_write(stream);
}

void net_stream_flush_alert(struct net_stream *stream)
{
    stream->tls_has_alert = false;
    if (stream->connected && !stream->writing) {
        net_stream_tls_collect(stream);
        start_write(stream);
    }
}

/*
 * net_stream_tls - TLS of a stream: OpenSSL between two memory BIOs, ciphertext from and to the socket.
 *
 * Once a session is there, every octet from the socket goes through it, for good: after close_notify or a failure
 * nothing is ever read in clear again. An end without close_notify is a failure (RFC 8446 section 6.1).
 */
#include <openssl/err.h>
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_stream_private.h"

static void start_tls(struct net_stream *stream, struct net_tls *tls)
{
    EXPECT(stream->session == NULL);
    stream->pending &= ~(1U << NET_STREAM_INPUT);
    stream->tls = net_tls_share(tls);
    stream->session = net_tls_session(tls);
    stream->cipher_in = expect_memory(BIO_new(BIO_s_mem()));
    stream->cipher_out = expect_memory(BIO_new(BIO_s_mem()));
    SSL_set_bio(stream->session, stream->cipher_in, stream->cipher_out);
    stream->output.max += NET_STREAM_TLS_EXTRA;
    stream->flight.max += NET_STREAM_TLS_EXTRA;
    /* What was written before goes out in clear, in front of the handshake. */
    struct bytes clear = buf_bytes(&stream->output);
    EXPECT(BIO_write(stream->cipher_out, clear.ptr, (int)clear.len) == (int)clear.len);
    buf_clear(&stream->output);
    net_stream_schedule(stream);
}

size_t net_stream_start_tls(struct net_stream *stream, struct net_tls *tls)
{
    NET_EXPECT_LOOP(stream->loop);
    size_t dropped = stream->input.len;
    buf_clear(&stream->input);
    start_tls(stream, tls);
    return dropped;
}

void net_stream_continue_tls(struct net_stream *stream, struct net_tls *tls)
{
    NET_EXPECT_LOOP(stream->loop);
    start_tls(stream, tls);
    struct bytes begun = buf_bytes(&stream->input);
    if (begun.len > 0) {
        net_stream_tls_take(stream, (const char *)begun.ptr, begun.len);
    }
    buf_clear(&stream->input);
}

void net_stream_tls_take(struct net_stream *stream, const char *data, size_t len)
{
    EXPECT(BIO_write(stream->cipher_in, data, (int)len) == (int)len);
}

/* Whoever sends next sends the alert that OpenSSL has written for the peer. */
static void fail_tls(struct net_stream *stream)
{
    struct fault why = FAULT_INIT;
    net_tls_explain(stream->tls, stream->session, stream->label, &why);
    net_stream_fail(stream, why.code, why.where, "%s", why.text);
    stream->tls_has_alert = true;
}

static void note_verified_peer(struct net_stream *stream)
{
    X509 *certificate = SSL_get0_peer_certificate(stream->session);
    if (certificate == NULL || SSL_get_verify_mode(stream->session) == SSL_VERIFY_NONE ||
        SSL_get_verify_result(stream->session) != X509_V_OK) {
        return;
    }
    BIO *text = expect_memory(BIO_new(BIO_s_mem()));
    char *data;
    X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    long len = BIO_get_mem_data(text, &data);
    stream->tls_peer = expect_memory(strndup(data, len > 0 ? (size_t)len : 0));
    BIO_free(text);
}

/* Whether the session waits for octets of the peer, as against a failure. */
static bool waits_for_peer(struct net_stream *stream, int result)
{
    int error = SSL_get_error(stream->session, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static void shake_hands(struct net_stream *stream)
{
    /* SSL_get_error() looks at the thread's queue: what another session left there would be taken for this one's. */
    ERR_clear_error();
    int result = SSL_do_handshake(stream->session);
    if (result == 1) {
        stream->tls_ready = true;
        note_verified_peer(stream);
        net_stream_note(stream, NET_STREAM_TLS_READY);
    } else if (!waits_for_peer(stream, result)) {
        fail_tls(stream);
    }
}

/* Decrypts once; returns false when nothing more can be had now. Nothing is reserved when nothing has come: a session
 * that waits would keep the room of a whole record. */
static bool decrypt(struct net_stream *stream)
{
    size_t room, got = 0;
    if (BIO_ctrl_pending(stream->cipher_in) == 0 && SSL_has_pending(stream->session) == 0) {
        stream->tls_has_more = false;
        return false;
    }
    uint8_t *into = buf_reserve(&stream->input, SSL3_RT_MAX_PLAIN_LENGTH, &room);
    stream->tls_has_more = into == NULL;
    if (into == NULL) {
        return false;
    }
    ERR_clear_error();
    int result = SSL_read_ex(stream->session, into, room, &got);
    if (result == 1) {
        buf_commit(&stream->input, got);
        net_stream_note(stream, NET_STREAM_INPUT);
        return true;
    }
    /* close_notify (RFC 8446 section 6.1): nothing that was sent before it is missing. */
    if (SSL_get_error(stream->session, result) == SSL_ERROR_ZERO_RETURN) {
        stream->eof = true;
        net_stream_note(stream, NET_STREAM_EOF);
    } else if (!waits_for_peer(stream, result)) {
        fail_tls(stream);
    }
    return false;
}

void net_stream_tls_pump(struct net_stream *stream)
{
    if (!stream->connected || stream->failed || stream->eof) {
        return;
    }
    if (!stream->tls_ready) {
        shake_hands(stream);
    }
    while (stream->tls_ready && !stream->failed && decrypt(stream)) {
    }
    net_stream_let_go(stream);
}

void net_stream_tls_encrypt(struct net_stream *stream)
{
    struct bytes data = buf_bytes(&stream->output);
    size_t wrote = 0;
    ERR_clear_error();
    while (stream->tls_ready && wrote < data.len) {
        size_t step = 0;
        int result = SSL_write_ex(stream->session, data.ptr + wrote, data.len - wrote, &step);
        if (result != 1) {
            if (!waits_for_peer(stream, result)) {
                fail_tls(stream);
                net_stream_schedule(stream);
            }
            break;
        }
        wrote += step;
    }
    buf_consume(&stream->output, wrote);
    stream->flight_owned = wrote;
}

/* A memory BIO keeps the room that it has had: that of certificates on both sides, which no later record needs. */
static void shed_handshake(struct net_stream *stream)
{
    if (stream->tls_ready && !stream->tls_shed && BIO_ctrl_pending(stream->cipher_in) == 0) {
        stream->tls_shed = true;
        stream->cipher_in = expect_memory(BIO_new(BIO_s_mem()));
        stream->cipher_out = expect_memory(BIO_new(BIO_s_mem()));
        SSL_set_bio(stream->session, stream->cipher_in, stream->cipher_out); /* which frees those before */
    }
}

void net_stream_tls_collect(struct net_stream *stream)
{
    char *data;
    long len = BIO_get_mem_data(stream->cipher_out, &data);
    if (len > 0 && buf_append(&stream->flight, data, (size_t)len) != 0) {
        net_stream_fail(stream, "tls-size", "tls", "TLS with %s needs more room than is allowed", stream->label);
        net_stream_schedule(stream);
    }
    (void)BIO_reset(stream->cipher_out);
    shed_handshake(stream);
}

void net_stream_tls_goodbye(struct net_stream *stream)
{
    stream->said_goodbye = true;
    ERR_clear_error();
    SSL_shutdown(stream->session);
    ERR_clear_error();
}

const char *net_stream_tls_version(const struct net_stream *stream)
{
    return stream->tls_ready ? SSL_get_version(stream->session) : NULL;
}

const char *net_stream_tls_cipher(const struct net_stream *stream)
{
    return stream->tls_ready ? SSL_get_cipher_name(stream->session) : NULL;
}

const char *net_stream_tls_peer(const struct net_stream *stream)
{
    return stream->tls_peer;
}

int64_t net_stream_tls_peer_expires(const struct net_stream *stream)
{
    if (!stream->tls_ready) {
        return 0;
    }
    STACK_OF(X509) *chain = SSL_get0_verified_chain(stream->session);
    int64_t first = net_tls_expiry(SSL_get0_peer_certificate(stream->session));
    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t expires = net_tls_expiry(sk_X509_value(chain, i));
        first = expires != 0 && expires < first ? expires : first;
    }
    return first;
}

int net_stream_tls_binding(const struct net_stream *stream, uint8_t *into, size_t len)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    if (!stream->tls_ready || len != 32) {
        return -1;
    }
    bool binds = SSL_version(stream->session) >= TLS1_3_VERSION || SSL_get_extms_support(stream->session) == 1;
    ERR_clear_error();
    return binds && SSL_export_keying_material(stream->session, into, len, label, sizeof label - 1,
                                               (const unsigned char *)"", 0, 1) == 1
               ? 0
               : -1;
}

const char *net_stream_tls_channel(const struct net_stream *stream, uint8_t into[NET_STREAM_CHANNEL_MAX], size_t *len_r)
{
    bool is_new = stream->tls_ready && SSL_version(stream->session) >= TLS1_3_VERSION;
    if (is_new) {
        *len_r = 32;
        return net_stream_tls_binding(stream, into, *len_r) == 0 ? "tls-exporter" : NULL;
    }
    if (!stream->tls_ready || SSL_get_extms_support(stream->session) != 1) {
        return NULL;
    }
    /* The first Finished message of the handshake: the client's, unless it resumes a session. */
    bool is_own = (SSL_is_server(stream->session) == 0) != (SSL_session_reused(stream->session) == 1);
    *len_r = is_own ? SSL_get_finished(stream->session, into, NET_STREAM_CHANNEL_MAX)
                    : SSL_get_peer_finished(stream->session, into, NET_STREAM_CHANNEL_MAX);
    return *len_r > 0 && *len_r <= NET_STREAM_CHANNEL_MAX ? "tls-unique" : NULL;
}

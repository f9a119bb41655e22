/*
 * reception_session - one connection: its life, the pump stream <-> engine, TLS, PROXY headers, authentication.
 * Contract: reception_private.h.
 *
 * Everything happens in pump_session(): events, answers and timers only note something and call it. A session
 * ends when its stream is gone and nothing that it asked for is still to be answered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "net/net_turn.h"
#include "proto/proxy_header.h"
#include "reception/reception_private.h"

#define LINGER_MS 5000
/* Above it the engine waits: the peer does not read its replies. */
#define UNSENT_HIGH ((size_t)32 << 10)
#define WRITE_MAX   ((size_t)16 << 10)
/* A proxy sends its header at once, or is none. */
#define PROXY_TIMEOUT_MS 5000
/* RFC 9266 */
#define BINDING_LEN 32
/* A session has so much of a turn of the loop, then the others come. */
#define TURN_US 3000

static void pump_session(struct reception_session *session);

struct reception_session *reception_session_of(struct list *link)
{
    return LIST_ITEM(link, struct reception_session, link);
}

/* ---- end ---- */

static void uncount(struct reception_session *session)
{
    if (session->counted[0] != '\0') {
        smtpd_admission_leave(session->listener->admission, session->counted);
        session->counted[0] = '\0';
    }
    if (session->user != NULL) {
        smtpd_admission_leave(session->listener->users, session->user);
        free(session->user);
        session->user = NULL;
    }
}

static void session_leave(struct reception_session *session)
{
    struct reception *reception = session->reception;
    if (session->listener == NULL) {
        return;
    }
    uncount(session);
    list_remove(&session->link);
    session->listener = NULL;
    session->reception = NULL;
    reception_door_gone(reception);
}

/* Frees the session unless an answer is still to come; that one frees it then. */
static void session_end(struct reception_session *session)
{
    reception_login_free(&session->login);
    tracer_done(&session->tracer);
    net_stream_free(&session->stream);
    net_timer_free(&session->timer);
    net_tls_free(&session->tls);
    net_tls_free(&session->tls_lenient);
    reception_users_free(&session->users);
    session_leave(session);
    if (session->waits > 0) {
        return;
    }
    spool_stage_free(&session->stage);
    smtpd_engine_free(&session->engine);
    free(session->message_id);
    free(session->user);
    if (session->end_session != NULL) {
        session->end_session(session->rules);
    }
    free(session);
}

void reception_session_abort(struct reception_session *session)
{
    session_end(session);
}

/* The client went without a good-bye; what it had begun is gone with it. */
static void session_abandon(struct reception_session *session)
{
    if (session->handshake) {
        reception_told_door(session, SMTPD_REPLY_TLS_FAILED, net_stream_fault(session->stream)->text);
    } else if (session->engine != NULL && session->waits == 0) {
        reception_intake_abandon(session);
    }
    if (!fault_is_set(net_stream_fault(session->stream))) {
        net_stream_finish(&session->stream, LINGER_MS);
    }
    session_end(session);
}

/* ---- who the client is ---- */

/* Counts the client in, or says what it hears instead of the greeting. */
static enum smtpd_reply admit(struct reception_session *session)
{
    bool counted;
    uncount(session);
    enum smtpd_reply refusal = reception_door_admit(session->listener, session->address, &counted);
    reception_clients_note(session->reception->clients, session->address, session->listener->options.name,
                           RECEPTION_CLIENT_SESSION, net_wall(session->reception->loop));
    if (counted) {
        memcpy(session->counted, session->address, sizeof session->counted);
    }
    return refusal;
}

static unsigned offered_mechanisms(const struct reception_session *session)
{
    return session->users == NULL ? 0
                                  : reception_users_mechanisms(session->users) & session->listener->options.mechanisms;
}

static void start_engine(struct reception_session *session, enum smtpd_reply refusal)
{
    const struct reception_listener *listener = session->listener;
    const struct reception_listener_options *options = &listener->options;
    struct smtpd_answer said = {0};
    if (refusal != SMTPD_REPLY_OK) {
        said = *smtpd_reply_get(refusal);
    }
    const struct smtpd_engine_options engine = {
        .hostname = session->reception->hostname,
        .listener = options->name,
        .client_address = session->address,
        .client_port = session->port,
        .lmtp = options->lmtp,
        .starttls = options->tls_mode == RECEPTION_TLS_STARTTLS,
        .implicit_tls = options->tls_mode == RECEPTION_TLS_IMPLICIT,
        .tls_required = options->tls_required,
        .trusted = reception_door_trusts(listener, session->address),
        .lenient = reception_door_is_lenient(listener, session->address),
        .recipients = options->recipients_per_transaction,
        .certificates = options->client_certificates,
        .xclient = reception_door_has(&listener->xclients, session->address),
        .mechanisms = offered_mechanisms(session),
        .auth_in_clear = options->auth_in_clear,
        .refusal = said,
        .limits = options->limits,
        .tally = &session->reception->counts.tally,
        .refused = reception_told_refusal,
        .refused_ctx = session,
    };
    session->engine = smtpd_engine_new(&engine, net_now(session->reception->loop));
}

/*
 * The client is known: lets it in or not. False when the session is gone: who is refused on a TLS port is not worth a
 * handshake.
 */
static bool let_in(struct reception_session *session)
{
    enum smtpd_reply refusal = admit(session);
    if (refusal != SMTPD_REPLY_OK && session->listener->options.tls_mode == RECEPTION_TLS_IMPLICIT) {
        reception_told_door(session, refusal, NULL);
        session_end(session);
        return false;
    }
    start_engine(session, refusal);
    return true;
}

static void become_client(struct reception_session *session, const char *address)
{
    snprintf(session->address, sizeof session->address, "%s", address);
    session->turn.group = smtpd_network_hash(session->address);
    const struct smtpd_answer none = {0};
    enum smtpd_reply refusal = admit(session);
    smtpd_engine_answer_client(session->engine, net_now(session->reception->loop),
                               reception_door_trusts(session->listener, session->address),
                               reception_door_is_lenient(session->listener, session->address),
                               refusal == SMTPD_REPLY_OK ? &none : smtpd_reply_get(refusal));
}

/* The header in front of the connection; false when it has not come yet, or the session is gone. */
static bool take_proxy_header(struct reception_session *session)
{
    struct proxy_header header;
    size_t used;
    int result = proxy_header_parse(net_stream_input(session->stream), &header, &used);
    if (result == 0 && !session->eof) {
        return false;
    }
    if (result <= 0) {
        log_event(session->reception->log, LOG_LEVEL_WARNING, "proxy_header_missing",
                  LOG_STR("client.address", session->address), LOG_STR("listener", session->listener->options.name));
        reception_told_door(session, SMTPD_REPLY_PROXY_HEADER, NULL);
        session_end(session);
        return false;
    }
    net_stream_consume(session->stream, used);
    if (!header.is_local) {
        snprintf(session->address, sizeof session->address, "%s", header.address);
        session->turn.group = smtpd_network_hash(session->address);
        session->port = header.port;
    }
    return let_in(session);
}

/* ---- authentication ---- */

static void log_login(struct reception_session *session, bool good)
{
    session->reception->counts.logins += good ? 1 : 0;
    session->reception->counts.login_failures += good ? 0 : 1;
    log_event(session->reception->log, good ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, good ? "login" : "login_failed",
              LOG_STR("client.address", session->address), LOG_STR("listener", session->listener->options.name),
              LOG_STR("user", reception_login_name(session->login)));
}

/* Whether this user may have one session more. */
static bool count_user(struct reception_session *session, const char *user)
{
    if (smtpd_admission_enter(session->listener->users, user) != SMTPD_ADMITTED) {
        return false;
    }
    free(session->user);
    session->user = expect_strdup(user);
    return true;
}

static void on_login(void *ctx, const struct smtpd_auth_answer *answer)
{
    struct reception_session *session = ctx;
    struct smtpd_auth_answer final = *answer;
    if (answer->kind != SMTPD_AUTH_CHALLENGE) {
        log_login(session, answer->kind == SMTPD_AUTH_OK);
    }
    if (answer->kind == SMTPD_AUTH_OK && !count_user(session, answer->user)) {
        final.kind = SMTPD_AUTH_REFUSED;
        final.refusal = *smtpd_reply_get(SMTPD_REPLY_USER_SESSIONS);
    }
    smtpd_engine_answer_auth(session->engine, net_now(session->reception->loop), &final);
    if (final.kind != SMTPD_AUTH_CHALLENGE) {
        reception_login_free(&session->login);
    }
    pump_session(session);
}

static void check_login(struct reception_session *session, const struct smtpd_request *request)
{
    if (request->is_first) {
        uint8_t binding[BINDING_LEN];
        bool bound = net_stream_tls_binding(session->stream, binding, sizeof binding) == 0;
        reception_login_free(&session->login);
        session->login =
            reception_login_new(session->reception->logins, session->users, request->mechanism, session->address,
                                bytes_at(binding, bound ? sizeof binding : 0), on_login, session);
    }
    reception_login_step(session->login, request->data, request->has_data);
}

/* ---- the pump ---- */

static void start_tls(struct reception_session *session)
{
    bool implicit = session->listener->options.tls_mode == RECEPTION_TLS_IMPLICIT;
    bool older = session->tls_lenient != NULL && reception_door_is_lenient(session->listener, session->address);
    struct net_tls *tls = older ? session->tls_lenient : session->tls;
    session->handshake = true;
    if (implicit) {
        net_stream_continue_tls(session->stream, tls);
        return;
    }
    size_t dropped = net_stream_start_tls(session->stream, tls);
    if (dropped > 0) {
        log_event(session->reception->log, LOG_LEVEL_WARNING, "plaintext_dropped",
                  LOG_STR("client.address", session->address), LOG_STR("listener", session->listener->options.name),
                  LOG_INT("octets", dropped));
    }
}

static bool is_clogged(const struct reception_session *session)
{
    return net_stream_unsent(session->stream) > UNSENT_HIGH;
}

/* For a trace: who: 'C' or 'S'. */
static void trace_octets(struct reception_session *session, char who, struct bytes octets)
{
    struct log *log = session->reception->log;
    if (octets.len > 0 && tracer_is_on(&session->tracer, log)) {
        const struct tracer_event event = {.log = log,
                                           .kind = TRACE_SMTP,
                                           .name = session->listener->options.name,
                                           .client = session->address,
                                           .port = session->port,
                                           .begun = !session->spoken,
                                           .now = net_now(session->reception->loop)};
        tracer_hear(&session->tracer, &event, who, octets);
    }
    session->spoken = session->spoken || octets.len > 0;
}

/* Hands the engine's replies to the stream, as far as the peer reads them. */
static void flush_output(struct reception_session *session)
{
    struct buf *output = smtpd_engine_output(session->engine);
    while (output->len > 0 && !is_clogged(session)) {
        struct bytes piece = bytes_slice(buf_bytes(output), 0, WRITE_MAX);
        if (net_stream_write(session->stream, piece.ptr, piece.len) < 0) {
            break;
        }
        trace_octets(session, 'S', piece);
        buf_consume(output, piece.len);
    }
    if (output->len == 0) {
        buf_done(output); /* an idle session holds no memory for replies */
    }
}

enum next { NEXT_STEP, NEXT_WAIT, NEXT_GONE };

/* Does what is wanted. */
static enum next serve(struct reception_session *session, enum smtpd_want want, const struct smtpd_request *request)
{
    switch (want) {
    case SMTPD_WANT_INPUT:
        return NEXT_WAIT;
    case SMTPD_WANT_TLS:
        start_tls(session);
        return NEXT_WAIT;
    case SMTPD_WANT_CLIENT:
        become_client(session, request->address);
        break;
    case SMTPD_WANT_AUTH:
        check_login(session, request);
        break;
    case SMTPD_WANT_AUTH_END:
        reception_login_free(&session->login);
        break;
    case SMTPD_WANT_MAIL:
        reception_intake_mail(session, request);
        break;
    case SMTPD_WANT_RECIPIENT:
        reception_intake_recipient(session, request->envelope);
        break;
    case SMTPD_WANT_STORE:
        break; /* done already, while the input stood */
    case SMTPD_WANT_MESSAGE:
        reception_intake_message(session, request);
        break;
    case SMTPD_WANT_RESET:
        reception_intake_reset(session, request);
        break;
    case SMTPD_WANT_CLOSE:
        net_stream_finish(&session->stream, LINGER_MS);
        session_end(session);
        return NEXT_GONE;
    }
    return NEXT_STEP;
}

static enum next step(struct reception_session *session)
{
    struct smtpd_request request;
    size_t used;
    flush_output(session);
    if (session->handshake || is_clogged(session) || smtpd_engine_output(session->engine)->len > 0) {
        return NEXT_WAIT;
    }
    enum smtpd_want want = smtpd_engine_step(session->engine, net_now(session->reception->loop),
                                             net_stream_input(session->stream), &used, &request);
    if (want == SMTPD_WANT_STORE) {
        reception_intake_store(session, request.data);
    }
    trace_octets(session, 'C', bytes_slice(net_stream_input(session->stream), 0, used));
    net_stream_consume(session->stream, used);
    flush_output(session);
    return serve(session, want, &request);
}

static void set_timer(struct reception_session *session)
{
    uint64_t deadline = smtpd_engine_deadline(session->engine);
    uint64_t now = net_now(session->reception->loop);
    if (deadline == UINT64_MAX) {
        net_timer_stop(session->timer);
    } else {
        net_timer_start(session->timer, deadline > now ? deadline - now : 0);
    }
}

static void pump_session(struct reception_session *session)
{
    enum next next;
    if (session->engine == NULL && !take_proxy_header(session)) {
        return;
    }
    net_turn_doing(session->reception->loop, "an SMTP session");
    uint64_t began = net_now_us(session->reception->loop);
    session->yielded = false;
    do {
        next = step(session);
    } while (next == NEXT_STEP && net_now_us(session->reception->loop) - began < TURN_US);
    if (next == NEXT_GONE) {
        return;
    }
    if (next == NEXT_STEP) {
        session->yielded = true;
        net_timer_start(session->timer, 0);
        return;
    }
    bool busy = session->waits > 0 || session->stopped || session->login != NULL || is_clogged(session);
    if (session->eof && !busy) {
        session_abandon(session);
        return;
    }
    set_timer(session);
}

static void on_timer(void *ctx)
{
    struct reception_session *session = ctx;
    if (session->engine == NULL || session->handshake) {
        reception_told_door(session, session->handshake ? SMTPD_REPLY_TLS_FAILED : SMTPD_REPLY_PROXY_HEADER,
                            "nothing came in time");
        session_end(session);
    } else if (is_clogged(session) && !session->yielded) {
        /* The engine has nobody to tell that the client does not read. */
        session_abandon(session);
    } else {
        pump_session(session);
    }
}

static void on_stream(void *ctx, enum net_stream_event event)
{
    struct reception_session *session = ctx;
    switch (event) {
    case NET_STREAM_TLS_READY:
        session->handshake = false;
        smtpd_engine_tls_ready(session->engine, net_now(session->reception->loop),
                               net_stream_tls_version(session->stream), net_stream_tls_cipher(session->stream),
                               net_stream_tls_peer(session->stream));
        break;
    case NET_STREAM_FAILED:
        session_abandon(session);
        return;
    case NET_STREAM_EOF:
        session->eof = true;
        break;
    case NET_STREAM_CONNECTED:
    case NET_STREAM_INPUT:
    case NET_STREAM_DRAINED:
        break;
    }
    pump_session(session);
}

void reception_session_drain(struct reception_session *session)
{
    if (session->engine != NULL) {
        smtpd_engine_drain(session->engine);
    }
    /* It says its 421 from the loop, not from inside this call. */
    net_timer_start(session->timer, 0);
}

void reception_session_start(struct reception_listener *listener, struct net_stream *stream)
{
    struct reception *reception = listener->reception;
    const struct reception_listener_options *options = &listener->options;
    struct reception_session *session = expect_calloc(1, sizeof *session);
    session->listener = listener;
    session->reception = reception;
    session->go_on = pump_session;
    session->abort = session_end;
    session->stream = stream;
    session->tls = options->tls == NULL ? NULL : net_tls_share(options->tls);
    session->tls_lenient = options->tls_lenient == NULL ? NULL : net_tls_share(options->tls_lenient);
    session->users = options->users == NULL ? NULL : reception_users_share(options->users);
    session->port = net_stream_peer_port(stream);
    snprintf(session->address, sizeof session->address, "%s", net_stream_peer(stream));
    session->timer = net_timer_new(reception->loop, on_timer, session);
    session->turn =
        (struct net_lane_turn){.group = smtpd_network_hash(session->address), .member = reception->counts.sessions};
    session->rules =
        reception->hooks.begin_session == NULL ? NULL : reception->hooks.begin_session(reception->hooks.ctx);
    session->end_session = reception->hooks.end_session;
    list_append(&listener->sessions, &session->link);
    reception->counts.sessions++;
    reception->counts.sessions_open++;
    net_stream_set_handler(stream, on_stream, session);
    if (reception_door_has(&listener->proxies, session->address)) {
        net_timer_start(session->timer, PROXY_TIMEOUT_MS);
    } else if (let_in(session)) {
        pump_session(session);
    }
}

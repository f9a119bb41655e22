/*
 * smtpd_session - one connection: pumps stream <-> engine <-> spool, and asks the hooks what the engine asks. Contract: smtpd_private.h.
 *
 * Everything happens in session_pump(): events, answers and timers only call it. A session ends when its stream is gone and nothing that it
 * asked for is still to be answered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "mail/mail_header.h"
#include "smtpd/smtpd_private.h"

#define LINGER_MS 5000
/* Above it the engine waits: the peer does not read its replies. */
#define UNSENT_HIGH ((size_t)32 << 10)
#define RULES_LOGGED_MAX 50
#define REPLY_TEXT_MAX 400

struct smtpd_session {
    struct list link; /* among those of the listener */
    struct smtpd_listener *listener; /* NULL when left alone */
    struct smtpd *smtpd;             /* as above */
    struct net_stream *stream;       /* NULL when gone */
    struct net_timer *timer;
    struct smtpd_engine *engine;
    struct net_tls *tls; /* of the listener */
    bool counted;
    bool eof;
    bool held;      /* the disk is behind */
    bool handshake; /* TLS is being negotiated */

    struct spool_stage *stage;
    bool waits;                  /* for a decision or a commit */
    struct mail_envelope envelope; /* of the message that is decided */
    char id[UNITS_ID_LEN + 1];
    char message_id[256];
    struct smtpd_decision decision;
    uint64_t size;
    char address[64];
};

static void session_pump(struct smtpd_session *session);

struct smtpd_session *smtpd_session_of(struct list *link)
{
    return LIST_ITEM(link, struct smtpd_session, link);
}

/* ---- end ---- */

static void session_leave(struct smtpd_session *session)
{
    struct smtpd_listener *listener = session->listener;
    struct smtpd *smtpd = session->smtpd;
    if (listener == NULL) {
        return;
    }
    session->listener = NULL;
    session->smtpd = NULL;
    list_remove(&session->link);
    if (session->counted) {
        smtpd_admission_leave(listener->admission, session->address);
    }
    smtpd_session_gone(smtpd);
}

/* Frees the session unless an answer is still to come; that one frees it then. */
static void session_end(struct smtpd_session *session)
{
    net_stream_free(&session->stream);
    net_timer_free(&session->timer);
    session_leave(session);
    if (session->waits) {
        return;
    }
    spool_stage_free(&session->stage);
    smtpd_engine_free(&session->engine);
    free(session);
}

void smtpd_session_abort(struct smtpd_session *session)
{
    session_end(session);
}

/* ---- what the engine asks ---- */

/* A client's copy of our own trouble: enough to know that it is ours and that waiting helps. */
static struct smtpd_answer answer_of_fault(const struct fault *fault)
{
    if (strcmp(fault->code, "enospc") == 0) {
        return (struct smtpd_answer){452, "4.3.1", "insufficient storage; try again later"};
    }
    return (struct smtpd_answer){451, "4.3.0", "local trouble; try again later"};
}

static void log_fault(struct smtpd_session *session, const char *action, const struct fault *fault)
{
    log_event(session->smtpd->log, LOG_LEVEL_ERROR, action, LOG_STR("id", session->id),
              LOG_STR("client.address", session->address), LOG_STR("error.code", fault->code),
              LOG_STR("error.where", fault->where), LOG_STR("error.message", fault->text));
}

static void begin_message(struct smtpd_session *session, uint64_t size)
{
    struct fault fault = FAULT_INIT;
    struct smtpd_answer answer = {0, NULL, NULL};
    uint8_t random[10];
    net_random(random, sizeof random);
    units_id(net_wall(session->smtpd->loop), random, session->id);
    if (spool_can_accept(session->smtpd->spool, size, &fault) < 0) {
        answer = answer_of_fault(&fault);
        log_fault(session, "spool_refuses", &fault);
    }
    smtpd_engine_answer(session->engine, net_now(session->smtpd->loop), &answer);
}

/* The engine's envelope, with what only we know. */
static void copy_envelope(struct smtpd_session *session, const struct mail_envelope *envelope)
{
    session->envelope = *envelope;
    session->envelope.id = session->id;
    session->envelope.received_ms = net_wall(session->smtpd->loop);
}

static void decide_recipient(struct smtpd_session *session, const struct mail_envelope *envelope)
{
    struct smtpd_decision decision = {0};
    const struct smtpd_hooks *hooks = &session->smtpd->hooks;
    copy_envelope(session, envelope);
    hooks->decide_recipient(hooks->ctx, &session->envelope, smtpd_engine_arena(session->engine), &decision);
    const struct smtpd_answer answer = {decision.code, decision.enhanced, decision.text};
    smtpd_engine_answer(session->engine, net_now(session->smtpd->loop), &answer);
}

static void on_writable(void *ctx)
{
    struct smtpd_session *session = ctx;
    session->held = false;
    smtpd_engine_hold(session->engine, net_now(session->smtpd->loop), false);
    session_pump(session);
}

static void need_stage(struct smtpd_session *session)
{
    if (session->stage == NULL) {
        session->stage = spool_stage_new(session->smtpd->spool, on_writable, session);
    }
}

static void store(struct smtpd_session *session, struct bytes data)
{
    need_stage(session);
    int result = spool_stage_write(session->stage, data);
    if (result > 0) {
        session->held = true;
        smtpd_engine_hold(session->engine, net_now(session->smtpd->loop), true);
    }
    if (result < 0) {
        struct smtpd_answer answer = answer_of_fault(spool_stage_fault(session->stage));
        log_fault(session, "spool_failed", spool_stage_fault(session->stage));
        smtpd_engine_store_failed(session->engine, &answer);
    }
}

static void log_message(struct smtpd_session *session, const struct mail_envelope *envelope, const char *action,
                        enum log_level level, const struct smtpd_answer *refusal)
{
    const char *to[RULES_LOGGED_MAX];
    size_t to_count = envelope->to_count < RULES_LOGGED_MAX ? envelope->to_count : RULES_LOGGED_MAX;
    for (size_t i = 0; i < to_count; i++) {
        to[i] = envelope->to[i].address;
    }
    struct log_field code = refusal == NULL ? LOG_STR("reply.code", NULL) : LOG_INT("reply.code", refusal->code);
    log_event(session->smtpd->log, level, action, LOG_STR("id", session->id), LOG_STR("client.address", session->address),
              LOG_STR("listener", session->listener->options.name), LOG_STR("user", envelope->client.user),
              LOG_STR("from", envelope->from[0] == '\0' ? "<>" : envelope->from), LOG_LIST("to", to, to_count),
              LOG_INT("size", session->size), LOG_LIST("rules", session->decision.rules, session->decision.rule_count),
              LOG_STR("email.message_id", session->message_id), LOG_STR("tls", envelope->client.tls_version),
              LOG_STR("rule", refusal == NULL ? NULL : session->decision.rule), code,
              LOG_STR("reply.enhanced", refusal == NULL ? NULL : refusal->enhanced),
              LOG_STR("reply.text", refusal == NULL ? NULL : refusal->text));
}

/* ---- the end of a message: decision, commit, answer ---- */

/* Whether an answer came too late: the session is over, and ends here. */
static bool came_too_late(struct smtpd_session *session)
{
    session->waits = false;
    if (session->listener != NULL) {
        return false;
    }
    session_end(session);
    return true;
}

static void answer_message(struct smtpd_session *session, const struct smtpd_answer *answer)
{
    smtpd_engine_answer(session->engine, net_now(session->smtpd->loop), answer);
    session_pump(session);
}

static void on_committed(void *ctx, const struct fault *fault)
{
    struct smtpd_session *session = ctx;
    if (came_too_late(session)) {
        return;
    }
    if (fault != NULL) {
        struct smtpd_answer answer = answer_of_fault(fault);
        log_fault(session, "spool_failed", fault);
        answer_message(session, &answer);
        return;
    }
    struct buf text;
    session->smtpd->counts.accepted++;
    log_message(session, &session->envelope, "accepted", LOG_LEVEL_INFO, NULL);
    buf_init(&text, REPLY_TEXT_MAX);
    buf_printf(&text, "accepted as %s%s%s", session->id, session->message_id[0] == '\0' ? "" : " ", session->message_id);
    const struct smtpd_answer answer = {250, "2.0.0", buf_text(&text)};
    answer_message(session, &answer);
    buf_done(&text);
}

static void on_decided(void *ctx, const struct smtpd_decision *decision)
{
    struct smtpd_session *session = ctx;
    if (came_too_late(session)) {
        return;
    }
    session->decision = *decision;
    if (decision->code != 0) {
        const struct smtpd_answer answer = {decision->code, decision->enhanced, decision->text};
        answer_message(session, &answer);
        return;
    }
    session->waits = true;
    spool_commit(&session->stage, &session->envelope, decision->deliveries, decision->delivery_count, on_committed, session);
}

/* For the log and the reply: one line, cut to what fits. */
static void note_message_id(struct smtpd_session *session, struct bytes header)
{
    struct mail_header_field field;
    struct buf value;
    session->message_id[0] = '\0';
    if (mail_header_find(header, "Message-ID", &field) != 1) {
        return;
    }
    buf_init(&value, sizeof session->message_id - 1);
    if (mail_header_unfold(bytes_slice(field.value, 0, value.max), &value) == 0 && !bytes_has_control(buf_bytes(&value))) {
        memcpy(session->message_id, buf_text(&value), value.len + 1);
    }
    buf_done(&value);
}

static void decide_message(struct smtpd_session *session, const struct smtpd_request *request)
{
    const struct smtpd_hooks *hooks = &session->smtpd->hooks;
    need_stage(session);
    copy_envelope(session, request->envelope);
    note_message_id(session, request->header);
    session->size = request->size;
    session->waits = true;
    hooks->decide_message(hooks->ctx, &session->envelope, request->header, session->stage,
                          smtpd_engine_arena(session->engine), on_decided, session);
}

/* A transaction that brought no message; it is worth a line when it was refused. */
static void forget_message(struct smtpd_session *session, const struct smtpd_request *request)
{
    const struct smtpd_answer *refusal = &request->refusal;
    spool_stage_free(&session->stage);
    if (refusal->code != 0) {
        bool final = refusal->code >= 500;
        session->smtpd->counts.rejected += final ? 1 : 0;
        session->smtpd->counts.deferred += final ? 0 : 1;
        log_message(session, request->envelope, "rejected", LOG_LEVEL_INFO, refusal);
    }
    session->decision = (struct smtpd_decision){0};
    session->message_id[0] = '\0';
    session->size = 0;
}

/* ---- the pump ---- */

static void start_tls(struct smtpd_session *session)
{
    session->handshake = true;
    size_t dropped = net_stream_start_tls(session->stream, session->tls);
    if (dropped > 0) {
        log_event(session->smtpd->log, LOG_LEVEL_WARNING, "plaintext_dropped", LOG_STR("client.address", session->address),
                  LOG_INT("octets", dropped));
    }
}

/* Hands the engine's replies to the stream, as far as it takes them. */
static void flush(struct smtpd_session *session)
{
    struct buf *output = smtpd_engine_output(session->engine);
    struct bytes replies = buf_bytes(output);
    if (replies.len > 0 && net_stream_write(session->stream, replies.ptr, replies.len) == 0) {
        buf_consume(output, replies.len);
    }
}

enum next { NEXT_STEP, NEXT_WAIT, NEXT_GONE };

/* Does what is wanted. */
static enum next serve(struct smtpd_session *session, enum smtpd_want want, const struct smtpd_request *request)
{
    switch (want) {
    case SMTPD_WANT_INPUT:
        return NEXT_WAIT;
    case SMTPD_WANT_TLS:
        start_tls(session);
        return NEXT_WAIT;
    case SMTPD_WANT_MAIL:
        begin_message(session, request->size);
        break;
    case SMTPD_WANT_RECIPIENT:
        decide_recipient(session, request->envelope);
        break;
    case SMTPD_WANT_STORE:
        break; /* done already, while the input stood */
    case SMTPD_WANT_MESSAGE:
        decide_message(session, request);
        break;
    case SMTPD_WANT_RESET:
        forget_message(session, request);
        break;
    case SMTPD_WANT_CLOSE:
        net_stream_finish(&session->stream, LINGER_MS);
        session_end(session);
        return NEXT_GONE;
    }
    return NEXT_STEP;
}

static bool is_clogged(const struct smtpd_session *session)
{
    return net_stream_unsent(session->stream) > UNSENT_HIGH;
}

static enum next step(struct smtpd_session *session)
{
    struct smtpd_request request;
    size_t used;
    if (session->handshake || is_clogged(session)) {
        return NEXT_WAIT;
    }
    enum smtpd_want want = smtpd_engine_step(session->engine, net_now(session->smtpd->loop),
                                             net_stream_input(session->stream), &used, &request);
    if (want == SMTPD_WANT_STORE) {
        store(session, request.data);
    }
    net_stream_consume(session->stream, used);
    flush(session);
    return serve(session, want, &request);
}

static void set_timer(struct smtpd_session *session)
{
    uint64_t deadline = smtpd_engine_deadline(session->engine);
    uint64_t now = net_now(session->smtpd->loop);
    if (deadline == UINT64_MAX) {
        net_timer_stop(session->timer);
    } else {
        net_timer_start(session->timer, deadline > now ? deadline - now : 0);
    }
}

/* The client went without a good-bye; what it had begun is gone with it. */
static void session_abandon(struct smtpd_session *session)
{
    if (smtpd_engine_in_transaction(session->engine) && !session->waits) {
        log_message(session, smtpd_engine_envelope(session->engine), "abandoned", LOG_LEVEL_INFO, NULL);
    }
    if (!fault_is_set(net_stream_fault(session->stream))) {
        net_stream_finish(&session->stream, LINGER_MS);
    }
    session_end(session);
}

static void session_pump(struct smtpd_session *session)
{
    enum next next;
    do {
        next = step(session);
    } while (next == NEXT_STEP);
    if (next == NEXT_GONE) {
        return;
    }
    bool busy = session->waits || session->held || is_clogged(session);
    if (session->eof && !busy) {
        session_abandon(session);
        return;
    }
    set_timer(session);
}

static void on_timer(void *ctx)
{
    struct smtpd_session *session = ctx;
    if (session->handshake) {
        session_end(session);
    } else {
        session_pump(session);
    }
}

static void on_stream(void *ctx, enum net_stream_event event)
{
    struct smtpd_session *session = ctx;
    switch (event) {
    case NET_STREAM_TLS_READY:
        session->handshake = false;
        smtpd_engine_tls_ready(session->engine, net_now(session->smtpd->loop), net_stream_tls_version(session->stream),
                               net_stream_tls_cipher(session->stream), net_stream_tls_peer(session->stream));
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
    session_pump(session);
}

void smtpd_session_drain(struct smtpd_session *session)
{
    smtpd_engine_drain(session->engine);
    /* It says its 421 from the loop, not from inside this call. */
    net_timer_start(session->timer, 0);
}

void smtpd_session_start(struct smtpd_listener *listener, struct net_stream *stream, const struct smtpd_answer *refusal,
                         bool counted)
{
    struct smtpd *smtpd = listener->smtpd;
    const struct smtpd_listener_options *options = &listener->options;
    struct smtpd_session *session = expect_calloc(1, sizeof *session);
    const struct smtpd_engine_options engine = {.hostname = smtpd->hostname,
                                                .listener = options->name,
                                                .client_address = net_stream_peer(stream),
                                                .client_port = net_stream_peer_port(stream),
                                                .starttls = options->tls_mode == SMTPD_TLS_STARTTLS,
                                                .implicit_tls = options->tls_mode == SMTPD_TLS_IMPLICIT,
                                                .refusal = *refusal,
                                                .limits = options->limits};
    session->listener = listener;
    session->smtpd = smtpd;
    session->stream = stream;
    session->tls = options->tls;
    session->counted = counted;
    snprintf(session->address, sizeof session->address, "%s", net_stream_peer(stream));
    session->engine = smtpd_engine_new(&engine, net_now(smtpd->loop));
    session->timer = net_timer_new(smtpd->loop, on_timer, session);
    list_append(&listener->sessions, &session->link);
    smtpd->counts.sessions++;
    smtpd->counts.sessions_open++;
    if (refusal->code != 0) {
        log_event(smtpd->log, LOG_LEVEL_INFO, "refused", LOG_STR("client.address", session->address),
                  LOG_STR("listener", options->name), LOG_INT("reply.code", refusal->code),
                  LOG_STR("reply.text", refusal->text));
    }
    net_stream_set_handler(stream, on_stream, session);
    session_pump(session);
}

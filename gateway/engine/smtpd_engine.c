/*
 * smtpd_engine - steps, phases, deadlines and answers of an SMTP session. RFC 5321. Contract: smtpd_engine.h; the other
 * files of the engine: smtpd_private.h.
 */
#include "engine/smtpd_engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "engine/smtpd_private.h"
#include "proto/smtp_line.h"
#include "proto/smtp_reply.h"

/* Room for one reply to each recipient of an LMTP transaction. */
#define OUTPUT_MAX ((size_t)8 << 20)
/* Above it no further command is read: a peer that does not read its replies gets no new ones. */
#define OUTPUT_HIGH ((size_t)8 << 10)
/* A line that is longer than this is not a mistake. */
#define SKIP_MAX ((size_t)64 << 10)
/* The first octet of a TLS record that holds a handshake: somebody speaks TLS where we listen in clear. */
#define TLS_HANDSHAKE 0x16
#define NEVER         UINT64_MAX

void smtpd_limits_default(struct smtpd_limits *limits)
{
    *limits = (struct smtpd_limits){
        .max_message_size = (uint64_t)25 << 20,
        .max_recipients = 1000,
        .max_recipients_per_session = 100000,
        .max_sessions = 1000,
        .max_sessions_per_network = 100,
        .max_sessions_per_user = 100,
        .max_errors = 20,
        .max_unknown_commands = 10,
        .max_auth_failures = 3,
        .max_auth_failures_per_network = 30,
        .max_transactions = 1000000,
        .max_refusals_logged = 30,
        .max_received = 100,
        .command_timeout_ms = 300 * 1000,
        .data_timeout_ms = 180 * 1000,
        .session_timeout_ms = 3600 * 1000,
        .greeting_delay_ms = 250,
    };
}

/* ---- phases: what the next octets are ---- */

static int take_nothing(struct smtpd_engine *engine, uint64_t now, struct bytes input, size_t *used_r)
{
    (void)engine;
    (void)now;
    (void)input;
    (void)used_r;
    return 0;
}

/* What can be shown of input that is no command line. */
static struct bytes first_words(struct bytes input)
{
    struct bytes rest = bytes_slice(input, 0, SMTPD_SAID_MAX + 1);
    struct bytes line = bytes_cut(&rest, '\n');
    return bytes_cut(&line, '\r');
}

static int take_early(struct smtpd_engine *engine, uint64_t now, struct bytes input, size_t *used_r)
{
    (void)now;
    (void)used_r;
    if (input.len == 0) {
        return 0;
    }
    smtpd_note_said(engine, first_words(input));
    smtpd_hang_up(engine, SMTPD_REPLY_EARLY_TALKER);
    return 1;
}

/*
 * A command as it may be shown: AUTH without what stands behind the mechanism; and behind an AUTH, what is no command
 * may be the name or the password that a client sends without waiting for the answer.
 */
static void note_command(struct smtpd_engine *engine, struct bytes line)
{
    struct smtp_command command;
    if (smtp_command_parse(line, &command) < 0) {
        command.verb = SMTP_VERB_UNKNOWN;
    }
    engine->verb = command.verb;
    if (command.verb == SMTP_VERB_AUTH) {
        struct bytes rest = command.argument;
        struct bytes mechanism = bytes_cut(&rest, ' ');
        engine->auth_tried = true;
        smtpd_note_said(engine, bytes_slice(line, 0, (size_t)(mechanism.ptr - line.ptr) + mechanism.len));
    } else if (command.verb == SMTP_VERB_UNKNOWN && engine->auth_tried) {
        smtpd_note_said(engine, bytes_of("(not shown: it may be a password)"));
    } else {
        smtpd_note_said(engine, line);
    }
}

/* A whole command line. */
static void take_line(struct smtpd_engine *engine, uint64_t now, struct bytes line)
{
    const struct smtpd_limits *limits = &engine->options.limits;
    note_command(engine, line);
    smtpd_command(engine, now, line);
    if (engine->phase == SMTPD_PHASE_ENDED) {
        return;
    }
    if (engine->unknown > limits->max_unknown_commands) {
        smtpd_hang_up(engine, SMTPD_REPLY_TOO_MANY_UNKNOWN);
    } else if (engine->errors > limits->max_errors) {
        smtpd_hang_up(engine, SMTPD_REPLY_TOO_MANY_ERRORS);
    } else if (engine->phase == SMTPD_PHASE_COMMAND) {
        smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
    }
}

static int take_command(struct smtpd_engine *engine, uint64_t now, struct bytes input, size_t *used_r)
{
    struct bytes line;
    if (engine->draining && engine->transaction.arena == NULL) {
        smtpd_hang_up(engine, SMTPD_REPLY_SHUTDOWN);
        return 1;
    }
    if (input.len > 0 && input.ptr[0] == TLS_HANDSHAKE) {
        smtpd_note_said(engine, bytes_of(""));
        smtpd_hang_up(engine, SMTPD_REPLY_FOREIGN_TLS);
        return 1;
    }
    switch (smtp_line_next(input, SMTPD_LINE_MAX, &line, used_r)) {
    case SMTP_LINE_MORE:
        return 0;
    case SMTP_LINE_BARE:
        note_command(engine, first_words(input));
        smtpd_hang_up(engine, SMTPD_REPLY_BARE);
        return 1;
    case SMTP_LINE_TOO_LONG:
        note_command(engine, first_words(input));
        engine->skipped = *used_r;
        engine->phase = SMTPD_PHASE_SKIP;
        return 1;
    case SMTP_LINE_GOT:
        break;
    }
    take_line(engine, now, line);
    return 1;
}

/* The rest of a line that was too long: one reply for all of it, so that we stay in step. */
static int skip_line(struct smtpd_engine *engine, uint64_t now, struct bytes input, size_t *used_r)
{
    struct bytes line;
    enum smtp_line_result result = smtp_line_next(input, 0, &line, used_r);
    engine->skipped += *used_r;
    if (result == SMTP_LINE_BARE) {
        smtpd_hang_up(engine, SMTPD_REPLY_BARE);
    } else if (engine->skipped > SKIP_MAX) {
        smtpd_hang_up(engine, SMTPD_REPLY_LINE_TOO_LONG);
    } else if (result == SMTP_LINE_GOT) {
        smtpd_reply(engine, SMTPD_REPLY_LINE_TOO_LONG);
        smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
    }
    return result == SMTP_LINE_MORE ? 0 : 1;
}

static int take_end(struct smtpd_engine *engine, uint64_t now, struct bytes input, size_t *used_r)
{
    (void)now;
    *used_r = input.len;
    engine->want = SMTPD_WANT_CLOSE;
    return 1;
}

static void on_timeout(struct smtpd_engine *engine, uint64_t now)
{
    (void)now;
    smtpd_hang_up(engine, SMTPD_REPLY_TIMEOUT);
}

static void on_data_timeout(struct smtpd_engine *engine, uint64_t now)
{
    (void)now;
    smtpd_hang_up(engine, SMTPD_REPLY_DATA_TIMEOUT);
}

/* Nothing may be said in clear while the peer expects TLS. */
static void on_handshake_timeout(struct smtpd_engine *engine, uint64_t now)
{
    (void)now;
    smtpd_end(engine);
}

static const struct {
    const char *name;
    smtpd_taker *take;
    void (*on_deadline)(struct smtpd_engine *engine, uint64_t now);
} phases[] = {
    [SMTPD_PHASE_HANDSHAKE] = {"handshake", take_nothing, on_handshake_timeout},
    [SMTPD_PHASE_GREETING] = {"greeting", take_early, smtpd_greet},
    [SMTPD_PHASE_COMMAND] = {"command", take_command, on_timeout},
    [SMTPD_PHASE_SKIP] = {"skip", skip_line, on_timeout},
    [SMTPD_PHASE_SASL] = {"authentication", smtpd_take_sasl, on_timeout},
    [SMTPD_PHASE_PENALTY] = {"penalty", take_nothing, smtpd_end_penalty},
    [SMTPD_PHASE_TEXT] = {"text", smtpd_take_text, on_data_timeout},
    [SMTPD_PHASE_CHUNK] = {"chunk", smtpd_take_chunk, on_data_timeout},
    [SMTPD_PHASE_ENDED] = {"ended", take_end, on_timeout},
};

const char *smtpd_engine_phase(const struct smtpd_engine *engine)
{
    return phases[engine->phase].name;
}

/* ---- life ---- */

static void copy_text(char *into, size_t size, const char *text)
{
    size_t len = text == NULL ? 0 : strnlen(text, size - 1);
    if (len > 0) {
        memcpy(into, text, len);
    }
    into[len] = '\0';
}

/* The strings of the options, each a copy of its own. */
static void copy_options(struct smtpd_engine *engine, const struct smtpd_engine_options *options)
{
    engine->options = *options;
    engine->hostname = expect_strdup(options->hostname);
    engine->listener = expect_strdup(options->listener);
    engine->refusal_enhanced = expect_strdup(options->refusal.enhanced);
    engine->refusal_text = expect_strdup(options->refusal.text);
    engine->options.hostname = engine->hostname;
    engine->options.listener = engine->listener;
    engine->options.refusal.enhanced = engine->refusal_enhanced;
    engine->options.refusal.text = engine->refusal_text;
    copy_text(engine->client_address, sizeof engine->client_address, options->client_address);
    engine->client_port = options->client_port;
    engine->trusted = options->trusted;
}

/* The greeting, or the wait for it. */
static void begin_session(struct smtpd_engine *engine, uint64_t now)
{
    if (engine->trusted || engine->options.refusal.code != 0 || engine->options.limits.greeting_delay_ms == 0) {
        smtpd_greet(engine, now);
    } else {
        smtpd_enter(engine, now, SMTPD_PHASE_GREETING);
    }
}

struct smtpd_engine *smtpd_engine_new(const struct smtpd_engine_options *options, uint64_t now)
{
    struct smtpd_engine *engine = expect_calloc(1, sizeof *engine);
    copy_options(engine, options);
    char **texts[] = {&engine->helo, &engine->recipient, &engine->tls_peer, &engine->user};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        smtpd_keep(texts[i], bytes_of(""));
    }
    engine->state = SMTPD_STATE_START;
    engine->session_deadline = now + options->limits.session_timeout_ms;
    buf_init(&engine->output, OUTPUT_MAX);
    buf_init(&engine->sasl, SMTPD_AUTH_LINE_MAX);
    smtpd_transaction_done(&engine->transaction);
    smtpd_update_offer(engine);
    if (options->implicit_tls) {
        smtpd_enter(engine, now, SMTPD_PHASE_HANDSHAKE);
        smtpd_ask(engine, SMTPD_WANT_TLS);
    } else {
        begin_session(engine, now);
    }
    return engine;
}

void smtpd_engine_free(struct smtpd_engine **engine)
{
    if (*engine == NULL) {
        return;
    }
    smtpd_transaction_done(&(*engine)->transaction);
    buf_done(&(*engine)->output);
    buf_wipe(&(*engine)->sasl);
    free((*engine)->hostname);
    free((*engine)->listener);
    free((*engine)->refusal_enhanced);
    free((*engine)->refusal_text);
    free((*engine)->helo);
    free((*engine)->recipient);
    free((*engine)->tls_peer);
    free((*engine)->user);
    free(*engine);
    *engine = NULL;
}

/* ---- steps ---- */

/* Whether the client is waited for, so that its deadline runs. */
static bool is_waiting_for_client(const struct smtpd_engine *engine)
{
    return !engine->stopped && (engine->awaiting == SMTPD_WANT_INPUT || engine->awaiting == SMTPD_WANT_TLS);
}

uint64_t smtpd_engine_deadline(const struct smtpd_engine *engine)
{
    if (!is_waiting_for_client(engine) || engine->phase == SMTPD_PHASE_ENDED) {
        return NEVER;
    }
    return engine->deadline < engine->session_deadline ? engine->deadline : engine->session_deadline;
}

static void check_deadline(struct smtpd_engine *engine, uint64_t now)
{
    if (smtpd_engine_deadline(engine) > now) {
        return;
    }
    if (engine->phase != SMTPD_PHASE_HANDSHAKE && engine->session_deadline <= now) {
        smtpd_hang_up(engine, SMTPD_REPLY_SESSION_TIMEOUT);
    } else {
        phases[engine->phase].on_deadline(engine, now);
    }
}

static bool is_blocked(const struct smtpd_engine *engine)
{
    return engine->want != SMTPD_WANT_INPUT || engine->reset_due || engine->awaiting != SMTPD_WANT_INPUT ||
           engine->stopped || engine->output.len > OUTPUT_HIGH;
}

static enum smtpd_want take_want(struct smtpd_engine *engine, struct smtpd_request *request_r)
{
    enum smtpd_want want = engine->want;
    *request_r = engine->request;
    request_r->envelope = &engine->transaction.envelope;
    if (engine->reset_due) {
        request_r->refusal = engine->transaction.refusal;
        engine->reset_due = false;
        engine->reset_told = true;
        return SMTPD_WANT_RESET;
    }
    engine->want = SMTPD_WANT_INPUT;
    return want;
}

enum smtpd_want smtpd_engine_step(struct smtpd_engine *engine, uint64_t now, struct bytes input, size_t *used_r,
                                  struct smtpd_request *request_r)
{
    *used_r = 0;
    if (engine->reset_told) {
        engine->reset_told = false;
        smtpd_transaction_done(&engine->transaction);
    }
    check_deadline(engine, now);
    while (!is_blocked(engine)) {
        size_t used = 0;
        int went_on = phases[engine->phase].take(engine, now, bytes_from(input, *used_r), &used);
        *used_r += used;
        if (went_on == 0) {
            break;
        }
    }
    return take_want(engine, request_r);
}

/* ---- answers ---- */

void smtpd_engine_answer(struct smtpd_engine *engine, uint64_t now, const struct smtpd_answer *answer)
{
    enum smtpd_want question = engine->awaiting;
    engine->awaiting = SMTPD_WANT_INPUT;
    switch (question) {
    case SMTPD_WANT_MAIL:
        smtpd_answered_mail(engine, answer);
        break;
    case SMTPD_WANT_RECIPIENT:
        smtpd_answered_recipient(engine, answer);
        break;
    default:
        EXPECT(question == SMTPD_WANT_MESSAGE);
        smtpd_answered_message(engine, answer);
    }
    smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
    if (answer->code == 421) {
        smtpd_end(engine);
    }
}

void smtpd_engine_answer_each(struct smtpd_engine *engine, uint64_t now, const struct smtpd_answer *answers)
{
    EXPECT(engine->awaiting == SMTPD_WANT_MESSAGE && engine->options.lmtp);
    engine->awaiting = SMTPD_WANT_INPUT;
    smtpd_answered_each(engine, answers);
    smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
}

void smtpd_engine_answer_client(struct smtpd_engine *engine, uint64_t now, bool trusted, bool lenient,
                                const struct smtpd_answer *refusal)
{
    EXPECT(engine->awaiting == SMTPD_WANT_CLIENT);
    engine->awaiting = SMTPD_WANT_INPUT;
    engine->trusted = trusted;
    engine->options.lenient = lenient;
    if (refusal->code != 0) {
        smtpd_say(engine, refusal);
        smtpd_end(engine);
        return;
    }
    smtpd_greet(engine, now);
}

void smtpd_engine_store_failed(struct smtpd_engine *engine, const struct smtpd_answer *answer)
{
    smtpd_message_fail(engine, answer);
}

void smtpd_engine_stop(struct smtpd_engine *engine, uint64_t now, bool stop)
{
    if (engine->stopped && !stop) {
        smtpd_enter(engine, now, engine->phase);
    }
    engine->stopped = stop;
}

void smtpd_engine_tls_ready(struct smtpd_engine *engine, uint64_t now, const char *version, const char *cipher,
                            const char *peer)
{
    EXPECT(engine->awaiting == SMTPD_WANT_TLS);
    engine->awaiting = SMTPD_WANT_INPUT;
    engine->state = SMTPD_STATE_START;
    engine->esmtp = false;
    engine->helo[0] = engine->user[0] = '\0';
    copy_text(engine->tls_version, sizeof engine->tls_version, version);
    copy_text(engine->tls_cipher, sizeof engine->tls_cipher, cipher);
    smtpd_keep(&engine->tls_peer, bytes_of(peer == NULL ? "" : peer));
    smtpd_update_offer(engine);
    if (!engine->greeted) {
        begin_session(engine, now);
    } else {
        smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
    }
}

const char *smtpd_engine_said(const struct smtpd_engine *engine)
{
    return engine->said;
}

void smtpd_engine_drain(struct smtpd_engine *engine)
{
    engine->draining = true;
}

struct buf *smtpd_engine_output(struct smtpd_engine *engine)
{
    return &engine->output;
}

bool smtpd_engine_in_transaction(const struct smtpd_engine *engine)
{
    return engine->transaction.arena != NULL;
}

struct arena *smtpd_engine_arena(struct smtpd_engine *engine)
{
    return engine->transaction.arena;
}

const struct mail_envelope *smtpd_engine_envelope(const struct smtpd_engine *engine)
{
    return engine->transaction.arena == NULL ? NULL : &engine->transaction.envelope;
}

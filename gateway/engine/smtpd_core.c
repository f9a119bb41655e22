/*
 * smtpd_core - what the handlers of commands do to the session: reply, ask, end, begin the next phase. Which handler
 * comes when is not known here: smtpd_engine.c and smtpd_commands.c call down to the handlers, these call down to here.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "engine/smtpd_private.h"
#include "proto/smtp_reply.h"

/* What must come of a message within data_timeout_ms for the deadline to move: octets one by one are no progress. */
#define PROGRESS_MIN 1024

/* ---- replies ---- */

struct smtpd_answer smtpd_keep_answer(struct smtpd_engine *engine, const struct smtpd_answer *answer)
{
    const char *enhanced = arena_text(engine->transaction.arena, answer->enhanced == NULL ? "" : answer->enhanced);
    const char *text = arena_text(engine->transaction.arena, answer->text);
    if (enhanced == NULL || text == NULL) {
        return *smtpd_reply_get(SMTPD_REPLY_TOO_MUCH_MEMORY);
    }
    return (struct smtpd_answer){answer->code, enhanced, text, answer->reply};
}

void smtpd_keep(char **text, struct bytes value)
{
    char *kept = expect_calloc(value.len + 1, 1);
    if (value.len > 0) { /* nothing may have no octets to point at */
        memcpy(kept, value.ptr, value.len);
    }
    free(*text);
    *text = kept;
}

void smtpd_note_said(struct smtpd_engine *engine, struct bytes line)
{
    size_t len = line.len < SMTPD_SAID_MAX ? line.len : SMTPD_SAID_MAX;
    for (size_t i = 0; i < len; i++) {
        engine->said[i] = line.ptr[i] >= ' ' && line.ptr[i] < 127 ? (char)line.ptr[i] : '?';
    }
    engine->said[len] = '\0';
    engine->recipient[0] = '\0';
    engine->is_hopeless = false;
}

void smtpd_note_recipient(struct smtpd_engine *engine, struct bytes address)
{
    smtpd_keep(&engine->recipient, bytes_slice(address, 0, SMTPD_RECIPIENT_MAX));
}

/* The key that would let it in, unless it is "lenient" and would not: it is set already, or takes that no more. */
static const char *key_of(const struct smtpd_engine *engine, const struct smtpd_answer *answer)
{
    const char *key = smtpd_reply_key(answer->reply);
    bool in_command = answer->reply == SMTPD_REPLY_BARE && engine->phase != SMTPD_PHASE_TEXT;
    bool useless = engine->options.lenient || engine->is_hopeless || in_command;
    return key != NULL && strcmp(key, "lenient") == 0 && useless ? NULL : key;
}

static void tell_refusal(struct smtpd_engine *engine, const struct smtpd_answer *answer)
{
    bool open = engine->transaction.arena != NULL;
    const struct smtpd_refusal refusal = {
        .answer = answer,
        .said = engine->said,
        .recipient = engine->recipient[0] == '\0' ? NULL : engine->recipient,
        .envelope = open ? &engine->transaction.envelope : NULL,
        .is_mail = open && (engine->verb == SMTP_VERB_MAIL || engine->verb == SMTP_VERB_RCPT ||
                            engine->verb == SMTP_VERB_DATA || engine->verb == SMTP_VERB_BDAT),
        .helo = engine->helo,
        .user = engine->user,
        .key = key_of(engine, answer),
    };
    if (engine->options.refused != NULL) {
        engine->options.refused(engine->options.refused_ctx, &refusal);
    }
}

void smtpd_say(struct smtpd_engine *engine, const struct smtpd_answer *answer)
{
    /* Cannot be full: commands wait at OUTPUT_HIGH, and one reply is far smaller than what is left. */
    smtp_reply_write(&engine->output, answer->code, answer->enhanced, answer->text);
    smtpd_tally_reply(engine->options.tally, answer);
    if (answer->code >= 400) {
        engine->errors++;
        tell_refusal(engine, answer);
    }
    if (answer->code >= 400 && engine->transaction.arena != NULL) {
        engine->transaction.refusal = smtpd_keep_answer(engine, answer);
    }
}

void smtpd_reply(struct smtpd_engine *engine, enum smtpd_reply reply)
{
    smtpd_say(engine, smtpd_reply_get(reply));
}

void smtpd_end(struct smtpd_engine *engine)
{
    smtpd_reset(engine, false);
    engine->want = engine->awaiting == SMTPD_WANT_AUTH ? SMTPD_WANT_AUTH_END : SMTPD_WANT_INPUT;
    engine->awaiting = SMTPD_WANT_INPUT;
    engine->phase = SMTPD_PHASE_ENDED;
}

void smtpd_hang_up(struct smtpd_engine *engine, enum smtpd_reply reply)
{
    smtpd_reply(engine, reply);
    smtpd_end(engine);
}

void smtpd_ask(struct smtpd_engine *engine, enum smtpd_want want)
{
    engine->want = want;
    engine->awaiting = want;
}

/* ---- transactions ---- */

void smtpd_transaction_done(struct smtpd_transaction *transaction)
{
    buf_done(&transaction->header);
    arena_free(&transaction->arena);
    memset(transaction, 0, sizeof *transaction);
    buf_init(&transaction->header, SMTPD_HEADER_MAX);
}

void smtpd_reset(struct smtpd_engine *engine, bool message_taken)
{
    if (engine->transaction.arena == NULL) {
        return;
    }
    engine->state = SMTPD_STATE_READY;
    if (message_taken) {
        smtpd_transaction_done(&engine->transaction);
    } else {
        engine->reset_due = true;
    }
}

/* ---- phases ---- */

/* Which of the limits is a phase's time. */
static const size_t timeouts[] = {
#define TIMEOUT(field) offsetof(struct smtpd_limits, field)
    [SMTPD_PHASE_HANDSHAKE] = TIMEOUT(command_timeout_ms), [SMTPD_PHASE_GREETING] = TIMEOUT(greeting_delay_ms),
    [SMTPD_PHASE_COMMAND] = TIMEOUT(command_timeout_ms),   [SMTPD_PHASE_SKIP] = TIMEOUT(command_timeout_ms),
    [SMTPD_PHASE_SASL] = TIMEOUT(command_timeout_ms),      [SMTPD_PHASE_PENALTY] = TIMEOUT(command_timeout_ms),
    [SMTPD_PHASE_TEXT] = TIMEOUT(data_timeout_ms),         [SMTPD_PHASE_CHUNK] = TIMEOUT(data_timeout_ms),
    [SMTPD_PHASE_ENDED] = TIMEOUT(command_timeout_ms),
#undef TIMEOUT
};

void smtpd_enter(struct smtpd_engine *engine, uint64_t now, enum smtpd_phase phase)
{
    uint64_t timeout;
    memcpy(&timeout, (const char *)&engine->options.limits + timeouts[phase], sizeof timeout);
    engine->phase = phase;
    engine->deadline = now + timeout;
    engine->progress = 0;
}

void smtpd_note_progress(struct smtpd_engine *engine, uint64_t now, size_t octets)
{
    engine->progress += octets;
    if (engine->progress >= PROGRESS_MIN) {
        engine->progress = 0;
        engine->deadline = now + engine->options.limits.data_timeout_ms;
    }
}

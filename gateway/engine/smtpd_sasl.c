/*
 * smtpd_sasl - the AUTH command: lines, base64, cancelling, failures that are slow to hear. RFC 4954.
 *
 * What the octets mean is the owner's: each step is a question. No octet of an exchange is logged or kept longer than
 * its step.
 */
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "engine/smtpd_private.h"
#include "proto/smtp_line.h"

/* A line of base64 with "334 " in front. */
#define CHALLENGE_MAX (SMTPD_AUTH_LINE_MAX + 8)

static const struct {
    enum smtpd_mechanism mechanism;
    const char *name;
    bool needs_tls; /* whatever the options say */
} mechanisms[] = {
    {SMTPD_MECHANISM_SCRAM_PLUS, "SCRAM-SHA-256-PLUS", true},
    {SMTPD_MECHANISM_SCRAM, "SCRAM-SHA-256", false},
    {SMTPD_MECHANISM_PLAIN, "PLAIN", false},
    {SMTPD_MECHANISM_LOGIN, "LOGIN", false},
};

#define MECHANISM_COUNT (sizeof mechanisms / sizeof mechanisms[0])

void smtpd_mechanism_names(unsigned set, struct buf *out)
{
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        if ((mechanisms[i].mechanism & set) != 0) {
            buf_printf(out, " %s", mechanisms[i].name);
        }
    }
}

unsigned smtpd_mechanism_of(const char *name)
{
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        if (bytes_is_nocase(bytes_of(name), mechanisms[i].name)) {
            return mechanisms[i].mechanism;
        }
    }
    return 0;
}

unsigned smtpd_mechanisms_now(const struct smtpd_engine *engine)
{
    bool tls = engine->tls_version[0] != '\0';
    unsigned set = tls || engine->options.auth_in_clear ? engine->options.mechanisms : 0;
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        set &= mechanisms[i].needs_tls && !tls ? ~(unsigned)mechanisms[i].mechanism : ~0u;
    }
    return set;
}

static void say_challenge(struct smtpd_engine *engine, uint64_t now, struct bytes challenge)
{
    struct buf line;
    buf_init(&line, CHALLENGE_MAX);
    buf_append_text(&line, "334 ");
    /* Written here, because a challenge may be longer than a reply line. */
    EXPECT(units_base64_encode(&line, challenge) == 0 && buf_append_text(&line, "\r\n") == 0);
    EXPECT(buf_append_bytes(&engine->output, buf_bytes(&line)) == 0);
    buf_done(&line);
    smtpd_enter(engine, now, SMTPD_PHASE_SASL);
}

/*
 * A line that is no base64. Where a password follows the name in a line of its own, that line is waited for before the
 * refusal: a client that does not wait for answers would have its password read as a command.
 */
static void refuse_base64(struct smtpd_engine *engine, uint64_t now, bool is_first)
{
    bool is_name =
        engine->mechanism == SMTPD_MECHANISM_LOGIN && !engine->sasl_broken && (is_first || engine->sasl_lines == 1);
    if (is_name) {
        engine->sasl_broken = true;
        say_challenge(engine, now, bytes_of("Password:"));
        engine->want = is_first ? SMTPD_WANT_INPUT : SMTPD_WANT_AUTH_END;
        return;
    }
    smtpd_reply(engine, SMTPD_REPLY_AUTH_BASE64);
    engine->want = is_first ? SMTPD_WANT_INPUT : SMTPD_WANT_AUTH_END;
    smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
}

/*
 * The client's octets to the owner, or a refusal when they are no base64. "=" is an empty initial response (RFC 4954
 * section 4).
 */
static void ask_client(struct smtpd_engine *engine, uint64_t now, struct bytes text, bool is_first)
{
    bool empty = is_first && bytes_is(text, "=");
    buf_clear(&engine->sasl);
    if (!empty && units_base64_decode(&engine->sasl, text) < 0) {
        refuse_base64(engine, now, is_first);
        return;
    }
    engine->request.mechanism = engine->mechanism;
    engine->request.data = buf_bytes(&engine->sasl);
    engine->request.is_first = is_first;
    engine->request.has_data = !is_first || text.len > 0;
    smtpd_ask(engine, SMTPD_WANT_AUTH);
}

static enum smtpd_mechanism find_mechanism(const struct smtpd_engine *engine, struct bytes name)
{
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        if (bytes_is_nocase(name, mechanisms[i].name) &&
            (mechanisms[i].mechanism & smtpd_mechanisms_now(engine)) != 0) {
            return mechanisms[i].mechanism;
        }
    }
    return 0;
}

void smtpd_handle_auth(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    struct bytes initial = argument;
    struct bytes name = bytes_cut(&initial, ' ');
    (void)now;
    engine->mechanism = find_mechanism(engine, name);
    engine->sasl_broken = false;
    engine->sasl_lines = initial.len > 0 ? 1 : 0;
    if (engine->user[0] != '\0') {
        smtpd_reply(engine, SMTPD_REPLY_AUTH_TWICE);
    } else if (engine->mechanism == 0) {
        smtpd_reply(engine, SMTPD_REPLY_AUTH_MECHANISM);
    } else {
        ask_client(engine, now, bytes_trim(initial), true);
    }
}

int smtpd_take_sasl(struct smtpd_engine *engine, uint64_t now, struct bytes input, size_t *used_r)
{
    struct bytes line;
    enum smtp_line_result result = smtp_line_next(input, SMTPD_AUTH_LINE_MAX, &line, used_r);
    if (result == SMTP_LINE_MORE) {
        return 0;
    }
    if (result != SMTP_LINE_GOT) {
        smtpd_hang_up(engine, result == SMTP_LINE_BARE ? SMTPD_REPLY_BARE : SMTPD_REPLY_LINE_TOO_LONG);
        engine->want = SMTPD_WANT_AUTH_END;
        return 1;
    }
    engine->sasl_lines++;
    if (engine->sasl_broken) {
        smtpd_reply(engine, SMTPD_REPLY_AUTH_BASE64);
        smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
        return 1;
    }
    if (bytes_is(line, "*")) {
        smtpd_reply(engine, SMTPD_REPLY_AUTH_CANCELLED);
        engine->want = SMTPD_WANT_AUTH_END;
        smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
        return 1;
    }
    ask_client(engine, now, line, false);
    return 1;
}

void smtpd_end_penalty(struct smtpd_engine *engine, uint64_t now)
{
    engine->auth_failures++;
    smtpd_reply(engine, SMTPD_REPLY_AUTH_FAILED);
    smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
    if (engine->auth_failures >= engine->options.limits.max_auth_failures) {
        smtpd_hang_up(engine, SMTPD_REPLY_TOO_MANY_AUTH_FAILURES);
    }
}

void smtpd_engine_answer_auth(struct smtpd_engine *engine, uint64_t now, const struct smtpd_auth_answer *answer)
{
    EXPECT(engine->awaiting == SMTPD_WANT_AUTH);
    engine->awaiting = SMTPD_WANT_INPUT;
    buf_wipe(&engine->sasl);
    smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
    switch (answer->kind) {
    case SMTPD_AUTH_CHALLENGE:
        say_challenge(engine, now, answer->challenge);
        break;
    case SMTPD_AUTH_OK:
        smtpd_keep(&engine->user, bytes_slice(bytes_of(answer->user), 0, SMTPD_USER_MAX));
        smtpd_reply(engine, SMTPD_REPLY_AUTH_OK);
        break;
    case SMTPD_AUTH_FAILED:
        smtpd_enter(engine, now, SMTPD_PHASE_PENALTY);
        engine->deadline = now + answer->delay_ms;
        break;
    case SMTPD_AUTH_REFUSED:
        smtpd_say(engine, &answer->refusal);
        if (answer->refusal.code == 421) {
            smtpd_end(engine);
        }
        break;
    }
}

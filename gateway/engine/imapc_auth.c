/*
 * imapc_auth - the login of an IMAP connection: LOGIN, or AUTHENTICATE with PLAIN, EXTERNAL, SCRAM, XOAUTH2 or
 * OAUTHBEARER (RFC 9051 section 6.2, RFC 4616, RFC 5802, RFC 7628). See imapc_private.h. Nothing is sent behind it
 * before it is answered; SCRAM's arithmetic is the owner's.
 */
#include "base/units.h"
#include "engine/imapc_private.h"

/* Of the server: the invitation, its first message, its final one with the proof. */
#define SCRAM_MESSAGES 3
/* What a user name and a password or token may take together. */
#define CREDENTIALS_MAX 16384

static bool server_can(const struct imapc_engine *engine, uint32_t capability)
{
    return (engine->capabilities.has & capability) != 0;
}

/* ---- which mechanism ---- */

static const struct {
    const char *name;
    uint32_t capability;
    const char *plus_name; /* with channel binding */
    uint32_t plus_capability;
} mechanisms[] = {
    [IMAPC_AUTH_PLAIN] = {.name = "PLAIN", .capability = IMAP_CAP_AUTH_PLAIN},
    [IMAPC_AUTH_SCRAM_SHA_1] = {.name = "SCRAM-SHA-1",
                                .capability = IMAP_CAP_AUTH_SCRAM_SHA_1,
                                .plus_name = "SCRAM-SHA-1-PLUS",
                                .plus_capability = IMAP_CAP_AUTH_SCRAM_SHA_1_PLUS},
    [IMAPC_AUTH_SCRAM_SHA_256] = {.name = "SCRAM-SHA-256",
                                  .capability = IMAP_CAP_AUTH_SCRAM_SHA_256,
                                  .plus_name = "SCRAM-SHA-256-PLUS",
                                  .plus_capability = IMAP_CAP_AUTH_SCRAM_SHA_256_PLUS},
    [IMAPC_AUTH_EXTERNAL] = {.name = "EXTERNAL", .capability = IMAP_CAP_AUTH_EXTERNAL},
    [IMAPC_AUTH_XOAUTH2] = {.name = "XOAUTH2", .capability = IMAP_CAP_AUTH_XOAUTH2},
    [IMAPC_AUTH_OAUTHBEARER] = {.name = "OAUTHBEARER", .capability = IMAP_CAP_AUTH_OAUTHBEARER},
};

static bool is_scram(enum imapc_mechanism mechanism)
{
    return mechanism == IMAPC_AUTH_SCRAM_SHA_1 || mechanism == IMAPC_AUTH_SCRAM_SHA_256;
}

/* The mechanism that worked for the account, where none is named; AUTO: none yet. */
static enum imapc_mechanism pinned(const struct imapc_engine *engine)
{
    const struct imapc_habits *habits = engine->options.habits;
    return habits == NULL ? IMAPC_AUTH_AUTO : habits->mechanism;
}

/* Whether AUTHENTICATE PLAIN is better left alone, where LOGIN says the same. */
static bool avoids_authenticate(const struct imapc_engine *engine)
{
    const struct imapc_habits *habits = engine->options.habits;
    bool learned = habits != NULL && (habits->no_authenticate || habits->login_next);
    return (engine->no_authenticate || learned) && !server_can(engine, IMAP_CAP_LOGINDISABLED);
}

static enum imapc_mechanism choose_mechanism(const struct imapc_engine *engine)
{
    if (engine->options.mechanism != IMAPC_AUTH_AUTO) {
        return engine->options.mechanism;
    }
    if (engine->options.is_token) {
        return server_can(engine, IMAP_CAP_AUTH_OAUTHBEARER) ? IMAPC_AUTH_OAUTHBEARER : IMAPC_AUTH_XOAUTH2;
    }
    if (is_scram(pinned(engine))) {
        return pinned(engine); /* never back to what shows the password, whatever is offered today */
    }
    if (server_can(engine, IMAP_CAP_AUTH_PLAIN) && !avoids_authenticate(engine)) {
        return IMAPC_AUTH_PLAIN;
    }
    if (server_can(engine, IMAP_CAP_LOGINDISABLED) && server_can(engine, IMAP_CAP_AUTH_SCRAM_SHA_256)) {
        return IMAPC_AUTH_SCRAM_SHA_256;
    }
    return server_can(engine, IMAP_CAP_LOGINDISABLED) && server_can(engine, IMAP_CAP_AUTH_SCRAM_SHA_1)
               ? IMAPC_AUTH_SCRAM_SHA_1
               : IMAPC_AUTH_LOGIN;
}

static bool is_bearer(enum imapc_mechanism mechanism)
{
    return mechanism == IMAPC_AUTH_XOAUTH2 || mechanism == IMAPC_AUTH_OAUTHBEARER;
}

static bool can_be_bound(const struct imapc_engine *engine)
{
    return is_scram(engine->mechanism) && engine->can_bind && engine->options.binding != IMAPC_BINDING_NEVER &&
           server_can(engine, mechanisms[engine->mechanism].plus_capability);
}

/* Whether the server offers it, as far as it says. */
static bool is_offered(const struct imapc_engine *engine)
{
    if (engine->mechanism == IMAPC_AUTH_LOGIN) {
        return !server_can(engine, IMAP_CAP_LOGINDISABLED);
    }
    return engine->bound || server_can(engine, mechanisms[engine->mechanism].capability);
}

const char *imapc_mechanism_name(const struct imapc_engine *engine)
{
    return engine->bound ? mechanisms[engine->mechanism].plus_name : mechanisms[engine->mechanism].name;
}

void imapc_engine_can_bind(struct imapc_engine *engine)
{
    engine->can_bind = true;
}

/* ---- responses ---- */

/* The "," and "=" of a name in a GS2 header (RFC 5801 section 4). */
static void append_gs2_name(struct buf *out, const char *name)
{
    for (; *name != 0; name++) {
        if (*name == ',' || *name == '=') {
            buf_append_text(out, *name == ',' ? "=2C" : "=3D");
        } else {
            buf_append_octet(out, (uint8_t)*name);
        }
    }
}

/* The initial response, before base64. */
static void write_initial(const struct imapc_engine *engine, struct buf *out)
{
    const char *user = engine->options.username, *secret = engine->options.password;
    switch (engine->mechanism) {
    case IMAPC_AUTH_PLAIN:
        buf_append_octet(out, 0);
        buf_append_text(out, user);
        buf_append_octet(out, 0);
        buf_append_text(out, secret);
        break;
    case IMAPC_AUTH_EXTERNAL:
        buf_append_text(out, user);
        break;
    case IMAPC_AUTH_XOAUTH2:
        buf_printf(out,
                   "user=%s\x01"
                   "auth=Bearer %s\x01\x01",
                   user, secret);
        break;
    case IMAPC_AUTH_OAUTHBEARER:
        buf_append_text(out, "n,a=");
        append_gs2_name(out, user);
        buf_printf(out,
                   ",\x01"
                   "auth=Bearer %s\x01\x01",
                   secret);
        break;
    default:
        break;
    }
}

/* In base64; "=" stands for an empty one (RFC 4959). */
static int append_initial(const struct imapc_engine *engine, struct buf *out)
{
    struct buf raw;
    buf_init(&raw, CREDENTIALS_MAX);
    write_initial(engine, &raw);
    int result = raw.full ? -1 : raw.len == 0 ? buf_append_octet(out, '=') : units_base64_encode(out, buf_bytes(&raw));
    buf_wipe(&raw);
    return result;
}

/* ---- the commands ---- */

static void send_or_fail(struct imapc_engine *engine, struct imap_command *command)
{
    if (imap_command_end(command) < 0) {
        imapc_fail(engine, FAULT_LOCAL, "credentials", "the user name or password is too long, or contains a NUL");
        return;
    }
    imapc_send(engine);
}

static void begin_authenticate(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "AUTHENTICATE");
    imap_command_word(command, imapc_mechanism_name(engine));
    engine->sasl_open = true;
    engine->sasl_steps = engine->sasl_proven = 0;
    bool no_initial = engine->no_initial || (engine->options.habits != NULL && engine->options.habits->no_initial);
    engine->sasl_initial = server_can(engine, IMAP_CAP_SASL_IR) && !is_scram(engine->mechanism) && !no_initial;
    engine->sasl_answered = engine->sasl_initial;
    if (engine->sasl_answered) {
        buf_append_octet(&command->text, ' ');
        command->failed = append_initial(engine, &command->text) < 0;
    }
    send_or_fail(engine, command);
}

static void login(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "LOGIN");
    imap_command_string(command, bytes_of(engine->options.username));
    imap_command_string(command, bytes_of(engine->options.password));
    send_or_fail(engine, command);
}

/* Whether the server's list lacks what the login needs. */
static bool is_missed(const struct imapc_engine *engine)
{
    bool unbound = engine->options.binding == IMAPC_BINDING_REQUIRED && !engine->bound && engine->can_bind;
    return !is_offered(engine) || unbound;
}

void imapc_login_enter(struct imapc_engine *engine)
{
    engine->mechanism = choose_mechanism(engine);
    engine->bound = can_be_bound(engine);
    if (!engine->tls_active && !engine->options.allow_clear) {
        imapc_fail(engine, FAULT_LOCAL, "clear-text",
                   "the connection has no TLS and the upstream is not on loopback: the password is not sent");
    } else if (is_missed(engine) && !engine->capabilities_asked) {
        imapc_enter(engine, IMAPC_PHASE_CAPABILITY); /* the list so far may be shorter than that */
    } else if (engine->options.binding == IMAPC_BINDING_REQUIRED && !engine->bound) {
        imapc_fail(engine, FAULT_PERM, "channel-binding", "%s",
                   engine->can_bind
                       ? "the server does not offer SCRAM with channel binding, which the upstream requires"
                       : "a login cannot be bound to this TLS connection");
    } else if (!is_offered(engine)) {
        bool was_pinned = engine->options.mechanism == IMAPC_AUTH_AUTO && is_scram(engine->mechanism);
        imapc_fail(engine, FAULT_PERM, "authentication", "the server does not offer %s%s",
                   engine->mechanism == IMAPC_AUTH_LOGIN ? "AUTH=PLAIN, nor LOGIN" : mechanisms[engine->mechanism].name,
                   was_pinned ? ", which this account has used to log in before, and the password is not sent in a "
                                "weaker way (\"mechanism\" in the upstream's \"auth\" sets what may be used)"
                              : "");
    } else if (engine->mechanism == IMAPC_AUTH_LOGIN) {
        login(engine);
    } else {
        begin_authenticate(engine);
    }
}

/* ---- challenges ---- */

static void on_challenge(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct buf *output = &engine->output;
    if (++engine->sasl_steps > IMAPC_SASL_STEPS_MAX || engine->sasl_due || engine->sasl_waits) {
        imapc_fail(engine, FAULT_TEMP, "protocol", "the server's login dialogue does not end");
    } else if (is_scram(engine->mechanism)) {
        buf_clear(&engine->challenge);
        buf_append_bytes(&engine->challenge, reply->text);
        engine->sasl_due = true;
    } else if (!engine->sasl_answered) {
        engine->sasl_answered = true;
        disregard(append_initial(engine, output));
        buf_append_text(output, "\r\n");
    } else if (is_bearer(engine->mechanism)) {
        /* Why the token was refused; the tagged answer follows ours (RFC 7628 section 3.2.3). */
        buf_clear(&engine->challenge);
        disregard(units_base64_decode(&engine->challenge, reply->text));
        buf_append_text(output, engine->mechanism == IMAPC_AUTH_OAUTHBEARER ? "AQ==\r\n" : "\r\n");
    } else {
        buf_append_text(output, "*\r\n");
    }
}

void imapc_engine_sasl(struct imapc_engine *engine, uint64_t now, struct bytes response, const struct fault *fault)
{
    engine->now = now;
    engine->sasl_waits = false;
    if (engine->phase != IMAPC_PHASE_LOGIN) {
        return; /* the connection ended meanwhile */
    }
    if (fault != NULL) {
        imapc_fail(engine, fault->class, fault->code, "%s", fault->text);
        return;
    }
    engine->sasl_proven++;
    buf_append_bytes(&engine->output, response);
    buf_append_text(&engine->output, "\r\n");
}

/* ---- the answer ---- */

/*
 * A second way, where the command was refused: the same mechanism without SASL-IR, then LOGIN, which shows to the same
 * server what PLAIN has shown. Never anything that shows the password where SCRAM would not have.
 */
static bool try_second_way(struct imapc_engine *engine, const struct imap_reply *reply)
{
    bool plain = engine->mechanism == IMAPC_AUTH_PLAIN && engine->options.mechanism == IMAPC_AUTH_AUTO;
    if (!imapc_refusal_is_command(reply) || imapc_refusal_of(reply).account) {
        return false;
    }
    if (engine->sasl_initial) {
        engine->no_initial = true;
    } else if (plain && !engine->no_authenticate && !server_can(engine, IMAP_CAP_LOGINDISABLED)) {
        engine->no_authenticate = true;
    } else {
        return false;
    }
    imapc_set_aside(engine, reply);
    imapc_enter(engine, IMAPC_PHASE_LOGIN);
    return true;
}

/* Some servers offer PLAIN, answer NO to it and know LOGIN alone: the next connection tries that, so that a wrong
 * password is not sent twice by this one. */
static void alternate(struct imapc_engine *engine, bool general)
{
    struct imapc_habits *habits = engine->options.habits;
    if (habits != NULL && general && habits->mechanism == IMAPC_AUTH_AUTO && !is_bearer(engine->mechanism)) {
        habits->login_next = engine->mechanism == IMAPC_AUTH_PLAIN;
    }
}

/* Some servers hang up at an AUTHENTICATE that they do not know, as others answer NO. */
void imapc_auth_lost(struct imapc_engine *engine)
{
    if (engine->mechanism != IMAPC_AUTH_AUTO) {
        alternate(engine, engine->options.mechanism == IMAPC_AUTH_AUTO);
    }
}

static void learn_login(struct imapc_engine *engine)
{
    struct imapc_habits *habits = engine->options.habits;
    if (habits != NULL && engine->options.mechanism == IMAPC_AUTH_AUTO) {
        habits->mechanism = engine->mechanism;
        habits->no_initial = habits->no_initial || engine->no_initial;
        habits->no_authenticate = habits->no_authenticate || engine->no_authenticate;
    }
}

/* Words such as "locked" or "later" are no reason to come back soon with the same password: servers lock accounts for
 * that. */
static bool is_passing(const struct imapc_refusal *refusal)
{
    bool limited = bytes_is(bytes_of(refusal->code), "limit");
    return refusal->class == FAULT_TEMP && (refusal->account || refusal->sick || limited);
}

/* RFC 5530's INUSE says of a login that somebody else has the mailbox open; the word "locked" does not. */
static bool is_in_use(const struct imap_reply *reply)
{
    return bytes_is_nocase(reply->code, "INUSE");
}

static void on_refused(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_refusal refusal = imapc_refusal_of(reply);
    struct bytes why = buf_bytes(&engine->challenge);
    bool passing = is_passing(&refusal) || is_in_use(reply), general = !passing && !refusal.account;
    /* A refused token is fetched anew; a refused password stays refused until somebody changes it. */
    bool temporary = is_bearer(engine->mechanism) || passing;
    alternate(engine, general);
    engine->retry_after_ms = refusal.retry_after_ms;
    engine->crowded = refusal.crowded;
    imapc_fail(engine, temporary ? FAULT_TEMP : FAULT_PERM, general ? "authentication" : refusal.code,
               "login of \"%s\" refused: %.*s%s%.*s%s", engine->options.username, (int)reply->text.len,
               (const char *)reply->text.ptr, why.len > 0 ? " " : "", is_bearer(engine->mechanism) ? (int)why.len : 0,
               (const char *)why.ptr,
               engine->bound
                   ? " (the login was bound to the TLS connection; \"channel_binding\": \"never\" switches that off)"
                   : "");
}

void imapc_login_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (reply->kind == IMAP_REPLY_CONTINUE) {
        on_challenge(engine, reply);
        return;
    }
    engine->sasl_open = false;
    if (reply->status == IMAP_STATUS_OK && is_scram(engine->mechanism) && engine->sasl_proven < SCRAM_MESSAGES) {
        /* RFC 5802 section 3: without its signature, anybody may stand there. */
        imapc_fail(engine, FAULT_PERM, "authentication",
                   "the server says that \"%s\" is logged in, but did not prove that it knows the password",
                   engine->options.username);
    } else if (reply->status == IMAP_STATUS_OK) {
        learn_login(engine);
        imapc_logged_in(engine, reply);
    } else if (!try_second_way(engine, reply)) {
        on_refused(engine, reply);
    }
}

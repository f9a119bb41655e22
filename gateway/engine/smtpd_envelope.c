/* smtpd_envelope - MAIL and RCPT: from paths and parameters to an envelope. RFC 5321 sections 4.1.1.2 and 4.1.1.3. */
#include <string.h>

#include "base/expect.h"
#include "engine/smtpd_private.h"
#include "proto/smtp_reply.h"

/* Room for the envelope of one transaction, and for the decision about it. */
#define TRANSACTION_MAX ((size_t)8 << 20)
/* How much of a parameter a reply quotes. */
#define PARAM_SHOWN_MAX 60

/* What is wrong with a path that is none. The advice to write brackets is for whoever has written none. */
static enum smtpd_reply reply_of_syntax(struct bytes argument, bool is_mail)
{
    ptrdiff_t open = bytes_find_octet(argument, '<'), close = bytes_find_octet(argument, '>');
    bool has_list = bytes_find_octet(argument, ',') >= 0 || bytes_find_octet(argument, ';') >= 0;
    if (!is_mail && has_list && bytes_find_octet(argument, '@') >= 0) {
        return SMTPD_REPLY_RECIPIENT_LIST;
    }
    if (open >= 0 && open < close && bytes_trim(bytes_slice(argument, 0, (size_t)open)).len <= strlen("FROM:")) {
        return is_mail ? SMTPD_REPLY_SENDER_ADDRESS : SMTPD_REPLY_RECIPIENT_ADDRESS;
    }
    return is_mail ? SMTPD_REPLY_BAD_SENDER : SMTPD_REPLY_BAD_RECIPIENT;
}

static void refuse_path(struct smtpd_engine *engine, enum smtp_path_result result, enum smtpd_reply syntax)
{
    static const enum smtpd_reply replies[] = {
        [SMTP_PATH_DOTS] = SMTPD_REPLY_DOTS,
        [SMTP_PATH_SOURCE_ROUTE] = SMTPD_REPLY_SOURCE_ROUTE,
        [SMTP_PATH_NOT_UTF8] = SMTPD_REPLY_NOT_UTF8,
        [SMTP_PATH_TOO_LONG] = SMTPD_REPLY_PATH_TOO_LONG,
    };
    smtpd_reply(engine, result == SMTP_PATH_SYNTAX ? syntax : replies[result]);
}

/* The reply names the parameter. */
static void refuse_params(struct smtpd_engine *engine, enum smtp_params_result result, struct bytes wrong)
{
    static const enum smtpd_reply replies[] = {
        [SMTP_PARAMS_UNKNOWN] = SMTPD_REPLY_PARAM_UNKNOWN,
        [SMTP_PARAMS_REPEATED] = SMTPD_REPLY_PARAM_REPEATED,
        [SMTP_PARAMS_VALUE] = SMTPD_REPLY_PARAM_VALUE,
    };
    bool behind_helo = result == SMTP_PARAMS_UNKNOWN && !engine->esmtp;
    struct smtpd_answer answer = *smtpd_reply_get(behind_helo ? SMTPD_REPLY_PARAM_HELO : replies[result]);
    struct bytes named = bytes_slice(wrong, 0, PARAM_SHOWN_MAX);
    struct buf text;
    buf_init(&text, SMTP_REPLY_LINE_MAX);
    buf_printf(&text, "%s: %.*s%s", answer.text, (int)named.len, (const char *)named.ptr,
               behind_helo ? " (parameters go with EHLO)" : "");
    answer.text = buf_text(&text);
    smtpd_say(engine, &answer);
    buf_done(&text);
}

/* Whether "lenient" would take what is refused. What is not refused is not read a second time. */
static bool would_pass(const struct smtpd_engine *engine, struct bytes argument, enum smtp_params_command command,
                       bool utf8)
{
    struct smtp_path path;
    struct smtp_params params;
    struct bytes rest = {NULL, 0};
    const char *keyword = command == SMTP_PARAMS_MAIL ? "FROM:" : "TO:";
    return smtp_command_path_lenient(argument, keyword, utf8, &path, &rest) == SMTP_PATH_OK &&
           smtp_params_parse(rest, command, engine->offered, &params, NULL) == SMTP_PARAMS_OK;
}

/* Path and parameters of MAIL or RCPT; false when a refusal was said. */
static bool parse_path_command(struct smtpd_engine *engine, struct bytes argument, enum smtp_params_command command,
                               struct smtp_path *path, struct smtp_params *params)
{
    bool is_mail = command == SMTP_PARAMS_MAIL;
    bool utf8 = is_mail ? engine->esmtp : engine->transaction.envelope.smtputf8;
    bool lenient = engine->options.lenient;
    struct bytes rest = {NULL, 0}, wrong = {NULL, 0};
    enum smtp_path_result result = (lenient ? smtp_command_path_lenient : smtp_command_path)(
        argument, is_mail ? "FROM:" : "TO:", utf8, path, &rest);
    if (result != SMTP_PATH_OK) {
        engine->is_hopeless = !lenient && !would_pass(engine, argument, command, utf8);
        refuse_path(engine, result, reply_of_syntax(argument, is_mail));
        return false;
    }
    unsigned offered = engine->esmtp || lenient ? engine->offered : 0;
    enum smtp_params_result bad = smtp_params_parse(rest, command, offered, params, &wrong);
    if (bad != SMTP_PARAMS_OK) {
        engine->is_hopeless = !lenient && !would_pass(engine, argument, command, utf8);
        refuse_params(engine, bad, wrong);
        return false;
    }
    return true;
}

/* A copy in the transaction's arena; NULL stays NULL. */
static const char *keep_recipient(struct smtpd_engine *engine, struct bytes text)
{
    return text.ptr == NULL ? NULL : arena_copy(engine->transaction.arena, text);
}

static const char *keep_text(struct smtpd_engine *engine, const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : arena_text(engine->transaction.arena, text);
}

/* ---- MAIL ---- */

/* RFC 3848 and RFC 6531 section 4.3: "ESMTPSA", "UTF8LMTPS" ... */
static const char *protocol_name(struct smtpd_engine *engine, bool utf8)
{
    if (!engine->esmtp) {
        return "SMTP";
    }
    return expect_memory(arena_printf(engine->transaction.arena, "%s%s%s%s", utf8 ? "UTF8" : "",
                                      engine->options.lmtp ? "LMTP"
                                      : utf8               ? "SMTP"
                                                           : "ESMTP",
                                      engine->tls_version[0] != '\0' ? "S" : "", engine->user[0] != '\0' ? "A" : ""));
}

static void begin_transaction(struct smtpd_engine *engine, struct bytes from, const struct smtp_params *params)
{
    /* Two enums, because the parser knows nothing of mail: a cast would hold only as long as both have one order. */
    static const enum mail_body bodies[] = {[SMTP_BODY_7BIT] = MAIL_BODY_7BIT,
                                            [SMTP_BODY_8BITMIME] = MAIL_BODY_8BITMIME,
                                            [SMTP_BODY_BINARYMIME] = MAIL_BODY_BINARYMIME};
    struct smtpd_transaction *transaction = &engine->transaction;
    transaction->arena = arena_new(TRANSACTION_MAX);
    transaction->envelope = (struct mail_envelope){
        .hostname = engine->options.hostname,
        .client = {.listener = keep_text(engine, engine->options.listener),
                   .address = keep_text(engine, engine->client_address),
                   .port = engine->client_port,
                   .helo = keep_text(engine, engine->helo),
                   .protocol = protocol_name(engine, params->smtputf8),
                   .tls_version = keep_text(engine, engine->tls_version),
                   .tls_cipher = keep_text(engine, engine->tls_cipher),
                   .tls_peer = keep_text(engine, engine->tls_peer),
                   .user = keep_text(engine, engine->user)},
        .from = expect_memory(arena_copy(transaction->arena, from)),
        .body = bodies[params->body],
        .smtputf8 = params->smtputf8,
        .requiretls = params->requiretls,
        .envid = keep_recipient(engine, params->envid),
        .ret = keep_recipient(engine, params->ret),
    };
}

/* Whether this client may send at all; SMTPD_REPLY_OK, or why not. */
static enum smtpd_reply judge_client(const struct smtpd_engine *engine)
{
    bool known = engine->user[0] != '\0' || (engine->options.certificates && engine->tls_peer[0] != '\0');
    if (engine->options.tls_required && engine->tls_version[0] == '\0') {
        return SMTPD_REPLY_NEEDS_TLS;
    }
    return engine->trusted || known ? SMTPD_REPLY_OK : SMTPD_REPLY_NEEDS_AUTH;
}

/* An address without a domain gets the gateway's own, where that is let pass; into holds it then. */
static bool complete_path(const struct smtpd_engine *engine, struct smtp_path *path, char into[SMTPD_RECIPIENT_MAX + 1])
{
    struct bytes domain = bytes_of(engine->options.hostname), local = path->local;
    if (!engine->options.lenient || local.len + 1 + domain.len > SMTPD_RECIPIENT_MAX) {
        return false;
    }
    memcpy(into, local.ptr, local.len);
    into[local.len] = '@';
    memcpy(into + local.len + 1, domain.ptr, domain.len);
    path->address = bytes_at(into, local.len + 1 + domain.len);
    path->local = bytes_slice(path->address, 0, local.len);
    path->domain = bytes_from(path->address, local.len + 1);
    return true;
}

void smtpd_handle_mail(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    struct smtp_path path;
    struct smtp_params params;
    enum smtpd_reply refusal = judge_client(engine);
    (void)now;
    if (engine->transactions >= engine->options.limits.max_transactions) {
        smtpd_hang_up(engine, SMTPD_REPLY_TOO_MANY_TRANSACTIONS);
        return;
    }
    if (refusal != SMTPD_REPLY_OK) {
        smtpd_reply(engine, refusal);
        return;
    }
    if (!parse_path_command(engine, argument, SMTP_PARAMS_MAIL, &path, &params)) {
        return;
    }
    char completed[SMTPD_RECIPIENT_MAX + 1];
    if (path.address.len > 0 && path.domain.len == 0 && !complete_path(engine, &path, completed)) {
        smtpd_reply(engine, SMTPD_REPLY_SENDER_NO_DOMAIN);
        return;
    }
    if (!params.smtputf8 && !bytes_is_ascii(path.address)) {
        smtpd_reply(engine, SMTPD_REPLY_NOT_UTF8);
        return;
    }
    engine->transactions++;
    begin_transaction(engine, path.address, &params);
    if (params.has_size && params.size > engine->options.limits.max_message_size) {
        smtpd_reply(engine, SMTPD_REPLY_TOO_BIG);
        smtpd_reset(engine, false);
        return;
    }
    engine->request.size = params.size;
    smtpd_ask(engine, SMTPD_WANT_MAIL);
}

void smtpd_answered_mail(struct smtpd_engine *engine, const struct smtpd_answer *answer)
{
    if (answer->code >= 400) {
        smtpd_say(engine, answer);
        smtpd_reset(engine, false);
        return;
    }
    engine->state = SMTPD_STATE_MAIL;
    smtpd_reply(engine, SMTPD_REPLY_MAIL_OK);
}

/* ---- RCPT ---- */

/* Room for one recipient more; false when the arena is full. */
static bool grow_recipients(struct smtpd_transaction *transaction)
{
    struct mail_envelope *envelope = &transaction->envelope;
    if (envelope->to_count < transaction->to_room) {
        return true;
    }
    size_t room = transaction->to_room == 0 ? 4 : transaction->to_room * 2;
    struct mail_recipient *to = arena_array(transaction->arena, room, sizeof *to);
    if (to == NULL) {
        return false;
    }
    if (envelope->to_count > 0) {
        memcpy(to, envelope->to, envelope->to_count * sizeof *to);
    }
    envelope->to = to;
    transaction->to_room = room;
    return true;
}

static bool add_recipient(struct smtpd_engine *engine, struct bytes address, const struct smtp_params *params)
{
    struct smtpd_transaction *transaction = &engine->transaction;
    struct mail_recipient recipient = {.address = keep_recipient(engine, address),
                                       .notify = keep_recipient(engine, params->notify),
                                       .orcpt = keep_recipient(engine, params->orcpt)};
    if (recipient.address == NULL || !grow_recipients(transaction)) {
        return false;
    }
    transaction->envelope.to[transaction->envelope.to_count++] = recipient;
    return true;
}

/* Whether the recipient may stand beside those that are there. A name without a domain (Postmaster) has the gateway's
 * own. */
static enum smtpd_reply judge_company(const struct smtpd_engine *engine, const struct smtp_path *path)
{
    const struct mail_envelope *envelope = &engine->transaction.envelope;
    if (engine->options.recipients == SMTPD_RECIPIENTS_ANY || envelope->to_count == 0) {
        return SMTPD_REPLY_OK;
    }
    if (engine->options.recipients == SMTPD_RECIPIENTS_ONE) {
        return SMTPD_REPLY_OTHER_RECIPIENT;
    }
    const char *at = strrchr(envelope->to[0].address, '@');
    struct bytes domain = path->domain.len > 0 ? path->domain : bytes_of(engine->options.hostname);
    struct bytes first = bytes_of(at != NULL ? at + 1 : engine->options.hostname);
    return bytes_equal_nocase(domain, first) ? SMTPD_REPLY_OK : SMTPD_REPLY_OTHER_DOMAIN;
}

/* Refusals that need no question; SMTPD_REPLY_OK when there is none. */
static enum smtpd_reply judge_recipient(const struct smtpd_engine *engine, const struct smtp_path *path)
{
    bool postmaster = path->domain.len == 0 && bytes_is_nocase(path->local, "Postmaster");
    if (path->domain.len == 0 && !postmaster) {
        return path->local.len == 0 ? SMTPD_REPLY_BAD_RECIPIENT : SMTPD_REPLY_RECIPIENT_NO_DOMAIN;
    }
    if (smtp_path_is_routed(path)) {
        return SMTPD_REPLY_ROUTED;
    }
    if (engine->transaction.envelope.to_count >= engine->options.limits.max_recipients) {
        return SMTPD_REPLY_TOO_MANY_RECIPIENTS;
    }
    if (engine->recipients >= engine->options.limits.max_recipients_per_session) {
        return SMTPD_REPLY_TOO_MANY_RECIPIENTS_IN_SESSION;
    }
    return judge_company(engine, path);
}

void smtpd_handle_rcpt(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    struct smtp_path path;
    struct smtp_params params;
    (void)now;
    engine->transaction.rcpt_refused = true;
    if (!parse_path_command(engine, argument, SMTP_PARAMS_RCPT, &path, &params)) {
        return;
    }
    char completed[SMTPD_RECIPIENT_MAX + 1];
    if (path.local.len > 0 && path.domain.len == 0 && !bytes_is_nocase(path.local, "Postmaster")) {
        (void)complete_path(engine, &path, completed);
    }
    smtpd_note_recipient(engine, path.address);
    enum smtpd_reply refusal = judge_recipient(engine, &path);
    if (refusal != SMTPD_REPLY_OK) {
        smtpd_reply(engine, refusal);
    } else if (!add_recipient(engine, path.address, &params)) {
        smtpd_reply(engine, SMTPD_REPLY_TOO_MUCH_MEMORY);
    } else {
        smtpd_ask(engine, SMTPD_WANT_RECIPIENT);
    }
}

void smtpd_answered_recipient(struct smtpd_engine *engine, const struct smtpd_answer *answer)
{
    if (answer->code >= 400) {
        engine->transaction.envelope.to_count--;
        smtpd_say(engine, answer);
        return;
    }
    engine->recipients++;
    engine->state = SMTPD_STATE_RCPT;
    smtpd_reply(engine, SMTPD_REPLY_RCPT_OK);
}

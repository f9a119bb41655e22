/*
 * smtpd_commands - the commands of SMTP: one table, and their handlers in the order of the dialogue. RFC 5321 section 4.1.
 *
 * A row says when a command is in order and whether it takes an argument; a handler only runs when both are right.
 */
#include <string.h>

#include "base/expect.h"
#include "engine/smtpd_private.h"

/* Room for the envelope of one transaction, and for the decision about it. */
#define TRANSACTION_MAX ((size_t)8 << 20)
#define HELO_MAX 255

/* ---- hello ---- */

/* What stands in Received fields and logs: whatever could mean something there becomes '?'. */
static void note_helo(struct smtpd_engine *engine, struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool plain = octet_is_alpha(c) || octet_is_digit(c) || (c != 0 && strchr(".-_:[]", c) != NULL);
        engine->helo[i] = plain ? (char)c : '?';
    }
    engine->helo[name.len] = '\0';
}

static bool say_hello(struct smtpd_engine *engine, struct bytes name, bool esmtp)
{
    if (name.len > HELO_MAX) {
        smtpd_reply(engine, SMTPD_REPLY_BAD_ARGUMENT);
        return false;
    }
    smtpd_reset(engine, false);
    engine->stage = SMTPD_STAGE_READY;
    engine->esmtp = esmtp;
    note_helo(engine, name);
    return true;
}

static void handle_helo(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)now;
    if (say_hello(engine, argument, false)) {
        smtpd_say(engine, &(struct smtpd_answer){250, NULL, engine->options.hostname});
    }
}

static const struct {
    unsigned extension;
    const char *line;
} extensions[] = {
    {SMTP_EXT_PIPELINING, "PIPELINING"},
    {SMTP_EXT_SIZE, "SIZE"},
    {SMTP_EXT_8BITMIME, "8BITMIME"},
    {SMTP_EXT_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES"},
    {SMTP_EXT_STARTTLS, "STARTTLS"},
};

static void handle_ehlo(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    struct buf text;
    (void)now;
    if (!say_hello(engine, argument, true)) {
        return;
    }
    buf_init(&text, 2048);
    buf_append_text(&text, engine->options.hostname);
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        if ((extensions[i].extension & engine->offered) == 0) {
            continue;
        }
        buf_printf(&text, "\n%s", extensions[i].line);
        if (extensions[i].extension == SMTP_EXT_SIZE) {
            buf_printf(&text, " %llu", (unsigned long long)engine->options.limits.max_message_size);
        }
    }
    smtpd_say(engine, &(struct smtpd_answer){250, NULL, buf_text(&text)});
    buf_done(&text);
}

static void handle_starttls(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)argument;
    smtpd_reply(engine, SMTPD_REPLY_START_TLS);
    smtpd_enter(engine, now, SMTPD_PHASE_HANDSHAKE);
    smtpd_ask(engine, SMTPD_WANT_TLS);
}

/* ---- MAIL ---- */

static void refuse_path(struct smtpd_engine *engine, enum smtp_path_result result, enum smtpd_reply syntax)
{
    static const enum smtpd_reply replies[] = {
        [SMTP_PATH_SOURCE_ROUTE] = SMTPD_REPLY_SOURCE_ROUTE,
        [SMTP_PATH_NOT_UTF8] = SMTPD_REPLY_NOT_UTF8,
        [SMTP_PATH_TOO_LONG] = SMTPD_REPLY_PATH_TOO_LONG,
    };
    smtpd_reply(engine, result == SMTP_PATH_SYNTAX ? syntax : replies[result]);
}

static void refuse_params(struct smtpd_engine *engine, enum smtp_params_result result)
{
    static const enum smtpd_reply replies[] = {
        [SMTP_PARAMS_UNKNOWN] = SMTPD_REPLY_PARAM_UNKNOWN,
        [SMTP_PARAMS_REPEATED] = SMTPD_REPLY_PARAM_REPEATED,
        [SMTP_PARAMS_VALUE] = SMTPD_REPLY_PARAM_VALUE,
    };
    smtpd_reply(engine, replies[result]);
}

/* Path and parameters of MAIL or RCPT; false when a refusal was said. */
static bool parse_path_command(struct smtpd_engine *engine, struct bytes argument, enum smtp_params_command command,
                               struct smtp_path *path, struct smtp_params *params)
{
    bool is_mail = command == SMTP_PARAMS_MAIL;
    bool utf8 = is_mail ? (engine->offered & SMTP_EXT_SMTPUTF8) != 0 : engine->transaction.envelope.smtputf8;
    struct bytes rest;
    enum smtp_path_result result = smtp_command_path(argument, is_mail ? "FROM:" : "TO:", utf8, path, &rest);
    if (result != SMTP_PATH_OK) {
        refuse_path(engine, result, is_mail ? SMTPD_REPLY_BAD_SENDER : SMTPD_REPLY_BAD_RECIPIENT);
        return false;
    }
    enum smtp_params_result bad = smtp_params_parse(rest, command, engine->esmtp ? engine->offered : 0, params);
    if (bad != SMTP_PARAMS_OK) {
        refuse_params(engine, bad);
        return false;
    }
    return true;
}

/* A copy in the transaction's arena; NULL stays NULL. */
static const char *keep(struct smtpd_engine *engine, struct bytes text)
{
    return text.ptr == NULL ? NULL : arena_copy(engine->transaction.arena, text);
}

static const char *keep_text(struct smtpd_engine *engine, const char *text)
{
    return text[0] == '\0' ? NULL : arena_text(engine->transaction.arena, text);
}

static const char *protocol_name(const struct smtpd_engine *engine)
{
    if (!engine->esmtp) {
        return "SMTP";
    }
    return engine->tls_version[0] != '\0' ? "ESMTPS" : "ESMTP";
}

static void begin_transaction(struct smtpd_engine *engine, struct bytes from, const struct smtp_params *params)
{
    struct smtpd_transaction *transaction = &engine->transaction;
    transaction->arena = arena_new(TRANSACTION_MAX);
    transaction->envelope = (struct mail_envelope){
        .hostname = engine->options.hostname,
        .client = {.listener = keep_text(engine, engine->options.listener),
                   .address = keep_text(engine, engine->options.client_address),
                   .port = engine->options.client_port,
                   .helo = keep_text(engine, engine->helo),
                   .protocol = protocol_name(engine),
                   .tls_version = keep_text(engine, engine->tls_version),
                   .tls_cipher = keep_text(engine, engine->tls_cipher),
                   .tls_peer = keep_text(engine, engine->tls_peer)},
        .from = expect_memory(arena_copy(transaction->arena, from)),
        .body = (enum mail_body)params->body,
        .smtputf8 = params->smtputf8,
        .requiretls = params->requiretls,
        .envid = keep(engine, params->envid),
        .ret = keep(engine, params->ret),
    };
}

static void handle_mail(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    struct smtp_path path;
    struct smtp_params params;
    (void)now;
    if (engine->transactions >= engine->options.limits.max_transactions) {
        smtpd_hang_up(engine, SMTPD_REPLY_TOO_MANY_TRANSACTIONS);
        return;
    }
    if (!parse_path_command(engine, argument, SMTP_PARAMS_MAIL, &path, &params)) {
        return;
    }
    if (path.address.len > 0 && path.domain.len == 0) {
        smtpd_reply(engine, SMTPD_REPLY_BAD_SENDER);
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
    engine->stage = SMTPD_STAGE_MAIL;
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
    struct mail_recipient recipient = {.address = keep(engine, address),
                                       .notify = keep(engine, params->notify),
                                       .orcpt = keep(engine, params->orcpt)};
    if (recipient.address == NULL || !grow_recipients(transaction)) {
        return false;
    }
    transaction->envelope.to[transaction->envelope.to_count++] = recipient;
    return true;
}

static void handle_rcpt(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    struct smtp_path path;
    struct smtp_params params;
    (void)now;
    engine->transaction.rcpt_refused = true;
    if (!parse_path_command(engine, argument, SMTP_PARAMS_RCPT, &path, &params)) {
        return;
    }
    bool postmaster = path.domain.len == 0 && bytes_is_nocase(path.local, "Postmaster");
    if (path.domain.len == 0 && !postmaster) {
        smtpd_reply(engine, SMTPD_REPLY_BAD_RECIPIENT);
    } else if (smtp_path_is_routed(&path)) {
        smtpd_reply(engine, SMTPD_REPLY_ROUTED);
    } else if (engine->transaction.envelope.to_count >= engine->options.limits.max_recipients) {
        smtpd_reply(engine, SMTPD_REPLY_TOO_MANY_RECIPIENTS);
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
    engine->stage = SMTPD_STAGE_RCPT;
    smtpd_reply(engine, SMTPD_REPLY_RCPT_OK);
}

/* ---- DATA and the rest ---- */

static void handle_data(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)argument;
    smtp_data_init(&engine->data);
    smtpd_reply(engine, SMTPD_REPLY_START_TEXT);
    smtpd_enter(engine, now, SMTPD_PHASE_TEXT);
}

static void handle_rset(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)now;
    (void)argument;
    smtpd_reset(engine, false);
    smtpd_reply(engine, SMTPD_REPLY_RESET);
}

static void handle_noop(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)now;
    (void)argument;
    smtpd_reply(engine, SMTPD_REPLY_OK);
}

static void handle_vrfy(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)now;
    (void)argument;
    smtpd_reply(engine, SMTPD_REPLY_VRFY);
}

static void handle_help(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)now;
    (void)argument;
    smtpd_reply(engine, SMTPD_REPLY_HELP);
}

static void handle_unimplemented(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)now;
    (void)argument;
    smtpd_reply(engine, SMTPD_REPLY_NOT_IMPLEMENTED);
}

static void handle_foreign(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)now;
    (void)argument;
    smtpd_hang_up(engine, SMTPD_REPLY_FOREIGN);
}

static void handle_quit(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)now;
    (void)argument;
    smtpd_hang_up(engine, SMTPD_REPLY_BYE);
}

/* ---- the table ---- */

#define START SMTPD_STAGE_START
#define READY SMTPD_STAGE_READY
#define MAIL  SMTPD_STAGE_MAIL
#define RCPT  SMTPD_STAGE_RCPT
#define ANY   (START | READY | MAIL | RCPT)

enum argument { ARGUMENT_NONE, ARGUMENT_MAY, ARGUMENT_MUST };

static const struct row {
    enum smtp_verb verb;
    unsigned stages;    /* where the command is in order: enum smtpd_stage */
    unsigned extension; /* what must be offered for it, or 0 */
    enum argument argument;
    enum smtpd_reply not_now; /* said in any other stage, once hello was said */
    void (*handle)(struct smtpd_engine *engine, uint64_t now, struct bytes argument);
} rows[] = {
    {SMTP_VERB_HELO, ANY, 0, ARGUMENT_MUST, SMTPD_REPLY_BAD_SEQUENCE, handle_helo},
    {SMTP_VERB_EHLO, ANY, 0, ARGUMENT_MUST, SMTPD_REPLY_BAD_SEQUENCE, handle_ehlo},
    {SMTP_VERB_STARTTLS, READY, SMTP_EXT_STARTTLS, ARGUMENT_NONE, SMTPD_REPLY_BAD_SEQUENCE, handle_starttls},
    {SMTP_VERB_MAIL, READY, 0, ARGUMENT_MUST, SMTPD_REPLY_NESTED_MAIL, handle_mail},
    {SMTP_VERB_RCPT, MAIL | RCPT, 0, ARGUMENT_MUST, SMTPD_REPLY_NEEDS_MAIL, handle_rcpt},
    {SMTP_VERB_DATA, RCPT, 0, ARGUMENT_NONE, SMTPD_REPLY_NEEDS_RCPT, handle_data},
    {SMTP_VERB_RSET, ANY, 0, ARGUMENT_NONE, SMTPD_REPLY_BAD_SEQUENCE, handle_rset},
    {SMTP_VERB_NOOP, ANY, 0, ARGUMENT_MAY, SMTPD_REPLY_BAD_SEQUENCE, handle_noop},
    {SMTP_VERB_VRFY, ANY, 0, ARGUMENT_MUST, SMTPD_REPLY_BAD_SEQUENCE, handle_vrfy},
    {SMTP_VERB_HELP, ANY, 0, ARGUMENT_MAY, SMTPD_REPLY_BAD_SEQUENCE, handle_help},
    {SMTP_VERB_QUIT, ANY, 0, ARGUMENT_NONE, SMTPD_REPLY_BAD_SEQUENCE, handle_quit},
    {SMTP_VERB_EXPN, ANY, 0, ARGUMENT_MAY, SMTPD_REPLY_BAD_SEQUENCE, handle_unimplemented},
    {SMTP_VERB_ETRN, ANY, 0, ARGUMENT_MAY, SMTPD_REPLY_BAD_SEQUENCE, handle_unimplemented},
    {SMTP_VERB_TURN, ANY, 0, ARGUMENT_MAY, SMTPD_REPLY_BAD_SEQUENCE, handle_unimplemented},
    {SMTP_VERB_FOREIGN, ANY, 0, ARGUMENT_MAY, SMTPD_REPLY_BAD_SEQUENCE, handle_foreign},
};

static const struct row *find_row(enum smtp_verb verb)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].verb == verb) {
            return &rows[i];
        }
    }
    return NULL;
}

/* What is wrong with the command here and now; SMTPD_REPLY_OK when nothing is. */
static enum smtpd_reply judge(const struct smtpd_engine *engine, const struct row *row, struct bytes argument)
{
    if (row == NULL) {
        return SMTPD_REPLY_UNKNOWN_COMMAND;
    }
    if (row->extension != 0 && (row->extension & engine->offered) == 0) {
        return SMTPD_REPLY_NOT_OFFERED;
    }
    if ((row->stages & engine->stage) == 0) {
        if (engine->stage == SMTPD_STAGE_START) {
            return SMTPD_REPLY_NEEDS_HELLO;
        }
        /* All recipients were refused: the client that pipelined DATA behind them hears the better word. */
        if (row->verb == SMTP_VERB_DATA && engine->stage == SMTPD_STAGE_MAIL && engine->transaction.rcpt_refused) {
            return SMTPD_REPLY_NO_VALID_RCPT;
        }
        return row->verb == SMTP_VERB_DATA && engine->stage == SMTPD_STAGE_READY ? SMTPD_REPLY_NEEDS_MAIL : row->not_now;
    }
    if (row->argument == ARGUMENT_NONE && argument.len > 0) {
        return SMTPD_REPLY_NO_ARGUMENT;
    }
    if (row->argument == ARGUMENT_MUST && argument.len == 0) {
        return SMTPD_REPLY_NEEDS_ARGUMENT;
    }
    return SMTPD_REPLY_OK;
}

void smtpd_command(struct smtpd_engine *engine, uint64_t now, struct bytes line)
{
    struct smtp_command command;
    if (smtp_command_parse(line, &command) < 0) {
        smtpd_reply(engine, SMTPD_REPLY_CONTROL);
        return;
    }
    const struct row *row = find_row(command.verb);
    enum smtpd_reply wrong = judge(engine, row, command.argument);
    if (wrong != SMTPD_REPLY_OK) {
        smtpd_reply(engine, wrong);
        return;
    }
    row->handle(engine, now, command.argument);
}

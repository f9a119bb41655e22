/*
 * smtpd_commands - the commands of SMTP: one table, and the handlers that do little. RFC 5321 section 4.1.
 *
 * A row says when a command is in order and whether it takes an argument; a handler only runs when both are right.
 */
#include "engine/smtpd_private.h"

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

#define START  SMTPD_STATE_START
#define READY  SMTPD_STATE_READY
#define MAIL   SMTPD_STATE_MAIL
#define RCPT   SMTPD_STATE_RCPT
#define CHUNKS SMTPD_STATE_CHUNKS
#define ANY    (START | READY | MAIL | RCPT | CHUNKS)

enum argument { ARGUMENT_NONE, ARGUMENT_MAY, ARGUMENT_MUST };

static const struct row {
    enum smtp_verb verb;
    unsigned states;    /* where the command is in order: enum smtpd_state */
    unsigned extension; /* what must be offered for it, or 0 */
    enum argument argument;
    enum smtpd_reply not_now; /* said in any other state, once hello was said */
    smtpd_handler *handle;
} rows[] = {
    {SMTP_VERB_HELO, ANY, 0, ARGUMENT_MUST, SMTPD_REPLY_BAD_SEQUENCE, smtpd_handle_helo},
    {SMTP_VERB_EHLO, ANY, 0, ARGUMENT_MUST, SMTPD_REPLY_BAD_SEQUENCE, smtpd_handle_ehlo},
    {SMTP_VERB_LHLO, ANY, 0, ARGUMENT_MUST, SMTPD_REPLY_BAD_SEQUENCE, smtpd_handle_lhlo},
    {SMTP_VERB_STARTTLS, READY, SMTP_EXT_STARTTLS, ARGUMENT_NONE, SMTPD_REPLY_BAD_SEQUENCE, smtpd_handle_starttls},
    {SMTP_VERB_AUTH, READY, SMTP_EXT_AUTH, ARGUMENT_MUST, SMTPD_REPLY_BAD_SEQUENCE, smtpd_handle_auth},
    {SMTP_VERB_XCLIENT, START | READY, SMTP_EXT_XCLIENT, ARGUMENT_MUST, SMTPD_REPLY_BAD_SEQUENCE, smtpd_handle_xclient},
    {SMTP_VERB_MAIL, READY, 0, ARGUMENT_MUST, SMTPD_REPLY_NESTED_MAIL, smtpd_handle_mail},
    {SMTP_VERB_RCPT, MAIL | RCPT, 0, ARGUMENT_MUST, SMTPD_REPLY_NEEDS_MAIL, smtpd_handle_rcpt},
    {SMTP_VERB_DATA, RCPT, 0, ARGUMENT_NONE, SMTPD_REPLY_NEEDS_RCPT, smtpd_handle_data},
    {SMTP_VERB_BDAT, RCPT | CHUNKS, SMTP_EXT_CHUNKING, ARGUMENT_MAY, SMTPD_REPLY_NEEDS_RCPT, smtpd_handle_bdat},
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

/* Why a command is not in order in this state. */
static enum smtpd_reply judge_state(const struct smtpd_engine *engine, const struct row *row)
{
    bool is_body = row->verb == SMTP_VERB_DATA || row->verb == SMTP_VERB_BDAT;
    if (engine->state == START) {
        return SMTPD_REPLY_NEEDS_HELLO;
    }
    if (engine->state == CHUNKS && row->verb != SMTP_VERB_STARTTLS) {
        return SMTPD_REPLY_CHUNKS_BEGUN;
    }
    /* All recipients were refused: the client that pipelined DATA behind them hears the better word. */
    if (is_body && engine->state == MAIL && engine->transaction.rcpt_refused && !engine->options.lmtp) {
        return SMTPD_REPLY_NO_VALID_RCPT;
    }
    return is_body && engine->state == READY ? SMTPD_REPLY_NEEDS_MAIL : row->not_now;
}

/* AUTH that is only offered under TLS has a reply of its own (RFC 4954 section 6). */
static enum smtpd_reply judge_offer(const struct smtpd_engine *engine, const struct row *row)
{
    switch (row->verb) {
    case SMTP_VERB_AUTH:
        return engine->options.mechanisms != 0 ? SMTPD_REPLY_AUTH_NEEDS_TLS : SMTPD_REPLY_AUTH_NOT_OFFERED;
    case SMTP_VERB_STARTTLS:
        return SMTPD_REPLY_TLS_NOT_OFFERED;
    case SMTP_VERB_XCLIENT:
        return SMTPD_REPLY_XCLIENT_NOT_OFFERED;
    default:
        return SMTPD_REPLY_NOT_OFFERED;
    }
}

static bool is_hello(enum smtp_verb verb)
{
    return verb == SMTP_VERB_HELO || verb == SMTP_VERB_EHLO || verb == SMTP_VERB_LHLO;
}

/* A device that says no hello is taken for one that said HELO. */
static enum smtpd_state state_of(const struct smtpd_engine *engine)
{
    return engine->options.lenient && engine->state == START ? READY : engine->state;
}

/* What is wrong with the command here and now; SMTPD_REPLY_OK when nothing is. */
static enum smtpd_reply judge_command(const struct smtpd_engine *engine, const struct row *row, struct bytes argument)
{
    if (row == NULL) {
        return SMTPD_REPLY_UNKNOWN_COMMAND;
    }
    if (row->extension != 0 && (row->extension & engine->offered) == 0) {
        return judge_offer(engine, row);
    }
    if ((row->states & state_of(engine)) == 0) {
        return judge_state(engine, row);
    }
    if (row->argument == ARGUMENT_NONE && argument.len > 0) {
        return SMTPD_REPLY_NO_ARGUMENT;
    }
    if (row->argument == ARGUMENT_MUST && argument.len == 0 && !(engine->options.lenient && is_hello(row->verb))) {
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
    enum smtpd_reply wrong = judge_command(engine, row, command.argument);
    engine->is_hopeless = wrong == SMTPD_REPLY_NEEDS_ARGUMENT && !is_hello(command.verb);
    engine->unknown += wrong == SMTPD_REPLY_UNKNOWN_COMMAND ? 1 : 0;
    if (wrong == SMTPD_REPLY_OK) {
        engine->state = (row->states & engine->state) == 0 ? state_of(engine) : engine->state;
        row->handle(engine, now, command.argument);
    } else if (command.verb == SMTP_VERB_BDAT) {
        smtpd_refuse_chunk(engine, now, command.argument, wrong);
    } else {
        smtpd_reply(engine, wrong);
    }
}

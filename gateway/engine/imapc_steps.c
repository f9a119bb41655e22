/*
 * imapc_steps - what the dialogue's files do to a connection: enter a phase, send a command, end what is under way, or
 * the connection. Which file a phase belongs to is not known here: engine->phases, and engine->over, see
 * imapc_engine.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/expect.h"
#include "engine/imapc_private.h"

/* ---- phases and commands ---- */

void imapc_move_deadline(struct imapc_engine *engine)
{
    bool greeting = engine->phase == IMAPC_PHASE_GREETING || engine->phase == IMAPC_PHASE_HANDSHAKE;
    bool idle = engine->phase == IMAPC_PHASE_READY || engine->phase == IMAPC_PHASE_ENDED;
    uint64_t timeout = greeting ? engine->options.greeting_timeout_ms : engine->options.command_timeout_ms;
    engine->deadline = idle ? UINT64_MAX : engine->now + timeout;
}

void imapc_enter(struct imapc_engine *engine, enum imapc_phase phase)
{
    engine->phase = phase;
    engine->was_ready = engine->was_ready || phase == IMAPC_PHASE_READY;
    engine->replies = 0;
    engine->reply_octets = 0;
    imapc_move_deadline(engine);
    if (engine->phases[phase].enter != NULL) {
        engine->phases[phase].enter(engine);
    }
}

struct imap_command *imapc_begin(struct imapc_engine *engine, const char *name)
{
    if (strcmp(name, "APPEND") != 0 && strcmp(name, "STATUS") != 0 && strcmp(name, "CREATE") != 0) {
        imapc_locate_break(engine); /* it may leave the selected folder */
    }
    bool literal_plus = (engine->capabilities.has & (IMAP_CAP_LITERAL_PLUS | IMAP_CAP_LITERAL_MINUS)) != 0;
    imap_command_tag(engine->tag, engine->options.random, ++engine->tag_number);
    imap_command_begin(&engine->command, engine->tag, name, literal_plus);
    engine->command.utf8 = engine->utf8;
    engine->command_sent = 0;
    engine->command_waits = 0;
    engine->plus_due = false;
    engine->command_open = true;
    return &engine->command;
}

void imapc_send(struct imapc_engine *engine)
{
    struct imap_command *command = &engine->command;
    bool waits = engine->command_waits < command->wait_count;
    size_t end = waits ? command->waits[engine->command_waits] : command->text.len;
    buf_append_bytes(&engine->output,
                     bytes_slice(buf_bytes(&command->text), engine->command_sent, end - engine->command_sent));
    engine->command_sent = end;
    engine->plus_due = waits;
    imapc_move_deadline(engine);
}

/* ---- the end ---- */

void imapc_over(struct imapc_engine *engine)
{
    engine->over(engine);
}

void imapc_give_up(struct imapc_engine *engine, enum fault_class class, const char *code, const char *text)
{
    engine->result = (struct imapc_result){0};
    fault_set(&engine->result.fault, class, code, engine->phases[engine->phase].name, "%s", text);
    engine->command_open = false;
    imapc_over(engine);
    imapc_enter(engine, IMAPC_PHASE_READY);
}

void imapc_note_refusal(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_refusal refusal = imapc_refusal_about(reply, buf_bytes(&engine->folder));
    engine->result.account = refusal.account;
    engine->result.sick = refusal.sick;
    engine->result.general = refusal.general;
    engine->result.retry_after_ms = refusal.retry_after_ms;
    engine->result.reached = engine->append.reached;
    engine->result.doubtful =
        engine->append.reached > 0 && refusal.doubtful && !(refusal.plain && engine->options.plain_refusals_certain);
    fault_set(&engine->result.fault, refusal.class, refusal.code, engine->phases[engine->phase].name, "%.*s",
              (int)reply->text.len, (const char *)reply->text.ptr);
}

/* The optional question that is asked in this phase; IMAPC_QUESTIONS: none. CAPABILITY is one only behind the login. */
enum imapc_question imapc_question_of(const struct imapc_engine *engine)
{
    bool again = engine->phase == IMAPC_PHASE_CAPABILITY && engine->authenticated;
    return again ? IMAPC_QUESTION_CAPABILITY : engine->phases[engine->phase].question;
}

/* The server did not bear the question that the connection ends in, or what it led to. */
static void blame_question(struct imapc_engine *engine)
{
    enum imapc_question question = engine->compress_unproven ? IMAPC_QUESTION_COMPRESS : imapc_question_of(engine);
    if (question != IMAPC_QUESTIONS && engine->fault.class == FAULT_TEMP) {
        imapc_habits_broke(engine->options.habits, question, engine->now);
    }
}

void imapc_end(struct imapc_engine *engine)
{
    const struct imapc_appending *append = &engine->append;
    blame_question(engine);
    if (engine->phases[engine->phase].lost != NULL && engine->command_open && engine->fault.class == FAULT_TEMP) {
        engine->phases[engine->phase].lost(engine);
    }
    bool looks = engine->locate.wanted != NULL && !engine->locate.paused;
    if (append->messages != NULL || looks || engine->removing.uid != 0) {
        if (!append->answered) {
            const struct fault *fault = &engine->fault;
            size_t reached = append->messages != NULL ? append->reached : 0;
            bool uncertain = reached > 0;
            engine->result = (struct imapc_result){.retry_after_ms = engine->retry_after_ms,
                                                   .account = engine->account,
                                                   .reached = reached,
                                                   .ended = true,
                                                   .ours = fault->class == FAULT_LOCAL,
                                                   .sight = DOUBT_SIGHT_FAILED};
            fault_set(&engine->result.fault, uncertain ? FAULT_UNCERTAIN : fault->class, fault->code, fault->where,
                      "%s", fault->text);
        }
        imapc_over(engine);
    }
    engine->command_open = false;
    engine->phase = IMAPC_PHASE_ENDED;
    engine->deadline = UINT64_MAX;
}

void imapc_fail(struct imapc_engine *engine, enum fault_class class, const char *code, const char *format, ...)
{
    char text[sizeof engine->fault.text];
    va_list args;
    if (engine->phase == IMAPC_PHASE_ENDED) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bool more = engine->said[0] != '\0' && strstr(text, engine->said) == NULL;
    fault_set(&engine->fault, class, code, engine->phases[engine->phase].name, "%s%s%s", text,
              more ? "; before that, the server had said: " : "", more ? engine->said : "");
    imapc_end(engine);
}

/* ---- refusals ---- */

void imapc_note_said(struct imapc_engine *engine, const char *command, const struct imap_reply *reply)
{
    static const char *const statuses[] = {
        [IMAP_STATUS_NO] = "NO", [IMAP_STATUS_BAD] = "BAD",         [IMAP_STATUS_BYE] = "BYE",
        [IMAP_STATUS_OK] = "OK", [IMAP_STATUS_PREAUTH] = "PREAUTH", [IMAP_STATUS_NONE] = ""};
    snprintf(engine->said, sizeof engine->said, "%s%s%s%s%.*s%s%.*s", command, command[0] != '\0' ? ": " : "",
             statuses[reply->status], reply->code.len > 0 ? " [" : " ", (int)reply->code.len,
             (const char *)reply->code.ptr, reply->code.len > 0 ? "] " : "", (int)reply->text.len,
             (const char *)reply->text.ptr);
}

bool imapc_may_ask(struct imapc_engine *engine, enum imapc_question question)
{
    return imapc_habits_may_ask(engine->options.habits, question, engine->now);
}

bool imapc_set_aside(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (reply->status == IMAP_STATUS_OK) {
        return false;
    }
    imapc_note_said(engine, engine->phases[engine->phase].name, reply);
    if (imapc_refusal_about(reply, buf_bytes(&engine->folder)).account) {
        imapc_refused(engine, reply);
        return true;
    }
    return false;
}

void imapc_refused(struct imapc_engine *engine, const struct imap_reply *reply)
{
    struct imapc_refusal refusal = imapc_refusal_of(reply);
    engine->retry_after_ms = refusal.retry_after_ms;
    engine->crowded = refusal.crowded;
    engine->account = refusal.account;
    imapc_fail(engine, refusal.class, refusal.code, "the server said: %.*s", (int)reply->text.len,
               (const char *)reply->text.ptr);
}

bool imapc_engine_is_ready(const struct imapc_engine *engine)
{
    return engine->phase == IMAPC_PHASE_READY && !engine->result_due;
}

void imapc_locate_break(struct imapc_engine *engine)
{
    engine->locate.broken = engine->locate.paused;
}

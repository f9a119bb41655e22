/*
 * imapc_engine - the steps of a connection: replies to phases, commands to output, deadlines; see imapc_engine.h. The
 * dialogue itself is in imapc_login.c and imapc_append.c, in its order.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "engine/imapc_private.h"

/* Of a phase that is not optional. */
#define NO_QUESTION IMAPC_QUESTIONS

static const struct imapc_phase_row phases[] = {
    [IMAPC_PHASE_GREETING] = {"greeting", NULL, imapc_greeting_reply, imapc_greeting_reply, NO_QUESTION, NULL},
    [IMAPC_PHASE_CAPABILITY] = {"capability", imapc_capability_enter, imapc_capability_reply, NULL, NO_QUESTION, NULL},
    [IMAPC_PHASE_STARTTLS] = {"starttls", imapc_starttls_enter, imapc_starttls_reply, NULL, NO_QUESTION, NULL},
    [IMAPC_PHASE_HANDSHAKE] = {"handshake", NULL, NULL, NULL, NO_QUESTION, NULL},
    [IMAPC_PHASE_LOGIN] = {"login", imapc_login_enter, imapc_login_reply, NULL, NO_QUESTION, imapc_auth_lost},
    [IMAPC_PHASE_ID] = {"id", imapc_id_enter, imapc_id_reply, NULL, IMAPC_QUESTION_ID, NULL},
    [IMAPC_PHASE_COMPRESS] = {"compress", imapc_compress_enter, imapc_compress_reply, NULL, IMAPC_QUESTION_COMPRESS,
                              NULL},
    [IMAPC_PHASE_ENABLE] = {"enable", imapc_enable_enter, imapc_enable_reply, NULL, IMAPC_QUESTION_ENABLE, NULL},
    [IMAPC_PHASE_NAMESPACE] = {"namespace", imapc_namespace_enter, imapc_namespace_reply, NULL,
                               IMAPC_QUESTION_NAMESPACE, NULL},
    [IMAPC_PHASE_ROOT] = {"list", imapc_root_enter, imapc_root_reply, NULL, IMAPC_QUESTION_DELIMITER, NULL},
    [IMAPC_PHASE_NAMES] = {"list", imapc_names_enter, imapc_names_reply, imapc_names_data, NO_QUESTION, NULL},
    [IMAPC_PHASE_CHECK_RIGHTS] = {"myrights", imapc_check_rights_enter, imapc_check_reply, imapc_check_rights_data,
                                  IMAPC_QUESTION_RIGHTS, NULL},
    [IMAPC_PHASE_CHECK_QUOTA] = {"getquotaroot", imapc_check_quota_enter, imapc_check_reply, imapc_check_quota_data,
                                 IMAPC_QUESTION_QUOTA, NULL},
    [IMAPC_PHASE_SUSPECT] = {"status", imapc_suspect_enter, imapc_suspect_reply, NULL, NO_QUESTION, NULL},
    [IMAPC_PHASE_SUSPECT_CREATE] = {"create", imapc_suspect_create_enter, imapc_suspect_create_reply, NULL, NO_QUESTION,
                                    NULL},
    [IMAPC_PHASE_SUSPECT_DELETE] = {"delete", imapc_suspect_delete_enter, imapc_suspect_delete_reply, NULL, NO_QUESTION,
                                    NULL},
    [IMAPC_PHASE_READY] = {"ready", NULL, NULL, NULL, NO_QUESTION, NULL},
    [IMAPC_PHASE_LIST] = {"list", imapc_list_enter, imapc_list_reply, imapc_list_data, IMAPC_QUESTION_USES, NULL},
    [IMAPC_PHASE_RIGHTS] = {"myrights", imapc_rights_enter, imapc_rights_reply, imapc_rights_data,
                            IMAPC_QUESTION_RIGHTS, NULL},
    [IMAPC_PHASE_QUOTA] = {"getquotaroot", imapc_quota_enter, imapc_quota_reply, imapc_quota_data, IMAPC_QUESTION_QUOTA,
                           NULL},
    [IMAPC_PHASE_SELECT] = {"select", imapc_select_enter, imapc_select_reply, imapc_select_data, IMAPC_QUESTION_FLAGS,
                            NULL},
    [IMAPC_PHASE_MARK] = {"status", imapc_mark_enter, imapc_mark_reply, imapc_mark_data, IMAPC_QUESTION_MARK, NULL},
    [IMAPC_PHASE_APPEND] = {"append", imapc_append_enter, imapc_append_reply, NULL, NO_QUESTION, NULL},
    [IMAPC_PHASE_CREATE] = {"create", imapc_create_enter, imapc_create_reply, NULL, NO_QUESTION, NULL},
    [IMAPC_PHASE_PARENT] = {"create", imapc_parent_enter, imapc_parent_reply, NULL, NO_QUESTION, NULL},
    [IMAPC_PHASE_SUBSCRIBE] = {"subscribe", imapc_subscribe_enter, imapc_subscribe_reply, NULL,
                               IMAPC_QUESTION_SUBSCRIBE, NULL},
    [IMAPC_PHASE_RESELECT] = {"select", imapc_select_enter, imapc_reselect_reply, imapc_select_data,
                              IMAPC_QUESTION_STORE, NULL},
    [IMAPC_PHASE_STORE] = {"store", imapc_store_enter, imapc_store_reply, NULL, IMAPC_QUESTION_STORE, NULL},
    [IMAPC_PHASE_LEAVE] = {"unselect", imapc_leave_enter, imapc_leave_reply, NULL, IMAPC_QUESTION_LEAVE, NULL},
    [IMAPC_PHASE_MERGED] = {"examine", imapc_merged_enter, imapc_merged_reply, imapc_merged_data, NO_QUESTION, NULL},
    [IMAPC_PHASE_MERGED_FETCH] = {"fetch", imapc_merged_fetch_enter, imapc_merged_fetch_reply, imapc_merged_data,
                                  NO_QUESTION, NULL},
    [IMAPC_PHASE_RESYNC] = {"enable", imapc_resync_enter, imapc_resync_reply, imapc_resync_data,
                            IMAPC_QUESTION_VANISHED, NULL},
    [IMAPC_PHASE_EXAMINE] = {"examine", imapc_examine_enter, imapc_examine_reply, imapc_locate_data, NO_QUESTION, NULL},
    [IMAPC_PHASE_BOUND] = {"status", imapc_bound_enter, imapc_bound_reply, imapc_locate_data, NO_QUESTION, NULL},
    [IMAPC_PHASE_FETCH] = {"fetch", imapc_fetch_enter, imapc_fetch_reply, imapc_locate_data, NO_QUESTION, NULL},
    [IMAPC_PHASE_VANISHED] = {"fetch", imapc_vanished_enter, imapc_vanished_reply, imapc_vanished_data,
                              IMAPC_QUESTION_VANISHED, NULL},
    [IMAPC_PHASE_USES] = {"list", imapc_elsewhere_uses_enter, imapc_elsewhere_uses_reply, imapc_list_data,
                          IMAPC_QUESTION_USES, NULL},
    [IMAPC_PHASE_ELSEWHERE] = {"examine", imapc_elsewhere_enter, imapc_elsewhere_reply, imapc_locate_data, NO_QUESTION,
                               NULL},
    [IMAPC_PHASE_ELSEWHERE_FETCH] = {"fetch", imapc_elsewhere_fetch_enter, imapc_elsewhere_fetch_reply,
                                     imapc_locate_data, NO_QUESTION, NULL},
    [IMAPC_PHASE_UNSELECT] = {"unselect", imapc_unselect_enter, imapc_unselect_reply, NULL, NO_QUESTION, NULL},
    [IMAPC_PHASE_REMOVE_SELECT] = {"select", imapc_remove_select_enter, imapc_remove_select_reply,
                                   imapc_remove_select_data, NO_QUESTION, NULL},
    [IMAPC_PHASE_REMOVE_STORE] = {"store", imapc_remove_store_enter, imapc_remove_reply, NULL, NO_QUESTION, NULL},
    [IMAPC_PHASE_REMOVE_EXPUNGE] = {"expunge", imapc_remove_expunge_enter, imapc_remove_reply, NULL, NO_QUESTION, NULL},
    [IMAPC_PHASE_REMOVE_LEAVE] = {"unselect", imapc_remove_leave_enter, imapc_remove_leave_reply, NULL, NO_QUESTION,
                                  NULL},
    [IMAPC_PHASE_LOGOUT] = {"logout", NULL, NULL, NULL, NO_QUESTION, NULL},
    [IMAPC_PHASE_ENDED] = {"ended", NULL, NULL, NULL, NO_QUESTION, NULL},
};

static void over(struct imapc_engine *engine);

struct imapc_engine *imapc_engine_new(const struct imapc_engine_options *options, uint64_t now)
{
    struct imapc_engine *engine = expect_calloc(1, sizeof *engine);
    engine->options = *options;
    engine->phases = phases;
    engine->over = over;
    engine->options.username = expect_strdup(options->username);
    engine->options.password = expect_strdup(options->password);
    engine->tls_active = options->tls;
    engine->asker = options->folders == NULL ? 0 : imapc_folders_next_asker(options->folders);
    imap_reply_init(&engine->parser);
    imap_command_init(&engine->command);
    buf_init(&engine->output, IMAP_COMMAND_MAX + 2 * IMAPC_BODY_PIECE);
    buf_init(&engine->folder, IMAP_NAME_MAX);
    buf_init(&engine->used, IMAP_NAME_MAX * 4);
    buf_init(&engine->challenge, IMAPC_CHALLENGE_MAX);
    buf_init(&engine->alert, sizeof engine->fault.text);
    engine->now = now;
    engine->deadline = now + options->greeting_timeout_ms;
    return engine;
}

void imapc_engine_free(struct imapc_engine **engine)
{
    if (*engine == NULL) {
        return;
    }
    imapc_locate_done(*engine);
    imapc_elsewhere_forget(*engine);
    imapc_folders_free(&(*engine)->special.found);
    imap_reply_done(&(*engine)->parser);
    imap_command_done(&(*engine)->command);
    buf_done(&(*engine)->output);
    buf_done(&(*engine)->folder);
    buf_done(&(*engine)->used);
    buf_done(&(*engine)->challenge);
    buf_done(&(*engine)->alert);
    free((char *)(*engine)->options.username);
    free((char *)(*engine)->options.password);
    free(*engine);
    *engine = NULL;
}

/* ---- the end ---- */

static void over(struct imapc_engine *engine)
{
    engine->result_due = true;
    imapc_flags_tell(engine);
    engine->result.uses_learned = engine->special.learned;
    engine->result.folder = imapc_special_used(engine);
    engine->result.said = engine->locate.wanted != NULL ? engine->said : "";
    if (engine->append.messages != NULL) {
        engine->result.mark = engine->append.mark;
        engine->result.next = imapc_mark_known(engine);
        engine->result.sent = engine->append.literal_sent;
    }
    imapc_folders_free(&engine->special.found);
    engine->append.messages = NULL;
    engine->append.reached = 0;
    engine->append.literal_open = false;
    engine->append.asked = false;
    engine->removing.uid = 0;
    if (!engine->locate.paused) {
        imapc_locate_done(engine);
    }
}

/* Octets that could not be understood, as far as they tell something. */
#define SHOWN_MAX 100

static int shown_len(struct bytes octets)
{
    return octets.len < SHOWN_MAX ? (int)octets.len : SHOWN_MAX;
}

/* ---- what the server says beside its answers ---- */

const char *imapc_engine_said(const struct imapc_engine *engine)
{
    return engine->said;
}

/* RFC 9051 section 7.1: the text of an ALERT is to be presented, "in a fashion that calls the user's attention". */
static void note_alert(struct imapc_engine *engine, const struct imap_reply *reply)
{
    bool forged = engine->options.starttls && !engine->tls_active; /* anybody may have said it */
    if (bytes_is_nocase(reply->code, "ALERT") && !forged) {
        buf_clear(&engine->alert);
        buf_append_bytes(&engine->alert, bytes_slice(reply->text, 0, sizeof engine->fault.text - 1));
        engine->alert_due = true;
    }
}

void imapc_engine_lost(struct imapc_engine *engine, const struct fault *fault)
{
    engine->was_lost = engine->was_lost || engine->phase != IMAPC_PHASE_ENDED;
    if (engine->phase == IMAPC_PHASE_LOGOUT) {
        imapc_end(engine);
    } else if (fault != NULL && fault_is_set(fault)) {
        imapc_fail(engine, fault->class == FAULT_LOCAL ? FAULT_LOCAL : FAULT_TEMP, fault->code, "%s", fault->text);
    } else {
        imapc_fail(engine, FAULT_TEMP, "connection-lost", "the server closed the connection");
    }
}

/* ---- replies ---- */

static void on_bye(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (engine->phase == IMAPC_PHASE_READY) {
        imapc_note_said(engine, "", reply);
        engine->phase = IMAPC_PHASE_LOGOUT; /* an idle connection ends: nothing is lost by it */
        imapc_end(engine);
    } else if (engine->phase != IMAPC_PHASE_LOGOUT) {
        imapc_refused(engine, reply);
    }
}

static void on_untagged(struct imapc_engine *engine, const struct imap_reply *reply)
{
    bool refuses = reply->status == IMAP_STATUS_NO || reply->status == IMAP_STATUS_BAD;
    if (refuses || bytes_is_nocase(reply->code, "ALERT")) {
        imapc_note_said(engine, "", reply);
    }
    if (bytes_is_nocase(reply->name, "EXPUNGE") || bytes_is_nocase(reply->name, "VANISHED")) {
        imapc_locate_break(engine);
    }
    if (reply->status == IMAP_STATUS_BYE) {
        on_bye(engine, reply);
    } else if (phases[engine->phase].data != NULL) {
        phases[engine->phase].data(engine, reply);
    } else {
        imapc_login_data(engine, reply);
    }
}

static void on_continue(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (engine->plus_due) {
        engine->command_waits++;
        imapc_send(engine);
    } else if (engine->sasl_open) {
        phases[engine->phase].reply(engine, reply);
    } else if (engine->phase != IMAPC_PHASE_APPEND) {
        imapc_fail(engine, FAULT_TEMP, "protocol", "the server asked for data when no command has any");
    }
}

/* An answer to a command that was answered before: some servers give two. It says nothing about the one that is open.
 */
static bool is_repeated(const struct imapc_engine *engine, struct bytes tag)
{
    uint64_t number = 0;
    struct bytes ours = bytes_slice(bytes_of(engine->tag), 0, IMAP_COMMAND_TAG_PREFIX);
    return bytes_equal(bytes_slice(tag, 0, IMAP_COMMAND_TAG_PREFIX), ours) &&
           bytes_to_u64(bytes_from(tag, IMAP_COMMAND_TAG_PREFIX), &number) && number > 0 &&
           (number < engine->tag_number || (number == engine->tag_number && !engine->command_open));
}

static void on_tagged(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (is_repeated(engine, reply->tag)) {
        return;
    }
    if (!engine->command_open || !bytes_is(reply->tag, engine->tag)) {
        struct bytes line = imap_reply_read(&engine->parser);
        imapc_fail(engine, FAULT_TEMP, "protocol", "the server answered a command that was not sent: \"%.*s\"",
                   shown_len(line), (const char *)line.ptr);
        return;
    }
    enum imapc_question question = imapc_question_of(engine);
    /* Of compression the answer tells nothing: the first line under it does. */
    if (question != NO_QUESTION && (question != IMAPC_QUESTION_COMPRESS || reply->status != IMAP_STATUS_OK)) {
        imapc_habits_answered(engine->options.habits, question);
    }
    engine->command_open = false;
    engine->plus_due = false;
    if (engine->phase == IMAPC_PHASE_LOGOUT) {
        imapc_end(engine);
    } else {
        phases[engine->phase].reply(engine, reply);
    }
}

static void on_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (engine->compress_unproven) {
        engine->compress_unproven = false;
        imapc_habits_answered(engine->options.habits, IMAPC_QUESTION_COMPRESS);
    }
    note_alert(engine, reply);
    if (++engine->replies > IMAPC_REPLIES_MAX) {
        imapc_fail(engine, FAULT_TEMP, "protocol", "the server sent more than %d responses to one command",
                   IMAPC_REPLIES_MAX);
        return;
    }
    switch (reply->kind) {
    case IMAP_REPLY_UNTAGGED:
        on_untagged(engine, reply);
        break;
    case IMAP_REPLY_CONTINUE:
        on_continue(engine, reply);
        break;
    case IMAP_REPLY_TAGGED:
        on_tagged(engine, reply);
        break;
    }
}

/* ---- steps ---- */

static void take_input(struct imapc_engine *engine, struct bytes input, size_t *used_r)
{
    int result = 1;
    *used_r = 0;
    while (result == 1 && *used_r < input.len && !engine->result_due && !engine->tls_due && !engine->compress_due &&
           !engine->alert_due && engine->phase != IMAPC_PHASE_ENDED) {
        struct imap_reply reply;
        size_t used;
        result = imap_reply_next(&engine->parser, bytes_from(input, *used_r), &used, &reply);
        *used_r += used;
        engine->reply_octets += used;
        if (result < 0 || engine->reply_octets > IMAPC_REPLY_OCTETS_MAX) {
            struct bytes line = imap_reply_read(&engine->parser);
            if (engine->phase == IMAPC_PHASE_MARK) {
                imapc_folders_spoil_ids(engine->options.folders);
            }
            imapc_fail(engine, FAULT_TEMP, "protocol",
                       "the server sent something that is not IMAP, or an unreasonable amount: \"%.*s\"",
                       shown_len(line), (const char *)line.ptr);
        } else if (result == 1) {
            on_reply(engine, &reply);
        }
    }
    if (engine->tls_due && *used_r < input.len) {
        engine->tls_due = false;
        imapc_fail(engine, FAULT_TEMP, "starttls",
                   "the server sent data after its answer to STARTTLS, before the handshake");
    }
}

static void check_deadline(struct imapc_engine *engine)
{
    if (engine->now < engine->deadline) {
        return;
    }
    if (engine->phase == IMAPC_PHASE_LOGOUT) {
        imapc_end(engine);
        return;
    }
    bool greeting = engine->phase == IMAPC_PHASE_GREETING || engine->phase == IMAPC_PHASE_HANDSHAKE;
    uint64_t timeout = greeting ? engine->options.greeting_timeout_ms : engine->options.command_timeout_ms;
    imapc_fail(engine, FAULT_TEMP, "timeout", "nothing was sent or received for %llu ms", (unsigned long long)timeout);
}

enum imapc_want imapc_engine_step(struct imapc_engine *engine, uint64_t now, struct bytes input, size_t *used_r,
                                  struct imapc_request *request_r)
{
    *request_r = (struct imapc_request){0};
    engine->now = now;
    take_input(engine, input, used_r);
    if (*used_r > 0) {
        imapc_move_deadline(engine);
    }
    check_deadline(engine);
    if (engine->alert_due) {
        engine->alert_due = false;
        request_r->alert = buf_bytes(&engine->alert);
        return IMAPC_WANT_TELL;
    }
    if (engine->result_due) {
        engine->result_due = false;
        request_r->result = &engine->result;
        return IMAPC_WANT_RESULT;
    }
    if (engine->tls_due) {
        engine->tls_due = false;
        imapc_enter(engine, IMAPC_PHASE_HANDSHAKE);
        return IMAPC_WANT_TLS;
    }
    if (engine->compress_due) {
        engine->compress_due = false;
        return IMAPC_WANT_COMPRESS;
    }
    if (engine->phase == IMAPC_PHASE_ENDED) {
        request_r->fault = &engine->fault;
        request_r->retry_after_ms = engine->retry_after_ms;
        request_r->crowded = engine->crowded;
        return IMAPC_WANT_CLOSE;
    }
    if (engine->sasl_due) {
        engine->sasl_due = false;
        engine->sasl_waits = true;
        request_r->mechanism = imapc_mechanism_name(engine);
        request_r->challenge = buf_bytes(&engine->challenge);
        return IMAPC_WANT_SASL;
    }
    return imapc_append_wants_body(engine, request_r) ? IMAPC_WANT_BODY : IMAPC_WANT_INPUT;
}

void imapc_engine_tls_ready(struct imapc_engine *engine, uint64_t now)
{
    engine->now = now;
    engine->tls_active = true;
    /* Nothing that was said in clear counts (RFC 9051 section 6.2.1). */
    imap_reply_reset(&engine->parser);
    engine->capabilities = (struct imap_capabilities){0};
    engine->said[0] = '\0';
    imapc_enter(engine, IMAPC_PHASE_CAPABILITY);
}

void imapc_engine_allow_compress(struct imapc_engine *engine)
{
    engine->options.compress = true;
}

void imapc_engine_compressed(struct imapc_engine *engine, uint64_t now)
{
    engine->now = now;
    engine->compress_unproven = true;
    imapc_login_go_on(engine);
}

void imapc_engine_moved(struct imapc_engine *engine, uint64_t now)
{
    engine->now = now;
    imapc_move_deadline(engine);
}

bool imapc_engine_was_ready(const struct imapc_engine *engine)
{
    return engine->was_ready;
}

bool imapc_engine_has_reached(const struct imapc_engine *engine)
{
    return engine->append.reached > 0;
}

bool imapc_engine_was_lost(const struct imapc_engine *engine)
{
    return engine->was_lost;
}

void imapc_engine_logout(struct imapc_engine *engine, uint64_t now)
{
    EXPECT(imapc_engine_is_ready(engine));
    engine->now = now;
    imapc_enter(engine, IMAPC_PHASE_LOGOUT);
    imap_command_end(imapc_begin(engine, "LOGOUT"));
    imapc_send(engine);
}

struct buf *imapc_engine_output(struct imapc_engine *engine)
{
    return &engine->output;
}

uint64_t imapc_engine_deadline(const struct imapc_engine *engine)
{
    return engine->deadline;
}

const char *imapc_engine_phase(const struct imapc_engine *engine)
{
    return phases[engine->phase].name;
}

const struct imap_capabilities *imapc_engine_capabilities(const struct imapc_engine *engine)
{
    return &engine->capabilities;
}

bool imapc_engine_takes_batches(const struct imapc_engine *engine)
{
    const struct imapc_habits *habits = engine->options.habits;
    return (engine->capabilities.has & IMAP_CAP_MULTIAPPEND) != 0 && (habits == NULL || !habits->no_batches);
}

const struct imap_namespaces *imapc_engine_namespaces(const struct imapc_engine *engine)
{
    return &engine->namespaces;
}

/*
 * reception_intake - one message of a session: questions about its envelope, storing, decision, commit, and its one
 * line in the log. Contract: reception_private.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "base/expect.h"
#include "mail/mail_header.h"
#include "proto/smtp_pattern.h"
#include "reception/reception_private.h"
#include "spool/spool_overflow.h"

#define MESSAGE_ID_MAX 255
/* What rules with patterns read of a body, roughly: what a message may cost before anybody has tried. */
#define OCTETS_PER_US  10
#define REPLY_TEXT_MAX 400
/* So long a sender who has not heard yes is known when he comes again. */
#define UNHEARD_MS UINT64_C(86400000)

static const struct smtpd_answer accepted = {0};

/* ---- our own trouble ---- */

/* Enough for the client to know that it is ours and that waiting helps. */
static struct smtpd_answer answer_of_fault(const struct fault *fault)
{
    if (strcmp(fault->code, "enospc") == 0) {
        return *smtpd_reply_get(SMTPD_REPLY_STORAGE);
    }
    return *smtpd_reply_get(SMTPD_REPLY_LOCAL);
}

/* What a rule says: its words. */
static struct smtpd_answer answer_of_decision(const struct reception_decision *decision)
{
    return (struct smtpd_answer){decision->code, decision->enhanced, decision->text, SMTPD_REPLY_BY_RULE};
}

static void log_fault(struct reception_session *session, const char *action, const struct fault *fault)
{
    log_event(session->reception->log, LOG_LEVEL_ERROR, action, LOG_STR("id", session->id),
              LOG_STR("client.address", session->address), LOG_STR("error.code", fault->code),
              LOG_STR("error.where", fault->where), LOG_STR("error.message", fault->text));
}

/* ---- a transaction that is over ---- */

void reception_intake_abandon(struct reception_session *session)
{
    if (smtpd_engine_in_transaction(session->engine)) {
        reception_told_message(session, smtpd_engine_envelope(session->engine), "abandoned");
    } else {
        reception_told_left(session);
    }
}

/* A transaction that brought no message; each refusal in it was told when it was said. */
void reception_intake_reset(struct reception_session *session, const struct smtpd_request *request)
{
    const struct smtpd_answer *refusal = &request->refusal;
    spool_stage_free(&session->stage);
    session->stopped = false;
    if (refusal->code != 0) {
        bool final = refusal->code >= 500;
        session->reception->counts.rejected += final ? 1 : 0;
        session->reception->counts.deferred += final ? 0 : 1;
    }
    session->decision = (struct reception_decision){0};
    session->envelope = (struct mail_envelope){.id = NULL}; /* its strings are the transaction's */
    session->id[0] = '\0';
}

/* An answer has come. Whether it came too late: the session is over, and ends here. */
static bool came_too_late(struct reception_session *session)
{
    session->waits--;
    if (session->listener != NULL) {
        return false;
    }
    session->abort(session);
    return true;
}

/* ---- MAIL and RCPT ---- */

static bool may_use_sender(const struct reception_session *session, const struct mail_envelope *envelope)
{
    struct bytes sender = bytes_of(envelope->from);
    const struct reception_user *user = envelope->client.user == NULL || session->users == NULL
                                            ? NULL
                                            : reception_users_find(session->users, bytes_of(envelope->client.user));
    if (user != NULL && user->sender_count > 0) {
        return smtp_pattern_matches_any(user->senders, user->sender_count, sender);
    }
    return reception_door_lets_sender(session->listener, session->address, sender);
}

/* Whether the network is below a limit of so many a minute; 0 is none. */
static bool has_budget(struct reception_session *session, struct smtpd_budget *budget, unsigned max)
{
    if (max == 0) {
        return true;
    }
    uint64_t now = net_now(session->reception->loop);
    if (smtpd_budget_used(budget, session->address, now) >= max) {
        return false;
    }
    smtpd_budget_add(budget, session->address, now, 1);
    return true;
}

/* Which spool takes the message; -1 with a fault: none does. Whoever waits for the upstreams' answer is told no at
 * once: nothing is delivered from an overflow. */
static int choose_spool(struct reception_session *session, uint64_t size, struct fault *fault)
{
    const struct reception *reception = session->reception;
    if (reception->overflow != NULL && !session->listener->options.acknowledge_delivered) {
        session->spool = spool_overflow_choose(reception->overflow, size, fault);
        return session->spool == NULL ? -1 : 0;
    }
    session->spool = reception->spool;
    return spool_can_accept(reception->spool, size, fault);
}

static struct smtpd_answer judge_mail(struct reception_session *session, const struct smtpd_request *request)
{
    struct fault fault = FAULT_INIT;
    unsigned max = session->listener->options.limits.max_messages_per_minute;
    if (!may_use_sender(session, request->envelope)) {
        return *smtpd_reply_get(SMTPD_REPLY_SENDER_NOT_ALLOWED);
    }
    if (!has_budget(session, session->reception->messages, max)) {
        return *smtpd_reply_get(SMTPD_REPLY_NETWORK_MESSAGES);
    }
    if (choose_spool(session, request->size, &fault) < 0) {
        log_fault(session, "spool_refuses", &fault);
        return answer_of_fault(&fault);
    }
    return accepted;
}

void reception_intake_mail(struct reception_session *session, const struct smtpd_request *request)
{
    uint8_t random[10];
    net_random(random, sizeof random);
    units_id(net_wall(session->reception->loop), random, session->id);
    session->size = 0;
    free(session->message_id);
    session->message_id = NULL;
    struct smtpd_answer answer = judge_mail(session, request);
    smtpd_engine_answer(session->engine, net_now(session->reception->loop), &answer);
}

/* The engine's envelope, with what only we know. */
static void copy_envelope(struct reception_session *session, const struct mail_envelope *envelope)
{
    session->envelope = *envelope;
    session->envelope.id = session->id;
    session->envelope.received_ms = net_wall(session->reception->loop);
}

/* Refusals that need no rules; SMTPD_REPLY_OK when there is none. */
static enum smtpd_reply judge_recipient(struct reception_session *session, const struct mail_envelope *envelope)
{
    const struct reception_listener_options *options = &session->listener->options;
    struct bytes address = bytes_of(envelope->to[envelope->to_count - 1].address);
    bool postmaster = bytes_is_nocase(address, "Postmaster");
    if (options->recipient_count > 0 && !postmaster &&
        !smtp_pattern_matches_any(options->recipients, options->recipient_count, address)) {
        return SMTPD_REPLY_RECIPIENT_NOT_ALLOWED;
    }
    if (!has_budget(session, session->reception->recipients, options->limits.max_recipients_per_minute)) {
        return SMTPD_REPLY_NETWORK_RECIPIENTS;
    }
    return SMTPD_REPLY_OK;
}

static void answer_recipient(struct reception_session *session, const struct reception_decision *decision)
{
    if (decision->code != 0) {
        session->decision.rule = decision->rule;
    }
    const struct smtpd_answer answer = answer_of_decision(decision);
    smtpd_engine_answer(session->engine, net_now(session->reception->loop), &answer);
}

static void on_recipient_decided(void *ctx, const struct reception_decision *decision)
{
    struct reception_session *session = ctx;
    if (!came_too_late(session)) {
        answer_recipient(session, decision);
        session->go_on(session);
    }
}

void reception_intake_recipient(struct reception_session *session, const struct mail_envelope *envelope)
{
    const struct reception_hooks *hooks = &session->reception->hooks;
    struct reception_decision decision = {0};
    copy_envelope(session, envelope);
    enum smtpd_reply refusal = judge_recipient(session, &session->envelope);
    if (refusal != SMTPD_REPLY_OK) {
        smtpd_engine_answer(session->engine, net_now(session->reception->loop), smtpd_reply_get(refusal));
        return;
    }
    session->waits++;
    session->turn.cost_us = 0;
    if (hooks->decide_recipient(hooks->ctx, session->rules, &session->envelope, &session->turn,
                                smtpd_engine_arena(session->engine), &decision, on_recipient_decided, session)) {
        session->waits--;
        answer_recipient(session, &decision);
    }
}

/* ---- octets ---- */

static void on_writable(void *ctx)
{
    struct reception_session *session = ctx;
    session->stopped = false;
    smtpd_engine_stop(session->engine, net_now(session->reception->loop), false);
    session->go_on(session);
}

/* The client sent it before, and hears how that one is called: nothing is kept under the new id. */
static void on_repeat(void *ctx, const char *id, size_t open)
{
    struct reception_session *session = ctx;
    snprintf(session->repeated, sizeof session->repeated, "%s", id);
    session->repeated_open = open;
}

static void need_stage(struct reception_session *session)
{
    if (session->stage == NULL) {
        session->stage = spool_stage_new(session->spool, on_writable, session);
        spool_stage_once(session->stage, session->listener->options.limits.duplicate_window_ms, on_repeat, session);
        if (session->listener->options.acknowledge_delivered) {
            spool_stage_waits(session->stage, UNHEARD_MS);
        }
    }
}

void reception_intake_store(struct reception_session *session, struct bytes data)
{
    need_stage(session);
    int result = spool_stage_write(session->stage, data);
    session->size += data.len;
    if (result > 0) {
        session->stopped = true;
        smtpd_engine_stop(session->engine, net_now(session->reception->loop), true);
    } else if (result < 0) {
        const struct fault *fault = spool_stage_fault(session->stage);
        struct smtpd_answer answer = answer_of_fault(fault);
        log_fault(session, "spool_failed", fault);
        smtpd_engine_store_failed(session->engine, &answer);
    }
}

/* ---- the end of a message: decision, commit, answer ---- */

/* The same for all that are not refused by themselves. */
static void answer_each(struct reception_session *session, const struct smtpd_answer *answer)
{
    struct smtpd_answer *answers =
        expect_memory(arena_array(smtpd_engine_arena(session->engine), session->recipient_count, sizeof *answers));
    for (size_t i = 0; i < session->recipient_count; i++) {
        answers[i] = session->refusals[i].code == 0 ? *answer : session->refusals[i];
    }
    session->answers = answers;
    smtpd_engine_answer_each(session->engine, net_now(session->reception->loop), answers);
    session->answers = NULL;
}

static void answer_message(struct reception_session *session, const struct smtpd_answer *answer)
{
    if (session->refusals != NULL) {
        answer_each(session, answer);
    } else {
        smtpd_engine_answer(session->engine, net_now(session->reception->loop), answer);
    }
    /* What is refused next is no part of this message. */
    session->id[0] = '\0';
    session->envelope = (struct mail_envelope){.id = NULL};
    session->decision = (struct reception_decision){0};
    session->go_on(session);
}

static void answer_accepted(struct reception_session *session)
{
    struct buf text;
    const char *message_id = session->message_id == NULL ? "" : session->message_id;
    const char *id = session->repeated[0] == '\0' ? session->id : session->repeated;
    session->reception->counts.accepted++;
    if (session->wants_delivery && !session->undelivered) {
        spool_heard(session->reception->spool, id);
    }
    if (session->reception->hooks.accepted != NULL) {
        struct mail_envelope envelope = session->envelope;
        envelope.id = id;
        session->reception->hooks.accepted(session->reception->hooks.ctx, &envelope);
    }
    reception_told_message(session, &session->envelope, "accepted");
    buf_init(&text, REPLY_TEXT_MAX);
    buf_printf(&text, RECEPTION_ACCEPTED_AS "%s%s%s", id, message_id[0] == '\0' ? "" : " ", message_id);
    const struct smtpd_answer answer = {250, "2.0.0", buf_text(&text), SMTPD_REPLY_ACCEPTED};
    answer_message(session, &answer);
    buf_done(&text);
}

/* ---- what the upstreams said ---- */

/* What is committed, and told as accepted, is for those that are not refused. */
static void leave_out_refused(struct reception_session *session)
{
    struct mail_envelope *envelope = &session->envelope;
    struct mail_recipient *to =
        expect_memory(arena_array(smtpd_engine_arena(session->engine), envelope->to_count + 1, sizeof *to));
    size_t count = 0;
    for (size_t i = 0; i < envelope->to_count; i++) {
        if (session->refusals[i].code == 0) {
            to[count++] = envelope->to[i];
        }
    }
    envelope->to = to;
    envelope->to_count = count;
}

static bool is_for(const struct mail_delivery *delivery, const char *recipient)
{
    for (size_t i = 0; i < delivery->recipient_count; i++) {
        if (strcmp(delivery->recipients[i], recipient) == 0) {
            return true;
        }
    }
    return false;
}

/* What the upstreams said, and of what. */
struct outcome {
    const struct smtpd_answer *rest; /* of what is not among each */
    const struct reception_delivered *each;
    size_t count;
};

static bool has_delivery(const struct reception_decision *decision, unsigned number)
{
    for (size_t i = 0; i < decision->delivery_count; i++) {
        if (decision->deliveries[i].number == number) {
            return true;
        }
    }
    return false;
}

/* One that nothing was heard of was moved, or filed when the message came before: what the rules know nothing of has
 * its place, and a failure of that may be its own. */
static const struct smtpd_answer *answer_of_delivery(const struct reception_decision *decision,
                                                     const struct outcome *outcome, unsigned number)
{
    const struct smtpd_answer *answer = outcome->rest;
    for (size_t i = 0; i < outcome->count; i++) {
        const struct reception_delivered *one = &outcome->each[i];
        if (one->number == number) {
            return &one->answer;
        }
        if (answer->code == 0 && one->answer.code != 0 && !has_delivery(decision, one->number)) {
            answer = &one->answer;
        }
    }
    return answer;
}

/* What one recipient hears: the worst of its deliveries; none is nothing that could fail. */
static struct smtpd_answer answer_of_recipient(const struct reception_session *session, const struct outcome *outcome,
                                               const char *recipient)
{
    struct smtpd_answer worst = {0};
    for (size_t i = 0; i < session->decision.delivery_count; i++) {
        const struct mail_delivery *delivery = &session->decision.deliveries[i];
        const struct smtpd_answer *answer = answer_of_delivery(&session->decision, outcome, delivery->number);
        /* A 4xx before a 5xx: the sender comes again, and what is filed or refused for good is told once more then. */
        bool worse = answer->code != 0 && (worst.code == 0 || answer->code < worst.code);
        if (worse && is_for(delivery, recipient)) {
            worst = *answer;
        }
    }
    return worst;
}

/*
 * Refuses those of the client's recipients that the upstreams refuse, beside those that the rules do; how many are
 * left.
 */
static size_t refuse_undelivered(struct reception_session *session, const struct outcome *outcome)
{
    const struct mail_envelope *named = smtpd_engine_envelope(session->engine);
    struct smtpd_answer *refusals =
        expect_memory(arena_array(smtpd_engine_arena(session->engine), named->to_count, sizeof *refusals));
    size_t left = 0;
    for (size_t i = 0; i < named->to_count; i++) {
        bool refused = session->refusals != NULL && session->refusals[i].code != 0;
        refusals[i] = refused ? session->refusals[i] : answer_of_recipient(session, outcome, named->to[i].address);
        left += refusals[i].code == 0 ? 1 : 0;
    }
    session->refusals = refusals;
    session->envelope.to = named->to;
    session->envelope.to_count = named->to_count;
    leave_out_refused(session);
    return left;
}

/*
 * The upstreams have answered, and the commit has, too, because nothing is delivered before it; or their time is over.
 * That may be before anybody knows whether the message is kept: a session has one answer, which then waits for that.
 */
static void on_delivered(void *ctx, const struct smtpd_answer *answer, const struct reception_delivered *each,
                         size_t count)
{
    struct reception_session *session = ctx;
    const struct outcome outcome = {.rest = answer, .each = each, .count = count};
    bool is_late = session->is_committing;
    if (is_late) {
        /* Of a session that is over, too: who answers here may be gone when the commit's answer comes. */
        session->is_late = true;
        session->late = *answer;
    }
    if (came_too_late(session) || is_late) {
        return;
    }
    bool all = answer->code == 0;
    for (size_t i = 0; i < count; i++) {
        all = all && each[i].answer.code == 0;
    }
    session->undelivered = !all;
    if (all) {
        answer_accepted(session);
    } else if (count > 0 && refuse_undelivered(session, &outcome) > 0) {
        answer_accepted(session);
    } else {
        answer_message(session, answer->code != 0 ? answer : smtpd_reply_get(SMTPD_REPLY_LOCAL));
    }
}

/* Has the upstreams answer about the message's open deliveries; false: somebody else waits for that. */
static bool await_delivery(struct reception_session *session, const char *id, size_t count)
{
    const struct reception_hooks *hooks = &session->reception->hooks;
    const struct reception_listener_options *options = &session->listener->options;
    const struct reception_awaited awaited = {
        .id = id, .count = count, .each = options->lmtp, .timeout_ms = options->acknowledge_timeout_ms};
    bool awaits = hooks->await_delivery(hooks->delivery_ctx, &awaited, on_delivered, session);
    session->waits += awaits;
    return awaits;
}

/*
 * It is durable. Where the upstreams are to answer, so they do; what was sent before has no deliveries of its own: what
 * is open of the first is waited for, or, when another session does that, the client is to come again.
 */
static void answer_durable(struct reception_session *session)
{
    bool repeats = session->repeated[0] != '\0';
    if (!session->wants_delivery || (repeats && session->repeated_open == 0)) {
        answer_accepted(session);
    } else if (repeats && !await_delivery(session, session->repeated, session->repeated_open)) {
        answer_message(session, smtpd_reply_get(SMTPD_REPLY_UNDER_WAY));
    }
}

static void on_committed(void *ctx, const struct fault *fault)
{
    struct reception_session *session = ctx;
    session->is_committing = false;
    if ((fault != NULL || session->repeated[0] != '\0') && session->wants_delivery && !session->is_late) {
        session->waits--;
        session->forget_delivery(session->delivery_ctx, session->id);
    }
    if (came_too_late(session)) {
        return;
    }
    if (fault == NULL && session->is_late) {
        session->undelivered = true;
        answer_message(session, &session->late);
        return;
    }
    if (fault == NULL) {
        answer_durable(session);
        return;
    }
    log_fault(session, "spool_failed", fault);
    if (fault->class == FAULT_UNCERTAIN) {
        /* Neither yes nor no would be true: the client does not know either, and sends again. */
        session->abort(session);
        return;
    }
    struct smtpd_answer answer = answer_of_fault(fault);
    answer_message(session, &answer);
}

/* Adds the fields that a device has left out to what is filed; the stored message stays as received. */
static void add_missing(struct reception_session *session)
{
    struct arena *arena = smtpd_engine_arena(session->engine);
    const struct reception_decision *decision = &session->decision;
    char date[DATE_LEN];
    date_rfc5322(session->envelope.received_ms, date);
    const char *id = expect_memory(arena_printf(arena, "<%s@%s>", session->id, session->reception->hostname));
    for (size_t i = 0; i < decision->delivery_count; i++) {
        struct mail_delivery *delivery = &decision->deliveries[i];
        struct mail_edit *edits = expect_memory(arena_array(arena, delivery->edit_count + 2, sizeof *edits));
        if (delivery->edit_count > 0) {
            memcpy(edits, delivery->edits, delivery->edit_count * sizeof *edits);
        }
        if (session->lacks_date) {
            edits[delivery->edit_count++] =
                (struct mail_edit){MAIL_EDIT_ADD, "Date", expect_memory(arena_text(arena, date))};
        }
        if (session->lacks_id) {
            edits[delivery->edit_count++] = (struct mail_edit){MAIL_EDIT_ADD, "Message-ID", id};
        }
        delivery->edits = edits;
    }
}

static void commit_message(struct reception_session *session)
{
    const struct reception_decision *decision = &session->decision;
    const struct reception_listener_options *options = &session->listener->options;
    const struct reception_hooks *hooks = &session->reception->hooks;
    session->wants_delivery =
        options->acknowledge_delivered && decision->delivery_count > 0 && hooks->await_delivery != NULL;
    session->repeated[0] = '\0';
    session->undelivered = session->is_late = false;
    session->is_committing = true;
    session->waits++;
    if (session->wants_delivery) {
        session->forget_delivery = hooks->forget_delivery;
        session->delivery_ctx = hooks->delivery_ctx;
        await_delivery(session, session->id, decision->delivery_count);
    }
    spool_commit(&session->stage, &session->envelope, decision->deliveries, decision->delivery_count, on_committed,
                 session);
}

/*
 * Whether the rules want to keep what this listener may not keep: nothing is acknowledged here before a mailbox server
 * has it, and what is held for an operator would be dropped when the sender's wait ends.
 */
static bool cannot_hold(const struct reception_session *session, const struct reception_decision *decision)
{
    for (size_t i = 0; session->listener->options.acknowledge_delivered && i < decision->delivery_count; i++) {
        if (decision->deliveries[i].held) {
            return true;
        }
    }
    return false;
}

static void on_decided(void *ctx, const struct reception_decision *decision)
{
    struct reception_session *session = ctx;
    if (came_too_late(session)) {
        return;
    }
    session->decision = *decision;
    session->envelope.rules = decision->rules;
    session->envelope.rule_count = decision->rule_count;
    session->envelope.tried = decision->tried;
    session->envelope.tried_count = decision->tried_count;
    session->envelope.counted = decision->counted;
    session->envelope.counted_count = decision->counted_count;
    session->refusals = decision->refusals;
    session->recipient_count = session->envelope.to_count;
    if (session->refusals != NULL) {
        leave_out_refused(session);
    }
    if (decision->code != 0) {
        const struct smtpd_answer answer = answer_of_decision(decision);
        answer_message(session, &answer);
        return;
    }
    if (cannot_hold(session, decision)) {
        answer_message(session, smtpd_reply_get(SMTPD_REPLY_CANNOT_HOLD));
        return;
    }
    if (session->lacks_date || session->lacks_id) {
        add_missing(session);
    }
    commit_message(session);
}

/* For the log and the reply: one line, when it is of a sane length. */
static void note_message_id(struct reception_session *session, struct bytes header)
{
    struct mail_header_field field;
    struct buf value;
    if (mail_header_find(header, "Message-ID", &field) != 1 || field.value.len > MESSAGE_ID_MAX) {
        return;
    }
    buf_init(&value, MESSAGE_ID_MAX);
    if (mail_header_unfold(field.value, &value) == 0 && !bytes_has_control(buf_bytes(&value))) {
        session->message_id = expect_strdup(buf_text(&value));
    }
    buf_done(&value);
}

static void note_missing(struct reception_session *session, struct bytes header)
{
    struct mail_header_field field;
    bool wanted =
        session->listener->options.add_missing && reception_door_is_lenient(session->listener, session->address);
    session->lacks_date = wanted && mail_header_find(header, "Date", &field) != 1;
    session->lacks_id = wanted && mail_header_find(header, "Message-ID", &field) != 1;
}

void reception_intake_message(struct reception_session *session, const struct smtpd_request *request)
{
    const struct reception_hooks *hooks = &session->reception->hooks;
    need_stage(session);
    copy_envelope(session, request->envelope);
    note_message_id(session, request->header);
    note_missing(session, request->header);
    session->envelope.message_id = session->message_id;
    mail_about_read(&session->reception->about, request->header, smtpd_engine_arena(session->engine),
                    &session->envelope);
    session->size = request->size;
    session->refusals = NULL;
    session->waits++;
    session->turn.cost_us = request->size / OCTETS_PER_US;
    hooks->decide_message(hooks->ctx, session->rules, &session->envelope, request->header, session->stage,
                          &session->turn, smtpd_engine_arena(session->engine), on_decided, session);
}

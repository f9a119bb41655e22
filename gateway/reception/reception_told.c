/*
 * reception_told - what is told of a session: each refusal and each message as one line of the log; refusals also to
 * those who ask later. Contract: reception_private.h.
 *
 * Of one client, so many refusals a minute are told; the rest is counted, and the count is told when the minute is
 * over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "reception/reception_private.h"

#define RECIPIENTS_LOGGED_MAX 50
#define UNTOLD_MS             ((uint64_t)15 * 1000)

/* ---- messages ---- */

/* Why a message, or one recipient of it, was refused. */
struct refused {
    const struct smtpd_answer *answer;
    const char *recipient; /* NULL: all of them */
    const char *said, *key;
};

/* The addresses for the log: of the refused one, or of all; their number. */
static size_t list_recipients(const struct mail_envelope *envelope, const struct refused *refused, const char **into)
{
    size_t count = envelope->to_count < RECIPIENTS_LOGGED_MAX ? envelope->to_count : RECIPIENTS_LOGGED_MAX;
    if (refused->recipient != NULL) {
        into[0] = refused->recipient;
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        into[i] = envelope->to[i].address;
    }
    return count;
}

static const char *rule_of(const struct reception_session *session, const struct smtpd_answer *answer)
{
    const struct reception_decision *decision = &session->decision;
    if (answer == NULL || answer->reply != SMTPD_REPLY_BY_RULE) {
        return NULL;
    }
    bool each = session->answers != NULL && decision->refusal_rules != NULL;
    return each ? decision->refusal_rules[answer - session->answers] : decision->rule;
}

static void log_message(struct reception_session *session, const struct mail_envelope *envelope, const char *action,
                        const struct refused *refused)
{
    const struct reception_decision *decision = &session->decision;
    const struct smtpd_answer *answer = refused->answer;
    const char *to[RECIPIENTS_LOGGED_MAX];
    size_t to_count = list_recipients(envelope, refused, to);
    bool more = refused->recipient == NULL && envelope->to_count > to_count;
    log_event(
        session->reception->log, LOG_LEVEL_INFO, action, LOG_STR("id", session->id),
        LOG_STR("client.address", session->address), LOG_STR("listener", session->listener->options.name),
        LOG_STR("user", envelope->client.user), LOG_STR("from", envelope->from[0] == '\0' ? "<>" : envelope->from),
        LOG_LIST("to", to, to_count), more ? LOG_INT("recipients", envelope->to_count) : LOG_STR("recipients", NULL),
        LOG_INT("size", session->size), LOG_LIST("rules", decision->rules, decision->rule_count),
        LOG_LIST("watched", decision->watched, decision->watched_count),
        LOG_STR("email.message_id", session->message_id), LOG_STR("tls", envelope->client.tls_version),
        LOG_STR("tls.cipher", envelope->client.tls_cipher), LOG_STR("tls.client.subject", envelope->client.tls_peer),
        LOG_STR("envid", envelope->envid), LOG_STR("command", refused->said), LOG_STR("rule", rule_of(session, answer)),
        LOG_STR("reason", answer == NULL ? NULL : smtpd_reply_reason(answer->reply)), LOG_STR("key", refused->key),
        answer == NULL ? LOG_STR("reply.code", NULL) : LOG_INT("reply.code", answer->code),
        LOG_STR("reply.enhanced", answer == NULL ? NULL : answer->enhanced),
        LOG_STR("reply.text", answer == NULL ? NULL : answer->text));
}

void reception_told_message(struct reception_session *session, const struct mail_envelope *envelope, const char *action)
{
    struct reception *reception = session->reception;
    if (strcmp(action, "accepted") == 0) {
        reception_clients_note(reception->clients, session->address, session->listener->options.name,
                               RECEPTION_CLIENT_ACCEPTED, net_wall(reception->loop));
    }
    log_message(session, envelope, action, &(struct refused){NULL, NULL, NULL, NULL});
    session->told = true;
}

/* ---- refusals ---- */

/* The client's refusal is counted; whether it is told, too. */
static bool may_tell(struct reception_session *session)
{
    struct reception *reception = session->reception;
    const struct reception_listener_options *options = &session->listener->options;
    session->told = true;
    reception_clients_note(reception->clients, session->address, options->name, RECEPTION_CLIENT_REFUSED,
                           net_wall(reception->loop));
    if (reception_clients_may_tell(reception->clients, session->address, net_now(reception->loop),
                                   options->limits.max_refusals_logged)) {
        return true;
    }
    reception->counts.refusals_untold++;
    net_timer_start(reception->untold_timer, UNTOLD_MS);
    return false;
}

void reception_told_untold(void *ctx)
{
    struct reception *reception = ctx;
    const char *address;
    unsigned count;
    while (reception_clients_untold(reception->clients, net_now(reception->loop), &address, &count)) {
        log_event(reception->log, LOG_LEVEL_WARNING, "refused_more", LOG_STR("client.address", address),
                  LOG_INT("count", count));
    }
    if (reception_clients_have_untold(reception->clients)) {
        net_timer_start(reception->untold_timer, UNTOLD_MS);
    }
}

static void set_field(json_t *object, const char *field, const char *text)
{
    struct bytes value = bytes_of(text);
    if (value.len > 0) {
        json_t *string = bytes_is_utf8(value) ? json_stringn(text, value.len) : json_string("?");
        json_object_set_new(object, field, string);
    }
}

static void set_list(json_t *object, const char *field, const char *const *texts, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_string(texts[i]));
    }
    json_object_set_new(object, field, list);
}

/* What a message that was refused can be found by, beside the fields of its line. */
static void keep_about(const struct reception_session *session, json_t *object)
{
    const struct mail_envelope *envelope = &session->envelope;
    if (envelope->id == NULL) {
        return; /* no recipient was named yet */
    }
    const char **to = expect_calloc(envelope->to_count + 1, sizeof *to);
    for (size_t i = 0; i < envelope->to_count; i++) {
        to[i] = envelope->to[i].address;
    }
    set_list(object, "recipients", to, envelope->to_count);
    free(to);
    set_field(object, "subject", envelope->subject);
    set_field(object, "message_id", envelope->message_id);
    if (envelope->header_from_count > 0) {
        set_list(object, "header_from", envelope->header_from, envelope->header_from_count);
    }
    if (envelope->header_to_count > 0) {
        set_list(object, "header_to", envelope->header_to, envelope->header_to_count);
    }
}

/* Whoever does not speak TLS, or no PROXY header, is told nothing. */
static bool is_said(enum smtpd_reply reply)
{
    return reply != SMTPD_REPLY_TLS_FAILED && reply != SMTPD_REPLY_PROXY_HEADER;
}

/* What is kept of a refusal: the fields of its line. */
static void keep_refusal(struct reception_session *session, const struct smtpd_refusal *refusal)
{
    struct reception *reception = session->reception;
    const struct smtpd_answer *answer = refusal->answer;
    const struct mail_envelope *envelope = refusal->envelope;
    char time[25];
    json_t *object = json_object();
    int64_t now = net_wall(reception->loop);
    log_time(now, time);
    json_object_set_new(object, "time_ms", json_integer(now));
    set_field(object, "time", time);
    set_field(object, "client.address", session->address);
    set_field(object, "listener", session->listener->options.name);
    set_field(object, "helo", refusal->helo);
    set_field(object, "user", refusal->user);
    set_field(object, "id", envelope == NULL ? NULL : session->id);
    set_field(object, "from", envelope == NULL ? NULL : envelope->from[0] == '\0' ? "<>" : envelope->from);
    set_field(object, "to", refusal->recipient);
    if (refusal->is_mail) {
        keep_about(session, object);
    }
    set_field(object, "command", refusal->said);
    set_field(object, "reason", smtpd_reply_reason(answer->reply));
    set_field(object, "key", refusal->key);
    set_field(object, "rule", rule_of(session, answer));
    if (is_said(answer->reply)) {
        json_object_set_new(object, "reply.code", json_integer(answer->code));
        set_field(object, "reply.enhanced", answer->enhanced);
        set_field(object, "reply.text", answer->text);
    } else {
        set_field(object, "error.message", answer->text);
    }
    reception_refusals_add(reception->refusals, &object);
}

static void log_refusal(struct reception_session *session, const struct smtpd_refusal *refusal)
{
    const struct smtpd_answer *answer = refusal->answer;
    log_event(session->reception->log, LOG_LEVEL_INFO, "refused",
              LOG_STR("id", refusal->envelope == NULL ? NULL : session->id),
              LOG_STR("client.address", session->address), LOG_STR("listener", session->listener->options.name),
              LOG_STR("helo", refusal->helo), LOG_STR("user", refusal->user), LOG_STR("command", refusal->said),
              LOG_STR("reason", smtpd_reply_reason(answer->reply)), LOG_STR("key", refusal->key),
              LOG_INT("reply.code", answer->code), LOG_STR("reply.enhanced", answer->enhanced),
              LOG_STR("reply.text", answer->text));
}

void reception_told_refusal(void *ctx, const struct smtpd_refusal *refusal)
{
    struct reception_session *session = ctx;
    /* The goodbye of a shutdown, and an idle client's, are no refusals that anybody looks for. */
    bool is_goodbye = refusal->answer->reply == SMTPD_REPLY_SHUTDOWN && refusal->envelope == NULL;
    if (is_goodbye || session->listener == NULL || !may_tell(session)) {
        return;
    }
    if (refusal->is_mail) {
        log_message(session, refusal->envelope, "rejected",
                    &(struct refused){refusal->answer, refusal->recipient, refusal->said, refusal->key});
    } else {
        log_refusal(session, refusal);
    }
    keep_refusal(session, refusal);
}

void reception_told_door(struct reception_session *session, enum smtpd_reply reply, const char *text)
{
    struct smtpd_answer answer = *smtpd_reply_get(reply);
    answer.text = text == NULL || text[0] == '\0' ? answer.text : text;
    session->reception->counts.tally.refusals[reply]++;
    session->reception->counts.tally.limits[smtpd_reply_limit(reply)]++;
    if (!may_tell(session)) {
        return;
    }
    const struct smtpd_refusal refusal = {
        .answer = &answer, .said = "", .helo = "", .user = "", .key = smtpd_reply_key(reply)};
    if (is_said(reply)) {
        log_refusal(session, &refusal);
    } else {
        log_event(session->reception->log, LOG_LEVEL_INFO, "refused", LOG_STR("client.address", session->address),
                  LOG_STR("listener", session->listener->options.name), LOG_STR("reason", smtpd_reply_reason(reply)),
                  LOG_STR("key", smtpd_reply_key(reply)), LOG_STR("error.message", answer.text));
    }
    keep_refusal(session, &refusal);
}

void reception_told_left(struct reception_session *session)
{
    const char *said = smtpd_engine_said(session->engine);
    if (session->told || said[0] == '\0') {
        return;
    }
    log_event(session->reception->log, LOG_LEVEL_INFO, "left", LOG_STR("client.address", session->address),
              LOG_STR("listener", session->listener->options.name), LOG_STR("command", said));
}

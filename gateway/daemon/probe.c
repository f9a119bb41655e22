/*
 * probe - see probe.h.
 */
#include "daemon/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "base/expect.h"
#include "config/config_account.h"
#include "daemon/probe_door.h"
#include "engine/smtpd_replies.h"
#include "reception/reception.h"

#define MESSAGE_MAX ((size_t)16 << 10)

struct probe {
    struct net_loop *loop;
    struct probe_options options;
    const struct config_listener *listener;
    const struct config_upstream *upstream;
    struct net_address address; /* of the front door */
    struct net_tls *tls;
    struct buf message;
    struct probe_door *door;
    struct upstream_account account;
    struct upstream_pool *pool;
    struct net_timer *timer; /* the beginning, the deadline, the end */
    uint64_t began_us, until_ms;
    char id[PROBE_ID_LEN], delivery[PROBE_ID_LEN + 8];
    const char *step;     /* that did not work */
    bool over, is_silent; /* it did not answer in time */
    char text[600], advice[600];
    struct probe_result result;
    probe_fn *fn;
    void *ctx;
};

/* ---- what to do about it ---- */

/* Instead of a reply: whatever was heard, and that nothing was. */
#define ANY     SMTPD_REPLY_COUNT
#define NOTHING ((enum smtpd_reply)(SMTPD_REPLY_COUNT + 1))

struct advice {
    const char *step;
    enum smtpd_reply reply; /* was heard; ANY: the last for its step */
    const char *advice;
};
static const struct advice advices[] = {
    {"connect", ANY,
     "Is the gateway running (\"mailweir status\")? Where the listener is reached at another address from here, give "
     "that address in \"probe\": {\"address\": ...}, or with --server."},
    {"greeting", SMTPD_REPLY_NETWORK,
     "Add this machine's address (127.0.0.1, ::1) to \"allow\" of the listener, or name another listener in \"probe\": "
     "{\"listener\": ...}."},
    {"greeting", NOTHING,
     "A listener whose \"proxy_protocol\" names this machine waits for a header that the probe does not send: use "
     "another listener in \"probe\": {\"listener\": ...}."},
    {"greeting", SMTPD_REPLY_SHUTDOWN, "The gateway is stopping; try again when it runs."},
    {"greeting", ANY, "\"mailweir clients\" shows what the listener told each client, and which key decides it."},
    {"tls", ANY,
     "Is the listener's certificate for the host that the probe connects to? \"probe\": {\"ca_file\": ...} names the "
     "CA that signed it."},
    {"login", ANY,
     "Give the probe a user of the listener: \"probe\": {\"username\": ..., \"password\": {\"file\": ...}}; "
     "\"mailweir passwd\" adds one."},
    {"sender", SMTPD_REPLY_NEEDS_AUTH,
     "Give the probe a user of the listener: \"probe\": {\"username\": ..., \"password\": {\"file\": ...}}."},
    {"sender", SMTPD_REPLY_NEEDS_TLS,
     "The listener wants TLS: set the \"mode\" of its \"tls\" to \"starttls\" or \"implicit\"."},
    {"sender", SMTPD_REPLY_SENDER_NOT_ALLOWED,
     "Add the probe's sender to \"senders\" of the listener, or name one in \"probe\": {\"from\": "
     "...}."},
    {"recipient", SMTPD_REPLY_RECIPIENT_NOT_ALLOWED,
     "Add the probe's recipient to \"recipients\" of the listener, or name one in \"probe\": {\"to\": ...}."},
    {"message", SMTPD_REPLY_STORAGE, "The spool's disk is full: make room. Senders keep their mail meanwhile."},
    {"mailbox", ANY, "\"mailweir upstreams\" tries the account step by step; what was accepted waits in the queue."},
    {"arrival", ANY,
     "\"mailweir why ID\" with the id above says what the message waits for; \"mailweir status\" says whether its "
     "upstream works."},
    {"removal", ANY,
     "Mail arrives. Remove the message by hand, and give the account the right to delete in that folder."},
    {NULL, ANY, "\"mailweir clients\" and the log show why, and which key decides it."},
};

static bool was_heard(enum smtpd_reply reply, const char *text, bool is_silent)
{
    return reply == ANY || (reply == NOTHING ? is_silent : strstr(text, smtpd_reply_get(reply)->text) != NULL);
}

static const char *advice_for(const char *step, const char *text, bool is_silent)
{
    const struct advice *advice = advices;
    while (advice->step != NULL && (strcmp(advice->step, step) != 0 || !was_heard(advice->reply, text, is_silent))) {
        advice++;
    }
    return advice->advice;
}

/* ---- the end ---- */

/* It is told from the loop: inside an event of the pool or the door, nobody may free what it stands on. */
static void finish_probe(struct probe *probe)
{
    probe->over = true;
    net_timer_start(probe->timer, 0);
}

static void tell_result(struct probe *probe)
{
    struct probe_result *result = &probe->result;
    result->step = probe->step;
    result->text = probe->text;
    result->advice = probe->step == NULL ? "" : advice_for(probe->step, probe->text, probe->is_silent);
    result->id = probe->id;
    probe->fn(probe->ctx, result);
}

__attribute__((format(printf, 3, 4))) static void note(struct probe *probe, const char *step, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(probe->text, sizeof probe->text, format, args);
    va_end(args);
    probe->step = step;
}

static uint64_t us_since(const struct probe *probe)
{
    return net_now_us(probe->loop) - probe->began_us;
}

/* ---- the mailbox ---- */

static const char *folder_of(const struct probe *probe)
{
    return probe->options.folder;
}

static unsigned waited_s(const struct probe *probe)
{
    return (unsigned)(us_since(probe) / 1000000);
}

static void on_report(void *ctx, const struct upstream_probe_report *report)
{
    struct probe *probe = ctx;
    const struct fault *fault = report->fault;
    const char *upstream = probe->upstream->name;
    bool is_account = fault != NULL && (strcmp(fault->where, "connect") == 0 || strcmp(fault->where, "login") == 0 ||
                                        strcmp(fault->where, "tls") == 0 || strcmp(fault->where, "greeting") == 0);
    probe->result.arrived = report->found;
    probe->result.arrived_us = report->found ? us_since(probe) : 0;
    if (fault != NULL && report->found) {
        note(probe, "removal",
             "the message arrived in %s of upstream \"%s\" and was read back, but could not be removed: %s",
             folder_of(probe), upstream, fault->text);
    } else if (fault != NULL && is_account) {
        note(probe, "mailbox", "the folder of upstream \"%s\" cannot be read, during %s: %s", upstream, fault->where,
             fault->text);
    } else if (fault != NULL) {
        note(probe, "arrival", "the message was accepted as %s, but is not in %s of upstream \"%s\" after %u s (%s)",
             probe->id, folder_of(probe), upstream, waited_s(probe), fault->text);
    }
    finish_probe(probe);
}

static void look_in_folder(struct probe *probe)
{
    struct fault fault = FAULT_INIT;
    uint64_t now = net_now(probe->loop), left = probe->until_ms > now ? probe->until_ms - now : 1;
    snprintf(probe->delivery, sizeof probe->delivery, "%s.1", probe->id);
    if (config_upstream_account(probe->upstream, &probe->account, &fault) < 0) {
        note(probe, "mailbox", "%s", fault.text);
        finish_probe(probe);
        return;
    }
    probe->pool = upstream_pool_new(probe->loop, &probe->account, NULL);
    upstream_pool_take_back(probe->pool, folder_of(probe), probe->delivery, left, on_report, probe);
}

/* ---- the front door ---- */

static void on_door(void *ctx, const char *step, const struct fault *fault, const char *reply)
{
    struct probe *probe = ctx;
    const char *id = strstr(reply, RECEPTION_ACCEPTED_AS);
    if (fault != NULL) {
        note(probe, step, "%s", fault->text);
        finish_probe(probe);
    } else if (id == NULL) {
        note(probe, "message", "the server there is not mailweir: it said \"%s\"", reply);
        finish_probe(probe);
    } else {
        id += strlen(RECEPTION_ACCEPTED_AS);
        snprintf(probe->id, sizeof probe->id, "%.*s", (int)strcspn(id, " "), id);
        probe->result.accepted_us = us_since(probe);
        look_in_folder(probe);
    }
}

static void write_message(struct probe *probe, const char *from, const char *to)
{
    char date[DATE_LEN];
    uint8_t random[8];
    net_random(random, sizeof random);
    int64_t now_ms = net_wall(probe->loop);
    date_rfc5322(now_ms, date);
    buf_init(&probe->message, MESSAGE_MAX);
    buf_printf(
        &probe->message,
        "From: mailweir probe <%s>\r\nTo: <%s>\r\nSubject: mailweir probe\r\nDate: %s\r\nMessage-ID: <probe.%lld.",
        from, to, date, (long long)now_ms);
    for (size_t i = 0; i < sizeof random; i++) {
        buf_printf(&probe->message, "%02x", random[i]);
    }
    buf_printf(&probe->message,
               "@%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
               "charset=us-ascii\r\n\r\n"
               "This message went through the gateway to see whether mail arrives. It is read back and removed at "
               "once.\r\nIf it is still here, it arrived after the probe had stopped waiting; you may delete it.\r\n",
               probe->options.config->hostname);
}

/* A certificate is shown to those who come from elsewhere; on this machine it has no name to be held against. */
static int make_tls(struct probe *probe, struct fault *fault)
{
    const char *ca_file =
        probe->options.ca_file != NULL ? probe->options.ca_file : probe->options.config->probe.ca_file;
    const struct net_tls_options options = {.ca_file = ca_file,
                                            .server_name = probe->address.is_unix ? NULL : probe->address.host,
                                            .insecure = ca_file == NULL && net_address_is_loopback(&probe->address)};
    return probe->listener->tls.mode == CONFIG_TLS_NONE ? 0 : net_tls_client_new(&probe->tls, &options, fault);
}

static void knock(struct probe *probe)
{
    const struct config *config = probe->options.config;
    struct fault fault = FAULT_INIT;
    if (make_tls(probe, &fault) < 0) {
        note(probe, "tls", "%s", fault.text);
        finish_probe(probe);
        return;
    }
    const char *to = probe->options.to != NULL ? probe->options.to : config->probe.to;
    write_message(probe, config->probe.from, to);
    const struct probe_door_options options = {.address = probe->address,
                                               .lmtp = probe->listener->protocol == CONFIG_PROTOCOL_LMTP,
                                               .tls = probe->tls,
                                               .starttls = probe->listener->tls.mode == CONFIG_TLS_STARTTLS,
                                               .hostname = config->hostname,
                                               .from = config->probe.from,
                                               .to = to,
                                               .username = config->probe.username,
                                               .password = config->probe.password,
                                               .message = buf_bytes(&probe->message),
                                               .timeout_ms = probe->options.timeout_ms};
    probe->door = probe_door_new(probe->loop, &options, on_door, probe);
}

/* ---- the life ---- */

static void begin_probe(struct probe *probe)
{
    /* The look ends by itself; this is for what does not answer at all. */
    net_timer_start(probe->timer, probe->options.timeout_ms + 1000);
    probe->began_us = net_now_us(probe->loop);
    probe->until_ms = net_now(probe->loop) + probe->options.timeout_ms;
    if (probe->options.waits_for != NULL) {
        snprintf(probe->id, sizeof probe->id, "%s", probe->options.waits_for);
        look_in_folder(probe);
    } else {
        knock(probe);
    }
}

static void give_up(struct probe *probe)
{
    probe->is_silent = probe->pool == NULL;
    if (probe->is_silent) {
        note(probe, probe_door_step(probe->door), "the gateway does not answer within %u s", waited_s(probe));
    } else {
        note(probe, "mailbox", "upstream \"%s\" does not answer: %s could not be read within %u s",
             probe->upstream->name, folder_of(probe), waited_s(probe));
    }
    tell_result(probe);
}

static void on_timer(void *ctx)
{
    struct probe *probe = ctx;
    if (probe->over) {
        tell_result(probe); /* may free it */
    } else if (probe->began_us == 0) {
        begin_probe(probe);
    } else {
        give_up(probe);
    }
}

struct probe *probe_new(struct net_loop *loop, const struct probe_options *options, probe_fn *fn, void *ctx)
{
    const struct config *config = options->config;
    struct probe *probe = expect_calloc(1, sizeof *probe);
    probe->loop = loop;
    probe->options = *options;
    probe->fn = fn;
    probe->ctx = ctx;
    probe->listener = config_probe_listener(config);
    probe->upstream =
        config_upstream_named(config, options->upstream != NULL ? options->upstream : config->probe.upstream);
    probe->address = options->address != NULL ? *options->address : config->probe.address;
    if (probe->options.folder == NULL) {
        probe->options.folder = config->probe.folder;
    }
    if (probe->options.timeout_ms == 0) {
        probe->options.timeout_ms = config->probe.timeout;
    }
    probe->timer = net_timer_new(loop, on_timer, probe);
    net_timer_start(probe->timer, 0);
    return probe;
}

void probe_free(struct probe **probe)
{
    if (*probe == NULL) {
        return;
    }
    net_timer_free(&(*probe)->timer);
    probe_door_free(&(*probe)->door);
    if ((*probe)->pool != NULL) {
        upstream_pool_free(&(*probe)->pool);
        upstream_account_release(&(*probe)->account);
    }
    net_tls_free(&(*probe)->tls);
    buf_done(&(*probe)->message);
    free(*probe);
    *probe = NULL;
}

/*
 * smtpd_hello - who talks to us, and what we offer: greeting, HELO, EHLO, LHLO, STARTTLS, XCLIENT. RFC 5321
 * section 4.1.1.1, RFC 2033, RFC 3207.
 */
#include <string.h>

#include "base/network.h"
#include "engine/smtpd_private.h"
#include "proto/smtp_reply.h"

#define HELO_MAX 255
#define EHLO_MAX 2048

void smtpd_greet(struct smtpd_engine *engine, uint64_t now)
{
    struct buf line;
    engine->greeted = true;
    smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
    if (engine->options.refusal.code != 0) {
        smtpd_say(engine, &engine->options.refusal);
        engine->phase = SMTPD_PHASE_ENDED;
        return;
    }
    buf_init(&line, SMTP_REPLY_LINE_MAX);
    buf_printf(&line, "%s %s mailweir", engine->options.hostname, engine->options.lmtp ? "LMTP" : "ESMTP");
    smtpd_say(engine, &(struct smtpd_answer){.code = 220, .text = buf_text(&line)});
    buf_done(&line);
}

void smtpd_update_offer(struct smtpd_engine *engine)
{
    const struct smtpd_engine_options *options = &engine->options;
    bool tls = engine->tls_version[0] != '\0';
    engine->offered = SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_ENHANCEDSTATUSCODES |
                      SMTP_EXT_SMTPUTF8 | SMTP_EXT_CHUNKING | SMTP_EXT_BINARYMIME | SMTP_EXT_DSN | SMTP_EXT_LIMITS;
    engine->offered |= options->starttls && !tls ? (unsigned)SMTP_EXT_STARTTLS : 0;
    engine->offered |= tls ? (unsigned)SMTP_EXT_REQUIRETLS : 0;
    engine->offered |= smtpd_mechanisms_now(engine) != 0 ? (unsigned)SMTP_EXT_AUTH : 0;
    engine->offered |= options->xclient ? (unsigned)SMTP_EXT_XCLIENT : 0;
}

/* What stands in Received fields and logs: whatever could mean something there becomes '?'. */
static void note_helo(struct smtpd_engine *engine, struct bytes name)
{
    smtpd_keep(&engine->helo, name);
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool plain = octet_is_alpha(c) || octet_is_digit(c) || (c != 0 && strchr(".-_:[]", c) != NULL);
        engine->helo[i] = plain ? (char)c : '?';
    }
}

static bool say_hello(struct smtpd_engine *engine, struct bytes name, bool esmtp)
{
    if (name.len > HELO_MAX) {
        smtpd_reply(engine, SMTPD_REPLY_BAD_ARGUMENT);
        return false;
    }
    smtpd_reset(engine, false);
    engine->state = SMTPD_STATE_READY;
    engine->esmtp = esmtp;
    note_helo(engine, name);
    return true;
}

void smtpd_handle_helo(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)now;
    if (engine->options.lmtp) {
        smtpd_reply(engine, SMTPD_REPLY_NOT_OFFERED);
    } else if (say_hello(engine, argument, false)) {
        smtpd_say(engine, &(struct smtpd_answer){.code = 250, .text = engine->options.hostname});
    }
}

static void write_size(const struct smtpd_engine *engine, struct buf *out)
{
    buf_printf(out, " %llu", (unsigned long long)engine->options.limits.max_message_size);
}

static void write_auth(const struct smtpd_engine *engine, struct buf *out)
{
    smtpd_mechanism_names(smtpd_mechanisms_now(engine), out);
}

static void write_limits(const struct smtpd_engine *engine, struct buf *out)
{
    const struct smtpd_limits *limits = &engine->options.limits;
    bool one = engine->options.recipients == SMTPD_RECIPIENTS_ONE;
    buf_printf(out, " MAILMAX=%u RCPTMAX=%u", limits->max_transactions, one ? 1 : limits->max_recipients);
    if (engine->options.recipients == SMTPD_RECIPIENTS_ONE_DOMAIN) {
        buf_append_text(out, " RCPTDOMAINMAX=1");
    }
}

/* The lines of the reply to EHLO. */
static const struct {
    enum smtp_extension extension;
    const char *keyword;
    void (*argue)(const struct smtpd_engine *engine, struct buf *out);
} extensions[] = {
    {SMTP_EXT_PIPELINING, "PIPELINING", NULL},
    {SMTP_EXT_SIZE, "SIZE", write_size},
    {SMTP_EXT_8BITMIME, "8BITMIME", NULL},
    {SMTP_EXT_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES", NULL},
    {SMTP_EXT_SMTPUTF8, "SMTPUTF8", NULL},
    {SMTP_EXT_CHUNKING, "CHUNKING", NULL},
    {SMTP_EXT_BINARYMIME, "BINARYMIME", NULL},
    {SMTP_EXT_DSN, "DSN", NULL},
    {SMTP_EXT_LIMITS, "LIMITS", write_limits},
    {SMTP_EXT_STARTTLS, "STARTTLS", NULL},
    {SMTP_EXT_REQUIRETLS, "REQUIRETLS", NULL},
    {SMTP_EXT_AUTH, "AUTH", write_auth},
    {SMTP_EXT_XCLIENT, "XCLIENT ADDR PORT HELO PROTO LOGIN NAME DESTADDR DESTPORT", NULL},
};

static void say_extensions(struct smtpd_engine *engine)
{
    struct buf text;
    buf_init(&text, EHLO_MAX);
    buf_append_text(&text, engine->options.hostname);
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        if ((extensions[i].extension & engine->offered) == 0) {
            continue;
        }
        buf_printf(&text, "\n%s", extensions[i].keyword);
        if (extensions[i].argue != NULL) {
            extensions[i].argue(engine, &text);
        }
    }
    smtpd_say(engine, &(struct smtpd_answer){.code = 250, .text = buf_text(&text)});
    buf_done(&text);
}

void smtpd_handle_ehlo(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)now;
    if (engine->options.lmtp) {
        smtpd_reply(engine, SMTPD_REPLY_NOT_OFFERED);
    } else if (say_hello(engine, argument, true)) {
        say_extensions(engine);
    }
}

void smtpd_handle_lhlo(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)now;
    if (!engine->options.lmtp) {
        smtpd_reply(engine, SMTPD_REPLY_NOT_OFFERED);
    } else if (say_hello(engine, argument, true)) {
        say_extensions(engine);
    }
}

void smtpd_handle_starttls(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)argument;
    smtpd_reply(engine, SMTPD_REPLY_START_TLS);
    smtpd_enter(engine, now, SMTPD_PHASE_HANDSHAKE);
    smtpd_ask(engine, SMTPD_WANT_TLS);
}

/* ---- XCLIENT: a trusted proxy says for whom it stands ---- */

struct xclient {
    char address[sizeof((struct smtpd_engine *)0)->client_address];
    char user[SMTPD_USER_MAX + 1];
    uint64_t port;
    bool has_address, has_user, has_port;
};

static int hex_value(uint8_t c)
{
    return octet_is_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* xtext (RFC 3461 section 4) into a string; false when it is none, holds a control character, or does not fit. */
static bool decode_xtext(struct bytes text, char *into, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        int c = text.ptr[i];
        if (c == '+') {
            int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
            c = high < 0 || low < 0 ? 0 : high * 16 + low;
            i += 2;
        }
        if (c < ' ' || c == 127 || len + 1 >= size) {
            return false;
        }
        into[len++] = (char)c;
    }
    into[len] = '\0';
    return true;
}

static bool is_unavailable(struct bytes value)
{
    return bytes_is_nocase(value, "[UNAVAILABLE]") || bytes_is_nocase(value, "[TEMPUNAVAIL]");
}

static bool set_address(struct xclient *client, struct bytes value)
{
    uint8_t address[16];
    struct bytes plain = bytes_starts_nocase(value, "IPV6:") ? bytes_from(value, 5) : value;
    client->has_address = true;
    return decode_xtext(plain, client->address, sizeof client->address) &&
           network_address_parse(address, bytes_of(client->address)) == 0;
}

static bool set_port(struct xclient *client, struct bytes value)
{
    client->has_port = true;
    return bytes_to_u64(value, &client->port) && client->port <= UINT16_MAX;
}

static bool set_login(struct xclient *client, struct bytes value)
{
    client->has_user = true;
    return decode_xtext(value, client->user, sizeof client->user) && bytes_is_utf8(bytes_of(client->user));
}

static bool set_nothing(struct xclient *client, struct bytes value)
{
    (void)client;
    return value.len > 0;
}

static const struct {
    const char *name;
    bool (*set)(struct xclient *client, struct bytes value);
} attributes[] = {
    {"ADDR", set_address},  {"PORT", set_port},    {"LOGIN", set_login},      {"HELO", set_nothing},
    {"PROTO", set_nothing}, {"NAME", set_nothing}, {"DESTADDR", set_nothing}, {"DESTPORT", set_nothing},
};

static bool set_attribute(struct xclient *client, struct bytes word)
{
    struct bytes value = word;
    struct bytes name = bytes_cut(&value, '=');
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        if (bytes_is_nocase(name, attributes[i].name)) {
            return is_unavailable(value) || attributes[i].set(client, value);
        }
    }
    return false;
}

/* The session begins again, for another client (Postfix's XCLIENT_README). */
void smtpd_handle_xclient(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    struct xclient client = {.port = 0};
    (void)now;
    for (struct bytes rest = argument; rest.len > 0; rest = bytes_trim(rest)) {
        if (!set_attribute(&client, bytes_cut(&rest, ' '))) {
            smtpd_reply(engine, SMTPD_REPLY_XCLIENT_SYNTAX);
            return;
        }
    }
    if (client.has_address) {
        memcpy(engine->client_address, client.address, sizeof engine->client_address);
    }
    engine->client_port = client.has_port ? (uint16_t)client.port : engine->client_port;
    if (client.has_user) {
        smtpd_keep(&engine->user, bytes_of(client.user));
    }
    engine->state = SMTPD_STATE_START;
    engine->options.xclient = false;
    smtpd_update_offer(engine);
    engine->request.address = engine->client_address;
    smtpd_ask(engine, SMTPD_WANT_CLIENT);
}

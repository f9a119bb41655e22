/*
 * imapc_login - the dialogue from the greeting to ready, in its order: greeting, capability, STARTTLS, (the login: imapc_auth.c), namespace
 * (RFC 9051 sections 6.1 to 6.3.10, RFC 2342). See imapc_private.h.
 */
#include <string.h>

#include "engine/imapc_private.h"

static bool can(const struct imapc_engine *engine, uint32_t capability)
{
    return (engine->capabilities.has & capability) != 0;
}

static bool take_capability_code(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (bytes_is_nocase(reply->code, "CAPABILITY")) {
        imap_capabilities_parse(&engine->capabilities, reply->code_args);
        return true;
    }
    return false;
}

/* The extensions that are of use, then the namespaces. */
static void extend(struct imapc_engine *engine)
{
    const struct imapc_engine_options *options = &engine->options;
    bool can_enable = can(engine, IMAP_CAP_ENABLE) && can(engine, IMAP_CAP_UTF8_ACCEPT);
    if (options->compress && can(engine, IMAP_CAP_COMPRESS_DEFLATE) && !engine->compress_tried) {
        imapc_enter(engine, IMAPC_PHASE_COMPRESS);
    } else if (options->utf8 && can_enable && !engine->enable_tried) {
        imapc_enter(engine, IMAPC_PHASE_ENABLE);
    } else {
        imapc_enter(engine, IMAPC_PHASE_NAMESPACE);
    }
}

void imapc_login_go_on(struct imapc_engine *engine)
{
    if (!can(engine, IMAP_CAP_IMAP4REV1 | IMAP_CAP_IMAP4REV2)) {
        imapc_fail(engine, FAULT_TEMP, "protocol", "the server speaks neither IMAP4rev1 nor IMAP4rev2");
    } else if (engine->authenticated) {
        extend(engine);
    } else if (engine->options.starttls && !engine->tls_active) {
        imapc_enter(engine, IMAPC_PHASE_STARTTLS);
    } else {
        imapc_enter(engine, IMAPC_PHASE_LOGIN);
    }
}

void imapc_greeting_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    bool preauth = reply->status == IMAP_STATUS_PREAUTH;
    if (preauth && engine->options.starttls) {
        imapc_fail(engine, FAULT_TEMP, "starttls",
                   "the server greets with PREAUTH, behind which TLS cannot be negotiated any more");
    } else if (preauth && !engine->tls_active && !engine->options.allow_clear) {
        imapc_fail(engine, FAULT_LOCAL, "clear-text", "the connection has no TLS and the upstream is not on loopback");
    } else if (preauth || reply->status == IMAP_STATUS_OK) {
        engine->authenticated = preauth;
        /* In clear, what a greeting offers is not believed when TLS is to come. */
        if (take_capability_code(engine, reply)) {
            imapc_login_go_on(engine);
        } else {
            imapc_enter(engine, IMAPC_PHASE_CAPABILITY);
        }
    } else {
        imapc_fail(engine, FAULT_TEMP, "protocol", "the server's greeting is not one of IMAP");
    }
}

void imapc_capability_enter(struct imapc_engine *engine)
{
    imap_command_end(imapc_begin(engine, "CAPABILITY"));
    imapc_send(engine);
}

void imapc_capability_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (reply->status != IMAP_STATUS_OK) {
        imapc_refused(engine, reply);
    } else {
        imapc_login_go_on(engine);
    }
}

void imapc_starttls_enter(struct imapc_engine *engine)
{
    if (!can(engine, IMAP_CAP_STARTTLS)) {
        imapc_fail(engine, FAULT_TEMP, "starttls",
                   "the server does not offer STARTTLS, which the upstream's tls mode demands");
        return;
    }
    imap_command_end(imapc_begin(engine, "STARTTLS"));
    imapc_send(engine);
}

void imapc_starttls_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (reply->status == IMAP_STATUS_OK) {
        engine->tls_due = true;
    } else {
        imapc_fail(engine, FAULT_TEMP, "starttls", "the server refuses STARTTLS: %.*s", (int)reply->text.len,
                   (const char *)reply->text.ptr);
    }
}

void imapc_logged_in(struct imapc_engine *engine, const struct imap_reply *reply)
{
    engine->authenticated = true;
    if (take_capability_code(engine, reply)) {
        imapc_login_go_on(engine);
    } else {
        imapc_enter(engine, IMAPC_PHASE_CAPABILITY);
    }
}

/* ---- compression ---- */

void imapc_compress_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "COMPRESS");
    engine->compress_tried = true;
    imap_command_word(command, "DEFLATE");
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_compress_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (reply->status == IMAP_STATUS_OK) {
        engine->compress_due = true;
    } else {
        imapc_login_go_on(engine); /* NO [COMPRESSIONACTIVE] among others */
    }
}

/* ---- UTF-8 (RFC 5161, RFC 6855, RFC 9755) ---- */

void imapc_enable_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "ENABLE");
    engine->enable_tried = true;
    imap_command_word(command, "UTF8=ACCEPT");
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_enable_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    engine->utf8 = engine->utf8 && reply->status == IMAP_STATUS_OK;
    imapc_login_go_on(engine);
}

/* ENABLED UTF8=ACCEPT ... */
static void take_enabled(struct imapc_engine *engine, struct bytes args)
{
    while (args.len > 0) {
        engine->utf8 = engine->utf8 || bytes_is_nocase(bytes_cut(&args, ' '), "UTF8=ACCEPT");
    }
}

/* ---- namespace ---- */

void imapc_namespace_enter(struct imapc_engine *engine)
{
    engine->namespaces.count = 0;
    struct imap_command *command;
    if (can(engine, IMAP_CAP_NAMESPACE)) {
        command = imapc_begin(engine, "NAMESPACE");
    } else {
        command = imapc_begin(engine, "LIST");
        imap_command_string(command, bytes_of(""));
        imap_command_string(command, bytes_of(""));
    }
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_namespace_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    (void)reply; /* without an answer, "/" is the delimiter */
    imapc_enter(engine, engine->options.names == NULL ? IMAPC_PHASE_READY : IMAPC_PHASE_NAMES);
}

static void add_namespace(struct imapc_engine *engine, const struct imap_token *prefix,
                          const struct imap_token *delimiter)
{
    struct imap_namespaces *spaces = &engine->namespaces;
    struct buf text;
    buf_init(&text, sizeof spaces->items[0].prefix - 1);
    if (spaces->count < IMAP_NAMESPACES_MAX && imap_token_copy(prefix, &text) == 0 &&
        !bytes_has_control(buf_bytes(&text))) {
        struct imap_namespace *space = &spaces->items[spaces->count++];
        *space = (struct imap_namespace){0};
        struct bytes octets = buf_bytes(&text);
        if (octets.len > 0) {
            memcpy(space->prefix, octets.ptr, octets.len);
        }
        bool one = delimiter->kind == IMAP_TOKEN_STRING && delimiter->text.len == (delimiter->escaped ? 2u : 1u);
        space->delimiter = one ? (char)delimiter->text.ptr[delimiter->text.len - 1] : 0;
    }
    buf_done(&text);
}

/* One of the three parts: NIL, or a list of (prefix delimiter [extension...]). */
static int take_spaces(struct imapc_engine *engine, struct bytes *rest)
{
    struct imap_token token, prefix, delimiter;
    if (imap_token_next(rest, &token) < 0 || token.kind != IMAP_TOKEN_OPEN) {
        return token.kind == IMAP_TOKEN_ATOM ? 0 : -1;
    }
    while (imap_token_next(rest, &token) == 0 && token.kind == IMAP_TOKEN_OPEN) {
        if (imap_token_next(rest, &prefix) < 0 || imap_token_next(rest, &delimiter) < 0) {
            return -1;
        }
        add_namespace(engine, &prefix, &delimiter);
        struct bytes before = *rest;
        while (imap_token_next(rest, &token) == 0 && token.kind != IMAP_TOKEN_CLOSE) {
            *rest = before;
            if (imap_token_skip(rest) < 0 || rest->len == before.len) {
                return -1;
            }
            before = *rest;
        }
    }
    return token.kind == IMAP_TOKEN_CLOSE ? 0 : -1;
}

static void take_namespace(struct imapc_engine *engine, struct bytes args)
{
    engine->namespaces.count = 0;
    for (int part = 0; part < 3; part++) {
        if (take_spaces(engine, &args) < 0) {
            return;
        }
        if (part == 0 && engine->namespaces.count == 0) {
            /* No personal one: the first place is kept for it. */
            engine->namespaces.items[0] = (struct imap_namespace){.delimiter = '/'};
            engine->namespaces.count = 1;
        }
    }
}

/* LIST "" "" answers (\Noselect) "/" "" */
static void take_root(struct imapc_engine *engine, struct bytes args)
{
    struct imap_token delimiter;
    if (imap_token_skip(&args) == 0 && imap_token_next(&args, &delimiter) == 0) {
        struct imap_token prefix = {.kind = IMAP_TOKEN_STRING};
        engine->namespaces.count = 0;
        add_namespace(engine, &prefix, &delimiter);
    }
}

void imapc_login_data(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (bytes_is_nocase(reply->name, "CAPABILITY")) {
        imap_capabilities_parse(&engine->capabilities, reply->args);
    } else if (engine->phase == IMAPC_PHASE_ENABLE && bytes_is_nocase(reply->name, "ENABLED")) {
        take_enabled(engine, bytes_trim(reply->args));
    } else if (engine->phase == IMAPC_PHASE_NAMESPACE && bytes_is_nocase(reply->name, "NAMESPACE")) {
        take_namespace(engine, reply->args);
    } else if (engine->phase == IMAPC_PHASE_NAMESPACE && bytes_is_nocase(reply->name, "LIST")) {
        take_root(engine, reply->args);
    }
}

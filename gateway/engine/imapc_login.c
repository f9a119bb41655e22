/*
 * imapc_login - the dialogue from the greeting to ready, in its order: greeting, capability, STARTTLS, (the login:
 * imapc_auth.c), ID, COMPRESS, ENABLE, namespace, delimiter (RFC 9051 sections 6.1 to 6.3.10, RFC 2971, RFC 2342). See
 * imapc_private.h.
 */
#include <string.h>

#include "engine/imapc_private.h"

static bool server_can(const struct imapc_engine *engine, uint32_t capability)
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

static void learn_delimiter(struct imapc_engine *engine);

/* The extensions that are of use, then the namespaces. */
static void extend(struct imapc_engine *engine)
{
    const struct imapc_engine_options *options = &engine->options;
    bool can_enable = server_can(engine, IMAP_CAP_ENABLE) && server_can(engine, IMAP_CAP_UTF8_ACCEPT);
    bool can_compress = options->compress && server_can(engine, IMAP_CAP_COMPRESS_DEFLATE);
    /* Also where it was offered before the login alone (163.com). */
    if (engine->id_offered && !engine->id_tried && imapc_may_ask(engine, IMAPC_QUESTION_ID)) {
        imapc_enter(engine, IMAPC_PHASE_ID);
    } else if (can_compress && !engine->compress_tried && imapc_may_ask(engine, IMAPC_QUESTION_COMPRESS)) {
        imapc_enter(engine, IMAPC_PHASE_COMPRESS);
    } else if (options->utf8 && can_enable && !engine->enable_tried && imapc_may_ask(engine, IMAPC_QUESTION_ENABLE)) {
        imapc_enter(engine, IMAPC_PHASE_ENABLE);
    } else {
        engine->namespaces.count = 0;
        if (server_can(engine, IMAP_CAP_NAMESPACE) && imapc_may_ask(engine, IMAPC_QUESTION_NAMESPACE)) {
            imapc_enter(engine, IMAPC_PHASE_NAMESPACE);
        } else {
            learn_delimiter(engine);
        }
    }
}

/* Whether CAPABILITY is asked before something is missed: the list of a greeting, or of an OK, may be shorter than
 * that. */
static bool is_cut_short(const struct imapc_engine *engine)
{
    bool is_imap = server_can(engine, IMAP_CAP_IMAP4REV1 | IMAP_CAP_IMAP4REV2);
    bool no_starttls = engine->options.starttls && !engine->tls_active && !server_can(engine, IMAP_CAP_STARTTLS);
    return !engine->capabilities_asked && (!is_imap || (!engine->authenticated && no_starttls));
}

void imapc_login_go_on(struct imapc_engine *engine)
{
    engine->id_offered = engine->id_offered || server_can(engine, IMAP_CAP_ID);
    if (is_cut_short(engine)) {
        imapc_enter(engine, IMAPC_PHASE_CAPABILITY);
    } else if (!server_can(engine, IMAP_CAP_IMAP4REV1 | IMAP_CAP_IMAP4REV2)) {
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
                   "the server greets with PREAUTH, after which TLS cannot be negotiated");
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
        imapc_fail(engine, FAULT_TEMP, "protocol", "the server's greeting is not an IMAP greeting");
    }
}

void imapc_capability_enter(struct imapc_engine *engine)
{
    engine->capabilities_asked = true;
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
    if (!server_can(engine, IMAP_CAP_STARTTLS)) {
        imapc_fail(engine, FAULT_TEMP, "starttls",
                   "the server does not offer STARTTLS, which the upstream's tls mode requires");
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
    engine->capabilities_asked = false;
    bool may_ask = imapc_may_ask(engine, IMAPC_QUESTION_CAPABILITY);
    if (take_capability_code(engine, reply) ||
        (!may_ask && server_can(engine, IMAP_CAP_IMAP4REV1 | IMAP_CAP_IMAP4REV2))) {
        imapc_login_go_on(engine);
    } else {
        imapc_enter(engine, IMAPC_PHASE_CAPABILITY);
    }
}

/* ---- who we are (RFC 2971): some servers let in nobody who does not say (163.com, QQ) ---- */

void imapc_id_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "ID");
    engine->id_tried = true;
    imap_command_word(command, "(\"name\" \"mailweir\"");
    if (engine->options.version != NULL) {
        imap_command_word(command, "\"version\"");
        imap_command_string(command, bytes_of(engine->options.version));
    }
    buf_append_octet(&command->text, ')');
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_id_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (!imapc_set_aside(engine, reply)) {
        imapc_login_go_on(engine);
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
    } else if (!imapc_set_aside(engine, reply)) {
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
    if (!imapc_set_aside(engine, reply)) {
        imapc_login_go_on(engine);
    }
}

/* ENABLED UTF8=ACCEPT ... */
static void take_enabled(struct imapc_engine *engine, struct bytes args)
{
    while (args.len > 0) {
        struct bytes word = bytes_cut(&args, ' ');
        engine->utf8 = engine->utf8 || bytes_is_nocase(word, "UTF8=ACCEPT");
    }
}

/* ---- namespace ---- */

void imapc_namespace_enter(struct imapc_engine *engine)
{
    imap_command_end(imapc_begin(engine, "NAMESPACE"));
    imapc_send(engine);
}

static void end_login(struct imapc_engine *engine)
{
    imapc_enter(engine, engine->options.names == NULL ? IMAPC_PHASE_READY : IMAPC_PHASE_NAMES);
}

/*
 * What LIST says of the root's delimiter goes before what NAMESPACE says of it: folders are shown by LIST, and some
 * servers leave the delimiter out of NAMESPACE or have a foreign one there (Yahoo Japan, 189.cn). A personal prefix
 * with a delimiter of its own stays.
 */
static void take_delimiter(struct imapc_engine *engine, char delimiter)
{
    struct imap_namespaces *spaces = &engine->namespaces;
    if (spaces->count == 0) {
        spaces->items[0] = (struct imap_namespace){0};
        spaces->count = 1;
    }
    if (delimiter != 0 && (spaces->items[0].prefix[0] == '\0' || spaces->items[0].delimiter == 0)) {
        spaces->items[0].delimiter = delimiter;
    }
}

/* LIST "" "" is asked once a day for the account; without the account's memory, where NAMESPACE has not told it. */
static void learn_delimiter(struct imapc_engine *engine)
{
    const struct imapc_habits *habits = engine->options.habits;
    const struct imap_namespaces *spaces = &engine->namespaces;
    bool is_said = spaces->count > 0 && spaces->items[0].delimiter != 0 && !engine->no_personal;
    bool is_known =
        habits != NULL && habits->delimiter_known && engine->now - habits->delimiter_at < IMAPC_HABITS_AGE_MS;
    if (is_known) {
        take_delimiter(engine, habits->delimiter);
        end_login(engine);
    } else if ((habits != NULL || !is_said) && imapc_may_ask(engine, IMAPC_QUESTION_DELIMITER)) {
        imapc_enter(engine, IMAPC_PHASE_ROOT);
    } else {
        end_login(engine);
    }
}

void imapc_namespace_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    if (!imapc_set_aside(engine, reply)) {
        learn_delimiter(engine);
    }
}

void imapc_root_enter(struct imapc_engine *engine)
{
    struct imap_command *command = imapc_begin(engine, "LIST");
    imap_command_string(command, bytes_of(""));
    imap_command_string(command, bytes_of(""));
    imap_command_end(command);
    imapc_send(engine);
}

void imapc_root_reply(struct imapc_engine *engine, const struct imap_reply *reply)
{
    /* Without an answer, what NAMESPACE says counts, or "/". */
    if (!imapc_set_aside(engine, reply)) {
        end_login(engine);
    }
}

static char delimiter_of(const struct imap_token *token)
{
    bool one = token->kind == IMAP_TOKEN_STRING && token->text.len == (token->escaped ? 2u : 1u);
    return one ? (char)token->text.ptr[token->text.len - 1] : '\0';
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
        space->delimiter = delimiter_of(delimiter);
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
            engine->no_personal = true;
            engine->namespaces.items[0] = (struct imap_namespace){.delimiter = '/'};
            engine->namespaces.count = 1;
        }
    }
}

/* LIST "" "" answers (\Noselect) "/" "" */
static void take_root(struct imapc_engine *engine, struct bytes args)
{
    struct imapc_habits *habits = engine->options.habits;
    struct imap_token delimiter;
    if (imap_token_skip(&args) == 0 && imap_token_next(&args, &delimiter) == 0) {
        take_delimiter(engine, delimiter_of(&delimiter));
        if (habits != NULL) {
            habits->delimiter_known = true;
            habits->delimiter_at = engine->now;
            habits->delimiter = delimiter_of(&delimiter);
        }
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
    } else if (engine->phase == IMAPC_PHASE_ROOT && bytes_is_nocase(reply->name, "LIST")) {
        take_root(engine, reply->args);
    }
}

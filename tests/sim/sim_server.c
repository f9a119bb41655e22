/*
 * sim_server - connections of the simulated IMAP server and the parser of commands; see sim_server.h.
 */
#include "sim_server_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim_faults.h"

#define INPUT_MAX    (16u << 20)
#define LINE_MAX_LEN 65536
#define LITERAL_MAX  (16u << 20)
/* A command whose connection is gone is executed this much later at most; the gateway calls nothing absent before 5 s ("settle"). */
#define LATE_MOST (2000 * SIM_MS)

void sim_session_say(struct sim_session *session, const char *format, ...)
{
    if (session->link == NULL) {
        return;
    }
    struct buf out;
    buf_init(&out, 1 << 16);
    va_list args;
    va_start(args, format);
    buf_vprintf(&out, format, args);
    va_end(args);
    sim_say("server %u says on %u: %.100s", session->server->index, session->number, buf_text(&out));
    buf_append_text(&out, "\r\n");
    sim_link_send(session->link, buf_bytes(&out));
    buf_done(&out);
}

/* ---- the parser ---- */

static void add_token(struct sim_session *session, struct bytes text, bool is_literal)
{
    if (session->count == SIM_SERVER_TOKENS) {
        sim_fail("server %u hears a command of more than %d tokens", session->server->index, SIM_SERVER_TOKENS);
    }
    struct sim_token *token = &session->tokens[session->count++];
    buf_init(&token->text, LITERAL_MAX);
    buf_append_bytes(&token->text, text);
    token->is_literal = is_literal;
}

static void forget_tokens(struct sim_session *session)
{
    for (size_t i = 0; i < session->count; i++) {
        buf_done(&session->tokens[i].text);
    }
    session->count = 0;
}

/* The length of the token at the head of rest: a quoted string, a group in brackets of any kind, or up to the next blank. */
static size_t token_length(struct bytes rest)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < rest.len; i++) {
        uint8_t c = rest.ptr[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '(' || c == '[')) {
            depth++;
        } else if (!quoted && (c == ')' || c == ']')) {
            depth--;
        } else if (!quoted && depth == 0 && c == ' ') {
            return i;
        }
    }
    return rest.len;
}

static void add_unquoted(struct sim_session *session, struct bytes text)
{
    struct buf out;
    buf_init(&out, LINE_MAX_LEN);
    for (size_t i = 1; i + 1 < text.len; i++) {
        i += text.ptr[i] == '\\';
        buf_append_octet(&out, text.ptr[i]);
    }
    add_token(session, buf_bytes(&out), false);
    buf_done(&out);
}

static void split(struct sim_session *session, struct bytes line)
{
    while (line.len > 0) {
        if (line.ptr[0] == ' ') {
            line = bytes_from(line, 1);
            continue;
        }
        size_t len = token_length(line);
        struct bytes token = bytes_slice(line, 0, len);
        if (token.ptr[0] == '"') {
            add_unquoted(session, token);
        } else {
            add_token(session, token, false);
        }
        line = bytes_from(line, len);
    }
}

/* A line that ends in "{n}" or "{n+}" announces a literal: cuts that off. 1: synchronising, 2: not, 0: none. */
static int cut_literal(struct bytes *line, uint64_t *len_r)
{
    if (line->len < 3 || line->ptr[line->len - 1] != '}') {
        return 0;
    }
    size_t open = line->len - 1;
    while (open > 0 && line->ptr[open] != '{') {
        open--;
    }
    struct bytes digits = bytes_slice(*line, open + 1, line->len - open - 2);
    bool plus = digits.len > 0 && (digits.ptr[digits.len - 1] == '+' || digits.ptr[digits.len - 1] == '-');
    if (plus) {
        digits.len--;
    }
    if (!bytes_to_u64(digits, len_r)) {
        return 0;
    }
    *line = bytes_slice(*line, 0, open);
    return plus ? 2 : 1;
}

static void take_line(struct sim_session *session, struct bytes line)
{
    struct sim_server *server = session->server;
    uint64_t len = 0;
    int literal = cut_literal(&line, &len);
    split(session, line);
    if (literal == 0) {
        sim_server_execute(session);
        return;
    }
    if (literal == 2 && !(server->has_literal_plus || (server->has_literal_minus && len <= 4096))) {
        sim_fail("server %u hears a non-synchronising literal of %llu octets that it does not offer", server->index,
                 (unsigned long long)len);
    }
    if (literal == 1) {
        if (!sim_server_allows_literal(session)) {
            forget_tokens(session);
            return;
        }
        sim_session_say(session, "+ go on");
    }
    session->literal = len;
    session->in_literal = true;
    add_token(session, (struct bytes){NULL, 0}, true);
}

static void plan(struct sim_session *session);

/* Whether somebody wants the message that it has heard to be executed late. */
static bool takes_its_time(struct sim_session *session)
{
    struct sim_server *server = session->server;
    bool is_asked = server->heard != NULL && session->link != NULL && session->count > 1 &&
                    bytes_is_nocase(buf_bytes(&session->tokens[1].text), "APPEND");
    if (!is_asked || !server->heard(sim_link_machine(session->link))) {
        return false;
    }
    session->busy_until = sim_now() + sim_random_between(&server->random, 1, LATE_MOST);
    plan(session);
    return true;
}

/* One step: a line or some of a literal. False when more must come first, or the session is gone. */
static bool take_one(struct sim_session *session)
{
    struct bytes in = buf_bytes(&session->in);
    if (session->in_literal) {
        size_t len = in.len < session->literal ? in.len : (size_t)session->literal;
        buf_append_bytes(&session->tokens[session->count - 1].text, bytes_slice(in, 0, len));
        buf_consume(&session->in, len);
        session->literal -= len;
        session->in_literal = session->literal > 0;
        return !session->in_literal && !takes_its_time(session);
    }
    ptrdiff_t end = bytes_find(in, bytes_of("\r\n"));
    if (end < 0) {
        if (in.len > LINE_MAX_LEN) {
            sim_fail("server %u hears a line without an end", session->server->index);
        }
        return false;
    }
    struct buf line;
    buf_init(&line, LINE_MAX_LEN);
    buf_append_bytes(&line, bytes_slice(in, 0, (size_t)end));
    buf_consume(&session->in, (size_t)end + 2);
    sim_say("server %u hears on %u: %.100s", session->server->index, session->number, buf_text(&line));
    take_line(session, buf_bytes(&line));
    buf_done(&line);
    return true;
}

static void on_work(void *ctx)
{
    struct sim_session *session = ctx;
    session->event = NULL;
    while (take_one(session)) {
        if (session->count == 0 && session->in.len > 0 && sim_random_chance(&session->server->random, 30)) {
            plan(session);
            return;
        }
    }
    if (session->link == NULL) {
        sim_cancel(&session->event);
        forget_tokens(session);
        buf_done(&session->in);
        free(session->view);
        list_remove(&session->all);
        free(session);
    }
}

static void plan(struct sim_session *session)
{
    if (session->event == NULL) {
        struct sim_random *random = &session->server->random;
        bool is_slow = sim_random_chance(random, 3);
        uint64_t slow = session->server->is_prompt ? LATE_MOST : 20 * (uint64_t)SIM_SECOND;
        uint64_t most = is_slow ? slow : 5 * SIM_MS;
        most = session->link == NULL ? LATE_MOST : most;
        uint64_t delay = sim_random_between(random, 50, session->server->is_steady ? 500 : most);
        uint64_t busy = session->busy_until > sim_now() ? session->busy_until - sim_now() : 0;
        session->event = sim_after(delay < busy ? busy : delay, on_work, session);
    }
}

/* ---- connections ---- */

/* Its memory goes with the next turn of on_work(), which may be the one that is running. */
void sim_session_end(struct sim_session *session, bool reset)
{
    if (reset) {
        sim_link_reset(&session->link);
    } else {
        sim_link_close(&session->link);
    }
    session->link = NULL;
    buf_clear(&session->in);
    session->in_literal = false;
    plan(session);
}

static void on_data(void *ctx, struct bytes data)
{
    struct sim_session *session = ctx;
    EXPECT(buf_append_bytes(&session->in, data) == 0);
    plan(session);
}

static void on_close(void *ctx, bool was_reset)
{
    (void)was_reset;
    struct sim_session *session = ctx;
    session->link = NULL; /* what came whole is still executed, late, and nobody hears the answer */
    sim_cancel(&session->event);
    plan(session);
}

/* A connection counts until the gateway has let go of it. */
static unsigned count_open(const struct sim_server *server)
{
    unsigned open = 0;
    LIST_EACH(at, &server->sessions)
    {
        const struct sim_session *session = LIST_ITEM(at, struct sim_session, all);
        open += session->link != NULL && sim_link_is_held(session->link);
    }
    return open;
}

static void check_cap(const struct sim_server *server)
{
    if (count_open(server) > server->connections) {
        sim_fail("server %u has %u connections, %u are allowed", server->index, count_open(server),
                 server->connections);
    }
}

static void on_greet(void *ctx)
{
    struct sim_session *session = ctx;
    session->event = NULL;
    if (session->link == NULL) {
        on_work(session);
    } else if (session->server->is_silent) {
        sim_say("server %u says nothing on %u", session->server->index, session->number);
    } else if (session->server->is_throttled || count_open(session->server) > session->server->most) {
        sim_session_say(session, "* BYE [UNAVAILABLE] Too many simultaneous connections.");
        sim_session_end(session, false);
    } else {
        sim_session_say(session, "* OK sim ready");
        plan(session);
    }
}

static void plan_greeting(struct sim_session *session)
{
    session->event = sim_after(sim_random_between(&session->server->random, 100, 30 * SIM_MS), on_greet, session);
}

static void *accept_at(struct sim_server *server, struct sim_link *link, struct sim_link_trouble *trouble_r,
                       bool is_standby)
{
    sim_faults_link(trouble_r);
    if (server->is_down || is_standby != (server->standby_lag_us > 0)) {
        return NULL;
    }
    struct sim_session *session = expect_calloc(1, sizeof *session);
    session->server = server;
    session->number = ++server->session_count;
    session->is_standby = is_standby;
    session->link = link;
    buf_init(&session->in, INPUT_MAX);
    list_append(&server->sessions, &session->all);
    check_cap(server);
    if (server->has_tls) {
        sim_link_start_tls(link); /* the greeting comes under TLS */
    } else {
        plan_greeting(session);
    }
    return session;
}

static void *on_accept(void *ctx, struct sim_link *link, struct sim_link_trouble *trouble_r)
{
    return accept_at(ctx, link, trouble_r, false);
}

static void *on_accept_standby(void *ctx, struct sim_link *link, struct sim_link_trouble *trouble_r)
{
    return accept_at(ctx, link, trouble_r, true);
}

static void on_tls(void *ctx)
{
    struct sim_session *session = ctx;
    session->under_tls = true;
    if (session->server->has_tls) {
        plan_greeting(session);
    }
}

static const struct sim_link_events events = {.on_data = on_data, .on_tls = on_tls, .on_close = on_close};

struct sim_server *sim_server_new(unsigned index, const char *host, unsigned connections)
{
    struct sim_server *server = expect_calloc(1, sizeof *server);
    server->index = index;
    server->connections = connections;
    server->has_tls = index == 1;
    server->has_starttls = sim_setup_starttls(index);
    sim_random_init(&server->random, sim_seed(), "server", index);
    list_init(&server->sessions);
    server->has_literal_plus = sim_random_chance(&server->random, 40);
    server->has_literal_minus = !server->has_literal_plus && sim_random_chance(&server->random, 40);
    server->has_uidplus = sim_random_chance(&server->random, 70);
    server->has_multiappend = sim_random_chance(&server->random, 40);
    server->has_create_hint = sim_random_chance(&server->random, 70);
    server->delimiter = sim_random_chance(&server->random, 50) ? '/' : '.';
    server->next_validity = 1000;
    server->has_own_dates = sim_random_chance(&server->random, 30);
    server->lags = sim_random_chance(&server->random, 30);
    server->hides_next = sim_random_chance(&server->random, 50);
    server->most = (unsigned)sim_random_between(&server->random, 1, 3 * connections);
    sim_link_serve(host, on_accept, &events, server);
    return server;
}

void sim_server_add_standby(struct sim_server *server, const char *host)
{
    sim_link_serve(host, on_accept_standby, &events, server);
}

void sim_server_set_standby(struct sim_server *server, uint64_t lag_us)
{
    server->standby_lag_us = lag_us;
    LIST_EACH(at, &server->sessions)
    {
        struct sim_session *session = LIST_ITEM(at, struct sim_session, all);
        if (session->link != NULL && session->is_standby != (lag_us > 0)) {
            sim_session_end(session, true);
        }
    }
}

void sim_server_set_down(struct sim_server *server, bool is_down)
{
    server->is_down = is_down;
    LIST_EACH(at, &server->sessions)
    {
        struct sim_session *session = LIST_ITEM(at, struct sim_session, all);
        if (is_down && session->link != NULL) {
            sim_session_end(session, true);
        }
    }
}

void sim_server_set_pace(struct sim_server *server, uint64_t message_us)
{
    server->is_steady = true;
    server->pace_us = message_us;
    server->most = server->connections;
}

void sim_server_set_prompt(struct sim_server *server)
{
    server->is_prompt = true;
}

void sim_server_set_heard(struct sim_server *server, sim_server_heard_fn *fn)
{
    server->heard = fn;
}

void sim_server_set_batches(struct sim_server *server, uint64_t message_us)
{
    server->has_multiappend = server->has_uidplus = server->refuses_batch = true;
    server->pace_us = message_us;
    server->most = server->connections;
}

void sim_server_watch(struct sim_server *server, sim_server_step_fn *fn, void *ctx)
{
    server->step = fn;
    server->step_ctx = ctx;
}

void sim_server_set_budget(struct sim_server *server, struct sim_budget *budget)
{
    server->budget = budget;
    server->has_multiappend = false; /* neither of the providers has it */
}

void sim_server_set_silent(struct sim_server *server, bool is_silent)
{
    server->is_silent = is_silent;
}

uint64_t sim_server_memory(const struct sim_server *server)
{
    uint64_t octets = server->octets;
    LIST_EACH(at, &server->sessions)
    {
        const struct sim_session *session = LIST_ITEM(at, struct sim_session, all);
        octets += session->in.size;
        for (size_t i = 0; i < session->count; i++) {
            octets += session->tokens[i].text.size;
        }
    }
    return octets;
}

void sim_server_set_throttled(struct sim_server *server, bool is_throttled)
{
    server->is_throttled = is_throttled;
}

void sim_server_set_look(struct sim_server *server, enum sim_server_look look)
{
    server->look = look;
}

void sim_server_renumber(struct sim_server *server)
{
    for (size_t i = 0; i < server->folder_count; i++) {
        struct sim_folder *folder = &server->folders[i];
        folder->uidvalidity = ++server->next_validity;
        folder->uidnext = 1;
        LIST_EACH(at, &folder->messages)
        {
            struct sim_stored *stored = LIST_ITEM(at, struct sim_stored, link);
            stored->uid = folder->uidnext++;
            if (stored->filing != NULL && stored->filing->uids < SIM_MAIL_UIDS) {
                stored->filing->validity[stored->filing->uids] = folder->uidvalidity;
                stored->filing->uid[stored->filing->uids++] = stored->uid;
            }
        }
    }
}

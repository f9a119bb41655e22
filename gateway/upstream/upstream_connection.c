/*
 * upstream_connection - one stream to the upstream and the engine that speaks on it. Owns both; see upstream_private.h.
 *
 * Everything that happens ends in upstream_connection_pump(), which always comes from the loop.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "base/network.h"
#include "upstream/upstream_private.h"
#include "net/net_turn.h"

#define INPUT_MAX  ((size_t)64 << 10)
#define OUTPUT_MAX ((size_t)256 << 10)
#define OUTPUT_LOW ((size_t)64 << 10)
#define LINGER_MS  2000
/* Deflated octets that wait for the stream: above, no more of a message is asked for; below, the engine's output is
 * deflated. */
#define PACKED_MAX ((size_t)256 << 10)
#define PACKED_LOW ((size_t)64 << 10)
/* Octets that one call inflates: a server decides what comes out of an octet, and shall not hold the loop. */
#define INFLATE_STEP_MAX ((size_t)1 << 20)
/* An idle connection whose peer is gone is found before mail meets it. */
#define KEEP_ALIVE_MS UINT64_C(60000)
/* So long the same words of an ALERT are not told again. */
#define ALERT_AGE_MS UINT64_C(3600000)

static void on_stream(void *ctx, enum net_stream_event event);
static void on_timer(void *ctx);

struct upstream_connection *upstream_connection_new(struct upstream_pool *pool)
{
    static const struct net_stream_limits limits = {
        .input_max = INPUT_MAX, .output_max = OUTPUT_MAX, .output_low = OUTPUT_LOW};
    const struct upstream_account *account = &pool->account;
    size_t at = upstream_place_choose(pool);
    const struct net_address *address = &account->places[at].address;
    struct upstream_connection *connection = expect_calloc(1, sizeof *connection);
    struct imapc_engine_options options = {
        .tls = account->tls_mode == UPSTREAM_TLS_IMPLICIT,
        .starttls = account->tls_mode == UPSTREAM_TLS_STARTTLS,
        .allow_clear = account->insecure || net_address_is_loopback(address),
        .username = account->username,
        .password = account->token != NULL ? upstream_token_text(pool->token) : account->password,
        .is_token = account->token != NULL,
        .mechanism = account->mechanism,
        .binding = account->binding,
        .greeting_timeout_ms = account->connect_timeout_ms,
        .command_timeout_ms = account->command_timeout_ms,
        .literal_max = account->settings[UPSTREAM_LITERAL_MAX],
        .message_max = account->settings[UPSTREAM_MESSAGE_MAX],
        .keywords = account->settings[UPSTREAM_KEYWORDS] != 0,
        .subscribe = account->settings[UPSTREAM_SUBSCRIBE] != 0,
        .merges = account->settings[UPSTREAM_MERGES] != 0,
        .store_flags = account->settings[UPSTREAM_STORE_FLAGS] != 0,
        .plain_refusals_certain = account->settings[UPSTREAM_PLAIN_REFUSALS] != 0,
        .utf8 = account->settings[UPSTREAM_UTF8] != 0,
        .version = MAILWEIR_VERSION,
        .habits = &pool->habits,
        .folders = pool->known,
        .names = pool->names,
        .special_names = account->special_names,
    };
    net_random(options.random, sizeof options.random);
    connection->pool = pool;
    connection->go_on = upstream_connection_pump;
    connection->place = at;
    connection->number = ++pool->connection_number;
    buf_init(&connection->packed, 4 * PACKED_MAX);
    connection->engine = imapc_engine_new(&options, net_now(pool->loop));
    connection->timer = net_timer_new(pool->loop, on_timer, connection);
    connection->stream =
        net_stream_connect(pool->loop, address, account->connect_timeout_ms, &limits, on_stream, connection);
    net_timer_start(connection->timer, account->connect_timeout_ms);
    return connection;
}

static void connection_free(struct upstream_connection *connection)
{
    upstream_sasl_free(&connection->sasl);
    upstream_deflate_free(&connection->deflate);
    buf_done(&connection->packed);
    tracer_done(&connection->tracer);
    net_timer_free(&connection->timer);
    imapc_engine_free(&connection->engine);
    if (connection->stream != NULL) {
        net_stream_free(&connection->stream);
    }
    free(connection);
}

/* ---- what the engine wants ---- */

static void lose(struct upstream_connection *connection, const char *code, const char *text)
{
    struct fault fault = FAULT_INIT;
    fault_set(&fault, FAULT_TEMP, code, "connection", "%s", text);
    imapc_engine_lost(connection->engine, &fault);
}

/* For a trace: who: 'C', which is us, or 'S'. */
static void trace_octets(struct upstream_connection *connection, char who, struct bytes octets)
{
    const struct upstream_pool *pool = connection->pool;
    if (octets.len > 0 && tracer_is_on(&connection->tracer, pool->log)) {
        const struct tracer_event event = {.log = pool->log,
                                           .kind = TRACE_IMAP,
                                           .name = pool->account.name,
                                           .number = connection->number,
                                           .begun = !connection->spoken,
                                           .now = net_now(pool->loop)};
        tracer_hear(&connection->tracer, &event, who, octets);
    }
    connection->spoken = connection->spoken || octets.len > 0;
}

/* Deflates what the engine has to say. */
static void pack(struct upstream_connection *connection)
{
    struct buf *output = imapc_engine_output(connection->engine);
    trace_octets(connection, 'C', buf_bytes(output));
    EXPECT(upstream_deflate_put(connection->deflate, buf_bytes(output), &connection->packed) ==
           0); /* ask_body() keeps it below its maximum */
    buf_clear(output);
}

/* How long what is sent now may stay without an acknowledgement; before the octets that it is about are written. */
static void bound_unacked(struct upstream_connection *connection)
{
    const struct upstream_task *task = connection->task;
    uint64_t unacked_ms = connection->pool->account.command_timeout_ms;
    bool is_last = task != NULL && !task->is_search && imapc_engine_has_reached(connection->engine);
    if (is_last && task->appends[0]->shared && unacked_ms > UPSTREAM_UNACKED_MS) {
        unacked_ms = UPSTREAM_UNACKED_MS;
    }
    if (unacked_ms != connection->unacked_ms) {
        connection->unacked_ms = unacked_ms;
        net_stream_watch_peer(connection->stream, KEEP_ALIVE_MS, unacked_ms);
    }
}

static void send_output(struct upstream_connection *connection)
{
    struct buf *output = imapc_engine_output(connection->engine);
    if (connection->deflate != NULL) {
        if (connection->packed.len < PACKED_LOW) {
            pack(connection);
        }
        output = &connection->packed;
    }
    size_t unsent = net_stream_unsent(connection->stream);
    size_t room = unsent < OUTPUT_MAX ? OUTPUT_MAX - unsent : 0;
    struct bytes part = bytes_slice(buf_bytes(output), 0, room);
    if (part.len > 0) {
        bound_unacked(connection);
    }
    if (part.len > 0 && net_stream_write(connection->stream, part.ptr, part.len) == 0) {
        if (connection->deflate == NULL) {
            trace_octets(connection, 'C', part);
        }
        buf_consume(output, part.len);
    }
}

static void on_body(void *ctx, struct bytes data, const struct fault *fault)
{
    struct upstream_connection *connection = ctx;
    imapc_engine_body(connection->engine, net_now(connection->pool->loop), data, fault);
    if (!connection->asking) {
        upstream_connection_pump(connection);
    }
}

/*
 * Asks for the octets of the message that are due, unless too many deflated ones wait for the stream: then when they
 * are out. true: asked, and perhaps answered at once.
 */
static bool ask_body(struct upstream_connection *connection)
{
    bool asks = connection->body_due && connection->packed.len < PACKED_MAX;
    if (asks) {
        const struct upstream_body *body = &connection->task->appends[connection->body_message]->body;
        connection->body_due = false;
        connection->asking = true;
        body->read(body->ctx, connection->body_offset, connection->body_len, on_body, connection);
        connection->asking = false;
    }
    return asks;
}

static void want_body(struct upstream_connection *connection, const struct imapc_request *request)
{
    if (connection->deflate != NULL && request->offset == 0) {
        /* Senders do not know each other: the length of one's message must not tell what is in another's. */
        pack(connection);
        upstream_deflate_begin(connection->deflate);
    }
    connection->body_due = true;
    connection->body_message = request->message;
    connection->body_offset = request->offset;
    connection->body_len = request->len;
    ask_body(connection);
}

/* Which folders serve rules that name one by its use. */
static void log_uses(const struct upstream_pool *pool)
{
    const char *names[IMAP_SPECIAL_USES];
    for (int i = 0; i < IMAP_SPECIAL_USES; i++) {
        names[i] = imapc_folders_of_use(pool->known, (enum imap_special_use)i);
    }
    log_event(pool->log, LOG_LEVEL_INFO, "special_folders", LOG_STR("upstream", pool->account.name),
              LOG_STR("all", names[IMAP_SPECIAL_ALL]), LOG_STR("archive", names[IMAP_SPECIAL_ARCHIVE]),
              LOG_STR("drafts", names[IMAP_SPECIAL_DRAFTS]), LOG_STR("flagged", names[IMAP_SPECIAL_FLAGGED]),
              LOG_STR("junk", names[IMAP_SPECIAL_JUNK]), LOG_STR("sent", names[IMAP_SPECIAL_SENT]),
              LOG_STR("trash", names[IMAP_SPECIAL_TRASH]));
}

/* RFC 9051 section 7.1: an ALERT is to be presented to people. The same words once an hour. */
static void log_alert(struct upstream_pool *pool, struct bytes text)
{
    uint64_t now = net_now(pool->loop);
    bool told = bytes_equal(text, buf_bytes(&pool->alert)) && now - pool->alerted_at < ALERT_AGE_MS;
    if (!told) {
        buf_clear(&pool->alert);
        buf_append_bytes(&pool->alert, text);
        pool->alerted_at = now;
        log_event(pool->log, LOG_LEVEL_WARNING, "upstream_alert", LOG_STR("upstream", pool->account.name),
                  LOG_STR("message", buf_text(&pool->alert)));
    }
}

static void log_unstored(const struct upstream_pool *pool, const struct upstream_task *task)
{
    size_t count = 0, first = 0;
    for (size_t i = task->count; i-- > 0;) {
        const struct upstream_append *append = task->appends[i];
        if (append->flag_count > 0 && (!task->is_search || task->wanted[i].uid != 0)) {
            first = i;
            count++;
        }
    }
    log_event(pool->log, LOG_LEVEL_WARNING, "flags_not_stored", LOG_STR("upstream", pool->account.name),
              LOG_STR("folder", task->folder->name), LOG_STR("delivery", task->appends[first]->id),
              LOG_INT("messages", count),
              LOG_STR("message",
                      task->is_search
                          ? "the message was found, but its flags, which the server's APPEND loses, could not be stored"
                          : "the message was filed, but its flags could not be stored after the APPEND"));
}

/* What the operator should know of a task beside its fault. */
static void log_news(const struct upstream_connection *connection, const struct imapc_result *result)
{
    const struct upstream_pool *pool = connection->pool;
    const struct upstream_task *task = connection->task;
    if (result->uses_learned) {
        log_uses(pool);
    }
    if (result->left_out[0] != '\0') {
        log_event(
            pool->log, LOG_LEVEL_WARNING, "flags_left_out", LOG_STR("upstream", pool->account.name),
            LOG_STR("folder", task->folder->name), LOG_STR("flags", result->left_out),
            LOG_STR("message", "the folder does not keep these flags (PERMANENTFLAGS); mail is filed without them"));
    }
    if (result->unstored) {
        log_unstored(pool, task);
    }
}

static void finish_task(struct upstream_connection *connection, const struct imapc_result *result)
{
    if (connection->probes) {
        upstream_probe_result(connection, result);
        return;
    }
    if (result->paused) {
        connection->paused = connection->task;
        connection->task = NULL;
        return;
    }
    struct imapc_result judged = *result;
    log_news(connection, result);
    upstream_health_result(connection, &judged);
    connection->body_due = false;
    bool stale = connection->tasks > 0 && imapc_engine_was_lost(connection->engine) && !connection->pool->draining;
    connection->idle_since = net_now(connection->pool->loop);
    connection->tasks++;
    if (connection->stream != NULL && !result->ended) {
        net_stream_discard_at_close(connection->stream, false);
    }
    upstream_task_finish(connection->pool, &connection->task, &judged, stale,
                         upstream_place_print(connection->pool, connection->place));
}

/* Whether other nodes want one of those that are there. */
static bool is_surplus(const struct upstream_pool *pool)
{
    size_t staying = 0;
    for (const struct list *link = pool->connections.next; link != &pool->connections; link = link->next) {
        staying += !LIST_ITEM(link, const struct upstream_connection, link)->leaving;
    }
    return staying > pool->allowed;
}

/* The next piece of work, if it can do any; with messages of its own set aside, only what it can append meanwhile. */
static void take_work(struct upstream_connection *connection)
{
    struct upstream_pool *pool = connection->pool;
    if (pool->draining || connection->sick || upstream_health_is_down(pool)) {
        return;
    }
    bool can_batch = imapc_engine_takes_batches(connection->engine);
    connection->task =
        connection->paused != NULL ? upstream_task_take_append(pool, can_batch) : upstream_task_take(pool, can_batch);
}

/* An idle connection takes the next piece of work, or says goodbye. */
static bool start_next(struct upstream_connection *connection)
{
    struct upstream_pool *pool = connection->pool;
    uint64_t now = net_now(pool->loop);
    if (!imapc_engine_is_ready(connection->engine)) {
        return false;
    }
    if (!connection->ready) {
        connection->ready = true;
        connection->idle_since = now;
        upstream_members_joined(pool, connection);
    }
    bool left = upstream_place_is_left(pool, connection) || is_surplus(pool);
    if (!pool->draining && upstream_probe_start(connection)) {
        return true;
    }
    if (!left) {
        take_work(connection);
    }
    if (connection->task == NULL && connection->paused != NULL) {
        connection->task = connection->paused;
        connection->paused = NULL;
        imapc_engine_resume(connection->engine, now);
        return true;
    }
    if (connection->task != NULL) {
        /* Octets of a message that lie in the kernel when we give the connection up must not be sent afterwards: the
         * server would file what we are about to look for, and to send again. */
        net_stream_discard_at_close(connection->stream, !connection->task->is_search);
        upstream_task_start(connection->task, connection->engine, now);
        return true;
    }
    if (pool->draining || left || connection->sick || now - connection->idle_since >= pool->account.idle_timeout_ms) {
        /* One that nobody needs is lacking to the account's own mail programs: they are counted together. */
        connection->leaving = true;
        imapc_engine_logout(connection->engine, now);
        return true;
    }
    return false;
}

static void set_timer(struct upstream_connection *connection)
{
    struct upstream_pool *pool = connection->pool;
    uint64_t now = net_now(pool->loop);
    uint64_t deadline = imapc_engine_deadline(connection->engine);
    if (imapc_engine_is_ready(connection->engine)) {
        deadline = connection->idle_since + pool->account.idle_timeout_ms;
    }
    if (connection->parts_until != 0) {
        deadline = connection->parts_until;
    }
    bool more = connection->inflated >= INFLATE_STEP_MAX; /* others have their turn first */
    net_timer_start(connection->timer, deadline > now && !more ? deadline - now : 0);
}

static void end_connection(struct upstream_connection *connection, const struct imapc_request *request)
{
    struct imapc_request why = *request;
    struct fault fault = *request->fault;
    why.fault = &fault;
    if (connection->paused != NULL) {
        struct imapc_result lost = {
            .fault = fault, .ended = true, .ours = fault.class == FAULT_LOCAL, .sight = DOUBT_SIGHT_FAILED};
        fault_set(&lost.fault, FAULT_TEMP, "connection-lost", "look", "the connection closed during a look");
        upstream_task_finish(connection->pool, &connection->paused, &lost, false,
                             upstream_place_print(connection->pool, connection->place));
    }
    if (!fault_is_set(&fault) && connection->stream != NULL) {
        net_stream_finish(&connection->stream, LINGER_MS);
    }
    upstream_members_left(connection->pool, connection, &why, imapc_engine_was_ready(connection->engine));
    connection_free(connection);
}

/*
 * Whether it still waits for the server to close, behind a goodbye: where nodes share the connections, another may open
 * one as soon as this one is over, and the server would count both.
 */
static bool waits_for_close(struct upstream_connection *connection, const struct imapc_request *request)
{
    uint64_t now = net_now(connection->pool->loop);
    if (connection->pool->lacks == NULL || connection->parted || fault_is_set(request->fault) ||
        connection->stream == NULL) {
        return false;
    }
    connection->parts_until = connection->parts_until == 0 ? now + LINGER_MS : connection->parts_until;
    return now < connection->parts_until;
}

static struct net_tls *tls_of(const struct upstream_connection *connection)
{
    return connection->pool->account.places[connection->place].tls;
}

/* Plaintext in front of the handshake, read or not yet, is an injection: the connection is given up. */
static bool start_tls(struct upstream_connection *connection)
{
    struct fault fault = FAULT_INIT;
    connection->open = false;
    if (net_stream_start_tls(connection->stream, tls_of(connection)) == 0) {
        return false;
    }
    fault_set(&fault, FAULT_TEMP, "starttls", "starttls",
              "the server sent unencrypted data after its answer to STARTTLS");
    imapc_engine_lost(connection->engine, &fault);
    return true;
}

static void start_compress(struct upstream_connection *connection)
{
    connection->deflate = upstream_deflate_new();
    if (connection->deflate == NULL) {
        lose(connection, "memory", "not enough memory for compression");
        return;
    }
    imapc_engine_compressed(connection->engine, net_now(connection->pool->loop));
}

/* What the engine may read: octets of the stream, or what they inflate to, of which there is a limit for each time. */
static struct bytes readable(struct upstream_connection *connection)
{
    static const struct bytes nothing = {NULL, 0};
    struct bytes input = connection->open ? net_stream_input(connection->stream) : nothing;
    if (connection->deflate == NULL) {
        return input;
    }
    if (connection->inflated < INFLATE_STEP_MAX) {
        size_t before = upstream_deflate_input(connection->deflate).len;
        ptrdiff_t used = upstream_deflate_take(connection->deflate, input);
        connection->inflated += upstream_deflate_input(connection->deflate).len - before;
        net_stream_consume(connection->stream, used < 0 ? input.len : (size_t)used);
        if (used < 0) {
            lose(connection, "compress", "the server sent something that is not a deflate stream (RFC 4978)");
        }
    }
    return upstream_deflate_input(connection->deflate);
}

/* After one step: more to do, nothing until something happens, or the connection has been freed. */
enum next { NEXT_STEP, NEXT_WAIT, NEXT_GONE };

static enum next advance_engine(struct upstream_connection *connection)
{
    struct imapc_request request;
    size_t used;
    struct bytes input = readable(connection);
    bool deflated = connection->deflate != NULL;
    enum imapc_want want =
        imapc_engine_step(connection->engine, net_now(connection->pool->loop), input, &used, &request);
    trace_octets(connection, 'S', bytes_slice(input, 0, used));
    if (deflated) {
        upstream_deflate_consume(connection->deflate, used);
    } else {
        net_stream_consume(connection->stream, used);
    }
    send_output(connection);
    switch (want) {
    case IMAPC_WANT_INPUT:
        return start_next(connection) || (deflated && used > 0 && connection->inflated < INFLATE_STEP_MAX) ? NEXT_STEP
                                                                                                           : NEXT_WAIT;
    case IMAPC_WANT_TLS:
        return start_tls(connection) ? NEXT_STEP : NEXT_WAIT;
    case IMAPC_WANT_SASL:
        upstream_sasl_answer(connection, request.mechanism, request.challenge);
        return NEXT_STEP;
    case IMAPC_WANT_COMPRESS:
        start_compress(connection);
        return NEXT_STEP;
    case IMAPC_WANT_BODY:
        want_body(connection, &request);
        return NEXT_STEP;
    case IMAPC_WANT_TELL:
        log_alert(connection->pool, request.alert);
        return NEXT_STEP;
    case IMAPC_WANT_RESULT:
        finish_task(connection, request.result);
        return NEXT_STEP;
    case IMAPC_WANT_CLOSE:
        if (waits_for_close(connection, &request)) {
            return NEXT_WAIT;
        }
        end_connection(connection, &request);
        return NEXT_GONE;
    }
    return NEXT_WAIT;
}

bool upstream_connection_pump(struct upstream_connection *connection)
{
    enum next next;
    connection->inflated = 0;
    do {
        do {
            bool looks = connection->task != NULL && connection->task->is_search;
            imapc_engine_share(connection->engine, looks && upstream_task_waits(connection->pool));
            next = advance_engine(connection);
        } while (next == NEXT_STEP);
        if (next == NEXT_GONE) {
            return false;
        }
        send_output(connection);
    } while (ask_body(connection));
    set_timer(connection);
    return true;
}

void upstream_connection_cut(struct upstream_connection *connection, const struct fault *fault)
{
    connection->parted = true;
    imapc_engine_lost(connection->engine, fault);
    upstream_connection_pump(connection);
}

/* ---- what happens ---- */

/* On a fast network it costs more time than it saves. */
static bool is_compression_useful(const struct upstream_connection *connection)
{
    const char *peer = net_stream_peer(connection->stream);
    uint8_t address[16];
    bool is_near = network_address_parse(address, bytes_of(peer)) < 0 || network_is_private(address);
    enum upstream_compress compress = connection->pool->account.compress;
    return compress == UPSTREAM_COMPRESS_YES || (compress == UPSTREAM_COMPRESS_AUTO && !is_near);
}

static void note_channel(struct upstream_connection *connection)
{
    uint8_t data[NET_STREAM_CHANNEL_MAX];
    size_t len;
    if (upstream_sasl_channel(connection, data, &len) != NULL) {
        imapc_engine_can_bind(connection->engine);
    }
}

static void on_stream(void *ctx, enum net_stream_event event)
{
    struct upstream_connection *connection = ctx;
    const struct upstream_pool *pool = connection->pool;
    net_turn_doing(pool->loop, "an IMAP connection");
    switch (event) {
    case NET_STREAM_CONNECTED:
        connection->open =
            pool->account.tls_mode != UPSTREAM_TLS_IMPLICIT; /* what comes before TLS is not the server's */
        bound_unacked(connection);
        if (is_compression_useful(connection)) {
            imapc_engine_allow_compress(connection->engine);
        }
        if (!connection->open) {
            net_stream_start_tls(connection->stream, tls_of(connection));
        }
        break;
    case NET_STREAM_TLS_READY:
        note_channel(connection);
        connection->open = true;
        if (pool->account.tls_mode == UPSTREAM_TLS_STARTTLS) {
            imapc_engine_tls_ready(connection->engine, net_now(pool->loop));
        }
        upstream_connection_pump(connection);
        break;
    case NET_STREAM_INPUT:
    case NET_STREAM_DRAINED:
        imapc_engine_moved(connection->engine, net_now(pool->loop));
        upstream_connection_pump(connection);
        break;
    case NET_STREAM_EOF:
        connection->parted = true;
        if (upstream_connection_pump(connection)) {
            upstream_connection_cut(connection, NULL);
        }
        break;
    case NET_STREAM_FAILED:
        upstream_connection_cut(connection, net_stream_fault(connection->stream));
        break;
    }
}

static void on_timer(void *ctx)
{
    struct upstream_connection *connection = ctx;
    uint64_t moved = net_stream_moved(connection->stream);
    if (moved != connection->moved && connection->open) {
        connection->moved = moved;
        imapc_engine_moved(connection->engine, net_now(connection->pool->loop));
    }
    upstream_connection_pump(connection);
}

/*
 * probe_door - see probe_door.h. The dialogue is a row for each phase: what must be answered, and what is said then.
 */
#include "daemon/probe_door.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"

#define REPLY_MAX  4096 /* octets of a reply that are kept */
#define LINGER_MS  1000
#define INPUT_MAX  ((size_t)16 << 10)
#define OUTPUT_MAX ((size_t)64 << 10)

enum phase { CONNECT, HANDSHAKE, GREETING, HELLO, STARTTLS, LOGIN, SENDER, RECIPIENT, DATA, MESSAGE, PHASES };

struct probe_door {
    struct probe_door_options options;
    struct net_stream *stream;
    enum phase phase;
    struct fault fault; /* set: it did not work */
    bool over, encrypted, offers_starttls, offers_plain;
    bool whole;       /* the reply that stands there */
    struct buf reply; /* the text of the reply that comes, its lines joined by a blank */
    int code;
    probe_door_fn *fn;
    void *ctx;
};

static const struct {
    const char *step;
    const char *said; /* what the reply is to */
    int wanted;       /* its code */
} phases[PHASES] = {
    [CONNECT] = {"connect", "", 0},
    [HANDSHAKE] = {"tls", "", 0},
    [GREETING] = {"greeting", "the connection", 220},
    [HELLO] = {"greeting", "EHLO", 250},
    [STARTTLS] = {"tls", "STARTTLS", 220},
    [LOGIN] = {"login", "AUTH PLAIN", 235},
    [SENDER] = {"sender", "MAIL FROM", 250},
    [RECIPIENT] = {"recipient", "RCPT TO", 250},
    [DATA] = {"message", "DATA", 354},
    [MESSAGE] = {"message", "the message", 250},
};

const char *probe_door_step(const struct probe_door *door)
{
    return phases[door->phase].step;
}

/* It is told at the end of the event: whoever hears it may free the door. */
static void end_talk(struct probe_door *door)
{
    door->over = true;
    net_stream_finish(&door->stream, LINGER_MS);
}

static void fail_talk(struct probe_door *door, const char *code, const char *text)
{
    fault_set(&door->fault, FAULT_TEMP, code, phases[door->phase].step, "%s", text);
    end_talk(door);
}

/* ---- saying ---- */

static void append_login(struct buf *line, const struct probe_door_options *options)
{
    struct buf plain;
    buf_init(&plain, 2048);
    buf_append(&plain, "", 1);
    buf_append_text(&plain, options->username);
    buf_append(&plain, "", 1);
    buf_append_text(&plain, options->password);
    buf_append_text(line, "AUTH PLAIN ");
    units_base64_encode(line, buf_bytes(&plain));
    buf_wipe(&plain);
}

/* What is said on entering the phase, whose reply is waited for then. */
static void enter(struct probe_door *door, enum phase phase)
{
    const struct probe_door_options *options = &door->options;
    struct buf line;
    buf_init(&line, OUTPUT_MAX);
    door->phase = phase;
    if (phase == HELLO) {
        buf_printf(&line, "%s %s", options->lmtp ? "LHLO" : "EHLO", options->hostname);
    } else if (phase == STARTTLS) {
        buf_append_text(&line, "STARTTLS");
    } else if (phase == LOGIN) {
        append_login(&line, options);
    } else if (phase == SENDER) {
        buf_printf(&line, "MAIL FROM:<%s>", options->from);
    } else if (phase == RECIPIENT) {
        buf_printf(&line, "RCPT TO:<%s>", options->to);
    } else if (phase == DATA) {
        buf_append_text(&line, "DATA");
    } else if (phase == MESSAGE) {
        buf_append_bytes(&line, options->message);
        buf_append_text(&line, ".");
    }
    buf_append_text(&line, "\r\n");
    struct bytes octets = buf_bytes(&line);
    bool sent = net_stream_write(door->stream, octets.ptr, octets.len) == 0;
    buf_wipe(&line);
    if (!sent) {
        fail_talk(door, "write", "the command to send is too long");
    }
}

/* ---- hearing ---- */

static void after_hello(struct probe_door *door)
{
    const struct probe_door_options *options = &door->options;
    if (options->tls != NULL && options->starttls && !door->encrypted) {
        if (door->offers_starttls) {
            enter(door, STARTTLS);
        } else {
            fail_talk(door, "no-starttls", "the listener should offer STARTTLS and does not");
        }
    } else if (options->username != NULL && !door->offers_plain) {
        door->phase = LOGIN;
        fail_talk(door, "no-auth",
                  "the listener does not offer AUTH PLAIN here, and the probe is configured with a user name");
    } else {
        enter(door, options->username != NULL ? LOGIN : SENDER);
    }
}

/* A reply is whole and says what was hoped for. */
static void go_on(struct probe_door *door)
{
    switch (door->phase) {
    case GREETING:
        enter(door, HELLO);
        break;
    case HELLO:
        after_hello(door);
        break;
    case STARTTLS:
        door->phase = HANDSHAKE;
        (void)net_stream_start_tls(door->stream, door->options.tls);
        break;
    case MESSAGE:
        disregard(net_stream_write(door->stream, "QUIT\r\n", 6));
        end_talk(door);
        break;
    default:
        enter(door, door->phase + 1);
        break;
    }
}

static void tell_refusal(struct probe_door *door)
{
    fault_set(&door->fault, FAULT_PERM, "refused", phases[door->phase].step, "the gateway answered \"%d %s\" to %s",
              door->code, buf_text(&door->reply), phases[door->phase].said);
    end_talk(door);
}

/* One line of a reply (RFC 5321 section 4.2.1). Whether it is the last of it; -1 when it is none. */
static int take_line(struct probe_door *door, struct bytes line)
{
    uint64_t code;
    if (line.len < 3 || !bytes_to_u64(bytes_slice(line, 0, 3), &code) ||
        (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-')) {
        return -1;
    }
    struct bytes text = bytes_slice(line, 4, line.len);
    if (door->reply.len > 0) {
        buf_append_text(&door->reply, " ");
    }
    buf_append_bytes(&door->reply, text);
    door->code = (int)code;
    door->offers_starttls = door->offers_starttls || bytes_is_nocase(text, "STARTTLS");
    door->offers_plain =
        door->offers_plain || (bytes_starts_nocase(text, "AUTH ") && bytes_find(text, bytes_of("PLAIN")) >= 0);
    return line.len == 3 || line.ptr[3] == ' ';
}

static void take_reply(struct probe_door *door, struct bytes line)
{
    if (door->whole) {
        door->whole = false;
        buf_clear(&door->reply);
        door->offers_starttls = door->offers_plain = false;
    }
    int last = take_line(door, line);
    door->whole = last != 0;
    if (last < 0) {
        fail_talk(door, "no-smtp", "the server there does not speak SMTP");
    } else if (last > 0 && door->code == phases[door->phase].wanted) {
        go_on(door);
    } else if (last > 0) {
        tell_refusal(door);
    }
}

static void hear_replies(struct probe_door *door)
{
    char copy[REPLY_MAX];
    ptrdiff_t end_at;
    while (!door->over && door->phase != HANDSHAKE &&
           (end_at = bytes_find_octet(net_stream_input(door->stream), '\n')) >= 0) {
        size_t len = (size_t)end_at < sizeof copy ? (size_t)end_at : sizeof copy;
        memcpy(copy, net_stream_input(door->stream).ptr, len);
        net_stream_consume(door->stream, (size_t)end_at + 1);
        take_reply(door, bytes_trim((struct bytes){(const uint8_t *)copy, len}));
    }
}

static void on_connected(struct probe_door *door)
{
    bool at_once = door->options.tls != NULL && !door->options.starttls;
    door->phase = at_once ? HANDSHAKE : GREETING;
    if (at_once) {
        (void)net_stream_start_tls(door->stream, door->options.tls);
    }
}

/* RFC 3207 section 4.2: what was said before is forgotten. */
static void on_encrypted(struct probe_door *door)
{
    door->encrypted = true;
    if (door->options.starttls) {
        enter(door, HELLO);
    } else {
        door->phase = GREETING;
        hear_replies(door);
    }
}

static void on_event(void *ctx, enum net_stream_event event)
{
    struct probe_door *door = ctx;
    if (event == NET_STREAM_CONNECTED) {
        on_connected(door);
    } else if (event == NET_STREAM_TLS_READY) {
        on_encrypted(door);
    } else if (event == NET_STREAM_INPUT) {
        hear_replies(door);
    } else if (event == NET_STREAM_EOF) {
        fail_talk(door, "closed", "the gateway closed the connection without an answer");
    } else if (event == NET_STREAM_FAILED) {
        fail_talk(door, net_stream_fault(door->stream)->code, net_stream_fault(door->stream)->text);
    }
    if (door->over) {
        bool good = !fault_is_set(&door->fault);
        door->fn(door->ctx, phases[door->phase].step, good ? NULL : &door->fault, buf_text(&door->reply));
    }
}

struct probe_door *probe_door_new(struct net_loop *loop, const struct probe_door_options *options, probe_door_fn *fn,
                                  void *ctx)
{
    static const struct net_stream_limits limits = {INPUT_MAX, OUTPUT_MAX, OUTPUT_MAX / 2};
    struct probe_door *door = expect_calloc(1, sizeof *door);
    door->options = *options;
    door->fn = fn;
    door->ctx = ctx;
    buf_init(&door->reply, REPLY_MAX);
    door->stream = net_stream_connect(loop, &options->address, options->timeout_ms, &limits, on_event, door);
    return door;
}

void probe_door_free(struct probe_door **door)
{
    if (*door != NULL) {
        net_stream_free(&(*door)->stream);
        buf_done(&(*door)->reply);
        free(*door);
        *door = NULL;
    }
}

/*
 * dialogue - see dialogue.h.
 */
#include "proto/dialogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/expect.h"

#define LINE_MAX 1000 /* octets of a line that are kept; of a longer one its beginning is shown */
#define TAG_MAX  32
#define TAIL_LEN 32

/* What the client's octets are. */
enum mode {
    MODE_COMMANDS,
    MODE_SECRET, /* until the server's answer says that the authentication is over */
    MODE_DATA,   /* a message, until the server answers */
    MODE_UNSURE, /* came in the middle: until the server has answered */
};

/* One side: the line under way, and octets that are no lines. */
struct side {
    struct buf line;
    uint64_t cut;        /* octets of the line beyond LINE_MAX */
    char tail[TAIL_LEN]; /* how the line ends, also a cut one: there a literal is announced */
    size_t tail_len;
    uint64_t skip;   /* octets of a literal or chunk still to come */
    uint64_t hidden; /* octets that were not shown since the last line */
};

struct dialogue {
    bool is_imap;
    enum mode mode;
    char tag[TAG_MAX]; /* IMAP: of the authentication */
    struct side client, server;
    dialogue_line_fn *fn;
    void *ctx;
};

static struct dialogue *dialogue_new(bool is_imap, bool begun, dialogue_line_fn *fn, void *ctx)
{
    struct dialogue *dialogue = expect_calloc(1, sizeof *dialogue);
    *dialogue =
        (struct dialogue){.is_imap = is_imap, .mode = begun ? MODE_COMMANDS : MODE_UNSURE, .fn = fn, .ctx = ctx};
    buf_init(&dialogue->client.line, LINE_MAX);
    buf_init(&dialogue->server.line, LINE_MAX);
    return dialogue;
}

struct dialogue *dialogue_new_smtp(bool begun, dialogue_line_fn *fn, void *ctx)
{
    return dialogue_new(false, begun, fn, ctx);
}

struct dialogue *dialogue_new_imap(bool begun, dialogue_line_fn *fn, void *ctx)
{
    return dialogue_new(true, begun, fn, ctx);
}

void dialogue_free(struct dialogue **dialogue)
{
    if (*dialogue != NULL) {
        buf_done(&(*dialogue)->client.line);
        buf_done(&(*dialogue)->server.line);
        free(*dialogue);
        *dialogue = NULL;
    }
}

/* ---- showing ---- */

/* What was counted and not shown. */
static void tell_hidden(struct dialogue *dialogue, char who, struct side *side)
{
    char text[60];
    if (side->hidden > 0) {
        int len = snprintf(text, sizeof text, "[%" PRIu64 " octets]", side->hidden);
        side->hidden = 0;
        dialogue->fn(dialogue->ctx, who, bytes_at(text, (size_t)len));
    }
}

static void show_line(struct dialogue *dialogue, char who, struct bytes line)
{
    tell_hidden(dialogue, 'C', &dialogue->client);
    tell_hidden(dialogue, 'S', &dialogue->server);
    dialogue->fn(dialogue->ctx, who, line);
}

/* The beginning, which is no secret, and the length of the rest. */
static void show_head(struct dialogue *dialogue, char who, struct bytes head, uint64_t rest)
{
    char text[200];
    int len = snprintf(text, sizeof text, "%.*s [%" PRIu64 " octets]", head.len > 100 ? 100 : (int)head.len,
                       (const char *)head.ptr, rest);
    show_line(dialogue, who, bytes_at(text, (size_t)len));
}

/* The first `count` words; *rest_r is what is behind them. */
static struct bytes first_words(struct bytes line, int count, struct bytes *rest_r)
{
    struct bytes rest = line;
    size_t len = 0;
    for (int i = 0; i < count && rest.len > 0; i++) {
        struct bytes word = bytes_cut(&rest, ' ');
        len += word.len + (i > 0 ? 1 : 0);
    }
    *rest_r = rest;
    return bytes_slice(line, 0, len);
}

/* ---- SMTP ---- */

static bool is_smtp_verb(struct bytes word)
{
    static const char *const verbs[] = {"EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA",     "BDAT",    "RSET",
                                        "NOOP", "QUIT", "VRFY", "EXPN", "HELP", "STARTTLS", "XCLIENT", NULL};
    for (size_t i = 0; verbs[i] != NULL; i++) {
        if (bytes_is_nocase(word, verbs[i])) {
            return true;
        }
    }
    return false;
}

static void smtp_command(struct dialogue *dialogue, struct bytes line, uint64_t len)
{
    struct bytes rest, verb = first_words(line, 1, &rest);
    uint64_t octets;
    if (bytes_is_nocase(verb, "AUTH")) {
        /* Behind the mechanism may stand the initial response, which is the password (RFC 4954 section 4). */
        struct bytes head = first_words(line, 2, &rest);
        dialogue->mode = MODE_SECRET;
        show_head(dialogue, 'C', head, rest.len);
    } else if (!is_smtp_verb(verb)) {
        /* What is no command may be a password out of turn: its length is shown, and nothing else. */
        show_head(dialogue, 'C', bytes_of("no command:"), len);
    } else {
        show_line(dialogue, 'C', line);
        if (bytes_is_nocase(verb, "BDAT") && bytes_to_u64(bytes_cut(&rest, ' '), &octets)) {
            dialogue->client.skip = octets;
        }
    }
}

static void smtp_reply(struct dialogue *dialogue, struct bytes line)
{
    struct bytes code = bytes_slice(line, 0, 3);
    if (bytes_is(code, "334")) {
        show_head(dialogue, 'S', code, line.len > 4 ? line.len - 4 : 0);
        dialogue->mode = MODE_SECRET;
        return;
    }
    dialogue->mode = bytes_is(code, "354") ? MODE_DATA : MODE_COMMANDS;
    show_line(dialogue, 'S', line);
}

/* ---- IMAP ---- */

/* The octets of the literal that the line ends with: "{12}", "{12+}", "~{12}"; 0 when it ends with none. */
static uint64_t literal_of(const struct side *side)
{
    uint64_t octets;
    size_t end = side->tail_len > 0 && side->tail[side->tail_len - 1] == '\r' ? side->tail_len - 1 : side->tail_len;
    struct bytes line = bytes_at(side->tail, end);
    if (line.len < 3 || line.ptr[line.len - 1] != '}') {
        return 0;
    }
    size_t at = line.len - 1;
    while (at > 0 && line.ptr[at - 1] != '{') {
        at--;
    }
    struct bytes number = bytes_slice(line, at, line.len - 1 - at);
    if (number.len > 0 && number.ptr[number.len - 1] == '+') {
        number = bytes_slice(number, 0, number.len - 1);
    }
    return at > 0 && bytes_to_u64(number, &octets) ? octets : 0;
}

static void imap_command(struct dialogue *dialogue, struct bytes line)
{
    struct bytes rest = line, tag = bytes_cut(&rest, ' '), verb = bytes_cut(&rest, ' ');
    bool login = bytes_is_nocase(verb, "LOGIN"), authenticate = bytes_is_nocase(verb, "AUTHENTICATE");
    if (!login && !authenticate) {
        show_line(dialogue, 'C', line);
        dialogue->client.skip = literal_of(&dialogue->client);
        return;
    }
    struct bytes head = first_words(line, login ? 2 : 3, &rest);
    dialogue->mode = MODE_SECRET;
    snprintf(dialogue->tag, sizeof dialogue->tag, "%.*s", tag.len >= TAG_MAX ? 0 : (int)tag.len, (const char *)tag.ptr);
    show_head(dialogue, 'C', head, rest.len);
}

static void imap_reply(struct dialogue *dialogue, struct bytes line)
{
    struct bytes rest = line, tag = bytes_cut(&rest, ' ');
    bool tagged = !bytes_is(tag, "*") && !bytes_is(tag, "+");
    if (dialogue->mode == MODE_UNSURE && tagged && rest.len > 0) {
        dialogue->mode = MODE_COMMANDS;
    } else if (dialogue->mode == MODE_SECRET && bytes_is(tag, dialogue->tag)) {
        dialogue->mode = MODE_COMMANDS;
    }
    if (dialogue->mode == MODE_SECRET && bytes_is(tag, "+")) {
        show_head(dialogue, 'S', tag, rest.len);
    } else {
        show_line(dialogue, 'S', line);
        dialogue->server.skip = literal_of(&dialogue->server);
    }
}

/* ---- octets into lines ---- */

static void client_line(struct dialogue *dialogue, struct bytes line, uint64_t len)
{
    if (dialogue->mode == MODE_SECRET) {
        show_head(dialogue, 'C', bytes_of("answer:"), len);
    } else if (dialogue->mode != MODE_COMMANDS) {
        dialogue->client.hidden += len;
    } else if (dialogue->is_imap) {
        imap_command(dialogue, line);
    } else {
        smtp_command(dialogue, line, len);
    }
}

static void server_line(struct dialogue *dialogue, struct bytes line)
{
    if (dialogue->is_imap) {
        imap_reply(dialogue, line);
    } else {
        smtp_reply(dialogue, line);
    }
}

static void end_shown_line(struct dialogue *dialogue, struct side *side, bool is_client)
{
    struct bytes line = buf_bytes(&side->line);
    uint64_t len = line.len + side->cut;
    if (line.len > 0 && side->cut == 0 && line.ptr[line.len - 1] == '\r') {
        line = bytes_slice(line, 0, line.len - 1);
        len--;
    }
    if (is_client) {
        client_line(dialogue, line, len);
    } else {
        server_line(dialogue, line);
    }
    buf_clear(&side->line);
    side->cut = 0;
    side->tail_len = 0;
}

static void add_to_line(struct side *side, struct bytes part)
{
    struct bytes end = part.len > TAIL_LEN ? bytes_from(part, part.len - TAIL_LEN) : part;
    size_t keep = side->tail_len + end.len > TAIL_LEN ? TAIL_LEN - end.len : side->tail_len;
    memmove(side->tail, side->tail + side->tail_len - keep, keep);
    memcpy(side->tail + keep, end.ptr, end.len);
    side->tail_len = keep + end.len;
    size_t room = LINE_MAX - side->line.len, kept = part.len < room ? part.len : room;
    buf_append_bytes(&side->line, bytes_slice(part, 0, kept));
    side->cut += part.len - kept;
}

static void take_octets(struct dialogue *dialogue, struct side *side, bool is_client, struct bytes octets)
{
    while (octets.len > 0) {
        if (side->skip > 0) {
            size_t len = octets.len < side->skip ? octets.len : (size_t)side->skip;
            side->skip -= len;
            side->hidden += len;
            octets = bytes_from(octets, len);
            continue;
        }
        if (is_client && (dialogue->mode == MODE_DATA || dialogue->mode == MODE_UNSURE)) {
            side->hidden += octets.len;
            return;
        }
        ptrdiff_t end = bytes_find_octet(octets, '\n');
        struct bytes part = bytes_slice(octets, 0, end < 0 ? octets.len : (size_t)end);
        if (part.len > 0) {
            add_to_line(side, part);
        }
        octets = bytes_from(octets, end < 0 ? octets.len : (size_t)end + 1);
        if (end >= 0) {
            end_shown_line(dialogue, side, is_client);
        }
    }
}

void dialogue_client(struct dialogue *dialogue, struct bytes octets)
{
    take_octets(dialogue, &dialogue->client, true, octets);
}

void dialogue_server(struct dialogue *dialogue, struct bytes octets)
{
    take_octets(dialogue, &dialogue->server, false, octets);
}

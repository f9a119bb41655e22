/*
 * cli_message - see cli_message.h. Line ends become CRLF, as the message would come by SMTP.
 */
#include "cli/cli_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/expect.h"
#include "mail/mail_address.h"
#include "mail/mail_header.h"
#include "net/net_file.h"

#define RECIPIENTS_MAX 1000
#define ARENA_MAX      (4u << 20)

struct walk {
    const struct cli_envelope *envelope;
    cli_message_fn *fn;
    void *ctx;
    const char *folder;
    char **names;
    size_t count, size;
};

/* ---- the envelope ---- */

struct guess {
    struct arena *arena;
    struct mail_recipient *to;
    size_t count;
    const char *first; /* for the sender */
};

static void on_address(void *ctx, struct bytes name, struct bytes address)
{
    (void)name;
    struct guess *guess = ctx;
    if (guess->to == NULL) {
        guess->first = guess->first == NULL ? arena_copy(guess->arena, address) : guess->first;
    } else if (guess->count < RECIPIENTS_MAX) {
        guess->to[guess->count++].address = arena_copy(guess->arena, address);
    }
}

/* The addresses of the first of these fields that is there. */
static void guess_from(struct guess *guess, struct bytes header, const char *const *fields)
{
    struct mail_header_field field;
    for (; *fields != NULL && guess->count == 0 && guess->first == NULL; fields++) {
        if (mail_header_find(header, *fields, &field) == 1) {
            struct buf line;
            buf_init(&line, 1u << 20);
            mail_header_unfold(field.value, &line);
            mail_address_each(buf_bytes(&line), on_address, guess);
            buf_done(&line);
        }
    }
}

static const char *sender_of(struct arena *arena, const struct cli_envelope *envelope, struct bytes header)
{
    static const char *const fields[] = {"Return-Path", "From", "Sender", NULL};
    struct guess guess = {.arena = arena};
    if (envelope->from != NULL) {
        return envelope->from;
    }
    guess_from(&guess, header, fields);
    return guess.first == NULL ? "" : guess.first;
}

static size_t recipients_of(struct arena *arena, const struct cli_envelope *envelope, struct bytes header,
                            struct mail_recipient *to)
{
    static const char *const fields[] = {"Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc", NULL};
    struct guess guess = {.arena = arena, .to = to};
    struct bytes rest = bytes_of(envelope->to == NULL ? "" : envelope->to);
    while (rest.len > 0 && guess.count < RECIPIENTS_MAX) {
        to[guess.count++].address = arena_copy(arena, bytes_trim(bytes_cut(&rest, ',')));
    }
    if (guess.count == 0) {
        guess_from(&guess, header, fields);
    }
    if (guess.count == 0) {
        to[guess.count++].address = "postmaster";
    }
    return guess.count;
}

static int give_message(struct walk *walk, const char *name, struct bytes text)
{
    struct arena *arena = arena_new(ARENA_MAX);
    struct mail_recipient *to = expect_memory(arena_array(arena, RECIPIENTS_MAX, sizeof *to));
    bool complete;
    struct bytes header = bytes_slice(text, 0, mail_header_length(text, &complete));
    struct mail_envelope envelope = {.id = "EXPLAIN",
                                     .hostname = "localhost",
                                     .client = walk->envelope->client,
                                     .from = sender_of(arena, walk->envelope, header),
                                     .to = to,
                                     .to_count = recipients_of(arena, walk->envelope, header, to),
                                     .received_ms = walk->envelope->now_ms};
    struct mail_source source = mail_source_of(&text);
    struct filters_message message = {
        .envelope = &envelope, .header = header, .source = &source, .size = text.len, .now_ms = walk->envelope->now_ms};
    int result = walk->fn(walk->ctx, name, &message);
    arena_free(&arena);
    return result;
}

/* ---- files ---- */

static void append_line(struct buf *out, struct bytes line, bool ended)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    buf_append_bytes(out, line);
    buf_append_text(out, ended ? "\r\n" : "");
}

static bool is_from_line(struct bytes line)
{
    return line.len > 5 && memcmp(line.ptr, "From ", 5) == 0;
}

/* RFC 4155, with the ">From " quoting of most writers undone. */
static int each_of_mbox(struct walk *walk, const char *path, struct bytes text)
{
    struct buf message;
    buf_init(&message, CLI_MESSAGE_MAX * 2);
    bool blank = true;
    size_t number = 0;
    int result = 0;
    while (result == 0) {
        bool end = text.len == 0;
        bool ended = bytes_find_octet(text, '\n') >= 0;
        struct bytes line = bytes_cut(&text, '\n');
        if (end || (blank && is_from_line(line))) {
            char name[4200];
            snprintf(name, sizeof name, "%s#%zu", path, number);
            result = number > 0 ? give_message(walk, name, buf_bytes(&message)) : 0;
            buf_clear(&message);
            number++;
            if (end) {
                break;
            }
            continue;
        }
        size_t quotes = 0;
        while (quotes < line.len && line.ptr[quotes] == '>') {
            quotes++;
        }
        append_line(&message, quotes > 0 && is_from_line(bytes_from(line, quotes)) ? bytes_from(line, 1) : line, ended);
        blank = bytes_trim(line).len == 0;
    }
    buf_done(&message);
    return result;
}

/* Whether a From_ line stands behind an empty one: then it is an mbox of several messages. */
static bool has_several(struct bytes text)
{
    bool blank = false, first = true;
    while (text.len > 0) {
        struct bytes line = bytes_cut(&text, '\n');
        if (!first && blank && is_from_line(line)) {
            return true;
        }
        blank = bytes_trim(line).len == 0;
        first = false;
    }
    return false;
}

/* A file that is one message is given as it is, its From_ line with it: so it would come, and the rules see that line
 * as an odd one. */
static int each_of_text(struct walk *walk, const char *path, struct bytes text)
{
    if (is_from_line(text) && has_several(text)) {
        return each_of_mbox(walk, path, text);
    }
    struct buf message;
    buf_init(&message, CLI_MESSAGE_MAX * 2);
    while (text.len > 0) {
        bool ended = bytes_find_octet(text, '\n') >= 0;
        struct bytes line = bytes_cut(&text, '\n');
        append_line(&message, line, ended);
    }
    int result = give_message(walk, path, buf_bytes(&message));
    buf_done(&message);
    return result;
}

static int read_standard_input(struct buf *text, struct fault *fault)
{
    uint8_t chunk[65536];
    ssize_t got;
    while ((got = read(STDIN_FILENO, chunk, sizeof chunk)) > 0) {
        if (buf_append(text, chunk, (size_t)got) < 0) {
            fault_set(fault, FAULT_LOCAL, "too-large", "standard input", "the message is larger than %u MiB",
                      CLI_MESSAGE_MAX >> 20);
            return -1;
        }
    }
    return 0;
}

static int each_of_file(struct walk *walk, const char *path, struct fault *fault)
{
    struct buf text;
    buf_init(&text, CLI_MESSAGE_MAX);
    int result = strcmp(path, "-") == 0 ? read_standard_input(&text, fault) : net_file_read_all(path, &text, fault);
    if (result == 0) {
        result = each_of_text(walk, path, buf_bytes(&text));
    }
    buf_done(&text);
    return result;
}

/* ---- folders ---- */

static int note_name(void *ctx, const char *name)
{
    struct walk *walk = ctx;
    if (name[0] == '.') {
        return 0;
    }
    if (walk->count == walk->size) {
        walk->size = walk->size == 0 ? 64 : walk->size * 2;
        walk->names = expect_memory(realloc(walk->names, walk->size * sizeof(char *)));
    }
    walk->names[walk->count++] = expect_strdup(name);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int each_of_path(struct walk *walk, const char *path, unsigned depth, struct fault *fault)
{
    struct walk inner = {.envelope = walk->envelope, .fn = walk->fn, .ctx = walk->ctx};
    struct fault unasked = FAULT_INIT;
    if (depth > 8 || strcmp(path, "-") == 0 || net_file_list(path, note_name, &inner, &unasked) < 0) {
        return each_of_file(walk, path, fault);
    }
    int result = 0;
    if (inner.count > 0) {
        qsort(inner.names, inner.count, sizeof(char *), by_name);
    }
    for (size_t i = 0; i < inner.count; i++) {
        char full[4096];
        snprintf(full, sizeof full, "%s/%s", path, inner.names[i]);
        result = result == 0 ? each_of_path(&inner, full, depth + 1, fault) : result;
        free(inner.names[i]);
    }
    free(inner.names);
    return result;
}

int cli_message_each(const char *path, const struct cli_envelope *envelope, cli_message_fn *fn, void *ctx,
                     struct fault *fault)
{
    struct walk walk = {.envelope = envelope, .fn = fn, .ctx = ctx};
    return each_of_path(&walk, path, 0, fault);
}

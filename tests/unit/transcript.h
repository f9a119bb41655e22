/*
 * transcript - plays what two sides of a dialogue say, from the files of a folder, against an engine: whole, octet by octet,
 * and cut in two at every octet (of what is long: at its ends, and at some places between).
 *
 * A test defines struct player, which begins with a struct transcript, and a struct transcript_kind. Lines are read in turn:
 *
 *   # ...                a comment
 *   option NAME [VALUE]  before anything else
 *   WORD REST            the words of the kind; those that gather add to what is sent together with the next
 *
 * In what is said, \r \n \t \0 \\ \xHH and \*N{TEXT} (TEXT N times) are escapes.
 */
#ifndef MAILWEIR_TESTS_UNIT_TRANSCRIPT_H
#define MAILWEIR_TESTS_UNIT_TRANSCRIPT_H

#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

#define TRANSCRIPT_MAX (8u << 20)
/* All cuts of a long group would take its square: so many octets in all for a row at each end, and as many for the middle. */
#define TRANSCRIPT_OCTETS (4u << 20)
#define TRANSCRIPT_EDGE   20 /* the least of a row */

struct transcript {
    const struct transcript_kind *kind;
    const char *name;
    size_t line;
    size_t cut; /* 0: whole; 1: octet by octet; n: a group is cut before its octet n-1 */
    bool started;
    bool over; /* what follows is not for this way of playing it */
    uint64_t now;
    struct buf input;  /* sent to the engine, not taken yet */
    struct buf output; /* said by the engine, not expected yet */
    struct buf group;  /* what is sent at once */
    size_t longest;    /* of the groups */
};

struct player;

struct transcript_word {
    const char *word;
    void (*run)(struct player *player, struct bytes rest);
    bool gathers; /* adds to the group; any other word has it sent */
};

struct transcript_kind {
    const char *folder;
    size_t size; /* of the struct player */
    const struct transcript_word *words;
    size_t word_count;
    void (*begin)(struct player *player); /* what options may change */
    void (*option)(struct player *player, struct bytes name, struct bytes value);
    void (*start)(struct player *player); /* the engine, before the first word that is no option */
    void (*pump)(struct player *player);
    void (*end)(struct player *player); /* checks what a transcript owes, and frees */
};

#define FAIL(player, ...)                                                                                              \
    do {                                                                                                               \
        char what_[4096];                                                                                              \
        snprintf(what_, sizeof what_, __VA_ARGS__);                                                                    \
        const struct transcript *at_ = transcript_of(player);                                                          \
        fail_msg("%s:%zu (cut %zu): %s", at_->name, at_->line, at_->cut, what_);                                       \
    } while (0)

static inline struct transcript *transcript_of(struct player *player)
{
    return (struct transcript *)(void *)player;
}

static uint64_t number_of(struct player *player, struct bytes text)
{
    uint64_t number = 0;
    if (!bytes_to_u64(text, &number)) {
        FAIL(player, "a number was expected: \"%.*s\"", (int)text.len, (const char *)text.ptr);
    }
    return number;
}

static uint64_t duration_of(struct player *player, struct bytes text)
{
    uint64_t milliseconds = 0;
    if (units_duration(text, &milliseconds) < 0) {
        FAIL(player, "a duration was expected: \"%.*s\"", (int)text.len, (const char *)text.ptr);
    }
    return milliseconds;
}

static void unescape(struct player *player, struct bytes text, struct buf *out);

/* "\*N{TEXT}": *text stands behind the "\*". */
static void repeat(struct player *player, struct bytes *text, struct buf *out)
{
    uint64_t count = number_of(player, bytes_cut(text, '{'));
    struct bytes inside = bytes_cut(text, '}');
    for (uint64_t i = 0; i < count; i++) {
        unescape(player, inside, out);
    }
}

static void unescape(struct player *player, struct bytes text, struct buf *out)
{
    while (text.len > 0) {
        buf_append_bytes(out, bytes_cut(&text, '\\'));
        if (text.ptr == NULL || text.len == 0) {
            break;
        }
        char c = (char)text.ptr[0];
        text = bytes_from(text, 1);
        if (c == '*') {
            repeat(player, &text, out);
        } else if (c == 'x' && text.len >= 2) {
            char hex[3] = {(char)text.ptr[0], (char)text.ptr[1], '\0'};
            buf_append_octet(out, (uint8_t)strtoul(hex, NULL, 16));
            text = bytes_from(text, 2);
        } else {
            buf_append_octet(out, (uint8_t)(c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c));
        }
    }
}

/* ---- what is sent ---- */

static void gather(struct player *player, struct bytes text)
{
    unescape(player, text, &transcript_of(player)->group);
}

static void gather_line(struct player *player, struct bytes text)
{
    gather(player, text);
    buf_append_text(&transcript_of(player)->group, "\r\n");
}

static void feed(struct player *player, struct bytes data)
{
    struct transcript *transcript = transcript_of(player);
    buf_append_bytes(&transcript->input, data);
    transcript->kind->pump(player);
}

/* Sends what was gathered, in the way of this run. */
static void send_group(struct player *player)
{
    struct transcript *transcript = transcript_of(player);
    struct bytes group = buf_bytes(&transcript->group);
    transcript->longest = group.len > transcript->longest ? group.len : transcript->longest;
    if (transcript->cut == 1) {
        for (size_t i = 0; i < group.len; i++) {
            feed(player, bytes_slice(group, i, 1));
        }
    } else if (transcript->cut > 1 && transcript->cut - 1 < group.len) {
        feed(player, bytes_slice(group, 0, transcript->cut - 1));
        feed(player, bytes_from(group, transcript->cut - 1));
    } else if (group.len > 0) {
        feed(player, group);
    }
    buf_clear(&transcript->group);
}

static void go_on_after(struct player *player, struct bytes text)
{
    struct transcript *transcript = transcript_of(player);
    transcript->now += duration_of(player, text);
    transcript->kind->pump(player);
}

/* ---- what is said ---- */

static void expect_octets(struct player *player, struct bytes wanted)
{
    struct buf *output = &transcript_of(player)->output;
    struct bytes said = bytes_slice(buf_bytes(output), 0, wanted.len);
    if (!bytes_equal(wanted, said)) {
        said = bytes_slice(buf_bytes(output), 0, wanted.len + 200);
        FAIL(player, "wanted \"%.*s\", said \"%.*s\"", (int)wanted.len, (const char *)wanted.ptr, (int)said.len,
             (const char *)said.ptr);
    }
    buf_consume(output, wanted.len);
}

/* The next line is exactly this, or begins with it where `any` stands at its end. */
static void expect_said(struct player *player, struct bytes wanted, char any)
{
    struct buf *output = &transcript_of(player)->output;
    if (wanted.len == 0 || wanted.ptr[wanted.len - 1] != any) {
        expect_octets(player, wanted);
        expect_octets(player, bytes_of("\r\n"));
        return;
    }
    expect_octets(player, bytes_slice(wanted, 0, wanted.len - 1));
    ptrdiff_t end = bytes_find(buf_bytes(output), bytes_of("\r\n"));
    if (end < 0) {
        FAIL(player, "the line \"%.*s\" has no end", (int)wanted.len, (const char *)wanted.ptr);
    }
    buf_consume(output, (size_t)end + 2);
}

static void expect_nothing(struct player *player)
{
    struct bytes said = buf_bytes(&transcript_of(player)->output);
    if (said.len > 0) {
        FAIL(player, "said \"%.*s\", nothing was wanted", (int)said.len, (const char *)said.ptr);
    }
}

/* ---- files ---- */

static void play_line(struct player *player, struct bytes line)
{
    struct transcript *transcript = transcript_of(player);
    const struct transcript_kind *kind = transcript->kind;
    struct bytes rest = line;
    struct bytes word = bytes_cut(&rest, ' ');
    if (bytes_is(word, "option")) {
        struct bytes name = bytes_cut(&rest, ' ');
        kind->option(player, name, rest);
        return;
    }
    if (!transcript->started) {
        transcript->started = true;
        kind->start(player);
    }
    for (size_t i = 0; i < kind->word_count; i++) {
        if (!bytes_is(word, kind->words[i].word)) {
            continue;
        }
        if (!kind->words[i].gathers) {
            send_group(player);
        } else if (transcript->group.len == 0) {
            expect_nothing(player);
        }
        kind->words[i].run(player, rest);
        return;
    }
    FAIL(player, "unknown word \"%.*s\"", (int)word.len, (const char *)word.ptr);
}

/* Plays the text in one way; returns the length of the longest group. */
static size_t play_once(const struct transcript_kind *kind, const char *name, struct bytes text, size_t cut)
{
    struct player *player = test_calloc(1, kind->size);
    struct transcript *transcript = transcript_of(player);
    *transcript = (struct transcript){.kind = kind, .name = name, .cut = cut, .now = 1000000};
    struct buf *buffers[] = {&transcript->input, &transcript->output, &transcript->group};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buf_init(buffers[i], TRANSCRIPT_MAX);
    }
    kind->begin(player);
    while (text.len > 0) {
        struct bytes line = bytes_cut(&text, '\n');
        transcript->line++;
        if (line.len > 0 && line.ptr[0] != '#' && !transcript->over) {
            play_line(player, line);
        }
    }
    send_group(player);
    expect_nothing(player);
    kind->end(player);
    size_t longest = transcript->longest;
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buf_done(buffers[i]);
    }
    test_free(player);
    return longest;
}

static void play_file(const struct transcript_kind *kind, const char *name)
{
    char path[1024], piece[4096];
    struct buf text;
    snprintf(path, sizeof path, "%s/%s", kind->folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    buf_init(&text, TRANSCRIPT_MAX);
    for (size_t len; (len = fread(piece, 1, sizeof piece, file)) > 0;) {
        buf_append(&text, piece, len);
    }
    fclose(file);
    size_t longest = play_once(kind, name, buf_bytes(&text), 0);
    size_t edge = longest == 0 ? 0 : TRANSCRIPT_OCTETS / longest;
    edge = edge > TRANSCRIPT_EDGE ? edge : TRANSCRIPT_EDGE;
    size_t stride = longest > 2 * edge ? (longest - 2 * edge) / edge + 1 : 1;
    for (size_t cut = 1; cut <= longest; cut += cut < edge || cut + edge > longest ? 1 : stride) {
        play_once(kind, name, buf_bytes(&text), cut);
    }
    buf_done(&text);
}

/* Plays every file of the kind's folder; fails when there are fewer than `least`. */
static void play_folder(const struct transcript_kind *kind, int least)
{
    struct dirent **entries;
    int count = scandir(kind->folder, &entries, NULL, alphasort), played = 0;
    for (int i = 0; i < count; i++) {
        size_t len = strlen(entries[i]->d_name);
        if (len > 4 && strcmp(entries[i]->d_name + len - 4, ".txt") == 0) {
            play_file(kind, entries[i]->d_name);
            played++;
        }
        free(entries[i]);
    }
    free(entries);
    assert_true(played >= least);
}

#endif

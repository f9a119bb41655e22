/*
 * sim_mail - see sim_mail.h.
 */
#include "sim_mail.h"

#include <stdio.h>
#include <string.h>

#include "base/expect.h"
#include "mail/mail_rope.h"
#include "sim_operator.h"

#define TRIES_MAX 1000
#define TEXT_MAX  (8u << 20)

static struct {
    struct sim_try tries[TRIES_MAX];
    size_t count;
} book;

struct sim_try *sim_try_new(unsigned sender, uint64_t size, enum sim_mood mood)
{
    if (book.count == TRIES_MAX) {
        sim_fail("more than %d tries: the clients never come to an end", TRIES_MAX);
    }
    struct sim_try *try = &book.tries[book.count];
    *try = (struct sim_try){.number = (unsigned)++book.count, .sender = sender, .size = size, .mood = mood};
    return try;
}

/* Lines that have been trouble: dots, blanks, 8-bit, long ones. */
static void add_line(struct buf *out, struct sim_random *random)
{
    static const char *const lines[] = {".",     "..",        "", ". ", "from here", "\xC3\xA4\xC3\xB6",
                                        "=?x?=", "A1 OK {5}", "."};
    if (sim_random_chance(random, 30)) {
        buf_append_text(out, lines[sim_random_between(random, 0, sizeof lines / sizeof lines[0] - 1)]);
    } else {
        for (uint64_t left = sim_random_between(random, 1, 78); left > 0; left--) {
            buf_append_octet(out, (uint8_t)sim_random_between(random, ' ', '~'));
        }
    }
    buf_append_text(out, "\r\n");
}

void sim_try_text(const struct sim_try *try, struct buf *out)
{
    struct sim_random random;
    sim_random_init(&random, sim_seed(), "text", try->number);
    buf_printf(out,
               "From: sim@client.sim\r\nTo: somebody@gw.sim\r\nSubject: try %u\r\nMessage-ID: <try%u@client.sim>\r\n"
               "X-Sim-Try: %u\r\nX-Sim-Mood: %s\r\n\r\n",
               try->number, try->number, try->number, sim_moods[try->mood]);
    while (out->len < try->size) {
        add_line(out, &random);
    }
}

void sim_try_sent(struct sim_try *try, unsigned versions)
{
    try->state = SIM_TRY_SENT;
    try->versions |= versions;
}

void sim_try_acked(struct sim_try *try, const char *id)
{
    try->state = SIM_TRY_ACKED;
    try->acked_us = sim_now();
    if (try->id[0] != '\0' && strcmp(try->id, id) != 0) {
        sim_fail("try %u was filed as %s and acknowledged as %s", try->number, try->id, id);
    }
    snprintf(try->id, sizeof try->id, "%s", id);
}

size_t sim_mail_count(void)
{
    return book.count;
}

struct sim_try *sim_mail_at(size_t index)
{
    return &book.tries[index];
}

unsigned sim_try_places(const struct sim_try *try)
{
    unsigned places = 0;
    for (unsigned version = 0; version < 2; version++) {
        places |= (try->versions >> version & 1) ? sim_setup_places(try->mood, try->recipients, version) : 0;
    }
    return places;
}

struct sim_try *sim_mail_find(struct bytes octets)
{
    ptrdiff_t at = bytes_find(octets, bytes_of("X-Sim-Try: "));
    if (at < 0) {
        return NULL;
    }
    struct bytes rest = bytes_from(octets, (size_t)at + strlen("X-Sim-Try: "));
    uint64_t number;
    if (!bytes_to_u64(bytes_cut(&rest, '\r'), &number) || number < 1 || number > book.count) {
        return NULL;
    }
    return &book.tries[number - 1];
}

/* ---- what servers file ---- */

static void check_text(const struct sim_try *try, struct bytes octets)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    sim_try_text(try, &text);
    bool is_whole = octets.len >= text.len && bytes_equal(bytes_from(octets, octets.len - text.len), buf_bytes(&text));
    if (!is_whole) {
        sim_fail("try %u was filed changed: %zu octets, sent %zu", try->number, octets.len, text.len);
    }
    buf_done(&text);
}

/* The delivery's id stands in the message; the part before its last dot is the message's. */
static void note_id(struct sim_try *try, struct sim_filing *filing, struct bytes octets)
{
    ptrdiff_t at = bytes_find(octets, bytes_of(MAIL_ID_FIELD ": "));
    if (at < 0) {
        sim_fail("try %u was filed without the id of its delivery", try->number);
    }
    struct bytes rest = bytes_from(octets, (size_t)at + strlen(MAIL_ID_FIELD ": "));
    struct bytes id = bytes_cut(&rest, '\r');
    snprintf(filing->delivery, sizeof filing->delivery, "%.*s", (int)id.len, (const char *)id.ptr);
    char message[SIM_MAIL_ID_LEN];
    struct bytes head = bytes_cut(&id, '.');
    snprintf(message, sizeof message, "%.*s", (int)head.len, (const char *)head.ptr);
    if (try->id[0] != '\0' && strcmp(try->id, message) != 0) {
        sim_fail("try %u is known as %s and was filed as %s", try->number, try->id, message);
    }
    snprintf(try->id, sizeof try->id, "%s", message);
}

/* What went to the fallback is marked with the upstream that was down, and nothing else is. */
static void check_mark(const struct sim_try *try, unsigned server, int place, struct bytes octets)
{
    unsigned own = sim_places[place].server;
    char mark[64] = MAIL_FALLBACK_FIELD ": ";
    if (server != own) {
        snprintf(mark, sizeof mark, "\r\n" MAIL_FALLBACK_FIELD ": %s\r\n", sim_upstreams[own]);
    }
    if ((bytes_find(octets, bytes_of(mark)) >= 0) != (server != own)) {
        sim_fail("try %u was filed into %s of server %u with%s the mark of a fallback", try->number,
                 sim_places[place].folder, server, server != own ? "out" : "");
    }
}

static void check_allowed(struct sim_try *try, int place, bool is_late)
{
    const char *folder = sim_places[place].folder;
    bool is_rerouted = place == SIM_PLACE_REROUTED && try->rerouted;
    if (!is_rerouted && (sim_try_places(try) >> place & 1) == 0) {
        sim_fail("try %u was filed into %s, where it does not belong", try->number, folder);
    }
    /* What decided it is known a little better now. */
    for (unsigned version = 0; version < 2 && !is_rerouted; version++) {
        if ((sim_setup_places(try->mood, try->recipients, version) >> place & 1) == 0) {
            try->versions &= ~(1u << version);
        }
    }
    if (try->state == SIM_TRY_REFUSED || try->state == SIM_TRY_OPEN) {
        sim_fail("try %u was %s and filed into %s", try->number,
                 try->state == SIM_TRY_OPEN ? "never sent whole" : "refused", folder);
    }
    if (!is_rerouted && try->mood == SIM_MOOD_HOLD && (!try->released || try->at_once)) {
        sim_fail("try %u was to be held, nobody released it, and it was filed into %s", try->number, folder);
    }
    sim_operator_check_filing(try->filings[place].server, try->filings[place].delivery, is_late);
    if (++try->filings[place].count > 1) {
        sim_fail("try %u was filed into %s twice", try->number, folder);
    }
}

static struct sim_filing *filing_of(unsigned server, const char *folder, struct bytes octets, struct sim_try **try_r,
                                    int *place_r)
{
    *try_r = sim_mail_find(octets);
    *place_r = sim_place_of(server, folder);
    if (*try_r == NULL) {
        sim_fail("server %u got %zu octets that nobody sent", server, octets.len);
    }
    if (*place_r < 0) {
        sim_fail("try %u was sent to an unknown folder %s of server %u", (*try_r)->number, folder, server);
    }
    return &(*try_r)->filings[*place_r];
}

struct sim_filing *sim_mail_filed(unsigned server, const char *folder, struct bytes octets, uint32_t validity,
                                  uint32_t uid, bool has_uidplus, bool is_late)
{
    struct sim_try *try;
    int place;
    struct sim_filing *filing = filing_of(server, folder, octets, &try, &place);
    check_text(try, octets);
    note_id(try, filing, octets);
    check_mark(try, server, place, octets);
    filing->server = server;
    check_allowed(try, place, is_late);
    filing->has_uidplus = has_uidplus;
    filing->validity[0] = validity;
    filing->uid[0] = uid;
    filing->uids = 1;
    filing->at_us = sim_now();
    sim_say("try %u filed into %s of %s as %u", try->number, folder, sim_upstreams[server], uid);
    return filing;
}

void sim_mail_not_filed(unsigned server, const char *folder, struct bytes octets, enum sim_append_end end)
{
    struct sim_try *try;
    int place;
    struct sim_filing *filing = filing_of(server, folder, octets, &try, &place);
    filing->refusals += end != SIM_APPEND_CUT;
    filing->cuts += end == SIM_APPEND_CUT;
    filing->refused_for_good = filing->refused_for_good || end == SIM_APPEND_NEVER;
}

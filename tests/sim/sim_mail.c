/*
 * sim_mail - see sim_mail.h.
 */
#include "sim_mail.h"

#include <stdio.h>
#include <string.h>

#include "base/expect.h"
#include "mail/mail_rope.h"
#include "sim_operator.h"

#define TRIES_MAX 12000 /* a backlog; of other worlds none comes near it */
#define TEXT_MAX  (8u << 20)
#define ODD_START " folded by nobody\r\n"

static struct {
    struct sim_try tries[TRIES_MAX];
    size_t count;
    unsigned killer;
    sim_mail_doubt_fn *on_doubt;
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

static bool starts_odd(const struct sim_try *try)
{
    return try->number % 6 == 5;
}

void sim_try_text(const struct sim_try *try, struct buf *out)
{
    struct sim_random random;
    sim_random_init(&random, sim_seed(), "text", try->number);
    /* It continues no field, and must not continue one that the gateway puts in front. */
    buf_append_text(out, starts_odd(try) ? ODD_START : "");
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
    if (starts_odd(try)) {
        buf_consume(&text, strlen(ODD_START)); /* that line is repaired */
    }
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

/* A message that belongs into one folder lies there, or where the operator sent it instead. */
static void check_other_place(const struct sim_try *try, int place)
{
    unsigned places = sim_try_places(try);
    for (int i = 0; i < SIM_PLACES && places == 1u << i; i++) {
        int other = place == SIM_PLACE_REROUTED ? i : SIM_PLACE_REROUTED;
        if (other != place && try->filings[other].count > try->filings[other].lost) {
            sim_fail("try %u was filed into %s and lies in %s", try->number, sim_places[place].folder,
                     sim_places[other].folder);
        }
    }
}

/* What stands behind " name=" in a line of the log. */
static struct bytes value_of(struct bytes line, const char *name)
{
    ptrdiff_t at = bytes_find(line, bytes_of(name));
    struct bytes rest = at >= 0 ? bytes_from(line, (size_t)at + strlen(name)) : bytes_of("");
    return bytes_cut(&rest, ' ');
}

/* A text log says of a delivery's id what it adds to its message's, of which the head stands in front of it. */
static bool names_delivery(struct bytes line, const char *delivery)
{
    struct bytes head = value_of(line, " id="), rest = value_of(line, " delivery="), id = bytes_of(delivery);
    ptrdiff_t dot = bytes_find_octet(id, '.');
    bool is_short = rest.len > 0 && rest.ptr[0] == '.';
    return is_short ? dot >= 0 && bytes_equal(bytes_from(id, (size_t)dot), rest) &&
                          bytes_equal(bytes_slice(id, 0, head.len), head)
                    : bytes_equal(id, rest);
}

static void note_twice(struct bytes line)
{
    for (size_t i = 0; i < book.count; i++) {
        for (size_t k = 0; k < SIM_PLACES; k++) {
            struct sim_filing *filing = &book.tries[i].filings[k];
            bool is_named = filing->count > 0 && names_delivery(line, filing->delivery);
            filing->is_told = filing->is_told || is_named;
        }
    }
}

/* A text log says the head of a message's id. */
static struct sim_try *try_named(struct bytes line, const char *name)
{
    struct bytes head = value_of(line, name);
    for (size_t i = 0; head.len > 0 && i < book.count; i++) {
        struct bytes id = bytes_of(book.tries[i].id);
        if (id.len > 0 && bytes_equal(bytes_slice(id, 0, head.len), head)) {
            return &book.tries[i];
        }
    }
    return NULL;
}

void sim_try_lives(struct sim_try *try)
{
    memset(try->dead_us, 0, sizeof try->dead_us);
}

static bool is_long_dead(const struct sim_try *try)
{
    bool is_long = false;
    for (size_t i = 0; i < 2; i++) {
        is_long = is_long || (try->dead_us[i] != 0 && sim_now() > try->dead_us[i] + 5 * (uint64_t)SIM_SECOND);
    }
    return is_long;
}

struct sim_try *sim_mail_dead_of(unsigned sender)
{
    for (size_t i = 0; i < book.count; i++) {
        struct sim_try *try = &book.tries[i];
        if (try->sender == sender && try->state == SIM_TRY_ACKED && is_long_dead(try)) {
            return try;
        }
    }
    return NULL;
}

/* "Known already" is no answer for a message that lies among the dead letters, if they are not tried again with that. */
static void check_known(struct bytes line)
{
    struct sim_try *try = try_named(line, " of=");
    bool is_dead = try != NULL && is_long_dead(try);
    bool is_retried = bytes_find(line, bytes_of(" retried=")) >= 0 && bytes_find(line, bytes_of(" retried=0")) < 0;
    if (is_dead && !is_retried) {
        sim_fail("try %u is said to be known already, and is a dead letter", try->number);
    }
    if (try != NULL) {
        sim_try_lives(try);
    }
}

void sim_mail_watch_doubts(sim_mail_doubt_fn *fn)
{
    book.on_doubt = fn;
}

void sim_mail_doubted(struct bytes octets)
{
    struct sim_try *try = sim_mail_find(octets);
    if (book.on_doubt != NULL && try != NULL) {
        book.on_doubt(try);
    }
}

void sim_mail_retried(void)
{
    for (size_t i = 0; i < book.count; i++) {
        sim_try_lives(&book.tries[i]);
    }
}

void sim_mail_held(unsigned server)
{
    for (size_t i = 0; i < book.count; i++) {
        book.tries[i].dead_us[server] = 0;
    }
}

static void note_dead(struct bytes line)
{
    struct sim_try *try = try_named(line, " id=");
    for (size_t i = 0; try != NULL && i < 2; i++) {
        char upstream[64];
        snprintf(upstream, sizeof upstream, " upstream=%s ", sim_upstreams[i]);
        if (bytes_find(line, bytes_of(upstream)) >= 0) {
            try->dead_us[i] = sim_now();
        }
    }
}

void sim_mail_log(struct bytes line)
{
    bool is_filed = bytes_find(line, bytes_of(" filed ")) >= 0;
    bool tells =
        bytes_find(line, bytes_of("possible_duplicate")) >= 0 || bytes_find(line, bytes_of("found twice")) >= 0;
    if (is_filed && tells) {
        note_twice(line);
    } else if (bytes_find(line, bytes_of(" duplicate ")) >= 0) {
        check_known(line);
    } else if (bytes_find(line, bytes_of(" dead_letter ")) >= 0) {
        note_dead(line);
    }
}

void sim_mail_check_others(uint64_t by_us)
{
    for (size_t i = 0; i < book.count; i++) {
        const struct sim_try *try = &book.tries[i];
        bool is_due = try->state == SIM_TRY_ACKED && try->acked_us < by_us && !try->at_once && !try->may_be_dropped &&
                      !try->rerouted && try->number != book.killer && try->mood == SIM_MOOD_PLAIN;
        unsigned places =
            sim_setup_places(try->mood, try->recipients, 0) & sim_setup_places(try->mood, try->recipients, 1);
        for (int k = 0; is_due && k < SIM_PLACES; k++) {
            if ((places >> k & 1) != 0 && try->filings[k].count == 0) {
                sim_fail("try %u waits because of another, which ends the server's sessions", try->number);
            }
        }
    }
}

void sim_mail_check_told(void)
{
    for (size_t i = 0; i < book.count; i++) {
        for (size_t k = 0; k < SIM_PLACES; k++) {
            const struct sim_filing *filing = &book.tries[i].filings[k];
            if (filing->count > 1 && !filing->is_told) {
                sim_fail("try %u was filed into %s twice, and nobody was told", book.tries[i].number,
                         sim_places[k].folder);
            }
        }
    }
}

unsigned sim_mail_killer(void)
{
    return book.killer;
}

void sim_mail_set_killer(unsigned number)
{
    book.killer = number;
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
    if (!is_rerouted && try->mood == SIM_MOOD_HOLD && ((!try->released && !sim_operator_releases()) || try->at_once)) {
        sim_fail("try %u was to be held, nobody released it, and it was filed into %s", try->number, folder);
    }
    /* What was left of a message that its sender keeps is dropped, and taken up again when it is sent again. */
    if (!try->at_once) {
        sim_operator_check_filing(try->filings[place].server, try->filings[place].delivery, is_late);
    }
    /* What others took away cannot be found: then a second copy is better than none, if it is told. */
    /* Of several addresses none can say no for the other: there a second copy may come, and is told. */
    bool is_first = ++try->filings[place].count <= 1 + try->filings[place].lost;
    if (!is_first && !sim_setup_has_standby()) {
        sim_fail("try %u was filed into %s twice", try->number, folder);
    }
    check_other_place(try, place);
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
    if (filing->uids < SIM_MAIL_UIDS) {
        filing->validity[filing->uids] = validity;
        filing->uid[filing->uids++] = uid;
    }
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

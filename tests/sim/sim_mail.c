/*
 * sim_mail - see sim_mail.h.
 */
#include "sim_mail.h"

#include <stdio.h>
#include <string.h>

#include "base/expect.h"

#define TRIES_MAX 400
#define TEXT_MAX  (2u << 20)

/* Before the gateway looks for what may have been filed, a second copy after an uncertain append is no fault. */
static const bool exactly_once = true;

const struct sim_place_info sim_places[SIM_PLACES] = {
    [SIM_PLACE_INBOX] = {0, "INBOX"},       [SIM_PLACE_ONE] = {0, "Lists/One"}, [SIM_PLACE_TWO] = {1, "Two"},
    [SIM_PLACE_BOTH_A] = {0, "Lists/Both"}, [SIM_PLACE_BOTH_B] = {1, "Three"},
};

const struct sim_recipient_info sim_recipients[SIM_RECIPIENTS] = {
    {"any@gw.sim", 1u << SIM_PLACE_INBOX},
    {"one@gw.sim", 1u << SIM_PLACE_ONE},
    {"two@gw.sim", 1u << SIM_PLACE_TWO},
    {"both@gw.sim", 1u << SIM_PLACE_BOTH_A | 1u << SIM_PLACE_BOTH_B},
};

static struct {
    struct sim_try tries[TRIES_MAX];
    size_t count;
} book;

struct sim_try *sim_try_new(uint64_t size)
{
    if (book.count == TRIES_MAX) {
        sim_fail("more than %d tries: the clients never come to an end", TRIES_MAX);
    }
    struct sim_try *try = &book.tries[book.count];
    *try = (struct sim_try){.number = (unsigned)++book.count, .size = size};
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
    buf_printf(out, "From: sim@client.sim\r\nTo: somebody@gw.sim\r\nSubject: try %u\r\nX-Sim-Try: %u\r\n\r\n",
               try->number, try->number);
    while (out->len < try->size) {
        add_line(out, &random);
    }
}

unsigned sim_try_places(const struct sim_try *try)
{
    unsigned places = 0;
    for (size_t i = 0; i < SIM_RECIPIENTS; i++) {
        places |= (try->recipients >> i & 1) ? sim_recipients[i].places : 0;
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

void sim_mail_filed(unsigned server, const char *folder, struct bytes octets)
{
    struct sim_try *try = sim_mail_find(octets);
    if (try == NULL) {
        sim_fail("server %u has filed %zu octets that nobody sent", server, octets.len);
    }
    check_text(try, octets);
    for (size_t i = 0; i < SIM_PLACES; i++) {
        if (sim_places[i].server != server || strcmp(sim_places[i].folder, folder) != 0) {
            continue;
        }
        if ((sim_try_places(try) >> i & 1) == 0) {
            sim_fail("try %u was filed into %s, where it does not belong", try->number, folder);
        }
        if (try->state == SIM_TRY_REFUSED || try->state == SIM_TRY_OPEN) {
            sim_fail("try %u was %s and filed into %s", try->number,
                     try->state == SIM_TRY_OPEN ? "never sent whole" : "refused", folder);
        }
        if (++try->filed[i] > 1 && exactly_once) {
            sim_fail("try %u was filed into %s twice", try->number, folder);
        }
        sim_say("try %u filed into %s", try->number, folder);
        return;
    }
    sim_fail("try %u was filed into an unknown folder %s of server %u", try->number, folder, server);
}

/* Deliveries that are acknowledged and nowhere. */
static uint64_t count_missing(uint64_t *excused_r)
{
    uint64_t missing = 0;
    *excused_r = 0;
    for (size_t i = 0; i < book.count; i++) {
        const struct sim_try *try = &book.tries[i];
        for (size_t k = 0; try->state == SIM_TRY_ACKED && k < SIM_PLACES; k++) {
            if ((sim_try_places(try) >> k & 1) != 0 && try->filed[k] == 0) {
                missing++;
                *excused_r += try->refused_for_good[k];
            }
        }
    }
    return missing;
}

bool sim_mail_settled(void)
{
    uint64_t excused, missing = count_missing(&excused);
    return missing == excused;
}

void sim_mail_check_end(uint64_t dead_letters)
{
    uint64_t excused, missing = count_missing(&excused);
    for (size_t i = 0; missing > excused && i < book.count; i++) {
        const struct sim_try *try = &book.tries[i];
        for (size_t k = 0; k < SIM_PLACES; k++) {
            if (try->state == SIM_TRY_ACKED && (sim_try_places(try) >> k & 1) && try->filed[k] == 0 &&
                !try->refused_for_good[k]) {
                sim_fail("try %u was acknowledged and is not in %s", try->number, sim_places[k].folder);
            }
        }
    }
    if (missing > dead_letters) {
        sim_fail("%llu deliveries are nowhere, and %llu dead letters are kept", (unsigned long long)missing,
                 (unsigned long long)dead_letters);
    }
}

size_t sim_mail_count(enum sim_try_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < book.count; i++) {
        count += book.tries[i].state == state;
    }
    return count;
}

/*
 * filters_automata - see filters_automata.h. Vectorscan is a Hyperscan for other processors, too: hs_compile.h,
 * hs_runtime.h.
 */
#include "filters/filters_automata.h"

#ifdef MAILWEIR_VECTORSCAN
#include <hs.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/expect.h"
#include "filters/filters_coarse.h"

#define COARSE_MAX 12000u /* octets of a coarse pattern; Vectorscan takes 16,000 */
#define IDLE       16u    /* scratches that are kept for the next look */

struct part {
    hs_database_t *database;
    uint64_t *all; /* its patterns, as bits by number */
};

/* What a look writes to: big enough for the first so many parts. */
struct scratch {
    hs_scratch_t *scratch;
    size_t parts;
    uint8_t *room; /* for a coarse text */
    size_t room_size;
};

struct filters_automata {
    struct part *parts;
    size_t size, words;
    atomic_size_t count;
    size_t octets;
    _Atomic(struct scratch *) idle[IDLE];
};

bool filters_automata_possible(void)
{
    return hs_valid_platform() == HS_SUCCESS;
}

struct filters_automata *filters_automata_new(size_t parts, size_t numbers)
{
    struct filters_automata *automata = expect_calloc(1, sizeof *automata);
    automata->parts = expect_calloc(parts, sizeof *automata->parts);
    automata->size = parts;
    automata->words = numbers / 64 + 1;
    return automata;
}

static void scratch_free(struct scratch **scratch)
{
    if (*scratch != NULL) {
        hs_free_scratch((*scratch)->scratch);
        free((*scratch)->room);
        free(*scratch);
    }
    *scratch = NULL;
}

void filters_automata_free(struct filters_automata **automata)
{
    if (*automata == NULL) {
        return;
    }
    for (size_t i = 0; i < atomic_load(&(*automata)->count); i++) {
        hs_free_database((*automata)->parts[i].database);
        free((*automata)->parts[i].all);
    }
    for (size_t i = 0; i < IDLE; i++) {
        struct scratch *scratch = atomic_load(&(*automata)->idle[i]);
        scratch_free(&scratch);
    }
    free((*automata)->parts);
    free(*automata);
    *automata = NULL;
}

size_t filters_automata_octets(const struct filters_automata *automata)
{
    return automata->octets;
}

/* ---- growing ---- */

/* What the library is given: one text, its flags and its number for each. */
struct wanted {
    char *texts[FILTERS_AUTOMATA_PART];
    unsigned flags[FILTERS_AUTOMATA_PART], numbers[FILTERS_AUTOMATA_PART];
    unsigned count;
};

static void want(struct wanted *wanted, const struct filters_pattern *pattern)
{
    struct buf coarse;
    bool nocase = filters_pattern_ignores_case(pattern);
    buf_init(&coarse, COARSE_MAX);
    if (filters_coarse_pattern(filters_pattern_text(pattern), nocase, &coarse)) {
        wanted->texts[wanted->count] = expect_strdup(buf_text(&coarse));
        wanted->flags[wanted->count] =
            HS_FLAG_PREFILTER | HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY | (nocase ? HS_FLAG_CASELESS : 0u);
        wanted->numbers[wanted->count] = filters_pattern_number(pattern);
        wanted->count++;
    }
    buf_done(&coarse);
}

static void drop_wanted(struct wanted *wanted, unsigned i)
{
    free(wanted->texts[i]);
    wanted->count--;
    wanted->texts[i] = wanted->texts[wanted->count];
    wanted->flags[i] = wanted->flags[wanted->count];
    wanted->numbers[i] = wanted->numbers[wanted->count];
}

/* What it does not take is dropped until it takes the rest; NULL: it takes nothing. */
static hs_database_t *compile(struct wanted *wanted)
{
    while (wanted->count > 0) {
        hs_database_t *database = NULL;
        hs_compile_error_t *error = NULL;
        if (hs_compile_multi((const char *const *)wanted->texts, wanted->flags, wanted->numbers, wanted->count,
                             HS_MODE_BLOCK, NULL, &database, &error) == HS_SUCCESS) {
            return database;
        }
        /* Which one is not told where they are too much together: then the last one goes. */
        unsigned bad = error != NULL && error->expression >= 0 ? (unsigned)error->expression : wanted->count - 1;
        hs_free_compile_error(error);
        drop_wanted(wanted, bad);
    }
    return NULL;
}

size_t filters_automata_add(struct filters_automata *automata, const struct filters_pattern *const *patterns,
                            size_t count)
{
    struct wanted wanted = {.count = 0};
    size_t octets = 0, parts = atomic_load(&automata->count);
    EXPECT(parts < automata->size && count <= FILTERS_AUTOMATA_PART);
    for (size_t i = 0; i < count; i++) {
        want(&wanted, patterns[i]);
    }
    struct part part = {.database = compile(&wanted)};
    if (part.database != NULL) {
        part.all = expect_calloc(automata->words, sizeof *part.all);
        for (unsigned i = 0; i < wanted.count; i++) {
            part.all[wanted.numbers[i] / 64] |= UINT64_C(1) << (wanted.numbers[i] % 64);
        }
        automata->octets += hs_database_size(part.database, &octets) == HS_SUCCESS ? octets : 0;
        automata->parts[parts] = part;
        atomic_store_explicit(&automata->count, parts + 1, memory_order_release);
    }
    count = wanted.count;
    while (wanted.count > 0) {
        drop_wanted(&wanted, 0);
    }
    return count;
}

/* ---- looking ---- */

static bool fit(struct scratch *scratch, const struct filters_automata *automata, size_t parts)
{
    for (; scratch->parts < parts; scratch->parts++) {
        if (hs_alloc_scratch(automata->parts[scratch->parts].database, &scratch->scratch) != HS_SUCCESS) {
            return false;
        }
    }
    return true;
}

bool filters_automata_begin(struct filters_automata *automata, struct filters_automata_look *look_r,
                            uint64_t *ruled_out)
{
    size_t parts = atomic_load_explicit(&automata->count, memory_order_acquire);
    struct scratch *scratch = NULL;
    if (parts == 0) {
        return false;
    }
    for (size_t i = 0; i < IDLE && scratch == NULL; i++) {
        scratch = atomic_exchange(&automata->idle[i], NULL);
    }
    if (scratch == NULL) {
        scratch = expect_calloc(1, sizeof *scratch);
    }
    if (!fit(scratch, automata, parts)) {
        scratch_free(&scratch);
        return false;
    }
    for (size_t i = 0; i < parts; i++) {
        for (size_t k = 0; k < automata->words; k++) {
            ruled_out[k] |= automata->parts[i].all[k];
        }
    }
    *look_r = (struct filters_automata_look){automata, parts, scratch};
    return true;
}

static int on_match(unsigned number, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    (void)from, (void)to, (void)flags;
    uint64_t *ruled_out = ctx;
    ruled_out[number / 64] &= ~(UINT64_C(1) << (number % 64));
    return 0;
}

bool filters_automata_look(struct filters_automata_look *look, struct bytes text, uint64_t *ruled_out)
{
    struct scratch *scratch = look->scratch;
    if (text.len > scratch->room_size) {
        scratch->room = expect_memory(realloc(scratch->room, text.len));
        scratch->room_size = text.len;
    }
    if (!filters_coarse_text(text, scratch->room, &text)) {
        return false;
    }
    for (size_t i = 0; i < look->parts; i++) {
        if (hs_scan(look->automata->parts[i].database, text.len == 0 ? "" : (const char *)text.ptr, (unsigned)text.len,
                    0, scratch->scratch, on_match, ruled_out) != HS_SUCCESS) {
            return false;
        }
    }
    return true;
}

void filters_automata_end(struct filters_automata_look *look)
{
    struct scratch *scratch = look->scratch;
    for (size_t i = 0; i < IDLE && scratch != NULL; i++) {
        struct scratch *none = NULL;
        if (atomic_compare_exchange_strong(&look->automata->idle[i], &none, scratch)) {
            scratch = NULL;
        }
    }
    scratch_free(&scratch);
}

#else

bool filters_automata_possible(void)
{
    return false;
}

struct filters_automata *filters_automata_new(size_t parts, size_t numbers)
{
    (void)parts, (void)numbers;
    return NULL;
}

void filters_automata_free(struct filters_automata **automata)
{
    *automata = NULL;
}

size_t filters_automata_octets(const struct filters_automata *automata)
{
    (void)automata;
    return 0;
}

size_t filters_automata_add(struct filters_automata *automata, const struct filters_pattern *const *patterns,
                            size_t count)
{
    (void)automata, (void)patterns, (void)count;
    return 0;
}

bool filters_automata_begin(struct filters_automata *automata, struct filters_automata_look *look_r,
                            uint64_t *ruled_out)
{
    (void)automata, (void)look_r, (void)ruled_out;
    return false;
}

bool filters_automata_look(struct filters_automata_look *look, struct bytes text, uint64_t *ruled_out)
{
    (void)look, (void)text, (void)ruled_out;
    return false;
}

void filters_automata_end(struct filters_automata_look *look)
{
    (void)look;
}

#endif

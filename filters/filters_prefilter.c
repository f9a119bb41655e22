/*
 * filters_prefilter - see filters_prefilter.h.
 *
 * Four octets of each needle, the rarest in text, stand in a table by their hash, and in a filter of one bit for each
 * hash that stays in the processor's cache. For each octet of the text there is one look into the filter; only where
 * the bit is set the table is asked. (After Wu and Manber, "A Fast Algorithm for Multi-Pattern Searching", 1994,
 * without its shifts: with thousands of needles there are hardly any.)
 */
#include "filters/filters_prefilter.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "filters/filters_automata.h"
#include "filters/filters_scan.h"

#define GRAM         FILTERS_NEEDLE_ENOUGH
#define PATTERNS_MIN 16u   /* below, trying them costs no more than looking for needles */
#define AUTOMATA_MIN 4u    /* the same, for a pass of automata */
#define FILTER_WORDS 2048u /* 16 KiB: 2^17 bits */
#define NONE         UINT32_MAX

/* A needle, and the patterns and tests for words that need it. */
struct needle {
    struct bytes text; /* the pattern's, or the test's */
    uint32_t at;       /* where the gram stands in it */
    uint32_t gram, next;
    uint32_t first, count; /* of the postings */
    bool nocase;
};

struct filters_prefilter {
    uint64_t filter[FILTER_WORDS];
    uint32_t *heads; /* of the chains, by hash */
    unsigned head_bits;
    struct needle *needles;
    size_t needle_count;
    uint32_t *postings;                      /* numbers of patterns and tests */
    uint64_t *all;                           /* those that have a needle here, as bits by number */
    uint64_t *nocase;                        /* those of them that ignore case */
    size_t words;                            /* of each of both */
    const struct filters_pattern **patterns; /* all of the subject's, with needles and without */
    size_t pattern_count;
    struct filters_automata *automata; /* over them; NULL: there are none */
    bool blanks;                       /* stand in a needle, and may be line ends in a text */
};

/* One pattern of the subject, or test for words, while it is built. */
struct entry {
    struct bytes needle;
    uint32_t number;
    bool nocase;
};

struct build {
    struct entry *entries;
    size_t count, size;
    uint64_t *seen; /* what is among the entries, or has no needle */
    const struct filters_pattern **patterns;
    size_t pattern_count;
};

/* ---- looking ---- */

/* Without regard to the case of letters; what else that makes equal is told apart by comparing. */
static uint32_t gram_at(const void *at)
{
    uint32_t gram;
    memcpy(&gram, at, GRAM);
    return gram | 0x20202020u;
}

static uint32_t hash_of(uint32_t gram)
{
    return gram * 0x9e3779b1u;
}

static uint64_t *filter_word(struct filters_prefilter *prefilter, uint32_t hash)
{
    return &prefilter->filter[hash >> 21];
}

static bool is_in_filter(const struct filters_prefilter *prefilter, uint32_t hash)
{
    return (prefilter->filter[hash >> 21] >> ((hash >> 15) & 63) & 1) != 0;
}

static bool stands_at(const struct needle *needle, struct bytes text, size_t gram)
{
    if (gram < needle->at) {
        return false;
    }
    struct bytes here = bytes_slice(text, gram - needle->at, needle->text.len);
    return needle->nocase ? bytes_equal_nocase(here, needle->text) : bytes_equal(here, needle->text);
}

static void clear_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

static bool has_bit(const uint64_t *bits, size_t i)
{
    return (bits[i / 64] >> (i % 64) & 1) != 0;
}

static void set_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

/* The needles whose gram stands at the place; those that are there whole let their patterns in, once. */
static void look_at(const struct filters_prefilter *prefilter, struct bytes text, size_t at, uint32_t gram,
                    uint64_t *found, uint64_t *ruled_out)
{
    uint32_t hash = hash_of(gram);
    for (uint32_t i = prefilter->heads[hash >> (32 - prefilter->head_bits)]; i != NONE;
         i = prefilter->needles[i].next) {
        const struct needle *needle = &prefilter->needles[i];
        if (needle->gram != gram || has_bit(found, i) || !stands_at(needle, text, at)) {
            continue;
        }
        set_bit(found, i);
        for (uint32_t j = 0; j < needle->count; j++) {
            clear_bit(ruled_out, prefilter->postings[needle->first + j]);
        }
    }
}

static void look_into(const struct filters_prefilter *prefilter, struct bytes text, uint64_t *found,
                      uint64_t *ruled_out)
{
    for (size_t i = 0; i + GRAM <= text.len; i++) {
        uint32_t gram = gram_at(text.ptr + i);
        if (is_in_filter(prefilter, hash_of(gram))) {
            look_at(prefilter, text, i, gram, found, ruled_out);
        }
    }
    /* U+017F and U+212A are "s" and "k" where case does not count (CaseFolding.txt). */
    if (!bytes_is_ascii(text) && (bytes_find(text, bytes_of("\xc5\xbf")) >= 0 || //
                                  bytes_find(text, bytes_of("\xe2\x84\xaa")) >= 0)) {
        for (size_t i = 0; i < prefilter->words; i++) {
            ruled_out[i] &= ~prefilter->nocase[i];
        }
    }
}

/* ---- all of a subject's values ---- */

static void look_for_needles(const struct filters_prefilter *prefilter, const struct filters_fetched *fetched,
                             uint64_t *found, uint64_t *ruled_out)
{
    memcpy(ruled_out, prefilter->all, prefilter->words * sizeof *ruled_out);
    for (size_t i = 0; i < fetched->count; i++) {
        const struct filters_value *value = &fetched->values[i];
        look_into(prefilter, value->text, found, ruled_out);
        /* A needle without a blank is in the lines, too, when all of them are ASCII. */
        if (value->paragraphs.ptr != NULL && (prefilter->blanks || !value->is_ascii)) {
            look_into(prefilter, value->paragraphs, found, ruled_out);
        }
    }
}

/* Where it cannot be told for one text, nothing is known. */
static bool look_by_automata(const struct filters_prefilter *prefilter, const struct filters_fetched *fetched,
                             uint64_t *ruled_out)
{
    struct filters_automata_look look;
    if (prefilter->automata == NULL || !filters_automata_begin(prefilter->automata, &look, ruled_out)) {
        return false;
    }
    bool told = true, whole = true;
    for (size_t i = 0; i < prefilter->words; i++) {
        whole = whole && (prefilter->all[i] & ~ruled_out[i]) == 0;
    }
    for (size_t i = 0; i < fetched->count && told; i++) {
        const struct filters_value *value = &fetched->values[i];
        told = filters_automata_look(&look, value->text, ruled_out) &&
               (value->paragraphs.ptr == NULL || filters_automata_look(&look, value->paragraphs, ruled_out));
    }
    filters_automata_end(&look);
    if (!told) {
        memset(ruled_out, 0, prefilter->words * sizeof *ruled_out);
    }
    return told && whole;
}

void filters_run_prefilter(struct filters_run *run, const struct filters_subject *subject,
                           struct filters_fetched *fetched)
{
    const struct filters_prefilter *prefilter = subject->prefilter;
    size_t octets = 0;
    fetched->looked = true;
    for (size_t i = 0; i < fetched->count; i++) {
        octets += fetched->values[i].text.len + fetched->values[i].paragraphs.len;
    }
    uint64_t *ruled_out = arena_array(run->arena, prefilter->words, sizeof *ruled_out);
    if (ruled_out == NULL || !filters_run_may_test(run, octets)) {
        return; /* each pattern will tell by itself */
    }
    fetched->ruled_out = ruled_out;
    if (look_by_automata(prefilter, fetched, ruled_out)) {
        return; /* of what has a needle it knows all, and better */
    }
    uint64_t *found = arena_array(run->arena, prefilter->needle_count / 64 + 1, sizeof *found);
    uint64_t *by_needle = arena_array(run->arena, prefilter->words, sizeof *by_needle);
    if (found == NULL || by_needle == NULL) {
        return;
    }
    look_for_needles(prefilter, fetched, found, by_needle);
    for (size_t i = 0; i < prefilter->words; i++) {
        ruled_out[i] |= by_needle[i];
    }
}

/* ---- building ---- */

/* For one more behind `count`: in doubling steps. */
static void grow(const struct filters_pattern ***patterns, size_t count)
{
    if ((count & (count - 1)) == 0) {
        *patterns = expect_memory(realloc(*patterns, (count == 0 ? 1 : count * 2) * sizeof **patterns));
    }
}

static void add_entry(struct build *build, struct bytes needle, unsigned number, bool nocase)
{
    if (build->count == build->size) {
        build->size = build->size == 0 ? 64 : build->size * 2;
        build->entries = expect_memory(realloc(build->entries, build->size * sizeof *build->entries));
    }
    build->entries[build->count++] = (struct entry){needle, number, nocase};
}

static void add_pattern(struct build *build, const struct filters_pattern *pattern)
{
    unsigned number = filters_pattern_number(pattern);
    bool nocase;
    const char *needles[FILTERS_PATTERN_NEEDLES_MAX];
    size_t count = filters_pattern_needles(pattern, needles, &nocase);
    if (has_bit(build->seen, number)) {
        return;
    }
    set_bit(build->seen, number);
    grow(&build->patterns, build->pattern_count);
    build->patterns[build->pattern_count++] = pattern;
    for (size_t i = 0; i < count; i++) {
        add_entry(build, bytes_of(needles[i]), number, nocase);
    }
}

/* Where one word has no needle, nothing can be told of the test. */
static void add_words(struct build *build, const struct filters_condition *condition)
{
    bool each = !has_bit(build->seen, condition->number);
    for (size_t i = 0; i < condition->word_count && each; i++) {
        each = filters_scan_run(condition->words[i]).len >= GRAM;
    }
    set_bit(build->seen, condition->number);
    for (size_t i = 0; i < condition->word_count && each; i++) {
        add_entry(build, filters_scan_run(condition->words[i]), condition->number, condition->nocase);
    }
}

/* By subject number; a list that many rules share is gone through for each of them. */
static void add_condition(struct filters_set *set, struct build *builds, const struct filters_condition *condition)
{
    for (size_t i = 0; condition != NULL && i < condition->child_count; i++) {
        add_condition(set, builds, condition->children[i]);
    }
    bool is_looked_for =
        condition != NULL && condition->kind == FILTERS_TEST &&
        (condition->op == FILTERS_MATCHES || (condition->op == FILTERS_CONTAINS && condition->words != NULL));
    if (!is_looked_for || condition->subject->is_volatile) {
        return;
    }
    struct build *build = &builds[condition->subject->number];
    if (build->seen == NULL) {
        build->seen = expect_calloc(set->number_count / 64 + 1, sizeof *build->seen);
    }
    if (condition->pattern != NULL) {
        add_pattern(build, condition->pattern);
    }
    for (size_t i = 0; i < condition->pattern_count; i++) {
        add_pattern(build, condition->patterns[i]);
    }
    if (condition->op == FILTERS_CONTAINS) {
        add_words(build, condition);
    }
}

static int by_needle(const void *a, const void *b)
{
    const struct entry *one = a, *other = b;
    return one->nocase != other->nocase ? (one->nocase ? 1 : -1) : bytes_compare(one->needle, other->needle);
}

/* Where the four octets stand that are the rarest in text. */
static uint32_t rarest_gram(struct bytes needle)
{
    static const char common[] = " etaoinsrhldcumfpgwybv.-=0123456789kxjqz";
    uint32_t best = 0;
    size_t best_rank = 0;
    for (uint32_t at = 0; at + GRAM <= needle.len; at++) {
        size_t rank = 0;
        for (unsigned i = 0; i < GRAM; i++) {
            const char *place = memchr(common, octet_lower(needle.ptr[at + i]), sizeof common - 1);
            rank += place == NULL ? sizeof common : (size_t)(place - common);
        }
        if (rank > best_rank) {
            best = at;
            best_rank = rank;
        }
    }
    return best;
}

static void add_needle(struct filters_prefilter *prefilter, const struct entry *entry, uint32_t first)
{
    uint32_t at = rarest_gram(entry->needle), gram = gram_at(entry->needle.ptr + at), hash = hash_of(gram);
    uint32_t *head = &prefilter->heads[hash >> (32 - prefilter->head_bits)];
    prefilter->needles[prefilter->needle_count] = (struct needle){
        .text = entry->needle, .at = at, .gram = gram, .next = *head, .first = first, .nocase = entry->nocase};
    *head = (uint32_t)prefilter->needle_count++;
    *filter_word(prefilter, hash) |= UINT64_C(1) << ((hash >> 15) & 63);
}

static struct filters_prefilter *new_prefilter(const struct filters_set *set, struct build *build)
{
    struct filters_prefilter *prefilter = expect_calloc(1, sizeof *prefilter);
    prefilter->words = set->number_count / 64 + 1;
    prefilter->all = expect_calloc(prefilter->words, sizeof *prefilter->all);
    prefilter->nocase = expect_calloc(prefilter->words, sizeof *prefilter->nocase);
    prefilter->needles = expect_calloc(build->count + 1, sizeof *prefilter->needles);
    prefilter->postings = expect_calloc(build->count + 1, sizeof *prefilter->postings);
    for (prefilter->head_bits = 8; (size_t)1 << prefilter->head_bits < build->count * 2; prefilter->head_bits++) {
    }
    prefilter->heads = expect_calloc((size_t)1 << prefilter->head_bits, sizeof *prefilter->heads);
    memset(prefilter->heads, 0xff, ((size_t)1 << prefilter->head_bits) * sizeof *prefilter->heads);
    if (build->count > 0) {
        qsort(build->entries, build->count, sizeof *build->entries, by_needle);
    }
    for (size_t i = 0; i < build->count; i++) {
        const struct entry *entry = &build->entries[i];
        if (i == 0 || by_needle(entry, &build->entries[i - 1]) != 0) {
            add_needle(prefilter, entry, (uint32_t)i);
        }
        prefilter->needles[prefilter->needle_count - 1].count++;
        prefilter->postings[i] = entry->number;
        prefilter->blanks = prefilter->blanks || bytes_find_octet(entry->needle, ' ') >= 0;
        set_bit(prefilter->all, entry->number);
        if (entry->nocase) {
            set_bit(prefilter->nocase, entry->number);
        }
    }
    return prefilter;
}

static void take_patterns(const struct filters_set *set, struct filters_prefilter *prefilter, struct build *build)
{
    size_t parts = (build->pattern_count + FILTERS_AUTOMATA_PART - 1) / FILTERS_AUTOMATA_PART;
    prefilter->patterns = build->patterns;
    prefilter->pattern_count = build->pattern_count;
    prefilter->automata = filters_automata_new(parts, set->number_count);
    build->patterns = NULL;
}

void filters_prefilter_build(struct filters_set *set)
{
    struct build *builds = expect_calloc(set->subject_count + 1, sizeof *builds);
    for (size_t i = 0; i < set->group_count; i++) {
        for (size_t j = 0; j < set->groups[i].rule_count; j++) {
            add_condition(set, builds, set->groups[i].rules[j].condition);
        }
    }
    for (size_t i = 0; i < set->subject_count; i++) {
        bool automata = builds[i].pattern_count >= AUTOMATA_MIN && filters_automata_possible();
        if (builds[i].count >= PATTERNS_MIN || automata) {
            set->subjects[i]->prefilter = new_prefilter(set, &builds[i]);
        }
        if (automata) {
            take_patterns(set, set->subjects[i]->prefilter, &builds[i]);
        }
        free(builds[i].patterns);
        free(builds[i].entries);
        free(builds[i].seen);
    }
    free(builds);
}

void filters_prefilter_free(struct filters_prefilter **prefilter)
{
    if (*prefilter == NULL) {
        return;
    }
    filters_automata_free(&(*prefilter)->automata);
    free((*prefilter)->patterns);
    free((*prefilter)->heads);
    free((*prefilter)->needles);
    free((*prefilter)->postings);
    free((*prefilter)->all);
    free((*prefilter)->nocase);
    free(*prefilter);
    *prefilter = NULL;
}

/* ---- hastening ---- */

bool filters_hasten(const struct filters_set *set, struct filters_hastened *progress)
{
    for (; progress->subject < set->subject_count; progress->subject++, progress->pattern = 0) {
        const struct filters_prefilter *prefilter = set->subjects[progress->subject]->prefilter;
        if (prefilter == NULL || progress->pattern == prefilter->pattern_count) {
            continue;
        }
        size_t left = prefilter->pattern_count - progress->pattern;
        size_t count = left < FILTERS_AUTOMATA_PART ? left : FILTERS_AUTOMATA_PART;
        size_t before = filters_automata_octets(prefilter->automata);
        progress->ready += filters_automata_add(prefilter->automata, prefilter->patterns + progress->pattern, count);
        progress->octets += filters_automata_octets(prefilter->automata) - before;
        progress->pattern += count;
        return true;
    }
    return false;
}

size_t filters_hasten_wanted(const struct filters_set *set)
{
    size_t count = 0;
    for (size_t i = 0; i < set->subject_count; i++) {
        count += set->subjects[i]->prefilter == NULL ? 0 : set->subjects[i]->prefilter->pattern_count;
    }
    return count;
}

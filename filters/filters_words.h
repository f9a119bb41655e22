/*
 * filters_words - a set of texts or networks that is looked up, not scanned: for "is", "in" and list files.
 *
 * Texts are kept as they are, or folded. An entry "@example.com" stands for every address at that domain,
 * ".example.com" for every domain below it (and "@.example.com" for addresses there); "*@example.com" and
 * "*@*.example.com" are other ways to write the two for addresses. Networks are kept by their length: one look-up per
 * distinct length.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_WORDS_H
#define MAILWEIR_FILTERS_FILTERS_WORDS_H

#include "base/bytes.h"
#include "base/must_use.h"

#define FILTERS_WORDS_MAX 2000000

struct filters_words;

enum filters_words_mode {
    FILTERS_WORDS_EXACT,
    FILTERS_WORDS_FOLDED,
    FILTERS_WORDS_NETWORKS,
};

MUST_USE struct filters_words *filters_words_new(enum filters_words_mode mode);
void filters_words_free(struct filters_words **words);
/* -1 when it is not a network (NETWORKS only), or when the set is full. */
MUST_USE int filters_words_add(struct filters_words *words, struct bytes entry);
size_t filters_words_count(const struct filters_words *words);
/* Whether the value is in the set. A FOLDED set wants it folded. */
bool filters_words_has(const struct filters_words *words, struct bytes value);
/* The same, and entries for whole domains count. */
bool filters_words_has_address(const struct filters_words *words, struct bytes value);
/* Whether any entry stands for a whole domain. */
bool filters_words_has_domains(const struct filters_words *words);
/*
 * The keys under which filters_words_has_address() looks for the value, one per step from 0 on: itself, "@" and its
 * domain, "@." and each domain above. False at the end. *key_r points into value or key.
 */
#define FILTERS_WORDS_KEY_MAX 300
MUST_USE bool filters_words_probe(struct bytes value, unsigned step, uint8_t key[FILTERS_WORDS_KEY_MAX],
                                  struct bytes *key_r);
/* The text of an address. False when it is none. */
bool filters_words_has_network(const struct filters_words *words, struct bytes address);
/*
 * The key under which a network of that length stands that has this address; its last octet is the length. For look-ups
 * across sets: the keys are what filters_words_next() gives of a NETWORKS set.
 */
#define FILTERS_WORDS_NETWORK_KEY 17
void filters_words_network_key(const uint8_t address[16], unsigned bits, uint8_t key[FILTERS_WORDS_NETWORK_KEY]);
/* Iterates over the entries of a set, in no particular order: start with *cursor = 0. */
MUST_USE bool filters_words_next(const struct filters_words *words, size_t *cursor, struct bytes *entry_r);
/* Whether every entry of a is in b. */
bool filters_words_within(const struct filters_words *a, const struct filters_words *b);

#endif

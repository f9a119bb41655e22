/*
 * filters_words - see filters_words.h.
 */
#include "filters/filters_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/map.h"
#include "base/network.h"
#include "filters/filters_text.h"
#include "mail/mail_canonical.h"

#define ENTRY_MAX  4096
#define LABELS_MAX 40 /* of a domain: how many suffixes are looked up */

struct filters_words {
    enum filters_words_mode mode;
    struct map *entries;  /* NETWORKS: masked address and length */
    uint8_t lengths[129]; /* NETWORKS: whether there is one of that length */
    bool has_domains;     /* an entry begins with "@" or "." */
};

struct filters_words *filters_words_new(enum filters_words_mode mode)
{
    struct filters_words *words = expect_calloc(1, sizeof *words);
    words->mode = mode;
    words->entries = map_new(FILTERS_WORDS_MAX, NULL);
    return words;
}

void filters_words_free(struct filters_words **words)
{
    if (*words == NULL) {
        return;
    }
    map_free(&(*words)->entries, NULL);
    free(*words);
    *words = NULL;
}

void filters_words_network_key(const uint8_t address[16], unsigned bits, uint8_t key[FILTERS_WORDS_NETWORK_KEY])
{
    memset(key, 0, FILTERS_WORDS_NETWORK_KEY);
    for (unsigned i = 0; i < 16 && i * 8 < bits; i++) {
        unsigned left = bits - i * 8;
        unsigned mask = left >= 8 ? 0xffu : 0xff00u >> left;
        key[i] = (uint8_t)(address[i] & mask);
    }
    key[FILTERS_WORDS_NETWORK_KEY - 1] = (uint8_t)bits;
}

static int add_network(struct filters_words *words, struct bytes entry)
{
    struct network network;
    if (network_parse(&network, entry) < 0) {
        return -1;
    }
    uint8_t key[FILTERS_WORDS_NETWORK_KEY];
    filters_words_network_key(network.address, network.bits, key);
    words->lengths[network.bits] = 1;
    return map_set(words->entries, bytes_at(key, sizeof key), words);
}

/* "*@example.com" and "*@*.example.com", as the configuration writes them, are said without their asterisks too. */
static int add_pattern(struct filters_words *words, struct bytes entry)
{
    bool below = bytes_starts_nocase(entry, "*@*.");
    struct bytes domain = bytes_from(entry, below ? 3 : 2); /* with its dot, or without */
    if (domain.len == 0 || bytes_find_octet(domain, '*') >= 0) {
        return 0;
    }
    char text[FILTERS_WORDS_KEY_MAX];
    int len = snprintf(text, sizeof text, "@%.*s", (int)domain.len, (const char *)domain.ptr);
    return len >= (int)sizeof text ? 0 : filters_words_add(words, bytes_at(text, (size_t)len));
}

int filters_words_add(struct filters_words *words, struct bytes entry)
{
    if (words->mode == FILTERS_WORDS_NETWORKS) {
        return add_network(words, entry);
    }
    if (bytes_starts_nocase(entry, "*@") && add_pattern(words, entry) < 0) {
        return -1;
    }
    words->has_domains = words->has_domains || (entry.len > 1 && (entry.ptr[0] == '@' || entry.ptr[0] == '.'));
    struct buf folded, composed;
    buf_init(&folded, ENTRY_MAX * 4);
    entry = mail_canonical_text(entry, &composed); /* as the values are (RFC 5198 section 3) */
    int result = 0;
    if (words->mode == FILTERS_WORDS_FOLDED) {
        result = filters_text_fold(entry, &folded);
        entry = buf_bytes(&folded);
    }
    result = result == 0 ? map_set(words->entries, entry, words) : result;
    buf_done(&folded);
    buf_done(&composed);
    return result;
}

size_t filters_words_count(const struct filters_words *words)
{
    return map_count(words->entries);
}

bool filters_words_has(const struct filters_words *words, struct bytes value)
{
    return map_get(words->entries, value) != NULL;
}

/* What stands behind the last "@", or all of it; *at_r tells whether there is one. */
static struct bytes domain_of(struct bytes value, bool *at_r)
{
    size_t at = value.len;
    while (at > 0 && value.ptr[at - 1] != '@') {
        at--;
    }
    *at_r = at > 0;
    return bytes_from(value, at);
}

bool filters_words_probe(struct bytes value, unsigned step, uint8_t key[FILTERS_WORDS_KEY_MAX], struct bytes *key_r)
{
    bool at;
    struct bytes domain = domain_of(value, &at);
    if (step == 0) {
        *key_r = value;
        return true;
    }
    if (step == 1 && at) {
        *key_r = bytes_at(domain.ptr - 1, domain.len + 1);
        return true;
    }
    for (unsigned skip = at ? 2 : 1; skip <= step;
         skip++) { /* ".example.com" of a.b.example.com: from one dot after the other on */
        ptrdiff_t dot = bytes_find_octet(domain, '.');
        if (dot < 0 || skip > LABELS_MAX) {
            return false;
        }
        domain = bytes_from(domain, (size_t)dot + 1);
    }
    if (domain.len + 2 > FILTERS_WORDS_KEY_MAX) {
        return false;
    }
    key[0] = '@';
    key[1] = '.';
    memcpy(key + 2, domain.ptr, domain.len);
    *key_r = at ? bytes_at(key, domain.len + 2) : bytes_at(key + 1, domain.len + 1);
    return true;
}

bool filters_words_has_address(const struct filters_words *words, struct bytes value)
{
    uint8_t key[FILTERS_WORDS_KEY_MAX];
    struct bytes probe;
    for (unsigned step = 0; filters_words_probe(value, step, key, &probe); step++) {
        if (filters_words_has(words, probe)) {
            return true;
        }
        if (!words->has_domains) {
            return false;
        }
    }
    return false;
}

bool filters_words_has_domains(const struct filters_words *words)
{
    return words->has_domains;
}

bool filters_words_has_network(const struct filters_words *words, struct bytes address)
{
    uint8_t octets[16], key[FILTERS_WORDS_NETWORK_KEY];
    if (network_address_parse(octets, address) < 0) {
        return false;
    }
    for (unsigned bits = 0; bits <= 128; bits++) {
        if (words->lengths[bits] == 0) {
            continue;
        }
        filters_words_network_key(octets, bits, key);
        if (filters_words_has(words, bytes_at(key, sizeof key))) {
            return true;
        }
    }
    return false;
}

bool filters_words_next(const struct filters_words *words, size_t *cursor, struct bytes *entry_r)
{
    void *value;
    return map_next(words->entries, cursor, entry_r, &value);
}

bool filters_words_within(const struct filters_words *a, const struct filters_words *b)
{
    if (a->mode != b->mode || map_count(a->entries) > map_count(b->entries)) {
        return false;
    }
    size_t cursor = 0;
    struct bytes entry;
    while (filters_words_next(a, &cursor, &entry)) {
        if (!filters_words_has(b, entry)) {
            return false;
        }
    }
    return true;
}

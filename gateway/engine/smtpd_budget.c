/* smtpd_budget - what a network has used within a window of time. Contract: smtpd_budget.h. */
#include "engine/smtpd_budget.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/map.h"
#include "base/network.h"

#define V6_NETWORK_OCTETS 8

struct use {
    uint64_t began; /* of the current window */
    unsigned current, previous;
};

struct smtpd_budget {
    uint64_t window;
    size_t max;
    struct map *networks; /* of struct use by network */
    struct use others;    /* of those that found no place */
};

struct bytes smtpd_network_key(const char *address, uint8_t into[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (network_address_parse(into, bytes_of(address)) < 0) {
        return bytes_of(address);
    }
    return bytes_at(into, memcmp(into, mapped, sizeof mapped) == 0 ? 16 : V6_NETWORK_OCTETS);
}

/* FNV-1a */
uint64_t smtpd_network_hash(const char *address)
{
    uint8_t binary[16];
    struct bytes key = smtpd_network_key(address, binary);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.len; i++) {
        hash = (hash ^ key.ptr[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

struct smtpd_budget *smtpd_budget_new(size_t max_networks, uint64_t window_ms, const uint8_t *seed)
{
    struct smtpd_budget *budget = expect_calloc(1, sizeof *budget);
    budget->window = window_ms;
    budget->max = max_networks;
    budget->networks = map_new(max_networks, seed);
    return budget;
}

void smtpd_budget_free(struct smtpd_budget **budget)
{
    if (*budget == NULL) {
        return;
    }
    map_free(&(*budget)->networks, free);
    free(*budget);
    *budget = NULL;
}

/* Moves the windows on to now. */
static void advance_use(const struct smtpd_budget *budget, struct use *use, uint64_t now)
{
    uint64_t age = now - use->began;
    if (age < budget->window) {
        return;
    }
    use->previous = age < 2 * budget->window ? use->current : 0;
    use->current = 0;
    use->began = age < 2 * budget->window ? use->began + budget->window : now;
}

/* Forgets one network that has been quiet for two windows; false when there is none. */
static bool forget_one(struct smtpd_budget *budget, uint64_t now)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (map_next(budget->networks, &cursor, &key, &value)) {
        if (now - ((struct use *)value)->began >= 2 * budget->window) {
            free(map_remove(budget->networks, key));
            return true;
        }
    }
    return false;
}

static struct use *use_of(struct smtpd_budget *budget, const char *address, uint64_t now)
{
    uint8_t binary[16];
    struct bytes key = smtpd_network_key(address, binary);
    struct use *use = map_get(budget->networks, key);
    if (use != NULL) {
        return use;
    }
    if (map_count(budget->networks) >= budget->max && !forget_one(budget, now)) {
        return &budget->others;
    }
    use = expect_calloc(1, sizeof *use);
    use->began = now;
    EXPECT(map_set(budget->networks, key, use) == 0);
    return use;
}

void smtpd_budget_add(struct smtpd_budget *budget, const char *address, uint64_t now, unsigned amount)
{
    struct use *use = use_of(budget, address, now);
    advance_use(budget, use, now);
    use->current = use->current + amount < use->current ? UINT32_MAX : use->current + amount;
}

unsigned smtpd_budget_used(struct smtpd_budget *budget, const char *address, uint64_t now)
{
    uint8_t binary[16];
    struct use *use = map_get(budget->networks, smtpd_network_key(address, binary));
    if (use == NULL) {
        if (map_count(budget->networks) < budget->max) {
            return 0;
        }
        use = &budget->others;
    }
    advance_use(budget, use, now);
    uint64_t left = budget->window - (now - use->began);
    return use->current + (unsigned)(use->previous * left / budget->window);
}

/* smtpd_admission - session counts. Contract: smtpd_admission.h. */
#include "engine/smtpd_admission.h"

#include <stdlib.h>

#include "base/expect.h"
#include "base/map.h"
#include "engine/smtpd_budget.h"

/* As many sessions as any configuration may allow. */
#define NETWORKS_MAX 1000000

struct smtpd_admission {
    unsigned max, max_per_network, count;
    struct map *networks; /* of struct entry by network */
};

struct entry {
    unsigned count;
};

struct smtpd_admission *smtpd_admission_new(unsigned max, unsigned max_per_network, const uint8_t *seed)
{
    struct smtpd_admission *admission = expect_calloc(1, sizeof *admission);
    admission->max = max;
    admission->max_per_network = max_per_network;
    admission->networks = map_new(NETWORKS_MAX, seed);
    return admission;
}

void smtpd_admission_free(struct smtpd_admission **admission)
{
    if (*admission == NULL) {
        return;
    }
    map_free(&(*admission)->networks, free);
    free(*admission);
    *admission = NULL;
}

enum smtpd_admission_result smtpd_admission_enter(struct smtpd_admission *admission, const char *address)
{
    uint8_t binary[16];
    struct bytes key = smtpd_network_key(address, binary);
    struct entry *entry = map_get(admission->networks, key);
    if (admission->count >= admission->max) {
        return SMTPD_ADMISSION_FULL;
    }
    if (entry != NULL && entry->count >= admission->max_per_network) {
        return SMTPD_ADMISSION_NETWORK_FULL;
    }
    if (entry == NULL) {
        entry = expect_calloc(1, sizeof *entry);
        EXPECT(map_set(admission->networks, key, entry) == 0);
    }
    entry->count++;
    admission->count++;
    return SMTPD_ADMITTED;
}

void smtpd_admission_leave(struct smtpd_admission *admission, const char *address)
{
    uint8_t binary[16];
    struct bytes key = smtpd_network_key(address, binary);
    struct entry *entry = map_get(admission->networks, key);
    EXPECT(entry != NULL && admission->count > 0);
    admission->count--;
    if (--entry->count == 0) {
        free(map_remove(admission->networks, key));
    }
}

void smtpd_admission_set(struct smtpd_admission *admission, unsigned max, unsigned max_per_network)
{
    admission->max = max;
    admission->max_per_network = max_per_network;
}

unsigned smtpd_admission_count(const struct smtpd_admission *admission)
{
    return admission->count;
}

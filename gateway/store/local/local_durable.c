/*
 * local_durable - see local_durable.h.
 */
#include "store/local/local_durable.h"

#include <stdlib.h>

#include "base/expect.h"

struct local_durable {
    struct local_record *said; /* of each only the end counts */
    size_t count, room;
};

struct local_durable *local_durable_new(void)
{
    return expect_calloc(1, sizeof(struct local_durable));
}

void local_durable_free(struct local_durable **durable)
{
    if (*durable != NULL) {
        free((*durable)->said);
        free(*durable);
        *durable = NULL;
    }
}

void local_durable_note(struct local_durable *durable, const struct local_record *record)
{
    if (record->end_len == 0 || record->durable.segment == 0) {
        return;
    }
    if (durable->count == durable->room) {
        durable->room = durable->room == 0 ? 64 : durable->room * 2;
        durable->said = expect_memory(realloc(durable->said, durable->room * sizeof *durable->said));
    }
    durable->said[durable->count++] = *record;
}

bool local_durable_proves(const struct local_durable *durable, struct local_spot spot)
{
    for (size_t i = 0; i < durable->count; i++) {
        const struct local_spot *until = &durable->said[i].durable;
        if (until->segment == spot.segment && until->at > spot.at) {
            return true;
        }
    }
    return false;
}

bool local_durable_voids(const struct local_durable *durable, struct local_spot spot, const struct local_record *record)
{
    for (size_t i = 0; record->end_len != 0 && i < durable->count; i++) {
        const struct local_record *said = &durable->said[i];
        if (said->durable.segment == spot.segment && said->durable.at <= spot.at &&
            local_record_is_before(record, said)) {
            return true;
        }
    }
    return false;
}

/*
 * rules_share - see rules_share.h.
 */
#include "decision/rules_share.h"

#include <stdlib.h>

#include "base/expect.h"

struct rules_share *rules_share_new(struct filters_set **set)
{
    struct rules_share *share = expect_calloc(1, sizeof *share);
    share->set = *set;
    share->costs = expect_calloc(filters_rule_count(*set) + 1, sizeof *share->costs);
    share->owners = 1;
    *set = NULL;
    return share;
}

void rules_share_release(struct rules_share **share)
{
    if (*share != NULL && --(*share)->owners == 0) {
        filters_set_free(&(*share)->set);
        free((*share)->costs);
        free(*share);
    }
    *share = NULL;
}

/*
 * filters_builder - a decision in the making: actions add deliveries, edits and refusals to it. Internal.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_BUILDER_H
#define MAILWEIR_FILTERS_FILTERS_BUILDER_H

#include "base/must_use.h"
#include "filters/filters_run.h"

#define FILTERS_DELIVERIES_MAX 1000u
#define FILTERS_EDITS_MAX      100u
#define FILTERS_REPLY_MAX      400u
#define FILTERS_COUNTED_MAX    100u

struct filters_builder {
    struct filters_run run;
    struct arena *arena; /* of the result */
    struct filters_decision decision;
    size_t delivery_size, rule_size, watched_size, counted_size;
    const char **tried; /* the decision's */
    size_t tried_octets;
    uint64_t tried_left_out;
    const char *failed[FILTERS_FAILURES_MAX + 1]; /* the decision's */
    /* of the recipient at hand: */
    bool taken; /* no default is needed */
    bool held;
    struct mail_edit *edits;
    size_t edit_count, edit_size;
};

/* A refusal that ends the run is in the decision; what goes on, what ends, what failed: */
enum filters_flow { FILTERS_GO_ON, FILTERS_ENDED, FILTERS_GOTO_GROUP, FILTERS_BROKEN };

/*
 * Does the actions in order. GOTO_GROUP: *group_r is where to go on. At the envelope alone only refusals, variables
 * and jumps are done; run.incomplete tells that a refusal's text is not known yet.
 */
enum filters_flow filters_act(struct filters_builder *builder, const char *rule, const struct filters_action *actions,
                              size_t count, unsigned *group_r);
/* Begins the next recipient. */
void filters_builder_next(struct filters_builder *builder, size_t recipient);
/* Every delivery is for all recipients. -1 with a fault. */
MUST_USE int filters_builder_share(struct filters_builder *builder);
/* Notes that the rule acted. -1 with a fault. */
MUST_USE int filters_builder_note_rule(struct filters_builder *builder, const char *name);
/* The same of one that only watches. */
MUST_USE int filters_builder_note_watched(struct filters_builder *builder, const char *name);
/* At load: what the record of a message will say of each rule of the group. -1 when the set's arena is full. */
MUST_USE int filters_tried_prepare(struct filters_set *set, struct filters_group *group);
/*
 * The record of what was tried (mail_envelope.h): a recipient begins; a rule had this outcome; the rules from `from` to
 * before `to` said no; all is done. -1 with a fault.
 */
MUST_USE int filters_tried_recipient(struct filters_builder *builder, const char *recipient);
MUST_USE int filters_tried_rule(struct filters_builder *builder, const struct filters_group *group,
                                const struct filters_rule *rule, enum filters_verdict verdict);
MUST_USE int filters_tried_no(struct filters_builder *builder, const struct filters_group *group, size_t from,
                              size_t to);
MUST_USE int filters_tried_end(struct filters_builder *builder);
/* The configuration's default: a delivery, or the refusal of what nobody takes. -1 with a fault. */
MUST_USE int filters_builder_default(struct filters_builder *builder);

#endif

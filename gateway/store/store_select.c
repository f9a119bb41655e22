/*
 * store_select - see store_select.h.
 */
#include "store/store_select.h"

#include <string.h>

#include "base/expect.h"
#include "base/units.h"

static struct store_criterion *new_criterion(struct store_criteria *criteria, enum store_criterion_kind kind)
{
    EXPECT(criteria->count < STORE_CRITERION_KINDS);
    struct store_criterion *criterion = &criteria->list[criteria->count++];
    *criterion = (struct store_criterion){.kind = kind};
    return criterion;
}

static void add_text(struct store_criteria *criteria, enum store_criterion_kind kind, const char *text)
{
    if (text != NULL) {
        new_criterion(criteria, kind)->text = text;
    }
}

static void add_number(struct store_criteria *criteria, enum store_criterion_kind kind, int64_t number)
{
    struct store_criterion *criterion = new_criterion(criteria, kind);
    criterion->has_number = true;
    criterion->number = number;
}

/* "<message id>.<number>" or a message id. */
static void add_id(struct store_criteria *criteria, const char *id)
{
    const char *dot = strrchr(id, '.');
    uint64_t number;
    bool is_delivery = dot != NULL && bytes_to_u64(bytes_of(dot + 1), &number) && number <= INT32_MAX;
    size_t len = is_delivery ? (size_t)(dot - id) : strlen(id);
    if (len >= sizeof criteria->id) {
        len = 0; /* nothing has an id of that length */
    }
    memcpy(criteria->id, id, len);
    criteria->id[len] = '\0';
    add_text(criteria, units_is_id_head(bytes_of(criteria->id)) ? STORE_BY_ID_HEAD : STORE_BY_ID, criteria->id);
    if (is_delivery) {
        add_number(criteria, STORE_BY_NUMBER, (int64_t)number);
    }
}

static void add_state(struct store_criteria *criteria, int state)
{
    if (state < 0 || !store_state_is_settled((enum store_state)state)) {
        new_criterion(criteria, STORE_BY_OPEN);
    }
    if (state >= 0) {
        add_number(criteria, STORE_BY_STATE, state);
    } else {
        new_criterion(criteria, STORE_BY_OPEN_STATE);
    }
}

void store_select_criteria(const struct store_select *select, struct store_criteria *criteria)
{
    criteria->count = 0;
    add_state(criteria, select->state == NULL ? -1 : store_state_of(select->state));
    if (select->id != NULL) {
        add_id(criteria, select->id);
    }
    add_text(criteria, STORE_BY_MESSAGE_ID, select->message_id);
    add_text(criteria, STORE_BY_UPSTREAM, select->upstream);
    add_text(criteria, STORE_BY_FOLDER, select->folder);
    add_text(criteria, STORE_BY_SENDER, select->sender);
    add_text(criteria, STORE_BY_RULE, select->rule);
    if (select->before_ms != 0) {
        add_number(criteria, STORE_BY_BEFORE, select->before_ms);
    }
    if (select->since_ms != 0) {
        add_number(criteria, STORE_BY_SINCE, select->since_ms);
    }
    if (select->tried) {
        new_criterion(criteria, STORE_BY_TRIED);
    }
    add_text(criteria, STORE_BY_SUBJECT, select->subject);
    add_text(criteria, STORE_BY_TO, select->to);
}

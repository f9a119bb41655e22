/*
 * filters_count - see filters_count.h.
 */
#include "filters/filters_count.h"

#include "filters/filters_formula.h"
#include "filters/filters_text.h"

int filters_count_values(struct filters_run *run, const struct filters_subject *subject,
                         struct filters_fetched *fetched)
{
    const struct filters_counters *counters = run->message->counters;
    struct filters_filler filler = {.value = filters_formula_fill, .ctx = run};
    struct buf key;
    buf_init(&key, FILTERS_VALUE_MAX);
    if (subject->key != NULL) {
        filters_template_line(subject->key, &filler, &key);
    }
    struct bytes text = filters_text_cut(buf_bytes(&key), FILTERS_COUNTER_KEY_MAX);
    bool asks = counters != NULL && (subject->key == NULL || text.len > 0);
    uint64_t count =
        !asks ? 0 : counters->count(counters, subject->headers[0], text, run->message->now_ms - subject->within_ms);
    buf_done(&key);
    return fault_is_set(run->fault) ? -1 : filters_run_add_number(run, fetched, (int64_t)count, NULL);
}

const struct filters_counter *filters_counters_of(const struct filters_set *set, size_t *count_r)
{
    *count_r = set->counter_count;
    return set->counters;
}

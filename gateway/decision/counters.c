/*
 * counters - see counters.h.
 *
 * The loop counts, the lanes of the rules ask: one lock, held for a look-up. It is spun on: what is done under it is
 * shorter than going to sleep.
 */
#include "decision/counters.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/map.h"

/* One message: when, and which. */
struct event {
    int64_t at_ms;
    uint64_t who;
};

/* Those of one key, the oldest first; what is before `first` is gone. */
struct series {
    int64_t keep_ms;
    struct event *events;
    size_t first, count, size;
};

struct counters {
    struct filters_counters ask;
    atomic_flag busy;
    struct map *keep;   /* counter -> how long, int64_t */
    struct map *series; /* counter ":" key -> struct series */
    size_t all;         /* events */
};

static void take_lock(struct counters *counters)
{
    while (atomic_flag_test_and_set_explicit(&counters->busy, memory_order_acquire)) {
    }
}

static void give_back(struct counters *counters)
{
    atomic_flag_clear_explicit(&counters->busy, memory_order_release);
}

/* Names have no colon. */
static void write_name(struct buf *out, const char *counter, struct bytes key)
{
    buf_init(out, 1000);
    buf_append_text(out, counter);
    buf_append_text(out, ":");
    buf_append_bytes(out, key);
}

static size_t end_of(const struct series *series)
{
    return series->first + series->count;
}

/* How many are as old as that, or older. */
static size_t older(const struct series *series, int64_t ms)
{
    size_t low = series->first, high = end_of(series);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (series->events[middle].at_ms <= ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low - series->first;
}

/* FNV-1a: known by a number, for a series holds many. */
static uint64_t number_of(const struct mail_envelope *envelope)
{
    const char *text = envelope->message_id == NULL ? envelope->id : envelope->message_id;
    uint64_t number = UINT64_C(14695981039346656037);
    for (; *text != '\0'; text++) {
        number = (number ^ (uint8_t)*text) * UINT64_C(1099511628211);
    }
    return number;
}

/*
 * How many came before the message. Of those that came within its millisecond, those that stand before it: they are in
 * the order in which they were acknowledged.
 */
static size_t before(const struct series *series, const struct mail_envelope *itself)
{
    size_t count = older(series, itself->received_ms - 1), end = older(series, itself->received_ms);
    for (size_t i = count; i < end; i++) {
        if (series->events[series->first + i].who == number_of(itself)) {
            return i;
        }
    }
    return count;
}

static uint64_t count_since(const struct filters_counters *asked, const char *counter, struct bytes key,
                            int64_t since_ms)
{
    struct counters *counters = asked->ctx;
    struct buf name;
    write_name(&name, counter, key);
    take_lock(counters);
    const struct series *series = map_get(counters->series, buf_bytes(&name));
    size_t first = series == NULL ? 0 : older(series, since_ms);
    size_t end = series == NULL ? 0 : asked->itself == NULL ? series->count : before(series, asked->itself);
    uint64_t count = end > first ? end - first : 0;
    give_back(counters);
    buf_done(&name);
    return count;
}

const struct filters_counters *counters_to_ask(const struct counters *counters)
{
    return &counters->ask;
}

/* ---- life ---- */

struct counters *counters_new(void)
{
    struct counters *counters = expect_calloc(1, sizeof *counters);
    counters->ask = (struct filters_counters){.count = count_since, .ctx = counters};
    atomic_flag_clear(&counters->busy);
    counters->keep = map_new(COUNTERS_KEYS_MAX, NULL);
    counters->series = map_new(COUNTERS_KEYS_MAX, NULL);
    return counters;
}

static void free_series(void *value)
{
    struct series *series = value;
    free(series->events);
    free(series);
}

void counters_free(struct counters **counters)
{
    if (*counters == NULL) {
        return;
    }
    map_free(&(*counters)->keep, free);
    map_free(&(*counters)->series, free_series);
    free(*counters);
    *counters = NULL;
}

/* ---- what is kept ---- */

static void forget_events(struct counters *counters, struct series *series, size_t count)
{
    series->first += count;
    series->count -= count;
    counters->all -= count;
}

/* Forgets what nothing asks for any more, before `now_ms`. */
static void forget_old(struct counters *counters, int64_t now_ms)
{
    size_t cursor = 0;
    struct bytes key;
    void *value;
    while (map_next(counters->series, &cursor, &key, &value)) {
        struct series *series = value;
        forget_events(counters, series, older(series, now_ms - series->keep_ms));
        if (series->count == 0) {
            map_remove_seen(counters->series, &cursor);
            free_series(series);
        }
    }
}

static int64_t kept_of(const struct counters *counters, struct bytes counter)
{
    const int64_t *keep = map_get(counters->keep, counter);
    return keep == NULL ? 0 : *keep;
}

bool counters_keep(struct counters *counters, const struct filters_counter *wanted, size_t count)
{
    bool longer = false;
    size_t cursor = 0;
    struct bytes key;
    void *value;
    take_lock(counters);
    for (size_t i = 0; i < count; i++) {
        longer = longer || wanted[i].keep_ms > kept_of(counters, bytes_of(wanted[i].name));
    }
    map_free(&counters->keep, free);
    counters->keep = map_new(COUNTERS_KEYS_MAX, NULL);
    for (size_t i = 0; i < count; i++) {
        int64_t *keep = expect_calloc(1, sizeof *keep);
        *keep = wanted[i].keep_ms;
        if (map_set(counters->keep, bytes_of(wanted[i].name), keep) < 0) {
            free(keep);
        }
    }
    while (map_next(counters->series, &cursor, &key, &value)) {
        struct bytes rest = key;
        ((struct series *)value)->keep_ms = kept_of(counters, bytes_cut(&rest, ':'));
    }
    give_back(counters);
    return longer;
}

/* ---- counting ---- */

static bool has_seen(const struct series *series, uint64_t who)
{
    for (size_t i = series->first; i < end_of(series); i++) {
        if (series->events[i].who == who) {
            return true;
        }
    }
    return false;
}

static void make_room(struct series *series)
{
    if (end_of(series) < series->size) {
        return;
    }
    if (series->first > series->size / 2) {
        memmove(series->events, series->events + series->first, series->count * sizeof *series->events);
        series->first = 0;
        return;
    }
    series->size = series->size == 0 ? 8 : series->size * 2;
    series->events = expect_memory(realloc(series->events, series->size * sizeof *series->events));
}

/* In its place by time: two that end together may come in either order. */
static void insert(struct counters *counters, struct series *series, struct event event)
{
    make_room(series);
    size_t at = end_of(series);
    for (; at > series->first && series->events[at - 1].at_ms > event.at_ms; at--) {
        series->events[at] = series->events[at - 1];
    }
    series->events[at] = event;
    series->count++;
    counters->all++;
}

static struct series *series_of(struct counters *counters, struct bytes name, const char *counter)
{
    struct series *series = map_get(counters->series, name);
    if (series == NULL) {
        series = expect_calloc(1, sizeof *series);
        series->keep_ms = kept_of(counters, bytes_of(counter));
        if (map_set(counters->series, name, series) < 0) {
            free_series(series);
            series = NULL;
        }
    }
    return series;
}

static void count_one(struct counters *counters, const struct mail_counted *counted, struct event event)
{
    struct buf name;
    write_name(&name, counted->counter, bytes_of(counted->key));
    struct series *series = series_of(counters, buf_bytes(&name), counted->counter);
    if (series != NULL && !has_seen(series, event.who)) {
        insert(counters, series, event);
        size_t old = older(series, series->events[end_of(series) - 1].at_ms - series->keep_ms);
        size_t many = series->count > COUNTERS_OF_KEY_MAX ? series->count - COUNTERS_OF_KEY_MAX : 0;
        forget_events(counters, series, old > many ? old : many);
    }
    buf_done(&name);
}

void counters_add(struct counters *counters, const struct mail_envelope *envelope)
{
    const struct event event = {.at_ms = envelope->received_ms, .who = number_of(envelope)};
    take_lock(counters);
    bool full = map_count(counters->series) + envelope->counted_count > COUNTERS_KEYS_MAX ||
                counters->all + envelope->counted_count > COUNTERS_ALL_MAX;
    if (full && envelope->counted_count > 0) {
        forget_old(counters, event.at_ms);
        full = counters->all + envelope->counted_count > COUNTERS_ALL_MAX;
    }
    for (size_t i = 0; i < envelope->counted_count && !full; i++) {
        count_one(counters, &envelope->counted[i], event);
    }
    give_back(counters);
}

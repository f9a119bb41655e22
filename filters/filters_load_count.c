/*
 * filters_load_count - tests of counters, and the action that counts.
 */
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "filters/filters_load.h"

#define WITHIN_LEAST_MS 1000
#define WITHIN_MOST_MS  (UINT64_C(31) * 86400 * 1000)
#define COUNTERS_MAX    10000

/* A counter as the rules speak of it. */
struct counter {
    const char *name;
    bool counted, asked;
    bool counted_by_key, counted_plain, asked_by_key, asked_plain;
    int64_t keep_ms;
    const char *file; /* of the first place */
    size_t line, column;
};

static struct counter *counter_called(struct filters_loader *loader, const char *name)
{
    struct counter *counter = map_get(loader->counters, bytes_of(name));
    if (counter == NULL) {
        counter = filters_load_alloc(loader, 1, sizeof *counter);
        counter->name = name;
        counter->file = filters_load_copy(loader, document_name(loader->json));
        document_place(loader->json, buf_text(&loader->path), &counter->line, &counter->column);
        if (map_count(loader->counters) >= COUNTERS_MAX || map_set(loader->counters, bytes_of(name), counter) < 0) {
            filters_load_error(loader, "more than %d counters", COUNTERS_MAX);
        }
    }
    return counter;
}

static const char *load_name(struct filters_loader *loader, json_t *value, const char *key)
{
    const char *name = filters_load_text(loader, value, key);
    if (name != NULL &&
        (name[0] == '\0' || strlen(name) > 100 || strchr(name, ':') != NULL || bytes_has_control(bytes_of(name)))) {
        filters_load_error_at(loader, key, "a counter's name must have 1 to 100 printable characters and no colon");
        return NULL;
    }
    return name;
}

static bool load_within(struct filters_loader *loader, json_t *value, int64_t *within_r)
{
    const char *text = filters_load_text(loader, value, "within");
    uint64_t ms = 0;
    if (text == NULL) {
        if (json_object_get(value, "within") == NULL) {
            filters_load_error(loader, "\"within\" is missing: how far back to count, such as \"1h\"");
        }
        return false;
    }
    if (units_duration(bytes_of(text), &ms) < 0 || ms < WITHIN_LEAST_MS || ms > WITHIN_MOST_MS) {
        filters_load_error_at(loader, "within", "\"%s\" is not a time from 1s to 31d, such as \"10m\" or \"1h\"", text);
        return false;
    }
    *within_r = (int64_t)ms;
    return true;
}

const struct filters_subject *filters_load_counter(struct filters_loader *loader, json_t *value)
{
    static const char *const others[] = {"part", "zone", "nested", "ignore_case"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (json_object_get(value, others[i]) != NULL) {
            filters_load_error_at(loader, others[i], "a counter has no \"%s\": its value is a number", others[i]);
        }
    }
    const char *name = load_name(loader, value, "counter");
    int64_t within = 0;
    bool timed = load_within(loader, value, &within);
    const struct filters_template *key = filters_load_template(loader, value, "key");
    if (name == NULL || !timed || (key == NULL && json_object_get(value, "key") != NULL)) {
        return NULL;
    }
    struct counter *counter = counter_called(loader, name);
    counter->asked = true;
    counter->asked_by_key = counter->asked_by_key || key != NULL;
    counter->asked_plain = counter->asked_plain || key == NULL;
    counter->keep_ms = within > counter->keep_ms ? within : counter->keep_ms;
    const char **names = filters_load_alloc(loader, 1, sizeof *names);
    names[0] = name;
    /* What it is changes with each message that comes, and its key with what the rules have found so far. */
    return filters_load_subject(loader, &(struct filters_subject){.kind = FILTERS_SUBJECT_COUNTER,
                                                                  .type = FILTERS_TYPE_NUMBER,
                                                                  .extent = FILTERS_EXTENT_HEADER,
                                                                  .headers = names,
                                                                  .header_count = 1,
                                                                  .key = key,
                                                                  .within_ms = within,
                                                                  .per_recipient = true,
                                                                  .is_volatile = true});
}

void filters_load_count(struct filters_loader *loader, json_t *value, struct filters_action *action)
{
    action->counter = load_name(loader, value, "count");
    action->text = filters_load_template(loader, value, "key");
    if (action->counter != NULL) {
        size_t mark = filters_load_down(loader, "count");
        struct counter *counter = counter_called(loader, action->counter);
        bool by_key = json_object_get(value, "key") != NULL;
        counter->counted = true;
        counter->counted_by_key = counter->counted_by_key || by_key;
        counter->counted_plain = counter->counted_plain || !by_key;
        filters_load_up(loader, mark);
    }
}

/* What is counted under keys is not found without one, and the other way round. */
static const char *never_found(const struct counter *counter)
{
    if (counter->asked_by_key && !counter->counted_by_key) {
        return "asked by \"key\", but always counted without one: the result is always 0";
    }
    if (counter->asked_plain && !counter->counted_plain) {
        return "asked without \"key\", but always counted with one: the result is always 0";
    }
    return NULL;
}

void filters_load_counters(struct filters_loader *loader)
{
    struct filters_counter *counters = filters_load_alloc(loader, map_count(loader->counters), sizeof *counters);
    size_t cursor = 0, count = 0;
    struct bytes key;
    void *value;
    while (map_next(loader->counters, &cursor, &key, &value)) {
        const struct counter *counter = value;
        counters[count++] = (struct filters_counter){.name = counter->name, .keep_ms = counter->keep_ms};
        if (!counter->counted) {
            problems_add(loader->problems, PROBLEM_WARNING, counter->file, counter->line, counter->column, "",
                         "nothing is counted in \"%s\": no rule has the action {\"count\": \"%s\"}", counter->name,
                         counter->name);
        } else if (!counter->asked) {
            problems_add(loader->problems, PROBLEM_WARNING, counter->file, counter->line, counter->column, "",
                         "the counter \"%s\" is counted, but no rule asks for it", counter->name);
        } else if (never_found(counter) != NULL) {
            problems_add(loader->problems, PROBLEM_WARNING, counter->file, counter->line, counter->column, "",
                         "the counter \"%s\" is %s", counter->name, never_found(counter));
        }
    }
    loader->set->counters = counters;
    loader->set->counter_count = count;
}

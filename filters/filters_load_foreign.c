/*
 * filters_load_foreign - keys that conditions have in other languages, or that are values here: what to write is told.
 *
 * An edit distance finds slips of the hand; whoever comes from Sieve, Exim, rspamd or a query language writes another
 * word, and a list of all that are known helps less than the one that was meant.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "filters/filters_load.h"

static const struct {
    const char *theirs, *ours;
} words[] = {
    {"equals", "is"},
    {"equal", "is"},
    {"eq", "is"},
    {"value", "is"},
    {"address", "is"},
    {"regex", "matches"},
    {"regexp", "matches"},
    {"pattern", "matches"},
    {"like", "matches"},
    {"includes", "contains"},
    {"has", "contains"},
    {"begins_with", "starts_with"},
    {"prefix", "starts_with"},
    {"suffix", "ends_with"},
    {"one_of", "in"},
    {"list", "in"},
    {"gt", "over"},
    {"greater_than", "over"},
    {"more_than", "over"},
    {"after", "over"},
    {"lt", "under"},
    {"less_than", "under"},
    {"before", "under"},
    {"gte", "at_least"},
    {"lte", "at_most"},
    {"and", "all"},
    {"allof", "all"},
    {"or", "any"},
    {"anyof", "any"},
    {"envelope", "field"},
    {"case_insensitive", "ignore_case"},
};

bool filters_load_is_header(const char *name)
{
    static const char *const headers[] = {
        "subject",     "cc",         "bcc",          "sender",      "reply-to",       "message-id", "received",
        "in-reply-to", "references", "content-type", "return-path", "auto-submitted", "precedence", "list-unsubscribe",
        "keywords",    "comments",   "importance"};
    bool is = strncasecmp(name, "x-", 2) == 0;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        is = is || strcasecmp(headers[i], name) == 0;
    }
    return is;
}

void filters_load_header_instead(struct filters_loader *loader, const char *key, const char *name)
{
    filters_load_error_at(loader, key, "\"%s\" is a header field: write {\"header\": \"%c%s\", ...}", name,
                          octet_is_alpha((uint8_t)name[0]) ? name[0] & ~0x20 : name[0], name + 1);
}

static bool is_field(const char *name)
{
    for (const struct filters_field_row *row = filters_fields; row->name != NULL; row++) {
        if (strcmp(row->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether something was told of the key. */
static bool tell_foreign(struct filters_loader *loader, const char *key, bool alone)
{
    if (alone && is_field(key)) {
        filters_load_error_at(loader, key, "\"%s\" is a field: write {\"field\": \"%s\", \"is\": ...}", key, key);
        return true;
    }
    if (alone && filters_load_is_header(key)) {
        filters_load_header_instead(loader, key, key);
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(words[i].theirs, key) == 0) {
            filters_load_error_at(loader, key, "there is no \"%s\"; did you mean \"%s\"?", key, words[i].ours);
            return true;
        }
    }
    return false;
}

bool filters_load_foreign(struct filters_loader *loader, json_t *condition)
{
    static const char *const subjects[] = {"field", "header", "of", "counter"};
    bool told = false, alone = true;
    const char *key;
    json_t *value;
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        alone = alone && json_object_get(condition, subjects[i]) == NULL;
    }
    json_object_foreach(condition, key, value)
    {
        told = tell_foreign(loader, key, alone) || told;
    }
    return told;
}

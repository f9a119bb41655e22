/*
 * filters_explain - see filters_explain.h.
 */
#include "filters/filters_explain.h"

#include <stdlib.h>

#include "filters/filters_text.h"

static json_t *text(const char *value)
{
    struct buf valid;
    buf_init(&valid, 8192);
    filters_text_valid(bytes_of(value), &valid);
    json_t *string = json_stringn((const char *)buf_bytes(&valid).ptr, valid.len);
    buf_done(&valid);
    return string == NULL ? json_string("") : string;
}

static json_t *texts(const char *const *values, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, text(values[i]));
    }
    return list;
}

static json_t *edits_of(const struct mail_delivery *delivery)
{
    static const char *const kinds[] = {
        [MAIL_EDIT_ADD] = "add", [MAIL_EDIT_DELETE] = "delete", [MAIL_EDIT_REPLACE] = "replace"};
    json_t *list = json_array();
    for (size_t i = 0; i < delivery->edit_count; i++) {
        json_t *edit = json_object();
        json_object_set_new(edit, "edit", json_string(kinds[delivery->edits[i].kind]));
        json_object_set_new(edit, "field", text(delivery->edits[i].field));
        if (delivery->edits[i].value != NULL) {
            json_object_set_new(edit, "value", text(delivery->edits[i].value));
        }
        json_array_append_new(list, edit);
    }
    return list;
}

/* "down>1h": the largest unit that says it whole. */
static json_t *when_text(const char *word, uint64_t ms)
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (ms % units[i].ms != 0) {
        i++;
    }
    return ms == 0 ? json_string(word)
                   : json_sprintf("%s>%llu%s", word, (unsigned long long)(ms / units[i].ms), units[i].unit);
}

/* Where it goes otherwise, as the rules say it. */
static json_t *way_of(const struct mail_way *way)
{
    json_t *object = json_object(), *when = json_array();
    const struct {
        bool is;
        const char *word;
        uint64_t ms;
    } troubles[] = {{way->refused, "refused", 0}, {way->down, "down", way->down_ms}, {way->full, "full", way->full_ms}};
    if (way->upstream != NULL) {
        json_object_set_new(object, "upstream", text(way->upstream));
    }
    if (way->folder != NULL) {
        json_object_set_new(object, "folder", text(way->folder));
    }
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        if (troubles[i].is) {
            json_array_append_new(when, when_text(troubles[i].word, troubles[i].ms));
        }
    }
    json_object_set_new(object, "when", when);
    return object;
}

static json_t *delivery_of(const struct mail_delivery *delivery)
{
    json_t *object = json_object();
    json_object_set_new(object, "upstream", text(delivery->upstream));
    if (delivery->fallback != NULL) {
        json_object_set_new(object, "fallback", text(delivery->fallback));
    }
    json_object_set_new(object, "folder", text(delivery->folder));
    if (delivery->way_count > 0) {
        json_t *ways = json_array();
        for (size_t i = 0; i < delivery->way_count; i++) {
            json_array_append_new(ways, way_of(&delivery->ways[i]));
        }
        json_object_set_new(object, "else", ways);
    }
    json_object_set_new(object, "flags", texts(delivery->flags, delivery->flag_count));
    json_object_set_new(object, "rule", text(delivery->rule));
    json_object_set_new(object, "recipients", texts(delivery->recipients, delivery->recipient_count));
    if (delivery->edit_count > 0) {
        json_object_set_new(object, "edits", edits_of(delivery));
    }
    if (delivery->held) {
        json_object_set_new(object, "held", json_true());
    }
    if (delivery->date_ms != 0) {
        json_object_set_new(object, "date_ms", json_integer(delivery->date_ms));
    }
    return object;
}

static json_t *decision_of(const struct filters_decision *decision)
{
    json_t *object = json_object();
    const char *outcome = decision->reply_code >= 500     ? "rejected"
                          : decision->reply_code >= 400   ? "deferred"
                          : decision->delivery_count == 0 ? "discarded"
                                                          : "filed";
    json_object_set_new(object, "outcome", json_string(outcome));
    json_object_set_new(object, "rules", texts(decision->rules, decision->rule_count));
    if (decision->reply_code != 0) {
        json_object_set_new(object, "code", json_integer(decision->reply_code));
        json_object_set_new(object, "enhanced", text(decision->enhanced));
        json_object_set_new(object, "text", text(decision->reply_text));
    }
    json_t *deliveries = json_array();
    for (size_t i = 0; i < decision->delivery_count; i++) {
        json_array_append_new(deliveries, delivery_of(&decision->deliveries[i]));
    }
    json_object_set_new(object, "deliveries", deliveries);
    if (decision->watched_count > 0) {
        json_object_set_new(object, "watched", texts(decision->watched, decision->watched_count));
    }
    if (decision->counted_count > 0) {
        json_t *counted = json_array();
        for (size_t i = 0; i < decision->counted_count; i++) {
            json_array_append_new(counted, json_pack("{s:o,s:o}", "counter", text(decision->counted[i].counter), "key",
                                                     text(decision->counted[i].key)));
        }
        json_object_set_new(object, "counted", counted);
    }
    if (decision->limits_hit > 0) {
        json_object_set_new(object, "limits_hit", json_integer(decision->limits_hit));
    }
    if (decision->mime_limit != NULL) {
        json_object_set_new(object, "mime_limit", json_string(decision->mime_limit));
    }
    if (decision->mime_error_count > 0) {
        json_object_set_new(object, "mime_errors", texts(decision->mime_errors, decision->mime_error_count));
    }
    return object;
}

static json_t *failure_of(const struct fault *fault)
{
    json_t *object = json_object();
    json_object_set_new(object, "outcome", json_string("deferred"));
    json_object_set_new(object, "code", json_integer(451));
    json_object_set_new(object, "fault", text(fault->code));
    json_object_set_new(object, "rule", text(fault->where));
    json_object_set_new(object, "text", text(fault->text));
    json_object_set_new(object, "deliveries", json_array());
    return object;
}

int filters_explain_write(json_t *recipients, const struct filters_decision *decision, const struct fault *fault,
                          struct buf *out)
{
    json_t *object = json_object();
    json_object_set(object, "recipients", recipients);
    json_object_set_new(object, "decision", decision != NULL ? decision_of(decision) : failure_of(fault));
    char *dumped = json_dumps(object, JSON_COMPACT);
    int result = dumped == NULL ? -1 : buf_append_text(out, dumped);
    free(dumped);
    json_decref(object);
    return result;
}

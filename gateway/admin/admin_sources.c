/*
 * admin_sources - see admin_sources.h.
 */
#include "admin/admin_sources.h"

#include <stdlib.h>

#include "base/expect.h"

#define FILES_MAX 1000

static bool take_source(struct filters_source *source, const char *name, const json_t *text)
{
    if (name == NULL || !json_is_string(text)) {
        return false;
    }
    *source =
        (struct filters_source){.name = name, .text = bytes_at(json_string_value(text), json_string_length(text))};
    return true;
}

static bool take_all(const json_t *rules, struct filters_source *sources, size_t count)
{
    if (!json_is_array(rules)) {
        return take_source(sources, "edited rules", rules);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *file = json_array_get(rules, i);
        if (!take_source(&sources[i], json_string_value(json_object_get(file, "name")),
                         json_object_get(file, "text"))) {
            return false;
        }
    }
    return true;
}

bool admin_sources_read(struct admin_request *request, const json_t *rules, struct filters_source **sources_r,
                        size_t *count_r)
{
    size_t count = json_is_array(rules) ? json_array_size(rules) : 1;
    struct filters_source *sources = count == 0 || count > FILES_MAX ? NULL : expect_calloc(count, sizeof *sources);
    if (sources == NULL || !take_all(rules, sources, count)) {
        free(sources);
        admin_answer_error(request, 400, "rules",
                           "\"rules\" must be the text of a rule file, or a list of 1 to %d objects with \"name\" and "
                           "\"text\"",
                           FILES_MAX);
        return false;
    }
    *sources_r = sources;
    *count_r = count;
    return true;
}

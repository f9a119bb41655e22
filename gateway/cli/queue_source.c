/*
 * queue_source - see queue_source.h.
 */
#include "cli/queue_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/expect.h"
#include "cli/cli_api.h"
#include "cli/queue_here.h"

#define PAGE 1000 /* rows of one request */

struct queue_source {
    const struct queue_options *options;
    struct cli_api *api;     /* a gateway runs */
    struct queue_here *here; /* none does */
};

struct queue_source *queue_source_open(const struct queue_options *options, int *exit_r)
{
    struct queue_source *source = expect_calloc(1, sizeof *source);
    source->options = options;
    source->api = cli_api_try(options->config_file, options->path);
    if (source->api == NULL) {
        source->here = queue_here_open(options, exit_r);
    }
    if (source->api == NULL && source->here == NULL) {
        queue_source_close(&source);
    }
    return source;
}

void queue_source_close(struct queue_source **source)
{
    if (*source != NULL) {
        cli_api_close(&(*source)->api);
        queue_here_close(&(*source)->here);
        free(*source);
        *source = NULL;
    }
}

/* ---- by the API ---- */

static void add_word(struct buf *path, const char *name, const char *value)
{
    if (value != NULL) {
        buf_printf(path, "%c%s=", strchr(buf_text(path), '?') == NULL ? '?' : '&', name);
        cli_api_escape(path, value);
    }
}

/* The words of the query are those of a selection in a command (spool_query.h), but for one. */
static void list_path(struct buf *path, const struct store_select *select, uint64_t limit, const char *after)
{
    char number[24];
    const char *name;
    json_t *value, *chosen = spool_select_to_json(select);
    buf_append_text(path, "/api/v1/queue");
    json_object_foreach(chosen, name, value)
    {
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        add_word(path, strcmp(name, "from") == 0 ? "sender" : name,
                 json_is_string(value) ? json_string_value(value) : number);
    }
    json_decref(chosen);
    add_word(path, "order", select->newest ? "newest" : NULL);
    snprintf(number, sizeof number, "%" PRIu64, limit);
    add_word(path, "limit", number);
    add_word(path, "after", after);
}

/* Asks with GET and takes the member `name` out of the answer, for the caller; all of it without a name. */
static int get_json(struct cli_api *api, struct buf *path, const char *name, json_t **found_r)
{
    json_t *answer = NULL;
    int result = cli_api_call(api, buf_text(path), NULL, &answer);
    buf_done(path);
    if (result == EX_OK) {
        *found_r = json_incref(name == NULL ? answer : json_object_get(answer, name));
    }
    json_decref(answer);
    return result;
}

static int list_api(struct queue_source *source, uint64_t limit, spool_query_fn *fn, void *ctx)
{
    int result = EX_OK;
    bool more = true;
    json_t *answer = NULL;
    for (uint64_t given = 0; result == EX_OK && more;) {
        struct buf path;
        json_t *row, *page = NULL;
        size_t i;
        uint64_t want = limit != 0 && limit - given < PAGE ? limit - given : PAGE;
        buf_init(&path, 65536);
        list_path(&path, &source->options->select, want, json_string_value(json_object_get(answer, "next")));
        result = get_json(source->api, &path, NULL, &page);
        json_decref(answer);
        answer = page;
        json_array_foreach(json_object_get(page, "deliveries"), i, row)
        {
            given++;
            if (fn(ctx, row) != 0) {
                json_decref(answer);
                return EX_OK;
            }
        }
        more = json_is_string(json_object_get(page, "next")) && (limit == 0 || given < limit);
    }
    json_decref(answer);
    return result;
}

static int post_json(struct queue_source *source, json_t *request, json_t **reply_r)
{
    json_object_set_new(request, "by", json_string(queue_operator()));
    /* That all are meant was said by --all, or choosing nothing would have been refused. */
    if (json_object_size(json_object_get(request, "select")) == 0) {
        json_object_set_new(request, "all", json_true());
    }
    int result = cli_api_call(source->api, "/api/v1/queue", request, reply_r);
    json_decref(request);
    return result;
}

static void message_path(struct buf *path, const char *id, const char *end)
{
    buf_init(path, 65536);
    buf_append_text(path, "/api/v1/messages/");
    cli_api_escape(path, id);
    buf_append_text(path, end);
}

static int body_api(struct queue_source *source, const char *id, queue_piece_fn *fn, void *ctx)
{
    struct buf path;
    message_path(&path, id, "");
    int result = cli_api_stream(source->api, buf_text(&path), fn, ctx);
    buf_done(&path);
    return result;
}

/* ---- either way ---- */

int queue_source_list(struct queue_source *source, uint64_t limit, spool_query_fn *fn, void *ctx)
{
    return source->api != NULL ? list_api(source, limit, fn, ctx) : queue_here_list(source->here, limit, fn, ctx);
}

int queue_source_summary(struct queue_source *source, json_t **summary_r)
{
    struct buf path;
    if (source->api == NULL) {
        return queue_here_summary(source->here, summary_r);
    }
    buf_init(&path, 100);
    buf_append_text(&path, "/api/v1/queue?limit=1");
    return get_json(source->api, &path, "summary", summary_r);
}

int queue_source_stories(struct queue_source *source, const char *what, json_t **stories_r)
{
    struct buf path;
    if (source->api == NULL) {
        return queue_here_stories(source->here, what, stories_r);
    }
    buf_init(&path, 65536);
    buf_append_text(&path, "/api/v1/why");
    add_word(&path, "id", what);
    return get_json(source->api, &path, "messages", stories_r);
}

int queue_source_filed(struct queue_source *source, const char *upstream, const char *folder, const char *uid,
                       json_t **stories_r)
{
    uint64_t number;
    struct buf path;
    if (!bytes_to_u64(bytes_of(uid), &number) || number > UINT32_MAX) {
        fprintf(stderr, "mailweir: \"%s\" is not a UID\n", uid);
        return EX_USAGE;
    }
    if (source->api == NULL) {
        return queue_here_filed(source->here, upstream, folder, (uint32_t)number, stories_r);
    }
    buf_init(&path, 65536);
    buf_append_text(&path, "/api/v1/why");
    add_word(&path, "upstream", upstream);
    add_word(&path, "folder", folder);
    add_word(&path, "uid", uid);
    return get_json(source->api, &path, "messages", stories_r);
}

int queue_source_body(struct queue_source *source, const char *id, queue_piece_fn *fn, void *ctx)
{
    return source->api != NULL ? body_api(source, id, fn, ctx) : queue_here_body(source->here, id, fn, ctx);
}

int queue_source_find(struct queue_source *source, const char *query, uint64_t limit, const char *after,
                      json_t **page_r)
{
    struct buf path;
    char number[24];
    if (source->api == NULL) {
        return queue_here_find(source->here, query, limit, after, page_r);
    }
    snprintf(number, sizeof number, "%" PRIu64, limit);
    buf_init(&path, 65536);
    buf_append_text(&path, "/api/v1/find");
    add_word(&path, "q", query);
    add_word(&path, "limit", number);
    add_word(&path, "after", after);
    add_word(&path, "by", queue_operator());
    return get_json(source->api, &path, NULL, page_r);
}

int queue_source_facts(struct queue_source *source, const char *id, json_t **facts_r)
{
    struct buf path;
    if (source->api == NULL) {
        return queue_here_facts(source->here, id, facts_r);
    }
    message_path(&path, id, "/facts");
    return get_json(source->api, &path, NULL, facts_r);
}

int queue_source_change(struct queue_source *source, json_t *request, json_t **reply_r)
{
    return source->api != NULL ? post_json(source, request, reply_r)
                               : queue_here_change(source->here, request, reply_r);
}

int queue_source_reroute(struct queue_source *source, const char *after, json_t **answer_r)
{
    const struct queue_options *options = source->options;
    if (source->api == NULL) {
        return queue_here_reroute(source->here, after, answer_r);
    }
    return post_json(source,
                     json_pack("{s:s,s:o,s:b,s:b,s:s*}", "verb", "reroute", "select",
                               spool_select_to_json(&options->select), "dry_run", options->dry_run, "again",
                               options->again, "after", after),
                     answer_r);
}

/*
 * queue_here - see queue_here.h.
 */
#include "cli/queue_here.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/expect.h"
#include "decision/reroute.h"
#include "net/net_loop.h"
#include "spool/spool_admin.h"
#include "spool/spool_export.h"

#define SEARCH_LOOK 100000 /* messages that are looked at for one page */
#define FOUND_MAX   100
#define PAGE        50 /* messages of one page of a reroute */

struct queue_here {
    const struct queue_options *options;
    struct store *store;
    struct config *config; /* of a reroute: its rules */
    struct filters_scratch *scratch;
    struct spool_desk *desk; /* of the same, unless nothing is to be done: no gateway starts meanwhile */
};

struct queue_here *queue_here_open(const struct queue_options *options, int *exit_r)
{
    struct store *store = NULL;
    struct fault fault = FAULT_INIT;
    if (spool_export_open(&store, options->store.ops, options->store.place, &fault) != 0) {
        fprintf(stderr, "mailweir: cannot open the spool at %s: %s\n", options->spool, fault.text);
        *exit_r = EX_NOINPUT;
        return NULL;
    }
    struct queue_here *here = expect_calloc(1, sizeof *here);
    *here = (struct queue_here){.options = options, .store = store};
    return here;
}

void queue_here_close(struct queue_here **here)
{
    if (*here != NULL) {
        spool_desk_close(&(*here)->desk);
        spool_export_close(&(*here)->store);
        filters_scratch_free(&(*here)->scratch);
        config_free(&(*here)->config);
        free(*here);
        *here = NULL;
    }
}

/* ---- questions ---- */

int queue_here_list(struct queue_here *here, uint64_t limit, spool_query_fn *fn, void *ctx)
{
    struct fault fault = FAULT_INIT;
    int result = spool_query_list(here->store, &here->options->select, limit, fn, ctx, &fault);
    return result != 0 ? queue_failed(&fault) : EX_OK;
}

int queue_here_summary(struct queue_here *here, json_t **summary_r)
{
    struct fault fault = FAULT_INIT;
    return spool_query_summary(here->store, summary_r, &fault) != 0 ? queue_failed(&fault) : EX_OK;
}

static int tell_here(struct queue_here *here, const uint64_t *found, size_t count, json_t **stories_r)
{
    struct fault fault = FAULT_INIT;
    json_t *stories = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *story = NULL;
        if (spool_query_story(here->store, found[i], &story, &fault) != 0) {
            json_decref(stories);
            return queue_failed(&fault);
        }
        if (story != NULL) {
            json_array_append_new(stories, story);
        }
    }
    *stories_r = stories;
    return EX_OK;
}

int queue_here_stories(struct queue_here *here, const char *what, json_t **stories_r)
{
    uint64_t found[FOUND_MAX];
    size_t count = 0;
    struct fault fault = FAULT_INIT;
    if (spool_query_find(here->store, what, found, FOUND_MAX, &count, &fault) != 0) {
        return queue_failed(&fault);
    }
    return tell_here(here, found, count, stories_r);
}

int queue_here_filed(struct queue_here *here, const char *upstream, const char *folder, uint32_t uid,
                     json_t **stories_r)
{
    uint64_t found[FOUND_MAX];
    size_t count = 0;
    struct fault fault = FAULT_INIT;
    if (spool_query_find_uid(here->store, upstream, folder, uid, found, FOUND_MAX, &count, &fault) != 0) {
        return queue_failed(&fault);
    }
    return tell_here(here, found, count, stories_r);
}

/* The number of the message with this id; 0 after the failure was printed, with the exit code. */
static uint64_t find_here(struct queue_here *here, const char *id, int *exit_r)
{
    uint64_t found;
    size_t count = 0;
    struct fault fault = FAULT_INIT;
    if (spool_query_find(here->store, id, &found, 1, &count, &fault) != 0) {
        *exit_r = queue_failed(&fault);
        return 0;
    }
    if (count == 0) {
        fprintf(stderr, "mailweir: no message with the id %s is known\n", id);
        *exit_r = 1;
        return 0;
    }
    return found;
}

int queue_here_body(struct queue_here *here, const char *id, queue_piece_fn *fn, void *ctx)
{
    int exit_code = EX_OK;
    struct fault fault = FAULT_INIT;
    uint64_t message = find_here(here, id, &exit_code);
    if (message != 0 && spool_export_body(here->store, message, fn, ctx, &fault) != 0) {
        exit_code = queue_failed(&fault);
    }
    return exit_code;
}

/* "next" is "<message>.0": what a gateway would say who knows no refusals. */
int queue_here_find(struct queue_here *here, const char *query, uint64_t limit, const char *after, json_t **page_r)
{
    struct fault fault = FAULT_INIT;
    struct mail_query read;
    struct store_search search = {.query = &read, .limit = limit, .look = SEARCH_LOOK};
    struct arena *arena = arena_new(STORE_CHUNK);
    struct bytes rest = bytes_of(after == NULL ? "0" : after);
    json_t *hits = NULL;
    int result = bytes_to_u64(bytes_cut(&rest, '.'), &search.before) ? 0 : -1;
    if (result != 0) {
        fault_set(&fault, FAULT_PERM, "usage", "after", "--after takes the value that the previous search printed");
    }
    if (result == 0 && mail_query_read(query, queue_now_ms(), arena, &read, &fault) == 0) {
        result = spool_query_search(here->store, &search, &hits, &fault);
    }
    if (!fault_is_set(&fault) && result == 0) {
        json_t *next = search.next == 0 ? json_null() : json_sprintf("%" PRIu64 ".0", search.next);
        *page_r = json_pack("{s:o, s:o}", "messages", hits, "next", next);
    }
    arena_free(&arena);
    return fault_is_set(&fault) ? queue_failed(&fault) : EX_OK;
}

int queue_here_facts(struct queue_here *here, const char *id, json_t **facts_r)
{
    int exit_code = EX_OK;
    struct fault fault = FAULT_INIT;
    json_t *facts = NULL;
    uint64_t message = find_here(here, id, &exit_code);
    if (message != 0 && (spool_query_facts(here->store, message, &facts, &fault) != 0 || facts == NULL)) {
        return queue_failed(&fault);
    }
    *facts_r = facts;
    return exit_code;
}

/* ---- changes ---- */

static struct spool_options spool_here(const struct queue_here *here)
{
    return (struct spool_options){.store = here->options->store.ops,
                                  .place = here->options->store.place,
                                  .path = here->options->spool,
                                  .brief = true};
}

int queue_here_change(struct queue_here *here, json_t *request, json_t **reply_r)
{
    struct fault fault = FAULT_INIT;
    const struct spool_options options = spool_here(here);
    json_t *reply = NULL;
    json_object_set_new(request, "by", json_string(queue_operator()));
    int result = spool_admin_call(&options, request, &reply, &fault);
    json_decref(request);
    if (result != 0) {
        return queue_failed(&fault);
    }
    const char *error = json_string_value(json_object_get(reply, "error"));
    if (error != NULL) {
        fprintf(stderr, "mailweir: %s\n", error);
        json_decref(reply);
        return EX_UNAVAILABLE;
    }
    *reply_r = reply;
    return EX_OK;
}

/* ---- reroute ---- */

struct page {
    uint64_t messages[PAGE];
    char ids[PAGE][32]; /* of the same */
    size_t count;
    bool more;
    json_t *rows;
    int64_t moved, same, busy;
};

static int note_message(void *ctx, const json_t *object)
{
    struct page *page = ctx;
    uint64_t message = (uint64_t)json_integer_value(json_object_get(object, "seq"));
    if (page->count > 0 && page->messages[page->count - 1] == message) {
        return 0; /* deliveries of one message come one behind the other */
    }
    page->more = page->count == PAGE;
    if (!page->more) {
        snprintf(page->ids[page->count], sizeof page->ids[0], "%s",
                 json_string_value(json_object_get(object, "message")));
        page->messages[page->count++] = message;
    }
    return page->more;
}

static void add_failed(struct page *page, const char *id, const struct fault *fault)
{
    json_array_append_new(page->rows,
                          json_pack("{s:s,s:s,s:s}", "message", id, "verdict", "failed", "error", fault->text));
}

static int move(struct queue_here *here, const struct reroute_plan *plan, struct page *page, struct fault *fault)
{
    const struct spool_desk_move asked = {.id = plan->id,
                                          .by = queue_operator(),
                                          .again = here->options->again,
                                          .deliveries = plan->deliveries,
                                          .count = plan->count};
    struct spool_change_result result;
    if (spool_desk_reroute(here->desk, &asked, &result, fault) != 0) {
        return -1;
    }
    page->moved += result.changed > 0;
    page->busy += result.busy > 0;
    page->same += result.doubtful > 0;
    return 0;
}

static int apply_plan(struct queue_here *here, struct reroute_plan *plan, struct page *page, struct fault *fault)
{
    page->same += plan->verdict != REROUTE_MOVES;
    if (plan->verdict == REROUTE_MOVES && here->options->dry_run) {
        page->moved++;
    } else if (plan->verdict == REROUTE_MOVES && move(here, plan, page, fault) != 0) {
        return -1;
    }
    json_array_append_new(page->rows, json_pack("{s:s,s:s,s:s,s:s}", "message", plan->id, "verdict",
                                                reroute_verdict_name(plan->verdict), "before", buf_text(&plan->before),
                                                "after", buf_text(&plan->after)));
    return 0;
}

static void run_page(struct queue_here *here, struct page *page)
{
    struct net_loop *loop = net_loop_new(); /* for its clock */
    const struct reroute reroute = {.rules = here->config->rule_set,
                                    .scratch = here->scratch,
                                    .store = here->store,
                                    .now_ms = net_wall(loop),
                                    .again = here->options->again};
    for (size_t i = 0; i < page->count; i++) {
        struct fault fault = FAULT_INIT;
        struct reroute_plan plan;
        int result = reroute_plan(&reroute, page->messages[i], &plan, &fault);
        if (result == 0) {
            result = apply_plan(here, &plan, page, &fault);
            reroute_plan_done(&plan);
        }
        if (result != 0) {
            add_failed(page, page->ids[i], &fault);
        }
    }
    net_loop_free(&loop);
}

static int make_ready(struct queue_here *here)
{
    struct fault fault = FAULT_INIT;
    const struct spool_options options = spool_here(here);
    if (here->config == NULL) {
        here->config = cli_load_config(here->options->config_file, false);
        here->scratch = filters_scratch_new();
    }
    if (here->config == NULL) {
        return EX_CONFIG;
    }
    if (here->options->dry_run || here->desk != NULL) {
        return EX_OK;
    }
    return spool_desk_open(&here->desk, &options, &fault) != 0 ? queue_failed(&fault) : EX_OK;
}

int queue_here_reroute(struct queue_here *here, const char *after, json_t **answer_r)
{
    struct fault fault = FAULT_INIT;
    struct store_select select = here->options->select;
    int result = make_ready(here);
    if (result != EX_OK) {
        return result;
    }
    if (after != NULL) {
        select.after = (struct store_key){.message = strtoull(after, NULL, 10), .number = INT32_MAX};
    }
    struct page page = {.rows = json_array()};
    if (spool_query_list(here->store, &select, 0, note_message, &page, &fault) != 0) {
        json_decref(page.rows);
        return queue_failed(&fault);
    }
    run_page(here, &page);
    json_t *next = page.more ? json_sprintf("%llu", (unsigned long long)page.messages[page.count - 1]) : json_null();
    *answer_r = json_pack("{s:o,s:I,s:I,s:I,s:o}", "messages", page.rows, "moved", (json_int_t)page.moved, "same",
                          (json_int_t)page.same, "busy", (json_int_t)page.busy, "next", next);
    return EX_OK;
}

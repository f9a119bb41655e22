/*
 * queue_each - calls a function for each message of a selection, once, however many of its deliveries are chosen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/expect.h"
#include "cli/cli_progress.h"
#include "cli/queue_source.h"

int queue_ids_note(void *ctx, const json_t *object)
{
    struct queue_ids *ids = ctx;
    const char *id = json_string_value(json_object_get(object, "message"));
    if (ids->count > 0 && strcmp(ids->items[ids->count - 1], id) == 0) {
        return 0; /* deliveries of one message come one behind the other */
    }
    if (ids->count == ids->room) {
        ids->room = ids->room == 0 ? 64 : ids->room * 2;
        ids->items = expect_memory(realloc(ids->items, ids->room * sizeof *ids->items));
    }
    ids->items[ids->count++] = expect_strdup(id);
    return 0;
}

void queue_ids_done(struct queue_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        free(ids->items[i]);
    }
    free(ids->items);
}

static int each_id(struct queue_source *source, const struct queue_ids *ids, const char *what, queue_message_fn *fn,
                   void *ctx)
{
    int exit_code = EX_OK;
    struct cli_progress progress = {0};
    if (what != NULL) {
        cli_progress_begin(&progress, what, ids->count);
    }
    for (size_t i = 0; i < ids->count; i++) {
        int result = fn(ctx, source, ids->items[i]);
        exit_code = exit_code == EX_OK ? result : exit_code;
        cli_progress_step(&progress, i + 1);
    }
    cli_progress_clear(&progress);
    return exit_code;
}

int queue_each_message(const struct queue_options *options, const char *what, queue_message_fn *fn, void *ctx)
{
    int exit_code = EX_OK;
    struct queue_ids ids = {0};
    struct queue_source *source = queue_source_open(options, &exit_code);
    if (source == NULL) {
        return exit_code;
    }
    exit_code = queue_source_list(source, 0, queue_ids_note, &ids);
    if (exit_code == EX_OK) {
        exit_code = each_id(source, &ids, what, fn, ctx);
    }
    queue_ids_done(&ids);
    queue_source_close(&source);
    return exit_code;
}

static bool queue_is_chosen(const struct queue_options *options)
{
    const struct store_select *select = &options->select;
    return options->all || select->id != NULL || select->message_id != NULL || select->state != NULL ||
           select->upstream != NULL || select->folder != NULL || select->sender != NULL || select->rule != NULL ||
           select->to != NULL || select->subject != NULL || select->since_ms != 0 || select->before_ms != 0;
}

int queue_choose(struct queue_options *options, int argc, char **argv)
{
    options->select.id = argc > 1 ? argv[1] : NULL;
    if (!queue_is_chosen(options)) {
        fprintf(stderr,
                "mailweir queue %s: name ids, or choose with --state, --upstream, …; --all chooses everything\n",
                argv[0]);
        return EX_USAGE;
    }
    return EX_OK;
}

/*
 * queue_change - retry, hold, release, drop, pause and resume: a request to the gateway that runs, or done here when
 * none does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/queue_source.h"

/* Sends the request and prints the reply; takes the request over. */
static int call(const struct queue_options *options, json_t *request)
{
    int exit_code = EX_OK;
    json_t *reply = NULL;
    struct queue_source *source = queue_source_open(options, &exit_code);
    if (source == NULL) {
        json_decref(request);
        return exit_code;
    }
    exit_code = queue_source_change(source, request, &reply);
    queue_source_close(&source);
    if (exit_code != EX_OK) {
        return exit_code;
    }
    int64_t changed = json_integer_value(json_object_get(reply, "changed"));
    int64_t busy = json_integer_value(json_object_get(reply, "busy"));
    if (options->json) {
        queue_print_json(reply);
    } else {
        printf("%" PRId64 " changed", changed);
        printf(busy > 0 ? ", %" PRId64 " left alone: they are being delivered now\n" : "\n", busy);
    }
    json_decref(reply);
    if (changed == 0 && busy == 0 && options->select.id != NULL) {
        fprintf(stderr, "mailweir: no delivery to which that could be done is known as %s\n", options->select.id);
    }
    return changed == 0 ? 1 : EX_OK;
}

static int pause_or_resume(struct queue_options *options, int argc, char **argv)
{
    return call(options, json_pack("{s:s,s:s*}", "verb", argv[0], "upstream", argc > 1 ? argv[1] : NULL));
}

static int on_counted(void *ctx, const json_t *object)
{
    uint64_t *count = ctx;
    (void)object;
    (*count)++;
    return 0;
}

static int count_only(const struct queue_options *options)
{
    int exit_code = EX_OK;
    uint64_t count = 0;
    struct queue_source *source = queue_source_open(options, &exit_code);
    if (source == NULL) {
        return exit_code;
    }
    exit_code = queue_source_list(source, 0, on_counted, &count);
    if (exit_code == EX_OK) {
        printf(options->json ? "{\"chosen\":%" PRIu64 "}\n" : "%" PRIu64 " deliveries are chosen\n", count);
    }
    queue_source_close(&source);
    return exit_code;
}

int queue_change(struct queue_options *options, int argc, char **argv)
{
    if (strcmp(argv[0], "pause") == 0 || strcmp(argv[0], "resume") == 0) {
        return pause_or_resume(options, argc, argv);
    }
    int exit_code = queue_choose(options, argc, argv);
    if (exit_code != EX_OK) {
        return exit_code;
    }
    if (options->dry_run) {
        return count_only(options);
    }
    return call(options, json_pack("{s:s,s:o,s:b}", "verb", argv[0], "select", spool_select_to_json(&options->select),
                                   "again", options->again));
}

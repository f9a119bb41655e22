/*
 * queue_change - retry, hold, release, drop, pause and resume: a request to the gateway that runs, or done here when none does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/queue.h"
#include "spool/spool_admin.h"

#define WAIT_MS 30000

static const char *operator_name(void)
{
    const char *name = getenv("SUDO_USER");
    name = name != NULL ? name : getenv("USER");
    return name != NULL ? name : "an operator";
}

/* Sends the request and prints the reply; takes the request over. */
static int call(const struct queue_options *options, json_t *request)
{
    struct fault fault = FAULT_INIT;
    char *reply = NULL, *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    int result = spool_admin_call(options->spool, text, WAIT_MS, &reply, &fault);
    free(text);
    if (result != 0) {
        return queue_failed(&fault);
    }
    json_t *object = json_loads(reply, 0, NULL);
    const char *error = json_string_value(json_object_get(object, "error"));
    int64_t changed = json_integer_value(json_object_get(object, "changed"));
    int64_t busy = json_integer_value(json_object_get(object, "busy"));
    if (error != NULL) {
        fprintf(stderr, "mailweir: %s\n", error);
    } else if (options->json) {
        puts(reply);
    } else {
        printf("%" PRId64 " changed", changed);
        printf(busy > 0 ? ", %" PRId64 " left alone: they are being delivered now\n" : "\n", busy);
    }
    int exit_code = error != NULL ? EX_UNAVAILABLE : changed == 0 ? 1 : EX_OK;
    json_decref(object);
    free(reply);
    return exit_code;
}

static int pause_or_resume(struct queue_options *options, int argc, char **argv)
{
    json_t *request = json_pack("{s:s}", "verb", argv[0]);
    const char *upstream = argc > 1 ? argv[1] : options->select.upstream;
    if (upstream != NULL) {
        json_object_set_new(request, "upstream", json_string(upstream));
    }
    return call(options, request);
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
    struct fault fault = FAULT_INIT;
    struct spool_index *index = queue_open(options, &exit_code);
    if (index == NULL) {
        return exit_code;
    }
    if (spool_query_list(index, &options->select, 0, on_counted, &count, &fault) != 0) {
        exit_code = queue_failed(&fault);
    } else {
        printf("%" PRIu64 " deliveries are chosen\n", count);
    }
    spool_index_close(&index);
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
    return call(options, json_pack("{s:s, s:o, s:s}", "verb", argv[0], "select", spool_select_to_json(&options->select),
                                   "by", operator_name()));
}

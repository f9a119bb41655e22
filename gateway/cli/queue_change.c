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

static bool is_pause(const char *verb)
{
    return strcmp(verb, "pause") == 0 || strcmp(verb, "resume") == 0;
}

static void print_pause(const char *verb, const char *upstream)
{
    bool all = upstream == NULL, on = strcmp(verb, "pause") == 0;
    queue_print_text(all ? "all upstreams" : upstream);
    printf(" %s %s", all ? "are" : "is", on ? "paused: mail waits until \"mailweir queue resume" : "resumed");
    if (on && !all) {
        putchar(' ');
        queue_print_text(upstream);
    }
    printf(on ? "\"\n" : "\n");
}

static void print_changed(const char *verb, int64_t changed, int64_t busy, int64_t in_doubt)
{
    static const char *const words[][2] = {
        {"retry", "tried now"}, {"hold", "held"}, {"release", "released"}, {"drop", "dropped"}};
    const char *word = "changed";
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        word = strcmp(verb, words[i][0]) == 0 ? words[i][1] : word;
    }
    printf("%" PRId64 " %s %s", changed, changed == 1 ? "delivery" : "deliveries", word);
    printf(busy > 0 ? ", %" PRId64 " left alone because they are being delivered now\n" : "\n", busy);
    if (in_doubt > 0) {
        printf("%" PRId64 " left alone because an earlier attempt may have filed the message: it is looked for first, "
               "and --again drops it anyway\n",
               in_doubt);
    }
}

/* Sends the request and prints the reply; takes the request over. */
static int send_request(const struct queue_options *options, json_t *request, const char *verb, const char *upstream)
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
    int64_t in_doubt = json_integer_value(json_object_get(reply, "in_doubt"));
    const char *note = json_string_value(json_object_get(reply, "note"));
    if (options->json) {
        queue_print_json(reply);
    } else if (note != NULL) {
        queue_print_text(note);
        putchar('\n');
    } else if (is_pause(verb)) {
        print_pause(verb, upstream);
    } else {
        print_changed(verb, changed, busy, in_doubt);
    }
    json_decref(reply);
    if (is_pause(verb)) {
        return EX_OK; /* what was asked for is so, whoever made it */
    }
    if (changed == 0 && busy == 0 && in_doubt == 0 && options->select.id != NULL) {
        fprintf(stderr, "mailweir: there is no delivery with the id %s that this can be done to\n", options->select.id);
    }
    return changed == 0 ? 1 : EX_OK;
}

static int pause_or_resume(struct queue_options *options, int argc, char **argv)
{
    const char *upstream = argc > 1 ? argv[1] : NULL;
    return send_request(options, json_pack("{s:s,s:s*}", "verb", argv[0], "upstream", upstream), argv[0], upstream);
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
        printf(options->json ? "{\"chosen\":%" PRIu64 "}\n" : "deliveries chosen: %" PRIu64 "\n", count);
    }
    queue_source_close(&source);
    return exit_code;
}

int queue_change(struct queue_options *options, int argc, char **argv)
{
    if (is_pause(argv[0])) {
        return pause_or_resume(options, argc, argv);
    }
    int exit_code = queue_choose(options, argc, argv);
    if (exit_code != EX_OK) {
        return exit_code;
    }
    if (options->dry_run) {
        return count_only(options);
    }
    json_t *select = spool_select_to_json(&options->select);
    json_t *request = json_pack("{s:s,s:o,s:b}", "verb", argv[0], "select", select, "again", options->again);
    return send_request(options, request, argv[0], NULL);
}

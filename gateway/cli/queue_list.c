/*
 * queue_list - `mailweir queue list` and `mailweir queue summary`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "cli/cli_paint.h"
#include "cli/queue_source.h"
#include "document/document_member.h"

#define LIMIT 100

struct listing {
    const struct queue_options *options;
    uint64_t limit, count;
    bool more;
};

static void print_delivery(const json_t *object)
{
    char age[32];
    queue_age(document_member_number(object, "received_ms"), age);
    const char *state = document_member_text(object, "state");
    printf("%-29s %s%-7s%s %5s %2" PRId64 "x %8" PRId64 "  ", document_member_text(object, "id"),
           cli_paint(stdout, cli_tone_of(state)), state, cli_paint(stdout, CLI_PLAIN), age,
           document_member_number(object, "attempts"), document_member_number(object, "size"));
    queue_print_text(document_member_text(object, "upstream"));
    putchar(':');
    queue_print_text(document_member_text(object, "folder"));
    printf("  from <");
    queue_print_text(document_member_text(object, "from"));
    printf(">");
    if (json_object_get(object, "subject") != NULL) {
        printf("  ");
        queue_print_text(document_member_text(object, "subject"));
    }
    const json_t *error = json_object_get(object, "error");
    if (error != NULL) {
        printf("\n    %s%s: ", cli_paint(stdout, CLI_DIM), document_member_text(error, "code"));
        queue_print_text(document_member_text(error, "text"));
        printf("%s", cli_paint(stdout, CLI_PLAIN));
    }
    putchar('\n');
}

static int on_delivery(void *ctx, const json_t *object)
{
    struct listing *listing = ctx;
    if (listing->limit != 0 && listing->count == listing->limit) {
        listing->more = true;
        return 1;
    }
    listing->count++;
    if (listing->options->json) {
        queue_print_json(object);
    } else {
        print_delivery(object);
    }
    return 0;
}

int queue_list(struct queue_options *options, int argc, char **argv)
{
    int exit_code = EX_OK;
    struct listing listing = {.options = options, .limit = options->limit != NULL ? options->limit_number : LIMIT};
    if (argc > 1) {
        options->select.id = argv[1];
    }
    options->select.newest = true;
    struct queue_source *source = queue_source_open(options, &exit_code);
    if (source == NULL) {
        return exit_code;
    }
    exit_code = queue_source_list(source, listing.limit == 0 ? 0 : listing.limit + 1, on_delivery, &listing);
    if (exit_code == EX_OK && listing.more) {
        fprintf(stderr, "there are more than %" PRIu64 "; --limit 0 lists all\n", listing.limit);
    } else if (exit_code == EX_OK && listing.count == 0 && !options->json) {
        fprintf(stderr, "no delivery matches\n");
    }
    queue_source_close(&source);
    return exit_code;
}

static void print_summary(const json_t *summary)
{
    const char *name;
    json_t *object;
    printf("%-24s %9s %9s %9s  %s\n", "upstream", "waiting", "held", "dead", "oldest waiting");
    json_object_foreach(json_object_get(summary, "upstreams"), name, object)
    {
        char age[32] = "-";
        if (document_member_number(object, "oldest_ms") > 0) {
            queue_age(document_member_number(object, "oldest_ms"), age);
        }
        printf("%-24s %9" PRId64 " %9" PRId64 " %9" PRId64 "  %s\n", name, document_member_number(object, "waiting"),
               document_member_number(object, "held"), document_member_number(object, "dead"), age);
    }
    size_t i;
    json_array_foreach(json_object_get(summary, "pauses"), i, object)
    {
        const char *upstream = json_string_value(json_object_get(object, "upstream"));
        const char *by = json_string_value(json_object_get(object, "by"));
        char since[32];
        queue_age(document_member_number(object, "since_ms"), since);
        printf("paused: %s, by %s, %s ago\n", upstream[0] == '\0' ? "all" : upstream,
               by[0] == '\0' ? "an operator" : by, since);
    }
}

int queue_summary(struct queue_options *options, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int exit_code = EX_OK;
    json_t *summary = NULL;
    struct queue_source *source = queue_source_open(options, &exit_code);
    if (source == NULL) {
        return exit_code;
    }
    exit_code = queue_source_summary(source, &summary);
    if (exit_code == EX_OK && options->json) {
        queue_print_json(summary);
    } else if (exit_code == EX_OK) {
        print_summary(summary);
    }
    json_decref(summary);
    queue_source_close(&source);
    return exit_code;
}

/*
 * queue_reroute - `mailweir queue reroute`: what today's rules would do with messages that wait, and doing it; a page
 * of them at a time.
 *
 * The open deliveries of each message are replaced at once, or not at all. A message that the rules would now refuse or
 * discard stays as it is: it was acknowledged.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli_progress.h"
#include "cli/queue_source.h"
#include "document/document_member.h"

struct totals {
    int64_t moved, same, busy, failed;
    uint64_t seen;
};

static void print_row(const json_t *row, struct totals *totals)
{
    const char *verdict = document_member_text(row, "verdict");
    if (strcmp(verdict, "failed") == 0) {
        const char *id = document_member_text(row, "message");
        fprintf(stderr, "mailweir: message %s was not rerouted: %s\n", id[0] == '\0' ? "(one of them)" : id,
                document_member_text(row, "error"));
        totals->failed++;
    } else if (strcmp(verdict, "moves") == 0) {
        printf("%s: ", document_member_text(row, "message"));
        queue_print_text(document_member_text(row, "before"));
        printf(" -> ");
        queue_print_text(document_member_text(row, "after"));
        putchar('\n');
    } else if (strcmp(verdict, "in_doubt") == 0) {
        printf("%s: stays (", document_member_text(row, "message"));
        queue_print_text(document_member_text(row, "before"));
        printf("): an earlier attempt may have filed it there, so it is looked for first; --again moves it anyway\n");
    } else if (strcmp(verdict, "same") != 0) {
        printf("%s: stays (", document_member_text(row, "message"));
        queue_print_text(document_member_text(row, "before"));
        printf("): the rules would now %s the message\n", strcmp(verdict, "refused") == 0 ? "refuse" : "discard");
    }
}

static void take_page(const struct queue_options *options, const json_t *page, struct totals *totals)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(page, "messages"), i, row)
    {
        totals->seen++;
        if (options->json) {
            queue_print_json(row);
        } else {
            print_row(row, totals);
        }
    }
    totals->moved += json_integer_value(json_object_get(page, "moved"));
    totals->same += json_integer_value(json_object_get(page, "same"));
    totals->busy += json_integer_value(json_object_get(page, "busy"));
}

static int each_page(struct queue_source *source, const struct queue_options *options, struct totals *totals)
{
    struct cli_progress progress;
    json_t *page = NULL;
    int exit_code;
    cli_progress_begin(&progress, options->dry_run ? "looking" : "rerouting", 0);
    do {
        json_t *next = NULL;
        exit_code = queue_source_reroute(source, json_string_value(json_object_get(page, "next")), &next);
        json_decref(page);
        page = next;
        cli_progress_clear(&progress);
        take_page(options, page, totals);
        fflush(stdout);
        cli_progress_step(&progress, totals->seen);
    } while (exit_code == EX_OK && json_is_string(json_object_get(page, "next")));
    cli_progress_clear(&progress);
    json_decref(page);
    return exit_code;
}

int queue_reroute(struct queue_options *options, int argc, char **argv)
{
    struct totals totals = {0};
    int exit_code = queue_choose(options, argc, argv);
    if (exit_code != EX_OK) {
        return exit_code;
    }
    struct queue_source *source = queue_source_open(options, &exit_code);
    if (source == NULL) {
        return exit_code;
    }
    exit_code = each_page(source, options, &totals);
    queue_source_close(&source);
    if (!options->json) {
        printf("%" PRId64 " %s, %" PRId64 " stay, %" PRId64 " are being delivered now\n", totals.moved,
               options->dry_run ? "would move" : "moved", totals.same, totals.busy);
    }
    bool is_unknown = exit_code == EX_OK && options->select.id != NULL &&
                      totals.moved + totals.same + totals.busy + totals.failed == 0;
    if (is_unknown) {
        fprintf(stderr, "mailweir: there is no open delivery with the id %s\n", options->select.id);
    }
    return exit_code == EX_OK && (totals.failed > 0 || is_unknown) ? 1 : exit_code;
}

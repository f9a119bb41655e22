/*
 * cli_recent - see cli_recent.h.
 */
#include "cli/cli_recent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli_api.h"
#include "cli/cli_progress.h"
#include "cli/cli_rules.h"
#include "document/document_member.h"

struct comparison {
    struct cli_api *api;
    struct cli_progress progress;
    bool json;
    uint64_t compared, differ, unknown;
};

static void print_row(const struct comparison *comparison, const json_t *row)
{
    if (comparison->json) {
        json_dumpf(row, stdout, JSON_COMPACT);
        printf("\n");
    } else if (strcmp(document_member_text(row, "verdict"), "unknown") == 0) {
        printf("%s from <%s>: %s\n  ? %s\n", document_member_text(row, "message"), document_member_text(row, "from"),
               document_member_text(row, "subject"), document_member_text(row, "why"));
    } else {
        printf("%s from <%s>: %s\n  - %s\n  + %s\n", document_member_text(row, "message"),
               document_member_text(row, "from"), document_member_text(row, "subject"),
               document_member_text(row, "old"), document_member_text(row, "new"));
    }
}

static void take_page(struct comparison *comparison, const json_t *answer)
{
    size_t i;
    json_t *row;
    cli_progress_clear(&comparison->progress);
    json_array_foreach(json_object_get(answer, "messages"), i, row)
    {
        bool unknown = strcmp(document_member_text(row, "verdict"), "unknown") == 0;
        comparison->unknown += unknown;
        comparison->differ += !unknown;
        print_row(comparison, row);
    }
    comparison->compared += (uint64_t)json_integer_value(json_object_get(answer, "compared"));
    cli_progress_step(&comparison->progress, comparison->compared);
}

/* Page after page until the gateway has no more. */
static int compare_recent(struct comparison *comparison, json_t *rules)
{
    json_t *body = json_pack("{s:O}", "rules", rules);
    int result = EX_OK;
    bool more = true;
    while (result == EX_OK && more) {
        json_t *answer = NULL;
        result = cli_api_call(comparison->api, "/api/v1/diff", body, &answer);
        if (result == EX_OK) {
            take_page(comparison, answer);
            json_t *next = json_object_get(answer, "next");
            more = json_is_string(next);
            json_object_set(body, "after", next);
        }
        json_decref(answer);
    }
    json_decref(body);
    return result;
}

int cli_recent_diff(const char *config, const char *const *paths, size_t count, bool json)
{
    struct comparison comparison = {.json = json};
    json_t *rules = cli_rules_texts(paths, count);
    if (rules == NULL) {
        return 1;
    }
    comparison.api = cli_api_open(config);
    int result = EX_CONFIG;
    if (comparison.api != NULL) {
        cli_progress_begin(&comparison.progress, "comparing", 0);
        result = compare_recent(&comparison, rules);
        cli_progress_clear(&comparison.progress);
    }
    if (result == EX_OK && !json) {
        printf("%" PRIu64 " messages, %" PRIu64 " would go elsewhere", comparison.compared, comparison.differ);
        if (comparison.unknown > 0) {
            printf(", %" PRIu64 " cannot be compared", comparison.unknown);
        }
        printf("\n");
    }
    json_decref(rules);
    cli_api_close(&comparison.api);
    return result == EX_OK && comparison.differ > 0 ? 1 : result;
}

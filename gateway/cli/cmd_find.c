/*
 * cmd_find - `mailweir find`: one search for every message, filed, waiting, held, dead or refused, the newest
 * first; and
 * `mailweir forget`, which erases a person from what can be found.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/expect.h"
#include "cli/cli_api.h"
#include "cli/cli_progress.h"
#include "cli/queue_source.h"
#include "cli/cli_paint.h"
#include "document/document_member.h"
#include "mail/mail_query.h"

#define PAGE 50

/* ---- one message ---- */

struct finding {
    bool as_json;
    uint64_t limit, count;
    const char *query;
    char *after; /* where the next page begins; NULL: there is none */
};

static void print_state(const char *state)
{
    printf("%s%-9s%s", cli_paint(stdout, cli_tone_of(state)), state, cli_paint(stdout, CLI_PLAIN));
}

/* The first of its people, and how many more there are. */
static void print_people(const json_t *list, const char *otherwise)
{
    const char *first = json_string_value(json_array_get(list, 0));
    queue_print_text(first == NULL ? otherwise : first);
    if (json_array_size(list) > 1) {
        printf(" (+%zu)", json_array_size(list) - 1);
    }
}

static void print_delivery(const json_t *delivery)
{
    printf("    ");
    print_state(document_member_text(delivery, "state"));
    queue_print_text(document_member_text(delivery, "upstream"));
    putchar(':');
    queue_print_text(document_member_text(delivery, "folder"));
    putchar('\n');
}

static void print_refusal(const json_t *refusal)
{
    printf("    ");
    print_state(MAIL_QUERY_REFUSED);
    bool is_said = json_object_get(refusal, "reply.code") != NULL;
    if (is_said) {
        printf("%" PRId64 " ", document_member_number(refusal, "reply.code"));
    }
    queue_print_text(document_member_text(refusal, is_said ? "reply.text" : "error.message"));
    if (document_member_text(refusal, "rule")[0] != '\0') {
        printf(" (rule ");
        queue_print_text(document_member_text(refusal, "rule"));
        putchar(')');
    }
    putchar('\n');
}

static void print_hit(const json_t *hit)
{
    char time[25];
    size_t i;
    json_t *delivery;
    const json_t *refusal = json_object_get(hit, "refusal"), *deliveries = json_object_get(hit, "deliveries");
    const char *from = document_member_text(hit, "from"), *subject = document_member_text(hit, "subject");
    log_time(document_member_number(hit, "received_ms"), time);
    printf("%.10s %.8s  %s  ", time, time + 11,
           document_member_text(hit, "id")[0] == '\0' ? "-" : document_member_text(hit, "id"));
    print_people(json_object_get(hit, "header_from"), from[0] == '\0' ? "<>" : from);
    printf(" -> ");
    print_people(json_object_get(hit, "to"), "-");
    putchar('\n');
    if (subject[0] != '\0') {
        printf("    %s", cli_paint(stdout, CLI_BOLD));
        queue_print_text(subject);
        printf("%s\n", cli_paint(stdout, CLI_PLAIN));
    }
    json_array_foreach(deliveries, i, delivery)
    {
        print_delivery(delivery);
    }
    if (refusal != NULL) {
        print_refusal(refusal);
    } else if (json_array_size(deliveries) == 0) {
        printf("    ");
        print_state(MAIL_QUERY_DISCARDED);
        printf("by the rules\n");
    }
}

/* ---- pages ---- */

static void take_page(struct finding *finding, const json_t *page)
{
    size_t i;
    json_t *hit;
    json_array_foreach(json_object_get(page, "messages"), i, hit)
    {
        finding->count++;
        if (finding->as_json) {
            queue_print_json(hit);
        } else {
            print_hit(hit);
        }
    }
    free(finding->after);
    const char *next = json_string_value(json_object_get(page, "next"));
    finding->after = next == NULL ? NULL : expect_strdup(next);
}

static int find_all(struct finding *finding, struct queue_source *source)
{
    struct cli_progress progress;
    int exit_code = EX_OK;
    bool more = true;
    cli_progress_begin(&progress, "searching", 0);
    for (uint64_t pages = 0; exit_code == EX_OK && more; pages++) {
        uint64_t left = finding->limit == 0 ? 1000 : finding->limit - finding->count;
        json_t *page = NULL;
        exit_code = queue_source_find(source, finding->query, left > 1000 ? 1000 : left, finding->after, &page);
        cli_progress_clear(&progress);
        if (exit_code == EX_OK) {
            take_page(finding, page);
        }
        json_decref(page);
        cli_progress_step(&progress, pages + 1);
        more = finding->after != NULL && (finding->limit == 0 || finding->count < finding->limit);
    }
    cli_progress_clear(&progress);
    return exit_code;
}

/* What to do with what was found; on a terminal only, where somebody reads it. */
static void print_end(const struct finding *finding)
{
    if (finding->count == 0) {
        fprintf(stderr, "nothing found\n");
    }
    if (finding->after != NULL) {
        fprintf(stderr, "there are more; --limit 0 lists all, --after %s continues from here\n", finding->after);
    }
    if (finding->count > 0 && !finding->as_json && isatty(STDOUT_FILENO) == 1) {
        printf("\nmailweir why ID shows the history of a message, mailweir queue cat ID prints one that waits.\n");
    }
}

/* The words of the command line as one query: what the shell took the quotes from gets them back. */
static char *query_of(int argc, char **argv)
{
    struct buf text;
    buf_init(&text, MAIL_QUERY_MAX * 4);
    for (int i = 1; i < argc; i++) {
        bool blank = strchr(argv[i], ' ') != NULL && strchr(argv[i], '"') == NULL;
        buf_printf(&text, "%s%s%s%s", i > 1 ? " " : "", blank ? "\"" : "", argv[i], blank ? "\"" : "");
    }
    char *query = expect_strdup(buf_text(&text));
    buf_done(&text);
    return query;
}

/* "-state:filed" is no option: what it says is told to the parser of options in another way. */
static void keep_exclusions(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (argv[i][0] == '-' && argv[i][1] != '-' && strlen(argv[i]) > 2) {
            argv[i][0] = '!';
        }
    }
}

/* "--since 2h", as other commands want it, is "since:2h" here. */
static const char *field_as_option(int argc, char **argv)
{
    static const char *const fields[] = {"subject", "from", "to",     "state",    "since", "until", "upstream",
                                         "folder",  "rule", "client", "listener", "user",  "id",    "message-id"};
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        for (size_t k = 0; strncmp(argv[i], "--", 2) == 0 && k < sizeof fields / sizeof fields[0]; k++) {
            size_t len = strlen(fields[k]);
            if (strncmp(argv[i] + 2, fields[k], len) == 0 && (argv[i][2 + len] == '\0' || argv[i][2 + len] == '=')) {
                return fields[k];
            }
        }
    }
    return NULL;
}

int cmd_find(const struct cli_command *command, int argc, char **argv)
{
    const char *field = field_as_option(argc, argv);
    if (field != NULL) {
        return cli_usage_error(command, "\"%s\" is a field, not an option: write %s:WORD", field, field);
    }
    keep_exclusions(argc, argv);
    struct queue_options options = {0};
    struct finding finding = {.limit = PAGE};
    int exit_code = EX_OK,
        others = queue_parse(&options, QUEUE_TAKES_LIMIT | QUEUE_TAKES_AFTER, command, argc, argv, &exit_code);
    if (others >= 0 && queue_find_spool(&options, &exit_code) == 0) {
        struct queue_source *source = queue_source_open(&options, &exit_code);
        char *query = query_of(others + 1, argv);
        finding.query = query;
        finding.as_json = options.json;
        finding.limit = options.limit != NULL ? options.limit_number : PAGE;
        finding.after = options.after == NULL ? NULL : expect_strdup(options.after);
        exit_code = source == NULL ? exit_code : find_all(&finding, source);
        if (source != NULL && exit_code == EX_OK) {
            print_end(&finding);
        }
        free(finding.after);
        free(query);
        queue_source_close(&source);
    }
    queue_options_done(&options);
    return exit_code;
}

/* ---- forget ---- */

static void print_forgotten(const json_t *answer)
{
    size_t i;
    json_t *line;
    printf("forgotten: messages of the history: %" PRId64 ", refusals: %" PRId64 ", recent messages: %" PRId64 "\n",
           document_member_number(answer, "messages"), document_member_number(answer, "refusals"),
           document_member_number(answer, "recent"));
    printf("not reached:\n");
    json_array_foreach(json_object_get(answer, "not_reached"), i, line)
    {
        printf("  - %s\n", json_string_value(line));
    }
}

int cmd_forget(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL;
    bool as_json = false;
    const struct cli_option options[] = {CLI_OPTION_CONFIG(&file),
                                         {.name = "json", .flag = &as_json, .help = "print JSON instead of text"},
                                         {.name = NULL}};
    int exit_code, others = cli_parse(command, options, argc, argv, &exit_code);
    if (others < 0) {
        return exit_code;
    }
    if (others != 1) {
        return cli_usage_error(command, "name one address");
    }
    json_t *answer = NULL, *body = json_pack("{s:s, s:s}", "address", argv[1], "by", queue_operator());
    exit_code = body == NULL ? cli_usage_error(command, "the address is not UTF-8")
                             : cli_api_ask(file, "/api/v1/forget", body, &answer);
    if (exit_code == EX_OK && as_json) {
        queue_print_json(answer);
    } else if (exit_code == EX_OK) {
        print_forgotten(answer);
    }
    json_decref(body);
    json_decref(answer);
    return exit_code;
}

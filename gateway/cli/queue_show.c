/*
 * queue_show - `mailweir queue show`, `mailweir queue cat`, and the story of a message as text.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli_paint.h"
#include "cli/queue_source.h"
#include "document/document_member.h"

/* ---- the story ---- */

static void print_pair(const char *name, const char *value)
{
    if (value[0] != '\0') {
        printf("  %-11s ", name);
        queue_print_text(value);
        putchar('\n');
    }
}

static void print_time(const char *name, int64_t time_ms)
{
    char text[25];
    log_time(time_ms, text);
    print_pair(name, text);
}

/* A list of texts, or of objects whose member `name` is the text, on one line. */
static void print_list(const char *title, const json_t *list, const char *name)
{
    size_t i;
    json_t *item;
    if (json_array_size(list) == 0) {
        return;
    }
    printf("  %-11s ", title);
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        printf("%s", i > 0 ? ", " : "");
        queue_print_text(name == NULL ? json_string_value(item) : document_member_text(item, name));
    }
    putchar('\n');
}

static void print_client(const json_t *client)
{
    printf("  %-11s ", "client");
    queue_print_text(document_member_text(client, "address"));
    if (document_member_text(client, "helo")[0] != '\0') {
        printf(" (");
        queue_print_text(document_member_text(client, "helo"));
        printf(")");
    }
    printf(" by %s", document_member_text(client, "protocol"));
    const char *version = document_member_text(client, "tls_version"),
               *cipher = document_member_text(client, "tls_cipher");
    printf(", %s%s%s\n", version[0] == '\0' ? "without TLS" : version, cipher[0] == '\0' ? "" : " ", cipher);
    print_pair("listener", document_member_text(client, "listener"));
    print_pair("user", document_member_text(client, "user"));
    print_pair("certificate", document_member_text(client, "tls_peer"));
}

/* Every rule tried with its outcome, one line for each recipient where the rules look at recipients. */
static void print_tried(const json_t *list)
{
    size_t i;
    json_t *item;
    bool first = true;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        const char *text = json_string_value(item);
        char mark = text[0];
        if (i == 0 || mark == MAIL_TRIED_RECIPIENT) {
            printf("%s  %-11s ", i == 0 ? "" : "\n", i == 0 ? "tried" : "");
            first = true;
        }
        printf("%s", first ? "" : ", ");
        first = mark == MAIL_TRIED_RECIPIENT;
        queue_print_text(text + 1);
        printf("%s", mark == MAIL_TRIED_RECIPIENT ? ": "
                     : mark == MAIL_TRIED_YES     ? ": yes"
                     : mark == MAIL_TRIED_NO      ? ": no"
                     : mark == MAIL_TRIED_WATCHED ? ": yes (watched)"
                     : mark == MAIL_TRIED_MORE    ? " more"
                                                  : ": failed");
    }
    printf("%s", json_array_size(list) > 0 ? "\n" : "");
}

static void print_event(const json_t *event)
{
    char time[25];
    log_time(document_member_number(event, "at_ms"), time);
    printf("    %s  ", time);
    if (json_object_get(event, "attempt") != NULL) {
        printf("%sattempt %" PRId64 ": %s %s (%s)%s: ", cli_paint(stdout, CLI_WARN),
               document_member_number(event, "attempt"), document_member_text(event, "class"),
               document_member_text(event, "code"), document_member_text(event, "during"),
               cli_paint(stdout, CLI_PLAIN));
    }
    queue_print_text(document_member_text(event, "text"));
    putchar('\n');
}

/* The other upstream of a delivery that has, or is, a fallback. */
static void print_other(const json_t *delivery, const char *key, const char *words)
{
    if (json_object_get(delivery, key) != NULL) {
        printf(", %s ", words);
        queue_print_text(document_member_text(delivery, key));
    }
}

/* Where else it may go: what the rule says under "else". */
static void print_ways(const json_t *delivery)
{
    size_t i;
    json_t *way;
    json_array_foreach(json_object_get(delivery, "ways"), i, way)
    {
        const char *upstream = json_string_value(json_object_get(way, "upstream"));
        const char *folder = json_string_value(json_object_get(way, "folder"));
        printf(", else ");
        queue_print_text(upstream == NULL ? document_member_text(delivery, "upstream") : upstream);
        putchar(':');
        queue_print_text(folder == NULL ? document_member_text(delivery, "folder") : folder);
    }
}

/* Who stands in its way, and what ends that. */
static void print_pause(const json_t *delivery)
{
    const json_t *pause = json_object_get(delivery, "paused");
    const char *by = document_member_text(pause, "by");
    char since[25];
    if (pause == NULL) {
        return;
    }
    log_time(document_member_number(pause, "since_ms"), since);
    printf("    %s  %s paused by ", since,
           json_is_true(json_object_get(pause, "all")) ? "all upstreams are" : "the upstream is");
    queue_print_text(by[0] == '\0' ? "an operator" : by);
    printf(": nothing is tried until \"mailweir queue resume");
    if (!json_is_true(json_object_get(pause, "all"))) {
        putchar(' ');
        queue_print_text(document_member_text(delivery, "upstream"));
    }
    printf("\"\n");
}

static void print_delivery(const json_t *delivery)
{
    size_t i;
    json_t *event;
    char time[25];
    printf("  delivery    %s to ", document_member_text(delivery, "id"));
    queue_print_text(document_member_text(delivery, "upstream"));
    putchar(':');
    queue_print_text(document_member_text(delivery, "folder"));
    printf(" by rule ");
    queue_print_text(document_member_text(delivery, "rule"));
    print_other(delivery, "fallback", "fallback");
    print_ways(delivery);
    print_other(delivery, "instead_of", "instead of");
    putchar('\n');
    json_array_foreach(json_object_get(delivery, "history"), i, event)
    {
        print_event(event);
    }
    json_array_foreach(json_object_get(delivery, "notes"), i, event)
    {
        print_event(event);
    }
    const char *state = document_member_text(delivery, "state");
    log_time(document_member_number(delivery, strcmp(state, "waiting") == 0 ? "due_ms" : "changed_ms"), time);
    printf("    %s  %s%s%s", time, cli_paint(stdout, cli_tone_of(state)),
           strcmp(state, "waiting") == 0 ? "next try" : state, cli_paint(stdout, CLI_PLAIN));
    if (document_member_number(delivery, "uid") > 0) {
        printf(" as UID %" PRId64 " (UIDVALIDITY %" PRId64 ")", document_member_number(delivery, "uid"),
               document_member_number(delivery, "uidvalidity"));
    }
    printf("%s\n", json_is_true(json_object_get(delivery, "uncertain"))
                       ? "; the message may have been filed already, and is looked for before it is sent again"
                       : "");
    print_pause(delivery);
}

void queue_print_story(const json_t *story)
{
    const json_t *envelope = json_object_get(story, "envelope");
    size_t i;
    json_t *delivery;
    printf("message %s%s%s\n", cli_paint(stdout, CLI_BOLD), document_member_text(story, "id"),
           cli_paint(stdout, CLI_PLAIN));
    print_time("received", document_member_number(story, "received_ms"));
    print_client(json_object_get(envelope, "client"));
    print_pair("from",
               document_member_text(envelope, "from")[0] == '\0' ? "<>" : document_member_text(envelope, "from"));
    print_list("to", json_object_get(envelope, "to"), "address");
    print_pair("subject", document_member_text(envelope, "subject"));
    print_pair("Message-ID", document_member_text(envelope, "message_id"));
    print_list("rules", json_object_get(envelope, "rules"), NULL);
    print_tried(json_object_get(envelope, "tried"));
    printf("  %-11s %" PRId64 " octets\n", "size", document_member_number(story, "size"));
    if (document_member_number(story, "open") > 0) {
        printf("  %-11s segment %016" PRIx64 " at octet %" PRId64 "\n", "lies in",
               (uint64_t)document_member_number(story, "segment"), document_member_number(story, "offset"));
    }
    json_array_foreach(json_object_get(story, "deliveries"), i, delivery)
    {
        print_delivery(delivery);
    }
    if (json_array_size(json_object_get(story, "deliveries")) == 0) {
        printf("  discarded: the rules asked for no delivery\n");
    }
}

/* ---- verbs ---- */

/* The story of the one message of this name; NULL after the failure was printed, with the exit code. The caller's. */
static json_t *find_one(struct queue_source *source, int argc, char **argv, int *exit_r)
{
    json_t *stories = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: mailweir queue %s ID\n", argv[0]);
        *exit_r = EX_USAGE;
        return NULL;
    }
    *exit_r = queue_source_stories(source, argv[1], &stories);
    size_t count = json_array_size(stories);
    json_t *story = count == 0 ? NULL : json_incref(json_array_get(stories, count - 1));
    if (*exit_r == EX_OK && story == NULL) {
        fprintf(stderr, "mailweir: no message with the id %s is known\n", argv[1]);
        *exit_r = 1;
    }
    json_decref(stories);
    return story;
}

int queue_show(struct queue_options *options, int argc, char **argv)
{
    int exit_code = EX_OK;
    struct queue_source *source = queue_source_open(options, &exit_code);
    json_t *story = source == NULL ? NULL : find_one(source, argc, argv, &exit_code);
    if (story != NULL && options->json) {
        queue_print_json(story);
    } else if (story != NULL) {
        queue_print_story(story);
    }
    json_decref(story);
    queue_source_close(&source);
    return exit_code;
}

static int write_out(void *ctx, struct bytes piece)
{
    (void)ctx;
    return fwrite(piece.ptr, 1, piece.len, stdout) == piece.len ? 0 : -1;
}

int queue_cat(struct queue_options *options, int argc, char **argv)
{
    int exit_code = EX_OK;
    struct queue_source *source = queue_source_open(options, &exit_code);
    json_t *story = source == NULL ? NULL : find_one(source, argc, argv, &exit_code);
    if (story != NULL) {
        exit_code = queue_source_body(source, json_string_value(json_object_get(story, "id")), write_out, NULL);
    }
    json_decref(story);
    queue_source_close(&source);
    return exit_code;
}

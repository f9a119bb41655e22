/* cli_refusals - see cli_refusals.h. */
#include "cli/cli_refusals.h"

#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "cli/queue.h"
#include "document/document_member.h"
#include "net/net_loop.h"
#include "reception/reception_refusals.h"

#define PATH_MAX_LEN 1000
#define KEEP_ALL     INT64_MAX

static json_t *ask_refusals(struct cli_api *api, const char *client, const char *id)
{
    struct buf path;
    json_t *answer = NULL, *list;
    buf_init(&path, PATH_MAX_LEN);
    buf_append_text(&path, "/api/v1/refusals?limit=1000&client=");
    cli_api_escape(&path, client == NULL ? "" : client);
    buf_append_text(&path, "&id=");
    cli_api_escape(&path, id == NULL ? "" : id);
    int exit_code = cli_api_call(api, buf_text(&path), NULL, &answer);
    list = exit_code == EX_OK ? json_incref(json_object_get(answer, "refusals")) : json_array();
    json_decref(answer);
    buf_done(&path);
    return list;
}

static json_t *read_file(const char *spool, const char *client, const char *id)
{
    struct net_loop *loop = net_loop_new();
    struct reception_refusals *refusals = reception_refusals_new(loop);
    reception_refusals_keep(refusals, spool, KEEP_ALL);
    json_t *list = reception_refusals_list(refusals, client, id, RECEPTION_REFUSALS_MAX);
    reception_refusals_free(&refusals);
    net_loop_free(&loop);
    return list;
}

json_t *cli_refusals(struct cli_api *api, const char *spool, const char *client, const char *id)
{
    return api != NULL ? ask_refusals(api, client, id) : read_file(spool, client, id);
}

static void print_quoted(const char *before, const json_t *refusal, const char *name, const char *after)
{
    const char *text = document_member_text(refusal, name);
    if (text[0] != '\0') {
        printf("%s", before);
        queue_print_text(text);
        printf("%s", after);
    }
}

void cli_refusal_print(const json_t *refusal, int indent)
{
    printf("%*s%.19s  ", indent, "", document_member_text(refusal, "time"));
    queue_print_text(document_member_text(refusal, "client.address"));
    print_quoted(" on ", refusal, "listener", "");
    print_quoted(", helo ", refusal, "helo", "");
    print_quoted(", user ", refusal, "user", "");
    print_quoted(", from ", refusal, "from", "");
    print_quoted(", to ", refusal, "to", "");
    print_quoted(", said \"", refusal, "command", "\"");
    printf("\n%*s  ", indent, "");
    if (json_object_get(refusal, "reply.code") != NULL) {
        printf("heard \"%" JSON_INTEGER_FORMAT " ", json_integer_value(json_object_get(refusal, "reply.code")));
        print_quoted("", refusal, "reply.enhanced", " ");
        queue_print_text(document_member_text(refusal, "reply.text"));
        printf("\"");
    } else {
        print_quoted("was not let in: ", refusal, "error.message", "");
    }
    print_quoted("; rule ", refusal, "rule", "");
    print_quoted("; the key of the listener: ", refusal, "key", "");
    printf("\n");
}

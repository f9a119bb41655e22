/*
 * cmd_clients - who came to the listeners, what became of it, and what they heard when they were refused: "my printer
 * cannot send".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "cli/cli_refusals.h"
#include "cli/queue.h"
#include "document/document_member.h"

static void print_client(const json_t *client)
{
    queue_print_text(document_member_text(client, "client.address"));
    printf(" on ");
    queue_print_text(document_member_text(client, "listener"));
    printf(": sessions %" PRId64 ", messages accepted %" PRId64 ", refusals %" PRId64 "; last seen %.19s\n",
           document_member_number(client, "sessions"), document_member_number(client, "accepted"),
           document_member_number(client, "refused"), document_member_text(client, "last"));
    if (json_is_object(json_object_get(client, "last_refusal"))) {
        cli_refusal_print(json_object_get(client, "last_refusal"), 2);
    }
}

/* Of the running gateway: {"clients": […]}; NULL after the failure was printed. */
static json_t *ask_clients(struct cli_api *api, const char *address, int *exit_r)
{
    struct buf path;
    json_t *answer = NULL;
    buf_init(&path, 1000);
    buf_append_text(&path, "/api/v1/clients?limit=1000&client=");
    cli_api_escape(&path, address == NULL ? "" : address);
    *exit_r = cli_api_call(api, buf_text(&path), NULL, &answer);
    buf_done(&path);
    return answer;
}

static void print_all(const json_t *clients, const json_t *refusals, bool one)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)clients, i, item)
    {
        print_client(item);
    }
    /* Of one client, all that is known; else the list above has the last of each. */
    json_array_foreach((json_t *)(uintptr_t)refusals, i, item)
    {
        if (one || json_array_size(clients) == 0) {
            cli_refusal_print(item, 2);
        }
    }
    if (json_array_size(clients) + json_array_size(refusals) == 0) {
        printf("%s\n", one ? "this client is not known" : "no client has connected yet");
    }
}

static int tell_clients(const struct queue_options *options, const char *address)
{
    int exit_code = EX_OK;
    struct cli_api *api = cli_api_try(options->config_file, options->path);
    json_t *answer = api == NULL ? json_pack("{s:[]}", "clients") : ask_clients(api, address, &exit_code);
    json_t *refusals = exit_code == EX_OK ? cli_refusals(api, options->spool, address, NULL) : NULL;
    cli_api_close(&api);
    if (exit_code == EX_OK && options->json) {
        json_object_set(answer, "refusals", refusals);
        queue_print_json(answer);
    } else if (exit_code == EX_OK) {
        print_all(json_object_get(answer, "clients"), refusals, address != NULL);
    }
    json_decref(refusals);
    json_decref(answer);
    return exit_code;
}

int cmd_clients(const struct cli_command *command, int argc, char **argv)
{
    struct queue_options options = {0};
    int exit_code = EX_OK, others = queue_parse(&options, QUEUE_TAKES_NOTHING, command, argc, argv, &exit_code);
    if (others > 1) {
        exit_code = cli_usage_error(command, "name the address of one client, or none");
        others = -1;
    }
    if (others >= 0 && queue_find_spool(&options, &exit_code) == 0) {
        exit_code = tell_clients(&options, others == 1 ? argv[1] : NULL);
    }
    queue_options_done(&options);
    return exit_code;
}

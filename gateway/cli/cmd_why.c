/*
 * cmd_why - the whole story of a message: who brought it, what was decided, each attempt with the server's words, where
 * it lies now.
 */
#include <stdio.h>
#include <sysexits.h>

#include "cli/cli_refusals.h"
#include "cli/queue_source.h"

static void print_all(const struct queue_options *options, const json_t *stories)
{
    size_t i;
    json_t *story;
    json_array_foreach((json_t *)(uintptr_t)stories, i, story)
    {
        if (options->json) {
            queue_print_json(story);
        } else {
            queue_print_story(story);
        }
    }
}

/* A message that was refused is no message of the queue; what its sender heard is known for a while. */
static size_t tell_refusals(const struct queue_options *options, const char *id)
{
    struct cli_api *api = cli_api_try(options->config_file, options->path);
    json_t *refusals = cli_refusals(api, options->spool, NULL, id), *refusal;
    size_t count = json_array_size(refusals), i;
    cli_api_close(&api);
    if (count > 0 && options->json) {
        queue_print_json(refusals);
    } else if (count > 0) {
        printf("message %s\n  refused     nothing of the message was kept:\n", id);
        json_array_foreach(refusals, i, refusal)
        {
            cli_refusal_print(refusal, 2);
        }
    }
    json_decref(refusals);
    return count;
}

/* argv: a message's name; or upstream, folder and UID. */
static void say_unknown(int argc, char **argv)
{
    if (argc == 1) {
        fprintf(stderr,
                "mailweir: no message with the id %s is known; settled messages are kept only as long as \"history\" "
                "in the configuration says\n",
                argv[0]);
    } else {
        fprintf(stderr, "mailweir: no message is known that was filed in %s of %s as UID %s\n", argv[1], argv[0],
                argv[2]);
    }
}

static int tell_why(const struct queue_options *options, int argc, char **argv)
{
    int exit_code = EX_OK;
    json_t *stories = NULL;
    struct queue_source *source = queue_source_open(options, &exit_code);
    if (source == NULL) {
        return exit_code;
    }
    exit_code = argc == 1 ? queue_source_stories(source, argv[0], &stories)
                          : queue_source_filed(source, argv[0], argv[1], argv[2], &stories);
    queue_source_close(&source);
    bool is_unknown = exit_code == EX_OK && json_array_size(stories) == 0;
    if (is_unknown && argc == 1 && tell_refusals(options, argv[0]) > 0) {
        is_unknown = false;
    }
    if (is_unknown) {
        say_unknown(argc, argv);
        exit_code = 1;
    }
    print_all(options, stories);
    json_decref(stories);
    return exit_code;
}

int cmd_why(const struct cli_command *command, int argc, char **argv)
{
    struct queue_options options = {0};
    int exit_code = EX_OK, others = queue_parse(&options, QUEUE_TAKES_NOTHING, command, argc, argv, &exit_code);
    if (others >= 0 && others != 1 && others != 3) {
        exit_code = cli_usage_error(command, "name one message");
        others = -1;
    }
    if (others >= 0 && queue_find_spool(&options, &exit_code) == 0) {
        exit_code = tell_why(&options, others, argv + 1);
    }
    queue_options_done(&options);
    return exit_code;
}

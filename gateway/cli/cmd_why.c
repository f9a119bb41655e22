/*
 * cmd_why - the whole story of a message: who brought it, what was decided, each attempt with the server's words, where it lies now.
 */
#include <stdio.h>
#include <sysexits.h>

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

/* argv: a message's name; or upstream, folder and UID. */
static int tell(const struct queue_options *options, int argc, char **argv)
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
    if (exit_code == EX_OK && json_array_size(stories) == 0) {
        fprintf(stderr, "mailweir: no such message is known; settled ones are kept for the configured history only\n");
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
        exit_code = tell(&options, others, argv + 1);
    }
    queue_options_done(&options);
    return exit_code;
}

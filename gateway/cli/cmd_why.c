/*
 * cmd_why - the whole story of a message: who brought it, what was decided, each attempt with the server's words, where it lies now.
 */
#include <stdio.h>
#include <sysexits.h>

#include "cli/queue.h"

#define FOUND_MAX 100

static int find(struct spool_index *index, int argc, char **argv, uint64_t *found, size_t *count_r, struct fault *fault)
{
    uint64_t uid;
    if (argc == 1) {
        return spool_query_find(index, argv[0], found, FOUND_MAX, count_r, fault);
    }
    if (!bytes_to_u64(bytes_of(argv[2]), &uid) || uid > UINT32_MAX) {
        fault_set(fault, FAULT_PERM, "usage", "why", "\"%s\" is no UID", argv[2]);
        return -1;
    }
    return spool_query_find_uid(index, argv[0], argv[1], (uint32_t)uid, found, FOUND_MAX, count_r, fault);
}

static int print_all(const struct queue_options *options, struct spool_index *index, const uint64_t *found,
                     size_t count)
{
    struct fault fault = FAULT_INIT;
    for (size_t i = 0; i < count; i++) {
        json_t *story = NULL;
        if (spool_query_story(index, found[i], &story, &fault) != 0) {
            return queue_failed(&fault);
        }
        if (story != NULL && options->json) {
            json_dumpf(story, stdout, JSON_COMPACT);
            putchar('\n');
        } else if (story != NULL) {
            queue_print_story(story);
        }
        json_decref(story);
    }
    return EX_OK;
}

static int tell(const struct queue_options *options, int argc, char **argv)
{
    uint64_t found[FOUND_MAX];
    size_t count = 0;
    int exit_code = EX_OK;
    struct fault fault = FAULT_INIT;
    struct spool_index *index = queue_open(options, &exit_code);
    if (index == NULL) {
        return exit_code;
    }
    if (find(index, argc, argv, found, &count, &fault) != 0) {
        exit_code = queue_failed(&fault);
    } else if (count == 0) {
        fprintf(stderr, "mailweir: no such message is known; settled ones are kept for the configured history only\n");
        exit_code = 1;
    } else {
        exit_code = print_all(options, index, found, count);
    }
    spool_index_close(&index);
    return exit_code;
}

int cmd_why(const struct cli_command *command, int argc, char **argv)
{
    struct queue_options options = {0};
    int exit_code = EX_OK, others = queue_parse(&options, command, argc, argv, &exit_code);
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

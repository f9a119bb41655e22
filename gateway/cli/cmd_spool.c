/*
 * cmd_spool - `mailweir spool check`, `rebuild`, `backup`, `restore`, `migrate` and `move`. 1 when something is
 * damaged, or left out.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli/cli_progress.h"
#include "cli/queue.h"
#include "cli/spool_database.h"
#include "cli/spool_move.h"
#include "store/local/local_backup.h"
#include "store/local/local_check.h"

static void report(void *ctx, const char *id, const struct fault *fault)
{
    if (ctx != NULL) {
        cli_progress_clear(ctx);
    }
    fprintf(stderr, "%s%s%s\n", id == NULL ? "" : id, id == NULL ? "" : ": ", fault->text);
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct cli_progress *progress = ctx;
    progress->total = total;
    cli_progress_step(progress, done);
}

static int print_report(json_t *object, uint64_t damaged)
{
    json_dumpf(object, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(object);
    return damaged == 0 ? EX_OK : 1;
}

static int check_spool(const char *path, bool as_json)
{
    struct cli_progress progress;
    struct local_check_result result;
    struct fault fault = FAULT_INIT;
    cli_progress_begin(&progress, "checking", 0);
    int failed = local_check(path, report, on_progress, &progress, &result, &fault);
    cli_progress_clear(&progress);
    if (failed != 0) {
        return queue_failed(&fault);
    }
    if (as_json) {
        return print_report(json_pack("{s:I,s:I,s:I}", "messages", (json_int_t)result.messages, "octets",
                                      (json_int_t)result.octets, "damaged", (json_int_t)result.damaged),
                            result.damaged);
    }
    printf("%" PRIu64 " messages with %" PRIu64 " octets, %" PRIu64 " damaged\n", result.messages, result.octets,
           result.damaged);
    return result.damaged == 0 ? EX_OK : 1;
}

static int rebuild(const char *path, bool as_json)
{
    struct local_rebuild_result result;
    struct fault fault = FAULT_INIT;
    if (local_rebuild(path, report, NULL, &result, &fault) != 0) {
        return queue_failed(&fault);
    }
    if (as_json) {
        return print_report(json_pack("{s:I,s:I,s:I,s:I,s:b,s:I,s:I,s:I}", "messages", (json_int_t)result.messages,
                                      "deliveries", (json_int_t)result.deliveries, "settled",
                                      (json_int_t)result.settled, "damaged", (json_int_t)result.damaged, "old_index",
                                      result.old_index, "decisions", (json_int_t)result.decisions, "torn",
                                      (json_int_t)result.torn, "void", (json_int_t)result.void_records),
                            result.damaged);
    }
    printf("%" PRIu64 " messages with %" PRIu64 " deliveries are in the new index; %" PRIu64
           " deliveries were settled before; %" PRIu64 " damaged\n",
           result.messages, result.deliveries, result.settled, result.damaged);
    if (result.torn + result.void_records > 0) {
        printf("%" PRIu64 " records were not completely written, and %" PRIu64
               " belong to batches that failed: no sender was told that they were accepted\n",
               result.torn, result.void_records);
    }
    if (!result.old_index) {
        printf("The old index cannot be read. %" PRIu64 " decisions of operators (hold, release, drop, reroute, pause) "
               "come from their journal; retries, attempts and the history of settled messages are lost, and each "
               "delivery is looked for on its server before it is sent.\n",
               result.decisions);
    }
    return result.damaged == 0 ? EX_OK : 1;
}

/* ---- copies ---- */

/* restores: `to` is the spool, and what comes into it is a backup. */
static int copy_spool(const char *from, const char *to, bool restores, bool as_json)
{
    struct cli_progress progress;
    struct local_backup_result result;
    struct fault fault = FAULT_INIT;
    cli_progress_begin(&progress, "checking the copy", 0);
    int failed = local_backup(from, to, report, on_progress, &progress, &result, &fault);
    cli_progress_clear(&progress);
    if (failed != 0) {
        int code = queue_failed(&fault);
        return strcmp(fault.code, "not-empty") == 0 ? EX_CANTCREAT : code;
    }
    if (as_json) {
        return print_report(json_pack("{s:s,s:I,s:I,s:I,s:I}", "folder", to, "messages", (json_int_t)result.messages,
                                      "octets", (json_int_t)result.octets, "deliveries", (json_int_t)result.deliveries,
                                      "damaged", (json_int_t)result.damaged),
                            result.damaged);
    }
    printf("%" PRIu64 " messages with %" PRIu64 " octets are in %s, each read back; %" PRIu64 " damaged\n",
           result.messages, result.octets, to, result.damaged);
    printf(restores ? "%" PRIu64 " open deliveries are in doubt: each is looked for on its server before it is sent. "
                      "The spool that this copy was made from must not run any more.\n"
                    : "%" PRIu64 " open deliveries are in doubt in the copy: after a restore, each is looked for on "
                      "its server before it is sent. Never run the copy beside the original.\n",
           result.deliveries);
    return result.damaged == 0 ? EX_OK : 1;
}

/* ---- the command ---- */

enum verb { CHECK, REBUILD, BACKUP, RESTORE, MIGRATE, MOVE, VERBS };
static const struct {
    const char *name;
    int arguments;
    const char *behind; /* what is written behind the name */
} verbs[VERBS] = {
    [CHECK] = {"check", 1, ""},          [REBUILD] = {"rebuild", 1, ""},
    [BACKUP] = {"backup", 2, " FOLDER"}, [RESTORE] = {"restore", 2, " FOLDER"},
    [MIGRATE] = {"migrate", 1, ""},      [MOVE] = {"move", 1, " --to PLACE"},
};

static int refuse_words(const struct cli_command *command)
{
    struct buf names;
    buf_init(&names, 300);
    for (size_t i = 0; i < VERBS; i++) {
        buf_append_choice(&names, i, VERBS, verbs[i].name);
        buf_append_text(&names, verbs[i].behind);
    }
    int exit_code = cli_usage_error(command, "say %s", buf_text(&names));
    buf_done(&names);
    return exit_code;
}

static enum verb verb_of(int count, char **argv)
{
    enum verb verb = CHECK;
    while (verb < VERBS && (count < 1 || strcmp(argv[1], verbs[verb].name) != 0)) {
        verb++;
    }
    return verb;
}

static int run_verb(enum verb verb, const char *folder, const struct queue_options *options)
{
    if (verb != MIGRATE && verb != MOVE && spool_database_is(options)) {
        return verb == CHECK ? spool_database_check(options) : spool_database_refuse(verbs[verb].name);
    }
    switch (verb) {
    case CHECK:
        return check_spool(options->spool, options->json);
    case REBUILD:
        return rebuild(options->spool, options->json);
    case BACKUP:
        return copy_spool(options->spool, folder, false, options->json);
    case RESTORE:
        return copy_spool(folder, options->spool, true, options->json);
    case MIGRATE:
        return spool_database_migrate(options);
    case MOVE:
        return spool_move(options);
    case VERBS:
        break;
    }
    return EX_SOFTWARE; /* not reached: who has no verb is refused */
}

int cmd_spool(const struct cli_command *command, int argc, char **argv)
{
    struct queue_options options = {0};
    int exit_code = EX_OK, others = queue_parse(&options, QUEUE_TAKES_PLACE, command, argc, argv, &exit_code);
    enum verb verb = verb_of(others, argv);
    /* "backup --to FOLDER", as the queue is exported, says the same. */
    const char *folder = others == 2 ? argv[2] : verb == BACKUP ? options.to : NULL;
    int given = others + (others == 1 && folder != NULL);
    if (others >= 0 &&
        (verb == VERBS || given != verbs[verb].arguments || (options.to != NULL && verb != BACKUP && verb != MOVE))) {
        exit_code = refuse_words(command);
    } else if (others >= 0 && queue_find_spool(&options, &exit_code) == 0) {
        exit_code = run_verb(verb, folder, &options);
    }
    queue_options_done(&options);
    return exit_code;
}

/*
 * queue - what the commands about the queue share: which spool, which deliveries, and how times and messages are
 * printed.
 */
#ifndef MAILWEIR_CLI_QUEUE_H
#define MAILWEIR_CLI_QUEUE_H

#include <jansson.h>

#include "base/must_use.h"
#include "cli/cli.h"
#include "cli/cli_store.h"
#include "filters/filters.h"
#include "spool/spool_query.h"

/* Which options a verb takes, beside --config, --spool and --json; any other is a usage error there. */
enum queue_takes {
    QUEUE_TAKES_NOTHING = 0,
    QUEUE_TAKES_SELECTION = 1,
    QUEUE_TAKES_LIMIT = 2,
    QUEUE_TAKES_ALL = 4,
    QUEUE_TAKES_DRY_RUN = 8,
    QUEUE_TAKES_TARGET = 16,     /* what export writes to */
    QUEUE_TAKES_MESSAGES = 32,   /* what import needs to know of messages without facts */
    QUEUE_TAKES_AGAIN = 64,      /* the operator's word about what is in doubt */
    QUEUE_TAKES_RECIPIENT = 128, /* a selection by --to, which is where export writes to */
    QUEUE_TAKES_AFTER = 256,
    QUEUE_TAKES_PLACE = 512, /* where a spool is copied or moved to */
};

/* The options of every verb. */
struct queue_options {
    const char *config_file, *path;
    bool json;
    struct store_select select;
    const char *older, *since, *limit, *after, *to, *format, *recipients;
    bool all, dry_run, by_rules, again;
    /* Worked out by queue_parse(). */
    char *spool; /* the spool's folder */
    struct cli_store store;
    uint64_t limit_number; /* 0: none given */
};

/* Parses; takes: of enum queue_takes. argv[1] … are then the other arguments. Returns their number, or -1 with the exit
 * code. */
MUST_USE int queue_parse(struct queue_options *options, unsigned takes, const struct cli_command *command, int argc,
                         char **argv, int *exit_r);
/* Finds the spool's folder by --spool or the configuration; -1 with the exit code. */
MUST_USE int queue_find_spool(struct queue_options *options, int *exit_r);
void queue_options_done(struct queue_options *options);

/* Prints "mailweir: text (code)" to standard error; returns the exit code. */
MUST_USE int queue_failed(const struct fault *fault);
/* Who asks, for the history of what was changed. */
const char *queue_operator(void);

/* Local octets for a terminal: control characters become '?'. */
void queue_print_text(const char *text);
/* The wall clock. */
int64_t queue_now_ms(void);
/* "3 h", "12 d": how long ago that was, by the wall clock. */
void queue_age(int64_t since_ms, char out[32]);
/* The story of one message, as text. */
void queue_print_story(const json_t *story);

/* Whether the options choose anything; and: takes an id from the arguments, or complains when nothing is chosen. */
MUST_USE int queue_choose(struct queue_options *options, int argc, char **argv);
/*
 * Calls fn once for each chosen message, until all were done, and shows how far it is (what: "exporting"; NULL when the
 * caller does); the first exit code that is not EX_OK is returned.
 */
struct queue_source;
typedef int queue_message_fn(void *ctx, struct queue_source *source, const char *id);
MUST_USE int queue_each_message(const struct queue_options *options, const char *what, queue_message_fn *fn, void *ctx);
/* The ids of messages, each once, of what a list says: queue_ids_note() is its fn. */
struct queue_ids {
    char **items;
    size_t count, room;
};
MUST_USE int queue_ids_note(void *ctx, const json_t *object);
void queue_ids_done(struct queue_ids *ids);
/* One object as a line of JSON. */
void queue_print_json(const json_t *object);

/*
 * Reads one message of the queue and calls fn with it: envelope and client as they were stored, the whole body, the
 * time of its reception as "now". Everything lives until fn returns. Returns what fn does, EX_OK when nothing of the
 * message is open any more, or another exit code after the failure was printed.
 */
typedef int queue_stored_fn(void *ctx, const json_t *story, const struct filters_message *message);
MUST_USE int queue_read_stored(struct queue_source *source, const char *id, queue_stored_fn *fn, void *ctx);

/* Verbs; argv[1] … are their arguments. Each returns the exit code. */
MUST_USE int queue_list(struct queue_options *options, int argc, char **argv);
MUST_USE int queue_summary(struct queue_options *options, int argc, char **argv);
MUST_USE int queue_show(struct queue_options *options, int argc, char **argv);
MUST_USE int queue_cat(struct queue_options *options, int argc, char **argv);
MUST_USE int queue_export(struct queue_options *options, int argc, char **argv);
MUST_USE int queue_import(struct queue_options *options, int argc, char **argv);
MUST_USE int queue_reroute(struct queue_options *options, int argc, char **argv);
/* retry, hold, release, drop, pause and resume: argv[0] is the verb. */
MUST_USE int queue_change(struct queue_options *options, int argc, char **argv);
/* Into out: the names of the verbs whose arguments begin with this ("ID"), with `between` between them. */
void queue_list_verbs(const char *argument, const char *between, char *out, size_t size);

#endif

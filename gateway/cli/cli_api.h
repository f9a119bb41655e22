/*
 * cli_api - how subcommands talk to the running gateway: its admin server, by HTTP.
 *
 * Blocks. The address and the token come from the configuration file; its other parts may be wrong, the gateway that
 * runs is not.
 */
#ifndef MAILWEIR_CLI_CLI_API_H
#define MAILWEIR_CLI_CLI_API_H

#include <jansson.h>

#include "base/must_use.h"
#include "cli/cli.h"

struct cli_api;

/* config: of the option --config, may be NULL. NULL after the mistake was printed. */
MUST_USE struct cli_api *cli_api_open(const char *config);
/*
 * The same without a configuration that must be whole: at this address ("unix:/path", "host:port"), or, when it is
 * NULL, at $MAILWEIR_ADMIN, or where the configuration says, or, when that cannot be read, at the socket of the spool's
 * usual place. For what asks no more than the probes, which need no token. NULL after the mistake was printed.
 */
MUST_USE struct cli_api *cli_api_open_probe(const char *address, const char *config);
/*
 * The same where it need not run: NULL, without a word, when nobody answers or the configuration does not say where.
 * spool: of the option --spool, whose folder then holds the socket; may be NULL.
 */
struct cli_api *cli_api_try(const char *config, const char *spool);
/* Sets *api to NULL; NULL is fine. */
void cli_api_close(struct cli_api **api);

/*
 * Asks. path: with its query, "/api/v1/queue?state=dead"; body: NULL for a GET, else sent by POST (not taken). 0 with
 * *answer_r a new reference when the gateway said yes; else the exit code, after the error was printed: EX_UNAVAILABLE
 * when no gateway answers, EX_NOPERM for a missing right, EX_TEMPFAIL when the gateway cannot now, 1 when it says no. A
 * probe that fails gives *answer_r, too: its checks (the caller sets *answer_r to NULL before).
 */
MUST_USE int cli_api_call(struct cli_api *api, const char *path, const json_t *body, json_t **answer_r);

/* Opens, asks once, and closes. EX_CONFIG when there is nothing to ask. */
MUST_USE int cli_api_ask(const char *config, const char *path, const json_t *body, json_t **answer_r);
/*
 * A whole subcommand without arguments that asks once: reads its options, --config and --json, and asks. The exit code;
 * EX_OK without an answer when the options were all that was wanted (--help).
 */
struct cli_api_question {
    const char *path; /* and body: as of cli_api_call() */
    const json_t *body;
    const char *json_help; /* of the option --json */
    bool as_json;          /* out: it was given */
    json_t *answer;        /* out: a new reference, or NULL */
};
MUST_USE int cli_api_command(const struct cli_command *command, int argc, char **argv,
                             struct cli_api_question *question);

/* The same in pieces as they come, however long it is; fn returns non-zero to stop, which is no error. */
MUST_USE int cli_api_stream(struct cli_api *api, const char *path, int (*fn)(void *ctx, struct bytes piece), void *ctx);

/* One server-sent event; returning false ends the stream. */
typedef bool cli_api_event_fn(void *ctx, const char *name, const char *data);
/* Standard input can be read, or has ended; returning false ends the stream. */
typedef bool cli_api_keys_fn(void *ctx);
/* Follows a live stream until it ends or one of the two has enough; keys: NULL where nobody types. The same results. */
MUST_USE int cli_api_follow(struct cli_api *api, const char *path, cli_api_event_fn *fn, cli_api_keys_fn *keys,
                            void *ctx);

/*
 * Strings of other programs, mailbox servers above all, before they go to a terminal: what moves it or turns a line
 * around becomes '?', in all of the object. Answers of the gateway come so.
 */
void cli_api_clean(json_t *json);

/* Appends text to a path or query, percent-encoded. */
void cli_api_escape(struct buf *out, const char *text);

#endif

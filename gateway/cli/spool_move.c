/*
 * spool_move - see spool_move.h.
 */
#include "cli/spool_move.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/expect.h"
#include "cli/cli_progress.h"
#include "cli/queue_here.h"
#include "net/net_file.h"
#include "spool/spool_admin.h"
#include "spool/spool_import.h"
#include "store/local/local.h"
#include "store/postgresql/postgresql.h"

#define PATH_LEN 4096
/* Messages of one request, and their octets: they lie in files beside the new place until it has answered. */
#define BATCH_MESSAGES 100
#define BATCH_OCTETS   (64u << 20)

struct move {
    const char *folder; /* the spool's */
    struct queue_options from;
    struct cli_store to;
    struct queue_here *here;            /* the old place, to read */
    struct spool_desk *source, *target; /* to write */
    json_t *batch;
    uint64_t octets;
    uint64_t moved, known, left_out;
    struct cli_progress progress;
};

static void leave_out(struct move *move, const char *id, const char *why)
{
    cli_progress_clear(&move->progress);
    fprintf(stderr, "mailweir: %s stays where it is: %s\n", id, why);
    move->left_out++;
}

/* ---- asking ---- */

/* Takes the request; the reply is the caller's. */
static json_t *ask_desk(struct spool_desk *desk, json_t *request)
{
    json_t *reply = spool_desk_ask(desk, request);
    json_decref(request);
    return reply;
}

/* It is durable at its new place. */
static bool drop_old(struct move *move, const char *id)
{
    json_t *reply = ask_desk(move->source, json_pack("{s:s,s:{s:s},s:s,s:b}", "verb", "drop", "select", "id", id, "by",
                                                     "spool move", "again", true)); /* its doubt has moved along */
    const char *error = json_string_value(json_object_get(reply, "error"));
    bool is_busy = json_integer_value(json_object_get(reply, "busy")) > 0;
    if (error != NULL || is_busy) {
        leave_out(move, id, is_busy ? "the message is being delivered" : error);
    }
    json_decref(reply);
    return error == NULL && !is_busy;
}

static const char *id_of(const json_t *message)
{
    return json_string_value(json_object_get(json_object_get(message, "envelope"), "id"));
}

static void settle_moved(struct move *move, const char *id, const char *result)
{
    bool is_known = strcmp(result, "known") == 0;
    if (!is_known && strcmp(result, "added") != 0) {
        leave_out(move, id, result);
    } else if (drop_old(move, id)) {
        move->known += is_known;
        move->moved += !is_known;
    }
}

/* Has the new place take the batch. */
static void hand_over(struct move *move)
{
    char path[PATH_LEN];
    size_t i;
    json_t *message;
    if (json_array_size(move->batch) == 0) {
        return;
    }
    json_t *reply = ask_desk(move->target, json_pack("{s:s,s:O}", "verb", "import", "messages", move->batch));
    const char *error = json_string_value(json_object_get(reply, "error"));
    json_array_foreach(move->batch, i, message)
    {
        const char *result = json_string_value(json_array_get(json_object_get(reply, "results"), i));
        settle_moved(move, id_of(message),
                     result != NULL  ? result
                     : error != NULL ? error
                                     : "the new place did not answer");
        spool_import_path(move->folder, id_of(message), path, sizeof path);
        disregard(net_file_remove(path, NULL));
    }
    json_decref(reply);
    json_array_clear(move->batch);
    move->octets = 0;
}

/* ---- one message ---- */

struct copy {
    struct net_file *file;
    uint64_t len;
    struct fault fault;
};

static int write_piece(void *ctx, struct bytes piece)
{
    struct copy *copy = ctx;
    if (net_file_write(copy->file, copy->len, &piece, 1, &copy->fault) != 0) {
        return -1;
    }
    copy->len += piece.len;
    return 0;
}

/* The body as a file, where an import reads it. */
static int put_file(struct move *move, const char *id, struct copy *copy)
{
    char folder[PATH_LEN], path[PATH_LEN];
    spool_import_path(move->folder, NULL, folder, sizeof folder);
    spool_import_path(move->folder, id, path, sizeof path);
    if (net_file_mkdir(folder, &copy->fault) != 0) {
        return -1;
    }
    disregard(net_file_remove(path, NULL)); /* of one that was cut off */
    if (net_file_open(&copy->file, path, NET_FILE_CREATE, &copy->fault) != 0) {
        return -1;
    }
    int read = queue_here_body(move->here, id, write_piece, copy);
    if (read != EX_OK && !fault_is_set(&copy->fault)) {
        fault_set(&copy->fault, FAULT_LOCAL, "unread", "move",
                  "the body of the message cannot be read: \"mailweir spool check\" says what is damaged");
    }
    return net_file_close(&copy->file, &copy->fault) != 0 || read != EX_OK ? -1 : 0;
}

/* A dead letter waits for its operator there, too: held, because nothing comes into a queue dead. */
static void keep_dead(json_t *facts)
{
    size_t i;
    json_t *delivery;
    json_array_foreach(json_object_get(facts, "deliveries"), i, delivery)
    {
        if (json_is_true(json_object_get(delivery, "dead"))) {
            json_object_set_new(delivery, "held", json_true());
        }
    }
}

static void move_one(struct move *move, const char *id)
{
    struct copy copy = {0};
    json_t *facts = NULL;
    if (queue_here_facts(move->here, id, &facts) != EX_OK ||
        json_array_size(json_object_get(facts, "deliveries")) == 0) {
        json_decref(facts);
        leave_out(move, id, "the message has no open delivery any more");
        return;
    }
    if (put_file(move, id, &copy) != 0) {
        json_decref(facts);
        leave_out(move, id, copy.fault.text);
        return;
    }
    keep_dead(facts);
    json_array_append_new(move->batch, facts);
    move->octets += copy.len;
    if (json_array_size(move->batch) == BATCH_MESSAGES || move->octets >= BATCH_OCTETS) {
        hand_over(move);
    }
}

/* ---- all ---- */

static int move_all(struct move *move)
{
    struct queue_ids ids = {0};
    int exit_code = queue_here_list(move->here, 0, queue_ids_note, &ids);
    cli_progress_begin(&move->progress, "moving", ids.count);
    for (size_t i = 0; exit_code == EX_OK && i < ids.count; i++) {
        move_one(move, ids.items[i]);
        cli_progress_step(&move->progress, i + 1);
    }
    hand_over(move);
    cli_progress_clear(&move->progress);
    queue_ids_done(&ids);
    return exit_code;
}

/* Whoever runs on the old place might deliver what is moved. A folder can be opened once. */
static int expect_nobody(const struct move *move)
{
    struct fault fault = FAULT_INIT;
    int64_t nodes = move->from.store.ops == &local_store ? 0 : postgresql_nodes(move->from.store.place, &fault);
    if (nodes > 0) {
        fprintf(stderr,
                "mailweir: %" PRId64 " nodes run on the queue that is to be moved: end them first (mailweir drain)\n",
                nodes);
        return EX_UNAVAILABLE;
    }
    return nodes < 0 ? queue_failed(&fault) : EX_OK;
}

static int open_desk(struct spool_desk **desk_r, const struct cli_store *store, const char *folder)
{
    struct fault fault = FAULT_INIT;
    const struct spool_options options = {.store = store->ops, .place = store->place, .path = folder, .brief = true};
    return spool_desk_open(desk_r, &options, &fault) != 0 ? queue_failed(&fault) : EX_OK;
}

static int open_both(struct move *move)
{
    int exit_code = expect_nobody(move);
    if (exit_code == EX_OK) {
        exit_code = open_desk(&move->source, &move->from.store, move->folder);
    }
    if (exit_code == EX_OK) {
        exit_code = open_desk(&move->target, &move->to, move->folder);
    }
    if (exit_code == EX_OK) {
        move->here = queue_here_open(&move->from, &exit_code);
    }
    return exit_code;
}

static int run(struct move *move, bool as_json)
{
    int exit_code = open_both(move);
    exit_code = exit_code == EX_OK ? move_all(move) : exit_code;
    queue_here_close(&move->here);
    spool_desk_close(&move->target);
    spool_desk_close(&move->source);
    if (exit_code != EX_OK) {
        return exit_code;
    }
    if (as_json) {
        json_t *result = json_pack("{s:I,s:I,s:I}", "moved", (json_int_t)move->moved, "known", (json_int_t)move->known,
                                   "left_out", (json_int_t)move->left_out);
        queue_print_json(result);
        json_decref(result);
    } else {
        printf("%" PRIu64 " moved, %" PRIu64 " were there already, %" PRIu64 " stay where they are\n", move->moved,
               move->known, move->left_out);
    }
    return move->left_out > 0 ? 1 : EX_OK;
}

int spool_move(const struct queue_options *options)
{
    bool to_database = options->to != NULL && strcmp(options->to, "postgresql") == 0;
    if (options->to == NULL || (!to_database && strcmp(options->to, "local") != 0)) {
        fprintf(stderr, "mailweir spool move: say where to, --to postgresql or --to local\n");
        return EX_USAGE;
    }
    if (options->store.ops != &postgresql_store || options->path != NULL) {
        fprintf(stderr, "mailweir spool move: both places stand in the configuration: \"spool\": {\"path\": the folder,"
                        " \"postgresql\": the database}\n");
        return EX_USAGE;
    }
    struct cli_store folder;
    cli_store_of_path(&folder, options->spool);
    struct move move = {.folder = options->spool,
                        .from = {.config_file = options->config_file, .spool = options->spool},
                        .to = to_database ? options->store : folder,
                        .batch = json_array()};
    move.from.store = to_database ? folder : options->store;
    int exit_code = run(&move, options->json);
    json_decref(move.batch);
    cli_store_done(&folder);
    return exit_code;
}

/*
 * queue_import - `mailweir queue import`: the counterpart of export; files, folders, Maildirs and mboxes of anybody are
 * taken too.
 *
 * What export wrote beside its messages ("facts.jsonl" in the folder, "FILE.facts.jsonl" beside an mbox) gives each
 * message back its id, its envelope, its client and its open deliveries; a message is recognised by its octets. Without
 * facts, the envelope is taken from the header or the command line, today's rules decide, and the id is made of the
 * octets, so that the same file imported twice is filed once.
 *
 * The messages go to the running gateway in batches: their octets as files in the spool's folder "import", the rest in
 * the request. Without a gateway this program does what it would do.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/expect.h"
#include "base/map.h"
#include "base/units.h"
#include "cli/cli_api.h"
#include "cli/cli_message.h"
#include "cli/queue.h"
#include "filters/filters.h"
#include "mail/mail_header.h"
#include "net/net_file.h"
#include "net/net_loop.h"
#include "spool/spool_admin.h"
#include "spool/spool_import.h"
#include "store/store_meta.h"
#include "store/store_sum.h"

#define PATH_LEN       4096
#define ARENA_MAX      (256u << 20)
#define FACTS_MAX      (1u << 30)
#define MESSAGE_ID_MAX 255
#define LEFT_BEHIND_MS (24 * 3600 * INT64_C(1000))
/* Messages and octets of one request. */
#define BATCH_MESSAGES 100
#define BATCH_OCTETS   (64u << 20)

struct import {
    const struct queue_options *options;
    struct cli_api *api; /* of the gateway that runs, or NULL */
    const struct config *config;
    struct filters_scratch *scratch;
    int64_t now_ms;
    struct map *facts; /* by size and sum: a JSON array of them */
    struct map *seen;  /* how often these octets came, by the id of the first */
    json_t *batch;     /* messages of the next request */
    size_t octets;     /* of their bodies */
    uint64_t added, known, left_out;
    int exit_code;
};

static void leave_out(struct import *import, const char *name, const char *why)
{
    fprintf(stderr, "mailweir: %s is left out: %s\n", name, why);
    import->left_out++;
    import->exit_code = import->exit_code == EX_OK ? 1 : import->exit_code;
}

/* ---- facts ---- */

static void key_of(uint64_t size, const char *sum, char out[48])
{
    snprintf(out, 48, "%" PRIu64 " %.20s", size, sum);
}

static void sum_of(struct bytes body, char out[17])
{
    snprintf(out, 17, "%016" PRIx64, store_sum_of(body));
}

static void add_facts(struct import *import, json_t *facts)
{
    char key[48];
    const char *sum = json_string_value(json_object_get(facts, "sum"));
    key_of((uint64_t)json_integer_value(json_object_get(facts, "size")), sum == NULL ? "" : sum, key);
    json_t *list = map_get(import->facts, bytes_of(key));
    if (list == NULL) {
        list = json_array();
        EXPECT(map_set(import->facts, bytes_of(key), list) == 0);
    }
    json_array_append_new(list, facts);
}

/* Reads what export wrote beside the path, if there is anything. */
static int load_facts(struct import *import, const char *path)
{
    struct buf text;
    struct stat about;
    struct fault fault = FAULT_INIT;
    char file[PATH_LEN];
    bool folder = stat(path, &about) == 0 && S_ISDIR(about.st_mode);
    snprintf(file, sizeof file, "%s%sfacts.jsonl", path, folder ? "/" : ".");
    if (access(file, F_OK) != 0) {
        return EX_OK;
    }
    buf_init(&text, FACTS_MAX);
    if (net_file_read_all(file, &text, &fault) != 0) {
        buf_done(&text);
        return queue_failed(&fault);
    }
    struct bytes rest = buf_bytes(&text);
    int exit_code = EX_OK;
    for (size_t line = 1; exit_code == EX_OK && rest.len > 0; line++) {
        struct bytes one = bytes_cut(&rest, '\n');
        json_error_t error;
        json_t *facts = json_loadb((const char *)one.ptr, one.len, JSON_REJECT_DUPLICATES, &error);
        if (facts == NULL) {
            fprintf(stderr, "mailweir: %s:%zu:%d: %s\n", file, line, error.column, error.text);
            exit_code = EX_DATAERR;
        } else {
            add_facts(import, facts);
        }
    }
    buf_done(&text);
    return exit_code;
}

/* The facts of these octets, each given out once; the caller's. */
static json_t *take_facts(struct import *import, struct bytes body)
{
    char key[48], sum[17];
    sum_of(body, sum);
    key_of(body.len, sum, key);
    json_t *list = map_get(import->facts, bytes_of(key));
    json_t *facts = json_incref(json_array_get(list, 0));
    json_array_remove(list, 0);
    return facts;
}

/* ---- a message without facts ---- */

/*
 * An id that follows from octets, envelope and how often the same came before in this run: the same import again makes
 * the same ids.
 */
static void make_id(struct import *import, struct bytes body, const struct mail_envelope *envelope,
                    char id[UNITS_ID_LEN + 1])
{
    uint8_t octets[16];
    for (unsigned round = 0; round < 2; round++) {
        struct store_sum *sum = store_sum_new();
        store_sum_add(sum, bytes_at(&"io"[round], 1));
        store_sum_add(sum, bytes_at(envelope->from, strlen(envelope->from) + 1));
        for (size_t i = 0; i < envelope->to_count; i++) {
            store_sum_add(sum, bytes_at(envelope->to[i].address, strlen(envelope->to[i].address) + 1));
        }
        store_sum_add(sum, body);
        uint64_t value = store_sum_value(sum);
        memcpy(octets + round * sizeof value, &value, sizeof value);
        store_sum_free(&sum);
    }
    units_id(0, octets, id);
    uint32_t *times = map_get(import->seen, bytes_of(id));
    if (times == NULL) {
        times = expect_calloc(1, sizeof *times);
        EXPECT(map_set(import->seen, bytes_of(id), times) == 0);
    }
    for (size_t i = 0; i < sizeof *times; i++) {
        octets[i] ^= (uint8_t)(*times >> (8 * i));
    }
    (*times)++;
    units_id(0, octets, id);
}

static const char *message_id_of(struct bytes header, struct arena *arena)
{
    struct mail_header_field field;
    struct buf value;
    const char *text = NULL;
    if (mail_header_find(header, "Message-ID", &field) == 1 && field.value.len <= MESSAGE_ID_MAX) {
        buf_init(&value, MESSAGE_ID_MAX + 1);
        mail_header_unfold(field.value, &value);
        text = value.len == 0 ? NULL : arena_copy(arena, buf_bytes(&value));
        buf_done(&value);
    }
    return text;
}

/* ---- the decision ---- */

static int decide_import(struct import *import, const char *name, const struct filters_message *message,
                         struct arena *arena, struct mail_envelope *envelope, struct filters_decision *decision_r)
{
    struct fault fault = FAULT_INIT;
    struct filters_message again = *message;
    again.envelope = envelope;
    if (filters_decide(import->config->rule_set, import->scratch, &again, arena, decision_r, &fault) != 0) {
        leave_out(import, name, fault.text);
        return -1;
    }
    if (decision_r->reply_code != 0 || decision_r->delivery_count == 0) {
        leave_out(import, name,
                  decision_r->reply_code != 0 ? "the rules refuse the message" : "the rules discard the message");
        return -1;
    }
    envelope->rules = decision_r->rules;
    envelope->rule_count = decision_r->rule_count;
    envelope->tried = decision_r->tried;
    envelope->tried_count = decision_r->tried_count;
    return 0;
}

/* Whether this gateway can deliver what the other one decided. */
static int check_stored(struct import *import, const char *name, const struct filters_decision *decision)
{
    char why[400];
    for (size_t i = 0; i < decision->delivery_count; i++) {
        const char *upstream = decision->deliveries[i].upstream;
        if (!config_has_upstream(import->config, upstream)) {
            snprintf(why, sizeof why,
                     "the message goes to upstream \"%s\", which is not configured here; --by-rules lets the rules "
                     "decide again",
                     upstream);
            leave_out(import, name, why);
            return -1;
        }
    }
    if (decision->delivery_count == 0) {
        leave_out(import, name, "the message was already settled when it was exported");
        return -1;
    }
    return 0;
}

/* ---- handing over ---- */

static int put_file(struct import *import, const char *id, struct bytes body, struct fault *fault)
{
    char folder[PATH_LEN], path[PATH_LEN];
    struct net_file *file = NULL;
    const char *spool = import->options->spool;
    spool_import_path(spool, NULL, folder, sizeof folder);
    spool_import_path(spool, id, path, sizeof path);
    if (net_file_mkdir(folder, fault) != 0) {
        return -1;
    }
    disregard(net_file_remove(path, NULL)); /* of an import that was cut off */
    if (net_file_open(&file, path, NET_FILE_CREATE, fault) != 0) {
        return -1;
    }
    int result = net_file_write(file, 0, &body, 1, fault);
    if (net_file_close(&file, fault) != 0 || result != 0) {
        disregard(net_file_remove(path, NULL));
        return -1;
    }
    return 0;
}

static const char *id_of(const json_t *message)
{
    return json_string_value(json_object_get(json_object_get(message, "envelope"), "id"));
}

static void count_results(struct import *import, const json_t *reply)
{
    size_t i;
    json_t *result;
    import->added += (uint64_t)json_integer_value(json_object_get(reply, "changed"));
    import->known += (uint64_t)json_integer_value(json_object_get(reply, "known"));
    json_array_foreach(json_object_get(reply, "results"), i, result)
    {
        const char *text = json_string_value(result);
        if (strcmp(text, "added") != 0 && strcmp(text, "known") != 0) {
            leave_out(import, id_of(json_array_get(import->batch, i)), text);
        }
    }
}

/* Asks the gateway that runs by its API, or does it here; NULL after the failure was printed. */
static json_t *ask_import(struct import *import, json_t *request)
{
    struct fault fault = FAULT_INIT;
    json_t *answer = NULL;
    if (import->api != NULL) {
        int result = cli_api_call(import->api, "/api/v1/queue", request, &answer);
        import->exit_code = result != EX_OK ? result : import->exit_code;
        return answer;
    }
    const struct spool_options options = {.store = import->options->store.ops,
                                          .place = import->options->store.place,
                                          .path = import->options->spool,
                                          .brief = true};
    bool is_done = spool_admin_call(&options, request, &answer, &fault) == 0;
    const char *error = !is_done ? NULL : json_string_value(json_object_get(answer, "error"));
    if (error != NULL) {
        fault_set(&fault, FAULT_LOCAL, "import", "import", "%s", error);
        json_decref(answer);
        answer = NULL;
    }
    if (answer == NULL) {
        import->exit_code = queue_failed(&fault);
    }
    return answer;
}

/* Has the gateway take the batch in; what it did not take is in the files that are imported still. */
static void hand_over(struct import *import)
{
    char path[PATH_LEN];
    size_t i;
    json_t *message;
    if (json_array_size(import->batch) == 0) {
        return;
    }
    json_t *request = json_pack("{s:s, s:O}", "verb", "import", "messages", import->batch);
    json_t *answer = ask_import(import, request);
    json_decref(request);
    if (answer == NULL) {
        import->left_out += json_array_size(import->batch);
    } else {
        count_results(import, answer);
    }
    json_decref(answer);
    json_array_foreach(import->batch, i, message)
    {
        spool_import_path(import->options->spool, id_of(message), path, sizeof path);
        disregard(net_file_remove(path, NULL));
    }
    json_array_clear(import->batch);
    import->octets = 0;
}

static json_t *meta_of(const struct mail_envelope *envelope, const struct filters_decision *decision)
{
    struct buf text;
    buf_init(&text, STORE_META_MAX);
    buf_append_text(&text, "{\"envelope\":");
    store_meta_write_envelope(&text, envelope);
    buf_append_text(&text, ",\"deliveries\":[");
    for (size_t i = 0; i < decision->delivery_count; i++) {
        buf_append_text(&text, i > 0 ? "," : "");
        store_meta_write_delivery(&text, &decision->deliveries[i]);
    }
    buf_append_text(&text, "]}");
    json_t *meta = text.full ? NULL : json_loads(buf_text(&text), 0, NULL);
    buf_done(&text);
    return meta;
}

static void add_to_batch(struct import *import, const char *name, struct bytes body,
                         const struct mail_envelope *envelope, const struct filters_decision *decision)
{
    char sum[17];
    struct fault fault = FAULT_INIT;
    json_t *message = meta_of(envelope, decision);
    sum_of(body, sum);
    if (message == NULL) {
        leave_out(import, name, "the envelope of the message is too large");
        return;
    }
    if (import->options->dry_run) {
        printf("%s: %s:%s\n", name, decision->deliveries[0].upstream, decision->deliveries[0].folder);
        import->added++;
        json_decref(message);
        return;
    }
    json_object_set_new(message, "size", json_integer((json_int_t)body.len));
    json_object_set_new(message, "sum", json_string(sum));
    if (put_file(import, envelope->id, body, &fault) != 0) {
        leave_out(import, name, fault.text);
        json_decref(message);
        return;
    }
    json_array_append_new(import->batch, message);
    import->octets += body.len;
    if (json_array_size(import->batch) == BATCH_MESSAGES || import->octets >= BATCH_OCTETS) {
        hand_over(import);
    }
}

/* ---- messages ---- */

static void import_known(struct import *import, const char *name, const struct filters_message *message,
                         struct bytes body, const json_t *facts)
{
    struct arena *arena = arena_new(ARENA_MAX);
    struct fault fault = FAULT_INIT;
    struct mail_envelope envelope;
    struct filters_decision decision = {0};
    char *text = json_dumps(facts, JSON_COMPACT);
    bool good =
        store_meta_read(bytes_of(text), arena, &envelope, &decision.deliveries, &decision.delivery_count, &fault) == 0;
    free(text);
    if (!good) {
        leave_out(import, name, fault.text);
    } else if (import->options->by_rules) {
        good = decide_import(import, name, message, arena, &envelope, &decision) == 0;
    } else {
        good = check_stored(import, name, &decision) == 0;
    }
    if (good) {
        add_to_batch(import, name, body, &envelope, &decision);
    }
    arena_free(&arena);
}

static void import_new(struct import *import, const char *name, const struct filters_message *message,
                       struct bytes body)
{
    struct arena *arena = arena_new(ARENA_MAX);
    char id[UNITS_ID_LEN + 1];
    struct filters_decision decision = {0};
    struct mail_envelope envelope = *message->envelope;
    envelope.id = id;
    envelope.hostname = import->config->hostname;
    envelope.body = MAIL_BODY_8BITMIME;
    envelope.message_id = message_id_of(message->header, arena);
    make_id(import, body, &envelope, id);
    if (decide_import(import, name, message, arena, &envelope, &decision) == 0) {
        add_to_batch(import, name, body, &envelope, &decision);
    }
    arena_free(&arena);
}

static bool is_facts_file(const char *name)
{
    size_t len = strlen(name), end = strlen("facts.jsonl");
    return len >= end && strcmp(name + len - end, "facts.jsonl") == 0;
}

/* Whether the text ends with these octets. */
static bool ends_with(struct bytes text, const char *end)
{
    size_t len = strlen(end);
    return text.len >= len && memcmp(text.ptr + text.len - len, end, len) == 0;
}

/*
 * The facts of a message, and its octets as facts or an mbox's frame have them: behind each message of an mbox stands
 * an empty line, and a line end where its last line had none.
 */
static json_t *facts_of_mbox(struct import *import, struct bytes *body)
{
    struct bytes text = *body;
    json_t *facts = take_facts(import, text);
    for (unsigned i = 0; i < 2 && facts == NULL && ends_with(text, "\r\n"); i++) {
        text.len -= 2;
        facts = take_facts(import, text);
    }
    if (facts != NULL) {
        *body = text;
    } else if (ends_with(*body, "\r\n\r\n")) {
        body->len -= 2;
    }
    return facts;
}

/* What was received need not have proper line ends, as it has them here: then facts know the octets of the file itself.
 */
static json_t *facts_of_file(struct import *import, const char *name, struct buf *raw, struct bytes *body)
{
    json_t *facts = take_facts(import, *body);
    if (facts == NULL && map_count(import->facts) > 0 && strcmp(name, "-") != 0 &&
        net_file_read_all(name, raw, NULL) == 0) {
        facts = take_facts(import, buf_bytes(raw));
        *body = facts == NULL ? *body : buf_bytes(raw);
    }
    return facts;
}

static int on_message(void *ctx, const char *name, const struct filters_message *message)
{
    struct import *import = ctx;
    struct buf raw;
    if (is_facts_file(name)) {
        return 0;
    }
    uint8_t *octets = expect_calloc(1, (size_t)message->size + 1);
    ptrdiff_t got = message->source->read(message->source->ctx, 0, octets, (size_t)message->size, NULL);
    struct bytes body = bytes_at(octets, got < 0 ? 0 : (size_t)got);
    buf_init(&raw, CLI_MESSAGE_MAX);
    json_t *facts = strchr(name, '#') != NULL ? facts_of_mbox(import, &body) : facts_of_file(import, name, &raw, &body);
    if (facts != NULL) {
        import_known(import, name, message, body, facts);
    } else {
        import_new(import, name, message, body);
    }
    json_decref(facts);
    buf_done(&raw);
    free(octets);
    return 0;
}

/* ---- what an earlier import left ---- */

static int remove_if_old(void *ctx, const char *name)
{
    const struct import *import = ctx;
    char path[PATH_LEN];
    struct stat about;
    spool_import_path(import->options->spool, name, path, sizeof path);
    if (stat(path, &about) == 0 && (int64_t)about.st_mtime * 1000 < import->now_ms - LEFT_BEHIND_MS) {
        disregard(net_file_remove(path, NULL));
    }
    return 0;
}

/* Files of an import that was cut off. The gateway may still be about to read younger ones. */
static void remove_old_files(struct import *import)
{
    char folder[PATH_LEN];
    spool_import_path(import->options->spool, NULL, folder, sizeof folder);
    disregard(net_file_list(folder, remove_if_old, import, NULL));
}

/* ---- all ---- */

static void free_facts(void *list)
{
    json_decref(list);
}

static void import_paths(struct import *import, int count, char **paths)
{
    const struct cli_envelope envelope = {
        .from = import->options->select.sender,
        .to = import->options->recipients,
        .client = {.address = "127.0.0.1", .helo = import->config->hostname, .protocol = "local"},
        .now_ms = import->now_ms,
    };
    for (int i = 0; i < count; i++) {
        struct fault fault = FAULT_INIT;
        int loaded = load_facts(import, paths[i]);
        if (loaded != EX_OK) {
            import->exit_code = loaded;
        } else if (cli_message_each(paths[i], &envelope, on_message, import, &fault) != 0) {
            disregard(queue_failed(&fault));
            import->exit_code = EX_NOINPUT;
        }
    }
    hand_over(import);
}

int queue_import(struct queue_options *options, int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr,
                "mailweir queue import: name the files, folders or mboxes to import; \"-\" is standard input\n");
        return EX_USAGE;
    }
    struct config *config = cli_load_config(options->config_file, false);
    if (config == NULL) {
        return EX_CONFIG;
    }
    struct net_loop *loop = net_loop_new();
    struct import import = {.options = options,
                            .api = options->dry_run ? NULL : cli_api_try(options->config_file, options->path),
                            .config = config,
                            .scratch = filters_scratch_new(),
                            .now_ms = net_wall(loop),
                            .facts = map_new(SIZE_MAX / 4, NULL),
                            .seen = map_new(SIZE_MAX / 4, NULL),
                            .batch = json_array()};
    net_loop_free(&loop);
    remove_old_files(&import);
    import_paths(&import, argc - 1, argv + 1);
    if (options->json) {
        printf("{\"imported\":%" PRIu64 ",\"known\":%" PRIu64 ",\"left_out\":%" PRIu64 "}\n", import.added,
               import.known, import.left_out);
    } else {
        printf("%" PRIu64 " %s, %" PRIu64 " known already, %" PRIu64 " left out\n", import.added,
               options->dry_run ? "would be imported" : "imported", import.known, import.left_out);
    }
    json_decref(import.batch);
    cli_api_close(&import.api);
    map_free(&import.facts, free_facts);
    map_free(&import.seen, free);
    filters_scratch_free(&import.scratch);
    config_free(&config);
    return import.exit_code;
}

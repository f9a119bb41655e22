/*
 * spool_database - see spool_database.h.
 */
#include "cli/spool_database.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <sysexits.h>

#include "base/expect.h"
#include "store/postgresql/postgresql.h"

#define WORDS_MAX 4000

static int print_json(json_t *object, uint64_t damaged)
{
    queue_print_json(object);
    json_decref(object);
    return damaged == 0 ? EX_OK : 1;
}

bool spool_database_is(const struct queue_options *options)
{
    return options->store.ops == &postgresql_store;
}

struct checking {
    uint64_t damaged;
};

static void on_damage(void *ctx, const struct store_damage *damage)
{
    struct checking *checking = ctx;
    checking->damaged++;
    fprintf(stderr, "%s%s%s\n", damage->id == NULL ? "" : damage->id, damage->id == NULL ? "" : ": ",
            damage->what.text);
}

/* All that is kept, as a gateway looks at it in the background. */
int spool_database_check(const struct queue_options *options)
{
    struct store *store = NULL;
    struct fault fault = FAULT_INIT;
    struct checking checking = {0};
    struct store_scrub scrub = {.octets = UINT64_MAX, .found = on_damage, .ctx = &checking};
    uint64_t messages = 0, octets = 0;
    int failed = options->store.ops->look(&store, options->store.place, &fault);
    while (failed == 0 && !scrub.whole) {
        failed = store->ops->scrub(store, &scrub, &fault);
        messages += scrub.messages;
        octets += scrub.read;
    }
    if (store != NULL) {
        store->ops->close(store);
    }
    if (failed != 0) {
        return queue_failed(&fault);
    }
    if (options->json) {
        return print_json(json_pack("{s:I,s:I,s:I}", "messages", (json_int_t)messages, "octets", (json_int_t)octets,
                                    "damaged", (json_int_t)checking.damaged),
                          checking.damaged);
    }
    printf("%" PRIu64 " messages with %" PRIu64 " octets, %" PRIu64 " damaged\n", messages, octets, checking.damaged);
    return checking.damaged == 0 ? EX_OK : 1;
}

int spool_database_migrate(const struct queue_options *options)
{
    struct fault fault = FAULT_INIT;
    int from = 0, to = 0;
    if (options->store.ops != &postgresql_store) {
        fprintf(stderr,
                "mailweir: the spool is a folder (%s) and is upgraded when the gateway starts; \"mailweir spool "
                "migrate\" is for a spool in PostgreSQL\n",
                options->spool);
        return EX_USAGE;
    }
    if (postgresql_migrate(options->store.place, &from, &to, &fault) != 0) {
        return queue_failed(&fault);
    }
    if (options->json) {
        return print_json(json_pack("{s:i,s:i}", "from", from, "version", to), 0);
    }
    if (from == to) {
        printf("The spool in PostgreSQL already has version %d: nothing to do.\n", to);
    } else {
        printf("The spool in PostgreSQL has version %d now (before: %s%d).\n", to,
               from == 0 ? "no tables of mailweir, " : "", from);
    }
    return EX_OK;
}

int spool_database_try(const struct config *config, struct problems *problems, char **keeps_r)
{
    struct cli_store store;
    struct fault fault = FAULT_INIT;
    struct buf keeps, warnings;
    buf_init(&keeps, WORDS_MAX);
    buf_init(&warnings, WORDS_MAX);
    cli_store_of_config(&store, config);
    int result = 0;
    if (store.ops == &postgresql_store) {
        result = postgresql_check(store.place, queue_now_ms(), &keeps, &warnings, &fault);
    }
    if (result != 0) {
        problems_add(problems, PROBLEM_ERROR, config->file, 0, 0, "/spool/postgresql", "%s", fault.text);
    }
    if (warnings.len > 0) {
        problems_add(problems, PROBLEM_WARNING, config->file, 0, 0, "/spool/postgresql", "%s", buf_text(&warnings));
    }
    *keeps_r = expect_strdup(buf_text(&keeps));
    buf_done(&keeps);
    buf_done(&warnings);
    cli_store_done(&store);
    return result != 0 ? 1 : EX_OK;
}

int spool_database_refuse(const char *verb)
{
    fprintf(stderr,
            "mailweir: the spool is in PostgreSQL, where \"%s\" does not apply: back it up and restore it with "
            "PostgreSQL's own tools (pg_dump, a base backup)\n",
            verb);
    return EX_USAGE;
}

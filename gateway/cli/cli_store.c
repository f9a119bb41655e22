/*
 * cli_store - see cli_store.h.
 */
#include "cli/cli_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/expect.h"
#include "config/config_spool.h"
#include "store/local/local.h"
#include "store/postgresql/postgresql.h"

#define PLACE_MAX 20000
#define PREFIX    "postgresql:"

const struct store_ops *cli_store_kind(const struct config *config)
{
    return config->postgresql.connection == NULL ? &local_store : &postgresql_store;
}

const struct store_ops *cli_store_overflow(void)
{
    return &local_store;
}

void cli_store_of_config(struct cli_store *store, const struct config *config)
{
    struct buf place;
    buf_init(&place, PLACE_MAX);
    config_spool_place(config, &place);
    store->ops = cli_store_kind(config);
    store->place = expect_strdup(buf_text(&place));
    buf_wipe(&place);
}

void cli_store_of_path(struct cli_store *store, const char *path)
{
    bool is_database = strncmp(path, PREFIX, strlen(PREFIX)) == 0;
    store->ops = is_database ? &postgresql_store : &local_store;
    store->place = expect_strdup(path + (is_database ? strlen(PREFIX) : 0));
}

void cli_store_done(struct cli_store *store)
{
    if (store->place != NULL) {
        memset(store->place, 0, strlen(store->place));
        free(store->place);
        store->place = NULL;
    }
}

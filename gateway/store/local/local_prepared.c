/*
 * local_prepared - see local_prepared.h.
 */
#include "store/local/local_prepared.h"

#include <string.h>

#include "store/store_sum.h"

int local_prepared_take(struct local_prepared *prepared, sqlite3 *db, const char *text, sqlite3_stmt **st_r)
{
    uint64_t sum = store_sum_of(bytes_of(text));
    for (size_t i = 0; i < LOCAL_PREPARED_MAX; i++) {
        sqlite3_stmt *st = prepared->kept[i].st;
        if (st != NULL && prepared->kept[i].sum == sum && strcmp(sqlite3_sql(st), text) == 0) {
            prepared->kept[i].st = NULL;
            *st_r = st;
            return SQLITE_OK;
        }
    }
    return sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, st_r, NULL);
}

void local_prepared_give(struct local_prepared *prepared, sqlite3_stmt **st)
{
    sqlite3_stmt *given = *st;
    *st = NULL;
    if (given == NULL || sqlite3_reset(given) != SQLITE_OK) {
        sqlite3_finalize(given);
        return;
    }
    sqlite3_clear_bindings(given);
    size_t at = 0;
    for (size_t i = 0; i < LOCAL_PREPARED_MAX && prepared->kept[at].st != NULL; i++) {
        if (prepared->kept[i].st == NULL || prepared->kept[i].used < prepared->kept[at].used) {
            at = i;
        }
    }
    sqlite3_finalize(prepared->kept[at].st);
    prepared->kept[at].st = given;
    prepared->kept[at].sum = store_sum_of(bytes_of(sqlite3_sql(given)));
    prepared->kept[at].used = ++prepared->clock;
}

void local_prepared_done(struct local_prepared *prepared)
{
    for (size_t i = 0; i < LOCAL_PREPARED_MAX; i++) {
        sqlite3_finalize(prepared->kept[i].st);
        prepared->kept[i].st = NULL;
    }
}

/*
 * local_find - which messages go by a name; part of local_index.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "store/local/local_index_private.h"

static int collect_messages(struct local_index *index, sqlite3_stmt *st, uint64_t *messages, size_t limit,
                            size_t *count_r, struct fault *fault)
{
    size_t count = 0;
    int got = 0;
    while (count < limit && (got = local_sql_next_row(index, st, fault)) == 1) {
        messages[count++] = (uint64_t)sqlite3_column_int64(st, 0);
    }
    local_sql_give(index, &st);
    *count_r = count;
    return got < 0 ? -1 : 0;
}

int local_index_of_id(struct local_index *index, const char *id, uint64_t *message_r, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_take(index, "SELECT seq FROM message WHERE id = ?1", fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, id);
    int got = local_sql_next_row(index, st, fault);
    if (got == 1) {
        *message_r = column_number(st, 0);
    }
    local_sql_give(index, &st);
    return got;
}

/* ?1: as typed; ?2: without a delivery's number; ?3: in brackets; ?4: above all ids that begin with ?2, or ''. */
int local_index_find(struct local_index *index, const char *what, uint64_t *messages, size_t limit, size_t *count_r,
                     struct fault *fault)
{
    sqlite3_stmt *st = local_sql_take(index,
                                      "SELECT seq FROM message WHERE id IN (?1, ?2) UNION"
                                      " SELECT seq FROM message WHERE id > ?2 AND id < ?4 UNION"
                                      " SELECT seq FROM message WHERE message_id IN (?1, ?3) ORDER BY 1",
                                      fault);
    if (st == NULL) {
        return -1;
    }
    struct bytes all = bytes_of(what), id = all;
    const char *dot = strrchr(what, '.');
    id.len = dot == NULL ? id.len : (size_t)(dot - what);
    struct buf text;
    buf_init(&text, 2 * all.len + 8);
    buf_printf(&text, "<%s>", what);
    sqlite3_bind_text(st, 1, what, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(st, 2, what, (int)id.len, SQLITE_TRANSIENT);
    sqlite3_bind_text(st, 3, buf_text(&text), -1, SQLITE_TRANSIENT);
    buf_clear(&text);
    if (units_is_id_head(id)) {
        buf_append_bytes(&text, id);
        buf_append_octet(&text, '~');
    }
    sqlite3_bind_text(st, 4, buf_text(&text), -1, SQLITE_TRANSIENT);
    buf_done(&text);
    return collect_messages(index, st, messages, limit, count_r, fault);
}

int local_index_find_uid(struct local_index *index, const char *upstream, const char *folder, uint32_t uid,
                         uint64_t *messages, size_t limit, size_t *count_r, struct fault *fault)
{
    sqlite3_stmt *st =
        local_sql_take(index,
                       "SELECT DISTINCT message FROM delivery WHERE upstream = ?1 AND uid = ?3 AND uid > 0 AND "
                       "folder = ?2 AND state = 3",
                       fault);
    if (st == NULL) {
        return -1;
    }
    sqlite3_bind_text(st, 1, upstream, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(st, 2, folder, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(st, 3, uid);
    return collect_messages(index, st, messages, limit, count_r, fault);
}

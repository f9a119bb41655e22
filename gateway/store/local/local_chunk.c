/*
 * local_chunk - what stands in each chunk of LOCAL_CHUNK messages with numbers behind each other: when the first and
 * the last of them came, and the upstreams, folders and rules of their deliveries, as words. Whoever looks for a folder
 * or a day goes to the chunks that have it, and passes over the others (local_search.c).
 *
 * A chunk is learnt with the words of its messages (local_words.c), many at a time, so that a message costs a few
 * octets and no flush of its own. It may say too much, never too little: a delivery that goes elsewhere adds its new
 * place, and the old one stays until the last message of the chunk has gone.
 */
#include "store/local/local_index_private.h"

static int run_over(struct local_index *index, enum statement which, uint64_t first, uint64_t second,
                    struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, which, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, first);
    if (sqlite3_bind_parameter_count(st) > 1) {
        bind_number(st, 2, second);
    }
    return local_sql_run(index, st, fault);
}

int local_index_learn_chunks(struct local_index *index, uint64_t above, uint64_t last, struct fault *fault)
{
    return run_over(index, ADD_CHUNKS, above, last, fault) != 0 ? -1 : run_over(index, ADD_PLACES, above, last, fault);
}

static int add_place(struct local_index *index, uint64_t seq, const char *what, const char *value, struct fault *fault)
{
    sqlite3_stmt *st = local_sql_statement(index, ADD_PLACE, fault);
    if (st == NULL) {
        return -1;
    }
    bind_text(st, 1, what);
    bind_text(st, 2, value);
    bind_number(st, 3, seq);
    return local_sql_run(index, st, fault);
}

int local_index_note_place(struct local_index *index, uint64_t seq, const char *upstream, const char *folder,
                           const char *rule, struct fault *fault)
{
    bool failed = (upstream != NULL && add_place(index, seq, LOCAL_CHUNK_UPSTREAM, upstream, fault) != 0) ||
                  (folder != NULL && add_place(index, seq, LOCAL_CHUNK_FOLDER, folder, fault) != 0) ||
                  (rule != NULL && add_place(index, seq, LOCAL_CHUNK_RULE, rule, fault) != 0);
    return failed ? -1 : 0;
}

int local_index_leave_chunk(struct local_index *index, uint64_t seq, struct fault *fault)
{
    uint64_t chunk = seq / LOCAL_CHUNK;
    sqlite3_stmt *st = local_sql_statement(index, IN_CHUNK, fault);
    if (st == NULL) {
        return -1;
    }
    bind_number(st, 1, chunk);
    int got = local_sql_next_row(index, st, fault);
    sqlite3_reset(st);
    if (got != 0) {
        return got < 0 ? -1 : 0;
    }
    return run_over(index, FORGET_CHUNK, chunk, 0, fault) != 0 ? -1 : run_over(index, FORGET_PLACES, chunk, 0, fault);
}

int local_index_chunk_anew(struct local_index *index, uint64_t seq, struct fault *fault)
{
    uint64_t chunk = seq / LOCAL_CHUNK, first = chunk * LOCAL_CHUNK;
    if (run_over(index, FORGET_PLACES, chunk, 0, fault) != 0) {
        return -1;
    }
    return run_over(index, ADD_PLACES, first == 0 ? 0 : first - 1, first + LOCAL_CHUNK - 1, fault);
}

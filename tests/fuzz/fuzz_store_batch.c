/*
 * fuzz_store_batch - the local store and its model under one history, which the input draws: operations of a batch, claims, bodies, commits that fail or
 * are in limbo, crashes. What they answer and what they keep must be equal. The world is that of tests/unit/test_store_model.c.
 */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
struct local_index;
struct fault;
struct sqlite3;
struct sqlite3_stmt;
int __wrap_sqlite3_step(struct sqlite3_stmt *st);
int __wrap_sqlite3_prepare_v2(struct sqlite3 *db, const char *sql, int len, struct sqlite3_stmt **st_r, const char **r);
int __wrap_sqlite3_prepare_v3(struct sqlite3 *db, const char *sql, int len, unsigned flags, struct sqlite3_stmt **st_r,
                              const char **r);
int __wrap_local_index_commit(struct local_index *index, struct fault *fault);
_Bool __wrap_local_index_in_limbo(const struct local_index *index);

#define STORE_HISTORIES_ARE_FUZZED
#include "../unit/test_store_model.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    on_tape = true;
    tape = bytes_at(data, size);
    bool equal = agrees(1, 0);
    if (!equal) {
        fprintf(stderr, "%s\n", w.failure);
        abort();
    }
    return 0;
}

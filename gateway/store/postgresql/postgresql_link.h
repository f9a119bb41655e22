/*
 * postgresql_link - one connection to PostgreSQL: values that are bound, questions with a deadline, and several of them
 * in one round trip. The only file that includes libpq's header beside those that read its results.
 *
 * A link is used by one thread at a time. Everything blocks, for at most the link's wait_ms a round trip. Faults are of
 * class LOCAL; what a parameter held stands in none:
 *
 *   down       nobody answers there, or not in time; or he said goodbye
 *   refused    we are not let in
 *   busy       too many connections, or somebody holds a lock
 *   enospc     the server's disk is full
 *   standby    it can be read only
 *   rights     the role may not do that
 *   fenced     another node has ended this one
 *   again      the transaction collided with another one and can be repeated
 *   foreign    what is asked for is not there: no schema of mailweir's
 *   postgresql anything else
 */
#ifndef MAILWEIR_STORE_POSTGRESQL_POSTGRESQL_LINK_H
#define MAILWEIR_STORE_POSTGRESQL_POSTGRESQL_LINK_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "base/must_use.h"

/* How long one round trip may take, when nothing else is said. */
#define POSTGRESQL_WAIT_MS 30000
#define POSTGRESQL_VALUES  32
/* Of so many questions a server is asked to keep the plan; further ones are planned each time. */
#define POSTGRESQL_KNOWN 32

struct postgresql_link {
    PGconn *conn;      /* behind each call one that stands, as far as libpq knows, or NULL */
    const char *place; /* libpq's connection string; the owner's */
    char name[64];     /* what the server shows of us */
    uint64_t wait_ms;  /* how long one round trip may take; the owner's to change */
    /* How often one of the owner's links heard that its server takes no changes, or NULL; and when this connected. */
    atomic_uint *moves;
    unsigned moved;
    bool had_notice; /* a warning came since it was cleared: of a COMMIT it says that a standby was not waited for */
    /* Questions that this connection's server has taken apart and planned, and knows by their number here. */
    const char *known[POSTGRESQL_KNOWN];
    size_t known_count;
    size_t sent;                   /* questions of this pipeline ... */
    size_t news[POSTGRESQL_KNOWN]; /* ... and before which one it was told of each that is new to it ... */
    size_t old_count;              /* ... behind these */
};

void postgresql_link_init(struct postgresql_link *link, const char *place, const char *name);
/* Closes; opened again when it is needed. */
void postgresql_link_close(struct postgresql_link *link);
/* Connects unless it is connected; anew, between two transactions, when another link has heard that the server takes
 * no changes any more. */
MUST_USE int postgresql_link_open(struct postgresql_link *link, struct fault *fault);

/* Values of a question, from $1 on. */
struct postgresql_values {
    struct arena *arena; /* of what is written for them */
    const char *at[POSTGRESQL_VALUES];
    int len[POSTGRESQL_VALUES], format[POSTGRESQL_VALUES];
    int count;
};
struct postgresql_values postgresql_values_new(struct arena *arena);
/* A view, unless something in it is no UTF-8: such octets become U+FFFD. NULL is NULL. */
void postgresql_add_text(struct postgresql_values *values, const char *text);
void postgresql_add_bytes(struct postgresql_values *values, struct bytes text);
/* Octets as they are, for bytea; a view. */
void postgresql_add_octets(struct postgresql_values *values, struct bytes octets);
void postgresql_add_number(struct postgresql_values *values, int64_t number);
void postgresql_add_truth(struct postgresql_values *values, bool truth);
/* An array of texts (NULL: ""), or of what is written like one. */
void postgresql_add_texts(struct postgresql_values *values, const char *const *texts, size_t count);
/* An array of bytea. */
void postgresql_add_blobs(struct postgresql_values *values, const struct bytes *blobs, size_t count);
/* Numbers as texts, for arrays. */
const char *postgresql_number(struct arena *arena, int64_t number);

/* Asks once; the result is the caller's to clear. octets: the columns come as they are, for bytea. NULL: a fault. */
PGresult *postgresql_ask(struct postgresql_link *link, const char *sql, const struct postgresql_values *values,
                         bool octets, struct fault *fault);
/* Says what has no answer. */
MUST_USE int postgresql_say(struct postgresql_link *link, const char *sql, struct fault *fault);
/* Several statements without values in one text, as they stand in a schema. */
MUST_USE int postgresql_run(struct postgresql_link *link, const char *sql, struct fault *fault);

/*
 * Several questions in one round trip: begin, send each, then gather, which calls fn with each result in their order.
 * The first that fails ends it; -1 with its fault. The text of a question lives as long as the program: the server is
 * told of one with values once a connection, and asked by its number from then on.
 */
typedef void postgresql_result_fn(void *ctx, size_t at, PGresult *result);
MUST_USE int postgresql_begin(struct postgresql_link *link, struct fault *fault);
MUST_USE int postgresql_send(struct postgresql_link *link, const char *sql, const struct postgresql_values *values,
                             struct fault *fault);
MUST_USE int postgresql_gather(struct postgresql_link *link, size_t count, postgresql_result_fn *fn, void *ctx,
                               struct fault *fault);

/* ---- reading results ---- */

static inline int64_t postgresql_number_at(PGresult *result, int row, int column)
{
    const char *text = PQgetvalue(result, row, column);
    bool negative = text[0] == '-';
    uint64_t number = 0;
    for (const char *at = text + negative; *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
    }
    return (int64_t)(negative ? 0 - number : number);
}

/* The next number of an array that was answered ("{1,-2}"), of which *at is what is left; false: there is none. */
MUST_USE static inline bool postgresql_next_number(const char **at, int64_t *number_r)
{
    *at += strspn(*at, "{,}");
    if (**at == '\0') {
        return false;
    }
    *number_r = strtoll(*at, (char **)(uintptr_t)at, 10);
    return true;
}

static inline bool postgresql_truth_at(PGresult *result, int row, int column)
{
    return PQgetvalue(result, row, column)[0] == 't';
}

static inline struct bytes postgresql_bytes_at(PGresult *result, int row, int column)
{
    return bytes_at(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

#endif

/*
 * postgresql_body - the octets of messages, in rows of POSTGRESQL_PIECE octets.
 *
 * A large one is sent before its message: its rows stand in nobody's message until the batch takes them over (upload,
 * keep_body()). They need not be synced by themselves: the batch's COMMIT writes all of the log that comes before it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "store/postgresql/postgresql_private.h"
#include "store/store_sum.h"

struct store_upload {
    struct postgresql *pg;
    uint64_t body; /* 0: nothing was sent yet */
    uint64_t sent; /* octets, in whole pieces */
    struct buf rest;
    struct store_sum *sum;
    struct fault fault;
    struct postgresql_link reader; /* of what was sent */
    struct postgresql_piece piece;
};

/* ---- pieces ---- */

static int ask_piece(struct postgresql_link *link, struct postgresql_piece *piece, uint64_t body, uint64_t no,
                     struct fault *fault)
{
    if (piece->data.len > 0 && piece->body == body && piece->no == no) {
        return 0;
    }
    struct arena *arena = arena_new(1000);
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, (int64_t)body);
    postgresql_add_number(&values, (int64_t)no);
    PGresult *result = postgresql_ask(link, "SELECT data FROM body WHERE id = $1 AND no = $2", &values, true, fault);
    arena_free(&arena);
    if (result == NULL) {
        return -1;
    }
    buf_clear(&piece->data);
    piece->body = body;
    piece->no = no;
    if (PQntuples(result) == 1) {
        buf_append_bytes(&piece->data, postgresql_bytes_at(result, 0, 0));
    }
    PQclear(result);
    return 0;
}

static ptrdiff_t read_pieces(struct postgresql_link *link, struct postgresql_piece *piece, uint64_t body,
                             uint64_t offset, uint8_t *into, size_t len, struct fault *fault)
{
    size_t got = 0;
    while (got < len) {
        size_t from = (size_t)((offset + got) % POSTGRESQL_PIECE);
        if (ask_piece(link, piece, body, (offset + got) / POSTGRESQL_PIECE, fault) != 0) {
            return -1;
        }
        struct bytes part =
            from < piece->data.len ? bytes_slice(buf_bytes(&piece->data), from, len - got) : bytes_at("", 0);
        if (part.len == 0) {
            break;
        }
        memcpy(into + got, part.ptr, part.len);
        got += part.len;
    }
    return (ptrdiff_t)got;
}

int postgresql_body_check(struct postgresql_link *link, struct postgresql_piece *piece, const struct store_place *place,
                          struct fault *fault)
{
    /* PostgreSQL's own checksums (initdb -k) are off by default until version 18, and are of its pages, not of what was
     * sent. */
    struct store_sum *sum = store_sum_new();
    uint64_t octets = 0;
    int result = 0;
    for (uint64_t no = 0; result == 0 && octets < place->body_len; no++) {
        result = ask_piece(link, piece, place->segment, no, fault);
        if (result == 0 && piece->data.len == 0) {
            break;
        }
        store_sum_add(sum, buf_bytes(&piece->data));
        octets += piece->data.len;
    }
    if (result == 0 && (octets != place->body_len || store_sum_value(sum) != place->body_sum)) {
        fault_set(fault, FAULT_LOCAL, "damaged", "spool", "body %llu in the database does not match its checksum",
                  (unsigned long long)place->segment);
        result = -1;
    }
    store_sum_free(&sum);
    return result;
}

/* ---- the door ---- */

/* Where it lies: 1; 0: it is settled, or not known any more; -1. */
static int find_place(struct postgresql *pg, uint64_t message, struct store_place *place_r, struct fault *fault)
{
    struct arena *arena = arena_new(1000);
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, (int64_t)message);
    PGresult *result = postgresql_ask(
        &pg->reader, "SELECT body, body_len, body_sum FROM message WHERE seq = $1 AND open > 0", &values, false, fault);
    arena_free(&arena);
    int found = result == NULL ? -1 : PQntuples(result);
    if (found == 1) {
        *place_r = (struct store_place){.segment = (uint64_t)postgresql_number_at(result, 0, 0),
                                        .body_len = (uint64_t)postgresql_number_at(result, 0, 1),
                                        .body_sum = (uint64_t)postgresql_number_at(result, 0, 2)};
    }
    PQclear(result);
    return found;
}

static ptrdiff_t tell_settled(struct fault *fault)
{
    fault_set(fault, FAULT_PERM, "settled", "spool", "the message is settled, so its body is no longer kept");
    return -1;
}

ptrdiff_t postgresql_body(struct store *store, struct store_body *body, uint64_t offset, void *into, size_t len,
                          struct fault *fault)
{
    struct postgresql *pg = postgresql_of(store);
    struct fault damage = FAULT_INIT;
    if (body->place.segment == 0) {
        int found = find_place(pg, body->message, &body->place, fault);
        if (found <= 0) {
            return found < 0 ? -1 : tell_settled(fault);
        }
    }
    if (!body->checked && postgresql_body_check(&pg->reader, &pg->piece, &body->place, &damage) != 0) {
        struct store_place now;
        bool is_gone = strcmp(damage.code, "damaged") == 0 && find_place(pg, body->message, &now, fault) == 0;
        if (!is_gone && fault != NULL && !fault_is_set(fault)) {
            *fault = damage;
        }
        return is_gone ? tell_settled(fault) : -1;
    }
    body->checked = true;
    uint64_t left = offset < body->place.body_len ? body->place.body_len - offset : 0;
    return read_pieces(&pg->reader, &pg->piece, body->place.segment, offset, into, len < left ? len : (size_t)left,
                       fault);
}

/* ---- uploads ---- */

struct store_upload *postgresql_upload(struct store *store)
{
    struct store_upload *upload = expect_calloc(1, sizeof *upload);
    upload->pg = postgresql_of(store);
    upload->sum = store_sum_new();
    buf_init(&upload->rest, SIZE_MAX / 4);
    buf_init(&upload->piece.data, SIZE_MAX / 4);
    postgresql_link_init(&upload->reader, upload->pg->place, "mailweir reading an upload");
    return upload;
}

static void tell_ended(struct fault *fault)
{
    fault_set(fault, FAULT_LOCAL, "ended", "postgresql",
              "another node took this one for dead and removed the message that was on its way");
}

static int begin_upload(struct store_upload *upload, struct fault *fault)
{
    struct arena *arena = arena_new(1000);
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, (int64_t)atomic_load(&upload->pg->epoch));
    /* Behind the end of our epoch nobody would remove it. */
    PGresult *result = postgresql_ask(&upload->pg->uploader,
                                      "INSERT INTO upload SELECT nextval('body_seq'), epoch FROM fence"
                                      " WHERE epoch = $1 FOR KEY SHARE RETURNING body",
                                      &values, false, fault);
    arena_free(&arena);
    bool is_gone = result != NULL && PQntuples(result) == 0;
    if (is_gone) {
        tell_ended(fault);
    } else if (result != NULL) {
        upload->body = (uint64_t)postgresql_number_at(result, 0, 0);
    }
    PQclear(result);
    return result == NULL || is_gone ? -1 : 0;
}

/* The first `len` octets that wait go up as a piece. */
static int send_piece(struct store_upload *upload, size_t len, struct fault *fault)
{
    if (upload->body == 0 && begin_upload(upload, fault) != 0) {
        return -1;
    }
    struct arena *arena = arena_new(1000);
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, (int64_t)upload->body);
    postgresql_add_number(&values, (int64_t)(upload->sent / POSTGRESQL_PIECE));
    postgresql_add_octets(&values, bytes_slice(buf_bytes(&upload->rest), 0, len));
    /* Whoever throws the upload away waits for this, and behind him nothing comes any more: a connection that broke may
     * have left it with the server. */
    PGresult *result = postgresql_ask(&upload->pg->uploader,
                                      "INSERT INTO body SELECT $1::bigint, $2::int, $3::bytea FROM upload"
                                      " WHERE upload.body = $1::bigint FOR KEY SHARE",
                                      &values, false, fault);
    arena_free(&arena);
    bool is_gone = result != NULL && strcmp(PQcmdTuples(result), "1") != 0;
    PQclear(result);
    if (is_gone) {
        tell_ended(fault);
    }
    if (result == NULL || is_gone) {
        return -1;
    }
    upload->sent += len;
    buf_consume(&upload->rest, len);
    return 0;
}

int postgresql_upload_write(struct store *store, struct store_upload *upload, struct bytes data, struct fault *fault)
{
    (void)store;
    store_sum_add(upload->sum, data);
    buf_append_bytes(&upload->rest, data);
    while (!fault_is_set(&upload->fault) && upload->rest.len >= POSTGRESQL_PIECE) {
        disregard(send_piece(upload, POSTGRESQL_PIECE, &upload->fault));
    }
    if (fault_is_set(&upload->fault) && fault != NULL) {
        *fault = upload->fault;
    }
    return fault_is_set(&upload->fault) ? -1 : 0;
}

ptrdiff_t postgresql_upload_read(struct store_upload *upload, uint64_t offset, void *into, size_t len,
                                 struct fault *fault)
{
    size_t got = 0;
    if (fault_is_set(&upload->fault)) {
        *fault = upload->fault;
        return -1;
    }
    if (offset < upload->sent) {
        uint64_t left = upload->sent - offset;
        ptrdiff_t read = read_pieces(&upload->reader, &upload->piece, upload->body, offset, into,
                                     len < left ? len : (size_t)left, fault);
        if (read < 0) {
            return -1;
        }
        got = (size_t)read;
    }
    uint64_t at = offset + got;
    if (got < len && at >= upload->sent && at - upload->sent < upload->rest.len) {
        struct bytes part = bytes_slice(buf_bytes(&upload->rest), (size_t)(at - upload->sent), len - got);
        memcpy((uint8_t *)into + got, part.ptr, part.len);
        got += part.len;
    }
    return (ptrdiff_t)got;
}

int postgresql_upload_complete(struct store *store, struct store_upload *upload, struct bytes rest,
                               struct store_place *place_r, struct fault *fault)
{
    if (postgresql_upload_write(store, upload, rest, fault) != 0) {
        return -1;
    }
    if ((upload->rest.len > 0 || upload->sent == 0) && send_piece(upload, upload->rest.len, fault) != 0) {
        return -1;
    }
    *place_r = (struct store_place){
        .segment = upload->body, .body_len = upload->sent, .body_sum = store_sum_value(upload->sum)};
    return 0;
}

void postgresql_upload_keep(struct store_upload **upload)
{
    postgresql_link_close(&(*upload)->reader);
    store_sum_free(&(*upload)->sum);
    buf_done(&(*upload)->rest);
    buf_done(&(*upload)->piece.data);
    free(*upload);
    *upload = NULL;
}

/* In a transaction: what the first statement has waited for, the second one sees. */
static void remove_upload(struct postgresql_link *link, const struct store_upload *upload)
{
    struct fault fault = FAULT_INIT;
    struct arena *arena = arena_new(1000);
    struct postgresql_values values = postgresql_values_new(arena);
    postgresql_add_number(&values, (int64_t)upload->body);
    if (postgresql_say(link, "BEGIN", &fault) == 0) {
        PQclear(postgresql_ask(link, "SELECT 1 FROM upload WHERE body = $1 FOR UPDATE", &values, false, &fault));
        PQclear(postgresql_ask(link,
                               "WITH gone AS (DELETE FROM upload WHERE body = $1 RETURNING body)"
                               " DELETE FROM body WHERE id IN (SELECT body FROM gone)",
                               &values, false, &fault));
        disregard(postgresql_say(link, "COMMIT", &fault));
    }
    arena_free(&arena);
}

/* What cannot be removed now is removed when our epoch ends. */
void postgresql_upload_free(struct store *store, struct store_upload **upload, bool leave)
{
    if (*upload == NULL) {
        return;
    }
    if ((*upload)->body != 0 && !leave) {
        remove_upload(&postgresql_of(store)->uploader, *upload);
    }
    postgresql_upload_keep(upload);
}

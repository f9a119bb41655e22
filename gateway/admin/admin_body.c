/*
 * admin_body - a stored message over HTTP, as it was received: piece by piece, so that a large one needs no more room
 * than a small one.
 *
 * Pieces are read on the admin server's lane, after the whole body was checked against its sum; while one is on its
 * way, the connection sleeps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_handlers.h"
#include "admin/admin_life.h"
#include "base/expect.h"
#include "spool/spool_export.h"
#include "spool/spool_query.h"

#define PIECE 262144

struct body {
    struct list link; /* of the server's bodies, once the answer has begun */
    struct admin *admin;
    struct admin_request *request; /* until it was answered */
    struct MHD_Connection *connection;
    char *id;
    struct spool_source *source;
    struct fault fault;
    uint8_t piece[PIECE];
    uint64_t begin; /* where the piece lies in the body */
    size_t len;
    bool reading;   /* the lane has it */
    bool suspended; /* libmicrohttpd waits for a piece */
    bool gone;      /* nobody wants it any more */
};

static void body_free(struct body *body)
{
    spool_source_free(&body->source);
    free(body->id);
    free(body);
}

/* ---- on the lane ---- */

static void read_piece(void *ctx)
{
    struct body *body = ctx;
    const struct mail_source *source = spool_source_of(body->source);
    ptrdiff_t got = source->read(source->ctx, body->begin, body->piece, PIECE, &body->fault);
    body->len = got > 0 ? (size_t)got : 0;
}

static void find_and_read(void *ctx)
{
    struct body *body = ctx;
    uint64_t found;
    size_t count = 0;
    struct store *store = admin_store(body->admin, &body->fault);
    if (store == NULL || spool_query_find(store, body->id, &found, 1, &count, &body->fault) != 0) {
        return;
    }
    if (count == 0) {
        fault_set(&body->fault, FAULT_PERM, "unknown", body->id, "no message with this id is known");
        return;
    }
    body->source = spool_source_open(store, found, &body->fault);
    if (body->source != NULL) {
        read_piece(body);
    }
}

/* ---- on the loop ---- */

static void on_piece(void *ctx)
{
    struct body *body = ctx;
    body->reading = false;
    if (body->gone) {
        body_free(body);
    } else if (body->suspended) {
        body->suspended = false;
        MHD_resume_connection(body->connection);
        admin_kick(body->admin);
    }
}

static ssize_t on_wanted(void *ctx, uint64_t position, char *into, size_t room)
{
    struct body *body = ctx;
    if (body->admin == NULL || (!body->reading && fault_is_set(&body->fault))) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (!body->reading && position >= body->begin && position < body->begin + body->len) {
        size_t at = (size_t)(position - body->begin);
        size_t len = body->len - at < room ? body->len - at : room;
        memcpy(into, body->piece + at, len);
        return (ssize_t)len;
    }
    if (!body->reading) {
        body->reading = true;
        body->begin = position;
        net_lane_submit(body->admin->lane, read_piece, on_piece, body);
    }
    body->suspended = true;
    MHD_suspend_connection(body->connection);
    return 0;
}

static void on_gone(void *ctx)
{
    struct body *body = ctx;
    if (body->admin != NULL) {
        list_remove(&body->link);
    }
    body->gone = true;
    if (!body->reading) {
        body_free(body);
    }
}

/* A message id of ours; what else names a message may hold what a header must not. */
static bool is_plain(const char *id)
{
    return id[0] != '\0' && id[strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] == '\0';
}

/* The first piece is there, or it is known why not. */
static void on_found(void *ctx)
{
    struct body *body = ctx;
    struct admin_request *request = body->request;
    if (fault_is_set(&body->fault) || request->admin == NULL) {
        admin_answer_fault(request, &body->fault);
        body_free(body);
        return;
    }
    body->connection = request->connection;
    list_append(&body->admin->bodies, &body->link);
    struct MHD_Response *response = expect_memory(
        MHD_create_response_from_callback(spool_source_of(body->source)->size, PIECE, on_wanted, body, on_gone));
    /* Never shown as what it claims to be: a message may hold anything. */
    MHD_add_response_header(response, "Content-Type", "application/octet-stream");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    char disposition[100];
    snprintf(disposition, sizeof disposition, "attachment; filename=\"%.40s.eml\"",
             is_plain(body->id) ? body->id : "message");
    MHD_add_response_header(response, "Content-Disposition", disposition);
    /* Should a browser show it all the same, it is nobody's page. */
    MHD_add_response_header(response, "Content-Security-Policy", "default-src 'none'; sandbox");
    admin_answer_response(request, 200, response);
}

void admin_get_message(struct admin_request *request)
{
    struct body *body = expect_calloc(1, sizeof *body);
    body->admin = request->admin;
    body->request = request;
    body->id = expect_strdup(request->parameter);
    net_lane_submit(body->admin->lane, find_and_read, on_found, body);
}

void admin_bodies_done(struct admin *admin)
{
    LIST_EACH(link, &admin->bodies)
    {
        struct body *body = LIST_ITEM(link, struct body, link);
        list_remove(&body->link);
        if (body->suspended) {
            body->suspended = false;
            MHD_resume_connection(body->connection);
        }
        body->admin = NULL; /* the server's end frees it */
    }
}

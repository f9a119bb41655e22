/*
 * upstream_sasl - the login of one connection by SCRAM: challenges go to the pool's login lane, because the server says
 * how long the arithmetic takes. See upstream_private.h.
 *
 * A login is its connection's while nothing is on the lane; when the connection goes meanwhile, it frees itself as it
 * comes back.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "upstream/upstream_private.h"
#include "upstream/upstream_scram.h"

#define SASL_MAX ((size_t)16 << 10)

struct upstream_sasl {
    struct upstream_connection *connection; /* NULL: gone */
    struct upstream_scram *scram;           /* NULL: it could not be made; the fault says why */
    struct buf challenge, response;
    struct fault fault;
    bool working;
};

static void sasl_done(struct upstream_sasl *sasl)
{
    upstream_scram_free(&sasl->scram);
    buf_wipe(&sasl->challenge);
    buf_wipe(&sasl->response);
    free(sasl);
}

static struct upstream_sasl *sasl_new(struct upstream_connection *connection, const char *mechanism)
{
    const struct upstream_account *account = &connection->pool->account;
    struct upstream_sasl *sasl = expect_calloc(1, sizeof *sasl);
    uint8_t data[NET_STREAM_CHANNEL_MAX];
    size_t len = 0;
    const char *binding = upstream_sasl_channel(connection, data, &len);
    const struct upstream_scram_options options = {.mechanism = mechanism,
                                                   .username = account->username,
                                                   .password = account->password,
                                                   .binding = account->binding == IMAPC_BINDING_NEVER ? NULL : binding,
                                                   .binding_data = bytes_at(data, len)};
    sasl->connection = connection;
    buf_init(&sasl->challenge, SASL_MAX);
    buf_init(&sasl->response, SASL_MAX);
    sasl->scram = upstream_scram_new(&options, &sasl->fault);
    return sasl;
}

static void work_sasl(void *ctx)
{
    struct upstream_sasl *sasl = ctx;
    if (sasl->scram != NULL) {
        disregard(upstream_scram_step(sasl->scram, buf_bytes(&sasl->challenge), &sasl->response, &sasl->fault));
    }
}

static void on_worked(void *ctx)
{
    struct upstream_sasl *sasl = ctx;
    struct upstream_connection *connection = sasl->connection;
    sasl->working = false;
    if (connection == NULL) {
        sasl_done(sasl);
        return;
    }
    imapc_engine_sasl(connection->engine, net_now(connection->pool->loop), buf_bytes(&sasl->response),
                      fault_is_set(&sasl->fault) ? &sasl->fault : NULL);
    connection->go_on(connection);
}

void upstream_sasl_answer(struct upstream_connection *connection, const char *mechanism, struct bytes challenge)
{
    struct upstream_pool *pool = connection->pool;
    if (pool->login == NULL) {
        pool->login = net_lane_new(pool->loop, "imap-login");
    }
    if (connection->sasl == NULL) {
        connection->sasl = sasl_new(connection, mechanism);
    }
    struct upstream_sasl *sasl = connection->sasl;
    EXPECT(!sasl->working); /* the engine hands out one challenge at a time */
    buf_clear(&sasl->challenge);
    buf_clear(&sasl->response);
    buf_append_bytes(&sasl->challenge, challenge);
    sasl->working = true;
    net_lane_submit(pool->login, work_sasl, on_worked, sasl);
}

void upstream_sasl_free(struct upstream_sasl **sasl_ref)
{
    struct upstream_sasl *sasl = *sasl_ref;
    *sasl_ref = NULL;
    if (sasl != NULL && sasl->working) {
        sasl->connection = NULL;
    } else if (sasl != NULL) {
        sasl_done(sasl);
    }
}

const char *upstream_sasl_channel(const struct upstream_connection *connection, uint8_t into[NET_STREAM_CHANNEL_MAX],
                                  size_t *len_r)
{
    const char *kind = net_stream_tls_channel(connection->stream, into, len_r);
    bool is_known = connection->pool->account.settings[UPSTREAM_TLS_EXPORTER] != 0;
    return kind != NULL && bytes_is(bytes_of(kind), "tls-exporter") && !is_known ? NULL : kind;
}

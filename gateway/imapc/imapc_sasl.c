/*
 * imapc_sasl - the login of one connection by SCRAM: challenges go to the pool's login lane, because the server says
 * how long the arithmetic takes. See imapc_private.h.
 *
 * A login is its connection's while nothing is on the lane; when the connection goes meanwhile, it frees itself as it
 * comes back.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "imapc/imapc_private.h"
#include "imapc/imapc_scram.h"

#define SASL_MAX ((size_t)16 << 10)

struct imapc_sasl {
    struct imapc_connection *connection; /* NULL: gone */
    struct imapc_scram *scram;           /* NULL: it could not be made; the fault says why */
    struct buf challenge, response;
    struct fault fault;
    bool working;
};

static void sasl_done(struct imapc_sasl *sasl)
{
    imapc_scram_free(&sasl->scram);
    buf_wipe(&sasl->challenge);
    buf_wipe(&sasl->response);
    free(sasl);
}

static struct imapc_sasl *sasl_new(struct imapc_connection *connection, const char *mechanism)
{
    const struct imapc_account *account = &connection->pool->account;
    struct imapc_sasl *sasl = expect_calloc(1, sizeof *sasl);
    uint8_t data[NET_STREAM_CHANNEL_MAX];
    size_t len = 0;
    const char *binding = imapc_sasl_channel(connection, data, &len);
    const struct imapc_scram_options options = {.mechanism = mechanism,
                                                .username = account->username,
                                                .password = account->password,
                                                .binding = account->binding == IMAPC_BINDING_NEVER ? NULL : binding,
                                                .binding_data = bytes_at(data, len)};
    sasl->connection = connection;
    buf_init(&sasl->challenge, SASL_MAX);
    buf_init(&sasl->response, SASL_MAX);
    sasl->scram = imapc_scram_new(&options, &sasl->fault);
    return sasl;
}

static void work_sasl(void *ctx)
{
    struct imapc_sasl *sasl = ctx;
    if (sasl->scram != NULL) {
        disregard(imapc_scram_step(sasl->scram, buf_bytes(&sasl->challenge), &sasl->response, &sasl->fault));
    }
}

static void on_worked(void *ctx)
{
    struct imapc_sasl *sasl = ctx;
    struct imapc_connection *connection = sasl->connection;
    sasl->working = false;
    if (connection == NULL) {
        sasl_done(sasl);
        return;
    }
    imapc_engine_sasl(connection->engine, net_now(connection->pool->loop), buf_bytes(&sasl->response),
                      fault_is_set(&sasl->fault) ? &sasl->fault : NULL);
    connection->go_on(connection);
}

void imapc_sasl_answer(struct imapc_connection *connection, const char *mechanism, struct bytes challenge)
{
    struct imapc_pool *pool = connection->pool;
    if (pool->login == NULL) {
        pool->login = net_lane_new(pool->loop, "imap-login");
    }
    if (connection->sasl == NULL) {
        connection->sasl = sasl_new(connection, mechanism);
    }
    struct imapc_sasl *sasl = connection->sasl;
    EXPECT(!sasl->working); /* the engine hands out one challenge at a time */
    buf_clear(&sasl->challenge);
    buf_clear(&sasl->response);
    buf_append_bytes(&sasl->challenge, challenge);
    sasl->working = true;
    net_lane_submit(pool->login, work_sasl, on_worked, sasl);
}

void imapc_sasl_free(struct imapc_sasl **sasl_ref)
{
    struct imapc_sasl *sasl = *sasl_ref;
    *sasl_ref = NULL;
    if (sasl != NULL && sasl->working) {
        sasl->connection = NULL;
    } else if (sasl != NULL) {
        sasl_done(sasl);
    }
}

const char *imapc_sasl_channel(const struct imapc_connection *connection, uint8_t into[NET_STREAM_CHANNEL_MAX],
                               size_t *len_r)
{
    const char *kind = net_stream_tls_channel(connection->stream, into, len_r);
    bool is_known = connection->pool->account.settings[IMAPC_TLS_EXPORTER] != 0;
    return kind != NULL && bytes_is(bytes_of(kind), "tls-exporter") && !is_known ? NULL : kind;
}

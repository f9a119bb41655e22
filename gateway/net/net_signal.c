/*
 * net_signal - signal handlers that run on the loop; see net_loop.h.
 */
#include <stdlib.h>

#include "base/expect.h"
#include "net/net_loop_private.h"

struct net_signal {
    uv_signal_t uv;
    net_signal_fn *fn;
    void *ctx;
};

static void on_signal(uv_signal_t *uv, int number)
{
    struct net_signal *handler = uv->data;
    handler->fn(handler->ctx, number);
}

struct net_signal *net_signal_new(struct net_loop *loop, int number, net_signal_fn *fn, void *ctx)
{
    struct net_signal *handler = expect_calloc(1, sizeof *handler);
    handler->fn = fn;
    handler->ctx = ctx;
    EXPECT(uv_signal_init(&loop->uv, &handler->uv) == 0);
    handler->uv.data = handler;
    EXPECT(uv_signal_start(&handler->uv, on_signal, number) == 0);
    uv_unref((uv_handle_t *)&handler->uv);
    return handler;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void net_signal_free(struct net_signal **handler)
{
    if (*handler == NULL) {
        return;
    }
    uv_close((uv_handle_t *)&(*handler)->uv, on_closed);
    *handler = NULL;
}

/*
 * sim_net_sign - gateway/net/net_sign.h: a simulated world has no token endpoint that would look at a signature.
 */
#include "net/net_sign.h"

int net_sign_rs256(struct bytes key, struct bytes text, struct buf *out, struct fault *fault)
{
    (void)key, (void)text, (void)fault;
    return buf_append_text(out, "signature");
}

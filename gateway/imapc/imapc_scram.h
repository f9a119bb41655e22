/*
 * imapc_scram - the client's arithmetic of SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677), by libgsasl.
 */
#ifndef MAILWEIR_IMAPC_IMAPC_SCRAM_H
#define MAILWEIR_IMAPC_IMAPC_SCRAM_H

#include "base/buf.h"
#include "base/fault.h"

struct imapc_scram;

/* mechanism: "SCRAM-SHA-256". NULL with a fault when libgsasl cannot do it. */
struct imapc_scram *imapc_scram_new(const char *mechanism, const char *username, const char *password,
                                    struct fault *fault);
/* The response to a challenge, both in base64; the first challenge is empty. -1 when the server does not prove that it knows the password. */
int imapc_scram_step(struct imapc_scram *scram, struct bytes challenge, struct buf *response, struct fault *fault);
/* Sets *scram to NULL; NULL is fine. */
void imapc_scram_free(struct imapc_scram **scram);

#endif

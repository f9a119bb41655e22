/*
 * imapc_scram - SCRAM by libgsasl; see imapc_scram.h.
 */
#include "imapc/imapc_scram.h"

#include <gsasl.h>
#include <stdlib.h>

#include "base/expect.h"

#define CHALLENGE_MAX 16384

struct imapc_scram {
    Gsasl *library;
    Gsasl_session *session;
};

void imapc_scram_free(struct imapc_scram **scram)
{
    if (*scram == NULL) {
        return;
    }
    if ((*scram)->session != NULL) {
        gsasl_finish((*scram)->session);
    }
    if ((*scram)->library != NULL) {
        gsasl_done((*scram)->library);
    }
    free(*scram);
    *scram = NULL;
}

struct imapc_scram *imapc_scram_new(const char *mechanism, const char *username, const char *password,
                                    struct fault *fault)
{
    struct imapc_scram *scram = expect_calloc(1, sizeof *scram);
    int status = gsasl_init(&scram->library);
    status = status == GSASL_OK ? gsasl_client_start(scram->library, mechanism, &scram->session) : status;
    if (status != GSASL_OK) {
        fault_set(fault, FAULT_LOCAL, "scram", "login", "%s: %s", mechanism, gsasl_strerror(status));
        imapc_scram_free(&scram);
        return NULL;
    }
    gsasl_property_set(scram->session, GSASL_AUTHID, username);
    gsasl_property_set(scram->session, GSASL_PASSWORD, password);
    return scram;
}

int imapc_scram_step(struct imapc_scram *scram, struct bytes challenge, struct buf *response, struct fault *fault)
{
    struct buf text;
    char *answer = NULL;
    buf_init(&text, CHALLENGE_MAX);
    int status = buf_append_bytes(&text, challenge) < 0 ? GSASL_BASE64_ERROR
                                                        : gsasl_step64(scram->session, buf_text(&text), &answer);
    buf_done(&text);
    bool good = status == GSASL_OK || status == GSASL_NEEDS_MORE;
    if (good) {
        buf_append_text(response, answer);
    } else {
        fault_set(fault, FAULT_PERM, "authentication", "login", "SCRAM: %s", gsasl_strerror(status));
    }
    gsasl_free(answer);
    return good ? 0 : -1;
}

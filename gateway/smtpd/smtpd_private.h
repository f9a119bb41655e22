/*
 * smtpd_private - what the files of reception share: smtpd.c (the whole), smtpd_listener.c (one listening socket, who may connect) and
 * smtpd_session.c (one connection). Nobody else includes it.
 *
 * A listener owns its sessions. A session that waits for an answer (a decision, a commit) when everything is closed is left alone with
 * `listener` NULL, and ends itself when the answer has come.
 */
#ifndef MAILWEIR_SMTPD_SMTPD_PRIVATE_H
#define MAILWEIR_SMTPD_SMTPD_PRIVATE_H

#include "base/list.h"
#include "base/network.h"
#include "engine/smtpd_admission.h"
#include "smtpd/smtpd.h"

struct smtpd {
    struct net_loop *loop;
    struct spool *spool;
    const char *hostname;
    struct smtpd_hooks hooks;
    struct log *log;
    struct list listeners;
    struct smtpd_counts counts;
    struct net_timer *drain_timer; /* while draining */
    void (*drained)(void *ctx);
    void *drained_ctx;
};

struct smtpd_listener {
    struct list link;
    struct smtpd *smtpd;
    struct arena *arena; /* of the options */
    struct smtpd_listener_options options;
    struct network *allow;
    struct net_listener *socket; /* NULL while draining */
    struct smtpd_admission *admission;
    struct list sessions;
};

/* smtpd.c: the last session of a drain may have gone. */
void smtpd_session_gone(struct smtpd *smtpd);

/* smtpd_listener.c */
int smtpd_listener_new(struct smtpd_listener **listener_r, struct smtpd *smtpd,
                       const struct smtpd_listener_options *options, struct fault *fault);
/* Stops accepting and tells each session. */
void smtpd_listener_drain(struct smtpd_listener *listener);
/* Ends all sessions at once, and itself. */
void smtpd_listener_free(struct smtpd_listener **listener);

/* smtpd_session.c */
struct smtpd_session;
/* Owns the stream. refusal: said instead of the greeting when its code is not 0. counted: it is in the listener's admission. */
void smtpd_session_start(struct smtpd_listener *listener, struct net_stream *stream, const struct smtpd_answer *refusal,
                         bool counted);
struct smtpd_session *smtpd_session_of(struct list *link);
void smtpd_session_drain(struct smtpd_session *session);
/* Cuts it off. It frees itself, at the latest when what it waits for has answered. */
void smtpd_session_abort(struct smtpd_session *session);

#endif

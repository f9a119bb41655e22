/*
 * imapc_habits - what the connections of one account have learned about its server beside its folders: how a login
 * works there, what separates levels, and which optional questions it does not bear. Shared by them and as old as their
 * pool.
 *
 * An optional question (MYRIGHTS, COMPRESS, the SELECT for flags ...) saves work where it is answered. One in which the
 * session breaks again and again would keep mail from a folder that takes it: after IMAPC_HABITS_STRIKES such ends in a
 * row it is left out, that is told once, and after a day it is asked again.
 */
#ifndef MAILWEIR_ENGINE_IMAPC_HABITS_H
#define MAILWEIR_ENGINE_IMAPC_HABITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/must_use.h"

/* How to log in (RFC 9051 section 6.2). The numbers are kept in spools: new ones stand behind the last. */
enum imapc_mechanism {
    IMAPC_AUTH_AUTO, /* AUTHENTICATE PLAIN, else LOGIN, else SCRAM; with a token OAUTHBEARER, else XOAUTH2 */
    IMAPC_AUTH_PLAIN,
    IMAPC_AUTH_LOGIN, /* the LOGIN command */
    IMAPC_AUTH_SCRAM_SHA_1,
    IMAPC_AUTH_SCRAM_SHA_256,
    IMAPC_AUTH_EXTERNAL, /* by our TLS certificate */
    IMAPC_AUTH_XOAUTH2,
    IMAPC_AUTH_OAUTHBEARER,
    IMAPC_AUTH_MECHANISMS, /* how many there are */
};

enum imapc_question {
    IMAPC_QUESTION_ID,
    IMAPC_QUESTION_COMPRESS,
    IMAPC_QUESTION_ENABLE,
    IMAPC_QUESTION_CAPABILITY, /* behind the login; the list of before it counts without */
    IMAPC_QUESTION_NAMESPACE,
    IMAPC_QUESTION_DELIMITER, /* LIST "" "" */
    IMAPC_QUESTION_USES,      /* LIST for special uses */
    IMAPC_QUESTION_RIGHTS,
    IMAPC_QUESTION_QUOTA,
    IMAPC_QUESTION_FLAGS, /* SELECT, for PERMANENTFLAGS */
    IMAPC_QUESTION_STORE, /* SELECT and STORE, of flags behind an APPEND that loses them */
    IMAPC_QUESTION_SUBSCRIBE,
    IMAPC_QUESTION_LEAVE,    /* UNSELECT; without it, the next SELECT leaves the folder */
    IMAPC_QUESTION_MARK,     /* STATUS, for UIDNEXT */
    IMAPC_QUESTION_VANISHED, /* ENABLE QRESYNC, and what it is for */
    IMAPC_QUESTIONS,         /* how many there are; as a question: none */
};

/* Sessions that end in one question, in a row, before it is left out. */
#define IMAPC_HABITS_STRIKES 2
/* So long it is left out; so long the delimiter counts. */
#define IMAPC_HABITS_AGE_MS UINT64_C(86400000)

struct imapc_habits {
    struct {
        unsigned strikes;
        uint64_t until; /* not asked before it; 0: asked */
    } questions[IMAPC_QUESTIONS];
    enum imapc_question news;       /* a question that was just left out; IMAPC_QUESTIONS: none */
    enum imapc_mechanism mechanism; /* that a login without a named one succeeded with; IMAPC_AUTH_AUTO: none yet */
    bool no_initial;                /* SASL-IR is offered, and not understood */
    bool no_authenticate;           /* AUTHENTICATE PLAIN is offered, and not understood: LOGIN */
    bool login_next; /* AUTHENTICATE PLAIN was refused without a code, and has never worked: the next try is by LOGIN */
    bool no_batches; /* its OK behind several messages named fewer UIDs: they go one at a time */
    bool delimiter_known;
    uint64_t delimiter_at;
    char delimiter; /* by LIST "" ""; 0: none */
};

void imapc_habits_init(struct imapc_habits *habits);
/* Whether the question may be asked. NULL: all may. A day later it begins anew. */
bool imapc_habits_may_ask(struct imapc_habits *habits, enum imapc_question question, uint64_t now);
/* The session went on behind it. NULL is fine. */
void imapc_habits_answered(struct imapc_habits *habits, enum imapc_question question);
/* The session ended in it. NULL is fine. */
void imapc_habits_broke(struct imapc_habits *habits, enum imapc_question question, uint64_t now);
/* The question that was left out since the last call, once; or IMAPC_QUESTIONS. */
MUST_USE enum imapc_question imapc_habits_take_news(struct imapc_habits *habits);
/* For people: "MYRIGHTS", "SELECT for flags". */
const char *imapc_habits_name(enum imapc_question question);

#endif

/*
 * outage - whether an upstream account is down, and until when: the one place that decides it.
 *
 * An account is down when it cannot be reached or refuses the login, when it says so itself, and when that follows from
 * what happens to its messages: sessions that file nothing, one after the other, over different messages; or different
 * messages that are refused in the same words while none is filed. What happens to one message again and again is that
 * message's fault, and the account is innocent.
 *
 * Pure: time and random numbers are arguments, messages, senders and folders are numbers that their owner makes
 * (outage_print()). Times are monotonic milliseconds.
 */
#ifndef MAILWEIR_ENGINE_OUTAGE_H
#define MAILWEIR_ENGINE_OUTAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "engine/backoff.h"

/* Sessions in a row that filed nothing, for different messages. */
#define OUTAGE_BARREN 2
/* A session that ends without having had any work counts among them when it was as short as this: it was ended, and did
 * not run out. */
#define OUTAGE_SHORT_MS UINT64_C(10000)
/* Different messages in a row that are refused in the same words, from two senders or for two folders ... */
#define OUTAGE_ALIKE 3
/* ... or from one sender for one folder. */
#define OUTAGE_ALIKE_ONE 8

enum outage_cause {
    OUTAGE_UNREACHED, /* no connection, no TLS, no greeting, or lost before it was logged in */
    OUTAGE_LOGIN,     /* refused: a password stays wrong until somebody changes it */
    OUTAGE_SESSIONS,  /* they file nothing */
    OUTAGE_REFUSED,   /* by the server's own words, or the same words for many */
    OUTAGE_CAUSES,
};

struct outage {
    struct backoff pace; /* of all causes but LOGIN */
    bool down;
    bool hard;             /* also connections that stand file nothing until then */
    bool asked;            /* the server named the time, or it was the login: worth to be known after a restart */
    uint64_t until, delay; /* of the last failure; nothing is tried before it */
    enum outage_cause cause;
    struct fault fault;
    unsigned failures[OUTAGE_CAUSES]; /* in a row; each cause has its own pace: lost connections do not make a refused
                                         login worse */
    uint64_t counts[OUTAGE_CAUSES];   /* ever */
    unsigned barren;
    uint64_t barren_message; /* that the last such session ended over; 0: none */
    struct {
        uint64_t words, sender, folder;
        uint64_t messages[OUTAGE_ALIKE_ONE];
        unsigned count;
        bool senders, folders; /* there were two */
        bool open;             /* enough: each further one goes on with it */
    } alike;
};

/* pace.initial_ms 0: one second, at most a minute. */
void outage_init(struct outage *outage, struct backoff pace);
/* A number of a name. Never 0. */
uint64_t outage_print(struct bytes name);
/* Of a message, by the id of one of its deliveries, "message.number": its octets are the same in each folder. */
uint64_t outage_message(struct bytes delivery);

/* The account failed as a whole. hard: see above. Of several failures at once the first counts; the longest pause that
 * the server asked for counts always. */
void outage_failed(struct outage *outage, uint64_t now, uint64_t random, enum outage_cause cause,
                   const struct fault *fault, uint64_t retry_after_ms, bool hard);

/* A session that had logged in has ended, not by us. */
struct outage_session {
    bool filed;         /* something, ever */
    uint64_t message;   /* that was under way; 0: none */
    uint64_t lived_ms;  /* since the login */
    struct fault fault; /* why it ended */
};
/* true: the account has failed. */
bool outage_session_ended(struct outage *outage, uint64_t now, uint64_t random, const struct outage_session *session);

/* One message was refused, and the refusal does not say that it is the account's. */
struct outage_refusal {
    const struct fault *fault;
    bool general; /* neither a code nor known words tell what it is about */
    uint64_t message, sender;
    struct bytes folder;
};
/* true: the account has failed. */
bool outage_refused(struct outage *outage, uint64_t now, uint64_t random, const struct outage_refusal *refusal);
/* What the words say, without numbers, addresses and what belongs to the folder's name. Never 0. */
uint64_t outage_words(const char *text, struct bytes folder);

/* A login has succeeded. true: it was down for the lack of one, and is not any more. */
bool outage_reached(struct outage *outage);
/* Something was filed. true: it was down. */
bool outage_worked(struct outage *outage);
/* After a restart: it was down until then, for so many failures. */
void outage_resume(struct outage *outage, uint64_t until, uint64_t delay, bool login, unsigned failures,
                   const struct fault *fault);
/* Whoever knows better says that it may be tried now. */
void outage_try_now(struct outage *outage);

/* Failures in a row, of all causes. */
unsigned outage_failures(const struct outage *outage);
/* "unreached", "login", "sessions", "refused". */
const char *outage_cause_name(enum outage_cause cause);

#endif

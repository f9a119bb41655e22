/*
 * imapc_private - what the files of the IMAP engine share: imapc_engine.c (steps, replies, deadlines), imapc_login.c (up to ready) and
 * imapc_append.c (append and create). Nobody else includes it.
 */
#ifndef MAILWEIR_ENGINE_IMAPC_PRIVATE_H
#define MAILWEIR_ENGINE_IMAPC_PRIVATE_H

#include "engine/imapc_engine.h"
#include "engine/imapc_refusal.h"
#include "proto/imap_command.h"
#include "proto/imap_name.h"

/* Octets of a message are asked for in pieces of at most this much, and while less than that waits in the output. */
#define IMAPC_BODY_PIECE ((size_t)64 << 10)
/* Responses to one command, before the server is taken for broken. */
#define IMAPC_REPLIES_MAX 100000
/* Octets of responses to one command. */
#define IMAPC_REPLY_OCTETS_MAX ((uint64_t)64 << 20)
/* A message up to this size goes as a non-synchronising literal where the server has LITERAL+. */
#define IMAPC_LITERAL_PLUS_MAX ((uint64_t)64 << 10)
/* The same where it has LITERAL- (RFC 7888). */
#define IMAPC_LITERAL_MINUS_MAX ((uint64_t)4 << 10)

enum imapc_phase {
    IMAPC_PHASE_GREETING,
    IMAPC_PHASE_CAPABILITY,
    IMAPC_PHASE_STARTTLS,
    IMAPC_PHASE_HANDSHAKE,
    IMAPC_PHASE_LOGIN,
    IMAPC_PHASE_NAMESPACE,
    IMAPC_PHASE_READY,
    IMAPC_PHASE_APPEND,
    IMAPC_PHASE_CREATE,
    IMAPC_PHASE_LOGOUT,
    IMAPC_PHASE_ENDED,
};

/* The append under way. */
struct imapc_appending {
    const struct imapc_message *messages;
    size_t count;
    size_t current;     /* the message whose octets are due */
    uint64_t sent;      /* of its octets */
    bool asked;         /* BODY was handed out and not answered */
    bool literal_open;  /* the literal of the current message is announced; its octets may go once the command is out */
    bool literal_sent;  /* octets of a literal went out */
    bool created;       /* CREATE was tried for it */
    bool answered;      /* a refusal came while octets were still due */
    bool create_due;    /* it was one that asks for CREATE */
    struct buf folder;  /* the server's name */
};

struct imapc_engine {
    struct imapc_engine_options options;
    enum imapc_phase phase;
    bool tls_active, authenticated, was_ready;

    struct imap_reply_parser parser;
    struct imap_capabilities capabilities;
    bool capabilities_known;
    struct imap_namespaces namespaces;

    struct buf output;
    struct imap_command command;
    size_t command_sent;  /* octets of its text that are in the output */
    size_t command_waits; /* waits passed */
    bool command_open;    /* its tagged answer is due */
    bool plus_due;        /* "+" is waited for */
    uint32_t tag_number;
    char tag[IMAP_COMMAND_TAG_MAX];
    bool plain_due; /* AUTHENTICATE PLAIN waits for its "+" */

    struct imapc_appending append;
    struct imapc_result result;
    bool result_due;
    bool tls_due;
    struct fault fault; /* why it ended */
    uint64_t retry_after_ms;
    bool crowded;
    bool account; /* the fault is of the account, not of one connection */

    uint64_t now;
    uint64_t deadline;
    unsigned replies;      /* since the command began */
    uint64_t reply_octets;
};

/* imapc_engine.c */
/* Enters the phase: its `enter` sends what begins it. */
void imapc_enter(struct imapc_engine *engine, enum imapc_phase phase);
/* Begins a command with a new tag; its arguments follow, then imapc_send(). */
struct imap_command *imapc_begin(struct imapc_engine *engine, const char *name);
/* Sends the command as far as it may go; it is then open until its tagged answer. */
void imapc_send(struct imapc_engine *engine);
/* Ends the connection: the open append gets the fault (UNCERTAIN when octets of a literal went out). */
void imapc_fail(struct imapc_engine *engine, enum fault_class class, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Ends the connection for a refusal of the server. */
void imapc_refused(struct imapc_engine *engine, const struct imap_reply *reply);
/* The append is over with what stands in engine->result. */
void imapc_append_over(struct imapc_engine *engine);

/* imapc_login.c: enter and reply of the phases up to ready. reply is called for tagged answers, continuations and greetings. */
void imapc_greeting_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_capability_enter(struct imapc_engine *engine);
void imapc_capability_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_starttls_enter(struct imapc_engine *engine);
void imapc_starttls_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_login_enter(struct imapc_engine *engine);
void imapc_login_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_namespace_enter(struct imapc_engine *engine);
void imapc_namespace_reply(struct imapc_engine *engine, const struct imap_reply *reply);
/* Untagged data of these phases: CAPABILITY, NAMESPACE, LIST. */
void imapc_login_data(struct imapc_engine *engine, const struct imap_reply *reply);

/* imapc_append.c */
void imapc_append_enter(struct imapc_engine *engine);
void imapc_append_reply(struct imapc_engine *engine, const struct imap_reply *reply);
void imapc_create_enter(struct imapc_engine *engine);
void imapc_create_reply(struct imapc_engine *engine, const struct imap_reply *reply);
/* Whether octets of a message are due now; fills the request. */
bool imapc_append_wants_body(struct imapc_engine *engine, struct imapc_request *request);

#endif

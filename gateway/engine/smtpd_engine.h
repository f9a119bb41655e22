/*
 * smtpd_engine - one SMTP or LMTP session as a state machine without I/O: octets and time in, reply octets and wishes
 * out (RFC 5321, RFC 2033).
 *
 *   step     looks at the input, goes on as far as it can, and says what it wants next
 *   want     something only the outside can do: decide, store, check a password, negotiate TLS, close
 *   answer   what became of a want that was a question; until then no input is taken, so replies stay in order
 *
 * The owner calls smtpd_engine_step() again and again until it gives SMTPD_WANT_INPUT, and again when there is input,
 * an answer was given, output was taken, or smtpd_engine_deadline() has passed. All timeouts live in here. Every
 * command, parameter and reply is a row of a table (smtpd_commands.c, proto/smtp_params.c, smtpd_replies.c).
 *
 * What it does not do: look at networks or users, store anything, know rules. Memory is bounded by the limits.
 */
#ifndef MAILWEIR_ENGINE_SMTPD_ENGINE_H
#define MAILWEIR_ENGINE_SMTPD_ENGINE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/must_use.h"
#include "engine/smtpd_replies.h"
#include "mail/mail_envelope.h"

struct smtpd_engine;

/* Who may be a recipient of the same message. */
enum smtpd_recipients {
    SMTPD_RECIPIENTS_ANY,
    SMTPD_RECIPIENTS_ONE_DOMAIN,
    SMTPD_RECIPIENTS_ONE,
    SMTPD_RECIPIENTS_GROUPS
};

struct smtpd_limits {
    uint64_t max_message_size; /* octets; announced by SIZE */
    unsigned max_recipients;   /* per transaction */
    unsigned max_recipients_per_session;
    unsigned max_recipients_per_minute; /* from one network; 0: no limit. This and the other counts over sessions are
                                           the owner's */
    unsigned max_messages_per_minute;   /* from one network; 0: no limit */
    unsigned max_sessions;              /* of this listener; above: 421 */
    unsigned max_sessions_per_network;  /* of this listener, from one address (IPv6: one /64); above: 421 */
    unsigned max_sessions_per_user;     /* of this listener */
    unsigned max_errors;                /* replies 4xx/5xx to commands, since the last accepted message, before 421 */
    unsigned max_unknown_commands;      /* per session, before 421 */
    unsigned max_auth_failures;         /* per session, before 421 */
    unsigned max_auth_failures_per_network; /* within 15 minutes, before it is refused without a look; 0: no limit */
    unsigned max_transactions;              /* per session */
    unsigned max_refusals_logged;           /* of one client a minute, the rest is counted; 0: no limit */
    unsigned max_received;                  /* Received fields in a message; above: 554, it loops */
    uint64_t command_timeout_ms;            /* waiting for a command, or for a TLS handshake */
    uint64_t data_timeout_ms;               /* waiting for the next octets of a message */
    uint64_t session_timeout_ms;            /* the whole session */
    uint64_t greeting_delay_ms;             /* who is not trusted waits so long for the greeting, and must be silent */
    uint64_t duplicate_window_ms;           /* spool_stage_once(); 0: off */
};
/* The defaults of the configuration. */
void smtpd_limits_default(struct smtpd_limits *limits); /* for tests */

/* The most of a header section that is kept for the rules; a longer one is refused. */
#define SMTPD_HEADER_MAX ((size_t)256 << 10)
/* The longest command line without its CR LF; RFC 5321 section 4.5.3.1.4 with room for every parameter. */
#define SMTPD_LINE_MAX 4096
/* The longest line of an AUTH exchange; RFC 4954 section 4. */
#define SMTPD_AUTH_LINE_MAX 12288
/* The most input that must be kept unread at once. */
#define SMTPD_INPUT_MAX ((size_t)64 << 10)

/* SASL mechanisms, as a set of bits. */
enum smtpd_mechanism {
    SMTPD_MECHANISM_PLAIN = 1 << 0,
    SMTPD_MECHANISM_LOGIN = 1 << 1,
    SMTPD_MECHANISM_SCRAM = 1 << 2,      /* SCRAM-SHA-256 */
    SMTPD_MECHANISM_SCRAM_PLUS = 1 << 3, /* only ever under TLS */
};

/* Something was refused: a command, a recipient, a message, or the client itself. Valid during the call. */
struct smtpd_refusal {
    const struct smtpd_answer *answer;
    const char *said;                     /* the command: printable, cut, without secrets; "" before any */
    const char *recipient;                /* that was refused; NULL when it was no recipient */
    const struct mail_envelope *envelope; /* of the open transaction, without id and received_ms; NULL outside of one */
    bool is_mail;                         /* it refuses mail: a sender, a recipient, a message */
    const char *helo;
    const char *user; /* "" when not authenticated */
    const char *key;  /* of the listener, that would let it in; NULL: none */
};

/* Called for each, from inside of the engine's calls, none of which may be called from it. */
typedef void smtpd_refused_fn(void *ctx, const struct smtpd_refusal *refusal);

/* The bit of "PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS" in any case of letters; 0 for another word. */
unsigned smtpd_mechanism_of(const char *name);
/* The names of a set of mechanisms, each behind a blank. */
void smtpd_mechanism_names(unsigned mechanisms, struct buf *out);

struct smtpd_engine_options {
    const char *hostname;
    const char *listener;
    const char *client_address;
    uint16_t client_port;
    bool lmtp;
    bool starttls;                    /* offer STARTTLS */
    bool implicit_tls;                /* the greeting waits for smtpd_engine_tls_ready() */
    bool tls_required;                /* no MAIL and no AUTH without TLS */
    bool trusted;                     /* the client may send without authentication */
    bool lenient;                     /* the client is a device whose mistakes are let pass */
    enum smtpd_recipients recipients; /* of one transaction; announced by LIMITS (RFC 9422) */
    bool certificates;                /* a verified client certificate counts as authentication */
    bool xclient;                     /* the client may say for whom it stands */
    unsigned mechanisms;              /* offered: enum smtpd_mechanism */
    bool auth_in_clear;               /* offer them without TLS, too */
    struct smtpd_answer refusal;      /* code not 0: say this instead of the greeting, and close */
    struct smtpd_limits limits;
    struct smtpd_tally *tally; /* counted into; NULL: nowhere */
    smtpd_refused_fn *refused; /* NULL: nobody listens */
    void *refused_ctx;
};

enum smtpd_want {
    SMTPD_WANT_INPUT,  /* nothing can be done before there is more input, an answer, room in the output, or the deadline
                        */
    SMTPD_WANT_TLS,    /* send the output, drop what is unread, negotiate TLS, then smtpd_engine_tls_ready() */
    SMTPD_WANT_CLIENT, /* question: XCLIENT names another client, request->address; answer by
                          smtpd_engine_answer_client() */
    SMTPD_WANT_AUTH,   /* question: a step of authentication; answer by smtpd_engine_answer_auth() */
    SMTPD_WANT_AUTH_END,  /* the authentication was broken off; forget it */
    SMTPD_WANT_MAIL,      /* question: may a message of request->size octets begin? */
    SMTPD_WANT_RECIPIENT, /* question: is the envelope's last recipient welcome? */
    SMTPD_WANT_STORE,     /* request->data belongs to the message; it is valid until the input is consumed */
    SMTPD_WANT_MESSAGE,   /* question: the message is complete; make it durable and say what the sender hears */
    SMTPD_WANT_RESET,     /* the transaction is over; throw away what was stored for it */
    SMTPD_WANT_CLOSE,     /* send the output and close */
};

struct smtpd_request {
    struct bytes data; /* STORE; AUTH: the client's octets, decoded */
    uint64_t size;     /* MAIL: as declared, 0 when it was not; MESSAGE: octets stored */
    const struct mail_envelope
        *envelope;       /* MAIL, RECIPIENT, MESSAGE, RESET; id and received_ms are the owner's to fill in a copy */
    struct bytes header; /* MESSAGE: the header section with its empty line */
    struct smtpd_answer refusal;    /* RESET: the last refusal in a transaction that brought no message; else code 0 */
    enum smtpd_mechanism mechanism; /* AUTH */
    bool is_first;                  /* AUTH: the first step; has_data tells whether there was an initial response */
    bool has_data;
    const char *address; /* CLIENT */
};

/* What a step of authentication gave. */
struct smtpd_auth_answer {
    enum smtpd_auth_kind { SMTPD_AUTH_CHALLENGE, SMTPD_AUTH_OK, SMTPD_AUTH_FAILED, SMTPD_AUTH_REFUSED } kind;
    struct bytes challenge;      /* CHALLENGE: octets, not yet encoded */
    const char *user;            /* OK */
    uint64_t delay_ms;           /* FAILED: the client hears of it only then */
    struct smtpd_answer refusal; /* REFUSED: said at once; a 421 closes */
};

/* The strings of the options are copied. */
MUST_USE struct smtpd_engine *smtpd_engine_new(const struct smtpd_engine_options *options, uint64_t now);
/* Sets *engine to NULL; NULL is fine. */
void smtpd_engine_free(struct smtpd_engine **engine);

/*
 * Takes *used_r octets off the head of input and says what is wanted. The input must begin with what was not used
 * before. *request_r is filled as its fields say; what it points at is valid until the next call.
 */
enum smtpd_want smtpd_engine_step(struct smtpd_engine *engine, uint64_t now, struct bytes input, size_t *used_r,
                                  struct smtpd_request *request_r);
/* The answer to MAIL, RECIPIENT or MESSAGE. May be given at once, or at any later time. */
void smtpd_engine_answer(struct smtpd_engine *engine, uint64_t now, const struct smtpd_answer *answer);
/*
 * The answer to MESSAGE in LMTP, one for each recipient of the envelope in order (RFC 2033 section 4.2); code 0:
 * accepted. The message was taken when any of them says so.
 */
void smtpd_engine_answer_each(struct smtpd_engine *engine, uint64_t now, const struct smtpd_answer *answers);
void smtpd_engine_answer_auth(struct smtpd_engine *engine, uint64_t now, const struct smtpd_auth_answer *answer);
/* The answer to CLIENT: from here on, address is the client; trusted, lenient and refusal as in the options. */
void smtpd_engine_answer_client(struct smtpd_engine *engine, uint64_t now, bool trusted, bool lenient,
                                const struct smtpd_answer *refusal);
/* The message cannot be stored any more: what is left of it is swallowed, and its end gets this reply. */
void smtpd_engine_store_failed(struct smtpd_engine *engine, const struct smtpd_answer *answer);
/* While stopped, no input is taken and no deadline runs: the disk is behind, not the client. */
void smtpd_engine_stop(struct smtpd_engine *engine, uint64_t now, bool stop);
/* The handshake is done: everything said before is forgotten (RFC 3207 section 4.2). The strings may be NULL. */
void smtpd_engine_tls_ready(struct smtpd_engine *engine, uint64_t now, const char *version, const char *cipher,
                            const char *peer);
/* From the end of the transaction on: 421. */
void smtpd_engine_drain(struct smtpd_engine *engine);
/* What is to be sent; the owner consumes it. */
struct buf *smtpd_engine_output(struct smtpd_engine *engine);
/* When step() wants to be called at the latest, in the units of `now`; UINT64_MAX: never. */
uint64_t smtpd_engine_deadline(const struct smtpd_engine *engine);
/* Whether MAIL was accepted and the message has not been answered yet. */
bool smtpd_engine_in_transaction(const struct smtpd_engine *engine);
/* The transaction's arena, for decisions about it; NULL outside of one. */
struct arena *smtpd_engine_arena(struct smtpd_engine *engine);
/* The open transaction's envelope, without id and received_ms; NULL outside of one. */
const struct mail_envelope *smtpd_engine_envelope(const struct smtpd_engine *engine);
/* What the client said last, as smtpd_refusal has it; "" before any command. */
const char *smtpd_engine_said(const struct smtpd_engine *engine);
/* For people: "greeting", "command", "text" ... */
const char *smtpd_engine_phase(const struct smtpd_engine *engine); /* for tests */

#endif

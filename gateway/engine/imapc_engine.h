/*
 * imapc_engine - one IMAP client connection as a state machine without I/O: octets and time in, octets and wishes out
 * (RFC 9051).
 *
 * greeting -> capability -> [starttls -> handshake] -> login -> [compress] -> namespace -> ready -> append (-> create
 * -> append) -> ready
 *                                                                                        -> examine -> fetch ... ->
 * elsewhere -> unselect -> ready ... -> logout
 *
 *   step    looks at the input, goes on as far as it can, and says what it wants next
 *   want    something only the outside can do: octets of a message, TLS, taking a result, closing
 *
 * The owner calls imapc_engine_step() again and again until it gives IMAPC_WANT_INPUT, and again when there is input,
 * when output was taken, when a body came, when it gave the engine something to do, or when imapc_engine_deadline() has
 * passed. Nothing is pipelined behind a login.
 *
 * What it does not do: choose which message goes next, try again, know TLS. Memory is bounded.
 */
#ifndef MAILWEIR_ENGINE_IMAPC_ENGINE_H
#define MAILWEIR_ENGINE_IMAPC_ENGINE_H

#include "base/buf.h"
#include "base/fault.h"
#include "base/must_use.h"
#include "engine/doubt.h"
#include "engine/imapc_folders.h"
#include "engine/imapc_habits.h"
#include "proto/imap_name.h"
#include "proto/imap_reply.h"

struct imapc_engine;

/* Whether SCRAM is bound to the TLS connection, by the -PLUS mechanisms (RFC 5802 section 6). */
enum imapc_binding {
    IMAPC_BINDING_AUTO,     /* where both sides can */
    IMAPC_BINDING_NEVER,    /* as if we could not */
    IMAPC_BINDING_REQUIRED, /* else there is no login */
    IMAPC_BINDINGS,         /* how many there are */
};

/* What a server says of a folder before messages go into it; see imapc_check.c. */
struct imapc_check {
    const char *folder; /* as rules write it; the owner's */
    bool missing;       /* it is not there: what follows is of the nearest parent that is */
    bool rights_asked, quota_asked;
    char rights[64];                     /* RFC 4314 section 2.1, "lrswi"; "" when the server does not say */
    struct imapc_quota octets, messages; /* of the root with the least room */
    char refusal[200];                   /* the server's words, when it did not answer a question; or "" */
};

/* A character that some servers do not take in names of folders; see imapc_suspect.c. */
struct imapc_suspect {
    char character;    /* ASCII; as rules write it */
    bool asked;        /* else the server separates levels by it, or did not answer */
    bool refused;      /* the server takes no name with it */
    char refusal[200]; /* its words */
};

/* The account's folders, as rules write them. */
struct imapc_names {
    struct buf list; /* names, each ended by a NUL; the owner makes it with the most that it takes */
    size_t count;
    bool complete;              /* the server has named all of them, and there was room */
    struct imapc_check *checks; /* folders to ask about behind the list, by reference; or NULL */
    size_t check_count;
    struct imapc_suspect *suspects; /* characters to try behind that, by reference; or NULL */
    size_t suspect_count;
    bool may_create; /* names with them are made, and deleted again; else the server is asked about them only */
};

struct imapc_engine_options {
    bool tls;      /* the stream is under TLS from the first octet */
    bool starttls; /* STARTTLS must succeed before anything else */
    bool
        allow_clear; /* without TLS, credentials and mail may go out all the same (loopback, or the operator says so) */
    enum imapc_mechanism mechanism;
    enum imapc_binding binding;
    const char *username;
    const char *password; /* or the OAuth2 access token */
    bool is_token;
    uint8_t random[8]; /* of the tags */
    uint64_t greeting_timeout_ms;
    uint64_t command_timeout_ms; /* without any octet moved */
    uint64_t literal_max; /* larger messages wait for the server's "+" even where it has LITERAL+; so a refusal comes
                             first */
    uint64_t message_max; /* larger messages are not sent at all; 0: what the server announces counts */
    bool subscribe;       /* SUBSCRIBE to folders that are created */
    bool keywords;        /* send keywords, not only system flags */
    bool compress;        /* COMPRESS=DEFLATE is used where it is offered (RFC 4978) */
    bool utf8;            /* UTF8=ACCEPT is enabled where it is offered */
    bool store_flags;     /* the server's APPEND loses flags: they are stored behind it, and by a search that finds the
                             message */
    bool merges; /* the server may throw away a message that it takes for another one: what was filed is looked at */
    const char *version;           /* of the program, for ID (RFC 2971); NULL: none is said */
    struct imapc_habits *habits;   /* what all connections of the account have learned of the server; or NULL */
    bool plain_refusals_certain;   /* a NO without a code, or for a lock or a limit, leaves nothing behind */
    struct imapc_folders *folders; /* what all connections of the account have learned; NULL: folders are not asked */
    struct imapc_names *names;     /* filled behind the login, before the engine is ready; NULL: nobody asks */
    const char *const
        *special_names; /* by enum imap_special_use, of folders to use where the server has none; or NULL */
};

/* What lies under the UID that the server told for a message. */
enum imapc_merged {
    IMAPC_MERGED_NOT,     /* it, as far as is known */
    IMAPC_MERGED_ANOTHER, /* another message, which the server has taken for the same */
    IMAPC_MERGED_GONE,    /* nothing: the server has thrown it away */
};

/* One message of an append; it and what it points at stay valid until the result. */
struct imapc_message {
    const char *const *flags;
    size_t flag_count;
    int64_t date_ms; /* INTERNALDATE */
    uint64_t size;
    bool utf8;                /* octets above 127 stand in its header section */
    bool bare;                /* it goes alone and without its keywords, which may be what the server refused */
    uint32_t uid;             /* set by the engine from APPENDUID (RFC 4315); 0: not said */
    const char *id;           /* as in its MAIL_ID_FIELD; NULL: it is not looked at behind the APPEND */
    enum imapc_merged merged; /* set by the engine, where options.merges */
    bool unread;              /* set by the engine: its octets could not be had, which ended the connection */
};

/* A message that may lie in a folder: looked for by the id in its own header field. */
struct imapc_wanted {
    const char *id;
    const char *const *flags; /* that it was filed with */
    size_t flag_count;
    const struct doubt *doubt; /* says how far down the folder is looked through */
    uint32_t uid;              /* set by the engine; 0: it was not found in the folder */
    uint32_t twin_uid;         /* set by the engine: it lies there twice; 0: it does not */
    const char *elsewhere;     /* set by the engine: the account's other folder that it was found in, UTF-8, "/" between
                                * levels; valid until the engine's next task; NULL: it was not */
    bool cut;                  /* set by the engine: see struct doubt_look */
    uint32_t seen, vanished;
};

struct imapc_result {
    struct fault fault;      /* NONE: done. UNCERTAIN: a whole message went out, no tagged answer came */
    uint32_t uidvalidity;    /* of the folder, when the server said it; else 0 */
    uint64_t retry_after_ms; /* the pause the server asks for */
    bool account;            /* the fault is of the account, not of these messages */
    bool sick;               /* the fault is of this session: another one may work */
    bool general;            /* neither a code nor known words tell what the fault is about */
    bool sent;               /* of an append: octets of a literal went out */
    size_t reached; /* of an append with a fault: so many messages, from the first, may have reached the server whole */
    bool doubtful;  /* of a refused append: the server may have kept them all the same */
    bool bare;      /* of a doubtful one: it may be for the keywords, without which the message is to go again */
    bool ended;     /* the connection ended during the task ... */
    bool ours;      /* ... by ourselves: a body that cannot be read, a lease that ran out, the program's end */
    bool paused;    /* of a search: it is not over, and the engine may be given an append: imapc_engine_resume() */
    struct doubt_mark mark; /* of an append: known before its first octet; of a search: when it began */
    struct doubt_mark next; /* of an append: what is known behind it */
    enum doubt_sight sight; /* of a search */
    char left_out[128];     /* flags that the folder does not keep, when that is news; else empty */
    bool uses_learned;      /* the folders with special uses stand newly in options.folders */
    bool unstored;          /* filed, but flags that the server's APPEND loses could not be stored */
    const char *said;       /* of a search: the server's words of what it refused, or ""; valid until the next task */
    const char *folder; /* as rules write it, when the task named it by its use; valid until the next task; or NULL */
};

enum imapc_want {
    IMAPC_WANT_INPUT,    /* nothing can be done before something comes from outside */
    IMAPC_WANT_TLS,      /* send the output, negotiate TLS, then imapc_engine_tls_ready() */
    IMAPC_WANT_COMPRESS, /* what is not used of the input, and all output from here on, is deflated:
                            imapc_engine_compressed() */
    IMAPC_WANT_SASL,     /* the answer to a challenge of SCRAM: imapc_engine_sasl() */
    IMAPC_WANT_BODY,     /* octets of a message: answer by imapc_engine_body() */
    IMAPC_WANT_TELL,   /* the server has something to say that must be shown to people (RFC 9051 section 7.1, ALERT) */
    IMAPC_WANT_RESULT, /* the append or search is over; the engine may be given the next one unless CLOSE follows */
    IMAPC_WANT_CLOSE,  /* send the output and close; request->fault says why */
};

struct imapc_request {
    const char *mechanism;             /* SASL: "SCRAM-SHA-256-PLUS" */
    struct bytes challenge;            /* SASL: in base64, empty at first; valid until the next call */
    size_t message;                    /* BODY: which of the append's */
    uint64_t offset;                   /* BODY */
    size_t len;                        /* BODY: at most so many octets */
    struct bytes alert;                /* TELL: valid until the next call */
    const struct imapc_result *result; /* RESULT; valid until the next call */
    const struct fault *fault;         /* CLOSE: NONE after a logout */
    uint64_t retry_after_ms;           /* CLOSE */
    bool crowded;                      /* CLOSE: the server has too many connections of this account */
};

/* username and password are copied. */
MUST_USE struct imapc_engine *imapc_engine_new(const struct imapc_engine_options *options, uint64_t now);
/* Sets *engine to NULL; NULL is fine. */
void imapc_engine_free(struct imapc_engine **engine);

/* Takes *used_r octets off the head of input and says what is wanted. */
enum imapc_want imapc_engine_step(struct imapc_engine *engine, uint64_t now, struct bytes input, size_t *used_r,
                                  struct imapc_request *request_r);
/* What is to be sent; the owner consumes it. */
struct buf *imapc_engine_output(struct imapc_engine *engine);
/* The handshake is done. */
void imapc_engine_tls_ready(struct imapc_engine *engine, uint64_t now);
/* For an owner who learns only later, before the login, that compression is worth it. */
void imapc_engine_allow_compress(struct imapc_engine *engine);
/* Both directions are deflated now. */
void imapc_engine_compressed(struct imapc_engine *engine, uint64_t now);
/* The TLS connection has something that a login can be bound to. Before the first step under TLS. */
void imapc_engine_can_bind(struct imapc_engine *engine);
/* The answer to SASL, in base64; or a fault: the login is given up. */
void imapc_engine_sasl(struct imapc_engine *engine, uint64_t now, struct bytes response, const struct fault *fault);
/* The answer to BODY: 1 to len octets, or a fault (the message cannot be read: the connection is given up). */
void imapc_engine_body(struct imapc_engine *engine, uint64_t now, struct bytes data, const struct fault *fault);
/* The connection is gone; fault may be NULL for a plain end. A RESULT may follow, CLOSE will. */
void imapc_engine_lost(struct imapc_engine *engine, const struct fault *fault);
/* Octets moved in either direction: deadlines count from here. */
void imapc_engine_moved(struct imapc_engine *engine, uint64_t now);

/* Whether it waits for something to do. */
bool imapc_engine_is_ready(const struct imapc_engine *engine);
/* Whether it has been ready at least once: the account works. */
bool imapc_engine_was_ready(const struct imapc_engine *engine);
/* Whether the last octet of a message of the append under way is in the output or out, and nothing says yet what became
 * of it. */
bool imapc_engine_has_reached(const struct imapc_engine *engine);
/* Whether it ended by the connection's end, and not by anything that the server said. */
bool imapc_engine_was_lost(const struct imapc_engine *engine);
/* Appends the messages to folder (UTF-8, "/" between levels; or "\Junk": the one with this special use, RFC 6154), more
 * than one only with MULTIAPPEND. The engine must be ready; step() goes on. */
void imapc_engine_append(struct imapc_engine *engine, uint64_t now, const char *folder, struct imapc_message *messages,
                         size_t count);
/*
 * Looks in folder for messages by their ids (mail_rope's MAIL_ID_FIELD), from the newest back to the lowest mark of
 * their doubts (RFC 9051 section 6.4.5): a few round trips for any number of ids; then, for what is missing, at the
 * newest mail of the account's other places (everything, archive, trash, junk). What was found, and what was seen,
 * stands in wanted and in the result; what it proves is doubt_judge()'s. Where options.store_flags, the flags of what
 * was found are stored: nobody knows whether the first attempt came so far. The engine must be ready; a RESULT follows;
 * wanted is valid until then.
 */
void imapc_engine_locate(struct imapc_engine *engine, uint64_t now, const char *folder, struct imapc_wanted *wanted,
                         size_t count);
/*
 * Whether others wait for the connection: a search under way then pauses between two windows, with a RESULT that says
 * so. What was asked for with it stays valid. Appends may be given to the engine then, as many as there are; resume()
 * goes on with the search, whose RESULT is still due.
 */
void imapc_engine_share(struct imapc_engine *engine, bool others_wait);
void imapc_engine_resume(struct imapc_engine *engine, uint64_t now);
/*
 * Removes one message from folder by its UID in a mailbox of this UIDVALIDITY: \Deleted, then UID EXPUNGE (RFC 4315
 * section 2.1), which touches no other one. Without UIDPLUS nothing is done, and the result has the fault "no-uidplus".
 * The engine must be ready; a RESULT follows.
 */
void imapc_engine_remove(struct imapc_engine *engine, uint64_t now, const char *folder, uint32_t uidvalidity,
                         uint32_t uid);
/* Says goodbye; CLOSE follows. The engine must be ready. */
void imapc_engine_logout(struct imapc_engine *engine, uint64_t now);

/* When step() wants to be called at the latest; UINT64_MAX: never. */
uint64_t imapc_engine_deadline(const struct imapc_engine *engine);
/* For people: "greeting", "login", "append" ... */
const char *imapc_engine_phase(const struct imapc_engine *engine); /* for tests */
/* The server's words of the last refusal that no result tells: untagged NO, BAD and BYE, and answers to questions of
 * our own; or "". Valid until the next call. */
const char *imapc_engine_said(const struct imapc_engine *engine);
const struct imap_capabilities *imapc_engine_capabilities(const struct imapc_engine *engine);
/* Whether the server takes several messages in one APPEND, for all that is known. */
bool imapc_engine_takes_batches(const struct imapc_engine *engine);
/* The personal one first; the delimiter and prefixes of folders. */
const struct imap_namespaces *imapc_engine_namespaces(const struct imapc_engine *engine);

#endif

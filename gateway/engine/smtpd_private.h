/*
 * smtpd_private - what the files of the SMTP engine share. Nobody else includes it.
 *
 *   smtpd_engine.c    steps, phases, deadlines, answers: the top
 *   smtpd_commands.c  the table of commands, and those that do little
 *   smtpd_hello.c     HELO, EHLO, LHLO, STARTTLS, XCLIENT: who talks to us
 *   smtpd_sasl.c      AUTH
 *   smtpd_envelope.c  MAIL, RCPT
 *   smtpd_message.c   DATA, BDAT and the octets of a message
 *   smtpd_core.c      what all of them do to the session: reply, ask, end
 */
#ifndef MAILWEIR_ENGINE_SMTPD_PRIVATE_H
#define MAILWEIR_ENGINE_SMTPD_PRIVATE_H

#include "engine/smtpd_engine.h"
#include "proto/smtp_command.h"
#include "proto/smtp_data.h"
#include "proto/smtp_params.h"

/* How much of a command a refusal quotes, and of the address of a recipient. */
#define SMTPD_SAID_MAX      120
#define SMTPD_USER_MAX      255
#define SMTPD_RECIPIENT_MAX 512

/* What the next octets are. */
enum smtpd_phase {
    SMTPD_PHASE_HANDSHAKE, /* of TLS: none for us */
    SMTPD_PHASE_GREETING,  /* there must be none: the greeting waits */
    SMTPD_PHASE_COMMAND,
    SMTPD_PHASE_SKIP,    /* the rest of a line that is too long */
    SMTPD_PHASE_SASL,    /* a line of an AUTH exchange */
    SMTPD_PHASE_PENALTY, /* none is read: the reply to a failed AUTH waits */
    SMTPD_PHASE_TEXT,    /* behind DATA */
    SMTPD_PHASE_CHUNK,   /* behind BDAT */
    SMTPD_PHASE_ENDED,
};

/* How far the dialogue is: which commands are in order. Bits, for the table of commands. */
enum smtpd_state {
    SMTPD_STATE_START = 1 << 0, /* no hello yet */
    SMTPD_STATE_READY = 1 << 1,
    SMTPD_STATE_MAIL = 1 << 2,   /* MAIL was accepted */
    SMTPD_STATE_RCPT = 1 << 3,   /* and at least one recipient */
    SMTPD_STATE_CHUNKS = 1 << 4, /* and at least one chunk of the message */
};

/* One MAIL to the end of its data. */
struct smtpd_transaction {
    struct arena *arena; /* of all strings of the envelope; NULL outside of a transaction */
    struct mail_envelope envelope;
    size_t to_room; /* recipients that envelope.to has room for */
    uint64_t size;  /* octets of the message so far */
    struct buf header;
    bool header_done;
    bool rcpt_refused;           /* a recipient was refused */
    bool chunk_refused;          /* a chunk was refused: nothing but RSET helps */
    uint8_t last_octet;          /* of the message so far, for line ends over chunks */
    struct smtpd_answer failure; /* code not 0: the message is refused at its end, and no longer stored */
    struct smtpd_answer refusal; /* the last refusal heard in it */
};

/* A BDAT under way. */
struct smtpd_chunk {
    uint64_t left;
    uint64_t size;
    bool last;
    bool ignored;             /* swallowed only */
    enum smtpd_reply refusal; /* ignored: said at its end */
};

struct smtpd_engine {
    struct smtpd_engine_options options;
    char *hostname, *listener, *refusal_enhanced, *refusal_text; /* the strings of the options */
    enum smtpd_phase phase;
    enum smtpd_state state;
    unsigned offered; /* enum smtp_extension, here and now */
    bool draining;
    bool stopped;
    bool greeted;
    bool esmtp;
    bool trusted;
    /* Texts are as long as they are: thousands of sessions wait, and most have none. Never NULL; smtpd_keep(). */
    char *helo;
    char *recipient;               /* of the RCPT under way; "" in any other command */
    char *tls_peer;                /* "" without TLS, or without a certificate */
    char *user;                    /* "" when not authenticated; at most SMTPD_USER_MAX */
    bool is_hopeless;              /* "lenient" would not take that command, either */
    char said[SMTPD_SAID_MAX + 1]; /* the command under way, for smtpd_refusal */
    enum smtp_verb verb;           /* of it */
    bool auth_tried;               /* a line that is no command may be a password from here on */
    char client_address[64];
    uint16_t client_port;
    char tls_version[32], tls_cipher[64]; /* "" without TLS */

    struct buf output;
    enum smtpd_want want;     /* to be handed out next */
    bool reset_due;           /* RESET is handed out before it */
    bool reset_told;          /* RESET was handed out; the next step forgets the transaction */
    enum smtpd_want awaiting; /* the question that is open, or INPUT */
    struct smtpd_request request;

    enum smtpd_mechanism mechanism; /* of the AUTH under way */
    unsigned sasl_lines;            /* of the client in it, the initial response counted */
    bool sasl_broken; /* LOGIN: the name was no base64; the password is still to come, and never a command */
    struct buf sasl;  /* the decoded octets that are asked about */
    struct smtpd_transaction transaction;
    struct smtp_data data;
    struct smtpd_chunk chunk;
    uint64_t progress; /* octets of a message since the deadline was moved */
    size_t skipped;    /* octets of a line that is too long */

    unsigned errors, unknown, auth_failures, transactions, recipients;
    uint64_t deadline; /* of the phase */
    uint64_t session_deadline;
};

typedef void smtpd_handler(struct smtpd_engine *engine, uint64_t now, struct bytes argument);
/* Takes octets of one phase: 1 when it went on, 0 when it needs more. */
typedef int smtpd_taker(struct smtpd_engine *engine, uint64_t now, struct bytes input, size_t *used_r);

/* ---- smtpd_core.c ---- */
/* Replies; a refusal counts as an error. */
void smtpd_say(struct smtpd_engine *engine, const struct smtpd_answer *answer);
void smtpd_reply(struct smtpd_engine *engine, enum smtpd_reply reply);
/* One of the engine's texts of their own: a copy takes the place of what was there. */
void smtpd_keep(char **text, struct bytes value);
/* Notes what the client said, for the refusal that may follow. */
void smtpd_note_said(struct smtpd_engine *engine, struct bytes line);
/* And which recipient it is about; free of control characters. */
void smtpd_note_recipient(struct smtpd_engine *engine, struct bytes address);
/* Says it and closes. */
void smtpd_hang_up(struct smtpd_engine *engine, enum smtpd_reply reply);
/* Closes without a word. */
void smtpd_end(struct smtpd_engine *engine);
/* Asks the outside; nothing goes on before the answer. */
void smtpd_ask(struct smtpd_engine *engine, enum smtpd_want want);
/* Moves the deadline of the phase, also when it is the one we are in. */
void smtpd_enter(struct smtpd_engine *engine, uint64_t now, enum smtpd_phase phase);
/* Octets of a message came: enough of them move the deadline. */
void smtpd_note_progress(struct smtpd_engine *engine, uint64_t now, size_t octets);
/* Ends the transaction; what was stored is to be thrown away when no message came of it. */
void smtpd_reset(struct smtpd_engine *engine, bool message_taken);
/* Forgets all of it; also of one that was never begun. */
void smtpd_transaction_done(struct smtpd_transaction *transaction);
/* A reply with strings that outlive the giver's: in the transaction's arena. */
struct smtpd_answer smtpd_keep_answer(struct smtpd_engine *engine, const struct smtpd_answer *answer);

/* ---- smtpd_commands.c ---- */
void smtpd_command(struct smtpd_engine *engine, uint64_t now, struct bytes line);

/* ---- smtpd_hello.c ---- */
smtpd_handler smtpd_handle_helo, smtpd_handle_ehlo, smtpd_handle_lhlo, smtpd_handle_starttls, smtpd_handle_xclient;
/* What is offered here and now, by the options, TLS and what was said before. */
void smtpd_update_offer(struct smtpd_engine *engine);
void smtpd_greet(struct smtpd_engine *engine, uint64_t now);

/* ---- smtpd_sasl.c ---- */
smtpd_handler smtpd_handle_auth;
smtpd_taker smtpd_take_sasl;
/* Those that can be used here and now. */
unsigned smtpd_mechanisms_now(const struct smtpd_engine *engine);
/* The waiting reply to a failed AUTH. */
void smtpd_end_penalty(struct smtpd_engine *engine, uint64_t now);

/* ---- smtpd_envelope.c ---- */
smtpd_handler smtpd_handle_mail, smtpd_handle_rcpt;
void smtpd_answered_mail(struct smtpd_engine *engine, const struct smtpd_answer *answer);
void smtpd_answered_recipient(struct smtpd_engine *engine, const struct smtpd_answer *answer);

/* ---- smtpd_message.c ---- */
smtpd_handler smtpd_handle_data, smtpd_handle_bdat;
smtpd_taker smtpd_take_text, smtpd_take_chunk;
void smtpd_answered_message(struct smtpd_engine *engine, const struct smtpd_answer *answer);
void smtpd_answered_each(struct smtpd_engine *engine, const struct smtpd_answer *answers);
/* The message is refused for this; the first reason stays. */
void smtpd_message_fail(struct smtpd_engine *engine, const struct smtpd_answer *answer);
/*
 * A BDAT that cannot be carried out, for `refusal`: its octets are swallowed before that is said, because they would be
 * taken for commands otherwise. Closes when nobody can know how many they are.
 */
void smtpd_refuse_chunk(struct smtpd_engine *engine, uint64_t now, struct bytes argument, enum smtpd_reply refusal);

#endif

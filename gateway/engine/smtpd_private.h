/*
 * smtpd_private - what the files of the SMTP engine share: smtpd_engine.c (steps, phases, deadlines), smtpd_commands.c (the table of
 * commands) and smtpd_message.c (the octets of a message). Nobody else includes it.
 */
#ifndef MAILWEIR_ENGINE_SMTPD_PRIVATE_H
#define MAILWEIR_ENGINE_SMTPD_PRIVATE_H

#include "engine/smtpd_engine.h"
#include "proto/smtp_command.h"
#include "proto/smtp_data.h"
#include "proto/smtp_params.h"

/* What the next octets are. */
enum smtpd_phase {
    SMTPD_PHASE_HANDSHAKE, /* of TLS: none for us */
    SMTPD_PHASE_COMMAND,
    SMTPD_PHASE_SKIP, /* the rest of a line that is too long */
    SMTPD_PHASE_TEXT, /* behind DATA */
    SMTPD_PHASE_ENDED,
};

/* How far the dialogue is: which commands are in order. Bits, for the table of commands. */
enum smtpd_stage {
    SMTPD_STAGE_START = 1 << 0, /* no hello yet */
    SMTPD_STAGE_READY = 1 << 1,
    SMTPD_STAGE_MAIL = 1 << 2, /* MAIL was accepted */
    SMTPD_STAGE_RCPT = 1 << 3, /* and at least one recipient */
};

/* One MAIL to the end of its data. */
struct smtpd_transaction {
    struct arena *arena; /* of all strings of the envelope; NULL outside of a transaction */
    struct mail_envelope envelope;
    size_t to_room;      /* recipients that envelope.to has room for */
    uint64_t size;       /* octets of the message so far */
    struct buf header;
    bool header_done;
    bool rcpt_refused;   /* a recipient was refused */
    struct smtpd_answer failure; /* code not 0: the message is refused at its end, and no longer stored */
    struct smtpd_answer refusal; /* the last refusal heard in it */
};

struct smtpd_engine {
    struct smtpd_engine_options options;
    struct arena *arena; /* of the options' strings */
    enum smtpd_phase phase;
    enum smtpd_stage stage;
    unsigned offered; /* enum smtp_extension */
    bool draining;
    bool held;
    bool greeted;
    bool esmtp;
    char helo[256];
    char tls_version[32], tls_cipher[64], tls_peer[256]; /* "" without TLS */

    struct buf output;
    enum smtpd_want want;     /* to be handed out next */
    bool reset_due;           /* RESET is handed out before it */
    bool reset_told;          /* RESET was handed out; the next step forgets the transaction */
    enum smtpd_want awaiting; /* the question that is open, or INPUT */
    struct smtpd_request request;

    struct smtpd_transaction transaction;
    struct smtp_data data;
    uint64_t progress; /* octets of text since the deadline was moved */
    size_t skipped;    /* octets of a line that is too long */

    unsigned errors, transactions;
    uint64_t deadline;         /* of the phase */
    uint64_t session_deadline;
};

/* smtpd_engine.c */
void smtpd_say(struct smtpd_engine *engine, const struct smtpd_answer *answer);
void smtpd_reply(struct smtpd_engine *engine, enum smtpd_reply reply);
/* Says it and closes. */
void smtpd_hang_up(struct smtpd_engine *engine, enum smtpd_reply reply);
/* Asks the outside; nothing goes on before smtpd_engine_answer(). */
void smtpd_ask(struct smtpd_engine *engine, enum smtpd_want want);
void smtpd_enter(struct smtpd_engine *engine, uint64_t now, enum smtpd_phase phase);
/* Ends the transaction; what was stored is to be thrown away when no message came of it. */
void smtpd_reset(struct smtpd_engine *engine, bool message_taken);

/* smtpd_commands.c */
void smtpd_command(struct smtpd_engine *engine, uint64_t now, struct bytes line);
void smtpd_answered_mail(struct smtpd_engine *engine, const struct smtpd_answer *answer);
void smtpd_answered_recipient(struct smtpd_engine *engine, const struct smtpd_answer *answer);

/* smtpd_message.c */
/* Octets of the message: counted, judged, offered to the owner. */
void smtpd_message_take(struct smtpd_engine *engine, struct bytes data);
/* The message is complete: asks for it, or refuses it. */
void smtpd_message_end(struct smtpd_engine *engine, uint64_t now);
void smtpd_answered_message(struct smtpd_engine *engine, const struct smtpd_answer *answer);
/* The message is refused for this; the first reason stays. */
void smtpd_message_fail(struct smtpd_engine *engine, const struct smtpd_answer *answer);

#endif

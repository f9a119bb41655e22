/*
 * smtpd_message - the octets of a message on their way through the SMTP engine: counted, judged, offered for storage. RFC 5321
 * sections 4.1.1.4 and 6.3.
 *
 * Once a reason is found to refuse it, the rest is swallowed, and its end gets one reply: client and server stay in step.
 */
#include "engine/smtpd_private.h"
#include "mail/mail_header.h"

void smtpd_message_fail(struct smtpd_engine *engine, const struct smtpd_answer *answer)
{
    struct smtpd_transaction *transaction = &engine->transaction;
    if (transaction->failure.code != 0) {
        return;
    }
    const char *text = arena_text(transaction->arena, answer->text);
    const char *enhanced = arena_text(transaction->arena, answer->enhanced == NULL ? "" : answer->enhanced);
    transaction->failure = text == NULL || enhanced == NULL ? *smtpd_reply_get(SMTPD_REPLY_TOO_MUCH_MEMORY)
                                                            : (struct smtpd_answer){answer->code, enhanced, text};
}

static void fail(struct smtpd_engine *engine, enum smtpd_reply reply)
{
    smtpd_message_fail(engine, smtpd_reply_get(reply));
}

/* Keeps the header section for the rules, up to the empty line or to the line that cannot belong to it. */
static void keep_header(struct smtpd_engine *engine, struct bytes data)
{
    struct smtpd_transaction *transaction = &engine->transaction;
    struct buf *header = &transaction->header;
    size_t before = header->len < 3 ? 0 : header->len - 3;
    buf_append_bytes(header, bytes_slice(data, 0, header->max - header->len));
    struct bytes kept = buf_bytes(header);
    ptrdiff_t end = bytes_find(bytes_from(kept, before), bytes_of("\r\n\r\n"));
    bool empty = kept.len >= 2 && kept.ptr[0] == '\r' && kept.ptr[1] == '\n';
    if (end >= 0 || empty) {
        buf_truncate(header, empty ? 2 : before + (size_t)end + 4);
        transaction->header_done = true;
    } else if (header->len == header->max) {
        (void)mail_header_length(kept, &transaction->header_done);
        if (!transaction->header_done) {
            fail(engine, SMTPD_REPLY_HEADER_TOO_BIG);
        }
    }
}

void smtpd_message_take(struct smtpd_engine *engine, struct bytes data)
{
    struct smtpd_transaction *transaction = &engine->transaction;
    transaction->size += data.len;
    if (transaction->size > engine->options.limits.max_message_size) {
        fail(engine, SMTPD_REPLY_TOO_BIG);
    }
    if (bytes_find_octet(data, 0) >= 0) {
        fail(engine, SMTPD_REPLY_NUL);
    }
    if (transaction->failure.code == 0 && !transaction->header_done) {
        keep_header(engine, data);
    }
    if (transaction->failure.code == 0) {
        engine->request.data = data;
        engine->want = SMTPD_WANT_STORE;
    }
}

static unsigned count_received(struct bytes header)
{
    struct mail_header_field field;
    unsigned count = 0;
    while (mail_header_next(&header, &field) == 1) {
        count += bytes_is_nocase(field.name, "Received") ? 1 : 0;
    }
    return count;
}

void smtpd_message_end(struct smtpd_engine *engine, uint64_t now)
{
    struct smtpd_transaction *transaction = &engine->transaction;
    bool complete;
    size_t length = mail_header_length(buf_bytes(&transaction->header), &complete);
    struct bytes header = bytes_slice(buf_bytes(&transaction->header), 0, length);
    if (transaction->failure.code == 0 && count_received(header) > engine->options.limits.max_received) {
        fail(engine, SMTPD_REPLY_LOOP);
    }
    smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
    if (transaction->failure.code != 0) {
        smtpd_say(engine, &transaction->failure);
        smtpd_reset(engine, false);
        return;
    }
    engine->request.header = header;
    engine->request.size = transaction->size;
    smtpd_ask(engine, SMTPD_WANT_MESSAGE);
}

void smtpd_answered_message(struct smtpd_engine *engine, const struct smtpd_answer *answer)
{
    if (answer->code >= 400) {
        smtpd_say(engine, answer);
        smtpd_reset(engine, false);
        return;
    }
    engine->errors = 0;
    smtpd_say(engine, answer->code == 0 ? smtpd_reply_get(SMTPD_REPLY_ACCEPTED) : answer);
    smtpd_reset(engine, true);
}

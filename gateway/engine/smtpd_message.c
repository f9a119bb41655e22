/*
 * smtpd_message - DATA, BDAT and the octets of a message: counted, judged, offered for storage. RFC 5321
 * sections 4.1.1.4 and 6.3, RFC 3030.
 *
 * Once a reason is found to refuse it, the rest is swallowed, and its end gets one reply: client and server stay in
 * step.
 */
#include "engine/smtpd_private.h"
#include "mail/mail_header.h"

/* A chunk that is announced larger than this above the limit is not waited for. */
#define SWALLOW_MAX ((uint64_t)64 << 20)

void smtpd_message_fail(struct smtpd_engine *engine, const struct smtpd_answer *answer)
{
    if (engine->transaction.failure.code == 0) {
        engine->transaction.failure = smtpd_keep_answer(engine, answer);
    }
}

static void fail_message(struct smtpd_engine *engine, enum smtpd_reply reply)
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
            fail_message(engine, SMTPD_REPLY_HEADER_TOO_BIG);
        }
    }
}

/* A CR or LF that stands alone, counting the octet before data; a CR at the end of data is left to the next call. -1:
 * none. */
static ptrdiff_t find_bare(uint8_t before, struct bytes data)
{
    for (size_t i = 0; i < data.len; i++) {
        if ((before == '\r') != (data.ptr[i] == '\n')) {
            return (ptrdiff_t)i;
        }
        before = data.ptr[i];
    }
    return -1;
}

/* The offset of the first octet that must not be there, and why; data.len when all is well. However data is cut, it is
 * the same octet. */
static size_t find_bad(const struct smtpd_engine *engine, struct bytes data, enum smtpd_reply *why_r)
{
    const struct smtpd_transaction *transaction = &engine->transaction;
    bool binary = transaction->envelope.body == MAIL_BODY_BINARYMIME;
    uint64_t room = engine->options.limits.max_message_size - transaction->size;
    ptrdiff_t nul = bytes_find_octet(data, 0);
    /* Behind DATA, the text has been read by lines already. */
    ptrdiff_t bare = engine->phase == SMTPD_PHASE_CHUNK ? find_bare(transaction->last_octet, data) : -1;
    size_t bad = data.len;
    if (nul >= 0 && (size_t)nul < bad) {
        bad = (size_t)nul;
        *why_r = binary ? SMTPD_REPLY_BINARY : SMTPD_REPLY_NUL;
    }
    if (bare >= 0 && (size_t)bare < bad) {
        bad = (size_t)bare;
        *why_r = binary ? SMTPD_REPLY_BINARY : SMTPD_REPLY_BARE_IN_CHUNK;
    }
    if (room < bad) {
        bad = (size_t)room;
        *why_r = SMTPD_REPLY_TOO_BIG;
    }
    return bad;
}

/* Octets of the message: counted, judged, offered to the owner. */
static void take_data(struct smtpd_engine *engine, struct bytes data)
{
    struct smtpd_transaction *transaction = &engine->transaction;
    enum smtpd_reply why = SMTPD_REPLY_OK;
    if (transaction->failure.code != 0 || data.len == 0) {
        return;
    }
    size_t good = find_bad(engine, data, &why);
    if (!transaction->header_done) {
        keep_header(engine, bytes_slice(data, 0, good));
    }
    if (good < data.len) {
        fail_message(engine, why);
    }
    transaction->size += data.len;
    transaction->last_octet = data.ptr[data.len - 1];
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

/* LMTP has one reply for each recipient (RFC 2033 section 4.2). */
static void say_outcome(struct smtpd_engine *engine, const struct smtpd_answer *answer)
{
    size_t count = engine->options.lmtp ? engine->transaction.envelope.to_count : 1;
    unsigned errors = engine->errors;
    for (size_t i = 0; i < count; i++) {
        if (engine->options.lmtp) {
            smtpd_note_recipient(engine, bytes_of(engine->transaction.envelope.to[i].address));
        }
        smtpd_say(engine, answer);
    }
    engine->errors = answer->code >= 400 ? errors + 1 : 0;
}

/* The message is complete: asks for it, or refuses it. */
static void end_message(struct smtpd_engine *engine, uint64_t now)
{
    struct smtpd_transaction *transaction = &engine->transaction;
    bool complete;
    size_t length = mail_header_length(buf_bytes(&transaction->header), &complete);
    struct bytes header = bytes_slice(buf_bytes(&transaction->header), 0, length);
    if (transaction->failure.code == 0 && count_received(header) > engine->options.limits.max_received) {
        fail_message(engine, SMTPD_REPLY_LOOP);
    }
    smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
    if (transaction->failure.code != 0) {
        say_outcome(engine, &transaction->failure);
        smtpd_reset(engine, false);
        return;
    }
    engine->request.header = header;
    engine->request.size = transaction->size;
    smtpd_ask(engine, SMTPD_WANT_MESSAGE);
}

void smtpd_answered_message(struct smtpd_engine *engine, const struct smtpd_answer *answer)
{
    say_outcome(engine, answer->code == 0 ? smtpd_reply_get(SMTPD_REPLY_ACCEPTED) : answer);
    smtpd_reset(engine, answer->code < 400);
}

void smtpd_answered_each(struct smtpd_engine *engine, const struct smtpd_answer *answers)
{
    const struct mail_envelope *envelope = &engine->transaction.envelope;
    unsigned errors = engine->errors;
    bool taken = false;
    for (size_t i = 0; i < envelope->to_count; i++) {
        smtpd_note_recipient(engine, bytes_of(envelope->to[i].address));
        smtpd_say(engine, answers[i].code == 0 ? smtpd_reply_get(SMTPD_REPLY_ACCEPTED) : &answers[i]);
        taken = taken || answers[i].code < 400;
    }
    engine->errors = taken ? 0 : errors + 1;
    smtpd_reset(engine, taken);
}

/* ---- DATA ---- */

void smtpd_handle_data(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    (void)argument;
    if (engine->transaction.envelope.body == MAIL_BODY_BINARYMIME) {
        smtpd_reply(engine, SMTPD_REPLY_BINARY_NEEDS_CHUNKS);
        return;
    }
    smtp_data_init(&engine->data, engine->options.lenient);
    smtpd_reply(engine, SMTPD_REPLY_START_TEXT);
    smtpd_enter(engine, now, SMTPD_PHASE_TEXT);
}

int smtpd_take_text(struct smtpd_engine *engine, uint64_t now, struct bytes input, size_t *used_r)
{
    struct bytes text;
    enum smtp_data_result result = smtp_data_next(&engine->data, input, used_r, &text);
    switch (result) {
    case SMTP_DATA_MORE:
        return 0;
    case SMTP_DATA_BARE:
        smtpd_hang_up(engine, SMTPD_REPLY_BARE);
        return 1;
    case SMTP_DATA_TEXT:
        smtpd_note_progress(engine, now, text.len);
        take_data(engine, text);
        return 1;
    case SMTP_DATA_END:
        break;
    }
    end_message(engine, now);
    return 1;
}

/* ---- BDAT ---- */

/* The last line gets its line end when the client sent none; a message of lines is what IMAP stores. A CR that waits
 * for its LF gets none. */
static bool end_last_line(struct smtpd_engine *engine)
{
    struct smtpd_transaction *transaction = &engine->transaction;
    if (transaction->failure.code != 0 || transaction->size == 0 || transaction->last_octet == '\n') {
        return false;
    }
    take_data(engine, transaction->last_octet == '\r' ? bytes_of("\r") : bytes_of("\r\n"));
    return true;
}

static void end_chunk(struct smtpd_engine *engine, uint64_t now)
{
    struct smtpd_transaction *transaction = &engine->transaction;
    if (engine->chunk.ignored) {
        smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
        smtpd_reply(engine, engine->chunk.refusal);
    } else if (engine->chunk.last) {
        end_message(engine, now);
    } else if (transaction->failure.code != 0) {
        smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
        transaction->chunk_refused = true;
        smtpd_say(engine, &transaction->failure);
    } else {
        smtpd_enter(engine, now, SMTPD_PHASE_COMMAND);
        smtpd_reply(engine, SMTPD_REPLY_CHUNK_OK);
    }
}

int smtpd_take_chunk(struct smtpd_engine *engine, uint64_t now, struct bytes input, size_t *used_r)
{
    struct smtpd_chunk *chunk = &engine->chunk;
    struct bytes data = bytes_slice(input, 0, chunk->left < SIZE_MAX ? (size_t)chunk->left : SIZE_MAX);
    if (chunk->left == 0) {
        bool more = chunk->last && !chunk->ignored && end_last_line(engine);
        if (!more) {
            end_chunk(engine, now);
        }
        return 1;
    }
    if (data.len == 0) {
        return 0;
    }
    *used_r = data.len;
    chunk->left -= data.len;
    smtpd_note_progress(engine, now, data.len);
    if (!chunk->ignored) {
        take_data(engine, data);
    }
    return 1;
}

static void begin_chunk(struct smtpd_engine *engine, uint64_t now, const struct smtpd_chunk *chunk)
{
    uint64_t most = engine->options.limits.max_message_size + SWALLOW_MAX;
    if (chunk->size > most) {
        smtpd_hang_up(engine, SMTPD_REPLY_CHUNK_TOO_BIG);
        return;
    }
    engine->chunk = *chunk;
    smtpd_enter(engine, now, SMTPD_PHASE_CHUNK);
}

void smtpd_refuse_chunk(struct smtpd_engine *engine, uint64_t now, struct bytes argument, enum smtpd_reply refusal)
{
    struct bytes rest = argument;
    struct bytes number = bytes_cut(&rest, ' ');
    struct smtpd_chunk chunk = {.ignored = true, .refusal = refusal};
    bool means_number =
        number.len > 0 && (octet_is_digit(number.ptr[0]) || number.ptr[0] == '-' || number.ptr[0] == '+');
    if (bytes_to_u64(number, &chunk.size)) {
        chunk.left = chunk.size;
        begin_chunk(engine, now, &chunk);
    } else if (means_number) {
        /* Octets follow, and nobody knows how many. */
        smtpd_hang_up(engine, SMTPD_REPLY_CHUNK_SYNTAX);
    } else {
        smtpd_reply(engine, refusal);
    }
}

void smtpd_handle_bdat(struct smtpd_engine *engine, uint64_t now, struct bytes argument)
{
    struct smtpd_chunk chunk = {.ignored = false};
    if (engine->transaction.chunk_refused) {
        smtpd_refuse_chunk(engine, now, argument, SMTPD_REPLY_BAD_SEQUENCE);
        return;
    }
    if (smtp_command_chunk(argument, &chunk.size, &chunk.last) < 0) {
        engine->transaction.chunk_refused = true;
        engine->state = SMTPD_STATE_CHUNKS;
        smtpd_refuse_chunk(engine, now, argument, SMTPD_REPLY_CHUNK_SYNTAX);
        return;
    }
    engine->state = SMTPD_STATE_CHUNKS;
    chunk.left = chunk.size;
    begin_chunk(engine, now, &chunk);
}

/*
 * fuzz_smtp_session - the SMTP engine over any octets, cut at any place.
 *
 * The first octet picks switches, the second how the input is cut. The same octets in one piece and in pieces must give the same replies and
 * the same messages; whatever comes, replies are lines, a message's header is its head, and each end of data has one answer.
 */
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "engine/smtpd_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HISTORY_MAX ((size_t)64 << 20)

struct run {
    struct smtpd_engine *engine;
    struct buf said, stored, body;
    uint64_t now;
    bool closed;
};

static void check_lines(struct bytes said)
{
    while (said.len > 0) {
        ptrdiff_t end = bytes_find(said, bytes_of("\r\n"));
        EXPECT(end >= 4 && octet_is_digit(said.ptr[0]) && (said.ptr[3] == ' ' || said.ptr[3] == '-'));
        said = bytes_from(said, (size_t)end + 2);
    }
}

/* A message that was taken, in the history with its envelope. */
static void take_message(struct run *run, const struct smtpd_request *request)
{
    const struct smtpd_answer accepted = {0};
    struct bytes body = buf_bytes(&run->body);
    EXPECT(request->size == body.len && request->header.len <= body.len);
    EXPECT(bytes_equal(request->header, bytes_slice(body, 0, request->header.len)));
    EXPECT(bytes_find_octet(body, 0) < 0 && request->envelope->to_count > 0);
    EXPECT(!bytes_has_control(bytes_of(request->envelope->from)));
    for (size_t i = 0; i < request->envelope->to_count; i++) {
        EXPECT(!bytes_has_control(bytes_of(request->envelope->to[i].address)));
        buf_printf(&run->stored, "%s,", request->envelope->to[i].address);
    }
    for (size_t i = 0; i < body.len; i++) {
        EXPECT((body.ptr[i] == '\n') == (i > 0 && body.ptr[i - 1] == '\r'));
    }
    buf_append_bytes(&run->stored, body);
    buf_clear(&run->body);
    smtpd_engine_answer(run->engine, run->now, &accepted);
}

/* By its octets, so that it is the same however it was cut. */
static void take_auth(struct run *run, const struct smtpd_request *request)
{
    struct smtpd_auth_answer answer = {.kind = SMTPD_AUTH_FAILED, .user = "app", .challenge = bytes_of("go on")};
    if (!request->has_data) {
        answer.kind = SMTPD_AUTH_CHALLENGE;
    } else if (request->data.len % 2 == 0) {
        answer.kind = SMTPD_AUTH_OK;
    }
    smtpd_engine_answer_auth(run->engine, run->now, &answer);
}

static bool serve(struct run *run, enum smtpd_want want, const struct smtpd_request *request, size_t left)
{
    const struct smtpd_answer accepted = {0};
    switch (want) {
    case SMTPD_WANT_INPUT:
        return false;
    case SMTPD_WANT_TLS:
        /* What stands behind it would be dropped, and that depends on the cut: the session ends here. */
        run->closed = true;
        return false;
    case SMTPD_WANT_CLIENT:
        smtpd_engine_answer_client(run->engine, run->now, true, true, &accepted);
        return true;
    case SMTPD_WANT_AUTH:
        take_auth(run, request);
        return true;
    case SMTPD_WANT_STORE:
        buf_append_bytes(&run->body, request->data);
        return true;
    case SMTPD_WANT_MAIL:
    case SMTPD_WANT_RECIPIENT:
        smtpd_engine_answer(run->engine, run->now, &accepted);
        return true;
    case SMTPD_WANT_MESSAGE:
        take_message(run, request);
        return true;
    case SMTPD_WANT_RESET:
        buf_clear(&run->body);
        return true;
    case SMTPD_WANT_AUTH_END:
        return true;
    case SMTPD_WANT_CLOSE:
        run->closed = true;
        return false;
    }
    (void)left;
    return false;
}

/* Lets the engine go on with what stands in input; the octets it took. */
static size_t pump(struct run *run, struct bytes input)
{
    size_t taken = 0;
    for (bool again = true; again && !run->closed;) {
        struct smtpd_request request;
        size_t used;
        enum smtpd_want want = smtpd_engine_step(run->engine, run->now, bytes_from(input, taken), &used, &request);
        struct buf *output = smtpd_engine_output(run->engine);
        bool more = output->len > 0;
        check_lines(buf_bytes(output));
        buf_append_bytes(&run->said, buf_bytes(output));
        buf_clear(output);
        taken += used;
        EXPECT(taken <= input.len);
        again = serve(run, want, &request, input.len - taken) || more;
    }
    return taken;
}

static void play(struct run *run, const struct smtpd_engine_options *options, struct bytes input, size_t piece)
{
    size_t taken = 0;
    *run = (struct run){.now = 1000};
    buf_init(&run->said, HISTORY_MAX);
    buf_init(&run->stored, HISTORY_MAX);
    buf_init(&run->body, HISTORY_MAX);
    run->engine = smtpd_engine_new(options, run->now);
    for (size_t offered = 0; offered < input.len && !run->closed;) {
        offered = offered + piece < input.len ? offered + piece : input.len;
        taken += pump(run, bytes_slice(input, taken, offered - taken));
    }
}

static void run_done(struct run *run)
{
    smtpd_engine_free(&run->engine);
    buf_done(&run->said);
    buf_done(&run->stored);
    buf_done(&run->body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run whole, cut;
    if (size < 2) {
        return 0;
    }
    struct smtpd_engine_options options = {.hostname = "gw.test",
                                           .listener = "apps",
                                           .client_address = "192.0.2.7",
                                           .lmtp = (data[0] & 1) != 0,
                                           .starttls = (data[0] & 2) != 0,
                                           .xclient = (data[0] & 4) != 0,
                                           .mechanisms = (data[0] & 8) != 0 ? ~0u : 0,
                                           .auth_in_clear = true,
                                           .trusted = true};
    smtpd_limits_default(&options.limits);
    options.limits.max_message_size = (data[0] & 16) != 0 ? 100 : options.limits.max_message_size;
    struct bytes input = bytes_at(data + 2, size - 2);
    play(&whole, &options, input, SIZE_MAX / 2);
    play(&cut, &options, input, (size_t)data[1] % 17 + 1);
    EXPECT(bytes_equal(buf_bytes(&whole.said), buf_bytes(&cut.said)));
    EXPECT(bytes_equal(buf_bytes(&whole.stored), buf_bytes(&cut.stored)));
    EXPECT(whole.closed == cut.closed);
    run_done(&whole);
    run_done(&cut);
    return 0;
}

/*
 * The transcripts of tests/peers/smtp, played (transcript.h) against the SMTP engine. The words:
 *
 *   option NAME [VALUE]  a limit of struct smtpd_limits, or a switch (the table below)
 *   S: LINE              the server's next line; "*" at its end matches any rest
 *   R: LINE              the server's next reply, however many lines: its last is this
 *   C: TEXT              the client sends TEXT and CR LF
 *   c: TEXT              the same without CR LF
 *   delay DURATION       the clock goes on ("30s", "5m")
 *   answer CODE [ENHANCED TEXT]  the next open question gets this answer (else each is accepted)
 *   each                 the next message gets all answers that are left, one for each recipient (LMTP)
 *   auth ok USER | failed DURATION | challenge TEXT | refused   what becomes of the next step of authentication
 *   asked TEXT           the octets that the last step of authentication brought
 *   tls [SUBJECT]        the engine wants TLS; what is unread is dropped, the handshake succeeds, with the client's certificate
 *   told REASON SAID     the next refusal that was told, in order, with what the client had said ("to ADDRESS" in front: which recipient)
 *   stored TEXT          the last message that was taken has exactly these octets
 *   messages N           so many messages were taken
 *   closed               the engine wants the connection closed
 *   drop                 the client is gone
 *
 * Lines of the client that stand together are sent together.
 *
 * Those of tests/peers/devices are what devices say. Each is played twice, as of a client that "lenient" names and as of
 * any other one:
 *
 *   L: LINE, X: LINE     as S:, for the first and for the second alone
 *   key NAME             the key that would have let the last refused command of the second in, or "none"
 *   stop                 the second is gone
 */
#include "transcript.h"

#include "engine/smtpd_engine.h"

#define ANSWERS_MAX 8

struct answer_text {
    int code;
    char enhanced[16];
    char text[128];
};

struct player {
    struct transcript t;
    struct smtpd_engine_options options;
    struct smtpd_engine *engine;
    struct buf body, stored;
    struct answer_text answers[ANSWERS_MAX];
    size_t answer_first, answer_count;
    struct bytes steps[ANSWERS_MAX]; /* of authentication: what was written behind "auth" */
    size_t step_first, step_count;
    struct buf asked;
    bool strict;     /* of a device's two ways */
    const char *key; /* of the last refusal */
    struct buf told; /* refusals, one a line, not expected yet */
    uint64_t messages;
    bool closed, wants_tls, dropped, each;
};

/* ---- the outside of the engine ---- */

static struct smtpd_answer next_answer(struct player *player)
{
    struct smtpd_answer answer = {0};
    if (player->answer_count > 0) {
        struct answer_text *text = &player->answers[player->answer_first];
        answer = (struct smtpd_answer){text->code, text->enhanced, text->text, SMTPD_REPLY_BY_RULE};
        player->answer_first = (player->answer_first + 1) % ANSWERS_MAX;
        player->answer_count--;
    }
    return answer;
}

static void answer_each(struct player *player)
{
    struct smtpd_answer answers[ANSWERS_MAX];
    for (size_t i = 0; i < ANSWERS_MAX; i++) {
        answers[i] = next_answer(player);
    }
    player->each = false;
    smtpd_engine_answer_each(player->engine, player->t.now, answers);
}

static void answer_question(struct player *player)
{
    struct smtpd_answer answer = next_answer(player);
    smtpd_engine_answer(player->engine, player->t.now, &answer);
}

static void take_message(struct player *player, const struct smtpd_request *request)
{
    if (request->size != player->body.len) {
        FAIL(player, "message of %zu octets is said to have %llu", player->body.len, (unsigned long long)request->size);
    }
    struct bytes body = buf_bytes(&player->body);
    if (!bytes_equal(request->header, bytes_slice(body, 0, request->header.len))) {
        FAIL(player, "the header is not the head of the message");
    }
    bool taken = player->answer_count == 0 || player->answers[player->answer_first].code < 400;
    buf_clear(&player->stored);
    if (taken) {
        buf_append_bytes(&player->stored, body);
        player->messages++;
    }
    if (player->each) {
        answer_each(player);
    } else {
        answer_question(player);
    }
}

/* A step of authentication; without an "auth" line it fails at once. */
static void take_step(struct player *player, const struct smtpd_request *request)
{
    struct smtpd_auth_answer answer = {.kind = SMTPD_AUTH_FAILED};
    char user[64];
    struct buf challenge;
    struct bytes rest = {NULL, 0};
    buf_clear(&player->asked);
    buf_append_bytes(&player->asked, request->data);
    buf_init(&challenge, TRANSCRIPT_MAX);
    if (player->step_count > 0) {
        rest = player->steps[player->step_first];
        player->step_first = (player->step_first + 1) % ANSWERS_MAX;
        player->step_count--;
    }
    struct bytes kind = bytes_cut(&rest, ' ');
    if (bytes_is(kind, "ok")) {
        answer.kind = SMTPD_AUTH_OK;
        snprintf(user, sizeof user, "%.*s", (int)rest.len, (const char *)rest.ptr);
        answer.user = user;
    } else if (bytes_is(kind, "challenge")) {
        answer.kind = SMTPD_AUTH_CHALLENGE;
        unescape(player, rest, &challenge);
        answer.challenge = buf_bytes(&challenge);
    } else if (bytes_is(kind, "refused")) {
        answer.kind = SMTPD_AUTH_REFUSED;
        answer.refusal = *smtpd_reply_get(SMTPD_REPLY_NETWORK_AUTH_FAILURES);
    } else if (bytes_is(kind, "failed")) {
        disregard(units_duration(rest, &answer.delay_ms));
    }
    smtpd_engine_answer_auth(player->engine, player->t.now, &answer);
    buf_done(&challenge);
}

static void take_client(struct player *player, const struct smtpd_request *request)
{
    const struct smtpd_answer none = {0}, refusal = *smtpd_reply_get(SMTPD_REPLY_NETWORK);
    bool trusted = strncmp(request->address, "192.0.2.", 8) == 0;
    smtpd_engine_answer_client(player->engine, player->t.now, trusted, false, trusted ? &none : &refusal);
}

static bool serve(struct player *player, enum smtpd_want want, const struct smtpd_request *request)
{
    switch (want) {
    case SMTPD_WANT_INPUT:
        return false;
    case SMTPD_WANT_TLS:
        player->wants_tls = true;
        return false;
    case SMTPD_WANT_CLIENT:
        take_client(player, request);
        return true;
    case SMTPD_WANT_AUTH:
        take_step(player, request);
        return true;
    case SMTPD_WANT_AUTH_END:
        return true;
    case SMTPD_WANT_MAIL:
        buf_clear(&player->body);
        answer_question(player);
        return true;
    case SMTPD_WANT_RECIPIENT:
        answer_question(player);
        return true;
    case SMTPD_WANT_STORE:
        buf_append_bytes(&player->body, request->data);
        return true;
    case SMTPD_WANT_MESSAGE:
        take_message(player, request);
        return true;
    case SMTPD_WANT_RESET:
        buf_clear(&player->body);
        return true;
    case SMTPD_WANT_CLOSE:
        player->closed = true;
        return false;
    }
    return false;
}

static void pump(struct player *player)
{
    bool again = !player->wants_tls;
    while (again) {
        struct smtpd_request request;
        size_t used;
        enum smtpd_want want =
            smtpd_engine_step(player->engine, player->t.now, buf_bytes(&player->t.input), &used, &request);
        struct buf *output = smtpd_engine_output(player->engine);
        bool more = output->len > 0;
        buf_append_bytes(&player->t.output, buf_bytes(output));
        buf_consume(output, output->len);
        /* STORE looks at the input, so it is served first. */
        again = serve(player, want, &request) || (more && !player->closed && !player->wants_tls);
        buf_consume(&player->t.input, used);
    }
}

static void on_refused(void *ctx, const struct smtpd_refusal *refusal)
{
    struct player *player = ctx;
    player->key = refusal->key;
    if (refusal->recipient != NULL) {
        buf_printf(&player->told, "to %s ", refusal->recipient);
    }
    buf_printf(&player->told, "%s%s%s\n", smtpd_reply_reason(refusal->answer->reply),
               refusal->said[0] == '\0' ? "" : " ", refusal->said);
}

/* ---- the lines of a transcript ---- */

static const struct {
    const char *name;
    size_t offset; /* in struct smtpd_limits */
    bool is_wide;  /* uint64_t; else unsigned */
} limits[] = {
#define LIMIT(field, wide)                                                                                             \
    {                                                                                                                  \
#field, offsetof(struct smtpd_limits, field), wide                                                             \
    }
    LIMIT(max_message_size, true),      LIMIT(max_recipients, false),    LIMIT(max_errors, false),
    LIMIT(max_transactions, false),     LIMIT(max_received, false),      LIMIT(command_timeout_ms, true),
    LIMIT(data_timeout_ms, true),       LIMIT(session_timeout_ms, true), LIMIT(greeting_delay_ms, true),
    LIMIT(max_unknown_commands, false), LIMIT(max_auth_failures, false), LIMIT(max_recipients_per_session, false),
#undef LIMIT
};

static const struct {
    const char *name;
    size_t offset; /* in struct smtpd_engine_options */
    bool clears;
} switches[] = {
#define SWITCH(field)                                                                                                  \
    {                                                                                                                  \
#field, offsetof(struct smtpd_engine_options, field), false                                                    \
    }
    SWITCH(starttls),      SWITCH(implicit_tls), SWITCH(tls_required),
    SWITCH(lmtp),          SWITCH(lenient),      SWITCH(xclient),
    SWITCH(auth_in_clear), SWITCH(certificates), {"untrusted", offsetof(struct smtpd_engine_options, trusted), true},
#undef SWITCH
};

static void set_option(struct player *player, struct bytes name, struct bytes value)
{
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (bytes_is(name, limits[i].name)) {
            uint64_t wide = number_of(player, value);
            unsigned number = (unsigned)wide;
            char *at = (char *)&player->options.limits + limits[i].offset;
            memcpy(at, limits[i].is_wide ? (void *)&wide : (void *)&number,
                   limits[i].is_wide ? sizeof wide : sizeof number);
            return;
        }
    }
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (bytes_is(name, switches[i].name)) {
            *(bool *)(void *)((char *)&player->options + switches[i].offset) = !switches[i].clears;
            return;
        }
    }
    if (bytes_is(name, "recipients")) {
        player->options.recipients = (enum smtpd_recipients)number_of(player, value);
    } else if (bytes_is(name, "mechanisms")) {
        player->options.mechanisms = ~0u;
    } else if (bytes_is(name, "refusal")) {
        player->options.refusal = *smtpd_reply_get(SMTPD_REPLY_NETWORK);
    } else {
        FAIL(player, "unknown option \"%.*s\"", (int)name.len, (const char *)name.ptr);
    }
}

static void expect_line(struct player *player, struct bytes wanted)
{
    expect_said(player, wanted, '*');
}

static void expect_reply(struct player *player, struct bytes wanted)
{
    struct bytes said = buf_bytes(&player->t.output);
    while (said.len > 3 && said.ptr[3] == '-') {
        expect_line(player, bytes_of("*"));
        said = buf_bytes(&player->t.output);
    }
    expect_line(player, wanted);
}

static void start(struct player *player)
{
    player->engine = smtpd_engine_new(&player->options, player->t.now);
    pump(player);
}

static void do_answer(struct player *player, struct bytes text)
{
    struct answer_text *answer = &player->answers[(player->answer_first + player->answer_count++) % ANSWERS_MAX];
    answer->code = (int)number_of(player, bytes_cut(&text, ' '));
    struct bytes enhanced = bytes_cut(&text, ' ');
    snprintf(answer->enhanced, sizeof answer->enhanced, "%.*s", (int)enhanced.len, (const char *)enhanced.ptr);
    snprintf(answer->text, sizeof answer->text, "%.*s", (int)text.len, (const char *)text.ptr);
}

static void do_each(struct player *player, struct bytes text)
{
    (void)text;
    player->each = true;
}

static void do_auth(struct player *player, struct bytes text)
{
    player->steps[(player->step_first + player->step_count++) % ANSWERS_MAX] = text;
}

static void do_asked(struct player *player, struct bytes text)
{
    struct buf wanted;
    buf_init(&wanted, TRANSCRIPT_MAX);
    unescape(player, text, &wanted);
    if (!bytes_equal(buf_bytes(&wanted), buf_bytes(&player->asked))) {
        FAIL(player, "asked \"%s\"", buf_text(&player->asked));
    }
    buf_done(&wanted);
}

static void do_tls(struct player *player, struct bytes text)
{
    char subject[80];
    snprintf(subject, sizeof subject, "%.*s", (int)text.len, (const char *)text.ptr);
    if (!player->wants_tls) {
        FAIL(player, "TLS is not wanted");
    }
    player->wants_tls = false;
    buf_clear(&player->t.input);
    smtpd_engine_tls_ready(player->engine, player->t.now, "TLSv1.3", "TLS_AES_256_GCM_SHA384",
                           subject[0] == '\0' ? NULL : subject);
    pump(player);
}

static void do_stored(struct player *player, struct bytes text)
{
    struct buf wanted;
    buf_init(&wanted, TRANSCRIPT_MAX);
    unescape(player, text, &wanted);
    if (!bytes_equal(buf_bytes(&wanted), buf_bytes(&player->stored))) {
        FAIL(player, "stored %zu octets \"%.200s\"", player->stored.len, buf_text(&player->stored));
    }
    buf_done(&wanted);
}

static void do_told(struct player *player, struct bytes text)
{
    struct bytes rest = buf_bytes(&player->told);
    struct bytes told = bytes_cut(&rest, '\n');
    bool open = text.len > 0 && text.ptr[text.len - 1] == '*';
    struct bytes wanted = bytes_slice(text, 0, text.len - (open ? 1 : 0));
    if (!bytes_equal(wanted, open ? bytes_slice(told, 0, wanted.len) : told)) {
        FAIL(player, "wanted \"%.*s\", told \"%.*s\"", (int)text.len, (const char *)text.ptr, (int)told.len,
             (const char *)told.ptr);
    }
    buf_consume(&player->told, told.len + 1);
}

static void do_messages(struct player *player, struct bytes text)
{
    if (player->messages != number_of(player, text)) {
        FAIL(player, "%llu messages", (unsigned long long)player->messages);
    }
}

static void do_closed(struct player *player, struct bytes text)
{
    (void)text;
    if (!player->closed) {
        FAIL(player, "not closed, but in %s", smtpd_engine_phase(player->engine));
    }
}

static void do_drop(struct player *player, struct bytes text)
{
    (void)text;
    player->dropped = true;
}

static void do_lenient(struct player *player, struct bytes text)
{
    if (!player->strict) {
        expect_line(player, text);
    }
}

static void do_strict(struct player *player, struct bytes text)
{
    if (player->strict) {
        expect_line(player, text);
    }
}

static void do_key(struct player *player, struct bytes text)
{
    const char *key = player->key == NULL ? "none" : player->key;
    if (player->strict && !bytes_is(text, key)) {
        FAIL(player, "the key is %s", key);
    }
}

static void do_stop(struct player *player, struct bytes text)
{
    (void)text;
    player->t.over = player->dropped = player->strict;
}

static const struct transcript_word words[] = {
    {"C:", gather_line, true},    {"c:", gather, true},
    {"S:", expect_line, false},   {"delay", go_on_after, false},
    {"answer", do_answer, false}, {"tls", do_tls, false},
    {"stored", do_stored, false}, {"messages", do_messages, false},
    {"closed", do_closed, false}, {"drop", do_drop, false},
    {"R:", expect_reply, false},  {"auth", do_auth, false},
    {"asked", do_asked, false},   {"told", do_told, false},
    {"L:", do_lenient, false},    {"X:", do_strict, false},
    {"key", do_key, false},       {"stop", do_stop, false},
    {"each", do_each, false},
};

static void begin(struct player *player)
{
    player->options = (struct smtpd_engine_options){.hostname = "gw.test",
                                                    .listener = "apps",
                                                    .client_address = "192.0.2.7",
                                                    .client_port = 4711,
                                                    .trusted = true,
                                                    .refused = on_refused,
                                                    .refused_ctx = player};
    smtpd_limits_default(&player->options.limits);
    struct buf *buffers[] = {&player->body, &player->stored, &player->asked, &player->told};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buf_init(buffers[i], TRANSCRIPT_MAX);
    }
}

static void begin_device(struct player *player)
{
    begin(player);
    player->options.lenient = true;
}

static void begin_strict(struct player *player)
{
    begin(player);
    player->strict = true;
}

static void end(struct player *player)
{
    if (player->step_count + player->answer_count > 0) {
        FAIL(player, "not all answers were asked for");
    }
    if (!player->closed && !player->dropped) {
        FAIL(player, "a transcript ends in \"closed\" or \"drop\"");
    }
    smtpd_engine_free(&player->engine);
    smtpd_engine_free(&player->engine);
    struct buf *buffers[] = {&player->body, &player->stored, &player->asked, &player->told};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buf_done(buffers[i]);
    }
}

static const struct transcript_kind kind = {.folder = SOURCE_DIR "/tests/peers/smtp",
                                            .size = sizeof(struct player),
                                            .words = words,
                                            .word_count = sizeof words / sizeof words[0],
                                            .begin = begin,
                                            .option = set_option,
                                            .start = start,
                                            .pump = pump,
                                            .end = end};

static void transcripts_come_out_the_same_however_they_are_cut(void **state)
{
    (void)state;
    play_folder(&kind, 100);
}

static void devices_are_let_in_where_they_are_named(void **state)
{
    struct transcript_kind devices = kind;
    (void)state;
    devices.folder = SOURCE_DIR "/tests/peers/devices";
    devices.begin = begin_device;
    play_folder(&devices, 40);
    devices.begin = begin_strict;
    play_folder(&devices, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transcripts_come_out_the_same_however_they_are_cut),
        cmocka_unit_test(devices_are_let_in_where_they_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

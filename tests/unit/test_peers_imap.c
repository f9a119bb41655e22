/*
 * The transcripts of tests/peers/imap, played (transcript.h) against the IMAP engine. The words:
 *
 *   option NAME [VALUE]  tls, starttls, clear, user, password, token; folders (they are asked what they keep), store
 *                        (flags are stored behind the APPEND), compress, utf8, junk NAME (the fallback of \Junk), habits (what is learned of the
 *                        server is remembered), merges, subscribe, mechanism NAME
 *   S: TEXT              the server sends TEXT and CR LF
 *   s: TEXT              the same without CR LF
 *   C: TEXT              exactly this line of the client is next ("$" at its end matches any rest)
 *   c: TEXT              exactly these octets are next
 *   append FOLDER SIZE[,SIZE...] [FLAG...]  the engine gets messages to append; their octets are 0123456789012...
 *   append8 ...          the same with octets above 127 in the header
 *   result filed [UIDVALIDITY UID...]  or  result CLASS CODE [account]: the next result
 *   merged not|another|gone  whether the message (ID.1, with option merges) lies under its UID
 *   left out FLAG... / unstored / stored   what the last result says about its flags
 *   locate FOLDER ID[:FLAG,FLAG...]...  the engine looks for messages that were filed with these flags
 *   located [UIDVALIDITY [UID...]] [failed|refused|missing]  what it found; 0: not found
 *   elsewhere ID...      and these in other folders
 *   doubt VALIDITY UIDNEXT LOOKS  the mark of all that are looked for from here on, and the looks that showed a gap
 *   vanished N...        of how many UIDs that each look misses the server says that they are gone
 *   marked V N V N       UIDVALIDITY and UIDNEXT of the folder as known before the append, and behind it
 *   ready                the engine waits for something to do
 *   logout               it is told to say goodbye
 *   tls                  it wants TLS; the handshake succeeds
 *   compress             it wants compression, which begins (and changes nothing here)
 *   delay DURATION       the clock goes on
 *   hold                 octets of messages are withheld ...
 *   give                 ... until here
 *   drop                 the connection is lost
 *   says TEXT            the fault of the last result, or of the end, has these words
 *   told TEXT            the words of the last ALERT
 *   sick / well          whether the last result says that the session is broken
 *   again                a new connection of the same account, behind one that has ended
 *   closed [CLASS CODE]  it has ended; without words: as it should
 *
 * Lines of the server that stand together are sent together. Tags are AAAAAA1, AAAAAA2 ...; the date of messages is 1-Jan-2026.
 */
#include "transcript.h"

#include "engine/imapc_engine.h"

#define FLAGS_MAX    8
#define MESSAGES_MAX 8
#define DATE_MS      INT64_C(1767225600000)

struct player {
    struct transcript t;
    struct imapc_engine_options options;
    char user[200], password[200], junk[200], alert[400];
    struct imapc_habits habits;
    const char *special_names[IMAP_SPECIAL_USES];
    struct imapc_engine *engine;
    struct imapc_message messages[MESSAGES_MAX];
    size_t message_count;
    struct imapc_wanted wanted[FLAGS_MAX];
    size_t wanted_count;
    struct doubt doubt; /* of all that are wanted */
    struct imapc_folders *folders;
    char folder[200];
    char flags[FLAGS_MAX][64];
    const char *flag_list[FLAGS_MAX];
    char wanted_flags[FLAGS_MAX][FLAGS_MAX][32];
    const char *wanted_list[FLAGS_MAX][FLAGS_MAX];
    struct imapc_result result;
    struct fault fault;
    bool have_result, closed, wants_tls, wants_compress;
    bool hold, body_due;
    struct imapc_request body;
};

/* ---- the outside of the engine ---- */

static void copy_text(char *into, size_t size, struct bytes text)
{
    snprintf(into, size, "%.*s", (int)text.len, (const char *)text.ptr);
}

static void give_body(struct player *player, const struct imapc_request *request)
{
    char piece[1000];
    size_t len = request->len < sizeof piece ? request->len : sizeof piece;
    for (size_t i = 0; i < len; i++) {
        piece[i] = (char)('0' + (request->offset + i) % 10);
    }
    imapc_engine_body(player->engine, player->t.now, bytes_at(piece, len), NULL);
}

static bool serve(struct player *player, enum imapc_want want, const struct imapc_request *request)
{
    switch (want) {
    case IMAPC_WANT_INPUT:
        return false;
    case IMAPC_WANT_TLS:
        player->wants_tls = true;
        return false;
    case IMAPC_WANT_COMPRESS:
        player->wants_compress = true;
        return false;
    case IMAPC_WANT_SASL:
        FAIL(player, "SCRAM is not played here");
        return false;
    case IMAPC_WANT_BODY:
        player->body = *request;
        player->body_due = player->hold;
        if (!player->hold) {
            give_body(player, request);
        }
        return true;
    case IMAPC_WANT_TELL:
        copy_text(player->alert, sizeof player->alert, request->alert);
        return true;
    case IMAPC_WANT_RESULT:
        if (player->have_result) {
            FAIL(player, "a second result");
        }
        player->have_result = true;
        player->result = *request->result;
        return true;
    case IMAPC_WANT_CLOSE:
        player->closed = true;
        player->fault = *request->fault;
        return false;
    }
    return false;
}

static void pump(struct player *player)
{
    bool again = !player->closed && !player->wants_tls && !player->wants_compress;
    while (again) {
        struct imapc_request request;
        size_t used;
        enum imapc_want want =
            imapc_engine_step(player->engine, player->t.now, buf_bytes(&player->t.input), &used, &request);
        struct buf *output = imapc_engine_output(player->engine);
        buf_append_bytes(&player->t.output, buf_bytes(output));
        buf_consume(output, output->len);
        again = serve(player, want, &request);
        buf_consume(&player->t.input, used);
    }
}

/* ---- the lines of a transcript ---- */

static void set_option(struct player *player, struct bytes name, struct bytes value)
{
    if (bytes_is(name, "tls")) {
        player->options.tls = true;
    } else if (bytes_is(name, "starttls")) {
        player->options.starttls = true;
    } else if (bytes_is(name, "clear")) {
        player->options.allow_clear = true;
    } else if (bytes_is(name, "token")) {
        player->options.is_token = true;
    } else if (bytes_is(name, "folders")) {
        player->options.folders = player->folders = imapc_folders_new();
    } else if (bytes_is(name, "doubtful")) {
        player->options.plain_refusals_certain = false;
    } else if (bytes_is(name, "utf8")) {
        player->options.utf8 = true;
    } else if (bytes_is(name, "habits")) {
        imapc_habits_init(&player->habits);
        player->options.habits = &player->habits;
    } else if (bytes_is(name, "subscribe")) {
        player->options.subscribe = true;
    } else if (bytes_is(name, "mechanism")) {
        player->options.mechanism = bytes_is(value, "plain") ? IMAPC_AUTH_PLAIN : IMAPC_AUTH_SCRAM_SHA_256;
    } else if (bytes_is(name, "compress")) {
        player->options.compress = true;
    } else if (bytes_is(name, "store")) {
        player->options.store_flags = true;
    } else if (bytes_is(name, "merges")) {
        player->options.merges = true;
    } else if (bytes_is(name, "junk")) {
        copy_text(player->junk, sizeof player->junk, value);
        player->special_names[IMAP_SPECIAL_JUNK] = player->junk;
        player->options.special_names = player->special_names;
    } else if (bytes_is(name, "user")) {
        copy_text(player->user, sizeof player->user, value);
    } else if (bytes_is(name, "password")) {
        struct buf text;
        buf_init(&text, sizeof player->password - 1);
        unescape(player, value, &text);
        copy_text(player->password, sizeof player->password, buf_bytes(&text));
        buf_done(&text);
    } else {
        FAIL(player, "unknown option \"%.*s\"", (int)name.len, (const char *)name.ptr);
    }
}

static void do_client(struct player *player, struct bytes text)
{
    struct buf wanted;
    buf_init(&wanted, TRANSCRIPT_MAX);
    unescape(player, text, &wanted);
    expect_said(player, buf_bytes(&wanted), '$');
    buf_done(&wanted);
}

static void do_client_raw(struct player *player, struct bytes text)
{
    struct buf wanted;
    buf_init(&wanted, TRANSCRIPT_MAX);
    unescape(player, text, &wanted);
    expect_octets(player, buf_bytes(&wanted));
    buf_done(&wanted);
}

static void append(struct player *player, struct bytes text, bool utf8)
{
    copy_text(player->folder, sizeof player->folder, bytes_cut(&text, ' '));
    struct bytes sizes = bytes_cut(&text, ' ');
    size_t flag_count = 0;
    while (text.len > 0 && flag_count < FLAGS_MAX) {
        copy_text(player->flags[flag_count], sizeof player->flags[0], bytes_cut(&text, ' '));
        player->flag_list[flag_count] = player->flags[flag_count];
        flag_count++;
    }
    for (player->message_count = 0; sizes.len > 0 && player->message_count < MESSAGES_MAX; player->message_count++) {
        player->messages[player->message_count] =
            (struct imapc_message){.date_ms = DATE_MS,
                                   .flags = player->flag_list,
                                   .flag_count = flag_count,
                                   .utf8 = utf8,
                                   .id = player->options.merges ? "ID.1" : NULL,
                                   .size = number_of(player, bytes_cut(&sizes, ','))};
    }
    if (!imapc_engine_is_ready(player->engine)) {
        FAIL(player, "not ready but in %s", imapc_engine_phase(player->engine));
    }
    player->have_result = false;
    imapc_engine_append(player->engine, player->t.now, player->folder, player->messages, player->message_count);
    pump(player);
}

static void do_append(struct player *player, struct bytes text)
{
    append(player, text, false);
}

static void do_append8(struct player *player, struct bytes text)
{
    append(player, text, true);
}

static void check_fault(struct player *player, const struct fault *fault, struct bytes text)
{
    struct bytes class = bytes_cut(&text, ' ');
    struct bytes code = bytes_cut(&text, ' ');
    if (!bytes_is(class, fault_class_name(fault->class)) || !bytes_is(code, fault->code)) {
        FAIL(player, "%s %s: %s", fault_class_name(fault->class), fault->code, fault->text);
    }
}

static void do_result(struct player *player, struct bytes text)
{
    if (!player->have_result) {
        FAIL(player, "no result, but in %s", imapc_engine_phase(player->engine));
    }
    if (!bytes_starts_nocase(text, "filed")) {
        check_fault(player, &player->result.fault, text);
        if ((bytes_find(text, bytes_of(" account")) >= 0) != player->result.account) {
            FAIL(player, "account is %d", player->result.account);
        }
        return;
    }
    bytes_cut(&text, ' ');
    uint64_t validity = text.len > 0 ? number_of(player, bytes_cut(&text, ' ')) : 0;
    const struct imapc_result *result = &player->result;
    if (fault_is_set(&result->fault) || result->uidvalidity != validity) {
        FAIL(player, "%s %s, uidvalidity %u", fault_class_name(result->fault.class), result->fault.code,
             result->uidvalidity);
    }
    for (size_t i = 0; i < player->message_count; i++) {
        uint64_t uid = text.len > 0 ? number_of(player, bytes_cut(&text, ' ')) : 0;
        if (player->messages[i].uid != uid) {
            FAIL(player, "message %zu has uid %u", i, player->messages[i].uid);
        }
    }
}

static void do_left(struct player *player, struct bytes text)
{
    bytes_cut(&text, ' ');
    if (!player->have_result || !bytes_is(text, player->result.left_out)) {
        FAIL(player, "left out \"%s\"", player->result.left_out);
    }
}

static void do_unstored(struct player *player, struct bytes text)
{
    (void)text;
    if (!player->have_result || !player->result.unstored) {
        FAIL(player, "all flags are stored");
    }
}

static void do_stored(struct player *player, struct bytes text)
{
    (void)text;
    if (!player->have_result || player->result.unstored) {
        FAIL(player, "flags are not stored");
    }
}

static void do_merged(struct player *player, struct bytes text)
{
    static const char *const names[] = {
        [IMAPC_MERGED_NOT] = "not", [IMAPC_MERGED_ANOTHER] = "another", [IMAPC_MERGED_GONE] = "gone"};
    const char *name = names[player->messages[0].merged];
    if (!bytes_is(text, name)) {
        FAIL(player, "merged: %s", name);
    }
}

static void take_wanted(struct player *player, size_t i, struct bytes text)
{
    copy_text(player->flags[i], sizeof player->flags[0], bytes_cut(&text, ':'));
    player->wanted[i] =
        (struct imapc_wanted){.id = player->flags[i], .flags = player->wanted_list[i], .doubt = &player->doubt};
    for (size_t count = 0; text.len > 0 && count < FLAGS_MAX; count++) {
        copy_text(player->wanted_flags[i][count], sizeof player->wanted_flags[0][0], bytes_cut(&text, ','));
        player->wanted_list[i][count] = player->wanted_flags[i][count];
        player->wanted[i].flag_count = count + 1;
    }
}

static void do_locate(struct player *player, struct bytes text)
{
    copy_text(player->folder, sizeof player->folder, bytes_cut(&text, ' '));
    for (player->wanted_count = 0; text.len > 0 && player->wanted_count < FLAGS_MAX; player->wanted_count++) {
        take_wanted(player, player->wanted_count, bytes_cut(&text, ' '));
    }
    player->have_result = false;
    imapc_engine_locate(player->engine, player->t.now, player->folder, player->wanted, player->wanted_count);
    pump(player);
}

static void do_located(struct player *player, struct bytes text)
{
    const struct imapc_result *result = &player->result;
    if (!player->have_result || fault_is_set(&result->fault)) {
        FAIL(player, "no result, or a fault: %s", result->fault.text);
    }
    uint64_t validity = number_of(player, bytes_cut(&text, ' '));
    if (result->uidvalidity != validity) {
        FAIL(player, "uidvalidity %u", result->uidvalidity);
    }
    for (size_t i = 0; i < player->wanted_count; i++) {
        if (number_of(player, bytes_cut(&text, ' ')) != player->wanted[i].uid) {
            FAIL(player, "%s has uid %u", player->wanted[i].id, player->wanted[i].uid);
        }
    }
    static const char *const sights[] = {"", "failed", "refused", "missing"};
    if (!bytes_is(text, sights[result->sight])) {
        FAIL(player, "the look is: %s", sights[result->sight]);
    }
}

static void do_doubt(struct player *player, struct bytes text)
{
    player->doubt.mark.validity = (uint32_t)number_of(player, bytes_cut(&text, ' '));
    player->doubt.mark.next = (uint32_t)number_of(player, bytes_cut(&text, ' '));
    player->doubt.looks = (unsigned)number_of(player, text);
}

static void do_vanished(struct player *player, struct bytes text)
{
    for (size_t i = 0; i < player->wanted_count; i++) {
        if (number_of(player, bytes_cut(&text, ' ')) != player->wanted[i].vanished) {
            FAIL(player, "%s misses %u that vanished", player->wanted[i].id, player->wanted[i].vanished);
        }
    }
}

static void do_elsewhere(struct player *player, struct bytes text)
{
    for (size_t i = 0; i < player->wanted_count; i++) {
        struct bytes rest = text;
        bool expected = false;
        while (rest.len > 0) {
            expected = bytes_is(bytes_cut(&rest, ' '), player->wanted[i].id) || expected;
        }
        if ((player->wanted[i].elsewhere != NULL) != expected) {
            FAIL(player, "%s is %s", player->wanted[i].id, expected ? "not elsewhere" : "elsewhere");
        }
    }
}

static void do_marked(struct player *player, struct bytes text)
{
    const struct imapc_result *result = &player->result;
    uint32_t numbers[] = {result->mark.validity, result->mark.next, result->next.validity, result->next.next};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (number_of(player, bytes_cut(&text, ' ')) != numbers[i]) {
            FAIL(player, "number %zu is %u", i + 1, numbers[i]);
        }
    }
}

static void do_ready(struct player *player, struct bytes text)
{
    (void)text;
    if (!imapc_engine_is_ready(player->engine)) {
        FAIL(player, "not ready but in %s (%s)", imapc_engine_phase(player->engine), player->fault.text);
    }
}

static void do_logout(struct player *player, struct bytes text)
{
    do_ready(player, text);
    imapc_engine_logout(player->engine, player->t.now);
    pump(player);
}

static void do_tls(struct player *player, struct bytes text)
{
    (void)text;
    if (!player->wants_tls) {
        FAIL(player, "TLS is not wanted");
    }
    player->wants_tls = false;
    imapc_engine_tls_ready(player->engine, player->t.now);
    pump(player);
}

static void do_compress(struct player *player, struct bytes text)
{
    (void)text;
    if (!player->wants_compress) {
        FAIL(player, "compression is not wanted");
    }
    player->wants_compress = false;
    imapc_engine_compressed(player->engine, player->t.now);
    pump(player);
}

static void do_hold(struct player *player, struct bytes text)
{
    (void)text;
    player->hold = true;
}

static void do_give(struct player *player, struct bytes text)
{
    (void)text;
    player->hold = false;
    if (!player->body_due) {
        FAIL(player, "no octets are wanted");
    }
    give_body(player, &player->body);
    pump(player);
}

static void do_drop(struct player *player, struct bytes text)
{
    (void)text;
    imapc_engine_lost(player->engine, NULL);
    pump(player);
}

static void do_closed(struct player *player, struct bytes text)
{
    if (!player->closed) {
        FAIL(player, "not closed, but in %s", imapc_engine_phase(player->engine));
    }
    check_fault(player, &player->fault, text.len > 0 ? text : bytes_of("none "));
}

static void do_says(struct player *player, struct bytes text)
{
    const char *said = player->closed ? player->fault.text : player->result.fault.text;
    if (bytes_find(bytes_of(said), text) < 0) {
        FAIL(player, "it says: %s", said);
    }
}

static void do_told(struct player *player, struct bytes text)
{
    if (!bytes_is(text, player->alert)) {
        FAIL(player, "told \"%s\"", player->alert);
    }
}

static void do_sick(struct player *player, struct bytes text)
{
    (void)text;
    if (!player->have_result || !player->result.sick) {
        FAIL(player, "the session is well");
    }
}

static void do_well(struct player *player, struct bytes text)
{
    (void)text;
    if (!player->have_result || player->result.sick) {
        FAIL(player, "the session is sick");
    }
}

static void do_again(struct player *player, struct bytes text)
{
    (void)text;
    if (!player->closed) {
        FAIL(player, "the connection has not ended");
    }
    expect_nothing(player);
    imapc_engine_free(&player->engine);
    player->engine = imapc_engine_new(&player->options, player->t.now);
    player->closed = player->wants_tls = player->wants_compress = player->have_result = false;
    player->fault = FAULT_INIT;
    buf_clear(&player->t.input);
}

static const struct transcript_word words[] = {
    {"S:", gather_line, true},        {"s:", gather, true},          {"C:", do_client, false},
    {"c:", do_client_raw, false},     {"delay", go_on_after, false}, {"append", do_append, false},
    {"append8", do_append8, false},   {"result", do_result, false},  {"ready", do_ready, false},
    {"logout", do_logout, false},     {"tls", do_tls, false},        {"drop", do_drop, false},
    {"hold", do_hold, false},         {"give", do_give, false},      {"locate", do_locate, false},
    {"located", do_located, false},   {"closed", do_closed, false},  {"left", do_left, false},
    {"unstored", do_unstored, false}, {"stored", do_stored, false},  {"compress", do_compress, false},
    {"says", do_says, false},         {"told", do_told, false},      {"sick", do_sick, false},
    {"well", do_well, false},         {"again", do_again, false},    {"elsewhere", do_elsewhere, false},
    {"marked", do_marked, false},     {"merged", do_merged, false},  {"doubt", do_doubt, false},
    {"vanished", do_vanished, false},
};

static void start(struct player *player)
{
    player->engine = imapc_engine_new(&player->options, player->t.now);
}

static void begin(struct player *player)
{
    copy_text(player->user, sizeof player->user, bytes_of("relay"));
    copy_text(player->password, sizeof player->password, bytes_of("relaypw"));
    player->options = (struct imapc_engine_options){.username = player->user,
                                                    .password = player->password,
                                                    .greeting_timeout_ms = 30000,
                                                    .command_timeout_ms = 60000,
                                                    .literal_max = 65536,
                                                    .plain_refusals_certain = true,
                                                    .keywords = true};
}

static void end(struct player *player)
{
    if (!player->closed) {
        FAIL(player, "a transcript ends in \"closed\"");
    }
    imapc_engine_free(&player->engine);
    imapc_folders_free(&player->folders);
}

static void test_transcripts(void **state)
{
    static const struct transcript_kind kind = {.folder = SOURCE_DIR "/tests/peers/imap",
                                                .size = sizeof(struct player),
                                                .words = words,
                                                .word_count = sizeof words / sizeof words[0],
                                                .begin = begin,
                                                .option = set_option,
                                                .start = start,
                                                .pump = pump,
                                                .end = end};
    (void)state;
    play_folder(&kind, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_transcripts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * fuzz_imap_server - the IMAP engine against a server that knows the protocol and answers as it likes: to each command the input chooses what data comes and
 * how it ends, with the command's own tag. Whatever the server says, each task ends once, time alone ends a wait, and without a yes nothing is taken for filed.
 *
 * The input is a list of choices, an octet each; when it is used up, the server says OK.
 */
#include <stdio.h>
#include <string.h>

#include "base/expect.h"
#include "engine/imapc_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TASKS_MAX 12
#define TURNS_MAX 400

static const char *const capabilities[] = {"LITERAL+",
                                           "LITERAL-",
                                           "MULTIAPPEND",
                                           "UIDPLUS",
                                           "NAMESPACE",
                                           "ID",
                                           "ACL",
                                           "QUOTA",
                                           "STARTTLS",
                                           "LOGINDISABLED",
                                           "AUTH=PLAIN",
                                           "AUTH=LOGIN",
                                           "AUTH=SCRAM-SHA-256",
                                           "AUTH=SCRAM-SHA-256-PLUS",
                                           "AUTH=SCRAM-SHA-1",
                                           "AUTH=XOAUTH2",
                                           "AUTH=OAUTHBEARER",
                                           "AUTH=EXTERNAL",
                                           "SASL-IR",
                                           "ENABLE",
                                           "UTF8=ACCEPT",
                                           "COMPRESS=DEFLATE",
                                           "SPECIAL-USE",
                                           "APPENDLIMIT=40",
                                           "APPENDLIMIT",
                                           "OBJECTID",
                                           "QRESYNC",
                                           "ESEARCH",
                                           "UNSELECT",
                                           "STATUS=SIZE"};

/* Of one command, or of any ("*"). */
static const struct said {
    const char *command, *text;
} data_lines[] = {
    {"*", "* BYE that is enough"},
    {"*", "* NO something is wrong"},
    {"*", "* BAD what was that"},
    {"*", "* OK [ALERT] look at this"},
    {"*", "* 3 EXISTS"},
    {"*", "* 2 EXPUNGE"},
    {"*", "* CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS"},
    {"*", "* OK [CAPABILITY IMAP4rev1 MULTIAPPEND UIDPLUS SPECIAL-USE ACL QUOTA] more"},
    {"*", "+ go on"},
    {"*", "+ "},
    {"*", "* OK [CLOSED] x"},
    {"AUTHENTICATE", "+ "},
    {"AUTHENTICATE", "+ eyJzdGF0dXMiOiI0MDAifQ=="},
    {"CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN UIDPLUS MULTIAPPEND NAMESPACE SPECIAL-USE"},
    {"CAPABILITY", "* CAPABILITY IMAP4rev2"},
    {"NAMESPACE", "* NAMESPACE ((\"INBOX.\" \".\")) ((\"Users.\" \".\")) NIL"},
    {"NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL"},
    {"NAMESPACE", "* NAMESPACE NIL NIL NIL"},
    {"ID", "* ID (\"name\" \"Dovecot\")"},
    {"ID", "* ID NIL"},
    {"ENABLE", "* ENABLED UTF8=ACCEPT"},
    {"LIST", "* LIST () \"/\" INBOX"},
    {"LIST", "* LIST (\\Sent) \".\" \"INBOX.Sent\""},
    {"LIST", "* LIST (\\Junk \\HasNoChildren) \"/\" Spam"},
    {"LIST", "* LIST (\\All) \"/\" \"[Gmail]/All Mail\""},
    {"LIST", "* LIST (\\Trash \\Noselect) \"/\" Bin"},
    {"LIST", "* LIST (\\Archive) NIL {3}\r\nArc"},
    {"LIST", "* LIST (\\NonExistent) \"/\" Gone"},
    {"LIST", "* LIST ((\\Sent)) \"/\" x"},
    {"LIST", "* LIST () \"/\" \"Users/joe/Trash\""},
    {"LIST", "* LIST"},
    {"SELECT", "* OK [UIDVALIDITY 7] x"},
    {"SELECT", "* OK [UIDVALIDITY 0] x"},
    {"SELECT", "* OK [UIDNEXT 12] x"},
    {"SELECT", "* FLAGS (\\Flagged ci)"},
    {"SELECT", "* OK [PERMANENTFLAGS (\\Flagged \\*)] x"},
    {"SELECT", "* OK [PERMANENTFLAGS ()] x"},
    {"SELECT", "* OK [PERMANENTFLAGS (\\Seen)] x"},
    {"SELECT", "* OK [HIGHESTMODSEQ 99] x"},
    {"SELECT", "* OK [MAILBOXID (F1a)] x"},
    {"SELECT", "* OK [READ-ONLY] x"},
    {"STATUS", "* STATUS A (UIDNEXT 12 UIDVALIDITY 7 MESSAGES 3 HIGHESTMODSEQ 5)"},
    {"STATUS", "* STATUS A (UIDVALIDITY 7)"},
    {"STATUS", "* STATUS A (MAILBOXID (F1a) UIDNEXT 4294967295 UIDVALIDITY 1)"},
    {"STATUS", "* STATUS A (X"},
    {"STATUS", "* STATUS A"},
    {"UID SEARCH", "* SEARCH 9 10 11"},
    {"UID SEARCH", "* SEARCH"},
    {"UID SEARCH", "* SEARCH 0"},
    {"UID SEARCH", "* SEARCH 4294967296 x"},
    {"UID SEARCH", "* ESEARCH (TAG \"a\") UID ALL 3:5"},
    {"UID FETCH", "* 1 FETCH (UID 9 BODY[HEADER.FIELDS (X-MAILWEIR-ID)] {23}\r\nX-Mailweir-Id: ID.1\r\n\r\n)"},
    {"UID FETCH", "* 2 FETCH (UID 10 BODY[HEADER.FIELDS (X-MAILWEIR-ID)] {23}\r\nX-Mailweir-Id: ID.2\r\n\r\n)"},
    {"UID FETCH", "* 3 FETCH (UID 11 BODY[HEADER.FIELDS (X-MAILWEIR-ID)] {23}\r\nX-Mailweir-Id: ID.1\r\n\r\n)"},
    {"UID FETCH", "* 3 FETCH (BODY[HEADER.FIELDS (X-MAILWEIR-ID)] \"\" UID 8)"},
    {"UID FETCH", "* 3 FETCH (UID 7 BODY[HEADER.FIELDS (X-MAILWEIR-ID)] NIL FLAGS (\\Seen))"},
    {"UID FETCH", "* 3 FETCH (FLAGS (\\Seen))"},
    {"UID FETCH", "* 3 FETCH (UID 0 BODY[HEADER.FIELDS (X-MAILWEIR-ID)] NIL)"},
    {"UID FETCH", "* 3 FETCH"},
    {"MYRIGHTS", "* MYRIGHTS A lrs"},
    {"MYRIGHTS", "* MYRIGHTS A \"lrswi\""},
    {"MYRIGHTS", "* MYRIGHTS A"},
    {"GETQUOTAROOT", "* QUOTA r (STORAGE 100 100)"},
    {"GETQUOTAROOT", "* QUOTA r (STORAGE 18446744073709551615 1 MESSAGE 5 9)"},
    {"GETQUOTAROOT", "* QUOTA r (MESSAGE 9 9)"},
    {"GETQUOTAROOT", "* QUOTA r (STORAGE 5 0)"},
    {"GETQUOTAROOT", "* QUOTA r STORAGE"},
    {"GETQUOTAROOT", "* QUOTAROOT A r"},
};

static const char *const ends[] = {
    "OK done",
    "OK [APPENDUID 7 12] done",
    "OK [APPENDUID 7 12:13] done",
    "OK [APPENDUID 7 12,14] done",
    "OK [APPENDUID 0 0] done",
    "OK [APPENDUID x] done",
    "OK [READ-WRITE] done",
    "OK [CAPABILITY IMAP4rev1 MULTIAPPEND LITERAL+ UIDPLUS NAMESPACE ACL QUOTA SPECIAL-USE] in",
    "OK [MAILBOXID (F2)] done",
    "OK [UIDNOTSTICKY] done",
    "NO refused",
    "NO [TRYCREATE] no such mailbox",
    "NO [NONEXISTENT] none",
    "NO [ALREADYEXISTS] there",
    "NO [OVERQUOTA] full",
    "NO [LIMIT] too large",
    "NO [TOOBIG] too large",
    "NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded",
    "NO [INUSE] locked",
    "NO [NOPERM] not allowed",
    "NO [CANNOT] a character",
    "NO [AUTHENTICATIONFAILED] wrong",
    "NO [EXPIRED] old",
    "NO [PRIVACYREQUIRED] no",
    "NO [THROTTLED] slower",
    "NO Request is throttled. Suggested Backoff Time: 3000 milliseconds",
    "NO User is authenticated but not connected.",
    "NO [ALERT] Too many simultaneous connections. (Failure)",
    "NO [SERVERBUG] oops",
    "NO [EXPUNGEISSUED] gone",
    "NO Keywords are not allowed here",
    "BAD what",
    "BAD Command Argument Error. 11",
    "BAD [TOOBIG] no",
    "PREAUTH what",
};

struct world {
    struct bytes choices;
    struct imapc_engine *engine;
    struct imapc_message messages[3];
    struct imapc_wanted wanted[2];
    struct doubt doubts[2];
    struct buf sent, said;
    uint64_t now;
    unsigned given, ended;
    bool open, appends, said_ok, closed;
};

static unsigned choose(struct world *world, size_t limit)
{
    if (world->choices.len == 0) {
        return 0;
    }
    unsigned chosen = world->choices.ptr[0] % (unsigned)limit;
    world->choices = bytes_from(world->choices, 1);
    return chosen;
}

/* ---- the server ---- */

static bool fits(const struct said *line, struct bytes command)
{
    return strcmp(line->command, "*") == 0 ||
           bytes_equal(bytes_slice(command, 0, strlen(line->command)), bytes_of(line->command));
}

/* One of those that fit; most choices are of the command's own. */
static void say_data(struct world *world, struct bytes command)
{
    const size_t count = sizeof data_lines / sizeof data_lines[0];
    size_t own = 0, chosen;
    bool general = choose(world, 12) == 11;
    for (size_t i = 0; i < count; i++) {
        own += fits(&data_lines[i], command) && (data_lines[i].command[0] == '*') == general;
    }
    if (own == 0) {
        return;
    }
    chosen = choose(world, own);
    for (size_t i = 0; i < count; i++) {
        if (fits(&data_lines[i], command) && (data_lines[i].command[0] == '*') == general && chosen-- == 0) {
            buf_printf(&world->said, "%s\r\n", data_lines[i].text);
            return;
        }
    }
}

static void answer_line(struct world *world, struct bytes line)
{
    struct bytes rest = line, tag = bytes_cut(&rest, ' ');
    bool literal = line.len > 0 && line.ptr[line.len - 1] == '}' && line.ptr[line.len - 2] != '+';
    if (literal && choose(world, 10) < 8) {
        buf_append_text(&world->said, "+ go\r\n");
        return;
    }
    if (tag.len < 5 || rest.len == 0) {
        return; /* the rest of a literal, or an answer to a challenge */
    }
    for (unsigned count = choose(world, 5); count > 0; count--) {
        say_data(world, rest);
    }
    if (choose(world, 40) == 39) {
        return; /* no answer at all */
    }
    const char *end =
        choose(world, 7) < 6 ? ends[choose(world, 10)] : ends[choose(world, sizeof ends / sizeof ends[0])];
    world->said_ok = world->said_ok || (strncmp(end, "OK", 2) == 0 && bytes_starts_nocase(rest, "APPEND "));
    buf_printf(&world->said, "%.*s %s\r\n", (int)tag.len, (const char *)tag.ptr, end);
}

static void answer(struct world *world)
{
    struct bytes sent = buf_bytes(&world->sent);
    const uint8_t *end;
    while (sent.len > 0 && (end = memchr(sent.ptr, '\n', sent.len)) != NULL) {
        struct bytes line = bytes_trim(bytes_at(sent.ptr, (size_t)(end - sent.ptr)));
        answer_line(world, line);
        sent = bytes_from(sent, (size_t)(end - sent.ptr) + 1);
    }
    size_t left = sent.len;
    buf_consume(&world->sent, world->sent.len - left);
}

static void greet(struct world *world)
{
    static const char *const greetings[] = {"PREAUTH", "OK", "OK", "OK", "BYE"};
    buf_printf(&world->said, "* %s [CAPABILITY IMAP4rev1", greetings[choose(world, 5)]);
    for (unsigned count = choose(world, 24); count > 0; count--) {
        buf_printf(&world->said, " %s", capabilities[choose(world, sizeof capabilities / sizeof capabilities[0])]);
    }
    buf_append_text(&world->said, "] ready\r\n");
}

/* ---- the owner ---- */

static void give_work(struct world *world)
{
    static const char *const flags[] = {"\\Flagged", "ci", "\\Seen"};
    static const char *const folders[] = {"A", "A/B", "\\Junk", "\\Sent", "INBOX", "Sent", "[Gmail]/All Mail"};
    const char *folder = folders[choose(world, sizeof folders / sizeof folders[0])];
    world->given++;
    world->open = true;
    world->appends = world->said_ok = false;
    unsigned task = choose(world, 6);
    if (task == 5) {
        imapc_engine_remove(world->engine, world->now, folder, choose(world, 2) == 0 ? 7 : 8, 7);
        return;
    }
    if (task >= 3) {
        for (size_t i = 0; i < 2; i++) {
            world->wanted[i] = (struct imapc_wanted){.id = i == 0 ? "ID.1" : "ID.2",
                                                     .flags = flags,
                                                     .flag_count = choose(world, 3),
                                                     .doubt = &world->doubts[i]};
        }
        imapc_engine_locate(world->engine, world->now, folder, world->wanted, 1 + choose(world, 2));
        return;
    }
    size_t count = imapc_engine_capabilities(world->engine)->has & IMAP_CAP_MULTIAPPEND ? 1 + choose(world, 3) : 1;
    for (size_t i = 0; i < count; i++) {
        world->messages[i] =
            (struct imapc_message){.flags = flags, .flag_count = choose(world, 4), .date_ms = 1, .size = 5};
        world->messages[i].size = choose(world, 4) == 3 ? 50 : 5;
        world->messages[i].utf8 = choose(world, 4) == 3;
        world->messages[i].bare = count == 1 && choose(world, 8) == 7;
    }
    world->appends = true;
    imapc_engine_append(world->engine, world->now, folder, world->messages, count);
}

static void end_task(struct world *world, const struct imapc_result *result)
{
    EXPECT(world->open);
    world->open = false;
    world->ended++;
    EXPECT(!world->appends || result->fault.class != FAULT_NONE || world->said_ok);
}

static bool serve(struct world *world, enum imapc_want want, const struct imapc_request *request)
{
    static const char body[] = "12345678901234567890123456789012345678901234567890";
    const struct fault unread = {.class = FAULT_LOCAL, .code = "eio"};
    switch (want) {
    case IMAPC_WANT_INPUT:
        if (imapc_engine_is_ready(world->engine) && world->given < TASKS_MAX && world->choices.len > 0) {
            give_work(world);
            return true;
        }
        return false;
    case IMAPC_WANT_TLS:
        buf_clear(&world->said);
        imapc_engine_tls_ready(world->engine, world->now);
        return true;
    case IMAPC_WANT_COMPRESS:
        imapc_engine_compressed(world->engine, world->now);
        return true;
    case IMAPC_WANT_SASL:
        imapc_engine_sasl(world->engine, world->now, bytes_of("eA=="), choose(world, 8) == 7 ? &unread : NULL);
        return true;
    case IMAPC_WANT_BODY:
        imapc_engine_body(world->engine, world->now, bytes_slice(bytes_of(body), (size_t)request->offset, request->len),
                          choose(world, 40) == 39 ? &unread : NULL);
        return true;
    case IMAPC_WANT_TELL:
        return true;
    case IMAPC_WANT_RESULT:
        end_task(world, request->result);
        return true;
    case IMAPC_WANT_CLOSE:
        world->closed = true;
        return false;
    }
    return false;
}

/* Lets the engine take what was said, and hears what it sends. True when something moved. */
static bool pump(struct world *world)
{
    bool moved = false;
    for (bool again = true; again && !world->closed;) {
        struct imapc_request request;
        size_t used;
        enum imapc_want want = imapc_engine_step(world->engine, world->now, buf_bytes(&world->said), &used, &request);
        EXPECT(used <= world->said.len);
        buf_consume(&world->said, used);
        struct buf *output = imapc_engine_output(world->engine);
        moved = moved || used > 0 || output->len > 0;
        EXPECT(buf_append_bytes(&world->sent, buf_bytes(output)) == 0);
        buf_consume(output, output->len);
        again = serve(world, want, &request) || (used > 0 && world->said.len > 0);
        moved = moved || again;
    }
    answer(world);
    return moved;
}

static void run(struct world *world)
{
    greet(world);
    for (int turns = 0; turns < TURNS_MAX && !world->closed; turns++) {
        if (pump(world) || world->said.len > 0) {
            continue;
        }
        uint64_t deadline = imapc_engine_deadline(world->engine);
        if (deadline == UINT64_MAX || choose(world, 20) == 19) {
            break;
        }
        world->now = deadline > world->now ? deadline : world->now + 1;
    }
    if (!world->closed && !world->open && imapc_engine_is_ready(world->engine)) {
        imapc_engine_logout(world->engine, world->now);
        pump(world);
        pump(world);
    }
    if (!world->closed) {
        const struct fault reset = {.class = FAULT_TEMP, .code = "econnreset"};
        imapc_engine_lost(world->engine, choose(world, 2) == 0 ? NULL : &reset);
        buf_clear(&world->said);
        pump(world);
    }
    EXPECT(world->closed && !world->open && world->given == world->ended);
    EXPECT(imapc_engine_phase(world->engine) != NULL && imapc_engine_said(world->engine) != NULL);
}

static void run_with(struct world *world, struct imapc_engine_options *options)
{
    world->engine = imapc_engine_new(options, 0);
    buf_init(&world->sent, 1 << 16);
    buf_init(&world->said, 1 << 16);
    if (choose(world, 3) == 2) {
        imapc_engine_can_bind(world->engine);
    }
    if (choose(world, 3) == 2) {
        imapc_engine_allow_compress(world->engine);
    }
    run(world);
    buf_done(&world->sent);
    buf_done(&world->said);
    imapc_engine_free(&world->engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.choices = bytes_at(data, size)};
    struct imapc_habits habits;
    struct imapc_check checks[] = {{.folder = "A/B"}, {.folder = "INBOX"}};
    struct imapc_suspect suspects[] = {{.character = '.'}, {.character = '"'}};
    static const char *const special[8] = {"Sent", NULL, "Junk"};
    struct imapc_names names = {.checks = checks, .check_count = 2, .suspects = suspects, .suspect_count = 2};
    names.may_create = choose(&world, 2) == 1;
    buf_init(&names.list, 1000);
    imapc_habits_init(&habits);
    unsigned flags = choose(&world, 256), more = choose(&world, 256);
    struct imapc_engine_options options = {.tls = (flags & 1) == 0,
                                           .starttls = (flags & 3) == 3,
                                           .allow_clear = (flags & 4) != 0,
                                           .is_token = (flags & 8) != 0,
                                           .mechanism = (enum imapc_mechanism)choose(&world, IMAPC_AUTH_MECHANISMS),
                                           .binding = (enum imapc_binding)choose(&world, IMAPC_BINDINGS),
                                           .username = "u",
                                           .password = "p",
                                           .greeting_timeout_ms = 1000,
                                           .command_timeout_ms = 1000,
                                           .literal_max = (flags & 16) != 0 ? 10 : 4096,
                                           .message_max = (flags & 32) != 0 ? 45 : 0,
                                           .subscribe = (flags & 64) != 0,
                                           .keywords = (flags & 128) == 0,
                                           .compress = (more & 1) != 0,
                                           .utf8 = (more & 2) != 0,
                                           .store_flags = (more & 4) != 0,
                                           .version = (more & 8) != 0 ? "1" : NULL,
                                           .habits = (more & 16) != 0 ? &habits : NULL,
                                           .plain_refusals_certain = (more & 32) != 0,
                                           .folders = (more & 64) != 0 ? imapc_folders_new() : NULL,
                                           .names = (more & 128) != 0 ? &names : NULL,
                                           .special_names = (more & 1) != 0 ? special : NULL};
    for (unsigned lives = 1 + choose(&world, 3); lives > 0;
         lives--) { /* what was learned holds for the next connection */
        world = (struct world){.choices = world.choices, .now = world.now};
        run_with(&world, &options);
    }
    imapc_folders_free(&options.folders);
    buf_done(&names.list);
    return 0;
}

/*
 * sim_server_commands - what the simulated IMAP server does for each command; see sim_server.h.
 *
 * A folder is addressed by the server's own name: INBOX, or levels with its delimiter. sim_mail knows them with "/".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "sim_faults.h"
#include "sim_mail.h"
#include "sim_server_private.h"

static struct bytes word(const struct sim_session *session, size_t index)
{
    return index < session->count ? buf_bytes(&session->tokens[index].text) : (struct bytes){NULL, 0};
}

static bool is_word(const struct sim_session *session, size_t index, const char *text)
{
    return bytes_is_nocase(word(session, index), text);
}

static void answer(struct sim_session *session, const char *text)
{
    struct bytes tag = word(session, 0);
    sim_session_say(session, "%.*s %s", (int)tag.len, (const char *)tag.ptr, text);
}

/* ---- folders ---- */

static void folder_name(const struct sim_server *server, struct bytes name, char out[64])
{
    snprintf(out, 64, "%.*s", (int)name.len, (const char *)name.ptr);
    for (char *c = out; *c != '\0'; c++) {
        *c = *c == server->delimiter ? '/' : *c;
    }
    if (bytes_is_nocase(name, "INBOX")) {
        snprintf(out, 64, "INBOX");
    }
}

static struct sim_folder *find_folder(struct sim_server *server, struct bytes name)
{
    char wanted[64];
    folder_name(server, name, wanted);
    for (size_t i = 0; i < server->folder_count; i++) {
        if (strcmp(server->folders[i].name, wanted) == 0) {
            return &server->folders[i];
        }
    }
    return NULL;
}

static struct sim_folder *make_folder(struct sim_server *server, struct bytes name)
{
    char wanted[64];
    folder_name(server, name, wanted);
    return sim_server_folder(server, wanted);
}

/* ---- APPEND ---- */

struct append {
    struct sim_folder *folder;
    uint32_t first, last; /* UIDs */
};

/* What a refusal says, by the fault's amount; whether it is for good. */
static const struct refusal {
    const char *text;
    bool for_good;
} refusals[] = {
    {"NO [INUSE] mailbox is locked", false},  {"NO [UNAVAILABLE] try again later", false},
    {"NO [OVERQUOTA] quota exceeded", false}, {"NO [LIMIT] no more messages fit", false},
    {"NO [SERVERBUG] internal error", false}, {"NO [TOOBIG] message too large", true},
};

static void note_end(const struct sim_session *session, enum sim_append_end end)
{
    char name[64];
    folder_name(session->server, word(session, 2), name);
    for (size_t i = 3; i < session->count; i++) {
        if (session->tokens[i].is_literal) {
            sim_mail_not_filed(session->server->index, name, word(session, i), end);
        }
    }
}

static void store(struct sim_session *session, struct sim_folder *folder, struct bytes date, struct bytes octets)
{
    struct sim_stored *stored = expect_calloc(1, sizeof *stored);
    if (session->server->has_own_dates) {
        date = bytes_of(" 9-Sep-2001 01:46:40 +0000");
    }
    snprintf(stored->date, sizeof stored->date, "%.*s", (int)date.len, (const char *)date.ptr);
    uint64_t lag = session->server->lags ? sim_random_between(&session->server->random, 0, SIM_SERVER_LAG_MOST) : 0;
    stored->shown_us = sim_now() + lag;
    stored->stored_us = sim_now();
    stored->by_standby = session->is_standby;
    stored->uid = folder->uidnext++;
    buf_init(&stored->octets, octets.len);
    buf_append_bytes(&stored->octets, octets);
    list_append(&folder->messages, &stored->link);
    session->server->octets += stored->octets.size;
    session->busy_until =
        (session->busy_until > sim_now() ? session->busy_until : sim_now()) + session->server->pace_us;
    bool is_late = session->link == NULL || !sim_link_is_held(session->link);
    stored->filing = sim_mail_filed(session->server->index, folder->name, octets, folder->uidvalidity, stored->uid,
                                    session->server->has_uidplus, is_late);
}

/* most: of the messages, from the first. */
static void store_some(struct sim_session *session, struct append *append, size_t most)
{
    append->first = append->folder->uidnext;
    for (size_t i = 3; i < session->count && most > 0; i++) {
        if (session->tokens[i].is_literal) {
            store(session, append->folder, word(session, i - 1), word(session, i));
            most--;
        }
    }
    append->last = append->folder->uidnext - 1;
}

static size_t count_literals(const struct sim_session *session)
{
    size_t count = 0;
    for (size_t i = 3; i < session->count; i++) {
        count += session->tokens[i].is_literal;
    }
    return count;
}

/* Whether some message of the command ends the session, whoever sends it. */
static bool has_killer(const struct sim_session *session)
{
    for (size_t i = 3; i < session->count; i++) {
        const struct sim_try *try = session->tokens[i].is_literal ? sim_mail_find(word(session, i)) : NULL;
        if (try != NULL && try->number == sim_mail_killer()) {
            return true;
        }
    }
    return false;
}

/* Filed, wholly or but for the last, and refused: with or without the connection's end. */
static void answer_kept(struct sim_session *session, struct append *append, const struct sim_fault *fault)
{
    static const char *const words[] = {"NO [UNAVAILABLE] backend lost", "NO [SERVERBUG] internal error",
                                        "NO [INUSE] mailbox is locked",
                                        "NO [UNAVAILABLE] Maximum number of connections exceeded"};
    size_t count = count_literals(session);
    bool in_part = fault->kind == SIM_FAULT_KEEP_PART;
    store_some(session, append, in_part ? count - 1 : count);
    note_end(session, SIM_APPEND_LATER);
    answer(session, in_part ? "NO [LIMIT] no more messages fit" : words[fault->amount % 2 + fault->when % 2 * 2]);
    if (fault->amount / 2 % 2 != 0) {
        sim_session_end(session, false);
    }
}

/* A batch of which some are filed, and nobody says what became of it: a reset, a BYE, or silence. */
static void lose_batch(struct sim_session *session, struct append *append, const struct sim_fault *fault)
{
    store_some(session, append, fault->amount % 4);
    note_end(session, SIM_APPEND_CUT);
    if (fault->amount / 4 == 2) {
        session->busy_until = sim_now() + 100 * (uint64_t)SIM_SECOND;
        return;
    }
    if (fault->amount / 4 == 1) {
        sim_session_say(session, "* BYE internal trouble");
    }
    sim_session_end(session, fault->amount / 4 == 0);
}

static void say_appended(struct sim_session *session, const struct append *append)
{
    char text[100];
    if (!session->server->has_uidplus) {
        snprintf(text, sizeof text, "OK APPEND completed");
    } else if (append->first == append->last) {
        snprintf(text, sizeof text, "OK [APPENDUID %u %u] done", append->folder->uidvalidity, append->first);
    } else {
        snprintf(text, sizeof text, "OK [APPENDUID %u %u:%u] done", append->folder->uidvalidity, append->first,
                 append->last);
    }
    answer(session, text);
}

/* See sim_server_set_batches(). */
static bool plays_story(struct sim_session *session, struct append *append)
{
    struct sim_server *server = session->server;
    size_t count = count_literals(session);
    if (server->loses_answer) {
        server->loses_answer = false;
        store_some(session, append, SIZE_MAX);
        note_end(session, SIM_APPEND_CUT);
        sim_session_end(session, true);
        return true;
    }
    if (!server->refuses_batch || count < 2) {
        return false;
    }
    server->refuses_batch = false;
    server->loses_answer = true;
    store_some(session, append, count - 1);
    note_end(session, SIM_APPEND_LATER);
    answer(session, "NO [LIMIT] no more messages fit");
    return true;
}

static void do_append(struct sim_session *session)
{
    struct append append = {.folder = find_folder(session->server, word(session, 2))};
    if (append.folder == NULL && is_word(session, 2, "INBOX")) {
        append.folder = make_folder(session->server, bytes_of("INBOX"));
    }
    if (append.folder == NULL) {
        answer(session,
               session->server->has_create_hint ? "NO [TRYCREATE] no such mailbox" : "NO Invalid mailbox name.");
        return;
    }
    const struct sim_fault *fault = sim_faults_append(count_literals(session));
    if (has_killer(session)) {
        sim_say("server %u breaks over this message", session->server->index);
        note_end(session, SIM_APPEND_CUT);
        sim_session_end(session, true);
        return;
    }
    if (fault != NULL && (fault->kind == SIM_FAULT_KEEP_NO || fault->kind == SIM_FAULT_KEEP_PART)) {
        answer_kept(session, &append, fault);
        return;
    }
    if (fault != NULL && fault->kind == SIM_FAULT_BATCH) {
        lose_batch(session, &append, fault);
        return;
    }
    if (fault != NULL && fault->kind == SIM_FAULT_REFUSE) {
        const struct refusal *refusal = &refusals[fault->amount % (sizeof refusals / sizeof refusals[0])];
        note_end(session, refusal->for_good ? SIM_APPEND_NEVER : SIM_APPEND_LATER);
        answer(session, refusal->text);
        return;
    }
    if (fault != NULL && fault->kind == SIM_FAULT_CUT_BEFORE) {
        note_end(session, SIM_APPEND_CUT);
        sim_session_end(session, true);
        return;
    }
    if (session->server->is_throttled) {
        note_end(session, SIM_APPEND_LATER);
        answer(session, "NO [LIMIT] Request is throttled. Suggested Backoff Time: 5000 milliseconds");
        return;
    }
    struct sim_budget *budget = session->server->budget;
    const char *words = budget == NULL ? NULL : sim_budget_take(budget, word(session, session->count - 1).len);
    if (words != NULL) {
        note_end(session, SIM_APPEND_LATER);
        answer(session, words);
        return;
    }
    if (plays_story(session, &append)) {
        return;
    }
    store_some(session, &append, SIZE_MAX);
    if (fault != NULL) {
        note_end(session, SIM_APPEND_CUT);
        for (size_t i = 3; fault->amount == 3 && i < session->count; i++) {
            if (session->tokens[i].is_literal) {
                sim_mail_doubted(word(session, i));
            }
        }
        sim_session_end(session, true); /* filed, and nobody hears of it */
        return;
    }
    say_appended(session, &append);
}

bool sim_server_allows_literal(struct sim_session *session)
{
    bool is_missing = is_word(session, 1, "APPEND") && !is_word(session, 2, "INBOX") &&
                      find_folder(session->server, word(session, 2)) == NULL;
    if (is_missing) {
        answer(session,
               session->server->has_create_hint ? "NO [TRYCREATE] no such mailbox" : "NO Invalid mailbox name.");
    }
    return !is_missing;
}

/* ---- looking ---- */

/* Whether the standby has it yet. */
static bool is_here(const struct sim_session *session, const struct sim_stored *stored)
{
    uint64_t lag = session->is_standby && !stored->by_standby ? session->server->standby_lag_us : 0;
    return stored->stored_us + lag <= sim_now();
}

/* UIDNEXT as this server tells it: with or without what its views do not show yet. */
static uint32_t next_of(const struct sim_session *session, const struct sim_folder *folder)
{
    const struct sim_server *server = session->server;
    LIST_EACH(at, &folder->messages)
    {
        const struct sim_stored *stored = LIST_ITEM(at, struct sim_stored, link);
        if ((server->hides_next && stored->shown_us > sim_now()) || !is_here(session, stored)) {
            return stored->uid;
        }
    }
    return folder->uidnext;
}

/* Sequence numbers stay what they are while the folder is selected, whoever takes messages away (RFC 9051 section 7.5.1). */
static void take_view(struct sim_session *session)
{
    size_t count = 0;
    LIST_EACH(at, &session->selected->messages)
    {
        count++;
    }
    session->view_count = 0;
    session->view = expect_memory(realloc(session->view, (count + 1) * sizeof *session->view));
    LIST_EACH(at, &session->selected->messages)
    {
        const struct sim_stored *stored = LIST_ITEM(at, struct sim_stored, link);
        if (stored->shown_us <= sim_now() && is_here(session, stored)) {
            session->view[session->view_count++] = stored->uid;
        }
    }
}

static void do_select(struct sim_session *session)
{
    struct sim_folder *folder = find_folder(session->server, word(session, 2));
    session->selected = folder;
    if (folder == NULL) {
        answer(session, "NO [NONEXISTENT] no such mailbox");
        return;
    }
    if (session->server->look == SIM_SERVER_LOOK_NO_EXAMINE) {
        session->selected = NULL;
        answer(session, "NO [INUSE] mailbox is locked");
        return;
    }
    take_view(session);
    sim_session_say(session, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)");
    sim_session_say(session, "* %zu EXISTS", session->view_count);
    sim_session_say(session, "* OK [UIDVALIDITY %u] valid", folder->uidvalidity);
    sim_session_say(session, "* OK [UIDNEXT %u] next", next_of(session, folder));
    answer(session, is_word(session, 1, "EXAMINE") ? "OK [READ-ONLY] done" : "OK [READ-WRITE] done");
}

static void do_status(struct sim_session *session)
{
    struct sim_folder *folder = find_folder(session->server, word(session, 2));
    if (folder == NULL) {
        answer(session, "NO [NONEXISTENT] no such mailbox");
        return;
    }
    struct bytes name = word(session, 2);
    sim_session_say(session, "* STATUS \"%.*s\" (UIDVALIDITY %u UIDNEXT %u)", (int)name.len, (const char *)name.ptr,
                    folder->uidvalidity, next_of(session, folder));
    answer(session, "OK done");
}

static bool has_field(const struct sim_stored *stored, struct bytes field, struct bytes value)
{
    struct bytes rest = buf_bytes(&stored->octets);
    while (rest.len > 0) {
        struct bytes line = bytes_cut(&rest, '\n');
        if (line.len <= 1) {
            return false;
        }
        bool is_field = line.len > field.len && line.ptr[field.len] == ':' &&
                        bytes_equal_nocase(bytes_slice(line, 0, field.len), field);
        if (is_field && bytes_find(line, value) >= 0) {
            return true;
        }
    }
    return false;
}

/* [UID] SEARCH ... HEADER field value; any "n:*" in it is taken as the lowest UID. */
static void do_search(struct sim_session *session, size_t first, bool by_uid)
{
    struct buf out;
    struct bytes field = {NULL, 0}, value = {NULL, 0};
    uint64_t lowest = 1;
    for (size_t i = first; i < session->count; i++) {
        struct bytes rest = word(session, i);
        if (bytes_is_nocase(rest, "HEADER")) {
            field = word(session, i + 1);
            value = word(session, i + 2);
            break;
        }
        disregard(bytes_to_u64(bytes_cut(&rest, ':'), &lowest));
    }
    buf_init(&out, 1 << 16);
    buf_append_text(&out, "* SEARCH");
    unsigned number = 0;
    LIST_EACH(at, &session->selected->messages)
    {
        struct sim_stored *stored = LIST_ITEM(at, struct sim_stored, link);
        number++;
        if (stored->uid >= lowest && has_field(stored, field, value)) {
            buf_printf(&out, " %u", by_uid ? stored->uid : number);
        }
    }
    sim_session_say(session, "%s", buf_text(&out));
    buf_done(&out);
    answer(session, "OK done");
}

static bool in_set(struct bytes set, uint32_t number)
{
    while (set.len > 0) {
        struct bytes range = bytes_cut(&set, ',');
        struct bytes low_text = bytes_cut(&range, ':');
        uint64_t low = 0, high = UINT32_MAX;
        disregard(bytes_to_u64(low_text, &low));
        if (range.ptr == NULL) {
            high = low;
        } else {
            disregard(bytes_to_u64(range, &high));
        }
        if (number >= low && number <= high) {
            return true;
        }
    }
    return false;
}

/* Appends the header lines whose field stands in the list "HEADER.FIELDS (A B)". */
static void pick_fields(const struct sim_stored *stored, struct bytes list, struct buf *out)
{
    struct bytes rest = buf_bytes(&stored->octets);
    bool keeps = false;
    while (rest.len > 0) {
        struct bytes line = bytes_cut(&rest, '\n');
        if (line.len <= 1) {
            break;
        }
        if (line.ptr[0] != ' ' && line.ptr[0] != '\t') {
            ptrdiff_t colon = bytes_find_octet(line, ':');
            struct bytes names = list;
            keeps = false;
            while (colon > 0 && names.len > 0) {
                keeps = keeps || bytes_equal_nocase(bytes_cut(&names, ' '), bytes_slice(line, 0, (size_t)colon));
            }
        }
        if (keeps) {
            buf_append_bytes(out, line);
            buf_append_octet(out, '\n');
        }
    }
    buf_append_text(out, "\r\n");
}

static void say_fields(struct sim_session *session, unsigned number, const struct sim_stored *stored, struct bytes list)
{
    struct buf fields;
    buf_init(&fields, 1 << 15);
    pick_fields(stored, list, &fields);
    sim_session_say(session, "* %u FETCH (UID %u INTERNALDATE \"%s\" BODY[HEADER.FIELDS (%.*s)] {%zu}\r\n%s)", number,
                    stored->uid, stored->date, (int)list.len, (const char *)list.ptr, fields.len, buf_text(&fields));
    buf_done(&fields);
}

/* The message of this UID, if it is still there. */
static const struct sim_stored *stored_of(const struct sim_session *session, uint32_t uid)
{
    LIST_EACH(at, &session->selected->messages)
    {
        const struct sim_stored *stored = LIST_ITEM(at, struct sim_stored, link);
        if (stored->uid == uid) {
            return stored;
        }
    }
    return NULL;
}

static bool is_left_out(const struct sim_server *server, uint32_t uid)
{
    return server->look == SIM_SERVER_LOOK_EMPTY || (server->look == SIM_SERVER_LOOK_GAPPED && uid % 3 == 0);
}

/* Every UID of the set that the view does not show, as RFC 7162 lets those say it that do not remember: also what is only not shown yet. */
static void say_vanished(struct sim_session *session, struct bytes set)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    size_t at = 0;
    for (uint32_t uid = 1; uid < session->selected->uidnext; uid++) {
        at += at < session->view_count && session->view[at] < uid;
        bool is_shown = at < session->view_count && session->view[at] == uid;
        if (!is_shown && in_set(set, uid)) {
            buf_printf(&out, "%s%u", out.len > 0 ? "," : "", uid);
        }
    }
    if (out.len > 0) {
        sim_session_say(session, "* VANISHED (EARLIER) %s", buf_text(&out));
    }
    buf_done(&out);
    answer(session, "OK done");
}

static void do_fetch(struct sim_session *session, size_t first, bool by_uid)
{
    if (session->count > first + 2 && bytes_find(word(session, first + 2), bytes_of("VANISHED")) >= 0) {
        say_vanished(session, word(session, first));
        return;
    }
    struct bytes rest = word(session, first + 1);
    bytes_cut(&rest, '(');
    ptrdiff_t inner = bytes_find(rest, bytes_of("FIELDS ("));
    struct bytes list = inner < 0 ? rest : bytes_from(rest, (size_t)inner + strlen("FIELDS ("));
    list = bytes_cut(&list, ')');
    if (session->server->look == SIM_SERVER_LOOK_NO_FETCH) {
        answer(session, "NO [INUSE] mailbox is locked");
        return;
    }
    for (size_t i = 0; i < session->view_count; i++) {
        uint32_t uid = session->view[i];
        bool is_wanted = in_set(word(session, first), by_uid ? uid : (uint32_t)i + 1);
        const struct sim_stored *stored = is_wanted ? stored_of(session, uid) : NULL;
        if (stored != NULL && !is_left_out(session->server, uid)) {
            say_fields(session, (unsigned)i + 1, stored, list);
        }
    }
    answer(session, "OK done");
}

/* ---- the others ---- */

static void do_capability(struct sim_session *session)
{
    const struct sim_server *server = session->server;
    bool needs_tls = server->has_starttls && !session->under_tls;
    sim_session_say(session, "* CAPABILITY IMAP4rev1 NAMESPACE%s%s%s%s%s",
                    server->has_literal_plus ? " LITERAL+ ENABLE QRESYNC" : "",
                    server->has_literal_minus ? " LITERAL-" : "", server->has_uidplus ? " UIDPLUS" : "",
                    server->has_multiappend ? " MULTIAPPEND" : "",
                    needs_tls ? " STARTTLS LOGINDISABLED" : " AUTH=PLAIN SASL-IR");
    answer(session, "OK done");
}

static void do_starttls(struct sim_session *session)
{
    if (!session->server->has_starttls || session->under_tls || session->link == NULL) {
        answer(session, "BAD no TLS here");
        return;
    }
    answer(session, "OK begin TLS");
    sim_link_start_tls(session->link);
}

static void do_login(struct sim_session *session)
{
    if (session->server->has_starttls && !session->under_tls) {
        sim_fail("server %u hears a password in clear", session->server->index);
    }
    if (session->server->is_throttled) {
        answer(session, "NO [UNAVAILABLE] Maximum number of connections exceeded");
        return;
    }
    session->logged_in = true;
    answer(session, "OK logged in");
}

static void do_namespace(struct sim_session *session)
{
    sim_session_say(session, "* NAMESPACE ((\"\" \"%c\")) NIL NIL", session->server->delimiter);
    answer(session, "OK done");
}

static void do_list(struct sim_session *session)
{
    struct bytes name = word(session, 3);
    if (name.len == 0) {
        sim_session_say(session, "* LIST (\\Noselect) \"%c\" \"\"", session->server->delimiter);
    } else if (find_folder(session->server, name) != NULL) {
        sim_session_say(session, "* LIST () \"%c\" \"%.*s\"", session->server->delimiter, (int)name.len,
                        (const char *)name.ptr);
    }
    answer(session, "OK done");
}

static void do_create(struct sim_session *session)
{
    if (find_folder(session->server, word(session, 2)) != NULL) {
        answer(session, "NO [ALREADYEXISTS] exists");
        return;
    }
    make_folder(session->server, word(session, 2));
    answer(session, "OK created");
}

static void do_logout(struct sim_session *session)
{
    sim_session_say(session, "* BYE bye");
    answer(session, "OK bye");
    sim_session_end(session, false);
}

static void do_nothing(struct sim_session *session)
{
    answer(session, "OK done");
}

static void do_uid(struct sim_session *session)
{
    if (session->selected == NULL) {
        answer(session, "BAD select first");
    } else if (is_word(session, 2, "SEARCH")) {
        do_search(session, 3, true);
    } else if (is_word(session, 2, "FETCH")) {
        do_fetch(session, 3, true);
    } else {
        answer(session, "BAD unknown");
    }
}

static void do_plain_search(struct sim_session *session)
{
    if (session->selected == NULL) {
        answer(session, "BAD select first");
    } else if (is_word(session, 1, "SEARCH")) {
        do_search(session, 2, false);
    } else {
        do_fetch(session, 2, false);
    }
}

static void do_enable(struct sim_session *session)
{
    if (session->server->has_literal_plus && is_word(session, 2, "QRESYNC")) {
        sim_session_say(session, "* ENABLED QRESYNC");
    }
    answer(session, "OK done");
}

static void do_unselect(struct sim_session *session)
{
    session->selected = NULL;
    answer(session, "OK done");
}

static const struct {
    const char *name;
    bool needs_login;
    void (*run)(struct sim_session *session);
} commands[] = {
    {"CAPABILITY", false, do_capability},
    {"LOGIN", false, do_login},
    {"AUTHENTICATE", false, do_login},
    {"STARTTLS", false, do_starttls},
    {"NOOP", false, do_nothing},
    {"ID", false, do_nothing},
    {"LOGOUT", false, do_logout},
    {"NAMESPACE", true, do_namespace},
    {"LIST", true, do_list},
    {"CREATE", true, do_create},
    {"SUBSCRIBE", true, do_nothing},
    {"APPEND", true, do_append},
    {"SELECT", true, do_select},
    {"EXAMINE", true, do_select},
    {"STATUS", true, do_status},
    {"UID", true, do_uid},
    {"SEARCH", true, do_plain_search},
    {"FETCH", true, do_plain_search},
    {"CLOSE", true, do_unselect},
    {"UNSELECT", true, do_unselect},
    {"ENABLE", true, do_enable},
    {"CHECK", true, do_nothing},
};

/* What the watcher makes of the command; true: it is not executed. */
static bool is_stopped(struct sim_session *session, enum sim_step step)
{
    bool appends = is_word(session, 1, "APPEND");
    if (step == SIM_STEP_CUT_BEFORE) {
        if (appends) {
            note_end(session, SIM_APPEND_CUT);
        }
        sim_session_end(session, true);
    } else if (step == SIM_STEP_SAYS_NO) {
        if (appends) {
            note_end(session, SIM_APPEND_LATER);
        }
        answer(session, "NO [INUSE] just now");
    }
    return step == SIM_STEP_CUT_BEFORE || step == SIM_STEP_SAYS_NO;
}

static void execute(struct sim_session *session)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (is_word(session, 1, commands[i].name)) {
            if (commands[i].needs_login && !session->logged_in) {
                sim_fail("server %u hears %s before a login", session->server->index, commands[i].name);
            }
            commands[i].run(session);
            return;
        }
    }
    struct bytes unknown = word(session, 1);
    sim_fail("server %u hears a command it does not know: %.*s", session->server->index,
             (int)(unknown.len < 80 ? unknown.len : 80), unknown.len > 0 ? (const char *)unknown.ptr : "");
}

void sim_server_execute(struct sim_session *session)
{
    const struct sim_server *server = session->server;
    char name[32];
    snprintf(name, sizeof name, "%.*s", (int)word(session, 1).len, (const char *)word(session, 1).ptr);
    enum sim_step step =
        server->step != NULL && session->link != NULL ? server->step(server->step_ctx, name) : SIM_STEP_GOES_ON;
    if (!is_stopped(session, step)) {
        execute(session);
        if (step == SIM_STEP_CUT_BEHIND && session->link != NULL) {
            sim_session_end(session, true);
        }
    }
    for (size_t i = 0; i < session->count; i++) {
        buf_done(&session->tokens[i].text);
    }
    session->count = 0;
}

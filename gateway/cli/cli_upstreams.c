/*
 * cli_upstreams - see cli_upstreams.h.
 */
#include "cli/cli_upstreams.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli_api.h"
#include "base/expect.h"
#include "base/log.h"
#include "config/config_account.h"
#include "document/document_member.h"
#include "mail/mail_rope.h"
#include "net/net_loop.h"
#include "proto/imap_special.h"

/* A pool is given so long to say goodbye. */
#define GOODBYE_MS 3000
#define NAMES_MAX  (4u << 20) /* octets of the names of one upstream */
#define ARENA_MAX  (64u << 20)
#define DAY_S      INT64_C(86400)

/* What one of the servers is known to refuse in names of folders; letters and digits no one does. */
#define SUSPECTS ".^%*#&:|\\\"<>?!;~$@='`{}[]+,"

struct attempt {
    struct net_loop *loop;
    const struct config_upstream *upstream;
    struct upstream_pool *pool;
    struct imapc_names names;
    struct imapc_suspect suspects[sizeof SUSPECTS - 1];
    size_t room;       /* of names.checks */
    json_t *by_mail;   /* folders that only a message tells */
    const char *probe; /* the folder; or NULL */
    unsigned broken;   /* sessions, in questions that delivery leaves out */
    char id[40];
    struct buf message;
    json_t *result;
};

/* ---- which folders ---- */

static bool is_known(const struct attempt *attempt, const char *folder)
{
    bool inbox = strcasecmp(folder, "INBOX") == 0;
    for (size_t i = 0; i < attempt->names.check_count; i++) {
        const char *known = attempt->names.checks[i].folder;
        if (strcmp(known, folder) == 0 || (inbox && strcasecmp(known, "INBOX") == 0)) {
            return true;
        }
    }
    return false;
}

static void on_target(void *ctx, const char *upstream, const char *folder, bool is_constant)
{
    struct attempt *attempt = ctx;
    if (strcmp(upstream, attempt->upstream->name) != 0) {
        return;
    }
    if (!is_constant || imap_special_is_named(bytes_of(folder))) {
        size_t i;
        json_t *known;
        json_array_foreach(attempt->by_mail, i, known)
        {
            if (strcmp(json_string_value(known), folder) == 0) {
                return;
            }
        }
        json_array_append_new(attempt->by_mail, json_string(folder));
    } else if (!is_known(attempt, folder)) {
        struct imapc_names *names = &attempt->names;
        if (names->check_count == attempt->room) {
            attempt->room = attempt->room == 0 ? 16 : attempt->room * 2;
            names->checks = expect_memory(realloc(names->checks, attempt->room * sizeof *names->checks));
        }
        names->checks[names->check_count++] = (struct imapc_check){.folder = folder};
    }
}

/* ---- what the server says ---- */

static json_t *capabilities_of(const struct imap_capabilities *capabilities)
{
    json_t *list = json_array();
    for (unsigned bit = 0; bit < 32; bit++) {
        if (capabilities->has & (UINT32_C(1) << bit)) {
            json_array_append_new(list, json_string(imap_capability_name((enum imap_capability)(UINT32_C(1) << bit))));
        }
    }
    return list;
}

static json_t *tls_of(const struct attempt *attempt, const struct upstream_report *report)
{
    json_t *tls = json_pack("{s:s,s:s,s:s?}", "version", report->tls_version, "cipher", report->tls_cipher, "peer",
                            report->tls_peer);
    if (report->certificate_expires != 0) {
        char until[25];
        int64_t left = report->certificate_expires - net_wall(attempt->loop) / 1000;
        log_time(report->certificate_expires * 1000, until);
        json_object_set_new(tls, "certificate_expires", json_string(until));
        json_object_set_new(tls, "certificate_days", json_integer(left / DAY_S));
    }
    return tls;
}

static json_t *namespaces_of(const struct imap_namespaces *namespaces)
{
    json_t *list = json_array();
    for (size_t i = 0; i < namespaces->count; i++) {
        const struct imap_namespace *space = &namespaces->items[i];
        const char delimiter[2] = {space->delimiter, '\0'};
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:b}", "prefix", space->prefix, "delimiter", delimiter, "own", i == 0));
    }
    return list;
}

/* A limit of 0 tells nothing, see note_of(). */
static bool is_full(const struct imapc_quota *quota)
{
    return quota->known && quota->limit > 0 && quota->used >= quota->limit;
}

static const char *note_of(const struct imapc_check *check)
{
    bool zero =
        (check->octets.known && check->octets.limit == 0) || (check->messages.known && check->messages.limit == 0);
    return zero ? "the server reports a quota of 0: on most servers that means no quota (Stalwart, Mailu), on Cyrus "
                  "that nothing more fits; only an APPEND shows which (--probe)"
                : NULL;
}

/* Why no message would go into the folder, and what to do; NULL: nothing is known against it. */
static const char *problem_of(const struct imapc_check *check)
{
    bool full = is_full(&check->octets) || is_full(&check->messages);
    if (check->rights[0] != '\0' && !check->missing && strchr(check->rights, 'i') == NULL) {
        return "the account may not insert messages: grant it the right \"i\"";
    }
    /* RFC 4314 section 2.1.1: an older server says "c" for what is "k" now. */
    if (check->rights[0] != '\0' && check->missing && strpbrk(check->rights, "kc") == NULL) {
        return "the folder does not exist, and the account may not create it: create it, or grant the account the "
               "right \"k\" on the folder above";
    }
    return full ? "the quota is used up: make room, or raise the quota" : NULL;
}

static void set_quota(json_t *folder, const char *name, const struct imapc_quota *quota)
{
    if (quota->known) {
        json_object_set_new(folder, name,
                            json_pack("{s:I,s:I}", "used", (json_int_t)quota->used, "limit", (json_int_t)quota->limit));
    }
}

static json_t *folder_of(const struct imapc_check *check, bool *good)
{
    const char *problem = problem_of(check), *note = note_of(check);
    json_t *folder = json_pack("{s:s,s:b}", "folder", check->folder, "there", !check->missing);
    if (check->rights[0] != '\0') {
        json_object_set_new(folder, "rights", json_string(check->rights));
    }
    set_quota(folder, "quota_octets", &check->octets);
    set_quota(folder, "quota_messages", &check->messages);
    if (check->refusal[0] != '\0') {
        json_object_set_new(folder, "refusal", json_string(check->refusal));
    }
    if (note != NULL) {
        json_object_set_new(folder, "note", json_string(note));
    }
    if (problem != NULL) {
        json_object_set_new(folder, "problem", json_string(problem));
        *good = false;
    }
    return folder;
}

static void set_fault(json_t *result, const struct fault *fault)
{
    json_object_set_new(result, "fault",
                        json_pack("{s:s,s:s,s:s}", "during", fault->where, "code", fault->code, "text", fault->text));
}

/* ---- names ---- */

/* The characters that the server does not take in names, and what of the configuration makes them fit. */
static json_t *naming_of(const struct attempt *attempt)
{
    const struct config_upstream *upstream = attempt->upstream;
    const char *forbidden = upstream->folders_forbidden;
    char refused[sizeof attempt->suspects / sizeof attempt->suspects[0] + 1];
    size_t count = 0;
    bool is_new = false;
    json_t *words = json_object();
    forbidden = forbidden != NULL ? forbidden : upstream_profile_forbidden(upstream_profile_at(upstream->profile));
    for (size_t i = 0; i < attempt->names.suspect_count; i++) {
        const struct imapc_suspect *suspect = &attempt->suspects[i];
        const char character[] = {suspect->character, '\0'};
        if (suspect->refused) {
            refused[count++] = suspect->character;
            is_new = is_new || strchr(forbidden, suspect->character) == NULL;
            json_object_set_new(words, character, json_string(suspect->refusal));
        }
    }
    refused[count] = '\0';
    json_t *naming = json_pack("{s:s,s:o,s:s}", "refused", refused, "words", words, "forbidden", forbidden);
    if (is_new) {
        const char *replacement = strchr(refused, '_') == NULL ? "_" : "-";
        json_object_set_new(naming, "folders",
                            json_pack("{s:s,s:s}", "forbidden", refused, "replacement", replacement));
    }
    return naming;
}

/* Only where mail brings names does it matter. */
static bool brings_names(const struct attempt *attempt)
{
    size_t i;
    json_t *folder;
    json_array_foreach(attempt->by_mail, i, folder)
    {
        if (!imap_special_is_named(bytes_of(json_string_value(folder)))) {
            return true;
        }
    }
    return false;
}

static void choose_suspects(struct attempt *attempt)
{
    for (size_t i = 0; i < sizeof SUSPECTS - 1; i++) {
        attempt->suspects[i] = (struct imapc_suspect){.character = SUSPECTS[i]};
    }
    attempt->names.suspects = attempt->suspects;
    attempt->names.suspect_count = brings_names(attempt) ? sizeof SUSPECTS - 1 : 0;
    attempt->names.may_create = attempt->probe != NULL;
}

/* ---- the probe ---- */

static void write_probe(struct attempt *attempt)
{
    uint8_t random[8];
    char date[25];
    net_random(random, sizeof random);
    snprintf(attempt->id, sizeof attempt->id, "probe-");
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(attempt->id + 6 + 2 * i, 3, "%02x", random[i]);
    }
    log_time(net_wall(attempt->loop), date);
    buf_init(&attempt->message, 4096);
    buf_printf(&attempt->message,
               MAIL_ID_FIELD
               ": %s\r\nFrom: mailweir <mailweir@localhost>\r\nSubject: mailweir upstreams --probe, %s\r\n"
               "Message-ID: <%s@mailweir.invalid>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
               "mailweir filed this message to test whether mail can be filed here, and removes it at once.\r\nIf it "
               "is still here, you may delete it.\r\n",
               attempt->id, date, attempt->id);
}

/* Sessions that break in optional questions. */
#define BROKEN_MAX 6

static void note_broken(struct attempt *attempt, const struct fault *fault)
{
    json_object_set_new(attempt->result, "note",
                        json_sprintf("the connection broke during %s (%s): mail is filed without that question",
                                     fault->where, fault->text));
}

static void on_probed(void *ctx, const struct upstream_probe_report *report);

/*
 * Whether the session broke in what is asked of the folder before a message is sent (Cyrus 3.6 answers for a MAILBOXID
 * with octets of freed memory now and then): the next session asks for less, as delivery would.
 */
static bool probes_again(struct attempt *attempt, const struct upstream_probe_report *report)
{
    const struct fault *fault = report->fault;
    if (fault == NULL || report->filed || report->found || strcmp(fault->where, "status") != 0 ||
        strcmp(fault->code, "protocol") != 0 || ++attempt->broken >= BROKEN_MAX) {
        return false;
    }
    note_broken(attempt, fault);
    upstream_pool_probe(attempt->pool, attempt->probe, attempt->id, buf_bytes(&attempt->message), on_probed, attempt);
    upstream_pool_try_now(attempt->pool);
    return true;
}

static void on_probed(void *ctx, const struct upstream_probe_report *report)
{
    struct attempt *attempt = ctx;
    if (probes_again(attempt, report)) {
        return;
    }
    json_t *probe = json_pack("{s:s,s:s,s:b,s:b,s:b}", "folder", attempt->probe, "id", attempt->id, "filed",
                              report->filed, "found", report->found, "removed", report->removed);
    if (report->found) {
        json_object_set_new(probe, "uid", json_integer(report->uid));
    }
    if (report->fault != NULL) {
        set_fault(probe, report->fault);
        json_object_set_new(attempt->result, "good", json_false());
    }
    json_object_set_new(attempt->result, "probe", probe);
    net_loop_stop(attempt->loop);
}

/* ---- one address ---- */

static void on_report(void *ctx, const struct upstream_report *report);

static void tell_server(struct attempt *attempt, const struct upstream_report *report)
{
    json_t *result = attempt->result;
    json_object_set_new(result, "peer", json_string(report->peer));
    if (report->tls_version != NULL) {
        json_object_set_new(result, "tls", tls_of(attempt, report));
    }
    json_object_set_new(result, "capabilities", capabilities_of(report->capabilities));
    if (report->capabilities->append_limit > 0) {
        json_object_set_new(result, "append_limit", json_integer((json_int_t)report->capabilities->append_limit));
    }
    json_object_set_new(result, "namespaces", namespaces_of(report->namespaces));
    if (attempt->names.suspect_count > 0) {
        json_object_set_new(result, "names", naming_of(attempt));
    }
}

/*
 * Whether the session broke in a question that delivery leaves out when that has happened twice: then it is tried
 * again, as delivery would, and that is noted.
 */
static bool tries_again(struct attempt *attempt, const struct fault *fault)
{
    static const char *const questions[] = {"id",   "compress", "enable",      "namespace",
                                            "list", "myrights", "getquotaroot"};
    bool is_optional = false;
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        is_optional = is_optional || strcmp(fault->where, questions[i]) == 0;
    }
    if (!is_optional || fault->class != FAULT_TEMP || ++attempt->broken >= BROKEN_MAX) {
        return false;
    }
    note_broken(attempt, fault);
    buf_clear(&attempt->names.list);
    attempt->names.count = 0;
    for (size_t i = 0; i < attempt->names.check_count; i++) {
        attempt->names.checks[i].rights_asked = attempt->names.checks[i].quota_asked = false;
    }
    upstream_pool_try(attempt->pool, &attempt->names, on_report, attempt);
    upstream_pool_try_now(attempt->pool);
    return true;
}

static void on_report(void *ctx, const struct upstream_report *report)
{
    struct attempt *attempt = ctx;
    if (report->fault != NULL && tries_again(attempt, report->fault)) {
        return;
    }
    bool good = report->fault == NULL;
    json_t *folders = json_array();
    if (report->fault != NULL) {
        set_fault(attempt->result, report->fault);
    } else {
        tell_server(attempt, report);
        for (size_t i = 0; i < attempt->names.check_count; i++) {
            json_array_append_new(folders, folder_of(&attempt->names.checks[i], &good));
        }
    }
    json_object_set_new(attempt->result, "folders", folders);
    json_object_set_new(attempt->result, "good", json_boolean(good));
    if (report->fault == NULL && attempt->probe != NULL) {
        write_probe(attempt);
        upstream_pool_probe(attempt->pool, attempt->probe, attempt->id, buf_bytes(&attempt->message), on_probed,
                            attempt);
    } else {
        net_loop_stop(attempt->loop);
    }
}

static void on_drained(void *ctx)
{
    struct attempt *attempt = ctx;
    net_loop_stop(attempt->loop);
}

static void try_place(struct attempt *attempt, const struct upstream_account *account, size_t place)
{
    struct upstream_account one = *account;
    one.places[0] = account->places[place];
    one.place_count = 1;
    attempt->pool = upstream_pool_new(attempt->loop, &one, NULL);
    upstream_pool_try(attempt->pool, &attempt->names, on_report, attempt);
    net_loop_run(attempt->loop);
    upstream_pool_drain(attempt->pool, GOODBYE_MS, on_drained, attempt);
    net_loop_run(attempt->loop);
    upstream_pool_free(&attempt->pool);
}

size_t cli_upstreams_places(const struct config_upstream *upstream)
{
    return 1 + upstream->standby.count;
}

static void keep_folders(const struct attempt *attempt, struct cli_upstreams_folders *folders)
{
    size_t size = (folders->count + attempt->names.count + 1) * sizeof *folders->items;
    folders->items = expect_memory(realloc(folders->items, size));
    struct bytes rest = buf_bytes(&attempt->names.list);
    while (rest.len > 0) {
        struct bytes name = bytes_cut(&rest, '\0');
        folders->items[folders->count++] = (struct filters_folder){
            .upstream = attempt->upstream->name, .folder = expect_memory(arena_copy(folders->arena, name))};
    }
}

json_t *cli_upstreams_try(const struct config *config, const struct config_upstream *upstream, size_t place,
                          const char *probe, struct cli_upstreams_folders *folders)
{
    struct attempt attempt = {.loop = net_loop_new(), .upstream = upstream, .by_mail = json_array(), .probe = probe};
    struct upstream_account account;
    struct fault fault = FAULT_INIT;
    attempt.result = json_pack("{s:s,s:s?,s:I,s:b}", "upstream", upstream->name, "username", upstream->username,
                               "standby", (json_int_t)place, "good", false);
    buf_init(&attempt.names.list, NAMES_MAX);
    filters_each_target(config->rule_set, on_target, &attempt);
    choose_suspects(&attempt);
    if (config_upstream_account(upstream, &account, &fault) < 0) {
        set_fault(attempt.result, &fault);
    } else {
        const struct net_address *address = &account.places[place].address;
        json_object_set_new(attempt.result, "address", json_string(address->host));
        json_object_set_new(attempt.result, "port", json_integer(address->port));
        try_place(&attempt, &account, place);
        upstream_account_release(&account);
    }
    if (folders != NULL && attempt.names.complete) {
        keep_folders(&attempt, folders);
    }
    json_object_set_new(attempt.result, "folders_listed", json_boolean(attempt.names.complete));
    json_object_set_new(attempt.result, "folders_by_mail", attempt.by_mail);
    net_loop_free(&attempt.loop);
    buf_done(&attempt.names.list);
    buf_done(&attempt.message);
    free(attempt.names.checks);
    return attempt.result;
}

void cli_upstreams_folders_init(struct cli_upstreams_folders *folders)
{
    *folders = (struct cli_upstreams_folders){.arena = arena_new(ARENA_MAX)};
}

void cli_upstreams_folders_done(struct cli_upstreams_folders *folders)
{
    free(folders->items);
    arena_free(&folders->arena);
}

/* ---- for people ---- */

static void print_tls(const json_t *tls)
{
    if (tls == NULL) {
        printf("  tls            none\n");
        return;
    }
    const char *peer = document_member_text(tls, "peer");
    printf("  tls            %s, %s, %s\n", document_member_text(tls, "version"), document_member_text(tls, "cipher"),
           peer[0] != '\0' ? peer : "no certificate");
    if (json_object_get(tls, "certificate_days") != NULL) {
        printf("  certificate    good for %" PRId64 " days, until %.10s\n",
               (int64_t)json_integer_value(json_object_get(tls, "certificate_days")),
               document_member_text(tls, "certificate_expires"));
    }
}

static void print_quota(const json_t *folder, const char *name, uint64_t unit, const char *words)
{
    const json_t *quota = json_object_get(folder, name);
    if (quota != NULL) {
        uint64_t used = (uint64_t)json_integer_value(json_object_get(quota, "used"));
        uint64_t limit = (uint64_t)json_integer_value(json_object_get(quota, "limit"));
        if (limit == 0) {
            printf(", %" PRIu64 " %s used, limit 0", used / unit, words);
        } else {
            printf(", %" PRIu64 " of %" PRIu64 " %s used (%" PRIu64 " %%)", used / unit, limit / unit, words,
                   (uint64_t)((double)used * 100 / (double)limit));
        }
    }
}

static void print_folder(const json_t *folder)
{
    const char *rights = document_member_text(folder, "rights"), *refusal = document_member_text(folder, "refusal");
    const char *problem = document_member_text(folder, "problem"), *note = document_member_text(folder, "note");
    bool there = json_is_true(json_object_get(folder, "there"));
    printf("  folder         %s: %s", document_member_text(folder, "folder"),
           there ? "there" : "does not exist, would be created");
    if (rights[0] != '\0') {
        printf(", rights \"%s\"%s", rights, there ? "" : " above it");
    }
    print_quota(folder, "quota_octets", 1024, "KiB");
    print_quota(folder, "quota_messages", 1, "messages");
    if (refusal[0] != '\0') {
        printf(", the server said: %s", refusal);
    }
    putchar('\n');
    if (note[0] != '\0') {
        printf("  note           %s: %s\n", document_member_text(folder, "folder"), note);
    }
    if (problem[0] != '\0') {
        printf("  FAILED         %s: %s\n", document_member_text(folder, "folder"), problem);
    }
}

static void print_names(const json_t *tried)
{
    const json_t *names = json_object_get(tried, "names"), *folders = json_object_get(names, "folders");
    const char *refused = document_member_text(names, "refused"), *character;
    json_t *words;
    if (names != NULL && refused[0] == '\0') {
        printf("  names          the server takes every character that some servers refuse\n");
    }
    json_object_foreach(json_object_get(names, "words"), character, words)
    {
        printf("  names          \"%s\" is refused: %s\n", character, json_string_value(words));
    }
    if (folders != NULL) {
        char *key = json_dumps(folders, 0);
        printf("  PROPOSED       \"folders\": %s in this upstream, so that each such name from mail gets a folder of "
               "its own\n",
               key);
        free(key);
    } else if (refused[0] != '\0') {
        printf("  names          every such character in names from mail is replaced (\"folders\", or the profile)\n");
    }
}

static const char *probe_words(const json_t *probe)
{
    return json_is_true(json_object_get(probe, "removed")) ? "filed, found by its id and removed"
           : json_is_true(json_object_get(probe, "found")) ? "filed and found by its id, but not removed"
           : json_is_true(json_object_get(probe, "filed")) ? "filed"
                                                           : "not filed";
}

static void print_probe(const json_t *tried)
{
    const json_t *probe = json_object_get(tried, "probe"), *fault = json_object_get(probe, "fault");
    if (probe != NULL) {
        printf("  probe          %s: %s (%s)\n", document_member_text(probe, "folder"), probe_words(probe),
               document_member_text(probe, "id"));
    }
    if (fault != NULL) {
        printf("  FAILED         probe during %s: %s (%s)\n", document_member_text(fault, "during"),
               document_member_text(fault, "text"), document_member_text(fault, "code"));
    }
}

static void print_server(const json_t *tried)
{
    size_t i;
    json_t *item;
    printf("  connected      %s\n", document_member_text(tried, "peer"));
    print_tls(json_object_get(tried, "tls"));
    printf("  logged in      yes\n  capabilities  ");
    json_array_foreach(json_object_get(tried, "capabilities"), i, item)
    {
        printf(" %s", json_string_value(item));
    }
    if (json_object_get(tried, "append_limit") != NULL) {
        printf(" (%" PRId64 " octets)", (int64_t)json_integer_value(json_object_get(tried, "append_limit")));
    }
    putchar('\n');
    json_array_foreach(json_object_get(tried, "namespaces"), i, item)
    {
        printf("  namespace      prefix \"%s\", levels by \"%s\"%s\n", document_member_text(item, "prefix"),
               document_member_text(item, "delimiter"), i == 0 ? ", ours" : "");
    }
    json_array_foreach(json_object_get(tried, "folders"), i, item)
    {
        print_folder(item);
    }
    json_array_foreach(json_object_get(tried, "folders_by_mail"), i, item)
    {
        printf("  folder         %s: known only when a message arrives\n", json_string_value(item));
    }
    print_names(tried);
    if (json_object_get(tried, "note") != NULL) {
        printf("  note           %s\n", document_member_text(tried, "note"));
    }
    print_probe(tried);
}

static void print_problem(FILE *out, const json_t *tried, const char *what, const char *words, const char *code)
{
    const int64_t standby = json_integer_value(json_object_get(tried, "standby"));
    fprintf(out, "%s: %s%s: %s%s%s%s\n", document_member_text(tried, "upstream"), standby > 0 ? "standby " : "", what,
            words, code != NULL ? " (" : "", code != NULL ? code : "", code != NULL ? ")" : "");
}

void cli_upstreams_print_problems(const json_t *tried, FILE *out)
{
    const json_t *fault = json_object_get(tried, "fault");
    char during[64];
    size_t i;
    json_t *folder;
    cli_api_clean((json_t *)(uintptr_t)tried);
    if (fault != NULL) {
        snprintf(during, sizeof during, "during %s", document_member_text(fault, "during"));
        print_problem(out, tried, during, document_member_text(fault, "text"), document_member_text(fault, "code"));
    }
    json_array_foreach(json_object_get(tried, "folders"), i, folder)
    {
        if (json_object_get(folder, "problem") != NULL) {
            print_problem(out, tried, document_member_text(folder, "folder"), document_member_text(folder, "problem"),
                          NULL);
        }
    }
    if (fault == NULL && !json_is_true(json_object_get(tried, "folders_listed"))) {
        print_problem(out, tried, "note", "the server does not list all of its folders, so none is checked", NULL);
    }
}

void cli_upstreams_print(const json_t *tried)
{
    cli_api_clean((json_t *)(uintptr_t)tried);
    int64_t standby = json_integer_value(json_object_get(tried, "standby"));
    const json_t *fault = json_object_get(tried, "fault");
    printf("%s: %s:%" PRId64 " as %s%s\n", document_member_text(tried, "upstream"),
           document_member_text(tried, "address"), (int64_t)json_integer_value(json_object_get(tried, "port")),
           document_member_text(tried, "username"), standby > 0 ? ", standby" : "");
    if (fault != NULL) {
        printf("  FAILED         during %s: %s (%s)\n", document_member_text(fault, "during"),
               document_member_text(fault, "text"), document_member_text(fault, "code"));
    } else {
        print_server(tried);
    }
    fflush(stdout);
}

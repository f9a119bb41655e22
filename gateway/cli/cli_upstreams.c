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
#include "net/net_loop.h"
#include "proto/imap_special.h"

/* A pool is given so long to say goodbye. */
#define GOODBYE_MS 3000
#define NAMES_MAX  (4u << 20) /* octets of the names of one upstream */
#define DAY_S      INT64_C(86400)

struct attempt {
    struct net_loop *loop;
    const char *upstream;
    struct imapc_names names;
    size_t room;     /* of names.checks */
    json_t *by_mail; /* folders that only a message tells */
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
    if (strcmp(upstream, attempt->upstream) != 0) {
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

static json_t *tls_of(const struct attempt *attempt, const struct imapc_report *report)
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

/* Why no message would go into the folder, and what to do; NULL: nothing is known against it. */
static const char *problem_of(const struct imapc_check *check)
{
    bool full = (check->octets.known && check->octets.used >= check->octets.limit) ||
                (check->messages.known && check->messages.used >= check->messages.limit);
    if (check->rights[0] != '\0' && !check->missing && strchr(check->rights, 'i') == NULL) {
        return "the account may not insert messages: have it granted the right \"i\"";
    }
    /* RFC 4314 section 2.1.1: an older server says "c" for what is "k" now. */
    if (check->rights[0] != '\0' && check->missing && strpbrk(check->rights, "kc") == NULL) {
        return "it is not there, and the account may not make it: make it, or have it granted the right \"k\" above it";
    }
    return full ? "its quota is used up: make room, or have it raised" : NULL;
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
    const char *problem = problem_of(check);
    json_t *folder = json_pack("{s:s,s:b}", "folder", check->folder, "there", !check->missing);
    if (check->rights[0] != '\0') {
        json_object_set_new(folder, "rights", json_string(check->rights));
    }
    set_quota(folder, "quota_octets", &check->octets);
    set_quota(folder, "quota_messages", &check->messages);
    if (check->refusal[0] != '\0') {
        json_object_set_new(folder, "refusal", json_string(check->refusal));
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

static void on_report(void *ctx, const struct imapc_report *report)
{
    struct attempt *attempt = ctx;
    bool good = report->fault == NULL;
    json_t *result = attempt->result, *folders = json_array();
    if (report->fault != NULL) {
        set_fault(result, report->fault);
    } else {
        json_object_set_new(result, "peer", json_string(report->peer));
        if (report->tls_version != NULL) {
            json_object_set_new(result, "tls", tls_of(attempt, report));
        }
        json_object_set_new(result, "capabilities", capabilities_of(report->capabilities));
        if (report->capabilities->append_limit > 0) {
            json_object_set_new(result, "append_limit", json_integer((json_int_t)report->capabilities->append_limit));
        }
        json_object_set_new(result, "namespaces", namespaces_of(report->namespaces));
        for (size_t i = 0; i < attempt->names.check_count; i++) {
            json_array_append_new(folders, folder_of(&attempt->names.checks[i], &good));
        }
    }
    json_object_set_new(result, "folders", folders);
    json_object_set_new(result, "good", json_boolean(good));
    net_loop_stop(attempt->loop);
}

static void on_drained(void *ctx)
{
    struct attempt *attempt = ctx;
    net_loop_stop(attempt->loop);
}

/* ---- one address ---- */

static void try_place(struct attempt *attempt, const struct imapc_account *account, size_t place)
{
    struct imapc_account one = *account;
    one.places[0] = account->places[place];
    one.place_count = 1;
    struct imapc_pool *pool = imapc_pool_new(attempt->loop, &one, NULL);
    imapc_pool_try(pool, &attempt->names, on_report, attempt);
    net_loop_run(attempt->loop);
    imapc_pool_drain(pool, GOODBYE_MS, on_drained, attempt);
    net_loop_run(attempt->loop);
    imapc_pool_free(&pool);
}

size_t cli_upstreams_places(const struct config_upstream *upstream)
{
    return 1 + upstream->standby.count;
}

json_t *cli_upstreams_try(const struct config *config, const struct config_upstream *upstream, size_t place)
{
    struct attempt attempt = {.loop = net_loop_new(), .upstream = upstream->name, .by_mail = json_array()};
    struct imapc_account account;
    struct fault fault = FAULT_INIT;
    attempt.result = json_pack("{s:s,s:s?,s:I,s:b}", "upstream", upstream->name, "username", upstream->username,
                               "standby", (json_int_t)place, "good", false);
    buf_init(&attempt.names.list, NAMES_MAX);
    filters_each_target(config->rule_set, on_target, &attempt);
    if (config_upstream_account(upstream, &account, &fault) < 0) {
        set_fault(attempt.result, &fault);
    } else {
        const struct net_address *address = &account.places[place].address;
        json_object_set_new(attempt.result, "address", json_string(address->host));
        json_object_set_new(attempt.result, "port", json_integer(address->port));
        try_place(&attempt, &account, place);
        imapc_account_release(&account);
    }
    json_object_set_new(attempt.result, "folders_by_mail", attempt.by_mail);
    net_loop_free(&attempt.loop);
    buf_done(&attempt.names.list);
    free(attempt.names.checks);
    return attempt.result;
}

/* ---- for people ---- */

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value == NULL ? "" : value;
}

static void print_tls(const json_t *tls)
{
    if (tls == NULL) {
        printf("  tls            none\n");
        return;
    }
    const char *peer = text(tls, "peer");
    printf("  tls            %s, %s, %s\n", text(tls, "version"), text(tls, "cipher"),
           peer[0] != '\0' ? peer : "no certificate");
    if (json_object_get(tls, "certificate_days") != NULL) {
        printf("  certificate    good for %" PRId64 " days, until %.10s\n",
               (int64_t)json_integer_value(json_object_get(tls, "certificate_days")), text(tls, "certificate_expires"));
    }
}

static void print_quota(const json_t *folder, const char *name, uint64_t unit, const char *words)
{
    const json_t *quota = json_object_get(folder, name);
    if (quota != NULL) {
        uint64_t used = (uint64_t)json_integer_value(json_object_get(quota, "used"));
        uint64_t limit = (uint64_t)json_integer_value(json_object_get(quota, "limit"));
        printf(", %" PRIu64 " of %" PRIu64 " %s used (%" PRIu64 " %%)", used / unit, limit / unit, words,
               limit == 0 ? 100 : (uint64_t)((double)used * 100 / (double)limit));
    }
}

static void print_folder(const json_t *folder)
{
    const char *rights = text(folder, "rights"), *refusal = text(folder, "refusal"), *problem = text(folder, "problem");
    bool there = json_is_true(json_object_get(folder, "there"));
    printf("  folder         %s: %s", text(folder, "folder"), there ? "there" : "not there, would be made");
    if (rights[0] != '\0') {
        printf(", rights \"%s\"%s", rights, there ? "" : " above it");
    }
    print_quota(folder, "quota_octets", 1024, "KiB");
    print_quota(folder, "quota_messages", 1, "messages");
    if (refusal[0] != '\0') {
        printf(", the server said: %s", refusal);
    }
    putchar('\n');
    if (problem[0] != '\0') {
        printf("  FAILED         %s: %s\n", text(folder, "folder"), problem);
    }
}

static void print_server(const json_t *tried)
{
    size_t i;
    json_t *item;
    printf("  connected      %s\n", text(tried, "peer"));
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
        printf("  namespace      prefix \"%s\", levels by \"%s\"%s\n", text(item, "prefix"), text(item, "delimiter"),
               i == 0 ? ", ours" : "");
    }
    json_array_foreach(json_object_get(tried, "folders"), i, item)
    {
        print_folder(item);
    }
    json_array_foreach(json_object_get(tried, "folders_by_mail"), i, item)
    {
        printf("  folder         %s: known only when a message comes\n", json_string_value(item));
    }
}

void cli_upstreams_print(const json_t *tried)
{
    cli_api_clean((json_t *)(uintptr_t)tried);
    int64_t standby = json_integer_value(json_object_get(tried, "standby"));
    const json_t *fault = json_object_get(tried, "fault");
    printf("%s: %s:%" PRId64 " as %s%s\n", text(tried, "upstream"), text(tried, "address"),
           (int64_t)json_integer_value(json_object_get(tried, "port")), text(tried, "username"),
           standby > 0 ? ", standby" : "");
    if (fault != NULL) {
        printf("  FAILED         during %s: %s (%s)\n", text(fault, "during"), text(fault, "text"),
               text(fault, "code"));
    } else {
        print_server(tried);
    }
    fflush(stdout);
}

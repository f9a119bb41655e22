/*
 * dispatch_pace - what of an upstream's pace outlives a restart: octets of the day, pauses that the server asked for,
 * since when it is down, and the mechanism that its login is pinned to. It stands in the spool as the upstream's memo
 * (spool_memo.h), as JSON. Where several nodes share a queue, each heeds what another keeps as soon as it hears of it:
 * a pause, or a password that was refused, is the account's. Of the octets of the day each goes on from the most that
 * any has kept: what two send in the same moment counts once. Times in it are the store's, because nodes' clocks
 * differ.
 *
 * The octets are the account's: they are forgotten with another user name. A refused password is tried again at once
 * when the address or anything that is logged in with has changed. To know that, the memo holds 16 bits of a salted
 * digest: a changed password passes for the same once in 65,536 times, and whoever reads the spool learns next to
 * nothing of it.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "dispatch/dispatch_private.h"
#include "document/document_member.h"
#include "net/net_hash.h"
#include "spool/spool_memo.h"
#include "spool/spool_node.h"

static void add_value(struct buf *text, const char *value)
{
    buf_append_bytes(text, bytes_of(value != NULL ? value : ""));
    buf_append_bytes(text, bytes_at("", 1));
}

/* What is logged in with, and where, as 16 bits. */
static unsigned print_of(const struct dispatch_upstream *upstream, const char *salt)
{
    const struct config_upstream *config = upstream->config;
    char numbers[96];
    snprintf(numbers, sizeof numbers, "%u %llu %llu", (unsigned)config->address.port,
             (unsigned long long)config->mechanism, (unsigned long long)upstream->files);
    struct buf text;
    uint8_t digest[NET_HASH_MAX];
    buf_init(&text, 65536);
    add_value(&text, salt);
    add_value(&text, config->address.host);
    add_value(&text, numbers);
    add_value(&text, config->username);
    add_value(&text, config->password);
    for (size_t i = 0; i < config->standby.count; i++) {
        add_value(&text, config->standby.items[i]);
    }
    net_hash_digest(NET_HASH_SHA_256, buf_bytes(&text), digest);
    buf_done(&text);
    return (unsigned)digest[0] << 8 | digest[1];
}

/* A time of this machine's clock as the memo has it, and back; 0 stays 0. */
static json_t *stored_time(const struct dispatch_upstream *upstream, int64_t ms)
{
    return json_integer(ms == 0 ? 0 : ms + spool_node_skew(upstream->dispatch->spool));
}

static int64_t own_time(const struct dispatch_upstream *upstream, const json_t *memo, const char *name)
{
    int64_t ms = document_member_number(memo, name);
    return ms == 0 ? 0 : ms - spool_node_skew(upstream->dispatch->spool);
}

/* ---- keeping ---- */

static json_t *pause_of(const struct dispatch_upstream *upstream, const struct upstream_pace *pace)
{
    json_t *words = json_string(pace->fault.text);
    return json_pack("{s:o,s:I,s:I,s:b,s:s,s:s,s:o,s:s,s:I}", "until", stored_time(upstream, pace->not_before_ms),
                     "for", (json_int_t)pace->pause_ms, "failures", (json_int_t)pace->failures, "login", pace->login,
                     "code", pace->fault.code, "where", pace->fault.where, "text",
                     words != NULL ? words : json_string("?"), "salt", upstream->kept_salt, "print",
                     (json_int_t)upstream->kept_print);
}

void dispatch_pace_keep(struct dispatch_upstream *upstream)
{
    struct upstream_pace pace;
    if (upstream->pool == NULL) {
        return;
    }
    upstream_pool_pace(upstream->pool, &pace);
    if (memcmp(&pace, &upstream->kept, sizeof pace) == 0 && upstream->down_since == upstream->kept_down_since &&
        upstream->full_since == upstream->kept_full_since) {
        return;
    }
    upstream->kept = pace;
    upstream->kept_down_since = upstream->down_since;
    upstream->kept_full_since = upstream->full_since;
    json_t *memo = json_pack("{s:s,s:o,s:I}", "username", upstream->kept_user, "day_began",
                             stored_time(upstream, pace.day_began_ms), "day_octets", (json_int_t)pace.day_octets);
    if (upstream->down_since != 0) {
        json_object_set_new(memo, "down_since", stored_time(upstream, upstream->down_since));
    }
    if (upstream->full_since != 0) {
        json_object_set_new(memo, "full_since", stored_time(upstream, upstream->full_since));
    }
    if (pace.mechanism != IMAPC_AUTH_AUTO) {
        json_object_set_new(memo, "login",
                            json_pack("{s:i,s:s,s:I}", "mechanism", (int)pace.mechanism, "salt", upstream->kept_salt,
                                      "print", (json_int_t)upstream->kept_print));
    }
    if (pace.not_before_ms != 0) {
        json_object_set_new(memo, "pause", pause_of(upstream, &pace));
    }
    char *text = expect_memory(json_dumps(memo, JSON_COMPACT));
    json_decref(memo);
    spool_memo_set(upstream->dispatch->spool, upstream->config->name, text);
    free(text);
}

/* ---- finding again ---- */

/* Whether what was kept is of the same login: where, and with what. */
static bool is_same_login(const struct dispatch_upstream *upstream, const json_t *kept)
{
    json_int_t print = document_member_number(kept, "print");
    return print == (json_int_t)print_of(upstream, document_member_text(kept, "salt"));
}

static void read_pause(const struct dispatch_upstream *upstream, const json_t *pause, struct upstream_pace *pace)
{
    bool login = json_is_true(json_object_get(pause, "login"));
    if (login && !is_same_login(upstream, pause)) {
        return;
    }
    pace->not_before_ms = own_time(upstream, pause, "until");
    pace->pause_ms = document_member_number(pause, "for");
    pace->failures = (unsigned)document_member_number(pause, "failures");
    pace->login = login;
    fault_set(&pace->fault, FAULT_TEMP, document_member_text(pause, "code"), document_member_text(pause, "where"), "%s",
              document_member_text(pause, "text"));
}

static bool is_of_user(const struct dispatch_upstream *upstream, const json_t *memo)
{
    return strcmp(document_member_text(memo, "username"), upstream->kept_user) == 0;
}

static void read_pace(const struct dispatch_upstream *upstream, const json_t *memo, struct upstream_pace *pace)
{
    pace->day_began_ms = own_time(upstream, memo, "day_began");
    pace->day_octets = (uint64_t)document_member_number(memo, "day_octets");
    const json_t *pause = json_object_get(memo, "pause");
    if (pause != NULL) {
        read_pause(upstream, pause, pace);
    }
    const json_t *login = json_object_get(memo, "login");
    if (login != NULL && is_same_login(upstream, login)) {
        pace->mechanism = (enum imapc_mechanism)document_member_number(login, "mechanism");
    }
}

/* said: the event; note: whom the server told, and what an operator can do. */
static void take_pause(struct dispatch_upstream *upstream, const struct upstream_pace *pace, const char *said,
                       const char *note)
{
    char until[25];
    log_time(pace->not_before_ms, until);
    log_event(upstream->dispatch->log, LOG_LEVEL_WARNING, said, LOG_STR("upstream", upstream->config->name),
              LOG_STR("until", until), LOG_STR("during", pace->fault.where), LOG_STR("error.code", pace->fault.code),
              LOG_STR("error.message", pace->fault.text), LOG_STR("note", note));
    upstream->failures = pace->failures > 0 ? pace->failures : 1;
    upstream->last_fault = pace->fault;
    upstream->last_fault_ms = net_wall(upstream->dispatch->loop);
    dispatch_pause(upstream, pace->not_before_ms);
}

/* Notes whose pace it is from now on. */
static void note_user(struct dispatch_upstream *upstream)
{
    const char *username = upstream->config->username;
    uint64_t random;
    net_random(&random, sizeof random);
    snprintf(upstream->kept_salt, sizeof upstream->kept_salt, "%016llx", (unsigned long long)random);
    free(upstream->kept_user);
    upstream->kept_user = expect_strdup(username != NULL ? username : "");
    upstream->kept_print = print_of(upstream, upstream->kept_salt);
    upstream->kept = (struct upstream_pace){0};
}

void dispatch_pace_find(struct dispatch_upstream *upstream)
{
    note_user(upstream);
    const char *text = spool_memo(upstream->dispatch->spool, upstream->config->name);
    json_t *memo = text != NULL ? json_loads(text, 0, NULL) : NULL;
    struct upstream_pace pace = {0};
    if (memo != NULL && is_of_user(upstream, memo)) {
        upstream->down_since = upstream->kept_down_since = own_time(upstream, memo, "down_since");
        upstream->full_since = upstream->kept_full_since = own_time(upstream, memo, "full_since");
        read_pace(upstream, memo, &pace);
        upstream_pool_set_pace(upstream->pool, &pace);
        upstream_pool_pace(upstream->pool, &upstream->kept);
    }
    json_decref(memo);
    if (upstream->kept.not_before_ms != 0) {
        take_pause(
            upstream, &upstream->kept, "upstream_still_paused",
            "the upstream was failing before the gateway started; \"mailweir queue resume UPSTREAM\" tries at once");
    }
}

/* ---- hearing of another node's ---- */

/* Two clocks that are set by the same time may differ by so much. */
#define CLOCKS_DIFFER_MS 2000

/* What theirs says beyond ours: a later end of a pause, more octets of the day, a mechanism where we have none. What
 * ends a pause is time, or an operator: that another node has none says nothing. */
static bool add_theirs(const struct upstream_pace *ours, const struct upstream_pace *theirs,
                       struct upstream_pace *more_r)
{
    bool is_later = theirs->not_before_ms > ours->not_before_ms + CLOCKS_DIFFER_MS;
    bool is_more = theirs->day_octets > ours->day_octets;
    bool is_first = ours->mechanism == IMAPC_AUTH_AUTO && theirs->mechanism != IMAPC_AUTH_AUTO;
    *more_r = is_later ? *theirs : (struct upstream_pace){0};
    more_r->mechanism = is_first ? theirs->mechanism : IMAPC_AUTH_AUTO;
    more_r->day_began_ms = is_more ? theirs->day_began_ms : 0;
    more_r->day_octets = is_more ? theirs->day_octets : 0;
    return is_later || is_more || is_first;
}

/* Both know it for down, or full: since the earlier of the two. */
static int64_t earlier_of(int64_t ours, int64_t theirs)
{
    return ours != 0 && theirs != 0 && theirs < ours ? theirs : ours;
}

static void hear_memo(struct dispatch_upstream *upstream, const json_t *memo)
{
    struct upstream_pace ours, theirs = {0}, more;
    upstream_pool_pace(upstream->pool, &ours);
    read_pace(upstream, memo, &theirs);
    upstream->down_since = earlier_of(upstream->down_since, own_time(upstream, memo, "down_since"));
    upstream->full_since = earlier_of(upstream->full_since, own_time(upstream, memo, "full_since"));
    if (!add_theirs(&ours, &theirs, &more)) {
        return;
    }
    upstream_pool_set_pace(upstream->pool, &more);
    upstream_pool_pace(upstream->pool, &upstream->kept);
    if (more.not_before_ms != 0 && upstream->kept.not_before_ms != 0) {
        take_pause(upstream, &upstream->kept, "upstream_paused_elsewhere",
                   "the server asked another node to wait; \"mailweir queue resume UPSTREAM\" tries at once");
    }
}

static void on_remembered(void *ctx, const char *name)
{
    struct dispatch *dispatch = ctx;
    for (size_t i = 0; i < dispatch->upstream_count; i++) {
        struct dispatch_upstream *upstream = dispatch->upstreams[i];
        if (upstream->pool == NULL || upstream->switching || strcmp(upstream->config->name, name) != 0) {
            continue;
        }
        json_t *memo = json_loads(spool_memo(dispatch->spool, name), 0, NULL);
        if (memo != NULL && is_of_user(upstream, memo)) {
            hear_memo(upstream, memo);
        }
        json_decref(memo);
    }
}

void dispatch_pace_watch(struct dispatch *dispatch)
{
    spool_memo_watch(dispatch->spool, on_remembered, dispatch);
}

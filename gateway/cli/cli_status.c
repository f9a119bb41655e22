/*
 * cli_status - see cli_status.h.
 */
#include "cli/cli_status.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "document/document_member.h"

struct paint {
    const char *good, *warn, *bad, *dim, *bold, *plain;
};
static const struct paint colours = {"\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"};
static const struct paint no_colours = {"", "", "", "", "", ""};

/* A number of `len` digits at `at`; 0 when it is something else. */
static int64_t digits(const char *value, size_t at, size_t len)
{
    uint64_t result = 0;
    disregard(bytes_to_u64(bytes_slice(bytes_of(value), at, len), &result));
    return (int64_t)result;
}

/* Milliseconds since 1970 of "2026-11-23T07:11:20.123Z", to the second. */
static int64_t moment_of(const char *value)
{
    int64_t year = digits(value, 0, 4), month = digits(value, 5, 2), day = digits(value, 8, 2);
    /* Days of the civil calendar, in years that begin in March. */
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = month <= 2 ? month + 9 : month - 3;
    int64_t days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
    return (((days * 24 + digits(value, 11, 2)) * 60 + digits(value, 14, 2)) * 60 + digits(value, 17, 2)) * 1000;
}

void cli_status_duration(char out[32], int64_t milliseconds)
{
    int64_t s = milliseconds / 1000;
    if (s >= 86400) {
        snprintf(out, 32, "%" PRId64 " d %" PRId64 " h", s / 86400, s % 86400 / 3600);
    } else if (s >= 3600) {
        snprintf(out, 32, "%" PRId64 " h %" PRId64 " min", s / 3600, s % 3600 / 60);
    } else if (s >= 60) {
        snprintf(out, 32, "%" PRId64 " min", s / 60);
    } else {
        snprintf(out, 32, "%" PRId64 " s", s < 0 ? 0 : s);
    }
}

void cli_status_since(const json_t *status, const char *time, char out[32])
{
    cli_status_duration(out, moment_of(document_member_text(status, "now")) - moment_of(time));
}

void cli_status_until(const json_t *status, const char *time, char out[32])
{
    out[0] = '\0';
    if (time[0] != '\0') {
        cli_status_duration(out, moment_of(time) - moment_of(document_member_text(status, "now")));
    }
}

/* What an operator should look at: in words, with what mends it. */
static void print_attention(FILE *out, const json_t *status, const struct paint *paint)
{
    size_t i;
    json_t *one;
    int64_t now = moment_of(document_member_text(status, "now"));
    json_array_foreach(json_object_get(status, "attention"), i, one)
    {
        const char *since = json_string_value(json_object_get(one, "since"));
        const char *command = json_string_value(json_object_get(one, "command"));
        bool notice = strcmp(document_member_text(one, "severity"), "notice") == 0;
        char span[32] = "";
        if (since != NULL) {
            cli_status_duration(span, now - moment_of(since));
        }
        fprintf(out, "  %s%s%s%s%s%s\n", notice ? paint->bold : paint->bad, document_member_text(one, "text"),
                paint->plain, since == NULL ? "" : " (began ", span, since == NULL ? "" : " ago)");
        if (command != NULL) {
            fprintf(out, "      %s%s%s\n", paint->dim, command, paint->plain);
        }
    }
}

enum cli_status_mood cli_status_mood(const json_t *status)
{
    size_t i;
    json_t *one;
    if (!json_is_true(json_object_get(status, "ready"))) {
        return CLI_STATUS_BAD;
    }
    json_array_foreach(json_object_get(status, "attention"), i, one)
    {
        if (strcmp(document_member_text(one, "severity"), "notice") != 0) {
            return CLI_STATUS_WARN;
        }
    }
    return CLI_STATUS_GOOD;
}

const char *cli_status_headline(const json_t *status)
{
    static const char *const words[] = {[CLI_STATUS_GOOD] = "takes mail",
                                        [CLI_STATUS_WARN] = "takes mail, with problems",
                                        [CLI_STATUS_BAD] = "does not take mail"};
    return json_is_true(json_object_get(status, "draining")) ? "is shutting down" : words[cli_status_mood(status)];
}

static void print_head(FILE *out, const json_t *status, const struct paint *paint)
{
    char up[32];
    const char *const colour[] = {
        [CLI_STATUS_GOOD] = paint->good, [CLI_STATUS_WARN] = paint->warn, [CLI_STATUS_BAD] = paint->bad};
    cli_status_duration(up, moment_of(document_member_text(status, "now")) -
                                moment_of(document_member_text(status, "started")));
    fprintf(out, "%smailweir %s%s on %s%s%s: %s%s%s, up %s\n", paint->bold, document_member_text(status, "version"),
            paint->plain, paint->bold, document_member_text(status, "hostname"), paint->plain,
            colour[cli_status_mood(status)], cli_status_headline(status), paint->plain, up);
    print_attention(out, status, paint);
}

static void print_counts(FILE *out, const json_t *status, const struct paint *paint)
{
    int64_t dead = document_member_number_in(status, "queue", "dead");
    fprintf(out,
            "  received   %" PRId64 " accepted, %" PRId64 " rejected, %" PRId64 " deferred; %" PRId64
            " sessions open\n",
            document_member_number_in(status, "messages", "accepted"),
            document_member_number_in(status, "messages", "rejected"),
            document_member_number_in(status, "messages", "deferred"),
            document_member_number_in(status, "sessions", "open"));
    fprintf(out, "  delivered  %" PRId64 " filed, %" PRId64 " put off\n",
            document_member_number_in(status, "deliveries", "filed"),
            document_member_number_in(status, "deliveries", "deferred"));
    fprintf(out, "  queue      %" PRId64 " waiting, %" PRId64 " held, %s%" PRId64 " dead letters%s\n",
            document_member_number_in(status, "queue", "waiting"), document_member_number_in(status, "queue", "held"),
            dead > 0 ? paint->bad : "", dead, paint->plain);
    const json_t *rules = json_object_get(status, "rules");
    bool good = json_is_true(json_object_get(rules, "last_load_good"));
    fprintf(out, "  rules      %" PRId64 " in force since %s%s%s%s\n", document_member_number(rules, "count"),
            document_member_text(rules, "loaded"), good ? "" : paint->bad,
            good ? "" : "; the last reload failed, these stay in force", paint->plain);
}

static void print_sandbox(FILE *out, const json_t *status)
{
    const json_t *sandbox = json_object_get(status, "sandbox");
    const char *note = document_member_text(sandbox, "note");
    if (!json_is_true(json_object_get(sandbox, "entered"))) {
        fprintf(out, "  sandbox    off\n");
        return;
    }
    fprintf(out, "  sandbox    system calls %s, paths %s, core dumps %s%s%s\n",
            json_is_true(json_object_get(sandbox, "system_calls")) ? "filtered" : "not filtered",
            document_member_number(sandbox, "landlock") > 0 ? "limited" : "not limited",
            json_is_true(json_object_get(sandbox, "no_core_dumps")) ? "off" : "on", note[0] == '\0' ? "" : " - ", note);
}

static void print_listeners(FILE *out, const json_t *status)
{
    size_t i;
    json_t *listener;
    json_array_foreach(json_object_get(status, "listeners"), i, listener)
    {
        const char *tls = document_member_text(listener, "tls");
        bool plain = strcmp(tls, "none") == 0;
        fprintf(out, "  %-10s %s on %s port %" PRId64 ", %s%s\n", i == 0 ? "listeners" : "",
                document_member_text(listener, "name"), document_member_text(listener, "address"),
                document_member_number(listener, "port"), plain ? "without TLS" : "TLS ", plain ? "" : tls);
    }
}

/* What a node says of the connections that it may have: " corp 2, other 1". */
static void print_slots(FILE *out, const json_t *state)
{
    const char *name;
    json_t *upstream;
    const char *before = "; connections:";
    json_object_foreach(json_object_get(state, "upstreams"), name, upstream)
    {
        int64_t slots = document_member_number(upstream, "slots");
        if (slots > 0) {
            fprintf(out, "%s %s %" PRId64, before, name, slots);
            before = ",";
        }
    }
}

/* Of a queue that several share: who lives, for how long the others take him to, and by which rules he decides. */
static void print_nodes(FILE *out, const json_t *status, const struct paint *paint)
{
    size_t i;
    json_t *node;
    bool differ = json_is_true(json_object_get(status, "rules_differ"));
    json_array_foreach(json_object_get(status, "nodes"), i, node)
    {
        const json_t *state = json_object_get(node, "state");
        int64_t lease_ms = document_member_number(node, "lease_ms");
        fprintf(out,
                "  %-10s %s%s (epoch %" PRId64 ", %s)%s, %s%" PRId64 " s of its lease left%s; %" PRId64
                " sessions open, %" PRId64 " filed",
                i == 0 ? "nodes" : "", document_member_text(node, "name"),
                json_is_true(json_object_get(node, "me")) ? ", this one" : "", document_member_number(node, "epoch"),
                document_member_text(node, "version"),
                json_is_true(json_object_get(node, "draining")) ? ", draining" : "", lease_ms > 0 ? "" : paint->bad,
                lease_ms / 1000, lease_ms > 0 ? "" : paint->plain, document_member_number(state, "sessions"),
                document_member_number(state, "filed"));
        print_slots(out, state);
        fprintf(out, "; %srules %.8s%s; clock %+.1f s; %" PRId64 " taken over\n", differ ? paint->bad : "",
                document_member_text(state, "rules_digest"), differ ? paint->plain : "",
                -(double)document_member_number(state, "skew_ms") / 1000, document_member_number(state, "takeovers"));
    }
}

static void print_daily(FILE *out, const json_t *daily, const struct paint *paint)
{
    char ends[32], spent[32];
    if (!json_is_object(daily) || document_member_number(daily, "used") == 0) {
        return;
    }
    bool soon = json_is_integer(json_object_get(daily, "spent_seconds"));
    cli_status_duration(ends, 1000 * document_member_number(daily, "ends_seconds"));
    cli_status_duration(spent, 1000 * document_member_number(daily, "spent_seconds"));
    fprintf(out, "             %s%" PRId64 " of %" PRId64 " MiB sent today, the day ends in %s%s%s%s\n",
            soon ? paint->bad : paint->dim, document_member_number(daily, "used") >> 20,
            document_member_number(daily, "limit") >> 20, ends, soon ? "; at this pace the limit is reached in " : "",
            soon ? spent : "", paint->plain);
}

/* Why an upstream is down, for people; "" when that is not known. */
static const char *because(const json_t *upstream)
{
    static const struct {
        const char *cause, *words;
    } rows[] = {{"unreached", " (the server is not reached)"},
                {"login", " (the login is refused)"},
                {"sessions", " (the server closes each connection before anything is filed)"},
                {"refused", " (the server refuses everything for now)"}};
    const char *cause = json_string_value(json_object_get(upstream, "cause"));
    for (size_t i = 0; cause != NULL && i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].cause, cause) == 0) {
            return rows[i].words;
        }
    }
    return "";
}

static void print_upstream(FILE *out, const json_t *status, const json_t *upstream, const char *label,
                           const struct paint *paint)
{
    bool open = strcmp(document_member_text(upstream, "state"), "open") == 0;
    const char *since = json_string_value(json_object_get(upstream, "since"));
    char span[32] = "";
    if (!open && since != NULL) {
        cli_status_since(status, since, span);
    }
    fprintf(out, "  %-10s %s (%s): %s%s%s%s%s%s, %" PRId64 " filed, %" PRId64 " under way\n", label,
            document_member_text(upstream, "name"), document_member_text(upstream, "address"),
            open ? paint->good : paint->bad, document_member_text(upstream, "state"), paint->plain,
            span[0] == '\0' ? "" : " for ", span, open ? "" : because(upstream),
            document_member_number(upstream, "filed"), document_member_number(upstream, "active"));
    print_daily(out, json_object_get(upstream, "daily"), paint);
    const json_t *error = json_object_get(upstream, "last_error");
    const char *by = json_string_value(json_object_get(upstream, "paused_by"));
    char next[32];
    cli_status_until(status, document_member_text(upstream, "next_try"), next);
    if (by != NULL) {
        fprintf(out, "             %sby %s since %s%s\n", paint->dim, by[0] == '\0' ? "an operator" : by,
                document_member_text(upstream, "since"), paint->plain);
    } else if (!open && json_is_object(error)) {
        fprintf(out, "             %s%s: %s%s%s%s\n", paint->dim, document_member_text(error, "where"),
                document_member_text(error, "message"), next[0] == '\0' ? "" : "; next try in ", next, paint->plain);
    }
}

void cli_status_print(FILE *out, const json_t *status, bool colour)
{
    const struct paint *paint = colour ? &colours : &no_colours;
    size_t i;
    json_t *upstream;
    print_head(out, status, paint);
    print_counts(out, status, paint);
    print_sandbox(out, status);
    print_listeners(out, status);
    print_nodes(out, status, paint);
    json_array_foreach(json_object_get(status, "upstreams"), i, upstream)
    {
        print_upstream(out, status, upstream, i == 0 ? "upstreams" : "", paint);
    }
}

/*
 * cli_top - keeps the last seconds and draws them. Contract: cli_top.h.
 */
#include "cli/cli_top.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/expect.h"
#include "base/map.h"
#include "cli/cli_status.h"
#include "document/document_member.h"

#define RULES_MAX    500
#define FAILURES_MAX 20
#define LINE_MAX_LEN 1000
/* How much of a rate is the last second: one that jumps cannot be read. */
#define SHARE 0.3

struct rule {
    char name[200];
    int64_t total, before;
    double rate;
};

/* The same again is one line that counts. */
struct failure {
    char time[9], text[LINE_MAX_LEN];
    uint64_t times;
};

static const char *const orders[] = {"rate", "total", "name"};

struct cli_top {
    json_t *state;
    struct rule *rules;
    size_t rule_count;
    struct failure failures[FAILURES_MAX]; /* the last one first */
    size_t failure_count;
    double accepted, rejected, filed, deferred; /* a second */
    int64_t last[4];                            /* what they were counted from */
    unsigned seconds, order;
    bool shows_help;
    /* while it is drawn */
    FILE *out;
    unsigned rows, columns, row;
    bool colour;
};

struct cli_top *cli_top_new(void)
{
    struct cli_top *top = expect_calloc(1, sizeof *top);
    top->rules = expect_calloc(RULES_MAX, sizeof *top->rules);
    return top;
}

void cli_top_free(struct cli_top **top)
{
    if (*top != NULL) {
        json_decref((*top)->state);
        free((*top)->rules);
        free(*top);
        *top = NULL;
    }
}

/* ---- a second ---- */

static double smooth(double rate, int64_t by, bool first)
{
    return first ? (double)by : rate * (1 - SHARE) + (double)by * SHARE;
}

static void count_messages(struct cli_top *top)
{
    const int64_t now[] = {document_member_number_in(top->state, "messages", "accepted"),
                           document_member_number_in(top->state, "messages", "rejected"),
                           document_member_number_in(top->state, "deliveries", "filed"),
                           document_member_number_in(top->state, "deliveries", "deferred")};
    double *const rates[] = {&top->accepted, &top->rejected, &top->filed, &top->deferred};
    for (size_t i = 0; i < 4; i++) {
        if (top->seconds > 0) {
            *rates[i] = smooth(*rates[i], now[i] - top->last[i], top->seconds == 1);
        }
        top->last[i] = now[i];
    }
}

static struct rule *rule_of(struct cli_top *top, const char *name)
{
    for (size_t i = 0; i < top->rule_count; i++) {
        if (strcmp(top->rules[i].name, name) == 0) {
            return &top->rules[i];
        }
    }
    if (top->rule_count == RULES_MAX) {
        return NULL;
    }
    struct rule *rule = &top->rules[top->rule_count++];
    *rule = (struct rule){.before = -1};
    snprintf(rule->name, sizeof rule->name, "%s", name);
    return rule;
}

/* Ways are counted by listener, rule and folder; of one rule they are added up. */
static void count_rules(struct cli_top *top, const json_t *flows)
{
    size_t i;
    json_t *flow;
    for (size_t k = 0; k < top->rule_count; k++) {
        top->rules[k].total = 0;
    }
    json_array_foreach((json_t *)(uintptr_t)flows, i, flow)
    {
        struct rule *rule = rule_of(top, document_member_text(flow, "rule"));
        if (rule != NULL) {
            rule->total += document_member_number(flow, "count");
        }
    }
    for (size_t k = 0; k < top->rule_count; k++) {
        struct rule *rule = &top->rules[k];
        if (rule->before >= 0) {
            rule->rate = smooth(rule->rate, rule->total - rule->before, false);
        }
        rule->before = rule->total;
    }
}

void cli_top_second(struct cli_top *top, const json_t *state, const json_t *flows)
{
    json_decref(top->state);
    top->state = json_incref((json_t *)(uintptr_t)state);
    count_messages(top);
    if (flows != NULL) {
        count_rules(top, flows);
    }
    top->seconds++;
}

/* ---- the last failures ---- */

static void note_failure(struct cli_top *top, const char *time, const char *text)
{
    size_t at = 0;
    while (at < top->failure_count && strcmp(top->failures[at].text, text) != 0) {
        at++;
    }
    struct failure one = at < top->failure_count ? top->failures[at] : (struct failure){.times = 0};
    if (at == top->failure_count) {
        top->failure_count += top->failure_count < FAILURES_MAX;
        at = top->failure_count - 1;
    }
    snprintf(one.time, sizeof one.time, "%.8s", time);
    snprintf(one.text, sizeof one.text, "%s", text);
    one.times++;
    memmove(&top->failures[1], &top->failures[0], at * sizeof one);
    top->failures[0] = one;
}

void cli_top_line(struct cli_top *top, const json_t *line)
{
    static const char *const failures[] = {"deferred",    "dead_letter",  "dead",         "upstream_failed",
                                           "rule_failed", "spool_failed", "reload_failed"};
    const char *action = document_member_text(line, "event.action"), *time = document_member_text(line, "@timestamp");
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        if (strcmp(action, failures[i]) == 0) {
            char text[LINE_MAX_LEN];
            snprintf(text, sizeof text, "%-15s %s%s%s", action, document_member_text(line, "upstream"),
                     document_member_text(line, "upstream")[0] == '\0' ? "" : ": ",
                     document_member_text(line, "error.message"));
            note_failure(top, strlen(time) > 11 ? time + 11 : time, text);
        }
    }
}

/* ---- keys ---- */

bool cli_top_key(struct cli_top *top, int key)
{
    if (key == '?' || key == 'h') {
        top->shows_help = !top->shows_help;
    } else if (key == 's') {
        top->order = (top->order + 1) % (sizeof orders / sizeof orders[0]);
    } else if (key == 0x1b) {
        top->shows_help = false;
    }
    return key != 'q' && key != 'Q';
}

/* ---- drawing ---- */

enum paint { PLAIN, BOLD, DIM, GOOD, WARN, BAD, HEAD };

/* One row: cut at the width, what was there before it cleared behind it. Nothing when the terminal is full. */
__attribute__((format(printf, 3, 4))) static void row(struct cli_top *top, enum paint paint, const char *format, ...)
{
    static const char *const paints[] = {"", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[7m"};
    char line[LINE_MAX_LEN];
    va_list args;
    if (top->row >= top->rows) {
        return;
    }
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t at = 0, shown = 0;
    while (line[at] != '\0' && shown < top->columns) {
        do {
            /* What servers and mail bring never moves the terminal. */
            line[at] = (uint8_t)line[at] < 0x20 || line[at] == 0x7F ? '?' : line[at];
            at++;
        } while (((uint8_t)line[at] & 0xC0) == 0x80);
        shown++;
    }
    fprintf(top->out, "%s%s%.*s%s\x1b[K", top->row > 0 ? "\r\n" : "", top->colour ? paints[paint] : "", (int)at, line,
            top->colour && paint != PLAIN ? "\x1b[0m" : "");
    top->row++;
}

/* Where a row of so many columns ends that begins with this text: behind its last whole word, or in the middle of one
 * that is longer. In octets. */
static size_t row_end(const char *text, unsigned columns)
{
    size_t at = 0, word = 0;
    for (unsigned shown = 0; text[at] != '\0' && shown < columns; shown++) {
        word = text[at] == ' ' && at > 0 ? at : word;
        do {
            at++;
        } while (((uint8_t)text[at] & 0xC0) == 0x80);
    }
    return text[at] == '\0' || text[at] == ' ' || word == 0 ? at : word;
}

/* As many rows as the text needs, up to `most`; all but the first are indented. */
static void rows_of(struct cli_top *top, enum paint paint, const char *text, const char *indent, unsigned most)
{
    const char *before = "";
    for (unsigned i = 0; i < most && text[0] != '\0'; i++) {
        unsigned room = top->columns > strlen(before) + 10 ? top->columns - (unsigned)strlen(before) : 10;
        size_t len = i + 1 < most ? row_end(text, room) : strlen(text);
        row(top, paint, "%s%.*s", before, (int)len, text);
        text += len + strspn(text + len, " ");
        before = indent;
    }
}

static void draw_help(struct cli_top *top)
{
    row(top, HEAD, " mailweir top: keys ");
    row(top, PLAIN, " ");
    row(top, PLAIN, "  q        quit");
    row(top, PLAIN, "  s        sort rules by rate, total or name");
    row(top, PLAIN, "  ?        show or hide this help");
    row(top, PLAIN, " ");
    row(top, DIM, "  Rates are per second, averaged over a few seconds. \"Empty in\" is how long the queue needs at");
    row(top, DIM, "  the present rate of filing, if no more mail comes in.");
}

/* What is wrong, and the command that mends it: never cut off, whatever the terminal's width. */
static void draw_attention(struct cli_top *top, const json_t *one)
{
    const char *command = document_member_text(one, "command");
    bool is_notice = strcmp(document_member_text(one, "severity"), "notice") == 0;
    char text[LINE_MAX_LEN];
    snprintf(text, sizeof text, "! %s", document_member_text(one, "text"));
    rows_of(top, is_notice ? BOLD : BAD, text, "  ", 3);
    if (command[0] != '\0') {
        row(top, PLAIN, "  -> %s", command);
    }
}

static void draw_head(struct cli_top *top)
{
    const json_t *state = top->state;
    char up[32];
    size_t i;
    json_t *one;
    static const enum paint colour[] = {[CLI_STATUS_GOOD] = GOOD, [CLI_STATUS_WARN] = WARN, [CLI_STATUS_BAD] = BAD};
    cli_status_since(state, document_member_text(state, "started"), up);
    row(top, colour[cli_status_mood(state)], "mailweir on %s: %s, up %s   ? help, q quit",
        document_member_text(state, "hostname"), cli_status_headline(state), up);
    json_array_foreach(json_object_get(state, "attention"), i, one)
    {
        if (i < 3) {
            draw_attention(top, one);
        }
    }
}

/* What waits for upstreams that take no mail now: it is not filed as fast as the rest. */
static int64_t stuck(const json_t *state)
{
    size_t i;
    json_t *one;
    int64_t sum = 0;
    json_array_foreach(json_object_get(state, "attention"), i, one)
    {
        sum += document_member_number(one, "waiting");
    }
    return sum;
}

/* When what waits is filed, as fast as now. */
static void say_eta(const struct cli_top *top, int64_t waiting, char out[100])
{
    int64_t behind = stuck(top->state), free = waiting - behind;
    char span[32];
    cli_status_duration(span, free > 0 && top->filed >= 0.05 ? (int64_t)((double)free / top->filed * 1000) : 0);
    if (waiting == 0) {
        out[0] = '\0';
    } else if (top->filed < 0.05) {
        snprintf(out, 100, " (nothing is filed now)");
    } else if (free <= 0) {
        snprintf(out, 100, " (for upstreams that take no mail now)");
    } else if (behind > 0) {
        snprintf(out, 100, " (%" PRId64 " of them filed in %s, the others not now)", free, span);
    } else {
        snprintf(out, 100, " (empty in %s)", span);
    }
}

static void draw_queue(struct cli_top *top)
{
    int64_t waiting = document_member_number_in(top->state, "queue", "waiting");
    char eta[100];
    say_eta(top, waiting, eta);
    row(top, PLAIN, "  accepted %.1f/s   rejected %.1f/s   filed %.1f/s   put off %.1f/s   sessions %" PRId64,
        top->accepted, top->rejected, top->filed, top->deferred,
        document_member_number_in(top->state, "sessions", "open"));
    row(top, PLAIN, "  queue %" PRId64 " waiting%s, %" PRId64 " held, %" PRId64 " dead letters, %" PRId64 " under way",
        waiting, eta, document_member_number_in(top->state, "queue", "held"),
        document_member_number_in(top->state, "queue", "dead"),
        document_member_number_in(top->state, "deliveries", "active"));
}

static void draw_upstreams(struct cli_top *top, unsigned most)
{
    size_t i;
    json_t *one;
    row(top, HEAD, "%-20s %-12s %10s %9s  %s", "UPSTREAM", "STATE", "FILED", "UNDER WAY", "WHY");
    json_array_foreach(json_object_get(top->state, "upstreams"), i, one)
    {
        const char *state = document_member_text(one, "state"), *by = document_member_text(one, "paused_by");
        const json_t *error = json_object_get(one, "last_error");
        bool open = strcmp(state, "open") == 0, paused = json_is_string(json_object_get(one, "paused_by"));
        char why[LINE_MAX_LEN] = "", span[32];
        if (paused) {
            cli_status_since(top->state, document_member_text(one, "since"), span);
            snprintf(why, sizeof why, "by %s, for %s", by[0] == '\0' ? "an operator" : by, span);
        } else if (!open) {
            cli_status_until(top->state, document_member_text(one, "next_try"), span);
            snprintf(why, sizeof why, "%s%s%s%s", span[0] == '\0' ? "" : "next try in ", span,
                     span[0] == '\0' ? "" : ": ", document_member_text(error, "message"));
        }
        if (i < most) {
            row(top, open ? PLAIN : BAD, "%-20.20s %-12.12s %10" PRId64 " %9" PRId64 "  %s",
                document_member_text(one, "name"), state, document_member_number(one, "filed"),
                document_member_number(one, "active"), why);
        }
    }
}

/* Connections that the node may have to all upstreams. */
static int64_t slots_of(const json_t *state)
{
    const char *name;
    json_t *upstream;
    int64_t slots = 0;
    json_object_foreach(json_object_get(state, "upstreams"), name, upstream)
    {
        slots += document_member_number(upstream, "slots");
    }
    return slots;
}

/* Those that share the queue: who lives, for how long the others take it to, and by which rules it decides. */
static void draw_nodes(struct cli_top *top, unsigned most)
{
    size_t i;
    json_t *node;
    bool differ = json_is_true(json_object_get(top->state, "rules_differ"));
    row(top, HEAD, "%-16s %6s %6s %9s %10s %6s %-8s %8s  %s", "NODE", "EPOCH", "LEASE", "SESSIONS", "FILED", "SLOTS",
        "RULES", "CLOCK", "TAKEN OVER");
    json_array_foreach(json_object_get(top->state, "nodes"), i, node)
    {
        const json_t *state = json_object_get(node, "state");
        int64_t lease_ms = document_member_number(node, "lease_ms");
        bool draining = json_is_true(json_object_get(node, "draining"));
        if (i < most) {
            row(top,
                lease_ms <= 0        ? BAD
                : differ || draining ? WARN
                                     : PLAIN,
                "%-16.16s %6" PRId64 " %4" PRId64 " s %9" PRId64 " %10" PRId64 " %6" PRId64 " %-8.8s %+6.1f s  %" PRId64
                "%s%s",
                document_member_text(node, "name"), document_member_number(node, "epoch"), lease_ms / 1000,
                document_member_number(state, "sessions"), document_member_number(state, "filed"), slots_of(state),
                document_member_text(state, "rules_digest"), -(double)document_member_number(state, "skew_ms") / 1000,
                document_member_number(state, "takeovers"),
                json_is_true(json_object_get(node, "me")) ? "  this one" : "", draining ? "  draining" : "");
        }
    }
}

static int by_rate(const void *a, const void *b)
{
    const struct rule *x = a, *y = b;
    return x->rate < y->rate ? 1 : x->rate > y->rate ? -1 : strcmp(x->name, y->name);
}

static int by_total(const void *a, const void *b)
{
    const struct rule *x = a, *y = b;
    return x->total < y->total ? 1 : x->total > y->total ? -1 : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct rule *)a)->name, ((const struct rule *)b)->name);
}

static void draw_rules(struct cli_top *top, unsigned most)
{
    static int (*const compare[])(const void *, const void *) = {by_rate, by_total, by_name};
    static const char bar[] = "########################################";
    double highest = 0.1;
    if (top->rule_count > 0) {
        qsort(top->rules, top->rule_count, sizeof *top->rules, compare[top->order]);
    }
    for (size_t i = 0; i < top->rule_count; i++) {
        highest = top->rules[i].rate > highest ? top->rules[i].rate : highest;
    }
    row(top, HEAD, "%-30s %9s %10s  sorted by %s (s)", "FLOW BY RULE", "A SECOND", "IN ALL", orders[top->order]);
    for (size_t i = 0; i < top->rule_count && i < most; i++) {
        const struct rule *rule = &top->rules[i];
        row(top, PLAIN, "%-30.30s %9.1f %10" PRId64 "  %.*s", rule->name[0] == '\0' ? "(default)" : rule->name,
            rule->rate, rule->total, (int)(rule->rate / highest * (double)(sizeof bar - 1)), bar);
    }
    if (top->rule_count == 0) {
        row(top, DIM, "nothing yet");
    }
}

static void draw_failures(struct cli_top *top, unsigned most)
{
    row(top, HEAD, "LAST FAILURES");
    for (size_t i = 0; i < most && i < top->failure_count; i++) {
        const struct failure *one = &top->failures[i];
        row(top, PLAIN, "%s %4" PRIu64 "x %s", one->time, one->times, one->text);
    }
    if (top->failure_count == 0) {
        row(top, DIM, "none since top was started");
    }
}

/* What is left of the height goes to rules, then to failures; upstreams take what they need, up to a third, and nodes
 * up to a quarter. */
static void draw_all(struct cli_top *top)
{
    draw_head(top);
    draw_queue(top);
    unsigned left = top->rows > top->row ? top->rows - top->row : 0;
    unsigned upstreams = (unsigned)json_array_size(json_object_get(top->state, "upstreams"));
    upstreams = upstreams < left / 3 || left / 3 < 1 ? upstreams : left / 3;
    unsigned nodes = (unsigned)json_array_size(json_object_get(top->state, "nodes"));
    if (nodes > 0) {
        row(top, PLAIN, " ");
        draw_nodes(top, nodes < left / 4 || left / 4 < 1 ? nodes : left / 4);
    }
    row(top, PLAIN, " ");
    draw_upstreams(top, upstreams);
    row(top, PLAIN, " ");
    left = top->rows > top->row ? top->rows - top->row : 0;
    unsigned failures = left > 9 ? left / 3 : left > 5 ? 2 : 0;
    draw_rules(top, left > failures + 3 ? left - failures - 3 : 1);
    if (failures > 0) {
        row(top, PLAIN, " ");
        draw_failures(top, failures);
    }
}

void cli_top_draw(struct cli_top *top, FILE *out, unsigned rows, unsigned columns, bool colour)
{
    top->out = out;
    top->rows = rows;
    top->columns = columns;
    top->colour = colour;
    top->row = 0;
    fprintf(out, "\x1b[H");
    if (top->shows_help || top->state == NULL) {
        draw_help(top);
    } else {
        draw_all(top);
    }
    fprintf(out, "\x1b[J"); /* what a larger picture left below */
    fflush(out);
}

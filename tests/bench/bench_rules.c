/*
 * bench_rules - what a rule costs: nanoseconds per rule and message for sets of 10 to 10,000 rules, beside a bare PCRE2-JIT loop with the same patterns
 * over the same text; and microseconds per message with rules that look at the body; the same with patterns of which no
 * literal text is known. Of short rounds the best counts, so that others on the machine are heard less.
 *
 * usage: build/tests/bench_rules [few | headers | bodies | odd]...      (cmake --build build --target bench_rules)
 *        build/tests/bench_rules one KIND COUNT ROUNDS     one set over the header section; for counting instructions on a
 *        busy machine: valgrind --tool=callgrind --toggle-collect=filters_decide
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/expect.h"
#include "filters/filters.h"
#include "mail/mail_header.h"

#define SETS_MAX 10000

static const char header[] =
    "Received: from mx.example.org (mx.example.org [192.0.2.7]) by gw.example.net with ESMTPS; Mon, 23 Nov 2026 "
    "07:11:20 +0000\r\n"
    "From: Monitoring <monitor@example.org>\r\nTo: Operations <ops@example.net>\r\n"
    "Subject: [web-shop] disk usage on db17 is at 91 percent\r\nMessage-ID: <20261123071120.17@example.org>\r\n"
    "Date: Mon, 23 Nov 2026 07:11:20 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
static const char subject[] = "[web-shop] disk usage on db17 is at 91 percent";

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* As it stands in JSON. */
static void pattern_of(char *out, size_t size, int i)
{
    static const char *const before[] = {"^failed: (?<p>service", "\\\\bticket-", "order (no|number) ", "^\\\\[app"};
    static const char *const after[] = {")", "\\\\b", "", "\\\\] (.*)$"};
    snprintf(out, size, "%s%d%s", before[i % 4], i, after[i % 4]);
}

/* Patterns of which no literal of some length is known: classes, short words, characters beyond ASCII. As they stand in
 * JSON. */
static void odd_pattern_of(char *out, size_t size, int i)
{
    int n = i / 6 % 50 + 1;
    switch (i % 6) {
    case 0:
        snprintf(out, size, "[A-Z]{3}-\\\\d{%d}", n);
        break;
    case 1:
        snprintf(out, size, "(?i)un.{0,%d}sub", n);
        break;
    case 2:
        snprintf(out, size, "\\\\b\\\\d{1,%d}%%of", n);
        break;
    case 3:
        snprintf(out, size, "(?i)gr\xc3\xb6\xc3\x9f.{%d}", n);
        break;
    case 4:
        snprintf(out, size, "(?:re|fwd?):.{%d}x", n);
        break;
    default:
        snprintf(out, size, "[[:upper:]]\\\\w{%d}[0-9]$", n);
        break;
    }
}

static void condition_of(char *out, size_t size, const char *kind, int i)
{
    char pattern[100];
    pattern_of(pattern, sizeof pattern, i);
    if (strncmp(kind, "odd", 3) == 0) {
        odd_pattern_of(pattern, sizeof pattern, i);
    }
    if (strcmp(kind, "matches") == 0 || strcmp(kind, "odd matches") == 0) {
        snprintf(out, size, "{\"header\":\"Subject\",\"matches\":\"%s\"}", pattern);
    } else if (strcmp(kind, "is") == 0) {
        snprintf(out, size, "{\"field\":\"from\",\"is\":\"user%d@example.com\"}", i);
    } else if (strcmp(kind, "in") == 0) {
        snprintf(out, size,
                 "{\"header\":\"From\",\"part\":\"domain\",\"in\":[\"a%d.example\",\".b%d.example\",\"c%d.example\"]}",
                 i, i, i);
    } else if (strcmp(kind, "client") == 0) {
        snprintf(out, size, "{\"field\":\"client\",\"in\":[\"10.%d.%d.0/24\",\"2001:db8:%x::/48\"]}", i / 256, i % 256,
                 i);
    } else if (strcmp(kind, "body matches") == 0 || strcmp(kind, "odd body") == 0) {
        snprintf(out, size, "{\"field\":\"body\",\"matches\":\"%s\"}", pattern);
    } else {
        snprintf(out, size, "{\"field\":\"body\",\"contains\":\"service number %d\"}", i);
    }
}

static struct filters_set *load(const char *kind, int count)
{
    struct buf text;
    buf_init(&text, 16u << 20);
    buf_append_text(&text, "{\"rules\":[");
    for (int i = 0; i < count; i++) {
        char condition[300];
        condition_of(condition, sizeof condition, kind, i);
        buf_printf(&text,
                   "%s{\"name\":\"r%d\",\"if\":%s,\"then\":[{\"fileinto\":{\"folder\":\"F%d\"}},{\"stop\":true}]}",
                   i == 0 ? "" : ",", i, condition, i);
    }
    buf_append_text(&text, "]}");
    struct problems *problems = problems_new();
    struct filters_source source = {"bench.json", buf_bytes(&text)};
    struct filters_load_options options = {
        .sources = &source, .source_count = 1, .any_upstream = true, .fallback = {.upstream = "u", .folder = "INBOX"}};
    double began = cpu_ns();
    struct filters_set *set = filters_load(&options, problems);
    EXPECT(set != NULL);
    printf("figure: load %d rules (%s): %.1f ms of CPU\n", count, kind, (cpu_ns() - began) / 1e6);
    struct filters_hastened progress = {0};
    began = cpu_ns();
    while (filters_hasten(set, &progress)) {
    }
    printf("figure: hasten %zu of %zu patterns: %.1f ms of CPU, %zu KiB\n", progress.ready, filters_hasten_wanted(set),
           (cpu_ns() - began) / 1e6, progress.octets >> 10);
    problems_free(&problems);
    buf_done(&text);
    return set;
}

/* Nanoseconds per message. */
static double decide(const struct filters_set *set, struct bytes text, int rounds)
{
    struct filters_scratch *scratch = filters_scratch_new();
    struct mail_recipient to = {.address = "ops@example.net"};
    struct mail_envelope envelope = {
        .id = "ID", .client = {.address = "192.0.2.7"}, .from = "monitor@example.org", .to = &to, .to_count = 1};
    struct mail_source source = mail_source_of(&text);
    bool complete;
    struct filters_message message = {.envelope = &envelope,
                                      .header = bytes_slice(text, 0, mail_header_length(text, &complete)),
                                      .source = &source,
                                      .size = text.len};
    double best = 1e18;
    struct arena *arena = arena_new(1u << 20); /* the transaction's, which the envelope was read into */
    int repeats = rounds > 3000 ? rounds / 1000 : 3;
    rounds = rounds > 3000 ? 1000 : rounds;
    for (int repeat = 0; repeat < repeats; repeat++) {
        double began = now_ns();
        for (int i = 0; i < rounds; i++) {
            struct filters_decision decision;
            struct fault fault = FAULT_INIT;
            EXPECT(filters_decide(set, scratch, &message, arena, &decision, &fault) == 0);
            EXPECT(decision.delivery_count == 1 && decision.rule_count == 0);
            arena_clear(arena);
        }
        double took = (now_ns() - began) / rounds;
        best = took < best ? took : best;
    }
    arena_free(&arena);
    filters_scratch_free(&scratch);
    return best;
}

/* The same patterns over the same text with nothing around them. */
static double bare(int count, struct bytes text, int rounds)
{
    static pcre2_code *codes[SETS_MAX];
    pcre2_match_data *data = pcre2_match_data_create(16, NULL);
    for (int i = 0; i < count; i++) {
        char pattern[100], plain[100];
        pattern_of(pattern, sizeof pattern, i);
        size_t len = 0;
        for (const char *c = pattern; *c != '\0'; c++) { /* out of JSON */
            plain[len++] = *c;
            c += c[0] == '\\' && c[1] == '\\';
        }
        int error;
        size_t offset;
        codes[i] = pcre2_compile((PCRE2_SPTR)plain, len, PCRE2_UTF | PCRE2_UCP, &error, &offset, NULL);
        EXPECT(codes[i] != NULL && pcre2_jit_compile(codes[i], PCRE2_JIT_COMPLETE) == 0);
    }
    double best = 1e18;
    for (int repeat = 0; repeat < 3; repeat++) {
        double began = now_ns();
        for (int i = 0; i < rounds; i++) {
            for (int j = 0; j < count; j++) {
                EXPECT(pcre2_jit_match(codes[j], text.ptr, text.len, 0, 0, data, NULL) == PCRE2_ERROR_NOMATCH);
            }
        }
        double took = (now_ns() - began) / rounds;
        best = took < best ? took : best;
    }
    for (int i = 0; i < count; i++) {
        pcre2_code_free(codes[i]);
    }
    pcre2_match_data_free(data);
    return best;
}

static void bench_headers(void)
{
    static const char *const kinds[] = {"matches", "is", "in", "client"};
    static const int counts[] = {10, 100, 1000, 10000};
    for (size_t kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < 4; i++) {
            int rounds = 400000 / counts[i] / (kind == 0 ? 4 : 1) + 10;
            struct filters_set *set = load(kinds[kind], counts[i]);
            double ours = decide(set, bytes_of(header), rounds > 20000 ? 20000 : rounds);
            printf("figure: %5d rules, %-7s: %8.2f us a message, %7.1f ns a rule", counts[i], kinds[kind], ours / 1e3,
                   ours / counts[i]);
            if (kind == 0) {
                double loop = bare(counts[i], bytes_of(subject), rounds);
                printf("; bare PCRE2-JIT loop %.1f ns a pattern: %.2f x", loop / counts[i], ours / loop);
            }
            printf("\n");
            filters_set_free(&set);
        }
    }
}

static struct bytes message_of(struct buf *out, size_t size)
{
    buf_append_text(out, header);
    while (out->len < size) {
        buf_append_text(out,
                        "disk usage on db17 rose again, see the graph of the service for what happened before\r\n");
    }
    return buf_bytes(out);
}

static void bench_bodies(void)
{
    static const char *const kinds[] = {"body contains", "body matches"};
    static const size_t sizes[] = {4 << 10, 20 << 10, 50 << 10, 1 << 20};
    for (size_t kind = 0; kind < 2; kind++) {
        for (int count = 10; count <= 1000; count *= 10) {
            struct filters_set *set = load(kinds[kind], count);
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                struct buf out;
                buf_init(&out, 4u << 20);
                struct bytes text = message_of(&out, sizes[i]);
                double ours = decide(set, text, (int)((4 << 20) / sizes[i] / (size_t)(count / 10)) + 1);
                printf("figure: %4d rules, %-13s: message of %4zu KiB: %8.1f us", count, kinds[kind], sizes[i] >> 10,
                       ours / 1e3);
                if (kind == 1) {
                    printf("; bare loop over the body %.1f us",
                           bare(count, bytes_from(text, sizeof header - 1), 3) / 1e3);
                }
                printf("\n");
                buf_done(&out);
            }
            filters_set_free(&set);
        }
    }
}

/* What a message costs where there is little to decide: with the fields of a header section, and with none. */
static void bench_few(void)
{
    static const char *const kinds[] = {"matches", "is", "in", "client"};
    for (size_t kind = 0; kind < 4; kind++) {
        for (int count = 1; count <= 10; count += 9) {
            struct filters_set *set = load(kinds[kind], count);
            printf("figure: %5d rules, %-7s: %8.3f us a message; of one field only %8.3f us\n", count, kinds[kind],
                   decide(set, bytes_of(header), 100000) / 1e3,
                   decide(set, bytes_of("Subject: disk usage on db17\r\n\r\n"), 100000) / 1e3);
            filters_set_free(&set);
        }
    }
}

static void bench_odd(void)
{
    for (int count = 10; count <= 10000; count *= 10) {
        struct filters_set *set = load("odd matches", count);
        printf("figure: %5d patterns without a literal, header: %8.2f us a message\n", count,
               decide(set, bytes_of(header), 100000 / count + 3) / 1e3);
        filters_set_free(&set);
    }
    for (int count = 10; count <= 1000; count *= 10) {
        struct filters_set *set = load("odd body", count);
        struct buf out;
        buf_init(&out, 4u << 20);
        struct bytes text = message_of(&out, 20 << 10);
        printf("figure: %5d patterns without a literal, message of 20 KiB: %8.1f us\n", count,
               decide(set, text, 1000 / count + 1) / 1e3);
        buf_done(&out);
        filters_set_free(&set);
    }
}

static void bench_one(const char *kind, int count, int rounds)
{
    struct filters_set *set = load(kind, count);
    printf("figure: %5d rules, %-7s: %8.3f us a message\n", count, kind, decide(set, bytes_of(header), rounds) / 1e3);
    filters_set_free(&set);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "one") == 0) {
        bench_one(argv[2], atoi(argv[3]), atoi(argv[4]));
        return 0;
    }
    static const struct {
        const char *name;
        void (*bench)(void);
    } parts[] = {{"few", bench_few}, {"headers", bench_headers}, {"bodies", bench_bodies}, {"odd", bench_odd}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        bool wanted = argc == 1;
        for (int k = 1; k < argc; k++) {
            wanted = wanted || strcmp(argv[k], parts[i].name) == 0;
        }
        if (wanted) {
            parts[i].bench();
        }
    }
    return 0;
}

/* Rules and messages for the tests of the rule engine: load a text, decide a message, print what was decided on one line. */
#ifndef MAILWEIR_TESTS_UNIT_FILTERS_FIXTURE_H
#define MAILWEIR_TESTS_UNIT_FILTERS_FIXTURE_H

#include <string.h>

#include "filters/filters.h"
#include "test.h"

static const char *const fixture_upstreams[] = {"corp", "archive"};

/* What the server of "archive" does not take in names. */
static const struct filters_naming fixture_namings[] = {{"archive", ".\xc3\xa4", '-'}};

/* The set of one file "r.json", or NULL with the problems as text in out. */
static inline struct filters_set *fixture_load(const char *text, struct buf *out)
{
    struct problems *problems = problems_new();
    struct filters_source source = {"r.json", bytes_of(text)};
    struct filters_load_options options = {.sources = &source,
                                           .source_count = 1,
                                           .upstreams = fixture_upstreams,
                                           .upstream_count = 2,
                                           .namings = fixture_namings,
                                           .naming_count = 1,
                                           .now_ms = INT64_C(1795417880000), /* 2026-11-23T07:11:20Z */
                                           .fallback = {.upstream = "corp", .folder = "INBOX"}};
    struct filters_set *set = filters_load(&options, problems);
    problems_print(problems, out);
    problems_free(&problems);
    return set;
}

static inline void fixture_print_ways(const struct mail_delivery *delivery, struct buf *out)
{
    for (size_t j = 0; j < delivery->way_count; j++) {
        const struct mail_way *way = &delivery->ways[j];
        buf_printf(out, " else %s:%s%s", way->upstream == NULL ? "" : way->upstream,
                   way->folder == NULL ? "" : way->folder, way->refused ? " refused" : "");
        if (way->down) {
            buf_printf(out, " down>%llu", (unsigned long long)way->down_ms);
        }
        if (way->full) {
            buf_printf(out, " full>%llu", (unsigned long long)way->full_ms);
        }
    }
}

static inline void fixture_print(const struct filters_decision *decision, struct buf *out)
{
    if (decision->reply_code != 0) {
        buf_printf(out, "%d %s %s;", decision->reply_code, decision->enhanced, decision->reply_text);
    }
    for (size_t i = 0; i < decision->delivery_count; i++) {
        const struct mail_delivery *delivery = &decision->deliveries[i];
        buf_printf(out, "%s:%s", delivery->upstream, delivery->folder);
        fixture_print_ways(delivery, out);
        for (size_t j = 0; j < delivery->flag_count; j++) {
            buf_printf(out, " %s", delivery->flags[j]);
        }
        buf_append_text(out, " <");
        for (size_t j = 0; j < delivery->recipient_count; j++) {
            buf_printf(out, "%s%s", j == 0 ? "" : " ", delivery->recipients[j]);
        }
        buf_append_text(out, ">;");
    }
    for (size_t i = 0; i < decision->rule_count; i++) {
        buf_printf(out, " %s", decision->rules[i]);
    }
    for (size_t i = 0; i < decision->watched_count; i++) {
        buf_printf(out, " ~%s", decision->watched[i]);
    }
}

/* Decides; out gets "upstream:folder flags <recipients>; rule rule", or the fault. to: up to four addresses between blanks. */
static inline void fixture_decide(const struct filters_set *set, const char *from, const char *to, const char *header,
                                  struct buf *out)
{
    struct filters_scratch *scratch = filters_scratch_new();
    struct arena *arena = arena_new(1 << 20);
    struct mail_recipient recipients[4];
    struct mail_envelope envelope = {.id = "ID", .from = from, .to = recipients};
    for (struct bytes rest = bytes_of(to); rest.len > 0;) {
        recipients[envelope.to_count++] = (struct mail_recipient){.address = arena_copy(arena, bytes_cut(&rest, ' '))};
    }
    struct filters_message message = {
        .envelope = &envelope, .header = bytes_of(header), .size = strlen(header), .now_ms = INT64_C(1795417880000)};
    struct filters_decision decision;
    struct fault fault = FAULT_INIT;
    if (filters_decide(set, scratch, &message, arena, &decision, &fault) < 0) {
        buf_printf(out, "fault %s", fault.code);
    } else {
        fixture_print(&decision, out);
    }
    arena_free(&arena);
    filters_scratch_free(&scratch);
}

#endif

/*
 * filters - the rule engine as a library: JSON rules in, decisions out; no I/O, no clock, no threads of its own.
 *
 *   load     files' texts -> struct filters_set, or problems with file, line, column and JSON pointer, all at once
 *   decide   a set, a message's envelope and header -> deliveries, or a refusal; with a trace on demand
 *
 * A set is immutable after loading and may be used by several threads at once, each with a struct filters_scratch of
 * its own.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_H
#define MAILWEIR_FILTERS_FILTERS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/must_use.h"
#include "document/problems.h"
#include "mail/mail_envelope.h"

/* ---- load ---- */

struct filters_set;

struct filters_source {
    const char *name; /* as shown in problems */
    struct bytes text;
};

struct filters_default {
    const char *upstream; /* where a recipient's mail goes that no rule took; NULL: refuse it (550 5.7.1) */
    const char *fallback; /* the upstream that gets it when that one stays down; or NULL */
    const char *folder;
    const char *const *flags;
    size_t flag_count;
};

/* What one upstream's server does not take in names of folders: in what a template brings in, each of these characters
 * becomes the replacement. */
struct filters_naming {
    const char *upstream;
    const char *forbidden; /* characters, UTF-8 */
    char replacement;      /* ASCII; 0: nothing */
};

/* Makes the text fit, as a template does with what it brings in. */
void filters_naming_fit(const struct filters_naming *naming, struct buf *text);

struct filters_folder {
    const char *upstream;
    const char *folder;
};

struct filters_load_options {
    const struct filters_source *sources; /* in the order in which they run */
    size_t source_count;
    const char *const *upstreams; /* names that a rule may use */
    size_t upstream_count;
    const struct filters_naming *namings; /* of upstreams whose server is particular; the others take every name */
    size_t naming_count;
    bool any_upstream; /* no configuration is at hand: names of upstreams are not checked */
    struct filters_default fallback;
    /*
     * Reads a file that a rule file names (a list; a test's message): path is as written, `from` the name of the rule
     * file. Appends to out; -1 with a fault. NULL: such files are errors. It is called during filters_load() and
     * filters_test_run() only.
     */
    int (*read_file)(void *ctx, const char *from, const char *path, struct buf *out, struct fault *fault);
    void *read_ctx;
    /* Folders that exist, for a warning about others; an upstream without any here is not looked at. */
    const struct filters_folder *folders;
    size_t folder_count;
    int64_t now_ms; /* wall clock, for warnings about what is past, and of tests that give no time; 0: not known */
};

/* The set, or NULL when there is any error. Warnings do not prevent loading. Everything is copied. */
MUST_USE struct filters_set *filters_load(const struct filters_load_options *options, struct problems *problems);
void filters_set_free(struct filters_set **set);
/*
 * Calls fn for each folder that the rules, in their order, and the default file into, on the upstream and wherever it
 * may go otherwise. is_constant: it is called so for every message; else folder is the template.
 */
typedef void filters_target_fn(void *ctx, const char *upstream, const char *folder, bool is_constant);
void filters_each_target(const struct filters_set *set, filters_target_fn *fn, void *ctx);

size_t filters_rule_count(const struct filters_set *set);

struct filters_rule_info {
    const char *name;
    const char *group; /* NULL: it stands in "rules" */
    const char *file;
    size_t line;
    bool disabled;
    bool watch;
};
/* Rule number `index`: those of "rules" first, in order, then group by group. Strings live in the set. */
struct filters_rule_info filters_rule_at(const struct filters_set *set, size_t index);

/*
 * Of many patterns over one subject, those that surely do not match are told in one pass (Vectorscan). What that takes
 * is made in steps of some tens of milliseconds, by one thread, while others decide by the set: decisions are the same
 * before, meanwhile and after. Where the program was built without the library, there is nothing to make.
 */
struct filters_hastened {
    size_t subject, pattern; /* where the next step goes on; all zero before the first one */
    size_t ready;            /* patterns that are in */
    size_t octets;           /* of memory that it takes */
};
/* One step. False: there is none any more. */
MUST_USE bool filters_hasten(const struct filters_set *set, struct filters_hastened *progress);
/* How many patterns there are for it. */
size_t filters_hasten_wanted(const struct filters_set *set);

/* ---- decide ---- */

/* Buffers that a decision reuses; one per thread. */
struct filters_scratch;
MUST_USE struct filters_scratch *filters_scratch_new(void);
void filters_scratch_free(struct filters_scratch **scratch);

/* How long one decision may take: all rules, patterns, recipients and the decoding of parts together. */
struct filters_clock {
    uint64_t (*now_us)(void *ctx); /* monotonic, called on the thread that decides; NULL: there is no limit */
    void *ctx;
    uint64_t budget_us;
};

/* What one rule of a set cost: how often its condition was tried, and the time that took. */
struct filters_cost {
    uint64_t tried, us;
};

/* How many messages were counted; nobody counts by asking. */
struct filters_counters {
    /* Under that key since then (wall clock), and before `itself`, if that is set. On the thread that decides. */
    uint64_t (*count)(const struct filters_counters *asked, const char *counter, struct bytes key, int64_t since_ms);
    void *ctx;
    const struct mail_envelope *itself; /* the message, where it was counted already; NULL: it is new */
};

/* A counter of a set, and for how long it is asked. */
struct filters_counter {
    const char *name;
    int64_t keep_ms;
};
const struct filters_counter *filters_counters_of(const struct filters_set *set, size_t *count_r);

struct filters_message {
    const struct mail_envelope *envelope;
    struct bytes header;              /* the header section as received, the empty line left out or not */
    const struct mail_source *source; /* the whole message, for body rules; NULL when it has nothing more */
    bool body_missing; /* it has, but it is not at hand: a decision that hangs on it is a fault, never a guess */
    uint64_t size;
    int64_t now_ms;                          /* wall clock */
    const struct filters_counters *counters; /* NULL: nothing was ever counted */
    struct filters_clock clock;
    /*
     * Measures the rules by the clock's now_us: one for each rule of the set, by its number, is added to. NULL: nobody
     * wants to know, and no clock is read for it. What a rule is the first to look at is fetched and decoded on its
     * account.
     */
    struct filters_cost *costs;
};

struct filters_decision {
    /* A refusal of the whole message when reply_code is not 0: 4xx or 5xx. */
    int reply_code;
    const char *enhanced; /* "5.7.1" */
    const char *reply_text;
    const char *rule; /* the rule that refused, or NULL */
    struct mail_delivery *deliveries;
    size_t delivery_count;    /* 0 without a refusal: discarded */
    const char *const *rules; /* names of the rules that acted, in order, each once */
    size_t rule_count;
    const char *const *watched; /* names of the rules in the state "watch" that would have acted, in order, each once */
    size_t watched_count;
    const struct mail_counted *counted; /* what is to be counted when the message is acknowledged, each once */
    size_t counted_count;
    const char *const *tried; /* every rule tried with its outcome, bounded; see mail_envelope.h */
    size_t tried_count;
    unsigned limits_hit;       /* patterns that hit their limit while the rule said to go on */
    const char *const *failed; /* names of the rules after whose limit it went on, each time */
    size_t failed_count;
    bool out_of_time;               /* the rule at which the time was over said to do what the default says */
    const char *mime_limit;         /* why parts of the message were not decoded (mail_view), or NULL */
    const char *const *mime_errors; /* what of it could not be read as it says (mail_view) */
    size_t mime_error_count;
};

/*
 * Runs the rules once per recipient and merges equal deliveries. All that *decision_r points at lives in the arena. -1
 * with a fault (where = the rule's name) when no decision could be made: a pattern hit its limit ("pattern-limit"), the
 * time is over ("time-limit"), memory is at its limit ("rules-memory"), or, with body_missing, a rule looks at the body
 * ("body-missing"). The sender hears 451 and nothing is kept.
 *
 * A refusal that any recipient meets refuses the whole message, for the sender hears one reply; one for good outweighs
 * one for now. It may take long (patterns, MIME): for a worker lane.
 */
MUST_USE int filters_decide(const struct filters_set *set, struct filters_scratch *scratch,
                            const struct filters_message *message, struct arena *arena,
                            struct filters_decision *decision_r, struct fault *fault);

/*
 * What connection and envelope alone decide for the last recipient of the envelope: 1 with a certain refusal in
 * *decision_r (reply_code set), 0 when it is accepted or not known yet, also because the time was over; -1 with a fault
 * as above.
 */
MUST_USE int filters_decide_recipient(const struct filters_set *set, struct filters_scratch *scratch,
                                      const struct mail_envelope *envelope, struct filters_clock clock,
                                      struct arena *arena, struct filters_decision *decision_r, struct fault *fault);
/*
 * Decides as filters_decide() does, with every rule tried (no index), and says what was looked at: *explanation_r
 * becomes a JSON text,
 * {"recipients":[{"to":..., "rules":[{"rule","file","line","result","us","if":{...}}|{"note"}]}], "decision":{...}},
 * appended to out. clock_us (may be NULL) gives microseconds for the times. -1 only when out is full; a fault of the
 * decision is part of the text, and in *fault.
 */
MUST_USE int filters_explain(const struct filters_set *set, struct filters_scratch *scratch,
                             const struct filters_message *message, uint64_t (*clock_us)(void *ctx), void *clock_ctx,
                             struct arena *arena, struct filters_decision *decision_r, struct fault *fault,
                             struct buf *out);

/* Whether any rule looks at more than envelope and header section, so that filters_message.source is needed. */
bool filters_needs_body(const struct filters_set *set);

/* ---- tests beside the rules ---- */

size_t filters_test_count(const struct filters_set *set);
struct filters_test_result {
    const char *name, *file;
    size_t line, column;
    bool passed;
    const char *why;          /* what was expected and what came instead; "" when it passed */
    const char *const *rules; /* those that it expects to act */
    size_t rule_count;
    const struct mail_delivery *deliveries; /* that were decided */
    size_t delivery_count;
};
/*
 * Runs test number `index`. read_file and ctx are as in struct filters_load_options. Strings of the result live in the
 * arena or in the set.
 */
void filters_test_run(const struct filters_set *set, struct filters_scratch *scratch, size_t index,
                      int (*read_file)(void *ctx, const char *from, const char *path, struct buf *out,
                                       struct fault *fault),
                      void *ctx, struct arena *arena, struct filters_test_result *result_r);

/* Runs all tests and adds an error for each that fails. Returns how many failed. */
size_t filters_tests_check(const struct filters_set *set,
                           int (*read_file)(void *ctx, const char *from, const char *path, struct buf *out,
                                            struct fault *fault),
                           void *ctx, struct problems *problems);

/* "2026-11-23T07:11:20Z", also with an offset instead of Z, or a date alone: milliseconds since 1970. False when it is
 * none. */
MUST_USE bool filters_time(const char *text, int64_t *time_ms_r);

/* Appends the JSON Schema (draft-07) of rule files, from the tables that the loader reads by. */
void filters_schema(struct buf *out);

#endif

/*
 * filters_run - one message in the hands of a rule set: its values, fetched once, and what has matched so far.
 * Internal.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_RUN_H
#define MAILWEIR_FILTERS_FILTERS_RUN_H

#include "base/must_use.h"
#include "filters/filters_set.h"
#include "filters/filters_template.h"
#include "mail/mail_view.h"

#define FILTERS_VALUE_MAX       (256u << 10) /* octets of one value */
#define FILTERS_OCCURRENCES_MAX 200000u      /* values of one subject; a header section has no room for more */
#define FILTERS_RUN_MEMORY      (64u << 20)  /* octets of values and captures of one decision */
#define FILTERS_WORK_TEST       1024u        /* what one test of a value costs beside the octets it looks at */
#define FILTERS_WORK_CHECK      (64u << 10)  /* the clock is read when so much was done */
#define FILTERS_FAILURES_MAX    10u          /* limits hit and skipped in one decision; one more defers the message */

enum filters_verdict { FILTERS_NO, FILTERS_YES, FILTERS_UNKNOWN, FILTERS_FAILED };

struct filters_value {
    struct bytes text;   /* valid UTF-8 */
    struct bytes folded; /* the same with its case folded; ptr NULL until somebody asked */
    /* A text's lines once more, each paragraph on one line (mail_view), to be searched; ptr NULL: nothing new. */
    struct bytes paragraphs, paragraphs_folded;
    struct bytes name; /* the display name of an address in a header field; ptr NULL: none */
    int64_t number;    /* of subjects that are not texts */
    unsigned index;    /* of an attachment or a part: which of the view's */
    bool is_part, is_address;
    bool is_ascii; /* of a text with paragraphs: nothing that is not seen was left out of them */
};

/* The values of one subject, as far as they have been fetched. */
struct filters_fetched {
    enum { FILTERS_NOT_FETCHED, FILTERS_FETCHED, FILTERS_NOT_YET } state;
    struct filters_value *values;
    size_t count, size;
    bool looked;               /* by the subject's prefilter, when it has one */
    const uint64_t *ruled_out; /* as bits by number: what holds for none of the values; NULL: nothing is known */
};

/* One successful match of the rule that is being decided; the newest stands last. */
struct filters_capture {
    const struct filters_pattern *pattern;
    struct bytes text;
    size_t *groups; /* start and end of each group, SIZE_MAX where it took no part */
};

struct filters_trace;

struct filters_run {
    const struct filters_set *set;
    const struct filters_message *message;
    size_t recipient; /* index into the envelope */
    enum filters_extent extent;
    struct filters_matcher *matcher;
    struct arena *arena;              /* the scratch's: for what lives as long as the decision is made */
    struct filters_fetched *fetched;  /* by subject number */
    struct filters_capture *captures; /* of the rule being decided */
    size_t capture_count, capture_size;
    struct bytes *variables;          /* by number; of this recipient */
    const struct filters_value *item; /* the one at hand under "some", "every" and "none", or NULL */
    const struct mail_view *view;     /* decoded parts; NULL until asked for */
    uint8_t *never;                   /* by rule number: it said no, and it does not look at the recipient */
    bool incomplete;                  /* a template asked for a value that is not known yet */
    unsigned failures;
    uint64_t deadline_us;        /* of the message's clock; 0: none */
    size_t work;                 /* done since the clock was read; it stays at its limit once the time is over */
    struct filters_trace *trace; /* NULL: nobody wants to know */
    /* Fills a subject's list; filters_value.c's. -1 with a fault. */
    int (*fetch)(struct filters_run *run, const struct filters_subject *subject, struct filters_fetched *fetched);
    struct fault *fault; /* filled when a verdict is FAILED */
};

/* -1 with a fault when memory is at its limit. filters_run_done() is due in any case. */
MUST_USE int filters_run_init(struct filters_run *run);
void filters_run_done(struct filters_run *run);

/* The subject's values; NOT_YET when the message has not come far enough. -1 with a fault. */
MUST_USE int filters_run_fetch(struct filters_run *run, const struct filters_subject *subject,
                               const struct filters_fetched **fetched_r);
/* Decodes the message's parts, unless that was done: run->view is there then. -1 with a fault. */
MUST_USE int filters_run_look(struct filters_run *run);
/* The value with its case folded. -1 with a fault. */
MUST_USE int filters_run_fold(struct filters_run *run, struct filters_value *value);
/* Forgets what depends on the recipient. */
void filters_run_next_recipient(struct filters_run *run, size_t recipient);
/* Looks into all values of the subject, which has a prefilter, and whose values are there (filters_prefilter.h). */
void filters_run_prefilter(struct filters_run *run, const struct filters_subject *subject,
                           struct filters_fetched *fetched);
/* Whether the pattern of that number, or the test for words, holds for none of the subject's values, for sure. */
static inline bool filters_run_rules_out(struct filters_run *run, const struct filters_subject *subject,
                                         unsigned number)
{
    struct filters_fetched *fetched = &run->fetched[subject->number];
    if (subject->prefilter == NULL || fetched->state != FILTERS_FETCHED) {
        return false;
    }
    if (!fetched->looked) {
        filters_run_prefilter(run, subject, fetched);
    }
    return fetched->ruled_out != NULL && (fetched->ruled_out[number / 64] >> (number % 64) & 1) != 0;
}
/*
 * The pattern on the value's lines first, so that what it captures is of them; then on the paragraphs, where words
 * stand together that lines part. 1 with the form in which it matched, 0, or -1: a limit was hit,
 * filters_matcher_error().
 */
MUST_USE int filters_run_match_forms(struct filters_run *run, const struct filters_pattern *pattern,
                                     const struct filters_value *value, struct bytes *form_r);
MUST_USE static inline int filters_run_match(struct filters_run *run, const struct filters_pattern *pattern,
                                             const struct filters_value *value, struct bytes *form_r)
{
    *form_r = value->text;
    return value->paragraphs.ptr == NULL ? filters_pattern_match(pattern, run->matcher, value->text)
                                         : filters_run_match_forms(run, pattern, value, form_r);
}
/* Decides a rule's condition; captures are collected anew. */
enum filters_verdict filters_run_rule(struct filters_run *run, const struct filters_rule *rule);
/* Reads the clock: whether there is time left. */
bool filters_run_has_time(struct filters_run *run);
/* Before each test of a value of so many octets: whether there is time for it. */
static inline bool filters_run_may_test(struct filters_run *run, size_t octets)
{
    run->work += FILTERS_WORK_TEST + octets;
    return run->work < FILTERS_WORK_CHECK || filters_run_has_time(run);
}
/* "memory is at its limit" into the fault; returns -1. */
MUST_USE int filters_run_full(struct filters_run *run);
/* "the time is over" into the fault; returns -1. */
MUST_USE int filters_run_out_of_time(struct filters_run *run);

/* Add to a list of values: a string, an address or a part of one, a text of the view (in NFC), a part of an attachment;
 * and the text in NFC, in the run's arena. -1 with a fault. */
MUST_USE int filters_run_add_string(struct filters_run *run, struct filters_fetched *values, const char *text);
MUST_USE int filters_run_add_address(struct filters_run *run, struct filters_fetched *values, struct bytes address,
                                     enum filters_part part);
MUST_USE int filters_run_add_shown(struct filters_run *run, struct filters_fetched *values, struct bytes text);
MUST_USE int filters_run_add_attachment(struct filters_run *run, enum filters_part part, struct filters_fetched *values,
                                        const struct mail_view_attachment *attachment);
MUST_USE int filters_run_composed(struct filters_run *run, struct bytes text, struct bytes *text_r);
/* Add to a list of values: a text (made valid UTF-8, cut at FILTERS_VALUE_MAX), a number with the text that is shown of
 * it (NULL: its digits), a copy of a value, an attribute of a value. -1 with a fault. */
MUST_USE int filters_run_add_text(struct filters_run *run, struct filters_fetched *values, struct bytes text);
MUST_USE int filters_run_add_number(struct filters_run *run, struct filters_fetched *values, int64_t number,
                                    const char *text);
MUST_USE int filters_run_add_value(struct filters_run *run, struct filters_fetched *values,
                                   const struct filters_value *value);
MUST_USE int filters_run_add_attribute(struct filters_run *run, struct filters_fetched *values,
                                       const struct filters_value *value, enum filters_part attribute);
/* What reports the message is; what trusted hosts say of it by that method. -1 with a fault. The first wants run->view.
 */
MUST_USE int filters_run_report(struct filters_run *run, struct filters_fetched *fetched);
MUST_USE int filters_run_auth(struct filters_run *run, const char *method, struct filters_fetched *fetched);
/* "-1.5" scaled by ten to the FILTERS_DECIMALS. False when the text is no such number. */
MUST_USE bool filters_decimal(struct bytes text, int64_t *scaled_r);

#endif

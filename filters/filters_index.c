/*
 * filters_index - see filters_index.h.
 */
#include "filters/filters_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/map.h"
#include "base/network.h"

#define ANCHORS_MAX 16      /* tests that together carry one rule */
#define WORDS_MAX   1000000 /* entries of one table */

/* Rules by position, each once, ascending. */
struct posting {
    uint32_t *rules;
    size_t count, size;
};

/* One table per subject and way to compare. */
struct table {
    const struct filters_subject *subject;
    bool nocase;
    bool domains;         /* an entry stands for a whole domain */
    uint8_t lengths[129]; /* of networks: whether there is one of that length */
    struct map *words;    /* -> struct posting */
};

/* A named list is looked up as it is, once for all rules that use it. */
struct list_entry {
    const struct filters_subject *subject;
    bool nocase;
    const struct filters_words *set;
    struct posting posting;
};

/* A rule's first test, of a pattern or of words, which must hold for it to act; subject NULL: there is none. */
struct quick {
    const struct filters_pattern *pattern; /* NULL: of words */
    const struct filters_subject *subject;
    unsigned number; /* by which a prefilter rules it out */
};

struct filters_index {
    struct quick *quick;
    size_t words;
    uint64_t *always;
    struct table *tables;
    size_t table_count;
    struct list_entry *lists;
    size_t list_count;
};

/* ---- anchors: tests of which one must hold for the condition to hold ---- */

struct anchors {
    const struct filters_condition *tests[ANCHORS_MAX];
    size_t count;
    size_t weight; /* entries in all */
};

static bool is_indexable(const struct filters_condition *test)
{
    return !test->subject->is_volatile && test->operand == NULL && (test->op == FILTERS_IS || test->op == FILTERS_IN) &&
           (test->subject->type & (FILTERS_TYPE_TEXT | FILTERS_TYPE_NETWORK)) != 0 && test->set != NULL;
}

static bool find_anchors(const struct filters_condition *condition, struct anchors *anchors_r);

static bool anchors_of_any(const struct filters_condition *condition, struct anchors *anchors_r)
{
    struct anchors all = {.count = 0};
    for (size_t i = 0; i < condition->child_count; i++) {
        struct anchors one;
        if (!find_anchors(condition->children[i], &one) || all.count + one.count > ANCHORS_MAX) {
            return false;
        }
        memcpy(all.tests + all.count, one.tests, one.count * sizeof(const struct filters_condition *));
        all.count += one.count;
        all.weight += one.weight;
    }
    *anchors_r = all;
    return true;
}

/* The lightest child carries the whole. */
static bool anchors_of_all(const struct filters_condition *condition, struct anchors *anchors_r)
{
    bool found = false;
    for (size_t i = 0; i < condition->child_count; i++) {
        struct anchors one;
        if (find_anchors(condition->children[i], &one) && (!found || one.weight < anchors_r->weight)) {
            *anchors_r = one;
            found = true;
        }
    }
    return found;
}

static bool find_anchors(const struct filters_condition *condition, struct anchors *anchors_r)
{
    switch (condition->kind) {
    case FILTERS_ALL:
        return anchors_of_all(condition, anchors_r);
    case FILTERS_ANY:
        return anchors_of_any(condition, anchors_r);
    case FILTERS_NOT:
    case FILTERS_EACH:
        return false;
    case FILTERS_TEST:
        break;
    }
    if (!is_indexable(condition)) {
        return false;
    }
    *anchors_r = (struct anchors){.tests = {condition}, .count = 1, .weight = filters_words_count(condition->set)};
    return true;
}

/* ---- building ---- */

static void posting_add(struct posting *posting, uint32_t rule)
{
    if (posting->count > 0 && posting->rules[posting->count - 1] == rule) {
        return;
    }
    if (posting->count == posting->size) {
        posting->size = posting->size == 0 ? 2 : posting->size * 2;
        posting->rules = expect_memory(realloc(posting->rules, posting->size * sizeof *posting->rules));
    }
    posting->rules[posting->count++] = rule;
}

static struct table *table_of(struct filters_index *index, const struct filters_condition *test)
{
    for (size_t i = 0; i < index->table_count; i++) {
        if (index->tables[i].subject == test->subject && index->tables[i].nocase == test->nocase) {
            return &index->tables[i];
        }
    }
    index->tables = expect_memory(realloc(index->tables, (index->table_count + 1) * sizeof *index->tables));
    struct table *table = &index->tables[index->table_count++];
    *table = (struct table){.subject = test->subject, .nocase = test->nocase, .words = map_new(WORDS_MAX * 4, NULL)};
    return table;
}

static void add_list(struct filters_index *index, const struct filters_condition *test, uint32_t rule)
{
    for (size_t i = 0; i < index->list_count; i++) {
        struct list_entry *entry = &index->lists[i];
        if (entry->set == test->set && entry->subject == test->subject) {
            posting_add(&entry->posting, rule);
            return;
        }
    }
    index->lists = expect_memory(realloc(index->lists, (index->list_count + 1) * sizeof *index->lists));
    struct list_entry *entry = &index->lists[index->list_count++];
    *entry = (struct list_entry){.subject = test->subject, .nocase = test->nocase, .set = test->set};
    posting_add(&entry->posting, rule);
}

static void add_words(struct filters_index *index, const struct filters_condition *test, uint32_t rule)
{
    struct table *table = table_of(index, test);
    table->domains = table->domains || (test->op == FILTERS_IN && filters_words_has_domains(test->set));
    size_t cursor = 0;
    struct bytes word;
    while (filters_words_next(test->set, &cursor, &word)) {
        struct posting *posting = map_get(table->words, word);
        if (posting == NULL) {
            posting = expect_calloc(1, sizeof *posting);
            disregard(map_set(table->words, word, posting));
        }
        if (test->subject->type == FILTERS_TYPE_NETWORK) {
            table->lengths[word.ptr[word.len - 1]] = 1;
        }
        posting_add(posting, rule);
    }
}

static void add_rule(struct filters_index *index, const struct filters_rule *rule, uint32_t position)
{
    struct anchors anchors;
    if (rule->disabled) {
        return;
    }
    if (rule->condition == NULL || !find_anchors(rule->condition, &anchors) || anchors.weight > WORDS_MAX) {
        index->always[position / 64] |= UINT64_C(1) << (position % 64);
        return;
    }
    for (size_t i = 0; i < anchors.count; i++) {
        if (anchors.tests[i]->list != NULL) {
            add_list(index, anchors.tests[i], position);
        } else {
            add_words(index, anchors.tests[i], position);
        }
    }
}

/* The first test of the condition when a prefilter may rule it out, and nothing before it can fail. */
static bool find_quick(const struct filters_condition *condition, struct quick *quick_r)
{
    while (condition != NULL && condition->kind == FILTERS_ALL) {
        condition = condition->children[0];
    }
    unsigned number;
    if (condition == NULL || condition->kind != FILTERS_TEST || condition->per_recipient ||
        condition->subject->is_volatile || !filters_condition_number(condition, &number)) {
        return false;
    }
    *quick_r = (struct quick){condition->pattern, condition->subject, number};
    return true;
}

struct filters_index *filters_index_new(const struct filters_set *set, const struct filters_group *group)
{
    (void)set;
    struct filters_index *index = expect_calloc(1, sizeof *index);
    index->words = group->rule_count / 64 + 1;
    index->always = expect_calloc(index->words, sizeof *index->always);
    index->quick = expect_calloc(group->rule_count + 1, sizeof *index->quick);
    for (size_t i = 0; i < group->rule_count; i++) {
        add_rule(index, &group->rules[i], (uint32_t)i);
        disregard(find_quick(group->rules[i].condition, &index->quick[i]));
    }
    return index;
}

static void free_posting(void *value)
{
    struct posting *posting = value;
    free(posting->rules);
    free(posting);
}

void filters_index_free(struct filters_index **index)
{
    if (*index == NULL) {
        return;
    }
    for (size_t i = 0; i < (*index)->table_count; i++) {
        map_free(&(*index)->tables[i].words, free_posting);
    }
    for (size_t i = 0; i < (*index)->list_count; i++) {
        free((*index)->lists[i].posting.rules);
    }
    free((*index)->tables);
    free((*index)->lists);
    free((*index)->always);
    free((*index)->quick);
    free(*index);
    *index = NULL;
}

/* ---- looking up ---- */

size_t filters_index_words(const struct filters_index *index)
{
    return index->words;
}

static void set_bits(const struct posting *posting, uint64_t *candidates)
{
    for (size_t i = 0; posting != NULL && i < posting->count; i++) {
        candidates[posting->rules[i] / 64] |= UINT64_C(1) << (posting->rules[i] % 64);
    }
}

static void all_of_table(const struct table *table, uint64_t *candidates)
{
    size_t cursor = 0;
    struct bytes word;
    void *posting;
    while (map_next(table->words, &cursor, &word, &posting)) {
        set_bits(posting, candidates);
    }
}

/* The value as the table's words were kept. */
static int compared(struct filters_run *run, struct filters_value *value, bool nocase, struct bytes *text_r)
{
    if (nocase && filters_run_fold(run, value) < 0) {
        return -1;
    }
    *text_r = nocase ? value->folded : value->text;
    return 0;
}

/* As filters_words_has_network() would in each rule's set: once for each length of all of them. */
static void look_up_network(const struct table *table, struct bytes address, uint64_t *candidates)
{
    uint8_t octets[16], key[FILTERS_WORDS_NETWORK_KEY];
    if (network_address_parse(octets, address) < 0) {
        return;
    }
    for (unsigned bits = 0; bits < sizeof table->lengths; bits++) {
        if (table->lengths[bits] != 0) {
            filters_words_network_key(octets, bits, key);
            set_bits(map_get(table->words, bytes_at(key, sizeof key)), candidates);
        }
    }
}

static int look_up_text(const struct table *table, struct filters_run *run, struct filters_value *value,
                        uint64_t *candidates)
{
    uint8_t key[FILTERS_WORDS_KEY_MAX];
    struct bytes text, probe;
    if (compared(run, value, table->nocase, &text) < 0) {
        return -1;
    }
    for (unsigned step = 0; filters_words_probe(text, step, key, &probe); step++) {
        set_bits(map_get(table->words, probe), candidates);
        if (!table->domains) {
            break;
        }
    }
    return 0;
}

static int look_up(const struct table *table, struct filters_run *run, uint64_t *candidates)
{
    const struct filters_fetched *fetched;
    if (filters_run_fetch(run, table->subject, &fetched) < 0) {
        return -1;
    }
    if (fetched->state == FILTERS_NOT_YET) {
        all_of_table(table, candidates);
        return 0;
    }
    for (size_t i = 0; i < fetched->count; i++) {
        if (table->subject->type == FILTERS_TYPE_NETWORK) {
            look_up_network(table, fetched->values[i].text, candidates);
        } else if (look_up_text(table, run, &fetched->values[i], candidates) < 0) {
            return -1;
        }
    }
    return 0;
}

static int look_up_list(const struct list_entry *entry, struct filters_run *run, uint64_t *candidates)
{
    const struct filters_fetched *fetched;
    if (filters_run_fetch(run, entry->subject, &fetched) < 0) {
        return -1;
    }
    bool found = fetched->state == FILTERS_NOT_YET;
    for (size_t i = 0; i < fetched->count && !found; i++) {
        struct bytes text;
        if (compared(run, &fetched->values[i], entry->nocase, &text) < 0) {
            return -1;
        }
        found = entry->subject->type == FILTERS_TYPE_NETWORK ? filters_words_has_network(entry->set, text)
                                                             : filters_words_has_address(entry->set, text);
    }
    if (found) {
        set_bits(&entry->posting, candidates);
    }
    return 0;
}

int filters_index_candidates(const struct filters_index *index, struct filters_run *run, uint64_t *candidates)
{
    memcpy(candidates, index->always, index->words * sizeof *candidates);
    for (size_t i = 0; i < index->table_count; i++) {
        if (look_up(&index->tables[i], run, candidates) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < index->list_count; i++) {
        if (look_up_list(&index->lists[i], run, candidates) < 0) {
            return -1;
        }
    }
    return 0;
}

bool filters_index_says_no(const struct filters_index *index, struct filters_run *run, size_t i)
{
    const struct quick *quick = &index->quick[i];
    if (quick->subject == NULL) {
        return false;
    }
    const struct filters_fetched *fetched = &run->fetched[quick->subject->number];
    if (fetched->state != FILTERS_FETCHED) {
        return false; /* the long way fetches it */
    }
    if (filters_run_rules_out(run, quick->subject, quick->number)) {
        return true;
    }
    for (size_t j = 0; j < fetched->count; j++) {
        const struct filters_value *value = &fetched->values[j];
        struct bytes form;
        if (quick->pattern == NULL || !filters_run_may_test(run, value->text.len + value->paragraphs.len) ||
            filters_run_match(run, quick->pattern, value, &form) != 0) {
            return false; /* it matches, or a limit was hit: the long way tells what follows */
        }
    }
    return true;
}

/*
 * mail_query - reading and matching of searches. Contract: mail_query.h.
 *
 * Whatever finds candidates faster (an index of words) may give too many: what is said here decides.
 */
#include "mail/mail_query.h"

#include <string.h>

#include "base/buf.h"
#include "base/units.h"
#include "mail/mail_fold.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)
/* Octets of folded text at most: NFKD makes a character up to 18 times as long. */
#define FOLD_MAX (64u << 10)

static const struct {
    const char *name;
    enum mail_query_field field;
} fields[] = {
    {"subject", MAIL_QUERY_SUBJECT},
    {"from", MAIL_QUERY_FROM},
    {"to", MAIL_QUERY_TO},
    {"state", MAIL_QUERY_STATE},
    {"since", MAIL_QUERY_SINCE},
    {"until", MAIL_QUERY_UNTIL},
    {"upstream", MAIL_QUERY_UPSTREAM},
    {"folder", MAIL_QUERY_FOLDER},
    {"rule", MAIL_QUERY_RULE},
    {"client", MAIL_QUERY_CLIENT},
    {"listener", MAIL_QUERY_LISTENER},
    {"user", MAIL_QUERY_USER},
    {"id", MAIL_QUERY_ID},
    {"message-id", MAIL_QUERY_MESSAGE_ID},
};
#define FIELDS (sizeof fields / sizeof fields[0])

static const char *const states[] = {
    "waiting", "held", "dead", "filed", "dropped", "moved", MAIL_QUERY_DISCARDED, MAIL_QUERY_REFUSED};
#define STATES (sizeof states / sizeof states[0])

/* Octets of a list of all states, or of all fields. */
#define LIST_MAX 300

/* ---- times ---- */

/* Days since 1970-01-01 of a civil date (proleptic Gregorian). */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Digits, then the octet `end` (0: nothing) off *rest. */
static bool take_number(struct bytes *rest, size_t digits, uint8_t end, uint64_t *value_r)
{
    if (rest->len < digits || !bytes_to_u64(bytes_slice(*rest, 0, digits), value_r)) {
        return false;
    }
    *rest = bytes_from(*rest, digits);
    if (end != 0 && (rest->len == 0 || rest->ptr[0] != end)) {
        return false;
    }
    *rest = end == 0 ? *rest : bytes_from(*rest, 1);
    return true;
}

/* "T12:00", "T12:00:30", and nothing behind it. */
static bool read_clock(struct bytes text, uint64_t *hour_r, uint64_t *minute_r, uint64_t *second_r)
{
    bool parted = text.ptr[0] == 'T' || text.ptr[0] == 't';
    text = bytes_from(text, 1);
    if (!parted || !take_number(&text, 2, ':', hour_r) || !take_number(&text, 2, 0, minute_r)) {
        return false;
    }
    if (text.len > 0 && text.ptr[0] == ':') {
        text = bytes_from(text, 1);
        return take_number(&text, 2, 0, second_r) && text.len == 0;
    }
    return text.len == 0;
}

/* "2026-11-30", "2026-11-30T12:00", "2026-11-30T12:00:30", each with "Z" or without. */
static bool read_date(struct bytes text, int64_t *time_ms_r)
{
    uint64_t year, month, day, hour = 0, minute = 0, second = 0;
    if (text.len > 0 && (text.ptr[text.len - 1] == 'Z' || text.ptr[text.len - 1] == 'z')) {
        text.len--;
    }
    if (!take_number(&text, 4, '-', &year) || !take_number(&text, 2, '-', &month) || !take_number(&text, 2, 0, &day)) {
        return false;
    }
    if (text.len > 0 && !read_clock(text, &hour, &minute, &second)) {
        return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60) {
        return false;
    }
    int64_t seconds = (int64_t)(hour * 3600 + minute * 60 + second);
    *time_ms_r = days_of((int64_t)year, (int64_t)month, (int64_t)day) * DAY_MS + seconds * 1000;
    return true;
}

static bool read_time(struct bytes text, int64_t now_ms, int64_t *time_ms_r)
{
    uint64_t ago;
    int64_t midnight = now_ms - now_ms % DAY_MS;
    if (bytes_is_nocase(text, "today") || bytes_is_nocase(text, "yesterday")) {
        *time_ms_r = midnight - (bytes_is_nocase(text, "today") ? 0 : DAY_MS);
        return true;
    }
    if (units_duration(text, &ago) == 0 && ago < (uint64_t)now_ms) {
        *time_ms_r = now_ms - (int64_t)ago;
        return true;
    }
    return read_date(text, time_ms_r);
}

/* ---- reading ---- */

/* Takes the next word off *rest: blanks part words, but not between quotes, which are left out. */
static int take_word(struct bytes *rest, struct buf *word, struct fault *fault)
{
    bool quoted = false;
    buf_clear(word);
    *rest = bytes_trim(*rest);
    if (rest->len == 0) {
        return 0;
    }
    size_t i = 0;
    for (; i < rest->len && (quoted || (rest->ptr[i] != ' ' && rest->ptr[i] != '\t')); i++) {
        if (rest->ptr[i] == '"') {
            quoted = !quoted;
        } else {
            buf_append_octet(word, rest->ptr[i]);
        }
    }
    *rest = bytes_from(*rest, i);
    if (quoted) {
        fault_set(fault, FAULT_PERM, "usage", "query", "a quotation mark (\") is not closed");
        return -1;
    }
    return 1;
}

static int find_field(struct bytes name)
{
    for (size_t i = 0; i < FIELDS; i++) {
        if (bytes_is_nocase(name, fields[i].name)) {
            return (int)fields[i].field;
        }
    }
    return -1;
}

static void refuse_field(struct bytes name, struct fault *fault)
{
    struct buf list;
    buf_init(&list, LIST_MAX);
    buf_append_choices(&list, &fields[0].name, sizeof fields[0], FIELDS);
    fault_set(fault, FAULT_PERM, "usage", "query",
              "there is no search field \"%.*s:\"; the fields are %s; to find a word with a colon write subject:\"…\"",
              (int)(name.len > 100 ? 100 : name.len), (const char *)name.ptr, buf_text(&list));
    buf_done(&list);
}

const char *mail_query_state_at(size_t index)
{
    return index < STATES ? states[index] : NULL;
}

static bool is_state(struct bytes word)
{
    for (size_t i = 0; i < STATES; i++) {
        if (bytes_is_nocase(word, states[i])) {
            return true;
        }
    }
    return false;
}

static void refuse_state(struct bytes word, struct fault *fault)
{
    struct buf list;
    buf_init(&list, LIST_MAX);
    buf_append_choices(&list, states, sizeof states[0], STATES);
    fault_set(fault, FAULT_PERM, "usage", "query", "\"%.*s\" is not a state; a state is %s",
              (int)(word.len > 100 ? 100 : word.len), (const char *)word.ptr, buf_text(&list));
    buf_done(&list);
}

static int check_states(const char *text, struct fault *fault)
{
    struct bytes rest = bytes_of(text);
    do {
        struct bytes word = bytes_cut(&rest, ',');
        if (!is_state(word)) {
            refuse_state(word, fault);
            return -1;
        }
    } while (rest.len > 0);
    return 0;
}

/* since and until: no condition of their own, but the bounds of time. */
static int add_time(struct mail_query *query, enum mail_query_field field, struct bytes text, int64_t now_ms,
                    struct fault *fault)
{
    int64_t time_ms;
    if (!read_time(text, now_ms, &time_ms)) {
        fault_set(fault, FAULT_PERM, "usage", "query",
                  "\"%.*s\" is not a time: write 2h, 30m, 7d, today, yesterday, 2026-11-30 or 2026-11-30T12:00 (UTC)",
                  (int)(text.len > 100 ? 100 : text.len), (const char *)text.ptr);
        return -1;
    }
    if (field == MAIL_QUERY_SINCE) {
        query->since_ms = time_ms > query->since_ms ? time_ms : query->since_ms;
    } else {
        query->until_ms = time_ms < query->until_ms ? time_ms : query->until_ms;
    }
    return 0;
}

static int add_condition(struct mail_query *query, struct mail_query_condition condition, struct bytes text,
                         struct arena *arena, struct fault *fault)
{
    struct buf words;
    if (query->count == MAIL_QUERY_CONDITIONS_MAX) {
        fault_set(fault, FAULT_PERM, "usage", "query", "a search has at most %u conditions", MAIL_QUERY_CONDITIONS_MAX);
        return -1;
    }
    condition.open_ended = text.len > 0 && text.ptr[text.len - 1] == '*';
    text.len -= condition.open_ended;
    buf_init(&words, FOLD_MAX);
    mail_fold_words(text, &words);
    condition.text = arena_copy(arena, text);
    condition.words = arena_text(arena, buf_text(&words));
    buf_done(&words);
    if (condition.text == NULL || condition.words == NULL) {
        fault_set(fault, FAULT_PERM, "usage", "query", "the search is too long");
        return -1;
    }
    bool is_time = condition.field == MAIL_QUERY_SINCE || condition.field == MAIL_QUERY_UNTIL;
    query->of_delivery = query->of_delivery || (condition.field >= MAIL_QUERY_STATE && !is_time);
    query->conditions[query->count++] = condition;
    return condition.field == MAIL_QUERY_STATE ? check_states(condition.text, fault) : 0;
}

/* "01KB9..." or "01KB9....2", whole or as the log as text has them: nobody means a word of a subject by it. */
static bool looks_like_id(struct bytes word)
{
    struct bytes rest = word, id = bytes_cut(&rest, '.');
    bool fits = id.len == UNITS_ID_LEN || (id.len == UNITS_ID_SHORT && units_is_id_head(id)), has_letter = false;
    fits = fits && octet_is_digit(id.ptr[0]);
    for (size_t i = 0; fits && i < id.len; i++) {
        has_letter = has_letter || octet_is_alpha(id.ptr[i]);
        fits = octet_is_digit(id.ptr[i]) || octet_is_alpha(id.ptr[i]);
    }
    return fits && has_letter;
}

static int add_word(struct mail_query *query, struct bytes word, int64_t now_ms, struct arena *arena,
                    struct fault *fault)
{
    struct mail_query_condition condition = {.field = MAIL_QUERY_ANY};
    condition.inverted = word.len > 1 && (word.ptr[0] == '-' || word.ptr[0] == '!');
    word = bytes_from(word, condition.inverted);
    ptrdiff_t colon = bytes_find_octet(word, ':');
    if (looks_like_id(word)) {
        condition.field = MAIL_QUERY_ID;
    } else if (colon > 0) {
        struct bytes name = bytes_slice(word, 0, (size_t)colon);
        int field = find_field(name);
        if (field < 0) {
            refuse_field(name, fault);
            return -1;
        }
        condition.field = (enum mail_query_field)field;
        word = bytes_from(word, (size_t)colon + 1);
    }
    if (word.len == 0) {
        fault_set(fault, FAULT_PERM, "usage", "query", "the word after the colon is missing");
        return -1;
    }
    if (condition.field == MAIL_QUERY_SINCE || condition.field == MAIL_QUERY_UNTIL) {
        return add_time(query, condition.field, word, now_ms, fault);
    }
    return add_condition(query, condition, word, arena, fault);
}

int mail_query_read(const char *text, int64_t now_ms, struct arena *arena, struct mail_query *query_r,
                    struct fault *fault)
{
    struct mail_query query = {.until_ms = INT64_MAX};
    struct bytes rest = bytes_of(text);
    struct buf word;
    if (rest.len > MAIL_QUERY_MAX || !bytes_is_utf8(rest)) {
        fault_set(fault, FAULT_PERM, "usage", "query", "a search must be UTF-8 and at most %u octets long",
                  MAIL_QUERY_MAX);
        return -1;
    }
    buf_init(&word, MAIL_QUERY_MAX + 1);
    int got;
    while ((got = take_word(&rest, &word, fault)) == 1) {
        if (add_word(&query, buf_bytes(&word), now_ms, arena, fault) != 0) {
            got = -1;
            break;
        }
    }
    buf_done(&word);
    if (got == 0) {
        *query_r = query;
    }
    return got;
}

/* ---- matching ---- */

/* "words" behind each other in text, from the beginning of a word to the end of one. */
static bool has_words(const struct mail_query_condition *condition, struct bytes text)
{
    struct buf folded, needle;
    buf_init(&folded, FOLD_MAX);
    buf_init(&needle, FOLD_MAX);
    buf_append_octet(&folded, ' ');
    mail_fold_words(text, &folded);
    buf_append_octet(&needle, ' ');
    buf_append_text(&needle, condition->words);
    if (condition->open_ended && needle.len > 1) {
        buf_truncate(&needle, needle.len - 1);
    }
    bool has = bytes_find(buf_bytes(&folded), buf_bytes(&needle)) >= 0;
    buf_done(&folded);
    buf_done(&needle);
    return has;
}

/* The address of "Name <address>", or of an address alone. */
static struct bytes address_of(const char *entry)
{
    struct bytes text = bytes_of(entry);
    const char *open = strrchr(entry, '<');
    if (open == NULL || text.ptr[text.len - 1] != '>') {
        return text;
    }
    size_t start = (size_t)(open - entry) + 1;
    return bytes_slice(text, start, text.len - start - 1);
}

/* A whole address, "@domain", "local@"; a part of one with an open end. */
static bool fits_address(const struct mail_query_condition *condition, struct bytes address)
{
    struct bytes text = bytes_of(condition->text);
    if (condition->open_ended && text.ptr[0] != '@') {
        return bytes_starts_nocase(address, condition->text);
    }
    if (text.ptr[0] == '@') {
        ptrdiff_t at = bytes_find_octet(address, '@');
        struct bytes domain = at < 0 ? bytes_of("") : bytes_from(address, (size_t)at);
        return condition->open_ended ? bytes_starts_nocase(domain, condition->text) : bytes_equal_nocase(domain, text);
    }
    return text.ptr[text.len - 1] == '@' ? bytes_starts_nocase(address, condition->text)
                                         : bytes_equal_nocase(address, text);
}

static bool fits_entry(const struct mail_query_condition *condition, const char *entry)
{
    bool is_address = strchr(condition->text, '@') != NULL && strchr(condition->text, ' ') == NULL;
    return is_address ? fits_address(condition, address_of(entry)) : has_words(condition, bytes_of(entry));
}

typedef bool entry_fn(const void *ctx, const char *entry);

/* Calls fn for everybody who sent, or was to get, the message, until it says true. */
static bool any_sender(const struct mail_envelope *envelope, entry_fn *fn, const void *ctx)
{
    bool found = fn(ctx, envelope->from);
    for (size_t i = 0; !found && i < envelope->header_from_count; i++) {
        found = fn(ctx, envelope->header_from[i]);
    }
    return found;
}

static bool any_reader(const struct mail_envelope *envelope, entry_fn *fn, const void *ctx)
{
    bool found = false;
    for (size_t i = 0; !found && i < envelope->to_count; i++) {
        found = fn(ctx, envelope->to[i].address);
    }
    for (size_t i = 0; !found && i < envelope->header_to_count; i++) {
        found = fn(ctx, envelope->header_to[i]);
    }
    return found;
}

static bool fits_this(const void *ctx, const char *entry)
{
    return fits_entry(ctx, entry);
}

/* As it is, but for case; an open end stands for any rest. */
static bool fits_value(const struct mail_query_condition *condition, const char *value)
{
    struct bytes text = bytes_of(value == NULL ? "" : value);
    return condition->open_ended ? bytes_starts_nocase(text, condition->text) : bytes_is_nocase(text, condition->text);
}

/* A message's, or one of its deliveries': "<id>.<number>". */
static bool fits_id(const struct mail_query_condition *condition, const char *id)
{
    struct bytes wanted = bytes_of(condition->text);
    ptrdiff_t dot = bytes_find_octet(wanted, '.');
    struct bytes head = dot > 0 ? bytes_slice(wanted, 0, (size_t)dot) : wanted;
    return fits_value(condition, id) || (dot > 0 && bytes_is_nocase(head, id)) ||
           (units_is_id_head(head) && id != NULL && bytes_equal(bytes_slice(bytes_of(id), 0, head.len), head));
}

/* With or without its brackets. */
static bool fits_message_id(const struct mail_query_condition *condition, const char *message_id)
{
    struct bytes text = bytes_of(message_id == NULL ? "" : message_id);
    if (fits_value(condition, message_id)) {
        return true;
    }
    bool bracketed = text.len > 2 && text.ptr[0] == '<' && text.ptr[text.len - 1] == '>';
    return bracketed && bytes_is_nocase(bytes_slice(text, 1, text.len - 2), condition->text);
}

static bool fits_subject(const struct mail_query_condition *condition, const struct mail_envelope *envelope)
{
    return envelope->subject != NULL && has_words(condition, bytes_of(envelope->subject));
}

static bool fits_condition(const struct mail_query_condition *condition, const struct mail_envelope *envelope)
{
    switch (condition->field) {
    case MAIL_QUERY_ANY:
        return fits_subject(condition, envelope) || any_sender(envelope, fits_this, condition) ||
               any_reader(envelope, fits_this, condition);
    case MAIL_QUERY_SUBJECT:
        return fits_subject(condition, envelope);
    case MAIL_QUERY_FROM:
        return any_sender(envelope, fits_this, condition);
    case MAIL_QUERY_TO:
        return any_reader(envelope, fits_this, condition);
    case MAIL_QUERY_ID:
        return fits_id(condition, envelope->id);
    case MAIL_QUERY_MESSAGE_ID:
        return fits_message_id(condition, envelope->message_id);
    case MAIL_QUERY_CLIENT:
        return fits_value(condition, envelope->client.address);
    case MAIL_QUERY_LISTENER:
        return fits_value(condition, envelope->client.listener);
    case MAIL_QUERY_USER:
        return fits_value(condition, envelope->client.user);
    default:
        return !condition->inverted; /* of deliveries */
    }
}

bool mail_query_fits(const struct mail_query *query, const struct mail_envelope *envelope)
{
    bool fits = envelope->received_ms >= query->since_ms && envelope->received_ms < query->until_ms;
    for (size_t i = 0; fits && i < query->count; i++) {
        fits = fits_condition(&query->conditions[i], envelope) != query->conditions[i].inverted;
    }
    return fits;
}

static bool is_one_of_states(const char *list, const char *state)
{
    struct bytes rest = bytes_of(list);
    while (rest.len > 0) {
        if (bytes_is_nocase(bytes_cut(&rest, ','), state)) {
            return true;
        }
    }
    return false;
}

bool mail_query_wants_state(const struct mail_query *query, const char *state)
{
    for (size_t i = 0; i < query->count; i++) {
        const struct mail_query_condition *condition = &query->conditions[i];
        if (condition->field == MAIL_QUERY_STATE && is_one_of_states(condition->text, state) == condition->inverted) {
            return false;
        }
    }
    return true;
}

bool mail_query_fits_delivery(const struct mail_query *query, const char *state, const char *upstream,
                              const char *folder, const char *rule)
{
    bool fits = mail_query_wants_state(query, state);
    for (size_t i = 0; fits && i < query->count; i++) {
        const struct mail_query_condition *condition = &query->conditions[i];
        const char *value = condition->field == MAIL_QUERY_UPSTREAM ? upstream
                            : condition->field == MAIL_QUERY_FOLDER ? folder
                            : condition->field == MAIL_QUERY_RULE   ? rule
                                                                    : NULL;
        bool is_mine = condition->field >= MAIL_QUERY_UPSTREAM && condition->field <= MAIL_QUERY_RULE;
        fits = !is_mine || fits_value(condition, value) != condition->inverted;
    }
    return fits;
}

static bool needs(const struct mail_query *query, const enum mail_query_field *looking)
{
    for (size_t i = 0; i < query->count; i++) {
        for (size_t at = 0; looking[at] != MAIL_QUERY_UNTIL; at++) {
            if (query->conditions[i].field == looking[at]) {
                return true;
            }
        }
    }
    return false;
}

void mail_query_needs(const struct mail_query *query, const char *names_r[MAIL_QUERY_NEEDS])
{
    /* Fields that look at the member; none has UNTIL, which ends them. */
    static const struct {
        const char *name;
        enum mail_query_field looking[4];
    } members[] = {
        {"subject", {MAIL_QUERY_ANY, MAIL_QUERY_SUBJECT, MAIL_QUERY_UNTIL}},
        {"header_from", {MAIL_QUERY_ANY, MAIL_QUERY_FROM, MAIL_QUERY_UNTIL}},
        {"to", {MAIL_QUERY_ANY, MAIL_QUERY_TO, MAIL_QUERY_UNTIL}},
        {"header_to", {MAIL_QUERY_ANY, MAIL_QUERY_TO, MAIL_QUERY_UNTIL}},
        {"id", {MAIL_QUERY_ID, MAIL_QUERY_UNTIL}},
        {"message_id", {MAIL_QUERY_MESSAGE_ID, MAIL_QUERY_UNTIL}},
        {"client", {MAIL_QUERY_CLIENT, MAIL_QUERY_LISTENER, MAIL_QUERY_USER, MAIL_QUERY_UNTIL}},
    };
    _Static_assert(sizeof members / sizeof members[0] + 3 == MAIL_QUERY_NEEDS,
                   "all, the two that each has, and the end");
    size_t count = 0;
    names_r[count++] = "from";
    names_r[count++] = "received_ms";
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (needs(query, members[i].looking)) {
            names_r[count++] = members[i].name;
        }
    }
    names_r[count] = NULL;
}

/* ---- for an index, and for forgetting ---- */

static bool add_words(const void *ctx, const char *entry)
{
    mail_fold_words(bytes_of(entry), *(struct buf *const *)ctx);
    return false;
}

const char *const mail_query_members[] = {"from", "to", "subject", "header_from", "header_to", NULL};

void mail_query_words_of(const struct mail_envelope *envelope, enum mail_query_field field, struct buf *out)
{
    if (field == MAIL_QUERY_FROM) {
        any_sender(envelope, add_words, &out);
    } else if (field == MAIL_QUERY_TO) {
        any_reader(envelope, add_words, &out);
    } else if (envelope->subject != NULL) {
        mail_fold_words(bytes_of(envelope->subject), out);
    }
}

static bool is_address(const void *ctx, const char *entry)
{
    return bytes_is_nocase(address_of(entry), ctx);
}

bool mail_query_mentions(const struct mail_envelope *envelope, const char *address)
{
    return any_sender(envelope, is_address, address) || any_reader(envelope, is_address, address);
}

/* What may stand next to an address within another one: "joanna@x.example" does not mention anna@x.example. */
static bool goes_on(struct bytes text, size_t at)
{
    uint8_t c = at < text.len ? text.ptr[at] : ' ';
    if (c == '.') {
        c = at + 1 < text.len ? text.ptr[at + 1] : ' ';
        return octet_is_alpha(c) || octet_is_digit(c);
    }
    return octet_is_alpha(c) || octet_is_digit(c) || c == '-' || c == '_' || c == '+' || c >= 0x80;
}

bool mail_query_is_in(struct bytes text, const char *address)
{
    struct bytes wanted = bytes_of(address);
    for (size_t i = 0; wanted.len > 0 && i + wanted.len <= text.len; i++) {
        if (octet_lower(text.ptr[i]) == octet_lower(wanted.ptr[0]) &&
            bytes_equal_nocase(bytes_slice(text, i, wanted.len), wanted) && !goes_on(text, i + wanted.len) &&
            (i == 0 || (text.ptr[i - 1] != '.' && !goes_on(text, i - 1)))) {
            return true;
        }
    }
    return false;
}

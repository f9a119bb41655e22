/*
 * outage - see outage.h.
 */
#include "engine/outage.h"

#include <string.h>

/* The pace where the account says nothing. */
static const struct backoff own_pace = {.initial_ms = 1000, .maximum_ms = 60000};
/* A password that is refused is not tried so soon again: servers lock accounts. */
static const struct backoff login_pace = {.initial_ms = 60000, .maximum_ms = 3600000};

static const char *const names[] = {[OUTAGE_UNREACHED] = "unreached",
                                    [OUTAGE_LOGIN] = "login",
                                    [OUTAGE_SESSIONS] = "sessions",
                                    [OUTAGE_REFUSED] = "refused"};
_Static_assert(sizeof names / sizeof names[0] == OUTAGE_CAUSES, "each cause has its name");

void outage_init(struct outage *outage, struct backoff pace)
{
    *outage = (struct outage){.pace = pace.initial_ms != 0 ? pace : own_pace};
}

/* FNV-1a, over lower case. */
#define PRINT_BEGIN UINT64_C(14695981039346656037)

static uint64_t print_on(uint64_t print, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        print = (print ^ octet_lower(text.ptr[i])) * UINT64_C(1099511628211);
    }
    return print;
}

uint64_t outage_print(struct bytes name)
{
    return print_on(PRINT_BEGIN, name) | 1;
}

uint64_t outage_message(struct bytes delivery)
{
    ptrdiff_t dot = bytes_find_octet(delivery, '.');
    return outage_print(dot < 0 ? delivery : bytes_slice(delivery, 0, (size_t)dot));
}

unsigned outage_failures(const struct outage *outage)
{
    unsigned sum = 0;
    for (size_t i = 0; i < OUTAGE_CAUSES; i++) {
        sum += outage->failures[i];
    }
    return sum;
}

const char *outage_cause_name(enum outage_cause cause)
{
    return names[cause];
}

/* ---- failures ---- */

void outage_failed(struct outage *outage, uint64_t now, uint64_t random, enum outage_cause cause,
                   const struct fault *fault, uint64_t retry_after_ms, bool hard)
{
    if (outage->down && outage->hard && hard && now < outage->until) {
        /* One of several that failed together. */
        if (now + retry_after_ms > outage->until) {
            outage->until = now + retry_after_ms;
            outage->delay = retry_after_ms;
            outage->asked = true;
        }
        return;
    }
    const struct backoff *pace = cause == OUTAGE_LOGIN ? &login_pace : &outage->pace;
    uint64_t delay = backoff_delay(pace, ++outage->failures[cause], random);
    outage->counts[cause]++;
    outage->down = true;
    outage->hard = hard;
    outage->cause = cause;
    outage->fault = *fault;
    outage->delay = delay > retry_after_ms ? delay : retry_after_ms;
    outage->until = now + outage->delay;
    outage->asked = retry_after_ms > 0 || cause == OUTAGE_LOGIN;
}

bool outage_session_ended(struct outage *outage, uint64_t now, uint64_t random, const struct outage_session *session)
{
    bool idle = session->message == 0 && session->lived_ms >= OUTAGE_SHORT_MS;
    bool same = session->message != 0 && session->message == outage->barren_message;
    if (session->filed || idle || same) {
        return false;
    }
    outage->barren++;
    outage->barren_message = session->message;
    if (outage->barren < OUTAGE_BARREN) {
        return false;
    }
    outage_failed(outage, now, random, OUTAGE_SESSIONS, &session->fault, 0, true);
    return true;
}

/* ---- refusals ---- */

static bool is_name_octet(uint8_t c)
{
    return octet_is_alpha(c) || octet_is_digit(c) || c >= 0x80 || memchr("-_./@:\\&,", c, 9) != NULL;
}

static bool is_part_octet(uint8_t c)
{
    return octet_is_alpha(c) || octet_is_digit(c) || c >= 0x80;
}

/* Whether the word stands in the name between marks or at its ends: "in" is no part of "INBOX". */
static bool is_part(struct bytes word, struct bytes name)
{
    for (size_t i = 0; word.len > 0 && i + word.len <= name.len; i++) {
        size_t end = i + word.len;
        if (bytes_equal_nocase(bytes_slice(name, i, word.len), word) && (i == 0 || !is_part_octet(name.ptr[i - 1])) &&
            (end == name.len || !is_part_octet(name.ptr[end]))) {
            return true;
        }
    }
    return false;
}

/* The folder's last level, which servers say with a prefix of their own in front of it ("INBOX.Sales"). */
static struct bytes last_level(struct bytes folder)
{
    size_t from = folder.len;
    while (from > 0 && folder.ptr[from - 1] != '/') {
        from--;
    }
    return bytes_from(folder, from);
}

/* Words with digits are numbers and ids, those with "/" or "@" are names and addresses. */
static bool is_telling(struct bytes word, struct bytes folder)
{
    for (size_t i = 0; i < word.len; i++) {
        if (octet_is_digit(word.ptr[i]) || word.ptr[i] == '/' || word.ptr[i] == '@') {
            return false;
        }
    }
    return !is_part(word, folder) && !is_part(last_level(folder), word);
}

/* Without the marks of its sentence. */
static struct bytes bare_word(struct bytes word)
{
    while (word.len > 0 && !is_part_octet(word.ptr[word.len - 1])) {
        word.len--;
    }
    while (word.len > 0 && !is_part_octet(word.ptr[0])) {
        word = bytes_from(word, 1);
    }
    return word;
}

uint64_t outage_words(const char *text, struct bytes folder)
{
    struct bytes rest = bytes_of(text);
    uint64_t print = PRINT_BEGIN;
    while (rest.len > 0) {
        size_t len = 0;
        while (len < rest.len && is_name_octet(rest.ptr[len])) {
            len++;
        }
        struct bytes word = bare_word(bytes_slice(rest, 0, len));
        if (word.len > 0 && is_telling(word, folder)) {
            print = print_on(print_on(print, word), bytes_of(" "));
        }
        rest = bytes_from(rest, len > 0 ? len : 1);
    }
    return print | 1;
}

/* What is full or locked may be one folder alone: then its senders prove nothing. */
static bool is_of_folder(const struct fault *fault)
{
    return strcmp(fault->code, "overquota") == 0 || strcmp(fault->code, "inuse") == 0;
}

static bool is_known(const struct outage *outage, uint64_t message)
{
    for (size_t i = 0; i < outage->alike.count; i++) {
        if (outage->alike.messages[i] == message) {
            return true;
        }
    }
    return false;
}

static void note_alike(struct outage *outage, const struct outage_refusal *refusal)
{
    uint64_t words = outage_words(refusal->fault->text, refusal->folder), folder = outage_print(refusal->folder);
    if (outage->alike.words != words) {
        memset(&outage->alike, 0, sizeof outage->alike);
        outage->alike.words = words;
        outage->alike.sender = refusal->sender;
        outage->alike.folder = folder;
    }
    if (outage->alike.count < OUTAGE_ALIKE_ONE && !is_known(outage, refusal->message)) {
        outage->alike.messages[outage->alike.count++] = refusal->message;
    }
    outage->alike.senders = outage->alike.senders || outage->alike.sender != refusal->sender;
    outage->alike.folders = outage->alike.folders || outage->alike.folder != folder;
}

bool outage_refused(struct outage *outage, uint64_t now, uint64_t random, const struct outage_refusal *refusal)
{
    /* What is refused for good by a reason that is known is about the message or the folder. */
    if (refusal->fault->class != FAULT_TEMP && !refusal->general) {
        return false;
    }
    note_alike(outage, refusal);
    bool varied = outage->alike.folders || (outage->alike.senders && !is_of_folder(refusal->fault));
    if (!outage->alike.open && !(varied && outage->alike.count >= OUTAGE_ALIKE) &&
        outage->alike.count < OUTAGE_ALIKE_ONE) {
        return false;
    }
    outage->alike.open = true;
    outage_failed(outage, now, random, OUTAGE_REFUSED, refusal->fault, 0, true);
    return true;
}

/* ---- the end ---- */

bool outage_reached(struct outage *outage)
{
    bool was_unreached = outage->down && outage->cause <= OUTAGE_LOGIN;
    outage->failures[OUTAGE_UNREACHED] = outage->failures[OUTAGE_LOGIN] = 0;
    if (was_unreached) {
        outage->down = outage_failures(outage) > 0;
        outage->until = 0;
        outage->asked = false;
    }
    return was_unreached && !outage->down;
}

bool outage_worked(struct outage *outage)
{
    bool was_down = outage->down;
    memset(outage->failures, 0, sizeof outage->failures);
    memset(&outage->alike, 0, sizeof outage->alike);
    outage->down = outage->hard = outage->asked = false;
    outage->until = 0;
    outage->barren = 0;
    outage->barren_message = 0;
    return was_down;
}

void outage_resume(struct outage *outage, uint64_t until, uint64_t delay, bool login, unsigned failures,
                   const struct fault *fault)
{
    outage->down = outage->hard = outage->asked = true;
    outage->until = until;
    outage->delay = delay;
    outage->cause = login ? OUTAGE_LOGIN : OUTAGE_REFUSED;
    outage->failures[outage->cause] = failures > 0 ? failures : 1;
    outage->fault = *fault;
}

void outage_try_now(struct outage *outage)
{
    outage->until = 0;
    outage->asked = false;
}

/*
 * mail_date - see mail_date.h. Words are taken for what they look like, in whatever order they come.
 */
#include "mail/mail_date.h"

#include <stdio.h>
#include <string.h>

#include "base/date.h"

#define VALUE_MAX 200

struct words {
    int day, month, year, hour, minute, second; /* -1: not seen */
    int zone;                                   /* hours and minutes as digits: +0130 is 130 */
};

static bool number_of(struct bytes text, uint64_t *value_r)
{
    return text.len > 0 && text.len <= 4 && bytes_to_u64(text, value_r);
}

static int month_of(struct bytes word)
{
    for (int month = 1; month <= 12; month++) {
        if (word.len >= 3 && bytes_starts_nocase(word, date_month_name(month))) {
            return month;
        }
    }
    return -1;
}

static void take_number(struct words *words, struct bytes word)
{
    uint64_t value;
    if (!number_of(word, &value)) {
        return;
    }
    if (word.len > 2) {
        words->year = word.len == 4 ? (int)value : 1900 + (int)value;
    } else if (words->day < 0) {
        words->day = (int)value;
    } else if (words->year < 0) { /* RFC 5322 section 4.3 */
        words->year = (int)value + (value < 50 ? 2000 : 1900);
    }
}

/* "07:11:20", "07:11", with a fraction or not. */
static void take_time(struct words *words, struct bytes word)
{
    uint64_t hour, minute, second = 0;
    bool is_time = number_of(bytes_cut(&word, ':'), &hour) && number_of(bytes_cut(&word, ':'), &minute);
    struct bytes seconds = bytes_cut(&word, '.');
    if (is_time && (seconds.len == 0 || number_of(seconds, &second))) {
        words->hour = (int)hour;
        words->minute = (int)minute;
        words->second = (int)second;
    }
}

static bool take_zone(struct words *words, struct bytes word)
{
    static const struct {
        const char *name;
        int zone;
    } names[] = {{"EST", -500}, {"EDT", -400}, {"CST", -600}, {"CDT", -500}, {"MST", -700},
                 {"MDT", -600}, {"PST", -800}, {"PDT", -700}, {"CET", 100},  {"CEST", 200}};
    uint64_t value;
    if (word.len == 5 && (word.ptr[0] == '+' || word.ptr[0] == '-') && number_of(bytes_from(word, 1), &value)) {
        words->zone = word.ptr[0] == '-' ? -(int)value : (int)value;
        return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (bytes_is_nocase(word, names[i].name)) {
            words->zone = names[i].zone;
            return true;
        }
    }
    return false;
}

/* "23-Nov-2026", "2026-11-23", "2026-11-23T07:11:20Z". */
static void take_dashes(struct words *words, struct bytes word)
{
    struct bytes time = word, date = bytes_cut(&time, 'T');
    uint64_t month;
    struct bytes first = bytes_cut(&date, '-'), second = bytes_cut(&date, '-');
    words->month = month_of(second) > 0 ? month_of(second) : number_of(second, &month) ? (int)month : -1;
    take_number(words, first);
    take_number(words, date);
    take_time(words, bytes_cut(&time, 'Z'));
}

static void take_word(struct words *words, struct bytes word)
{
    if (take_zone(words, word)) {
        return;
    }
    if (word.ptr[0] >= '0' && word.ptr[0] <= '9' && bytes_find_octet(word, '-') > 0) {
        take_dashes(words, word);
    } else if (bytes_find_octet(word, ':') > 0) {
        take_time(words, word);
    } else if (month_of(word) > 0) {
        words->month = month_of(word);
    } else {
        take_number(words, word);
    }
}

static void take_words(struct words *words, struct bytes value)
{
    unsigned depth = 0;
    for (size_t at = 0; at < value.len;) {
        size_t len = 0;
        while (at + len < value.len && strchr(" \t\r\n,()", value.ptr[at + len]) == NULL) {
            len++;
        }
        if (len > 0 && depth == 0) {
            take_word(words, bytes_slice(value, at, len));
        }
        at += len;
        if (at < value.len) { /* comments say nothing */
            depth += value.ptr[at] == '(' ? 1 : 0;
            depth -= value.ptr[at] == ')' && depth > 0 ? 1 : 0;
            at++;
        }
    }
}

bool mail_date_parse(struct bytes value, int64_t *ms_r)
{
    struct words words = {-1, -1, -1, -1, -1, 0, 0};
    take_words(&words, bytes_slice(value, 0, VALUE_MAX));
    if (words.day < 1 || words.month < 1 || words.month > 12 || words.year < 1970 || words.hour < 0) {
        return false;
    }
    char text[80];
    snprintf(text, sizeof text, "%02d-%s-%04d %02d:%02d:%02d %c%04d", words.day, date_month_name(words.month),
             words.year, words.hour, words.minute, words.second > 59 ? 59 : words.second, words.zone < 0 ? '-' : '+',
             words.zone < 0 ? -words.zone : words.zone);
    int64_t ms;
    if (date_imap_parse(bytes_of(text), &ms) < 0 || ms < 0) {
        return false;
    }
    *ms_r = ms;
    return true;
}

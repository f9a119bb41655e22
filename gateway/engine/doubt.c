/*
 * doubt - see doubt.h.
 */
#include "engine/doubt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

static bool is_plain(uint8_t octet)
{
    return octet > ' ' && octet != 0x7f && octet != '%' && octet != '#';
}

/* FNV-1a */
static uint64_t print_of(struct bytes name)
{
    uint64_t print = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < name.len; i++) {
        print = (print ^ name.ptr[i]) * UINT64_C(1099511628211);
    }
    return print;
}

void doubt_name(char out[DOUBT_NAME_MAX], struct bytes name)
{
    size_t at = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (at + 4 > DOUBT_NAME_MAX) {
            snprintf(out, DOUBT_NAME_MAX, "#%016" PRIx64, print_of(name));
            return;
        }
        if (is_plain(name.ptr[i])) {
            out[at++] = (char)name.ptr[i];
        } else {
            at += (size_t)snprintf(out + at, DOUBT_NAME_MAX - at, "%%%02x", name.ptr[i]);
        }
    }
    out[at] = '\0';
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool doubt_name_read(const char *name, char out[DOUBT_NAME_MAX])
{
    size_t at = 0;
    if (name[0] == '#') {
        return false;
    }
    for (; *name != '\0' && at + 1 < DOUBT_NAME_MAX; name++) {
        if (*name != '%') {
            out[at++] = *name;
            continue;
        }
        int high = digit_of(name[1]), low = high < 0 ? -1 : digit_of(name[2]);
        if (low < 0) {
            return false;
        }
        out[at++] = (char)(high * 16 + low);
        name += 2;
    }
    out[at] = '\0';
    return at > 0;
}

/* ---- how it begins ---- */

void doubt_arise(struct doubt *doubt, const struct doubt_mark *mark, unsigned place, int64_t now_ms)
{
    if (!doubt->open) {
        doubt->open = true;
        doubt->mark = *mark;
        doubt->place = place;
    } else if (doubt->place != place) {
        doubt->place = DOUBT_PLACES; /* it went out at both: neither can say no for the other */
    }
    doubt->since_ms = now_ms;
    doubt->looks = 0;
}

/* ---- what a look proves ---- */

/* Both are known, and differ. */
static bool differ(const char *then, const char *now)
{
    return then[0] != '\0' && now[0] != '\0' && strcmp(then, now) != 0;
}

/* A server that says the same MAILBOXID says that it is the same one, whatever it is called now. */
static bool is_renamed(const struct doubt_mark *then, const struct doubt_mark *now)
{
    bool is_same = then->mailbox[0] != '\0' && strcmp(then->mailbox, now->mailbox) == 0;
    return !is_same && differ(then->folder, now->folder);
}

static bool is_other_mailbox(const struct doubt_mark *then, const struct doubt_mark *now)
{
    bool renumbered = then->validity != 0 && now->validity != 0 && then->validity != now->validity;
    return renumbered || differ(then->mailbox, now->mailbox) || differ(then->account, now->account) ||
           is_renamed(then, now);
}

uint32_t doubt_from(const struct doubt *doubt, const struct doubt_mark *now)
{
    bool is_bound = doubt->mark.validity != 0 && doubt->mark.next != 0 && now->validity == doubt->mark.validity;
    /* One beyond all that there is bounds nothing: all may be of use to find it. */
    is_bound = is_bound && (now->next == 0 || doubt->mark.next <= now->next);
    return is_bound && !is_other_mailbox(&doubt->mark, now) ? doubt->mark.next : 1;
}

/* The one gap that no later look can close. */
static const char removed[] = "messages came into the folder and were removed, as the server says itself";

/* What keeps a look that answered everything from being a proof; NULL: nothing. */
static const char *gap_of(const struct doubt *doubt, const struct doubt_look *look)
{
    uint32_t from = doubt_from(doubt, &look->mark);
    if (differ(doubt->mark.account, look->mark.account)) {
        return "the message was sent to another account than the upstream has now";
    }
    if (is_renamed(&doubt->mark, &look->mark)) {
        return "the folder had another name on the server when it was sent";
    }
    if (is_other_mailbox(&doubt->mark, &look->mark)) {
        return "the folder has been replaced: another UIDVALIDITY or MAILBOXID";
    }
    if (look->cut) {
        return "the folder has more messages than one look can cover";
    }
    if (look->mark.next == 0) {
        return "the server does not say which UID comes next";
    }
    if (doubt->mark.validity != 0 && look->mark.next < doubt->mark.next) {
        return "the server shows an older state of the folder";
    }
    if (doubt->place != 0 && look->place != doubt->place) {
        return "the message was sent to another address of the account, and this one may lag behind";
    }
    if (look->seen < look->mark.next - from) {
        bool is_gone = look->vanished >= look->mark.next - from - look->seen;
        return is_gone ? removed : "messages arrived in the folder that are no longer there";
    }
    return NULL;
}

/*
 * Of a folder that was made for the message nobody asked which numbering it has. What the first look at it shows is
 * kept for those that follow: a folder that is numbered anew between two looks has no gap, and proves nothing.
 * Elsewhere, or in another mailbox, it says nothing.
 */
static void learn_mailbox(struct doubt *doubt, const struct doubt_look *look)
{
    bool is_elsewhere = look->place != doubt->place && doubt->place != 0;
    if (doubt->mark.validity == 0 && !is_elsewhere && !is_other_mailbox(&doubt->mark, &look->mark)) {
        doubt->mark.validity = look->mark.validity;
        doubt->mark.next = look->mark.validity == 0 ? doubt->mark.next : 0; /* of a numbering that is not known */
    }
}

static enum doubt_verdict end_unproven(struct doubt *doubt)
{
    doubt->open = false;
    doubt->noted = true;
    doubt->looks = 0;
    return DOUBT_UNPROVEN;
}

/* Once more, until it is no passing thing. */
static enum doubt_verdict wait_for_gap(struct doubt *doubt, const struct doubt_look *look, bool is_final)
{
    doubt->looks++;
    is_final = is_final || doubt->looks >= DOUBT_LOOKS;
    return !is_final || look->young ? DOUBT_AGAIN : end_unproven(doubt);
}

static enum doubt_verdict end_as(struct doubt *doubt, enum doubt_verdict verdict)
{
    doubt->open = false;
    doubt->looks = 0;
    return verdict;
}

enum doubt_verdict doubt_judge(struct doubt *doubt, const struct doubt_look *look, const char **why_r)
{
    bool existed = doubt->mark.validity != 0 || doubt->mark.mailbox[0] != '\0' || doubt->mark.there ||
                   is_other_mailbox(&doubt->mark, &look->mark);
    *why_r = NULL;
    if (look->found) {
        return end_as(doubt, DOUBT_FOUND);
    }
    learn_mailbox(doubt, look);
    if (look->early) {
        *why_r = "the server may still show the message";
        return DOUBT_AGAIN;
    }
    switch (look->sight) {
    case DOUBT_SIGHT_FAILED:
        *why_r = "the server did not answer everything";
        return DOUBT_AGAIN;
    case DOUBT_SIGHT_REFUSED:
        *why_r = "the account may not read the folder";
        return wait_for_gap(doubt, look, false);
    case DOUBT_SIGHT_MISSING:
        if (!existed) {
            return end_as(doubt, DOUBT_ABSENT);
        }
        *why_r = "the folder no longer exists";
        return wait_for_gap(doubt, look, false);
    case DOUBT_SIGHT_WHOLE:
        break;
    }
    *why_r = gap_of(doubt, look);
    return *why_r != NULL ? wait_for_gap(doubt, look, *why_r == removed) : end_as(doubt, DOUBT_ABSENT);
}

/* ---- the message that ends connections ---- */

bool doubt_kill(struct doubt *doubt, int64_t now_ms, int64_t others_ms)
{
    bool others_pass = doubt->kills == 0 || others_ms > doubt->killed_ms;
    doubt->tries++;
    if (others_pass) {
        doubt->kills++;
        doubt->killed_ms = now_ms;
    }
    bool often = doubt->kills > 1 && doubt->tries >= DOUBT_TRIES;
    return (others_pass && doubt->kills >= DOUBT_KILLS && doubt->tries >= DOUBT_KILLS) || often;
}

void doubt_kill_together(struct doubt *doubt, int64_t now_ms)
{
    if (doubt->kills == 0) {
        doubt->kills = 1;
        doubt->killed_ms = now_ms;
    }
}

/* ---- age ---- */

bool doubt_is_old(struct doubt *doubt, int64_t now_ms, int64_t old_ms, int64_t most_ms, bool is_first)
{
    if (doubt->dead || (is_first && old_ms > most_ms)) {
        doubt->dead = false;
        doubt->again_ms = now_ms;
    }
    /* A clock that was put back makes nothing old. */
    int64_t age = doubt->again_ms != 0 && now_ms - doubt->again_ms < old_ms ? now_ms - doubt->again_ms : old_ms;
    return age > most_ms;
}

/* ---- in words ---- */

/* Not by snprintf(): two of these texts are written for each delivery, of up to seventeen words. */
static size_t put_text(char *out, size_t at, const char *text, size_t len)
{
    size_t room = DOUBT_TEXT_MAX - 1 - at;
    len = len < room ? len : room;
    memcpy(out + at, text, len);
    out[at + len] = '\0';
    return at + len;
}

static size_t write_name(char *out, size_t at, const char *name, const char *value)
{
    if (value[0] != '\0') {
        at = put_text(out, at, " ", at > 0);
        at = put_text(out, at, name, strlen(name));
        at = put_text(out, at, "=", 1);
        at = put_text(out, at, value, strlen(value));
    }
    return at;
}

static size_t write_number(char *out, size_t at, const char *name, int64_t value)
{
    char text[24] = "";
    size_t first = sizeof text - 1;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    for (; rest > 0; rest /= 10) {
        text[--first] = (char)('0' + rest % 10);
    }
    if (value < 0) {
        text[--first] = '-';
    }
    return write_name(out, at, name, text + first);
}

void doubt_write(const struct doubt *doubt, char out[DOUBT_TEXT_MAX])
{
    size_t at = 0;
    out[0] = '\0';
    at = write_number(out, at, "uidvalidity", doubt->mark.validity);
    at = write_number(out, at, "uidnext", doubt->mark.next);
    at = write_name(out, at, "mailboxid", doubt->mark.mailbox);
    at = write_name(out, at, "account", doubt->mark.account);
    at = write_name(out, at, "folder", doubt->mark.folder);
    at = write_number(out, at, "there", doubt->mark.there);
    at = write_number(out, at, "place", doubt->place);
    at = write_number(out, at, "since", doubt->since_ms);
    at = write_number(out, at, "looks", doubt->looks);
    at = write_number(out, at, "kills", doubt->kills);
    at = write_number(out, at, "tries", doubt->tries);
    at = write_number(out, at, "killed", doubt->killed_ms);
    at = write_number(out, at, "dead", doubt->dead);
    at = write_number(out, at, "again", doubt->again_ms);
    at = write_number(out, at, "alone", doubt->alone);
    at = write_number(out, at, "bare", doubt->bare);
    write_number(out, at, "noted", doubt->noted);
}

static void read_text(char *text, size_t size, struct bytes value)
{
    if (value.len < size) {
        memcpy(text, value.ptr, value.len);
        text[value.len] = '\0';
    }
}

static void read_word(struct doubt *doubt, struct bytes name, struct bytes value)
{
    uint64_t number = 0;
    if (bytes_is(name, "mailboxid")) {
        read_text(doubt->mark.mailbox, sizeof doubt->mark.mailbox, value);
        return;
    }
    if (bytes_is(name, "account")) {
        read_text(doubt->mark.account, sizeof doubt->mark.account, value);
        return;
    }
    if (bytes_is(name, "folder")) {
        read_text(doubt->mark.folder, sizeof doubt->mark.folder, value);
        return;
    }
    if (!bytes_to_u64(value, &number) || number > INT64_MAX) {
        return;
    }
    uint32_t uid = number <= UINT32_MAX ? (uint32_t)number : 0;
    if (bytes_is(name, "uidvalidity")) {
        doubt->mark.validity = uid;
    } else if (bytes_is(name, "uidnext")) {
        doubt->mark.next = uid;
    } else if (bytes_is(name, "there")) {
        doubt->mark.there = number != 0;
    } else if (bytes_is(name, "place")) {
        doubt->place = uid;
    } else if (bytes_is(name, "since")) {
        doubt->since_ms = (int64_t)number;
    } else if (bytes_is(name, "looks")) {
        doubt->looks = uid;
    } else if (bytes_is(name, "kills")) {
        doubt->kills = uid;
    } else if (bytes_is(name, "tries")) {
        doubt->tries = uid;
    } else if (bytes_is(name, "killed")) {
        doubt->killed_ms = (int64_t)number;
    } else if (bytes_is(name, "dead")) {
        doubt->dead = number != 0;
    } else if (bytes_is(name, "again")) {
        doubt->again_ms = (int64_t)number;
    } else if (bytes_is(name, "alone")) {
        doubt->alone = number != 0;
    } else if (bytes_is(name, "bare")) {
        doubt->bare = number != 0;
    } else if (bytes_is(name, "noted")) {
        doubt->noted = number != 0;
    }
}

void doubt_read(struct doubt *doubt_r, struct bytes text)
{
    memset(doubt_r, 0, sizeof *doubt_r);
    while (text.len > 0) {
        struct bytes value = bytes_cut(&text, ' ');
        struct bytes name = bytes_cut(&value, '=');
        if (value.len > 0) {
            read_word(doubt_r, name, value);
        }
    }
}

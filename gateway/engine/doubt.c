/*
 * doubt - see doubt.h.
 */
#include "engine/doubt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- how it begins ---- */

void doubt_arise(struct doubt *doubt, const struct doubt_mark *mark, unsigned place, int64_t now_ms)
{
    if (!doubt->open) {
        doubt->open = true;
        doubt->mark = *mark;
        doubt->place = place;
    } else if (doubt->place != place) {
        doubt->place = 0; /* it went out at both: neither can say no for the other */
    }
    doubt->since_ms = now_ms;
    doubt->looks = 0;
}

/* ---- what a look proves ---- */

static bool is_other_mailbox(const struct doubt_mark *then, const struct doubt_mark *now)
{
    bool renumbered = then->validity != 0 && now->validity != 0 && then->validity != now->validity;
    bool replaced = then->mailbox[0] != '\0' && now->mailbox[0] != '\0' && strcmp(then->mailbox, now->mailbox) != 0;
    return renumbered || replaced;
}

uint32_t doubt_from(const struct doubt *doubt, const struct doubt_mark *now)
{
    bool is_bound = doubt->mark.validity != 0 && doubt->mark.next != 0 && now->validity == doubt->mark.validity;
    return is_bound && !is_other_mailbox(&doubt->mark, now) ? doubt->mark.next : 1;
}

/* What keeps a look that answered everything from being a proof; NULL: nothing. */
static const char *gap_of(const struct doubt *doubt, const struct doubt_look *look)
{
    uint32_t from = doubt_from(doubt, &look->mark);
    if (is_other_mailbox(&doubt->mark, &look->mark)) {
        return "the folder is not the one that it was: another UIDVALIDITY or MAILBOXID";
    }
    if (look->cut) {
        return "the folder holds more messages than one look takes";
    }
    if (look->mark.next == 0) {
        return "the server does not say which UID comes next";
    }
    if (look->mark.next < from) {
        return "the server shows an older state of the folder";
    }
    if (doubt->place != 0 && look->place != doubt->place) {
        return "it was sent to another address of the account, and this one may be behind";
    }
    if (look->seen < look->mark.next - from) {
        return "messages came into the folder and are not there any more";
    }
    return NULL;
}

static enum doubt_verdict end_unproven(struct doubt *doubt)
{
    doubt->open = false;
    doubt->noted = true;
    doubt->looks = 0;
    return DOUBT_UNPROVEN;
}

/* Once more, until it is no passing thing. */
static enum doubt_verdict wait_for_gap(struct doubt *doubt, const struct doubt_look *look)
{
    doubt->looks++;
    return doubt->looks < DOUBT_LOOKS || look->young ? DOUBT_AGAIN : end_unproven(doubt);
}

static enum doubt_verdict end_as(struct doubt *doubt, enum doubt_verdict verdict)
{
    doubt->open = false;
    doubt->looks = 0;
    return verdict;
}

enum doubt_verdict doubt_judge(struct doubt *doubt, const struct doubt_look *look, const char **why_r)
{
    bool existed = doubt->mark.validity != 0 || doubt->mark.mailbox[0] != '\0';
    *why_r = NULL;
    if (look->found) {
        return end_as(doubt, DOUBT_FOUND);
    }
    if (look->early) {
        *why_r = "the server may still show it";
        return DOUBT_AGAIN;
    }
    switch (look->sight) {
    case DOUBT_SIGHT_FAILED:
        *why_r = "the server did not answer everything";
        return DOUBT_AGAIN;
    case DOUBT_SIGHT_REFUSED:
        *why_r = "the folder may not be read";
        return wait_for_gap(doubt, look);
    case DOUBT_SIGHT_MISSING:
        if (!existed) {
            return end_as(doubt, DOUBT_ABSENT);
        }
        *why_r = "the folder is not there any more";
        return wait_for_gap(doubt, look);
    case DOUBT_SIGHT_WHOLE:
        break;
    }
    *why_r = gap_of(doubt, look);
    return *why_r != NULL ? wait_for_gap(doubt, look) : end_as(doubt, DOUBT_ABSENT);
}

/* ---- the message that ends connections ---- */

bool doubt_kill(struct doubt *doubt, int64_t now_ms, int64_t others_ms)
{
    bool others_pass = doubt->kills == 0 || others_ms > doubt->killed_ms;
    if (others_pass) {
        doubt->kills++;
        doubt->killed_ms = now_ms;
    }
    return others_pass && doubt->kills >= DOUBT_KILLS;
}

/* ---- in words ---- */

static size_t write_number(char *out, size_t at, const char *name, int64_t value)
{
    if (value != 0) {
        int len = snprintf(out + at, DOUBT_TEXT_MAX - at, "%s%s=%" PRId64, at > 0 ? " " : "", name, value);
        at += (size_t)len;
    }
    return at;
}

void doubt_write(const struct doubt *doubt, char out[DOUBT_TEXT_MAX])
{
    size_t at = 0;
    out[0] = '\0';
    at = write_number(out, at, "uidvalidity", doubt->mark.validity);
    at = write_number(out, at, "uidnext", doubt->mark.next);
    if (doubt->mark.mailbox[0] != '\0') {
        at += (size_t)snprintf(out + at, DOUBT_TEXT_MAX - at, "%smailboxid=%s", at > 0 ? " " : "", doubt->mark.mailbox);
    }
    at = write_number(out, at, "place", doubt->place);
    at = write_number(out, at, "since", doubt->since_ms);
    at = write_number(out, at, "looks", doubt->looks);
    at = write_number(out, at, "kills", doubt->kills);
    at = write_number(out, at, "killed", doubt->killed_ms);
    at = write_number(out, at, "alone", doubt->alone);
    at = write_number(out, at, "bare", doubt->bare);
    write_number(out, at, "noted", doubt->noted);
}

static void read_word(struct doubt *doubt, struct bytes name, struct bytes value)
{
    uint64_t number = 0;
    if (bytes_is(name, "mailboxid") && value.len < DOUBT_MAILBOX_MAX) {
        memcpy(doubt->mark.mailbox, value.ptr, value.len);
        doubt->mark.mailbox[value.len] = '\0';
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
    } else if (bytes_is(name, "place")) {
        doubt->place = uid;
    } else if (bytes_is(name, "since")) {
        doubt->since_ms = (int64_t)number;
    } else if (bytes_is(name, "looks")) {
        doubt->looks = uid;
    } else if (bytes_is(name, "kills")) {
        doubt->kills = uid;
    } else if (bytes_is(name, "killed")) {
        doubt->killed_ms = (int64_t)number;
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

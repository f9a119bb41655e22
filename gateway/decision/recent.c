/*
 * recent - see recent.h.
 */
#include "decision/recent.h"

#include <stdlib.h>

#include "base/expect.h"
#include "mail/mail_query.h"
#include "store/store_meta.h"

struct recent {
    struct list messages; /* the oldest first */
    uint64_t messages_max;
    size_t octets_max;
    uint64_t added; /* ever */
    struct recent_counts counts;
};

struct recent *recent_new(uint64_t messages, uint64_t octets)
{
    struct recent *recent = expect_calloc(1, sizeof *recent);
    list_init(&recent->messages);
    recent->messages_max = messages;
    recent->octets_max = (size_t)octets;
    return recent;
}

static void let_go(struct recent_message *message)
{
    if (--message->owners == 0) {
        arena_free(&message->arena);
        free(message);
    }
}

static void forget_oldest(struct recent *recent)
{
    struct recent_message *oldest = LIST_ITEM(list_take(&recent->messages), struct recent_message, link);
    recent->counts.messages--;
    recent->counts.octets -= arena_used(oldest->arena);
    let_go(oldest);
}

void recent_free(struct recent **recent)
{
    if (*recent == NULL) {
        return;
    }
    while (!list_is_empty(&(*recent)->messages)) {
        forget_oldest(*recent);
    }
    free(*recent);
    *recent = NULL;
}

/* ---- one message ---- */

/* The whole message where it is at hand and short; -1 when there is no room for it. A source that cannot be read is
 * left out. */
static int keep_whole(struct recent_message *kept, const struct mail_source *source)
{
    if (source == NULL || source->size > RECENT_BODY_MAX) {
        return 0;
    }
    uint8_t *octets = arena_alloc(kept->arena, (size_t)source->size);
    if (octets == NULL) {
        return -1;
    }
    size_t have = 0;
    while (have < source->size) {
        ptrdiff_t got = source->read(source->ctx, have, octets + have, (size_t)source->size - have, NULL);
        if (got <= 0) {
            return 0;
        }
        have += (size_t)got;
    }
    kept->whole = bytes_at(octets, have);
    return 0;
}

static int fill_kept(struct recent_message *kept, const struct filters_message *message)
{
    if (mail_envelope_copy(kept->arena, message->envelope, &kept->envelope) < 0 ||
        keep_whole(kept, message->source) < 0) {
        return -1;
    }
    if (kept->whole.ptr != NULL && kept->whole.len >= message->header.len) {
        kept->header = bytes_slice(kept->whole, 0, message->header.len);
        return 0;
    }
    char *header = arena_copy(kept->arena, message->header);
    kept->header = bytes_at(header, message->header.len);
    return header == NULL ? -1 : 0;
}

struct recent_message *recent_message_new(const struct filters_message *message, size_t max)
{
    struct recent_message *kept = expect_calloc(1, sizeof *kept);
    kept->owners = 1;
    kept->size = message->size;
    kept->now_ms = message->now_ms;
    kept->arena = arena_new(max);
    if (fill_kept(kept, message) < 0) {
        let_go(kept);
        return NULL;
    }
    return kept;
}

/* ---- the ring ---- */

void recent_add(struct recent *recent, struct recent_message **message)
{
    if (*message == NULL) {
        recent->counts.too_long++;
        return;
    }
    (*message)->number = ++recent->added;
    list_append(&recent->messages, &(*message)->link);
    recent->counts.messages++;
    recent->counts.octets += arena_used((*message)->arena);
    *message = NULL;
    while (recent->counts.messages > recent->messages_max || recent->counts.octets > recent->octets_max) {
        forget_oldest(recent);
    }
}

static bool names_address(const struct recent_message *message, const char *address)
{
    return mail_query_mentions(&message->envelope, address) || mail_query_is_in(message->header, address) ||
           mail_query_is_in(message->whole, address);
}

size_t recent_forget(struct recent *recent, const char *address)
{
    struct list kept;
    size_t forgotten = 0;
    list_init(&kept);
    for (struct list *link; (link = list_take(&recent->messages)) != NULL;) {
        struct recent_message *message = LIST_ITEM(link, struct recent_message, link);
        if (names_address(message, address)) {
            recent->counts.messages--;
            recent->counts.octets -= arena_used(message->arena);
            let_go(message);
            forgotten++;
        } else {
            list_append(&kept, link);
        }
    }
    for (struct list *link; (link = list_take(&kept)) != NULL;) {
        list_append(&recent->messages, link);
    }
    return forgotten;
}

size_t recent_octets_max(const struct recent *recent)
{
    return recent->octets_max;
}

void recent_count(const struct recent *recent, struct recent_counts *counts_r)
{
    *counts_r = recent->counts;
}

size_t recent_share(const struct recent *recent, struct recent_message ***messages_r)
{
    size_t count = (size_t)recent->counts.messages;
    *messages_r = expect_calloc(count + 1, sizeof **messages_r);
    size_t at = count;
    LIST_EACH(link, &recent->messages)
    {
        struct recent_message *message = LIST_ITEM(link, struct recent_message, link);
        message->owners++;
        (*messages_r)[--at] = message;
    }
    return count;
}

void recent_release(struct recent_message **messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        let_go(messages[i]);
    }
}

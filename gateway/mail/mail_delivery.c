/*
 * mail_delivery - the rows of a delivery's members. See mail_delivery.h and mail_members.h.
 */
#include "mail/mail_delivery.h"

#include <string.h>

#define EDIT_ROWS(MEMBER, type)                                                                                        \
    MEMBER(type, NUMBER, kind, .most = MAIL_EDIT_REPLACE)                                                              \
    MEMBER(type, TEXT, field, .needed = true)                                                                          \
    MEMBER(type, TEXT, value)
MAIL_MEMBERS_INNER(edit_members, struct mail_edit, EDIT_ROWS);

#define WAY_ROWS(MEMBER, type)                                                                                         \
    MEMBER(type, TEXT, upstream)                                                                                       \
    MEMBER(type, TEXT, folder)                                                                                         \
    MEMBER(type, TRUE, refused)                                                                                        \
    MEMBER(type, TRUE, down)                                                                                           \
    MEMBER(type, NUMBER, down_ms)                                                                                      \
    MEMBER(type, TRUE, full)                                                                                           \
    MEMBER(type, NUMBER, full_ms)
MAIL_MEMBERS_INNER(way_members, struct mail_way, WAY_ROWS);

#define DELIVERY_ROWS(MEMBER, type)                                                                                    \
    MEMBER(type, NUMBER, number, .most = UINT16_MAX, .aside = true)                                                    \
    MEMBER(type, TEXT, upstream, .needed = true)                                                                       \
    MEMBER(type, TEXT, fallback, .aside = true)                                                                        \
    MEMBER(type, OBJECTS, ways, way_count, way_members, .aside = true)                                                 \
    MEMBER(type, TEXT, instead_of, .aside = true)                                                                      \
    MEMBER(type, TEXT, because, .aside = true)                                                                         \
    MEMBER(type, TEXT, folder, .needed = true)                                                                         \
    MEMBER(type, TEXTS, flags, flag_count)                                                                             \
    MEMBER(type, NUMBER, date_ms)                                                                                      \
    MEMBER(type, TEXT, rule, .aside = true)                                                                            \
    MEMBER(type, TEXTS, recipients, recipient_count, .aside = true)                                                    \
    MEMBER(type, OBJECTS, edits, edit_count, edit_members)                                                             \
    MEMBER(type, TRUE, held)                                                                                           \
    MEMBER(type, TEXT, doubt, .aside = true)
MAIL_MEMBERS(mail_delivery_members, struct mail_delivery, DELIVERY_ROWS);

int mail_delivery_copy(struct arena *arena, const struct mail_delivery *from, struct mail_delivery *to_r)
{
    struct mail_delivery copy = *from;
    if (mail_members_own(&mail_delivery_members, arena, &copy) != 0) {
        return -1;
    }
    *to_r = copy;
    return 0;
}

bool mail_delivery_equal(const struct mail_delivery *a, const struct mail_delivery *b)
{
    return mail_members_equal(&mail_delivery_members, a, b);
}

bool mail_delivery_is_same_copy(const struct mail_delivery *a, const struct mail_delivery *b)
{
    return mail_members_same_but_aside(&mail_delivery_members, a, b);
}

/* ---- where it goes otherwise ---- */

size_t mail_delivery_way_count(const struct mail_delivery *delivery)
{
    return (delivery->fallback != NULL) + delivery->way_count;
}

struct mail_way mail_delivery_way(const struct mail_delivery *delivery, size_t index)
{
    bool has_fallback = delivery->fallback != NULL;
    if (has_fallback && index == 0) {
        return (struct mail_way){.upstream = delivery->fallback, .down = true};
    }
    return delivery->ways[index - has_fallback];
}

bool mail_delivery_may_leave(const struct mail_delivery *delivery)
{
    for (size_t i = 0; i < mail_delivery_way_count(delivery); i++) {
        struct mail_way way = mail_delivery_way(delivery, i);
        if (way.down || way.full) {
            return true;
        }
    }
    return false;
}

/* Whether the way leads to another place than where the delivery is. */
static bool leads_away(const struct mail_delivery *delivery, const struct mail_way *way)
{
    return (way->upstream != NULL && strcmp(way->upstream, delivery->upstream) != 0) ||
           (way->folder != NULL && strcmp(way->folder, delivery->folder) != 0);
}

/* How long it still is until a trouble that has lasted `lasted_ms` opens a way that waits `after_ms`. */
static uint64_t left_until(uint64_t after_ms, uint64_t patience_ms, uint64_t lasted_ms)
{
    uint64_t after = after_ms == 0 ? patience_ms : after_ms;
    return after > lasted_ms ? after - lasted_ms : 0;
}

static uint64_t wait_of(const struct mail_way *way, const struct mail_trouble *trouble)
{
    uint64_t wait = way->refused && trouble->refused ? 0 : UINT64_MAX;
    if (way->down && trouble->down) {
        uint64_t left = left_until(way->down_ms, trouble->patience_ms, trouble->down_ms);
        wait = left < wait ? left : wait;
    }
    if (way->full && trouble->full) {
        uint64_t left = left_until(way->full_ms, trouble->patience_ms, trouble->full_ms);
        wait = left < wait ? left : wait;
    }
    return wait;
}

ptrdiff_t mail_delivery_way_out(const struct mail_delivery *delivery, const struct mail_trouble *trouble,
                                mail_known_fn *is_known, void *ctx, uint64_t *wait_ms_r)
{
    *wait_ms_r = UINT64_MAX;
    for (size_t i = 0; i < mail_delivery_way_count(delivery); i++) {
        struct mail_way way = mail_delivery_way(delivery, i);
        bool is_there = way.upstream == NULL || is_known == NULL || is_known(ctx, way.upstream);
        uint64_t wait = is_there && leads_away(delivery, &way) ? wait_of(&way, trouble) : UINT64_MAX;
        if (wait == 0) {
            return (ptrdiff_t)i;
        }
        *wait_ms_r = wait < *wait_ms_r ? wait : *wait_ms_r;
    }
    return -1;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* The ways that are left keep their order. Whoever goes one never comes back to it: so it ends somewhere, however the
 * servers behave. */
int mail_delivery_go(struct mail_delivery *delivery, const struct mail_way *way, struct arena *arena)
{
    struct mail_way *left = arena_array(arena, delivery->way_count + 1, sizeof *left);
    size_t count = 0;
    if (left == NULL) {
        return -1;
    }
    for (size_t i = 0; i < delivery->way_count; i++) {
        const struct mail_way *other = &delivery->ways[i];
        bool is_this = is_same_text(other->upstream, way->upstream) && is_same_text(other->folder, way->folder);
        if (!is_this) {
            left[count++] = *other;
        }
    }
    if (is_same_text(delivery->fallback, way->upstream)) {
        delivery->fallback = NULL;
    }
    delivery->ways = count == 0 ? NULL : left;
    delivery->way_count = count;
    if (way->upstream != NULL && strcmp(way->upstream, delivery->upstream) != 0) {
        delivery->instead_of = delivery->instead_of == NULL ? delivery->upstream : delivery->instead_of;
        delivery->upstream = way->upstream;
    }
    delivery->folder = way->folder != NULL ? way->folder : delivery->folder;
    return 0;
}

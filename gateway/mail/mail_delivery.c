/*
 * mail_delivery - the rows of a delivery's members. See mail_delivery.h and mail_members.h.
 */
#include "mail/mail_delivery.h"

#define EDIT_ROWS(MEMBER, type)                                                                                        \
    MEMBER(type, NUMBER, kind, .most = MAIL_EDIT_REPLACE)                                                              \
    MEMBER(type, TEXT, field, .needed = true)                                                                          \
    MEMBER(type, TEXT, value)
MAIL_MEMBERS_INNER(edit_members, struct mail_edit, EDIT_ROWS);

#define DELIVERY_ROWS(MEMBER, type)                                                                                    \
    MEMBER(type, NUMBER, number, .most = UINT16_MAX, .aside = true)                                                    \
    MEMBER(type, TEXT, upstream, .needed = true)                                                                       \
    MEMBER(type, TEXT, fallback, .aside = true)                                                                        \
    MEMBER(type, TEXT, instead_of, .aside = true)                                                                      \
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

/*
 * mail_envelope - the rows of an envelope's members. See mail_envelope.h and mail_members.h.
 */
#include "mail/mail_envelope.h"

#define RECIPIENT_ROWS(MEMBER, type)                                                                                   \
    MEMBER(type, TEXT, address, .needed = true)                                                                        \
    MEMBER(type, TEXT, notify)                                                                                         \
    MEMBER(type, TEXT, orcpt)
MAIL_MEMBERS_INNER(recipient_members, struct mail_recipient, RECIPIENT_ROWS);

#define CLIENT_ROWS(MEMBER, type)                                                                                      \
    MEMBER(type, TEXT, listener)                                                                                       \
    MEMBER(type, TEXT, address)                                                                                        \
    MEMBER(type, NUMBER, port)                                                                                         \
    MEMBER(type, TEXT, helo)                                                                                           \
    MEMBER(type, TEXT, protocol)                                                                                       \
    MEMBER(type, TEXT, tls_version)                                                                                    \
    MEMBER(type, TEXT, tls_cipher)                                                                                     \
    MEMBER(type, TEXT, tls_peer)                                                                                       \
    MEMBER(type, TEXT, user)
MAIL_MEMBERS_INNER(client_members, struct mail_client, CLIENT_ROWS);

#define SHAPE_ROWS(MEMBER, type)                                                                                       \
    MEMBER(type, NUMBER, longest_line, .silent = MAIL_LINE_MAX)                                                        \
    MEMBER(type, TRUE, header_8bit)                                                                                    \
    MEMBER(type, TRUE, header_plain)
MAIL_MEMBERS_INNER(shape_members, struct mail_shape, SHAPE_ROWS);

#define COUNTED_ROWS(MEMBER, type)                                                                                     \
    MEMBER(type, TEXT, counter, .needed = true)                                                                        \
    MEMBER(type, TEXT, key, .needed = true)
MAIL_MEMBERS_INNER(counted_members, struct mail_counted, COUNTED_ROWS);

#define ENVELOPE_ROWS(MEMBER, type)                                                                                    \
    MEMBER(type, TEXT, id, .needed = true)                                                                             \
    MEMBER(type, NUMBER, received_ms)                                                                                  \
    MEMBER(type, TEXT, hostname)                                                                                       \
    MEMBER(type, OBJECT, client, client_members, .always = true)                                                       \
    MEMBER(type, TEXT, from, .needed = true)                                                                           \
    MEMBER(type, OBJECTS, to, to_count, recipient_members, .always = true)                                             \
    MEMBER(type, NUMBER, body, .most = MAIL_BODY_BINARYMIME)                                                           \
    MEMBER(type, TRUE, smtputf8)                                                                                       \
    MEMBER(type, TRUE, requiretls)                                                                                     \
    MEMBER(type, TEXT, envid)                                                                                          \
    MEMBER(type, TEXT, ret)                                                                                            \
    MEMBER(type, TEXT, message_id)                                                                                     \
    MEMBER(type, TEXT, subject)                                                                                        \
    MEMBER(type, TEXTS, header_from, header_from_count)                                                                \
    MEMBER(type, TEXTS, header_to, header_to_count)                                                                    \
    MEMBER(type, TEXTS, rules, rule_count)                                                                             \
    MEMBER(type, TEXTS, tried, tried_count)                                                                            \
    MEMBER(type, OBJECTS, counted, counted_count, counted_members)                                                     \
    MEMBER(type, FLAT, shape, shape_members)
MAIL_MEMBERS(mail_envelope_members, struct mail_envelope, ENVELOPE_ROWS);

int mail_envelope_copy(struct arena *arena, const struct mail_envelope *from, struct mail_envelope *to_r)
{
    struct mail_envelope copy = *from;
    if (mail_members_own(&mail_envelope_members, arena, &copy) != 0) {
        return -1;
    }
    *to_r = copy;
    return 0;
}

bool mail_envelope_equal(const struct mail_envelope *a, const struct mail_envelope *b)
{
    return mail_members_equal(&mail_envelope_members, a, b);
}

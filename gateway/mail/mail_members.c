/*
 * mail_members - copying and comparing by the table. See mail_members.h.
 */
#include "mail/mail_members.h"

#include <string.h>

#include "base/expect.h"

int64_t mail_member_number(const struct mail_member *member, const void *object)
{
    const void *at = mail_member_at(member, object);
    switch (member->size) {
    case sizeof(uint16_t): {
        uint16_t number;
        memcpy(&number, at, sizeof number);
        return number;
    }
    case sizeof(uint32_t): {
        uint32_t number;
        memcpy(&number, at, sizeof number);
        return member->is_signed ? (int32_t)number : (int64_t)number;
    }
    default: {
        int64_t number;
        EXPECT(member->size == sizeof number);
        memcpy(&number, at, sizeof number);
        return number;
    }
    }
}

void mail_member_set_number(const struct mail_member *member, void *object, int64_t number)
{
    void *at = mail_member_in(member, object);
    uint16_t small = (uint16_t)number;
    uint32_t middle = (uint32_t)number;
    if (member->size == sizeof small) {
        memcpy(at, &small, sizeof small);
    } else if (member->size == sizeof middle) {
        memcpy(at, &middle, sizeof middle);
    } else {
        memcpy(at, &number, sizeof number);
    }
}

size_t mail_member_count(const struct mail_member *member, const void *object)
{
    size_t count;
    memcpy(&count, (const uint8_t *)object + member->count_offset, sizeof count);
    return count;
}

/* ---- copying ---- */

/* Copies *text in place; NULL stays NULL. Returns whether there was room. */
static bool copy_text(struct arena *arena, const char **text)
{
    if (*text == NULL) {
        return true;
    }
    *text = arena_text(arena, *text);
    return *text != NULL;
}

static bool copy_texts(struct arena *arena, const char *const **texts, size_t count)
{
    const char **copy = arena_array(arena, count, sizeof *copy);
    bool ok = copy != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        copy[i] = (*texts)[i];
        ok = copy_text(arena, &copy[i]);
    }
    *texts = copy;
    return ok;
}

static bool copy_all(const struct mail_members *members, struct arena *arena, void *object);

static bool copy_objects(const struct mail_members *members, struct arena *arena, void **objects, size_t count)
{
    uint8_t *copy = arena_array(arena, count, members->size);
    if (copy == NULL) {
        return false;
    }
    if (count > 0) {
        memcpy(copy, *objects, count * members->size);
    }
    *objects = copy;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        ok = copy_all(members, arena, copy + i * members->size);
    }
    return ok;
}

static bool copy_member(const struct mail_member *member, struct arena *arena, void *object)
{
    void *at = mail_member_in(member, object);
    switch (member->kind) {
    case MAIL_MEMBER_TEXT:
        return copy_text(arena, at);
    case MAIL_MEMBER_TEXTS:
        return copy_texts(arena, at, mail_member_count(member, object));
    case MAIL_MEMBER_OBJECT:
    case MAIL_MEMBER_FLAT:
        return copy_all(member->of, arena, at);
    case MAIL_MEMBER_OBJECTS:
        return copy_objects(member->of, arena, at, mail_member_count(member, object));
    case MAIL_MEMBER_NUMBER:
    case MAIL_MEMBER_TRUE:
        break;
    }
    return true;
}

/* The object has been copied octet by octet; what it points at follows. */
static bool copy_all(const struct mail_members *members, struct arena *arena, void *object)
{
    bool ok = true;
    for (size_t i = 0; ok && i < members->count; i++) {
        ok = copy_member(&members->rows[i], arena, object);
    }
    return ok;
}

int mail_members_own(const struct mail_members *members, struct arena *arena, void *object)
{
    return copy_all(members, arena, object) ? 0 : -1;
}

/* ---- comparing ---- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_texts(const char *const *a, const char *const *b, size_t count)
{
    bool same = true;
    for (size_t i = 0; same && i < count; i++) {
        same = same_text(a[i], b[i]);
    }
    return same;
}

static bool same_all(const struct mail_members *members, const void *a, const void *b, bool with_aside);

static bool same_objects(const struct mail_members *members, const uint8_t *a, const uint8_t *b, size_t count)
{
    bool same = true;
    for (size_t i = 0; same && i < count; i++) {
        same = same_all(members, a + i * members->size, b + i * members->size, true);
    }
    return same;
}

static bool same_member(const struct mail_member *member, const void *a, const void *b)
{
    const void *x = mail_member_at(member, a), *y = mail_member_at(member, b);
    switch (member->kind) {
    case MAIL_MEMBER_TEXT:
        return same_text(*(const char *const *)x, *(const char *const *)y);
    case MAIL_MEMBER_NUMBER:
        return mail_member_number(member, a) == mail_member_number(member, b);
    case MAIL_MEMBER_TRUE:
        return *(const bool *)x == *(const bool *)y;
    case MAIL_MEMBER_OBJECT:
    case MAIL_MEMBER_FLAT:
        return same_all(member->of, x, y, true);
    case MAIL_MEMBER_TEXTS:
        return mail_member_count(member, a) == mail_member_count(member, b) &&
               same_texts(*(const char *const *const *)x, *(const char *const *const *)y, mail_member_count(member, a));
    case MAIL_MEMBER_OBJECTS:
        return mail_member_count(member, a) == mail_member_count(member, b) &&
               same_objects(member->of, *(const void *const *)x, *(const void *const *)y, mail_member_count(member, a));
    }
    return false;
}

static bool same_all(const struct mail_members *members, const void *a, const void *b, bool with_aside)
{
    bool same = true;
    for (size_t i = 0; same && i < members->count; i++) {
        const struct mail_member *member = &members->rows[i];
        same = (member->aside && !with_aside) || same_member(member, a, b);
    }
    return same;
}

bool mail_members_equal(const struct mail_members *members, const void *a, const void *b)
{
    return same_all(members, a, b, true);
}

bool mail_members_same_but_aside(const struct mail_members *members, const void *a, const void *b)
{
    return same_all(members, a, b, false);
}

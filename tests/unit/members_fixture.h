/*
 * members_fixture - fills an object in every member, by its table: each value is another one.
 */
#ifndef MAILWEIR_TESTS_MEMBERS_FIXTURE_H
#define MAILWEIR_TESTS_MEMBERS_FIXTURE_H

#include "test.h"

#include <string.h>

#include "mail/mail_envelope.h"

/* What a filled object's arrays have. */
#define MEMBERS_ITEMS 2u

struct members_filler {
    struct arena *arena;
    unsigned next;
};

static inline void members_fill(struct members_filler *filler, const struct mail_members *members, void *object);

static inline const char *members_text(struct members_filler *filler, const char *name)
{
    char *text = arena_printf(filler->arena, "%s \"%u\"", name, filler->next++);
    assert_non_null(text);
    return text;
}

static inline void *members_array(struct members_filler *filler, size_t size, void *count)
{
    const size_t items = MEMBERS_ITEMS;
    memcpy(count, &items, sizeof items);
    void *array = arena_array(filler->arena, items, size);
    assert_non_null(array);
    return array;
}

static inline void members_fill_one(struct members_filler *filler, const struct mail_member *member, void *object)
{
    void *at = mail_member_in(member, object), *count = (uint8_t *)object + member->count_offset;
    switch (member->kind) {
    case MAIL_MEMBER_TEXT:
        *(const char **)at = members_text(filler, member->name);
        break;
    case MAIL_MEMBER_TEXTS: {
        const char **texts = members_array(filler, sizeof *texts, count);
        for (unsigned i = 0; i < MEMBERS_ITEMS; i++) {
            texts[i] = members_text(filler, member->name);
        }
        *(const char *const **)at = texts;
        break;
    }
    case MAIL_MEMBER_NUMBER: {
        int64_t number = member->silent + 1 + filler->next++;
        mail_member_set_number(member, object, member->most > 0 && number > member->most ? member->most : number);
        break;
    }
    case MAIL_MEMBER_TRUE:
        *(bool *)at = true;
        break;
    case MAIL_MEMBER_OBJECT:
    case MAIL_MEMBER_FLAT:
        assert_int_equal(member->size, member->of->size);
        members_fill(filler, member->of, at);
        break;
    case MAIL_MEMBER_OBJECTS: {
        assert_int_equal(member->size, member->of->size);
        uint8_t *objects = members_array(filler, member->size, count);
        for (unsigned i = 0; i < MEMBERS_ITEMS; i++) {
            members_fill(filler, member->of, objects + i * member->size);
        }
        *(void **)at = objects;
        break;
    }
    }
}

static inline void members_fill(struct members_filler *filler, const struct mail_members *members, void *object)
{
    for (size_t i = 0; i < members->count; i++) {
        members_fill_one(filler, &members->rows[i], object);
    }
}

/* Both kinds, each with its table, for tests that go over them. */
static const struct members_kind {
    const char *name;
    const struct mail_members *members;
} members_kinds[] = {{"envelope", &mail_envelope_members}, {"delivery", &mail_delivery_members}};

#endif

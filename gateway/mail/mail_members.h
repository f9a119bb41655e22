/*
 * mail_members - what a struct of this folder consists of, as a table: writing, reading, copying and comparing walk the
 * same rows, so that none of them can forget a member.
 *
 * A struct's rows are a macro that is used twice: for the table, and for one initialiser without names, which the
 * compiler refuses when a member of the struct has no row (MAIL_MEMBERS()). The kind of a row is held against the type
 * of its member. So a new member is one line in the struct and one in the rows; forgetting the second does not build.
 */
#ifndef MAILWEIR_MAIL_MAIL_MEMBERS_H
#define MAILWEIR_MAIL_MAIL_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/must_use.h"

enum mail_member_kind {
    MAIL_MEMBER_TEXT,    /* const char *, NULL: none */
    MAIL_MEMBER_TEXTS,   /* const char *const *, and its count in the next member, which is a size_t */
    MAIL_MEMBER_NUMBER,  /* an integer or an enum of any width */
    MAIL_MEMBER_TRUE,    /* bool */
    MAIL_MEMBER_OBJECT,  /* a struct that has a table of its own */
    MAIL_MEMBER_FLAT,    /* the same; when written, its members stand among those of what holds it */
    MAIL_MEMBER_OBJECTS, /* a pointer to such structs, and their count in the next member */
};

struct mail_member {
    const char *name; /* as it is written in JSON */
    enum mail_member_kind kind;
    size_t offset;
    size_t size;                   /* NUMBER: of the integer; of one OBJECT, as the table of `of` has it */
    bool is_signed;                /* NUMBER */
    size_t count_offset;           /* TEXTS and OBJECTS */
    const struct mail_members *of; /* OBJECT, FLAT and OBJECTS */
    int64_t most;                  /* NUMBER: what is above was not written by us; 0: what the type holds */
    int64_t silent;                /* NUMBER: up to here it says nothing and is not written */
    bool needed;                   /* TEXT: what lacks it is damaged */
    bool always;                   /* OBJECT and OBJECTS: written also when nothing is in them */
    bool aside;                    /* mail_members_same_but_aside() does not look at it */
};

struct mail_members {
    const struct mail_member *rows;
    size_t count;
    size_t size; /* of the struct */
};

/*
 * Makes an object that was copied octet by octet a deep copy: all that it points at is copied into the arena. -1 when
 * that is full; the object is then spoilt.
 */
MUST_USE int mail_members_own(const struct mail_members *members, struct arena *arena, void *object);
/* Whether all members say the same; NULL is not "". */
bool mail_members_equal(const struct mail_members *members, const void *a, const void *b);
/* The same without the rows that say `aside`. */
bool mail_members_same_but_aside(const struct mail_members *members, const void *a, const void *b);

/* A NUMBER of the object, and setting it to one that its type holds. */
int64_t mail_member_number(const struct mail_member *member, const void *object);
void mail_member_set_number(const struct mail_member *member, void *object, int64_t number);
/* How many items TEXTS or OBJECTS have. */
size_t mail_member_count(const struct mail_member *member, const void *object);
/* The member itself. */
static inline const void *mail_member_at(const struct mail_member *member, const void *object)
{
    return (const uint8_t *)object + member->offset;
}
static inline void *mail_member_in(const struct mail_member *member, void *object)
{
    return (uint8_t *)object + member->offset;
}

/* ---- rows ---- */

/* MEMBER(kind, member, attributes...): a row, by kind. A member of another type than its kind has does not compile. */
#define MAIL_ROW_TEXT(type, member, ...)                                                                               \
    {.name = #member,                                                                                                  \
     .kind = MAIL_MEMBER_TEXT,                                                                                         \
     .offset = offsetof(type, member) + 0 * sizeof _Generic(((type *)0)->member, const char * : 0),                    \
     __VA_ARGS__},
#define MAIL_ROW_TEXTS(type, member, counter, ...)                                                                     \
    {.name = #member,                                                                                                  \
     .kind = MAIL_MEMBER_TEXTS,                                                                                        \
     .offset = offsetof(type, member) + 0 * sizeof _Generic(((type *)0)->member, const char *const * : 0),             \
     .count_offset = offsetof(type, counter) + 0 * sizeof _Generic(((type *)0)->counter, size_t : 0),                  \
     __VA_ARGS__},
/* Does not compile for what is no number. */
#define MAIL_IS_SIGNED(x)                                                                                              \
    _Generic((x), int : true, int64_t : true, unsigned : false, uint16_t : false, uint64_t : false)
#define MAIL_ROW_NUMBER(type, member, ...)                                                                             \
    {.name = #member,                                                                                                  \
     .kind = MAIL_MEMBER_NUMBER,                                                                                       \
     .offset = offsetof(type, member),                                                                                 \
     .size = sizeof((type *)0)->member,                                                                                \
     .is_signed = MAIL_IS_SIGNED(((type *)0)->member),                                                                 \
     __VA_ARGS__},
#define MAIL_ROW_TRUE(type, member, ...)                                                                               \
    {.name = #member,                                                                                                  \
     .kind = MAIL_MEMBER_TRUE,                                                                                         \
     .offset = offsetof(type, member) + 0 * sizeof _Generic(((type *)0)->member, bool : 0),                            \
     __VA_ARGS__},
#define MAIL_ROW_OBJECT(type, member, table, ...)                                                                      \
    {.name = #member,                                                                                                  \
     .kind = MAIL_MEMBER_OBJECT,                                                                                       \
     .offset = offsetof(type, member),                                                                                 \
     .size = sizeof(((type *)0)->member),                                                                              \
     .of = &(table),                                                                                                   \
     __VA_ARGS__},
#define MAIL_ROW_FLAT(type, member, table, ...)                                                                        \
    {.name = #member,                                                                                                  \
     .kind = MAIL_MEMBER_FLAT,                                                                                         \
     .offset = offsetof(type, member),                                                                                 \
     .size = sizeof(((type *)0)->member),                                                                              \
     .of = &(table),                                                                                                   \
     __VA_ARGS__},
#define MAIL_ROW_OBJECTS(type, member, counter, table, ...)                                                            \
    {.name = #member,                                                                                                  \
     .kind = MAIL_MEMBER_OBJECTS,                                                                                      \
     .offset = offsetof(type, member),                                                                                 \
     .count_offset = offsetof(type, counter) + 0 * sizeof _Generic(((type *)0)->counter, size_t : 0),                  \
     .size = sizeof *((type *)0)->member,                                                                              \
     .of = &(table),                                                                                                   \
     __VA_ARGS__},

/* The same row as a part of an initialiser without names: one value for each member of the struct that it speaks of. */
#define MAIL_VALUE_TEXT    NULL,
#define MAIL_VALUE_TEXTS   NULL, 0,
#define MAIL_VALUE_NUMBER  0,
#define MAIL_VALUE_TRUE    false,
#define MAIL_VALUE_OBJECT  {0},
#define MAIL_VALUE_FLAT    {0},
#define MAIL_VALUE_OBJECTS NULL, 0,

#define MAIL_MEMBERS_VALUE(type, kind, ...) MAIL_VALUE_##kind
#define MAIL_MEMBERS_ROW(type, kind, ...)   MAIL_ROW_##kind(type, __VA_ARGS__)

/*
 * Defines `const struct mail_members name` for struct type, whose rows are ROWS(MEMBER, type): one MEMBER(type, kind,
 * member, ...) for each member, in the order of the struct. MAIL_MEMBERS_INNER: seen by its file alone.
 */
#define MAIL_MEMBERS(name, type, ROWS)                                                                                 \
    MAIL_MEMBERS_TABLE(name, type, ROWS);                                                                              \
    const struct mail_members name = {name##_rows, sizeof name##_rows / sizeof name##_rows[0], sizeof(type)}
#define MAIL_MEMBERS_INNER(name, type, ROWS)                                                                           \
    MAIL_MEMBERS_TABLE(name, type, ROWS);                                                                              \
    static const struct mail_members name = {name##_rows, sizeof name##_rows / sizeof name##_rows[0], sizeof(type)}
#define MAIL_MEMBERS_TABLE(name, type, ROWS)                                                                           \
    _Pragma("GCC diagnostic push")                                                                                     \
        _Pragma("GCC diagnostic error \"-Wmissing-field-initializers\"") static const type name##_all                  \
        __attribute__((unused)) = {ROWS(MAIL_MEMBERS_VALUE, type)};                                                    \
    _Pragma("GCC diagnostic pop") static const struct mail_member name##_rows[] = {ROWS(MAIL_MEMBERS_ROW, type)}

#endif

/*
 * config_rows - the rows of the tables of keys, each held against the type of the member that it reads into: a duration
 * that is read into a bool, or a word into a number, does not compile. For the files of tables alone.
 */
#ifndef MAILWEIR_CONFIG_CONFIG_ROWS_H
#define MAILWEIR_CONFIG_CONFIG_ROWS_H

#include <stddef.h>

#include "config/config.h"
#include "config/config_table.h"

/* {"key", KIND(struct's name, member), .attribute = …} */
#define CONFIG_ROW(type, member, of, wanted)                                                                           \
    .kind = (of), .offset = offsetof(struct type, member) + 0 * sizeof _Generic(((struct type *)0)->member, wanted : 0)

#define STRING(type, member)    CONFIG_ROW(type, member, CONFIG_STRING, const char *)
#define PATH(type, member)      CONFIG_ROW(type, member, CONFIG_PATH, const char *)
#define SECRET(type, member)    CONFIG_ROW(type, member, CONFIG_SECRET, const char *)
#define NUMBER(type, member)    CONFIG_ROW(type, member, CONFIG_NUMBER, uint64_t)
#define SIZE(type, member)      CONFIG_ROW(type, member, CONFIG_SIZE, uint64_t)
#define DURATION(type, member)  CONFIG_ROW(type, member, CONFIG_DURATION, uint64_t)
#define BOOLEAN(type, member)   CONFIG_ROW(type, member, CONFIG_BOOL, bool)
#define ADDRESS(type, member)   CONFIG_ROW(type, member, CONFIG_ADDRESS, struct net_address)
#define ADDRESSES(type, member) CONFIG_ROW(type, member, CONFIG_ADDRESSES, struct config_addresses)
#define STRINGS(type, member)   CONFIG_ROW(type, member, CONFIG_STRINGS, struct config_strings)
#define LIST(type, member, of)  CONFIG_ROW(type, member, CONFIG_LIST, struct config_list), .table = (of)
#define MAP(type, member, of)   CONFIG_ROW(type, member, CONFIG_MAP, struct config_list), .table = (of)
#define OBJECT(of)              .kind = CONFIG_OBJECT, .table = (of)
/*
 * An enum without negative values, which is an unsigned. Its words are designated by its values, and the NULL behind
 * them by how many there are: a value without a word would end them, which a test sees.
 */
#define WORD(type, member, of)                                                                                         \
    CONFIG_ROW(type, member, CONFIG_WORD, unsigned), .words = (of), .word_count = sizeof(of) / sizeof(of)[0] - 1
/* "profile", "no" or "yes" for a setting that profiles have. */
#define SWITCH(type, member) CONFIG_ROW(type, member, CONFIG_SWITCH, uint64_t), .words = switches, .word_count = 3

#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

#endif

/*
 * config_table - reads JSON objects into structs by tables of keys: one place for types, defaults, ranges and errors.
 *
 * The tables are data, so that the JSON Schema and the manual can be held against them.
 */
#ifndef MAILWEIR_CONFIG_CONFIG_TABLE_H
#define MAILWEIR_CONFIG_CONFIG_TABLE_H

#include "base/arena.h"
#include "document/document.h"

enum config_kind {
    CONFIG_STRING,    /* const char * */
    CONFIG_PATH,      /* const char *, made absolute from the configuration file's folder */
    CONFIG_SECRET,    /* const char *: a literal, {"env": NAME} or {"file": PATH} */
    CONFIG_NUMBER,    /* uint64_t */
    CONFIG_SIZE,      /* uint64_t, octets: "25MiB" */
    CONFIG_DURATION,  /* uint64_t, milliseconds: "30s" */
    CONFIG_BOOL,      /* bool */
    CONFIG_WORD,      /* an enum of unsigned values, the index in `words` */
    CONFIG_SWITCH,    /* uint64_t, the index in `words` */
    CONFIG_ADDRESS,   /* struct net_address */
    CONFIG_ADDRESSES, /* struct config_addresses: an address, or a list of them */
    CONFIG_STRINGS,   /* struct config_strings */
    CONFIG_OBJECT,    /* members of `table` in the same struct (offset counts from its start) */
    CONFIG_LIST,      /* struct config_list of `table`'s structs, from an array of objects */
    CONFIG_MAP,       /* the same from an object of objects; the member's key goes into `name` at offset 0 */
    CONFIG_KINDS,
};

struct config;
struct config_table;

struct config_key {
    const char *name;
    enum config_kind kind;
    size_t offset;
    bool required;
    const char *fallback;     /* the default as the operator would write it; NULL: zero */
    uint64_t least, most;     /* NUMBER, SIZE, DURATION: the range; most 0: none */
    const char *const *words; /* WORD and SWITCH; a NULL ends them */
    size_t word_count;        /* as many as the enum has values */
    const struct config_table *table;
    const char *help; /* one line, for the manual */
    bool restart;     /* in the table of the whole file: what it says takes effect at the next start, not on a reload */
    bool live;        /* in an object that waits for the next start: takes effect on a reload all the same */
    bool unwatched; /* PATH: its change asks for no reload, because it is read again whenever it is used, or is ours to
                       write */
    bool secret;    /* PATH: whoever may read it may send mail, or read it, as somebody else */
};

struct config_table {
    const struct config_key *keys; /* a NULL name ends it */
    size_t size;                   /* of the struct that LIST and MAP allocate */
};

struct config_reader {
    const struct document *json;
    struct problems *problems;
    struct arena *arena;
    const char *folder;    /* for relative paths */
    struct config *noting; /* whose sources the files that are named join; NULL: nobody's */
};

/* Reads the object at `pointer` into `into` (zeroed by the caller); problems are added to the reader's. */
void config_read(struct config_reader *reader, const struct config_table *table, const char *pointer, json_t *object,
                 void *into);

/* Whether what the table knows of is the same in both; or what one key of it names. */
bool config_same(const struct config_table *table, const void *a, const void *b);
bool config_same_key(const struct config_key *key, const void *a, const void *b);

/* The table of a listener (config_tables_listener.c). */
extern const struct config_table config_listener_table;
/* The table of an upstream, and the table of the whole file (config_tables.c). */
extern const struct config_table config_upstream_table;
extern const struct config_table config_root_table;

#endif

/*
 * filters_table - every word of the rule language, once: fields, parts, operators, actions, and the keys of each
 * object.
 *
 * The loader reads rule files by these tables and filters_schema writes the JSON Schema from them, so the two cannot
 * disagree. A new word is a row here and the code that gives it its meaning.
 */
#ifndef MAILWEIR_FILTERS_FILTERS_TABLE_H
#define MAILWEIR_FILTERS_FILTERS_TABLE_H

#include <stdbool.h>
#include <stdint.h>

/* How far a message must have come for a subject to have values. */
enum filters_extent { FILTERS_EXTENT_ENVELOPE, FILTERS_EXTENT_HEADER, FILTERS_EXTENT_BODY };

enum filters_kind {
    FILTERS_SUBJECT_FROM,
    FILTERS_SUBJECT_TO,
    FILTERS_SUBJECT_CLIENT,
    FILTERS_SUBJECT_HELO,
    FILTERS_SUBJECT_USER,
    FILTERS_SUBJECT_LISTENER,
    FILTERS_SUBJECT_PROTOCOL,
    FILTERS_SUBJECT_TLS,
    FILTERS_SUBJECT_CERTIFICATE,
    FILTERS_SUBJECT_SIZE,
    FILTERS_SUBJECT_RECIPIENTS,
    FILTERS_SUBJECT_TIME,
    FILTERS_SUBJECT_WEEKDAY,
    FILTERS_SUBJECT_DATE,
    FILTERS_SUBJECT_LIST_ID,
    FILTERS_SUBJECT_BODY,
    FILTERS_SUBJECT_ATTACHMENT,
    FILTERS_SUBJECT_MIME_LIMIT,
    FILTERS_SUBJECT_MIME_ERROR,
    FILTERS_SUBJECT_HEADER,
    FILTERS_SUBJECT_ATTACHMENTS, /* each with its names, type and size */
    FILTERS_SUBJECT_PARTS,       /* each with its type and text */
    FILTERS_SUBJECT_ADDRESSEES,  /* "recipients", each of them */
    FILTERS_SUBJECT_REPORT,
    FILTERS_SUBJECT_AUTH,    /* what trusted hosts found out */
    FILTERS_SUBJECT_COUNTER, /* how many messages were counted */
    FILTERS_SUBJECT_FORMULA, /* "of" with more than a name */
};

/* What kind of value a test compares. Bits: an operator works for several. */
enum filters_type {
    FILTERS_TYPE_TEXT = 1,
    FILTERS_TYPE_NETWORK = 2,
    FILTERS_TYPE_NUMBER = 4,
    FILTERS_TYPE_TIME = 8,
    FILTERS_TYPE_DATE = 16,
    FILTERS_TYPE_WEEKDAY = 32,
    FILTERS_TYPE_DECIMAL = 64,   /* scaled by ten to the FILTERS_DECIMALS */
    FILTERS_TYPE_DURATION = 128, /* milliseconds */
};
#define FILTERS_DECIMALS 6u

/* What a value is beside its text: what its attributes are taken from. */
enum filters_object {
    FILTERS_OBJECT_TEXT,
    FILTERS_OBJECT_ADDRESS, /* of the envelope */
    FILTERS_OBJECT_MAILBOX, /* of a header field: it may have a display name */
    FILTERS_OBJECT_ATTACHMENT,
    FILTERS_OBJECT_PART,
};

enum filters_part {
    FILTERS_PART_WHOLE,
    FILTERS_PART_ADDRESS,
    FILTERS_PART_USER,
    FILTERS_PART_DETAIL,
    FILTERS_PART_DOMAIN,
    FILTERS_PART_NAME,
    FILTERS_PART_TYPE,
    FILTERS_PART_SIZE,
    FILTERS_PART_COUNT,
    FILTERS_PART_TEXT,
    FILTERS_PART_RAW,
};
#define FILTERS_PART_BIT(part) (1u << (part))

struct filters_field_row {
    const char *name; /* NULL ends the table */
    enum filters_kind kind;
    enum filters_type type;
    enum filters_extent extent;
    bool nocase;    /* compared without regard to case, as addresses and host names are */
    unsigned parts; /* FILTERS_PART_BITs beside the whole */
    const char *help;
};
extern const struct filters_field_row filters_fields[];
/* "header": any field of the header section. */
extern const struct filters_field_row filters_header_field;

struct filters_part_row {
    const char *name;
    enum filters_part part;
    enum filters_type type;
    bool nocase;
    const char *help;
};
extern const struct filters_part_row filters_parts[];

enum filters_operator {
    FILTERS_IS,
    FILTERS_CONTAINS,
    FILTERS_STARTS_WITH,
    FILTERS_ENDS_WITH,
    FILTERS_IN,
    FILTERS_MATCHES,
    FILTERS_EXISTS,
    FILTERS_OVER,
    FILTERS_UNDER,
    FILTERS_AT_LEAST,
    FILTERS_AT_MOST,
    FILTERS_BETWEEN,
};

/* The JSON that a key takes; filters_schema has one definition for each. */
enum filters_shape {
    FILTERS_SHAPE_TEXT,
    FILTERS_SHAPE_TEXTS, /* one text or a list of them */
    FILTERS_SHAPE_WORDS, /* the same, or {"list": ...}, {"file": ...}, {"of": ...} */
    FILTERS_SHAPE_PATTERNS,
    FILTERS_SHAPE_SCALARS, /* texts and numbers, one or a list, or as WORDS */
    FILTERS_SHAPE_SCALAR,  /* or {"of": ...} */
    FILTERS_SHAPE_PAIR,
    FILTERS_SHAPE_BOOLEAN,
    FILTERS_SHAPE_TRUE,
    FILTERS_SHAPE_NUMBER,
    FILTERS_SHAPE_LIST, /* a list of texts, the name of a list, or {"file": ...} */
    FILTERS_SHAPE_LISTS,
    FILTERS_SHAPE_CONDITION,
    FILTERS_SHAPE_CONDITIONS,
    FILTERS_SHAPE_CONDITION_MAP,
    FILTERS_SHAPE_EACH,
    FILTERS_SHAPE_AUTHSERV,
    FILTERS_SHAPE_STATE,
    FILTERS_SHAPE_MATCH,
    FILTERS_SHAPE_DATE,
    FILTERS_SHAPE_ACTION_MAP,
    FILTERS_SHAPE_FILED,
    FILTERS_SHAPE_MAPS,
    FILTERS_SHAPE_MAP_BY,
    FILTERS_SHAPE_ENTRIES,
    FILTERS_SHAPE_ACTIONS,
    FILTERS_SHAPE_RULES,
    FILTERS_SHAPE_GROUPS,
    FILTERS_SHAPE_TESTS,
    FILTERS_SHAPE_TARGETS,    /* one target or a list of them */
    FILTERS_SHAPE_WAYS,       /* one place or a list of them: where it goes otherwise */
    FILTERS_SHAPE_WAYS_FILED, /* as a test expects them */
    FILTERS_SHAPE_WHEN,
    FILTERS_SHAPE_DURATION,
    FILTERS_SHAPE_COUNTERS, /* of a test of the rules */
    FILTERS_SHAPE_REFUSAL,
    FILTERS_SHAPE_HEADER_EDIT,
    FILTERS_SHAPE_TEXT_MAP,
    FILTERS_SHAPE_HEADERS,
    FILTERS_SHAPE_EXPECT,
    FILTERS_SHAPE_REFUSED,
    FILTERS_SHAPE_FIELD,
    FILTERS_SHAPE_PART,
    FILTERS_SHAPE_ON_ERROR,
    FILTERS_SHAPE_DATE_SOURCE,
};

enum filters_quantifier { FILTERS_SOME, FILTERS_EVERY, FILTERS_NONE };

struct filters_operator_row {
    const char *name;
    enum filters_operator op;
    unsigned types;
    enum filters_shape shape;
    const char *help;
};
extern const struct filters_operator_row filters_operators[];

/* One key of an object. */
struct filters_key {
    const char *name; /* NULL ends the table */
    enum filters_shape shape;
    bool required;
    const char *help;
};
extern const struct filters_key filters_file_keys[];
extern const struct filters_key filters_rule_keys[];
extern const struct filters_key filters_group_keys[];
extern const struct filters_key filters_test_subject_keys[]; /* of a condition that is a test, its operator aside */
extern const struct filters_key filters_junction_keys[];     /* all, any, not, condition: exactly one */
extern const struct filters_key filters_action_keys[];       /* exactly one */
extern const struct filters_key filters_count_keys[];        /* what may stand beside "count" */
extern const struct filters_key filters_target_keys[];
extern const struct filters_key filters_way_keys[]; /* one of "else" */
extern const struct filters_key filters_refusal_keys[];
extern const struct filters_key filters_add_keys[];
extern const struct filters_key filters_list_file_keys[];
extern const struct filters_key filters_list_name_keys[];
extern const struct filters_key filters_of_keys[]; /* an operand */
extern const struct filters_key filters_map_keys[];
extern const struct filters_key filters_authserv_keys[];
extern const struct filters_key filters_case_keys[]; /* a test of the rules */
extern const struct filters_key filters_expect_keys[];
extern const struct filters_key filters_filed_keys[]; /* one delivery that is expected */

enum filters_action_kind {
    FILTERS_FILEINTO,
    FILTERS_COPY,
    FILTERS_STOP,
    FILTERS_REJECT,
    FILTERS_DEFER,
    FILTERS_DISCARD,
    FILTERS_HOLD,
    FILTERS_ADDHEADER,
    FILTERS_DELETEHEADER,
    FILTERS_REPLACEHEADER,
    FILTERS_TAG_SUBJECT,
    FILTERS_SET,
    FILTERS_GOTO,
    FILTERS_COUNT_MESSAGE,
    FILTERS_ACTIONS, /* named ones: their place is taken by them when they are loaded */
};

/* Whether nothing behind the action is done for the recipient. */
bool filters_action_ends(enum filters_action_kind kind);

enum filters_on_error { FILTERS_ERROR_DEFER, FILTERS_ERROR_SKIP, FILTERS_ERROR_DEFAULT };
extern const char *const filters_on_error_words[];
extern const char *const filters_date_words[]; /* of a target's "date" */
extern const char *const filters_when_words[]; /* of "when" in "else" */
extern const char *const filters_state_words[];
extern const char *const filters_match_words[];
extern const char *const filters_weekdays[];

/* Names of the keys, for nearest_word() and the like: at most `max` with the NULL. */
void filters_key_names(const struct filters_key *keys, const char **names, unsigned max);

#endif

/*
 * imap_reply - takes IMAP server responses apart, as they come (RFC 9051 section 7, RFC 3501 section 7).
 *
 * The parser is fed octets in any pieces and gives one whole response at a time. It is linear in what it is fed and
 * never recurses. A literal is counted, kept while there is room and skipped otherwise (the value then reads NIL):
 * nothing is ever allocated because a server announced it. It is generous where servers are known to be loose and
 * nothing else can be meant: blanks in front of a line or between its words, empty lines between responses and behind a
 * literal, a "]" inside the list of a response code. What it does not do: know commands, or judge an answer.
 */
#ifndef MAILWEIR_PROTO_IMAP_REPLY_H
#define MAILWEIR_PROTO_IMAP_REPLY_H

#include "base/buf.h"
#include "base/must_use.h"

/* The most text of one response, kept literals included: PERMANENTFLAGS of old folders, NAMESPACE and LIST of large
 * sites pass 64 KiB. */
#define IMAP_REPLY_TEXT_MAX ((size_t)1 << 20)
/* Literals are kept up to this much text; beyond, they are skipped. */
#define IMAP_REPLY_KEEP_MAX ((size_t)64 << 10)
/* A literal longer than this is an error, not something to skip. */
#define IMAP_REPLY_LITERAL_MAX ((uint64_t)64 << 20)
/* The most literals in one response. */
#define IMAP_REPLY_LITERALS_MAX 1000

struct imap_reply_parser {
    struct buf text;
    uint64_t literal_left; /* octets of a literal still to come */
    bool literal_skip;
    size_t line_start; /* where the line that is being read begins in text */
    unsigned literals;
    int depth;   /* parentheses that are open in what was read of a response with literals */
    bool padded; /* an empty line behind the last literal was skipped */
    bool given;  /* the text is that of a response already given */
};

enum imap_status {
    IMAP_STATUS_NONE,
    IMAP_STATUS_OK,
    IMAP_STATUS_NO,
    IMAP_STATUS_BAD,
    IMAP_STATUS_PREAUTH,
    IMAP_STATUS_BYE
};

/* One response. The views are valid until the parser is fed again. */
struct imap_reply {
    enum { IMAP_REPLY_CONTINUE, IMAP_REPLY_UNTAGGED, IMAP_REPLY_TAGGED } kind;
    struct bytes tag;        /* TAGGED */
    enum imap_status status; /* NONE: data, in the fields at the end */
    struct bytes code;       /* of "[APPENDUID 1 2]": APPENDUID; empty without one */
    struct bytes code_args;  /* "1 2" */
    struct bytes text;       /* for people; of CONTINUE: everything behind "+ " */
    bool has_number;         /* "* 23 EXISTS" */
    uint32_t number;
    struct bytes name; /* "EXISTS", "LIST", "CAPABILITY" */
    struct bytes args; /* behind the name, for imap_token_next() */
};

void imap_reply_init(struct imap_reply_parser *parser);
void imap_reply_done(struct imap_reply_parser *parser);
/* Forgets a response that has begun (after STARTTLS). */
void imap_reply_reset(struct imap_reply_parser *parser);

/*
 * Takes *used_r octets off the head of input. 1: *reply_r is one response. 0: more is needed, all of input was used.
 * -1: this is no IMAP, or passes a limit; the connection is of no more use.
 */
MUST_USE int imap_reply_next(struct imap_reply_parser *parser, struct bytes input, size_t *used_r,
                             struct imap_reply *reply_r);

enum imap_token_kind { IMAP_TOKEN_END, IMAP_TOKEN_ATOM, IMAP_TOKEN_STRING, IMAP_TOKEN_OPEN, IMAP_TOKEN_CLOSE };
struct imap_token {
    enum imap_token_kind kind;
    struct bytes text; /* of a quoted string: between the quotes, escapes as they are */
    bool escaped;      /* imap_token_copy() undoes them */
};
/* What was read of the response so far, for people: after an error, what could not be understood. */
struct bytes imap_reply_read(const struct imap_reply_parser *parser);

/* Takes the next token off *rest. -1: no token can begin there. */
MUST_USE int imap_token_next(struct bytes *rest, struct imap_token *token_r);
/* Appends the value of an atom or string; -1: it is neither, or there is no room. */
MUST_USE int imap_token_copy(const struct imap_token *token, struct buf *out);
/* Skips one value: a token, or a list with everything in it. -1 when it does not end. */
MUST_USE int imap_token_skip(struct bytes *rest);

/* What a server can do. Bits of imap_capabilities.has. */
enum imap_capability {
    IMAP_CAP_IMAP4REV1 = 1 << 0,
    IMAP_CAP_IMAP4REV2 = 1 << 1,
    IMAP_CAP_STARTTLS = 1 << 2,
    IMAP_CAP_LOGINDISABLED = 1 << 3,
    IMAP_CAP_SASL_IR = 1 << 4,
    IMAP_CAP_LITERAL_PLUS = 1 << 5,
    IMAP_CAP_LITERAL_MINUS = 1 << 6,
    IMAP_CAP_UIDPLUS = 1 << 7,
    IMAP_CAP_MULTIAPPEND = 1 << 8,
    IMAP_CAP_NAMESPACE = 1 << 9,
    IMAP_CAP_SPECIAL_USE = 1 << 10,
    IMAP_CAP_QUOTA = 1 << 11,
    IMAP_CAP_ACL = 1 << 12,
    IMAP_CAP_COMPRESS_DEFLATE = 1 << 13,
    IMAP_CAP_APPENDLIMIT = 1 << 14,
    IMAP_CAP_UTF8_ACCEPT = 1 << 15,
    IMAP_CAP_QRESYNC = 1 << 16,
    IMAP_CAP_ENABLE = 1 << 17,
    IMAP_CAP_ID = 1 << 18,
    IMAP_CAP_UNSELECT = 1 << 19,
    IMAP_CAP_CREATE_SPECIAL_USE = 1 << 20,
    IMAP_CAP_AUTH_PLAIN = 1 << 21,
    IMAP_CAP_AUTH_LOGIN = 1 << 22,
    IMAP_CAP_AUTH_XOAUTH2 = 1 << 23,
    IMAP_CAP_AUTH_OAUTHBEARER = 1 << 24,
    IMAP_CAP_AUTH_SCRAM_SHA_1 = 1 << 25,
    IMAP_CAP_AUTH_SCRAM_SHA_256 = 1 << 26,
    IMAP_CAP_AUTH_SCRAM_SHA_1_PLUS = 1 << 27,
    IMAP_CAP_AUTH_SCRAM_SHA_256_PLUS = 1 << 28,
    IMAP_CAP_AUTH_EXTERNAL = 1 << 29,
    IMAP_CAP_OBJECTID = 1 << 30,
};
struct imap_capabilities {
    uint32_t has;
    uint64_t append_limit; /* octets, from APPENDLIMIT=n (RFC 7889); 0: not said */
};
/* Reads a list such as "IMAP4rev1 AUTH=PLAIN"; words it does not know are skipped. Replaces what was there. */
void imap_capabilities_parse(struct imap_capabilities *capabilities, struct bytes list);
/* The name of one bit, as in the list. */
const char *imap_capability_name(enum imap_capability capability);

/* A part of a uid set: "7", "7:9". */
struct imap_uid_range {
    uint32_t first, last; /* first <= last */
};
/* Takes the next range off *set: 1, 0 at its end, -1 when it is malformed. */
MUST_USE int imap_uid_range_next(struct bytes *set, struct imap_uid_range *range_r);
/* Takes the validity off APPENDUID's arguments and leaves the uid set in *args (RFC 4315 section 3). -1 when malformed.
 */
MUST_USE int imap_reply_appenduid(struct bytes *args, uint32_t *validity_r);

#endif

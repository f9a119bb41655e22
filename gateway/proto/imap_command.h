/*
 * imap_command - writes client commands: one encoder for all arguments (RFC 9051 section 6, RFC 7888).
 *
 * A command is its octets and the places where the client must wait for "+" before it goes on. Whatever a string holds,
 * it can end no argument: it is quoted, or sent as a literal when it cannot be quoted; NUL is refused.
 */
#ifndef MAILWEIR_PROTO_IMAP_COMMAND_H
#define MAILWEIR_PROTO_IMAP_COMMAND_H

#include "base/buf.h"
#include "base/must_use.h"

#define IMAP_COMMAND_MAX ((size_t)64 << 10)
/* Synchronising literals in one command, its message not counted. */
#define IMAP_COMMAND_WAITS_MAX 8
/* The random letters in front of each tag's number. */
#define IMAP_COMMAND_TAG_PREFIX 6
#define IMAP_COMMAND_TAG_MAX    (IMAP_COMMAND_TAG_PREFIX + 12)

struct imap_command {
    struct buf text;
    size_t waits[IMAP_COMMAND_WAITS_MAX]; /* offsets in text before which "+" must have come */
    size_t wait_count;
    bool utf8;         /* quoted strings may hold UTF-8 (RFC 6855 section 3) */
    bool literal_plus; /* literals need no "+" */
    bool failed;       /* an argument cannot be sent at all */
};

/* The tag of the number-th command: letters of 8 random octets, then the number. */
void imap_command_tag(char out[IMAP_COMMAND_TAG_MAX], const uint8_t random[8], uint32_t number);

void imap_command_init(struct imap_command *command);
void imap_command_done(struct imap_command *command);
/* Begins "tag name"; what was there is forgotten. */
void imap_command_begin(struct imap_command *command, const char *tag, const char *name, bool literal_plus);
/* A blank and a word of ours, as it is. Never for anything that came from outside. */
void imap_command_word(struct imap_command *command, const char *word);
/* A blank and a string: quoted, or a literal. */
void imap_command_string(struct imap_command *command, struct bytes text);
/*
 * The flag list "(\Seen ci)" with its blank; flags that are not well formed, \Deleted and \Recent are left out, and
 * what is_kept() does not want (NULL: it wants all).
 */
typedef bool imap_command_flag_fn(void *ctx, struct bytes flag);
void imap_command_flags(struct imap_command *command, const char *const *flags, size_t count,
                        imap_command_flag_fn *is_kept, void *ctx);
/* A blank and the quoted date-time. */
void imap_command_date(struct imap_command *command, int64_t time_ms);
/* A blank, "{size}" or "{size+}", CR LF: the head of the message's literal, which the caller sends. */
void imap_command_literal(struct imap_command *command, uint64_t size, bool non_synchronising);
/*
 * The same for a message with UTF-8 in its header (RFC 6855 section 4): " UTF8 (~{size}", CR LF; ")" must follow the
 * octets. It waits for "+".
 */
void imap_command_literal_utf8(struct imap_command *command, uint64_t size);
/* CR LF. 0, or -1 when some argument could not be written: the command must not be sent. */
STICKS_TO_BUF int imap_command_end(struct imap_command *command);
/* Without an end: for a command whose literal follows. */
MUST_USE int imap_command_check(const struct imap_command *command);

#endif

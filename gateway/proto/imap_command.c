/*
 * imap_command - the writer of client commands; see imap_command.h.
 */
#include "proto/imap_command.h"

#include <stdio.h>

#include "base/date.h"

#define FLAG_MAX 200

void imap_command_tag(char out[IMAP_COMMAND_TAG_MAX], const uint8_t random[8], uint32_t number)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    for (size_t i = 0; i < IMAP_COMMAND_TAG_PREFIX; i++) {
        /* What was put into the connection in front of STARTTLS cannot answer a tag that it cannot guess. */
        out[i] = letters[random[i] & 31];
    }
    snprintf(out + IMAP_COMMAND_TAG_PREFIX, IMAP_COMMAND_TAG_MAX - IMAP_COMMAND_TAG_PREFIX, "%u", number);
}

void imap_command_init(struct imap_command *command)
{
    *command = (struct imap_command){0};
    buf_init(&command->text, IMAP_COMMAND_MAX);
}

void imap_command_done(struct imap_command *command)
{
    buf_done(&command->text);
}

void imap_command_begin(struct imap_command *command, const char *tag, const char *name, bool literal_plus)
{
    buf_clear(&command->text);
    command->wait_count = 0;
    command->literal_plus = literal_plus;
    command->failed = false;
    buf_printf(&command->text, "%s %s", tag, name);
}

void imap_command_word(struct imap_command *command, const char *word)
{
    buf_printf(&command->text, " %s", word);
}

static void note_wait(struct imap_command *command)
{
    if (command->wait_count == IMAP_COMMAND_WAITS_MAX) {
        command->failed = true;
        return;
    }
    command->waits[command->wait_count++] = command->text.len;
}

static bool is_quotable(const struct imap_command *command, struct bytes text)
{
    /* Every octet may need a backslash, and one command has more than one string. */
    return text.len <= IMAP_COMMAND_MAX / 4 && !bytes_has_control(text) &&
           (bytes_is_ascii(text) || (command->utf8 && bytes_is_utf8(text)));
}

void imap_command_string(struct imap_command *command, struct bytes text)
{
    struct buf *out = &command->text;
    /* NUL stands in no string of IMAP, in a literal neither (RFC 9051 section 9, CHAR8). */
    if (bytes_find_octet(text, 0) >= 0) {
        command->failed = true;
        return;
    }
    if (!is_quotable(command, text)) {
        imap_command_literal(command, text.len, command->literal_plus);
        buf_append_bytes(out, text);
        return;
    }
    buf_append_text(out, " \"");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\') {
            buf_append_octet(out, '\\');
        }
        buf_append_octet(out, text.ptr[i]);
    }
    buf_append_octet(out, '"');
}

/* "\Flagged" or an atom (RFC 9051 flag, flag-keyword), at most 200 octets. */
static bool imap_command_is_flag(struct bytes flag)
{
    if (flag.len > 0 && flag.ptr[0] == '\\') {
        flag = bytes_from(flag, 1);
    }
    for (size_t i = 0; i < flag.len; i++) {
        uint8_t c = flag.ptr[i];
        if (c <= 0x20 || c >= 0x7F || bytes_find_octet(bytes_of("(){%*\"\\]"), c) >= 0) {
            return false;
        }
    }
    return flag.len > 0 && flag.len <= FLAG_MAX;
}

/* What no client may set, or what nobody wants set on new mail (RFC 9051 section 2.3.2). */
static bool is_welcome(struct bytes flag)
{
    return imap_command_is_flag(flag) && !bytes_is_nocase(flag, "\\Deleted") && !bytes_is_nocase(flag, "\\Recent");
}

void imap_command_flags(struct imap_command *command, const char *const *flags, size_t count,
                        imap_command_flag_fn *is_kept, void *ctx)
{
    const char *blank = "";
    buf_append_text(&command->text, " (");
    for (size_t i = 0; i < count; i++) {
        struct bytes flag = bytes_of(flags[i]);
        if (is_welcome(flag) && (is_kept == NULL || is_kept(ctx, flag))) {
            buf_printf(&command->text, "%s%s", blank, flags[i]);
            blank = " ";
        }
    }
    buf_append_octet(&command->text, ')');
}

void imap_command_date(struct imap_command *command, int64_t time_ms)
{
    char date[DATE_LEN];
    date_imap(time_ms, date);
    buf_printf(&command->text, " \"%s\"", date);
}

void imap_command_literal(struct imap_command *command, uint64_t size, bool non_synchronising)
{
    buf_printf(&command->text, " {%llu%s}\r\n", (unsigned long long)size, non_synchronising ? "+" : "");
    if (!non_synchronising) {
        note_wait(command);
    }
}

void imap_command_literal_utf8(struct imap_command *command, uint64_t size)
{
    buf_printf(&command->text, " UTF8 (~{%llu}\r\n", (unsigned long long)size);
    note_wait(command);
}

int imap_command_check(const struct imap_command *command)
{
    return command->failed || command->text.full ? -1 : 0;
}

int imap_command_end(struct imap_command *command)
{
    buf_append_text(&command->text, "\r\n");
    return imap_command_check(command);
}

/*
 * fault - see fault.h.
 */
#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

/* The octets of the character that begins here; 0: it is none, as at the end of a text that was cut. */
static size_t character_at(const char *text)
{
    unsigned char first = (unsigned char)text[0];
    size_t len = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    for (size_t i = 1; i < len; i++) {
        if (text[i] == '\0') {
            return 0;
        }
    }
    return bytes_is_utf8(bytes_at(text, len)) ? len : 0;
}

/* Peers choose these words, and they end in logs, JSON and an operator's terminal: UTF-8 without control characters. */
static void make_printable(char *text)
{
    while (*text != '\0') {
        size_t len = character_at(text);
        if (len == 0 || (unsigned char)*text < 0x20 || *text == 0x7F) {
            *text = '?';
        }
        text += len > 0 ? len : 1;
    }
}

void fault_set(struct fault *fault, enum fault_class class, const char *code, const char *where, const char *format,
               ...)
{
    /* The first wins: what failed behind it mostly failed because of it, and would hide it. */
    if (fault == NULL || fault->class != FAULT_NONE) {
        return;
    }
    fault->class = class;
    snprintf(fault->code, sizeof fault->code, "%s", code);
    snprintf(fault->where, sizeof fault->where, "%s", where);
    va_list args;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    make_printable(fault->where);
    make_printable(fault->text);
}

bool fault_is_set(const struct fault *fault)
{
    return fault->class != FAULT_NONE;
}

static const char *const names[] = {
    [FAULT_NONE] = "none",   [FAULT_TEMP] = "temporary",      [FAULT_PERM] = "permanent",
    [FAULT_LOCAL] = "local", [FAULT_UNCERTAIN] = "uncertain",
};
_Static_assert(sizeof names / sizeof names[0] == FAULT_CLASSES, "a name for each class");

const char *fault_class_name(enum fault_class class)
{
    return names[class];
}

enum fault_class fault_class_of(const char *name)
{
    for (size_t i = 1; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return (enum fault_class)i;
        }
    }
    return FAULT_NONE;
}

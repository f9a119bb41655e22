/*
 * fault - see fault.h.
 */
#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void make_printable(char *text)
{
    /* Peers choose these words, and they end in an operator's terminal. */
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7F) {
            *text = '?';
        }
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

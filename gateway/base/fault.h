/*
 * fault - what went wrong, in the one form that a retry, a reply and a human need.
 *
 * The layer that knows fills it; the first one wins (fault_set() on a filled fault changes nothing); it is logged once,
 * on floors 3-4. A user's mistake and an administrator's trouble differ by class, not by wording.
 */
#ifndef MAILWEIR_BASE_FAULT_H
#define MAILWEIR_BASE_FAULT_H

#include <stdbool.h>

enum fault_class {
    FAULT_NONE = 0,
    FAULT_TEMP,      /* the other side says: later; a retry may help */
    FAULT_PERM,      /* the other side says: never; no retry can help */
    FAULT_LOCAL,     /* our own trouble: disk, memory, configuration; answered 4xx, never 5xx */
    FAULT_UNCERTAIN, /* it may have happened: look before trying again */
    FAULT_CLASSES,
};

struct fault {
    enum fault_class class;
    char code[40];  /* a stable word: "overquota", "trycreate", "tls-name", "enospc"; for metrics and mapping */
    char where[80]; /* the step or place: "APPEND", "login", a path */
    char text[400]; /* for a human; the peer's own words, made printable, where there are any */
};

#define FAULT_INIT ((struct fault){0})

/* Fills an empty fault; a filled one stays as it is. Control characters in the result become '?'. fault may be NULL. */
void fault_set(struct fault *fault, enum fault_class class, const char *code, const char *where, const char *format,
               ...) __attribute__((format(printf, 5, 6)));
bool fault_is_set(const struct fault *fault);
/* "temporary", "permanent", "local", "uncertain", "none". */
const char *fault_class_name(enum fault_class class);
/* The class of a name as fault_class_name() gives it; FAULT_NONE for any other. */
enum fault_class fault_class_of(const char *name); /* for tests */

#endif

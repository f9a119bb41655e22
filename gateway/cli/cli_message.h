/*
 * cli_message - messages for commands that look at many: files, folders (Maildirs too), mboxes, standard input.
 */
#ifndef MAILWEIR_CLI_CLI_MESSAGE_H
#define MAILWEIR_CLI_CLI_MESSAGE_H

#include "base/arena.h"
#include "base/must_use.h"
#include "filters/filters.h"

#define CLI_MESSAGE_MAX (256u << 20)

/* What the command line says about the envelope; NULL: taken from the header, or a default. */
struct cli_envelope {
    const char *from;
    const char *to; /* addresses with commas between */
    struct mail_client client;
    int64_t now_ms;
};

/* One message with its envelope; everything lives until the callback returns. */
typedef int cli_message_fn(void *ctx, const char *name, const struct filters_message *message);

/*
 * Calls fn for each message of the path: a file, "-", a folder's files (and those of its cur and new), an mbox's
 * messages ("file#3"). Stops when fn returns other than 0 and returns that; -1 with a fault when something cannot be
 * read.
 */
MUST_USE int cli_message_each(const char *path, const struct cli_envelope *envelope, cli_message_fn *fn, void *ctx,
                              struct fault *fault);

#endif

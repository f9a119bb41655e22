/*
 * cli_rules - a rule set for a command: of a configuration, of rule files, or of a folder of them.
 */
#ifndef MAILWEIR_CLI_CLI_RULES_H
#define MAILWEIR_CLI_CLI_RULES_H

#include <jansson.h>

#include "base/must_use.h"
#include "config/config.h"

struct cli_rules {
    struct config *config;   /* owns the set when it came from a configuration */
    struct filters_set *own; /* else */
    const struct filters_set *set;
};

/*
 * paths: one configuration, or any number of rule files and folders of *.json. fallback: "upstream:folder" for what no
 * rule takes when there is no configuration; NULL: "default:INBOX". Problems go to standard error; -1 when there is an
 * error.
 */
MUST_USE int cli_rules_load(struct cli_rules *rules_r, const char *const *paths, size_t count, const char *fallback);
void cli_rules_done(struct cli_rules *rules);

/*
 * The same files as they stand, for a gateway that loads them: [{"name", "text"}], a new reference. NULL after it was
 * printed that one cannot be read, or is a configuration.
 */
json_t *cli_rules_texts(const char *const *paths, size_t count);

#endif

/*
 * config_private - what the files that load a configuration share.
 *
 * From the ground up: config.c (the object), config_file.c (a file's text), config_read.c (JSON by tables),
 * config_check.c (what is wrong), config_rules.c (the rule files), config_load.c (all of it, in order).
 */
#ifndef MAILWEIR_CONFIG_CONFIG_PRIVATE_H
#define MAILWEIR_CONFIG_CONFIG_PRIVATE_H

#include "base/must_use.h"
#include "config/config.h"

/* An empty one, for config_free(). */
MUST_USE struct config *config_new(const char *file);

/* One more file whose change asks for a reload. */
void config_note_source(struct config *config, const char *path);
/* The same; a rule file names it, so that rules from elsewhere may name it too. */
void config_note_named(struct config *config, const char *path);
/* One more that is read or written, and whose change asks for nothing. */
void config_note_path(struct config *config, const char *path);
/* One of those that nobody else should read. */
void config_note_secret(struct config *config, const char *path);

/* The folder that the file stands in, in the arena. */
char *config_folder_of(struct arena *arena, const char *file);
/* The file's text in the arena, or an empty view with NULL after a problem was added. */
struct bytes config_file_text(struct arena *arena, const char *file, struct problems *problems);

/* Loads the rule files that the configuration names, from its folder, as its rule_set; NULL there when they have an
 * error. */
void config_load_rule_files(struct config *config, const char *folder, struct problems *problems);

/* config_names.c: tells of values that become one name on the naming's upstream. plain: the rules without it; options:
 * their texts. */
void config_names_check(const struct config *config, const struct filters_set *plain,
                        const struct filters_naming *naming, const struct filters_load_options *options,
                        struct problems *problems);

/* config_probe.c: what the probe's keys leave out. Before the check. */
void config_resolve_probe(struct config *config);
/* The rule that brings the probe's message into its folder, as a rule file; NULL without a probe. Of the arena. */
const char *config_probe_rule(const struct config *config);

#endif

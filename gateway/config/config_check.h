/*
 * config_check - what makes a well-formed configuration wrong: names that do not exist, doors left open, files missing.
 */
#ifndef MAILWEIR_CONFIG_CONFIG_CHECK_H
#define MAILWEIR_CONFIG_CONFIG_CHECK_H

#include "config/config.h"
#include "document/document.h"

/* Adds a problem, at its place in json, for each thing that is wrong. Loads certificates to see that they are good. */
void config_check(const struct config *config, const struct document *json, struct problems *problems);

/* The part of it about one listener (config_check_listener.c). */
void config_check_listener(const struct config *config, size_t index, const struct document *json,
                           struct problems *problems);

/* The part of it about what a start would not survive (config_check_start.c). */
void config_check_start(const struct config *config, const struct document *json, struct problems *problems);

/* Warns of each file and folder of it that any user of the machine may change, or, where it is a secret, read
 * (config_check_open.c). */
void config_check_open(const struct config *config, struct problems *problems);

/* The part of it about the probe (config_probe.c). */
void config_check_probe(const struct config *config, const struct document *json, struct problems *problems);

#endif

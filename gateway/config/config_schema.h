/*
 * config_schema - the JSON Schema (draft-07) of the configuration file, made from the loader's own tables, so that an
 * editor's completion and the loader cannot disagree.
 */
#ifndef MAILWEIR_CONFIG_CONFIG_SCHEMA_H
#define MAILWEIR_CONFIG_CONFIG_SCHEMA_H

#include <jansson.h>

/* A new reference, the caller's. */
json_t *config_schema(void);

#endif

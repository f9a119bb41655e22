/*
 * config_manual - the manual of the configuration file, mailweir.conf(5), made from the loader's own tables.
 */
#ifndef MAILWEIR_CONFIG_CONFIG_MANUAL_H
#define MAILWEIR_CONFIG_CONFIG_MANUAL_H

#include "base/buf.h"

/* Appends the whole page, for man(1). */
void config_manual(struct buf *out);

#endif

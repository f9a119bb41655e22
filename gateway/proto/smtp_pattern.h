/*
 * smtp_pattern - patterns of addresses as operators write them: "*@example.net", "app-*@example.net",
 * "ops@example.net", "<>".
 *
 * "*" stands for any octets, none too; everything else for itself. As in the lists of rules, "@example.net" is every
 * address at that domain, ".example.net" and "@.example.net" every one at a domain below it. Case does not count:
 * domains have none, and no mail system that mailweir meets tells local parts apart by it.
 */
#ifndef MAILWEIR_PROTO_SMTP_PATTERN_H
#define MAILWEIR_PROTO_SMTP_PATTERN_H

#include "base/bytes.h"

/* Linear in the product of the lengths at worst. The null sender matches "<>" and "*" only. */
bool smtp_pattern_matches(struct bytes pattern, struct bytes address);
bool smtp_pattern_matches_any(const char *const *patterns, size_t count, struct bytes address);

#endif

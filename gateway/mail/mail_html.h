/*
 * mail_html - HTML as the text that a reader sees, well enough for rules to look at; one pass, linear, no tree.
 *
 * Tags go; those that begin a line give a line end; what stands in script, style, head's title and comments goes; character references are
 * resolved. Attributes are not looked at, but for the target of links, which is kept in angle brackets behind the link's text.
 */
#ifndef MAILWEIR_MAIL_MAIL_HTML_H
#define MAILWEIR_MAIL_MAIL_HTML_H

#include "base/buf.h"

/* Appends the text of html (valid UTF-8). -1 when out is full: what fits is there. */
int mail_html_text(struct bytes html, struct buf *out);

#endif

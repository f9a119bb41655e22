/*
 * mail_html - HTML as the text that a reader sees, well enough for rules to look at; one pass, linear, no tree.
 *
 * Tags go; those that begin a line give a line end; what stands in script, style, head's title and comments goes, and
 * what an element that is not displayed (style="display:none", hidden) holds; so do characters that take no room: soft
 * hyphens, zero-width ones. Character references are resolved, runs of blanks, U+00A0 among them, become one. The
 * target of a link is kept in angle brackets in front of the link's text.
 */
#ifndef MAILWEIR_MAIL_MAIL_HTML_H
#define MAILWEIR_MAIL_MAIL_HTML_H

#include "base/buf.h"
#include "base/must_use.h"

/* Appends the text of html (valid UTF-8). -1 when out is full: what fits is there. */
STICKS_TO_BUF int mail_html_text(struct bytes html, struct buf *out);

/* The character set that the page names by a <meta> near its beginning; empty when it names none. It points into html.
 */
struct bytes mail_html_charset(struct bytes html);

#endif

/*
 * mail_html_reference - character references of HTML: "&amp;", "&#65;", as browsers read them. Pure; HTML standard,
 * sections 13.2.5.72 and on.
 */
#ifndef MAILWEIR_MAIL_MAIL_HTML_REFERENCE_H
#define MAILWEIR_MAIL_MAIL_HTML_REFERENCE_H

#include "base/buf.h"

/*
 * The reference at the head of html, which begins with "&": how many octets it takes, 0 when it is none. Numbers need
 * no semicolon, nor do the names of Latin-1 and the four that HTML is written with.
 */
size_t mail_html_reference(struct bytes html, uint32_t *character_r);

/* Appends the value of an attribute with its references as characters: only those that end with a semicolon, for
 * "&copy=" in a link is a parameter. */
void mail_html_put_value(struct bytes value, struct buf *out);

#endif

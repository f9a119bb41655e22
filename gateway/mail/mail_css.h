/*
 * mail_css - which elements a style sheet does not show (CSS 2.2, css-cascade-3): as much of it as mail is written
 * with.
 *
 * Selectors of one element are known (p, .class, #id, p.class), no others: in doubt a text is shown, for what is seen
 * must be there for the rules. Conditional blocks (@media) do not count, but for those of screens and of everything.
 */
#ifndef MAILWEIR_MAIL_MAIL_CSS_H
#define MAILWEIR_MAIL_MAIL_CSS_H

#include "base/buf.h"

#define MAIL_CSS_RULES_MAX 100u /* that say something of what is shown; more do not count */

/* What a block says of the properties that hide, as bits. */
struct mail_css_block {
    uint8_t set, hides, important;
};

struct mail_css_rule {
    struct bytes tag, id, class; /* empty: any */
    struct mail_css_block block;
};

struct mail_css {
    struct buf text; /* without comments; the rules point into it */
    struct mail_css_rule rules[MAIL_CSS_RULES_MAX];
    size_t count;
};

/* An element as its start tag has it: ptr NULL where there is no such attribute. */
struct mail_css_element {
    struct bytes tag, id, classes, style;
};

/* text_max: octets of style sheets that are kept. */
void mail_css_init(struct mail_css *css, size_t text_max);
void mail_css_done(struct mail_css *css);
/* Adds the text of a style element; mail_css_read() is due when all are there. */
void mail_css_add(struct mail_css *css, struct bytes text);
void mail_css_read(struct mail_css *css);
/* Whether the element is not shown. */
bool mail_css_hides(const struct mail_css *css, const struct mail_css_element *element);

#endif

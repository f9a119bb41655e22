/*
 * mail_css - see mail_css.h.
 */
#include "mail/mail_css.h"

#include <string.h>

#define IMPORTANT 1000 /* weight of a declaration (css-cascade-3 section 6.1): above every selector */
#define INLINE    500  /* a style attribute */
#define OF_ID     100
#define OF_CLASS  10
#define OF_TAG    1

enum property { DISPLAY, VISIBILITY, FONT_SIZE, OPACITY, HEIGHT, PROPERTIES };

void mail_css_init(struct mail_css *css, size_t text_max)
{
    buf_init(&css->text, text_max);
    css->count = 0;
}

void mail_css_done(struct mail_css *css)
{
    buf_done(&css->text);
}

static void put_without_comments(struct bytes text, struct buf *out)
{
    ptrdiff_t start;
    while ((start = bytes_find(text, bytes_of("/*"))) >= 0) {
        struct bytes rest = bytes_from(text, (size_t)start + 2);
        ptrdiff_t end = bytes_find(rest, bytes_of("*/"));
        buf_append_bytes(out, bytes_slice(text, 0, (size_t)start));
        text = end < 0 ? bytes_at(NULL, 0) : bytes_from(rest, (size_t)end + 2);
    }
    buf_append_bytes(out, text);
}

void mail_css_add(struct mail_css *css, struct bytes text)
{
    put_without_comments(text, &css->text);
    buf_append_text(&css->text, "\n");
}

/* ---- declarations ---- */

/* "0", "0px", "0.0em". */
static bool is_zero(struct bytes value)
{
    size_t digits = 0, at = 0;
    for (; at < value.len && (octet_is_digit(value.ptr[at]) || value.ptr[at] == '.'); at++) {
        digits += octet_is_digit(value.ptr[at]) ? 1 : 0;
        if (value.ptr[at] != '0' && value.ptr[at] != '.') {
            return false;
        }
    }
    return digits > 0;
}

/* The property of a declaration, and whether the value hides; PROPERTIES when it is none of ours. */
static enum property property_of(struct bytes name, struct bytes value, bool *hides_r)
{
    if (bytes_is_nocase(name, "display")) {
        *hides_r = bytes_starts_nocase(value, "none");
        return DISPLAY;
    }
    if (bytes_is_nocase(name, "visibility")) {
        *hides_r = bytes_starts_nocase(value, "hidden") || bytes_starts_nocase(value, "collapse");
        return VISIBILITY;
    }
    *hides_r = is_zero(value);
    return bytes_is_nocase(name, "font-size")                                       ? FONT_SIZE
           : bytes_is_nocase(name, "opacity")                                       ? OPACITY
           : bytes_is_nocase(name, "max-height") || bytes_is_nocase(name, "height") ? HEIGHT
                                                                                    : PROPERTIES;
}

/* Of two declarations in a block the later one counts, but for one that is important. */
static struct mail_css_block block_of(struct bytes text)
{
    struct mail_css_block block = {0};
    bool clips = false;
    while (text.len > 0) {
        struct bytes value = bytes_cut(&text, ';');
        struct bytes name = bytes_trim(bytes_cut(&value, ':'));
        bool hides = false;
        value = bytes_trim(value);
        clips = clips || (bytes_is_nocase(name, "overflow") && bytes_starts_nocase(value, "hidden"));
        enum property property = property_of(name, value, &hides);
        uint8_t bit = (uint8_t)(property == PROPERTIES ? 0u : 1u << property);
        bool important = bytes_find_octet(value, '!') >= 0;
        if (!important && (block.important & bit) != 0) {
            continue;
        }
        block.set |= bit;
        block.important = (uint8_t)(important ? block.important | bit : block.important);
        block.hides = (uint8_t)(hides ? block.hides | bit : block.hides & ~bit);
    }
    if (!clips) { /* what is higher than its box shows all the same */
        block.set &= (uint8_t) ~(1u << HEIGHT);
    }
    return block;
}

/* ---- selectors ---- */

static bool is_name(uint8_t c)
{
    return octet_is_alpha(c) || octet_is_digit(c) || c == '-' || c == '_' || c >= 0x80;
}

static struct bytes cut_name(struct bytes *rest)
{
    size_t len = 0;
    while (len < rest->len && is_name(rest->ptr[len])) {
        len++;
    }
    struct bytes name = bytes_slice(*rest, 0, len);
    *rest = bytes_from(*rest, len);
    return name;
}

/* False when it is more than one element, or more of it, than is known here. */
static bool read_selector(struct bytes text, struct mail_css_rule *rule)
{
    text = bytes_trim(text);
    bool any = text.len > 0 && text.ptr[0] == '*';
    text = bytes_from(text, any ? 1 : 0);
    rule->tag = cut_name(&text);
    any = any || rule->tag.len > 0;
    while (text.len > 0 && (text.ptr[0] == '.' || text.ptr[0] == '#')) {
        struct bytes *name = text.ptr[0] == '.' ? &rule->class : &rule->id;
        text = bytes_from(text, 1);
        if (name->len > 0) {
            return false;
        }
        *name = cut_name(&text);
        any = true;
        if (name->len == 0) {
            return false;
        }
    }
    return any && text.len == 0;
}

static void add_rules(struct mail_css *css, struct bytes selectors, struct bytes text)
{
    struct mail_css_block block = block_of(text);
    while (selectors.len > 0 && block.set != 0) {
        struct mail_css_rule rule = {.block = block};
        if (read_selector(bytes_cut(&selectors, ','), &rule) && css->count < MAIL_CSS_RULES_MAX) {
            css->rules[css->count++] = rule;
        }
    }
}

/* The length of a block behind its "{", up to the "}" that closes it. */
static size_t block_length(struct bytes text)
{
    size_t depth = 1, at = 0;
    for (; at < text.len; at++) {
        depth += text.ptr[at] == '{' ? 1 : 0;
        depth -= text.ptr[at] == '}' ? 1 : 0;
        if (depth == 0) {
            break;
        }
    }
    return at;
}

static bool is_unconditional(struct bytes prelude)
{
    return bytes_is_nocase(prelude, "@media screen") || bytes_is_nocase(prelude, "@media all");
}

static struct bytes skip_marks(struct bytes text)
{
    text = bytes_trim(text);
    while (bytes_starts_nocase(text, "<!--") || bytes_starts_nocase(text, "-->")) {
        text = bytes_trim(bytes_from(text, text.ptr[0] == '<' ? 4 : 3));
    }
    return text;
}

/* The length of what stands in front of a block, or of a rule that has none and ends with ";" (@import); all of the
 * text when neither comes. */
static size_t prelude_length(struct bytes text)
{
    size_t at = 0;
    while (at < text.len && text.ptr[at] != '{' && (text.ptr[at] != ';' || text.ptr[0] != '@')) {
        at++;
    }
    return at;
}

void mail_css_read(struct mail_css *css)
{
    struct bytes text = buf_bytes(&css->text);
    css->count = 0;
    while ((text = skip_marks(text)).len > 0) {
        if (text.ptr[0] == '}') { /* of a block that was entered */
            text = bytes_from(text, 1);
            continue;
        }
        size_t len = prelude_length(text);
        struct bytes prelude = bytes_trim(bytes_slice(text, 0, len)), inside = bytes_from(text, len + 1);
        bool at_rule = text.ptr[0] == '@';
        if (len == text.len || text.ptr[len] == ';' || (at_rule && is_unconditional(prelude))) {
            text = inside;
        } else {
            size_t block = block_length(inside);
            if (!at_rule) {
                add_rules(css, prelude, bytes_slice(inside, 0, block));
            }
            text = bytes_from(inside, block + 1);
        }
    }
}

/* ---- elements ---- */

static bool has_class(struct bytes classes, struct bytes class)
{
    while (classes.len > 0) {
        size_t len = 0;
        while (len < classes.len && strchr(" \t\r\n\f", classes.ptr[len]) == NULL) {
            len++;
        }
        if (bytes_equal(bytes_slice(classes, 0, len), class)) {
            return true;
        }
        classes = bytes_from(classes, len + 1);
    }
    return false;
}

/* The weight of the rule for the element; 0: it is not meant. */
static int weight_of(const struct mail_css_rule *rule, const struct mail_css_element *element)
{
    if ((rule->tag.len > 0 && !bytes_equal_nocase(rule->tag, element->tag)) ||
        (rule->id.len > 0 && !bytes_equal(rule->id, element->id)) ||
        (rule->class.len > 0 && !has_class(element->classes, rule->class))) {
        return 0;
    }
    return 1 + (rule->tag.len > 0 ? OF_TAG : 0) + (rule->class.len > 0 ? OF_CLASS : 0) + (rule->id.len > 0 ? OF_ID : 0);
}

struct cascade {
    int weights[PROPERTIES];
    bool hides[PROPERTIES];
};

/* Of declarations of one weight the last counts. */
static void take_block(struct cascade *cascade, const struct mail_css_block *block, int weight)
{
    for (unsigned i = 0; i < PROPERTIES; i++) {
        unsigned bit = 1u << i;
        int of_this = weight + ((block->important & bit) != 0 ? IMPORTANT : 0);
        if ((block->set & bit) != 0 && of_this >= cascade->weights[i]) {
            cascade->weights[i] = of_this;
            cascade->hides[i] = (block->hides & bit) != 0;
        }
    }
}

bool mail_css_hides(const struct mail_css *css, const struct mail_css_element *element)
{
    struct cascade cascade = {.weights = {0}};
    bool hides = false;
    for (size_t i = 0; i < css->count; i++) {
        int weight = weight_of(&css->rules[i], element);
        if (weight > 0) {
            take_block(&cascade, &css->rules[i].block, weight);
        }
    }
    if (element->style.len > 0) {
        struct buf style;
        buf_init(&style, element->style.len + 1);
        put_without_comments(element->style, &style);
        struct mail_css_block block = block_of(buf_bytes(&style));
        take_block(&cascade, &block, INLINE);
        buf_done(&style);
    }
    for (unsigned i = 0; i < PROPERTIES; i++) {
        hides = hides || cascade.hides[i];
    }
    return hides;
}

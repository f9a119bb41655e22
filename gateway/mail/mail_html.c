/*
 * mail_html - see mail_html.h.
 */
#include "mail/mail_html.h"

#include <string.h>

#include "mail/mail_charset.h"
#include "mail/mail_css.h"
#include "mail/mail_html_reference.h"
#include "mail/mail_text.h"

#define STYLES_MAX   (256u << 10) /* octets of style sheets that count */
#define HIDDEN_DEPTH 64           /* elements in each other within a hidden one */
#define CHARSET_LOOK 2048         /* octets in which a page names its character set */

/* What takes no room is none of the text. */
static void put_character(struct buf *out, uint32_t c)
{
    size_t before = out->len;
    mail_charset_append(out, c < 0x20 ? 0 : c);
    if (mail_text_invisible(bytes_from(buf_bytes(out), before)) > 0) {
        buf_truncate(out, before);
    }
}

/* The length of the comment at the head of html, 0 when there is none: up to "-->", "--!>", or ">" right behind its
 * beginning. One that never ends hides all that follows. */
static size_t comment_length(struct bytes html)
{
    if (!bytes_starts_nocase(html, "<!--")) {
        return 0;
    }
    for (size_t at = 2; at + 2 < html.len; at++) {
        const uint8_t *next = memchr(html.ptr + at, '-', html.len - at);
        if (next == NULL) {
            break;
        }
        at = (size_t)(next - html.ptr);
        struct bytes rest = bytes_from(html, at);
        if (bytes_starts_nocase(rest, "-->") || (at >= 4 && bytes_starts_nocase(rest, "--!>"))) {
            return at + (rest.ptr[2] == '>' ? 3 : 4);
        }
    }
    return html.len;
}

/* The length of the tag at the head of html, quotes in attributes respected; a "<" that begins none counts as 0. */
static size_t tag_length(struct bytes html)
{
    if (html.len < 2 ||
        !(octet_is_alpha(html.ptr[1]) || html.ptr[1] == '/' || html.ptr[1] == '!' || html.ptr[1] == '?')) {
        return 0;
    }
    uint8_t quote = 0;
    bool value = false; /* behind a "=" and blanks: a quote counts there alone */
    for (size_t i = 1; i < html.len; i++) {
        uint8_t c = html.ptr[i];
        if (quote != 0) {
            quote = c == quote ? 0 : quote;
        } else if (c == '>') {
            return i + 1;
        } else if ((c == '"' || c == '\'') && value) {
            quote = c;
        }
        value = c == '=' || (value && strchr(" \t\r\n", c) != NULL);
    }
    return html.len; /* it never ends: nothing behind it is seen by a reader either */
}

static struct bytes tag_name(struct bytes tag)
{
    size_t end = 1;
    while (end < tag.len &&
           (octet_is_alpha(tag.ptr[end]) || octet_is_digit(tag.ptr[end]) || (end == 1 && tag.ptr[end] == '/'))) {
        end++;
    }
    return bytes_slice(tag, 1, end - 1);
}

/* Past the end tag of an element whose contents nobody sees. */
static size_t hidden_length(struct bytes html, struct bytes name)
{
    for (size_t i = 0; i + name.len + 2 <= html.len; i++) {
        const uint8_t *next = memchr(html.ptr + i, '<', html.len - i);
        if (next == NULL) {
            break;
        }
        i = (size_t)(next - html.ptr);
        if (i + 2 + name.len <= html.len && html.ptr[i + 1] == '/' &&
            bytes_equal_nocase(bytes_slice(html, i + 2, name.len), name)) {
            return i;
        }
    }
    return html.len;
}

/* ---- what is not shown ---- */

static size_t skip_blanks(struct bytes tag, size_t at, const char *blanks)
{
    while (at < tag.len && tag.ptr[at] != 0 && strchr(blanks, tag.ptr[at]) != NULL) {
        at++;
    }
    return at;
}

/* What stands behind the "=" of an attribute, with its quotes or up to a blank; *at goes behind it. */
static struct bytes take_value(struct bytes tag, size_t *at)
{
    uint8_t quote = *at < tag.len ? tag.ptr[*at] : 0;
    bool quoted = quote == '"' || quote == '\'';
    struct bytes rest = bytes_from(tag, *at + (quoted ? 1 : 0));
    size_t len = 0;
    while (len < rest.len && (quoted ? rest.ptr[len] != quote : strchr(" \t\r\n>", rest.ptr[len]) == NULL)) {
        len++;
    }
    *at += len + (quoted ? 2 : 0);
    return bytes_at(rest.ptr == NULL ? (const uint8_t *)"" : rest.ptr, len);
}

/* The value of the attribute of the tag; ptr NULL when it has none. An attribute without a value has an empty one. */
static struct bytes attribute(struct bytes tag, const char *name)
{
    size_t at = skip_blanks(tag, 1 + tag_name(tag).len, " \t\r\n/");
    while (at < tag.len && tag.ptr[at] != '>') {
        size_t start = at++; /* a "=" at its beginning is of the name */
        while (at < tag.len && strchr(" \t\r\n/=>", tag.ptr[at]) == NULL) {
            at++;
        }
        struct bytes key = bytes_slice(tag, start, at - start), value = bytes_of("");
        size_t equals = skip_blanks(tag, at, " \t\r\n");
        if (equals < tag.len && tag.ptr[equals] == '=') {
            at = skip_blanks(tag, equals + 1, " \t\r\n");
            value = take_value(tag, &at);
        }
        if (bytes_is_nocase(key, name)) {
            return value;
        }
        at = skip_blanks(tag, at, " \t\r\n/");
    }
    return bytes_at(NULL, 0);
}

static bool is_void(struct bytes name)
{
    static const char *const names[] = {"area", "base", "br",    "col",    "embed", "hr",  "img", "input",
                                        "link", "meta", "param", "source", "track", "wbr", NULL};
    return bytes_is_one_of(name, names);
}

static bool is_hidden(const struct mail_css *css, struct bytes tag, struct bytes name)
{
    if (name.len == 0 || name.ptr[0] == '/' || is_void(name)) {
        return false;
    }
    if (attribute(tag, "hidden").ptr != NULL) {
        return true;
    }
    struct buf style;
    struct bytes written = attribute(tag, "style");
    buf_init(&style, written.len + 1);
    mail_html_put_value(written, &style);
    struct mail_css_element element = {.tag = name, .style = buf_bytes(&style)};
    if (css->count > 0) {
        element.id = attribute(tag, "id");
        element.classes = attribute(tag, "class");
    }
    bool hides = (css->count > 0 || element.style.len > 0) && mail_css_hides(css, &element);
    buf_done(&style);
    return hides;
}

/* A start tag that ends a paragraph or an item, so that what follows is shown again. */
static bool ends_paragraph(struct bytes hidden, struct bytes name)
{
    static const char *const blocks[] = {
        "p",  "div", "table", "ul", "ol", "li", "tr", "td", "th",         "pre",     "form",    "hr",     "h1",
        "h2", "h3",  "h4",    "h5", "h6", "dl", "dt", "dd", "blockquote", "section", "article", "center", NULL};
    static const char *const implied[] = {"p", "li", "td", "th", "tr", "dt", "dd", "option", NULL};
    return bytes_is_one_of(hidden, implied) &&
           (bytes_equal_nocase(hidden, name) || (bytes_is_nocase(hidden, "p") && bytes_is_one_of(name, blocks)));
}

/*
 * The length of what the hidden element holds, up to the tag that ends it. In doubt it ends early, for what is shown
 * must be seen: at an end tag of what was opened outside.
 */
static size_t hidden_element(struct bytes html, struct bytes hidden)
{
    struct bytes open[HIDDEN_DEPTH];
    size_t depth = 0, at = 0;
    while (at < html.len) {
        const uint8_t *next = memchr(html.ptr + at, '<', html.len - at);
        if (next == NULL) {
            break;
        }
        at = (size_t)(next - html.ptr);
        struct bytes rest = bytes_from(html, at);
        size_t comment = comment_length(rest), len = comment > 0 ? comment : tag_length(rest);
        struct bytes name = comment > 0 || len == 0 ? bytes_of("") : tag_name(bytes_slice(rest, 0, len));
        if (name.len > 0 && name.ptr[0] == '/') {
            while (depth > 0 && !bytes_equal_nocase(open[depth - 1], bytes_from(name, 1))) {
                depth--;
            }
            if (depth == 0) {
                return at;
            }
            depth--;
        } else if (depth == 0 && ends_paragraph(hidden, name)) {
            return at;
        } else if (name.len > 0 && octet_is_alpha(name.ptr[0]) && !is_void(name)) {
            if (depth == HIDDEN_DEPTH) {
                return at;
            }
            open[depth++] = name;
        }
        at += len > 0 ? len : 1;
    }
    return html.len;
}

struct bytes mail_html_charset(struct bytes html)
{
    html = bytes_slice(html, 0, CHARSET_LOOK);
    for (size_t at = 0; at < html.len; at++) {
        struct bytes rest = bytes_from(html, at);
        if (html.ptr[at] != '<' || !bytes_starts_nocase(rest, "<meta")) {
            continue;
        }
        struct bytes tag = bytes_slice(rest, 0, tag_length(rest));
        struct bytes name = attribute(tag, "charset"), content = attribute(tag, "content");
        for (size_t i = 0; name.ptr == NULL && i < content.len; i++) {
            if (bytes_starts_nocase(bytes_from(content, i), "charset=")) {
                name = bytes_from(content, i + 8);
                name = bytes_trim(bytes_cut(&name, ';'));
            }
        }
        if (name.len > 0) { /* a page that can say so in ASCII is not in UTF-16 (HTML standard, section 13.2.3.2) */
            return bytes_starts_nocase(name, "utf-16") ? bytes_of("utf-8") : name;
        }
    }
    return bytes_of("");
}

/* ---- the text ---- */

struct page {
    struct mail_css css;
    struct buf *out;
    size_t start;  /* of the text in out */
    unsigned kept; /* elements around in which line ends and blanks stay: pre */
};

static bool is_behind_blank(const struct page *page)
{
    struct bytes text = bytes_from(buf_bytes(page->out), page->start);
    return text.len == 0 || text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\n';
}

static void put_blank(struct page *page)
{
    buf_append_text(page->out, is_behind_blank(page) ? "" : " ");
}

/* Ends the line that stands there, without the blank at its end. */
static void end_line(struct page *page, bool always)
{
    struct bytes text = bytes_from(buf_bytes(page->out), page->start);
    if (text.len > 0 && text.ptr[text.len - 1] == ' ' && page->kept == 0) {
        buf_truncate(page->out, page->out->len - 1);
        text.len--;
    }
    if (always || (text.len > 0 && text.ptr[text.len - 1] != '\n')) {
        buf_append_text(page->out, "\n");
    }
}

static void put_link(struct page *page, struct bytes tag)
{
    struct bytes target = attribute(tag, "href");
    if (target.ptr != NULL) {
        put_blank(page);
        buf_append_text(page->out, "<");
        mail_html_put_value(target, page->out);
        buf_append_text(page->out, "> ");
    }
}

/* What a tag gives to the text; returns how much of html it and what it hides take. */
static size_t put_tag(struct page *page, struct bytes html, size_t len)
{
    static const char *const lines[] = {"p",       "div",    "tr",       "li",     "h1",     "h2",         "h3",
                                        "h4",      "h5",     "h6",       "table",  "hr",     "blockquote", "pre",
                                        "ul",      "ol",     "dl",       "dt",     "dd",     "form",       "section",
                                        "article", "nav",    "main",     "header", "footer", "address",    "center",
                                        "caption", "option", "fieldset", "legend", NULL};
    static const char *const hidden[] = {"script", "style", "title", "template", NULL};
    struct bytes tag = bytes_slice(html, 0, len), name = tag_name(tag);
    bool ends = name.len > 0 && name.ptr[0] == '/';
    struct bytes element = bytes_from(name, ends ? 1 : 0);
    if (bytes_is_one_of(name, hidden)) {
        return len + hidden_length(bytes_from(html, len), name);
    }
    if (is_hidden(&page->css, tag, name)) {
        return len + hidden_element(bytes_from(html, len), name);
    }
    if (bytes_is_nocase(element, "br")) {
        end_line(page, true);
    } else if (bytes_is_one_of(element, lines)) {
        end_line(page, false);
    } else if (bytes_is_nocase(name, "td") || bytes_is_nocase(name, "th")) {
        put_blank(page);
    } else if (bytes_is_nocase(name, "a")) {
        put_link(page, tag);
    }
    if (bytes_is_nocase(element, "pre")) {
        page->kept = ends ? 0 : 1;
    }
    return len;
}

static bool is_nbsp(struct bytes html)
{
    return html.len >= 2 && html.ptr[0] == 0xc2 && html.ptr[1] == 0xa0;
}

/* Runs of blanks are one, but for those of a preformatted text. */
static void put_white(struct page *page, uint8_t c)
{
    if (page->kept == 0) {
        put_blank(page);
    } else if (c != '\r') {
        buf_append_octet(page->out, c == '\n' || c == '\t' ? c : ' ');
    }
}

/* A character, or a reference to one: its length. */
static size_t put_text(struct page *page, struct bytes html)
{
    uint32_t character = 0;
    uint8_t c = html.ptr[0];
    size_t len = c == '&' ? mail_html_reference(html, &character) : 0;
    if (len > 0) {
        bool white =
            character == ' ' || character == 0xa0 || character == '\t' || character == '\n' || character == '\r';
        if (white) {
            put_white(page, (uint8_t)(character == 0xa0 ? ' ' : character));
        } else {
            put_character(page->out, character);
        }
        return len;
    }
    if (c <= ' ' || is_nbsp(html)) {
        put_white(page, c <= ' ' ? c : ' ');
        return c <= ' ' ? 1 : 2;
    }
    len = mail_text_invisible(html);
    if (len == 0) {
        buf_append_octet(page->out, c);
    }
    return len > 0 ? len : 1;
}

/* Style sheets count for the whole page, wherever they stand. */
static void read_styles(struct page *page, struct bytes html)
{
    for (const uint8_t *next; html.len > 0 && (next = memchr(html.ptr, '<', html.len)) != NULL;) {
        html = bytes_from(html, (size_t)(next - html.ptr));
        size_t comment = comment_length(html), len = comment > 0 ? comment : tag_length(html);
        struct bytes name = comment > 0 || len == 0 ? bytes_of("") : tag_name(bytes_slice(html, 0, len));
        html = bytes_from(html, len > 0 ? len : 1);
        if (bytes_is_nocase(name, "style") || bytes_is_nocase(name, "script")) {
            size_t inside = hidden_length(html, name);
            if (bytes_is_nocase(name, "style")) {
                mail_css_add(&page->css, bytes_slice(html, 0, inside));
            }
            html = bytes_from(html, inside);
        }
    }
    mail_css_read(&page->css);
}

int mail_html_text(struct bytes html, struct buf *out)
{
    struct page page = {.out = out, .start = out->len};
    mail_css_init(&page.css, STYLES_MAX);
    read_styles(&page, html);
    while (html.len > 0 && !out->full) {
        size_t len = html.ptr[0] == '<' ? comment_length(html) : 0;
        if (len == 0 && html.ptr[0] == '<') {
            len = tag_length(html);
            len = len > 0 ? put_tag(&page, html, len) : 0;
        }
        html = bytes_from(html, len > 0 ? len : put_text(&page, html));
    }
    mail_css_done(&page.css);
    return out->full ? -1 : 0;
}

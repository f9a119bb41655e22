/*
 * filters_coarse - see filters_coarse.h. pcre2pattern(3), as it is with UTF and UCP.
 */
#include "filters/filters_coarse.h"

#include <string.h>

/* U+017F and U+212A are "s" and "k" where case does not count; no other character beyond ASCII is one of it then
 * (CaseFolding.txt). */
#define LONG_S      0x17fu
#define KELVIN_SIGN 0x212au

/* Characters: of ASCII by code, and whether any other may be among them. */
struct members {
    bool ascii[128];
    bool other;
    bool vague; /* it has perhaps more of them than are meant */
};

struct coarse {
    const char *at;
    struct buf *out;
    bool nocase; /* somewhere in it */
    bool beyond;
    unsigned depth;
    unsigned muted; /* the depth of the group whose inside is left out; 0: none */
};

static const char *const digits = "0-9", *const word = "0-9A-Za-z_", *const space = "\t-\r ", *const blank = "\t ",
                         *const vertical = "\n-\r";

/* ---- members ---- */

static void add_range(struct members *members, uint32_t from, uint32_t to)
{
    for (uint32_t c = from; c <= to && c < 128; c++) {
        members->ascii[c] = true;
    }
    members->other = members->other || to >= 128;
}

static void add_all(struct members *members)
{
    add_range(members, 0, 128);
    members->vague = true;
}

/* Of a list like "0-9A-Z_"; and all beyond ASCII, where Unicode has more of them. */
static void add_listed(struct members *members, const char *list)
{
    for (; *list != '\0'; list++) {
        bool range = list[1] == '-' && list[2] != '\0';
        add_range(members, (uint8_t)list[0], (uint8_t)list[range ? 2 : 0]);
        list += range ? 2 : 0;
    }
    members->other = true;
}

static void turn(struct members *members)
{
    for (size_t i = 0; i < 128; i++) {
        members->ascii[i] = !members->ascii[i] || members->vague;
    }
    members->other = true; /* of those that it had, nobody knows which */
}

/* "\d" and its like: true when the letter is one of them. */
static bool add_kind(struct members *members, char letter)
{
    const char *list = strchr("dD", letter) != NULL   ? digits
                       : strchr("wW", letter) != NULL ? word
                       : strchr("sS", letter) != NULL ? space
                       : strchr("hH", letter) != NULL ? blank
                       : strchr("vV", letter) != NULL ? vertical
                                                      : NULL;
    if (list == NULL || letter == '\0') {
        return false;
    }
    struct members kind = {0};
    add_listed(&kind, list);
    if (letter < 'a') {
        turn(&kind);
    }
    for (size_t i = 0; i < 128; i++) {
        members->ascii[i] = members->ascii[i] || kind.ascii[i];
    }
    members->other = true;
    return true;
}

static void put_members(struct coarse *coarse, const struct members *members)
{
    buf_append_octet(coarse->out, '[');
    for (unsigned c = 0; c < 128; c++) {
        unsigned from = c;
        while (c < 127 && members->ascii[c] && members->ascii[c + 1]) {
            c++;
        }
        if (members->ascii[c]) {
            buf_printf(coarse->out, "\\x%02x-\\x%02x", from, c);
        }
    }
    buf_printf(coarse->out, "%s]", members->other ? "\\x80" : "");
}

/* ---- characters ---- */

/* The character at the place, which is valid UTF-8; goes behind it. */
static uint32_t next_character(struct coarse *coarse)
{
    uint32_t c = (uint8_t)*coarse->at++;
    unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    c &= more == 0 ? 0xffu : 0x3fu >> more;
    for (; more > 0; more--) {
        c = c << 6 | ((uint8_t)*coarse->at++ & 0x3fu);
    }
    return c;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Behind "\x". */
static uint32_t hex_character(struct coarse *coarse)
{
    bool braces = *coarse->at == '{';
    uint32_t c = 0;
    size_t count = 0;
    coarse->at += braces ? 1 : 0;
    for (int digit; (digit = hex_digit(*coarse->at)) >= 0 && count < (braces ? 8u : 2u); count++) {
        c = c << 4 | (uint32_t)digit;
        coarse->at++;
    }
    coarse->beyond = coarse->beyond || (braces && (*coarse->at != '}' || count == 0));
    coarse->at += braces && *coarse->at == '}' ? 1 : 0;
    return c;
}

/* Behind a backslash: true with the character, when it is one. */
static bool escaped_character(struct coarse *coarse, uint32_t *c_r)
{
    static const char letters[] = "tnrfae", values[] = "\t\n\r\f\a\x1b";
    uint8_t c = (uint8_t)*coarse->at;
    const char *letter = c == '\0' ? NULL : strchr(letters, c);
    if (letter != NULL) {
        coarse->at++;
        *c_r = (uint8_t)values[letter - letters];
    } else if (c == 'x') {
        coarse->at++;
        *c_r = hex_character(coarse);
    } else if (octet_is_alpha(c) || octet_is_digit(c) || c == '\0') {
        return false;
    } else {
        *c_r = next_character(coarse);
    }
    return true;
}

static void check_character(struct coarse *coarse, uint32_t c)
{
    coarse->beyond = coarse->beyond || c == LONG_S || c == KELVIN_SIGN;
}

/* "p{Lu}", "p{^Lu}", "pL" behind a backslash. */
static void skip_property(struct coarse *coarse)
{
    coarse->at++;
    if (*coarse->at == '{') {
        const char *end = strchr(coarse->at, '}');
        coarse->beyond = coarse->beyond || end == NULL;
        coarse->at = end == NULL ? coarse->at : end;
    }
    coarse->at += *coarse->at == '\0' ? 0 : 1;
}

/* ---- classes ---- */

/* "[:alpha:]" at the place, goes behind it. Where case does not count, upper and lower are as they may be. */
static void add_posix(struct coarse *coarse, struct members *members)
{
    static const char *const lists[][2] = {
        {"alpha", "A-Za-z"}, {"alnum", "0-9A-Za-z"},    {"digit", "0-9"}, {"xdigit", "0-9A-Fa-f"},
        {"lower", "a-z"},    {"upper", "A-Z"},          {"blank", "\t "}, {"word", "0-9A-Za-z_"},
        {"space", "\t-\r "}, {"punct", "!-/:-@[-`{-~"}, {"graph", "!-~"}, {"print", " -~"},
    };
    coarse->at += 2;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        size_t len = strlen(lists[i][0]);
        if (strncmp(coarse->at, lists[i][0], len) == 0 && strncmp(coarse->at + len, ":]", 2) == 0) {
            bool of_case = strcmp(lists[i][0], "lower") == 0 || strcmp(lists[i][0], "upper") == 0;
            if (of_case && coarse->nocase) {
                add_all(members);
            } else {
                add_listed(members, lists[i][1]);
            }
            coarse->at += len + 2;
            return;
        }
    }
    coarse->beyond = true; /* [:^alpha:], [:<:] */
}

/* What stands for several characters, or is not known; false when the place has one character, or ends. */
static bool add_kinds(struct coarse *coarse, struct members *members)
{
    const char *at = coarse->at;
    if (at[0] == '[' && at[1] == ':') {
        add_posix(coarse, members);
    } else if (at[0] == '[' && (at[1] == '.' || at[1] == '=')) {
        coarse->beyond = true;
    } else if (at[0] == '\\' && (at[1] == 'p' || at[1] == 'P')) {
        coarse->at++;
        skip_property(coarse);
        add_all(members);
    } else if (at[0] == '\\' && add_kind(members, at[1])) {
        coarse->at += 2;
    } else {
        return false;
    }
    coarse->beyond = coarse->beyond || (coarse->at[0] == '-' && coarse->at[1] != ']');
    return true;
}

static uint32_t class_character(struct coarse *coarse)
{
    uint32_t c = 0;
    if (*coarse->at == '\0') {
        coarse->beyond = true;
        return 0;
    }
    if (*coarse->at != '\\') {
        return next_character(coarse);
    }
    coarse->at++;
    if (*coarse->at == 'b') {
        coarse->at++;
        return '\b';
    }
    coarse->beyond = coarse->beyond || !escaped_character(coarse, &c);
    return c;
}

/* One character, or a range of them. */
static void add_characters(struct coarse *coarse, struct members *members)
{
    uint32_t from = class_character(coarse), to = from;
    if (coarse->at[0] == '-' && coarse->at[1] != ']') {
        coarse->at++;
        to = class_character(coarse);
    }
    check_character(coarse, from);
    check_character(coarse, to);
    if (coarse->nocase && to >= 128 && from != to) {
        add_all(members); /* which of them are letters of ASCII is not asked */
    } else {
        add_range(members, from, to);
    }
}

static void put_class(struct coarse *coarse)
{
    struct members members = {0};
    coarse->at++;
    bool turned = *coarse->at == '^';
    coarse->at += turned ? 1 : 0;
    do {
        if (!add_kinds(coarse, &members)) {
            add_characters(coarse, &members);
        }
    } while (!coarse->beyond && *coarse->at != ']');
    coarse->at += coarse->beyond ? 0 : 1;
    if (turned) {
        turn(&members);
    }
    put_members(coarse, &members);
}

/* ---- groups ---- */

/* "(?i)" and "(?i:" at the place behind the "?": which letters may stand there. */
static size_t options(const char *at)
{
    size_t len = strspn(at, "imsJ-");
    return at[len] == ')' || at[len] == ':' ? len : 0;
}

static bool is_named(const char *at)
{
    at += *at == 'P' ? 1 : 0;
    return (at[0] == '<' && at[1] != '=' && at[1] != '!') || at[0] == '\'';
}

static bool looks_around(const char *at)
{
    at += *at == '<' ? 1 : 0;
    return *at == '=' || *at == '!';
}

/* Behind "(?": what kind of group it opens; goes behind that. */
static void open_special(struct coarse *coarse)
{
    size_t len = options(coarse->at);
    if (strchr(":>|", coarse->at[0]) != NULL && coarse->at[0] != '\0') {
        coarse->at++;
    } else if (is_named(coarse->at)) {
        coarse->at += *coarse->at == 'P' ? 1 : 0;
        const char *end = strchr(coarse->at + 1, *coarse->at == '<' ? '>' : '\'');
        coarse->beyond = coarse->beyond || end == NULL;
        coarse->at = end == NULL ? coarse->at : end + 1;
    } else if (looks_around(coarse->at)) {
        coarse->at += *coarse->at == '<' ? 2 : 1;
        coarse->muted = coarse->muted == 0 ? coarse->depth : coarse->muted;
    } else if (len > 0 && coarse->at[len] == ':' && memchr(coarse->at, '-', len) == NULL) {
        bool nocase = memchr(coarse->at, 'i', len) != NULL;
        buf_printf(coarse->out, "(?%s%s", nocase ? "i" : "", memchr(coarse->at, 's', len) != NULL ? "s" : "");
        buf_printf(coarse->out, "%s:", memchr(coarse->at, 'm', len) != NULL ? "m" : "");
        coarse->at += len + 1;
        return;
    } else {
        coarse->beyond = true; /* options for what follows, comments, conditions, recursion */
    }
    buf_append_text(coarse->out, "(?:");
}

static void open_group(struct coarse *coarse)
{
    coarse->at++;
    coarse->depth++;
    if (*coarse->at == '?') {
        coarse->at++;
        open_special(coarse);
    } else {
        coarse->beyond = coarse->beyond || *coarse->at == '*';
        buf_append_text(coarse->out, "(?:");
    }
}

/* ---- what repeats ---- */

/* "{2}", "{2,}", "{2,3}" at the place: how long, 0: it is none. */
static size_t counts(const char *at, unsigned *least_r, unsigned *most_r)
{
    size_t len = 1;
    if (at[0] != '{' || !octet_is_digit((uint8_t)at[1])) {
        return 0;
    }
    for (*least_r = 0; octet_is_digit((uint8_t)at[len]); len++) {
        *least_r = *least_r * 10 + (unsigned)(at[len] - '0');
    }
    *most_r = *least_r;
    if (at[len] == ',') {
        len++;
        *most_r = at[len] == '}' ? UINT32_MAX : 0;
        for (; octet_is_digit((uint8_t)at[len]); len++) {
            *most_r = *most_r * 10 + (unsigned)(at[len] - '0');
        }
    }
    return at[len] == '}' ? len + 1 : 0;
}

/* Whether it gives back what it took, or takes as little as it can, is nothing to whether there is a match. */
static void put_quantifier(struct coarse *coarse)
{
    unsigned least = 0, most = 0;
    size_t len = counts(coarse->at, &least, &most);
    if (len > 0) {
        unsigned enough = least > FILTERS_COARSE_REPEATS ? FILTERS_COARSE_REPEATS : least;
        if (most > FILTERS_COARSE_REPEATS) {
            buf_printf(coarse->out, "{%u,}", enough);
        } else {
            buf_printf(coarse->out, "{%u,%u}", least, most);
        }
        coarse->at += len;
    } else if (*coarse->at != '\0' && strchr("?*+", *coarse->at) != NULL) {
        buf_append_octet(coarse->out, (uint8_t)*coarse->at++);
    } else {
        coarse->beyond = coarse->beyond || *coarse->at == '{'; /* or a later PCRE2 takes it for one */
        return;
    }
    coarse->at += *coarse->at == '?' || *coarse->at == '+' ? 1 : 0;
}

/* Behind what is left out nothing may repeat it. */
static void leave_out(struct coarse *coarse)
{
    coarse->beyond = coarse->beyond || (*coarse->at != '\0' && strchr("?*+{", *coarse->at) != NULL);
}

/* ---- the whole ---- */

static void put_character(struct coarse *coarse, uint32_t c)
{
    check_character(coarse, c);
    if (c < 128 && (octet_is_alpha((uint8_t)c) || octet_is_digit((uint8_t)c))) {
        buf_append_octet(coarse->out, (uint8_t)c);
    } else {
        buf_printf(coarse->out, "\\x%02x", c < 128 ? c : FILTERS_COARSE_OTHER);
    }
    put_quantifier(coarse);
}

/* A letter behind a backslash that is no character; goes behind it. */
static void put_escape(struct coarse *coarse)
{
    struct members members = {0};
    char letter = *coarse->at;
    if (letter == 'b' || letter == 'B' || letter == 'K') {
        coarse->at++;
        leave_out(coarse);
        return;
    }
    if (letter == 'A' || letter == 'z' || letter == 'Z') {
        coarse->at++;
        buf_printf(coarse->out, "\\%c", letter);
        leave_out(coarse);
        return;
    }
    if (letter == 'R') {
        coarse->at++;
        buf_append_text(coarse->out, "(?:\\x0d\\x0a|[\\x0a-\\x0d\\x80])");
    } else if (letter == 'p' || letter == 'P') {
        skip_property(coarse);
        buf_append_text(coarse->out, "[\\x00-\\x80]");
    } else if (add_kind(&members, letter)) {
        coarse->at++;
        put_members(coarse, &members);
    } else {
        coarse->beyond = true;
        return;
    }
    put_quantifier(coarse);
}

static void put_backslash(struct coarse *coarse)
{
    uint32_t c = 0;
    coarse->at++;
    if (escaped_character(coarse, &c)) {
        put_character(coarse, c);
    } else {
        put_escape(coarse);
    }
}

static void close_group(struct coarse *coarse)
{
    coarse->at++;
    coarse->beyond = coarse->beyond || coarse->depth == 0;
    bool looked = coarse->muted == coarse->depth;
    coarse->depth -= coarse->depth > 0 ? 1 : 0;
    buf_append_octet(coarse->out, ')');
    if (looked) {
        leave_out(coarse);
    } else {
        put_quantifier(coarse);
    }
}

static void put_one(struct coarse *coarse)
{
    switch (*coarse->at) {
    case '\\':
        put_backslash(coarse);
        break;
    case '[':
        put_class(coarse);
        put_quantifier(coarse);
        break;
    case '(':
        open_group(coarse);
        break;
    case ')':
        close_group(coarse);
        break;
    case '.':
        buf_append_octet(coarse->out, (uint8_t)*coarse->at++);
        put_quantifier(coarse);
        break;
    case '^':
    case '$':
        buf_append_octet(coarse->out, (uint8_t)*coarse->at++);
        leave_out(coarse);
        break;
    case '|':
        buf_append_octet(coarse->out, (uint8_t)*coarse->at++);
        break;
    case '{':
        coarse->beyond = true;
        break;
    default:
        put_character(coarse, next_character(coarse));
        break;
    }
}

/* What is inside a group that looks around is read, so that its end is found, and taken away again. */
static void put_all(struct coarse *coarse)
{
    size_t kept = 0;
    while (*coarse->at != '\0' && !coarse->beyond) {
        unsigned muted = coarse->muted;
        put_one(coarse);
        if (muted == 0 && coarse->muted != 0) {
            kept = coarse->out->len;
        } else if (muted != 0 && coarse->depth < muted) {
            buf_truncate(coarse->out, kept);
            buf_append_octet(coarse->out, ')');
            coarse->muted = 0;
        }
    }
    coarse->beyond = coarse->beyond || coarse->depth != 0;
}

/* "(?i)" at the very beginning is for all of it. */
static bool says_nocase(const char *pattern)
{
    for (const char *at = pattern; (at = strstr(at, "(?")) != NULL;) {
        at += 2;
        if (memchr(at, 'i', options(at)) != NULL) {
            return true;
        }
    }
    return false;
}

static size_t first_options(const char *pattern)
{
    size_t len = pattern[0] == '(' && pattern[1] == '?' ? options(pattern + 2) : 0;
    return len > 0 && pattern[2 + len] == ')' && memchr(pattern + 2, '-', len) == NULL ? len : 0;
}

bool filters_coarse_pattern(const char *pattern, bool nocase, struct buf *out)
{
    struct coarse coarse = {.at = pattern, .out = out, .nocase = nocase || says_nocase(pattern)};
    size_t len = first_options(pattern);
    for (const char *letter = "ims"; len > 0 && *letter != '\0'; letter++) {
        if (memchr(pattern + 2, *letter, len) != NULL) {
            buf_printf(out, "(?%c)", *letter);
        }
    }
    coarse.at += len > 0 ? len + 3 : 0;
    put_all(&coarse);
    return !coarse.beyond && !out->full;
}

bool filters_coarse_text(struct bytes text, uint8_t *room, struct bytes *text_r)
{
    *text_r = text;
    if (bytes_is_ascii(text)) {
        return true;
    }
    if (bytes_find(text, bytes_of("\xc5\xbf")) >= 0 || bytes_find(text, bytes_of("\xe2\x84\xaa")) >= 0) {
        return false;
    }
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t octet = text.ptr[i];
        room[len] = octet < 128 ? octet : FILTERS_COARSE_OTHER;
        len += (octet & 0xc0) != 0x80 ? 1 : 0;
    }
    *text_r = bytes_at(room, len);
    return true;
}

/*
 * imap_reply - the incremental response parser; see imap_reply.h. A response is gathered whole (imap_reply_next), then
 * cut into its parts.
 */
#include "proto/imap_reply.h"

void imap_reply_init(struct imap_reply_parser *parser)
{
    *parser = (struct imap_reply_parser){0};
    buf_init(&parser->text, IMAP_REPLY_TEXT_MAX);
}

void imap_reply_done(struct imap_reply_parser *parser)
{
    buf_done(&parser->text);
}

void imap_reply_reset(struct imap_reply_parser *parser)
{
    if (parser->text.size > IMAP_REPLY_KEEP_MAX) {
        buf_done(&parser->text); /* one long line shall not cost its memory for the life of the connection */
    }
    buf_clear(&parser->text);
    parser->literal_left = 0;
    parser->literal_skip = false;
    parser->line_start = 0;
    parser->literals = 0;
    parser->depth = 0;
    parser->given = false;
}

/* ---- gathering a response ---- */

/*
 * Whether the line (without its CR LF) ends in a literal's announcement "{123}", "{123+}" or "~{123}". 1 with its
 * number and the position of what announces it, 0 without one, -1 when the number is beyond all sense.
 */
static int announced(struct bytes line, uint64_t *octets_r, size_t *at_r)
{
    if (line.len < 3 || line.ptr[line.len - 1] != '}') {
        return 0;
    }
    size_t end = line.len - 1;
    if (line.ptr[end - 1] == '+') {
        end--;
    }
    size_t start = end;
    while (start > 0 && octet_is_digit(line.ptr[start - 1])) {
        start--;
    }
    if (start == end || start == 0 || line.ptr[start - 1] != '{') {
        return 0;
    }
    if (!bytes_to_u64(bytes_slice(line, start, end - start), octets_r) || *octets_r > IMAP_REPLY_LITERAL_MAX) {
        return -1;
    }
    *at_r = start - 1 > 0 && line.ptr[start - 2] == '~' ? start - 2 : start - 1;
    return 1;
}

/* Parentheses that a piece of a line opens, less those that it closes; quoted strings do not count. */
static int depth_of(struct bytes piece)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < piece.len; i++) {
        uint8_t c = piece.ptr[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted) {
            depth += (c == '(') - (c == ')');
        }
    }
    return depth;
}

/*
 * Whether an empty line does not end the response: it is all there is of it, or it stands behind a literal inside a
 * list. Some servers pad their answers with such lines, one is believed behind each literal.
 */
static bool is_padding(struct imap_reply_parser *parser, struct bytes line)
{
    if (bytes_trim(line).len > 0) {
        return false;
    }
    bool between = parser->line_start == 0 && parser->literals == 0;
    bool inside = parser->literals > 0 && parser->depth > 0 && !parser->padded;
    parser->padded = parser->padded || inside;
    return between || inside;
}

/* A line of the response is complete in the text. 1: so is the response. */
static int end_reply_line(struct imap_reply_parser *parser)
{
    struct buf *text = &parser->text;
    if (text->len - parser->line_start < 2 || buf_bytes(text).ptr[text->len - 2] != '\r') {
        return -1; /* a line feed alone */
    }
    buf_truncate(text, text->len - 2);
    uint64_t octets;
    size_t at;
    struct bytes line = bytes_from(buf_bytes(text), parser->line_start);
    if (is_padding(parser, line)) {
        buf_truncate(text, parser->line_start);
        return 0;
    }
    int found = announced(line, &octets, &at);
    if (found <= 0) {
        return found < 0 ? -1 : 1;
    }
    parser->depth += depth_of(bytes_slice(line, 0, at));
    parser->padded = false;
    if (++parser->literals > IMAP_REPLY_LITERALS_MAX) {
        return -1;
    }
    at += parser->line_start;
    parser->literal_left = octets;
    parser->literal_skip = octets > IMAP_REPLY_KEEP_MAX / 2 || text->len + octets + 64 > IMAP_REPLY_KEEP_MAX;
    buf_truncate(text, at);
    /* Written anew in one form, so that the tokens are found again without a second reading of what the server wrote.
     */
    int result = parser->literal_skip ? buf_append_text(text, "NIL")
                                      : buf_printf(text, "{%llu}\r\n", (unsigned long long)octets);
    parser->line_start = text->len + (parser->literal_skip ? 0 : (size_t)octets);
    return result < 0 ? -1 : 0;
}

static int take_literal(struct imap_reply_parser *parser, struct bytes *rest)
{
    size_t len = rest->len < parser->literal_left ? rest->len : (size_t)parser->literal_left;
    if (!parser->literal_skip && buf_append_bytes(&parser->text, bytes_slice(*rest, 0, len)) < 0) {
        return -1;
    }
    parser->literal_left -= len;
    *rest = bytes_from(*rest, len);
    return 0;
}

static int take_reply_line(struct imap_reply_parser *parser, struct bytes *rest)
{
    ptrdiff_t end = bytes_find_octet(*rest, '\n');
    size_t len = end < 0 ? rest->len : (size_t)end + 1;
    if (buf_append_bytes(&parser->text, bytes_slice(*rest, 0, len)) < 0) {
        return -1;
    }
    *rest = bytes_from(*rest, len);
    return end < 0 ? 0 : end_reply_line(parser);
}

/* ---- the parts of a response ---- */

static enum imap_status status_of(struct bytes word)
{
    static const char *const names[] = {[IMAP_STATUS_OK] = "OK",
                                        [IMAP_STATUS_NO] = "NO",
                                        [IMAP_STATUS_BAD] = "BAD",
                                        [IMAP_STATUS_PREAUTH] = "PREAUTH",
                                        [IMAP_STATUS_BYE] = "BYE"};
    for (size_t i = IMAP_STATUS_OK; i < sizeof names / sizeof names[0]; i++) {
        if (bytes_is_nocase(word, names[i])) {
            return (enum imap_status)i;
        }
    }
    return IMAP_STATUS_NONE;
}

/* The word that is next, without the blanks in front of it. */
static struct bytes cut_word(struct bytes *rest)
{
    while (rest->len > 0 && rest->ptr[0] == ' ') {
        *rest = bytes_from(*rest, 1);
    }
    return bytes_cut(rest, ' ');
}

/* Where the code that begins the text ends: at the first "]" outside of a list, because keywords hold brackets (Gmail's
 * labels); -1: nowhere. */
static ptrdiff_t end_of_code(struct bytes text)
{
    int depth = 0;
    for (size_t i = 1; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        if (c == ']' && depth <= 0) {
            return (ptrdiff_t)i;
        }
    }
    return bytes_find_octet(text, ']'); /* the list does not end */
}

/* "[CODE args] text" or "text". A bracket that does not close is text. */
static void cut_code(struct bytes rest, struct imap_reply *reply)
{
    rest = bytes_trim(rest);
    ptrdiff_t end = rest.len > 0 && rest.ptr[0] == '[' ? end_of_code(rest) : -1;
    if (end > 0) {
        struct bytes inside = bytes_trim(bytes_slice(rest, 1, (size_t)end - 1));
        reply->code = bytes_cut(&inside, ' ');
        reply->code_args = bytes_trim(inside);
        rest = bytes_from(rest, (size_t)end + 1);
    }
    reply->text = bytes_trim(rest);
}

static int cut_untagged(struct bytes rest, struct imap_reply *reply)
{
    struct bytes word = cut_word(&rest);
    reply->kind = IMAP_REPLY_UNTAGGED;
    reply->status = status_of(word);
    if (reply->status != IMAP_STATUS_NONE) {
        cut_code(rest, reply);
        return 1;
    }
    uint64_t number;
    if (word.len > 0 && octet_is_digit(word.ptr[0])) {
        if (!bytes_to_u64(word, &number) || number > UINT32_MAX) {
            return -1;
        }
        reply->has_number = true;
        reply->number = (uint32_t)number;
        word = cut_word(&rest);
    }
    reply->name = word;
    reply->args = rest;
    return word.len > 0 ? 1 : -1;
}

static int cut_reply(struct bytes line, struct imap_reply *reply)
{
    *reply = (struct imap_reply){0};
    struct bytes rest = line;
    struct bytes tag = cut_word(&rest);
    if (bytes_is(tag, "*")) {
        return cut_untagged(rest, reply);
    }
    if (bytes_is(tag, "+")) {
        reply->kind = IMAP_REPLY_CONTINUE;
        reply->text = bytes_trim(rest);
        return 1;
    }
    reply->kind = IMAP_REPLY_TAGGED;
    reply->tag = tag;
    reply->status = status_of(cut_word(&rest));
    cut_code(rest, reply);
    bool known = reply->status == IMAP_STATUS_OK || reply->status == IMAP_STATUS_NO || reply->status == IMAP_STATUS_BAD;
    return tag.len > 0 && known ? 1 : -1;
}

int imap_reply_next(struct imap_reply_parser *parser, struct bytes input, size_t *used_r, struct imap_reply *reply_r)
{
    struct bytes rest = input;
    int result = 0;
    if (parser->given) {
        imap_reply_reset(parser);
    }
    while (result == 0 && rest.len > 0) {
        result = parser->literal_left > 0 ? take_literal(parser, &rest) : take_reply_line(parser, &rest);
    }
    *used_r = input.len - rest.len;
    if (result == 1) {
        parser->given = true;
        result = cut_reply(buf_bytes(&parser->text), reply_r);
    }
    return result;
}

struct bytes imap_reply_read(const struct imap_reply_parser *parser)
{
    return buf_bytes(&parser->text);
}

/* ---- tokens ---- */

static int cut_quoted(struct bytes *rest, struct imap_token *token)
{
    for (size_t i = 1; i < rest->len; i++) {
        if (rest->ptr[i] == '\\') {
            token->escaped = true;
            i++;
        } else if (rest->ptr[i] == '"') {
            token->text = bytes_slice(*rest, 1, i - 1);
            *rest = bytes_from(*rest, i + 1);
            return 0;
        }
    }
    return -1;
}

static int cut_literal(struct bytes *rest, struct imap_token *token)
{
    ptrdiff_t end = bytes_find(*rest, bytes_of("}\r\n"));
    uint64_t octets;
    if (end < 0 || !bytes_to_u64(bytes_slice(*rest, 1, (size_t)end - 1), &octets)) {
        return -1;
    }
    size_t start = (size_t)end + 3;
    if (octets > rest->len - start) {
        return -1;
    }
    token->text = bytes_slice(*rest, start, (size_t)octets);
    *rest = bytes_from(*rest, start + (size_t)octets);
    return 0;
}

/* Atoms are taken generously: whatever is no delimiter; "BODY[HEADER.FIELDS (X)]" is one. */
static void cut_atom(struct bytes *rest, struct imap_token *token)
{
    size_t len = 0;
    bool bracket = false;
    while (len < rest->len) {
        uint8_t c = rest->ptr[len];
        if (!bracket && (c == ' ' || c == '(' || c == ')' || c == '"')) {
            break;
        }
        bracket = c == '[' ? true : c == ']' ? false : bracket;
        len++;
    }
    token->text = bytes_slice(*rest, 0, len);
    *rest = bytes_from(*rest, len);
}

int imap_token_next(struct bytes *rest, struct imap_token *token_r)
{
    struct imap_token token = {.kind = IMAP_TOKEN_END};
    int result = 0;
    while (rest->len > 0 && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t')) {
        *rest = bytes_from(*rest, 1);
    }
    if (rest->len > 0) {
        switch (rest->ptr[0]) {
        case '(':
        case ')':
            token.kind = rest->ptr[0] == '(' ? IMAP_TOKEN_OPEN : IMAP_TOKEN_CLOSE;
            token.text = bytes_slice(*rest, 0, 1);
            *rest = bytes_from(*rest, 1);
            break;
        case '"':
            token.kind = IMAP_TOKEN_STRING;
            result = cut_quoted(rest, &token);
            break;
        case '{':
            token.kind = IMAP_TOKEN_STRING;
            result = cut_literal(rest, &token);
            break;
        default:
            token.kind = IMAP_TOKEN_ATOM;
            cut_atom(rest, &token);
            break;
        }
    }
    if (result == 0) {
        *token_r = token;
    }
    return result;
}

int imap_token_copy(const struct imap_token *token, struct buf *out)
{
    if (token->kind != IMAP_TOKEN_ATOM && token->kind != IMAP_TOKEN_STRING) {
        return -1;
    }
    if (!token->escaped) {
        return buf_append_bytes(out, token->text);
    }
    int result = 0;
    for (size_t i = 0; i < token->text.len && result == 0; i++) {
        if (token->text.ptr[i] == '\\' && i + 1 < token->text.len) {
            i++;
        }
        result = buf_append_octet(out, token->text.ptr[i]);
    }
    return result;
}

int imap_token_skip(struct bytes *rest)
{
    struct imap_token token;
    size_t depth = 0;
    do {
        if (imap_token_next(rest, &token) < 0 || (token.kind == IMAP_TOKEN_END && depth > 0)) {
            return -1;
        }
        if (token.kind == IMAP_TOKEN_OPEN) {
            depth++;
        } else if (token.kind == IMAP_TOKEN_CLOSE && depth-- == 0) {
            return -1;
        }
    } while (depth > 0);
    return 0;
}

/* ---- what servers can do ---- */

static const struct {
    const char *name;
    enum imap_capability bit;
} capability_names[] = {
    {"IMAP4REV1", IMAP_CAP_IMAP4REV1},
    {"IMAP4REV2", IMAP_CAP_IMAP4REV2},
    {"STARTTLS", IMAP_CAP_STARTTLS},
    {"LOGINDISABLED", IMAP_CAP_LOGINDISABLED},
    {"SASL-IR", IMAP_CAP_SASL_IR},
    {"LITERAL+", IMAP_CAP_LITERAL_PLUS},
    {"LITERAL-", IMAP_CAP_LITERAL_MINUS},
    {"UIDPLUS", IMAP_CAP_UIDPLUS},
    {"MULTIAPPEND", IMAP_CAP_MULTIAPPEND},
    {"NAMESPACE", IMAP_CAP_NAMESPACE},
    {"SPECIAL-USE", IMAP_CAP_SPECIAL_USE},
    {"CREATE-SPECIAL-USE", IMAP_CAP_CREATE_SPECIAL_USE},
    {"QUOTA", IMAP_CAP_QUOTA},
    {"ACL", IMAP_CAP_ACL},
    {"COMPRESS=DEFLATE", IMAP_CAP_COMPRESS_DEFLATE},
    {"APPENDLIMIT", IMAP_CAP_APPENDLIMIT},
    {"UTF8=ACCEPT", IMAP_CAP_UTF8_ACCEPT},
    {"UTF8=ONLY", IMAP_CAP_UTF8_ACCEPT},
    {"QRESYNC", IMAP_CAP_QRESYNC},
    {"ENABLE", IMAP_CAP_ENABLE},
    {"ID", IMAP_CAP_ID},
    {"UNSELECT", IMAP_CAP_UNSELECT},
    {"AUTH=PLAIN", IMAP_CAP_AUTH_PLAIN},
    {"AUTH=LOGIN", IMAP_CAP_AUTH_LOGIN},
    {"AUTH=XOAUTH2", IMAP_CAP_AUTH_XOAUTH2},
    {"AUTH=OAUTHBEARER", IMAP_CAP_AUTH_OAUTHBEARER},
    {"AUTH=SCRAM-SHA-1", IMAP_CAP_AUTH_SCRAM_SHA_1},
    {"AUTH=SCRAM-SHA-256", IMAP_CAP_AUTH_SCRAM_SHA_256},
    {"AUTH=SCRAM-SHA-1-PLUS", IMAP_CAP_AUTH_SCRAM_SHA_1_PLUS},
    {"AUTH=SCRAM-SHA-256-PLUS", IMAP_CAP_AUTH_SCRAM_SHA_256_PLUS},
    {"AUTH=EXTERNAL", IMAP_CAP_AUTH_EXTERNAL},
    {"OBJECTID", IMAP_CAP_OBJECTID},
};
#define CAPABILITY_COUNT (sizeof capability_names / sizeof capability_names[0])

const char *imap_capability_name(enum imap_capability capability)
{
    for (size_t i = 0; i < CAPABILITY_COUNT; i++) {
        if (capability_names[i].bit == capability) {
            return capability_names[i].name;
        }
    }
    return "";
}

void imap_capabilities_parse(struct imap_capabilities *capabilities, struct bytes list)
{
    *capabilities = (struct imap_capabilities){0};
    while (list.len > 0) {
        struct bytes word = bytes_cut(&list, ' ');
        if (bytes_starts_nocase(word, "APPENDLIMIT=")) {
            disregard(bytes_to_u64(bytes_from(word, 12), &capabilities->append_limit));
            capabilities->has |= IMAP_CAP_APPENDLIMIT;
        }
        for (size_t i = 0; i < CAPABILITY_COUNT; i++) {
            if (bytes_is_nocase(word, capability_names[i].name)) {
                capabilities->has |= (uint32_t)capability_names[i].bit;
            }
        }
    }
    /* RFC 9051 has these in its base. */
    if (capabilities->has & IMAP_CAP_IMAP4REV2) {
        capabilities->has |= IMAP_CAP_UIDPLUS | IMAP_CAP_NAMESPACE | IMAP_CAP_SASL_IR | IMAP_CAP_UNSELECT;
    }
}

static int to_u32(struct bytes text, uint32_t *value_r)
{
    uint64_t value;
    /* nz-number: no UID and no UIDVALIDITY is 0 (RFC 9051 section 9). */
    if (!bytes_to_u64(text, &value) || value == 0 || value > UINT32_MAX) {
        return -1;
    }
    *value_r = (uint32_t)value;
    return 0;
}

int imap_uid_range_next(struct bytes *set, struct imap_uid_range *range_r)
{
    uint32_t first, last;
    if (set->len == 0) {
        return 0;
    }
    struct bytes high = bytes_cut(set, ',');
    struct bytes low = bytes_cut(&high, ':');
    if (to_u32(low, &first) < 0 || to_u32(high.ptr != NULL ? high : low, &last) < 0) {
        return -1;
    }
    /* "4:2" is "2:4" (RFC 9051 section 9, seq-range). */
    *range_r = first <= last ? (struct imap_uid_range){first, last} : (struct imap_uid_range){last, first};
    return 1;
}

int imap_reply_appenduid(struct bytes *args, uint32_t *validity_r)
{
    struct bytes set = *args;
    struct imap_uid_range range;
    struct bytes check;
    uint32_t validity;
    if (to_u32(bytes_cut(&set, ' '), &validity) < 0) {
        return -1;
    }
    check = set;
    if (imap_uid_range_next(&check, &range) != 1) {
        return -1;
    }
    *validity_r = validity;
    *args = set;
    return 0;
}

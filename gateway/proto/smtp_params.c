/* smtp_params - the parameters of MAIL and RCPT from one table. RFC 5321 section 4.1.1.11. Contract: smtp_params.h. */
#include "proto/smtp_params.h"

#define ENVID_MAX 100 /* RFC 3461 section 4.4 */
#define ORCPT_MAX 500 /* RFC 3461 section 4.2 */
#define AUTH_MAX  500 /* RFC 4954 section 5 */
/* RFC 1870 section 3: size-value is 1*20DIGIT. */
#define SIZE_DIGITS_MAX 20

/* Whether text is xtext (RFC 3461 section 4): printable, "+" only in front of two upper-case hexadecimal digits. */
static bool is_xtext(struct bytes text, size_t max)
{
    if (text.len == 0 || text.len > max) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c < 33 || c > 126 || c == '=') {
            return false;
        }
        for (size_t digit = 1; c == '+' && digit <= 2; digit++) {
            uint8_t d = i + digit < text.len ? text.ptr[i + digit] : 0;
            if (!octet_is_digit(d) && (d < 'A' || d > 'F')) {
                return false;
            }
        }
    }
    return true;
}

static bool parse_size(struct bytes value, struct smtp_params *params)
{
    params->has_size = value.len <= SIZE_DIGITS_MAX && bytes_to_u64(value, &params->size);
    return params->has_size;
}

static bool parse_body(struct bytes value, struct smtp_params *params)
{
    if (bytes_is_nocase(value, "7BIT")) {
        params->body = SMTP_BODY_7BIT;
    } else if (bytes_is_nocase(value, "8BITMIME")) {
        params->body = SMTP_BODY_8BITMIME;
    } else if (bytes_is_nocase(value, "BINARYMIME")) {
        params->body = SMTP_BODY_BINARYMIME;
    } else {
        return false;
    }
    return true;
}

static bool parse_smtputf8(struct bytes value, struct smtp_params *params)
{
    (void)value;
    params->smtputf8 = true;
    return true;
}

static bool parse_requiretls(struct bytes value, struct smtp_params *params)
{
    (void)value;
    params->requiretls = true;
    return true;
}

static bool parse_ret(struct bytes value, struct smtp_params *params)
{
    params->ret = value;
    return bytes_is_nocase(value, "FULL") || bytes_is_nocase(value, "HDRS");
}

static bool parse_envid(struct bytes value, struct smtp_params *params)
{
    params->envid = value;
    return is_xtext(value, ENVID_MAX);
}

static bool parse_auth(struct bytes value, struct smtp_params *params)
{
    params->auth = value;
    return bytes_is(value, "<>") || is_xtext(value, AUTH_MAX);
}

static bool parse_notify(struct bytes value, struct smtp_params *params)
{
    static const char *const words[] = {"SUCCESS", "FAILURE", "DELAY"}; /* RFC 3461 section 4.1 */
    unsigned seen = 0;
    params->notify = value;
    /* It stands alone (RFC 3461 section 4.1); with another word it is not among the words below. */
    if (bytes_is_nocase(value, "NEVER")) {
        return true;
    }
    while (value.ptr != NULL) {
        struct bytes word = bytes_cut(&value, ',');
        unsigned bit = 0;
        for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
            bit |= bytes_is_nocase(word, words[i]) ? 1u << i : 0;
        }
        if (bit == 0 || (seen & bit) != 0) {
            return false;
        }
        seen |= bit;
    }
    return true;
}

static bool parse_orcpt(struct bytes value, struct smtp_params *params)
{
    struct bytes address = value;
    struct bytes type = bytes_cut(&address, ';');
    params->orcpt = value;
    return value.len <= ORCPT_MAX && is_xtext(type, ORCPT_MAX) && is_xtext(address, ORCPT_MAX);
}

static const struct row {
    const char *keyword;
    enum smtp_params_command command;
    unsigned extension; /* one of these must be offered */
    bool takes_value;
    bool (*parse)(struct bytes value, struct smtp_params *params);
} rows[] = {
    {"SIZE", SMTP_PARAMS_MAIL, SMTP_EXT_SIZE, true, parse_size},
    {"BODY", SMTP_PARAMS_MAIL, SMTP_EXT_8BITMIME | SMTP_EXT_BINARYMIME, true, parse_body},
    {"SMTPUTF8", SMTP_PARAMS_MAIL, SMTP_EXT_SMTPUTF8, false, parse_smtputf8},
    {"RET", SMTP_PARAMS_MAIL, SMTP_EXT_DSN, true, parse_ret},
    {"ENVID", SMTP_PARAMS_MAIL, SMTP_EXT_DSN, true, parse_envid},
    {"AUTH", SMTP_PARAMS_MAIL, SMTP_EXT_AUTH, true, parse_auth},
    {"REQUIRETLS", SMTP_PARAMS_MAIL, SMTP_EXT_REQUIRETLS, false, parse_requiretls},
    {"NOTIFY", SMTP_PARAMS_RCPT, SMTP_EXT_DSN, true, parse_notify},
    {"ORCPT", SMTP_PARAMS_RCPT, SMTP_EXT_DSN, true, parse_orcpt},
};

static const struct row *find_row(struct bytes keyword, enum smtp_params_command command, unsigned offered)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        if (row->command == command && (row->extension & offered) != 0 && bytes_is_nocase(keyword, row->keyword)) {
            return row;
        }
    }
    return NULL;
}

/* One parameter. */
static enum smtp_params_result parse_one(struct bytes word, enum smtp_params_command command, unsigned offered,
                                         unsigned *seen, struct smtp_params *params)
{
    struct bytes value = word;
    const struct row *row = find_row(bytes_cut(&value, '='), command, offered);
    /* Also what we know of an extension that was not offered: RFC 5321 section 4.1.1.11 has 555 for it. */
    if (row == NULL) {
        return SMTP_PARAMS_UNKNOWN;
    }
    unsigned bit = 1u << (row - rows);
    /* No RFC says which of two counts, and the next server might take the other one. */
    if ((*seen & bit) != 0) {
        return SMTP_PARAMS_REPEATED;
    }
    *seen |= bit;
    return (value.ptr != NULL) == row->takes_value && row->parse(value, params) ? SMTP_PARAMS_OK : SMTP_PARAMS_VALUE;
}

enum smtp_params_result smtp_params_parse(struct bytes text, enum smtp_params_command command, unsigned offered,
                                          struct smtp_params *params_r, struct bytes *wrong_r)
{
    struct smtp_params params = {.body = SMTP_BODY_7BIT};
    struct bytes keyword = {NULL, 0};
    enum smtp_params_result result = SMTP_PARAMS_OK;
    unsigned seen = 0;
    for (text = bytes_trim(text); text.len > 0 && result == SMTP_PARAMS_OK; text = bytes_trim(text)) {
        struct bytes word = bytes_cut(&text, ' ');
        result = parse_one(word, command, offered, &seen, &params);
        keyword = word;
    }
    if (result == SMTP_PARAMS_OK && params.body == SMTP_BODY_BINARYMIME && (offered & SMTP_EXT_BINARYMIME) == 0) {
        result = SMTP_PARAMS_VALUE;
    }
    if (result == SMTP_PARAMS_OK) {
        *params_r = params;
    } else if (wrong_r != NULL) {
        *wrong_r = bytes_cut(&keyword, '=');
    }
    return result;
}

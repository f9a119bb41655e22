/* smtp_command - one command line as verb and argument. RFC 5321 section 4.1, RFC 3030 section 2. Contract:
 * smtp_command.h. */
#include "proto/smtp_command.h"

static const struct {
    const char *name;
    enum smtp_verb verb;
} verbs[] = {
    {"HELO", SMTP_VERB_HELO},         {"EHLO", SMTP_VERB_EHLO},           {"LHLO", SMTP_VERB_LHLO},
    {"STARTTLS", SMTP_VERB_STARTTLS}, {"AUTH", SMTP_VERB_AUTH},           {"XCLIENT", SMTP_VERB_XCLIENT},
    {"MAIL", SMTP_VERB_MAIL},         {"RCPT", SMTP_VERB_RCPT},           {"DATA", SMTP_VERB_DATA},
    {"BDAT", SMTP_VERB_BDAT},         {"RSET", SMTP_VERB_RSET},           {"NOOP", SMTP_VERB_NOOP},
    {"VRFY", SMTP_VERB_VRFY},         {"EXPN", SMTP_VERB_EXPN},           {"HELP", SMTP_VERB_HELP},
    {"ETRN", SMTP_VERB_ETRN},         {"TURN", SMTP_VERB_TURN},           {"QUIT", SMTP_VERB_QUIT},
    {"GET", SMTP_VERB_FOREIGN},       {"POST", SMTP_VERB_FOREIGN},        {"PUT", SMTP_VERB_FOREIGN},
    {"HEAD", SMTP_VERB_FOREIGN},      {"DELETE", SMTP_VERB_FOREIGN},      {"OPTIONS", SMTP_VERB_FOREIGN},
    {"PATCH", SMTP_VERB_FOREIGN},     {"CONNECT", SMTP_VERB_FOREIGN},     {"PRI", SMTP_VERB_FOREIGN},
    {"Host:", SMTP_VERB_FOREIGN},     {"From:", SMTP_VERB_FOREIGN},       {"Subject:", SMTP_VERB_FOREIGN},
    {"Received:", SMTP_VERB_FOREIGN}, {"User-Agent:", SMTP_VERB_FOREIGN},
};

int smtp_command_parse(struct bytes line, struct smtp_command *command_r)
{
    struct bytes argument = line;
    if (bytes_has_control(line)) {
        return -1;
    }
    struct bytes word = bytes_cut(&argument, ' ');
    *command_r = (struct smtp_command){SMTP_VERB_UNKNOWN, bytes_trim(argument)};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (bytes_is_nocase(word, verbs[i].name)) {
            command_r->verb = verbs[i].verb;
            break;
        }
    }
    return 1;
}

typedef enum smtp_path_result take_fn(struct bytes *rest, bool utf8, struct smtp_path *path_r);

/* The path behind the keyword, and what is behind it. */
static enum smtp_path_result take_path(struct bytes rest, bool utf8, take_fn *take, struct smtp_path *path_r,
                                       struct bytes *params_r)
{
    struct smtp_path path;
    enum smtp_path_result result = take(&rest, utf8, &path);
    if (result != SMTP_PATH_OK) {
        return result;
    }
    if (rest.len > 0 && rest.ptr[0] != ' ') {
        return SMTP_PATH_SYNTAX;
    }
    *path_r = path;
    *params_r = bytes_trim(rest);
    return SMTP_PATH_OK;
}

enum smtp_path_result smtp_command_path(struct bytes argument, const char *keyword, bool utf8, struct smtp_path *path_r,
                                        struct bytes *params_r)
{
    if (!bytes_starts_nocase(argument, keyword)) {
        return SMTP_PATH_SYNTAX;
    }
    return take_path(bytes_trim(bytes_from(argument, bytes_of(keyword).len)), utf8, smtp_path_take, path_r, params_r);
}

enum smtp_path_result smtp_command_path_lenient(struct bytes argument, const char *keyword, bool utf8,
                                                struct smtp_path *path_r, struct bytes *params_r)
{
    size_t word = bytes_of(keyword).len - 1;
    struct bytes rest = bytes_trim(bytes_from(argument, word));
    bool colon = rest.len > 0 && rest.ptr[0] == ':';
    struct bytes first = bytes_slice(argument, 0, word), wanted = bytes_slice(bytes_of(keyword), 0, word);
    bool ends = argument.len > word && (argument.ptr[word] == ' ' || argument.ptr[word] == ':');
    if (!ends || !bytes_equal_nocase(first, wanted)) {
        return SMTP_PATH_SYNTAX;
    }
    return take_path(bytes_trim(bytes_from(rest, colon ? 1 : 0)), utf8, smtp_path_take_lenient, path_r, params_r);
}

int smtp_command_chunk(struct bytes argument, uint64_t *size_r, bool *last_r)
{
    struct bytes rest = argument;
    uint64_t size;
    if (!bytes_to_u64(bytes_cut(&rest, ' '), &size)) {
        return -1;
    }
    bool last = rest.ptr != NULL;
    if (last && !bytes_is_nocase(bytes_trim(rest), "LAST")) {
        return -1;
    }
    *size_r = size;
    *last_r = last;
    return 1;
}

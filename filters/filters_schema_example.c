/*
 * filters_schema_example - what the text behind each key is like, its default, and examples: what an editor completes.
 *
 * Patterns say what the loader refuses without knowing anything but the text; see the test of both in
 * tests/e2e/test_rules_schema.py. JSON is written here with ' for " (a quote itself does not occur in it).
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/expect.h"
#include "filters/filters_function.h"
#include "filters/filters_schema_parts.h"

/* ---- texts by kind ---- */

#define ARGUMENT  "(?:'(?:[^']|'')*'|[0-9]+)"
#define ARGUMENTS "\\(\\s*(?:" ARGUMENT "(?:\\s*,\\s*" ARGUMENT ")*)?\\s*\\)"
#define SELECTOR  "(?:\\[\\s*(?:first|last|-?[1-9][0-9]{0,4})\\s*\\]|\\.[a-z_]+)"
#define SOURCE    "(?:parts" ARGUMENTS "|\\.(?:[a-z]+)?|(?!\\$\\{)[^\\s|\\['.(][^\\s|\\['(]*)"
/* What stands between "${" and "}" in a template. */
#define FILLED   "\\$\\{\\s*(?:[^\\s'}]|'[^']*')(?:[^'}]|'[^']*')*\\}"
#define LITERALS "\\$\\$\\{|\\$(?!\\{)"
#define OCTET    "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define V4       OCTET "(?:\\." OCTET "){3}"

/* One level of a folder's name: no blanks at its ends, neither "." nor "..". */
#define ATOM  "(?:" FILLED "|" LITERALS "|[^$/*%\\x00-\\x20\\x7f])"
#define LEVEL "(?!\\.{1,2}(?:/|$))" ATOM "(?: *" ATOM ")*"

static const struct {
    const char *kind, *pattern;
} kinds[] = {
    {"template", "^(?:" FILLED "|" LITERALS "|[^$])*$"},
    {"line", "^(?:" FILLED "|" LITERALS "|[^$\\r\\n])*$"},
    {"folder",
     "^(?:\\\\(?:[Aa][Ll][Ll]|[Aa][Rr][Cc][Hh][Ii][Vv][Ee]|[Dd][Rr][Aa][Ff][Tt][Ss]|[Ff][Ll][Aa][Gg][Gg][Ee][Dd]|"
     "[Jj][Uu][Nn][Kk]|[Ss][Ee][Nn][Tt]|[Tt][Rr][Aa][Ss][Hh])|(?!\\\\)" LEVEL "(?:/" LEVEL ")*)$"},
    {"flag",
     "^(?:\\\\(?:[Aa][Nn][Ss][Ww][Ee][Rr][Ee][Dd]|[Ff][Ll][Aa][Gg][Gg][Ee][Dd]|[Ss][Ee][Ee][Nn]|[Dd][Rr][Aa][Ff][Tt])|"
     "(?=.{1,64}$)(?:" FILLED "|" LITERALS "|[!#&'+-Z\\[^-z|}~])+)$"},
    {"rule", "^(?!default$)[^\\x00-\\x1f\\x7f]{1,100}$"},
    {"counter", "^[^:\\x00-\\x1f\\x7f]{1,100}$"},
    {"header", "^[!-9;-~]+$"},
    {"field", "^(?!(?:[Rr][Ee][Cc][Ee][Ii][Vv][Ee][Dd]|[Rr][Ee][Tt][Uu][Rr][Nn]-[Pp][Aa][Tt][Hh]|"
              "[Xx]-[Mm][Aa][Ii][Ll][Ww][Ee][Ii][Rr]-[Ii][Dd])$)[!-9;-~]{1,70}$"},
    {"5", "^5\\.[0-9]{1,3}\\.[0-9]{1,3}$"},
    {"4", "^4\\.[0-9]{1,3}\\.[0-9]{1,3}$"},
    {"moment", "^(?:19[7-9]|[2-9][0-9]{2})[0-9]-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
               "(?:T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\\.[0-9]*)?"
               "(?:Z|UTC|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9]))?$"},
    {"zone", "^(?:Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9]|[A-Za-z][A-Za-z0-9_+/-]{0,59})$"},
    {"network",
     "^(?:" V4 "(?:/(?:3[0-2]|[12]?[0-9]))?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$"},
    {"time", "^(?:(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?|24:00(?::00)?)$"},
    {"date", "^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$"},
    {"day", "^(?:19[7-9]|[2-9][0-9]{2})[0-9]-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$"},
    {"weekday", "^(?:[Ss][Uu][Nn]|[Mm][Oo][Nn]|[Tt][Uu][Ee]|[Ww][Ee][Dd]|[Tt][Hh][Uu]|[Ff][Rr][Ii]|[Ss][Aa][Tt])$"},
    {"size", "^[0-9]+(?:B|[KMGT]iB|[kK]B|MB|GB)?$"},
    {"decimal", "^\\s*[+-]?[0-9]+(?:\\.[0-9]*)?\\s*$"},
    {"duration", "^-?(?:0|[0-9]+(?:ms|s|m|h|d|w))$"},
    {"when", "^\\s*(?:refused\\s*|(?:down|full)\\s*(?:>\\s*(?:0*[1-9][0-9]{3,}ms|0*[1-9][0-9]*[smhdw])\\s*)?)$"},
    {"within",
     "^(?:0*[1-9][0-9]{3,9}ms|0*[1-9][0-9]{0,6}s|0*[1-9][0-9]{0,4}m|0*[1-9][0-9]{0,2}h|0*(?:[1-9]|[12][0-9]|3[01])d|"
     "0*[1-4]w)$"},
    {"name", "^[A-Za-z0-9_.-]{1,100}$"},
    {"variable", "^[A-Za-z][A-Za-z0-9_]{0,39}$"},
    {"word", "^[\\s\\S]+$"},
};

/* The functions by their names, so that an editor marks one that there is not. */
static void append_value(struct buf *out)
{
    buf_append_text(out, "^\\s*" SOURCE SELECTOR "*(?:\\s*\\|\\s*(?:");
    for (size_t i = 0; filters_functions[i].name != NULL; i++) {
        buf_printf(out, "%s%s", i == 0 ? "" : "|", filters_functions[i].name);
    }
    buf_append_text(out, ")(?:\\s*" ARGUMENTS ")?\\s*" SELECTOR "*)*\\s*$");
}

json_t *filters_schema_pattern(const char *kind)
{
    json_t *text = filters_schema_type("string");
    struct buf value;
    buf_init(&value, 4096);
    if (strcmp(kind, "value") == 0) {
        append_value(&value);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].kind, kind) == 0) {
            buf_append_text(&value, kinds[i].pattern);
        }
    }
    json_object_set_new(text, "pattern", json_string(buf_text(&value)));
    buf_done(&value);
    return text;
}

json_t *filters_schema_pattern_of(enum filters_type type)
{
    struct buf value;
    buf_init(&value, 4096);
    buf_append_text(&value, "\\|\\s*(?:");
    bool first = true;
    for (size_t i = 0; filters_functions[i].name != NULL; i++) {
        if (filters_functions[i].gives == type) {
            buf_printf(&value, "%s%s", first ? "" : "|", filters_functions[i].name);
            first = false;
        }
    }
    buf_append_text(&value, type == FILTERS_TYPE_NUMBER ? "|hash(?=\\s*\\()" : "");
    buf_append_text(&value, ")(?:\\s*" ARGUMENTS ")?\\s*(?:\\[[^\\]]*\\])?\\s*$");
    buf_append_text(&value, type == FILTERS_TYPE_NUMBER ? "|^\\s*(?:attachments?)?\\.size\\s*$" : "");
    json_t *pattern = json_pack("{s:s}", "pattern", buf_text(&value));
    buf_done(&value);
    return pattern;
}

/* ---- keys ---- */

static const struct row {
    const char *object, *key;      /* object NULL: whichever it is in */
    const char *kind;              /* of its texts, or NULL */
    const char *normal, *examples; /* JSON; normal NULL: it has no default */
} rows[] = {
    {"file", "rules", NULL, "[]",
     "[[{'name': 'ci', 'if': {'field': 'from', 'is': 'ci@build.example'}, 'then': [{'fileinto': {'folder': 'CI'}}, "
     "{'stop': true}]}]]"},
    {"file", "conditions", NULL, NULL, "[{'from-outside': {'not': {'field': 'client', 'in': ['10.0.0.0/8']}}}]"},
    {"file", "actions", NULL, NULL, "[{'junk': [{'fileinto': {'folder': '\\\\Junk'}}, {'stop': true}]}]"},
    {"file", "lists", NULL, NULL, "[{'words': ['urgent', 'asap']}, {'blocked': {'file': 'lists/blocked.txt'}}]"},
    {"file", "maps", NULL, NULL, "[{'tenant': {'file': 'tenants.csv'}}, {'tenant': {'acme.example': 'gold'}}]"},
    {"file", "zone", "zone", "'UTC'", "['Europe/Berlin', '+01:00']"},
    {"file", "trusted_authserv", NULL, NULL, "[[{'name': 'mx.example.net', 'from_clients': ['10.1.0.0/16']}]]"},
    {"file", "groups", NULL, NULL,
     "[{'alerts': {'match': 'first', 'rules': [], 'default': [{'fileinto': {'folder': 'Alerts'}}]}}]"},
    {"file", "tests", NULL, NULL,
     "[[{'name': 'a red build', 'headers': {'Subject': 'failed: web'}, 'from': 'ci@build.example', 'to': "
     "'ops@example.net', 'expect': {'filed': ['corp:CI/web']}}]]"},
    {"rule", "name", "rule", NULL, "['ci-failures']"},
    {"rule", "if", NULL, NULL,
     "[{'field': 'from', 'is': 'ci@build.example'}, {'all': [{'field': 'from', 'is': 'ci@build.example'}, {'header': "
     "'Subject', 'contains': 'failed'}]}]"},
    {"rule", "then", NULL, NULL, "[[{'fileinto': {'folder': 'CI'}}, {'stop': true}]]"},
    {"rule", "on_error", NULL, "'defer'", "['defer', 'skip', 'default']"},
    {"rule", "enabled", NULL, "true", "[false]"},
    {"rule", "off", NULL, NULL, "['the new scanner sends too much']"},
    {"rule", "state", NULL, "'active'", "['watch', {'off': 'until the move is over'}]"},
    {"rule", "until", "day", NULL, "['2026-12-31']"},
    {"group", "rules", NULL, NULL, "[[{'name': 'pages', 'then': [{'fileinto': {'folder': 'Pages'}}]}]]"},
    {"group", "match", NULL, "'all'", "['first', 'all']"},
    {"group", "default", NULL, NULL, "[[{'fileinto': {'folder': 'Alerts'}}]]"},
    {"condition", "field", NULL, NULL, "['from', 'to', 'size']"},
    {"condition", "header", "header", NULL, "['Subject', ['To', 'Cc']]"},
    {"condition", "part", NULL, NULL, "['domain', 'address']"},
    {"condition", "ignore_case", NULL, "false", "[true]"},
    {"condition", "of", "value", NULL,
     "['from.domain | lookup(`tenant`)', 'header.Date | age', 'var.severity', 'header.X-Spam-Score | number']"},
    {"condition", "zone", "zone", "'UTC'", "['Europe/Berlin', '+01:00']"},
    {"condition", "counter", "counter", NULL, "['storm']"},
    {"condition", "key", "template", NULL, "['${header.X-Alert-Name}']"},
    {"condition", "within", "within", NULL, "['1h', '1d']"},
    {"condition", "nested", NULL, "true", "[false]"},
    {"condition", "all", NULL, NULL,
     "[[{'field': 'from', 'is': 'ci@build.example'}, {'header': 'Subject', 'contains': 'failed'}]]"},
    {"condition", "any", NULL, NULL,
     "[[{'header': 'Subject', 'contains': 'invoice'}, {'field': 'body', 'contains': 'invoice'}]]"},
    {"condition", "not", NULL, NULL, "[{'header': 'List-Id', 'exists': true}]"},
    {"condition", "condition", NULL, NULL, "['from-outside']"},
    {"condition", "some", NULL, NULL,
     "[{'of': 'attachments', 'all': [{'of': '.name', 'ends_with': '.pdf'}, {'of': '.size', 'over': '4KiB'}]}]"},
    {"condition", "every", NULL, NULL, "[{'of': 'header.To.addresses', 'ends_with': '@example.net'}]"},
    {"condition", "none", NULL, NULL, "[{'of': 'recipients', 'ends_with': '@example.net'}]"},
    {"condition", "is", NULL, NULL, "['ci@build.example', {'of': 'from'}]"},
    {"condition", "contains", "word", NULL, "['failed', ['failed', 'broken'], {'list': 'words'}]"},
    {"condition", "starts_with", "word", NULL, "['[CI]']"},
    {"condition", "ends_with", "word", NULL, "['.pdf']"},
    {"condition", "in", NULL, NULL, "[['@example.net', '.example.com'], 'blocked']"},
    {"condition", "matches", NULL, NULL, "['^failed: (?<project>[\\\\w.-]+)', {'list': 'patterns'}]"},
    {"condition", "exists", NULL, NULL, "[true, false]"},
    {"condition", "over", NULL, NULL, "['25MiB', 10, '2d']"},
    {"condition", "under", NULL, NULL, "['08:00', 5]"},
    {"condition", "at_least", NULL, NULL, "[7.5, '2026-12-24']"},
    {"condition", "at_most", NULL, NULL, "[10, '18:00']"},
    {"condition", "between", NULL, NULL, "[['20:00', '07:59'], [1, 5]]"},
    {"action", "fileinto", NULL, NULL,
     "[{'folder': 'CI/${project}'}, {'upstream': 'corp', 'folder': 'CI', 'flags': ['\\\\Seen']}]"},
    {"action", "copy", NULL, NULL, "[{'folder': 'Archive/${date.year}'}]"},
    {"action", "stop", NULL, NULL, "[true]"},
    {"action", "discard", NULL, NULL, "[true]"},
    {"action", "hold", NULL, NULL, "[true]"},
    {"action", "reject", "template", NULL,
     "['mail from ${from} is not accepted here', {'text': 'log in first', 'code': 550, 'enhanced': '5.7.1'}]"},
    {"action", "defer", "template", NULL, "['come back at night', {'text': 'busy', 'code': 450, 'enhanced': '4.7.1'}]"},
    {"action", "addheader", NULL, NULL, "[{'name': 'X-Team', 'value': '${team}'}]"},
    {"action", "deleteheader", "field", NULL, "['X-Spam-Flag']"},
    {"action", "replaceheader", NULL, NULL, "[{'name': 'Subject', 'value': '[${team}] ${subject}'}]"},
    {"action", "tag_subject", "line", NULL, "['[duty] ']"},
    {"action", "set", NULL, NULL, "[{'severity': 'critical'}]"},
    {"action", "goto", NULL, NULL, "['alerts']"},
    {"action", "count", "counter", NULL, "['storm']"},
    {"action", "actions", NULL, NULL, "['junk']"},
    {"action", "key", "template", NULL, "['${header.X-Alert-Name}']"},
    {"target", "upstream", NULL, NULL, "['corp']"},
    {"target", "fallback", NULL, NULL, "['archive']"},
    {"target", "folder", "folder", NULL, "['CI/${project}', '\\\\Junk']"},
    {"target", "flags", "flag", NULL, "[['\\\\Flagged', 'ci'], '\\\\Seen']"},
    {"target", "date", NULL, "'received'", "['header', 'received']"},
    {"target", "else", NULL, NULL,
     "[[{'folder': 'CI/other', 'when': ['refused']}, {'upstream': 'b', 'when': ['down>1h', 'full>30m']}]]"},
    {"way", "upstream", NULL, NULL, "['b']"},
    {"way", "folder", "folder", NULL, "['CI/other']"},
    {"way", "when", "when", "['refused', 'down', 'full']", "['refused', ['down>1h', 'full>30m']]"},
    {"way_filed", "upstream", NULL, NULL, "['b']"},
    {"way_filed", "folder", NULL, NULL, "['CI/other']"},
    {"way_filed", "when", "when", NULL, "['refused', ['down>1h', 'full>30m']]"},
    {"rejection", "text", "template", NULL, "['mail from ${from} is not accepted here']"},
    {"rejection", "code", NULL, "550", "[554]"},
    {"rejection", "enhanced", "5", "'5.7.1'", "['5.7.0']"},
    {"deferral", "text", "template", NULL, "['come back at night']"},
    {"deferral", "code", NULL, "450", "[451]"},
    {"deferral", "enhanced", "4", "'4.7.1'", "['4.3.0']"},
    {"header_edit", "name", "field", NULL, "['X-Team']"},
    {"header_edit", "value", "line", NULL, "['${team}']"},
    {"list_file", "file", NULL, NULL, "['lists/blocked.txt']"},
    {"list_name", "list", NULL, NULL, "['words']"},
    {"value", "of", "value", NULL, "['from', 'header.From.address']"},
    {"map", "file", NULL, NULL, "['tenants.csv']"},
    {"map", "entries", NULL, NULL, "[{'acme.example': 'gold'}]"},
    {"map", "by", NULL, "'key'", "['domain', 'network', 'key']"},
    {"map", "column", NULL, "2", "[3]"},
    {"authserv", "name", NULL, NULL, "['mx.example.net']"},
    {"authserv", "from_clients", "network", NULL, "[['10.1.0.0/16']]"},
    {"test", "name", NULL, NULL, "['a red build goes to its project']"},
    {"test", "message", NULL, NULL, "['samples/ci-failed.eml']"},
    {"test", "headers", NULL, NULL, "[{'Subject': 'failed: web'}]"},
    {"test", "body", NULL, NULL, "['see the log\\n']"},
    {"test", "from", NULL, NULL, "['ci@build.example', '']"},
    {"test", "to", NULL, NULL, "['ops@example.net', ['a@example.net', 'b@example.net']]"},
    {"test", "client", NULL, "'127.0.0.1'", "['10.1.2.3']"},
    {"test", "helo", NULL, NULL, "['build.example']"},
    {"test", "user", NULL, NULL, "['scanner']"},
    {"test", "listener", NULL, NULL, "['apps']"},
    {"test", "protocol", NULL, "'ESMTP'", "['ESMTPSA', 'LMTP']"},
    {"test", "tls", NULL, NULL, "['TLSv1.3']"},
    {"test", "certificate", NULL, NULL, "['CN=build.example']"},
    {"test", "now", "moment", NULL, "['2026-11-23T07:11:20Z']"},
    {"test", "counters", NULL, NULL, "[{'storm': 12}, {'storm': {'disk': 12}}]"},
    {"test", "expect", NULL, NULL, "[{'rules': ['ci-failures'], 'filed': ['corp:CI/web']}]"},
    {"expect", "rules", NULL, NULL, "[['ci-failures'], []]"},
    {"expect", "filed", NULL, NULL,
     "[['corp:CI/web'], [{'upstream': 'corp', 'folder': 'CI/web', 'flags': ['\\\\Seen'], 'held': false}]]"},
    {"expect", "watched", NULL, NULL, "[['would-reject']]"},
    {"expect", "flags", NULL, NULL, "[['\\\\Seen']]"},
    {"expect", "held", NULL, NULL, "[true]"},
    {"expect", "discarded", NULL, NULL, "[true]"},
    {"expect", "rejected", NULL, NULL, "[true, 550, 'not accepted']"},
    {"expect", "deferred", NULL, NULL, "[true, 450, 'at night']"},
    {"expect", "counted", NULL, NULL, "[['storm:disk']]"},
    {"expect", "headers", NULL, NULL, "[{'Subject': '[duty] down'}]"},
    {"filed", "folder", NULL, NULL, "['CI/web']"},
    {"filed", "upstream", NULL, NULL, "['corp']"},
    {"filed", "flags", NULL, NULL, "[['\\\\Seen']]"},
    {"filed", "held", NULL, NULL, "[true]"},
    {"filed", "to", NULL, NULL, "['ops@example.net']"},
    {"filed", "date", NULL, NULL, "['header']"},
    {"filed", "else", NULL, NULL, "[['corp:CI/other', 'b:CI/web']]"},
    {"filed", "fallback", NULL, NULL, "['archive']"},
    {"state", "off", NULL, NULL, "['until the move is over']"},
};

static json_t *json_of(const char *text)
{
    char *copy = expect_strdup(text);
    for (char *c = copy; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c == '`' ? '\'' : *c;
    }
    json_t *json = json_loads(copy, JSON_DECODE_ANY, NULL);
    free(copy);
    return json;
}

/* Every text in it gets the pattern, wherever it may stand. */
static void set_pattern(json_t *schema, const char *kind)
{
    json_t *type = json_object_get(schema, "type"), *inside;
    bool is_text = json_is_string(type) ? strcmp(json_string_value(type), "string") == 0 : false;
    for (size_t i = 0; i < json_array_size(type); i++) {
        is_text = is_text || strcmp(json_string_value(json_array_get(type, i)), "string") == 0;
    }
    if (is_text && json_object_get(schema, "pattern") == NULL) {
        json_t *pattern = filters_schema_pattern(kind);
        json_object_set(schema, "pattern", json_object_get(pattern, "pattern"));
        json_decref(pattern);
    }
    static const char *const deeper[] = {"items", "additionalProperties"};
    for (size_t i = 0; i < sizeof deeper / sizeof *deeper; i++) {
        inside = json_object_get(schema, deeper[i]);
        if (json_is_object(inside)) {
            set_pattern(inside, kind);
        }
    }
}

/* In the bodies of snippets "$", "}" and "\" are written behind a backslash. */
static json_t *escaped(json_t *value)
{
    if (json_is_string(value)) {
        struct buf out;
        buf_init(&out, 4096);
        for (const char *c = json_string_value(value); *c != '\0'; c++) {
            buf_append_text(&out, strchr("$}\\", *c) != NULL ? "\\" : "");
            buf_append_octet(&out, (uint8_t)*c);
        }
        json_t *text = json_string(buf_text(&out));
        buf_done(&out);
        return text;
    }
    json_t *copy = json_copy(value);
    const char *key;
    json_t *inside;
    json_object_foreach(value, key, inside)
    {
        json_object_set_new(copy, key, escaped(inside));
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_array_set_new(copy, i, escaped(json_array_get(value, i)));
    }
    return copy;
}

static json_t *snippets_of(const json_t *examples)
{
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(examples); i++) {
        json_t *example = json_array_get(examples, i);
        char *label = json_dumps(example, JSON_ENCODE_ANY);
        json_array_append_new(list, json_pack("{s:s,s:o}", "label", label, "body", escaped(example)));
        free(label);
    }
    return list;
}

void filters_schema_complete(json_t *value, const char *object, const char *key)
{
    const struct row *found = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool is = strcmp(rows[i].key, key) == 0 && (rows[i].object == NULL || strcmp(rows[i].object, object) == 0);
        found = is && (found == NULL || found->object == NULL) ? &rows[i] : found;
    }
    if (found == NULL) {
        return;
    }
    if (found->kind != NULL) {
        set_pattern(value, found->kind);
    }
    if (found->normal != NULL) {
        json_object_set_new(value, "default", json_of(found->normal));
    }
    json_t *examples = json_of(found->examples);
    json_object_set(value, "examples", examples);
    json_object_set_new(value, "defaultSnippets", snippets_of(examples));
    json_decref(examples);
}

/* ---- whole things, with places to go on at ---- */

json_t *filters_schema_snippets(const char *definition)
{
    static const struct {
        const char *definition, *snippets;
    } all[] = {
        {"rule",
         "[{'label': 'rule: by sender', 'body': {'name': '${1:name}', 'if': {'field': 'from', 'is': "
         "'${2:app@example.net}'}, 'then': [{'fileinto': {'folder': '${3:Folder}'}}, {'stop': true}]}}, {'label': "
         "'rule: by subject, with a capture', 'body': {'name': '${1:name}', 'if': {'header': 'Subject', 'matches': "
         "'${2:^failed: (?<project>\\\\\\\\S+)}'}, 'then': [{'fileinto': {'folder': '${3:CI}/\\\\${project\\\\}'}}, "
         "{'stop': true}]}}, {'label': 'rule: watched only', 'body': {'name': '${1:name}', 'state': 'watch', 'if': "
         "{'header': '${2:Subject}', 'contains': '${3:text}'}, 'then': [{'reject': '${4:not accepted here}'}]}}]"},
        {"test", "[{'label': 'test', 'body': {'name': '${1:what the test shows}', 'headers': {'Subject': '${2:failed: "
                 "web}'}, 'from': '${3:app@example.net}', 'to': '${4:ops@example.net}', 'expect': {'rules': "
                 "['${5:rule}'], 'filed': ['${6:corp:Folder}']}}}]"},
        {"group", "[{'label': 'group: the first that holds', 'body': {'match': 'first', 'rules': [], 'default': "
                  "[{'fileinto': {'folder': '${1:Folder}'}}]}}]"},
        {"condition",
         "[{'label': 'field is', 'body': {'field': '${1:from}', 'is': '${2:app@example.net}'}}, {'label': 'header "
         "contains', 'body': {'header': '${1:Subject}', 'contains': '${2:text}'}}, {'label': 'header matches', 'body': "
         "{'header': '${1:Subject}', 'matches': '${2:^pattern}'}}, {'label': 'value of', 'body': {'of': "
         "'${1:from.domain}', 'is': '${2:example.net}'}}, {'label': 'all of these', 'body': {'all': [{'field': "
         "'${1:from}', 'is': '${2:app@example.net}'}]}}, {'label': 'any of these', 'body': {'any': [{'field': "
         "'${1:from}', 'is': '${2:app@example.net}'}]}}, {'label': 'every value', 'body': {'every': {'of': "
         "'${1:header.To.addresses}', 'ends_with': '${2:@example.net}'}}}, {'label': 'counter', 'body': {'counter': "
         "'${1:storm}', 'key': '\\\\${header.${2:X-Alert-Name}\\\\}', 'over': 10, 'within': '1h'}}]"},
        {"action", "[{'label': 'fileinto', 'body': {'fileinto': {'folder': '${1:Folder}'}}}, {'label': 'stop', 'body': "
                   "{'stop': true}}, {'label': 'reject', 'body': {'reject': '${1:not accepted here}'}}, {'label': "
                   "'addheader', 'body': {'addheader': {'name': '${1:X-Team}', 'value': '${2:ops}'}}}, {'label': "
                   "'set', 'body': {'set': {'${1:name}': '${2:value}'}}}, {'label': 'count', 'body': {'count': "
                   "'${1:storm}', 'key': '\\\\${header.${2:X-Alert-Name}\\\\}'}}]"},
        {"target", "[{'label': 'folder', 'body': {'folder': '${1:Folder}'}}, {'label': 'folder with another place', "
                   "'body': {'folder': '${1:Folder}', 'else': [{'folder': '${2:Other}', 'when': 'refused'}, "
                   "{'upstream': '${3:other}', 'when': 'down>1h'}]}}]"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i].definition, definition) == 0) {
            return json_of(all[i].snippets);
        }
    }
    return NULL;
}

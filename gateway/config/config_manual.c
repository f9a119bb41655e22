/*
 * config_manual - see config_manual.h.
 */
#include "config/config_manual.h"

#include <inttypes.h>
#include <stdio.h>

#include "config/config.h"
#include "config/config_table.h"

static const char *const kinds[CONFIG_KINDS] = {
    [CONFIG_STRING] = "text",
    [CONFIG_PATH] = "path",
    [CONFIG_SECRET] = "secret",
    [CONFIG_NUMBER] = "number",
    [CONFIG_SIZE] = "size",
    [CONFIG_DURATION] = "duration",
    [CONFIG_BOOL] = "true or false",
    [CONFIG_WORD] = "word",
    [CONFIG_SWITCH] = "word",
    [CONFIG_ADDRESS] = "address",
    [CONFIG_ADDRESSES] = "address, or list of addresses",
    [CONFIG_STRINGS] = "list of texts",
    [CONFIG_OBJECT] = "object",
    [CONFIG_LIST] = "list of objects",
    [CONFIG_MAP] = "object of objects, by name",
};

/* A line of text: what man would take for its own is escaped. */
static void write_text(struct buf *out, const char *text)
{
    if (*text == '.' || *text == '\'') {
        buf_append_text(out, "\\&");
    }
    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            buf_append_text(out, "\\e");
        } else if (*text == '-') {
            buf_append_text(out, "\\-");
        } else {
            buf_append_octet(out, (uint8_t)*text);
        }
    }
}

static void write_words(struct buf *out, const char *const *words)
{
    buf_append_text(out, " One of");
    for (; *words != NULL; words++) {
        buf_printf(out, " \\fB%s\\fR%s", *words, words[1] != NULL ? "," : ".");
    }
}

/* In the largest unit that gives a whole number. */
static void write_amount(struct buf *out, const struct config_key *key, uint64_t amount)
{
    static const struct unit {
        const char *name;
        uint64_t of;
    } durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}},
      sizes[] = {{"TiB", UINT64_C(1) << 40}, {"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}, {NULL, 0}},
      numbers[] = {{NULL, 0}};
    const struct unit *unit = key->kind == CONFIG_DURATION ? durations : key->kind == CONFIG_SIZE ? sizes : numbers;
    while (unit->name != NULL && amount % unit->of != 0) {
        unit++;
    }
    uint64_t count = unit->name == NULL ? amount : amount / unit->of;
    buf_printf(out, "\\fB%" PRIu64 "%s\\fR", count, unit->name == NULL ? "" : unit->name);
}

static void write_range(struct buf *out, const struct config_key *key)
{
    if (key->least > 0) {
        buf_append_text(out, " At least ");
        write_amount(out, key, key->least);
    }
    if (key->most > 0) {
        buf_append_text(out, key->least > 0 ? ", at most " : " At most ");
        write_amount(out, key, key->most);
    }
    if (key->least > 0 || key->most > 0) {
        buf_append_text(out, ".");
    }
}

/* What holds where the file says nothing; NULL: the text tells, or the key is needed. */
static const char *default_of(const struct config_key *key)
{
    if (key->required || key->fallback != NULL) {
        return key->required ? NULL : key->fallback;
    }
    return key->kind == CONFIG_BOOL ? "false" : key->kind == CONFIG_SWITCH ? key->words[0] : NULL;
}

static const char *kind_of(const struct config_key *key)
{
    size_t kind = (size_t)key->kind;
    return kind < sizeof kinds / sizeof *kinds && kinds[kind] != NULL ? kinds[kind] : "value";
}

static void write_table(struct buf *out, const struct config_table *table, const char *prefix);

static void write_key(struct buf *out, const struct config_key *key, const char *prefix)
{
    char path[200];
    snprintf(path, sizeof path, "%s%s", prefix, key->name);
    buf_append_text(out, ".TP\n\\fB");
    write_text(out, path);
    buf_printf(out, "\\fR (%s%s)\n", kind_of(key), key->required ? ", needed" : "");
    write_text(out, key->help);
    buf_append_text(out, ".");
    if (key->words != NULL) {
        write_words(out, key->words);
    }
    write_range(out, key);
    const char *value = default_of(key);
    if (value != NULL) {
        buf_append_text(out, " Default: \\fB");
        write_text(out, value);
        buf_append_text(out, "\\fR.");
    }
    if (key->restart) {
        buf_append_text(out, " A change takes effect at the next start.");
    }
    buf_append_text(out, "\n");
    if (key->table != NULL) {
        static const char *const joints[] = {[CONFIG_OBJECT] = ".", [CONFIG_LIST] = "[].", [CONFIG_MAP] = ".NAME."};
        snprintf(path, sizeof path, "%s%s%s", prefix, key->name, joints[key->kind]);
        write_table(out, key->table, path);
    }
}

static void write_table(struct buf *out, const struct config_table *table, const char *prefix)
{
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        write_key(out, key, prefix);
    }
}

/* Whole files; a test checks each. */
static const struct {
    const char *title, *text;
} examples[] = {
    {"A shared inbox, for the machines of a network",
     "{\n"
     "  \"hostname\": \"gw.example.net\",\n"
     "  \"listeners\": [ { \"name\": \"apps\", \"address\": \"0.0.0.0:2525\", \"allow\": [\"10.0.0.0/8\", "
     "\"127.0.0.0/8\"] } ],\n"
     "  \"upstreams\": { \"team\": { \"address\": \"imap.example.net:993\", \"tls\": { \"mode\": \"implicit\" },\n"
     "      \"auth\": { \"username\": \"shared@example.net\", \"password\": { \"file\": \"imap-password\" } } } },\n"
     "  \"spool\": { \"path\": \"/var/lib/mailweir\" },\n"
     "  \"rules\": [\"rules.d/*.json\"],\n"
     "  \"probe\": { \"every\": \"5m\" },\n"
     "  \"default\": { \"upstream\": \"team\", \"folder\": \"INBOX\" }\n"
     "}\n"},
    {"Users who log in over TLS, two accounts, and metrics for Prometheus",
     "{\n"
     "  \"hostname\": \"gw.example.net\",\n"
     "  \"listeners\": [\n"
     "    { \"name\": \"submission\", \"address\": \"[::]:4650\",\n"
     "      \"tls\": { \"mode\": \"starttls\", \"required\": true, \"certificate\": \"tls.crt\", \"key\": \"tls.key\" "
     "},\n"
     "      \"auth\": { \"users\": \"users.json\", \"required\": true }, \"senders\": [\"*@apps.example\"] } ],\n"
     "  \"upstreams\": {\n"
     "    \"team\": { \"address\": \"imap.example.net:993\", \"profile\": \"dovecot\", \"tls\": { \"mode\": "
     "\"implicit\" },\n"
     "      \"auth\": { \"username\": \"shared@example.net\", \"password\": { \"file\": \"imap-password\" } },\n"
     "      \"retry\": { \"initial\": \"10s\", \"maximum\": \"15m\", \"give_up\": \"5d\" } },\n"
     "    \"archive\": { \"address\": \"imap.example.org:993\", \"tls\": { \"mode\": \"implicit\" },\n"
     "      \"auth\": { \"username\": \"archive@example.org\", \"password\": { \"env\": \"ARCHIVE_PASSWORD\" } } } },\n"
     "  \"spool\": { \"path\": \"/var/lib/mailweir\" },\n"
     "  \"default\": { \"upstream\": \"team\", \"fallback\": \"archive\", \"folder\": \"INBOX\" },\n"
     "  \"admin\": { \"address\": \"127.0.0.1:8025\", \"token\": { \"file\": \"token\" },\n"
     "    \"tokens\": { \"prometheus\": { \"token\": { \"file\": \"token.prometheus\" }, \"role\": \"metrics\" } } }\n"
     "}\n"},
    {"No queue on a disk: 250 is said when the mailbox has the message",
     "{\n"
     "  \"hostname\": \"gw.example.net\",\n"
     "  \"listeners\": [ { \"name\": \"apps\", \"address\": \"127.0.0.1:2525\", \"acknowledge\": \"delivered\" } ],\n"
     "  \"upstreams\": { \"team\": { \"address\": \"imap.example.net:143\", \"tls\": { \"mode\": \"starttls\" },\n"
     "      \"auth\": { \"username\": \"shared@example.net\", \"password\": { \"file\": \"imap-password\" } } } },\n"
     "  \"spool\": { \"path\": \"/tmp/mailweir\" },\n"
     "  \"default\": { \"upstream\": \"team\", \"folder\": \"INBOX\" }\n"
     "}\n"},
};

static void write_examples(struct buf *out)
{
    buf_append_text(out, ".SH EXAMPLES\n");
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        write_text(out, examples[i].title);
        buf_append_text(out, ":\n.PP\n.nf\n.RS 2\n");
        write_text(out, examples[i].text);
        buf_append_text(out, ".RE\n.fi\n.PP\n");
    }
    buf_append_text(out, "Further ones, for usual providers, lie in /usr/share/doc/mailweir/configurations.\n");
}

void config_manual(struct buf *out)
{
    buf_append_text(
        out,
        ".\\\" Made by \"mailweir manual\"; do not edit.\n"
        ".TH MAILWEIR.CONF 5 \"\" \"mailweir\" \"mailweir\"\n"
        ".SH NAME\nmailweir.conf \\- configuration of the mailweir gateway\n"
        ".SH SYNOPSIS\n.I /etc/mailweir/mailweir.json\n"
        ".SH DESCRIPTION\nOne JSON object. Unknown keys are errors; \\fB$schema\\fR and "
        "\\fBdescription\\fR are allowed "
        "everywhere. Sizes are octets, or written \\fB25MiB\\fR (B, KiB, MiB, GiB, TiB; kB, MB and GB are decimal); "
        "durations \\fB30s\\fR (ms, s, m, h, d, w); addresses \\fBhost:port\\fR, "
        "\\fB[v6]:port\\fR or \\fBunix:/path\\fR. A secret is a literal, \\fB{\"env\": \"NAME\"}\\fR or "
        "\\fB{\"file\": \"/path\"}\\fR. Relative paths are taken from the file's folder. "
        "\\fBmailweir check\\fR says what is wrong, with line and column.\n"
        ".SH KEYS\nA list's objects are shown as \\fB[]\\fR, names that you choose as \\fBNAME\\fR.\n");
    write_table(out, &config_root_table, "");
    write_examples(out);
    buf_append_text(out, ".SH SEE ALSO\n.BR mailweir (8),\n.BR mailweir\\-rules (5),\n.BR mailweir\\-guide (7),\n.BR "
                         "mailweir\\-recipes (7)\n");
}

/*
 * cmd_init - a first configuration: five questions, or an option for each; then it is checked, the account is tried,
 * and a test message is filed, so that what is written works before anybody relies on it.
 *
 * What exists is never written over without --force. The password goes into a file of its own, which its owner alone
 * can read: the configuration can then be shown and kept in git.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/date.h"
#include "base/expect.h"
#include "cli/cli.h"
#include "cli/cli_ask.h"
#include "cli/cli_upstreams.h"
#include "net/net_file.h"

#define PATH_LEN     4200
#define TRY_SECONDS  60L
#define SPOOL_FOLDER "/var/lib/mailweir"
#define LOCAL_ONLY   "127.0.0.0/8,::1/128"

/* What was asked or given. */
struct setup {
    const char *config, *server, *username, *password_file, *listen, *allow, *folder, *spool, *hostname, *tls, *ca_file;
    bool force, offline, no_message;
    char file[PATH_LEN], secret[PATH_LEN + 16];
    char answers[5][CLI_ASK_SIZE];
    char name[256], password[CLI_ASK_SIZE];
};

/* ---- asking ---- */

/* Asks unless the option was given; an empty answer is the usual one. EX_OK, or EX_USAGE when nothing was said. */
static int ask_person(const struct cli_command *command, const char **value, const char *option, const char *question,
                      const char *usual, char *into)
{
    if (*value != NULL) {
        return EX_OK;
    }
    fprintf(stderr, usual == NULL ? "%s: " : "%s [%s]: ", question, usual);
    enum cli_answer answer = cli_ask(NULL, into);
    if (answer == CLI_ANSWER_TOO_LONG) {
        return cli_usage_error(command, "the answer to \"%s\" is longer than %d octets", question, CLI_ASK_MAX);
    }
    bool got = answer == CLI_ANSWER_GIVEN;
    if (usual == NULL && (!got || into[0] == '\0')) {
        return cli_usage_error(command, "there is no answer to \"%s\"; give it with --%s", question, option);
    }
    *value = got && into[0] != '\0' ? into : usual;
    return EX_OK;
}

static int ask_password(const struct cli_command *command, struct setup *setup)
{
    if (setup->password_file != NULL) {
        return EX_OK;
    }
    fprintf(stderr, "3. The password of %s: ", setup->username);
    enum cli_answer answer = cli_ask_secret(NULL, setup->password);
    if (answer == CLI_ANSWER_TOO_LONG) {
        return cli_usage_error(command,
                               "the password is longer than %d octets: name a file that holds it with "
                               "--password-file",
                               CLI_ASK_MAX);
    }
    if (answer == CLI_ANSWER_NONE || setup->password[0] == '\0') {
        return cli_usage_error(command, "there is no password; name a file that holds it with --password-file");
    }
    return EX_OK;
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0 ||
           strncmp(address, "localhost", 9) == 0;
}

static int ask_all(const struct cli_command *command, struct setup *setup)
{
    int code = ask_person(command, &setup->server, "server", "1. The IMAP server, host:port (imap.example.net:993)",
                          NULL, setup->answers[0]);
    code = code != EX_OK ? code
                         : ask_person(command, &setup->username, "username", "2. The user name on that server", NULL,
                                      setup->answers[1]);
    code = code != EX_OK ? code : ask_password(command, setup);
    code = code != EX_OK ? code
                         : ask_person(command, &setup->listen, "listen", "4. Where clients send mail to, address:port",
                                      "127.0.0.1:2525", setup->answers[3]);
    return code != EX_OK ? code
                         : ask_person(command, &setup->allow, "allow", "5. Networks that may send, separated by commas",
                                      is_loopback(setup->listen) ? LOCAL_ONLY : "10.0.0.0/8", setup->answers[4]);
}

/* ---- writing ---- */

/* "host" gets the port of IMAP over TLS. */
static json_t *server_of(const struct setup *setup)
{
    const char *colon = strrchr(setup->server, ':');
    bool has_port = colon != NULL && strchr(colon, ']') == NULL;
    return json_sprintf("%s%s", setup->server, has_port ? "" : ":993");
}

static const char *tls_of(const struct setup *setup)
{
    const char *colon = strrchr(setup->server, ':');
    bool clear_port = colon != NULL && strcmp(colon, ":143") == 0;
    return setup->tls != NULL ? setup->tls : clear_port ? "starttls" : "implicit";
}

static json_t *networks_of(const char *text)
{
    json_t *list = json_array();
    struct bytes rest = bytes_of(text);
    while (rest.len > 0) {
        struct bytes one = bytes_trim(bytes_cut(&rest, ','));
        if (one.len > 0) {
            json_array_append_new(list, json_stringn((const char *)one.ptr, one.len));
        }
    }
    return list;
}

static json_t *configuration_of(const struct setup *setup)
{
    const char *secret = setup->password_file != NULL ? setup->password_file : setup->secret;
    json_t *upstream =
        json_pack("{s:o, s:{s:s, s:s*}, s:{s:s, s:{s:s}}}", "address", server_of(setup), "tls", "mode", tls_of(setup),
                  "ca_file", setup->ca_file, "auth", "username", setup->username, "password", "file", secret);
    return json_pack("{s:s, s:[{s:s, s:s, s:o}], s:{s:o}, s:{s:s}, s:{s:s, s:s}}", "hostname", setup->hostname,
                     "listeners", "name", "apps", "address", setup->listen, "allow", networks_of(setup->allow),
                     "upstreams", "mailbox", upstream, "spool", "path", setup->spool, "default", "upstream", "mailbox",
                     "folder", setup->folder);
}

static int cannot_init(const char *what, const char *why)
{
    fprintf(stderr, "mailweir init: %s: %s\n", what, why);
    return EX_CANTCREAT;
}

static int write_file(const char *path, const char *text)
{
    struct fault fault = FAULT_INIT;
    struct buf whole;
    buf_init(&whole, 1u << 20);
    buf_printf(&whole, "%s\n", text);
    int result = net_file_replace(path, buf_bytes(&whole), &fault);
    buf_wipe(&whole);
    return result == 0 ? EX_OK : cannot_init(path, fault.text);
}

/* Beside the configuration: "imap.password". */
static void place_secret(struct setup *setup)
{
    const char *slash = strrchr(setup->file, '/');
    int folder = slash == NULL ? 0 : (int)(slash - setup->file) + 1;
    snprintf(setup->secret, sizeof setup->secret, "%.*simap.password", folder, setup->file);
}

static int write_all(struct setup *setup)
{
    json_t *configuration = configuration_of(setup);
    char *text = configuration == NULL ? NULL : json_dumps(configuration, JSON_INDENT(2));
    int code = text == NULL ? cannot_init(setup->file, "an answer is not UTF-8") : EX_OK;
    if (code == EX_OK && setup->password_file == NULL) {
        code = write_file(setup->secret, setup->password);
    }
    if (code == EX_OK) {
        code = write_file(setup->file, text);
    }
    free(text);
    json_decref(configuration);
    return code;
}

/* ---- trying ---- */

struct sending {
    struct buf text;
    size_t at;
};

static size_t give_mail(char *into, size_t size, size_t count, void *ctx)
{
    struct sending *sending = ctx;
    struct bytes part = bytes_slice(buf_bytes(&sending->text), sending->at, size * count);
    if (part.len > 0) {
        memcpy(into, part.ptr, part.len);
    }
    sending->at += part.len;
    return part.len;
}

static void compose(const struct setup *setup, struct buf *text)
{
    char date[DATE_LEN];
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    date_rfc5322(now_ms, date);
    buf_printf(text,
               "From: mailweir <mailweir@%s>\r\nTo: %s\r\nSubject: mailweir can file mail here\r\nDate: %s\r\n"
               "Message-ID: <init.%lld@%s>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
               "\"mailweir init\" on %s filed this message to test whether mail can be filed here. It can. You may "
               "delete this message.\r\n",
               setup->hostname, setup->username, date, (long long)now_ms, setup->hostname, setup->hostname);
}

static void set_up_append(CURL *curl, const struct setup *setup, const struct config_upstream *upstream,
                          const char *password)
{
    char url[PATH_LEN];
    char *folder = expect_memory(curl_easy_escape(curl, setup->folder, 0));
    const char *tls = tls_of(setup);
    bool v6 = strchr(upstream->address.host, ':') != NULL;
    snprintf(url, sizeof url, "%s://%s%s%s:%u/%s", strcmp(tls, "implicit") == 0 ? "imaps" : "imap", v6 ? "[" : "",
             upstream->address.host, v6 ? "]" : "", upstream->address.port, folder);
    curl_free(folder);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_USERNAME, setup->username);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, password);
    curl_easy_setopt(curl, CURLOPT_USE_SSL, strcmp(tls, "none") == 0 ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TRY_SECONDS);
    if (setup->ca_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, setup->ca_file);
    }
}

/* An upload to a mailbox is APPEND (RFC 9051 section 6.3.12). */
static int send_message(const struct setup *setup, const struct config_upstream *upstream)
{
    char problem[CURL_ERROR_SIZE] = "";
    struct sending sending = {.at = 0};
    struct buf password;
    struct fault fault = FAULT_INIT;
    buf_init(&password, CLI_ASK_SIZE);
    if (net_file_read_all(setup->password_file != NULL ? setup->password_file : setup->secret, &password, &fault) < 0) {
        return cannot_init("the password", fault.text);
    }
    struct bytes word = bytes_trim(buf_bytes(&password));
    char text[CLI_ASK_SIZE];
    snprintf(text, sizeof text, "%.*s", (int)word.len, (const char *)word.ptr);
    CURL *curl = expect_memory(curl_easy_init());
    buf_init(&sending.text, PATH_LEN * 4);
    compose(setup, &sending.text);
    set_up_append(curl, setup, upstream, text);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)sending.text.len);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_mail);
    curl_easy_setopt(curl, CURLOPT_READDATA, &sending);
    CURLcode result = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    explicit_bzero(text, sizeof text);
    buf_wipe(&password);
    buf_done(&sending.text);
    if (result != CURLE_OK) {
        fprintf(stderr, "mailweir init: the test message was not filed: %s\n",
                problem[0] == '\0' ? curl_easy_strerror(result) : problem);
        return 1;
    }
    printf("a test message was filed in %s of %s\n", setup->folder, setup->username);
    return EX_OK;
}

static int try_it(const struct setup *setup)
{
    struct config *config = cli_load_config(setup->file, true);
    if (config == NULL) {
        fprintf(
            stderr,
            "mailweir init: %s was written, but is not good yet: fix what is said above, then run \"mailweir check\"\n",
            setup->file);
        return EX_CONFIG;
    }
    printf("%s is good\n", setup->file);
    int code = EX_OK;
    if (!setup->offline) {
        const struct config_upstream *upstream = config_upstream_at(config, 0);
        json_t *tried = cli_upstreams_try(config, upstream, 0, NULL, NULL);
        cli_upstreams_print(tried);
        code = json_is_true(json_object_get(tried, "good")) ? EX_OK : 1;
        json_decref(tried);
        code = code == EX_OK && !setup->no_message ? send_message(setup, upstream) : code;
    }
    config_free(&config);
    return code;
}

/* ---- the command ---- */

static int set_up(const struct cli_command *command, struct setup *setup)
{
    snprintf(setup->file, sizeof setup->file, "%s", cli_config_file(setup->config));
    if (net_file_stamp(setup->file) != 0 && !setup->force) {
        fprintf(stderr, "mailweir init: %s exists already; --force overwrites it\n", setup->file);
        return EX_CANTCREAT;
    }
    if (setup->hostname == NULL) {
        setup->hostname = gethostname(setup->name, sizeof setup->name - 1) == 0 ? setup->name : "localhost";
    }
    setup->folder = setup->folder == NULL ? "INBOX" : setup->folder;
    setup->spool = setup->spool == NULL ? SPOOL_FOLDER : setup->spool;
    place_secret(setup);
    int code = ask_all(command, setup);
    code = code != EX_OK ? code : write_all(setup);
    code = code != EX_OK ? code : try_it(setup);
    if (code == EX_OK) {
        printf("\nmailweir run --config %s    starts the gateway\nmailweir status                 shows its state\n",
               setup->file);
    }
    return code;
}

int cmd_init(const struct cli_command *command, int argc, char **argv)
{
    struct setup setup = {.config = NULL};
    const struct cli_option options[] = {
        {.name = "config",
         .value = &setup.config,
         .help = "the file to write [$MAILWEIR_CONFIG, else " CLI_CONFIG_FILE "]"},
        {.name = "server", .value = &setup.server, .help = "the IMAP server, host:port [port 993]"},
        {.name = "username", .value = &setup.username, .help = "the user name on that server"},
        {.name = "password-file", .value = &setup.password_file, .help = "a file that holds the password [asked for]"},
        {.name = "listen", .value = &setup.listen, .help = "where clients send mail to [127.0.0.1:2525]"},
        {.name = "allow", .value = &setup.allow, .help = "networks that may send, separated by commas [this machine]"},
        {.name = "folder", .value = &setup.folder, .help = "the folder for mail that no rule takes [INBOX]"},
        {.name = "spool", .value = &setup.spool, .help = "the folder of the queue [" SPOOL_FOLDER "]"},
        {.name = "hostname", .value = &setup.hostname, .help = "the gateway's name [this machine's]"},
        {.name = "tls", .value = &setup.tls, .help = "implicit, starttls or none [decided by the port]"},
        {.name = "ca-file",
         .value = &setup.ca_file,
         .help = "CA that signed the server's certificate [the system's CAs]"},
        {.name = "force", .flag = &setup.force, .help = "overwrite an existing file"},
        {.name = "offline", .flag = &setup.offline, .help = "do not try the account, and send no test message"},
        {.name = "no-message", .flag = &setup.no_message, .help = "try the account, but send no test message"},
        {.name = NULL}};
    int exit_code;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    exit_code = set_up(command, &setup);
    explicit_bzero(setup.password, sizeof setup.password);
    return exit_code;
}

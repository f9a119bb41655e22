/*
 * cmd_init - a first configuration: five questions, or an option for each; then it is checked, the account is tried,
 * and a test message is filed, so that what is written works before anybody relies on it.
 *
 * What exists is never written over without --force. The password goes into a file of its own, which its owner alone
 * can read: the configuration can then be shown and kept in git.
 */
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/date.h"
#include "base/expect.h"
#include "base/network.h"
#include "cli/cli.h"
#include "cli/cli_ask.h"
#include "cli/cli_upstreams.h"
#include "net/net_file.h"
#include "net/net_stream.h"

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
    const char *password_place; /* setup->secret, as the configuration names it */
    struct buf paths[4];        /* of what was named from the working folder */
};

/* ---- answers that cannot be right ---- */

/* "host" gets the port of IMAP over TLS. */
static void write_server(const char *server, struct buf *out)
{
    const char *colon = strrchr(server, ':');
    bool has_port = colon != NULL && strchr(colon, ']') == NULL;
    buf_printf(out, "%s%s", server, has_port ? "" : ":993");
}

/* Each of these says what is wrong with an answer, as a fault, or nothing. */
typedef int check_fn(const char *answer, struct fault *fault);

static int check_server(const char *answer, struct fault *fault)
{
    struct net_address address;
    struct buf whole;
    buf_init(&whole, CLI_ASK_SIZE + 10);
    write_server(answer, &whole);
    int result = net_address_parse(&address, buf_bytes(&whole), fault);
    buf_done(&whole);
    return result;
}

static int check_listen(const char *answer, struct fault *fault)
{
    struct net_address address;
    return net_address_parse(&address, bytes_of(answer), fault);
}

static int check_networks(const char *answer, struct fault *fault)
{
    struct bytes rest = bytes_of(answer);
    while (rest.len > 0) {
        struct network network;
        struct bytes one = bytes_trim(bytes_cut(&rest, ','));
        if (one.len > 0 && network_parse(&network, one) < 0) {
            fault_set(fault, FAULT_PERM, "usage", "allow",
                      "\"%.*s\" is not a network; write 10.0.0.0/8, or one address", (int)one.len,
                      (const char *)one.ptr);
            return -1;
        }
    }
    return 0;
}

static int check_text(const char *answer, struct fault *fault)
{
    if (!bytes_is_utf8(bytes_of(answer)) || bytes_has_control(bytes_of(answer))) {
        fault_set(fault, FAULT_PERM, "usage", "text", "the answer has characters in it that are not text");
        return -1;
    }
    return 0;
}

/* ---- asking ---- */

struct question {
    const char *option, *text;
    const char *usual; /* what an empty answer means; NULL: there must be one */
    check_fn *check;
};

/* Says what is wrong: to a person, who is asked again (EX_OK), or as the end of a command that nobody sits at. */
__attribute__((format(printf, 2, 3))) static int wrong(const struct cli_command *command, const char *format, ...)
{
    char text[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (isatty(STDIN_FILENO) != 1) {
        return cli_usage_error(command, "%s", text);
    }
    fprintf(stderr, "   %s\n", text);
    return EX_OK;
}

/* One answer; *value stays NULL when the person is to be asked again. */
static int ask_once(const struct cli_command *command, const struct question *question, const char **value, char *into)
{
    struct fault fault = FAULT_INIT;
    fprintf(stderr, question->usual == NULL ? "%s: " : "%s [%s]: ", question->text, question->usual);
    enum cli_answer answer = cli_ask(NULL, into);
    if (answer == CLI_ANSWER_TOO_LONG) {
        return wrong(command, "the answer to \"%s\" is longer than %d octets", question->text, CLI_ASK_MAX);
    }
    bool got = answer == CLI_ANSWER_GIVEN && into[0] != '\0';
    if (!got && question->usual == NULL && answer == CLI_ANSWER_GIVEN) {
        return wrong(command, "there is no answer to \"%s\"; give it with --%s", question->text, question->option);
    }
    if (!got && question->usual == NULL) {
        return cli_usage_error(command, "there is no answer to \"%s\"; give it with --%s", question->text,
                               question->option);
    }
    if (got && question->check(into, &fault) < 0) {
        return wrong(command, "%s", fault.text);
    }
    *value = got ? into : question->usual;
    return EX_OK;
}

/* Asks unless the option was given, on a terminal until the answer can be right. EX_OK or EX_USAGE. */
static int ask_person(const struct cli_command *command, const struct question *question, const char **value,
                      char *into)
{
    struct fault fault = FAULT_INIT;
    if (*value != NULL && question->check(*value, &fault) < 0) {
        return cli_usage_error(command, "--%s: %s", question->option, fault.text);
    }
    int code = EX_OK;
    while (code == EX_OK && *value == NULL) {
        code = ask_once(command, question, value, into);
    }
    return code;
}

static int ask_password(const struct cli_command *command, struct setup *setup)
{
    int code = EX_OK;
    char question[CLI_ASK_SIZE + 40];
    snprintf(question, sizeof question, "3. The password of %s: ", setup->username);
    while (code == EX_OK && setup->password_file == NULL && setup->password[0] == '\0') {
        /* Asked when the terminal is quiet already: who answers at once is heard, and not shown. */
        enum cli_answer answer = cli_ask_secret(question, setup->password);
        if (answer == CLI_ANSWER_TOO_LONG) {
            setup->password[0] = '\0';
            code =
                wrong(command, "the password is longer than %d octets: name a file that holds it with --password-file",
                      CLI_ASK_MAX);
        } else if (answer == CLI_ANSWER_NONE) {
            code = cli_usage_error(command, "there is no password; name a file that holds it with --password-file");
        } else if (setup->password[0] == '\0') {
            code = wrong(command, "there is no password; name a file that holds it with --password-file");
        }
    }
    return code;
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0 ||
           strncmp(address, "localhost", 9) == 0;
}

static int ask_all(const struct cli_command *command, struct setup *setup)
{
    const struct question server = {"server", "1. The IMAP server, host:port (imap.example.net:993)", NULL,
                                    check_server};
    const struct question username = {"username", "2. The user name on that server", NULL, check_text};
    const struct question listen = {"listen", "4. Where clients send mail to, address:port", "127.0.0.1:2525",
                                    check_listen};
    int code = ask_person(command, &server, &setup->server, setup->answers[0]);
    code = code != EX_OK ? code : ask_person(command, &username, &setup->username, setup->answers[1]);
    code = code != EX_OK ? code : ask_password(command, setup);
    code = code != EX_OK ? code : ask_person(command, &listen, &setup->listen, setup->answers[3]);
    if (code != EX_OK) {
        return code;
    }
    const struct question allow = {"allow", "5. Networks that may send, separated by commas",
                                   is_loopback(setup->listen) ? LOCAL_ONLY : "10.0.0.0/8", check_networks};
    return ask_person(command, &allow, &setup->allow, setup->answers[4]);
}

/* ---- writing ---- */

static json_t *server_of(const struct setup *setup)
{
    struct buf whole;
    buf_init(&whole, CLI_ASK_SIZE + 10);
    write_server(setup->server, &whole);
    json_t *text = json_string(buf_text(&whole));
    buf_done(&whole);
    return text;
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
    const char *secret = setup->password_file != NULL ? setup->password_file : setup->password_place;
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

/* Beside the configuration. */
static void place_secret(struct setup *setup)
{
    const char *slash = strrchr(setup->file, '/');
    int folder = slash == NULL ? 0 : (int)(slash - setup->file) + 1;
    snprintf(setup->secret, sizeof setup->secret, "%.*simap.password", folder, setup->file);
    setup->password_place = setup->secret;
}

/* What is named from the working folder is written as it is from the root: a configuration is read from its own. */
static int make_absolute(const char **path, struct buf *whole)
{
    if (*path == NULL || **path == '/') {
        return EX_OK;
    }
    if (net_file_absolute(*path, whole) < 0) {
        return cannot_init(*path, "the working folder has gone, or the path is too long");
    }
    *path = buf_text(whole);
    return EX_OK;
}

static int make_all_absolute(struct setup *setup)
{
    const char **paths[] = {&setup->password_file, &setup->password_place, &setup->ca_file, &setup->spool};
    int code = EX_OK;
    for (size_t i = 0; code == EX_OK && i < sizeof paths / sizeof paths[0]; i++) {
        code = make_absolute(paths[i], &setup->paths[i]);
    }
    return code;
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
        if (code != EX_OK) {
            fprintf(
                stderr,
                "mailweir init: %s was written, but the account does not work yet: correct the file and try \"mailweir "
                "upstreams --config %s\", or answer again with --force\n",
                setup->file, setup->file);
        }
        code = code == EX_OK && !setup->no_message ? send_message(setup, upstream) : code;
    }
    config_free(&config);
    return code;
}

/* ---- the command ---- */

static int set_up(const struct cli_command *command, struct setup *setup)
{
    snprintf(setup->file, sizeof setup->file, "%s", cli_config_file(setup->config));
    place_secret(setup);
    /* Somebody else's configuration may read the password that is there. */
    const char *exists = net_file_stamp(setup->file) != 0                                     ? setup->file
                         : setup->password_file == NULL && net_file_stamp(setup->secret) != 0 ? setup->secret
                                                                                              : NULL;
    if (exists != NULL && !setup->force) {
        fprintf(stderr, "mailweir init: %s exists already; --force overwrites it\n", exists);
        return EX_CANTCREAT;
    }
    if (setup->hostname == NULL) {
        setup->hostname = gethostname(setup->name, sizeof setup->name - 1) == 0 ? setup->name : "localhost";
    }
    setup->folder = setup->folder == NULL ? "INBOX" : setup->folder;
    setup->spool = setup->spool == NULL ? SPOOL_FOLDER : setup->spool;
    int code = make_all_absolute(setup);
    code = code != EX_OK ? code : ask_all(command, setup);
    code = code != EX_OK ? code : write_all(setup);
    code = code != EX_OK ? code : try_it(setup);
    if (code == EX_OK) {
        printf("\nmailweir run --config %s       starts the gateway\nmailweir status --config %s    shows its state\n",
               setup->file, setup->file);
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
    for (size_t i = 0; i < sizeof setup.paths / sizeof setup.paths[0]; i++) {
        buf_init(&setup.paths[i], PATH_LEN);
    }
    exit_code = set_up(command, &setup);
    for (size_t i = 0; i < sizeof setup.paths / sizeof setup.paths[0]; i++) {
        buf_done(&setup.paths[i]);
    }
    explicit_bzero(setup.password, sizeof setup.password);
    return exit_code;
}

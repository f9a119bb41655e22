/*
 * cli_api - requests to the running gateway by libcurl; see cli_api.h.
 */
#include "cli/cli_api.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/expect.h"
#include "cli/cli_paint.h"
#include "document/document_member.h"

#define ANSWER_MAX      (256u << 20)
#define EVENT_MAX       (4u << 20)
#define CONNECT_SECONDS 10L
#define CALL_SECONDS    600L
#define BUSY_TRIES      40 /* "max_requests" is shared with others */
#define BUSY_MS         250
#define FOLLOW_POLL_MS  1000 /* libcurl's own time-outs need a turn now and then */
/* Of the container, the Debian package and the samples. */
#define USUAL_SOCKET "unix:/var/lib/mailweir/admin.sock"

struct cli_api {
    CURL *curl;
    struct curl_slist *headers;
    struct net_address address;
    char label[300];  /* the address, for people */
    char origin[300]; /* "http://mailweir" */
    struct buf body;
    /* while a stream is followed: */
    cli_api_event_fn *fn;
    void *ctx;
    char event[64];
};

static void add_header(struct cli_api *api, const char *text)
{
    api->headers = expect_memory(curl_slist_append(api->headers, text));
}

/* certificate: what the server at a TCP address shows; NULL: it speaks in clear. */
static void set_up(struct cli_api *api, const char *token, const char *certificate)
{
    char line[2000];
    const struct net_address *address = &api->address;
    api->curl = expect_memory(curl_easy_init());
    buf_init(&api->body, ANSWER_MAX);
    if (address->is_unix) {
        curl_easy_setopt(api->curl, CURLOPT_UNIX_SOCKET_PATH, address->host);
        snprintf(api->label, sizeof api->label, "%s", address->host);
        snprintf(api->origin, sizeof api->origin, "http://mailweir");
    } else {
        bool v6 = strchr(address->host, ':') != NULL;
        snprintf(api->label, sizeof api->label, v6 ? "[%s]:%u" : "%s:%u", address->host, address->port);
        snprintf(api->origin, sizeof api->origin, "%s://%.290s", certificate != NULL ? "https" : "http", api->label);
        if (certificate != NULL) {
            /* That very certificate, whatever its names are: the address may be a wildcard or an inner one. */
            curl_easy_setopt(api->curl, CURLOPT_CAINFO, certificate);
            curl_easy_setopt(api->curl, CURLOPT_SSL_VERIFYHOST, 0L);
        }
    }
    add_header(api, "Content-Type: application/json");
    add_header(api, "Expect:");
    if (token != NULL) {
        snprintf(line, sizeof line, "Authorization: Bearer %s", token);
        add_header(api, line);
        explicit_bzero(line, sizeof line);
    }
    curl_easy_setopt(api->curl, CURLOPT_HTTPHEADER, api->headers);
    curl_easy_setopt(api->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(api->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(api->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
}

static size_t on_body(char *data, size_t one, size_t len, void *ctx);
static int perform(struct cli_api *api, const char *path, const char *body, long seconds);

static struct cli_api *open_at(const struct net_address *address, const char *token, const char *certificate)
{
    struct cli_api *api = expect_calloc(1, sizeof *api);
    api->address = *address;
    set_up(api, token, certificate);
    return api;
}

/* The token by which commands may do everything; NULL when there is none, or none is needed. */
static const char *operator_token(const struct config *config)
{
    const struct config_admin_token *tokens = config->admin.tokens.items;
    const char *token = config->admin.token;
    for (size_t i = 0; token == NULL && i < config->admin.tokens.count; i++) {
        token = tokens[i].role == CONFIG_ADMIN_OPERATE ? tokens[i].token : NULL;
    }
    return token;
}

static const char *certificate_of(const struct config *config)
{
    return config->admin.tls_mode == CONFIG_TLS_IMPLICIT ? config->admin.certificate : NULL;
}

static struct cli_api *open_by_config(const struct config *config)
{
    struct fault fault = FAULT_INIT;
    struct net_address address;
    if (!config->admin.enabled) {
        fprintf(stderr, "mailweir: %s: the admin server is switched off (\"admin\": {\"enabled\": false})\n",
                config->file);
        return NULL;
    }
    if (config_admin_address(config, &address, &fault) < 0) {
        fprintf(stderr, "mailweir: %s: %s\n", config->file, fault.text);
        return NULL;
    }
    return open_at(&address, operator_token(config), certificate_of(config));
}

struct cli_api *cli_api_open(const char *file)
{
    struct problems *problems = problems_new();
    struct config *config = config_load_part(cli_config_file(file), problems);
    struct cli_api *api = NULL;
    if (config == NULL) {
        cli_print_problems(problems, false);
    } else {
        api = open_by_config(config);
    }
    config_free(&config);
    problems_free(&problems);
    return api;
}

static struct cli_api *open_named(const char *name)
{
    struct net_address address;
    struct fault fault = FAULT_INIT;
    if (net_address_parse(&address, bytes_of(name), &fault) < 0) {
        fprintf(stderr, "mailweir: \"%s\" is not an address: %s\n", name, fault.text);
        return NULL;
    }
    return open_at(&address, NULL, NULL);
}

struct cli_api *cli_api_open_probe(const char *address, const char *file)
{
    const char *name = address != NULL ? address : getenv("MAILWEIR_ADMIN");
    if (name != NULL) {
        return open_named(name);
    }
    struct problems *problems = problems_new();
    struct config *config = config_load_part(cli_config_file(file), problems);
    bool known = config != NULL && (config->spool_path != NULL || config->admin.addresses.count > 0);
    struct cli_api *api = known ? open_by_config(config) : open_named(USUAL_SOCKET);
    config_free(&config);
    problems_free(&problems);
    return api;
}

/* Where the configuration says that a gateway would answer; NULL when it does not. */
static struct cli_api *of_config(const char *file)
{
    struct cli_api *api = expect_calloc(1, sizeof *api);
    struct problems *problems = problems_new();
    struct config *config = config_load_part(cli_config_file(file), problems);
    if (config != NULL && config->admin.enabled && config_admin_address(config, &api->address, NULL) == 0) {
        set_up(api, operator_token(config), certificate_of(config));
    } else {
        free(api);
        api = NULL;
    }
    config_free(&config);
    problems_free(&problems);
    return api;
}

static struct cli_api *of_spool(const char *spool)
{
    struct cli_api *api = expect_calloc(1, sizeof *api);
    api->address.is_unix = true;
    int len = snprintf(api->address.host, sizeof api->address.host, "%s/admin.sock", spool);
    if (len < 0 || (size_t)len >= sizeof api->address.host) {
        free(api);
        return NULL;
    }
    set_up(api, NULL, NULL);
    return api;
}

struct cli_api *cli_api_try(const char *config, const char *spool)
{
    struct cli_api *api = spool != NULL ? of_spool(spool) : of_config(config);
    if (api == NULL) {
        return NULL;
    }
    curl_easy_setopt(api->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, &api->body);
    if (perform(api, "/livez", NULL, CONNECT_SECONDS) != CURLE_OK) {
        cli_api_close(&api);
    }
    return api;
}

void cli_api_close(struct cli_api **api)
{
    if (*api == NULL) {
        return;
    }
    curl_easy_cleanup((*api)->curl);
    curl_slist_free_all((*api)->headers);
    buf_done(&(*api)->body);
    free(*api);
    *api = NULL;
}

void cli_api_escape(struct buf *out, const char *text)
{
    char *escaped = expect_memory(curl_easy_escape(NULL, text, 0));
    buf_append_text(out, escaped);
    curl_free(escaped);
}

/* ---- one call ---- */

static size_t on_body(char *data, size_t one, size_t len, void *ctx)
{
    struct buf *out = ctx;
    (void)one;
    return buf_append(out, data, len) < 0 ? 0 : len;
}

static int unreachable(const struct cli_api *api, CURLcode code)
{
    if (code == CURLE_COULDNT_CONNECT) {
        fprintf(stderr,
                "mailweir: no gateway answers on %s; does the gateway run with this configuration, and may you open "
                "that address?\n",
                api->label);
    } else {
        fprintf(stderr, "mailweir: %s: %s\n", api->label, curl_easy_strerror(code));
    }
    return EX_UNAVAILABLE;
}

/* What is wrong with configuration and rules, as check says it. */
static void print_mistakes(const json_t *problems)
{
    size_t i;
    const json_t *problem;
    json_array_foreach((json_t *)(uintptr_t)problems, i, problem)
    {
        const char *file, *pointer, *severity, *text;
        json_int_t line, column;
        if (json_unpack((json_t *)(uintptr_t)problem, "{s:s,s:s,s:I,s:I,s:s,s:s}", "severity", &severity, "file", &file,
                        "line", &line, "column", &column, "pointer", &pointer, "text", &text) == 0) {
            fprintf(stderr, "%s:%lld:%lld: %s: %s%s%s%s\n", file, (long long)line, (long long)column, severity, text,
                    pointer[0] == '\0' ? "" : " (at ", pointer, pointer[0] == '\0' ? "" : ")");
        }
    }
}

/* Why it is not ready, as /readyz says. */
static void print_checks(const json_t *checks)
{
    const char *name;
    json_t *check;
    json_object_foreach((json_t *)checks, name, check)
    {
        if (!json_is_true(json_object_get(check, "good"))) {
            fprintf(stderr, "mailweir: not ready: %s: %s\n", name, json_string_value(json_object_get(check, "reason")));
        }
    }
}

static int print_refusal(long status, struct bytes body)
{
    json_t *json = json_loadb((const char *)body.ptr, body.len, 0, NULL);
    const json_t *checks = json_object_get(json, "checks");
    if (checks != NULL) {
        print_checks(checks);
        json_decref(json);
        return EX_TEMPFAIL;
    }
    const char *text = json_string_value(json_object_get(json_object_get(json, "error"), "message"));
    print_mistakes(json_object_get(json, "problems"));
    if (text != NULL) {
        fprintf(stderr, "mailweir: %s\n", text);
    } else {
        fprintf(stderr, "mailweir: the gateway answered %ld and gave no reason\n", status);
    }
    bool usage = strcmp(document_member_text(json_object_get(json, "error"), "code"), "usage") == 0;
    json_decref(json);
    return status == 401 || status == 403   ? EX_NOPERM
           : status == 503 || status == 429 ? EX_TEMPFAIL
           : usage                          ? EX_USAGE
                                            : 1;
}

static void prepare_request(struct cli_api *api, const char *path, const char *body, long seconds)
{
    struct buf url;
    buf_init(&url, 65536);
    buf_printf(&url, "%s%s", api->origin, path);
    curl_easy_setopt(api->curl, CURLOPT_URL, buf_text(&url));
    buf_done(&url);
    curl_easy_setopt(api->curl, CURLOPT_TIMEOUT, seconds);
    if (body == NULL) {
        curl_easy_setopt(api->curl, CURLOPT_HTTPGET, 1L);
    } else {
        curl_easy_setopt(api->curl, CURLOPT_POST, 1L);
        curl_easy_setopt(api->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        curl_easy_setopt(api->curl, CURLOPT_POSTFIELDS, body);
    }
}

static int perform(struct cli_api *api, const char *path, const char *body, long seconds)
{
    prepare_request(api, path, body, seconds);
    return (int)curl_easy_perform(api->curl);
}

static int finish_request(struct cli_api *api, int code, struct bytes body)
{
    long status = 0;
    if (code != CURLE_OK) {
        return unreachable(api, (CURLcode)code);
    }
    curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &status);
    return status == 200 ? 0 : print_refusal(status, body);
}

static bool is_limited(struct cli_api *api)
{
    long status = 0;
    curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &status);
    return status == 429;
}

/* One that was refused by the rate limit was not looked at: it is asked again. */
static int perform_patiently(struct cli_api *api, const char *path, const char *body, struct buf *out)
{
    const struct timespec pause = {.tv_nsec = BUSY_MS * 1000000L};
    int code = perform(api, path, body, CALL_SECONDS);
    for (int i = 0; i < BUSY_TRIES && code == CURLE_OK && is_limited(api); i++) {
        buf_clear(out);
        nanosleep(&pause, NULL);
        code = perform(api, path, body, CALL_SECONDS);
    }
    return code;
}

static int exchange(struct cli_api *api, const char *path, const char *body, struct buf *out)
{
    curl_easy_setopt(api->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, out);
    int code = perform_patiently(api, path, body, out);
    return finish_request(api, code, buf_bytes(out));
}

static void clean_text(json_t *text)
{
    struct bytes rest = bytes_at(json_string_value(text), json_string_length(text));
    struct buf out;
    bool differs = false;
    buf_init(&out, rest.len + 1);
    while (rest.len > 0) {
        size_t unprintable = bytes_unprintable(rest);
        bool control = rest.ptr[0] < 0x20 && rest.ptr[0] != '\n' && rest.ptr[0] != '\t';
        bool bad = unprintable > 0 || control || rest.ptr[0] == 0x7F;
        buf_append_octet(&out, bad ? '?' : rest.ptr[0]);
        differs = differs || bad;
        rest = bytes_from(rest, unprintable > 0 ? unprintable : 1);
    }
    if (differs) {
        json_string_setn(text, buf_text(&out), out.len);
    }
    buf_done(&out);
}

/* As deep as jansson lets a text be. */
void cli_api_clean(json_t *json)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_string(json)) {
        clean_text(json);
    } else if (json_is_array(json)) {
        json_array_foreach(json, i, item)
        {
            cli_api_clean(item);
        }
    } else if (json_is_object(json)) {
        json_object_foreach(json, key, item)
        {
            cli_api_clean(item);
        }
    }
}

int cli_api_call(struct cli_api *api, const char *path, const json_t *body, json_t **answer_r)
{
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    buf_clear(&api->body);
    int result = exchange(api, path, text, &api->body);
    free(text);
    struct bytes answer = buf_bytes(&api->body);
    json_t *json = json_loadb((const char *)answer.ptr, answer.len, 0, NULL);
    cli_api_clean(json);
    if (result != 0) {
        if (json_object_get(json, "checks") != NULL) {
            *answer_r = json_incref(json);
        }
        json_decref(json);
        return result;
    }
    if (json == NULL) {
        fprintf(stderr, "mailweir: %s: the answer is not JSON: another program seems to listen there\n", api->label);
        return EX_PROTOCOL;
    }
    *answer_r = json;
    return 0;
}

int cli_api_ask(const char *config, const char *path, const json_t *body, json_t **answer_r)
{
    struct cli_api *api = cli_api_open(config);
    int exit_code = api == NULL ? EX_CONFIG : cli_api_call(api, path, body, answer_r);
    cli_api_close(&api);
    return exit_code;
}

int cli_api_command(const struct cli_command *command, int argc, char **argv, struct cli_api_question *question)
{
    const char *file = NULL;
    const struct cli_option options[] = {CLI_OPTION_CONFIG(&file),
                                         {.name = "json", .flag = &question->as_json, .help = question->json_help},
                                         {.name = NULL}};
    int exit_code;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    return cli_api_ask(file, question->path, question->body, &question->answer);
}

struct sink {
    struct cli_api *api;
    int (*fn)(void *ctx, struct bytes piece);
    void *ctx;
    bool stopped;
};

/* An error's text is kept, anything else handed on. */
static size_t on_piece(char *data, size_t one, size_t len, void *ctx)
{
    struct sink *sink = ctx;
    long status = 0;
    (void)one;
    curl_easy_getinfo(sink->api->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        return buf_append(&sink->api->body, data, len) < 0 ? 0 : len;
    }
    sink->stopped = sink->fn(sink->ctx, bytes_at(data, len)) != 0;
    return sink->stopped ? 0 : len;
}

int cli_api_stream(struct cli_api *api, const char *path, int (*fn)(void *ctx, struct bytes piece), void *ctx)
{
    struct sink sink = {.api = api, .fn = fn, .ctx = ctx};
    buf_clear(&api->body);
    curl_easy_setopt(api->curl, CURLOPT_WRITEFUNCTION, on_piece);
    curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, &sink);
    int code = perform_patiently(api, path, NULL, &api->body);
    return sink.stopped ? 0 : finish_request(api, code, buf_bytes(&api->body));
}

/* ---- live streams ---- */

/* One line of the stream; false: the owner has enough. */
static bool take_line(struct cli_api *api, struct bytes line)
{
    if (bytes_starts_nocase(line, "event: ")) {
        snprintf(api->event, sizeof api->event, "%.*s", (int)line.len - 7, (const char *)line.ptr + 7);
    } else if (bytes_starts_nocase(line, "data: ")) {
        char *data = expect_memory(strndup((const char *)line.ptr + 6, line.len - 6));
        bool more = api->fn(api->ctx, api->event, data);
        free(data);
        return more;
    }
    return true;
}

static size_t on_stream(char *data, size_t one, size_t len, void *ctx)
{
    struct cli_api *api = ctx;
    ptrdiff_t end;
    (void)one;
    if (buf_append(&api->body, data, len) < 0) {
        return 0;
    }
    while ((end = bytes_find_octet(buf_bytes(&api->body), '\n')) >= 0) {
        bool more = take_line(api, bytes_slice(buf_bytes(&api->body), 0, (size_t)end));
        buf_consume(&api->body, (size_t)end + 1);
        if (!more) {
            return 0;
        }
    }
    return len;
}

/* What is ready on standard input is heard at once, not with the next event: keys must not feel slow. */
static int perform_beside_keys(struct cli_api *api, cli_api_keys_fn *keys)
{
    struct curl_waitfd input = {.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN};
    CURLM *multi = expect_memory(curl_multi_init());
    int running = 1, left = 0, code = CURLE_OK;
    curl_multi_add_handle(multi, api->curl);
    while (curl_multi_perform(multi, &running) == CURLM_OK && running > 0) {
        curl_multi_poll(multi, &input, keys != NULL ? 1 : 0, FOLLOW_POLL_MS, NULL);
        if (input.revents != 0 && !keys(api->ctx)) {
            code = CURLE_WRITE_ERROR; /* as when an event was the last one */
            break;
        }
        input.revents = 0;
    }
    CURLMsg *message = curl_multi_info_read(multi, &left);
    if (message != NULL && message->msg == CURLMSG_DONE) {
        code = (int)message->data.result;
    }
    curl_multi_remove_handle(multi, api->curl);
    curl_multi_cleanup(multi);
    return code;
}

int cli_api_follow(struct cli_api *api, const char *path, cli_api_event_fn *fn, cli_api_keys_fn *keys, void *ctx)
{
    long status = 0;
    buf_clear(&api->body);
    api->fn = fn;
    api->ctx = ctx;
    curl_easy_setopt(api->curl, CURLOPT_WRITEFUNCTION, on_stream);
    curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, api);
    prepare_request(api, path, NULL, 0);
    int code = perform_beside_keys(api, keys);
    curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200 && code == CURLE_WRITE_ERROR) {
        return 0; /* it was us who ended it */
    }
    return finish_request(api, code, buf_bytes(&api->body));
}

/*
 * cli_login - see cli_login.h.
 */
#include "cli/cli_login.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/expect.h"
#include "base/units.h"
#include "document/document_member.h"
#include "net/net_file.h"
#include "net/net_hash.h"
#include "net/net_loop.h"

#define ANSWER_MAX   ((size_t)64 << 10)
#define SECONDS_MAX  30L
#define INTERVAL_S   5 /* RFC 8628 section 3.2 */
#define REQUEST_MAX  ((size_t)16 << 10)
#define VERIFIER_LEN 32 /* octets; 43 characters in base64url (RFC 7636 section 4.1) */

struct login {
    const struct config_upstream *upstream;
    const char *device, *authorize, *scope;
    CURL *curl;
    struct buf form;
};

/* What the profiles' providers have. */
static const struct {
    const char *profile, *device, *authorize, *scope;
} providers[] = {
    {"microsoft365", "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode", NULL,
     "https://outlook.office.com/IMAP.AccessAsUser.All offline_access"},
    {"gmail", NULL, "https://accounts.google.com/o/oauth2/v2/auth", "https://mail.google.com/"},
};

/* ---- HTTP ---- */

static void append_field(struct login *login, struct buf *out, const char *name, const char *value)
{
    char *escaped = value != NULL ? curl_easy_escape(login->curl, value, 0) : NULL;
    if (escaped != NULL) {
        buf_printf(out, "%s%s=%s", out->len > 0 ? "&" : "", name, escaped);
    }
    curl_free(escaped);
}

static size_t on_answer(char *data, size_t size, size_t count, void *ctx)
{
    return buf_append(ctx, data, size * count) < 0 ? 0 : size * count;
}

/* Posts login->form; the answer as JSON, or NULL, which is told. */
static json_t *post_login(struct login *login, const char *address)
{
    CURL *curl = login->curl;
    struct buf answer;
    buf_init(&answer, ANSWER_MAX);
    curl_easy_setopt(curl, CURLOPT_URL, address);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, buf_text(&login->form));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, SECONDS_MAX);
    if (login->upstream->token.ca_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, login->upstream->token.ca_file);
    }
    CURLcode code = curl_easy_perform(curl);
    json_t *json = NULL;
    if (code != CURLE_OK) {
        fprintf(stderr, "%s: %s\n", address, curl_easy_strerror(code));
    } else if ((json = json_loadb((const char *)buf_bytes(&answer).ptr, answer.len, 0, NULL)) == NULL) {
        fprintf(stderr, "the answer of %s is not JSON\n", address);
    }
    buf_wipe(&answer);
    return json;
}

static int tell_refusal(const json_t *answer)
{
    fprintf(stderr, "the provider refuses the login: %s%s%s\n", document_member_text(answer, "error"),
            document_member_text(answer, "error_description")[0] != '\0' ? ": " : "",
            document_member_text(answer, "error_description"));
    return 1;
}

/* Keeps the refresh token of an answer of the token endpoint. */
static int keep_login(const struct login *login, const json_t *answer)
{
    const char *file = login->upstream->token.refresh_file, *text = document_member_text(answer, "refresh_token");
    struct fault fault = FAULT_INIT;
    if (text[0] == '\0' && document_member_text(answer, "error")[0] != '\0') {
        return tell_refusal(answer);
    }
    if (text[0] == '\0') {
        fprintf(stderr, "the provider gave no refresh token: the scope must ask for one (Microsoft: offline_access), "
                        "and the application must be registered as a desktop or device application\n");
        return 1;
    }
    if (net_file_replace(file, bytes_of(text), &fault) < 0) {
        fprintf(stderr, "the refresh token cannot be written to %s: %s\n", file, fault.text);
        return EX_CANTCREAT;
    }
    printf("The refresh token of \"%s\" is saved in %s.\nTo test the login: mailweir upstreams %s\n",
           login->upstream->name, file, login->upstream->name);
    return EX_OK;
}

static void begin_form(struct login *login)
{
    const struct upstream_token_options *token = &login->upstream->token;
    buf_clear(&login->form);
    append_field(login, &login->form, "client_id", token->client_id);
}

/* ---- the device grant (RFC 8628) ---- */

static int wait_for_device(struct login *login, const json_t *device)
{
    json_int_t interval = json_integer_value(json_object_get(device, "interval"));
    interval = json_is_integer(json_object_get(device, "interval")) ? interval : INTERVAL_S;
    for (;;) {
        sleep((unsigned)interval);
        begin_form(login);
        append_field(login, &login->form, "client_secret", login->upstream->token.client_secret);
        append_field(login, &login->form, "grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        append_field(login, &login->form, "device_code", document_member_text(device, "device_code"));
        json_t *answer = post_login(login, login->upstream->token.endpoint);
        const char *error = document_member_text(answer, "error");
        bool slow = strcmp(error, "slow_down") == 0;
        if (answer != NULL && !slow && strcmp(error, "authorization_pending") != 0) {
            int result = keep_login(login, answer);
            json_decref(answer);
            return result;
        }
        interval += slow ? INTERVAL_S : 0; /* section 3.5 */
        json_decref(answer);
        if (answer == NULL) {
            return 1;
        }
    }
}

static int by_device(struct login *login)
{
    begin_form(login);
    append_field(login, &login->form, "scope", login->scope);
    json_t *device = post_login(login, login->device);
    if (device == NULL) {
        return 1;
    }
    int result;
    if (document_member_text(device, "device_code")[0] == '\0') {
        result = tell_refusal(device);
    } else {
        const char *where = document_member_text(device, "verification_uri");
        printf("Open %s in any browser, enter the code %s and log in as %s.\nWaiting ...\n",
               where[0] != '\0' ? where : document_member_text(device, "verification_url"),
               document_member_text(device, "user_code"), login->upstream->username);
        fflush(stdout);
        result = wait_for_device(login, device);
    }
    json_decref(device);
    return result;
}

/* ---- authorization code with PKCE (RFC 7636) over a loopback redirect (RFC 8252 section 7.3) ---- */

static void append_base64url(struct buf *out, struct bytes octets)
{
    size_t start = out->len;
    units_base64_encode(out, octets);
    for (size_t i = start; i < out->len; i++) {
        uint8_t *c = out->storage + out->start + i;
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
    while (out->len > start && buf_bytes(out).ptr[out->len - 1] == '=') {
        buf_truncate(out, out->len - 1);
    }
}

static void append_secret(struct buf *out)
{
    uint8_t octets[VERIFIER_LEN];
    net_random(octets, sizeof octets);
    append_base64url(out, bytes_at(octets, sizeof octets));
}

static int listen_here(unsigned *port_r)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        perror("cannot listen on loopback for the browser's answer");
        return -1;
    }
    *port_r = ntohs(address.sin_port);
    return fd;
}

/* One request of the browser: its first line, in text. */
static void read_request(int client, struct buf *text)
{
    char piece[2048];
    ssize_t len;
    buf_clear(text);
    while (bytes_find(buf_bytes(text), bytes_of("\r\n")) < 0 && (len = read(client, piece, sizeof piece)) > 0 &&
           buf_append(text, piece, (size_t)len) == 0) {
    }
}

static void answer_browser(int client, const char *words)
{
    char text[600];
    int len =
        snprintf(text, sizeof text,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: "
                 "%zu\r\n\r\n%s",
                 strlen(words), words);
    (void)!write(client, text, (size_t)len);
}

/* "name" of the query in "GET /?a=b&c=d HTTP/1.1", decoded; NULL when it is not there. The caller gives it to
 * curl_free(). */
static char *query_value(CURL *curl, struct bytes line, const char *name)
{
    bytes_cut(&line, '?');
    struct bytes query = bytes_cut(&line, ' ');
    while (query.len > 0) {
        struct bytes value = bytes_cut(&query, '&');
        struct bytes key = bytes_cut(&value, '=');
        if (bytes_is(key, name)) {
            return curl_easy_unescape(curl, (const char *)value.ptr, (int)value.len, NULL);
        }
    }
    return NULL;
}

/* Waits for the browser's answer to our question: state tells it from anybody else's. NULL: it was refused, which is
 * told. */
static char *wait_for_code(struct login *login, int fd, const char *state)
{
    struct buf text;
    char *code = NULL, *error = NULL;
    buf_init(&text, REQUEST_MAX);
    while (code == NULL && error == NULL) {
        int client = accept(fd, NULL, NULL);
        if (client < 0) {
            break;
        }
        read_request(client, &text);
        struct bytes rest = buf_bytes(&text), line = bytes_cut(&rest, '\r');
        char *said = query_value(login->curl, line, "state");
        if (said != NULL && strcmp(said, state) == 0) {
            code = query_value(login->curl, line, "code");
            error = query_value(login->curl, line, "error");
        }
        answer_browser(client, code != NULL ? "Done. You may close this window; mailweir continues.\n"
                                            : "This is not the answer that mailweir is waiting for.\n");
        curl_free(said);
        close(client);
    }
    if (code == NULL) {
        fprintf(stderr, "the provider refuses the login: %s\n", error != NULL ? error : "no answer");
    }
    curl_free(error);
    buf_wipe(&text);
    return code;
}

static void print_address(struct login *login, const char *redirect, const char *state, struct bytes verifier)
{
    uint8_t digest[NET_HASH_MAX];
    struct buf challenge;
    buf_init(&challenge, 100);
    net_hash_digest(NET_HASH_SHA_256, verifier, digest);
    append_base64url(&challenge, bytes_at(digest, net_hash_size(NET_HASH_SHA_256)));
    begin_form(login);
    append_field(login, &login->form, "response_type", "code");
    append_field(login, &login->form, "redirect_uri", redirect);
    append_field(login, &login->form, "scope", login->scope);
    append_field(login, &login->form, "state", state);
    append_field(login, &login->form, "code_challenge", buf_text(&challenge));
    append_field(login, &login->form, "code_challenge_method", "S256");
    append_field(login, &login->form, "login_hint", login->upstream->username);
    append_field(login, &login->form, "access_type", "offline"); /* Google gives a refresh token for these two alone */
    append_field(login, &login->form, "prompt", "consent");
    printf("Open this address in a browser on this machine and log in as %s:\n\n%s?%s\n\nWaiting ...\n",
           login->upstream->username, login->authorize, buf_text(&login->form));
    fflush(stdout);
    buf_done(&challenge);
}

static int change_code(struct login *login, const char *code, const char *redirect, const char *verifier)
{
    begin_form(login);
    append_field(login, &login->form, "client_secret", login->upstream->token.client_secret);
    append_field(login, &login->form, "grant_type", "authorization_code");
    append_field(login, &login->form, "code", code);
    append_field(login, &login->form, "redirect_uri", redirect);
    append_field(login, &login->form, "code_verifier", verifier);
    json_t *answer = post_login(login, login->upstream->token.endpoint);
    int result = answer == NULL ? 1 : keep_login(login, answer);
    json_decref(answer);
    return result;
}

static int by_browser(struct login *login)
{
    struct buf verifier, state;
    char redirect[64];
    unsigned port;
    int fd = listen_here(&port);
    if (fd < 0) {
        return EX_OSERR;
    }
    buf_init(&verifier, 100);
    buf_init(&state, 100);
    append_secret(&verifier);
    append_secret(&state);
    snprintf(redirect, sizeof redirect, "http://127.0.0.1:%u/", port);
    print_address(login, redirect, buf_text(&state), buf_bytes(&verifier));
    char *code = wait_for_code(login, fd, buf_text(&state));
    close(fd);
    int result = code == NULL ? 1 : change_code(login, code, redirect, buf_text(&verifier));
    curl_free(code);
    buf_wipe(&verifier);
    buf_done(&state);
    return result;
}

/* ---- the command ---- */

static const struct config_upstream *find_login(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->upstreams.count; i++) {
        if (strcmp(config_upstream_at(config, i)->name, name) == 0) {
            return config_upstream_at(config, i);
        }
    }
    return NULL;
}

/* What the operator says, else what the profile's provider has. */
static void find_endpoints(struct login *login)
{
    const struct config_upstream *upstream = login->upstream;
    const char *profile = upstream_profile_at(upstream->profile)->name;
    login->device = upstream->device_endpoint;
    login->authorize = upstream->authorization_endpoint;
    login->scope = upstream->token.scope;
    bool own = login->device != NULL || login->authorize != NULL;
    for (size_t i = 0; i < sizeof providers / sizeof providers[0]; i++) {
        if (strcmp(providers[i].profile, profile) == 0) {
            login->device = own ? login->device : providers[i].device;
            login->authorize = own ? login->authorize : providers[i].authorize;
            login->scope = login->scope != NULL ? login->scope : providers[i].scope;
        }
    }
}

int cli_login(const struct config *config, const char *name)
{
    struct login login = {.upstream = find_login(config, name)};
    if (login.upstream == NULL) {
        fprintf(stderr, "there is no upstream \"%s\" in the configuration\n", name);
        return EX_USAGE;
    }
    if (login.upstream->token.refresh_file == NULL) {
        fprintf(stderr,
                "upstream \"%s\" has no \"refresh_token_file\" in \"auth\": {\"oauth2\": ...}: name a file there to "
                "keep the token in\n",
                name);
        return EX_CONFIG;
    }
    find_endpoints(&login);
    if (login.device == NULL && login.authorize == NULL) {
        fprintf(stderr,
                "upstream \"%s\" names neither \"device_endpoint\" nor \"authorization_endpoint\", and its profile has "
                "no default for them\n",
                name);
        return EX_CONFIG;
    }
    login.curl = expect_memory(curl_easy_init());
    buf_init(&login.form, ANSWER_MAX);
    int result = login.device != NULL ? by_device(&login) : by_browser(&login);
    buf_wipe(&login.form);
    curl_easy_cleanup(login.curl);
    return result;
}

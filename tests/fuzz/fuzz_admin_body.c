/*
 * fuzz_admin_body - the admin server of a whole gateway, asked anything: the first line is the method and the path with its query, the rest the body. Each
 * request has one answer, that is HTTP and no fault of our own (500); what says that it is JSON is; and the gateway lives on.
 *
 * The gateway runs on a thread of its own, with a spool in memory and an upstream that is not there.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "admin/admin.h"
#include "base/expect.h"
#include "daemon/gateway.h"
#include "fuzz_folder.h"
#include "store/local/local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ANSWER_MAX ((size_t)8 << 20)

static char folder[FUZZ_FOLDER_MAX];

static void *run(void *loop)
{
    net_loop_run(loop);
    return NULL;
}

static struct config *make_config(void)
{
    char path[150];
    snprintf(path, sizeof path, "%s/mailweir.json", folder);
    FILE *file = fopen(path, "w");
    EXPECT(file != NULL);
    fprintf(file,
            "{\"hostname\": \"gw.example\", \"listeners\": [{\"name\": \"in\", \"address\": \"unix:%s/in\"}],"
            "\"upstreams\": {\"corp\": {\"address\": \"unix:%s/none\", \"tls\": {\"mode\": \"none\"},"
            "\"auth\": {\"username\": \"u\", \"password\": \"p\"}}}, \"spool\": {\"path\": \"%s/spool\"},"
            "\"default\": {\"upstream\": \"corp\"}, \"log\": {\"level\": \"error\"},"
            "\"admin\": {\"address\": \"unix:%s/admin\", \"max_requests\": 100000}}",
            folder, folder, folder, folder);
    fclose(file);
    struct problems *problems = problems_new();
    struct config *config = config_load(path, problems);
    for (size_t i = 0; config == NULL && i < problems_count(problems); i++) {
        fprintf(stderr, "%s\n", problems_at(problems, i)->text);
    }
    EXPECT(config != NULL);
    problems_free(&problems);
    return config;
}

static struct gateway *gateway;
static struct admin *admin;

static void start(void)
{
    struct net_loop *loop = net_loop_new();
    struct fault fault = FAULT_INIT;
    pthread_t thread;
    fuzz_folder_make(folder, "admin");
    struct config *config = make_config();
    const struct gateway_stores stores = {.queue = &local_store};
    if (gateway_open(&gateway, loop, &stores, &config, NULL, &fault) != 0 ||
        admin_open(&admin, loop, gateway, &fault) != 0) {
        fprintf(stderr, "%s\n", fault.text);
        abort();
    }
    gateway_start(gateway);
    EXPECT(pthread_create(&thread, NULL, run, loop) == 0);
}

static int reach(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = 20};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/admin", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    return fd;
}

/* Octets that would be another request, or none, for HTTP itself: the library's, not ours. */
static bool is_request(struct bytes line)
{
    size_t blanks = 0;
    for (size_t i = 0; i < line.len; i++) {
        blanks += line.ptr[i] == ' ';
        if (line.ptr[i] < ' ' || line.ptr[i] >= 0x7F) {
            return false;
        }
    }
    return blanks == 1 && line.len < 4000 && line.ptr[0] != ' ' && memmem(line.ptr, line.len, " /", 2) != NULL &&
           memmem(line.ptr, line.len, "/events", 7) == NULL && memmem(line.ptr, line.len, "/traces", 7) == NULL &&
           memmem(line.ptr, line.len, "HEAD ", 5) == NULL && memmem(line.ptr, line.len, "CONNECT ", 8) == NULL;
}

static void check_answer(struct buf *answer, struct bytes line)
{
    const char *text = buf_text(answer), *body = strstr(text, "\r\n\r\n");
    bool good = strncmp(text, "HTTP/1.1 ", 9) == 0 && body != NULL && strncmp(text + 9, "500", 3) != 0;
    if (!good) {
        fprintf(stderr, "%.*s: %.300s\n", (int)line.len, (const char *)line.ptr, text);
        abort();
    }
    if (strcasestr(text, "Content-Type: application/json") != NULL && strcasestr(text, "chunked") == NULL) {
        json_t *json = json_loads(body + 4, JSON_DECODE_ANY, NULL);
        EXPECT(json != NULL);
        json_decref(json);
    }
}

/* libFuzzer's clock is a signal: calls are made again. */
static void ask(struct bytes line, struct bytes body)
{
    struct buf talk;
    int fd = reach();
    buf_init(&talk, ANSWER_MAX);
    buf_append_bytes(&talk, line);
    buf_printf(&talk,
               " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
               "%zu\r\n\r\n",
               body.len);
    buf_append_bytes(&talk, body);
    for (size_t sent = 0; sent < talk.len;) { /* it may answer before it has read all */
        ssize_t now = TEMP_FAILURE_RETRY(send(fd, buf_bytes(&talk).ptr + sent, talk.len - sent, MSG_NOSIGNAL));
        if (now <= 0) {
            break;
        }
        sent += (size_t)now;
    }
    buf_clear(&talk);
    static char piece[1 << 16];
    ssize_t got;
    while ((got = TEMP_FAILURE_RETRY(recv(fd, piece, sizeof piece, 0))) > 0) {
        EXPECT(buf_append(&talk, piece, (size_t)got) == 0);
    }
    EXPECT(got == 0 || errno == ECONNRESET);
    close(fd);
    check_answer(&talk, line);
    buf_done(&talk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (gateway == NULL) {
        start();
    }
    struct bytes rest = bytes_at(data, size), line = bytes_cut(&rest, '\n');
    if (is_request(line)) {
        ask(line, rest.ptr == NULL ? bytes_of("") : rest);
    }
    return 0;
}

/*
 * bench_generator - sends messages by SMTP over many sessions on one libuv loop, as fast as the other side takes them or so many a second, and says how long
 * each waited between its end of data and the reply. It costs a tenth of what smtp-source does, and so is not what is measured.
 *
 * usage: bench_generator PORT SESSIONS MESSAGES OCTETS [RATE [LOG]]
 *   RATE: messages a second that are due at even times, whoever is free (0: each session sends the next as soon as it can). A message that waits for a free
 *         session waits from the time when it was due.
 *   LOG:  a file that gets a line for each message: its number, when it was due, when its data ended and when the reply came, in wall-clock microseconds
 * Each message says its number in X-Bench. Prints one JSON object.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <uv.h>

enum phase { GREETING, HELLO, IDLE, MAIL, RCPT, DATA, END };

struct session {
    uv_tcp_t tcp;
    uv_connect_t connecting;
    uv_write_t writing;
    enum phase phase;
    size_t message, line_len;
    char line[512];
    int64_t due_us, ended_us;
};

static struct {
    uv_loop_t loop;
    uv_timer_t tick;
    struct sockaddr_in address;
    struct session *sessions;
    size_t session_count, count, octets, begun, done, refused;
    double rate;
    int64_t began_us, wall_offset_us;
    int64_t *waits; /* from the end of data, microseconds */
    int64_t *since_due;
    char *data; /* all but the number */
    size_t data_len;
    FILE *log;
} g;

static int64_t now_us(void)
{
    return (int64_t)(uv_hrtime() / 1000);
}

static void die(const char *what, int code)
{
    fprintf(stderr, "bench_generator: %s: %s\n", what, code < 0 ? uv_strerror(code) : "");
    exit(1);
}

static void on_written(uv_write_t *write, int status)
{
    (void)write;
    if (status < 0) {
        die("write", status);
    }
}

static void say(struct session *session, const char *head, const char *rest, size_t rest_len)
{
    uv_buf_t pieces[2] = {uv_buf_init((char *)(uintptr_t)head, (unsigned)strlen(head)),
                          uv_buf_init((char *)(uintptr_t)rest, (unsigned)rest_len)};
    int tried = uv_try_write((uv_stream_t *)&session->tcp, pieces, rest_len > 0 ? 2 : 1);
    size_t all = pieces[0].len + rest_len, done = tried < 0 ? 0 : (size_t)tried;
    if (tried < 0 && tried != UV_EAGAIN) {
        die("write", tried);
    }
    if (done < all) { /* all octets that are said later live on: the data, and texts that are constant */
        uv_buf_t left = done < pieces[0].len
                            ? pieces[0]
                            : uv_buf_init(pieces[1].base + (done - pieces[0].len), (unsigned)(all - done));
        if (done < pieces[0].len) {
            die("the peer takes not even a line", 0);
        }
        uv_write(&session->writing, (uv_stream_t *)&session->tcp, &left, 1, on_written);
    }
}

static int64_t due_of(size_t message)
{
    return g.rate > 0 ? g.began_us + (int64_t)(1e6 * (double)message / g.rate) : now_us();
}

/* The next message, if one is due and left. */
static void begin(struct session *session)
{
    session->phase = IDLE;
    if (g.begun == g.count || (g.rate > 0 && due_of(g.begun) > now_us())) {
        return;
    }
    session->due_us = due_of(g.begun);
    session->message = g.begun++;
    session->phase = MAIL;
    say(session, "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n", NULL, 0);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    for (size_t i = 0; i < g.session_count && g.begun < g.count; i++) {
        if (g.sessions[i].phase == IDLE) {
            begin(&g.sessions[i]);
        }
    }
}

static void note_answer(struct session *session, bool good)
{
    int64_t now = now_us();
    g.waits[g.done] = now - session->ended_us;
    g.since_due[g.done] = now - session->due_us;
    g.done++;
    g.refused += !good;
    if (g.log != NULL) {
        fprintf(g.log, "%zu %" PRId64 " %" PRId64 " %" PRId64 " %d\n", session->message,
                session->due_us + g.wall_offset_us, session->ended_us + g.wall_offset_us, now + g.wall_offset_us, good);
    }
    if (g.done == g.count) {
        uv_stop(&g.loop);
    }
}

static void on_reply(struct session *session, char class)
{
    char number[64];
    switch (session->phase) {
    case GREETING:
        session->phase = HELLO;
        say(session, "EHLO bench\r\n", NULL, 0);
        return;
    case HELLO:
        begin(session);
        return;
    case MAIL:
        session->phase = RCPT;
        return;
    case RCPT:
        session->phase = DATA;
        return;
    case DATA:
        if (class != '3') {
            die(session->line, 0);
        }
        session->phase = END;
        session->ended_us = now_us();
        snprintf(number, sizeof number, "X-Bench: %zu\r\n", session->message);
        say(session, number, g.data, g.data_len);
        return;
    case END:
        note_answer(session, class == '2');
        begin(session);
        return;
    case IDLE:
        die(session->line, 0);
    }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *data)
{
    struct session *session = stream->data;
    if (got < 0) {
        die("read", (int)got);
    }
    for (ssize_t i = 0; i < got; i++) {
        if (session->line_len < sizeof session->line - 1) {
            session->line[session->line_len++] = data->base[i];
        }
        if (data->base[i] == '\n') {
            session->line[session->line_len] = '\0';
            bool last = session->line_len > 3 && session->line[3] != '-';
            session->line_len = 0;
            if (last) {
                on_reply(session, session->line[0]);
            }
        }
    }
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
    static char octets[65536];
    (void)handle, (void)wanted;
    *room = uv_buf_init(octets, sizeof octets);
}

static void on_connected(uv_connect_t *connecting, int status)
{
    struct session *session = connecting->data;
    if (status < 0) {
        die("connect", status);
    }
    uv_tcp_nodelay(&session->tcp, 1);
    uv_read_start((uv_stream_t *)&session->tcp, on_room, on_read);
}

static void make_data(void)
{
    static const char head[] = "From: a@example.com\r\nTo: b@example.net\r\nSubject: bench\r\n\r\n";
    g.data = calloc(1, g.octets + sizeof head + 100);
    g.data_len = (size_t)sprintf(g.data, "%s", head);
    while (g.data_len + 72 <= g.octets) {
        memset(g.data + g.data_len, 'x', 70);
        memcpy(g.data + g.data_len + 70, "\r\n", 2);
        g.data_len += 72;
    }
    memcpy(g.data + g.data_len, ".\r\n", 3);
    g.data_len += 3;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void tell_waits(const char *name, int64_t *waits)
{
    qsort(waits, g.done, sizeof *waits, compare);
    printf(", \"%s\": {\"p50\": %" PRId64 ", \"p99\": %" PRId64 ", \"p99.9\": %" PRId64 ", \"max\": %" PRId64 "}", name,
           waits[g.done / 2], waits[g.done * 99 / 100], waits[g.done * 999 / 1000], waits[g.done - 1]);
}

static void connect_all(void)
{
    for (size_t i = 0; i < g.session_count; i++) {
        struct session *session = &g.sessions[i];
        uv_tcp_init(&g.loop, &session->tcp);
        session->tcp.data = session->connecting.data = session;
        int code = uv_tcp_connect(&session->connecting, &session->tcp, (struct sockaddr *)&g.address, on_connected);
        if (code < 0) {
            die("connect", code);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: bench_generator PORT SESSIONS MESSAGES OCTETS [RATE [LOG]]\n");
        return 64;
    }
    g.session_count = strtoul(argv[2], NULL, 10);
    g.count = strtoul(argv[3], NULL, 10);
    g.octets = strtoul(argv[4], NULL, 10);
    g.rate = argc > 5 ? strtod(argv[5], NULL) : 0;
    g.log = argc > 6 ? fopen(argv[6], "w") : NULL;
    if (g.session_count == 0 || g.count == 0 || (argc > 6 && g.log == NULL)) {
        die(argc > 6 ? argv[6] : "nothing to do", 0);
    }
    g.sessions = calloc(g.session_count, sizeof *g.sessions);
    g.waits = calloc(g.count, sizeof *g.waits);
    g.since_due = calloc(g.count, sizeof *g.since_due);
    make_data();
    uv_loop_init(&g.loop);
    uv_timer_init(&g.loop, &g.tick);
    uv_ip4_addr("127.0.0.1", (int)strtol(argv[1], NULL, 10), &g.address);
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    g.began_us = now_us();
    g.wall_offset_us = (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000 - g.began_us;
    connect_all();
    if (g.rate > 0) {
        uv_timer_start(&g.tick, on_tick, 1, 1);
    }
    uv_run(&g.loop, UV_RUN_DEFAULT);
    double seconds = (double)(now_us() - g.began_us) / 1e6;
    printf("{\"messages\": %zu, \"refused\": %zu, \"seconds\": %.3f, \"rate\": %.1f", g.done, g.refused, seconds,
           (double)g.done / seconds);
    tell_waits("reply_us", g.waits);
    tell_waits("due_us", g.since_due);
    printf("}\n");
    if (g.log != NULL) {
        fclose(g.log);
    }
    return g.refused > 0;
}

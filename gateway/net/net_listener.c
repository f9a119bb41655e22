/*
 * net_listener - listening sockets; see net_stream.h.
 *
 * The path of a unix listener that was not closed properly is still there; it is taken over only when nobody answers on
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/expect.h"
#include "net/net_stream_private.h"

#define BACKLOG             511
#define SD_LISTEN_FDS_START 3

struct net_listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct net_loop *loop;
    struct net_stream_limits limits;
    net_accept_fn *fn;
    void *ctx;
    bool is_unix;
};

static void on_connection(uv_stream_t *uv, int status)
{
    struct net_listener *listener = uv->data;
    if (status != 0) {
        return; /* out of descriptors or memory: libuv has dropped the connection, later ones may come through */
    }
    struct net_stream *stream = net_stream_make(listener->loop, &listener->limits);
    struct net_socket *socket = net_socket_new(stream, listener->is_unix);
    if (uv_accept(uv, &socket->uv.stream) != 0) {
        net_socket_close(&socket);
        net_stream_free(&stream);
        return;
    }
    net_stream_attach(stream, socket, listener->is_unix);
    listener->fn(listener->ctx, stream);
}

int net_listener_refuse(struct fault *fault, const struct net_address *address, int status)
{
    char code[40], where[80];
    net_stream_uv_code(status, code);
    snprintf(where, sizeof where, address->is_unix || address->is_inherited ? "%.70s" : "%.70s:%u", address->host,
             address->port);
    fault_set(fault, FAULT_LOCAL, code, where, "cannot listen on %s: %s", where, uv_strerror(status));
    return -1;
}

int net_listener_is_served(const char *path)
{
    struct stat info;
    if (lstat(path, &info) != 0) {
        return 0;
    }
    if (!S_ISSOCK(info.st_mode)) {
        return UV_EEXIST;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.107s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    int served = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno != ECONNREFUSED;
    close(fd);
    return served;
}

static int bind_unix(struct net_listener *listener, const char *path)
{
    EXPECT(uv_pipe_init(&listener->loop->uv, &listener->uv.pipe, 0) == 0);
    int served = net_listener_is_served(path);
    if (served != 0) {
        return served < 0 ? served : UV_EADDRINUSE;
    }
    unlink(path);
    return uv_pipe_bind(&listener->uv.pipe, path);
}

/* Blocks while a name is looked up; configurations mostly have addresses here. */
static int find_address(struct net_loop *loop, const struct net_address *address, struct sockaddr_storage *found_r)
{
    if (uv_ip4_addr(address->host, address->port, (struct sockaddr_in *)found_r) == 0 ||
        uv_ip6_addr(address->host, address->port, (struct sockaddr_in6 *)found_r) == 0) {
        return 0;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    char port[8];
    snprintf(port, sizeof port, "%u", address->port);
    uv_getaddrinfo_t request;
    int status = uv_getaddrinfo(&loop->uv, &request, NULL, address->host, port, &hints);
    if (status == 0) {
        memcpy(found_r, request.addrinfo->ai_addr, request.addrinfo->ai_addrlen);
        uv_freeaddrinfo(request.addrinfo);
    }
    return status;
}

static int bind_tcp(struct net_listener *listener, const struct net_address *address)
{
    EXPECT(uv_tcp_init(&listener->loop->uv, &listener->uv.tcp) == 0);
    struct sockaddr_storage found = {0};
    int status = find_address(listener->loop, address, &found);
    return status != 0 ? status : uv_tcp_bind(&listener->uv.tcp, (const struct sockaddr *)&found, 0);
}

/* The descriptor of the passed socket of that name, or libuv's error (sd_listen_fds(3)). */
static int find_inherited(const char *name)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
    if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != (long)getpid()) {
        return UV_ENOENT;
    }
    struct bytes rest = bytes_of(names == NULL ? "" : names);
    for (long i = 0; i < strtol(count, NULL, 10); i++) {
        struct bytes one = bytes_cut(&rest, ':');
        /* Without names, there is one socket and no question. */
        if (bytes_is(one, name) || names == NULL) {
            return (int)(SD_LISTEN_FDS_START + i);
        }
    }
    return UV_ENOENT;
}

/* A copy of the descriptor, so that the listener can be closed and opened again. */
static int open_inherited(struct net_listener *listener, const char *name)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    int found = find_inherited(name);
    int fd = found < 0 ? found : fcntl(found, F_DUPFD_CLOEXEC, 0);
    if (found >= 0) {
        fcntl(found, F_SETFD, FD_CLOEXEC); /* programs that are run do not get it */
    }
    bool is_socket = fd >= 0 && getsockname(fd, (struct sockaddr *)&address, &len) == 0;
    listener->is_unix = address.ss_family == AF_UNIX;
    if (listener->is_unix) {
        EXPECT(uv_pipe_init(&listener->loop->uv, &listener->uv.pipe, 0) == 0);
        return uv_pipe_open(&listener->uv.pipe, fd);
    }
    EXPECT(uv_tcp_init(&listener->loop->uv, &listener->uv.tcp) == 0);
    return is_socket ? uv_tcp_open(&listener->uv.tcp, fd) : found < 0 ? found : UV_ENOTSOCK;
}

static int bind_any(struct net_listener *listener, const struct net_address *address)
{
    if (address->is_inherited) {
        return open_inherited(listener, address->host);
    }
    return address->is_unix ? bind_unix(listener, address->host) : bind_tcp(listener, address);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int net_listener_open(struct net_listener **listener_r, struct net_loop *loop, const struct net_address *address,
                      const struct net_stream_limits *limits, net_accept_fn *fn, void *ctx, struct fault *fault)
{
    NET_EXPECT_LOOP(loop);
    struct net_listener *listener = expect_calloc(1, sizeof *listener);
    listener->loop = loop;
    listener->limits = *limits;
    listener->fn = fn;
    listener->ctx = ctx;
    listener->is_unix = address->is_unix;
    int status = bind_any(listener, address);
    listener->uv.handle.data = listener;
    if (status == 0) {
        status = uv_listen(&listener->uv.stream, BACKLOG, on_connection);
    }
    if (status != 0) {
        uv_close(&listener->uv.handle, on_closed);
        return net_listener_refuse(fault, address, status);
    }
    *listener_r = listener;
    return 0;
}

uint16_t net_listener_port(const struct net_listener *listener)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    if (listener->is_unix || uv_tcp_getsockname(&listener->uv.tcp, (struct sockaddr *)&address, &len) != 0) {
        return 0;
    }
    return ntohs(address.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&address)->sin6_port
                                               : ((const struct sockaddr_in *)&address)->sin_port);
}

void net_listener_free(struct net_listener **listener)
{
    if (*listener == NULL) {
        return;
    }
    NET_EXPECT_LOOP((*listener)->loop);
    uv_close(&(*listener)->uv.handle, on_closed);
    *listener = NULL;
}

/*
 * net_poll - descriptors for libraries with their own sockets; see net_poll.h.
 */
#include "net/net_poll.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/expect.h"
#include "net/net_stream_private.h"

#define BACKLOG 128

struct net_poll {
    uv_poll_t uv;
    net_poll_fn *fn;
    void *ctx;
};

static void on_readable(uv_poll_t *uv, int status, int events)
{
    struct net_poll *poll = uv->data;
    (void)status; /* an error is the owner's to find when it looks */
    (void)events;
    poll->fn(poll->ctx);
}

struct net_poll *net_poll_new(struct net_loop *loop, int fd, net_poll_fn *fn, void *ctx)
{
    struct net_poll *poll = expect_calloc(1, sizeof *poll);
    poll->fn = fn;
    poll->ctx = ctx;
    EXPECT(uv_poll_init(&loop->uv, &poll->uv, fd) == 0);
    poll->uv.data = poll;
    EXPECT(uv_poll_start(&poll->uv, UV_READABLE, on_readable) == 0);
    return poll;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int net_poll_wait(int fd, bool writes, uint64_t milliseconds)
{
    struct pollfd wanted = {.fd = fd, .events = (short)(POLLIN | (writes ? POLLOUT : 0))};
    int most = milliseconds > INT_MAX ? INT_MAX : (int)milliseconds;
    int result = poll(&wanted, 1, most);
    return result < 0 && errno == EINTR ? 1 : result;
}

void net_poll_host(char *into, size_t size)
{
    if (gethostname(into, size) != 0 || into[0] == '\0') {
        snprintf(into, size, "localhost");
    }
    into[size - 1] = '\0';
}

void net_poll_free(struct net_poll **poll)
{
    if (*poll == NULL) {
        return;
    }
    uv_close((uv_handle_t *)&(*poll)->uv, on_closed);
    *poll = NULL;
}

/* ---- listening ---- */

static int bind_unix(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int served = net_listener_is_served(path);
    if (served != 0) {
        return served < 0 ? served : -EADDRINUSE;
    }
    if (strlen(path) >= sizeof address.sun_path) {
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    /* Nobody can connect before listen(), so the mode is right from the first connection on. */
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || chmod(path, 0660) != 0) {
        return -errno;
    }
    return 0;
}

static int open_unix(const char *path, int *fd_r)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int status = fd < 0 ? -errno : bind_unix(fd, path);
    if (status != 0 && fd >= 0) {
        close(fd);
    }
    *fd_r = status == 0 ? fd : -1;
    return status;
}

static int open_found(const struct addrinfo *found, int *fd_r)
{
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0) {
        int status = -errno;
        close(fd);
        return status;
    }
    *fd_r = fd;
    return 0;
}

static int open_tcp(const struct net_address *address, int *fd_r)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    char port[8];
    snprintf(port, sizeof port, "%u", address->port);
    if (getaddrinfo(address->host, port, &hints, &found) != 0) {
        return UV_EAI_NONAME;
    }
    int status = open_found(found, fd_r);
    freeaddrinfo(found);
    return status;
}

int net_poll_listen(const struct net_address *address, int *fd_r, struct fault *fault)
{
    int fd = -1;
    int status = address->is_unix ? open_unix(address->host, &fd) : open_tcp(address, &fd);
    if (status == 0 && listen(fd, BACKLOG) != 0) {
        status = -errno;
        close(fd);
    }
    if (status != 0) {
        return net_listener_refuse(fault, address, status);
    }
    *fd_r = fd;
    return 0;
}

uint16_t net_poll_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 || address.ss_family == AF_UNIX) {
        return 0;
    }
    return ntohs(address.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&address)->sin6_port
                                               : ((const struct sockaddr_in *)&address)->sin_port);
}

void net_poll_close(const struct net_address *address, int fd)
{
    if (fd >= 0) {
        close(fd);
    }
    if (fd >= 0 && address->is_unix) {
        unlink(address->host);
    }
}

void net_poll_peer(int fd, char *into, size_t size)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof address;
    bool known = getpeername(fd, (struct sockaddr *)&address, &len) == 0 &&
                 (address.ss_family == AF_INET || address.ss_family == AF_INET6) &&
                 uv_ip_name((struct sockaddr *)&address, into, size) == 0;
    if (!known) {
        snprintf(into, size, "unix");
    }
}

void net_poll_shut(int fd)
{
    shutdown(fd, SHUT_RDWR);
}

/* ---- notifications ---- */

int net_poll_notify(const char *path, const char *text)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
        return -1;
    }
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') {
        address.sun_path[0] = '\0'; /* an abstract address has no end but its length */
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    ssize_t sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
    close(fd);
    return sent == (ssize_t)strlen(text) ? 0 : -1;
}

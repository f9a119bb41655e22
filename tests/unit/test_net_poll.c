/* net_poll: watching a descriptor, sockets for others, notifications. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/net_poll.h"
#include "test.h"

static char folder[] = "/tmp/net_poll.XXXXXX";
static char path[64];

struct watch {
    struct net_loop *loop;
    int fd;
    int calls;
};

static void on_readable(void *ctx)
{
    struct watch *watch = ctx;
    char octet;
    if (++watch->calls == 2) {
        assert_int_equal(read(watch->fd, &octet, 1), 1);
        net_loop_stop(watch->loop);
    }
}

static void a_watch_comes_as_long_as_there_is_something(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct watch watch = {.loop = net_loop_new(), .fd = fds[0]};
    struct net_poll *poll = net_poll_new(watch.loop, fds[0], on_readable, &watch);
    assert_int_equal(write(fds[1], "x", 1), 1);
    net_loop_run(watch.loop);
    assert_int_equal(watch.calls, 2);
    net_poll_free(&poll);
    assert_null(poll);
    net_poll_free(&poll);
    net_loop_free(&watch.loop);
    close(fds[0]);
    close(fds[1]);
}

static int listen_at(const char *text, struct net_address *address_r, int *fd_r, struct fault *fault)
{
    assert_int_equal(net_address_parse(address_r, bytes_of(text), fault), 0);
    return net_poll_listen(address_r, fd_r, fault);
}

static void a_unix_socket_is_private_and_goes_with_its_owner(void **state)
{
    (void)state;
    struct net_address address;
    struct fault fault = FAULT_INIT;
    struct stat info;
    int fd, other;
    char text[80];
    snprintf(text, sizeof text, "unix:%s", path);
    assert_int_equal(listen_at(text, &address, &fd, &fault), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0660);
    assert_int_equal(net_poll_port(fd), 0);
    assert_int_equal(listen_at(text, &address, &other, &fault), -1);
    assert_string_equal(fault.code, "eaddrinuse");
    close(fd); /* as after a crash: the path stays, nobody answers */
    assert_int_equal(listen_at(text, &address, &fd, &fault), 0);
    net_poll_close(&address, fd);
    assert_int_equal(stat(path, &info), -1);
}

static void a_tcp_socket_takes_a_free_port(void **state)
{
    (void)state;
    struct net_address address;
    struct fault fault = FAULT_INIT;
    int fd, other;
    char text[40];
    assert_int_equal(listen_at("127.0.0.1:0", &address, &fd, &fault), 0);
    assert_int_not_equal(net_poll_port(fd), 0);
    snprintf(text, sizeof text, "127.0.0.1:%u", net_poll_port(fd));
    struct net_address same;
    assert_int_equal(listen_at(text, &same, &other, &fault), -1);
    assert_string_equal(fault.code, "eaddrinuse");
    net_poll_close(&address, fd);
}

static void a_path_that_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    struct net_address address;
    struct fault fault = FAULT_INIT;
    int fd;
    char text[80];
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    snprintf(text, sizeof text, "unix:%s", path);
    assert_int_equal(listen_at(text, &address, &fd, &fault), -1);
    assert_int_equal(unlink(path), 0);
}

static void a_notification_arrives_whole(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char got[64] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(net_poll_notify(path, "READY=1\nSTATUS=ok"), 0);
    assert_int_equal(recv(fd, got, sizeof got, 0), 17);
    assert_string_equal(got, "READY=1\nSTATUS=ok");
    close(fd);
    assert_int_equal(net_poll_notify(path, "x"), -1);
    assert_int_equal(net_poll_notify("relative", "x"), -1);
    unlink(path);
    fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    snprintf(abstract.sun_path + 1, sizeof abstract.sun_path - 1, "%s", folder);
    assert_int_equal(bind(fd, (struct sockaddr *)&abstract,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(folder))),
                     0);
    char name[40];
    snprintf(name, sizeof name, "@%s", folder);
    assert_int_equal(net_poll_notify(name, "abstract"), 0);
    assert_int_equal(recv(fd, got, sizeof got, 0), 8);
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/s", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_comes_as_long_as_there_is_something),
        cmocka_unit_test(a_unix_socket_is_private_and_goes_with_its_owner),
        cmocka_unit_test(a_tcp_socket_takes_a_free_port),
        cmocka_unit_test(a_path_that_is_no_socket_is_left_alone),
        cmocka_unit_test(a_notification_arrives_whole),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

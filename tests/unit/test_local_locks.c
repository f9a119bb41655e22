/*
 * Tests of store/local: SQLite's locks stand while a spool is open. They are POSIX's (fcntl(2)): a process loses all that it has on a file as soon as it closes
 * any descriptor of it, and then another process takes the index for nobody's, and shortens the memory that both share.
 */
#include "spool_fixture.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEAD_MAN_SWITCH 128 /* the octet of index.sqlite-shm that every open connection has a lock on (os_unix.c) */

/* Whether somebody else than a child of ours has a lock there: a process does not see its own. */
static bool is_locked(const char *path, off_t octet)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = octet, .l_len = 1};
        int fd = open(path, O_RDWR | O_CLOEXEC);
        _exit(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_locks_stand(void **state)
{
    struct fixture *fixture = *state;
    char path[300];
    fixture->takes = false;
    snprintf(path, sizeof path, "%s/index.sqlite-shm", fixture->path);
    assert_true(is_locked(path, DEAD_MAN_SWITCH));
    commit_and_wait(fixture, "one", 1);
    assert_true(is_locked(path, DEAD_MAN_SWITCH));
    spool_close(&fixture->spool);
    assert_false(is_locked(path, DEAD_MAN_SWITCH));
    fixture_open(fixture); /* what was there before */
    assert_true(is_locked(path, DEAD_MAN_SWITCH));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_locks_stand, fixture_set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

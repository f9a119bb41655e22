/*
 * test_net_file - whole writes, reads to the end, names, the lock, and what the faults say.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/net_file.h"

static char directory[64];
static char room[4][128];

/* A path in the test's directory; four may be in use at once. */
static const char *at(const char *name)
{
    static int next;
    char *path = room[next++ % 4];
    snprintf(path, sizeof room[0], "%s/%s", directory, name);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/mailweir-file-XXXXXX");
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int remove_name(void *ctx, const char *name)
{
    (void)ctx;
    return remove(at(name));
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(net_file_list(directory, remove_name, NULL, NULL), 0);
    return rmdir(directory);
}

static struct net_file *create(const char *name)
{
    struct net_file *file;
    assert_int_equal(net_file_open(&file, at(name), NET_FILE_CREATE, NULL), 0);
    return file;
}

static void writes_pieces_and_reads_them(void **state)
{
    (void)state;
    struct net_file *file = create("a");
    /* More pieces than fit into one system call, some of them empty. */
    struct bytes pieces[200];
    char expected[1000] = "";
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = i % 7 == 0 ? (struct bytes){NULL, 0} : bytes_of(i % 2 == 0 ? "even." : "odd.");
        strncat(expected, i % 7 == 0 ? "" : i % 2 == 0 ? "even." : "odd.", sizeof expected - strlen(expected) - 1);
    }
    assert_int_equal(net_file_write(file, 10, pieces, 200, NULL), 0);
    assert_int_equal(net_file_write(file, 0, pieces, 0, NULL), 0);
    assert_int_equal(net_file_sync(file, NULL), 0);
    uint64_t size;
    assert_int_equal(net_file_size(file, &size, NULL), 0);
    assert_int_equal(size, 10 + strlen(expected));
    char got[2000];
    assert_int_equal(net_file_read(file, 10, got, sizeof got, NULL), strlen(expected));
    assert_memory_equal(got, expected, strlen(expected));
    assert_int_equal(net_file_read(file, 0, got, 10, NULL), 10);
    assert_memory_equal(got, "\0\0\0\0\0\0\0\0\0\0", 10);
    assert_int_equal(net_file_read(file, size, got, 10, NULL), 0);
    assert_int_equal(net_file_close(&file, NULL), 0);
    assert_null(file);
    struct stat info;
    assert_int_equal(stat(at("a"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void open_faults(void **state)
{
    (void)state;
    struct net_file *file = create("there");
    assert_int_equal(net_file_close(&file, NULL), 0);
    assert_int_equal(symlink(at("nowhere"), at("dangling")), 0);
    assert_int_equal(symlink(at("there"), at("link")), 0);
    static const struct {
        const char *name;
        enum net_file_mode mode;
        const char *code; /* NULL: works */
    } cases[] = {
        {"there", NET_FILE_READ, NULL},
        {"there", NET_FILE_WRITE, NULL},
        {"there", NET_FILE_CREATE, "eexist"},
        {"missing", NET_FILE_READ, "enoent"},
        {"missing", NET_FILE_WRITE, "enoent"},
        {"dangling", NET_FILE_CREATE, "eexist"},
        {"link", NET_FILE_WRITE, "eloop"},
        {"link", NET_FILE_READ, NULL},
        {"there/below", NET_FILE_READ, "enotdir"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault fault = FAULT_INIT;
        file = NULL;
        int result = net_file_open(&file, at(cases[i].name), cases[i].mode, &fault);
        assert_int_equal(result, cases[i].code == NULL ? 0 : -1);
        if (cases[i].code != NULL) {
            assert_null(file);
            assert_string_equal(fault.code, cases[i].code);
            assert_string_equal(fault.where, at(cases[i].name));
            assert_int_equal(fault.class, FAULT_LOCAL);
        }
        disregard(net_file_close(&file, NULL));
    }
    assert_int_equal(access(at("nowhere"), F_OK), -1);
}

/* A write that the system cuts short is not taken for a whole one. */
static void write_that_does_not_fit(void **state)
{
    (void)state;
    struct net_file *file = create("limited");
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    static const char data[1500];
    struct bytes piece = bytes_at(data, sizeof data);
    struct fault fault = FAULT_INIT;
    int result = net_file_write(file, 0, &piece, 1, &fault);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(result, -1);
    assert_string_equal(fault.code, "efbig");
    assert_non_null(strstr(fault.text, "cannot write"));
    disregard(net_file_close(&file, NULL));
}

static void full_disk(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0) {
        skip(); /* a bare root file system may lack it */
    }
    struct net_file *file;
    struct fault fault = FAULT_INIT;
    assert_int_equal(net_file_open(&file, "/dev/full", NET_FILE_WRITE, &fault), 0);
    struct bytes piece = bytes_of("x");
    assert_int_equal(net_file_write(file, 0, &piece, 1, &fault), -1);
    assert_string_equal(fault.code, "enospc");
    disregard(net_file_close(&file, NULL));
}

static int count_names(void *ctx, const char *name)
{
    assert_true(strcmp(name, "x") == 0 || strcmp(name, "z") == 0);
    ++*(int *)ctx;
    return 0;
}

static int stop_at_first(void *ctx, const char *name)
{
    (void)name;
    ++*(int *)ctx;
    return 1;
}

static void names(void **state)
{
    (void)state;
    struct fault fault = FAULT_INIT;
    assert_int_equal(net_file_mkdir(at("sub"), &fault), 0);
    assert_int_equal(net_file_mkdir(at("sub"), &fault), 0);
    struct net_file *file = create("sub/x");
    disregard(net_file_close(&file, NULL));
    file = create("sub/y");
    disregard(net_file_close(&file, NULL));
    assert_int_equal(net_file_mkdir(at("sub/x"), &fault), -1);
    assert_string_equal(fault.code, "eexist");
    assert_int_equal(net_file_rename(at("sub/y"), at("sub/z"), NULL), 0);
    assert_int_equal(net_file_sync_directory(at("sub"), NULL), 0);
    int count = 0;
    assert_int_equal(net_file_list(at("sub"), count_names, &count, NULL), 0);
    assert_int_equal(count, 2);
    count = 0;
    assert_int_equal(net_file_list(at("sub"), stop_at_first, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(net_file_remove(at("sub/x"), NULL), 0);
    assert_int_equal(net_file_remove(at("sub/z"), NULL), 0);
    fault = FAULT_INIT;
    assert_int_equal(net_file_remove(at("sub/z"), &fault), -1);
    assert_string_equal(fault.code, "enoent");
    uint64_t octets, inodes;
    assert_int_equal(net_file_free_space(directory, &octets, &inodes, NULL), 0);
    assert_true(octets > 0 && inodes > 0);
    char system[NET_FILE_SYSTEM_LEN];
    uint64_t took = UINT64_MAX;
    assert_int_equal(net_file_system("/proc", system), 0);
    assert_string_equal(system, "0x9fa0");
    assert_int_equal(net_file_system(at("missing"), system), -1);
    assert_int_equal(net_file_sync_time(directory, &took), 0);
    assert_true(took < UINT64_MAX);
    assert_int_equal(net_file_sync_time(at("missing"), &took), -1);
    fault = FAULT_INIT;
    assert_int_equal(net_file_list(at("missing"), count_names, &count, &fault), -1);
    assert_string_equal(fault.code, "enoent");
}

static uid_t owner_of(const char *path)
{
    struct stat about;
    assert_int_equal(lstat(path, &about), 0);
    return about.st_uid;
}

/* A command that root gives by hand must not leave files that the gateway's user cannot read. */
static void what_root_makes_is_the_owners(void **state)
{
    (void)state;
    struct net_file *file;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(net_file_mkdir(at("owned"), NULL), 0);
    assert_int_equal(owner_of(at("owned")), 0);
    assert_int_equal(chown(at("owned"), 65534, 65534), 0);
    assert_int_equal(net_file_mkdir(at("owned/folder"), NULL), 0);
    assert_int_equal(owner_of(at("owned/folder")), 65534);
    assert_int_equal(net_file_open(&file, at("owned/file"), NET_FILE_CREATE, NULL), 0);
    disregard(net_file_close(&file, NULL));
    assert_int_equal(owner_of(at("owned/file")), 65534);
    assert_int_equal(unlink(at("owned/file")), 0);
    assert_int_equal(rmdir(at("owned/folder")), 0);
    assert_int_equal(rmdir(at("owned")), 0);
}

/* What any user may do, by modes of the file and of the folders above it. */
static void what_others_may_do(void **state)
{
    static const struct {
        mode_t above, folder, file; /* modes */
        unsigned may;
        const char *where;
    } cases[] = {
        {0755, 0755, 0600, 0, NULL},
        {0755, 0755, 0640, 0, NULL},
        {0755, 0755, 0644, NET_FILE_OTHERS_READ, "above/folder/file"},
        {0755, 0755, 0602, NET_FILE_OTHERS_CHANGE, "above/folder/file"},
        {0755, 0700, 0666, 0, NULL}, /* nobody comes so far */
        {0700, 0777, 0666, 0, NULL},
        {0755, 0777, 0600, NET_FILE_OTHERS_CHANGE, "above/folder"}, /* by putting another in its place */
        {0777, 0755, 0600, NET_FILE_OTHERS_CHANGE, "above"},
        {0755, 01777, 0644, NET_FILE_OTHERS_READ, "above/folder/file"}, /* as /tmp: what is there is safe */
    };
    (void)state;
    char above[128], folder[128], file[128];
    snprintf(above, sizeof above, "%s", at("above"));
    snprintf(folder, sizeof folder, "%s", at("above/folder"));
    snprintf(file, sizeof file, "%s", at("above/folder/file"));
    assert_int_equal(chmod(directory, 0755) | mkdir(above, 0700) | mkdir(folder, 0700), 0);
    fclose(fopen(file, "w"));
    struct buf where;
    buf_init(&where, 4096);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(chmod(above, cases[i].above) | chmod(folder, cases[i].folder) | chmod(file, cases[i].file), 0);
        assert_int_equal(net_file_others(file, &where), cases[i].may);
        assert_true(cases[i].where == NULL || strcmp(buf_text(&where), at(cases[i].where)) == 0);
    }
    assert_int_equal(net_file_others(at("nothing"), &where), 0);
    buf_done(&where);
    assert_int_equal(unlink(file) | rmdir(folder), 0);
}

static void reads_whole_files(void **state)
{
    (void)state;
    struct net_file *file = create("whole");
    static char data[100000];
    memset(data, 'w', sizeof data);
    struct bytes piece = bytes_at(data, sizeof data);
    assert_int_equal(net_file_write(file, 0, &piece, 1, NULL), 0);
    disregard(net_file_close(&file, NULL));
    struct buf out;
    struct fault fault = FAULT_INIT;
    buf_init(&out, sizeof data + 3);
    buf_append_text(&out, "abc");
    assert_int_equal(net_file_read_all(at("whole"), &out, &fault), 0);
    assert_int_equal(out.len, sizeof data + 3);
    buf_truncate(&out, 4);
    assert_int_equal(net_file_read_all(at("whole"), &out, &fault), -1);
    assert_string_equal(fault.code, "too-large");
    assert_true(bytes_is(buf_bytes(&out), "abcw"));
    fault = FAULT_INIT;
    assert_int_equal(net_file_read_all(directory, &out, &fault), -1);
    assert_string_equal(fault.code, "eisdir");
    buf_done(&out);
}

static void the_lock_names_its_holder(void **state)
{
    (void)state;
    struct net_file *first, *second;
    struct fault fault = FAULT_INIT;
    char pid[32];
    assert_int_equal(net_file_lock(&first, at("lock"), &fault), 0);
    assert_int_equal(net_file_lock(&second, at("lock"), &fault), -1);
    snprintf(pid, sizeof pid, "process %ld:", (long)getpid());
    assert_string_equal(fault.code, "locked");
    assert_non_null(strstr(fault.text, pid));
    /* Another process neither; and the holder's end frees it, whatever the file says. */
    pid_t child = fork();
    if (child == 0) {
        _exit(net_file_lock(&second, at("lock"), NULL) == 0 ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(net_file_close(&first, NULL), 0);
    assert_int_equal(net_file_lock(&second, at("lock"), NULL), 0);
    assert_int_equal(net_file_close(&second, NULL), 0);
}

static bool is_locked(const char *path)
{
    pid_t child = fork(); /* a process does not see its own locks */
    if (child == 0) {
        int fd = open(path, O_RDWR);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        _exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status) == 1;
}

/* SQLite's are POSIX's: they are gone as soon as the process closes any descriptor of the file. */
static void what_is_made_private_keeps_its_locks(void **state)
{
    (void)state;
    char path[128];
    struct stat info;
    snprintf(path, sizeof path, "%s", at("locked"));
    int fd = open(path, O_RDWR | O_CREAT, 0644);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    assert_int_equal(fchmod(fd, 0644), 0);
    assert_int_equal(fcntl(fd, F_SETLK, &lock), 0);
    assert_true(is_locked(path));
    net_file_make_private(path, true);
    net_file_make_all_private(directory);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_true(is_locked(path));
    close(fd);
    net_file_make_private(at("fresh"), true);
    assert_int_equal(stat(at("fresh"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    /* A link that somebody put there leads nowhere. */
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(symlink(path, at("link")), 0);
    net_file_make_private(at("link"), true);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0644);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_pieces_and_reads_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_faults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(write_that_does_not_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_root_makes_is_the_owners, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_others_may_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_whole_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_lock_names_its_holder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_made_private_keeps_its_locks, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* net_sandbox - see net_sandbox.h; the filter over system calls is net_sandbox_calls.c. */
#include "net/net_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"

/* Of later kernels than the headers that this is built with. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* Below it a rename to another folder is always refused, and the spool could not set damaged segments aside. */
#define LANDLOCK_LEAST    2
#define LANDLOCK_TRUNCATE 3

/* ---- the user ---- */

struct user {
    uid_t uid;
    gid_t gid;
    const char *name; /* for the groups that it is in; NULL: none but gid */
};

static int find_user(const char *text, struct user *user_r, struct fault *fault)
{
    uint64_t uid, gid;
    struct bytes rest = bytes_of(text);
    if (bytes_to_u64(bytes_cut(&rest, ':'), &uid) && bytes_to_u64(rest, &gid) && uid < UINT32_MAX && gid < UINT32_MAX) {
        *user_r = (struct user){(uid_t)uid, (gid_t)gid, NULL};
        return 0;
    }
    const struct passwd *entry = getpwnam(text);
    if (entry == NULL) {
        fault_set(fault, FAULT_LOCAL, "user", text, "there is no such user; give numbers as UID:GID");
        return -1;
    }
    *user_r = (struct user){entry->pw_uid, entry->pw_gid, text};
    return 0;
}

int net_sandbox_knows(const char *text, struct fault *fault)
{
    struct user user;
    return find_user(text, &user, fault);
}

/* Leaves nothing behind; 0, or errno. */
static int try_folder(const char *folder)
{
    char inside[PATH_MAX];
    int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    /* An old kernel takes the flag for an attempt to write to the folder itself. */
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
        return errno;
    }
    if (snprintf(inside, sizeof inside, "%s/.mailweir-check-XXXXXX", folder) >= (int)sizeof inside) {
        return ENAMETOOLONG;
    }
    return mkdtemp(inside) != NULL && rmdir(inside) == 0 ? 0 : errno;
}

/* A full disk, or a full table of descriptors, may have room later. */
static enum net_sandbox_place place_of(int error)
{
    switch (error) {
    case EROFS:
        return NET_SANDBOX_READ_ONLY;
    case EACCES:
    case EPERM:
        return NET_SANDBOX_FORBIDDEN;
    case ENOENT:
    case ENOTDIR:
    case EOPNOTSUPP:
    case EINVAL:
    case ENAMETOOLONG:
        return NET_SANDBOX_IMPOSSIBLE;
    default:
        return NET_SANDBOX_FINE;
    }
}

enum net_sandbox_place net_sandbox_try_folder(const char *text, const char *folder)
{
    struct fault fault = FAULT_INIT;
    struct user user = {geteuid(), getegid(), NULL};
    if (text != NULL && (find_user(text, &user, &fault) < 0 || (user.uid != geteuid() && geteuid() != 0))) {
        return NET_SANDBOX_FINE;
    }
    /* For this thread and its files alone; root's rights over files are gone as long as it lasts. */
    setfsgid(user.gid);
    setfsuid(user.uid);
    int error = try_folder(folder);
    setfsuid(geteuid());
    setfsgid(getegid());
    return place_of(error);
}

/* Everything of root's but the right to listen on low ports. */
static int keep_low_ports(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    data[0].effective = data[0].permitted = 1u << CAP_NET_BIND_SERVICE;
    return (int)syscall(SYS_capset, &header, data);
}

int net_sandbox_become(const char *text, struct fault *fault)
{
    struct user user;
    if (find_user(text, &user, fault) < 0) {
        return -1;
    }
    if (geteuid() == user.uid && getuid() == user.uid) {
        return 0;
    }
    if (geteuid() != 0) {
        fault_set(fault, FAULT_LOCAL, "user", text, "only root can become this user; the gateway was started as uid %u",
                  (unsigned)geteuid());
        return -1;
    }
    /* Without the capability (a container's root may lack it) low ports are refused later, by the name of the listener.
     */
    bool keeps = prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0;
    int groups = user.name != NULL ? initgroups(user.name, user.gid) : setgroups(1, &user.gid);
    if (groups != 0 || setresgid(user.gid, user.gid, user.gid) != 0 || setresuid(user.uid, user.uid, user.uid) != 0) {
        fault_set(fault, FAULT_LOCAL, "user", text, "%s", strerror(errno));
        return -1;
    }
    if (keeps) {
        disregard(keep_low_ports());
    }
    return 0;
}

/* ---- paths ---- */

static const uint64_t file_rights =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;
static const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t writing = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |
                                LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER;
static const uint64_t refused_everywhere = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                           LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                           LANDLOCK_ACCESS_FS_MAKE_SYM;

/*
 * What libraries read by themselves. Folders, not files, because those are replaced under us. Of /proc, what is about
 * this process and the machine: the others' command lines and environments hold secrets.
 */
static const struct net_sandbox_path system_paths[] = {
    {"/etc", false},
    {"/usr", false},
    {"/lib", false},
    {"/lib64", false},
    {"/proc/self", false},
    {"/proc/sys", false},
    {"/proc/cpuinfo", false},
    {"/proc/meminfo", false},
    {"/proc/stat", false},
    {"/sys/devices", false},
    {"/sys/fs", false},
    {"/run/systemd/resolve", false},
    {"/run/resolvconf", false},
    {"/run/NetworkManager", false},
    {"/run/nscd", false},
    {"/dev/urandom", false},
    {"/dev/random", false},
    {"/dev/null", true},
    {"/var/lib/ca-certificates", false},
};

static void allow(int ruleset, const struct net_sandbox_path *path, uint64_t handled)
{
    struct landlock_path_beneath_attr rule = {
        .allowed_access = (reading | (path->may_write ? writing : 0)) & handled,
        .parent_fd = open(path->path, O_PATH | O_CLOEXEC),
    };
    struct stat found;
    if (rule.parent_fd < 0) {
        return;
    }
    if (fstat(rule.parent_fd, &found) == 0 && !S_ISDIR(found.st_mode)) {
        rule.allowed_access &= file_rights;
    }
    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    if (strcmp(path->path, "/proc/self") != 0) {
        close(rule.parent_fd);
    }
    /* That one stays open: a folder of /proc is made anew when the kernel has forgotten it, and the rule is for the one
     * that was. */
}

/* The version of Landlock whose rules hold now; 0 with errno when there are none. */
static int restrict_paths(const struct net_sandbox_options *options)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < LANDLOCK_LEAST) {
        errno = version < 0 ? errno : ENOSYS;
        return 0;
    }
    struct landlock_ruleset_attr attributes = {.handled_access_fs = reading | writing | refused_everywhere};
    if (version < LANDLOCK_TRUNCATE) {
        attributes.handled_access_fs &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
    }
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (ruleset < 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof system_paths / sizeof system_paths[0]; i++) {
        allow(ruleset, &system_paths[i], attributes.handled_access_fs);
    }
    for (size_t i = 0; i < options->path_count; i++) {
        allow(ruleset, &options->paths[i], attributes.handled_access_fs);
    }
    long result = syscall(SYS_landlock_restrict_self, ruleset, 0);
    close(ruleset);
    return result == 0 ? (int)version : 0;
}

/* ---- the whole ---- */

static void note_state(struct net_sandbox_state *state, const char *what, const char *why)
{
    size_t len = strlen(state->note);
    snprintf(state->note + len, sizeof state->note - len, "%s%s: %s", len > 0 ? "; " : "", what, why);
}

void net_sandbox_enter(const struct net_sandbox_options *options, struct net_sandbox_state *state_r)
{
    const struct rlimit none = {0, 0};
    *state_r = (struct net_sandbox_state){.entered = true};
    if (SANITIZED) {
        note_state(state_r, "all of it", "this is a sanitizer build, which needs the system calls of a debugger");
        return;
    }
    state_r->no_core_dumps = setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
    state_r->no_new_privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    if (!state_r->no_core_dumps || !state_r->no_new_privileges) {
        note_state(state_r, "core dumps, privileges", strerror(errno));
    }
    if ((state_r->paths = restrict_paths(options)) == 0) {
        note_state(state_r, "paths",
                   errno == ENOSYS || errno == EOPNOTSUPP ? "this kernel has no Landlock" : strerror(errno));
    }
    state_r->system_calls = net_sandbox_filter(false) == 0;
    if (!state_r->system_calls) {
        note_state(state_r, "system calls", strerror(errno));
    }
}

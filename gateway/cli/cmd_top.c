/*
 * cmd_top - the running gateway, live, over the admin server's stream. A terminal is filled with it (cli_top.h), in its
 * other screen, so that what stood there comes back; in a pipe one JSON object comes per second.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli_api.h"
#include "cli/cli_top.h"
#include "cli/cli_paint.h"

struct live {
    bool as_json, colour, has_keys;
    uint64_t left; /* pictures still to come; 0: for ever */
    struct cli_top *top;
    struct cli_api *api; /* for questions beside the stream */
};

/* ---- the terminal ---- */

/*
 * A terminal is the parent's: it changes it, has a child draw, and gives it back whatever becomes of the child (Ctrl-C,
 * a signal, a crash). So nothing about it has to be known to a signal's handler.
 */
static int watch(pid_t child, const sigset_t *signals)
{
    int number, status = 0;
    while (sigwait(signals, &number) == 0) {
        if (number == SIGCHLD && waitpid(child, &status, WNOHANG) == child) {
            break;
        }
        if (number == SIGTERM || number == SIGHUP) {
            kill(child, SIGTERM);
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int follow_events(struct live *live, const char *file);

/* Keys come one by one and are not shown. */
static int fill_terminal(struct live *live, const char *file, const struct termios *before)
{
    static const char there[] = "\x1b[?1049h\x1b[?25l", back[] = "\x1b[?25h\x1b[?1049l";
    struct termios keys = *before;
    sigset_t signals, usual;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &usual);
    keys.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    keys.c_cc[VMIN] = 0;
    keys.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &keys);
    fwrite(there, 1, sizeof there - 1, stdout);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &usual, NULL);
        _exit(follow_events(live, file));
    }
    int exit_code = child < 0 ? EX_OSERR : watch(child, &signals);
    fwrite(back, 1, sizeof back - 1, stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, before);
    sigprocmask(SIG_SETMASK, &usual, NULL);
    return exit_code;
}

static void draw_screen(struct live *live)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
        size = (struct winsize){.ws_row = 24, .ws_col = 80};
    }
    cli_top_draw(live->top, stdout, size.ws_row, size.ws_col, live->colour);
}

/* The picture follows each key at once. A terminal that is ready and has nothing has gone. */
static bool take_keys(void *ctx)
{
    struct live *live = ctx;
    char key;
    bool goes_on = read(STDIN_FILENO, &key, 1) == 1 && cli_top_key(live->top, key);
    while (goes_on && read(STDIN_FILENO, &key, 1) == 1) {
        goes_on = cli_top_key(live->top, key);
    }
    if (goes_on) {
        draw_screen(live);
    }
    return goes_on;
}

/* ---- the stream ---- */

static void show_state(struct live *live, const json_t *state, const char *data)
{
    json_t *flows = NULL;
    if (live->as_json) {
        printf("%s\n", data);
        fflush(stdout);
        return;
    }
    if (cli_api_call(live->api, "/api/v1/flows", NULL, &flows) != EX_OK) {
        flows = NULL; /* the stream says so, too, in a moment */
    }
    cli_top_second(live->top, state, json_object_get(flows, "flows"));
    json_decref(flows);
    draw_screen(live);
}

static bool on_event(void *ctx, const char *name, const char *data)
{
    struct live *live = ctx;
    bool is_state = strcmp(name, "state") == 0, is_line = strcmp(name, "log") == 0 && !live->as_json;
    json_t *value = is_state || is_line ? json_loads(data, 0, NULL) : NULL;
    if (value != NULL && is_line) {
        cli_api_clean(value);
        cli_top_line(live->top, value);
    } else if (value != NULL) {
        cli_api_clean(value);
        show_state(live, value, data);
    }
    json_decref(value);
    return !is_state || live->left == 0 || --live->left > 0;
}

static int follow_events(struct live *live, const char *file)
{
    struct cli_api *stream = cli_api_open(file);
    live->api = stream == NULL ? NULL : cli_api_open(file);
    if (live->api == NULL) {
        cli_api_close(&stream);
        return EX_CONFIG;
    }
    live->top = cli_top_new();
    int exit_code = cli_api_follow(stream, "/api/v1/events", on_event, live->has_keys ? take_keys : NULL, live);
    fflush(stdout);
    cli_top_free(&live->top);
    cli_api_close(&live->api);
    cli_api_close(&stream);
    return exit_code;
}

/* Whether a gateway answers: what is wrong is said before the terminal's other screen takes it away. */
static int probe(const char *file)
{
    json_t *status = NULL;
    int exit_code = cli_api_ask(file, "/api/v1/status", NULL, &status);
    json_decref(status);
    return exit_code;
}

int cmd_top(const struct cli_command *command, int argc, char **argv)
{
    const char *file = NULL, *times = NULL;
    struct live live = {.as_json = false};
    const struct cli_option options[] = {
        CLI_OPTION_CONFIG(&file),
        {.name = "json", .flag = &live.as_json, .help = "print one JSON object per second"},
        {.name = "times", .value = &times, .help = "end after this many seconds [never]"},
        {.name = NULL}};
    int exit_code;
    if (cli_parse_options(command, options, argc, argv, &exit_code) < 0) {
        return exit_code;
    }
    if (times != NULL && (!bytes_to_u64(bytes_of(times), &live.left) || live.left == 0)) {
        return cli_usage_error(command, "\"%s\" is not a number of seconds", times);
    }
    live.as_json = live.as_json || isatty(STDOUT_FILENO) != 1;
    live.colour = cli_has_colour(STDOUT_FILENO);
    struct termios before;
    live.has_keys = !live.as_json && tcgetattr(STDIN_FILENO, &before) == 0;
    exit_code = live.has_keys ? probe(file) : EX_OK;
    if (exit_code != EX_OK) {
        return exit_code;
    }
    return live.has_keys ? fill_terminal(&live, file, &before) : follow_events(&live, file);
}

/*
 * cli_notify - see cli_notify.h.
 */
#include "cli/cli_notify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/expect.h"
#include "net/net_poll.h"

struct cli_notify {
    struct net_loop *loop;
    const char *path; /* NULL: nobody listens */
    struct net_timer *timer;
    uint64_t watchdog_ms; /* between two signs of life; 0: none are wanted */
};

static void say_state(const struct cli_notify *notify, const char *text)
{
    if (notify->path != NULL) {
        disregard(net_poll_notify(notify->path, text));
    }
}

static void on_watchdog(void *ctx)
{
    struct cli_notify *notify = ctx;
    net_timer_start(notify->timer, notify->watchdog_ms);
    say_state(notify, "WATCHDOG=1");
}

/* Half of what is asked for, and only when it is meant for this process. */
static uint64_t watchdog_ms(void)
{
    const char *wanted = getenv("WATCHDOG_USEC");
    const char *whom = getenv("WATCHDOG_PID");
    uint64_t us, pid;
    if (wanted == NULL || !bytes_to_u64(bytes_of(wanted), &us)) {
        return 0;
    }
    bool is_other = whom != NULL && bytes_to_u64(bytes_of(whom), &pid) && pid != (uint64_t)getpid();
    return is_other ? 0 : us / 2000;
}

struct cli_notify *cli_notify_new(struct net_loop *loop)
{
    struct cli_notify *notify = expect_calloc(1, sizeof *notify);
    notify->loop = loop;
    notify->path = getenv("NOTIFY_SOCKET");
    notify->timer = net_timer_new(loop, on_watchdog, notify);
    notify->watchdog_ms = watchdog_ms();
    if (notify->path != NULL && notify->watchdog_ms > 0) {
        net_timer_start(notify->timer, notify->watchdog_ms);
    }
    cli_notify_ready(notify);
    return notify;
}

void cli_notify_reloading(struct cli_notify *notify)
{
    char text[80];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, net_now_us(notify->loop));
    say_state(notify, text);
}

void cli_notify_ready(struct cli_notify *notify)
{
    say_state(notify, "READY=1\nSTATUS=takes mail");
}

void cli_notify_stopping(struct cli_notify *notify)
{
    say_state(notify, "STOPPING=1\nSTATUS=finishes what is under way");
}

void cli_notify_free(struct cli_notify **notify)
{
    if (*notify == NULL) {
        return;
    }
    net_timer_free(&(*notify)->timer);
    free(*notify);
    *notify = NULL;
}

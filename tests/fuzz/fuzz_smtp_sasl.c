/*
 * fuzz_smtp_sasl - authentication as clients may send it: the first octet chooses the mechanism, each further line is one response. Whatever comes, each step
 * has one answer, and nobody gets in without the password.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/expect.h"
#include "reception/reception_login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum smtpd_mechanism mechanisms[] = {SMTPD_MECHANISM_PLAIN, SMTPD_MECHANISM_LOGIN, SMTPD_MECHANISM_SCRAM,
                                                  SMTPD_MECHANISM_SCRAM_PLUS};
/* Nobody's: no password has this hash. */
static const char users_text[] =
    "{\"users\": {\"app\": {\"password\": \"$2b$04$saltsaltsaltsaltsaltseK0xBY4TWKY8gmeFmH02ZX8MOoIlLlOC\", "
    "\"scram\": \"{SCRAM-SHA-256}4096,c2FsdHNhbHRzYWx0c2FsdA==,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}}}";

struct run {
    int answers;
    bool over;
};

static void on_answer(void *ctx, const struct smtpd_auth_answer *answer)
{
    struct run *run = ctx;
    run->answers++;
    EXPECT(answer->kind != SMTPD_AUTH_OK);
    run->over = answer->kind != SMTPD_AUTH_CHALLENGE;
}

static struct reception_users *load(void)
{
    char path[] = "/tmp/fuzz_smtp_sasl_XXXXXX";
    int fd = mkstemp(path);
    struct problems *problems = problems_new();
    EXPECT(fd >= 0 && write(fd, users_text, sizeof users_text - 1) == (ssize_t)sizeof users_text - 1);
    close(fd);
    struct reception_users *users = reception_users_load(path, problems);
    unlink(path);
    for (size_t i = 0; users == NULL && i < problems_count(problems); i++) {
        fprintf(stderr, "%s\n", problems_at(problems, i)->text);
    }
    EXPECT(users != NULL);
    problems_free(&problems);
    return users;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct net_loop *loop;
    static struct reception_logins *logins;
    static struct reception_users *users;
    if (loop == NULL) {
        loop = net_loop_new();
        logins = reception_logins_new(loop);
        users = load();
    }
    if (size == 0) {
        return 0;
    }
    struct run run = {0};
    struct bytes rest = bytes_at(data + 1, size - 1);
    static const uint8_t binding[32] = {1};
    struct reception_login *login =
        reception_login_new(logins, users, mechanisms[data[0] % 4], "192.0.2.7",
                            bytes_at(binding, data[0] % 8 < 4 ? 0 : sizeof binding), on_answer, &run);
    for (int steps = 1; rest.ptr != NULL && !run.over && steps < 10; steps++) {
        struct bytes line = bytes_cut(&rest, '\n');
        reception_login_step(login, bytes_slice(line, 0, SMTPD_AUTH_LINE_MAX / 2), steps > 1 || line.len > 0);
        net_loop_run(loop);
        EXPECT(run.answers == steps);
    }
    reception_login_free(&login);
    net_loop_run(loop);
    return 0;
}

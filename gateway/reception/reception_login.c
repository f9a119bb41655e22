/*
 * reception_login - authentication against a struct reception_users. RFC 4616, RFC 5802, RFC 7677, RFC 9266. Contract:
 * reception_login.h.
 */
#include "reception/reception_login.h"

#include <gsasl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "engine/smtpd_budget.h"

#define PASSWORD_MAX      1024
#define NETWORKS_MAX      100000
#define FAILURE_WINDOW_MS ((uint64_t)15 * 60 * 1000)
/* The answer to a failure waits 1, 2, 4, 8 seconds by the failures that its network has had in the window. */
#define DELAY_MS            ((uint64_t)1000)
#define DELAY_DOUBLINGS_MAX 3
/* How much later than a network without any a failure puts the next check, in time used. */
#define FAILURE_COST_US ((uint64_t)1000 * 1000)
/* The same of one from which nobody has logged in of late: of many newcomers, each may be a guesser. */
#define NEWCOMER_COST_US   ((uint64_t)500 * 1000)
#define SUCCESS_WINDOW_MS  ((uint64_t)24 * 60 * 60 * 1000)
#define KEY_LEN            32
#define FAKE_ITERATIONS    4096u
#define LOGIN_ASK_NAME     "Username:"
#define LOGIN_ASK_PASSWORD "Password:"

struct reception_logins {
    struct net_loop *loop;
    struct net_lane *lane;
    struct smtpd_budget *failures, *successes;
    Gsasl *gsasl;
    char secret[KEY_LEN]; /* of what unknown users are answered with */
};

/* A password on its way through the lane; it outlives a login that is given up. */
struct check {
    struct reception_login *login; /* NULL when given up */
    struct reception_users *users;
    char password[PASSWORD_MAX];
    const char *hash;
    atomic_bool given_up; /* by its client, so that nobody needs the answer: it is not worth the time */
    bool good;
};

struct reception_login {
    struct reception_logins *logins;
    struct reception_users *users;
    enum smtpd_mechanism mechanism;
    const struct reception_user *user; /* NULL when unknown */
    char name[RECEPTION_USER_NAME_MAX + 1];
    bool begun;    /* SCRAM: the first message was taken */
    bool named;    /* LOGIN: the name was given */
    bool finished; /* SCRAM: the last message was sent */
    char *address;
    struct buf binding; /* base64 */
    reception_login_fn *fn;
    void *ctx;
    struct check *check;
    Gsasl_session *scram;
    struct buf reply; /* of a deferred answer */
    struct smtpd_auth_answer answer;
    struct deferred *deferred;
};

/* An answer on its way through the loop. */
struct deferred {
    struct reception_login *login; /* NULL when given up */
};

/* ---- what is shared ---- */

static int on_property(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property);

struct reception_logins *reception_logins_new(struct net_loop *loop)
{
    struct reception_logins *logins = expect_calloc(1, sizeof *logins);
    uint8_t seed[16];
    net_random(seed, sizeof seed);
    net_random(logins->secret, sizeof logins->secret);
    logins->loop = loop;
    logins->lane = net_lane_new_wide(loop, "login");
    logins->failures = smtpd_budget_new(NETWORKS_MAX, FAILURE_WINDOW_MS, seed);
    logins->successes = smtpd_budget_new(NETWORKS_MAX, SUCCESS_WINDOW_MS, seed);
    EXPECT(gsasl_init(&logins->gsasl) == GSASL_OK);
    gsasl_callback_set(logins->gsasl, on_property);
    return logins;
}

void reception_logins_free(struct reception_logins **logins)
{
    if (*logins == NULL) {
        return;
    }
    net_lane_free(&(*logins)->lane);
    smtpd_budget_free(&(*logins)->failures);
    smtpd_budget_free(&(*logins)->successes);
    gsasl_done((*logins)->gsasl);
    explicit_bzero((*logins)->secret, sizeof(*logins)->secret);
    free(*logins);
    *logins = NULL;
}

bool reception_logins_blocked(struct reception_logins *logins, const char *address, unsigned max)
{
    return max != 0 && smtpd_budget_used(logins->failures, address, net_now(logins->loop)) >= max;
}

/* ---- answers ---- */

static uint64_t next_delay(struct reception_login *login)
{
    uint64_t now = net_now(login->logins->loop);
    unsigned before = smtpd_budget_used(login->logins->failures, login->address, now);
    smtpd_budget_add(login->logins->failures, login->address, now, 1);
    return DELAY_MS << (before < DELAY_DOUBLINGS_MAX ? before : DELAY_DOUBLINGS_MAX);
}

static void on_deferred(void *ctx)
{
    struct deferred *deferred = ctx;
    struct reception_login *login = deferred->login;
    free(deferred);
    if (login != NULL) {
        login->deferred = NULL;
        login->answer.challenge = buf_bytes(&login->reply);
        login->fn(login->ctx, &login->answer);
    }
}

/* Answers from the loop, not from inside the call that asked. */
static void answer_later(struct reception_login *login, enum smtpd_auth_kind kind)
{
    login->answer.kind = kind;
    login->answer.user = login->user == NULL ? NULL : login->user->name;
    login->answer.delay_ms = kind == SMTPD_AUTH_FAILED ? next_delay(login) : 0;
    if (kind == SMTPD_AUTH_OK) {
        smtpd_budget_add(login->logins->successes, login->address, net_now(login->logins->loop), 1);
    }
    login->deferred = expect_calloc(1, sizeof *login->deferred);
    login->deferred->login = login;
    net_defer(login->logins->loop, on_deferred, login->deferred);
}

static void challenge(struct reception_login *login, struct bytes text)
{
    buf_clear(&login->reply);
    buf_append_bytes(&login->reply, text);
    answer_later(login, SMTPD_AUTH_CHALLENGE);
}

/* ---- a password, on the lane ---- */

/*
 * Whoever guesses waits for those who do not. What a network has used is soon forgotten, and with many guessers each is
 * served so seldom that it would look as quiet as an honest one: failures are remembered for longer, and so is that
 * somebody has logged in from there.
 */
static struct net_lane_turn turn_of(const struct reception_login *login)
{
    struct reception_logins *logins = login->logins;
    uint64_t network = smtpd_network_hash(login->address), now = net_now(logins->loop);
    unsigned failures = smtpd_budget_used(logins->failures, login->address, now);
    bool known = smtpd_budget_used(logins->successes, login->address, now) > 0;
    return (struct net_lane_turn){.group = network,
                                  .member = network,
                                  .cost_us = (uint64_t)failures * FAILURE_COST_US + (known ? 0 : NEWCOMER_COST_US)};
}

static void work_on_check(void *ctx)
{
    struct check *check = ctx;
    check->good =
        check->hash != NULL && !atomic_load(&check->given_up) && reception_users_verify(check->password, check->hash);
}

static void on_checked(void *ctx)
{
    struct check *check = ctx;
    struct reception_login *login = check->login;
    bool good = check->good;
    explicit_bzero(check->password, sizeof check->password);
    reception_users_free(&check->users);
    free(check);
    if (login == NULL) {
        return;
    }
    login->check = NULL;
    answer_later(login, good && login->user != NULL ? SMTPD_AUTH_OK : SMTPD_AUTH_FAILED);
}

/* An unknown name costs the time of a known one: somebody's hash is tried. */
static void check_password(struct reception_login *login, struct bytes password)
{
    const struct reception_user *user = login->user != NULL && login->user->password != NULL ? login->user : NULL;
    const struct reception_user *any = user != NULL ? user : reception_users_instead(login->users, login->name);
    struct check *check = expect_calloc(1, sizeof *check);
    bool usable = password.len > 0 && password.len < sizeof check->password && bytes_find_octet(password, 0) < 0;
    login->user = usable ? user : NULL;
    memcpy(check->password, usable ? password.ptr : (const uint8_t *)"-", usable ? password.len : 1);
    check->hash = any == NULL ? NULL : any->password;
    check->users = reception_users_share(login->users);
    check->login = login;
    login->check = check;
    const struct net_lane_turn turn = turn_of(login);
    net_lane_submit_turn(login->logins->lane, &turn, work_on_check, on_checked, check);
}

/* Notes the name, with what may not stand in a log replaced by the log itself; finds its user. */
static void set_name(struct reception_login *login, struct bytes name)
{
    bool usable = name.len > 0 && name.len < sizeof login->name && !bytes_has_control(name) && bytes_is_utf8(name);
    size_t len = usable ? name.len : 0;
    if (len > 0) {
        memcpy(login->name, name.ptr, len);
    }
    login->name[len] = '\0';
    login->user = usable ? reception_users_find(login->users, name) : NULL;
}

/* ---- mechanisms ---- */

/* authorization identity NUL authentication identity NUL password (RFC 4616); nobody acts for somebody else here. */
static void step_plain(struct reception_login *login, struct bytes data, bool has_data)
{
    if (!has_data) {
        challenge(login, bytes_of(""));
        return;
    }
    struct bytes password = data;
    struct bytes authorization = bytes_cut(&password, 0);
    struct bytes name = bytes_cut(&password, 0);
    set_name(login, name);
    if (authorization.len > 0 && !bytes_equal(authorization, name)) {
        login->user = NULL;
    }
    check_password(login, password);
}

static void step_login(struct reception_login *login, struct bytes data, bool has_data)
{
    if (!has_data) {
        challenge(login, bytes_of(LOGIN_ASK_NAME));
    } else if (!login->named) {
        set_name(login, data);
        login->named = true;
        challenge(login, bytes_of(LOGIN_ASK_PASSWORD));
    } else {
        check_password(login, data);
    }
}

/* A salt that stays the same for a name, as a real one would; no key fits it. */
static void set_fake_keys(struct reception_login *login, Gsasl_session *session)
{
    char salted[KEY_LEN], client[KEY_LEN], server[KEY_LEN], stored[KEY_LEN];
    struct buf text;
    buf_init(&text, 64);
    EXPECT(gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, login->name[0] == '\0' ? "-" : login->name, 1,
                                             login->logins->secret, sizeof login->logins->secret, salted, client,
                                             server, stored) == GSASL_OK);
    units_base64_encode(&text, bytes_at(salted, 16));
    gsasl_property_set(session, GSASL_SCRAM_SALT, buf_text(&text));
    buf_clear(&text);
    const struct reception_user *instead = reception_users_instead(login->users, login->name);
    buf_printf(&text, "%u", instead != NULL && instead->has_scram ? instead->scram.iterations : FAKE_ITERATIONS);
    gsasl_property_set(session, GSASL_SCRAM_ITER, buf_text(&text));
    buf_clear(&text);
    units_base64_encode(&text, bytes_at(server, sizeof server));
    gsasl_property_set(session, GSASL_SCRAM_SERVERKEY, buf_text(&text));
    buf_clear(&text);
    units_base64_encode(&text, bytes_at(stored, sizeof stored));
    gsasl_property_set(session, GSASL_SCRAM_STOREDKEY, buf_text(&text));
    buf_done(&text);
}

static void set_keys(struct reception_login *login, Gsasl_session *session)
{
    char iterations[16];
    struct buf text;
    if (login->user == NULL || !login->user->has_scram) {
        login->user = NULL;
        set_fake_keys(login, session);
        return;
    }
    const struct reception_scram *scram = &login->user->scram;
    buf_init(&text, sizeof iterations);
    buf_printf(&text, "%u", scram->iterations);
    gsasl_property_set(session, GSASL_SCRAM_ITER, buf_text(&text));
    gsasl_property_set(session, GSASL_SCRAM_SALT, scram->salt);
    gsasl_property_set(session, GSASL_SCRAM_SERVERKEY, scram->server_key);
    gsasl_property_set(session, GSASL_SCRAM_STOREDKEY, scram->stored_key);
    buf_done(&text);
}

/* libgsasl asks for what it needs. */
static int on_property(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
    struct reception_login *login = gsasl_session_hook_get(session);
    (void)gsasl;
    switch (property) {
    case GSASL_SCRAM_ITER:
    case GSASL_SCRAM_SALT:
    case GSASL_SCRAM_SERVERKEY:
    case GSASL_SCRAM_STOREDKEY:
        set_name(login, bytes_of(gsasl_property_fast(session, GSASL_AUTHID)));
        set_keys(login, session);
        return GSASL_OK;
    case GSASL_CB_TLS_EXPORTER:
        if (login->binding.len == 0) {
            return GSASL_NO_CB_TLS_EXPORTER;
        }
        gsasl_property_set(session, GSASL_CB_TLS_EXPORTER, buf_text(&login->binding));
        return GSASL_OK;
    default:
        return GSASL_NO_CALLBACK;
    }
}

static bool acts_for_another(const struct reception_login *login)
{
    const char *authorization = gsasl_property_fast(login->scram, GSASL_AUTHZID);
    return authorization != NULL && authorization[0] != '\0' && strcmp(authorization, login->name) != 0;
}

/*
 * Whether the client's first message says of channel binding what cannot be (RFC 5802 section 6): that it binds, with a
 * mechanism that does not; or that we cannot bind, when we offered it: somebody in the middle has taken the offer away.
 */
static bool lies_about_binding(const struct reception_login *login, struct bytes data)
{
    uint8_t flag = data.len > 0 ? data.ptr[0] : 0;
    bool plus = login->mechanism == SMTPD_MECHANISM_SCRAM_PLUS;
    return plus ? flag != 'p' : flag == 'p' || (flag == 'y' && login->binding.len > 0);
}

/*
 * Whether nothing is left of the name in the client's first message when it is prepared (RFC 4013: a BOM, say).
 * libgsasl refuses that, too, but never gives back what it has made of the name: each such line would cost memory for
 * good.
 */
static bool names_nobody(struct bytes data)
{
    bytes_cut(&data, ','); /* the channel binding, */
    bytes_cut(&data, ','); /* and for whom it acts */
    struct bytes field = bytes_cut(&data, ',');
    char *name = expect_calloc(field.len + 1, 1), *prepared = NULL;
    if (field.len > 0) {
        memcpy(name, field.ptr, field.len);
    }
    bool is_name = strncmp(name, "n=", 2) == 0;
    bool is_nobody =
        is_name && gsasl_saslprep(name + 2, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) == GSASL_OK && prepared[0] == '\0';
    gsasl_free(prepared);
    free(name);
    return is_nobody;
}

static void step_scram(struct reception_login *login, struct bytes data, bool has_data)
{
    char *out = NULL;
    size_t out_len = 0;
    if (!has_data) {
        challenge(login, bytes_of(""));
        return;
    }
    if (!login->begun && (lies_about_binding(login, data) || names_nobody(data))) {
        answer_later(login, SMTPD_AUTH_FAILED);
        return;
    }
    login->begun = true;
    int result = gsasl_step(login->scram, (const char *)data.ptr, data.len, &out, &out_len);
    bool good = (result == GSASL_OK || result == GSASL_NEEDS_MORE) && !acts_for_another(login);
    if (good && out_len > 0) {
        /*
         * The server's last message, too, is a challenge in SMTP; the client answers it with nothing (RFC 4954 section
         * 4).
         */
        login->finished = result == GSASL_OK;
        challenge(login, bytes_at(out, out_len));
    } else {
        answer_later(login, good && login->user != NULL ? SMTPD_AUTH_OK : SMTPD_AUTH_FAILED);
    }
    gsasl_free(out);
}

/* ---- life ---- */

static void start_scram(struct reception_login *login)
{
    const char *name = login->mechanism == SMTPD_MECHANISM_SCRAM_PLUS ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256";
    EXPECT(gsasl_server_start(login->logins->gsasl, name, &login->scram) == GSASL_OK);
    gsasl_session_hook_set(login->scram, login);
}

struct reception_login *reception_login_new(struct reception_logins *logins, struct reception_users *users,
                                            enum smtpd_mechanism mechanism, const char *address, struct bytes binding,
                                            reception_login_fn *fn, void *ctx)
{
    struct reception_login *login = expect_calloc(1, sizeof *login);
    login->logins = logins;
    login->users = reception_users_share(users);
    login->mechanism = mechanism;
    login->address = expect_strdup(address);
    login->fn = fn;
    login->ctx = ctx;
    buf_init(&login->binding, 256);
    buf_init(&login->reply, SMTPD_AUTH_LINE_MAX / 2);
    units_base64_encode(&login->binding, binding);
    if (mechanism == SMTPD_MECHANISM_SCRAM || mechanism == SMTPD_MECHANISM_SCRAM_PLUS) {
        start_scram(login);
    }
    return login;
}

void reception_login_step(struct reception_login *login, struct bytes data, bool has_data)
{
    switch (login->mechanism) {
    case SMTPD_MECHANISM_PLAIN:
        step_plain(login, data, has_data);
        break;
    case SMTPD_MECHANISM_LOGIN:
        step_login(login, data, has_data);
        break;
    case SMTPD_MECHANISM_SCRAM:
    case SMTPD_MECHANISM_SCRAM_PLUS:
        if (login->finished) {
            answer_later(login, data.len == 0 && login->user != NULL ? SMTPD_AUTH_OK : SMTPD_AUTH_FAILED);
        } else {
            step_scram(login, data, has_data);
        }
        break;
    }
}

const char *reception_login_name(const struct reception_login *login)
{
    return login->name;
}

void reception_login_free(struct reception_login **login_ref)
{
    struct reception_login *login = *login_ref;
    *login_ref = NULL;
    if (login == NULL) {
        return;
    }
    if (login->check != NULL) {
        atomic_store(&login->check->given_up, true);
        login->check->login = NULL;
    }
    if (login->deferred != NULL) {
        login->deferred->login = NULL;
    }
    if (login->scram != NULL) {
        gsasl_finish(login->scram);
    }
    reception_users_free(&login->users);
    buf_wipe(&login->binding);
    buf_wipe(&login->reply);
    free(login->address);
    free(login);
}

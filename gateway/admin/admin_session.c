/*
 * admin_session - a browser's login for all of its tabs: a cookie that scripts cannot read, ended by whoever began it,
 * by being idle, or by a restart.
 *
 * Sessions stand in memory. The cookie's name has the port in it, because cookies do not tell ports apart.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_access.h"
#include "base/expect.h"
#include "net/net_hash.h"

#define SECRET_OCTETS 32
#define SECRET_LEN    (2 * SECRET_OCTETS)

struct admin_session {
    char cookie[SECRET_LEN + 1], key[SECRET_LEN + 1]; /* cookie "": none */
    struct admin_who who;
    uint8_t token[NET_HASH_MAX]; /* the digest of the token that it was begun with */
    uint64_t used;               /* net_now() */
};

struct admin_sessions {
    struct admin_session all[ADMIN_SESSIONS_MAX];
};

void admin_sessions_init(struct admin *admin)
{
    admin->sessions = expect_calloc(1, sizeof *admin->sessions);
}

void admin_sessions_done(struct admin *admin)
{
    if (admin->sessions != NULL) {
        explicit_bzero(admin->sessions, sizeof *admin->sessions);
    }
    free(admin->sessions);
    admin->sessions = NULL;
}

static void make_secret(char out[SECRET_LEN + 1])
{
    uint8_t random[SECRET_OCTETS];
    net_random(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(out + 2 * i, 3, "%02x", random[i]);
    }
}

void admin_session_name(const struct admin_request *request, char out[32])
{
    const struct admin_door *door = request->door;
    snprintf(out, 32, "mailweir-%u", (unsigned)(door->address.is_unix ? 0 : net_poll_port(door->fd)));
}

static bool has_ended(const struct admin *admin, const struct admin_session *session)
{
    return session->cookie[0] == '\0' || net_now(admin->loop) - session->used > admin->config->admin.session_idle;
}

static bool is_digest(const struct admin_session *session, const char *token)
{
    uint8_t digest[NET_HASH_MAX];
    net_hash_digest(NET_HASH_SHA_256, bytes_of(token), digest);
    return memcmp(digest, session->token, sizeof digest) == 0;
}

/* Whether the token is still the configuration's: who takes it away ends what was begun with it. */
static bool has_token(const struct admin *admin, const struct admin_session *session)
{
    const struct config_admin *config = &gateway_config(admin->gateway)->admin;
    const struct config_admin_token *tokens = config->tokens.items;
    bool has = config->token != NULL && session->who.role == CONFIG_ADMIN_OPERATE && is_digest(session, config->token);
    for (size_t i = 0; i < config->tokens.count; i++) {
        has = has || (tokens[i].role == session->who.role && is_digest(session, tokens[i].token));
    }
    return has;
}

struct admin_session *admin_session_of(struct admin_request *request)
{
    struct admin *admin = request->admin;
    struct admin_session *found = NULL;
    char name[32];
    admin_session_name(request, name);
    const char *given = MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, name);
    for (size_t i = 0; given != NULL && i < ADMIN_SESSIONS_MAX; i++) {
        struct admin_session *session = &admin->sessions->all[i];
        if (!has_ended(admin, session) && admin_access_equal(given, session->cookie)) {
            found = session;
        }
    }
    if (found != NULL && !has_token(admin, found)) {
        admin_session_end(found);
        found = NULL;
    }
    if (found != NULL) {
        found->used = net_now(admin->loop);
    }
    return found;
}

const struct admin_who *admin_session_who(const struct admin_session *session)
{
    return &session->who;
}

const char *admin_session_key(const struct admin_session *session)
{
    return session->key;
}

const char *admin_session_cookie(const struct admin_session *session)
{
    return session->cookie;
}

bool admin_session_has_key(const struct admin_session *session, const struct admin_request *request)
{
    const char *given = admin_access_header(request, ADMIN_KEY_HEADER);
    return given != NULL && admin_access_equal(given, session->key);
}

/* A place for one more: one that has ended, else the one that was idle longest. */
static struct admin_session *take_place(struct admin *admin)
{
    struct admin_session *place = &admin->sessions->all[0];
    for (size_t i = 0; i < ADMIN_SESSIONS_MAX; i++) {
        struct admin_session *session = &admin->sessions->all[i];
        if (has_ended(admin, session)) {
            return session;
        }
        place = session->used < place->used ? session : place;
    }
    return place;
}

struct admin_session *admin_session_begin(struct admin *admin, const struct admin_who *who, const char *token)
{
    struct admin_session *session = take_place(admin);
    make_secret(session->cookie);
    make_secret(session->key);
    session->who = *who;
    net_hash_digest(NET_HASH_SHA_256, bytes_of(token), session->token);
    session->used = net_now(admin->loop);
    return session;
}

void admin_session_end(struct admin_session *session)
{
    explicit_bzero(session, sizeof *session);
}

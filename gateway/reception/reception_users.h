/*
 * reception_users - who may authenticate: a JSON file of users with crypt(3) hashes, SCRAM keys and the senders they
 * may use.
 *
 *   { "users": { "app1": { "password": "$y$j9T$...", "scram": "{SCRAM-SHA-256}4096,salt,StoredKey,ServerKey",
 *                          "senders": ["*@example.net"], "disabled": false } } }
 *
 * `mailweir passwd` writes it. Immutable once parsed and counted, so that sessions keep the one they began with.
 */
#ifndef MAILWEIR_RECEPTION_RECEPTION_USERS_H
#define MAILWEIR_RECEPTION_RECEPTION_USERS_H

#include "base/buf.h"
#include "base/fault.h"
#include "base/must_use.h"
#include "document/problems.h"

#define RECEPTION_USERS_FILE_MAX ((size_t)16 << 20)
#define RECEPTION_USER_NAME_MAX  255

struct reception_scram {
    unsigned iterations;
    const char *salt, *stored_key, *server_key; /* base64 */
};

struct reception_user {
    const char *name;
    const char *password; /* a crypt(3) hash, or NULL */
    bool has_scram;
    struct reception_scram scram;
    bool disabled;
    const char *const *senders; /* patterns; none: any sender */
    size_t sender_count;
};

struct reception_users;

/* NULL when there is any error. name is shown in problems. */
MUST_USE struct reception_users *reception_users_parse(const char *name, struct bytes text, struct problems *problems);
/* The same from a file; blocks. */
MUST_USE struct reception_users *reception_users_load(const char *path, struct problems *problems);
struct reception_users *reception_users_share(struct reception_users *users);
void reception_users_free(struct reception_users **users);
/* The user of that name who is not disabled, or NULL. */
const struct reception_user *reception_users_find(const struct reception_users *users, struct bytes name);
/*
 * Whose keys stand in for a name that nobody has, so that it costs the time of one that somebody has, whatever kinds of
 * keys the file owners; the same for the same name. NULL when nobody has a password.
 */
const struct reception_user *reception_users_instead(const struct reception_users *users, const char *name);
/* enum smtpd_mechanism: what some user can use. */
unsigned reception_users_mechanisms(const struct reception_users *users);

/*
 * Makes what stands in the file for a password; blocks (tens of milliseconds). hash_r: a yescrypt hash, scram_r:
 * "{SCRAM-SHA-256}...", both NUL-terminated. -1 with a fault.
 */
#define RECEPTION_HASH_MAX 512
MUST_USE int reception_users_make(const char *password, char hash_r[RECEPTION_HASH_MAX],
                                  char scram_r[RECEPTION_HASH_MAX], struct fault *fault);
/* Whether the password is the hash's, in constant time for a given hash; blocks. */
bool reception_users_verify(const char *password, const char *hash);

#endif

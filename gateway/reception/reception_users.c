/* reception_users - who may authenticate. Contract: reception_users.h. */
#include "reception/reception_users.h"

#include <crypt.h>
#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "engine/smtpd_budget.h"
#include "base/map.h"
#include "base/units.h"
#include "document/document.h"
#include "engine/smtpd_engine.h"
#include "net/net_file.h"
#include "net/net_loop.h"

#define USERS_MAX            100000
#define SCRAM_PREFIX         "{SCRAM-SHA-256}"
#define SCRAM_ITERATIONS     4096 /* RFC 7677 section 4; the client has to do them too */
#define SCRAM_ITERATIONS_MAX 1000000
#define SCRAM_SALT_LEN       16
#define SCRAM_KEY_LEN        32
#define YESCRYPT             "$y$"
#define SOME_MAX             256

struct reception_users {
    unsigned owners;
    struct arena *arena;
    struct map *by_name;                         /* of struct reception_user */
    const struct reception_user *some[SOME_MAX]; /* with a password, for names that nobody has */
    size_t with_password;
    unsigned mechanisms;
};

struct parse {
    struct reception_users *users;
    const struct document *json;
    struct problems *problems;
    char pointer[600]; /* of the user */
};

static void wrong_users(struct parse *parse, const char *key, const char *text)
{
    char pointer[700];
    snprintf(pointer, sizeof pointer, "%s%s%s", parse->pointer, key[0] == '\0' ? "" : "/", key);
    document_problem(parse->json, parse->problems, PROBLEM_ERROR, pointer, "%s", text);
}

/* ---- one user ---- */

static bool is_base64_of(const char *text, size_t len)
{
    struct buf octets;
    buf_init(&octets, 1024);
    bool good = units_base64_decode(&octets, bytes_of(text)) == 0 && (len == 0 ? octets.len > 0 : octets.len == len);
    buf_done(&octets);
    return good;
}

/* "{SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey", as Dovecot writes it. */
static bool parse_scram(struct arena *arena, const char *text, struct reception_scram *scram)
{
    struct bytes rest = bytes_of(text);
    uint64_t iterations;
    if (!bytes_starts_nocase(rest, SCRAM_PREFIX)) {
        return false;
    }
    rest = bytes_from(rest, strlen(SCRAM_PREFIX));
    if (!bytes_to_u64(bytes_cut(&rest, ','), &iterations) || iterations < 1 || iterations > SCRAM_ITERATIONS_MAX) {
        return false;
    }
    scram->iterations = (unsigned)iterations;
    scram->salt = expect_memory(arena_copy(arena, bytes_cut(&rest, ',')));
    scram->stored_key = expect_memory(arena_copy(arena, bytes_cut(&rest, ',')));
    scram->server_key = expect_memory(arena_copy(arena, rest));
    return is_base64_of(scram->salt, 0) && is_base64_of(scram->stored_key, SCRAM_KEY_LEN) &&
           is_base64_of(scram->server_key, SCRAM_KEY_LEN);
}

static void read_password(struct parse *parse, json_t *object, struct reception_user *user)
{
    json_t *value = json_object_get(object, "password");
    const char *text = json_string_value(value);
    if (value == NULL) {
        return;
    }
    /* A plain word is what people write by mistake: crypt(3) would take it as an ancient DES salt. */
    if (text == NULL || text[0] != '$' || crypt_checksalt(text) != CRYPT_SALT_OK) {
        wrong_users(parse, "password",
                    "expected a crypt(3) hash such as \"$y$j9T$...\"; \"mailweir passwd\" writes one");
        return;
    }
    user->password = expect_memory(arena_text(parse->users->arena, text));
    parse->users->some[parse->users->with_password++ % SOME_MAX] = user;
    parse->users->mechanisms |= SMTPD_MECHANISM_PLAIN | SMTPD_MECHANISM_LOGIN;
}

static void read_scram(struct parse *parse, json_t *object, struct reception_user *user)
{
    json_t *value = json_object_get(object, "scram");
    const char *text = json_string_value(value);
    if (value == NULL) {
        return;
    }
    user->has_scram = text != NULL && parse_scram(parse->users->arena, text, &user->scram);
    if (!user->has_scram) {
        wrong_users(parse, "scram",
                    "write \"{SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey\"; \"mailweir passwd\" writes it");
    }
    parse->users->mechanisms |= SMTPD_MECHANISM_SCRAM | SMTPD_MECHANISM_SCRAM_PLUS;
}

static void read_senders(struct parse *parse, json_t *object, struct reception_user *user)
{
    json_t *list = json_object_get(object, "senders");
    if (list == NULL) {
        return;
    }
    if (!json_is_array(list)) {
        wrong_users(parse, "senders", "expected a list of patterns such as \"*@example.net\"");
        return;
    }
    const char **senders = expect_memory(arena_array(parse->users->arena, json_array_size(list) + 1, sizeof *senders));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL) {
            wrong_users(parse, "senders", "a pattern must be a string");
            return;
        }
        senders[user->sender_count++] = expect_memory(arena_text(parse->users->arena, text));
    }
    user->senders = senders;
}

static void read_user(struct parse *parse, const char *name, json_t *object)
{
    static const char *const known[] = {"password", "scram", "senders", "disabled", NULL};
    struct reception_user *user = expect_memory(arena_alloc(parse->users->arena, sizeof *user));
    size_t len = strlen(name);
    if (len == 0 || len > RECEPTION_USER_NAME_MAX || bytes_has_control(bytes_of(name))) {
        wrong_users(parse, "", "a user's name has 1 to 255 octets and no control characters");
        return;
    }
    if (!json_is_object(object)) {
        wrong_users(parse, "", "a user must be an object with \"password\" or \"scram\"");
        return;
    }
    document_unknown_keys(parse->json, parse->problems, parse->pointer, object, known);
    user->name = expect_memory(arena_text(parse->users->arena, name));
    user->disabled = json_is_true(json_object_get(object, "disabled"));
    read_password(parse, object, user);
    read_scram(parse, object, user);
    read_senders(parse, object, user);
    if (map_set(parse->users->by_name, bytes_of(user->name), user) < 0) {
        wrong_users(parse, "", "too many users");
    }
}

/* ---- the file ---- */

/* A name as part of a JSON pointer (RFC 6901 section 3). */
static void set_pointer(struct parse *parse, const char *name)
{
    struct buf pointer;
    buf_init(&pointer, sizeof parse->pointer - 1);
    buf_append_text(&pointer, "/users/");
    for (; *name != '\0'; name++) {
        buf_append_text(&pointer, *name == '~' ? "~0" : *name == '/' ? "~1" : (const char[]){*name, '\0'});
    }
    memcpy(parse->pointer, buf_text(&pointer), pointer.len + 1);
    buf_done(&pointer);
}

static void read_users(struct parse *parse, json_t *root)
{
    static const char *const known[] = {"users", NULL};
    json_t *users = json_object_get(root, "users");
    const char *name;
    json_t *user;
    if (!json_is_object(root) || !json_is_object(users)) {
        wrong_users(parse, "", "expected {\"users\": {\"name\": {...}}}");
        return;
    }
    document_unknown_keys(parse->json, parse->problems, "", root, known);
    json_object_foreach(users, name, user)
    {
        set_pointer(parse, name);
        read_user(parse, name, user);
    }
}

struct reception_users *reception_users_parse(const char *name, struct bytes text, struct problems *problems)
{
    size_t before = problems_errors(problems);
    struct document *json = document_parse(name, text, problems);
    if (json == NULL) {
        return NULL;
    }
    struct reception_users *users = expect_calloc(1, sizeof *users);
    struct parse parse = {.users = users, .json = json, .problems = problems};
    users->owners = 1;
    users->arena = arena_new(RECEPTION_USERS_FILE_MAX * 4);
    users->by_name = map_new(USERS_MAX, NULL);
    read_users(&parse, document_root(json));
    document_free(&json);
    if (problems_errors(problems) > before) {
        reception_users_free(&users);
    }
    return users;
}

struct reception_users *reception_users_load(const char *path, struct problems *problems)
{
    struct buf text;
    struct fault fault = FAULT_INIT;
    struct reception_users *users = NULL;
    buf_init(&text, RECEPTION_USERS_FILE_MAX);
    if (net_file_read_all(path, &text, &fault) < 0) {
        problems_add(problems, PROBLEM_ERROR, path, 0, 0, "", "cannot be read: %s", fault.text);
    } else {
        users = reception_users_parse(path, buf_bytes(&text), problems);
    }
    buf_wipe(&text);
    return users;
}

struct reception_users *reception_users_share(struct reception_users *users)
{
    users->owners++;
    return users;
}

void reception_users_free(struct reception_users **users)
{
    struct reception_users *all = *users;
    *users = NULL;
    if (all == NULL || --all->owners > 0) {
        return;
    }
    map_free(&all->by_name, NULL);
    arena_free(&all->arena);
    free(all);
}

const struct reception_user *reception_users_find(const struct reception_users *users, struct bytes name)
{
    const struct reception_user *user = map_get(users->by_name, name);
    return user == NULL || user->disabled ? NULL : user;
}

const struct reception_user *reception_users_instead(const struct reception_users *users, const char *name)
{
    size_t count = users->with_password < SOME_MAX ? users->with_password : SOME_MAX;
    return count == 0 ? NULL : users->some[smtpd_network_hash(name) % count];
}

unsigned reception_users_mechanisms(const struct reception_users *users)
{
    return users->mechanisms;
}

/* ---- passwords ---- */

static int make_hash(const char *password, char hash_r[RECEPTION_HASH_MAX], struct fault *fault)
{
    char random[32], setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data = expect_calloc(1, sizeof *data);
    net_random(random, sizeof random);
    const char *hash = NULL;
    if (crypt_gensalt_rn(YESCRYPT, 0, random, sizeof random, setting, sizeof setting) != NULL) {
        hash = crypt_r(password, setting, data);
    }
    bool good = hash != NULL && hash[0] != '*' && strlen(hash) < RECEPTION_HASH_MAX;
    if (good) {
        memcpy(hash_r, hash, strlen(hash) + 1);
    } else {
        fault_set(fault, FAULT_LOCAL, "crypt", "password", "the password cannot be hashed; a shorter password may do");
    }
    explicit_bzero(data, sizeof *data);
    free(data);
    return good ? 0 : -1;
}

static void write_base64(struct buf *out, const void *data, size_t len)
{
    buf_append_octet(out, ',');
    units_base64_encode(out, bytes_at(data, len));
}

static int make_scram(const char *password, char scram_r[RECEPTION_HASH_MAX], struct fault *fault)
{
    char salt[SCRAM_SALT_LEN], salted[SCRAM_KEY_LEN], client[SCRAM_KEY_LEN], server[SCRAM_KEY_LEN],
        stored[SCRAM_KEY_LEN];
    struct buf out;
    net_random(salt, sizeof salt);
    if (gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, password, SCRAM_ITERATIONS, salt, sizeof salt, salted,
                                          client, server, stored) != GSASL_OK) {
        fault_set(fault, FAULT_LOCAL, "scram", "password", "the password cannot be made into SCRAM keys");
        return -1;
    }
    buf_init(&out, RECEPTION_HASH_MAX - 1);
    buf_printf(&out, "%s%d", SCRAM_PREFIX, SCRAM_ITERATIONS);
    write_base64(&out, salt, sizeof salt);
    write_base64(&out, stored, sizeof stored);
    write_base64(&out, server, sizeof server);
    memcpy(scram_r, buf_text(&out), out.len + 1);
    buf_done(&out);
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client, sizeof client);
    return 0;
}

int reception_users_make(const char *password, char hash_r[RECEPTION_HASH_MAX], char scram_r[RECEPTION_HASH_MAX],
                         struct fault *fault)
{
    char hash[RECEPTION_HASH_MAX], scram[RECEPTION_HASH_MAX];
    if (make_hash(password, hash, fault) < 0 || make_scram(password, scram, fault) < 0) {
        return -1;
    }
    memcpy(hash_r, hash, sizeof hash);
    memcpy(scram_r, scram, sizeof scram);
    return 0;
}

/* To the end, wherever they differ. */
static bool equal_in_constant_time(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    size_t difference = a_len ^ b_len;
    for (size_t i = 0; i < a_len && i < b_len; i++) {
        difference |= (size_t)(unsigned char)(a[i] ^ b[i]);
    }
    return difference == 0;
}

bool reception_users_verify(const char *password, const char *hash)
{
    struct crypt_data *data = expect_calloc(1, sizeof *data);
    const char *result = crypt_r(password, hash, data);
    bool good = result != NULL && result[0] != '*' && equal_in_constant_time(result, hash);
    explicit_bzero(data, sizeof *data);
    free(data);
    return good;
}

/*
 * cmd_passwd - makes and changes the users file of a listener's "auth": a crypt(3) hash and SCRAM keys for a password.
 *
 * The password is asked for twice on a terminal, without echo; otherwise it is the first line of standard input. It is
 * never an argument, which other users of the machine could see.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cli_ask.h"
#include "net/net_file.h"
#include "reception/reception_users.h"

static int cannot_passwd(const char *what, const char *why)
{
    fprintf(stderr, "mailweir passwd: %s%s%s\n", what, why[0] == '\0' ? "" : ": ", why);
    return EX_DATAERR;
}

/* ---- the password ---- */

/* EX_OK, or the exit code after a complaint. */
static int read_password(char into[CLI_ASK_SIZE])
{
    char again[CLI_ASK_SIZE];
    bool terminal = isatty(STDIN_FILENO) == 1;
    if (cli_ask_secret(terminal ? "New password: " : NULL, into) != CLI_ANSWER_GIVEN) {
        return cannot_passwd("no password", "write a password of at most 1000 octets to standard input");
    }
    if (terminal && (cli_ask_secret("Repeat the password: ", again) != CLI_ANSWER_GIVEN || strcmp(into, again) != 0)) {
        return cannot_passwd("the passwords do not match", "");
    }
    explicit_bzero(again, sizeof again);
    return into[0] == '\0' ? cannot_passwd("the password is empty", "") : EX_OK;
}

/* ---- the file ---- */

/* The file's object, or a fresh one when there is no file; NULL after a complaint. It must be a good file: we write it
 * back whole. */
static json_t *read_file(const char *path)
{
    struct problems *problems = problems_new();
    struct buf text, shown;
    struct fault fault = FAULT_INIT;
    json_t *root = NULL;
    buf_init(&text, RECEPTION_USERS_FILE_MAX);
    buf_init(&shown, 1u << 20);
    if (net_file_stamp(path) == 0) {
        root = json_pack("{s{}}", "users");
    } else if (net_file_read_all(path, &text, &fault) < 0) {
        disregard(cannot_passwd(path, fault.text));
    } else {
        struct reception_users *users = reception_users_parse(path, buf_bytes(&text), problems);
        root = users == NULL ? NULL : json_loadb((const char *)buf_bytes(&text).ptr, text.len, 0, NULL);
        reception_users_free(&users);
        problems_print(problems, &shown);
        fputs(buf_text(&shown), stderr);
    }
    problems_free(&problems);
    buf_done(&text);
    buf_done(&shown);
    return root;
}

static int write_file(const char *path, const json_t *root)
{
    struct fault fault = FAULT_INIT;
    char *text = json_dumps(root, JSON_INDENT(2));
    struct buf whole;
    buf_init(&whole, RECEPTION_USERS_FILE_MAX);
    buf_printf(&whole, "%s\n", text);
    free(text);
    int result = whole.full ? -1 : net_file_replace(path, buf_bytes(&whole), &fault);
    buf_done(&whole);
    return result == 0 ? EX_OK : cannot_passwd(path, whole.full ? "too many users" : fault.text);
}

/* ---- one user ---- */

/* "a,b" as a list; an empty one lets the user send as anybody. */
static json_t *senders_of(const char *patterns)
{
    json_t *list = json_array();
    struct bytes rest = bytes_of(patterns);
    while (rest.len > 0) {
        struct bytes one = bytes_trim(bytes_cut(&rest, ','));
        json_array_append_new(list, json_stringn((const char *)one.ptr, one.len));
    }
    return list;
}

static int set_user(json_t *users, const char *name, const char *senders)
{
    char password[CLI_ASK_SIZE], hash[RECEPTION_HASH_MAX], scram[RECEPTION_HASH_MAX];
    struct fault fault = FAULT_INIT;
    int exit_code = read_password(password);
    if (exit_code != EX_OK) {
        return exit_code;
    }
    int result = reception_users_make(password, hash, scram, &fault);
    explicit_bzero(password, sizeof password);
    if (result < 0) {
        return cannot_passwd(name, fault.text);
    }
    json_t *user = json_object_get(users, name);
    if (user == NULL) {
        user = json_object();
        json_object_set_new(users, name, user);
    }
    json_object_set_new(user, "password", json_string(hash));
    json_object_set_new(user, "scram", json_string(scram));
    if (senders != NULL) {
        json_object_set_new(user, "senders", senders_of(senders));
    }
    return EX_OK;
}

static int change_password(const char *path, const char *name, const char *senders, bool delete)
{
    json_t *root = read_file(path);
    if (root == NULL) {
        return EX_DATAERR;
    }
    json_t *users = json_object_get(root, "users");
    int exit_code = EX_OK;
    if (delete &&json_object_del(users, name) != 0) {
        exit_code = cannot_passwd(name, "there is no such user");
    } else if (!delete) {
        exit_code = set_user(users, name, senders);
    }
    if (exit_code == EX_OK) {
        exit_code = write_file(path, root);
    }
    json_decref(root);
    return exit_code;
}

int cmd_passwd(const struct cli_command *command, int argc, char **argv)
{
    const char *path = NULL, *senders = NULL;
    bool delete = false;
    const struct cli_option options[] = {
        {.name = "users", .value = &path, .help = "the users file; created if it does not exist"},
        {.name = "senders",
         .value = &senders,
         .help = "addresses the user may send as, separated by commas: *@example.net"},
        {.name = "delete", .flag = &delete, .help = "delete the user"},
        {.name = NULL}};
    int exit_code;
    int others = cli_parse(command, options, argc, argv, &exit_code);
    if (others < 0) {
        return exit_code;
    }
    if (path == NULL) {
        return cli_usage_error(command, "--users is missing");
    }
    if (others != 1) {
        return cli_usage_error(command, others == 0 ? "the user's name is missing" : "name one user at a time");
    }
    if (argv[1][0] == '\0' || strlen(argv[1]) > RECEPTION_USER_NAME_MAX || bytes_has_control(bytes_of(argv[1])) ||
        !bytes_is_utf8(bytes_of(argv[1]))) {
        return cli_usage_error(command, "a name has 1 to 255 octets of UTF-8 and no control characters");
    }
    exit_code = change_password(path, argv[1], senders, delete);
    if (exit_code == EX_OK) {
        printf("%s: %s %s\n", path, argv[1], delete ? "is gone" : "may log in");
    }
    return exit_code;
}

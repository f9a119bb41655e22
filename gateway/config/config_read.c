/*
 * config_read - reads JSON objects into structs by tables; see config_table.h.
 *
 * Every problem is added with its place and reading goes on, so that an operator sees all of them at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect.h"
#include "base/units.h"
#include "config/config_private.h"
#include "config/config_table.h"
#include "net/net_file.h"

#define POINTER_MAX 512
#define SECRET_MAX  65536

static void add_problem(struct config_reader *reader, const char *pointer, const char *text)
{
    document_problem(reader->json, reader->problems, PROBLEM_ERROR, pointer, "%s", text);
}

/* pointer + "/" + key with the escapes of RFC 6901. */
static void child_pointer(char out[POINTER_MAX], const char *pointer, const char *key)
{
    size_t at = (size_t)snprintf(out, POINTER_MAX, "%s/", pointer);
    for (; *key != '\0' && at + 3 < POINTER_MAX; key++) {
        if (*key == '~' || *key == '/') {
            out[at++] = '~';
            out[at++] = *key == '~' ? '0' : '1';
        } else {
            out[at++] = *key;
        }
    }
    out[at < POINTER_MAX ? at : POINTER_MAX - 1] = '\0';
}

static const char *keep_text(struct config_reader *reader, const char *text)
{
    return expect_memory(arena_text(reader->arena, text));
}

/* The string value, or NULL after a problem was added. */
static const char *string_of(struct config_reader *reader, const char *pointer, json_t *value)
{
    const char *text = json_string_value(value);
    if (text == NULL) {
        add_problem(reader, pointer, "expected a string");
    } else if (bytes_has_control(bytes_of(text))) {
        /* What is a host, folder or flag here is a line of SMTP or IMAP later: a CR LF in it would be a command. */
        add_problem(reader, pointer, "control characters are not allowed here");
        return NULL;
    }
    return text;
}

/* ---- one reader per kind: into points at the member ---- */

static void read_string(struct config_reader *reader, const struct config_key *key, const char *pointer, json_t *value,
                        void *into)
{
    (void)key;
    const char *text = string_of(reader, pointer, value);
    if (text != NULL) {
        *(const char **)into = keep_text(reader, text);
    }
}

static const char *absolute(struct config_reader *reader, const char *path)
{
    return path[0] == '/' ? keep_text(reader, path)
                          : expect_memory(arena_printf(reader->arena, "%s/%s", reader->folder, path));
}

static void note_file(struct config_reader *reader, const char *path)
{
    if (reader->noting != NULL) {
        config_note_source(reader->noting, path);
    }
}

static void read_path(struct config_reader *reader, const struct config_key *key, const char *pointer, json_t *value,
                      void *into)
{
    const char *text = string_of(reader, pointer, value);
    if (text == NULL) {
        return;
    }
    const char *path = absolute(reader, text);
    *(const char **)into = path;
    if (key->secret && reader->noting != NULL) {
        config_note_secret(reader->noting, path);
    }
    if (!key->unwatched) {
        note_file(reader, path);
    } else if (reader->noting != NULL) {
        config_note_path(reader->noting, path);
    }
}

/* In the place of a secret that cannot be read, of a configuration that is never used. */
#define UNREAD "a secret that could not be read"

static void secret_from_env(struct config_reader *reader, const char *pointer, const char *name, void *into)
{
    const char *text = getenv(name);
    if (text == NULL) {
        document_problem(reader->json, reader->problems, PROBLEM_ERROR, pointer,
                         "the environment has no variable \"%s\"", name);
    }
    /* One that is missing is given all the same: nothing shall ask for it again. */
    *(const char **)into = keep_text(reader, text == NULL ? UNREAD : text);
}

static void secret_from_file(struct config_reader *reader, const char *pointer, const char *path, void *into)
{
    struct buf text;
    struct fault fault = FAULT_INIT;
    const char *full = absolute(reader, path);
    buf_init(&text, SECRET_MAX);
    note_file(reader, full);
    if (reader->noting != NULL) {
        config_note_secret(reader->noting, full);
    }
    if (net_file_read_all(full, &text, &fault) < 0) {
        document_problem(reader->json, reader->problems, PROBLEM_ERROR, pointer, "cannot read the secret: %s",
                         fault.text);
        *(const char **)into = keep_text(reader, UNREAD);
    } else {
        /* Editors end files with a line end; a password does not. */
        struct bytes secret = buf_bytes(&text);
        while (secret.len > 0 && (secret.ptr[secret.len - 1] == '\n' || secret.ptr[secret.len - 1] == '\r')) {
            secret.len--;
        }
        *(const char **)into = expect_memory(arena_copy(reader->arena, secret));
    }
    buf_wipe(&text);
}

static void read_secret(struct config_reader *reader, const struct config_key *key, const char *pointer, json_t *value,
                        void *into)
{
    (void)key;
    const char *env = json_string_value(json_object_get(value, "env"));
    const char *file = json_string_value(json_object_get(value, "file"));
    if (json_is_string(value)) {
        *(const char **)into = keep_text(reader, json_string_value(value));
        if (reader->noting != NULL) {
            config_note_secret(reader->noting, reader->noting->file);
        }
        document_problem(reader->json, reader->problems, PROBLEM_ADVICE, pointer,
                         "the secret is written in the configuration itself, which therefore must not be shown or kept "
                         "in git: name a file, {\"file\": \"/run/secrets/…\"}, or a variable, {\"env\": \"NAME\"}");
    } else if (json_object_size(value) == 1 && env != NULL) {
        secret_from_env(reader, pointer, env, into);
    } else if (json_object_size(value) == 1 && file != NULL) {
        secret_from_file(reader, pointer, file, into);
    } else {
        add_problem(reader, pointer, "expected a string, {\"env\": \"NAME\"} or {\"file\": \"/path\"}");
    }
    if (*(const char **)into != NULL && **(const char **)into == '\0') {
        add_problem(reader, pointer, "the secret is empty");
    }
}

static void check_range(struct config_reader *reader, const struct config_key *key, const char *pointer, uint64_t value)
{
    static const char *const units[] = {[CONFIG_SIZE] = " octets", [CONFIG_DURATION] = " ms", [CONFIG_NUMBER] = ""};
    const char *unit = units[key->kind];
    if (value < key->least) {
        document_problem(reader->json, reader->problems, PROBLEM_ERROR, pointer, "must be at least %llu%s",
                         (unsigned long long)key->least, unit);
    }
    if (key->most != 0 && value > key->most) {
        document_problem(reader->json, reader->problems, PROBLEM_ERROR, pointer, "must be at most %llu%s",
                         (unsigned long long)key->most, unit);
    }
}

static void read_number(struct config_reader *reader, const struct config_key *key, const char *pointer, json_t *value,
                        void *into)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        add_problem(reader, pointer, "expected a whole number, 0 or more");
        return;
    }
    *(uint64_t *)into = (uint64_t)json_integer_value(value);
    check_range(reader, key, pointer, *(uint64_t *)into);
}

static void read_quantity(struct config_reader *reader, const struct config_key *key, const char *pointer,
                          json_t *value, void *into)
{
    bool is_size = key->kind == CONFIG_SIZE;
    struct bytes text = bytes_of(json_string_value(value));
    uint64_t number = 0;
    bool plain = json_is_integer(value) && (is_size ? json_integer_value(value) >= 0 : json_integer_value(value) == 0);
    if (plain) {
        number = (uint64_t)json_integer_value(value);
    } else if (!json_is_string(value) || (is_size ? units_size(text, &number) : units_duration(text, &number)) < 0) {
        add_problem(reader, pointer,
                    is_size ? "expected a size such as \"25MiB\" (units: B, KiB, MiB, GiB, kB, MB, GB)"
                            : "expected a duration such as \"30s\" (units: ms, s, m, h, d, w)");
        return;
    }
    *(uint64_t *)into = number;
    check_range(reader, key, pointer, number);
}

static void read_bool(struct config_reader *reader, const struct config_key *key, const char *pointer, json_t *value,
                      void *into)
{
    (void)key;
    if (!json_is_boolean(value)) {
        add_problem(reader, pointer, "expected true or false");
        return;
    }
    *(bool *)into = json_is_true(value);
}

static void write_index(const struct config_key *key, void *into, unsigned index)
{
    if (key->kind == CONFIG_SWITCH) {
        *(uint64_t *)into = index;
    } else {
        *(unsigned *)into = index;
    }
}

static void read_word(struct config_reader *reader, const struct config_key *key, const char *pointer, json_t *value,
                      void *into)
{
    const char *text = string_of(reader, pointer, value);
    struct buf words;
    buf_init(&words, 500);
    for (unsigned i = 0; text != NULL && key->words[i] != NULL; i++) {
        if (strcmp(text, key->words[i]) == 0) {
            write_index(key, into, i);
            text = NULL;
            break;
        }
        buf_printf(&words, "%s\"%s\"", i > 0 ? ", " : "", key->words[i]);
    }
    if (text != NULL) {
        document_problem(reader->json, reader->problems, PROBLEM_ERROR, pointer, "\"%s\" is not one of %s", text,
                         buf_text(&words));
    }
    buf_done(&words);
}

static void read_address(struct config_reader *reader, const struct config_key *key, const char *pointer, json_t *value,
                         void *into)
{
    (void)key;
    const char *text = string_of(reader, pointer, value);
    struct fault fault = FAULT_INIT;
    if (text != NULL && net_address_parse(into, bytes_of(text), &fault) < 0) {
        add_problem(reader, pointer, fault.text);
    }
}

static void read_addresses(struct config_reader *reader, const struct config_key *key, const char *pointer,
                           json_t *value, void *into)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    struct net_address *items = expect_memory(arena_array(reader->arena, count + 1, sizeof *items));
    if (count == 0 || count > CONFIG_ADMIN_ADDRESSES) {
        document_problem(reader->json, reader->problems, PROBLEM_ERROR, pointer,
                         "expected an address, or 1 to %d in a list", CONFIG_ADMIN_ADDRESSES);
        return;
    }
    for (size_t i = 0; json_is_array(value) && i < count; i++) {
        char at[POINTER_MAX], index[24];
        snprintf(index, sizeof index, "%zu", i);
        child_pointer(at, pointer, index);
        read_address(reader, key, at, json_array_get(value, i), &items[i]);
    }
    if (!json_is_array(value)) {
        read_address(reader, key, pointer, value, items);
    }
    *(struct config_addresses *)into = (struct config_addresses){items, count};
}

static void read_strings(struct config_reader *reader, const struct config_key *key, const char *pointer, json_t *value,
                         void *into)
{
    (void)key;
    if (!json_is_array(value)) {
        add_problem(reader, pointer, "expected an array of strings");
        return;
    }
    size_t count = json_array_size(value);
    const char **items = expect_memory(arena_array(reader->arena, count + 1, sizeof *items));
    for (size_t i = 0; i < count; i++) {
        char at[POINTER_MAX], index[24];
        snprintf(index, sizeof index, "%zu", i);
        child_pointer(at, pointer, index);
        const char *text = string_of(reader, at, json_array_get(value, i));
        items[i] = keep_text(reader, text != NULL ? text : "");
    }
    *(struct config_strings *)into = (struct config_strings){items, count};
}

static void *list_items(struct config_reader *reader, const struct config_key *key, size_t count, void *into)
{
    struct config_list *list = into;
    list->items = expect_memory(arena_array(reader->arena, count + 1, key->table->size));
    list->count = count;
    return list->items;
}

static void read_list(struct config_reader *reader, const struct config_key *key, const char *pointer, json_t *value,
                      void *into)
{
    if (!json_is_array(value)) {
        add_problem(reader, pointer, "expected an array of objects");
        return;
    }
    char *item = list_items(reader, key, json_array_size(value), into);
    for (size_t i = 0; i < json_array_size(value); i++) {
        char at[POINTER_MAX], index[24];
        snprintf(index, sizeof index, "%zu", i);
        child_pointer(at, pointer, index);
        config_read(reader, key->table, at, json_array_get(value, i), item + i * key->table->size);
    }
}

static void read_map(struct config_reader *reader, const struct config_key *key, const char *pointer, json_t *value,
                     void *into)
{
    if (!json_is_object(value)) {
        add_problem(reader, pointer, "expected an object whose keys are names");
        return;
    }
    char *item = list_items(reader, key, json_object_size(value), into);
    struct config_list *list = into;
    size_t index = 0;
    const char *name;
    json_t *member;
    json_object_foreach(value, name, member)
    {
        if (strcmp(name, "description") == 0) {
            list->count--;
            continue;
        }
        char at[POINTER_MAX];
        child_pointer(at, pointer, name);
        char *slot = item + index++ * key->table->size;
        *(const char **)(void *)slot = keep_text(reader, name);
        config_read(reader, key->table, at, member, slot);
    }
}

typedef void read_fn(struct config_reader *, const struct config_key *, const char *, json_t *, void *);

static read_fn *const readers[CONFIG_KINDS] = {
    [CONFIG_STRING] = read_string,       [CONFIG_PATH] = read_path,
    [CONFIG_SECRET] = read_secret,       [CONFIG_NUMBER] = read_number,
    [CONFIG_SIZE] = read_quantity,       [CONFIG_DURATION] = read_quantity,
    [CONFIG_BOOL] = read_bool,           [CONFIG_WORD] = read_word,
    [CONFIG_SWITCH] = read_word,         [CONFIG_ADDRESS] = read_address,
    [CONFIG_ADDRESSES] = read_addresses, [CONFIG_STRINGS] = read_strings,
    [CONFIG_LIST] = read_list,           [CONFIG_MAP] = read_map,
};

/* The value of a key that the file leaves out. */
static void read_fallback(struct config_reader *reader, const struct config_key *key, const char *pointer, void *into)
{
    if (key->fallback == NULL) {
        return;
    }
    json_t *value = key->kind == CONFIG_NUMBER ? json_integer(strtoll(key->fallback, NULL, 10))
                    : key->kind == CONFIG_BOOL ? json_boolean(strcmp(key->fallback, "true") == 0)
                                               : json_string(key->fallback);
    readers[key->kind](reader, key, pointer, value, into);
    json_decref(value);
}

static void read_key(struct config_reader *reader, const struct config_key *key, const char *pointer, json_t *object,
                     char *into)
{
    json_t *value = json_object_get(object, key->name);
    char at[POINTER_MAX];
    child_pointer(at, pointer, key->name);
    if (value == NULL && key->required) {
        document_problem(reader->json, reader->problems, PROBLEM_ERROR, pointer, "\"%s\" is missing: %s", key->name,
                         key->help);
    }
    if (key->kind == CONFIG_OBJECT) {
        if (value != NULL) {
            config_read(reader, key->table, at, value, into);
        } else {
            /* An object that is left out still gives its members their defaults. */
            for (const struct config_key *member = key->table->keys; member->name != NULL; member++) {
                read_fallback(reader, member, at, into + member->offset);
            }
        }
    } else if (value != NULL) {
        readers[key->kind](reader, key, at, value, into + key->offset);
    } else {
        read_fallback(reader, key, at, into + key->offset);
    }
}

void config_read(struct config_reader *reader, const struct config_table *table, const char *pointer, json_t *object,
                 void *into)
{
    if (!json_is_object(object)) {
        add_problem(reader, pointer, "expected an object");
        return;
    }
    const char *known[64];
    size_t count = 0;
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        EXPECT(count < 63);
        known[count++] = key->name;
    }
    known[count] = NULL;
    document_unknown_keys(reader->json, reader->problems, pointer, object, known);
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        read_key(reader, key, pointer, object, into);
    }
}

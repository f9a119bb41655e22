/* config_same - whether two objects that were read by the same table say the same; see config_table.h. */
#include <string.h>

#include "config/config.h"
#include "config/config_table.h"

typedef bool same_fn(const struct config_key *, const void *, const void *);

static bool same_text(const struct config_key *key, const void *a, const void *b)
{
    const char *one = *(const char *const *)a, *other = *(const char *const *)b;
    (void)key;
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static bool same_number(const struct config_key *key, const void *a, const void *b)
{
    (void)key;
    return *(const uint64_t *)a == *(const uint64_t *)b;
}

static bool same_word(const struct config_key *key, const void *a, const void *b)
{
    (void)key;
    return *(const unsigned *)a == *(const unsigned *)b;
}

static bool same_bool(const struct config_key *key, const void *a, const void *b)
{
    (void)key;
    return *(const bool *)a == *(const bool *)b;
}

static bool same_address(const struct config_key *key, const void *a, const void *b)
{
    const struct net_address *one = a, *other = b;
    (void)key;
    /* Not memcmp(): what stands behind the end of a name, and between members, says nothing. */
    return strcmp(one->host, other->host) == 0 && one->port == other->port && one->is_unix == other->is_unix &&
           one->is_inherited == other->is_inherited;
}

static bool same_addresses(const struct config_key *key, const void *a, const void *b)
{
    const struct config_addresses *x = a, *y = b;
    bool same = x->count == y->count;
    for (size_t i = 0; same && i < x->count; i++) {
        same = same_address(key, &x->items[i], &y->items[i]);
    }
    return same;
}

static bool same_strings(const struct config_key *key, const void *a, const void *b)
{
    const struct config_strings *one = a, *other = b;
    bool same = one->count == other->count;
    for (size_t i = 0; same && i < one->count; i++) {
        same = same_text(key, &one->items[i], &other->items[i]);
    }
    return same;
}

static bool same_list(const struct config_key *key, const void *a, const void *b)
{
    const struct config_list *one = a, *other = b;
    bool same = one->count == other->count;
    for (size_t i = 0; same && i < one->count; i++) {
        size_t at = i * key->table->size;
        same =
            config_same(key->table, (const char *)one->items + at, (const char *)other->items + at) &&
            (key->kind != CONFIG_MAP || same_text(key, (const char *)one->items + at, (const char *)other->items + at));
    }
    return same;
}

static bool same_object(const struct config_key *key, const void *a, const void *b)
{
    return config_same(key->table, a, b);
}

static same_fn *const comparers[CONFIG_KINDS] = {
    [CONFIG_STRING] = same_text,     [CONFIG_PATH] = same_text,           [CONFIG_SECRET] = same_text,
    [CONFIG_NUMBER] = same_number,   [CONFIG_SIZE] = same_number,         [CONFIG_DURATION] = same_number,
    [CONFIG_BOOL] = same_bool,       [CONFIG_WORD] = same_word,           [CONFIG_SWITCH] = same_number,
    [CONFIG_ADDRESS] = same_address, [CONFIG_ADDRESSES] = same_addresses, [CONFIG_STRINGS] = same_strings,
    [CONFIG_OBJECT] = same_object,   [CONFIG_LIST] = same_list,           [CONFIG_MAP] = same_list,
};

bool config_same_key(const struct config_key *key, const void *a, const void *b)
{
    /* Members of an object lie in the same struct: their offsets count from its start. */
    size_t at = key->kind == CONFIG_OBJECT ? 0 : key->offset;
    return comparers[key->kind](key, (const char *)a + at, (const char *)b + at);
}

bool config_same(const struct config_table *table, const void *a, const void *b)
{
    for (const struct config_key *key = table->keys; key->name != NULL; key++) {
        if (!config_same_key(key, a, b)) {
            return false;
        }
    }
    return true;
}

/*
 * filters_load_auth - whose Authentication-Results are believed: a name that anybody can write counts only from clients
 * that are known to bring it rightly (RFC 8601 section 5).
 */
#include <string.h>

#include "base/expect.h"
#include "filters/filters_load.h"

static void load_one(struct filters_loader *loader, json_t *value, struct filters_authserv *authserv)
{
    authserv->name = "";
    if (!filters_load_object(loader, value, "a trusted host", filters_authserv_keys, NULL)) {
        return;
    }
    const char *name = filters_load_text(loader, value, "name");
    authserv->name = name == NULL ? "" : name;
    const char *const *texts;
    size_t count;
    filters_load_texts(loader, value, "from_clients", &texts, &count);
    struct bytes *networks = filters_load_alloc(loader, count, sizeof *networks);
    for (size_t i = 0; i < count; i++) {
        networks[i] = bytes_of(texts[i]);
    }
    size_t mark = filters_load_down(loader, "from_clients");
    if (count == 0 && json_object_get(value, "from_clients") != NULL) {
        filters_load_error(loader, "names no clients: no field would be believed");
    }
    authserv->clients = filters_load_word_set(loader, networks, count, FILTERS_WORDS_NETWORKS);
    filters_load_up(loader, mark);
}

void filters_load_authservs(struct filters_loader *loader, json_t *root)
{
    json_t *list = json_object_get(root, "trusted_authserv");
    struct filters_set *set = loader->set;
    if (list == NULL) {
        return;
    }
    size_t mark = filters_load_down(loader, "trusted_authserv");
    if (filters_load_list(loader, list, "trusted hosts", 1000)) {
        size_t count = json_array_size(list);
        struct filters_authserv *all = filters_load_alloc(loader, set->authserv_count + count, sizeof *all);
        if (set->authserv_count > 0) {
            memcpy(all, set->authservs, set->authserv_count * sizeof *all);
        }
        for (size_t i = 0; i < count; i++) {
            size_t item = filters_load_item(loader, i);
            load_one(loader, json_array_get(list, i), &all[set->authserv_count + i]);
            filters_load_up(loader, item);
        }
        set->authservs = all;
        set->authserv_count += count;
    }
    filters_load_up(loader, mark);
}
